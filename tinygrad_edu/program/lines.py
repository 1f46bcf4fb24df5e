"""The lines of a graph, which are written once: a graph of the same ops, shapes and names has the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import Tensor, unwrap
from ..extras.known import Known
from .names import Names, forward_order
from .preamble import name_in_package, unbound
from .writer import Line, Writer, takes_gradient

PLAIN = (type(None), type(...), bool, int, float, str, range, np.generic, np.dtype)
Writes = Sequence[tuple[Tensor, Tensor]]


class Lines(NamedTuple):
    """What a program is made of.

    Attributes
    ----------
    forward, backward : the lines
    names : all names in them
    helpers, own : see `Program`
    writer : what wrote them, if it is of a class of its own
    """

    forward: list[Line]
    backward: list[Line]
    names: frozenset[str]
    helpers: str
    own: dict[str, str]
    writer: Writer | None = None


known = Known[Lines](64)


def lines_of(
    root: Tensor,
    nodes: list[Tensor],
    writes: Writes,
    called: Names,
    leaves: Mapping[str, Any],
    wanted: Sequence[str],
    by: type[Writer] = Writer,
) -> Lines:
    """Return the lines for a graph: those of an earlier one that differs in its numbers alone, or new ones.

    root, nodes, writes, called, wanted : see `Writer`; leaves : the program's inputs by their names; by : the class
    that writes the lines. Those of another class than `Writer` are not kept
    """
    forward_order(root)  # raises if data was changed
    write = partial(_write, by, root, nodes, writes, called, leaves, wanted)
    if by is not Writer:
        return write()
    try:
        key = key_of(root, nodes, writes, called, leaves, wanted)
    except LookupError:
        return write()
    return known.of(key, write)


def key_of(
    root: Tensor, nodes: list[Tensor], writes: Writes, called: Names, leaves: Mapping[str, Any], wanted: Sequence[str]
) -> Any:
    """Return all that the lines of a graph depend on: the ops of this package, and shapes, dtypes and names.

    Raises
    ------
    LookupError : an op is not of this package, so its source may read what can change; an argument is of another kind
    """

    def of(value: Any) -> Any:
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

    def about(t: Any) -> Any:
        a = np.asarray(unwrap(t))
        return called[id(t)], a.shape, a.dtype.str, takes_gradient(t)

    if not all(name_in_package(node.op) and getattr(node.op, "__closure__", None) is None for node in nodes):
        raise LookupError("an op of somebody else")
    graph = [(node.op, about(node), tuple(map(of, node.parents)), of(node.kwargs)) for node in nodes]
    inputs = [(name, type(value), *about(value)[1:]) for name, value in leaves.items()]
    written = [(called[id(target)], called[id(value)]) for target, value in writes]
    return called[id(root)], tuple(graph), tuple(inputs), tuple(written), tuple(wanted)


def _write(
    by: type[Writer],
    root: Tensor,
    nodes: list[Tensor],
    writes: Writes,
    called: Names,
    leaves: Mapping[str, Any],
    wanted: Sequence[str],
) -> Lines:
    """Write the lines for a graph."""
    writer = by(root, called, {name: np.array(unwrap(value)) for name, value in leaves.items()})
    forward, backward = writer.write(nodes, list(writes), list(wanted))
    lines, computed = forward + backward, {called[id(node)] for node in nodes}
    names = frozenset().union(*(line.reads for line in lines))
    names |= {line.target.removesuffix("[...]") for line in lines}
    calls = set().union(*(unbound(line.value) for line in lines))
    helpers = writer.helpers.text(calls - leaves.keys() - computed)
    kept = None if by is Writer else writer
    return Lines(forward, backward, names, helpers, writer.helpers.of_package(), kept)
