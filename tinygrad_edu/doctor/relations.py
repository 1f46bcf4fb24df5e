"""The simple relations between two arrays of numbers: a sign, a constant, a transpose, another shape."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..core.ops import Array
from ..core.tensor import unwrap
from ..extras import ops
from .mistakes import MISTAKES
from .recorded import RecordedGraph, log_loss


class Explanation(NamedTuple):
    """A way in which wrong numbers may have come about. The least cost is the simplest."""

    cost: float
    key: str
    text: str


EQUAL = Explanation(0, "", "")  # nothing to explain


def relations(
    said: Array,
    made: Array,
    limit: float,
    constants: Sequence[tuple[float, str]] = (),
    mistake: Explanation = EQUAL,
    free: bool = False,
) -> list[Explanation]:
    """Find the simple ways in which the numbers ``said`` come from ``made``: by sign, constant, transpose or shape.

    Parameters
    ----------
    said, made : the numbers to explain, and those that they may come from
    limit : how far off a number may be
    constants : (number, meaning) of the constants that have a name
    mistake : the one that is in ``made`` already
    free : allow any constant, not only those with a name
    """
    forms = [(0.0, "", made)]
    if made.ndim > 1:
        forms.append((1.0, "transposed", made.T))
    if made.shape != said.shape and _lengths(made) == _lengths(said):
        forms.append((1.0, "shape", made.reshape(said.shape)))
    found = []
    for cost, key, form in forms:
        if form.shape == said.shape and np.abs(form).max(initial=0) > limit:
            times = _multiple(said, form, limit, constants, free)
            if times is not None and (mistake.key or key or times.key):
                words = [mistake.text, MISTAKES[key][0] if key else "", times.text]
                sentence = "; and ".join(part for part in words if part)
                found.append(Explanation(mistake.cost + cost + times.cost, mistake.key or key or times.key, sentence))
    return found


def _multiple(
    said: Array, form: Array, limit: float, constants: Sequence[tuple[float, str]], free: bool
) -> Explanation | None:
    """Explain ``said`` as a multiple of ``form``. Equal numbers get `EQUAL`; other numbers get None."""
    scale = float(np.vdot(form, said) / np.vdot(form, form))
    if scale == 0 or not np.isfinite(scale):  # numbers of 1e308 overflow
        return None
    value, words = min([(1.0, ""), *constants], key=lambda known: abs(np.log(abs(scale) / known[0])))
    named = float(np.copysign(value, scale))

    def fits(times: float) -> bool:
        room = max(limit * max(1.0, abs(times)), 1e-5 * np.abs(said).max())
        return bool(np.abs(said - times * form).max() <= room)

    turned = MISTAKES["sign"][0] if named < 0 else ""
    if fits(named):
        if words:
            return Explanation(1.5 if turned else 1, "factor", "; and ".join([turned, words] if turned else [words]))
        return Explanation(1, "sign", turned) if turned else EQUAL
    if free and np.count_nonzero(np.abs(form) > limit) > 1 and fits(scale):  # one number is a multiple of any other
        simple = Fraction(scale).limit_denominator(20)
        number = simple if abs(simple / scale - 1) < 1e-6 else f"{scale:.6g}"
        return Explanation(5, "factor", f"{number} times the right one")
    return None


def _lengths(a: Array) -> tuple[int, ...]:
    """Return the lengths of the axes that are longer than 1."""
    return tuple(n for n in a.shape if n != 1)


def factors(graph: RecordedGraph | None, shapes: Sequence[tuple[int, ...]]) -> list[tuple[float, str]]:
    """Return (number, meaning) of the constants that get lost on the way back: 2, the batch size and their like.

    The likelier come first: the N of a mean in the graph, then the lengths of matrices. Of one number the first counts.
    """
    means, lengths = _means(graph), dict[int, str]()
    if graph is not None and graph.root.parents and shapes:
        shapes = [*shapes, *(node.shape for node in graph.nodes)]
    for shape in shapes:
        for axis, n in enumerate(shape if len(shape) == 2 else ()):
            lengths.setdefault(n, f"{n}, the length of axis {axis}")
    sizes = {n: words for n, words in (lengths | means).items() if n > 1}
    known = [
        (2.0, "twice too large: a 2 too many, or one path counted twice"),
        (0.5, "half of what it should be: the 2 of a square's derivative was forgotten"),
    ]
    for n in sorted(sizes, key=lambda n: n not in means):
        w = sizes[n]
        known += [
            (n, f"{n} times too large: the 1/N of the mean was forgotten ({w})"),
            (1 / n, f"{n} times too small: divided by N once too often ({w})"),
            (n / 2, f"{n} / 2 times too large: the mean's 1/N was forgotten ({w}), and the square's 2"),
            (2 * n, f"2 · {n} times too large: the mean's 1/N was forgotten ({w}), and a 2 is too many"),
            (0.5 / n, f"2 · {n} times too small: divided by N once too often ({w}), and the 2 is missing"),
        ]
        for m in sizes if n in means else ():
            known += [(n / m, f"{n} / {m} of what it should be: divided by {sizes[m]}, instead of by {w}")]
    first: dict[float, tuple[float, str]] = {}
    for value, words in known:
        _, before = first.setdefault(round(value, 9), (value, words))
        if words.startswith("2 times too "):  # N is 2: nobody can tell
            first[round(value, 9)] = value, f"{before}; or {words}"
    return [told for told in first.values() if told[0] != 1]


def _means(graph: RecordedGraph | None) -> dict[int, str]:
    """Return number -> words of each N that the graph divides by, in a mean or as a whole number."""
    means: dict[int, str] = {}
    for node in graph.nodes if graph is not None and graph.root.parents else ():
        a = node.parents[0]
        if node.op in (ops.mean, ops.cross_entropy, log_loss):
            n = len(a.array) if node.op is not ops.mean else a.size // max(node.size, 1)
            means.setdefault(n, f"N = {n}" if n == len(np.atleast_1d(a.array)) else f"N = {n}, of {a.shape}")
        b = unwrap(node.parents[1]) if node.op is ops.div else 0
        if np.ndim(b) == 0 and b > 1 and b == int(b):
            means.setdefault(int(b), f"N = {int(b)}")
    return means
