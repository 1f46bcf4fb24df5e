"""Saving and resuming: what is refused changes nothing; pickles and copies train on with the same numbers."""

import copy
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rules_table import ROWS

import tinygrad_edu as tg

RULES = [(row[0], row[2]) for row in ROWS]
X, Y = tg.data.moons(48, rng=0)
HERE = {"PYTHONPATH": str(Path(tg.__file__).parents[1])}


def made(dropout=0.0):
    model = tg.Sequential(tg.Linear(2, 6, rng=0), tg.BatchNorm1d(6), tg.Dropout(dropout, rng=1), tg.Linear(6, 2, rng=2))
    return model, tg.Adam(model, lr=0.01)


def train(model, optimizer, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        tg.cross_entropy(model(X), Y).backward()
        optimizer.step()


def numbers(model, optimizer):
    return np.concatenate([a.ravel() for a in (*model.state_dict().values(), *optimizer.averages.values())])


# --- refused means nothing changed ------------------------------------------------------------------------------------

BROKEN_OPTIMIZERS = {
    "v is words": lambda s: {"v": np.array(["a"] * s["v"].size)},
    "v is complex": lambda s: {"v": s["v"] + 1j},
    "v is masked": lambda s: {"v": np.ma.array(s["v"], mask=s["v"] > 0)},
    "v is objects": lambda s: {"v": np.array([None] * s["v"].size)},
    "v is below 0": lambda s: {"v": -1 - s["v"]},
    "v is NaN": lambda s: {"v": s["v"] * np.nan},
    "m is NaN": lambda s: {"m": s["m"] * np.nan},
    "m is shorter": lambda s: {"m": s["m"][1:]},
    "steps hold NaN": lambda s: {"steps": s["steps"] * np.nan},
    "steps below 0": lambda s: {"steps": s["steps"] - 100},
    "steps are no whole numbers": lambda s: {"steps": s["steps"] + 0.5},
    "t is a word": lambda s: {"t": "abc"},
    "t is infinite": lambda s: {"t": np.inf},
    "t below 0": lambda s: {"t": -1},
    "t is no whole number": lambda s: {"t": 1.7},
    "t is None": lambda s: {"t": None},
    "frozen is no truth": lambda s: {"frozen": s["frozen"] + 7},
    "lr is a word": lambda s: {"group0.lr": "fast"},
    "beta2 is 1": lambda s: {"group0.beta2": 1.0},
    "the layout is a number": lambda s: {"layout": 3},
}


@pytest.mark.parametrize("what", BROKEN_OPTIMIZERS)
def test_a_state_that_an_optimizer_refuses_changes_nothing(what):
    model, optimizer = made()
    train(model, optimizer)
    state = {key: np.array(value) for key, value in optimizer.state_dict().items()}
    other = {**state, "m": state["m"] * 0 + 9, "t": 99, "steps": state["steps"] + 99, "group0.lr": 0.5}
    broken = {**other, **BROKEN_OPTIMIZERS[what](state)}
    with pytest.raises((ValueError, TypeError)):
        optimizer.load_state_dict(broken)
    for key, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(value, state[key], err_msg=key)


BROKEN_MODELS = {
    "words": lambda a: np.array(["a"] * a.size).reshape(a.shape),
    "numbers as words": lambda a: a.astype(str),
    "complex": lambda a: a + 1j,
    "masked": lambda a: np.ma.array(a, mask=a == a),
    "objects": lambda a: np.array([None, {}]),
    "another shape": lambda a: a[:1],
    "ragged": lambda a: [[1.0], [2.0, 3.0]],
    "None": lambda a: None,
}


@pytest.mark.parametrize("what", BROKEN_MODELS)
def test_a_state_that_a_model_refuses_changes_nothing(what):
    model, _ = made(dropout=0.5)
    before = model.state_dict()
    model(X)
    later = model.state_dict()
    broken = {**{key: value * 0 + 9 for key, value in before.items() if key != "layers.2.rng"}}
    broken |= {"layers.2.rng": before["layers.2.rng"], "layers.3.b": BROKEN_MODELS[what](before["layers.3.b"])}
    with pytest.raises(ValueError, match=r"layers\.3\.b"):
        model.load_state_dict(broken)
    assert all(np.array_equal(value, later[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("junk", [[[1.0], [2.0, 3.0]], None, object()])
def test_what_is_unknown_and_no_array_is_said_to_be_unknown(junk):
    model, _ = made()
    with pytest.raises(ValueError, match=r"the state does not fit this model: junk is unknown$"):
        model.load_state_dict(model.state_dict() | {"junk": junk})
    assert model.load_state_dict(model.state_dict() | {"junk": junk}, strict=False) == {"junk": "junk is unknown"}


def test_numbers_that_a_dtype_cannot_hold_are_refused():
    model = tg.Linear(2, 2, dtype=np.float32, rng=0)
    state = model.state_dict()
    with pytest.raises(ValueError, match=r"W in this state holds numbers that are none of float32"):
        model.load_state_dict({**state, "W": np.full((2, 2), 1e300)})
    model.load_state_dict({**state, "W": np.full((2, 2), 0.1)})  # rounded, as always
    assert model.W.dtype == np.float32

    class Counting(tg.Layer):
        def __init__(self):
            self.count = tg.Tensor([1, 2])

    counting = Counting()
    with pytest.raises(ValueError, match="none of int64"):
        counting.load_state_dict({"count": [0.5, 1.0]})
    counting.load_state_dict({"count": [3.0, 4.0]})
    assert counting.count.numpy().tolist() == [3, 4]


def test_which_averages_are_never_negative_is_read_from_the_rule():
    from tinygrad_edu.training.states import never_negative

    p = tg.Tensor([1.0], requires_grad=True)
    found = {}
    for cls, hyper in RULES:
        optimizer = cls([p], **hyper)
        found[optimizer.kernel.__name__] = {name for name in optimizer.averages if never_negative(optimizer, name)}
    squares = {"adagrad": "s", "adadelta": "vs", "rmsprop": "v", "adam": "v", "adamw": "v", "amsgrad": "vx"}
    squares |= {"adamax": "u", "nadam": "v", "radam": "v", "rprop": "d", "cocob": "ur"}
    squares |= dict.fromkeys(["optimistic_adam", "yogi", "qhadam", "ada_bound", "adopt", "ademamix"], "v")
    squares |= dict.fromkeys(
        ["lamb", "novo_grad", "cautious_adamw", "schedule_free_adamw", "dadapt_adam", "prodigy"], "v"
    )
    squares |= {"dog": "s", "soap": "v"}
    squares |= {f"rmsprop_{variant}": "v" for variant in ("momentum", "centered", "centered_momentum")}
    assert {rule: names for rule, names in found.items() if names} == {
        rule: {*names} for rule, names in squares.items()
    }


def test_a_state_of_averages_with_nan_is_taken_where_nan_was_meant_to_go_on():
    model, optimizer = made()
    train(model, optimizer)
    state = optimizer.state_dict()
    other = tg.Adam(model, nonfinite="propagate")
    other.load_state_dict({**state, "m": state["m"] * np.nan})
    assert np.isnan(other.m).all()


def test_weight_averages_and_plateaus_refuse_whole():
    _, optimizer = made()
    average = tg.WeightAverage(optimizer)
    average.update()
    state = average.state_dict()
    for broken in ({"t": "x"}, {"t": 1.5}, {"t": -1}, {"average": np.array(["a"] * average.average.size)}):
        with pytest.raises(ValueError, match="in this state"):
            average.load_state_dict({**state, "average": state["average"] + 1, **broken})
        np.testing.assert_array_equal(average.average, state["average"])
    plateau = tg.ReduceOnPlateau(optimizer)
    for broken in ({"bad": "x"}, {"bad": 1.5}, {"resting": -1}, {"best": None}):
        with pytest.raises(ValueError, match="in this state"):
            plateau.load_state_dict({"best": 1.0, "bad": 5, "resting": 5, **broken})
        assert plateau.state_dict() == {"best": np.inf, "bad": 0, "resting": 0}


# --- resuming with random numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_training_with_dropout_goes_on_with_the_same_masks(bits):
    def one():
        model, optimizer = made(dropout=0.3)
        model[2].rng = np.random.Generator(bits(5))
        return model, optimizer

    whole, optimizer = one()
    train(whole, optimizer, 7)
    first, optimizer = one()
    train(first, optimizer, 4)
    files = [io.BytesIO() for _ in range(2)]
    np.savez(files[0], **first.state_dict())
    np.savez(files[1], **optimizer.state_dict())
    second, optimizer = one()
    for file, target in zip(files, (second, optimizer), strict=True):
        file.seek(0)
        with np.load(file) as state:
            target.load_state_dict(state)
    train(second, optimizer, 3)
    np.testing.assert_array_equal(second[0].W.numpy(), whole[0].W.numpy())


def test_a_state_without_generators_and_one_of_a_model_with_more_are_taken():
    model, _ = made(dropout=0.3)
    state = model.state_dict()
    model.load_state_dict({key: value for key, value in state.items() if key != "layers.2.rng"})  # of version 0.1.0
    plain = tg.Sequential(*(layer for layer in model.layers if not isinstance(layer, tg.Dropout)), tg.ReLU())
    plain.layers.insert(2, tg.ReLU())
    plain.load_state_dict(state)
    model[2].rng = np.random.Generator(np.random.MT19937(0))
    with pytest.raises(ValueError, match=r"layers\.2\.rng in this state is not the state of a MT19937"):
        model.load_state_dict(state)
    with pytest.raises(ValueError, match=r"layers\.2\.rng in this state is not the state"):
        model.load_state_dict({**state, "layers.2.rng": np.zeros(3)})


# --- pickle and deepcopy ----------------------------------------------------------------------------------------------


def test_a_rule_is_pickled_by_its_name_in_a_process_that_has_done_nothing_else():
    program = "import pickle, tinygrad_edu as tg; print(pickle.loads(pickle.dumps(tg.kernels.sgd)) is tg.kernels.sgd)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | HERE)
    assert done.stdout == "True\n", done.stderr


COPIES = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda x, n=n: pickle.loads(pickle.dumps(x, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_model_and_optimizer_trains_on_with_the_same_numbers(how):
    pair = made(dropout=0.3)
    train(*pair)
    other = COPIES[how](pair)
    train(*other)
    assert not np.array_equal(numbers(*other), numbers(*pair))  # on memory of its own
    train(*pair)
    np.testing.assert_array_equal(numbers(*other), numbers(*pair))
    assert all(p is q for p, q in zip(other[0].parameters(), other[1].params, strict=True))
    assert all(np.shares_memory(p.data, other[1].buffer.data) for p in other[1].params)


class Noted(tg.Tensor):
    """A Tensor with more in it."""


@pytest.mark.parametrize("how", COPIES)
def test_what_a_subclass_keeps_comes_along(how):
    t = Noted([1.0, 2.0], requires_grad=True)
    t.note = "the first"
    other = COPIES[how](t)
    assert (type(other), other.note, other.requires_grad) == (Noted, "the first", True)


def test_a_gradient_that_came_along_is_the_next_steps():
    """It is none that was assigned by hand, of which nobody knows whether a step has used it."""
    model, optimizer = made()
    tg.cross_entropy(model(X), Y).backward()
    _, other = copy.deepcopy((model, optimizer))
    optimizer.step()
    other.step()
    np.testing.assert_array_equal(other.buffer.data, optimizer.buffer.data)
    with pytest.warns(UserWarning, match="used the gradient of .* a second time"):
        other.step()


@pytest.mark.parametrize(("cls", "hyper"), RULES, ids=lambda x: getattr(x, "__name__", None))
def test_every_rule_can_be_copied(cls, hyper):
    def step(optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            (optimizer.params[0] ** 2).sum().backward()
            optimizer.step()

    optimizer = cls([tg.Tensor([1.0, -2.0], requires_grad=True, name="p")], **hyper)
    step(optimizer)
    others = [make(optimizer) for make in (copy.deepcopy, COPIES["pickle 5"])]
    for each in (optimizer, *others):
        step(each)
    for other in others:
        assert repr(other) == repr(optimizer)
        np.testing.assert_array_equal(other.buffer.data, optimizer.buffer.data)


def test_groups_schedules_frozen_and_shared_parameters_are_kept():
    model = tg.mlp([2, 4, 2], rng=0)
    whole = tg.Adam([{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].parameters()}])
    head = tg.SGD(model[2], lr=tg.schedules.cosine(0.1, 100))
    whole.freeze("group0.b")
    model[2].b.requires_grad = False
    head_, whole_, model_ = COPIES["pickle 5"]((head, whole, model))
    assert whole_.groups == whole.groups
    assert whole_.frozen == whole.frozen
    assert head_.lr == head.lr
    assert not model_[2].b.requires_grad
    for a, b, net in ((whole, head, model), (whole_, head_, model_)):
        for each in (a, b):
            each.zero_grad()
            tg.cross_entropy(net(X), Y).backward()
            each.step()
    np.testing.assert_array_equal(whole_.buffer.data, whole.buffer.data)
    whole_.groups[0]["lr"] = 0.25
    assert whole.groups[0]["lr"] == 0.5
    with pytest.raises(ValueError, match="lr = -1"):
        whole_.lr = -1


def test_what_is_not_copied_says_so():
    model, optimizer = made()
    with pytest.raises(TypeError, match=r"use copy\.deepcopy"):
        copy.copy(optimizer)
    tg.SGD([*model.parameters()][::-1])
    with pytest.raises(RuntimeError, match="now lies in another optimizer's buffer"):
        pickle.dumps(optimizer)


def test_a_pickle_leaves_the_graph_behind_and_a_copy_has_its_own():
    """A model may keep what forward() computed, as attention weights: a pickle has the numbers, and no functions."""
    model, _ = made()
    model.last = model(X)
    h = model.last * 2
    shallow = copy.copy(h)
    shallow.sum().backward()
    first = model[0].W.grad.copy()
    h.sum().backward()
    np.testing.assert_array_equal(model[0].W.grad, 2 * first)
    kept = model.last.sum()
    for make in COPIES.values():
        other = make(model)
        np.testing.assert_array_equal(other.last.numpy(), model.last.numpy())
        assert other.last.requires_grad == (make is copy.deepcopy)
        assert list(other.state_dict()) == list(model.state_dict())
        with pytest.raises(ValueError, match="read-only"):
            other.last.data[0] = 1
    kept.backward()  # the graph here is as it was
    other = copy.deepcopy(model)
    (other.last**2).sum().backward()
    (model.last**2).sum().backward()
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(theirs.grad, ours.grad)
    p = tg.Tensor([1.0], requires_grad=True, name="p")
    (p * 2).sum().backward()
    q = copy.deepcopy(p)
    assert (q.name, q.grad.tolist(), q.requires_grad) == ("p", [2.0], True)
    q.data = [5.0]
    q.grad[0] = 9
    assert (p.item(), p.grad.tolist()) == (1.0, [2.0])


YOUNGER = """
import pickle, sys
import numpy as np
import tinygrad_edu as tg
model, optimizer, average = pickle.load(sys.stdin.buffer)
X, Y = tg.data.moons(48, rng=0)
for _ in range(3):
    optimizer.zero_grad()
    tg.cross_entropy(model(X), Y).backward()
    optimizer.step()
    average.update()
sys.stdout.buffer.write(pickle.dumps((model.state_dict(), average.state_dict())))
"""


def test_another_process_trains_on():
    """Stamps count the time of one process: those of an older process are from the future in a younger one."""
    model, optimizer = made(dropout=0.3)
    average = tg.WeightAverage(optimizer)
    train(model, optimizer, 40)
    average.update()
    given = pickle.dumps((model, optimizer, average))
    done = subprocess.run([sys.executable, "-c", YOUNGER], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    state, averaged = pickle.loads(done.stdout)
    for _ in range(3):
        train(model, optimizer, 1)
        average.update()
    assert all(np.array_equal(value, state[key]) for key, value in model.state_dict().items())
    np.testing.assert_array_equal(averaged["average"], average.average)
