"""A formula that somebody typed, as Tensors.

Python's parser reads the formula, and this file works it out node by node. Only the operators and functions in the
tables below are known; everything else is refused, and no text is ever run as Python.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.layers import ACTIVATIONS
from ..core.tensor import Tensor, apply
from ..extras import ops
from ..program.expressions import parsed

LENGTH, DEPTH = 500, 100  # of a formula: characters, and levels of brackets or operators
OPERATORS: dict[type[ast.operator], tuple[str, Callable[..., Any]]] = {
    ast.Add: ("+", ops.add),
    ast.Sub: ("-", ops.sub),
    ast.Mult: ("*", ops.mul),
    ast.Div: ("/", ops.div),
    ast.Pow: ("**", ops.pow),
}
CONSTANTS = {"pi": math.pi, "e": math.e}
UNARY = (ops.exp, ops.expm1, ops.log, ops.log1p, ops.sqrt, ops.abs, ops.sin, ops.cos, ops.tanh, ops.erf)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {  # name: (the op, the number of its arguments)
    **{op.__name__: (op, 1) for op in UNARY},
    **{name: (getattr(ops, name), 1) for name in ACTIVATIONS},
    **{op.__name__: (op, 2) for op in (ops.maximum, ops.minimum)},
}


def evaluate(text: str, values: Mapping[str, Tensor]) -> Tensor:
    """Work out a formula, as "(x*y + x).tanh()" or "h = x * y; h * h + h".

    Parameters
    ----------
    text : numbers, pi and e, the names of values, + - * / **, brackets, and `FUNCTIONS` as functions or as methods.
        Parts of the formula may get names in front of it, as in the second example
    values : the Tensors that the names stand for, of one number each; or arrays of one shape, of which NaN and
        infinity are not refused

    Returns
    -------
    Tensor : the result, with its graph

    Raises
    ------
    ValueError : text that is not such a formula; a number on the way that is NaN or infinite; no variable

    Examples
    --------
    >>> x, y = Tensor(2.0, requires_grad=True), Tensor(-3.0, requires_grad=True)
    >>> evaluate("(x*y + x).tanh()", {"x": x, "y": y})
    Tensor(-0.9993293, op=tanh)
    >>> evaluate("h = x * y; h * h + h", {"x": x, "y": y})
    Tensor(30., op=add)
    >>> evaluate("x.__class__", {"x": x})
    Traceback (most recent call last):
        ...
    ValueError: x.__class__ is not allowed: after a dot there may be a function, as in x.tanh()
    """
    if len(text) > LENGTH:
        raise ValueError(f"the formula has {len(text):,} characters, {LENGTH} are the limit")
    try:
        with warnings.catch_warnings(action="error"):
            lines = parsed(text.strip()).body
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise ValueError(f"{_quoted(text)} is not a formula that can be read, as (x*y + x).tanh() can") from None
    known: dict[str, Any] = CONSTANTS | dict(values)
    result: Any = None
    for i, line in enumerate(lines):
        if isinstance(line, ast.Expr) and i == len(lines) - 1:
            result = _value(line.value, known, DEPTH)
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and len(line.targets) == 1:
            name = line.targets[0].id
            if name in known and known[name] is not CONSTANTS.get(name):
                raise ValueError(f"{name} has a value already; choose another name")
            known[name] = _value(line.value, known, DEPTH)
            if isinstance(known[name], Tensor) and known[name].parents:
                known[name].name = name
        else:
            raise ValueError(f"{_shown(line)} is not allowed: only name = formula, and one formula at the end")
    if result is None:
        raise ValueError("there is no formula, as (x*y + x).tanh() is one")
    if not isinstance(result, Tensor):
        raise ValueError("the formula has no variable in it, so there is nothing to differentiate")
    return result


def _value(part: ast.expr, known: Mapping[str, Any], depth: int) -> Any:
    """Return the value of a part of the formula: a Tensor, or a number if the part has no variable."""
    if not depth:
        raise ValueError(f"the formula is nested deeper than {DEPTH} levels; name parts of it, as in h = x*y; h*h + h")
    if isinstance(part, ast.Constant) and isinstance(part.value, (int, float)) and not isinstance(part.value, bool):
        return _number(part.value, part)
    if isinstance(part, ast.Name):
        if part.id not in known:
            names = ", ".join(name for name in known if known[name] is not CONSTANTS.get(name)) or "none"
            raise ValueError(f"{part.id} has no value; known are: {names}. Give it one, as in --at {part.id}=2")
        return known[part.id]
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, (ast.USub, ast.UAdd)):
        value = _value(part.operand, known, depth - 1)
        return value if isinstance(part.op, ast.UAdd) else _run(ops.neg, part, value)
    if isinstance(part, ast.BinOp):
        if type(part.op) not in OPERATORS:
            signs = " ".join(sign for sign, _ in OPERATORS.values())
            power = "; a power is **, as in x**2" if isinstance(part.op, ast.BitXor) else ""
            raise ValueError(f"{_shown(part)} is not allowed: the operators are {signs}{power}")
        sides = [_value(side, known, depth - 1) for side in (part.left, part.right)]
        return _run(OPERATORS[type(part.op)][1], part, *sides)
    if isinstance(part, ast.Call):
        return _call(part, known, depth)
    if isinstance(part, ast.Attribute):
        if part.attr in CONSTANTS and _module(part.value, known):
            raise ValueError(f"write {part.attr} for {_shown(part)}")
        raise ValueError(f"{_shown(part)} is not allowed: after a dot there may be a function, as in x.tanh()")
    raise ValueError(f"{_shown(part)} is not allowed: a formula has numbers, names, + - * / ** and functions")


def _module(part: ast.expr, known: Mapping[str, Any]) -> bool:
    """Return True for the name of a module, as np in np.exp(x)."""
    return isinstance(part, ast.Name) and part.id in ("np", "numpy", "math", "torch") and part.id not in known


def _call(part: ast.Call, known: Mapping[str, Any], depth: int) -> Any:
    """Return the value of f(x) or x.f()."""
    given = part.args
    if isinstance(part.func, ast.Attribute):
        name, given = part.func.attr, [part.func.value, *given]
        if name in FUNCTIONS and _module(part.func.value, known):
            raise ValueError(f"write {name}(...) for {_shown(part.func)}(...)")
    else:
        name = part.func.id if isinstance(part.func, ast.Name) else _shown(part.func)
    if name not in FUNCTIONS:
        raise ValueError(f"there is no function {name}; there are {', '.join(FUNCTIONS)}")
    op, count = FUNCTIONS[name]
    if part.keywords or len(given) != count:
        raise ValueError(f"{name} takes {count} value{'s' * (count > 1)}: {_shown(part)} does not fit")
    return _run(op, part, *(_value(value, known, depth - 1) for value in given))


def _run(op: Callable[..., Any], part: ast.expr, *values: Any) -> Any:
    """Apply an op in float64, where even a huge power takes no time; refuse NaN and infinity."""
    with np.errstate(all="ignore"):
        if any(isinstance(value, Tensor) for value in values):
            result = apply(op, *values)
            if not result.ndim and not np.isfinite(result.numpy()):  # of an array, as of many points, all goes on
                raise ValueError(f"{_shown(part)} is {result.item()} at this point")
            return result
        number = op(*map(np.float64, values))[0]
    return _number(float(number), part)


def _number(value: float, part: ast.expr) -> float:
    """Return a finite number; a whole one as an int, which prints without a point."""
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError(f"{_shown(part)} is {'not a number' if math.isnan(value) else 'too large'}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _shown(part: ast.AST) -> str:
    try:
        return _quoted(ast.unparse(part))
    except RecursionError:
        return "this part of the formula"


def _quoted(text: str) -> str:
    """Return the text on one line, shortened."""
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    return text if len(text) <= 60 else f"{text[:57]}..."
