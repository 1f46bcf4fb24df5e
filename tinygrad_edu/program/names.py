"""Names for the values of a graph, and the source of an op taken apart: what the formulas of this room are made of.

`source` puts the two together, `explain` shows the result, and `writer` makes a program of it. They read the functions
that `tensor.apply` runs, so the derivative that is shown, run and written down is one text.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, cached_property
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..core.layers import ACTIVATIONS
from ..core.ops import Result
from ..core.tensor import Tensor, toposort, unwrap
from ..extras import ops
from .expressions import SHORT, parsed, renamed

LETTERS = {"linear": "z", "matmul": "z", "softmax": "p", "mean": "mean"}  # h for activations, else v
TAKEN = {"np", "g", "len", "slice", *vars(ops)}  # names that formulas use for something else


class Recipe(NamedTuple):
    """The source of an op, taken apart.

    Attributes
    ----------
    args : names of its array arguments; one name if it takes any number of them
    starred : True if it takes any number of array arguments
    defaults : default values of the arguments that are not differentiated
    lines : assignments before the return
    value : expression of the value
    vjps : a lambda for each argument; one comprehension that makes a list of lambdas if the op is starred
    """

    args: tuple[str, ...]
    starred: bool
    defaults: dict[str, Any]
    lines: tuple[ast.Assign, ...]
    value: ast.expr
    vjps: tuple[ast.expr, ...]

    def vjp(self, i: int) -> ast.expr:
        """Return the body of the VJP of argument i: an expression in g, the arguments and the names of the lines.

        Examples
        --------
        >>> from tinygrad_edu.extras import ops
        >>> ast.unparse(read(ops.tanh).vjp(0))
        'g * (1 - y * y)'
        >>> ast.unparse(read(ops.concatenate).vjp(1))
        'slice_along(g, starts[1], stops[1], axis)'
        """
        if not self.starred:
            return _body(self.vjps[i], {})
        (made,) = self.vjps
        assert isinstance(made, ast.Starred)
        assert isinstance(made.value, ast.ListComp)
        (loop,) = made.value.generators
        names = [ast.unparse(name) for name in getattr(loop.target, "elts", [loop.target])]
        assert isinstance(loop.iter, ast.Call)
        if ast.unparse(loop.iter.func) == "zip":
            values = [parsed(f"{ast.unparse(source)}[{i}]", mode="eval").body for source in loop.iter.args]
        else:  # range or enumerate: the number of the argument
            values = [ast.Constant(i)] * len(names)
        return _body(made.value.elt, dict(zip(names, values, strict=True)))


@cache
def read(op: Callable[..., Result]) -> Recipe:
    """Take the source of an op apart.

    Raises
    ------
    ValueError : the source is not in a file (a function typed into a prompt), or it is not straight-line: assignments,
        then one return of the value and a lambda for each argument
    """
    name = getattr(op, "__name__", "this op")
    try:
        tree = parsed(textwrap.dedent(inspect.getsource(op))).body[0]
    except (OSError, TypeError, SyntaxError):
        raise ValueError(f"the source of {name} cannot be read; define it in a file") from None
    problem = f"{name} is not straight-line: assignments, then one return of the value and a lambda for each argument"
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:  # a decorator may do anything
        raise ValueError(problem)
    documented = isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant)
    *lines, last = tree.body[documented:]
    assignments = tuple(line for line in lines if isinstance(line, ast.Assign) and len(line.targets) == 1)
    if len(assignments) < len(lines) or not (isinstance(last, ast.Return) and isinstance(last.value, ast.Tuple)):
        raise ValueError(problem)
    value, *vjps = last.value.elts
    starred = tree.args.vararg is not None
    args = (tree.args.vararg.arg,) if tree.args.vararg else tuple(arg.arg for arg in tree.args.args)
    if len(vjps) != len(args) or not all(isinstance(vjp, ast.Starred if starred else ast.Lambda) for vjp in vjps):
        raise ValueError(problem)
    return Recipe(args, starred, dict(op.__kwdefaults__ or {}), assignments, value, tuple(vjps))


def _body(function: ast.expr, bound: dict[str, ast.expr]) -> ast.expr:
    """Return the body of a lambda, with its first argument called g and its defaults put in."""
    assert isinstance(function, ast.Lambda)
    first, *rest = [arg.arg for arg in function.args.args]
    defaults = dict(zip(rest[::-1], function.args.defaults[::-1], strict=True))
    inside = {name: renamed(value, bound) for name, value in defaults.items()}
    return renamed(function.body, {first: ast.Name("g"), **inside})


# --- names -----------------------------------------------------------------------------------------------------------


def forward_order(root: Tensor) -> list[Tensor]:
    """Return the computed tensors that root depends on, arguments before results, root last.

    Raises
    ------
    TypeError : root is not a Tensor
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"got {type(root).__name__}, but only a Tensor has a graph: give the loss, as in explain(loss)")
    return toposort(root)[::-1]


class Names(dict[int, str]):
    """The names of a graph: ``id`` of a value to name."""

    @cached_property
    def taken(self) -> frozenset[str]:
        """All names. They are collected once, because every formula of the graph asks for them."""
        return frozenset(self.values())


def names(
    root: Tensor,
    nodes: list[Tensor] | None = None,
    inputs: Mapping[str, Tensor] | None = None,
    same: Mapping[int, Tensor] | None = None,
    reserved: Collection[str] = TAKEN,
    others: Iterable[Tensor] = (),
) -> Names:
    """Give every tensor, array and list of the graph below root a Python name of its own.

    A Tensor keeps its name: "x" stays x, "layers.0.W" and "layers.2.W" become W1 and W2. Values without a name are
    called as people do: X the data, z the result of a linear layer, h1 = relu(z1), loss the root, v any other result.
    Values that share a name get numbers. Python numbers need no name.

    Parameters
    ----------
    root : the loss
    nodes : computed tensors, arguments before results; default: those of `forward_order`. With nodes, arrays and long
        lists inside an index get a name too, because a program needs one
    inputs : Tensors by the names that they have here, whatever their own
    same : Tensors by the ``id`` of their data; such an array has the name of its Tensor
    reserved : names that no Tensor may have; a Tensor of such a name gets a "_"
    others : further Tensors that need a name

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> model = mlp([2, 3, 1], rng=0)
    >>> _ = model.named_parameters()
    >>> loss = (model([[1.0, 2.0]]) ** 2).mean()
    >>> list(names(loss).values())
    ['X', 'W1', 'b1', 'z1', 'h1', 'W2', 'b2', 'z2', 'v', 'loss']
    """
    stems: dict[int, str] = {}
    chosen: set[int] = set()  # values whose own name is a Python name as it is
    data: dict[int, int] = {}  # id of an array in same -> id of its Tensor

    def add(value: Any, role: str | None = None, name: str = "") -> None:
        if same and id(value) in same:
            data[id(value)] = id(same[id(value)])
            value = same[id(value)]
        if id(value) not in stems:
            name = name or own_name(value)
            stems[id(value)] = stem = _python(name, reserved) if name else role or _letter(value)
            if name == stem:
                chosen.add(id(value))

    for given, t in (inputs or {}).items():
        add(t, name=given)
    for node in forward_order(root) if nodes is None else nodes:
        for value in (*node.parents, *node.kwargs.values()):
            listed = isinstance(value, (list, tuple)) and any(value is parent for parent in node.parents)
            if listed or isinstance(value, (Tensor, np.ndarray)):
                add(value, next((key for key, option in node.kwargs.items() if option is value), None))
        for key, option in node.kwargs.items() if nodes is not None else ():
            for part in option if isinstance(option, tuple) else (option,):
                if isinstance(part, np.ndarray) or (isinstance(part, list) and len(part) > SHORT):
                    add(part, key)
        add(node, "loss" if node is root and node.size == 1 and node.parents else None)
    for t in others:
        add(t)
    called = Names(_unique(stems, chosen))
    called.update({array: called[tensor] for array, tensor in data.items()})
    return called


def _unique(stems: Mapping[int, str], chosen: Collection[int]) -> dict[int, str]:
    """Number the names that several values share. A chosen name that is chosen once stays as it is."""
    times = Counter(stems[key] for key in chosen)
    kept = {stem for stem in times if times[stem] == 1}
    free = {key for key in stems if key not in chosen or stems[key] not in kept}
    rest = Counter(stems[key] for key in free)
    numbered = {stem for stem, n in rest.items() if n > 1 or stem in kept}
    if numbered & {"z", "W"}:  # several layers: all of their names have numbers
        numbered |= {"z", "h", "W", "b"} & set(rest)
    taken = kept | set(rest) - numbered
    numbers = {stem: count(1) for stem in numbered}
    found: dict[int, str] = {}
    for key, stem in stems.items():
        name = stem
        if key in free and stem in numbered:
            name = next(new for k in numbers[stem] if (new := f"{stem}{k}") not in taken)
        taken.add(name)
        found[key] = name
    return found


def own_name(value: Any) -> str:
    """Return the name that somebody gave to a value; "" if it has none."""
    name = getattr(value, "name", None)
    return "" if name is None else str(name)


def _python(name: str, reserved: Collection[str]) -> str:
    """Return the last part of a name as a Python name: "layers.0.W" is W."""
    stem = re.sub(r"\W", "_", name.rpartition(".")[2])
    if not stem.isidentifier() or stem.startswith("d_"):  # d_x is the gradient of x
        stem = f"t_{stem}"
    return f"{stem}_" if keyword.iskeyword(stem) or stem in reserved else stem


def _letter(value: Any) -> str:
    """Return the letter that people use for the result of such an op; X or x for data."""
    if isinstance(value, Tensor) and value.op is not None and value.parents:
        op = getattr(value.op, "__name__", "")
        return LETTERS.get(op, "h" if op in ACTIVATIONS else "v")
    return "X" if np.ndim(unwrap(value)) > 1 else "x"
