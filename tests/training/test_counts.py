"""Losses in which samples do not count the same: weights of classes, ignored labels. Columns are those of one batch.

Machine code is tried as Python, as in `test_fit_options`.
"""

from functools import partial

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit

X, Y = tg.data.blobs(50, noise=1.5, rng=0)
ORDER = np.argsort(Y, kind="stable")  # so that some batches have one class
X, Y = X[ORDER], Y[ORDER]
HOLES = np.where(np.arange(50) % 5 == 0, -100, Y)
HOLES[:16] = -100
BOTH = pytest.mark.parametrize("compiled", [False, True])
CASES = [  # of y, the weights of the classes, the label that is ignored
    (Y, [1, 50, 3], None),
    (Y, [0, 1, 2], None),
    (HOLES, None, -100),
    (HOLES, [1, 50, 3], -100),
    (Y, None, 1),
    (Y, [3, 1, 0], 1),
]


@pytest.fixture(autouse=True)
def _plainly(monkeypatch):
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)


def by_hand(scores, y, weight, ignored, more=None):
    """Return the weighted mean of -ln softmax and the share of right answers, with NumPy."""
    kept = y != ignored
    z, t = scores[kept], y[kept]
    w = (np.ones(3) if weight is None else np.array(weight, float))[t] * (1 if more is None else more[kept])
    cost = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(t)), t]
    return (w * cost).sum() / w.sum(), (z.argmax(axis=1) == t).mean()


def loss_of(weight, ignored):
    options = {"weight": weight, "ignore_index": ignored}
    return partial(tg.cross_entropy, **{name: value for name, value in options.items() if value is not None})


@pytest.mark.parametrize(("y", "weight", "ignored"), CASES)
@pytest.mark.parametrize("batch_size", [1, 7, 16, 50])
def test_an_evaluation_does_not_depend_on_the_size_of_a_batch(y, weight, ignored, batch_size):
    model = tg.mlp([2, 3], rng=0)
    found = tg.evaluate(model, X, y, loss_of(weight, ignored), batch_size)
    assert found == pytest.approx(by_hand(model.predict(X), y, weight, ignored), rel=1e-12)
    log = tg.Sequential(model, LogSoftmax())
    loss = partial(tg.nll_loss, **loss_of(weight, ignored).keywords)
    assert tg.evaluate(log, X, y, loss, batch_size) == pytest.approx(found, rel=1e-12)


class LogSoftmax(tg.Layer):
    def forward(self, x):
        return x.log_softmax()


@BOTH
@pytest.mark.parametrize(("y", "weight", "ignored"), CASES)
def test_the_rows_of_a_training_are_means_over_what_counts(y, weight, ignored, compiled):
    model = tg.mlp([2, 3], rng=0)
    before, seen = model.predict(X), []
    metrics = {"right": lambda truth, answers: seen.append(truth) or (truth == answers).mean()}
    history = tg.fit(
        model, X, y, loss_of(weight, ignored), tg.SGD(model, lr=1e-12), 2, 7, validation=(X, y), rng=0,
        compiled=compiled, metrics=metrics, progress=False,
    )  # fmt: skip
    cost, right = by_hand(before, y, weight, ignored)
    assert history["loss"] == pytest.approx([cost] * 2, rel=1e-9)
    assert history["validation_loss"] == pytest.approx([cost] * 2, rel=1e-9)
    assert history["validation_accuracy"] == history["validation_right"] == pytest.approx([right] * 2)
    assert not any((truth == ignored).any() for truth in seen)
    if weight is None or 0 not in weight:  # else batches are left out, which draw no answers
        assert history["accuracy"] == pytest.approx([right] * 2)


@BOTH
def test_weights_of_classes_count_in_the_rows(compiled):
    model, weight = tg.mlp([2, 3], rng=0), [1, 20, 0]
    cost, _ = by_hand(model.predict(X), Y, weight, None)
    history = tg.fit(
        model, X, Y, optimizer=tg.SGD(model, lr=1e-12), epochs=1, batch_size=3, class_weight=weight, rng=0,
        compiled=compiled, progress=False,
    )  # fmt: skip
    assert history["loss"] == [pytest.approx(cost, rel=1e-9)]


def test_weights_of_samples_count_in_the_rows_together_with_those_of_the_loss():
    model, more = tg.mlp([2, 3], rng=0), np.random.default_rng(1).uniform(0, 5, 50)
    cost, _ = by_hand(model.predict(X), HOLES, [1, 9, 3], -100, more)
    for accumulate in (1, 3):
        history = tg.fit(
            model, X, HOLES, loss_of([1, 9, 3], -100), tg.SGD(model, lr=1e-12), 1, 4, sample_weight=more,
            accumulate=accumulate, rng=0, progress=False,
        )  # fmt: skip
        assert history["loss"] == [pytest.approx(cost, rel=1e-9)]


@BOTH
@pytest.mark.parametrize(("y", "weight", "ignored"), CASES)
def test_a_batch_in_which_nothing_counts_is_skipped(y, weight, ignored, compiled):
    def new():
        return tg.mlp([2, 3], rng=0)

    model, other = new(), new()
    optimizer, loss = tg.SGD(other, lr=0.1), loss_of(weight, ignored)
    counts = np.where(y == ignored, 0, np.array([1, 1, 1] if weight is None else weight)[np.maximum(y, 0)])
    for _ in range(2):
        for first in range(0, 50, 5):
            rows = np.arange(50)[first : first + 5]
            if counts[rows].any():
                optimizer.zero_grad()
                loss(other(X[rows]), y[rows]).backward()
                optimizer.step()
    options = {"rng": Straight(), "progress": False, "compiled": compiled}
    ours = tg.SGD(model, lr=0.1)
    tg.fit(model, X, y, loss, ours, 2, 5, **options)
    assert ours.t == optimizer.t
    assert np.allclose(model[0].W.data, other[0].W.data, rtol=0, atol=1e-12)
    if ignored is None and 0 in weight:
        by_class = new()
        tg.fit(
            by_class, X, y, optimizer=tg.SGD(by_class, lr=0.1), epochs=2, batch_size=5, class_weight=weight, **options
        )
        assert np.allclose(by_class[0].W.data, other[0].W.data, rtol=0, atol=1e-12)


class Straight(np.random.Generator):
    """A generator that leaves the order as it is."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def permutation(self, n):
        return np.arange(n)


def test_groups_of_batches_have_the_gradient_of_one_where_labels_are_ignored():
    def trained(**sizes):
        model = tg.mlp([2, 3], rng=0)
        tg.fit(model, X, HOLES, loss_of([1, 9, 3], -100), tg.SGD(model), 2, rng=0, progress=False, **sizes)
        return model[0].W.data

    assert np.allclose(trained(batch_size=3, accumulate=4), trained(batch_size=12), rtol=0, atol=1e-12)


@BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": [0, 0, 0]}, "y: no sample counts"),
        ({"loss": loss_of([0, 0, 0], None)}, "y: no sample counts"),
        ({"y": np.full(50, -100), "loss": loss_of(None, -100)}, "y: no sample counts"),
        (
            {"validation": (X, np.full(50, -100)), "loss": loss_of(None, -100)},
            "validation y: no sample counts, as each has the weight 0 or a label that is ignored",
        ),
    ],
)
def test_a_training_in_which_nothing_counts_is_refused(options, message, compiled):
    model = tg.mlp([2, 3], rng=0)
    options = {"X": X, "y": Y} | options
    with pytest.raises(ValueError, match=message):
        tg.fit(model, compiled=compiled, progress=False, **options)


def test_weights_that_are_zero_for_all_that_is_trained_on_are_refused():
    train = tg.data.split(np.arange(50), Y, 0.2, np.random.default_rng(3)).X_train
    weights = np.ones(50)
    weights[train] = 0
    with pytest.raises(ValueError, match="y: no sample counts"):
        tg.fit(tg.mlp([2, 3], rng=0), X, Y, validation=0.2, rng=3, sample_weight=weights, progress=False)


def test_a_compiled_training_has_an_accuracy_under_class_weights_and_options_of_the_loss():
    y, rows = (Y == 1).astype(float)[:, None], []
    loss = partial(tg.binary_cross_entropy_with_logits, pos_weight=2)
    for compiled in (False, True):
        model = tg.mlp([2, 1], rng=0)
        options = {"class_weight": "balanced", "rng": 0, "progress": False, "compiled": compiled}
        rows.append(tg.fit(model, X, y, loss, tg.SGD(model), 1, **options)["accuracy"])
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("right", "y", "loss"),
    [
        (np.eye(3), np.arange(3), tg.cross_entropy),
        (np.zeros((3, 1)), np.zeros((3, 1)), tg.binary_cross_entropy_with_logits),
    ],
)
def test_a_compiled_training_counts_an_output_of_nan_as_wrong_as_an_eager_one(right, y, loss):
    counts = []
    for compiled in (False, True):
        model = tg.mlp([right.shape[1], right.shape[1]], rng=0)
        model[0].W.data[...] = 0.0
        model[0].b.data[...] = np.nan
        optimizer = tg.SGD(model, lr=0.0, nonfinite="propagate")
        with pytest.warns(UserWarning, match="the loss of the last epoch is nan"):
            history = tg.fit(model, right, y, loss, optimizer, 1, progress=False, compiled=compiled)
        counts.append(history["accuracy"])
    assert counts == [[0.0], [0.0]]
