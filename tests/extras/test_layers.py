"""The normalisations against their formulas, softmax and flatten."""

import numpy as np
import pytest

import tinygrad_edu as tg

X = np.random.default_rng(0).standard_normal((6, 4))


def test_layer_norm_and_batch_norm_normalise_along_their_axis():
    for layer, axis in [(tg.LayerNorm(4), 1), (tg.BatchNorm1d(4), 0)]:
        layer.gamma.data, layer.beta.data = [1.0, 2.0, 3.0, 4.0], [0.5, 0.0, -0.5, 1.0]
        mean, variance = X.mean(axis=axis, keepdims=True), X.var(axis=axis, keepdims=True)
        expected = (X - mean) / np.sqrt(variance + 1e-5) * layer.gamma.numpy() + layer.beta.numpy()
        np.testing.assert_allclose(layer(X).numpy(), expected, rtol=1e-12)
        tg.gradcheck(lambda x, *_, layer=layer: layer(x), X, *layer.parameters())


def test_batch_norm_keeps_running_averages_and_uses_them_in_evaluation():
    layer = tg.BatchNorm1d(4, momentum=0.25)
    mean, variance = np.zeros(4), np.ones(4)
    for batch in (X, 2 * X + 1):
        layer(batch)
        mean = 0.75 * mean + 0.25 * batch.mean(axis=0)
        variance = 0.75 * variance + 0.25 * batch.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, rtol=1e-13)
    layer.eval()
    np.testing.assert_allclose(layer(X[:1]).numpy(), (X[:1] - mean) / np.sqrt(variance + 1e-5), rtol=1e-12)
    tg.gradcheck(lambda x, *_: layer(x), X, *layer.parameters())


def test_softmax_and_flatten():
    np.testing.assert_allclose(tg.Softmax()(X).numpy(), np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), rtol=1e-14)
    np.testing.assert_array_equal(tg.Flatten()(X).numpy(), X)
    assert tg.Flatten()(np.zeros((2, 3, 4))).shape == (2, 12)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, np.nan])
def test_a_momentum_outside_0_and_1_is_refused(momentum):
    with pytest.raises(ValueError, match=r"momentum = .*, but it has to be at least 0 and at most 1"):
        tg.BatchNorm1d(4, momentum=momentum)


@pytest.mark.parametrize("norm", [tg.LayerNorm, tg.BatchNorm1d])
def test_features_and_eps_out_of_range_are_refused(norm):
    for features, eps in [(0, 1e-5), (2.0, 1e-5), (2, -1e-5)]:
        with pytest.raises(ValueError, match=r"features is a whole number, at least 1|eps = .*, but it"):
            norm(features, eps=eps)
