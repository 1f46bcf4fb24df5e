"""An epoch of training, in Python or in machine code: what `fit` repeats.

`Task.begin` chooses between the two if it may. The choice depends on the call alone, and on nothing that differs from
one run of it to the next, as the same call gives the same bits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.kernels import sgd
from ..core.layers import Layer
from ..core.losses import NoLoss
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import EVENTS, Tensor, thread
from ..guards.loss_hints import about_fit
from ..guards.names import is_ours
from ..guards.samples import Data, caller, is_several, rows_of, taker
from ..program.trace import ValueRead
from .evaluation import cost_of, means
from .history import Evaluation
from .lean import Lean
from .scores import Loss, reader
from .weights import adds, counts_of, require_counts

if TYPE_CHECKING:
    from ..compile.step import CompiledStep

MANY = 5_000  # updates: machine code saves a tenth of a millisecond in each, and takes half a second to make
AT_ONCE = 5e8  # multiplications of parameters and samples in one call, a tenth of a second; then Ctrl-C is heard
LARGE = 2**20  # bytes of a batch
Train = Callable[[Array, int], Evaluation]  # of the rows in their order, and the size of a batch
Learned = tuple[float, int | None]  # from a batch: its loss, and the number of right answers
Step = Callable[[Array], Learned]  # with the rows of a batch


class Task:
    """The data, and the rules by which a model learns from them.

    Parameters
    ----------
    weights : one for each sample; None if all count the same
    classes : the weight of each class, if weights are made of nothing else
    counts : how much each sample counts in the loss of its batch (see `counts_of`), from the epoch's beginning
    accumulate : number of batches whose mean gradient makes one update
    clip : bounds for the gradients, by the name of the optimizer's method

    Attributes
    ----------
    is_compiled : whether epochs are machine code; None if that is to be chosen
    is_free : whether that was not asked for: then nothing is compiled a second time
    """

    def __init__(
        self,
        model: Layer,
        X: Data,
        y: Data,
        loss: Loss,
        optimizer: Optimizer,
        weights: Array | None = None,
        classes: Array | None = None,
        accumulate: int = 1,
        clip: dict[str, float] | None = None,
    ) -> None:
        self.model, self.X, self.y, self.loss, self.optimizer = model, X, y, loss, optimizer
        self.weights, self.classes, self.accumulate, self.bounds = weights, classes, accumulate, clip or {}
        self.is_compiled: bool | None = False
        self.is_free = False
        self.step: CompiledStep | None = None
        self.targets = partial(rows_of, y) if is_several(y) else y.__getitem__
        self.adds = adds(loss)
        self.read, self.counts = reader(loss, y), counts_of(loss, y, weights)
        require_counts("y", self.counts)
        if self.adds and optimizer.ranks is not None:
            raise ValueError('the ranks average their gradients, so the loss has to be a mean; omit reduction="sum"')

    # --- in Python ----------------------------------------------------------------------------------------------------

    def eager(self, interrupted: list[bool]) -> Train:
        """Return a function that takes a step with each batch, until interrupted is filled."""
        self.take, self.call = taker(self.model, self.X), caller(self.model, self.X)
        self.update = self._clip_and_step if self.bounds else self.optimizer.step
        return partial(self._eager, interrupted)

    def _eager(self, interrupted: list[bool], order: Array, size: int) -> Evaluation:
        """Train on the rows of order: ``size`` of them at a time, or a group of so many batches."""
        step = self._step if self.accumulate == 1 else self._in_parts(size)
        self.model.train()
        found = self._in_batches(step, interrupted, order, size * self.accumulate)
        self.model.eval()
        return found

    def _in_batches(self, step: Step, interrupted: list[bool], order: Array, size: int) -> Evaluation:
        """Take a step with each ``size`` rows of order that count, and return the means over all."""
        self.counts = counts_of(self.loss, self.y, self.weights)
        total, right, seen, asked, counted = 0.0, 0, 0.0, 0, None
        counts, policy, ranks = self.counts, self.optimizer.nonfinite, self.optimizer.ranks
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            count = len(rows) if counts is None else float(counts[rows].sum())
            if not count:  # nothing to learn
                if ranks is not None:
                    raise ValueError(
                        "each sample of a batch has the weight 0, or a label that is ignored, and the other ranks "
                        "would wait for its gradient; leave such samples out before rank_rows"
                    )
                continue
            if ranks is not None and counts is not None:
                ranks.weight = count
            value, counted = step(rows)
            if isfinite(value) or policy == "propagate":  # else the batch was skipped
                total, seen = total + value * (1 if self.adds else count), seen + count
                if counted is not None and self.read is not None:
                    right, asked = right + counted, asked + self.read.asked(self.y, rows)
            if interrupted:
                break
        return means(total, None if counted is None else right, seen, asked)

    def _step(self, rows: Array) -> Learned:
        """Take a step with one batch. Return its loss, and the number of right answers."""
        self.optimizer.zero_grad()
        result = self._learn(rows)
        self.update()
        return result

    def _in_parts(self, size: int) -> Step:
        """Return a function that takes a step with several batches: their gradients add up to that of all rows."""

        def step(rows: Array) -> Learned:
            self.optimizer.zero_grad()
            weigh = len if self.counts is None else lambda part: float(self.counts[part].sum())
            value, right, whole = 0.0, None, weigh(rows)
            for first in range(0, len(rows), size):
                part = rows[first : first + size]
                share = 1.0 if self.adds else weigh(part) / whole
                cost, counted = self._learn(part, share)
                value, right = value + share * cost, None if counted is None else (right or 0) + counted
            self.update()
            return value, right

        return step

    def _learn(self, rows: Array, share: float = 1.0) -> Learned:
        """Add the gradients of a batch, times its share. Return its loss, and the number of right answers.

        The graph goes when this returns, before the next one grows; that of a large batch before (`Lean`).
        """
        xb = self.take(rows)
        if getattr(xb, "nbytes", 0) < LARGE:
            return self._learn_from(xb, rows, share)
        with Lean():
            return self._learn_from(xb, rows, share)

    def _learn_from(self, xb: Any, rows: Array, share: float) -> Learned:
        yb = self.targets(rows)
        output = self.call(xb)
        right = None if self.read is None else self.read.right(output, yb)
        if not share:  # no weight: the loss would divide by 0
            return 0.0, right
        more = {} if self.weights is None else {"sample_weight": self.weights[rows]}
        cost = cost_of(self.loss, output, yb, self.y, **more)
        value: float = cost.array.item()
        if not isfinite(value) and self.optimizer.nonfinite == "raise":
            raise NoLoss(f"loss became {value}")
        cost.backward(None if share == 1 else np.full(cost.shape, share, cost.dtype))
        return value, right

    def clip(self) -> None:
        """Bring the gradients into the bounds; those of ranks are averaged first (see `distribute`)."""
        for name, most in self.bounds.items():
            getattr(self.optimizer, name)(most)

    def _clip_and_step(self) -> None:
        self.clip()
        self.optimizer.step()

    # --- in machine code ----------------------------------------------------------------------------------------------

    def begin(self, updates: int, batch_size: int | None, quiet: bool, interrupted: list[bool]) -> Train:
        """Return what `compiled` or `eager` does, by ``is_compiled``. Where that is None it becomes what pays for so
        many updates."""
        if self.is_compiled is None:
            return self._chosen(updates, batch_size, quiet, interrupted)
        return self.compiled(batch_size, quiet, interrupted) if self.is_compiled else self.eager(interrupted)

    def _chosen(self, updates: int, batch_size: int | None, quiet: bool, interrupted: list[bool]) -> Train:
        """Compile if so many updates are worth it and nothing speaks against it; say which and why, unless quiet."""
        train = None
        if updates >= MANY:
            why = objection(self)
            if not why:
                try:
                    train = self.compiled(batch_size, quiet, interrupted)
                except Exception as error:  # one of the call's the first batch will raise, in the same words as ever
                    why = str(error).partition("; or train")[0]
            if not quiet:
                print(f"compiled={not why}: {why or f'{updates:,} updates are ahead'}", file=sys.stderr)
        self.is_compiled = train is not None
        return train or self.eager(interrupted)

    def goes_on(self) -> bool | None:
        """Return ``is_compiled``, which is no longer true if that was not asked for and the code would be made anew: a
        callback, say, has changed a number that is a part of it."""
        if self.is_free and self.step is not None and self.step.changed():
            self.is_compiled = False
        return self.is_compiled

    def compiled(self, batch_size: int | None, quiet: bool, interrupted: list[bool]) -> Train:
        """Return a function that does what that of `eager` does, in machine code.

        It is one call for each epoch, or for so many batches that an interrupt is heard soon; where samples do not
        count the same, one for each batch.

        Raises
        ------
        CannotCompile : several inputs or targets, accumulate, or weights of single samples
        """
        from ..compile.step import CompiledStep

        refuse(self)
        model, X, loss, counts = self.model, self.X, self.loss, self.counts
        ignored = None if self.read is None else self.read.ignored
        of_class = ignored is not None and ignored >= 0  # then no answer is to be taken for right
        if of_class:
            loss = partial(loss, ignore_index=-1)

        def labels() -> Any:
            """Return y as it is now, which a callback may have changed."""
            return np.where(self.y == ignored, -1, self.y.astype(np.int64)) if of_class else self.y

        def of_all(function: Callable[..., Any], *args: Any) -> Any:
            """Return function of the arguments; what the loss refuses is said of y as a whole."""
            try:
                return function(*args)
            except (TypeError, ValueError) as error:
                with model.evaluating(), suppress(Exception):
                    about_fit(error, model(X[:1]), labels())
                raise

        model.train()
        y = labels()
        if self.classes is not None:
            loss = ClassWeighted(loss, self.classes)
        if self.adds and counts is None:
            counts = np.ones(len(y))
        between, function = self.clip if self.bounds else None, "step" if self.bounds or counts is not None else "epoch"
        some = slice(batch_size) if counts is None else np.argsort(counts == 0, kind="stable")[:batch_size]
        first = (model, loss, self.optimizer, X[some], y[some])
        try:
            self.step = step = of_all(CompiledStep, *first, quiet, function, between, counts is not None)
        except ValueRead as error:
            raise ValueRead(f"{error}; or train without compiled=True") from None
        model.eval()  # a compiled step has the layers' modes of its beginning

        def epoch(order: Array, size: int) -> Evaluation:
            taken = [np.ascontiguousarray(a, step.kinds[name][0]) for name, a in (("X", X), ("y", labels()))]  # once
            return self._in_calls(partial(of_all, step.epoch, *taken), interrupted, order, size)

        def batches(order: Array, size: int) -> Evaluation:
            y = labels()
            return self._in_batches(lambda rows: of_all(step.counted, X[rows], y[rows]), interrupted, order, size)

        code = epoch if counts is None else batches
        return lambda order, size: (code if self.goes_on() else self.eager(interrupted))(order, size)

    def _in_calls(self, call: Callable[..., Any], interrupted: list[bool], order: Array, size: int) -> Evaluation:
        """Train for an epoch by calls of so many batches that an interrupt is heard soon. call : of rows and size."""
        total, right, seen = 0.0, None, 0
        at_once = max(1, int(AT_ONCE / size / self.optimizer.buffer.data.size)) * size
        for start in range(0, len(order), at_once):
            part, counted, count = call(order[start : start + at_once], size)
            total, right, seen = total + part, None if counted is None else (right or 0) + counted, seen + count
            if interrupted:
                break
        return means(total, right, seen, seen * (self.read.each if self.read else 0))


def objection(task: Task) -> str:
    """Return why this training is better not compiled without being asked to; "" if nothing speaks against it."""
    if not hasattr(sgd, "py_func"):
        return "NUMBA_DISABLE_JIT is set"
    layers = [vars(layer).get("forward", type(layer)) for _, layer in task.model.named_layers()]
    rates = [group["lr"] for group in task.optimizer.groups if callable(group["lr"])]
    for kind in (*layers, getattr(task.loss, "func", task.loss), type(task.optimizer), *rates):
        if not is_ours(kind):  # it may print or count, which it would do once, or read what changes within an epoch
            return f"{getattr(kind, '__name__', kind)} is not of this package"
    if any(isinstance(value, (np.ndarray, Tensor)) for value in getattr(task.loss, "keywords", {}).values()):
        return "the loss has an array, which may be changed in place"
    if any(getattr(thread, event) != getattr(type(thread), event) for event in EVENTS):
        return "debug() or another observer looks at each op"
    if task.optimizer.ranks is not None:
        return "each rank would choose for itself"
    return ""


def refuse(task: Task) -> None:
    """Raise `CannotCompile` for what a compiled step cannot do."""
    from ..compile.values import CannotCompile

    problem = ""
    if is_several(task.X) or is_several(task.y):
        problem = "several arrays in X or y: a compiled step takes one of each"
    elif task.accumulate > 1:
        problem = (
            "accumulate: a compiled step makes an update with each batch; a larger batch_size has the same gradient"
        )
    elif task.classes is not None and len(task.classes) > 2 and (task.y.ndim > 1 or task.y.dtype.kind not in "iu"):
        problem = "class_weight: the classes in y are whole numbers, say y.astype(int)"
    elif task.weights is not None and task.classes is None:
        problem = "sample_weight: a compiled step takes X and y; class_weight compiles"
    if problem:
        raise CannotCompile(f"{problem}; or train without compiled=True")


class ClassWeighted:
    """A loss in which a sample has the weight of its class. Targets of 0 and 1 may be floats, or a column."""

    def __init__(self, loss: Loss, classes: Array) -> None:
        self.func, self.loss, self.classes = getattr(loss, "func", loss), loss, Tensor(classes)

    def __call__(self, output: Any, y: Any) -> Tensor:
        if y.ndim == 1 and y.dtype.kind in "iu":
            return self.loss(output, y, sample_weight=self.classes[y])
        no, yes = self.classes.array.tolist()
        return self.loss(output, y, sample_weight=no + (yes - no) * (y if y.ndim == 1 else y[:, 0]))
