"""A program as JavaScript: each line of NumPy one line on the arrays of ``runtime.js``, a small NumPy.

``a + b`` is ``np.add(a, b)`` there: JavaScript's operators know numbers alone.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .expressions import stored
from .javascript import Numbers

IN_ARRAYS: dict[type[ast.AST], str] = {  # operator of arrays: the function of NumPy and of runtime.js
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "mod",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.USub: "negative",
    ast.Invert: "invert",
}
NUMPY = """
exp log sqrt abs tanh sin cos tan sinh cosh expm1 log1p cbrt log2 log10 floor ceil trunc exp2 rint sign arcsin arccos
arctan arcsinh arccosh arctanh arctan2 hypot fmod maximum minimum logaddexp isinf where clip power mod floor_divide
broadcast_to expand_dims flip full_like ones_like zeros_like arange cumsum cumprod isfinite square
""".split()  # noqa: SIM905, functions of NumPy that runtime.js has under the same name
METHODS = "sum mean max min prod any all var std reshape transpose cumsum cumprod squeeze astype ravel".split()  # noqa: SIM905
MEASURES = ("T", "mT", "shape", "size", "ndim")
LINALG = ("eigh", "qr", "norm")  # functions of np.linalg, below np there
OF_ARRAYS = {getattr(np, name): f"np.{name}" for name in NUMPY} | {
    **{getattr(np.linalg, name): f"np.{name}" for name in LINALG},
    builtins.abs: "np.abs",
    builtins.len: "np.len",
    builtins.int: "Math.trunc",
    builtins.float: "Number",
    builtins.round: "np.rint",
    builtins.max: "Math.max",
    math.log: "Math.log",
    math.erf: "np.erf",
    math.erfc: "np.erfc",
}


@cache
def runtime() -> str:
    """Return the text of ``runtime.js``, which defines ``np``."""
    return (Path(__file__).parent / "runtime.js").read_text(encoding="utf-8")


def program(source: str) -> str:
    """Return the source of a `Program`, line by line, as JavaScript: ``backprop`` and the helpers that it calls.

    The text names no sizes, so it serves every width and batch size if the program does (``Program.any_size``).

    Raises
    ------
    ValueError : a line has something that cannot be written in JavaScript, such as another dtype than float64
    """
    tree, scope = ast.parse(source), dict[str, Any]()
    exec(source, scope)
    *others, main = tree.body
    helpers = {part.name: part for part in others if isinstance(part, ast.FunctionDef)}
    constants = [part for part in others if isinstance(part, ast.Assign)]
    todo, texts = [main], list[str]()
    for f in todo:  # the list grows while it is read
        writer = Arrays({**vars(builtins), **scope})
        texts.append(writer.function(f, getattr(f, "name", "")))
        todo += [helpers[g.__name__] for g in writer.called if helpers[g.__name__] not in todo]
    writer = Arrays(scope)
    writer.bound = set().union(*map(stored, constants))
    lines = writer.block(constants, set(), set(), "")
    return "\n\n".join(["\n".join(lines)] * bool(lines) + texts[::-1])


class Arrays(Numbers):
    """Write the lines of a program, with arrays for numbers."""

    known = OF_ARRAYS

    def write_BinOp(self, node: ast.BinOp) -> str:
        return self.in_arrays(node, node.op, [node.left, node.right])

    def write_Compare(self, node: ast.Compare) -> str:
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return super().write_Compare(node)
        return self.in_arrays(node, node.ops[0], [node.left, *node.comparators])

    def write_UnaryOp(self, node: ast.UnaryOp) -> str:
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return f"-{self(node.operand)}"
        if isinstance(node.op, ast.Not):
            return super().write_UnaryOp(node)
        return self.in_arrays(node, node.op, [node.operand])

    def in_arrays(self, node: ast.expr, op: ast.AST, parts: Sequence[ast.expr]) -> str:
        """Return the call of the function of runtime.js that an operator stands for."""
        if type(op) not in IN_ARRAYS or len(parts) > 2:
            self.refuse(node)
        return f"np.{IN_ARRAYS[type(op)]}({', '.join(map(self, parts))})"

    def write_Attribute(self, node: ast.Attribute) -> str:
        if node.attr in MEASURES and self.value_of(node) is None:
            return f"np.{node.attr}({self(node.value)})"
        return super().write_Attribute(node)

    def write_Subscript(self, node: ast.Subscript) -> str:
        match node.value:
            case ast.Attribute(_, "shape"):
                return super().write_Subscript(node)
            case ast.Call(f) if self.value_of(f) in (np.linalg.eigh, np.linalg.qr):  # which return two arrays
                return super().write_Subscript(node)
        if self.is_of_self(node):
            return super().write_Subscript(node)
        return f"np.getitem({self(node.value)}, {self.index(node.slice)})"

    def index(self, part: ast.expr) -> str:
        """Return an index or one part of it."""
        if isinstance(part, ast.Subscript) and self.value_of(part.value) is np.s_:
            return self.index(part.slice)
        if isinstance(part, ast.Tuple):
            if any(not isinstance(p, (ast.Slice, ast.Constant, ast.UnaryOp)) for p in part.elts):
                self.refuse(part)
            return f"[{', '.join(map(self.index, part.elts))}]"
        if isinstance(part, ast.List):
            return f"np.array({self(part)})"
        if isinstance(part, ast.Slice):
            ends = [part.lower, part.upper, part.step]
            while ends and ends[-1] is None:
                ends.pop()
            return f"np.slice({', '.join('null' if end is None else self(end) for end in ends)})"
        return '"..."' if isinstance(part, ast.Constant) and part.value is ... else self(part)

    def write_Dict(self, node: ast.Dict) -> str:
        pairs = [(ast.literal_eval(key), self(value)) for key, value in zip(node.keys, node.values) if key]
        return f"{{{', '.join(value if value == key else f'{key!r}: {value}' for key, value in pairs)}}}"

    def write_Call(self, node: ast.Call) -> str:
        f, func = self.value_of(node.func), node.func
        if f is None and isinstance(func, ast.Attribute) and func.attr in METHODS:
            if func.attr == "astype" and not self.is_float64(node.args[0]):
                self.refuse(node)
            given = self.arguments(node) if func.attr != "astype" else ""
            return f"np.{func.attr}({self(func.value)}{', ' * bool(given)}{given})"
        if ast.unparse(func).endswith(".dtype.type"):  # float64, as all arrays there
            return f"Number({self.arguments(node)})"
        match getattr(f, "__name__", ""), node.args:
            case "sum", [ast.GeneratorExp(part, [ast.comprehension(ast.Name(x), ast.Name() as each, [], 0)])]:
                inside = type(self)({**self.scope})
                inside.bound, inside.where = self.bound | {x}, self.where
                return f"{self(each)}.reduce((sum, {x}) => sum + {inside(part)}, 0)"
            case "map_elements", [function, a]:
                known = self.known.get(self.value_of(function))
                return f"np.map({known}, {self(a)})" if known else self.refuse(node)
            case "scatter_add", [g, a, index]:
                return f"np.scatter_add({self(g)}, {self(a)}, {self.index(index)})"
        return self.called_by_name(node, f)

    def arguments(self, node: ast.Call) -> str:
        """Return the arguments of a call, without a dtype, which is float64."""
        if any(keyword.arg == "dtype" and not self.is_float64(keyword.value) for keyword in node.keywords):
            self.refuse(node)
        given = [keyword for keyword in node.keywords if keyword.arg != "dtype"]
        return super().arguments(ast.Call(node.func, node.args, given))

    def is_float64(self, node: ast.expr) -> bool:
        """Tell if an expression is float64, as the dtype of every array is that is computed here."""
        return (isinstance(node, ast.Attribute) and node.attr == "dtype") or self.value_of(node) in (np.float64, float)

    def statement_Assign(self, node: ast.Assign, seen: set[str], changed: set[str]) -> list[str]:
        match node.targets[0]:
            case ast.Subscript(value, ast.Constant(x)) if x is ...:
                return [f"np.set({self(value)}, {self(node.value)});"]
            case ast.Subscript(value, ast.Slice(None, None, None)):
                return [f"np.set({self(value)}, {self(node.value)});"]
            case ast.Subscript(ast.Name(name), ast.Constant(int(k))):  # of a list
                return [f"{self.name(name)}[{k}] = {self(node.value)};"]
            case ast.Subscript():
                self.refuse(node)
        return super().statement_Assign(node, seen, changed)

    def statement_AugAssign(self, node: ast.AugAssign, *_: Any) -> list[str]:
        """Return x += a for an array, which changes in place."""
        changed = self.in_arrays(node.value, node.op, [node.target, node.value])
        return [f"np.set({self(node.target)}, {changed});"]
