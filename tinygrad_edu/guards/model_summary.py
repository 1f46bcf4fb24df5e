"""The table of a model: each layer's path, its shapes, and how many parameters it has."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.layers import Layer, contents
from ..core.tensor import Tensor
from .error_path import shapes_seen


def summary(model: Layer, input_shape: tuple[int, ...] | None = None, file: Any = None) -> None:
    """Print a table: each layer's path, shape in, shape out, number of parameters.

    Parameters
    ----------
    input_shape : of one sample; may be left out if the first layer says what it takes
    file : where to print, as for `print`

    Raises
    ------
    ValueError : input_shape is needed; layers that do not fit one another

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> mlp([2, 3, 1]).summary()
    layer     kind        in  ->     out  parameters
    layers.0  Linear  (N, 2)  ->  (N, 3)           9
    layers.1  ReLU    (N, 3)  ->  (N, 3)           0
    layers.2  Linear  (N, 3)  ->  (N, 1)           4
    total                                         13
    """
    rows = [("layer", "kind", "in", "->", "out", "parameters")]
    seen = shapes_seen(model, np.zeros(*_sample(model, input_shape)), strict=True)
    shapes, counted = {path: tuple(map(_text, both)) for path, both in seen.items()}, set[int]()
    for path, layer in model.named_layers():
        own = [t for _, t in contents(layer) if isinstance(t, Tensor) and t.requires_grad and id(t) not in counted]
        counted |= {id(t) for t in own}
        if own or not any(isinstance(value, Layer) for _, value in contents(layer)):
            given, got = shapes.get(path, ("?", "?"))
            rows.append((path or "-", type(layer).__name__, given, "->", got, f"{sum(t.size for t in own):,}"))
    rows.append(("total", "", "", "", "", f"{sum(p.size for p in model.parameters()):,}"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        left, right = zip(row[:2], widths[:2]), zip(row[2:], widths[2:])
        print("  ".join([*(cell.ljust(w) for cell, w in left), *(cell.rjust(w) for cell, w in right)]), file=file)


def _sample(model: Layer, input_shape: tuple[int, ...] | None) -> tuple[tuple[int, ...], Any]:
    """Return shape and dtype of a batch of one sample."""
    if input_shape is None:
        layers: list[Any] = [layer for _, layer in model.named_layers()]
        sized = [layer for layer in layers if hasattr(layer, "in_features") or hasattr(layer, "in_channels")]
        if sized and hasattr(sized[0], "in_channels"):
            fix = f"call summary(input_shape=({sized[0].in_channels}, H, W)), without the batch"
            raise ValueError(f"{sized[0]!r} takes pictures of any height and width: {fix}")
        known = [layer.in_features for layer in sized[:1]]
        if not known:
            raise ValueError("no layer says what input it takes: call summary(input_shape=(...)), without the batch")
        input_shape = (known[0],)
    return (1, *input_shape), next((t.dtype for t in model.named_tensors().values()), np.dtype(float))


def _text(shape: Any) -> str:
    """Return a shape with N for the batch; several of them one after the other."""
    if shape is None:
        return "?"
    if isinstance(shape, list):
        return ", ".join(map(_text, shape))
    return f"({', '.join(['N', *map(str, shape[1:])])})" if len(shape) > 1 else "(N,)"
