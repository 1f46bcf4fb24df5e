"""Leaves that get a gradient and belong to nobody: layers in sets or plain objects, or made in forward().

A model finds its parameters in its attributes, and in lists, tuples and dicts there. What it does not find is not in
``parameters()``, so no optimizer moves it and no state has it, although gradients reach it.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Collection, Iterator
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakSet, ref

import numpy as np

from ..core.buffers import FlatBuffer
from ..core.layers import Layer, contents
from ..core.optimizer import Optimizer
from ..core.tensor import Share, Tensor

LOST = (
    "{} got a gradient, but no optimizer has it, so step() does not change it. A model finds parameters in its "
    "attributes, and in lists, tuples and dicts there; not in sets or other objects, nor what forward() makes. Keep it "
    "in a list, and make it in __init__"
)

fresh: WeakSet[FlatBuffer] = WeakSet()  # of optimizers that have not made a step; guards.ranges adds each
Leaf = tuple["ref[Tensor]", str, int]  # a leaf, which may be gone by now, its name and its stamp
reached: dict[int, Leaf] = {}  # by id: leaves outside all buffers that got a gradient meanwhile


def recorded(leaf: Tensor) -> Leaf:
    """Return what is remembered of a leaf, without keeping it alive."""
    return ref(leaf), leaf.label() if leaf.name else "", leaf.stamp


def noted(shares: Iterator[Share]) -> Iterator[Share]:
    """Yield the shares of a backward pass, and note the leaves that lie in no optimizer's buffer."""
    for share in shares:
        leaf = share[2]
        if not leaf.parents and leaf.grad_view is None:
            reached[id(leaf)] = recorded(leaf)
        yield share


def lost(optimizer: Optimizer, leaves: Collection[Leaf]) -> list[str]:
    """Return the names of the leaves that a model with parameters of this optimizer uses, but does not find.

    An input that requires a gradient is none of them, nor is a parameter that the optimizer was not given although the
    model finds it. A layer that forward() made is gone by now; its leaves have names, and are younger than the others.
    """
    if not leaves:
        return []
    alive = {t for there, _, _ in leaves if (t := there()) is not None}
    trained, found, held, models = set(optimizer.params), set[Tensor](), set[Tensor](), list[Layer]()
    for layer in [x for x in gc.get_objects() if issubclass(type(x), Layer)]:
        tensors = {t for _, t in contents(layer, below=True) if isinstance(t, Tensor)}
        held |= tensors
        if trained & tensors:
            found |= tensors
            models.append(layer)
    hidden = dict[Tensor, str]()
    for path, t in behind(models):
        if t in alive and t not in found:
            hidden.setdefault(t, path)
    newest = max(p.stamp for p in trained)
    held |= hidden.keys()
    made = [name for there, name, stamp in leaves if name and stamp > newest and there() not in held]
    return [*hidden.values(), *made]


def behind(models: list[Layer]) -> Iterator[tuple[str, Tensor]]:
    """Yield (path, Tensor) of all that hangs on the models: in objects, sets and closures too."""
    todo: list[tuple[str, Any]] = [("", model) for model in models]
    seen = dict[int, Any]()  # keeps what it has seen alive, so that no id comes twice
    while todo and len(seen) < 100_000:
        path, value = todo.pop()
        if id(value) in seen or isinstance(value, (str, bytes, type, ModuleType, int, float)):
            continue
        seen[id(value)] = value
        inner: Any = getattr(value, "__dict__", {})
        if isinstance(value, Tensor):
            yield path, value
            continue
        if isinstance(value, np.ndarray):
            inner = dict(enumerate(value.flat)) if value.dtype.hasobject else {}
        elif isinstance(value, dict):
            inner = value
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            inner = dict(enumerate(value))
        elif isinstance(value, FunctionType):
            cells = zip(value.__code__.co_freevars, value.__closure__ or ())
            inner = {name: getattr(cell, "cell_contents", None) for name, cell in cells}
        slots = [name for cls in type(value).__mro__ for name in np.ravel(getattr(cls, "__slots__", ()))]
        inner = {**{name: getattr(value, name, None) for name in slots}, **inner} if slots else inner
        todo += [(f"{path}.{name}" if path else str(name), x) for name, x in inner.items()][::-1]
