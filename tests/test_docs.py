"""What the README says is so. Its sessions, and those of docs/, run as doctests of their own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import face
import ops_page

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_readmes_test_command():
    command = "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox\n"
    assert command in README
    assert command in (ROOT / ".ci" / "run").read_text()


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), (page, target)


def test_the_op_that_the_readme_shows_is_the_op():
    source = (ROOT / "tinygrad_edu" / "core" / "ops.py").read_text().replace("(a: Array) -> Result", "(a)")
    shown = re.search(r"```python\n(def tanh.*?)```", README, re.S).group(1)
    assert shown in source


def test_the_table_of_ops_is_what_their_source_says():
    assert (ROOT / "docs" / "ops.md").read_text() == ops_page.page(), (
        "PYTHONPATH=. python tests/support/ops_page.py > docs/ops.md"
    )


def test_the_page_on_ops_can_be_followed(tmp_path):
    page = (ROOT / "docs" / "add_an_op.md").read_text(encoding="utf-8")
    function = re.search(r"```python\n(def softsign.*?)```", page, re.S)[1]
    shutil.copytree(ROOT / "tinygrad_edu", tmp_path / "tinygrad_edu", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "tinygrad_edu" / "extras" / "ops.py"
    file.write_text(file.read_text(encoding="utf-8") + f"\n\n{function}", encoding="utf-8")
    script = """
import numpy as np, tinygrad_edu as tg
x = tg.Tensor([1.0, -3.0], requires_grad=True, name="x")
assert tg.gradcheck(tg.softsign, x) and tg.gradcheck(tg.Tensor.softsign, x)
x.softsign().sum().backward()
assert x.grad.tolist() == [1 / 4, 1 / 16]
print(tg.trace(lambda x: x.softsign().sum(), x).source)
print(next(x.softsign().steps(np.ones(2))).shares[0].formula)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "d = 1 + np.abs(x)" in done.stdout
    assert "/ (d * d)" in done.stdout


def test_the_table_for_type_checkers_has_every_op():
    assert face.FILE.read_text(encoding="utf-8") == face.stub(), "PYTHONPATH=. python tests/support/face.py"
