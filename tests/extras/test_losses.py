"""The losses with options: against formulas written apart, against PyTorch, their gradients, and what they refuse."""

import warnings
from functools import partial

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core import losses

rng = np.random.default_rng(1)
P, T = rng.standard_normal((6, 3)), rng.standard_normal((6, 3))
LABELS, IGNORED = np.array([0, 2, 1, 1, 0, 2]), np.array([0, -100, 1, 1, -100, 2])
W, SAMPLES = np.array([0.5, 2.0, 1.0]), np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0])
SOFT = rng.dirichlet(np.ones(3), 6)
YES = (T > 0) * 1.0


def log_softmax(z):
    return np.array([[v - np.log(sum(np.exp(row))) for v in row] for row in z])


def ce(z, labels, w=(1, 1, 1), eps=0.0, ignore=None):
    """The losses of the samples and how much each counts, by the formula of label smoothing, term by term."""
    found, counted = [], []
    for row, k in zip(log_softmax(z), labels):
        soft = [(1 - eps) * (c == k) + eps / 3 for c in range(3)]
        found.append(0.0 if k == ignore else -sum(soft[c] * w[c] * row[c] for c in range(3)))
        counted.append(0.0 if k == ignore else w[k])
    return np.array(found), np.array(counted)


def soft_ce(z, t, w=(1, 1, 1), eps=0.0):
    rows = [-sum(w[c] * ((1 - eps) * p[c] + eps / 3) * row[c] for c in range(3)) for row, p in zip(log_softmax(z), t)]
    return np.array(rows), np.ones(len(t))


def kl(q, t):
    return np.array([sum(p * (np.log(p) - v) for p, v in zip(ps, vs) if p) for ps, vs in zip(t, q)]), np.ones(len(t))


def bce(z, t, w=1.0):
    s = 1 / (1 + np.exp(-z))
    return -(w * t * np.log(s) + (1 - t) * np.log(1 - s)), np.ones_like(z)


def elementwise(f):
    return lambda p, t: (f(p, t), np.ones_like(p))


Q = log_softmax(P)
ROWS = {  # loss with its options: predictions, targets, and (losses, how much each counts)
    "ce": (tg.cross_entropy, {}, P, LABELS, ce(P, LABELS)),
    "ce weight": (tg.cross_entropy, {"weight": W}, P, LABELS, ce(P, LABELS, W)),
    "ce smoothing": (tg.cross_entropy, {"label_smoothing": 0.1}, P, LABELS, ce(P, LABELS, eps=0.1)),
    "ce ignore": (tg.cross_entropy, {"ignore_index": -100}, P, IGNORED, ce(P, IGNORED, ignore=-100)),
    "ce ignore a class": (tg.cross_entropy, {"ignore_index": 1}, P, LABELS, ce(P, LABELS, ignore=1)),
    "ce all": (
        tg.cross_entropy,
        {"weight": W, "label_smoothing": 0.3, "ignore_index": -100},
        P,
        IGNORED,
        ce(P, IGNORED, W, 0.3, -100),
    ),
    "ce all, a class": (
        tg.cross_entropy,
        {"weight": W, "label_smoothing": 0.3, "ignore_index": 2},
        P,
        LABELS,
        ce(P, LABELS, W, 0.3, 2),
    ),
    "soft": (tg.cross_entropy, {}, P, SOFT, soft_ce(P, SOFT)),
    "soft weight": (tg.cross_entropy, {"weight": W, "label_smoothing": 0.2}, P, SOFT, soft_ce(P, SOFT, W, 0.2)),
    "one-hot": (tg.cross_entropy, {}, P, np.eye(3)[LABELS], ce(P, LABELS)),
    "one-hot ints": (tg.cross_entropy, {}, P, np.eye(3, dtype=int)[LABELS], ce(P, LABELS)),
    "nll": (tg.nll_loss, {}, Q, LABELS, ce(P, LABELS)),
    "nll all": (tg.nll_loss, {"weight": W, "ignore_index": -100}, Q, IGNORED, ce(P, IGNORED, W, ignore=-100)),
    "kl": (tg.kl_div, {}, Q, SOFT, kl(Q, SOFT)),
    "kl of labels": (tg.kl_div, {}, Q, np.eye(3)[LABELS], kl(Q, np.eye(3)[LABELS])),
    "mse": (tg.mse_loss, {}, P, T, elementwise(lambda p, t: (p - t) ** 2)(P, T)),
    "l1": (tg.l1_loss, {}, P, T, elementwise(lambda p, t: abs(p - t))(P, T)),
    "huber": (
        tg.huber_loss,
        {"delta": 0.3},
        P,
        T,
        elementwise(lambda p, t: np.where(abs(p - t) <= 0.3, (p - t) ** 2 / 2, 0.3 * (abs(p - t) - 0.15)))(P, T),
    ),
    "hinge": (tg.hinge_loss, {}, P, np.sign(T), elementwise(lambda p, t: np.clip(1 - p * t, 0, None))(P, np.sign(T))),
    "bce": (tg.binary_cross_entropy_with_logits, {}, P, YES, bce(P, YES)),
    "bce pos_weight": (tg.binary_cross_entropy_with_logits, {"pos_weight": W}, P, YES, bce(P, YES, W)),
    "bce one pos_weight": (tg.binary_cross_entropy_with_logits, {"pos_weight": 2}, P, YES, bce(P, YES, 2)),
}
EACH = pytest.mark.parametrize("name", ROWS)


@EACH
@pytest.mark.parametrize("samples", [None, SAMPLES], ids=["", "weighted samples"])
def test_values(name, samples):
    loss, options, p, t, (each, counted) = ROWS[name]
    w = np.ones(6) if samples is None else samples
    w = w.reshape(-1, *[1] * (each.ndim - 1))
    if samples is not None:
        options = {**options, "sample_weight": samples}
    for reduction, expected in {
        "none": each * w,
        "sum": (each * w).sum(),
        "mean": (each * w).sum() / (counted * w).sum(),
    }.items():
        got = loss(p, t, **options, reduction=reduction)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(loss(p, t, **options).item(), expected, rtol=1e-12)


@EACH
def test_gradients(name):
    loss, options, p, t, _ = ROWS[name]
    if loss in (tg.nll_loss, tg.kl_div):
        loss = lambda z, t, loss=loss, **options: loss(z.log_softmax(), t, **options)
        p = P
    tg.gradcheck(lambda p: loss(p, t, **options, sample_weight=SAMPLES), p)
    each = loss(tg.Tensor(p, requires_grad=True), t, **options, reduction="none")
    each.backward(np.ones(each.shape))  # one by one they have gradients too


@EACH
def test_float32_stays_float32(name):
    loss, options, p, t, _ = ROWS[name]
    for reduction in ("mean", "none"):
        got = loss(p.astype(np.float32), t, **options, sample_weight=SAMPLES, reduction=reduction)
        assert got.dtype == np.float32
        np.testing.assert_allclose(
            got.numpy(), loss(p, t, **options, sample_weight=SAMPLES, reduction=reduction).numpy(), rtol=1e-5, atol=1e-6
        )


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", [name for name in ROWS if name not in ("hinge", "one-hot ints")])
def test_torch_has_the_same_values_and_gradients(name, reduction):
    torch = pytest.importorskip("torch")
    loss, options, p, t, _ = ROWS[name]
    theirs = getattr(torch.nn.functional, loss.__name__)
    told = {key: torch.tensor(v, dtype=torch.float64) if "weight" in key else v for key, v in options.items()}
    told["reduction"] = "batchmean" if loss is tg.kl_div and reduction == "mean" else reduction
    a, b = tg.Tensor(p, requires_grad=True), torch.tensor(p, requires_grad=True)
    ours, expected = loss(a, t, **options, reduction=reduction), theirs(b, torch.tensor(t), **told)
    if loss is tg.kl_div and reduction == "none":
        expected = expected.sum(dim=1)
    np.testing.assert_allclose(ours.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-15)
    ours.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-11, atol=1e-15)


# --- without options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ROWS if name in ("ce", "mse", "l1", "huber", "hinge", "bce")])
def test_a_call_without_options_is_the_cores_own(name):
    loss, options, p, t, _ = ROWS[name]
    core, with_reduction = loss.plain, partial(loss, reduction="mean")
    assert core.__module__ == "tinygrad_edu.core.losses"
    assert getattr(losses, loss.__name__) is loss
    values, ops = [], []
    for f in (core, loss, with_reduction):
        x = tg.Tensor(p, requires_grad=True)
        value = f(x, t, **options)
        value.backward()
        values.append((value.item(), x.grad))
        ops.append([step.op for step in f(x, t, **options).steps()])
    assert values[0][0] == values[1][0]
    assert np.array_equal(values[0][1], values[1][1])
    assert ops[0] == ops[1]
    np.testing.assert_allclose(values[2][1], values[0][1], rtol=1e-13, atol=1e-16)


# --- extremes ---------------------------------------------------------------------------------------------------------


def test_logits_of_minus_infinity_rule_classes_out_quietly():
    z = tg.Tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for loss in (
            tg.cross_entropy(z, [2], weight=[1, 1, 1]),
            tg.cross_entropy(z, [[0.5, 0, 0.5]]),
            tg.nll_loss(z.log_softmax(), [2]),
        ):
            loss.backward()
            np.testing.assert_allclose(loss.item(), np.log(2), rtol=1e-15)
            assert z.grad[0, 1] == 0


def test_targets_may_have_a_gradient_too():
    t = tg.Tensor(SOFT, requires_grad=True)
    tg.kl_div(Q, t).backward()
    np.testing.assert_allclose(t.grad, (np.log(SOFT) + 1 - Q) / 6, rtol=1e-12)


# --- refusals ---------------------------------------------------------------------------------------------------------

CE, BCE = tg.cross_entropy, tg.binary_cross_entropy_with_logits
REFUSED = {
    "weights of another length": (
        lambda: CE(P, LABELS, weight=[1, 2]),
        r"weight has shape \(2,\), .* one for each class: \(3,\)",
    ),
    "a number as weight": (lambda: CE(P, LABELS, weight=1), r"weight has shape \(\), .* one for each class"),
    "a negative weight": (lambda: CE(P, LABELS, weight=[1, -1, 1]), r"weight holds -1, but a weight is .* at least 0"),
    "a weight that is NaN": (lambda: CE(P, LABELS, weight=[1, np.nan, 1]), "weight holds nan"),
    "a weight of words": (lambda: CE(P, LABELS, weight=["a", "b", "c"]), "weight holds str 'a' at row 0"),
    "samples of another number": (
        lambda: tg.mse_loss(P, T, sample_weight=[1, 2]),
        r"sample_weight has .* each sample: \(6,\)",
    ),
    "a negative sample": (lambda: tg.mse_loss(P, T, sample_weight=-SAMPLES), "sample_weight holds -1.0"),
    "infinite samples": (lambda: tg.mse_loss(P, T, sample_weight=SAMPLES + np.inf), "sample_weight holds inf"),
    "samples without weight": (lambda: tg.mse_loss(P, T, sample_weight=SAMPLES * 0), "no sample counts"),
    "all ignored": (lambda: CE(P, np.full(6, -100), ignore_index=-100), "no sample counts, as each is ignored"),
    "pos_weight of another shape": (lambda: BCE(P, YES, pos_weight=[1, 2]), r"pos_weight has shape \(2,\)"),
    "a pos_weight that grows": (
        lambda: BCE(P[0], YES[0], pos_weight=np.ones((2, 3))),
        r"pos_weight has shape \(2, 3\)",
    ),
    "a negative pos_weight": (lambda: BCE(P, YES, pos_weight=-1), "pos_weight holds -1"),
    "another reduction": (lambda: CE(P, LABELS, reduction="average"), 'reduction is "mean", "sum" or "none", got str'),
    "no reduction": (lambda: tg.l1_loss(P, T, reduction=None), 'reduction is "mean", "sum" or "none", got None'),
    "too smooth": (lambda: CE(P, LABELS, label_smoothing=1.5), "label_smoothing = 1.5"),
    "smoothing of a word": (lambda: CE(P, LABELS, label_smoothing="x"), "label_smoothing is a number"),
    "ignore half": (lambda: CE(P, LABELS, ignore_index=0.5), "ignore_index is a whole number"),
    "ignored among probabilities": (lambda: CE(P, SOFT, ignore_index=1), "ignore_index is for labels"),
    "rows that are no probabilities": (
        lambda: CE(P, SOFT * 2),
        "at least 0, and 1 in each row, got a row whose sum is 2",
    ),
    "several classes at once": (lambda: CE(P, np.ones((6, 3))), "for several classes at once .* binary_cross_entropy"),
    "negative probabilities": (lambda: tg.kl_div(Q, SOFT - 1), "at least 0, and 1 in each row, got -"),
    "a label out of range": (lambda: CE(P, LABELS + 1, weight=W), "label 3, but with 3 logits .*; the last layer"),
    "not the ignored": (lambda: CE(P, IGNORED, ignore_index=-1), "label -100, but with 3 logits"),
    "nll out of range": (lambda: tg.nll_loss(Q, LABELS - 1), "label -1, but with 3"),
    "nll of one-hot": (lambda: tg.nll_loss(Q, np.eye(3)[LABELS]), r"nll_loss takes \(N, C\) and labels \(N,\).*argmax"),
    "nll of floats": (lambda: tg.nll_loss(Q, LABELS * 1.0), "labels are integers, got float64; say labels.astype"),
    "nll of a column": (lambda: tg.nll_loss(Q, LABELS[:, None]), r"take labels\.ravel\(\)"),
    "nll of logits": (lambda: tg.nll_loss(P, LABELS), r"log-probabilities are at most 0, .* logits.log_softmax\(\)"),
    "kl of logits": (lambda: tg.kl_div(P, SOFT), r"logits.log_softmax\(\)"),
    "kl of rows": (lambda: tg.kl_div(Q[0], SOFT[0]), r"a row for each sample, got \(3,\)"),
    "nothing": (lambda: tg.nll_loss(np.zeros((0, 3)), np.zeros(0, int)), "empty batch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=message):
        call()
