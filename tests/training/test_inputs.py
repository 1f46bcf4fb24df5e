"""Inputs of a model: whole numbers as floats, in eager and in compiled training alike, and indices as they are."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit
from tinygrad_edu.guards.samples import taker

BYTES = np.random.default_rng(0).integers(0, 256, (12, 3)).astype(np.uint8)
Y = np.arange(12) % 2


@pytest.fixture(autouse=True)
def _plainly(monkeypatch):
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)


class Shifted(tg.Layer):
    """In uint8 x + x would wrap at 256, and x - 128 at 0."""

    def __init__(self, dtype):
        self.layer, self.received = tg.Linear(3, 2, dtype=dtype, rng=0), []

    def forward(self, x):
        self.received.append(x.dtype)
        return self.layer((x + x - 128) / 255)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("given", [np.uint8, np.int8, np.int64, bool])
def test_eager_and_compiled_training_see_the_same_numbers(given, dtype):
    X, weights = BYTES.astype(given), []
    for compiled in (False, True):
        model = Shifted(dtype)
        model.received = received = []
        options = {"epochs": 2, "batch_size": 4, "rng": 0, "progress": False, "compiled": compiled}
        history = tg.fit(model, X, Y, optimizer=tg.SGD(model, lr=0.1), validation=(X, Y), **options)
        assert set(received) == {np.dtype(dtype)}
        weights.append([model.layer.W.numpy(), *history["validation_loss"]])
    np.testing.assert_allclose(weights[0][0], weights[1][0], rtol=1e-4 if dtype == np.float32 else 1e-10)
    np.testing.assert_allclose(weights[0][1:], weights[1][1:], rtol=1e-4)
    x = X.astype(dtype)
    first = tg.evaluate(Shifted(dtype), X, Y).loss
    assert first == pytest.approx(tg.evaluate(Shifted(dtype), x, Y).loss)


def test_indices_stay_indices():
    class Embedded(tg.Layer):
        def __init__(self):
            self.table = tg.Tensor(np.random.default_rng(0).standard_normal((256, 2)), requires_grad=True)

        def forward(self, x):
            return self.table[x].mean(axis=1)

    for compiled in (False, True):
        model = Embedded()
        before = tg.evaluate(model, BYTES, Y).loss
        history = tg.fit(model, BYTES, Y, epochs=3, rng=0, progress=False, compiled=compiled)
        assert history["loss"][-1] < before


def test_looking_leaves_no_trace():
    model = tg.Sequential(tg.Linear(3, 4, rng=0), tg.BatchNorm1d(4), tg.Dropout(0.5, rng=0), tg.Linear(4, 2, rng=0))
    before = model.state_dict()
    tg.evaluate(model, BYTES, Y)
    tg.lr_find(model, BYTES, Y, steps=10, rng=0)
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    model[0].W.data[0, 0] = 3.0  # as writable as before


def test_a_batch_has_its_rows_however_the_samples_lie_in_memory():
    model, rows = tg.mlp([2, 3], rng=0), np.array([4, 0, 4])
    whole = np.arange(12.0).reshape(6, 2)
    for X in (
        whole,
        np.asfortranarray(whole),
        whole[:, ::-1],
        np.repeat(whole, 2, axis=0)[::2],
        whole.astype(np.uint8),
    ):
        batch = taker(model, X)(rows)
        assert batch.dtype == np.float64
        np.testing.assert_array_equal(batch, [X[4], X[0], X[4]])
