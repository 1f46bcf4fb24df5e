"""Laws of the update rules that hold for all numbers: symmetries, limits, bounds, rates, counterexamples."""

import os
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from rules_table import CLASSES, ELEMENTWISE, SEPARATE, every_dtype, every_row, path

import tinygrad_edu as tg

PLAIN = "NUMBA_DISABLE_JIT" in os.environ
few = settings(derandomize=True, deadline=None, max_examples=4 if PLAIN else 8)
many = settings(derandomize=True, deadline=None, max_examples=20 if PLAIN else 100)
TINY = {np.float32: 1e-45, np.float64: 1e-300}  # an eps that is lost beside anything: stands for 0, and 0 / eps is 0


def histories(steps=20, size=4, least=1e-3, most=1e3):
    """Gradients of many sizes, with zeros between them; float32 holds them exactly."""
    some = st.floats(float(np.float32(least)), float(np.float32(most)), width=32)
    return arrays(np.float64, (steps, size), elements=st.one_of(st.just(0.0), some, some.map(lambda x: -x)))


# --- symmetries ------------------------------------------------------------------------------------------------------

SCALE_FREE = {
    tg.Adagrad, tg.RMSprop, tg.Adam, tg.AdamW, tg.AMSGrad, tg.Adamax, tg.NAdam, tg.Rprop, tg.SignSGD, tg.Signum,
    tg.Lion, tg.OptimisticAdam, tg.COCOB, tg.Yogi, tg.QHAdam, tg.AdaBelief, tg.Adan, tg.ADOPT, tg.AdEMAMix,
    tg.LARS, tg.LAMB, tg.NovoGrad, tg.Fromage, tg.CautiousAdamW, tg.CautiousLion, tg.Adafactor, tg.SM3,
    tg.ScheduleFreeAdamW, tg.DAdaptAdam, tg.Prodigy, tg.Muon, tg.DoG, tg.Shampoo, tg.SOAP,
}  # fmt: skip
LINEAR = {tg.SGD, tg.Momentum, tg.HeavyBall, tg.Nesterov, tg.ASGD, tg.OptimisticGradient, tg.QHM, tg.ScheduleFree}
NEITHER = {tg.Adadelta, tg.RAdam, tg.AdaBound, tg.MARS}  # eps sets the first steps; no v in them; bounds stay


def test_every_rule_has_its_place():
    assert sorted(map(repr, [*SCALE_FREE, *LINEAR, *NEITHER])) == sorted(map(repr, CLASSES))


@pytest.mark.sample(3)
@every_dtype
@every_row
def test_gradients_times_a_power_of_two_make_the_same_steps_or_steps_times_that(
    cls, reference, hyper, torch_row, dtype
):
    if cls in SCALE_FREE and "eps" in hyper:
        lost = {tg.Adafactor: 1e-15, tg.DoG: 1e-40, tg.Prodigy: 1e-30}  # squared, divided by its root, times d
        hyper = {**hyper, "eps": lost.get(cls, TINY[dtype])}
    if cls is tg.LARS:
        hyper = {**hyper, "weight_decay": 0}  # it is a part of the gradient
    if cls is tg.Adagrad:
        hyper = {**hyper, "initial": 0}

    @few
    @given(histories(), st.integers(-20, 20))
    def check(gradients, k):
        start, scale = (1.0, 1.0) if cls in SCALE_FREE else (0.0, 2.0**k)
        one, other = (path(cls, g, start, dtype, **hyper) for g in (gradients, gradients * 2.0**k))
        np.testing.assert_array_equal(one * scale, other)

    if cls not in NEITHER:
        return check()
    gradients = np.random.default_rng(0).standard_normal((20, 4))
    one, other = (path(cls, g, 0.0, dtype, **hyper) for g in (gradients, gradients / 4))
    assert np.all(one[0] != other[0]) or cls in (tg.AdaBound, tg.MARS)
    assert np.all(one[0] / 4 != other[0]) or cls is tg.RAdam
    assert np.all(one[-1] / 4 != other[-1])


AT_ONCE = SCALE_FREE & {*SEPARATE}  # whose first steps are not tiny


@pytest.mark.parametrize("cls", sorted(AT_ONCE, key=lambda cls: cls.__name__))
def test_an_l2_term_does_not_scale_with_the_gradients(cls):
    gradients = np.random.default_rng(0).standard_normal((20, 4))
    one, other = (path(cls, gradients * scale, 1.0, lr=0.1, l2=0.1) for scale in (1, 2**-8))
    assert not np.allclose(one, other, rtol=1e-3)


@pytest.mark.sample(3)
@every_dtype
@every_row
def test_mirrored_permuted_and_joined_problems_take_the_same_steps_bit_for_bit(cls, reference, hyper, torch_row, dtype):
    @few
    @given(histories(), arrays(np.float64, 4, elements=st.floats(-3, 3, width=32)), st.permutations(range(4)))
    def check(gradients, start, order):
        whole = path(cls, gradients, start, dtype, **hyper)
        np.testing.assert_array_equal(path(cls, -gradients, -start, dtype, **hyper), -whole)
        if cls not in ELEMENTWISE:
            return
        np.testing.assert_array_equal(path(cls, gradients[:, order], start[order], dtype, **hyper), whole[:, order])
        for part in (slice(0, 1), slice(1, 4)):
            np.testing.assert_array_equal(path(cls, gradients[:, part], start[part], dtype, **hyper), whole[:, part])

    check()


@every_row
def test_float32_takes_the_steps_of_float64(cls, reference, hyper, torch_row):
    gradients = np.random.default_rng(0).standard_normal((50, 4))
    single, double = (path(cls, gradients, 1.0, dtype, **hyper) for dtype in (np.float32, np.float64))
    np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-5)


@every_row
def test_no_step_writes_into_the_gradient(cls, reference, hyper, torch_row):
    p = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer = cls([p], l2=0.1, **hyper)
    p.grad = mine = np.array([0.5, -1.0, 0.0])
    for _ in range(3):
        optimizer.step()
        assert optimizer.buffer.grad.tolist() == mine.tolist() == [0.5, -1, 0]


# --- bias correction ---------------------------------------------------------------------------------------------

constant = st.floats(1e-3, 1e3).flatmap(lambda x: st.sampled_from([x, -x]))


@pytest.mark.parametrize("cls", [tg.Adam, tg.AMSGrad, tg.Adamax])
@many
@given(g=constant, beta1=st.floats(0, 0.99), beta2=st.floats(0, 0.9999))
def test_under_a_constant_gradient_every_step_is_lr(cls, g, beta1, beta2):
    steps = -np.diff(path(cls, [[g]] * 60, lr=0.25, beta1=beta1, beta2=beta2, eps=1e-300).ravel(), prepend=0)
    np.testing.assert_allclose(steps, 0.25 * np.sign(g), rtol=1e-10)


@many
@given(g=constant, eps=st.floats(1e-12, 1e3))
def test_adams_first_step_and_where_its_eps_is(g, eps):
    np.testing.assert_allclose(path(tg.Adam, [[g]], lr=0.25, eps=eps), [[-0.25 * g / (abs(g) + eps)]], rtol=1e-13)


@many
@given(histories(size=1), st.floats(0, 0.999))
def test_a_debiased_average_lies_among_what_it_averages(gradients, beta):
    averages = -np.diff(path(tg.Momentum, gradients, lr=1.0, beta=beta, bias_correction=True).ravel(), prepend=0)
    room = 1e-10 * np.abs(gradients).max()  # taking the averages from the path costs digits
    assert np.all(averages <= np.maximum.accumulate(gradients.ravel()) + room)
    assert np.all(averages >= np.minimum.accumulate(gradients.ravel()) - room)


# --- how long a step can be ----------------------------------------------------------------------------------------


def adams_longest(t, beta1, beta2):
    """By Cauchy and Schwarz, in units of lr."""
    q = beta1**2 / beta2
    return (1 - beta1) / np.sqrt(1 - beta2) * np.sqrt((1 - q**t) / (1 - q) * (1 - beta2**t)) / (1 - beta1**t)


def adamaxs_longest(t, beta1, beta2):
    return (1 - beta1) / (1 - beta1**t) * (1 - (beta1 / beta2) ** t) / (1 - beta1 / beta2)


@pytest.mark.parametrize(
    ("cls", "longest", "growth"),
    [  # growth of the gradients per step that attains the bound
        (tg.Adam, adams_longest, lambda beta1, beta2: beta2 / beta1),
        (tg.AMSGrad, adams_longest, lambda beta1, beta2: beta2 / beta1),
        (tg.Adamax, adamaxs_longest, lambda beta1, beta2: beta2),
    ],
)
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.99), (0.5, 0.95)])
def test_no_step_is_longer_than_the_sharp_bound_and_some_gradients_attain_it(cls, longest, growth, betas):
    bounds = longest(np.arange(1, 61), *betas)
    move = partial(path, cls, lr=1.0, beta1=betas[0], beta2=betas[1], eps=1e-300)

    @few
    @given(histories(steps=60, size=2, least=1e-9, most=1e9))
    def check(gradients):
        steps = np.abs(np.diff(move(gradients), axis=0, prepend=0))
        assert np.all(steps <= bounds[:, None] * (1 + 1e-11))

    check()
    attained = move((growth(*betas) ** np.arange(60.0))[:, None]).ravel()
    np.testing.assert_allclose(-np.diff(attained, prepend=0), bounds, rtol=1e-10)


def after_a_quiet_time(cls, gradients, **hyper):
    """The last step in units of lr, had there been a hundred thousand gradients of 0 before: they change t alone."""
    p = tg.Tensor([0.0], requires_grad=True)
    optimizer = cls([p], lr=1.0, eps=1e-300, **hyper)
    optimizer.load_state_dict({**optimizer.state_dict(), "t": 100_000, "steps": [100_000]})
    for g in gradients:
        last = p.item()
        p.grad = np.array([g])
        optimizer.step()
    return abs(p.item() - last)


def test_the_bounds_of_the_adam_paper_are_passed():
    """Its section 2.1 has lr · (1 - beta1) / sqrt(1 - beta2) or lr, its section 7.1 has lr for Adamax."""
    growing = (0.999 / 0.9) ** np.arange(200.0)
    np.testing.assert_allclose(after_a_quiet_time(tg.Adam, [1.0]), 0.1 / np.sqrt(0.001), rtol=1e-12)  # 3.16
    np.testing.assert_allclose(after_a_quiet_time(tg.Adam, growing), 7.2703, rtol=1e-4)
    np.testing.assert_allclose(after_a_quiet_time(tg.Adam, 1.1 ** np.arange(200.0), beta2=0.99), 2.3452, rtol=1e-4)
    np.testing.assert_allclose(after_a_quiet_time(tg.Adamax, 0.999 ** np.arange(200.0)), 1.0091, rtol=1e-4)


# --- limits: one rule as a case of another (Choi et al. 2019) ------------------------------------------------------

beta, huge, none = {"beta1": 0.8}, 1e14, 1e-300
LIMITS = [  # one rule, and what it is then; the relative difference allowed, 0 for bit by bit
    (tg.Adam, {"beta1": 0, "beta2": 0, "eps": none}, tg.SignSGD, {}, 1e-14),
    (tg.NAdam, {"beta1": 0, "beta2": 0, "eps": none}, tg.SignSGD, {}, 1e-14),
    (tg.Adamax, {"beta1": 0, "beta2": 0, "eps": none}, tg.SignSGD, {}, 1e-14),
    (tg.RMSprop, {"rho": 0, "eps": none}, tg.SignSGD, {}, 1e-14),
    (tg.Signum, {"beta": 0}, tg.SignSGD, {}, 0),
    (tg.Lion, {"beta1": 0, "beta2": 0.95}, tg.SignSGD, {}, 0),
    (tg.Lion, {"beta1": 0.8, "beta2": 0.8}, tg.Signum, {"beta": 0.8}, 0),
    (tg.HeavyBall, {"momentum": 0}, tg.SGD, {}, 0),
    (tg.Nesterov, {"momentum": 0}, tg.SGD, {}, 0),
    (tg.Momentum, {"beta": 0, "bias_correction": True}, tg.SGD, {}, 0),
    (tg.ASGD, {"lambd": 0}, tg.SGD, {}, 0),
    (tg.ASGD, {"lambd": 0.5, "alpha": 0}, tg.SGD, {"l2": 0.5}, 1e-14),  # decoupled decay is l2 without memory
    (tg.Adadelta, {"eps": huge**2}, tg.SGD, {}, 1e-12),
    (tg.HeavyBall, {"lr": 0.01 * (1 - 0.8), "momentum": 0.8}, tg.Momentum, {"beta": 0.8}, 1e-13),
    (tg.Adam, {"lr": 0.01 * huge, "eps": huge, **beta}, tg.Momentum, {"beta": 0.8, "bias_correction": True}, 1e-10),
    (tg.RAdam, {**beta, "beta2": 0.5}, tg.Momentum, {"beta": 0.8, "bias_correction": True}, 1e-13),
    (tg.AdamW, {**beta, "weight_decay": 0}, tg.Adam, beta, 0),
    (tg.NAdam, {"beta1": 0}, tg.Adam, {"beta1": 0}, 1e-13),
    (tg.RMSprop, {"momentum": none}, tg.RMSprop, {}, 1e-13),
    (tg.RMSprop, {"momentum": none, "centered": True}, tg.RMSprop, {"centered": True}, 1e-13),
    (
        tg.RMSprop,
        {"lr": lambda t: 0.01 * np.sqrt(1 - 0.95**t), "rho": 0.95, "eps": none},
        tg.Adam,
        {"beta1": 0, "beta2": 0.95, "eps": none},
        1e-13,
    ),
    (
        tg.Adam,
        {"lr": lambda t: 0.01 / np.sqrt(t), "beta1": 0, "beta2": 1 - 1e-9, "eps": none},
        tg.Adagrad,
        {"eps": none},
        1e-6,
    ),
]


@pytest.mark.parametrize(("cls", "hyper", "simple", "rest", "room"), LIMITS)
@few
@given(gradients=histories())
def test_at_its_limit_a_rule_is_a_simpler_one(cls, hyper, simple, rest, room, gradients):
    got, expected = path(cls, gradients, **{"lr": 0.01, **hyper}), path(simple, gradients, **{"lr": 0.01, **rest})
    if room:
        np.testing.assert_allclose(got, expected, rtol=room, atol=room * np.abs(expected).max())
    else:
        np.testing.assert_array_equal(got, expected)


# --- what single rules promise -----------------------------------------------------------------------------------


@many
@given(size=st.floats(1e-3, 1e3), signs=st.lists(st.sampled_from([-1, 1]), min_size=30, max_size=30))
def test_adagrads_step_is_lr_over_the_root_of_t(size, signs):
    signs = np.array(signs)
    steps = -np.diff(path(tg.Adagrad, size * signs[:, None], lr=0.25, eps=1e-300).ravel(), prepend=0)
    np.testing.assert_allclose(steps, 0.25 * signs / np.sqrt(np.arange(1, 31)), rtol=1e-12)


@few
@given(histories(size=1, least=1, most=1e3))
def test_adagrads_sum_never_falls_and_its_rate_never_rises(gradients):
    p = tg.Tensor([0.0], requires_grad=True)
    optimizer, sums, rates = tg.Adagrad([p], lr=0.25), [], []
    for g in gradients[gradients != 0]:
        p.grad, before = np.array([g]), p.item()
        optimizer.step()
        sums.append(optimizer.s[0])
        rates.append((before - p.item()) / g)
    assert np.all(np.diff(sums) >= 0)
    assert np.all(np.diff(rates) <= 1e-12)


@many
@given(histories(steps=40, size=1))
def test_rprops_step_stays_in_bounds_and_rests_after_a_turn(gradients):
    p = tg.Tensor([0.0], requires_grad=True)
    optimizer, last, step = tg.Rprop([p], lr=0.5, least=0.25, most=1.0), 0.0, 0.5  # exact in binary but for 1.2
    for g in gradients.ravel():
        p.grad, before = np.array([g]), p.item()
        optimizer.step()
        turned = last * g < 0
        step = min(max(step * (0.5 if turned else 1.2 if last * g > 0 else 1), 0.25), 1)
        last = 0.0 if turned else g
        assert optimizer.d[0] == step
        np.testing.assert_allclose(p.item() - before, -np.sign(last) * step, atol=1e-14)


@few
@given(histories())
def test_amsgrads_x_never_falls_and_is_v_while_that_grows(gradients):
    p = tg.Tensor(np.zeros(4), requires_grad=True)
    optimizer, past, largest = tg.AMSGrad([p], lr=0.1, beta2=0.9), np.zeros(4), np.zeros(4)
    for g in gradients:
        p.grad = g
        optimizer.step()
        largest = np.maximum(largest, optimizer.v)
        np.testing.assert_array_equal(optimizer.x, largest)
        assert np.all(optimizer.x >= past)
        past = optimizer.x.copy()
    growing = np.sort(np.abs(gradients), axis=0)
    np.testing.assert_array_equal(path(tg.AMSGrad, growing), path(tg.Adam, growing))


def test_debiasing_undoes_amsgrads_long_memory():
    """After a gradient of 10 and 199 of 1 the divisor has fallen from 100 to 1.45, although x has risen."""
    p = tg.Tensor([0.0], requires_grad=True)
    optimizer, seen = tg.AMSGrad([p]), []
    for t, g in enumerate([10.0] + [1.0] * 199, start=1):
        p.grad = np.array([g])
        optimizer.step()
        seen.append(optimizer.x[0] / (1 - 0.999**t))
    assert np.all(np.diff(seen) < 0)
    np.testing.assert_allclose([seen[0], seen[-1]], [100, 1.447], rtol=1e-3)


@few
@given(histories(), st.integers(0, 5))
def test_asgds_answer_is_the_mean_of_the_points_after_t0(gradients, t0):
    p = tg.Tensor(np.ones(4), requires_grad=True)
    optimizer, points = tg.ASGD([p], lr=0.1, t0=t0), []
    for t, g in enumerate(gradients, start=1):
        p.grad = g
        optimizer.step()
        points.append(p.numpy())
        if t <= t0 + 2:
            np.testing.assert_array_equal(optimizer.a, p.numpy())
        np.testing.assert_allclose(
            optimizer.a, np.mean(points[t0 + 1 :] or points[-1:], axis=0), rtol=1e-12, atol=1e-10
        )
