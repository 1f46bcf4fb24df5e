"""How a recorded graph is written down: a name for every value, and the formulas out of an op's own source.

`explain` shows these formulas, `program` emits them as code. Both read what `tensor.apply` runs, so that the derivative
that is shown, run and emitted is one text.
"""

from __future__ import annotations

import ast
import copy
import inspect
import keyword
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .ops import Result
from .tensor import Tensor, _youngest_first

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "elu")
LETTERS = {"linear": "z", "matmul": "z", "softmax": "p", **dict.fromkeys(ACTIVATIONS, "h")}  # anything else is a v


class Recipe(NamedTuple):
    """The source of an op, taken apart.

    Attributes
    ----------
    args : the names of its array arguments; one name, if it takes any number of them
    starred : whether it does
    defaults : of what is not differentiated, where it has one
    lines : the assignments before the return
    value : the expression of the value
    vjps : the lambdas; or one list of them, made by a comprehension, if it takes any number of arguments
    """

    args: tuple[str, ...]
    starred: bool
    defaults: dict[str, Any]
    lines: tuple[ast.Assign, ...]
    value: ast.expr
    vjps: tuple[ast.expr, ...]

    def vjp(self, i: int) -> ast.expr:
        """The body of the VJP of argument i: an expression in g, the arguments and the names that the lines assign.

        Examples
        --------
        >>> from tinygrad_edu import ops
        >>> ast.unparse(read(ops.tanh).vjp(0))
        'g * (1 - y * y)'
        >>> ast.unparse(read(ops.concatenate).vjp(1))
        'between(g, starts[1], stops[1], axis)'
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
            values = [ast.parse(f"{ast.unparse(source)}[{i}]", mode="eval").body for source in loop.iter.args]
        else:  # range or enumerate: the number of the argument itself
            values = [ast.Constant(i)] * len(names)
        return _body(made.value.elt, dict(zip(names, values, strict=True)))


@cache
def read(op: Callable[..., Result]) -> Recipe:
    """Take the source of an op apart.

    Raises
    ------
    ValueError : the source cannot be had (a function typed into a prompt), or is not straight-line: assignments, then
        one return of the value and a lambda for each argument
    """
    name = getattr(op, "__name__", "this op")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(op))).body[0]
    except (OSError, TypeError, SyntaxError):
        raise ValueError(f"the source of {name} cannot be read; define it in a file") from None
    problem = f"{name} is not straight-line: assignments, then one return of the value and a lambda for each argument"
    if not isinstance(tree, ast.FunctionDef):
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
    """What a lambda returns, its first argument called g and its defaults put in."""
    assert isinstance(function, ast.Lambda)
    first, *rest = [arg.arg for arg in function.args.args]
    defaults = dict(zip(rest[::-1], function.args.defaults[::-1], strict=True))
    inside = {name: renamed(value, bound) for name, value in defaults.items()}
    return renamed(function.body, {first: ast.Name("g"), **inside})


class _Rename(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, ast.expr]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.names.get(node.id, node))

    def _inner(self, node: Any) -> Any:
        """Names that a lambda or a comprehension binds are its own."""
        if isinstance(node, ast.Lambda):
            own = {arg.arg for arg in node.args.args}
        else:
            targets = [part for loop in node.generators for part in ast.walk(loop.target)]
            own = {part.id for part in targets if isinstance(part, ast.Name)}
        return _Rename({name: value for name, value in self.names.items() if name not in own}).generic_visit(node)

    visit_Lambda = visit_ListComp = visit_GeneratorExp = visit_SetComp = visit_DictComp = _inner


def renamed(expression: ast.expr, names: Mapping[str, str | ast.expr]) -> ast.expr:
    """A copy of the expression in which each of these names stands for another one, or for an expression.

    Examples
    --------
    >>> ast.unparse(renamed(ast.parse("g * (1 - y * y)", mode="eval").body, {"g": "d_h1", "y": "h1"}))
    'd_h1 * (1 - h1 * h1)'
    >>> ast.unparse(renamed(ast.parse("a * 2", mode="eval").body, {"a": "x + y"}))
    '(x + y) * 2'
    """
    trees = {
        name: ast.parse(value, mode="eval").body if isinstance(value, str) else value for name, value in names.items()
    }
    result = _Rename(trees).visit(copy.deepcopy(expression))
    assert isinstance(result, ast.expr)
    return result


def forward_order(root: Tensor) -> list[Tensor]:
    """The computed tensors that root depends on, arguments before results, root last."""
    return _youngest_first(root)[::-1]


def names(root: Tensor) -> dict[int, str]:
    """A Python name for every tensor and array of the graph below root, by ``id``; none is given twice.

    Tensors keep their names: "x" stays x, "layers.0.W" and "layers.2.W" become W1 and W2. What has none is named as
    people do: X the data, z what a linear layer gives, h1 = relu(z1), loss the result, v anything else. Python numbers
    need no name.

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
    nodes = forward_order(root)
    for node in nodes:
        for value in (*node.parents, *node.kwargs.values()):
            if isinstance(value, (Tensor, np.ndarray)) and id(value) not in stems:
                role = next((key for key, given in node.kwargs.items() if given is value), None)
                stems[id(value)] = _stem(value, role)
        stems.setdefault(id(node), _stem(node, "loss" if node is root and node.size == 1 else None))
    if not nodes[-1].parents:
        stems[id(root)] = _stem(root, None)
    many = {stem for stem, count in Counter(stems.values()).items() if count > 1}
    if many & {"z", "W"}:
        many |= {"z", "h", "W", "b"} & set(stems.values())
    taken = set(stems.values()) - many
    given: dict[int, str] = {}
    for key, stem in stems.items():
        name, k = stem, 0
        while stem in many and (k == 0 or name in taken):
            k += 1
            name = f"{stem}{k}"
        taken.add(name)
        given[key] = name
    return given


def _stem(value: Any, role: str | None) -> str:
    """The name without its number."""
    own = getattr(value, "name", None)
    if own:
        stem = re.sub(r"\W", "_", own.rpartition(".")[2])
        if not stem.isidentifier() or stem.startswith("d_"):  # d_x is the gradient of x
            stem = f"t_{stem}"
        return f"{stem}_" if keyword.iskeyword(stem) or stem in ("np", "g") else stem
    if role is not None:
        return role
    if isinstance(value, Tensor) and value.op is not None and value.parents:
        return LETTERS.get(getattr(value.op, "__name__", ""), "v")
    return "X" if np.ndim(value if isinstance(value, np.ndarray) else value._data) > 1 else "x"
