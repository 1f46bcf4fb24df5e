"""Options of fit: clipping, accumulated batches, weights, a share held out, metrics, and the accuracy of yes and no.

Machine code is tried as Python (`_plainly`): what is compiled is the same text.
"""

import signal
from functools import partial

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.compile.step import CompiledStep
from tinygrad_edu.core import jit
from tinygrad_edu.training import epochs as of_epochs

X, Y = tg.data.blobs(50, noise=1.5, rng=0)  # three classes that overlap
W = np.random.default_rng(1).uniform(0, 2, 50).round(1) * (np.arange(50) % 7 > 0)
BOTH = pytest.mark.parametrize("compiled", [False, True])


@pytest.fixture(autouse=True)
def _plainly(monkeypatch):
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)


def fit(loss=tg.cross_entropy, y=Y, outputs=3, epochs=3, lr=0.5, **options):
    """Return the model, trained by SGD, and the history."""
    model = tg.mlp([2, 4, outputs], rng=0)
    optimizer = tg.SGD(model, lr=lr)
    options = {"batch_size": 16, "rng": 5, "progress": False} | options
    return model, tg.fit(model, X, y, loss, optimizer, epochs, **options)


def by_hand(step, batch_size=16, epochs=3, outputs=3):
    """Return a model that was trained by step(model, optimizer, rows), with the rows of the batches that fit draws."""
    model, rng = tg.mlp([2, 4, outputs], rng=0), np.random.default_rng(5)
    optimizer = tg.SGD(model, lr=0.5)
    for _ in range(epochs):
        order = rng.permutation(50)
        for first in range(0, 50, batch_size):
            optimizer.zero_grad()
            step(model, optimizer, order[first : first + batch_size])
            optimizer.step()
    return model


def close(a, b, tolerance=1e-12):
    return all(np.allclose(p.data, q.data, rtol=0, atol=tolerance) for p, q in zip(a.parameters(), b.parameters()))


# --- clipping ---------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("bounds", [{"clip_norm": 0.1}, {"clip_value": 0.02}, {"clip_norm": 0.05, "clip_value": 0.02}])
def test_gradients_are_clipped_before_each_update(bounds, compiled):
    def step(model, optimizer, rows):
        tg.cross_entropy(model(X[rows]), Y[rows]).backward()
        if "clip_value" in bounds:
            for p in model.parameters():
                p.grad[...] = np.clip(p.grad, -bounds["clip_value"], bounds["clip_value"])
        if "clip_norm" in bounds:
            norm = np.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
            for p in model.parameters():
                p.grad *= min(1, bounds["clip_norm"] / (norm + 1e-6))

    model, history = fit(compiled=compiled, **bounds)
    assert close(model, by_hand(step))
    assert not close(model, fit(compiled=compiled)[0], 1e-3)
    assert history["accuracy"] == fit(**bounds)[1]["accuracy"]


def test_a_gradient_that_is_not_finite_is_found_behind_the_clip():
    def spoilt(p):
        return p, lambda g: g * np.nan

    loss = lambda output, y: tg.cross_entropy(tg.apply(spoilt, output), y)
    with pytest.raises(ValueError, match="not finite"):
        fit(loss, clip_norm=1.0, clip_value=1.0)


@BOTH
def test_a_batch_that_is_skipped_is_skipped_behind_the_clip(compiled):
    model = tg.mlp([1, 1], rng=0)
    optimizer, X, y = tg.SGD(model, nonfinite="skip"), np.ones((2, 1)), np.array([[1.0], [1e200]])
    loss = lambda output, y: (output * output * y * y).mean()
    tg.fit(model, X, y, loss, optimizer, 2, 1, clip_norm=1.0, progress=False, compiled=compiled)
    assert (optimizer.t, optimizer.skipped) == (2, 2)


def test_bounds_that_are_none_are_refused():
    for name in ("clip_norm", "clip_value"):
        for wrong, error in ((0, ValueError), (-1.0, ValueError), (float("nan"), ValueError), ("1", TypeError)):
            with pytest.raises(error, match=name):
                fit(**{name: wrong})


# --- accumulate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 4), (8, 2), (16, 3), (5, 100), (1, 7)])
@pytest.mark.parametrize("weights", [None, W])
def test_several_batches_make_the_step_of_one(batch_size, accumulate, weights):
    model, history = fit(batch_size=batch_size, accumulate=accumulate, sample_weight=weights)
    whole, expected = fit(batch_size=batch_size * accumulate, sample_weight=weights)
    assert close(model, whole)
    assert history["loss"] == pytest.approx(expected["loss"], abs=1e-12)
    assert history["accuracy"] == expected["accuracy"]


def test_sums_of_several_batches_are_the_sum_of_one():
    loss = partial(tg.cross_entropy, reduction="sum")
    model, history = fit(loss=loss, lr=0.03, batch_size=4, accumulate=4)
    whole, expected = fit(loss=loss, lr=0.03, batch_size=16)
    assert close(model, whole)
    assert history["loss"] == pytest.approx(expected["loss"], abs=1e-12)


@BOTH
def test_the_history_of_a_sum_is_the_mean_over_the_samples(compiled):
    """A sum over 25 samples is 25 times their mean, so a rate 25 times as small makes the same updates."""
    model, history = fit(partial(tg.cross_entropy, reduction="sum"), lr=0.02, batch_size=25, compiled=compiled)
    mean, expected = fit(lr=0.5, batch_size=25)
    assert close(model, mean)
    assert history["loss"] == pytest.approx(expected["loss"], abs=1e-12)
    assert history["accuracy"] == expected["accuracy"]


def test_evaluate_takes_a_sum_for_a_sum():
    model, loss = tg.mlp([2, 4, 3], rng=0), partial(tg.cross_entropy, reduction="sum")
    for size in (7, 50):
        assert tg.evaluate(model, X, Y, loss, size).loss == pytest.approx(tg.evaluate(model, X, Y).loss, abs=1e-12)


def test_there_is_one_update_for_each_group():
    model = tg.mlp([2, 3], rng=0)
    optimizer = tg.SGD(model)
    tg.fit(model, X, Y, optimizer=optimizer, epochs=2, batch_size=8, accumulate=3, progress=False)
    assert optimizer.t == 2 * 3  # 24, 24 and 2 samples


def test_accumulate_is_a_count_and_does_not_compile():
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=r"accumulate = .*, at least 1"):
            fit(accumulate=wrong)
    with pytest.raises(TypeError, match="accumulate is a whole number"):
        fit(accumulate=1.5)
    with pytest.raises(tg.CannotCompile, match="accumulate: a compiled step makes an update with each batch"):
        fit(accumulate=2, compiled=True)


# --- weights ----------------------------------------------------------------------------------------------------------


def weighted_step(weights):
    """A step of the weighted cross-entropy, in NumPy, for a model of two layers."""

    def step(model, optimizer, rows):
        w = weights[rows]
        if not w.any():
            return
        first, last = model[0], model[2]
        hidden = np.maximum(X[rows] @ first.W.data + first.b.data, 0)
        scores = np.exp(hidden @ last.W.data + last.b.data)
        slope = (scores / scores.sum(axis=1, keepdims=True) - np.eye(3)[Y[rows]]) * (w / w.sum())[:, None]
        back = slope @ last.W.data.T * (hidden > 0)
        for p, g in (
            (last.W, hidden.T @ slope),
            (last.b, slope.sum(0)),
            (first.W, X[rows].T @ back),
            (first.b, back.sum(0)),
        ):
            p.grad = g

    return step


def test_sample_weight_weighs_the_samples():
    assert close(fit(sample_weight=W)[0], by_hand(weighted_step(W)))
    assert close(fit(sample_weight=3 * np.ones(50))[0], fit()[0])


@BOTH
@pytest.mark.parametrize("given", ["balanced", {0: 1, 1: 2.5, 2: 0.5}, [1, 2.5, 0.5]])
def test_class_weight_weighs_by_class(given, compiled):
    from sklearn.utils.class_weight import compute_class_weight

    y = np.where(np.arange(50) < 20, 0, Y)
    table = np.array([1, 2.5, 0.5]) if given != "balanced" else compute_class_weight(given, classes=np.arange(3), y=y)
    model, history = fit(y=y, class_weight=given, compiled=compiled)
    whole, expected = fit(y=y, sample_weight=table[y])
    assert close(model, whole)
    assert history["loss"] == pytest.approx(expected["loss"], abs=1e-12)
    assert history["accuracy"] == expected["accuracy"]


def test_both_weights_multiply():
    table = np.array([1, 2.5, 0.5])
    assert close(fit(sample_weight=W, class_weight=table)[0], fit(sample_weight=W * table[Y])[0], 0)


@BOTH
@pytest.mark.oracle
def test_class_weight_of_yes_and_no(compiled):
    torch = pytest.importorskip("torch")
    y = (Y == 1).astype(float)[:, None]
    loss = tg.binary_cross_entropy_with_logits
    model, _ = fit(loss, y, 1, class_weight={0: 0.5, 1: 2}, compiled=compiled)

    theirs = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).double()
    start, rng = tg.mlp([2, 4, 1], rng=0), np.random.default_rng(5)
    with torch.no_grad():
        for i in (0, 2):
            theirs[i].weight.copy_(torch.tensor(start[i].W.numpy().T))
            theirs[i].bias.zero_()
    for _ in range(3):
        order = rng.permutation(50)
        for first in range(0, 50, 16):
            rows = order[first : first + 16]
            t = torch.tensor(y[rows])
            w = torch.where(t == 1, 2.0, 0.5)
            theirs.zero_grad()
            costs = torch.nn.functional.binary_cross_entropy_with_logits(
                theirs(torch.tensor(X[rows])), t, reduction="none"
            )
            ((costs * w).sum() / w.sum()).backward()
            with torch.no_grad():
                for p in theirs.parameters():
                    p -= 0.5 * p.grad
    assert np.allclose(model[0].W.data, theirs[0].weight.detach().numpy().T, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_weight": W[1:]}, ValueError, r"shape \(49,\), but there are 50 samples"),
        ({"sample_weight": -W}, ValueError, "at least 0"),
        ({"sample_weight": 0 * W}, ValueError, "not all of them zero"),
        ({"sample_weight": W + np.nan}, ValueError, "finite"),
        ({"sample_weight": "balanced"}, TypeError, "sample_weight"),
        ({"class_weight": "even"}, ValueError, "class_weight is \"balanced\", a dict .* got 'even'"),
        ({"class_weight": {0: 1, 1: 1}}, ValueError, r"no weight for the class \[2\] in y"),
        ({"class_weight": {0: 1, 1: 1, 2: -1}}, ValueError, r"class_weight\[2\] = -1"),
        ({"class_weight": np.eye(3)}, ValueError, r"class_weight is .*, got ndarray \(3, 3\)"),
        ({"class_weight": "balanced", "y": np.eye(3)[Y]}, ValueError, "one class number for each sample"),
        ({"sample_weight": W, "loss": lambda p, y: tg.cross_entropy(p, y)}, TypeError, "which <lambda> does not take"),
        ({"sample_weight": W, "compiled": True}, tg.CannotCompile, "sample_weight: a compiled step takes X and y"),
    ],
)
def test_weights_that_cannot_be_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        fit(**options)


# --- validation, metrics, accuracy ------------------------------------------------------------------------------------


def test_a_share_is_held_out_as_split_does_it():
    model, history = fit(validation=0.3)
    rng = np.random.default_rng(5)
    held = tg.data.split(np.arange(50), Y, 0.3, rng)
    other = tg.mlp([2, 4, 3], rng=0)
    train, rest = held.X_train, held.X_test
    expected = tg.fit(
        other, X[train], Y[train], tg.cross_entropy, tg.SGD(other, lr=0.5), 3, 16, rng=rng, progress=False,
        validation=(X[rest], Y[rest]),
    )  # fmt: skip
    assert close(model, other, 0)
    assert history["validation_loss"] == expected["validation_loss"]
    for wrong in (0.0, 1.0, -0.5):
        with pytest.raises(ValueError, match="a share is between 0 and 1"):
            fit(validation=wrong)
    with pytest.raises(TypeError, match=r"or a share, as 0\.2, got int"):
        fit(validation=1)


@pytest.mark.parametrize("held_out", [False, True])
def test_metrics_see_the_answers(held_out):
    from sklearn.metrics import f1_score

    seen = []

    def f1(truth, answers):
        seen.append((truth, answers))
        return f1_score(truth, answers, average="macro")

    data = tg.data.blobs(30, noise=1.5, rng=7)
    model, history = fit(metrics={"f1": f1}, **({"validation": data} if held_out else {}))
    column = "validation_f1" if held_out else "f1"
    inputs, truth = data if held_out else (X, Y)
    answers = model(inputs).numpy().argmax(axis=1)
    assert history[column][-1] == f1_score(truth, answers, average="macro")
    assert np.array_equal(seen[-1][0], truth)
    assert np.array_equal(seen[-1][1], answers)
    validated = ["validation_loss", "validation_accuracy"] * held_out
    assert list(history.rows[0]) == ["epoch", "loss", "accuracy", *validated, column, "lr", "seconds"]


def test_metrics_without_answers_see_targets_and_outputs():
    X, y = tg.data.regression(40, rng=0)
    model = tg.mlp([1, 1], rng=0)
    error = lambda targets, outputs: abs(targets - outputs).max()
    history = tg.fit(model, X, y, tg.mse_loss, epochs=1, metrics={"worst": error}, progress=False)
    assert history["worst"] == [abs(y - model(X).numpy()).max()]


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ([len], TypeError, "metrics is a dict of functions"),
        ({"loss": max}, ValueError, "'loss' cannot be the name"),
        ({"validation_f1": max}, ValueError, "'validation_f1' cannot be"),
        ({"f1": 1}, TypeError, r"metrics\['f1'\] is a function"),
        ({"f1": lambda y, p: p}, TypeError, r"metrics\['f1'\] has to return a number, it returned ndarray \(50,\)"),
    ],
)
def test_metrics_that_cannot_be_are_refused(metrics, error, message):
    with pytest.raises(error, match=message):
        fit(metrics=metrics)


@BOTH
@pytest.mark.parametrize("kind", [float, int, bool])
@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_a_logit_above_0_is_a_yes(shape, kind, compiled):
    y = np.eye(3)[Y].astype(kind) if shape[1:] == (3,) else (Y == 1).astype(kind).reshape(shape)
    model = tg.mlp([2, 4, 3 if shape[1:] == (3,) else 1], rng=0)
    if len(shape) == 1:
        model = tg.Sequential(*model.layers, First())
    loss, seen = tg.binary_cross_entropy_with_logits, []

    def watched(truth, answers):
        seen.append((truth.shape, answers.shape))
        return (truth == answers).mean()

    options = {"validation": (X, y), "metrics": {"right": watched}, "compiled": compiled, "progress": False}
    history = tg.fit(model, X, y, loss, tg.SGD(model, lr=1e-9), 1, 16, **options)
    right = ((model(X).numpy() > 0) == y).mean()
    assert 0.2 < right < 0.9
    assert history["accuracy"] == [pytest.approx(right)]
    assert history["validation_accuracy"] == history["validation_right"] == [pytest.approx(right)]
    assert tg.evaluate(model, X, y, loss).accuracy == pytest.approx(right)
    assert seen == [((50, 3) if shape[1:] == (3,) else (50,),) * 2]


class First(tg.Layer):
    def forward(self, x):
        return x[:, 0]


def test_shares_as_targets_have_no_accuracy():
    y = np.where(Y == 1, 0.9, 0.1)[:, None]
    _, history = fit(tg.binary_cross_entropy_with_logits, y, 1)
    assert "accuracy" not in history.rows[0]


def test_a_loss_that_asks_for_values_says_how_to_train_with_it():
    def loss(output, y):
        return tg.cross_entropy(output, y) * (2.0 if float(output.sum()) > 0 else 1.0)

    with pytest.raises(TypeError, match=r"instead of math\.exp\(x\); or train without compiled=True$"):
        fit(loss=loss, compiled=True)


# --- compiled="auto" --------------------------------------------------------------------------------------------------

needs_numba = pytest.mark.skipif(not hasattr(tg.kernels.sgd, "py_func"), reason="nothing is chosen without a compiler")


def same_bits(one, other):
    return all(
        np.array_equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.fixture
def four(monkeypatch):
    """Twelve updates, as fit() above makes, are worth a compiler from then on."""
    monkeypatch.setattr(of_epochs, "MANY", 12)
    made = []
    compiled = of_epochs.Task.compiled
    monkeypatch.setattr(of_epochs.Task, "compiled", lambda *given: made.append(1) or compiled(*given))
    return made


@needs_numba
def test_fit_compiles_from_many_updates_on(four, capsys):
    model, _ = fit(progress=True)
    assert "compiled=True: 12 updates are ahead\n" in capsys.readouterr().err
    assert four == [1]
    assert same_bits(model, fit(compiled=True)[0])
    assert not same_bits(model, fit(compiled=False)[0])


@needs_numba
def test_fit_says_nothing_of_few_updates(four, capsys):
    model, _ = fit(epochs=2, progress=True)
    assert "compiled" not in capsys.readouterr().err
    assert not four
    assert same_bits(model, fit(epochs=2, compiled=False)[0])


@needs_numba
@pytest.mark.parametrize("more", [{"drop_last": True}, {"epochs": 4, "drop_last": True, "accumulate": 2}])
def test_only_updates_that_are_made_are_ahead(four, capsys, more):
    """Three batches an epoch are whole, the fourth has two samples."""
    fit(progress=True, **more)
    assert "compiled" not in capsys.readouterr().err
    assert not four
    fit(progress=True, drop_last=True, epochs=4)
    assert "compiled=True: 12 updates are ahead\n" in capsys.readouterr().err


@needs_numba
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"loss": lambda z, y: tg.cross_entropy(z, y)}, "<lambda> is not of this package"),
        ({"sample_weight": W}, "sample_weight: a compiled step takes X and y; class_weight compiles"),
        ({"epochs": 6, "accumulate": 2}, "accumulate: a compiled step makes an update with each batch"),
    ],
)
def test_fit_says_why_it_does_not_compile(four, capsys, options, why):
    model, _ = fit(progress=True, **options)
    assert f"compiled=False: {why}" in capsys.readouterr().err
    assert same_bits(model, fit(compiled=False, **options)[0])
    fit(**options)
    assert not capsys.readouterr().err


@needs_numba
@pytest.mark.parametrize("options", [{"y": Y + 1}, {"loss": tg.hinge_loss}])
def test_what_is_wrong_is_said_as_without_compiling(four, capsys, options):
    said = []
    for compiled in (False, "auto"):
        with pytest.raises((TypeError, ValueError)) as caught:
            fit(compiled=compiled, **options)
        said.append((type(caught.value), str(caught.value), getattr(caught.value, "__notes__", [])))
    assert said[0] == said[1]
    assert four == [1]


@needs_numba
@pytest.mark.parametrize("interrupted_after", [None, 3])
def test_what_a_callback_changes_is_followed_without_compiling_again(four, tmp_path, capsys, interrupted_after):
    """The checkpoint behind a change has the choice of the epoch behind it, so a run that goes on has its bits."""

    def train(epochs, **options):
        model = tg.Sequential(tg.Linear(2, 4, rng=0), drop := tg.Dropout(0.2, rng=1), tg.Linear(4, 3, rng=2))
        change = lambda row: setattr(drop, "p", 0.2 if row["epoch"] < 3 else 0.5)
        if options.get("checkpoint", path).exists():
            drop.p = 0.5
        optimizer = tg.SGD(model, lr=0.5)
        tg.fit(model, X, Y, tg.cross_entropy, optimizer, epochs, 16, rng=5, progress=False, callback=change, **options)
        return model

    path = tmp_path / "none"
    by_hand = train(3, compiled=True)
    assert same_bits(train(3), by_hand)
    whole = train(6)
    assert four == [1] * 3
    assert not same_bits(whole, train(6, compiled=True))
    if interrupted_after:
        path = tmp_path / "run.npz"
        train(interrupted_after, checkpoint=path)
        assert same_bits(train(6, checkpoint=path), whole)


@needs_numba
def test_auto_trains_what_a_callback_unfreezes(four):
    def train(**options):
        model = tg.mlp([2, 4, 3], rng=0)
        optimizer, W = tg.SGD(model, lr=0.5), model[0].W
        W.requires_grad = False
        unfreeze = lambda row: setattr(W, "requires_grad", row["epoch"] >= 2)
        tg.fit(model, X, Y, tg.cross_entropy, optimizer, 5, 16, rng=5, progress=False, callback=unfreeze, **options)
        return W.numpy()

    np.testing.assert_allclose(train(), train(compiled=False), rtol=1e-9)
    assert not np.allclose(train(), tg.mlp([2, 4, 3], rng=0)[0].W.data)


@needs_numba
def test_auto_leaves_a_rate_a_rule_and_weights_of_yours_alone(four, capsys):
    class Own(tg.SGD):
        def zero_grad(self):
            super().zero_grad()

    def said(optimizer=lambda model: tg.SGD(model, lr=0.5), loss=tg.cross_entropy):
        model = tg.mlp([2, 4, 3], rng=0)
        tg.fit(model, X, Y, loss, optimizer(model), 4, 16, rng=5)
        return capsys.readouterr().err

    assert "compiled=False: <lambda> is not" in said(lambda model: tg.SGD(model, lr=lambda t: 0.5))
    assert "compiled=False: Own is not" in said(Own)
    assert "compiled=False: the loss has an array" in said(loss=partial(tg.cross_entropy, weight=np.ones(3)))
    assert not four
    assert "compiled=True" in said(lambda model: tg.SGD(model, lr=tg.schedules.cosine(0.5, 100)))


@needs_numba
@pytest.mark.parametrize("of_class", [0, 2])
def test_a_compiled_fit_follows_labels_that_a_callback_changes(of_class):
    def train(compiled):
        y, model = Y.copy(), tg.mlp([2, 4, 3], rng=0)

        def change(row):
            if row["epoch"] == 2:
                y[:20] = (y[:20] + 1) % 3

        loss = partial(tg.cross_entropy, ignore_index=of_class)
        tg.fit(
            model, X, y, loss, tg.SGD(model, lr=0.5), 5, 16, rng=5, callback=change, progress=False, compiled=compiled
        )
        return model.state_dict()

    for name, array in train(False).items():
        np.testing.assert_allclose(train(True)[name], array, rtol=1e-9, atol=1e-12)


@needs_numba
def test_auto_lets_a_layer_of_yours_and_debug_see_every_batch(four):
    seen = []

    class Counted(tg.Linear):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    own = tg.Linear(2, 3, rng=0)  # of this package, but for its forward
    own.forward = lambda x: [seen.append(len(x)), tg.Linear.forward(own, x)][1]
    for layer in (Counted(2, 3, rng=0), own):
        seen.clear()
        tg.fit(tg.Sequential(layer), X, Y, epochs=3, batch_size=16, rng=5, progress=False, compiled="auto")
        assert len([n for n in seen if n > 1]) == 12
    with tg.debug(show=False):
        fit(compiled="auto")
    assert not four


@needs_numba
@pytest.mark.parametrize("asked", ["auto", None])
@pytest.mark.parametrize(("many", "compiled"), [(12, True), (13, False)])
def test_auto_goes_on_from_a_checkpoint_as_it_began(monkeypatch, tmp_path, many, compiled, asked):
    """More epochs, or fewer of them left, would be another choice. A run with compiled=False, say, goes on so, too."""
    path = tmp_path / "run.npz"
    monkeypatch.setattr(of_epochs, "MANY", many)
    fit(compiled=asked or compiled, checkpoint=path)
    monkeypatch.setattr(of_epochs, "MANY", 1000 if compiled else 1)
    model, _ = fit(checkpoint=path, epochs=6)
    assert same_bits(model, fit(compiled=compiled, epochs=6)[0])
    assert not same_bits(model, fit(compiled=not compiled, epochs=6)[0])
    with pytest.raises(ValueError, match="compiled is"):
        fit(compiled=not compiled, checkpoint=path, epochs=7)


@pytest.mark.parametrize("press", [False, True])
def test_a_long_epoch_is_several_calls_between_which_ctrl_c_is_heard(monkeypatch, press):
    calls, epoch, before = [], CompiledStep.epoch, signal.signal(signal.SIGINT, signal.default_int_handler)

    def noted(step, X, y, order, size):
        calls.append(len(order))
        if press:
            signal.raise_signal(signal.SIGINT)
        return epoch(step, X, y, order, size)

    whole, rows = fit(compiled=True)
    monkeypatch.setattr(of_epochs, "AT_ONCE", 3.5 * 16 * sum(p.size for p in whole.parameters()))
    monkeypatch.setattr(CompiledStep, "epoch", noted)
    model, history = fit(compiled=True)
    signal.signal(signal.SIGINT, before)
    if press:
        assert calls == [48]
        assert history.stopped == "interrupted"
        return
    assert calls == [48, 2] * 3
    assert same_bits(model, whole)
    assert history["accuracy"] == rows["accuracy"]
    np.testing.assert_allclose(history["loss"], rows["loss"], rtol=1e-15)


def test_compiled_is_true_false_or_auto():
    with pytest.raises(TypeError, match="compiled is 'auto', or it is True or False, got str 'always'"):
        fit(compiled="always")
