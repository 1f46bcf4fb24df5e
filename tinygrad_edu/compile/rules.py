"""The rule of an optimizer in a compiled step: whether it can be machine code, and its numbers of steps to come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Optimizer, Update
from ..guards.names import is_ours
from .values import CannotCompile


def refuse_own_rules(optimizer: Optimizer) -> None:
    """Refuse an optimizer whose step or kernel is the user's: machine code would not have it."""
    rule, module = getattr(optimizer.kernel, "__name__", ""), getattr(optimizer.kernel, "__module__", "")
    if type(optimizer).step is not Optimizer.step:
        raise CannotCompile(f"{type(optimizer).__name__} has a step() of its own; train without compiled=True")
    if not is_ours(optimizer.kernel) or getattr(sys.modules[module], rule, None) is not optimizer.kernel:
        raise CannotCompile(f"{rule or optimizer.kernel} is not a rule of this package; train without compiled=True")


def counts_alone(kind: type[Optimizer]) -> bool:
    """Return whether the numbers of an update follow from t and the hyper-parameters: a function of the user's might
    read an attribute."""
    return is_ours(kind.scalars) and is_ours(kind.begin) and kind.finish is Optimizer.finish


def constant_rate(optimizer: Optimizer, update: Update, steps: int) -> Array:
    """Return l2 and numbers of an update for so many steps to come, in which no hyper-parameter changes.

    Where a rule's ``scalars`` is arithmetic alone, as nearly always, it takes all t at once.
    """
    lr, l2, rest = update.group["lr"], update.group["l2"], update.group.rest
    t = range(update.t + 1, update.t + 1 + steps)
    every: Any = np.array(t, int if powers_agree() else object)  # of Python's numbers, else

    def numbers(at: Any) -> tuple[Any, ...]:
        return l2, *optimizer.scalars(at, lr, *rest)

    with suppress(TypeError, ValueError):  # a rule that asks whether t < 5 cannot take them
        table = np.empty((steps, 1 + len(optimizer.scalars(t[0], lr, *rest))))
        for column, value in zip(table.T, numbers(every)):
            column[:] = value
        if all(tuple(table[k].tolist()) == numbers(t[k]) for k in (0, -1)):
            return table
    return np.array([numbers(at) for at in t])


@lru_cache
def powers_agree(power: Callable[..., Array] = np.power) -> bool:
    """Return whether NumPy's powers have the bits of Python's. With AVX-512 it has a function of its own for them."""
    return power(0.999, np.arange(1000)).tolist() == [0.999**t for t in range(1000)]
