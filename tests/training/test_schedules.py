"""Schedules against their closed forms at the corners, against torch over hundreds of steps, and alone: composed, in
any order of t, copied, resumed."""

import copy
import inspect
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import schedules
from tinygrad_edu.training.schedules import (
    constant,
    cosine,
    cosine_restarts,
    cyclical,
    delayed,
    exponential,
    inverse_sqrt,
    linear_warmup,
    multiplicative,
    multistep,
    noam,
    one_cycle,
    polynomial,
    schedule,
    sequence,
    step,
)

# schedule, {t: rate}, and torch's: (scheduler, arguments, updates to compare)
ROWS = [
    (constant(0.3), {1: 0.3, 9: 0.3, 10**9: 0.3}, ("ConstantLR", {"factor": 1}, 300)),
    (
        constant(0.3, steps=50, factor=0.25),
        {1: 0.075, 50: 0.075, 51: 0.3, 10**9: 0.3},
        ("ConstantLR", {"factor": 0.25, "total_iters": 50}, 300),
    ),
    (
        step(0.3, steps=7, factor=0.5),
        {1: 0.3, 7: 0.3, 8: 0.15, 14: 0.15, 15: 0.075, 10**9: 0},
        ("StepLR", {"step_size": 7, "gamma": 0.5}, 300),
    ),
    (
        multistep(0.3, milestones=[1, 40, 41, 200], factor=0.2),
        {1: 0.3, 2: 0.06, 40: 0.06, 41: 0.012, 42: 0.0024, 200: 0.0024, 201: 0.00048, 10**9: 0.00048},
        ("MultiStepLR", {"milestones": [1, 40, 41, 200], "gamma": 0.2}, 300),
    ),
    (exponential(0.3, factor=0.97), {1: 0.3, 2: 0.291, 10**9: 0}, ("ExponentialLR", {"gamma": 0.97}, 300)),
    (
        multiplicative(0.3, by=lambda t: 1 - 1 / (t + 4)),  # 5/6 · 6/7 · ... · (t + 3) / (t + 4)
        {1: 0.3, 2: 0.3 * 5 / 6, 6: 0.3 * 5 / 10, 1996: 0.3 * 5 / 2000, 3: 0.3 * 5 / 7},
        ("MultiplicativeLR", {"lr_lambda": lambda e: 1 - 1 / (e + 5)}, 300),
    ),
    (
        polynomial(0.3, steps=200, power=1.7),
        {1: 0.3, 101: 0.3 * 0.5**1.7, 200: 0.3 * 0.005**1.7, 201: 0, 202: 0},
        ("PolynomialLR", {"total_iters": 200, "power": 1.7}, 300),
    ),
    (polynomial(0.3, steps=4, low=0.1), {1: 0.3, 2: 0.25, 3: 0.2, 5: 0.1, 6: 0.1}, None),
    (
        linear_warmup(0.3, steps=120, start=0.1),
        {1: 0.03, 61: 0.165, 120: 0.3 * (0.1 + 0.9 * 119 / 120), 121: 0.3, 122: 0.3},
        ("LinearLR", {"start_factor": 0.1, "total_iters": 120}, 300),
    ),
    (
        linear_warmup(0.3, steps=120, start=1, end=0.1),
        {1: 0.3, 61: 0.165, 121: 0.03, 122: 0.03},
        ("LinearLR", {"start_factor": 1, "end_factor": 0.1, "total_iters": 120}, 300),
    ),
    (linear_warmup(0.3, steps=2), {1: 0, 2: 0.15, 3: 0.3, 4: 0.3}, None),
    (linear_warmup(0.3, steps=4, start=1 / 5), {1: 0.06, 2: 0.12, 3: 0.18, 4: 0.24, 5: 0.3, 6: 0.3}, None),
    (
        cosine(0.3, steps=200, low=0.01),
        {1: 0.3, 101: 0.155, 201: 0.01, 202: 0.01, 400: 0.01},
        ("CosineAnnealingLR", {"T_max": 200, "eta_min": 0.01}, 201),
    ),
    (cosine(0.3, steps=1), {1: 0.3, 2: 0, 3: 0}, None),
    (
        cosine_restarts(0.3, steps=10, low=0.01),
        {1: 0.3, 6: 0.155, 11: 0.3, 16: 0.155, 10**9 + 1: 0.3},
        ("CosineAnnealingWarmRestarts", {"T_0": 10, "eta_min": 0.01}, 300),
    ),
    (
        cosine_restarts(0.3, steps=4, growth=3),  # periods of 4, 12, 36, ... from t = 1, 5, 17, 53
        {1: 0.3, 3: 0.15, 5: 0.3, 11: 0.15, 17: 0.3, 35: 0.15, 52: 0.15 * (1 + math.cos(math.pi * 35 / 36)), 53: 0.3},
        ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 3}, 300),
    ),
    (cosine_restarts(0.3, steps=1), {1: 0.3, 2: 0.3, 3: 0.3}, None),
    (
        inverse_sqrt(0.3),
        {1: 0.3, 4: 0.15, 9: 0.1, 10**8: 0.3e-4},
        ("LambdaLR", {"lr_lambda": lambda e: 1 / math.sqrt(e + 1)}, 300),
    ),
    (
        noam(0.3, width=16, warmup=25),
        {1: 0.3 / 4 / 125, 5: 0.3 / 4 / 25, 25: 0.3 / 4 / 5, 100: 0.3 / 4 / 10},
        ("LambdaLR", {"lr_lambda": lambda e: 16**-0.5 * min((e + 1) ** -0.5, (e + 1) * 25**-1.5)}, 300),
    ),
    (noam(), {4000: 1 / math.sqrt(512 * 4000)}, None),
    (
        one_cycle(0.3, steps=201),
        {1: 0.012, 201: 0.012e-4, 202: 0.012e-4, 999: 0.012e-4},
        ("OneCycleLR", {"max_lr": 0.3, "total_steps": 201, "cycle_momentum": False}, 201),
    ),
    (
        one_cycle(0.3, steps=200, rise=0.25, div=10, final_div=3),
        {1: 0.03, 50: 0.3, 125: 0.155, 200: 0.01, 201: 0.01},
        (
            "OneCycleLR",
            {"max_lr": 0.3, "total_steps": 200, "pct_start": 0.25, "div_factor": 10, "final_div_factor": 3}
            | {"cycle_momentum": False},
            200,
        ),
    ),
    (
        one_cycle(0.3, steps=200, rise=0.25, div=10, final_div=3, linear=True),
        {1: 0.03, 50: 0.3, 125: 0.155, 200: 0.01, 201: 0.01},
        (
            "OneCycleLR",
            {"max_lr": 0.3, "total_steps": 200, "pct_start": 0.25, "div_factor": 10, "final_div_factor": 3}
            | {"cycle_momentum": False, "anneal_strategy": "linear"},
            200,
        ),
    ),
    (
        one_cycle(0.3, steps=200, rise=0.25, div=10, final_div=3, three_phase=True),
        {1: 0.03, 50: 0.3, 99: 0.03, 200: 0.01, 201: 0.01},
        (
            "OneCycleLR",
            {"max_lr": 0.3, "total_steps": 200, "pct_start": 0.25, "div_factor": 10, "final_div_factor": 3}
            | {"cycle_momentum": False, "three_phase": True},
            200,
        ),
    ),
    (
        one_cycle(0.3, steps=201, rise=0.4, linear=True, three_phase=True),
        {1: 0.012, 201: 0.012e-4, 999: 0.012e-4},
        (
            "OneCycleLR",
            {"max_lr": 0.3, "total_steps": 201, "pct_start": 0.4, "cycle_momentum": False}
            | {"anneal_strategy": "linear", "three_phase": True},
            201,
        ),
    ),
    (one_cycle(0.3, steps=10, rise=0.1), {1: 0.3, 10: 0.012e-4}, None),  # the top is the first update
    (one_cycle(0.3, steps=1), {1: 0.012e-4, 2: 0.012e-4}, None),
    (
        cyclical(0.3, steps=20, low=0.1),
        {1: 0.1, 11: 0.2, 21: 0.3, 31: 0.2, 41: 0.1, 61: 0.3, 40 * 10**6 + 21: 0.3},
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.3, "step_size_up": 20, "cycle_momentum": False}, 300),
    ),
    (
        cyclical(0.3, steps=20, low=0.1, factor=0.5),
        {1: 0.1, 21: 0.3, 41: 0.1, 61: 0.2, 101: 0.15, 121: 0.1},
        (
            "CyclicLR",
            {"base_lr": 0.1, "max_lr": 0.3, "step_size_up": 20, "mode": "triangular2", "cycle_momentum": False},
            300,
        ),
    ),
    (
        cyclical(0.3, steps=20, low=0.1, down=60, decay=0.99),
        {1: 0.1, 11: 0.1 + 0.1 * 0.99**10, 21: 0.1 + 0.2 * 0.99**20, 51: 0.1 + 0.1 * 0.99**50, 81: 0.1},
        (
            "CyclicLR",
            {"base_lr": 0.1, "max_lr": 0.3, "step_size_up": 20, "step_size_down": 60, "mode": "exp_range"}
            | {"gamma": 0.99, "cycle_momentum": False},
            300,
        ),
    ),
    (sequence([constant(0.3)], []), {1: 0.3, 9: 0.3}, None),
    (
        sequence([constant(0.1), exponential(0.3, 0.5), constant(0.2)], [2, 5]),
        {1: 0.1, 2: 0.1, 3: 0.3, 4: 0.15, 5: 0.075, 6: 0.2, 99: 0.2},
        None,
    ),
    (delayed(exponential(0.3, 0.5), steps=3), {1: 0.3, 3: 0.3, 4: 0.3, 5: 0.15, 6: 0.075}, None),
]
IDS = [repr(row[0]) for row in ROWS]
ALONE = [row[0] for row in ROWS if row[0].make is not multiplicative]  # which has all products so far
every = pytest.mark.parametrize("lr", ALONE, ids=map(repr, ALONE))


def test_every_schedule_of_the_module_has_a_row():
    made = {name for name, value in vars(schedules).items() if hasattr(value, "__wrapped__") and name[0] != "_"}
    assert {row[0].make.__name__ for row in ROWS} == made


def test_the_page_has_them_all_in_its_table_and_its_picture():
    page = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)\((.+?)\)` \|", page, re.M))
    assert set(table) == {row[0].make.__name__ for row in ROWS}
    for name, arguments in table.items():
        given = eval(f"dict({', '.join(part if '=' in part else part + '=None' for part in arguments.split(', '))})")
        theirs = inspect.signature(vars(schedules)[name]).parameters.values()
        assert given == {p.name: None if p.default is p.empty else p.default for p in theirs}
    drawn = page.partition("chosen = [")[2].partition("\n... ]")[0]
    assert set(re.findall(r"(\w+)\(", drawn)) == set(table) | {"inverse_time"}


@pytest.mark.parametrize(("lr", "expected"), [row[:2] for row in ROWS], ids=IDS)
def test_the_closed_form_at_its_corners(lr, expected):
    assert [lr(t) for t in expected] == pytest.approx(list(expected.values()), rel=1e-14, abs=1e-16)


@pytest.mark.oracle
@pytest.mark.parametrize(("lr", "theirs"), [row[::2] for row in ROWS if row[2]])
def test_the_rates_are_torchs(lr, theirs):
    pytest.importorskip("torch")
    name, arguments, updates = theirs
    expected = torch_rates(lambda torch, optimizer: getattr(torch, name)(optimizer, **arguments), updates)
    np.testing.assert_allclose([lr(t) for t in range(1, updates + 1)], expected, rtol=1e-14, atol=1e-17)


@pytest.mark.oracle
def test_after_its_end_torchs_cosine_rises_and_ours_does_not():
    pytest.importorskip("torch")
    theirs = torch_rates(lambda torch, optimizer: torch.CosineAnnealingLR(optimizer, T_max=20), 41)
    ours = [cosine(0.3, steps=20)(t) for t in range(1, 42)]
    assert ours[:21] == pytest.approx(theirs[:21], abs=4e-15)
    assert theirs[40] == pytest.approx(0.3)
    assert ours[21:] == [0] * 20


@pytest.mark.oracle
@pytest.mark.parametrize("warmup", [1, 30])
def test_a_warm_up_before_a_delayed_schedule_is_torchs_sequence(warmup):
    pytest.importorskip("torch")

    def sequence(torch, optimizer):
        first = torch.LinearLR(optimizer, start_factor=0.2, total_iters=warmup)
        return torch.SequentialLR(optimizer, [first, torch.ExponentialLR(optimizer, 0.97)], [warmup])

    lr = linear_warmup(delayed(exponential(0.3, factor=0.97), steps=warmup), steps=warmup, start=0.2)
    np.testing.assert_allclose([lr(t) for t in range(1, 301)], torch_rates(sequence, 300), rtol=1e-13)


@pytest.mark.oracle
def test_a_sequence_of_four_is_torchs():
    pytest.importorskip("torch")

    def theirs(torch, optimizer):
        parts = [
            torch.ConstantLR(optimizer, factor=0.1, total_iters=500),
            torch.LinearLR(optimizer, start_factor=0.2, total_iters=20),
            torch.ExponentialLR(optimizer, 0.97),
            torch.StepLR(optimizer, 7, 0.5),
        ]
        return torch.SequentialLR(optimizer, parts, [5, 40, 200])

    lr = sequence(
        [
            constant(0.3, steps=500, factor=0.1),
            linear_warmup(0.3, steps=20, start=0.2),
            exponential(0.3, factor=0.97),
            step(0.3, steps=7, factor=0.5),
        ],
        milestones=[5, 40, 200],
    )
    np.testing.assert_allclose([lr(t) for t in range(1, 301)], torch_rates(theirs, 300), rtol=1e-13)


def test_the_products_of_a_multiplicative_schedule_are_computed_once():
    asked = []
    lr = multiplicative(0.3, by=lambda t: asked.append(t) or 0.5)
    assert [lr(t) for t in (4, 2, 5, 5)] == [0.3 / 8, 0.3 / 2, 0.3 / 16, 0.3 / 16]
    assert asked == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sequence([], []), "schedules = .* a list of schedules"),
        (lambda: sequence([constant(0.1)] * 2, [3, 2]), "milestones = .* rising"),
        (lambda: sequence([constant(0.1)], [3])(1), "1 milestones are between 1 schedules"),
        (lambda: multiplicative(0.1, by=0.5), "by = 0.5, but it has to be a function of t"),
        (lambda: cyclical(0.3, 2, 0.1, down=0), "down = 0, .* at least 1, or None"),
        (lambda: cyclical(0.3, 2, 0.1, decay=1.1), "decay = 1.1, .* at most 1"),
        (lambda: one_cycle(0.3, 10, linear="x"), "linear = 'x', but it has to be True or False"),
        (lambda: one_cycle(0.3, 10, rise=0.5, three_phase=True)(1), "with three phases it has to be below 1/2"),
        (lambda: linear_warmup(0.3, 10, end=2), "end = 2, but it has to be from 0 to 1"),
        (lambda: constant(0.3, factor=0), "factor = 0, but it has to be above 0"),
        (lambda: constant(0.3, factor=True), "factor = True"),
    ],
)
def test_new_arguments_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.oracle
def test_a_warm_up_over_another_schedule_is_torchs_chain():
    pytest.importorskip("torch")

    def chain(torch, optimizer):
        first = torch.LinearLR(optimizer, start_factor=0.2, total_iters=50)
        return torch.ChainedScheduler([first, torch.ExponentialLR(optimizer, 0.97)])

    lr = linear_warmup(exponential(0.3, factor=0.97), steps=50, start=0.2)
    np.testing.assert_allclose([lr(t) for t in range(1, 301)], torch_rates(chain, 300), rtol=1e-13)


# --- what all of them are ---------------------------------------------------------------------------------------------


@every
def test_a_schedule_is_a_pure_function_of_t(lr):
    times = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 300), 2)).tolist()
    once = [lr(t) for t in range(1, 300)]
    assert [lr(t) for t in times] == [once[t - 1] for t in times]


@every
def test_a_rate_is_a_float_from_0_to_the_highest(lr):
    rates = [lr(t) for t in [*range(1, 500), 10**6, 10**9, 10**15]]
    assert all(type(rate) is float for rate in rates)
    assert min(rates) >= 0
    assert max(rates) <= 0.3 * (1 + 1e-15)


@every
def test_a_schedule_can_be_copied_pickled_hashed_and_read_back_from_its_repr(lr):
    others = [pickle.loads(pickle.dumps(lr)), copy.copy(lr), copy.deepcopy(lr), eval(repr(lr), vars(schedules).copy())]
    for other in others:
        assert other == lr
        assert hash(other) == hash(lr)
        assert [other(t) for t in range(1, 100)] == [lr(t) for t in range(1, 100)]


@every
@pytest.mark.parametrize("t", [0, -1, math.nan, "3", None])
def test_t_counts_from_1(lr, t):
    with pytest.raises(ValueError, match=f"t = {t!r}, but it counts updates from 1"):
        lr(t)


def test_a_schedule_cannot_be_changed():
    with pytest.raises(AttributeError):
        cosine(0.1, steps=10).arguments = ()
    with pytest.raises((AttributeError, TypeError)):
        cosine(0.1, steps=10).steps = 20


def test_schedules_are_equal_if_they_say_the_same():
    assert cosine(0.1, steps=10) == cosine(lr=0.1, steps=10, low=0)
    assert cosine(0.1, steps=10) != cosine(0.1, steps=11)
    assert step(0.1, steps=10) != exponential(0.1, factor=0.1)
    assert len({cosine(0.1, 10), cosine(0.1, 10), polynomial(0.1, 10)}) == 2


def test_numpy_numbers_are_taken_as_plain_ones():
    lr = cosine(np.float64(0.25), steps=np.int64(10), low=np.float32(0.125))
    assert repr(lr) == "cosine(lr=0.25, steps=10, low=0.125)"
    assert repr(multistep(1, milestones=np.array([2, 3]))) == "multistep(lr=1, milestones=(2, 3), factor=0.1)"


def test_the_signature_is_that_of_the_formula_without_t():
    assert list(inspect.signature(cosine).parameters) == ["lr", "steps", "low"]
    assert cosine.__doc__.startswith("low + (lr - low)")


# --- composition ------------------------------------------------------------------------------------------------------


def test_the_rate_of_a_schedule_may_be_a_schedule_or_any_function_of_t():
    warm = linear_warmup(cosine(0.1, steps=1000), steps=50)
    assert [warm(t) for t in (1, 26, 51, 1001)] == pytest.approx(
        [0, 0.5 * cosine(0.1, 1000)(26), cosine(0.1, 1000)(51), 0], rel=1e-14
    )
    assert linear_warmup(lambda t: t, steps=4)(3) == 0.5 * 3
    assert polynomial(lambda t: t, steps=4, low=2)(3) == 2 + (3 - 2) * 0.5
    assert repr(warm) == "linear_warmup(lr=cosine(lr=0.1, steps=1000, low=0.0), steps=50, start=0.0, end=1.0)"


@pytest.mark.parametrize("make", dict.fromkeys(row[0].make for row in ROWS if row[0].make not in (delayed, sequence)))
def test_every_schedule_takes_the_inner_rate_at_its_own_t(make):
    numbers = next(dict(row[0].arguments) for row in ROWS if row[0].make is make) | {"low": 0}
    rest = {name: numbers[name] for name in inspect.signature(make).parameters if name != "lr"}
    inner = exponential(0.3, factor=0.9)
    assert [make(lr=inner, **rest)(t) for t in range(1, 99)] == [make(lr=inner(t), **rest)(t) for t in range(1, 99)]


def test_a_delayed_schedule_holds_its_first_rate_and_then_starts_from_it():
    lr = delayed(step(0.8, steps=2, factor=0.5), steps=3)
    assert [lr(t) for t in range(1, 9)] == [0.8, 0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.2]


@schedule
def sawtooth(t, lr, teeth=2):
    return lr * (t % teeth)


def test_users_write_their_own():
    assert repr(sawtooth(0.5)) == "sawtooth(lr=0.5, teeth=2)"
    assert [sawtooth(constant(0.5))(t) for t in (1, 2, 3)] == [0.5, 0, 0.5]
    assert pickle.loads(pickle.dumps(linear_warmup(sawtooth(0.5), 3))) == linear_warmup(sawtooth(0.5), 3)


# --- in an optimizer --------------------------------------------------------------------------------------------------


def test_an_optimizer_uses_the_rate_of_the_update_that_it_makes():
    lr = linear_warmup(multistep(0.25, milestones=[4], factor=0.5), steps=2)
    p = tg.Tensor([0.0], requires_grad=True)
    optimizer, path = tg.SGD([p], lr=lr), []
    for _ in range(6):
        optimizer.zero_grad()
        p.sum().backward()
        path.append(optimizer.lr)
        optimizer.step()
    assert path == [0, 0.125, 0.25, 0.25, 0.125, 0.125]
    assert p.item() == -sum(path)


def test_a_run_that_is_resumed_goes_on_bit_for_bit():
    X, y = tg.data.moons(64, rng=0)

    def run(model, optimizer, updates):
        for _ in range(updates):
            optimizer.zero_grad()
            tg.cross_entropy(model(X), y).backward()
            optimizer.step()
        return model.state_dict(), optimizer.state_dict()

    def start():
        model = tg.mlp([2, 4, 2], rng=0)
        return model, tg.Adam(model, lr=one_cycle(0.1, steps=30))

    whole, _ = run(*start(), 30)
    half = run(*start(), 13)
    model, optimizer = start()
    model.load_state_dict(half[0])
    optimizer.load_state_dict(half[1])
    resumed, _ = run(model, optimizer, 17)
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant(-0.1), "lr = -0.1, but it has to be a finite number, at least 0, or a function of t"),
        (lambda: constant(math.nan), "lr = nan"),
        (lambda: constant(math.inf), "lr = inf"),
        (lambda: constant("0.1"), "lr = '0.1'"),
        (lambda: constant(np.array([0.1, 0.2])), "lr = array"),
        (lambda: constant(None), "lr = None"),
        (lambda: step(0.1, steps=0), "step: steps = 0, but it has to be a whole number, at least 1"),
        (lambda: step(0.1, steps=2.5), "steps = 2.5"),
        (lambda: step(0.1, steps=10.0), "steps = 10.0"),
        (lambda: step(0.1, steps=3, factor=10), "factor = 10, but it has to be above 0 and at most 1"),
        (lambda: exponential(0.1, factor=0), "factor = 0"),
        (lambda: multistep(0.1, milestones=[3, 2]), r"milestones = \[3, 2\], but it has to be rising whole numbers"),
        (lambda: multistep(0.1, milestones=[2, 2]), r"milestones = \[2, 2\]"),
        (lambda: multistep(0.1, milestones=[0, 2]), r"milestones = \[0, 2\]"),
        (lambda: multistep(0.1, milestones=[1.5]), r"milestones = \[1.5\]"),
        (lambda: multistep(0.1, milestones=30), "milestones = 30"),
        (lambda: polynomial(0.1, steps=3, power=0), "power = 0, but it has to be a finite number above 0"),
        (lambda: polynomial(0.1, steps=3, low=0.2), "polynomial: low = 0.2 is above lr = 0.1"),
        (lambda: cosine(0.1, steps=3, low=-1), "low = -1, but it has to be a finite number, at least 0"),
        (lambda: cyclical(0.1, steps=3, low=1), "low = 1 is above lr = 0.1"),
        (lambda: cosine_restarts(0.1, steps=3, growth=1.5), "growth = 1.5, but it has to be a whole number"),
        (lambda: linear_warmup(0.1, steps=3, start=2), "start = 2, but it has to be from 0 to 1"),
        (lambda: cosine(True, steps=3), "lr = True, but it has to be a finite number"),
        (lambda: cosine(0.1, steps=True), "steps = True, but it has to be a whole number"),
        (lambda: noam(width=0), "width = 0, but it has to be a whole number, at least 1"),
        (lambda: noam(warmup=0), "warmup = 0"),
        (lambda: one_cycle(0.1, steps=3, rise=1), "rise = 1, but it has to be above 0 and below 1"),
        (lambda: one_cycle(0.1, steps=3, div=0.5), "div = 0.5, but it has to be a finite number, at least 1"),
        (lambda: one_cycle(0.1, steps=3, final_div=0), "final_div = 0"),
        (lambda: delayed(0.1, steps=3), "schedule = 0.1, but it has to be a schedule or another function of t"),
    ],
)
def test_what_makes_no_schedule_is_refused_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cosine(0.1), r"cosine\(.*\): missing a required argument: 'steps'"),
        (lambda: cosine(0.1, step=3), r"cosine got an unexpected keyword argument 'step'; is it steps\?"),
        (lambda: cosine(0.1, T_max=3), r"cosine got an unexpected keyword argument 'T_max'.*steps"),
        (lambda: constant(0.1, 2, 0.5, 3), r"constant\(.*\): too many positional arguments"),
    ],
)
def test_wrong_arguments_are_a_type_error_that_shows_the_right_ones(make, message):
    with pytest.raises(TypeError, match=message):
        make()


# --- helpers ----------------------------------------------------------------------------------------------------------


def torch_rates(make, updates):
    """The rates, from 0.3, that a scheduler of torch gives an optimizer in its first updates."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler, found = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(updates):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_milestones_may_come_from_a_generator():
    assert schedules.multistep(1.0, (x for x in [1, 2]), 0.5)(3) == 0.25
