"""A learning rate that falls when a measure stops getting better: unlike a schedule it has a memory."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..guards.kinds import number
from ..guards.samples import numbers
from .schedules import checked_number
from .states import fitting, loads, require, whole

if TYPE_CHECKING:
    from ..core.optimizer import Optimizer


class ReduceOnPlateau:
    """Multiply an optimizer's learning rate by factor when a measure has stopped getting better.

    As torch's ReduceLROnPlateau: a value is better if it beats the best so far by more than the share ``threshold`` of
    its size, and the rate falls at the first value after ``patience`` values in a row that were not better. With
    patience = 2 and a measure that stays the same that is the 4th, 7th, 10th value; optax and Keras are one earlier.
    (If the measure is below 0, PyTorch takes a slightly worse value for a better one; this class does not.)

    Parameters
    ----------
    optimizer : the rate of each of its groups is multiplied
    factor : above 0 and below 1
    patience : number of values in a row that may be no better
    cooldown : number of values after a reduction that do not count
    threshold : at least 0 and, as a share, below 1
    threshold_mode : "rel", the threshold is a share of the best value; or "abs", it is a difference
    mode : "min" for a loss, "max" for an accuracy
    min_lr : no rate falls below it

    Raises
    ------
    TypeError : not an optimizer, or an optimizer with a learning rate that is a function of t
    ValueError : a number out of range, another mode, a row of `fit` without the measure, or a `fit` with another
        optimizer

    Examples
    --------
    ``fit(..., callback=plateau)`` takes each epoch's validation_loss, or else its loss; with mode="max"
    validation_accuracy, or else accuracy. By hand:

    >>> from tinygrad_edu import SGD, Tensor
    >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> plateau = ReduceOnPlateau(optimizer, factor=0.5, patience=2)
    >>> for loss in [3, 3, 3, 3, 3]:
    ...     plateau.step(loss)
    ...     print(optimizer.lr, end=" ")
    1.0 1.0 1.0 0.5 0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        mode: str = "min",
        cooldown: int = 0,
        min_lr: float = 0.0,
        threshold_mode: str = "rel",
    ) -> None:
        if not hasattr(optimizer, "groups"):
            raise TypeError(f"ReduceOnPlateau takes an optimizer such as Adam(model), got {type(optimizer).__name__}")
        if mode not in ("min", "max"):
            raise ValueError(f'ReduceOnPlateau: mode = {mode!r}, but it has to be "min" or "max"')
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f'ReduceOnPlateau: threshold_mode = {threshold_mode!r}, but it has to be "rel" or "abs"')
        if factor == 1:
            raise ValueError("ReduceOnPlateau: factor = 1, but it has to be above 0 and below 1")
        checked = partial(checked_number, "ReduceOnPlateau")
        self.factor, self.threshold_mode = checked("factor", factor), threshold_mode
        if threshold_mode == "abs":
            number("threshold", threshold, 0)
        self.threshold = float(threshold) if threshold_mode == "abs" else checked("threshold", threshold)
        self.patience, self.cooldown = checked("patience", patience), checked("cooldown", cooldown)
        self.min_lr, self.mode, self.optimizer = checked("min_lr", min_lr), mode, optimizer
        self.best, self.bad, self.resting = (inf if mode == "min" else -inf), 0, 0
        self._rates()

    def start(self, run: Any) -> None:
        """Raise ValueError if the run has another optimizer."""
        run.require(self, self.optimizer)

    def step(self, value: float) -> None:
        """Take one more value of the measure, and multiply the rates if it is time. NaN is never better."""
        value, sign = float(numbers("value", value)), 1 if self.mode == "min" else -1
        best = sign * self.best  # from here on less is better
        share = 1 - self.threshold if best > 0 else 1 + self.threshold
        better = sign * value < (best * share if self.threshold_mode == "rel" else best - self.threshold)
        self.best, self.bad = (value, 0) if better else (self.best, self.bad + 1)
        if self.resting:
            self.resting, self.bad = self.resting - 1, 0
        if self.bad > self.patience:
            for group, lr in zip(self.optimizer.groups, self._rates()):
                group["lr"] = min(lr, max(lr * self.factor, self.min_lr))
            self.resting, self.bad = self.cooldown, 0

    def __call__(self, row: dict[str, Any]) -> None:
        """Call `step` with the measure in a row of `fit`, whose callback this object can be."""
        what = "loss" if self.mode == "min" else "accuracy"
        if what not in row:
            raise ValueError(f"ReduceOnPlateau: the row has no {what}, only {', '.join(row)}; call step(value) by hand")
        self.step(row.get(f"validation_{what}", row[what]))

    def _rates(self) -> list[float]:
        """Return the rates of all groups; a TypeError if one is a function of t."""
        rates = [group["lr"] for group in self.optimizer.groups]
        if any(map(callable, rates)):
            raise TypeError(f"ReduceOnPlateau multiplies numbers, but lr is {rates}; give the optimizer lr as a number")
        return rates

    @property
    def about(self) -> str:
        """The arguments as text, which a checkpoint of `fit` compares."""
        names = ("factor", "patience", "threshold", "mode", "cooldown", "min_lr", "threshold_mode")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def state_dict(self) -> dict[str, float]:
        """Return the best value, the count of worse ones since, and the rest of the cooldown; no rates."""
        return {"best": self.best, "bad": self.bad, "resting": self.resting}

    @loads
    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned. Raises ValueError if something is missing, or is no such number."""
        require(self.state_dict(), state)
        best, bad, resting = fitting("best", state["best"], np.zeros(())), state["bad"], state["resting"]
        self.best, self.bad, self.resting = float(best), whole("bad", bad), whole("resting", resting)
