"""A graph that is walked once: its arrays go as soon as nothing needs them. `fit` has it for large batches."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..core.ops import Array, relu
from ..core.tensor import Observer, Share, Tensor

GONE = Tensor(0.0, requires_grad=True, name="an array that is gone")


class Lean(Observer):
    """Inside ``with Lean():`` a second `backward` of a loss is an error.

    The value of a Tensor goes when the next results are there, if nobody but the graph has the Tensor: what VJPs need
    of it they hold themselves. What a node needed goes when `backward` is past it. The gradient of a ReLU takes the
    memory of its output.
    """

    def __init__(self) -> None:
        self.made = [GONE.detach()]  # computed Tensors
        self.uses = Counter[int]()  # id of a Tensor to the number of nodes that were computed from it
        self.nobody = self.latest()[1]  # else has a Tensor with so many references

    def latest(self) -> tuple[Tensor, int]:
        """Take the latest Tensor. Return it, and how many references to it there are."""
        t = self.made.pop()
        return t, sys.getrefcount(t)

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if out.requires_grad:
            if out.op is relu and out.array.base is not None:
                out.vjps = (partial(over, out.array.base),)
            left = [out]
            while self.made:
                t, references = self.latest()
                if (uses := self.uses[id(t)]) and references - uses <= self.nobody:
                    t.array = np.broadcast_to(np.zeros((), t.dtype), t.shape)
                else:
                    left.append(t)
            self.made, self.uses[id(out)] = left[::-1], 0  # another, which has gone, may have had this id
            self.uses.update(id(a) for a in args if isinstance(a, Tensor))

    def backward(self, root: Tensor, shares: Iterator[Share]) -> Iterator[Share]:
        self.made.clear()
        left = 0  # shares of the node that are to come
        for share in shares:
            node, kept = share[0], share[2] is share[0]  # kept: a gradient that stays with the node
            if not kept:
                left = (left or sum(map(takes_gradient, node.parents))) - 1
            yield share
            del share  # before the next one grows
            if not (left or kept):
                past(node)
            del node


def takes_gradient(a: Any) -> bool:
    """Return whether this argument of a node gets a share."""
    return isinstance(a, Tensor) and a.requires_grad


def past(node: Tensor) -> None:
    """Forget what a node was computed from."""
    if node.op is not None:
        node.parents, node.vjps = (GONE,), (again,)


def over(y: Array, g: Array) -> Array:
    """Return what the VJP of relu does, g · sign(y), written over its result y if nobody else has that."""
    alone = sys.getrefcount(y) <= ALONE and g.dtype == y.dtype
    sign = np.sign(y, out=y if alone else None)
    return np.multiply(g, sign, out=sign) if alone else g * sign


def references(y: Array, g: Any) -> int:
    """Return how many references to y there are."""
    return sys.getrefcount(y)


ALONE = partial(references, np.empty(0))(None)  # within `over`, if nobody else has y


def again(g: Array) -> Array:
    """Refuse a second backward pass."""
    raise RuntimeError(
        "backward() came here a second time, but fit frees the graph of a large batch as it goes back: detach() what "
        "one batch leaves to the next"
    )
