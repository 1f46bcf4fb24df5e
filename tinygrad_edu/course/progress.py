"""The way on from an exercise: a hint more each time, a solution to compare with, and the exercise that comes next."""

from __future__ import annotations

import json
from contextlib import suppress

from ..compile.store import folder
from ..extras.files import place, replacing
from .checks import Exercise
from .table import COURSE, Collection

FILE = "hints.json"  # in the folder of the cache: how many hints of each exercise were shown


def hints(exercise: Exercise, held: Collection = COURSE) -> str:
    """Return the hints of an exercise that were shown before, and one more; count it in the user's cache.

    >>> from tinygrad_edu.course.table import COURSE
    >>> hints(COURSE.numbered(1)).startswith("Hint 1 of 3: Draw it as a line")
    True
    """
    key = exercise.stem if held is COURSE else str(held.folder.resolve() / exercise.stem)
    seen = dict[str, int]()
    with suppress(OSError, ValueError, TypeError, AttributeError, RuntimeError):  # damaged, or the user has no home
        kept = json.loads((folder() / FILE).read_text(encoding="utf-8"))
        seen = {str(name): int(n) for name, n in kept.items()}
    total, shown = len(exercise.hints), max(seen.get(key, 0), 0) + 1
    with suppress(OSError, RuntimeError), replacing(place(folder() / FILE)) as file:  # else the first one comes again
        file.write(json.dumps({**seen, key: min(shown, total)}, indent=1).encode())
    lines = [f"Hint {n} of {total}: {text}" for n, text in enumerate(exercise.hints[:shown], 1)]
    end = "The same again gives one more." if shown < total else f"There are no more hints on {exercise.stem}."
    return "\n".join([*lines, end])


def solution(exercise: Exercise, held: Collection = COURSE) -> str:
    """Return the text of a solution; a ValueError if it is not there."""
    try:
        return held.solution(exercise).read_text(encoding="utf-8").rstrip()
    except OSError:
        raise ValueError(f"{held.folder} holds no solution of {exercise.stem}: ask your teacher") from None


def following(exercise: Exercise, held: Collection = COURSE) -> Exercise | None:
    """Return the exercise that comes next; None behind the last."""
    later = held.exercises[held.exercises.index(exercise) + 1 :]
    return later[0] if later else None
