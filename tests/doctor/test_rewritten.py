"""Losses as students write them, in plain NumPy, run on Tensors: rewritten from their source where NumPy asks none."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.rewritten import assigned, rewritten

rng = np.random.default_rng(0)
N, X, y = 5, rng.standard_normal((5, 3)), np.array([0, 1, 1, 0, 1])
W1, W2 = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
rows = np.arange(N)


def softmax_of(s):
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def dots(W1, W2):
    p = softmax_of(np.maximum(X.dot(W1), 0).dot(W2))
    return -np.sum(np.log(p[rows, y])) / N


def copies(W1, W2):
    s = (np.maximum(X @ W1, 0) @ W2).copy()
    return -np.sum(np.log(softmax_of(s)[rows, y])) / N


def casts(W1, W2):
    h = np.maximum(X @ W1, 0).astype(float, copy=False)
    return -np.sum(np.log(softmax_of(h @ W2)[rows, y])) / N


def assigns(W1, W2):
    s = np.maximum(X @ W1, 0) @ W2
    m = np.maximum(s - s[rows, y][:, None] + 1, 0)
    m[rows, y] = 0
    return np.sum(m) / N


def shifts(W1, W2):
    s = np.maximum(X @ W1, 0) @ W2
    s -= np.max(s, axis=1, keepdims=True)
    return -np.sum(np.log(softmax_of(s)[rows, y])) / N


def affine(x, w):
    out = np.zeros((len(x), w.shape[1]))
    out += x.dot(w)
    return out


def calls(W1, W2):
    return -np.sum(np.log(softmax_of(affine(np.maximum(affine(X, W1), 0), W2))[rows, y])) / N


def loops(W1, W2):
    losses = np.zeros(N)
    for i in range(N):
        s = np.maximum(X[i].dot(W1), 0).dot(W2)
        losses[i] = -np.log(np.exp(s)[y[i]] / np.sum(np.exp(s)))
    return np.sum(losses) / N


def adds_up(W1, W2):
    total = np.zeros(1)
    for i in range(N):
        s = np.maximum(X[i].dot(W1), 0).dot(W2)
        total[0] += -np.log(np.exp(s)[y[i]] / np.sum(np.exp(s)))
    return total[0] / N


class Net:
    def __init__(self, x):
        self.x = x

    def loss(self, W1, W2):
        return dots(W1, W2) if self.x is X else None


in_a_method = Net(X).loss


def in_a_closure(loss=dots):
    weight = 1.0

    def f(W1, W2, times=1):
        return weight * loss(W1, W2) * times

    return f


in_a_lambda = lambda W1, W2: -np.sum(np.log(softmax_of(np.maximum(X.dot(W1), 0).dot(W2))[rows, y])) / N


def gradients(f, relu=True):
    h = np.maximum(X @ W1, 0)
    s = h @ W2
    d = softmax_of(s)
    d[rows, y] -= 1
    if f is assigns:
        d = (s - s[rows, y][:, None] + 1 > 0) * 1.0
        d[rows, y] = 0
        d[rows, y] = -d.sum(axis=1)
    back = d / N @ W2.T
    return {"W1": X.T @ (back * (h > 0) if relu else back), "W2": h.T @ d / N}


LOSSES = [dots, copies, casts, assigns, shifts, calls, loops, adds_up, in_a_method, in_a_closure(), in_a_lambda]


@pytest.mark.parametrize("f", LOSSES, ids=lambda f: f.__qualname__)
def test_a_loss_in_plain_numpy_runs_on_tensors_and_the_mistake_has_its_name(f):
    inputs = {"W1": W1, "W2": W2}
    report = tg.diagnose(f, inputs, gradients(f))
    assert report.right
    assert "The right numbers are the engine's; central differences agree" in str(report)
    (found, other) = tg.diagnose(f, inputs, gradients(f, relu=False)).findings
    assert other.mistake is None
    assert found.mistake in ("missing", "other")
    assert "relu" in found.text


def test_an_array_that_was_changed_by_another_name_falls_back_to_central_differences():
    """A Tensor takes the one name, not the other: the engine's gradients would be wrong, and are not believed."""

    def aliased(w):
        a = w * 2
        b = a
        b[0] = 0
        return np.sum(a * a)

    report = tg.diagnose(aliased, np.array([1.0, 2.0]), np.array([0.0, 16.0]))
    assert report.right
    assert "The right numbers are central differences" in str(report)


@pytest.mark.parametrize(
    ("index", "value"),
    [
        ((rows, y), 0.0),
        ((slice(1, 3), 0), np.array([5.0, 6.0])),
        (slice(None), np.array([1.0, 2.0])),
        (np.array([0, 0, 2]), np.arange(6.0).reshape(3, 2)),
        (np.arange(10).reshape(5, 2) > 6, -1.0),
        (..., 2.0),
        (-1, np.array([[7.0, 8.0]])),
        (np.zeros((5, 2), bool), 3.0),
    ],
)
def test_an_assignment_is_numpys(index, value):
    a = rng.standard_normal((5, 2))
    t, v = tg.Tensor(a, requires_grad=True), tg.Tensor(value, requires_grad=True)
    got = assigned(t, index, v)
    a[index] = value
    assert np.array_equal(got.numpy(), a)
    assert tg.diagnose(lambda a: (assigned(a, index, value) ** 2).sum(), t.numpy(), 2 * a * (a == t.numpy())).right
    if np.ndim(value) and np.size(index) != 3:  # an element that is assigned twice counts once
        assert tg.gradcheck(lambda a, v: assigned(a, index, v) ** 2, t, v)
    plain = np.zeros((5, 2))
    assert assigned(plain, index, value) is plain


def test_functions_of_libraries_and_without_source_stay_as_they_are():
    assert rewritten(np.linalg.norm) is None
    assert rewritten(tg.mlp) is None
    assert rewritten(len) is None
    scope = {}
    exec("def f(x):\n    return x", scope)
    assert rewritten(scope["f"]) is None
    pair = [lambda x: x + 1, lambda x: x + 2]
    assert rewritten(pair[0]) is None  # which of the two on that line is it?
