"""A long step is divided among several functions: a compiler's work grows with the square of a function's loops."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONG = 240  # lines, from which on a step is divided
PART = 30  # lines of a part, or one loop that is longer
PLACE = re.compile(r"(\w+) = _place\((.*), (\d+), \d+\)")
HEAD = """\
@_kernel
def part{number}(_at, _X, _y):
    \"\"\"A part of the pass, over arrays alone.\"\"\"
    _N = len(_X)
    _P = (_N + 15) // 16 * 16
"""


def divided(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the texts of the parts, and the lines of the function that calls them; lines itself if they are few.

    What is in a part reads and writes arrays alone. A number that is kept in a variable, a look at the batch and a draw
    of random numbers stay where they were.
    """
    if len(lines) < LONG:
        return [], lines
    places = {found[1]: (found[2], int(found[3])) for line in lines if (found := PLACE.fullmatch(line))}
    rest = statements(line for line in lines if not PLACE.fullmatch(line))
    variables = {target for first, *_ in rest for target in re.findall(r"^(\w+) = ", first)}
    stays = variables | {"return", "_out", "_at"}
    parts, main, part = list[str](), list[str](), list[str]()
    for statement in [*rest, []]:
        moves = bool(statement) and not (words(statement) & stays or re.search("^if |_rng", "\n".join(statement)))
        if part and (not moves or len(part) >= PART):
            number = len(parts) + 1
            parts.append(HEAD.format(number=number) + "\n".join(f"    {line}" for line in declared(part, places)))
            main.append(f"part{number}(_at, _X, _y)")
            part = []
        if moves:
            part += statement
        else:
            main += statement
    return parts, declared(main, places)


def statements(lines: Iterable[str]) -> list[list[str]]:
    """Return the lines in groups: a line that is not indented, and those below it that are."""
    found = list[list[str]]()
    for line in lines:
        if line.startswith(" "):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def words(lines: list[str]) -> set[str]:
    """Return all names and keywords in these lines."""
    return set(re.findall(r"[A-Za-z_]\w*", "\n".join(lines)))


def declared(lines: list[str], places: dict[str, tuple[str, int]]) -> list[str]:
    """Return the lines behind a line for each array that they use. Arrays that share no memory are numbered anew."""
    used = words(lines) & places.keys()
    for name in reversed(places):  # an array in another's memory comes after it
        used |= words([places[name][0]]) & places.keys() if name in used else set()
    numbers = {number: i for i, number in enumerate(sorted({places[name][1] for name in used}))}
    return [
        *(f"{n} = _place({where}, {numbers[i]}, {len(numbers)})" for n, (where, i) in places.items() if n in used),
        *lines,
    ]
