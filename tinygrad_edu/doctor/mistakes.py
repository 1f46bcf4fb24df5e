"""What goes wrong when gradients are computed by hand: every mistake as a sentence, a hint, and a way to make it.

A mistake in the chain rule is made, not described: the recorded graph is run backwards once more with one VJP
exchanged for the wrong one. What comes out is what somebody gets who makes that mistake, so it can be compared with
what somebody got. `doctor` does the comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..core import ops
from ..core.ops import VJP, Array, Result
from ..core.tensor import Tensor, apply, backward_pass, toposort

# key: (what it is, one hint)
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
ACTIVATIONS = (ops.sigmoid, ops.tanh, ops.relu, ops.leaky_relu, ops.softplus, ops.elu, ops.silu, ops.gelu)
KINKED = (ops.relu, ops.leaky_relu, ops.abs, ops.maximum, ops.minimum, ops.max, ops.min, ops.clip)
RECOGNISED = (ops.sigmoid, ops.tanh, ops.relu, ops.softmax, ops.log_softmax)
BY_VALUE: dict[Any, VJP] = {ops.sigmoid: lambda y: y * (1 - y), ops.tanh: lambda y: 1 - y * y}


class Hypothesis(NamedTuple):
    """One mistake, made: what it is, and the gradients that it leads to, one for each input (None: not this one's)."""

    key: str
    text: str
    gradients: Sequence[Array | None]


# --- two ops that are only needed to take a loss apart ---------------------------------------------------------------


def square(a: Array) -> Result:
    """y = a²"""
    return a * a, lambda g: 2 * g * a


def log_loss(p: Array, *, labels: Array) -> Result:
    """y = -(1/N) Σ ln p[label]: `ops.cross_entropy` without its softmax"""
    hot = labels[:, None] == np.arange(p.shape[1])
    return -np.log(p[hot]).sum() / len(p), lambda g: -g * hot / p / len(p)


# --- a graph that can be run backwards wrongly -----------------------------------------------------------------------


class Graph:
    """A recorded computation, its inputs, and the gradient of its sum with respect to each.

    Attributes
    ----------
    nodes : the computed tensors, youngest first
    right : the gradient of each input
    g : the gradient of each computed tensor
    wholes : for each input, what its VJPs returned before broadcasting was undone
    """

    def __init__(self, root: Tensor, inputs: Sequence[Tensor]) -> None:
        self.root, self.inputs = root, list(inputs)
        self.nodes = toposort(root)
        self.g: dict[Tensor, Array] = {}
        self.wholes: dict[Tensor, list[Array]] = {t: [] for t in inputs}
        self.right = self.gradients()

    def gradients(self, exchanged: Mapping[tuple[Tensor, int], VJP] | None = None) -> list[Array]:
        """The gradient of each input, with the VJP of some (node, number of the argument) exchanged for another."""
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
        """(node, i, argument i of it) wherever a gradient is passed on, in forward order."""
        for node in self.nodes[::-1]:
            for i, parent in enumerate(node.parents):
                if isinstance(parent, Tensor) and parent.requires_grad:
                    yield node, i, parent

    def rebuilt(self, plain: bool = False, shaken: np.random.Generator | None = None) -> Graph:
        """The computation once more: in plain terms (see `_plain`), or with shaken values."""
        new = {id(t): Tensor(t, requires_grad=True, name=t.name) for t in self.inputs}
        inputs = list(new.values())
        earlier = list(inputs)
        for node in self.nodes[::-1] if self.root.parents else ():
            args = [new[id(p)] if id(p) in new else _raw(p) for p in node.parents]
            assert node.op is not None
            made = apply(node.op, *args, **node.kwargs)
            if shaken is not None:
                made.array = _shaken(made.array, shaken)
                if node.op in (ops.add, ops.sub):  # what is left of large numbers has lost the digits that they had
                    for p in made.parents:
                        summed = isinstance(p, Tensor) and p.op in (ops.sum, ops.mean)
                        terms = p.parents[0].size / max(p.size, 1) if summed else 1  # added up one after the other
                        loss = _shaken(np.broadcast_to(_raw(p), made.shape), shaken) - _raw(p)
                        made.array = made.array + max(1.0, np.sqrt(terms) / 32) * loss
            new[id(node)] = _plain(made, earlier) if plain else made
            earlier.append(new[id(node)])
        return Graph(new.get(id(self.root), self.root), inputs)

    def in_plain_terms(self) -> Graph:
        """Rebuilt so that a sigmoid is one node however it was written; itself where that changes the gradients."""
        if len(self.nodes) > 300:
            return self
        try:
            plain = self.rebuilt(plain=True)
        except Exception:  # an op of the user's that does not run twice
            return self
        ours, theirs = self.nudged(-1), plain.nudged(-1)  # at a kink the two forms may choose different sides
        largest = max((np.abs(a).max(initial=0) for a in ours), default=0)
        same = all((np.abs(a - b) <= 0.01 * largest).all() for a, b in zip(ours, theirs, strict=True))
        return plain if same else self

    def rounding(self, rng: np.random.Generator) -> list[Array]:
        """How far rounding in float64 may throw each number of the gradients: as written and in plain terms, they are
        computed again with the last bits of every value and of every gradient made random, several times."""

        def unsteady(node: Tensor, i: int, lost: Array) -> VJP:
            vjp, y, axis = node.vjps[i], node.array, node.kwargs.get("axis", -1)
            if node.op is ops.softmax:  # p - one_hot: where p is near 1, few digits are left
                return lambda g: y * (_shaken(g, rng) - (_shaken(g, rng) * y).sum(axis=axis, keepdims=True))
            if node.op in BY_VALUE:  # and 1 - a
                return _times(BY_VALUE[node.op](_shaken(y, rng)))
            if node.op is ops.exp:  # and the same where it is written out, as 1 / (1 + exp(-z))
                return _times(y + _shaken(lost, rng) - lost)
            return lambda g: vjp(_shaken(g, rng))

        plain, found = self.in_plain_terms(), [np.zeros(t.shape) for t in self.inputs]
        for graph in [plain, self] * 4:
            try:
                shaken = graph.rebuilt(shaken=rng)
                lost = dict.fromkeys(shaken.nodes, np.zeros(()))  # what each was added to, and lost digits beside
                for node, i, parent in shaken.edges():
                    if node.op is ops.add:
                        lost[parent] = lost.get(parent, 0) + np.abs(node.vjps[i](np.abs(node.array)))
                off = shaken.gradients({(node, i): unsteady(node, i, lost[node]) for node, i, _ in shaken.edges()})
            except Exception:  # an op of the user's that does not run twice
                break
            for most, a, b in zip(found, graph.right, off, strict=True):
                np.maximum(most, np.nan_to_num(np.abs(a - b) / 4, posinf=0), out=most)  # 2 bits were shaken
        return found

    def nudged(self, side: int) -> list[Array]:
        """The gradients with the other side taken at every kink: the inputs of its op moved by next to nothing."""
        exchanged: dict[tuple[Tensor, int], VJP] = {}
        for node, i, parent in self.edges():
            if node.op in KINKED:
                a, args = parent.array, [_raw(p) for p in node.parents]
                ranks = np.arange(a.size, 0, -1).reshape(a.shape) / max(a.size, 1)  # of several that tie one has to win
                args[i] = a + side * (1e-12 * np.abs(a).max(initial=0) + 1e-300) * ranks
                exchanged[node, i] = node.op(*args, **node.kwargs)[1 + i]
        return self.gradients(exchanged)


def _shaken(a: Array, rng: np.random.Generator) -> Array:
    """a with its last bits made random."""
    return np.asarray(a * (1 + 2.0**-50 * rng.uniform(-1, 1, np.shape(a))))


def _plain(v: Tensor, earlier: list[Tensor]) -> Tensor:
    """The node v in plain terms: an activation or a softmax is one node, recognised by its values however it was
    written, and a softmax and the logarithm after it are two."""
    if not v.requires_grad:
        return v
    if v.op is ops.maximum:  # np.maximum(z, 0)
        inputs = [p for p in v.parents if np.ndim(_raw(p)) or _raw(p) != 0]
        v = apply(ops.relu, *inputs) if len(inputs) == 1 else v
    if v.op not in RECOGNISED and v.size and np.ptp(v.array):
        kin = [u for u in earlier if u.shape == v.shape and u.requires_grad]
        copied = any(np.array_equal(u.array, v.array) for u in kin)  # an activation, plus nothing
        for op in RECOGNISED[: 5 if v.ndim else 3] if not copied else ():
            alike = [u for u in kin if np.allclose(op(u.array)[0], v.array, rtol=1e-9, atol=0)]
            if op in RECOGNISED[3:]:  # of z, not of z - max, which is younger; but after a bias of 0
                alike = [u for u in alike if np.array_equal(u.array, alike[0].array)]
            if alike:
                v = apply(op, alike[-1])
                break
    a = v.parents[0]
    if (v.op is ops.mul and a is v.parents[1]) or (v.op is ops.pow and np.all(_raw(v.parents[1]) == 2)):
        return apply(square, a)
    if v.op is ops.cross_entropy:
        return apply(log_loss, apply(ops.softmax, a), **v.kwargs)
    if v.op is ops.log_softmax:
        return apply(ops.softmax, a, **v.kwargs).log()
    return v


def _raw(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


# --- the mistakes of the chain rule ----------------------------------------------------------------------------------


def hypotheses(graph: Graph, said: Sequence[Array | None]) -> Iterator[Hypothesis]:
    """Every mistake that can be made in this graph, made. said is what the student has, for weights updated early."""
    found: dict[tuple[str, str, Any, int], list[tuple[Tensor, int, VJP]]] = {}
    for node, i, _ in graph.edges():
        for key, text, vjp in wrong_vjps(node, i):
            found.setdefault((key, text, node.op, i), []).append((node, i, vjp))

    def made(*keys: str) -> Iterator[Hypothesis]:
        for key in keys:
            for (k, text, _, _), places in found.items():
                for some in _choices(len(places)) if k == key else ():
                    where = "" if len(places) == 1 else f" ({' and '.join(map(_ordinal, some))} of {len(places)})"
                    where = ", everywhere" if 1 < len(places) == len(some) else where
                    yield Hypothesis(key, text + where, graph.gradients({places[j][:2]: places[j][2] for j in some}))

    yield from made(*[key for key in MISTAKES if key != "sign"])
    yield from _lost_paths(graph)
    yield from _sums(graph)
    yield from _updated(graph, said)
    yield from made("sign")  # turned round at one place only: the least likely
    for node, g in graph.g.items():
        if node.parents:
            text = f"this is the gradient of {_label(node)}, one of the values on the way"
            yield Hypothesis("swapped", text, [g] * len(graph.inputs))


def _choices(n: int) -> Iterator[tuple[int, ...]]:
    """Where among n places a mistake was made: at one, if there are few; of very few, at several; everywhere."""
    for k in range(1, n if n <= 4 else 2 if n <= 12 else 1):
        yield from combinations(range(n), k)
    yield tuple(range(n))


def wrong_vjps(node: Tensor, i: int) -> Iterator[tuple[str, str, VJP]]:
    """(key, sentence, wrong VJP) for argument i of a node."""
    op, vjp, a, y = node.op, node.vjps[i], node.parents[i].array, node.array
    args, what = [_raw(p) for p in node.parents], _name(op)

    def at(*inputs: Any) -> VJP:
        assert op is not None
        made: VJP = op(*inputs, **node.kwargs)[1 + i]
        return made

    if op is ops.softmax:
        axis = node.kwargs.get("axis", -1)

        def inner(g: Array) -> Array:
            return (g * y).sum(axis=axis, keepdims=True)

        yield "softmax", "only the diagonal p (1 - p) of the softmax's derivative is used", lambda g: g * y * (1 - y)
        text = "p - one_hot is multiplied by p (1 - p), which is in it already"
        yield "softmax", text, lambda g: vjp(g) * y * (1 - y)
        yield "softmax", "the one-hot of the labels is not subtracted from p", lambda g: -y * inner(g)
        yield "softmax", "of p - one_hot the p is missing", lambda g: g * y
    if a.shape == y.shape and op not in (ops.add, ops.sub, ops.neg):
        yield "missing", f"the derivative of {what} is missing", lambda g: g
        yield "doubled", f"the derivative of {what} is there twice", lambda g: vjp(vjp(g))
    if op in ACTIVATIONS:
        yield "activated", f"the derivative of {what} is taken at {what}(z), not at z", at(y)
        if op in BY_VALUE:
            slope = BY_VALUE[op](a)
            text = f"the derivative of {what}, a formula in a = {what}(z), is given z instead of a"
            yield "unactivated", text, lambda g: g * slope
        if op is ops.softplus:  # the logarithm of a sigmoid, in a loss
            s = ops.sigmoid(a)[0]
            yield "doubled", "the derivative of sigmoid is there twice", lambda g: vjp(g) * s * (1 - s)
        yield "value", f"multiplied by {what}(z) itself, not by its derivative", lambda g: g * y
        yield "side", f"the derivative of {what} is taken on the wrong side of 0", at(-a)
        yield "side", f"the derivative of {what} looks at the sign of the gradient, not of z", lambda g: g * (g > 0)
        for other in BY_VALUE:
            text = f"the derivative of {_name(other)}, a formula in its value, is used where {what} was"
            if other is not op:
                yield "other", text, _times(BY_VALUE[other](y))
        for other in ACTIVATIONS[:3]:
            if other is not op:
                yield "other", f"the derivative of {_name(other)} is used, where {what} was", other(a)[1]
    if op in (ops.matmul, ops.linear) and i < 2 and np.ndim(args[1 - i]) == 2:
        turned = args[1 - i].T
        if turned.shape == args[1 - i].shape:
            other_way = [turned if k == 1 - i else x for k, x in enumerate(args)]
            text = "a square matrix is not transposed on the way back" if i == 0 else "x is not transposed in x.T @ dy"
            yield "transposed", text, at(*other_way)
    yield "sign", f"the sign is turned round at {what}", lambda g: -vjp(g)


def _times(slope: Array) -> VJP:
    return lambda g: g * slope


def _lost_paths(graph: Graph) -> Iterator[Hypothesis]:
    into: dict[Tensor, list[tuple[Tensor, int]]] = {}
    for node, i, parent in graph.edges():
        into.setdefault(parent, []).append((node, i))
    for parent, edges in into.items():
        n, label = len(edges), _label(parent)
        for k, kept in enumerate(edges if 1 < n <= 20 else ()):
            text = f"only one of the {n} paths through {label} is there, the one by {_name(kept[0].op)}"
            lost = [*edges[:k], *edges[k + 1 :]]
            yield Hypothesis("path", text, graph.gradients(dict.fromkeys(lost, _nothing_for(parent))))
        for edge in edges if 2 < n <= 20 else ():
            text = f"one of the {n} paths through {label} is lost, the one by {_name(edge[0].op)}"
            yield Hypothesis("path", text, graph.gradients({edge: _nothing_for(parent)}))


def _nothing_for(parent: Tensor) -> VJP:
    return lambda g: np.zeros_like(parent.array)


def _sums(graph: Graph) -> Iterator[Hypothesis]:
    """Broadcasting undone wrongly: not at all, or along other axes."""
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


def _updated(graph: Graph, said: Sequence[Array | None]) -> Iterator[Hypothesis]:
    """Passed back through W - lr · dW. The learning rate is unknown: it is read off the numbers, then tried."""
    number = {id(t): k for k, t in enumerate(graph.inputs)}
    uses = []  # (node, i, which input the other argument is, whether it is transposed)
    for node, i, _ in graph.edges():
        if node.op in (ops.matmul, ops.linear, ops.mul) and len(node.parents) > 1 - i >= 0:
            other = node.parents[1 - i]
            turned = isinstance(other, Tensor) and other.op is ops.transpose
            weight = other.parents[0] if turned else other
            k = number.get(id(weight), -1)
            given = said[k] if k >= 0 else None
            if given is not None and node.parents[i].parents and given.shape == weight.shape:
                uses.append((node, i, k, turned))

    def with_steps(lr: float, chosen: Sequence[tuple[Tensor, int, int, bool]]) -> list[Array]:
        exchanged: dict[tuple[Tensor, int], VJP] = {}
        for node, i, k, turned in chosen:
            new = graph.inputs[k].array - lr * np.asarray(said[k])
            args = [(new.T if turned else new) if j == 1 - i else _raw(p) for j, p in enumerate(node.parents)]
            assert node.op is not None
            exchanged[node, i] = node.op(*args, **node.kwargs)[1 + i]
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


def _name(op: Callable[..., Any] | None) -> str:
    name = getattr(op, "__name__", "the op")
    return {"log_loss": "the loss's logarithm", "square": "the square", "log": "the logarithm"}.get(name, name)


def _label(t: Tensor) -> str:
    return t.name or f"the result of {_name(t.op)}"


def _ordinal(n: int) -> str:
    return {0: "the first", 1: "the second", 2: "the third"}.get(n, f"number {n + 1}")


# --- constants -------------------------------------------------------------------------------------------------------


def factors(graph: Graph | None, shapes: Sequence[tuple[int, ...]]) -> list[tuple[float, str]]:
    """(number, what it means) for the constants that get lost on the way back: 2, the batch size and their like.

    The likelier come first: the N of a mean in the graph, then the lengths of matrices. Of one number the first counts.
    """
    means: dict[int, str] = {}
    lengths: dict[int, str] = {}
    for node in graph.nodes if graph is not None and graph.root.parents else ():
        a = node.parents[0]
        if node.op in (ops.mean, ops.cross_entropy, log_loss):
            n = len(a.array) if node.op is not ops.mean else a.size // max(node.size, 1)
            means.setdefault(n, f"N = {n}" if n == len(np.atleast_1d(a.array)) else f"N = {n}, of {a.shape}")
        b = _raw(node.parents[1]) if node.op is ops.div else 0
        if np.ndim(b) == 0 and b > 1 and b == int(b):
            means.setdefault(int(b), f"N = {int(b)}")
        shapes = [*shapes, node.shape] if shapes else shapes
    for shape in shapes:
        for axis, n in enumerate(shape if len(shape) == 2 else ()):
            lengths.setdefault(n, f"{n}, the length of axis {axis}")
    sizes = {n: words for n, words in (lengths | means).items() if n > 1}
    known = [
        (2.0, "twice too large: a 2 too many, or one path counted twice"),
        (0.5, "half of what it should be: the 2 of a square's derivative was forgotten"),
    ]
    for n in sorted(sizes, key=lambda n: n not in means):
        w = sizes[n]
        known += [
            (n, f"{n} times too large: the 1/N of the mean was forgotten ({w})"),
            (1 / n, f"{n} times too small: divided by N once too often ({w})"),
            (n / 2, f"{n} / 2 times too large: the mean's 1/N was forgotten ({w}), and the square's 2"),
            (2 * n, f"2 · {n} times too large: the mean's 1/N was forgotten ({w}), and a 2 is too many"),
            (0.5 / n, f"2 · {n} times too small: divided by N once too often ({w}), and the 2 is missing"),
        ]
        for m in sizes if n in means else ():
            known += [(n / m, f"{n} / {m} of what it should be: divided by {sizes[m]}, instead of by {w}")]
    first: dict[float, tuple[float, str]] = {}
    for value, words in known:
        _, before = first.setdefault(round(value, 9), (value, words))
        if words.startswith("2 times too "):  # N is 2: nobody can tell
            first[round(value, 9)] = value, f"{before}; or {words}"
    return [told for told in first.values() if told[0] != 1]
