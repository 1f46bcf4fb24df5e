"""Small products take one of BLAS's threads, as a second one gains nothing there, and costs much on a busy machine.

OpenBLAS's threads wait for each other within a product. If a core is busy with other work, one of them sleeps, and the
product takes as long as the system lets it sleep: milliseconds for microseconds. So OpenBLAS is told to use one thread
before a small product, and afterwards as many as before. Other BLAS libraries are left alone.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from threading import Lock, get_ident
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Result
from ..core.tensor import Tensor, apply

# both are numbers of multiplications: n · k · m for a product of (n, k) and (k, m)
ALONE = 2**18  # up to here OpenBLAS uses one thread by itself
SMALL = 2**23  # up to here a second thread gains nothing: see docs/performance.md


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

    The number is the whole process's: OpenBLAS has none for each thread. So a large product that another thread
    computes meanwhile may have one thread too. That changes its time alone.

    Attributes
    ----------
    users : BLAS's number of threads outside
    """

    def __init__(self) -> None:
        self.users = ctypes.c_int(0)  # machine code reads it, by its address
        self._begin()

    def _begin(self) -> None:
        self._lock, self._inside = Lock(), set[int]()  # of threads, so that a block which was cut short counts once

    def __enter__(self) -> None:
        if (library := blas_threads()) is not None:
            with self._lock:
                if not self._inside:
                    self.users.value = library.get()
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
            library.set(self.users.value)

    def forked(self) -> None:
        """Leave the blocks of threads that a process does not have, as it was forked off."""
        if self._inside:
            self._restore()
        self._begin()


one_thread = _OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_thread.forked)


def threads_for(size: int) -> AbstractContextManager[None]:
    """Return what a product of so many multiplications is computed in: `one_thread` if it is small, else nothing."""
    return one_thread if ALONE < size <= SMALL else nullcontext()


def product(op: Callable[..., Result], *args: Any) -> Tensor:
    """Return apply(op, ...) for a small product, in one thread; its VJPs are products of the same size."""
    with one_thread:
        out = apply(op, *args)
    out.vjps = [_in_one_thread(vjp) for vjp in out.vjps]
    return out


def _in_one_thread(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        with one_thread:
            return f(*args)

    return call
