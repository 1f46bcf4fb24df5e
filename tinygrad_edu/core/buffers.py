"""One flat buffer for all parameters, so that an update rule is one loop over one array.

Look at the example of `FlatBuffer`. `aligned` and `together` are about the place in memory, and can wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from .ops import Array
from .tensor import Tensor, next_stamp

PAGE, HUGE, APART = 2**12, 2**21, 9 * 64  # bytes; a line of the processor's cache has 64


class FlatBuffer:
    """The values of several parameters in one 1-D array, their gradients in another.

    Each parameter's ``data`` and ``grad`` become views of these two arrays. What `backward` adds lands in ``grad`` of
    the buffer; what a kernel writes into ``data`` of the buffer is what the layers compute with. Parameters that lie
    side by side in an older buffer stay there, so several optimizers may share them.

    Parameters
    ----------
    params : leaf Tensors that require a gradient, of one dtype, in the order in which they will lie

    Attributes
    ----------
    data, grad : 1-D arrays, contiguous, of equal size. Where ``param.grad`` is None, ``grad`` has old numbers or zeros
    spans : (start, stop) of each parameter in both
    views : (parameter, its part of data, its part of grad) of each. If a parameter's ``array`` is no longer its part of
        data, another buffer has taken it

    Raises
    ------
    TypeError : something that is not a Tensor, or parameters of two dtypes
    ValueError : no parameters, one twice, or one that is computed or requires no gradient

    Examples
    --------
    >>> W, b = Tensor([[1.0, 2.0]], requires_grad=True), Tensor([3.0], requires_grad=True)
    >>> buffer = FlatBuffer([W, b])
    >>> buffer.data
    array([1., 2., 3.])
    >>> buffer.data[0] = 7
    >>> W
    Tensor([[7., 2.]], requires_grad=True)
    """

    # properties, so that an assignment, which would leave the views behind, is an error
    data = property(lambda self: self._data, doc="All values.")
    grad = property(lambda self: self._grad, doc="All gradients.")

    def __init__(self, params: Iterable[Tensor]) -> None:
        params = self.check(list(params))
        stops = np.cumsum([p.size for p in params]).tolist()
        self.spans: list[tuple[int, int]] = list(zip([0, *stops[:-1]], stops, strict=True))
        self._data, self._grad = together(params) or [aligned(stops[-1], params[0].dtype) for _ in range(2)]
        for p, (start, stop) in zip(params, self.spans, strict=True):
            if not np.shares_memory(p.array, self._data):  # else `together` found them lying right
                value, g = p.array, p.grad
                p.array, p.grad_view = (a[start:stop].reshape(p.shape) for a in (self._data, self._grad))
                p.array[...] = value
                value.setflags(write=False)  # whoever holds the old array cannot write into it in vain
                next_stamp()  # time moves on: a compiled step then looks at what has changed
                if g is not None:
                    p.grad_view[...] = g
                    p.stored_grad = p.grad_view
        self.views: list[tuple[Tensor, Array, Array]] = [(p, p.array, p.grad_view) for p in params]  # type: ignore[misc]

    def check(self, params: list[Any]) -> list[Tensor]:
        """Return params. The face puts `guards.ranges.check_parameters` here, which refuses what cannot be in it."""
        return params


def aligned(size: int, dtype: Any) -> Array:
    """Return zeros that start where a line of the cache does; else a vector instruction may need two lines.

    Each call begins at another place of a page. Of two places that are whole pages apart, a processor takes what is
    stored in one for what is loaded from the other, and waits: half as long again for Adam on large arrays.

    NumPy has Linux take huge pages from twice HUGE on, which saves a fifth of an update. From HUGE on they get room.
    """
    page = HUGE if HUGE < size * np.dtype(dtype).itemsize < 2 * HUGE else PAGE
    wider = np.zeros(size + page // np.dtype(dtype).itemsize, dtype)
    return wider[(APART * next_stamp() % PAGE - wider.ctypes.data) % page // wider.itemsize :][:size]


def together(params: list[Tensor]) -> list[Array] | None:
    """Return the parts of data and of grad of an older buffer that params fill in this order without a gap, or None."""
    parts = []
    for views in ([getattr(p, name) for p in params] for name in ("array", "grad_view")):
        flat = getattr(views[0], "base", None)  # the whole array; there is none if the first one is no view
        if flat is None or any(v is None or v.base is not flat for v in views):
            return None
        if any(v.ctypes.data + v.nbytes != following.ctypes.data for v, following in pairwise(views)):
            return None
        first = (views[0].ctypes.data - flat.ctypes.data) // flat.itemsize
        parts.append(flat[first : first + sum(v.size for v in views)])
    return parts
