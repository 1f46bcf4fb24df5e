"""The forward pass, the backward pass and the gradients together, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.ops import Array
from ..core.tensor import Tensor, seed
from ..program.names import forward_order, names, own_name
from .notebook import displayed
from .slides import slides
from .steps import Step, named_steps, origin
from .tables import Table, brief, norm

LIMIT = 100  # nodes that explain() writes down one by one


def explain(root: Tensor, grad: Any = None) -> Explanation:
    """Explain the forward and the backward pass below root, in tables.

    The result prints as text and shows itself in a notebook; it has ``.markdown()`` and ``.html()``. A graph of more
    than 100 computed tensors is summed up by layer.

    Parameters
    ----------
    root, grad : as for ``root.backward(grad)``, which would add the same numbers

    Raises
    ------
    RuntimeError, ValueError : as ``root.backward(grad)``

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


class Explanation:
    """The result of `explain`: it prints as text, and a notebook shows it as HTML.

    Attributes
    ----------
    steps : the backward pass; empty for a graph of more than 100 computed tensors, which is summed up
    gradients : name to gradient, of every tensor whose ``grad`` ``backward()`` would set
    """

    def __init__(self, root: Tensor, grad: Any = None) -> None:
        self.root, self.given, self.called = root, grad, names(root)
        g = seed(root, grad)
        self.nodes = forward_order(root)
        self.steps: list[Step] = []
        self.gradients: dict[str, Array] = {}
        self._groups: dict[str, list[tuple[str, float]]] = {}
        for step in named_steps(root, g, self.called):
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
        """Yield the forward pass, the backward pass and the gradients; of a large graph a summary and the gradients."""
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
        """Return the tables in Markdown."""
        return "\n\n".join(table.markdown() for table in self.tables())

    def html(self) -> str:
        """Return the tables in HTML."""
        return "\n".join(table.html() for table in self.tables())

    def slides(self, folder: Any) -> list[Path]:
        """Write slides into a folder: a picture for each new number, and index.html, which turns them in a browser.

        Returns the paths, index.html last. Raises ImportError without matplotlib, and ValueError as ``root.graph()``.
        """
        return slides(self.root, folder, self.given)

    def _repr_html_(self) -> str:
        return displayed(*self.tables())

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


def _layer(node: Tensor) -> str:
    """Return the path of the layer whose parameter a node uses; the name of its op if it uses none."""
    paths = [own_name(p).rpartition(".")[0] for p in node.parents if isinstance(p, Tensor) and not p.parents]
    return next(filter(None, paths), getattr(node.op, "__name__", "an op"))
