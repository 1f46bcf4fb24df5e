"""The recorded graph below a tensor, as text, Mermaid, DOT or SVG. `draw` makes the picture."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, seed, unwrap
from ..program.names import Names, forward_order, names
from .draw import Node, edges, picture
from .steps import named_steps, origin
from .tables import norm

LIMIT = 200  # computed tensors: a picture of more could not be read


def graph(root: Tensor, grad: Any = None) -> Graph:
    """Show how this tensor was computed, as a picture: text, Mermaid, DOT or SVG (`Graph`)."""
    return Graph(root, grad)


class Graph:
    """The graph below root: it prints as text, and a notebook shows it as a picture.

    Parameters
    ----------
    root, grad : as for ``root.backward(grad)``. Gradients are shown if that call would run
    called : the names of the graph; default: those of `names`

    Raises
    ------
    ValueError : more than 200 computed tensors

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True, name="x")
    >>> graph = ((x + 1) * x).graph()
    >>> print(graph)
    loss = v * x: 6, d_loss = 1
    ├─ v = x + 1: 3, d_v = 2
    │  └─ x: 2, d_x = 5
    └─ x, as above
    >>> print(graph.mermaid())
    flowchart LR
      n0(["x<br/>2<br/>d_x = 5"])
      n1["v = x + 1<br/>3<br/>d_v = 2"]
      n2["loss = v * x<br/>6<br/>d_loss = 1"]
      n0 --> n1
      n1 --> n2
      n0 --> n2
    """

    def __init__(self, root: Tensor, grad: Any = None, called: Names | None = None) -> None:
        order = forward_order(root)
        if len(order) > LIMIT:
            raise ValueError(
                f"nobody could read a picture of {len(order):,} computed tensors, {LIMIT} are the limit; draw a part "
                "(an inner tensor, fewer layers or time steps), or print explain(loss), which sums it up"
            )
        called = called or names(root)
        gradients: dict[str, Array] = {}
        passed = root.requires_grad and (grad is not None or root.size == 1)
        for step in named_steps(root, seed(root, grad), called) if passed else ():
            gradients |= {step.name: step.g, **{share.to: share.after for share in step.shares}}
        self.nodes: list[Node] = []
        numbers: dict[int, int] = {}
        for node in order:
            for value in (*node.parents, *node.kwargs.values(), node):
                key = id(value)
                if key in called and key not in numbers:
                    numbers[key] = len(self.nodes)
                    name = called[key]
                    computed = isinstance(value, Tensor) and value.parents
                    kind = "computed" if computed else "leaf" if getattr(value, "requires_grad", False) else "data"
                    above = [*value.parents, *value.kwargs.values()] if isinstance(value, Tensor) else []
                    parents = tuple(numbers[id(p)] for p in above if id(p) in numbers)
                    gradient = short(gradients[name]) if name in gradients else ""
                    self.nodes.append(Node(name, origin(value, called), short(value), gradient, kind, parents))

    def text(self) -> str:
        """Return the graph as a tree from the result down. A value that is used twice is written down once."""
        lines, seen = [], set()
        stack = [(len(self.nodes) - 1, "", "")]
        while stack:
            i, first, rest = stack.pop()
            title, *numbers = self.nodes[i].lines()
            lines.append(
                f"{first}{self.nodes[i].name}, as above" if i in seen else f"{first}{title}: {', '.join(numbers)}"
            )
            if i not in seen:
                below = self.nodes[i].parents
                marks = [("├─ ", "│  ")] * (len(below) - 1) + [("└─ ", "   ")] * bool(below)
                stack += [(p, rest + a, rest + b) for p, (a, b) in list(zip(below, marks, strict=True))[::-1]]
                seen.add(i)
        return "\n".join(lines)

    __str__ = __repr__ = text

    def mermaid(self) -> str:
        """Return the graph in Mermaid, which Markdown pages and notebooks draw."""
        shapes = {"computed": ('["', '"]'), "leaf": ('(["', '"])'), "data": ('[("', '")]')}
        lines = ["flowchart LR"]
        for i, node in enumerate(self.nodes):
            opening, closing = shapes[node.kind]
            lines.append(f"  n{i}{opening}{'<br/>'.join(map(_mermaid, node.lines()))}{closing}")
        return "\n".join(lines + [f"  n{p} --> n{i}" for p, i in self.edges()])

    def dot(self) -> str:
        """Return the graph in DOT, the language of Graphviz."""
        shapes = {"computed": "box", "leaf": "ellipse", "data": "note"}
        lines = ["digraph {", "  rankdir=LR", '  node [fontname="monospace"]']
        for i, node in enumerate(self.nodes):
            label = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in node.lines())
            lines.append(f'  n{i} [shape={shapes[node.kind]}, label="{label}"]')
        return "\n".join([*lines, *(f"  n{p} -> n{i}" for p, i in self.edges()), "}"])

    def svg(self, path: Any) -> Path:
        """Draw the graph from left to right into an SVG file, or into a PNG if the path ends in .png.

        Returns the path. Raises ImportError without matplotlib.
        """
        return picture(self.nodes, path)

    def _repr_svg_(self) -> str | None:
        with TemporaryDirectory() as folder:
            try:
                return self.svg(Path(folder) / "graph.svg").read_text(encoding="utf-8")
            except ImportError:  # without matplotlib the notebook shows the text
                return None

    def edges(self) -> list[tuple[int, int]]:
        """Return (from, to) in the order of the nodes. An op that takes a tensor twice has two edges from it."""
        return edges(self.nodes)


def short(x: Any) -> str:
    """Return a number as text; of an array its shape and norm."""
    x = np.asarray(unwrap(x))
    if x.ndim == 0:
        return f"{x.item() + 0.0:.4g}"  # -0.0 is 0
    return f"{x.shape}, norm {norm(x):.3g}"


def _mermaid(text: str) -> str:
    """Return text that can stand between quotes in Mermaid: special characters become entities."""
    return "".join(f"#{ord(c)};" if c in '"#&;<>`\\' or not c.isprintable() else c for c in text)
