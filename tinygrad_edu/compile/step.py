"""A training step as one call of machine code: the program of the gradient, and then the optimizer's own kernel.

`tracing` writes the step down as a program, `lower` turns its lines into loops, `module_text` puts them and the
kernel into a module, `cache` compiles that, or finds it on disk, and `plan` calls it. Here a batch is checked, and a
step that was refused becomes the error that the same step raises without compiling.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ..core import losses
from ..core.layers import Layer
from ..core.losses import NoLoss
from ..core.ops import Array
from ..core.optimizer import Optimizer, Update
from ..core.tensor import Tensor, next_stamp, no_grad, thread, unusual, unwrap
from ..extras import gate
from ..guards.frames import warn
from ..guards.lost import LOST, fresh, lost, recorded
from ..guards.samples import numbers
from ..program.program import Program
from .module_text import APPLIED, LEFT_OUT, LOSS, RIGHT, RIGHT_TOTAL, SEEN, STATUS, TOTAL, YES_OR_NO
from .plan import Plan
from .rules import refuse_own_rules
from .table import DONE, NO_LOSS, NOT_FINITE, OTHER, REFUSED
from .tracing import StepTracer, set_modes
from .watch import Watch

TARGETS = {  # a loss's condition on each target, before anything is computed
    losses.binary_cross_entropy_with_logits: YES_OR_NO,
    losses.hinge_loss: "abs({0}) == 1",
}


def compile_step(
    model: Layer, loss: Callable[..., Tensor], optimizer: Optimizer, X: Any, y: Any, quiet: bool = False
) -> CompiledStep:
    """Compile zero_grad, forward, backward and the optimizer's step into one function of a batch.

    Parameters
    ----------
    model : as it is in training. The mode of each layer, training or evaluation, is fixed now
    loss : called with the model's output and y. The conditions that one of `losses` has on targets are checked in each
        batch; those of a loss of yours, in this batch alone
    optimizer : any of this package, over the model's parameters
    X, y : a batch. It fixes the dtypes and shapes that the step takes; no update is made with it
    quiet : do not say on standard error that something is compiled

    Returns
    -------
    step : ``step(X, y)`` returns the loss, a float. It leaves model, gradients and optimizer as the same step does that
        is not compiled, so the two can take turns. Numbers below the smallest normal one become 0; parameters that are
        not this optimizer's get no gradient

    A batch may have any number of samples. Learning rates, schedules, groups, `freeze`, ``nonfinite`` and the weights
    are read at each call. Other arrays that the loss or the model uses are followed if they are changed in place,
    except for indices. What NumPy computes from labels alone, as ``np.eye(C)[y] * 0.9``, becomes a table of all labels.
    Python numbers that forward() or the loss read (a temperature, a slope, dropout's p, a weight in
    the loss) are a part of the program, and layers, Tensors and generators are bound to it: if one is another at the
    next call, the step is compiled again. So annealing costs a compilation for each new number; keep such a number in
    an array, and change it in place, to have it read at each call. Watched are the attributes of layers and of objects
    in them, lists, dicts, closures and globals.
    `debug` sees no ops here, as there are none; take eager steps within it. Machine code takes a second or a few to
    make, and is kept on disk (`cache.folder`).

    Raises
    ------
    CannotCompile : a line of the program has no loops, as with masks that choose elements; Python computed numbers out
        of the batch; the optimizer has a rule or a step() of its own
    TypeError, ValueError : as `program.trace`, the model and the loss raise them
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
    """A compiled training step, made by `compile_step`.

    Attributes
    ----------
    program : the `Program` of the gradients; its inputs beside the batch are the arrays that the step uses, not copies
    source : the text that is compiled
    cached : whether the machine code was found on disk
    seconds : the time that it took to get the machine code ready
    labelled : whether y holds class numbers, or answers of yes and no, so that right ones can be counted
    """

    program: Program
    source: str
    labelled: bool
    _plan: Plan  # of the batch before
    _last: Any  # its dtypes and shapes
    _code: Any = None  # machine code that takes the next step on its own,
    _stamp = -1  # if the engine's clock shows this plus 1
    _busy = False  # whether a thread does that now

    def __init__(
        self,
        model: Layer,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        X: Any,
        y: Any,
        quiet: bool = False,
        function: str = "step",  # or "epoch": which of the two is compiled now
        between: Callable[[], None] | None = None,  # called between the gradients and the update
        counts: bool = False,  # whether each step counts the right answers
    ) -> None:
        if not isinstance(model, Layer) or not callable(loss) or not isinstance(optimizer, Optimizer):
            raise TypeError("compile_step takes a Layer, a function such as tg.cross_entropy, and an optimizer")
        refuse_own_rules(optimizer)
        self.model, self.loss, self.optimizer, self.quiet = model, loss, optimizer, quiet
        self.between, self.counts = between, counts
        X, y, dtype = numbers("X", X), numbers("y", y), optimizer.buffer.data.dtype
        x_dtype = dtype if X.dtype.kind in "iub" else np.dtype(X.dtype.type)
        y_dtype = dtype if y.dtype.kind == "f" else np.dtype(y.dtype.type)
        self.kinds = {"X": (x_dtype, X.shape[1:]), "y": (y_dtype, y.shape[1:])}
        self._lock = threading.RLock()  # machine code runs without Python's own
        self._updates = list[Update]()
        self._begin()
        start = time.perf_counter()
        try:
            _, _, plan = self._taken(X, y)
        except IndexError:
            if X.dtype.kind not in "iu":
                raise
            self.kinds["X"] = (np.dtype(X.dtype.type), X.shape[1:])  # X is an index, as an embedding takes one
            _, _, plan = self._taken(X, y)
        for part in ("step", "piece") if plan.apart else (function,):  # an epoch is then a call for each batch
            getattr(plan, part)  # compiles it
        self.cached, self.seconds = plan.cached, time.perf_counter() - start

    def _begin(self, modes: list[bool] | None = None) -> None:
        """Have the step traced from now on as model and loss are now, in the layers' modes of now or in these."""
        self._tracer = StepTracer(self.model, self.loss, self.optimizer, modes)
        self._plans: dict[int, Plan] = {}  # by the number of samples
        given = set(map(id, self.optimizer.params))
        self._missing = [name for name, p in self.model.named_parameters().items() if id(p) not in given]

    def _again(self) -> None:
        """Forget all plans: a number, a layer or a Tensor that they were made with is another now."""
        before = self._missing
        self._begin(self._tracer.modes(self.model))
        self._last = None, (), None, ()  # no batch is as the one before
        if new := [name for name in self._missing if name not in before]:
            warn(
                f"{', '.join(new)}: the model has other parameters than when the step was compiled, and the optimizer "
                "does not have them, so no step changes them; build the optimizer from the model again, then compile"
            )

    def changed(self) -> bool:
        """Return whether something is another now, so that the next call compiles anew or refuses."""
        return self._watch.changed() or any(plan.moved() for plan in self._plans.values())

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy takes along. The step is traced and compiled again, or loaded from disk."""
        inputs, modes = self.program.inputs, self._tracer.modes(self.model)
        kept = {name: getattr(self, name) for name in ("model", "loss", "optimizer", "quiet")}
        return kept | {"X": inputs["X"], "y": inputs["y"], "modes": modes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        model, modes = state["model"], state.pop("modes")
        now = [layer.training for _, layer in model.named_layers()]
        set_modes(model, modes)
        try:
            self.__init__(**state)  # type: ignore[misc]
        finally:
            set_modes(model, now)

    def __repr__(self) -> str:
        return f"CompiledStep({self.program!r}, {self.optimizer!r})"

    # --- a batch ------------------------------------------------------------------------------------------------------

    def __call__(self, X: Any, y: Any) -> float:
        """Take a step with a batch, and return the loss.

        As long as nothing else happens, machine code does all of it: it looks at the batch, and has the numbers of the
        next updates. What changes anything, as a new learning rate does, moves the engine's clock on, `next_stamp`.
        """
        code = self._code
        same = code is not None and (self._now == self._then or not self._watch.changed())
        stamp = next_stamp()
        if same and stamp - self._stamp == 1 and self._updates is self.optimizer.cached_updates and not unusual:
            self._busy = True  # no other thread comes in between, as nothing was called since the look at the stamp
            try:
                value: float = code(X, y)
                if value == value:
                    self._stamp = stamp
                    self.optimizer.t += 1
                    for update in self._updates:
                        update.t += 1
                    return value
                if (status := int(self._plan.out[STATUS])) != OTHER:
                    return self._result(self._plan.conclude(status), X, y)
            except BaseException:  # an interrupt, which is raised when machine code returns
                self._plan.catch_up()
                raise
            finally:
                self._busy = False
        with self._lock:
            return self._looked_at(X, y, stamp)

    def _looked_at(self, X: Any, y: Any, stamp: int) -> float:
        """Take a step after a look at everything. stamp : what the engine's clock shows."""
        going_on = stamp - self._stamp == 1 and self._updates is self.optimizer.cached_updates and not unusual
        self._hold()
        x_dtype, x_shape, y_dtype, y_shape = self._last
        if not (  # as the batch before: the `gate`, without a call
            X.__class__ is ndarray
            and y.__class__ is ndarray
            and X.shape == x_shape
            and y.shape == y_shape
            and X.dtype is x_dtype
            and y.dtype is y_dtype
            and X.flags.carray
            and y.flags.carray
            and not self._watch.changed()
        ):
            self.optimizer.zero_grad()  # a batch that is refused leaves no gradient
            if self._watch.changed():
                self._again()
            X, y, _ = self._taken(X, y)
            going_on = False
        return self._result(self._plan.run(X, y, going_on), X, y)

    def _hold(self) -> None:
        """Wait for the thread that takes a step without the lock, and have no other begin."""
        while self._busy:
            time.sleep(1e-5)
        self._stamp = -1

    def _result(self, status: int, X: Array, y: Array) -> float:
        """Return the loss, or raise the error of a step that was refused."""
        plan, value = self._plan, float(self._plan.out[LOSS])
        if status >= REFUSED:
            raise self._error(status, X, y, value)
        self._updates, self._code = plan.updates, plan.step if plan.steady else None
        self._stamp = plan.updates[0].stamp
        return value

    def _taken(self, X: Any, y: Any) -> tuple[Array, Array, Plan]:
        """Return X and y as machine code takes them, and the plan for so many samples."""
        X, y = self._checked(X, y)
        plan = self._plan_for(X, y)
        (x_dtype, _), (y_dtype, _) = self.kinds.values()
        self._last, self._plan = (x_dtype, X.shape, y_dtype, y.shape), plan
        plan.expect(X, y)
        return X, y, plan

    def _checked(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return X and y as machine code takes them, or refuse them."""
        taken = []
        for name, given in (("X", X), ("y", y)):
            (dtype, shape), values = self.kinds[name], numbers(name, given)
            if values.shape[1:] != shape or not values.ndim:
                wanted = f"({', '.join(['N', *map(str, shape)])}{',' * (not shape)})"
                raise ValueError(f"{name} has shape {values.shape}, the step was compiled for {wanted}")
            whole = values.dtype.kind in "iub"
            if values.dtype != dtype and not (whole or (name == "y" and values.dtype.kind == dtype.kind == "f")):
                fix = f"say {name}.astype(np.{dtype})"
                raise TypeError(f"{name} is {values.dtype}, the step was compiled for {dtype}; {fix}")
            taken.append(gate.taken(values, dtype))
            if dtype.kind in "iub" and values.dtype != dtype and not np.array_equal(taken[-1], values):
                raise self._error(REFUSED, taken[0], values)
        X, y = taken
        if not len(X):
            raise ValueError(f"an empty batch: X has shape {X.shape}")
        if len(X) != len(y):
            raise ValueError(f"X and y need one row for each sample, got shapes {X.shape} and {y.shape}")
        return X, y

    def _plan_for(self, X: Array, y: Array) -> Plan:
        """Return the plan for batches of this size: a known one, if it is for any size and the layers take this one."""
        if len(X) in self._plans:
            return self._plans[len(X)]
        known = [plan for plan in self._plans.values() if plan.any_size]
        source = self._tracer.source(X, y, known[0].program.gradients) if known else ""
        plan = next((plan for plan in known if plan.program.source == source), None)
        if plan is None:
            program, output = self._tracer.program(X, y)
            condition = TARGETS.get(getattr(self.loss, "func", self.loss))  # func: of a partial
            plan = Plan(program, output, self.optimizer, X, y, self.kinds, condition, self.quiet, self.between)
            self.program, self.source, self.labelled = program, plan.text, plan.labelled
            plan.table.put(count=int(self.counts))
            self._warn_if_lost(program)
            self._watch = watch = Watch(self.model, self.loss)  # now, as forward() may have kept something
            self._now, self._then = (None if watch.read else watch.now), watch.then
        self._plans[len(X)] = plan
        plan.make_room(len(X))
        return plan

    def _warn_if_lost(self, program: Program) -> None:
        """Warn of parameters that the model does not find, as the first step that is not compiled does."""
        if self.optimizer.buffer in fresh:
            fresh.discard(self.optimizer.buffer)
            tensors = [t for t in program.leaves.values() if isinstance(t, Tensor)]
            leaves = [recorded(t) for t in tensors if t.requires_grad and t.grad_view is None]
            if names := lost(self.optimizer, leaves):
                warn(LOST.format(", ".join(names)))

    def _error(self, status: int, X: Array, y: Array, loss: float = 0.0) -> Exception:
        """Return the error that the same step raises without compiling."""
        if status == NOT_FINITE:
            for update in self.optimizer.updates():
                if update.not_finite():
                    return self.optimizer.refusal(update)
        self.optimizer.last = []
        self.optimizer.zero_grad()
        if status == OTHER:
            return RuntimeError("X or y became another array during the step: does a second thread change them?")
        if status == NO_LOSS:
            return NoLoss(f"loss became {loss}")
        with no_grad():
            self.loss(self.model(X), y)  # raises the error that names the wrong number of y
        return ValueError("the batch holds a number that the step cannot use as an index")

    def counted(self, X: Any, y: Any) -> tuple[float, int | None]:
        """Take a step that counts. Return its loss, and the number of right answers; None if there are none in y."""
        with self._lock:
            self._hold()  # or another thread's number would be read
            value = self(X, y)
            return value, int(self._plan.out[RIGHT]) if self.labelled else None

    # --- an epoch -----------------------------------------------------------------------------------------------------

    def epoch(self, X: Any, y: Any, order: Any, size: int) -> tuple[float, int | None, int]:
        """Take a step with each batch of an epoch, in one call: so many rows of X and y each, in this order.

        Parameters
        ----------
        X, y : all samples
        order : the numbers of the rows, one axis of whole numbers from 0 on
        size : the number of rows in a batch, at least 1; the last batch may be shorter

        Returns
        -------
        (total, right, seen) : the losses times the sizes of their batches; the number of right answers (None if there
            are none in y), which are the highest scores, or under `binary_cross_entropy_with_logits` logits above 0
            for a 1; the number of samples. Batches that were skipped do not count

        Raises
        ------
        NoLoss : the loss is not finite and the optimizer's nonfinite is "raise"
        ValueError : the same of a gradient; order names no rows, or size is below 1
        TypeError : order or size is not of whole numbers
        IndexError : order names a row that is not there
        """
        with self._lock:
            self._hold()
            X, y = self._checked(X, y)
            order, size = gate.rows(unwrap(order), len(X)), gate.batch_size(size)
            if self._watch.changed():
                self._again()
            sizes = {size, len(order) % size or size}
            plans = [self._plans.get(n) or self._plan_for(X[order[:n]], y[order[:n]]) for n in sizes]
            if any(other is not plans[0] for other in plans) or plans[0].apart or thread.stepped:
                return self._one_by_one(plans, X, y, order, size)
            status = plans[0].run_epoch(X, y, order, size)
            out = plans[0].out.tolist()
            if status != DONE:
                rows = order[int(out[APPLIED] + out[LEFT_OUT]) * size :][:size]
                raise self._error(status, X[rows], y[rows], out[LOSS])
            return out[TOTAL], int(out[RIGHT_TOTAL]) if self.labelled else None, int(out[SEEN])

    def _one_by_one(
        self, plans: list[Plan], X: Array, y: Array, order: Array, size: int
    ) -> tuple[float, int | None, int]:
        """Do the same with a call for each batch: where threads share the update, where steps are observed, or where
        the last batch is shorter and has another program."""
        total, right, seen = 0.0, 0, 0
        for plan in plans:
            plan.table.put(count=1)
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
                plan.table.put(count=0)
        return total, right if self.labelled else None, seen
