"""Fixtures that fail a test which leaves grad mode, observers, threads or its folder other than it found them.

And the marker ``sample``: of a test with many cases of one kind, tox runs each n-th, and tox -m all the others too.
With EACH=3 in the environment it is each third of these, of every test, for another run of the suite elsewhere.
"""

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from tinygrad_edu.core.tensor import EVENTS, thread, unusual


def left_behind():
    """Everything that a test could leave, by name."""
    workers = {t for t in threading.enumerate() if not t.name.startswith(("tinygrad_edu", "execnet", "pydev"))}
    return {
        "grad mode": thread.recording,
        "no_grad and observers of ops, in all threads": list(unusual),
        **{f"observers of {event}": getattr(thread, event) for event in EVENTS},
        "threads": workers,
        "files": {path.name for path in Path().iterdir() if path.name[0] != "."} | {os.getcwd()},
    }


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    before = left_behind()
    yield
    after = left_behind()
    left = {name: after[name] for name in before if after[name] != before[name]}
    thread.recording = before["grad mode"]
    assert not left, f"the test left something behind: {left}"


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    seen, each = Counter(), int(os.environ.get("EACH", "1"))
    for item in items:
        mark, test = item.get_closest_marker("sample"), (item.path, getattr(item, "originalname", item.name))
        if seen[test] % (each * (mark.args[0] if mark else 1)):
            item.add_marker("slow")
        seen[test] += 1
