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
        """Have arrays of one size share memory, where one is done with before the other begins, or as it does.

        lines : statements, loops among them; begun : arrays that are filled before; kept : read afterwards
        """
        first, last, statements = dict.fromkeys(begun & self.regions.keys(), -1), dict[str, int](), list[list[str]]()
        for line in lines:
            if not line.startswith(" "):  # a loop is one statement
                statements.append([])
            statements[-1].append(line)
            for name in {self.root(word) for word in re.findall(r"\w+", line) if word in self.regions}:
                first.setdefault(name, len(statements) - 1)
                last[name] = len(statements) - 1
        last.update(dict.fromkeys((self.root(name) for name in kept), len(statements)))
        tenants = dict[str, str]()  # array with memory of its own to the one that has it now; the youngest is last
        for name in sorted(first, key=first.__getitem__):
            region = self.regions[name]
            if name in self.fixed or region.base or not size_of(region.shape).a:
                continue
            for owner, tenant in tenants.items() if region.dtype == self.dtype else ():
                if last[tenant] < first[name]:
                    fits = size_of(self.regions[owner].shape) == size_of(region.shape)
                else:
                    ends = last[tenant] == first[name] and self.regions[owner].shape == region.shape
                    fits = ends and self._in_place(statements[first[name]], name, tenant)
                if fits and self.regions[owner].dtype == self.dtype:
                    self.lent[name], tenants[owner] = owner, name
                    break
            else:
                tenants[name] = name

    def _in_place(self, statement: list[str], name: str, old: str) -> bool:
        """Return whether a statement writes each element of an array where it has read that of the old one, and then
        reads nothing of the old one."""
        loops = [line.split()[1] for line in statement if line.lstrip().startswith("for ")]
        at, written = f"[{', '.join(loops)}]", False
        for line in statement[len(loops) :]:
            target, _, text = line.strip().partition(" = ")
            read = [word for word in re.findall(r"\w+", line) if word in self.regions and self.root(word) == old]
            if len(read) != len(re.findall(rf"\b{re.escape(old + at)}", text)) or (written and read):
                return False
            written |= target == f"{name}{at}"
        return written

    def _renamed(self) -> dict[str, str]:
        """Return the arrays that take all of the memory that they are lent: they are another name for its owner, so
        that the compiler sees that what is read and what is written are one."""
        return {name: of for name, of in self.lent.items() if self.regions[name].shape == self.regions[of].shape}

    def places(self) -> tuple[dict[str, tuple[Length, Shape]], Length]:
        """Return where each array begins in the workspace, at multiples of 16, and its shape; and the length of all."""
        places, at = dict[str, tuple[Length, Shape]](), Length(0, 0)
        for name, region in self.regions.items():
            if name not in self.fixed and not region.base and name not in self.lent:
                size = size_of(region.shape)
                places[name] = at, region.shape
                at = Length(at.a + size.a, at.b + -(-size.b // 16) * 16)
        lent = self.lent.keys() - self._renamed()
        return places | {name: (places[self.lent[name]][0], self.regions[name].shape) for name in sorted(lent)}, at

    def numbers(self) -> dict[str, int]:
        """Return a number for each array, the same for arrays that share memory."""
        roots = {name: self.lent.get(root, root) for name in self.regions for root in [self.root(name)]}
        own = {name: i for i, name in enumerate(dict.fromkeys(roots.values()))}
        return {name: own[root] for name, root in roots.items()}

    def views(self) -> list[str]:
        """Return the lines that give shared memory its further names."""
        numbers = self.numbers()
        many = len(set(numbers.values()))
        return [f"{name} = {of}" for name, of in self._renamed().items()] + [
            f"{name} = _array(_address({r.base}), 0, ({tuple_text(r.shape)}), {r.dtype}, {numbers[name]}, {many})"
            for name, r in self.regions.items()
            if r.base
        ]
