"""Callbacks: the protocol of functions and objects, early stopping, kept files, numbers that change, a log."""

import csv
import json

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit

X, Y = tg.data.blobs(60, rng=0)


def fit(model=None, epochs=4, **options):
    model = tg.mlp([2, 4, 3], rng=0) if model is None else model
    optimizer = options.pop("optimizer", None) or tg.SGD(model, lr=0.1)
    return tg.fit(model, X, Y, optimizer=optimizer, epochs=epochs, rng=0, progress=False, **options)


# --- the protocol -----------------------------------------------------------------------------------------------------


def test_a_callback_is_called_with_the_row_or_with_row_and_run():
    model, seen = tg.mlp([2, 3], rng=0), []

    class Object:
        def start(self, run):
            seen.append(("start", run.epoch, len(run.history)))

        def __call__(self, row, run):
            seen.append((row["epoch"], run.epoch, run.history.rows[-1] is row, run.model is model, run.optimizer.t))

        def finish(self, run):
            seen.append(("finish", run.epoch, run.model.training))

    fit(model, 2, batch_size=20, callback=[Object(), lambda row: seen.append(row["epoch"])])
    assert seen == [("start", 0, 0), (1, 1, True, True, 3), 1, (2, 2, True, True, 6), 2, ("finish", 2, False)]


def test_a_default_behind_the_row_is_not_taken_for_the_run():
    seen = []
    fit(epochs=1, callback=lambda row, keep=seen: keep.append(row))
    fit(epochs=1, callback=lambda row, run=None: seen.append(run))
    assert [type(one).__name__ for one in seen] == ["dict", "Run"]


def test_all_callbacks_are_called_and_the_first_reason_counts():
    seen = []
    history = fit(callback=(lambda row: seen.append(1), lambda row: "enough of it", lambda row: seen.append(2) or True))
    assert seen == [1, 2]
    assert history.stopped == "enough of it"
    assert "enough of it" in repr(history)
    assert fit(callback=lambda row: np.bool_(True)).stopped == "callback"
    assert fit(callback=lambda row: "").stopped == "all epochs"


def test_what_cannot_be_called_is_refused():
    for wrong in (1, "stop", [print, 1]):
        with pytest.raises(TypeError, match="callback is a function, got"):
            fit(callback=wrong)


# --- early stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[3, 2, 2.5, 1, 1.5, 1, 0.95, 2], [1, 2, 3, 4], [float("nan")] * 5, [5, 4, 3, 2, 1]])
@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (2, 0.0), (3, 0.1)])
def test_training_stops_after_patience_epochs_that_are_no_better(values, patience, min_delta):
    best, last, expected = float("inf"), 0, None  # by hand
    for epoch, value in enumerate(values, 1):
        if best - value > min_delta:
            best, last = value, epoch
        if epoch - last >= patience and expected is None:
            expected = epoch, best, last
    stop, got = tg.EarlyStopping("loss", patience, min_delta), None
    for epoch, value in enumerate(values, 1):
        if stop({"epoch": epoch, "loss": value}) and got is None:
            got = epoch, stop.best, stop.epoch
    assert got == expected


def falling(losses):
    """A loss of such a value in each epoch of one batch, whose slope is that of the cross-entropy."""
    values = iter(losses)

    def loss(output, y):
        cost = tg.cross_entropy(output, y)
        return cost + (next(values) - cost.item())

    return loss


@pytest.mark.parametrize("restore", [True, False])
def test_the_model_ends_as_it_was_after_the_best_epoch(restore):
    states = []
    model = tg.Sequential(tg.Linear(2, 4, rng=0), tg.BatchNorm1d(4), tg.Linear(4, 3, rng=0))
    stop = tg.EarlyStopping(monitor="loss", patience=2, restore_best=restore)
    keep = lambda row, run: states.append(run.model.state_dict())
    history = fit(model, 9, loss=falling([5, 3, 4, 4, 1]), batch_size=None, callback=[keep, stop])
    assert history.stopped == "early stopping: loss has not improved for 2 epochs, best 3 at epoch 2"
    assert len(history) == 4
    assert all(np.array_equal(now, states[1 if restore else 3][name]) for name, now in model.state_dict().items())


def test_the_best_epoch_is_restored_at_the_end_of_all_epochs_too():
    states = []
    model = tg.mlp([2, 3], rng=0)
    keep = lambda row, run: states.append(run.model.state_dict())
    fit(model, 3, loss=falling([5, 3, 4]), batch_size=None, callback=[keep, tg.EarlyStopping("loss")])
    assert np.array_equal(model[0].W.data, states[1]["layers.0.W"])


def test_an_object_forgets_the_run_before():
    stop = tg.EarlyStopping("loss", patience=1)
    first = fit(loss=falling([1, 2]), epochs=2, batch_size=None, callback=stop)
    again = fit(loss=falling([9, 8]), epochs=2, batch_size=None, callback=stop)
    assert (first.stopped[:14], again.stopped) == ("early stopping", "all epochs")


def test_a_large_accuracy_is_good_and_other_columns_need_a_mode():
    row = {"epoch": 1, "f1": 0.5, "accuracy": 0.5}
    accuracy, f1 = tg.EarlyStopping("accuracy", patience=1), tg.EarlyStopping("f1", patience=1, mode="max")
    for stop, column in ((accuracy, "accuracy"), (f1, "f1")):
        assert stop(row) is None
        assert stop({**row, "epoch": 2, column: 0.6}) is None
        assert "best 0.6 at epoch 2" in stop({**row, "epoch": 3, column: 0.4})
    with pytest.raises(ValueError, match=r'is a small f1 better or a large one\? say mode="min" or mode="max"'):
        tg.EarlyStopping("f1")
    with pytest.raises(ValueError, match=r"the row has no validation_loss, only epoch, .*fit\(validation=0.2\)"):
        fit(callback=tg.EarlyStopping())


def test_a_state_of_early_stopping_goes_on_and_a_wrong_one_changes_nothing():
    stop, other = tg.EarlyStopping("loss", patience=3), tg.EarlyStopping("loss", patience=3)
    for epoch, loss in enumerate([2.0, 1.0, 1.5], 1):
        stop({"epoch": epoch, "loss": loss})
    other.load_state_dict(stop.state_dict())
    for epoch in (4, 5):
        assert stop({"epoch": epoch, "loss": 3.0}) == other({"epoch": epoch, "loss": 3.0})
    with pytest.raises(ValueError, match="not whole: it has no bad"):
        other.load_state_dict({"best": 1.0, "epoch": 2})
    with pytest.raises(ValueError, match="epoch = -1"):
        other.load_state_dict({"best": 1.0, "epoch": -1, "bad": 0})
    assert (other.best, other.epoch, other.bad) == (1.0, 2, 3)


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_kept_at_every_second_epoch(tmp_path):
    model, states = tg.mlp([2, 3], rng=0), []
    keep = lambda row, run: states.append(run.model.state_dict())
    fit(model, 5, callback=[keep, tg.Checkpoint(tmp_path / "new" / "at{epoch}.npz", every=2)])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["at2.npz", "at4.npz"]
    other = tg.mlp([2, 3], rng=1)
    parts = tg.load(tmp_path / "new" / "at4.npz", model=other)
    assert np.array_equal(other[0].W.data, states[3]["layers.0.W"])
    assert (parts["epoch"], len(parts["history"])) == (4, 4)


def test_the_best_is_kept(tmp_path):
    path = tmp_path / "best.npz"
    fit(epochs=4, loss=falling([5, 3, 4, 3]), batch_size=None, callback=tg.Checkpoint(path, best="loss"))
    assert tg.load(path)["epoch"] == 2


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_log_has_every_row_as_soon_as_it_is_there(tmp_path, name):
    path, counts = tmp_path / name, []
    path.write_text("epoch,loss\n1,7.0\n" if name.endswith("csv") else '{"epoch": 1, "loss": 7.0}\n')  # of yesterday
    history = fit(callback=[tg.Log(path), lambda row: counts.append(len(path.read_text().splitlines()))], epochs=3)
    header = name.endswith("csv")
    assert counts == [1 + header, 2 + header, 3 + header]
    if header:
        with open(path, newline="") as file:
            read = [{column: float(value) for column, value in row.items()} for row in csv.DictReader(file)]
    else:
        read = [json.loads(line) for line in path.read_text().splitlines()]
    assert read == history.rows


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
@pytest.mark.parametrize("content", ["weight,colour\n1,red\n", "epoch,temperature\n", '{"x": 1}\n', "\n", "3"])
def test_a_file_that_is_no_log_is_left_as_it_is(tmp_path, name, content):
    path, model = tmp_path / name, tg.mlp([2, 3], rng=0)
    path.write_text(content)
    before = model[0].W.numpy()
    with pytest.raises(ValueError, match=f"{name} is no log of a training; give Log another path"):
        fit(model, callback=tg.Log(path))
    with pytest.raises(ValueError, match="is no log"):
        tg.Log(path)({"epoch": 1, "loss": 0.5})
    assert path.read_text() == content
    assert np.array_equal(model[0].W.data, before)


def test_the_same_log_begins_anew_with_each_training(tmp_path):
    log = tg.Log(tmp_path / "run.csv")
    fit(epochs=3, callback=log)
    history = fit(epochs=1, callback=log)
    assert log.path.read_text() == history.to_csv() + "\n"


def test_a_log_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"Log writes \.csv, or \.jsonl"):
        tg.Log("run.txt")


def test_the_number_of_an_epoch_is_written_as_the_format_says(tmp_path):
    fit(epochs=2, callback=tg.Checkpoint(tmp_path / "at{epoch:03d}-{{a}}.npz"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at001-{a}.npz", "at002-{a}.npz"]


@pytest.mark.parametrize(
    "name", ["{loss}", "{epoch:zz}", "{}", "{", "}", "{epoch.x}", "{epoch[0]}", "{epoch}{val:.2f}"]
)
def test_what_cannot_be_filled_into_a_path_is_refused_when_it_is_given(name):
    with pytest.raises(ValueError, match=r"only \{epoch\} can be filled in"):
        tg.Checkpoint(f"run{name}.npz")


# --- annealing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def _plainly(monkeypatch):
    """Compiled steps are run as Python: a compilation for each number would take long."""
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)


@pytest.mark.usefixtures("_plainly")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_number_changes_from_epoch_to_epoch(compiled):
    class Scale(tg.Layer):
        factor = 0.0

        def forward(self, x):
            return x * self.factor

    rates, factors = [], []

    def run(callback):
        model = tg.Sequential(tg.Linear(2, 3, rng=0), Scale())
        optimizer = tg.HeavyBall(model, lr=0.1)
        model[1].factor = 1.0
        told = callback(model[1], optimizer)
        fit(model, 3, optimizer=optimizer, callback=told, compiled=compiled)
        return model[0].W.numpy()

    def anneal(layer, optimizer):
        return [
            tg.Annealing(layer, "factor", lambda epoch: 1 / epoch),
            tg.Annealing(optimizer.groups[0], "momentum", lambda epoch: 0.9 - 0.2 * epoch),
        ]

    def by_hand(layer, optimizer):
        def change(row):
            rates.append(optimizer.groups[0]["momentum"])
            factors.append(layer.factor)
            epoch = row["epoch"] + 1
            layer.factor, optimizer.groups[0]["momentum"] = 1 / epoch, 0.9 - 0.2 * epoch

        optimizer.groups[0]["momentum"] = 0.9 - 0.2
        return change

    assert np.array_equal(run(anneal), run(by_hand))
    assert factors == [1, 1 / 2, 1 / 3]
    assert rates == pytest.approx([0.7, 0.5, 0.3])


def test_what_is_not_there_cannot_be_annealed():
    with pytest.raises(ValueError, match="Annealing: Dropout has no 'rate'"):
        tg.Annealing(tg.Dropout(0.5), "rate", lambda epoch: 0.1)
    with pytest.raises(TypeError, match="value is a function"):
        tg.Annealing(tg.Dropout(0.5), "p", 0.1)


def of_another_run(name):
    """A callback that is over a thing of another training."""
    model = tg.mlp([2, 3], rng=0)
    optimizer, half = tg.Adam(model), lambda epoch: 0.5
    return {
        "plateau": lambda: tg.ReduceOnPlateau(optimizer),
        "average": lambda: tg.WeightAverage(optimizer),
        "layer": lambda: tg.Annealing(tg.Dropout(0.25), "p", half),
        "group": lambda: tg.Annealing(optimizer.groups[0], "lr", half),
        "optimizer": lambda: tg.Annealing(optimizer, "lr", half),
    }[name]()


@pytest.mark.parametrize("name", ["plateau", "average", "layer", "group", "optimizer"])
@pytest.mark.parametrize("given", [True, False])
def test_a_callback_over_what_is_not_trained_is_refused_before_the_first_epoch(name, given):
    model, callback = tg.mlp([2, 3], rng=0), of_another_run(name)
    before = model[0].W.numpy()
    with pytest.raises(ValueError, match=r"is not (the one that fit uses|in the model that fit trains)"):
        fit(model, optimizer=tg.Adam(model) if given else None, callback=callback)
    assert np.array_equal(model[0].W.data, before)
    assert getattr(getattr(callback, "thing", None), "p", 0.25) == 0.25


def test_a_number_of_any_other_object_can_be_annealed():
    table, thing = {"lr": 0.0}, type("Thing", (), {"heat": 0.0})()
    fit(epochs=2, callback=[tg.Annealing(table, "lr", float), tg.Annealing(thing, "heat", float)])
    assert (table["lr"], thing.heat) == (3.0, 3.0)


# --- what cannot be ---------------------------------------------------------------------------------------------------


def watched(**options):
    calls = []

    def loss(output, y):
        calls.append(1)
        return tg.cross_entropy(output, y)

    X, y = tg.data.blobs(30, rng=0)
    options = {"epochs": 2, "rng": 0, "progress": False} | options
    try:
        tg.fit(tg.mlp([2, 3], rng=0), X, y, loss, **options)
    finally:
        watched.calls = len(calls)


@pytest.mark.parametrize("callback", [tg.EarlyStopping, [print, tg.EarlyStopping]])
def test_a_class_is_no_callback(callback):
    with pytest.raises(TypeError, match=r"got the class EarlyStopping: say EarlyStopping\(\.\.\.\)"):
        watched(callback=callback)
    assert watched.calls == 0


@pytest.mark.parametrize("answer", [np.zeros(2), np.array([True, False])])
def test_an_answer_that_is_neither_true_nor_false_is_refused(answer):
    def mine(row):
        return answer

    with pytest.raises(TypeError, match=r"callback .*mine returned ndarray \(2,\), which is neither true nor false"):
        watched(callback=mine)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda path: tg.EarlyStopping(), {}),
        (lambda path: tg.Checkpoint(path, best="validation_accuracy"), {}),
        (lambda path: [tg.Log(path), tg.EarlyStopping("val_loss")], {"validation": 0.2}),
        (lambda path: tg.EarlyStopping("f1", mode="max"), {"validation": 0.2, "metrics": {"f1": lambda y, p: 1.0}}),
        (lambda path: tg.EarlyStopping("validation_f1", mode="max"), {"metrics": {"f1": lambda y, p: 1.0}}),
    ],
)
def test_a_column_that_no_row_will_have_is_refused_before_the_first_epoch(tmp_path, make, options):
    with pytest.raises(ValueError, match="the row has no "):
        watched(callback=make(tmp_path / "a.csv"), **options)
    assert watched.calls == 0


def test_a_column_that_a_callback_adds_can_be_watched():
    def add(row):
        row["mine"] = -row["epoch"]

    watched(callback=[add, tg.EarlyStopping("mine", mode="min")])
    watched(callback=tg.EarlyStopping("validation_f1", mode="max"), validation=0.2, metrics={"f1": lambda y, p: 1.0})


@pytest.mark.parametrize("p", [1.0, 1.5, -0.5, np.nan, "0.5"])
def test_annealing_refuses_what_the_constructor_refuses(p):
    drop = tg.Dropout(0.5)
    with pytest.raises((TypeError, ValueError)) as refused:
        tg.Dropout(p)
    with pytest.raises(type(refused.value), match=r"Dropout\.p in epoch 2 "):
        tg.Annealing(drop, "p", lambda epoch: 0.5 if epoch == 1 else p)({"epoch": 1})
    assert drop.p == 0.5


def test_annealing_of_other_layers_is_checked_too():
    for wrong in ({"momentum": 1.5}, {"momentum": -1}, {"eps": -1e-5}):
        (name, value) = next(iter(wrong.items()))
        with pytest.raises(ValueError, match=name):
            tg.BatchNorm1d(3, **wrong)
        with pytest.raises(ValueError, match=rf"BatchNorm1d\.{name} in epoch 2 = "):
            tg.Annealing(tg.BatchNorm1d(3), name, lambda epoch, value=value: value)({"epoch": 1})
