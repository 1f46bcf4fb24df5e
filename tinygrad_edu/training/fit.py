"""Training: the loop of every textbook, and a record of how it went."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.losses import NoLoss, cross_entropy
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.optimizers import Adam
from ..core.tensor import Tensor, unwrap
from ..guards.frames import warn
from .data import arranged, batches


class Evaluation(NamedTuple):
    """Mean loss over all samples, and the share that is classified rightly (None if y holds no labels)."""

    loss: float
    accuracy: float | None


class History:
    """What happened in each epoch: one dict a row, with the same keys in all rows.

    Attributes
    ----------
    rows : dicts of epoch, loss, accuracy, validation_loss, validation_accuracy, lr, seconds. loss and accuracy are
        means over the epoch's batches, taken while training; accuracy is there where y holds labels, the validation
        columns where validation data were given
    stopped : why training ended: "all epochs", "callback" or "interrupted"

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
        self.rows: list[dict[str, Any]] = []
        self.stopped = "all epochs"

    def __getitem__(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def to_csv(self, path: Any = None) -> str:
        """The rows as comma-separated values; written to path if one is given."""
        lines = [",".join(self.rows[0])] if self.rows else []
        text = "\n".join(lines + [",".join(map(str, row.values())) for row in self.rows])
        if path is not None:
            Path(path).write_text(text + "\n")
        return text

    def __repr__(self) -> str:
        last = f", {_line(self.rows[-1])}" if self.rows else ""
        return f"History({len(self.rows)} epochs, {self.stopped}{last})"

    def _repr_html_(self) -> str:
        if not self.rows:
            return "<p>no epochs</p>"
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in self.rows[0])
        cells = ("".join(f"<td>{_short(value)}</td>" for value in row.values()) for row in self.rows)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def fit(
    model: Layer,
    X: Any,
    y: Any,
    loss: Callable[..., Tensor] = cross_entropy,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int | None = 32,
    drop_last: bool = False,
    validation: tuple[Any, Any] | None = None,
    rng: Rng = None,
    progress: bool = True,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    compiled: bool = False,
) -> History:
    """Train model on X and y.

    Parameters
    ----------
    model : what is trained; left in evaluation mode
    X, y : arrays of the same length: samples, and their labels or targets as the loss takes them
    loss : called with the model's output and y; its value is a mean over the batch
    optimizer : over the model's parameters; `Adam` with its defaults if None
    epochs : passes over the data, at least 0
    batch_size, drop_last : samples for each update; None for all, 1 for stochastic descent (see `batches`)
    validation : (X, y) to evaluate after each epoch, never to learn from
    rng : generator or seed for the order of the samples
    progress : show a bar (with tqdm, on a terminal) or a line for each epoch, on standard error
    callback : called with each epoch's row; training stops when it returns something true
    compiled : whether an epoch is one call of machine code (`compiled.compile_step`): the same numbers, much sooner

    Returns
    -------
    History : one row for each epoch. Ctrl-C ends training after the batch that runs, if compiled after the epoch, and
        returns what there is

    Raises
    ------
    ValueError : NaN or infinity in the data, lengths that differ, epochs or batch_size out of range, labels that the
        loss refuses; an optimizer over another model; or a loss that became NaN or infinite, unless the optimizer's
        ``nonfinite`` says otherwise. If compiled, also what `compiled.compile_step` raises

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> from tinygrad_edu.training import data
    >>> X, y = data.blobs(90, rng=0)
    >>> history = fit(mlp([2, 8, 3], rng=0), X, y, epochs=20, rng=0, progress=False)
    >>> history["loss"][-1] < history["loss"][0]
    True
    """
    X, y = _checked("X", X), _checked("y", y)
    if validation is not None:
        validation = _checked("validation X", validation[0]), _checked("validation y", validation[1])
    if not isinstance(epochs, (int, np.integer)) or epochs < 0:
        raise ValueError(f"epochs = {epochs}, but it has to be a whole number, at least 0")
    batches(X, y, batch_size)  # refuses what does not fit before anything is trained
    if validation is not None:
        batches(*validation)
    optimizer = Adam(model) if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer) or not callable(loss):
        raise TypeError("optimizer is one such as tg.Adam(model), loss a function such as tg.cross_entropy")
    warn_if_untrained(optimizer, model)
    rng = np.random.default_rng(rng)
    history = History()
    quiet = np.errstate(over="ignore", invalid="ignore")  # a loss that is no number is refused below, by name
    with _left_in_evaluation(model), _ctrl_c() as interrupted, _Progress(progress, epochs) as show, quiet:
        epoch_of_batches = _eager if not compiled else _compiled(model, X, y, loss, optimizer, batch_size, progress)
        for epoch in range(1, epochs + 1):
            start, lr = time.perf_counter(), optimizer.lr
            model.train()
            order, size = arranged(X, y, batch_size, rng=rng, drop_last=drop_last)
            try:
                total, right, seen = epoch_of_batches(model, X, y, loss, optimizer, order, size, interrupted)
            except NoLoss as error:
                raise ValueError(f"the {error} in epoch {epoch}; a smaller learning rate may help") from None
            model.eval()
            row: dict[str, Any] = {"epoch": epoch, "loss": total / seen if seen else nan}
            if right is not None:
                row["accuracy"] = right / seen if seen else nan
            if validation is not None:
                held_out = _evaluate(model, *validation, loss)
                row["validation_loss"] = held_out.loss
                if held_out.accuracy is not None:
                    row["validation_accuracy"] = held_out.accuracy
            row |= {"lr": lr, "seconds": time.perf_counter() - start}
            history.rows.append(row)
            show(row)
            if interrupted or (callback is not None and callback(row)):
                history.stopped = "interrupted" if interrupted else "callback"
                break
    return history


def _eager(
    model: Layer,
    X: Array,
    y: Array,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    order: Array,
    size: int,
    interrupted: list[bool],
) -> tuple[float, int | None, int]:
    """One epoch: the sum of the losses, how many samples were right (None without labels), and how many there were."""
    total, right, seen, labelled = 0.0, 0, 0, False
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        xb, yb = X[rows], y[rows]
        optimizer.zero_grad()
        output = model(xb)
        cost = loss(output, yb)
        value = cost.item()
        if not isfinite(value) and optimizer.nonfinite == "raise":
            raise NoLoss(f"loss became {value}")
        cost.backward()
        optimizer.step()

        if isfinite(value) or optimizer.nonfinite == "propagate":  # else the batch was skipped
            total += value * len(xb)
            right += _right(output, yb)
            seen += len(xb)
        labelled = _labels(output, y)
        del output, cost  # their graph goes before the next one grows
        if interrupted:
            break
    return total, right if labelled else None, seen


def _compiled(
    model: Layer,
    X: Array,
    y: Array,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    batch_size: int | None,
    progress: bool,
) -> Callable[..., tuple[float, int | None, int]]:
    """`_eager` as machine code."""
    from ..compile.step import CompiledStep

    model.train()
    step = CompiledStep(model, loss, optimizer, X[:batch_size], y[:batch_size], not progress, "epoch")
    return lambda model, X, y, loss, optimizer, order, size, interrupted: step.epoch(X, y, order, size)


def evaluate(
    model: Layer, X: Any, y: Any, loss: Callable[..., Tensor] = cross_entropy, batch_size: int = 1024
) -> Evaluation:
    """Mean loss and accuracy of model on X and y, in evaluation mode, without recording a graph.

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> from tinygrad_edu.training import data
    >>> evaluate(mlp([2, 3], rng=0), *data.blobs(30, rng=0)).accuracy <= 1
    True
    """
    return _evaluate(model, _checked("X", X), _checked("y", y), loss, batch_size)


def _evaluate(model: Layer, X: Array, y: Array, loss: Callable[..., Tensor], batch_size: int = 1024) -> Evaluation:
    """evaluate, on data that has been checked."""
    total, right, seen = 0.0, 0, 0
    with model.evaluating():
        for xb, yb in batches(X, y, batch_size, shuffle=False):
            output = model(xb)
            total += loss(output, yb).item() * len(xb)
            right += _right(output, yb)
            seen += len(xb)
    return Evaluation(total / seen, right / seen if _labels(output, y) else None)


def warn_if_untrained(optimizer: Optimizer, model: Layer) -> None:
    """Whether it does: name what of the model it was not given."""
    given = set(map(id, optimizer.params))
    named = model.named_parameters()
    left = [name for name, p in named.items() if id(p) not in given]
    if left and len(left) == len(named):
        raise ValueError("the optimizer has none of this model's parameters; build it from this model")
    if left:
        warn(
            f"the optimizer was not given {', '.join(left)}, so fit() does not train it; build it from the model, and "
            "freeze() what shall stay"
        )


def _labels(output: Tensor, y: Array) -> bool:
    """Whether y holds class numbers that the rows of output score."""
    return output.ndim == 2 and output.shape[1] > 1 and y.ndim == 1 and y.dtype.kind in "iu"


def _right(output: Tensor, y: Array) -> int:
    return int((unwrap(output).argmax(axis=1) == y).sum()) if _labels(output, y) else 0


def _checked(name: str, values: Any) -> Array:
    values = np.asarray(unwrap(values))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        first = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{name} holds {values[tuple(first)]} at {first.tolist()}; every number has to be finite")
    return values


@contextmanager
def _left_in_evaluation(model: Layer) -> Iterator[None]:
    try:
        yield
    finally:
        model.eval()


@contextmanager
def _ctrl_c() -> Iterator[list[bool]]:
    """A list that is no longer empty after Ctrl-C. A second Ctrl-C interrupts at once, as usual."""
    pressed: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield pressed  # elsewhere, or where somebody decides already what Ctrl-C does, it is not ours
        return

    def note(*_: Any) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


class _Progress:
    """A bar where there is a terminal and tqdm, else a line an epoch, else nothing."""

    def __init__(self, wanted: bool, epochs: int) -> None:
        self.wanted, self.epochs, self.bar = wanted, epochs, None
        if wanted and sys.stderr.isatty():
            try:
                from tqdm import tqdm

                self.bar = tqdm(total=epochs, unit="epoch", leave=True)
            except ImportError:
                pass

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        return self.show

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, row: dict[str, Any]) -> None:
        if self.bar is not None:
            last = "validation_accuracy" if "validation_accuracy" in row else "validation_loss"
            held_out = f"  held-out {last.partition('_')[2]} {_short(row[last])}" if last in row else ""
            self.bar.set_postfix_str(f"loss {_short(row['loss'])}{held_out}", refresh=False)
            self.bar.update()
        elif self.wanted:
            print(
                f"epoch {row['epoch']:>{len(str(self.epochs))}}/{self.epochs}  {_line(row, but=('epoch',))}",
                file=sys.stderr,
            )


def _line(row: dict[str, Any], but: tuple[str, ...] = ()) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in row.items() if name not in but)


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"
