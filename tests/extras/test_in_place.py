"""Gradients of large weights are computed in their place in the flat buffer, and are what they were without that."""

import threading

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core import tensor
from tinygrad_edu.core.tensor import Observer, backward_pass
from tinygrad_edu.extras import in_place
from tinygrad_edu.extras.one_thread import SMALL

N, D = 9, 512  # D x D is large
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((N, D)), rng.standard_normal((N, D))


class Tied(tg.Layer):
    """Two layers with one weight."""

    def __init__(self, dtype=np.float64):
        self.one, self.two = (tg.Linear(D, D, dtype=dtype, rng=0) for _ in range(2))
        self.two.W = self.one.W

    def forward(self, x):
        return self.two(self.one(x).tanh())


class Seen(Observer):
    """Counts the shares that were computed in their place."""

    count = 0

    def backward(self, root, shares):
        for share in shares:
            self.count += share[3] is share[2].grad_view
            yield share


def gradient(model):
    """The gradient of Tied's weight, by hand."""
    W, b, c = model.one.W.numpy(), model.one.b.numpy(), model.two.b.numpy()
    h = np.tanh(X @ W + b)
    g = 2 * (h @ W + c - Y) / Y.size
    return h.T @ g + X.T @ (g @ W.T * (1 - h * h))


def learn(model, optimizer=None, loss=tg.mse_loss):
    with Seen() as seen:
        loss(model(X.astype(model.one.W.dtype)), Y).backward()
    return seen.count


def test_the_first_share_of_a_weight_is_in_its_place():
    assert in_place.LARGE <= D * D
    model = Tied()
    assert learn(model) == 0  # no optimizer has a place
    np.testing.assert_allclose(model.one.W.grad, gradient(model), rtol=1e-12, atol=1e-15)
    optimizer = tg.SGD(model, lr=0.1)
    optimizer.zero_grad()
    for times in (1, 2):  # the second backward adds to the first
        assert learn(model) == (times == 1)
        np.testing.assert_allclose(model.one.W.grad, times * gradient(model), rtol=1e-12, atol=1e-15)
    assert np.shares_memory(model.one.W.grad, optimizer.buffer.grad)


def test_who_keeps_the_shares_has_them():
    model = Tied()
    optimizer = tg.SGD(model)
    loss = tg.mse_loss(model(X), Y)
    shares = [share for *_, p, share, _ in backward_pass(loss, np.ones(())) if p is model.one.W]
    assert not any(np.shares_memory(share, optimizer.buffer.grad) for share in shares)
    np.testing.assert_allclose(sum(shares), gradient(model), rtol=1e-12, atol=1e-15)
    with Seen() as seen:
        loss.backward()
    assert seen.count == 1
    assert not in_place.here.adding


def test_another_thread_keeps_its_shares_meanwhile():
    model, kept = Tied(), []
    optimizer = tg.SGD(model)
    other = tg.mse_loss(model(X), Y)

    def meanwhile(a):
        def vjp(g):
            there = threading.Thread(target=lambda: kept.extend(backward_pass(other, np.ones(()))))
            there.start()
            there.join()
            return g

        return a * 1, vjp

    tg.mse_loss(tg.apply(meanwhile, model(X)), Y).backward()
    assert kept
    assert not any(np.shares_memory(share, optimizer.buffer.grad) for *_, share, _ in kept)


def test_a_failed_pass_ends(monkeypatch):
    model = Tied()
    tg.SGD(model)
    loss = tg.mse_loss(model(X), Y)
    monkeypatch.setattr(tensor, "unbroadcast", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loss.backward()
    assert not in_place.here.adding


@pytest.mark.parametrize("n", [9, 64])
def test_the_bits_are_those_of_a_copy(n, monkeypatch):
    X, y = rng.random((n, 600), dtype=np.float32), np.arange(n) % 7
    assert (n * 600 * 700 > SMALL) == (n > 9)  # the larger one in pieces
    found = []
    for least in (in_place.LARGE, np.inf):
        monkeypatch.setattr(in_place, "LARGE", least)
        model = tg.mlp([600, 700, 7], dtype=np.float32, rng=0)
        optimizer = tg.Adam(model)
        for _ in range(3):
            optimizer.zero_grad()
            with Seen() as seen:
                tg.cross_entropy(model(X), y).backward()
            optimizer.step()
        assert seen.count == (least < np.inf)
        found.append(optimizer.buffer.data)
    np.testing.assert_array_equal(*found)


def test_a_gradient_of_another_dtype_is_cast():
    model = Tied(np.float32)
    tg.SGD(model)
    assert learn(model, loss=lambda p, t: ((p - tg.Tensor(t)) ** 2).mean()) == 0  # in float64
    assert model.one.W.grad.dtype == np.float32
    np.testing.assert_allclose(model.one.W.grad, gradient(model), rtol=1e-3, atol=1e-7)


def test_a_weight_that_is_a_vector():
    W, b = (tg.Tensor(np.ones(n), requires_grad=True) for n in (in_place.LARGE, 1))
    tg.SGD([W, b])
    x = rng.standard_normal((3, W.size))
    tg.Tensor(x).linear(W, b[0]).sum().backward()
    np.testing.assert_allclose(W.grad, x.sum(axis=0), rtol=1e-12)


def test_an_input_that_lies_in_the_place():
    n = 1024  # in pieces
    W, b = (tg.Tensor(np.ones(shape) / n, requires_grad=True) for shape in ((n, n), n))
    optimizer = tg.SGD([W, b])
    W.grad = rng.standard_normal((n, n))
    optimizer.step()
    kept = W.grad
    optimizer.zero_grad()
    x, g = kept.copy(), rng.standard_normal((n, n))
    tg.linear(kept, W, b).backward(g)
    np.testing.assert_allclose(W.grad, x.T @ g, atol=1e-10)
