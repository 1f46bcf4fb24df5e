"""What a compiled step calls in NumPy's own libraries: BLAS for matrix products, and the inner loops of exp, tanh and others.

They are called from machine code, without Python between: 0.1 microseconds a call, and the bits are those that NumPy gives.
Their addresses differ from process to process, so machine code knows them by a name, which is given its address here; code
that was cached on disk finds them again. Where NumPy's BLAS is not found, products are loops.
"""

from __future__ import annotations

import ctypes
import operator
import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import config, intp, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model
from numba.np import arrayobj

from .kernels import compiled
from .ops import Array

LOOPS = ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "logaddexp", "power")
ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
NAMES = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "scipy_cblas_{}gemm", "cblas_{}gemm")  # the first two take 64 bits
PLAIN = bool(config.DISABLE_JIT)  # then everything here is done by NumPy


@lru_cache
def blas() -> tuple[str, int] | None:
    """The library that NumPy multiplies matrices with, and the bits of its whole numbers; None if it is not found."""
    folder = Path(np.__file__).parent
    found = [
        *folder.parent.glob("numpy.libs/*blas*"),
        *folder.glob(".dylibs/*blas*"),
        *folder.parent.glob("numpy.libs/*mkl_rt*"),
    ]
    maps = Path("/proc/self/maps")
    if maps.exists():
        loaded = {line.split()[-1] for line in maps.read_text().splitlines() if "/" in line}
        found += [Path(name) for name in sorted(loaded) if "blas" in Path(name).name or "mkl_rt" in name]
    for path in found:
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for i, name in enumerate(NAMES):
            if all(hasattr(library, name.format(letter)) for letter in "sd"):
                for letter in "sd":
                    address = ctypes.cast(getattr(library, name.format(letter)), ctypes.c_void_p).value
                    binding.add_symbol(f"tinygrad_edu_{letter}gemm", address)
                return path.name, 64 if i < 2 else 32
    return None


@lru_cache
def inner_loop(name: str, letter: str) -> bool:
    """Give NumPy's inner loop of a function for a dtype ("f" or "d") its name. Whether it takes extra data.

    The loops are listed in the object behind np.exp; its layout is part of NumPy's C interface (ufuncobject.h).
    """
    ufunc = getattr(np, name)
    i = ufunc.types.index(f"{letter * ufunc.nin}->{letter}")
    functions, data = (
        ctypes.cast(id(ufunc) + 2 * 8 + 16 + 8 * k, ctypes.POINTER(ctypes.c_void_p))[0] for k in range(2)
    )
    address, extra = (ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[i] for table in (functions, data))
    binding.add_symbol(f"tinygrad_edu_{name}_{letter}", address)
    if extra:
        binding.add_symbol(f"tinygrad_edu_{name}_{letter}_data", extra)
    return bool(extra)


def ready() -> str:
    """Give everything its name, and say what it is: a part of the key under which machine code is kept."""
    if PLAIN:
        return "plain"
    loops = [f"{name}{letter}{inner_loop(name, letter):d}" for name in LOOPS for letter in "fd"]
    return f"{blas()} {sys.byteorder} {' '.join(loops)}"


# --- arrays by their address ------------------------------------------------------------------------------------------


class Place(types.Type):
    """An array without gaps at an address, known to share no memory with a Place of another number.

    The compiler cannot see that two stretches of a workspace lie apart, and would load every number again after each
    store. So elements are loaded and stored with a note (LLVM's alias.scope) that says which array they belong to.
    """

    def __init__(self, dtype: Any, ndim: int, number: int, count: int) -> None:
        self.dtype, self.ndim, self.number, self.count = dtype, ndim, number, count
        super().__init__(f"Place({dtype}, {ndim}, {number} of {count})")


@register_model(Place)
class _PlaceModel(models.StructModel):
    def __init__(self, manager: Any, kind: Place) -> None:
        shape = types.UniTuple(types.intp, kind.ndim)
        super().__init__(manager, kind, [("data", types.voidptr), ("shape", shape)])


@infer_global(operator.getitem)
class _Get(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return args[0].dtype(*args) if isinstance(args[0], Place) else None


@infer_global(operator.setitem)
class _Set(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return types.none(args[0], args[1], args[0].dtype) if isinstance(args[0], Place) else None


def _element(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, dict[str, Any]]:
    """Where the element of a Place at an index is, and what its load or store is marked with."""
    kind, index = signature.args[:2]
    place = cgutils.create_struct_proxy(kind)(context, builder, args[0])
    each = cgutils.unpack_tuple(builder, args[1]) if isinstance(index, types.BaseTuple) else [args[1]]
    at = context.get_constant(intp, 0)
    shape = cgutils.unpack_tuple(builder, place.shape) if kind.ndim else []
    for i, n, t in zip(each, shape, index if isinstance(index, types.BaseTuple) else [index]):
        at = builder.add(builder.mul(at, n, flags=["nsw"]), context.cast(builder, i, t, intp), flags=["nsw"])
    data = builder.bitcast(place.data, context.get_data_type(kind.dtype).as_pointer())
    domain = builder.module.add_metadata(["tinygrad_edu"])
    scopes = [builder.module.add_metadata([f"tinygrad_edu {k}", domain]) for k in range(kind.count)]
    others = builder.module.add_metadata([scope for k, scope in enumerate(scopes) if k != kind.number])
    marks = {"alias.scope": builder.module.add_metadata([scopes[kind.number]]), "noalias": others}
    return builder.gep(data, [at], inbounds=True), marks


@lower_builtin(operator.getitem, Place, types.Any)
def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    pointer, marks = _element(context, builder, signature, args)
    loaded = builder.load(pointer)
    for name, mark in marks.items():
        loaded.set_metadata(name, mark)
    return context.data_model_manager[signature.args[0].dtype].from_data(builder, loaded)


@lower_builtin(operator.setitem, Place, types.Any, types.Any)
def _store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    pointer, marks = _element(context, builder, signature, args)
    value = context.data_model_manager[signature.args[0].dtype].as_data(builder, args[2])
    stored = builder.store(value, pointer)
    for name, mark in marks.items():
        stored.set_metadata(name, mark)
    return context.get_dummy_value()


def _lengths(context: Any, builder: Any, kind: Any, shape: Any) -> list[Any]:
    values = cgutils.unpack_tuple(builder, shape) if len(kind) else []
    return [context.cast(builder, n, t, intp) for n, t in zip(values, kind)]


def _start(context: Any, builder: Any, dtype: Any, signature: Any, args: Any) -> Any:
    """The pointer that lies so many elements after an address."""
    pointer = builder.inttoptr(args[0], context.get_data_type(dtype).as_pointer())
    return builder.gep(pointer, [context.cast(builder, args[1], signature.args[1], intp)])


@intrinsic(prefer_literal=True)
def _place(typingctx: Any, address: Any, offset: Any, shape: Any, dtype: Any, number: Any, count: Any) -> Any:
    """A `Place`: its address, how many elements after it, shape, dtype, its number, and how many Places there are."""
    kind = Place(dtype.dtype, len(shape), number.literal_value, count.literal_value)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out = cgutils.create_struct_proxy(kind)(context, builder)
        out.data = builder.bitcast(_start(context, builder, kind.dtype, signature, args), cgutils.voidptr_t)
        out.shape = context.make_tuple(
            builder, types.UniTuple(intp, kind.ndim), _lengths(context, builder, signature.args[2], args[2])
        )
        return out._getvalue()

    return kind(intp, offset, shape, dtype, number, count), code


@intrinsic
def _array(typingctx: Any, address: Any, offset: Any, shape: Any, dtype: Any) -> Any:
    """The same as an array that can be sliced and given to a kernel."""
    array = types.Array(dtype.dtype, len(shape), "C")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out = context.make_array(array)(context, builder)
        lengths = _lengths(context, builder, signature.args[2], args[2])
        size = context.get_constant(intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
        strides, step = [], size
        for n in reversed(lengths):
            strides.insert(0, step)
            step = builder.mul(step, n)
        data = _start(context, builder, array.dtype, signature, args)
        arrayobj.populate_array(out, data, lengths, strides, size, None)
        return out._getvalue()

    return array(intp, offset, shape, dtype), code


@intrinsic
def _address(typingctx: Any, place: Any) -> Any:
    """Where a Place or an array begins."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(_data(context, builder, place, args[0]), ir.IntType(64))

    return intp(place), code


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    make = cgutils.create_struct_proxy(kind) if isinstance(kind, Place) else context.make_array(kind)
    return builder.bitcast(make(context, builder, value).data, cgutils.voidptr_t)


@intrinsic
def _copy(typingctx: Any, to: Any, start: Any, size: Any) -> Any:
    """So many bytes, from one address to another."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = [builder.inttoptr(address, cgutils.voidptr_t) for address in args[:2]]
        cgutils.raw_memcpy(builder, *pointers, args[2], 1)
        return context.get_dummy_value()

    return types.void(intp, intp, intp), code


@compiled()
def _repeat(row: Any, out: Any, n: int, size: int) -> None:
    """The same row n times; size is that of a row in bytes. Twice as many are copied each time."""
    to, done = _address(out), 1
    _copy(to, _address(row), size)
    while done < n:
        more = min(done, n - done)
        _copy(to + done * size, to, more * size)
        done += more


@intrinsic
def _row(typingctx: Any) -> Any:
    """Stands at the start of a loop over rows: the compiler then makes vectors of the elements of a row, which lie side by
    side, and not of the same element of several rows."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
        return context.get_dummy_value()

    return types.void(), code


# --- numbers too small to be normal -----------------------------------------------------------------------------------


@intrinsic
def _flush(typingctx: Any, mode: Any) -> Any:
    """Have this thread's processor take numbers below the smallest normal one for 0, each of which costs it a hundred times
    as long; with 0, or, with what it returned, as before. Where that is not an x86, nothing happens."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(32)
        if platform.machine() not in ("x86_64", "AMD64"):
            return word(0)
        place = cgutils.alloca_once(builder, word)
        pointer = builder.bitcast(place, cgutils.voidptr_t)
        control = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
        read = cgutils.get_or_insert_function(builder.module, control, "llvm.x86.sse.stmxcsr")
        write = cgutils.get_or_insert_function(builder.module, control, "llvm.x86.sse.ldmxcsr")
        builder.call(read, [pointer])
        before = builder.load(place)
        fast = builder.or_(before, word(0x8040))  # flush to zero, denormals are zero
        given = builder.trunc(args[0], word) if args[0].type.width > 32 else args[0]
        builder.store(builder.select(builder.icmp_unsigned("==", given, word(0)), fast, given), place)
        builder.call(write, [pointer])
        return before

    return types.uint32(mode), code


# --- products and functions ---------------------------------------------------------------------------------------------


def _gemm(letter: str) -> Any:
    real, whole = (
        (types.float32 if letter == "s" else types.float64),
        (types.int32 if (blas() or ("", 64))[1] == 32 else intp),
    )
    order, pointer = types.int32, intp
    given = [order, order, order, whole, whole, whole, real, pointer, whole, pointer, whole, real, pointer, whole]
    return types.ExternalFunction(f"tinygrad_edu_{letter}gemm", types.void(*given))


def _matmul(letter: str) -> Any:
    """out = a @ b for one dtype, or out += a @ b: a or aᵀ is (n, k), b or bᵀ is (k, m)."""
    gemm, one = _gemm(letter), (np.float32 if letter == "s" else np.float64)(1)
    whole = np.int32 if (blas() or ("", 64))[1] == 32 else np.int64
    zero = one - one

    def by_blas(a: Any, a_flipped: bool, b: Any, b_flipped: bool, out: Any, n: int, m: int, k: int, add: bool) -> None:
        gemm(
            ROW_MAJOR,
            TRANSPOSED if a_flipped else AS_IT_IS,
            TRANSPOSED if b_flipped else AS_IT_IS,
            whole(n),
            whole(m),
            whole(k),
            one,
            _address(a),
            whole(n if a_flipped else k),
            _address(b),
            whole(k if b_flipped else m),
            one if add else zero,
            _address(out),
            whole(m),
        )

    def by_loops(a: Any, a_flipped: bool, b: Any, b_flipped: bool, out: Any, n: int, m: int, k: int, add: bool) -> None:
        for i in range(n):
            for j in range(m):
                out[i, j] = out[i, j] if add else zero
            for s in range(k):
                x = a[s, i] if a_flipped else a[i, s]
                for j in range(m):
                    out[i, j] += x * (b[j, s] if b_flipped else b[s, j])

    return compiled()(by_blas if blas() else by_loops)


def _called(name: str) -> Any:
    """NumPy's inner loop as a function: (array, step, ..., out, n); a step of 0 stands for one number."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> None:
        *pairs, out, n = zip(signature.args, values)
        letter = "f" if out[0].dtype == types.float32 else "d"
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(64)
        arrays = [*pairs[::2], out]
        pointers, steps = (cgutils.alloca_once(builder, kind, len(arrays)) for kind in (byte, word))
        length = cgutils.alloca_once_value(builder, context.cast(builder, n[1], n[0], intp))
        item = context.get_constant(intp, 4 if letter == "f" else 8)
        moves = [builder.mul(context.cast(builder, step, kind, intp), item) for kind, step in pairs[1::2]]
        for i, ((kind, array), move) in enumerate(zip(arrays, [*moves, item])):
            builder.store(_data(context, builder, kind, array), cgutils.gep_inbounds(builder, pointers, i))
            builder.store(move, cgutils.gep_inbounds(builder, steps, i))
        extra = cgutils.get_null_value(byte)
        if inner_loop(name, letter):
            symbol = f"tinygrad_edu_{name}_{letter}_data"
            extra = builder.module.globals.get(symbol) or ir.GlobalVariable(builder.module, ir.IntType(8), symbol)
        loop = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word.as_pointer(), word.as_pointer(), byte])
        function = cgutils.get_or_insert_function(builder.module, loop, f"tinygrad_edu_{name}_{letter}")
        builder.call(function, [pointers, length, steps, extra])
        return context.get_dummy_value()

    if getattr(np, name).nin == 1:
        return intrinsic(lambda typingctx, a, step, out, n: (types.void(a, step, out, n), code))
    return intrinsic(lambda typingctx, a, step, b, step2, out, n: (types.void(a, step, b, step2, out, n), code))


def _plainly(name: str) -> Any:
    def call(*given: Any) -> None:
        *pairs, out, n = given
        inputs = [a.reshape(-1)[:n] if step else a.reshape(-1)[0] for a, step in zip(pairs[::2], pairs[1::2])]
        getattr(np, name)(*inputs, out=out.reshape(-1)[:n])

    return call


def _array_plainly(address: int, offset: int, shape: tuple[int, ...], dtype: Any, *_: int) -> Array:
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    place = (ctypes.c_byte * (size * item)).from_address(int(address) + offset * item)
    return np.frombuffer(place, dtype).reshape(shape)


def _matmul_plainly(
    a: Array, a_flipped: bool, b: Array, b_flipped: bool, out: Array, n: int, m: int, k: int, add: bool
) -> None:
    product = (a.T if a_flipped else a) @ (b.T if b_flipped else b)
    out[...] = product + out if add else product


@lru_cache
def functions(dtype: Any) -> dict[str, Any]:
    """What the loops of a step call, by name."""
    ready()
    if PLAIN:
        plain = {"_place": _array_plainly, "_array": _array_plainly, "_matmul": _matmul_plainly}
        plain["_repeat"] = lambda row, out, n, size: np.copyto(out, row)
        rest = {"_address": lambda a: a.ctypes.data, "_flush": lambda mode: 0, "_row": lambda: None}
        return {**plain, **rest, **{f"_{name}": _plainly(name) for name in LOOPS}}
    matmul = _matmul("s" if dtype == np.float32 else "d")
    own = {
        "_place": _place,
        "_array": _array,
        "_address": _address,
        "_row": _row,
        "_repeat": _repeat,
        "_flush": _flush,
        "_matmul": matmul,
    }
    return {**own, **{f"_{name}": _called(name) for name in LOOPS}}
