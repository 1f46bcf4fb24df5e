"""Additions to Numba for compiled steps: arrays by their address, and calls of C functions by their name.

An intrinsic is a function whose ``code`` writes the instructions (LLVM's) that Numba puts in its place. Nothing here
has type hints: Numba finds the types.
"""

from __future__ import annotations

import operator
import platform
from contextlib import contextmanager
from functools import partial

import numpy as np
from llvmlite import ir
from numba import intp, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import NativeValue, intrinsic, lower_builtin, models, register_model, unbox
from numba.np import arrayobj

# --- arrays by their address ------------------------------------------------------------------------------------------


class Place(types.Type):
    """An array without gaps at an address, known to share no memory with a Place of another number.

    The compiler cannot see that two stretches of a workspace lie apart, and would load every number again after each
    store. So each load and store has a note (LLVM's alias.scope) that says which array the element belongs to.
    """

    def __init__(self, dtype, ndim, number, count):
        self.dtype, self.ndim, self.number, self.count = dtype, ndim, number, count
        super().__init__(f"Place({dtype}, {ndim}, {number} of {count})")


@register_model(Place)
class _PlaceModel(models.StructModel):
    def __init__(self, manager, kind):
        shape = types.UniTuple(types.intp, kind.ndim)
        super().__init__(manager, kind, [("data", types.voidptr), ("shape", shape)])


@infer_global(operator.getitem)
class _Get(AbstractTemplate):
    def generic(self, args, kws):
        return args[0].dtype(*args) if isinstance(args[0], Place) else None


@infer_global(operator.setitem)
class _Set(AbstractTemplate):
    def generic(self, args, kws):
        return types.none(args[0], args[1], args[0].dtype) if isinstance(args[0], Place) else None


@lower_builtin(operator.getitem, Place, types.Any)
def _load(context, builder, signature, args):
    loaded = builder.load(_element(context, builder, signature, args))
    _mark(builder, loaded, signature.args[0])
    return context.data_model_manager[signature.args[0].dtype].from_data(builder, loaded)


@lower_builtin(operator.setitem, Place, types.Any, types.Any)
def _store(context, builder, signature, args):
    value = context.data_model_manager[signature.args[0].dtype].as_data(builder, args[2])
    stored = builder.store(value, _element(context, builder, signature, args))
    _mark(builder, stored, signature.args[0])
    return context.get_dummy_value()


def _element(context, builder, signature, args):
    """Return the pointer to the element of a Place at an index. A single number counts through all elements."""
    kind, index = signature.args[:2]
    place = cgutils.create_struct_proxy(kind)(context, builder, args[0])
    several = isinstance(index, types.BaseTuple)
    each = cgutils.unpack_tuple(builder, args[1]) if several else [args[1]]
    shape = cgutils.unpack_tuple(builder, place.shape) if kind.ndim else []
    at = context.get_constant(intp, 0)
    for i, n, t in zip(each, shape, index if several else [index]):
        at = builder.add(builder.mul(at, n, flags=["nsw"]), context.cast(builder, i, t, intp), flags=["nsw"])
    data = builder.bitcast(place.data, context.get_data_type(kind.dtype).as_pointer())
    return builder.gep(data, [at], inbounds=True)


def _mark(builder, instruction, kind):
    """Write the note: this load or store belongs to this Place, and to no other."""
    module = builder.module
    known = vars(module).setdefault("tinygrad_edu", {})  # made once for each Place, not for each of its elements
    if kind not in known:
        domain = module.add_metadata(["tinygrad_edu"])
        scopes = [module.add_metadata([f"tinygrad_edu {k}", domain]) for k in range(kind.count)]
        known[kind] = module.add_metadata([scopes.pop(kind.number)]), module.add_metadata(scopes)
    instruction.set_metadata("alias.scope", known[kind][0])
    instruction.set_metadata("noalias", known[kind][1])


def _start(context, builder, dtype, signature, args):
    """Return the pointer to the element that comes so many after an address."""
    first = builder.inttoptr(args[0], context.get_data_type(dtype).as_pointer())
    return builder.gep(first, [context.cast(builder, args[1], signature.args[1], intp)])


def _lengths(context, builder, signature, args):
    """Return the lengths in the shape that `place` and `array` were given."""
    kinds = signature.args[2]
    values = cgutils.unpack_tuple(builder, args[2]) if len(kinds) else []
    return [context.cast(builder, n, kind, intp) for n, kind in zip(values, kinds)]


@intrinsic(prefer_literal=True)
def place(typingctx, address, offset, shape, dtype, number, count):
    """Return a `Place` that starts so many elements after an address; it is the Place of this number, of count."""
    kind = Place(dtype.dtype, len(shape), number.literal_value, count.literal_value)

    def code(context, builder, signature, args):
        out = cgutils.create_struct_proxy(kind)(context, builder)
        out.data = builder.bitcast(_start(context, builder, kind.dtype, signature, args), cgutils.voidptr_t)
        lengths = _lengths(context, builder, signature, args)
        out.shape = context.make_tuple(builder, types.UniTuple(intp, kind.ndim), lengths)
        return out._getvalue()

    return kind(intp, offset, shape, dtype, number, count), code


@intrinsic
def array(typingctx, address, offset, shape, dtype):
    """Return an array that starts so many elements after an address: it can be sliced and given to a kernel."""
    kind = types.Array(dtype.dtype, len(shape), "C")

    def code(context, builder, signature, args):
        out = context.make_array(kind)(context, builder)
        lengths = _lengths(context, builder, signature, args)
        strides = [context.get_constant(intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))]
        for n in lengths[:0:-1]:
            strides.insert(0, builder.mul(strides[0], n))
        data = _start(context, builder, kind.dtype, signature, args)
        arrayobj.populate_array(out, data, lengths, strides, strides[-1], None)
        return out._getvalue()

    return kind(intp, offset, shape, dtype), code


@intrinsic
def address(typingctx, place):
    """Return the address of a Place or an array."""

    def code(context, builder, signature, args):
        return builder.ptrtoint(_data(context, builder, place, args[0]), ir.IntType(64))

    return intp(place), code


def _data(context, builder, kind, value):
    make = cgutils.create_struct_proxy(kind) if isinstance(kind, Place) else context.make_array(kind)
    return builder.bitcast(make(context, builder, value).data, cgutils.voidptr_t)


@intrinsic
def repeat(typingctx, row, to, n, size):
    """Copy a row of so many bytes to n rows, by their addresses. Each copy takes all rows that are there already."""

    def code(context, builder, signature, args):
        copies(builder, *(context.cast(builder, x, t, intp) for x, t in zip(args, signature.args)))
        return context.get_dummy_value()

    return types.void(row, to, n, size), code


def copies(builder, row, to, n, size):
    """Write what `repeat` does."""

    def copy(to, start, size):
        cgutils.raw_memcpy(builder, *[builder.inttoptr(x, cgutils.voidptr_t) for x in (to, start)], size, 1)

    copy(to, row, size)
    rows = cgutils.alloca_once_value(builder, ir.IntType(64)(1))
    test, body, end = (builder.append_basic_block(name) for name in ("repeat.test", "repeat.body", "repeat.end"))
    builder.branch(test)
    builder.position_at_end(test)
    done = builder.load(rows)
    builder.cbranch(builder.icmp_signed("<", done, n), body, end)
    builder.position_at_end(body)
    left = builder.sub(n, done)
    more = builder.select(builder.icmp_signed("<", done, left), done, left)
    copy(builder.add(to, builder.mul(done, size)), to, builder.mul(more, size))
    builder.store(builder.add(done, more), rows)
    builder.branch(test)
    builder.position_at_end(end)


class Object(types.Type):
    """An object of Python that machine code is given as it is. An array takes Numba 0.1 microseconds to unpack."""

    def __init__(self):
        super().__init__("Object")


OBJECT = Object()
register_model(Object)(models.OpaqueModel)


@unbox(Object)
def _as_it_is(kind, value, c):
    return NativeValue(value)


# An array in memory, as NumPy's header ndarraytypes.h has it: a head as of each object, which ends with its class; the
# address of its numbers, how many axes, their lengths, the steps along them, the array whose numbers these are, the
# dtype, and flags
HEAD = object.__basicsize__
WHOLE = 0x101  # the flags of an array without gaps (0x1), with each number at a multiple of its size (0x100)


def _loaded(builder, start, offset, bits=64):
    """Return the whole number that lies so many bytes after a pointer."""
    place = builder.gep(start, [ir.Constant(ir.IntType(64), offset)])
    return builder.load(builder.bitcast(place, ir.IntType(bits).as_pointer()))


@intrinsic
def passes(typingctx, given, kind, dtype, shape):
    """Return whether an `Object` is an array of a class, a dtype (their addresses) and a shape, without gaps."""

    def code(context, builder, signature, args):
        given, kind, dtype, shape = args
        same, found = partial(builder.icmp_unsigned, "=="), cgutils.alloca_once_value(builder, cgutils.false_bit)
        with builder.if_then(same(_loaded(builder, given, HEAD - 8), kind)):
            axes, flags = (_loaded(builder, given, HEAD + at, 32) for at in (8, 48))
            fits = same(axes, axes.type(len(signature.args[3])))
            fits = builder.and_(fits, same(_loaded(builder, given, HEAD + 40), dtype))
            fits = builder.and_(fits, same(builder.and_(flags, flags.type(WHOLE)), flags.type(WHOLE)))
            with builder.if_then(fits):
                lengths = builder.inttoptr(_loaded(builder, given, HEAD + 16), cgutils.voidptr_t)
                for i, n in enumerate(cgutils.unpack_tuple(builder, shape)):
                    wanted = context.cast(builder, n, signature.args[3][i], intp)
                    fits = builder.and_(fits, same(_loaded(builder, lengths, 8 * i), wanted))
                builder.store(fits, found)
        return builder.load(found)

    return types.boolean(given, kind, dtype, shape), code


@intrinsic
def numbers_of(typingctx, given):
    """Return the address of the numbers of an `Object` that is an array."""
    return intp(given), lambda context, builder, signature, args: _loaded(builder, args[0], HEAD)


# --- numbers too small to be normal -----------------------------------------------------------------------------------


USUAL = 0x1F80


def processor(builder):
    """Return what stores ("st") the mode of the processor or loads ("ld") it, the place for it, and its type."""
    word = ir.IntType(32)
    place = cgutils.alloca_once(builder, word)
    if platform.machine() not in ("x86_64", "AMD64"):
        builder.store(word(0), place)
        return lambda name: None, place, word
    pointer = builder.bitcast(place, cgutils.voidptr_t)
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])

    def control(name):
        builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}mxcsr"), [pointer])

    return control, place, word


@contextmanager
def usual_mode(builder):
    """Write what has the processor's usual mode, as other threads have."""
    control, place, mode = processor(builder)
    control("st")
    before = builder.load(place)
    builder.store(mode(USUAL), place)
    control("ld")
    yield
    builder.store(before, place)
    control("ld")


@intrinsic
def flush(typingctx, mode):
    """Set the mode of this thread's processor, and return the mode before. In mode 0 numbers below the smallest normal
    one are taken for 0, as they cost a hundred times as long; a returned mode restores it. Only x86 has these modes."""

    def code(context, builder, signature, args):
        control, place, word = processor(builder)
        control("st")
        before = builder.load(place)
        fast = builder.or_(before, word(0x8040))  # flush to zero, denormals are zero
        given = builder.trunc(args[0], word) if args[0].type.width > 32 else args[0]
        builder.store(builder.select(builder.icmp_unsigned("==", given, word(0)), fast, given), place)
        control("ld")
        return before

    return types.uint32(mode), code


# --- functions --------------------------------------------------------------------------------------------------------


def called(name, inner_loop):
    """Return NumPy's inner loop as a function: (array, step, ..., out, n). An array with step 0 is one number.
    inner_loop says whether the loop for a letter takes extra data."""

    def code(context, builder, signature, values):
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
