"""Numbers in a few digits, and tables as text, in Markdown and in HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import unwrap

WIDTH = 100  # columns of a terminal


def brief(x: Any) -> str:
    """Return a number as text; of an array its shape, its first numbers and its norm.

    Examples
    --------
    >>> brief(np.float64(0.5)), brief(np.zeros((0, 3)))
    ('0.5', '(0, 3), empty')
    >>> brief([[3.0, 0.0], [4.0, 0.0]]), brief(np.ones((100, 100)))
    ('(2, 2) [[3, 0], [4, 0]], norm 5', '(100, 100) [1, 1, 1, 1, ...], norm 100')
    """
    x = np.asarray(unwrap(x))
    if x.ndim == 0:
        return f"{x.item() + 0.0:.6g}"  # -0.0 is 0
    if x.size == 0:
        return f"{x.shape}, empty"
    if x.size == 1:
        return f"{x.shape} {_nested(x.tolist())}"
    numbers = _nested(x.tolist()) if x.size <= 8 else ""
    if not 0 < len(numbers) <= 48:
        numbers = f"{_nested(x.flat[:4].tolist())[:-1]}, ...]"
    return f"{x.shape} {numbers}, norm {norm(x):.4g}"


def sized(x: Any) -> str:
    """Return a number as text; of an array its norm."""
    return f"{x.item() + 0.0:.6g}" if x.size == 1 else f"{norm(x):.4g}"


def norm(x: Any) -> float:
    """Return the root of the sum of the squares, without overflow.

    Examples
    --------
    >>> print(f"{norm(np.array([3e200, 4e200])):.4g}")
    5e+200
    """
    x = np.abs(np.asarray(x, dtype=float)).ravel()
    largest = float(x.max(initial=0))
    return largest if largest in (0, np.inf) or largest != largest else largest * float(np.linalg.norm(x / largest))


def _nested(numbers: Any) -> str:
    return f"[{', '.join(map(_nested, numbers))}]" if isinstance(numbers, list) else f"{numbers + 0.0:.4g}"


class Table(NamedTuple):
    """Rows of text under a title.

    Examples
    --------
    >>> table = Table("Squares", ("x", "x²"), [("2", "4"), ("30", "900")])
    >>> print(table)
    Squares
      x   x²
      2   4
      30  900
    >>> print(table.markdown())
    **Squares**
    <BLANKLINE>
    | x | x² |
    |---|---|
    | 2 | 4 |
    | 30 | 900 |
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def __str__(self) -> str:
        rows = [[textwrap.shorten(cell, 84, placeholder=" ...") for cell in row] for row in self._all()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([self.title, *(f"  {line}" for line in lines)])

    def _all(self) -> list[tuple[str, ...]]:
        return [self.columns, *self.rows]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        head, *rows = ["".join(f"| {_markdown(cell)} " for cell in row) + "|" for row in self._all()]
        return "\n".join([f"**{self.title}**", "", head, "|---" * len(self.columns) + "|", *rows])

    def html(self) -> str:
        """Return the table in HTML."""
        from html import escape

        head, *rows = [
            "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
            for row, tag in zip(self._all(), ["th", *["td"] * len(self.rows)], strict=True)
        ]
        body = "".join(f"<tr>{row}</tr>\n" for row in rows)
        return f"<table>\n<caption>{escape(self.title)}</caption>\n<tr>{head}</tr>\n{body}</table>"


def _markdown(text: str) -> str:
    """Return text that Markdown shows unchanged in a cell."""
    text = " ".join(text.split()).replace("|", "\\|")
    if not text or text.replace(" ", "").isalnum():
        return text
    return f"`` {text} ``" if "`" in text else f"`{text}`"
