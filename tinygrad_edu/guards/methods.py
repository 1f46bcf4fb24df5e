"""Methods of Tensor: what NumPy refuses is said in our words. `CHECKS` come first: there NumPy would take nonsense."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from math import isnan, prod
from typing import Any

import numpy as np

from ..core.tensor import Tensor, unwrap
from .kinds import POOL
from .names import arguments_fit
from .words import worded


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


def check_conv2d(x: Any, W: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> None:
    """Raise for pictures and kernels that do not fit each other, and for numbers out of range."""
    pictures, kernels = np.shape(unwrap(x)), np.shape(unwrap(W))
    if len(pictures) != 4 or len(kernels) != 4:
        raise ValueError(f"conv2d: pictures x (N, C, H, W) and kernels W (K, C, h, w), got {pictures} and {kernels}")
    if pictures[1] != kernels[1]:
        raise ValueError(f"conv2d: x {pictures} has {pictures[1]} channels, and W {kernels} is for {kernels[1]}")
    check_window("conv2d", pictures, kernels[2:], stride, padding, dilation)


def check_pool(a: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> None:
    """Raise for pictures that are smaller than a window, and for numbers out of range."""
    shape = np.shape(unwrap(a))
    if np.any(padding) and np.asarray(unwrap(a)).dtype.kind not in "f":
        raise TypeError(
            "pooling: padding is infinite, or counts as 0.0, so the picture holds floats; say x.astype(float)"
        )
    check_window("pooling", shape, kernel_size, stride, padding, dilation)
    if any(2 * p > n for p, n in zip(both(padding), both(kernel_size))):
        raise ValueError(f"pooling: padding = {padding}, but it is at most half of kernel_size = {kernel_size}")


def check_window(what: str, shape: tuple[int, ...], size: Any, stride: Any, padding: Any, dilation: Any) -> None:
    """Raise for numbers out of range, and for a window that is larger than the picture of this shape."""
    for name, value in {"kernel_size": size, "stride": stride, "padding": padding, "dilation": dilation}.items():
        POOL[name](name, value)
    if len(shape) < 2:
        raise ValueError(f"{what}: pictures have the shape (..., H, W), got {shape}")
    reach = [d * (n - 1) + 1 for d, n in zip(both(dilation), both(size))]
    whole = [n + 2 * p for n, p in zip(shape[-2:], both(padding))]
    if any(n > m for n, m in zip(reach, whole)):
        said = f"a window of {reach[0]} x {reach[1]} is larger than the picture, {whole[0]} x {whole[1]}"
        raise ValueError(f"{what}: {said}{' with its padding' * any(both(padding))}")


def both(value: Any) -> list[int]:
    """Return what is given for height and width, or once for both, as two numbers."""
    return np.broadcast_to(value, 2).tolist()


CHECKS: dict[str, Callable[..., None]] = {
    **{"clip": check_clip, "var": check_ddof, "std": check_ddof},
    **{"conv2d": check_conv2d, "max_pool2d": check_pool, "avg_pool2d": check_pool},
}


def before(method: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
    """Return a method whose arguments are checked first."""
    shape, name = signature(method), method.__name__

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments_fit(name, shape, args, kwargs)
        check(*args, **kwargs)
        return method(*args, **kwargs)

    return call


MASKS = {f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "invert")}
ENGINE = {"read"}  # nobody else calls it
ARRAYS = {"self", "a", "b", "x", "W", "t"}  # where there is nothing else, `core.tensor.apply` has the words


def install() -> None:
    """Put the guards in the place of Tensor's methods that have a row in `CHECKS`, or arguments that are no arrays."""
    for name, method in list(vars(Tensor).items()):
        if not callable(method) or name in ENGINE or (name.startswith("__") and name not in MASKS):
            continue
        parameters = (getattr(method, "__signature__", None) or signature(method)).parameters.values()
        if name in CHECKS:
            method = before(method, CHECKS[name])
        if not all(p.name in ARRAYS and p.default is p.empty for p in parameters):
            method = worded(method, name)
        if method is not vars(Tensor)[name]:
            setattr(Tensor, name, method)
