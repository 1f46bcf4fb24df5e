"""Build what is published, look into it, and use it away from the checkout: python tests/dist.py FOLDER.

The wheel and the editable install of the README get a fresh environment each. In both mypy, which is installed
elsewhere, checks tests/typed/user_script.py, and the command line trains. FOLDER is for all that is made.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinygrad_edu"
NOT_SOURCE = {"__pycache__"}


def main(folder):
    dist = folder / "dist"
    run("-m", "build", "--outdir", dist, ROOT, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    check_contents(wheel, sdist)
    for name, what in {"wheel": [wheel], "editable": ["-e", f"{ROOT}[all]"]}.items():
        run("-m", "venv", "--clear", folder / name)
        programs = folder / name / ("Scripts" if sys.platform == "win32" else "bin")
        python = programs / "python"
        run("-m", "pip", "install", "--quiet", *what, program=python)
        print(f"{name}: mypy on a user's script, and a training", flush=True)
        script = ROOT / "tests" / "typed" / "user_script.py"
        run("-m", "mypy", "--strict", "--python-executable", python, script, cwd=folder)
        run(script, program=python, cwd=folder)
        run("train", "--quick", program=programs / "tinygrad-edu", cwd=folder)


def check_contents(wheel, sdist):
    """Raise if a file of the package is missing in the wheel or in the sdist, or if the wheel has others."""
    files = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    files = {name for name in files if not NOT_SOURCE & set(name.split("/"))}
    data = ("py.typed", "core/methods.pyi", "training/digits.npz", "program/runtime.js", "lab/training.js")
    data += ("lab/page.html", "lab/page.css", "lab/page.js", "lab/playground.html")
    assert {f"tinygrad_edu/{name}" for name in data} <= files
    assert {"1_chain_rule.py", "solutions/1_chain_rule.py"} <= {
        n.removeprefix("tinygrad_edu/course/exercises/") for n in files
    }
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert in_wheel == files, f"the wheel differs from the package in {sorted(in_wheel ^ files)}"
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    needed = files | {"LICENSE", "README.md", "setup.cfg", "pyproject.toml"}
    assert needed <= in_sdist, f"the sdist lacks {sorted(needed - in_sdist)}"


def run(*arguments, program=sys.executable, **options):
    subprocess.run([program, *map(str, arguments)], check=True, **options)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
