"""Mistakes with losses: probabilities for logits, targets out of range, and a hint behind what a loss refuses itself.

A loss of `core.losses` refuses in one line what would be wrong silently. `guarded` wraps it: it looks first for
mistakes that only the meaning of the numbers shows, and adds to an error the most likely fix.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np
from numpy.ma import MaskedArray

from ..core import losses, ops
from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from .masked import refuse_masked

Loss = Callable[..., Tensor]


def guarded(loss: Loss, check: Callable[..., None] | None, hint: Callable[[Any, Any], str]) -> Loss:
    """Return loss with its guards.

    Parameters
    ----------
    loss : takes predictions and targets, and options
    check : takes the same, and raises for what the loss would take although it is a mistake
    hint : the end of the sentence with which the loss refuses predictions and targets; "" if there is none
    """

    @wraps(loss)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs:
            bound = signature(loss).bind(*args, **kwargs)
            args, kwargs = bound.args, bound.kwargs
        if len(args) > 1:
            if isinstance(args[1], MaskedArray):
                refuse_masked("y", args[1])
            if check is not None:
                check(*args)
        try:
            return loss(*args)
        except (TypeError, ValueError) as error:
            more = hint(args[0], args[1]) if len(args) > 1 else ""
            if more and len(error.args) == 1 and not getattr(error, "__notes__", ()):
                error.args = (f"{error}; {more}",)
            raise

    return call


def about_labels(logits: Any, labels: Any) -> str:
    """Say what to do with labels that `losses.cross_entropy` refused."""
    shape, labels = np.shape(unwrap(logits)), np.asarray(unwrap(labels))
    if len(shape) != 2 or labels.shape != shape[:1]:
        one_hot = "labels are class numbers, not one-hot rows: take labels.argmax(axis=1)"
        return {shape: one_hot, (*shape[:1], 1): "take labels.ravel()"}.get(labels.shape, "")
    if labels.dtype.kind not in "iu":
        return "say labels.astype(int) if they are whole numbers" if labels.size else ""
    outside = labels.size and not (labels.min() >= 0 and labels.max() < shape[1])
    return "the last layer gives one for each class" if outside else ""


def about_targets(predictions: Any, targets: Any) -> str:
    """Say what to do with targets of another shape than the predictions."""
    shape, other = np.shape(unwrap(predictions)), np.shape(unwrap(targets))
    if shape == other:
        return ""
    return f"say targets.reshape{shape}" if np.prod(shape) == np.prod(other) else "they have to be equal"


def check_delta(predictions: Any, targets: Any, delta: float = 1.0) -> None:
    """Raise ValueError for a straight line that begins nowhere."""
    if not delta > 0:
        raise ValueError(f"delta = {delta}, but it has to be above 0")


def check_logits(logits: Any, labels: Any) -> None:
    """Raise ValueError for the result of softmax."""
    if getattr(logits, "op", None) is ops.softmax:
        raise ValueError("cross_entropy got the result of softmax; it applies softmax itself: pass the logits")


def check_probabilities(logits: Any, targets: Any) -> None:
    """Raise ValueError for the result of sigmoid, and for targets outside [0, 1]."""
    if getattr(logits, "op", None) is ops.sigmoid:
        raise ValueError(
            "binary_cross_entropy_with_logits got the result of sigmoid; it applies it itself: pass the logits"
        )
    t = compared(logits, targets)
    if t.size and not (t.min() >= 0 and t.max() <= 1):
        raise ValueError(f"targets are from 0 to 1, got values from {t.min()} to {t.max()}")


def check_signs(scores: Any, targets: Any) -> None:
    """Raise ValueError for targets other than -1 and 1."""
    t = compared(scores, targets)
    if not np.all(np.abs(t) == 1):
        raise ValueError(f"targets are -1 or 1, got {np.unique(t)[:5]}; labels 0 and 1 become 2 * labels - 1")


def compared(predictions: Any, targets: Any) -> Array:
    """Return the targets as the loss will compare them; none if they do not fit, which the loss refuses by itself."""
    p, t = np.asarray(unwrap(predictions)), np.asarray(unwrap(targets))
    if p.shape != t.shape or t.dtype.kind not in "fiub":
        return np.zeros(0)
    return t.astype(p.dtype) if p.dtype.kind == "f" else t


GUARDED: dict[str, Loss] = {
    loss.__name__: guarded(loss, check, hint)
    for loss, check, hint in [
        (losses.mse_loss, None, about_targets),
        (losses.l1_loss, None, about_targets),
        (losses.huber_loss, check_delta, about_targets),
        (losses.cross_entropy, check_logits, about_labels),
        (losses.binary_cross_entropy_with_logits, check_probabilities, about_targets),
        (losses.hinge_loss, check_signs, about_targets),
    ]
}
