"""Layers: what they compute, what they hold and in which order, modes, saving, and what they refuse."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core import init
from tinygrad_edu.core.layers import ACTIVATIONS, Activation

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 4))


class Two(tg.Layer):
    def __init__(self):
        self.first = tg.Sequential(tg.Linear(4, 3, rng=0), tg.Dropout(0.5, rng=0))
        self.scale = tg.Tensor(2.0, requires_grad=True)
        self.more = [tg.Linear(3, 3, bias=False, rng=1), {"a": tg.BatchNorm1d(3)}]
        self.tied = self.first[0]

    def forward(self, x):
        return self.more[1]["a"](self.more[0](self.first(x))) * self.scale


# --- what they compute -------------------------------------------------------------------------------------------


def test_linear_is_x_times_W_plus_b_for_one_sample_a_batch_and_more_axes():
    layer = tg.Linear(4, 3, rng=0)
    layer.b.data = [1.0, 2.0, 3.0]
    W, b = layer.W.numpy(), layer.b.numpy()
    for x in (X[0], X, X.reshape(2, 3, 4)):
        np.testing.assert_allclose(layer(x).numpy(), x @ W + b, rtol=1e-14)
        tg.gradcheck(lambda x, *_: layer(x), x, *layer.parameters())
    np.testing.assert_allclose(tg.Linear(4, 3, bias=False, rng=0)(X).numpy(), X @ W, rtol=1e-14)


@pytest.mark.parametrize(
    ("layer", "reference"),
    [
        (tg.ReLU(), lambda x: np.where(x > 0, x, 0)),
        (tg.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
        (tg.Tanh(), np.tanh),
        (tg.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (tg.Softplus(), lambda x: np.log1p(np.exp(x))),
        (tg.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        (tg.SiLU(), lambda x: x / (1 + np.exp(-x))),
        (tg.GELU(), lambda x: x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2),
    ],
)
def test_activations(layer, reference):
    np.testing.assert_allclose(layer(X).numpy(), reference(X), rtol=1e-14)


def test_each_activation_has_one_class_and_the_table_is_made_of_these():
    assert set(ACTIVATIONS) == {"relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid", "softplus"}
    for name, kind in ACTIVATIONS.items():
        assert kind.op.__name__ == name
        assert getattr(tg, kind.__name__) is kind
        assert issubclass(kind, Activation)
        assert kind().eval()(X).shape == X.shape  # a mode is no keyword of the op


def test_dropout_drops_a_share_keeps_the_mean_and_repeats_with_its_seed():
    x = np.ones((100, 100))
    y = tg.Dropout(0.3, rng=0)(x).numpy()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs((y == 0).mean() - 0.3) < 0.02
    np.testing.assert_array_equal(tg.Dropout(0.3, rng=0)(x).numpy(), y)
    assert tg.Dropout(0.3, rng=0)(x.astype(np.float32)).dtype == np.float32
    t = tg.Tensor(x, requires_grad=True)
    tg.Dropout(0.3, rng=0)(t).sum().backward()
    np.testing.assert_array_equal(t.grad, y)
    with pytest.raises(ValueError, match="p = 1"):
        tg.Dropout(1)


@pytest.mark.parametrize(
    ("f", "variance"),
    [
        (init.he_normal, 2 / 300),
        (init.he_uniform, 2 / 300),
        (init.glorot_normal, 2 / 500),
        (init.glorot_uniform, 2 / 500),
        (init.zeros, 0),
    ],
)
def test_initialisers_have_the_variance_of_their_paper(f, variance):
    W = f((300, 200), rng=0)
    assert abs(W.mean()) < 0.002
    np.testing.assert_allclose(W.var(), variance, rtol=0.02)
    assert f((300, 200), rng=0, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(W, f((300, 200), rng=0))
    if "uniform" in f.__name__:
        assert np.abs(W).max() <= np.sqrt(3 * variance)


def test_mlp_chooses_weights_that_suit_the_activation():
    relu, tanh = (tg.mlp([300, 200, 10], activation=a, rng=0) for a in ("relu", "tanh"))
    np.testing.assert_allclose(relu[0].W.numpy().var(), 2 / 300, rtol=0.02)
    np.testing.assert_allclose(tanh[0].W.numpy().var(), 2 / 500, rtol=0.02)
    assert repr(tg.mlp([2, 3, 1], dropout=0.1, rng=0)) == "Sequential(Linear(2, 3), ReLU(), Dropout(0.1), Linear(3, 1))"
    with pytest.raises(ValueError, match="no activation 'rely'; there are relu, tanh, sigmoid, softplus, leaky_relu"):
        tg.mlp([2, 1], activation="rely")
    with pytest.raises(ValueError, match="at least the features in"):
        tg.mlp([2])
    with pytest.raises(ValueError, match="in_features = 0, but it has to be a whole number, at least 1"):
        tg.mlp([0, 2])


# --- what they hold ------------------------------------------------------------------------------------------------


def test_parameters_are_found_in_definition_order_and_once():
    paths = "first.layers.0.W first.layers.0.b scale more.0.W more.1.a.gamma more.1.a.beta"
    assert list(Two().named_parameters()) == paths.split()
    assert [p.name for p in tg.mlp([2, 3, 1], rng=0).parameters()] == [
        "layers.0.W",
        "layers.0.b",
        "layers.2.W",
        "layers.2.b",
    ]


def test_an_activation_that_forward_keeps_is_no_parameter():
    class Keeps(tg.Layer):
        def __init__(self):
            self.inner = tg.Linear(4, 3, rng=0)

        def forward(self, x):
            self.h = self.inner(x).tanh()
            return self.h

    model = Keeps()
    model(X)
    with tg.no_grad():
        model(X)
    assert list(model.named_parameters()) == list(model.state_dict()) == ["inner.W", "inner.b"]


def test_the_order_does_not_depend_on_the_hash_seed():
    code = "import tinygrad_edu as tg; print(list(tg.mlp([2, 3, 4, 1], rng=0).named_parameters()))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "0123"
    }
    assert len(seen) == 1


def test_train_and_eval_reach_two_levels_down():
    model = Two()
    assert model.eval() is model
    assert [layer.training for _, layer in model.named_layers()] == [False] * 7
    model.train()
    assert model.first[1].training
    assert model.more[1]["a"].training


def test_a_state_dict_goes_into_another_model_and_through_a_file(tmp_path):
    model, other = Two(), Two()
    model(X)
    model.scale.data = 3.0
    np.savez(tmp_path / "model.npz", **model.state_dict())
    other.load_state_dict(np.load(tmp_path / "model.npz"))
    np.testing.assert_array_equal(model.eval()(X).numpy(), other.eval()(X).numpy())
    assert "more.1.a.running_mean" in model.state_dict()
    model.state_dict()["scale"][...] = 7
    assert model.scale.item() == 3


def test_a_state_dict_that_does_not_fit_changes_nothing():
    model = tg.mlp([2, 3, 1], rng=0)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"layers\.2\.b is missing; x is unknown"):
        model.load_state_dict({**{k: v + 1 for k, v in before.items() if k != "layers.2.b"}, "x": 1})
    with pytest.raises(ValueError, match=r"layers.2.b has shape \(1,\), the state has \(2,\)"):
        model.load_state_dict({**{k: v + 1 for k, v in before.items()}, "layers.2.b": np.ones(2)})
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_the_same_seed_gives_the_same_model():
    a, b, c = (tg.mlp([4, 8, 2], rng=seed).state_dict() for seed in (1, 1, 2))
    assert all((a[k] == b[k]).all() for k in a)
    assert not (a["layers.0.W"] == c["layers.0.W"]).all()


# --- what they say ---------------------------------------------------------------------------------------------------


def test_the_other_float_dtype_is_refused_with_the_fix_and_whole_numbers_are_taken():
    single = tg.mlp([4, 3, 1], dtype=np.float32, rng=0)
    with pytest.raises(TypeError, match=r"^layers.0 .* is float32 and got float64; say x.astype\(np.float32\)"):
        single(X)
    with pytest.raises(TypeError, match="is float64 and got float32"):
        tg.LayerNorm(4)(X.astype(np.float32))
    assert single(np.ones((2, 4), int)).dtype == np.float32
    assert single([[1, 0, 1, 0]]).dtype == np.float32


def test_other_mistakes_have_a_sentence():
    with pytest.raises(TypeError, match=r"Sequential takes layers, such as ReLU\(\), got <class .*ReLU'>$"):
        tg.Sequential(tg.ReLU)
    with pytest.raises(TypeError, match="Layer has no forward"):
        tg.Layer()(X)
    with pytest.raises(AttributeError):
        tg.Linear(2, 3).weight  # noqa: B018
    assert len(tg.mlp([2, 3, 1])) == 3
