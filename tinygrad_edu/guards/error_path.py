"""The layer's path in an error: which layer of the model refused its input, and which shapes came before it.

`called` takes the place of ``Layer.__call__``. A call that succeeds costs one ``try``; after an error the outermost
layer, which alone knows the whole path, completes the message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import numpy as np

from ..core.layers import Layer, contents
from ..core.tensor import Tensor, as_tensor, unwrap
from .frames import outside

Shapes = dict[str, tuple[tuple[int, ...], tuple[int, ...]]]  # path to shapes in and out


def called(layer: Layer, x: Any) -> Tensor:
    """Return ``layer.forward(x)``. An error of the shapes or types gets the layer's path."""
    try:
        return layer.forward(x)
    except (TypeError, ValueError) as error:
        caller: FrameType | None = sys._getframe(1)
        while caller is not None and caller.f_code is not called.__code__:
            caller = caller.f_back
        if caller is None:  # the outermost layer knows the whole path
            explain(layer, error, x)
        raise


def refuse(layer: Layer, kind: type[Exception], problem: str) -> Exception:
    """Return the error to raise for an input that does not fit; the message will begin with the layer's path."""
    return kind(f"{layer!r} {problem}")


def explain(model: Layer, error: Exception, x: Any) -> None:
    """Say in which layer the error arose, and which shapes the layers before it gave.

    A message that begins with the layer's repr gets the path before it; another error of this package gets a note. An
    error that the user's own code raised with its own words stays as it is.

    Parameters
    ----------
    model : the outermost layer
    error : is changed
    x : the model's input
    """
    frames, tb = list[FrameType](), error.__traceback__
    while tb is not None:
        frames.append(tb.tb_frame)
        tb = tb.tb_next
    at, where = 0, model
    for i, frame in enumerate(frames[1:], 1):  # without the frame of `called`, which holds the error: a cycle
        owner = frame.f_locals.get("self")
        if isinstance(owner, Layer):
            at, where = i, owner
    refused = str(error).startswith(f"{where!r} ")
    if not refused and all(outside(frame) is frame for frame in frames[at:]):
        return
    path = next((path for path, layer in model.named_layers() if layer is where), "")
    what = f"{path} ({where!r})" if path else repr(where)
    if refused:
        error.args = (f"{what}{str(error)[len(repr(where)) :]}",)
    else:
        error.add_note(f"in {what}")
    if path:
        layers, before = dict(model.named_layers()), []
        for earlier, (_, shape) in shapes_seen(model, x).items():
            if earlier == path:
                break
            if not any(isinstance(value, Layer) for _, value in contents(layers[earlier])):
                before.append(f"{earlier} {layers[earlier]!r} gave {shape}")
        shapes = [f"the input {np.shape(unwrap(x))}", *["..."] * (len(before) > 6), *before[-6:]]
        error.add_note(f"shapes before it: {', '.join(shapes)}")


def shapes_seen(model: Layer, x: Any, strict: bool = False) -> Shapes:
    """Send x through the model once more, in evaluation mode, and return the path of each layer to its shapes.

    Parameters
    ----------
    strict : whether an error is raised; otherwise the layers before it are returned
    """
    layers, seen = list(model.named_layers()), Shapes()
    try:
        for path, layer in layers:
            vars(layer)["forward"] = _watched(layer.forward, path, seen)
        with model.evaluating(), suppress(*[] if strict else [Exception]):
            (model if strict else model.forward)(x)
    finally:
        for _, layer in layers:
            vars(layer).pop("forward", None)
    return seen


def _watched(forward: Callable[[Any], Tensor], path: str, seen: Shapes) -> Callable[[Any], Tensor]:
    def watching(x: Any) -> Tensor:
        y = forward(x)
        seen[path] = np.shape(unwrap(x)), y.shape
        return y

    return watching


def matched(layer: Any, x: Any, like: Tensor) -> Any:
    """Return x, checked to have the dtype of like and layer.in_features columns. Whole numbers take the dtype.

    Another float dtype is refused, not converted: half of a model in another precision is slow and hard to find.

    Raises
    ------
    TypeError : x holds no real numbers, or floats of another dtype
    ValueError : the last axis of x is not layer.in_features long
    """
    a = x.array if isinstance(x, Tensor) else x
    try:
        if a.dtype is like.array.dtype and a.shape[-1] == layer.in_features:
            return x
    except (AttributeError, IndexError):  # a list, or a number
        pass
    if getattr(a, "dtype", None) is not like.array.dtype:
        x = as_tensor(x)
        a = x.array
        if a.dtype.kind in "iub":
            x = a = a.astype(like.dtype)
        if a.dtype != like.dtype:
            other = f", or build the layer with dtype=np.{a.dtype}" if a.dtype in (np.float32, np.float64) else ""
            raise TypeError(f"{layer!r} is {like.dtype} and got {a.dtype}; say x.astype(np.{like.dtype}){other}")
    if a.shape[-1:] != (layer.in_features,):
        raise ValueError(f"{layer!r} takes inputs of shape (N, {layer.in_features}), got {a.shape}")
    return x
