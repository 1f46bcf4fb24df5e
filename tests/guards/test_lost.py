"""Leaves that get a gradient and belong to nobody: warned of by name at the first step. Nobody else is accused."""

import warnings
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit

X = np.random.default_rng(0).standard_normal((6, 3))


class Plain:
    def __init__(self, layer):
        self.layer = layer


@dataclass
class Parts:
    head: tg.Linear


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


def objects(layers):
    array = np.empty(len(layers), object)
    array[:] = layers
    return array


KEEPERS = {
    "plain object": (lambda layer: Plain(layer), lambda kept, x: kept.layer(x), "kept.layer.W, kept.layer.b"),
    "dataclass": (lambda layer: Parts(layer), lambda kept, x: kept.head(x), "kept.head.W, kept.head.b"),
    "slots": (lambda layer: Slotted([layer]), lambda kept, x: kept.inner[0](x), "kept.inner.0.W, kept.inner.0.b"),
    "set": (lambda layer: {layer}, lambda kept, x: next(iter(kept))(x), "kept.0.W, kept.0.b"),
    "deque": (lambda layer: deque([layer]), lambda kept, x: kept[0](x), "kept.0.W, kept.0.b"),
    "array": (lambda layer: objects([layer]), lambda kept, x: kept[0](x), "kept.0.W, kept.0.b"),
    "closure": (lambda layer: lambda x: layer(x), lambda kept, x: kept(x), "kept.layer.W, kept.layer.b"),
    "a Tensor": (
        lambda layer: Plain(tg.Tensor(np.ones((3, 3)), requires_grad=True)),
        lambda kept, x: x @ kept.layer,
        "kept.layer",
    ),
}


class Model(tg.Layer):
    def __init__(self, kept, use):
        self.first, self.kept, self.use = tg.Linear(3, 3, rng=0), kept, use

    def forward(self, x):
        return self.use(self.kept, self.first(x))


def step(model, optimizer, x=X):
    optimizer.zero_grad()
    (model(x) ** 2).mean().backward()
    optimizer.step()


def said(model, optimizer, steps=3, x=X):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(steps):
            step(model, optimizer, x)
    return [str(w.message) for w in found]


@pytest.mark.parametrize("where", KEEPERS)
def test_a_layer_where_the_model_does_not_look_is_named_at_the_first_step(where):
    make, use, names = KEEPERS[where]
    model = Model(make(tg.Linear(3, 3, rng=1)), use)
    (message,) = said(model, tg.SGD(model))
    assert message.startswith(f"{names} got a gradient, but no optimizer has it")


@pytest.mark.parametrize("where", ["plain object", "set", "closure"])
def test_a_compiled_step_names_it_too(where, monkeypatch):
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)
    make, use, names = KEEPERS[where]
    model = Model(make(tg.Linear(3, 3, rng=1)), use)
    optimizer = tg.SGD(model, lr=0.1)
    with pytest.warns(UserWarning, match=f"^{names} got a gradient") as told:
        tg.compile_step(model, tg.mse_loss, optimizer, X, X, quiet=True)(X, X)
    assert len(told) == 1
    assert told[0].filename == __file__


def test_a_layer_made_in_forward_is_named():
    model = Model(None, lambda _, x: tg.Linear(3, 2, rng=1)(x))
    (message,) = said(model, tg.SGD(model))
    assert message.startswith("W (3, 2), b (2,) got a gradient")


def test_each_optimizer_is_looked_at_and_the_warning_points_at_the_step():
    for _ in range(2):
        model = Model({tg.Linear(3, 3, rng=1)}, KEEPERS["set"][1])
        with pytest.warns(UserWarning, match=r"kept\.0\.W") as found:
            step(model, tg.SGD(model))
        assert found[0].filename == __file__


def test_nobody_else_is_accused():
    """Inputs that require a gradient, a part that was left out, a model beside it, two optimizers in turns."""
    model = tg.mlp([3, 4, 2], rng=0)
    assert not said(model, tg.SGD(model), x=tg.Tensor(X, requires_grad=True))
    assert not said(model, tg.SGD(model.layers[2]))
    base, head = tg.Linear(3, 3, rng=0), tg.Linear(3, 2, rng=1)
    optimizer = tg.SGD(head)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head(base(X)).sum().backward()
        optimizer.step()
    kept = Plain(tg.Linear(3, 3, rng=1))
    owned = Model(kept, KEEPERS["plain object"][1])
    assert not said(owned, tg.SGD([*owned.parameters(), *kept.layer.parameters()]))
    owned = Model(kept, KEEPERS["plain object"][1])
    one, other = tg.SGD(owned), tg.SGD(kept.layer)
    assert not said(owned, one, 1) + said(owned, other, 1)


def test_fit_says_it_too():
    model = Model({tg.Linear(3, 3, rng=1)}, KEEPERS["set"][1])
    y = np.arange(6) % 3
    with pytest.warns(UserWarning, match=r"kept\.0\.W, kept\.0\.b got a gradient"):
        tg.fit(model, X, y, epochs=1, progress=False)
