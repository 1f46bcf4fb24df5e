"""Every mistake of the table is planted in rules written apart from the package, and gets its name."""

import os

import numpy as np
import pytest
from planted_rules import PLANTED, VARIANTS, adam, draw, hatted, plain_variant, planted, velocity

import tinygrad_edu as tg
from tinygrad_edu.doctor.rule_mistakes import RULE_MISTAKES
from tinygrad_edu.doctor.rules import diagnose_optimizer

MANY = "NUMBA_DISABLE_JIT" not in os.environ


@pytest.mark.sample(6)
@pytest.mark.parametrize("k", range(len(PLANTED)), ids=lambda k: f"{PLANTED[k][0]}, {PLANTED[k][1]}")
def test_a_planted_mistake_is_named(k):
    rng = np.random.default_rng(k)
    for seed in range(20 if MANY else 3):
        reference, key, rule = planted(k)
        hyper = plain_variant(reference, draw(getattr(tg, reference), rng))
        report = diagnose_optimizer(rule, reference, rng=seed, **hyper)
        assert report.mistakes == {"step": key}, (hyper, report)
        (finding,) = report.findings
        assert finding.hint
        assert not np.allclose(finding.said, finding.expected, rtol=1e-7, atol=0, equal_nan=False)


@pytest.mark.parametrize("variant", [{"centered": True}, {"momentum": 0.5}, {"centered": True, "momentum": 0.5}])
def test_variants_of_rmsprop_have_the_same_published_form(variant):
    def rule(p, g, state, t, lr, rho, eps, momentum=0.0, centered=False):
        v = state["v"] = rho * state.get("v", 0) + (1 - rho) * g**2
        m = state["m"] = rho * state.get("m", 0) + (1 - rho) * g
        b = state["b"] = momentum * state.get("b", 0) + g / np.sqrt(v - centered * m**2 + eps)
        return p - lr * b

    for seed in range(5):
        (found,) = diagnose_optimizer(rule, "RMSprop", rng=seed, **variant).findings
        assert found.mistake is None
        assert found.text == "the form with eps inside the root, as in TensorFlow and Keras"


@pytest.mark.parametrize(("reference", "words", "rule"), VARIANTS, ids=lambda x: x if isinstance(x, str) else "")
def test_a_published_variant_is_right_and_told_which_it_is(reference, words, rule):
    rng = np.random.default_rng(0)
    for seed in range(20 if MANY else 3):
        hyper = plain_variant(reference, draw(getattr(tg, reference), rng))
        report = diagnose_optimizer(rule, reference, rng=seed, **hyper)
        assert report.right, (hyper, report)
        assert words in report.findings[0].text


def test_a_mistake_in_a_published_variant_has_its_own_name():
    (found,) = diagnose_optimizer(adam(**hatted, step=lambda lr, m, v, eps, g: -lr * m / (np.sqrt(v) + eps))).findings
    assert found.mistake == "sign"
    assert found.text.startswith("the step goes up the slope (else it is the form with eps-hat")


def test_the_decay_of_the_papers_adamw_is_said_to_be_the_papers():
    rule = next(rule for _, key, rule in PLANTED if key == "decay without lr")
    assert "The paper (Loshchilov & Hutter 2019" in diagnose_optimizer(rule, "AdamW").findings[0].hint


def test_an_average_from_the_first_step_on_is_not_torchs_dampening():
    rule = velocity(v_in=lambda v, g, mu: mu * v + (1 - 0.4) * g)
    assert not diagnose_optimizer(rule, "HeavyBall").right


@pytest.mark.parametrize("reference", ["SGD", "HeavyBall", "Adagrad", "RMSprop", "Adam", "AdamW", "Adamax", "Lion"])
def test_nan_and_placeholders_have_no_name(reference):
    ones = lambda p, g, state, t: np.ones_like(p)
    for rule, key, text in [
        (lambda p, g, state, t: p * np.nan, "nan", "your step is NaN from step 1 on"),
        (lambda p, g, state, t: p + np.inf, "nan", "your step is infinite from step 1 on"),
        (lambda p, g, state, t: p, "unknown", "p stays as it was"),
        (ones, "unknown", "this is none"),
    ]:
        (found,) = diagnose_optimizer(rule, reference).findings
        assert found.mistake == key
        assert found.text.startswith(text)


def test_a_class_that_is_nan_is_not_told_that_it_counts_from_0():
    class Broken:
        def __init__(self, params, lr):
            self.params = params

        def step(self):
            for p in self.params:
                p.data = p.numpy() * np.nan

    assert diagnose_optimizer(Broken).mistakes == {"step": "nan"}


def test_every_mistake_has_a_planted_one():
    assert {m.key for m in RULE_MISTAKES} <= {key for _, key, _ in PLANTED} | {"eps late"}
    late = lambda p, g, state, t, lr, beta1, beta2, eps: adam(step=rectified(t, beta2))(
        p, g, state, t, lr, beta1, beta2, eps
    )
    assert diagnose_optimizer(late, "RAdam", beta2=0.9).mistakes == {"step": "eps late"}


def rectified(t, beta2):
    """The step of Liu et al. 2020 with eps beside the root of the corrected v."""
    n = 2 / (1 - beta2) - 1
    k = n - 2 * t * beta2**t / (1 - beta2**t)
    if k <= 5:
        return lambda lr, m, v, eps, g: lr * m
    r = np.sqrt((k - 4) * (k - 2) * n / ((n - 4) * (n - 2) * k))
    return lambda lr, m, v, eps, g: lr * r * m / (np.sqrt(v) + eps)
