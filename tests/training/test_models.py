"""Models with several inputs and outputs, tied weights, a part of a model, embeddings, and predictions."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit

RNG = np.random.default_rng(0)
WORDS, X, LABELS = RNG.integers(0, 7, 40), RNG.standard_normal((40, 2)), RNG.integers(0, 3, 40)


class Two(tg.Layer):
    """Two inputs, of which one is an index, and two outputs."""

    def __init__(self):
        self.words, self.left, self.right = tg.Embedding(7, 4, rng=0), tg.Linear(4, 3, rng=1), tg.Linear(2, 3, rng=2)

    def forward(self, word, x):
        a, b = self.left(self.words(word)), self.right(x)
        return {"both": a + b, "right": b}


def both_losses(output, y):
    labels, targets = y
    return tg.cross_entropy(output["both"], labels) + tg.mse_loss(output["right"], targets)


TARGETS = (LABELS, np.eye(3)[LABELS])

# --- several inputs and outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [(WORDS, X), {"x": X, "word": WORDS}])
def test_fit_takes_the_steps_of_a_loop_for_a_model_with_two_inputs_and_outputs(inputs):
    model, other, rng = Two(), Two(), np.random.default_rng(5)
    history = tg.fit(model, inputs, TARGETS, both_losses, tg.SGD(model, lr=0.1), 2, 16, rng=5, progress=False)
    optimizer, costs = tg.SGD(other, lr=0.1), []
    for _ in range(2):
        order, total = rng.permutation(40), 0.0
        for first in range(0, 40, 16):
            rows = order[first : first + 16]
            optimizer.zero_grad()
            cost = both_losses(other(WORDS[rows], X[rows]), (LABELS[rows], TARGETS[1][rows]))
            cost.backward()
            optimizer.step()
            total += cost.item() * len(rows)
        costs.append(total / 40)
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), other.parameters()))
    assert history["loss"] == pytest.approx(costs)
    assert "accuracy" not in history.rows[0]
    with tg.no_grad():
        cost = both_losses(model(WORDS, X), TARGETS).item()
    assert tg.evaluate(model, inputs, TARGETS, both_losses).loss == pytest.approx(cost)
    got = model.predict(inputs, batch_size=7)
    assert {name: array.shape for name, array in got.items()} == {"both": (40, 3), "right": (40, 3)}
    assert np.allclose(got["both"], model(WORDS, X)["both"].numpy(), rtol=0, atol=1e-12)


def test_all_options_take_several_arrays(tmp_path):
    def train(inputs, targets, **options):
        model = Two()
        tg.fit(model, inputs, targets, both_losses, tg.SGD(model, lr=0.1), 3, rng=0, progress=False, **options)
        return model.words.W.numpy()

    targets = {"labels": TARGETS[0], "targets": TARGETS[1]}
    seen = []
    history_of = {"metrics": {"m": lambda y, output: seen.append((y["labels"].shape, output["both"].shape)) or 0.0}}

    def loss(output, y):
        return both_losses(output, (y["labels"], y["targets"]))

    model = Two()
    options = {"validation": 0.25, "accumulate": 2, "clip_norm": 1.0, "checkpoint": tmp_path / "run.npz"}
    history = tg.fit(model, (WORDS, X), targets, loss, epochs=2, progress=False, rng=0, **options, **history_of)
    assert seen == [((10,), (10, 3))] * 2
    assert history["validation_m"] == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"X is .* there and .* here"):
        tg.fit(model, (WORDS, X + 1), targets, loss, epochs=2, progress=False, rng=0, **options, **history_of)
    held = ((WORDS, X), TARGETS)
    assert np.array_equal(train((WORDS, X), TARGETS, validation=held), train({"word": WORDS, "x": X}, TARGETS))


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ((WORDS, X[1:]), TARGETS, ValueError, r"one row for each sample, got shapes \(39, 2\) and \(40,\)"),
        ((WORDS, X), (LABELS[1:], TARGETS[1]), ValueError, "one row for each sample"),
        ((WORDS, X + np.nan), TARGETS, ValueError, r"X\[1\] holds nan at \[0, 0\]"),
        ({"word": WORDS, "x": X + np.inf}, TARGETS, ValueError, r'X\["x"\] holds inf'),
        ({"word": WORDS, "x": None}, TARGETS, TypeError, r'X\["x"\] is None'),
        ({}, TARGETS, ValueError, "X is an empty dict"),
        ({1: WORDS}, TARGETS, TypeError, "X is a dict of arrays by name"),
        ((WORDS,), TARGETS, TypeError, r"Two\.forward\(word, x\): missing a required argument"),
        ((WORDS + 7, X), TARGETS, IndexError, r"Embedding\(7, 4\) takes numbers from 0 to 6, got"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(X, y, error, message):
    with pytest.raises(error, match=message):
        tg.fit(Two(), X, y, both_losses, progress=False)


def test_several_arrays_do_not_compile():
    for inputs, targets in (((WORDS, X), LABELS), (X, (LABELS, LABELS))):
        with pytest.raises(tg.CannotCompile, match="several arrays in X or y: a compiled step takes one of each"):
            tg.fit(Two(), inputs, targets, both_losses, compiled=True, progress=False)


def test_whole_numbers_that_are_no_indices_become_floats():
    class Bytes(tg.Layer):
        def __init__(self):
            self.words, self.linear, self.received = tg.Embedding(200, 3, rng=0), tg.Linear(3, 2, rng=0), []

        def forward(self, image, word):
            self.received.append((image.dtype, word.dtype))
            return self.linear((image + image) / 255 + self.words(word))

    image, word = RNG.integers(0, 256, (20, 3)).astype(np.uint8), RNG.integers(0, 200, 20).astype(np.uint8)
    model = Bytes()
    model.received = received = []
    tg.fit(model, (image, word), np.arange(20) % 2, epochs=1, progress=False)
    assert received[-1] == (np.float64, np.uint8)
    expected = ((2.0 * image) / 255 + model.words.W.data[word]) @ model.linear.W.data + model.linear.b.data
    assert np.allclose(model.predict((image, word)), expected)


# --- predict ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 1024])
def test_predict_is_the_output_in_evaluation_without_a_graph(batch_size):
    model = tg.Sequential(tg.Linear(2, 4, rng=0), tg.BatchNorm1d(4), tg.Dropout(0.5, rng=0), tg.Linear(4, 3, rng=0))
    model(X)  # which has statistics now
    before, modes = model.state_dict(), [layer.training for _, layer in model.named_layers()]
    got = model.predict(X, batch_size=batch_size)
    assert type(got) is np.ndarray
    W, b, V, c = (model.state_dict()[f"layers.{path}"] for path in ("0.W", "0.b", "3.W", "3.b"))
    norm = (X @ W + b - model[1].running_mean.data) / np.sqrt(model[1].running_var.data + 1e-5)
    assert np.allclose(got, norm @ V + c, rtol=0, atol=1e-12)
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    assert [layer.training for _, layer in model.named_layers()] == modes
    assert model(X).requires_grad


def test_predict_takes_lists_tensors_and_bytes_and_refuses_the_rest():
    model = tg.mlp([2, 3], rng=0)
    assert np.array_equal(model.predict(X.tolist()), model.predict(tg.Tensor(X)))
    assert model.predict([[200, 100]]).shape == (1, 3)
    for wrong, error, message in (
        (X[:0], ValueError, "X holds no samples, so there is nothing to predict"),
        (3.0, ValueError, "X needs one row for each sample"),
        ("words", TypeError, "X is str|X holds|X is"),
        (None, TypeError, "X is None"),
        (np.ones((2, 3)), ValueError, r"takes inputs of shape \(N, 2\)"),
    ):
        with pytest.raises(error, match=message):
            model.predict(wrong)
    for wrong, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="batch_size"):
            model.predict(X, batch_size=wrong)


# --- embeddings -------------------------------------------------------------------------------------------------------


@pytest.fixture
def _plainly(monkeypatch):
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)


def test_the_gradient_reaches_the_rows_that_are_named_as_often_as_they_are():
    layer, x = tg.Embedding(5, 2, rng=0), np.array([[3, 0, 3], [1, 3, 0]])
    y, g = layer(x), RNG.standard_normal((2, 3, 2))
    assert np.array_equal(y.data, layer.W.data[x])
    y.backward(g)
    expected = np.zeros((5, 2))
    for place in np.ndindex(2, 3):
        expected[x[place]] += g[place]
    assert np.allclose(layer.W.grad, expected, rtol=0, atol=1e-12)
    assert repr(layer) == "Embedding(5, 2)"


@pytest.mark.usefixtures("_plainly")
def test_an_embedding_compiles():
    x, y = RNG.integers(0, 6, (30, 4)), RNG.integers(0, 2, 30)
    weights = []
    for compiled in (False, True):
        model = tg.Sequential(tg.Embedding(6, 3, rng=0), tg.Flatten(), tg.Linear(12, 2, rng=0))
        tg.fit(model, x, y, epochs=2, batch_size=8, rng=0, progress=False, compiled=compiled)
        weights.append(model[0].W.numpy())
    assert np.allclose(*weights, rtol=0, atol=1e-12)
    with pytest.raises(IndexError, match="takes numbers from 0 to 5, got 6"):
        tg.fit(model, x + 1, y, progress=False, compiled=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 2), ValueError, "count = 0"),
        ((3, 1.5), TypeError, "size is a whole number"),
        ((3, 2, np.int64), TypeError, "dtype is np.float64 or np.float32"),
    ],
)
def test_an_embedding_of_no_size_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        tg.Embedding(*arguments)


def test_words_that_are_not_there_are_refused():
    layer = tg.Embedding(3, 2, rng=0)
    for wrong, message in (([0, 3], "from 0 to 2, got 3"), ([-1, 2], "from 0 to 2, got -1"), ([0.5], "whole numbers")):
        with pytest.raises(IndexError, match=message):
            layer(np.array(wrong))
    assert tg.Embedding(3, 2, dtype=np.float32, rng=0).W.dtype == np.float32


# --- tied weights, and a part of a model ------------------------------------------------------------------------------


def test_tied_weights_are_one_parameter_with_the_sum_of_both_gradients():
    class Tied(tg.Layer):
        def __init__(self):
            self.inside = tg.Linear(2, 2, bias=False, rng=0)
            self.outside = tg.Linear(2, 2, bias=False, rng=1)
            self.outside.W = self.inside.W

        def forward(self, x):
            return self.outside(self.inside(x))

    model, y = Tied(), LABELS % 2
    assert list(model.named_parameters()) == list(model.state_dict()) == ["inside.W"]
    W = model.inside.W.numpy()
    for _ in range(3):
        hidden = X @ W
        p = np.exp(hidden @ W)
        slope = (p / p.sum(axis=1, keepdims=True) - np.eye(2)[y]) / 40
        W = W - 0.5 * (hidden.T @ slope + X.T @ (slope @ W.T))
    tg.fit(model, X, y, optimizer=tg.SGD(model, lr=0.5), epochs=3, batch_size=None, progress=False)
    assert np.allclose(model.inside.W.data, W, rtol=0, atol=1e-12)


def test_a_slice_of_a_sequential_shares_its_layers():
    model = tg.mlp([2, 4, 3], rng=0)
    part = model[:2]
    tg.fit(model, X, LABELS, epochs=1, progress=False)
    assert isinstance(part, tg.Sequential)
    assert np.array_equal(part.predict(X), np.maximum(X @ model[0].W.data + model[0].b.data, 0))
