"""Callbacks that write files as training goes: models to keep, and a log of the rows."""

from __future__ import annotations

import csv
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..extras.files import place
from ..guards.kinds import path as a_path, whole
from .callbacks import Monitor, Run
from .history import Row
from .saved import save


class Checkpoint:
    """Save model, optimizer, history and epoch to a file as training goes, with `save`, for `load`.

    To go on with a run that was cut off there is ``fit(checkpoint=path)``; this is for models to keep.

    Parameters
    ----------
    path : of the file; "{epoch}" in it becomes the epoch's number, so that each has a file of its own, and
        "{epoch:03d}" one of three digits (as `str.format`; {{ and }} stand for braces)
    every : save after so many epochs each
    best : a column of the rows, as "validation_loss": save only if it is better than ever before
    mode : "min" if a small value of it is good, "max" if a large one is; known for losses and accuracies

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_edu as tg
    >>> X, y = tg.data.blobs(90, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = Checkpoint(f"{folder}/best.npz", best="validation_loss")
    ...     history = tg.fit(tg.mlp([2, 3], rng=1), X, y, epochs=4, validation=0.2, callback=keep, progress=False)
    ...     tg.load(f"{folder}/best.npz")["epoch"]
    4
    """

    def __init__(self, path: Any, every: int = 1, best: str | None = None, mode: str | None = None) -> None:
        a_path("path", path)
        whole("every", every, 1)
        self.path, self.every = str(path), int(every)
        try:
            self.path.format(epoch=1)
        except (ValueError, LookupError, AttributeError, TypeError):
            raise ValueError(
                f"Checkpoint: in {self.path!r} only {{epoch}} can be filled in, as {{epoch:03d}}; say {{{{ for a brace"
            ) from None
        self.monitor = None if best is None else Monitor("Checkpoint", best, mode)

    def start(self, run: Run) -> None:
        """Forget the best value of another run."""
        if self.monitor is not None:
            self.monitor.reset()

    def __call__(self, row: Row, run: Run) -> None:
        """Save if it is time."""
        if row["epoch"] % self.every or not (self.monitor is None or self.monitor.better(row)):
            return
        if run.writes:
            path = self.path.format(epoch=row["epoch"])
            save(path, model=run.model, optimizer=run.optimizer, history=run.history, epoch=row["epoch"])

    @property
    def about(self) -> str:
        """The arguments as text, without the path, which a checkpoint of `fit` compares."""
        best = "" if self.monitor is None else f", best={self.monitor.about}"
        return f"{type(self).__name__}(every={self.every}{best})"

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far and its epoch."""
        return {} if self.monitor is None else {"best": self.monitor.best, "epoch": self.monitor.epoch}

    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned."""
        if self.monitor is not None:
            self.monitor.load(state)


class Log:
    """Write each epoch's row into a file as training goes: ``.csv``, or a line of JSON for ``.jsonl``.

    The file is written anew when a training starts, also with the same object; one that goes on from a checkpoint has
    all of its rows in it. A file that is there and no log, as its first columns are not epoch and loss, is refused.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = Log(f"{folder}/run.csv")
    ...     log({"epoch": 1, "loss": 0.5})
    ...     print(log.path.read_text(), end="")
    epoch,loss
    1,0.5
    """

    def __init__(self, path: Any) -> None:
        a_path("path", path)
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl", ".json"):
            raise ValueError(f"Log writes .csv, or .jsonl with a line of JSON for each epoch, got {str(path)!r}")
        self.written = False

    def start(self, run: Run) -> None:
        """Begin a new file with the first row. Raises ValueError if there is one that is no log."""
        self.written = False
        if run.writes:
            self._place()

    def _place(self) -> None:
        """Make the folder; raise a ValueError if the file has something else in it than a log."""
        with suppress(FileNotFoundError), open(place(self.path), "rb") as file:
            if (content := file.read(100)) and not re.match(rb'epoch,loss\b|\{"epoch": \d+, "loss": ', content):
                raise ValueError(f"{self.path} is no log of a training; give Log another path, or delete the file")

    def __call__(self, row: Row, run: Run | None = None) -> None:
        """Write the row behind those before."""
        if run is not None and not run.writes:
            return
        rows = [row] if self.written or run is None else run.history.rows
        if not self.written:
            self._place()
        with open(self.path, "a" if self.written else "w", newline="", encoding="utf-8") as file:
            if self.path.suffix == ".csv":
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([[*row]] * (not self.written) + [[*one.values()] for one in rows])
            else:
                file.writelines(json.dumps(one) + "\n" for one in rows)
        self.written = True
