"""Products take one of BLAS's threads, large ones in pieces, everywhere; outside, BLAS's number is the user's."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import numpy_functions, one_thread as module, threads
from tinygrad_edu.extras.one_thread import ALONE, SMALL, blas_threads, cuts, grid, one_thread, one_throughout

get, set_threads = blas_threads() or (None, None)
pytestmark = pytest.mark.skipif(get is None, reason="NumPy's BLAS is not OpenBLAS with threads of its own")
USERS = 3
SIZES = {(64, 64, 64): USERS, (64, 64, 65): 1, (256, 512, 64): 1, (256, 512, 65): 1}  # n, k, m: threads asked for
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def users_number():
    """BLAS has a number of threads that the user has set, and has it after the test too."""
    before = get()
    set_threads(USERS)
    yield
    after = get()
    set_threads(before)
    assert after == USERS


@pytest.fixture
def asked(monkeypatch):
    """BLAS's number of threads at each product, forward and backward."""
    seen = []

    def noted(f):
        def call(*args):
            seen.append(get())
            return f(*args)

        return call

    for name in ("linear", "matmul"):
        op = getattr(numpy_functions.ops, name)

        def recorded(*args, op=op):
            y, *vjps = noted(op)(*args)
            return y, *map(noted, vjps)

        monkeypatch.setattr(numpy_functions.ops, name, recorded)
    return seen


@pytest.mark.parametrize("n", range(1, min(2, os.cpu_count() or 1) + 1))
def test_the_number_is_blas_own(n):
    """As its environment variable says, in a process of its own."""
    code = "from tinygrad_edu.extras.one_thread import blas_threads; print(blas_threads().get())"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": f"{n}", "PYTHONPATH": str(Path(tg.__file__).parent.parent)}
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == f"{n}\n"


@pytest.mark.parametrize("sizes", SIZES)
def test_products_and_their_gradients_ask_for(sizes, asked):
    n, k, m = sizes
    assert (n * k * m > ALONE) == (SIZES[sizes] == 1)
    x, W, b = (tg.Tensor(rng.random(shape), requires_grad=True) for shape in ((n, k), (k, m), (m,)))
    for function, arrays in ((tg.Tensor.linear, [x, W, b]), (tg.Tensor.matmul, [x, W]), (np.dot, [x, W])):
        function(*arrays).sum().backward()
        assert asked == [SIZES[sizes]] * (1 + len(arrays))
        assert get() == USERS
        asked.clear()
    np.testing.assert_allclose(x.grad, 3 * W.data.sum(axis=1) * np.ones((n, 1)))


def test_a_stack_of_products_is_as_large_as_each(asked):
    x, W = tg.Tensor(rng.random((40, 64, 65))), rng.random((65, 64))
    assert SMALL < 40 * 64 * 65 * 64
    np.testing.assert_array_equal((x @ W).data, x.data @ W)
    assert asked == [1]


def test_fit_and_evaluate_ask_for_one(asked):
    X, y = rng.random((64, 784)), np.arange(64) % 10
    model = tg.mlp([784, 32, 10], rng=0)
    tg.fit(model, X, y, epochs=1, batch_size=32, validation=(X, y), progress=False, rng=0)
    large, small = 32 * 784 * 32, 32 * 32 * 10
    assert small <= ALONE < large <= SMALL
    # each batch: forward, then backward from the last layer: y, x, W, b of the small one, W and b of the large one
    assert asked == [1, USERS, USERS, USERS, USERS, 1, 1] * 2 + [1, USERS]


def test_the_number_is_the_users_after_an_exception(asked, monkeypatch):
    a = tg.Tensor(rng.random((100, 100)), requires_grad=True)
    with pytest.raises(ValueError, match="the left factor"):
        a @ np.ones((99, 100))
    assert asked == [1]
    assert get() == USERS

    def failing(a, b):
        return a @ b, lambda g: 1 / 0, lambda g: g

    monkeypatch.setattr(numpy_functions.ops, "matmul", failing)
    with pytest.raises(ZeroDivisionError):
        (a @ a).sum().backward()
    assert get() == USERS


# --- blocks -----------------------------------------------------------------------------------------------------------


def in_a_thread(f):
    thread = threading.Thread(target=f)
    thread.start()
    thread.join()


def test_the_last_thread_that_leaves_restores_the_number():
    with one_thread:
        with_another = []

        def other():
            with one_thread:
                with_another.append(get())
            with_another.append(get())

        in_a_thread(other)
        assert with_another == [1, 1]
    assert get() == USERS


def test_a_block_that_was_cut_short_ends_with_the_next():
    one_thread.__enter__()  # and a Ctrl-C before the block
    with one_thread:
        assert get() == 1
    assert get() == USERS


def test_ctrl_c_at_the_end_of_a_block_does_not_keep_the_number(monkeypatch):
    leave, calls = one_thread._leave, []

    def interrupted():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        leave()

    monkeypatch.setattr(one_thread, "_leave", interrupted)
    with pytest.raises(KeyboardInterrupt), one_thread:
        pass
    assert get() == USERS


def test_a_number_that_is_set_within_a_block_stays():
    with one_thread:
        set_threads(2)
    assert get() == 2
    set_threads(USERS)


def test_a_run_that_ends_within_a_block_does_not_keep_the_number():
    """A run's end restores the number, while a block of another thread goes on, and a third begins."""
    one_throughout.__enter__()
    in_a_thread(one_thread.__enter__)
    one_throughout.__exit__()
    with one_thread:
        assert get() == 1
        assert one_thread.users == USERS
        one_thread._inside &= {threading.get_ident()}  # the other thread has left
    assert get() == USERS


def test_a_process_that_is_forked_off_leaves_the_blocks_of_threads_that_it_has_not():
    in_a_thread(one_thread.__enter__)
    assert get() == 1
    one_thread.forked()
    assert get() == USERS
    with one_thread:
        assert get() == 1


def test_a_run_of_many_blocks_has_one_thread_throughout():
    with one_throughout:
        with one_thread:
            assert get() == one_thread.users == 1
        assert get() == 1
    assert get() == USERS


def test_another_thread_may_leave_before():
    with one_throughout:
        in_a_thread(one_throughout.__enter__)
        with one_thread:
            pass
        assert get() == 1
    one_throughout.forked()
    assert get() == USERS


def test_another_blas_is_left_alone(monkeypatch, asked):
    monkeypatch.setattr(module, "blas_threads", lambda: None)
    a = tg.Tensor(rng.random((100, 100)), requires_grad=True)
    (a @ a).sum().backward()
    assert asked == [USERS] * 3


def test_openmps_threads_are_left_alone(monkeypatch):
    monkeypatch.setattr(module, "_named", lambda names: iter([[lambda: 4, print, lambda: 2]]))
    assert blas_threads.__wrapped__() is None


# --- large products ---------------------------------------------------------------------------------------------------


@pytest.fixture
def taken(monkeypatch):
    """(threads, pieces) of each large product."""
    seen = []

    def noted(function, calls, n):
        seen.append((n, len(calls)))
        return threads.shared(function, calls, n)

    monkeypatch.setattr(module, "shared", noted)
    return seen


def gradients(*shapes, dtype=np.float64):
    x, W, b = (tg.Tensor(rng.random(shape).astype(dtype), requires_grad=True) for shape in shapes)
    y = tg.Tensor.linear(x, W, b)
    (y * y).sum().backward()
    return [y.data, x.grad.copy(), W.grad.copy(), b.grad.copy()], [x.data, W.data, b.data]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "k", "m"), [(128, 784, 256), (300, 130, 256), (65, 2000, 70), (17, 10_000, 60)])
def test_no_bit_depends_on_the_number_of_threads(n, k, m, dtype, taken):
    """BLAS's own threads differ in the last bits; so does its sum over the batch, the gradient of b."""
    results = []
    for k_threads in (1, 2, 5):
        set_threads(k_threads)
        global rng
        rng = np.random.default_rng(0)
        results.append(gradients((n, k), (k, m), (m,), dtype=dtype))
        assert {n for n, _ in taken} == {k_threads}
        taken.clear()
    set_threads(USERS)
    (expected, (x, W, b)), *others = results
    for got, _ in others:
        for one, other in zip(got, expected):
            np.testing.assert_array_equal(one, other)
    g = 2 * (x @ W + b)
    close = {"rtol": 1e-4 if dtype == np.float32 else 1e-12}
    for one, other in zip(expected, [x @ W + b, g @ W.T, x.T @ g, g.sum(axis=0)]):
        assert type(one) is np.ndarray
        np.testing.assert_allclose(one, other, **close)


def convolved():
    draw = np.random.default_rng(0).standard_normal
    x = tg.Tensor(draw((32, 16, 20, 20)).astype(np.float32), requires_grad=True)
    W = tg.Tensor(draw((32, 16, 3, 3)).astype(np.float32), requires_grad=True)
    y = x.conv2d(W, 1, padding=1)
    assert y.op is tg.ops.conv2d
    assert y.kwargs == {"stride": 1, "padding": 1}
    (y * y).sum().backward()
    return y.data, W.grad, x.grad


def times_a_vector():
    draw = np.random.default_rng(0).standard_normal
    a, b = (tg.Tensor(draw(shape).astype(np.float32), requires_grad=True) for shape in ((1000, 1000), 1000))
    y = a @ b
    (y * y).sum().backward()
    return y.data, a.grad, b.grad


def stepped(rule, shape):
    p = tg.Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32), requires_grad=True)
    optimizer = tg.optimizers.RULES[rule]([p], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (p * p * p).sum().backward()
        optimizer.step()
    return [p.data]


@pytest.mark.parametrize(
    ("compute", "given"),
    [
        (convolved, ()),
        (times_a_vector, ()),
        (stepped, ("muon", (300, 400))),
        (stepped, ("soap", (120, 130))),
        (stepped, ("shampoo", (120, 130))),
    ],
)
def test_nor_does_a_bit_of_a_convolution_or_of_a_rule_of_products(compute, given):
    found = []
    for n in (1, 2, 3):
        set_threads(n)
        found.append([a.copy() for a in compute(*given)])
        assert get() == n
    set_threads(USERS)
    for one, *others in zip(*found):
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_the_sum_over_a_large_batch_has_one_thread(asked, monkeypatch):
    monkeypatch.setattr(module, "unbroadcast", lambda g, shape: asked.append(get()) or g.sum(axis=0))
    x, W, b = (tg.Tensor(rng.random(shape), requires_grad=True) for shape in ((3000, 2), (2, 16), (16,)))
    tg.Tensor.linear(x, W, b).sum().backward()
    assert asked == [1] * 5
    np.testing.assert_allclose(b.grad, 3000)


def test_stacks_and_mixed_dtypes(taken):
    a, b = tg.Tensor(rng.random((2, 3, 130, 260)), requires_grad=True), tg.Tensor(rng.random((260, 257)))
    y = a @ b
    assert taken == [(USERS, 6 * 2)]
    np.testing.assert_allclose(y.data, np.matmul(a.data, b.data))
    y.sum().backward()
    np.testing.assert_allclose(a.grad, np.broadcast_to(b.data.sum(axis=1), a.shape))
    taken.clear()
    np.testing.assert_allclose((a @ b.data.astype(np.float32)).data, a.data @ b.data, rtol=1e-6)
    assert not taken
    with pytest.raises(ValueError, match="the left factor"):
        a @ np.ones((400, 400))


@pytest.mark.parametrize("sizes", [(128, 1000, 784), (1000, 100, 784), (65, 70, 2000), (2, 3000, 3000), (8, 8, 8)])
def test_the_pieces_make_the_product(sizes):
    n, m, k = sizes
    covered, pieces = np.zeros((n, m), int), cuts(n, m, k)
    for rows, columns in pieces:
        covered[rows, columns] += 1
    assert (covered == 1).all()
    assert (len(pieces) > 1) == (n * m * k > SMALL and max(n, m) >= 128)


@pytest.mark.parametrize(
    ("sizes", "tall", "wide"),
    [
        ((128, 1000, 784), 1, 4),
        ((784, 1000, 128), 4, 1),
        ((400, 1000, 4096), 2, 8),
        ((30, 40, 9000), 1, 1),
        ((8, 8, 8), 1, 1),
    ],
)
def test_the_grid_of_a_product_by_loops(sizes, tall, wide):
    n, m, k = sizes
    covered, pieces = np.zeros((n, m), int), grid(n, m, k)
    for top, bottom, first, last in pieces:
        covered[top:bottom, first:last] += 1
        assert first % 16 == 0
        assert last % 16 == 0 or last == m
    assert (covered == 1).all()
    assert len(pieces) == tall * wide
    assert len({top for top, *_ in pieces}) == tall


def test_observers_are_told_of_the_op():
    x, W = tg.Tensor(rng.random((130, 260)), requires_grad=True), tg.Tensor(rng.random((260, 257)), requires_grad=True)
    seen = []

    class Ops(tg.core.tensor.Observer):
        def op(self, out, args, kwargs):
            seen.append((out.op, args))

    with Ops():
        y = tg.Tensor.matmul(x, W)
    assert seen == [(tg.ops.matmul, (x, W))]
    assert y.op is tg.ops.matmul
    source = tg.trace(lambda x, W: (x @ W).sum(), x, W).source
    assert "x @ W" in source
    assert "in_pieces" not in source
    assert not tg.core.tensor.thread.op


# --- threads that share -----------------------------------------------------------------------------------------------


def test_a_thread_that_does_not_come_holds_up_nobody(monkeypatch):
    """As on a busy machine, where the system lets it sleep."""
    sleeping = SimpleNamespace(asked=threading.Lock())
    sleeping.asked.acquire()
    monkeypatch.setattr(threads, "idle", [sleeping])
    here = threading.get_ident()
    got = threads.shared(lambda i: (i, threading.get_ident()), [(i,) for i in range(5)], 2)
    assert got == [(i, here) for i in range(5)]
    assert not sleeping.job.first.acquire(False)  # when it comes it finds nothing to do


def test_two_may_ask_for_the_last_helper(monkeypatch):
    class Taken(list):
        """Another thread takes the last one between a look and the next."""

        def __bool__(self):
            return True

    monkeypatch.setattr(threads, "idle", Taken())
    assert sorted(threads.shared(abs, [(-1,), (-2,)], 2)) == [1, 2]


def test_threads_share_the_calls():
    for k in (2, 3, 2):
        met = threading.Barrier(k, timeout=30)
        call = lambda i, met=met: i + 0 * met.wait()
        assert sorted(threads.shared(call, [(i,) for i in range(k)], k)) == [*range(k)]
    assert threads.shared(abs, [], 2) == []


def test_errstate_holds_in_all_threads():
    met = threading.Barrier(2, timeout=30)
    call = lambda a: (met.wait(), a * a)[1]
    with np.errstate(over="ignore"):
        assert threads.shared(call, [(np.float64(1e200),)] * 2, 2) == [np.inf] * 2
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        threads.shared(call, [(np.float64(1e200),)] * 2, 2)


def test_an_error_in_either_thread_is_raised():
    met = threading.Barrier(2, timeout=30)
    for place in (True, False):

        def call(here, place=place):
            met.wait()
            if (threading.current_thread() is threading.main_thread()) == place:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            threads.shared(call, [(1,), (2,)], 2)


def test_after_ctrl_c_all_calls_have_been_made(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(threads, "idle", [])
    monkeypatch.setattr(threads, "_Helper", interrupted)
    done, todo = [], iter([(i,) for i in range(5)])
    with pytest.raises(KeyboardInterrupt):
        threads.shared(done.append, todo, 2)
    assert done == [0, 1, 2, 3, 4]
    assert threads.shared(done.append, todo, 2) == []


def test_ctrl_c_when_a_thread_has_just_been_woken(monkeypatch):
    begun, done = threading.Event(), []

    def call(i):
        if threading.current_thread() is threading.main_thread():
            begun.wait(5)
        else:
            begun.set()
            time.sleep(0.1)
        done.append(i)

    class Interrupted:
        """The lock of a helper, whose release wakes it."""

        def release(self):
            helper.asked.lock.release()
            raise KeyboardInterrupt

        def acquire(self):
            self.lock.acquire()

    helper = threads._Helper()
    helper.asked, Interrupted.lock = Interrupted(), helper.asked
    monkeypatch.setattr(threads, "idle", [helper])
    with pytest.raises(KeyboardInterrupt):
        threads.shared(call, [(1,), (2,)], 2)
    assert len(done) == 2


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="a signal reaches no thread of one's choice")
def test_ctrl_c_while_it_waits_for_another_thread():
    met, go, done = threading.Barrier(2, timeout=30), threading.Event(), []

    def call(i):
        met.wait()
        if threading.current_thread() is not threading.main_thread():
            go.wait(0.05)  # until the main thread waits
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            go.wait(0.05)
            done.append(i)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.shared(call, [(1,), (2,)], 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(done) == 1


def test_without_new_threads_all_calls_are_made_here(monkeypatch):
    def none():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "idle", [])
    monkeypatch.setattr(threads, "_Helper", none)
    assert threads.shared(abs, [(-1,), (-2,)], 2) == [1, 2]


def test_nobody_waits_for_a_thread_that_sleeps_in_a_look(monkeypatch):
    """As on a busy machine, where the system does not let it run."""
    monkeypatch.setattr(threads, "threads", 2)
    asleep, awake, here = threading.Event(), threading.Event(), threading.get_ident()
    looked, changed, pieces = [], [], [(k,) for k in range(4)]

    def look(k):
        if threading.get_ident() == here:
            looked.append(k)
            return not asleep.wait(30)
        asleep.set()
        return awake.wait(30)

    assert threads.in_turn(look, pieces, changed.append, pieces) is False
    assert sorted(looked) == [0, 1, 2, 3]
    assert changed == [3, 2, 1, 0]
    before = len(threads.idle)
    awake.set()
    while len(threads.idle) == before:
        time.sleep(0.001)
    assert changed == [3, 2, 1, 0]  # it was sent away


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_look_that_finds_something_prevents_all_changes(n, monkeypatch):
    monkeypatch.setattr(threads, "threads", n)
    pieces, changed = [(k,) for k in range(5)], []
    for bad in range(5):
        assert threads.in_turn(bad.__eq__, pieces, changed.append, pieces) is True
    assert changed == []
    assert threads.in_turn((5).__eq__, pieces, changed.append, pieces) is False
    assert sorted(changed) == [0, 1, 2, 3, 4]


def test_ctrl_c_in_a_look_prevents_all_changes_or_none(monkeypatch):
    monkeypatch.setattr(threads, "threads", 2)
    met, here, pieces = threading.Barrier(2, timeout=30), threading.get_ident(), [(k,) for k in range(5)]

    def look(k):
        if k == 0 or threading.get_ident() == here:
            raise KeyboardInterrupt

    def meets(k):
        if threading.get_ident() not in seen:
            seen.append(threading.get_ident())
            met.wait()
        if threading.get_ident() == here:
            raise KeyboardInterrupt

    for case in [look, meets] * 20:
        seen, changed = [], []
        with pytest.raises(KeyboardInterrupt):
            threads.in_turn(case, pieces, changed.append, pieces)
        assert changed in ([], [4, 3, 2, 1, 0])
        met.reset()


def test_a_bias_is_added_to_a_large_product_in_place_unless_somebody_has_the_product():
    x, W, b = (np.ones(shape, np.float32) for shape in ((256, 512), (512, 65), (65,)))
    with one_thread:
        product = module.pieces_of(x).dot(W)
        total = product + b
        assert not np.shares_memory(total, product)
        np.testing.assert_array_equal(product, np.full((256, 65), 512))
        np.testing.assert_array_equal(total, np.full((256, 65), 513))
        added = module.pieces_of(x).dot(W) + b
        assert isinstance(added.base, module.Passing) or added.base is not None
        np.testing.assert_array_equal(added, total)
        assert (module.pieces_of(x).dot(W) + b.astype(float)).dtype == float
        assert (module.pieces_of(x).dot(W) + np.ones((2, 1, 1))).shape == (2, 256, 65)
    assert type(added) is type(total) is np.ndarray
