"""The record of a training: an `Evaluation`, a `History` with a row for each epoch, the progress on a terminal."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..explain.notebook import displayed, ends
from ..explain.tables import Table
from ..extras.files import place
from .states import loads

Row = dict[str, Any]  # column to value: what happened in one epoch


class Evaluation(NamedTuple):
    """The mean loss over all samples, and the share of answers that are right (None if the targets are no answers)."""

    loss: float
    accuracy: float | None


class History:
    """One row for each epoch; all rows have the same columns.

    Attributes
    ----------
    rows : dicts of epoch, loss, accuracy, validation_loss, validation_accuracy, the metrics, lr, seconds. loss and
        accuracy are means over the epoch's batches, taken while the model learns. accuracy needs labels, or yes and no,
        see `fit`; the validation columns need validation data
    stopped : the reason for the end: "all epochs", "interrupted", "callback", or the text that a callback returned, as
        "early stopping: validation_loss has not improved for 5 epochs, best 0.12 at epoch 7"

    Examples
    --------
    >>> history = History()
    >>> history.rows.append({"epoch": 1, "loss": 0.5})
    >>> history["loss"]
    [0.5]
    >>> print(history.to_csv())
    epoch,loss
    1,0.5
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.stopped = "all epochs"

    def __getitem__(self, column: str) -> list[Any]:
        if missing := [row for row in self.rows if column not in row]:
            raise KeyError(f"the history has no column {column!r}; it has {', '.join(missing[0])}")
        return [row[column] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the columns, numbers as arrays, and the reason for the end, as `tinygrad_edu.save` writes them."""
        names = list(self.rows[0]) if self.rows else []
        if any(list(row) != names for row in self.rows):
            return {"rows": [dict(row) for row in self.rows], "stopped": self.stopped}
        return {"columns": {name: _column(self[name]) for name in names}, "stopped": self.stopped}

    @loads
    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned. Raises ValueError if it is none; nothing is changed then."""
        try:
            columns, stopped = dict(state).get("columns", {}), state["stopped"]
            lists = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
            rows = [dict(zip(columns, values)) for values in zip(*lists, strict=True)]
            rows += [dict(row) for row in dict(state).get("rows", [])]
            if not isinstance(stopped, str):
                raise TypeError("stopped is a text")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"this state is not that of a History: {error}") from None
        self.rows, self.stopped = rows, stopped

    def to_csv(self, path: Any = None) -> str:
        """Return the rows as comma-separated values, and write them to path if one is given."""
        lines = [",".join(self.rows[0])] if self.rows else []
        text = "\n".join(lines + [",".join(map(str, row.values())) for row in self.rows])
        if path is not None:
            place(path).write_text(text + "\n", encoding="utf-8")
        return text

    def to_frame(self) -> Any:
        """Return the rows as a pandas DataFrame."""
        return frame(self.rows)

    def plot(self, path: Any = None, title: str = "Training") -> Any:
        """Draw loss, accuracy and metrics against the epoch: see `plots.loss_curve`.

        Returns the path of the picture; without one the matplotlib figure. Raises ImportError without matplotlib,
        ValueError without epochs.
        """
        from .pictures import loss_curve

        return loss_curve(self, path, title)

    def __repr__(self) -> str:
        end = "" if self.stopped == "all epochs" else f", {self.stopped}"
        last = f", {_line(self.rows[-1])}" if self.rows else ""
        return f"History({len(self.rows)} epoch{'s' * (len(self.rows) != 1)}{end}{last})"

    def _repr_html_(self) -> str:
        if not self.rows:
            return displayed("no epochs")
        names = tuple(name.replace("_", " ") for name in self.rows[0])
        rows = [tuple(map(_short, row.values())) for row in self.rows]
        title = f"{len(rows)} epoch{'s' * (len(rows) != 1)}: {self.stopped}"
        return displayed(Table(title, names, ends(rows, ("...",) * len(names))))


def wants_large(column: str) -> bool | None:
    """Return whether a large value of a column is a good one: not of a loss, but of an accuracy. None if unknown."""
    return False if column.endswith("loss") else True if column.endswith("accuracy") else None


def _column(values: list[Any]) -> Any:
    """Return numbers of one kind as an array, from which the same ones come back; other values as they are."""
    kinds = set(map(type, values))
    exact = kinds == {float} or (kinds == {int} and all(abs(n) < 2**63 for n in values))
    return np.array(values) if exact else list(values)


def frame(rows: list[Row], columns: list[str] | None = None) -> Any:
    """Return rows as a pandas DataFrame. Raises ImportError without pandas."""
    try:
        import pandas
    except ImportError:
        raise ImportError("to_frame() makes a table of pandas: pip install pandas") from None
    return pandas.DataFrame(rows, columns=columns)


class Progress:
    """Progress: a bar with tqdm, on a terminal and in a notebook; else a line for each epoch; nothing unless wanted.

    It goes to standard error; in a notebook, which shows that in red, to standard output. Runs of a sweep
    have theirs (see `sweeps`).

    >>> with Progress(wanted=False, total=3) as show:
    ...     show({"epoch": 1, "loss": 0.5})
    """

    unit = "epoch"

    def __init__(self, wanted: bool, total: int, done: int = 0) -> None:
        self.wanted, self.total, self.done, self.bar = wanted, total, done, None
        notebook = in_notebook()
        self.file = sys.stdout if notebook else sys.stderr
        if wanted and (notebook or self.file.isatty()):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # tqdm's, of a notebook without widgets: it takes the bar of text
                    from tqdm.auto import tqdm
                self.bar = tqdm(total=total, initial=done, unit=self.unit, leave=True, file=self.file)
            except ImportError:
                pass

    def __enter__(self) -> Callable[[Row], None]:
        return self.show

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, row: Row) -> None:
        """Show the row of the epoch that has just ended."""
        if self.bar is not None:
            last = "validation_accuracy" if "validation_accuracy" in row else "validation_loss"
            validation = f"  validation {last.partition('_')[2]} {_short(row[last])}" if last in row else ""
            self.bar.set_postfix_str(f"loss {_short(row['loss'])}{validation}", refresh=False)
            self.bar.update()
        elif self.wanted:
            number, rest = f"{row['epoch']:>{len(str(self.total))}}", {k: x for k, x in row.items() if k != "epoch"}
            print(f"epoch {number}/{self.total}  {_line(rest)}", file=self.file)


def in_notebook() -> bool:
    """Return whether a notebook's kernel runs this, not a terminal's IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _line(row: Row) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in row.items())


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"
