"""Is this update rule right, and if not, which of the classic mistakes is it?

The right rule is the kernel's own text, its docstring. A mistake is one change of that text, a row of `MISTAKES`: the
changed text is run beside the student's rule on the same gradients, and where all steps agree the mistake has a name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, count
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.jit import numbers_of
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..extras.optimizers import RULES
from .gradients import Finding, Report

FUNCTIONS = {"sqrt": np.sqrt, "sign": np.sign, "abs": np.abs, "maximum": np.maximum}
PRECISION = {np.float64: 1e-6, np.float32: 1e-3}  # how far off, as a share of the way gone, rounding may carry a rule


class Mistake(NamedTuple):
    """One way to write a rule wrongly.

    key : its name, as `Report.mistakes` has it
    change : what makes the right rule this one; several changes are separated by "; ".
        ``old -> new`` in the equations, where * stands for anything and | for a new line;
        ``name = expression`` for one of the rule's numbers, or t; i is 0 for the first parameter and 1 for the second;
        ``shared``, ``fresh``: the averages of the other parameter, or new ones at each step; ``late``: p moves first
    text, hint : what is likely wrong, and what to do, in a sentence each
    """

    key: str
    change: str
    text: str
    hint: str


def _rows(key: str, text: str, hint: str, *changes: str) -> list[Mistake]:
    return [Mistake(key, change, text, hint) for change in changes]


AVERAGES, CORRECTED = "for the averages' start at 0", "1 - beta^t"
# fmt: off
MISTAKES: list[Mistake] = [
    # the averages
    *_rows("m and v swapped", "m and v have changed places", "m, the average of g, is above; the root of v is below.",
           "(c1 · m) / (sqrt(c2 · v) -> (c2 · v) / (sqrt(c1 · m)",
           "(c1 · m) / (sqrt(c2 · v) -> (c1 · v) / (sqrt(c2 · m)"),
    *_rows("betas swapped", "beta1 and beta2 have changed places", "beta1 belongs to m, beta2 to v.",
           "beta1 = beta2; beta2 = beta1"),
    *_rows("weights swapped", "beta and 1 - beta have changed places in an average",
           "The old average is kept with beta, the new value comes in with 1 - beta.",
           "beta1 · m + one_minus_beta1 · -> one_minus_beta1 · m + beta1 ·; "
           "beta2 · v + one_minus_beta2 · -> one_minus_beta2 · v + beta2 ·",
           "beta1 · m + one_minus_beta1 · -> one_minus_beta1 · m + beta1 ·",
           "beta2 · v + one_minus_beta2 · -> one_minus_beta2 · v + beta2 ·",
           "beta · v + one_minus_beta · -> one_minus_beta · v + beta ·",
           "beta · m + one_minus_beta · -> one_minus_beta · m + beta ·",
           "rho · v + one_minus_rho · -> one_minus_rho · v + rho ·", "one_minus_rho · ( -> (1 - one_minus_rho) · ("),
    *_rows("sum for average", "1 - beta is left out: a sum of fading gradients takes the place of their average",
           "The new value comes into the average with 1 - beta.",
           "one_minus_beta1 = 1; one_minus_beta2 = 1", "one_minus_beta1 = 1", "one_minus_beta2 = 1",
           "one_minus_beta = 1", "one_minus_rho = 1"),
    *_rows("average for sum", "the gradient comes into the velocity with 1 - momentum: an average, and shorter steps",
           "Here the velocity is a sum: momentum · v + g.", "momentum · v + g -> momentum · v + (1 - momentum) · g"),
    *_rows("g for g²", "v averages g where g² belongs", "Square the gradient, element by element: g * g.",
           "g · g -> g", "g · g -> abs(g)"),
    *_rows("m² for g²", "v averages the square of m, not of g", "Both averages take in the gradient itself.",
           "g · g -> m · m"),
    *_rows("abs forgotten", "the largest g is kept where the largest |g| belongs", "Take the absolute value: abs(g).",
           "abs(g) -> g"),
    *_rows("root forgotten", "the root is forgotten", "Divide by the root of the mean square: it has the unit of g.",
           "(sqrt(*) + eps) -> ((*) + eps)", "sqrt(s + eps) / sqrt(v + eps) -> (s + eps) / (v + eps)"),
    *_rows("average unused", "the step is along g, not along the average of the gradients",
           "The average is computed and then has to be used.", "(c1 · m) -> g", "c · v -> g", "lr · v -> lr · g",
           "sign(m) -> sign(g)"),
    *_rows("scale unused", "the step is not divided by the root of the mean square", "Divide by sqrt(v) + eps.",
           "/ (sqrt(*) + eps) -> "),
    *_rows("largest late", "the largest v is taken after the bias correction",
           "Keep the largest of the plain v, and correct that.",
           "maximum(x, v) -> maximum(x, c2 · v); sqrt(c2 · x) -> sqrt(x)"),
    *_rows("largest forgotten", "v is used where the largest v belongs", "Keep the largest v so far, and divide by it.",
           "c2 · x -> c2 · v"),
    *_rows("new velocity for old", "the formula with momentum² was given the new velocity; it is made for the old one",
           "Keep the velocity from before the step, or step along g + momentum · v.",
           "g + momentum · v) -> (1 + momentum) · g + momentum · momentum · v)"),
    # the bias correction
    *_rows("uncorrected", f"there is no correction {AVERAGES}",
           f"Divide each average by {CORRECTED} where it is used, with its own beta.",
           "c1 = 1; c2 = 1", "c = 1"),
    *_rows("m uncorrected", f"m is not corrected {AVERAGES}", f"Divide m by {CORRECTED} with beta1 where it is used.",
           "c1 = 1"),
    *_rows("v uncorrected", f"v is not corrected {AVERAGES}", f"Divide v by {CORRECTED} with beta2 where it is used.",
           "c2 = 1"),
    *_rows("corrected", "the average is corrected for its start at 0, and this rule uses it as it is",
           f"Leave {CORRECTED} out, or ask for the rule that has it.",
           "c = 1 / (1 - beta^t)", "sqrt(v) -> sqrt(v / (1 - rho^t))"),
    *_rows("multiplied", f"the averages are multiplied by {CORRECTED} instead of divided",
           "They start at 0 and are too small at first, so the correction has to make them larger: divide.",
           "c1 = 1 - beta1^t; c2 = 1 - beta2^t", "c1 = 1 - beta1^t", "c2 = 1 - beta2^t", "c = 1 - beta^t"),
    *_rows("beta squared", "the correction has beta^2 where beta^t belongs",
           "The power is t, the number of the step: it grows, and the correction fades.",
           "c1 = 1 / (1 - beta1^2); c2 = 1 / (1 - beta2^2)", "c1 = 1 / (1 - beta1^2)", "c2 = 1 / (1 - beta2^2)",
           "c = 1 / (1 - beta^2)"),
    *_rows("power forgotten", "the correction has beta where beta^t belongs",
           "The power is t, the number of the step: it grows, and the correction fades.",
           "c1 = 1 / (1 - beta1); c2 = 1 / (1 - beta2)", "c1 = 1 / (1 - beta1)", "c2 = 1 / (1 - beta2)",
           "c = 1 / (1 - beta)"),
    *_rows("beta times t", "the correction has beta · t where beta^t belongs", "Write beta**t, not beta * t.",
           "c1 = 1 / (1 - beta1 · t); c2 = 1 / (1 - beta2 · t)", "c1 = 1 / (1 - beta1 · t)",
           "c2 = 1 / (1 - beta2 · t)", "c = 1 / (1 - beta · t)"),
    *_rows("other beta", "a correction has the beta of the other average",
           "M was averaged with beta1 and v with beta2: correct each with its own.",
           "c1 = 1 / (1 - beta2^t); c2 = 1 / (1 - beta1^t)", "c2 = 1 / (1 - beta1^t)", "c1 = 1 / (1 - beta2^t)"),
    *_rows("t from 0", "t is counted from 0", "The first step is t = 1: at t = 0 the correction would divide by 0.",
           "t = t - 1"),
    *_rows("t late", "t runs one step ahead", "The first step is t = 1: count before the update, once.", "t = t + 1"),
    *_rows("t per parameter", "t grows with every parameter, not with every step",
           "All parameters of one step have the same t.", "t = 2 · t - 1 + i"),
    *_rows("written back", "the corrected averages are written back, and the next step averages them once more",
           "Give the corrected ones names of their own, and keep m and v as they are.",
           "p <- p - lr · (c1 · m) / (sqrt(c2 · v) -> m <- c1 · m | v <- c2 · v | p <- p - lr · m / (sqrt(v)",
           "p <- p - lr · (c1 · m) -> m <- c1 · m | p <- p - lr · m",
           "p <- p - lr · (c1 · m) / (sqrt(c2 · v) -> v <- c2 · v | p <- p - lr · (c1 · m) / (sqrt(v)",
           "p <- p - lr · (c1 · m) / (sqrt(c2 · x) -> m <- c1 · m | x <- c2 · x | p <- p - lr · m / (sqrt(x)",
           "p <- p - lr · c · v -> v <- c · v | p <- p - lr · v"),
    # eps
    *_rows("eps inside", "eps is inside the root", "Take the root first, then add eps: sqrt(v) + eps.",
           "(sqrt(*) + eps) -> sqrt(* + eps)"),
    *_rows("eps outside", "eps is outside the roots", "This rule adds eps before it takes the root: sqrt(v + eps).",
           "sqrt(s + eps) / sqrt(v + eps) -> (sqrt(s) + eps) / (sqrt(v) + eps)"),
    *_rows("eps forgotten", "eps is not in the denominator",
           "Divide by (sqrt(v) + eps), with the brackets, or a gradient that is always 0 gives 0 / 0.",
           "(sqrt(*) + eps) -> sqrt(*)", "sqrt(s + eps) / sqrt(v + eps) -> sqrt(s) / sqrt(v)",
           "abs(g) + eps -> abs(g)",
           "/ (sqrt(*) + eps) -> / sqrt(*) + eps", "p - lr · */ (sqrt(*) + eps) -> p - lr · (*/ sqrt(*) + eps)"),
    *_rows("eps early", "eps is added before v is corrected, so that it counts for more in the first steps",
           "Correct v first, then take the root, then add eps.",
           "(sqrt(c2 · *) + eps) -> (sqrt(c2) · (sqrt(*) + eps))"),
    *_rows("eps late", "eps is added after v is corrected", "This rule adds eps to the root of the plain v.",
           "r / (sqrt(v) + eps) -> r / (sqrt(v) + eps · sqrt(1 - beta2^t))"),
    # the step
    *_rows("sign", "the step goes up the slope", "Subtract it: the gradient shows where the loss grows.",
           "p - lr -> p + lr"),
    *_rows("lr unused", "the learning rate is not used", "Multiply the step by lr.", "p - lr · -> p - 1 ·"),
    *_rows("lr squared", "the learning rate is used twice", "Multiply the step by lr once.",
           "p - lr · -> p - lr · lr ·"),
    *_rows("late", "p moves before the averages have seen this gradient: every gradient acts one step late",
           "Update the averages first, then p.", "late"),
    # weight decay
    *_rows("coupled decay", "the decay is added to the gradient, and so goes through m and v",
           "Shrink p itself, p · (1 - lr · weight_decay), and leave g as it is.",
           "p <- p · keep -> g <- g + weight_decay · p", "p <- keep · p -> g <- g + weight_decay · p | p <- p"),
    *_rows("decay forgotten", "there is no weight decay", "Multiply p by 1 - lr · weight_decay.", "keep = 1"),
    *_rows("decay without lr", "the decay is not multiplied by lr", "Multiply p by 1 - lr · weight_decay.",
           "keep = 1 - weight_decay"),
    *_rows("decay grows", "the decay makes the weights larger", "Multiply p by 1 - lr · weight_decay.",
           "keep = 2 - keep"),
    # what is remembered
    *_rows("shared memory", "both parameters share their averages",
           "Every parameter needs averages of its own; keep them in state.", "shared"),
    *_rows("no memory", "the averages start from 0 again at every step",
           "Keep them in state between the steps: state.get(name, 0).", "fresh"),
]
# fmt: on


def diagnose_optimizer(
    rule: Callable[..., Any],
    reference: str | type[Optimizer] = "Adam",
    *,
    steps: int = 12,
    raise_on_error: bool = False,
    rng: Rng = 0,
    **hyper: float,
) -> Report:
    """Run an update rule beside ours, and name what is wrong with it.

    Two parameters of six numbers each get the same random gradients from both: some of them large, some of the order
    of eps and of its root, one always above 0, one always 0. All numbers have to agree after each step. If they do not,
    ours is run with one classic mistake of `MISTAKES` after the other, then with two, until one takes the same steps.

    Parameters
    ----------
    rule : a function ``rule(p, g, state, t)`` that returns the new p, or changes p in place: p and g are arrays, state
        is a dict for this parameter that is empty before the first step, t = 1, 2, ... is the number of the step.
        Or a class, used like ours: made with a list of Tensors, its ``step()`` reads ``grad`` and changes ``data``
    reference : the name of one of our optimizers, or its class, or a class of your own with a kernel
    steps : how many updates, at least 1
    raise_on_error : raise an AssertionError that holds the report if the rule is wrong
    rng : generator or seed for parameters and gradients
    hyper : the reference's numbers, where they shall not be its defaults. The rule gets those numbers, by keyword, that
        it has parameters for: ``def rule(p, g, state, t, lr, beta1=0.9)`` gets lr and beta1

    Returns
    -------
    Report : its one finding is "step": what p was changed by in the first step that is wrong, where it is

    Raises
    ------
    AssertionError : the rule is wrong, with raise_on_error
    TypeError : the rule needs a number that the reference does not have, or does not return an array; reference is
        something else
    ValueError : there is no such reference or number; the rule returns another shape; steps below 1

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
    numbers = _numbers(kind)
    for name, value in hyper.items():
        if name not in numbers:
            raise ValueError(f"{kind.__name__} has no {name!r}; it has {', '.join(numbers)}")
        if callable(value):
            raise TypeError(f"{name} is a number here, not a function of t")
    numbers |= hyper
    start = rng.standard_normal((2, 6))
    gradients = _gradients(steps, numbers.get("eps", 0.1), rng)
    expected = _drive(kind, start, gradients, numbers)
    taken = _taken(rule, kind, numbers)
    said, dtype = _said(rule, start, gradients, taken)

    name = getattr(rule, "__name__", "").replace("<lambda>", "") or "The rule"
    settings = ", ".join(f"{name} = {value:g}" for name, value in numbers.items())
    subject = (
        f"{name} beside {kind.__name__}, {settings}:\n"
        f"{steps} steps of two parameters with six numbers each, random gradients down to the size of eps, and 0"
    )
    wrong = _differences(said, expected, start, dtype)
    if not wrong.any():
        finding = Finding("step", None, "", "", said[-1] - start, expected[-1] - start)
        return Report(subject, [finding])
    first = int(wrong.any(axis=(1, 2)).argmax())
    lost: Array = np.asarray(~np.isfinite(said).all(axis=(1, 2)) & np.isfinite(expected).all(axis=(1, 2)))
    if lost.any() and not lost[0] and not np.isfinite(said[lost]).any():  # at t = 1 it may be known: 1 - beta^0 = 0
        n = int(lost.argmax())
        what = "NaN" if np.isnan(said[n]).any() else "infinite"
        text = f"your step is {what} from step {n + 1} on"
        hint = "Look for a root of a negative number, a division by 0, or 1 - beta**t with t = 0."
        finding = Finding("step", "nan", text, hint, said[n] - start, expected[n] - start)
        return Report(subject, [finding], raise_on_error)
    mine, ours = (np.diff(path, axis=0, prepend=start[None])[first] for path in (said, expected))
    with np.errstate(all="ignore"):
        factor = float(np.median((mine / ours)[wrong[first] & (ours != 0)]))
        worst = np.unravel_index(np.where(wrong[first], np.abs(mine / ours - 1), -1).argmax(), ours.shape)
    suspects = _suspects(_Rule.of(kind, numbers), taken, factor)

    def explains(suspect: _Rule) -> bool:
        ways = ((n, suspect.run(start, gradients[:n])) for n in (1, steps))  # most differ in the first step
        return not any(_differences(said[:n], way, start, dtype).any() for n, way in ways)

    found = next(
        (mistake for mistake, suspect in suspects if explains(suspect)),
        Mistake("unknown", "", "this is none of the mistakes that I know", "Work out that step by hand."),
    )
    text = f"{found.text}; first in step {first + 1}, most of all where g = {gradients[first][worst]:.3g}"
    finding = Finding("step", found.key, text, found.hint, mine, ours)
    return Report(subject, [finding], raise_on_error)


def _kind(reference: str | type[Optimizer]) -> type[Optimizer]:
    """The class of that name."""
    if not isinstance(reference, str):
        if not (isinstance(reference, type) and issubclass(reference, Optimizer)):
            raise TypeError(f"{getattr(reference, '__name__', reference)} is no Optimizer and not the name of one")
        return reference
    names = {kind.__name__.lower(): kind for kind in RULES.values()}
    if reference.lower() not in names:
        known = ", ".join(kind.__name__ for kind in RULES.values())
        raise ValueError(f"there is no optimizer {reference!r}; choose from {known}")
    return names[reference.lower()]


def _numbers(kind: type[Optimizer]) -> dict[str, float]:
    """Its hyper-parameters and their defaults."""
    own = list(inspect.signature(kind).parameters.values())[1:]
    return {p.name: p.default for p in own if p.kind is p.POSITIONAL_OR_KEYWORD}


def _gradients(steps: int, eps: float, rng: np.random.Generator) -> Array:
    """(steps, 2, 6), each number with a gradient of its own kind: always above 0, so that no wrong root is NaN at
    once; 0 from half-way on, so that averages fall; large; of the order of √eps and eps, where a misplaced eps shows;
    0."""
    g = rng.standard_normal((steps, 2, 6)) * [1, 1, 1, np.sqrt(eps), eps, 0]
    g[..., 0] = np.abs(g[..., 0]) + 0.1
    g[(steps + 1) // 2 :, :, 1] = 0
    return np.asarray(g)


# --- running a student's rule, and a class of ours -------------------------------------------------------------------


def _taken(rule: Callable[..., Any], kind: type[Optimizer], hyper: dict[str, float]) -> dict[str, float]:
    """Those of the numbers that the rule has parameters for."""
    own = list(inspect.signature(rule).parameters.values())[1 if isinstance(rule, type) else 4 :]
    if any(p.kind is p.VAR_KEYWORD for p in own):
        return hyper
    strange = [p.name for p in own if p.default is p.empty and p.name not in hyper and p.kind is not p.VAR_POSITIONAL]
    if strange:
        raise TypeError(f"the rule needs {strange[0]!r}; the numbers of {kind.__name__} are {', '.join(hyper)}")
    return {p.name: hyper[p.name] for p in own if p.name in hyper}


def _said(rule: Callable[..., Any], start: Array, gradients: Array, taken: dict[str, float]) -> tuple[Array, Any]:
    """The parameters after each step, (steps, 2, 6), and the dtype in which the rule has counted."""
    if isinstance(rule, type):
        return _drive(rule, start, gradients, taken), np.float64
    path, moved = np.empty(gradients.shape), False
    memories: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    dtype: type[np.floating[Any]] = np.float64
    p = list(start.copy())
    for t, both in enumerate(gradients, start=1):
        for i, g in enumerate(both):
            given = p[i].copy()
            new = rule(given, g.copy(), memories[i], t, **taken)
            moved |= new is not None or bool((given != p[i]).any())
            if isinstance(new, (tuple, list, dict)):
                kind = type(new).__name__
                raise TypeError(f"the rule returned a {kind}: return the new p alone, and keep the averages in state")
            new = np.asarray(given if new is None else new)
            if new.dtype.kind not in "fiu":
                raise TypeError(f"the rule has to return the new p as an array of numbers, got {new.dtype}")
            if new.shape != given.shape:
                raise ValueError(f"the rule was given p of shape {given.shape} and returned shape {new.shape}")
            if any(getattr(x, "dtype", None) == np.float32 for x in (new, *memories[i].values())):
                dtype = np.float32
            p[i] = new.astype(np.float64)
        path[t - 1] = p
    if not moved:
        raise TypeError("the rule returned None and left p as it was: return the new p, or change p in place")
    return path, dtype


def _drive(kind: type, start: Array, gradients: Array, hyper: dict[str, float]) -> Array:
    """The parameters after each step of an optimizer that is a class."""
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
    """Where they differ by more than rounding, (steps, 2, 6)."""
    with np.errstate(invalid="ignore"):
        way = np.abs(np.diff(expected, axis=0, prepend=start[None])).cumsum(axis=0)
        room = PRECISION[dtype] * way + 20 * len(said) * np.finfo(dtype).eps * np.abs(expected)
        close = (np.abs(said - expected) <= room) & np.isfinite(expected)
        return ~(close | ~(np.isfinite(said) | np.isfinite(expected)))


# --- the rule as text ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    """A rule as its kernel's docstring has it, and what was changed in it."""

    optimizer: Optimizer
    hyper: dict[str, float]
    equations: str
    numbers: tuple[tuple[str, str], ...] = ()  # (name, expression) in place of the optimizer's own
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kind: type[Optimizer], numbers: dict[str, Any]) -> _Rule:
        """The right one, in arithmetic in which 1 / 0 is infinite."""
        optimizer = kind([Tensor(np.zeros(6), requires_grad=True)], **numbers)
        lines = [line.strip() for line in (optimizer.kernel.__doc__ or "").splitlines() if "<-" in line]
        return cls(optimizer, {name: np.float64(value) for name, value in numbers.items()}, "\n".join(lines))

    @property
    def is_elementwise(self) -> bool:
        """Whether whole arrays can go through the equations: rprop asks "if" of every number."""
        return " if " not in self.equations

    def changed(self, change: str) -> _Rule | None:
        """The rule with this change; None where it has nothing that could be changed so."""
        if not self.is_elementwise:
            return None
        equations, numbers, words = self.equations, self.numbers, self.words
        for part in change.split("; "):
            name, is_number, expression = part.partition(" = ")
            old, is_text, new = part.partition(" -> ")
            if is_text:
                pieces = [re.escape(piece) for piece in old.split("*")]
                stars = count(1)
                template = re.sub(r"\*", lambda _: rf"\{next(stars)}", new.replace(" | ", "\n"))  # noqa: B023
                equations, hits = re.subn("(.*?)".join(pieces), template, equations)
                if not hits:
                    return None
            elif is_number:
                numbers = (*numbers, (name, expression))
            else:
                words |= {part}
        found = replace(self, equations=equations, numbers=numbers, words=words)
        known = {"p", "g", "t", "i", *FUNCTIONS, *self.hyper, *self.optimizer.state, *self.numbers_at(1, 0)}
        targets = {line.partition(" <- ")[0] for line in equations.splitlines()}
        try:
            used = set(found.code().co_names).union(*(_code(e, "eval").co_names for _, e in numbers))
        except SyntaxError:  # words in the docstring of somebody's kernel
            return None
        if "late" in found.words:  # the line of p goes first: it cannot use what a later one gives
            steps = [line for line in equations.splitlines() if line.startswith("p ")]
            if any(set(_code(line.partition(" <- ")[2], "eval").co_names) - known for line in steps):
                return None
        return found if used <= known | targets and {name for name, _ in numbers} <= known else None

    def code(self) -> CodeType:
        """The equations as Python."""
        lines = self.equations.splitlines()
        if "late" in self.words:
            lines.sort(key=lambda line: not line.startswith("p "))
        return _code("\n".join(lines), "exec")

    def numbers_at(self, t: int, i: int) -> dict[str, Any]:
        """The kernel's numbers in step t for parameter i: from the hyper-parameters, changed ones first."""
        known: dict[str, Any] = {**self.hyper, "t": t, "i": i}
        early = {name: e for name, e in self.numbers if name in known}
        with np.errstate(all="ignore"):
            known |= {name: _value(e, known) for name, e in early.items()}
            order = [name for name in self.optimizer.groups[0] if name != "l2"]
            scalars = self.optimizer.scalars(known["t"], *(known[name] for name in order))
            letters = numbers_of(self.optimizer.kernel, 2 + len(self.optimizer.state))
            known |= dict(zip(letters, scalars, strict=True))
            return known | {name: _value(e, known) for name, e in self.numbers if name not in early}

    def run(self, start: Array, gradients: Array) -> Array:
        """The parameters after each step, (steps, 2, 6)."""
        first = {name: getattr(self.optimizer, name).copy() for name in self.optimizer.state}
        memories = [dict(first), dict(first)]
        if "shared" in self.words:
            memories[1] = memories[0]
        p, path, code = list(start), np.empty(gradients.shape), self.code()
        with np.errstate(all="ignore"):
            for t, both in enumerate(gradients, start=1):
                for i, g in enumerate(both):
                    memory = first if "fresh" in self.words else memories[i]
                    names = {**self.numbers_at(t, i), **FUNCTIONS, **memory, "p": p[i], "g": g, "__builtins__": {}}
                    exec(code, names)
                    memories[i].update({name: names[name] for name in memory})
                    p[i] = names["p"]
                path[t - 1] = p
        return path


@lru_cache(maxsize=1024)
def _code(text: str, mode: str) -> CodeType:
    """Our notation as Python."""
    return compile(text.replace("<-", "=").replace("·", "*").replace("^", "**"), "<rule>", mode)


def _value(expression: str, known: dict[str, Any]) -> Any:
    value = eval(_code(expression, "eval"), {"__builtins__": {}}, known)
    return value if isinstance(value, int) else np.float64(value)  # t stays a whole number


def _suspects(right: _Rule, taken: Iterable[str], factor: float) -> Iterator[tuple[Mistake, _Rule]]:
    """Every wrong rule that may be it, the likeliest first."""
    kind = type(right.optimizer)
    defaults = _numbers(kind)
    ignored = [
        Mistake(
            f"{name} ignored",
            f"{name} = {defaults[name]!r}",
            f"{name} is {defaults[name]:g} here, whatever is passed",
            f"Use the {name} that the rule is given.",
        )
        for name in taken
        if right.hyper[name] != defaults[name]
    ]
    scaled = Mistake(
        "factor",
        f"p - lr · -> p - lr · {factor:.17g} ·",
        f"every step is {factor:.6g} times the right one",
        "Look for a number that is there twice, or not at all.",
    )
    rows = MISTAKES + ignored + ([scaled] if np.isfinite(factor) and factor != 0 else [])
    variants = [(mistake, rule) for mistake in rows if (rule := right.changed(mistake.change))]
    others = []
    for other in RULES.values():
        rule = _Rule.of(other, {name: right.hyper.get(name, x) for name, x in _numbers(other).items()})
        if other is not kind and rule.is_elementwise:
            hint = f"Compare it with the equations of {kind.__name__}: optimizer.equation() prints them."
            others.append((Mistake(f"is {other.__name__}", "", f"this is {other.__name__}", hint), rule))
    yield from sorted(variants + others, key=lambda suspect: bool(suspect[1].words))
    for (one, rule), (two, _) in combinations(variants, 2):
        if one.key != two.key and (both := rule.changed(two.change)):
            text, hint = f"two mistakes: {one.text}; and {two.text}", f"{one.hint} {two.hint}"
            yield Mistake(f"{one.key} + {two.key}", "", text, hint), both
