"""A training step as one call of machine code: the program of the gradient, and then the optimizer's own kernel.

`program` writes the step down as NumPy, `loops` turns its lines into loops, and here they become a module: a file that
Numba compiles, and whose machine code it keeps beside it, so that the next process finds both.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from struct import Struct
from types import ModuleType
from typing import Any

import numba
import numpy as np

from . import kernels, loops, losses, native
from .buffers import aligned
from .layers import Layer
from .loops import CannotCompile, Length
from .ops import Array
from .program import Program, _Trace, as_input, needed
from .step import Optimizer
from .tensor import Tensor, no_grad, raw, tick, watchers
from .train import NoLoss

DONE, REFUSED, NOT_FINITE, SKIPPED, NO_LOSS = range(5)  # what a call of machine code returns
POLICIES = {"raise": 0, "skip": 1, "propagate": 2}
# where the step finds things: addresses, and numbers that may change from call to call
DATA, GRAD, WORK, OUT, NUMBERS, REGULARISED, RUNS, POLICY, BATCH, STATE = range(10)
RIGHT, TOTAL, RIGHT_TOTAL, SEEN, APPLIED, LEFT_OUT = range(1, 7)  # in OUT, after the loss
TARGETS = {  # what a loss asks of each target, before anything is computed
    losses.binary_cross_entropy_with_logits: "0 <= {0} <= 1",
    losses.hinge_loss: "abs({0}) == 1",
}

HEAD = '''\
"""A training step, made by tinygrad_edu.compiled from the program of its gradient. See DATA, GRAD ... there."""

from math import erf, erfc, inf, isfinite, sqrt

import numpy as _np
from numpy import bool, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64

from tinygrad_edu import kernels as _kernels
from tinygrad_edu import native as _native

globals().update(_native.functions(_np.{dtype}))
_rule, _add_l2, _not_finite, _one = _kernels.{rule}, _kernels.add_l2, _kernels.not_finite, {dtype}(1)


@_kernels.kernel
def update(_at):
    """The optimizer's step on each run of neighbouring parameters; all of them are looked at before any is changed."""
    _p = _array(_at[{DATA}], 0, ({size},), {dtype})
    _g = _array(_at[{GRAD}], 0, ({size},), {dtype})
    _h = _array(_at[{REGULARISED}], 0, ({size},), {dtype})
{state}
    _x = _array(_at[{NUMBERS}], 0, (_at[{RUNS}], {count}), float64)
    _spans = _array(_at[{spans}], 0, (_at[{RUNS}], 2), int64)
    if _at[{POLICY}] != 2:
        for _r in range(_at[{RUNS}]):
            if _not_finite(_g[_spans[_r, 0] : _spans[_r, 1]]):
                return {NOT_FINITE} if _at[{POLICY}] == 0 else {SKIPPED}
    for _r in range(_at[{RUNS}]):
        _a, _b = _spans[_r, 0], _spans[_r, 1]
        _d = _g[_a:_b]
        if _x[_r, 0] != 0:
            _d = _h[_a:_b]
            _add_l2(_d, _g[_a:_b], _p[_a:_b], {dtype}(_x[_r, 0]))
        _rule(_p[_a:_b], _d, {arguments})
    return {DONE}


@_kernels.kernel
def gradients({head}):
    """Forward and backward pass: the loss goes to OUT, the gradients into the flat gradient."""
    _N = len(_X)
    _P = (_N + 15) // 16 * 16
    _out = _array(_at[{OUT}], 0, (8,), float64)
{body}


@_kernels.kernel
def step({head}):
    """One batch."""
    _mode = _flush(0)
    _status = gradients({call})
    if _status == {DONE}:
        _status = update(_at)
    _flush(_mode)
    return _status


@_kernels.kernel
def epoch(_X, _y, _order, _stop, _table, {rest}):
    """All batches of an epoch, in this order; _table has the numbers of each update."""
    _mode = _flush(0)
    _status = batches(_X, _y, _order, _stop, _table, {rest})
    _flush(_mode)
    return _status


@_kernels.kernel
def batches(_X, _y, _order, _stop, _table, {rest}):
    _out = _array(_at[{OUT}], 0, (8,), float64)
    _x = _array(_at[{NUMBERS}], 0, (_table.shape[1],), float64)
    _out[1:] = 0
    for _first in range(0, _stop, _at[{BATCH}]):
        _n = min(_at[{BATCH}], _stop - _first)
        _xb = _array(_at[{batch_x}], 0, (_n, {x_shape}), {x_dtype})
        _yb = _array(_at[{batch_y}], 0, (_n, {y_shape}), {y_dtype})
        for _i in range(_n):
            _xb[_i] = _X[_order[_first + _i]]
            _yb[_i] = _y[_order[_first + _i]]
        for _k in range(_x.size):
            _x[_k] = _table[int(_out[{APPLIED}]), _k]
        _status = gradients(_xb, _yb, {rest})
        if _status != {DONE}:
            return _status
        _fine = isfinite(_out[0])
        if not _fine and _at[{POLICY}] == 0:
            return {NO_LOSS}
        _status = update(_at)
        if _status == {NOT_FINITE}:
            return _status
        _out[{APPLIED}] += _status == {DONE}
        _out[{LEFT_OUT}] += _status == {SKIPPED}
        if _fine or _at[{POLICY}] == 2:
            _out[{TOTAL}] += _out[0] * _n
            _out[{RIGHT_TOTAL}] += _out[{RIGHT}]
            _out[{SEEN}] += _n
    return {DONE}
'''


def compile_step(
    model: Layer,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    X: Any,
    y: Any,
    quiet: bool = False,
) -> CompiledStep:
    """A function of a batch that does zero_grad, forward, backward and the optimizer's step in one call of machine code.

    Parameters
    ----------
    model : as it is in training; layers that are set to eval() inside stay so
    loss : called with the model's output and y, as one of `losses`
    optimizer : any of this package; over the model's parameters
    X, y : a batch: what shapes and dtypes the step takes. Nothing is learned from it
    quiet : do not say on standard error that something is compiled

    Returns
    -------
    step : ``step(X, y)`` returns the loss as a float. Model, optimizer and gradients are then as after
        the same step without compiling: the two can take turns

    The batch may have any number of samples. Shapes, the layers, and which parameters require a gradient are fixed when the
    step is made; learning rates, schedules, `freeze` and the weights themselves are read at each call. The first
    time machine code is made, in a second or two; it is kept on disk (TINYGRAD_EDU_CACHE, or the user's cache folder).

    Raises
    ------
    CannotCompile : an op that has no loops (`loops`): einsum, stacks of matrices, masks that choose elements
    ValueError, TypeError : what `program.trace` refuses, and what the model and the loss refuse themselves
    RuntimeError : the model has no parameter that is the optimizer's

    Examples
    --------
    >>> from tinygrad_edu import Adam, cross_entropy, data, mlp
    >>> X, y = data.moons(64, rng=0)
    >>> model = mlp([2, 8, 2], rng=0)
    >>> step = compile_step(model, cross_entropy, Adam(model, lr=0.01), X, y, quiet=True)
    >>> losses = [step(X, y) for _ in range(100)]
    >>> losses[-1] < losses[0] / 2
    True
    """
    return CompiledStep(model, loss, optimizer, X, y, quiet)


class CompiledStep:
    """What `compile_step` returns.

    Attributes
    ----------
    program : the `Program` that was compiled
    source : the loops that were made of it, the text that Numba compiles
    cached : whether the machine code was found on disk
    seconds : what it took to get it ready
    """

    def __init__(
        self,
        model: Layer,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        X: Any,
        y: Any,
        quiet: bool = False,
        function: str = "step",
    ) -> None:
        if not isinstance(model, Layer) or not callable(loss) or not isinstance(optimizer, Optimizer):
            raise TypeError("compile_step takes a Layer, a function such as tg.cross_entropy, and an optimizer")
        self.model, self.loss, self.optimizer, self.quiet, self._function = model, loss, optimizer, quiet, function
        self._dtype = optimizer.buffer.data.dtype
        self._kinds: list[tuple[np.dtype[Any], tuple[int, ...]]] = []
        X, y = np.asarray(raw(X)), np.asarray(raw(y))
        for values in (X, y):
            dtype = self._dtype if values.dtype.kind == "f" and values is y else values.dtype
            self._kinds.append((dtype, values.shape[1:]))
        if X.dtype.kind in "iub":
            self._kinds[0] = self._dtype, X.shape[1:]
        self._plans: dict[int, _Plan] = {}
        self._modes = [(layer, layer.training) for _, layer in model.named_layers()]
        self._make(*self._taken(X, y))

    # --- a call -------------------------------------------------------------------------------------------------------

    def __call__(self, X: Any, y: Any) -> float:
        (x_dtype, x_shape), (y_dtype, y_shape) = self._kinds
        if not (
            X.__class__ is np.ndarray
            and y.__class__ is np.ndarray
            and X.dtype is x_dtype
            and y.dtype is y_dtype
            and X.flags.c_contiguous
            and y.flags.c_contiguous
            and X.shape[1:] == x_shape
            and y.shape[1:] == y_shape
            and len(X) == len(y)
        ):
            X, y = self._taken(X, y)
        plan, optimizer = self._plans.get(len(X)) or self._make(X, y), self.optimizer
        runs = plan.runs
        if runs is None or runs is not optimizer._whole:
            runs = self._begin(plan)
        else:
            optimizer._prepare(runs)
        if plan.large:  # the update is shared out to threads, as without compiling
            plan.at[RUNS] = 0
        for i, run in enumerate(runs):
            plan.pack(plan.numbers, i * plan.row, run.l2, *run.numbers)
        plan.at[POLICY] = POLICIES[optimizer.nonfinite]
        before = optimizer.buffer.data.copy() if watchers else None
        status = plan.step(X, y, plan.at, *plan.generators)
        value = plan.out.item(0)
        if plan.large and status == DONE:
            plan.touch(0)
            optimizer.step()
        elif status == DONE:
            changed = tick()
            plan.touch(changed)
            optimizer._count(runs, changed)
            for watcher in watchers:
                watcher.step(optimizer, before)
        elif status == SKIPPED:
            plan.touch(0)
            optimizer.skipped += 1
        else:
            plan.touch(0)
            raise self._error(status, X, y)
        return value

    def _begin(self, plan: _Plan) -> list[Any]:
        """Have the optimizer look at which parameters have a gradient: those of this plan."""
        plan.touch(0)
        for p in plan.without:
            p._grad = None
        runs = self.optimizer._ready()
        plan.take(runs)
        return runs

    def _error(self, status: int, X: Array, y: Array) -> Exception:
        """What the same step would have raised without compiling."""
        optimizer = self.optimizer
        if status == NOT_FINITE:
            for run in optimizer._runs():
                if run.not_finite():
                    return ValueError(optimizer._not_finite_where(run))
        with no_grad():
            self.loss(self.model(X), y)  # says what is wrong with y
        return ValueError("y holds a number that is out of range")

    def _taken(self, X: Any, y: Any) -> tuple[Array, Array]:
        """X and y as machine code takes them, or an error."""
        found = []
        for name, values, (dtype, shape) in zip("Xy", (X, y), self._kinds):
            values = np.asarray(raw(values))
            if values.shape[1:] != shape or not values.ndim:
                raise ValueError(
                    f"{name} has shape {values.shape}, the step was compiled for (N{''.join(f', {n}' for n in shape)})"
                )
            if values.dtype != dtype:
                if (
                    values.dtype.kind not in "fiub"
                    or (name == "X" and values.dtype.kind == "f")
                    or (values.dtype.kind == "f" and dtype.kind != "f")
                ):
                    raise TypeError(
                        f"{name} is {values.dtype}, the step was compiled for {dtype}; say {name}.astype(np.{dtype})"
                    )
                values = values.astype(dtype)
            found.append(np.ascontiguousarray(values))
        X, y = found
        if len(X) != len(y) or not len(X):
            raise ValueError(f"X and y need one row for each sample, got shapes {X.shape} and {y.shape}")
        return X, y

    # --- an epoch -----------------------------------------------------------------------------------------------------

    def epoch(self, X: Any, y: Any, order: Array, size: int) -> tuple[float, int | None, int]:
        """All batches of an epoch in one call: so many rows of X and y each, in this order.

        Returns
        -------
        (total, right, seen) : the losses times the sizes of their batches, how many samples the model had right (None if
            y holds no labels), and how many there were, without batches that were skipped

        Raises
        ------
        ArithmeticError : the loss is not finite and the optimizer's nonfinite is "raise"
        ValueError : the same of a gradient
        """
        X, y = self._taken(X, y)
        plans = [self._plans.get(n) or self._make(X[:n], y[:n]) for n in {size, len(order) % size or size}]
        if len({id(plan) for plan in plans}) > 1 or plans[0].large or watchers:
            return self._batches(X, y, order, size)
        plan, optimizer = plans[0], self.optimizer
        runs = self._begin(plan)
        table = np.empty((-(-len(order) // size), plan.numbers.shape[1] * len(runs)))
        for k in range(len(table)):
            optimizer._prepare(runs, k)
            table[k] = [number for run in runs for number in (run.l2, *run.numbers)]
        plan.gather(size, X, y)
        plan.at[POLICY] = POLICIES[optimizer.nonfinite]
        status = plan.epoch(X, y, order.astype(np.int64), len(order), table, plan.at, *plan.generators)
        out = plan.out
        changed = tick() if out[APPLIED] else 0
        plan.touch(changed)
        if changed:
            optimizer._count(runs, changed, int(out[APPLIED]))
        optimizer.skipped += int(out[LEFT_OUT])
        if status == NO_LOSS:
            raise NoLoss(f"loss became {out[0]}")
        if status != DONE:
            raise self._error(status, X, y)
        return float(out[TOTAL]), int(out[RIGHT_TOTAL]) if self.labelled else None, int(out[SEEN])

    def _batches(self, X: Array, y: Array, order: Array, size: int) -> tuple[float, int | None, int]:
        """The same, a call for each batch: where the update is large enough for threads, or is watched, or where batches of
        another size are another program."""
        total, right, seen = 0.0, 0, 0
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            value = self(X[rows], y[rows])
            policy = self.optimizer.nonfinite
            if not np.isfinite(value) and policy == "raise":
                raise NoLoss(f"loss became {value}")
            if np.isfinite(value) or policy == "propagate":
                total += value * len(rows)
                right += int(self._plans[len(rows)].out[RIGHT])
                seen += len(rows)
        return total, right if self.labelled else None, seen

    # --- making it ----------------------------------------------------------------------------------------------------

    def _make(self, X: Array, y: Array) -> _Plan:
        """The machine code for batches of this size, and of any other if the program is the same there."""
        generic = next((plan for plan in self._plans.values() if plan.generic), None)
        plan = generic or self._compiled(X, y)
        plan.grow(len(X))
        self._plans[len(X)] = plan
        return plan

    def _traced(self, X: Array, y: Array) -> tuple[Program, _Trace, str]:
        """The program of this batch's gradient, and what the model's output is called in it."""
        outputs: list[Tensor] = []

        def f(X: Tensor, y: Tensor) -> Tensor:
            outputs.append(self.model(X))
            return self.loss(outputs[-1], y)

        generators = {
            id(g): g
            for _, layer in self.model.named_layers()
            for g in vars(layer).values()
            if isinstance(g, np.random.Generator)
        }
        states = [(g, g.bit_generator.state) for g in generators.values()]
        modes = [(layer, layer.training) for layer, _ in self._modes]
        for layer, mode in self._modes:
            layer.training = mode
        self.model.named_parameters()  # their paths become their names
        inputs = [as_input(name, values) for name, values in zip("Xy", (X, y))]
        try:
            recorded = _Trace.of(f, inputs)
            recorded.compare(f, inputs)
            program = recorded.program()
        finally:
            for g, state in states:
                g.bit_generator.state = state
            for layer, mode in modes:
                layer.training = mode
        return program, recorded, recorded.called[id(outputs[0])]

    def _compiled(self, X: Array, y: Array) -> _Plan:
        start = time.perf_counter()
        program, recorded, output = self._traced(X, y)
        named = {name: value for name, value in program._given.items() if isinstance(value, Tensor)}
        mine = {id(p): i for i, p in enumerate(self.optimizer.params)}
        trained = {name: mine[id(t)] for name, t in named.items() if id(t) in mine and name in program._results}
        if not trained:
            raise RuntimeError("the loss does not depend on any parameter of this optimizer")
        results = {name: program._results[name] for name in trained}
        lines = needed(program.forward + program.backward, {program.loss, output, *results.values()})
        forward = [line for line in program.forward if any(line is other for other in lines)]
        backward = [line for line in program.backward if any(line is other for other in lines)]
        program = Program(program._given, forward, backward, program.loss, results, program.helpers)

        def batch(n: int) -> dict[str, Any]:
            rows = np.arange(n) % len(X)
            drawn = {
                name: np.ones((n, *np.shape(raw(t))[1:]), self._dtype) for name, t in named.items() if "rng" in t.kwargs
            }
            return {**program.inputs, "X": X[rows], "y": y[rows], **drawn}

        fixed = set(results.values())
        generic = True
        try:
            few = batch(3)
            if self._traced(few["X"], few["y"])[0].source != self._traced(X, y)[0].source:
                raise CannotCompile("another program for another number of samples")
            lowered = loops.lower(program, [batch(n) for n in loops.BATCHES], fixed, flat=not native.PLAIN)
        except (CannotCompile, ValueError, ArithmeticError, IndexError):
            generic = False
            lowered = loops.lower(program, [batch(len(X))], fixed, [len(X)], not native.PLAIN)
        plan = _Plan(self, program, lowered, trained, named, output, generic)
        self.program, self.source = program, plan.text
        plan.types = [numba.typeof(a) for a in (X, y, plan.at, *plan.generators)]
        getattr(plan, self._function)
        self.seconds = time.perf_counter() - start
        return plan


class _Plan:
    """Machine code, and where it finds its arrays."""

    def __init__(
        self,
        owner: CompiledStep,
        program: Program,
        lowered: loops.Lowered,
        trained: dict[str, int],
        named: dict[str, Tensor],
        output: str,
        generic: bool,
    ) -> None:
        self.owner, self.lowered, self.generic = owner, lowered, generic
        optimizer, self.dtype = owner.optimizer, owner._dtype
        buffer = optimizer.buffer
        arrays = [buffer.data, buffer.grad, *optimizer._averages.values()]
        self.large = sum(a.nbytes for a in arrays) >= kernels.WORTH_A_THREAD
        self.homes = [optimizer._homes[i] for i in trained.values()]
        self.without = [p for i, p in enumerate(optimizer.params) if i not in set(trained.values())]
        self.runs: list[Any] | None = None
        self.out, self.capacity = np.zeros(8), 0
        self.spans = np.zeros((len(optimizer.params), 2), np.int64)
        optimizer_states = list(optimizer._averages.values())
        rule = getattr(optimizer.kernel, "py_func", optimizer.kernel)
        count = rule.__code__.co_argcount - 2 - len(optimizer_states)
        self.row = 8 * (1 + count)
        self.pack = Struct(f"{1 + count}d").pack_into
        self.numbers = np.zeros((len(optimizer.params), 1 + count))
        self.regularised = np.zeros_like(buffer.grad)

        # what lies neither in the flat buffer nor in the workspace, in the order of the table
        drawn = {name: t for name, t in named.items() if "rng" in t.kwargs}
        inside = {*trained, *drawn, "X", "y"}
        rest = {name: value for name, value in program._given.items() if name not in inside}
        self.others = [(t, t._data) for t in rest.values() if isinstance(t, Tensor) and t._data.flags.c_contiguous]
        self.kept = {
            name: raw(v) if raw(v).flags.c_contiguous else np.ascontiguousarray(raw(v)) for name, v in rest.items()
        }
        first = STATE + len(optimizer_states)
        self.addresses = [a.ctypes.data for a in self.kept.values()]
        self.fixed_table = [
            buffer.data.ctypes.data,
            buffer.grad.ctypes.data,
            0,
            self.out.ctypes.data,
            self.numbers.ctypes.data,
            self.regularised.ctypes.data,
            0,
            0,
            0,
            *(a.ctypes.data for a in optimizer_states),
            *self.addresses,
            self.spans.ctypes.data,
            0,
            0,
        ]
        self.at = np.array(self.fixed_table, np.int64)
        spans = first + len(self.kept)
        generators: dict[int, str] = {}
        self.generators: list[Any] = []
        for t in drawn.values():
            if id(t.kwargs["rng"]) not in generators:
                generators[id(t.kwargs["rng"])] = f"_rng{len(generators)}"
                self.generators.append(t.kwargs["rng"])
        places = dict(lowered.places)
        end = lowered.size
        for name in drawn:
            shape = lowered.shapes[name]
            grows = [n for n in shape if n.a]
            size = int(np.prod([n.b for n in shape if not n.a]))
            places[name] = end, shape
            end = Length(end.a + size * bool(grows), end.b + (0 if grows else -(-size // 16) * 16))
        self.size = end

        many = len(set(lowered.numbers.values()))

        def place(name: str, base: str, offset: Any, shape: Any, dtype: Any) -> str:
            where = f"{offset}, ({loops.tuple_text(shape)})"
            return f"{name} = _place({base}, {where}, {dtype}, {lowered.numbers[name]}, {many})"

        (x_dtype, x_shape), (y_dtype, y_shape) = owner._kinds
        body = []
        for name, dtype in (("X", x_dtype), ("y", y_dtype)):
            body.append(place(name, f"_address(_{name})", 0, lowered.shapes[name], dtype))
        looked = loops.nested([(f"_{i}", n) for i, n in enumerate(lowered.shapes["y"])], [])
        number = f"y[{', '.join(f'_{i}' for i in range(len(looked)))}]"
        for name, bound in lowered.checks:
            if name == "y":
                body += [
                    *looked,
                    f"{'    ' * len(looked)}if {number} < 0 or {number} >= {bound}:",
                    f"{'    ' * len(looked)}    return {REFUSED}",
                ]
            elif owner_checks(self.kept.get(name), bound, self.generic):
                raise CannotCompile(f"{name} is used as an index, which cannot be checked for every batch")
        condition = TARGETS.get(owner.loss)
        if condition:
            body += [
                *looked,
                f"{'    ' * len(looked)}if not ({condition.format(number)}):",
                f"{'    ' * len(looked)}    return {REFUSED}",
            ]
        for name, i in trained.items():
            start = buffer.spans[i][0]
            body.append(place(name, f"_at[{DATA}]", start, lowered.shapes[name], self.dtype))
            body.append(place(program._results[name], f"_at[{GRAD}]", start, lowered.shapes[name], self.dtype))
        for k, (name, array) in enumerate(self.kept.items()):
            if name in lowered.shapes:
                body.append(place(name, f"_at[{first + k}]", 0, lowered.shapes[name], array.dtype))
        for name, (at, shape) in places.items():
            body.append(place(name, f"_at[{WORK}]", f"{at.a} * _P + {at.b}", shape, self.dtype))
        for name, t in drawn.items():
            p, rng = t.kwargs["p"], generators[id(t.kwargs["rng"])]
            index = [(f"_{i}", n) for i, n in enumerate(lowered.shapes[name])]
            at = ", ".join(i for i, _ in index)
            one = f"{self.dtype}({rng}.random() >= {p!r}) / {self.dtype}({1 - p!r})"
            body += loops.nested(index, [f"{name}[{at}] = {one}"])
        body += lowered.lines
        loss = (
            program.loss
            if program.loss not in lowered.shapes
            else f"{program.loss}[{', '.join('0' for _ in lowered.shapes[program.loss]) or '()'}]"
        )
        body.append(f"_out[0] = {loss}")
        shape = lowered.shapes.get(output, ())
        owner.labelled = len(shape) == 2 and shape[1].b > 1 and not y_shape and y_dtype.kind in "iu"
        if owner.labelled:
            body += [
                "_right = 0",
                f"for _0 in range({shape[0]}):",
                "    _best = 0",
                f"    for _1 in range({shape[1]}):",
            ]
            body += [
                f"        if {output}[_0, _1] > {output}[_0, _best]:",
                "            _best = _1",
                "    _right += _best == y[_0]",
            ]
            body.append(f"_out[{RIGHT}] = _right")
        body.append(f"return {DONE}")
        rest_ = ", ".join(["_at", *generators.values()])
        states = [
            f"    _s{i} = _array(_at[{STATE + i}], 0, ({buffer.data.size},), {self.dtype})"
            for i in range(len(optimizer_states))
        ]
        arguments = [f"_s{i}[_a:_b]" for i in range(len(optimizer_states))]
        arguments += [f"{self.dtype}(_x[_r, {k + 1}])" for k in range(count)]
        self.text = HEAD.format(
            **{
                name: globals()[name]
                for name in [
                    "DATA",
                    "GRAD",
                    "WORK",
                    "OUT",
                    "NUMBERS",
                    "REGULARISED",
                    "RUNS",
                    "POLICY",
                    "BATCH",
                    "RIGHT",
                    "TOTAL",
                    "RIGHT_TOTAL",
                    "SEEN",
                    "APPLIED",
                    "LEFT_OUT",
                    "DONE",
                    "NOT_FINITE",
                    "SKIPPED",
                    "NO_LOSS",
                ]
            },
            dtype=self.dtype,
            rule=rule.__name__,
            size=buffer.data.size,
            state="\n".join(states),
            count=1 + count,
            spans=spans,
            arguments=", ".join(arguments),
            head=f"_X, _y, {rest_}",
            call=f"_X, _y, {rest_}",
            rest=rest_,
            body="\n".join("    " + line for line in body),
            batch_x=spans + 1,
            batch_y=spans + 2,
            x_shape=", ".join(map(str, x_shape)),
            y_shape=", ".join(map(str, y_shape)),
            x_dtype=x_dtype,
            y_dtype=y_dtype,
        )
        self.tail = spans

    def touch(self, changed: int) -> None:
        """The parameters have the gradients of this step; and were changed by it, if changed is a stamp, not 0."""
        for p, data, home in self.homes:
            if p._data is not data:
                raise moved(p)
            p._grad, p._spent = home, changed
            if changed:
                p.stamp, p._lent = changed, None
        for t, array in self.others:
            if t._data is not array:
                raise moved(t)

    def take(self, runs: list[Any]) -> None:
        """Other runs than at the last call."""
        self.runs = runs
        buffer = self.owner.optimizer.buffer
        for i, run in enumerate(runs):
            self.spans[i] = buffer.spans[run.first][0], buffer.spans[run.last - 1][1]
        self.at[RUNS] = len(runs)

    def grow(self, n: int) -> None:
        """Have a workspace for batches of n."""
        if n > self.capacity:
            self.capacity = n
            padded = (n + 15) // 16 * 16
            self.work = aligned(max(1, self.size.a * padded + self.size.b), self.dtype)
            self.at[WORK] = self.work.ctypes.data

    def gather(self, n: int, X: Array, y: Array) -> None:
        """Have a place for the rows of a batch."""
        self.rows = np.empty((n, *X.shape[1:]), X.dtype), np.empty((n, *y.shape[1:]), y.dtype)
        self.at[BATCH] = n
        self.at[self.tail + 1], self.at[self.tail + 2] = (rows.ctypes.data for rows in self.rows)

    @cached_property
    def step(self) -> Any:
        """The machine code for one batch."""
        return self._code("step", *self.types)

    @cached_property
    def epoch(self) -> Any:
        """The machine code for all batches of an epoch."""
        X, y, *rest = self.types
        return self._code("epoch", X, y, numba.int64[::1], numba.int64, numba.float64[:, ::1], *rest)

    def _code(self, name: str, *types: Any) -> Any:
        code, self.owner.cached = load(self.text, name, types, self.owner.quiet)
        return code


def moved(t: Tensor) -> Exception:
    return RuntimeError(f"{t.label()} was moved to another buffer since the step was compiled; compile it again")


def owner_checks(array: Array | None, bound: str, generic: bool) -> bool:
    """Whether an index array may lie outside."""
    return array is None or not bound.isdigit() or bool((array < 0).any() or (array >= int(bound)).any())


# --- on disk ----------------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where machine code is kept: TINYGRAD_EDU_CACHE, or a folder of ours in the user's cache."""
    given = os.environ.get("TINYGRAD_EDU_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tinygrad_edu"


def key(text: str) -> str:
    """What machine code depends on: the text, what it calls, and the versions of all that make it."""
    versions = [sys.version, numba.__version__, np.__version__, native.ready()]
    sources = [inspect.getsource(module) for module in (kernels, native)]
    return hashlib.sha256("\0".join([text, *versions, *sources]).encode()).hexdigest()[:32]


def load(text: str, name: str, types: Any, quiet: bool) -> tuple[Any, bool]:
    """A function of a module's text as machine code for these types; and whether that was found on disk."""
    module = f"step_{key(text)}"
    if native.PLAIN:
        return getattr(_module(module, text, None), name), False
    path: Path | None = cache_folder() / f"{module}.py"
    assert path is not None
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            _write(path, text)
    except (OSError, UnicodeDecodeError):
        path = None
    kept = path is not None and any((path.parent / "__pycache__").glob(f"{module}.{name}-*.nbi"))
    start = time.perf_counter()
    if not kept and not quiet:
        print("compiling the training step ... ", end="", file=sys.stderr, flush=True)
    try:
        code = _machine_code(getattr(_module(module, text, path), name), types)
    except Exception:
        if path is None:
            raise
        code, kept = _machine_code(getattr(_module(module, text, None), name), types), False  # do without the disk
    if not kept and not quiet:
        print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    return code, kept


def _write(path: Path, text: str) -> None:
    """In one step, so that no other process sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
        file.write(text)
    os.replace(file.name, path)


def _module(name: str, text: str, path: Path | None) -> ModuleType:
    """The text as a module; from its file, so that Numba can keep what it makes of it."""
    module = sys.modules[name] = ModuleType(name)  # where Numba looks for it when it finds its machine code
    exec(compile(text, str(path or f"<{name}>"), "exec"), vars(module))
    return module


def _machine_code(function: Any, types: Any) -> Any:
    """Compiled for these types, ready to be called past Numba's look at every argument."""
    signature = tuple(types)
    function.compile(signature)
    return function.overloads[signature].entry_point
