"""The simple relations between two arrays of numbers: a sign, a constant, a transpose, another shape."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from ..extras import ops
from .mistakes import MISTAKES
from .recorded import RecordedGraph, log_loss, square


class Explanation(NamedTuple):
    """A way in which wrong numbers may have come about. The least cost is the simplest."""

    cost: float
    key: str
    text: str
    places: frozenset[Any] = frozenset()  # of a mistake that may have been made at several


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
                found.append(
                    Explanation(
                        mistake.cost + cost + times.cost, mistake.key or key or times.key, sentence, mistake.places
                    )
                )
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


def scaled_term(
    said: Array, right: Array, share: Array, limit: float, constants: Sequence[tuple[float, str]]
) -> Explanation | None:
    """Explain ``said`` as the right gradient with one term of a sum, which has this share in it, times a constant."""
    many = int(np.count_nonzero(np.abs(share) > limit))
    if said.shape != right.shape or many < 2 or (_multiple(right, share, limit, (), True) or EQUAL).key:
        return None  # a constant in front of all of it
    if np.abs(right - share).max(initial=0) <= limit:
        return None
    left, size = said - (right - share), np.abs(share).max()
    if size < 10 * limit:  # too small to be told apart
        return None
    if np.abs(left).max() <= max(limit, 1e-5 * size):
        return Explanation(3.2, "path", "the gradient is lost")  # after the paths of `mistakes`
    if np.abs(left).max() < 100 * limit and np.abs(left).max() < 0.1 * size:
        return None
    found = _multiple(left, share, limit, constants, free=many > 3)
    if found is None or not found.key:
        return None
    return Explanation(2.2 + found.cost / 2, found.key, found.text)


def _lengths(a: Array) -> tuple[int, ...]:
    """Return the lengths of the axes that are longer than 1."""
    return tuple(n for n in a.shape if n != 1)


def factors(graph: RecordedGraph | None, shapes: Sequence[tuple[int, ...]]) -> list[tuple[float, str]]:
    """Return (number, meaning) of the constants that get lost on the way back: 2, the batch size and their like.

    Only what the graph shows is called by name: a mean if it has one over so many numbers, the 2 of a square if it has
    a square, a factor if it multiplies by it. The likelier come first. Of one number the first counts.
    """
    known = [(2.0, "twice too large: a 2 too many, or one path counted twice")]
    squares = graph is None or any(map(_is_square, graph.nodes))
    lost = ": the 2 of a square's derivative was forgotten"
    known.append((0.5, f"half of what it should be{lost if squares and graph is not None else ''}"))
    means, lengths = _means(graph), dict[int, str]()
    if graph is not None and graph.root.parents and shapes:
        shapes = [*shapes, *(node.shape for node in graph.nodes)]
    for shape in shapes:
        for axis, n in enumerate(shape if len(shape) == 2 else ()):
            lengths.setdefault(n, f"{n}, the length of axis {axis}")
    sizes = {n: words for n, words in (lengths | means).items() if n > 1}
    for n, w in means.items():
        known += [
            (n, f"{n} times too large: the 1/N of the mean was forgotten ({w})"),
            (1 / n, f"{n} times too small: divided by N once too often ({w})"),
            (n / 2, f"{n} / 2 times too large: the mean's 1/N was forgotten ({w}), and the square's 2"),
            (2 * n, f"2 · {n} times too large: the mean's 1/N was forgotten ({w}), and a 2 is too many"),
            (0.5 / n, f"2 · {n} times too small: divided by N once too often ({w}), and the 2 is missing"),
        ]
        known += [(n / m, f"{n} / {m} of what it should be: divided by {sizes[m]}, instead of by {w}") for m in sizes]
    for k in _scalars(graph):
        if abs(k) not in (0, 1, 2, 0.5):
            known += [(1 / abs(k), f"{1 / abs(k):g} times too large: the factor {k:g} was forgotten")]
            if abs(k) > 1e-3:  # what is left of it would drown in rounding
                known += [(abs(k), f"{abs(k):g} of what it should be: the factor {k:g} is there twice")]
    for n in sizes:
        known += [(n, f"{n} times too large"), (1 / n, f"{n} times too small")]
    first: dict[float, tuple[float, str]] = {}
    for value, words in known:
        _, before = first.setdefault(round(value, 9), (value, words))
        if words.startswith("2 times too ") and before.startswith(("twice", "half")) and ":" in words:
            first[round(value, 9)] = value, f"{before}; or {words}"  # N is 2: nobody can tell
    return [told for told in first.values() if told[0] != 1]


def _is_square(node: Tensor) -> bool:
    a, *others = node.parents
    power = node.op is ops.pow and np.ndim(unwrap(others[0])) == 0 and unwrap(others[0]) == 2
    return power or node.op in (square, ops.var, ops.std, ops.norm) or any(a is b for b in others)


def _scalars(graph: RecordedGraph | None) -> dict[float, bool]:
    """Return the numbers that the graph multiplies something by -> whether it divides by 1/k."""
    found: dict[float, bool] = {}
    for node in graph.nodes if graph is not None else ():
        for i, parent in enumerate(node.parents if node.op in (ops.mul, ops.div) else ()):
            k, constant = np.asarray(unwrap(parent)), not (isinstance(parent, Tensor) and parent.requires_grad)
            if constant and k.size == 1 and k.item() and (node.op is ops.mul or i == 1):
                found[float(k.item()) if node.op is ops.mul else 1 / float(k.item())] = node.op is ops.div
    return found


def _means(graph: RecordedGraph | None) -> dict[int, str]:
    """Return number -> words of each N that the graph has a mean of: in a mean, or in a division by a length.

    A division by twice the N counts as well, as in the cost 1 / (2 m) Σ.
    """
    means: dict[int, str] = {}
    if graph is None or not graph.root.parents:
        return means
    lengths = {
        n for node in graph.nodes for p in (node, *node.parents) for n in (*np.shape(unwrap(p)), np.size(unwrap(p)))
    }
    for node in graph.nodes:
        a = node.parents[0]
        if node.op in (ops.mean, ops.var, ops.std, ops.cross_entropy, log_loss):
            reduced = node.op not in (ops.cross_entropy, log_loss)
            n = a.size // max(node.size, 1) if reduced else len(a.array)
            means.setdefault(n, f"N = {n}" if n == len(np.atleast_1d(a.array)) else f"N = {n}, of {a.shape}")
    for k, divided in _scalars(graph).items():
        for n in (1 / abs(k), 0.5 / abs(k)):
            whole = round(n)
            if abs(n - whole) < 1e-9 * n and (whole in lengths or (divided and n == 1 / abs(k) and n != 2)):
                means.setdefault(whole, f"N = {whole}")
    return {n: words for n, words in means.items() if n > 1}
