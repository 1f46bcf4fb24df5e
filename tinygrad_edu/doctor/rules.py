"""A diagnosis of update rules: not only that a rule is wrong, but the classic mistake in it, by name.

The right rule is the text of our kernel, its docstring. A mistake is one change of that text, a row of
`RULE_MISTAKES`: the changed text is run beside the student's rule on the same gradients, and where all steps agree the
mistake has a name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..extras.optimizers import RULES
from ..guards.names import parameters_of
from .report import Finding, Report, quiet
from .rule_mistakes import RULE_MISTAKES, VARIANTS, Mistake
from .rule_text import RuleText

PRECISION = {np.float64: 1e-6, np.float32: 1e-3}  # the error allowed to rounding, relative to the way of p
UNKNOWN = Mistake("unknown", "", "this is none of the mistakes that I know", "Work out that step by hand.")


@quiet()
def diagnose_optimizer(
    rule: Callable[..., Any],
    reference: str | type[Optimizer] = "Adam",
    *,
    steps: int = 12,
    raise_on_error: bool = False,
    rng: Rng = 0,
    **hyper: float,
) -> Report:
    """Run an update rule beside ours, and name the mistake in it.

    Both rules get the same random gradients for two parameters of six numbers each: some of them large, some of the
    order of eps and of its root, one always above 0, one always 0. All numbers have to agree after each step. If they
    do not, our rule is run with one mistake of `RULE_MISTAKES` after the other, then with two, until one takes the
    student's steps. A variant that is published is right, and the finding says which it is.

    Parameters
    ----------
    rule : a function ``rule(p, g, state, t)`` that returns the new p, or changes p in place: p and g are arrays, state
        is a dict for this parameter that is empty before the first step, t = 1, 2, ... is the number of the step.
        Or a class, used like ours: made with a list of Tensors, its ``step()`` reads ``grad`` and changes ``data``
    reference : the name of one of our optimizers, or its class, or a class of your own with a kernel
    steps : the number of updates, at least 1
    raise_on_error : raise an AssertionError that holds the report if the rule is wrong
    rng : generator or seed for parameters and gradients
    hyper : the reference's numbers that differ from its defaults. The rule gets, by keyword, the numbers that it has
        parameters for: ``def rule(p, g, state, t, lr, beta1=0.9)`` gets lr and beta1

    Returns
    -------
    Report : its one finding is "step": the change of p in the first step that is wrong, the student's and ours

    Raises
    ------
    AssertionError : raise_on_error is set, and the rule is wrong
    TypeError : the rule needs a number that the reference does not have, or does not return an array; reference is
        neither a name nor a class of an optimizer; a number is a function of t
    ValueError : there is no such reference or number; the rule returns another shape; steps is below 1

    Examples
    --------
    >>> def rule(p, g, state, t, lr, beta1, beta2, eps):
    ...     m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    ...     v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
    ...     return p - lr * m / (np.sqrt(v) + eps)
    >>> diagnose_optimizer(rule).mistakes
    {'step': 'uncorrected'}
    """
    if steps < 1:
        raise ValueError(f"steps = {steps}, but there has to be at least 1")
    rng, kind = np.random.default_rng(rng), _kind(reference)
    numbers = _numbers(kind, hyper)
    start = rng.standard_normal((2, 6))
    gradients = _gradients(steps, numbers.get("eps", 0.1), rng)
    expected = _drive(kind, start, gradients, numbers)
    taken = _taken(rule, kind, numbers)
    said, dtype = _said(rule, start, gradients, taken)
    wrong = _differences(said, expected, start, dtype)
    if not wrong.any():
        finding = Finding("step", None, "", "", said[-1] - start, expected[-1] - start)
    else:
        finding = (
            _standing(said, expected, start)
            or _not_finite(said, expected, start, lambda: _said(rule, start, gradients, taken, later=1)[0])
            or _named(RuleText.of(kind, numbers), taken, start, gradients, said, expected, dtype)
        )
    name = getattr(rule, "__name__", "").replace("<lambda>", "") or "The rule"
    settings = ", ".join(f"{name} = {value:g}" for name, value in numbers.items())
    subject = (
        f"{name} beside {kind.__name__}, {settings}:\n"
        f"{steps} steps of two parameters with six numbers each, random gradients down to the size of eps, and 0"
    )
    return Report(subject, [finding], raise_on_error)


def _standing(said: Array, expected: Array, start: Array) -> Finding | None:
    """Return a finding if the rule never moves p: a line that is not written yet is no mistake with a name."""
    if (said != start).any():
        return None
    hint = "Return p minus the step, or change p in place: p -= ..."
    return Finding("step", "unknown", "p stays as it was", hint, said[0] - start, expected[0] - start)


def _not_finite(said: Array, expected: Array, start: Array, one_later: Callable[[], Array]) -> Finding | None:
    """Return a finding if whole steps of the student's are not finite: NaN agrees with everything, so it has no name.

    One reason can be proved: the steps of a rule that counts t from 0 are right if t is given one later.
    """
    lost: Array = np.asarray(~np.isfinite(said).all(axis=(1, 2)) & np.isfinite(expected).all(axis=(1, 2)))
    if not lost.any() or np.isfinite(said[lost]).any():
        return None
    n = int(lost.argmax())
    if n == 0 and not _differences(one_later(), expected, start, np.float64).any():
        return None  # it will be called t from 0
    text = f"your step is {'NaN' if np.isnan(said[n]).any() else 'infinite'} from step {n + 1} on"
    hint = "Look for a root of a negative number, a division by 0, or 1 - beta**t with t = 0."
    return Finding("step", "nan", text, hint, said[n] - start, expected[n] - start)


def _named(
    right: RuleText, taken: Collection[str], start: Array, gradients: Array, said: Array, expected: Array, dtype: Any
) -> Finding:
    """Return the finding of a wrong rule: the first suspect that takes the student's steps."""
    wrong = _differences(said, expected, start, dtype)
    first = int(wrong.any(axis=(1, 2)).argmax())
    mine, ours = (np.diff(path, axis=0, prepend=start[None])[first] for path in (said, expected))
    with np.errstate(all="ignore"):
        factor = float(np.median((mine / ours)[wrong[first] & (ours != 0)]))
        worst = np.unravel_index(np.where(wrong[first], np.abs(mine / ours - 1), -1).argmax(), ours.shape)

    def explains(suspect: RuleText) -> bool:
        ways = ((n, suspect.run(start, gradients[:n])) for n in (1, len(said)))  # most differ in the first step
        return not any(_differences(said[:n], way, start, dtype).any() for n, way in ways)

    damped = _dampening(right, start, gradients, said)
    found = next(
        (mistake for mistake, suspect in _suspects(right, taken, factor, damped) if explains(suspect)), UNKNOWN
    )
    if not found.key:
        return Finding("step", None, found.text, "", mine, ours)
    text = f"{found.text}; first in step {first + 1}, most of all where g = {gradients[first][worst]:.3g}"
    return Finding("step", found.key, text, found.hint, mine, ours)


def _dampening(right: RuleText, start: Array, gradients: Array, said: Array) -> list[Mistake]:
    """Return torch's dampening as a variant: from the second step on g comes into the velocity with 1 - dampening.

    The first two steps tell the number; that of the reference is 0.
    """
    if len(said) < 2 or "v <- momentum · v + g" not in right.equations:
        return []
    v = (np.concatenate([start[None], said[:1]]) - said[:2]) / right.hyper["lr"]
    share = (v[1] - right.hyper["momentum"] * v[0])[:, 2] / gradients[1][:, 2]  # of the ordinary number
    if (
        not np.isfinite(share).all()
        or not -1e-9 <= share[0] < 1
        or not np.isclose(share[0], share[1], rtol=1e-4, atol=1e-6)
    ):
        return []
    text = f"the form with dampening, as in torch; dampening is {1 - share[0]:.6g}, and 0 in the first step"
    return [Mistake("", f"momentum · v + g -> momentum · v + (1 - {1 - share[0]:.17g} · (t > 1)) · g", text, "")]


def _kind(reference: str | type[Optimizer]) -> type[Optimizer]:
    """Return the optimizer class of that name, or the class itself."""
    if not isinstance(reference, str):
        if not (isinstance(reference, type) and issubclass(reference, Optimizer)):
            raise TypeError(f"{getattr(reference, '__name__', reference)} is no Optimizer and not the name of one")
        return reference
    names = {kind.__name__.lower(): kind for kind in RULES.values()}
    if reference.lower() not in names:
        known = ", ".join(kind.__name__ for kind in RULES.values())
        raise ValueError(f"there is no optimizer {reference!r}; choose from {known}")
    return names[reference.lower()]


def _numbers(kind: type[Optimizer], hyper: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the hyper-parameters of a class: its defaults, and those that were given in their place."""
    own = list(inspect.signature(kind).parameters.values())[1:]
    numbers = {p.name: p.default for p in own if p.kind is p.POSITIONAL_OR_KEYWORD}
    for name, value in (hyper or {}).items():
        if name not in numbers:
            raise ValueError(f"{kind.__name__} has no {name!r}; it has {', '.join(numbers)}")
        if callable(value):
            raise TypeError(f"{name} is a number here, not a function of t")
        numbers[name] = value
    return numbers


def _gradients(steps: int, eps: float, rng: np.random.Generator) -> Array:
    """Return random gradients, (steps, 2, 6). Each of the six numbers has a kind of its own.

    The first is always above 0, so that a wrong root is not NaN at once. The second is 0 from half-way on, so that
    averages fall. The third is ordinary. The fourth and the fifth are of the order of √eps and eps, where a misplaced
    eps shows. The last is 0.
    """
    g = rng.standard_normal((steps, 2, 6)) * [1, 1, 1, np.sqrt(eps), eps, 0]
    g[..., 0] = np.abs(g[..., 0]) + 0.1
    g[(steps + 1) // 2 :, :, 1] = 0
    return np.asarray(g)


# --- running a student's rule, and a class of ours -------------------------------------------------------------------


def _taken(rule: Callable[..., Any], kind: type[Optimizer], hyper: dict[str, float]) -> dict[str, float]:
    """Return the numbers that the rule has parameters for."""
    own = list(inspect.signature(rule).parameters.values())[1 if isinstance(rule, type) else 4 :]
    if any(p.kind is p.VAR_KEYWORD for p in own):
        known = parameters_of(rule) if isinstance(rule, type) else None
        return {name: value for name, value in hyper.items() if known is None or name in known}
    strange = [p.name for p in own if p.default is p.empty and p.name not in hyper and p.kind is not p.VAR_POSITIONAL]
    if strange:
        raise TypeError(f"the rule needs {strange[0]!r}; the numbers of {kind.__name__} are {', '.join(hyper)}")
    return {p.name: hyper[p.name] for p in own if p.name in hyper}


def _said(
    rule: Callable[..., Any], start: Array, gradients: Array, taken: dict[str, float], later: int = 0
) -> tuple[Array, Any]:
    """Run the student's rule, with t = 1 + later in the first step.

    Return the parameters after each step, (steps, 2, 6), and the dtype it counts in.
    """
    if isinstance(rule, type):
        return _drive(rule, start, gradients, taken), np.float64
    path, moved = np.empty(gradients.shape), False
    dtype: type[np.floating[Any]] = np.float64
    memories: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    p = list(start.copy())
    for t, both in enumerate(gradients, start=1 + later):
        for i, g in enumerate(both):
            given = p[i].copy()
            returned = rule(given, g.copy(), memories[i], t, **taken)
            moved |= returned is not None or bool((given != p[i]).any())
            new = _new_p(given if returned is None else returned, given.shape)
            if any(getattr(x, "dtype", None) == np.float32 for x in (new, *memories[i].values())):
                dtype = np.float32
            p[i] = new.astype(np.float64)
        path[t - 1 - later] = p
    if not moved:
        raise TypeError("the rule returned None and left p as it was: return the new p, or change p in place")
    return path, dtype


def _new_p(returned: Any, shape: tuple[int, ...]) -> Array:
    """Return the result of a rule as an array, or raise an error that says what is wrong with it."""
    if isinstance(returned, (tuple, list, dict)):
        kind = type(returned).__name__
        raise TypeError(f"the rule returned a {kind}: return the new p alone, and keep the averages in state")
    new = np.asarray(returned)
    if new.dtype.kind not in "fiu":
        raise TypeError(f"the rule has to return the new p as an array of numbers, got {new.dtype}")
    if new.shape != shape:
        raise ValueError(f"the rule was given p of shape {shape} and returned shape {new.shape}")
    return new


def _drive(kind: type, start: Array, gradients: Array, hyper: dict[str, float]) -> Array:
    """Run an optimizer that is a class. Return the parameters after each step, (steps, 2, 6)."""
    params, path = [Tensor(p, requires_grad=True) for p in start], np.empty(gradients.shape)
    optimizer = kind(params, **hyper)
    with np.errstate(all="ignore"):
        for t, both in enumerate(gradients):
            for p, g in zip(params, both, strict=True):
                p.grad = g.copy()
            optimizer.step()
            path[t] = [p.numpy() for p in params]
    return path


def _differences(said: Array, expected: Array, start: Array, dtype: Any) -> Array:
    """Return True at the numbers that differ by more than rounding, (steps, 2, 6)."""
    with np.errstate(invalid="ignore"):
        way = np.abs(np.diff(expected, axis=0, prepend=start[None])).cumsum(axis=0)
        room = PRECISION[dtype] * way + 20 * len(said) * np.finfo(dtype).eps * np.abs(expected)
        close = (np.abs(said - expected) <= room) & np.isfinite(expected)
        return ~(close | ~(np.isfinite(said) | np.isfinite(expected)))


# --- suspects ---------------------------------------------------------------------------------------------------------


def _suspects(
    right: RuleText, taken: Collection[str], factor: float, damped: Sequence[Mistake]
) -> Iterator[tuple[Mistake, RuleText]]:
    """Yield other rules, the likeliest first: a variant, one mistake, another optimizer, two changes at once.

    Parameters
    ----------
    right : the right rule
    taken : the numbers that the student's rule was given
    factor : the student's step, relative to the right one
    damped : variants that belong to this student's numbers
    """
    rows = [*VARIANTS, *damped, *RULE_MISTAKES, *_ignored(right, taken)]
    if np.isfinite(factor) and factor != 0:
        text = f"every step is {factor:.6g} times the right one"
        hint = "Look for a number that is there twice, or not at all."
        rows.append(Mistake("factor", f"p - lr · -> p - lr · {factor:.17g} ·", text, hint))
    variants = [(mistake, rule) for mistake in rows if (rule := right.changed(mistake.change))]
    yield from sorted([*variants, *_others(right)], key=lambda suspect: bool(suspect[1].words))
    for (one, rule), (two, _) in combinations(variants, 2):
        if one.key != two.key and (both := rule.changed(two.change)):
            text, hint = f"two mistakes: {one.text}; and {two.text}", f"{one.hint} {two.hint}"
            if not one.key:  # in a variant, which is right
                text, hint = f"{two.text} (else it is {one.text})", two.hint
            yield Mistake(f"{one.key} + {two.key}".removeprefix(" + "), "", text, hint), both


def _ignored(right: RuleText, taken: Collection[str]) -> Iterator[Mistake]:
    """Yield a mistake for each number that the rule was given and may not have read."""
    for name, default in _numbers(type(right.optimizer)).items():
        if name in taken and right.hyper[name] != default:
            text, hint = f"{name} is {default:g} here, whatever is passed", f"Use the {name} that the rule is given."
            yield Mistake(f"{name} ignored", f"{name} = {default!r}", text, hint)


def _others(right: RuleText) -> Iterator[tuple[Mistake, RuleText]]:
    """Yield the rules of the other optimizers."""
    kind = type(right.optimizer)
    hint = f"Compare it with the equations of {kind.__name__}: optimizer.equation() prints them."
    for other in RULES.values():
        rule = RuleText.of(other, {name: right.hyper.get(name, x) for name, x in _numbers(other).items()})
        if other is not kind and rule.is_elementwise:
            yield Mistake(f"is {other.__name__}", "", f"this is {other.__name__}", hint), rule
