"""NumPy's operators and functions on one element, as text for a loop.

In a template {0} and {1} are the elements of the arguments, and {t} is the dtype of the result. DEFINITIONS has the
functions that take several lines of NumPy; `functions` has those that are not elementwise.
"""

from __future__ import annotations

import ast

import numpy as np

from ..program.expressions import renamed

DTYPES = {np.dtype(letter) for letter in "?bhiqBHIQfd"}  # bool, int8 to int64, uint8 to uint64, float32, float64
RESERVED = {"range", "inf", "erf", "erfc", *map(str, DTYPES)}  # names that the templates and the loops need

SIGNS: dict[type[ast.AST], str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"},
    **{ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.USub: "-", ast.UAdd: "+"},
}
LOGICAL: dict[type[ast.AST], str] = {  # of conditions
    **{ast.BitAnd: "and", ast.Mult: "and", ast.BitOr: "or", ast.Add: "or", ast.Invert: "not ", ast.Not: "not "}
}
ELEMENTWISE = {  # NaN is treated as NumPy treats it
    "maximum": "({0} if {0} >= {1} or {0} != {0} else {1})",
    "minimum": "({0} if {0} <= {1} or {0} != {0} else {1})",
    "sign": "({t}(1) if {0} > 0 else ({t}(-1) if {0} < 0 else {0} - {0}))",
    "abs": "abs({0})",
    "sqrt": "sqrt({0})",
}
CONDITIONS = {
    "isfinite": "({0} - {0} == 0)",
    "isinf": "({0} == {0} and {0} - {0} != 0)",
    "isnan": "({0} != {0})",
    **dict.fromkeys(["invert", "logical_not"], "(not {0})"),
    **dict.fromkeys(["bitwise_and", "logical_and"], "({0} and {1})"),
    **dict.fromkeys(["bitwise_or", "logical_or"], "({0} or {1})"),
}
POWERS = {2: "({0} * {0})", 0.5: "sqrt({0})", 1: "{0}", -1: "({t}(1) / {0})"}  # as NumPy computes them
STEPS = {  # of a reduction: {0} is the result so far
    "sum": "{0} + {1}",
    "mean": "{0} + {1}",
    "prod": "{0} * {1}",
    "max": ELEMENTWISE["maximum"],
    "min": ELEMENTWISE["minimum"],
}
CALLED = [  # every function of NumPy from floats to a float: its own inner loop is called
    name
    for name, f in vars(np).items()
    if isinstance(f, np.ufunc) and not f.signature and {f"{t * f.nin}->{t}" for t in "fd"} <= set(f.types)
]
DEFINITIONS = """
def clip(a, low, high):
    return np.minimum(np.maximum(a, low), high)

def var(a, axis=None, ddof=0, keepdims=False):
    d = a - a.mean(axis=axis, keepdims=True)
    y = (d * d).sum(axis=axis, keepdims=keepdims)
    return y / (a.size // y.size - ddof)

def std(a, axis=None, ddof=0, keepdims=False):
    return np.sqrt(a.var(axis=axis, ddof=ddof, keepdims=keepdims))

def round(a, decimals=0):
    tens = 10 ** abs(decimals)
    return np.rint(a * tens) / tens if decimals >= 0 else np.rint(a / tens) * tens

def expand_dims(a, axis):
    new = np.mod(axis, a.ndim + np.size(axis)).reshape(-1)
    return a[tuple(None if i in new else slice(None) for i in range(a.ndim + len(new)))]

def flip(a, axis=None):
    turned = range(a.ndim) if axis is None else np.mod(axis, a.ndim).reshape(-1)
    return a[tuple(slice(None, None, -1 if i in turned else 1) for i in range(a.ndim))]

def take(a, i, axis):
    return a[(slice(None),) * (axis % a.ndim) + (i,)]

def pad(a, pad_width, constant_values=0):
    before = np.broadcast_to(pad_width, (a.ndim, 2))[:, 0]
    y = np.full(np.pad(a, pad_width).shape, constant_values, a.dtype)
    y[tuple([slice(i, i + n) for i, n in zip(before, a.shape)])] = a
    return y

def fold(g, a, stride, padding, dilation):
    s, t = np.broadcast_to(stride, 2)
    p, q = np.broadcast_to(padding, 2)
    d, e = np.broadcast_to(dilation, 2)
    out = np.zeros((*a.shape[:-2], a.shape[-2] + 2 * p, a.shape[-1] + 2 * q), g.dtype)
    h, w = d * (len(g) - 1) + 1, e * (len(g[0]) - 1) + 1
    order = (-2, -1, *range(a.ndim))
    np.add.at(sliding_window_view(out, (h, w), axis=(-2, -1))[..., ::s, ::t, ::d, ::e].transpose(order), ..., g)
    return out[..., p : p + a.shape[-2], q : q + a.shape[-1]]
"""
DEFINED = {f.name: f for f in ast.parse(DEFINITIONS).body if isinstance(f, ast.FunctionDef)}


def apart(f: ast.FunctionDef, given: list[ast.expr]) -> tuple[ast.FunctionDef, list[ast.expr]]:
    """Return a function and its arguments, with each tuple among these as so many arguments."""
    names, parts, tuples = list[str](), list[ast.expr](), dict[str, ast.expr]()
    for arg, part in zip(f.args.args, given):
        if not isinstance(part, ast.Tuple):
            names.append(arg.arg)
            parts.append(part)
            continue
        own = [f"{arg.arg}_{i}" for i in range(len(part.elts))]
        tuples[arg.arg] = ast.Tuple([ast.Name(name) for name in own])
        names += own
        parts += part.elts
    body = [renamed(line, tuples) for line in f.body]
    rest = f.args.args[len(given) :]
    args = ast.arguments(
        [], [*map(ast.arg, names), *rest], None, f.args.kwonlyargs, f.args.kw_defaults, None, f.args.defaults
    )
    return ast.FunctionDef(f.name, args, body, [], None), parts
