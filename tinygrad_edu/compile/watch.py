"""Python values that a compiled step holds fast, and whether one of them has changed since.

A trace turns every number that forward() or the loss reads (a temperature, a slope, a weight in the loss) into a number
of the program, and binds the layers, Tensors and generators that it meets. `Watch` remembers all that hang on the model
and on the loss; a step that finds one changed is compiled again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..guards.assignments import assigned

OURS = __name__.partition(".")[0]
NO_PLACE = (type, ModuleType, Tensor, np.ndarray, np.random.Generator, Optimizer, str, bytes, BuiltinFunctionType)
Look = Callable[[], Any]  # returns what is there now, to be compared with a copy of what was there


class Watch:
    """The attributes of the layers, the lists, dicts and objects in them, and what functions read from outside.

    Lists and dicts are compared as Python does it, by identity and then by value, which is quick. Attributes of layers
    are compared only if one was assigned anywhere since.
    """

    def __init__(self, model: Layer, loss: Any) -> None:
        self.layers = list[tuple[dict[str, Any], dict[str, Any]]]()
        self.now, self.then = list[Any](), list[Any]()  # lists and dicts, and copies of them
        self.read = list[tuple[Look, Any]]()
        self.assigned = assigned[0]
        todo, seen = [model, loss], dict[int, Any]()  # the dict keeps them alive, so that no id comes twice
        while todo:
            value = todo.pop()
            if id(value) not in seen and not isinstance(value, NO_PLACE):
                seen[id(value)] = value
                todo += self.note(value)

    def note(self, value: Any) -> Iterator[Any]:
        """Remember what value holds, and yield it."""
        if isinstance(value, Layer):
            self.layers.append((vars(value), attributes(vars(value))))
            yield from (type(value).forward, *vars(value).values())
        elif isinstance(value, (list, dict, tuple)):
            if not isinstance(value, tuple):
                self.now.append(value)
                self.then.append(value.copy())
            yield from value.values() if isinstance(value, dict) else value
        elif isinstance(value, FunctionType):
            yield from self.note_function(value)
        elif isinstance(value, MethodType):
            yield from (value.__self__, value.__func__)
        elif isinstance(value, partial):
            yield from (value.func, value.args, value.keywords)
        elif hasattr(value, "__dict__"):
            yield vars(value)
            yield from (getattr(type(value), name, None) for name in ("__call__", "forward"))
        names = [name for name in numbers_of_class(type(value)) if name != "training"]
        if names:
            self.read.append((look := partial(of_class, type(value), names), look()))

    def note_function(self, function: FunctionType) -> Iterator[Any]:
        """Remember what a function of the user's reads from outside of it: closures, defaults, global values."""
        if not is_theirs(function):
            return
        named = names_in(function.__code__)
        known = {name: function.__globals__[name] for name in sorted(named & function.__globals__.keys())}
        modules = [vars(module) for module in known.values() if isinstance(module, ModuleType) and is_theirs(module)]
        looks = [partial(of_cell, cell) for cell in function.__closure__ or ()]
        for space in (function.__globals__, *modules):  # of a module the values that the function may name: module.x
            if names := sorted(name for name in named & space.keys() if is_value(space[name])):
                looks.append(partial(of, space, names))
            yield from (value for name, value in space.items() if name in named and isinstance(value, FunctionType))
        for look in looks:
            self.read.append((look, look()))
            yield from look()
        for cls in known.values():  # Config.temperature
            if isinstance(cls, type) and is_theirs(cls):
                if names := numbers_of_class(cls):
                    self.read.append((look := partial(of_class, cls, names), look()))
                yield from (getattr(cls, name) for name in named & vars(cls).keys() if callable(getattr(cls, name)))
        yield from (function.__defaults__ or (), function.__kwdefaults__ or {})

    def changed(self) -> bool:
        """Return whether something is no longer as it was. Quick, as it is asked before each step."""
        try:
            if self.now == self.then and self.assigned == assigned[0] and not self.read:
                return False  # nearly always
            if (
                self.now != self.then
                or any(look() != then for look, then in self.read)
                or (self.assigned != assigned[0] and any(attributes(now) != then for now, then in self.layers))
            ):
                return True
        except ValueError:  # two arrays, or Tensors, which are not compared to one truth: another is there now
            return True
        self.assigned = assigned[0]
        return False


def attributes(found: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a layer without its mode, which a compiled step has of its own, and without the Tensors
    that forward() computed and kept."""
    kept = {name for name, value in found.items() if isinstance(value, Tensor) and value.op is not None}
    return {name: value for name, value in found.items() if name != "training" and name not in kept}


def is_theirs(thing: Any) -> bool:
    """Return whether a function, class or module is the user's: not of this package, of Python, or installed."""
    name = (thing.__name__ if isinstance(thing, ModuleType) else thing.__module__ or "").partition(".")[0]
    installed = "site-packages" in (getattr(sys.modules.get(name), "__file__", None) or "")
    return name == "__main__" or not (installed or name in {OURS, *sys.stdlib_module_names})


def is_value(value: Any) -> bool:
    """Return whether value is a number or holds some, and is no module, function or class."""
    return value is not None and not callable(value) and not isinstance(value, ModuleType)


def names_in(code: CodeType) -> set[str]:
    """Return the names that code, and the functions in it, may read from its module."""
    return {
        *code.co_names,
        *(name for inner in code.co_consts if isinstance(inner, CodeType) for name in names_in(inner)),
    }


def numbers_of_class(cls: type) -> list[str]:
    """Return the names of the numbers that a class of the user's has, as ``temperature = 1.0`` in its body."""
    return (
        []
        if not is_theirs(cls)
        else [name for name, value in vars(cls).items() if isinstance(value, (int, float, np.number))]
    )


def of_class(cls: type, names: list[str]) -> list[Any]:
    """Return these attributes of a class itself; None for one that is gone."""
    return [vars(cls).get(name) for name in names]


def of_cell(cell: Any) -> list[Any]:
    """Return the value of a variable that a function closes over; None if it has none."""
    return [getattr(cell, "cell_contents", None)]


def of(space: dict[str, Any], names: list[str]) -> list[Any]:
    """Return these values of a module; None for one that is gone."""
    return [space.get(name) for name in names]
