"""The backward pass as a sequence of steps that a person can read.

`steps` reads the iterator that `Tensor.backward` consumes (`tensor.backward_pass`), and the formulas are the text of
the op's own source (`program.names.read`): what is shown is what is run. It is a dry run: no ``grad`` is changed.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, backward_pass, seed, unwrap
from ..program.expressions import loaded, renamed, unparsed
from ..program.names import Names, forward_order, names, own_name, read
from ..program.source import Written, computed_as, written
from .notebook import displayed
from .tables import WIDTH, brief, sized


def steps(root: Tensor, grad: Any = None) -> Iterator[Step]:
    """Go through the backward pass from root, node by node, in the order of ``root.backward(grad)``.

    A step is computed when the iterator reaches it. Gradients start from 0, and no ``grad`` is changed.

    Raises
    ------
    RuntimeError, ValueError : as ``root.backward(grad)``

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> for step in steps((x * x).sum()):
    ...     print(step.name, step.op, [str(share.formula) for share in step.shares])
    loss sum ['expand_back(d_loss, v, None, False)']
    v mul ['d_v * x', 'd_v * x']
    """
    called = names(root)  # this refuses what is no Tensor
    return named_steps(root, seed(root, grad), called)


def named_steps(root: Tensor, start: Array, called: Names) -> Iterator[Step]:
    """Go through the backward pass as `steps`, from a gradient of root and with names that are known already."""
    uses = Counter(id(p) for node in forward_order(root) for p in node.parents if _passes_to(p))
    used: Counter[int] = Counter()
    totals: dict[int, Array] = {}
    rows = backward_pass(root, start)
    for number, (node, g, parent, value, whole) in enumerate(rows, 1):
        step = Step(number, node, called, g, node.retains_grad, [])
        places = [i for i, p in enumerate(node.parents) if _passes_to(p)]
        first = [] if step.kept else [(node, g, parent, value, whole)]
        shares = chain(first, islice(rows, len(places) - len(first)))
        for i, (_, _, parent, value, whole) in zip(places, shares, strict=True):
            key = id(parent)
            before, used[key] = totals.get(key), used[key] + 1
            after = totals[key] = _sum(before, value, parent)
            step.shares.append(Share(node, g, called, i, parent, value, whole, used[key], uses[key], before, after))
        yield step


def _sum(before: Array | None, value: Array, parent: Tensor) -> Array:
    """Return the sum as `backward` computes it: a leaf's gradient has the dtype of the leaf."""
    if parent.parents:
        return value if before is None else before + value
    after = np.array(value if before is None else before, dtype=parent.dtype)
    if before is not None:
        after += value
    return after


def _passes_to(parent: Any) -> bool:
    return isinstance(parent, Tensor) and parent.requires_grad


@dataclass(eq=False)
class Step:
    """One node's turn: it passes its gradient on to its arguments.

    Attributes
    ----------
    number : 1 for the root
    node, g : the Tensor, and its gradient, which is the complete sum over all paths
    kept : True if `backward` keeps g: the root is a leaf, or `Tensor.retain_grad` was called
    shares : the parts of the gradient that it passes on, in the order of its arguments
    name, op, expression : its name, the name of its op, and the code that computed it
    """

    number: int
    node: Tensor
    called: Names
    g: Array
    kept: bool
    shares: list[Share]

    @property
    def name(self) -> str:
        return self.called[id(self.node)]

    @property
    def op(self) -> str:
        return "" if self.node.op is None else getattr(self.node.op, "__name__", "an op")

    @cached_property
    def expression(self) -> str:
        return computed_as(self.node, self.called)

    @property
    def note(self) -> str:
        """Return the reason if a formula is missing, else ""."""
        return next((share.note for share in self.shares if share.note), "")

    def __repr__(self) -> str:
        return f"<step {self.number}: {self.op or 'leaf'}, {self.name}>"

    def __str__(self) -> str:
        return self.text(set())

    def _repr_html_(self) -> str:
        return displayed(self)

    def text(self, explained: set[str]) -> str:
        """Return the text of the step without the helpers in explained; the helpers of this step join them."""
        how = f" = {self.expression}   [{self.op}]" if self.op else ", a leaf"
        what = f"{self.number}. {self.name}{how}"
        numbers = [f"{self.name} = {brief(self.node)}", f"d_{self.name} = {brief(self.g)}"]
        more = [f"Numbers only: {self.note}."] if self.note else []
        if self.kept:
            more.append(f"backward() keeps d_{self.name} in .grad")
        more += [line for share in self.shares for line in share.lines(explained)]
        one_line = "   ".join([what, *numbers])
        if self.g.ndim or len(one_line) > WIDTH:
            return _wrapped([what, *_inset(numbers + more, 5)])
        return _wrapped([one_line, *_inset(more, 5)])


@dataclass(eq=False)
class Share:
    """The part of a gradient that a step passes on to one of the node's arguments.

    Attributes
    ----------
    node, g, called : as in `Step` (a share that held its step would be a reference cycle)
    argument : the place of the argument in the node's op, from 0
    parent, to : the Tensor that gets the share, and its name
    formula : the op's own VJP in the names of this graph; None if the op's source cannot be read
    where : the op's own values in the formula, as assignments, in their order
    helpers : for each function that the formula calls, one line on it
    numbers : the formula with numbers for names; None if one of them is an array. It evaluates to ``value`` as shown
    value : the numbers that are added, in the parent's shape
    whole, summed : the result of the VJP, and the axes over which it was summed to undo broadcasting
    use, uses : the number of this use of the parent, from 1, and the number of all its uses
    before, after : the sum of the parent's shares so far, None before the first one, and with this one
    """

    node: Tensor
    g: Array
    called: Names
    argument: int
    parent: Tensor
    value: Array
    whole: Array
    use: int
    uses: int
    before: Array | None
    after: Array

    @property
    def to(self) -> str:
        return self.called[id(self.parent)]

    @cached_property
    def _written(self) -> Written | str:
        """Return the formula; or the reason why there is none."""
        assert self.node.op is not None
        try:
            return written(self.node, read(self.node.op).vjp(self.argument), self.called)
        except ValueError as error:
            return str(error)

    @property
    def formula(self) -> str | None:
        return None if isinstance(self._written, str) else str(self._written)

    @property
    def note(self) -> str:
        """Return the reason if there is no formula, else ""."""
        return self._written if isinstance(self._written, str) else ""

    @property
    def where(self) -> list[str]:
        where = () if isinstance(self._written, str) else self._written.where
        return [f"{name} = {unparsed(value)}" for name, value in where]

    @property
    def helpers(self) -> list[str]:
        if isinstance(self._written, str):
            return []
        said: dict[str, None] = {}
        scope = _scope(self.node)
        for tree in (self._written.tree, *(value for _, value in self._written.where)):
            for name in sorted(loaded(tree)):
                function = scope.get(name)
                if inspect.isfunction(function) and function.__doc__:
                    first = " ".join(inspect.cleandoc(function.__doc__).split("\n\n")[0].split())
                    said[f"{name}({', '.join(inspect.signature(function).parameters)}): {first}"] = None
        return list(said)

    @cached_property
    def numbers(self) -> str | None:
        node, called, formula = self.node, self.called, self._written
        if isinstance(formula, str) or isinstance(formula.tree, ast.Name) or self.whole.ndim:
            return None
        known: dict[str, Any] = {called[id(p)]: unwrap(p) for p in (node, *node.parents) if id(p) in called}
        known[f"d_{called[id(node)]}"] = self.g
        scope = _scope(node) | node.kwargs
        try:
            for line in self.where:
                exec(line, scope | known, known)
            used = loaded(formula.tree) & set(known)
            if any(np.ndim(known[name]) for name in used):  # also of one element, which float() of an older NumPy takes
                return None
            values = {name: float(known[name]) for name in used}
            for digits in (6, 7, 8, 10, 12, 17):  # as many as it takes to find the same with a calculator
                given = {name: ast.Name(f"{value:.{digits}g}") for name, value in values.items()}
                text = unparsed(renamed(formula.tree, given))
                if brief(eval(text, scope)) == brief(self.value):
                    return text
        except (ArithmeticError, AttributeError, NameError, SyntaxError, TypeError):  # 1 / 0; 3.shape; inf
            pass
        return None

    @property
    def summed(self) -> tuple[int, ...]:
        missing = self.whole.ndim - self.value.ndim
        shape = (1,) * missing + self.value.shape
        return tuple(i for i, n in enumerate(self.whole.shape) if i < missing or n != shape[i])

    @property
    def stretched(self) -> list[str]:
        """Return a line on how broadcasting was undone, or nothing."""
        if self.whole.shape == self.value.shape:
            return []
        axes = f"ax{'e' if len(self.summed) > 1 else 'i'}s {', '.join(map(str, self.summed))}"
        return [f"summed over {axes}: {self.to} {self.value.shape} was broadcast to {self.whole.shape}"]

    def lines(self, explained: set[str]) -> list[str]:
        """Return the lines of the text, without the helpers in explained, as `Step.text`."""
        head = f"d_{self.to} {'+=' if self.uses > 1 else '='} "
        first, *rest = filter(None, dict.fromkeys((self.formula, self.numbers, brief(self.value))))
        where = [f"{'and' if i else 'where'} {line}" for i, line in enumerate(self.where)]
        more = [*self.stretched, *where, *(line for line in self.helpers if line not in explained)]
        explained.update(self.helpers)
        lines = [" = ".join([head + first, *rest])]
        if more or self.value.ndim or len(lines[0]) > WIDTH - 5:
            lines = [head + first, *_inset(more, len(head)), *_inset([f"= {part}" for part in rest], len(head) - 2)]
        if self.uses > 1:
            sizes = [sized(x) if x is not None else "0" for x in (self.before, self.value, self.after)]
            norms = ", as norms" if self.value.size != 1 else ""
            text = "use {} of {}{}: {} += {} gives {}".format(self.use, self.uses, norms, *sizes)
            lines += _inset([text], len(head))
        return lines

    def __str__(self) -> str:
        return _wrapped(self.lines(set()))


def _inset(lines: list[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def _wrapped(lines: list[str]) -> str:
    """Return the text of the lines, none wider than a terminal."""
    wrapped = []
    for line in lines:
        text = line.lstrip()
        first = " " * (len(line) - len(text))
        wrapped += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=first + "    ")
    return "\n".join(wrapped)


def _scope(node: Tensor) -> dict[str, Any]:
    """Return the values of the names in the source of a node's op: np, and the functions that it calls."""
    op: Any = node.op
    return op.__globals__ | inspect.getclosurevars(op).nonlocals


def origin(value: Any, called: Names) -> str:
    """Return the origin of a value of the graph: its expression, the whole name of a parameter, or "given"."""
    if isinstance(value, Tensor) and value.parents:
        return computed_as(value, called)
    path = own_name(value)
    return path if path not in ("", called[id(value)]) else "given"
