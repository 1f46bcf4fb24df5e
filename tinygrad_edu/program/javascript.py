"""Python as JavaScript: functions of numbers, such as those that an update rule is made of.

All that can be written stands in the tables below and in the methods of `Numbers`; anything else is refused by name.
Nothing is replaced in texts: Python's parser reads, and a walker writes. `javascript_arrays` has the same for programs.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from .expressions import stored
from .preamble import importable_anywhere
from .sources import is_kernel, name_of, scope_of, tree_of

WORDS = """
arguments await case catch const debugger default delete do enum eval export extends false function implements
instanceof interface let new null package private protected public static super switch this throw true typeof
undefined var void Error Infinity Math NaN
"""
RESERVED = set(WORDS.split())  # of JavaScript, which Python leaves free; and names that the texts here use
ARITHMETIC: dict[type[ast.AST], tuple[str, int]] = {  # operator in JavaScript, and how close it binds
    ast.Add: ("+", 4),
    ast.Sub: ("-", 4),
    ast.Mult: ("*", 5),
    ast.Div: ("/", 5),
    ast.Mod: ("%", 5),
    ast.Is: ("===", 3),
    ast.IsNot: ("!==", 3),
    ast.Eq: ("===", 3),
    ast.NotEq: ("!==", 3),
    ast.Lt: ("<", 3),
    ast.LtE: ("<=", 3),
    ast.Gt: (">", 3),
    ast.GtE: (">=", 3),
    ast.And: ("&&", 2),
    ast.Or: ("||", 1),
}
OF_NUMBERS: dict[Any, str] = {  # functions of numbers, for which JavaScript has one that does the same, NaN or not
    math.sqrt: "Math.sqrt",
    math.log: "Math.log",
    math.cos: "Math.cos",
    math.erf: "np.erf",
    math.erfc: "np.erfc",
    np.sqrt: "Math.sqrt",
    np.sign: "Math.sign",
    np.maximum: "Math.max",
    np.minimum: "Math.min",
    builtins.abs: "Math.abs",
    builtins.max: "Math.max",
    builtins.min: "Math.min",
    builtins.int: "Math.trunc",
    builtins.float: "Number",
    np.float64: "Number",
}
VALUES = {math.pi: "Math.PI", math.inf: "Infinity", math.e: "Math.E", np.nan: "NaN"}
OF_SELF = ("state", "rows", "columns", "squares", "buffer", "averages", "groups")  # of an optimizer; of ``this`` there


def functions(*wanted: Callable[..., Any], arrays: Iterable[Any] = (), writer: type[Numbers] | None = None) -> str:
    """Return functions of numbers, and all that they call, as JavaScript.

    Parameters
    ----------
    wanted : functions, kernels, or methods of an optimizer, which may ask for what `OF_SELF` names. A method gets the
        name of its class in front, as ``Adam_scalars``. If ``lru_cache`` keeps the results of a function, they are kept
        there too
    arrays, writer : functions of whole arrays, and who writes these and what they call, but for kernels

    Raises
    ------
    ValueError : a function has something that cannot be written in JavaScript, or no source that can be read; two
        different ones have one name

    Examples
    --------
    >>> from tinygrad_edu.core.kernels import sgd
    >>> print(functions(sgd))
    function sgd(p, g, lr) {
      for (let i = 0; i < p.length; i++) {
        p[i] -= lr * g[i];
      }
    }
    """
    todo, texts, known = [(f, Numbers) for f in wanted], dict[str, str](), dict[str, Any]()
    todo += [(f, writer or Numbers) for f in arrays]
    for f, kind in todo:  # the list grows while it is read
        plain, name = inspect.unwrap(f), name_of(f)
        tree = tree_of(f)
        made = (Numbers if is_kernel(tree) else kind)(scope_of(f))
        text = made.function(tree, name, kept=hasattr(type(f), "cache_info"))
        if texts.setdefault(name, text) != text or known.setdefault(name, plain.__code__) is not plain.__code__:
            raise ValueError(f"there are two functions with the name {name}")
        todo += [(g, kind) for g in made.called if inspect.unwrap(g).__code__ is not known.get(name_of(g))]
    return "\n\n".join(texts.values())


class Numbers:
    """Write functions of numbers, and of arrays that are read and written number by number.

    Parameters
    ----------
    scope : values of the names that the text does not define

    Attributes
    ----------
    called : the functions among them that the text calls
    """

    known: Mapping[Any, str] = OF_NUMBERS

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope, self.called, self.bound, self.where = scope, list[Any](), set[str](), "the text"

    def refuse(self, node: ast.AST) -> NoReturn:
        """Raise ValueError for a part of the text that has no JavaScript here."""
        raise ValueError(f"{self.where} cannot be written in JavaScript: it has {ast.unparse(node)!r}")

    # --- statements ---------------------------------------------------------------------------------------------------

    def function(self, tree: ast.stmt, name: str, kept: bool = False) -> str:
        """Return a function of this name; kept says that its results are to be kept."""
        if not isinstance(tree, ast.FunctionDef):
            self.refuse(tree)
        self.where, given = name, tree.args
        names = [arg.arg for arg in given.args if arg.arg != "self"]
        if given.kwarg or given.kwonlyargs:
            self.refuse(given)
        body = tree.body[ast.get_docstring(tree) is not None :]
        outer = self.bound
        self.bound = {*names, *stored(tree)} | ({given.vararg.arg} if given.vararg else set())
        often = Counter(part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and part.id in stored(part))
        changed = {name for name, n in often.items() if n > 1}
        lines = self.block(body, set(names), changed, "  ")
        self.bound = outer
        defaults = [None] * (len(names) - len(given.defaults)) + given.defaults
        arguments = [self.name(name) + (f" = {self(value)}" if value else "") for name, value in zip(names, defaults)]
        arguments += [f"...{given.vararg.arg}"] if given.vararg else []
        head = f"({', '.join(arguments)})"
        if kept:
            return "\n".join([f"const {name} = np.cached({head} => {{", *lines, "});"])
        return "\n".join([f"function {self.name(name)}{head} {{", *lines, "}"])

    def block(self, body: Iterable[ast.stmt], seen: set[str], changed: set[str], indent: str) -> list[str]:
        """Return the lines of some statements. A name is declared where it comes first; seen has the declared ones."""
        lines = []
        for statement in body:
            write = getattr(self, f"statement_{type(statement).__name__}", None)
            if write is None:
                self.refuse(statement)
            lines += [indent + line for line in write(statement, seen, changed)]
        return lines

    def statement_Assign(self, node: ast.Assign, seen: set[str], changed: set[str]) -> list[str]:
        (target,) = node.targets
        new = stored(target) - seen
        seen |= new
        word = "" if not new else "let " if new & changed else "const "
        match target:
            case ast.Tuple(parts):
                return self.unpacked(parts, node.value, new, word if new == stored(target) else "")
            case ast.Subscript(array, ast.Slice(None, None, None)):
                return [f"{self(array)}.set({self(node.value)});"]
        return [f"{word}{self(target)} = {self(node.value)};"]

    def unpacked(self, parts: list[ast.expr], value: ast.expr, new: set[str], word: str) -> list[str]:
        """Return an assignment to several targets. What stands behind a starred one is popped off its end."""
        k = next((i + 1 for i, part in enumerate(parts) if isinstance(part, ast.Starred)), len(parts))
        word = word if k == len(parts) else ""
        lines = [f"let {', '.join(map(self.name, sorted(new)))};"] * bool(new and not word)
        lines.append(f"{word}[{', '.join(map(self, parts[:k]))}] = {self(value)};")
        return lines + [f"{self(part)} = {self(parts[k - 1])[3:]}.pop();" for part in reversed(parts[k:])]

    def statement_AugAssign(self, node: ast.AugAssign, *_: Any) -> list[str]:
        return [f"{self(node.target)} {ARITHMETIC[type(node.op)][0]}= {self(node.value)};"]

    def statement_Return(self, node: ast.Return, *_: Any) -> list[str]:
        return [f"return {self(node.value)};"]

    def statement_Expr(self, node: ast.Expr, *_: Any) -> list[str]:
        return [f"{self(node.value)};"]

    def statement_For(self, node: ast.For, seen: set[str], changed: set[str]) -> list[str]:
        match node:
            case ast.For(ast.Name(i), ast.Call(ast.Name("range"), [*ends], []), body, []):
                start, stop, *step = map(self, [ast.Constant(0), *ends] if len(ends) == 1 else ends)
                inside = self.block(body, {*seen, i}, changed, "  ")
                on = f"{i} += {step[0]}" if step else f"{i}++"  # a step is above 0
                return [f"for (let {i} = {start}; {i} < {stop}; {on}) {{", *inside, "}"]
        self.refuse(node)

    def statement_While(self, node: ast.While, seen: set[str], changed: set[str]) -> list[str]:
        return [f"while ({self(node.test)}) {{", *self.block(node.body, {*seen}, changed, "  "), "}"]

    def statement_If(self, node: ast.If, seen: set[str], changed: set[str]) -> list[str]:
        new = sorted(set().union(*map(stored, [*node.body, *node.orelse])) - seen)
        seen |= {*new}
        lines = [f"let {', '.join(map(self.name, new))};"] * bool(new)
        lines += [f"if ({self(node.test)}) {{", *self.block(node.body, seen, changed, "  ")]
        if node.orelse:
            lines += ["} else {", *self.block(node.orelse, seen, changed, "  ")]
        return [*lines, "}"]

    def statement_Raise(self, node: ast.Raise, *_: Any) -> list[str]:
        match node.exc:
            case ast.Call(ast.Name(), [message], []):
                return [f"throw new Error({self(message)});"]
        self.refuse(node)

    # --- expressions --------------------------------------------------------------------------------------------------

    def __call__(self, node: ast.expr | None) -> str:
        """Return an expression."""
        write = getattr(self, f"write_{type(node).__name__}", None)
        if write is None or node is None:
            self.refuse(node or ast.Constant(None))
        return str(write(node))

    def name(self, name: str) -> str:
        """Return a name; with a $ behind it where JavaScript has another use for it."""
        return f"{name}$" if name in RESERVED else name

    def write_Name(self, node: ast.Name) -> str:
        value = self.value_of(node)
        return VALUES[value] if isinstance(value, float) and value in VALUES else self.name(node.id)

    def write_Constant(self, node: ast.Constant) -> str:
        match node.value:
            case None | True | False:
                return {None: "null", True: "true", False: "false"}[node.value]
            case builtins.int() | builtins.float() if math.isfinite(node.value):
                return repr(node.value)
            case builtins.str():
                return repr(node.value)
        self.refuse(node)

    def write_JoinedStr(self, node: ast.JoinedStr) -> str:
        parts = [f"${{{self(p.value)}}}" if isinstance(p, ast.FormattedValue) else p.value for p in node.values]  # type: ignore[attr-defined]
        return f"`{''.join(parts)}`"

    def write_Tuple(self, node: ast.Tuple | ast.List) -> str:
        return f"[{', '.join(map(self, node.elts))}]"

    write_List = write_Tuple

    def write_Starred(self, node: ast.Starred) -> str:
        return f"...{self(node.value)}"

    def operation(self, node: ast.expr, op: ast.AST, parts: Sequence[ast.expr]) -> str:
        """Return a op b, each in brackets where it needs them."""
        if type(op) not in ARITHMETIC:
            self.refuse(node)
        sign, level = ARITHMETIC[type(op)]
        sides = [self.bracketed(part, level + (i > 0)) for i, part in enumerate(parts)]
        return f" {sign} ".join(sides)

    def bracketed(self, node: ast.expr, least: int) -> str:
        """Return an expression, in brackets if it binds less close than least."""
        op: Any = node.ops[0] if isinstance(node, ast.Compare) else getattr(node, "op", None)
        level = 0 if isinstance(node, (ast.IfExp, ast.Lambda)) else ARITHMETIC.get(type(op), ("", 9))[1]
        return f"({self(node)})" if level < least else self(node)

    def write_BinOp(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.Pow):
            return f"np.power({self(node.left)}, {self(node.right)})"
        if isinstance(node.op, ast.FloorDiv):
            return f"np.floor_divide({self(node.left)}, {self(node.right)})"
        return self.operation(node, node.op, [node.left, node.right])

    def write_BoolOp(self, node: ast.BoolOp) -> str:
        return self.operation(node, node.op, node.values)

    def write_Compare(self, node: ast.Compare) -> str:
        if len(node.ops) > 1:
            self.refuse(node)
        (op,), (right,) = node.ops, node.comparators
        if isinstance(op, (ast.In, ast.NotIn)):
            return f"{'!' * isinstance(op, ast.NotIn)}{self(right)}.includes({self(node.left)})"
        return self.operation(node, op, [node.left, right])

    def write_UnaryOp(self, node: ast.UnaryOp) -> str:
        sign = {ast.USub: "-", ast.Not: "!", ast.UAdd: "+"}.get(type(node.op))
        return f"{sign}{self.bracketed(node.operand, 8)}" if sign else self.refuse(node)

    def write_IfExp(self, node: ast.IfExp) -> str:
        test, body = self.bracketed(node.test, 1), self.bracketed(node.body, 1)
        return f"{test} ? {body} : {self(node.orelse)}"

    def write_GeneratorExp(self, node: ast.GeneratorExp) -> str:
        match node:
            case ast.GeneratorExp(part, [ast.comprehension(ast.Name(x), ast.Tuple() as each, [], 0)]):
                return f"{self(each)}.map(({self.name(x)}) => {self(part)})"
        self.refuse(node)

    def write_Attribute(self, node: ast.Attribute) -> str:
        if self.is_of_self(node) and node.attr not in ("size", "dtype"):
            owner = "this" if ast.unparse(node.value) == "self" else self(node.value)
            return f"{owner}.{node.attr}"
        if node.attr == "size" and self.is_own(node.value):
            return f"{self(node.value)}.length"
        if isinstance(node.value, ast.Call) and self.value_of(node.value.func) is np.finfo:
            return repr(float(getattr(np.finfo(np.float64), node.attr)))
        value = self.value_of(node)
        return VALUES[value] if isinstance(value, float) and value in VALUES else self.refuse(node)

    def write_Subscript(self, node: ast.Subscript) -> str:
        match node.slice:
            case ast.UnaryOp(ast.USub(), ast.Constant(int())):
                return f"{self(node.value)}.at({self(node.slice)})"
            case ast.Slice(ast.Constant(builtins.int()), None, None):
                return f"{self(node.value)}.slice({self(node.slice.lower)})"
            case ast.Slice() | ast.Tuple():
                self.refuse(node)
        return f"{self(node.value)}[{self(node.slice)}]"

    def is_of_self(self, node: ast.expr) -> bool:
        """Tell if an expression is a part of an optimizer in `OF_SELF`, or a part of that."""
        match node:
            case ast.Attribute(ast.Name("self"), attribute):
                return attribute in OF_SELF
            case ast.Attribute(value) | ast.Subscript(value):
                return self.is_of_self(value)
        return False

    # --- calls --------------------------------------------------------------------------------------------------------

    def is_own(self, node: ast.expr) -> bool:
        """Tell if an expression is a name that the text itself defines, or a part of such an array."""
        node = node.value if isinstance(node, ast.Subscript) else node
        return isinstance(node, ast.Name) and node.id in self.bound

    def value_of(self, node: ast.expr) -> Any:
        """Return the object that a name or an attribute outside of the text stands for; None if there is none."""
        match node:
            case ast.Name(name) if name not in self.bound:
                return self.scope.get(name)
            case ast.Attribute(value, attribute):
                return getattr(self.value_of(value), attribute, None)
        return None

    def write_Call(self, node: ast.Call) -> str:
        f = self.value_of(node.func)
        match node.func:
            case ast.Attribute(value, "append") if self.is_own(value):
                return f"{self(value)}.push({self.arguments(node)})"
            case ast.Attribute(ast.Attribute(value, "dtype"), "type") if self.is_own(value):  # float64 there
                return f"Number({self.arguments(node)})"
        if f is np.empty_like:
            return f"new Float64Array({self.arguments(node)}.length)"
        if f is np.zeros:
            return f"new Float64Array({self.arguments(node)})"
        if f is len:
            return f"{self.arguments(node)}.length"
        if f is array:
            return self(node.args[1])
        return self.called_by_name(node, f)

    def called_by_name(self, node: ast.Call, f: Any) -> str:
        """Return a call of a function in the tables, or of one whose source can be written too."""
        try:
            known = self.known.get(f)
        except TypeError:  # of what cannot be hashed
            known = None
        plain = inspect.unwrap(getattr(f, "__func__", f))
        if known is None and inspect.isfunction(plain) and not importable_anywhere(plain.__module__ or ""):
            self.called.append(f)
            known = self.name(name_of(f))
        if known is None:
            self.refuse(node.func)
        method = inspect.ismethod(f) and f.__self__ is self.scope.get("self")
        return f"{known}.call(this, {self.arguments(node)})" if method else f"{known}({self.arguments(node)})"

    def arguments(self, node: ast.Call) -> str:
        """Return the arguments of a call; those with names in one object at the end."""
        named = []
        args = [arg for arg in node.args if not (isinstance(arg, ast.Name) and arg.id == "self")]
        for keyword in node.keywords:
            if keyword.arg is None:
                self.refuse(node)
            named.append(f"{keyword.arg}: {self(keyword.value)}")
        return ", ".join([*map(self, args), *[f"{{{', '.join(named)}}}"] * bool(named)])
