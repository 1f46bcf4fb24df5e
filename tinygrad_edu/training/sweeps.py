"""Many runs of one function: over a grid of parameters and several seeds, on all cores or on many machines."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from itertools import product
from statistics import median
from typing import Any

import numpy as np

from ..core.tensor import unwrap
from ..explain.notebook import displayed
from ..explain.tables import Table
from ..extras.files import place
from ..guards.kinds import function as function_kind, is_whole, path as path_kind, shown, whole, yes_or_no
from ..guards.names import arguments_fit, helped
from .history import Progress, frame, wants_large
from .jobs import side_by_side

Row = dict[str, Any]
OURS = ("seed", "seconds", "error")  # columns that no parameter and no result is called


class Sweep:
    """The result of `sweep`. It prints as a table.

    Attributes
    ----------
    parameters : the names of the parameters
    rows : a dict for each run: the parameters, seed, what the function returned, seconds, and error: None, or the words
        of the exception that ended the run. In the order of the grid, and of the seeds within
    """

    def __init__(self, parameters: list[str], rows: list[Row]) -> None:
        self.parameters, self.rows = parameters, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self.columns:
            raise KeyError(f"the sweep has no column {column!r}; it has {', '.join(self.columns)}")
        return [row.get(column) for row in self.rows]

    @property
    def columns(self) -> list[str]:
        """The columns of all rows; seconds and error are the last."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [*(name for name in names if name not in ("seconds", "error")), "seconds", "error"]

    @property
    def failed(self) -> list[Row]:
        """The rows of the runs that ended with an error."""
        return [row for row in self.rows if row["error"] is not None]

    def best(self, column: str, largest: bool | None = None) -> Row:
        """Return the parameters whose median of a column over the seeds is the best, and that median.

        A run that failed, or gave no finite number, is as bad as can be.

        Parameters
        ----------
        largest : whether a large value is a good one; known for losses and accuracies

        Raises
        ------
        KeyError : no such column
        TypeError : a column of words
        ValueError : a column of which nothing is known; no point with numbers from most of its seeds
        """
        if len(self.failed) == len(self.rows):
            raise ValueError(f"best: all {len(self.rows)} runs failed, the first with {_short(self.rows[0]['error'])}")
        values = self[column]
        if words := [value for value in values if not isinstance(value, (int, float, type(None)))]:
            raise TypeError(f"best compares numbers, but {column} holds {words[0]!r}")
        if largest is None and (largest := wants_large(column)) is None:
            raise ValueError(f"best: is a small {column} better or a large one? say largest=False or largest=True")
        sign, groups = -1 if largest else 1, dict[str, tuple[Row, list[float]]]()
        for row, value in zip(self.rows, values):
            point = {name: row[name] for name in self.parameters}
            value = math.inf if value is None or not math.isfinite(value) else sign * value
            groups.setdefault(json.dumps(point), (point, []))[1].append(value)
        point, of_seeds = min(groups.values(), key=lambda group: median(group[1]))
        if median(of_seeds) == math.inf:
            raise ValueError(
                f"best: no point has results: none has a finite {column} from more than half of its seeds, and "
                f"{len(self.failed)} of {len(self.rows)} runs failed"
            )
        return {**point, column: sign * median(of_seeds)}

    def to_csv(self, path: Any = None) -> str:
        """Return the rows as comma-separated values, and write them to path if one is given."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        if path is not None:
            place(path).write_text(text.getvalue(), encoding="utf-8")
        return text.getvalue()

    def to_frame(self) -> Any:
        """Return the rows as a pandas DataFrame."""
        return frame(self.rows, self.columns)

    def __repr__(self) -> str:
        cells = [self.columns, *([_short(row.get(name)) for name in self.columns] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
        return "\n".join([*lines, *([f"{len(self.failed)} of {len(self.rows)} runs failed"] if self.failed else [])])

    def _repr_html_(self) -> str:
        rows = [tuple(_short(row.get(name)) for name in self.columns) for row in self.rows]
        title = f"{len(rows)} runs" + f", {len(self.failed)} failed" * bool(self.failed)
        return displayed(Table(title, tuple(self.columns), rows))


@helped
def sweep(
    function: Callable[..., Any],
    grid: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]],
    seeds: int | Sequence[int] | None = 1,
    n_jobs: int = -1,
    resume: Any = None,
    progress: bool = True,
) -> Sweep:
    """Call function for each point of a grid with each seed, side by side on all cores, and return all results.

    joblib runs the calls. Within ``joblib.parallel_config("dask")``, or "ray", the same sweep is run on a cluster's
    machines. Each call has one thread of BLAS, so that the workers do not wait for each other.

    Parameters
    ----------
    function : called as ``function(lr=0.1, hidden=32, seed=0)``; it returns a number, or a dict of numbers and words,
        or the `History` of a training, whose last row is taken. It is sent to other processes, with what it refers to
    grid : the values of each parameter, {"lr": [0.1, 0.01], "hidden": [16, 32]}, of which all pairs are run; or the
        points themselves, [{"lr": 0.1, "hidden": 16}, ...]. Values that are no numbers and words, as update rules,
        appear in the rows by their names
    seeds : how many, 0, 1, ...; or a list of them. None: the function is called without a seed
    n_jobs : calls at a time; -1 for as many as there are cores. 1 needs no joblib, and runs here
    resume : a file of JSON lines, as "sweep.jsonl", that each row is appended to as its run ends. Runs that it has are
        not run again, unless they failed: the same call after a crash goes on. Delete it if function changes
    progress : show a bar (with tqdm, on a terminal) or a line for each run, as `fit`

    Returns
    -------
    Sweep : a row for each run. One that raised an exception, sys.exit too, or returned None has words in the column
        error; so have those that had not ended when a worker's process died. Ctrl-C ends the sweep, with a
        KeyboardInterrupt: what `fit` has learned until then is no result

    Raises
    ------
    ImportError : joblib is needed, and not installed
    TypeError, ValueError : arguments of another kind; a parameter that is called seed, or that function does not take;
        two values with one name; a file to resume that is none

    Examples
    --------
    >>> def run(x, power, seed):
    ...     return {"y": x**power + seed / 0}  if x == 3 else {"y": x**power + seed}
    >>> found = sweep(run, {"x": [2, 3], "power": [1, 2]}, seeds=2, n_jobs=1, progress=False)
    >>> found["y"], found.best("y", largest=False)
    ([2, 3, 4, 5, None, None, None, None], {'x': 2, 'power': 1, 'y': 2.5})
    >>> found.rows[-1]["error"]
    'ZeroDivisionError: division by zero'
    """
    function_kind("function", function)
    yes_or_no("progress", progress)
    points = _points(grid)
    runs = [(point, seed) for point in points for seed in _seeds(seeds)]
    _takes(function, *runs[0])
    labels = [{name: _label(value) for name, value in point.items()} | _seed(seed) for point, seed in runs]
    keys = [json.dumps(label, sort_keys=True) for label in labels]
    if len(set(keys)) < len(keys):
        twice = next(label for label, key in zip(labels, keys) if keys.count(key) > 1)
        raise ValueError(f"two runs of the grid are called {twice}; values that are no numbers need names of their own")
    names = list(points[0])
    file = None if resume is None else _File(resume)
    done = {} if file is None else {key: row for row in file.rows if (key := _key(row, names)) and row["error"] is None}
    left = [i for i, key in enumerate(keys) if key not in done]
    calls = [partial(_one, function, *runs[i]) for i in left]
    with _Runs(bool(progress), len(keys), len(keys) - len(left)) as show:
        for i, found in _all_of(calls, n_jobs):
            row = labels[left[i]] | found
            done[keys[left[i]]] = row
            if file is not None:
                file.append(row)
            show(row)
    return Sweep(names, [done[key] for key in keys])


def _takes(function: Callable[..., Any], point: Mapping[str, Any], seed: int | None) -> None:
    """Raise TypeError if function does not take the parameters and the seed."""
    try:
        shape = signature(function)
    except (TypeError, ValueError):  # a function of C without a signature
        return
    given, name = {**point, **_seed(seed)}, getattr(function, "__name__", type(function).__name__)
    try:
        arguments_fit(name, shape, (), given)
    except TypeError as error:
        hint = "; seeds=None calls it without a seed" * ("seed" in given and "seed" not in shape.parameters)
        raise TypeError(f"{error}{hint}") from None


def _all_of(calls: Sequence[Callable[[], Row]], n_jobs: int) -> Iterator[tuple[int, Row]]:
    """Yield the number and the result of each call; if a worker dies, an error for each one that had not ended."""
    ended = set[int]()
    try:
        for i, found in side_by_side(calls, n_jobs):
            ended.add(i)
            yield i, found
    except ChildProcessError as error:
        for i in range(len(calls)):
            if i not in ended:
                yield i, {"seconds": 0.0, "error": f"this run had not ended when {error}"}


def _one(function: Callable[..., Any], point: Mapping[str, Any], seed: int | None) -> Row:
    """Return what function gives, seconds and error. A training that Ctrl-C has ended raises KeyboardInterrupt."""
    start, found, error = time.perf_counter(), dict[str, Any](), None
    try:
        result = function(**point, **_seed(seed))
        if getattr(result, "stopped", None) == "interrupted":
            raise KeyboardInterrupt
        found = _columns(result, point)
    except (Exception, SystemExit) as caught:
        error = f"{type(caught).__name__}: {caught}".removesuffix(": ")
    return {**found, "seconds": time.perf_counter() - start, "error": error}


def _columns(result: Any, point: Mapping[str, Any]) -> Row:
    """Return a result as columns of numbers and words."""
    if result is None:
        raise TypeError("the function returned None; have it return a number, a dict of these, or the history of fit")
    rows = getattr(result, "rows", None)
    if isinstance(rows, list) and rows:
        result = {name: value for name, value in rows[-1].items() if name not in (*OURS, *point)}
    elif hasattr(result, "_asdict"):
        result = result._asdict()
    elif not isinstance(result, Mapping):
        result = {"result": result}
    if taken := [name for name in result if name in OURS or name in point]:
        raise ValueError(f"the function returned {taken[0]!r}, which is a column already")
    return {str(name): _plain(str(name), value) for name, value in result.items()}


def _plain(name: str, value: Any) -> Any:
    """Return a number or a word of Python."""
    value = unwrap(value)
    if isinstance(value, (np.ndarray, np.generic)) and np.ndim(value) == 0:
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a result is a number, a word or a dict of these, but {name} is {shown(value)}")


def _points(grid: Any) -> list[dict[str, Any]]:
    """Return the points of a grid."""
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise TypeError(f"grid has a list of values for each parameter, got {name}: {shown(values)}")
        points = [dict(zip(grid, values)) for values in product(*map(list, grid.values()))]
    else:
        if isinstance(grid, str) or not isinstance(grid, Iterable):
            raise TypeError(f'grid is a dict of lists, as {{"lr": [0.1, 0.01]}}, or a list of dicts, got {shown(grid)}')
        points = list(grid)
    if not points:
        raise ValueError("the grid is empty: nothing to run")
    for point in points:
        if not isinstance(point, Mapping) or not all(isinstance(name, str) for name in point):
            raise TypeError(f"a point of the grid is a dict of parameters by their names, got {shown(point)}")
        if point.keys() != points[0].keys():
            raise ValueError(
                f"all points of the grid have the same parameters, got {list(points[0])} and {list(point)}"
            )
        if taken := [name for name in OURS if name in point]:
            raise ValueError(f"a parameter cannot be called {taken[0]}" + "; say seeds=" * (taken[0] == "seed"))
    return [dict(point) for point in points]


def _seeds(seeds: Any) -> list[int | None]:
    """Return the seeds."""
    if seeds is None:
        return [None]
    if is_whole(seeds):
        whole("seeds", seeds, 1)
        return list(range(seeds))
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise TypeError(f"seeds is how many there are, or a list of them, got {shown(seeds)}")
    for i, seed in enumerate(listed := list(seeds)):
        whole("a seed", seed)
        if seed in listed[:i]:
            raise ValueError(f"seeds has {seed} twice; a run with the same seed is the same run")
    return [int(seed) for seed in listed]


def _seed(seed: int | None) -> dict[str, int]:
    return {} if seed is None else {"seed": seed}


def _label(value: Any) -> Any:
    """Return a value of the grid as the rows have it: a number or words."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_label(each) for each in value]
    return getattr(value, "__name__", None) or repr(value)


# --- the file ---------------------------------------------------------------------------------------------------------


class _File:
    """The rows of a sweep in a file of JSON lines. A last line that a crash cut off goes: its run is run again.

    No other line goes: the file may be one that was named by mistake.
    """

    def __init__(self, path: Any) -> None:
        path_kind("resume", path)
        self.path, self.rows = place(path), list[Row]()
        content = self.path.read_bytes() if self.path.exists() else b""
        *lines, rest = content.split(b"\n")  # the rest has no end of a line
        for number, line in enumerate([*lines, rest] if rest else lines, 1):
            try:
                row = json.loads(line)
                self.rows.append({**row, "error": row["error"]})
            except (ValueError, TypeError, KeyError) as error:
                if line is rest and line[:1] == b"{" and isinstance(error, json.JSONDecodeError):
                    os.truncate(self.path, len(content) - len(rest))
                    return
                raise ValueError(
                    f'{path}, line {number}, is no row of a sweep; resume="sweep.jsonl" names a file of its own, and '
                    "sweep(...).to_csv(path) writes a table"
                ) from None
        if rest:
            self._write("\n")

    def append(self, row: Row) -> None:
        """Write a row, whatever happens next."""
        self._write(json.dumps(row) + "\n")

    def _write(self, text: str) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(text)


def _key(row: Row, names: list[str]) -> str:
    """Return what tells a row's run from others; nothing of a row of another sweep."""
    known = [*names, *(["seed"] if "seed" in row else [])]
    return json.dumps({name: row[name] for name in known}, sort_keys=True) if set(names) <= row.keys() else ""


# --- progress ---------------------------------------------------------------------------------------------------------


class _Runs(Progress):
    """A line, or a step of the bar, for each run."""

    unit = "run"

    def show(self, row: Row) -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.update()
        elif self.wanted:
            said = "  ".join(f"{name} {_short(value)}" for name, value in row.items() if value is not None)
            print(f"run {self.done:>{len(str(self.total))}}/{self.total}  {said}", file=self.file)


def _short(value: Any) -> str:
    """Return a value in one line, at most 80 characters of it."""
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
