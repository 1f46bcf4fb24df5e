"""Small products of compiled steps take one of BLAS's threads; large ones take the user's number."""

from itertools import pairwise

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import numpy_c
from tinygrad_edu.extras.one_thread import ALONE, SMALL, blas_threads, one_thread, threads_for

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
        left = numpy_c._array_plainly(a, 0, (k, n) if turned == 112 else (n, k), np.dtype(float))
        right = numpy_c._array_plainly(b, 0, (m, k) if turned_b == 112 else (k, m), np.dtype(float))
        total = numpy_c._array_plainly(out, 0, (n, m), np.dtype(float))
        product = (left.T if turned == 112 else left) @ (right.T if turned_b == 112 else right)
        total[...] = product + total if add else product

    numpy_c._call_python("tinygrad_edu_dgemm", numpy_c._product_type("d", numpy_c.blas()[1]), multiply)
    yield seen
    numpy_c._alive.clear()
    numpy_c.blas.cache_clear()
    numpy_c.blas()  # gives the name its address again


@needs_numba
def test_compiled_steps_and_epochs_ask_for(asked):
    """A network with products of all three sizes, large ones between small ones."""
    n, sizes = 128, (260, 260, 20, 5)
    X, y = rng.random((2 * n, sizes[0])), np.arange(2 * n) % 5
    products = {n * i * o: 1 for i, o in pairwise(sizes)}
    products[n * 260 * 260] = USERS
    assert [(size > ALONE) + (size > SMALL) for size in products] == [2, 1, 0]
    model = tg.mlp(sizes, rng=0)
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X[:n], y[:n], quiet=True)
    assert not asked
    step(X[:n], y[:n])
    once = list(asked)
    assert {size for size, _ in once} >= {size for size in products if size > ALONE}
    assert all(size > ALONE for size, _ in once)  # smaller ones are loops of our own
    assert all(threads == products[size] for size, threads in once if size in products)
    asked.clear()
    step.epoch(X, y, np.arange(2 * n), n)
    assert asked == once * 2
    asked.clear()
    assert get() == USERS
    X[0] = np.inf
    with pytest.raises((tg.losses.NoLoss, ValueError)):
        step(X[:n], y[:n])
    assert asked
    assert get() == USERS


@needs_numba
def test_a_larger_batch_may_need_what_a_smaller_one_does_not(asked, monkeypatch):
    X, y = rng.random((600, 30)), np.arange(600) % 3
    model = tg.mlp([30, 20, 3], rng=0)
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X[:10], y[:10], quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(type(one_thread), "__enter__", None)  # tiny products cost no call, and are no business of BLAS
        step(X[:10], y[:10])
    assert not asked
    step(X, y)
    assert dict(asked)[600 * 30 * 20] == 1


def test_products_without_machine_code_ask_for():
    assert type(threads_for(SMALL)) is type(threads_for(ALONE + 1)) is type(one_thread)
    assert type(threads_for(SMALL + 1)) is type(threads_for(ALONE)) is not type(one_thread)
    for n, k, m in ((3, 4, 5), (64, 64, 65)):
        a, b, out = rng.random((n, k)), rng.random((k, m)), np.empty((n, m))
        numpy_c._matmul_plainly(
            np.dtype(float), a.ctypes.data, False, b.ctypes.data, False, out.ctypes.data, n, m, k, 0
        )
        np.testing.assert_array_equal(out, a @ b)
