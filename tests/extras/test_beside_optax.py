"""The rules that optax has too, 200 steps in float64 with several numbers each, and where the two differ."""

import numpy as np
import pytest
from rules_table import problem, run

import tinygrad_edu as tg

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
from optax import contrib  # noqa: E402

pytestmark = pytest.mark.oracle
ADAM = [{}, {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}, {"beta1": 0.0, "beta2": 0.5, "eps": 1e-3}]
LR = 0.01


def b(hyper, **more):
    """Our hyper-parameters under optax's names."""
    names = {"beta1": "b1", "beta2": "b2", "beta3": "b3"}
    return {**{names.get(name, name): value for name, value in hyper.items()}, **more}


def with_(sets, **more):
    return [{**one, **more} for one in sets]


# our class, the sets of hyper-parameters, optax's of a set
ROWS = [
    (tg.AdaBelief, [{}, {"eps": 1e-8}, {"beta1": 0.5, "beta2": 0.9, "eps": 1e-4}],
     lambda h: optax.adabelief(LR, **b(h, eps_root=h.get("eps", 1e-16)))),
    (tg.AdEMAMix, with_(ADAM, beta3=0.99, alpha=3.0, weight_decay=0.1), lambda h: contrib.ademamix(LR, **b(h))),
    (tg.ADOPT, [{}, {"beta1": 0.8, "beta2": 0.99, "eps": 0.05}, {"beta1": 0.0, "beta2": 0.5}],
     lambda h: contrib.adopt(LR, **b(h))),
    (tg.COCOB, [{}, {"alpha": 30.0, "eps": 0.5}, {"alpha": 2.0}], lambda h: contrib.cocob(1.0, **h)),
    (tg.OptimisticGradient, [{}, {"optimism": 0.5}, {"optimism": 0.0}],
     lambda h: optax.optimistic_gradient_descent(LR, beta=h.get("optimism", 1.0))),
    (tg.OptimisticAdam, with_(ADAM, optimism=0.6), lambda h: optax.optimistic_adam_v2(
        LR, beta=0.6, nesterov=False, **b({k: v for k, v in h.items() if k != "optimism"}))),
    (tg.Adamax, with_(ADAM, weight_decay=0.1), lambda h: optax.adamaxw(LR, **b(h))),
    (tg.Signum, [{}, {"beta": 0.5}, {"beta": 0.965}], lambda h: optax.chain(
        optax.ema(h.get("beta", 0.9), debias=False), optax.scale_by_sign(), optax.scale(-LR))),
    (tg.Lion, [{}, {"beta1": 0.5, "beta2": 0.8, "weight_decay": 0.1}],
     lambda h: optax.lion(LR, **b({"weight_decay": 0.0, **h}))),
]  # fmt: skip


def theirs(make, p0, gradients):
    """The trajectory of an optax optimizer."""
    with jax.enable_x64(True):
        optimizer = make()
        p = jax.numpy.asarray(p0)
        state, points = optimizer.init(p), []

        @jax.jit
        def step(g, state, p):
            change, state = optimizer.update(g, state, p)
            return optax.apply_updates(p, change), state

        for g in gradients:
            p, state = step(jax.numpy.asarray(g), state, p)
            points.append(np.asarray(p))
    return np.array(points)


def ours(cls, p0, gradients, **hyper):
    p = tg.Tensor(p0, requires_grad=True)
    optimizer = cls([p], **hyper)
    rates = [1.0 if cls is tg.COCOB else LR] * len(gradients)
    return np.array(run(optimizer, p, gradients, rates))


CASES = [(cls, hyper, make) for cls, sets, make in ROWS for hyper in sets]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("cls", "hyper", "make"), CASES, ids=lambda x: getattr(x, "__name__", None))
def test_a_200_step_trajectory_equals_optaxs(cls, hyper, make):
    p0, gradients, _ = problem()
    expected = theirs(lambda: make(hyper), p0, gradients)
    got = ours(cls, p0, gradients, **hyper)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_yogi_is_optaxs_before_its_debiasing():
    """optax debiases both averages and begins them at 1e-6: with begins of 0 and no eps a rate makes up for that."""
    p0, gradients, _ = problem()
    expected = theirs(
        lambda: optax.chain(
            optax.scale_by_yogi(eps=1e-300, initial_accumulator_value=0.0), optax.scale_by_learning_rate(LR)
        ),
        p0[:3],
        gradients[:, :3],
    )
    t = np.arange(1, 201)
    p = tg.Tensor(p0[:3], requires_grad=True)
    rates = LR * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    got = run(tg.Yogi([p], eps=1e-300), p, gradients[:, :3], rates)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_optaxs_adan_has_1_minus_beta2_where_beta2_belongs():
    """google-deepmind/optax#1715. When this fails, optax is mended: then put Adan into the table."""
    p0, gradients, _ = problem()
    expected = theirs(lambda: optax.adan(LR, eps_root=0.0), p0, gradients)
    assert abs(np.array(ours(tg.Adan, p0, gradients)) - expected).max() > 1e-3
