"""``tinygrad-edu explain``: go through the backward pass of a formula or of a small network, and check its gradient."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from ..core.layers import mlp
from ..core.losses import cross_entropy, mse_loss
from ..core.tensor import Tensor
from ..doctor.gradcheck import gradcheck
from ..explain.explanation import Explanation
from ..explain.formula import evaluate
from ..explain.graph import Graph
from ..explain.steps import steps
from ..explain.tables import WIDTH
from ..program.names import forward_order
from .arguments import NEEDS_MATPLOTLIB, add_json, add_seed, picture, point, print_json, sizes

HELP = "show the backward pass of a formula or of a small network, step by step"
DESCRIPTION = """Work out a formula and its gradient step by step: each local derivative as a formula and with numbers,
what is added to what, and a check by central differences."""
PARAMETERS = 100_000  # as many as --mlp may have


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    add = command.add_argument
    add("formula", nargs="?", metavar="FORMULA", help='as "(x*y + x).tanh()" or "h = x*y; h*h + h"')
    add("--at", type=point, default={}, metavar="x=2,y=-3", help="the values of the variables")
    add("--mlp", type=sizes, metavar="N,N,N", help="a random network of these sizes instead, as 2,3,1, and 4 samples")
    add_seed(command, "with --mlp: of weights and data")
    text = "tables as text, in Markdown or HTML; or the graph, in Mermaid or DOT (default: text)"
    add("--format", default="text", choices=["text", "markdown", "html", "mermaid", "dot"], help=text)
    add("--svg", type=picture, metavar="PATH", help="draw the graph into this file")
    add("--slides", type=Path, metavar="DIR", help="write slides, one for each new number, and index.html")
    add_json(command)


def run(options: argparse.Namespace) -> int:
    """Print the backward pass and the check of its gradient. Return the exit status: 1 for a wrong gradient."""
    if (options.formula is None) == (options.mlp is None):
        raise ValueError('give a formula, as in explain "(x*y + x).tanh()" --at x=2,y=-3, or else --mlp 2,3,1')
    if options.mlp and options.at:
        raise ValueError("--at goes with a formula, not with --mlp")
    with np.errstate(all="ignore"):  # NaN and infinity are seen in the tables
        f, leaves = formula(options.formula, options.at) if options.mlp is None else network(options.mlp, options.seed)
        result = f()
        found = Explanation(result)
        shown: Any = Graph(result) if options.format in ("mermaid", "dot") else found
        written = str(found) if options.format == "text" else getattr(shown, options.format)()
        try:  # what cannot be drawn is said before anything is printed
            if options.svg:
                print(f"wrote   {Graph(result).svg(options.svg)}", file=sys.stderr)
            if options.slides:
                *pages, page = found.slides(options.slides)
                print(f"wrote   {page}, {len(pages)} slides", file=sys.stderr)
        except ImportError:
            raise ValueError(f"--{'svg' if options.svg else 'slides'} needs {NEEDS_MATPLOTLIB}") from None
        out = sys.stderr if options.json else sys.stdout
        print(written, file=out, flush=True)
        right, verdict = check(f, leaves)
    text = fill(f"Check: {verdict}.", WIDTH, subsequent_indent="       ")
    print(f"\n{text}", file=out if options.format == "text" else sys.stderr)
    if options.json:
        gradients = {name: g.tolist() for name, g in found.gradients.items()}
        print_json({"value": result.item(), "gradients": gradients, "right": right})
    return 1 if right is False else 0


Function = Callable[..., Tensor]
UNKNOWN = "it depends on the side or the length of the step, rounding hides it, or there is no value nearby"


def check(f: Function, leaves: list[Tensor]) -> tuple[bool | None, str]:
    """Return True if the gradient of f is right, False if it is wrong, None if that cannot be told; and a sentence."""

    def moved(*_: Any) -> Tensor:
        try:
            return f()
        except ValueError:  # beside this point the formula has no value
            return Tensor(float("nan"))

    agree, error, unknown = 0, 0.0, []
    for i, x in enumerate(leaves):
        try:
            found = gradcheck(moved, x, elements=20, rng=i)
            agree, error = agree + found.checked, max(error, found.error)
        except ValueError:
            unknown.append(x.name or "")
        except AssertionError as wrong:
            if x.size > 1 or steady(f, x):
                return False, "WRONG: " + str(wrong).replace(" along []", "")
            unknown.append(x.name or "")
    if not agree:
        return None, f"the slope cannot be measured here: {UNKNOWN}"
    verdict = f"{agree} slopes agree" if agree > 1 else "1 slope agrees"
    verdict += f" with the gradient, by central differences; largest relative difference {error:.1e}"
    if unknown:
        verdict += f". By {', '.join(unknown)} the slope cannot be measured here: {UNKNOWN}"
    return True, verdict


def steady(f: Function, x: Tensor) -> bool:
    """Return True if the gradient at the number x is nearly that at its neighbours, so that a slope says something.

    The sine of 1e17 is an example of the contrary: between 1e17 and the next float it changes its sign many times.
    """
    here, seen = x.item(), []
    for step in (0, 1e-12, -1e-12):
        x.data = here + step * max(1, abs(here))
        try:
            seen += [float(share.after) for s in steps(f()) for share in s.shares if share.parent is x][-1:]
        except ValueError:
            seen.append(float("nan"))
    x.data = here
    return all(abs(g - seen[0]) <= 0.1 * abs(seen[0]) for g in seen)


def formula(text: str, at: dict[str, float]) -> tuple[Function, list[Tensor]]:
    """Return a function that works out the formula, and its variables."""
    leaves = {name: Tensor(value, requires_grad=True, name=name) for name, value in at.items()}

    def f(*_: Any) -> Tensor:
        result = evaluate(text, leaves)
        if result.parents and result.name is None and not re.search(r"\bf\b", text):
            result.name = "f"
        return result

    used = {id(p) for node in forward_order(f()) for p in (node, *node.parents)}
    unused = ", ".join(name for name, leaf in leaves.items() if id(leaf) not in used)
    if unused:
        raise ValueError(f"--at has a value for {unused}, which the formula does not use")
    return f, list(leaves.values())


def network(sizes: list[int], seed: int) -> tuple[Function, list[Tensor]]:
    """Return a function that works out the loss of a random network on 4 random samples, and its parameters."""
    if len(sizes) < 2:
        raise ValueError("--mlp needs at least two sizes, as 2,1: inputs, hidden layers, outputs")
    count = sum((a + 1) * b for a, b in pairwise(sizes))
    if count > PARAMETERS:
        given = ",".join(map(str, sizes))
        raise ValueError(f"--mlp {given} has {count:,} parameters, {PARAMETERS:,} are the limit here")
    rng = np.random.default_rng(seed)
    model = mlp(sizes, "tanh", rng=rng)
    X = rng.standard_normal((4, sizes[0]))
    if sizes[-1] == 1:
        targets = rng.standard_normal((4, 1))
        return lambda *_: mse_loss(model(X), targets), model.parameters()
    labels = rng.integers(0, sizes[-1], 4)
    return lambda *_: cross_entropy(model(X), labels), model.parameters()
