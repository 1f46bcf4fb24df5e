"""The equations of a kernel's docstring as MathML, which browsers set as mathematics."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from html import escape
from typing import Any

GREEK = {"alpha": "α", "beta": "β", "rho": "ρ", "eps": "ε", "mu": "μ", "lambd": "λ", "lr": "η"}
SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "·", ast.Gt: ">", ast.Lt: "<"}
LEVELS = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Gt: 0, ast.Lt: 0}


def equations(kernel: Any) -> str:
    """Return the lines of a rule as MathML, one ``<math>`` a line. ``1 - beta`` stands for ``one_minus_beta``.

    Raises
    ------
    ValueError : a line of the docstring is no equation

    Examples
    --------
    >>> from tinygrad_edu.core.kernels import sgd
    >>> equations(sgd)
    '<math display="block"><mi>p</mi><mo>←</mo><mi>p</mi><mo>−</mo><mi>η</mi><mo>·</mo><mi>g</mi></math>'
    """
    lines = [line.strip() for line in (kernel.__doc__ or "").splitlines() if "<-" in line]
    return "\n".join(equation(line) for line in lines)


def equation(line: str) -> str:
    """Return one line, such as ``v <- momentum · v + g``, as MathML."""
    sides = []
    for side in re.sub(r"one_minus_(\w+)", r"(1 - \1)", line).split("<-"):
        try:
            sides.append(written(ast.parse(side.replace("·", "*").replace("^", "**").strip(), mode="eval").body))
        except SyntaxError:
            raise ValueError(f"{line!r} is no equation") from None
    return f'<math display="block">{"<mo>←</mo>".join(sides)}</math>'


def short(math: str) -> str:
    """Return an equation with words, numbers and signs without their tags, which ``spelled`` of the page puts back.

    A bracket that does not grow is a round one there, one that does a square one. The spaces around "if" and "else" do
    not break, so that they stay: MathML trims others.

    >>> short(equation("v <- v + (1 - rho) · g"))
    'v←v+<mrow>(1−ρ)</mrow>·g'
    """
    math = math.removeprefix('<math display="block">').removesuffix("</math>")
    for grows, round_one in zip(("<mo>(</mo>", "<mo>)</mo>"), "[]"):
        math = math.replace(grows, round_one)
    return re.sub(r'<(m[ino]|mtext)(?: stretchy="false")?>([^<]*)</\1>', r"\2", math)


def written(node: ast.expr, least: int = 0) -> str:
    """Return an expression; in brackets if it binds less close than least."""
    match node:
        case ast.Name(name):
            return letter(name)
        case ast.Constant(value):
            return f"<mn>{escape(str(value))}</mn>"
        case ast.UnaryOp(ast.USub(), value):
            return f"<mo>−</mo>{written(value, 2)}"
        case ast.BinOp(a, ast.Div(), b):
            return f"<mfrac>{row(a)}{row(b)}</mfrac>"
        case ast.BinOp(a, ast.Pow(), b):
            return f"<msup><mrow>{written(a, 3)}</mrow>{row(b)}</msup>"
        case ast.BinOp(a, op, b) if type(op) in SIGNS:
            level = LEVELS[type(op)]
            text = f"{written(a, level)}<mo>{SIGNS[type(op)]}</mo>{written(b, level + isinstance(op, ast.Sub))}"
            return bracketed(text) if level < least else text
        case ast.Compare(a, [op], [b]) if type(op) in SIGNS:
            return f"{written(a)}<mo>{escape(SIGNS[type(op)])}</mo>{written(b)}"
        case ast.IfExp(test, a, b):
            text = f"{written(a)}<mtext>\xa0if\xa0</mtext>{written(test)}<mtext>\xa0else\xa0</mtext>{written(b)}"
            return bracketed(text) if least else text
        case ast.Call(ast.Name("sqrt"), [a]):
            return f"<msqrt>{row(a)}</msqrt>"
        case ast.Call(ast.Name("abs"), [a]):
            return f"<mo>|</mo>{written(a)}<mo>|</mo>"
        case ast.Call(ast.Name(f), args):
            inside = "<mo>,</mo>".join(map(written, args))
            return f"<mi>{escape({'maximum': 'max', 'minimum': 'min'}.get(f, f))}</mi>{bracketed(inside)}"
    raise ValueError(f"{ast.unparse(node)} has no MathML here")


def row(node: ast.expr) -> str:
    """Return an expression as one element."""
    return f"<mrow>{written(node)}</mrow>"


def bracketed(text: str) -> str:
    """Return a text in brackets."""
    grow = "" if "<mfrac" in text else ' stretchy="false"'
    return f"<mrow><mo{grow}>(</mo>{text}<mo{grow}>)</mo></mrow>"


def letter(name: str, greek: Mapping[str, str] = GREEK) -> str:
    """Return a name: Greek where it is a Greek letter's, with its digits below, as c1, beta2."""
    stem, digits = re.fullmatch(r"(.*?)(\d*)", name).groups()  # type: ignore[union-attr]
    written = f"<mi>{escape(greek.get(stem, stem))}</mi>"
    return f"<msub>{written}<mn>{digits}</mn></msub>" if digits else written
