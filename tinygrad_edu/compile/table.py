"""The table of a compiled step: the address of each array that outlives a call, and some whole numbers.

A call of machine code hands over the batch and this one array, ``_at`` in the text. `slots` names its places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

DONE, SKIPPED, REFUSED, NOT_FINITE, NO_LOSS, OTHER = range(6)  # the status of a call: errors from REFUSED on
FIXED = ("data", "grad", "l2", "numbers", "spans", "runs", "policy", "work", "out", "count", "apart")
CALL = ("rows", "left", "n", "class", "dtype_X", "dtype_y")  # what the next call takes, see `Plan.run`
EPOCH = ("batch", "batch_X", "batch_y")  # the number of samples, and the arrays where a batch is brought together
OWN = ("own_X", "own_y")  # copies of labels and of other indices: what was looked at is what is used


def slots(states: int, kept: Iterable[str], generators: int = 0) -> dict[str, int]:
    """Return name -> number of the slot, for so many running averages, the arrays of these names, and so many
    generators: the state and the function of each."""
    names = [*FIXED, *CALL, *EPOCH, *OWN, *(f"state{i}" for i in range(states)), *(f"kept {name}" for name in kept)]
    names += [f"{what}{i}" for i in range(generators) for what in ("rng", "random")]
    return {name: i for i, name in enumerate(names)}


class Table:
    """Addresses and numbers by the names of their slots.

    Attributes
    ----------
    at, view : the array that machine code reads, and the same for Python, as it is quicker for a single number
    """

    def __init__(self, slots: dict[str, int]) -> None:
        at: Any = np.zeros(len(slots), np.int64)
        self.slots, self.at, self.view = slots, at, memoryview(at)
        self._kept: dict[str, Any] = {}

    def put(self, **given: Any) -> None:
        """Write the addresses of arrays, or whole numbers."""
        for name, value in given.items():
            self._kept[name] = value  # an array lives as long as its address is in use
            self.at[self.slots[name]] = value.ctypes.data if isinstance(value, np.ndarray) else value
