"""Products take one of BLAS's threads, as a second one costs much on a busy machine; large ones are cut into pieces.

OpenBLAS's threads wait for each other within a product. If a core is busy with other work, one of them sleeps, and the
product takes as long as the system lets it sleep: milliseconds for microseconds. So OpenBLAS is told to use one thread
before a product, and afterwards as many as before. A second thread gains nothing in a small product. A large one is cut
into pieces, for as many `threads` as BLAS has outside, which do not wait like that. The cuts depend on the shapes
alone, and so no bit of a result depends on the number of threads, or on other work. Other BLAS libraries are left as
they are.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, partial, wraps
from itertools import pairwise
from threading import Lock, get_ident
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array, Result
from ..core.tensor import Tensor, apply, thread, unbroadcast, unwrap
from .threads import GRAIN, cut, shared

# both are numbers of multiplications: n · k · m for a product of (n, k) and (k, m)
ALONE = 2**18  # up to here OpenBLAS uses one thread by itself
SUMMED = 2**13  # elements of a matrix times a vector: up to here it does so too
SMALL = 2**23  # up to here a second thread gains nothing: see docs/performance.md
WIDTH = 64  # columns or rows that a piece of a large product has at least
HEIGHT = 128  # rows of a piece that machine code computes, if there are more pieces than one above another


def own_library() -> str:
    """Return the path of the library that NumPy's functions are in."""
    return str(sys.modules["numpy._core._multiarray_umath"].__file__)


def libraries() -> list[str]:
    """Return the paths of the libraries in which NumPy's BLAS is looked up.

    A name is looked up in NumPy's own library, and so in those that it was linked with, and in no other that a process
    may have loaded. Windows does not look further than one library; there NumPy brings BLAS in a folder of its own.
    """
    beside = os.path.join(os.path.dirname(np.__file__), os.pardir, "numpy.libs")
    names = sorted(os.listdir(beside)) if os.path.isdir(beside) else []
    return [own_library(), *(os.path.join(beside, name) for name in names if re.match(r".*openblas.*\.dll$", name))]


class Threads(NamedTuple):
    """OpenBLAS's functions that get and set the number of its threads."""

    get: Any
    set: Any


@lru_cache
def blas_threads() -> Threads | None:
    """Return the functions of NumPy's OpenBLAS; None if NumPy has another BLAS, or if the threads are OpenMP's, whose
    number is that of other libraries too."""
    for get, set_, kind in _named(["get_num_threads", "set_num_threads", "get_parallel"]):
        if kind() == 1 and get() >= 1:
            return Threads(get, set_)
    return None


def _named(names: list[str]) -> Iterator[list[Any]]:
    """Yield these functions of OpenBLAS for each of the ways that builders of NumPy name them, if there are any."""
    for path in libraries():
        for pattern in ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}"):
            try:
                library = ctypes.PyDLL(path)  # which keeps Python's lock: no other thread of Python comes between
                yield [getattr(library, pattern.format(name)) for name in names]
            except (OSError, AttributeError):
                continue


class _OneThread:
    """``with one_thread:`` BLAS uses one thread; at the end of the last such block, as many as before the first.

    The number is the whole process's: OpenBLAS has none for each thread. So a product of the user's own that another
    thread computes meanwhile may have one thread too.

    Attributes
    ----------
    users : BLAS's number of threads outside, which the pieces of large products may take
    """

    def __init__(self) -> None:
        self.users = 0
        self._begin()

    def _begin(self) -> None:
        self._lock, self._inside = Lock(), set[int]()  # of threads, so that a block which was cut short counts once

    def __enter__(self) -> None:
        if (library := blas_threads()) is not None:
            with self._lock:
                if not self._inside or library.get() != 1:  # somebody has set it since: a user, or another block
                    self.users = library.get()
                self._inside.add(get_ident())
                library.set(1)

    def __exit__(self, *_: object) -> None:
        try:
            self._leave()
        except BaseException:  # Ctrl-C, at this of all moments
            self._leave()
            raise

    def _leave(self) -> None:
        with self._lock:
            if get_ident() in self._inside:
                if len(self._inside) == 1:
                    self._restore()
                self._inside.discard(get_ident())

    def _restore(self) -> None:
        library = blas_threads()
        if library is not None and library.get() == 1:  # else somebody has set it meanwhile
            library.set(self.users)

    def forked(self) -> None:
        """Leave the blocks of threads that a process does not have, as it was forked off."""
        if self._inside:
            self._restore()
        self._begin()


one_thread = _OneThread()  # for a product, or a step
one_throughout = _OneThread()  # for a run beside others, of many such blocks
if hasattr(os, "register_at_fork"):
    for block in (one_thread, one_throughout):
        os.register_at_fork(after_in_child=block.forked)


def product(size: int, op: Callable[..., Result], *args: Any, **kwargs: Any) -> Tensor:
    """Return apply(op, ...) for a product of so many multiplications, for which OpenBLAS would use threads.

    It may be a stack of these. Its VJPs are products of the same size.
    """
    if _is_plain(size):
        return apply(op, *args, **kwargs)
    with one_thread:
        out = apply(op, *args, **kwargs) if size <= SMALL else _cut_up(op, *args, **kwargs)
    out.vjps = [partial(_in_one_thread, vjp, np.shape(unwrap(a))) for vjp, a in zip(out.vjps, args)]
    return out


def multiplied(a: Array, b: Array, out: Array) -> Array:
    """Write the product of two matrices into out, and return it: the bits that `product` gives."""
    if _is_plain(a.size * b.shape[1]):
        return a.dot(b, out)
    with one_thread:
        return pieces_of(a).dot(b, out)


def _is_plain(size: int) -> bool:
    """Return whether NumPy may compute a product of so many multiplications: it has one thread anyway."""
    return (library := blas_threads()) is None or (size <= SMALL and library.get() == 1)


def _in_one_thread(vjp: Callable[..., Any], shape: tuple[int, ...], g: Any) -> Any:
    """Return vjp(g), for an argument of that shape. The sum over a batch is BLAS's too."""
    with one_thread:
        share = vjp(g)
        return share if share.shape == shape else unbroadcast(share, shape)


# --- large products ---------------------------------------------------------------------------------------------------


def _cut_up(op: Callable[..., Result], *args: Any, **kwargs: Any) -> Tensor:
    """Return apply(op, ...), computed in pieces."""

    @wraps(op)
    def in_pieces(*arrays: Array, **kwargs: Any) -> Any:
        y, *vjps = op(*map(pieces_of, arrays), **kwargs)
        return np.asarray(y), *[lambda g, vjp=vjp: np.asarray(vjp(pieces_of(g))) for vjp in vjps]

    told, thread.op = thread.op, ()  # observers are told of op
    try:
        out = apply(in_pieces, *args, **kwargs)
    finally:
        thread.op = told
    out.op = op
    for observe in told:
        observe(out, args, kwargs)
    return out


def pieces_of(a: Array) -> Array:
    """Return an array as one whose large products are computed in pieces: within ``with one_thread:``."""
    return a.view(InPieces) if a.ndim > 1 else a


class InPieces(np.ndarray[Any, Any]):
    """An array whose large products with others are computed in pieces, side by side."""

    def dot(self, b: Array, out: Array | None = None) -> Array:  # type: ignore[override]
        """Return self @ b, in out if that is given."""
        a, b = np.asarray(self), np.asarray(b)
        (n, k), (rows, m) = a.shape[-2:], b.shape[-2:]
        if n * k * m <= SMALL or k != rows or a.dtype != b.dtype or a.dtype.char not in "fd":
            return a.dot(b, out) if a.ndim == b.ndim == 2 else a @ b
        many = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b, y = (
            np.broadcast_to(a, (*many, n, k)),
            np.broadcast_to(b, (*many, k, m)),
            np.empty((*many, n, m), a.dtype) if out is None else out,
        )
        each = itertools.product(np.ndindex(many), cuts(n, m, k))
        calls = [(a[i][at], b[i][:, columns], y[i][at, columns]) for i, (at, columns) in each]
        shared(np.matmul, calls, one_thread.users)
        return y.view(Passing) if out is None else y

    __matmul__ = dot  # type: ignore[assignment]

    def __rmatmul__(self, a: Array) -> Array:  # type: ignore[override]
        return pieces_of(a).dot(self)


class Passing(np.ndarray[Any, Any]):
    """A large product. What is added to it next is added in place, if nobody has the product itself: the bias in
    x @ W + b, for one, which then takes no memory of the same size again."""

    def __add__(self, b: Any) -> Any:
        a = np.asarray(self)
        own = sys.getrefcount(self) <= NAMELESS and np.broadcast_shapes(a.shape, np.shape(b)) == a.shape
        return np.add(a, b, out=a if own and np.result_type(a, b) == a.dtype else None)


class _Probe:
    def __add__(self, other: Any) -> int:
        return sys.getrefcount(self)


NAMELESS = _Probe() + 0  # references to an array within its `__add__`, if no name has it


def cuts(n: int, m: int, k: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns of the pieces of a product of (n, k) and (k, m): the longer side is cut.

    Their number is a power of two, so that two threads or four have equal shares.
    """
    longer, count = max(n, m), pieces(n * m * k)
    while count > 1 and longer // count < WIDTH:
        count //= 2
    each = [slice(a, b) for a, b in pairwise(cut(longer, count))]
    return [(slice(0, n), piece) if m == longer else (piece, slice(0, m)) for piece in each]


def pieces(size: int) -> int:
    """Return how many pieces a product of so many multiplications may have."""
    return 2 << ((size >> 25).bit_length() + 1) // 2 if size > SMALL else 1


@lru_cache
def grid(n: int, m: int, k: int) -> list[tuple[int, int, int, int]]:
    """Return (first row, end, first column, end) of the pieces of a product by loops (`compile.products`).

    Its rows are cut into at least HEIGHT, as each piece copies columns for its own rows; columns, if more pieces are
    needed, into multiples of GRAIN.
    """
    rows = columns = pieces(n * m * k)
    while rows > 1 and n // rows < HEIGHT:
        rows //= 2
    columns //= rows
    while columns > 1 and m // columns < WIDTH:
        columns //= 2
    tall = [n * i // rows for i in range(rows + 1)]
    wide = [*(round(m * i / columns / GRAIN) * GRAIN for i in range(columns)), m]
    return [(*row, *column) for row in pairwise(tall) for column in pairwise(wide)]
