"""Every mistake of the table is planted in rules written apart from the package, and gets its name."""

import os

import numpy as np
import pytest
from planted_rules import PLANTED, adam, draw, plain_variant, planted

import tinygrad_edu as tg
from tinygrad_edu.doctor.rule_mistakes import RULE_MISTAKES
from tinygrad_edu.doctor.rules import diagnose_optimizer

MANY = "NUMBA_DISABLE_JIT" not in os.environ


@pytest.mark.parametrize("k", range(len(PLANTED)), ids=lambda k: f"{PLANTED[k][0]}, {PLANTED[k][1]}")
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_planted_mistake_is_named(k):
    rng = np.random.default_rng(k)
    for seed in range(20 if MANY else 3):
        reference, key, rule = planted(k)
        hyper = plain_variant(draw(getattr(tg, reference), rng))
        report = diagnose_optimizer(rule, reference, rng=seed, **hyper)
        assert report.mistakes == {"step": key}, (hyper, report)
        (finding,) = report.findings
        assert finding.hint
        assert not np.allclose(finding.said, finding.expected, rtol=1e-7, atol=0, equal_nan=False)


@pytest.mark.parametrize("variant", [{"centered": True}, {"momentum": 0.5}, {"centered": True, "momentum": 0.5}])
def test_variants_of_rmsprop_have_the_same_mistakes(variant):
    def rule(p, g, state, t, lr, rho, eps, momentum=0.0, centered=False):
        v = state["v"] = rho * state.get("v", 0) + (1 - rho) * g**2
        m = state["m"] = rho * state.get("m", 0) + (1 - rho) * g
        b = state["b"] = momentum * state.get("b", 0) + g / np.sqrt(v - centered * m**2 + eps)
        return p - lr * b

    for seed in range(5):
        assert diagnose_optimizer(rule, "RMSprop", rng=seed, **variant).mistakes == {"step": "eps inside"}


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
