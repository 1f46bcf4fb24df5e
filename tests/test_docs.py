"""What the README says is so. Its sessions, and those of docs/, run as doctests of their own."""

import re
from pathlib import Path

import ops_page as op_table

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
    assert (ROOT / "docs" / "ops.md").read_text() == op_table.page(), (
        "PYTHONPATH=. python tests/support/ops_page.py > docs/ops.md"
    )
