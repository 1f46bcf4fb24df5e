"""A training step as one call of machine code: the program of the gradient, and then the optimizer's own kernel.

`program` writes the step down as NumPy, `loops` turns its lines into loops, `assembly` puts them and the kernel into a
module, and `machine` compiles that, or finds it on disk. Here it is called: as the optimizer would, with its counters,
schedules, groups and checks, so that compiled and eager steps can take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from struct import Struct
from typing import Any

import numba
import numpy as np
from numba import types

from . import kernels, losses, machine, native
from .assembly import (
    APPLIED,
    DONE,
    LEFT_OUT,
    LOSS,
    NO_LOSS,
    NOT_FINITE,
    OUT,
    PROPAGATE,
    RAISE,
    REFUSED,
    RIGHT,
    RIGHT_TOTAL,
    SEEN,
    SKIP,
    SKIPPED,
    TOTAL,
    Drawn,
    Parts,
    assemble,
    slots,
)
from .buffers import aligned
from .layers import Layer
from .loops import BATCHES, lower
from .loops import CannotCompile as CannotCompile
from .ops import Array
from .program import Program, _Trace, as_input
from .step import Optimizer
from .tensor import Tensor, no_grad, raw, tick, watchers
from .train import NoLoss

POLICIES = {"raise": RAISE, "skip": SKIP, "propagate": PROPAGATE}
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
        is not compiled, so the two can take turns. Numbers below the smallest normal one become 0

    A batch may have any number of samples. Learning rates, schedules, groups, `freeze`, ``nonfinite`` and the weights
    are read at each call. To make machine code takes a second or two; it is kept on disk (`machine.folder`).

    Raises
    ------
    CannotCompile : a line of the program that has no loops: einsum, stacks of matrices, masks that choose elements
    TypeError, ValueError : what `program.trace` refuses, and what the model and the loss refuse themselves
    RuntimeError : the loss does not depend on any parameter of the optimizer

    Examples
    --------
    >>> from tinygrad_edu import Adam, cross_entropy, data, mlp
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
        if getattr(kernels, rule, None) is not optimizer.kernel:
            raise CannotCompile(
                f"{rule or optimizer.kernel} is not a rule of this package; train without compiled=True"
            )
        self.model, self.loss, self.optimizer, self.quiet = model, loss, optimizer, quiet
        self.dtype = optimizer.buffer.data.dtype
        X, y = np.asarray(raw(X)), np.asarray(raw(y))
        x_dtype = self.dtype if X.dtype.kind in "iub" else X.dtype
        y_dtype = self.dtype if y.dtype.kind == "f" else y.dtype
        self.kinds = {"X": (x_dtype, X.shape[1:]), "y": (y_dtype, y.shape[1:])}
        self._modes = [(layer, layer.training) for _, layer in model.named_layers()]
        self._plans: dict[int, _Plan] = {}  # by the number of samples
        start = time.perf_counter()
        _, _, plan = self._taken(X, y)
        for part in (function, *["piece"] * plan.apart):
            getattr(plan, part)
        self.seconds = time.perf_counter() - start

    # --- a batch ------------------------------------------------------------------------------------------------------

    def __call__(self, X: Any, y: Any) -> float:
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
        if runs is None or runs is not optimizer._whole:
            runs = plan.begin()
        else:
            optimizer._prepare(runs)
        at = 0
        for run in runs:
            plan.pack(plan.numbers, at, run.l2, *run.numbers)
            at += plan.row
        if plan.nonfinite is not optimizer.nonfinite:
            plan.obey(optimizer.nonfinite)
        before = optimizer.buffer.data.copy() if watchers else None
        changed = plan.touch(tick())
        status = plan.step(X, y, plan.at, *plan.generators)
        if status == DONE and plan.apart:
            status = plan.update()
        value: float = plan.out.item(LOSS)
        if status == DONE:
            optimizer._count(runs, changed)
            for watcher in watchers:
                watcher.step(optimizer, before)
            return value
        plan.touch()
        if status != SKIPPED:
            raise self._error(status, X, y)
        optimizer.skipped += 1
        optimizer._last = []  # there is nothing to ask about
        return value

    def _error(self, status: int, X: Array, y: Array) -> Exception:
        """What the same step raises that is not compiled."""
        self.optimizer._last = []
        if status == NOT_FINITE:
            for run in self.optimizer._runs():
                if run.not_finite():
                    return ValueError(self.optimizer._not_finite_where(run))
        self.optimizer.zero_grad()
        with no_grad():
            self.loss(self.model(X), y)  # says what is wrong with y
        return ValueError("y holds a number that the step cannot use as an index")

    def _taken(self, X: Any, y: Any) -> tuple[Array, Array, _Plan]:
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
            (dtype, shape), values = self.kinds[name], np.asarray(raw(given))
            if values.shape[1:] != shape or not values.ndim:
                wanted = f"({', '.join(['N', *map(str, shape)])}{',' * (not shape)})"
                raise ValueError(f"{name} has shape {values.shape}, the step was compiled for {wanted}")
            whole = values.dtype.kind in "iub"
            if values.dtype != dtype and not (whole or (name == "y" and values.dtype.kind == dtype.kind == "f")):
                fix = f"say {name}.astype(np.{dtype})"
                raise TypeError(f"{name} is {values.dtype}, the step was compiled for {dtype}; {fix}")
            taken.append(np.ascontiguousarray(values, dtype))
            if dtype.kind in "iu" and values.dtype != dtype and not np.array_equal(taken[-1], values):
                raise self._error(REFUSED, taken[0], values)
        X, y = taken
        if len(X) != len(y) or not len(X):
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
        X, y = self._checked(X, y)
        ends = {size, len(order) % size or size}
        plans = [self._plans.get(n) or self._plan_for(X[order[:n]], y[order[:n]]) for n in ends]
        plan, optimizer = plans[0], self.optimizer
        if any(other is not plan for other in plans) or plan.apart or watchers:
            return self._one_by_one(X, y, order, size)
        runs = plan.begin()
        table = np.empty((-(-len(order) // size), len(runs) * plan.numbers.shape[1]))
        for k, row in enumerate(table):
            optimizer._prepare(runs, k)
            row[:] = [number for run in runs for number in (run.l2, *run.numbers)]
        batch = {"batch_X": np.empty((size, *X.shape[1:]), X.dtype), "batch_y": np.empty((size, *y.shape[1:]), y.dtype)}
        plan.obey(optimizer.nonfinite)
        plan.put(batch=size, count=1, **batch)
        status = plan.epoch(X, y, order.astype(np.int64), table, plan.at, *plan.generators)
        plan.put(count=0)
        out = plan.out.tolist()
        changed = plan.touch(tick() if out[APPLIED] else 0)
        if changed:
            optimizer._count(runs, changed, int(out[APPLIED]))
        if out[LEFT_OUT]:
            optimizer.skipped += int(out[LEFT_OUT])
            optimizer._last = []
        if status == NO_LOSS:
            optimizer.zero_grad()
            raise NoLoss(f"loss became {out[LOSS]}")
        if status != DONE:
            raise self._error(status, X, y)
        return out[TOTAL], int(out[RIGHT_TOTAL]) if self.labelled else None, int(out[SEEN])

    def _one_by_one(self, X: Array, y: Array, order: Array, size: int) -> tuple[float, int | None, int]:
        """The same, a call for each batch: where the update is large enough for threads, or is watched, or where the
        last batch is shorter and has another program."""
        total, right, seen = 0.0, 0, 0
        for plan in self._plans.values():
            plan.put(count=1)
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

    def _plan_for(self, X: Array, y: Array) -> _Plan:
        """The plan for batches of this size: the one that there is, if it is for any and the layers take this one."""
        known = next((plan for plan in self._plans.values() if plan.any_size), None)
        if known is not None:
            recorded, _, _ = self._recorded(X, y)
            if recorded.program(known.program.gradients).source != known.program.source:
                known = None
        plan = self._plans[len(X)] = known or _Plan(self, X, y)
        plan.make_room(len(X))
        return plan

    def _recorded(self, X: Array, y: Array, check: bool = False) -> tuple[_Trace, Program | None, Tensor]:
        """The graph of a batch, its program if that shall be checked, and what the model returned.

        Layers are in the mode that they had when this step was made, and generators are where they were, after it.
        """
        outputs: list[Tensor] = []

        def f(X: Tensor, y: Tensor) -> Tensor:
            outputs.append(self.model(X))
            return self.loss(outputs[-1], y)

        inside = [value for layer, _ in self._modes for value in vars(layer).values()]
        states = {id(g): (g, g.bit_generator.state) for g in inside if isinstance(g, np.random.Generator)}
        modes = [(layer, layer.training) for layer, _ in self._modes]
        self.model.named_parameters()  # their paths become their names
        inputs, program = [as_input("X", X), as_input("y", y)], None
        try:
            for layer, mode in self._modes:
                layer.training = mode
            recorded = _Trace.of(f, inputs, ["X", "y"])
            if check:
                recorded.program()
                mine = [recorded.called[id(p)] for p in self.optimizer.params if id(p) in recorded.called]
                if not mine:
                    raise RuntimeError("the loss does not depend on any parameter of this optimizer")
                program = recorded.compare(f, inputs, mine)
        finally:
            for layer, mode in modes:
                layer.training = mode
            for g, state in states.values():
                g.bit_generator.state = state
        return recorded, program, outputs[0]

    def traced(self, X: Array, y: Array) -> tuple[Program, str]:
        """The program of the optimizer's gradients for a batch, and what the model's output is called in it."""
        recorded, program, output = self._recorded(X, y, check=True)
        assert program is not None
        return program, recorded.called[id(output)]


class _Plan:
    """The machine code for a batch, and the table that says where it finds everything.

    any_size is whether it is for batches of every size; apart, whether threads share the update.
    """

    def __init__(self, owner: CompiledStep, X: Array, y: Array) -> None:
        self.owner, optimizer, buffer = owner, owner.optimizer, owner.optimizer.buffer
        program, output = owner.traced(X, y)
        given = program._given
        trained = {name: i for name in program.gradients for i, p in enumerate(optimizer.params) if p is given[name]}
        drawn = {name: t for name, t in given.items() if "rng" in getattr(t, "kwargs", ())}
        rest = {name: value for name, value in given.items() if name not in {*trained, *drawn, "X", "y"}}
        kept = {name: np.ascontiguousarray(raw(value)) for name, value in rest.items()}

        def batch(n: int) -> dict[str, Array]:
            rows = np.arange(n) % len(X)
            masks = {
                name: np.ones((n if len(t) == len(X) else len(t), *t.shape[1:]), t.dtype) for name, t in drawn.items()
            }
            return {**program.inputs, "X": X[rows], "y": y[rows], **masks}

        fixed = {*program._results.values(), *program.inputs} - {*drawn}
        self.any_size = program.any_size
        sizes = BATCHES if self.any_size else (len(X),)
        try:
            lowered = lower(program, [batch(n) for n in sizes], fixed, sizes, not native.PLAIN)
        except CannotCompile:
            if not self.any_size:
                raise
            self.any_size = False
            lowered = lower(program, [batch(len(X))], fixed, [len(X)], not native.PLAIN)
        for name, bound in lowered.checks:
            if name in kept and not (bound.isdigit() and np.all((kept[name] >= 0) & (kept[name] < int(bound)))):
                raise CannotCompile(f"{name} is an index that does not fit every batch; train without compiled=True")
            if name in kept:
                kept[name] = kept[name].copy()  # looked at now, and the same for ever

        generators = {id(t.kwargs["rng"]): t.kwargs["rng"] for t in drawn.values()}
        self.generators = list(generators.values())
        numbered = {key: i for i, key in enumerate(generators)}
        parts = Parts(
            lowered,
            program.loss,
            output,
            {name: (buffer.spans[i][0], program._results[name]) for name, i in trained.items()},
            {name: array.dtype for name, array in kept.items()},
            {name: Drawn(numbered[id(t.kwargs["rng"])], t.kwargs["p"]) for name, t in drawn.items()},
            owner.kinds,
            TARGETS.get(owner.loss),
        )
        averages = list(optimizer._averages.values())
        self.text = assemble(parts, optimizer.kernel, len(averages), buffer.data.size, owner.dtype)
        self.program = owner.program = program
        owner.source, owner.labelled = self.text, parts.labelled

        self.homes = [optimizer._homes[i] for i in trained.values()]
        self.changing, self.resting = self.homes, self.homes[:0]  # those that a step updates, and the frozen ones
        self.without = [p for i, p in enumerate(optimizer.params) if i not in trained.values()]
        self.others = [(t, t._data) for t in rest.values() if isinstance(t, Tensor)]
        self.runs: list[Any] | None = None
        size = sum(a.nbytes for a in (buffer.data, buffer.grad, *averages))
        # of two cores BLAS's second thread holds one, as it waits awake for the next product
        self.apart = size >= kernels.WORTH_A_THREAD and kernels.CORES > 2
        rule = getattr(optimizer.kernel, "py_func", optimizer.kernel).__code__
        width = 1 + rule.co_argcount - 2 - len(averages)
        self.row, self.pack = 8 * width, Struct(f"{width}d").pack_into
        self.numbers: Any = np.zeros((len(optimizer.params), width))
        self.out = np.zeros(OUT)
        self.spans = np.zeros((len(optimizer.params), 2), np.int64)
        self.room, self._work = -1, lowered.size
        self.slots = slots(len(averages), kept)
        self.at, self.nonfinite = np.zeros(len(self.slots), np.int64), ""
        self.kept: dict[str, Array] = {}
        self.put(data=buffer.data, grad=buffer.grad, out=self.out, numbers=self.numbers, spans=self.spans)
        self.put(l2=optimizer._regularised, apart=self.apart)
        self.put(**{f"state{i}": a for i, a in enumerate(averages)}, **{f"kept {name}": a for name, a in kept.items()})
        arrays = [types.Array(numba.from_dtype(a.dtype), a.ndim, "C") for a in (X, y, self.at)]
        typeof: Any = numba.typeof
        self.types = arrays[:2], [arrays[2], *map(typeof, self.generators)]

    def put(self, **given: Any) -> None:
        """Write arrays' addresses, or whole numbers, into the table."""
        for name, value in given.items():
            self.kept[name] = value  # as long as its address is in use
            self.at[self.slots[name]] = value.ctypes.data if isinstance(value, np.ndarray) else value

    def obey(self, nonfinite: str) -> None:
        """What the optimizer does with gradients that are not finite."""
        self.nonfinite = nonfinite
        self.put(policy=POLICIES[nonfinite])

    def make_room(self, n: int) -> None:
        """Have a workspace for batches of n."""
        if n > self.room:
            self.room = n
            padded = -(-n // 16) * 16
            self.put(work=aligned(self._work.a * padded + self._work.b + 1, self.owner.dtype))

    def begin(self) -> list[Any]:
        """Have the optimizer look at which parameters have a gradient, and number the next update."""
        optimizer = self.owner.optimizer
        self.touch()
        for p in self.without:
            p._grad = None
        runs = self.runs = optimizer._ready()
        for i, run in enumerate(runs):
            self.spans[i] = optimizer.buffer.spans[run.first][0], optimizer.buffer.spans[run.last - 1][1]
        self.put(runs=len(runs))
        changing = {id(p) for run in runs for p in run.params}
        self.changing = [home for home in self.homes if id(home[0]) in changing]
        self.resting = [home for home in self.homes if id(home[0]) not in changing]
        return runs

    def touch(self, changed: int = 0) -> int:
        """The parameters have the gradients of this step, which changed them at that tick, if it is not 0; or a
        RuntimeError, if something lies elsewhere by now."""
        for p, data, home in self.changing:
            if p._data is not data or not p._requires_grad:
                raise _moved(p)
            p._grad, p._spent, p._lent = home, changed, None
            p.stamp = changed or p.stamp
        for p, data, home in self.resting:
            if p._data is not data or not p._requires_grad:
                raise _moved(p)
            p._grad, p._spent = home, 0
        for t, array in self.others:
            if t._data is not array:
                raise _moved(t)
        return changed

    @cached_property
    def step(self) -> Any:
        """The machine code for one batch."""
        batch, rest = self.types
        return self._load("step", [*batch, *rest])

    def update(self) -> int:
        """The optimizer's kernel, in threads: the status of the step."""
        piece = self.piece
        if kernels.in_threads(lambda k, n: piece(self.at, True, k, n)):
            return SKIPPED if self.nonfinite == "skip" else NOT_FINITE
        kernels.in_threads(lambda k, n: piece(self.at, False, k, n))
        return DONE

    @cached_property
    def piece(self) -> Any:
        """The machine code for one thread's part in the update."""
        return self._load("piece", [self.types[1][0], types.boolean, types.int64, types.int64])

    @cached_property
    def epoch(self) -> Any:
        """The machine code for all batches of an epoch."""
        batch, rest = self.types
        order, table = (types.Array(dtype, n, "C") for n, dtype in ((1, types.int64), (2, types.float64)))
        return self._load("epoch", [*batch, order, table, *rest])

    def _load(self, name: str, types: list[Any]) -> Any:
        code, self.owner.cached = machine.load(self.text, name, types, self.owner.quiet)
        return code


def _moved(t: Tensor) -> Exception:
    return RuntimeError(
        f"{t.label()} was moved to another buffer since the step was compiled, or requires no gradient any more; "
        "compile the step again"
    )
