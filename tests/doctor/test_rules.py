"""The doctor of update rules: right rules are never accused, and what is said of a wrong one. The rules are written
apart from the package, as a student would write them."""

import os

import numpy as np
import pytest
from planted_rules import PLANTED, adam, draw, from_naive
from rules_table import CLASSES, SEPARATE

import tinygrad_edu as tg
from tinygrad_edu.doctor import rules as ruledoctor
from tinygrad_edu.doctor.rules import diagnose_optimizer

MANY = 60 if "NUMBA_DISABLE_JIT" in os.environ else 1000

# --- right rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SEPARATE, ids=lambda kind: kind.__name__)
def test_a_right_rule_is_never_accused(kind):
    rng = np.random.default_rng(0)
    for seed in range(-(-MANY // len(CLASSES))):
        hyper = draw(kind, rng)
        report = diagnose_optimizer(from_naive(kind), kind.__name__, rng=seed, **hyper)
        assert report.mistakes == {"step": None}, (hyper, report)


@pytest.mark.parametrize("kind", SEPARATE, ids=lambda kind: kind.__name__)
def test_rounding_to_float32_is_not_accused(kind):
    rng = np.random.default_rng(1)
    for seed in range(max(1, MANY // 100)):
        hyper = {**draw(kind, rng), "lr": rng.uniform(0.01, 0.1)}
        assert diagnose_optimizer(from_naive(kind, np.float32), kind, rng=seed, **hyper).right, hyper


@pytest.mark.sample(3)
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_rule_that_nobody_knows_is_unknown_whatever_it_is_compared_with(kind):
    report = diagnose_optimizer(lambda p, g, state, t, **hyper: 0.5 * p + 3, kind, rng=0)
    assert report.mistakes == {"step": "unknown"}


def casting(p, g, state, t, lr, beta1, beta2, eps):
    """All of it in float32, but for p."""
    lr, beta1, beta2, eps, one, g = (np.float32(x) for x in (lr, beta1, beta2, eps, 1, g))
    m = state["m"] = beta1 * state.get("m", 0 * g) + (one - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0 * g) + (one - beta2) * g * g
    return p - lr * m / (one - beta1**t) / (np.sqrt(v / (one - beta2**t)) + eps)


def in_place(p, g, state, t, **hyper):
    p -= p - adam()(p, g, state, t, **hyper)


def clumsy(p, g, state, t, **hyper):
    """It spoils what it was given, and remembers odd things; the doctor has to bear that."""
    new = adam()(p, g, state, t, **hyper)
    state["notes"] = ["step", [t]]
    g *= 0
    p *= 0
    return new


def efficient(p, g, state, t, lr, beta1, beta2, eps):
    """The order of the end of the paper's section 2, with eps as it has to be there."""
    m = state["m"] = state.get("m", 0) + (1 - beta1) * (g - state.get("m", 0))
    v = state["v"] = state.get("v", 0) + (1 - beta2) * (g * g - state.get("v", 0))
    root = np.sqrt(1 - beta2**t)
    return p - lr * root / (1 - beta1**t) * m / (np.sqrt(v) + eps * root)


class Apart:
    """As torch and ours are used: made with Tensors."""

    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.params, self.states, self.t = params, [{} for _ in params], 0
        self.hyper = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}

    def step(self):
        self.t += 1
        for p, state in zip(self.params, self.states):
            p.data = adam()(p.data, p.grad, state, self.t, **self.hyper)


class Shared(Apart):
    def __init__(self, params, **hyper):
        super().__init__(params, **hyper)
        self.states = [{}] * len(params)


@pytest.mark.parametrize("rule", [adam(), casting, in_place, clumsy, efficient, Apart, tg.Adam])
def test_a_right_rule_in_any_form_is_right(rule):
    rng = np.random.default_rng(2)
    for seed in range(MANY // 50):
        report = diagnose_optimizer(rule, rng=seed, **draw(tg.Adam, rng))
        assert report.right, report


def test_float32_is_right_where_its_rounding_is_at_its_worst():
    """1 - beta2^t has lost most of its digits, and p comes near 0 after a long way."""
    for seed in range(MANY // 10):
        report = diagnose_optimizer(casting, rng=seed, lr=1.0, beta2=0.9999)
        assert report.right, report


def test_a_rule_that_answers_in_float32_is_asked_in_float64():
    def rule(p, g, state, t, lr):
        assert p.dtype == g.dtype == np.float64
        return (p - lr * g).astype(np.float32)

    assert diagnose_optimizer(rule, "SGD").right


def test_steps_that_drown_in_p_are_judged_by_what_is_left_of_them():
    assert diagnose_optimizer(efficient, lr=1e-12).right
    assert diagnose_optimizer(lambda p, g, state, t, lr: -(-p + lr * g), "SGD", lr=1e-15).right


def test_a_mistake_of_a_ten_thousandth_is_seen():
    rule = adam(step=lambda lr, m, v, eps, g: lr * 1.0001 * m / (np.sqrt(v) + eps))
    assert diagnose_optimizer(rule).mistakes == {"step": "factor"}


@pytest.mark.parametrize("eps", [1e-8, 1e-3])
def test_every_number_has_a_gradient_of_its_own_kind(eps):
    g = ruledoctor._gradients(40, eps, np.random.default_rng(0))
    assert g.shape == (40, 2, 6)
    assert (g[:, :, 0] > 0).all()
    assert (g[20:, :, 1] == 0).all()
    assert (g[:20, :, 1] != 0).all()
    for column, size in [(2, 1), (3, np.sqrt(eps)), (4, eps)]:
        assert size / 2 < np.std(g[:, :, column]) < size * 2
        assert (g[:, :, column] < 0).any()
    assert (g[:, :, 5] == 0).all()


@pytest.mark.parametrize(
    ("said", "expected", "dtype", "same"),
    [
        ([1, 1e-9], [1, 0], np.float64, True),  # after a way of 2 there and back
        ([1, 1e-5], [1, 0], np.float64, False),
        ([1, 1e-5], [1, 0], np.float32, True),
        ([1, 1e-2], [1, 0], np.float32, False),
        ([0, 1e-30], [0, 0], np.float64, False),  # nothing has moved
        ([1e6, 1e6 + 1e-8], [1e6, 1e6], np.float64, True),
        ([np.inf, np.nan], [-np.inf, np.nan], np.float64, True),
        ([1, np.nan], [1, 1], np.float64, False),
        ([1, 1], [1, np.inf], np.float64, False),
    ],
)
def test_what_counts_as_rounding(said, expected, dtype, same):
    paths = (np.reshape(path, (2, 1, 1)).astype(float) for path in (said, expected))
    assert ruledoctor._differences(*paths, np.zeros((1, 1)), dtype).any() != same


def test_hard_coded_numbers_are_right_for_those_numbers():
    def rule(p, g, state, t):
        return adam()(p, g, state, t, 0.01, 0.8, 0.95, 1e-6)

    assert diagnose_optimizer(rule, lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6).right
    assert diagnose_optimizer(rule, lr=0.02, beta1=0.8, beta2=0.95, eps=1e-6).mistakes == {"step": "factor"}


# --- how a mistake is reported ----------------------------------------------------------------------------------------


def test_a_clumsy_rule_has_its_mistake_named():
    def rule(p, g, state, t, **hyper):
        new = adam(swap=True)(p, g, state, t, **hyper)
        g *= 0
        return new

    assert diagnose_optimizer(rule).mistakes == {"step": "betas swapped"}


def test_a_class_has_its_mistake_named():
    assert diagnose_optimizer(Shared).mistakes == {"step": "shared memory"}
    assert diagnose_optimizer(tg.RMSprop, "HeavyBall").mistakes == {"step": "is RMSprop"}


@pytest.mark.parametrize(("name", "value"), [("beta1", 0.8), ("beta2", 0.95), ("eps", 1e-5), ("lr", 0.02)])
def test_a_number_that_is_not_read_is_named(name, value):
    def rule(p, g, state, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        numbers = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}
        numbers[name] = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}[name]
        return adam()(p, g, state, t, **numbers)

    assert diagnose_optimizer(rule, **{name: value}).mistakes == {"step": f"{name} ignored"}


def test_what_is_unknown_is_said_to_be_wrong():
    report = diagnose_optimizer(adam(step=lambda lr, m, v, eps, g: lr * np.sin(m) / (np.sqrt(v) + eps)))
    assert report.mistakes == {"step": "unknown"}
    assert "none of the mistakes" in str(report)


@pytest.mark.parametrize(("name", "step"), [("beta squared", 1), ("power forgotten", 2), ("sum for average", 1)])
def test_the_report_says_in_which_step_it_shows_first(name, step):
    """1 - beta^t is 1 - beta at t = 1, so a forgotten power shows in the second step."""
    rule = next(rule for reference, key, rule in PLANTED if (reference, key) == ("Adam", name))
    assert f"first in step {step}," in diagnose_optimizer(rule).findings[0].text


def test_the_report_shows_numbers_that_can_be_worked_out():
    """The first step of SGD with the wrong sign is +lr · g, and the right one -lr · g."""
    report = diagnose_optimizer(lambda p, g, state, t, lr: p + lr * g, "SGD", lr=0.5)
    (finding,) = report.findings
    np.testing.assert_allclose(finding.said, -finding.expected, rtol=1e-9)
    text = str(report)
    for words in ["beside SGD, lr = 0.5", "the step goes up the slope; first in step 1", "Hint: Subtract it"]:
        assert words in text


def test_raise_on_error_is_an_assertion():
    diagnose_optimizer(adam(), raise_on_error=True)
    with pytest.raises(AssertionError, match="eps is inside the root"):
        diagnose_optimizer(adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v + eps)), raise_on_error=True)


# --- what cannot be diagnosed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "options", "error", "words"),
    [
        (adam(), {"reference": "Adamm"}, ValueError, "no optimizer 'Adamm'; choose from SGD, Momentum"),
        (adam(), {"reference": Apart}, TypeError, "Apart is no Optimizer"),
        (adam(), {"reference": tg.optimizers}, TypeError, "is no Optimizer"),
        (adam(), {"beta": 0.9}, ValueError, "Adam has no 'beta'; it has lr, beta1, beta2, eps"),
        (adam(), {"beta1": 1.5}, ValueError, "beta1 = 1.5, but it has to be at least 0 and below 1"),
        (adam(), {"lr": lambda t: 0.1}, TypeError, "lr is a number here"),
        (adam(), {"steps": 0}, ValueError, "steps = 0"),
        (lambda p, g, state, t, rate: p, {}, TypeError, "needs 'rate'; the numbers of Adam are lr, beta1, beta2, eps"),
        (lambda p, g, state, t: None, {}, TypeError, "returned None and left p as it was"),
        (lambda p, g, state, t: p[:2], {}, ValueError, r"p of shape \(6,\) and returned shape \(2,\)"),
        (lambda p, g, state, t: "p", {}, TypeError, "as an array of numbers"),
    ],
)
def test_what_cannot_be_diagnosed_gets_a_sentence(rule, options, error, words):
    with pytest.raises(error, match=words):
        diagnose_optimizer(rule, **options)


def test_an_error_in_the_rule_is_the_rules_own():
    def rule(p, g, state, t):
        return p / state["nothing"]

    with pytest.raises(KeyError, match="nothing"):
        diagnose_optimizer(rule)


@pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN")])
def test_a_step_that_is_not_finite_gets_no_mistakes_name(bad, what):
    found = tg.diagnose_optimizer(lambda p, g, state, t, lr: p - lr * g * (bad if t > 2 else 1), "SGD").findings[0]
    assert (found.mistake, found.text) == ("nan", f"your step is {what} from step 3 on")


def test_a_rule_that_returns_its_averages_too_is_told_so():
    with pytest.raises(TypeError, match="the rule returned a tuple: return the new p alone"):
        tg.diagnose_optimizer(lambda p, g, state, t, lr: (p - lr * g, state), "SGD")
