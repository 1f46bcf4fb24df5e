"""Answers and scores: what a model's output says of a sample, how many answers are right, and metrics of the user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isnan, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..core.losses import binary_cross_entropy_with_logits
from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from ..guards.kinds import function, is_whole, shown
from ..guards.loss_hints import GUARDED
from ..guards.samples import Data, is_several, rows_of

Loss: TypeAlias = Callable[..., Tensor]  # of the model's output and y
COLUMNS = ("epoch", "loss", "accuracy", "lr", "seconds")  # of a history, which a metric may not take


class Reader(NamedTuple):
    """The way to read answers out of an output.

    Attributes
    ----------
    answers : function of an output: an array that is to be compared with y; None if there are no answers in it
    each : number of answers for a sample: the accuracy is the share of all
    ignored : the label of samples that have no answer, the loss's ignore_index
    """

    answers: Callable[[Any], Array | None]
    each: int = 1
    ignored: int | None = None

    def asked(self, y: Array, rows: Array) -> int:
        """Return how many answers these rows of y have."""
        return self.each * (len(rows) if self.ignored is None else int(np.count_nonzero(y[rows] != self.ignored)))

    def right(self, output: Any, yb: Array) -> int | None:
        """Return how many answers in the output of a batch are right."""
        answers = self.answers(output)
        if answers is None:
            return None
        return int(np.count_nonzero(answers == yb if self.ignored is None else (answers == yb) & (yb != self.ignored)))


def reader(loss: Loss, y: Data) -> Reader | None:
    """Return the reader for targets of this kind; None if they are no answers.

    Class numbers in y: the class with the highest score. 0 and 1 in y under `binary_cross_entropy_with_logits`, one or
    several for a sample: 1 for a logit above 0.
    """
    if is_several(y):
        return None
    if getattr(loss, "func", loss) is binary_cross_entropy_with_logits:
        return Reader(yes_or_no, prod(y.shape[1:])) if ((y == 0) | (y == 1)).all() else None
    return Reader(best_class, 1, label_options(loss).get("ignore_index")) if is_labels(y) else None


def is_labels(y: Data) -> bool:
    """Return whether y is one array of class numbers."""
    return isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iu"


def label_options(loss: Loss) -> dict[str, Any]:
    """Return the options, but for None, in a functools.partial of a loss of this package that takes labels."""
    options: dict[str, Any] = getattr(loss, "keywords", {})
    ours = any(getattr(loss, "func", None) is GUARDED[name] for name in ("cross_entropy", "nll_loss"))
    options = {name: value for name, value in options.items() if value is not None} if ours else {}
    return options if is_whole(options.get("ignore_index", 0)) else {}


def best_class(output: Any) -> Array | None:
    """Return the number of the highest score of each sample, -1 if one is NaN; None unless each class has a score."""
    scores = unwrap(output)
    if isinstance(scores, (tuple, list, dict)) or len(scores.shape) != 2 or scores.shape[1] < 2:
        return None
    answers: Array = scores.argmax(axis=1)
    if scores.size and isnan(scores.item(scores.argmax())):  # the place of the first NaN, if there is one
        answers[np.isnan(scores).any(axis=1)] = -1
    return answers


def yes_or_no(output: Any) -> Array | None:
    """Return 1 for each logit above 0, else 0; -1 for NaN."""
    logits = unwrap(output)
    return None if isinstance(logits, (tuple, list, dict)) else (logits > 0).astype(int) - np.isnan(logits)


# --- metrics ----------------------------------------------------------------------------------------------------------


def checked_metrics(metrics: Any) -> dict[str, Callable[..., Any]]:
    """Return metrics as a dict; raise unless they are functions, under names that are no columns of a history."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise TypeError(f'metrics is a dict of functions, as {{"f1": sklearn.metrics.f1_score}}, got {shown(metrics)}')
    for name, measure in metrics.items():
        if not isinstance(name, str) or name in COLUMNS or name.startswith("validation_"):
            raise ValueError(f"metrics: {name!r} cannot be the name of a metric: it has to be a text that is no column")
        function(f"metrics[{name!r}]", measure)
    return dict(metrics)


def columns_of(validated: bool, metrics: Mapping[str, Any]) -> list[str]:
    """Return the columns that the rows of a history may have."""
    more = ["validation_loss", "validation_accuracy"] * validated
    return [*COLUMNS[:3], *more, *("validation_" * validated + name for name in metrics), *COLUMNS[3:]]


def measured(metrics: Mapping[str, Any], read: Reader | None, y: Data, outputs: Any) -> dict[str, float]:
    """Return the metrics of all outputs: functions of y and the answers, or of y and the outputs if these are none."""
    answers = None if read is None else read.answers(outputs)
    given = outputs if answers is None else answers
    if read is not None and read.ignored is not None:
        kept = y != read.ignored
        y, given = y[kept], rows_of(given, kept)
    if answers is not None and answers.shape[1:] == (1,):
        y, given = y.ravel(), answers.ravel()
    values = {name: measure(y, given) for name, measure in metrics.items()}
    for name, value in values.items():
        if np.ndim(value) or not isinstance(value, (int, float, np.number, np.ndarray, np.bool_)):
            raise TypeError(f"metrics[{name!r}] has to return a number, it returned {shown(value)}")
    return {name: float(value) for name, value in values.items()}
