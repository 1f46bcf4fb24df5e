"""A matrix product of shapes that do not fit, said in words: which factor has which length, and what would fit."""

from __future__ import annotations

import re


def of_shapes(left: tuple[int, ...], right: tuple[int, ...]) -> str:
    """Return the sentence on left @ right; an empty string if the last axes fit.

    >>> print(of_shapes((5, 4), (3, 4)))
    left @ right: the left factor (5, 4) has 4 columns, the right (3, 4) has 3 rows; left @ right.T would fit, as in dx = g @ W.T
    """  # noqa: E501, one line as it is printed
    if not left or not right:
        return ""
    columns, rows = left[-1], right[-2 if len(right) > 1 else 0]
    if columns == rows:
        return ""
    two, fits = len(left) == len(right) == 2, list[str]()
    if two and columns == right[1]:
        fits.append("left @ right.T would fit, as in dx = g @ W.T")
    if two and left[0] == rows:
        fits.append("left.T @ right would fit, as in dW = x.T @ g")
    if two and right[1] == left[0]:
        fits.append("right @ left would fit")
    a, b = ("columns" if len(left) > 1 else "numbers"), ("rows" if len(right) > 1 else "numbers")
    said = f"left @ right: the left factor {left} has {columns} {a}, the right {right} has {rows} {b}"
    return f"{said}; {', or '.join(fits) or 'these have to be equal'}"


def reworded(message: str) -> str:
    """Return a message with NumPy's words about a product of two arrays replaced by these; others as they are."""
    message = re.sub(r"matmul: [^()]*\([^()]*\),?.*\(size (\d+) is different from (\d+)\)", _of_lengths, message)
    return re.sub(r"shapes \(([\d,]+)\) and \(([\d,]+)\) not aligned: .*\(dim \d+\)", _of_texts, message)


def _of_lengths(found: re.Match[str]) -> str:
    rows, columns = found.groups()
    said = f"left @ right: the left factor has {columns} columns, the right {rows} rows, and these have to be equal"
    return f"{said}; in a gradient one factor is transposed: dx = g @ W.T, dW = x.T @ g"


def _of_texts(found: re.Match[str]) -> str:
    left, right = (tuple(int(n) for n in part.split(",") if n) for part in found.groups())
    return of_shapes(left, right) or found[0]
