"""The text of a compiled step grows here, by a loop or a call for each array that is computed.

`Loops.store` keeps a `Value` waiting: arrays of one shape, whose elements do not need each other, share a loop. Every
other line is written after the loop that waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .memory import Memory, Region
from .templates import STEPS
from .values import ONE, Elements, Index, Length, Read, Shape, Value, names_of, size_of

WIDE = 64  # elements: from then on a loop over a row is as good as one over all


def nested(over: Iterable[tuple[str, Length]], body: list[str]) -> list[str]:
    """Return the body within for-loops; over are pairs of a variable and the length that it runs to."""
    over = list(over)
    lines = [f"{'    ' * depth}for {i} in range({n}):" for depth, (i, n) in enumerate(over)]
    return lines + ["    " * len(over) + line for line in body]


class Loops:
    """Statements of one function body.

    Attributes
    ----------
    lines : the text so far
    elements, memory : the Values' makers, and the arrays
    flat : whether ``a[i]`` may stand for the i-th of all elements
    products : (n, m, k) of each product of matrices
    """

    def __init__(self, elements: Elements, memory: Memory, flat: bool) -> None:
        self.elements, self.memory, self.flat = elements, memory, flat
        self.lines: list[str] = []
        self.products: list[Shape] = []
        self._waiting: list[tuple[str, Value]] = []  # (name, value to store there): in one loop, once it is written

    def write(self, *lines: str) -> None:
        """Add lines, after the loop that waits."""
        self.close()
        self.lines += lines

    # --- the loop that waits ------------------------------------------------------------------------------------------

    def store(self, array: Value, value: Value) -> None:
        """Write array[...] = value; in the loop that waits, if the elements in it do not need each other."""
        shape, value, root = array.shape, value.to(array.dtype), self.memory.root
        new = {root(name) for name, _ in self._waiting}
        reads = self.elements.reads_of(value, shape)
        crossed = any(name and root(name) in new and at != names_of(shape) for name, at in reads)
        if self._waiting and (crossed or self.memory.regions[self._waiting[0][0]].shape != shape):
            self.close()
        self._waiting.append((array.place, value))

    def close(self) -> None:
        """Write the loop that waits: over all elements as over one row, if each is read where it is written."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        shape, elements = self.memory.regions[waiting[0][0]].shape, self.elements
        index = names_of(shape)
        over = list(zip(index, shape))
        reads = {(name, index) for name, _ in waiting}.union(*(elements.reads_of(value, shape) for _, value in waiting))
        if self.flat and len(shape) > 1 and self._in_one_row(shape, index, reads):
            over = [("_0", size_of(shape))]
        body = [f"{elements.read(name, index)} = {value.inside(index, shape)}" for name, value in waiting]
        elements.spelled = {}
        self.lines += nested(over, body)

    def _in_one_row(self, shape: Shape, index: Index, reads: set[Read]) -> bool:
        """Return whether one number says where each of these elements is; if so, spell them with it. A short row that
        meets every row is repeated for that."""
        rows, spelled = set(), {}
        for name, at in reads:
            if name in self.memory.regions and self.memory.regions[name].shape == shape and at == index:
                spelled[name, at] = f"{name}[_0]"
            elif self.memory.is_row(name, shape) and at == index[1:] and shape[1].b < WIDE:
                rows.add(name)
            elif at:
                return False
        for row in sorted(rows):
            repeated = self.memory.fresh("rows")
            self.memory.regions[repeated] = Region(shape, self.memory.dtype)
            self._repeat(row, repeated)
            spelled[row, index[1:]] = f"{repeated}[_0]"
        self.elements.spelled = spelled
        return True

    def _repeat(self, row: str, into: str) -> None:
        """Copy a row into every row of an array."""
        n, width = self.memory.regions[into].shape
        self.write(f"_repeat(_address({row}), _address({into}), {n}, {width.b * self.memory.dtype.itemsize})")

    # --- values in memory ---------------------------------------------------------------------------------------------

    def placed(self, value: Value, name: str = "") -> Value:
        """Return the value in memory, without gaps."""
        if value.place and not value.flipped:
            return value
        array = self.memory.array(value.numbers, name)
        self.store(array, value)
        return array

    def view(self, value: Value, numbers: list[Any], name: str = "") -> Value:
        """Return the same numbers in another shape, without a loop."""
        return self.memory.array(numbers, "" if name in self.memory.fixed else name, self.placed(value).place)

    def scalar(self, value: Value, name: str) -> Value:
        """Return a single number, kept in a variable."""
        text = value.at(())
        if text != name:
            self.write(f"{name} = {text}")
        return Value(value.numbers, lambda index: name, (), value.dtype)

    def fill(self, target: Value, sign: str, value: Value) -> None:
        """Write target = value, where target are elements of an array; or another assignment, such as "+="."""
        index = names_of(target.shape)
        text = f"{target.at(index)} {sign} {value.to(target.dtype).inside(index, target.shape)}"
        self.write(*nested(zip(index, target.shape), [text]))

    # --- loops with a form of their own -------------------------------------------------------------------------------

    def reduce(self, how: str, value: Value, axis: Any, numbers: list[Any], name: str = "") -> Value:
        """Write a sum, mean, product or extreme over some axes. A sum over all is made in float64."""
        shape, index = value.shape, names_of(value.shape)
        over = set(range(len(shape)) if axis is None else np.mod(axis, len(shape)).reshape(-1).tolist())
        kept = [i for i in range(len(shape)) if i not in over]
        if np.ndim(numbers[0]) == 0:
            variable = self.memory.fresh("s") if name in ("", *self.memory.fixed) else name
            out = self.elements.value(numbers, lambda _: variable)
        else:
            out = self.memory.array(numbers, name)
        assert out.dtype is not None
        wide = np.dtype(float) if not out.shape and out.dtype.kind == "f" and how in ("sum", "mean") else out.dtype
        element = value.to(wide)
        first = element.at(tuple("0" if i in over else n for i, n in enumerate(index)))
        start = {"max": first, "min": first, "prod": f"{wide}(1)"}.get(how, f"{wide}(0)")
        slots = [index[i] if i in kept else "0" for i in range(len(shape))]
        target = out.at(tuple(slots if len(out.shape) == len(shape) else [index[i] for i in kept]))
        outer, inner = ([(index[i], shape[i]) for i in axes] for axes in (kept, sorted(over)))
        in_rows = not kept or max(over, default=0) > max(kept)
        total = self.memory.fresh("s") if in_rows else target
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

    def running(self, numbers: list[Any], a: Value, axis: int, into: str) -> Value:
        """Write a cumsum: each element is the one before it plus its own."""
        out = self.memory.array(numbers, into)
        before = out.moved(numbers, out.shape, lambda at: (*at[:axis], f"{at[axis]} - 1", *at[axis + 1 :]))
        text = f"({{1}} if {names_of(out.shape)[axis]} == 0 else {{0}} + {{1}})"
        self.fill(out, "=", self.elements.elementwise(numbers, text, before, a.to(out.dtype)))
        return out

    def joined(self, numbers: list[Any], parts: Sequence[Value], axis: int, stacked: bool, into: str) -> Value:
        """Write a concatenate, or a stack: each part is copied to its place."""
        out, start = self.memory.array(numbers, into), Length(0, 0)
        axis %= len(out.shape)
        for part in parts:

            def where(at: Index, start: Length = start) -> Index:
                here = str(start) if stacked else f"({at[axis]} + {start})"
                return (*at[:axis], here, *at[axis + (not stacked) :])

            self.fill(out.moved(part.numbers, part.shape, where), "=", part)
            length = ONE if stacked else part.shape[axis]
            start = Length(start.a + length.a, start.b + length.b)
        return out

    # --- calls of `numpy_c` -------------------------------------------------------------------------------------------

    def product(self, numbers: list[Any], a: Value, b: Value, row: Value | None, into: str) -> Value:
        """Write a @ b by `products`, with either side transposed, added to what is there: the row, in every row."""
        a, b = (side if side.place else self.placed(side) for side in (a, b))
        out = self.memory.array(numbers, into)
        n, m = a.shape[0] if len(a.shape) > 1 else ONE, b.shape[1] if len(b.shape) > 1 else ONE
        sides = ", ".join(f"_address({side.place}), {side.flipped}" for side in (a, b))
        start = 0 if row is None else f"_address({row.place})"
        self.products.append((n, m, a.shape[-1]))
        self.write(f"_matmul({sides}, _address({out.place}), {n}, {m}, {a.shape[-1]}, {start})")
        return out

    def called(self, name: str, numbers: list[Any], parts: Sequence[Value], into: str) -> Value:
        """Write a call of a NumPy function's own inner loop, over arrays without gaps; a number has one element."""
        dtype, single = numbers[0].dtype, not np.ndim(numbers[0])
        out = self.memory.array([np.atleast_1d(v) for v in numbers], "" if single else into)
        given = []
        for part in parts:
            step = int(bool(part.shape))
            if part.shape != out.shape:
                whole = [np.broadcast_to(v, o.shape if step else 1) for v, o in zip(part.numbers, out.numbers)]
                part = self.elements.elementwise(whole, "{0}", part)
            given.append(f"{self.placed(part.to(dtype)).place}, {step}")
        self.write(f"_{name}({', '.join(given)}, {out.place}, {size_of(out.shape)})")
        return out.moved(numbers, (), lambda _: ("0",)) if single else out
