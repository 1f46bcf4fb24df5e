"""The pictures of a race show its paths, its losses and its names."""

import re

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.optimizers import CLASSIC, RULES
from tinygrad_edu.race.on_surfaces import FIELD
from tinygrad_edu.race.surfaces import SURFACES, Surface


@pytest.fixture
def plots(monkeypatch):
    """The module, which also remembers the figures that it saves."""
    pytest.importorskip("matplotlib")
    from tinygrad_edu.race import pictures as plots

    save, plots.figures = plots.save, []
    monkeypatch.setattr(plots, "save", lambda figure, path: plots.figures.append(figure) or save(figure, path))
    yield plots
    del plots.figures


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_contours_show_every_path_with_its_name_rate_and_fate(tmp_path, plots):
    found = tg.race("ellipse", ["sgd", "momentum", "adam"], lr=0.6)
    path = plots.contours(found, tmp_path / "new" / "ellipse.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    (figure,) = plots.figures
    (ax,) = figure.axes
    assert found.surface.title in figure.get_suptitle()
    assert "40 steps from (-5, -2); learning rates the same for all" in figure.get_suptitle()
    said = words(ax)
    assert "sgd  lr 0.6\ndiverged at 11" in said
    assert any(text.startswith("momentum  lr 0.6") for text in said)
    assert {"0.1", "1", "10", "start", "minimum"} <= {*said, *(text.get_text() for text in ax.artists)}
    for run in found.runs:
        colour, marker, _ = plots.runner_style(run.rule)
        mine = [line for line in ax.lines if line.get_color() == colour]
        drawn = max(mine, key=lambda line: len(line.get_xdata()))
        assert np.array_equal(drawn.get_xydata(), run.path[: run.last + 1])
        assert drawn.get_marker() == marker
        (tip,) = (x for x in mine if x.get_transform() == ax.transData and len(x.get_xdata()) == 1)
        left, right, bottom, top = found.surface.box
        assert tip.get_xydata()[0] == pytest.approx(np.clip(run.path[run.last], (left, bottom), (right, top)))
    stars = [line for line in ax.lines if line.get_marker() == "*" and line.get_transform() == ax.transData]
    assert stars[0].get_xydata() == pytest.approx(np.zeros((1, 2)))


@pytest.mark.parametrize("name", SURFACES)
def test_every_surface_has_labelled_levels(tmp_path, plots, name):
    plots.contours(tg.race(name, steps=3), tmp_path / "a.png")
    ax = plots.figures[0].axes[0]
    labels = [float(word) for word in words(ax) if re.fullmatch(r"-?[\d.]+", word.replace("−", "-"))]
    assert len(labels) >= 3
    assert len(set(labels)) == len(labels)
    assert ax.get_xlabel() == ("weight" if name == "neuron" else "x")


def test_names_at_the_side_do_not_overlap(tmp_path, plots):
    plots.contours(tg.race("beale", "classic"), tmp_path / "a.png")
    ax = plots.figures[0].axes[0]
    boxes = [text.get_window_extent() for text in ax.texts if " lr " in text.get_text()]
    assert len(boxes) == len(CLASSIC)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_every_rule_keeps_its_colour_in_the_file(tmp_path, plots):
    Image = pytest.importorskip("PIL.Image")
    race = tg.race("rosenbrock", steps=100)
    for dark in (False, True):
        with plots_style(dark):
            path = plots.contours(race, tmp_path / "a.png")
            colours = {plots.runner_style(run.rule)[0] for run in race.runs}
        with Image.open(path) as picture:
            counts = {"#{:02x}{:02x}{:02x}".format(*rgb): n for n, rgb in picture.convert("RGB").getcolors(1000)}
        assert len(colours) == len(race.runs)
        assert min(counts.get(colour, 0) for colour in colours) > 50
        assert counts["#000000" if dark else "#ffffff"] > 0.2 * sum(counts.values())


def plots_style(dark):
    from matplotlib import style

    return style.context("dark_background" if dark else [])


def test_a_knot_at_a_minimum_is_shown_from_near_and_nothing_else_is(plots):
    race = tg.race("beale")
    (ax,) = plots.contours(race).axes
    (near,) = ax.child_axes
    (left, right), (bottom, top) = near.get_xlim(), near.get_ylim()
    assert left < 3 < right
    assert bottom < 0.5 < top
    assert right - left < 0.16 * 5  # of a picture from -0.5 to 4.5
    ends = [run.path[run.last] for run in race.runs]
    close = [end for end in ends if abs(end[0] - 3) < 0.3 and abs(end[1] - 0.5) < 0.24]
    tips = [line.get_xydata()[0] for line in near.lines if len(line.get_xdata()) == 1 and line.get_marker() != "*"]
    assert len(close) >= 3
    for end in close:
        assert any(np.array_equal(end, tip) for tip in tips)
    assert not plots.contours(tg.race("beale", ["sgd", "adam"])).axes[0].child_axes  # two are no knot


def test_where_a_path_leaves_the_picture_a_triangle_points_out(plots):
    race = tg.race("long_valley", ["adagrad"], 10)
    (ax,) = plots.contours(race).axes
    path, triangles = race.runs[0].path, [line for line in ax.lines if line.get_marker() in "<>^v"]
    (a, b), (c, d) = path[:2]
    assert b > -2 > d  # the first step
    expected = a + (c - a) * (b + 2) / (b - d), -2
    assert [line.get_marker() for line in triangles] == ["v"]
    assert triangles[0].get_xydata()[0] == pytest.approx(expected)


def test_marks_on_a_path_keep_apart_from_each_other_and_from_its_end(plots):
    race = tg.race("saddle", ["sgd"], 1000)
    (run,), (left, right, bottom, top) = race.runs, race.surface.box
    line = next(line for line in plots.contours(race).axes[0].lines if len(line.get_xdata()) > 1000)
    marked = [*line.get_markevery(), run.last]
    places = run.path[marked] / (right - left, top - bottom)
    assert 1 < len(marked) < len(plots.SMALL_MARKS)
    assert min(np.hypot(*(a - b)) for i, a in enumerate(places) for b in places[:i]) > 0.02


@pytest.mark.parametrize(("name", "some"), [("two_holes", {"-4", "-3", "0"}), ("neuron", {"0.42", "0.5", "0.6"})])
def test_levels_are_round_numbers_above_a_minimum_that_is_not(plots, name, some):  # -5.03 and 0.3699
    labels = [text for text in words(plots.contours(tg.race(name, steps=3)).axes[0]) if re.fullmatch(r"-?[\d.]+", text)]
    assert set(labels) >= some


def test_a_run_that_arrives_with_its_last_step_says_so():
    run = next(run for run in tg.race("saddle").runs if run.rule == "momentum")
    assert (run.arrived, run.fate) == (100, "there at the last step")


def test_the_floor_of_the_losses_is_labelled_where_a_loss_is_on_it(plots):
    assert "1e-12 or less" in words(plots.race_losses(tg.race("himmelblau", ["sgd", "adam"])).axes[0])
    assert "1e-12 or less" not in words(plots.race_losses(tg.race("himmelblau", ["adam"])).axes[0])


@pytest.mark.parametrize("name", ["rosenbrock", "two_holes"])
def test_the_title_fits_into_the_picture(tmp_path, plots, name):
    found = tg.race(name, ["sgd"], 2, "tuned")
    for draw in (plots.contours, plots.race_losses):
        draw(found, tmp_path / "a.png")
        title = plots.figures[-1].texts[0].get_window_extent()
        assert 0 < title.x0 < title.x1 < plots.figures[-1].bbox.x1


def test_no_two_rules_look_the_same(plots):
    assert set(plots.RUNNERS) >= set(RULES)
    styles = [plots.runner_style(rule) for rule in plots.RUNNERS]
    assert len({(colour, marker) for colour, marker, _ in styles}) == len(styles)
    assert not any(marker.startswith("$") for _, marker, _ in styles)  # no letters
    assert len({colour for colour, _, _ in map(plots.runner_style, FIELD)}) == len(FIELD)


def test_losses_are_drawn_above_the_minimum_on_a_log_axis(tmp_path, plots):
    found = tg.race("saddle", ["sgd", "adam"])
    assert plots.race_losses(found, tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    ax = plots.figures[0].axes[0]
    assert ax.get_yscale() == "log"
    for run in found.runs:
        mine = [line for line in ax.lines if line.get_color() == plots.runner_style(run.rule)[0]]
        drawn = max(mine, key=lambda line: len(line.get_xdata())).get_xydata()
        assert np.array_equal(drawn[:, 0], np.arange(101))
        assert drawn[:, 1] == pytest.approx(np.maximum(run.losses + 1, 1e-12))
    assert any(word.startswith("sgd  lr 0.1") for word in words(ax))


@pytest.mark.parametrize(
    ("f", "minimum", "expected"),
    [
        (lambda x, y: x.relu() + 0 * y, (-1, 0), [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]),  # flat at its lowest
        (lambda x, y: x * x + y * y, (1, 1), [2.01, 2.02, 2.05, 2.1, 2.2, 2.5, 3, 4, 7]),  # no minimum
        (lambda x, y: x.log() + y * y, (1, 0), [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]),  # no value on the left side
        (lambda x, y: 0 * x * y, (0, 0), [1]),
    ],
    ids=["flat", "lower", "nowhere", "even"],
)
def test_a_surface_of_ones_own_can_be_flat_or_have_no_value_somewhere(tmp_path, plots, f, minimum, expected):
    surface = Surface("mine", f, (1, 1), (minimum,), (-2, 2, -2, 2), 5)
    plots.contours(tg.race(surface, ["sgd"], lr=0.1), tmp_path / "a.png")
    *_, lines = [drawn.levels for drawn in plots.figures[0].axes[0].collections if hasattr(drawn, "levels")]
    assert lines == pytest.approx(expected)


@pytest.mark.parametrize("name", ["ellipse", "two_holes"])
def test_what_diverges_can_be_drawn(tmp_path, plots, name):
    found = tg.race(name, lr=1e300, steps=20)
    for draw, suffix in ((plots.contours, "png"), (plots.race_losses, "pdf"), (plots.animation, "gif")):
        assert draw(found, tmp_path / f"a.{suffix}").stat().st_size > 0


def test_an_animation_goes_from_the_start_to_the_end(tmp_path, plots):
    Image = pytest.importorskip("PIL.Image")
    found = tg.race("beale", ["sgd", "adam"])
    path = plots.animation(found, tmp_path / "beale.gif", frames=20)
    assert path.stat().st_size < 2e6
    with Image.open(path) as gif:
        assert 10 < gif.n_frames <= 20
        assert gif.info["loop"] == 0
        shown = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            shown.append(np.asarray(gif.convert("RGB"), int))
    for run in found.runs:
        colour = [int(plots.runner_style(run.rule)[0][i : i + 2], 16) for i in (1, 3, 5)]
        counts = [(abs(picture - colour).max(axis=-1) < 40).sum() for picture in shown]
        assert counts[0] < counts[5] < counts[-1]  # the paths grow
