"""The arrays of a compiled step: which there are, and where each lies in the one workspace of all."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from .templates import DTYPES
from .values import CannotCompile, Elements, Length, Shape, Value, size_of, tuple_text


class Region(NamedTuple):
    """Memory for an array. base is the array whose memory it shares; "" if it has its own."""

    shape: Shape
    dtype: np.dtype[Any]
    base: str = ""


class Memory:
    """Names and regions of all arrays that a step needs.

    Attributes
    ----------
    dtype : of the workspace. Arrays of another dtype get as much room in it as they need
    fixed : the names of arrays that lie elsewhere
    regions : name to `Region`
    """

    def __init__(self, elements: Elements, dtype: np.dtype[Any], fixed: set[str]) -> None:
        self.elements, self.dtype, self.fixed = elements, dtype, fixed
        self.regions: dict[str, Region] = {}
        self._numbered = count(1)

    def fresh(self, stem: str) -> str:
        """Return a name that nothing has."""
        return f"_{stem}_{next(self._numbered)}"

    def array(self, numbers: list[Any], name: str = "", base: str = "") -> Value:
        """Return a new array, to be filled; or, with a base, another name for the memory of that array."""
        name = name or self.fresh("t")
        of = self.root(base) if base else name
        made = self.elements.value(numbers, partial(self.elements.read, name), place=name, of=of)
        if made.dtype not in DTYPES:
            raise CannotCompile(f"{made.dtype} among {self.dtype}")
        if made.dtype != self.dtype and name not in self.fixed and not base:
            base, size = self.fresh("room"), size_of(made.shape)
            items = -(-made.dtype.itemsize // self.dtype.itemsize)
            self.regions[base] = Region((Length(size.a * items, size.b * items),), self.dtype)
        self.regions[name] = Region(made.shape, made.dtype, base)
        return made

    def root(self, name: str) -> str:
        """Return the array that owns the memory of this one."""
        return self.root(self.regions[name].base) if self.regions[name].base else name

    def sources(self, value: Value) -> set[str]:
        """Return the arrays in whose memory a value reads."""
        return {self.root(name) for name, _ in self.elements.reads_of(value, value.shape) if name}

    def is_row(self, name: str, shape: Shape) -> bool:
        """Return whether this is an array that fits a row of one of that shape."""
        row = self.regions.get(name)
        return row is not None and len(shape) == 2 and not shape[1].a and row[:2] == (shape[1:], self.dtype)

    def places(self) -> tuple[dict[str, tuple[Length, Shape]], Length]:
        """Return where each array begins in the workspace, at multiples of 16, and its shape; and the length of all."""
        places, at = dict[str, tuple[Length, Shape]](), Length(0, 0)
        for name, region in self.regions.items():
            if name not in self.fixed and not region.base:
                size = size_of(region.shape)
                places[name] = at, region.shape
                at = Length(at.a + size.a, at.b + -(-size.b // 16) * 16)
        return places, at

    def numbers(self) -> dict[str, int]:
        """Return a number for each array, the same for arrays that share memory."""
        own = {name: i for i, name in enumerate(name for name, region in self.regions.items() if not region.base)}
        return {name: own[self.root(name)] for name in self.regions}

    def views(self) -> list[str]:
        """Return the lines that give shared memory its further names."""
        numbers, many = self.numbers(), sum(not region.base for region in self.regions.values())
        return [
            f"{name} = _place(_address({r.base}), 0, ({tuple_text(r.shape)}), {r.dtype}, {numbers[name]}, {many})"
            for name, r in self.regions.items()
            if r.base
        ]
