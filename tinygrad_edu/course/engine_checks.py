"""The checks of "build it yourself": a student's Tensor, layers and Adam beside ours, at random numbers.

Most are expressions, ``x * y + x``, that the student's Tensor and ours compute. The doctor judges the gradients; the
mistakes of engines, which no formula on paper has, are those of `MISTAKES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..core import losses
from ..core.layers import mlp
from ..core.ops import Array
from ..core.optimizers import Adam
from ..core.tensor import Tensor
from ..doctor.report import Finding, Report
from ..doctor.rules import diagnose_optimizer
from ..training.data import batches, digits
from . import probes
from .checks import Ask, judged, normal

PROBES = Path(probes.__file__)
OURS = SimpleNamespace(Tensor=Tensor)
MISTAKES = {  # text, hint
    "integer": ("the data are whole numbers", "Make them floats: np.asarray(data, dtype=float). A step of 0.01 is no "
                "whole number."),
    "turned round": ("the two sides are exchanged", "3.0 - x calls x.__rsub__(3.0): self is the right side there."),
    "value": ("this is not the value", "Work out the forward formula by hand; the gradient comes after."),
    "overwritten": ("only the last share of the gradient is there: = where += belongs",
                    "Begin with no gradient, and add each share: what is used twice gets the sum of two. If you do "
                    "add: was the node left before its last share had come?"),
    "order": ("the gradient was passed on before all its shares had arrived, or more than once",
              "Sort the graph first: every node after its parents. Go through it backwards, each node once."),
    "leftovers": ("a second backward() starts from numbers that the first has left in the nodes between",
                  "Keep the gradients of nodes between in a dict that backward() makes anew; only leaves keep theirs."),
    "kept once": ("a second backward() puts its gradient in the place of the first",
                  "Leaves add up: node.grad = g if node.grad is None else node.grad + g."),
    "unsummed": ("its shape is not that of its input", "Sum the gradient over the axes that broadcasting added, and "
                 "over those it stretched, with keepdims=True."),
    "relu at the end": ("the last layer has a relu, too", "Logits may be below 0: no relu behind the last layer."),
    "no relu": ("there is no relu between the layers", "Two linear maps, one behind the other, are one linear map."),
    "symmetric": ("all weights of a W are the same", "Draw them at random, or all hidden units learn the same."),
    "scale": ("the weights are too large or too small", "Take rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in)."),
    "biases": ("the biases do not start at 0", "np.zeros(n_out) is all that they need."),
    "layout": ("its shape is another one", "parameters() is [W, b] of each layer, in order; W is (n_in, n_out)."),
    "not cleared": ("the gradients of earlier steps are added to this one's", "zero_grad() sets each p.grad to None."),
    "training": ("the losses leave ours", "Look at the first line that differs: the step before it was another one."),
    "weights": ("the losses are ours, the weights at the end are not", "Is p.data the array that step() changes?"),
}  # fmt: skip


class Expression(NamedTuple):
    """An expression to compute and to differentiate.

    shapes : of its inputs, by name; by default two numbers
    wrong : numbers that a mistake leads to, as a value or as a gradient of x, and the mistake
    otherwise : the mistake if nothing else explains a wrong gradient
    kind : "value" if only that is looked at; "positive" for a logarithm; "twice" for two calls of backward()
    """

    text: str
    shapes: Mapping[str, tuple[int, ...]] = {"x": (), "y": ()}
    wrong: Mapping[str, str] = {}
    otherwise: str = ""
    kind: str = ""


def expressions(*rows: Expression) -> Callable[[Ask, np.random.Generator, int], Report]:
    """Return a check of these expressions, one after the other, up to the first that is wrong."""

    def check(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
        for row in rows:
            report = _expression(row, ask, rng)
            if not report.right:
                break
        return report

    return check


def _expression(row: Expression, ask: Ask, rng: np.random.Generator) -> Report:
    inputs = {name: normal(rng, *shape) if shape else _number(rng) for name, shape in row.shapes.items()}
    if row.kind == "positive":
        inputs = {name: np.abs(x) + 0.25 for name, x in inputs.items()}
    names, passes = " ".join(inputs), 1 + (row.kind == "twice")

    def L(*tensors: Any) -> Any:
        return probes.evaluate(OURS, row.text, names, tensors)

    right, formula = L(*map(Tensor, inputs.values())).numpy(), f"L = {row.text}"
    if row.kind == "value":
        said, gradients = ask("value", row.text, names, *inputs.values())[0], list[Array]()
    else:
        said, *gradients = ask("gradients", row.text, names, passes, *inputs.values(), returns=1 + len(inputs))
    if said.dtype.kind != "f" or not _close(said, right):
        key = "integer" if said.dtype.kind != "f" else _planted(row, inputs, said) or "value"
        return _one(given(formula, inputs), "L", key, said, right)
    if not gradients:
        return Report(formula, [Finding("L", None, "", "", said, right)])
    shares = dict(zip(inputs, [g / passes for g in gradients], strict=True))
    report = judged(formula, L, inputs, shares, rng)
    subject = f"{report.subject}\nbackward() was called twice: twice these numbers are right" * (passes > 1)
    findings = [_reworded(found, row, inputs, g, passes) for found, g in zip(report.findings, gradients, strict=True)]
    return Report(subject or report.subject, findings)


def _reworded(found: Finding, row: Expression, inputs: dict[str, Array], said: Array, passes: int) -> Finding:
    """Return the finding with the name of an engine's mistake, if there is one, in place of that of a formula's."""
    if found.mistake is None:
        return found
    key = _planted(row, inputs, said) or row.otherwise
    if passes > 1 and _close(said, found.expected):
        key = "kept once"
    if said.shape != found.expected.shape:
        key = "unsummed"
    return Finding(found.name, key, *MISTAKES[key], said, found.expected * passes) if key else found


def _planted(row: Expression, inputs: dict[str, Array], said: Array) -> str:
    """Return the mistake that leads to the number that was said."""
    return next((key for text, key in row.wrong.items() if _close(said, np.asarray(eval(text, {}, dict(inputs))))), "")


def parameters(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Look at a network's first weights, then at its output and gradients with weights of ours."""
    sizes = [int(n) for n in rng.integers(5, 9, 3)]
    shapes = [(sizes[0], sizes[1]), (sizes[1],), (sizes[1], sizes[2]), (sizes[2],)]
    first = ask("parameters", turn, *sizes, returns=4)
    for i, (said, shape) in enumerate(zip(first, shapes, strict=True)):
        key = "" if said.shape == shape else "layout"
        if not key and len(shape) == 1:
            key = "biases" * bool(said.any())
        elif not key:
            key = "symmetric" if np.ptp(said) == 0 else "scale" * (not 0.3 < said.std() * (shape[0] / 2) ** 0.5 < 2)
        if key:
            return _one(f"The first weights of MLP({sizes}, rng)", f"parameters()[{i}]", key, said, np.zeros(shape))
    x, weights = normal(rng, 4, sizes[0]), [normal(rng, *shape) for shape in shapes]
    W1, b1, W2, b2 = weights
    z = x @ W1 + b1
    right = np.maximum(z, 0) @ W2 + b2
    said, *gradients = ask("network", x, *weights, returns=5)
    subject = f"The output of MLP({sizes}, rng), with weights of mine, for 4 samples"
    if not _close(said, right):
        key = "relu at the end" if _close(said, np.maximum(right, 0)) else "value"
        return _one(subject, "output", "no relu" if _close(said, z @ W2 + b2) else key, said, right)

    def L(*w: Any) -> Any:
        return ((x @ w[0] + w[1]).relu() @ w[2] + w[3]).sum()

    given = dict(zip(("W1", "b1", "W2", "b2"), weights, strict=True))
    return judged("L = sum of the output", L, given, dict(zip(given, gradients, strict=True)), rng, x=x)


def adam(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Have the doctor of update rules judge twelve steps."""
    cumulated = False

    def adam(p: Array, g: Array, state: dict[str, Any], t: int, **numbers: float) -> Array:
        nonlocal cumulated
        state.setdefault("start", p.copy())
        rows = state["rows"] = [*state.get("rows", []), g]
        new = ask("adam", state["start"], np.array(rows), *numbers.values())[0]
        added = _path(state["start"], np.cumsum(rows, axis=0), numbers)
        cumulated |= len(rows) > 1 and np.allclose(new, added, rtol=1e-12, atol=0) and np.ptp(rows, axis=0).any()
        return new

    lr, eps = 10 ** rng.uniform(-3, -1), 10 ** rng.uniform(-8, -5)
    beta1, beta2 = rng.uniform(0.7, 0.95), rng.uniform(0.97, 0.999)
    report = diagnose_optimizer(adam, rng=rng, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    if report.right or not cumulated:
        return report
    return _one(report.subject, "step", "not cleared", report.findings[0].said, report.findings[0].expected)


def _path(start: Array, rows: Array, numbers: dict[str, Any]) -> Array:
    """Return the parameter after our steps along these gradients."""
    p = Tensor(start.copy(), requires_grad=True)
    optimizer = Adam([p], **numbers)
    for row in rows:
        p.grad = row
        optimizer.step()
    return p.numpy()


def training(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Train on the digits in the student's engine and in ours, from the same weights, in the same order."""
    X, y, X_test, y_test = digits(rng=int(rng.integers(1000)))
    model = mlp([64, 16, 10], rng=int(rng.integers(1000)))
    weights, lr, size, epochs = [p.numpy() for p in model.parameters()], 0.02, 64, 5
    X, y = np.concatenate([X] * epochs), np.concatenate([y] * epochs)
    losses_, *said = ask("train", X, y, size, lr, *weights, returns=5)
    optimizer, ours = Adam(model, lr=lr), []
    for xb, yb in batches(X, y, size, shuffle=False):
        optimizer.zero_grad()
        loss = losses.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        ours.append(loss.item())
    right = np.array(ours)
    W1, b1, W2, b2 = said
    hits = ((np.maximum(X_test @ W1 + b1, 0) @ W2 + b2).argmax(axis=1) == y_test).mean()
    subject = _table(losses_, right)
    if not _close(losses_, right):
        return _one(subject, "losses", "training", losses_, right)
    if not all(_close(a, p.numpy()) for a, p in zip(said, model.parameters(), strict=True)):
        return _one(subject, "W1", "weights", W1, next(iter(model.parameters())).numpy())
    text = (
        f"the losses and all 1,210 weights are ours to 1e-9; of the 360 digits held out your network reads {hits:.1%}"
    )
    return Report(subject, [Finding("training", None, f"{text}\n{subject}", "", losses_, right)])


def _table(said: Array, right: Array) -> str:
    """Return losses side by side: the first updates, and then fewer, and the first that differs."""
    n = min(len(said), len(right))
    off = np.flatnonzero(~np.isclose(said[:n], right[:n], rtol=1e-9))
    rows = sorted({*[t for t in (0, 1, 2, 4, 9, 19, 49, n - 1) if t < n], *map(int, off[:1])})
    lines = [f"{'update':>8}  {'your loss':>14}  {'our loss':>14}  {'difference':>10}"]
    lines += [f"{t + 1:>8}  {said[t]:14.10f}  {right[t]:14.10f}  {said[t] - right[t]:10.1e}" for t in rows]
    return "\n".join(lines)


def _number(rng: np.random.Generator) -> Array:
    """Return a number of two decimals whose square, half and inverse are others."""
    return np.asarray((rng.choice([-1, 1]) * rng.uniform(2.1, 3.9)).round(2))


def _close(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-9, atol=1e-11))


def given(formula: str, inputs: dict[str, Any]) -> str:
    """Return the formula, and all numbers in it."""
    shown = [f"  {name} = {np.array2string(np.asarray(x), separator=', ')}" for name, x in inputs.items()]
    return "\n".join([f"{formula}, with", *shown])


def _one(subject: str, name: str, key: str, said: Array, right: Array) -> Report:
    """Return a report of one mistake."""
    return Report(subject, [Finding(name, key, *MISTAKES[key], said, right)])
