"""The mistakes of gradients that are computed by hand: a sentence and a hint for each, and a way to make it.

A mistake in the chain rule is made, not described: the recorded graph is run backwards once more, with one VJP
exchanged for a wrong one. The gradients that come out are those of somebody who makes this mistake, so they can be
compared with the gradients that somebody has. `judge` compares them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import VJP, Array
from ..core.tensor import Tensor, unwrap
from ..extras import ops
from .recorded import RecordedGraph, nothing_for
from .wrong_vjps import name_of, vjp_at, wrong_vjps

# key: (sentence, one hint)
MISTAKES = {
    "sign": (
        "the sign is turned round",
        "a - b passes g to a and -g to b; and the error is prediction - target, not target - prediction.",
    ),
    "factor": (
        "a constant factor",
        "Follow each constant of the formula: the 1/N of a mean, the 2 of a square, the n of a**n.",
    ),
    "transposed": (
        "transposed",
        "A gradient has the shape of what it belongs to. For y = x @ W: dW = x.T @ dy and dx = dy @ W.T.",
    ),
    "shape": ("the numbers are right, the shape is not", "A gradient has the shape of what it belongs to: keepdims?"),
    "unsummed": (
        "not summed over the axis that broadcasting stretched",
        "One number that was used many times gets the sum of all their gradients, as in db = dz.sum(axis=0).",
    ),
    "axis": ("summed over the wrong axis", "Sum over the axis that broadcasting added: for a bias that is the batch."),
    "path": (
        "a path is lost",
        "What is used several times gets the sum over its uses: add with +=, do not overwrite with =.",
    ),
    "missing": ("a local derivative is missing", "Each step back multiplies by the derivative of the step forward."),
    "doubled": ("a local derivative is there twice", "Each step forward has one factor on the way back, not two."),
    "activated": (
        "the derivative is taken at the activation instead of at its input",
        "With a = sigmoid(z) the derivative is a * (1 - a). sigmoid'(a) would apply the sigmoid once more.",
    ),
    "unactivated": (
        "the formula in terms of the activation is given its input",
        "tanh'(z) = 1 - a**2 with a = tanh(z), and sigmoid'(z) = a * (1 - a) with a = sigmoid(z): a, not z.",
    ),
    "value": (
        "multiplied by the value of a function instead of by its derivative",
        "Going back you need the slope of the function, not its value.",
    ),
    "side": ("the derivative is taken on the wrong side of 0", "relu passes g on where its input was positive."),
    "other": ("the derivative of another activation", "tanh' = 1 - a**2, sigmoid' = a * (1 - a), relu' = (z > 0)."),
    "formula": (
        "the formula of a derivative is written wrongly",
        "tanh' = 1 - a**2, sigmoid' = a * (1 - a), relu' = (z > 0).",
    ),
    "dot": (
        "a matrix product where elements are multiplied",
        "The derivative of a function of single elements is multiplied element by element: with *, not np.dot or @.",
    ),
    "softmax": (
        "softmax and cross-entropy are taken apart wrongly",
        "Softmax alone: dz = p * (dp - (dp * p).sum()). With mean cross-entropy: dz = (p - one_hot) / N, no more.",
    ),
    "updated": (
        "passed back through weights that were updated already",
        "Compute all gradients first, with the weights of the forward pass. Update after that.",
    ),
    "swapped": ("the gradient of something else", "Compare which letter is behind the d in your last line."),
    "zero": ("all zero", "Does the chain reach it? Look for an assignment that was never run."),
    "missing gradient": ("no gradient was given", "Fill it in: an array of the input's shape."),
    "nan": ("there is NaN or infinity in it", "Look for a division by 0, log(0), or exp of a large number."),
    "ignored": ("g is not used", "A VJP passes on g times the local derivative: begin it with g *."),
    "nonlinear": ("not linear in g", "A VJP multiplies g by something that does not depend on g."),
    "writes": ("writes into what it was given", "Work on a copy: others still need that array. g * b, not g *= b."),
    "raises": ("raises an error", "Run that line alone, with arrays of these shapes."),
    "count": ("the number of VJPs is wrong", "Return the value, then one function for each positional argument."),
    "wrong value": ("the value is wrong", "Look at the forward formula first: its derivative comes after."),
    "detached": (
        "the way from the output back to it is cut",
        "Look for .numpy(), .data, .detach(), float(...) or no_grad() in forward.",
    ),
    "unregistered": (
        "used by forward, but not among the parameters",
        "Set it in __init__ as an attribute: self.W = Tensor(..., requires_grad=True).",
    ),
    "unused": ("a parameter that forward does not use", "Use it, or do not make it."),
    "random": ("different values for the same input", "Switch randomness off: layer.eval(), or a fixed seed."),
    "unknown": ("no mistake that is known here explains the numbers", ""),
}


class Hypothesis(NamedTuple):
    """One mistake, made: its key, a sentence, and the gradient of each input (None if it leaves that input out)."""

    key: str
    text: str
    gradients: Sequence[Array | None]
    places: frozenset[Any] = frozenset()  # where it was made, if it may have been made at several


def hypotheses(graph: RecordedGraph, said: Sequence[Array | None]) -> Iterator[Hypothesis]:
    """Make every mistake that can be made in this graph.

    Parameters
    ----------
    graph : the computation
    said : the student's gradients, None for a missing one. They tell by how much weights were updated too early
    """
    found: dict[tuple[str, str, Any, int, int], list[tuple[Tensor, int, VJP]]] = {}
    for node, i, _ in graph.edges():
        forms = Counter[str]()  # one sentence may stand for several formulas
        for key, text, vjp in wrong_vjps(node, i) if node not in graph.added else ():
            found.setdefault((key, text, node.op, i, forms[text]), []).append((node, i, vjp))
            forms[text] += 1

    def made(*keys: str) -> Iterator[Hypothesis]:
        for key in keys:
            for (k, text, *_), places in found.items():
                for some in _choices(len(places)) if k == key else ():
                    where = "" if len(places) == 1 else f" ({' and '.join(map(_ordinal, some))} of {len(places)})"
                    where = ", everywhere" if 1 < len(places) == len(some) else where
                    exchanged = {places[j][:2]: places[j][2] for j in some}
                    yield Hypothesis(key, text + where, graph.gradients(exchanged), frozenset(exchanged))

    yield from made(*[key for key in MISTAKES if key != "sign"])
    yield from _lost_paths(graph)
    yield from _lost_everywhere(graph)
    yield from _sums(graph)
    yield from _updated(graph, said)
    yield from _exchanged(graph, said)
    yield from made("sign")  # turned round at one place only: the least likely
    for node, g in graph.g.items():
        if node.parents:
            text = f"this is the gradient of {_label(graph, node)}, one of the values on the way"
            yield Hypothesis("swapped", text, [g] * len(graph.inputs), frozenset({node}))


def _choices(n: int) -> Iterator[tuple[int, ...]]:
    """Yield the places, of n, where a mistake may have been made: one, if there are few; several of very few; all."""
    for k in range(1, n if n <= 4 else 2 if n <= 12 else 1):
        yield from combinations(range(n), k)
    yield tuple(range(n))


def _lost_paths(graph: RecordedGraph) -> Iterator[Hypothesis]:
    """Lose one of the paths through a tensor that is used several times, or all but one."""
    into: dict[Tensor, list[tuple[Tensor, int]]] = {}
    for node, i, parent in graph.edges():
        into.setdefault(parent, []).append((node, i))
    for parent, edges in into.items():
        n, through = len(edges), f"paths through {_label(graph, parent)} is"
        for k, kept in enumerate(edges if 1 < n <= 20 else ()):
            text = f"only one of the {n} {through} there, the one by {_by(graph, kept[0])}"
            lost = [*edges[:k], *edges[k + 1 :]]
            yield Hypothesis("path", text, graph.gradients(dict.fromkeys(lost, nothing_for(parent))))
        for edge in edges if 2 < n <= 20 else ():
            text = f"one of the {n} {through} lost, the one by {_by(graph, edge[0])}"
            yield Hypothesis("path", text, graph.gradients({edge: nothing_for(parent)}))


def _lost_everywhere(graph: RecordedGraph) -> Iterator[Hypothesis]:
    """Lose a path at every turn of a loop: wherever the same words of the source compute something from the same."""
    alike: dict[tuple[str, str, int], dict[tuple[Tensor, int], VJP]] = {}
    for node, i, parent in graph.edges():
        if node in graph.quotes:
            what = (graph.quotes[node], _label(graph, parent), i)
            alike.setdefault(what, {})[node, i] = nothing_for(parent)
    for (words, label, _), lost in alike.items():
        if len(lost) > 1:
            text = f"the path from {words} back to {label} is lost, everywhere"
            yield Hypothesis("path", text, graph.gradients(lost), frozenset(lost))


def _sums(graph: RecordedGraph) -> Iterator[Hypothesis]:
    """Undo broadcasting wrongly: not at all, or along other axes."""
    for k, t in enumerate(graph.inputs):
        wholes = [whole for whole in graph.wholes[t] if whole.shape != t.shape]
        if len(wholes) != 1 or len(graph.wholes[t]) != 1:
            continue
        (whole,) = wholes
        for count in range(whole.ndim + 1):
            for axes in combinations(range(whole.ndim), count):
                made: list[Array | None] = [None] * len(graph.inputs)
                made[k] = whole.sum(axis=axes)
                if count == 0:
                    key, text = "unsummed", f"not summed over what broadcasting stretched: its shape is {whole.shape}"
                elif count == whole.ndim and t.size > 1:
                    key, text = "axis", "summed over all axes"
                else:
                    key, text = "axis", f"summed over axis {', '.join(map(str, axes))}, which is the wrong one"
                yield Hypothesis(key, text, made)


class _Use(NamedTuple):
    """Argument i of a node meets a weight, the input number k, which may be transposed."""

    node: Tensor
    i: int
    k: int
    transposed: bool


def _updated(graph: RecordedGraph, said: Sequence[Array | None]) -> Iterator[Hypothesis]:
    """Pass the gradient back through W - lr · dW. The numbers tell the learning rate, which is then tried."""
    uses = list(_weight_uses(graph, said))

    def with_steps(lr: float, chosen: Sequence[_Use]) -> list[Array]:
        exchanged: dict[tuple[Tensor, int], VJP] = {}
        for node, i, k, transposed in chosen:
            new = graph.inputs[k].array - lr * np.asarray(said[k])
            args = [unwrap(p) for p in node.parents]
            args[1 - i] = new.T if transposed else new
            exchanged[node, i] = vjp_at(node, i, args)
        return graph.gradients(exchanged)

    rates: list[float] = []
    for use in uses:
        for right, made, s in zip(graph.right, with_steps(1.0, [use]), said, strict=True):
            if s is not None and np.shape(s) == right.shape and right.size > 1:
                change, seen = right - made, right - s
                if np.any(change) and np.any(seen):
                    lr = float((change * seen).sum() / (change * change).sum())
                    if 0 < lr < 100 and np.abs(seen - lr * change).max() < 1e-5 * np.abs(right).max():
                        rates.append(round(lr, 8))
    for lr in dict.fromkeys(rates[:12]):
        text = f"passed back through weights that were updated already, with a learning rate of {lr:.4g}"
        yield Hypothesis("updated", text, with_steps(lr, uses))


def _exchanged(graph: RecordedGraph, said: Sequence[Array | None]) -> Iterator[Hypothesis]:
    """Pass the gradient back through dW, the student's gradient of W, in the place of W."""
    uses: dict[int, dict[tuple[Tensor, int], VJP]] = {}
    for node, i, k, transposed in _weight_uses(graph, said):
        args, dW = [unwrap(p) for p in node.parents], np.asarray(said[k])
        args[1 - i] = dW.T if transposed else dW
        uses.setdefault(k, {})[node, i] = vjp_at(node, i, args)
    for k, exchanged in uses.items():
        text = f"the gradient of {graph.inputs[k].name} stands where {graph.inputs[k].name} belongs"
        yield Hypothesis("swapped", text, graph.gradients(exchanged))


def terms(graph: RecordedGraph) -> Iterator[tuple[str, list[Array]]]:
    """Yield (its name, its share of each gradient) for each term of a sum, those next to the result first."""
    seen: list[list[Array]] = []
    edges = [(node, i, p) for node, i, p in graph.edges() if node.op in (ops.add, ops.sub) and node not in graph.added]
    for node, i, parent in edges[:-61:-1]:
        without = graph.gradients({(node, i): nothing_for(parent)})
        share = [a - b for a, b in zip(graph.right, without, strict=True)]
        if not any(all(np.allclose(a, b, rtol=1e-9) for a, b in zip(share, s, strict=True)) for s in seen):
            seen.append(share)
            yield graph.quotes.get(parent, f"the term that is {_label(graph, parent)}"), share


def _weight_uses(graph: RecordedGraph, said: Sequence[Array | None]) -> Iterator[_Use]:
    """Yield the products through which a gradient is passed back by a weight that has a gradient in ``said``."""
    number = {id(t): k for k, t in enumerate(graph.inputs)}
    for node, i, parent in graph.edges():
        if node.op in (ops.matmul, ops.linear, ops.mul) and len(node.parents) > 1 - i >= 0:
            other = node.parents[1 - i]
            transposed = isinstance(other, Tensor) and other.op is ops.transpose
            weight = other.parents[0] if transposed else other
            k = number.get(id(weight), -1)
            given = said[k] if k >= 0 else None
            if given is not None and parent.parents and given.shape == weight.shape:
                yield _Use(node, i, k, transposed)


def _label(graph: RecordedGraph, t: Tensor) -> str:
    """Return the name of a tensor, as a sentence has it: the words of the source that compute it, if they are known."""
    return t.name or graph.quotes.get(t) or f"the result of {name_of(t.op)}"


def _by(graph: RecordedGraph, node: Tensor) -> str:
    """Return the words of the source that compute a node, or the name of its op."""
    return graph.quotes.get(node) or name_of(node.op)


def _ordinal(n: int) -> str:
    return {0: "the first", 1: "the second", 2: "the third"}.get(n, f"number {n + 1}")
