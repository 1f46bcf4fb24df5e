"""Losses as people write them, and the options of ours: a compiled step is the eager one, for batches of several sizes.

All but those of `by_machine` run the text of the step as plain Python.
"""

import os
from functools import partial

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import cache, module_text, numpy_c  # noqa: F401, loaded before a test replaces jit.kernel
from tinygrad_edu.compile.values import CannotCompile
from tinygrad_edu.core import jit

rng = np.random.default_rng(0)
N, C = 24, 4
X, LABELS, REAL = rng.standard_normal((N, 3)), rng.integers(0, C, N), rng.standard_normal((N, C))
YES, SIGNS, SOFT = (REAL > 0) * 1.0, np.sign(REAL), rng.dirichlet(np.ones(C), N)
PAIRS, NUMBERS = YES[:, 0].copy(), REAL[:, 0].copy()
SOME_IGNORED = np.where(np.arange(N) % 3 == 1, -100, LABELS)
COUNTS = np.flatnonzero((SOME_IGNORED >= 0) & (LABELS != 1))[0]  # a sample that nothing ignores
W = np.array([0.5, 2.0, 1.0, 1.5])
CENTRES = np.array([[0.0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])


@pytest.fixture(autouse=True)
def _plainly(request, monkeypatch, tmp_path):
    """As in test_step: without machine code, or with one that is not left in the user's folder."""
    monkeypatch.setitem(os.environ, "TINYGRAD_EDU_CACHE", str(tmp_path))
    if request.node.name != "test_by_machine":
        monkeypatch.setattr(numpy_c, "PLAIN", True)
        monkeypatch.setattr(jit, "kernel", lambda rule: rule)


# --- classes ----------------------------------------------------------------------------------------------------------


def picked(z, t):
    return -z.log_softmax()[np.arange(len(t)), t].mean()


def picked_by_range(z, t):
    return -z.log_softmax()[range(z.shape[0]), t].mean()


def one_hot(z, t):
    return -(z.log_softmax() * np.eye(4)[t]).sum(axis=1).mean()


def one_hot_by_assignment(z, t):
    hot = np.zeros((len(t), 4))
    hot[np.arange(len(t)), t] = 1
    return ((z.softmax() - hot) ** 2).sum(axis=1).mean()


def one_hot_by_comparison(z, t):
    return ((z.softmax() - (t[:, None] == np.arange(4))) ** 2).sum(axis=1).mean()


def whole_labels(z, t):
    return -z.log_softmax()[np.arange(len(z)), t.astype(int)].mean()


def along_an_axis(z, t):
    return -np.take_along_axis(z.log_softmax(), t[:, None], axis=1).mean()


def smoothed(z, t):
    return -(z.log_softmax() * (np.eye(4)[t] * 0.9 + 0.1 / 4)).sum(axis=1).mean()


def class_weights(z, t):
    w = W[t]
    return -(w * z.log_softmax()[np.arange(len(t)), t]).sum() / w.sum()


def focal(z, t):
    logp = z.log_softmax()[np.arange(len(t)), t]
    return -((1 - logp.exp()) ** 2 * logp).mean()


def ignored(z, t):
    keep = t != -100
    safe = np.where(keep, t, 0)
    return -(z.log_softmax()[np.arange(len(t)), safe] * keep).sum() / keep.sum()


def hinge_of_classes(z, t):
    right = z[np.arange(len(t)), t].reshape(-1, 1)
    return (np.maximum(z - right + 1, 0).sum(axis=1) - 1).mean()


def hinge_by_number(z, t):
    right = z[np.arange(len(t)), t][:, None]
    return (np.maximum(0, z - right + 1) * (1 - np.eye(4)[t])).sum() / len(t)


def center(z, t):
    return ((z - CENTRES[t]) ** 2).sum(axis=1).mean()


def ordinal(z, t):
    levels = (t[:, None] > np.arange(4)) * 1.0
    return (np.logaddexp(0, z) - levels * z).sum(axis=1).mean()


def earth_movers(z, t):
    return abs(z.softmax().cumsum(axis=1) - np.eye(4)[t].cumsum(axis=1)).sum(axis=1).mean()


def odd_ones_double(z, t):
    return ((1 + t % 2) * z[:, 0] ** 2).mean() + (np.array([1.0, 2, 3, 4]).take(t) * z[:, 1]).mean()


def neighbours(z, t):
    n = z / np.sqrt((z**2).sum(axis=1, keepdims=True))
    return -(n @ n.T / 0.5).log_softmax()[np.arange(len(z)), (np.arange(len(z)) + 1) % len(z)].mean()


def same_class(z, t):
    d = ((z[:, None, :] - z[None, :, :]) ** 2).sum(axis=2)
    return np.where(t[:, None] == t[None, :], d, np.maximum(1 - d, 0)).mean()


# --- yes or no --------------------------------------------------------------------------------------------------------


def binary(z, t):
    p = z.sigmoid()
    return -(t * np.log(p + 1e-7) + (1 - t) * np.log(1 - p + 1e-7)).mean()


def binary_focal(z, t):
    p = z.sigmoid()
    right = np.where(t == 1, p, 1 - p)
    return -(0.25 * (1 - right) ** 2.0 * (right + 1e-9).log()).mean()


def dice(z, t):
    p = z.sigmoid()
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


def tversky(z, t):
    p = z.sigmoid()
    both, more, less = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
    return 1 - (both + 1) / (both + 0.3 * more + 0.7 * less + 1)


def contrastive(z, t):
    d = ((z[:, :2] - z[:, 2:]) ** 2).sum(axis=1)
    return (t * d + (1 - t) * np.maximum(1 - np.sqrt(d + 1e-9), 0) ** 2).mean()


def exponential(z, t):
    return np.exp(-z * t).mean()


# --- numbers ----------------------------------------------------------------------------------------------------------


def quantile(p, t):
    e = t - p
    return np.maximum(0.9 * e, -0.1 * e).mean()


def quantiles(p, t):
    e, q = t - p, np.array([0.1, 0.5, 0.9, 0.95])
    return np.maximum(q * e, (q - 1) * e).mean()


def weighted_squares(p, t):
    return ((p - t) ** 2 * W).mean()


def asymmetric(p, t):
    e = p - t
    return (np.where(e > 0, 2.0, 1.0) * e**2).mean()


def root(p, t):
    return np.sqrt(((p - t) ** 2).mean())


def log_cosh(p, t):
    return np.log(np.cosh(p - t)).mean()


def smooth_l1(p, t):
    e = np.abs(p - t)
    return np.where(e < 1, 0.5 * e**2, e - 0.5).mean()


def percentage(p, t):
    return (np.abs(p - t) / np.maximum(np.abs(t), 1e-3)).mean()


def logarithms(p, t):
    return ((np.log1p(np.abs(p)) - np.log1p(np.abs(t))) ** 2).mean()


def gaussian(z, t):
    return (z[:, 1] + 0.5 * ((t - z[:, 0]) / np.exp(z[:, 1])) ** 2).mean()


def poisson(z, t):
    return (np.exp(z) - t * z).mean()


def cosine(z, t):
    return (1 - (z * t).sum(axis=1) / (np.sqrt((z * z).sum(axis=1)) * np.sqrt((t * t).sum(axis=1)) + 1e-8)).mean()


def variational(z, t):
    mean, log_var = z[:, :2], z[:, 2:]
    return (-0.5 * (1 + log_var - mean**2 - np.exp(log_var)).sum(axis=1)).mean()


def triplet(z, t):
    a, p, n = z[:, 0:1], z[:, 1:2], z[:, 2:3]
    return np.maximum(((a - p) ** 2).sum(axis=1) - ((a - n) ** 2).sum(axis=1) + 1, 0).mean()


BY_LABELS = [
    picked, picked_by_range, one_hot, one_hot_by_assignment, one_hot_by_comparison, whole_labels, along_an_axis,
    smoothed, class_weights, focal, hinge_of_classes, hinge_by_number, center, ordinal, earth_movers, odd_ones_double,
    neighbours, same_class, variational, triplet,
]  # fmt: skip
OWN = [
    *((loss, LABELS) for loss in BY_LABELS),
    (ignored, SOME_IGNORED),
    *((loss, YES) for loss in (binary, binary_focal, dice, tversky)),
    (contrastive, PAIRS),
    (exponential, SIGNS),
    *((loss, REAL) for loss in (quantile, quantiles, weighted_squares, asymmetric, root, log_cosh, smooth_l1)),
    *((loss, REAL) for loss in (percentage, logarithms, cosine)),
    (gaussian, NUMBERS),
    (poisson, np.abs(REAL).round()),
]
OURS = {
    "weight": (partial(tg.cross_entropy, weight=W), LABELS),
    "label_smoothing": (partial(tg.cross_entropy, label_smoothing=0.1), LABELS),
    "ignore_index": (partial(tg.cross_entropy, ignore_index=-100), SOME_IGNORED),
    "all": (partial(tg.cross_entropy, ignore_index=1, weight=W, label_smoothing=0.2), LABELS),
    "sum": (partial(tg.cross_entropy, reduction="sum", weight=W), LABELS),
    "soft targets": (tg.cross_entropy, SOFT),
    "soft targets, weighted": (partial(tg.cross_entropy, weight=W, label_smoothing=0.1), SOFT),
    "nll_loss": (lambda z, t: tg.nll_loss(z.log_softmax(), t, weight=W), LABELS),
    "kl_div": (lambda z, t: tg.kl_div(z.log_softmax(), t), SOFT),
    "pos_weight": (partial(tg.binary_cross_entropy_with_logits, pos_weight=W), YES),
    "reduction": (partial(tg.huber_loss, reduction="sum"), REAL),
    "sample_weight": (lambda z, t: tg.mse_loss(z, t[:, 1:], sample_weight=t[:, 0]), np.abs(rng.random((N, C + 1)))),
    "sample_weight of classes": (lambda z, t: tg.cross_entropy(z, t, sample_weight=(W * 2)[t]), LABELS),
}
CASES = {loss.__name__: (loss, y) for loss, y in OWN} | OURS


class Pair:
    """A compiled step, and the eager one beside it."""

    def __init__(self, loss, y, dtype=np.float64):
        self.loss, self.y, self.X = loss, y, X.astype(dtype)
        self.models = [tg.mlp([3, 5, C], "tanh", rng=0, dtype=dtype) for _ in range(2)]
        self.optimizers = [tg.SGD(model, lr=0.1) for model in self.models]
        self.step = tg.compile_step(self.models[0], loss, self.optimizers[0], self.X, y, quiet=True)

    def both(self, rows, tight=1e-11):
        value = self.step(self.X[rows], self.y[rows])
        self.optimizers[1].zero_grad()
        expected = self.loss(self.models[1](self.X[rows]), self.y[rows])
        expected.backward()
        self.optimizers[1].step()
        np.testing.assert_allclose(value, expected.item(), rtol=tight, atol=tight)
        for p, q in zip(*[model.parameters() for model in self.models]):
            np.testing.assert_allclose(p.data, q.data, rtol=tight, atol=tight)


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_loss_is_the_eager_one(name):
    pair = Pair(*CASES[name])
    random = np.random.default_rng(1)
    for n in (N, 7, 2):
        pair.both(np.r_[random.integers(0, N, n - 1), COUNTS])
    # the rest compiles for each size: what divides by len(t), as text, and what depends on the number of a row
    assert pair.step.program.any_size == (name not in ("hinge_by_number", "neighbours"))


@pytest.mark.parametrize("name", ["class_weights", "smoothed", "ignored", "all", "focal"])
def test_in_float32(name):
    loss, y = CASES[name]
    pair = Pair(loss, y, np.float32)
    for _ in range(3):
        pair.both(np.arange(N), tight=1e-4)


@pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")
def test_by_machine():
    def loss(z, t):
        return sum(f(z, t) for f in (picked, one_hot, class_weights, along_an_axis)) + OURS["all"][0](z, t)

    pair = Pair(loss, LABELS)
    for n in (N, 10, 3):
        pair.both(np.r_[np.arange(n - 1), COUNTS])
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        pair.step(X[:3], np.array([0, 4, 2]))  # a size that is known: it is machine code that refuses


# --- what is not as it was when it was traced -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["picked", "smoothed", "class_weights", "weight", "all"])
def test_a_label_out_of_range_is_refused_and_nothing_is_changed(name):
    pair = Pair(*CASES[name])
    before, y = pair.models[0].state_dict(), LABELS.copy()
    y[3] = C
    ours = r"^label 4, but with 4 logits"  # the loss's own words, not those of an array that has no such element
    with pytest.raises((ValueError, IndexError), match=ours if name in OURS else "out of bounds"):
        pair.step(X, y)
    assert all(np.array_equal(before[key], value) for key, value in pair.models[0].state_dict().items())


def test_a_class_that_the_first_batch_does_not_have_comes_later():
    first = np.array([0, 1, 0, 1])
    for name in ("smoothed", "class_weights"):
        pair = Pair(CASES[name][0], LABELS)
        model = tg.mlp([3, 5, C], "tanh", rng=0)
        step = tg.compile_step(model, CASES[name][0], tg.SGD(model, lr=0.1), X[:4], first, quiet=True)
        assert step(X, LABELS) == pair.step(X, LABELS)


@pytest.mark.parametrize("labels", [[2], [1, 1, 1, 1]])
def test_a_first_batch_of_one_class_does_not_freeze_it(labels):
    y = np.array(labels)
    model, expected = tg.mlp([3, 5, C], "tanh", rng=0), Pair(one_hot, LABELS)
    step = tg.compile_step(model, one_hot, tg.SGD(model, lr=0.1), X[: len(y)], y, quiet=True)
    assert step(X[: len(y)], LABELS[: len(y)]) == expected.step(X[: len(y)], LABELS[: len(y)])
    assert step(X, LABELS) == pytest.approx(expected.step(X, LABELS), rel=1e-12)


def test_weights_that_are_changed_in_place_are_followed():
    w = W.copy()
    step = Pair(lambda z, t: (w[t] * (z**2).sum(axis=1)).mean(), LABELS)
    step.both(np.arange(N))
    w *= 3
    step.both(np.arange(N))


def test_what_depends_on_the_other_samples_is_no_table():
    def balanced(z, t):
        count = np.array([np.sum(np.asarray(t) == c) for c in range(C)])
        return -(z.log_softmax()[np.arange(len(t)), t] / count[np.asarray(t)]).sum()

    with pytest.raises(CannotCompile, match="outside of the ops"):
        Pair(balanced, LABELS)


def test_elements_chosen_by_a_mask_are_refused_by_name():
    with pytest.raises(CannotCompile, match="a mask decides how many elements there are"):
        Pair(lambda z, t: -z.log_softmax()[t == 1].mean(), LABELS)


def test_fit_compiles_a_loss_of_ones_own():
    losses = []
    for compiled in (True, False):
        model = tg.mlp([3, 5, C], "tanh", rng=0)
        options = {"epochs": 2, "batch_size": 10, "rng": 0, "progress": False, "compiled": compiled}
        losses.append(tg.fit(model, X, LABELS, smoothed, tg.SGD(model, lr=0.1), **options)["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-12)


def test_a_program_shows_the_table():
    program = tg.trace(lambda z, t: (z * np.eye(3)[t]).sum(), np.ones((4, 3)), np.array([0, 2, 1, 1]))
    assert "[t]" in program.source
    z, t = rng.standard_normal((2, 3)), np.array([2, 0])
    assert program(z, t)[0] == z[0, 2] + z[1, 0]
