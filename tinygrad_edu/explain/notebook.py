"""The HTML that a notebook shows for the objects of this package: styled, no wider than the page, and fit to print.

Each says the same as its text, in the page's own colours: light or dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .tables import Table

MOST = 6  # numbers, or rows, at either end of what is too long to be shown
STYLE = """<style>
.tinygrad-edu { max-width: 100%; overflow-x: auto; }
.tinygrad-edu table { border-collapse: collapse; min-width: 24em; margin: 0.4em 0; font-size: 0.9em; }
.tinygrad-edu caption { caption-side: top; text-align: left; font-weight: bold; color: inherit; white-space: pre-line; }
.tinygrad-edu th, .tinygrad-edu td { text-align: left; vertical-align: top; padding: 0.15em 0.7em;
  border-bottom: 1px solid rgba(128, 128, 128, 0.35); white-space: pre-wrap; font-variant-numeric: tabular-nums; }
.tinygrad-edu td, .tinygrad-edu pre { font-family: monospace; }
.tinygrad-edu pre { white-space: pre-wrap; margin: 0.4em 0; }
.tinygrad-edu img { max-width: 100%; height: auto; }
@media print { .tinygrad-edu { overflow: visible; } .tinygrad-edu tr { break-inside: avoid; } }
</style>"""


def displayed(*parts: Any) -> str:
    """Return tables, and other things by their text, as HTML for a notebook."""
    texts = [part.html() if isinstance(part, Table) else f"<pre>{escape(str(part))}</pre>" for part in parts]
    return "\n".join(['<div class="tinygrad-edu">', STYLE, *texts, "</div>"])


def ends(items: Sequence[Any], between: Any) -> list[Any]:
    """Return the items; of too many the first and the last ones.

    >>> ends(range(100), "...")
    [0, 1, 2, 3, 4, 5, '...', 94, 95, 96, 97, 98, 99]
    """
    return [*items] if len(items) <= 2 * MOST + 1 else [*items[:MOST], between, *items[-MOST:]]


def tensor_shown(tensor: Tensor) -> str:
    """Return a Tensor as HTML: name, shape, dtype and origin above its numbers, then its gradient, if it has one."""
    origin = f"op={tensor.op.__name__}" if tensor.vjps and tensor.op else "requires_grad=True" * tensor.requires_grad
    title = ", ".join(filter(None, [tensor.name, f"shape {tensor.shape}", str(tensor.dtype), origin]))
    parts = [numbers(f"Tensor: {title}", tensor.array)]
    if (tensor.op is None or tensor.retains_grad) and tensor.grad is not None:
        parts.append(numbers("grad", tensor.grad))
    return displayed(*parts)


def numbers(title: str, x: Any) -> Table:
    """Return an array of up to two axes as a table, its long axes without their middles; others as NumPy prints them.

    >>> print(numbers("A row", np.array([1.5, -0.0])))
    A row
      0    1
      1.5  0
    """
    x = np.asarray(x)
    if x.ndim > 2 or not x.size:
        return Table(title, ("",), [(np.array2string(x, separator=", ", threshold=200),)])
    x = np.atleast_2d(x)
    places = ends(range(x.shape[1]), "...")
    rows = [
        tuple(_number(x[i, j]) if "..." not in (i, j) else "..." for j in places) for i in ends(range(len(x)), "...")
    ]
    return Table(title, tuple(map(str, places)), rows)


def _number(x: Any) -> str:
    return f"{x + 0.0:.6g}" if isinstance(x, np.floating) else str(x)
