"""``p.grad = 0.0``, as in micrograd, is refused with what clears a gradient here."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, unwrap

_set = Tensor.grad.fset  # type: ignore[attr-defined]


def assign_grad(t: Tensor, value: Any) -> None:
    """Assign ``grad``; the error for a value that is no gradient says how one is cleared."""
    try:
        _set(t, value)
    except ValueError as error:
        if getattr(unwrap(value), "shape", ()) == () and not getattr(error, "__notes__", ()):
            error.args = (f"{error}; to clear it, say zero_grad() or assign None",)
        raise
