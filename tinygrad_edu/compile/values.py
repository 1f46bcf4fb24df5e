"""Arrays that are not computed yet: each one knows the text of any of its elements.

Of ``h * np.sign(z)`` the element at ("_0", "_1") is the text "(h[_0, _1] * ...)". A `Value` is such an array, and
`Elements` makes Values out of Values: by operators, in another order, as a part. No loop is written for that; `loops`
writes one when a Value has to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

LISTED = 64  # numbers that may be written down one by one
Index = tuple[str, ...]  # a text for each axis
Read = tuple[str, Index]  # an array's name, and where it is read; ("", index) where a text uses the index itself


class CannotCompile(ValueError):
    """Refusal to compile: a line has no loops, or the optimizer has a rule or a step of its own."""


class Length(NamedTuple):
    """A number that depends on the number of samples: a · N + b."""

    a: int
    b: int

    def __str__(self) -> str:
        if not self.a:
            return str(self.b)
        times = "_N" if self.a == 1 else f"({self.a} * _N)"
        return times if not self.b else f"({times} + {self.b})"


Shape = tuple[Length, ...]
ONE = Length(0, 1)


def size_of(shape: Shape) -> Length:
    """Return the number of elements."""
    grows, rest = [n for n in shape if n.a], prod(n.b for n in shape if not n.a)
    if len(grows) > 1:
        raise CannotCompile("it would take memory for the square of the batch")
    return Length(grows[0].a * rest, grows[0].b * rest) if grows else Length(0, rest)


def names_of(shape: Shape) -> Index:
    """Return a loop variable for each axis."""
    return tuple(f"_{i}" for i in range(len(shape)))


def tuple_text(shape: Shape) -> str:
    """Return what stands between the brackets of a tuple of these lengths."""
    return "".join(f"{n}, " for n in shape)


@dataclass
class Value:
    """The result of an expression.

    Attributes
    ----------
    numbers : the result on each of some batches. NumPy computes them, and so decides about shapes and dtypes
    at : the text of the element at an index
    dtype : None for a Python number, which takes the dtype of the array that it meets
    place : the name of the array, if the Value lies in memory, in this order, or, if flipped, transposed
    of : the name of the array that all of the elements are from, unchanged
    labels : of a mask ``labels[:, None] == np.arange(C)``, the labels
    known : whether it was made of lengths alone
    """

    numbers: list[Any]
    at: Callable[[Index], str]
    shape: Shape
    dtype: np.dtype[Any] | None
    place: str = ""
    flipped: bool = False
    of: str = ""
    labels: Value | None = None
    known: bool = False

    def inside(self, index: Index, shape: Shape) -> str:
        """Return the element that meets the one at this index of an array of this shape, by NumPy's broadcasting."""
        own = range(len(shape) - len(self.shape), len(shape))
        return self.at(tuple("0" if n == ONE != shape[i] else index[i] for i, n in zip(own, self.shape)))

    def to(self, dtype: np.dtype[Any] | None) -> Value:
        """Return the same numbers in another dtype."""
        if dtype is None or (dtype == self.dtype and self.dtype is not None):  # NumPy's None is float64
            return self
        numbers = [np.asarray(v, dtype) for v in self.numbers]
        return Value(numbers, lambda index: f"{dtype}({self.at(index)})", self.shape, dtype)

    def moved(self, numbers: list[Any], shape: Shape, where: Callable[[Index], Index], **more: Any) -> Value:
        """Return the elements in another order: where gives, for an index of the result, the index here."""
        return Value(numbers, lambda index: self.at(where(index)), shape, self.dtype, of=self.of, **more)


class Steps(NamedTuple):
    """A slice of an axis: start, start + step, ..."""

    start: Length = Length(0, 0)
    step: int = 1

    def at(self, i: str) -> str:
        """Return the place of the i-th."""
        times = i if self.step == 1 else f"{self.step} * {i}"
        return times if self.start == (0, 0) else f"({self.start} + {times})"


class Elements:
    """Values for batches of several sizes.

    Attributes
    ----------
    sizes : the numbers of samples of the batches that a Value's numbers belong to
    reads : the reads in all texts since the set was emptied
    spelled : the text of some reads, where it is not name[index]
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        self.reads: set[Read] = set()
        self.spelled: dict[Read, str] = {}

    # --- reads --------------------------------------------------------------------------------------------------------

    def read(self, name: str, index: Index) -> str:
        """Return the text of an element of an array in memory."""
        self.reads.add((name, index))
        return self.spelled.get((name, index)) or f"{name}[{', '.join(index) or '()'}]"

    def whole(self, index: Index) -> Index:
        """Return the index, for a text that uses it: one loop over all elements could not give that text its index."""
        self.reads.add(("", index))
        return index

    def reads_of(self, value: Value, shape: Shape) -> set[Read]:
        """Return the reads of the value's element, in a loop over an array of this shape."""
        self.reads = set()
        value.inside(names_of(shape), shape)
        return self.reads

    # --- shapes -------------------------------------------------------------------------------------------------------

    def shape(self, numbers: list[Any]) -> Shape:
        """Return the shape that these arrays have, one for each batch."""
        shapes = [np.shape(v) for v in numbers]
        if len({len(shape) for shape in shapes}) > 1:
            raise CannotCompile("its number of axes depends on the batch")
        return tuple(self.length(dims) for dims in zip(*shapes))

    def length(self, numbers: Sequence[int]) -> Length:
        """Return the a · N + b that gives these numbers, one for each batch."""
        N = self.sizes
        a = int(numbers[1] - numbers[0]) // (N[1] - N[0]) if len(N) > 1 else 0
        b = int(numbers[0]) - a * N[0]
        if any(a * n + b != number for n, number in zip(N, numbers)):
            raise CannotCompile("a length in it is not proportional to the number of samples")
        return Length(a, b)

    # --- new Values ---------------------------------------------------------------------------------------------------

    def value(self, numbers: list[Any], at: Callable[[Index], str], **more: Any) -> Value:
        """Return a Value with the shape and dtype of these numbers."""
        dtype = numbers[0].dtype if isinstance(numbers[0], (np.ndarray, np.generic)) else None
        return Value(numbers, at, self.shape(numbers), dtype, **more)

    def literal(self, numbers: list[Any]) -> Value:
        """Return numbers that are known for every batch size, as they are written down."""
        first = numbers[0]
        if not isinstance(first, (list, np.ndarray)):
            return Value(numbers, lambda at: self._written(numbers, at), (), None, known=True)
        dtype, shape = np.asarray(first).dtype, self.shape(numbers)
        long = [axis for axis, n in enumerate(shape) if n != ONE]
        counts = dtype.kind == "i" and all(np.array_equal(np.ravel(v), np.arange(np.size(v))) for v in numbers)
        if counts and len(long) == 1:
            return self.counter([np.asarray(v) for v in numbers], long[0])
        return Value(numbers, lambda at: self._written(numbers, at), shape, dtype, known=True)

    def _written(self, numbers: list[Any], at: Index) -> str:
        """Return the element of known numbers at an index."""
        first = numbers[0]
        if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            return str(self.length(numbers))
        items = np.asarray(first, order="C")
        every = [["(inf - inf)" if n != n else str(n) for n in np.reshape(v, -1).tolist()] for v in numbers]
        if items.dtype.kind in "bif" and len({text for each in every for text in each}) == 1:
            return every[0][0]
        if items.dtype.kind not in "bif" or items.size > LISTED or any(each != every[0] for each in every):
            raise CannotCompile(f"{first} among numbers")
        place = " + ".join(f"{i} * {n // items.itemsize}" for i, n in zip(self.whole(at), items.strides))
        return f"({', '.join(every[0])},)[{place}]"

    def counter(self, numbers: list[Any], axis: int = 0) -> Value:
        """Return 0, 1, 2, ... along an axis, the only one that is long: the index itself."""
        return self.value(numbers, lambda index: self.whole(index)[axis], known=True)

    def elementwise(self, numbers: list[Any], template: str, *parts: Value) -> Value:
        """Return a template with an element of each part in it: {0}, {1}; {t} is the dtype of the result."""
        made = self.value(numbers, lambda _: "")
        if made.dtype is not None and made.dtype.kind in "iu" and made.dtype != np.int64:  # else they would not wrap
            template = f"{{t}}({template})"
        made.at = lambda at: template.format(*[part.inside(at, made.shape) for part in parts], t=made.dtype)
        return made

    # --- other orders -------------------------------------------------------------------------------------------------

    def transposed(self, numbers: list[Any], order: tuple[int, ...], a: Value) -> Value:
        """Return a with its axes in this order."""
        made = a.moved(numbers, self.shape(numbers), lambda at: tuple(at[order.index(i)] for i in range(len(at))))
        if order == (1, 0):  # BLAS takes either order
            made.place, made.flipped = a.place, not a.flipped
        return made

    def windows(self, numbers: list[Any], a: Value) -> Value:
        """Return every window over the last two axes of a; the two axes of a window follow those of a."""

        def where(at: Index) -> Index:
            *before, i, j, k, m = at
            return (*before, f"({i} + {k})", f"({j} + {m})")

        return a.moved(numbers, self.shape(numbers), where)

    def part(self, numbers: list[Any], a: Value, index: Sequence[Steps | Value | None], shape: Shape) -> Value:
        """Return ``a[index]``, of this shape. None is a new axis; arrays in the index are neighbours, and broadcast."""
        block = max((len(item.shape) for item in index if isinstance(item, Value)), default=0)  # axes that arrays make

        def where(at: Index) -> Index:
            found, axis, shared = list[str](), 0, None  # axis: the next one of at; shared: the first that arrays make
            for item in index:
                if item is None:
                    axis += 1
                elif isinstance(item, Steps):
                    found.append(item.at(at[axis]))
                    axis += 1
                else:
                    if shared is None:
                        shared, axis = slice(axis, axis + block), axis + block
                    found.append(item.inside(at[shared], shape[shared]))
            return (*found, *at[axis:])

        return a.moved(numbers, shape, where)

    def products(self, numbers: list[Any], letters: str, factors: Sequence[tuple[Value, str]]) -> Value:
        """Return the products that an einsum adds up: one element for every choice of the letters."""

        def at(index: Index) -> str:
            where = dict(zip(letters, index))
            places = [tuple("0" if n == ONE else where[c] for c, n in zip(term, a.shape)) for a, term in factors]
            return f"({' * '.join(a.at(place) for (a, _), place in zip(factors, places))})"

        return self.value(numbers, at)
