"""How a kernel becomes machine code, and how threads share a large buffer. A reader of the rules needs none of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property, lru_cache, partial, update_wrapper
from typing import Any

from numpy import integer

from .ops import Array

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORTH_A_THREAD = 18_000_000  # bytes of all arrays; below, waking a thread costs more than it saves
GRAIN = 16  # elements: slices start where a line of the processor's cache does
threads = CORES  # see `set_num_threads`


def compiled(**options: Any) -> Any:
    """Return Numba's decorator with the flags of this package. They are written here and nowhere else."""
    from numba import njit  # not before a kernel is used: it takes longer to load than all the rest

    return njit(nogil=True, error_model="numpy", **options)


class Kernel:
    """A function that Numba compiles at its first call; ``py_func`` is the plain function.

    Other kernels may call it: Numba asks for ``_numba_type_``, and gets that of the compiled function.
    """

    def __init__(self, rule: Callable[..., Any]) -> None:
        update_wrapper(self, rule)
        self.py_func = rule

    @cached_property
    def dispatcher(self) -> Any:
        """The function as Numba has it. Its machine code is kept on disk where the install allows that."""
        try:
            return compiled(cache=True)(self.py_func)
        except RuntimeError:  # nowhere to write: a read-only install without a home folder
            return compiled()(self.py_func)

    def __call__(self, *args: Any) -> Any:
        return self.dispatcher(*args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy, inspect and others try
            raise AttributeError(name)
        return getattr(self.dispatcher, name)


def kernel(rule: Any) -> Any:
    """Compile a rule at its first use. With NUMBA_DISABLE_JIT=1 it stays the plain function."""
    return rule if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0") else Kernel(rule)


def numbers_of(rule: Any, arrays: int) -> tuple[str, ...]:
    """Return the names of the numbers that a rule takes behind so many arrays."""
    code = getattr(rule, "py_func", rule).__code__
    return code.co_varnames[arrays : code.co_argcount]


@lru_cache
def machine_code(rule: Any, arrays: int, dtype: Any) -> Any:
    """Return a rule for so many contiguous arrays of dtype, compiled now, or loaded from Numba's cache.

    A call goes past Numba's look at the type of each argument, half of the time of a small step. So nothing looks:
    arrays have to be of that dtype and contiguous. Python numbers are rounded to dtype.
    """
    if not hasattr(rule, "py_func"):  # a plain function
        return rule
    from numba import from_dtype

    element = from_dtype(dtype)
    signature = (element[::1],) * arrays + (element,) * len(numbers_of(rule, arrays))
    rule.compile(signature)
    return rule.overloads[signature].entry_point


def bound(rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on these arrays, as a function of its numbers: large arrays in slices, shared by threads.

    A rule is elementwise, so its bits do not depend on the cuts.
    """
    code = machine_code(rule, len(arrays), arrays[0].dtype)
    if arrays[0].nbytes * len(arrays) < WORTH_A_THREAD:
        return partial(code, *arrays)

    def piece(numbers: tuple[float, ...], k: int, n: int) -> Any:
        a, b = (arrays[0].size * i // n // GRAIN * GRAIN if i < n else arrays[0].size for i in (k, k + 1))
        return code(*[array[a:b] for array in arrays], *numbers)

    return lambda *numbers: in_threads(partial(piece, numbers))


def in_threads(job: Callable[[int, int], Any]) -> bool:
    """Call job(k, n) for each k < n, the number of threads, side by side; return whether a result is true."""
    others = [pool().submit(job, k, threads) for k in range(1, threads)]
    try:
        mine = job(0, threads)
    finally:  # an interrupt waits for all
        wait(others)
    return any([mine, *[other.result() for other in others]])


@lru_cache
def pool() -> ThreadPoolExecutor:
    """Return the threads. Each is started when it is first needed."""
    return ThreadPoolExecutor(64, thread_name_prefix="tinygrad_edu")


def set_num_threads(n: int) -> None:
    """Set how many threads share the work on large buffers; the bits of the result do not depend on it.

    At the start it is the environment variable TINYGRAD_EDU_THREADS, or the number of cores. Where a rule's arrays
    together have less than WORTH_A_THREAD = 18 MB, as Adam's below 1,125,000 parameters in float32, one does the work.

    Raises
    ------
    ValueError : n is not a whole number, at least 1
    """
    global threads
    if not isinstance(n, (int, integer)) or n < 1:
        raise ValueError(f"the number of threads is a whole number, at least 1; got {n!r}")
    threads = int(n)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # threads do not survive a fork
if (_given := os.environ.get("TINYGRAD_EDU_THREADS")) is not None:
    if not _given.strip().isdecimal() or int(_given) < 1:
        raise ValueError(f"TINYGRAD_EDU_THREADS is a whole number, at least 1; got {_given!r}")
    set_num_threads(int(_given))
