"""Models in use: the loss on data, and predictions, in evaluation mode and without a graph."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from ..guards.kinds import whole
from ..guards.loss_hints import about_fit, require_loss
from ..guards.samples import Data, caller, each, is_several, numbers, parts_of, rows_of, taker
from .history import Evaluation
from .scores import Loss, reader
from .weights import adds, counts_of, require_counts


def predict(model: Layer, X: Any, batch_size: int = 1024) -> Any:
    """Return the model's output for X as an array, in evaluation mode and without recording a graph.

    Parameters
    ----------
    X : the samples, as for `fit`: an array, or a tuple or dict of arrays for a model with several inputs
    batch_size : number of samples at a time

    Returns
    -------
    array : one row for each sample; of several outputs a tuple or a dict. Labels are ``predict(X).argmax(axis=1)``

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> mlp([2, 3], rng=0).predict([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 3)
    """
    whole("batch_size", batch_size, 1)
    X = each("X", numbers, X)
    lengths = {part.shape[:1] for part in parts_of(X)}
    if lengths == {(0,)}:
        raise ValueError("X holds no samples, so there is nothing to predict")
    if lengths & {(), (0,)} or len(lengths) > 1:
        raise ValueError(f"X needs one row for each sample, got shapes {', '.join(str(p.shape) for p in parts_of(X))}")
    with model.evaluating():
        return joined([unwrapped(output) for _, output in forward(model, X, batch_size)])


def evaluation(
    model: Layer, X: Data, y: Data, loss: Loss, batch_size: int | None = 1024, keep: bool = False
) -> tuple[Evaluation, Any]:
    """Return the mean loss and the accuracy on data that have been checked; and all outputs, if they are to be kept."""
    total, seen, asked, right, read, outputs = 0.0, 0.0, 0, None, reader(loss, y), list[Any]()
    counts, summed = counts_of(loss, y), adds(loss)
    require_counts("y", counts)
    with model.evaluating():
        for rows, output in forward(model, X, batch_size):
            yb = rows_of(y, rows)
            count = len(rows) if counts is None else float(counts[rows].sum())
            if count:
                total += cost_of(loss, output, yb, y).item() * (1 if summed else count)
                seen += count
            if read is not None and (counted := read.right(output, yb)) is not None:
                right, asked = (right or 0) + counted, asked + read.asked(y, rows)
            outputs += [unwrapped(output)] * keep
    return means(total, right, seen, asked), joined(outputs) if keep else None


def forward(model: Layer, X: Data, batch_size: int | None) -> Iterator[tuple[Array, Any]]:
    """Yield the rows of each batch, and the model's output for them."""
    take, call, n = taker(model, X), caller(model, X), len(parts_of(X)[0])
    size = batch_size or n
    for first in range(0, n, size):
        rows = np.arange(first, min(first + size, n))
        yield rows, call(take(rows))


def cost_of(loss: Loss, output: Any, yb: Data, y: Data, **more: Any) -> Tensor:
    """Return the loss of a batch, a Tensor with one number; what the loss refuses is said of y as a whole."""
    try:
        cost = loss(output, yb, **more)
    except (TypeError, ValueError) as error:
        if not is_several(y):
            about_fit(error, output, y)
        elif str(getattr(ours := getattr(loss, "func", loss), "__module__", "")).startswith(__name__.partition(".")[0]):
            raise TypeError(
                f"y is a {type(y).__name__} of arrays, and {ours.__name__} takes one array; give that one, or write a "
                "loss of your own, a function of the model's output and such a y"
            ) from None
        raise
    require_loss(cost)
    return cost


def means(total: float, right: int | None, seen: float, asked: int) -> Evaluation:
    """Return the mean of losses that count so much, and the accuracy, of so many answers; NaN if there were none."""
    accuracy = None if right is None else right / asked if asked else nan
    return Evaluation(total / seen if seen else nan, accuracy)


def unwrapped(output: Any) -> Any:
    """Return the numbers of an output: an array, or a tuple or dict of arrays."""
    if isinstance(output, dict):
        return {name: unwrap(part) for name, part in output.items()}
    return tuple(map(unwrap, output)) if isinstance(output, (tuple, list)) else unwrap(output)


def joined(outputs: list[Any]) -> Any:
    """Return the outputs of all batches as one: arrays end to end, in a tuple or a dict as the model returned them."""
    first = outputs[0]
    if isinstance(first, dict):
        return {name: np.concatenate([output[name] for output in outputs]) for name in first}
    if isinstance(first, tuple):
        return tuple(map(np.concatenate, zip(*outputs)))
    return np.concatenate(outputs)
