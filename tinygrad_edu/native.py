"""What a compiled step calls in NumPy's own libraries: BLAS for matrix products, and the inner loops of exp, tanh and others.

They are called from machine code, without Python between: 0.1 microseconds a call, and the bits are those that NumPy gives.
Their addresses differ from process to process, so machine code knows them by a name, which is given its address here; code
that was cached on disk finds them again. Where NumPy's BLAS is not found, products are loops.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import config, intp, types
from numba.core import cgutils
from numba.extending import intrinsic
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
    found = [*folder.parent.glob("numpy.libs/*blas*"), *folder.glob(".dylibs/*blas*"), *folder.parent.glob("numpy.libs/*mkl_rt*")]
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
    functions, data = (ctypes.cast(id(ufunc) + 2 * 8 + 16 + 8 * k, ctypes.POINTER(ctypes.c_void_p))[0] for k in range(2))
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


@intrinsic
def _place(typingctx: Any, address: Any, offset: Any, shape: Any, dtype: Any) -> Any:
    """An array at an address: so many elements after it, of this shape, without gaps."""
    array = types.Array(dtype.dtype, len(shape), "C")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out = context.make_array(array)(context, builder)
        start = builder.inttoptr(args[0], context.get_value_type(array.dtype).as_pointer())
        lengths = [
            context.cast(builder, n, t, intp)
            for n, t in zip(cgutils.unpack_tuple(builder, args[2]), signature.args[2].types if len(shape) else ())
        ]
        size = context.get_constant(intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
        strides, step = [], size
        for n in reversed(lengths):
            strides.insert(0, step)
            step = builder.mul(step, n)
        where = builder.gep(start, [context.cast(builder, args[1], signature.args[1], intp)])
        arrayobj.populate_array(out, where, lengths, strides, size, None)
        return out._getvalue()

    return array(intp, offset, shape, dtype), code


def _gemm(letter: str) -> Any:
    real, whole = (types.float32 if letter == "s" else types.float64), (types.int32 if (blas() or ("", 64))[1] == 32 else intp)
    order, pointer = types.int32, types.uintp
    given = [order, order, order, whole, whole, whole, real, pointer, whole, pointer, whole, real, pointer, whole]
    return types.ExternalFunction(f"tinygrad_edu_{letter}gemm", types.void(*given))


def _matmul(letter: str) -> Any:
    """out = a @ b for one dtype: a or aᵀ is (n, k), b or bᵀ is (k, m)."""
    gemm, one = _gemm(letter), (np.float32 if letter == "s" else np.float64)(1)
    whole = np.int32 if (blas() or ("", 64))[1] == 32 else np.int64
    zero = one - one

    def by_blas(a: Any, a_flipped: bool, b: Any, b_flipped: bool, out: Any, n: int, m: int, k: int) -> None:
        gemm(
            ROW_MAJOR,
            TRANSPOSED if a_flipped else AS_IT_IS,
            TRANSPOSED if b_flipped else AS_IT_IS,
            whole(n),
            whole(m),
            whole(k),
            one,
            a.ctypes.data,
            whole(n if a_flipped else k),
            b.ctypes.data,
            whole(k if b_flipped else m),
            zero,
            out.ctypes.data,
            whole(m),
        )

    def by_loops(a: Any, a_flipped: bool, b: Any, b_flipped: bool, out: Any, n: int, m: int, k: int) -> None:
        for i in range(n):
            for j in range(m):
                out[i, j] = zero
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
            data = builder.bitcast(context.make_array(kind)(context, builder, array).data, byte)
            builder.store(data, cgutils.gep_inbounds(builder, pointers, i))
            builder.store(move, cgutils.gep_inbounds(builder, steps, i))
        extra = cgutils.get_null_value(byte)
        if inner_loop(name, letter):
            extra = cgutils.add_global_variable(builder.module, ir.IntType(8), f"tinygrad_edu_{name}_{letter}_data")
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


def _place_plainly(address: int, offset: int, shape: tuple[int, ...], dtype: Any) -> Array:
    size = int(np.prod(shape))
    place = (ctypes.c_byte * (size * np.dtype(dtype).itemsize)).from_address(int(address) + offset * np.dtype(dtype).itemsize)
    return np.frombuffer(place, dtype).reshape(shape)


def _matmul_plainly(a: Array, a_flipped: bool, b: Array, b_flipped: bool, out: Array, *_: int) -> None:
    np.matmul(a.T if a_flipped else a, b.T if b_flipped else b, out=out)


@lru_cache
def functions(dtype: Any) -> dict[str, Any]:
    """What the loops of a step call, by name."""
    ready()
    place, matmul, call = _place, None if PLAIN else _matmul("s" if dtype == np.float32 else "d"), _called
    if PLAIN:
        place, matmul, call = _place_plainly, _matmul_plainly, _plainly
    return {"_place": place, "_matmul": matmul, **{f"_{name}": call(name) for name in LOOPS}}
