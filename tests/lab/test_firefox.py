"""The page in Firefox: its proof, a training at play, each tab."""

import re
import time

import pytest
from firefox import FIREFOX, firefox

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed")]


def test_the_page_proves_itself_and_trains_in_firefox(made, tmp_path):
    (tmp_path / "lab.html").write_text(made, encoding="utf-8")
    (tmp_path / "profile").mkdir()
    with firefox(tmp_path / "profile") as call:
        call("WebDriver:NewSession")
        call("WebDriver:Navigate", url=(tmp_path / "lab.html").as_uri() + "#tab=playground&layers=8-8")

        def of_page(code):
            return call(
                "WebDriver:ExecuteScript", script=f"const $ = (id) => document.getElementById(id); {code}", args=[]
            )["value"]

        def until(code, seconds=90):
            end = time.monotonic() + seconds
            while not (found := of_page(f"return {code}")) and time.monotonic() < end:
                time.sleep(0.2)
            return found

        assert until("$('badge').classList.contains('good') || $('badge').classList.contains('bad')")
        assert re.fullmatch(
            r"✓ (\d+) of \1 runs are the library's, to \de-1\d", of_page("return $('verdict').textContent")
        )
        of_page("$('play').click()")
        assert until("Number($('t').textContent) > 30")
        of_page("$('play').click()")
        for tab in ("optimizers", "backprop"):
            of_page(f"$('{tab}-tab').click()")
            assert of_page(f"return $('{tab}').checkVisibility() && $('{tab}').innerText.length > 100")
            wide = "document.documentElement.scrollWidth <= innerWidth"
            assert of_page(f"return {wide}"), tab
