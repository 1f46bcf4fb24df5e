"""What is wrong with this gradient? Not only that it is wrong: the mistake by name, and a hint.

The numbers of a student are compared with the right ones, then with those that every mistake in `mistakes` leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..core.tensor import Tensor, no_grad, unwrap
from .gradcheck import STEP, TOLERANCE, Gradcheck, _Probe, _put_back, _rounding, _slope
from .mistakes import KINKED, MISTAKES, Graph, Hypothesis, factors, hypotheses


class Finding(NamedTuple):
    """What there is to say about one gradient.

    Attributes
    ----------
    name : whose gradient, as "W", "input 0" or "layers.0.W"
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
    """What `diagnose` and its like found. Print it.

    Attributes
    ----------
    subject : what was checked, and on which input
    findings : one `Finding` for each gradient
    """

    def __init__(self, subject: str, findings: Sequence[Finding], raise_on_error: bool = False) -> None:
        self.subject, self.findings = subject, tuple(findings)
        if raise_on_error and not self.right:
            raise AssertionError(str(self))

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return all(found.mistake is None for found in self.findings)

    @property
    def mistakes(self) -> dict[str, str | None]:
        """The name of each gradient, and the key of its mistake, or None."""
        return {found.name: found.mistake for found in self.findings}

    def __repr__(self) -> str:
        width = max((len(found.name) for found in self.findings), default=0)
        lines, first = [self.subject, ""], dict[str, str]()  # sentence: whose mistake it was first
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


def _side_by_side(said: Array, expected: Array, most: int = 4) -> list[str]:
    """A few of the numbers: those that differ most."""
    if not said.size and not expected.size:
        return []
    if said.shape != expected.shape:
        return [f"yours {_few(said)}", f"right {_few(expected)}"]
    if not np.isfinite(said).any():
        return [f"right {_few(expected)}"]
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


def _few(a: Array, most: int = 4) -> str:
    numbers = ", ".join(f"{x:.4g}" for x in a.flat[:most])
    return f"{a.shape}: {numbers}{', ...' if a.size > most else ''}"


# --- gradients computed by hand --------------------------------------------------------------------------------------


def diagnose(
    f: Callable[..., Any],
    inputs: Any,
    gradients: Any,
    *,
    raise_on_error: bool = False,
    tolerance: float = TOLERANCE,
    rng: Rng = 0,
) -> Report:
    """Compare gradients that were computed by hand with the right ones, and name the mistake in each that is wrong.

    The right gradients are the engine's, if f runs on Tensors, as plain NumPy code often does; central differences
    have to agree with them. Otherwise they are central differences, and only mistakes that show in the numbers alone
    are named (sign, constant factor, transposed, swapped), not those inside the chain rule.

    Parameters
    ----------
    f : takes the inputs and returns a number; of several numbers the sum counts
    inputs : a dict of name to array, in the order in which f takes them; or a sequence of arrays; or one array
    gradients : the same, with the gradients. None stands for one that is missing
    raise_on_error : raise AssertionError with the report if anything is wrong
    tolerance : how far off a gradient may be, relative to its largest number; float32 gradients get more
    rng : generator or seed, for the directions in which the engine is checked

    Returns
    -------
    Report : print it, or ask it for ``right`` and ``mistakes``

    Raises
    ------
    AssertionError : raise_on_error is set and a gradient is wrong
    TypeError : an input or a gradient that is not real numbers
    ValueError : names or a number of gradients that do not fit the inputs; f returned NaN or infinity, or different
        values for the same input

    Examples
    --------
    >>> x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0])
    >>> loss = lambda w: ((w * x - y) ** 2).mean()
    >>> diagnose(loss, {"w": 1.0}, {"w": 2 * ((x - y) * x).mean()}).right
    True
    >>> print(diagnose(loss, {"w": 1.0}, {"w": 2 * ((x - y) * x).sum()}))
    The gradient of f = 1.66667 with respect to
      w (): 1
    The right numbers are the engine's; central differences agree with them.
    <BLANKLINE>
    w  WRONG: 3 times too large: the 1/N of the mean was forgotten (N = 3)
        at  yours     right  yours / right
              -14  -4.66667              3
        Hint: Follow each constant of the formula: the 1/N of a mean, the 2 of a square, the n of a**n.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance = {tolerance} has to be above 0")
    named, answers = _by_name(inputs, gradients)
    tensors = [Tensor(x.astype(float), requires_grad=True, name=name) for name, x in named.items()]
    case = _Case(f, tensors, np.random.default_rng(rng))
    case.shapes = [x.shape for x in named.values()]
    floats = [a.dtype for a in (*named.values(), *answers) if a is not None and a.dtype.kind == "f"]
    eps = max(float(np.finfo(dtype).eps) for dtype in [np.dtype(float), *floats])
    findings = case.judge(answers, tolerance, eps)
    what = getattr(f, "__name__", "f").replace("<lambda>", "f")
    given = "".join(f"\n  {name} {_few(x)}" for name, x in named.items())
    subject = f"The gradient of {what} = {case.here:.6g}{case.summed} with respect to{given}\n{case.witness}"
    return Report(subject, findings, raise_on_error)


def _by_name(inputs: Any, gradients: Any) -> tuple[dict[str, Array], list[Array | None]]:
    """The inputs by name, and the gradients in their order."""
    if isinstance(inputs, Mapping):
        if not isinstance(gradients, Mapping):
            raise ValueError(f"inputs is a dict, so gradients has to be one, got {type(gradients).__name__}")
        unknown = [name for name in gradients if name not in inputs]
        if unknown:
            raise ValueError(f"gradients of {unknown}, but the inputs are {list(inputs)}")
        return (
            {str(name): _numbers(x, f"input {name}") for name, x in inputs.items()},
            [_answer(gradients.get(name), str(name)) for name in inputs],
        )
    if not isinstance(inputs, (list, tuple)):
        inputs, gradients = [inputs], [gradients]
    elif not isinstance(gradients, (list, tuple)) or len(gradients) != len(inputs):
        count = len(gradients) if isinstance(gradients, (list, tuple)) else type(gradients).__name__
        raise ValueError(f"{len(inputs)} inputs need a list of {len(inputs)} gradients, got {count}")
    names = [f"input {i}" for i in range(len(inputs))]
    return (
        {name: _numbers(x, name) for name, x in zip(names, inputs)},
        [_answer(g, name) for name, g in zip(names, gradients)],
    )


def _numbers(x: Any, what: str) -> Array:
    array = np.asarray(unwrap(x))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} has to be real numbers, got {type(x).__name__} of dtype {array.dtype}")
    return array


def _answer(g: Any, name: str) -> Array | None:
    return None if g is None else _numbers(g, f"the gradient of {name}")


# --- right or wrong, and why ------------------------------------------------------------------------------------------


class _Case:
    """A function at a point: the right gradients, how sure they are, and what a wrong one may come from.

    Attributes
    ----------
    here : the value of f, or the sum of its values
    graph : the record, None if there is none or central differences do not agree with it
    right : the gradient of each tensor
    noise : for each, how far rounding in float64 may throw it
    hidden : for each, where there is a kink, so that nothing can be said
    shapes : those whose lengths may be the N of a mean
    """

    def __init__(
        self, f: Callable[..., Any], tensors: list[Tensor], rng: np.random.Generator, engine: bool = True
    ) -> None:
        self.f, self.tensors, self.rng = f, tensors, rng
        self.shapes: list[tuple[int, ...]] = []
        self.beside: list[list[list[Array]]] | None = None
        with np.errstate(all="ignore"):
            y, self.on_arrays = self._first()
            self.summed = f" (the sum of {np.size(unwrap(y))} values)" if np.size(unwrap(y)) != 1 else ""
            self.here = self.value()
            if not np.isfinite(self.here):
                raise ValueError("f returned NaN or infinity for this input: it has no gradient there")
            if self.value() != self.here:
                raise ValueError("f returned different values for the same input; switch dropout off, or fix its seed")
            self.graph = Graph(y, tensors) if engine and isinstance(y, Tensor) else None
            with _put_back(tensors):
                if self.graph is None or not (self._agrees(self.graph) or self._agrees_beside()):
                    self.graph = None
                    self._differences()
            if self.graph is not None:
                self.right = self.graph.right
                self.noise = [np.zeros(t.shape) for t in tensors]  # `judge` measures it when it matters
                self.hidden = [np.zeros(t.shape, bool) for t in tensors]

    def _first(self) -> tuple[Any, bool]:
        """What f returns, of Tensors if it takes them, and whether it takes plain arrays, which are quicker to move."""
        self.problem = "those of the engine do not agree with them: f leaves it, by .numpy(), .data or the like"
        outcomes: list[Any] = []
        for inputs in (self.tensors, [t.numpy() for t in self.tensors]):
            try:
                outcomes.append(self.f(*inputs))
            except Exception as error:  # whatever a student's f may raise
                outcomes.append(error)
        y, array = outcomes
        if isinstance(y, Exception):
            if isinstance(array, Exception):
                raise y if isinstance(array, AttributeError) else array
            self.problem, y = f"f does not run on Tensors ({type(y).__name__}: {y})", array
        elif not isinstance(y, Tensor) or not y.requires_grad:
            self.problem = "what f makes of Tensors remembers nothing of them"
        if isinstance(y, (tuple, list)):
            raise TypeError(f"f has to return a number or an array, got {type(y).__name__}")
        return y, not isinstance(array, Exception)

    def value(self) -> float:
        with no_grad():
            return float(np.sum(unwrap(self.f(*[t.numpy() if self.on_arrays else t for t in self.tensors]))))

    def _agrees_beside(self) -> bool:
        """Whether the engine is right a little away: then a kink hides the slopes of f, and the graph is believed."""
        homes, here = [t.numpy() for t in self.tensors], self.here
        for t in self.tensors:
            t.data = t.numpy() + 1e-3 * self.rng.standard_normal(t.shape)
        y, self.here = self.f(*self.tensors), self.value()
        agree = isinstance(y, Tensor) and y.requires_grad and np.isfinite(self.here)
        agree = agree and self._agrees(Graph(y, self.tensors))
        for t, home in zip(self.tensors, homes, strict=True):
            t.data = home
        self.here = here
        self.witness = "The right numbers are the engine's; f has a kink here, a little away central differences agree."
        return agree

    def _agrees(self, graph: Graph) -> bool:
        """Whether the slope along a random direction for each tensor is what the graph's gradients say, seen with one
        of three steps, but for a kink. Where rounding makes a staircase of f, as of ln(1 - p) with p near 1, there is
        no slope to see, and the graph is believed."""
        self.witness = "The right numbers are the engine's; central differences agree with them."
        for t, gradient in zip(self.tensors, graph.right, strict=True):
            direction = np.asarray(self.rng.standard_normal(t.shape))
            share = gradient * direction
            allowed, stair = 1e-4 * np.abs(share).sum(), 0.0
            for h in (1e-5, 1e-4, 1e-6):
                ahead, behind = self._ends(t, h * direction)
                kink = abs(ahead - 2 * self.here + behind) / h
                if abs((ahead - behind) / (2 * h) - share.sum()) <= allowed + kink + stair / h:
                    break
                if not stair:
                    values = [graph.rebuilt(shaken=self.rng).root.array.sum() for _ in range(2)]
                    stair = 10 * float(np.nan_to_num(np.abs(np.array(values) - self.here), nan=np.inf).max())
                    if stair > 1e-3 * h:
                        self.witness = "The right numbers are the engine's; rounding hides the slopes of f."
            else:
                return False
        return True

    def _ends(self, t: Tensor, move: Array) -> tuple[float, float]:
        """f with t moved there, and the other way."""
        home, ends = t.numpy(), []
        for step in (move, -move):
            t.data = home + step
            ends.append(self.value())
        t.data = home
        return ends[0], ends[1]

    def _differences(self) -> None:
        """Without a graph: every slope by moving one number. A step ten times as wide has to see the same."""
        rounding = _rounding(self.value, self.here, self.tensors, self.rng)
        probe = _Probe(self.value, self.here, rounding, TOLERANCE, Gradcheck())
        self.right = [np.zeros(t.shape) for t in self.tensors]
        self.noise = [np.zeros(t.shape) for t in self.tensors]
        self.hidden = [np.zeros(t.shape, bool) for t in self.tensors]
        for t, right, noise, hidden in zip(self.tensors, self.right, self.noise, self.hidden, strict=True):
            for index in np.ndindex(t.shape):
                direction = np.zeros(t.shape)
                direction[index] = 1
                right[index], noise[index], hidden[index] = _slope(probe, t, direction)
                h = 10 * STEP * max(1.0, abs(float(t.numpy()[index])))
                ahead, behind = self._ends(t, h * direction)
                noise[index] += 10 * abs(np.nan_to_num((ahead - behind) / (2 * h) - right[index], posinf=0, neginf=0))
        self.witness = (
            f"The right numbers are central differences: {self.problem}.\n"
            "So only mistakes that show in the numbers alone have names here."
        )

    def judge(
        self, said: Sequence[Array | None], tolerance: float = TOLERANCE, eps: float = float(np.finfo(float).eps)
    ) -> list[Finding]:
        """A finding for each tensor. eps is that of the coarsest dtype that was computed in."""
        relative = [max(tolerance, 100 * eps) * np.abs(right).max(initial=0) for right in self.right]
        allowed = [most + noise for most, noise in zip(relative, self.noise, strict=True)]
        if self.graph is not None and not all(self._fits(i, s, allowed[i]) for i, s in enumerate(said)):
            with np.errstate(all="ignore"):  # before anybody is accused: what could rounding have done?
                noises = self.graph.rounding(self.rng)
            scale = 20 * eps / np.finfo(float).eps
            usual = [float(np.median(noise)) if noise.size else 0.0 for noise in noises]
            tiny = 100 * float(np.finfo(np.float32 if eps > 1e-9 else float).tiny)  # what is smaller becomes 0
            allowed = [m + scale * np.maximum(n, u) + tiny for m, n, u in zip(relative, noises, usual, strict=True)]
        made: list[Hypothesis] = []
        return [self._finding(i, said, allowed[i], made) for i in range(len(said))]

    def _fits(self, i: int, said: Array | None, allowed: Array, right: Array | None = None) -> bool:
        """Whether gradient i is right, as far as one can say: at a kink there is nothing to compare with."""
        right = self.right[i] if right is None else right
        if said is None or said.shape != right.shape:
            return False
        return bool((self.hidden[i] | (np.abs(said - right) <= allowed)).all())

    def _finding(self, i: int, all_said: Sequence[Array | None], allowed: Array, made: list[Hypothesis]) -> Finding:
        said, right, name = all_said[i], self.right[i], self.tensors[i].name or ""
        if said is None:
            return _finding(name, "missing gradient", np.full(right.shape, np.nan), right)
        if self._fits(i, said, allowed):
            n = int(self.hidden[i].sum())
            text = f"{n} at a kink {'was' if n == 1 else 'were'} not judged" if n else ""
            if np.where(self.hidden[i], 0, self.noise[i]).max(initial=0) > 0.1 * np.abs(right).max(initial=0):
                text = "not proved wrong: rounding hides the slopes"
            if right.any() and (np.abs(right) <= allowed).all():
                text = "all of it is rounding, as where all units are saturated: nothing to judge; try smaller inputs"
            return Finding(name, None, text, "", said, right)
        if not np.isfinite(said).all():
            return _finding(name, "nan", said, right)
        if said.shape == right.shape:
            low, high, open_ = self.kinks(i, allowed)
            if self._fits(i, said, allowed, np.clip(said, low, high)):
                text = "any slope between the two sides of a kink is right"
                return Finding(name, None, text, "", said, right)
            if self._fits(i, said, allowed, np.where(open_, said, np.clip(said, low, high))):
                n = int((open_ & (np.abs(said - np.clip(said, low, high)) > allowed)).sum())
                text = f"{n} {'was' if n == 1 else 'were'} not judged: f has a kink here; try other inputs"
                return Finding(name, None, text, "", said, right)
        return _finding(name, *self._explain(i, said, all_said, allowed, made), said, right)

    def kinks(self, i: int, allowed: Array) -> tuple[Array, Array, Array]:
        """For gradient i the least and the greatest that one may choose at the kinks of f, and where that is open.

        The ops that have a kink are taken from both sides. A kink made by a mask, np.where or an if shows when f is
        run again a little beside its inputs: the gradients there differ, and differ as much when a hundred times
        closer. Where the choice goes through one op alone, all that is right lies between the two sides. Behind
        several kinks it need not, so what is outside counts as open.
        """
        sides = [self.right[i]]
        if self.graph is not None:
            with np.errstate(all="ignore"):
                sides += [self.graph.nudged(side)[i] for side in (1, -1)]
        low, high = np.min(sides, axis=0), np.max(sides, axis=0)
        if self.beside is None:
            with np.errstate(all="ignore"), _put_back(self.tensors):
                self.beside = [self._beside(step) for step in (1e-7, 1e-9)]
        far, near = (np.array([gradients[i] for gradients in some]) for some in self.beside)
        if not len(near):
            return low, high, np.zeros(low.shape, bool)
        gap = np.ptp(near, axis=0)
        kinked = (gap > 2 * allowed) & (gap > 0.5 * np.ptp(far, axis=0))
        lower = np.where(kinked, np.minimum(low, near.min(axis=0)), low)
        upper = np.where(kinked, np.maximum(high, near.max(axis=0)), high)
        nodes = self.graph.nodes if self.graph is not None else []
        known = sum(node.op in KINKED for node in nodes) == 1
        return lower, upper, kinked & ~(known & (lower >= low - allowed) & (upper <= high + allowed))

    def _beside(self, step: float) -> list[list[Array]]:
        """The gradients at a few points that far away: the engine's, or central differences if a kink was seen."""
        if self.graph is None and not any(hidden.any() for hidden in self.hidden):
            return []
        homes, rng, found = [t.numpy() for t in self.tensors], np.random.default_rng(0), []
        step *= 1 if self.graph is not None else 1e4
        for _ in range(24):
            for t, home in zip(self.tensors, homes, strict=True):
                size = np.where(home == 0, np.abs(home).max(initial=0) or 1, np.abs(home))
                far = step * 10 ** rng.uniform(-2, 0)  # each of the inputs is the one that goes farthest at times
                t.data = home + far * size * rng.uniform(-1, 1, t.shape)
            if self.graph is None:
                found.append([self._gradient(t, step / 100) for t in self.tensors])
            else:
                found.append(Graph(self.f(*self.tensors), self.tensors).right)
        for t, home in zip(self.tensors, homes, strict=True):
            t.data = home
        return [gradients for gradients in found if all(np.isfinite(g).all() for g in gradients)]

    def _gradient(self, t: Tensor, h: float) -> Array:
        """Central differences, element by element."""
        found = np.zeros(t.shape)
        for index in np.ndindex(t.shape):
            move = np.zeros(t.shape)
            move[index] = h
            ahead, behind = self._ends(t, move)
            found[index] = (ahead - behind) / (2 * h)
        return found

    def _explain(
        self, i: int, said: Array, all_said: Sequence[Array | None], allowed: Array, made: list[Hypothesis]
    ) -> tuple[str, str]:
        """(key, sentence) of the simplest mistake that leads to these numbers."""
        limit = float(allowed.max(initial=0))
        if np.abs(said).max(initial=0) <= limit:
            return "zero", MISTAKES["zero"][0]
        constants = factors(self.graph, self.shapes)
        right = self.right[i]
        near = said.shape == right.shape and bool((np.abs(said - right) <= 0.01 * np.abs(right)).all())
        found = _relations(said, right, limit, constants, "", free=True) if not near else []
        for j, other in enumerate(self.right):
            if j != i:
                text = f"this is the gradient of {self.tensors[j].name}"
                found += [(2 + cost, "swapped", words) for cost, _, words in _relations(said, other, limit, (), text)]
        if self.graph is not None and all(cost > 3 for cost, _, _ in found):
            if not made:
                with np.errstate(all="ignore"):
                    made += hypotheses(self.graph.in_plain_terms(), all_said)
            for key, text, gradients in made:
                wrong = gradients[i]
                if wrong is not None and np.isfinite(wrong).all():
                    some = constants if said.size > 1 else ()
                    found += [(3 + cost, key, words) for cost, _, words in _relations(said, wrong, limit, some, text)]
        if near:  # a mistake changes more than the third digit, but for a small step of the weights
            found = [told for told in found if told[1] == "updated"]
        if found:
            _, key, text = min(found, key=lambda f: f[0])
            return key, text
        if said.shape != self.right[i].shape:
            return "shape", f"its shape is {said.shape}, that of {self.tensors[i].name} is {self.right[i].shape}"
        wrong_at = np.argwhere(np.abs(said - self.right[i]) > allowed)
        text = MISTAKES["unknown"][0]
        if len(wrong_at) <= said.size / 2:
            verb = "is" if len(wrong_at) == 1 else "are"
            text += f"; {len(wrong_at)} of {said.size} {verb} wrong, the first at {[int(k) for k in wrong_at[0]]}"
        return "unknown", text


def _relations(
    said: Array, made: Array, limit: float, constants: Sequence[tuple[float, str]], text: str, free: bool = False
) -> list[tuple[float, str, str]]:
    """(cost, key, sentence) for each simple way in which said comes from made: sign, constant, transpose, shape.

    text is what is wrong with made already; free allows any constant.
    """
    forms = [(0.0, "", made)]
    if made.ndim > 1:
        forms.append((1.0, "transposed", made.T))
    if made.shape != said.shape and _squeezed(made) == _squeezed(said):
        forms.append((1.0, "shape", made.reshape(said.shape)))
    found = []
    for cost, key, form in forms:
        if form.shape != said.shape or not np.abs(form).max(initial=0) > limit:
            continue
        scale = float(np.vdot(form, said) / np.vdot(form, form))
        if scale == 0:
            continue
        value, words = min([(1.0, ""), *constants], key=lambda known: abs(np.log(abs(scale) / known[0])))
        named = float(np.copysign(value, scale))
        parts = [part for part in (text, MISTAKES[key][0] if key else "") if part]
        for times in (named, scale) if free and np.count_nonzero(np.abs(form) > limit) > 1 else (named,):
            if np.abs(said - times * form).max() <= max(limit * max(1.0, abs(times)), 1e-5 * np.abs(said).max()):
                break
        else:
            continue
        if times != named:
            simple = Fraction(times).limit_denominator(20)
            number = simple if abs(simple / times - 1) < 1e-6 else f"{times:.6g}"
            found.append((cost + 5, key or "factor", [*parts, f"{number} times the right one"]))
        elif words:
            turned = [MISTAKES["sign"][0]] if times < 0 else []
            found.append((cost + 1 + len(turned) / 2, key or "factor", [*parts, *turned, words]))
        elif times < 0:
            found.append((cost + 1, key or "sign", [*parts, MISTAKES["sign"][0]]))
        elif parts:
            found.append((cost, key, parts))
    return [(cost, key, "; and ".join(parts)) for cost, key, parts in found]


def _squeezed(a: Array) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n != 1)


def _finding(name: str, key: str, *told: Any) -> Finding:
    """A wrong one: (name, key, said, expected), or with a sentence of its own after the key."""
    *text, said, expected = told
    return Finding(name, key, text[0] if text else MISTAKES[key][0], MISTAKES[key][1], said, expected)
