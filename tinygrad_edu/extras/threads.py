"""Work for several threads: pieces, of which each thread takes the next when it is done with one (`shared`).

So no thread waits for one that the system has put to sleep, as it does on a busy machine: the others take its pieces.
What a piece is does not depend on the threads, and so no bit of a result does. Large products (`one_thread`) and large
buffers are cut like this. The face puts `bind` in the place of `Update.bind`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache, partial
from itertools import pairwise, starmap
from operator import length_hint
from typing import Any

from numpy import integer

from ..core.jit import machine_code
from ..core.ops import Array
from ..core.optimizer import Update
from . import gate

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORTH_A_THREAD = 18_000_000  # bytes of all arrays; below, waking a thread costs more than it saves
GRAIN = 16  # elements: slices start where a line of the processor's cache does
EACH = 4  # pieces of a buffer for each thread
threads = CORES  # see `set_num_threads`


def bind(update: Update, rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on arrays of the update, as a function of its numbers (`bound`)."""
    return bound(rule, arrays)


def bound(rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on these arrays, as a function of its numbers: large arrays in slices, shared by threads.

    A rule is elementwise, so its bits do not depend on the cuts. The arrays pass the `gate` here, once: they are bound.
    """
    gate.kept(getattr(rule, "__name__", "a rule"), arrays, arrays[0].size, arrays[0].dtype)
    code = machine_code(rule, len(arrays), arrays[0].dtype)
    if arrays[0].nbytes * len(arrays) < WORTH_A_THREAD:
        return partial(code, *arrays)

    def slices(n: int) -> list[list[Array]]:
        return [[array[a:b] for array in arrays] for a, b in pairwise(cut(arrays[0].size, n))]

    sliced = lru_cache(maxsize=1)(slices)
    return lambda *numbers: any(shared(code, [(*some, *numbers) for some in sliced(pieces())], threads))


def pieces() -> int:
    """Return how many pieces a large buffer is cut into."""
    return EACH * threads if threads > 1 else 1


def cut(size: int, n: int) -> list[int]:
    """Return where n pieces of so many elements begin, and the last one ends: at multiples of GRAIN."""
    return [*(size * i // n // GRAIN * GRAIN for i in range(n)), size]


def shared(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], n: int) -> list[Any]:
    """Call function with each of these arguments, a list or its iterator, in at most n threads, this one among them.

    Return the results, in any order. After Ctrl-C all calls have been made too.
    """
    todo, others = iter(calls), list[Future[list[Any]]]()
    try:
        with suppress(RuntimeError):  # there are no new threads, as at the end of the process
            for _ in range(min(n, length_hint(todo)) - 1):
                others.append(pool().submit(_take, function, todo))
    finally:
        try:
            mine = _take(function, todo)
        finally:
            begun = [other for other in others if not other.cancel()]
            wait(begun)
    return [*mine, *(result for other in begun for result in other.result())]


def _take(function: Callable[..., Any], todo: Iterator[tuple[Any, ...]]) -> list[Any]:
    """Call function with what is left of todo. There is no line of Python in the loop, and so no Ctrl-C between."""
    return list(starmap(function, todo))


@lru_cache
def pool() -> ThreadPoolExecutor:
    """Return the threads. Each is started when it is first needed."""
    return ThreadPoolExecutor(64, thread_name_prefix="tinygrad_edu")


def set_num_threads(n: int) -> None:
    """Set how many threads share an optimizer's update of large buffers; the bits of the result do not depend on it.

    At the start it is the environment variable TINYGRAD_EDU_THREADS, or the number of cores. Where a rule's arrays
    together have less than WORTH_A_THREAD = 18 MB, as Adam's below 1,125,000 parameters in float32, one does the work.

    It governs nothing else. Matrix products have the threads of NumPy's BLAS. OPENBLAS_NUM_THREADS in the environment
    sets their number, or the package threadpoolctl; products of up to 8.4 million multiplications take one, whatever
    the number is (`one_thread`).

    Raises
    ------
    ValueError : n is not a whole number, at least 1
    """
    global threads
    if isinstance(n, bool) or not isinstance(n, (int, integer)) or n < 1:
        raise ValueError(f"the number of threads is a whole number, at least 1; got {n!r}")
    threads = int(n)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # threads do not survive a fork
if (_given := os.environ.get("TINYGRAD_EDU_THREADS")) is not None:
    if not _given.strip().isdecimal() or int(_given) < 1:
        raise ValueError(f"TINYGRAD_EDU_THREADS is a whole number, at least 1; got {_given!r}")
    set_num_threads(int(_given))
