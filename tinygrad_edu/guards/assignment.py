"""Assignments to a Tensor: ``p.grad = 0.0``, as in micrograd, is refused with what clears a gradient here."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, unwrap
from .kinds import yes_or_no
from .words import numbers

_set = Tensor.grad.fset  # type: ignore[attr-defined]
_set_requires_grad = Tensor.requires_grad.fset  # type: ignore[attr-defined]


def assign_requires_grad(t: Tensor, value: Any) -> None:
    """Assign ``requires_grad``, which is True or False."""
    if value is not True and value is not False:
        yes_or_no("requires_grad", value)
    _set_requires_grad(t, value)


def assign_grad(t: Tensor, value: Any) -> None:
    """Assign ``grad``; the error for a value that is no gradient says how one is cleared."""
    try:
        _set(t, value)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            numbers(value)
        if getattr(unwrap(value), "shape", ()) == () and not getattr(error, "__notes__", ()):
            error.args = (f"{error}; to clear it, say zero_grad() or assign None",)
        raise
