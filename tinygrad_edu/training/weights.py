"""Weights of samples and classes: what `fit` makes of ``sample_weight`` and ``class_weight``."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

import numpy as np

from ..core.ops import Array
from ..guards.kinds import number, shown
from ..guards.samples import Data, is_several, numbers
from .scores import Loss, is_labels, label_options

FORMS = '"balanced", a dict of weights by class, or an array of one weight for each class'


def checked_weights(sample_weight: Any, n: int) -> Array | None:
    """Return the weights of n samples as an array, or None."""
    if sample_weight is None:
        return None
    weights = numbers("sample_weight", sample_weight).astype(float)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, but there are {n} samples: say shape ({n},)")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError("sample_weight holds finite numbers, at least 0, and not all of them zero")
    return weights


def class_table(class_weight: Any, y: Data) -> Array | None:
    """Return the weight of each class as an array by its number, or None.

    >>> class_table("balanced", np.array([0, 0, 0, 1]))  # 4 / (2 · 3) and 4 / (2 · 1)
    array([0.66666667, 2.        ])
    """
    if class_weight is None:
        return None
    if is_several(y) or y.shape[1:] not in ((), (1,)) or not y.size or (y % 1).any() or y.min() < 0:
        raise ValueError("class_weight needs one class number for each sample in y: 0, 1, 2, ...")
    kinds, counts = np.unique(y.astype(int), return_counts=True)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight is {FORMS}, got {class_weight!r}")
        given = dict(zip(kinds.tolist(), y.size / (len(kinds) * counts)))
    elif isinstance(class_weight, Mapping):
        given = dict(class_weight)
    else:
        array = numbers("class_weight", class_weight)
        if array.ndim != 1:
            raise ValueError(f"class_weight is {FORMS}, got {shown(class_weight)}")
        given = dict(enumerate(array.tolist()))
    if missing := [int(kind) for kind in kinds if kind not in given]:
        raise ValueError(f"class_weight has no weight for the class{'es' * (len(missing) > 1)} {missing} in y")
    for kind, weight in given.items():
        number(f"class_weight[{kind!r}]", weight, 0)
    return np.array([given.get(kind, 0.0) for kind in range(max(2, kinds.max() + 1))], float)


def counts_of(loss: Loss, y: Data, weights: Array | None = None) -> Array | None:
    """Return how much each sample counts in the mean that the loss of a batch is; None if all count the same.

    The mean over several batches is that of their losses, each times the sum of its counts. A batch whose counts are
    all 0 has no mean.

    >>> from functools import partial
    >>> from tinygrad_edu import cross_entropy
    >>> counts_of(partial(cross_entropy, weight=[1, 50], ignore_index=-1), np.array([0, 1, -1]))
    array([ 1., 50.,  0.])
    """
    options = label_options(loss) if is_labels(y) else {}
    weight, ignored = (options.get(name) for name in ("weight", "ignore_index"))
    if (weight is None and ignored is None) or options.get("reduction", "mean") != "mean":
        return weights
    counts = (y != ignored).astype(float)
    if weight is not None:
        known, table = np.where(y == ignored, 0, y), numbers("weight", weight)
        if table.ndim != 1 or not 0 <= known.min() <= known.max() < len(table):
            return weights  # which the loss refuses
        counts *= table[known]
    return counts if weights is None else counts * weights


def adds(loss: Loss) -> bool:
    """Return True if the loss of a batch is the sum over its samples: a loss of ours with reduction="sum"."""
    return getattr(loss, "keywords", {}).get("reduction") == "sum"


def require_counts(name: str, counts: Array | None) -> None:
    """Raise ValueError if no sample counts."""
    if counts is not None and not counts.any():
        raise ValueError(f"{name}: no sample counts, as each has the weight 0 or a label that is ignored")


def take_weights(loss: Loss) -> None:
    """Raise TypeError unless a loss takes the keyword sample_weight."""
    try:
        taken = signature(loss).parameters.values()
    except (TypeError, ValueError):
        return
    if not any(p.name == "sample_weight" or p.kind is Parameter.VAR_KEYWORD for p in taken):
        name = getattr(loss, "__name__", type(loss).__name__)
        raise TypeError(
            f"weights reach the loss as sample_weight=, which {name} does not take; tg.cross_entropy does, or write "
            f"def {name.replace('<lambda>', 'loss')}(output, y, sample_weight)"
        )
