"""fit(checkpoint=): the same call goes on after any end, and ends with the bits of a training that was let alone."""

import os
import signal
import subprocess
import sys
from functools import partial

import crash
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import npz

X, Y = tg.data.blobs(60, rng=0)


class Cut(Exception):
    """The end of a training in the middle."""


def cut_at(epoch):
    def callback(row):
        if row["epoch"] == epoch:
            raise Cut

    return callback


@pytest.mark.parametrize("plateau", [False, True])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_training_that_goes_on_ends_with_the_same_bits(tmp_path, compiled, plateau):
    right = crash.train(None, compiled, plateau=plateau)
    assert right["stopped"] != "all epochs" or not plateau  # it stops early, and the rate falls
    assert crash.differing(right, crash.train(tmp_path / "alone.npz", compiled, plateau=plateau)) == []
    for epoch in (1, 3, 4, len(right["rows"])):
        path = tmp_path / f"{epoch}.npz"
        with pytest.raises(Cut):
            crash.train(path, compiled, callback=cut_at(epoch), plateau=plateau)
        with pytest.raises(Cut):  # again, soon after
            crash.train(path, compiled, callback=cut_at(epoch), plateau=plateau)
        assert crash.differing(right, crash.train(path, compiled, plateau=plateau, callback=cut_at(0))) == []


def test_a_compiled_training_that_goes_on_ends_with_the_same_bits(tmp_path):
    right = crash.train(None, True)
    with pytest.raises(Cut):
        crash.train(tmp_path / "run.npz", True, callback=cut_at(3))
    assert crash.differing(right, crash.train(tmp_path / "run.npz", True, callback=cut_at(0))) == []


def test_an_object_among_the_options_of_a_loss_is_the_same_in_the_next_process(tmp_path):
    def loss(output, y, weigh):
        return weigh(tg.cross_entropy(output, y))

    class Twice:
        def __call__(self, cost):
            return 2 * cost

    def train(epochs, kept):
        kept.append(weigh := Twice())  # kept, so that the next one has another address
        how = {"epochs": epochs, "rng": 0, "progress": False, "checkpoint": tmp_path / "run.npz"}
        return len(tg.fit(tg.mlp([2, 3], rng=0), X, Y, partial(loss, weigh=weigh), **how))

    kept = []
    assert [train(1, kept), train(2, kept)] == [1, 2]


def test_a_number_that_changes_from_epoch_to_epoch_goes_on_where_it_was(tmp_path):
    def train(path, *callbacks):
        model = tg.mlp([2, 8, 3], dropout=0.5, rng=0)
        callbacks = [tg.Annealing(model[2], "p", lambda epoch: 0.5 / epoch), *callbacks]
        tg.fit(model, X, Y, epochs=5, rng=0, progress=False, callback=callbacks, checkpoint=path)
        return model[0].W.numpy()

    right = train(None, cut_at(0))
    with pytest.raises(Cut):
        train(tmp_path / "run.npz", cut_at(3))
    assert np.array_equal(train(tmp_path / "run.npz", cut_at(0)), right)


def test_clipping_weights_and_groups_of_batches_go_on_too(tmp_path):
    options = {"clip_norm": 0.5, "accumulate": 2, "class_weight": "balanced", "metrics": {"n": lambda y, p: len(p)}}
    right = crash.train(**options)
    with pytest.raises(Cut):
        crash.train(tmp_path / "run.npz", callback=cut_at(3), **options)
    assert crash.differing(right, crash.train(tmp_path / "run.npz", callback=cut_at(0), **options)) == []


def test_a_finished_training_returns_its_history_and_more_epochs_go_on(tmp_path):
    def train(epochs, calls, path=tmp_path / "run.npz"):
        model = tg.mlp([2, 4, 3], rng=0)
        count = lambda output, y: calls.append(1) or tg.cross_entropy(output, y)
        count.__qualname__ = "count"
        history = tg.fit(model, X, Y, count, epochs=epochs, rng=0, progress=False, checkpoint=path)
        return model, history

    calls = []
    model, history = train(3, [])
    again, same = train(3, calls)
    assert (calls, same.rows) == ([], history.rows)
    assert np.array_equal(again[0].W.data, model[0].W.data)
    assert not again.training
    longer, history = train(5, calls)
    whole, expected = train(5, [], None)
    assert len(calls) == 2 * 2  # epochs of two batches
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert history["loss"] == expected["loss"]
    assert np.array_equal(longer[0].W.data, whole[0].W.data)


def test_a_rate_that_has_fallen_is_no_other_optimizer(tmp_path):
    def train(model, optimizer, epochs, path=tmp_path / "run.npz"):
        plateau = tg.ReduceOnPlateau(optimizer, patience=0, threshold=0.9)
        options = {"rng": 0, "progress": False, "callback": plateau, "checkpoint": path}
        tg.fit(model, X, Y, optimizer=optimizer, epochs=epochs, **options)
        return model[0].W.numpy()

    def new():
        model = tg.mlp([2, 3], rng=0)
        return model, tg.SGD(model, lr=0.1)

    right = train(*new(), 4, None)
    model, optimizer = new()
    train(model, optimizer, 3)
    assert optimizer.lr < 0.1
    assert np.array_equal(train(*new(), 4), right)  # a new process
    train(model, optimizer, 3)  # which loads what there is
    assert np.array_equal(train(model, optimizer, 4), right)  # the same objects again


def test_a_training_that_was_stopped_is_finished(tmp_path):
    def train(epochs):
        model = tg.mlp([2, 3], rng=0)
        stop = tg.EarlyStopping("loss", patience=1, min_delta=9)
        history = tg.fit(
            model, X, Y, epochs=epochs, rng=0, progress=False, checkpoint=tmp_path / "run.npz", callback=stop
        )
        return model[0].W.numpy(), history

    W, history = train(9)
    V, again = train(20)
    best = f"best {history['loss'][0]:.4g} at epoch 1"
    assert history.stopped == again.stopped == f"early stopping: loss has not improved for 1 epoch, {best}"
    assert len(again) == 2
    assert np.array_equal(W, V)  # of the best epoch, both times


def test_an_interrupted_training_goes_on_from_the_last_whole_epoch(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:

        def train(path, at=None):
            model, count = tg.mlp([2, 3], rng=0), []

            def loss(output, y):
                count.append(1)
                if len(count) == at:
                    signal.raise_signal(signal.SIGINT)
                return tg.cross_entropy(output, y)

            return model, tg.fit(model, X, Y, loss, epochs=4, batch_size=20, rng=0, progress=False, checkpoint=path)

        _, cut = train(tmp_path / "run.npz", 5)
        assert (cut.stopped, len(cut)) == ("interrupted", 2)
        model, history = train(tmp_path / "run.npz")
        whole, expected = train(None)
        assert history["loss"] == expected["loss"]
        assert np.array_equal(model[0].W.data, whole[0].W.data)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_log_has_each_row_once_after_all(tmp_path):
    def train(*callbacks):
        model = tg.mlp([2, 3], rng=0)
        options = {"rng": 0, "progress": False, "checkpoint": tmp_path / "run.npz"}
        return tg.fit(model, X, Y, epochs=4, callback=[tg.Log(tmp_path / "log.csv"), *callbacks], **options)

    with pytest.raises(Cut):  # when the log has the third row, and the checkpoint has two
        train(cut_at(3))
    history = train(cut_at(0))
    assert (tmp_path / "log.csv").read_text() == history.to_csv() + "\n"


def frozen(model):
    optimizer = tg.Adam(model)
    optimizer.freeze("layers.0.*")
    return optimizer


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": X + 1}, "X is 'float64 .60, 2., sum .*' there and"),
        ({"y": Y[::-1].copy()}, "y is"),
        ({"batch_size": 8}, "batch_size is 16 there and 8 here"),
        ({"drop_last": True}, "drop_last is False there and True here"),
        (
            {"loss": lambda output, y: tg.cross_entropy(output, y)},
            "loss is 'cross_entropy' there and '.*<lambda>' here",
        ),
        ({"rng": 1}, "rng is 0 there and 1 here"),
        ({"validation": 0.3}, "validation is 0.2 there and 0.3 here"),
        ({"accumulate": 2}, "accumulate is 1 there and 2 here"),
        ({"clip_norm": 2.0}, r"clip is \{\} there and \{'clip_norm': 2.0\} here"),
        ({"class_weight": [1, 2, 3]}, "class_weight is None there and"),
        ({"metrics": {"m": lambda y, p: 0.0}}, r"metrics is \[\] there and \['m'\] here"),
        ({"callback": print}, r"callback is \[\] there and \['print'\] here"),
        ({"optimizer": tg.SGD}, r"it has another optimizer: Adam\(.* there and SGD\(lr=0.001, l2=0.0\) here"),
        ({"optimizer": lambda model: tg.Adam(model, lr=0.1)}, r"Adam\(lr=0.001, .* there and Adam\(lr=0.1, .* here"),
        (
            {"sizes": [2, 5, 3]},
            r"another model: layers.0 Linear\(in_features=2, out_features=4.* there and .*out_features=5.* here",
        ),
        ({"optimizer": frozen}, r"Adam\(.* there and Adam\(.*\), frozen: layers.0.W, layers.0.b here"),
        ({"model": {"activation": "tanh"}}, r"another model: layers.1 ReLU\(\) there and layers.1 Tanh\(\) here"),
        ({"model": {"dropout": 0.5}}, r"another model: layers.2 Linear\(.* there and layers.2 Dropout\(p=0.5\) here"),
    ],
)
def test_the_checkpoint_of_another_call_is_refused_and_nothing_changes(tmp_path, change, message):
    path = tmp_path / "run.npz"

    def train(X=X, y=Y, loss=tg.cross_entropy, optimizer=tg.Adam, sizes=(2, 4, 3), model=None, **options):
        model = tg.mlp(sizes, rng=0, **(model or {}))
        options = {"batch_size": 16, "rng": 0, "validation": 0.2, "progress": False, "checkpoint": path} | options
        model.W_before = model[0].W.numpy()
        try:
            tg.fit(model, X, y, loss, optimizer(model), 2, **options)
        except ValueError:
            assert np.array_equal(model[0].W.data, model.W_before)
            raise

    train()
    content = path.read_bytes()
    with pytest.raises(ValueError, match=f"run.npz is of another call of fit, as .*{message}.*; give another path"):
        train(**change)
    assert path.read_bytes() == content


class Scaled(tg.Layer):
    """A model with a number, a function and a count of its own."""

    def __init__(self, scale=1.0, act=np.tanh):
        self.linear, self.scale, self.act, self.calls = tg.Linear(2, 3, rng=0), scale, act, 0

    def forward(self, x):
        self.calls += 1
        return self.linear(x) * self.scale


class Other(Scaled):
    def forward(self, x):
        return self.linear(x).tanh() * self.scale


Other.__name__ = "Scaled"


def doubled(output, y):
    return 2 * tg.cross_entropy(output, y)


def tripled(output, y):
    return 3 * tg.cross_entropy(output, y)


tripled.__qualname__ = "doubled"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"loss": doubled}, {"loss": tripled}, "code of the loss is '[0-9a-f]+' there and"),
        ({"loss": partial(doubled)}, {"loss": partial(tripled)}, "code of the loss is"),
        ({}, {"model": Scaled(2.0)}, "another model: model Scaled.scale=1.0, .* there and model Scaled.scale=2.0"),
        ({}, {"model": Scaled(act=np.sin)}, "another model: model Scaled.*act=tanh.* there and .*act=sin"),
        ({}, {"model": Other()}, "another model: model Scaled.*forward [0-9a-f]+. there and model Scaled.*forward"),
        (
            {"model": tg.mlp([2, 3, 3], dropout=0.5, rng=0)},
            {"model": tg.mlp([2, 3, 3], dropout=0.25, rng=0)},
            r"layers.2 Dropout\(p=0.5\) there and layers.2 Dropout\(p=0.25\) here",
        ),
        (
            {"callback": tg.EarlyStopping("loss", patience=3)},
            {"callback": tg.EarlyStopping("loss", patience=4)},
            r"callback is .*EarlyStopping\('loss', .*patience=3.* there and .*patience=4.* here",
        ),
        (
            {"callback": tg.EarlyStopping("loss")},
            {"callback": tg.EarlyStopping("accuracy")},
            "callback is .*'loss'.*mode='min'.* there and .*'accuracy'.*mode='max'.* here",
        ),
        (
            {"callback": tg.Checkpoint("never.npz", best="loss", every=9)},
            {"callback": tg.Checkpoint("never.npz", best="accuracy", every=9)},
            "callback is .*best='loss'",
        ),
        (
            {"over": partial(tg.ReduceOnPlateau, patience=3)},
            {"over": partial(tg.ReduceOnPlateau, patience=4)},
            "callback is .*patience=3.* there and .*patience=4",
        ),
    ],
)
def test_changed_code_is_another_call(tmp_path, before, after, message):
    def train(epochs=2, model=None, loss=tg.cross_entropy, over=None, **options):
        model = model or Scaled()
        optimizer = tg.SGD(model, lr=1e-3)
        options = {"epochs": epochs, "rng": 0, "progress": False, "checkpoint": tmp_path / "run.npz"} | options
        options |= {"callback": over(optimizer)} if over else {}
        return len(tg.fit(model, X, Y, loss, optimizer, **options))

    assert train(**before) == 2
    with pytest.raises(ValueError, match=f"another call of fit, as .*{message}"):
        train(**{**before, **after})
    assert train(3, **before) == 3  # the same objects, which have counted


def test_a_callback_of_the_users_says_what_is_compared(tmp_path):
    class Mine:
        def __init__(self, size):
            self.about = f"Mine({size})"

        def __call__(self, row):
            pass

    def train(size):
        options = {"callback": Mine(size), "rng": 0, "progress": False, "checkpoint": tmp_path / "run.npz"}
        tg.fit(tg.mlp([2, 3], rng=0), X, Y, epochs=1, **options)

    train(1)
    with pytest.raises(ValueError, match=r"callback is \['Mine\(1\)'\] there and \['Mine\(2\)'\] here"):
        train(2)


def test_a_file_of_another_kind_is_refused(tmp_path):
    tg.save(tmp_path / "model.npz", model=tg.mlp([2, 3], rng=0))
    with pytest.raises(ValueError, match=r"model\.npz is a file of another kind"):
        tg.fit(tg.mlp([2, 3], rng=0), X, Y, checkpoint=tmp_path / "model.npz", progress=False)
    with pytest.raises(TypeError, match="checkpoint is a path"):
        tg.fit(tg.mlp([2, 3], rng=0), X, Y, checkpoint=3, progress=False)


WRONG = {
    "no rules": lambda values, parts, arrays: values["rules"].clear(),
    "no models": lambda values, parts, arrays: values["models"].clear(),
    "a model of numbers": lambda values, parts, arrays: values["models"].append(3),
    "a rule of numbers": lambda values, parts, arrays: values["rules"].append(3),
    "a truth for an epoch": lambda values, parts, arrays: parts["epoch"].update(value=True),
    "another epoch": lambda values, parts, arrays: parts["epoch"].update(value=1),
    "an endless epoch": lambda values, parts, arrays: parts["epoch"].update(value=10**30),
    "no history": lambda values, parts, arrays: parts["history"].update(kind="state"),
    "a history without a loss": lambda values, parts, arrays: values["history"]["columns"].pop("loss"),
    "a history of words": lambda values, parts, arrays: arrays.update({"history/columns/loss": np.array(["a", "b"])}),
    "rows far away": lambda values, parts, arrays: arrays.update({"rows/0": arrays["rows/0"] + 10**6}),
    "rows twice": lambda values, parts, arrays: arrays.update({"rows/0": arrays["rows/0"] * 0}),
    "rows of fractions": lambda values, parts, arrays: arrays.update({"rows/0": arrays["rows/0"] / 2}),
    "no rows": lambda values, parts, arrays: values["rows"].pop(),
    "words for rows": lambda values, parts, arrays: parts["rows"].update(value=["a", None]),
    "a list for a model": lambda values, parts, arrays: parts["model"].update(value=[5]),
    "a state of early stopping without a layer": lambda values, parts, arrays: values["callback0"].pop(
        "model.layers.0.W"
    ),
    "a layer of another shape": lambda values, parts, arrays: arrays.update({"callback0/model.layers.0.W": np.ones(3)}),
    "a layer that is none": lambda values, parts, arrays: values["callback0"].update({"model.layers.0.W": None}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_checkpoint_with_other_contents_under_a_right_digest_is_refused_and_nothing_is_changed(tmp_path, wrong):
    path = tmp_path / "run.npz"

    def train():
        model = tg.mlp([2, 3], rng=0)
        state, optimizer = model.state_dict(), tg.Adam(model)
        callbacks = [tg.EarlyStopping("loss"), tg.ReduceOnPlateau(optimizer)]
        options = {"validation": 0.2, "rng": 0, "progress": False, "checkpoint": path, "callback": callbacks}
        try:
            tg.fit(model, X, Y, optimizer=optimizer, epochs=2, **options)
        except ValueError:
            assert all(np.array_equal(model.state_dict()[name], value) for name, value in state.items())
            assert (callbacks[0].best, callbacks[1].best) == (np.inf, np.inf)
            raise

    train()
    header, arrays = npz.read(path)
    WRONG[wrong]({name: part["value"] for name, part in header["parts"].items()}, header["parts"], arrays)
    npz.write(path, header, arrays)
    with pytest.raises(ValueError, match=r"^checkpoint: "):
        train()


@pytest.mark.parametrize(
    ("kills", "more"),
    [
        (6, []),
        pytest.param(100, [], marks=pytest.mark.slow),
        pytest.param(100, ["--compiled"], marks=pytest.mark.slow),
    ],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the training is a forked process")
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path, kills, more):
    command = [sys.executable, crash.__file__, str(tmp_path), "--kills", str(kills), *more]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{kills} kills in ")
