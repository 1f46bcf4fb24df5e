"""The package as a whole: who imports whom, what `import tinygrad_edu` loads, and that it works where nothing can be
written."""

import ast
import builtins
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_edu as tg

HERE = Path(tg.__file__).parent

# module: (modules of ours, third-party packages), at the top of the file
IMPORTS = {
    "ops": ("", "numpy"),
    "tensor": ("ops", "numpy"),
    "init": ("ops", "numpy"),
    "gradcheck": ("init ops tensor", "numpy"),
    "mistakes": ("ops tensor", "numpy"),
    "doctor": ("gradcheck init mistakes ops tensor", "numpy"),
    "layerdoctor": ("doctor gradcheck init layers mistakes ops tensor", "numpy"),
    "notation": ("ops tensor", "numpy"),
    "formulas": ("helpers notation tensor", "numpy"),
    "helpers": ("notation", "numpy"),
    "lines": ("formulas helpers notation ops tensor", "numpy"),
    "program": ("helpers lines notation ops tensor", "numpy"),
    "curvature": ("ops program tensor", "numpy"),
    "tables": ("tensor", "numpy"),
    "explain": ("formulas notation ops tables tensor", "numpy"),
    "graph": ("explain notation ops tables tensor", "numpy"),
    "expression": ("ops tensor", "numpy"),
    "losses": ("ops tensor", "numpy"),
    "layers": ("init ops tensor", "numpy"),
    "debugging": ("layers ops tensor", "numpy"),
    "buffers": ("ops tensor", "numpy"),
    "kernels": ("", "numba numpy"),
    "microscope": ("", "numpy"),
    "step": ("buffers kernels microscope ops tensor", "numpy"),
    "optimizers": ("kernels ops step tensor", ""),
    "ruledoctor": ("doctor init ops optimizers step tensor", "numpy"),
    "checks": ("doctor losses ops tensor", "numpy"),
    "submission": ("", "numpy"),  # it is run by itself, so it imports nothing of ours
    "grading": ("checks submission", "numpy"),
    "schedules": ("", ""),
    "averages": ("buffers kernels ops step tensor", "numpy"),
    "data": ("init ops", "numpy"),
    "train": ("data init layers losses ops optimizers step tensor", "numpy"),
    "elementwise": ("", "numpy"),
    "elements": ("elementwise", "numpy"),
    "loops": ("elements elementwise notation ops program", "numpy"),
    "assembly": ("kernels loops", ""),
    "intrinsics": ("kernels", "llvmlite numba numpy"),
    "native": ("elementwise intrinsics kernels ops tensor", "llvmlite numpy"),
    "machine": ("intrinsics kernels native", "llvmlite numba numpy"),
    "plan": ("assembly buffers kernels loops machine native ops program step tensor", "numba numpy"),
    "compiled": ("assembly kernels layers loops losses ops plan program step tensor train", "numpy"),
    "rangetest": ("data init layers losses ops optimizers step tensor train", "numpy"),
    "surfaces": ("data ops tensor", "numpy"),
    "trials": ("data init layers losses ops optimizers train", "numpy"),
    "racing": ("init ops optimizers surfaces tensor", "numpy"),
    "plots": ("graph layers tensor", "numpy"),
    "raceplots": ("plots", "numpy"),
    "__init__": ("explain gradcheck init layers losses ops tensor", ""),
    "arguments": ("__init__ surfaces", ""),
    "__main__": ("arguments surfaces", ""),
}
# module: the same, inside functions or under TYPE_CHECKING: loaded later or never
LATER = {
    "tensor": ("explain graph", ""),
    "program": ("curvature", ""),
    "graph": ("plots", ""),
    "train": ("compiled", "tqdm"),
    "checks": ("ruledoctor", ""),
    "grading": ("__main__", ""),
    "schedules": ("step", ""),
    "plots": ("rangetest train", "matplotlib"),
    "raceplots": ("racing trials", "PIL matplotlib"),
    "__init__": (
        "averages buffers compiled curvature data debugging doctor kernels layerdoctor optimizers plots program "
        "raceplots racing rangetest ruledoctor schedules step surfaces train trials",
        "",
    ),
    "__main__": ("__init__ data expression grading notation plots raceplots racing tables tensor trials", "numpy"),
}

# --- who imports whom ------------------------------------------------------------------------------------------------


def test_every_module_has_its_row_in_the_table():
    assert set(IMPORTS) == {path.stem for path in HERE.glob("*.py")}
    folders = {path.name for path in HERE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {"exercises"}  # flat, but for files that are handed out, not imported
    assert not list((HERE / "exercises").glob("__init__.py"))


@pytest.mark.parametrize("module", IMPORTS)
def test_a_module_imports_nothing_that_the_table_does_not_have(module):
    at_the_top, later = imports(module)
    assert at_the_top == tuple(set(names.split()) for names in IMPORTS[module])
    assert later == tuple(set(names.split()) for names in LATER.get(module, ("", "")))


def test_the_table_has_no_circles():
    done = set()
    while ready := [m for m in IMPORTS if m not in done and set(IMPORTS[m][0].split()) <= done]:
        done |= set(ready)
    assert done == set(IMPORTS)


def test_trap_22_kernels_are_compiled_in_one_file_with_one_set_of_flags():
    users = {m: text.count("njit(") + text.count("njit,") for m in IMPORTS if "njit" in (text := source(m))}
    assert users == {"kernels": 1}


def test_every_trap_has_a_test_by_its_number():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert {int(number) for number in re.findall(r"^def test_trap_(\d\d)_", tests, re.M)} == set(range(1, 31))


# --- what an import loads --------------------------------------------------------------------------------------------


def test_trap_20_importing_loads_numpy_and_nothing_heavy():
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
        ("tg.SGD", True),
        ("tg.FlatBuffer", False),
        ("tg.diagnose_optimizer", True),
    ],
)
def test_numba_comes_with_the_first_optimizer_and_no_earlier(use, comes):
    assert python(f"import sys, tinygrad_edu as tg; {use}; print('numba' in sys.modules)") == f"{comes}\n"


def test_every_public_name_can_be_had():
    names = python("from tinygrad_edu import *; print(*[name for name in dir() if name[0] != '_'])").split()
    assert sorted(names) == sorted(tg.__all__)
    assert len(set(tg.__all__)) == len(tg.__all__)
    assert set(tg.__all__) <= set(dir(tg))
    assert all(getattr(tg, name) is not None for name in tg.__all__)


def test_a_star_import_hides_no_builtin():
    assert not set(tg.__all__) & set(dir(builtins))


def test_a_name_that_comes_later_is_known_to_type_checkers():
    later = {
        alias.name
        for node in ast.walk(ast.parse(source("__init__")))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        for alias in part.names
    }
    assert later == set(tg._LATER) & set(tg.__all__)


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


def test_trap_21_a_read_only_install_can_be_used(tmp_path):
    install, wall = tmp_path / "install", tmp_path / "a-file"
    wall.write_text("no folder can be made below a file, not even by root")
    shutil.copytree(HERE, install / "tinygrad_edu", ignore=shutil.ignore_patterns("__pycache__"))
    (install / "tinygrad_edu" / "__pycache__").write_text("nor in its place")
    for path in [*install.rglob("*"), install]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    nowhere = {name: str(wall / "below") for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR")}
    try:
        first, second = python(STEP, install, NUMBA_DISABLE_JIT="0", **nowhere).splitlines()
    finally:
        for path in [install, install / "tinygrad_edu", install / "tinygrad_edu" / "exercises"]:
            path.chmod(0o755)  # so that it can be removed
    assert first == f"{install / 'tinygrad_edu' / '__init__.py'} 0.5 1.0"
    assert "cannot cache" in second  # Numba alone would have refused


# --- helpers ---------------------------------------------------------------------------------------------------------


def python(code, path=HERE.parent, **variables):
    """What a new Python prints that looks for packages in path first."""
    environment = os.environ | {"PYTHONPATH": str(path)} | variables
    command = [sys.executable, "-c", code]  # which looks in cwd before PYTHONPATH
    done = subprocess.run(command, capture_output=True, text=True, cwd=path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def source(module):
    return (HERE / f"{module}.py").read_text(encoding="utf-8")


def imports(module):
    """(ours, third-party) at the top of a module, and (ours, third-party) anywhere else in it."""
    tree = ast.parse(source(module))
    found = {True: (set(), set()), False: (set(), set())}
    for node in ast.walk(tree):
        ours, theirs = found[node in tree.body]
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            ours |= {node.module} if node.module else {submodule(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            theirs |= {node.module.partition(".")[0]}
        elif isinstance(node, ast.Import):
            theirs |= {alias.name.partition(".")[0] for alias in node.names}
    for ours, theirs in found.values():
        theirs -= set(sys.stdlib_module_names)
        if "tinygrad_edu" in theirs:
            theirs.remove("tinygrad_edu")
            ours.add("__init__")
    return found[True], found[False]


def submodule(name):
    """What `from . import name` imports: a module, or the package that holds the name."""
    return name if (HERE / f"{name}.py").exists() else "__init__"
