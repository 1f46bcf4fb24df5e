"""Exercises 1 to 8: each asks a file's functions for results at random numbers, and has the doctor judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core import losses
from ..core.ops import Array
from ..core.tensor import Tensor
from ..doctor.gradients import diagnose
from ..doctor.report import NOTHING, Finding, Report
from .submission import Failed


class Ask(Protocol):
    """A call of a function in the student's file: ask("gradient", w, x, b, returns=3) is a list of three arrays."""

    def __call__(self, name: str, *args: Any, returns: int = 1) -> list[Array]: ...


Check = Callable[[Ask, np.random.Generator, int], Report]
UNANSWERED = ("missing", "nothing", "number of results", "no numbers", "not written", "error")  # by one function alone


class Exercise(NamedTuple):
    """One exercise.

    name : the stub is {number}_{name}.py
    check : called with ask, a generator and turn = 0, 1, 2, each of which has its own difficulties
    probes : a file whose functions ask calls, if the student's file has classes in place of functions
    hints : in stages, each says more than the one before it
    """

    number: int
    name: str
    title: str
    check: Check
    probes: Path | None = None
    hints: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of its files, as 3_linear_layer."""
        return f"{self.number}_{self.name}"


def parts(checks: Mapping[str, Check]) -> Check:
    """Return a check of several parts, each with a check: a part that has no answer yet does not hide the others.

    The report has a finding for each part, the first that is wrong in it, below the numbers of the first part that is
    wrong. If no part has an answer, the reason why the first has none is raised.
    """

    def check(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
        subject, findings, failures = "", list[Finding](), list[Failed]()
        for name, part in checks.items():
            try:
                report = part(ask, rng, turn)
            except Failed as failed:
                if failed.key not in UNANSWERED:
                    raise
                failures.append(failed)
                findings.append(Finding(name, failed.key, failed.text, "", NOTHING, NOTHING))
                continue
            if report.right:
                findings.append(report.findings[0]._replace(name=name))
                continue
            subject = subject or report.subject
            wrong = next(found for found in report.findings if found.mistake)
            findings.append(wrong._replace(name=f"{name}, by {wrong.name}" if len(report.findings) > 1 else name))
        if len(failures) == len(checks):
            raise failures[0]
        return Report(subject or f"{len(checks)} parts", findings)

    return check


def normal(rng: np.random.Generator, *shape: int) -> Array:
    """Return normal random numbers with two decimals, which a note can show whole; none is 0, the kink of relu."""
    numbers = rng.standard_normal(shape).round(2)
    return np.where(numbers == 0, 1.0, numbers)


def judged(
    formula: str,
    L: Callable[..., Any],
    inputs: dict[str, Any],
    said: dict[str, Array],
    rng: np.random.Generator,
    **given: Array,
) -> Report:
    """Return the doctor's report, below the formula of L and all its numbers, to be worked out by hand."""
    report = diagnose(L, inputs, said, rng=rng)
    value = L(*(Tensor(x) for x in inputs.values())).item()
    lines = [formula, f"Here L = {value:.6g}, with"]
    for name, x in {**inputs, **given}.items():
        start = f"  {name} = "
        shown = np.array2string(np.asarray(x), max_line_width=110, separator=", ", prefix=start)
        lines.append(start + shown.replace("\n\n", "\n"))
    witness = report.subject[report.subject.index("The right numbers") :]
    return Report("\n".join([*lines, witness]), report.findings)


def chain_rule(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 1: the derivative of one expression, at random numbers."""
    w, x, b = rng.uniform(0.5, 2, 3).round(2) * rng.choice([-1, 1], 3)
    dw, dx, db = ask("gradient", w, x, b, returns=3)

    def L(w: Any, x: Any, b: Any) -> Any:
        u = w * x + b
        return u * u

    return judged("L = u² with u = w · x + b", L, {"w": w, "x": x, "b": b}, {"w": dw, "x": dx, "b": db}, rng)


def shared_variable(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 2: a variable on two paths."""
    x, w = rng.uniform(0.5, 2, 2).round(2) * rng.choice([-1, 1], 2)
    dx, dw = ask("gradient", x, w, returns=2)

    def L(x: Any, w: Any) -> Any:
        a = x * w
        c = x + w
        return a * c

    return judged("L = a · c with a = x · w and c = x + w", L, {"x": x, "w": w}, {"x": dx, "w": dw}, rng)


def linear_layer(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 3: dL/dx, dL/dW and dL/db of x @ W + b."""
    N, D, C = rng.integers(2, 6, 3)
    if turn == 1:
        C = D = N  # of square matrices only the numbers show a missing transpose
    x, W, b, g = (normal(rng, *shape) for shape in ((N, D), (D, C), (C,), (N, C)))
    dx, dW, db = ask("backward", x, W, g, returns=3)

    def L(x: Any, W: Any, b: Any) -> Any:
        y = x @ W + b
        return (y * g).sum()

    formula = "L = sum(g * y) with y = x @ W + b: of this loss, dL/dy is g"
    return judged(formula, L, {"x": x, "W": W, "b": b}, {"x": dx, "W": dW, "b": db}, rng, g=g)


def _activation(name: str) -> Check:
    """Return the check of one function of exercise 4."""

    def check(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
        a, g = normal(rng, 5), normal(rng, 5)
        said = ask(f"{name}_backward", a, g)[0]

        def L(a: Any) -> Any:
            return (getattr(a, name)() * g).sum()

        formula = f"L = sum(g * y) with y = {name}(a): of this loss, dL/dy is g"
        return judged(formula, L, {"a": a}, {"a": said}, rng, g=g)

    return check


def _unbroadcast(letters: str) -> Check:
    """Return the check of one shape of exercise 5, where g has the shape (n, m, k)."""

    def check(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
        n, m, k = (int(size) for size in rng.integers(2, 5, 3))
        g, shape = normal(rng, n, m, k), eval(letters, {"n": n, "m": m, "k": k})

        def L(b: Any) -> Any:
            return ((b + np.zeros(g.shape)) * g).sum()

        formula = f"L = sum(g * y) with y = b + zeros({g.shape}): of this loss, dL/dy is g, and dL/db is asked for"
        b, said = normal(rng, *shape), ask("unbroadcast", g, list(shape))[0]
        return judged(f"unbroadcast(g, {shape})\n{formula}", L, {"b": b}, {"b": said}, rng, g=g)

    return check


activations = parts({name: _activation(name) for name in ("relu", "sigmoid", "tanh")})
SHAPES = ("(n, m, k)", "(m, k)", "(k,)", "()", "(m, 1)", "(n, 1, k)", "(1, 1, 1)")
broadcasting = parts({letters: _unbroadcast(letters) for letters in SHAPES})


def cross_entropy(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 6: the gradient of cross-entropy after softmax."""
    N, C = rng.integers(2, 6, 2)
    z, labels = normal(rng, N, C), rng.integers(0, C, N)
    if turn == 2:
        z[0] += 1000
    loss, dz = ask("cross_entropy", z, labels, returns=2)

    def L(z: Any) -> Any:
        return losses.cross_entropy(z, labels)

    formula = "L = mean of -ln softmax(z) at the right classes, the labels"
    report = judged(formula, L, {"z": z}, {"z": dz}, rng, labels=labels)
    right = losses.cross_entropy(z, labels).numpy()
    return Report(report.subject, [_loss_finding("L", loss, right, int(N)), *report.findings])


def network(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 7: all gradients of a network of two layers."""
    N, D, H, C = rng.integers(2, 6, 4)
    x, labels = normal(rng, N, D), rng.integers(0, C, N)
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    inputs = {name: normal(rng, *shape) for name, shape in shapes.items()}
    said = ask("gradients", x, labels, *inputs.values(), returns=4)

    def L(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        h = (Tensor(x) @ W1 + b1).relu()
        return losses.cross_entropy(h @ W2 + b2, labels)

    formula = "L = mean of -ln softmax(z) at the labels, with z = h @ W2 + b2 and h = max(x @ W1 + b1, 0)"
    return judged(formula, L, inputs, dict(zip(inputs, said, strict=True)), rng, x=x, labels=labels)


def adam(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 8: some steps of Adam."""
    from ..doctor.rules import diagnose_optimizer

    def adam(p: Array, g: Array, state: dict[str, Array], t: int, **numbers: float) -> Array:
        m, v = state.get("m", np.zeros_like(p)), state.get("v", np.zeros_like(p))
        new, state["m"], state["v"] = ask("adam", p, g, m, v, t, *numbers.values(), returns=3)
        return new

    lr, eps = 10 ** rng.uniform(-3, -1), 10 ** rng.uniform(-8, -5)
    beta1, beta2 = rng.uniform(0.7, 0.95), rng.uniform(0.97, 0.999)
    return diagnose_optimizer(adam, rng=rng, lr=lr, beta1=beta1, beta2=beta2, eps=eps)


def _loss_finding(name: str, said: Array, right: Array, N: int) -> Finding:
    """Return a finding on the loss; the doctor judges gradients only."""
    mean, found = (
        "Take the mean over the samples",
        ("unknown", "this is not the loss", "Work out one sample by hand, as in the task."),
    )
    if said.shape != right.shape:
        found = "shape", f"its shape is {said.shape}, not that of one number", f"{mean}."
    elif not np.isfinite(said):
        found = "nan", "it is NaN or infinite", "Subtract the largest score from each row before e^z."
    elif np.isclose(said, right, rtol=1e-6, atol=1e-9):
        return Finding(name, None, "", "", said, right)
    elif np.isclose(said, N * right):
        found = "factor", f"it is N = {N} times too large", f"{mean}, not the sum."
    elif np.isclose(said, -right):
        found = "sign", "its sign is turned round", "The logarithm of a probability is below 0, the loss is not."
    return Finding(name, *found, said, right)


def compared(
    name: str, said: Array, right: Any, wrong: Mapping[Any, tuple[str, str, str]] = MappingProxyType({})
) -> Finding:
    """Return a finding on numbers that are no gradient.

    Parameters
    ----------
    name : of the answer
    said, right : the numbers that were given, and the right ones
    wrong : numbers, or a tuple of them, that a mistake leads to, and its key, text and hint
    """
    right = np.asarray(right, float)
    if said.shape == right.shape and np.allclose(said, right, rtol=1e-6, atol=1e-9):
        return Finding(name, None, "", "", said, right)
    for numbers, found in wrong.items():
        if said.shape == np.shape(numbers) and np.allclose(said, numbers, rtol=1e-6, atol=1e-9):
            return Finding(name, *found, said, right)
    if said.shape != right.shape:
        return Finding(name, "shape", "its shape is not the right one", "See the task's first lines.", said, right)
    return Finding(name, "unknown", "this is not it", "Work out one case by hand, as in the task.", said, right)
