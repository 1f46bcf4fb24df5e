"""The rules that optax has too, 200 steps in float64 with several numbers each, and where the two differ."""

import numpy as np
import pytest
from rules_table import problem, run

import tinygrad_edu as tg
from tinygrad_edu.extras import kernels

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
    (tg.ScheduleFree, [{}, {"beta": 0.5}, {"beta": 0.98}],
     lambda h: contrib.schedule_free_sgd(LR, b1=h.get("beta", 0.9))),
    (tg.ScheduleFreeAdamW, [{}, *with_(ADAM[1:2], weight_decay=0.1), {"beta1": 0.5, "beta2": 0.5, "eps": 1e-3}],
     lambda h: contrib.schedule_free_adamw(LR, warmup_steps=None, **b({"weight_decay": 0.0, **h}))),
    (tg.LARS, [{}, {"momentum": 0.5, "trust": 0.1}, {"weight_decay": 0.1}], lambda h: optax.lars(
        LR, **{{"trust": "trust_coefficient"}.get(name, name): value for name, value in h.items()})),
    (tg.LAMB, with_(ADAM, weight_decay=0.1), lambda h: optax.lamb(LR, **b({"eps": 1e-6, **h}))),
    (tg.NovoGrad, [{}, {"beta1": 0.5, "beta2": 0.25, "eps": 1e-3, "weight_decay": 0.1}],
     lambda h: optax.novograd(LR, **b({"beta1": 0.95, "beta2": 0.98, "eps": 1e-8, **h}))),
    (tg.Fromage, [{}], lambda h: optax.fromage(LR, min_norm=0.0)),
    (tg.SM3, [{}, {"momentum": 0.5, "eps": 1e-3}], lambda h: optax.chain(
        optax.scale_by_sm3(h.get("momentum", 0.9), eps=h.get("eps", 1e-8)), optax.scale(-LR))),
    (tg.DAdaptAdam, [{}, *with_(ADAM[1:], weight_decay=0.1, d=0.05)], lambda h: contrib.dadapt_adamw(
        1.0, betas=(h.get("beta1", 0.9), h.get("beta2", 0.999)), eps=h.get("eps", 1e-8), estim_lr0=h.get("d", 1e-6),
        weight_decay=h.get("weight_decay", 0.0))),
    (tg.Prodigy, [{"eps": 1e-15}, *with_(ADAM[1:2], weight_decay=0.1, d=0.05, eps=1e-15)], lambda h: contrib.prodigy(
        1.0, betas=(h.get("beta1", 0.9), h.get("beta2", 0.999)), eps=h["eps"], estim_lr0=h.get("d", 1e-6),
        weight_decay=h.get("weight_decay", 0.0))),
    (tg.DoG, [{"distance": 0.05}, {"eps": 0.1, "distance": 1e-3}], lambda h: contrib.dog(
        1.0, ("distance", h["distance"]), eps=h.get("eps", 1e-8))),
    (tg.DoG, [{}], lambda h: contrib.dog(1.0)),
]  # fmt: skip


def theirs(make, p0, gradients, key=None):
    """The trajectory of an optax optimizer, or of something in its state."""
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
            points.append(np.asarray(key(state, p) if key else p))
    return np.array(points)


OWN_LR = {tg.COCOB: 1.0, tg.DoG: 1.0, tg.DAdaptAdam: 1.0, tg.Prodigy: 1.0}


def ours(cls, p0, gradients, **hyper):
    p = tg.Tensor(p0, requires_grad=True)
    return np.array(run(cls([p], **hyper), p, gradients, [OWN_LR.get(cls, LR)] * len(gradients)))


CASES = [(cls, hyper, make) for cls, sets, make in ROWS for hyper in sets]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("cls", "hyper", "make"), CASES, ids=lambda x: getattr(x, "__name__", None))
def test_a_200_step_trajectory_equals_optaxs(cls, hyper, make):
    p0, gradients, _ = problem()
    expected = theirs(lambda: make(hyper), p0, gradients)
    got = ours(cls, p0, gradients, **hyper)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("warmup", [1, 30])
def test_schedule_frees_weights_in_a_warm_up_are_optaxs(warmup):
    """optax counts from 1 for the mean, and from 0 for the step, so its parts are put together here."""
    p0, gradients, _ = problem()
    rate = lambda t: LR * jax.numpy.minimum(jax.numpy.asarray(t, float) / warmup, 1.0)
    expected = theirs(lambda: contrib.schedule_free(optax.sgd(lambda t: rate(t + 1)), rate, b1=0.9), p0, gradients)
    p = tg.Tensor(p0, requires_grad=True)
    rates = [LR * min(1.0, t / warmup) for t in range(1, 201)]
    np.testing.assert_allclose(run(tg.ScheduleFree([p]), p, gradients, rates), expected, rtol=1e-10, atol=1e-12)


MATRICES = (tg.LARS, tg.LAMB, tg.NovoGrad, tg.Fromage, tg.SM3, tg.DAdaptAdam)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("cls", "hyper", "make"),
    [case for case in CASES if case[0] in MATRICES],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_a_matrix_too(cls, hyper, make):
    p0, gradients, _ = problem(size=15)
    p0, gradients = p0.reshape(3, 5), gradients.reshape(-1, 3, 5)
    expected = theirs(lambda: make(hyper), p0, gradients)
    np.testing.assert_allclose(ours(cls, p0, gradients, **hyper), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_muons_newton_schulz_is_optaxs(shape):
    u = np.random.default_rng(0).standard_normal(shape)
    with jax.enable_x64(True):
        coefficients = jax.numpy.array([3.4445, -4.7750, 2.0315])
        expected = contrib._muon.orthogonalize_via_newton_schulz(jax.numpy.asarray(u), coefficients, 5, eps=0.0)
    got = kernels.orthogonal(u.ravel(), shape[1]).reshape(shape)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
@pytest.mark.parametrize("hyper", [{}, {"momentum": 0.8, "weight_decay": 0.0}])
def test_muon_takes_torchs_steps_as_far_as_bfloat16_goes(shape, hyper):
    """torch multiplies in bfloat16, three digits: each step may differ by a few hundredths of lr. optax debiases."""
    torch = pytest.importorskip("torch")
    p0, gradients, _ = problem(30, size=shape[0] * shape[1])
    gradients = np.random.default_rng(0).standard_normal((30, *shape))
    p = torch.tensor(p0.reshape(shape), requires_grad=True)
    optimizer, points = torch.optim.Muon([p], lr=LR, **hyper), []
    for g in gradients:
        p.grad = torch.tensor(g)
        optimizer.step()
        points.append(p.detach().numpy().copy())
    got = ours(tg.Muon, p0.reshape(shape), gradients, **hyper)
    np.testing.assert_allclose(got, points, atol=0.2 * LR)


@pytest.mark.parametrize("hyper", [{}, {"power": 0.6, "least": 0.9, "most": 1.5, "eps": 1e-3, "weight_decay": 0.1}])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (5, 3)])
def test_adafactor_is_torchs(shape, hyper):
    torch = pytest.importorskip("torch")
    p0, gradients, _ = problem(size=int(np.prod(shape)))
    p = torch.tensor(p0.reshape(shape), requires_grad=True)
    ours_ = {"eps": 1e-7, "least": 1e-3, "most": 1.0, "power": 0.8, "weight_decay": 0.0, **hyper}
    given = {"beta2_decay": -ours_["power"], "eps": (ours_["eps"], ours_["least"]), "d": ours_["most"]}
    optimizer, points = torch.optim.Adafactor([p], lr=LR, weight_decay=ours_["weight_decay"], **given), []
    for g in gradients:
        p.grad = torch.tensor(g.reshape(shape))
        optimizer.step()
        points.append(p.detach().numpy().copy())
    got = ours(tg.Adafactor, p0.reshape(shape), gradients.reshape(-1, *shape), **hyper)
    np.testing.assert_allclose(got, points, rtol=1e-10, atol=1e-12)


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
