"""The picture of a graph: a place for each box and each edge, drawn with matplotlib. No Graphviz is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array
from ..extras.colours import ink, tone

UNIT = np.array([0.075, 0.17])  # a character of 9 points, in inches
GAP, SPACE = 5.0, 0.9  # between columns, in characters; between the boxes of a column, in lines
CAPTION = 68  # characters of a caption's line
SWEEPS = 12  # over the columns, to and fro


class Node(NamedTuple):
    """One value of the graph.

    Attributes
    ----------
    name, origin : the value's name; its expression, the whole name of a parameter, or "given"
    value, gradient : as text; without a gradient ""
    kind : "computed"; "leaf", which gets a gradient; or "data", which gets none
    parents : the numbers of the nodes that the value was computed from, in the order of the arguments: of h * h twice h
    """

    name: str
    origin: str
    value: str
    gradient: str
    kind: str
    parents: tuple[int, ...]

    def lines(self) -> list[str]:
        """Return the text of the node's box: title, value and, if there is one, gradient."""
        title = f"{self.name} = {self.origin}" if self.kind == "computed" else self.name
        if self.kind != "computed" and self.origin != "given":
            title += f" ({self.origin})"
        gradient = [f"d_{self.name} = {self.gradient}"] if self.gradient else []
        return [shorten(title, 40, placeholder=" ..."), self.value, *gradient]


def edges(nodes: Sequence[Node]) -> list[tuple[int, int]]:
    """Return (from, to) for each edge, in the order of the nodes; h * h has two edges from h."""
    return [(p, i) for i, node in enumerate(nodes) for p in node.parents]


class Layout(NamedTuple):
    """The places of boxes and edges, in units of a character's width and a line's height.

    Attributes
    ----------
    boxes : centre (x, y) and size (w, h) of each node, as rows of four
    lines : for each edge the points that it goes through, from the right side of one box to the left side of another
    """

    boxes: Array
    lines: list[Array]


def layout(nodes: Sequence[Node], gap: float = GAP, text: Sequence[list[str]] | None = None) -> Layout:
    """Put the boxes into columns, each to the right of what it is computed from.

    An edge that passes a column takes a place in it, as a box would, and crosses the column there. Each box moves
    towards the mean height of its neighbours, column by column, a few times to and fro.

    Parameters
    ----------
    nodes : arguments before results
    gap : between columns, in characters
    text : lines of each box, if they are not `Node.lines`
    """
    column = _columns(nodes)
    text = [node.lines() for node in nodes] if text is None else text
    widths, heights = [max(map(len, lines)) + 2.0 for lines in text], [len(lines) + 0.6 for lines in text]
    chains = []  # for each edge: the box that it leaves, its place in each column that it passes, the box it arrives at
    for a, b in edges(nodes):
        passed = range(column[a] + 1, column[b])
        chains.append([a, *range(len(column), len(column) + len(passed)), b])
        column += passed
        widths += [0.0] * len(passed)
        heights += [0.6] * len(passed)
    columns = [[i for i, c in enumerate(column) if c == k] for k in range(max(column) + 1)]
    y = _heights(columns, chains, heights)
    wide = np.array([max(widths[i] for i in members) for members in columns])
    middles = np.cumsum(wide + gap) - wide / 2 - gap
    x, half, size = middles[column], np.array(widths) / 2, len(nodes)
    lines = []
    for (a, *passing, b), beside in zip(chains, _beside(edges(nodes)), strict=True):
        across = [(x[i] + side * wide[column[i]] / 2, y[i]) for i in passing for side in (-1, 1)]
        lines.append(np.array([(x[a] + half[a], y[a] + beside), *across, (x[b] - half[b], y[b] + beside)]))
    return Layout(np.column_stack([x[:size], y[:size], widths[:size], heights[:size]]), lines)


def _beside(lines: list[tuple[int, int]]) -> list[float]:
    """Return how far from the middle of its boxes each edge begins and ends: several between two boxes spread."""
    seen: Counter[tuple[int, int]] = Counter()
    found = []
    for line in lines:
        n, k = lines.count(line), seen[line]
        seen[line] += 1
        found.append((k - (n - 1) / 2) * 1.6 / n)
    return found


def _columns(nodes: Sequence[Node]) -> list[int]:
    """Return each node's column: one after its last parent's; a leaf's is one before its first use."""
    column: list[int] = []
    for node in nodes:  # arguments come before results
        column.append(max((column[p] + 1 for p in node.parents), default=0))
    for i, node in enumerate(nodes):
        if not node.parents:
            column[i] = min((column[b] - 1 for a, b in edges(nodes) if a == i), default=0)
    return column


def _heights(columns: list[list[int]], chains: list[list[int]], heights: list[float]) -> Array:
    """Return the height y of each place. The members of each column are sorted from the top down on the way."""
    near: list[list[int]] = [[] for _ in heights]
    for a, b in (pair for chain in chains for pair in pairwise(chain)):
        near[a].append(b)
        near[b].append(a)
    y = np.zeros(len(heights))
    for members in columns:
        y[members] = np.arange(len(members)) * 3.0
    for turn in range(SWEEPS):
        for members in columns if turn % 2 else columns[::-1]:
            wanted = {i: float(np.mean(y[near[i]])) if near[i] else 0.0 for i in members}
            members.sort(key=wanted.__getitem__)
            steps = [(heights[a] + heights[b]) / 2 + SPACE for a, b in pairwise(members)]
            places = [wanted[members[0]]]
            for i, step in zip(members[1:], steps, strict=True):
                places.append(max(wanted[i], places[-1] + step))
            y[members] = np.array(places) - np.mean(places) + np.mean(list(wanted.values()))
    return y


def picture(
    nodes: Sequence[Node],
    path: Any,
    placed: Layout | None = None,
    text: Sequence[list[str]] | None = None,
    boxes_marked: Container[int] = (),
    lines_marked: Container[int] = (),
    caption: Sequence[str] = (),
) -> Path:
    """Draw the nodes: values blue, gradients orange, leaves in a thick frame.

    Parameters
    ----------
    placed, text : places, and the lines of each box, if they are not those of `layout` and `Node.lines`
    boxes_marked, lines_marked : numbers of nodes and edges that stand out
    caption : lines below the graph

    Returns the path of the SVG, or of the PNG if it ends so. Raises ImportError without matplotlib.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    path, placed = Path(path), placed or layout(nodes)
    boxes, lines = placed.boxes * np.tile(UNIT, 2), [points * UNIT for points in placed.lines]
    corners = [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2]
    everything = np.concatenate([*corners, *lines])
    low, high = everything.min(axis=0) - 0.15, everything.max(axis=0) + 0.15
    below, width = high[1] + UNIT[1] / 2, (high - low)[0]
    line = 1.2 * UNIT[1] * max(1.0, 0.6 * width / (CAPTION * UNIT[0]))  # below a wide graph the caption is larger
    if caption:
        spare = max(0.0, CAPTION * UNIT[0] + 0.3 - width) / 2
        low, high = low - np.array([spare, 0]), high + np.array([spare, (len(caption) + 1) * line])
    figure = Figure(figsize=tuple(high - low), facecolor=ink(0))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(low[0], high[0]), ylim=(high[1], low[1]))
    ax.set_axis_off()
    for i, points in enumerate(lines):
        ax.add_patch(_arrow(points, i in lines_marked))
    written = [node.lines() for node in nodes] if text is None else text
    for i, (node, box, own) in enumerate(zip(nodes, boxes, written, strict=True)):
        _draw_box(ax, node.kind, own, i in boxes_marked, *box)
    style = {"family": "monospace", "color": ink(), "va": "top", "fontsize": 9 * line / (1.2 * UNIT[1])}
    for k, words in enumerate(caption):
        ax.text(low[0] + 0.15, below + k * line, words, parse_math=False, **style)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "tinygrad_edu"}):  # text as text, the same file each time
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def _arrow(points: Array, marked: bool) -> Any:
    """Return a curve through the points, level at each."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    curve, codes = [points[0]], [Curve.MOVETO]
    for a, b in pairwise(points):
        middle = (a[0] + b[0]) / 2
        curve += [(middle, a[1]), (middle, b[1]), b]
        codes += [Curve.CURVE4] * 3
    style: dict[str, Any] = {"color": ink(0.55), "linewidth": 0.9}
    if marked:
        style = {"color": tone(1), "linewidth": 2.0, "zorder": 2}  # above the others
    return FancyArrowPatch(path=Curve(curve, codes), arrowstyle="-|>", mutation_scale=9, **style)


def _draw_box(
    ax: Any, kind: str, lines: list[str], marked: bool, x: float, y: float, width: float, height: float
) -> None:
    from matplotlib.patches import FancyBboxPatch

    style: dict[str, Any] = {"facecolor": ink(0.05 * (kind == "data")), "edgecolor": tone(1) if marked else ink(0.7)}
    frame = "round,pad=0,rounding_size=0.06"
    corner, thick = (x - width / 2, y - height / 2), 1.8 if kind == "leaf" or marked else 0.9
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=frame, linewidth=thick, **style))
    for k, (line, colour) in enumerate(zip(lines, (ink(), tone(0), tone(1)))):
        place = y + (k - (len(lines) - 1) / 2) * UNIT[1]
        style = {"color": colour, "family": "monospace", "ha": "center", "va": "center"}
        ax.text(x, place, line, parse_math=False, fontsize=9, **style)  # a $ in a name is a $
