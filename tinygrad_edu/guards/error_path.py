"""The layer's path in an error: which layer of the model refused its input, and which shapes came before it.

`called` takes the place of ``Layer.__call__``. A call that succeeds costs one ``try``; after an error the outermost
layer, which alone knows the whole path, completes the message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import signature
from types import FrameType
from typing import Any

import numpy as np

from ..core.layers import Layer, contents
from ..core.tensor import Tensor, as_tensor, unwrap
from .frames import outside
from .names import arguments_fit

NOTHING: Any = object()  # in the place of an output that is None
SILENT = "returned None: is there a return at the end of its forward?"
Shapes = dict[str, tuple[Any, Any]]  # path to shapes in and out, as `shape_of` gives them


def called(layer: Layer, /, *inputs: Any, **named: Any) -> Any:
    """Return ``layer.forward(*inputs, **named)``. An error of the shapes or types gets the layer's path.

    Raises
    ------
    TypeError : also if forward takes other arguments, or returns None
    """
    try:
        y = layer.forward(*inputs, **named)
        if y is None:
            raise TypeError(f"{layer!r} {SILENT}")
        return y
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError):
            arguments_fit(f"{type(layer).__name__}.forward", signature(layer.forward), inputs, named)
        caller: FrameType | None = sys._getframe(1)
        while caller is not None and caller.f_code is not called.__code__:
            caller = caller.f_back
        if caller is None:  # the outermost layer knows the whole path
            explain(layer, error, *inputs, **named)
        raise


def refuse(layer: Layer, kind: type[Exception], problem: str) -> Exception:
    """Return the error to raise for an input that does not fit; the message will begin with the layer's path."""
    return kind(f"{layer!r} {problem}")


def explain(model: Layer, error: Exception, *inputs: Any, **named: Any) -> None:
    """Say in which layer the error arose, and which shapes the layers before it gave.

    A message that begins with the layer's repr gets the path before it; another error of this package gets a note. An
    error that the user's own code raised with its own words stays as it is.

    Parameters
    ----------
    model : the outermost layer
    error : is changed
    inputs, named : the model's
    """
    if "NoneType" in str(error):  # a layer of a Sequential, which calls their forward
        for path, (_, y) in shapes_seen(model, *inputs, **named).items():
            if y is NOTHING:
                silent = dict(model.named_layers())[path]
                error.args = (f"{path} ({silent!r}) {SILENT}" if path else f"{silent!r} {SILENT}",)
                return
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
        for earlier, (_, shape) in shapes_seen(model, *inputs, **named).items():
            if earlier == path:
                break
            if not any(isinstance(value, Layer) for _, value in contents(layers[earlier])):
                before.append(f"{earlier} {layers[earlier]!r} gave {text_of(shape)}")
        shapes = [f"the input {text_of(shape_of(inputs))}", *["..."] * (len(before) > 6), *before[-6:]]
        error.add_note(f"shapes before it: {', '.join(shapes)}")


def shapes_seen(model: Layer, *inputs: Any, strict: bool = False, **named: Any) -> Shapes:
    """Send inputs through the model once more, in evaluation mode, and return the path of each layer to its shapes.

    Parameters
    ----------
    strict : whether an error is raised; otherwise the layers before it are returned
    """
    layers, seen = list(model.named_layers()), Shapes()
    try:
        for path, layer in layers:
            vars(layer)["forward"] = _watched(layer.forward, path, seen)
        with model.evaluating(), suppress(*[] if strict else [Exception]):
            (model if strict else model.forward)(*inputs, **named)
    finally:
        for _, layer in layers:
            vars(layer).pop("forward", None)
    return seen


def _watched(forward: Callable[..., Any], path: str, seen: Shapes) -> Callable[..., Any]:
    @wraps(forward)
    def watching(*inputs: Any, **named: Any) -> Any:
        y = forward(*inputs, **named)
        seen[path] = shape_of(inputs), NOTHING if y is None else shape_of(y)
        return y

    return watching


def shape_of(value: Any) -> Any:
    """Return the shape of an array; of several in a tuple a list of shapes, of one alone its shape; None of others."""
    if isinstance(value, (tuple, list)) and any(hasattr(one, "shape") for one in value):
        shapes = [shape_of(one) for one in value]
        return shapes[0] if len(shapes) == 1 else shapes
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    try:
        return np.shape(unwrap(value))
    except ValueError:
        return None


def text_of(shape: Any) -> str:
    """Return what `shape_of` found as text."""
    return ", ".join(map(text_of, shape)) if isinstance(shape, list) else "?" if shape is None else str(shape)


def matched(layer: Any, x: Any, like: Tensor) -> Any:
    """Return x, checked to have the dtype of like and layer.in_features columns, or pictures of
    layer.in_channels. Whole numbers take the dtype.

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
    if (channels := getattr(layer, "in_channels", None)) is not None:
        if a.ndim != 4 or a.shape[1] != channels:
            raise ValueError(f"{layer!r} takes pictures of shape (N, {channels}, H, W), got {a.shape}")
    elif a.shape[-1:] != (layer.in_features,):
        raise ValueError(f"{layer!r} takes inputs of shape (N, {layer.in_features}), got {a.shape}")
    return x
