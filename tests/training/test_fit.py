"""Training: fit takes the steps that a loop written by hand takes, reports them truly, stops when it is told to, and
refuses what it cannot learn from; evaluate changes nothing."""

import gc
import os
import signal
import threading
import weakref
from contextlib import nullcontext

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import outcome

X, Y = tg.data.blobs(50, rng=0)  # three classes

# --- what is learned --------------------------------------------------------------------------------------------------


def test_the_loss_falls_and_the_classes_are_learned():
    history = fit(small(), epochs=40, optimizer=0.05)
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    assert tg.evaluate(tg.mlp([2, 3], rng=0), X, Y).accuracy < 0.9  # which it did not know before


@pytest.mark.parametrize("batch_size", [None, 20, 1])
def test_fit_takes_the_steps_of_a_loop_written_by_hand(batch_size):
    model = tg.mlp([2, 3], rng=1)
    W, b = model[0].W.numpy(), model[0].b.numpy()
    history = tg.fit(
        model, X, Y, optimizer=tg.SGD(model, lr=0.1), epochs=3, batch_size=batch_size, rng=5, progress=False
    )

    rng, losses, accuracies = np.random.default_rng(5), [], []
    for _ in range(3):
        loss, right = 0.0, 0
        for xb, yb in tg.batches(X, Y, batch_size, rng=rng):
            scores = np.exp(xb @ W + b)
            p = scores / scores.sum(axis=1, keepdims=True)
            loss -= np.log(p[range(len(yb)), yb]).sum()
            right += (p.argmax(axis=1) == yb).sum()
            slope = (p - np.eye(3)[yb]) / len(yb)
            W, b = W - 0.1 * xb.T @ slope, b - 0.1 * slope.sum(axis=0)
        losses.append(loss / len(X))
        accuracies.append(right / len(X))

    assert np.allclose(model[0].W.numpy(), W, rtol=0, atol=1e-12)
    assert np.allclose(model[0].b.numpy(), b, rtol=0, atol=1e-12)
    assert history["loss"] == pytest.approx(losses, abs=1e-12)
    assert history["accuracy"] == pytest.approx(accuracies)


def test_the_optimizer_is_adam_if_none_is_given():
    ours, theirs = small(), small()
    fit(ours)
    fit(theirs, optimizer=tg.Adam(theirs))
    assert same(ours, theirs.state_dict())


@pytest.mark.parametrize("batch_size", [None, 1, 8, 50])
def test_an_epoch_has_as_many_updates_as_batches(batch_size):
    model = small()
    optimizer = tg.SGD(model)
    fit(model, optimizer=optimizer, batch_size=batch_size, epochs=2)
    assert optimizer.t == 2 * {None: 1, 1: 50, 8: 7, 50: 1}[batch_size]


def test_training_is_in_training_mode_in_every_epoch():
    model, modes = noisy().eval(), []

    def spy(output, y):
        modes.append({layer.training for _, layer in model.named_layers()})
        return tg.cross_entropy(output, y)

    tg.fit(model, X, Y, spy, epochs=2, batch_size=None, progress=False)
    assert modes == [{True}, {True}]


def test_training_ends_in_evaluation_mode():
    model = noisy()
    fit(model)
    assert not any(layer.training for _, layer in model.named_layers())


def test_no_epochs_change_nothing_and_end_in_evaluation_mode_too():
    model = noisy()
    before = model.state_dict()
    assert len(fit(model, epochs=0)) == 0
    assert same(model, before)
    assert not model.training


def test_validation_never_changes_training():
    alone, watched = noisy(), noisy()
    without = fit(alone, rng=3)
    with_it = fit(watched, rng=3, validation=tg.data.blobs(20, rng=9))
    assert same(watched, alone.state_dict())
    assert with_it["loss"] == without["loss"]


def test_the_same_seed_gives_the_same_history():
    first, again = fit(noisy(), rng=2, validation=(X, Y)), fit(noisy(), rng=2, validation=(X, Y))
    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(fit(noisy(), rng=3, validation=(X, Y)))


def test_a_learning_rate_that_falls_to_0_with_the_last_step_can_be_used():
    model = small()
    history = fit(model, optimizer=tg.SGD(model, lr=lambda t: 0.1 * (1 - t / 4)), epochs=2, batch_size=25)
    assert len(history) == 2


# --- what is recorded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "validation", "keys"),
    [
        (True, False, "epoch loss accuracy lr seconds"),
        (True, True, "epoch loss accuracy validation_loss validation_accuracy lr seconds"),
        (False, False, "epoch loss lr seconds"),
        (False, True, "epoch loss validation_loss lr seconds"),
    ],
)
def test_accuracy_is_recorded_for_labels_and_validation_where_it_is_given(classes, validation, keys):
    data = (X, Y) if classes else tg.data.regression(20, rng=0)
    model = tg.mlp([2, 3] if classes else [1, 1], rng=0)
    history = tg.fit(
        model,
        *data,
        tg.cross_entropy if classes else tg.mse_loss,
        epochs=2,
        validation=data if validation else None,
        progress=False,
    )
    assert [list(row) for row in history.rows] == [keys.split()] * 2


def test_whole_numbers_as_targets_are_no_labels():
    model = tg.mlp([2, 1], rng=0)
    history = tg.fit(model, X, Y[:, None], tg.mse_loss, epochs=1, progress=False)
    assert "accuracy" not in history.rows[0]
    assert tg.evaluate(model, X, Y[:, None], tg.mse_loss).accuracy is None


def test_a_row_says_what_happened():
    model = small()
    history = fit(model, optimizer=tg.SGD(model, lr=0.25), epochs=3, validation=(X, Y))
    assert history["epoch"] == [1, 2, 3]
    assert history["lr"] == [0.25] * 3
    assert all(seconds > 0 for seconds in history["seconds"])
    last = tg.evaluate(model, X, Y)
    assert (history["validation_loss"][-1], history["validation_accuracy"][-1]) == last


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_a_callback_sees_every_row_and_may_stop():
    seen = []

    def stop_after_two(row):
        seen.append(row)
        return len(seen) == 2

    history = fit(small(), epochs=9, callback=stop_after_two)
    assert history.rows == seen
    assert len(history) == 2
    assert history.stopped == "callback"


def test_a_callback_that_returns_nothing_stops_nothing():
    history = fit(small(), epochs=3, callback=lambda row: None)
    assert len(history) == 3
    assert history.stopped == "all epochs"


@pytest.fixture
def pythons_handler():
    """A shell starts what runs in the background with Ctrl-C ignored; here it is as in a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_after_the_batch_and_returns_what_there_is(pythons_handler):
    model, handler, costs = small(), signal.getsignal(signal.SIGINT), []
    optimizer = tg.SGD(model)

    def pressed_in_the_third_batch(output, y):
        cost = tg.cross_entropy(output, y)
        costs.append(cost.item())
        if len(costs) == 3:
            signal.raise_signal(signal.SIGINT)
        return cost

    history = fit(model, loss=pressed_in_the_third_batch, optimizer=optimizer, epochs=5, batch_size=10)
    assert optimizer.t == 3
    assert history.stopped == "interrupted"
    assert history["loss"] == pytest.approx([np.mean(costs)])
    assert not model.training
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_between_epochs_ends_at_the_next_batch(pythons_handler):
    model = small()
    optimizer = tg.SGD(model)
    history = fit(model, optimizer=optimizer, batch_size=10, callback=lambda row: signal.raise_signal(signal.SIGINT))
    assert history.stopped == "interrupted"
    assert optimizer.t <= 6


def test_a_second_ctrl_c_interrupts_at_once(pythons_handler):
    model, handler = small(), signal.getsignal(signal.SIGINT)
    optimizer = tg.SGD(model)

    def pressed_twice(output, y):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(model, loss=pressed_twice, optimizer=optimizer)
    assert optimizer.t == 0
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_is_as_before_after_an_error():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError):
        fit(small(), loss=lambda output, y: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is handler


def test_fit_works_in_another_thread_and_leaves_ctrl_c_alone():
    done, handler = [], signal.getsignal(signal.SIGINT)
    during = []
    thread = threading.Thread(
        target=lambda: done.append(fit(small(), callback=lambda row: during.append(signal.getsignal(signal.SIGINT))))
    )
    thread.start()
    thread.join()
    assert len(done[0]) == 2
    assert during == [handler] * 2
    assert signal.getsignal(signal.SIGINT) is handler


# --- refusals ---------------------------------------------------------------------------------------------------------

NAN, INF = X.copy(), X.copy()
NAN[3], INF[3] = np.nan, np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": NAN}, r"X holds nan at \[3, 0\]; every number has to be finite"),
        ({"X": INF}, r"X holds inf at \[3, 0\]"),
        ({"X": tg.Tensor(NAN)}, "X holds nan"),
        ({"y": np.full(50, np.nan)}, "y holds nan"),
        ({"validation": (NAN, Y)}, "validation X holds nan"),
        ({"validation": (X, np.full(50, np.inf))}, "validation y holds inf"),
        ({"X": X[1:]}, r"one row for each sample, got shapes \(49, 2\) and \(50,\)"),
        ({"X": X[:0], "y": Y[:0]}, "no samples"),
        ({"validation": (X, Y[1:])}, "one row for each sample"),
        ({"validation": (X[:0], Y[:0])}, "no samples"),
        ({"epochs": -1}, "epochs = -1, but it has to be a whole number, at least 0"),
        ({"epochs": 1.5}, "epochs = 1.5"),
        ({"batch_size": 0}, "batch_size = 0, but it has to be a whole number, at least 1, or None"),
        ({"batch_size": 0.5}, "batch_size = 0.5"),
        ({"batch_size": 0, "epochs": 0}, "batch_size = 0"),
        ({"y": Y + 1, "batch_size": None}, "label 3, but with 3 logits the labels are 0 to 2"),
        ({"y": Y - 1, "batch_size": None}, "label -1, but with 3 logits the labels are 0 to 2"),
        ({"X": np.ones((50, 3))}, r"takes inputs of shape \(N, 2\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_and_the_model_stays_as_it_is(change, message):
    model, handler = small(), signal.getsignal(signal.SIGINT)
    before = model.state_dict()
    with pytest.raises(ValueError, match=message):
        tg.fit(model, **{"X": X, "y": Y, "epochs": 2, "progress": False} | change)
    assert same(model, before)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_an_error_that_names_the_epoch(bad):
    losses = iter([1.0] * 5 + [bad] * 99)  # 5 batches in the first epoch
    with pytest.raises(ValueError, match=r"the loss became (nan|inf) in epoch 2; a smaller learning rate may help"):
        fit(small(), loss=lambda output, y: tg.cross_entropy(output, y) * next(losses), batch_size=10, epochs=5)


def test_a_learning_rate_that_is_far_too_large_is_an_error_and_no_warning():
    model = tg.mlp([1, 4, 1], rng=0)
    with pytest.raises(ValueError, match="smaller learning rate"):
        tg.fit(
            model,
            *tg.data.regression(20, rng=0),
            tg.mse_loss,
            tg.SGD(model, lr=1e6),
            epochs=99,
            batch_size=5,
            progress=False,
        )


def full():
    """Return a file on a disk that is full."""
    return open("/dev/full", "r+b", buffering=0)


def nowhere(**_):
    raise FileNotFoundError("no usable temporary directory")


PLACES = {
    "memory": (outcome.LARGE, None),
    "file": (0, None),
    "no file": (0, nowhere),
    "full disk": (0, lambda **_: full()),
}


@pytest.mark.parametrize("place", PLACES)
def test_copies_are_what_was_copied_wherever_they_lie(place, monkeypatch):
    if place == "full disk" and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    least, make = PLACES[place]
    monkeypatch.setattr(outcome, "LARGE", least)
    monkeypatch.setattr(outcome, "TemporaryFile", make or outcome.TemporaryFile)
    copies = outcome.Copies()
    assert not list(copies)
    for k in (1, 2):
        arrays = [np.full((3, 2), k, np.float32), np.array(k / 3), np.arange(6.0)[::2] * k, np.zeros((0, 4))]
        before = [a.copy() for a in arrays]
        copies.take(arrays)
        for a in arrays:
            a[...] = 7
        for _ in range(2):
            got = list(copies)
            assert [a.dtype for a in got] == [a.dtype for a in before]
            assert list(map(np.array_equal, got, before)) == [True] * 4
            assert [a.shape for a in got] == [a.shape for a in before]
    assert bool(copies.arrays) == (place != "file")
    file = copies.file
    del copies
    gc.collect()
    assert file is None or file.closed


def test_a_disk_that_became_full_gets_its_room_back(monkeypatch):
    class Full:
        def __init__(self, file):
            self.file, self.seek, self.truncate, self.close = file, file.seek, file.truncate, file.close

        def write(self, data):
            raise OSError("no space left on device")

    monkeypatch.setattr(outcome, "LARGE", 0)
    copies = outcome.Copies()
    copies.take([np.ones(9)])
    file = copies.file
    copies.file = Full(file)
    copies.take([np.zeros(9)])
    np.testing.assert_array_equal(list(copies), [np.zeros(9)])
    assert not os.fstat(file.fileno()).st_size
    copies.file = file
    copies.take([np.ones(9)])
    np.testing.assert_array_equal(list(copies), [np.ones(9)])


@pytest.mark.parametrize(("compiled", "place"), [(False, "memory"), (True, "memory"), (False, "file"), (True, "file")])
def test_a_fit_that_ends_in_nan_leaves_the_model_as_after_the_last_finite_epoch(compiled, place, monkeypatch):
    monkeypatch.setattr(outcome, "LARGE", PLACES[place][0])
    X, y = tg.data.regression(40, rng=0)

    def trained(epochs, spoilt=False):
        model = tg.Sequential(tg.Linear(1, 4, rng=0), tg.BatchNorm1d(4), tg.Linear(4, 1, rng=0))
        optimizer = tg.Adam(model, lr=0.01)

        def spoil(row):
            optimizer.lr = 1e200 if spoilt and row["epoch"] == 3 else 0.01

        tg.fit(model, X, y, tg.mse_loss, optimizer, epochs, 8, rng=0, progress=False, callback=spoil, compiled=compiled)
        return model, optimizer

    right, optimizer = trained(3)
    with pytest.raises(
        ValueError, match=r"(nan|inf) in epoch 4; .*\. The model is again as it was after epoch 3$"
    ) as refused:
        trained(9, spoilt=True)
    frame = refused.traceback[1].frame.f_locals  # of trained
    assert same(frame["model"], right.state_dict())
    assert all(np.array_equal(a, optimizer.averages[name]) for name, a in frame["optimizer"].averages.items())


def test_a_gradient_that_is_not_finite_brings_the_model_back_too():
    model = tg.mlp([1, 1], rng=0)
    before = model.state_dict()

    def spoilt(p):
        return p, lambda g: g * np.nan

    with pytest.raises(ValueError, match=r"numbers are not finite.*The model is again as it was before fit\(\)$"):
        tg.fit(model, np.ones((3, 1)), np.ones(3), lambda p, y: tg.apply(spoilt, p).mean(), progress=False)
    assert same(model, before)


def test_an_epoch_of_one_update_needs_no_copy_to_go_back_to():
    """The parameters are those before the update that was refused; running means, which it changed, are put back."""
    X, y = np.ones((4, 1)) * [[1], [2], [3], [4]], np.ones((4, 1))
    model = tg.Sequential(tg.BatchNorm1d(1), tg.Linear(1, 1, rng=0))
    optimizer, seen = tg.SGD(model, lr=0.1), []

    def spoilt(p, y):
        seen.append(1)
        return tg.mse_loss(p, y) * (np.nan if len(seen) > 2 else 1.0)

    copies = list(outcome.Numbers(model, optimizer, 0, once=True).copies)
    assert [a.shape for a in copies] == [t.shape for t in model.named_tensors().values() if not t.requires_grad]
    tg.fit(model, X, y, spoilt, optimizer, 2, None, progress=False)
    state = model.state_dict()
    with pytest.raises(ValueError, match=r"nan in epoch 1; .* as it was before fit\(\)$"):
        tg.fit(model, X, y, spoilt, optimizer, 2, None, progress=False)
    assert same(model, state)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("y", "outputs", "loss", "fix"),
    [
        (Y + 1.0, 1, tg.mse_loss, r"say y\.reshape\(-1, 1\) \(the model gives \(N, 1\), y has shape \(50,\)\)"),
        (Y + 1, 3, tg.cross_entropy, r"classes are counted from 0, y has 1 to 3: say y - 1"),
        (np.eye(3)[Y][:, :2], 3, tg.cross_entropy, r"takes logits \(N, C\)"),
    ],
)
def test_what_a_loss_refuses_of_a_batch_is_said_of_y(y, outputs, loss, fix, compiled):
    with pytest.raises(ValueError, match=fix):
        tg.fit(tg.mlp([2, outputs], rng=0), X, y, loss, batch_size=10, compiled=compiled, progress=False)


@pytest.mark.parametrize(
    ("y", "outputs", "loss", "constant"),
    [
        (np.repeat([0, 0, 1, 2], 25), 3, tg.cross_entropy, 1.04),  # ln 2 · 3 / 2
        (np.repeat([[0.0], [1.0]], 50, axis=0), 1, tg.binary_cross_entropy_with_logits, 0.6931),
        (np.repeat([[0.0], [3.0]], 50, axis=0), 1, tg.mse_loss, 2.25),
    ],
)
def test_a_run_at_chance_level_says_that_nothing_was_learned(y, outputs, loss, constant):
    X, model = np.random.default_rng(0).standard_normal((100, 2)), tg.mlp([2, outputs], rng=0)
    options = {"epochs": 5, "progress": False, "rng": 0}
    with pytest.warns(
        UserWarning, match=rf"nothing was learned: .* after 5 epochs, and {constant}\d* for a model"
    ) as told:
        tg.fit(model, X, y, loss, tg.SGD(model, lr=1e-9), **options)
    assert told[0].filename == __file__
    assert "mean 0 and deviation 1" not in str(told[0].message)  # X has these already
    with pytest.warns(UserWarning, match="or features of mean 0 and deviation 1"):
        tg.fit(model, 20 + X, y, loss, tg.SGD(model, lr=1e-9), **options)
    tg.fit(model, X + y.reshape(100, -1), y, loss, tg.SGD(model, lr=0.1), **options | {"epochs": 30})  # no warning


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ((X[:3], Y[:4]), r"X and y of validation need one row for each sample, got shapes \(3, 2\) and \(4,\)"),
        ((X,), r"validation is two arrays, \(X, y\), or a share, as 0.2, got tuple of 1"),
    ],
)
def test_validation_data_are_named_in_an_error(validation, said):
    with pytest.raises((TypeError, ValueError), match=said):
        tg.fit(small(), X, Y, epochs=1, validation=validation, progress=False)


@pytest.mark.parametrize("y", [{"a": Y, "b": Y}, (Y, Y)])
def test_several_targets_under_a_loss_of_one_are_named(y):
    for run in (lambda: tg.fit(small(), X, y, epochs=1, progress=False), lambda: tg.evaluate(small(), X, y)):
        with pytest.raises(TypeError, match=rf"y is a {type(y).__name__} of arrays, and cross_entropy takes one array"):
            run()


# --- evaluate ---------------------------------------------------------------------------------------------------------


class Holes(tg.Layer):
    """Returns what it is given, with NaN for numbers below 0."""

    def forward(self, x):
        x = x.numpy() if isinstance(x, tg.Tensor) else x
        return tg.Tensor(np.where(x < 0, np.nan, x))


@pytest.mark.parametrize(
    ("right", "y", "loss"),
    [
        (np.eye(3)[Y], Y, tg.cross_entropy),
        (np.full((50, 1), 2.0), np.ones((50, 1)), tg.binary_cross_entropy_with_logits),
        (np.zeros((50, 1)), np.zeros((50, 1)), tg.binary_cross_entropy_with_logits),
    ],
)
def test_an_output_that_is_nan_is_no_right_answer(right, y, loss):
    assert tg.evaluate(Holes(), right, y, loss).accuracy == 1
    spoilt = right.copy()
    spoilt[:5] = -1
    with np.errstate(invalid="ignore"):  # of the loss, which is NaN
        found = tg.evaluate(Holes(), spoilt, y, loss), tg.evaluate(Holes(), spoilt, y, loss, batch_size=7)
    assert [one.accuracy for one in found] == [0.9, 0.9]


@pytest.mark.parametrize("batch_size", [1, 7, 1024])
def test_evaluate_is_the_mean_over_all_samples(batch_size):
    model = small()
    scores = np.exp(np.maximum(X @ model[0].W.numpy(), 0) @ model[2].W.numpy())  # the biases are still 0
    p = scores / scores.sum(axis=1, keepdims=True)
    loss, accuracy = tg.evaluate(model, X, Y, batch_size=batch_size)
    assert loss == pytest.approx(-np.log(p[range(50), Y]).mean(), abs=1e-12)
    assert accuracy == pytest.approx((p.argmax(axis=1) == Y).mean())


def test_evaluate_drops_nothing_and_learns_no_statistics():
    model = noisy().train()
    before = model.state_dict()
    assert tg.evaluate(model, X, Y) == tg.evaluate(model, X, Y)
    assert tg.evaluate(model, X, Y) == tg.evaluate(model.eval(), X, Y)
    assert same(model, before)


@pytest.mark.parametrize("modes", [(True,) * 5, (False,) * 5, (True, True, False, True, True)])
def test_evaluate_restores_the_mode_of_every_layer(modes):
    model = noisy()
    for (_, layer), mode in zip(model.named_layers(), modes, strict=True):
        layer.training = mode
    tg.evaluate(model, X, Y)
    assert tuple(layer.training for _, layer in model.named_layers()) == modes


def test_evaluate_restores_the_mode_after_an_error():
    model = small().train()
    with pytest.raises(ValueError, match="label 3"):
        tg.evaluate(model, X, Y + 1)
    assert model.training


def test_evaluation_records_no_graph():
    outputs = []

    def spy(output, y):
        outputs.append(output)
        return tg.cross_entropy(output, y)

    model = small()
    tg.evaluate(model, X, Y, loss=spy)
    assert [output.requires_grad for output in outputs] == [False]
    assert not outputs[0].parents
    assert model(X).requires_grad  # and recording is on again


def test_evaluate_takes_tensors_and_lists():
    model = small()
    assert tg.evaluate(model, tg.Tensor(X), Y.tolist()) == tg.evaluate(model, X, Y)


def test_evaluate_refuses_no_samples():
    with pytest.raises(ValueError, match="no samples"):
        tg.evaluate(small(), X[:0], Y[:0])


# --- helpers ----------------------------------------------------------------------------------------------------------


def small():
    return tg.mlp([2, 4, 3], rng=0)


def noisy():
    """A model that behaves differently in training: it drops values and learns statistics."""
    return tg.Sequential(tg.Linear(2, 4, rng=0), tg.BatchNorm1d(4), tg.Dropout(0.5, rng=0), tg.Linear(4, 3, rng=0))


def fit(model, **options):
    """Two quiet epochs on the blobs. An optimizer that is a number is Adam's learning rate."""
    if isinstance(options.get("optimizer"), float):
        options["optimizer"] = tg.Adam(model, lr=options["optimizer"])
    return tg.fit(model, X, Y, **{"epochs": 2, "rng": 0, "progress": False} | options)


def same(model, state):
    return all(np.array_equal(state[name], values) for name, values in model.state_dict().items())


def numbers(history):
    """The rows without the seconds, which differ from run to run."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


def test_one_score_a_sample_has_no_accuracy():
    X, y = tg.data.moons(40, rng=0)
    model = tg.mlp([2, 4, 1], rng=0)

    def loss(output, labels):
        return tg.binary_cross_entropy_with_logits(output[:, 0], labels)

    assert tg.evaluate(model, X, y, loss).accuracy is None
    assert "accuracy" not in tg.fit(model, X, y, loss, epochs=1, progress=False).rows[0]


def test_an_optimizer_class_or_a_loss_name_is_refused():
    X, y = tg.data.moons(40, rng=0)
    model = tg.mlp([2, 2], rng=0)
    for wrong, message in (
        ({"optimizer": tg.Adam}, r"optimizer is one such as tg\.Adam\(model\), got the class Adam"),
        ({"loss": "mse"}, r"loss is a function, such as tg\.cross_entropy, got str 'mse'"),
        ({"model": len}, r"model is a layer, such as tg\.mlp\(\[2, 16, 2\]\), got builtin_function_or_method"),
    ):
        with pytest.raises(TypeError, match=message):
            tg.fit(**{"model": model, "X": X, "y": y, "progress": False} | wrong)


def test_a_handler_that_is_not_pythons_own_is_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        X, y = tg.data.moons(40, rng=0)
        history = tg.fit(
            tg.mlp([2, 2], rng=0),
            X,
            y,
            epochs=2,
            progress=False,
            callback=lambda row: signal.raise_signal(signal.SIGINT),
        )
        assert history.stopped == "all epochs"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_drop_last_leaves_a_short_batch_out():
    X, y = tg.data.moons(33, rng=0)
    model = tg.Sequential(tg.BatchNorm1d(2), tg.Linear(2, 2, rng=0))
    optimizer = tg.SGD(model)
    with pytest.raises(ValueError, match="at least 2 samples"):
        tg.fit(model, X, y, optimizer=optimizer, epochs=1, batch_size=32, progress=False)
    assert not model.training  # also after an error
    optimizer = tg.SGD(model)
    tg.fit(model, X, y, optimizer=optimizer, epochs=2, batch_size=32, drop_last=True, progress=False)
    assert optimizer.t == 2


@pytest.mark.parametrize("policy", ["skip", "propagate"])
def test_an_optimizer_that_does_not_raise_trains_on_after_a_loss_that_is_no_number(policy):
    model = tg.mlp([1, 1], rng=0)
    broken = iter([True, False, False])
    loss = lambda p, t: tg.mse_loss(p * (float("nan") if next(broken) else 1.0), t)
    X, before = np.ones((3, 1)), model.state_dict()
    ended_in_nan = pytest.warns(UserWarning, match=r"last epoch is nan\. The model is again as it was before")
    with ended_in_nan if policy == "propagate" else nullcontext():
        history = tg.fit(model, X, X, loss, tg.SGD(model, nonfinite=policy), 1, 1, progress=False)
    assert np.isnan(history["loss"][0]) == (policy == "propagate") == same(model, before)


def test_a_graph_is_gone_before_the_next_one_grows():
    class Spy(tg.Layer):
        def __init__(self):
            self.linear, self.seen = tg.Linear(2, 2, rng=0), []

        def forward(self, x):
            alive.append([ref() is not None for ref in self.seen])
            y = self.linear(x)
            self.seen.append(weakref.ref(y))
            return y

    alive = []
    tg.fit(Spy(), *tg.data.moons(8, rng=0), epochs=2, batch_size=4, validation=tg.data.moons(4, rng=1), progress=False)
    assert len(alive) == 6
    assert not any(map(any, alive))
