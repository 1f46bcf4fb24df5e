"""Layers for pictures (N, C, H, W): convolution and pooling, each one op of `windows`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import init
from ..core.init import Initializer, Rng
from ..core.layers import Layer
from ..core.tensor import Tensor
from .windows import Pair


class Conv2d(Layer):
    """y = W * x + b: each kernel of W is moved over the pictures, and says how well it fits at each place.

    A layer with the same C · h · w weights at every place: a pattern is found wherever it is. As in every library the
    kernel is not turned, so a mathematician would say cross-correlation.

    Parameters
    ----------
    in_channels, out_channels : C of the pictures, and K, the number of kernels
    kernel_size : h and w; one number for both, as for stride, padding and dilation
    stride : steps from one window to the next
    padding : rows and columns of zeros on each side
    dilation : steps from one element of a window to the next
    bias : whether b is added; it starts at 0
    init : a function of `init` for W, as a matrix (C · h · w, K). Its default suits a ReLU after this layer
    dtype : of the parameters, np.float64 or np.float32. Inputs must have it too; whole numbers are converted
    rng : generator or seed for W

    Shapes: x (N, C, H, W), W (K, C, h, w), b (K,), y (N, K, H', W') with H' = ⌊(H + 2 padding - dilation (h - 1) - 1) /
    stride⌋ + 1.

    Raises
    ------
    ValueError : a number out of range; an x that is not (N, C, H, W), or smaller than a window
    TypeError : x has the other float dtype

    References
    ----------
    LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition".

    Examples
    --------
    >>> layer = Conv2d(1, 1, (1, 2), bias=False, rng=0)
    >>> layer.W.data = [[[[-1.0, 1.0]]]]  # how much brighter is the right neighbour?
    >>> layer([[[[0.0, 0.0, 3.0, 3.0]]]])
    Tensor([[[[0., 3., 0.]]]], op=conv2d)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        bias: bool = True,
        init: Initializer = init.he_normal,
        dtype: Any = np.float64,
        rng: Rng = None,
    ) -> None:
        shape = in_channels, *pair(kernel_size)
        self.in_channels, self.out_channels, self.kernel_size = int(in_channels), int(out_channels), shape[1:]
        self.stride, self.padding, self.dilation = pair(stride), pair(padding), pair(dilation)
        weights = init((int(np.prod(shape)), out_channels), rng, dtype)
        self.W = Tensor(weights.T.reshape(out_channels, *shape), requires_grad=True, name="W")
        self.b = Tensor(np.zeros(out_channels, dtype), requires_grad=True, name="b") if bias else None

    def forward(self, x: Any) -> Tensor:
        x = self.matched(x, self.W)
        y = Tensor.conv2d(x, self.W, stride=self.stride, padding=self.padding, dilation=self.dilation)
        return y if self.b is None else y + self.b.reshape(-1, 1, 1)

    def __repr__(self) -> str:
        more = {"stride": 1, "padding": 0, "dilation": 1}
        given = [self.in_channels, self.out_channels, shown(self.kernel_size)]
        named = [f"{name}={shown(getattr(self, name))}" for name, n in more.items() if getattr(self, name) != pair(n)]
        return f"Conv2d({', '.join([*map(str, given), *named, *['bias=False'] * (self.b is None)])})"


class MaxPool2d(Layer):
    """y = the largest element of each window: whether a pattern is anywhere in it (`ops.max_pool2d`).

    Parameters
    ----------
    kernel_size : height and width of a window; one number for both, as for the others
    stride : steps from one window to the next; as kernel_size if it is None, so that windows stand side by side
    padding : rows and columns of -∞ on each side, at most half a window
    dilation : steps from one element of a window to the next

    Shapes: x (..., H, W), y (..., H', W').

    Raises
    ------
    ValueError : a number out of range, or an x that is smaller than a window

    Examples
    --------
    >>> MaxPool2d(2)([[[[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, 0.0, 0.0]]]])
    Tensor([[[[4., 5.]]]])
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1) -> None:
        self.kernel_size, self.stride = pair(kernel_size), pair(kernel_size if stride is None else stride)
        self.padding, self.dilation = pair(padding), pair(dilation)

    def forward(self, x: Any) -> Tensor:
        return Tensor.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation)

    def __repr__(self) -> str:
        more = {"stride": self.kernel_size, "padding": (0, 0), "dilation": (1, 1)}
        named = [
            f", {name}={shown(value)}"
            for name, usual in more.items()
            if (value := vars(self).get(name, usual)) != usual
        ]
        return f"{type(self).__name__}({shown(self.kernel_size)}{''.join(named)})"


class AvgPool2d(MaxPool2d):
    """y = the mean of each window (`ops.avg_pool2d`). Padding is 0 and counts, as in PyTorch.

    Parameters
    ----------
    kernel_size, stride, padding : as for `MaxPool2d`

    Examples
    --------
    >>> AvgPool2d(2)([[[[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, 0.0, 0.0]]]])
    Tensor([[[[2.5 , 1.25]]]])
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__(kernel_size, stride, padding)

    def forward(self, x: Any) -> Tensor:
        return Tensor.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


def pair(value: Any) -> tuple[int, int]:
    """Return what is given for height and width, or once for both, as two numbers."""
    h, w = np.broadcast_to(value, 2).tolist()
    return h, w


def shown(value: tuple[int, int]) -> str:
    """Return a pair as it may be given: one number for two that are equal."""
    return str(value[0] if value[0] == value[1] else value)
