"""Large batches in fit: arrays go as soon as nothing needs them, and nothing else is different."""

import gc
import weakref
from functools import partial

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import epochs, lean
from tinygrad_edu.training.lean import Lean

rng = np.random.default_rng(0)


class Net(tg.Layer):
    """A residual network that keeps what it computed."""

    def __init__(self):
        self.first, self.second, self.last = (tg.Linear(i, o, rng=0) for i, o in ((3, 8), (8, 8), (8, 2)))
        self.kept = None

    def forward(self, x):
        h = self.first(x).tanh()
        self.kept = self.second(h)
        return self.last(self.kept.relu() + h * self.kept)


def test_the_same_gradients():
    X, y = rng.random((20, 3)), np.arange(20) % 2
    model, other = Net(), Net()
    tg.cross_entropy(model(X), y).backward()
    with Lean():
        tg.cross_entropy(other(X), y).backward()
    for p, q in zip(model.parameters(), other.parameters()):
        np.testing.assert_array_equal(p.grad, q.grad)
    np.testing.assert_array_equal(model.kept.data, other.kept.data)  # somebody has it


def test_a_value_that_nobody_needs_goes():
    model = tg.mlp([3, 8, 8, 2], rng=0)
    with Lean():
        cost = tg.cross_entropy(model(rng.random((20, 3))), np.zeros(20, int))
        logits = cost.parents[0]
        relu = logits.parents[0]
        linear = relu.parents[0]
        assert linear.op is tg.ops.linear
        assert set(linear.array.strides) == {0}  # one number
        assert set(relu.array.strides) == {0}  # its VJP has the array itself
        assert set(logits.array.strides) != {0}  # may be of use to whoever called the model
        cost.backward()
    assert all(p.grad.any() for p in model.parameters())


def test_what_a_node_needed_goes_as_backward_passes(monkeypatch):
    there = []

    class Watched(np.ndarray):
        """An array with weak references."""

    def double(a):
        held = np.ones(3).view(Watched)
        there.append(weakref.ref(held))
        return a * 2, lambda g: (g * 2 * held).view(np.ndarray)

    def counted(a):
        return a * 1, lambda g: (seen.append(sum(ref() is not None for ref in there)), g)[1]

    seen, x = [], tg.Tensor(np.ones(3), requires_grad=True)
    gc.disable()
    try:
        with Lean():
            y = tg.apply(counted, tg.apply(double, tg.apply(counted, tg.apply(double, x)))).sum()
            y.backward()
    finally:
        gc.enable()
    assert seen == [2, 1]
    np.testing.assert_array_equal(x.grad, [4, 4, 4])
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_gradients_that_are_kept():
    x = tg.Tensor(np.ones(3), requires_grad=True)
    with Lean():
        y = (x * 2).retain_grad()
        z = (y * y * x).sum().retain_grad()
        z.backward()
    np.testing.assert_array_equal([z.grad, *y.grad, *x.grad], [1, 4, 4, 4, 12, 12, 12])


def test_fit_has_it_for_large_batches(monkeypatch):
    X, y = rng.random((40, 3)), np.arange(40) % 2

    def end(large):
        used = []
        monkeypatch.setattr(epochs, "LARGE", large)
        monkeypatch.setattr(epochs, "Lean", lambda: used.append(1) or Lean())
        model = Net()
        history = tg.fit(model, X, y, epochs=2, batch_size=10, progress=False, rng=0)
        return len(used), history["loss"], [p.numpy() for p in model.parameters()]

    times, loss, params = end(10 * 3 * 8)
    none, same, others = end(10 * 3 * 8 + 1)
    assert (times, none, loss) == (8, 0, same)
    for p, q in zip(params, others):
        np.testing.assert_array_equal(p, q)


def test_a_relus_gradient_is_written_over_its_output_unless_somebody_has_that():
    x, kept = tg.Tensor(np.array([[1.0, -2.0], [0.0, 3.0]]), requires_grad=True), []

    def outputs(look):
        with Lean():
            h = x.relu()
            h = kept.append(h.data) or h if look else h
            y = h.vjps[0].args[0]
            (h * np.array([[5.0, 6.0], [7.0, 8.0]])).sum().backward()
        return y

    want = [[5, 0], [0, 8]]
    np.testing.assert_array_equal(outputs(look=True), [[1, 0], [0, 3]])
    np.testing.assert_array_equal(kept, [[[1, 0], [0, 3]]])
    np.testing.assert_array_equal(x.grad, want)


def test_the_gradient_lies_where_the_output_was():
    g = np.array([3.0, 4.0])
    vjp = partial(lean.over, np.array([2.0, 0.0]))
    got = vjp(g)
    assert got is vjp.args[0]
    np.testing.assert_array_equal(got, [3, 0])
    wider = partial(lean.over, np.array([2.0, 0.0], np.float32))
    assert wider(g).dtype == np.float64
    np.testing.assert_array_equal(wider.args[0], [2, 0])
