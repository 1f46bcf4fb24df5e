"""The lines of a program: the forward and the backward pass of a graph, written as a person would.

Each line is run as soon as it is written. So the next line knows the shapes of all values so far, and a program that
computes anything else than its graph is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np

from ..core.tensor import Tensor, unwrap
from .expressions import call, loaded, parsed, unparsed
from .names import Names, forward_order
from .preamble import Helpers, global_names
from .simplify import PlainNumpy, unexpanded
from .source import Source

MOST = 8  # shares of a gradient that one line adds up


@dataclass(frozen=True, eq=False)
class Line:
    """One assignment of a program."""

    target: str
    value: ast.expr

    @cached_property
    def text(self) -> str:
        """The line as source."""
        return f"{self.target} = {unparsed(self.value)}"

    @cached_property
    def reads(self) -> set[str]:
        """The names that the line reads."""
        return loaded(self.value)

    def __str__(self) -> str:
        return self.text

    @property
    def binds(self) -> set[str]:
        """The names that the line assigns, or the place in an input that it writes into."""
        return {part.strip() for part in self.target.split(",")}


class Writer:
    """Write the lines for a graph.

    Parameters
    ----------
    root : the loss
    called : the names of the graph
    values : name to array, of the program's inputs

    Attributes
    ----------
    helpers : functions and values that the lines use
    backward : lines of the backward pass, as far as they are written
    """

    def __init__(self, root: Tensor, called: Names, values: Mapping[str, Any]) -> None:
        self.root, self.called = root, called
        self.helpers = Helpers({*called.values(), *(f"d_{name}" for name in called.values()), "backprop"})
        self.helpers.scope |= values
        self.sources: dict[Tensor, Source] = {}
        self.plain = PlainNumpy({}, {}, self.helpers)
        self.backward: list[Line] = []

    def write(
        self, nodes: list[Tensor], writes: list[tuple[Tensor, Tensor]], wanted: list[str]
    ) -> tuple[list[Line], list[Line]]:
        """Return the lines of the forward and of the backward pass.

        Parameters
        ----------
        nodes : computed tensors that the loss depends on, arguments before results
        writes : (target, value) of each write into an input, such as a running mean
        wanted : names of the inputs that get a gradient
        """
        reached = set(forward_order(self.root))  # raises if data was changed
        with np.errstate(all="ignore"):
            lines = {node: self.forward_of(node) for node in nodes}
            every = with_writes([line for own in lines.values() for line in own], writes, self.called)
            early = needed(every, self.called.taken)
            done = {line.target for line in early}
            late = {node: [line for line in lines[node] if line.target not in done] for node in nodes}
            self.backward_of({node: own for node, own in late.items() if node in reached})
        missing = {f"d_{name}" for name in wanted} - {line.target for line in self.backward}
        zeros = [Line(f"d_{x}", call("np.zeros_like", ast.Name(x))) for x in wanted if f"d_{x}" in missing]
        backward = needed(self.backward + zeros, self.results(wanted))
        used = {self.called[id(self.root)]}.union(*(line.reads for line in backward))
        return needed(early, used), backward

    def results(self, wanted: list[str]) -> list[str]:
        """Return the names that the backward pass is for: the gradients of the wanted inputs."""
        return [f"d_{name}" for name in wanted]

    def run(self, line: Line) -> Line:
        """Run a line in the scope of the helpers, and return it."""
        exec(str(line), self.helpers.scope)
        return line

    def forward_of(self, node: Tensor) -> list[Line]:
        """Return the lines that compute a node and its op's own values.

        Raises
        ------
        ValueError : the op uses a value that has no text, or the lines give another result than the node has
        """
        op, name, helpers = node.op, self.called[id(node)], self.helpers
        assert op is not None
        plain = partial(PlainNumpy, helpers=helpers)
        source = Source(node, self.called, helpers.new_name, plain, helpers.of(op, global_names(op)), exact=True)
        try:
            lines = [self.run(Line(unparsed(target).strip("()"), value)) for target, value in source.lines()]
            if not source.result:
                lines.append(self.run(Line(name, source(source.recipe.value))))
        except NameError as error:
            raise ValueError(f"{error.name} of {op.__name__} cannot be written down: it is no simple value") from None
        ours, theirs = np.asarray(self.helpers.scope[name]), unwrap(node)
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, 1e-3, 1e-6, equal_nan=True):
            raise ValueError(
                f"the source of {op.__name__} does not give what it gave when it ran: is it random, or were arrays "
                "that it used changed since?"
            )
        self.sources[node] = source
        return lines

    def backward_of(self, before: dict[Tensor, list[Line]]) -> None:
        """Write the chain rule. A gradient gets its line when it is complete: the sum of the shares from all its uses.

        Parameters
        ----------
        before : the nodes, arguments before results, each with the lines that only its derivatives need
        """
        loss = self.called[id(self.root)]
        self.backward.append(self.run(Line(f"d_{loss}", call("np.ones_like", ast.Name(loss)))))
        first_use = {p: node for node in reversed(before) for p in node.parents if takes_gradient(p)}
        shares: dict[Tensor, list[ast.expr]] = {}
        for node in reversed(before):
            source = self.sources[node]
            if node is not self.root:
                source.known["g"] = self.complete(node, shares.pop(node))
            self.backward += before[node]
            places = [i for i, parent in enumerate(node.parents) if takes_gradient(parent)]
            for i in places:
                parent = node.parents[i]
                shares.setdefault(parent, []).append(self.share(node, i, source))
                if len(shares[parent]) > MOST:
                    shares[parent] = [self.complete(parent, shares[parent])]
            for leaf in dict.fromkeys(node.parents[i] for i in places if node.parents[i] not in before):
                if first_use[leaf] is node:
                    name = f"d_{self.called[id(leaf)]}"
                    tree = self.complete(leaf, shares.pop(leaf))
                    if unparsed(tree) != name:  # the gradient of another value, which is the same
                        self.backward.append(self.run(Line(name, tree)))

    def complete(self, node: Tensor, shares: list[ast.expr]) -> ast.expr:
        """Write the line for the sum of a node's shares, and return its name. A share that is a name needs no line."""
        total = reduce(self.plain.sum, shares)
        if isinstance(total, ast.Name):
            return total
        name = f"d_{self.called[id(node)]}"
        self.backward.append(self.run(Line(name, total)))
        return ast.Name(name)

    def share(self, node: Tensor, i: int, source: Source) -> ast.expr:
        """Return the gradient that a node passes on to its argument i, in the shape of the argument."""
        parent, vjp = node.parents[i], source.recipe.vjp(i)
        tree = source(vjp)
        whole = self.plain.value(tree)
        tree = summed_to(tree, np.shape(whole), parent.shape)
        if node is self.root:
            tree = self.from_one(source, vjp, parent, whole.dtype) or tree
        if whole.dtype != parent.dtype and not parent.parents:
            tree = call(ast.Attribute(tree, "astype"), ast.Attribute(ast.Name("np"), parent.dtype.name))
        return tree

    def from_one(self, source: Source, vjp: ast.expr, parent: Tensor, dtype: Any) -> ast.expr | None:
        """Return the share that the loss passes on, without the factor 1; None if shape or dtype would change."""
        before, source.known["g"] = source.known["g"], ast.Constant(1)
        try:
            tree = unexpanded(source(vjp))
            value = self.plain.value(tree)
        except (AttributeError, TypeError, ValueError):  # (1).T
            return None
        finally:
            source.known["g"] = before
        if isinstance(value, (int, float)) and not isinstance(value, np.generic):
            name, one = ast.Name(self.called[id(parent)]), unparsed(tree) == "1"
            tree = call("np.ones_like", name) if one else call("np.full_like", name, tree)
        value = self.plain.value(tree)
        return tree if np.shape(value) == parent.shape and value.dtype == dtype else None


def takes_gradient(parent: Any) -> bool:
    """Tell if a gradient goes to this argument: a Tensor that requires one."""
    return isinstance(parent, Tensor) and parent.requires_grad


def needed(lines: list[Line], wanted: Collection[str]) -> list[Line]:
    """Return the lines that the wanted names depend on, and the lines that write into an input."""
    kept, names = list[Line](), set(wanted)
    for line in reversed(lines):
        if line.binds & names or line.target.endswith("]"):
            kept.append(line)
            names |= line.reads
    return kept[::-1]


def with_writes(lines: list[Line], writes: list[tuple[Tensor, Tensor]], called: Names) -> list[Line]:
    """Return the lines with each (target, value) written into its input: ``running_mean[...] = value``."""
    used = set().union(*(line.reads for line in lines))
    for target, value in writes:
        name, into = called[id(value)], f"{called[id(target)]}[...]"
        if name in used:
            lines = [*lines, Line(into, ast.Name(name))]
        else:
            lines = [Line(into, line.value) if line.target == name else line for line in lines]
    return lines


def summed_to(tree: ast.expr, shape: tuple[int, ...], wanted: tuple[int, ...]) -> ast.expr:
    """Return an expression of this shape summed to the wanted shape, as `tensor.unbroadcast` does with arrays."""
    if isinstance(tree, ast.UnaryOp):
        return ast.UnaryOp(tree.op, summed_to(tree.operand, shape, wanted))
    extra = len(shape) - len(wanted)
    stretched = tuple(i for i, n in enumerate(wanted) if n == 1 and shape[i + extra] != 1)
    for axes, keepdims in ((tuple(range(extra)), False), (stretched, True)):
        if axes:
            keywords = {"axis": ast.Constant(axes[0]) if len(axes) == 1 else parsed(str(axes), mode="eval").body}
            keywords |= {"keepdims": ast.Constant(True)} if keepdims else {}
            tree = ast.Call(ast.Attribute(tree, "sum"), [], [ast.keyword(*pair) for pair in keywords.items()])
    return tree
