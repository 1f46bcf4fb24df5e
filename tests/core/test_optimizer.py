"""The base of all optimizers: the step, missing gradients, groups, schedules, checks, saving and loading."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from rules_table import ELEMENTWISE, SEPARATE, every_class, every_row, problem, run, two

import tinygrad_edu as tg
from tinygrad_edu.extras import kernels

passed_over = pytest.mark.filterwarnings("ignore:no gradient came to")


@passed_over
@every_class
def test_a_parameter_without_a_gradient_stays_and_starts_at_its_own_first_step(cls):
    """As in torch: the late parameter's first step is that of a new optimizer."""
    if cls not in SEPARATE:
        return  # it has learned from the others
    a, b = two()
    optimizer = cls([a, b], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (a * a).sum().backward()
        optimizer.step()
    assert b.item() == 3
    assert optimizer.t == 5
    fresh = tg.Tensor([3.0], requires_grad=True)
    new = cls([fresh], lr=0.1)
    for factor in (2, -3, 1):
        optimizer.zero_grad()
        (a.sum() + b * factor).sum().backward()
        optimizer.step()
        fresh.grad = np.array([float(factor)])
        new.step()
        assert b.item() == fresh.item()


@passed_over
def test_the_steps_of_each_parameter_are_saved_and_a_schedule_counts_the_optimizers():
    def run(resume):
        a, b = two()
        rates = []
        optimizer = tg.Adam([a, b], lr=lambda t: rates.append(t) or 0.1 / t)
        for t in range(1, 6):
            if resume and t == 4:
                state = optimizer.state_dict()
                optimizer = tg.Adam([a, b], lr=optimizer.groups[0]["lr"])
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (a.sum() + b.sum() * t if t > 2 else a.sum()).backward()
            optimizer.step()
        return a.numpy(), b.numpy(), rates

    straight, resumed = run(False), run(True)
    np.testing.assert_array_equal(straight[0], resumed[0])
    np.testing.assert_array_equal(straight[1], resumed[1])
    assert straight[2] == [1, 2, 3, 4, 5]


def test_a_schedule_out_of_range_stops_the_step_before_anything_moves():
    a, b = two()
    optimizer = tg.SGD([{"params": [a]}, {"params": [b], "lr": lambda t: -1.0}], lr=0.5)
    (a.sum() + b).sum().backward()
    with pytest.raises(ValueError, match="lr = -1"):
        optimizer.step()
    assert a.numpy().tolist() == [1, 2]
    assert optimizer.t == 0


def test_a_gradient_of_another_shape_is_refused():
    a, _ = two()
    with pytest.raises(ValueError, match=r"a \(2,\) was given a gradient of shape \(3,\)"):
        a.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"a \(2,\) was given a gradient of shape \(2,\) and dtype <U1"):
        a.grad = np.array(["1", "2"])
    assert a.grad is None
    a.grad = [1, 2]
    a.sum().backward()
    assert a.grad.tolist() == [2, 3]
    assert a.grad.dtype == a.dtype


def test_each_kind_of_warning_is_given_once_and_hides_no_other():
    a, b = two()
    optimizer = tg.SGD([a, b])
    a.sum().backward()
    with pytest.warns(UserWarning, match="no gradient came to b"):
        optimizer.step()
    with pytest.warns(UserWarning, match="step.. used the gradient of a .2,. a second time"):
        optimizer.step()
    optimizer.step()
    a.sum().backward()
    with pytest.warns(UserWarning, match="which step.. has used already"):
        optimizer.step()


def test_loading_keeps_numbers_as_they_are_and_refuses_bad_ones_before_changing_anything():
    a, b = two()
    state = tg.HeavyBall([a, b], lr=0.25, momentum=0.9).state_dict()
    other = tg.HeavyBall([a, b], lr=1, momentum=0)
    other.load_state_dict(state)
    assert list(other.groups) == [{"lr": 0.25, "l2": 0.0, "momentum": 0.9, "dampening": 0.0}]
    schedule = tg.HeavyBall([a, b], lr=lambda t: 1.0)
    schedule.load_state_dict(state)
    assert schedule.lr == 1
    for broken, message in [
        ({**state, "group0.lr": -5.0}, "lr = -5"),
        ({k: v for k, v in state.items() if k != "v"}, "has no v"),
        ({}, "of another optimizer or model"),
    ]:
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(broken)
    assert other.lr == 0.25


@passed_over
def test_a_parameter_in_the_middle_may_be_missing():
    a, b, c = (tg.Tensor([1.0], requires_grad=True) for _ in "abc")
    optimizer = tg.Adam([a, b, c], lr=0.1)
    (a + c).sum().backward()
    optimizer.step()
    assert [round(x.item(), 6) for x in (a, b, c)] == [0.9, 1, 0.9]


def test_step_without_any_gradient_is_refused():
    a, b = two()
    optimizer = tg.SGD([a, b])
    with pytest.raises(RuntimeError, match=r"found no gradient: call loss\.backward"):
        optimizer.step()
    (a.sum() + b).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    assert a.grad is None
    with pytest.raises(RuntimeError, match="found no gradient"):
        optimizer.step()
    assert optimizer.t == 1


def test_zero_grad_starts_afresh_and_without_it_gradients_add_up():
    a, b = two()
    optimizer = tg.SGD([a, b])
    (a * 2).sum().backward()
    (a * 2).sum().backward()
    assert a.grad.tolist() == [4, 4]
    optimizer.zero_grad()
    (a * 3).sum().backward()
    assert a.grad.tolist() == [3, 3]
    assert optimizer.buffer.grad[:2].tolist() == [3, 3]


def test_a_gradient_that_the_user_sets_is_used_and_not_written_into():
    a, b = two()
    optimizer = tg.SGD([a, b], lr=0.5)
    mine = np.array([2.0, 4.0])
    a.grad, b.grad = mine, np.array([1.0])
    optimizer.step()
    assert a.numpy().tolist() == [0, 0]
    a.sum().backward()
    assert mine.tolist() == [2, 4]


@passed_over
def test_groups_have_their_own_numbers():
    a, b = two()
    optimizer = tg.AdamW([{"params": [a]}, {"params": [b], "lr": 0.5, "weight_decay": 0.0}], lr=0.1, weight_decay=0.5)
    (a.sum() * 0 + b * 0).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(a.numpy(), [0.95, 1.9], rtol=1e-15)
    assert b.item() == 3
    optimizer.zero_grad()
    b.backward()
    optimizer.step()
    np.testing.assert_allclose(b.item(), 3 - 0.5 * 0.1 / (1 - 0.9**2) / np.sqrt(0.001 / (1 - 0.999**2)), rtol=1e-6)
    with pytest.raises(ValueError, match="SGD has no 'rho'; it has lr"):
        tg.SGD([{"params": [a], "rho": 1}])
    with pytest.raises(ValueError, match='a dict with "params"'):
        tg.SGD([{"lr": 1}])


def test_lr_may_be_a_function_of_t():
    seen = []

    def schedule(t):
        seen.append(t)
        return 1 / t

    p = tg.Tensor([0.0], requires_grad=True)
    optimizer = tg.SGD([p], lr=schedule)
    for _ in range(3):
        p.grad = np.array([1.0])
        optimizer.step()
    np.testing.assert_allclose(p.item(), -(1 + 1 / 2 + 1 / 3), rtol=1e-15)
    assert seen == [1, 2, 3]
    assert optimizer.lr == 1 / 4
    assert "lr = a function of t" in optimizer.equation()
    optimizer.lr = lambda t: -1
    with pytest.raises(ValueError, match="lr = -1"):
        optimizer.step()


def test_lr_can_be_read_and_set_for_all_groups():
    a, b = two()
    optimizer = tg.SGD([{"params": [a], "lr": 1.0}, {"params": [b]}], lr=2.0)
    assert optimizer.lr == 1
    optimizer.lr = 0.25
    assert [group["lr"] for group in optimizer.groups] == [0.25, 0.25]


@pytest.mark.parametrize(
    ("cls", "hyper", "error", "message"),
    [
        (tg.SGD, {"lr": -1}, ValueError, "lr = -1, but it has to be a finite number, at least 0"),
        (tg.SGD, {"lr": float("nan")}, ValueError, "lr = nan"),
        (tg.SGD, {"lr": float("inf")}, ValueError, "lr = inf"),
        (tg.SGD, {"lr": "fast"}, TypeError, "lr is a number, got str"),
        (tg.HeavyBall, {"momentum": 1}, ValueError, "momentum = 1, but it has to be at least 0 and below 1"),
        (tg.Momentum, {"beta": -0.1}, ValueError, "beta = -0.1"),
        (tg.Momentum, {"bias_correction": 3}, ValueError, "True or False"),
        (tg.Adam, {"beta2": 1.5}, ValueError, "beta2 = 1.5"),
        (tg.Adam, {"eps": 0}, ValueError, "eps = 0"),
        (tg.RMSprop, {"rho": 1.0}, ValueError, "rho = 1.0"),
        (tg.Adagrad, {"lr_decay": -1}, ValueError, "lr_decay = -1"),
        (tg.AdamW, {"weight_decay": -1}, ValueError, "weight_decay = -1"),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(cls, hyper, error, message):
    with pytest.raises(error, match=message):
        cls(two(), **hyper)


def test_an_eps_that_vanishes_in_float32_is_refused():
    with pytest.raises(ValueError, match="also in the parameters' dtype"):
        tg.Adam([tg.Tensor(np.ones(1, np.float32), requires_grad=True)], eps=1e-60)


def test_parameters_may_be_given_in_every_usual_way():
    ways = (lambda m: m, tg.Layer.parameters, tg.Layer.named_parameters, lambda m: iter(m.parameters()))
    for give in ways:
        assert tg.SGD(give(tg.mlp([2, 3, 1], rng=0))).names == ["layers.0.W", "layers.0.b", "layers.2.W", "layers.2.b"]
    assert tg.SGD([tg.Tensor([1.0], requires_grad=True), *two()]).names == ["parameter0", "a", "b"]
    assert tg.SGD(tg.Tensor([1.0], requires_grad=True)).names == ["parameter0"]


def test_a_nan_stays_in_its_place():
    for cls in ELEMENTWISE:
        p = tg.Tensor([1.0, 1.0, 1.0], requires_grad=True)
        optimizer = cls([p], lr=0.1, nonfinite="propagate")
        p.grad = np.array([1.0, np.nan, 1.0])
        optimizer.step()
        assert np.isnan(p.numpy()).tolist() == [False, True, False]


# --- saving --------------------------------------------------------------------------------------------------------


@every_row
def test_a_resumed_run_is_bit_identical(cls, reference, hyper, torch_row, tmp_path):
    p0, gradients, rates = problem(40)
    p = tg.Tensor(p0, requires_grad=True, name="p")
    straight = run(cls([p], **hyper), p, gradients, rates)

    p = tg.Tensor(p0, requires_grad=True, name="p")
    first = cls([p], **hyper)
    run(first, p, gradients[:17], rates[:17])
    np.savez(tmp_path / "state.npz", p=p.numpy(), **first.state_dict())
    with np.load(tmp_path / "state.npz") as saved:
        q = tg.Tensor(saved["p"], requires_grad=True, name="p")
        variant = {name: hyper[name] for name in ("centered", "momentum") if name in hyper}
        second = cls([q], **variant)  # else the defaults: the saved numbers replace them
        second.load_state_dict(saved)
    assert second.t == 17
    np.testing.assert_array_equal(run(second, q, gradients[17:], rates[17:]), straight[17:])


def test_the_state_is_arrays_and_numbers_and_names_what_does_not_fit():
    model = tg.mlp([2, 3, 1], rng=0)
    state = tg.Adam(model).state_dict()
    assert all(isinstance(value, (np.ndarray, int, float)) for value in state.values())
    for other, here, there in [
        (tg.AdamW(model), "adamw in float64", "adam in float64"),
        (tg.Adam(tg.mlp([2, 4, 1], rng=0)), r"layers.0.W \(2, 4\)", r"layers.0.W \(2, 3\)"),
        (tg.Adam(model.parameters()[:2]), "groups of 2", "layers.2.W"),
        (tg.Adam([{"params": model.parameters()[:2]}, {"params": model.parameters()[2:]}]), "of 2, 2", "groups of 4"),
        (tg.Adam(tg.mlp([2, 3, 1], dtype=np.float32, rng=0)), "adam in float32", "adam in float64"),
    ]:
        with pytest.raises(ValueError, match=f"it has .*{there}.* where this one has .*{here}"):
            other.load_state_dict(state)


def test_an_optimizer_is_not_copied_by_accident():
    import copy

    with pytest.raises(TypeError, match=r"use copy.deepcopy..model, optimizer"):
        copy.copy(tg.SGD(two()))


def test_repr_is_short():
    assert repr(tg.SGD(two(), lr=0.5)) == "SGD(2 parameters, lr=0.5)"


def test_rprop_refuses_bounds_that_are_the_wrong_way_round():
    with pytest.raises(ValueError, match=r"least = 1 is above most = 0\.5"):
        tg.Rprop([tg.Tensor([1.0], requires_grad=True)], least=1, most=0.5)


def test_an_eps_too_large_for_float32_is_refused_without_a_warning():
    with pytest.raises(ValueError, match="also in the parameters' dtype"):
        tg.Adam([tg.Tensor(np.ones(1, np.float32), requires_grad=True)], eps=1e39)


# --- what must not go wrong silently ---------------------------------------------------------------------------------


def test_flat_arrays_are_written_into_and_never_replaced():
    """A kernel that was given another array would read and write out of bounds."""
    optimizer = tg.HeavyBall(two())
    for owner, name in [(optimizer, "v"), (optimizer.buffer, "data"), (optimizer.buffer, "grad")]:
        with pytest.raises(AttributeError):
            setattr(owner, name, np.zeros(1))
    with pytest.raises(AttributeError, match="this rmsprop has no b"):
        tg.RMSprop(two()).b  # noqa: B018
    a, b = optimizer.params
    a.grad, b.grad = np.ones(2), np.ones(1)
    optimizer.step()
    optimizer.v[:] = 0
    optimizer.step()
    assert optimizer.v.tolist() == [1, 1, 1]


def test_a_group_is_changed_by_assigning_what_is_checked():
    a, b = two()
    optimizer = tg.SGD([{"params": [a]}, {"params": [b]}], lr=0.5)
    with pytest.raises(TypeError):
        optimizer.groups[0] = {"lr": 1.0}
    with pytest.raises(ValueError, match="lr = nan"):
        optimizer.groups[0]["lr"] = float("nan")
    with pytest.raises(TypeError, match="lr is a number, got str"):
        optimizer.groups[1].update(lr="x")
    with pytest.raises(ValueError, match="SGD has no 'rate'"):
        optimizer.groups[0]["rate"] = 1.0
    optimizer.groups[1]["lr"] = 0.25
    a.grad, b.grad = np.ones(2), np.ones(1)
    optimizer.step()
    assert (a.numpy().tolist(), b.item()) == ([0.5, 1.5], 2.75)


def test_numpy_numbers_are_computed_with_in_float64():
    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = tg.Adam([p], lr=np.float32(0.5), beta2=np.float32(0.999))
    assert type(optimizer.groups[0]["beta2"]) is float
    assert optimizer.scalars(1, *[x for name, x in optimizer.groups[0].items() if name != "l2"])[6] == 1 / (
        1 - float(np.float32(0.999))
    )
    with pytest.raises(TypeError, match="got complex64"):
        optimizer.lr = np.complex64(1)


def test_rmsprop_takes_momentum_from_any_group_and_not_later():
    a, b = two()
    optimizer = tg.RMSprop([{"params": [a], "momentum": 0.9}, {"params": [b]}], lr=0.1)
    assert optimizer.kernel is kernels.rmsprop_momentum
    plain = tg.RMSprop(tg.Tensor([1.0], requires_grad=True))
    plain.groups[0]["momentum"] = 0.9
    plain.params[0].grad = np.ones(1)
    with pytest.raises(ValueError, match="this RMSprop was made without"):
        plain.step()


def test_gradients_that_are_swapped_arrive_as_they_were():
    a, b = (tg.Tensor([0.0], requires_grad=True) for _ in "ab")
    optimizer = tg.SGD([a, b], lr=1.0)
    (a + 4 * b).sum().backward()
    a.grad, b.grad = b.grad, a.grad
    optimizer.step()
    assert (a.item(), b.item()) == (-4, -1)


def test_the_mean_of_asgd_is_p_also_where_there_was_no_update():
    a, b = two()
    optimizer = tg.ASGD([a, b], lr=0.1, t0=0)
    optimizer.freeze("b")
    a.grad, b.grad = np.ones(2), np.ones(1)
    optimizer.step()
    np.testing.assert_array_equal(optimizer.a, optimizer.buffer.data)


@pytest.mark.parametrize(("key", "value"), [("v", np.zeros(1)), ("v", np.zeros(2)), ("steps", np.zeros(3, int))])
def test_a_state_of_another_shape_is_refused_before_anything_changes(key, value):
    optimizer = tg.Adam(two())
    state = {**optimizer.state_dict(), "m": np.ones(3), key: value}
    with pytest.raises(ValueError, match=f"{key} has shape"):
        optimizer.load_state_dict(state)
    assert optimizer.m.tolist() == [0, 0, 0]


def test_names_that_several_parameters_have_are_told_apart():
    one, other = tg.mlp([2, 1], rng=0), tg.mlp([2, 1], rng=0)
    optimizer = tg.SGD([{"params": one}, {"params": other}])
    assert optimizer.names == ["group0.layers.0.W", "group0.layers.0.b", "group1.layers.0.W", "group1.layers.0.b"]
    assert tg.SGD([tg.Tensor([1.0], requires_grad=True, name="a") for _ in "ab"]).names == ["group0.a.0", "group0.a.1"]
    optimizer.freeze("group1")
    assert optimizer.frozen == {2, 3}
    odd = tg.SGD(tg.Tensor([1.0], requires_grad=True, name="x[1]"))
    odd.freeze("x[1]")
    assert odd.frozen == {0}


def test_all_frozen_is_said():
    a, b = two()
    optimizer = tg.SGD([a, b])
    optimizer.freeze("*")
    (a.sum() + b).sum().backward()
    with pytest.raises(RuntimeError, match="all parameters are frozen"):
        optimizer.step()


# --- a rule of one's own ----------------------------------------------------------------------------------------------


def shrink(p, g, rate, bend):
    """p <- p - rate · (g + bend)"""
    for i in range(p.size):
        p[i] -= rate * (g[i] + bend)


class Shrink(tg.Optimizer):
    kernel = staticmethod(tg.kernels.kernel(shrink))
    hyper = {"lr": 0.1, "bend": 0.0}


def test_a_rule_of_ones_own_may_have_numbers_of_its_own():
    p = tg.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = Shrink([p], lr=0.5, bend=-3.0)
    p.grad = np.array([1.0, 2.0])
    optimizer.step()
    assert p.numpy().tolist() == [2.0, 2.5]
    with pytest.raises(ValueError, match="bend = inf, but it has to be a finite number"):
        Shrink([p], bend=float("inf"))
    with pytest.raises(TypeError, match="bend is a number, got str"):
        Shrink([p], bend="a")


class Plain(tg.Optimizer):
    """Gradient descent, with its numbers as data."""

    kernel, hyper = staticmethod(tg.kernels.sgd), {"lr": 0.5}


def test_hyper_parameters_are_data_and_shown_as_a_signature():
    shown = "(params, lr=0.001, momentum=0.9, dampening=0.0, *, l2=0.0, nonfinite='raise')"
    assert str(inspect.signature(tg.HeavyBall)) == shown
    a, b = two()
    assert Plain([a, b]).lr == 0.5
    assert Plain([a, b], 0.25, l2=0.1).groups == ({"lr": 0.25, "l2": 0.1},)
    for given, named, message in [
        ((), {"momentum": 0.9}, "unexpected keyword"),
        ((0.1, 0.9), {}, "too many positional"),
    ]:
        with pytest.raises(TypeError, match=message):
            Plain([a, b], *given, **named)


def test_what_upper_rooms_add_looks_like_a_method():
    code = """
import sys, tinygrad_edu as tg
room = "tinygrad_edu.training.optimizer_tools"
before = room in sys.modules
print(before, tg.Adam.freeze.__doc__.split(" of that")[0], room in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "False Leave the parameters True\n"
