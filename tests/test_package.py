"""The package as a whole: its public names, what `import tinygrad_edu` loads, and an install that cannot be written."""

import builtins
import importlib.metadata
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_edu as tg

HERE = Path(tg.__file__).parent


def test_kernels_are_compiled_with_one_set_of_flags():
    texts = {path.name: path.read_text(encoding="utf-8") for path in HERE.rglob("*.py")}
    assert {name: len(re.findall(r"njit[(,]", text)) for name, text in texts.items() if "njit" in text} == {"jit.py": 1}


# --- what an import loads --------------------------------------------------------------------------------------------


def test_importing_loads_numpy_and_nothing_heavy():
    loaded = set(python("import sys, tinygrad_edu; print(*sys.modules)").split())
    assert "numpy" in loaded
    assert not loaded & {"numba", "llvmlite", "matplotlib", "tqdm", "sklearn", "scipy", "torch", "argparse"}


@pytest.mark.parametrize(
    ("use", "comes"),
    [
        ("tg.gradcheck(lambda x: x * x, [1.0])", False),
        ("tg.mlp([2, 3])([[1.0, 2.0]]).sum().backward()", False),
        ("list(tg.batches(*tg.data.moons(8)))", False),
        ("tg.data.digits()", False),
        ("tg.schedules.cosine(0.1, 10)(5)", False),
        ("tg.SGD", False),
        ("tg.Adam(tg.mlp([2, 3]))", False),
        ("tg.Adam(tg.mlp([2, 3])).compile()", "NUMBA_DISABLE_JIT" not in os.environ),
        ("tg.FlatBuffer", False),
        ("tg.diagnose_optimizer", False),
    ],
)
def test_numba_comes_with_the_first_optimizer_and_no_earlier(use, comes):
    assert python(f"import sys, tinygrad_edu as tg; {use}; print('numba' in sys.modules)") == f"{comes}\n"


def test_the_package_can_be_pickled_with_what_refers_to_it():
    assert pickle.loads(pickle.dumps({"tg": tg}))["tg"] is tg


def test_every_public_name_can_be_had():
    names = python("from tinygrad_edu import *; print(*[name for name in dir() if name[0] != '_'])").split()
    assert sorted(names) == sorted(tg.__all__)
    assert len(set(tg.__all__)) == len(tg.__all__)
    assert set(tg.__all__) <= set(dir(tg))
    assert all(getattr(tg, name) is not None for name in tg.__all__)


def test_a_star_import_hides_no_builtin():
    assert not set(tg.__all__) & set(dir(builtins))


def test_an_unknown_name_raises():
    with pytest.raises(AttributeError, match="module 'tinygrad_edu' has no attribute 'Adamm'"):
        tg.Adamm  # noqa: B018
    assert not hasattr(tg, "__wrapped__")


def test_the_version_is_the_one_that_is_installed():
    try:
        installed = importlib.metadata.version("tinygrad-edu")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tinygrad-edu is not installed")
    assert tg.__version__ == installed


# --- nowhere to write ------------------------------------------------------------------------------------------------

STEP = """
import sys
import numpy as np, tinygrad_edu as tg
p = tg.Tensor([1.0, 2.0], requires_grad=True)
(p * p).sum().backward()
tg.SGD([p], lr=0.25).step()
print(tg.__file__, *p.data)
from numba import njit
try:
    njit(cache=True)(tg.kernels.sgd.py_func)
except RuntimeError as error:
    print(error)
"""


def test_a_read_only_install_can_be_used(tmp_path):
    install, wall = tmp_path / "install", tmp_path / "a-file"
    wall.write_text("no folder can be made below a file, not even by root")
    shutil.copytree(HERE, install / "tinygrad_edu", ignore=shutil.ignore_patterns("__pycache__"))
    for room in (install / "tinygrad_edu", install / "tinygrad_edu" / "core"):
        (room / "__pycache__").write_text("nor in its place")
    for path in [*install.rglob("*"), install]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    nowhere = {name: str(wall / "below") for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR")}
    try:
        first, second = python(STEP, install, NUMBA_DISABLE_JIT="0", **nowhere).splitlines()
    finally:
        for path in [install, *install.rglob("*")]:
            path.chmod(0o755)  # so that it can be removed
    assert first == f"{install / 'tinygrad_edu' / '__init__.py'} 0.5 1.0"
    assert "cannot cache" in second  # Numba alone would have refused


# --- helpers ---------------------------------------------------------------------------------------------------------


def python(code, path=HERE.parent, **variables):
    """Return the output of a new Python that looks for packages in path first."""
    environment = os.environ | {"PYTHONPATH": str(path)} | variables
    command = [sys.executable, "-c", code]  # which looks in cwd before PYTHONPATH
    done = subprocess.run(command, capture_output=True, text=True, cwd=path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
