"""Rewriting of expressions: an op's source covers every case, a line of a program shows the case at hand.

`Simplify` puts in what is known about the arguments and works out what follows from it. `PlainNumpy` also writes the
result as NumPy users do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .expressions import Rewriter, call, parsed, renamed, unparsed
from .preamble import Helpers, name_in_package

Known = dict[str, ast.expr]
REDUCTIONS = ("sum", "mean", "var", "std", "prod", "max", "min")
COMPARISONS = {"less": ast.Lt, "less_equal": ast.LtE, "greater": ast.Gt, "greater_equal": ast.GtE}
COMPARISONS |= {"equal": ast.Eq, "not_equal": ast.NotEq}


class Simplify(Rewriter):
    """Put known values into an expression and work out what is constant: 2 != 0, x ** 1, np.where(False, a, b).

    Parameters
    ----------
    known : expressions by the names that they replace
    given : values of the op's arguments that are not differentiated
    measured : arrays by name; ``.size`` and ``.ndim`` of these become numbers
    """

    def __init__(self, known: Known, given: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
        self.known, self.given, self.measured = known, given, measured

    def __call__(self, tree: ast.expr) -> ast.expr:
        """Return the simplified expression; the tree stays as it is."""
        result = self.visit(renamed(tree, self.known))
        assert isinstance(result, ast.expr)
        return result

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node = self.generic_visit(node)
        if node.attr in ("size", "ndim") and isinstance(node.value, ast.Name) and node.value.id in self.measured:
            return ast.Constant(getattr(np, node.attr)(self.measured[node.value.id]))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        node = self.generic_visit(node)
        for known, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.BitAnd) and isinstance(known, ast.Constant) and isinstance(known.value, bool):
                return other if known.value else known
        if isinstance(node.op, ast.Pow):
            return node.left if isinstance(node.right, ast.Constant) and node.right.value == 1 else node
        if isinstance(node.op, ast.Sub) and ast.unparse(node.right) == "0":
            return node.left
        return _evaluated(node, node.left, node.right)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        node = self.generic_visit(node)
        return _evaluated(node, *node.values)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        node = self.generic_visit(node)
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)) and isinstance(node.left, (ast.Constant, ast.Tuple)):
            same = ast.unparse(node.left) == ast.unparse(node.comparators[0])  # axes is None
            return ast.Constant(same == isinstance(node.ops[0], ast.Is))
        return _evaluated(node, node.left, *node.comparators)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node = self.generic_visit(node)
        match node.func, node.args:
            case ast.Attribute(ast.Name("np"), "where"), [ast.Constant(known), a, b]:
                return a if known else b
            case ast.Attribute(ast.Name("np"), "mod" | "argsort"), args if all(map(_is_known, args)):
                value = eval(ast.unparse(node), {"np": np})
                return parsed(str(tuple(value.tolist())), mode="eval").body if np.ndim(value) == 1 else node
        node.args = [part for arg in node.args for part in _unpacked(arg)]
        node.keywords = [part for keyword in node.keywords for part in _named(keyword)]
        match node.func, node.args:
            case ast.Attribute(_, name), _ if name in REDUCTIONS:
                node.keywords = [keyword for keyword in node.keywords if not _is_default(keyword)]
            case ast.Attribute(ast.Name("np"), "flip"), [_, ast.Constant(None)]:
                node.args.pop()
            case ast.Attribute(a, "transpose"), [ast.Constant(None)]:
                return ast.Attribute(a, "T")
        return node


def _evaluated(node: ast.expr, *parts: ast.expr) -> ast.expr:
    """Return the value of the expression if its parts are constants; 1 / 3 stays a fraction."""
    if not all(isinstance(part, ast.Constant) for part in parts):
        return node
    try:
        value = eval(ast.unparse(node), {"__builtins__": {}})
    except ArithmeticError:
        return node
    fraction = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not float(value).is_integer()
    return node if fraction else ast.Constant(value)


def _is_known(arg: ast.expr) -> bool:
    return isinstance(arg, (ast.Tuple, ast.Constant))


def _is_default(keyword: ast.keyword) -> bool:
    """Tell if the keyword of a reduction can go: ``a.sum(axis=None, keepdims=False)`` is ``a.sum()``."""
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else ...
    return value is None or value is False or (keyword.arg == "ddof" and value == 0)


def _unpacked(arg: ast.expr) -> list[ast.expr]:
    """Return ``*(a, b)`` as two arguments, any other argument as it is."""
    return arg.value.elts if isinstance(arg, ast.Starred) and isinstance(arg.value, ast.Tuple) else [arg]


def _named(keyword: ast.keyword) -> list[ast.keyword]:
    """Return ``**{"axis": 1}`` as axis=1, any other keyword as it is."""
    if keyword.arg is None and isinstance(keyword.value, ast.Dict):
        return [
            ast.keyword(ast.literal_eval(str(key and ast.unparse(key))), value)
            for key, value in zip(keyword.value.keys, keyword.value.values)
        ]
    return [keyword]


class PlainNumpy(Simplify):
    """Simplify an expression and write it as NumPy users do: ``a @ b`` for ``a.dot(b)``, ``a.T`` for ``a.mT``.

    The names in the expression have their values in the scope of the helpers, so a rewriting can compare shapes,
    dtypes and values before and after.

    Parameters
    ----------
    known, given : see `Simplify`
    helpers : functions and values that the expression can name
    """

    def __init__(self, known: Known, given: Mapping[str, Any], helpers: Helpers) -> None:
        super().__init__(known, given, {})
        self.helpers = helpers

    def value(self, tree: ast.expr) -> Any:
        """Return the value of an expression."""
        return eval(unparsed(tree), self.helpers.scope)

    def shape(self, tree: ast.expr) -> tuple[int, ...]:
        """Return the shape of an expression's value."""
        return np.shape(self.value(tree))

    def sum(self, a: ast.expr, b: ast.expr) -> ast.expr:
        """Return a + b, written as 2 * a if the two are the same, as a - c if b is -c."""
        a, b = self.without_broadcasts(a, b)
        if unparsed(a) == unparsed(b):
            return ast.BinOp(ast.Constant(2), ast.Mult(), a)
        for one, other in ((b, a), (a, b)):
            if isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub):
                return ast.BinOp(other, ast.Sub(), one.operand)
        return ast.BinOp(a, ast.Add(), b)

    # --- expressions by kind ------------------------------------------------------------------------------------------

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node = self.generic_visit(node)
        return self.helpers.value_only(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node = self.generic_visit(node)
        if node.attr == "ndim" or (node.attr == "size" and self.shape(node.value) == ()):
            return ast.Constant(self.value(node))
        if node.attr == "mT" and len(self.shape(node.value)) == 2:
            node.attr = "T"
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Write ``a.max() if a.size else 0`` as a.max(), unless a has no elements."""
        test = self.visit(node.test)
        sized = isinstance(test, ast.Attribute) and test.attr == "size"
        test = ast.Constant(bool(self.value(test))) if sized else test
        return super().visit_IfExp(ast.IfExp(test, node.body, node.orelse))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Write ``y.size or 1`` as y.size, unless that is 0."""
        made = super().visit_BoolOp(node)
        if isinstance(made, ast.BoolOp) and re.fullmatch(r"\w+\.size or 1", unparsed(made)):
            return made.values[0] if self.value(made.values[0]) else made
        return made

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        made = super().visit_BinOp(node)
        if not isinstance(made, ast.BinOp):
            return made
        if isinstance(made.op, ast.FloorDiv):
            return self.axis_length(made)
        if isinstance(made.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            made.left, made.right = self.without_broadcasts(made.left, made.right)
        return self.product(made) if isinstance(made.op, ast.Mult) else made

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        made = super().visit_Compare(node)
        if isinstance(made, ast.Compare) and len(made.ops) == 1:
            made.left, made.comparators[0] = self.without_broadcasts(made.left, made.comparators[0])
        return made

    def visit_Call(self, node: ast.Call) -> ast.expr:
        made = super().visit_Call(node)
        if not isinstance(made, ast.Call):
            return made
        f, args = made.func, made.args
        if isinstance(f, ast.Attribute) and not made.keywords and args:
            if f.attr == "dot" and len(args) == 1 and {len(self.shape(f.value)), len(self.shape(args[0]))} <= {1, 2}:
                return ast.BinOp(f.value, ast.MatMult(), args[0])
            if f.attr == "reshape" and isinstance(args[0], ast.Tuple):
                return self.reshape(f, args[0].elts)
            if f.attr in COMPARISONS and ast.unparse(f.value) == "np" and len(args) == 2:
                return ast.Compare(args[0], [COMPARISONS[f.attr]()], args[1:])
        helper: Any = self.helpers.objects.get(f.id) if isinstance(f, ast.Name) else None
        match name_in_package(helper):
            case "expand_back":
                return self.expand_back(*args)
            case "einsum_share":
                return self.einsum(made, helper.__globals__["einsum_letters"])
        return made

    # --- and what each becomes ----------------------------------------------------------------------------------------

    def product(self, node: ast.BinOp) -> ast.expr:
        """Write a * 1 as a, -1 * a as -a, and a * (1 / n) as a / n, as in the gradient of a mean."""
        for factor, other in ((node.right, node.left), (node.left, node.right)):
            text = unparsed(factor)
            if text in ("1", "1.0", "-1") and np.asarray(self.value(other)).dtype == np.asarray(self.value(node)).dtype:
                return ast.UnaryOp(ast.USub(), other) if text == "-1" else other
            match factor:
                case ast.BinOp(one, ast.Div(), n) if unparsed(one) == "1" and isinstance(self.value(n), int):
                    return ast.BinOp(other, ast.Div(), n)
        return node

    def axis_length(self, node: ast.BinOp) -> ast.expr:
        """Write ``a.size // y.size`` as the length of the axis that y does not have."""
        if unparsed(node.right) == "1":
            return node.left
        axis, a = self.given.get("axis"), getattr(node.left, "value", None)
        if not (isinstance(axis, int) and isinstance(a, ast.Name) and np.ndim(self.value(a))):
            return node
        axis %= len(self.shape(a))
        length = ast.Subscript(ast.Attribute(a, "shape"), ast.Constant(axis)) if axis else call("len", a)
        return length if self.value(length) == self.value(node) else node

    def reshape(self, method: ast.Attribute, lengths: list[ast.expr]) -> ast.expr:
        """Write a.reshape(len(a), 3) as a.reshape(-1, 3), which fits any number of samples."""
        before, after = self.shape(method.value), [self.value(n) for n in lengths]
        if after and before[:1] == (after[0],) and all(n > 0 for n in after[1:]):
            lengths = [ast.Constant(-1), *lengths[1:]]
        return call(method, *lengths[:1]) if len(lengths) == 1 else call(method, ast.Tuple(lengths))

    def expand_back(self, g: ast.expr, a: ast.expr, axis: ast.expr, keepdims: ast.expr) -> ast.expr:
        """Write `ops.expand_back` with NumPy's functions. Broadcasting adds the axes in front by itself."""
        axes, ndim = self.value(axis), len(self.shape(a))
        if axes is not None and ndim and not self.value(keepdims):
            axes = (axes,) if isinstance(axes, int) else axes
            if sorted(i % ndim for i in axes) != list(range(len(axes))):
                g = call("np.expand_dims", g, axis)
        return call("np.broadcast_to", g, ast.Attribute(a, "shape"))

    def einsum(self, share: ast.Call, letters: Any) -> ast.expr:
        """Write `ops.einsum_share` as np.einsum, where that is all it does. letters is `ops.einsum_letters`."""
        g, number, arrays, subscripts = share.args
        given, i = list(arrays.elts), self.value(number)  # type: ignore[attr-defined]
        terms, out = letters(self.value(subscripts), tuple(map(self.value, given)))
        mine, array = terms.pop(i), given.pop(i)
        if len(set(mine)) < len(mine) or not set(mine) <= set("".join([*terms, out])):
            return share
        plain = call("np.einsum", ast.Constant(",".join([*terms, out]) + "->" + mine), *given, g)
        return plain if self.shape(plain) == self.shape(array) else share

    # --- broadcasting that an operator does by itself -----------------------------------------------------------------

    def without_broadcasts(self, a: ast.expr, b: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Return the two sides of an operator, neither expanded to the shape of the other one."""
        small = self._unexpanded(a, b)
        return (small, b) if small is not a else (a, self._unexpanded(b, a))

    def _unexpanded(self, tree: ast.expr, other: ast.expr) -> ast.expr:
        if (small := unexpanded(tree)) is tree:
            return tree
        whole, beside = (np.asarray(self.value(part)) for part in (tree, other))
        filled = isinstance(small, ast.Constant) and unparsed(tree)[:9] in ("np.full_l", "np.ones_l")
        return small if whole.shape == beside.shape and not (filled and whole.dtype != beside.dtype) else tree


def unexpanded(tree: ast.expr) -> ast.expr:
    """Return g for ``np.broadcast_to(g, shape)``, c for ``np.full_like(a, c)``, 1 for ``np.ones_like(a)``."""
    if not isinstance(tree, ast.Call):
        return tree
    one: ast.expr = ast.Constant(1)
    inside = {"np.broadcast_to": tree.args[:1], "np.full_like": tree.args[1:], "np.ones_like": [one]}
    return inside.get(unparsed(tree.func), [tree])[0]
