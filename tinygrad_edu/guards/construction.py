"""Checks before a layer, an optimizer or one of the core's functions begins: names first, then kinds of arguments."""

from __future__ import annotations

from inspect import Signature, ismethod, signature
from types import ModuleType
from typing import Any

from ..core import init, layers
from ..core.jit import numbers_of
from ..core.optimizer import Group, Optimizer
from .kinds import CLASSES, FUNCTIONS, checked, parameters, shown
from .names import helped, init_of, known_names

KERNEL = "staticmethod(f), where f is the function under @tg.kernels.kernel"


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
    """Return an optimizer for `__init__` to fill (``Optimizer.__new__``), if its arguments have the right names.

    A rule without ``kernel`` or ``hyper`` is refused, unless an `__init__` of its own may set them.
    """
    if cls is Optimizer:
        raise TypeError("Optimizer is what the rules have in common; take one, as tg.Adam, or write a subclass")
    if issubclass(cls, Optimizer) and init_of(cls) is Optimizer.__init__:
        if not hasattr(cls, "kernel"):
            raise TypeError(f"{cls.__name__} has no kernel; write kernel = {KERNEL}")
        if isinstance(cls.state, str) and len(cls.state) > 1:  # type: ignore[unreachable]
            raise TypeError(f"{cls.__name__}.state is a tuple of names; write state = ({cls.state!r},)")
        if "lr" not in cls.hyper:
            fix = 'write hyper = {"lr": 0.01}, with all hyper-parameters and their defaults'
            raise TypeError(f"{cls.__name__} has no hyper-parameter lr; {fix}")
    known_names(cls, named)
    if args or "params" in named:
        parameters("params", args[0] if args else named["params"])
    return object.__new__(cls)


def rule_fits(optimizer: Optimizer, hyper: Group) -> None:
    """Raise TypeError unless the kernel takes the averages and the numbers that this optimizer gives it."""
    cls, kernel, own = type(optimizer).__name__, optimizer.kernel, type(optimizer).scalars is not Optimizer.scalars
    if ismethod(kernel) or not hasattr(getattr(kernel, "py_func", kernel), "__code__"):
        raise TypeError(f"{cls}.kernel has to be a plain function; write kernel = {KERNEL}")
    state, names, taken = tuple(optimizer.state), ("lr", *list(hyper)[2:]), numbers_of(kernel, 2)
    count = _count_of_scalars(optimizer, hyper) if own else len(names)
    if count is None:
        return
    averages, numbers = taken[: len(taken) - count], taken[len(taken) - count :]
    said = f"the kernel {kernel.__name__}({', '.join(numbers_of(kernel, 0))})"
    if len(averages) != len(state) or len(numbers) != count:
        source = "scalars" if own else "hyper"
        said += f" is given p, g, the {len(state)} of {cls}.state, and the {count} of {cls}.{source}"
        if len(numbers) == count and not set(averages) & set(names):
            raise TypeError(f"{said}; write state = {averages}")
        raise TypeError(
            f"{said}; change its arguments, or have scalars(self, t, {', '.join(names)}) return its numbers"
        )
    for what, given, takes in (("state", state, averages), ("hyper", () if own else names, numbers)):
        if set(given) == set(takes) and given != takes:
            raise TypeError(f"{said} takes {', '.join(takes)}, but {cls}.{what} has {', '.join(given)}; use one order")


def _count_of_scalars(optimizer: Optimizer, hyper: Group) -> int | None:
    """Return how many numbers a rule's own ``scalars`` returns; None if that cannot be known before the first step."""
    cls, values = type(optimizer).__name__, [0.1 if callable(hyper["lr"]) else hyper["lr"], *hyper.rest]
    try:
        signature(optimizer.scalars).bind(1, *values)
    except TypeError as error:
        fix = f"write def scalars(self, t, lr{''.join(f', {name}' for name in list(hyper)[2:])})"
        raise TypeError(f"{cls}.scalars is given t and the hyper-parameters: {error}; {fix}") from None
    try:
        numbers: Any = optimizer.scalars(1, *values)
    except Exception:  # it may need what start() prepares
        return None
    if not isinstance(numbers, (tuple, list)):
        raise TypeError(f"{cls}.scalars returns the kernel's numbers as a tuple, got {shown(numbers)}")
    return len(numbers)


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
