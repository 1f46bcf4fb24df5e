"""Columns of wrong scale are warned of, with what to do; data of a usual scale, images and indices are not."""

import warnings

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.guards.samples import warn_of_scale

rng = np.random.default_rng(0)
PLAIN = rng.standard_normal((300, 4))
INCOME = PLAIN * [1, 1, 30_000, 10] + [0, 0, 50_000, 40]


def line(X):
    """A target that is a line in X, of size 1."""
    return (X @ [1.0, 2.0, 0.5 / X[:, 2].std(), 0.0])[:, None]


def test_a_regression_on_unscaled_columns_warns_and_learns_on_scaled_ones():
    model = tg.mlp([4, 16, 1], rng=0)
    with pytest.warns(UserWarning, match=r"column 2 of X has the mean 4\.\d+e\+04 and the deviation") as caught:
        tg.fit(model, INCOME, line(INCOME), tg.mse_loss, epochs=1, rng=0, progress=False)
    assert "scale = tg.data.Standardize(X)" in str(caught[0].message)
    assert caught[0].filename == __file__

    model, y = tg.mlp([4, 16, 1], rng=0), line(PLAIN)
    optimizer = tg.Adam(model, lr=0.01)
    history = tg.fit(model, tg.data.Standardize(INCOME)(INCOME), y, tg.mse_loss, optimizer, 20, rng=0, progress=False)
    assert history["loss"][-1] < 0.1 * y.var()


class Dividing(tg.Layer):
    """A model that scales by itself."""

    def __init__(self):
        self.first = tg.Linear(4, 3, rng=0)

    def forward(self, x):
        return self.first(x / 100_000)


IMAGES = rng.integers(0, 256, (50, 4))
QUIET = {
    "standardised": (PLAIN, tg.mlp([4, 3], rng=0)),
    "uint8": (IMAGES.astype(np.uint8), tg.mlp([4, 3], rng=0)),
    "a model that divides": (INCOME, Dividing()),
    "batch normalisation": (INCOME, tg.Sequential(tg.BatchNorm1d(4), tg.Linear(4, 3, rng=0))),
    "another shape": (INCOME[None], tg.mlp([4, 3], rng=0)),
    "what the model refuses": (INCOME, tg.mlp([5, 3], rng=0)),
    "one large value of many": (PLAIN + 900 * (np.arange(300) == 7)[:, None], tg.mlp([4, 3], rng=0)),
}


@pytest.mark.parametrize("kind", QUIET)
def test_no_warning_of(kind):
    X, model = QUIET[kind]
    before = model.state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_scale(model, X, np.zeros(len(X), int))
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["digits", *tg.data.TOY_SETS])
def test_no_warning_of_the_data_that_come_with_the_package(name):
    X, y = tg.data.digits()[:2] if name == "digits" else tg.data.TOY_SETS[name](100, rng=0)
    warn_of_scale(tg.mlp([X.shape[1], 10, 3], rng=0), X, y)
    warn_of_scale(tg.mlp([X.shape[1], 10, 3], rng=0), 16 * X, y)


def test_a_model_that_has_learned_large_targets_is_not_warned_of():
    model, y = tg.Sequential(tg.Linear(4, 1, rng=0)), INCOME[:, 2:3]
    model[0].W.data = np.eye(4)[:, 2:3]
    warn_of_scale(model, INCOME, y)
    with pytest.warns(UserWarning, match="column 2 of X"):
        warn_of_scale(model, INCOME, y / 1000)


def test_whole_numbers_are_columns_too_unless_they_are_indices():
    with pytest.warns(UserWarning, match="column"):
        warn_of_scale(tg.mlp([4, 3], rng=0), INCOME.astype(int), np.zeros(300, int))
    with pytest.warns(UserWarning, match="column"):
        warn_of_scale(tg.mlp([4, 3], rng=0), IMAGES.astype(float), np.zeros(50, int))
