"""Products and norms of NumPy on Tensors, made of others: rows of a table, for `composed`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from string import ascii_letters
from typing import Any

import numpy as np

from ..core.tensor import Tensor, apply, as_tensor, constant, unwrap
from . import ops

Function = Callable[..., Any]


def turned(function: Function) -> Function:
    """Return function for Tensors, if it changes nothing but the order of the axes."""
    return lambda a, *args, **kwargs: apply(
        ops.transpose, a, axes=function(np.empty(tuple(range(np.ndim(unwrap(a))))), *args, **kwargs).shape
    )


moveaxis = turned(np.moveaxis)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes, as the last axis."""
    matrices = moveaxis(a, (axis1, axis2), (-2, -1))
    n, m = matrices.shape[-2:]
    return matrices[(..., *np.nonzero(np.eye(n, m, offset)))]


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal of two axes."""
    return diagonal(a, offset, axis1, axis2).sum(axis=-1)


def matrix_transpose(t: Any) -> Tensor:
    """The tensor with its last two axes swapped: each matrix of a stack transposed."""
    if t.ndim < 2:
        raise AttributeError(f"{t.label()} has no mT: a matrix has at least two axes")
    return apply(ops.transpose, t, axes=(*range(t.ndim - 2), t.ndim - 1, t.ndim - 2))


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
    """The sums of products over axes: the last so many of a and the first of b, or a pair of lists."""
    a, b = as_tensor(a), as_tensor(b)
    of_a, of_b = (range(a.ndim - axes, a.ndim), range(axes)) if isinstance(axes, int) else axes
    of_a, of_b = ([range(t.ndim)[i] for i in ([of] if isinstance(of, int) else of)] for t, of in ((a, of_a), (b, of_b)))
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(
            f"tensordot sums over axes of the same lengths, got {a.shape} over {of_a}, {b.shape} over {of_b}"
        )
    left, right = ([i for i in range(t.ndim) if i not in of] for t, of in ((a, of_a), (b, of_b)))
    n = math.prod(a.shape[i] for i in of_a)
    rows, columns = [a.shape[i] for i in left], [b.shape[i] for i in right]
    first = apply(ops.transpose, a, axes=(*left, *of_a)).reshape(math.prod(rows), n)
    second = apply(ops.transpose, b, axes=(*of_b, *right)).reshape(n, math.prod(columns))
    return (first @ second).reshape((*rows, *columns))


def dot(a: Any, b: Any) -> Tensor:
    """Return np.dot(a, b): a product with a number, `matmul`, or the sum over the last axis of a and the last but one
    of b."""
    a, b = as_tensor(a), as_tensor(b)
    if b.ndim > 2 and a.ndim:
        return tensordot(a, b, (-1, -2))
    return a @ b if a.ndim and b.ndim else a * b


def inner(a: Any, b: Any) -> Tensor:
    """The sums of products over the last axes of a and b."""
    a, b = as_tensor(a), as_tensor(b)
    return tensordot(a, b, (-1, -1)) if a.ndim and b.ndim else a * b


def kron(a: Any, b: Any) -> Tensor:
    """The Kronecker product: a block of b for each element of a."""
    a, b = as_tensor(a), as_tensor(b)
    n = max(a.ndim, b.ndim)
    a, b = (t.reshape((1,) * (n - t.ndim) + t.shape) for t in (a, b))
    spread = a.reshape([m for k in a.shape for m in (k, 1)]) * b.reshape([m for k in b.shape for m in (1, k)])
    return spread.reshape([i * j for i, j in zip(a.shape, b.shape)])


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """The cross products of vectors of three numbers along axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (moveaxis(as_tensor(t), i, -1) for t, i in ((a, axisa), (b, axisb)))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross takes vectors of three numbers, got shapes {a.shape} and {b.shape}")
    one, two = [1, 2, 0], [2, 0, 1]
    return moveaxis(a[..., one] * b[..., two] - a[..., two] * b[..., one], -1, axisc)


def vecdot(a: Any, b: Any, axis: int = -1) -> Tensor:
    """The dot products of the vectors along axis."""
    return (moveaxis(as_tensor(a), axis, -1) * moveaxis(as_tensor(b), axis, -1)).sum(axis=-1)


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
    """np.linalg.norm. Of a matrix, 1 and inf are the largest sum of a column or row; None and "fro" the root of
    Σ x²."""
    x = as_tensor(x)
    axes = axis if axis is not None else range(x.ndim) if x.ndim < 3 or ord is None else ()
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    if ord is None or (len(axes) == 2 and ord == "fro"):
        return apply(ops.norm, x, axis=axes, keepdims=keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        k = {"axis": axes[0], "keepdims": keepdims}
        if ord in VECTORS:
            return VECTORS[ord](x, **k)
        sizes = apply(ops.where, 0, x.abs(), condition=x == 0)  # the slope at 0 is 0, where ord < 0 too
        return (sizes**ord).sum(**k) ** (1 / ord)
    if len(axes) == 2 and ord in MATRICES:
        summed, extreme = MATRICES[ord]
        over, rest = axes[summed], axes[1 - summed]
        sums = getattr(x.abs().sum(axis=over, keepdims=True), extreme)(axis=rest, keepdims=True)
        return sums if keepdims else np.squeeze(sums, axes)
    raise ValueError(
        f"norm of a Tensor over {len(axes)} axes has no ord={ord!r}: of vectors it is a number or None, of matrices 1, "
        '-1, inf, -inf, "fro" or None'
    )


def slogdet(a: Any) -> tuple[Any, Tensor]:
    """The sign of the determinant, which has no gradient, and the logarithm of its size."""
    return constant(lambda a: np.linalg.slogdet(a)[0], a), apply(ops.log_abs_det, a)


def matrix_power(a: Any, n: int) -> Tensor:
    """The square matrix a, n times multiplied with itself; its inverse if n < 0."""
    if n < 0:
        return matrix_power(apply(ops.inv, a), -n)
    if n < 2:
        return a * 1 if n else a * 0 + np.eye(a.shape[-1], dtype=a.dtype)
    half = matrix_power(a, n // 2)
    return half @ half @ a if n % 2 else half @ half


TABLE: dict[str, Function] = {  # the names are below np
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
