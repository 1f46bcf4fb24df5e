"""A check of an exercise on functions that are at hand, as in a notebook: no file, and no process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..doctor.report import Report, quiet
from ..guards.kinds import whole
from . import probes
from .checks import Exercise
from .grading import TURNS
from .submission import Failed, Names, arrays
from .table import EXERCISES


@quiet()
def check(exercise: int, *functions: Callable[..., Any], rng: Rng = None) -> Report:
    """Check what you wrote for an exercise, and return the doctor's report: print it, or end a cell with it.

    The same check as that of ``tinygrad-edu exercise check FILE``, with three sets of random numbers. Here your
    functions run in this process, so an error of theirs is raised as it is.

    Parameters
    ----------
    exercise : its number, 1 to 16
    functions : those that it asks for, in any order; a single one may have any name. For exercise 16 the class
    rng : generator or seed for the random numbers; None for new ones each time

    Returns
    -------
    Report : the first that shows a mistake, else the last

    Raises
    ------
    TypeError : exercise is no whole number
    ValueError : there is no such exercise, a function that it asks for is not given, or a result does not fit
    NotImplementedError : a function is not written yet

    Examples
    --------
    >>> def gradient(w, x, b):
    ...     u = w * x + b
    ...     return 2 * u * x, 2 * u * w, u  # the last one lacks a factor
    >>> check(1, gradient, rng=0).mistakes
    {'w': None, 'x': None, 'b': 'factor'}
    """
    whole("exercise", exercise, 1)
    if exercise > len(EXERCISES):
        raise ValueError(f"there is no exercise {exercise}; they are 1 to {len(EXERCISES)}")
    found, rng = EXERCISES[exercise - 1], np.random.default_rng(rng)

    def ask(name: str, *args: Any, returns: int = 1) -> list[Array]:
        try:
            return arrays(name, _called(found, functions, name, args), returns)
        except Failed as failed:
            raise ValueError(str(failed)) from None

    for turn in range(TURNS):
        report = found.check(ask, rng, turn)
        if not report.right:
            break
    return report


def _called(exercise: Exercise, functions: tuple[Callable[..., Any], ...], name: str, args: tuple[Any, ...]) -> Any:
    """Return the result of the function of that name, or of the only one, for copies of the arguments."""
    copies = [a.copy() if isinstance(a, np.ndarray) and a.ndim else a for a in args]
    copies = [a.item() if isinstance(a, (np.generic, np.ndarray)) and not np.ndim(a) else a for a in copies]
    if exercise.probes and functions:
        return getattr(probes, name)(Names({"Tensor": functions[0]}), *copies)
    by_name = {getattr(f, "__name__", ""): f for f in functions}
    function = by_name.get(name, functions[0] if len(functions) == 1 else None)
    if function is None:
        raise Failed("missing", f"exercise {exercise.number} asks for a function {name}; it was given {[*by_name]}")
    return function(*copies)
