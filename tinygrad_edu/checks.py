"""What the exercises ask, and how an answer is judged: by the doctor, on random numbers that nobody has seen before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import losses
from .doctor import Finding, Report, diagnose
from .ops import Array
from .tensor import Tensor


class Ask(Protocol):
    """Calls a function of the student's file: ask("gradient", w, x, b, returns=3) is a list of three arrays."""

    def __call__(self, name: str, *args: Any, returns: int = 1) -> list[Array]: ...


class Exercise(NamedTuple):
    number: int
    name: str  # the file is exercises/{number}_{name}.py
    title: str
    check: Callable[[Ask, np.random.Generator, int], Report]  # turn 0, 1 and 2 bring other difficulties


def chain_rule(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    w, x, b = rng.uniform(0.5, 2, 3) * rng.choice([-1, 1], 3)
    dw, dx, db = ask("gradient", w, x, b, returns=3)

    def L(w: Any, x: Any, b: Any) -> Any:
        u = w * x + b
        return u * u

    return diagnose(L, {"w": w, "x": x, "b": b}, {"w": dw, "x": dx, "b": db}, rng=rng)


def shared_variable(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    x, w = rng.uniform(0.5, 2, 2) * rng.choice([-1, 1], 2)
    dx, dw = ask("gradient", x, w, returns=2)

    def L(x: Any, w: Any) -> Any:
        a = x * w
        c = x + w
        return a * c

    return diagnose(L, {"x": x, "w": w}, {"x": dx, "w": dw}, rng=rng)


def linear_layer(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    N, D, C = rng.integers(2, 6, 3)
    if turn == 1:
        C = D = N  # where only the numbers show that something is transposed
    x, W, b, g = (rng.standard_normal(shape) for shape in ((N, D), (D, C), C, (N, C)))
    dx, dW, db = ask("backward", x, W, g, returns=3)

    def L(x: Any, W: Any, b: Any) -> Any:
        y = x @ W + b
        return (y * g).sum()

    return diagnose(L, {"x": x, "W": W, "b": b}, {"x": dx, "W": dW, "b": db}, rng=rng)


def activations(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    names = ("relu", "sigmoid", "tanh")
    inputs = {name: rng.standard_normal(5) for name in names}
    g = {name: rng.standard_normal(5) for name in names}
    said = {name: ask(f"{name}_backward", inputs[name], g[name])[0] for name in names}

    def L(a: Any, b: Any, c: Any) -> Any:
        return (a.relu() * g["relu"] + b.sigmoid() * g["sigmoid"] + c.tanh() * g["tanh"]).sum()

    return diagnose(L, inputs, said, rng=rng)


def broadcasting(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    n, m, k = (int(size) for size in rng.integers(2, 5, 3))
    g = rng.standard_normal((n, m, k))

    def L(b: Any) -> Any:
        return ((b + np.zeros(g.shape)) * g).sum()

    for shape in [(n, m, k), (m, k), (k,), (), (m, 1), (n, 1, k), (1, 1, 1)]:
        b = rng.standard_normal(shape)
        report = diagnose(L, {"b": b}, {"b": ask("unbroadcast", g, list(shape))[0]}, rng=rng)
        if not report.right:
            break
    return report


def cross_entropy(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    N, C = rng.integers(2, 6, 2)
    z, labels = rng.standard_normal((N, C)), rng.integers(0, C, N)
    if turn == 2:
        z[0] += 1000
    loss, dz = ask("cross_entropy", z, labels, returns=2)

    def L(z: Any) -> Any:
        return losses.cross_entropy(z, labels)

    report = diagnose(L, {"z": z}, {"z": dz}, rng=rng)
    right = losses.cross_entropy(z, labels).numpy()
    return Report(report.subject, [_value("L", loss, right, int(N)), *report.findings])


def network(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    N, D, H, C = rng.integers(2, 6, 4)
    x, labels = rng.standard_normal((N, D)), rng.integers(0, C, N)
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    said = ask("gradients", x, labels, *inputs.values(), returns=4)

    def L(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        h = (Tensor(x) @ W1 + b1).relu()
        return losses.cross_entropy(h @ W2 + b2, labels)

    return diagnose(L, inputs, dict(zip(inputs, said, strict=True)), rng=rng)


def adam(ask: Ask, rng: np.random.Generator, turn: int) -> Report:
    from .ruledoctor import diagnose_optimizer  # which brings Numba

    def adam(p: Array, g: Array, state: dict[str, Array], t: int, **numbers: float) -> Array:
        m, v = state.get("m", np.zeros_like(p)), state.get("v", np.zeros_like(p))
        new, state["m"], state["v"] = ask("adam", p, g, m, v, t, *numbers.values(), returns=3)
        return new

    lr, eps = 10 ** rng.uniform(-3, -1), 10 ** rng.uniform(-8, -5)
    beta1, beta2 = rng.uniform(0.7, 0.95), rng.uniform(0.97, 0.999)
    return diagnose_optimizer(adam, rng=rng, lr=lr, beta1=beta1, beta2=beta2, eps=eps)


def _value(name: str, said: Array, right: Array, N: int) -> Finding:
    """A finding on the loss, which is no gradient."""
    key, text, hint = "unknown", "this is not the loss", "Work out one sample by hand, as in the task."
    if said.shape != right.shape:
        key, text, hint = (
            "shape",
            f"its shape is {said.shape}, not that of one number",
            "Take the mean over the samples.",
        )
    elif not np.isfinite(said):
        key, text, hint = "nan", "it is NaN or infinite", "Take the largest score out of each row before e^z."
    elif np.isclose(said, right, rtol=1e-6, atol=1e-9):
        return Finding(name, None, "", "", said, right)
    elif np.isclose(said, N * right):
        key, text, hint = "factor", f"it is N = {N} times too large", "Take the mean over the samples, not the sum."
    elif np.isclose(said, -right):
        key, text, hint = (
            "sign",
            "its sign is turned round",
            "The logarithm of a probability is below 0, the loss is not.",
        )
    return Finding(name, key, text, hint, said, right)


EXERCISES = [
    Exercise(1, "chain_rule", "the chain rule, by hand", chain_rule),
    Exercise(2, "shared_variable", "a variable that is used twice: why +=", shared_variable),
    Exercise(3, "linear_layer", "backward through x @ W + b", linear_layer),
    Exercise(4, "activations", "backward through relu, sigmoid and tanh", activations),
    Exercise(5, "broadcasting", "undoing broadcasting", broadcasting),
    Exercise(6, "cross_entropy", "softmax and cross-entropy", cross_entropy),
    Exercise(7, "network", "a whole network of two layers", network),
    Exercise(8, "adam", "one step of Adam", adam),
]
