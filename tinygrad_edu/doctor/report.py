"""A report on what was checked: for each gradient or step a finding, with the mistake by name and a hint."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ..core.ops import Array
from .mistakes import MISTAKES

NOTHING: Array = np.zeros(0)  # where there are no numbers to show


@contextmanager
def quiet() -> Iterator[None]:
    """Let no warning out: what a student's function divides by 0 is in the report. A decorator too: ``@quiet()``."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Finding(NamedTuple):
    """The judgement of one gradient.

    Attributes
    ----------
    name : the name of its input, as "W", "input 0" or "layers.0.W"
    mistake : a key of `mistakes.MISTAKES`; "unknown" if it is wrong and no mistake explains it; None if it is right
    text : the likely mistake in a sentence
    hint : one hint; empty if it is right
    said, expected : the numbers that were given, and the right ones
    """

    name: str
    mistake: str | None
    text: str
    hint: str
    said: Array
    expected: Array


class Report:
    """The findings of `diagnose` and its like. Print it.

    Attributes
    ----------
    subject : a sentence: the thing that was checked, and its inputs
    findings : one `Finding` for each gradient
    """

    def __init__(self, subject: str, findings: Sequence[Finding], raise_on_error: bool = False) -> None:
        self.subject, self.findings = subject, tuple(findings)
        if raise_on_error and not self.right:
            raise AssertionError(str(self))

    @property
    def right(self) -> bool:
        """True if nothing is wrong."""
        return all(found.mistake is None for found in self.findings)

    @property
    def mistakes(self) -> dict[str, str | None]:
        """The name of each gradient, and the key of its mistake, or None."""
        return {found.name: found.mistake for found in self.findings}

    def __repr__(self) -> str:
        width = max((len(found.name) for found in self.findings), default=0)
        lines, first = [self.subject, ""], dict[str, str]()  # sentence: the first finding that has it
        for found in self.findings:
            if found.mistake is None:
                lines.append(f"{found.name:<{width}}  right{'; ' * bool(found.text)}{found.text}")
                continue
            before = first.setdefault(found.text, found.name)
            text = found.text if before == found.name else f"the same as with {before}"
            lines.append(f"{found.name:<{width}}  WRONG: {text}")
            lines += [f"    {line}" for line in _side_by_side(found.said, found.expected)]
            if before == found.name and found.hint:
                lines.append(f"    Hint: {found.hint}")
        return "\n".join(lines)


def wrong(name: str, key: str, text: str = "", said: Array = NOTHING, expected: Array = NOTHING) -> Finding:
    """Return the finding of a mistake in `MISTAKES`. An empty text stands for the sentence of the table."""
    sentence, hint = MISTAKES[key]
    return Finding(name, key, text or sentence, hint, said, expected)


def few(a: Array, most: int = 4) -> str:
    """Return the shape and the first numbers of an array, as text."""
    numbers = ", ".join(f"{x:.4g}" for x in a.flat[:most])
    return f"{a.shape}: {numbers}{', ...' if a.size > most else ''}"


def _side_by_side(said: Array, expected: Array, most: int = 4) -> list[str]:
    """Return lines with those of the numbers that differ most."""
    if not said.size and not expected.size:
        return []
    if said.shape != expected.shape:
        return [f"yours {few(said)}", f"right {few(expected)}"]
    if not np.isfinite(said).any():
        return [f"right {few(expected)}"]
    gap = np.abs(said - expected)
    order = np.sort(np.argsort(-np.where(np.isnan(gap), np.inf, gap), axis=None, kind="stable")[:most])
    rows = [("at", "yours", "right", "yours / right")]
    for flat in order:
        index = np.unravel_index(flat, said.shape)
        yours, right = said[index], expected[index]
        ratio = f"{yours / right + 0:.6g}" if abs(right) > 1e-12 * np.abs(expected).max() else "-"
        rows.append((str([int(k) for k in index]) if index else "", f"{yours:.6g}", f"{right:.6g}", ratio))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows]
    return lines + [f"and {said.size - most} more"] * (said.size > most)
