"""An update rule as text: the equations of its kernel's docstring, which can be changed and run."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from types import CodeType
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..extras import kernels
from ..extras.whole_optimizers import is_apart

REDUCTIONS = ("mean", "rms", "norm", "ratio", "row_squares", "column_squares", "row_largest", "column_largest")
FUNCTIONS = {"sqrt": np.sqrt, "sign": np.sign, "abs": np.abs, "maximum": np.maximum, "minimum": np.minimum}
FUNCTIONS |= {name: getattr(f, "py_func", f) for name in REDUCTIONS for f in [getattr(kernels, name)]}


@dataclass(frozen=True)
class RuleText:
    """The equations of a rule, and the changes that were made in it.

    Attributes
    ----------
    optimizer : the rule, bound to a parameter of six numbers
    hyper : its hyper-parameters
    equations : a line for each
    numbers : (name, expression) of the kernel's numbers that are computed in another way
    words : "shared", "fresh", "late", as `rule_mistakes.Mistake` has them
    """

    optimizer: Optimizer
    hyper: dict[str, float]
    equations: str
    numbers: tuple[tuple[str, str], ...] = ()
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kind: type[Optimizer], hyper: dict[str, Any]) -> RuleText:
        """Return the right rule of a class. Its numbers are NumPy's, in whose arithmetic 1 / 0 is infinite."""
        optimizer = kind([Tensor(np.zeros(6), requires_grad=True)], **hyper)
        lines = [line.strip() for line in (optimizer.kernel.__doc__ or "").splitlines() if "<-" in line]
        return cls(optimizer, {name: np.float64(value) for name, value in hyper.items()}, "\n".join(lines))

    @property
    def is_elementwise(self) -> bool:
        """True if whole arrays can go through the equations: no "if" is asked of every number, as in Rprop, and none of
        the numbers is about all parameters."""
        return " if " not in self.equations and not is_apart(self.optimizer)

    def changed(self, change: str) -> RuleText | None:
        """Return the rule with a change of a `Mistake`; None if it has nothing that could be changed so."""
        if not self.is_elementwise:
            return None
        equations, numbers, words = self.equations, self.numbers, self.words
        for part in change.split("; "):
            name, is_number, expression = part.partition(" = ")
            old, is_text, new = part.partition(" -> ")
            if is_text:
                equations, hits = _substitute(equations, old, new)
                if not hits:
                    return None
            elif is_number:
                numbers = (*numbers, (name, expression))
            else:
                words |= {part}
        found = replace(self, equations=equations, numbers=numbers, words=words)
        return found if found._can_run() else None

    def _can_run(self) -> bool:
        """Return whether every name in the text is known where it is used."""
        state = self.optimizer.state
        known = {*"pgti", *FUNCTIONS, *self.hyper, *state, *self._right_numbers(1, self.hyper)}
        known |= {"other_g", *(f"other_{name}" for name in state)}
        targets = {line.partition(" <- ")[0] for line in self.equations.splitlines()}
        try:
            used = set(self.code().co_names).union(*(_code(e, "eval").co_names for _, e in self.numbers))
        except SyntaxError:  # words in the docstring of somebody's kernel
            return False
        if "late" in self.words:  # the line of p goes first: it cannot use what a later one gives
            steps = [line for line in self.equations.splitlines() if line.startswith("p ")]
            if any(set(_code(line.partition(" <- ")[2], "eval").co_names) - known for line in steps):
                return False
        return used <= known | targets and {name for name, _ in self.numbers} <= known

    def code(self) -> CodeType:
        """Return the equations as Python."""
        lines = self.equations.splitlines()
        if "late" in self.words:
            lines.sort(key=lambda line: not line.startswith("p "))
        return _code("\n".join(lines), "exec")

    def numbers_at(self, t: int, i: int) -> dict[str, Any]:
        """Return the numbers of step t for parameter i. A changed hyper-parameter changes the numbers made of it."""
        known: dict[str, Any] = {**self.hyper, "t": t, "i": i}
        early = {name: e for name, e in self.numbers if name in known}
        with np.errstate(all="ignore"):
            known |= {name: _value(e, known) for name, e in early.items()}
            known |= self._right_numbers(known["t"], known)
            return known | {name: _value(e, known) for name, e in self.numbers if name not in early}

    def _right_numbers(self, t: int, hyper: dict[str, Any]) -> dict[str, Any]:
        """Return the numbers that the kernel takes in step t, by name, made of these hyper-parameters."""
        names = list(inspect.signature(self.optimizer.kernel).parameters)[2 + len(self.optimizer.state) :]
        order = [name for name in self.optimizer.groups[0] if name != "l2"]
        with np.errstate(all="ignore"):
            return dict(zip(names, self.optimizer.scalars(t, *(hyper[name] for name in order)), strict=True))

    def _first(self, p: Array) -> dict[str, Array]:
        """Return the averages before the first step, for a parameter that is p then."""
        self.optimizer.buffer.data[:] = p
        self.optimizer.start()
        return {name: average.copy() for name, average in self.optimizer.averages.items()}

    def run(self, start: Array, gradients: Array) -> Array:
        """Return the parameters after each step, (steps, 2, 6).

        Parameters
        ----------
        start : the two parameters before, (2, 6)
        gradients : their gradients in each step, (steps, 2, 6)
        """
        firsts = [self._first(p) for p in start]
        memories = [dict(first) for first in firsts]
        if "shared" in self.words:
            memories[1] = memories[0]
        p, path, code = list(start), np.empty(gradients.shape), self.code()
        with np.errstate(all="ignore"):
            for t, both in enumerate(gradients, start=1):
                for i, g in enumerate(both):
                    memory = firsts[i] if "fresh" in self.words else memories[i]
                    names = {f"other_{name}": x for name, x in {**memories[1 - i], "g": both[1 - i]}.items()}
                    names |= {**self.numbers_at(t, i), **FUNCTIONS, **memory, "p": p[i], "g": g, "__builtins__": {}}
                    exec(code, names)
                    memories[i].update({name: names[name] for name in memory})
                    p[i] = names["p"]
                path[t - 1] = p
        return path


def _substitute(equations: str, old: str, new: str) -> tuple[str, int]:
    """Return the equations with ``new`` for ``old``, and how often it was found. Each * in both is the same text."""
    pieces, stars = [re.escape(piece) for piece in old.split("*")], count(1)
    template = re.sub(r"\*", lambda _: rf"\{next(stars)}", new.replace(" | ", "\n"))
    return re.subn("(.*?)".join(pieces), template, equations)


@lru_cache(maxsize=1024)
def _code(text: str, mode: str) -> CodeType:
    """Return our notation as Python."""
    return compile(text.replace("<-", "=").replace("·", "*").replace("^", "**"), "<rule>", mode)


def _value(expression: str, known: dict[str, Any]) -> Any:
    value = eval(_code(expression, "eval"), {"__builtins__": {}}, known)
    return value if isinstance(value, int) else np.float64(value)  # t stays a whole number
