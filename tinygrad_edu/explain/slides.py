"""The backward pass as slides: a picture for each new number, in its order, and a page that turns them over."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from ..core.tensor import Tensor, seed
from ..program.names import names
from .draw import CAPTION, Node, edges, layout, picture
from .graph import Graph, short
from .steps import Share, named_steps

HIDDEN = "?"  # in the place of a number that is still to come

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ margin: 0; font: 16px sans-serif; background: white; color: #333; }}
figure {{ margin: 0; height: 100vh; display: flex; align-items: center; justify-content: center; }}
img {{ width: 96vw; height: 90vh; object-fit: contain; }}
p {{ position: fixed; right: 1em; bottom: 0.3em; margin: 0; }}
@media screen {{ figure:not(.now) {{ display: none; }} }}
@media print {{ p {{ display: none; }} figure {{ break-after: page; }} }}
</style>
{figures}
<p><output></output> &middot; arrow keys, or a click</p>
<script>
const slides = [...document.querySelectorAll("figure")];
let now = 0;
function turn(by) {{
  slides[now].classList.remove("now");
  now = Math.min(Math.max(now + by, 0), slides.length - 1);
  slides[now].classList.add("now");
  document.querySelector("output").textContent = `${{now + 1}} of ${{slides.length}}`;
}}
const steps = {{ ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }};
addEventListener("keydown", (event) => {{
  if (!(event.key in steps)) return;
  event.preventDefault();
  turn(steps[event.key]);
}});
addEventListener("click", () => turn(1));
turn(0);
</script>
"""


class Slide(NamedTuple):
    """One picture: its caption, the values and gradients that are known, the boxes and edges that stand out."""

    caption: list[str]
    values: dict[str, str]
    gradients: dict[str, str]
    boxes: set[int]
    lines: set[int]

    def text(self, node: Node) -> list[str]:
        """Return the lines of a node's box, with a mark where a number is still to come."""
        gradient = self.gradients.get(node.name, HIDDEN if node.gradient else "")
        return node._replace(value=self.values.get(node.name, HIDDEN), gradient=gradient).lines()


def slides(root: Tensor, folder: Any, grad: Any = None) -> list[Path]:
    """Write the backward pass from root as slides into a folder: 01.svg, 02.svg, ..., and index.html, which turns them.

    First the values appear, from the leaves on; then the gradients, from the result back, each share by itself. What is
    still to come is a question mark, so that a class can say it first. Returns the paths, index.html last.

    Raises
    ------
    ValueError : as `Graph`
    ImportError : without matplotlib
    """
    found = pictures(root, grad)
    nodes, folder = Graph(root, grad).nodes, Path(folder)
    sizes = [[max(lines, key=len) for lines in zip(*(one.text(node) for one in found))] for node in nodes]
    placed, rows = layout(nodes, text=sizes), max(len(one.caption) for one in found)
    folder.mkdir(parents=True, exist_ok=True)
    digits = len(str(len(found)))
    paths = [folder / f"{number:0{max(digits, 2)}}.svg" for number in range(1, len(found) + 1)]
    for path, one in zip(paths, found, strict=True):
        caption = [*one.caption, *[""] * (rows - len(one.caption))]
        picture(nodes, path, placed, [one.text(node) for node in nodes], one.boxes, one.lines, caption)
    figures = [
        f'<figure><img src="{path.name}" alt="{escape(" ".join(one.caption))}"></figure>'
        for path, one in zip(paths, found, strict=True)
    ]
    page = folder / "index.html"
    page.write_text(PAGE.format(title=escape(found[-1].caption[-1]), figures="\n".join(figures)), encoding="utf-8")
    return [*paths, page]


def pictures(root: Tensor, grad: Any = None) -> list[Slide]:
    """Return what the slides show, in their order."""
    called, start = names(root), seed(root, grad)
    nodes = Graph(root, grad, called).nodes
    place = {node.name: i for i, node in enumerate(nodes)}
    values = {node.name: node.value for node in nodes if node.kind != "computed"}
    found = [_slide([f"Forward. What is {nodes[-1].name}?"], values, {})]
    for i, node in enumerate(nodes):
        if node.kind == "computed":
            values[node.name] = node.value
            found.append(_slide([f"{node.name} = {node.origin} = {node.value}"], values, {}, {i}))
    last = len(nodes) - 1
    gradients = {nodes[last].name: short(start)}
    found.append(_slide([f"Backward, from the end: d_{nodes[last].name} = {short(start)}"], values, gradients, {last}))
    lines = edges(nodes)
    for step in named_steps(root, start, called):
        seen: Counter[int] = Counter()
        for share in step.shares:
            ends = place[share.to], place[step.name]
            between = [k for k, line in enumerate(lines) if line == ends]
            edge, seen[ends[0]] = between[min(seen[ends[0]], len(between) - 1)], seen[ends[0]] + 1
            gradients[share.to] = short(share.after)
            found.append(_slide(_words(share), values, gradients, {ends[0]}, {edge}))
    leaves = [f"d_{node.name} = {node.gradient}" for node in nodes if node.kind == "leaf" and node.gradient]
    found.append(_slide(["The gradients: " + ", ".join(leaves)], values, gradients))
    return found


def _words(share: Share) -> list[str]:
    """Return the lines on a share, without the explanations of functions."""
    return [line for line in share.lines(set(share.helpers)) if line]


def _slide(caption: list[str], values: Any, gradients: Any, boxes: Any = (), lines: Any = ()) -> Slide:
    wrapped = [part for line in caption for part in wrap(line.strip(), CAPTION)]
    return Slide(wrapped, dict(values), dict(gradients), set(boxes), set(lines))
