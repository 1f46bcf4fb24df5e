"""A recorded computation that can be run again, and backwards with a wrong derivative."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.ops import VJP, Array, Result
from ..core.tensor import Observer, Tensor, apply, backward_pass, toposort, unwrap
from ..extras import ops
from ..guards.frames import outside

CALLER = __file__.replace("recorded.py", "case.py")  # it calls the function whose source is quoted
KINKED = (ops.relu, ops.leaky_relu, ops.abs, ops.maximum, ops.minimum, ops.max, ops.min, ops.clip)
ELEMENTWISE = (ops.sigmoid, ops.tanh, ops.relu)  # these are recognised by their values, however they
ROWWISE = (ops.softmax, ops.log_softmax)  # were written, and these too
SLOPE_BY_VALUE: dict[Any, VJP] = {ops.sigmoid: lambda y: y * (1 - y), ops.tanh: lambda y: 1 - y * y}


# --- two ops that take a loss apart ----------------------------------------------------------------------------------


def square(a: Array) -> Result:
    """y = a²"""
    return a * a, lambda g: 2 * g * a


def log_loss(p: Array, *, labels: Array) -> Result:
    """y = -(1/N) Σ ln p[label]: `ops.cross_entropy` without its softmax"""
    hot = labels[:, None] == np.arange(p.shape[1])
    return -np.log(p[hot]).sum() / len(p), lambda g: -g * hot / p / len(p)


class Quotes(Observer):
    """Keep the words of the user's source that compute each result, inside ``with``: ``texts`` has them by node."""

    def __init__(self) -> None:
        self.texts: dict[Tensor, str] = {}

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        frame, inner = outside(sys._getframe()), sys._getframe()
        if frame is None or not out.requires_grad:
            return
        while inner is not frame:  # a function of ours, as of an exercise: the user's line is another
            if inner.f_code.co_filename == CALLER:
                return
            assert inner.f_back is not None
            inner = inner.f_back
        where = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        line, end, first, last = where
        if line is not None and first is not None:
            source = linecache.getline(frame.f_code.co_filename, line).encode()
            words = source[first : last if line == end else None].decode(errors="replace").strip()
            if len(words) > 60 or line != end:
                words = f"{words[:56]} ..."
            if source and len(words) > 1:
                self.texts[out] = f"`{words}`"


# --- the record ------------------------------------------------------------------------------------------------------


class RecordedGraph:
    """The record of a computation, with the gradient of its sum. It can be run backwards wrongly, and run again.

    Parameters
    ----------
    root : the result
    inputs : the leaves whose gradients are asked for

    Attributes
    ----------
    nodes : the computed tensors, youngest first
    right : the gradient of each input
    g : the gradient of each computed tensor
    wholes : for each input, the results of its VJPs before broadcasting was undone
    quotes : node -> the words of the source that computed it, as far as they are known
    added : the nodes that no student wrote: weights that an op's result is multiplied by, and their sum
    """

    def __init__(
        self,
        root: Tensor,
        inputs: Sequence[Tensor],
        quotes: Mapping[Tensor, str] | None = None,
        weighted: bool = False,
    ) -> None:
        self.quotes, self.weighted = dict(quotes or {}), weighted
        self.added = {root, root.parents[0]} if weighted and root.parents else set()
        self.root, self.inputs = root, list(inputs)
        self.nodes = toposort(root)
        self.g: dict[Tensor, Array] = {}
        self.wholes: dict[Tensor, list[Array]] = {t: [] for t in inputs}
        self.right = self.gradients()

    def gradients(self, exchanged: Mapping[tuple[Tensor, int], VJP] | None = None) -> list[Array]:
        """Return the gradient of each input.

        Parameters
        ----------
        exchanged : (node, number of an argument) -> the VJP that takes the place of its own
        """
        before = {node: node.vjps for node, _ in exchanged or ()}
        try:
            for (node, i), vjp in (exchanged or {}).items():
                node.vjps = [*node.vjps[:i], vjp, *node.vjps[i + 1 :]]
            sums = {t: np.zeros_like(t.array) for t in self.inputs}
            if self.root.requires_grad:
                for node, g, parent, share, whole in backward_pass(self.root, np.ones_like(self.root.array)):
                    if parent in sums:
                        sums[parent] = sums[parent] + share
                    if exchanged is None:
                        self.g[node] = g
                        self.wholes.get(parent, []).append(whole)
            return list(sums.values())
        finally:
            for node, vjps in before.items():
                node.vjps = vjps

    def edges(self) -> Iterator[tuple[Tensor, int, Tensor]]:
        """Yield (node, i, argument i of the node) wherever a gradient is passed on, in forward order."""
        for node in self.nodes[::-1]:
            for i, parent in enumerate(node.parents):
                if isinstance(parent, Tensor) and parent.requires_grad:
                    yield node, i, parent

    def rebuilt(self, plain: bool = False, shaken: np.random.Generator | None = None) -> RecordedGraph:
        """Run the computation once more: in plain terms (see `_plain`), or with shaken values."""
        new = {id(t): Tensor(t, requires_grad=True, name=t.name) for t in self.inputs}
        inputs = list(new.values())
        earlier, quotes = list(inputs), dict[Tensor, str]()
        for node in self.nodes[::-1] if self.root.parents else ():
            assert node.op is not None
            made = apply(node.op, *[new.get(id(p), unwrap(p)) for p in node.parents], **node.kwargs)
            if shaken is not None:
                made.array = _shaken_result(made, shaken)
            new[id(node)] = _plain(made, earlier) if plain else made
            earlier.append(new[id(node)])
            if node in self.quotes:
                quotes[new[id(node)]] = self.quotes[node]
        return RecordedGraph(new.get(id(self.root), self.root), inputs, quotes, self.weighted)

    def in_plain_terms(self) -> RecordedGraph:
        """Return the graph rebuilt in plain terms, or this one where the gradients would be others.

        In plain terms a sigmoid is one node, however it was written.
        """
        if len(self.nodes) > 300:
            return self
        try:
            plain = self.rebuilt(plain=True)
        except Exception:  # an op of the user's that does not run twice
            return self
        plain.forget_shifts()
        ours, theirs = self.nudged(-1), plain.nudged(-1)  # at a kink the two forms may choose different sides
        largest = max((np.abs(a).max(initial=0) for a in ours), default=0)
        same = all((np.abs(a - b) <= 0.01 * largest).all() for a, b in zip(ours, theirs, strict=True))
        return plain if same else self

    def forget_shifts(self) -> None:
        """Pass nothing back through the max of z - max(z) if its gradient is 0: students take it for a constant."""
        least = 1e-13 * max((np.abs(g).max(initial=0) for g in self.g.values()), default=0)
        for node in self.nodes:
            if node.op not in (ops.sub, ops.add):
                continue
            z, top = node.parents
            while isinstance(top, Tensor) and top.op is not ops.max and len(top.parents) == 1:  # a reshape, a minus
                top = top.parents[0]
            is_shift = isinstance(top, Tensor) and top.op is ops.max and top.parents[0] is z
            if is_shift and np.abs(self.g[top]).max(initial=0) <= least:
                top.vjps = [nothing_for(z)]

    def rounding(self, rng: np.random.Generator) -> list[Array]:
        """Measure how far rounding in float64 may move each number of the gradients.

        As written and in plain terms, the gradients are computed several times more, with the last bits of every value
        and of every gradient made random.
        """
        plain, found = self.in_plain_terms(), [np.zeros(t.shape) for t in self.inputs]
        for graph in [plain, self] * 4:
            try:
                off = graph.rebuilt(shaken=rng).shaken_gradients(rng)
            except Exception:  # an op of the user's that does not run twice
                break
            for most, a, b in zip(found, graph.right, off, strict=True):
                np.maximum(most, np.nan_to_num(np.abs(a - b) / 4, posinf=0), out=most)  # 2 bits were shaken
        return found

    def shaken_gradients(self, rng: np.random.Generator) -> list[Array]:
        """Return the gradients with the last bits of everything on the way back made random."""
        lost = dict.fromkeys(self.nodes, np.zeros(()))  # the size of what each node is added to: its last digits go
        for node, i, parent in self.edges():
            if node.op is ops.add:
                lost[parent] = lost.get(parent, 0) + np.abs(node.vjps[i](np.abs(node.array)))
        return self.gradients({(node, i): _shaken_vjp(node, i, lost[node], rng) for node, i, _ in self.edges()})

    def nudged(self, side: int) -> list[Array]:
        """Return the gradients with one side taken at every kink: the inputs of its op moved by next to nothing."""
        exchanged: dict[tuple[Tensor, int], VJP] = {}
        for node, i, parent in self.edges():
            if node.op in KINKED:
                a, args = parent.array, [unwrap(p) for p in node.parents]
                ranks = np.arange(a.size, 0, -1).reshape(a.shape) / max(a.size, 1)  # of several that tie one has to win
                args[i] = a + side * (1e-12 * np.abs(a).max(initial=0) + 1e-300) * ranks
                exchanged[node, i] = node.op(*args, **node.kwargs)[1 + i]
        return self.gradients(exchanged)


# --- rounding, made random -------------------------------------------------------------------------------------------


def _shaken(a: Array, rng: np.random.Generator) -> Array:
    """Return a with its last bits made random."""
    return np.asarray(a * (1 + 2.0**-50 * rng.uniform(-1, 1, np.shape(a))))


def _shaken_result(made: Tensor, rng: np.random.Generator) -> Array:
    """Return the value of a node with the digits made random that rounding may have changed.

    A difference of large numbers has lost the digits that the numbers had. A sum or a mean of many numbers, which are
    added one after the other, has lost more of them.
    """
    y = _shaken(made.array, rng)
    if made.op in (ops.add, ops.sub):
        for p in made.parents:
            summed = isinstance(p, Tensor) and p.op in (ops.sum, ops.mean)
            terms = p.parents[0].size / max(p.size, 1) if summed else 1
            loss = _shaken(np.broadcast_to(unwrap(p), made.shape), rng) - unwrap(p)
            y = y + max(1.0, np.sqrt(terms) / 32) * loss
    return y


def _shaken_vjp(node: Tensor, i: int, lost: Array, rng: np.random.Generator) -> VJP:
    """Return the VJP of argument i with random last bits. lost is the size of the numbers that y was added to."""
    vjp, y, axis = node.vjps[i], node.array, node.kwargs.get("axis", -1)
    if node.op is ops.softmax:  # p - one_hot: where p is near 1, few digits are left
        return lambda g: y * (_shaken(g, rng) - (_shaken(g, rng) * y).sum(axis=axis, keepdims=True))
    if node.op in SLOPE_BY_VALUE:  # 1 - a: the same
        return times(SLOPE_BY_VALUE[node.op](_shaken(y, rng)))
    if node.op is ops.exp:  # the same where it is written out, as 1 / (1 + exp(-z))
        return times(y + _shaken(lost, rng) - lost)
    return lambda g: vjp(_shaken(g, rng))


def times(slope: Array) -> VJP:
    """Return the VJP of an op that has these slopes, element by element."""
    return lambda g: g * slope


def nothing_for(parent: Tensor) -> VJP:
    """Return the VJP that loses the way to parent."""
    return lambda g: np.zeros_like(parent.array)


# --- plain terms -----------------------------------------------------------------------------------------------------


def _plain(v: Tensor, earlier: list[Tensor]) -> Tensor:
    """Return the node v in plain terms.

    An activation or a softmax is one node, recognised by its values, however it was written. A softmax and the
    logarithm after it are two. The logarithm of a sum of exp is one, and that of a quotient a difference.

    Parameters
    ----------
    v : the youngest node
    earlier : the nodes before it, in plain terms
    """
    if not v.requires_grad:
        return v
    v = _recognised(v, earlier)
    a = v.parents[0]
    if (v.op is ops.mul and a is v.parents[1]) or (v.op is ops.pow and np.all(unwrap(v.parents[1]) == 2)):
        return apply(square, a)
    if v.op is ops.cross_entropy:
        return apply(log_loss, apply(ops.softmax, a), **v.kwargs)
    if v.op is ops.log_softmax:
        return apply(ops.softmax, a, **v.kwargs).log()
    if v.op is ops.log and a.op is ops.sum and a.parents[0].op is ops.exp:
        return apply(ops.logsumexp, a.parents[0].parents[0], **a.kwargs)
    if v.op is ops.log and a.op is ops.div and all(isinstance(p, Tensor) and p.requires_grad for p in a.parents):
        over, under = a.parents
        return _plain(over.log(), earlier) - _plain(under.log(), earlier)
    return v


def _recognised(v: Tensor, earlier: list[Tensor]) -> Tensor:
    """Return v as one activation or softmax of an earlier node that has these values; v itself if there is none."""
    if v.op is ops.maximum:  # np.maximum(z, 0)
        inputs = [p for p in v.parents if np.ndim(unwrap(p)) or unwrap(p) != 0]
        v = apply(ops.relu, *inputs) if len(inputs) == 1 else v
    kin = [u for u in earlier if u.shape == v.shape and u.requires_grad]
    known = v.op in ELEMENTWISE + ROWWISE or not v.size or not np.ptp(v.array)
    if known or any(np.array_equal(u.array, v.array) for u in kin):  # a copy of an activation is none
        return v
    for op in ELEMENTWISE + (ROWWISE if v.ndim else ()):
        alike = [u for u in kin if np.allclose(op(u.array)[0], v.array, rtol=1e-9, atol=0)]
        if op in ROWWISE:  # of z, not of z - max, which is younger; but after a bias of 0
            alike = [u for u in alike if np.array_equal(u.array, alike[0].array)]
        if alike:
            return apply(op, alike[-1])
    return v
