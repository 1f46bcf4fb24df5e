"""Graphs for the Backprop tab: a program that returns every number of the backward pass, the picture's places, a proof.

`StepByStep` writes the program. Everything else is asked of `explain`: the order, the names, where the boxes stand.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from textwrap import shorten
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, apply, seed, unwrap
from ..explain.draw import Node, edges, layout
from ..explain.graph import Graph
from ..explain.steps import named_steps
from ..program.expressions import call, parsed, unparsed
from ..program.names import Names, forward_order
from ..program.program import Program
from ..program.simplify import unexpanded
from ..program.source import Source
from ..program.trace import Trace
from ..program.writer import Line, Writer, takes_gradient
from .emit import compact, wrapped

CHECKS = 3  # inputs beside those of the graph, for which the page is compared with the engine
MOST = 5_000  # numbers in a graph
FULL = 4  # rows and columns, at most, of an array whose numbers are shown
PATHS = 32  # that plain recursion takes, of which the product of the derivatives is shown
DIGITS, LONGEST = 8, 12  # characters of a number, and of a line on an edge

Sent = dict[str, Any]  # a share of a gradient: names and lines of the program, see `StepByStep.send`
Path = dict[str, Any]  # a leaf, the numbers of the shares on the way to it, the product of their derivatives


class StepByStep(Writer):
    """Write each share of a gradient, each sum and, between numbers, each local derivative as a line of its own.

    Between numbers v and a, ``dv_da`` is the local derivative, ``d_a_by_v`` the share of d_a that v sends. Behind them
    stand the products along each path, which plain recursion adds up.
    """

    def results(self, wanted: list[str]) -> list[str]:
        return [line.target for line in self.backward]

    def backward_of(self, before: dict[Tensor, list[Line]]) -> None:
        loss = self.called[id(self.root)]
        self.add(f"d_{loss}", call("np.ones_like", ast.Name(loss)))
        self.uses = Counter(p for node in before for p in node.parents if takes_gradient(p))
        self.sums: dict[Tensor, list[str]] = {}
        self.sent: list[Sent] = []
        for node in reversed(before):
            self.backward += before[node]
            for i, parent in enumerate(node.parents):
                if takes_gradient(parent):
                    self.sent.append(self.send(node, i, parent))
        self.paths = list(islice(self.walk(loss, []), PATHS))
        for path in self.paths:
            local = [self.sent[k]["local"] for k in path["via"]]
            if all(local):
                path["name"] = self.add(self.helpers.new_name("path"), parsed(" * ".join(local), mode="eval").body)

    def walk(self, name: str, via: list[int]) -> Iterator[Path]:
        """Yield each path from here to a leaf, in the order of a recursion that waits for no other share."""
        onward = [k for k, share in enumerate(self.sent) if share["node"] == name]
        if not onward:
            yield {"to": name, "via": via, "name": ""}
        for k in onward:
            yield from self.walk(self.sent[k]["to"], [*via, k])

    def add(self, name: str, tree: ast.expr) -> str:
        """Write and run a line, and return its name."""
        self.backward.append(self.run(Line(name, tree)))
        return name

    def from_one(self, *_: Any) -> None:
        """Leave d_loss, which is 1, in the formulas."""

    def send(self, node: Tensor, i: int, parent: Tensor) -> Sent:
        """Write the lines for the share that a node sends to its argument i. Return their names and texts."""
        source, to = self.sources[node], self.called[id(parent)]
        here = f"{self.called[id(node)]}{'_2' * sum(p is parent for p in node.parents[:i])}"
        first, tree, local = len(self.backward), self.share(node, i, source), ""
        formula = tree
        if not node.ndim and not parent.ndim:
            formula = with_one(source, i)
            local = self.add(self.helpers.new_name(f"d{here}_d{to}"), formula)
        known, uses = self.sums.setdefault(parent, []), self.uses[parent]
        share = total = self.add(self.helpers.new_name(f"d_{to}_by_{here}") if uses > 1 else f"d_{to}", tree)
        if known:
            name = f"d_{to}" if len(known) == uses - 1 else self.helpers.new_name(f"d_{to}_{len(known) + 1}")
            total = self.add(name, ast.BinOp(ast.Name(known[-1]), ast.Add(), ast.Name(share)))
        known.append(total)
        lines = [str(line) for line in self.backward[first:]]
        names = {"node": self.called[id(node)], "to": to, "local": local, "share": share, "sum": total}
        return {**names, "use": len(known), "uses": uses, "formula": unparsed(formula), "lines": lines}


def with_one(source: Source, i: int) -> ast.expr:
    """Return the VJP of argument i for a gradient of 1: between numbers, the derivative."""
    before, source.known["g"] = source.known["g"], ast.Constant(1)
    tree = unexpanded(source(source.recipe.vjp(i)))
    source.known["g"] = before
    return tree


def explorer(root: Tensor, title: str, about: str = "", code: str = "", most: Mapping[str, int] | None = None) -> str:
    """Return the graph below a loss as JavaScript: an object of facts, with ``backprop``, its program.

    Parameters
    ----------
    root : the loss
    title, about, code : words for the page; code computes the loss from the inputs, and is "" if nobody knows it
    most : name of an input of whole numbers to the largest that it may hold; the others stay as they are

    Raises
    ------
    ValueError : more than 200 computed tensors, or than 5,000 numbers; a line that cannot be written in JavaScript
    RuntimeError : nothing requires a gradient
    """
    traced = Trace(root)
    source = traced.program().source
    program = traced.program(by=StepByStep)
    writer, limits = traced.writer, dict(most or {})
    assert isinstance(writer, StepByStep)
    numbers = engine(root, {}, traced.called, writer)
    if (size := sum(array.size for array in numbers.values())) > MOST:
        raise ValueError(
            f"this graph holds {size:,} numbers, and a page shows {MOST:,}: give it a loss of fewer samples"
        )
    program.results = {name: name for name in numbers}
    program.source = program.text()
    products = {path["name"] for path in writer.paths}
    facts = {
        **{"title": title, "about": about, "code": code, "source": source, "loss": program.loss},
        "inputs": {name: {"value": a.tolist(), "whole": a.dtype.kind != "f"} for name, a in program.inputs.items()},
        "most": limits,
        **picture(root, traced.called, writer.sent),
        "shares": writer.sent,
        "lines": [
            [*map(str, program.forward)],
            [str(line) for line in program.backward if line.target not in products],
        ],
        "paths": writer.paths,
        "checks": list(checks(root, program, traced.called, writer, limits)),
    }
    return wrapped(program.javascript(), f"backprop, ...{compact(facts)}")


def picture(root: Tensor, called: Names, sent: Sequence[Sent]) -> dict[str, Any]:
    """Return the nodes and edges of a graph, with their places in characters and lines."""
    nodes, values = Graph(root, called=called).nodes, dict[str, Any]()
    for node in forward_order(root):
        values |= {called[id(v)]: v for v in (*node.parents, *node.kwargs.values(), node) if id(v) in called}
    gap = min(max(8, *(len(share["formula"]) for share in sent)) + 5, LONGEST + 3)
    uses = {share["to"]: share["uses"] for share in sent} | {called[id(root)]: 1}
    placed = layout(nodes, gap, [room(node, grid(values[node.name]), uses.get(node.name, 0)) for node in nodes])
    paths = Counter({called[id(root)]: 1})
    for share in sent:
        paths[share["to"]] += paths[share["node"]]
    shown = [
        {
            **{"name": node.name, "origin": node.origin, "kind": node.kind, "title": title_of(node)},
            **{"grid": grid(values[node.name]), "rule": rule_of(values[node.name])},
            **{"paths": paths[node.name], "box": np.round(box, 2).tolist()},
        }
        for node, box in zip(nodes, placed.boxes)
    ]
    lines = [{"from": a, "to": b} for a, b in edges(nodes)]
    return {"nodes": shown, "edges": [{**a, "points": np.round(b, 2).tolist()} for a, b in zip(lines, placed.lines)]}


def title_of(node: Node) -> str:
    """Return the first line of a node's box."""
    return shorten(f"{node.name} = {node.origin}" if node.kind == "computed" else node.name, 28, placeholder=" …")


def grid(value: Any) -> tuple[int, ...]:
    """Return the rows and columns in which a value is shown; () for one that is too large for that."""
    shape = np.shape(unwrap(value))
    rows_columns = (1,) * (2 - len(shape)) + shape
    return rows_columns if len(shape) < 3 and max(rows_columns) <= FULL else ()


def room(node: Node, grid: tuple[int, ...], uses: int) -> list[str]:
    """Return lines as long as those of the node's box: its title, its value, its gradient with a dot for each use."""
    numbers = ["#" * DIGITS * grid[1]] * grid[0] if grid else ["(1000, 1000), norm 1.234"]
    dots = "●" * min(uses, 4) if uses > 1 else ""
    gradient = [f"∂ {numbers[0]}{dots}"] if grid == (1, 1) else [f"∂ {dots}", *numbers]
    return [title_of(node), *numbers, *gradient * bool(uses)]


def rule_of(value: Any) -> str:
    """Return the equation in the docstring of the op that computed a value; "" of a value that was given."""
    words = getattr(getattr(value, "op", None), "__doc__", None) or ""
    return " ".join(words.split(";")[0].split("\n\n")[0].split())


def replayed(root: Tensor, changed: Mapping[int, Array]) -> dict[int, Tensor]:
    """Run a graph again, op by op, with other leaves: ``id`` of each old value to the new Tensor or array."""
    new: dict[int, Any] = {}
    for node in forward_order(root):
        for leaf in (*node.parents, *node.kwargs.values()):
            if id(leaf) in changed and id(leaf) not in new:
                array = changed[id(leaf)]
                new[id(leaf)] = Tensor(array, leaf.requires_grad) if isinstance(leaf, Tensor) else array
        assert node.op is not None
        args = [new.get(id(p), p) for p in node.parents]
        new[id(node)] = apply(node.op, *args, **{key: new.get(id(v), v) for key, v in node.kwargs.items()})
    return new


def engine(root: Tensor, changed: Mapping[int, Array], called: Names, writer: StepByStep) -> dict[str, Array]:
    """Return what the engine computes, with other leaves: each value, gradient, share, sum and local derivative."""
    new = replayed(root, changed)
    again = Names({id(value): called[key] for key, value in new.items()})
    found = {called[id(node)]: new[id(node)].array for node in forward_order(root)}
    steps = list(named_steps(new[id(root)], seed(new[id(root)], None), again))
    for names, share in zip(writer.sent, [share for step in steps for share in step.shares], strict=True):
        found |= {names["share"]: share.value, names["sum"]: share.after}
        if names["local"]:
            found[names["local"]] = np.asarray(share.node.vjps[share.argument](np.ones(())))
    for path in writer.paths:
        if path["name"]:
            found[path["name"]] = np.asarray(np.prod([found[writer.sent[k]["local"]] for k in path["via"]]))
    return found | {f"d_{step.name}": step.g for step in steps}


def checks(root: Tensor, program: Program, called: Names, writer: StepByStep, most: Mapping[str, int]) -> Iterator[Any]:
    """Yield the inputs of a graph, then others, each with the numbers that the engine computes from them."""
    rng = np.random.default_rng(0)
    for k in range(1 + CHECKS):
        inputs = dict(program.inputs)
        for name, array in inputs.items():
            if k and array.dtype.kind == "f":
                inputs[name] = array * rng.uniform(0.5, 1.5, array.shape)
            elif k and name in most:
                inputs[name] = rng.integers(0, most[name] + 1, array.shape)
        with np.errstate(all="ignore"):
            numbers = engine(root, {id(program.leaves[name]): a for name, a in inputs.items()}, called, writer)
        if all(np.isfinite(array).all() for array in numbers.values()):
            flat = [float(x) for name in program.results for x in numbers[name].ravel()]
            yield {"inputs": [a.tolist() for a in inputs.values()], "numbers": flat}
