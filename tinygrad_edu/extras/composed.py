"""NumPy's functions on Tensors that are made of others: rows of a table, for `numpy_functions`.

Most rows need one idea of a few. What only moves elements is run on their numbers (`moved`); what only turns axes, on
an array with the numbers of its axes as lengths (`turned`); what only changes the shape, on any array of that shape
(`reshaped`); what has no gradient, on the arrays (`plain`). So NumPy itself says what each argument means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from inspect import signature
from string import ascii_letters
from typing import Any

import numpy as np

from ..core.tensor import Tensor, apply, as_tensor, constant, unwrap
from . import ops

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
    return lambda a, *args: function(a.read(f"{function.__name__}()"), *args)


def reshaped(function: Function) -> Function:
    """Return function for Tensors, if it changes nothing but the shape."""
    return lambda a, *args, **kwargs: apply(
        ops.reshape, a, shape=function(np.broadcast_to(0, np.shape(unwrap(a))), *args, **kwargs).shape
    )


def turned(function: Function) -> Function:
    """Return function for Tensors, if it changes nothing but the order of the axes."""
    return lambda a, *args, **kwargs: apply(
        ops.transpose, a, axes=function(np.empty(tuple(range(np.ndim(unwrap(a))))), *args, **kwargs).shape
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
    return lambda m, k=0: apply(ops.where, m, 0, condition=function(np.ones(m.shape[-2:], bool), k))


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


def take(a: Any, indices: Any, axis: int | None = None) -> Tensor:
    a = as_tensor(a)
    if axis is None or not a.ndim:
        return a.reshape(-1)[unwrap(indices)]
    return a[(slice(None),) * (range(a.ndim)[axis]) + (unwrap(indices),)]


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    matrices = np.moveaxis(a, (axis1, axis2), (-2, -1))
    return matrices[(..., *np.nonzero(np.eye(*matrices.shape[-2:], k=offset)))]


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return diagonal(a, offset, axis1, axis2).sum(axis=-1)


def joined(tensors: Any, axis: int, least: Function) -> Tensor:
    """The tensors one after the other, each with as many axes as least gives it."""
    return np.concatenate([least(as_tensor(t)) for t in tensors], axis=axis)  # type: ignore[return-value]


def append(arr: Any, values: Any, axis: int | None = None) -> Tensor:
    return np.concatenate([as_tensor(arr), as_tensor(values)], axis=axis)  # type: ignore[return-value]


def block(arrays: Any) -> Tensor:
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

    return join(arrays, depth(arrays))  # type: ignore[no-any-return]


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*[np.shape(unwrap(a)) for a in args])
    return tuple(apply(ops.broadcast_to, a, shape=shape) for a in args)


def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> tuple[Any, ...]:
    order = list(range(len(xi)))
    order[:2] = order[:2][::-1] if indexing == "xy" else order[:2]
    rows = [np.reshape(x, [-1 if i == k else 1 for i in range(len(xi))]) for x, k in zip(map(as_tensor, xi), order)]
    return tuple(rows) if sparse else broadcast_arrays(*rows)


# --- numbers ----------------------------------------------------------------------------------------------------------


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along axis, n times."""
    before = (slice(None),) * (range(a.ndim)[axis])
    return a if n == 0 else diff(a[(*before, slice(1, None))] - a[(*before, slice(None, -1))], n - 1, axis)


def sort(a: Any, axis: int | None = -1) -> Tensor:
    """y = the elements in ascending order along axis, of all when it is None (`ops.sort`). A new Tensor: the one that it is
    called on stays as it is"""
    a = as_tensor(a)
    return apply(ops.sort, a.reshape(-1) if axis is None else a, axis=-1 if axis is None else range(a.ndim)[axis])


def quantile(a: Any, q: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """NumPy's default among the many definitions: linear between the two elements next to it."""
    a, q = as_tensor(a), np.asarray(unwrap(q))
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError(f"quantiles are from 0 to 1, percentiles to 100; got {q}")
    axes = [i % a.ndim for i in ([axis] if isinstance(axis, int) else range(a.ndim) if axis is None else axis)]
    rest = [i for i in range(a.ndim) if i not in axes]
    rows = sort(a.transpose(*rest, *axes).reshape([*[a.shape[i] for i in rest], -1]) if a.ndim else a.reshape(1))
    place = q * (rows.shape[-1] - 1)
    low = np.floor(place).astype(int)
    part = (place - low).astype(a.dtype if a.dtype.kind == "f" else float)
    found = rows[..., low] * (1 - part) + rows[..., np.ceil(place).astype(int)] * part
    found = apply(ops.where, math.nan, found, condition=np.isnan(rows[(..., -1, *[None] * q.ndim)]))  # NaN is sorted last
    found = np.moveaxis(found, range(len(rest), found.ndim), range(q.ndim))
    kept = [1 if i in axes else n for i, n in enumerate(a.shape)]
    return found.reshape([*q.shape, *kept]) if keepdims else found


def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    if weights is None:
        return a.mean(axis=axis, keepdims=keepdims)
    w = as_tensor(weights)
    if w.ndim == 1 < a.ndim and isinstance(axis, int):
        w = w.reshape([-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
    total = apply(ops.broadcast_to, w, shape=a.shape).sum(axis=axis, keepdims=keepdims)
    return (a * w).sum(axis=axis, keepdims=keepdims) / total


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    y = np.moveaxis(as_tensor(y), axis, -1)
    widths = dx if x is None else diff(np.moveaxis(x, axis, -1) if np.ndim(unwrap(x)) > 1 else as_tensor(x))
    return ((y[..., 1:] + y[..., :-1]) * widths / 2).sum(axis=-1)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    pairs = list(zip(condlist, choicelist, strict=True))[::-1]
    return reduce(lambda rest, pair: apply(ops.where, pair[1], rest, condition=pair[0]), pairs, default)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
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
    return lambda a, b: apply(
        pick, apply(ops.where, b, a, condition=np.isnan(a)), apply(ops.where, a, b, condition=np.isnan(b))
    )


def sinc(x: Any) -> Tensor:
    x = x * math.pi
    safe = apply(ops.where, 1, x, condition=x == 0)
    return apply(ops.where, 1 - x * x / 6, safe.sin() / safe, condition=x == 0)  # 1 - x² / 6 has its slopes


# --- products ---------------------------------------------------------------------------------------------------------


def interleaved(*operands: Any) -> tuple[Any, ...]:
    """The operands of np.einsum with letters, for ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    letters = [
        "".join("..." if i is Ellipsis else ascii_letters[i] for i in axes)
        for axes in [*operands[1::2], *operands[-1:] * (len(operands) % 2)]
    ]
    n = len(operands) // 2
    return (",".join(letters[:n]) + "".join(f"->{out}" for out in letters[n:]), *operands[: 2 * n : 2])


def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    of_a, of_b = (range(a.ndim - axes, a.ndim), range(axes)) if isinstance(axes, int) else axes
    of_a, of_b = (
        [range(t.ndim)[i] for i in ([of] if isinstance(of, int) else of)] for t, of in ((a, of_a), (b, of_b))
    )
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(f"tensordot sums over axes of the same lengths, got {a.shape} over {of_a}, {b.shape} over {of_b}")
    left, right = ([i for i in range(t.ndim) if i not in of] for t, of in ((a, of_a), (b, of_b)))
    n = math.prod(a.shape[i] for i in of_a)
    rows, columns = [a.shape[i] for i in left], [b.shape[i] for i in right]
    first = apply(ops.transpose, a, axes=(*left, *of_a)).reshape(math.prod(rows), n)
    second = apply(ops.transpose, b, axes=(*of_b, *right)).reshape(n, math.prod(columns))
    return (first @ second).reshape((*rows, *columns))


def inner(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    return tensordot(a, b, (-1, -1)) if a.ndim and b.ndim else a * b


def kron(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    n = max(a.ndim, b.ndim)
    a, b = (t.reshape((1,) * (n - t.ndim) + t.shape) for t in (a, b))
    spread = a.reshape([m for k in a.shape for m in (k, 1)]) * b.reshape([m for k in b.shape for m in (1, k)])
    return spread.reshape([i * j for i, j in zip(a.shape, b.shape)])


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (np.moveaxis(as_tensor(t), i, -1) for t, i in ((a, axisa), (b, axisb)))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross takes vectors of three numbers, got shapes {a.shape} and {b.shape}")
    one, two = [1, 2, 0], [2, 0, 1]
    return np.moveaxis(a[..., one] * b[..., two] - a[..., two] * b[..., one], -1, axisc)  # type: ignore[return-value]


def vecdot(a: Any, b: Any, axis: int = -1) -> Tensor:
    return (np.moveaxis(as_tensor(a), axis, -1) * np.moveaxis(as_tensor(b), axis, -1)).sum(axis=-1)


# --- linear algebra ---------------------------------------------------------------------------------------------------


def solve(a: Any, b: Any) -> Tensor:
    """y = x with a x = b; b is a vector or a matrix, or a stack of these (`ops.solve`)"""
    b = as_tensor(b)
    return apply(ops.solve, a, b) if b.ndim > 1 else apply(ops.solve, a, b.reshape(-1, 1))[..., 0]


VECTORS: dict[Any, Function] = {  # np.linalg.norm(x, ord) of vectors: of the absolute numbers, along an axis
    None: lambda x, **k: apply(ops.norm, x, **k),
    2: lambda x, **k: apply(ops.norm, x, **k),
    1: lambda x, **k: x.abs().sum(**k),
    0: lambda x, **k: as_tensor((x != 0).sum(**k).astype(x.dtype)),
    math.inf: lambda x, **k: x.abs().max(**k),
    -math.inf: lambda x, **k: x.abs().min(**k),
}
MATRICES: dict[Any, tuple[int, str]] = {1: (0, "max"), -1: (0, "min"), math.inf: (1, "max"), -math.inf: (1, "min")}


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """np.linalg.norm. Of a matrix, 1 and inf are the largest sum of a column or row; None and "fro" the root of Σ x²."""
    x = as_tensor(x)
    axes = axis if axis is not None else range(x.ndim) if x.ndim < 3 or ord is None else ()
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    if ord is None or (len(axes) == 2 and ord == "fro"):
        return apply(ops.norm, x, axis=axes, keepdims=keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        k = {"axis": axes[0], "keepdims": keepdims}
        return VECTORS[ord](x, **k) if ord in VECTORS else (x.abs() ** ord).sum(**k) ** (1 / ord)
    if len(axes) == 2 and ord in MATRICES:
        summed, extreme = MATRICES[ord]
        over, rest = axes[summed], axes[1 - summed]
        sums = getattr(x.abs().sum(axis=over, keepdims=True), extreme)(axis=rest, keepdims=True)
        return sums if keepdims else np.squeeze(sums, axes)  # type: ignore[return-value]
    raise ValueError(
        f"norm of a Tensor over {len(axes)} axes has no ord={ord!r}: of vectors it is a number or None, of matrices 1, -1, "
        'inf, -inf, "fro" or None'
    )


def slogdet(a: Any) -> tuple[Any, Tensor]:
    return constant(lambda a: np.linalg.slogdet(a)[0], a), apply(ops.log_abs_det, a)


def matrix_power(a: Any, n: int) -> Tensor:
    if n < 0:
        return matrix_power(apply(ops.inv, a), -n)
    if n < 2:
        return a * 1 if n else a * 0 + np.eye(a.shape[-1], dtype=a.dtype)
    half = matrix_power(a, n // 2)
    return half @ half @ a if n % 2 else half @ half


# --- the tables -------------------------------------------------------------------------------------------------------

PLAIN = (
    "all any allclose isclose array_equal array_equiv argmin argsort argpartition count_nonzero searchsorted digitize isin "
    "isneginf isposinf empty_like"
).split()
TABLE: dict[str, Function] = {  # in NumPy's order; the names are below np
    **{name: plain(getattr(np, name)) for name in PLAIN},
    **{name: known(getattr(np, name)) for name in ("size", "result_type", "can_cast", "iscomplexobj", "isrealobj")},
    **{name: read(getattr(np, name)) for name in ("nonzero", "flatnonzero", "argwhere")},
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
        np.nansum(a, axis=axis, keepdims=keepdims)
        / (~np.isnan(a)).sum(axis=axis, keepdims=keepdims).astype(a.dtype)
    ),
    "median": lambda a, axis=None, *, keepdims=False: quantile(a, 0.5, axis, keepdims=keepdims),
    "quantile": quantile,
    "percentile": lambda a, q, axis=None, *, keepdims=False: quantile(
        a, np.true_divide(unwrap(q), 100), axis, keepdims=keepdims
    ),
    "average": average,
    "cumprod": lambda a, axis=None: apply(ops.cumprod, a, axis=axis),
    "cumulative_sum": lambda x, *, axis=None: apply(ops.cumsum, x, axis=axis),
    "cumulative_prod": lambda x, *, axis=None: apply(ops.cumprod, x, axis=axis),
    "diff": diff,
    "ediff1d": lambda ary: diff(ary.reshape(-1)),
    "trapezoid": trapezoid,
    "sort": sort,
    "round": lambda a, decimals=0: apply(ops.round, a, decimals=decimals),
    "around": lambda a, decimals=0: apply(ops.round, a, decimals=decimals),
    "fix": lambda x: apply(ops.trunc, x),
    "real": lambda val: val,
    "nan_to_num": nan_to_num,
    "sinc": sinc,
    "select": select,
    # shapes
    "copy": reshaped(np.array),
    "ravel": lambda a: a.reshape(-1),
    "atleast_1d": each(reshaped(np.atleast_1d)),
    "atleast_2d": each(reshaped(np.atleast_2d)),
    "atleast_3d": each(reshaped(np.atleast_3d)),
    **{name: turned(getattr(np, name)) for name in ("swapaxes", "moveaxis", "rollaxis")},
    "matrix_transpose": lambda x: x.mT,
    **{name: moved(getattr(np, name)) for name in ("roll", "repeat", "tile", "rot90", "resize", "delete", "diagflat")},
    "fliplr": lambda m: apply(ops.flip, m, axis=1),
    "flipud": lambda m: apply(ops.flip, m, axis=0),
    "split": pieces(np.split),
    "array_split": pieces(np.array_split),
    "vsplit": pieces(np.split),
    "hsplit": lambda ary, indices_or_sections: pieces(np.split, min(ary.ndim, 2) - 1)(ary, indices_or_sections),
    "dsplit": pieces(np.split, 2),
    "unstack": lambda x, *, axis=0: tuple(np.moveaxis(x, axis, 0)),
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
    # products and linear algebra
    "inner": inner,
    "tensordot": tensordot,
    "kron": kron,
    "cross": cross,
    "vdot": lambda a, b: inner(np.ravel(a), np.ravel(b)),
    **{f"linalg.{name}": partial(apply, getattr(ops, name)) for name in ("inv", "det", "cholesky")},
    "linalg.solve": solve,
    "linalg.slogdet": slogdet,
    "linalg.matrix_power": matrix_power,
    "linalg.multi_dot": lambda arrays: reduce(lambda a, b: as_tensor(a) @ b, arrays),
    "linalg.norm": norm,
    "linalg.vector_norm": lambda x, *, axis=None, keepdims=False, ord=2: (
        norm(x.reshape(-1), ord) if axis is None and not keepdims else norm(x, ord, axis, keepdims)
    ),
    "linalg.matrix_norm": lambda x, *, keepdims=False, ord="fro": norm(x, ord, (-2, -1), keepdims),
    "linalg.trace": lambda x, *, offset=0: trace(x, offset, -2, -1),
    "linalg.diagonal": lambda x, *, offset=0: diagonal(x, offset, -2, -1),
    "linalg.matrix_transpose": lambda x: x.mT,
    "linalg.matmul": lambda x1, x2: as_tensor(x1) @ x2,
    "linalg.cross": lambda x1, x2, *, axis=-1: cross(x1, x2, axis=axis),
    "linalg.outer": lambda x1, x2: np.outer(x1, x2),
    "linalg.tensordot": lambda x1, x2, *, axes=2: tensordot(x1, x2, axes),
    "linalg.vecdot": lambda x1, x2, *, axis=-1: vecdot(x1, x2, axis),
}
UFUNCS = {  # NumPy's ufuncs that are made of others; those that are ops are named like them, as floor and arctan2
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1 / a,
    "positive": lambda a: a,
    "conjugate": lambda a: a,
    "fabs": lambda a: apply(ops.abs, a),
    "float_power": lambda a, b: apply(ops.pow, a, b),
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
METHODS: dict[str, Function] = {  # an array has them; what an op or a function of the package is, comes from there
    **{name: plain(getattr(np, name)) for name in ("all", "any", "argsort", "searchsorted")},
    "nonzero": TABLE["nonzero"],
    **{name: TABLE[name] for name in ("copy", "diagonal", "repeat", "swapaxes", "take", "trace")},
    "ravel": TABLE["ravel"],
    "flatten": TABLE["ravel"],
    "compress": lambda a, condition, axis=None: TABLE["compress"](condition, a, axis),
    "conj": lambda a: a,
    "tolist": lambda t: t.read("tolist()").tolist(),
    "__pos__": lambda a: a,
    "__mod__": lambda a, b: apply(ops.mod, a, b),
    "__rmod__": lambda b, a: apply(ops.mod, a, b),
    "__floordiv__": lambda a, b: apply(ops.floor_divide, a, b),
    "__rfloordiv__": lambda b, a: apply(ops.floor_divide, a, b),
    "__divmod__": lambda a, b: (a // b, a % b),
    "__round__": lambda a, n=None: apply(ops.round, a, decimals=n or 0),
    "__xor__": lambda *masks: constant(np.bitwise_xor, *masks),
}
