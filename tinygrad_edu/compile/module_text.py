"""The text of a compiled step: the loops of a program, the optimizer's kernel, and where each finds its numbers.

Everything that outlives a call lies in a table of addresses and whole numbers, ``_at``, one slot for each: so a call
hands over the batch and one array. `slots` says which is which.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from ..core.jit import numbers_of
from . import lower as loops
from .lower import Lowered

DONE, REFUSED, NOT_FINITE, SKIPPED, NO_LOSS = range(5)  # what a call returns
LOSS, RIGHT, TOTAL, RIGHT_TOTAL, SEEN, APPLIED, LEFT_OUT, STATUS = range(8)  # what it leaves in the array ``out``
OUT = 8  # numbers in it
FIXED = ("data", "grad", "l2", "numbers", "spans", "runs", "policy", "work", "out", "count", "apart")
EPOCH = ("batch", "batch_X", "batch_y")  # how many samples, and where they are brought together
RAISE, SKIP, PROPAGATE = range(3)  # policy: what to do with a gradient that is not finite

TEMPLATE = '''\
"""A training step that tinygrad_edu made out of the program of a gradient."""

from math import erf, erfc, inf, isfinite, sqrt

import numpy as _np
from numpy import bool, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64

from tinygrad_edu.extras import kernels as _kernels
from tinygrad_edu.compile import numpy_c as _native
globals().update(_native.functions(_np.{dtype}))


@_kernels.kernel
def gradients(_X, _y, {rest}):
    """Forward and backward pass: the loss goes to _out, the gradients into the flat gradient."""
    _N = len(_X)
    _P = (_N + 15) // 16 * 16
    _out = _array(_at[{at[out]}], 0, ({OUT},), float64)
{body}
    if _at[{at[count]}] and _at[{at[policy]}] == {RAISE} and not isfinite(_out[{LOSS}]):
        return {NO_LOSS}
    return {DONE}


@_kernels.kernel
def cut(_at, _r, _k, _n):
    """Where the piece number _k of _n of a run of neighbouring parameters begins and ends."""
    _spans = _array(_at[{at[spans]}], 0, (_at[{at[runs]}], 2), int64)
    _a, _b = _spans[_r]
    _size = _b - _a
    return _a + _size * _k // _n // 16 * 16, _b if _k + 1 == _n else _a + _size * (_k + 1) // _n // 16 * 16


@_kernels.kernel
def look(_at, _k, _n):
    """Whether this piece of the gradient may be used. All are looked at before any parameter is changed."""
    _g = _array(_at[{at[grad]}], 0, ({size},), {dtype})
    for _r in range(_at[{at[runs]}]):
        _a, _b = cut(_at, _r, _k, _n)
        if _at[{at[policy]}] != {PROPAGATE} and _kernels.not_finite(_g[_a:_b]):
            return {SKIPPED} if _at[{at[policy]}] == {SKIP} else {NOT_FINITE}
    return {DONE}


@_kernels.kernel
def change(_at, _k, _n):
    """The optimizer's kernel on this piece of each run."""
    _p = _array(_at[{at[data]}], 0, ({size},), {dtype})
    _g = _array(_at[{at[grad]}], 0, ({size},), {dtype})
{states}
    _numbers = _array(_at[{at[numbers]}], 0, (_at[{at[runs]}], {width}), float64)
    for _r in range(_at[{at[runs]}]):
        _a, _b = cut(_at, _r, _k, _n)
        _d = _g[_a:_b]
        if _numbers[_r, 0] != 0:
            _d = _array(_at[{at[l2]}], _a, (_b - _a,), {dtype})
            _kernels.add_l2(_d, _g[_a:_b], _p[_a:_b], {dtype}(_numbers[_r, 0]))
        _kernels.{rule}(_p[_a:_b], _d, {arguments})
    return {DONE}


@_kernels.kernel
def piece(_at, _looking, _k, _n):
    """One of several threads' part in the update of a large buffer."""
    _mode = _flush(0)
    _status = look(_at, _k, _n) if _looking else change(_at, _k, _n)
    _flush(_mode)
    return _status


@_kernels.kernel
def update(_at):
    """All of it in one."""
    _status = look(_at, 0, 1)
    return change(_at, 0, 1) if _status == {DONE} else _status


@_kernels.kernel
def step(_X, _y, {rest}):
    """One batch."""
    _mode = _flush(0)
    _status = gradients(_X, _y, {rest})
    if _status == {DONE} and not _at[{at[apart]}]:
        _status = update(_at)
    _array(_at[{at[out]}], 0, ({OUT},), float64)[{STATUS}] = _status
    _flush(_mode)
    return _status


@_kernels.kernel
def batches(_X, _y, _order, _table, {rest}):
    """As many rows as a batch has, in this order, until they are used up; _table has the numbers of each update."""
    _out = _array(_at[{at[out]}], 0, ({OUT},), float64)
    _width = 8 * _table.shape[1]
    for _first in range(0, len(_order), _at[{at[batch]}]):
        _n = min(_at[{at[batch]}], len(_order) - _first)
        _xb = _array(_at[{at[batch_X]}], 0, (_n, {x_shape}), {x_dtype})
        _yb = _array(_at[{at[batch_y]}], 0, (_n, {y_shape}), {y_dtype})
        for _i in range(_n):
            _row = _order[_first + _i]
            _repeat(_address(_X) + _row * {x_bytes}, _at[{at[batch_X]}] + _i * {x_bytes}, 1, {x_bytes})
            _repeat(_address(_y) + _row * {y_bytes}, _at[{at[batch_y]}] + _i * {y_bytes}, 1, {y_bytes})
        _repeat(_address(_table) + int(_out[{APPLIED}]) * _width, _at[{at[numbers]}], 1, _width)
        _status = gradients(_xb, _yb, {rest})
        if _status != {DONE}:
            return _status
        _out[{STATUS}] = _status = update(_at)
        if _status == {NOT_FINITE}:
            return _status
        _out[{APPLIED}] += _status == {DONE}
        _out[{LEFT_OUT}] += _status == {SKIPPED}
        if isfinite(_out[{LOSS}]) or _at[{at[policy]}] == {PROPAGATE}:
            _out[{TOTAL}] += _out[{LOSS}] * _n
            _out[{RIGHT_TOTAL}] += _out[{RIGHT}]
            _out[{SEEN}] += _n
    return {DONE}


@_kernels.kernel
def epoch(_X, _y, _order, _table, {rest}):
    """All batches of an epoch."""
    _mode = _flush(0)
    _status = batches(_X, _y, _order, _table, {rest})
    _flush(_mode)
    return _status
'''


class Drawn(NamedTuple):
    """How a mask of dropout is drawn: with the generator of this number, each element 0 with probability p."""

    generator: int
    p: float


class Parts(NamedTuple):
    """What a step is assembled from.

    Attributes
    ----------
    lowered : the loops
    loss, output : the names of the loss and of what the model returns
    trained : name to (start in the flat buffer, name of its gradient) of each parameter
    kept : name to dtype of what lies elsewhere: constants, running means, parameters of others
    drawn : name to `Drawn` of the masks
    kinds : (dtype, shape without the batch) of X and y
    condition : on each target, with {0} for it; None if there is none
    """

    lowered: Lowered
    loss: str
    output: str
    trained: Mapping[str, tuple[int, str]]
    kept: Mapping[str, Any]
    drawn: Mapping[str, Drawn]
    kinds: Mapping[str, tuple[Any, tuple[int, ...]]]
    condition: str | None

    @property
    def labelled(self) -> bool:
        """Whether y holds class numbers that the rows of the output score."""
        shape, (dtype, rest) = self.lowered.shapes.get(self.output, ()), self.kinds["y"]
        return len(shape) == 2 and shape[1].b > 1 and not rest and dtype.kind in "iu"


def slots(states: int, kept: Mapping[str, Any]) -> dict[str, int]:
    """The table: name to number of the slot."""
    names = [*FIXED, *EPOCH, *(f"state{i}" for i in range(states)), *(f"kept {name}" for name in kept)]
    return {name: i for i, name in enumerate(names)}


def assemble(parts: Parts, kernel: Any, states: int, size: int, dtype: Any) -> str:
    """The module's text.

    Parameters
    ----------
    kernel : the optimizer's, of `kernels`; states is the number of its running averages, size that of parameters
    """
    at = slots(states, parts.kept)
    count = len(numbers_of(kernel, 2 + states))
    generators = sorted({f"_rng{drawn.generator}" for drawn in parts.drawn.values()})
    arguments = [f"_s{i}[_a:_b]" for i in range(states)] + [f"{dtype}(_numbers[_r, {k + 1}])" for k in range(count)]
    return TEMPLATE.format(
        **{name: value for name, value in globals().items() if name.isupper() and isinstance(value, int)},
        at=at,
        dtype=dtype,
        rest=", ".join(["_at", *generators]),
        body="\n".join(f"    {line}" for line in _body(parts, at, dtype)),
        size=size,
        states="\n".join(f"    _s{i} = _array(_at[{at[f'state{i}']}], 0, ({size},), {dtype})" for i in range(states)),
        width=1 + count,
        rule=kernel.__name__,
        arguments=", ".join(arguments),
        **{f"{name.lower()}_dtype": kind for name, (kind, _) in parts.kinds.items()},
        **{f"{name.lower()}_bytes": prod(shape) * kind.itemsize for name, (kind, shape) in parts.kinds.items()},
        **{f"{name.lower()}_shape": ", ".join(map(str, shape)) for name, (_, shape) in parts.kinds.items()},
    )


def _body(parts: Parts, at: Mapping[str, int], dtype: Any) -> list[str]:
    """Names for everything that the loops use, what has to be looked at first, the loops, and what is read off them."""
    lowered, shapes = parts.lowered, parts.lowered.shapes
    many = len(set(lowered.numbers.values()))

    def place(name: str, base: str, offset: Any, kind: Any = dtype) -> str:
        where = f"{base}, {offset}, ({loops.tuple_text(shapes[name])}), {kind}"
        return f"{name} = _place({where}, {lowered.numbers[name]}, {many})"

    lines = [place(name, f"_address(_{name})", 0, kind) for name, (kind, _) in parts.kinds.items() if name in shapes]
    refused = [(name, f"{{0}} < 0 or {{0}} >= {bound}") for name, bound in lowered.checks if name in parts.kinds]
    refused += [("y", f"not ({parts.condition})")] if parts.condition else []
    for name, condition in refused:
        index = [f"_{i}" for i in range(len(shapes[name]))]
        test = condition.format(f"{name}[{', '.join(index)}]")
        lines += loops.nested(list(zip(index, shapes[name])), [f"if {test}:", f"    return {REFUSED}"])
    for name, (start, gradient) in parts.trained.items():
        lines += [place(name, f"_at[{at['data']}]", start), place(gradient, f"_at[{at['grad']}]", start)]
    lines += [place(name, f"_at[{at[f'kept {name}']}]", 0, kind) for name, kind in parts.kept.items() if name in shapes]
    lines += [
        place(name, f"_at[{at['work']}]", f"{start.a} * _P + {start.b}") for name, (start, _) in lowered.places.items()
    ]
    for name, (generator, p) in parts.drawn.items():
        over = [(f"_{i}", n) for i, n in enumerate(shapes[name])]
        kept = f"{dtype}(_rng{generator}.random() >= {p!r}) / {dtype}({1 - p!r})"
        lines += loops.nested(over, [f"{name}[{', '.join(i for i, _ in over)}] = {kept}"])
    lines += lowered.lines
    zeros = ", ".join("0" for _ in shapes.get(parts.loss, ())) or "()"
    lines.append(f"_out[{LOSS}] = {f'{parts.loss}[{zeros}]' if parts.loss in shapes else parts.loss}")
    if parts.labelled:
        z, (n, classes) = parts.output, shapes[parts.output]
        here, most = f"{z}[_0, _1]", f"{z}[_0, _best]"  # the first NaN, if there is one, as NumPy's argmax
        best = [f"if {here} > {most} or ({here} != {here} and {most} == {most}):", "    _best = _1"]
        row = ["_best = 0", *loops.nested([("_1", classes)], best), "_right += _best == y[_0]"]
        count = ["_right = 0", *loops.nested([("_0", n)], row), f"_out[{RIGHT}] = _right"]
        lines += [f"if _at[{at['count']}]:", *(f"    {line}" for line in count)]
    return lines
