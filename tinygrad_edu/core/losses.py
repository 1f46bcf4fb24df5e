"""Losses: what training makes small. Each is a mean, so that the step does not grow with the size of the batch.

A loss takes what the model returned and what was wanted, and returns a Tensor that holds one number. Its gradient comes
from the ops that it is made of: read `mse_loss` first, then `cross_entropy`, which is one op.

A loss refuses shapes that only broadcasting would make fit: (N, 1) against (N,) would silently compare every prediction
with every target. Errors that are marked (guard) are raised by `guards.loss_hints`, which wraps these functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import ops
from .tensor import Tensor, apply, as_tensor, unwrap


class NoLoss(ArithmeticError):
    """A loss is NaN or infinite, so there is no gradient to follow. `training.fit` raises it."""


def mse_loss(predictions: Any, targets: Any) -> Tensor:
    """L = mean((p - t)²), the mean squared error over all elements. Its gradient grows with the error.

    Parameters
    ----------
    predictions, targets : of one shape; targets that require no gradient take the dtype of the predictions

    Returns
    -------
    Tensor : one number

    Raises
    ------
    ValueError : the shapes differ, or there are no elements

    Examples
    --------
    >>> mse_loss([1.0, 2.0], [1.0, 4.0])  # (0² + 2²) / 2
    Tensor(2.)
    """
    p, t = of_one_shape(predictions, targets)
    error = p - t
    return (error * error).mean()


def l1_loss(predictions: Any, targets: Any) -> Tensor:
    """L = mean(|p - t|), the mean absolute error over all elements. An outlier counts less than in `mse_loss`.

    Parameters and errors as in `mse_loss`.

    Examples
    --------
    >>> l1_loss([1.0, 2.0], [1.0, 4.0])  # (0 + 2) / 2
    Tensor(1.)
    """
    p, t = of_one_shape(predictions, targets)
    return (p - t).abs().mean()


def huber_loss(predictions: Any, targets: Any, delta: float = 1.0) -> Tensor:
    """L = mean over the errors e = |p - t| of e² / 2 up to delta, and of delta · (e - delta / 2) beyond.

    This is a parabola that goes on as a straight line, so that an outlier pulls with the slope delta and no more. With
    q = min(e, delta) both pieces are q · (e - q / 2). As torch.nn.HuberLoss.

    Parameters
    ----------
    predictions, targets : as in `mse_loss`
    delta : where the straight line begins, above 0

    Raises
    ------
    ValueError : delta is not above 0 (guard); and as in `mse_loss`

    References
    ----------
    Huber 1964, Robust estimation of a location parameter

    Examples
    --------
    >>> huber_loss([0.0, 0.0], [0.5, 3.0])  # 0.5² / 2 = 0.125 and 1 · (3 - 1 / 2) = 2.5
    Tensor(1.3125)
    """
    p, t = of_one_shape(predictions, targets)
    e = (p - t).abs()
    q = e.minimum(delta)
    return (q * (e - q / 2)).mean()


def cross_entropy(logits: Any, labels: Any) -> Tensor:
    """L = mean(-ln softmax(logits)[label]): softmax and loss in one node, stable for logits of any size.

    Parameters
    ----------
    logits : (N, C), a score for each class. Not probabilities: softmax is part of this loss
    labels : (N,), integers from 0 to C - 1

    Returns
    -------
    Tensor : one number

    Raises
    ------
    TypeError : labels that are not integers
    ValueError : shapes that do not fit, as of one-hot labels; no rows; a label out of range; or logits that are a
        softmax already (guard)

    Examples
    --------
    >>> print(f"{cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1]):.4f}")  # ln 2
    0.6931
    """
    logits, labels = as_tensor(logits), np.asarray(unwrap(labels))
    shape = logits.shape
    if len(shape) != 2 or labels.shape != shape[:1]:
        raise ValueError(f"cross_entropy takes logits (N, C) and labels (N,), got {shape} and {labels.shape}")
    if not labels.size:
        raise ValueError("cross_entropy got an empty batch: it has no mean")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels are integers, got {labels.dtype}")
    for label in labels.item(labels.argmin()), labels.item(labels.argmax()):  # quicker than min and max
        if not 0 <= label < shape[1]:
            raise ValueError(f"label {label}, but with {shape[1]} logits the labels are 0 to {shape[1] - 1}")
    return apply(ops.cross_entropy, logits, labels=labels)


def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Tensor:
    """L = mean(-t ln σ(z) - (1 - t) ln(1 - σ(z))): the cross-entropy of yes-or-no questions.

    The two logarithms are -softplus(-z) and -softplus(z): exact and stable for logits z of any size.

    Parameters
    ----------
    logits : any shape. Not probabilities: the sigmoid is part of this loss
    targets : of the same shape, from 0 to 1

    Raises
    ------
    ValueError : as in `mse_loss`; a target outside [0, 1], or logits that are a sigmoid already (guard)

    Examples
    --------
    >>> print(f"{binary_cross_entropy_with_logits([0.0, 1e4], [1.0, 1.0]):.4f}")  # ln 2 and 0
    0.3466
    """
    z, t = of_one_shape(logits, targets)
    return (t * (-z).softplus() + (1 - t) * z.softplus()).mean()


def hinge_loss(scores: Any, targets: Any) -> Tensor:
    """L = mean(max(0, 1 - t · s)): the margin loss of the support vector machine.

    A score on the right side of 0 costs nothing once it is 1 or more away from it.

    Parameters
    ----------
    scores : any shape
    targets : of the same shape, each -1 or 1

    Raises
    ------
    ValueError : as in `mse_loss`; a target that is neither -1 nor 1 (guard)

    References
    ----------
    Cortes & Vapnik 1995, Support-vector networks

    Examples
    --------
    >>> hinge_loss([2.0, 0.5], [1.0, -1.0])  # 0 and 1.5
    Tensor(0.75)
    """
    s, t = of_one_shape(scores, targets)
    return (1 - s * t).relu().mean()


def of_one_shape(predictions: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Return both as Tensors of one shape. Targets that require no gradient take the dtype of the predictions.

    Raises
    ------
    ValueError : the shapes differ, or there are no elements
    """
    p = as_tensor(predictions)
    t = targets if isinstance(targets, Tensor) else Tensor(targets, name="targets")
    if t.dtype != p.dtype and p.dtype.kind == "f" and not t.requires_grad:
        t = t.astype(p.dtype)
    if p.shape != t.shape:
        raise ValueError(f"predictions have shape {p.shape} and targets {t.shape}")
    if not p.size:
        raise ValueError("the loss got an empty batch: it has no mean")
    return p, t
