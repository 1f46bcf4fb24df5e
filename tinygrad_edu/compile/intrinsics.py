"""Functions that write machine code themselves: arrays by their address, calls of C functions by their name, and what
kernels call of Python, math and NumPy.

The first argument of each is the `machine.Writer`; the others are its values, or what is known when the code is made.
Nothing here has type hints, as llvmlite has none.
"""

from __future__ import annotations

import math
import platform
from contextlib import contextmanager
from functools import partial

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from .kinds import (
    BOOL,
    BYTES,
    FLOAT,
    INT,
    WORD,
    Array,
    Intrinsic,
    Value,
    arithmetic,
    call_by_name,
    cast,
    common,
    compared,
    constant,
    number,
    types_of,
)

# --- arrays by their address ------------------------------------------------------------------------------------------


def words(w, *values):
    """Return whole numbers as registers of 64 bits."""
    return [cast(w.builder, w.lifted(value), INT).parts[0] for value in values]


@Intrinsic
def array(w, address, offset, shape, dtype, *apart):
    """Return an array that starts so many elements after an address. apart : the numbers of `Array.apart`."""
    at, start, *lengths = words(w, address, offset, *shape)
    kind = Array(np.dtype(dtype), len(shape), apart or None)
    data = w.builder.gep(w.builder.inttoptr(at, types_of(kind)[0]), [start], inbounds=True)
    return Value(kind, (data, *lengths))


@Intrinsic
def address(w, of):
    """Return the address of an array."""
    return Value(INT, (w.builder.ptrtoint(of.parts[0], WORD),))


@Intrinsic
def repeat(w, row, to, n, size):
    """Copy a row of so many bytes to n rows, by their addresses. Each copy takes all rows that are there already."""
    copies(w.builder, *words(w, row, to, n, size))
    return constant(0)


def copies(builder, row, to, n, size):
    """Write what `repeat` does."""

    def copy(to, start, size):
        cgutils.raw_memcpy(builder, *[builder.inttoptr(x, BYTES) for x in (to, start)], size, 1)

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


# An array in memory, as NumPy's header ndarraytypes.h has it: a head as of each object, which ends with its class; the
# address of its numbers, how many axes, their lengths, the steps along them, the array whose numbers these are, the
# dtype, and flags
HEAD = object.__basicsize__
WHOLE = 0x101  # the flags of an array without gaps (0x1), with each number at a multiple of its size (0x100)


def _loaded(builder, start, offset, bits=64):
    """Return the whole number that lies so many bytes after a pointer."""
    place = builder.gep(start, [ir.Constant(ir.IntType(64), offset)])
    return builder.load(builder.bitcast(place, ir.IntType(bits).as_pointer()))


@Intrinsic
def passes(w, given, kind, dtype, shape):
    """Return whether an object is an array of a class, a dtype (their addresses) and a shape, without gaps."""
    builder, (given,) = w.builder, given.parts
    kind, dtype, *lengths = words(w, kind, dtype, *shape)
    same, found = partial(builder.icmp_unsigned, "=="), cgutils.alloca_once_value(builder, cgutils.false_bit)
    with builder.if_then(same(_loaded(builder, given, HEAD - 8), kind)):
        axes, flags = (_loaded(builder, given, HEAD + at, 32) for at in (8, 48))
        fits = same(axes, axes.type(len(shape)))
        fits = builder.and_(fits, same(_loaded(builder, given, HEAD + 40), dtype))
        fits = builder.and_(fits, same(builder.and_(flags, flags.type(WHOLE)), flags.type(WHOLE)))
        with builder.if_then(fits):
            there = builder.inttoptr(_loaded(builder, given, HEAD + 16), BYTES)
            for i, n in enumerate(lengths):
                fits = builder.and_(fits, same(_loaded(builder, there, 8 * i), n))
            builder.store(fits, found)
    return Value(BOOL, (builder.load(found),))


@Intrinsic
def numbers_of(w, given):
    """Return the address of the numbers of an object that is an array."""
    return Value(INT, (_loaded(w.builder, given.parts[0], HEAD),))


@Intrinsic
def random(w, state, function):
    """Return the next number of a generator of NumPy's, by the addresses of its state and of its function."""
    state, function = words(w, state, function)
    kind = ir.FunctionType(ir.DoubleType(), [BYTES])
    function = w.builder.inttoptr(function, kind.as_pointer())
    return Value(FLOAT, (w.builder.call(function, [w.builder.inttoptr(state, BYTES)]),))


# --- numbers too small to be normal -----------------------------------------------------------------------------------


USUAL = 0x1F80


def processor(builder):
    """Return what stores ("st") the mode of the processor or loads ("ld") it, the place for it, and its type."""
    word = ir.IntType(32)
    place = cgutils.alloca_once(builder, word)
    if platform.machine() not in ("x86_64", "AMD64"):
        builder.store(word(0), place)
        return lambda name: None, place, word
    pointer = builder.bitcast(place, BYTES)

    def control(name):
        call_by_name(builder, f"llvm.x86.sse.{name}mxcsr", ir.VoidType(), pointer)

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


@Intrinsic
def flush(w, mode):
    """Set the mode of this thread's processor, and return the mode before. In mode 0 numbers below the smallest normal
    one are taken for 0, as they cost a hundred times as long; a returned mode restores it. Only x86 has these modes."""
    builder = w.builder
    control, place, word = processor(builder)
    control("st")
    before = builder.load(place)
    fast = builder.or_(before, word(0x8040))  # flush to zero, denormals are zero
    given = builder.trunc(*words(w, mode), word)
    builder.store(builder.select(builder.icmp_unsigned("==", given, word(0)), fast, given), place)
    control("ld")
    return Value(np.dtype(np.uint32), (before,))


# --- functions of NumPy's ---------------------------------------------------------------------------------------------


def called(name, inner_loop):
    """Return NumPy's inner loop as a function: (array, step, ..., out, n). An array with step 0 is one number.
    inner_loop says whether the loop for a letter takes extra data."""

    def code(w, *given):
        *pairs, out, n = given
        builder, letter = w.builder, "f" if out.kind.dtype == np.float32 else "d"
        arrays = [*pairs[::2], out]
        pointers, steps = (cgutils.alloca_once(builder, kind, len(arrays)) for kind in (BYTES, WORD))
        n, *moves = words(w, n, *pairs[1::2], 1)
        length, item = cgutils.alloca_once_value(builder, n), WORD(out.kind.dtype.itemsize)
        for i, (each, move) in enumerate(zip(arrays, moves)):
            builder.store(builder.bitcast(each.parts[0], BYTES), cgutils.gep_inbounds(builder, pointers, i))
            builder.store(builder.mul(move, item), cgutils.gep_inbounds(builder, steps, i))
        extra = BYTES(None)
        if inner_loop(name, letter):
            symbol = f"tinygrad_edu_{name}_{letter}_data"
            extra = builder.module.globals.get(symbol) or ir.GlobalVariable(builder.module, ir.IntType(8), symbol)
        call_by_name(builder, f"tinygrad_edu_{name}_{letter}", ir.VoidType(), pointers, length, steps, extra)
        return constant(0)

    return Intrinsic(code)


# --- what kernels call ------------------------------------------------------------------------------------------------


def _of_floats(name):
    """Return a function of one float by LLVM's own, or if there is none by that of C."""

    def code(w, x):
        x = w.lifted(x)
        x = x if x.kind.kind == "f" else cast(w.builder, x, FLOAT)
        real = number(x.kind)
        if name.startswith("llvm."):
            function = w.builder.module.declare_intrinsic(name, [real])
            return Value(x.kind, (w.builder.call(function, list(x.parts)),))
        return Value(x.kind, (call_by_name(w.builder, name + "f" * (x.kind.itemsize == 4), real, *x.parts),))

    return Intrinsic(code)


def _larger(sign):
    """Return the larger of two numbers for ">=", else the smaller; NaN if there is one, as NumPy does."""

    def code(w, a, b):
        builder, a, b = w.builder, w.lifted(a), w.lifted(b)
        dtype = common(a.kind, b.kind)
        a, b = (cast(builder, x, dtype) for x in (a, b))
        first = compared(builder, sign, a, b).parts[0]
        if dtype.kind == "f":
            first = builder.or_(first, builder.fcmp_unordered("uno", *a.parts * 2))
        return Value(dtype, (builder.select(first, *a.parts, *b.parts),))

    return Intrinsic(code)


@Intrinsic
def _sign(w, x):
    """Return 1 or -1, and a zero or NaN as it is."""
    (a,), zero = x.parts, number(x.kind)(0)
    below = w.builder.select(w.builder.fcmp_ordered("<", a, zero), a.type(-1), a)
    return Value(x.kind, (w.builder.select(w.builder.fcmp_ordered(">", a, zero), a.type(1), below),))


@Intrinsic
def _absolute(w, x):
    if x.kind.kind == "f":
        return _of_floats("llvm.fabs").code(w, x)
    below = compared(w.builder, "<", x, constant(0)).parts[0]
    minus = cast(w.builder, arithmetic(w.builder, "-", constant(0), x), x.kind)
    return Value(x.kind, (w.builder.select(below, *minus.parts, *x.parts),))


@Intrinsic
def _finite(w, x):
    return compared(w.builder, "==", arithmetic(w.builder, "-", x, x), constant(0.0))


def _zeros(w, dtype, n):
    """Return an array of n zeros, for as long as the function runs."""
    builder, size = w.builder, WORD(dtype.itemsize)
    data = call_by_name(builder, "calloc", BYTES, *n.parts, size)
    w.own(data)
    kind = Array(dtype, 1)
    return Value(kind, (builder.bitcast(data, types_of(kind)[0]), *n.parts))


KNOWN = {
    **{math.sqrt: _of_floats("llvm.sqrt"), math.erf: _of_floats("erf"), math.erfc: _of_floats("erfc")},
    **{np.maximum: _larger(">="), np.minimum: _larger("<="), max: _larger(">="), min: _larger("<=")},
    **{abs: _absolute, np.sign: _sign, math.isfinite: _finite},
    len: Intrinsic(lambda w, x: Value(INT, x.parts[1:2])),
    np.empty_like: Intrinsic(lambda w, x: _zeros(w, x.kind.dtype, Value(INT, x.parts[1:2]))),
    np.zeros: Intrinsic(lambda w, n: _zeros(w, FLOAT, n)),
}
