"""The machine code of one program, the memory that it works on, and its calls: one batch, or all batches of an epoch.

A call does what the optimizer's own step does around its kernel: parameters are where they were, gradients are set,
updates get their numbers and are counted. So compiled and eager steps can take turns.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property, partial
from math import prod
from struct import Struct
from typing import Any

import numpy as np

from ..core.buffers import aligned
from ..core.jit import numbers_of
from ..core.kernels import sgd
from ..core.ops import Array
from ..core.optimizer import Optimizer, Update
from ..core.tensor import Tensor, checksum, next_stamp, thread
from ..extras import gate, threads
from ..extras.one_thread import ALONE, SMALL, one_thread
from ..extras.whole_optimizers import Whole, is_apart
from ..program.program import Program
from . import cache
from .inputs import inputs_of, loops_of
from .module_text import APPLIED, LEFT_OUT, OUT, PROPAGATE, RAISE, SKIP, STATUS, Drawn, Kinds, Parts, assemble
from .numpy_c import asleep, in_pieces, interrupted_late, interruptible, wake_blas
from .products import LIMIT
from .rules import constant_rate, counts_alone
from .table import DONE, NOT_FINITE, SKIPPED, Table, slots
from .values import CannotCompile

POLICIES = {"raise": RAISE, "skip": SKIP, "propagate": PROPAGATE}
AHEAD = 1024  # for so many steps to come numbers are computed at once, after as many steps with nothing between


class Plan:
    """The machine code for a program, and the table that says where it finds everything.

    Attributes
    ----------
    program, text : of the gradients; and the module's text, which is compiled
    labelled : whether right answers are counted
    any_size : whether it is for batches of every size
    apart : whether the update is a call of its own: threads share it, ranks do, or something comes before it
    cached : whether the machine code that was asked for last was on disk
    out : the results of the latest call, see `module_text`
    updates : those that the table is for
    steady : whether machine code can take steps on its own: no number of those to come depends on what happens until
        then, and the update is all that they leave behind
    """

    cached: bool
    steady, _steps = False, 1
    _until: list[tuple[Any, int]]  # what counts updates, and its count when no numbers are left

    def __init__(
        self,
        program: Program,
        output: str,
        optimizer: Optimizer,
        X: Array,
        y: Array,
        kinds: Kinds,
        condition: str | None,
        quiet: bool,
        between: Callable[[], None] | None = None,
    ) -> None:
        """Make the text, and the table. output : the name of the model's output. kinds, condition : see `Parts`.
        between : called when the gradients are there, before the update."""
        self.program, self.optimizer, self.quiet, self._between = program, optimizer, quiet, between
        inputs = inputs_of(program, optimizer)
        lowered, self.any_size = loops_of(program, inputs, X, y, output)
        self._by_numpy = is_apart(optimizer)  # then the module's own update is never called, and has no averages
        buffer, averages = optimizer.buffer, [] if self._by_numpy else list(optimizer.averages.values())
        flat = [buffer.data, buffer.grad, optimizer.regularised, *averages]
        gate.kept(optimizer.kernel.__name__, flat, buffer.data.size, buffer.data.dtype)
        rngs = {id(t.kwargs["rng"]): t.kwargs["rng"] for t in inputs.drawn.values()}
        parts = Parts(
            lowered,
            program.loss,
            output,
            {name: (buffer.spans[i][0], program.results[name]) for name, i in inputs.trained.items()},
            {name: array.dtype for name, array in inputs.kept.items()},
            {name: Drawn([*rngs].index(id(t.kwargs["rng"])), t.kwargs["p"]) for name, t in inputs.drawn.items()},
            kinds,
            condition,
        )
        rule: tuple[Any, int] = (sgd, 0) if self._by_numpy else (optimizer.kernel, len(averages))
        self.text = assemble(parts, *rule, buffer.data.size, buffer.data.dtype)
        self.labelled = parts.labelled or parts.yes_or_no

        self._trained = [buffer.views[i] for i in inputs.trained.values()]
        program.inputs |= inputs.kept | {name: buffer.views[i][1] for name, i in inputs.trained.items()}  # no copies
        self._without = [p for i, p in enumerate(optimizer.params) if i not in inputs.trained.values()]
        self._others = [(t, t.array, t.requires_grad) for t in inputs.rest.values() if isinstance(t, Tensor)]
        written = [line.target.removesuffix("[...]") for line in program.forward if "[" in line.target]
        self._written = [inputs.rest[name] for name in written]
        self.updates, self._until = list[Update](), []

        size = sum(a.nbytes for a in (buffer.data, buffer.grad, *averages))
        self._shared = size >= threads.WORTH_A_THREAD and not isinstance(optimizer, Whole)
        self._ranks = optimizer.ranks
        self.apart = self._shared or self._ranks is not None or between is not None or self._by_numpy
        self._alone = counts_alone(type(optimizer)) and not (self._written or self.apart)
        self._room, self._work, self._policy = -1, lowered.size, ""
        self._products, self._switches, self._cuts = lowered.products, False, False
        self._kinds = {name: kinds[name] for name in parts.indices}
        self._lay(averages, inputs.kept, list(rngs.values()))

    def _lay(self, averages: list[Array], kept: dict[str, Array], rngs: list[np.random.Generator]) -> None:
        """Make the table, and the arrays that Python writes and reads beside it."""
        optimizer, buffer = self.optimizer, self.optimizer.buffer
        width = 1 + len(numbers_of(optimizer.kernel, 2 + len(optimizer.state)))
        self._width, self._pack = 8 * width, Struct(f"{width}d").pack_into
        numbers: Any = np.zeros((len(optimizer.params), width))
        row: Any = np.zeros_like(numbers)
        out: Any = np.zeros(OUT)
        self._numbers: list[Any] = [memoryview(each[1:]) for each in numbers]
        self._row, self._row_at = memoryview(row).cast("B"), row.ctypes.data
        self.out: Any = memoryview(out)  # quicker than the array for a single number
        self._spans = np.zeros((len(optimizer.params), 2), np.int64)
        self.table = Table(slots(len(averages), kept, len(rngs)))
        self.table.put(data=buffer.data, grad=buffer.grad, out=out, numbers=numbers, spans=self._spans)
        self.table.put(**{"l2": optimizer.regularised, "apart": self.apart, "class": id(np.ndarray)})
        self.table.put(**{f"state{i}": a for i, a in enumerate(averages)})
        self.table.put(**{f"kept {name}": a for name, a in kept.items()})
        self._drawn_by = rngs  # which live as long as their addresses are in use
        for i, (state, function) in enumerate(map(next_random, rngs)):
            self.table.put(**{f"rng{i}": state, f"random{i}": function})
        self._rows, self._left = (self.table.slots[name] for name in ("rows", "left"))

    def make_room(self, n: int) -> None:
        """Have a workspace for batches of n."""
        if n > self._room:
            self._room = n
            sizes = [(prod(length.a * n + length.b for length in each), each[1].a) for each in self._products]
            by_blas = [size for size, grows in sizes if in_pieces() and (grows or size > LIMIT)]
            self._switches, self._cuts = (max(by_blas, default=0) > least for least in (ALONE, SMALL))
            own = {f"own_{name}": np.empty((n, *shape), dtype) for name, (dtype, shape) in self._kinds.items()}
            work = aligned(self._work.a * (-(-n // 16) * 16) + self._work.b + 1, self.optimizer.buffer.data.dtype)
            self.table.put(**own, work=work)

    # --- a batch ------------------------------------------------------------------------------------------------------

    def expect(self, X: Array, y: Array) -> None:
        """Have machine code take batches as this one."""
        self._dtypes = X.dtype, y.dtype  # which live as long as their addresses are in use
        self.table.put(n=len(X), dtype_X=id(X.dtype), dtype_y=id(y.dtype))

    def run(self, X: Array, y: Array, going_on: bool) -> int:
        """Take a step with a batch. Return its status; what else there is to know is in ``out``.

        going_on : whether nothing has happened to model and optimizer since the step before
        """
        optimizer, updates = self.optimizer, self.updates
        try:
            if going_on:
                optimizer.begin(updates)
            else:
                updates = self._begin()
            self._number(updates, going_on)
        except Exception:  # a schedule, say; no gradient was computed, so none is left
            optimizer.zero_grad()
            raise
        if self._policy is not optimizer.nonfinite:
            self._obey(optimizer.nonfinite)
        code = self.step  # which is compiled now, if it is new
        self.out[STATUS] = -1.0
        try:
            if self._switches:
                self._switching(code, X, y)
            else:
                code(X, y)
            status = int(self.out[STATUS])
            if status == DONE and self.apart:
                status = self._update()
        except BaseException:  # an interrupt, which is raised when machine code returns: the step has been taken
            self._note_written()
            if self.out[STATUS] == DONE and not self.apart:
                optimizer.finish(updates)
            raise
        return self.conclude(status)

    def conclude(self, status: int) -> int:
        """Leave model and optimizer as the eager step of this status does. Return it."""
        optimizer = self.optimizer
        if self._written:
            self._note_written()
        if status == DONE:
            optimizer.finish(self.updates)
        else:
            self._renew()
            optimizer.last = []
            optimizer.skipped += status == SKIPPED
        return status

    def catch_up(self) -> None:
        """Count the step that machine code has taken if an interrupt came before it was counted, or in between."""
        counts = [(counted, until - self.table.view[self._left]) for counted, until in self._until]
        if self.steady and any(counted.t != t for counted, t in counts):
            for counted, t in counts:
                counted.t = t
            self.optimizer.finish(self.updates, 0)

    def _number(self, updates: list[Update], going_on: bool) -> None:
        """Write down the numbers of this step. Of a step that goes on, also those of steps to come: twice as many each
        time, so that nothing is lost where something else happens after a few."""
        self._steps = min(2 * self._steps, AHEAD) if going_on and self.steady else 1
        if self._steps > 1:
            rows = self._ahead(updates, self._steps)
            self.table.put(rows=rows)
            for update, numbers in zip(updates, self._numbers):
                update.numbers = numbers  # always those of the latest update, for `why`
        else:
            at = 0
            for update in updates:
                self._pack(self._row, at, update.l2, *update.numbers)
                at += self._width
            self.table.view[self._rows] = self._row_at
        self.table.view[self._left] = self._steps
        counting: list[Any] = [self.optimizer, *updates]
        self._until = [(counted, counted.t + self._steps) for counted in counting]

    def run_epoch(self, X: Array, y: Array, order: Array, size: int) -> int:
        """Take a step with each batch: so many rows at a time, in this order. Return the status of the last."""
        optimizer, size = self.optimizer, min(size, len(order))
        try:
            updates = self._begin()
            table = self._ahead(updates, -(-len(order) // size))
        except Exception:  # as above
            optimizer.zero_grad()
            raise
        self._obey(optimizer.nonfinite)
        batch_X, batch_y = (np.empty((size, *a.shape[1:]), a.dtype) for a in (X, y))
        self.table.put(batch=size, count=1, batch_X=batch_X, batch_y=batch_y)
        for k in range(OUT):
            self.out[k] = 0.0
        try:
            status: int = self._switching(
                self.epoch, *(a.ctypes.data for a in (X, y, order)), len(order), table.ctypes.data
            )
        finally:  # an interrupt that waited is raised before the next line
            self.table.put(count=0)
            applied, left_out = int(self.out[APPLIED]), int(self.out[LEFT_OUT])
            self._note_written()
            if applied:
                optimizer.finish(updates, applied)
            if self.out[STATUS] != DONE:
                self._renew()
                optimizer.last = []
            optimizer.skipped += left_out
        return status

    def _switching(self, code: Any, *given: Any) -> Any:
        """Call machine code whose products take one thread of BLAS each."""
        with one_thread if self._switches else nullcontext():
            return interrupted_late(code, *given) if self._cuts else code(*given)

    # --- around the call ----------------------------------------------------------------------------------------------

    def _begin(self) -> list[Update]:
        """Look whether everything is where it was, have every gradient where machine code writes it, and have the
        optimizer number its updates."""
        for t in self.moved():
            raise RuntimeError(
                f"{t.label()} was moved to another buffer since the step was compiled, or requires a gradient now and "
                "did not, or the other way round; compile the step again"
            )
        for p, _, g in self._trained:
            p.stored_grad = g
        for p in self._without:
            p.stored_grad = None
        if asleep:
            wake_blas()
        optimizer = self.optimizer
        updates = optimizer.updates()
        optimizer.begin(updates)
        if updates is not self.updates or thread.stepped:
            if self._ranks is not optimizer.ranks:
                raise CannotCompile("this step was compiled before distribute(optimizer, comm); compile it afterwards")
            self.updates = updates
            self._spans[: len(updates)] = [(update.span.start, update.span.stop) for update in updates]
            self.table.put(runs=len(updates))
            self._renew()
            for told in thread.step:
                told(optimizer)
        self.steady = self._alone and not (self._switches or any(callable(update.group["lr"]) for update in updates))
        return updates

    def moved(self) -> list[Tensor]:
        """Return the Tensors whose numbers are no longer where machine code looks for them, or that are trained now and
        were not, or the other way round."""
        trained = [p for p, data, _ in self._trained if p.array is not data or not p.retains_grad]  # it is a leaf
        return trained + [t for t, array, was in self._others if t.array is not array or t.requires_grad is not was]

    def _ahead(self, updates: list[Update], steps: int) -> Array:
        """Return a row for each of so many steps to come: what l2 and numbers of the updates will be."""
        optimizer, numbers = self.optimizer, list[float]()
        if type(optimizer).begin is Optimizer.begin and not any(callable(update.group["lr"]) for update in updates):
            table = np.hstack([constant_rate(optimizer, update, steps) for update in updates])
            optimizer.begin(updates, steps - 1)  # the last update has its numbers, which `why` reads
            return table
        for k in range(steps):
            optimizer.begin(updates, k)
            for update in updates:
                numbers += (update.l2, *update.numbers)
        return np.array(numbers, float).reshape(steps, -1)

    def _renew(self) -> None:
        """Note that no update was made with the gradients yet."""
        stamp = next_stamp()
        for p, _, _ in self._trained:
            p.grad_from = p.grad_stamp = stamp

    def _note_written(self) -> None:
        """Note that layers have changed their running means."""
        for t in self._written:
            t.stamp = next_stamp()
            if t.checksum is not None:
                t.checksum = checksum(t.array)

    def _obey(self, nonfinite: str) -> None:
        """Tell machine code the optimizer's answer to gradients that are not finite."""
        self._policy = nonfinite
        self.table.put(policy=POLICIES[nonfinite])

    def _update(self) -> int:
        """Run the optimizer's kernel, in threads if it is worth it; return the status of the step."""
        if self._ranks is not None:
            self._ranks.average()
        if self._between is not None:
            self._between()
        if self._by_numpy:  # a rule that is no machine code, or whose numbers come from the gradient
            self.optimizer.begin(self.updates)
            refused = self.updates[0].apply(self.optimizer, self.updates) is not None
        else:
            n = threads.pieces() if self._shared else 1
            looks, changes = ([(looking, k, n) for k in range(n)] for looking in (True, False))
            look = lambda *given: self.piece(*given)  # so that one who is late has the plan, and all arrays
            refused = threads.in_turn(look, looks, self.piece, changes)
        if not refused:
            return DONE
        return SKIPPED if self._policy == "skip" else NOT_FINITE

    # --- machine code -------------------------------------------------------------------------------------------------

    @cached_property
    def step(self) -> Any:
        """The machine code for one batch."""
        return self._load("step", [object, object])

    @cached_property
    def piece(self) -> Any:
        """The machine code for one thread's part in the update."""
        return self._load("piece", [int] * 3)

    @cached_property
    def epoch(self) -> Any:
        """The machine code for all batches of an epoch."""
        return self._load("epoch", [int] * 5)

    def _load(self, name: str, given: list[type]) -> Any:
        """Return a function of the module, for what is given at each call after the address of the table."""
        code, self.cached = cache.load(self.text, name, [int, *given], self.quiet)
        return partial(interruptible(code), self.table.at.ctypes.data)


def next_random(rng: np.random.Generator) -> tuple[int, int]:
    """Return the addresses of a generator's state, and of the function that draws a number from 0 to 1."""
    found = rng.bit_generator.ctypes
    return found.state_address, ctypes.cast(found.next_double, ctypes.c_void_p).value or 0
