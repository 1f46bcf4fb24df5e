"""Exercises 9 to 16, from a slope to a class of one's own; `table` lists all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.ops import Array
from ..doctor.report import Finding, Report
from ..doctor.rules import diagnose_optimizer
from ..training.schedules import cosine, linear_warmup
from .checks import Ask, compared, judged, normal, parts
from .engine_checks import Expression, expressions, given


def _slope(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 9: a difference from both sides."""
    a, b, x, h = *normal(rng, 2), round(rng.uniform(1, 2), 2), 0.1

    def f(w: float) -> float:
        return float(a * w**3 + b * w)

    right = (f(x + h) - f(x - h)) / (2 * h)
    said = ask("slope", a, b, x, h)[0]
    found = compared("slope", said, right, {
        (f(x + h) - f(x)) / h: ("one side", "it looks to one side only", "Take J(w + h) and J(w - h): the error is "
                                "of the order h² then."),
        (f(x + h) - f(x - h)) / h: ("factor", "it is twice what it should be", "From w - h to w + h the way is 2h."),
        -right: ("sign", "its sign is turned round", "J(w + h) minus J(w - h), in this order."),
        3 * a * x**2 + b: ("exact", "it is the derivative itself", "Here the slope is to be measured, with this h."),
    })  # fmt: skip
    return Report(given("slope(a, b, w, h) of J(w) = a w³ + b w", {"a": a, "b": b, "w": x, "h": h}), [found])


def _descend(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 9: some steps of descent."""
    a, x = normal(rng, 1)[0], round(rng.uniform(1, 2), 2)
    lr, steps = round(rng.uniform(0.01, 0.05), 3), 3 + turn
    ends = {}
    for sign in (-1, 1):
        w = x
        for _ in range(steps):
            w = w + sign * lr * 2 * (w - a)
        ends[sign] = w
    said = ask("descend", a, x, lr, steps)[0]
    found = compared("descend", said, ends[-1], {
        ends[1]: ("sign", "it goes up the slope", "Against the slope: w - lr · slope."),
        x - lr * 2 * (x - a): ("one step", "it has taken one step", "Take the slope anew at each point, steps times."),
        x - steps * lr * 2 * (x - a): ("slope of the start", "all steps have the slope of the start",
                                       "Take the slope anew at each point."),
    })  # fmt: skip
    values = {"a": a, "w": x, "lr": lr, "steps": steps}
    return Report(given("descend(a, w, lr, steps) on J(w) = (w - a)²", values), [found])


slope = parts({"slope": _slope, "descend": _descend})


def cost(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 10: J of a line, and its gradient."""
    N = int(rng.integers(3, 7))
    x, y, w, b = normal(rng, N), normal(rng, N), *normal(rng, 2)
    J, dw, db = ask("cost", w, b, x, y, returns=3)
    error = w * x + b - y
    found = compared("J", J, np.mean(error**2), {
        np.sum(error**2): ("factor", f"it is N = {N} times too large", "Take the mean over the samples, not the sum."),
        np.mean(np.abs(error)): ("abs", "it is the mean of |error|", "Square each error first."),
        np.mean(error) ** 2: ("order", "it is the square of the mean", "Square each error first, then take the mean."),
    })  # fmt: skip

    def L(w: Any, b: Any) -> Any:
        return ((w * x + b - y) ** 2).mean()

    report = judged("J = mean of (w · x + b - y)²", L, {"w": w, "b": b}, {"w": dw, "b": db}, rng, x=x, y=y)
    return Report(report.subject, [found, *report.findings])


def averages(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 11: all values of a corrected moving average."""
    values, beta = normal(rng, 5 + turn), round(rng.uniform(0.5, 0.95), 2)
    t, plain, total = np.arange(1, len(values) + 1), [0.0], [0.0]
    for x in values:
        plain.append(beta * plain[-1] + (1 - beta) * x)
        total.append(beta * total[-1] + x)
    V, part, back = np.array(plain[1:]), 1 - beta**t, [0.0]
    for k, x in zip(t, values):
        back.append((beta * back[-1] + (1 - beta) * x) / (1 - beta**k))
    said = ask("averages", values, beta)[0]
    found = compared("averages", said, V / part, {
        tuple(V): ("uncorrected", "it is not corrected for its start at 0", "Divide by 1 - beta^t, t = 1, 2, ..."),
        tuple(V * part): ("multiplied", "it is multiplied by 1 - beta^t", "The average is too small at first: divide."),
        tuple(np.array(total[1:]) / part): ("sum for average", "x comes in without 1 - beta",
                                            "V is beta · V + (1 - beta) · x."),
        tuple(back[1:]): ("written back", "the corrected values are averaged once more",
                          "Keep V as it is, and give the corrected one a name of its own."),
    })  # fmt: skip
    return Report(given("averages(values, beta)", {"values": values, "beta": beta}), [found])


def momentum(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 12: some steps of momentum, the moving average of courses."""

    def momentum(p: Array, g: Array, state: dict[str, Array], t: int, lr: float, beta: float) -> Array:
        new, state["v"] = ask("momentum", p, g, state.get("v", np.zeros_like(p)), lr, beta, returns=2)
        return new

    lr, beta = 10 ** rng.uniform(-3, -1), rng.uniform(0.5, 0.95)
    return diagnose_optimizer(momentum, "Momentum", rng=rng, lr=lr, beta=beta)


def rmsprop(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 13: some steps of RMSProp."""

    def rmsprop(p: Array, g: Array, state: dict[str, Array], t: int, lr: float, rho: float, eps: float) -> Array:
        new, state["v"] = ask("rmsprop", p, g, state.get("v", np.zeros_like(p)), lr, rho, eps, returns=2)
        return new

    lr, rho, eps = 10 ** rng.uniform(-3, -1), rng.uniform(0.8, 0.99), 10 ** rng.uniform(-8, -5)
    return diagnose_optimizer(rmsprop, "RMSprop", rng=rng, lr=lr, rho=rho, eps=eps)


def schedule(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 14: the rates of all updates, and of some behind the end."""
    lr, warmup, steps = round(rng.uniform(0.01, 0.3), 3), int(rng.integers(4, 9)), int(rng.integers(20, 30))
    t = np.arange(1, steps + 6)
    rule = linear_warmup(cosine(lr, steps), warmup)
    right = np.array([rule(int(k)) for k in t])
    late = np.array([rule(int(k) + 1) for k in t])
    wave = lr * (1 + np.cos(np.pi * (t - 1) / steps)) / 2
    said = np.array([ask("rate", int(k), lr, warmup, steps)[0] for k in t], float)
    found = compared("rate", said, right, {
        tuple(late): ("t late", "t is taken for the updates that are done", "Before update t, t - 1 are done."),
        tuple(right / lr): ("lr unused", "it is not multiplied by lr", "Multiply by lr."),
        tuple(wave * np.minimum((t - 1) / warmup, 1)): ("rises again", "behind the end it rises again",
                                                        "Put min(e / steps, 1) into the cosine."),
        tuple(np.where(t - 1 < warmup, lr * (t - 1) / warmup, right)): ("not both", "the warm-up is not multiplied "
                                                                        "with the cosine", "Multiply the two."),
    })  # fmt: skip
    return Report(given("rate(t, lr, warmup, steps)", {"t": t, "lr": lr, "warmup": warmup, "steps": steps}), [found])


def initialisation(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    """Exercise 15: W and b of a layer of relus."""
    n_in, n_out, seed = int(rng.integers(150, 250)), int(rng.integers(90, 120)), int(rng.integers(1000))
    W, b = ask("weights", n_in, n_out, seed, returns=2)
    again, other = ask("weights", n_in, n_out, seed, returns=2)[0], ask("weights", n_in, n_out, seed + 1, returns=2)[0]
    fitting = W.shape == (n_in, n_out)
    size, wanted = float(np.std(W)), (2 / n_in) ** 0.5
    rows = [  # the first that is true is the mistake
        (W.shape == (n_out, n_in), "transposed", "it has the shape (n_out, n_in)", "x @ W wants (n_in, n_out)."),
        (not fitting, "shape", "it has another shape", "(n_in, n_out)."),
        (np.ptp(W) == 0, "symmetric", "all are the same", "Equal units learn the same: draw them at random."),
        (not np.array_equal(W, again), "random", "the same seed gives other numbers", "np.random.default_rng(seed)."),
        (np.array_equal(W, other), "fixed", "another seed gives the same numbers", "np.random.default_rng(seed)."),
        (abs(W.mean()) > wanted / 4, "mean", "their mean is not 0", "rng.standard_normal has mean 0, rng.random not."),
        (abs(size / wanted - 2**-0.5) < 0.05, "gain", "their variance is 1 / n_in", "relu loses half: 2 / n_in."),
        (abs(size / wanted - wanted) < 0.1 * wanted, "root", "their deviation is 2 / n_in", "2 / n_in is the variance: "
         "take its root."),
        (abs(size / wanted - 1) > 0.05, "scale", f"their deviation is {size:.3g}", "√(2 / n_in), from the inputs."),
    ]  # fmt: skip
    _, key, text, hint = next((row for row in rows if row[0]), (False, "", "", ""))
    findings = [Finding("W", key or None, text, hint, np.asarray(size), np.asarray(wanted))]
    zeros = b.shape == (n_out,) and not b.any()
    zero = Finding("b", None, "", "", b, np.zeros(n_out))
    findings.append(
        zero if zeros else zero._replace(mistake="biases", text="they are not zeros", hint="np.zeros(n_out).")
    )
    return Report(f"weights({n_in}, {n_out}, {seed}); the deviation of W stands below", findings)


ONE = {"x": ()}
value = parts({row.text: expressions(row) for row in (
    Expression("x + y * 2.0 + 1.0", kind="value"),
    Expression("x * y"),
    Expression("x * x", ONE, {"x": "overwritten"}),
    Expression("(a := x * y) * a + 3.0 * a + x", otherwise="order"),
    Expression("x - y * x"),
)})  # fmt: skip
