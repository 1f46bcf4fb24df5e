"""The doctor of update rules: right rules are never accused, classic mistakes are named.

The rules here are written apart from the package, as a student would write them; PLANTED has every mistake by name.
"""

import inspect
import os

import naive
import numpy as np
import pytest
from rules_table import CLASSES

import tinygrad_edu as tg
from tinygrad_edu.doctor import rules as ruledoctor
from tinygrad_edu.doctor.rule_mistakes import RULE_MISTAKES
from tinygrad_edu.doctor.rules import diagnose_optimizer

MANY = 60 if "NUMBA_DISABLE_JIT" in os.environ else 1000

# --- rules as a student writes them -----------------------------------------------------------------------------------


def adam(
    m_in=lambda m, g, b: b * m + (1 - b) * g,
    v_in=lambda v, g, b, m: b * v + (1 - b) * g**2,
    m_hat=lambda m, t, b1, b2: m / (1 - b1**t),
    v_hat=lambda v, t, b1, b2: v / (1 - b2**t),
    step=lambda lr, m, v, eps, g: lr * m / (np.sqrt(v) + eps),
    largest=lambda x, v, t, b2: v,
    decay=lambda p, lr, wd: p * (1 - lr * wd),
    coupled=lambda g, p, wd: g,
    time=lambda t: t,
    swap=False,
    write_back="",
):
    """Adam, AdamW (with weight_decay) or AMSGrad (with largest), with any piece of it replaced."""

    def rule(p, g, state, t, lr, beta1, beta2, eps, weight_decay=0.0):
        t = time(t)
        if swap:
            beta1, beta2 = beta2, beta1
        g = coupled(g, p, weight_decay)
        m = state["m"] = m_in(state.get("m", np.zeros_like(p)), g, beta1)
        v = state["v"] = v_in(state.get("v", np.zeros_like(p)), g, beta2, m)
        x = state["x"] = largest(state.get("x", np.zeros_like(p)), v, t, beta2)
        m, x = m_hat(m, t, beta1, beta2), v_hat(x, t, beta1, beta2)
        state.update({"m": m} if "m" in write_back else {}, **({"v": x} if "v" in write_back else {}))
        return decay(p, lr, weight_decay) - step(lr, m, x, eps, g)

    return rule


def amsgrad(**pieces):
    return adam(**{"largest": lambda x, v, t, b2: np.maximum(x, v), **pieces})


def momentum(p, g, state, t, lr, beta, bias_correction=False):
    v = state["v"] = beta * state.get("v", 0) + (1 - beta) * g
    return p - lr * (v / (1 - beta**t) if bias_correction else v)


def rmsprop(v_in=lambda v, g, r: r * v + (1 - r) * g**2, step=lambda lr, g, v, eps: lr * g / (np.sqrt(v) + eps)):
    def rule(p, g, state, t, lr, rho, eps):
        v = state["v"] = v_in(state.get("v", np.zeros_like(p)), g, rho)
        return p - step(lr, g, v, eps)

    return rule


def adagrad(s_in=lambda s, g: s + g**2, step=lambda lr, g, s, eps: lr * g / (np.sqrt(s) + eps), late=0):
    def rule(p, g, state, t, lr, lr_decay, eps):
        s = state["s"] = s_in(state.get("s", np.zeros_like(p)), g)
        return p - step(lr / (1 + (t - 1 + late) * lr_decay), g, s, eps)

    return rule


def velocity(v_in=lambda v, g, mu: mu * v + g, step=lambda v, g, mu: v):
    def rule(p, g, state, t, lr, momentum):
        v = state["v"] = v_in(state.get("v", np.zeros_like(p)), g, momentum)
        return p - lr * step(v, g, momentum)

    return rule


def average(v_in):
    inner = velocity(v_in)
    return lambda p, g, state, t, lr, beta: inner(p, g, state, t, lr, beta)


def adadelta(root=lambda x, eps: np.sqrt(x + eps)):
    def rule(p, g, state, t, lr, rho, eps):
        v = state["v"] = rho * state.get("v", 0 * p) + (1 - rho) * g**2
        d = root(state.get("s", 0 * p), eps) / root(v, eps) * g
        state["s"] = rho * state.get("s", 0 * p) + (1 - rho) * d**2
        return p - lr * d

    return rule


def adamax(size=lambda g, eps: abs(g) + eps, correct=lambda b, t: 1 / (1 - b**t)):
    def rule(p, g, state, t, lr, beta1, beta2, eps):
        m = state["m"] = beta1 * state.get("m", 0 * p) + (1 - beta1) * g
        u = state["u"] = np.maximum(beta2 * state.get("u", 0 * p), size(g, eps))
        return p - lr * correct(beta1, t) * m / u

    return rule


def shared():
    """Adam whose averages are in the function, not in the parameter's state."""
    everything = {}
    inner = adam()
    return lambda p, g, state, t, lr, beta1, beta2, eps: inner(p, g, everything, t, lr, beta1, beta2, eps)


def counting(first):
    """Adam that counts its own steps, in one counter for all parameters."""
    inner, t = adam(), first - 1

    def rule(p, g, state, _, lr, beta1, beta2, eps):
        nonlocal t
        t += 1
        return inner(p, g, state, t, lr, beta1, beta2, eps)

    return rule


def late(p, g, state, t, lr, beta1, beta2, eps):
    m, v = state.get("m", 0 * p), state.get("v", 0 * p)
    state["m"], state["v"] = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


def forgetful(p, g, state, t, lr, beta1, beta2, eps):
    return adam()(p, g, {}, t, lr, beta1, beta2, eps)


def old(state, name, new, p):
    """What was remembered under that name, while new takes its place."""
    before = state.get(name, np.zeros_like(p))
    state[name] = new
    return before


plain = {"m_hat": lambda m, t, b1, b2: m, "v_hat": lambda v, t, b1, b2: v}
# reference, the mistake's key, a rule that makes it
PLANTED = [
    ("Adam", "uncorrected", adam(**plain)),
    ("Adam", "m uncorrected", adam(m_hat=plain["m_hat"])),
    ("Adam", "v uncorrected", adam(v_hat=plain["v_hat"])),
    ("Adam", "multiplied", adam(m_hat=lambda m, t, a, b: m * (1 - a**t), v_hat=lambda v, t, a, b: v * (1 - b**t))),
    ("Adam", "multiplied", adam(m_hat=lambda m, t, a, b: m * (1 - a**t))),
    ("Adam", "multiplied", adam(v_hat=lambda v, t, a, b: v * (1 - b**t))),
    ("Adam", "beta squared", adam(m_hat=lambda m, t, a, b: m / (1 - a**2), v_hat=lambda v, t, a, b: v / (1 - b**2))),
    ("Adam", "beta squared", adam(v_hat=lambda v, t, a, b: v / (1 - b**2))),
    ("Adam", "power forgotten", adam(m_hat=lambda m, t, a, b: m / (1 - a), v_hat=lambda v, t, a, b: v / (1 - b))),
    ("Adam", "beta times t", adam(m_hat=lambda m, t, a, b: m / (1 - a * t), v_hat=lambda v, t, a, b: v / (1 - b * t))),
    ("Adam", "other beta", adam(m_hat=lambda m, t, a, b: m / (1 - b**t), v_hat=lambda v, t, a, b: v / (1 - a**t))),
    ("Adam", "other beta", adam(v_hat=lambda v, t, a, b: v / (1 - a**t))),
    ("Adam", "t from 0", adam(time=lambda t: t - 1)),
    ("Adam", "t late", adam(time=lambda t: t + 1)),
    ("Adam", "t per parameter", counting),
    ("Adam", "written back", adam(write_back="mv")),
    ("Adam", "written back", adam(write_back="m")),
    ("Adam", "written back", adam(write_back="v")),
    ("Adam", "eps inside", adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v + eps))),
    ("Adam", "eps forgotten", adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v))),
    ("Adam", "eps early", adam(m_hat=lambda m, t, a, b: m * np.sqrt(1 - b**t) / (1 - a**t), v_hat=plain["v_hat"])),
    ("Adam", "eps forgotten", adam(step=lambda lr, m, v, eps, g: lr * (m / np.sqrt(v) + eps))),
    ("Adam", "m and v swapped", adam(step=lambda lr, m, v, eps, g: lr * v / (np.sqrt(m) + eps))),
    ("Adam", "betas swapped", adam(swap=True)),
    ("Adam", "weights swapped", adam(m_in=lambda m, g, b: (1 - b) * m + b * g)),
    (
        "Adam",
        "weights swapped",
        adam(m_in=lambda m, g, b: (1 - b) * m + b * g, v_in=lambda v, g, b, m: (1 - b) * v + b * g**2),
    ),
    ("Adam", "sum for average", adam(m_in=lambda m, g, b: b * m + g)),
    ("Adam", "sum for average", adam(v_in=lambda v, g, b, m: b * v + g**2)),
    ("Adam", "g for g²", adam(v_in=lambda v, g, b, m: b * v + (1 - b) * g)),
    ("Adam", "g for g²", adam(v_in=lambda v, g, b, m: b * v + (1 - b) * abs(g))),
    ("Adam", "m² for g²", adam(v_in=lambda v, g, b, m: b * v + (1 - b) * m**2)),
    ("Adam", "root forgotten", adam(step=lambda lr, m, v, eps, g: lr * m / (v + eps))),
    ("Adam", "average unused", adam(step=lambda lr, m, v, eps, g: lr * g / (np.sqrt(v) + eps))),
    ("Adam", "scale unused", adam(step=lambda lr, m, v, eps, g: lr * m)),
    ("Adam", "sign", adam(step=lambda lr, m, v, eps, g: -lr * m / (np.sqrt(v) + eps))),
    ("Adam", "lr unused", adam(step=lambda lr, m, v, eps, g: m / (np.sqrt(v) + eps))),
    ("Adam", "lr squared", adam(step=lambda lr, m, v, eps, g: lr**2 * m / (np.sqrt(v) + eps))),
    ("Adam", "factor", adam(step=lambda lr, m, v, eps, g: lr / 3 * m / (np.sqrt(v) + eps))),
    ("Adam", "late", late),
    ("Adam", "shared memory", shared),
    ("Adam", "no memory", forgetful),
    (
        "Adam",
        "eps inside + sign",
        adam(step=lambda lr, m, v, eps, g: -lr * m / np.sqrt(v + eps)),
    ),
    ("AdamW", "coupled decay", adam(coupled=lambda g, p, wd: g + wd * p, decay=lambda p, lr, wd: p)),
    ("AdamW", "decay forgotten", adam(decay=lambda p, lr, wd: p)),
    ("AdamW", "decay without lr", adam(decay=lambda p, lr, wd: p * (1 - wd))),
    ("AdamW", "decay grows", adam(decay=lambda p, lr, wd: p * (1 + lr * wd))),
    ("AdamW", "eps inside", adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v + eps))),
    ("AdamW", "lr unused", adam(step=lambda lr, m, v, eps, g: m / (np.sqrt(v) + eps))),
    ("AMSGrad", "largest forgotten", adam()),
    (
        "AMSGrad",
        "largest late",
        amsgrad(largest=lambda x, v, t, b: np.maximum(x, v / (1 - b**t)), v_hat=plain["v_hat"]),
    ),
    ("AMSGrad", "uncorrected", amsgrad(**plain)),
    ("Momentum", "sum for average", average(lambda v, g, beta: beta * v + g)),
    ("Momentum", "weights swapped", average(lambda v, g, beta: (1 - beta) * v + beta * g)),
    ("Momentum", "corrected", lambda p, g, state, t, lr, beta: momentum(p, g, state, t, lr, beta, True)),
    ("HeavyBall", "average for sum", velocity(v_in=lambda v, g, mu: mu * v + (1 - mu) * g)),
    ("HeavyBall", "average unused", velocity(step=lambda v, g, mu: g)),
    ("HeavyBall", "is Nesterov", velocity(step=lambda v, g, mu: g + mu * v)),
    ("HeavyBall", "sign", velocity(step=lambda v, g, mu: -v)),
    ("Nesterov", "is HeavyBall", velocity()),
    ("Nesterov", "new velocity for old", velocity(step=lambda v, g, mu: (1 + mu) * g + mu**2 * v)),
    ("RMSprop", "eps inside", rmsprop(step=lambda lr, g, v, eps: lr * g / np.sqrt(v + eps))),
    ("RMSprop", "root forgotten", rmsprop(step=lambda lr, g, v, eps: lr * g / (v + eps))),
    ("RMSprop", "g for g²", rmsprop(v_in=lambda v, g, r: r * v + (1 - r) * g)),
    ("RMSprop", "weights swapped", rmsprop(v_in=lambda v, g, r: (1 - r) * v + r * g**2)),
    ("RMSprop", "sum for average", rmsprop(v_in=lambda v, g, r: r * v + g**2)),
    ("Adagrad", "eps inside", adagrad(step=lambda lr, g, s, eps: lr * g / np.sqrt(s + eps))),
    ("Adagrad", "g for g²", adagrad(s_in=lambda s, g: s + abs(g))),
    ("Adagrad", "no memory", adagrad(s_in=lambda s, g: g**2)),
    ("Adagrad", "t late", adagrad(late=1)),
    ("Adadelta", "eps outside", adadelta(root=lambda x, eps: np.sqrt(x) + eps)),
    ("Adadelta", "root forgotten", adadelta(root=lambda x, eps: x + eps)),
    ("Adamax", "m uncorrected", adamax(correct=lambda b, t: 1)),
    ("Adamax", "abs forgotten", adamax(size=lambda g, eps: g + eps)),
    ("Adamax", "eps forgotten", adamax(size=lambda g, eps: abs(g))),
    ("SGD", "sign", lambda p, g, state, t, lr: p + lr * g),
    ("SGD", "lr unused", lambda p, g, state, t, lr: p - g),
]
RANGES = {  # of random hyper-parameters, as powers of ten or as they are
    "lr": (-3, -0.5), "eps": (-10, -4), "weight_decay": (-2, -0.5), "lr_decay": (-2, -0.5), "lambd": (-3, -1),
    "least": (-5, -4), "most": (0, 1), "momentum_decay": (-3, -1),
    "beta1": (0.5, 0.95), "beta2": (0.9, 0.9999), "beta": (0.5, 0.95), "momentum": (0.3, 0.95), "rho": (0.5, 0.99),
    "down": (0.3, 0.8), "up": (1.1, 2.0), "alpha": (0.5, 1.0), "t0": (1, 30),
}  # fmt: skip
POWERS = ["lr", "eps", "weight_decay", "lr_decay", "lambd", "least", "most", "momentum_decay"]


def draw(kind, rng):
    """Random numbers for every hyper-parameter of a class."""
    hyper = {}
    for name in list(inspect.signature(kind).parameters)[1:-1]:
        if name in ("centered", "bias_correction"):
            hyper[name] = bool(rng.integers(2))
        else:
            drawn = rng.uniform(*RANGES[name])
            hyper[name] = float(10**drawn if name in POWERS else drawn)
    return hyper


def from_naive(kind, dtype=np.float64):
    """The reference of tests/naive.py as a rule: it goes through all gradients so far."""
    reference = getattr(naive, {"AdamW": "adam", "HeavyBall": "heavy_ball"}.get(kind.__name__, kind.__name__.lower()))

    def rule(p, g, state, t, **hyper):
        lr = hyper.pop("lr")
        state.setdefault("p", p.astype(dtype))
        state.setdefault("g", []).append(g.astype(dtype))
        return reference(state["p"], state["g"], [lr] * t, **hyper)[-1]

    return rule


# --- right rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_right_rule_is_never_accused(kind):
    rng = np.random.default_rng(0)
    for seed in range(-(-MANY // len(CLASSES))):
        hyper = draw(kind, rng)
        report = diagnose_optimizer(from_naive(kind), kind.__name__, rng=seed, **hyper)
        assert report.mistakes == {"step": None}, (hyper, report)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_rounding_to_float32_is_not_accused(kind):
    rng = np.random.default_rng(1)
    for seed in range(max(1, MANY // 100)):
        hyper = {**draw(kind, rng), "lr": rng.uniform(0.01, 0.1)}
        assert diagnose_optimizer(from_naive(kind, np.float32), kind, rng=seed, **hyper).right, hyper


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


# --- planted mistakes -------------------------------------------------------------------------------------------------


def planted(k):
    """The rule of that row; those with a memory of their own are made anew."""
    reference, key, rule = PLANTED[k]
    return reference, key, rule() if rule is shared else rule(1) if rule is counting else rule


@pytest.mark.parametrize("k", range(len(PLANTED)), ids=lambda k: f"{PLANTED[k][0]}, {PLANTED[k][1]}")
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_planted_mistake_is_named(k):
    rng = np.random.default_rng(k)
    for seed in range(3 if MANY < 100 else 20):
        reference, key, rule = planted(k)
        hyper = plain_variant(draw(getattr(tg, reference), rng))
        report = diagnose_optimizer(rule, reference, rng=seed, **hyper)
        assert report.mistakes == {"step": key}, (hyper, report)
        (finding,) = report.findings
        assert finding.hint
        assert not np.allclose(finding.said, finding.expected, rtol=1e-7, atol=0, equal_nan=False)


def plain_variant(hyper):
    """Without the options that make other rules of Momentum and RMSprop."""
    options = {"bias_correction": False, "centered": False}
    return {name: options.get(name, x) for name, x in hyper.items() if name != "momentum" or "rho" not in hyper}


@pytest.mark.parametrize("variant", [{"centered": True}, {"momentum": 0.5}, {"centered": True, "momentum": 0.5}])
def test_variants_of_rmsprop_have_the_same_mistakes(variant):
    def rule(p, g, state, t, lr, rho, eps, momentum=0.0, centered=False):
        v = state["v"] = rho * state.get("v", 0) + (1 - rho) * g**2
        m = state["m"] = rho * state.get("m", 0) + (1 - rho) * g
        b = state["b"] = momentum * state.get("b", 0) + g / np.sqrt(v - centered * m**2 + eps)
        return p - lr * b

    for seed in range(5):
        assert diagnose_optimizer(rule, "RMSprop", rng=seed, **variant).mistakes == {"step": "eps inside"}


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
