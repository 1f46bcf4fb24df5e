"""Arrays as the text of one of their elements, and the loops that compute them.

A `Value` is an array that is not computed yet. It knows how to write any of its elements: of ``h * np.sign(z)`` the one
at ("_0", "_1") is "(h[_0, _1] * ...)". NumPy's functions make Values out of Values, and that costs nothing.
`Loops.store` writes the loop; neighbours of one shape share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .templates import DTYPES, STEPS

WIDE = 64  # elements: from then on a loop over a row is as good as one over all
Index = tuple[str, ...]  # a text for each axis


class CannotCompile(ValueError):
    """A line has no loops."""


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


@dataclass
class Value:
    """What an expression gives.

    Attributes
    ----------
    numbers : what it is on each of some batches. NumPy works it out, and so says what shape and dtype anything has
    at : the text of the element at an index
    dtype : None for a Python number, which takes that of what it meets
    place : the name of the array, if it lies in memory, in this order, or, if flipped, transposed
    of : the name of the array that all of its elements are from, unchanged
    labels : of a mask ``labels[:, None] == np.arange(C)``, the labels
    known : whether only lengths went into it
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
        """The element that meets the one at this index of an array of this shape, where NumPy broadcasts."""
        own = range(len(shape) - len(self.shape), len(shape))
        return self.at(tuple("0" if n == ONE != shape[i] else index[i] for i, n in zip(own, self.shape)))

    def to(self, dtype: np.dtype[Any] | None) -> Value:
        """The same in another dtype."""
        if dtype is None or (dtype == self.dtype and self.dtype is not None):  # NumPy's None is float64
            return self
        numbers = [np.asarray(v, dtype) for v in self.numbers]
        return Value(numbers, lambda index: f"{dtype}({self.at(index)})", self.shape, dtype)

    def moved(self, numbers: list[Any], shape: Shape, where: Callable[[Index], Index], **more: Any) -> Value:
        """Its elements in another order: where says which index of it stands at one of the result."""
        return Value(numbers, lambda index: self.at(where(index)), shape, self.dtype, of=self.of, **more)


class Array(NamedTuple):
    """What lies in memory. base is the array that it shares its memory with; "" if that is its own."""

    shape: Shape
    dtype: np.dtype[Any]
    base: str = ""


class Loops:
    """Text that grows by a loop, or a call, for each array that is computed.

    Parameters
    ----------
    sizes : the numbers of samples of the batches that a Value's numbers belong to
    dtype : of the workspace. Arrays of another one get as much room in it as they need
    fixed : names of arrays that lie elsewhere
    flat : whether ``a[i]`` may stand for the i-th of all elements
    """

    def __init__(self, sizes: Sequence[int], dtype: np.dtype[Any], fixed: set[str], flat: bool) -> None:
        self.sizes, self.dtype, self.fixed, self.flat = sizes, dtype, fixed, flat
        self.lines: list[str] = []
        self.arrays: dict[str, Array] = {}
        self.waiting: list[tuple[str, Value]] = []  # (name, what to store there): in one loop, once it is written
        self.reads: set[tuple[str, Index]] = set()  # that were written down since it was emptied
        self.spelled: dict[tuple[str, Index], str] = {}  # how to write some of them
        self.numbered = count(1)

    # --- shapes -------------------------------------------------------------------------------------------------------

    def value(self, numbers: list[Any], at: Callable[[Index], str], **more: Any) -> Value:
        """A Value that is so on the batches."""
        dtype = numbers[0].dtype if isinstance(numbers[0], (np.ndarray, np.generic)) else None
        return Value(numbers, at, self.shape(numbers), dtype, **more)

    def shape(self, numbers: list[Any]) -> Shape:
        shapes = [np.shape(v) for v in numbers]
        if len({len(shape) for shape in shapes}) > 1:
            raise CannotCompile("its number of axes depends on the batch")
        return tuple(self.length(dims) for dims in zip(*shapes))

    def length(self, numbers: Sequence[int]) -> Length:
        """a · N + b through these numbers, one for each batch."""
        N = self.sizes
        a = int(numbers[1] - numbers[0]) // (N[1] - N[0]) if len(N) > 1 else 0
        b = int(numbers[0]) - a * N[0]
        if any(a * n + b != number for n, number in zip(N, numbers)):
            raise CannotCompile("a length in it is not proportional to the number of samples")
        return Length(a, b)

    def size(self, shape: Shape) -> Length:
        """The number of elements."""
        grows, rest = [n for n in shape if n.a], prod(n.b for n in shape if not n.a)
        if len(grows) > 1:
            raise CannotCompile("it would take memory for the square of the batch")
        return Length(grows[0].a * rest, grows[0].b * rest) if grows else Length(0, rest)

    # --- arrays -------------------------------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        return f"_{stem}_{next(self.numbered)}"

    def array(self, numbers: list[Any], name: str = "", base: str = "") -> Value:
        """A new array, or one that is fixed, to be filled; or another name for the memory of base."""
        name = name or self.fresh("t")
        made = self.value(numbers, partial(self.read, name), place=name, of=self.root(base) if base else name)
        if made.dtype not in DTYPES:
            raise CannotCompile(f"{made.dtype} among {self.dtype}")
        if made.dtype != self.dtype and name not in self.fixed and not base:
            base, size = self.fresh("room"), self.size(made.shape)
            items = -(-made.dtype.itemsize // self.dtype.itemsize)
            self.arrays[base] = Array((Length(size.a * items, size.b * items),), self.dtype)
        self.arrays[name] = Array(made.shape, made.dtype, base)
        return made

    def placed(self, value: Value, name: str = "") -> Value:
        """The value in memory, without gaps."""
        if value.place and not value.flipped:
            return value
        array = self.array(value.numbers, name)
        self.store(array, value)
        return array

    def view(self, value: Value, numbers: list[Any], name: str = "") -> Value:
        """The same numbers in another shape, and no loop for it."""
        return self.array(numbers, "" if name in self.fixed else name, self.placed(value).place)

    def counter(self, numbers: list[Any]) -> Value:
        """0, 1, 2, ...: the index itself."""
        return self.value(numbers, lambda index: self.whole(index)[0], known=True)

    def whole(self, index: Index) -> Index:
        """The index, for text that needs it itself: such a loop does not run over all elements as over one row."""
        self.reads.add(("", index))
        return index

    def root(self, name: str) -> str:
        """The array whose memory this one lies in."""
        return self.root(self.arrays[name].base) if self.arrays[name].base else name

    def read(self, name: str, index: Index) -> str:
        """The text of an element of an array."""
        self.reads.add((name, index))
        return self.spelled.get((name, index)) or f"{name}[{', '.join(index) or '()'}]"

    def reads_of(self, value: Value, shape: Shape) -> set[tuple[str, Index]]:
        """What it reads for the element that meets the one of an array of this shape."""
        self.reads = set()
        value.inside(names_of(shape), shape)
        return self.reads

    def sources(self, value: Value) -> set[str]:
        """The arrays in whose memory it reads."""
        return {self.root(name) for name, _ in self.reads_of(value, value.shape) if name}

    # --- loops --------------------------------------------------------------------------------------------------------

    def store(self, array: Value, value: Value) -> None:
        """array[...] = value; in the loop that waits, if the elements in it do not need each other."""
        shape, value = array.shape, value.to(array.dtype)
        new = {self.root(name) for name, _ in self.waiting}
        crossed = any(
            name and self.root(name) in new and at != names_of(shape) for name, at in self.reads_of(value, shape)
        )
        if self.waiting and (crossed or self.arrays[self.waiting[0][0]].shape != shape):
            self.close()
        self.waiting.append((array.place, value))

    def close(self) -> None:
        """Write the loop that waits: over all elements as over one row, if each is read where it is written."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        shape = self.arrays[waiting[0][0]].shape
        index = names_of(shape)
        over = list(zip(index, shape))
        reads = {(name, index) for name, _ in waiting}.union(*(self.reads_of(value, shape) for _, value in waiting))
        if self.flat and len(shape) > 1 and self.in_one_row(shape, index, reads):
            over = [("_0", self.size(shape))]
        body = [f"{self.read(name, index)} = {value.inside(index, shape)}" for name, value in waiting]
        self.spelled = {}
        self.lines += nested(over, body)

    def in_one_row(self, shape: Shape, index: Index, reads: set[tuple[str, Index]]) -> bool:
        """Whether one number says where each of these elements is; they are spelled so then. A short row that meets
        every row is repeated for that."""
        rows, spelled = set(), {}
        for name, at in reads:
            if name in self.arrays and self.arrays[name].shape == shape and at == index:
                spelled[name, at] = f"{name}[_0]"
            elif self.is_row(name, shape) and at == index[1:] and shape[1].b < WIDE:
                rows.add(name)
            elif at:
                return False
        for row in sorted(rows):
            repeated = self.fresh("rows")
            self.arrays[repeated] = Array(shape, self.dtype)
            self.repeat(row, repeated)
            spelled[row, index[1:]] = f"{repeated}[_0]"
        self.spelled = spelled
        return True

    def is_row(self, name: str, shape: Shape) -> bool:
        """Whether that is an array that fits a row of one of this shape."""
        row = self.arrays.get(name)
        return row is not None and len(shape) == 2 and not shape[1].a and row[:2] == (shape[1:], self.dtype)

    def repeat(self, row: str, into: str) -> None:
        """Copy a row into every row of an array."""
        n, width = self.arrays[into].shape
        self.write(f"_repeat(_address({row}), _address({into}), {n}, {width.b * self.dtype.itemsize})")

    def write(self, *lines: str) -> None:
        """Add lines, after the loop that waits."""
        self.close()
        self.lines += lines

    def scalar(self, value: Value, name: str) -> Value:
        """A single number, kept in a variable."""
        text = value.at(())
        if text != name:
            self.write(f"{name} = {text}")
        return Value(value.numbers, lambda index: name, (), value.dtype)

    def fill(self, target: Value, sign: str, value: Value) -> None:
        """target = value, where target are elements of an array; or another assignment, such as "+="."""
        index = names_of(target.shape)
        text = f"{target.at(index)} {sign} {value.to(target.dtype).inside(index, target.shape)}"
        self.write(*nested(zip(index, target.shape), [text]))

    def reduce(self, how: str, value: Value, axis: Any, numbers: list[Any], name: str = "") -> Value:
        """A sum, mean, product or extreme over some axes. A sum over all is made in float64."""
        shape, index = value.shape, names_of(value.shape)
        over = set(range(len(shape)) if axis is None else np.mod(axis, len(shape)).reshape(-1).tolist())
        kept = [i for i in range(len(shape)) if i not in over]
        if np.ndim(numbers[0]) == 0:
            variable = self.fresh("s") if name in ("", *self.fixed) else name
            out = self.value(numbers, lambda _: variable)
        else:
            out = self.array(numbers, name)
        assert out.dtype is not None
        wide = np.dtype(float) if not out.shape and out.dtype.kind == "f" and how in ("sum", "mean") else out.dtype
        element = value.to(wide)
        first = element.at(tuple("0" if i in over else n for i, n in enumerate(index)))
        start = {"max": first, "min": first, "prod": f"{wide}(1)"}.get(how, f"{wide}(0)")
        slots = [index[i] if i in kept else "0" for i in range(len(shape))]
        target = out.at(tuple(slots if len(out.shape) == len(shape) else [index[i] for i in kept]))
        outer, inner = ([(index[i], shape[i]) for i in axes] for axes in (kept, sorted(over)))
        in_rows = not kept or max(over, default=0) > max(kept)
        total = self.fresh("s") if in_rows else target
        n = " * ".join(str(length) for _, length in inner) or "1"
        end = f"{total} / {wide}({n})" if how == "mean" else total
        end = end if wide == out.dtype else f"{out.dtype}({end})"
        step = [f"{total} = {STEPS[how].format(total, element.at(index))}"]
        if in_rows:  # the elements of a sum lie side by side: a variable is enough
            self.write(*nested(outer, [f"{total} = {start}", *nested(inner, step), f"{target} = {end}"]))
        else:
            self.write(*nested(outer, [f"{total} = {start}"]), *nested(zip(index, shape), step))
            self.write(*nested(outer, [f"{target} = {end}"]) * (how == "mean"))
        return out

    # --- what there is at the end -------------------------------------------------------------------------------------

    def places(self) -> tuple[dict[str, tuple[Length, Shape]], Length]:
        """Where everything that is not fixed begins in the workspace, at multiples of 16, and how long that is."""
        places, at = dict[str, tuple[Length, Shape]](), Length(0, 0)
        for name, array in self.arrays.items():
            if name not in self.fixed and not array.base:
                size = self.size(array.shape)
                places[name] = at, array.shape
                at = Length(at.a + size.a, at.b + -(-size.b // 16) * 16)
        return places, at

    def numbers(self) -> dict[str, int]:
        """A number for each array, the same for those that share memory."""
        own = {name: i for i, name in enumerate(name for name in self.arrays if not self.arrays[name].base)}
        return {name: own[self.root(name)] for name in self.arrays}

    def views(self) -> list[str]:
        """Lines that give shared memory its further names."""
        numbers, many = self.numbers(), len(self.arrays) - sum(bool(a.base) for a in self.arrays.values())
        return [
            f"{name} = _place(_address({a.base}), 0, ({tuple_text(a.shape)}), {a.dtype}, {numbers[name]}, {many})"
            for name, a in self.arrays.items()
            if a.base
        ]


def names_of(shape: Shape) -> Index:
    """A variable for each axis."""
    return tuple(f"_{i}" for i in range(len(shape)))


def nested(over: Any, body: list[str]) -> list[str]:
    """for-loops around the body; over are pairs of a variable and the Length that it runs to."""
    over = list(over)
    lines = [f"{'    ' * depth}for {i} in range({n}):" for depth, (i, n) in enumerate(over)]
    return lines + ["    " * len(over) + line for line in body]


def tuple_text(shape: Shape) -> str:
    return "".join(f"{n}, " for n in shape)
