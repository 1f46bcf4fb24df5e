"""`tg.lab`: for a loss, for a tab, in a notebook's frame and as a file."""

import re
from html import unescape

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.lab import notebook


@pytest.fixture(scope="module")
def of_a_network():
    X, y = tg.data.moons(20, rng=0)
    model = tg.mlp([2, 3, 2], activation="tanh", rng=0)
    return tg.lab(tg.cross_entropy(model(X), y))


def test_a_file_and_a_frame_hold_the_same_page(of_a_network, tmp_path):
    path = of_a_network.save(tmp_path / "new" / "lab.html")
    assert path.read_text("utf-8") == of_a_network.html
    (frame,) = re.findall(r'srcdoc="([^"]*)"', of_a_network._repr_html_())
    assert unescape(frame) == of_a_network.html
    assert re.fullmatch(r"<a page of the lab, \d+ kB: save\('lab.html'\) writes it>", repr(of_a_network))


def test_it_opens_where_it_is_told_to(of_a_network, monkeypatch):
    assert '"start":"tab=backprop&graph=own"' in of_a_network.html
    monkeypatch.setattr(notebook, "page", lambda rng, formula, start: start)
    assert tg.lab("race").html == "tab=optimizers"
    assert tg.lab("#tab=backprop&graph=mlp&mode=quiz").html == "tab=backprop&graph=mlp&mode=quiz"
    assert tg.lab().html == ""


def test_what_is_no_loss_and_no_tab_is_refused():
    with pytest.raises(ValueError, match="no tab 'rase': playground, optimizers, backprop, race"):
        tg.lab("rase")
    with pytest.raises(TypeError, match=r"takes a loss, a network, or the name of a tab; got int 3"):
        tg.lab(3)
    with pytest.raises(ValueError, match="single number"):
        tg.lab(tg.Tensor([1.0, 2.0], requires_grad=True) * 2)
    with pytest.raises(RuntimeError, match="nothing here requires the gradient"):
        tg.lab(tg.Tensor(1.0) * 2)


@pytest.mark.slow
def test_a_notebook_shows_the_gradients_of_my_loss_in_a_frame(browser, tmp_path):
    w = tg.Tensor(np.array([0.5, -1.0]), requires_grad=True, name="w")
    loss = ((w * [2.0, 3.0]).sum() - 1) ** 2
    (tmp_path / "notebook.html").write_text(f"<!doctype html><p>[1]:</p>{tg.lab(loss)._repr_html_()}", "utf-8")
    page, requests, messages = browser.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto((tmp_path / "notebook.html").as_uri())
    frame = page.frames[1]
    frame.wait_for_selector("#badge.good, #badge.bad", timeout=120_000)
    assert frame.inner_text("#verdict").startswith("✓")
    assert frame.input_value("#graph-name") == "own"
    while frame.is_enabled("#graph-on"):
        frame.click("#graph-on")
    loss.backward()
    (row,) = [text for text in frame.locator("#graph-table tbody tr").all_inner_texts() if text.startswith("w")]
    assert "−12  −18" in row
    assert w.grad.tolist() == [-12, -18]
    frame.click("#graph-python")
    assert frame.is_hidden("#share")
    assert ([url for url in requests if not url.startswith("about:")], messages) == ([page.url], [])
