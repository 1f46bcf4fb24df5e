"""How a recorded graph is written down: a name for every value, and the formulas out of an op's own source.

`explain` shows these formulas, `program` emits them as code. Both read what `tensor.apply` runs, so that the derivative
that is shown, run and emitted is one text.
"""

from __future__ import annotations

import ast
import copy
import inspect
import keyword
import math
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .ops import Result
from .tensor import Tensor, _youngest_first, raw

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "elu")
LETTERS = {"linear": "z", "matmul": "z", "softmax": "p", **dict.fromkeys(ACTIVATIONS, "h")}  # anything else is a v
TAKEN = {"np", "g", "len", "slice", *vars(ops)}  # what the formulas call has its name already


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
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:  # what a decorator does is not in this source
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
    """The computed tensors that root depends on, arguments before results, root last. TypeError if it is no Tensor."""
    if not isinstance(root, Tensor):
        raise TypeError(f"got {type(root).__name__}, but only a Tensor has a graph: give the loss, as in explain(loss)")
    return _youngest_first(root)[::-1]


class Names(dict[int, str]):
    """What everything in a graph is called, by ``id``."""

    @cached_property
    def taken(self) -> frozenset[str]:
        """All names: collected once for a graph, as each of its formulas asks."""
        return frozenset(self.values())


def names(root: Tensor, nodes: list[Tensor] | None = None) -> Names:
    """A Python name for every tensor, array and list of the graph below root, by ``id``; none is given twice.

    Tensors keep their names: "x" stays x, "layers.0.W" and "layers.2.W" become W1 and W2. What has none is named as
    people do: X the data, z what a linear layer gives, h1 = relu(z1), loss the result, v anything else; it gets a
    number where a Tensor has that name. Python numbers need no name. nodes are the computed tensors, arguments first, if
    they are not those of `forward_order`.

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
    own: dict[int, str] = {}  # names that somebody chose, and that can stay as they are

    def add(value: Any, role: str | None) -> None:
        if id(value) not in stems:
            stems[id(value)] = _stem(value, role)
            if own_name(value) == stems[id(value)]:
                own[id(value)] = stems[id(value)]

    for node in forward_order(root) if nodes is None else nodes:
        for value in (*node.parents, *node.kwargs.values()):
            listed = isinstance(value, list) and any(value is parent for parent in node.parents)
            if listed or isinstance(value, (Tensor, np.ndarray)):
                add(value, next((key for key, given in node.kwargs.items() if given is value), None))
        for key, given in node.kwargs.items():  # an array inside a tuple, as in a[rows, 0], has a name in a program
            for part in given if isinstance(given, tuple) and nodes is not None else ():
                if isinstance(part, (Tensor, np.ndarray)):
                    add(part, key)
        add(node, "loss" if node is root and node.size == 1 and node.parents else None)
    times = Counter(own.values())
    kept = {name for name in times if times[name] == 1}
    others = Counter(stem for key, stem in stems.items() if own.get(key) not in kept)
    many = {stem for stem, n in others.items() if n > 1 or stem in kept}
    if many & {"z", "W"}:
        many |= {"z", "h", "W", "b"} & set(others)
    taken = kept | set(others) - many
    numbers = {stem: count(1) for stem in many}
    given = Names()
    for key, stem in stems.items():
        name = stem
        if stem in many and own.get(key) not in kept:
            name = next(numbered for k in numbers[stem] if (numbered := f"{stem}{k}") not in taken)
        taken.add(name)
        given[key] = name
    return given


def own_name(value: Any) -> str:
    """The name that somebody gave to a value, whatever it is; "" if there is none."""
    name = getattr(value, "name", None)
    return "" if name is None else str(name)


def _stem(value: Any, role: str | None) -> str:
    """The name without its number."""
    own = own_name(value)
    if own:
        stem = re.sub(r"\W", "_", own.rpartition(".")[2])
        if not stem.isidentifier() or stem.startswith("d_"):  # d_x is the gradient of x
            stem = f"t_{stem}"
        return f"{stem}_" if keyword.iskeyword(stem) or stem in TAKEN else stem
    if role is not None:
        return role
    if isinstance(value, Tensor) and value.op is not None and value.parents:
        return LETTERS.get(getattr(value.op, "__name__", ""), "v")
    return "X" if np.ndim(raw(value)) > 1 else "x"


# --- formulas in the names of a graph ---------------------------------------------------------------------------------


class Written(NamedTuple):
    """An expression out of an op's source, in the names of a graph.

    Attributes
    ----------
    tree : the expression
    where : the op's own values that it needs: what each is called, and its expression, in the order of the source
    """

    tree: ast.expr
    where: tuple[tuple[str, ast.expr], ...]

    def __str__(self) -> str:
        return unparsed(self.tree)


def written(
    node: Tensor, expression: ast.expr, called: Names, rename: Callable[[str], str] | None = None, sizes: bool = True
) -> Written:
    """An expression out of the source of node's op in the names of a graph, with what is known beforehand worked out.

    Known are the arguments that are not differentiated, Python numbers, and ``.size``.

    Parameters
    ----------
    expression : in the op's own words, as ``read(node.op).vjp(0)``
    called : the names of the graph, from `names`
    rename : gives the op's own values their names; those that clash with a name of the graph get a "_" if it is None
    sizes : whether ``.size`` becomes a number

    Raises
    ------
    ValueError : the op assigns to one of its arguments, so that the name does not say which value is meant

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> y = x**3
    >>> print(written(y, read(y.op).vjp(0), names(y)))
    d_v * 3 * x ** 2
    >>> y = x.mean()
    >>> print(written(y, read(y.op).vjp(0), names(y)))
    spread(d_loss / 2, x, None, False)
    """
    assert node.op is not None
    recipe = read(node.op)
    assigned = Counter(name for line in recipe.lines for name in _stored(line))
    again = next((arg for arg in recipe.args if arg in assigned), None)
    if again:
        raise ValueError(f"{node.op.__name__} assigns to its argument {again}")
    values = [_literal(parent, called) or ast.Name("...") for parent in node.parents]
    given = {**recipe.defaults, **node.kwargs}
    known: dict[str, ast.expr] = {key: _literal(value, called) or ast.Name(key) for key, value in given.items()}
    known |= {recipe.args[0]: ast.Tuple(values)} if recipe.starred else dict(zip(recipe.args, values, strict=True))
    known["g"] = ast.Name(f"d_{called[id(node)]}")
    result = recipe.value.id if isinstance(recipe.value, ast.Name) else ""
    if assigned[result] == 1:  # the value itself, which has a name in the graph
        known[result] = ast.Name(called[id(node)])
    measured = {called[id(v)]: np.size(raw(v)) for v in (node, *node.parents) if id(v) in called and sizes}
    work_out = _WorkOut(given, measured, known)
    rename = rename or (lambda name: f"{name}_" if name in called.taken else name)
    lines: list[tuple[ast.expr, ast.expr]] = []
    for line in recipe.lines:
        own = [name for name in _stored(line) if not (name == result and name in known)]
        value = work_out(line.value)
        if len(own) == 1 and isinstance(value, (ast.Name, ast.Constant)):
            known[own[0]] = value
        elif own:
            known |= {name: ast.Name(rename(name)) for name in own}
            lines.append((renamed(line.targets[0], known), value))
    tree = work_out(expression)
    needed, where = loaded(tree), []
    for target, value in reversed(lines):
        if needed & loaded(target):
            where.append((unparsed(target), value))
            needed |= loaded(value)
    return Written(tree, tuple(where[::-1]))


def computed_as(node: Tensor, called: Names) -> str:
    """How a computed tensor was computed: the expression in its op's source, or a call of the op if that takes several.

    Examples
    --------
    >>> x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    >>> [computed_as(y, names(y)) for y in (x * 2, x.tanh(), x.sum(axis=1), x.softmax())]
    ['x * 2', 'np.tanh(x)', 'x.sum(axis=1)', 'softmax(x)']
    """
    op: Any = node.op
    given: dict[str, Any] = {}
    try:
        recipe = read(op)
        value, given = recipe.value, recipe.defaults
        if isinstance(value, ast.Name):
            value = next((line.value for line in recipe.lines[::-1] if value.id in _stored(line)), value)
        formula = written(node, value, called)
        if not formula.where:
            return str(formula)
    except ValueError:  # then the numbers have to do
        pass
    args = [_literal(parent, called) or ast.Name("...") for parent in node.parents]
    rest = {key: value for key, value in node.kwargs.items() if key not in given or given[key] is not value}
    keywords = [ast.keyword(key, _literal(value, called) or ast.Name("...")) for key, value in rest.items()]
    return unparsed(ast.Call(ast.Name(getattr(op, "__name__", "op")), args, keywords))


def unparsed(tree: ast.expr) -> str:
    """The expression as text; a negative number beside an operator is put in brackets.

    Examples
    --------
    >>> unparsed(ast.BinOp(ast.Constant(2), ast.Mult(), ast.Constant(-3)))
    '2 * (-3)'
    """
    return ast.unparse(_Tidy().visit(copy.deepcopy(tree)))


def loaded(tree: ast.AST) -> set[str]:
    """The names in an expression."""
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}


def _stored(line: ast.Assign) -> list[str]:
    """The names that an assignment binds."""
    return [part.id for part in ast.walk(line.targets[0]) if isinstance(part, ast.Name)]


def _literal(value: Any, called: Mapping[int, str]) -> ast.expr | None:
    """How a value is written down: by its name, or as it is; None if it has no name and is not simple."""
    if id(value) in called:
        return ast.Name(called[id(value)])
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        number = ast.Attribute(ast.Name("np"), "nan" if math.isnan(value) else "inf")
        return ast.UnaryOp(ast.USub(), number) if value < 0 else number
    if value is None or value is ... or isinstance(value, (bool, int, float, str)):
        return ast.Constant(value)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return ast.Attribute(ast.Name("np"), np.dtype(value).name)
    if isinstance(value, slice):
        inside = _literal((value.start, value.stop, value.step), called)
        return ast.Call(ast.Name("slice"), inside.elts, []) if isinstance(inside, ast.Tuple) else None
    if isinstance(value, (tuple, list)) and len(value) <= 8:
        parts = [part for part in (_literal(part, called) for part in value) if part]
        if len(parts) == len(value):
            return ast.Tuple(parts) if isinstance(value, tuple) else ast.List(parts)
    return None


class _WorkOut(ast.NodeTransformer):
    """Puts in what is known, and works out what follows from it: 2 != 0, x ** 1, np.where(False, np.inf, x)."""

    def __init__(self, given: Mapping[str, Any], sizes: Mapping[str, int], known: Mapping[str, ast.expr]) -> None:
        self.given, self.sizes, self.known = given, sizes, known

    def __call__(self, tree: ast.expr) -> ast.expr:
        tree = copy.deepcopy(tree)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call):  # a.sum(axis=None, keepdims=False) is a.sum()
                call.keywords = [part for part in call.keywords if not self._says_nothing(part)]
        result = self.visit(renamed(tree, self.known))
        assert isinstance(result, ast.expr)
        return result

    def _says_nothing(self, part: ast.keyword) -> bool:
        value = self.given.get(part.value.id, ...) if isinstance(part.value, ast.Name) else ...
        return value is None or value is False  # and not 0

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        size = self.sizes.get(node.value.id) if node.attr == "size" and isinstance(node.value, ast.Name) else None
        return node if size is None else ast.Constant(size)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        for known, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.BitAnd) and isinstance(known, ast.Constant):  # True or False
                return other if known.value is True else known
        if isinstance(node.op, ast.Pow):
            return node.left if isinstance(node.right, ast.Constant) and node.right.value == 1 else node
        return _constant(node, node.left, node.right)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        return _constant(node, *node.values)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ops[0], ast.Is) and isinstance(node.left, (ast.Constant, ast.Tuple)):  # axes is None
            return ast.Constant(ast.unparse(node.left) == ast.unparse(node.comparators[0]))
        return _constant(node, node.left, *node.comparators)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if ast.unparse(node.func) == "np.where" and isinstance(node.args[0], ast.Constant):
            return node.args[1 if node.args[0].value else 2]
        return node


def _constant(node: ast.expr, *parts: ast.expr) -> ast.expr:
    """The expression worked out, if its parts are numbers."""
    if not all(isinstance(part, ast.Constant) for part in parts):
        return node
    try:
        return ast.Constant(eval(ast.unparse(node), {"__builtins__": {}}))
    except ArithmeticError:
        return node


class _Tidy(ast.NodeTransformer):
    """Brackets around negative numbers beside an operator; x[0:2] for x[slice(0, 2, None)]."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        index = node.slice
        node.slice = (
            ast.Tuple([_colons(part) for part in index.elts]) if isinstance(index, ast.Tuple) else _colons(index)
        )
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        node.left, node.right = _bracketed(node.left), _bracketed(node.right)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        node.operand = _bracketed(node.operand)
        return node


def _bracketed(part: ast.expr) -> ast.expr:
    text = ast.unparse(part) if isinstance(part, (ast.Name, ast.Constant)) else ""
    return ast.Name(f"({text})") if text.startswith("-") else part


def _colons(index: ast.expr) -> ast.expr:
    if not isinstance(index, ast.Call) or ast.unparse(index.func) != "slice":
        return index
    return ast.Slice(*[None if ast.unparse(part) == "None" else part for part in index.args])
