"""Machine code on disk: the next process finds it, and what cannot be read or written is no error."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import cache, numpy_c

needs_numba = pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")

PROCESS = """
import sys
import numpy as np, tinygrad_edu as tg
X, y = tg.data.moons(16, rng=0)
model = tg.mlp([2, 3, 2], rng=0)
step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, y)
print(step.cached, f"{[step(X, y) for _ in range(3)][-1]:.12f}")
"""


def start(cache, seed):
    environment = os.environ | {"TINYGRAD_EDU_CACHE": str(cache), "PYTHONHASHSEED": str(seed)}
    environment["PYTHONPATH"] = str(Path(tg.__file__).parent.parent)
    environment.pop("NUMBA_CACHE_DIR", None)  # would have Numba keep its half elsewhere
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(process):
    out, said = process.communicate()
    assert process.returncode == 0, said
    return *out.split(), said


@needs_numba
def test_machine_code_is_found_by_the_next_process_and_what_is_damaged_is_made_again(tmp_path):
    together = [start(tmp_path, seed) for seed in (1, 2)]  # neither disturbs the other
    (cached, value, said), (_, other, _) = map(finish, together)
    assert other == value
    assert cached == "True" or said.startswith("compiling the training step ... ")
    assert finish(start(tmp_path, 3)) == ("True", value, "")
    for path in (tmp_path / "__pycache__").glob("*.nb*"):
        path.write_bytes(b"damaged")
    assert finish(start(tmp_path, 4))[1] == value
    (file,) = tmp_path.glob("*.py")
    file.write_text("damaged")
    assert finish(start(tmp_path, 5))[1] == value
    assert file.read_text() != "damaged"


@needs_numba
def test_where_nothing_can_be_written_it_is_compiled_in_each_process(tmp_path):
    wall = tmp_path / "a file"
    wall.write_text("no folder can be made below it")
    cached, _, _ = finish(start(wall / "below", 1))
    assert cached == "False"


def test_the_folder_is_the_users_unless_he_names_one(monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", "somewhere")
    assert cache.folder() == Path("somewhere")
    monkeypatch.delenv("TINYGRAD_EDU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == Path("cache/tinygrad_edu")


def test_the_key_changes_with_the_text_and_the_versions(monkeypatch):
    first = cache.key("a")
    assert cache.key("b") != first
    monkeypatch.setattr(np, "__version__", "0")
    assert cache.key("a") != first
