"""A program's NumPy lines as loops that a machine-code compiler likes.

`compiled` compiles what this makes. ``d_z = d_h * np.sign(h)`` becomes::

    for _0 in range(16 * _N):
        d_z[_0] = (d_h[_0] * (float32(1) if h[_0] > 0 else ...))

A line is read from the inside out. Each NumPy function in it has its template in `elementwise`, or its rule in
`_Lowering.call`, and gives a `Value`: the text of an element (see `elements`). Matrix products become calls of NumPy's
BLAS, and exp, tanh and the like calls of NumPy's own inner loops, so that they have its speed and its bits. No array is
allocated: every value has its place in one workspace, gradients have theirs in the flat gradient.

The shapes are learned by running the program on batches of 3, 5 and 1 samples: a length is a · N + b, and what is not
the same for every N is refused.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import einsum_letters
from ..program.names import loaded, unparsed
from ..program.program import Program
from .loops import (
    ONE,
    CannotCompile as CannotCompile,
    Index,
    Length,
    Loops,
    Shape,
    Value,
    names_of,
    nested as nested,
    tuple_text as tuple_text,
)
from .templates import CALLED, CONDITIONS, DEFINED, ELEMENTWISE, LOGICAL, POWERS, RESERVED, SIGNS

BATCHES = (3, 5, 1)
LISTED = 64  # numbers that are written down one by one
LENGTHS = ("len", "np.shape", "np.ndim", "np.size", "np.result_type")  # whatever they are asked of
KEYWORDS = {"axis", "keepdims", "ddof", "dtype", "constant_values"}

Scope = dict[str, Value]


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
    lowering = _Lowering(program, batches, fixed, sizes, flat)
    loops = lowering.loops
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in program.forward + program.backward:
            try:
                lowering.statement(ast.parse(str(line)).body[0], lowering.scope)
            except Exception as error:
                why = str(error) or type(error).__name__
                raise CannotCompile(f"`{line}` has no compiled form ({why}); train without compiled=True") from error
    loops.close()
    places, size = loops.places()
    shapes = {name: array.shape for name, array in loops.arrays.items()}
    return Lowered(loops.views() + loops.lines, places, size, lowering.checks, shapes, loops.numbers())


class _Lowering:
    """Reads lines, and has `Loops` write."""

    def __init__(
        self, program: Program, batches: Sequence[Mapping[str, Any]], fixed: set[str], sizes: Sequence[int], flat: bool
    ) -> None:
        self.namespace: dict[str, Any] = {}
        exec(program.helpers, self.namespace)
        self.helpers = {f.name: f for f in ast.parse(program.helpers).body if isinstance(f, ast.FunctionDef)}
        self.inputs = set(program.inputs)
        self.checks: list[tuple[str, str]] = []
        self.loops = Loops(sizes, program.inputs[program.gradients[0]].dtype, fixed, flat)
        self.scope: Scope = {}  # what each name of the program stands for
        for name in program.inputs:
            self.scope[name] = self.loops.array([np.array(batch[name]) for batch in batches], name)
            if self.loops.arrays[name].base:
                raise CannotCompile(f"{name} is {program.inputs[name].dtype} among {self.loops.dtype}")
        for name in {*program.inputs, program.loss}:
            if _is_taken(name):
                raise CannotCompile(f"the name {name} means something else in machine code; call the tensor otherwise")

    # --- lines --------------------------------------------------------------------------------------------------------

    def statement(self, line: ast.stmt, scope: Scope) -> None:
        """An assignment: of the program, or of a function that it calls."""
        match line:
            case ast.Assign(targets=[ast.Subscript() as target]):
                return self.change(target, "=", line.value, scope)
            case ast.Expr(ast.Call(ast.Attribute(attr="at") as f, [array, index, g])) if unparsed(f) == "np.add.at":
                return self.change(ast.Subscript(array, index), "+=", g, scope)
            case ast.Assign(targets=[ast.Tuple(targets)], value=ast.Tuple(values)):
                pairs = list(zip(targets, values, strict=True))
            case ast.Assign(targets=[ast.Tuple(targets)]):
                pairs = [(target, ast.Subscript(line.value, ast.Constant(i))) for i, target in enumerate(targets)]
            case ast.Assign(targets=[target]):
                pairs = [(target, line.value)]
            case _:
                raise CannotCompile(ast.unparse(line).partition("\n")[0])
        made: Scope = {}
        for target, value in pairs:
            name = unparsed(target)
            place = name if scope is self.scope and not _is_taken(name) else self.loops.fresh(name)
            made[name] = self.settled(self.value(value, scope, place), place)
        scope |= made

    def settled(self, value: Value, name: str) -> Value:
        """A value that lines to come can use under this name. Floats are computed now; whole numbers and conditions
        stay text, which is put in wherever they are used."""
        loops = self.loops
        if name in loops.fixed and value.place != name:
            array = loops.array(value.numbers, name)
            loops.store(array, value)
            return array
        if value.dtype is None or value.dtype.kind != "f" or value.place == name:
            return value
        if not value.shape:
            return loops.scalar(value, name)
        if value.place and not value.flipped:
            return loops.view(value, value.numbers, name)
        return loops.placed(value, name)

    def change(self, target: ast.expr, sign: str, value: ast.expr, scope: Scope) -> None:
        """``a[index] = value``, or "+="."""
        elements, new = self.value(target, scope), self.value(value, scope)
        if not elements.of:
            raise CannotCompile(f"{unparsed(target)} is no array")
        if elements.of in self.loops.sources(new):
            new = self.loops.placed(new)
        for name, other in scope.items():
            if not other.place and not other.known and elements.of in self.loops.sources(other):
                raise CannotCompile(f"{name} was made of what it changes")
        self.loops.close()  # what waits may read there
        if elements.place and sign == "=":
            self.loops.store(elements, new)
        else:
            self.loops.fill(elements, sign, new)

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, scope: Scope, into: str = "") -> Value:
        """What an expression gives. into is the name of the array for it, if it has to be computed now."""
        if isinstance(node, ast.Name) and node.id in scope:
            return scope[node.id]
        text = unparsed(node)
        code = compile(text, text, "eval")
        numbers = [eval(code, self.on_batch(k, node, scope)) for k in range(len(self.loops.sizes))]
        known, fraction = self.is_known(node, scope), isinstance(numbers[0], (float, np.floating))
        if known and not (fraction and len(set(numbers)) > 1):
            return self.literal(numbers)
        return self.computed(node, numbers, scope, into)

    def on_batch(self, k: int, node: ast.AST, scope: Scope) -> dict[str, Any]:
        """What the names in it are on a batch."""
        return self.namespace | {name: scope[name].numbers[k] for name in loaded(node) if name in scope}

    def is_known(self, node: ast.AST, scope: Scope) -> bool:
        """Whether only lengths go into it, so that it is known for every N."""
        match node:
            case ast.Name(name):
                return name not in scope or scope[name].known
            case ast.Attribute(attr="shape" | "size" | "ndim" | "dtype"):
                return True
            case ast.ListComp(element, clauses) | ast.GeneratorExp(element, clauses):
                for clause in clauses:
                    known = self.is_known(clause.iter, scope)
                    scope = scope | {name: Value([], str, (), None, known=known) for name in loaded(clause.target)}
                return self.is_known(element, scope)
            case ast.Call(f) if ast.unparse(f) in LENGTHS:
                return True
        return all(self.is_known(child, scope) for child in ast.iter_child_nodes(node))

    def literal(self, numbers: list[Any]) -> Value:
        """What is known, as it is written down."""
        first = numbers[0]
        if not isinstance(first, (list, np.ndarray)):
            return Value(numbers, lambda at: self.text(numbers, at), (), None, known=True)
        dtype, shape = np.asarray(first).dtype, self.loops.shape(numbers)
        if dtype.kind == "i" and len(shape) == 1 and all(np.array_equal(v, np.arange(len(v))) for v in numbers):
            return self.loops.counter([np.asarray(v) for v in numbers])
        return Value(numbers, lambda at: self.text(numbers, at), shape, dtype, known=True)

    def text(self, numbers: list[Any], at: Index) -> str:
        """The element of what is known at an index."""
        first = numbers[0]
        if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            return str(self.loops.length(numbers))
        items = np.asarray(first, order="C")
        every = [[_number(n) for n in np.reshape(v, -1).tolist()] for v in numbers]
        if items.dtype.kind in "bif" and len({text for each in every for text in each}) == 1:
            return every[0][0]
        if items.dtype.kind not in "bif" or items.size > LISTED or any(each != every[0] for each in every):
            raise CannotCompile(f"{first} among numbers")
        place = " + ".join(f"{i} * {n // items.itemsize}" for i, n in zip(self.loops.whole(at), items.strides))
        return f"({', '.join(every[0])},)[{place}]"

    def elementwise(self, numbers: list[Any], template: str, *parts: Value) -> Value:
        """An element of each part put into a template: {0}, {1}; {t} is the dtype of the result."""
        shape, made = self.loops.shape(numbers), self.loops.value(numbers, lambda _: "")
        if made.dtype is not None and made.dtype.kind in "iu" and made.dtype != np.int64:  # else they would not wrap
            template = f"{{t}}({template})"
        made.at = lambda at: template.format(*[part.inside(at, shape) for part in parts], t=made.dtype)
        return made

    def computed(self, node: ast.expr, numbers: list[Any], scope: Scope, into: str) -> Value:
        """An expression by its parts."""
        dtype = getattr(numbers[0], "dtype", None)
        signs = LOGICAL if dtype == np.dtype(bool) else SIGNS

        def values(*parts: ast.expr) -> list[Value]:
            return [self.value(part, scope) for part in parts]

        match node:
            case ast.BinOp(ast.BinOp(a, ast.MatMult(), b), ast.Add(), row):
                return self.product(numbers, into, *values(a, b, row))
            case ast.BinOp(a, ast.MatMult(), b):
                return self.product(numbers, into, *values(a, b))
            case ast.BinOp(a, ast.Pow(), b):
                return self.power(numbers, into, *values(a, b))
            case ast.BinOp(a, op, b) if type(op) in signs:
                parts = [part.to(dtype) for part in values(a, b)]
                return self.elementwise(numbers, f"({{0}} {signs[type(op)]} {{1}})", *parts)
            case ast.UnaryOp(op, a) if type(op) in signs:
                return self.elementwise(numbers, f"({signs[type(op)]}{{0}})", *values(a))
            case ast.Compare(a, [op], [b]):
                left, right = values(a, b)
                common = np.result_type(left.numbers[0], right.numbers[0])
                made = self.elementwise(numbers, f"({{0}} {SIGNS[type(op)]} {{1}})", left.to(common), right.to(common))
                if (labels := _one_hot(node)) is not None:
                    made.labels = self.value(labels, scope)
                return made
            case ast.IfExp(test, a, b) if self.is_known(test, scope):
                tests = {bool(v) for v in self.value(test, scope).numbers}
                if len(tests) > 1:
                    raise CannotCompile(f"{unparsed(test)} depends on the batch")
                return self.value(a if tests.pop() else b, scope, into)
            case ast.Attribute(a, "T" | "mT" as name):
                return self.transposed(numbers, name, *values(a))
            case ast.Subscript(a, index):
                return self.subscript(numbers, self.value(a, scope), self.items(index, scope))
            case ast.Call(ast.Attribute(attr="concatenate" | "stack" as name), [ast.Tuple(parts), *rest]):
                axis = [*rest, *[key.value for key in node.keywords], ast.Constant(0)][0]
                return self.joined(numbers, name, values(*parts), self.value(axis, scope).numbers[0], into)
            case ast.Call(ast.Attribute(attr="fromiter"), [ast.Call(args=[f, ast.Attribute(a, "flat")]), *_]):
                return self.each(numbers, into, *values(f, a))
            case ast.Call(ast.Name(name), args) if name in self.helpers:
                return self.inlined(self.helpers[name], values(*args), self.keywords(node, scope), into)
            case ast.Call(ast.Attribute(ast.Name("np"), name), args):
                return self.call(name, numbers, values(*args), self.keywords(node, scope), into)
            case ast.Call(ast.Attribute(a, name), args):  # a method
                return self.call(name, numbers, values(a, *args), self.keywords(node, scope), into)
            case ast.Call(ast.Name(name), args):  # of Python
                return self.call(name, numbers, values(*args), {}, into)
        raise CannotCompile("several indices at once" if isinstance(node, ast.Tuple) else unparsed(node))

    def product(self, numbers: list[Any], into: str, a: Value, b: Value, row: Value | None = None) -> Value:
        """a @ b by BLAS, which takes either side transposed, and adds it to what is there: the row in every row."""
        loops, result = self.loops, [x @ y for x, y in zip(a.numbers, b.numbers)]
        i, k = "i" * (len(a.shape) > 1), "k" * (len(b.shape) > 1)
        added = row is not None and loops.is_row(row.place, loops.shape(result))
        into = into if added or row is None else ""
        if max(len(a.shape), len(b.shape)) > 2 or not a.dtype == b.dtype == loops.dtype or a.shape[-1] == (0, 0):
            out, added = self.summed(result, into, f"...{i}j,...j{k}->...{i}{k}", a, b), False
        else:
            a, b = (side if side.place else loops.placed(side) for side in (a, b))
            out = loops.array(result, into)
            if added and row is not None:
                loops.repeat(row.place, out.place)
            n, length, m = a.shape[0] if i else ONE, a.shape[-1], b.shape[1] if k else ONE
            sides = ", ".join(f"_address({side.place}), {side.flipped}" for side in (a, b))
            loops.write(f"_matmul({sides}, _address({out.place}), {n}, {m}, {length}, {added})")
        return out if row is None or added else self.elementwise(numbers, "({0} + {1})", out, row.to(out.dtype))

    def summed(self, numbers: list[Any], into: str, subscripts: str, *arrays: Value) -> Value:
        """einsum: for each element of the result loops over the letters that it has not."""
        terms, out = einsum_letters(subscripts, tuple(a.numbers[0] for a in arrays))
        letters = out + "".join(sorted({*"".join(terms)} - {*out}))
        factors = [(a.to(numbers[0].dtype), term) for a, term in zip(arrays, terms)]

        def at(index: Index) -> str:
            where = dict(zip(letters, index))
            places = [tuple("0" if n == ONE else where[c] for c, n in zip(term, a.shape)) for a, term in factors]
            return f"({' * '.join(a.at(place) for (a, _), place in zip(factors, places))})"

        every = ",".join(terms) + "->" + letters
        whole = self.loops.value([np.einsum(every, *each) for each in zip(*[a.numbers for a in arrays])], at)
        over = tuple(range(len(out), len(letters)))
        return self.loops.reduce("sum", whole, over, numbers, into) if over else whole

    def power(self, numbers: list[Any], into: str, a: Value, b: Value) -> Value:
        exponent = b.numbers[0] if b.known and not b.shape and len(set(b.numbers)) == 1 else None
        if exponent in POWERS:
            return self.elementwise(numbers, POWERS[exponent], a.to(getattr(numbers[0], "dtype", None)))
        return self.called("power", numbers, [a, b], into)

    def called(self, name: str, numbers: list[Any], parts: list[Value], into: str) -> Value:
        """A NumPy function by its own inner loop, over arrays without gaps; a single number has one element."""
        loops, dtype = self.loops, numbers[0].dtype
        if dtype not in (np.float32, np.float64):
            raise CannotCompile(f"np.{name} in {dtype}")
        out = loops.array([np.atleast_1d(v) for v in numbers], into if np.ndim(numbers[0]) else "")
        given = []
        for part in parts:
            step = int(bool(part.shape))
            if part.shape != out.shape:
                whole = [np.broadcast_to(v, o.shape if step else 1) for v, o in zip(part.numbers, out.numbers)]
                part = self.elementwise(whole, "{0}", part)
            given.append(f"{loops.placed(part.to(dtype)).place}, {step}")
        loops.write(f"_{name}({', '.join(given)}, {out.place}, {loops.size(out.shape)})")
        return out if np.ndim(numbers[0]) else out.moved(numbers, (), lambda _: ("0",))

    # --- indices ------------------------------------------------------------------------------------------------------

    def items(self, index: ast.expr, scope: Scope) -> list[Value]:
        """What stands between the brackets, without what goes without saying."""
        items = []
        for part in index.elts if isinstance(index, ast.Tuple) else [index]:
            whole = ast.parse(f"np.s_[{ast.unparse(part)}]", mode="eval").body if isinstance(part, ast.Slice) else part
            items.append(self.value(whole, scope))
        if len(items) == 1 and isinstance(items[0].numbers[0], tuple):
            items = [self.literal(list(each)) for each in zip(*items[0].numbers)]
        while items and (items[-1].numbers[0] is ... or str(items[-1].numbers[0]) == str(slice(None))):
            items.pop()
        return items

    def subscript(self, numbers: list[Any], a: Value, items: list[Value]) -> Value:
        """a[items]. Of a mask that is "the label's column", the column of the label."""
        if len(items) == 1 and items[0].labels is not None and items[0].shape == a.shape:
            items = [self.loops.counter([np.arange(len(v)) for v in a.numbers]), items[0].labels]
        if not items:
            return a
        if any(item.shape and item.dtype == np.dtype(bool) for item in items):
            raise CannotCompile("a mask decides how many elements there are")
        result, block = self.loops.shape(numbers), max(len(item.shape) for item in items)  # axes that arrays make
        together = [i for i, item in enumerate(items) if item.shape or isinstance(item.numbers[0], (int, np.integer))]
        if block and together[-1] - together[0] >= len(together):
            raise CannotCompile("a slice between the arrays of an index")
        named = sum(item.numbers[0] is not None and item.numbers[0] is not ... for item in items)

        def where(at: Index) -> Index:
            found, o, shared = list[str](), 0, 0  # where in a; the next axis of at, and the first that arrays make
            for i, item in enumerate(items):
                first = item.numbers[0]
                if first is None:
                    o += 1
                elif first is ...:
                    found += at[o : o + len(a.shape) - named]
                    o += len(a.shape) - named
                elif isinstance(first, slice):
                    found.append(self.stepped(item, a, len(found), at[o]))
                    o += 1
                else:
                    if i == together[0]:
                        shared, o = o, o + block
                    part = slice(shared, shared + block)
                    found.append(self.in_range(item, a, len(found)).inside(at[part], result[part]))
            return (*found, *at[o:])

        return a.moved(numbers, result, where)

    def stepped(self, item: Value, a: Value, axis: int, at: str) -> str:
        """Where the element of a slice at an index lies on that axis of a."""
        lengths = [whole.shape[axis] for whole in a.numbers]
        spans = [v.indices(n) for v, n in zip(item.numbers, lengths)]
        if a.shape[axis].a:  # a batch may be shorter than what the slice takes, or end between two of its steps
            ends = [(end, n) for v, n in zip(item.numbers, lengths) for end in (v.start, v.stop) if end is not None]
            if a.shape[axis].a % spans[0][2] or any(not -n <= end <= n for end, n in ends):
                raise CannotCompile("a slice that takes another part of each batch")
        start, step = str(self.loops.length([span[0] for span in spans])), spans[0][2]
        times = at if step == 1 else f"{step} * {at}"
        return times if start == "0" else f"({start} + {times})"

    def in_range(self, item: Value, a: Value, axis: int) -> Value:
        """An index into that axis of a, or an array of them, from 0 on. Those of an input are looked at before."""
        if item.known:
            if all(np.min(v) >= 0 for v in item.numbers):
                return item
            return self.literal([np.asarray(v) % whole.shape[axis] for v, whole in zip(item.numbers, a.numbers)])
        size, check = self.loops.size, (item.of, str(a.shape[axis]))
        if item.of not in self.inputs or size(item.shape) != size(self.loops.arrays[item.of].shape):
            raise CannotCompile("an index is computed")
        if any(v.size and v.min() < 0 for v in item.numbers):
            raise CannotCompile("an index counts from the end")
        self.checks += [check] * (check not in self.checks)
        return item

    # --- NumPy's functions --------------------------------------------------------------------------------------------

    def keywords(self, node: ast.Call, scope: Scope) -> Scope:
        return {str(key.arg): self.value(key.value, scope) for key in node.keywords}

    def inlined(self, f: ast.FunctionDef, args: list[Value], keywords: Scope, into: str) -> Value:
        """What a function returns, by its own lines."""
        names = [arg.arg for arg in f.args.args]
        defaults = dict(zip(names[::-1], f.args.defaults[::-1]))
        defaults |= {arg.arg: value for arg, value in zip(f.args.kwonlyargs, f.args.kw_defaults) if value is not None}
        scope = {name: self.value(value, {}) for name, value in defaults.items()}
        scope |= dict(zip(names, args)) | keywords
        *lines, last = f.body[ast.get_docstring(f) is not None :]
        if f.args.vararg or not isinstance(last, ast.Return) or last.value is None:
            raise CannotCompile(f.name)
        for line in lines:
            self.statement(line, scope)
        return self.value(last.value, scope, into)

    def call(self, name: str, numbers: list[Any], args: list[Value], given: Scope, into: str) -> Value:
        """A function or method of NumPy's."""
        loops, dtype = self.loops, getattr(numbers[0], "dtype", None)
        if name in DEFINED:
            return self.inlined(DEFINED[name], args, given, into)
        if not args or not given.keys() <= KEYWORDS:
            raise CannotCompile(f"{name}({', '.join(given)})")
        a = args[0]
        match name:
            case "where":
                return self.elementwise(numbers, "({1} if {0} else {2})", a, *[arg.to(dtype) for arg in args[1:]])
            case "reshape" | "ravel" | "squeeze":
                return loops.view(a, numbers, into)
            case "einsum":
                return self.summed(numbers, into, a.numbers[0], *args[1:])
            case "transpose" | "swapaxes":
                return self.transposed(numbers, name, *args)
            case "broadcast_to":
                return self.elementwise(numbers, "{0}", a)
            case "full_like":
                return self.elementwise(numbers, "{0}", args[1].to(dtype))
            case "zeros_like" | "ones_like":
                return self.elementwise(numbers, f"{{t}}({int(name.startswith('ones'))})")
            case "sum" | "mean" | "prod" | "max" | "min" | "cumsum":
                axis = given.get("axis", args[1] if len(args) > 1 else self.literal([None]))
                if name == "cumsum":
                    return self.running(numbers, a, axis.numbers[0], into)
                return loops.reduce(name, a, axis.numbers[0], numbers, into)
        if name in ("astype", str(dtype)):
            return a.to(dtype)
        if name in ELEMENTWISE:
            return self.elementwise(numbers, ELEMENTWISE[name], *[arg.to(dtype) for arg in args])
        if name in CONDITIONS and dtype == np.dtype(bool):
            return self.elementwise(numbers, CONDITIONS[name], *args)
        if name in CALLED:
            return self.called(name, numbers, args, into)
        raise CannotCompile(name)

    def each(self, numbers: list[Any], into: str, f: Value, a: Value) -> Value:
        """A function of math for every element."""
        name = getattr(f.numbers[0], "__name__", "")
        if name not in ("erf", "erfc"):
            raise CannotCompile(name)
        row = self.loops.view(a, [v.reshape(-1) for v in a.numbers])
        return self.loops.placed(self.elementwise(numbers, f"{{t}}({name}(float64({{0}})))", row), into)

    def transposed(self, numbers: list[Any], name: str, a: Value, *args: Value) -> Value:
        turned = getattr(np.empty(tuple(range(len(a.shape)))), name)  # the length of each axis is its number
        order = (turned(*[arg.numbers[0] for arg in args]) if callable(turned) else turned).shape
        made = a.moved(numbers, self.loops.shape(numbers), lambda at: tuple(at[order.index(i)] for i in range(len(at))))
        if order == (1, 0):  # BLAS takes it as it lies there
            made.place, made.flipped = a.place, not a.flipped
        return made

    def running(self, numbers: list[Any], a: Value, axis: int | None, into: str) -> Value:
        """cumsum: each element is the one before it plus its own."""
        a = self.loops.view(a, [v.reshape(-1) for v in a.numbers]) if axis is None else a
        out, axis = self.loops.array(numbers, into), (axis or 0) % len(a.shape)
        before = out.moved(numbers, out.shape, lambda at: (*at[:axis], f"{at[axis]} - 1", *at[axis + 1 :]))
        text = f"({{1}} if {names_of(out.shape)[axis]} == 0 else {{0}} + {{1}})"
        self.loops.fill(out, "=", self.elementwise(numbers, text, before, a.to(out.dtype)))
        return out

    def joined(self, numbers: list[Any], name: str, parts: list[Value], axis: int, into: str) -> Value:
        """concatenate and stack: each part is copied to its place."""
        out, start = self.loops.array(numbers, into), Length(0, 0)
        axis %= len(out.shape)
        for part in parts:

            def where(at: Index, start: Length = start) -> Index:
                here = str(start) if name == "stack" else f"({at[axis]} + {start})"
                return (*at[:axis], here, *at[axis + (name == "concatenate") :])

            self.loops.fill(out.moved(part.numbers, part.shape, where), "=", part)
            length = ONE if name == "stack" else part.shape[axis]
            start = Length(start.a + length.a, start.b + length.b)
        return out


def _one_hot(mask: ast.Compare) -> ast.expr | None:
    """The labels, if it is ``labels[:, None] == np.arange(C)``."""
    match mask:
        case ast.Compare(ast.Subscript(labels, index), [ast.Eq()], [ast.Call(f, [_], [])]):
            return labels if ast.unparse(index).strip("()") == ":, None" and ast.unparse(f) == "np.arange" else None
    return None


def _number(x: Any) -> str:
    return "(inf - inf)" if x != x else str(x)


def _is_taken(name: str) -> bool:
    """Whether the module needs that name itself."""
    return name.startswith("_") or name in RESERVED
