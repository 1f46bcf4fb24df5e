"""The text of a compiled step: the loops of a program, the optimizer's kernel, and where each finds its numbers.

Everything that outlives a call is found through the array ``_at`` (see `table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from ..core.jit import kernel, numbers_of
from ..core.kernels import add_l2
from ..extras.threads import not_finite_in_quarters
from . import table
from .loops import nested
from .lower import Lowered
from .numpy_c import functions
from .table import REFUSED, slots
from .values import names_of, tuple_text

LOSS, RIGHT, TOTAL, RIGHT_TOTAL, SEEN, APPLIED, LEFT_OUT, STATUS = range(8)  # the places in the array ``out``
OUT = 8  # the length of ``out``
RAISE, SKIP, PROPAGATE = range(3)  # policies: the answers to a gradient that is not finite

TEMPLATE = '''\
"""A training step that tinygrad_edu made out of the program of a gradient."""

from math import erf, erfc, inf, isfinite, nan, sqrt

import numpy as _np
from numpy import bool, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64

{imports}

globals().update(_functions(_np.{dtype}))


@_kernel
def gradients(_at, _X, _y):
    """Forward and backward pass: the loss goes to _out, the gradients into the flat gradient."""
    _N = len(_X)
    _P = (_N + 15) // 16 * 16
    _out = _array(_at[{at[out]}], 0, ({OUT},), float64)
{body}
    if _at[{at[count]}] and _at[{at[policy]}] == {RAISE} and not isfinite(_out[{LOSS}]):
        return {NO_LOSS}
    return {DONE}


@_kernel
def cut(_at, _r, _k, _n):
    """Begin and end of piece _k of _n of a run of neighbouring parameters."""
    _spans = _array(_at[{at[spans]}], 0, (_at[{at[runs]}], 2), int64)
    _a, _b = _spans[_r, 0], _spans[_r, 1]
    _size = _b - _a
    return _a + _size * _k // _n // 16 * 16, _b if _k + 1 == _n else _a + _size * (_k + 1) // _n // 16 * 16


@_kernel
def look(_at, _k, _n):
    """The status of this piece of the gradient. All pieces are looked at before any parameter is changed."""
    _g = _array(_at[{at[grad]}], 0, ({size},), {dtype})
    for _r in range(_at[{at[runs]}]):
        _a, _b = cut(_at, _r, _k, _n)
        if _at[{at[policy]}] != {PROPAGATE} and _not_finite(_g[_a:_b]):
            return {SKIPPED} if _at[{at[policy]}] == {SKIP} else {NOT_FINITE}
    return {DONE}


@_kernel
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
            _add_l2(_d, _g[_a:_b], _p[_a:_b], {dtype}(_numbers[_r, 0]))
        _rule(_p[_a:_b], _d, {arguments})
    return {DONE}


@_kernel
def piece(_table, _looking, _k, _n):
    """The part of one of several threads in the update of a large buffer."""
    _at = _array(_table, 0, ({slots},), int64)
    _mode = _flush(0)
    _status = look(_at, _k, _n) if _looking else change(_at, _k, _n)
    _flush(_mode)
    return _status


@_kernel
def update(_at):
    """The whole update."""
    _status = look(_at, 0, 1)
    return change(_at, 0, 1) if _status == {DONE} else _status


@_kernel
def step(_table, _X, _y):
    """One batch, if it is as the one before and there are numbers for it. _table : the address of _at.

    Return the loss, or NaN, and why in _out."""
    _at = _array(_table, 0, ({slots},), int64)
    _out = _array(_at[{at[out]}], 0, ({OUT},), float64)
    _out[{STATUS}] = {OTHER}
    _n, _width = _at[{at[n]}], _at[{at[runs]}] * {width} * 8
    if _at[{at[left]}] < 1 or not _passes(_X, _at[{at[class]}], _at[{at[dtype_X]}], (_n, {x_shape})):
        return nan
    if not _passes(_y, _at[{at[class]}], _at[{at[dtype_y]}], (_n, {y_shape})):
        return nan
    _mode = _flush(0)
    _xb = _array(_numbers_of(_X), 0, (_n, {x_shape}), {x_dtype})
    _yb = _array(_numbers_of(_y), 0, (_n, {y_shape}), {y_dtype})
    _repeat(_at[{at[rows]}], _at[{at[numbers]}], 1, _width)
    _status = gradients(_at, _xb, _yb)
    if _status == {DONE} and not _at[{at[apart]}]:
        _status = update(_at)
    _flush(_mode)
    _out[{STATUS}] = _status
    if _status != {DONE}:
        return nan
    _at[{at[rows]}] += _width
    _at[{at[left]}] -= 1
    return float(_out[{LOSS}])


@_kernel
def batches(_at, _X, _y, _order, _rows):
    """One batch after the other: the rows in this order. _X, _y, _rows : addresses; _rows has each update's numbers."""
    _out = _array(_at[{at[out]}], 0, ({OUT},), float64)
    _width = _at[{at[runs]}] * {width} * 8
    for _first in range(0, len(_order), _at[{at[batch]}]):
        _n = min(_at[{at[batch]}], len(_order) - _first)
        _xb = _array(_at[{at[batch_X]}], 0, (_n, {x_shape}), {x_dtype})
        _yb = _array(_at[{at[batch_y]}], 0, (_n, {y_shape}), {y_dtype})
        for _i in range(_n):
            _row = _order[_first + _i]
            _repeat(_X + _row * {x_bytes}, _at[{at[batch_X]}] + _i * {x_bytes}, 1, {x_bytes})
            _repeat(_y + _row * {y_bytes}, _at[{at[batch_y]}] + _i * {y_bytes}, 1, {y_bytes})
        _repeat(_rows + int(_out[{APPLIED}]) * _width, _at[{at[numbers]}], 1, _width)
        _status = gradients(_at, _xb, _yb)
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


@_kernel
def epoch(_table, _X, _y, _order, _n, _rows):
    """All batches of an epoch: everything by its address, and the number of rows."""
    _mode = _flush(0)
    _status = batches(_array(_table, 0, ({slots},), int64), _X, _y, _array(_order, 0, (_n,), int64), _rows)
    _flush(_mode)
    return _status
'''


YES_OR_NO = "0 <= {0} <= 1"  # the condition of targets that are answers, see `Parts`
Kinds = Mapping[str, tuple[Any, tuple[int, ...]]]  # (dtype, shape without the batch) of X and y


class Drawn(NamedTuple):
    """A mask of dropout: drawn with the generator of this number, each element 0 with probability p."""

    generator: int
    p: float


class Parts(NamedTuple):
    """The parts of a step.

    Attributes
    ----------
    lowered : the loops
    loss, output : the names of the loss and of the model's output
    trained : name to (start in the flat buffer, name of its gradient) of each parameter
    kept : name to dtype of the arrays that lie elsewhere: constants, running means, parameters of others
    drawn : name to `Drawn` of the masks
    kinds : of X and y
    condition : on each target, with {0} for it; None if there is none
    """

    lowered: Lowered
    loss: str
    output: str
    trained: Mapping[str, tuple[int, str]]
    kept: Mapping[str, Any]
    drawn: Mapping[str, Drawn]
    kinds: Kinds
    condition: str | None

    @property
    def indices(self) -> list[str]:
        """The parts of the batch that are used as indices. They are copied: nobody changes a copy after the look."""
        return sorted({name for name, _ in self.lowered.checks if name in self.kinds})

    @property
    def labelled(self) -> bool:
        """True if y holds class numbers, and the output a row of scores for each."""
        shape, (dtype, rest) = self.lowered.shapes.get(self.output, ()), self.kinds["y"]
        return not self.yes_or_no and len(shape) == 2 and shape[1].b > 1 and not rest and dtype.kind in "iu"

    @property
    def yes_or_no(self) -> bool:
        """True if y holds answers from 0 to 1, and the output a logit for each."""
        shapes = self.lowered.shapes
        return self.condition == YES_OR_NO and shapes.get(self.output) == shapes.get("y", ())


def assemble(parts: Parts, rule: Any, states: int, size: int, dtype: Any) -> str:
    """Return the module's text, for a rule with so many running averages on so many parameters of one dtype."""
    generators = 1 + max((drawn.generator for drawn in parts.drawn.values()), default=-1)
    at = slots(states, parts.kept, generators)
    count = len(numbers_of(rule, 2 + states))
    arguments = [f"_s{i}[_a:_b]" for i in range(states)] + [f"{dtype}(_numbers[_r, {k + 1}])" for k in range(count)]
    return TEMPLATE.format(
        **{name: n for name, n in {**vars(table), **globals()}.items() if name.isupper() and isinstance(n, int)},
        at=at,
        dtype=dtype,
        slots=len(at),
        body="\n".join(f"    {line}" for line in _body(parts, at, dtype)),
        size=size,
        states="\n".join(f"    _s{i} = _array(_at[{at[f'state{i}']}], 0, ({size},), {dtype})" for i in range(states)),
        width=1 + count,
        imports=_imports(rule),
        arguments=", ".join(arguments),
        **{f"{name.lower()}_dtype": kind for name, (kind, _) in parts.kinds.items()},
        **{f"{name.lower()}_bytes": prod(shape) * kind.itemsize for name, (kind, shape) in parts.kinds.items()},
        **{f"{name.lower()}_shape": ", ".join(map(str, shape)) for name, (_, shape) in parts.kinds.items()},
    )


def _imports(rule: Any) -> str:
    """Return the lines that bring the kernels and `numpy_c` into the module, wherever they are defined."""
    used = {"_kernel": kernel, "_add_l2": add_l2, "_not_finite": not_finite_in_quarters, "_rule": rule}
    used["_functions"] = functions
    return "\n".join(f"from {f.__module__} import {f.__name__} as {name}" for name, f in used.items())


def _body(parts: Parts, at: Mapping[str, int], dtype: Any) -> list[str]:
    """Return the lines of ``gradients``: names for all arrays, checks of the batch, masks, loops, and results."""
    lowered, shapes = parts.lowered, parts.lowered.shapes
    many = len(set(lowered.numbers.values()))

    def place(name: str, base: str, offset: Any, kind: Any = dtype) -> str:
        where = f"{base}, {offset}, ({tuple_text(shapes[name])}), {kind}"
        return f"{name} = _array({where}, {lowered.numbers[name]}, {many})"

    lines = []
    for name, (kind, shape) in parts.kinds.items():
        where = f"_address(_{name})"
        if name in parts.indices:
            own = f"_at[{at[f'own_{name}']}]"
            lines.append(f"_repeat({where}, {own}, 1, _N * {prod(shape) * kind.itemsize})")
            where = own
        lines += [place(name, where, 0, kind)] if name in shapes else []
    refused = [(name, f"{{0}} < 0 or {{0}} >= {bound}") for name, bound in lowered.checks if name in parts.kinds]
    refused += [("y", f"not ({parts.condition})")] if parts.condition else []
    for name, condition in refused:
        index = names_of(shapes[name])
        test = condition.format(f"{name}[{', '.join(index)}]")
        lines += nested(zip(index, shapes[name]), [f"if {test}:", f"    return {REFUSED}"])
    for name, (start, gradient) in parts.trained.items():
        lines += [place(name, f"_at[{at['data']}]", start), place(gradient, f"_at[{at['grad']}]", start)]
    lines += [place(name, f"_at[{at[f'kept {name}']}]", 0, kind) for name, kind in parts.kept.items() if name in shapes]
    lines += [
        place(name, f"_at[{at['work']}]", f"{start.a} * _P + {start.b}") for name, (start, _) in lowered.places.items()
    ]
    for name, (generator, p) in parts.drawn.items():
        index = names_of(shapes[name])
        drawn = f"_random(_at[{at[f'rng{generator}']}], _at[{at[f'random{generator}']}])"
        kept = f"{dtype}({drawn} >= {p!r}) / {dtype}({1 - p!r})"
        lines += nested(zip(index, shapes[name]), [f"{name}[{', '.join(index)}] = {kept}"])
    lines += lowered.lines
    zeros = ", ".join("0" for _ in shapes.get(parts.loss, ())) or "()"
    lines.append(f"_out[{LOSS}] = {f'{parts.loss}[{zeros}]' if parts.loss in shapes else parts.loss}")
    if parts.yes_or_no:
        index = names_of(shapes[parts.output])
        at_index = f"[{', '.join(index)}]"
        z = f"{parts.output}{at_index}"
        equal = [f"_right += ({z} > 0) == (y{at_index} > 0.5) and {z} == {z}"]
        count = ["_right = 0", *nested(zip(index, shapes[parts.output]), equal), f"_out[{RIGHT}] = _right"]
        lines += [f"if _at[{at['count']}]:", *(f"    {line}" for line in count)]
    if parts.labelled:
        z, (n, classes) = parts.output, shapes[parts.output]
        own = f"_own = {z}[_0, y[_0]] if 0 <= y[_0] < {classes} else {dtype}(inf - inf)"
        rest = f"_is &= ({z}[_0, _1] < _own) | (({z}[_0, _1] == _own) & (_1 >= y[_0]))"  # the first of the highest
        row = [own, "_is = True", *nested([("_1", classes)], [rest]), "_right += _is"]
        count = ["_right = 0", *nested([("_0", n)], row), f"_out[{RIGHT}] = _right"]
        lines += [f"if _at[{at['count']}]:", *(f"    {line}" for line in count)]
    return lines
