"""The cells of a table: a file's text as columns of numbers or words. What cannot be read is refused with its line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..core.ops import Array
from ..guards.kinds import path as path_kind, shown

PACKED = {  # what a file begins with that is no text
    b"PK\x03\x04": "an Excel file or another archive",
    b"\x1f\x8b": "compressed, by gzip",
    b"BZh": "compressed, by bzip2",
    b"\xfd7zXZ": "compressed, by xz",
    b"\x28\xb5\x2f\xfd": "compressed, by zstd",
}
MISSING = ("", "?", "na", "n/a", "nan", "null", "#n/a")  # cells without a value, in any case of the letters
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
Column: TypeAlias = Array | list[str | None]  # numbers, NaN where there is none; or words, None where there is none
Where: TypeAlias = Callable[[int, str], str]


class Cells(NamedTuple):
    """A table as it was read.

    columns : by their names: numbers, or words
    where : of the number of a row, from 0, and the name of a column: the place in the file, as "line 3, column 'age'"
    rows : how many rows there are
    """

    columns: dict[str, Column]
    where: Callable[[int, str], str]
    rows: int


def read(
    source: Any,
    header: Sequence[str] | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    as_words: Iterable[str] = (),
) -> Cells:
    """Return the cells of a file, or of a pandas DataFrame. Columns in as_words keep their text, as zip codes need.

    pandas reads a plain file when it is installed, as it is quicker; a quoted or doubtful one is left to the standard
    library's csv, which says where something is wrong.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError : see `tables.csv`
    """
    if hasattr(source, "columns") and hasattr(source, "itertuples"):
        return _finite(_of_frame(source, set(as_words)))
    text, delimiter, names = _opened(source, header, delimiter, encoding)
    columns = _by_pandas(text, delimiter, names, header is None, as_words)
    if columns is None:
        columns = _by_csv(source, text, delimiter, names, header is None, as_words)
    where = partial(_where, source, text, delimiter, header is None)
    return _finite(Cells(columns, where, len(columns[names[0]])))


def columns_of(path: Any) -> list[str]:
    """Return the names of a file's columns. Raises as `read`."""
    return _opened(path, None, None, "utf-8")[2]


def _opened(
    path: Any, header: Sequence[str] | None, delimiter: str | None, encoding: str
) -> tuple[str, str, list[str]]:
    """Return the text of a file, what parts its cells, and the names of its columns."""
    text = _text(path, encoding)
    if delimiter is None:
        first = next((line for line in text.split("\n") if line.strip()), "")
        delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
    elif not isinstance(delimiter, str) or len(delimiter) != 1:
        raise ValueError(f"delimiter = {delimiter!r}, but it has to be one character, as ';'")
    return text, delimiter, _header(path, next(_rows(path, text, delimiter), (0, []))[1], header)


def is_empty(values: Column) -> bool:
    """Return whether no cell of a column holds anything."""
    return all(value is None for value in values) if isinstance(values, list) else bool(np.isnan(values).all())


def _finite(cells: Cells) -> Cells:
    """Return the cells; refuse a number that is too large for a float."""
    for name, values in cells.columns.items():
        if not isinstance(values, list) and np.isinf(values).any():
            where = cells.where(int(np.isinf(values).argmax()), name)
            raise ValueError(f"{where} is infinite, or too large for a float; mend the file")
    return cells


def column(cells: Iterable[str], words: bool = False) -> Column:
    """Return the cells of a column as numbers if all of them are, else as words.

    >>> column(["1", " 2.5", "?"])
    array([1. , 2.5, nan])
    >>> column(["1", "two", "?"])
    ['1', 'two', None]
    """
    known = [None if (cell := text.strip()).lower() in MISSING else cell for text in cells]
    if not words and all(cell is None or NUMBER.fullmatch(cell) for cell in known):
        return np.array([np.nan if cell is None else float(cell) for cell in known])
    return known


def _text(path: Any, encoding: str) -> str:
    """Return the text of a file, with \\n at the end of each line."""
    path_kind("path", path)
    if not isinstance(encoding, str):
        raise TypeError(f'encoding is a word, as "cp1252", got {shown(encoding)}')
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is no file")
    content = Path(path).read_bytes()
    for mark, packed in PACKED.items():
        if content.startswith(mark):
            first, reader = ("save it as CSV", "read_excel") if mark.startswith(b"PK") else ("unpack it", "read_csv")
            raise ValueError(f"{path} is {packed}: {first}, or give pandas.{reader}(path)")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} is not {encoding}: byte 0x{content[error.start]:02x} on line {line}; files of Windows are often "
            'encoding="cp1252", others "latin-1"'
        ) from None
    except LookupError:
        raise ValueError(f'there is no encoding {encoding!r}; one is "cp1252"') from None
    if "\0" in text:
        raise ValueError(
            f"{path} is no text: it holds a zero byte on line {text[: text.index(chr(0))].count(chr(10)) + 1}"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(path: Any, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's last line, and the row. Empty lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip(" \t")):
                yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}; look at its quotes") from None


def _where(path: Any, text: str, delimiter: str, header: bool, row: int, name: str) -> str:
    """Return the place of a cell."""
    lines = (line for line, _ in _rows(path, text, delimiter))
    return f"{path}, line {next(line for i, line in enumerate(lines) if i == row + header)}, column {name!r}"


def _header(path: Any, first: list[str], header: Sequence[str] | None) -> list[str]:
    """Return the names of the columns; refuse a first line that is none, and names that are no names."""
    if not first:
        raise ValueError(f"{path} is empty")
    if header is None:
        names = [name.strip() for name in first]
        numbers = [name for name in names if NUMBER.fullmatch(name)]
        if len(numbers) == len(names) or any(not name.lstrip("+-").isdigit() for name in numbers):
            raise ValueError(
                f"{path} has no header: its first line holds the number {numbers[0]}; name the columns, as "
                f"header=[{', '.join(repr(f'column{i}') for i in range(1, min(len(names), 3) + 1))}"
                f"{', ...' * (len(names) > 3)}]"
            )
    else:
        names = list(header)
        if len(names) != len(first):
            raise ValueError(f"header has {len(names)} names, but {path} has {len(first)} columns")
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(
            f"{path} has two columns {twice[0]!r}; rename one" if twice[0] else f"{path} has columns without a name"
        )
    return names


def _by_csv(
    path: Any, text: str, delimiter: str, names: list[str], header: bool, as_words: Iterable[str]
) -> dict[str, Column]:
    """Return the columns as the standard library reads them."""
    cells = []
    for line, row in _rows(path, text, delimiter):
        if len(row) != len(names):
            raise ValueError(
                f"{path}, line {line} has {len(row)} cells, but the table has {len(names)} columns; cells are parted "
                f'by {DELIMITERS.get(delimiter, repr(delimiter))}; one that holds such a mark stands in quotes, "so"'
            )
        cells.append(row)
    if not cells[header:]:
        raise ValueError(f"{path} has no rows below the header")
    return {name: column(texts, name in as_words) for name, texts in zip(names, zip(*cells[header:]))}


def _by_pandas(
    text: str, delimiter: str, names: list[str], header: bool, as_words: Iterable[str]
) -> dict[str, Column] | None:
    """Return the columns as pandas reads them; None without pandas, and where csv might read something else."""
    try:
        import pandas
    except ImportError:
        return None
    lines = [line for line in text.split("\n") if line.strip(" \t")]
    if '"' in text or any(line.count(delimiter) != len(names) - 1 for line in lines):
        return None
    missing = [spelled for word in MISSING for spelled in {word, word.upper(), word.capitalize()}]
    how: dict[str, Any] = {"header": 0 if header else None, "index_col": False, "low_memory": False}
    if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):  # later ones read to the last bit anyway
        how["float_precision"] = "round_trip"
    words = {name: str for name in as_words if name in names}
    try:
        frame = pandas.read_csv(
            io.StringIO(text), sep=delimiter, names=names, dtype=words, keep_default_na=False, na_values=missing,
            quoting=csv.QUOTE_NONE, **how,
        )  # fmt: skip
    except ValueError:  # those of its parser, too
        return None
    if frame.empty or len(frame) != len(lines) - header:
        return None
    found: dict[str, Column] = {}
    for name in names:
        series = frame[name]
        if series.dtype.kind in "iuf":
            found[name] = values = series.to_numpy(float)
            if np.isinf(values).any():  # which is no number here
                return None
        elif series.dtype.kind == "b":  # whose spelling is lost
            return None
        else:
            cells = ["" if empty else word for word, empty in zip(series.to_numpy(object), series.isna().to_numpy())]
            if not all(isinstance(cell, str) for cell in cells):
                return None
            found[name] = column(cells, name in words)
    return found


def _of_frame(frame: Any, as_words: set[str]) -> Cells:
    """Return the cells of a pandas DataFrame."""
    names, columns = list(map(str, frame.columns)), dict[str, Column]()
    if len(set(names)) < len(names):
        raise ValueError(f"the DataFrame has two columns {next(n for n in names if names.count(n) > 1)!r}; rename one")
    for i, name in enumerate(names):
        series = frame.iloc[:, i]
        empty = series.isna()
        if getattr(series.dtype, "kind", "O") in "iuf" and name not in as_words:
            columns[name] = series.to_numpy(float, na_value=np.nan)
        else:
            columns[name] = column(["" if hole else str(cell) for cell, hole in zip(series, empty)], name in as_words)
    index = list(frame.index)
    if not index:
        raise ValueError("the DataFrame has no rows")
    return Cells(columns, lambda row, name: f"row {index[row]!r}, column {name!r}", len(index))
