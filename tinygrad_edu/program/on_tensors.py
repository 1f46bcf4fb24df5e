"""A program run on Tensors instead of arrays: each line is recorded, so the gradient can be differentiated again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..core.ops import Array, scatter_add
from ..core.tensor import Tensor, apply, unwrap
from ..extras import ops
from ..extras.windows import fold, windows
from .writer import Line


def run_on_tensors(
    helpers: str, own: Mapping[str, str], lines: Iterable[Line], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the lines of a program with Tensors among its inputs, and return all values by name.

    Helpers that take arrays alone are replaced by those of `FOR_TENSORS`. Lines that write into an input (a running
    mean) are left out: to differentiate changes nothing.

    Parameters
    ----------
    helpers : the text above the lines
    own : names in the text, each with the name in this package of the function that it is a copy of
    lines : forward and backward pass
    inputs : name to Tensor or array
    """
    namespace: dict[str, Any] = {}
    exec(helpers, namespace)
    namespace |= {name: FOR_TENSORS[there] for name, there in own.items() if there in FOR_TENSORS}
    namespace |= {name: value if isinstance(value, Tensor) else np.asarray(value) for name, value in inputs.items()}
    for line in lines:
        if not line.target.endswith("]"):
            exec(str(line), namespace)
    return namespace


def put_into(b: Array, *, shape: tuple[int, ...], index: Any) -> ops.Result:
    """y = zeros, with b added at index; its derivative is getitem"""
    return scatter_add(b, np.zeros(shape), index), lambda g: g[index]


def all_windows(a: Array, *, size: Any, stride: Any, padding: Any, dilation: Any, fill: float) -> ops.Result:
    """y = every window of a; its derivative is fold"""
    return windows(a, size, stride, padding, dilation, fill), lambda g: fold(g, a, stride, padding, dilation)


def folded(b: Array, *, shape: tuple[int, ...], stride: Any, padding: Any, dilation: Any) -> ops.Result:
    """y = the windows b, added where they were seen; its derivative is windows"""
    y = fold(b, np.zeros(shape), stride, padding, dilation)
    return y, lambda g: windows(g, b.shape[:2], stride, padding, dilation)


def map_with_ops(f: Any, a: Tensor) -> Tensor:
    """Return `ops.map_elements` of a Tensor, for the functions that are ops.

    Raises
    ------
    ValueError : any function but erf and erfc
    """
    if f not in (math.erf, math.erfc):
        raise ValueError(f"map_elements({f.__name__}, a) is no op, so it cannot be differentiated once more")
    erf = apply(ops.erf, a)
    return erf if f is math.erf else 1 - erf


def product_of_others(a: Any, axis: Any) -> Any:
    """Return `ops.product_of_others` of a Tensor: each element has a row of all factors, with 1 in its own place."""
    axes = range(a.ndim) if axis is None or not a.ndim else [i % a.ndim for i in np.atleast_1d(axis)]
    order = [i for i in range(a.ndim) if i not in axes] + list(axes)
    last = np.transpose(a, order)
    shape = last.shape[: a.ndim - len(axes)]
    rows = last.reshape(*shape, 1, math.prod(last.shape[len(shape) :]))
    products = np.where(np.eye(rows.shape[-1], dtype=bool), 1, rows).prod(axis=-1)
    return np.transpose(products.reshape(last.shape), np.argsort(order).tolist())


def cumprod_share(g: Any, a: Any, y: Any, axis: int | None) -> Any:
    """Return `ops.cumprod_share` of Tensors: for each element a row of running products, with 1 in its own place."""
    last = np.moveaxis(a.reshape(y.shape), axis or 0, -1)
    n = last.shape[-1]
    rows = np.where(np.eye(n, dtype=bool), 1, np.expand_dims(last, -2)).cumprod(axis=-1)
    shares = np.where(np.tri(n, dtype=bool).T, np.expand_dims(np.moveaxis(g, axis or 0, -1), -2) * rows, 0).sum(axis=-1)
    return np.moveaxis(shares, -1, axis or 0).reshape(a.shape)


def cofactors(a: Any) -> Any:
    """Return `ops.cofactors` of a Tensor, of matrices that have an inverse."""
    return np.expand_dims(np.linalg.det(a), (-1, -2)) * np.linalg.inv(a).mT


FOR_TENSORS: dict[str, Any] = {
    "cofactors": cofactors,
    "cumprod_share": cumprod_share,
    "scatter_add": lambda g, a, index: apply(put_into, g, shape=a.shape, index=unwrap(index)),
    "windows": lambda a, size, stride, padding, dilation, fill=0.0: apply(
        all_windows, a, size=size, stride=stride, padding=padding, dilation=dilation, fill=fill
    ),
    "fold": lambda g, a, stride, padding, dilation: apply(
        folded, g, shape=a.shape, stride=stride, padding=padding, dilation=dilation
    ),
    "map_elements": map_with_ops,
    "product_of_others": product_of_others,
}
