"""A check of an exercise on functions that are at hand, as in a notebook: no file, and no process of its own."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..doctor.report import Report, quiet
from ..guards.kinds import whole
from . import probes, progress
from .checks import Exercise
from .grading import TURNS
from .submission import Failed, Names, arrays
from .table import Collection, collection


class Checked(Report):
    """A report on an exercise: behind the findings it says how many parts are right, and how to go on."""

    def __init__(self, report: Report, exercise: Exercise, held: Collection, folder: str) -> None:
        super().__init__(report.subject, report.findings)
        self.exercise, self.held, self.folder = exercise, held, folder

    def __repr__(self) -> str:
        number, good = self.exercise.number, sum(found.mistake is None for found in self.findings)
        lines = [super().__repr__(), ""]
        if not self.right:
            lines.append(f"{good} of {len(self.findings)} parts are right" if len(self.findings) > 1 else "Not yet")
            lines[-1] += f". A hint, and one more each time: tg.hint({number}{self.folder})" * bool(self.exercise.hints)
            return "\n".join(lines)
        if self.held.solution(self.exercise).is_file():
            lines.append(f"A solution to compare with: tg.hint({number}, solution=True{self.folder})")
        after = progress.following(self.exercise, self.held)
        lines.append(f"Next: {after.number}, {after.title}" if after else "That was the last one.")
        return "\n".join(lines)


@quiet()
def check(exercise: int, *functions: Callable[..., Any], rng: Rng = None, folder: str | Path | None = None) -> Report:
    """Check what you wrote for an exercise, and return the doctor's report: print it, or end a cell with it.

    The same check as that of ``tinygrad-edu exercise check FILE``, with three sets of random numbers. Here your
    functions run in this process, so an error of theirs is raised as it is.

    Parameters
    ----------
    exercise : its number, 1 to 16
    functions : those that it asks for, in any order; a single one may have any name. For exercise 16 the class. Of
        several, those that are not written yet count as parts that are not right yet
    rng : generator or seed for the random numbers; None for new ones each time
    folder : of a teacher's own exercises; None for ours

    Returns
    -------
    Report : the first that shows a mistake, else the last; it says how to go on

    Raises
    ------
    TypeError : exercise is no whole number
    ValueError : there is no such exercise, no function that it asks for is given, or no result fits
    NotImplementedError : no function is written yet

    Examples
    --------
    >>> def gradient(w, x, b):
    ...     u = w * x + b
    ...     return 2 * u * x, 2 * u * w, u  # the last one lacks a factor
    >>> report = check(1, gradient, rng=0)
    >>> report.mistakes
    {'w': None, 'x': None, 'b': 'factor'}
    >>> print(str(report).splitlines()[-1])
    2 of 3 parts are right. A hint, and one more each time: tg.hint(1)
    """
    whole("exercise", exercise, 1)
    held = collection(None if folder is None else Path(folder))
    found, rng = held.numbered(exercise), np.random.default_rng(rng)

    def ask(name: str, *args: Any, returns: int = 1) -> list[Array]:
        try:
            return arrays(name, _called(found, held, functions, name, args), returns)
        except NotImplementedError as error:
            raise Failed("not written", f"{name} is not written yet") from error

    try:
        for turn in range(TURNS):
            report = found.check(ask, rng, turn)
            if not report.right:
                break
    except Failed as failed:
        kind = NotImplementedError if failed.key == "not written" else ValueError
        raise kind(str(failed)) from None
    return Checked(report, found, held, "" if folder is None else f", folder={str(folder)!r}")


def hint(exercise: int, solution: bool = False, folder: str | Path | None = None) -> None:
    """Print the next hint on an exercise, below those that you had; or its solution.

    Parameters
    ----------
    exercise : its number, 1 to 16
    solution : True to print one way to write it
    folder : as in `check`

    Raises
    ------
    TypeError : exercise is no whole number
    ValueError : there is no such exercise, or no solution in the folder

    Examples
    --------
    >>> hint(3, solution=True)
    def backward(x, W, g):
        return g @ W.T, x.T @ g, g.sum(axis=0)
    """
    whole("exercise", exercise, 1)
    held = collection(None if folder is None else Path(folder))
    found = held.numbered(exercise)
    print(progress.solution(found, held) if solution else progress.hints(found, held))


def _called(
    exercise: Exercise, held: Collection, functions: tuple[Callable[..., Any], ...], name: str, args: tuple[Any, ...]
) -> Any:
    """Return the result of the function of that name, or of the only one, for copies of the arguments."""
    copies = [a.copy() if isinstance(a, np.ndarray) and a.ndim else a for a in args]
    copies = [a.item() if isinstance(a, (np.generic, np.ndarray)) and not np.ndim(a) else a for a in copies]
    if exercise.probes and functions:
        return getattr(probes, name)(Names({"Tensor": functions[0]}), *copies)
    by_name = {getattr(f, "__name__", ""): f for f in functions}
    stub = ast.parse(held.stub(exercise).read_text(encoding="utf-8"))
    alone = len(functions) == 1 == sum(isinstance(part, ast.FunctionDef) for part in stub.body)
    function = by_name.get(name, functions[0] if alone else None)
    if function is None:
        raise Failed("missing", f"exercise {exercise.number} asks for a function {name}; it was given {[*by_name]}")
    return function(*copies)
