"""Losses against their formulas, their gradients against differences, and what they refuse."""

import warnings

import numpy as np
import pytest
from naive import mlp_gradients

import tinygrad_edu as tg

rng = np.random.default_rng(0)
P, T = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
SIGNS = np.sign(T)
LABELS = np.array([0, 1, 1, 0, 1])


def huber(p, t, delta):
    return np.mean([e**2 / 2 if e <= delta else delta * (e - delta / 2) for e in np.abs(p - t).ravel()])


ROWS = [
    (tg.mse_loss, T, lambda p: np.mean([(a - b) ** 2 for a, b in zip(p.ravel(), T.ravel())])),
    (tg.l1_loss, T, lambda p: np.mean([abs(a - b) for a, b in zip(p.ravel(), T.ravel())])),
    (tg.huber_loss, T, lambda p: huber(p, T, 1.0)),
    (lambda p, t: tg.huber_loss(p, t, delta=0.3), T, lambda p: huber(p, T, 0.3)),
    (
        tg.cross_entropy,
        LABELS,
        lambda p: np.mean([-np.log(np.exp(row[k]) / np.exp(row).sum()) for row, k in zip(p, LABELS)]),
    ),
    (
        tg.binary_cross_entropy_with_logits,
        (T > 0) * 1.0,
        lambda p: -np.mean(np.log(np.where(T > 0, 1 / (1 + np.exp(-p)), 1 - 1 / (1 + np.exp(-p))))),
    ),
    (tg.hinge_loss, SIGNS, lambda p: np.mean([max(0, 1 - s * a) for s, a in zip(SIGNS.ravel(), p.ravel())])),
]


@pytest.mark.parametrize(("loss", "targets", "formula"), ROWS)
def test_value_and_gradient(loss, targets, formula):
    np.testing.assert_allclose(loss(P, targets).item(), formula(P), rtol=1e-13)
    tg.gradcheck(lambda p: loss(p, targets), P)
    assert loss(P.astype(np.float32), targets).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_are_stable_at_logits_of_10000(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z = tg.Tensor(np.array([[1e4, -1e4], [-1e4, 1e4]], dtype), requires_grad=True)
        wrong = tg.cross_entropy(z, [1, 0])
        wrong.backward()
        assert wrong.item() == 2e4
        assert z.grad.tolist() == [[0.5, -0.5], [-0.5, 0.5]]
        assert tg.cross_entropy(z, [0, 1]).item() == 0
        targets = np.array([[0, 0], [1, 1]])
        assert tg.binary_cross_entropy_with_logits(z, targets).item() == 5000
        assert tg.hinge_loss(z, np.array([[1, 1], [1, 1]])).item() == (1e4 + 1) / 2


def test_a_logit_of_minus_infinity_rules_a_class_out():
    assert tg.cross_entropy([[0.0, -np.inf, 0.0]], [2]).item() == np.log(2)


@pytest.mark.parametrize(
    "loss", [tg.mse_loss, tg.l1_loss, tg.huber_loss, tg.hinge_loss, tg.binary_cross_entropy_with_logits]
)
def test_unequal_shapes_are_refused_even_where_they_broadcast(loss):
    with pytest.raises(ValueError, match=r"shape \(3, 1\) and targets \(3,\)"):
        loss(np.zeros((3, 1)), np.ones(3))


def test_bce_of_a_confident_right_answer_is_exact_in_float32():
    for z in (10, 20, 80):
        x = tg.Tensor(np.float32([z]), requires_grad=True)
        loss = tg.binary_cross_entropy_with_logits(x, [1.0])
        loss.backward()
        np.testing.assert_allclose(loss.item(), np.log1p(np.exp(-float(z))), rtol=1e-6)
        np.testing.assert_allclose(x.grad, [-1 / (1 + np.exp(float(z)))], rtol=1e-6)


def test_whole_number_predictions_do_not_truncate_the_targets():
    assert tg.mse_loss([1, 2], [1.5, 2.5]).item() == 0.25


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="empty batch"):
        tg.cross_entropy(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match="empty batch"):
        tg.mse_loss(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64])
def test_labels_of_any_integer_type(dtype):
    assert tg.cross_entropy(P, LABELS.astype(dtype)).item() == tg.cross_entropy(P, LABELS).item()


def test_the_gradient_of_a_whole_network_is_the_one_derived_by_hand():
    model = tg.mlp([3, 5, 4, 2], rng=1)
    X = rng.standard_normal((5, 3))
    linear = [model[0], model[2], model[4]]
    loss, dW, db = mlp_gradients(X, LABELS, [m.W.numpy() for m in linear], [m.b.numpy() for m in linear])
    ours = tg.cross_entropy(model(X), LABELS)
    ours.backward()
    np.testing.assert_allclose(ours.item(), loss, rtol=1e-13)
    for layer, W, b in zip(linear, dW, db):
        np.testing.assert_allclose(layer.W.grad, W, rtol=1e-11, atol=1e-15)
        np.testing.assert_allclose(layer.b.grad, b, rtol=1e-11, atol=1e-15)
