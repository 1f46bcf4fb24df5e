"""The lines of a graph, which are written once: a graph of the same ops, shapes and names has the same ones.

So has one that differs in the number of samples alone. Lines depend on which lengths are the same, and on those that
are 0 or 1, and nothing but an argument of an op brings a number into them. So the key of a graph has a sign for each
length that is the number of samples. If another length is the same number by chance, or grows with it otherwise, the
keys for two batches differ, and lines are written for each.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import Tensor, unwrap
from ..extras.known import Known
from .names import Names, forward_order
from .preamble import name_in_package, unbound
from .writer import Line, Writer, takes_gradient

PLAIN = (type(None), type(...), bool, int, float, str, range, np.generic, np.dtype)


class Named(NamedTuple):
    """A graph with names, as a `Writer` takes it.

    Attributes
    ----------
    root : the loss
    nodes, writes, wanted : see `Writer.write`
    called : the names of all values
    leaves : the program's inputs by their names
    rows : the number of samples
    """

    root: Tensor
    nodes: list[Tensor]
    writes: list[tuple[Tensor, Tensor]]
    called: Names
    leaves: dict[str, Any]
    wanted: list[str]
    rows: int


class Lines(NamedTuple):
    """The parts of a program.

    Attributes
    ----------
    forward, backward : the lines
    names : all names in them
    helpers, own : see `Program`
    writer : the writer of them, if it is of a class of its own
    """

    forward: list[Line]
    backward: list[Line]
    names: frozenset[str]
    helpers: str
    own: dict[str, str]
    writer: Writer | None = None


known = Known[Lines](64)


def lines_of(graph: Named, by: type[Writer] = Writer) -> Lines:
    """Return the lines for a graph: those of an earlier one that differs in its numbers alone, or new ones.

    by : the class that writes them. Those of another class than `Writer` are not kept
    """
    if by is not Writer:
        return write(graph, by)
    try:
        key = key_of(graph)
    except LookupError:
        return write(graph)
    forward_order(graph.root)  # raises if data was changed, which nobody sees in lines that are known
    return known.of(key, partial(write, graph))


def key_of(graph: Named) -> Any:
    """Return all that the lines of a graph depend on: the ops of this package, and shapes, dtypes and names.

    Raises
    ------
    LookupError : an op is not of this package, so its source may read what can change; an argument is of another kind
    """
    called, of, rows = graph.called, partial(key_of_argument, graph.called), graph.rows

    def about(t: Any) -> Any:
        a = np.asarray(unwrap(t))
        shape = tuple("N" if n == rows > 1 else n for n in a.shape)
        return called[id(t)], shape, a.dtype.str, takes_gradient(t)

    if not all(name_in_package(node.op) and getattr(node.op, "__closure__", None) is None for node in graph.nodes):
        raise LookupError("an op of somebody else")
    parents = [tuple((of(p), takes_gradient(p)) for p in node.parents) for node in graph.nodes]  # y, or the array in it
    nodes = [(node.op, about(node), those, of(node.kwargs)) for node, those in zip(graph.nodes, parents)]
    inputs = [(name, type(value), *about(value)[1:]) for name, value in graph.leaves.items()]
    written = [(called[id(target)], called[id(value)]) for target, value in graph.writes]
    return called[id(graph.root)], tuple(nodes), tuple(inputs), tuple(written), tuple(graph.wanted)


def key_of_argument(called: Names, value: Any) -> Any:
    """Return all that lines depend on of an argument of a node, by its name if it is called anything."""
    of = partial(key_of_argument, called)
    if (name := called.get(id(value))) is not None:
        return name
    if isinstance(value, PLAIN):
        return type(value), repr(value)
    if isinstance(value, (tuple, list)):
        return type(value), *map(of, value)
    if isinstance(value, slice):
        return slice, of(value.start), of(value.stop), of(value.step)
    if isinstance(value, dict):
        return dict, *((name, of(one)) for name, one in value.items())
    if isinstance(value, np.ufunc) or name_in_package(value):
        return value
    raise LookupError(f"no key for {type(value).__name__}")


def write(graph: Named, by: type[Writer] = Writer) -> Lines:
    """Write the lines for a graph."""
    root, nodes, writes, called, leaves, wanted, _ = graph
    writer = by(root, called, {name: np.array(unwrap(value)) for name, value in leaves.items()})
    forward, backward = writer.write(nodes, writes, wanted)
    lines, computed = forward + backward, {called[id(node)] for node in nodes}
    names = frozenset().union(*(line.reads for line in lines))
    names |= {line.target.removesuffix("[...]") for line in lines}
    calls = set().union(*(unbound(line.value) for line in lines))
    helpers = writer.helpers.text(calls - leaves.keys() - computed)
    writer.helpers.scope.clear()  # it has arrays, and functions that have it: a circle, which would stay for a while
    kept = None if by is Writer else writer
    return Lines(forward, backward, names, helpers, writer.helpers.of_package(), kept)
