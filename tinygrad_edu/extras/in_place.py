"""The gradient of a large weight is computed in its place in the optimizer's flat buffer, if it is the first to come.

`core.tensor.accumulate` would copy it there: an array of the same size, and a twentieth of a step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..core.ops import Array
from ..core.tensor import Observer, Share, Tensor, thread, unwrap
from .one_thread import multiplied

LARGE = 2**18  # elements; a smaller gradient is copied sooner than this is done


class _Here(threading.local):
    """State of one thread: whether it has recorded a large weight since its last `backward`, and whether each share is
    added up before the next one is computed. Who calls `backward_pass` may keep all, and two may be of one weight."""

    large = adding = False


here = _Here()


def in_place(y: Tensor, x: Tensor | Array, W: Tensor) -> Tensor:
    """Return y = x W + b, whose VJP of a large W computes the gradient in its place."""
    if y.vjps and isinstance(W, Tensor) and W.array.ndim == 2 and W.array.size >= LARGE:
        of_x, of_W, of_b = y.vjps
        y.vjps, here.large = [of_x, partial(_product, of_W, W, np.asarray(unwrap(x))), of_b], True
    return y


def _product(vjp: Callable[[Array], Array], W: Tensor, x: Array, g: Array) -> Array:
    """Return vjp(g), which is x.T @ g; in the place of W's gradient if nothing is there yet, and in its dtype.

    x may lie there itself: a gradient from before `zero_grad` that somebody kept.
    """
    place, empty = W.grad_view, here.adding and W.stored_grad is None
    if empty and place is not None and x.dtype == g.dtype == place.dtype and not np.may_share_memory(x, place):
        return multiplied(x.T, g, place)
    return vjp(g)


class _Adding(Iterator[Share]):
    """The shares of a `backward`."""

    def __init__(self, shares: Iterator[Share]) -> None:
        self.shares = shares

    def __next__(self) -> Share:
        here.adding = True
        try:
            return next(self.shares)
        finally:
            here.adding = False


class _InPlace(Observer):
    def backward(self, root: Tensor, shares: Iterator[Share]) -> Iterator[Share]:
        if here.large:
            here.large, shares = False, _Adding(shares)
        return shares


_InPlace().attach(type(thread))  # in every thread
