"""Judge gradients beside the right ones of a case: right, not to be judged, or wrong by a mistake with a name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.ops import Array
from .case import Case
from .mistakes import MISTAKES, hypotheses, terms
from .relations import Explanation, factors, relations, scaled_term
from .report import Finding, wrong
from .slopes import TOLERANCE

EPS = float(np.finfo(float).eps)


def judge(case: Case, said: Sequence[Array | None], tolerance: float = TOLERANCE, eps: float = EPS) -> list[Finding]:
    """Return a finding for each tensor of the case.

    Parameters
    ----------
    case : the function, its inputs and its right gradients
    said : the gradients to judge, None for one that is missing
    tolerance : how far off a gradient may be, relative to its largest number
    eps : the distance from 1 to the next number, in the coarsest dtype that was computed in
    """
    allowed = _allowed(case, said, tolerance, eps)

    told = {i: _simple(case, i, said, allowed[i]) for i in range(len(said)) if _is_wrong(case, i, said, allowed[i])}
    if case.graph is not None and any(all(e.cost > 3 for e in found) for found in told.values() if found is not None):
        _add_mistakes(case, said, allowed, told)
    chosen = _fewest({i: found for i, found in told.items() if found})
    return [_finding(case, i, said, allowed[i], chosen) for i in range(len(said))]


def _allowed(case: Case, said: Sequence[Array | None], tolerance: float, eps: float) -> list[Array]:
    """Return how far each number may be off. Rounding is measured only if a gradient looks wrong without it."""
    relative = [max(tolerance, 100 * eps) * np.abs(right).max(initial=0) for right in case.right]
    allowed = [most + noise for most, noise in zip(relative, case.noise, strict=True)]
    if case.graph is None or all(_fits(case, i, s, allowed[i]) for i, s in enumerate(said)):
        return allowed
    with np.errstate(all="ignore"):
        noises = case.graph.rounding(case.rng)
    scale = 20 * eps / EPS
    usual = [float(np.median(noise)) if noise.size else 0.0 for noise in noises]
    tiny = 100 * float(np.finfo(np.float32 if eps > 1e-9 else float).tiny)  # smaller numbers become 0
    return [most + scale * np.maximum(n, u) + tiny for most, n, u in zip(relative, noises, usual, strict=True)]


def _fits(case: Case, i: int, said: Array | None, allowed: Array, right: Array | None = None) -> bool:
    """Return whether gradient i is right wherever no kink hides the slope."""
    right = case.right[i] if right is None else right
    if said is None or said.shape != right.shape:
        return False
    return bool((case.hidden[i] | (np.abs(said - right) <= allowed)).all())


def _is_wrong(case: Case, i: int, all_said: Sequence[Array | None], allowed: Array) -> bool:
    """Return whether gradient i has to be explained."""
    return _verdict(case, i, all_said, allowed) is None


def _verdict(case: Case, i: int, all_said: Sequence[Array | None], allowed: Array) -> Finding | None:
    """Judge gradient i: missing, right, not finite, right at a kink, not to be judged; or None if it is wrong."""
    said, right, name = all_said[i], case.right[i], case.tensors[i].name or ""
    if said is None:
        return wrong(name, "missing gradient", "", np.full(right.shape, np.nan), right)
    if _fits(case, i, said, allowed):
        return Finding(name, None, _reservation(case, i, allowed), "", said, right)
    if not np.isfinite(said).all():
        return wrong(name, "nan", "", said, right)
    if said.shape == right.shape:
        low, high, open_ = case.kinks(i, allowed)
        near = np.clip(said, low, high)
        if _fits(case, i, said, allowed, near):
            text = "any slope between the two sides of a kink is right"
            return Finding(name, None, text, "", said, right)
        if _fits(case, i, said, allowed, np.where(open_, said, near)):
            n = int((open_ & (np.abs(said - near) > allowed)).sum())
            text = f"{n} {'was' if n == 1 else 'were'} not judged: f has a kink here; try other inputs"
            return Finding(name, None, text, "", said, right)
    return None


def _finding(
    case: Case, i: int, all_said: Sequence[Array | None], allowed: Array, chosen: dict[int, Explanation]
) -> Finding:
    """Return the verdict on gradient i, or, if it is wrong, the explanation that was chosen."""
    verdict, said, right = _verdict(case, i, all_said, allowed), all_said[i], case.right[i]
    if verdict is not None or said is None:
        assert verdict is not None
        return verdict
    key, text = chosen[i][1:3] if i in chosen else _unexplained(case, i, said, allowed)
    return wrong(case.tensors[i].name or "", key, text, said, right)


def _reservation(case: Case, i: int, allowed: Array) -> str:
    """Return a sentence if gradient i counts as right only because it cannot be judged; empty otherwise."""
    right, hidden = case.right[i], case.hidden[i]
    if right.any() and (np.abs(right) <= allowed).all():
        return "all of it is rounding, as where all units are saturated: nothing to judge; try smaller inputs"
    if np.where(hidden, 0, case.noise[i]).max(initial=0) > 0.1 * np.abs(right).max(initial=0):
        return "not proved wrong: rounding hides the slopes"
    n = int(hidden.sum())
    return f"{n} at a kink {'was' if n == 1 else 'were'} not judged" if n else ""


def _simple(case: Case, i: int, all_said: Sequence[Array | None], allowed: Array) -> list[Explanation] | None:
    """Return the explanations of gradient i by its numbers alone. None if nothing else shall be looked for."""
    said, right, limit = all_said[i], case.right[i], float(allowed.max(initial=0))
    assert said is not None
    if np.abs(said).max(initial=0) <= limit:
        return [Explanation(0, "zero", MISTAKES["zero"][0])]
    placeholder = bool((said == 1).all()) and (said.size == 1 or np.ptp(right) > limit)
    if placeholder and not any(j != i and _same(case.right[j], other) for j, other in enumerate(all_said)):
        return None  # nothing is right, and this is 1: it was not filled in yet
    near = said.shape == right.shape and bool((np.abs(said - right) <= 0.01 * np.abs(right)).all())
    found = [] if near else relations(said, right, limit, factors(case.graph, case.shapes), free=True)
    for j, other in enumerate(case.right):
        if j != i:
            text = f"this is the gradient of {case.tensors[j].name}"
            found += relations(said, other, limit, mistake=Explanation(2, "swapped", text))
    return found


def _same(right: Array, said: Array | None) -> bool:
    return said is not None and said.shape == right.shape and np.allclose(said, right, rtol=1e-5)


def _add_mistakes(
    case: Case, said: Sequence[Array | None], allowed: list[Array], told: dict[int, list[Explanation] | None]
) -> None:
    """Make every mistake, and add it to the explanations of the gradients that it leads to.

    A mistake that would make a gradient wrong which is right is less likely.
    """
    assert case.graph is not None
    with np.errstate(all="ignore"):
        graph = case.graph.in_plain_terms()
        constants = factors(case.graph, case.shapes)
        for key, text, gradients, places in hypotheses(graph, said):
            spoilt = [made is not None and not _fits(case, j, made, allowed[j]) for j, made in enumerate(gradients)]
            doubt = 1.5 * any(spoilt[j] for j in range(len(said)) if j not in told and said[j] is not None)
            for i, found in told.items():
                made, s, limit = gradients[i], said[i], float(allowed[i].max(initial=0))
                if found is not None and s is not None and made is not None and np.isfinite(made).all():
                    mistake = Explanation(3 + doubt, key, text, places)
                    found += relations(s, made, limit, constants if s.size > 1 else (), mistake)
        for i, found in told.items():
            s, right = said[i], case.right[i]
            close = s is not None and s.shape == right.shape and bool((np.abs(s - right) <= 0.01 * np.abs(right)).all())
            if found is not None and close:
                # a mistake shows in the first digits, unless it is a small step of the weights, or in a small term
                found[:] = [explanation for explanation in found if explanation.key == "updated"]
        plain = [(value, words) for value, words in constants if "instead of" not in words]  # of another mean
        for name, shares in terms(graph):
            for i, found in told.items():
                s, limit = said[i], float(allowed[i].max(initial=0))
                if found is not None and s is not None:
                    scaled = scaled_term(s, case.right[i], shares[i], limit, plain)
                    if scaled is not None:
                        found.append(scaled._replace(text=f"{scaled.text}, in {name}, one term of the sum"))


def _fewest(told: dict[int, list[Explanation]]) -> dict[int, Explanation]:
    """Choose an explanation for each gradient, so that few slips explain them all: the least sum of costs.

    One slip may explain several gradients; its cost counts once.
    """
    chosen: dict[int, Explanation] = {}
    left = dict(told)
    while left:
        least = {i: min(found, key=lambda e: e.cost) for i, found in left.items()}
        best, saved = None, -np.inf
        for explanation in dict.fromkeys(e for found in left.values() for e in found):
            same = [i for i, found in left.items() if any(e[1:] == explanation[1:] for e in found)]
            saving = sum(least[i].cost for i in same) - explanation.cost - 1e-3 * explanation.cost
            if saving > saved:
                best, saved = explanation, saving
        assert best is not None
        for i in [i for i, found in left.items() if any(e[1:] == best[1:] for e in found)]:
            parts = [e for e in left[i] if e.key == best.key and e.places < best.places and e.cost <= best.cost]
            chosen[i] = min(parts, key=lambda e: len(e.places)) if parts else best
            del left[i]
    return chosen


def _unexplained(case: Case, i: int, said: Array, allowed: Array) -> tuple[str, str]:
    """Return key and sentence for a gradient that is wrong for no known reason."""
    right = case.right[i]
    if said.shape != right.shape:
        return "shape", f"its shape is {said.shape}, that of {case.tensors[i].name} is {right.shape}"
    wrong_at = np.argwhere(np.abs(said - right) > allowed)
    text = MISTAKES["unknown"][0]
    if len(wrong_at) <= said.size / 2:
        verb = "is" if len(wrong_at) == 1 else "are"
        text += f"; {len(wrong_at)} of {said.size} {verb} wrong, the first at {[int(k) for k in wrong_at[0]]}"
    return "unknown", text
