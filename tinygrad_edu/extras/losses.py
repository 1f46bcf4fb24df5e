"""The losses of `core.losses` with options: weights, smoothing, soft targets, one number for each sample; and two more.

The mathematics alone: `guards.loss_hints` looks at the arguments, and puts these in the place of the core's, which are
run as before where no option is given. Each loss is first a Tensor with a loss for each sample or element; `reduced`
makes one number of it. Labels may be a Tensor, as they are in a trace; then what is computed from them are Tensors too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.losses import of_one_shape
from ..core.tensor import Tensor, as_tensor, unwrap

where: Any = np.where  # of arrays and of Tensors
REDUCTIONS = ("mean", "sum", "none")


def mse_loss(predictions: Any, targets: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Tensor:
    """L = mean((p - t)²), the mean squared error over all elements. Its gradient grows with the error.

    Parameters
    ----------
    predictions, targets : of one shape; targets that require no gradient take the dtype of the predictions
    sample_weight : (N,), a weight for each sample, at least 0. The mean is then Σ w · e / Σ w
    reduction : "mean", "sum", or "none" for the losses one by one, in the shape of the predictions

    Returns
    -------
    Tensor : one number, except with "none"

    Raises
    ------
    ValueError : the shapes differ, or there are no elements; a weight below 0, or weights that are all 0, or not one
        for each sample; another reduction

    Examples
    --------
    >>> mse_loss([1.0, 2.0], [1.0, 4.0])  # (0² + 2²) / 2
    Tensor(2.)
    >>> mse_loss([1.0, 2.0], [1.0, 4.0], sample_weight=[3, 1])  # (3 · 0² + 1 · 2²) / 4
    Tensor(1.)
    >>> mse_loss([1.0, 2.0], [1.0, 4.0], reduction="none")
    Tensor([0., 4.])
    """
    p, t = of_one_shape(predictions, targets)
    error = p - t
    return reduced(error * error, sample_weight, reduction)


def l1_loss(predictions: Any, targets: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Tensor:
    """L = mean(|p - t|), the mean absolute error over all elements. An outlier counts less than in `mse_loss`.

    Parameters and errors as in `mse_loss`.

    Examples
    --------
    >>> l1_loss([1.0, 2.0], [1.0, 4.0])  # (0 + 2) / 2
    Tensor(1.)
    """
    p, t = of_one_shape(predictions, targets)
    return reduced((p - t).abs(), sample_weight, reduction)


def huber_loss(
    predictions: Any, targets: Any, delta: float = 1.0, *, sample_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """L = mean over the errors e = |p - t| of e² / 2 up to delta, and of delta · (e - delta / 2) beyond.

    This is a parabola that goes on as a straight line, so that an outlier pulls with the slope delta and no more. With
    q = min(e, delta) both pieces are q · (e - q / 2). As torch.nn.HuberLoss.

    Parameters
    ----------
    predictions, targets, sample_weight, reduction : as in `mse_loss`
    delta : where the straight line begins, above 0

    Raises
    ------
    ValueError : delta is not above 0; and as in `mse_loss`

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
    return reduced(q * (e - q / 2), sample_weight, reduction)


def binary_cross_entropy_with_logits(
    logits: Any, targets: Any, *, pos_weight: Any = None, sample_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """L = mean(-w t ln σ(z) - (1 - t) ln(1 - σ(z))): the cross-entropy of yes-or-no questions, each yes w times.

    The two logarithms are -softplus(-z) and -softplus(z): exact and stable for logits z of any size.

    Parameters
    ----------
    logits : any shape. Not probabilities: the sigmoid is part of this loss
    targets : of the same shape, from 0 to 1
    pos_weight : w, a number or one for each column, at least 0. No/yes, the samples that say no for each that says yes,
        makes the two sides equal. The mean is divided by the number of elements, as in torch
    sample_weight, reduction : as in `mse_loss`

    Raises
    ------
    ValueError : as in `mse_loss`; a target outside [0, 1]; logits that are a sigmoid already; a pos_weight below 0, or
        of a shape that does not fit

    Examples
    --------
    >>> print(f"{binary_cross_entropy_with_logits([0.0, 1e4], [1.0, 1.0]):.4f}")  # ln 2 and 0
    0.3466
    >>> print(f"{binary_cross_entropy_with_logits([0.0, 1e4], [1.0, 1.0], pos_weight=3):.4f}")
    1.0397
    """
    z, t = of_one_shape(logits, targets)
    yes = t if pos_weight is None else t * of_dtype(pos_weight, z)
    return reduced(yes * (-z).softplus() + (1 - t) * z.softplus(), sample_weight, reduction)


def hinge_loss(scores: Any, targets: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Tensor:
    """L = mean(max(0, 1 - t · s)): the margin loss of the support vector machine.

    A score on the right side of 0 costs nothing once it is 1 or more away from it.

    Parameters
    ----------
    scores : any shape
    targets : of the same shape, each -1 or 1
    sample_weight, reduction : as in `mse_loss`

    Raises
    ------
    ValueError : as in `mse_loss`; a target that is neither -1 nor 1

    References
    ----------
    Cortes & Vapnik 1995, Support-vector networks

    Examples
    --------
    >>> hinge_loss([2.0, 0.5], [1.0, -1.0])  # 0 and 1.5
    Tensor(0.75)
    """
    s, t = of_one_shape(scores, targets)
    return reduced((1 - s * t).relu(), sample_weight, reduction)


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any = None,
    sample_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = mean(-ln softmax(logits)[label]): softmax and loss in one, stable for logits of any size.

    Parameters
    ----------
    logits : (N, C), a score for each class. Not probabilities: softmax is part of this loss
    labels : (N,), integers from 0 to C - 1; or (N, C), the probability of each class, at least 0 and 1 in each row: L =
        mean(-Σ t ln softmax(logits))
    weight : (C,), a weight for each class, at least 0. With labels the mean is Σ w[label] · l / Σ w[label]
    sample_weight : (N,), a weight for each sample, at least 0. The mean is then divided by the sum of the weights
    label_smoothing : from 0 to 1: so much of the label's probability is spread over all classes
    ignore_index : the label of samples that do not count, such as -100
    reduction : "mean", "sum", or "none" for the N losses, with 0 where the label is ignored

    Returns
    -------
    Tensor : one number, except with "none". All as torch.nn.functional.cross_entropy, which has no sample_weight

    Raises
    ------
    TypeError : labels that are not integers
    ValueError : shapes that do not fit; no rows; a label out of range; rows of probabilities whose sum is not 1; logits
        that are a softmax already; a weight below 0, or not as many as there are classes or samples; samples of which
        none counts; another reduction

    References
    ----------
    Szegedy et al. 2016, Rethinking the Inception architecture for computer vision: label smoothing

    Examples
    --------
    >>> print(f"{cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1]):.4f}")  # ln 2
    0.6931
    >>> z = [[0.0, 1.0], [0.0, 1.0]]  # costs 1.3133 for class 0 and 0.3133 for class 1
    >>> print(f"{cross_entropy(z, [0, 1], weight=[3, 1]):.4f}")  # (3 · 1.3133 + 0.3133) / 4
    1.0633
    >>> print(f"{cross_entropy(z, [0, -100], ignore_index=-100):.4f}")
    1.3133
    >>> print(f"{cross_entropy(z, [[0.5, 0.5], [0.0, 1.0]]):.4f}")  # (0.8133 + 0.3133) / 2
    0.5633
    """
    z = as_tensor(logits)
    targets, counted = class_targets("cross_entropy", z, labels, weight, ignore_index, label_smoothing)
    return reduced(chosen(z.log_softmax(), targets), sample_weight, reduction, counted)


def nll_loss(
    log_probabilities: Any,
    labels: Any,
    *,
    weight: Any = None,
    sample_weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """L = mean(-q[label]): the negative log-likelihood of the labels, of a model that ends in log_softmax.

    Parameters
    ----------
    log_probabilities : q (N, C), the logarithm of the probability of each class
    labels : (N,), integers from 0 to C - 1
    weight, sample_weight, ignore_index, reduction : as in `cross_entropy`

    Raises
    ------
    TypeError, ValueError : as in `cross_entropy`; q above 0, which is the logarithm of no probability

    Examples
    --------
    >>> q = Tensor([[0.0, 0.0], [0.0, 1.0]]).log_softmax()
    >>> nll_loss(q, [0, 1]).item() == cross_entropy([[0.0, 0.0], [0.0, 1.0]], [0, 1]).item()
    True
    """
    q = as_tensor(log_probabilities)
    targets, counted = class_targets("nll_loss", q, labels, weight, ignore_index)
    return reduced(chosen(q, targets), sample_weight, reduction, counted)


def kl_div(log_probabilities: Any, targets: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Tensor:
    """L = mean(Σ t (ln t - q)): the Kullback-Leibler divergence of the distributions e^q from the distributions t.

    It is 0 where both are the same, and differs from the cross-entropy with soft targets by the entropy of t alone.

    Parameters
    ----------
    log_probabilities : q (N, C), the logarithm of the probability of each class, as log_softmax gives it
    targets : (N, C), the probability of each class, at least 0 and 1 in each row
    sample_weight : (N,), as in `cross_entropy`
    reduction : "mean" of the N divergences, "sum", or "none". The mean is torch's "batchmean"; torch's "mean" divides
        by C as well

    Raises
    ------
    ValueError : shapes that do not fit; rows of probabilities whose sum is not 1; q above 0; and as in `mse_loss`

    References
    ----------
    Kullback & Leibler 1951, On information and sufficiency

    Examples
    --------
    >>> print(f"{kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]]):.4f}")  # ln 2
    0.6931
    """
    q = as_tensor(log_probabilities)
    t = probabilities(q, targets)
    return reduced((t * where(t > 0, t, 1).log()).sum(axis=1) + chosen(q, t), sample_weight, reduction)


def class_targets(
    name: str, z: Tensor, labels: Any, weight: Any = None, ignore_index: int | None = None, smoothing: float = 0.0
) -> tuple[Any, Any]:
    """Return what each of the scores z (N, C) is multiplied with, and how much each sample counts in the mean.

    Soft targets, (N, C), count once each, as in torch, whatever the weights of the classes are.
    """
    w: Any = Tensor(np.ones(z.shape[-1:], z.dtype)) if weight is None else of_dtype(weight, z)
    if np.ndim(unwrap(labels)) == 2 and name == "cross_entropy":
        if ignore_index is not None:
            raise ValueError("ignore_index is for labels; give rows of probabilities the sample_weight 0")
        t = probabilities(z, labels)
        return (t * (1 - smoothing) + smoothing / w.size if smoothing else t) * w, None
    t = class_numbers(name, z, labels, ignore_index)
    w = w if isinstance(t, Tensor) else w.array
    kept = None if ignore_index is None else t != ignore_index
    t = t if kept is None else where(kept, t, 0)
    counted = w[t] if kept is None else where(kept, w[t], 0)
    targets = where(t[:, None] == np.arange(w.size), counted[:, None], 0)
    if smoothing:
        rest = w * (smoothing / w.size)
        targets = targets * (1 - smoothing) + (rest if kept is None else where(kept[:, None], rest, 0))
    return targets, counted


def class_numbers(name: str, z: Tensor, labels: Any, ignore_index: int | None) -> Any:
    """Return labels as an array or a Tensor; refuse what the core's loss refuses, but for those that are ignored."""
    given = labels if isinstance(labels, Tensor) else np.asarray(labels)
    t = unwrap(given)
    if z.ndim != 2 or t.shape != z.shape[:1]:
        raise ValueError(f"{name} takes (N, C) and labels (N,), got {z.shape} and {t.shape}")
    if not t.size:
        raise ValueError(f"{name} got an empty batch: it has no mean")
    if t.dtype.kind not in "iu":
        raise TypeError(f"labels are integers, got {t.dtype}")
    wrong = t[(t < 0) | (t >= z.shape[1])]
    if ignore_index is not None:
        wrong = wrong[wrong != ignore_index]
    if wrong.size:
        raise ValueError(f"label {wrong[0]}, but with {z.shape[1]} logits the labels are 0 to {z.shape[1] - 1}")
    return given


def probabilities(z: Tensor, targets: Any) -> Tensor:
    """Return targets (N, C) as a Tensor; refuse rows that are no probabilities."""
    _, t = of_one_shape(z, targets)
    if t.ndim != 2:
        raise ValueError(f"probabilities are (N, C), a row for each sample, got {t.shape}")
    low, sums = t.array.min(), t.array.sum(axis=1)
    if low < 0 or not (abs(sums - 1) < 1e-3).all():
        found = f"a row whose sum is {sums[abs(sums - 1).argmax()]:.4g}" if low >= 0 else f"{low:.4g}"
        other = "; for several classes at once there is binary_cross_entropy_with_logits"
        other *= bool(np.isin(t.array, (0, 1)).all())
        raise ValueError(f"probabilities are at least 0, and 1 in each row, got {found}{other}")
    return t


def chosen(q: Tensor, targets: Any) -> Tensor:
    """Return -Σ t q of each row. Where t = 0 nothing is added, be q minus infinity."""
    return -(where(targets == 0, 0, q) * targets).sum(axis=1)


def of_dtype(values: Any, other: Tensor) -> Tensor:
    """Return values as a Tensor of the dtype of another one."""
    t = as_tensor(values)
    return t if t.dtype == other.dtype or other.dtype.kind != "f" else t.astype(other.dtype)


def reduced(each: Tensor, sample_weight: Any, reduction: str, counted: Any = None) -> Tensor:
    """Return the losses of samples or elements, weighted, as their mean, their sum, or one by one.

    Parameters
    ----------
    each : (N, ...)
    counted : (N,), how much each sample counts in the mean; default: 1
    """
    if sample_weight is not None:
        w = of_dtype(sample_weight, each)
        counted = w if counted is None else counted * w
        each = each * w.reshape(-1, *[1] * (each.ndim - 1))
    if reduction != "mean":
        return each.sum() if reduction == "sum" else each
    if counted is None:
        return each.mean()
    total = counted.sum()
    if not unwrap(total) > 0:
        raise ValueError("no sample counts, as each is ignored or has the weight 0, so there is no mean")
    return each.sum() / (total * (each.size // len(each)))
