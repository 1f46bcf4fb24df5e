"""Values in machine code, and arithmetic on them with NumPy's dtypes: the ground that `machine` stands on.

Nothing here has type hints of llvmlite's classes: it has none itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

BOOL, INT, FLOAT = np.dtype(bool), np.dtype(np.int64), np.dtype(np.float64)
WORD, BYTES = ir.IntType(64), ir.IntType(8).as_pointer()
REAL = {4: ir.FloatType(), 8: ir.DoubleType()}


@dataclass(frozen=True)
class Array:
    """The kind of an array without gaps.

    A compiler cannot see that two stretches of a workspace lie apart, and would load every number again after each
    store. So an array may be (number, count): it shares no memory with those of another number below count.
    """

    dtype: np.dtype[Any]
    axes: int
    apart: tuple[int, int] | None = None


@dataclass(frozen=True)
class Value:
    """A value that is known when the machine code runs.

    Attributes
    ----------
    kind : a dtype, an `Array`, a tuple of kinds, or `object` for one of Python's
    parts : registers: one for a number; for an array the address, and the lengths; those of all values of a tuple
    """

    kind: Any
    parts: tuple[Any, ...]


class Intrinsic:
    """A function whose ``code(writer, *args)`` writes instructions itself, and returns its result."""

    def __init__(self, code: Callable[..., Any]) -> None:
        self.code = code


def number(dtype: np.dtype[Any]) -> Any:
    """Return LLVM's type of a number in a register: a condition has one bit there."""
    if dtype.kind == "f":
        return REAL[dtype.itemsize]
    return ir.IntType(1 if dtype == BOOL else 8 * dtype.itemsize)


def stored(dtype: np.dtype[Any]) -> Any:
    """Return LLVM's type of a number in memory."""
    return ir.IntType(8) if dtype == BOOL else number(dtype)


def types_of(kind: Any) -> list[Any]:
    """Return LLVM's types of the parts of a value."""
    if isinstance(kind, Array):
        return [stored(kind.dtype).as_pointer()] + [WORD] * kind.axes
    if isinstance(kind, tuple):
        return [each for part in kind for each in types_of(part)]
    return [BYTES] if kind is object else [number(kind)]


def several(values: list[Value]) -> Value:
    """Return a tuple of values as one."""
    return Value(tuple(value.kind for value in values), tuple(part for value in values for part in value.parts))


def each_of(value: Value) -> list[Value]:
    """Return the values of a tuple."""
    found, at = list[Value](), 0
    for kind in value.kind:
        n = len(types_of(kind))
        found.append(Value(kind, value.parts[at : at + n]))
        at += n
    return found


def constant(given: Any) -> Value:
    """Return a number of Python as a value."""
    dtype = np.dtype(type(given))
    if dtype.kind not in "biuf" or (dtype.kind in "iu" and not np.iinfo(dtype).min <= given <= np.iinfo(dtype).max):
        raise TypeError(f"{given!r} is no number of at most 64 bits")
    return Value(dtype, (ir.Constant(number(dtype), given if dtype.kind == "f" else int(given)),))


def below(register: Any, least: int) -> bool:
    """Return whether a register is known to have a number below this one."""
    return isinstance(register, ir.Constant) and register.constant < least


def frozen(builder: Any, x: Any) -> Any:
    """Return a register, by an instruction that costs nothing. Without it LLVM stores only those elements of max(a, 0)
    in the place of a that are changed, and for some elements of a vector an AMD processor takes ten cycles."""
    instruction = ir.Instruction(builder.block, x.type, "freeze", [x])
    builder.block.instructions.append(instruction)
    builder.position_at_end(builder.block)
    return instruction


def call_by_name(builder: Any, name: str, result: Any, *given: Any) -> Any:
    """Return the result of a function that is not of this module, as those of C are."""
    kind = ir.FunctionType(result, [each.type for each in given])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)


# --- elements of arrays ----------------------------------------------------------------------------------------------


def load(builder: Any, place: Any, kind: Array) -> Value:
    """Return the number at an address."""
    loaded = builder.load(place)
    _mark(builder.module, loaded, kind)
    x = builder.trunc(loaded, number(BOOL)) if kind.dtype == BOOL else loaded
    return Value(kind.dtype, (x,))


def put(builder: Any, place: Any, kind: Array, value: Value) -> None:
    """Store a number at an address."""
    (x,) = cast(builder, value, kind.dtype).parts
    x = builder.zext(x, stored(BOOL)) if kind.dtype == BOOL else x
    _mark(builder.module, builder.store(frozen(builder, x), place), kind)


def _mark(module: Any, instruction: Any, kind: Array) -> None:
    """Write at a load or a store that it belongs to this array, and to none that lies apart."""
    if kind.apart is None:
        return
    own, count = kind.apart
    known = vars(module).setdefault("tinygrad_edu", {})  # made once for each array, not for each of its elements
    if kind.apart not in known:
        domain = module.add_metadata(["tinygrad_edu"])
        scopes = [module.add_metadata([f"tinygrad_edu {k}", domain]) for k in range(count)]
        known[kind.apart] = module.add_metadata([scopes.pop(own)]), module.add_metadata(scopes)
    instruction.set_metadata("alias.scope", known[kind.apart][0])
    instruction.set_metadata("noalias", known[kind.apart][1])


# --- dtypes -----------------------------------------------------------------------------------------------------------


def cast(builder: Any, value: Value, dtype: np.dtype[Any]) -> Value:
    """Return a number in another dtype."""
    (x,), old, to = value.parts, value.kind, number(dtype)
    if old == dtype or to == x.type:
        return Value(dtype, (x,))
    if dtype == BOOL:
        different = builder.fcmp_unordered if old.kind == "f" else builder.icmp_unsigned
        return Value(dtype, (different("!=", x, x.type(0)),))
    signed = old.kind == "i"
    if old.kind == dtype.kind == "f":
        change = builder.fpext if dtype.itemsize > old.itemsize else builder.fptrunc
    elif old.kind == "f":
        change = builder.fptosi if dtype.kind == "i" else builder.fptoui
    elif dtype.kind == "f":
        change = builder.sitofp if signed else builder.uitofp
    elif to.width < x.type.width:
        change = builder.trunc
    else:
        change = builder.sext if signed else builder.zext
    return Value(dtype, (change(x, to),))


def common(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that holds the numbers of both."""
    return a if a == b else np.promote_types(a, b)


def _of_both(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a + b. That of whole numbers has 64 bits: the text says where it is another."""
    both = common(a, b)
    return both if both.kind == "f" else np.dtype(np.uint64 if both.kind == "u" else np.int64)


# --- operators --------------------------------------------------------------------------------------------------------


def arithmetic(builder: Any, sign: str, a: Value, b: Value) -> Value:
    """Return ``a sign b`` for one of + - * / // % & |."""
    if sign in "&|":
        dtype = common(a.kind, b.kind)
    else:
        dtype = _of_both(a.kind, b.kind)
        dtype = FLOAT if sign == "/" and dtype.kind != "f" else dtype
    (x,), (y,) = (cast(builder, value, dtype).parts for value in (a, b))
    if dtype.kind == "f":
        real = {"+": builder.fadd, "-": builder.fsub, "*": builder.fmul, "/": builder.fdiv}
        return Value(dtype, (real[sign](x, y) if sign in real else _divided(builder, sign, x, y),))
    whole = {"+": builder.add, "-": builder.sub, "*": builder.mul, "&": builder.and_, "|": builder.or_}
    if dtype.kind == "u":
        whole |= {"//": builder.udiv, "%": builder.urem}
    return Value(dtype, (whole[sign](x, y) if sign in whole else _floored(builder, sign, x, y),))


def _floored(builder: Any, sign: str, x: Any, y: Any) -> Any:
    """Return x // y or x % y of whole numbers with a sign, rounded down."""
    rest, zero = builder.srem(x, y), x.type(0)
    other = builder.icmp_signed("<", builder.xor(rest, y), zero)  # it has the other sign than y
    below = builder.and_(builder.icmp_signed("!=", rest, zero), other)
    if sign == "%":
        return builder.add(rest, builder.select(below, y, zero))
    return builder.sub(builder.sdiv(x, y), builder.zext(below, x.type))


def _divided(builder: Any, sign: str, x: Any, y: Any) -> Any:
    """Return x // y or x % y of floats, as NumPy computes them (npy_divmod)."""
    zero, half, one = x.type(0), x.type(0.5), x.type(1)
    kind = ir.FunctionType(x.type, [x.type, x.type])

    def same_sign(size: Any, as_: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.copysign", [x.type], kind), [size, as_])

    rest = builder.frem(x, y)
    some = builder.fcmp_unordered("!=", rest, zero)
    other = builder.xor(builder.fcmp_ordered("<", y, zero), builder.fcmp_ordered("<", rest, zero))
    moved = builder.and_(some, other)
    if sign == "%":
        rest = builder.select(moved, builder.fadd(rest, y), rest)
        return builder.select(some, rest, same_sign(zero, y))
    times = builder.fdiv(builder.fsub(x, rest), y)
    times = builder.select(moved, builder.fsub(times, one), times)
    whole = builder.call(builder.module.declare_intrinsic("llvm.floor", [x.type]), [times])
    up = builder.fcmp_ordered(">", builder.fsub(times, whole), half)
    whole = builder.select(up, builder.fadd(whole, one), whole)
    plain = builder.fdiv(x, y)
    whole = builder.select(builder.fcmp_unordered("!=", times, zero), whole, same_sign(zero, plain))
    return builder.select(builder.fcmp_ordered("==", y, zero), plain, whole)


def compared(builder: Any, sign: str, a: Value, b: Value) -> Value:
    """Return ``a sign b`` for a comparison. NaN is different from all numbers."""
    dtype = common(a.kind, b.kind)
    (x,), (y,) = (cast(builder, value, dtype).parts for value in (a, b))
    if dtype.kind == "f":
        compare = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
    else:
        compare = builder.icmp_signed if dtype.kind == "i" else builder.icmp_unsigned
    return Value(BOOL, (compare(sign, x, y),))


def negated(builder: Any, value: Value) -> Value:
    """Return -value."""
    if value.kind.kind == "f":
        return Value(value.kind, (builder.fneg(*value.parts),))
    return arithmetic(builder, "-", constant(0), value)


def chosen(builder: Any, test: Any, a: Callable[[], Value], b: Callable[[], Value]) -> Value:
    """Return what a or b returns: the instructions of one of them are run. They return numbers."""
    blocks = [builder.append_basic_block(name) for name in ("then", "else", "both")]
    builder.cbranch(test, *blocks[:2])
    found = []
    for make, block in zip((a, b), blocks):
        builder.position_at_end(block)
        value = make()
        found.append((value, builder.block))
    dtype = common(found[0][0].kind, found[1][0].kind)
    ends = []
    for value, block in found:
        builder.position_at_end(block)
        ends.append((cast(builder, value, dtype).parts[0], builder.block))
        builder.branch(blocks[2])
    builder.position_at_end(blocks[2])
    result = builder.phi(number(dtype))
    for end in ends:
        result.add_incoming(*end)
    return Value(dtype, (result,))
