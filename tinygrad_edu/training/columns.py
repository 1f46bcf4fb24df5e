"""The kinds of a table's columns: numbers, yes and no, words. A column that is none of them is refused by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.ops import Array
from .cells import NUMBER, Cells, Column, Where

YES_NO = [("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t")]
KINDS = ("number", "words", "yes/no")
CLASSES, WORDS = 20, 100  # at most: of a target of whole numbers that is taken for labels; of a column of words
MISTAKEN = [  # columns of words that were meant as something else: a pattern of every cell, and what is said
    (r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?", "a date; make a number of it, as days since the first,"),
    (
        r"[-+]?\d{1,3}([ ,.'’]\d{3})+([.,]\d+)?|[-+]?\d+,\d+",
        "a number with a comma or with thousands separators; write 1234.5, or give csv() a pandas DataFrame, as "
        "pandas.read_csv(path, thousands='.', decimal=',') makes one,",
    ),
]


class Feature(NamedTuple):
    """A column of the file: its name, its kind ("number", "words" or "yes/no"), and its words, as the file spells them.

    Yes and no have an order, no first, and are known in any case of the letters.
    """

    name: str
    kind: str
    words: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Return the names of the columns of X that come of it."""
        return [f"{self.name}={word}" for word in self.words] if self.kind == "words" else [self.name]

    def codes(self, column: Column, where: Where) -> Array:
        """Return the numbers, or the place of each word among the words; NaN where the cell is empty.

        Raises
        ------
        ValueError : a word among numbers, or one that is not known
        """
        if self.kind == "number":
            if not isinstance(column, list):
                return column
            row = next(i for i, cell in enumerate(column) if cell is not None and not NUMBER.fullmatch(cell))
            raise ValueError(f"{where(row, self.name)}: {column[row]!r} is no number, as the others of this column are")
        place = {self._plain(word): float(i) for i, word in enumerate(self.words)}
        codes = np.full(len(column), np.nan)
        for row, cell in enumerate(_words(column)):
            if cell is not None:
                if self._plain(cell) not in place:
                    raise ValueError(
                        f"{where(row, self.name)}: {cell!r} is none of the known words, {', '.join(self.words)}"
                    )
                codes[row] = place[self._plain(cell)]
        return codes

    def _plain(self, word: str) -> str:
        return word.lower() if self.kind == "yes/no" else word

    def encoded(self, column: Column, where: Where) -> Array:
        """Return the columns of X that come of it: one, or one for each word."""
        codes = self.codes(column, where)[:, None]
        if self.kind != "words":
            return codes
        return np.where(np.isnan(codes), np.nan, codes == np.arange(len(self.words)))


def feature_of(name: str, column: Column, kind: str | None, cells: Cells, fix: str = "") -> Feature:
    """Return the kind of a column and its words, or say why nothing can be learned from it.

    kind : what the user says it is; None to find out
    fix : what else helps; "" to leave the column out
    """
    fix = fix or f"leave it out with drop=[{name!r}]"
    if not (any(cell is not None for cell in column) if isinstance(column, list) else (column == column).any()):
        raise ValueError(f"column {name!r} is empty; {fix}")
    if not isinstance(column, list):
        _refuse_uncountable(name, column, cells.where, fix)
        return Feature(name, "number")
    known = [cell for cell in column if cell is not None]
    if kind == "number" or (kind is None and any(map(NUMBER.fullmatch, known))):
        numbers = [cell is not None and NUMBER.fullmatch(cell) is not None for cell in column]
        row = next(i for i, cell in enumerate(column) if cell is not None and not numbers[i])
        raise ValueError(
            f"{cells.where(row, name)} is {column[row]!r}, but {sum(numbers):,} cells of the column are numbers; mend "
            f'it, or say kinds={{{name!r}: "words"}}'
        )
    words = sorted(set(known))
    for pair in YES_NO:
        if kind != "words" and {word.lower() for word in words} <= set(pair) and (len(words) > 1 or kind):
            return Feature(name, "yes/no", tuple(_spelling(word, known) for word in pair))
    if kind == "yes/no":
        raise ValueError(f"column {name!r} is not of yes and no, but of {listed(words)}")
    if kind is None:
        _refuse_mistaken(name, column, words, cells.where, fix)
    if len(words) > WORDS or (len(words) == len(known) > 10):
        raise ValueError(
            f"column {name!r} holds {len(words):,} different words in {len(known):,} rows, as {listed(words, 2)}: "
            f"too many to learn from; {fix}"
        )
    return Feature(name, "words", tuple(words))


def _spelling(word: str, known: list[str]) -> str:
    """Return the most frequent spelling of a word among cells, or the word if there is none."""
    return max(sorted({cell for cell in known if cell.lower() == word}), key=known.count, default=word)


def _refuse_uncountable(name: str, column: Array, where: Where, fix: str) -> None:
    """Raise if whole numbers are so large that a float takes some of them for one, as those of accounts."""
    known = column[~np.isnan(column)]
    if (known == np.rint(known)).all() and np.abs(known).max() > 2**53:
        row = int(np.nanargmax(np.abs(column)))
        raise ValueError(
            f"{where(row, name)} is {column[row]:.0f}, more than a float can count; {fix}, or say "
            f'kinds={{{name!r}: "words"}}'
        )


def _refuse_mistaken(name: str, column: list[str | None], words: list[str], where: Where, fix: str) -> None:
    """Raise if the words are dates, or numbers that are written in another way."""
    for pattern, what in MISTAKEN:
        if all(re.fullmatch(pattern, word) for word in words):
            row = next(row for row, cell in enumerate(column) if cell is not None)
            raise ValueError(f"{where(row, name)} is {column[row]!r}, {what} or {fix}")


def target_of(name: str, column: Column, kind: str | None, cells: Cells) -> Feature:
    """Return the target's kind, and its classes."""
    feature = feature_of(name, column, kind, cells, "choose another target")
    if not isinstance(column, list) and kind is None:
        known = column[~np.isnan(column)]
        values = np.unique(known)
        few = len(values) <= 2 or (len(values) <= CLASSES and 5 * len(values) <= len(known))
        if few and (values == np.rint(values)).all():
            feature = Feature(name, "words", tuple(f"{value:.17g}" for value in values))
    if feature.kind == "words" and len(feature.words) < 2:
        raise ValueError(f"the target {name!r} has one class, {feature.words[0]!r}: there is nothing to tell apart")
    return feature


def found(feature: Feature, column: Array) -> str:
    """Return what a column holds. column : its numbers, or the first of those that are made of its words."""
    known = column[~np.isnan(column)]
    if feature.kind == "words":
        return f"{len(feature.words)} words, one-hot: {listed(feature.words)}"
    if feature.kind == "yes/no":
        return f"{feature.words[1]} in {np.mean(known):.0%} of the rows"
    if known.min() == known.max():
        return f"the number {known[0]:g} in each row: nothing is learned from it"
    return f"numbers from {known.min():g} to {known.max():g}"


def described(target: Feature, y: Array | None) -> str:
    """Return what the target is."""
    if target.kind == "number":
        return "a number, so this is a regression"
    counts = [""] * len(target.words) if y is None else [f" {n}" for n in np.bincount(y, minlength=len(target.words))]
    said = f"{len(target.words)} classes: {listed([word + n for word, n in zip(target.words, counts)])}"
    numbers = all(map(NUMBER.fullmatch, target.words))
    return f'{said}; kinds={{{target.name!r}: "number"}} makes a regression of it' if numbers else said


def listed(words: Sequence[str], most: int = 8) -> str:
    """Return the words with commas; of many the first ones and the last."""
    return ", ".join(words[:most]) + (f", ... {words[-1]}" if len(words) > most else "")


def _words(column: Column) -> list[str | None]:
    """Return a column as words: whole numbers without a point."""
    return column if isinstance(column, list) else [None if np.isnan(x) else f"{x:.17g}" for x in column]
