"""Losses: what training makes small. Each is the mean over the batch, so that lr does not depend on batch_size.

Each takes what the model returned and what was wanted, and returns a Tensor that holds one number. A loss refuses
shapes that only broadcasting would make fit: (N, 1) against (N,) would silently compare everything with everything.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import ops
from .tensor import Tensor, apply, as_tensor, unwrap


class NoLoss(ArithmeticError):
    """A loss is NaN or infinite, so there is no gradient to follow."""


def mse_loss(predictions: Any, targets: Any) -> Tensor:
    """Mean squared error, mean((p - t)²), over all elements.

    Parameters
    ----------
    predictions, targets : of one shape

    Raises
    ------
    ValueError : the shapes differ

    Examples
    --------
    >>> mse_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(2.)
    """
    error = _error(predictions, targets)
    return (error * error).mean()


def l1_loss(predictions: Any, targets: Any) -> Tensor:
    """Mean absolute error, mean(|p - t|), over all elements; less led by outliers than the square.

    Parameters and errors as in `mse_loss`.

    Examples
    --------
    >>> l1_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(1.)
    """
    return _error(predictions, targets).abs().mean()


def huber_loss(predictions: Any, targets: Any, delta: float = 1.0) -> Tensor:
    """Half the square for errors up to delta, a straight line of slope delta beyond (Huber 1964).

    With e = |p - t| and q = min(e, delta) both branches are q · (e - q / 2). As torch.nn.HuberLoss.

    Parameters and errors as in `mse_loss`; delta > 0.

    Examples
    --------
    >>> huber_loss([0.0, 0.0], [0.5, 3.0])  # 0.5² / 2 = 0.125 and 1 · (3 - 1 / 2) = 2.5
    Tensor(1.3125)
    """
    if not delta > 0:
        raise ValueError(f"delta = {delta}, but it has to be above 0")
    e = _error(predictions, targets).abs()
    q = e.minimum(delta)
    return (q * (e - q / 2)).mean()


def cross_entropy(logits: Any, labels: Any) -> Tensor:
    """Mean of -ln softmax(logits)[label]: softmax and loss in one node, stable for logits of any size.

    Parameters
    ----------
    logits : (N, C): a score for each class. Not probabilities: softmax is part of this loss
    labels : (N,), integers from 0 to C - 1

    Raises
    ------
    TypeError : labels that are not integers
    ValueError : shapes that do not fit, a label out of range, one-hot labels, or logits that are a softmax already

    Examples
    --------
    >>> print(f"{cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1]):.4f}")  # ln 2
    0.6931
    """
    logits, labels = as_tensor(logits), np.asarray(unwrap(labels))
    shape = logits.shape
    if len(shape) != 2 or labels.shape != shape[:1]:
        hints = {
            shape: "; labels are class numbers, not one-hot rows: take labels.argmax(axis=1)",
            (*shape[:1], 1): "; take labels.ravel()",
        }
        hint = hints.get(labels.shape, "")
        raise ValueError(f"cross_entropy takes logits (N, C) and labels (N,), got {shape} and {labels.shape}{hint}")
    if not labels.size:
        raise ValueError("cross_entropy got an empty batch: it has no mean")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels are integers, got {labels.dtype}; say labels.astype(int) if they are whole numbers")
    if logits.op is ops.softmax:
        raise ValueError("cross_entropy got the result of softmax; it applies softmax itself: pass the logits")
    for extreme in labels.item(labels.argmin()), labels.item(labels.argmax()):  # several times as quick as min and max
        if not 0 <= extreme < shape[1]:
            raise ValueError(
                f"label {extreme}, but with {shape[1]} logits the labels are 0 to {shape[1] - 1}; the last layer gives "
                "one for each class"
            )
    return apply(ops.cross_entropy, logits, labels=labels)


def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Tensor:
    """Mean of -t ln σ(z) - (1 - t) ln(1 - σ(z)). The logarithms are -softplus(-z) and -softplus(z): exact and stable
    for logits z of any size.

    Parameters
    ----------
    logits : any shape. Not probabilities: the sigmoid is part of this loss
    targets : of the same shape, from 0 to 1

    Raises
    ------
    ValueError : the shapes differ, a target outside [0, 1], or logits that are a sigmoid already

    Examples
    --------
    >>> print(f"{binary_cross_entropy_with_logits([0.0, 1e4], [1.0, 1.0]):.4f}")  # ln 2 and 0
    0.3466
    """
    z, t = _pair(logits, targets)
    if z.op is ops.sigmoid:
        raise ValueError(
            "binary_cross_entropy_with_logits got the result of sigmoid; it applies it itself: pass the logits"
        )
    if t.size and not (t.array.min() >= 0 and t.array.max() <= 1):
        raise ValueError(f"targets are from 0 to 1, got values from {t.array.min()} to {t.array.max()}")
    return (t * (-z).softplus() + (1 - t) * z.softplus()).mean()


def hinge_loss(scores: Any, targets: Any) -> Tensor:
    """Mean of max(0, 1 - t s): the margin loss of the support vector machine (Cortes & Vapnik 1995).

    Parameters
    ----------
    scores : any shape
    targets : of the same shape, each -1 or 1

    Raises
    ------
    ValueError : the shapes differ, or a target is neither -1 nor 1

    Examples
    --------
    >>> hinge_loss([2.0, 0.5], [1.0, -1.0])  # 0 and 1.5
    Tensor(0.75)
    """
    s, t = _pair(scores, targets)
    if not np.all(np.abs(t.array) == 1):
        raise ValueError(f"targets are -1 or 1, got {np.unique(t.array)[:5]}; labels 0 and 1 become 2 * labels - 1")
    return (1 - s * t).relu().mean()


def _pair(predictions: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors of one shape; targets that require no gradient take the dtype of the predictions."""
    p = as_tensor(predictions)
    t = targets if isinstance(targets, Tensor) else Tensor(targets, name="targets")
    if t.dtype != p.dtype and p.dtype.kind == "f" and not t.requires_grad:
        t = t.astype(p.dtype)
    if p.shape != t.shape:
        fix = f"say targets.reshape{p.shape}" if p.size == t.size else "they have to be equal"
        raise ValueError(f"predictions have shape {p.shape} and targets {t.shape}; {fix}")
    if not p.size:
        raise ValueError("the loss got an empty batch: it has no mean")
    return p, t


def _error(predictions: Any, targets: Any) -> Tensor:
    p, t = _pair(predictions, targets)
    return p - t
