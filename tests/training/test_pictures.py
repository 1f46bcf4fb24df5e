"""Pictures: PNG files that hold what they say, for every history and model that they can be given."""

import os
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_edu as tg

image = pytest.importorskip("matplotlib.image")

from tinygrad_edu.race import pictures as raceplots  # noqa: E402
from tinygrad_edu.training import pictures as plots  # noqa: E402
from tinygrad_edu.training.lr_find import RangeTest  # noqa: E402


def test_no_picture_needs_another_program(tmp_path, monkeypatch):
    def absent(*args, **kwargs):
        raise FileNotFoundError("there is no other program")

    for start in ("Popen", "run", "check_output"):
        monkeypatch.setattr(subprocess, start, absent)
    monkeypatch.setattr(os, "system", absent)
    X, y = tg.data.moons(20, rng=0)
    race, trial = tg.race("beale", steps=3), tg.race_on_data(X, y, X, y, "sgd", seeds=2, epochs=1, grid=[0.1])
    for draw, *what in [
        (plots.loss_curve, history(3)),
        (plots.decision_boundary, tg.mlp([2, 2], rng=0), X, y),
        (plots.schedules, [tg.schedules.cosine(0.1, 5)], 5),
        (raceplots.contours, race),
        (raceplots.race_losses, race),
        (raceplots.loss_bands, trial),
    ]:
        assert read(draw(*what, tmp_path / "picture.png")).std() > 0
    assert not {"graphviz", "pydot", "pygraphviz"} & set(sys.modules)


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 2, 50])
@pytest.mark.parametrize("more", [[], ["validation_loss"], ["accuracy", "validation_loss", "validation_accuracy"]])
def test_a_loss_curve_is_a_png(tmp_path, epochs, more):
    path = plots.loss_curve(history(epochs, *more), tmp_path / "loss.png")
    assert path == tmp_path / "loss.png"
    picture = read(path)
    assert picture.shape[1] > picture.shape[0] > 100
    assert picture.std() > 0


def test_accuracy_gets_a_panel_of_its_own(tmp_path):
    one = read(plots.loss_curve(history(5), tmp_path / "one.png"))
    two = read(plots.loss_curve(history(5, "accuracy"), tmp_path / "two.png"))
    assert two.shape[1] == 2 * one.shape[1]


def test_epochs_are_whole_numbers_and_all_panels_share_one_legend():
    page = plots.loss_curve(history(3, "accuracy", "validation_loss", "validation_accuracy"))
    assert [tick for tick in page.axes[0].get_xticks() if tick % 1] == []
    assert [[text.get_text() for text in legend.get_texts()] for legend in page.legends] == [["training", "validation"]]
    assert not any(ax.get_legend() for ax in page.axes)


def test_a_figure_without_a_path_is_what_a_notebook_shows():
    for page in (plots.loss_curve(history(3)), plots.schedules([tg.schedules.cosine(0.1, 5)], 5)):
        assert page._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"


def test_dark_paper_makes_a_dark_picture_with_lighter_colours(tmp_path):
    from matplotlib import style

    with style.context("dark_background"):
        picture = read(plots.loss_curve(history(5), tmp_path / "dark.png"))
    blue = 0.65 * np.array([int(plots.COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)]) / 255 + 0.35
    assert share_of(picture, np.zeros(3)) > 0.8
    assert share_of(picture, blue) > 0
    assert share_of(picture, np.ones(3)) > 0  # the text


def test_the_curves_of_training_and_held_out_samples_differ_in_colour(tmp_path):
    without = read(plots.loss_curve(history(5), tmp_path / "a.png"))
    both = read(plots.loss_curve(history(5, "validation_loss"), tmp_path / "b.png"))
    blue, orange = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in plots.COLOURS[:2])
    assert share_of(without, blue) > 0
    assert share_of(without, orange) == 0
    assert share_of(both, blue) > 0
    assert share_of(both, orange) > 0


def test_a_loss_of_0_can_be_drawn(tmp_path):
    zero = tg.History()
    zero.rows = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.0}]
    assert read(plots.loss_curve(zero, tmp_path / "loss.png")).std() > 0


def test_what_fit_returns_can_be_drawn_into_folders_that_do_not_exist_yet(tmp_path):
    X, y = tg.data.blobs(30, rng=0)
    trained = tg.fit(tg.mlp([2, 3], rng=0), X, y, epochs=2, validation=(X, y), progress=False)
    assert read(plots.loss_curve(trained, tmp_path / "new" / "folders" / "loss.png")).std() > 0


def test_a_history_without_epochs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no epoch to draw"):
        plots.loss_curve(tg.History(), tmp_path / "loss.png")
    assert not list(tmp_path.iterdir())


# --- the boundary -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_a_boundary_is_a_png(tmp_path, classes, dtype):
    X, y = tg.data.blobs(40, rng=0, classes=classes)
    model = tg.mlp([2, 4, classes], dtype=dtype, rng=0)
    path = plots.decision_boundary(model, X.astype(dtype), y, tmp_path / "new" / "boundary.png")
    assert path == tmp_path / "new" / "boundary.png"
    assert read(path).std() > 0


@pytest.mark.parametrize("wall", [-0.6, 0.0, 0.6])
def test_each_class_is_coloured_where_the_model_chooses_it(tmp_path, wall):
    X, y = np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([0, 1])  # with the margin, the picture is from -1.2 to 1.2
    picture = read(plots.decision_boundary(right_of(wall), X, y, tmp_path / "boundary.png"))
    left, right = (share_of(picture, tint(colour)) for colour in plots.COLOURS[:2])
    assert left + right > 0.2
    assert right / (left + right) == pytest.approx((1.2 - wall) / 2.4, abs=0.03)


def test_a_model_that_always_chooses_one_class_can_be_drawn(tmp_path):
    X, y = tg.data.moons(20, rng=0)
    picture = read(plots.decision_boundary(right_of(99), X, y, tmp_path / "boundary.png"))
    assert share_of(picture, tint(plots.COLOURS[0])) > 0.2
    assert share_of(picture, tint(plots.COLOURS[1])) == 0


def test_whole_numbers_are_drawn_as_the_same_floats(tmp_path):
    X, y = np.array([[-1, -1], [1, 1], [0, 1]]), np.array([0, 1, 0])
    whole = read(plots.decision_boundary(right_of(0.5), X, y, tmp_path / "whole.png"))
    floats = read(plots.decision_boundary(right_of(0.5), X.astype(float), y, tmp_path / "floats.png"))
    assert np.array_equal(whole, floats)


def test_tensors_can_be_drawn(tmp_path):
    X, y = tg.data.moons(20, rng=0)
    assert read(plots.decision_boundary(right_of(0), tg.Tensor(X), y, tmp_path / "boundary.png")).std() > 0


@pytest.mark.parametrize("mode", [True, False])
def test_drawing_uses_evaluation_and_leaves_the_mode_as_it_was(tmp_path, mode):
    model = tg.Sequential(tg.Linear(2, 2, rng=0), tg.BatchNorm1d(2)).train(mode)
    before = model.state_dict()
    plots.decision_boundary(model, *tg.data.moons(20, rng=0), tmp_path / "boundary.png")
    assert [layer.training for _, layer in model.named_layers()] == [mode] * 3
    assert all(np.array_equal(before[name], values) for name, values in model.state_dict().items())


@pytest.mark.parametrize("shape", [(10,), (10, 1), (10, 3), (10, 2, 1), (0, 2)])
def test_a_boundary_needs_two_features(tmp_path, shape):
    with pytest.raises(ValueError, match="two features"):
        plots.decision_boundary(right_of(0), np.zeros(shape), np.zeros(10, int), tmp_path / "boundary.png")


def test_a_boundary_needs_scores_of_classes(tmp_path):
    class Flat(tg.Layer):
        def forward(self, x):
            return tg.Tensor(x).sum(axis=1)

    with pytest.raises(ValueError, match=r"\(N, C\); got \(40000,\)"):
        plots.decision_boundary(Flat(), *tg.data.moons(10, rng=0), tmp_path / "boundary.png")


@pytest.mark.parametrize("y", [np.zeros(9, int), np.zeros((10, 2), int)], ids=["short", "one-hot"])
def test_a_boundary_needs_one_label_for_each_sample(tmp_path, y):
    with pytest.raises(ValueError, match="label"):
        plots.decision_boundary(right_of(0), tg.data.moons(10, rng=0)[0], y, tmp_path / "boundary.png")


# --- learning rates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suggestion", [1e-2, None])
@pytest.mark.parametrize("lowest", [0.5, 0.0, -3.0])
def test_a_range_test_is_drawn_with_its_suggestion(tmp_path, suggestion, lowest):
    rates, losses = np.geomspace(1e-4, 1, 20), np.linspace(2, lowest, 20)
    found = RangeTest(rates, losses + 0.2 * np.sin(rates * 99), losses, suggestion)
    path = plots.lr_curve(found, tmp_path / "new" / "found.png")
    assert path == tmp_path / "new" / "found.png"
    picture = read(path)
    blue, orange = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in plots.COLOURS[:2])
    assert share_of(picture, blue) > 0
    assert (share_of(picture, orange) > 0) == (suggestion is not None)


@pytest.mark.parametrize("suggestion", [1e-3, 1e-2, 3e-1])
def test_the_suggestion_is_marked_where_it_is_on_a_log_axis(tmp_path, suggestion):
    found = RangeTest(np.geomspace(1e-4, 1, 50), np.ones(50), np.ones(50), suggestion)  # a level line
    picture = read(plots.lr_curve(found, tmp_path / "found.png"))
    left, right = columns_of(picture, plots.COLOURS[0])[[0, -1]]
    marked = columns_of(picture, plots.COLOURS[1], at_least=60)
    assert np.mean(marked) == pytest.approx(left + (right - left) * (np.log10(suggestion) + 4) / 4, abs=3)


def test_losses_below_0_are_drawn_to_the_end(tmp_path):
    found = RangeTest(np.geomspace(1e-4, 1, 50), np.linspace(2, -3, 50), np.linspace(2, -3, 50), None)
    picture = read(plots.lr_curve(found, tmp_path / "found.png"))
    assert columns_of(picture, plots.COLOURS[0]).max() > 0.9 * picture.shape[1]


def test_what_lr_find_returns_can_be_drawn(tmp_path):
    found = tg.lr_find(tg.mlp([2, 3], rng=0), *tg.data.blobs(30, rng=0), rng=0)
    assert read(plots.lr_curve(found, tmp_path / "found.png")).std() > 0


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 3), (7, 3, 3)])
def test_each_schedule_gets_a_panel(tmp_path, count, rows, columns):
    chosen = [tg.schedules.constant(0.1), lambda t: 1 / t, *[tg.schedules.cosine(0.1, 50)] * 5][:count]
    picture = read(plots.schedules(chosen, 60, tmp_path / "new" / "schedules.png"))
    one = read(plots.schedules(chosen[:1], 60, tmp_path / "one.png"))
    assert picture.shape[:2] == (rows * one.shape[0], columns * one.shape[1])


def test_a_schedule_is_drawn_from_1_to_steps(tmp_path):
    asked = []
    plots.schedules([lambda t: asked.append(t) or 0.1], 5, tmp_path / "schedules.png")
    assert asked == [1, 2, 3, 4, 5]


def test_no_schedule_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no schedule to draw"):
        plots.schedules([], 10, tmp_path / "schedules.png")


# --- helpers ----------------------------------------------------------------------------------------------------------


def history(epochs, *more):
    """A History of falling numbers."""
    made = tg.History()
    made.rows = [
        {"epoch": k, **{what: 1 / (k + i) for i, what in enumerate(["loss", *more])}} for k in range(1, epochs + 1)
    ]
    return made


def right_of(wall):
    """A model that chooses class 1 where the first feature is above wall."""
    model = tg.mlp([2, 2], rng=0)
    model.load_state_dict({"layers.0.W": np.array([[-1.0, 1.0], [0.0, 0.0]]), "layers.0.b": np.array([wall, -wall])})
    return model


def read(path):
    """The pixels (height, width, 3) of a file that begins as a PNG does."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return image.imread(path)[..., :3]


def tint(colour):
    """A colour such as "#0072b2", seen through at a quarter, on white."""
    return 0.75 + 0.25 * np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def share_of(picture, colour):
    """The share of the pixels that have this colour."""
    return np.mean(np.abs(picture - colour).max(axis=-1) < 0.01)


def columns_of(picture, colour, at_least=1):
    """The columns in which at least so many pixels have this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.flatnonzero((np.abs(picture - wanted).max(axis=-1) < 0.01).sum(axis=0) >= at_least)


def test_a_model_with_one_score_is_drawn_by_its_sign(tmp_path):
    X, y = tg.data.blobs(30, classes=2, rng=0)
    one, two = tg.Linear(2, 1, rng=0), tg.Linear(2, 2, rng=0)
    W = one.W.numpy()
    two.W.data, two.b.data = np.concatenate([-W, W], axis=1), np.zeros(2)
    same = [plots.decision_boundary(m, X, y, tmp_path / f"{i}.png").read_bytes() for i, m in enumerate((one, two))]
    assert same[0] == same[1]
