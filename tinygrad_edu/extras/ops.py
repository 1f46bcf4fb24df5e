"""Rarer ops, in the form of `core.ops`, and all others beside them: those of the core, `elementwise` and `linalg`."""

from __future__ import annotations

import math
from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np

from ..core.ops import *  # noqa: F403
from ..core.ops import Array, Axis, Result, expand_back, scatter_add, sigmoid
from .elementwise import *  # noqa: F403
from .linalg import *  # noqa: F403
from .windows import *  # noqa: F403
from .windows import equal_shares

# --- elementwise ------------------------------------------------------------------------------------------------------


def where(a: Array, b: Array, *, condition: Array) -> Result:
    """y = a where the condition holds, b elsewhere"""
    return np.where(condition, a, b), lambda g: np.where(condition, g, 0), lambda g: np.where(condition, 0, g)


def clip(a: Array, *, low: float, high: float) -> Result:
    """y = a held within [low, high]; the derivative is 1 inside and on both bounds, 0 outside"""
    return np.clip(a, low, high), lambda g: g * ((a >= low) & (a <= high))


def leaky_relu(a: Array, *, slope: float = 0.01) -> Result:
    """y = a where a > 0, slope · a elsewhere; the derivative at 0 is slope"""
    return np.where(a > 0, a, slope * a), lambda g: np.where(a > 0, g, slope * g)


def erf(a: Array) -> Result:
    """y = 2/√π ∫ e^(-t²) dt from 0 to a; NumPy has none, so math.erf takes the elements one by one: exact, and 30 times
    the cost of tanh"""
    return map_elements(math.erf, a), lambda g: g * 2 / np.pi**0.5 * np.exp(-a * a)


def elu(a: Array, *, alpha: float = 1.0) -> Result:
    """y = a where a > 0, alpha · (e^a - 1) elsewhere; the derivative at 0 is alpha"""
    low = np.minimum(a, 0)
    return np.where(a > 0, a, alpha * np.expm1(low)), lambda g: g * np.where(a > 0, 1, alpha * np.exp(low))


def silu(a: Array) -> Result:
    """y = a · sigmoid(a); also called swish"""
    s = sigmoid(a)[0]
    return a * s, lambda g: g * s * (1 + a * (1 - s))


def gelu(a: Array) -> Result:
    """y = a · Φ(a); Φ(a) is the share of a normal distribution below a. The exact form, by math.erfc, at the cost of
    `erf`; not the approximation by tanh"""
    share = map_elements(math.erfc, -a / 2**0.5) / 2
    return a * share, lambda g: g * (share + a * np.exp(-a * a / 2) / (2 * np.pi) ** 0.5)


# --- reductions -------------------------------------------------------------------------------------------------------


def max(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = the largest of a over axis; ties share the gradient equally"""
    y = a.max(axis=axis, keepdims=keepdims)
    return (
        y,
        lambda g: expand_back(g, a, axis, keepdims) * equal_shares(a == expand_back(y, a, axis, keepdims), a, axis),
    )


def min(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = the smallest of a over axis; ties share the gradient equally"""
    y = a.min(axis=axis, keepdims=keepdims)
    return (
        y,
        lambda g: expand_back(g, a, axis, keepdims) * equal_shares(a == expand_back(y, a, axis, keepdims), a, axis),
    )


def log_softmax(a: Array, *, axis: int = -1) -> Result:
    """y = a - ln Σ e^a over axis; the logarithm of softmax, without the exponentials that could vanish"""
    s = a - (a.max(axis=axis, keepdims=True) if a.size else 0)
    y = s - np.log(np.exp(s).sum(axis=axis, keepdims=True) if a.size else np.ones_like(s))
    return y, lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True)


def var(a: Array, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Result:
    """y = Σ (a - mean)² / (n - ddof) over axis; ddof is 0 as in NumPy: the mean square. ddof = 1, the estimate from a
    sample, is PyTorch's default"""
    d = a - a.mean(axis=axis, keepdims=True)
    y = a.var(axis=axis, ddof=ddof, keepdims=keepdims)
    n = a.size // (y.size or 1)
    return y, lambda g: expand_back(g * 2 / (n - ddof), a, axis, keepdims) * d


def logsumexp(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = ln Σ e^a over axis; with the largest element taken out first so that nothing overflows"""
    top = a.max(axis=axis, keepdims=True) if a.size else a.sum(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    whole = np.log(np.exp(a - top).sum(axis=axis, keepdims=True)) + top
    y = whole if keepdims else whole.squeeze(axis)
    return y, lambda g: expand_back(g, a, axis, keepdims) * np.exp(a - whole)


def std(a: Array, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Result:
    """y = √(Σ (a - mean)² / (n - ddof)) over axis; ddof as for `var`; the gradient at y = 0 is 0"""
    d = a - a.mean(axis=axis, keepdims=True)
    y = a.std(axis=axis, ddof=ddof, keepdims=keepdims)
    n = a.size // (y.size or 1)
    return y, lambda g: expand_back(g / np.where(y == 0, np.inf, y) / (n - ddof), a, axis, keepdims) * d


def norm(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = √(Σ a²) over axis; the length of a vector, the Frobenius norm of a matrix; the gradient at y = 0 is 0"""
    y = np.sqrt((a * a).sum(axis=axis, keepdims=keepdims))
    return y, lambda g: expand_back(g / np.where(y == 0, np.inf, y), a, axis, keepdims) * a


def prod(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = Π a over axis; the derivative by an element is the product of the others, zeros among them or not"""
    y = a.prod(axis=axis, keepdims=keepdims)
    return y, lambda g: expand_back(g, a, axis, keepdims) * product_of_others(a, axis)


def cumsum(a: Array, *, axis: int | None = None) -> Result:
    """y = a_0, a_0 + a_1, ... along axis; over all elements when it is None. a_i is in y_i and in all after it, so its
    gradient is the same sum from the other end"""
    return a.cumsum(axis), lambda g: np.flip(np.flip(g, axis).cumsum(axis), axis).reshape(a.shape)


def cumprod(a: Array, *, axis: int | None = None) -> Result:
    """y = a_0, a_0 · a_1, ... along axis; over all elements when it is None. The derivative by an element has the
    product of the others in it, zeros among them or not"""
    y = a.cumprod(axis)
    return y, lambda g: cumprod_share(g, a, y, axis)


def sort(a: Array, *, axis: int = -1) -> Result:
    """y = the elements of a in ascending order along axis; each has the gradient of the place that it went to. Equal
    ones keep their order"""
    order = np.argsort(a, axis=axis, kind="stable")
    return a[along(order, axis)], lambda g: g[along(np.argsort(order, axis=axis), axis)]


# --- shapes and products ----------------------------------------------------------------------------------------------


def broadcast_to(a: Array, *, shape: tuple[int, ...]) -> Result:
    """y = a repeated to a shape; by the rules of broadcasting, which the engine undoes for every op"""
    return np.broadcast_to(a, shape), lambda g: g


def concatenate(*arrays: Array, axis: int = 0) -> Result:
    """y = the arrays, one after the other along an axis that they have"""
    y = np.concatenate(arrays, axis=axis)
    lengths = [array.shape[axis] for array in arrays]
    stops = np.cumsum(lengths)
    starts = stops - lengths
    return y, *[lambda g, i=i, j=j: slice_along(g, i, j, axis) for i, j in zip(starts, stops)]


def stack(*arrays: Array, axis: int = 0) -> Result:
    """y = the arrays, side by side along a new axis"""
    return np.stack(arrays, axis), *[lambda g, i=i: np.take(g, i, axis) for i in range(len(arrays))]


def flip(a: Array, *, axis: Axis = None) -> Result:
    """y = a in reverse order along axis; along all axes when it is None"""
    return np.flip(a, axis), lambda g: np.flip(g, axis)


def pad(a: Array, *, pad_width: Any, constant_values: float = 0.0) -> Result:
    """y = a inside a border of one value; as wide as one number says, (before, after), or such a pair for each axis"""
    return np.pad(a, pad_width, constant_values=constant_values), lambda g: crop(g, a, pad_width)


def einsum(*arrays: Array, subscripts: str) -> Result:
    """y = Σ of products of elements, over the letters that y has not; "ij,jk->ik" is a @ b, "ii" the trace. Letters,
    "..." and an output left out mean what they mean to np.einsum"""
    y = np.einsum(subscripts, *arrays)
    return y, *[lambda g, i=i: einsum_share(g, i, arrays, subscripts) for i in range(len(arrays))]


# --- helpers that the VJPs share --------------------------------------------------------------------------------------


def slice_along(g: Array, start: int, stop: int, axis: int) -> Array:
    """The part of g from start to stop along axis."""
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, stop),)]


def map_elements(f: Callable[[float], float], a: Array) -> Array:
    """f of every element, one by one: for what math has and NumPy has not. In a's dtype, float64 for integers."""
    return np.fromiter(map(f, a.flat), np.result_type(a, 0.0), a.size).reshape(a.shape)


def product_of_others(a: Array, axis: Axis) -> Array:
    """For each element of a the product of all others along axis: their whole product is divided by the element, with
    zeros left out. Each zero that is not the element itself makes it 0."""
    zero, filled = a == 0, np.where(a == 0, 1, a)
    zeros_among_others = zero.sum(axis=axis, keepdims=True) - zero
    return np.where(zeros_among_others == 0, filled.prod(axis=axis, keepdims=True) / filled, 0)


def along(order: Array, axis: int) -> tuple[Array, ...]:
    """The index that takes the elements along axis in an order, which has the shape of the result."""
    axis = axis % order.ndim
    every = [np.arange(n).reshape([n if i == j else 1 for j in range(order.ndim)]) for i, n in enumerate(order.shape)]
    return (*every[:axis], order, *every[axis + 1 :])


def cumprod_share(g: Array, a: Array, y: Array, axis: int | None) -> Array:
    """The gradient of a from that of its running products y. Before the first zero it is the sum of g · y from there
    on, divided by a; at the first zero the same, with 1 in the place of that zero; after it 0."""
    shape = a.shape
    a = a.reshape(y.shape)
    axis = 0 if axis is None else axis
    zeros = np.cumsum(a == 0, axis)
    first = (a == 0) & (zeros == 1)
    around = np.cumprod(np.where(first, 1, a), axis)
    before = np.flip(np.flip(g * y, axis).cumsum(axis), axis) / np.where(a == 0, 1, a)
    there = np.flip(np.flip(g * around, axis).cumsum(axis), axis)
    return np.where(first, there, np.where(zeros == 0, before, 0)).reshape(shape)


def crop(g: Array, a: Array, pad_width: Any) -> Array:
    """The part of g where a was before it was padded."""
    before = np.broadcast_to(pad_width, (a.ndim, 2))[:, 0]
    return g[tuple(slice(i, i + n) for i, n in zip(before, a.shape))]


def einsum_share(g: Array, i: int, arrays: tuple[Array, ...], subscripts: str) -> Array:
    """The gradient for arrays[i]: y is linear in it, so it is the same product with g in its place, over its letters.

    Where arrays[i] is longer along a letter than all else, ones keep it: every element along it gets the same. Where it
    has a letter twice, y has seen its diagonal alone, and the rest gets 0.
    """
    terms, out = einsum_letters(subscripts, arrays)
    mine = "".join(dict.fromkeys(terms[i]))  # each letter once
    others, factors = [*terms[:i], *terms[i + 1 :], out], [*arrays[:i], *arrays[i + 1 :], g]
    lengths = dict(sorted(pair for term, a in zip(others, factors) for pair in zip(term, np.shape(a))))  # the largest
    if any(lengths.get(c) != n for c, n in zip(terms[i], np.shape(arrays[i]))):
        others, factors = [terms[i], *others], [np.ones_like(arrays[i]), *factors]
    share = np.einsum(",".join(others) + "->" + mine, *factors)
    if mine == terms[i]:
        return share
    place = dict(zip(mine, np.ix_(*map(np.arange, share.shape))))
    return scatter_add(share, np.zeros([place[c].size for c in terms[i]]), tuple(place[c] for c in terms[i]))


def einsum_letters(subscripts: str, arrays: tuple[Array, ...]) -> tuple[list[str], str]:
    """The letters of each array and of the result: "..." becomes letters, and a result that was left out is written."""
    inputs, arrow, out = subscripts.replace(" ", "").partition("->")
    if not arrow:  # the letters that come once, in alphabetical order
        out = "..." + "".join(c for c in sorted(set(inputs) - set(".,")) if inputs.count(c) == 1)
    terms, free = inputs.split(","), "".join(c for c in ascii_letters if c not in subscripts)
    dots = [np.ndim(a) - len(term.replace("...", "")) for term, a in zip(terms, arrays)]
    *terms, out = [term.replace("...", free[len(free) - n :]) for term, n in zip([*terms, out], [*dots, np.max(dots)])]
    return terms, out
