"""A small compiler: functions of numbers and arrays, written in Python, become LLVM's instructions.

It reads what a step's text and the kernels are written in: assignments, loops over a range, ``if``, ``return``;
numbers of NumPy's dtypes, arrays without gaps, tuples. A variable has the kind of its first value. What Numba would
need seconds for, to find the types in anything that people write, is here a look at each expression.

A name that is no variable is looked up when the code is made: a number, a dtype, another such function, or an
`Intrinsic`, which writes instructions itself.
"""

from __future__ import annotations

import ast
import builtins
import operator
import sys
from collections.abc import Sequence
from functools import lru_cache, partial, reduce
from inspect import getsource, signature
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from ..program.expressions import parsed
from . import templates
from .intrinsics import KNOWN
from .kinds import (
    BOOL,
    BYTES,
    INT,
    WORD,
    Array,
    Intrinsic,
    Value,
    arithmetic,
    below,
    call_by_name,
    cast,
    chosen,
    compared,
    constant,
    each_of,
    load,
    negated,
    put,
    several,
    stored,
    types_of,
)
from .values import CannotCompile

SOURCE = "tinygrad_edu_source"  # the name that a module has for its own text, if that is in no file
BODY = "gradients"  # of a step. If LLVM puts it in line in the loop over an epoch's batches, that is slower by a tenth
SIGNS = templates.SIGNS | {ast.BitAnd: "&", ast.BitOr: "|"}
FOLDED = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


@lru_cache(64)
def _functions_in(text: str) -> dict[str, ast.FunctionDef]:
    return {f.name: f for f in parsed(text).body if isinstance(f, ast.FunctionDef)}


def source_of(f: Any) -> ast.FunctionDef:
    """Return the source of a function that stands at the top level of its module."""
    module: ModuleType = sys.modules[f.__module__]
    return _functions_in(vars(module).get(SOURCE) or getsource(module))[f.__name__]


class Made:
    """LLVM's module, with functions for the kinds of their arguments."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self._known: dict[Any, tuple[Any, Any]] = {}

    def function(self, f: Any, kinds: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return LLVM's function of one of Python's, and the kind of its result: the last argument is the place for
        that, as it is known only when all is written."""
        if (f, kinds) not in self._known:
            given = [each for kind in kinds for each in types_of(kind)]
            name = f"{f.__module__}.{f.__name__}.{len(self._known)}"
            made = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [*given, BYTES]), name)
            made.linkage = "internal"
            if f.__name__ == BODY:
                made.attributes.add("noinline")
            self._known[f, kinds] = made, Writer(self, made, f, kinds).result
        return self._known[f, kinds]


class Writer:
    """Writes the instructions of one function.

    Attributes
    ----------
    builder : llvmlite's
    result : the kind of what is returned; None for nothing
    owned : the addresses of memory that is free again when the function returns
    """

    def __init__(self, made: Made, function: Any, f: Any, kinds: tuple[Any, ...]) -> None:
        self.made, self.function, self.space = made, function, f.__globals__
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.result: Any = None
        self._variables: dict[str, tuple[Any, list[Any]]] = {}  # name to kind, and the places of its parts
        self.owned: list[Any] = []
        self._depth = 0  # of the lines that are written: 1 in no loop and no branch
        tree, arguments = source_of(f), list(function.args)
        for arg, kind in zip(tree.args.args, kinds, strict=True):
            n = len(types_of(kind))
            self.assign(arg.arg, Value(kind, tuple(arguments[:n])))
            del arguments[:n]
        self.lines(tree.body)
        if not self.builder.block.is_terminated:
            self.leave()

    # --- statements ---------------------------------------------------------------------------------------------------

    def lines(self, body: Sequence[ast.stmt]) -> None:
        """Write statements, none behind a return; or refuse the first that has no machine code."""
        self._depth += 1
        for line in body:
            if not self.builder.block.is_terminated:
                try:
                    self.line(line)
                except CannotCompile:  # in a line below, or in another function
                    raise
                except Exception as error:
                    first = ast.unparse(line).splitlines()[0]
                    raise CannotCompile(f"no machine code for `{first}`: {error}") from error
        self._depth -= 1

    def line(self, line: ast.stmt) -> None:
        """Write a statement."""
        builder = self.builder
        match line:
            case ast.Expr(ast.Constant()):
                pass
            case ast.Expr(value):
                self.value(value)
            case ast.Assign(targets, value):
                made = self.value(value)
                for target in targets:
                    self.store(target, made)
            case ast.AugAssign(target, op, value):
                place = self.place(target) if isinstance(target, ast.Subscript) else None
                old = load(builder, *place) if place else self.value(target)
                new = arithmetic(builder, SIGNS[type(op)], self.lifted(old), self.number(value))
                put(builder, *place, new) if place else self.store(target, new)
            case ast.For(ast.Name(name), ast.Call(ast.Name("range"), given, []), body, []):
                self.loop(name, [cast(builder, self.number(each), INT) for each in given], body)
            case ast.If(test, body, other):
                with builder.if_else(self.test(test)) as (then, otherwise):
                    with then:
                        self.lines(body)
                    with otherwise:
                        self.lines(other)
            case ast.Return(value):
                self.leave(None if value is None else self.lifted(self.value(value)))
            case _:
                raise NotImplementedError("there is none for such a line")

    def store(self, target: ast.expr, value: Any) -> None:
        """Write ``target = value``."""
        match target:
            case ast.Name(name):
                self.assign(name, self.lifted(value))
            case ast.Tuple(targets):
                values = each_of(value) if isinstance(value, Value) else value
                for each, part in zip(targets, [self.lifted(part) for part in values], strict=True):
                    self.store(each, part)
            case ast.Subscript(array, ast.Slice(None, None, None)):
                (to, n), (start, _) = self.value(array).parts, value.parts
                cgutils.raw_memcpy(self.builder, to, start, n, value.kind.dtype.itemsize)
            case ast.Subscript():
                put(self.builder, *self.place(target), self.lifted(value))

    def assign(self, name: str, value: Value) -> None:
        """Give a variable a value, of the kind of its first one."""
        if name not in self._variables:
            self._variables[name] = value.kind, [self.room(each) for each in types_of(value.kind)]
        kind, places = self._variables[name]
        for part, place in zip(self.fitting(name, kind, value).parts, places):
            self.builder.store(part, place)

    def fitting(self, name: str, kind: Any, value: Value) -> Value:
        """Return a value as one of this kind, if that holds it."""
        if kind == value.kind:
            return value
        if not isinstance(kind, np.dtype) or np.promote_types(kind, value.kind) != kind:
            raise TypeError(f"{name} is {kind}, and then {value.kind}")
        return cast(self.builder, value, kind)

    def loop(self, name: str, given: list[Value], body: Sequence[ast.stmt]) -> None:
        """Write a loop over a range that counts up."""
        numbers = [each.parts[0] for each in given]
        start, stop, step = {1: [WORD(0), *numbers, WORD(1)], 2: [*numbers, WORD(1)]}.get(len(numbers), numbers)
        if below(step, 1):
            raise ValueError("it counts down")
        builder = self.builder
        test, inside, end = (builder.append_basic_block(part) for part in ("for", "body", "end"))
        at = self.room(WORD)
        builder.store(start, at)
        builder.branch(test)
        builder.position_at_end(test)
        now = builder.load(at)
        builder.cbranch(builder.icmp_signed("<", now, stop), inside, end)
        builder.position_at_end(inside)
        self.assign(name, Value(INT, (now,)))
        self.lines(body)
        if not builder.block.is_terminated:
            builder.store(builder.add(now, step, flags=["nsw"]), at)
            builder.branch(test)
        builder.position_at_end(end)

    def leave(self, value: Value | None = None) -> None:
        """Write a return: of the kind of the first one. Arrays that were made here are free again, but for a result,
        which is one of them as a whole."""
        builder = self.builder
        if value is not None:
            self.result = value.kind if self.result is None else self.result
            value = self.fitting("the result", self.result, value)
            kind = ir.LiteralStructType(types_of(self.result))
            place = builder.bitcast(self.function.args[-1], kind.as_pointer())
            for i, part in enumerate(value.parts):
                builder.store(part, builder.gep(place, [ir.IntType(32)(0), ir.IntType(32)(i)], inbounds=True))
        for memory in self.owned:
            if value is not None and isinstance(value.kind, Array):
                kept = builder.icmp_unsigned("==", memory, builder.bitcast(value.parts[0], BYTES))
                memory = builder.select(kept, BYTES(None), memory)
            call_by_name(builder, "free", ir.VoidType(), memory)
        builder.ret_void()

    # --- expressions --------------------------------------------------------------------------------------------------

    def number(self, node: ast.expr) -> Value:
        """Return an expression as a value, if it is a number of Python, too."""
        return self.lifted(self.value(node))

    def test(self, node: ast.expr) -> Any:
        """Return an expression as a condition, in a register."""
        return cast(self.builder, self.number(node), BOOL).parts[0]

    def lifted(self, value: Any) -> Value:
        """Return a number of Python, or a tuple of values, as a value."""
        if isinstance(value, Value):
            return value
        return several([self.lifted(each) for each in value]) if isinstance(value, tuple) else constant(value)

    def value(self, node: ast.expr) -> Any:
        """Return an expression as a `Value`, or as what is known of it now: a number, a dtype, a function, a tuple."""
        builder = self.builder
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self.named(name)
            case ast.Tuple(parts):
                return tuple(map(self.value, parts))
            case ast.Attribute(part, name):
                return self.attribute(self.value(part), name)
            case ast.Subscript():
                return self.subscript(node)
            case ast.BinOp(left, op, right):
                a, b, sign = self.value(left), self.value(right), SIGNS[type(op)]
                if sign in FOLDED and not isinstance(a, Value) and not isinstance(b, Value):
                    return FOLDED[sign](a, b)
                return arithmetic(builder, sign, self.lifted(a), self.lifted(b))
            case ast.UnaryOp(ast.Not(), part):
                return Value(BOOL, (builder.not_(self.test(part)),))
            case ast.UnaryOp(ast.USub(), part):
                value = self.value(part)
                return negated(builder, value) if isinstance(value, Value) else -value
            case ast.BoolOp(op, [first, *rest]):
                return self.either(isinstance(op, ast.Or), first, rest)
            case ast.Compare(first, signs, rest):
                values = [self.number(part) for part in (first, *rest)]
                tests = [compared(builder, SIGNS[type(sign)], *pair) for sign, pair in zip(signs, pairwise(values))]
                while len(tests) > 1:
                    tests[:2] = [arithmetic(builder, "&", *tests[:2])]
                return tests[0]
            case ast.IfExp(test, a, b):
                return chosen(builder, self.test(test), lambda: self.number(a), lambda: self.number(b))
            case ast.Call(f, args, []):
                return self.call(self.value(f), [self.value(arg) for arg in args])
        raise NotImplementedError(f"there is none for {ast.unparse(node)}")

    def either(self, enough: bool, first: ast.expr, rest: list[ast.expr]) -> Value:
        """Return ``first or rest``, or ``first and rest``, as a condition. The rest is looked at where the first does
        not decide."""
        test = self.test(first)
        if not rest:
            return Value(BOOL, (test,))
        decided = constant(enough)
        ways = [lambda: decided, lambda: self.either(enough, rest[0], rest[1:])]
        return chosen(self.builder, test, *(ways if enough else ways[::-1]))

    def named(self, name: str) -> Any:
        """Return a variable's value, or what the module knows by that name."""
        if name in self._variables:
            kind, places = self._variables[name]
            return Value(kind, tuple(map(self.builder.load, places)))
        return self.space[name] if name in self.space else getattr(builtins, name)

    def attribute(self, value: Any, name: str) -> Any:
        """Return the size, shape or dtype of an array, or a name in a module."""
        if not isinstance(value, Value):
            return getattr(value, name)
        if name == "dtype":
            return value.kind.dtype
        if name not in ("shape", "size"):
            raise AttributeError(f"{name} is no attribute that has any")
        lengths = tuple(Value(INT, (n,)) for n in value.parts[1:])
        return lengths if name == "shape" else reduce(partial(arithmetic, self.builder, "*"), lengths)

    def call(self, f: Any, args: list[Any]) -> Any:
        """Return the result of a call."""
        f = KNOWN.get(f, f)
        if isinstance(f, Intrinsic):
            return f.code(self, *args)
        if isinstance(f, type):
            return cast(self.builder, self.lifted(args[0]), np.dtype(f))
        rule = getattr(f, "py_func", f)
        defaults = [each.default for each in signature(rule).parameters.values()][len(args) :]
        values = [self.lifted(arg) for arg in (*args, *defaults)]
        function, kind = self.made.function(rule, tuple(value.kind for value in values))
        given = [part for value in values for part in value.parts]
        if kind is None:
            return self.builder.call(function, [*given, BYTES(None)])
        types = types_of(kind)
        room = self.room(ir.LiteralStructType(types))
        self.builder.call(function, [*given, self.builder.bitcast(room, BYTES)])
        index = [[ir.IntType(32)(0), ir.IntType(32)(i)] for i in range(len(types))]
        found = tuple(self.builder.load(self.builder.gep(room, at, inbounds=True)) for at in index)
        if isinstance(kind, Array):
            self.own(self.builder.bitcast(found[0], BYTES))
        return Value(kind, found)

    # --- arrays -------------------------------------------------------------------------------------------------------

    def subscript(self, node: ast.Subscript) -> Any:
        """Return an element, a part of an array of one axis, or the number at a place of a tuple."""
        of = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            (data, n), zero = of.parts, constant(0)
            if node.slice.step:
                raise NotImplementedError("there is none for a slice with a step")
            begin, end = (
                self.number(x) if x else default
                for x, default in ((node.slice.lower, zero), (node.slice.upper, Value(INT, (n,))))
            )
            data = self.builder.gep(data, begin.parts, inbounds=True)
            return Value(of.kind, (data, *arithmetic(self.builder, "-", end, begin).parts))
        if isinstance(of, tuple):
            index = self.value(node.slice)
            return of[index] if isinstance(index, int) else self.listed(of, index)
        return load(self.builder, *self.place(node))

    def listed(self, numbers: tuple[Any, ...], index: Value) -> Value:
        """Return the number at an index in a list that is known."""
        dtype = np.array(numbers).dtype
        values = [constant(dtype.type(each)) for each in numbers]
        kind = ir.ArrayType(stored(dtype), len(values))
        table = ir.GlobalVariable(self.made.module, kind, self.made.module.get_unique_name("listed"))
        table.linkage, table.global_constant = "internal", True
        table.initializer = kind([kind.element(value.parts[0].constant) for value in values])
        place = self.builder.gep(table, [WORD(0), *cast(self.builder, index, INT).parts], inbounds=True)
        return load(self.builder, place, Array(dtype, 1))

    def place(self, node: ast.Subscript) -> tuple[Any, Array]:
        """Return the address of an element, and its array's kind. A single number counts through all elements."""
        array, index, at = self.value(node.value), self.value(node.slice), WORD(0)
        for k, each in enumerate(index if isinstance(index, tuple) else (index,)):
            (i,) = cast(self.builder, self.lifted(each), INT).parts
            if below(i, 0):
                raise IndexError("it counts from the end")
            before = self.builder.mul(at, array.parts[1 + k], flags=["nsw"]) if k else None
            at = self.builder.add(before, i, flags=["nsw"]) if k else i
        return self.builder.gep(array.parts[0], [at], inbounds=True), array.kind

    # --- memory -------------------------------------------------------------------------------------------------------

    def room(self, kind: Any) -> Any:
        """Return a place for a variable."""
        with self.builder.goto_entry_block():
            return self.builder.alloca(kind)

    def own(self, memory: Any) -> None:
        """Have memory be free again when the function returns."""
        if self._depth > 1:  # there a loop would make it again, or a branch not at all
            raise NotImplementedError("an array is made within a loop or a branch")
        self.owned.append(memory)
