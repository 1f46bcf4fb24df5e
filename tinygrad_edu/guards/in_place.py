"""``w -= step`` on a leaf is refused: it would replace the parameter by a computed tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import ops
from ..core.ops import Result
from ..core.tensor import Tensor, apply


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


METHODS = {  # the face binds them to Tensor
    "__iadd__": in_place(ops.add, "+="),
    "__isub__": in_place(ops.sub, "-="),
    "__imul__": in_place(ops.mul, "*="),
    "__itruediv__": in_place(ops.div, "/="),
}
