"""One flat buffer for all parameters, so that an update rule is one loop over one array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .ops import Array
from .tensor import Tensor, moves

LINE = 64  # bytes


class FlatBuffer:
    """The values of several parameters in one 1-D array, their gradients in another.

    Each parameter's ``data`` and ``grad`` become views of them: what `backward` adds lands in ``grad`` of the buffer,
    and what a kernel writes into ``data`` of the buffer is what the layers compute with. Parameters that already lie
    one after the other in a buffer stay there, so several optimizers may share them.

    Parameters
    ----------
    params : leaf Tensors that require a gradient, of one dtype, in the order in which they shall lie

    Attributes
    ----------
    data, grad : 1-D arrays, contiguous, of equal size. ``grad`` is defined only where ``param.grad is not None``
    spans : (start, stop) of each parameter

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

    def __init__(self, params: Iterable[Tensor]) -> None:
        params = list(params)
        _check(params)
        dtype = params[0].dtype
        stops = np.cumsum([p.size for p in params]).tolist()
        self.spans: list[tuple[int, int]] = list(zip([0, *stops[:-1]], stops, strict=True))
        ready = _together(params)
        self._data: Array = ready[0] if ready else aligned(stops[-1], dtype)
        self._grad: Array = ready[1] if ready else aligned(stops[-1], dtype)
        for p, (start, stop) in zip(params, self.spans, strict=True):
            if not np.shares_memory(p.array, self.data):
                self._take_in(p, start, stop)

    @property
    def data(self) -> Array:
        """All values."""
        return self._data

    @property
    def grad(self) -> Array:
        """All gradients."""
        return self._grad

    def _take_in(self, p: Tensor, start: int, stop: int) -> None:
        data = self.data[start:stop].reshape(p.shape)
        p.grad_view = self.grad[start:stop].reshape(p.shape)
        data[...] = p.array
        p.array = data
        moves[0] += 1
        if p.grad is not None:
            p.grad_view[...] = p.grad
            p.grad = p.grad_view


def aligned(size: int, dtype: Any) -> Array:
    """Zeros that start where a line of the processor's cache does: else every second vector lies across two lines."""
    wider = np.zeros(size + LINE // np.dtype(dtype).itemsize, dtype)
    start = -wider.ctypes.data % LINE // wider.itemsize
    return wider[start : start + size]


def _check(params: list[Any]) -> None:
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


def _together(params: list[Tensor]) -> tuple[Array, Array] | None:
    """The stretches of data and grad that the parameters fill without a gap, if they already do."""
    data, grad = params[0].array.base, params[0].grad_view.base if params[0].grad_view is not None else None
    if data is None or grad is None:
        return None
    first = at = _offset(params[0].array, data)
    for p in params:
        if (
            p.array.base is not data
            or p.grad_view is None
            or p.grad_view.base is not grad
            or _offset(p.array, data) != at
        ):
            return None
        at += p.size
    start = _offset(params[0].grad_view, grad)  # type: ignore[arg-type]
    return data[first:at], grad[start : start + at - first]


def _offset(view: Array, base: Array) -> int:
    """How many elements into its base a view starts."""
    start: int = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return start // view.itemsize
