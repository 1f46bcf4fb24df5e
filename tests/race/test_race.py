"""The race: the surfaces are what books say, the paths what naive loops walk, and the pictures show them."""

import json
import math
import re
import sys

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.cli.arguments import OPTIMIZERS
from tinygrad_edu.cli.main import main
from tinygrad_edu.extras.optimizers import RULES
from tinygrad_edu.race.on_surfaces import FIELD, arrivals, paths
from tinygrad_edu.race.surfaces import SURFACES, Surface, stated

# --- the surfaces -----------------------------------------------------------------------------------------------------


def beale(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return (
        2 * (a * (y - 1) + b * (y * y - 1) + c * (y**3 - 1)),
        2 * (a * x + b * 2 * x * y + c * 3 * x * y * y),
    )


def two_holes(x, y):
    near, far = (math.exp(-5 * ((x - c) ** 2 + y * y)) for c in (1, -1))
    return 2 * x + 20 * (x - 1) * near + 60 * (x + 1) * far, 2 * y + 20 * y * near + 60 * y * far


def neuron(w, b):
    """Sample by sample: the derivative of -log p by the logit is p - 1 for an 8, p for a 3."""
    images, labels = digits()
    slopes = []
    for image, label in zip(images, labels):
        if label in (3, 8):
            pixel = image[5][2]
            error = 1 / (1 + math.exp(-w * pixel - b)) - (label == 8)
            slopes.append((error * pixel, error))
    return tuple(np.mean(slopes, axis=0))


def digits():
    split = tg.data.digits(0)
    images = np.concatenate([split.X_train, split.X_test]).reshape(-1, 8, 8)
    return images, np.concatenate([split.y_train, split.y_test])


# name: (the gradient by hand, the value at the start, the value at a minimum)
BY_HAND = {
    "valley": (lambda x, y: (x / 10, 2 * y), 49 / 20 + 4, 0),
    "ellipse": (lambda x, y: (0.2 * x, 4 * y), 2.5 + 8, 0),
    "booth": (lambda x, y: (10 * x + 8 * y - 34, 8 * x + 10 * y - 38), 1 + 169, 0),
    "beale": (beale, 2**2 + 3.5**2 + 5**2, 0),
    "rosenbrock": (lambda x, y: (2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)), 2.2**2 + 100 * 0.44**2, 0),
    "himmelblau": (
        lambda x, y: (4 * x * (x * x + y - 11) + 2 * (x + y * y - 7), 2 * (x * x + y - 11) + 4 * y * (x + y * y - 7)),
        121 + 49,
        0,
    ),
    "rastrigin": (
        lambda x, y: tuple(2 * z + 20 * math.pi * math.sin(2 * math.pi * z) for z in (x, y)),
        20 + 4 - 10 + 12.25 + 10,
        0,
    ),
    "saddle": (lambda x, y: (2 * x, -2 * y + y**3), 2.25 - 1e-6 + 1e-12 / 4, -1),
    "long_valley": (lambda x, y: (x, 100 * y), 5000 + 50, 0),
    "two_holes": (two_holes, 1.44 + 1.96 - 2 * math.exp(-10) - 6 * math.exp(-34), -5.0323399685),
    "neuron": (neuron, None, 0.37),
}


def gradient(surface, x, y):
    point = [tg.Tensor(float(z), requires_grad=True) for z in (x, y)]
    surface.f(*point).backward()
    return [float(p.grad) for p in point]


def test_every_surface_is_checked_here():
    assert list(BY_HAND) == list(SURFACES)


@pytest.mark.parametrize("name", SURFACES)
def test_a_surfaces_gradient_is_the_one_by_hand(name):
    surface, by_hand = SURFACES[name], BY_HAND[name][0]
    left, right, bottom, top = surface.box
    for x, y in np.random.default_rng(1).uniform((left, bottom), (right, top), (5, 2)):
        assert gradient(surface, x, y) == pytest.approx(by_hand(x, y), rel=1e-9)


@pytest.mark.parametrize("name", SURFACES)
def test_a_surfaces_gradient_agrees_with_its_slopes(name):
    surface = SURFACES[name]
    left, right, bottom, top = surface.box
    x, y = np.random.default_rng(2).uniform((left, bottom), (right, top), (4, 2)).T
    assert tg.gradcheck(surface.f, x, y).checked > 8


@pytest.mark.parametrize("name", SURFACES)
def test_values_at_the_start_and_at_the_minima(name):
    surface, (_, at_start, lowest) = SURFACES[name], BY_HAND[name]
    if at_start is not None:
        assert surface.values(surface.start) == pytest.approx(at_start)
    for minimum in surface.minima:
        assert surface.values(minimum) == pytest.approx(lowest, abs=5e-4 if name == "neuron" else 1e-9)
        assert gradient(surface, *minimum) == pytest.approx([0, 0], abs=1e-5)


@pytest.mark.parametrize("name", SURFACES)
def test_nothing_in_the_picture_is_lower_than_the_minima(name):
    surface = SURFACES[name]
    left, right, bottom, top = surface.box
    x, y = np.meshgrid(np.linspace(left, right, 201), np.linspace(bottom, top, 201))
    grid = np.stack([x, y], axis=-1)
    values = surface.values(grid)
    assert values.min() >= surface.values(surface.minima).min() - 1e-12
    spacing = np.hypot((right - left) / 200, (top - bottom) / 200)
    assert surface.distances(grid[np.unravel_index(values.argmin(), values.shape)]) < 2.5 * spacing
    for px, py in (surface.start, *surface.minima):
        assert left < px < right
        assert bottom < py < top


def test_beale_from_3_4_is_as_steep_as_is_known():
    assert SURFACES["beale"].values((3, 4)) == pytest.approx(3.9e4, rel=0.02)
    assert np.hypot(*gradient(SURFACES["beale"], 3, 4)) == pytest.approx(6.3e4, rel=0.02)


def test_the_neurons_minimum_is_the_one_of_logistic_regression():
    linear_model = pytest.importorskip("sklearn.linear_model")
    images, labels = digits()
    chosen = (labels == 3) | (labels == 8)
    model = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(images[chosen][:, 5, 2:3], labels[chosen] == 8)
    assert SURFACES["neuron"].minima[0] == pytest.approx([model.coef_[0, 0], model.intercept_[0]], abs=1e-4)


def test_the_neurons_mini_batches_are_unbiased_and_noisy():
    surface, rng = SURFACES["neuron"], np.random.default_rng(0)
    w, b = tg.Tensor(1.0), tg.Tensor(-1.0)
    drawn = [surface.sample(rng)(w, b).item() for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(surface.f(w, b).item(), abs=4 * np.std(drawn) / 2000**0.5)
    assert np.std(drawn) > 0.05


def test_distances_are_to_the_nearest_minimum():
    surface = SURFACES["himmelblau"]
    assert surface.distances(np.array([[3, 2], [3, 3], [-3, -3]])) == pytest.approx(
        [0, 1, math.hypot(0.77931025, 0.28318599)]
    )


# --- the learning rates -----------------------------------------------------------------------------------------------


def test_every_rule_has_a_stated_rate_on_every_surface():
    table = stated()
    assert list(table) == list(SURFACES)
    for rates in table.values():
        assert list(rates) == list(RULES)
        assert all(0 < rate < np.inf for rate in rates.values())


def test_the_valleys_rates_are_the_books():
    assert {name: stated()["valley"][name] for name in ("sgd", "heavy_ball", "adagrad", "adam")} == {
        "sgd": 0.95,
        "heavy_ball": 0.1,
        "adagrad": 1.5,
        "adam": 0.3,
    }


def test_the_same_rate_for_all():
    assert {run.lr for run in tg.race("booth", lr="same", steps=2).runs} == {0.01}
    assert {run.lr for run in tg.race("booth", lr=0.03, steps=2).runs} == {0.03}
    assert tg.race("booth", lr="stated", steps=2).runs[0].lr == stated()["booth"]["sgd"]


def backward_pass(rule, rate, start, f, steps):
    """The paths of three rules as a plain loop; f is a gradient by hand. It ends where numbers would overflow."""
    (x, y), (u, v), points = start, (0.0, 0.0), [start]
    for _ in range(steps):
        if abs(x) + abs(y) > 1e6:
            break
        g, h = f(x, y)
        if rule == "sgd":
            x, y = x - rate * g, y - rate * h
        elif rule == "momentum":
            u, v = 0.9 * u + 0.1 * g, 0.9 * v + 0.1 * h
            x, y = x - rate * u, y - rate * v
        else:
            u, v = u + g * g, v + h * h
            x, y = x - rate * g / (math.sqrt(u) + 1e-10), y - rate * h / (math.sqrt(v) + 1e-10)
        points.append((x, y))
    return points


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adagrad"])
@pytest.mark.parametrize(("surface", "steps"), [("valley", 30), ("valley", 60), ("valley", 300), ("himmelblau", 40)])
def test_tuned_picks_what_a_naive_search_picks(rule, surface, steps):
    found = tg.race(surface, [rule], steps, "tuned", rng=3)
    place = SURFACES[surface]
    left, right, bottom, top = place.box
    rng = np.random.default_rng([int(np.random.default_rng(3).integers(2**32)), 1])
    starts = [place.start]
    for dx, dy in rng.standard_normal((4, 2)):
        starts.append((place.start[0] + 0.02 * (right - left) * dx, place.start[1] + 0.02 * (top - bottom) * dy))
    judged = []
    for k in range(-16, 13):
        times, misses = [], []
        for start in starts:
            path = backward_pass(rule, 10 ** (k / 4), start, BY_HAND[surface][0], steps)
            lost = any(
                abs(x - (left + right) / 2) >= 10 * (right - left) or abs(y - (bottom + top) / 2) >= 10 * (top - bottom)
                for x, y in path
            )
            distances = [min(math.hypot(x - a, y - b) for a, b in place.minima) for x, y in path]
            time = math.inf
            for t in range(steps, -1, -1):
                if lost or distances[t] > 0.01:
                    break
                time = t
            times.append(time)
            misses.append(math.inf if lost else max(distances[t] for t in range(steps + 1) if t >= 9 * steps // 10))
        middle = sorted(times)[2]
        judged.append((middle, sorted(misses)[2] if middle == math.inf else 0, 10 ** (k / 4)))
    assert found.runs[0].lr == pytest.approx(min(judged)[2])
    assert "29" in found.rates


def test_tuning_finds_the_rates_that_were_measured_before():
    found = tg.race("valley", ["sgd", "heavy_ball", "rmsprop"], 500, "tuned")
    assert [run.lr for run in found.runs] == pytest.approx([10**-0.25, 10**-1.5, 0.1])
    assert [run.arrived for run in found.runs] == [114, 108, 83]


def test_a_lucky_last_step_does_not_win():
    never = np.array([[3.0, 0.001], [0.5, 9.0], [0.5, 9.0], [0.005, 0.001]])
    assert list(arrivals(never, 0.01)) == [3, 3]
    assert arrivals(np.array([0.001, 1, 0.001, np.nan]), 0.01) == np.inf
    assert arrivals(np.array([0.001, 0.01]), 0.01) == 0
    assert arrivals(np.array([1, 0.001, 0.02]), 0.01) == np.inf


# --- the paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adagrad"])
@pytest.mark.parametrize("name", ["valley", "beale", "himmelblau", "two_holes"])
def test_a_path_is_that_of_a_naive_loop(name, rule):
    run = tg.race(name, [rule], 50).runs[0]
    surface = SURFACES[name]
    expected = np.array(backward_pass(rule, run.lr, surface.start, BY_HAND[name][0], 50))
    assert run.path == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert run.losses == pytest.approx(surface.values(expected), rel=1e-9, abs=1e-9)
    assert run.distances == pytest.approx(surface.distances(expected), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gets_somewhere_with_its_stated_rate(name, rule):
    run = tg.race(name, [rule]).runs[0]
    assert run.diverged is None
    assert run.path.shape == (SURFACES[name].steps + 1, 2)
    assert np.isfinite(run.path).all()
    if name != "rastrigin":
        assert run.losses[-1] < run.losses[0]


def test_all_rates_and_starts_at_once_walk_as_each_alone():
    surface, starts = SURFACES["beale"], [(1.0, 1.5), (0.9, 1.4), (1.1, 1.2)]
    for rule in ("sgd", "adam", "nesterov"):
        together = paths(surface, rule, [0.01, 0.1, 100.0], starts, 40, 0)
        for i, rate in enumerate([0.01, 0.1, 100.0]):
            for j, start in enumerate(starts):
                alone = paths(surface, rule, [rate], [start], 40, 0)[:, 0, 0]
                assert np.array_equal(together[:, i, j], alone, equal_nan=True)


def test_the_same_seed_gives_the_same_path():
    first, again, other = (tg.race("neuron", ["adam"], 30, rng=seed).runs[0].path for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    sgd, twin = tg.race("neuron", ["sgd", "sgd"], 30).runs
    assert np.array_equal(sgd.path, twin.path)  # the same mini-batches for all


def test_a_surface_of_ones_own():
    bowl = Surface("bowl", lambda x, y: x * x + y * y, (1.0, -1.0), ((0.0, 0.0),), (-2, 2, -2, 2), 5)
    run = tg.race(bowl, "sgd", lr=0.25).runs[0]
    assert run.path[:, 0] == pytest.approx([1, 0.5, 0.25, 0.125, 0.0625, 0.03125])
    with pytest.raises(ValueError, match="no rates are stated for a surface of your own"):
        tg.race(bowl)


@pytest.mark.parametrize(
    ("rule", "lr"), [("sgd", 0.6), ("sgd", 1e300), ("sgd", 1e308), ("momentum", 1e6), ("adam", 1e308)]
)
def test_a_rule_that_diverges_ends_there_and_says_so(rule, lr):
    steps = 100
    run = tg.race("ellipse", [rule], steps, lr).runs[0]
    end = run.diverged
    assert 0 < end < steps
    assert run.last == (end - 1 if np.isnan(run.path[end]).all() else end)
    assert np.isnan(run.path[run.last + 1 :]).all()
    assert np.isfinite(run.path[: run.last + 1]).all()
    assert (abs(run.path[:end] - SURFACES["ellipse"].middle) < 10 * SURFACES["ellipse"].size).all()
    assert run.arrived is None
    assert "diverged" in str(tg.race("ellipse", [rule], steps, lr))


def test_the_ellipse_diverges_at_the_rate_that_is_known():
    slow, fast = (tg.race("ellipse", ["sgd"], 200, lr).runs[0] for lr in (0.499, 0.501))  # 2 / (the curvature of 4)
    assert slow.diverged is None
    assert np.isfinite(slow.path).all()
    assert tg.race("ellipse", ["sgd"], 200, 0.6).runs[0].diverged == math.ceil(math.log(60 / 2, 1.4))
    assert abs(fast.path[-1][1]) > 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"surface": "bealle"}, "'bealle'.*beale"),
        ({"optimizers": ["adamm"]}, "'adamm'.*adam"),
        ({"optimizers": "adamm"}, "'adamm'.*adam"),
        ({"steps": 0}, "steps = 0.*at least 1"),
        ({"lr": "best"}, "\"tuned\".*'best'"),
        ({"lr": -1.0}, "lr = -1"),
        ({"lr": math.nan}, "lr = nan"),
    ],
)
def test_what_a_race_refuses(options, said):
    with pytest.raises(ValueError, match=said):
        tg.race(**options)


def test_who_races():
    assert tuple(run.rule for run in tg.race("valley", steps=1).runs) == FIELD
    assert [run.rule for run in tg.race("valley", "all", 1).runs] == list(RULES)
    assert [run.rule for run in tg.race("valley", "adam", 1).runs] == ["adam"]


def test_a_race_prints_as_a_table():
    found = tg.race("himmelblau", ["sgd", "momentum"])
    title, conditions, head, *rows = str(found).splitlines()
    assert title == found.surface.title
    assert conditions == "100 steps from (0, 0); learning rates stated, chosen by hand"
    assert head.split() == ["rule", "lr", "final", "loss", "steps", "closest"]
    assert [row.split()[0] for row in rows] == ["sgd", "momentum"]
    assert rows[0].split()[3] == str(found.runs[0].arrived)
    assert rows[1].split()[3] == "-"


# --- the pictures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def plots(monkeypatch):
    """The module, which also remembers the figures that it saves."""
    pytest.importorskip("matplotlib")
    from tinygrad_edu.race import pictures as plots

    save, plots.figures = plots._save, []
    monkeypatch.setattr(plots, "_save", lambda figure, path: plots.figures.append(figure) or save(figure, path))
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
    plots.contours(tg.race("beale", "all"), tmp_path / "a.png")
    ax = plots.figures[0].axes[0]
    boxes = [text.get_window_extent() for text in ax.texts if " lr " in text.get_text()]
    assert len(boxes) == len(RULES)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


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
    assert len({marker for _, marker, _ in styles}) == len(styles)
    assert len({(colour, str(dash)) for colour, _, dash in styles}) == len(styles)
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


# --- the command ------------------------------------------------------------------------------------------------------


def status(*arguments):
    try:
        return main(["race", *arguments])
    except SystemExit as end:
        return end.code


def test_the_command_prints_a_table_and_writes_pictures(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert status("--steps", "20", "--gif") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert str(tg.race("beale", steps=20)) in printed.out
    files = ["beale-loss.png", "beale.gif", "beale.png"]
    assert sorted(path.name for path in (tmp_path / "runs" / "race").iterdir()) == files
    assert all(
        f"wrote   {tmp_path.joinpath('runs', 'race', name).relative_to(tmp_path)}" in printed.out for name in files
    )


@pytest.fixture
def no_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)


def test_all_surfaces_and_all_rules_as_json(tmp_path, no_matplotlib, capsys):
    command = ["--surface", "all", "--optimizers", "all", "--steps", "2", "--lr", "same", "--json"]
    assert status(*command, "--out", str(tmp_path)) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    found = json.loads(printed.out)
    assert list(found["races"]) == list(SURFACES)
    assert list(found["races"]["booth"]) == list(OPTIMIZERS) == list(RULES)
    run = tg.race("booth", ["adam"], 2, "same").runs[0]
    assert found["races"]["booth"]["adam"] == {
        "lr": 0.01,
        "loss": run.losses[-1],
        "arrived": None,
        "closest": run.distances.min(),
        "diverged": None,
    }
    assert SURFACES["booth"].title in printed.err
    assert found["files"] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--lr", "0.125"], {"lr": 0.125}),
        (["--lr", "same"], {"lr": 0.01}),
        (["--lr", "tuned"], {"lr": tg.race("valley", ["adam"], 9, "tuned").runs[0].lr}),
        (["--lr", "1000"], {"diverged": 1}),
        (["--lr", "1e300"], {"diverged": 1, "loss": None}),
        (["--surface", "neuron", "--seed", "5"], {"loss": tg.race("neuron", ["adam"], 9, rng=5).runs[0].losses[-1]}),
    ],
)
def test_an_option_does_what_it_says(tmp_path, capsys, options, expected):
    command = ["--surface", "valley", "--optimizers", "sgd,adam", "--steps", "9", "--json", *options]
    assert status(*command, "--out", str(tmp_path)) == 0
    (found,) = json.loads(capsys.readouterr().out)["races"].values()
    assert list(found) == ["sgd", "adam"]
    assert {name: found["adam"][name] for name in expected} == expected


def test_it_races_without_matplotlib_and_says_so(tmp_path, no_matplotlib, capsys):
    assert status("--steps", "2", "--gif", "--out", str(tmp_path)) == 0
    assert "no pictures: they need matplotlib" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--surface", "bealle"], ["'bealle'", "beale", "all"]),
        (["--optimizers", "sgd,adamm"], ["'adamm'", "adam", "all"]),
        (["--optimizers", ""], ["''", "adam"]),
        (["--steps", "0"], ["'0'", "at least 1"]),
        (["--lr", "best"], ["'best'", "tuned", "finite number"]),
        (["--lr", "-1"], ["'-1'", "at least 0"]),
        (["--seed", "x"], ["'x'", "at least 0"]),
    ],
)
def test_a_mistake_gets_one_sentence_and_status_2(tmp_path, capsys, wrong, said):
    assert status("--out", str(tmp_path / "out"), *wrong) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    for part in said:
        assert part in printed.err
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert status("--out", str(tmp_path / "out")) == 2
    assert f"{tmp_path / 'out'} is a file; it has to be a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_a_gradient_that_is_no_number_ends_the_path():
    root = Surface("root", lambda x, y: x.sqrt() + y * y, (1.0, 0.5), ((0.0, 0.0),), (-1, 2, -1, 1), 5)
    (run,) = tg.race(root, ["sgd"], lr=2.5).runs
    assert run.diverged is not None
    with pytest.raises(ValueError, match="there is no rule to race"):
        tg.race("beale", [])
