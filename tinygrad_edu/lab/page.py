"""The page: one file that trains a network by itself, and shows that its numbers are those of the library."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.tensor import Tensor
from ..extras.numpy_functions import stack
from ..extras.optimizers import CLASSIC, RULES
from ..extras.whole_optimizers import Whole
from ..program.javascript import functions
from ..program.javascript_arrays import runtime
from ..race.pictures import RUNNERS
from ..race.surfaces import SURFACES, stated
from . import optimizers
from .emit import compact, rules, surface
from .examples import EXAMPLES
from .graphs import explorer
from .programs import book
from .runs import RUNS, USUAL, add_l1, losses
from .settings import rates, settings, variants

STEPS = 100  # of each run that the page does again
EVERY = 10  # steps of a training from one loss to the next that is compared
FUNCTIONS = ("exp", "log", "tanh", "sin", "cos", "expm1", "log1p", "sqrt")  # that a browser may round in another way
NUMBERS = np.random.default_rng(0).uniform(0.01, 4, 60)  # with which it looks
TABS = {"playground": "Playground", "optimizers": "Optimizers", "backprop": "Backprop"}
SHARED = (
    "training",
    "random",
    "samples",
    "programs",
    "run",
    "python",
    "common",
    "numbers",
    "teaching",
    "proof",
)  # scripts, in this order
HERE = Path(__file__).parent


def page(rng: Rng = 0, formula: str | None = None, graph: str = "", start: str = "", own: Any = None) -> str:
    """Return the page as HTML: one file, which asks for nothing else.

    Parameters
    ----------
    rng : generator or seed of the data and the first weights
    formula : a surface of one's own for the optimizers, as "x**2 + 10*y**2", see `optimizers.own`
    graph : one more for the Backprop tab, as `graphs.explorer` returns it
    own : a network and data for the playground, as `own.own` returns them
    start : the link to begin with, as "tab=backprop", where the address has none
    """
    seed = rng if isinstance(rng, int) else int(np.random.default_rng(rng).integers(2**32))
    usual = {"batch": 32, "seed": seed, "start": seed}
    runs = {rule: {**usual, "rule": rule} for rule in RULES} | RUNS
    trainings = {name: losses(run, STEPS)[EVERY - 1 :: EVERY] for name, run in runs.items()}
    if own and own["losses"]:
        runs["your network"], trainings["your network"] = own["settings"], own["losses"]
    facts = {
        "seed": seed,
        "rates": stated(),
        "groups": groups(),
        "order": [name for names in groups().values() for name in names],
        "start": start,
        "usual": USUAL,
        "runs": runs,
        "steps": STEPS,
        "every": EVERY,
        "trainings": trainings,
        "own": own,
        "walks": {name: walks(name) for name in SURFACES},
        "numbers": NUMBERS.tolist(),
        "functions": {name: getattr(np, name)(NUMBERS).tolist() for name in FUNCTIONS},
        **settings(),
        **optimizers.facts(formula),
    }
    graphs = {"own": graph} if graph else {}
    graphs |= {name: explorer(example.loss(), *example.words()) for name, example in EXAMPLES.items()}
    surfaces = ",\n".join(f"{name}: {surface(*given)}" for name, given in optimizers.places(formula).items())
    emitted = [
        rules(),
        functions(optimizers.ravine_facts, optimizers.memory, add_l1),
        f"const surfaces = {{{surfaces}}};",
        "const graphs = {\n" + ",\n".join(f"{name}: {text}" for name, text in graphs.items()) + "\n};",
        f"const book = {book()};",
        rates(),
        variants(),
        f"const facts = {compact(facts)};",
    ]
    shared = [text(f"{name}.js") for name in SHARED]
    tabs = ["\n".join(["{", *texts(name, ".js"), "}"]) for name in TABS]
    return assembled("\n".join(['"use strict";', runtime(), *emitted, *shared, *tabs, text("page.js")]))


def groups() -> dict[str, list[str]]:
    """Return the rules of the page by the words over them: first those of courses, which a class begins with."""
    found: dict[str, list[str]] = {"of courses": [], "of papers": [], "of papers, on whole layers": []}
    first, papers, layers = found.values()
    for name in RUNNERS:
        (first if name in CLASSIC else layers if issubclass(RULES[name], Whole) else papers).append(name)
    return found


def assembled(script: str) -> str:
    """Return the page with its script and style, and a policy that lets nothing else run or load."""
    style = "\n".join(["", text("page.css"), *[part for name in TABS for part in texts(name, ".css")], ""])
    script = "\n" + script.replace("</script", "<\\/script") + "\n"
    policy = f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'"
    made = text("page.html").replace("{{policy}}", escape(policy))
    made = made.replace("{{tabs}}", "\n".join(map(tab, TABS))).replace("{{panels}}", "\n".join(map(panel, TABS)))
    return made.replace("{{style}}", style).replace("{{script}}", script)


def tab(name: str) -> str:
    """Return the button that shows a panel."""
    facts = f'id="{name}-tab" data-tab="{name}" aria-controls="{name}" aria-selected="false"'
    return f'  <button type="button" role="tab" {facts} tabindex="-1">{TABS[name]}</button>'


def panel(name: str) -> str:
    """Return a panel: the file of its name."""
    begin = f'<section id="{name}" role="tabpanel" aria-labelledby="{name}-tab" hidden>'
    return f"{begin}\n{text(f'{name}.html')}</section>"


def text(name: str) -> str:
    """Return a file of this room; of a script without the lines that are comments, which the page has no room for."""
    written = (HERE / name).read_text(encoding="utf-8")
    return re.sub(r"(?m)^ *//.*\n", "", written) if name.endswith(".js") else written


def texts(tab: str, suffix: str) -> list[str]:
    """Return the files of a tab with this suffix: ``playground_*.js`` by name, and behind them ``playground.js``."""
    return [text(path.name) for path in sorted(HERE.glob(f"{tab}*{suffix}"), key=lambda path: (path.stem == tab, path))]


def digest(source: str) -> str:
    """Return what a policy calls a script or style with this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def walks(name: str) -> dict[str, list[float]]:
    """Return the point that each rule has come to after `STEPS` steps on a surface, on all of its data."""
    place = SURFACES[name]
    points = {rule: Tensor(np.array(place.start, float), requires_grad=True) for rule in RULES}
    optimizers = [RULES[rule]([p], lr=walk_rate(name, rule)) for rule, p in points.items()]
    for _ in range(STEPS):
        for optimizer in optimizers:
            optimizer.zero_grad()
        together = stack([*points.values()])  # one backward pass serves all rules
        place.f(together[:, 0], together[:, 1]).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
    return {rule: p.numpy().tolist() for rule, p in points.items()}


def walk_rate(surface: str, rule: str) -> float:
    """Return the rate of a rule on a surface: that chosen by hand, or its own, at most a quarter of that of SGD."""
    rates = stated()[surface]
    return rates.get(rule, min(RULES[rule].hyper["lr"], rates["sgd"] / 4))
