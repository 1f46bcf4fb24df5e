"""Every differentiable primitive, on plain NumPy arrays.

An op returns its value, then one function per array argument: the vector-Jacobian product (VJP) of that argument.
A VJP takes ``g``, the gradient of the loss with respect to ``y``, and returns the gradient with respect to the
argument. So each line reads as one partial derivative::

    def mul(a, b):
        return a * b, lambda g: g * b, lambda g: g * a

Three rules keep the file readable by people and by programs:

- the body is straight-line: assignments, then one ``return``;
- what is not differentiated (axes, labels) is keyword-only;
- a VJP never writes into ``g``. It may return the broadcast shape: the engine (`tensor.backward_pass`) sums it back.

Where a function has a kink or a tie, the docstring says which subgradient is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from string import ascii_letters
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
    """y = a^b; at b = 0 the derivative by a is 0 for every a. At a = 0 it is infinite for b < 1: for a root, 0 < b < 1,
    0 is returned as for sqrt, and infinity at the pole of b < 0; the derivative by b is 0 for b >= 0"""
    y = a**b
    base = np.where((a == 0) & (b < 1) & (b > 0), np.inf, a)
    return y, lambda g: g * b * base ** (b - (b != 0)), lambda g: g * y * np.log(np.where(a == 0, 1, a))


def matmul(a: Array, b: Array) -> Result:
    """y = a @ b; matrices or stacks of them: (..., n, k) @ (..., k, m) -> (..., n, m)"""
    return a @ b, lambda g: g @ b.mT, lambda g: a.mT @ g


def linear(x: Array, W: Array, b: Array) -> Result:
    """y = x W + b; a batch x (N, D), weights W (D, C), bias b (C,), all in one node; summing g over the batch
    for b is the undoing of a broadcast, so the engine does it. Of two matrices ``.dot`` is ``@`` at half the cost"""
    return x.dot(W) + b, lambda g: g.dot(W.T), lambda g: x.T.dot(g), lambda g: g


def einsum(*arrays: Array, subscripts: str) -> Result:
    """y = Σ of products of elements, over the letters that y has not; "ij,jk->ik" is a @ b, "ii" the trace. Letters,
    "..." and an output left out mean what they mean to np.einsum"""
    y = np.einsum(subscripts, *arrays)
    return y, *[lambda g, i=i: einsum_share(g, i, arrays, subscripts) for i in range(len(arrays))]


# --- elementwise ------------------------------------------------------------------------------------------------


def exp(a: Array) -> Result:
    """y = e^a"""
    y = np.exp(a)
    return y, lambda g: g * y


def expm1(a: Array) -> Result:
    """y = e^a - 1; near 0 all digits are kept, where the subtraction would cancel them"""
    return np.expm1(a), lambda g: g * np.exp(a)


def log(a: Array) -> Result:
    """y = ln a"""
    return np.log(a), lambda g: g / a


def log1p(a: Array) -> Result:
    """y = ln(1 + a); near 0 all digits are kept, where the addition would round them away"""
    return np.log1p(a), lambda g: g / (1 + a)


def sin(a: Array) -> Result:
    """y = sin a"""
    return np.sin(a), lambda g: g * np.cos(a)


def cos(a: Array) -> Result:
    """y = cos a"""
    return np.cos(a), lambda g: -g * np.sin(a)


def erf(a: Array) -> Result:
    """y = 2/√π ∫ e^(-t²) dt from 0 to a; NumPy has none, so math.erf takes the elements one by one: exact, and 30 times
    the cost of tanh"""
    return map_elements(math.erf, a), lambda g: g * 2 / np.pi**0.5 * np.exp(-a * a)


def sqrt(a: Array) -> Result:
    """y = √a; the slope at 0 is infinite, and 0 is returned there so that a norm at 0 has a gradient"""
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
    """y = 1 / (1 + e^(-a)); by the sign of a so that neither branch overflows"""
    e = np.exp(np.where(a >= 0, -a, a))  # of -abs(a), but with a derivative at 0
    y = np.where(a >= 0, 1, e) / (1 + e)
    return y, lambda g: g * y * (1 - y)


def relu(a: Array) -> Result:
    """y = max(a, 0); relu'(0) = 0"""
    y = np.maximum(a, 0)
    return y, lambda g: g * np.sign(y)


def leaky_relu(a: Array, *, slope: float = 0.01) -> Result:
    """y = a where a > 0, slope · a elsewhere; the derivative at 0 is slope"""
    return np.where(a > 0, a, slope * a), lambda g: np.where(a > 0, g, slope * g)


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


def softplus(a: Array) -> Result:
    """y = ln(1 + e^a); as logaddexp(0, a) so that it does not overflow; its derivative is the sigmoid"""
    return np.logaddexp(0, a), lambda g: g * sigmoid(a)[0]


def maximum(a: Array, b: Array) -> Result:
    """y = the larger of a and b, elementwise; a tie gives half the gradient to each"""
    return np.maximum(a, b), lambda g: split_ties(g, a > b, a == b), lambda g: split_ties(g, b > a, a == b)


def minimum(a: Array, b: Array) -> Result:
    """y = the smaller of a and b, elementwise; a tie gives half the gradient to each"""
    return np.minimum(a, b), lambda g: split_ties(g, a < b, a == b), lambda g: split_ties(g, b < a, a == b)


def where(a: Array, b: Array, *, condition: Array) -> Result:
    """y = a where the condition holds, b elsewhere"""
    return np.where(condition, a, b), lambda g: np.where(condition, g, 0), lambda g: np.where(condition, 0, g)


def clip(a: Array, *, low: float, high: float) -> Result:
    """y = a held within [low, high]; the derivative is 1 inside and on both bounds, 0 outside"""
    return np.clip(a, low, high), lambda g: g * ((a >= low) & (a <= high))


# --- reductions -------------------------------------------------------------------------------------------------


def sum(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = Σ a over axis"""
    return a.sum(axis=axis, keepdims=keepdims), lambda g: expand_back(g, a, axis, keepdims)


def mean(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = Σ a / n over axis; n is the number of elements that each mean takes in"""
    y = a.mean(axis=axis, keepdims=keepdims)
    return y, lambda g: expand_back(g / (a.size // (y.size or 1)), a, axis, keepdims)


def var(a: Array, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Result:
    """y = Σ (a - mean)² / (n - ddof) over axis; ddof is 0 as in NumPy: the mean square. ddof = 1, the estimate from a
    sample, is PyTorch's default"""
    d = a - a.mean(axis=axis, keepdims=True)
    y = a.var(axis=axis, ddof=ddof, keepdims=keepdims)
    n = a.size // (y.size or 1)
    return y, lambda g: expand_back(g * 2 / (n - ddof), a, axis, keepdims) * d


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


def logsumexp(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """y = ln Σ e^a over axis; with the largest element taken out first so that nothing overflows"""
    top = a.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    whole = np.log(np.exp(a - top).sum(axis=axis, keepdims=True)) + top
    y = whole if keepdims else whole.squeeze(axis)
    return y, lambda g: expand_back(g, a, axis, keepdims) * np.exp(a - whole)


def softmax(a: Array, *, axis: int = -1) -> Result:
    """y = e^a / Σ e^a over axis; shifted by the largest element so that nothing overflows"""
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    y = e / e.sum(axis=axis, keepdims=True)
    return y, lambda g: y * (g - (g * y).sum(axis=axis, keepdims=True))


def log_softmax(a: Array, *, axis: int = -1) -> Result:
    """y = a - ln Σ e^a over axis; the logarithm of softmax, without the exponentials that could vanish"""
    s = a - a.max(axis=axis, keepdims=True)
    y = s - np.log(np.exp(s).sum(axis=axis, keepdims=True))
    return y, lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True)


def cross_entropy(z: Array, *, labels: Array) -> Result:
    """y = -(1/N) Σ ln softmax(z)[label]; over the N rows of z (N, C): softmax and loss in one stable node, whose
    gradient is (softmax(z) - one_hot(labels)) / N"""
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
    """y = a with its axes in the given order, reversed when none is given"""
    return a.transpose(axes), lambda g: g.transpose(None if axes is None else np.argsort(np.mod(axes, a.ndim)))


def broadcast_to(a: Array, *, shape: tuple[int, ...]) -> Result:
    """y = a repeated to a shape; by the rules of broadcasting, which the engine undoes for every op"""
    return np.broadcast_to(a, shape), lambda g: g


def flip(a: Array, *, axis: Axis = None) -> Result:
    """y = a in reverse order along axis; along all axes when it is None"""
    return np.flip(a, axis), lambda g: np.flip(g, axis)


def pad(a: Array, *, pad_width: Any, constant_values: float = 0.0) -> Result:
    """y = a inside a border of one value; as wide as one number says, (before, after), or such a pair for each axis"""
    return np.pad(a, pad_width, constant_values=constant_values), lambda g: crop(g, a, pad_width)


def astype(a: Array, *, dtype: Any) -> Result:
    """y = a in another float dtype; the gradient comes back in a's"""
    return a.astype(dtype), lambda g: g.astype(a.dtype)


def getitem(a: Array, *, index: Any) -> Result:
    """y = a[index]; slices, integers, integer or boolean arrays; an element taken twice gets both gradients"""
    return a[index], lambda g: scatter_add(g, a, index)


def concatenate(*arrays: Array, axis: int = 0) -> Result:
    """y = the arrays, one after the other along an axis that they have"""
    lengths = [array.shape[axis] for array in arrays]
    stops = np.cumsum(lengths)
    starts = stops - lengths
    y = np.concatenate(arrays, axis=axis)
    return y, *[lambda g, i=i, j=j: slice_along(g, i, j, axis) for i, j in zip(starts, stops)]


def stack(*arrays: Array, axis: int = 0) -> Result:
    """y = the arrays, side by side along a new axis"""
    return np.stack(arrays, axis), *[lambda g, i=i: np.take(g, i, axis) for i in range(len(arrays))]


# --- helpers that the VJPs share --------------------------------------------------------------------------------


def expand_back(g: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    """g in the shape of a: each of its numbers is repeated for all the elements of a that went into one result."""
    return np.broadcast_to(g if axis is None or keepdims else np.expand_dims(g, axis), a.shape)


def map_elements(f: Callable[[float], float], a: Array) -> Array:
    """f of every element, one by one: for what math has and NumPy has not. In a's dtype, float64 for integers."""
    return np.fromiter(map(f, a.flat), np.result_type(a, 0.0), a.size).reshape(a.shape)


def product_of_others(a: Array, axis: Axis) -> Array:
    """For each element of a the product of all others along axis: their whole product is divided by the element, with
    zeros left out. Each zero that is not the element itself makes it 0."""
    zero, filled = a == 0, np.where(a == 0, 1, a)
    zeros_among_others = zero.sum(axis=axis, keepdims=True) - zero
    return np.where(zeros_among_others == 0, filled.prod(axis=axis, keepdims=True) / filled, 0)


def equal_shares(hit: Array, a: Array, axis: Axis) -> Array:
    """Where hit: one part in as many as there are hits along axis; 0 elsewhere. In a's dtype."""
    hits = hit.astype(a.dtype)
    return hits / hits.sum(axis=axis, keepdims=True)


def split_ties(g: Array, wins: Array, ties: Array) -> Array:
    """g where this side wins, half of g where it ties, 0 elsewhere."""
    return np.where(ties, g / 2, np.where(wins, g, 0))


def slice_along(g: Array, start: int, stop: int, axis: int) -> Array:
    """The part of g from start to stop along axis."""
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, stop),)]


def scatter_add(g: Array, a: Array, index: Any) -> Array:
    """Zeros like a, with g added at index."""
    out = np.zeros_like(a, dtype=g.dtype)
    np.add.at(out, index, g)
    return out


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


def defined_in(module: Any) -> list[Callable[..., Result]]:
    """Return the ops of a module: its functions whose docstring begins with "y = "."""
    return [f for f in vars(module).values() if (getattr(f, "__doc__", None) or "").startswith("y = ")]
