"""The machine code for batches of one size, or of every size, and what it needs to know of model and optimizer."""

from __future__ import annotations

from functools import cached_property
from struct import Struct
from typing import Any

import numba
import numpy as np
from numba import types

from ..core.buffers import aligned
from ..core.jit import numbers_of
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, moves, next_stamp, unwrap
from ..extras import threads
from ..program.program import Program
from . import cache as machine, numpy_c as native
from .lower import BATCHES, CannotCompile, lower
from .module_text import DONE, NOT_FINITE, OUT, PROPAGATE, RAISE, SKIP, SKIPPED, Drawn, Parts, assemble, slots

POLICIES = {"raise": RAISE, "skip": SKIP, "propagate": PROPAGATE}


class Plan:
    """The machine code for a batch, and the table that says where it finds everything.

    Attributes
    ----------
    program, text : of the gradients; and what was made of it
    labelled : whether y holds class numbers
    any_size : whether it is for batches of every size
    apart : whether threads share the update
    cached : whether the machine code that was asked for last was on disk
    """

    cached: bool

    def __init__(
        self,
        program: Program,
        output: str,
        optimizer: Optimizer,
        X: Array,
        y: Array,
        kinds: dict[str, tuple[Any, tuple[int, ...]]],
        condition: str | None,
        quiet: bool,
    ) -> None:
        """output is what the model's output is called in the program, for X and y. kinds, condition : see `Parts`."""
        self.program, self.optimizer, self.quiet = program, optimizer, quiet
        buffer, given = optimizer.buffer, program.leaves
        trained = {name: i for name in program.gradients for i, p in enumerate(optimizer.params) if p is given[name]}
        drawn = {name: t for name, t in given.items() if "rng" in getattr(t, "kwargs", ())}
        rest = {name: value for name, value in given.items() if name not in {*trained, *drawn, "X", "y"}}
        kept = {name: np.ascontiguousarray(unwrap(value)) for name, value in rest.items()}
        for name, value in rest.items():
            a = np.asarray(unwrap(value))
            if isinstance(a.base, np.ndarray) and a.base.size > a.size and not a.flags.c_contiguous:
                raise CannotCompile(f"{name} {a.shape} is a part that does not lie in one piece; take a copy() of it")

        def batch(n: int) -> dict[str, Array]:
            rows = np.arange(n) % len(X)
            masks = {
                name: np.ones((n if len(t) == len(X) else len(t), *t.shape[1:]), t.dtype) for name, t in drawn.items()
            }
            return {**program.inputs, "X": X[rows], "y": y[rows], **masks}

        fixed = {*program.results.values(), *program.inputs} - {*drawn}
        self.any_size = program.any_size
        sizes = BATCHES if self.any_size else (len(X),)
        try:
            lowered = lower(program, [batch(n) for n in sizes], fixed, sizes, not native.PLAIN)
            _look_at_indices(lowered.checks, kept)
        except CannotCompile:
            if not self.any_size:
                raise
            self.any_size = False
            lowered = lower(program, [batch(len(X))], fixed, [len(X)], not native.PLAIN)
            _look_at_indices(lowered.checks, kept)

        generators = {id(t.kwargs["rng"]): t.kwargs["rng"] for t in drawn.values()}
        self.generators = list(generators.values())
        numbered = {key: i for i, key in enumerate(generators)}
        parts = Parts(
            lowered,
            program.loss,
            output,
            {name: (buffer.spans[i][0], program.results[name]) for name, i in trained.items()},
            {name: array.dtype for name, array in kept.items()},
            {name: Drawn(numbered[id(t.kwargs["rng"])], t.kwargs["p"]) for name, t in drawn.items()},
            kinds,
            condition,
        )
        averages = list(optimizer.averages.values())
        self.text = assemble(parts, optimizer.kernel, len(averages), buffer.data.size, buffer.data.dtype)
        self.labelled = parts.labelled

        self.homes = [buffer.views[i] for i in trained.values()]
        self.moves = -1
        self.without = [p for i, p in enumerate(optimizer.params) if i not in trained.values()]
        self.others = [(t, t.array) for t in rest.values() if isinstance(t, Tensor)]
        self.written = [given[line.target.removesuffix("[...]")] for line in program.forward if "[" in line.target]
        self.runs: list[Any] | None = None
        size = sum(a.nbytes for a in (buffer.data, buffer.grad, *averages))
        # of two cores BLAS's second thread holds one, as it waits awake for the next product
        self.apart = size >= threads.WORTH_A_THREAD and threads.CORES > 2
        width = 1 + len(numbers_of(optimizer.kernel, 2 + len(averages)))
        self.row, self.pack = 8 * width, Struct(f"{width}d").pack_into
        self.numbers: Any = np.zeros((len(optimizer.params), width))
        self.out = np.zeros(OUT)
        self.spans = np.zeros((len(optimizer.params), 2), np.int64)
        self.room, self._work = -1, lowered.size
        self.slots = slots(len(averages), kept)
        self.at, self.nonfinite = np.zeros(len(self.slots), np.int64), ""
        self.kept: dict[str, Array] = {}
        self.put(data=buffer.data, grad=buffer.grad, out=self.out, numbers=self.numbers, spans=self.spans)
        self.put(l2=optimizer.regularised, apart=self.apart)
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
            self.put(work=aligned(self._work.a * padded + self._work.b + 1, self.optimizer.buffer.data.dtype))

    def begin(self) -> list[Any]:
        """Have the optimizer look at which parameters have a gradient, and number the next update."""
        optimizer = self.optimizer
        self.check()
        self.arrive()
        runs = self.runs = optimizer.updates()
        optimizer.begin(runs)
        optimizer.tell(runs)
        for i, run in enumerate(runs):
            self.spans[i] = optimizer.buffer.spans[run.first][0], optimizer.buffer.spans[run.last - 1][1]
        self.put(runs=len(runs))
        return runs

    def check(self) -> None:
        """Everything lies where it did when this was made; or a RuntimeError."""
        for p, data, _ in self.homes:
            if p.array is not data or not p._requires_grad:
                raise _moved(p)
        for t, array in self.others:
            if t.array is not array:
                raise _moved(t)
        native.wake_blas()
        self.moves = moves[0]  # until one of these changes there is nothing to look at

    def arrive(self) -> None:
        """The parameters have the gradients of this step; those that it does not use have none."""
        self.leave()
        stamp = next_stamp()
        for p, _, _ in self.homes:
            p.grad_from = p.grad_stamp = stamp

    def leave(self) -> None:
        """The same of gradients that the optimizer has used."""
        for p, _, home in self.homes:
            p.stored_grad = home
        for p in self.without:
            p.stored_grad = None

    def keep(self) -> None:
        """Layers have written their running means."""
        for t in self.written:
            t.stamp = next_stamp()
            if t.checksum is not None:
                t.checksum = t._checksum()

    @cached_property
    def step(self) -> Any:
        """The machine code for one batch."""
        batch, rest = self.types
        return self._load("step", [*batch, *rest])

    def update(self) -> int:
        """The optimizer's kernel, in threads: the status of the step."""
        piece = self.piece
        if threads.in_threads(lambda k, n: piece(self.at, True, k, n)):
            return SKIPPED if self.nonfinite == "skip" else NOT_FINITE
        threads.in_threads(lambda k, n: piece(self.at, False, k, n))
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
        code, self.cached = machine.load(self.text, name, types, self.quiet)
        return code


def _look_at_indices(checks: list[tuple[str, str]], kept: dict[str, Array]) -> None:
    """Those that are not a part of the batch are looked at now, and are the same for ever."""
    for name, bound in checks:
        if name in kept:
            if not (bound.isdigit() and np.all((kept[name] >= 0) & (kept[name] < int(bound)))):
                raise CannotCompile(f"{name} is an index that does not fit every batch; train without compiled=True")
            kept[name] = kept[name].copy()


def _moved(t: Tensor) -> Exception:
    return RuntimeError(
        f"{t.label()} was moved to another buffer since the step was compiled, or requires no gradient any more; "
        "compile the step again"
    )
