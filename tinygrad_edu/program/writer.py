"""The lines of a program: the forward and the backward pass of a graph, written as a person would.

Each line is run as soon as it is written. So the shapes are known of all that the next one speaks of, and a program
that computes anything else than its graph is not made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from ..core import ops
from ..core.tensor import Tensor, unwrap
from .names import Names, forward_order, loaded, unparsed
from .preamble import Helpers, free, global_names
from .source import Known, Source, WorkOut

MOST = 8  # shares of a gradient that are added up in one line
COMPARED = {"less": ast.Lt, "less_equal": ast.LtE, "greater": ast.Gt, "greater_equal": ast.GtE}
COMPARED |= {"equal": ast.Eq, "not_equal": ast.NotEq}


class Line(NamedTuple):
    """One assignment of a program."""

    target: str
    value: ast.expr

    def __str__(self) -> str:
        return f"{self.target} = {unparsed(self.value)}"

    @property
    def binds(self) -> set[str]:
        """What it assigns: names; or a place in an input."""
        return {part.strip() for part in self.target.split(",")}


def needed(lines: list[Line], wanted: Collection[str]) -> list[Line]:
    """The lines that the wanted names depend on, and those that write into an input."""
    kept, names = list[Line](), set(wanted)
    for line in reversed(lines):
        if line.binds & names or line.target.endswith("]"):
            kept.append(line)
            names |= loaded(line.value)
    return kept[::-1]


def passes(parent: Any) -> bool:
    """Whether a gradient goes to this argument."""
    return isinstance(parent, Tensor) and parent.requires_grad


class Writer:
    """Writes the lines for a graph.

    Parameters
    ----------
    root : the loss
    called : the names of the graph
    values : name to array, of everything that was given

    Attributes
    ----------
    helpers : what the lines call
    backward : the lines of the backward pass, as far as they are written
    """

    def __init__(self, root: Tensor, called: Names, values: Mapping[str, Any]) -> None:
        self.root, self.called = root, called
        self.helpers = Helpers({*called.values(), *(f"d_{name}" for name in called.values()), "backprop"})
        self.scope = self.helpers.scope
        self.scope |= values
        self.sources: dict[Tensor, Source] = {}
        self.plain = Plain({}, {}, self)
        self.backward: list[Line] = []

    def write(
        self, nodes: list[Tensor], keeps: list[tuple[Tensor, Tensor]], wanted: list[str]
    ) -> tuple[list[Line], list[Line], dict[str, str]]:
        """Forward and backward lines, and the name of each gradient.

        Parameters
        ----------
        nodes : what the loss is computed from: the computed tensors, arguments first
        keeps : (target, value): what a layer keeps
        wanted : names of those that the gradient is wanted of
        """
        reached = set(forward_order(self.root))  # raises if data was changed
        with np.errstate(all="ignore"):
            lines = {node: self.forward_of(node) for node in nodes}
            every = kept([line for own in lines.values() for line in own], keeps, self.called)
            early = needed(every, self.called.taken)
            done = {line.target for line in early}
            late = {node: [line for line in lines[node] if line.target not in done] for node in nodes}
            self.backward_of({node: own for node, own in late.items() if node in reached})
        results = {name: f"d_{name}" for name in wanted}
        missing = set(results.values()) - {line.target for line in self.backward}
        zeros = [Line(d, call("np.zeros_like", ast.Name(name))) for name, d in results.items() if d in missing]
        backward = needed(self.backward + zeros, results.values())
        used = {self.called[id(self.root)]}.union(*(loaded(line.value) for line in backward))
        return needed(early, used), backward, results

    def run(self, line: Line) -> Line:
        exec(str(line), self.scope)
        return line

    def value(self, tree: ast.expr) -> Any:
        """What an expression gives."""
        return eval(unparsed(tree), self.scope)

    def rename(self, name: str) -> str:
        """A name for a value that an op has for itself; no two nodes share one."""
        name = free(name, self.helpers.used)
        self.helpers.used.add(name)
        return name

    def forward_of(self, node: Tensor) -> list[Line]:
        """The lines that compute a node, and all that its op has for itself."""
        op, name = node.op, self.called[id(node)]
        assert op is not None
        outside = self.helpers.of(op, global_names(op))
        source = Source(node, self.called, self.rename, lambda known, given: Plain(known, given, self), outside, True)
        try:
            lines = [self.run(Line(unparsed(target).strip("()"), value)) for target, value in source.lines()]
            if not source.result:
                lines.append(self.run(Line(name, source(source.recipe.value))))
        except NameError as error:
            raise ValueError(f"{error.name} of {op.__name__} cannot be written down: it is no simple value") from None
        ours, theirs = np.asarray(self.scope[name]), unwrap(node)
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, 1e-3, 1e-6, equal_nan=True):
            raise ValueError(
                f"the source of {op.__name__} does not give what it gave when it ran: is it random, or were arrays "
                "that it used changed since?"
            )
        self.sources[node] = source
        return lines

    def backward_of(self, before: dict[Tensor, list[Line]]) -> None:
        """The chain rule as lines. A gradient is written down once it is complete: the sum of the shares of all that
        was computed from it.

        before are the nodes, arguments first, each with the lines that its derivatives need and its value did not.
        """
        loss = self.called[id(self.root)]
        self.backward.append(self.run(Line(f"d_{loss}", call("np.ones_like", ast.Name(loss)))))
        first_use = {p: node for node in reversed(before) for p in node.parents if passes(p)}
        shares: dict[Tensor, list[ast.expr]] = {}
        for node in reversed(before):
            source = self.sources[node]
            if node is not self.root:
                source.known["g"] = self.complete(node, shares.pop(node))
            self.backward += before[node]
            places = [i for i, parent in enumerate(node.parents) if passes(parent)]
            for i in places:
                parent = node.parents[i]
                shares.setdefault(parent, []).append(self.share(node, i, source))
                if len(shares[parent]) > MOST:
                    shares[parent] = [self.complete(parent, shares[parent])]
            for parent in dict.fromkeys(node.parents[i] for i in places):
                if first_use[parent] is node and parent not in before:  # a leaf
                    name = f"d_{self.called[id(parent)]}"
                    tree = self.complete(parent, shares.pop(parent))
                    if unparsed(tree) != name:  # it is that of another one
                        self.backward.append(self.run(Line(name, tree)))

    def complete(self, node: Tensor, shares: list[ast.expr]) -> ast.expr:
        """What the gradient of a node is called, after a line for the sum of its shares; a single name needs none."""
        total = reduce(self.plain.sum, shares)
        if isinstance(total, ast.Name):
            return total
        name = f"d_{self.called[id(node)]}"
        self.backward.append(self.run(Line(name, total)))
        return ast.Name(name)

    def share(self, node: Tensor, i: int, source: Source) -> ast.expr:
        """What a node passes on to its argument i, of that one's shape."""
        parent, vjp = node.parents[i], source.recipe.vjp(i)
        tree = source(vjp)
        whole = self.value(tree)
        tree = summed_to(tree, np.shape(whole), parent.shape)
        if node is self.root:
            tree = self.from_one(source, vjp, parent, whole.dtype) or tree
        if whole.dtype != parent.dtype and not parent.parents:
            tree = call(ast.Attribute(tree, "astype"), ast.Attribute(ast.Name("np"), parent.dtype.name))
        return tree

    def from_one(self, source: Source, vjp: ast.expr, parent: Tensor, dtype: Any) -> ast.expr | None:
        """The share of a loss, whose own gradient is 1 and need not be written; None if that is not the same."""
        before, source.known["g"] = source.known["g"], ast.Constant(1)
        try:
            tree = Plain.bare(source(vjp))
            value = self.value(tree)
        except (AttributeError, TypeError, ValueError):  # (1).T
            return None
        finally:
            source.known["g"] = before
        if isinstance(value, (int, float)) and not isinstance(value, np.generic):
            name, one = ast.Name(self.called[id(parent)]), unparsed(tree) == "1"
            tree = call("np.ones_like", name) if one else call("np.full_like", name, tree)
        value = self.value(tree)
        return tree if np.shape(value) == parent.shape and value.dtype == dtype else None


def kept(lines: list[Line], keeps: list[tuple[Tensor, Tensor]], called: Names) -> list[Line]:
    """The lines, so that the values to keep are written where they are kept: into an input."""
    used = set().union(*(loaded(line.value) for line in lines))
    for target, value in keeps:
        name, into = called[id(value)], f"{called[id(target)]}[...]"
        if name in used:
            lines = [*lines, Line(into, ast.Name(name))]
        else:
            lines = [Line(into, line.value) if line.target == name else line for line in lines]
    return lines


def call(f: str | ast.expr, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(f) if isinstance(f, str) else f, list(args), [])


def summed_to(tree: ast.expr, shape: tuple[int, ...], wanted: tuple[int, ...]) -> ast.expr:
    """What undoes broadcasting, as `tensor.unbroadcast` does."""
    if isinstance(tree, ast.UnaryOp):
        return ast.UnaryOp(tree.op, summed_to(tree.operand, shape, wanted))
    extra = len(shape) - len(wanted)
    stretched = tuple(i for i, n in enumerate(wanted) if n == 1 and shape[i + extra] != 1)
    for axes, more in ((tuple(range(extra)), ""), (stretched, ", keepdims=True")):
        if axes:
            axis = axes[0] if len(axes) == 1 else axes
            keywords = ast.parse(f"f(axis={axis}{more})", mode="eval").body.keywords  # type: ignore[attr-defined]
            tree = ast.Call(ast.Attribute(tree, "sum"), [], keywords)
    return tree


class Plain(WorkOut):
    """And writes what NumPy users write: ``a @ b`` for ``a.dot(b)``, nothing where broadcasting works by itself."""

    def __init__(self, known: Known, given: Mapping[str, Any], writer: Writer) -> None:
        super().__init__(known, given, {})
        self.value, self.helpers = writer.value, writer.helpers

    def shape(self, tree: ast.expr) -> tuple[int, ...]:
        return np.shape(self.value(tree))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        return self.helpers.value_only(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if node.attr == "ndim" or (node.attr == "size" and self.shape(node.value) == ()):
            return ast.Constant(self.value(node))
        if node.attr == "mT" and len(self.shape(node.value)) == 2:
            node.attr = "T"
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """``y.size or 1`` is y.size, as long as that is not 0."""
        made = super().visit_BoolOp(node)
        if isinstance(made, ast.BoolOp) and re.fullmatch(r"\w+\.size or 1", unparsed(made)):
            return made.values[0] if self.value(made.values[0]) else made
        return made

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        made = super().visit_BinOp(node)
        if not isinstance(made, ast.BinOp):
            return made
        if isinstance(made.op, ast.FloorDiv):
            return self.count(made)
        if isinstance(made.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            made.left, made.right = self.both(made.left, made.right)
        if isinstance(made.op, ast.Mult):
            for one, other in ((made.right, made.left), (made.left, made.right)):
                text = unparsed(one)
                same = np.asarray(self.value(other)).dtype == np.asarray(self.value(made)).dtype
                if text in ("1", "1.0", "-1") and same:
                    return ast.UnaryOp(ast.USub(), other) if text == "-1" else other
                if isinstance(one, ast.BinOp) and self.is_one_of_many(one):
                    return ast.BinOp(other, ast.Div(), one.right)
        return made

    def is_one_of_many(self, tree: ast.BinOp) -> bool:
        """Whether this is 1 / n, as in the gradient of a mean."""
        return isinstance(tree.op, ast.Div) and unparsed(tree.left) == "1" and isinstance(self.value(tree.right), int)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        made = super().visit_Compare(node)
        if isinstance(made, ast.Compare) and len(made.ops) == 1:
            made.left, made.comparators[0] = self.both(made.left, made.comparators[0])
        return made

    def visit_Call(self, node: ast.Call) -> ast.expr:
        made = super().visit_Call(node)
        if not isinstance(made, ast.Call):
            return made
        f, args = made.func, made.args
        if isinstance(f, ast.Attribute) and not made.keywords and args:
            if f.attr == "dot" and len(args) == 1 and {len(self.shape(f.value)), len(self.shape(args[0]))} <= {1, 2}:
                return ast.BinOp(f.value, ast.MatMult(), args[0])
            if f.attr == "reshape" and isinstance(args[0], ast.Tuple):
                return self.reshape(f, args[0].elts)
            if ast.unparse(f.value) == "np" and f.attr in COMPARED and len(args) == 2:
                return ast.Compare(args[0], [COMPARED[f.attr]()], args[1:])
        helper = self.helpers.objects.get(f.id) if isinstance(f, ast.Name) else None
        if helper is ops.expand_back:
            return self.expand_back(*args)
        return self.einsum(made) if helper is ops.einsum_share else made

    def reshape(self, method: ast.Attribute, lengths: list[ast.expr]) -> ast.expr:
        """The number of samples stays as it is: a.reshape(-1, 3) for a.reshape(len(a), 3)."""
        before, after = self.shape(method.value), [self.value(n) for n in lengths]
        if after and before[:1] == (after[0],) and all(n > 0 for n in after[1:]):
            lengths = [ast.Constant(-1), *lengths[1:]]
        return call(method, *lengths[:1]) if len(lengths) == 1 else call(method, ast.Tuple(lengths))

    def expand_back(self, g: ast.expr, a: ast.expr, axis: ast.expr, keepdims: ast.expr) -> ast.expr:
        """`ops.expand_back` in NumPy's words. New axes in front come by themselves."""
        axes, ndim = self.value(axis), len(self.shape(a))
        if axes is not None and not self.value(keepdims):
            axes = (axes,) if isinstance(axes, int) else axes
            if sorted(i % ndim for i in axes) != list(range(len(axes))):
                g = call("np.expand_dims", g, axis)
        return call("np.broadcast_to", g, ast.Attribute(a, "shape"))

    def einsum(self, share: ast.Call) -> ast.expr:
        """`ops.einsum_share` as another einsum, where it is no more than that."""
        g, number, arrays, subscripts = share.args
        given, i = list(arrays.elts), self.value(number)  # type: ignore[attr-defined]
        terms, out = ops.einsum_letters(self.value(subscripts), tuple(map(self.value, given)))
        mine, array = terms.pop(i), given.pop(i)
        if len(set(mine)) < len(mine) or not set(mine) <= set("".join([*terms, out])):
            return share
        plain = call("np.einsum", ast.Constant(",".join([*terms, out]) + "->" + mine), *given, g)
        return plain if self.shape(plain) == self.shape(array) else share

    def both(self, a: ast.expr, b: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Two expressions side by side: what is spread beside an array of the full shape need not be."""
        alone = self.beside(a, b)
        return (alone, b) if alone is not a else (a, self.beside(b, a))

    def beside(self, tree: ast.expr, other: ast.expr) -> ast.expr:
        bare, (whole, given) = self.bare(tree), (np.asarray(self.value(part)) for part in (tree, other))
        like = isinstance(bare, ast.Constant) and unparsed(tree)[:9] in ("np.full_l", "np.ones_l")
        return bare if whole.shape == given.shape and not (like and whole.dtype != given.dtype) else tree

    @staticmethod
    def bare(tree: ast.expr) -> ast.expr:
        """What is spread over a shape."""
        if not isinstance(tree, ast.Call):
            return tree
        one: ast.expr = ast.Constant(1)
        found = {"np.broadcast_to": tree.args[:1], "np.full_like": tree.args[1:], "np.ones_like": [one]}
        return found.get(unparsed(tree.func), [tree])[0]

    def count(self, node: ast.BinOp) -> ast.expr:
        """``a.size // y.size`` is the length of the axis that y has not."""
        if unparsed(node.right) == "1":
            return node.left
        axis, a = self.given.get("axis"), getattr(node.left, "value", None)
        if not (isinstance(axis, int) and isinstance(a, ast.Name) and np.ndim(self.value(a))):
            return node
        axis %= len(self.shape(a))
        length = ast.Subscript(ast.Attribute(a, "shape"), ast.Constant(axis)) if axis else call("len", a)
        return length if self.value(length) == self.value(node) else node

    def sum(self, a: ast.expr, b: ast.expr) -> ast.expr:
        """a + b; of two that are the same 2 * a, and a - b for a + -b."""
        a, b = self.both(a, b)
        if unparsed(a) == unparsed(b):
            return ast.BinOp(ast.Constant(2), ast.Mult(), a)
        for one, other in ((b, a), (a, b)):
            if isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub):
                return ast.BinOp(other, ast.Sub(), one.operand)
        return ast.BinOp(a, ast.Add(), b)
