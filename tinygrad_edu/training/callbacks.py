"""Callbacks: what `fit` calls after each epoch. A function, an object of this room, or one of yours.

A callback is called with the epoch's row, or with the row and the `Run` if it takes two arguments. Training stops if it
returns something true; a text is the reason, which is then ``history.stopped``. An object may have three methods more:
``start(run)`` and ``finish(run)``, which are called before the first epoch and after the last one, and ``state_dict()``
with ``load_state_dict(state)``, so that a checkpoint of `fit` keeps its memory; and a text ``about``, its arguments,
which a checkpoint compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import Parameter, signature
from math import inf
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.optimizer import Group, Optimizer
from ..guards.kinds import CLASSES, at_least_0, function, shown, whole as whole_number, yes_or_no
from ..guards.names import is_ours
from .history import History, Row, wants_large
from .states import fitting, load_layer_state, loads, plan_layer, require, whole

Callback = Callable[..., Any]


@dataclass(eq=False)
class Run:
    """A training that goes on: what callbacks see of it.

    Attributes
    ----------
    model, optimizer : those that are trained
    epoch : the number of the epoch that has just ended; 0 before the first
    history : the rows so far, with that of this epoch
    """

    model: Layer
    optimizer: Optimizer
    epoch: int
    history: History

    @property
    def writes(self) -> bool:
        """Tell whether this process writes the files: of several ranks (see `distribute`) rank 0 does."""
        return self.optimizer.ranks is None or self.optimizer.ranks.comm.rank == 0

    def require(self, callback: Any, thing: Any) -> None:
        """Raise ValueError if a callback is over an optimizer, or a layer, that this training does not have."""
        name, optimizer = type(callback).__name__, self.optimizer
        if isinstance(thing, (Optimizer, Group)) and not any(thing is one for one in (optimizer, *optimizer.groups)):
            raise ValueError(f"{name}: its optimizer is not the one that fit uses; give both the same optimizer")
        if isinstance(thing, Layer) and not any(thing is layer for _, layer in self.model.named_layers()):
            raise ValueError(f"{name}: its layer, {type(thing).__name__}, is not in the model that fit trains")


class Told:
    """Callbacks in their order. A call of this object calls them all, and returns the first reason to stop, or ""."""

    def __init__(self, callback: Any) -> None:
        self.all: list[Any] = [] if callback is None else list(callback) if is_list(callback) else [callback]
        for one in self.all:
            if isinstance(one, type):
                name = one.__name__
                raise TypeError(f"callback is a function or an object, got the class {name}: say {name}(...)")
            if hasattr(one, "on_epoch_end") and not callable(one):
                raise TypeError(
                    f"callback is called with (row, run), but {shown(one)} has on_epoch_end: name it __call__"
                )
            function("callback", one)
        self.wide = [takes_run(one) for one in self.all]
        for one, wide in zip(self.all, self.wide):
            fits_call(one, 2 if wide else 1)
        self.names = [about(one) for one in self.all]

    def __call__(self, row: Row, run: Run) -> str:
        answers = [one(row, run) if wide else one(row) for one, wide in zip(self.all, self.wide)]
        given = [answer for answer, one in zip(answers, self.all) if answer is not None and says_stop(answer, one)]
        return "" if not given else given[0] if isinstance(given[0], str) else "callback"

    def expect(self, columns: Iterable[str]) -> None:
        """Raise ValueError if a callback watches a column that no row will have.

        A callback of the user's may add a column, for those behind it.
        """
        for one in self.all:
            if not is_ours(type(one)):
                return
            if isinstance(monitor := getattr(one, "monitor", None), Monitor):
                monitor.require(columns)

    def say(self, what: str, run: Run) -> None:
        """Call this method of those that have it: "start" or "finish"."""
        for one in self.all:
            if callable(method := getattr(one, what, None)):
                method(run)

    def remembering(self) -> dict[str, Any]:
        """Return those that have a state, by their places in the list."""
        return {
            f"callback{i}": one
            for i, one in enumerate(self.all)
            if hasattr(one, "state_dict") and hasattr(one, "load_state_dict")
        }


def says_stop(answer: Any, callback: Any) -> bool:
    """Return whether an answer of a callback is true."""
    try:
        return bool(answer)
    except (TypeError, ValueError, RuntimeError):
        name = getattr(callback, "__qualname__", type(callback).__qualname__)
        raise TypeError(
            f"callback {name} returned {shown(answer)}, which is neither true nor false; return True, or a reason as "
            "text, to stop, and None to go on"
        ) from None


def about(callback: Any) -> str:
    """Return the name of a callback; the text ``about`` of an object that has one, with its arguments."""
    text = getattr(callback, "about", None)
    return text if isinstance(text, str) else getattr(callback, "__qualname__", type(callback).__qualname__)


def is_list(callback: Any) -> bool:
    """Return whether these are several callbacks."""
    return isinstance(callback, (list, tuple)) and not callable(callback)


def takes_run(callback: Any) -> bool:
    """Return whether a callback takes the run behind the row: it needs two arguments, or has one called run."""
    try:
        taken = list(signature(callback).parameters.values())
    except (TypeError, ValueError):  # a function of C without a signature
        return False
    places = [p for p in taken if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 and (places[1].default is Parameter.empty or places[1].name == "run")


def fits_call(callback: Any, count: int) -> None:
    """Raise TypeError if a callback cannot be called with so many arguments."""
    try:
        shape = signature(callback)
    except (TypeError, ValueError):
        return
    try:
        shape.bind(*range(count))
    except TypeError as error:
        raise TypeError(
            f"callback {about(callback)} takes {shape}, but is called with the row of the history, or with the row and "
            f"the run: {error}; write def callback(row, run)"
        ) from None


class Monitor:
    """The best value so far of one column of the rows.

    mode : "min" or "max"; None for "min" if the column is a loss, "max" if it is an accuracy
    """

    def __init__(self, what: str, column: str, mode: str | None, min_delta: float = 0.0) -> None:
        if not isinstance(column, str):
            raise TypeError(f'{what} takes the name of a column, as "validation_loss", got {shown(column)}')
        if mode is None and (large := wants_large(column)) is not None:
            mode = "max" if large else "min"
        if mode not in ("min", "max"):
            raise ValueError(f'{what}: is a small {column} better or a large one? say mode="min" or mode="max"')
        self.what, self.column, self.sign, self.min_delta = what, column, 1 if mode == "min" else -1, min_delta
        self.reset()

    @property
    def about(self) -> str:
        return f"{self.column!r}, min_delta={self.min_delta}, mode={'min' if self.sign > 0 else 'max'!r}"

    def reset(self) -> None:
        self.best, self.epoch = inf * self.sign, 0

    def require(self, columns: Iterable[str]) -> None:
        """Raise ValueError unless the column is one of these."""
        if self.column not in columns:
            more = "; fit(validation=0.2) holds some data back" if self.column.startswith("validation_") else ""
            raise ValueError(f"{self.what}: the row has no {self.column}, only {', '.join(columns)}{more}")

    def better(self, row: Row) -> bool:
        """Return whether this row's value is better than the best so far, by more than min_delta. NaN never is."""
        self.require(row)
        value = float(row[self.column])
        if not self.sign * (self.best - value) > self.min_delta:
            return False
        self.best, self.epoch = value, row["epoch"]
        return True

    def load(self, state: Any) -> None:
        """Take over the best value and its epoch. Raises ValueError if one is missing, or is no such number."""
        require(("best", "epoch"), state)
        best, epoch = fitting("best", state["best"], np.zeros(())), whole("epoch", state["epoch"])
        self.best, self.epoch = float(best), epoch


class EarlyStopping:
    """Stop when a measure has not become better for some epochs, and take the weights of the best epoch.

    Parameters
    ----------
    monitor : the column of the rows that is watched, as "validation_loss", "loss", or "validation_f1" with a metric
    patience : number of epochs in a row that may be no better; after that many, training stops
    min_delta : a value is better if it beats the best by more than this
    restore_best : give the model, when training ends, the weights and running means that it had after the best epoch.
        The optimizer keeps its averages
    mode : "min" if a small value is good, "max" if a large one is; known for losses and accuracies

    Attributes
    ----------
    best, epoch : the best value so far, and its epoch

    Raises
    ------
    TypeError, ValueError : an argument of another kind, or out of range; a row without the column

    References
    ----------
    Prechelt 1998, "Early stopping - but when?", in Neural Networks: Tricks of the Trade.

    Examples
    --------
    >>> stop = EarlyStopping(monitor="loss", patience=2)
    >>> for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.0], start=1):
    ...     reason = stop({"epoch": epoch, "loss": loss})
    >>> reason
    'early stopping: loss has not improved for 2 epochs, best 2 at epoch 2'
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str | None = None,
    ) -> None:
        whole_number("patience", patience, 1)
        at_least_0("min_delta", min_delta)
        yes_or_no("restore_best", restore_best)
        self.monitor = Monitor("EarlyStopping", monitor, mode, float(min_delta))
        self.patience, self.restore_best = int(patience), bool(restore_best)
        self.bad, self.numbers = 0, dict[str, Array]()
        self.model: Layer | None = None

    best = property(lambda self: self.monitor.best, doc="the best value so far")
    epoch = property(lambda self: self.monitor.epoch, doc="the epoch of the best value; 0 before there is one")

    def start(self, run: Run) -> None:
        """Forget what was seen in another run."""
        self.monitor.reset()
        self.bad, self.numbers, self.model = 0, {}, run.model

    def __call__(self, row: Row, run: Run | None = None) -> str | None:
        """Look at the row. Return the reason to stop if it is time."""
        if self.monitor.better(row):
            self.bad = 0
            if self.restore_best and run is not None:
                self.numbers = {path: t.numpy() for path, t in run.model.named_tensors().items()}
            return None
        self.bad += 1
        if self.bad < self.patience:
            return None
        epochs = f"{self.bad} epoch{'s' * (self.bad > 1)}"
        best = f", best {self.best:.4g} at epoch {self.epoch}" if self.epoch else ""
        return f"early stopping: {self.monitor.column} has not improved for {epochs}{best}"

    def finish(self, run: Run) -> None:
        """Give the model the numbers of the best epoch."""
        if self.numbers:
            load_layer_state(run.model, self.numbers)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and weights, and the count of epochs since."""
        seen = {"best": self.best, "epoch": self.epoch, "bad": self.bad}
        return seen | {f"model.{path}": numbers for path, numbers in self.numbers.items()}

    @loads
    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned. Raises ValueError if something is missing, or is no such number."""
        require(["bad"], state)
        bad = whole("bad", state["bad"])
        numbers = {key.removeprefix("model."): np.array(state[key]) for key in state if key.startswith("model.")}
        if numbers and self.model is not None and (left := plan_layer(self.model, numbers)[0]):
            raise ValueError("; ".join(left.values()))
        self.monitor.load(state)
        self.bad, self.numbers = bad, numbers

    @property
    def about(self) -> str:
        """The arguments as text, which a checkpoint of `fit` compares."""
        return (
            f"{type(self).__name__}({self.monitor.about}, patience={self.patience}, restore_best={self.restore_best})"
        )

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor.column!r}, patience={self.patience}, best={self.best:g})"


class Annealing:
    """Change a number from epoch to epoch: a dropout's p, a temperature, a hyper-parameter of a group.

    Parameters
    ----------
    thing : what has the number: a layer or another object, or a dict, such as ``optimizer.groups[0]``
    attribute : the name of the number there
    value : function of the epoch, 1, 2, 3, ..., that returns the number for it

    A compiled step that has the number in its program is compiled again for each new one (see `compile_step`).

    Raises
    ------
    TypeError, ValueError : thing has no such attribute; a number that the constructor of a layer refuses, as a
        dropout's p of 1, or that the group of an optimizer refuses

    Examples
    --------
    >>> from tinygrad_edu import Dropout
    >>> drop = Dropout(0.5)
    >>> anneal = Annealing(drop, "p", lambda epoch: 0.5 / epoch)
    >>> anneal({"epoch": 1})  # after the first epoch: the number for the second
    >>> drop.p
    0.25
    """

    def __init__(self, thing: Any, attribute: str, value: Callable[[int], Any]) -> None:
        function("value", value)
        if not isinstance(attribute, str) or not (
            attribute in thing if isinstance(thing, dict) else hasattr(thing, attribute)
        ):
            raise ValueError(f"Annealing: {shown(thing)} has no {attribute!r}")
        self.thing, self.attribute, self.value = thing, attribute, value

    def start(self, run: Run) -> None:
        """Set the number for the epoch that comes first. ValueError if the run does not have the thing."""
        run.require(self, self.thing)
        self._put(run.epoch + 1)

    def __call__(self, row: Row) -> None:
        """Set the number for the epoch behind that of the row."""
        self._put(row["epoch"] + 1)

    def _put(self, epoch: int) -> None:
        value = self.value(epoch)
        if isinstance(self.thing, dict):
            self.thing[self.attribute] = value
            return
        for kind in type(self.thing).__mro__:
            if is_ours(kind) and (check := CLASSES.get(kind.__name__, {}).get(self.attribute)) is not None:
                check(f"{kind.__name__}.{self.attribute} in epoch {epoch}", value)
        setattr(self.thing, self.attribute, value)

    @property
    def about(self) -> str:
        """The arguments as text, which a checkpoint of `fit` compares."""
        return f"{type(self).__name__}({type(self.thing).__name__}, {self.attribute!r})"
