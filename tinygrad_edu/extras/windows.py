"""Ops on pictures (N, C, H, W): a convolution as one matrix product, and pooling. All look through a window that is
moved over the picture; `windows` shows what it sees, and `fold` carries gradients back to where they were seen."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..core.ops import Array, Axis, Result

Pair: TypeAlias = int | tuple[int, int]  # for height and width: one number stands for both

# --- pictures ---------------------------------------------------------------------------------------------------------


def conv2d(x: Array, W: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Result:
    """y = Σ W · x over each window of the pictures x (N, C, H, W), for each kernel of W (K, C, h, w): (N, K, H', W').
    The kernels are the rows of a matrix, the windows the columns of another, and y is their product"""
    seen = windows(x, W.shape[2:], stride, padding, dilation).transpose(3, 0, 1, 2, 4, 5)  # (C, h, w, N, H', W')
    rows = W.reshape(len(W), -1)
    columns = seen.reshape(W[0].size, -1)
    y = (rows @ columns).reshape(W.shape[:1] + seen.shape[3:]).swapaxes(0, 1)
    return (
        y,
        lambda g: fold(as_seen(rows.T @ by_kernel(g), seen), x, stride, padding, dilation),
        lambda g: (by_kernel(g) @ columns.T).reshape(W.shape),
    )


def max_pool2d(
    a: Array, *, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1
) -> Result:
    """y = the largest element of each window of a (..., H, W); windows stand side by side if there is no stride. Ties
    share the gradient equally. Padding is -∞"""
    step = kernel_size if stride is None else stride
    seen = windows(a, kernel_size, step, padding, dilation, -np.inf)
    y = seen.max(axis=(0, 1))
    return y, lambda g: fold(g * equal_shares(seen == y, a, (0, 1)), a, step, padding, dilation)


def avg_pool2d(a: Array, *, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Result:
    """y = the mean of each window of a (..., H, W); windows stand side by side if there is no stride. Padding is 0, and
    counts"""
    step = kernel_size if stride is None else stride
    seen = windows(a, kernel_size, step, padding, 1)
    count = seen.shape[0] * seen.shape[1]
    return seen.mean(axis=(0, 1)), lambda g: fold(np.broadcast_to(g / count, seen.shape), a, step, padding, 1)


# --- helpers that the VJPs share --------------------------------------------------------------------------------------


def windows(a: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair, fill: float = 0.0) -> Array:
    """For each place of a window (h, w), the part of a that comes to be there as the window moves: (h, w, ..., H', W').

    It is a view of a with more strides: no number is copied, but for the padding.
    """
    h, w = np.broadcast_to(size, 2)
    s, t = np.broadcast_to(stride, 2)
    p, q = np.broadcast_to(padding, 2)
    d, e = np.broadcast_to(dilation, 2)
    border = [(0, 0)] * (a.ndim - 2) + [(p, p), (q, q)]
    wide = np.pad(a, border, constant_values=fill) if p or q else a
    reach = d * (h - 1) + 1, e * (w - 1) + 1
    order = (-2, -1, *range(a.ndim))
    return sliding_window_view(wide, reach, axis=(-2, -1))[..., ::s, ::t, ::d, ::e].transpose(order)


def fold(g: Array, a: Array, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Zeros in the shape of a, with each number of g, which has the shape of `windows`, added where it was seen."""
    s, t = np.broadcast_to(stride, 2)
    p, q = np.broadcast_to(padding, 2)
    d, e = np.broadcast_to(dilation, 2)
    H, W = g.shape[-2:]
    out = np.zeros((*a.shape[:-2], a.shape[-2] + 2 * p, a.shape[-1] + 2 * q), g.dtype)
    for i, j in np.ndindex(g.shape[:2]):
        out[..., i * d : i * d + s * H : s, j * e : j * e + t * W : t] += g[i, j]
    return out[..., p : p + a.shape[-2], q : q + a.shape[-1]]


def by_kernel(g: Array) -> Array:
    """g (N, K, H', W') as a matrix with a row for each kernel."""
    return g.swapaxes(0, 1).reshape(g.shape[1], -1)


def as_seen(columns: Array, seen: Array) -> Array:
    """The columns, one for each window, in the shape of `windows`; seen is (C, h, w, N, H', W')."""
    return columns.reshape(seen.shape).transpose(1, 2, 3, 0, 4, 5)


def equal_shares(hit: Array, a: Array, axis: Axis) -> Array:
    """One part in as many as there are hits along axis, where hit; 0 elsewhere. In a's dtype."""
    hits = hit.astype(a.dtype)
    return hits / hits.sum(axis=axis, keepdims=True)
