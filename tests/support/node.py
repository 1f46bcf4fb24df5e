"""JavaScript in tests: Node runs it, and answers with JSON. NaN and infinity travel as words."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest

import tinygrad_edu
from tinygrad_edu.program.javascript_arrays import runtime

LAB = Path(tinygrad_edu.__file__).parent / "lab"
WORDS = """
const read = (_, x) => ({ nan: NaN, inf: Infinity, "-inf": -Infinity })[x] ?? x;
const said = (_, x) => (typeof x !== "number" || Number.isFinite(x) ? x : { NaN: "nan", Infinity: "inf" }[x] ?? "-inf");
const D = JSON.parse(require("fs").readFileSync(0, "utf8"), read);
const answer = (x) => console.log(JSON.stringify(x, said));
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def words(x):
    """Return data as JSON can say them. NumPy reads the words again: np.array("nan", float)."""
    if isinstance(x, dict):
        return {key: words(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [words(part) for part in x]
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def node(folder, *texts, **data):
    """Run texts behind the runtime and ``training.js``, with the data as D, and return what they answer."""
    script = folder / "script.js"
    script.write_text("\n".join([runtime(), (LAB / "training.js").read_text("utf-8"), WORDS, *texts]), "utf-8")
    done = subprocess.run(["node", script], input=json.dumps(words(data)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
