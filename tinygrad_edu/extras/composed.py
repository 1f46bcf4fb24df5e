"""NumPy's functions on Tensors that are made of others: rows of a table, for `numpy_functions`.

Most rows need one idea of a few. What only moves elements is run on their numbers (`moved`); what only turns axes, on
an array with the numbers of its axes as lengths (`turned`); what only changes the shape, on any array of that shape
(`reshaped`); what has no gradient, on the arrays (`plain`). So NumPy itself says what each argument means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from ..core.tensor import Tensor, apply, as_tensor, constant, unwrap
from . import ops, products
from .products import diagonal, moveaxis, trace, turned, vecdot
from .statistics import average, diff, gradient, larger, linspace, nan_to_num, quantile, select, sinc, sort, trapezoid

Function = Callable[..., Any]


def plain(function: Function) -> Function:
    """Return function for Tensors, where nothing has a gradient: plain arrays, numbers or truths."""
    return lambda *args, **kwargs: constant(
        partial(function, **{name: unwrap(value) for name, value in kwargs.items()}) if kwargs else function, *args
    )


def known(function: Function) -> Function:
    """Return function for Tensors, where only shapes and dtypes count."""
    return lambda *args, **kwargs: function(*map(unwrap, args), **kwargs)


def read(function: Function) -> Function:
    """Return function of one Tensor, where the size of the result depends on the numbers: plain arrays."""
    return lambda a, *args, **kwargs: function(a.read(f"{function.__name__}()"), *args, **kwargs)


def reshaped(function: Function) -> Function:
    """Return function for Tensors, if it changes nothing but the shape."""
    return lambda a, *args, **kwargs: apply(
        ops.reshape, a, shape=function(np.broadcast_to(0, np.shape(unwrap(a))), *args, **kwargs).shape
    )


def moved(function: Function) -> Function:
    """Return function for Tensors, if it does nothing but move, repeat or leave out elements, or put zeros beside them.

    It is run on the numbers of the elements, from 1, and the result says where each is taken from. Of one axis, the
    numbers are those along it.
    """
    shown = signature(function)

    def call(*args: Any, **kwargs: Any) -> Tensor:
        given = shown.bind(*args, **kwargs).arguments
        name = next(iter(given))
        a, axis = as_tensor(given.pop(name)), given.get("axis")
        if isinstance(axis, int) and np.ndim(given.get("shift", 0)) == 0 and a.ndim:
            places = function(**{name: np.arange(a.shape[axis])}, **given | {"axis": 0})
            return a[(slice(None),) * (axis % a.ndim) + (places,)]
        places = function(**{name: np.arange(1, a.size + 1).reshape(a.shape)}, **given)
        if places.all():
            return a.reshape(-1)[places - 1]
        taken = a.reshape(-1)[np.maximum(places, 1) - 1] if a.size else a.sum()  # which is 0
        return apply(ops.where, taken, 0, condition=places > 0)

    return call


def half(function: Function) -> Function:
    """Return np.tril or np.triu for Tensors."""
    return lambda m, k=0: apply(ops.where, m, np.zeros((), m.dtype), condition=function(np.ones(m.shape[-2:], bool), k))


def pieces(function: Function, axis: int = 0) -> Function:
    """Return np.split or one of its kind for Tensors: it is run on the numbers along the axis."""

    def call(ary: Any, indices_or_sections: Any, axis: int = axis) -> list[Tensor]:
        parts = function(np.arange(ary.shape[axis]), unwrap(indices_or_sections))
        before = (slice(None),) * (axis % ary.ndim)
        return [ary[(*before, slice(part[0], part[-1] + 1) if len(part) else slice(0, 0))] for part in parts]

    return call


def each(function: Function) -> Function:
    """Return function of one Tensor as a function of several: then it gives a tuple."""
    return lambda *tensors: function(tensors[0]) if len(tensors) == 1 else tuple(map(function, tensors))


def without_nan(function: Function, fill: float) -> Function:
    """Return np.nansum or one of its kind: NaN is replaced by a number that changes nothing."""
    return lambda a, axis=None, *, keepdims=False: function(
        apply(ops.where, fill, a, condition=np.isnan(a)), axis=axis, keepdims=keepdims
    )


# --- shapes -----------------------------------------------------------------------------------------------------------


def copy(a: Any) -> Any:
    """A Tensor of the same numbers in memory of its own, with a gradient if a has one."""
    return a * 1 if a.requires_grad else a.detach()


def flatten(a: Any, order: str = "C") -> Any:
    """All elements in a row. As in NumPy it is a copy; a computed Tensor needs none, since nobody can change it."""
    return (copy(a) if a.op is None else a).reshape(-1, order=order)


def take(a: Any, indices: Any, axis: int | None = None) -> Tensor:
    """The elements along axis at integer indices; those of all elements if axis is None."""
    a = as_tensor(a)
    if axis is None or not a.ndim:
        return a.reshape(-1)[unwrap(indices)]
    return a[(slice(None),) * (range(a.ndim)[axis]) + (unwrap(indices),)]


def joined(tensors: Any, axis: int, least: Function) -> Any:
    """The tensors one after the other, each with as many axes as least gives it."""
    return np.concatenate([least(as_tensor(t)) for t in tensors], axis=axis)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """The values behind the elements of arr, along axis; all in one row if axis is None."""
    return np.concatenate([as_tensor(arr), as_tensor(values)], axis=axis)


def block(arrays: Any) -> Any:
    """Lists in lists: the innermost are joined along the last axis, those around them along the one before."""

    def depth(part: Any) -> int:
        return 1 + max(map(depth, part)) if isinstance(part, list) else 0

    def leaves(part: Any) -> list[Any]:
        return [leaf for inner in part for leaf in leaves(inner)] if isinstance(part, list) else [part]

    axes = max([depth(arrays), *[np.ndim(unwrap(leaf)) for leaf in leaves(arrays)]])

    def join(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return np.concatenate([join(inner, level - 1) for inner in part], axis=-level)
        part = as_tensor(part)
        return part.reshape((1,) * (axes - part.ndim) + part.shape)

    return join(arrays, depth(arrays))


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """The arrays in one shape."""
    shape = np.broadcast_shapes(*[np.shape(unwrap(a)) for a in args])
    return tuple(apply(ops.broadcast_to, a, shape=shape) for a in args)


def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> tuple[Any, ...]:
    """The coordinates of a grid, an array for each axis, from the places on the axes."""
    order = list(range(len(xi)))
    order[:2] = order[:2][::-1] if indexing == "xy" else order[:2]
    rows = [np.reshape(x, [-1 if i == k else 1 for i in range(len(xi))]) for x, k in zip(map(as_tensor, xi), order)]
    return tuple(rows) if sparse else broadcast_arrays(*rows)


# --- the tables -------------------------------------------------------------------------------------------------------

PLAIN = (
    *("all", "any", "allclose", "isclose", "array_equal", "array_equiv", "argmin", "argsort", "argpartition"),
    *("count_nonzero", "searchsorted", "digitize", "isin", "isneginf", "isposinf", "isreal", "iscomplex", "empty_like"),
)
KNOWN = ("size", "result_type", "can_cast", "min_scalar_type", "iscomplexobj", "isrealobj", "shares_memory")
WINDOWS = np.lib.stride_tricks.sliding_window_view
TABLE: dict[str, Function] = {  # in NumPy's order; the names are below np
    **{name: plain(getattr(np, name)) for name in PLAIN},
    **{name: known(getattr(np, name)) for name in KNOWN},
    **{name: read(getattr(np, name)) for name in ("nonzero", "flatnonzero", "argwhere", "bincount", "unique")},
    "amax": lambda a, axis=None, *, keepdims=False: a.max(axis=axis, keepdims=keepdims),
    "amin": lambda a, axis=None, *, keepdims=False: a.min(axis=axis, keepdims=keepdims),
    "ptp": lambda a, axis=None, *, keepdims=False: (
        a.max(axis=axis, keepdims=keepdims) - a.min(axis=axis, keepdims=keepdims)
    ),
    "nansum": without_nan(partial(apply, ops.sum), 0),
    "nanprod": without_nan(partial(apply, ops.prod), 1),
    "nanmax": without_nan(partial(apply, ops.max), -math.inf),
    "nanmin": without_nan(partial(apply, ops.min), math.inf),
    "nanmean": lambda a, axis=None, *, keepdims=False: (
        np.nansum(a, axis=axis, keepdims=keepdims) / (~np.isnan(a)).sum(axis=axis, keepdims=keepdims).astype(a.dtype)
    ),
    "median": lambda a, axis=None, *, keepdims=False: quantile(a, 0.5, axis, keepdims=keepdims),
    "quantile": quantile,
    "percentile": lambda a, q, axis=None, *, keepdims=False: quantile(
        a, np.true_divide(q, 100), axis, keepdims=keepdims
    ),
    "average": average,
    "cumprod": lambda a, axis=None: apply(ops.cumprod, a, axis=axis),
    "cumulative_sum": lambda x, *, axis=None: apply(ops.cumsum, x, axis=axis),
    "cumulative_prod": lambda x, *, axis=None: apply(ops.cumprod, x, axis=axis),
    "diff": diff,
    "ediff1d": lambda ary: diff(ary.reshape(-1)),
    "trapezoid": trapezoid,
    "gradient": gradient,
    "linspace": linspace,
    "sort": lambda a, axis=-1, kind=None, *, stable=None: sort(a, axis),  # ours is stable
    "partition": lambda a, kth, axis=-1: sort(a, axis),  # the order of the others is left open
    "round": lambda a, decimals=0: apply(ops.round, a, decimals=decimals),
    "around": lambda a, decimals=0: apply(ops.round, a, decimals=decimals),
    "fix": lambda x: apply(ops.trunc, x),
    **{name: lambda x: x for name in ("real", "real_if_close")},
    "imag": plain(np.imag),
    "angle": plain(np.angle),
    "nan_to_num": nan_to_num,
    "sinc": sinc,
    "select": select,
    # shapes
    "copy": copy,
    "ravel": lambda a, order="C": a.reshape(-1, order=order),
    "atleast_1d": each(reshaped(np.atleast_1d)),
    "atleast_2d": each(reshaped(np.atleast_2d)),
    "atleast_3d": each(reshaped(np.atleast_3d)),
    **{name: turned(getattr(np, name)) for name in ("swapaxes", "moveaxis", "rollaxis")},
    "matrix_transpose": lambda x: x.mT,
    **{name: moved(getattr(np, name)) for name in ("roll", "repeat", "tile", "rot90", "resize", "delete", "diagflat")},
    "lib.stride_tricks.sliding_window_view": lambda x, window_shape, axis=None: moved(WINDOWS)(
        x, window_shape, (axis,) if isinstance(axis, int) else axis
    ),
    "fliplr": lambda m: apply(ops.flip, m, axis=1),
    "flipud": lambda m: apply(ops.flip, m, axis=0),
    "split": pieces(np.split),
    "array_split": pieces(np.array_split),
    "vsplit": pieces(np.split),
    "hsplit": lambda ary, indices_or_sections: pieces(np.split, min(ary.ndim, 2) - 1)(ary, indices_or_sections),
    "dsplit": pieces(np.split, 2),
    "unstack": lambda x, *, axis=0: tuple(moveaxis(x, axis, 0)),
    "dstack": lambda tup: joined(tup, 2, np.atleast_3d),
    "column_stack": lambda tup: joined(tup, 1, lambda t: t if t.ndim > 1 else t.reshape(-1, 1)),
    "append": append,
    "block": block,
    "broadcast_arrays": broadcast_arrays,
    "meshgrid": meshgrid,
    "take": take,
    "compress": lambda condition, a, axis=None: take(a, np.flatnonzero(unwrap(condition)), axis),
    "extract": lambda condition, arr: take(arr, np.flatnonzero(unwrap(condition))),
    "diag": lambda v, k=0: diagonal(v, k) if v.ndim > 1 else moved(np.diag)(v, k),
    "diagonal": diagonal,
    "trace": trace,
    "tril": half(np.tril),
    "triu": half(np.triu),
    "astype": lambda x, dtype, *, copy=True: x.astype(dtype),
    **products.TABLE,
}
UFUNCS: dict[
    str, Function
] = {  # NumPy's ufuncs that are made of others; those that are ops are named like them, as floor and arctan2
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1 / a,
    "positive": lambda a: a,
    "conjugate": lambda a: a,
    "fabs": lambda a: apply(ops.abs, a),
    "float_power": lambda a, b: as_tensor(a).astype(np.float64) ** as_tensor(b).astype(np.float64),
    "fmax": larger(ops.maximum),
    "fmin": larger(ops.minimum),
    "copysign": lambda a, b: as_tensor(abs(a) * constant(np.copysign, 1, b)),
    "divmod": lambda a, b: (apply(ops.floor_divide, a, b), apply(ops.mod, a, b)),
    "modf": lambda a: (apply(ops.fmod, a, 1.0), apply(ops.trunc, a)),
    "logaddexp2": lambda a, b: apply(ops.logaddexp, a * math.log(2), b * math.log(2)) / math.log(2),
    **dict.fromkeys(["deg2rad", "radians"], lambda a: a * (math.pi / 180)),
    **dict.fromkeys(["rad2deg", "degrees"], lambda a: a * (180 / math.pi)),
    "vecdot": vecdot,
    "matvec": lambda a, b: (as_tensor(a) @ as_tensor(b).expand_dims(-1))[..., 0],
    "vecmat": lambda a, b: (as_tensor(a).expand_dims(-2) @ b)[..., 0, :],
}
METHODS: dict[str, Any] = {  # an array has them; what an op or a function of the package is, comes from there
    **{name: plain(getattr(np, name)) for name in ("all", "any", "argsort", "argpartition", "searchsorted")},
    "nonzero": TABLE["nonzero"],
    **{name: TABLE[name] for name in ("copy", "diagonal", "repeat", "swapaxes", "take", "trace")},
    "ravel": TABLE["ravel"],
    "flatten": flatten,
    "compress": lambda a, condition, axis=None: TABLE["compress"](condition, a, axis),
    **dict.fromkeys(["conj", "conjugate"], lambda a: a),
    "real": property(lambda a: a),
    "tobytes": lambda t: t.read("tobytes()").tobytes(),
    "tolist": lambda t: t.read("tolist()").tolist(),
    "__pos__": lambda a: a,
    "__mod__": lambda a, b: apply(ops.mod, a, b),
    "__rmod__": lambda b, a: apply(ops.mod, a, b),
    "__floordiv__": lambda a, b: apply(ops.floor_divide, a, b),
    "__rfloordiv__": lambda b, a: apply(ops.floor_divide, a, b),
    "__divmod__": lambda a, b: (a // b, a % b),
    "__round__": lambda a, n=None: apply(ops.round, a, decimals=n or 0),
    **dict.fromkeys(["__xor__", "__rxor__"], lambda *masks: constant(np.bitwise_xor, *masks)),
}
