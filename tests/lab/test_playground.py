"""The playground in a browser: every control, the lines of a batch, the script, the keyboard, what is read aloud."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from chromium import opened
from readable import unreadable

import tinygrad_edu as tg

pytestmark = pytest.mark.slow


@pytest.fixture
def tab(browser, made, tmp_path):
    """The page, open at the playground; at the end nothing may stand in its console."""
    page, requests, messages = opened(browser, tmp_path, made, viewport={"width": 1280, "height": 900})
    yield page
    assert {request.split("#")[0].split("?")[0] for request in requests} == {page.url.split("#")[0].split("?")[0]}
    assert messages == []
    page.close()


def go(tab, link):
    tab.evaluate(f"location.hash = '#tab=playground&{link}'")
    tab.wait_for_timeout(100)


def again(tab):
    """What the script on the page computes."""
    found = {}
    exec(tab.inner_text("#pg-python"), found)
    return found


def test_every_control_begins_a_run_and_its_script_makes_the_same_numbers(tab):
    for name in ("circles", "spirals", "xor", "blobs", "plane", "regression", "digits", "moons"):
        tab.click(f"#pg-set-{name}")
        tab.click("#step")
        assert np.isfinite(float(tab.inner_text("#pg-now-0-0")))
    for select in [f"#pg-{name}" for name in ("n", "batch", "activation", "weights", "loss", "l2", "schedule")] + [
        "#rule"
    ]:
        for value in tab.eval_on_selector_all(f"{select} option", "options => options.map((o) => o.value)"):
            tab.select_option(select, value)
            tab.click("#step")
            assert tab.inner_text("#t") == "1", (select, value)
        tab.select_option(select, index=0)
    for button in ("deeper", "more-1", "less-2", "input-x1x2", "seed", "start", "shallower"):
        tab.click(f"#pg-{button}")
    tab.fill("#pg-noise", "0.2")
    tab.fill("#pg-test", "0.4")
    tab.fill("#pg-dropout", "0.3")
    tab.click("#epoch")
    tab.fill("#pg-w-0", "0.75")
    tab.keyboard.press("Enter")
    tab.select_option("#lr", "0.05")
    tab.click("#step")
    last, test = float(tab.inner_text("#pg-now-0-0")), float(tab.inner_text("#pg-now-2-0"))
    found = again(tab)
    assert "optimizer.buffer.data" in tab.inner_text("#pg-python")
    assert len(found["losses"]) == int(tab.inner_text("#t"))
    np.testing.assert_allclose([last, test], [found["losses"][-1], found["test_loss"]], atol=1e-5)


def test_the_lines_of_a_batch_are_program_source_with_the_values_that_the_engine_has(tab):
    go(tab, "data=xor&layers=3&activation=relu&batch=8&rule=sgd")
    texts = "rows => rows.map((row) => (row.querySelector('code') ?? row).textContent)"
    rows = tab.eval_on_selector_all("#pg-lines > *", texts)
    shown = "\n".join("" if row == " " else row for row in rows)
    n = sum(1 for row in rows if " = " in row)
    for k in range(n):
        assert tab.inner_text("#t") == "0"
        tab.click("#pg-line")
        assert tab.inner_text(".pg-row.latest code").strip() in shown, k
    assert tab.inner_text("#t") == "1"
    X, y = tg.data.xor(300, noise=0.1, rng=0)
    X, y, *_ = tg.data.split(X, y, test_share=0.2, rng=0)
    model, (X, y) = tg.mlp([2, 3, 2], rng=0), next(tg.batches(X, y, batch_size=8, rng=0))

    def compute(X, y):
        outputs = model(X)
        outputs.name = "outputs"
        return tg.cross_entropy(outputs, y)

    program = tg.trace(compute, X, y)
    assert shown == program.source
    values = program.values()
    for name in ("z1", "outputs", "d_z1", "d_W1"):
        row = next(k for k, line in enumerate([*program.forward, *program.backward]) if line.target == name)
        tab.click(f"#pg-row-{row}")
        cells = tab.eval_on_selector_all("#pg-value table:first-of-type tr", "rows => rows.map((r) => r.innerText)")
        first = [float(text.replace("−", "-")) for text in cells[0].split()]
        np.testing.assert_allclose(first, values[name][0][:8], 1e-3, 1e-4)


def test_a_link_brings_back_settings_and_steps(tab):
    link = (
        "data=spirals&inputs=x1-x2-sin1&layers=5-4&activation=elu&h.lr=0.02&h.beta1=0.8&schedule=cosine&s.steps=50&t=9"
    )
    go(tab, link)
    assert tab.inner_text("#t") == "9"
    script = tab.inner_text("#pg-python")
    assert 'tg.mlp([3, 5, 4, 2], activation="elu", rng=0)' in script
    assert "tg.Adam(model, lr=tg.schedules.cosine(0.02, steps=50), beta1=0.8)" in script
    tab.click("#share")
    assert {*link.split("&")} <= {*tab.evaluate("location.hash").lstrip("#").split("&")}
    go(tab, "data=nothing&layers=9-900&h.lr=x&n=-3&activation=softmax&t=-1")
    assert tab.inner_text("#t") == "0"
    assert 'tg.mlp([2, 4, 3, 2], activation="tanh", rng=0)' in tab.inner_text("#pg-python")


def test_the_keyboard_reaches_units_weights_the_map_and_the_pad(tab):
    tab.focus("#pg-set-moons")
    tab.keyboard.press("ArrowRight")
    assert tab.get_attribute("#pg-set-circles", "aria-checked") == "true"
    assert tab.evaluate("document.activeElement.id") == "pg-set-circles"
    tab.focus("#pg-unit-1-0")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.id") == "pg-unit-2-1"
    assert tab.inner_text(".pg-name").startswith("h2[1] ")
    assert "z2 = h1 @ W2 + b2" in tab.inner_text("#pg-closer")
    tab.focus("#map")
    before = tab.inner_text("#pg-probe")
    tab.keyboard.press("ArrowLeft")
    assert tab.inner_text("#pg-probe") != before
    tab.focus("#pg-layer-0-0")
    tab.keyboard.press("ArrowRight")
    assert "one for each pair of units" in tab.inner_text("#pg-tip")
    told = {"pg-activation": "h1 = np.tanh(z1)", "pg-batch": "mean over 16 samples", "lr": "η = 0.02"}
    for knob, words in told.items():
        tab.focus(f"#{knob}")
        assert words in tab.inner_text("#pg-tip")
    tab.keyboard.press("Escape")
    assert tab.is_hidden("#pg-tip")
    tab.click("#pg-set-digits")
    tab.focus("#pg-pad")
    odds = tab.inner_text("#pg-odds")
    for key in ("ArrowDown", " ", "ArrowDown", " "):
        tab.keyboard.press(key)
    assert tab.inner_text("#pg-odds") != odds


def test_the_output_shows_a_unit_only_the_answer_or_no_test_data_and_is_saved(tab, tmp_path):
    go(tab, "data=circles&layers=4&t=20")
    picture = lambda: tab.evaluate("$('pg-back').toDataURL() + $('map').toDataURL()")
    seen = [picture()]
    for name in ("hard", "tests"):
        tab.click(f"#pg-{name}")
        seen.append(picture())
    tab.focus("#pg-unit-1-2")
    assert tab.inner_text("#pg-output-name") == "h1[2]"
    seen.append(picture())
    assert len(set(seen)) == 4
    assert "hard=1" in tab.evaluate("link()")
    with tab.expect_download() as saved:
        tab.click("#pg-save")
    saved.value.save_as(tmp_path / "net.svg")
    kinds = [part.tag.rpartition("}")[2] for part in ET.parse(tmp_path / "net.svg").iter()]
    assert (kinds.count("path"), kinds.count("image")) == (2 * 4 + 4 * 2, 2 + 4 + 2 + 2)  # the output is two


def test_a_lesson_hides_what_it_does_not_need(tab):
    for name in ("step", "inputs", "xor", "dead", "overfit"):
        go(tab, f"lesson={name}")
        assert tab.is_visible("#lesson")
        tab.click("#step")
        assert tab.inner_text("#t") == "1"
    tab.goto(tab.url.split("#")[0] + "?lesson=xor")
    assert "XOR has no straight boundary" in tab.inner_text("#lesson")
    tab.goto(tab.url.split("?")[0])
    tab.wait_for_selector("#badge.good", timeout=120_000)
    go(tab, "lesson=step")
    assert not tab.is_visible("#pg-sets")
    assert tab.is_visible("#pg-line")
    go(tab, "")
    assert tab.is_visible("#pg-sets")
    assert tab.is_hidden("#lesson")


def test_a_gradient_that_is_not_finite_stops_the_run_and_says_so(tab):
    go(tab, "data=regression&loss=mse_loss&layers=8-8&activation=leaky_relu&rule=sgd&h.lr=10")
    for _ in range(20):
        tab.click("#epoch")
    assert "no longer finite" in tab.inner_text("#pg-halt")
    tab.click("#reset")
    assert tab.inner_text("#pg-halt") == ""


FRAMES = """async () => {
  const seen = new Set();
  $("play").click();
  for (let k = 0; k < 59; k++) await new Promise(requestAnimationFrame).then(() => seen.add($("t").textContent));
  $("play").click();
  return [seen.size, Number($("t").textContent)];
}"""


def test_the_pictures_stand_still_for_those_who_ask_for_it(browser, made, tmp_path):
    tab, _, messages = opened(browser, tmp_path, made, reduced_motion="reduce")
    seen, steps = tab.evaluate(FRAMES)
    assert (seen, messages) == (1, [])
    assert steps > 10


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (760, "dark"), (320, "light"), (320, "dark")])
def test_it_fits_and_can_be_read(browser, made, tmp_path, width, scheme):
    tab, _, messages = opened(browser, tmp_path, made, viewport={"width": width, "height": 800}, color_scheme=scheme)
    for link in (
        "layers=4-4-4-4-4-4&t=40",
        "data=digits&layers=12",
        "data=regression&loss=mse_loss&t=20",
        "lesson=step",
    ):
        go(tab, link)
        assert tab.evaluate("document.documentElement.scrollWidth") == width, link
        assert unreadable(tab, "playground") == {}, link
    assert messages == []
    tab.close()


def told(tab, weight):
    """The lines of what a weight says, when it has the focus."""
    tab.focus(f"#pg-w-{weight}")
    return tab.evaluate("[...document.querySelectorAll('#pg-tip > div')].map((line) => line.textContent)")


def results(lines):
    """The names that equations set, and the numbers behind their last signs of equality."""
    numbers = [line.rpartition("=")[2].replace("−", "-").strip() for line in lines]
    return [line.partition("=")[0].strip() for line in lines], np.array(numbers, float)


def test_a_weight_says_how_the_rule_moved_it_with_its_numbers_in_the_equations(tab):
    go(tab, "rule=adam&h.lr=0.05&l2=0.01")
    assert len(told(tab, 0)) == 1  # no step yet
    for _ in range(3):
        tab.click("#step")
    optimizer = again(tab)["optimizer"]
    words, *lines = told(tab, 0)
    assert words.startswith("W1[0,0] from x₁ = ")
    assert "Adam moved it by" in words
    names, numbers = results(lines)
    assert names == ["g", "m", "v", "p"]
    averages = [optimizer.m[0], optimizer.v[0], optimizer.buffer.data[0]]
    np.testing.assert_allclose(numbers[1:], averages, 5e-3)
    g, before = optimizer.buffer.grad[0], float(lines[3].partition("=")[2].partition("−0.05")[0].replace("−", "-"))
    np.testing.assert_allclose(numbers[0], g + 0.01 * before, 5e-3)
    go(tab, "rule=muon")
    tab.click("#step")
    assert results(told(tab, 0)[1:])[0] == ["m", "u", "p"]
    assert results(told(tab, "b")[1:])[0] == ["p", "m", "v", "p"]  # a vector, which is AdamW's


def test_a_linear_network_has_no_activation_and_its_script_says_so(tab):
    go(tab, "activation=linear&layers=3-2")
    tab.click("#step")
    assert tab.input_value("#pg-activation") == "linear"
    assert "z1 = X @ W1 + b1" in tab.inner_text("#pg-closer")
    assert tab.inner_text(".pg-name").startswith("z1[0] ")
    script = tab.inner_text("#pg-python")
    assert "Tanh" not in script
    assert "tg.Linear(2, 3, init=tg.init.glorot_uniform, rng=rng)," in script
    assert abs(again(tab)["losses"][-1] - float(tab.inner_text("#pg-now-0-0"))) < 1e-5
