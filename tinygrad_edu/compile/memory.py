"""The arrays of a compiled step: which there are, and where each lies in the one workspace of all."""

from __future__ import annotations

import re
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
    lent : name of an array to that of another, whose memory it gets when that is done with
    """

    def __init__(self, elements: Elements, dtype: np.dtype[Any], fixed: set[str]) -> None:
        self.elements, self.dtype, self.fixed = elements, dtype, fixed
        self.regions: dict[str, Region] = {}
        self.lent: dict[str, str] = {}
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

    def share(self, lines: list[str], begun: set[str], kept: set[str]) -> None:
        """Have arrays of one size share memory, where one is done with before the other begins.

        lines : statements, loops among them; begun : arrays that are filled before; kept : read afterwards
        """
        first, last, at = dict.fromkeys(begun & self.regions.keys(), -1), dict[str, int](), -1
        for line in lines:
            at += not line.startswith(" ")  # a loop is one statement
            for name in {self.root(word) for word in re.findall(r"\w+", line) if word in self.regions}:
                first.setdefault(name, at)
                last[name] = at
        last.update(dict.fromkeys((self.root(name) for name in kept), at + 1))
        free = list[str]()  # of arrays that have memory of their own, the one that was begun last is last
        for name in sorted(first, key=first.__getitem__):
            region = self.regions[name]
            if name in self.fixed or region.base or not size_of(region.shape).a:
                continue
            at, size = first[name], size_of(region.shape)
            before = [a for a in free if size_of(self.regions[a].shape) == size and last[a] < at]
            if before and region.dtype == self.dtype == self.regions[before[0]].dtype:
                self.lent[name] = before[0]
                last[before[0]] = last.get(name, at)
            else:
                free.append(name)

    def places(self) -> tuple[dict[str, tuple[Length, Shape]], Length]:
        """Return where each array begins in the workspace, at multiples of 16, and its shape; and the length of all."""
        places, at = dict[str, tuple[Length, Shape]](), Length(0, 0)
        for name, region in self.regions.items():
            if name not in self.fixed and not region.base and name not in self.lent:
                size = size_of(region.shape)
                places[name] = at, region.shape
                at = Length(at.a + size.a, at.b + -(-size.b // 16) * 16)
        return places | {name: (places[of][0], self.regions[name].shape) for name, of in self.lent.items()}, at

    def numbers(self) -> dict[str, int]:
        """Return a number for each array, the same for arrays that share memory."""
        roots = {name: self.lent.get(root, root) for name in self.regions for root in [self.root(name)]}
        own = {name: i for i, name in enumerate(dict.fromkeys(roots.values()))}
        return {name: own[root] for name, root in roots.items()}

    def views(self) -> list[str]:
        """Return the lines that give shared memory its further names."""
        numbers = self.numbers()
        many = len(set(numbers.values()))
        return [
            f"{name} = _place(_address({r.base}), 0, ({tuple_text(r.shape)}), {r.dtype}, {numbers[name]}, {many})"
            for name, r in self.regions.items()
            if r.base
        ]
