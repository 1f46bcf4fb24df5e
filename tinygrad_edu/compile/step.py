"""A training step as one call of machine code: the program of the gradient, and then the optimizer's own kernel.

`program` writes the step down as NumPy, `loops` turns its lines into loops, `assembly` puts them and the kernel into a
module, `machine` compiles that, or finds it on disk, and `plan` knows where everything lies. Here it is called: as the
optimizer would, with its counters, schedules, groups and checks, so that compiled and eager steps can take turns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import kernels, losses
from ..core.layers import Layer
from ..core.losses import NoLoss
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, moves, no_grad, thread, unwrap
from ..program.program import Program, _Trace, as_input
from .lower import CannotCompile as CannotCompile
from .module_text import (
    APPLIED,
    DONE,
    LEFT_OUT,
    LOSS,
    NO_LOSS,
    NOT_FINITE,
    REFUSED,
    RIGHT,
    RIGHT_TOTAL,
    SEEN,
    SKIPPED,
    STATUS,
    TOTAL,
)
from .plan import Plan

TARGETS = {  # what a loss asks of each target, before anything is computed
    losses.binary_cross_entropy_with_logits: "0 <= {0} <= 1",
    losses.hinge_loss: "abs({0}) == 1",
}


def compile_step(
    model: Layer, loss: Callable[..., Tensor], optimizer: Optimizer, X: Any, y: Any, quiet: bool = False
) -> CompiledStep:
    """A function of a batch: zero_grad, forward, backward and the optimizer's step in one call of machine code.

    Parameters
    ----------
    model : as it is in training. Which layers train and which evaluate is fixed now; so are dropout's p and generator
    loss : called with the model's output and y. What one of `losses` asks of targets is looked at in each batch; what a
        loss of yours asks, for this batch alone
    optimizer : any of this package, over the model's parameters
    X, y : a batch. It says what dtypes and shapes the step takes; nothing is learned from it
    quiet : do not say on standard error that something is compiled

    Returns
    -------
    step : ``step(X, y)`` returns the loss, a float. It leaves model, gradients and optimizer as the same step does that
        is not compiled, so the two can take turns. Numbers below the smallest normal one become 0; parameters that are
        not this optimizer's get no gradient

    A batch may have any number of samples. Learning rates, schedules, groups, `freeze`, ``nonfinite`` and the weights
    are read at each call; so are other arrays that the loss or the model uses, but for indices, if they are changed in
    place.
    `debug` sees no ops here, as there are none; take eager steps within it. Machine code takes some seconds to make,
    and is kept on disk (`machine.folder`).

    Raises
    ------
    CannotCompile : a line of the program that has no loops, as for masks that choose elements and several indices at
        once; numbers that Python computed out of the batch; an optimizer with a rule or a step() of its own
    TypeError, ValueError : what `program.trace` refuses, and what the model and the loss refuse themselves
    RuntimeError : the loss does not depend on any parameter of the optimizer

    Examples
    --------
    >>> from tinygrad_edu import Adam, cross_entropy, mlp
    >>> from tinygrad_edu.training import data
    >>> X, y = data.moons(64, rng=0)
    >>> model = mlp([2, 8, 2], rng=0)
    >>> step = compile_step(model, cross_entropy, Adam(model, lr=0.01), X, y, quiet=True)
    >>> costs = [step(X, y) for _ in range(100)]
    >>> costs[-1] < costs[0] / 2
    True
    """
    return CompiledStep(model, loss, optimizer, X, y, quiet)


class CompiledStep:
    """What `compile_step` returns.

    Attributes
    ----------
    program : the `Program` of the gradients
    source : what was made of it, the text that Numba compiles
    cached : whether the machine code was found on disk
    seconds : what it took to get it ready
    labelled : whether y holds class numbers
    """

    program: Program
    source: str
    cached: bool
    labelled: bool

    def __init__(
        self,
        model: Layer,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        X: Any,
        y: Any,
        quiet: bool = False,
        function: str = "step",  # or "epoch": which of the two is compiled now
    ) -> None:
        if not isinstance(model, Layer) or not callable(loss) or not isinstance(optimizer, Optimizer):
            raise TypeError("compile_step takes a Layer, a function such as tg.cross_entropy, and an optimizer")
        rule = getattr(optimizer.kernel, "__name__", "")
        if type(optimizer).step is not Optimizer.step:
            raise CannotCompile(f"{type(optimizer).__name__} has a step() of its own; train without compiled=True")
        if getattr(kernels, rule, None) is not optimizer.kernel:
            raise CannotCompile(
                f"{rule or optimizer.kernel} is not a rule of this package; train without compiled=True"
            )
        self.model, self.loss, self.optimizer, self.quiet = model, loss, optimizer, quiet
        X, y, dtype = np.asarray(unwrap(X)), np.asarray(unwrap(y)), optimizer.buffer.data.dtype
        x_dtype = dtype if X.dtype.kind in "iub" else np.dtype(X.dtype.type)
        y_dtype = dtype if y.dtype.kind == "f" else np.dtype(y.dtype.type)
        self.kinds = {"X": (x_dtype, X.shape[1:]), "y": (y_dtype, y.shape[1:])}
        self._lock = threading.RLock()  # machine code runs without Python's own
        self._modes = [(layer, layer.training) for _, layer in model.named_layers()]
        self._plans: dict[int, Plan] = {}  # by the number of samples
        start = time.perf_counter()
        try:
            _, _, plan = self._taken(X, y)
        except IndexError:
            if X.dtype.kind not in "iu":
                raise
            self.kinds["X"] = (np.dtype(X.dtype.type), X.shape[1:])  # X is an index, as an embedding takes one
            _, _, plan = self._taken(X, y)
        for part in (function, *["piece"] * plan.apart):
            getattr(plan, part)
        self.cached = plan.cached
        self.seconds = time.perf_counter() - start

    def __repr__(self) -> str:
        return f"CompiledStep({self.program!r}, {self.optimizer!r})"

    # --- a batch ------------------------------------------------------------------------------------------------------

    def __call__(self, X: Any, y: Any) -> float:
        self._lock.acquire()
        try:
            x_dtype, x_shape, y_dtype, y_shape, plan = self._last
            if not (
                X.__class__ is np.ndarray
                and y.__class__ is np.ndarray
                and X.shape == x_shape
                and y.shape == y_shape
                and X.dtype is x_dtype
                and y.dtype is y_dtype
                and X.flags.c_contiguous
                and y.flags.c_contiguous
            ):
                self.optimizer.zero_grad()  # a batch that is refused leaves no gradient
                X, y, plan = self._taken(X, y)
            optimizer, runs = self.optimizer, plan.runs
            try:
                if runs is None or runs is not optimizer._whole:
                    runs = plan.begin()
                else:
                    if plan.moves != moves[0]:
                        plan.check()
                    optimizer._last = []  # a step that is refused leaves nothing to ask about
                    optimizer._prepare(runs)
            except Exception:  # a schedule, say; no gradient was computed, so none is left
                optimizer.zero_grad()
                raise
            at = 0
            for run in runs:
                plan.pack(plan.numbers, at, run.l2, *run.numbers)
                at += plan.row
            if plan.nonfinite is not optimizer._nonfinite:
                plan.obey(optimizer._nonfinite)
            for told in thread.step:
                told(optimizer)
            code = plan.step  # which is compiled now, if it is new
            plan.out[STATUS] = -1
            try:
                status = code(X, y, plan.at, *plan.generators)
                if status == DONE and plan.apart:
                    status = plan.update()
            except BaseException:  # an interrupt, which is raised when machine code returns: it has made the step
                plan.keep()
                if plan.out[STATUS] == DONE and not plan.apart:
                    optimizer._count(runs, plan.leave())
                raise
            if plan.written:
                plan.keep()
            value: float = plan.out.item(LOSS)
            if status == DONE:
                optimizer._count(runs, plan.leave())
                for told in thread.stepped:
                    told(optimizer)
                return value
            plan.arrive()
            if status != SKIPPED:
                raise self._error(status, X, y, value)
            optimizer.skipped += 1
            optimizer._last = []
            return value
        finally:
            self._lock.release()

    def _error(self, status: int, X: Array, y: Array, loss: float = 0.0) -> Exception:
        """What the same step raises that is not compiled."""
        self.optimizer._last = []
        if status == NO_LOSS:
            self.optimizer.zero_grad()
            return NoLoss(f"loss became {loss}")
        if status == NOT_FINITE:
            for run in self.optimizer._runs():
                if run.not_finite():
                    return ValueError(self.optimizer._not_finite_where(run))
        self.optimizer.zero_grad()
        with no_grad():
            self.loss(self.model(X), y)  # says what is wrong with y
        return ValueError("the batch holds a number that the step cannot use as an index")

    def _taken(self, X: Any, y: Any) -> tuple[Array, Array, Plan]:
        """X and y as machine code takes them, and the plan for so many samples."""
        X, y = self._checked(X, y)
        plan = self._plans.get(len(X)) or self._plan_for(X, y)
        (x_dtype, _), (y_dtype, _) = self.kinds.values()
        self._last = x_dtype, X.shape, y_dtype, y.shape, plan
        return X, y, plan

    def _checked(self, X: Any, y: Any) -> tuple[Array, Array]:
        """X and y as machine code takes them, or what is wrong with them."""
        taken = []
        for name, given in (("X", X), ("y", y)):
            (dtype, shape), values = self.kinds[name], np.asarray(unwrap(given))
            if values.shape[1:] != shape or not values.ndim:
                wanted = f"({', '.join(['N', *map(str, shape)])}{',' * (not shape)})"
                raise ValueError(f"{name} has shape {values.shape}, the step was compiled for {wanted}")
            whole = values.dtype.kind in "iub"
            if values.dtype != dtype and not (whole or (name == "y" and values.dtype.kind == dtype.kind == "f")):
                fix = f"say {name}.astype(np.{dtype})"
                raise TypeError(f"{name} is {values.dtype}, the step was compiled for {dtype}; {fix}")
            taken.append(np.ascontiguousarray(values, dtype))
            if dtype.kind in "iub" and values.dtype != dtype and not np.array_equal(taken[-1], values):
                raise self._error(REFUSED, taken[0], values)
        X, y = taken
        if not len(X):
            raise ValueError(f"an empty batch: X has shape {X.shape}")
        if len(X) != len(y):
            raise ValueError(f"X and y need one row for each sample, got shapes {X.shape} and {y.shape}")
        return X, y

    # --- an epoch -----------------------------------------------------------------------------------------------------

    def epoch(self, X: Any, y: Any, order: Array, size: int) -> tuple[float, int | None, int]:
        """All batches of an epoch in one call: so many rows of X and y each, in this order.

        Returns
        -------
        (total, right, seen) : the losses times the sizes of their batches, how many samples the model had right (None
            if y holds no labels), and how many there were; all without batches that were skipped

        Raises
        ------
        NoLoss : the loss is not finite and the optimizer's nonfinite is "raise"
        ValueError : the same of a gradient
        """
        with self._lock:
            X, y = self._checked(X, y)
            if len(order) and (order.min() < 0 or order.max() >= len(X)):
                raise IndexError(f"order names rows from {order.min()} to {order.max()}, there are {len(X)}")
            ends = {size, len(order) % size or size}
            plans = [self._plans.get(n) or self._plan_for(X[order[:n]], y[order[:n]]) for n in ends]
            if any(other is not plans[0] for other in plans) or plans[0].apart or thread.stepped:
                return self._one_by_one(plans, X, y, order, size)
            return self._at_once(plans[0], X, y, order, size)

    def _at_once(self, plan: Plan, X: Array, y: Array, order: Array, size: int) -> tuple[float, int | None, int]:
        """All batches in machine code."""
        optimizer = self.optimizer
        try:
            runs = plan.begin()
            table = np.empty((-(-len(order) // size), len(runs) * plan.numbers.shape[1]))
            for k, row in enumerate(table):
                optimizer._prepare(runs, k)
                row[:] = [number for run in runs for number in (run.l2, *run.numbers)]
        except Exception:  # as above
            optimizer.zero_grad()
            raise
        batch = {"batch_X": np.empty((size, *X.shape[1:]), X.dtype), "batch_y": np.empty((size, *y.shape[1:]), y.dtype)}
        plan.obey(optimizer.nonfinite)
        plan.put(batch=size, count=1, **batch)
        plan.out[:] = 0
        try:
            status = plan.epoch(X, y, order.astype(np.int64), table, plan.at, *plan.generators)
        finally:  # an interrupt that waited is raised before the next line
            plan.put(count=0)
            out = plan.out.tolist()
            applied, left_out = int(out[APPLIED]), int(out[LEFT_OUT])
            plan.keep()
            if applied:
                optimizer._count(runs, plan.leave(), applied)
            if out[STATUS] != DONE:
                plan.arrive()
                optimizer._last = []
            optimizer.skipped += left_out
        if status != DONE:
            rows = order[(applied + left_out) * size :][:size]
            raise self._error(status, X[rows], y[rows], out[LOSS])
        return out[TOTAL], int(out[RIGHT_TOTAL]) if self.labelled else None, int(out[SEEN])

    def _one_by_one(
        self, plans: list[Plan], X: Array, y: Array, order: Array, size: int
    ) -> tuple[float, int | None, int]:
        """The same, a call for each batch: where threads share the update, or it is watched, or where the last batch is
        shorter and has another program."""
        total, right, seen = 0.0, 0, 0
        for plan in plans:
            plan.put(count=1)
        try:
            for first in range(0, len(order), size):
                rows = order[first : first + size]
                value = self(X[rows], y[rows])
                if np.isfinite(value) or self.optimizer.nonfinite == "propagate":
                    total += value * len(rows)
                    right += int(self._plans[len(rows)].out[RIGHT])
                    seen += len(rows)
        finally:
            for plan in plans:
                plan.put(count=0)
        return total, right if self.labelled else None, seen

    # --- making it ----------------------------------------------------------------------------------------------------

    def _plan_for(self, X: Array, y: Array) -> Plan:
        """The plan for batches of this size: the one that there is, if it is for any and the layers take this one."""
        known = [plan for plan in self._plans.values() if plan.any_size]
        source = self._source(X, y, known[0].program.gradients) if known else ""
        plan = next((plan for plan in known if plan.program.source == source), None)
        if plan is None:
            program, output = self._traced(X, y)
            condition = TARGETS.get(self.loss)
            plan = Plan(program, output, self.optimizer, X, y, self.kinds, condition, self.quiet)
            self.program, self.source, self.labelled = program, plan.text, plan.labelled
        self._plans[len(X)] = plan
        plan.make_room(len(X))
        return plan

    def _source(self, X: Array, y: Array, gradients: list[str]) -> str:
        """The text of the program for a batch."""
        with self._as_in_training() as (f, _):
            return _Trace.of(f, [as_input("X", X), as_input("y", y)], ["X", "y"]).program(gradients).source

    def _traced(self, X: Array, y: Array) -> tuple[Program, str]:
        """The program of the optimizer's gradients for a batch, and what the model's output is called in it."""
        inputs = [as_input("X", X), as_input("y", y)]
        with self._as_in_training() as (f, outputs):
            recorded = _Trace.of(f, inputs, ["X", "y"])
            recorded.program()
            params = [p for p in self.optimizer.params if p.requires_grad and id(p) in recorded.called]
            mine = [recorded.called[id(p)] for p in params]
            if not mine:
                raise RuntimeError("the loss does not depend on any parameter of this optimizer")
            try:
                return recorded.compare(f, inputs, mine), recorded.called[id(outputs[0])]
            except ValueError as error:
                raise CannotCompile(f"{error}; or train without compiled=True") from error

    @contextmanager
    def _as_in_training(self) -> Iterator[tuple[Callable[[Tensor, Tensor], Tensor], list[Tensor]]]:
        """The loss as a function of a batch, and what the model has returned in it. Layers are in the mode that they
        had when this step was made; generators are where they were, after it."""
        outputs: list[Tensor] = []

        def f(X: Tensor, y: Tensor) -> Tensor:
            outputs.append(self.model(X))
            return self.loss(outputs[-1], y)

        inside = [value for layer, _ in self._modes for value in vars(layer).values()]
        states = {id(g): (g, g.bit_generator.state) for g in inside if isinstance(g, np.random.Generator)}
        modes = [(layer, layer.training) for layer, _ in self._modes]
        self.model.named_parameters()  # their paths become their names
        try:
            for layer, mode in self._modes:
                layer.training = mode
            yield f, outputs
        finally:
            for layer, mode in modes:
                layer.training = mode
            for g, state in states.values():
                g.bit_generator.state = state
