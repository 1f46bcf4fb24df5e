"""NumPy's functions and operators, on Values: which are the text of an element, and which need a loop or a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..extras.ops import einsum_letters
from .loops import Loops
from .templates import CALLED, CONDITIONS, ELEMENTWISE, POWERS
from .values import CannotCompile, Value

KEYWORDS = {"axis", "keepdims", "ddof", "dtype", "constant_values"}


class Functions:
    """NumPy's functions, with `Loops` to write.

    Every method takes numbers, the results on the batches, and most take into, the name of the array for the result, if
    it has to be computed now.
    """

    def __init__(self, loops: Loops) -> None:
        self.loops, self.elements = loops, loops.elements

    def call(self, name: str, numbers: list[Any], args: list[Value], given: Mapping[str, Value], into: str) -> Value:
        """Return a function's or method's result, by the function's name. It has a case for each kind of function."""
        if not args or not given.keys() <= KEYWORDS:
            raise CannotCompile(f"{name}({', '.join(given)})")
        elementwise, a, dtype = self.elements.elementwise, args[0], getattr(numbers[0], "dtype", None)
        match name:
            case "where":
                return elementwise(numbers, "({1} if {0} else {2})", a, *[arg.to(dtype) for arg in args[1:]])
            case "reshape" | "ravel" | "squeeze":
                return self.loops.view(a, numbers, into)
            case "einsum":
                return self.einsum(numbers, into, a.numbers[0], *args[1:])
            case "sliding_window_view":
                return self.elements.windows(numbers, a)
            case "transpose" | "swapaxes":
                return self.transposed(numbers, name, *args)
            case "broadcast_to":
                return elementwise(numbers, "{0}", a)
            case "full_like":
                return elementwise(numbers, "{0}", args[1].to(dtype))
            case "zeros_like" | "ones_like":
                return elementwise(numbers, f"{{t}}({int(name == 'ones_like')})")
            case "sum" | "mean" | "prod" | "max" | "min" | "cumsum":
                axis = given["axis"] if "axis" in given else args[1] if len(args) > 1 else None
                along = None if axis is None else axis.numbers[0]
                if name == "cumsum":
                    return self.cumsum(numbers, a, along, into)
                return self.loops.reduce(name, a, along, numbers, into)
            case _ if name in ("astype", str(dtype)):
                return a.to(dtype)
            case _ if name in ELEMENTWISE:
                return elementwise(numbers, ELEMENTWISE[name], *[arg.to(dtype) for arg in args])
            case _ if name in CONDITIONS and dtype == np.dtype(bool):
                return elementwise(numbers, CONDITIONS[name], *args)
            case "mod" | "remainder" | "floor_divide" if self.of_integers(dtype, *args):
                return elementwise(numbers, f"({{0}} {'//' if name == 'floor_divide' else '%'} {{1}})", *args)
            case _ if name in CALLED:
                return self.called(name, numbers, args, into)
        raise CannotCompile(name)

    def product(self, numbers: list[Any], into: str, a: Value, b: Value, row: Value | None = None) -> Value:
        """Return a @ b, plus a row; by `products`, if they are matrices or vectors of the workspace's dtype."""
        memory, result = self.loops.memory, [x @ y for x, y in zip(a.numbers, b.numbers)]
        if max(len(a.shape), len(b.shape)) > 2 or not a.dtype == b.dtype == memory.dtype or a.shape[-1] == (0, 0):
            i, k = "i" * (len(a.shape) > 1), "k" * (len(b.shape) > 1)
            out, added = self.einsum(result, into * (row is None), f"...{i}j,...j{k}->...{i}{k}", a, b), False
        else:
            added = row is not None and memory.is_row(row.place, self.elements.shape(result))
            out = self.loops.product(result, a, b, row if added else None, into * (added or row is None))
        if row is None or added:
            return out
        return self.elements.elementwise(numbers, "({0} + {1})", out, row.to(out.dtype))

    def einsum(self, numbers: list[Any], into: str, subscripts: str, *arrays: Value) -> Value:
        """Return an einsum: for each element of the result, loops over the letters that it has not."""
        terms, out = einsum_letters(subscripts, tuple(a.numbers[0] for a in arrays))
        letters = out + "".join(sorted({*"".join(terms)} - {*out}))
        factors = [(a.to(numbers[0].dtype), term) for a, term in zip(arrays, terms)]
        every = ",".join(terms) + "->" + letters
        whole = [np.einsum(every, *each) for each in zip(*[a.numbers for a in arrays])]
        products = self.elements.products(whole, letters, factors)
        over = tuple(range(len(out), len(letters)))
        return self.loops.reduce("sum", products, over, numbers, into) if over else products

    def power(self, numbers: list[Any], into: str, a: Value, b: Value) -> Value:
        """Return a ** b; by products and roots, where NumPy computes it so."""
        exponent = b.numbers[0] if b.known and not b.shape and len(set(b.numbers)) == 1 else None
        if exponent in POWERS:
            return self.elements.elementwise(numbers, POWERS[exponent], a.to(getattr(numbers[0], "dtype", None)))
        return self.called("power", numbers, [a, b], into)

    def called(self, name: str, numbers: list[Any], parts: list[Value], into: str) -> Value:
        """Return a NumPy function of floats, by its own inner loop."""
        if numbers[0].dtype not in (np.float32, np.float64):
            raise CannotCompile(f"np.{name} in {numbers[0].dtype}")
        return self.loops.called(name, numbers, parts, into)

    def of_integers(self, dtype: Any, a: Value, b: Value) -> bool:
        """Return whether a // b is one of integers, by a number that is known and not 0."""
        return dtype is not None and dtype.kind in "iu" and b.known and all(np.all(v) for v in b.numbers)

    def each(self, numbers: list[Any], into: str, f: Value, a: Value) -> Value:
        """Return a function of Python's math module for every element."""
        name = getattr(f.numbers[0], "__name__", "")
        if name not in ("erf", "erfc"):
            raise CannotCompile(name)
        row = self.loops.view(a, [v.reshape(-1) for v in a.numbers])
        text = f"{{t}}({name}(float64({{0}})))"
        return self.loops.placed(self.elements.elementwise(numbers, text, row), into)

    def transposed(self, numbers: list[Any], name: str, a: Value, *args: Value) -> Value:
        """Return a with its axes in another order: T, mT, transpose(...) or swapaxes(...)."""
        turned = getattr(np.empty(tuple(range(len(a.shape)))), name)  # the length of each axis is its number
        order = (turned(*[arg.numbers[0] for arg in args]) if callable(turned) else turned).shape
        return self.elements.transposed(numbers, order, a)

    def cumsum(self, numbers: list[Any], a: Value, axis: int | None, into: str) -> Value:
        """Return the running sums along an axis; None: of all elements, in a row."""
        a = self.loops.view(a, [v.reshape(-1) for v in a.numbers]) if axis is None else a
        return self.loops.running(numbers, a, (axis or 0) % len(a.shape), into)
