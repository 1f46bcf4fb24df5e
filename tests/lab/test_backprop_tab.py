"""The Backprop tab in a browser: by mouse, by keyboard, by link; quiz and tasks; what it hands out."""

import contextlib
import io
import re

import pytest
from chromium import opened
from readable import unreadable

pytestmark = pytest.mark.slow
SHAPES = [(1280, "light"), (760, "dark"), (320, "light")]


@pytest.fixture
def tab(browser, tmp_path, made):
    tab, _, messages = opened(browser, tmp_path, made, viewport={"width": 1280, "height": 900})
    yield lambda link: follow(tab, link)
    assert messages == []
    tab.close()


def follow(tab, link):
    tab.evaluate(f"follow('#tab=backprop&{link}')")
    return tab


def gradient(tab, name):
    """The gradient in the table, as text."""
    return tab.evaluate(
        f"""[...document.querySelectorAll("#graph-table tbody tr")].find((row) => row.cells[0].textContent === "{name}")
        .cells[3].textContent"""
    )


def test_shares_are_summed_one_by_one_forwards_and_backwards(tab):
    page = tab("graph=meeting")
    seen = [gradient(page, "h")]
    for _ in range(6):
        page.click("#graph-on")
        seen.append(gradient(page, "h"))
    assert seen == ["", "", "1", "−2", "−5", "−5", "−5"]
    assert (gradient(page, "a"), gradient(page, "b")) == ("7.5", "−10")
    assert page.is_disabled("#graph-on")
    for _ in range(3):
        page.click("#graph-back")
    assert gradient(page, "h") == "−2"
    assert page.inner_text("#graph-what") == "Share 3 of 6: v sends to h"
    assert "d_h = 1 + (−3) = −2" in page.inner_text("#graph-words")
    marked = page.evaluate("[...document.querySelectorAll('#graph-lines .marked')].map((line) => line.textContent)")
    assert marked == ["dv_dh = h", "d_h_by_v = d_v * h", "d_h_2 = d_h_by_loss + d_h_by_v"]


def test_the_keyboard_steps_and_walks_through_the_picture(tab):
    page = tab("graph=meeting")
    page.focus("#graph-play")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#graph-at-is") == "3 of 6"
    page.focus("#backprop svg [tabindex='0']")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "value: loss = v + h = 9 + (−3) = 6"
    )
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#graph-what") == "v"
    assert "If v grows by 0.01, loss changes by about 0.01." in page.inner_text("#graph-words")
    assert page.evaluate("document.querySelectorAll('#backprop svg [tabindex=\"0\"]').length") == 1


def test_another_number_changes_everything(tab):
    page = tab("graph=softmax&at=4")
    fields = page.locator("#graph-table input")
    assert gradient(page, "b") == "−0.8236  0.2381  0.5856"  # the probabilities 0.1764, 0.2381, 0.5856 minus (1, 0, 0)
    page.locator("input[aria-label=labels]").fill("2")
    assert gradient(page, "b") == "0.1764  0.2381  −0.4144"
    page.locator("input[aria-label=labels]").fill("3")  # there is no such class
    assert gradient(page, "b") == "0.1764  0.2381  −0.4144"
    assert fields.count() == 2 + 6 + 3 + 1
    page.click("#graph-reset")
    page.click("#graph-on")
    assert gradient(page, "z") == "−0.8236  0.2381  0.5856"


def test_a_link_holds_graph_place_and_numbers(tab):
    page = tab('graph=meeting&at=4&inputs={"a":3}')
    assert (gradient(page, "h"), page.inner_text("#graph-at-is")) == ("−8", "4 of 6")  # 1 + 2 · (3 · −1.5)
    link = page.evaluate("link()")
    follow(page, "graph=neuron")
    page.evaluate(f"follow({link!r})")
    assert gradient(page, "h") == "−8"
    for damaged in ('inputs={"a":', 'inputs={"a":[1]}', 'inputs={"a":"x"}', "graph=nobody"):
        follow(page, damaged)
        assert page.inner_text("#verdict").startswith("✓")


def test_who_picks_a_node_too_early_is_told_which_one_it_waits_for(tab):
    page = tab("graph=meeting&mode=next")

    def pick(name):
        page.locator(f"#backprop g.node:has(text.title:text-matches('^{name}( =|$)'))").click()
        return page.inner_text("#graph-task .answer")

    assert pick("h") == "✗ h is not ready: loss and v have not sent everything yet; 0 of 3 came."
    assert pick("loss").startswith("✓ loss had all its shares, and sends to v and h.")
    assert pick("h") == "✗ h is not ready: v has not sent everything yet; 1 of 3 came."
    assert pick("a").startswith("✗ a is not ready: h has")
    assert pick("v").startswith("✓")
    assert pick("h").endswith("the backward pass is done.")
    assert "3 nodes right, 3 too early or in vain" in page.inner_text("#graph-task")
    assert pick("a").startswith("✓")  # nothing is left to pick


def test_the_quiz_takes_what_the_program_has_and_a_hint_names_the_rule(tab):
    page = tab("graph=meeting&mode=quiz")
    assert page.is_hidden("#graph-naive")  # which has the answers
    for name, wrong, right in [("d_v", "-1", "1"), ("d_h", "5", "-5"), ("d_a", "7", "7.5"), ("d_b", "0", "-10")]:
        assert page.inner_text("#graph-task label").startswith(f"{name} =")
        assert gradient(page, name[2:]) in ("", "−2")  # a part of the sum at most
        page.fill("#graph-task input", wrong)
        page.keyboard.press("Enter")
        assert page.inner_text("#graph-task .answer").startswith("✗")
        page.click("text=Hint")
        page.fill("#graph-task input", right)
        page.keyboard.press("Enter")
        assert page.inner_text("#graph-task .answer").startswith("✓") or name == "d_b"
    assert page.inner_text("#graph-task .answer") == "All 4 gradients are there."
    follow(page, "graph=product&mode=quiz")
    page.fill("#graph-task input", "1")
    page.keyboard.press("Enter")
    page.fill("#graph-task input", "1")
    page.keyboard.press("Enter")
    page.click("text=Hint")
    assert "v = a * b (y = a · b) sends d_v * b" in page.inner_text("#graph-task")
    page.click("text=Hint")
    assert "d_v * b = 1 * (−3) = −3" in page.inner_text("#graph-task")


def test_an_animation_and_a_script_are_handed_out(tab, tmp_path, browser):
    page = tab("graph=mlp")
    with page.expect_download() as waiting:
        page.click("#graph-save")
    path = tmp_path / "saved.svg"
    waiting.value.save_as(path)
    text = path.read_text("utf-8")
    assert (text.count("<animateMotion"), "<script" in text) == (9, False)
    other = browser.new_page()
    other.goto(path.as_uri())
    shown = """(seconds) => { const svg = document.documentElement; svg.pauseAnimations(); svg.setCurrentTime(seconds);
      const sent = [...document.querySelectorAll("path.sent")];
      return sent.filter((path) => getComputedStyle(path).visibility === "visible").length; }"""
    assert [other.evaluate(shown, 1.4 * (k + 0.5)) for k in (0, 1, 5, 9)] == [0, 1, 5, 9]
    other.close()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(page.evaluate("document.getElementById('graph-script').textContent"), {})
    follow(page, "graph=mlp&at=9")
    printed = dict(line.split(" = ") for line in said.getvalue().splitlines())
    assert [float(x.replace("−", "-")) for x in gradient(page, "b1").split()] == pytest.approx(
        eval(printed["d_b1"]), rel=1e-3
    )


@pytest.mark.parametrize(("width", "scheme"), SHAPES)
def test_no_state_is_wider_than_the_screen_and_all_is_named(browser, tmp_path, made, width, scheme):
    page, _, messages = opened(
        browser, tmp_path, made, viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    for link in ("graph=mlp&at=5", "graph=doubling&at=10", "graph=softmax&mode=quiz", "graph=meeting&mode=next"):
        follow(page, link)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert unreadable(page, "backprop") == {}, link
        if page.is_enabled("#graph-play"):
            page.click("#graph-play")
        page.wait_for_timeout(200)
        assert page.locator("#backprop .dot").count() == 0  # no motion is wanted
    unnamed = [
        line
        for line in page.locator("#backprop").aria_snapshot().splitlines()
        if re.fullmatch(r"\s*- (button|spinbutton|slider|combobox|radio)", line)
    ]
    assert unnamed == []
    assert messages == []
    page.close()
