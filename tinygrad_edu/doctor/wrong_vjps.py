"""The ways to write one local derivative wrongly: each is a VJP that takes the place of the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core.layers import ACTIVATIONS
from ..core.ops import VJP, Array
from ..core.tensor import Tensor, unwrap
from ..extras import ops
from .recorded import SLOPE_BY_VALUE, times

EXCHANGED = (ops.sigmoid, ops.tanh, ops.relu)  # for one another, in what students write
PARTNERS: dict[Any, str] = {ops.mul: "the other factor of a product", ops.div: "the divisor of a quotient"}
WORDS: dict[str, str] = {  # of ops that nobody calls by the names that they have here
    "add": "a sum of two", "sub": "a difference", "mul": "a product", "div": "a quotient", "neg": "a minus sign",
    "pow": "a power", "square": "the square", "matmul": "a matrix product", "linear": "a matrix product",
    "getitem": "an index", "log": "the logarithm", "log_loss": "the loss's logarithm", "logsumexp": "the logarithm",
}  # fmt: skip


def wrong_vjps(node: Tensor, i: int) -> Iterator[tuple[str, str, VJP]]:
    """Yield (key, sentence, wrong VJP) for argument i of a node. One more mistake is one more line here."""
    op, vjp, a, y = node.op, node.vjps[i], node.parents[i].array, node.array
    if op is ops.softmax:
        yield from _wrong_softmax(vjp, a, y, node.kwargs.get("axis", -1))
    if op is ops.logsumexp:
        yield from _wrong_logsumexp(vjp, a, y, node.kwargs.get("axis"))
    # a constant times a: `relations.factors` knows its ways to get lost
    others = [unwrap(p) for k, p in enumerate(node.parents) if k != i]
    scaled = op in (ops.mul, ops.div) and np.size(others[0]) == 1 and not _requires_grad(node.parents[1 - i])
    if a.shape == y.shape and op not in (ops.add, ops.sub, ops.neg) and not scaled:
        what = PARTNERS.get(op, f"the derivative of {name_of(op)}")
        yield "missing", f"{what} is missing", lambda g: g
        yield "doubled", f"{what} is there twice", lambda g: vjp(vjp(g))
    if op in [kind.op for kind in ACTIVATIONS.values()]:
        yield from _wrong_activations(node, i)
    if op in (ops.matmul, ops.linear) and i < 2:
        args = [unwrap(p) for p in node.parents]
        other = args[1 - i]
        if np.ndim(other) == 2 and other.T.shape == other.shape:
            args[1 - i] = other.T
            text = "a square matrix is not transposed on the way back" if i == 0 else "x is not transposed in x.T @ dy"
            yield "transposed", text, vjp_at(node, i, args)
    yield "sign", f"the sign is turned round at {name_of(op)}", lambda g: -vjp(g)


def _requires_grad(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def vjp_at(node: Tensor, i: int, args: Sequence[Any]) -> VJP:
    """Return the VJP that the node's op has for argument i if it is given these arguments."""
    assert node.op is not None
    vjp: VJP = node.op(*args, **node.kwargs)[1 + i]
    return vjp


def _wrong_softmax(vjp: VJP, z: Array, p: Array, axis: int) -> Iterator[tuple[str, str, VJP]]:
    yield "softmax", "only the diagonal p (1 - p) of the softmax's derivative is used", lambda g: g * p * (1 - p)
    for other, where, q in _other_softmaxes(z, axis):
        yield "softmax", f"the softmax is {where}", _softmax_vjp(p, q, axis)
        yield "softmax", f"the softmax is {where}", _softmax_vjp(p, q, other)
        yield "softmax", f"the sum in the softmax's derivative is {where}", _softmax_vjp(p, p, other)
    text = "p - one_hot is multiplied by p (1 - p), which is in it already"
    yield "softmax", text, lambda g: vjp(g) * p * (1 - p)
    text = "the one-hot of the labels is not subtracted from p"
    yield "softmax", text, lambda g: -p * (g * p).sum(axis=axis, keepdims=True)
    yield "softmax", "of p - one_hot the p is missing", lambda g: g * p


def _wrong_logsumexp(vjp: VJP, z: Array, y: Array, axis: Any) -> Iterator[tuple[str, str, VJP]]:
    """Take the softmax, which is the derivative of ln Σ e^z, over another axis."""
    p = vjp(np.ones_like(y))
    for _, where, q in _other_softmaxes(z, axis) if isinstance(axis, int) else ():
        yield "softmax", f"the softmax is {where}", _with_slope(vjp, p, q)


def _with_slope(vjp: VJP, slope: Array, other: Array) -> VJP:
    return lambda g: vjp(g) / slope * other


def _other_softmaxes(z: Array, axis: int) -> Iterator[tuple[int | None, str, Array]]:
    """Yield (other axis, words, softmax over it): after a shift by the largest of all, or by that of the right axis."""
    for other in [k for k in range(z.ndim) if k != axis % z.ndim] + [None] * (z.ndim > 1):
        right = f"taken over axis {other}, not over axis {axis % z.ndim}"
        for top in (z.max(), z.max(axis=axis, keepdims=True)):
            e = np.exp(z - top)
            yield other, right if other is not None else "taken over all axes", e / e.sum(axis=other, keepdims=True)


def _softmax_vjp(p: Array, q: Array, axis: int | None) -> VJP:
    """Return p - one_hot with q for p, where one_hot is summed over axis; g · p is the one-hot, whatever the loss."""
    return lambda g: g * p - q * (g * p).sum(axis=axis, keepdims=True)


def _wrong_activations(node: Tensor, i: int) -> Iterator[tuple[str, str, VJP]]:
    op, vjp, z, y, what = node.op, node.vjps[i], node.parents[i].array, node.array, name_of(node.op)
    yield "activated", f"the derivative of {what} is taken at {what}(z), not at z", vjp_at(node, i, [y])
    if op in SLOPE_BY_VALUE:
        text = f"the derivative of {what}, a formula in a = {what}(z), is given z instead of a"
        yield "unactivated", text, times(SLOPE_BY_VALUE[op](z))
    if op is ops.softplus:  # the logarithm of a sigmoid, in a loss
        s = ops.sigmoid(z)[0]
        yield "doubled", "the derivative of sigmoid is there twice", lambda g: vjp(g) * s * (1 - s)
    for formula, slope in WRONG_FORMULAS.get(op, {}).items():
        text = f"the derivative of {what} is {RIGHT_FORMULAS[op]} with a = {what}(z), not {formula}"
        yield "formula", text, times(slope(y))
    if op in RIGHT_FORMULAS and y.ndim == 2:
        yield from _dots(op, y, vjp)
    yield "value", f"multiplied by {what}(z) itself, not by its derivative", times(y)
    yield "side", f"the derivative of {what} is taken on the wrong side of 0", vjp_at(node, i, [-z])
    yield "side", f"the derivative of {what} looks at the sign of the gradient, not of z", lambda g: g * (g > 0)
    for other, slope in SLOPE_BY_VALUE.items():
        text = f"the derivative of {name_of(other)}, a formula in its value, is used where {what} was"
        if other is not op:
            yield "other", text, times(slope(y))
    for other in EXCHANGED:
        if other is not op:
            yield "other", f"the derivative of {name_of(other)} is used, where {what} was", other(z)[1]


RIGHT_FORMULAS: dict[Any, str] = {ops.sigmoid: "a * (1 - a)", ops.tanh: "1 - a**2", ops.relu: "(z > 0)"}
WRONG_FORMULAS: dict[Any, dict[str, VJP]] = {
    ops.tanh: {
        "1 - a": lambda a: 1 - a,
        "1 - 2 * a": lambda a: 1 - 2 * a,
        "1 + a**2": lambda a: 1 + a * a,
        "(1 - a)**2": lambda a: (1 - a) ** 2,
        "a**2": lambda a: a * a,
        "1 - a**3": lambda a: 1 - a**3,
    },
    ops.sigmoid: {
        "1 - a": lambda a: 1 - a,
        "a * (1 + a)": lambda a: a * (1 + a),
        "a**2 * (1 - a)": lambda a: a * a * (1 - a),
        "a * (1 - a**2)": lambda a: a * (1 - a * a),
        "1 - 2 * a": lambda a: 1 - 2 * a,
    },
}


def _dots(op: Any, a: Array, vjp: VJP) -> Iterator[tuple[str, str, VJP]]:
    """Multiply matrices where g and the derivative are multiplied element by element, or inside the derivative."""
    slope, text = vjp(np.ones_like(a)), f"a matrix product takes the place of * at the derivative of {name_of(op)}"
    slopes = [slope, slope.T]
    for b, c in [(a.T, a), (a, a.T), *([(a, a)] if len(a) == a.shape[1] else [])]:
        slopes += {ops.tanh: [1 - b @ c], ops.sigmoid: [b @ (1 - c)]}.get(op, [])
    for s in slopes:
        if s.shape == (a.shape[1],) * 2:
            yield "dot", text, _product(s, right=True)
        if s.shape == (len(a),) * 2:
            yield "dot", text, _product(s, right=False)
        if s.shape == a.shape and s is not slope:
            yield "dot", text, times(s)


def _product(s: Array, right: bool) -> VJP:
    return lambda g: g @ s if right else s @ g


def name_of(op: Callable[..., Any] | None) -> str:
    """Return the name of an op, as a sentence has it."""
    name = getattr(op, "__name__", "the op")
    return WORDS.get(name, name)
