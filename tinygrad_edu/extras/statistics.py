"""Statistics and sequences of NumPy on Tensors, made of others: rows of a table, for `composed`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..core.tensor import Tensor, apply, as_tensor, unwrap
from . import ops
from .products import moveaxis

Function = Callable[..., Any]


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along axis, n times; of the array between prepend and append, if they are given."""
    if n and not (prepend is None and append is None):
        one = [1 if i == axis % a.ndim else m for i, m in enumerate(a.shape)]
        ends = [e if e is None or np.ndim(unwrap(e)) else np.broadcast_to(e, one) for e in (prepend, append)]
        return diff(np.concatenate([e for e in (ends[0], a, ends[1]) if e is not None], axis=axis), n, axis)
    before = (slice(None),) * (range(a.ndim)[axis])
    return a if n == 0 else diff(a[(*before, slice(1, None))] - a[(*before, slice(None, -1))], n - 1, axis)


def sort(a: Any, axis: int | None = -1) -> Tensor:
    """y = the elements in ascending order along axis, of all when it is None (`ops.sort`). A new Tensor: the one
    that it is called on stays as it is"""
    a = as_tensor(a)
    return apply(ops.sort, a.reshape(-1) if axis is None else a, axis=-1 if axis is None else range(a.ndim)[axis])


def quantile(a: Any, q: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """NumPy's default among the many definitions: linear between the two elements next to it."""
    a, shares = as_tensor(a), q.read("a quantile") if isinstance(q, Tensor) else np.asarray(q)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"quantiles are from 0 to 1, percentiles to 100; got {shares}")
    axes = normalize_axis_tuple(range(a.ndim) if axis is None else axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    rows = sort(a.transpose(*rest, *axes).reshape([*[a.shape[i] for i in rest], -1]) if a.ndim else a.reshape(1))
    last = rows.shape[-1] - 1
    low, high = (f(shares * last).astype(int) for f in (np.floor, np.ceil))
    part = ((q if isinstance(q, Tensor) else shares) * last - low).astype(a.dtype if a.dtype.kind == "f" else float)
    found = rows[..., low] * (1 - part) + rows[..., high] * part
    found = apply(
        ops.where, math.nan, found, condition=np.isnan(rows[(..., -1, *[None] * shares.ndim)])
    )  # NaN is sorted last
    found = moveaxis(found, range(len(rest), found.ndim), range(shares.ndim))
    kept = [1 if i in axes else n for i, n in enumerate(a.shape)]
    return found.reshape([*shares.shape, *kept]) if keepdims else found


def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Tensor:
    """The mean along axis, with weights: their sum of products over their sum."""
    a = as_tensor(a)
    if weights is None:
        return a.mean(axis=axis, keepdims=keepdims)
    w = as_tensor(weights)
    if w.ndim == 1 < a.ndim and isinstance(axis, int):
        w = w.reshape([-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
    total = apply(ops.broadcast_to, w, shape=a.shape).sum(axis=axis, keepdims=keepdims)
    return (a * w).sum(axis=axis, keepdims=keepdims) / total


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """The slopes along each axis. A neighbour has the weight that np.gradient gives to every third element; the
    distances have no gradient."""
    f = as_tensor(f)
    axes = normalize_axis_tuple(range(f.ndim) if axis is None else axis, f.ndim)
    steps = [np.asarray(h) for h in varargs or [1.0]]
    slopes = []
    for i, h in zip(axes, steps * len(axes) if len(steps) == 1 else steps, strict=True):
        rows, n = moveaxis(f, i, -1), f.shape[i]
        first = np.clip(np.arange(n) - 1, 0, max(n - 3, 0))  # of the three neighbours
        thirds = [(np.arange(n) % 3 == k).astype(f.dtype) for k in range(3)]
        weights = [np.gradient(third, h, edge_order=edge_order) for third in thirds]
        near = [rows[..., np.minimum(first + (k - first) % 3, n - 1)] for k in range(3)]
        parts = [apply(ops.where, t, 0, condition=w != 0) * w for t, w in zip(near, weights)]
        slopes.append(moveaxis(parts[0] + parts[1] + parts[2], -1, i))
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, axis: int = 0) -> Tensor:
    """Numbers in equal steps from start to stop; both have a gradient."""
    ends = unwrap(start), unwrap(stop)
    share = np.linspace(0.0, 1.0, num, endpoint, dtype=np.result_type(*ends, 0.0))
    share = share.reshape(-1, *[1] * max(map(np.ndim, ends)))
    return moveaxis(start * (1 - share) + stop * share, 0, axis)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integral along axis by trapezoids, over the places x or steps of dx."""
    y = moveaxis(as_tensor(y), axis, -1)
    widths = dx if x is None else diff(moveaxis(x, axis, -1) if np.ndim(unwrap(x)) > 1 else as_tensor(x))
    return ((y[..., 1:] + y[..., :-1]) * widths / 2).sum(axis=-1)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    """The elements of the first choice whose condition holds; default where none does."""
    pairs = list(zip(condlist, choicelist, strict=True))[::-1]
    return reduce(lambda rest, pair: apply(ops.where, pair[1], rest, condition=unwrap(pair[0])), pairs, default)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """The numbers in x, with others in the place of NaN and of both infinities."""
    x, most = as_tensor(x), np.finfo(x.dtype).max.item()
    for condition, value in (
        (np.isnan(x), nan),
        (x == np.inf, most if posinf is None else posinf),
        (x == -np.inf, -most if neginf is None else neginf),
    ):
        x = apply(ops.where, value, x, condition=condition)
    return x


def larger(pick: Function) -> Function:
    """Return np.fmax or np.fmin: of a number and NaN it takes the number."""

    def unless_nan(a: Any, b: Any) -> Any:
        return a if isinstance(a, (int, float)) else apply(ops.where, b, a, condition=np.isnan(a))

    return lambda a, b: apply(pick, unless_nan(a, b), unless_nan(b, a))


def sinc(x: Any) -> Tensor:
    """sin(pi x) / (pi x), which is 1 at 0."""
    x = x * math.pi
    safe = apply(ops.where, 1, x, condition=x == 0)
    return apply(ops.where, 1 - x * x / 6, safe.sin() / safe, condition=x == 0)  # 1 - x² / 6 has its slopes


def contains(t: Tensor, other: Any) -> bool:
    """Return whether an element of t equals other."""
    array = as_tensor(other).array
    try:
        return bool(array in t.read("in"))
    except ValueError:
        raise ValueError(f"in compares elements, but shapes {array.shape} and {t.shape} do not broadcast") from None
