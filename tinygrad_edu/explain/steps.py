"""The backward pass as a sequence of steps a person can read.

`steps` reads the very iterator that `Tensor.backward` consumes (`tensor.backward_pass`), and the formulas are those
of the op's own source (`notation.read`): what is shown is what is run. It is a dry run: no ``grad`` is changed.
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
from ..program.names import Names, forward_order, loaded, names, own_name, read, renamed, unparsed
from ..program.source import Written, computed_as, written
from .tables import WIDTH, Table, brief, norm, sized

LIMIT = 100  # nodes that explain() writes down one by one


def explain(root: Tensor, grad: Any = None) -> Explanation:
    """The forward and the backward pass below root, as tables: print them, or ask for ``.markdown()`` or ``.html()``.

    In a notebook they show by themselves. A graph of more than 100 computed tensors is summed up by layer.

    Parameters
    ----------
    root, grad : as for ``root.backward(grad)``, which would add the same numbers

    Raises
    ------
    RuntimeError, ValueError : where ``root.backward(grad)`` would

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(explain(x * x + x))
    The forward pass
      name  computed as  value
      x     given        3
      v     x * x        9
      loss  v + x        12
    <BLANKLINE>
    The backward pass: d_x is how fast loss changes with x, and so on
    1. loss = v + x   [add]   loss = 12   d_loss = 1
         d_v = d_loss = 1
         d_x += d_loss = 1
                use 1 of 3: 0 += 1 gives 1
    2. v = x * x   [mul]   v = 9   d_v = 1
         d_x += d_v * x = 1 * 3 = 3
                use 2 of 3: 1 += 3 gives 4
         d_x += d_v * x = 1 * 3 = 3
                use 3 of 3: 4 += 3 gives 7
    <BLANKLINE>
    The gradients: what backward() adds to .grad
      name  value
      d_x   7
    """
    return Explanation(root, grad)


def steps(root: Tensor, grad: Any = None) -> Iterator[Step]:
    """The backward pass from root, node by node, in the order in which ``root.backward(grad)`` runs it.

    Each step is computed when it is asked for. Gradients start from 0 and no ``grad`` is changed.

    Raises
    ------
    RuntimeError, ValueError : where ``root.backward(grad)`` would

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> for step in steps((x * x).sum()):
    ...     print(step.name, step.op, [str(share.formula) for share in step.shares])
    loss sum ['expand_back(d_loss, v, None, False)']
    v mul ['d_v * x', 'd_v * x']
    """
    called = names(root)
    return _steps(root, seed(root, grad), called)


def _steps(root: Tensor, start: Array, called: Names) -> Iterator[Step]:
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
    """As `backward` adds up: what a leaf gets has the leaf's dtype."""
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
    """One node's turn: it passes its gradient on to what it was computed from.

    Attributes
    ----------
    number : 1 for the root
    node, g : the Tensor, and its gradient: the sum over all paths, complete by now
    kept : whether `backward` keeps g: a leaf that is the root, or `Tensor.retain_grad`
    shares : what it passes on, in the order of its arguments
    name, op, expression : what it is called, its op's name, and how it was computed
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
        """Why there are no formulas, if there are none."""
        return next((share.note for share in self.shares if share.note), "")

    def __repr__(self) -> str:
        return f"<step {self.number}: {self.op or 'leaf'}, {self.name}>"

    def __str__(self) -> str:
        return self.text(set())

    def text(self, explained: set[str]) -> str:
        """As printed, but without the helpers that have been explained. Those that it explains join them."""
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
    """What a step passes on to one of the node's arguments.

    Attributes
    ----------
    node, g, called : as in `Step` (which has its shares; if they had it too, that would be a reference cycle)
    argument : which argument of the node's op this is for, from 0
    parent, to : the Tensor that gets it, and its name
    formula : the op's own VJP in the names of this graph, or None if the op's source cannot be read so
    where : the op's own values in the formula, as assignments, in their order
    helpers : what the functions that the formula calls do
    numbers : the formula with numbers for names, where all are single numbers; it evaluates to ``value`` as shown
    value : what is added. It has the parent's shape
    whole, summed : what the VJP returned, and over which axes it was summed because broadcasting had stretched them
    use, uses : this is which use of the parent, and of how many
    before, after : the sum of the parent's shares; before the first it is None
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
        """The formula; or why there is none."""
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
        """Why there is no formula, if there is none."""
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
            values = {name: float(known[name]) for name in loaded(formula.tree) & set(known)}
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
        """How broadcasting was undone, if it was."""
        if self.whole.shape == self.value.shape:
            return []
        axes = f"ax{'e' if len(self.summed) > 1 else 'i'}s {', '.join(map(str, self.summed))}"
        return [f"summed over {axes}: {self.to} {self.value.shape} was broadcast to {self.whole.shape}"]

    def lines(self, explained: set[str]) -> list[str]:
        """The lines of its text, as in `Step.text`."""
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
    """The lines, none wider than a terminal."""
    wrapped = []
    for line in lines:
        text = line.lstrip()
        first = " " * (len(line) - len(text))
        wrapped += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=first + "    ")
    return "\n".join(wrapped)


def _scope(node: Tensor) -> dict[str, Any]:
    """What the names in the source of a node's op stand for: np, and the functions that it calls."""
    op: Any = node.op
    return op.__globals__ | inspect.getclosurevars(op).nonlocals


# --- the whole pass ---------------------------------------------------------------------------------------------------


class Explanation:
    """What `explain` found out. Printed it is text, in a notebook HTML.

    Attributes
    ----------
    steps : the backward pass; empty if the graph has more than 100 computed tensors, which are summed up
    gradients : name to gradient, of everything that ``backward()`` would give one
    """

    def __init__(self, root: Tensor, grad: Any = None) -> None:
        self.root, self.called = root, names(root)
        g = seed(root, grad)
        self.nodes = forward_order(root)
        self.steps: list[Step] = []
        self.gradients: dict[str, Array] = {}
        self._groups: dict[str, list[tuple[str, float]]] = {}
        for step in _steps(root, g, self.called):
            if step.kept:
                self.gradients[step.name] = step.g.astype(step.node.dtype)
            for share in step.shares:
                if not share.parent.parents:
                    self.gradients[share.to] = share.after
            if len(self.nodes) <= LIMIT:
                self.steps.append(step)
            else:
                self._groups.setdefault(_layer(step.node), []).append((step.op, norm(step.g)))

    def tables(self) -> Iterator[Table]:
        """The forward pass, the backward pass and the gradients; of a large graph a summary and the gradients."""
        if self._groups:
            title = f"The backward pass over {len(self.nodes):,} computed tensors, summed up by layer, or by op"
            yield Table(title, ("layer or op", "steps", "ops", "norms of the gradients that arrive"), self._summary())
        else:
            yield Table("The forward pass", ("name", "computed as", "value"), self._forward())
            columns = ("step", "node", "its gradient", "goes to", "formula", "share", "the sum so far")
            result = self.called[id(self.root)]
            title = f"The backward pass: d_x is how fast {result} changes with x, and so on"
            yield Table(title, columns, self._backward())
        order = [name for name in self.called.values() if name in self.gradients]
        gradients = [(f"d_{name}", brief(self.gradients[name])) for name in order[:LIMIT]]
        if len(self.gradients) > LIMIT:
            gradients.append(("...", f"and {len(self.gradients) - LIMIT:,} more"))
        yield Table("The gradients: what backward() adds to .grad", ("name", "value"), gradients)

    def __str__(self) -> str:
        first, *middle, last = self.tables()
        explained: set[str] = set()
        steps = ["\n".join([table.title, *(step.text(explained) for step in self.steps)]) for table in middle]
        return "\n\n".join([str(first), *steps, str(last)])

    __repr__ = __str__

    def markdown(self) -> str:
        """The tables in Markdown."""
        return "\n\n".join(table.markdown() for table in self.tables())

    def html(self) -> str:
        """The tables in HTML."""
        return "\n".join(table.html() for table in self.tables())

    _repr_html_ = html

    def _forward(self) -> list[tuple[str, ...]]:
        rows: dict[str, tuple[str, ...]] = {}
        for node in self.nodes:
            for value in (*node.parents, *node.kwargs.values(), node):
                name = self.called.get(id(value))
                if name is not None and name not in rows:
                    rows[name] = (name, origin(value, self.called), brief(value))
        return list(rows.values())

    def _backward(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for step in self.steps:
            cells = (str(step.number), f"{step.name} = {step.expression}" if step.op else step.name, brief(step.g))
            if not step.shares:
                rows.append((*cells, "", "", "", ""))
            for share in step.shares:
                formula = [share.formula or share.note, *(f"where {line}" for line in share.where)]
                value = f"{share.numbers} = {brief(share.value)}" if share.numbers else brief(share.value)
                after = brief(share.after) if share.uses > 1 else ""
                rows.append((*cells, share.to, "; ".join(formula + share.stretched), value, after))
                cells = ("", "", "")
        return rows

    def _summary(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name, steps in self._groups.items():
            ops = Counter(op for op, _ in steps)
            norms = [size for _, size in steps]
            span = " to ".join(dict.fromkeys(f"{size:.4g}" for size in (min(norms), max(norms))))
            rows.append((name, f"{len(steps):,}", ", ".join(ops), span))
        return rows


def origin(value: Any, called: Names) -> str:
    """Where a value of the graph is from: its expression, the whole name of a parameter, or "given"."""
    if isinstance(value, Tensor) and value.parents:
        return computed_as(value, called)
    path = own_name(value)
    return path if path not in ("", called[id(value)]) else "given"


def _layer(node: Tensor) -> str:
    """The path of the layer whose parameter a node uses; its op, if it uses none."""
    paths = [own_name(p).rpartition(".")[0] for p in node.parents if isinstance(p, Tensor) and not p.parents]
    return next(filter(None, paths), getattr(node.op, "__name__", "an op"))
