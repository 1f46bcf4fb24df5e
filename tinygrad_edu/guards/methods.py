"""Methods of Tensor with options: what they do not take is refused in one sentence, with the names or the axes.

A call that succeeds costs one ``try``. Only `clip`, `var` and `std` are looked at before, as they would take nonsense.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from math import isnan, prod
from typing import Any

import numpy as np

from ..core.tensor import Tensor, unwrap
from .names import arguments_fit

NUMPYS = (np.exceptions.AxisError, TypeError, IndexError)


def with_options(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method whose arguments, if NumPy or Python refuses them, are refused by a sentence of ours."""
    shape, name = signature(method), method.__name__

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except NUMPYS as error:
            arguments_fit(name, shape, args, kwargs)
            axis = shape.bind(*args, **kwargs).arguments.get("axis")
            refuse_axis(name, axis, np.ndim(unwrap(args[0])), error)
            raise

    return call


def refuse_axis(name: str, axis: Any, ndim: int, error: Exception) -> None:
    """Raise if axis is none of an array with ndim axes."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if axis is None or not ndim:
        return
    if not all(isinstance(i, (int, np.integer)) for i in axes):
        raise TypeError(f"{name}: axis is a whole number or a tuple of them, got {axis!r}") from None
    if not all(-ndim <= i < ndim for i in axes):
        kind = type(error) if isinstance(error, np.exceptions.AxisError) else ValueError
        ends = f"from {-ndim} to {ndim - 1}"
        raise kind(f"{name}: axis = {axis}, but a tensor with {ndim} axes has those {ends}") from None


def check_clip(t: Any, low: Any = None, high: Any = None) -> None:
    """Raise for bounds that are no numbers, NaN, or the wrong way round."""
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, (str, bytes, complex, list, tuple, dict, bool)):
            raise TypeError(f"clip: {name} is a number or None, got {type(value).__name__}")
        if isinstance(value, float) and isnan(value):
            raise ValueError(f"clip: {name} is NaN")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        raise ValueError(f"clip: low = {low} is above high = {high}; is one in the other's place?")


def check_ddof(t: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> None:
    """Raise for a ddof that is no whole number, or leaves nothing to divide by."""
    if isinstance(ddof, bool) or not isinstance(ddof, (int, float, np.integer, np.floating)) or not ddof >= 0:
        raise TypeError(f"ddof is a number, at least 0, got {ddof!r}")
    shape = np.shape(unwrap(t))
    try:
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        n = prod(shape[i] for i in axes)
    except (IndexError, TypeError):  # the method refuses the axis
        return
    if 0 < n <= ddof:
        raise ValueError(f"ddof = {ddof}, but it has to be below the {n} numbers that are averaged")


CHECKS: dict[str, Callable[..., None]] = {"clip": check_clip, "var": check_ddof, "std": check_ddof}


def before(method: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
    """Return a method whose arguments are checked first."""
    shape, name = signature(method), method.__name__

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments_fit(name, shape, args, kwargs)
        check(*args, **kwargs)
        return method(*args, **kwargs)

    return call


def install() -> None:
    """Put the guards in the place of Tensor's methods that have options, or a row in `CHECKS`."""
    for name, method in list(vars(Tensor).items()):
        if not callable(method) or name.startswith("_") or isinstance(method, type):
            continue
        if name in CHECKS:
            method = before(method, CHECKS[name])
        if any(p.default is not p.empty for p in signature(method).parameters.values()):
            method = with_options(method)
        if method is not vars(Tensor)[name]:
            setattr(Tensor, name, method)
