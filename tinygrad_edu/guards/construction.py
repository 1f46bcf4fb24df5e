"""Checks before a layer, an optimizer or one of the core's functions begins: names first, then kinds of arguments."""

from __future__ import annotations

from inspect import Signature, signature
from types import ModuleType
from typing import Any

from ..core import init, layers
from ..core.optimizer import Optimizer
from .kinds import CLASSES, FUNCTIONS, checked, parameters, shown
from .names import helped, init_of, known_names


def new_layer(cls: type, *args: Any, **named: Any) -> Any:
    """Return a layer for `__init__` to fill (``Layer.__new__``), if its arguments have the right names and kinds."""
    known_names(cls, named)
    if (args or named) and init_of(cls) is object.__init__:  # which takes everything
        given = ", ".join([*map(shown, args), *(f"{name}={value!r}" for name, value in named.items())])
        raise TypeError(f"{cls.__name__}() takes no arguments, got {given}")
    if cls.__name__ in CLASSES and cls.__module__.startswith(__name__.partition(".")[0]) and (args or named):
        _check_kinds(signature(init_of(cls)), (None, *args), named, CLASSES[cls.__name__])
    return object.__new__(cls)


def new_optimizer(cls: type, *args: Any, **named: Any) -> Any:
    """Return an optimizer for `__init__` to fill (``Optimizer.__new__``), if its arguments have the right names."""
    if cls is Optimizer:
        raise TypeError("Optimizer is what the rules have in common; take one, as tg.Adam, or write a subclass")
    known_names(cls, named)
    if args or "params" in named:
        parameters("params", args[0] if args else named["params"])
    return object.__new__(cls)


def _check_kinds(shape: Signature, args: tuple[Any, ...], named: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Check the arguments that fit; those that do not are refused by Python, at the call of `__init__`."""
    try:
        given = shape.bind_partial(*args, **named).arguments
    except TypeError:
        return
    checked(kinds)(**{name: value for name, value in given.items() if name != "self"})


def install() -> None:
    """Put the checks before the layers, the optimizers and the functions of `kinds.FUNCTIONS`."""
    layers.Layer.__new__ = staticmethod(new_layer)  # type: ignore[method-assign]
    Optimizer.__new__ = staticmethod(new_optimizer)  # type: ignore[method-assign]
    rooms: dict[str, ModuleType] = {"layers": layers, "init": init}
    for path, kinds in FUNCTIONS.items():
        room, _, name = path.partition(".")
        setattr(rooms[room], name, helped(getattr(rooms[room], name), checked(kinds)))
