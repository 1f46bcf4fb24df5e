"""ReduceOnPlateau against sequences written out by hand and against torch; as a callback of fit; resumed."""

import io
import math

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training.schedules import cosine


def sgd(lr=1.0):
    return tg.SGD([tg.Tensor([1.0], requires_grad=True)], lr=lr)


def rates(values, **options):
    optimizer = sgd()
    plateau = tg.ReduceOnPlateau(optimizer, **options)
    return [(plateau.step(value), optimizer.lr)[1] for value in values]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([3] * 7, {"factor": 0.5, "patience": 2}, [1, 1, 1, 0.5, 0.5, 0.5, 0.25]),
        ([3] * 4, {"factor": 0.5, "patience": 0}, [1, 0.5, 0.25, 0.125]),
        ([5, 4, 3, 2, 1], {"patience": 0}, [1] * 5),
        ([3, 3, 2, 2, 2], {"factor": 0.5, "patience": 1}, [1, 1, 1, 1, 0.5]),  # a better value starts the count anew
        ([100, 99.995, 99.98], {"factor": 0.5, "patience": 0}, [1, 0.5, 0.5]),  # by less than 1e-4 of it is no better
        ([100, 95, 89], {"factor": 0.5, "patience": 0, "threshold": 0.1}, [1, 0.5, 0.5]),
        ([0.5, 0.6, 0.7, 0.7], {"factor": 0.5, "patience": 0, "mode": "max"}, [1, 1, 1, 0.5]),
        ([0.5, 0.54, 0.56], {"factor": 0.5, "patience": 0, "mode": "max", "threshold": 0.1}, [1, 0.5, 0.5]),
        ([3] * 8, {"factor": 0.5, "patience": 0, "cooldown": 2}, [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]),
        ([3] * 4, {"factor": 0.5, "patience": 0, "min_lr": 0.4}, [1, 0.5, 0.4, 0.4]),
        ([3] * 3, {"factor": 0.5, "patience": 0, "min_lr": 2}, [1, 1, 1]),  # never raised
        ([math.nan] * 3, {"factor": 0.5, "patience": 1}, [1, 0.5, 0.5]),
        ([math.nan, 3, 3], {"factor": 0.5, "patience": 0}, [0.5, 0.5, 0.25]),
        ([-1, -0.95, -1.05, -1.2], {"factor": 0.5, "patience": 0, "threshold": 0.1}, [1, 0.5, 0.25, 0.25]),
        ([-1, -0.95, -0.8], {"factor": 0.5, "patience": 0, "threshold": 0.1, "mode": "max"}, [1, 0.5, 0.5]),
        ([0, 0, -1], {"factor": 0.5, "patience": 0}, [1, 0.5, 0.5]),
        ([3, 2.9, 2.9], {"factor": 0.5, "patience": 0, "threshold": 0}, [1, 1, 0.5]),
        ([9, 8, 6.5], {"factor": 0.5, "patience": 0, "threshold": 2, "threshold_mode": "abs"}, [1, 0.5, 0.5]),
        ([-9, -10, -12], {"factor": 0.5, "patience": 0, "threshold": 2, "threshold_mode": "abs"}, [1, 0.5, 0.5]),
        (
            [1, 1.2, 1.6],
            {"factor": 0.5, "patience": 0, "threshold": 0.5, "threshold_mode": "abs", "mode": "max"},
            [1, 0.5, 0.5],
        ),
    ],
)
def test_the_rates_fall_when_they_should(values, options, expected):
    assert rates(values, **options) == pytest.approx(expected)


@pytest.mark.oracle
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", ["rel", "abs"])
@pytest.mark.parametrize(("patience", "cooldown", "threshold"), [(0, 0, 0), (2, 0, 0.05), (3, 4, 1e-4), (1, 1, 0.3)])
def test_a_random_walk_gives_torchs_rates(mode, patience, cooldown, threshold, kind):
    torch = pytest.importorskip("torch")
    options = {"factor": 0.7, "patience": patience, "threshold": threshold, "cooldown": cooldown, "min_lr": 1e-4}
    options["threshold_mode"] = kind
    values = np.exp(np.cumsum(np.random.default_rng(0).standard_normal(300) * 0.2))
    optimizer, expected = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0), []
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, **options)
    for value in values:
        theirs.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    assert len(set(expected)) > 5
    assert rates(values, mode=mode, **options) == expected


@pytest.mark.oracle
def test_torch_takes_a_worse_negative_value_for_a_better_one():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.1)
    theirs.step(-1)
    theirs.step(-0.95)
    assert theirs.best == -0.95
    assert rates([-1, -0.95], patience=0, threshold=0.1) == [1, 0.1]


def test_each_group_keeps_its_share():
    a, b = (tg.Tensor([1.0], requires_grad=True) for _ in "ab")
    optimizer = tg.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=1.0)
    plateau = tg.ReduceOnPlateau(optimizer, factor=0.5, patience=0)
    for _ in range(3):
        plateau.step(1)
    assert [group["lr"] for group in optimizer.groups] == [0.125, 0.25]


@pytest.mark.filterwarnings("ignore:nothing was learned")
def test_it_is_a_callback_of_fit_that_watches_the_held_out_measure_and_stops_nothing():
    X, y = tg.data.moons(40, rng=0)
    model = tg.mlp([2, 2], rng=0)
    optimizer = tg.SGD(model, lr=0.0)  # so that nothing gets better
    optimizer.lr = 1e-12
    plateau = tg.ReduceOnPlateau(optimizer, factor=0.5, patience=1)
    history = tg.fit(
        model, X, y, optimizer=optimizer, epochs=7, validation=(X[:9], y[:9]), callback=plateau, progress=False
    )
    assert history.stopped == "all epochs"
    assert history["lr"] == [1e-12, 1e-12, 1e-12, 5e-13, 5e-13, 2.5e-13, 2.5e-13]
    assert plateau.best == history["validation_loss"][0] != history["loss"][0]


@pytest.mark.parametrize(
    ("mode", "row", "seen"),
    [
        ("min", {"loss": 3.0, "accuracy": 0.5}, 3),
        ("min", {"loss": 3.0, "validation_loss": 4.0}, 4),
        ("max", {"loss": 3.0, "accuracy": 0.5}, 0.5),
        ("max", {"loss": 3.0, "accuracy": 0.5, "validation_loss": 4.0, "validation_accuracy": 0.25}, 0.25),
    ],
)
def test_which_measure_of_a_row_it_takes(mode, row, seen):
    plateau = tg.ReduceOnPlateau(sgd(), mode=mode)
    assert plateau(row) is None
    assert plateau.best == seen


def test_a_row_without_accuracy_is_refused():
    with pytest.raises(ValueError, match=r"the row has no accuracy, only epoch, loss; call step\(value\) by hand"):
        tg.ReduceOnPlateau(sgd(), mode="max")({"epoch": 1, "loss": 3.0})


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("cut", [0, 5, 20])
def test_its_state_goes_through_a_file(mode, cut):
    values = np.random.default_rng(1).standard_normal(60)
    options = {"factor": 0.9, "patience": 1, "cooldown": 2, "mode": mode}
    optimizer = sgd()
    first = tg.ReduceOnPlateau(optimizer, **options)
    for value in values[:cut]:
        first.step(value)
    file = io.BytesIO()
    np.savez(file, **first.state_dict())
    file.seek(0)
    second = tg.ReduceOnPlateau(optimizer, **options)
    with np.load(file) as state:
        second.load_state_dict(state)
    resumed = [(second.step(value), optimizer.lr)[1] for value in values[cut:]]
    assert resumed == rates(values, **options)[cut:]
    assert second.state_dict().keys() == {"best", "bad", "resting"}


def test_a_state_that_is_not_whole_is_refused():
    with pytest.raises(ValueError, match="this state is not whole: it has no bad, resting"):
        tg.ReduceOnPlateau(sgd()).load_state_dict({"best": 1.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1}, "factor = 1, but it has to be above 0 and below 1"),
        ({"factor": 0}, "factor = 0"),
        ({"patience": -1}, "patience = -1, but it has to be a whole number, at least 0"),
        ({"patience": 1.5}, "patience = 1.5"),
        ({"cooldown": -1}, "cooldown = -1"),
        ({"threshold": 1}, "threshold = 1, but it has to be at least 0 and below 1"),
        ({"min_lr": -1}, "min_lr = -1"),
        ({"mode": "lowest"}, 'mode = \'lowest\', but it has to be "min" or "max"'),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"ReduceOnPlateau: {message}"):
        tg.ReduceOnPlateau(sgd(), **options)


def test_a_rate_that_is_a_function_is_refused_at_once_and_later():
    with pytest.raises(TypeError, match=r"multiplies numbers, but lr is \[cosine\(lr=0.1, steps=10, low=0.0\)\]"):
        tg.ReduceOnPlateau(sgd(cosine(0.1, 10)))
    optimizer = sgd()
    plateau = tg.ReduceOnPlateau(optimizer, patience=0)
    optimizer.lr = lambda t: 0.1
    plateau.step(1)
    with pytest.raises(TypeError, match="multiplies numbers"):
        plateau.step(1)


def test_it_needs_an_optimizer():
    with pytest.raises(TypeError, match=r"takes an optimizer such as Adam\(model\), got Sequential"):
        tg.ReduceOnPlateau(tg.mlp([2, 2]))
