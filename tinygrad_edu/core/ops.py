"""The ops of a course: functions of plain NumPy arrays, each with its derivative. Rarer ones are in `extras.ops`.

An op returns its value ``y``, then one function for each array argument: the vector-Jacobian product (VJP) of that
argument. A VJP takes ``g``, the gradient of the loss with respect to ``y``, and returns the gradient of the loss with
respect to the argument. So each line reads as one partial derivative::

    def mul(a, b):
        return a * b, lambda g: g * b, lambda g: g * a

Look first at `mul`, `tanh` and `sum`; all others have their form. Three rules keep it readable for people, and for the
rooms that read the source of an op (`program`, `explain`, `compile`):

- the body is straight-line: assignments, then one ``return``;
- what is not differentiated (axes, labels) is keyword-only;
- a VJP never writes into ``g``. It may return the shape of ``y`` where its argument is smaller and was broadcast: the
  engine (`tensor.unbroadcast`) sums the gradient back to the argument's shape.

A docstring is the formula, "y = ...", and what a reader has to know: the stable form, or the slope that is returned at
a kink or a tie, where a derivative does not exist. Names are NumPy's, so `abs`, `pow` and `sum` hide Python's here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
VJP: TypeAlias = Callable[[Array], Array]
Axis: TypeAlias = int | tuple[int, ...] | None
Result: TypeAlias = tuple[Any, ...]  # (value, VJP, ...): one VJP per array argument


# --- arithmetic -------------------------------------------------------------------------------------------------


def add(a: Array, b: Array) -> Result:
    """y = a + b"""
    return a + b, lambda g: g, lambda g: g


def sub(a: Array, b: Array) -> Result:
    """y = a - b"""
    return a - b, lambda g: g, lambda g: -g


def mul(a: Array, b: Array) -> Result:
    """y = a · b"""
    return a * b, lambda g: g * b, lambda g: g * a


def div(a: Array, b: Array) -> Result:
    """y = a / b"""
    y = a / b
    return y, lambda g: g / b, lambda g: -g * y / b


def neg(a: Array) -> Result:
    """y = -a"""
    return -a, lambda g: -g


def pow(a: Array, b: Array) -> Result:
    """y = a^b; where b = 0 the slope by a is 0. Where a = 0 and b < 1 it is infinite: 0 is returned for a root
    (0 < b < 1), as in sqrt, and infinity for a pole (b < 0). Where a = 0 the slope by b is 0, at a pole -infinity"""
    y = a**b
    base = np.where((a == 0) & (b < 1) & (b > 0), np.inf, a)
    return y, lambda g: g * b * base ** (b - (b != 0)), lambda g: g * y * np.log(np.where((a == 0) & (b >= 0), 1, a))


def matmul(a: Array, b: Array) -> Result:
    """y = a @ b; matrices or stacks of them: (..., n, k) @ (..., k, m) -> (..., n, m). mT swaps the last two axes"""
    return a @ b, lambda g: g @ b.mT, lambda g: a.mT @ g


def linear(x: Array, W: Array, b: Array) -> Result:
    """y = x W + b; one node for a batch x (N, D), weights W (D, C) and a bias b (C,). The bias was broadcast over the
    batch, so its VJP returns g, and the engine sums over the batch. For matrices ``.dot`` is ``@`` at half the cost"""
    return x.dot(W) + b, lambda g: g.dot(W.T), lambda g: x.T.dot(g), lambda g: g


# --- elementwise ------------------------------------------------------------------------------------------------


def exp(a: Array) -> Result:
    """y = e^a"""
    y = np.exp(a)
    return y, lambda g: g * y


def log(a: Array) -> Result:
    """y = ln a"""
    return np.log(a), lambda g: g / a


def sqrt(a: Array) -> Result:
    """y = √a; the slope at 0 is infinite; 0 is returned there, so that the norm of a zero vector has a gradient"""
    y = np.sqrt(a)
    return y, lambda g: g / (2 * np.where(y == 0, np.inf, y))


def abs(a: Array) -> Result:
    """y = |a|; abs'(0) = 0"""
    return np.abs(a), lambda g: g * np.sign(a)


def tanh(a: Array) -> Result:
    """y = tanh a"""
    y = np.tanh(a)
    return y, lambda g: g * (1 - y * y)


def sigmoid(a: Array) -> Result:
    """y = 1 / (1 + e^(-a)); computed from e^(-|a|), which cannot overflow"""
    e = np.exp(np.where(a >= 0, -a, a))  # not of -abs(a): its slope at 0 is 0, and second derivatives pass through here
    y = np.where(a >= 0, 1, e) / (1 + e)
    return y, lambda g: g * y * (1 - y)


def relu(a: Array) -> Result:
    """y = max(a, 0); relu'(0) = 0"""
    y = np.maximum(a, 0)
    return y, lambda g: g * np.sign(y)  # y is never negative, so its sign is 1 or 0


def softplus(a: Array) -> Result:
    """y = ln(1 + e^a); computed as ln(e^0 + e^a), which NumPy does without overflow. The derivative is the sigmoid"""
    return np.logaddexp(0, a), lambda g: g * sigmoid(a)[0]


def maximum(a: Array, b: Array) -> Result:
    """y = the larger of a and b, elementwise; a tie gives half the gradient to each"""
    return np.maximum(a, b), lambda g: split_ties(g, a > b, a == b), lambda g: split_ties(g, b > a, a == b)


def minimum(a: Array, b: Array) -> Result:
    """y = the smaller of a and b, elementwise; a tie gives half the gradient to each"""
    return np.minimum(a, b), lambda g: split_ties(g, a < b, a == b), lambda g: split_ties(g, b < a, a == b)


# --- reductions -------------------------------------------------------------------------------------------------


def sum(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = Σ a over axis"""
    return a.sum(axis=axis, keepdims=keepdims), lambda g: expand_back(g, a, axis, keepdims)


def mean(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = Σ a / n over axis; n elements go into each mean"""
    y = a.mean(axis=axis, keepdims=keepdims)
    return y, lambda g: expand_back(g / (a.size // (y.size or 1)), a, axis, keepdims)  # or 1: y may have no elements


def softmax(a: Array, *, axis: int = -1) -> Result:
    """y = e^a / Σ e^a over axis; the largest element is subtracted first, so that nothing overflows"""
    e = np.exp(a - (a.max(axis=axis, keepdims=True) if a.size else 0))
    y = e / e.sum(axis=axis, keepdims=True)
    return y, lambda g: y * (g - (g * y).sum(axis=axis, keepdims=True))


def cross_entropy(z: Array, *, labels: Array) -> Result:
    """y = -(1/N) Σ ln softmax(z)[label]; over the N rows of z (N, C). Softmax and loss are one node, so that nothing
    overflows, and its gradient is (softmax(z) - one_hot(labels)) / N"""
    one_hot = labels[:, None] == np.arange(z.shape[1])
    s = z - z.max(axis=1, keepdims=True)
    e = np.exp(s)
    total = e.sum(axis=1, keepdims=True)
    y = (np.log(total)[:, 0] - s[one_hot]).sum() / len(z)
    return y, lambda g: (e / total - one_hot) * (g / len(z))


# --- shapes -----------------------------------------------------------------------------------------------------


def reshape(a: Array, *, shape: tuple[int, ...]) -> Result:
    """y = the elements of a in another shape"""
    return a.reshape(shape), lambda g: g.reshape(a.shape)


def transpose(a: Array, *, axes: tuple[int, ...] | None = None) -> Result:
    """y = a with its axes in the order of axes, or reversed if there is none; argsort gives the inverse order"""
    return a.transpose(axes), lambda g: g.transpose(None if axes is None else np.argsort(np.mod(axes, a.ndim)))


def astype(a: Array, *, dtype: Any) -> Result:
    """y = a in another float dtype; the gradient comes back in the dtype of a"""
    return a.astype(dtype), lambda g: g.astype(a.dtype)


def getitem(a: Array, *, index: Any) -> Result:
    """y = a[index]; slices, integers, integer or boolean arrays; an element taken twice gets both gradients"""
    return a[index], lambda g: scatter_add(g, a, index)


# --- helpers that the VJPs share --------------------------------------------------------------------------------


def expand_back(g: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    """g in the shape of a: each of its numbers is repeated for all the elements of a that went into one result."""
    # a number has no axes, but NumPy reduces it over axis 0 all the same
    return np.broadcast_to(g if axis is None or keepdims or not a.ndim else np.expand_dims(g, axis), a.shape)


def split_ties(g: Array, wins: Array, ties: Array) -> Array:
    """g where an argument wins, half of g where both tie, 0 elsewhere."""
    return np.where(ties, g / 2, np.where(wins, g, 0))


def scatter_add(g: Array, a: Array, index: Any) -> Array:
    """Zeros in the shape of a, with g added at index; at an index that occurs twice, both numbers of g."""
    out = np.zeros_like(a, dtype=g.dtype)
    np.add.at(out, index, g)
    return out


def defined_in(module: Any) -> list[Callable[..., Result]]:
    """Return the ops of a module: its functions whose docstring begins with "y = "."""
    return [f for f in vars(module).values() if (getattr(f, "__doc__", None) or "").startswith("y = ")]
