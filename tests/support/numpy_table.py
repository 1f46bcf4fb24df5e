"""The table of NumPy's functions on Tensors: calls of those with a gradient, of those without; and those refused."""

import math
from functools import reduce

import numpy as np

X = np.array([[1.13, 4.21, 2.32], [3.47, 0.57, 5.63]])
SQUARE = np.array([[4.0, 1.0, 0.5], [0.9, 3.0, -1.0], [0.3, -0.7, 5.0]])
SYMMETRIC = SQUARE + SQUARE.T
ROW = np.array([0.3, -1.2, 0.8])
MASK = X > 2
STACK = np.arange(24.0).reshape(2, 3, 4) / 7


def of(name, *rest, **keywords):
    """NumPy's function of that name, of x and what else is given."""
    return lambda x: getattr(np, name)(x, *rest, **keywords)


def to(name, first):
    return lambda x: getattr(np, name)(first, x)


def of_nan(name, **keywords):
    return lambda x: getattr(np, name)(np.where(MASK, x, np.nan), **keywords)


# name of the function: calls, each of one array or Tensor; (call, array) where it is not X
CALLS = {
    # elementwise
    **{
        name: [getattr(np, name)]
        for name in ("exp", "expm1", "exp2", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square")
    },
    **{
        name: [getattr(np, name)]
        for name in ("reciprocal", "negative", "positive", "absolute", "fabs", "sin", "cos", "tan")
    },
    **{
        name: [getattr(np, name)] for name in ("sinh", "cosh", "tanh", "arcsinh", "arctan", "conjugate", "real", "sinc")
    },
    **{name: [(getattr(np, name), X / 7)] for name in ("arcsin", "arccos", "arctanh")},
    **{
        name: [getattr(np, name)]
        for name in ("deg2rad", "rad2deg", "degrees", "radians", "floor", "ceil", "trunc", "rint", "fix")
    },
    "arccosh": [lambda x: np.arccosh(x + 1)],
    "round": [np.round, lambda x: np.round(x, 1), lambda x: np.round(x, decimals=-1), lambda x: x.round(1)],
    "around": [np.around],
    "modf": [lambda x: np.modf(x)[0], lambda x: np.modf(x)[1]],
    **{
        name: [
            of(name, ROW),
            to(name, ROW),
            of(name, 0.7),
        ]
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "maximum",
            "minimum",
            "fmax",
            "fmin",
            "arctan2",
            "hypot",
            "logaddexp",
        )
    },
    **{name: [of(name, ROW), to(name, 7.7)] for name in ("logaddexp2", "copysign", "mod", "fmod", "floor_divide")},
    "true_divide": [lambda x: np.true_divide(x, ROW)],
    "remainder": [lambda x: np.remainder(x, 0.8), lambda x: x % 0.8, lambda x: 7.7 % x],
    "divmod": [lambda x: np.divmod(x, 0.8)[1], lambda x: divmod(x, 0.8)[0], lambda x: x // 0.8, lambda x: 7.7 // x],
    "power": [lambda x: np.power(x, 3), lambda x: np.power(2.0, x)],
    "float_power": [lambda x: np.float_power(x, 3)],
    "clip": [
        lambda x: np.clip(x, ROW + 1, 2 * x - 2),
        lambda x: np.clip(3.0, x, 5.0),
        lambda x: np.clip(x, 1, 3),
        lambda x: x.clip(1, 3),
        lambda x: np.clip(x, a_min=1, a_max=None),
    ],
    "where": [lambda x: np.where(MASK, x, 0), lambda x: np.where(x > 2, x, -x)],
    "select": [lambda x: np.select([MASK, X < 1], [x, x * x], 7.0)],
    "nan_to_num": [np.nan_to_num, lambda x: np.nan_to_num(np.where(MASK, x, np.nan), nan=3.0)],
    # reductions and statistics
    **{
        name: [
            getattr(np, name),
            *[of(name, **k) for k in ({"axis": 0}, {"axis": (0, 1), "keepdims": True}, {"axis": -1})],
        ]
        for name in ("sum", "mean", "var", "std", "prod", "max", "min", "amax", "amin", "median", "average", "ptp")
    },
    **{
        name: [
            of_nan(name),
            of_nan(name, axis=1, keepdims=True),
        ]
        for name in ("nansum", "nanprod", "nanmean", "nanmax", "nanmin")
    },
    "quantile": [
        lambda x: np.quantile(x, 0.3),
        lambda x: np.quantile(x, [0.0, 0.41, 1.0], axis=1),
        lambda x: np.quantile(x, [[0.2], [0.9]], axis=0, keepdims=True),
    ],
    "percentile": [lambda x: np.percentile(x, 30, axis=1)],
    "cumsum": [np.cumsum, lambda x: np.cumsum(x, axis=1)],
    "cumprod": [np.cumprod, lambda x: np.cumprod(x, axis=1), lambda x: x.cumprod(0)],
    "diff": [
        *[np.diff, lambda x: np.diff(x, axis=0), lambda x: np.diff(x, 2)],
        *[lambda x: np.diff(x, prepend=0.5), lambda x: np.diff(x, 2, 0, append=x[:1])],
    ],
    "ediff1d": [np.ediff1d],
    "trapezoid": [np.trapezoid, lambda x: np.trapezoid(x, dx=0.5, axis=0), lambda x: np.trapezoid(x, [0.0, 1.0, 4.0])],
    "gradient": [
        *[lambda x: np.gradient(x)[0], of("gradient", axis=1), (of("gradient", 0.5, axis=-1, edge_order=2), STACK)],
        *[(lambda x: np.gradient(x, 2.0, [0.0, 1.0, 4.0, 4.5], axis=(0, 2))[1], STACK), of("gradient", axis=0)],
        lambda x: np.gradient(np.concatenate([x, [[np.inf] * 3]]), axis=0)[0],
    ],
    "linspace": [lambda x: np.linspace(x, ROW, 4), lambda x: np.linspace(0.5, x, 3, endpoint=False, axis=1)],
    "partition": [lambda x: np.partition(x, 1), (lambda x: np.partition(x, (1, -1), axis=1), STACK)],
    "real_if_close": [np.real_if_close],
    "sort": [np.sort, lambda x: np.sort(x, axis=0), lambda x: np.sort(x, axis=None), of("sort", kind="stable")],
    "logsumexp": [lambda x: np.log(np.sum(np.exp(x)))],
    # shapes
    "reshape": [
        *[lambda x: np.reshape(x, (3, 2)), lambda x: x.reshape(6), of("reshape", (3, 2), order="F")],
        *[(lambda x: x.reshape(3, -1, order="F"), STACK), lambda x: x.reshape(-1, order="F")],
    ],
    "ravel": [
        *[np.ravel, lambda x: x.ravel(), lambda x: x.flatten()],
        *[lambda x: x.ravel(order="F"), lambda x: x.flatten("F"), of("ravel", order="C")],
    ],
    "copy": [np.copy, lambda x: x.copy()],
    "transpose": [np.transpose, lambda x: x.T, lambda x: x.transpose(1, 0)],
    "swapaxes": [lambda x: np.swapaxes(x, 0, 1), (lambda x: x.swapaxes(-1, 0), STACK)],
    "moveaxis": [(lambda x: np.moveaxis(x, 0, -1), STACK), (lambda x: np.moveaxis(x, [0, 1], [-1, -2]), STACK)],
    "rollaxis": [(lambda x: np.rollaxis(x, 2), STACK)],
    "matrix_transpose": [(np.matrix_transpose, STACK)],
    "permute_dims": [(lambda x: np.permute_dims(x, (2, 0, 1)), STACK)],
    "squeeze": [lambda x: np.squeeze(x[:1]), lambda x: np.squeeze(x[None], axis=0)],
    "expand_dims": [lambda x: np.expand_dims(x, 1), lambda x: np.expand_dims(x, (0, -1))],
    "atleast_1d": [lambda x: np.atleast_1d(x[0, 0]), np.atleast_1d],
    "atleast_2d": [lambda x: np.atleast_2d(x[0]), lambda x: np.atleast_2d(x[0], x)[0]],
    "atleast_3d": [np.atleast_3d, lambda x: np.atleast_3d(x[0])],
    "broadcast_to": [lambda x: np.broadcast_to(x, (2, 2, 3))],
    "broadcast_arrays": [lambda x: np.broadcast_arrays(x[:, :1], np.ones((2, 4)))[0]],
    "meshgrid": [lambda x: np.meshgrid(x[0], x[1])[0], lambda x: np.meshgrid(x[0], x[1], indexing="ij")[1]],
    "flip": [np.flip, lambda x: np.flip(x, axis=1)],
    "fliplr": [np.fliplr],
    "flipud": [np.flipud],
    "rot90": [np.rot90, lambda x: np.rot90(x, 3), (lambda x: np.rot90(x, 1, (1, 2)), STACK)],
    "roll": [
        lambda x: np.roll(x, 2),
        lambda x: np.roll(x, -1, axis=1),
        lambda x: np.roll(x, 1, 0),
        lambda x: np.roll(x, (1, 2), (0, 1)),
    ],
    "repeat": [lambda x: np.repeat(x, 2), lambda x: np.repeat(x, [1, 0, 3], axis=1), lambda x: x.repeat(2, 0)],
    "tile": [lambda x: np.tile(x, 2), lambda x: np.tile(x, (2, 1, 2))],
    "resize": [lambda x: np.resize(x, (3, 4))],
    "delete": [lambda x: np.delete(x, 1), lambda x: np.delete(x, [0, 2], axis=1)],
    "append": [lambda x: np.append(x, ROW), lambda x: np.append(x, ROW[None], axis=0)],
    "split": [
        lambda x: np.split(x, 2)[1],
        lambda x: np.split(x, [1, 1, 9], axis=1)[2],
        lambda x: np.split(x, [1, 1, 9], axis=1)[1],
    ],
    "array_split": [lambda x: np.array_split(x, 2, axis=1)[1]],
    "hsplit": [lambda x: np.hsplit(x, 3)[1], lambda x: np.hsplit(x[0], [1])[1]],
    "vsplit": [lambda x: np.vsplit(x, 2)[1]],
    "dsplit": [(lambda x: np.dsplit(x, 2)[1], STACK)],
    "unstack": [(lambda x: np.unstack(x, axis=1)[2], STACK)],
    "concatenate": [
        lambda x: np.concatenate([x, x * x], axis=1),
        lambda x: np.concatenate([x, ROW], axis=None),
        lambda x: np.concatenate([x[0, 0], x], axis=None),
    ],
    "stack": [lambda x: np.stack([x, x * x], axis=1)],
    "vstack": [lambda x: np.vstack([x, ROW])],
    "hstack": [
        *[lambda x: np.hstack([x, x]), lambda x: np.hstack([x[0], ROW])],
        *[lambda x: np.hstack([x[0, 1], x[1, 0]]), lambda x: np.hstack([x[0, 1], x[1]])],
    ],
    "dstack": [lambda x: np.dstack([x, x * x]), lambda x: np.dstack([x[0], ROW])],
    "column_stack": [lambda x: np.column_stack([x[0], ROW]), lambda x: np.column_stack([x, x])],
    "block": [lambda x: np.block([[x, x[:, :1]], [ROW, 7.0]]), lambda x: np.block([x[0], ROW])],
    "pad": [
        *[lambda x: np.pad(x, 1), lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=3.0)],
        *[lambda x, m=m: np.pad(x, ((0, 1), (2, 1)), m) for m in ("edge", "reflect", "symmetric", "wrap")],
    ],
    "lib.stride_tricks.sliding_window_view": [
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=0),
        (lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(2, 1)), STACK),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (1, 2)),
    ],
    "take": [
        lambda x: np.take(x, [0, 5, 5]),
        lambda x: np.take(x, [2, 0], axis=1),
        lambda x: np.take(x, [[1]], axis=-2),
        lambda x: x.take(4),
        lambda x: np.take(x, [5], axis=None),
        lambda x: np.take(x[0, 0], 0),
    ],
    "take_along_axis": [lambda x: np.take_along_axis(x, np.array([[1], [2]]), axis=1)],
    "compress": [lambda x: np.compress([True, False, True], x, axis=1), lambda x: x.compress([False, True])],
    "extract": [lambda x: np.extract(MASK, x)],
    "diag": [
        (np.diag, SQUARE),
        (lambda x: np.diag(x, 1), SQUARE),
        lambda x: np.diag(x[0]),
        lambda x: np.diag(x[0], -2),
    ],
    "diagflat": [lambda x: np.diagflat(x, 1)],
    "diagonal": [
        np.diagonal,
        (lambda x: x.diagonal(1), SQUARE),
        (lambda x: np.diagonal(x, 0, 2, 1), STACK),
        lambda x: np.diagonal(x, 5),
    ],
    "trace": [np.trace, (lambda x: x.trace(-1), SQUARE), (lambda x: np.trace(x, 1, 1, 2), STACK)],
    "tril": [np.tril, lambda x: np.tril(x, -1), (np.tril, STACK), lambda x: np.tril(x[0])],
    "triu": [np.triu, lambda x: np.triu(x, 1)],
    "astype": [lambda x: np.astype(x, np.float64), lambda x: x.astype(float, copy=False)],
    # products
    "matmul": [lambda x: np.matmul(x, SQUARE), lambda x: SQUARE @ x.T],
    "dot": [
        *[lambda x: np.dot(x, SQUARE), lambda x: x.dot(ROW), lambda x: x[0].dot(x[1]), lambda x: np.dot(x, 2.0)],
        *[(lambda x: np.dot(SQUARE, x), STACK), (lambda x: np.dot(x, x.transpose(1, 2, 0)), STACK)],
    ],
    "inner": [lambda x: np.inner(x, ROW), lambda x: np.inner(x, x), lambda x: np.inner(x, 2.0)],
    "outer": [lambda x: np.outer(x, ROW)],
    "vdot": [lambda x: np.vdot(x, 2 * X)],
    "vecdot": [lambda x: np.vecdot(x, ROW), lambda x: np.vecdot(ROW, x)],
    "matvec": [lambda x: np.matvec(x, ROW), lambda x: np.matvec(SQUARE, x)],
    "vecmat": [lambda x: np.vecmat(ROW, x.T), lambda x: np.vecmat(x, SQUARE)],
    "tensordot": [
        lambda x: np.tensordot(x, SQUARE, 1),
        (lambda x: np.tensordot(x, x, ([0, 2], [0, 2])), STACK),
        (lambda x: np.tensordot(x, X, ([1, 0], [1, 0])), STACK),
        lambda x: np.tensordot(x, ROW, 0),
    ],
    "kron": [lambda x: np.kron(x, SQUARE), lambda x: np.kron(ROW, x)],
    "cross": [lambda x: np.cross(x, ROW), lambda x: np.cross(ROW, x), lambda x: np.cross(x.T, SQUARE[:, :2], axis=0)],
    "einsum": [
        lambda x: np.einsum("ij,ij->i", x, x),
        lambda x: np.einsum("ij,jk->ik", x, SQUARE, optimize=True),
        lambda x: np.einsum(x, [0, 1], SQUARE, [1, 2], [0, 2]),
        lambda x: np.einsum(x, [0, 1], x, [0, 1]),
        lambda x: np.einsum(x, [..., 1], ROW, [1], [...]),
    ],
    # linear algebra
    "linalg.inv": [(np.linalg.inv, SQUARE)],
    "linalg.solve": [
        (lambda x: np.linalg.solve(x, ROW), SQUARE),
        (lambda x: np.linalg.solve(SQUARE, x.T), X),
        (lambda x: np.linalg.solve(x, x[0]), SQUARE),
    ],
    "linalg.det": [
        (np.linalg.det, SQUARE),
        (np.linalg.det, np.diag([1.0, 2.0, 0.0])),
        (np.linalg.det, np.stack([SQUARE, 2 * SQUARE])),
    ],
    "linalg.slogdet": [(lambda x: np.linalg.slogdet(x)[1], -SQUARE)],
    "linalg.matrix_power": [(lambda x, n=n: np.linalg.matrix_power(x, n), SQUARE) for n in (-2, 0, 1, 3)],
    "linalg.multi_dot": [lambda x: np.linalg.multi_dot([x, SQUARE, ROW])],
    "linalg.norm": [
        np.linalg.norm,
        *[lambda x, p=p: np.linalg.norm(x[0], p) for p in (None, 0, 1, 2, 3, 0.5, -1, math.inf, -math.inf)],
        *[lambda x, p=p: np.linalg.norm(x, p) for p in ("fro", 1, -1, math.inf, -math.inf)],
        *[lambda x, p=p: np.linalg.norm(x, p, axis=1, keepdims=True) for p in (0, 1, 2, 3, math.inf)],
        (lambda x: np.linalg.norm(x, 1, axis=(2, 0)), STACK - 1),
        (lambda x: np.linalg.norm(x, ord=math.inf, axis=(0, 1), keepdims=True), STACK - 1),
        (np.linalg.norm, STACK),
    ],
    "linalg.vector_norm": [np.linalg.vector_norm, lambda x: np.linalg.vector_norm(x, axis=1, ord=3)],
    "linalg.matrix_norm": [np.linalg.matrix_norm, (lambda x: np.linalg.matrix_norm(x, ord=1), STACK)],
    "linalg.trace": [(np.linalg.trace, STACK)],
    "linalg.diagonal": [(np.linalg.diagonal, STACK)],
    "linalg.matrix_transpose": [(np.linalg.matrix_transpose, STACK)],
    "linalg.matmul": [lambda x: np.linalg.matmul(x, SQUARE)],
    "linalg.cross": [lambda x: np.linalg.cross(x, np.ones((2, 3)))],
    "linalg.outer": [lambda x: np.linalg.outer(x[0], ROW)],
    "linalg.tensordot": [lambda x: np.linalg.tensordot(x, SQUARE, axes=1)],
    "linalg.vecdot": [lambda x: np.linalg.vecdot(x, ROW)],
    "cumulative_sum": [lambda x: np.cumulative_sum(x, axis=1)],
    "cumulative_prod": [lambda x: np.cumulative_prod(x, axis=1)],
}
PLAIN = {  # no gradient: plain arrays, numbers, truths
    **{
        name: [getattr(np, name)]
        for name in ("isnan", "isfinite", "isinf", "isneginf", "isposinf", "sign", "signbit", "zeros_like")
    },
    **{
        name: [getattr(np, name)]
        for name in ("ones_like", "shape", "ndim", "size", "nonzero", "flatnonzero", "argwhere", "iscomplexobj")
    },
    "imag": [np.imag],
    "unique": [np.unique, lambda x: np.unique(x, return_inverse=True)],
    "min_scalar_type": [lambda x: np.min_scalar_type(x).kind],
    "shares_memory": [lambda x: bool(np.shares_memory(x, x))],
    "angle": [np.angle, lambda x: np.angle(1 - x, deg=True)],
    **{name: [getattr(np, name)] for name in ("isrealobj", "isreal", "iscomplex", "result_type", "logical_not")},
    **{
        name: [of(name, 2.3)]
        for name in (
            "greater",
            "greater_equal",
            "less",
            "less_equal",
            "equal",
            "not_equal",
            "heaviside",
            "full_like",
            "isclose",
            "allclose",
            "isin",
            "array_equal",
            "array_equiv",
        )
    },
    **{
        name: [lambda x, name=name: getattr(np, name)(x > 1, x < 3)]
        for name in ("logical_and", "logical_or", "logical_xor")
    },
    **{
        name: [getattr(np, name), of(name, axis=1), lambda x, n=name: getattr(x, n)(axis=0)]
        for name in ("all", "any", "argmax", "argmin", "argsort")
    },
    "argpartition": [lambda x: np.argpartition(x, 1)[:, 1]],
    "searchsorted": [lambda x: np.searchsorted(x[0, :2], [2.0, 9.0])],
    "digitize": [lambda x: np.digitize(x, [1.0, 3.0])],
    "count_nonzero": [lambda x: np.count_nonzero(x), lambda x: np.count_nonzero(x, axis=1)],
    "where": [lambda x: np.where(x > 2), lambda x: np.where(x)],
    "empty_like": [lambda x: np.empty_like(x).shape],
    "can_cast": [lambda x: np.can_cast(x.dtype, np.float64)],
    "tolist": [lambda x: x.tolist()],
    "nbytes": [lambda x: (x.nbytes, x.itemsize)],
}
# of the same kind, and refused: what there is no use for on a Tensor that has a gradient, or not yet
REFUSED = " ".join(
    [
        "apply_along_axis apply_over_axes array_repr array_str choose convolve corrcoef",
        "correlate cov fft.fft histogram i0 insert interp ix_ lexsort linalg.cond linalg.eig",
        "linalg.eigh linalg.eigvalsh linalg.lstsq linalg.matrix_rank linalg.pinv linalg.qr linalg.svd",
        "linalg.svdvals nanmedian nanstd nanvar piecewise poly polyfit polyval putmask setdiff1d",
        "trim_zeros union1d unwrap vander",
    ]
).split()


def exists(name):
    *places, last = name.split(".")
    return hasattr(reduce(getattr, places, np), last) or name in ("logsumexp", "tolist", "nbytes")


def calls():
    """(name, call, the array that it is for) of each call in `CALLS` that this NumPy has."""
    return [
        (name, *(call if isinstance(call, tuple) else (call, X)))
        for name, row in CALLS.items()
        if exists(name)
        for call in row
    ]
