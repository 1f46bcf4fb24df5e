"""Losses that the guards refuse, and the hints behind the losses' own refusals."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core import losses

rng = np.random.default_rng(0)
P, T = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
LABELS = np.array([0, 1, 1, 0, 1])


def test_a_softmax_into_cross_entropy_and_a_sigmoid_into_bce_are_refused():
    z = tg.Tensor(P, requires_grad=True)
    for logits in (z.softmax(), tg.Softmax()(z), tg.Tensor(P).softmax()):
        with pytest.raises(ValueError, match="pass the logits"):
            tg.cross_entropy(logits, LABELS)
    with pytest.raises(ValueError, match="pass the logits"):
        tg.binary_cross_entropy_with_logits(z.sigmoid(), np.ones((5, 2)))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 1, 2, 0, 0], ValueError, "label 2, but with 2 logits the labels are 0 to 1"),
        ([0, 1, -1, 0, 0], ValueError, "label -1"),
        ([0, 1, -4, 0, 0], ValueError, "label -4"),
        (np.eye(2)[LABELS] + 1, ValueError, "probabilities are at least 0, and 1 in each row"),
        ([0, 1], ValueError, r"logits \(N, C\) and labels \(N,\), got \(5, 2\) and \(2,\)"),
        ([0.0, 1.0, 1.0, 0.0, 1.0], TypeError, "labels are integers, got float64"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        tg.cross_entropy(P, labels)


def test_one_score_for_each_sample_is_not_taken_for_one_hot_rows():
    with pytest.raises(
        ValueError, match=r"got \(5,\) and \(5,\); one score .* is for binary_cross_entropy_with_logits$"
    ):
        tg.cross_entropy(P[:, 0], LABELS)


def test_other_targets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"from 0 to 1, got values from 0\.0 to 2\.0"):
        tg.binary_cross_entropy_with_logits([1.0, 2.0], [0.0, 2.0])
    with pytest.raises(ValueError, match=r"-1 or 1, got \[0. 1.\]"):
        tg.hinge_loss([1.0, 2.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="delta = 0"):
        tg.huber_loss(P, T, delta=0)


def test_the_face_has_put_the_guards_where_the_losses_are():
    for name in ("mse_loss", "l1_loss", "huber_loss", "cross_entropy", "hinge_loss"):
        assert getattr(tg, name) is getattr(losses, name)
        assert getattr(tg, name).plain.__module__ == "tinygrad_edu.core.losses"


def test_a_loss_takes_its_arguments_by_name():
    assert tg.cross_entropy(labels=LABELS, logits=P).item() == tg.cross_entropy(P, LABELS).item()
    assert tg.huber_loss(P, targets=T, delta=0.5).item() == tg.huber_loss(P, T, 0.5).item()
    with pytest.raises(ValueError, match=r"take labels\.ravel"):
        tg.cross_entropy(labels=LABELS[:, None], logits=P)
    with pytest.raises(TypeError, match="labels"):
        tg.cross_entropy(P)


def test_the_core_alone_refuses_what_would_be_wrong_silently():
    with pytest.raises(ValueError, match=r"^predictions have shape \(3, 1\) and targets \(3,\)$"):
        losses.mse_loss.plain(np.zeros((3, 1)), np.ones(3))
    with pytest.raises(ValueError, match=r"^label 2, but with 2 logits the labels are 0 to 1$"):
        losses.cross_entropy.plain(P, LABELS + 1)


def test_a_hint_stands_behind_its_own_error_alone():
    with pytest.raises(TypeError, match=r"got ndarray of dtype <U1$"):
        tg.cross_entropy(np.array([["a", "b"]]), [0])
