"""The lab's page in a browser. A test file imports the fixtures that it uses."""

import shutil
from functools import cache

import pytest

from tinygrad_edu.lab.page import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
seed_0 = cache(lambda: page(0))


@pytest.fixture(scope="module")
def made():
    return seed_0()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def opened(browser, folder, text, **options):
    """Open a page, wait for its verdict, and return it with the requests and the messages of the console."""
    (folder / "lab.html").write_text(text, encoding="utf-8")
    tab, requests, messages = browser.new_page(**options), [], []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.goto((folder / "lab.html").as_uri())
    tab.wait_for_selector("#badge.good, #badge.bad", timeout=120_000)
    return tab, requests, messages
