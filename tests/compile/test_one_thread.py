"""Products of compiled steps take one of BLAS's threads, the large ones in pieces."""

import ctypes
import itertools
import signal
import subprocess
import sys
from contextlib import nullcontext

import numba
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import numpy_c, plainly
from tinygrad_edu.compile.products import BROAD, LIMIT
from tinygrad_edu.extras.one_thread import ALONE, SMALL, blas_threads, one_thread

get, set_threads = blas_threads() or (None, None)
pytestmark = pytest.mark.skipif(get is None, reason="NumPy's BLAS is not OpenBLAS with threads of its own")
needs_numba = pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")
USERS = 3
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
def asked():
    """(n · k · m, BLAS's number of threads) of each product in float64 that machine code has BLAS compute."""
    numpy_c.ready()
    seen = []

    def multiply(_, turned, turned_b, n, m, k, _1, a, _2, b, _3, add, out, _4):
        seen.append((n * m * k, get()))
        with np.errstate(all="ignore"):
            compute(turned, turned_b, n, m, k, a, b, add, out)

    def compute(turned, turned_b, n, m, k, a, b, add, out):
        left = plainly.array(a, 0, (k, n) if turned == 112 else (n, k), np.dtype(float))
        right = plainly.array(b, 0, (m, k) if turned_b == 112 else (k, m), np.dtype(float))
        total = plainly.array(out, 0, (n, m), np.dtype(float))
        product = (left.T if turned == 112 else left) @ (right.T if turned_b == 112 else right)
        total[...] = product + total if add else product

    numpy_c._call_python("tinygrad_edu_dgemm", numpy_c._product_type("d", numpy_c.blas()[1]), multiply)
    numpy_c._pieces_named.cache_clear()
    numpy_c.in_pieces()
    yield seen
    numpy_c._alive.clear()
    for cached in (numpy_c.blas, numpy_c._pieces_named):  # give the names their addresses again
        cached.cache_clear()
        cached()


@needs_numba
def test_compiled_steps_and_epochs_ask_for(asked):
    """A network with products of all three sizes, large ones between small ones."""
    n, sizes = 128, (270, BROAD - 6, 20, 5)
    X, y = rng.random((2 * n, sizes[0])), np.arange(2 * n) % 5
    products = {n * 270 * 250, n * 250 * 20, n * 20 * 5}
    assert [(size > ALONE) + (size > SMALL) for size in sorted(products)] == [0, 1, 2]
    model = tg.mlp(sizes, rng=0)
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X[:n], y[:n], quiet=True)
    assert not asked
    step(X[:n], y[:n])
    once = list(asked)
    pieces = {n * 270 * 112, n * 270 * 138, n * 250 * 128, n * 250 * 142}
    assert {size for size, _ in once} == pieces | {size for size in products if LIMIT < size <= SMALL}  # others: loops
    assert {threads for _, threads in once} == {1}
    asked.clear()
    step.epoch(X, y, np.arange(2 * n), n)
    assert sorted(asked) == sorted(once * 2)
    asked.clear()
    assert get() == USERS
    X[0] = np.inf
    with pytest.raises((tg.losses.NoLoss, ValueError)):
        step(X[:n], y[:n])
    assert asked
    assert get() == USERS


@needs_numba
def test_a_larger_batch_may_need_what_a_smaller_one_does_not(asked, monkeypatch):
    X, y = rng.random((16000, 30)), np.arange(16000) % 3
    model = tg.mlp([30, 20, 3], rng=0)
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X[:10], y[:10], quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(type(one_thread), "__enter__", None)  # tiny products cost no call, and are no business of BLAS
        step(X[:10], y[:10])
    assert not asked
    step(X, y)
    assert dict(asked)[8000 * 30 * 20] == 1  # a piece


@needs_numba
def test_no_bit_depends_on_the_number_of_threads():
    """Also where numbers are too small to be normal: within a step some of them count as 0."""
    n, sizes, dtype = 128, (260, 270, 260, 5), np.float32
    X, y = rng.standard_normal((2 * n, sizes[0])).astype(dtype), np.arange(2 * n) % 5
    X[:, :130] *= np.finfo(dtype).smallest_normal

    def end(threads, eager=False):
        set_threads(threads)
        model = tg.mlp(sizes, dtype=dtype, rng=0)
        optimizer = tg.SGD(model, lr=0.1)
        tg.fit(model, X, y, optimizer=optimizer, epochs=2, batch_size=n, compiled=not eager, progress=False, rng=0)
        return optimizer.buffer.data.copy()

    alone = end(1)
    for threads in (2, 5):
        np.testing.assert_array_equal(end(threads), alone)
    np.testing.assert_allclose(end(1, eager=True), alone, rtol=1e-3, atol=1e-5)
    set_threads(USERS)


def test_pieces_are_parts_of_a_product():
    """Each of both matrices as it is or transposed, added to what is there or not."""
    n, m, k, calls = 130, 260, 270, []
    for turned, turned_b, beta in itertools.product((111, 112), (111, 112), (0.0, 1.0)):
        a, b = rng.random((k, n) if turned == 112 else (n, k)), rng.random((m, k) if turned_b == 112 else (k, m))
        out = np.ones((n, m))
        calls.clear()
        given = 101, turned, turned_b, n, m, k, 1.0, a.ctypes.data, a.shape[1], b.ctypes.data, b.shape[1], beta
        numpy_c._in_pieces(lambda *call: calls.append(call) or by_numpy(*call), 8, *given, out.ctypes.data, m)
        assert len(calls) == 2
        left, right = (a.T if turned == 112 else a), (b.T if turned_b == 112 else b)
        np.testing.assert_allclose(out, left @ right + beta)


def by_numpy(_, turned, turned_b, n, m, k, _1, a, width, b, width_b, beta, out, wide):
    """A piece of a product: matrices whose rows are so wide, at addresses."""

    def array(at, rows, columns, width):
        place = (ctypes.c_double * ((rows - 1) * width + columns)).from_address(at)
        return np.lib.stride_tricks.as_strided(np.frombuffer(place), (rows, columns), (8 * width, 8))

    left = array(a, k, n, width).T if turned == 112 else array(a, n, k, width)
    right = array(b, m, k, width_b).T if turned_b == 112 else array(b, k, m, width_b)
    total = array(out, n, m, wide)
    total[...] = left @ right + (total if beta else 0)


@needs_numba
def test_ctrl_c_in_a_large_product_is_raised_after_the_step(monkeypatch):
    n, sizes = 128, (260, 260, 5)
    X, y = rng.random((n, sizes[0])), np.arange(n) % 5

    def end(interrupted):
        model = tg.mlp(sizes, rng=0)
        step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, y, quiet=True)
        step(X, y)
        real, times = numpy_c.shared, []

        def once(*given):
            times.append(1)
            if interrupted == "before" and len(times) == 1:
                raise KeyboardInterrupt
            done = real(*given)
            if interrupted == "after" and len(times) == 1:
                raise KeyboardInterrupt
            return done

        with monkeypatch.context() as patch:
            patch.setattr(numpy_c, "shared", once)
            if interrupted:
                with pytest.raises(KeyboardInterrupt):
                    step(X, y)
            else:
                step(X, y)
        assert times
        return np.concatenate([p.numpy().ravel() for p in model.parameters()])

    expected = end("")
    for when in ("before", "after"):
        np.testing.assert_array_equal(end(when), expected)


@needs_numba
@pytest.mark.skipif(sys.platform == "win32", reason="there raise() is elsewhere")
@pytest.mark.parametrize("pressed", [0, 1, 2])
def test_ctrl_c_in_machine_code_waits_for_its_end(pressed):
    """It comes before the first line of the function that machine code calls next."""
    press, called = ctypes.CDLL(None)["raise"], []
    press.argtypes, press.restype = [ctypes.c_int], ctypes.c_int
    product = ctypes.CFUNCTYPE(None)(lambda: called.append(1))

    @numba.njit
    def step(times):
        for _ in range(times):
            press(2)
        product()
        return times

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) if pressed else nullcontext():
            assert numpy_c.interrupted_late(step, pressed) == pressed
        assert called == [1]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@needs_numba
@pytest.mark.parametrize("width", [BROAD - 6, BROAD])  # by BLAS, by loops
def test_an_error_in_a_large_product_is_raised_after_the_step(width, monkeypatch):
    X, y = rng.random((128, 280)), np.arange(128) % 5
    model = tg.mlp([280, width, 5], rng=0)
    step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, y, quiet=True)
    for name in ("_pieces", "grid"):
        monkeypatch.setattr(numpy_c, name, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        step(X, y)
    assert not numpy_c._late


SMALL_STACK = """
import threading
import numpy as np
import tinygrad_edu as tg

X, y = np.ones((500, 400), np.float32), np.zeros((500, 300), np.float32)
model = tg.mlp((400, 300, 300), dtype=np.float32, rng=1)
step = tg.compile_step(model, tg.mse_loss, tg.SGD(model, lr=0.01), X, y, quiet=True)
step(X, y)
threading.stack_size(2**17)
thread = threading.Thread(target=step, args=(X, y))
thread.start()
thread.join()
"""


def test_large_products_fit_into_a_small_stack():
    """Threads have 128 kB where C's library is musl."""
    subprocess.run([sys.executable, "-c", SMALL_STACK], check=True)
