"""The questions that the checks of "build it yourself" ask a student's file, which holds a Tensor, layers and Adam.

`submission` runs this file behind the student's, in the same process, and gives each function the names of that file:
``mine.Tensor`` is the student's class. So it imports nothing of ours. `build` computes with our own classes in
``mine`` what the answers have to be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def repeat(f: Callable[[Any], Any], x: Any, n: int) -> Any:
    """Return f(f(... f(x))), n times."""
    for _ in range(n):
        x = f(x)
    return x


def evaluate(mine: Any, text: str, names: str, tensors: Any) -> Any:
    """Return the value of an expression, a Tensor, where the names stand for the tensors."""
    given = dict(zip(names.split(), tensors, strict=True))
    return eval(text, {"Tensor": mine.Tensor, "repeat": repeat, **given})


def value(mine: Any, text: str, names: str, *inputs: Any) -> Array:
    """Return the number or array that an expression computes."""
    return _data(mine, evaluate(mine, text, names, [mine.Tensor(x) for x in inputs]), text)


def gradients(mine: Any, text: str, names: str, passes: int, *inputs: Any) -> list[Any]:
    """Return the value of an expression, and the gradient of each input after so many calls of backward()."""
    tensors = [mine.Tensor(x) for x in inputs]
    y = evaluate(mine, text, names, tensors)
    for _ in range(passes):
        y.backward()
    return [_data(mine, y, text), *(_gradient(mine, t, name) for t, name in zip(tensors, names.split(), strict=True))]


def parameters(mine: Any, seed: int, *sizes: int) -> list[Any]:
    """Return the parameters of a new network."""
    model = mine.MLP([int(n) for n in sizes], np.random.default_rng(int(seed)))
    return [_data(mine, p, "a parameter") for p in _parameters(mine, model, 2 * (len(sizes) - 1))]


def network(mine: Any, x: Array, *weights: Array) -> list[Any]:
    """Return the output of a network with these weights for x, and the gradients of the weights, of its sum."""
    model, held = _loaded(mine, weights)
    y = model(mine.Tensor(x))
    y.sum().backward()
    return [_data(mine, y, "the output"), *(_gradient(mine, p, f"parameters()[{i}]") for i, p in enumerate(held))]


def cross_entropy(mine: Any, z: Array, labels: Array) -> list[Any]:
    """Return the loss of these logits, and its gradient."""
    logits = mine.Tensor(z)
    loss = mine.cross_entropy(logits, labels)
    loss.backward()
    return [_data(mine, loss, "the loss"), _gradient(mine, logits, "the logits")]


def adam(mine: Any, p: Array, g: Array, *numbers: float) -> Array:
    """Return p after a step for each row of g."""
    held = mine.Tensor(p)
    optimizer = mine.Adam([held], *numbers)
    for row in g:
        optimizer.zero_grad()
        (held * mine.Tensor(row)).sum().backward()  # of this loss, the gradient is the row
        optimizer.step()
    return _data(mine, held, "the parameter")


def train(mine: Any, X: Array, labels: Array, batch_size: int, lr: float, *weights: Array) -> list[Any]:
    """Train a network that has these weights on the samples in their order, and return the losses and the weights."""
    model, held = _loaded(mine, weights)
    optimizer, losses = mine.Adam(held, lr), []
    for start in range(0, len(X), int(batch_size)):
        rows = slice(start, start + int(batch_size))
        optimizer.zero_grad()
        loss = mine.cross_entropy(model(mine.Tensor(X[rows])), labels[rows])
        loss.backward()
        optimizer.step()
        losses.append(float(_data(mine, loss, "the loss")))
    return [np.array(losses), *(_data(mine, p, "a parameter") for p in held)]


def _loaded(mine: Any, weights: Any) -> tuple[Any, list[Any]]:
    """Return a network that has these weights, and the list of its parameters."""
    model = mine.MLP([len(weights[0]), *(len(b) for b in weights[1::2])], np.random.default_rng(0))
    held = _parameters(mine, model, len(weights))
    for p, w in zip(held, weights, strict=True):
        if np.shape(p.data) != w.shape:
            mine.missing(f"parameters() has to be W and b of the first layer, then of the next, here of shapes "
                         f"{[v.shape for v in weights]}; yours are {[np.shape(q.data) for q in held]}")  # fmt: skip
        p.data = w.copy()
    return model, held


def _parameters(mine: Any, model: Any, n: int) -> list[Any]:
    held = list(model.parameters())
    if len(held) != n:
        mine.missing(f"parameters() has to be a list of {n} Tensors here, a W and a b for each layer, not {len(held)}")
    return held


def _data(mine: Any, t: Any, name: str) -> Array:
    if not hasattr(t, "data") or isinstance(t, (np.ndarray, float)):
        mine.missing(f"{name} has to be a Tensor, not {type(t).__name__}: return Tensor(...)")
    return np.asarray(t.data)


def _gradient(mine: Any, t: Any, name: str) -> Array:
    if getattr(t, "grad", None) is None:
        mine.missing(f"after backward(), {name}.grad is {'None' if hasattr(t, 'grad') else 'not there'}")
    return np.asarray(t.grad)
