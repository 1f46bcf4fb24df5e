"""Checks of hyper-parameters and parameters. The face puts them in the place of the core's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.buffers import FlatBuffer
from ..core.optimizer import Group, Optimizer, Update
from ..core.tensor import Tensor, next_stamp
from .construction import rule_fits
from .lost import fresh

AT_LEAST_0 = (lambda x: 0 <= x < float("inf"), "a finite number, at least 0")
ABOVE_0 = (lambda x: 0 < x < float("inf"), "a finite number above 0")
FINITE = (lambda x: abs(x) < float("inf"), "a finite number")  # asked of a number that only a rule of the user's has
BELOW_1 = (lambda x: 0 <= x < 1, "at least 0 and below 1")
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    **dict.fromkeys(["lr", "l2", "lr_decay", "weight_decay", "momentum_decay", "lambd", "alpha", "t0"], AT_LEAST_0),
    **dict.fromkeys(["optimism", "final", "trust", "power", "distance", "initial"], AT_LEAST_0),
    **dict.fromkeys(["momentum", "dampening", "beta", "beta1", "beta2", "beta3", "rho"], BELOW_1),
    **dict.fromkeys(["least", "most", "gamma", "d"], ABOVE_0),
    **dict.fromkeys(["nu", "nu1", "nu2"], (lambda x: 0 <= x <= 1, "from 0 to 1")),
    **dict.fromkeys(["history", "every"], (lambda x: x >= 1 and float(x).is_integer(), "a whole number, at least 1")),
    "seed": (lambda x: x >= 0 and float(x).is_integer(), "a whole number, at least 0"),
    "search": (lambda x: x in (False, True), "True or False"),
    "eps": (ABOVE_0[0], "a finite number above 0, also in the parameters' dtype"),
    "down": (lambda x: 0 < x < 1, "above 0 and below 1"),
    "up": (lambda x: 1 < x < float("inf"), "a finite number above 1"),
    "bias_correction": (lambda x: x in (False, True), "True or False"),
}
NUMBERS = RANGES.keys() - {
    "bias_correction",
    "search",
}  # True is no number for these; a rule of the user's may have truths


def in_range(name: str, value: Any, dtype: Any = np.float64) -> Any:
    """Return value as a Python number, if it is one in the range that belongs to the name.

    eps and lr have to be in it as numbers of the dtype too. A function that returns learning rates passes.

    Raises
    ------
    TypeError : value is not a number
    ValueError : it is out of range
    """
    if name == "lr" and callable(value):
        return value
    within, text = RANGES.get(name, FINITE)
    truth = isinstance(value, (bool, np.bool_)) and name in NUMBERS
    if truth or not isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
        raise TypeError(f"{name} is a number, got {type(value).__name__}")
    with np.errstate(over="ignore"):
        rounded = float(np.dtype(dtype).type(value)) if name in ("eps", "lr") else float(value)
    if not within(float(value)) or not within(rounded):
        raise ValueError(f"{name} = {value}, but it has to be {text}")
    return value if isinstance(value, (int, float)) else value.item()


def check_hyper(optimizer: Optimizer, name: str, value: Any) -> Any:
    """Return value, if the optimizer has a hyper-parameter of that name and it may have this value (`Optimizer.check`).

    Raises
    ------
    TypeError, ValueError : see `in_range`; a name that the rule does not have
    """
    if name not in optimizer.hyper:
        raise ValueError(f"{type(optimizer).__name__} has no {name!r}; it has {', '.join(optimizer.hyper)}")
    return in_range(name, value, optimizer.buffer.data.dtype)


class NotFinite(ValueError):
    """A gradient holds NaN or infinity."""


class CheckedGroup(Group):
    """The hyper-parameters of a group. Each that is assigned is checked, and ``rest`` is kept ready."""

    rest: tuple[Any, ...] = ()

    def __init__(self, check: Callable[[str, Any], Any], hyper: dict[str, Any]) -> None:
        self.check = check
        self.update(hyper)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, self.check(name, value))
        self.rest = tuple(self.values())[2:]
        next_stamp()  # time moves on: a compiled step then looks at what has changed

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> CheckedGroup:  # type: ignore[override, misc]
        self.update(other)
        return self


def grouped(optimizer: Optimizer, hyper: dict[str, Any]) -> Group:
    """Return the hyper-parameters of a group, now and in future checked (`Optimizer.grouped`)."""
    group = CheckedGroup(optimizer.check, hyper)
    rule_fits(optimizer, group)
    return group


def set_nonfinite(optimizer: Optimizer, value: str) -> None:
    """Assign ``nonfinite``; a ValueError if there is no such answer."""
    if not isinstance(value, str) or value not in ("raise", "skip", "propagate"):
        raise ValueError(f'nonfinite = {value!r}, but it has to be "raise", "skip" or "propagate"')
    optimizer.answer = value  # type: ignore[attr-defined]
    next_stamp()  # time moves on: a compiled step then looks at what has changed


def check_parameters(buffer: FlatBuffer, params: list[Any]) -> list[Tensor]:
    """Return params, if they can be in one buffer (`FlatBuffer.check`).

    Raises
    ------
    TypeError : something that is not a Tensor, or parameters of two dtypes
    ValueError : no parameters, one twice, or one that is computed or requires no gradient
    """
    if not params:
        raise ValueError("no parameters: is the model empty, or was an iterator used up before?")
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError(f"parameters are Tensors, got {type(p).__name__}")
        if p.vjps or not p.requires_grad:
            raise ValueError(f"{p.label()} is not a leaf that requires a gradient, so it cannot be a parameter")
        if p.dtype != params[0].dtype:
            raise TypeError(
                f"one buffer has one dtype, but {params[0].label()} is {params[0].dtype} and {p.label()} is {p.dtype}"
            )
    if len({id(p) for p in params}) < len(params):
        raise ValueError("a parameter is given twice")
    fresh.add(buffer)
    return params


def not_finite(optimizer: Optimizer, update: Update) -> Exception:
    """Return the error for a gradient with NaN or infinity: which it is, and where (`Optimizer.refusal`)."""
    i = next(i for i in range(update.first, update.last) if not np.isfinite(np.asarray(optimizer.params[i].grad)).all())
    g = np.asarray(optimizer.params[i].grad)
    wrong = np.argwhere(~np.isfinite(g)).tolist()
    return NotFinite(
        f"the gradient of {optimizer.names[i]} holds {g[tuple(wrong[0])]} at {wrong[0]}, {len(wrong)} of its {g.size} "
        'numbers are not finite; a smaller learning rate or clip_norm() may help, or nonfinite="skip"'
    )
