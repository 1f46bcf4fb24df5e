"""The optimizers tab in a browser: controls, map, keyboard, links, lessons, the copied Python, what can be read."""

import contextlib
import io
import re

import numpy as np
import pytest
from chromium import opened
from readable import unreadable

from tinygrad_edu.extras.optimizers import CLASSIC
from tinygrad_edu.lab.page import digest, page
from tinygrad_edu.race.on_surfaces import race
from tinygrad_edu.race.surfaces import SURFACES

pytestmark = pytest.mark.slow
FORMULA = "sin(x) * cos(y) + (x**2 + y**2)/20"


@pytest.fixture(scope="module")
def with_formula():
    return page(0, FORMULA)


@pytest.fixture
def tab(browser, with_formula, tmp_path):
    """The page, open at the optimizers; at the end nothing may stand in its console."""
    made, requests, messages = opened(browser, tmp_path, with_formula, viewport={"width": 1280, "height": 900})
    made.click("#optimizers-tab")
    yield made
    assert (len([url for url in requests if url.startswith("file:")]), messages) == (1, [])
    made.close()


def go(tab, link):
    tab.evaluate(f"location.hash = '#tab=optimizers&{link}'")
    tab.wait_for_timeout(100)


def rows(tab):
    """The live table: its cells by rule, as text."""
    texts = tab.eval_on_selector_all("#o-table tr", "rows => rows.map((r) => [...r.cells].map((c) => c.textContent))")
    return {name: cells for name, *cells in texts}


def test_every_rule_on_every_surface_comes_to_where_the_race_of_the_library_comes_to(tab):
    for name in SURFACES:
        if name != "neuron":  # whose mini-batches are drawn in another way here
            expected = race(name, [*CLASSIC], lr="stated")
            go(tab, f"surface={name}&tuned=1&rules={','.join(CLASSIC)}")
            shown = rows(tab)
            assert len(shown) == len(CLASSIC)
            for run in expected.runs:
                rate, point, loss, _ = shown[run.rule]
                assert float(rate) == pytest.approx(run.lr, 1e-3)
                if run.diverged is not None:
                    assert loss == f"left at {run.diverged}"
                elif (name, run.rule) not in {("beale", "adadelta"), ("saddle", "adadelta"), ("two_holes", "rmsprop")}:
                    x, y = map(float, point.split(", "))
                    size = 0.006 * max(1, np.abs(run.path).max())
                    np.testing.assert_allclose([x, y], run.path[-1], 0.006, size, err_msg=f"{name} {run.rule}")


def test_time_goes_on_back_and_to_any_step(tab):
    go(tab, "surface=valley&rules=sgd,adam&t=0&lr=0.5")
    assert rows(tab)["sgd"][1] == "-7, 2"
    tab.click("#o-step")
    assert rows(tab)["sgd"][1] == "-6.65, 0"  # -7 + 0.5 · 7/10, 2 - 0.5 · 4
    tab.click("#o-step")
    tab.click("#o-back")
    assert (tab.inner_text("#o-t"), rows(tab)["sgd"][1]) == ("1", "-6.65, 0")
    assert "step 1 of Adam" in tab.inner_text("#o-which")
    tab.click("#o-play")
    for _ in range(100):
        if tab.inner_text("#o-play") == "Play":
            break
        tab.wait_for_timeout(100)
    assert tab.inner_text("#o-t") == "30"
    tab.focus("#o-time")
    tab.keyboard.press("ArrowLeft")
    assert tab.inner_text("#o-t") == "29"
    tab.click("#o-loss .chart", position={"x": 100, "y": 60})
    assert 0 < int(tab.inner_text("#o-t")) < 20
    tab.click("#o-reset")
    assert tab.inner_text("#o-t") == "0"


def test_the_start_moves_by_click_by_keys_and_by_number_and_all_is_worked_out_again(tab):
    go(tab, "surface=ravine&rules=sgd,heavy_ball&lr=0.05&t=20")
    before = rows(tab)
    tab.click("#o-map", position={"x": 300, "y": 100})
    clicked = [float(tab.input_value(f"#o-{axis}")) for axis in "xy"]
    assert clicked != [-5, 1.5]
    assert rows(tab) != before
    tab.focus("#o-map")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+ArrowUp")
    x, y = (float(tab.input_value(f"#o-{axis}")) for axis in "xy")
    assert x > clicked[0]
    assert 0 < y - clicked[1] < x - clicked[0]
    assert f"x = {x:.4g}" in tab.inner_text("#optimizers-says")
    tab.fill("#o-x", "2")
    tab.fill("#o-y", "0")
    tab.keyboard.press("Tab")
    assert float(rows(tab)["sgd"][1].split(", ")[0]) == pytest.approx(2 * 0.95**20, 1e-2)
    tab.fill("#o-lr", "-1")  # its logarithm
    assert float(rows(tab)["sgd"][1].split(", ")[0]) == pytest.approx(2 * 0.9**20, 1e-2)
    assert "stable below 2/L = 0.1; at the rate 0.1: it never comes to rest" in tab.inner_text("#o-ravine-is")
    tab.fill("#o-k", "1")
    assert "stable below 2/L = 0.2; at the rate 0.1: stable" in tab.inner_text("#o-ravine-is")
    tab.fill("#o-k", "1.5")
    assert "stable below 2/L = 0.06329; at the rate 0.1: it diverges" in tab.inner_text("#o-ravine-is")
    tab.fill("#o-k", "1")
    tab.check("#o-tuned")
    assert float(rows(tab)["sgd"][0]) == pytest.approx(2 / 11, 1e-3)
    tab.click("#o-table button >> nth=1")
    assert float(tab.input_value("#o-hyper input")) == pytest.approx(((10**0.5 - 1) / (10**0.5 + 1)) ** 2)


def test_losses_are_above_the_minimum_of_the_surface_that_was_chosen(tab):
    tab.select_option("#o-surface", "two_holes")
    tab.select_option("#o-surface", "own")
    tab.click("#o-reset")
    tab.focus("#o-loss .chart")
    said = re.search(r"adam: (\S+)", tab.inner_text("#optimizers-says"))
    x, y = -4, 3
    grid = np.meshgrid(np.linspace(-2, 0, 401), np.linspace(-1, 1, 401))
    lowest = (np.sin(grid[0]) * np.cos(grid[1]) + (grid[0] ** 2 + grid[1] ** 2) / 20).min()
    assert float(said[1]) == pytest.approx(np.sin(x) * np.cos(y) + (x**2 + y**2) / 20 - lowest, 1e-3)
    assert tab.inner_text("#o-spoken").startswith("Step 0, adam: x -4, y 3, loss 0.5")


def test_the_python_prints_the_ends_that_are_shown(tab):
    go(tab, "surface=own&lr=0.2&rules=adam,rmsprop&hyper=adam.beta1:0.5&start=-3,2.5&t=17")
    tab.click("#o-python")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(tab.inner_text("#o-script"), {})
    for line, rule in zip(said.getvalue().splitlines(), ("rmsprop", "adam"), strict=True):
        point = [float(text) for text in line.split()[1:]]
        np.testing.assert_allclose([float(text) for text in rows(tab)[rule][1].split(", ")], point, 0.01)


def test_a_link_brings_back_what_was_shown_and_an_odd_one_does_no_harm(tab):
    link = "surface=neuron&rules=sgd,lion&lr=0.5&t=12&n=40&focus=lion&batch=4&hyper=lion.beta1:0.5&beta=0.98&source=run"
    go(tab, link)
    shown = rows(tab), tab.inner_text("#o-numbers"), tab.inner_text("#o-memory")
    tab.click("#share")
    kept = tab.evaluate("location.hash").partition("&")[2]
    go(tab, "surface=beale")
    assert rows(tab) != shown[0]
    go(tab, kept)
    assert (rows(tab), tab.inner_text("#o-numbers"), tab.inner_text("#o-memory")) == shown
    assert tab.input_value("#o-hyper input >> nth=0") == "0.5"
    odd = "surface=moon&rules=zz,adam&lr=x&start=1&t=-4&n=0&k=0&focus=q&hyper=adam.beta1:no,adam.zz:1&beta=7&batch=-1"
    go(tab, odd)
    assert list(rows(tab)) == ["adam"]
    tab.click("#o-step")
    assert re.match(r"[-\d., e]+$", rows(tab)["adam"][1])


def test_what_is_pointed_at_or_focused_explains_itself(tab):
    go(tab, "surface=beale&rules=adam,sgd&t=5")
    for place, said in (
        ("#o-map", "gradient \\("),
        ("#o-loss .chart", "step \\d+\nsgd: "),
        (".letter >> nth=1", "β1: the share of m"),
        ("#o-table button >> nth=0", "SGD: Gradient descent"),
    ):
        tab.hover(place)
        assert re.search(said, tab.inner_text("#optimizers-says")), place
    tab.focus("#o-moves .chart")
    assert "step 5" in tab.inner_text("#optimizers-says")
    tab.keyboard.press("ArrowLeft")
    assert tab.inner_text("#o-t") == "4"
    tab.keyboard.press("Escape")
    assert tab.is_hidden("#optimizers-says")


def test_a_picture_is_an_svg_by_itself(tab):
    go(tab, "surface=himmelblau&rules=adam,sgd")
    with tab.expect_download() as waiting:
        tab.click("#o-svg")
    text = waiting.value.path().read_text("utf-8")
    assert text.startswith("<svg")
    assert "var(" not in text
    assert "class=" not in text
    assert text.count("<image") == 1
    assert ">adam</text>" in text


def test_a_lesson_hides_what_it_does_not_need(tab):
    for name in tab.evaluate("Object.keys(tabs.optimizers.lessons)"):
        go(tab, f"lesson={name}")
        assert tab.is_visible("#lesson"), name
    assert tab.is_hidden("#o-map")
    go(tab, "")
    assert tab.is_visible("#o-map")
    assert tab.is_hidden("#lesson")


def test_an_address_may_ask_for_a_lesson(browser, with_formula, tmp_path):
    tab, *_ = opened(browser, tmp_path, with_formula)
    tab.goto(tab.url.partition("#")[0] + "?lesson=noise")
    assert tab.is_visible("#o-map")
    assert tab.input_value("#o-batch") == "1"
    tab.close()


def test_without_motion_play_goes_to_the_end_at_once(browser, with_formula, tmp_path):
    tab, _, messages = opened(browser, tmp_path, with_formula, reduced_motion="reduce")
    go(tab, "surface=rosenbrock&t=0")
    tab.click("#o-play")
    assert (tab.inner_text("#o-t"), messages) == ("1000", [])
    tab.close()


def test_a_wrong_derivative_of_the_ravine_turns_the_race_off(browser, with_formula, tmp_path):
    right = "const d_v2 = np.multiply(d_v4, k);"
    assert with_formula.count(right) == 1
    (script,) = re.findall(r"<script>(.*?)</script>", with_formula, re.DOTALL)
    wrong = script.replace(right, right.replace("k)", "-k)"))
    text = with_formula.replace(script, wrong).replace(digest(script), digest(wrong))
    tab, _, _ = opened(browser, tmp_path, text)
    go(tab, "surface=valley&t=9")
    assert "1 of" in tab.inner_text("#verdict")
    assert all(tab.is_disabled(f"#o-{name}") for name in ("play", "back", "step", "reset", "time"))
    assert rows(tab)["adam"][1] == "-7, 2"
    tab.close()


WIDER = """[...document.querySelectorAll("#optimizers figure")].filter((card) => card.checkVisibility())
  .filter((card) => card.scrollWidth > card.clientWidth + 1).map((card) => card.outerHTML.slice(0, 300))"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (760, "dark"), (320, "light"), (320, "dark")])
def test_it_fits_and_can_be_read(browser, with_formula, tmp_path, width, scheme):
    size = {"width": width, "height": 800}
    tab, _, messages = opened(browser, tmp_path, with_formula, viewport=size, color_scheme=scheme)
    every = f"surface=long_valley&tuned=1&rules={','.join(CLASSIC)}"
    links = ("", every, "surface=ravine&tuned=1&rules=sgd,heavy_ball", "lesson=bias", "rules=")
    for link in links:
        go(tab, link)
        assert tab.evaluate("document.documentElement.scrollWidth") == width, link
        assert unreadable(tab, "optimizers") == {}, link
        assert tab.evaluate(WIDER) == [], link
    assert messages == []
    tab.close()
