"""The text of a rule runs as the rule does, and a change of it runs, or is refused."""

import numpy as np
import pytest
from planted_rules import draw
from rules_table import CLASSES

import tinygrad_edu as tg
from tinygrad_edu.doctor.rule_text import RuleText
from tinygrad_edu.doctor.rules import diagnose_optimizer


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if RuleText.of(kind, {}).is_elementwise], ids=lambda kind: kind.__name__
)
def test_the_text_takes_the_steps_of_the_optimizer(kind):
    rng = np.random.default_rng(0)
    start, gradients, hyper = rng.standard_normal((2, 6)), rng.standard_normal((5, 2, 6)), draw(kind, rng)
    params = [tg.Tensor(p, requires_grad=True) for p in start]
    optimizer = kind(params, **hyper)
    path = RuleText.of(kind, hyper).run(start, gradients)
    for t, both in enumerate(gradients):
        for p, g in zip(params, both, strict=True):
            p.grad = g.copy()
        optimizer.step()
        np.testing.assert_allclose(path[t], [p.numpy() for p in params], rtol=1e-12)


def test_a_change_is_made_everywhere_and_one_that_does_not_fit_is_refused():
    adam = RuleText.of(tg.Adam, {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8})
    assert adam.changed("(sqrt(*) + eps) -> sqrt(* + eps)").equations == adam.equations.replace(
        "(sqrt(c2 · v) + eps)", "sqrt(c2 · v + eps)"
    )
    written_back = adam.changed("p <- p - lr · (c1 · m) -> m <- c1 · m | p <- p - lr · m")
    assert [line[:6] for line in written_back.equations.splitlines()] == ["m <- b", "v <- b", "m <- c", "p <- p"]
    assert adam.changed("t = t + 1").numbers_at(1, 0) == adam.numbers_at(2, 0)
    assert adam.changed("c1 = 1; shared").words == {"shared"}
    for change in ("sin(*) -> *", "momentum = 0.5", "g · g -> nesterov", "(c1 · m) -> m)"):
        assert adam.changed(change) is None


def test_a_rule_that_asks_of_every_number_has_no_changes():
    rprop = RuleText.of(tg.Rprop, {})
    assert not rprop.is_elementwise
    assert rprop.changed("g -> -g") is None


@pytest.mark.parametrize("words", [None, "Downhill.", "p <- p minus lr times g", "p <- p - lr · slope(g)"])
def test_a_reference_without_equations_can_still_tell_right_from_wrong(words):
    def downhill(p, g, lr):
        for i in range(p.size):
            p[i] -= lr * g[i]

    downhill.__doc__ = words
    kind = type("Downhill", (tg.SGD,), {"kernel": staticmethod(tg.kernels.kernel(downhill))})
    assert diagnose_optimizer(lambda p, g, state, t, lr: p - lr * g, kind).right
    report = diagnose_optimizer(lambda p, g, state, t, lr: p + 2 * lr * g, kind)
    assert report.mistakes == {"step": "unknown"}
