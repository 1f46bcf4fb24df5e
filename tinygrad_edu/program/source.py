"""Formulas: the expressions in an op's source, in the names of a graph, with what is known beforehand worked out.

The source of `ops.pow` says ``g * b * base ** (b - (b != 0))``; of y = x ** 3 in a graph that is ``d_y * 3 * x ** 2``.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import Tensor, unwrap
from .names import Names, literal, loaded, read, renamed, stored, unparsed
from .preamble import global_names

Known = dict[str, ast.expr]
REDUCTIONS = ("sum", "mean", "var", "std", "prod", "max", "min")


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


def written(node: Tensor, expression: ast.expr, called: Names) -> Written:
    """An expression out of the source of node's op in the names of a graph, with what is known beforehand worked out.

    Known are the arguments that are not differentiated, Python numbers, and ``.size`` and ``.ndim``.

    Parameters
    ----------
    expression : in the op's own words, as ``read(node.op).vjp(0)``
    called : the names of the graph, from `names`. The op's own values get a "_" if they clash with one

    Raises
    ------
    ValueError : the op assigns to one of its arguments, so that the name does not say which value is meant

    Examples
    --------
    >>> from tinygrad_edu.program.names import names
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> y = x**3
    >>> print(written(y, read(y.op).vjp(0), names(y)))
    d_v * 3 * x ** 2
    >>> y = x.mean()
    >>> print(written(y, read(y.op).vjp(0), names(y)))
    expand_back(d_loss / 2, x, None, False)
    """
    measured = {called[id(v)]: unwrap(v) for v in (node, *node.parents) if id(v) in called}

    def rename(name: str) -> str:
        return f"{name}_" if name in called.taken else name

    source = Source(node, called, rename, lambda known, given: WorkOut(known, given, measured))
    lines = list(source.lines())
    tree = source(expression)
    needed, where = loaded(tree), []
    for target, value in reversed(lines):
        if needed & loaded(target) and not (isinstance(target, ast.Name) and target.id == called[id(node)]):
            where.append((unparsed(target), value))
            needed |= loaded(value)
    return Written(tree, tuple(where[::-1]))


def computed_as(node: Tensor, called: Names) -> str:
    """How a computed tensor was computed: the expression in its op's source, or a call of the op if that takes several.

    Examples
    --------
    >>> from tinygrad_edu.program.names import names
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
            value = next((line.value for line in recipe.lines[::-1] if value.id in stored(line.targets[0])), value)
        formula = written(node, value, called)
        if not formula.where:
            return str(formula)
    except ValueError:  # then the numbers have to do
        pass
    args = [literal(parent, called) or ast.Name("...") for parent in node.parents]
    rest = {key: value for key, value in node.kwargs.items() if key not in given or given[key] is not value}
    keywords = [ast.keyword(key, literal(value, called) or ast.Name("...")) for key, value in rest.items()]
    return unparsed(ast.Call(ast.Name(getattr(op, "__name__", "op")), args, keywords))


class Source:
    """The source of the op that made a node, in the names of a graph. Call it with an expression of the op.

    Parameters
    ----------
    node, called : the node, and the names of the graph
    rename : gives the op's own values their names
    work_out : makes the `WorkOut` out of what each name stands for, and the arguments that are not differentiated
    known : what further names stand for
    exact : whether the dtype of NumPy numbers is written down

    Raises
    ------
    ValueError : as for `written`, and where `read` says
    """

    def __init__(
        self,
        node: Tensor,
        called: Names,
        rename: Callable[[str], str],
        work_out: Callable[[Known, Mapping[str, Any]], WorkOut],
        known: Known | None = None,
        exact: bool = False,
    ) -> None:
        assert node.op is not None
        self.recipe = recipe = read(node.op)
        self.rename = rename
        assigned = Counter(name for line in recipe.lines for name in stored(line.targets[0]))
        again = next((arg for arg in recipe.args if arg in assigned), None)
        if again:
            raise ValueError(f"{node.op.__name__} assigns to its argument {again}")
        if "g" in {*recipe.args, *assigned, *global_names(node.op)}:
            raise ValueError(f"{node.op.__name__} has a g of its own, and that is what its gradient is called here")
        values = [literal(parent, called, exact) or ast.Name("...") for parent in node.parents]
        given = {**recipe.defaults, **node.kwargs}
        self.known = {**(known or {}), **{key: literal(value, called) or ast.Name(key) for key, value in given.items()}}
        self.known |= (
            {recipe.args[0]: ast.Tuple(values)} if recipe.starred else dict(zip(recipe.args, values, strict=True))
        )
        self.known["g"] = ast.Name(f"d_{called[id(node)]}")
        name = recipe.value.id if isinstance(recipe.value, ast.Name) else ""
        self.result = name if assigned[name] == 1 else ""
        if self.result:  # the value itself, which has a name in the graph
            self.known[self.result] = ast.Name(called[id(node)])
        self.work_out = work_out(self.known, given)

    def __call__(self, expression: ast.expr) -> ast.expr:
        return self.work_out(expression)

    def lines(self) -> Iterator[tuple[ast.expr, ast.expr]]:
        """The assignments, target and value. What only gives another name to something is put in where it is used."""
        for line in self.recipe.lines:
            value = self(line.value)
            own = sorted(stored(line.targets[0]) - {self.result})
            if stored(line.targets[0]) == {*own[:1]} and isinstance(value, (ast.Name, ast.Constant)):
                self.known[own[0]] = value
                continue
            self.known |= {name: ast.Name(self.rename(name)) for name in own}
            yield renamed(line.targets[0], self.known), value


class WorkOut(ast.NodeTransformer):
    """Puts in what is known, and works out what follows from it: 2 != 0, x ** 1, np.where(False, np.inf, x).

    Parameters
    ----------
    known : name to expression
    given : the arguments of the op that are not differentiated
    measured : name to array, of those whose ``.size`` and ``.ndim`` are to become numbers
    """

    def __init__(self, known: Known, given: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
        self.known, self.given, self.measured = known, given, measured

    def __call__(self, tree: ast.expr) -> ast.expr:
        tree = copy.deepcopy(tree)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in REDUCTIONS:
                call.keywords = [part for part in call.keywords if not self._says_nothing(part)]
        result = self.visit(renamed(tree, self.known))
        assert isinstance(result, ast.expr)
        return result

    def _says_nothing(self, part: ast.keyword) -> bool:
        """``a.sum(axis=None, keepdims=False)`` is ``a.sum()``."""
        value = self.given.get(part.value.id, ...) if isinstance(part.value, ast.Name) else ...
        return value is None or value is False or (part.arg == "ddof" and value == 0)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if node.attr in ("size", "ndim") and isinstance(node.value, ast.Name) and node.value.id in self.measured:
            return ast.Constant(getattr(np, node.attr)(self.measured[node.value.id]))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        for known, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.BitAnd) and isinstance(known, ast.Constant) and isinstance(known.value, bool):
                return other if known.value else known
        if isinstance(node.op, ast.Pow):
            return node.left if isinstance(node.right, ast.Constant) and node.right.value == 1 else node
        if isinstance(node.op, ast.Sub) and ast.unparse(node.right) == "0":
            return node.left
        return _constant(node, node.left, node.right)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        return _constant(node, *node.values)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)) and isinstance(node.left, (ast.Constant, ast.Tuple)):
            same = ast.unparse(node.left) == ast.unparse(node.comparators[0])  # axes is None
            return ast.Constant(same == isinstance(node.ops[0], ast.Is))
        return _constant(node, node.left, *node.comparators)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name, args = ast.unparse(node.func), node.args
        if name == "np.where" and args and isinstance(args[0], ast.Constant):
            return args[1 if args[0].value else 2]
        if name in ("np.mod", "np.argsort") and all(isinstance(arg, (ast.Tuple, ast.Constant)) for arg in args):
            value = eval(ast.unparse(node), {"np": np})
            return ast.parse(str(tuple(value.tolist())), mode="eval").body if np.ndim(value) == 1 else node
        node.args = [part for arg in args for part in _unpacked(arg)]
        text = ast.unparse(node)
        if name == "np.flip" and text.endswith(", None)"):
            node.args.pop()
        return ast.Attribute(node.func.value, "T") if text.endswith(".transpose(None)") else node  # type: ignore[attr-defined]


def _constant(node: ast.expr, *parts: ast.expr) -> ast.expr:
    """The expression worked out, if its parts are numbers; 1 / 3 stays what it is."""
    if not all(isinstance(part, ast.Constant) for part in parts):
        return node
    try:
        value = eval(ast.unparse(node), {"__builtins__": {}})
    except ArithmeticError:
        return node
    fraction = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not float(value).is_integer()
    return node if fraction else ast.Constant(value)


def _unpacked(arg: ast.expr) -> list[ast.expr]:
    """``*(a, b)`` as two arguments."""
    return arg.value.elts if isinstance(arg, ast.Starred) and isinstance(arg.value, ast.Tuple) else [arg]
