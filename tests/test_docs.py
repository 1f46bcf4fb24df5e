"""The README and docs/ tell the truth. Their sessions run as doctests of their own."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

import house
import ops_page
import rules_page

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_readmes_test_command():
    command = "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox\n"
    assert command in README
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_guide_links_every_page():
    linked = re.findall(r"\]\((\w+\.md)\)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    assert sorted(set(linked)) == sorted({path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"})


def test_the_course_links_every_chapter_that_is_there():
    linked = re.findall(r"\]\(course/(\w+\.md)\)", (ROOT / "docs" / "course.md").read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(path.name for path in (ROOT / "docs" / "course").glob("*.md"))


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
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


def test_the_table_of_rules_is_what_the_classes_say():
    for where in rules_page.NAMES.values():
        for name in re.findall(r"`([A-Z]\w+(?:\.\w+)?)", where):
            assert attrgetter(name)(tg)
    assert (ROOT / "docs" / "rules.md").read_text() == rules_page.page(), (
        "PYTHONPATH=. python tests/support/rules_page.py > docs/rules.md"
    )


def test_the_picture_of_the_house_is_that_of_the_source():
    picture = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8")
    assert picture == house.drawing(), "PYTHONPATH=. python tests/support/house.py --draw"


# --- the pages on how to add a thing: a copy of the package takes their blocks, and a script tries what follows -------


def blocks(page):
    """Yield (file, where, text) for each block of a page that names its file in the first line."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for place, block in re.findall(r"```python\n# (\w+/\S+[^\n]*)\n(.*?)```", text, re.S):
        file, _, where = place.partition(", ")
        yield file, where, block


def followed(folder, *pages):
    """Put what the pages say into a copy of the package and of the tests' tables: at the end of a file, above the line
    that begins with a word, or last in a table."""
    for part in ("tinygrad_edu", "tests/support"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file, where, block in [found for page in pages for found in blocks(page)]:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        if where.startswith("last in "):
            table = re.search(rf"^{re.escape(where.removeprefix('last in '))}\b.*?\n(?=[])}}\"])", text, re.M | re.S)
            at = table.end()
        elif where:
            at = re.search(rf"^{where.removeprefix('above ')}", text, re.M).start()
            block += "\n\n" * block.startswith("class")
        else:
            at, block = len(text), f"\n\n{block}"
        path.write_text(text[:at] + block + text[at:], encoding="utf-8")


def run(folder, script):
    """Return what a script prints that imports the copy in the folder."""
    paths = os.pathsep.join([str(folder), str(folder / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-W", "error", "-c", f"import numpy as np, tinygrad_edu as tg\n{script}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_on_ops_can_be_followed(tmp_path):
    followed(tmp_path, "add_an_op.md")
    printed = run(
        tmp_path,
        """
x = tg.Tensor([1.0, -3.0], requires_grad=True, name="x")
assert tg.gradcheck(tg.softsign, x) and tg.gradcheck(tg.Tensor.softsign, x)
x.softsign().sum().backward()
assert x.grad.tolist() == [1 / 4, 1 / 16]
print(tg.trace(lambda x: x.softsign().sum(), x).source)
print(next(x.softsign().steps(np.ones(2))).shares[0].formula)
""",
    )
    assert "d = 1 + np.abs(x)" in printed
    assert "/ (d * d)" in printed


def test_the_page_on_layers_can_be_followed(tmp_path):
    followed(tmp_path, "add_an_op.md", "add_a_layer.md")
    printed = run(
        tmp_path,
        """
from tinygrad_edu.cli.main import main
assert "Softsign" in tg.__all__ and "PReLU" in tg.__all__
x = np.random.default_rng(0).standard_normal((6, 2))
np.testing.assert_allclose(tg.Softsign()(x).numpy(), x / (1 + abs(x)), rtol=1e-15)
assert isinstance(tg.mlp([2, 3, 2], activation="softsign")[1], tg.Softsign)
try:
    tg.mlp([2, 3], activation="softsing")
except ValueError as error:
    assert "softsign" in str(error)
assert main(["train", "--data", "moons", "--activation", "softsign", "--quick", "--json"]) == 0

np.testing.assert_allclose(tg.PReLU(2, 0.5)(x).numpy(), np.where(x > 0, x, x / 2), rtol=1e-15)
model = tg.Sequential(tg.Linear(2, 3, rng=0), tg.PReLU(3), tg.Softsign(), tg.Linear(3, 2, rng=1))
assert tg.diagnose_layer(tg.PReLU(2), x).right
assert tg.PReLU(2, dtype=np.float32)(x.astype(np.float32)).dtype == np.float32
model.summary()
model.load_state_dict(model.state_dict())
X, y = tg.data.moons(64, rng=0)
optimizer = tg.Adam(model, lr=0.01)
optimizer.freeze("layers.1")
optimizer.unfreeze()
tg.fit(model, X, y, optimizer=optimizer, epochs=2, rng=0, progress=False)
assert (model[1].slope.numpy() != 0.25).all()
print(optimizer.why("layers.1.slope", 0))
loss = tg.cross_entropy(model(X), y)
loss.backward()
print(*loss.steps(), loss.graph(), sep="\\n")
print(tg.trace(lambda X: tg.cross_entropy(model(X), y), X).source)
twin = tg.Sequential(tg.Linear(2, 3, rng=0), tg.PReLU(3), tg.Softsign(), tg.Linear(3, 2, rng=1))
twin.load_state_dict(model.state_dict())
plain, compiled = tg.SGD(model, lr=0.1), tg.SGD(twin, lr=0.1)
plain.zero_grad()
tg.cross_entropy(model(X), y).backward()
plain.step()
tg.compile_step(twin, tg.cross_entropy, compiled, X, y, quiet=True)(X, y)
np.testing.assert_allclose(twin[1].slope.numpy(), model[1].slope.numpy(), rtol=1e-12)
try:
    tg.Sequential(tg.Softsign(), tg.PReLU(2))(X.astype(np.float32))
except TypeError as error:
    print(error)
""",
    )
    assert "layers.1.slope[0] went from" in printed
    assert "1 + np.abs(" in printed
    assert "layers.1 (PReLU())" in printed


def test_the_page_on_optimizers_can_be_followed(tmp_path):
    followed(tmp_path, "add_an_optimizer.md")
    printed = run(
        tmp_path,
        """
from rules_table import ROWS, problem, run
from tinygrad_edu.cli.main import main
from tinygrad_edu.explain.why import PARTS
cls, reference, hyper, _ = ROWS[-1]
assert cls is tg.AddSign and list(tg.optimizers.RULES)[-1] == list(PARTS)[-1] == "add_sign"
p0, gradients, rates = problem()
expected = reference(p0, gradients, rates, **hyper)
p = tg.Tensor(p0, requires_grad=True)
optimizer = tg.AddSign([p], **hyper)
np.testing.assert_allclose(run(optimizer, p, gradients, rates), expected, rtol=1e-12, atol=1e-12)
assert optimizer.m.shape == p0.shape and optimizer.state_dict()["m"].any()

X, y = tg.data.moons(64, rng=0)
model, twin = (tg.mlp([2, 8, 2], rng=0) for _ in range(2))
optimizer, compiled = (tg.AddSign(network, lr=tg.schedules.cosine(0.01, 9)) for network in (model, twin))
step = tg.compile_step(twin, tg.cross_entropy, compiled, X, y, quiet=True)
for _ in range(3):
    optimizer.zero_grad()
    tg.cross_entropy(model(X), y).backward()
    optimizer.step()
    step(X, y)
np.testing.assert_allclose(twin[0].W.numpy(), model[0].W.numpy(), rtol=1e-10)
print(optimizer.equation())
why = optimizer.why("layers.0.W", (1, 2))
print(why)
assert abs(why.change - why.from_gradient - why.from_momentum) < 1e-12

def by_hand(p, g, state, t, lr, beta):
    m = state["m"] = beta * state.get("m", 0) + (1 - beta) * g
    return p - lr * (1 + np.sign(g) * np.sign(m)) * g

assert tg.diagnose_optimizer(by_hand, "AddSign").right
assert main(["train", "--data", "moons", "--optimizer", "add-sign", "--quick", "--json"]) == 0
assert main(["race", "--optimizers", "add_sign", "--steps", "20", "--json"]) == 0
""",
    )
    assert "p <- p - lr · (1 + sign(g) · sign(m)) · g" in printed
    assert "direction = (1 + sign(g) · sign(m)) · g = " in printed
    assert '"optimizer": "add_sign"' in printed


# --- the page that a newcomer follows: its commands are run as they stand, and print what it shows --------------------


def test_the_commands_of_the_page_on_tables_print_what_it_shows(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "your_table.md").read_text(encoding="utf-8")
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "penguins.csv", tmp_path / "examples")
    (tmp_path / "new.csv").write_text(re.search(r"```csv\n(.*?)```", page, re.S).group(1))
    monkeypatch.chdir(tmp_path)
    shown = re.findall(r"```sh\n(.*?)```\n\n```text\n(.*?)```", page, re.S)
    assert len(shown) == page.count("```sh") == 5
    for commands, lines in shown:
        printed = ""
        for command in commands.splitlines():
            with suppress(SystemExit):
                main(shlex.split(command)[1:])
            printed += "".join(capsys.readouterr())
        for line in lines.splitlines():
            assert any(said.startswith(line) for said in printed.splitlines()), (line, printed)
