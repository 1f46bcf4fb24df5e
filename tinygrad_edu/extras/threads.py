"""Work for several threads: pieces, of which each thread takes the next when it is done with one (`shared`).

So no thread waits for one that the system has put to sleep, as it does on a busy machine: the others take its pieces.
What a piece is does not depend on the threads, and so no bit of a result does. Large products (`one_thread`) and large
buffers are cut like this; of these the look for NaN and the update are one call (`in_turn`). The face puts `bind` in
the place of `Update.bind`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from functools import lru_cache, partial
from itertools import chain, pairwise, starmap
from math import inf
from operator import length_hint
from threading import Lock, Thread
from typing import Any, cast

from numpy import integer

from ..core.jit import kernel, machine_code
from ..core.kernels import not_finite
from ..core.ops import Array
from ..core.optimizer import Optimizer, Update
from . import gate

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORTH_A_THREAD = 6_000_000  # bytes of all arrays; below, waking a thread costs more than it saves
GRAIN = 16  # elements: slices start where a line of the processor's cache does
EACH = 3  # pieces of a buffer for each thread
threads = CORES  # see `set_num_threads`


def bind(update: Update, rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on arrays of the update, as a function of its numbers (`bound`)."""
    found = bound(rule, arrays)
    if isinstance(found, Large):
        update.apply = apply  # type: ignore[method-assign]
    return found


def bound(rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on these arrays, as a function of its numbers. The arrays pass the `gate` here, once."""
    gate.kept(getattr(rule, "__name__", "a rule"), arrays, arrays[0].size, arrays[0].dtype)
    code = machine_code(not_finite_in_quarters if rule is not_finite else rule, len(arrays), arrays[0].dtype)
    return (partial if arrays[0].nbytes * len(arrays) < WORTH_A_THREAD else Large)(code, *arrays)


class Large:
    """A rule on large arrays, as a function of its numbers: in pieces, which threads share.

    A rule is elementwise, so its bits do not depend on the cuts.
    """

    def __init__(self, code: Any, *arrays: Array) -> None:
        def slices(n: int) -> list[list[Array]]:
            return [[array[a:b] for array in arrays] for a, b in pairwise(cut(arrays[0].size, n))]

        self.code, self.slices = code, lru_cache(maxsize=1)(slices)

    def __call__(self, *numbers: float) -> bool:
        return any(shared(self.code, self.calls(*numbers), threads))

    def calls(self, *numbers: float) -> list[tuple[Any, ...]]:
        """Return what the code is given for each piece."""
        return [(*some, *numbers) for some in self.slices(pieces())]


def apply(optimizer: Optimizer, updates: list[Update]) -> Update | None:
    """Do what `Update.apply` does, where the first update is large; look and change in one call of the threads."""
    rule, g = updates[0].rule, updates[0].arrays[1]
    if optimizer.nonfinite == "propagate" or not all(isinstance(u.rule, Large) and not u.l2 for u in updates):
        return Update.apply(updates[0], optimizer, updates)
    changes = [call for update in updates for call in update.rule.calls(*update.numbers)]
    look = machine_code(not_finite_in_quarters, 1, g.dtype)
    if in_turn(look, [call[1:2] for call in changes], rule.code, changes):
        return next(update for update in updates if update.not_finite())
    return None


def in_turn(look: Any, looks: list[Any], change: Any, changes: list[Any]) -> bool:
    """Call look with each of these arguments, and then, unless that found something, change with each of its own.

    Return whether something was found. Threads share the calls. Nobody waits for one that the system puts to sleep in a
    look: the others look at its piece, too, and send it away when they have ended. The last piece is changed first, as
    it is still in the cache.
    """
    todo, found, changing = iter(range(len(looks))), dict[int, Any](), starmap(change, reversed(changes))

    def look_at_all() -> None:
        for k in chain(todo, range(len(looks))):
            if k not in found:
                found[k] = look(*looks[k])

    def change_all() -> bool:
        return any(found.values()) or any(changing)  # no line of Python is in this loop, and so no Ctrl-C between

    return any(together(change_all, min(threads, len(changes)), look_at_all))


def pieces() -> int:
    """Return how many pieces a large buffer is cut into."""
    return EACH * threads if threads > 1 else 1


@kernel
def not_finite_in_quarters(g):  # type: ignore[no-untyped-def]
    """As `not_finite`, with four places of g at a time: of one after the other, memory gives half as many, and for each
    of them, not for each four, the processor would pack flags."""
    n = -(-g.size // 4)
    a, b, c, d = g[:n], g[min(n, g.size - n) :], g[min(2 * n, g.size - n) :], g[g.size - n :]
    finite = True
    for i in range(n):
        finite &= (abs(a[i]) < inf) & (abs(b[i]) < inf) & (abs(c[i]) < inf) & (abs(d[i]) < inf)
    return not finite


def cut(size: int, n: int) -> list[int]:
    """Return where n pieces of so many elements begin, and the last one ends: at multiples of GRAIN."""
    return [*(size * i // n // GRAIN * GRAIN for i in range(n)), size]


def shared(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], n: int) -> list[Any]:
    """Call function with each of these arguments, a list or its iterator, in at most n threads, this one among them.

    Return the results, in any order. After Ctrl-C all calls have been made too: there is no line of Python in the loop.
    """
    todo = iter(calls)
    results = together(partial(list, starmap(function, todo)), min(n, length_hint(todo)))
    return list(chain.from_iterable(results))


def together(work: Callable[[], Any], n: int, before: Callable[[], Any] = bool) -> list[Any]:
    """Call before, and then work, in at most n threads, this one among them; return what work returned.

    A thread that has not come to work when this one has ended is sent away, and not waited for.
    """
    jobs = list[_Job]()
    try:
        with suppress(RuntimeError):  # there are no new threads, as at the end of the process
            for _ in range(n - 1):
                jobs.append(_Job(work, before))  # first, as Ctrl-C may come as soon as a helper has been asked
                jobs[-1].ask()
    finally:
        try:
            before()
            mine = work()
        finally:
            begun = [job for job in jobs if not job.first.acquire(False)]
            for job in begun:
                job.wait()
    return [mine, *(job.result for job in begun)]


class _Job:
    """Calls that a helper is asked to make; of work not if the one who asks acquires ``first`` before it does."""

    def __init__(self, work: Callable[[], Any], before: Callable[[], Any]) -> None:
        self.work, self.before, self.context = work, before, copy_context()  # np.errstate is there
        self.first, self.end, self.ended = Lock(), Lock(), False
        self.result, self.error = cast(Any, None), cast(BaseException | None, None)
        self.end.acquire()

    def ask(self) -> None:
        """Wake a helper, or make a new one."""
        try:
            helper = idle.pop()
        except IndexError:  # another thread may have taken the last one
            helper = _Helper()
        helper.job = self
        helper.asked.release()

    def run(self) -> None:
        """Make the calls."""
        self.before()
        if self.first.acquire(False):
            self.result = self.work()

    def wait(self) -> None:
        """Wait for the helper, also after Ctrl-C; raise what it raised."""
        while not self.ended:
            try:
                self.end.acquire()
            except KeyboardInterrupt as error:
                self.error = error
        if self.error is not None:
            raise self.error


class _Helper:
    """A thread that sleeps until it is asked. (A ThreadPoolExecutor takes three times as long to wake one.)"""

    job: _Job

    def __init__(self) -> None:
        self.asked = Lock()
        self.asked.acquire()
        Thread(target=self._help, name="tinygrad_edu", daemon=True).start()

    def _help(self) -> None:
        while True:
            self.asked.acquire()
            job = self.job
            try:
                job.context.run(job.run)
            except BaseException as error:
                job.error = error
            job.ended = True
            job.end.release()
            del job, self.job
            idle.append(self)


idle: list[_Helper] = []  # the helpers that nobody has asked


def set_num_threads(n: int) -> None:
    """Set how many threads share an optimizer's update of large buffers; the bits of the result do not depend on it.

    At the start it is the environment variable TINYGRAD_EDU_THREADS, or the number of cores. Where a rule's arrays
    together have less than WORTH_A_THREAD = 6 MB, as Adam's below 375,000 parameters in float32, one does the work.

    It governs nothing else. Matrix products have the threads of NumPy's BLAS. OPENBLAS_NUM_THREADS in the environment
    sets their number, or the package threadpoolctl; products of up to 8.4 million multiplications take one, whatever
    the number is, and so does each piece of a larger one (`one_thread`).

    Raises
    ------
    ValueError : n is not a whole number, at least 1
    """
    global threads
    if isinstance(n, bool) or not isinstance(n, (int, integer)) or n < 1:
        raise ValueError(f"the number of threads is a whole number, at least 1; got {n!r}")
    threads = int(n)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=idle.clear)  # threads do not survive a fork
if (_given := os.environ.get("TINYGRAD_EDU_THREADS")) is not None:
    if not _given.strip().isdecimal() or int(_given) < 1:
        raise ValueError(f"TINYGRAD_EDU_THREADS is a whole number, at least 1; got {_given!r}")
    set_num_threads(int(_given))
