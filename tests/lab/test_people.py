"""The page as people meet it: a teacher's own lessons, the projector, odd links, the keyboard, what is read aloud."""

import re

import pytest
from chromium import opened
from readable import CONTRAST, unreadable

from tinygrad_edu.extras.optimizers import CLASSIC
from tinygrad_edu.guards.ranges import RANGES
from tinygrad_edu.lab.page import TABS

pytestmark = pytest.mark.slow
ROOM = {"width": 1280, "height": 720}  # a projector


@pytest.fixture(scope="module")
def page(browser, made, tmp_path_factory):
    """One page for all of these; `tab` follows another link on it."""
    tab, _, messages = opened(browser, tmp_path_factory.mktemp("people"), made, viewport=ROOM)
    yield tab, messages
    tab.close()


@pytest.fixture
def tab(page):
    tab, messages = page
    tab.evaluate("$('sheet').hidden || $('teach').click()")
    go(tab, "tab=playground")
    yield tab
    assert messages == []


def go(tab, link):
    tab.evaluate("(link) => follow('#' + link)", link)


ODD = [
    *[f"tab={name}" for name in ("__proto__", "constructor", "", "%E0%A4%A")],
    *[f"tab=playground&data={name}" for name in ("__proto__", "toString", "<img src=x onerror=alert(1)>")],
    *[f"tab=playground&{name}=constructor" for name in ("rule", "activation", "weights", "schedule", "loss", "inputs")],
    "tab=playground&lesson=__proto__",
    "tab=playground&inputs=x1-x1-x1&t=2",
    "tab=playground&data=regression&loss=cross_entropy&t=2",
    "tab=playground&h.lr=-1&h.beta1=5&h.eps=Infinity&h.toString=1&s.constructor=2&t=2",
    "tab=playground&schedule=cosine&s.steps=0&t=2",
    "tab=playground&hide=__proto__-lines&task=constructor&t=2",
    *[f"tab=optimizers&surface={name}" for name in ("__proto__", "constructor")],
    *[f"tab=optimizers&hyper={text}" for text in ("__proto__.x:1", "toString.length:3", "adam.beta1:1,adam.beta2:9")],
    "tab=optimizers&start=1e308,1e308&lr=1e99&n=1e9&t=20",
    *[f"tab=backprop&{name}=__proto__" for name in ("graph", "mode", "inputs", "at", "lesson")],
]


@pytest.mark.parametrize("link", ODD)
def test_an_odd_link_shows_a_tab_and_does_no_harm(tab, link):
    go(tab, link)
    shown = tab.evaluate("[...document.querySelectorAll('[role=tabpanel]')].filter((panel) => !panel.hidden).length")
    assert shown == 1
    assert tab.evaluate("link()").startswith("#tab=")
    if "h.lr" in link:
        assert "tg.Adam(model, lr=0.02)" in tab.inner_text("#pg-python")


def test_the_page_takes_the_numbers_that_the_library_takes(tab):
    values = [-1e9, -0.1, 0, 1e-9, 0.5, 0.999, 1, 1.001, 7]
    names = sorted({name for rule in CLASSIC.values() for name in rule.hyper} - {"bias_correction"})
    asked = [[name, value] for name in names for value in values]
    ours = tab.evaluate("(asked) => asked.map(([name, x]) => in_range(name, x))", asked)
    assert ours == [RANGES[name][0](value) for name, value in asked]
    tab.fill("#pg-h-beta1", "1")
    tab.keyboard.press("Enter")
    said = tab.evaluate("$('pg-h-beta1').validationMessage")
    assert (said, tab.inner_text("#pg-python").count("beta1")) == ("beta1 has to be at least 0 and below 1", 0)


def test_a_link_that_asks_for_too_many_steps_ends_and_says_so(tab):
    tab.evaluate("{ let t = 0; performance.now = () => (t += 1000); }")  # each look at the clock is a second
    go(tab, "tab=playground&t=500")
    tab.evaluate("delete performance.now")
    assert tab.inner_text("#pg-halt") == "The link asks for 500 steps: press Play."
    assert 0 < int(tab.inner_text("#t")) < 10


@pytest.mark.parametrize("name", TABS)
def test_each_part_can_be_left_out_and_a_link_holds_which(tab, name):
    go(tab, f"tab={name}")
    tab.click("#teach")
    parts = tab.evaluate("(name) => Object.keys(tabs[name].parts)", name)
    marked = tab.evaluate(
        "(name) => [...document.querySelectorAll(`#${name} [data-part]`)].map((p) => p.dataset.part)", name
    )
    assert set(marked) <= set(parts)
    count = "() => [...document.querySelectorAll('main *, [role=tab]')].filter((n) => n.checkVisibility()).length"
    for part in parts:
        if part == "ravine":
            tab.select_option("#o-surface", "ravine")
        before = tab.evaluate(count)
        tab.click(f"label:has(#part-{part})")
        assert tab.evaluate(count) < before, part
        assert f"hide={part}" in tab.evaluate("link()")
        tab.focus(f"#part-{part}")
        tab.keyboard.press("Space")
        assert (tab.evaluate(count), "hide" in tab.evaluate("link()")) == (before, False), part


def test_a_teacher_writes_a_task_hides_the_rest_and_the_link_shows_it(tab):
    go(tab, "tab=playground&data=xor&lesson=xor")
    tab.click("#teach")
    for part in ("data", "python", "rule"):
        tab.click(f"label:has(#part-{part})")
    tab.fill("#task", "Use <b>3</b> units & play; what is the constructor?")
    link = tab.evaluate("link()")
    go(tab, "tab=playground")
    assert tab.is_hidden("#lesson")
    tab.evaluate("(link) => follow(link)", link)
    assert tab.inner_text("#lesson") == "Why a hidden layer. Use <b>3</b> units & play; what is the constructor?"
    assert [tab.is_visible(place) for place in (".pg-data", "#pg-python", ".pg-rule", "#pg-lines")] == [
        False,
        True,
        False,
        False,
    ]
    tab.click("#whole")
    assert [tab.is_visible(place) for place in (".pg-data", "#pg-lines", "#lesson")] == [True, True, False]


def test_every_lesson_is_found_on_the_page_and_begins(tab):
    tab.click("#teach")
    names = tab.evaluate("Object.values(tabs).flatMap(({ lessons }) => Object.keys(lessons))")
    assert len(set(names)) == len(names) == 18
    for name in names:
        tab.click(f"#lesson-{name}")
        assert tab.is_visible("#lesson"), name
        assert tab.get_attribute(f"#lesson-{name}", "aria-pressed") == "true"
        assert f"lesson={name}" in tab.evaluate("link()")


def test_an_address_may_ask_for_a_lesson_of_any_tab(page, tab):
    tab.goto(tab.url.split("#")[0] + "?lesson=order")
    tab.wait_for_selector("#badge.good", timeout=120_000)
    assert "Play the engine" in tab.inner_text("#lesson")
    assert [tab.is_visible(place) for place in ("#graph-frame", "#graph-task", "#graph-naive", "#graph-name")] == [
        True, True, False, False,
    ]  # fmt: skip
    tab.goto(tab.url.split("?")[0])
    tab.wait_for_selector("#badge.good", timeout=120_000)


SIZES = """() => [...document.querySelectorAll("body *")]
  .filter((n) => n.checkVisibility() && !n.closest(".unseen, math, option, #graph-frame"))
  .filter((n) => [...n.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
  .map((n) => [parseFloat(getComputedStyle(n).fontSize), n.outerHTML.slice(0, 120)])"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", TABS)
def test_a_projector_has_large_text_more_contrast_and_every_control(tab, name, scheme):
    tab.emulate_media(color_scheme=scheme)
    go(tab, f"tab={name}&t=9&surface=ravine&graph=mlp&at=5")
    usual = min(tab.evaluate(SIZES))[0]
    tab.click("#projector")
    sizes = tab.evaluate(SIZES)
    assert usual <= 13 < 18 < min(sizes)[0], min(sizes)
    assert "projector=1" in tab.evaluate("link()")
    assert tab.evaluate("document.documentElement.scrollWidth") == ROOM["width"]
    assert unreadable(tab, name) == {}
    strict, texts = CONTRAST.replace("4.5", "7"), f"[...document.querySelectorAll('#{name} :is(p, h2, td, th, label)')]"
    assert (
        tab.evaluate(f"({strict})({texts}.filter((n) => n.checkVisibility())).map((n) => n.outerHTML.slice(0, 200))")
        == []
    )
    main = {"playground": "#play", "optimizers": "#o-step", "backprop": "#graph-on"}[name]
    before = tab.evaluate("link()")
    tab.click(main)
    tab.wait_for_timeout(100)
    assert tab.evaluate("link()") != before
    tab.click(main)
    tab.click("#projector")
    assert min(tab.evaluate(SIZES))[0] == usual
    tab.emulate_media(color_scheme="light")


def test_the_curve_of_the_run_before_stays_while_both_learn_the_same(tab):
    go(tab, "tab=playground&rule=sgd&h.lr=0.5&t=30")
    assert tab.inner_text("#pg-before") == ""
    tab.select_option("#pg-batch", "64")
    assert tab.inner_text("#pg-before") == "┈ training data, the run before: batch 16"
    tab.click("#step")
    with_it = tab.evaluate("$('curve').toDataURL()")
    tab.select_option("#rule", "adam")
    assert tab.inner_text("#pg-before").endswith("the run before: rule sgd, lr 0.5")
    tab.click("#step")
    tab.click("#reset")  # the same again: what it is compared with stays
    assert tab.inner_text("#pg-before").endswith("the run before: rule sgd, lr 0.5")
    tab.click("#pg-set-xor")
    assert tab.inner_text("#pg-before") == ""
    assert tab.evaluate("$('curve').toDataURL()") != with_it


def test_two_edges_side_by_side_have_one_label_and_each_its_own_share(tab):
    go(tab, "tab=backprop&graph=meeting&at=3")
    label = (
        "[...document.querySelectorAll('#backprop g.edge')].map((n) => n.textContent).filter((t) => t.includes('2×'))"
    )
    assert tab.evaluate(label) == ["h (2×)−3"]
    assert [tab.locator(f"#backprop g.edge.{kind}").count() for kind in ("current", "sent", "part")] == [1, 3, 0]
    tab.click("#graph-on")
    assert [tab.locator(f"#backprop g.edge.{kind}").count() for kind in ("current", "sent", "part")] == [1, 4, 0]


@pytest.mark.parametrize(("name", "most"), [("playground", 62), ("optimizers", 38), ("backprop", 26)])
def test_the_keyboard_alone_reaches_all_in_few_stops_each_of_which_has_a_name_and_is_seen(tab, name, most):
    go(tab, f"tab={name}&t=3")
    tab.focus("#badge summary")
    stops = []
    look = """() => { const n = document.activeElement; if (n === document.body) return null;
      const ring = getComputedStyle(n.closest(".chips label") ?? n).outlineStyle;
      const name = n.ariaLabel || n.textContent.trim() || n.labels?.length;
      return [n.id || n.outerHTML.slice(0, 90), ring, Boolean(name)]; }"""
    tab.keyboard.press("Tab")
    while (stop := tab.evaluate(look)) and len(stops) < 2 * most:
        stops.append(stop)
        tab.keyboard.press("Tab")
    assert 10 < len(stops) <= most
    assert [stop for stop in stops if stop[1] != "solid" or not stop[2]] == []
    assert not [stop for stop in stops if "<math" in stop[0]]


def test_a_race_from_a_chosen_point_a_step_back_and_a_quiz_by_the_keyboard_alone(tab):
    def press(keys, until):
        for _ in range(60):
            tab.keyboard.press(keys)
            if tab.evaluate(f"document.activeElement.matches({until!r})"):
                return
        raise AssertionError(f"{until} is not reached by {keys}")

    go(tab, "tab=playground")
    tab.focus("#badge summary")
    press("Tab", "[role=tab]")
    tab.keyboard.press("ArrowRight")
    press("Tab", "#o-rules input")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Space")  # momentum off
    press("Tab", "#o-map")
    tab.keyboard.press("ArrowUp")
    press("Tab", "#o-play")
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(1500)
    found = tab.evaluate("link()")
    assert all(part in found for part in ("rules=sgd%2Crmsprop%2Cadam&", "start=-7%2C2.187&", "&t=30&"))
    press("Shift+Tab", "[role=tab]")
    tab.keyboard.press("ArrowRight")
    press("Tab", "#graph-frame [tabindex='0']")
    for key, at in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        tab.keyboard.press(key)
        assert f"at={at}" in tab.evaluate("link()")
    press("Shift+Tab", "[type=radio]")
    tab.keyboard.press("ArrowLeft")
    press("Tab", "#graph-task input")
    tab.keyboard.press("Enter")
    assert "Write a number first" in tab.inner_text("#graph-task")
    tab.keyboard.type("1")
    tab.keyboard.press("Enter")
    assert "Question 2 of 4; 1 right at once" in tab.inner_text("#graph-task")
    tab.keyboard.press("Escape")


def test_a_run_that_diverged_and_a_race_without_rules_say_so(tab):
    go(tab, "tab=playground&data=regression&layers=8-8&activation=leaky_relu&rule=sgd&h.lr=10&t=400")
    assert "no longer finite" in tab.inner_text("#pg-halt")
    assert tab.inner_text("#pg-probe").endswith("the network has no finite number.")
    go(tab, "tab=playground&weights=zeros&activation=relu&t=3")
    assert tab.inner_text("#pg-dead") == "Dead: 7 units say the same of every sample, and learn no more."
    go(tab, "tab=optimizers&rules=")
    assert tab.inner_text("#o-table") == "No rule is on: choose one above."


def test_arrow_keys_go_through_tabs_and_letters_and_no_clock_is_read_aloud(tab):
    tab.focus("#playground-tab")
    for key, expected in (
        ("ArrowLeft", "backprop"),
        ("Home", "playground"),
        ("End", "backprop"),
        ("ArrowRight", "playground"),
    ):
        tab.keyboard.press(key)
        assert tab.evaluate("document.activeElement.id") == f"{expected}-tab"
    go(tab, "tab=optimizers&t=5")
    tab.focus(".letter[tabindex='0']")
    first = tab.inner_text("#optimizers-says")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#optimizers-says") != first
    assert tab.locator(".letter[tabindex='0']").count() == 1
    kinds = tab.evaluate("[...document.querySelector('[role=tablist]').children].map((n) => n.getAttribute('role'))")
    assert kinds == ["tab", "tab", "tab"]
    assert tab.get_attribute("#o-t", "aria-live") == "off"
    tree = tab.locator("body").aria_snapshot()
    assert not re.findall(r"^\s*- (?:button|slider|spinbutton|combobox|checkbox|radio)(?: \[.*)?$", tree, re.MULTILINE)


@pytest.mark.parametrize("width", [320, 768])
def test_it_fits_a_narrow_screen_with_the_lessons_open_and_with_large_text(page, tab, width):
    tab.set_viewport_size({"width": width, "height": 800})
    for link in ("tab=playground&t=3", "tab=optimizers&surface=ravine", "tab=backprop&graph=mlp&at=5"):
        go(tab, link)
        tab.click("#teach")
        assert tab.evaluate("document.documentElement.scrollWidth") == width, link
        tab.click("#teach")
        if width > 700:
            tab.click("#projector")
            assert tab.evaluate("document.documentElement.scrollWidth") == width, link
    go(tab, "tab=playground&t=3")
    top = tab.evaluate("[$('map'), $('pg-net'), $('pg-sets')].map((n) => n.getBoundingClientRect().top)")
    assert top == sorted(top) or width > 700  # what moves comes first
    tab.set_viewport_size(ROOM)
