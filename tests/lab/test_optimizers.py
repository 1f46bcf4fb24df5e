"""The optimizers tab without its pictures: races and their Python, a step's numbers, contours, averages, theory."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
from node import LAB, needs_node, node

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.extras.optimizers import RULES
from tinygrad_edu.lab import emit, optimizers
from tinygrad_edu.program.javascript import functions
from tinygrad_edu.race.surfaces import stated

FORMULA = "h = x**2 + y - 11; h**2 + (x + y**2 - 7)**2 + exp(-x**2)"


@pytest.fixture(scope="module")
def tab():
    """The scripts of the tab that need no browser, with all that they run on."""
    places = optimizers.places(FORMULA)
    surfaces = ",\n".join(f"{name}: {emit.surface(*given)}" for name, given in places.items())
    facts = {**optimizers.facts(FORMULA), "rates": stated()}
    common = (LAB / "common.js").read_text("utf-8")
    names = ("averages", "contours", "python", "runners")
    return "\n".join(
        [
            emit.rules(),
            functions(optimizers.ravine_facts, optimizers.memory),
            f"const surfaces = {{{surfaces}}};",
            f"const facts = {json.dumps(facts)};",
            common[common.index("function generator") :],
            *[(LAB / f"optimizers_{name}.js").read_text("utf-8") for name in names],
        ]
    )


def plan(surface, rules=("sgd", "heavy_ball", "adam"), lr=0.01, start=(-3.5, 2), **others):
    usual = {"k": 7.3, "batch": 0, "tuned": False, "hyper": {}}
    return {"surface": surface, "rules": list(rules), "lr": lr, "start": list(start), **usual, **others}


PLANS = [
    plan("ravine", lr=0.05),
    plan("ravine", lr=0.6),  # both leave the picture
    plan("ravine", tuned=True),
    plan("own", list(RULES), lr=0.003),
    plan("beale", list(RULES), tuned=True, start=(1, 1.5)),
    plan("rosenbrock", ["adam", "momentum"], hyper={"adam": {"beta1": 0.5}, "momentum": {"bias_correction": True}}),
    plan("neuron", ["sgd", "rmsprop"], lr=0.5, batch=4),
    plan("neuron", ["sgd", "nesterov"], lr=0.5, batch=0),
]


@needs_node
def test_the_copied_python_ends_where_the_page_does(tmp_path, tab):
    text = """answer(D.plans.map((plan) => { const race = new Race(plan, 60); return {
    ends: race.runners.map((runner) => where(runner, 60)), python: python_of(race, 60) }; }));"""
    found = node(tmp_path, tab, text, plans=PLANS)
    assert sum(end["ended"] for end in found[1]["ends"]) == 2
    for given, race in zip(PLANS, found, strict=True):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(race["python"], {})
        lines = [line.split() for line in said.getvalue().splitlines()]
        assert [name for name, *_ in lines] == [RULES[rule].__name__ for rule in given["rules"]]
        for (name, *text), end in zip(lines, race["ends"], strict=True):
            point = [float(part.strip("[,]")) for part in text]
            assert np.allclose(point, [end["x"], end["y"]], 1e-9, 1e-9), (given["surface"], name)


@needs_node
def test_the_numbers_of_a_step_are_those_of_the_rule_statement_by_statement(tmp_path, tab):
    text = """const race = new Race(D.plan, 9);
    answer(Object.fromEntries(race.runners.map((runner) => [runner.name, { points: runner.points,
      told: [...runner.notes.keys()].map((step) => told(runner, step)) }])));"""
    found = node(tmp_path, tab, text, plan=plan("ravine", list(RULES), lr=0.02))
    for rule, run in found.items():
        for step, both in enumerate(run["told"]):
            for i, lines in enumerate(both):
                last = [line["value"] for line in lines if line["word"] == "p"][-1]
                assert (lines[0]["known"]["p"], last) == (run["points"][step][i], run["points"][step + 1][i]), rule
    m, v, curvature = np.zeros(2), np.zeros(2), np.array([1, 7.3])
    for t, both in enumerate(found["adam"]["told"], 1):  # as algorithm 1 of the paper has it
        g = curvature * found["adam"]["points"][t - 1]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p = found["adam"]["points"][t - 1] - 0.02 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        for i, lines in enumerate(both):
            assert [line["word"] for line in lines] == ["m", "v", "p"]
            assert np.allclose([line["value"] for line in lines], [m[i], v[i], p[i]], 1e-12)
            assert np.allclose(lines[2]["known"]["c1"], 1 / (1 - 0.9**t))
            assert np.allclose(lines[2]["known"]["m"], m[i])  # of this step: the line above has set it


@needs_node
def test_a_small_batch_is_noise_and_all_rows_are_none(tmp_path, tab):
    text = """answer(D.batches.map((batch) => { const race = new Race({ ...D.plan, batch }, 40);
    return race.runners[0].notes.map(({ g }) => [...g]); }));"""
    found = node(tmp_path, tab, text, plan=plan("neuron", ["sgd"], 1e-9), batches=[1, 16, 0])
    noisy, less, whole = map(np.array, found)
    assert noisy.std(0).min() > 2 * less.std(0).min() > 0 == whole.std(0).round(7).max()
    assert np.allclose(less.mean(0), whole[0], atol=0.1)


@needs_node
def test_contours_lie_at_their_levels_and_the_lowest_point_is_found(tmp_path, tab):
    text = """const n = 96, box = [-6, 4, -3, 3], ravine = new Ground("ravine", 7.3), z = heights(ravine, box, n);
    const own = new Ground("own"), levels = levels_of(z);
    answer({ levels, lines: levels.map((level) => lines_at(level, z, n)), lowest: lowest_point(own, [-5, 5, -4, 4]),
      saddle: lines_at(0, Float64Array.from([1, -1, -3, 1]), 2) });"""
    found = node(tmp_path, tab, text)
    assert {f"{level:.0e}"[0] for level in found["levels"]} <= set("1235")
    assert 6 <= len(found["levels"]) <= 14
    for level, lines in zip(found["levels"], found["lines"], strict=True):
        for line in lines:
            i, j = np.array(line).T
            x, y = -6 + 10 * i / 95, -3 + 6 * j / 95
            assert np.allclose((x**2 + 7.3 * y**2) / 2, level, rtol=0.02, atol=0.02), level
    closed = [line for lines in found["lines"] for line in lines if line[0] == line[-1]]
    assert len(closed) >= 5
    around = sorted(sorted(line) for line in found["saddle"])  # the low middle cuts off both high corners
    assert around == [[[0, 0.25], [0.5, 0]], [[0.75, 1], [1, 0.5]]]
    x, y = np.meshgrid(np.linspace(-5, 5, 2001), np.linspace(-4, 4, 1601))
    lowest = ((x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2 + np.exp(-(x**2))).min()
    assert found["lowest"][2] <= lowest


@needs_node
def test_the_moving_average_is_the_weighted_sum(tmp_path, tab):
    year = optimizers.noisy_year()
    found = node(tmp_path, tab, "answer(averaged(facts.year, 0.9));")
    for t in (1, 2, 10, 120):
        weights = 0.1 * 0.9 ** np.arange(t)[::-1]
        assert np.isclose(found["raw"][t - 1], weights @ year[:t], 1e-12)
        assert np.isclose(found["corrected"][t - 1], weights @ year[:t] / weights.sum(), 1e-12)


@pytest.mark.parametrize("k", [1.5, 20, 700])
def test_the_facts_of_the_ravine_are_those_of_its_matrices(k):
    def shrinks(rate, momentum):
        """What a step leaves of the distance: the largest eigenvalue of heavy ball's step, over both curvatures."""
        steps = [np.array([[1 + momentum - rate * c, -momentum], [1, 0]]) for c in (1, k)]
        return max(abs(np.linalg.eigvals(step)).max() for step in steps)

    limit, best, left, limit_ball, beta, rate, left_ball = optimizers.ravine_facts(k, 0.8)
    assert shrinks(0.999 * limit, 0) < 1 < shrinks(1.001 * limit, 0)
    assert shrinks(0.999 * limit_ball, 0.8) < 1 < shrinks(1.001 * limit_ball, 0.8)
    assert np.isclose(shrinks(best, 0), left)
    assert np.isclose(shrinks(rate, beta), left_ball, 1e-6)
    assert left < min(shrinks(r, 0) for r in best * np.array([0.9, 1.1]))
    others = [shrinks(r * rate, b) for r in (0.95, 1, 1.05) for b in (0.9 * beta, beta, beta + 0.1 * (1 - beta))]
    assert left_ball <= min(others) + 1e-7


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99])
def test_the_memory_of_an_average(beta):
    constant, steady = optimizers.memory(beta)
    weights = (1 - beta) * beta ** np.arange(10_000)
    assert np.isclose(beta**constant, np.exp(-1))
    assert np.isclose(1 / (weights**2).sum(), steady)


def test_a_formula_of_ones_own_is_read_and_never_run():
    place = optimizers.own("log(x) * y")  # no value where the first start would be
    assert place.start[0] > 0
    for x, y, value, dx, dy in optimizers.checks(place):
        assert np.allclose([value, dx, dy], [np.log(x) * y, y / x, np.log(x)])


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("x**2", "a surface is a formula of x and y"),
        ("x + z", "z has no value; known are: x, y$"),
        ("x.__class__ + y", "is not allowed"),
        ("__import__('os') + x + y", "is not allowed|there is no function"),
        ("log(-1 - x**2) * y", "is nan at this point"),
        ("x +", "is not a formula"),
    ],
)
def test_what_is_no_surface_is_refused(formula, said):
    with pytest.raises(ValueError, match=said):
        optimizers.own(formula)


def test_the_command_refuses_a_formula_in_one_sentence(capsys):
    with pytest.raises(SystemExit):
        main(["lab", "--surface", "x + z"])
    assert capsys.readouterr().err == "tinygrad-edu lab: argument --surface: z has no value; known are: x, y\n"


def test_every_surface_outside_the_race_is_checked_at_points():
    slopes = optimizers.facts(FORMULA)["slopes"]
    assert {name: len(points) for name, points in slopes.items()} == {"own": 60, "ravine": 60}
    x, y, k, value, dx, dy = slopes["ravine"][0]
    assert np.allclose([value, dx, dy], [(x**2 + k * y**2) / 2, x, k * y])
    p = Tensor([1.0], requires_grad=True)
    assert isinstance(RULES["adam"]([p]), tg.Adam)


def test_lines_and_labels_stand_out_from_every_shade_of_the_map():
    def light(colour):
        """The luminance that WCAG 2 defines."""
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return np.dot(
            [0.2126, 0.7152, 0.0722], [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        )

    def contrast(a, b):
        low, high = sorted(map(light, (a, b)))
        return (high + 0.05) / (low + 0.05)

    text = "\n".join((LAB / name).read_text("utf-8") for name in ("page.css", "optimizers.css"))
    found = re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text)
    schemes = {}, {}  # a name is given first for a light page, then for a dark one
    for name, colour in found:
        schemes[name in schemes[0]][name] = colour
    for scheme in schemes:
        backs = [scheme[name] for name in ("land-low", "land-high", "card")]
        assert min(contrast(scheme[f"r{k}"], back) for k in range(8) for back in backs) >= 3
        assert min(contrast(scheme["quiet"], back) for back in backs) >= 4.5
