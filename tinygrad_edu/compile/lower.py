"""A program's NumPy lines, read as loops that a machine-code compiler likes.

A step's machine code is made of the result. ``d_z = d_h * np.sign(h)`` becomes::

    for _0 in range(16 * _N):
        d_z[_0] = (d_h[_0] * (float32(1) if h[_0] > 0 else ...))

A line is read from the inside out. Each operator and each function of NumPy in it gives a `Value`, the text of an
element (`functions` and `values`), and `loops` writes the loops. Matrix products become loops of vectors, large ones
calls of NumPy's BLAS (`products`); exp, tanh and the like become calls of NumPy's own inner loops, with NumPy's speed
and NumPy's bits. No array is allocated: every result has its place in one workspace (`memory`), gradients have theirs
in the flat gradient.

The shapes are learned by running the program on batches of 3, 5 and 1 samples: a length is a · N + b, and an array that
does not fit that for every N is refused.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.expressions import loaded, parsed, unparsed
from ..program.program import Program
from .functions import Functions
from .loops import Loops, nested
from .memory import Memory
from .table import REFUSED
from .templates import DEFINED, LOGICAL, RESERVED, SIGNS, apart
from .values import CannotCompile, Elements, Length, Shape, Steps, Value, names_of, size_of

BATCHES = (3, 5, 1)
LENGTHS = ("len", "np.shape", "np.ndim", "np.size", "np.result_type")  # known for every N, whatever the argument

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
    products : (n, m, k) of each product of matrices
    """

    lines: list[str]
    places: dict[str, tuple[Length, Shape]]
    size: Length
    checks: list[tuple[str, str]]
    shapes: dict[str, Shape]
    numbers: dict[str, int]
    products: list[Shape]


def lower(
    program: Program,
    batches: Sequence[Mapping[str, Any]],
    fixed: set[str],
    sizes: Sequence[int] = BATCHES,
    flat: bool = True,
    output: str = "",
) -> Lowered:
    """Turn the lines of a program into loops.

    Parameters
    ----------
    program : from `program.trace`
    batches : the program's inputs, for each number of samples in sizes
    fixed : names of the inputs and results that lie somewhere already, as gradients in the flat buffer do; all other
        arrays get a place in the workspace
    flat : whether ``a[i]`` may stand for the i-th of all elements
    output : the name of an array that is read afterwards, beside the loss

    Raises
    ------
    CannotCompile : a line that has no loops here; the message holds it
    """
    memory = Memory(Elements(sizes), program.inputs[program.gradients[0]].dtype, fixed)
    loops = Loops(memory.elements, memory, flat)
    reader = _Reader(program, batches, loops)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in program.forward + program.backward:
            try:
                reader.statement(parsed(str(line)).body[0], reader.scope)
            except Exception as error:
                why = str(error) or type(error).__name__
                raise CannotCompile(f"`{line}` has no compiled form ({why}); train without compiled=True") from error
    loops.close()
    memory.share(loops.lines, {*program.inputs}, {program.loss, output} & memory.regions.keys())
    places, size = memory.places()
    shapes = {name: region.shape for name, region in memory.regions.items()}
    return Lowered(memory.views() + loops.lines, places, size, reader.checks, shapes, memory.numbers(), loops.products)


class _Reader:
    """Reads Python; has `Functions` make Values and `Loops` write.

    Attributes
    ----------
    scope : name to Value, of the program's variables
    checks : see `Lowered`
    """

    def __init__(self, program: Program, batches: Sequence[Mapping[str, Any]], loops: Loops) -> None:
        self.loops, self.memory, self.elements, self.functions = loops, loops.memory, loops.elements, Functions(loops)
        self.namespace: dict[str, Any] = {}
        exec(program.helpers, self.namespace)
        self.helpers = {f.name: f for f in parsed(program.helpers).body if isinstance(f, ast.FunctionDef)}
        self.helpers |= {name: DEFINED[there] for name, there in program.own.items() if there in DEFINED}
        self.inputs = set(program.inputs)
        self.checks: list[tuple[str, str]] = []
        self.scope: Scope = {}
        for name in program.inputs:
            self.scope[name] = self.memory.array([np.asarray(batch[name]) for batch in batches], name)
            if self.memory.regions[name].base:
                raise CannotCompile(f"{name} is {program.inputs[name].dtype} among {self.memory.dtype}")
        for name in {*program.inputs, program.loss}:
            if _is_taken(name):
                raise CannotCompile(f"the name {name} means something else in machine code; call the tensor otherwise")

    # --- lines --------------------------------------------------------------------------------------------------------

    def statement(self, line: ast.stmt, scope: Scope) -> None:
        """Read an assignment: of the program, or of a function that it calls."""
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
            place = name if scope is self.scope and not _is_taken(name) else self.memory.fresh(name)
            made[name] = self.settled(self.value(value, scope, place), place)
        scope |= made

    def settled(self, value: Value, name: str) -> Value:
        """Return a value that later lines can use under this name. Floats are computed now; whole numbers and
        conditions stay text, which is put in wherever they are used."""
        loops = self.loops
        if name in self.memory.fixed and value.place != name:
            array = self.memory.array(value.numbers, name)
            loops.store(array, value)
            return array
        if value.dtype is None or value.dtype.kind != "f" or value.place == name:
            return value
        if value.of and not value.place and len(value.shape) > len(self.memory.regions[value.of].shape):
            return value  # windows: a copy would have each number many times
        if not value.shape:
            return loops.scalar(value, name)
        if value.place and not value.flipped:
            return loops.view(value, value.numbers, name)
        return loops.placed(value, name)

    def change(self, target: ast.expr, sign: str, value: ast.expr, scope: Scope) -> None:
        """Write ``a[index] = value``, or "+="."""
        old, new = self.value(target, scope), self.value(value, scope)
        if not old.of:
            raise CannotCompile(f"{unparsed(target)} is no array")
        if old.of in self.memory.sources(new):
            new = self.loops.placed(new)
        for name, other in scope.items():
            if not other.place and not other.known and old.of in self.memory.sources(other):
                raise CannotCompile(f"{name} was made of what it changes")
        self.loops.close()  # the loop that waits may read there
        if old.place and sign == "=":
            self.loops.store(old, new)
        else:
            self.loops.fill(old, sign, new)

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, scope: Scope, into: str = "") -> Value:
        """Return the result of an expression. into is the name of the array for it, if it has to be computed now."""
        if isinstance(node, ast.Name) and node.id in scope:
            return scope[node.id]
        if isinstance(node, ast.Constant):
            return self.elements.literal([node.value] * len(self.elements.sizes))
        text, names = unparsed(node), loaded(node) & scope.keys()
        code = compile(text, text, "eval")
        batches = [{name: scope[name].numbers[k] for name in names} for k in range(len(self.elements.sizes))]
        numbers = [eval(code, self.namespace | batch) for batch in batches]
        known, fraction = self.is_known(node, scope), isinstance(numbers[0], (float, np.floating))
        if known and not (fraction and len(set(numbers)) > 1):
            return self.elements.literal(numbers)
        return self.computed(node, numbers, scope, into)

    def is_known(self, node: ast.AST, scope: Scope) -> bool:
        """Return whether an expression is made of lengths alone, and so known for every N."""
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

    def computed(self, node: ast.expr, numbers: list[Any], scope: Scope, into: str) -> Value:
        """Return the result of an expression by its parts. There is a case for each kind of expression."""
        dtype = getattr(numbers[0], "dtype", None)
        signs = LOGICAL if dtype == np.dtype(bool) else SIGNS
        elementwise = self.elements.elementwise

        def values(*parts: ast.expr) -> list[Value]:
            return [self.value(part, scope) for part in parts]

        match node:
            case ast.BinOp(ast.BinOp(a, ast.MatMult(), b), ast.Add(), row):
                return self.functions.product(numbers, into, *values(a, b, row))
            case ast.BinOp(a, ast.MatMult(), b):
                return self.functions.product(numbers, into, *values(a, b))
            case ast.BinOp(a, ast.Pow(), b):
                return self.functions.power(numbers, into, *values(a, b))
            case ast.BinOp(a, op, b) if type(op) in signs:
                return elementwise(numbers, f"({{0}} {signs[type(op)]} {{1}})", *[v.to(dtype) for v in values(a, b)])
            case ast.UnaryOp(op, a) if type(op) in signs:
                return elementwise(numbers, f"({signs[type(op)]}{{0}})", *values(a))
            case ast.Compare(a, [op], [b]):
                left, right = values(a, b)
                common = np.result_type(left.numbers[0], right.numbers[0])
                made = elementwise(numbers, f"({{0}} {SIGNS[type(op)]} {{1}})", left.to(common), right.to(common))
                if (labels := _one_hot(node)) is not None:
                    made.labels = self.value(labels, scope)
                return made
            case ast.IfExp(test, a, b) if self.is_known(test, scope):
                tests = {bool(v) for v in self.value(test, scope).numbers}
                if len(tests) > 1:
                    raise CannotCompile(f"{unparsed(test)} depends on the batch")
                return self.value(a if tests.pop() else b, scope, into)
            case ast.Attribute(a, "T" | "mT" as name):
                return self.functions.transposed(numbers, name, *values(a))
            case ast.Subscript(a, index):
                return self.subscript(numbers, self.value(a, scope), self.items(index, scope))
            case ast.Call():
                return self.call(node, numbers, scope, into)
        raise CannotCompile("several indices at once" if isinstance(node, ast.Tuple) else unparsed(node))

    def call(self, node: ast.Call, numbers: list[Any], scope: Scope, into: str) -> Value:
        """Return the result of a call: of a helper of the program, of NumPy, a method, or Python's."""
        match node.func, node.args:
            case ast.Attribute(attr="concatenate" | "stack" as name), [ast.Tuple(parts), *rest]:
                axis = [*rest, *[key.value for key in node.keywords], ast.Constant(0)][0]
                joined, along = [self.value(part, scope) for part in parts], self.value(axis, scope).numbers[0]
                return self.loops.joined(numbers, joined, along, name == "stack", into)
            case ast.Attribute(attr="fromiter"), [ast.Call(args=[f, ast.Attribute(a, "flat")]), *_]:
                return self.functions.each(numbers, into, self.value(f, scope), self.value(a, scope))
            case ast.Attribute(ast.Name("np"), name) | ast.Name(name), given:
                pass
            case ast.Attribute(a, name), given:  # a method
                given = [a, *given]
            case _:
                raise CannotCompile(unparsed(node))
        function = self.helpers.get(name) if isinstance(node.func, ast.Name) else None
        function = function or DEFINED.get(name)
        if function is not None and any(isinstance(part, ast.Tuple) for part in given):
            function, given = apart(function, given)
        args = [self.value(part, scope) for part in given]
        keywords = {str(key.arg): self.value(key.value, scope) for key in node.keywords}
        if function is not None:
            return self.inlined(function, args, keywords, into)
        return self.functions.call(name, numbers, args, keywords, into)

    def inlined(self, f: ast.FunctionDef, args: list[Value], keywords: Scope, into: str) -> Value:
        """Return the result of a function, by its own lines."""
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

    # --- indices ------------------------------------------------------------------------------------------------------

    def items(self, index: ast.expr, scope: Scope) -> list[Value]:
        """Return what stands between the brackets, without ``:`` and ``...`` at the end."""
        items = []
        for part in index.elts if isinstance(index, ast.Tuple) else [index]:
            whole = parsed(f"np.s_[{ast.unparse(part)}]", mode="eval").body if isinstance(part, ast.Slice) else part
            items.append(self.value(whole, scope))
        if len(items) == 1 and isinstance(items[0].numbers[0], tuple):
            items = [self.elements.literal(list(each)) for each in zip(*items[0].numbers)]
        while items and (items[-1].numbers[0] is ... or str(items[-1].numbers[0]) == str(slice(None))):
            items.pop()
        return items

    def subscript(self, numbers: list[Any], a: Value, items: list[Value]) -> Value:
        """Return a[items]. A mask that is true in the label's column is read as the column of the label."""
        if len(items) == 1 and items[0].labels is not None and items[0].shape == a.shape:
            items = [self.elements.counter([np.arange(len(v)) for v in a.numbers]), items[0].labels]
        if not items:
            return a
        if any(item.shape and item.dtype == np.dtype(bool) for item in items):
            raise CannotCompile("a mask decides how many elements there are")
        shape = self.elements.shape(numbers)
        together = [i for i, item in enumerate(items) if item.shape or isinstance(item.numbers[0], (int, np.integer))]
        if any(item.shape for item in items) and together[-1] - together[0] >= len(together):
            raise CannotCompile("a slice between the arrays of an index")
        named = sum(item.numbers[0] is not None and item.numbers[0] is not ... for item in items)
        index, axis = list[Steps | Value | None](), 0
        for item in items:
            first = item.numbers[0]
            if first is None:
                index.append(None)
            elif first is ...:
                index += [Steps()] * (len(a.shape) - named)
                axis += len(a.shape) - named
            else:
                index.append(self.steps(item, a, axis) if isinstance(first, slice) else self.in_range(item, a, axis))
                axis += 1
        return self.elements.part(numbers, a, index, shape)

    def steps(self, item: Value, a: Value, axis: int) -> Steps:
        """Return a slice of that axis of a."""
        lengths = [whole.shape[axis] for whole in a.numbers]
        spans = [v.indices(n) for v, n in zip(item.numbers, lengths)]
        if a.shape[axis].a:  # a batch may be shorter than what the slice takes, or end between two of its steps
            ends = [(end, n) for v, n in zip(item.numbers, lengths) for end in (v.start, v.stop) if end is not None]
            if a.shape[axis].a % spans[0][2] or any(not -n <= end <= n for end, n in ends):
                raise CannotCompile("a slice that takes another part of each batch")
        return Steps(self.elements.length([span[0] for span in spans]), spans[0][2])

    def in_range(self, item: Value, a: Value, axis: int) -> Value:
        """Return an index into that axis of a, or an array of them, from 0 on. Those of an input are checked in every
        batch, before anything is computed; others where they are."""
        if item.known:
            if all(np.min(v) >= 0 for v in item.numbers):
                return item
            return self.elements.literal(
                [np.asarray(v) % whole.shape[axis] for v, whole in zip(item.numbers, a.numbers)]
            )
        check = (item.of, str(a.shape[axis]))
        if any(v.size and v.min() < 0 for v in item.numbers):
            raise CannotCompile("an index counts from the end")
        if item.of not in self.inputs or size_of(item.shape) != size_of(self.memory.regions[item.of].shape):
            item = self.loops.placed(item)
            over = names_of(item.shape)
            refused = [f"if not 0 <= {item.at(over)} < {a.shape[axis]}:", f"    return {REFUSED}"]
            self.loops.write(*nested(zip(over, item.shape), refused))
        else:
            self.checks += [check] * (check not in self.checks)
        return item


def _one_hot(mask: ast.Compare) -> ast.expr | None:
    """Return the labels, if the mask is ``labels[:, None] == np.arange(C)``."""
    match mask:
        case ast.Compare(ast.Subscript(labels, index), [ast.Eq()], [ast.Call(f, [_], [])]):
            return labels if ast.unparse(index).strip("()") == ":, None" and ast.unparse(f) == "np.arange" else None
    return None


def _is_taken(name: str) -> bool:
    """Return whether the module needs that name itself."""
    return name.startswith("_") or name in RESERVED
