"""The ends of the numbers: overflow, underflow, NaN and infinity, rounding, and a state that is not whole."""

from fractions import Fraction

import numpy as np
import pytest
from rules_table import CLASSES, SEPARATE, every_class, every_dtype, every_elementwise_row, every_row, two

import tinygrad_edu as tg

quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, where nothing is compiled


def single(cls, gradients, dtype=np.float32, **hyper):
    """One parameter from 0: its way, and the optimizer."""
    p = tg.Tensor(np.zeros(1, dtype), requires_grad=True)
    optimizer, points = cls([p], **hyper), []
    for g in gradients:
        p.grad = np.array([g], dtype)
        optimizer.step()
        points.append(p.item())
    return np.array(points), optimizer


# --- rounding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta2", [0.999, 0.9999, 0.99999])
def test_bias_corrections_are_computed_in_float64_even_for_float32(beta2):
    optimizer = tg.Adam([tg.Tensor(np.zeros(1, np.float32), requires_grad=True)], beta2=beta2)
    for t in (1, 2, 10, 100, 1000):
        exact = float(1 / (1 - Fraction(beta2) ** t))
        *_, c2, _ = optimizer.scalars(t, *[value for name, value in optimizer.groups[0].items() if name != "l2"])
        assert abs(c2 / exact - 1) < 1e-10
        if t < 3:  # what this is worth
            assert abs(1 / (np.float32(1) - np.float32(beta2) ** np.float32(t)) / exact - 1) > 1e-6
    points, _ = single(tg.Adam, [0.37] * 100, lr=1.0, beta2=beta2)
    np.testing.assert_allclose(-np.diff(points, prepend=0), 1, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("rho", "g"), [(0.9, 0.37), (0.95, 3.7), (0.5, 1.3)])
def test_centered_rmsprop_survives_a_constant_gradient(rho, g, momentum):
    """The variance is 0, and by rounding less: torch's has its first NaN at steps 138 and 275; ours, that moves both
    averages towards g, would have one at step 24 of the third, but for the maximum. The steps do grow."""
    points, optimizer = single(tg.RMSprop, [g] * 600, rho=rho, momentum=momentum, centered=True, lr=1e-3)
    assert np.all(np.isfinite(points))
    assert optimizer.v[0] <= np.float32(g) ** 2 * (1 + 1e-6)
    assert np.all(np.diff(points) < 0)
    assert np.all(-np.diff(points) <= 1e-3 * g / 1e-8 / (1 - momentum) * (1 + 1e-5))


EPS = {  # first step / lr at |g| = 1e-6, eps = 1e-8: outside the root; inside, 0.01 would be left of it
    tg.Adagrad: 1 / 1.01,
    tg.RMSprop: 10 / 1.1,
    tg.Adam: 1 / 1.01,
    tg.AdamW: 1 / 1.01,
    tg.AMSGrad: 1 / 1.01,
    tg.Adamax: 1 / 1.01,
    tg.NAdam: 1.0565 / 1.01,
    tg.Adadelta: 1e-6 / np.sqrt(0.1 * 1e-12 + 1e-8) * np.sqrt(1e-8),  # inside both, as it has to be there
}


@pytest.mark.parametrize("cls", EPS)
def test_where_eps_is_added(cls):
    points, _ = single(cls, [1e-6], np.float64, lr=1.0, eps=1e-8)
    np.testing.assert_allclose(-points, EPS[cls], rtol=1e-4)


# --- overflow and underflow of g · g in float32 --------------------------------------------------------------------


@quiet
@pytest.mark.parametrize(
    ("cls", "hyper"),
    [
        *[(cls, {}) for cls in (tg.Adagrad, tg.Adadelta, tg.RMSprop)],
        *[(cls, {"beta1": 0.0}) for cls in (tg.Adam, tg.AMSGrad, tg.NAdam, tg.RAdam)],
        (tg.AdamW, {"beta1": 0.0, "weight_decay": 0.0}),
    ],
)
def test_a_gradient_whose_square_overflows_stops_its_weight_for_ever(cls, hyper):
    """1e25 is a number in float32, so it passes the check; v becomes infinite, all later steps 0, and nothing NaN."""
    gradients = [1.0] * 9 + [1e25] + [1.0] * 50
    points, optimizer = single(cls, gradients, lr=0.1, **hyper)
    assert np.isinf(getattr(optimizer, "s" if cls is tg.Adagrad else "v"))
    assert points[8] < points[0] < 0
    assert np.all(points[8:] == points[8])
    points, optimizer = single(cls, gradients, np.float64, lr=0.1, **hyper)
    assert points[9] < points[8]
    assert np.isfinite(getattr(optimizer, optimizer.state[-1]))


@quiet
def test_centered_rmsprop_becomes_nan_where_the_square_overflows():
    points, _ = single(tg.RMSprop, [1.0, 1e25, 1.0], centered=True)
    assert np.isnan(points).tolist() == [False, True, True]


def test_adamax_and_the_signs_square_nothing():
    for cls in (tg.Adamax, tg.SignSGD, tg.Signum, tg.Lion, tg.Rprop):
        for size in (1e-30, 1e30):
            hyper = {"eps": 1e-45} if cls is tg.Adamax else {}
            points, _ = single(cls, [size] * 3, lr=0.25, **hyper)
            np.testing.assert_allclose(points[0], -0.25, rtol=1e-6)


@pytest.mark.parametrize(("cls", "hyper"), [(tg.Adagrad, {}), (tg.RMSprop, {}), (tg.Adam, {}), (tg.AMSGrad, {})])
def test_a_gradient_whose_square_underflows_is_divided_by_eps_alone(cls, hyper):
    """1e-24 squared is 0 in float32: a step of lr · 1e-24 / eps, where float64 still takes a whole one."""
    optimizer = single(cls, [1e-24], eps=1e-30, lr=1e-3)[1]
    assert getattr(optimizer, optimizer.state[-1])[0] == 0
    np.testing.assert_allclose(single(cls, [1e-24], eps=1e-30, lr=1e-3)[0], -1e-3 * 1e-24 / 1e-30, rtol=1e-5)
    np.testing.assert_allclose(single(cls, [1e-24], eps=1e-8, lr=1e-3)[0], -1e-19, rtol=1e-5)
    whole = 10 if cls is tg.RMSprop else 1
    step = 1e-3 * whole / (1 + 1e-30 / (1e-24 / whole))  # eps beside the root
    np.testing.assert_allclose(single(cls, [1e-24], np.float64, eps=1e-30, lr=1e-3)[0], -step, rtol=1e-9)


def test_averages_of_zeros_end_at_the_smallest_numbers_and_harm_nothing():
    """0.9 · v rounds up to v in the end: a dead unit keeps subnormal numbers, which are slow but do no harm."""
    points, optimizer = single(tg.HeavyBall, [1.0] + [0.0] * 1100, lr=0.1, momentum=0.9)
    assert 0 < optimizer.v[0] < np.finfo(np.float32).tiny
    assert np.all(points[300:] == points[300])
    np.testing.assert_allclose(points[-1], -1, rtol=1e-6)  # 0.1 · (1 + 0.9 + 0.81 + ...)


# --- NaN and infinity --------------------------------------------------------------------------------------------


@quiet
@every_elementwise_row
def test_what_is_not_finite_stays_in_its_place(cls, reference, hyper, torch_row):
    gradients = np.random.default_rng(0).standard_normal((6, 4))
    ends = {}
    for bad in (np.nan, np.inf, -np.inf, 1.0):
        p = tg.Tensor(np.ones(4), requires_grad=True)
        optimizer = cls([p], nonfinite="propagate", **hyper)
        for t, g in enumerate(gradients):
            p.grad = np.where(np.arange(4) == 2, bad, g) if t == 3 else g
            optimizer.step()
        ends[bad] = p.numpy()
        assert optimizer.t == 6
    for bad in (np.nan, np.inf, -np.inf):
        np.testing.assert_array_equal(ends[bad][[0, 1, 3]], ends[1.0][[0, 1, 3]])
    assert np.isnan(ends[np.nan][2])


def frozen_state(optimizer, params):
    state = optimizer.state_dict()
    return {**state, **{f"p{i}": p.numpy() for i, p in enumerate(params)}}


@quiet
@every_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@every_class
def test_a_gradient_that_is_not_finite_is_refused_with_its_place_and_changes_nothing(cls, bad, dtype):
    params = [tg.Tensor(np.ones((2, 3), dtype), requires_grad=True, name=name) for name in ("W", "U")]
    optimizer = cls([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.5}], l2=0.1)
    good = np.random.default_rng(0).standard_normal((2, 3)).astype(dtype)

    def set_gradients(first, second):
        params[0].grad, params[1].grad = first, second

    set_gradients(good, good)
    optimizer.step()
    before = frozen_state(optimizer, params)
    wrong = good.copy()
    wrong[1, 2] = wrong[1, 0] = bad
    set_gradients(good, wrong)
    with pytest.raises(ValueError, match=rf"gradient of U holds {bad} at \[1, 0\], 2 of its 6 numbers are not finite"):
        optimizer.step()
    after = frozen_state(optimizer, params)
    for key in before:
        np.testing.assert_array_equal(after[key], before[key], err_msg=key)
    set_gradients(good, good)
    optimizer.step()  # goes on as if nothing had been
    assert optimizer.t == 2
    other = [tg.Tensor(np.ones((2, 3), dtype), requires_grad=True) for _ in "WU"]
    straight = cls([{"params": [other[0]]}, {"params": [other[1]], "lr": 0.5}], l2=0.1)
    for _ in range(2):
        other[0].grad = other[1].grad = good
        straight.step()
    for p, q in zip(params, other):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@quiet
@every_class
def test_skipping_counts_and_changes_nothing(cls):
    def end(nonfinite, *gradients):
        a, b = two()
        optimizer = cls([a, b], nonfinite=nonfinite)
        for g in gradients:
            a.grad, b.grad = np.array([1.0, g]), np.array([2.0])
            optimizer.step()
        return optimizer, np.concatenate([a.numpy(), b.numpy()])

    skipping, got = end("skip", 1.0, np.nan, -2.0, np.inf, -np.inf, 3.0)
    straight, expected = end("raise", 1.0, -2.0, 3.0)
    np.testing.assert_array_equal(got, expected)
    assert (skipping.skipped, skipping.t, straight.skipped, straight.t) == (3, 3, 0, 3)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match='nonfinite = \'never\', but it has to be "raise", "skip" or "propagate"'):
        tg.SGD([tg.Tensor([1.0], requires_grad=True)], lr=0.1).nonfinite = "never"
    with pytest.raises(ValueError, match='nonfinite = \'ignore\', but it has to be "raise", "skip" or "propagate"'):
        tg.SGD(two(), nonfinite="ignore")


def test_a_gradient_that_is_not_finite_does_not_matter_where_it_is_not_used():
    a, b = two()
    optimizer = tg.SGD([a, b], lr=0.5)
    optimizer.freeze("b")
    a.grad, b.grad = np.ones(2), np.array([np.nan])
    optimizer.step()
    assert a.numpy().tolist() == [0.5, 1.5]


# --- a state that is not whole -----------------------------------------------------------------------------------


def test_without_t_or_the_moments_the_next_step_would_be_wrong_so_such_a_state_is_refused():
    """Adam's step under a constant gradient is lr. With t lost it would be 0.40 lr, with the averages lost 2.5 lr."""
    _, trained = single(tg.Adam, [1.0] * 1000, np.float64, lr=1.0)
    whole = trained.state_dict()

    def next_step(**changed):
        p = tg.Tensor([0.0], requires_grad=True)
        optimizer = tg.Adam([p])
        optimizer.load_state_dict({**whole, **changed})
        p.grad = np.array([1.0])
        optimizer.step()
        return -p.item()

    zero = np.zeros(1)
    np.testing.assert_allclose(next_step(), 1, rtol=1e-6)
    np.testing.assert_allclose(next_step(t=0, steps=[0]), 0.398, atol=1e-3)
    np.testing.assert_allclose(next_step(m=zero, v=zero), 2.515, atol=1e-3)
    p = tg.Tensor([0.0], requires_grad=True)
    optimizer = tg.Adam([p])
    for key in ("t", "steps", "m", "v", "frozen", "group0.beta2"):
        with pytest.raises(ValueError, match=f"this state is not whole: it has no {key}"):
            optimizer.load_state_dict({name: value for name, value in whole.items() if name != key})
    assert optimizer.t == 0
    assert not optimizer.m.any()


# --- hyper-parameters at their ends ----------------------------------------------------------------------------------


NONE_YET = (  # nothing was won; lr is inside, or a weight
    *((tg.COCOB, "r"), (tg.LARS, "v"), (tg.ScheduleFree, "s"), (tg.ScheduleFreeAdamW, "s")),
)


@every_row
def test_lr_0_moves_nothing_but_the_averages(cls, reference, hyper, torch_row):
    p = tg.Tensor([1.0, -2.0], requires_grad=True)
    if cls is tg.Rprop:
        hyper = {**hyper, "least": 1e-300}  # lr is the first step, and least the shortest
    optimizer = cls([p], lr=0, **hyper)
    for _ in range(3):
        p.grad = np.array([3.0, -0.5]) * (optimizer.t + 1)
        optimizer.step()
    assert p.numpy().tolist() == [1, -2]
    assert optimizer.t == 3
    for name in optimizer.state:
        assert np.all(getattr(optimizer, name)) or (cls, name) in NONE_YET or cls not in SEPARATE, name


BAD = {  # value: the hyper-parameters that may not have it
    -0.1: "all",
    float("nan"): "all",
    float("inf"): "all",
    1.0: "momentum dampening beta beta1 beta2 beta3 rho down up",
    0.0: "eps least most down up gamma d",
    0.9999999999999999: "up",
}


@every_class
def test_every_hyper_parameter_is_checked(cls):
    known = {**cls(two()).groups[0]}
    for value, names in BAD.items():
        for name in known:
            if names == "all" or name in names.split():
                with pytest.raises(ValueError, match=rf"^{name} = "):
                    cls(two(), **{name: value})
                if name != "bias_correction":
                    a, b = two()
                    with pytest.raises(ValueError, match=rf"^{name} = "):
                        cls([{"params": [a]}, {"params": [b], name: value}])
    for name in known:
        for wrong in ("0.1", None, [0.1], 1j):
            with pytest.raises(TypeError, match=rf"^{name} is a number, got {type(wrong).__name__}"):
                cls(two(), **{name: wrong})
    with pytest.raises(ValueError, match=f"{cls.__name__} has no 'rate'; it has lr, l2"):
        cls([{"params": two(), "rate": 1.0}])
    with pytest.raises(TypeError, match="unexpected keyword argument 'rate'"):
        cls(two(), rate=1.0)


@every_dtype
def test_hyper_parameters_at_the_ends_of_their_ranges_are_taken(dtype):
    ends = {"momentum": 0, "beta": 0, "beta1": 0, "beta2": 0, "rho": 0, "l2": 0, "weight_decay": 0, "lr_decay": 0}
    ends |= {"eps": 1e-45, "lr": 0, "lambd": 0, "alpha": 0, "t0": 0, "momentum_decay": 0}
    ends |= {"optimism": 0, "nu": 0, "nu1": 1, "nu2": 0, "beta3": 0, "final": 0, "gamma": 1e-300}
    ends |= {"trust": 0, "power": 0, "distance": 0, "initial": 0}
    for cls in CLASSES:
        p = tg.Tensor(np.ones(2, dtype), requires_grad=True)
        plain = cls([tg.Tensor([1.0], requires_grad=True)]).groups[0]
        optimizer = cls([p], **{name: value for name, value in ends.items() if name in plain})
        for g in ([0, 1], [0, -1], [0, 0]):
            p.grad = np.array(g, dtype)
            optimizer.step()
        assert np.all(np.isfinite(p.numpy())), cls
