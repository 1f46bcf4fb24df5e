"""Masked arrays are refused: arithmetic on them would go on with the numbers behind the mask."""

from __future__ import annotations

from typing import Any

from numpy import ma


def refuse_masked(name: str, values: Any) -> None:
    """Raise a TypeError if values is a masked array that hides a number. One that hides none is as any array.

    >>> refuse_masked("X", ma.array([1.0, 999.0], mask=[False, True]))
    Traceback (most recent call last):
        ...
    TypeError: X is a masked array, and 1 of its 2 numbers are hidden: choose with X.filled(value), or leave rows out
    """
    if isinstance(values, ma.MaskedArray) and (hidden := int(ma.getmaskarray(values).sum())):
        raise TypeError(
            f"{name} is a masked array, and {hidden} of its {values.size} numbers are hidden: choose with "
            f"{name}.filled(value), or leave rows out"
        )
