"""An epoch of training, in Python or in machine code: what `fit` repeats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import isfinite
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.losses import NoLoss
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..guards.loss_hints import about_fit
from ..guards.samples import Data, caller, is_several, rows_of, taker
from .evaluation import cost_of, means
from .history import Evaluation
from .optimizer_tools import clip_norm, clip_value
from .scores import Loss, reader

Train = Callable[[Array, int], Evaluation]  # of the rows in their order, and the size of a batch


class Task:
    """The data, and the rules by which a model learns from them.

    Parameters
    ----------
    weights : one for each sample; None if all count the same
    classes : the weight of each class, if weights are made of nothing else
    accumulate : number of batches whose mean gradient makes one update
    clip : bounds for the gradients, by the name of the optimizer's method
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
        self.targets = partial(rows_of, y) if is_several(y) else y.__getitem__
        self.read = reader(loss, y)

    # --- in Python ----------------------------------------------------------------------------------------------------

    def eager(self, interrupted: list[bool]) -> Train:
        """Return a function that takes a step with each batch, until interrupted is filled."""
        self.take, self.call = taker(self.model, self.X), caller(self.model, self.X)
        self.update = self._clip_and_step if self.bounds else self.optimizer.step
        return partial(self._eager, interrupted)

    def _eager(self, interrupted: list[bool], order: Array, size: int) -> Evaluation:
        """Train on the rows of order: ``size`` of them at a time, or a group of so many batches."""
        total, right, seen, counted = 0.0, 0, 0, None
        step, stride = (self._step, size) if self.accumulate == 1 else (self._in_parts(size), size * self.accumulate)
        weights, policy = self.weights, self.optimizer.nonfinite
        for first in range(0, len(order), stride):
            rows = order[first : first + stride]
            if weights is not None and not weights[rows].any():
                continue  # nothing to learn
            value, counted = step(rows)
            if isfinite(value) or policy == "propagate":  # else the batch was skipped
                total, right, seen = total + value * len(rows), right + (counted or 0), seen + len(rows)
            if interrupted:
                break
        return means(total, None if counted is None else right, seen, self.read)

    def _step(self, rows: Array) -> tuple[float, int | None]:
        """Take a step with one batch. Return its loss, and the number of right answers."""
        self.optimizer.zero_grad()
        result = self._learn(rows)
        self.update()
        return result

    def _in_parts(self, size: int) -> Callable[[Array], tuple[float, int | None]]:
        """Return a function that takes a step with several batches: their gradients add up to that of all rows."""

        def step(rows: Array) -> tuple[float, int | None]:
            self.optimizer.zero_grad()
            weigh = len if self.weights is None else lambda part: float(self.weights[part].sum())
            value, right, whole = 0.0, None, weigh(rows)
            for first in range(0, len(rows), size):
                part = rows[first : first + size]
                share = weigh(part) / whole
                cost, counted = self._learn(part, share)
                value, right = value + share * cost, None if counted is None else (right or 0) + counted
            self.update()
            return value, right

        return step

    def _learn(self, rows: Array, share: float = 1.0) -> tuple[float, int | None]:
        """Add the gradients of a batch, times its share. Return its loss, and the number of right answers.

        The graph goes when this returns, before the next one grows.
        """
        xb, yb = self.take(rows), self.targets(rows)
        output = self.call(xb)
        right = None if self.read is None else self.read.right(output, yb)
        if not share:  # no weight: the loss would divide by 0
            return 0.0, right
        more = {} if self.weights is None else {"sample_weight": self.weights[rows]}
        cost = cost_of(self.loss, output, yb, self.y, **more)
        value = cost.item()
        if not isfinite(value) and self.optimizer.nonfinite == "raise":
            raise NoLoss(f"loss became {value}")
        cost.backward(None if share == 1 else np.full(cost.shape, share, cost.dtype))
        return value, right

    def clip(self) -> None:
        """Bring the gradients into the bounds."""
        for name, most in self.bounds.items():
            {"clip_norm": clip_norm, "clip_value": clip_value}[name](self.optimizer, most)

    def _clip_and_step(self) -> None:
        self.clip()
        self.optimizer.step()

    # --- in machine code ----------------------------------------------------------------------------------------------

    def compiled(self, batch_size: int | None, quiet: bool, interrupted: list[bool]) -> Train:
        """Return a function that does what that of `eager` does, in machine code, which an interrupt does not end.

        Raises
        ------
        CannotCompile : several inputs or targets, accumulate, or weights of single samples
        """
        from ..compile.step import CompiledStep

        refuse(self)
        model, X, y, loss = self.model, self.X, self.y, self.loss

        def of_all(function: Callable[..., Any], *args: Any) -> Any:
            """Return function of the arguments; what the loss refuses is said of y as a whole."""
            try:
                return function(*args)
            except (TypeError, ValueError) as error:
                with model.evaluating(), suppress(Exception):
                    about_fit(error, model(X[:1]), y)
                raise

        model.train()
        if self.classes is not None:
            loss = ClassWeighted(loss, self.classes)
        between, function = (self.clip, "step") if self.bounds else (None, "epoch")
        step = of_all(
            CompiledStep, model, loss, self.optimizer, X[:batch_size], y[:batch_size], quiet, function, between
        )

        def train(order: Array, size: int) -> Evaluation:
            total, right, seen = of_all(step.epoch, X, y, order, size)
            return means(total, right, seen, self.read)

        return train


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
        self.func, self.classes = loss, Tensor(classes)

    def __call__(self, output: Any, y: Any) -> Tensor:
        if y.ndim == 1 and y.dtype.kind in "iu":
            return self.func(output, y, sample_weight=self.classes[y])
        no, yes = self.classes.array.tolist()
        return self.func(output, y, sample_weight=no + (yes - no) * (y if y.ndim == 1 else y[:, 0]))
