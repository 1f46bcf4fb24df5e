"""The lab's page in Chromium."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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
