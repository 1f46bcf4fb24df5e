"""The gate of machine code. A function that is called by its entry point looks at no argument: it reads and writes
wherever an array says that it lies. So every array passes here first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.ops import Array


def passes(a: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Return whether this is an array of that dtype and shape, without gaps, each number at a multiple of its size."""
    return (
        a.__class__ is np.ndarray and a.shape == shape and a.dtype == dtype and a.flags.c_contiguous and a.flags.aligned
    )


def kept(what: str, arrays: list[Array], size: int, dtype: np.dtype[Any]) -> list[Array]:
    """Return flat arrays that machine code keeps and writes into. what says in the error whose they are.

    Raises
    ------
    ValueError : one has another size or dtype, has gaps, or is read-only
    """
    for i, a in enumerate(arrays):
        if not (passes(a, dtype, (size,)) and a.flags.writeable):
            given = f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__
            wanted = f"{dtype} ({size},) without gaps, and not read-only"
            raise ValueError(
                f"array {i} of {what} is {given}; machine code takes {wanted}: write into it with a[...] = b"
            )
    return arrays


def taken(a: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array as machine code reads it: itself, or a copy of this dtype, without gaps and aligned. It is
    NumPy's own class, as others may hold more than their numbers, a mask for one."""
    return np.require(a, dtype, ["C", "ALIGNED", "ENSUREARRAY"])


def rows(order: Any, n: int) -> Array:
    """Return the numbers of rows as machine code takes them: a copy, which nobody changes after the look at it.

    Raises
    ------
    TypeError : order is not one axis of whole numbers
    ValueError : it names no row
    IndexError : it names a row that is none of the n
    """
    given = np.asarray(order)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise TypeError(f"order is {given.dtype} {given.shape}; it takes one axis of whole numbers, the rows' numbers")
    if not given.size:
        raise ValueError("order names no rows: an epoch has at least one")
    if given.dtype == np.uint64:  # those that int64 does not hold are of no row either
        given = np.minimum(given, np.uint64(np.iinfo(np.int64).max))
    taken = np.array(given, np.int64)
    if taken.min() < 0 or taken.max() >= n:
        raise IndexError(f"order names rows from {taken.min()} to {taken.max()}, there are {n}")
    return taken


def batch_size(size: Any) -> int:
    """Return the size of a batch as a Python number; refuse what is none."""
    if isinstance(size, (bool, np.bool_)) or not isinstance(size, (int, np.integer)):
        raise TypeError(f"size is the number of rows in a batch, a whole number; got {size!r}")
    if size < 1:
        raise ValueError(f"size is the number of rows in a batch, at least 1; got {size}")
    return int(size)
