"""Calls side by side: in this process, or with joblib in others, each with one thread of BLAS, and ended by Ctrl-C."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..extras.one_thread import one_throughout
from ..guards.kinds import is_whole


def side_by_side(calls: Sequence[Callable[[], Any]], n_jobs: int) -> Iterator[tuple[int, Any]]:
    """Yield the number and the result of each call, as it ends; here and in order if n_jobs is 1.

    Raises
    ------
    ImportError : joblib is needed, and not installed
    ChildProcessError : a worker's process has died, by which joblib loses all calls that had not ended
    KeyboardInterrupt : after Ctrl-C, also within `fit`
    """
    if not is_whole(n_jobs) or not n_jobs:
        raise ValueError(
            f"n_jobs = {n_jobs!r}, but it has to be a whole number: of calls at a time, or -1 for all cores"
        )
    jobs = [partial(_numbered, i, call) for i, call in enumerate(calls)]
    if n_jobs == 1 or not jobs:
        yield from (job() for job in jobs)
        return
    try:
        from joblib import Parallel, delayed
    except ImportError:
        raise ImportError("runs side by side need joblib (pip install joblib); n_jobs=1 does without") from None
    try:
        parallel = Parallel(n_jobs=int(n_jobs), batch_size=1, return_as="generator_unordered")
    except ValueError:  # a backend that has no generators
        parallel = Parallel(n_jobs=int(n_jobs))
    try:
        yield from parallel(delayed(job)() for job in jobs)
    except BrokenExecutor as error:
        if type(error).__name__ != "TerminatedWorkerError":  # what cannot be sent, or not be read there
            raise
        status = re.search(r"\{(.*)\}", str(error))
        raise ChildProcessError(
            f"a worker's process died{f' ({status[1]})' if status else ''}: killed, as for want of memory, or ended by "
            "the function; n_jobs=1 shows where"
        ) from None


def _numbered(i: int, call: Callable[[], Any]) -> tuple[int, Any]:
    """Return i and the result of a call with one thread of BLAS."""
    with one_throughout, _interrupting():
        return i, call()


@contextmanager
def _interrupting() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt also within `fit`, which leaves every handler alone that is not Python's."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, partial(signal.default_int_handler))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
