"""Arrays that NumPy computes from labels beside the ops: ``np.eye(3)[y]``, ``w[y]``, and row numbers in an index.

A trace sees what is done with Tensors. NumPy returns a plain array here, which would be a constant of the program. But
an array of which each row depends on the label of its sample alone is a table, read by the labels: `table_of` asks for
its row for every label. So it does not matter how the array was computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import ops
from ..core.ops import Array, Result
from ..core.tensor import Tensor, apply, no_grad

MOST = 1024  # labels of a function that takes any


def row_numbers(a: Array) -> Result:
    """y = 0, 1, 2, ...: the number of each sample"""
    return np.arange(len(a)), lambda g: np.zeros_like(a)


def row_column(a: Array) -> Result:
    """y = 0, 1, 2, ... in a column"""
    return np.arange(len(a))[:, None], lambda g: np.zeros_like(a)


def read_by(labels: Tensor, table: Array, stamp: int) -> Tensor:
    """Return table[labels], computed at the time of the stamp."""
    return node(stamp, ops.getitem, Tensor(table), index=labels.array)


def node(stamp: int, op: Callable[..., Result], *args: Any, **kwargs: Any) -> Tensor:
    """Return the result of an op, with the record that a trace reads."""
    with no_grad():
        out = apply(op, *args, **kwargs)
    out.parents, out.kwargs, out.stamp = args, kwargs, stamp
    return out


def with_arrays(index: Any) -> Any:
    """Return an index with arrays for the lists and ranges in it."""
    if not isinstance(index, tuple):
        return index
    return tuple(np.asarray(part) if isinstance(part, (list, range)) else part for part in index)


def table_of(labels: Array, array: Array, ask: Callable[[Array], Array | None]) -> Array | None:
    """Return the table that array is read from, by the labels; None if there is none.

    Parameters
    ----------
    labels : (N,) whole numbers, at least 0
    array : (N, ...)
    ask : returns that array for other labels, of any number; None if the function does not take them
    """
    if array.shape[:1] != labels.shape or labels.min() < 0:
        return None
    last = int(labels.max())
    beyond = min(max(MOST, 2 * last), np.iinfo(labels.dtype).max)
    while last + 1 < beyond:  # the last label that the function takes
        middle = min(2 * last + 1, (last + beyond) // 2)
        if ask(np.full_like(labels, middle)) is None:
            beyond = middle
        else:
            last = middle
    table = ask(np.arange(last + 1, dtype=labels.dtype))
    if table is None or table.shape != (last + 1, *array.shape[1:]):
        return None
    return table if np.array_equal(table[labels], array, equal_nan=array.dtype.kind == "f") else None
