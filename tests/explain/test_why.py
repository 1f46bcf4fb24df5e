"""Optimizer.why and Optimizer.equation: what they say is what happened."""

import re

import numpy as np
import pytest
from rules_table import IDS, ROWS, every_class, every_dtype, every_row, problem, two

import tinygrad_edu as tg
from tinygrad_edu.doctor.rule_text import FUNCTIONS
from tinygrad_edu.explain.why import parts_of
from tinygrad_edu.extras import kernels

MEMORY = {  # what a rule keeps of earlier directions; without it, and without decay, a step is this gradient's doing
    tg.Momentum: "v", tg.HeavyBall: "v", tg.Nesterov: "v", tg.RMSprop: "b", tg.Signum: "m", tg.Lion: "m",
    tg.Yogi: "m", tg.QHM: "v", tg.QHAdam: "m", tg.AdaBound: "m", tg.AdaBelief: "m", tg.Adan: "md", tg.AdEMAMix: "mn",
    **dict.fromkeys([tg.Adam, tg.AdamW, tg.AMSGrad, tg.Adamax, tg.NAdam, tg.RAdam], "m"),
}  # fmt: skip
IN_THE_SCALE = (tg.AdaBelief, tg.Adan)  # they divide by what the earlier gradients are in, too
explained = [parts_of(row[0](two(), **row[2])) is not None for row in ROWS]
every_explained_row = pytest.mark.parametrize(
    ("cls", "reference", "hyper", "torch_row"),
    [row for row, known in zip(ROWS, explained) if known],
    ids=[name for name, known in zip(IDS, explained) if known],
)
SHAPES = {"W": (2, 2), "b": (3,), "s": ()}


def params(dtype=np.float64):
    rng = np.random.default_rng(1)
    return {name: tg.Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True, name=name)
            for name, shape in SHAPES.items()}  # fmt: skip


def split(g, dtype=np.float64):
    g = np.asarray(g, dtype)
    return {"W": g[:4].reshape(2, 2), "b": g[4:7], "s": g[7].reshape(())}


def places():
    return [(name, index) for name, shape in SHAPES.items() for index in np.ndindex(shape)]


def build(cls, ours, hyper):
    """Two groups: the second with another lr, and l2."""
    groups = [{"params": [ours["W"], ours["b"]]}, {"params": [ours["s"]], "lr": 0.02, "l2": 0.1}]
    return cls(groups, lr=0.01, **hyper)


@every_dtype
@every_explained_row
def test_why_says_what_happened(cls, reference, hyper, torch_row, dtype):
    ours = params(dtype)
    optimizer = build(cls, ours, hyper)
    room = {"rtol": 1e-9, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}
    for t, g in enumerate(problem(30, size=8)[1], start=1):
        before = {name: p.numpy() for name, p in ours.items()}
        state = optimizer.state_dict()
        for name, part in split(g, dtype).items():
            if name != "b" or t > 4:  # b joins late
                ours[name].grad = part
        optimizer.step()
        flat = {"p": optimizer.buffer.data, **{letter: getattr(optimizer, letter) for letter in optimizer.state}}
        flat = {letter: split(array, dtype) for letter, array in flat.items()}
        alone = without_memory(cls, hyper, state, before, g, dtype)
        for name, index in places():
            if name == "b" and t <= 4:
                continue
            why, old, new = optimizer.why(name, index), before[name][index], ours[name].numpy()[index]
            np.testing.assert_allclose([why.before, why.after, why.change], [old, new, float(new) - old], **room)
            assert why.after == new
            parts = [why.from_gradient, why.from_momentum, why.from_decay]
            np.testing.assert_allclose(sum(parts), why.change, **room)
            if cls not in IN_THE_SCALE:
                np.testing.assert_allclose(why.from_gradient + why.from_decay, alone[name][index] - old, **room)
            np.testing.assert_allclose(-why.rate * why.direction + why.from_decay, why.change, **room)
            own = t if name != "b" else t - 4  # updates of this parameter
            if own == 1 or not {*MEMORY.get(cls, "")} & {*optimizer.state}:
                np.testing.assert_allclose(why.from_momentum, 0, **room)
            # the numbers under their letters
            gradient = split(g, dtype)[name][index] + (dtype(0.1) * old if name == "s" else 0)
            assert why.numbers["g"] == pytest.approx(gradient, rel=1e-15 if dtype == np.float64 else 1e-6)
            for letter in optimizer.state:
                assert why.numbers[letter] == flat[letter][name][index]
            group = optimizer.groups[name == "s"]
            computed = {"lr", "momentum"} if cls in (tg.Adagrad, tg.ASGD, tg.Adan, tg.HeavyBall) else set()
            for letter in {*group} & {*why.numbers} - computed:
                assert why.numbers[letter] == group[letter]
            if "c1" in why.numbers:
                assert why.numbers["c1"] == pytest.approx(1 / (1 - hyper["beta1"] ** own), rel=1e-12)
                assert why.update == f"update {own} of {cls.__name__}"


def without_memory(cls, hyper, state, before, g, dtype):
    """The parameters after this step, had there been no momentum."""
    ours = params(dtype)
    optimizer = build(cls, ours, hyper)
    optimizer.load_state_dict(state)
    for letter in {*MEMORY.get(cls, "")} & {*optimizer.state}:
        getattr(optimizer, letter)[:] = 0
    for name, part in split(g, dtype).items():
        ours[name].data = before[name]
        ours[name].grad = part
    optimizer.step()
    return {name: p.numpy() for name, p in ours.items()}


def test_why_prints_a_paragraph():
    p = tg.Tensor(1.0, requires_grad=True, name="p")
    optimizer = tg.AdamW([p], lr=0.5, weight_decay=0.5, eps=1e-12)
    p.grad = np.array(2.0)
    optimizer.step()
    text = repr(optimizer.why("p")).splitlines()
    assert text[0] == "p went from 1 to 0.25 in update 1 of AdamW: -0.75"
    assert text[1].startswith("  g = 2, m = 0.2, v = 0.004, lr = 0.5, ")
    assert text[2:5] == [
        "  change = - rate · direction - decay",
        "  rate = lr / (sqrt(c2 · v) + eps) = 0.25",
        "  direction = c1 · m = 2",
    ]
    assert re.fullmatch(r"  -0\.5 from this gradient, [+-]0 from earlier ones, which is momentum \(0%\), "
                        r"-0\.25 from weight decay", text[5])  # fmt: skip


@pytest.mark.parametrize("last", [-1.0, -10.0], ids=["momentum wins", "the gradient wins"])
def test_momentum_that_goes_against_the_gradient_has_no_share(last):
    p = tg.Tensor(1.0, requires_grad=True, name="p")
    optimizer = tg.HeavyBall([p], lr=0.5, momentum=0.9)
    for g in (4.0, last):
        p.grad = np.array(g)
        optimizer.step()
    why = optimizer.why("p")
    assert why.from_gradient > 0 > why.from_momentum
    assert repr(why).endswith("from earlier ones, which is momentum (against this gradient)")


def test_what_why_cannot_answer():
    a, b = two()
    optimizer = tg.Adam([a, b], lr=0.1)
    with pytest.raises(ValueError, match=r"no parameter is called 'c'; there are a, b"):
        optimizer.why("c")
    with pytest.raises(ValueError, match=r"a had no part in the last step: there was none"):
        optimizer.why("a", 0)
    a.grad = np.ones(2)
    optimizer.step()
    with pytest.raises(ValueError, match=r"b had no part in the last step"):
        optimizer.why("b", 0)
    for index in ((), slice(0, 1), slice(None)):
        with pytest.raises(IndexError, match=r"a has shape \(2,\), so .* is not one number of it"):
            optimizer.why("a", index)
    for index in (2, (0, 0)):
        with pytest.raises(IndexError, match=r"out of bounds|too many indices"):
            optimizer.why("a", index)
    assert optimizer.why("a", -1).after == a.numpy()[1]
    optimizer.zero_grad()
    assert optimizer.why("a", 1).change == pytest.approx(-0.1)  # the flat buffer still has the old gradient
    a.sum().backward()
    with pytest.raises(RuntimeError, match=r"a new gradient of a has arrived since the last step"):
        optimizer.why("a", 0)
    optimizer.freeze("a")
    b.grad = np.ones(1)
    optimizer.step()
    optimizer.why("b", 0)
    b.grad = np.ones(1)
    with pytest.raises(RuntimeError, match=r"a new gradient of b has arrived since the last step"):
        optimizer.why("b", 0)
    with pytest.raises(ValueError, match=r"a had no part in the last step: .* frozen"):
        optimizer.why("a", 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("nonfinite", ["raise", "skip"])
def test_after_a_refused_step_there_is_nothing_to_ask_about(nonfinite):
    a, b = two()
    optimizer = tg.Adam([a, b], lr=0.1, nonfinite=nonfinite)
    a.grad, b.grad = np.ones(2), np.ones(1)
    optimizer.step()
    assert optimizer.why("b", 0).numbers["c1"] == pytest.approx(10)
    b.grad = np.array([np.nan])
    if nonfinite == "raise":
        with pytest.raises(ValueError, match="gradient of b"):
            optimizer.step()
    else:
        optimizer.step()
    with pytest.raises(ValueError, match="had no part in the last step"):
        optimizer.why("b", 0)  # it would be told with the new gradient and the old averages
    optimizer.load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="had no part in the last step"):
        optimizer.why("a", 0)


def test_a_rule_that_forgets_its_direction_says_so():
    for cls in (tg.OptimisticGradient, tg.OptimisticAdam, tg.COCOB, tg.ADOPT, tg.LAMB):
        a, b = two()
        optimizer = cls([a, b])
        a.grad, b.grad = np.ones(2), np.ones(1)
        optimizer.step()
        with pytest.raises(RuntimeError, match=f"{cls.__name__} does not remember its last step"):
            optimizer.why("b", 0)


def test_what_left_no_trace_is_nan():
    """A decay by all of p leaves nothing of what p was; Lion with beta2 = 0 nothing of its average."""
    for cls, hyper in ((tg.AdamW, {"lr": 1.0, "weight_decay": 1.0}), (tg.Lion, {"beta2": 0.0})):
        a, b = two()
        optimizer = cls([a, b], **hyper)
        a.grad, b.grad = np.ones(2), np.ones(1)
        optimizer.step()
        why = optimizer.why("b", 0)
        assert why.after == b.item()
        assert np.isnan(why.before)
        assert "nan" in repr(why)


# --- equation() ------------------------------------------------------------------------------------------------------


def evaluate(text, p, g, state):
    """Do what the equation says, line by line, with the numbers that it shows."""
    known = {"p": np.array([p]), "g": np.array([g]), **state, **FUNCTIONS}
    known |= {name: float(value) for name, value in re.findall(r"(\w+) = ([-+.\de]+)(?:,|$)", text, re.M)}
    for target, formula in re.findall(r"^(\w+) <- (.*)$", text, re.M):
        known[target] = eval(formula.replace("·", "*"), known)
    return float(known["p"][0])


@pytest.mark.parametrize("l2", [0.0, 0.25])
@every_row
def test_the_equation_and_its_numbers_are_the_step(cls, reference, hyper, torch_row, l2):
    p = tg.Tensor([1.5], requires_grad=True)
    optimizer = cls([p], lr=lambda t: 0.3 / t, l2=l2, **hyper)
    if cls in (tg.DoG, tg.Muon, tg.Shampoo, tg.SOAP):
        return  # its rate is known when the gradient is; the equation is that of matrices
    for g in (0.7, -0.2, 0.4, 0.9, -1.5, 0.1, 0.1):
        text = optimizer.equation()
        assert ("g <- g + l2 · p" in text) == bool(l2)
        state = {name: getattr(optimizer, name).copy() for name in optimizer.state}
        expected = evaluate(text, p.item(), g, state)
        p.grad = np.array([g])
        optimizer.step()
        np.testing.assert_allclose(p.item(), expected, rtol=2e-5, atol=1e-7)  # six digits are shown


@every_class
def test_the_equation_has_the_rules_notes_and_the_groups_numbers(cls):
    a, b = two()
    alone, both = cls([a], lr=0.25).equation(), cls([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.25).equation()
    for line in cls.kernel.__doc__.splitlines():
        if "<-" in line or line.strip().startswith(("where", "note")):
            assert line.strip() in alone.splitlines()
            assert line.strip() in both.splitlines()
    assert "group" not in alone
    assert re.search(r"^lr = 0\.25", alone, re.M)
    assert re.search(r"^group 0: lr = 0\.25", both, re.M)
    assert re.search(r"^group 1: lr = 0\.5", both, re.M)
    assert "l2" not in both
    assert "l2 = 0.5" in cls([{"params": [a]}, {"params": [b], "l2": 0.5}]).equation()


@pytest.mark.parametrize(
    ("hyper", "name"),
    [
        ({}, "rmsprop"),
        ({"momentum": 0.9}, "rmsprop_momentum"),
        ({"centered": True}, "rmsprop_centered"),
        ({"centered": True, "momentum": 0.9}, "rmsprop_centered_momentum"),
    ],
)
def test_rmsprops_variants_show_the_kernel_that_runs(hyper, name):
    optimizer = tg.RMSprop(two(), **hyper)
    assert optimizer.kernel is getattr(kernels, name)
    shown = [line for line in optimizer.equation().splitlines() if "<-" in line]
    assert shown == [line.strip() for line in getattr(kernels, name).__doc__.splitlines() if "<-" in line]


def test_a_parameter_that_changed_since_the_step_is_refused():
    p = tg.Tensor([1.0], requires_grad=True, name="p")
    optimizer, other = tg.SGD([p], lr=0.1), tg.Adam([p])
    average = tg.WeightAverage(optimizer)
    for change in (lambda: setattr(p, "data", [5.0]), other.step, average.__enter__):
        p.grad = np.ones(1)
        optimizer.step()
        average.update()
        assert optimizer.why("p", 0).rate == 0.1
        change()
        with pytest.raises(RuntimeError, match="p has been changed since the last step"):
            optimizer.why("p", 0)
