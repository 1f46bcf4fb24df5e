"""How a tensor was computed, as a picture: text, Mermaid, DOT or SVG. No Graphviz is needed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from ..program.names import forward_order, names
from .steps import origin, steps
from .tables import norm

LIMIT = 200  # computed tensors: more than that nobody could read


class Node(NamedTuple):
    """One value of the graph.

    Attributes
    ----------
    name, origin : what it is called, and how it was computed or where it is from
    value, gradient : as text; without a gradient ""
    kind : "computed"; "leaf", which gets a gradient; or "data", which gets none
    parents : the numbers of the nodes that it was computed from
    """

    name: str
    origin: str
    value: str
    gradient: str
    kind: str
    parents: tuple[int, ...]

    def lines(self) -> list[str]:
        """What stands in its box."""
        title = f"{self.name} = {self.origin}" if self.kind == "computed" else self.name
        if self.kind != "computed" and self.origin != "given":
            title += f" ({self.origin})"
        gradient = [f"d_{self.name} = {self.gradient}"] if self.gradient else []
        return [shorten(title, 40, placeholder=" ..."), self.value, *gradient]


def graph(root: Tensor, grad: Any = None) -> Graph:
    """Show how this tensor was computed, as a picture: text, Mermaid, DOT or SVG (`Graph`)."""
    return Graph(root, grad)


class Graph:
    """The graph below root. Printed it is text, in a notebook a picture.

    Parameters
    ----------
    root, grad : as for ``root.backward(grad)``; gradients are shown where that would run

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

    def __init__(self, root: Tensor, grad: Any = None) -> None:
        order = forward_order(root)
        if len(order) > LIMIT:
            raise ValueError(
                f"nobody could read a picture of {len(order):,} computed tensors, {LIMIT} are the limit; draw a part "
                "(an inner tensor, fewer layers or time steps), or print explain(loss), which sums it up"
            )
        called = names(root)
        gradients: dict[str, Array] = {}
        for step in steps(root, grad) if root.requires_grad and (grad is not None or root.size == 1) else ():
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
                    parents = tuple(dict.fromkeys(numbers[id(p)] for p in above if id(p) in numbers))
                    gradient = short(gradients[name]) if name in gradients else ""
                    self.nodes.append(Node(name, origin(value, called), short(value), gradient, kind, parents))

    def text(self) -> str:
        """The graph as a tree from the result down; what is used twice is written down once."""
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
        """The graph in Mermaid, which Markdown pages and notebooks draw."""
        shapes = {"computed": ('["', '"]'), "leaf": ('(["', '"])'), "data": ('[("', '")]')}
        lines = ["flowchart LR"]
        for i, node in enumerate(self.nodes):
            opening, closing = shapes[node.kind]
            lines.append(f"  n{i}{opening}{'<br/>'.join(map(_mermaid, node.lines()))}{closing}")
        return "\n".join(lines + [f"  n{p} --> n{i}" for p, i in self.edges()])

    def dot(self) -> str:
        """The graph in DOT, the language of Graphviz."""
        shapes = {"computed": "box", "leaf": "ellipse", "data": "note"}
        lines = ["digraph {", "  rankdir=LR", '  node [fontname="monospace"]']
        for i, node in enumerate(self.nodes):
            label = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in node.lines())
            lines.append(f'  n{i} [shape={shapes[node.kind]}, label="{label}"]')
        return "\n".join([*lines, *(f"  n{p} -> n{i}" for p, i in self.edges()), "}"])

    def svg(self, path: Any) -> Path:
        """Draw the graph, forward from left to right, into an SVG file (or PNG, if the path says so).

        Returns the path. Raises ImportError without matplotlib.
        """
        from ..training.pictures import computation

        return computation(self, path)

    def _repr_svg_(self) -> str | None:
        with TemporaryDirectory() as folder:
            try:
                return self.svg(Path(folder) / "graph.svg").read_text(encoding="utf-8")
            except ImportError:  # then the notebook shows the text
                return None

    def edges(self) -> list[tuple[int, int]]:
        """(from, to), in the order of the nodes; an edge for each pair, also where an op takes a tensor twice."""
        return [(p, i) for i, node in enumerate(self.nodes) for p in node.parents]


def short(x: Any) -> str:
    """A number; or an array's shape, and its numbers or norm."""
    x = np.asarray(unwrap(x))
    if x.ndim == 0:
        return f"{x.item():.4g}"
    return f"{x.shape}, norm {norm(x):.3g}"


def _mermaid(text: str) -> str:
    """As text between quotes in Mermaid: what has a meaning there becomes an entity."""
    return "".join(f"#{ord(c)};" if c in '"#&;<>`\\' or not c.isprintable() else c for c in text)


# --- where the boxes stand --------------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """Where to draw what, in units of a character's width and a line's height.

    Attributes
    ----------
    boxes : centre (x, y) and size (w, h) of each node, as rows of four
    lines : for each edge the points that it goes through, from the right side of one box to the left side of another
    """

    boxes: Array
    lines: list[Array]


def layout(graph: Graph, gap: float = 5, space: float = 0.9) -> Layout:
    """Boxes in columns: each is right of what it is computed from, edges are short and cross rarely.

    A small version of Sugiyama's method: columns by the longest path, bends where an edge passes columns, an order in
    each column by the mean of the neighbours, places by least squares.

    References
    ----------
    Sugiyama, Tagawa & Toda, 1981, "Methods for visual understanding of hierarchical system structures".
    """
    edges = graph.edges()
    column = [0] * len(graph.nodes)
    for i, node in enumerate(graph.nodes):  # arguments come before results
        column[i] = max((column[p] + 1 for p in node.parents), default=0)
    for i, node in enumerate(graph.nodes):  # a leaf stands next to where it is used first
        if not node.parents:
            column[i] = min((column[b] - 1 for a, b in edges if a == i), default=0)
    text = [node.lines() for node in graph.nodes]
    widths = [max(map(len, lines)) + 2.0 for lines in text]
    heights = [len(lines) + 0.6 for lines in text]
    chains = []
    for a, b in edges:
        bends = range(len(column), len(column) + column[b] - column[a] - 1)
        chains.append([a, *bends, b])
        column += range(column[a] + 1, column[b])
        heights += [0.6] * len(bends)
        widths += [0.0] * len(bends)
    near: list[list[int]] = [[] for _ in column]
    for chain in chains:
        for a, b in pairwise(chain):
            near[a].append(b)
            near[b].append(a)
    columns = [[i for i, c in enumerate(column) if c == k] for k in range(max(column) + 1)]
    y = np.zeros(len(column))
    for members in columns:
        y[members] = np.arange(len(members)) * 3.0
    for turn in range(24):  # to and fro, with both neighbours at last
        for k in range(len(columns)) if turn % 2 else range(len(columns))[::-1]:
            side = 0 if turn >= 12 else 1 if turn % 2 == 0 else -1
            wanted = {}
            for i in columns[k]:
                seen = [y[j] for j in near[i] if side == 0 or column[j] == k + side]
                wanted[i] = float(np.mean(seen)) if seen else y[i]
            if turn < 12:
                columns[k].sort(key=wanted.__getitem__)
            places = _apart([wanted[i] for i in columns[k]], [heights[i] for i in columns[k]], space)
            y[columns[k]] = places
    x = np.zeros(len(column))
    right = 0.0
    for members in columns:
        width = max(widths[i] for i in members)
        x[members] = right + width / 2
        right += width + gap
    size = len(graph.nodes)
    lines = []
    for chain in chains:
        points = [(x[i], y[i]) for i in chain]
        points[0] = (x[chain[0]] + widths[chain[0]] / 2, y[chain[0]])
        points[-1] = (x[chain[-1]] - widths[chain[-1]] / 2, y[chain[-1]])
        lines.append(np.array(points))
    return Layout(np.column_stack([x[:size], y[:size], widths[:size], heights[:size]]), lines)


def _apart(wanted: list[float], heights: list[float], space: float) -> Array:
    """The places nearest to those wanted, in least squares, at which boxes of these heights do not touch.

    >>> _apart([0, 0, 9], [1, 1, 1], 1)
    array([-1.,  1.,  9.])
    """
    steps = [0.0, *((a + b) / 2 + space for a, b in pairwise(heights))]
    offsets = np.cumsum(steps)
    pools: list[tuple[float, int]] = []  # (mean, how many): neighbours that would touch move as one
    for target in np.array(wanted) - offsets:
        mean, n = float(target), 1
        while pools and pools[-1][0] > mean:
            other, m = pools.pop()
            mean, n = (mean * n + other * m) / (n + m), n + m
        pools.append((mean, n))
    return np.repeat([mean for mean, _ in pools], [n for _, n in pools]) + offsets
