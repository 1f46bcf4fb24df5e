"""Mistakes with losses: probabilities for logits, targets out of range, and a hint behind what a loss refuses itself.

A loss of `core.losses` refuses in one line what would be wrong silently. `guarded` wraps it: it looks first for
mistakes that only the meaning of the numbers shows, and adds to an error the most likely fix.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from ..core import losses, ops
from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from ..extras import losses as extras
from ..extras.losses import REDUCTIONS
from .kinds import number, real, shown, whole
from .names import arguments_fit
from .samples import numbers, refuse_masked

Loss = Callable[..., Tensor]


def guarded(loss: Loss, check: Callable[..., None] | None, hint: Callable[[Any, Any], str | None]) -> Loss:
    """Return loss with its guards. Without options the core's loss of that name is run, if there is one.

    Parameters
    ----------
    loss : takes predictions and targets, and options
    check : takes predictions and targets, and raises for what the loss would take although it is a mistake
    hint : the end of the sentence with which the core refuses predictions and targets; "" if there is none, None if
        loss takes them
    """
    shape, plain = signature(loss), vars(losses).get(loss.__name__)

    @wraps(loss)
    def call(*args: Any, **options: Any) -> Tensor:
        if options or len(args) != 2:
            arguments_fit(loss.__name__, shape, args, options)
            bound = shape.bind(*args, **options)
            args, options = bound.args, bound.kwargs
        if isinstance(args[1], np.ma.MaskedArray):
            refuse_masked("y", args[1])
        if check is not None:
            check(*args)
        if options:
            check_options(args[0], **options)
        try:
            return plain(*args) if plain is not None and not options else loss(*args, **options)
        except (TypeError, ValueError) as error:
            more: str | None = ""
            with suppress(ValueError):  # lists that are no arrays
                more = "" if "ignore_index" in options else hint(args[0], args[1])  # a label of its own is meant
            if more is not None or options:
                if more and len(error.args) == 1 and not getattr(error, "__notes__", ()):
                    error.args = (f"{error}; {more}",)
                raise
        return call(*args, reduction="mean")

    vars(call)["plain"] = plain
    return call


def check_options(predictions: Any, **options: Any) -> None:
    """Raise for options of a loss that are out of range, or that do not fit its predictions."""
    shape, reduction = numbers("predictions", predictions).shape, options.get("reduction", "mean")
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f'reduction is "mean", "sum" or "none", got {shown(reduction)}')
    if "label_smoothing" in options:
        number("label_smoothing", options["label_smoothing"], 0, 1)
    if options.get("ignore_index") is not None:
        whole("ignore_index", options["ignore_index"], -sys.maxsize)
    for name, wanted, one in (
        ("weight", shape[1:], "one for each class"),
        ("sample_weight", shape[:1] or (1,), "one for each sample"),
        ("pos_weight", shape, "a number, or one for each column"),
    ):
        if options.get(name) is not None:
            check_weights(name, numbers(name, options[name]), wanted, one)


def check_weights(name: str, w: Array, shape: tuple[int, ...], one: str) -> None:
    """Raise ValueError unless w is of this shape (or, a pos_weight, broadcasts to it), finite and at least 0."""
    fits = w.shape == shape
    if name == "pos_weight":
        with suppress(ValueError):
            fits = np.broadcast_shapes(w.shape, shape) == shape
    if not fits:
        raise ValueError(f"{name} has shape {w.shape}, but it has to be {one}: {shape}")
    if not np.all((w >= 0) & (w < np.inf)):
        raise ValueError(
            f"{name} holds {w[~((w >= 0) & (w < np.inf))][0]}, but a weight is a finite number, at least 0"
        )


def about_labels(logits: Any, labels: Any) -> str | None:
    """Say what to do with labels that `losses.cross_entropy` refused; None if they are the probabilities of classes."""
    shape, labels = np.shape(unwrap(logits)), np.asarray(unwrap(labels))
    if len(shape) != 2 or labels.shape != shape[:1]:
        if len(shape) == 1 and shape == labels.shape:
            return "one score for each sample, of yes or no, is for binary_cross_entropy_with_logits"
        if len(shape) == 2 and shape == labels.shape and labels.dtype.kind in "fiub":
            return None
        return "take labels.ravel()" if labels.shape == (*shape[:1], 1) else ""
    if labels.dtype.kind in "UOS":
        return "words become class numbers so: names, labels = np.unique(labels, return_inverse=True)"
    if labels.dtype.kind not in "iu":
        return "say labels.astype(int) if they are whole numbers" if labels.size else ""
    outside = labels.size and not (labels.min() >= 0 and labels.max() < shape[1])
    return "the last layer gives one for each class" if outside else ""


def about_numbers(log_probabilities: Any, labels: Any) -> str:
    """Say the same of `extras.losses.nll_loss`, which takes no probabilities."""
    hint = about_labels(log_probabilities, labels)
    return "labels are class numbers, not one-hot rows: take labels.argmax(axis=1)" if hint is None else hint


def about_targets(predictions: Any, targets: Any) -> str:
    """Say what to do with targets of another shape than the predictions."""
    shape, other = np.shape(unwrap(predictions)), np.shape(unwrap(targets))
    if shape == other:
        return ""
    return f"say targets.reshape{shape}" if np.prod(shape) == np.prod(other) else "they have to be equal"


def about_fit(error: Exception, output: Any, y: Array) -> None:
    """Have a loss's refusal of a batch name the user's arrays: ``y`` as a whole, not the batch of it."""
    if len(error.args) != 1 or hasattr(error, "__notes__") or not isinstance(error.args[0], str):
        return
    shape, problem = np.shape(unwrap(output)), error.args[0].partition(";")[0]
    shapes, label = problem.startswith("predictions"), problem.startswith("label")
    if shapes and y.ndim == 1 and shape[1:] == (1,):
        fix = "say y.reshape(-1, 1)"
    elif shapes and y.ndim == 2 and shape[1:] == () and y.shape[1] == 1:
        fix = "say y.ravel()"
    elif label and y.ndim == 1 and y.dtype.kind in "iu" and len(shape) == 2 and y.min() == 1 and y.max() == shape[1]:
        fix = f"classes are counted from 0, y has 1 to {shape[1]}: say y - 1"
    else:
        error.args = (re.sub(r"\b(labels|targets)(?=\.)", "y", error.args[0]),)
        return
    error.args = (f"{problem}; {fix} (the model gives {('N', *shape[1:])}, y has shape {y.shape})".replace("'N'", "N"),)


def require_loss(cost: Any) -> None:
    """Raise TypeError unless a loss has returned a Tensor with one number."""
    if isinstance(cost, Tensor) and cost.size == 1:
        return
    if cost is None:
        problem = "None: is there a return at its end?"
    elif isinstance(cost, Tensor):
        problem = f"a Tensor of shape {cost.shape}: reduce it with .mean()"
    else:
        problem = f"{type(cost).__name__}, of which nothing can be learned: no float(), item() or numpy() in it"
    raise TypeError(f"the loss has to return a Tensor with one number, it returned {problem}")


def check_delta(predictions: Any, targets: Any, delta: float = 1.0) -> None:
    """Raise ValueError for a straight line that begins nowhere."""
    real("delta", delta)
    if not delta > 0:
        raise ValueError(f"delta = {delta}, but it has to be above 0")


def check_logits(logits: Any, labels: Any) -> None:
    """Raise ValueError for the result of softmax."""
    if getattr(logits, "op", None) is ops.softmax:
        raise ValueError("cross_entropy got the result of softmax; it applies softmax itself: pass the logits")


def check_distributions(log_probabilities: Any, targets: Any) -> None:
    """Raise ValueError for what is no logarithm of a probability."""
    q = numbers("log_probabilities", log_probabilities)
    if q.dtype.kind == "f" and q.size and q.max() > 1e-3:
        raise ValueError(f"log-probabilities are at most 0, got {q.max():.4g}: give logits.log_softmax()")


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
    try:
        p, t = np.asarray(unwrap(predictions)), np.asarray(unwrap(targets))
    except ValueError:  # lists that are no arrays
        return np.zeros(0)
    if p.shape != t.shape or t.dtype.kind not in "fiub":
        return np.zeros(0)
    return t.astype(p.dtype) if p.dtype.kind == "f" else t


ROWS: list[tuple[Loss, Callable[..., None] | None, Callable[[Any, Any], str | None]]] = [
    (extras.mse_loss, None, about_targets),
    (extras.l1_loss, None, about_targets),
    (extras.huber_loss, check_delta, about_targets),
    (extras.cross_entropy, check_logits, about_labels),
    (extras.nll_loss, check_distributions, about_numbers),
    (extras.kl_div, check_distributions, about_targets),
    (extras.binary_cross_entropy_with_logits, check_probabilities, about_targets),
    (extras.hinge_loss, check_signs, about_targets),
]
GUARDED = {row[0].__name__: guarded(*row) for row in ROWS}
