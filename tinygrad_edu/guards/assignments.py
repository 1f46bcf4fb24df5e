"""Assignments that would lose something are refused: ``layer.W = array``, ``w -= step``, ``p.grad = 0.0``.

Those to layers are counted: a compiled step asks the count whether an attribute may be another now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import ops
from ..core.layers import Layer
from ..core.ops import Result
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, apply, next_stamp, unwrap
from .kinds import yes_or_no
from .samples import refuse_masked
from .words import numbers

assigned = [0]  # how many were made
_set = Tensor.grad.fset  # type: ignore[attr-defined]
_set_requires_grad = Tensor.requires_grad.fset  # type: ignore[attr-defined]


def assign(layer: Layer, name: str, value: Any) -> None:
    """Assign, and count it. The mode, which `Layer.train` assigns, is no matter of a compiled step.

    Raises
    ------
    TypeError : a parameter would be replaced by numbers, or by a computed Tensor, which no optimizer could move
    """
    before = vars(layer).get(name)
    if isinstance(before, Tensor) and before.op is None and before.requires_grad and value is not before:
        if isinstance(value, Tensor) and value.op is not None:
            raise TypeError(
                f"{name} of {layer!r} is a parameter and would become {value.label()}, computed once and out of date "
                f"after the next step: compute it in forward(), as x @ encoder.W.T; to change numbers, write "
                f"{name}.data = ..."
            )
        if value is not None and not isinstance(value, (Tensor, Layer)):
            raise TypeError(
                f"{name} of {layer!r} is a parameter and would become {type(value).__name__}: write {name}.data = ... "
                "to change its numbers, or Tensor(..., requires_grad=True) for another parameter"
            )
    object.__setattr__(layer, name, value)
    if name != "training":
        assigned[0] += 1
        next_stamp()  # time moves on: a compiled step then looks at what has changed


def assign_requires_grad(t: Tensor, value: Any) -> None:
    """Assign ``requires_grad``, which is True or False."""
    if value is not True and value is not False:
        yes_or_no("requires_grad", value)
    _set_requires_grad(t, value)


def elsewhere(theirs: str, ours: str) -> property:
    """Return an attribute of optimizers that only other frameworks have: asked for or assigned, it says ours."""

    def refuse(optimizer: Optimizer, *_: Any) -> Any:
        raise AttributeError(f"an optimizer has no {theirs}; it is {ours}")

    return property(refuse, refuse)


def assign_grad(t: Tensor, value: Any) -> None:
    """Assign ``grad``; the error for a value that is no gradient says how one is cleared."""
    refuse_masked("the gradient", value)
    try:
        _set(t, value)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            numbers(value)
        if getattr(unwrap(value), "shape", ()) == () and not getattr(error, "__notes__", ()):
            error.args = (f"{error}; to clear it, say zero_grad() or assign None",)
        raise


def in_place(op: Callable[..., Result], sign: str) -> Callable[[Tensor, Any], Tensor]:
    """Return the method for sign: a new tensor, which is right for a running sum and never meant for a parameter."""

    def update(t: Tensor, other: Any) -> Tensor:
        if t.op is None and t.requires_grad:
            raise RuntimeError(
                f"{t.label()} {sign} ... would replace this leaf by a computed tensor; to change its numbers write "
                f"{t.name or 'w'}.data {sign} ..., or use an optimizer"
            )
        return apply(op, t, other)

    return update


IN_PLACE = {  # the methods of Tensor
    "__iadd__": in_place(ops.add, "+="),
    "__isub__": in_place(ops.sub, "-="),
    "__imul__": in_place(ops.mul, "*="),
    "__itruediv__": in_place(ops.div, "/="),
}
