"""A program's NumPy lines as loops that a machine-code compiler likes.

`compiled` compiles what this makes. Each line becomes a loop nest over the elements of its result, matrix products become
calls of NumPy's BLAS, and exp, tanh and the like calls of NumPy's own inner loops, so that they have its speed and its
bits. No array is allocated: every value has its place in one workspace, gradients have theirs in the flat gradient.

The shapes are learned by running the program on batches of 3, 5 and 7 samples: a length is a · N + b, and what is not the
same for every N is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .notation import loaded, renamed
from .program import Line, Program

BATCHES = (3, 5, 7)
WIDE = 64  # elements: from then on a loop over a row is as good as one over all
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
ELEMENTWISE = {  # with what NumPy does for NaN
    "maximum": "({0} if {0} >= {1} or {0} != {0} else {1})",
    "minimum": "({0} if {0} <= {1} or {0} != {0} else {1})",
    "where": "({0} if {1} else {2})",
    "sign": "(_one if {0} > 0 else (-_one if {0} < 0 else {0}))",
    "abs": "abs({0})",
    "sqrt": "sqrt({0})",
    "isfinite": "({0} - {0} == 0)",
    "logical_not": "(not {0})",
}
CALLED = ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "logaddexp", "power")  # NumPy's own loops
STARTS = {"sum": "0", "mean": "0", "prod": "1", "max": "-inf", "min": "inf"}
STEPS = {"sum": "{0} + {1}", "mean": "{0} + {1}", "prod": "{0} * {1}", "max": ELEMENTWISE["maximum"]}
STEPS["min"] = ELEMENTWISE["minimum"]


class CannotCompile(ValueError):
    """What is asked of `lower` has no loops here."""


class Length(NamedTuple):
    """A number that depends on the number of samples: a · N + b."""

    a: int
    b: int

    def __str__(self) -> str:
        if not self.a:
            return str(self.b)
        times = "_N" if self.a == 1 else f"{self.a} * _N"
        return times if not self.b else f"({times} + {self.b})"


Shape = tuple[Length, ...]


class Kind(NamedTuple):
    """What an expression gives: its shape, and its dtype, None for a Python number, which has none."""

    shape: Shape
    dtype: np.dtype[Any] | None


class Code(NamedTuple):
    """One element, as an expression, and its dtype."""

    text: str
    dtype: np.dtype[Any] | None


class Lowered(NamedTuple):
    """Loops for a program.

    Attributes
    ----------
    lines : statements of one function body, not indented, and the loops in them by four spaces a level
    places : name to (Length of the start in the workspace, shape) of the arrays that lie there
    size : of the workspace, in elements
    checks : (name of an array of integers, bound): each of its numbers has to be at least 0 and below
    shapes : name to shape, of all arrays
    numbers : name to a number, the same for arrays that share memory
    """

    lines: list[str]
    places: dict[str, tuple[Length, Shape]]
    size: Length
    checks: list[tuple[str, str]]
    shapes: dict[str, Shape]
    numbers: dict[str, int]


def lower(
    program: Program,
    batches: Sequence[Mapping[str, Any]],
    fixed: set[str],
    sizes: Sequence[int] = BATCHES,
    flat: bool = True,
) -> Lowered:
    """Turn the lines of a program into loops.

    Parameters
    ----------
    program : from `program.trace`
    batches : the program's inputs, for each number of samples in sizes
    fixed : names of the inputs and results that lie somewhere already, as gradients in the flat buffer do; all other
        arrays get a place in the workspace
    flat : whether ``a[i]`` may stand for the i-th of all elements

    Raises
    ------
    CannotCompile : a line that has no loops here; the message holds it
    """
    return _Lowering(program, batches, fixed, sizes, flat).run()


class _Lowering:
    def __init__(
        self, program: Program, batches: Sequence[Mapping[str, Any]], fixed: set[str], sizes: Sequence[int], flat: bool
    ) -> None:
        self.program, self.fixed, self.sizes, self.flat = program, fixed, sizes, flat
        self.spaces: list[dict[str, Any]] = []  # everything by name, for each batch
        for batch in batches:
            space: dict[str, Any] = {}
            exec(program.helpers, space)
            self.spaces.append(space | {name: np.array(value) for name, value in batch.items()})
        self.inputs = set(program.inputs)
        self.helpers = {
            node.name: node for node in ast.parse(program.helpers).body if isinstance(node, ast.FunctionDef)
        }
        self.dtype = next(np.dtype(v.dtype) for v in program.inputs.values() if v.dtype.kind == "f")
        self.static = dict[str, bool]()  # names that hold lengths alone
        self.inline: dict[str, ast.expr] = {}  # names that stand for an expression
        self.arrays: dict[str, Shape] = {}
        self.scalars: set[str] = set()
        self.lines: list[str] = []
        self.nest: tuple[Shape, set[str]] | None = None  # the loops that are open: their shape, and what they write
        self.reads: set[tuple[str, tuple[str, ...]]] = set()
        self.checks: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.count = 0
        self.now = ""

    def run(self) -> Lowered:
        for name in self.inputs:
            kind = self.kind(ast.Name(name))
            if kind.shape or kind.dtype is None:
                self.arrays[name] = kind.shape
            else:
                self.arrays[name] = ()
        for line in self.program.forward + self.program.backward:
            self.now = str(line)
            try:
                for part in self.unfolded(line):
                    self.assign(part)
            except (SyntaxError, TypeError, KeyError, IndexError, AttributeError, NameError) as error:
                raise self.refuse(str(error)) from error
        self.close()
        places, at = dict[str, tuple[Length, Shape]](), Length(0, 0)
        for name, shape in self.arrays.items():
            if name not in self.fixed and not name.endswith("_view"):
                size = self.size(shape)
                places[name] = at, shape
                at = Length(at.a + size.a, at.b + -(-size.b // 16) * 16)
        for name in self.arrays:
            self.number(name)
        lines = [line.replace("COUNT)", f"{len(set(self.numbers.values()))})") for line in self.lines]
        return Lowered(lines, places, at, list(self.checks.items()), dict(self.arrays), self.numbers)

    def number(self, name: str) -> int:
        """The number of a place: arrays that share memory share it."""
        return self.numbers.setdefault(name, len(set(self.numbers.values())))

    def refuse(self, why: str) -> CannotCompile:
        return CannotCompile(f"`{self.now}` has no compiled form ({why}); train without compiled=True")

    # --- what is known of an expression ---------------------------------------------------------------------------------

    def values(self, node: ast.expr) -> list[Any]:
        """The expression worked out on each batch."""
        code = compile(
            ast.fix_missing_locations(ast.Expression(ast.parse(ast.unparse(node), mode="eval").body)), "", "eval"
        )
        with np.errstate(all="ignore"):
            return [eval(code, space) for space in self.spaces]

    def kind(self, node: ast.expr) -> Kind:
        values = self.values(node)
        shapes = [np.shape(v) for v in values]
        if len({len(shape) for shape in shapes}) > 1:
            raise self.refuse("its number of axes depends on the batch")
        dtype = values[0].dtype if isinstance(values[0], (np.ndarray, np.generic)) else None
        return Kind(tuple(self.length(dims) for dims in zip(*shapes)), dtype)

    def length(self, numbers: Sequence[int]) -> Length:
        """a · N + b through these numbers, one for each batch."""
        N = self.sizes
        a = (numbers[1] - numbers[0]) // (N[1] - N[0]) if len(N) > 1 else 0
        b = numbers[0] - a * N[0]
        if any(a * n + b != number for n, number in zip(N, numbers)):
            raise self.refuse("a length in it is not proportional to the number of samples")
        return Length(int(a), int(b))

    def size(self, shape: Shape) -> Length:
        """The number of elements."""
        grows = [n for n in shape if n.a]
        rest = prod(n.b for n in shape if not n.a)
        if len(grows) > 1:
            raise self.refuse("it would take memory for the square of the batch")
        return Length(grows[0].a * rest, grows[0].b * rest) if grows else Length(0, rest)

    def is_static(self, node: ast.AST) -> bool:
        """Whether only lengths go into it, so that it is known for every N."""
        if isinstance(node, ast.Name):
            return node.id in self.static or not (
                node.id in self.arrays or node.id in self.scalars or node.id in self.inline
            )
        if isinstance(node, ast.Attribute) and node.attr in ("shape", "size", "ndim"):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "len":
            return True
        return all(self.is_static(child) for child in ast.iter_child_nodes(node))

    # --- lines ------------------------------------------------------------------------------------------------------------

    def unfolded(self, line: Line) -> list[Line]:
        """The line with the helpers that it calls written out, as lines before it."""
        before: list[Line] = []
        value = _Unfold(self, before).visit(ast.parse(ast.unparse(line.value), mode="eval").body)
        return [*before, Line(line.target, value)]

    def fresh(self, stem: str = "t") -> str:
        self.count += 1
        return f"_{stem}{self.count}"

    def define(self, name: str, node: ast.expr) -> Kind:
        """Give an expression a name in every batch."""
        for space, value in zip(self.spaces, self.values(node)):
            space[name] = value
        return self.kind(ast.Name(name))

    def assign(self, line: Line) -> None:
        if line.target.endswith("[...]"):
            name = line.target.removesuffix("[...]")
            self.store(name, self.ready(line.value))
            return
        kind = self.define(line.target, line.value)
        name = line.target
        if self.is_static(line.value):
            self.static[name] = True
        elif kind.dtype is not None and kind.dtype.kind in "biu":
            self.inline[name] = self.ready(line.value)
        elif not kind.shape:
            self.scalar(name, self.ready(line.value))
        elif not self.affine(name, kind, line.value):
            self.array(name, kind)
            self.store(name, self.ready(line.value, into=name))

    def affine(self, name: str, kind: Kind, value: ast.expr) -> bool:
        """x @ W + b: BLAS adds the product to rows of b."""
        if not (isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and isinstance(value.left, ast.BinOp)):
            return False
        product, b = value.left, value.right
        if (
            not isinstance(product.op, ast.MatMult)
            or not isinstance(b, ast.Name)
            or self.arrays.get(b.id) != kind.shape[1:]
        ):
            return False
        self.array(name, kind)
        self.repeat(b.id, name)
        self.product(product, name, add=True)
        return True

    def repeat(self, row: str, out: str) -> None:
        n, *rest = self.arrays[out]
        self.close()
        size = self.size(tuple(rest))
        self.lines.append(f"_repeat({row}, {out}, {n}, {size.b * self.dtype.itemsize})")

    def array(self, name: str, kind: Kind) -> None:
        if kind.dtype != self.dtype:
            raise self.refuse(f"{kind.dtype} among {self.dtype}")
        self.arrays[name] = kind.shape

    def scalar(self, name: str, node: ast.expr) -> None:
        self.close()
        self.scalars.add(name)
        if isinstance(node, ast.Name) and node.id == name:
            return
        kind = self.kind(node)
        text = self.cast(self.at(node, ()), kind.dtype or self.dtype)
        self.lines.append(f"{name} = {text}")

    def temporary(self, node: ast.expr, into: str | None = None) -> tuple[str, Kind]:
        """A new array for the value of an expression; or that of the line, if it fits."""
        kind = self.kind(node)
        if into is not None and self.arrays.get(into) == kind.shape and into not in loaded(node):
            return into, kind
        name = self.fresh()
        self.define(name, node)
        self.array(name, kind)
        return name, kind

    # --- expressions, made ready ------------------------------------------------------------------------------------------

    def ready(self, node: ast.expr, into: str | None = None) -> ast.expr:
        """The expression with everything that one element does not tell put into arrays of its own, before it."""
        if isinstance(node, ast.Name):
            return self.inline.get(node.id, node)
        if isinstance(node, ast.Constant) or (self.is_static(node) and not self.kind(node).shape):
            return node
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return ast.Name(self.product(node, into))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return self.power(node, into)
        if isinstance(node, ast.Subscript):
            return self.subscript(node)
        if isinstance(node, ast.Call):
            return self.call(node, into)
        if isinstance(node, ast.BinOp):
            first = self.ready(node.left, into)
            return ast.BinOp(first, node.op, self.ready(node.right, None if _is(first, into) else into))
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self.ready(node.operand, into))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return ast.Compare(self.ready(node.left), node.ops, [self.ready(node.comparators[0])])
        if isinstance(node, ast.IfExp):
            return ast.IfExp(self.ready(node.test), self.ready(node.body), self.ready(node.orelse))
        if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
            return ast.Attribute(self.ready(node.value), node.attr)
        if isinstance(node, ast.Attribute):
            return node
        raise self.refuse(ast.unparse(node))

    def named(self, node: ast.expr, into: str | None = None) -> str:
        """The expression as an array that lies somewhere, without gaps."""
        node = self.ready(node, into)
        if isinstance(node, ast.Name) and node.id in self.arrays:
            return node.id
        name, kind = self.temporary(node, into)
        self.store(name, node)
        return name

    def product(self, node: ast.BinOp, into: str | None, add: bool = False) -> str:
        """A matrix product by BLAS, which takes either side transposed."""
        sides = []
        for side in (node.left, node.right):
            flipped = isinstance(side, ast.Attribute) and side.attr in ("T", "mT")
            sides.append((self.named(side.value if isinstance(side, ast.Attribute) and flipped else side), flipped))
        (a, a_flipped), (b, b_flipped) = sides
        if len(self.arrays[a]) != 2 or len(self.arrays[b]) != 2:
            raise self.refuse("products of stacks of matrices")
        name, kind = (
            (into, self.kind(node)) if add and into else self.temporary(node, into if into not in (a, b) else None)
        )
        (n, m), k = kind.shape, self.arrays[a][0 if a_flipped else 1]
        self.close()
        self.lines.append(f"_matmul({a}, {a_flipped}, {b}, {b_flipped}, {name}, {n}, {m}, {k}, {add})")
        return name

    def power(self, node: ast.BinOp, into: str | None) -> ast.expr:
        """What NumPy does for a power: squares, roots and reciprocals, else np.power."""
        exponent = node.right.value if isinstance(node.right, ast.Constant) else None
        base = node.left
        if exponent in (2, 0.5, 1, -1):
            if exponent == 2 and not isinstance(base, (ast.Name, ast.Constant)):
                base = ast.Name(self.named(base)) if self.kind(base).shape else base
            base = self.ready(base)
            if exponent == 2:
                return ast.BinOp(base, ast.Mult(), base)
            if exponent == 0.5:
                return _np("sqrt", base)
            return base if exponent == 1 else ast.BinOp(ast.Constant(1), ast.Div(), base)
        return self.ready(_np("power", node.left, node.right), into)

    def call(self, node: ast.Call, into: str | None) -> ast.expr:
        f, args = node.func, node.args
        keywords = {key.arg: key.value for key in node.keywords}
        name = f.attr if isinstance(f, ast.Attribute) else ast.unparse(f)
        if isinstance(f, ast.Attribute) and not _is_np(f):
            if name in STARTS:
                axis = keywords.get("axis", args[0] if args else ast.Constant(None))
                return self.reduction(name, f.value, axis, node, into)
            if name in ("var", "std"):
                return self.spread_of(name, f.value, keywords)
            if name in ("reshape", "ravel"):
                return ast.Name(self.reshaped(node, f.value))
            if name == "squeeze":
                return ast.Name(self.reshaped(node, f.value))
            if name == "cumsum":
                return ast.Name(self.running(node, f.value, args, into))
            if name in ("astype", "transpose"):
                return ast.Call(ast.Attribute(self.ready(f.value), name), args, node.keywords)
            raise self.refuse(f".{name}")
        if name == "each":  # a function of math for every element
            return ast.Call(f, [args[0], self.ready(args[1])], [])
        if name in ("float", "abs"):
            return _np("abs", self.ready(args[0])) if name == "abs" else self.ready(args[0])
        if name in ("concatenate", "stack"):
            return ast.Name(self.joined(node, name, into))
        if name == "put":
            return ast.Name(self.scattered(node, into))
        if name == "pad":
            return ast.Name(self.padded(node, into))
        if name == "crop":
            return ast.Call(f, [self.ready(args[0]), *args[1:]], [])
        if name == "clip":
            low, high = args[1:]
            return self.ready(_np("minimum", _np("maximum", args[0], low), high), into)
        if name in CALLED and self.kind(node).shape:
            return ast.Name(self.called(node, name, into))
        if name in CALLED or name in ELEMENTWISE:
            return ast.Call(f, [self.ready(arg) for arg in args], [])
        if name in ("full_like", "ones_like", "zeros_like", "arange"):
            return ast.Call(f, [args[0], *[self.ready(arg) for arg in args[1:]]], [])
        if name in ("broadcast_to", "expand_dims", "flip", "take", "swapaxes"):
            return ast.Call(f, [self.ready(args[0]), *args[1:]], node.keywords)
        raise self.refuse(ast.unparse(f))

    def called(self, node: ast.Call, name: str, into: str | None) -> str:
        """A NumPy function by its own inner loop, over arrays without gaps."""
        out_shape = self.kind(node).shape
        operands = []
        for arg in node.args:
            if not self.kind(arg).shape:
                one, kind = self.fresh(), Kind((Length(0, 1),), self.dtype)
                self.arrays[one] = kind.shape
                for space, value in zip(self.spaces, self.values(arg)):
                    space[one] = np.array([value], self.dtype)
                code = self.cast(self.at(self.ready(arg), ()), self.dtype)
                self.close()
                self.lines.append(f"{one}[0] = {code}")
                operands.append((one, 0))
                continue
            if self.kind(arg).shape != out_shape:
                arg = _np("broadcast_to", arg, _shape_of(node))
            operands.append((self.named(arg), 1))
        out, kind = self.temporary(node, into)
        self.close()
        given = ", ".join(f"{operand}, {step}" for operand, step in operands)
        self.lines.append(f"_{name}({given}, {out}, {self.size(kind.shape)})")
        return out

    def reduction(self, name: str, value: ast.expr, axis: ast.expr, whole: ast.expr, into: str | None) -> ast.expr:
        shape = self.kind(value).shape
        axes = self.values(axis)[0]
        over = set(range(len(shape))) if axes is None else {i % len(shape) for i in np.atleast_1d(axes)}
        inner = self.ready(value)
        kind = self.kind(whole)
        every = self.fresh("s") if not kind.shape else self.temporary(whole, into)[0]
        if not kind.shape:
            self.define(every, whole)
            self.scalars.add(every)
        index = [f"_{i}" for i in range(len(shape))]
        self.reads = set()
        element = self.at(inner, tuple(index))
        kept = [i for i in range(len(shape)) if i not in over]
        wide = np.dtype(np.float64) if not kind.shape and name in ("sum", "mean") else self.dtype
        dtype = kind.dtype or self.dtype
        text = self.cast(element, dtype if dtype.kind in "biu" else wide)
        count = prod_text([shape[i] for i in sorted(over)])
        start = f"{wide}({STARTS[name]})"
        self.close()
        if not kept:
            acc = every
            self.lines.append(f"{acc} = {start}")
            self.loops([(index[i], shape[i]) for i in range(len(shape))], [f"{acc} = {STEPS[name].format(acc, text)}"])
            end = f"{acc} / {wide}({count})" if name == "mean" else acc
            self.lines.append(f"{acc} = {dtype}({end})")
            return ast.Name(every)
        slots = [index[i] if i not in over else "0" for i in range(len(shape))]
        if len(kind.shape) < len(shape):
            slots = [index[i] for i in kept]
        target = f"{every}[{', '.join(slots)}]"
        mean = [f"{target} = {target} / {dtype}({count})"] * (name == "mean")
        if max(over) == len(shape) - 1:
            body = [f"_s = {start}"]
            inner_loops = nested(
                [(index[i], shape[i]) for i in sorted(over)], [f"_s = {STEPS[name].format('_s', text)}"]
            )
            self.loops([(index[i], shape[i]) for i in kept], [*body, *inner_loops, f"{target} = _s", *mean])
        else:
            outer = [(index[i], shape[i]) for i in kept]
            self.loops(outer, [f"{target} = {start}"])
            self.loops(
                [(index[i], shape[i]) for i in range(len(shape))], [f"{target} = {STEPS[name].format(target, text)}"]
            )
            if mean:
                self.loops(outer, mean)
        return ast.Name(every)

    def spread_of(self, name: str, value: ast.expr, keywords: dict[str | None, ast.expr]) -> ast.expr:
        """var and std by their definition."""
        axis, keepdims = keywords.get("axis", ast.Constant(None)), keywords.get("keepdims", ast.Constant(False))
        ddof = keywords.get("ddof", ast.Constant(0))
        x = ast.Name(self.named(value))
        mean = _method(x, "mean", axis=axis, keepdims=ast.Constant(True))
        d = ast.Name(self.named(ast.BinOp(x, ast.Sub(), mean)))
        total = _method(ast.BinOp(d, ast.Mult(), d), "sum", axis=axis, keepdims=keepdims)
        size, out = ast.Attribute(x, "size"), self.kind(total).shape
        n = size if not out else ast.BinOp(size, ast.FloorDiv(), ast.Attribute(ast.Name(self.named(total)), "size"))
        variance = ast.BinOp(total, ast.Div(), ast.BinOp(n, ast.Sub(), ddof))
        return self.ready(variance if name == "var" else _np("sqrt", variance))

    def reshaped(self, node: ast.Call, value: ast.expr) -> str:
        """The same numbers under another name and shape."""
        base, view = self.named(value), self.fresh("r") + "_view"
        kind = self.define(view, node)
        self.array(view, kind)
        self.numbers[view] = self.number(base)
        self.close()
        self.lines.append(
            f"{view} = _place(_address({base}), 0, ({tuple_text(kind.shape)}), {self.dtype}, {self.number(base)}, COUNT)"
        )
        return view

    def running(self, node: ast.Call, value: ast.expr, args: list[ast.expr], into: str | None) -> str:
        """cumsum: each element is the one before it plus its own."""
        shape, axis = self.kind(value).shape, self.values(args[0])[0] if args else None
        if axis is None and len(shape) > 1:
            raise self.refuse("cumsum over all axes")
        x, (name, _) = self.named(value), self.temporary(node, None)
        index = [f"_{i}" for i in range(len(shape))]
        axis = (axis or 0) % len(shape)
        before = [f"{i} - 1" if k == axis else i for k, i in enumerate(index)]
        here = f"[{', '.join(index)}]"
        self.close()
        more = f"({name}[{', '.join(before)}] if {index[axis]} > 0 else {self.dtype}(0))"
        self.loops(list(zip(index, shape)), [f"{name}{here} = {more} + {x}{here}"])
        return name

    def joined(self, node: ast.Call, name: str, into: str | None) -> str:
        """concatenate and stack: each part is copied to its place."""
        parts = node.args[0].elts  # type: ignore[attr-defined]
        keywords = {key.arg: key.value for key in node.keywords}
        given = keywords.get("axis", node.args[1] if len(node.args) > 1 else ast.Constant(0))
        arrays = [self.ready(part) for part in parts]
        out, kind = self.temporary(node, None)
        axis = self.values(given)[0] % len(kind.shape)
        start = Length(0, 0)
        for part in arrays:
            shape = self.kind(part).shape
            index = [f"_{i}" for i in range(len(shape))]
            self.close()
            element = self.cast(self.at(part, tuple(index)), self.dtype)
            if name == "stack":
                at = [*index[:axis], str(start), *index[axis:]]
                start = Length(0, start.b + 1)
            else:
                at = [f"{i} + {start}" if k == axis else i for k, i in enumerate(index)]
                start = Length(start.a + shape[axis].a, start.b + shape[axis].b)
            self.loops(list(zip(index, shape)), [f"{out}[{', '.join(at)}] = {element}"])
        return out

    def scattered(self, node: ast.Call, into: str | None) -> str:
        """put: zeros, and g added at the index."""
        g, a, index = node.args
        value, out = self.ready(g), self.temporary(node, None)[0]
        shape, own = self.kind(value).shape, self.arrays[out]
        names = tuple(f"_{i}" for i in range(len(shape)))
        self.close()
        every = [(f"_{i}", n) for i, n in enumerate(own)]
        self.loops(every, [f"{out}[{', '.join(i for i, _ in every)}] = {self.dtype}(0)"])
        at = ", ".join(self.indexed(own, index, names))
        element = self.cast(self.at(value, names), self.dtype)
        self.loops(list(zip(names, shape)), [f"{out}[{at}] += {element}"])
        return out

    def padded(self, node: ast.Call, into: str | None) -> str:
        value, out = self.ready(node.args[0]), self.temporary(node, None)[0]
        shape, own = self.kind(value).shape, self.arrays[out]
        width = self.values(node.args[1])[0]
        before = np.broadcast_to(width, (len(shape), 2))[:, 0]
        fill = next((key.value for key in node.keywords if key.arg == "constant_values"), ast.Constant(0))
        self.close()
        every = [(f"_{i}", n) for i, n in enumerate(own)]
        constant = self.cast(self.at(fill, ()), self.dtype)
        self.loops(every, [f"{out}[{', '.join(i for i, _ in every)}] = {constant}"])
        names = [f"_{i}" for i in range(len(shape))]
        element = self.cast(self.at(value, tuple(names)), self.dtype)
        at = ", ".join(f"{i} + {n}" for i, n in zip(names, before))
        self.loops(list(zip(names, shape)), [f"{out}[{at}] = {element}"])
        return out

    def subscript(self, node: ast.Subscript) -> ast.expr:
        """An index; that of a mask "the label's column" becomes the label itself."""
        base, index = node.value, node.slice
        mask = self.inline.get(index.id) if isinstance(index, ast.Name) else None
        if mask is not None:
            labels = _one_hot(mask)
            if labels is None:
                raise self.refuse("a mask decides how many elements there are")
            rows = _np("arange", ast.Call(ast.Name("len"), [base], []))
            index = ast.Tuple([rows, labels])
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        done = [
            part if isinstance(part, (ast.Slice, ast.Constant)) or self.is_static(part) else self.ready(part)
            for part in parts
        ]
        return ast.Subscript(ast.Name(self.named(base)), ast.Tuple(done))

    # --- one element --------------------------------------------------------------------------------------------------------

    def at(self, node: ast.expr, index: tuple[str, ...]) -> Code:
        """The element of an expression that is ready, at an index: a text for each axis of its shape."""
        if isinstance(node, ast.Constant):
            return Code(repr(node.value), None)
        if isinstance(node, ast.Name) and node.id in self.inline:
            return self.at(self.inline[node.id], index)
        if self.is_static(node) and not self.kind(node).shape:
            values = self.values(node)
            if isinstance(values[0], (int, np.integer)) and not isinstance(values[0], bool):
                return Code(f"({self.length([int(v) for v in values])})", None)
            if len(set(values)) == 1:
                return Code({np.inf: "inf", -np.inf: "(-inf)"}.get(values[0], repr(float(values[0]))), None)
        if isinstance(node, ast.Name):
            return self.element(node.id, index)
        kind = self.kind(node)
        if isinstance(node, ast.Attribute):
            return self.at(node.value, index[::-1] if node.attr == "T" else (*index[:-2], index[-1], index[-2]))
        if isinstance(node, ast.BinOp):
            sign = (
                OPERATORS[type(node.op)]
                if type(node.op) in OPERATORS
                else {ast.BitAnd: "and", ast.BitOr: "or"}[type(node.op)]
            )  # type: ignore[index]
            left, right = self.inside(node.left, index), self.inside(node.right, index)
            if sign in ("and", "or"):
                return Code(f"({left.text} {sign} {right.text})", np.dtype(bool))
            return Code(f"({self.cast(left, kind.dtype)} {sign} {self.cast(right, kind.dtype)})", kind.dtype)
        if isinstance(node, ast.UnaryOp):
            inner = self.inside(node.operand, index)
            if isinstance(node.op, ast.USub):
                return Code(f"(-{inner.text})", inner.dtype)
            return Code(f"(not {inner.text})", np.dtype(bool))
        if isinstance(node, ast.Compare):
            sides = [self.inside(side, index) for side in (node.left, node.comparators[0])]
            known = [side.dtype for side in sides if side.dtype is not None]
            common = np.result_type(*known) if known else None
            left, right = (self.cast(side, common) for side in sides)
            return Code(f"({left} {COMPARISONS[type(node.ops[0])]} {right})", np.dtype(bool))
        if isinstance(node, ast.Subscript):
            name = node.value.id  # type: ignore[attr-defined]
            return self.element(name, self.indexed(self.arrays[name], node.slice, index))
        if isinstance(node, ast.Call):
            return self.at_call(node, kind, index)
        raise self.refuse(ast.unparse(node))

    def at_call(self, node: ast.Call, kind: Kind, index: tuple[str, ...]) -> Code:
        f, args = node.func, node.args
        name = f.attr if isinstance(f, ast.Attribute) else ast.unparse(f)
        keywords = {key.arg: key.value for key in node.keywords}
        if name == "astype":
            assert isinstance(f, ast.Attribute)
            assert kind.dtype is not None
            return Code(self.cast(self.at(f.value, index), kind.dtype), kind.dtype)
        if name in ("transpose", "swapaxes"):
            base = f.value if name == "transpose" else args[0]  # type: ignore[attr-defined]
            n = len(index)
            axes = self.values(args[0])[0] if name == "transpose" and args else None
            order = [i % n for i in axes] if axes is not None else list(range(n))[::-1]
            return self.at(base, tuple(index[order.index(i)] for i in range(n)))
        if name == "expand_dims":
            axes = {i % len(index) for i in np.atleast_1d(self.values(keywords.get("axis", args[-1]))[0])}
            return self.at(args[0], tuple(i for k, i in enumerate(index) if k not in axes))
        if name == "broadcast_to":
            return self.inside(args[0], index)
        if name == "flip":
            axis = self.values(
                keywords["axis"] if "axis" in keywords else args[1] if len(args) > 1 else ast.Constant(None)
            )[0]
            axes = range(len(index)) if axis is None else [i % len(index) for i in np.atleast_1d(axis)]
            flipped = [f"{n} - 1 - {i}" if k in axes else i for k, (i, n) in enumerate(zip(index, kind.shape))]
            return self.at(args[0], tuple(flipped))
        if name == "take":
            i, axis = self.values(args[1])[0], self.values(args[2])[0] % (len(index) + 1)
            return self.at(args[0], (*index[:axis], str(i), *index[axis:]))
        if name == "crop":
            before = np.broadcast_to(self.values(args[2])[0], (len(index), 2))[:, 0]
            return self.at(args[0], tuple(f"{i} + {n}" for i, n in zip(index, before)))
        if name == "arange":
            return Code(index[0], np.dtype(int))
        if name == "full_like":
            return Code(self.cast(self.at(args[1], ()), kind.dtype), kind.dtype)
        if name in ("ones_like", "zeros_like"):
            return Code(f"{kind.dtype}({int(name == 'ones_like')})", kind.dtype)
        if name == "each":
            return Code(
                f"{kind.dtype}({ast.unparse(args[0]).removeprefix('math.')}({self.at(args[1], index).text}))",
                kind.dtype,
            )
        given = [self.inside(arg, index) for arg in args]
        if name == "where":
            a, b = (self.cast(part, kind.dtype) for part in given[1:])
            return Code(f"({a} if {given[0].text} else {b})", kind.dtype)
        if name in ELEMENTWISE:
            return Code(
                ELEMENTWISE[name].format(*[self.cast(part, kind.dtype or self.dtype) for part in given]), kind.dtype
            )
        if name in CALLED:
            return Code(f"{name}({', '.join(self.cast(part, kind.dtype) for part in given)})", kind.dtype)
        raise self.refuse(ast.unparse(f))

    def element(self, name: str, index: tuple[str, ...]) -> Code:
        if name in self.scalars or name not in self.arrays:
            return Code(name, self.kind(ast.Name(name)).dtype)
        self.reads.add((name, index))
        text = f"{name}[{', '.join(index)}]" if index else f"{name}[()]"
        return Code(text, self.kind(ast.Name(name)).dtype)

    def inside(self, node: ast.expr, index: tuple[str, ...]) -> Code:
        """The element of a part of an expression, which NumPy broadcasts to the whole."""
        shape = self.kind(node).shape
        own = index[len(index) - len(shape) :] if shape else ()
        return self.at(node, tuple("0" if n == (0, 1) else i for n, i in zip(shape, own)))

    def indexed(self, shape: Shape, index: ast.expr, out: tuple[str, ...]) -> tuple[str, ...]:
        """Where x[index] at out lies in x."""
        parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
        arrays = [p for p in parts if not isinstance(p, (ast.Slice, ast.Constant)) and np.ndim(self.values(p)[0])]
        if arrays:
            most = max(len(self.kind(p).shape) for p in arrays)
            if parts[: len(arrays)] != arrays or len(parts) > len(arrays):
                raise self.refuse("arrays beside slices in an index")
            found = []
            for n, part in zip(shape, arrays):
                if self.kind(part).dtype == bool:
                    raise self.refuse("a mask decides how many elements there are")
                found.append(self.checked(part, n, out[:most]))
            return (*found, *out[most:])
        consumes = sum(not _is_none(p) and not _is_ellipsis(p) for p in parts)
        if not any(map(_is_ellipsis, parts)):
            parts.append(ast.Constant(...))
        found, o, axis = [], 0, 0
        for part in parts:
            if _is_none(part):
                o += 1
            elif _is_ellipsis(part):
                for _ in range(len(shape) - consumes):
                    found.append(out[o])
                    o, axis = o + 1, axis + 1
            elif isinstance(part, ast.Slice):
                n = shape[axis]
                given = [None if p is None else self.values(p)[0] for p in (part.lower, part.upper, part.step)]
                step = given[2] or 1
                start = given[0] if given[0] is not None else (0 if step > 0 else -1)
                first = f"{n} - {-start}" if start < 0 else str(start)
                found.append(f"{first} + {step} * {out[o]}" if (first, step) != ("0", 1) else out[o])
                o, axis = o + 1, axis + 1
            else:
                i = self.values(part)[0]
                found.append(str(i) if i >= 0 else f"{shape[axis]} - {-i}")
                axis += 1
        return tuple(found)

    def checked(self, part: ast.expr, n: Length, out: tuple[str, ...]) -> str:
        """An index out of an array; that of an input has to be looked at before."""
        for name in loaded(part) & self.inputs:
            self.checks[name] = str(n)
        return self.inside(part, out).text

    def cast(self, code: Code, dtype: np.dtype[Any] | None) -> str:
        if dtype is None or code.dtype == dtype:
            return code.text
        return f"{dtype}({code.text})"

    # --- loops --------------------------------------------------------------------------------------------------------------

    def store(self, name: str, node: ast.expr) -> None:
        """name[...] = the expression; in the loops that are open, if their elements do not need each other."""
        if isinstance(node, ast.Name) and node.id == name:
            return
        shape = self.arrays[name]
        index = tuple(f"_{i}" for i in range(len(shape)))
        self.reads = set()
        dtype = self.kind(ast.Name(name)).dtype
        text = f"{name}[{', '.join(index) or '()'}] = {self.cast(self.inside(node, index), dtype)}"
        if self.nest is None or self.nest[0] != shape or any(r in self.nest[1] and at != index for r, at in self.reads):
            self.close()
            self.nest = shape, set()
            self.body: list[str] = []
            self.rows: set[str] = set()
        if len(shape) == 2:
            self.rows |= {r for r, at in self.reads if at == index[1:] and self.arrays[r] == shape[1:]}
        self.body.append(text)
        self.nest[1].add(name)

    def close(self) -> None:
        """Write down the loops that are open. Where every array is read at the same place, one loop over all elements is
        enough; rows that are short are repeated for that."""
        if self.nest is None:
            return
        shape, self.nest = self.nest[0], None
        body, index = self.body, [f"_{i}" for i in range(len(shape))]
        if len(shape) > 1 and self.flat:
            here, repeated = f"[{', '.join(index)}]", {}
            for row in sorted(self.rows) if not shape[1].a and shape[1].b < WIDE else ():
                repeated[row] = self.fresh("rows")
                for space in self.spaces:
                    space[repeated[row]] = np.broadcast_to(space[row], [n.a * len(space["X"]) + n.b for n in shape])
                self.arrays[repeated[row]] = shape
                body = [re.sub(rf"\b{row}\[_1\]", f"{repeated[row]}{here}", line) for line in body]
            body = [line.replace(here, "[_0]") for line in body]
            if not any(re.search(r"\b_[1-9]\b|\[_0, 0\]", line) for line in body):
                for row, name in repeated.items():
                    self.repeat(row, name)
                self.loops([("_0", self.size(shape))], body)
                return
            for name in repeated.values():
                del self.arrays[name]
        self.loops(list(zip(index, shape)), self.body)

    def loops(self, over: list[tuple[str, Length]], body: list[str]) -> None:
        self.lines += nested(over, body)


class _Unfold(ast.NodeTransformer):
    """Helpers written out: their lines go before, their result takes the place of the call."""

    def __init__(self, lowering: _Lowering, before: list[Line]) -> None:
        self.lowering, self.before = lowering, before

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        helper = self.lowering.helpers.get(name)
        if helper is None or name in ("each", "put", "crop", "einsum_share"):
            return node
        given = dict(zip([arg.arg for arg in helper.args.args], node.args))
        given |= {key.arg: key.value for key in node.keywords if key.arg}
        given |= {
            arg.arg: default
            for arg, default in zip(helper.args.kwonlyargs, helper.args.kw_defaults)
            if arg.arg not in given and default is not None
        }
        body = helper.body[ast.get_docstring(helper) is not None :]
        for statement in body:
            if isinstance(statement, ast.Assign):
                targets, values = _pairs(statement)
                new = {target: self.lowering.fresh(target) for target in targets}
                for target, value in zip(targets, values):
                    inner = self.visit(renamed(value, given))
                    self.before.append(Line(new[target], inner))
                given |= {target: ast.Name(fresh) for target, fresh in new.items()}
            elif isinstance(statement, ast.Return) and statement.value is not None:
                return self.visit(_folded(renamed(statement.value, given)))
            else:
                break
        raise self.lowering.refuse(name)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return _folded(super().generic_visit(node))  # type: ignore[arg-type]


def _folded(node: ast.expr) -> ast.expr:
    """``a if axis is None else b`` with the axis known."""
    for part in ast.walk(node):
        for field, value in ast.iter_fields(part):
            if isinstance(value, list):
                setattr(part, field, [_decided(item) for item in value])
            elif isinstance(value, ast.IfExp):
                setattr(part, field, _decided(value))
    return _decided(node)


def _decided(node: Any) -> Any:
    if not isinstance(node, ast.IfExp):
        return node
    try:
        test = eval(ast.unparse(node.test), {"__builtins__": {}})
    except Exception:
        return node
    return node.body if test else node.orelse


def _pairs(statement: ast.Assign) -> tuple[list[str], list[ast.expr]]:
    (target,) = statement.targets
    if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
        return [ast.unparse(t) for t in target.elts], statement.value.elts
    return [ast.unparse(target)], [statement.value]


def nested(over: list[tuple[str, Length]], body: list[str]) -> list[str]:
    """for-loops around the body."""
    lines = [f"{'    ' * depth}for {i} in range({n}):" for depth, (i, n) in enumerate(over)]
    return lines + ["    " * len(over) + line for line in body]


def tuple_text(shape: Shape) -> str:
    return "".join(f"{n}, " for n in shape)


def prod_text(lengths: list[Length]) -> str:
    return " * ".join(map(str, lengths)) or "1"


def _np(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name("np"), name), list(args), [])


def _method(value: ast.expr, name: str, **keywords: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(value, name), [], [ast.keyword(key, given) for key, given in keywords.items()])


def _shape_of(node: ast.expr) -> ast.expr:
    return ast.Attribute(node, "shape")


def _is_np(f: ast.Attribute) -> bool:
    return isinstance(f.value, ast.Name) and f.value.id == "np"


def _is(node: ast.expr, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_none(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and part.value is None


def _is_ellipsis(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and part.value is ...


def _one_hot(mask: ast.expr) -> ast.expr | None:
    """The labels, if the mask is ``labels[:, None] == np.arange(C)``."""
    if not (isinstance(mask, ast.Compare) and isinstance(mask.ops[0], ast.Eq) and isinstance(mask.left, ast.Subscript)):
        return None
    columns = mask.comparators[0]
    if not (isinstance(columns, ast.Call) and ast.unparse(columns.func) == "np.arange"):
        return None
    index = mask.left.slice
    whole = isinstance(index, ast.Tuple) and ast.unparse(index).strip("()") == ":, None"
    return mask.left.value if whole else None
