"""Expressions as trees of Python's `ast`: how they are read, rewritten, renamed, and written as text.

No tree is changed after it was made, so trees share their parts.
"""

from __future__ import annotations

import ast
import math
import threading
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

Tree = TypeVar("Tree", bound=ast.AST)
SHORT = 8  # a list of at most this many values is written out


class Rewriter(ast.NodeVisitor):
    """Rewrite a tree from its leaves up, as ast.NodeTransformer, but into new nodes: the given tree stays as it is."""

    def generic_visit(self, node: Any) -> Any:
        """Return a node of our own, with its parts rewritten. (In one frame: an expression may be 200 levels deep.)"""
        parts: dict[str, Any] = {name: part for name, part in vars(node).items() if name in node._fields}
        for name, part in parts.items():
            if isinstance(part, list):
                parts[name] = [self.visit(each) if isinstance(each, ast.AST) else each for each in part]
            elif isinstance(part, ast.AST) and part._fields:
                parts[name] = self.visit(part)
        return type(node)(**parts)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return node


class _Rename(Rewriter):
    """Replace names by expressions."""

    def __init__(self, names: Mapping[str, ast.expr]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.names.get(node.id, node)

    def _inner(self, node: Any) -> Any:
        """Leave the names that a lambda or a comprehension binds."""
        if isinstance(node, ast.Lambda):
            own = {arg.arg for arg in node.args.args}
        else:
            targets = [part for loop in node.generators for part in ast.walk(loop.target)]
            own = {part.id for part in targets if isinstance(part, ast.Name)}
        return _Rename({name: value for name, value in self.names.items() if name not in own}).generic_visit(node)

    visit_Lambda = visit_ListComp = visit_GeneratorExp = visit_SetComp = visit_DictComp = _inner


_one_by_one = threading.Lock()


def parsed(text: str, mode: str = "exec") -> Any:
    """Return the tree of a text, as ast.parse does, for one thread at a time.

    CPython 3.11 counts the depth of all threads' trees together, and raises a SystemError if another's came between.
    """
    with _one_by_one:
        return ast.parse(text, mode=mode)


def renamed(tree: Tree, names: Mapping[str, str | ast.expr]) -> Tree:
    """Return the tree with each of these names replaced, by another name or an expression.

    Examples
    --------
    >>> ast.unparse(renamed(ast.parse("g * (1 - y * y)", mode="eval").body, {"g": "d_h1", "y": "h1"}))
    'd_h1 * (1 - h1 * h1)'
    >>> ast.unparse(renamed(ast.parse("a * 2", mode="eval").body, {"a": "x + y"}))
    '(x + y) * 2'
    """
    trees = {
        name: parsed(value, mode="eval").body if isinstance(value, str) else value for name, value in names.items()
    }
    return _Rename(trees).visit(tree)


def unparsed(tree: ast.expr) -> str:
    """Return the expression as text, with brackets around a negative number beside an operator.

    Examples
    --------
    >>> unparsed(ast.BinOp(ast.Constant(2), ast.Mult(), ast.Constant(-3)))
    '2 * (-3)'
    """
    return tree.id if isinstance(tree, ast.Name) else ast.unparse(_Tidy().visit(tree))


def loaded(tree: ast.AST) -> set[str]:
    """Return the names in an expression."""
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}


def stored(tree: ast.AST) -> set[str]:
    """Return the names that the assignments in a tree bind."""
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def literal(value: Any, called: Mapping[int, str], exact: bool = False) -> ast.expr | None:
    """Return the expression for a value: its name, or the value written out; None if it has no name and is not simple.

    Parameters
    ----------
    value : anything
    called : names by ``id``
    exact : write a NumPy number with its dtype; otherwise like a Python number
    """
    if id(value) in called:
        return ast.Name(called[id(value)])
    if isinstance(value, np.generic):
        number = literal(value.item(), called)
        return ast.Call(_np(value.dtype.name), [number], []) if exact and number else number
    if isinstance(value, float) and not math.isfinite(value):
        number = _np("nan" if math.isnan(value) else "inf")
        return ast.UnaryOp(ast.USub(), number) if value < 0 else number
    if value is None or value is ... or isinstance(value, (bool, int, float, str)):
        return ast.Constant(value)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, (np.generic, float))):
        return _np(np.dtype(value).name)
    name = getattr(value, "__name__", "")
    if callable(value) and getattr(np, name, None) is value:
        return _np(name)
    if isinstance(value, slice):
        inside = literal((value.start, value.stop, value.step), called)
        return ast.Call(ast.Name("slice"), inside.elts, []) if isinstance(inside, ast.Tuple) else None
    if isinstance(value, dict):
        written = [literal(part, called) or ast.Name("...") for part in value.values()]
        return ast.Dict([ast.Constant(key) for key in value], written)
    if isinstance(value, (tuple, list)) and len(value) <= SHORT:
        parts = [part for part in (literal(part, called) for part in value) if part]
        if len(parts) == len(value):
            return ast.Tuple(parts) if isinstance(value, tuple) else ast.List(parts)
    return None


def call(f: str | ast.expr, *args: ast.expr) -> ast.Call:
    """Return the expression ``f(*args)``."""
    return ast.Call(ast.Name(f) if isinstance(f, str) else f, list(args), [])


def _np(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("np"), name)


class _Tidy(Rewriter):
    """Put negative numbers beside an operator into brackets, and write x[slice(0, 2, None)] as x[0:2]."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        index = self.visit(node.slice)
        inside = isinstance(index, ast.Subscript) and ast.unparse(index.value) == "np.s_"
        return ast.Subscript(self.visit(node.value), index.slice if inside else index)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node = self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id == "slice"):
            return node
        ends = [None if ast.unparse(part) == "None" else part for part in node.args]
        return ast.Subscript(_np("s_"), ast.Slice(*ends))

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        node = self.generic_visit(node)
        parts = [part.slice if isinstance(part, ast.Subscript) else part for part in node.elts]
        sliced = any(isinstance(part, ast.Slice) for part in parts)
        return ast.Subscript(_np("s_"), ast.Tuple(parts)) if sliced else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        node = self.generic_visit(node)
        node.left, node.right = _bracketed(node.left), _bracketed(node.right)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node = self.generic_visit(node)
        node.operand = _bracketed(node.operand)
        return node


def _bracketed(part: ast.expr) -> ast.expr:
    text = part.id if isinstance(part, ast.Name) else ast.unparse(part) if isinstance(part, ast.Constant) else ""
    return ast.Name(f"({text})") if text.startswith("-") else part
