"""The race on surfaces: its paths are those that naive loops take, its rates those that naive searches find."""

import math

import numpy as np
import pytest
from surfaces_by_hand import BY_HAND

import tinygrad_edu as tg
from tinygrad_edu.extras.optimizers import CLASSIC, RULES
from tinygrad_edu.race.on_surfaces import FIELD, arrivals, paths
from tinygrad_edu.race.surfaces import SURFACES, Surface, stated

# --- the learning rates -----------------------------------------------------------------------------------------------


def test_every_classic_rule_has_a_stated_rate_on_every_surface():
    table = stated()
    assert list(table) == list(SURFACES)
    for rates in table.values():
        assert list(rates) == list(CLASSIC)
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


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("rule", CLASSIC)
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
        tg.race(bowl, lr="stated")
    assert tg.race(bowl, ["sgd"]).rates.startswith("tuned")


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 2.5}, "steps is a whole number, at least 1, got float 2.5"),
        ({"lr": [0.1]}, "lr is a number, got list"),
    ],
)
def test_what_is_no_number_is_refused(options, said):
    with pytest.raises(TypeError, match=said):
        tg.race(**options)


def test_who_races():
    assert tuple(run.rule for run in tg.race("valley", steps=1).runs) == FIELD
    assert [run.rule for run in tg.race("valley", "classic", 1).runs] == list(CLASSIC)
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


def test_a_gradient_that_is_no_number_ends_the_path():
    root = Surface("root", lambda x, y: x.sqrt() + y * y, (1.0, 0.5), ((0.0, 0.0),), (-1, 2, -1, 1), 5)
    (run,) = tg.race(root, ["sgd"], lr=2.5).runs
    assert run.diverged is not None
    with pytest.raises(ValueError, match="there is no rule to race"):
        tg.race("beale", [])
