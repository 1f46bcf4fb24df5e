"""The exercises, in their order, and where their files are: ours, or those of a teacher's folder.

`checks` has the first eight of ours, `more_checks` the others, `hints` their hints.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import NamedTuple

from . import checks, engine_checks, more_checks
from .checks import Exercise
from .hints import HINTS

FILE = "exercises.py"  # of a teacher's folder: it names the exercises


class Collection(NamedTuple):
    """The exercises of a folder, which holds a stub for each, and their solutions in a folder of its own.

    Nothing in ``solutions`` is handed out, and nothing but `solution` reads it: it may be missing.
    """

    exercises: list[Exercise]
    folder: Path

    def numbered(self, number: int) -> Exercise:
        """Return the exercise of that number; a ValueError if there is none."""
        for exercise in self.exercises:
            if exercise.number == number:
                return exercise
        numbers = [e.number for e in self.exercises]
        raise ValueError(f"there is no exercise {number}; they are {numbers[0]} to {numbers[-1]}")

    def stub(self, exercise: Exercise) -> Path:
        """Return the path of the file that a student gets."""
        return self.folder / f"{exercise.stem}.py"

    def solution(self, exercise: Exercise) -> Path:
        """Return the path of the solution, which need not be there."""
        return self.folder / "solutions" / f"{exercise.stem}.py"


def collection(folder: Path | None = None) -> Collection:
    """Return the exercises of a teacher's folder, which its file exercises.py lists as EXERCISES; by default ours.

    Raises
    ------
    ValueError : there is no such file, it cannot be run, or its list is no list of exercises with their stubs
    """
    if folder is None:
        return COURSE
    path = folder / FILE
    if not path.is_file():
        raise ValueError(f"{folder} holds no {FILE}, which lists a teacher's exercises as EXERCISES")
    try:
        exercises = runpy.run_path(str(path)).get("EXERCISES")
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    if not isinstance(exercises, list) or not exercises or not all(isinstance(e, Exercise) for e in exercises):
        raise ValueError(f"{path} has to set EXERCISES = [Exercise(...), ...]")
    found = Collection(exercises, folder)
    if missing := [found.stub(e).name for e in exercises if not found.stub(e).is_file()]:
        raise ValueError(f"{path} names an exercise without its stub: {folder} holds no {missing[0]}")
    if len({e.number for e in exercises}) < len(exercises):
        raise ValueError(f"{path} gives two exercises one number")
    return found


COURSE = Collection([e._replace(hints=HINTS[e.name]) for e in [
    Exercise(1, "chain_rule", "the chain rule, by hand", checks.chain_rule),
    Exercise(2, "shared_variable", "a variable that is used twice: why +=", checks.shared_variable),
    Exercise(3, "linear_layer", "backward through x @ W + b", checks.linear_layer),
    Exercise(4, "activations", "backward through relu, sigmoid and tanh", checks.activations),
    Exercise(5, "broadcasting", "undoing broadcasting", checks.broadcasting),
    Exercise(6, "cross_entropy", "softmax and cross-entropy", checks.cross_entropy),
    Exercise(7, "network", "a whole network of two layers", checks.network),
    Exercise(8, "adam", "one step of Adam", checks.adam),
    Exercise(9, "slope", "a slope that is measured, and descent along it", more_checks.slope),
    Exercise(10, "cost", "the mean squared error of a line, and its gradient", more_checks.cost),
    Exercise(11, "averages", "a moving average, corrected for its start", more_checks.averages),
    Exercise(12, "momentum", "one step along an average of slopes", more_checks.momentum),
    Exercise(13, "rmsprop", "one step of RMSProp", more_checks.rmsprop),
    Exercise(14, "schedule", "a rate that warms up, then falls as a cosine", more_checks.schedule),
    Exercise(15, "initialisation", "the first weights of a layer", more_checks.initialisation),
    Exercise(16, "value", "a class that finds gradients by itself", more_checks.value, engine_checks.PROBES),
]], Path(__file__).parent / "exercises")  # fmt: skip
