"""Tables of your own: a CSV file as arrays, and the encoding with which other files mean the same.

`csv` reads a file. Its `Table` has X, y and an `Encoder`, which reads other files in the same way.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..guards.kinds import shown, yes_or_no
from ..guards.names import helped
from ..guards.samples import finite
from .cells import Cells, is_empty, read
from .columns import KINDS, Feature, described, feature_of, found, target_of
from .splits import Standardize, split
from .states import fitting, loads

MISSING = ("refuse", "drop", "mean", "median")
MOST = 40  # columns that a table prints


class Encoder:
    """The way from a table to arrays: its columns, their words, and the numbers that fill and scale them.

    Each `Table` has one. It reads other files as that table was read, makes words of a model's output, and is kept
    beside the model: ``tg.save(path, model=model, encoder=table.encoder)``, then ``tg.load(path, model=model,
    encoder=encoder)`` with ``encoder = tg.data.Encoder()``.

    Attributes
    ----------
    features : the columns of the file that X is made of, a `Feature` each
    target : the column that y is made of. Its words are the classes; a number is the target of a regression
    dropped : the columns that are left out
    missing : what happens to empty cells, as in `csv`
    fill : what an empty cell becomes, for each column of X
    scale, unit : `Standardize` for the columns of X, and for a regression's target; None leaves them as in the file
    """

    def __init__(self) -> None:
        self.features: list[Feature] = []
        self.target: Feature | None = None
        self.dropped: list[str] = []
        self.missing, self.reading = "refuse", dict[str, Any]()
        self.fill = np.zeros(0)
        self.scale: Standardize | None = None
        self.unit: Standardize | None = None

    def names(self) -> list[str]:
        """Return the names of the columns of X."""
        return [name for feature in self.features for name in feature.names()]

    def encode(self, source: Any) -> Table:
        """Return another file, or a DataFrame, as a `Table`. Its y is None if the target's column is missing or empty.

        Raises
        ------
        ValueError : as `csv`; a column that is missing, or one that the first table had not; a word that is not known
        """
        self._require_columns()
        cells = read(source, **self.reading)
        known = [feature.name for feature in self.features]
        target = self.target.name if self.target else None
        for name in known:
            if name not in cells.columns:
                raise _no_column(source, name, cells)
        for name in cells.columns:
            if name not in (*known, target, *self.dropped):
                raise ValueError(f"{_called(source)} has a column {name!r}, which the first table had not")
        return self._table(source, cells)

    def _require_columns(self) -> None:
        if not self.features:
            raise ValueError(
                "this Encoder has learned no columns yet: tg.data.csv(path, target=...).encoder has, or "
                "tg.load(path, encoder=encoder) fills it"
            )

    def _table(self, source: Any, cells: Cells) -> Table:
        """Return the cells as a `Table`, or say where one is empty that may not be."""
        columns, where = cells.columns, cells.where
        answered = self.target is not None and self.target.name in columns and not is_empty(columns[self.target.name])
        X = np.concatenate([f.encoded(columns[f.name], where) for f in self.features], axis=1)
        empty, y = np.isnan(X), None
        may_drop = self.missing == "drop" and answered
        if empty.any() and self.missing in ("refuse", "drop") and not may_drop:
            row, column = np.argwhere(empty)[0]
            name = [f.name for f in self.features for _ in f.names()][column]
            raise ValueError(
                f"{where(row, name)} is empty{_others(empty.any(axis=1))}; mend the file, or say missing="
                '"mean" or "median", which fill empty cells, or "drop", which leaves the rows out'
            )
        keep = ~empty.any(axis=1) if may_drop else np.ones(len(X), bool)
        if self.target is not None and answered:
            y = self.target.codes(columns[self.target.name], where)
            if np.isnan(y).any() and not may_drop:
                row = int(np.isnan(y).argmax())
                raise ValueError(
                    f"{where(row, self.target.name)}, the target, is empty{_others(np.isnan(y))}; "
                    'mend the file, or say missing="drop", which leaves the rows out'
                )
            keep &= ~np.isnan(y)
            y = y[keep, None] if self.target.kind == "number" else y[keep].astype(np.int64)
        if not keep.any():
            raise ValueError(f'{_called(source)}: each row has an empty cell, so missing="drop" leaves none')
        return self._finished(X[keep], y, _called(source), int((~keep).sum()))

    def _learned(self, raw: Array, y: Array | None, standardize: bool) -> Encoder:
        """Return an encoder like this one; fill and scales are those of the rows of raw, where empty cells are NaN."""
        new, known = copy.copy(self), ~np.isnan(raw)
        if not known.any(axis=0).all():
            name = self.names()[int((~known.any(axis=0)).argmax())]
            raise ValueError(f"column {name!r} is empty, so nothing fills it: drop=[{name!r}] leaves it out")
        middle = np.median if self.missing == "median" else np.mean
        new.fill = np.array([middle(column[there]) for column, there in zip(raw.T, known.T)])
        new.scale = new.unit = None
        if standardize:
            new.scale = scale = Standardize(np.where(known, raw, new.fill))
            words = [f.kind != "number" for f in self.features for _ in f.names()]  # these stay 0 and 1
            scale.mean[words], scale.deviation[words] = 0, 1
            if y is not None and self.target is not None and self.target.kind == "number":
                new.unit = Standardize(y)
        return new

    def _finished(self, raw: Array, y: Array | None, source: str, left_out: int) -> Table:
        """Return the rows of raw and y as a `Table`, filled and scaled."""
        X = np.where(np.isnan(raw), self.fill, raw)
        X = X if self.scale is None else self.scale(X)
        return Table(X, y if y is None or self.unit is None else self.unit(y), self, raw, source, left_out)

    def decode(self, output: Any) -> Array:
        """Return what a model's output says: the word of the class with the largest score, or the target in its unit.

        Parameters
        ----------
        output : scores (N, C), or class numbers (N,); of a regression (N, 1)

        Raises
        ------
        ValueError : NaN or infinity, as of a training that diverged; a table without a target; another shape
        """
        self._require_columns()
        output = finite("output", output)
        if self.target is None:
            raise ValueError("this table has no target, so there is nothing to decode")
        if self.target.kind == "number":
            return output if self.unit is None else self.unit.back(output)
        words, classes = np.array(self.target.words), output
        if output.ndim == 2 and output.shape[1] == len(words):
            classes = output.argmax(axis=1)
        elif output.ndim != 1 or output.dtype.kind not in "iu" or not ((output >= 0) & (output < len(words))).all():
            raise ValueError(
                f"output is a score for each of {len(words)} classes, (N, {len(words)}), or class numbers from 0 to "
                f"{len(words) - 1}, got {shown(output)}"
            )
        return words[classes]

    def state_dict(self) -> dict[str, Any]:
        """Return the columns, words and numbers. `tg.save` can write it to a file."""
        state = copy.deepcopy(vars(self))
        state["features"], state["target"] = list(map(list, self.features)), self.target and list(self.target)
        return state | {name: (scale := vars(self)[name]) and scale.state_dict() for name in ("scale", "unit")}

    @loads
    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned. Raises ValueError if it is no such state; nothing is changed then."""
        new = Encoder()
        try:
            new.features = [_feature(*row) for row in state["features"]]
            new.target = state["target"] and _feature(*state["target"])
            new.dropped, new.missing = _texts(state["dropped"]), state["missing"]
            new.reading = {name: state["reading"][name] for name in ("header", "delimiter", "encoding", "as_words")}
            new.fill = fitting("fill", state["fill"], np.zeros(len(new.names())))
            for name, size in (("scale", len(new.fill)), ("unit", 1)):
                if state[name]:
                    setattr(new, name, scale := Standardize(np.zeros((1, size))))
                    scale.load_state_dict(state[name])
            if new.missing not in MISSING:
                raise ValueError(f"missing = {new.missing!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this state is none of an Encoder: {error}") from None
        vars(self).update(vars(new))

    def __repr__(self) -> str:
        return f"Encoder({len(self.features)} columns, target {self.target.name if self.target else None!r})"


class Table(NamedTuple):
    """A table as arrays.

    X : (N, D) floats: a column for each number and each yes/no, which is 1 for yes, and one for each word
    y : class numbers (N,), or the targets (N, 1) of a regression; None without a target
    encoder : how X and y came of the file
    raw : X as it is in the file, with NaN for empty cells
    source : the file
    left_out : how many rows had empty cells and were dropped

    `features` are the names of X's columns, `classes` the words of the class numbers.
    """

    X: Array
    y: Any
    encoder: Encoder
    raw: Array
    source: str
    left_out: int

    @property
    def features(self) -> list[str]:
        """The names of the columns of X."""
        return self.encoder.names()

    @property
    def classes(self) -> list[str] | None:
        """The words of the class numbers 0, 1, ...; None for a regression."""
        target = self.encoder.target
        return None if target is None or target.kind == "number" else list(target.words)

    @helped
    def split(self, test_share: float = 0.2, rng: Rng = None, standardize: bool = True) -> tuple[Table, Table]:
        """Return a training and a test table, each with the same share of every class.

        What fills empty cells is learned from the training rows alone, and so are means and deviations.

        Parameters
        ----------
        test_share, rng : as in `split`
        standardize : give columns of numbers, and the targets of a regression, mean 0 and deviation 1;
            ``encoder.decode`` gives predictions back in the target's unit. Columns of words stay 0 and 1
        """
        yes_or_no("standardize", standardize)
        y, unit = self.y, self.encoder.unit
        if y is None:
            raise ValueError("the table has no target: csv(path, target=...) names it")
        y = y if unit is None else unit.back(y)
        rows = split(np.arange(len(y))[:, None], y, test_share, rng)
        train, test = rows.X_train[:, 0], rows.X_test[:, 0]
        encoder = self.encoder._learned(self.raw[train], y[train], bool(standardize))
        parts = [(train, f"{self.source}, training part"), (test, f"{self.source}, test part")]
        one, other = [encoder._finished(self.raw[part], y[part], name, 0) for part, name in parts]
        return one, other

    def __repr__(self) -> str:
        encoder, holes = self.encoder, 0
        lines = [f"{self.source}: {len(self.X):,} rows, {self.X.shape[1]} features"]
        at = 0
        width = max(len(f.name) for f in encoder.features[:MOST])
        for feature in encoder.features:
            column = self.raw[:, at : (at := at + len(feature.names()))]
            holes += int(np.isnan(column[:, 0]).sum())
            if len(lines) <= MOST:
                lines.append(f"  {feature.name:<{width}}  {found(feature, column[:, 0])}")
        lines += [f"  ... and {len(encoder.features) - MOST:,} more"] * (len(encoder.features) > MOST)
        if (target := encoder.target) is not None:
            lines.append(f"  target {target.name}: {described(target, self.y)}")
        lines += [f"  left out: {', '.join(encoder.dropped)}"] * bool(encoder.dropped)
        lines += [f"  empty cells: {holes}, filled with the {encoder.missing}"] * bool(holes)
        lines += [f"  rows with empty cells left out: {self.left_out}"] * bool(self.left_out)
        lines += ["  columns of numbers have mean 0 and deviation 1 in the training part"] * (encoder.scale is not None)
        return "\n".join(lines)


def _names(argument: str, names: Any) -> list[str]:
    """Return a list of names that the user gave."""
    several = isinstance(names, (list, tuple, set, dict)) or getattr(names, "ndim", 0) == 1
    if not several or not all(isinstance(name, str) for name in names):
        said = f"; say {argument}=[{names!r}]" if isinstance(names, str) else ""
        raise TypeError(f"{argument} is a list of names, got {shown(names)}{said}")
    return list(map(str, names))


def _feature(name: Any, kind: Any, words: Any) -> Feature:
    """Return a feature of a state, or raise ValueError."""
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind!r}")
    return Feature(_texts([name])[0], kind, tuple(_texts(words)))


def _texts(values: Any) -> list[str]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{values!r} is no list of words")
    return list(values)


def _others(rows: Array) -> str:
    n = int(rows.sum()) - 1
    return f", and {n:,} more row{'s have' if n > 1 else ' has'} an empty cell" if n else ""


def _no_column(source: Any, name: str, cells: Cells) -> ValueError:
    return ValueError(f"{_called(source)} has no column {name!r}; it has {', '.join(map(repr, cells.columns))}")


def _called(source: Any) -> str:
    return f"DataFrame of {len(source)} rows" if hasattr(source, "columns") else str(source)


# --- a new table ------------------------------------------------------------------------------------------------------


@helped
def csv(
    path: Any,
    target: str | None = None,
    missing: str = "refuse",
    drop: Iterable[str] = (),
    kinds: Mapping[str, str] | None = None,
    header: Sequence[str] | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> Table:
    """Read a table from a CSV file: X, y, the names of features and classes, and the encoding for other files.

    A column of numbers stays one; of yes and no, or true and false, it becomes 1 and 0; of other words it becomes a
    column of 0 and 1 for each word (one-hot). A target of words, or of few whole numbers, is encoded as 0 to C - 1, in
    the order of the words; another target is a regression's. The table prints what was found.

    Parameters
    ----------
    path : the file; or a pandas DataFrame, for what pandas alone reads, as ``pandas.read_excel(path)``
    target : the column to predict; None for none
    missing : what to do about empty cells, and ?, NA, N/A, NaN, null: "refuse" them, "drop" their rows, or fill them
        with the column's "mean" or "median" (of a column of words: with the share of each word). `Table.split` learns
        these from the training part. A target is never filled
    drop : columns to leave out
    kinds : what a column is, if that is not what it looks like: {"zip": "words", "rating": "number"}; or "yes/no"
    header : the names of the columns, if the file has none in its first line
    delimiter : what parts the cells; None for that of , ; tab | which the first line has most of
    encoding : of the text

    Returns
    -------
    Table : X, y, features, classes, encoder; ``train, test = table.split(0.2, rng=0)`` is what `fit` takes next

    Raises
    ------
    FileNotFoundError : there is no such file
    ValueError : an empty cell; a column of words and numbers, of dates, of more than 100 words, or of numbers with
        commas; a target with one class, or one that is dropped; rows that are too long or too short; no header, or
        one that names a column twice; bytes that are no text, or compressed. The error names line and column, and says
        what helps

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp(), "fruit.csv")
    >>> _ = path.write_text("weight,colour,fruit\\n150,red,apple\\n160,green,apple\\n120,red,pear\\n130,green,pear\\n")
    >>> table = csv(path, target="fruit")
    >>> table.features, table.classes, table.y
    (['weight', 'colour=green', 'colour=red'], ['apple', 'pear'], array([0, 0, 1, 1]))
    >>> table.X[0]
    array([150.,   0.,   1.])
    """
    if not isinstance(missing, str) or missing not in MISSING:
        raise ValueError(f"missing = {missing!r}, but it has to be {', '.join(map(repr, MISSING))}")
    if target is not None and not isinstance(target, str):
        raise TypeError(f"target is the name of a column, got {shown(target)}")
    drop, kinds = _names("drop", drop), {} if kinds is None else kinds
    if not isinstance(kinds, Mapping):
        raise TypeError(f'kinds is a dict, as {{"zip": "words"}}, got {shown(kinds)}')
    words = [name for name, kind in kinds.items() if kind != "number"]
    header = None if header is None else _names("header", header)
    reading: dict[str, Any] = {"header": header, "delimiter": delimiter, "encoding": encoding, "as_words": words}
    cells = read(path, **reading)
    names = list(cells.columns)
    for name in [*([] if target is None else [target]), *drop, *kinds]:
        if name not in names:
            raise _no_column(path, name, cells)
    if "" in names and "" not in (target, *drop, *kinds):
        raise ValueError(
            f"{_called(path)}: column {names.index('') + 1} has no name, as that of row numbers in a file of pandas; "
            "leave it out with drop=['']"
        )
    if target in drop:
        raise ValueError(f"{target!r} is the target, so that drop=[{target!r}] leaves nothing to predict")
    if bad := [kind for kind in kinds.values() if kind not in KINDS]:
        raise ValueError(f"kinds = {kinds}, but a column is {', '.join(map(repr, KINDS))}, not {bad[0]!r}")
    encoder = Encoder()
    encoder.missing, encoder.reading, encoder.dropped = missing, reading, drop
    for name in names:
        if name in drop:
            continue
        column = cells.columns[name]
        if name == target:
            encoder.target = target_of(name, column, kinds.get(name), cells)
        else:
            encoder.features.append(feature_of(name, column, kinds.get(name), cells))
    if not encoder.features:
        raise ValueError(f"{_called(path)} has no column to learn from beside {', '.join(map(repr, names))}")
    encoder.fill = np.zeros(len(encoder.names()))
    table = encoder._table(path, cells)
    encoder = encoder._learned(table.raw, table.y, standardize=False)
    return encoder._finished(table.raw, table.y, table.source, table.left_out)
