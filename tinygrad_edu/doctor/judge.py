"""Judge gradients beside the right ones of a case: right, not to be judged, or wrong by a mistake with a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from ..core.ops import Array
from .case import Case
from .mistakes import MISTAKES, Hypothesis, hypotheses
from .relations import Explanation, factors, relations
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

    @cache
    def mistakes() -> list[Hypothesis]:
        """Make every mistake, once, when the first gradient needs it."""
        assert case.graph is not None
        with np.errstate(all="ignore"):
            return list(hypotheses(case.graph.in_plain_terms(), said))

    return [_finding(case, i, said, allowed[i], mistakes) for i in range(len(said))]


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


def _finding(
    case: Case, i: int, all_said: Sequence[Array | None], allowed: Array, mistakes: Callable[[], list[Hypothesis]]
) -> Finding:
    """Judge gradient i: missing, right, not finite, right at a kink, not to be judged, or wrong."""
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
    return wrong(name, *_explain(case, i, all_said, allowed, mistakes), said, right)


def _reservation(case: Case, i: int, allowed: Array) -> str:
    """Return a sentence if gradient i counts as right only because it cannot be judged; empty otherwise."""
    right, hidden = case.right[i], case.hidden[i]
    if right.any() and (np.abs(right) <= allowed).all():
        return "all of it is rounding, as where all units are saturated: nothing to judge; try smaller inputs"
    if np.where(hidden, 0, case.noise[i]).max(initial=0) > 0.1 * np.abs(right).max(initial=0):
        return "not proved wrong: rounding hides the slopes"
    n = int(hidden.sum())
    return f"{n} at a kink {'was' if n == 1 else 'were'} not judged" if n else ""


def _explain(
    case: Case, i: int, all_said: Sequence[Array | None], allowed: Array, mistakes: Callable[[], list[Hypothesis]]
) -> tuple[str, str]:
    """Return the key and the sentence of the simplest mistake that leads to the numbers of gradient i."""
    said, right, limit = all_said[i], case.right[i], float(allowed.max(initial=0))
    assert said is not None
    if np.abs(said).max(initial=0) <= limit:
        return "zero", MISTAKES["zero"][0]
    constants = factors(case.graph, case.shapes)
    near = said.shape == right.shape and bool((np.abs(said - right) <= 0.01 * np.abs(right)).all())
    found = [] if near else relations(said, right, limit, constants, free=True)
    for j, other in enumerate(case.right):
        if j != i:
            text = f"this is the gradient of {case.tensors[j].name}"
            found += relations(said, other, limit, mistake=Explanation(2, "swapped", text))
    if case.graph is not None and all(explanation.cost > 3 for explanation in found):
        for key, text, gradients in mistakes():
            made = gradients[i]
            if made is not None and np.isfinite(made).all():
                found += relations(
                    said, made, limit, constants if said.size > 1 else (), mistake=Explanation(3, key, text)
                )
    if near:  # a mistake shows in the first digits, unless it is a small step of the weights
        found = [explanation for explanation in found if explanation.key == "updated"]
    if found:
        _, key, text = min(found, key=lambda explanation: explanation.cost)
        return key, text
    if said.shape != right.shape:
        return "shape", f"its shape is {said.shape}, that of {case.tensors[i].name} is {right.shape}"
    wrong_at = np.argwhere(np.abs(said - right) > allowed)
    text = MISTAKES["unknown"][0]
    if len(wrong_at) <= said.size / 2:
        verb = "is" if len(wrong_at) == 1 else "are"
        text += f"; {len(wrong_at)} of {said.size} {verb} wrong, the first at {[int(k) for k in wrong_at[0]]}"
    return "unknown", text
