"""Large buffers: the same kernel on disjoint slices, in threads. The face puts `bind` in the place of `Update.bind`."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache, partial
from typing import Any

from numpy import integer

from ..core.jit import machine_code
from ..core.ops import Array
from ..core.optimizer import Update
from . import gate

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORTH_A_THREAD = 18_000_000  # bytes of all arrays; below, waking a thread costs more than it saves
GRAIN = 16  # elements: slices start where a line of the processor's cache does
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

    def piece(numbers: tuple[float, ...], k: int, n: int) -> Any:
        a, b = (arrays[0].size * i // n // GRAIN * GRAIN if i < n else arrays[0].size for i in (k, k + 1))
        return code(*[array[a:b] for array in arrays], *numbers)

    return lambda *numbers: in_threads(partial(piece, numbers))


def in_threads(job: Callable[[int, int], Any]) -> bool:
    """Call job(k, n) for each k < n, the number of threads, side by side; return whether a result is true."""
    n = threads
    others = [pool().submit(job, k, n) for k in range(1, n)]
    try:
        mine = job(0, n)
    finally:  # an interrupt waits for all
        wait(others)
    return any([mine, *[other.result() for other in others]])


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
