"""Training: the loop of every textbook. Its record is in `history`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import isfinite, nan
from typing import Any, TypeAlias

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.losses import NoLoss, cross_entropy
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.optimizers import Adam
from ..core.tensor import Tensor, unwrap
from ..guards.frames import warn
from ..guards.inputs import input_dtype
from ..guards.kinds import function, generator, is_whole, yes_or_no
from ..guards.loss_hints import about_fit, require_loss
from ..guards.names import helped
from .data import batches, finite, in_order
from .history import Evaluation, History, Progress, Row

Loss: TypeAlias = Callable[..., Tensor]  # of the model's output and y
Sums: TypeAlias = tuple[float, int | None, int]  # of an epoch's losses, correct answers (None without labels), samples


@helped
def fit(
    model: Layer,
    X: Any,
    y: Any,
    loss: Loss = cross_entropy,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int | None = 32,
    drop_last: bool = False,
    validation: tuple[Any, Any] | None = None,
    rng: Rng = None,
    progress: bool = True,
    callback: Callable[[Row], Any] | None = None,
    compiled: bool = False,
) -> History:
    """Train model on X and y.

    Parameters
    ----------
    model : the model to train; it is left in evaluation mode
    X, y : arrays of the same length: samples, and their labels or targets as the loss takes them. The model receives
        whole numbers in X, as the uint8 of an image, as floats, unless it uses them as indices
    loss : called with the model's output and y; its value is a mean over the batch
    optimizer : over the model's parameters; `Adam` with its defaults if None
    epochs : passes over the data, at least 0
    batch_size, drop_last : samples for each update; None for all, 1 for stochastic descent (see `batches`)
    validation : (X, y) to evaluate after each epoch; the model does not learn from them
    rng : generator or seed for the order of the samples
    progress : show a bar (with tqdm, on a terminal) or a line for each epoch, on standard error
    callback : called with each epoch's row; training stops when it returns something true
    compiled : run each epoch as one call of machine code (see `compile_step`): the same numbers, much sooner

    Returns
    -------
    History : one row for each epoch. Ctrl-C ends training after the current batch, or, if compiled, after the current
        epoch; the rows so far are returned

    Raises
    ------
    ValueError : NaN or infinity in the data; lengths that differ; epochs or batch_size out of range; labels that the
        loss refuses; an optimizer over another model; a loss that became NaN or infinite, unless the optimizer's
        ``nonfinite`` says otherwise. If compiled, also the errors of `compile_step`

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> from tinygrad_edu.training import data
    >>> X, y = data.blobs(90, rng=0)
    >>> history = fit(mlp([2, 8, 3], rng=0), X, y, epochs=20, rng=0, progress=False)
    >>> history["loss"][-1] < history["loss"][0]
    True
    """
    X, y, validation = _checked(X, y, validation, epochs, batch_size, callback)
    generator("rng", rng)
    for name, value in (("progress", progress), ("drop_last", drop_last), ("compiled", compiled)):
        yes_or_no(name, value)
    require_kinds(optimizer, loss)
    optimizer = Adam(model) if optimizer is None else optimizer
    warn_if_untrained(optimizer, model)
    history, rng = History(), np.random.default_rng(rng)
    quiet = np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite gets an error of its own
    with _left_in_evaluation(model), _ctrl_c() as interrupted, Progress(progress, epochs) as show, quiet:
        train: Callable[[Array, int], Sums] = partial(_eager, model, X, y, loss, optimizer, interrupted)
        if compiled:
            train = _compiled(model, X, y, loss, optimizer, batch_size, quiet=not progress)
        for epoch in range(1, epochs + 1):
            start, lr = time.perf_counter(), optimizer.lr
            model.train()
            try:
                sums = train(*in_order(X, y, batch_size, rng=rng, drop_last=drop_last))
            except NoLoss as error:
                raise ValueError(f"the {error} in epoch {epoch}; a smaller learning rate may help") from None
            model.eval()
            held_out = None if validation is None else _evaluate(model, *validation, loss)
            row = _row(epoch, sums, held_out) | {"lr": lr, "seconds": time.perf_counter() - start}
            history.rows.append(row)
            show(row)
            if interrupted or (callback is not None and callback(row)):
                history.stopped = "interrupted" if interrupted else "callback"
                break
    return history


@helped
def evaluate(model: Layer, X: Any, y: Any, loss: Loss = cross_entropy, batch_size: int = 1024) -> Evaluation:
    """Return the mean loss and the accuracy of model on X and y, in evaluation mode, without recording a graph.

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> from tinygrad_edu.training import data
    >>> evaluate(mlp([2, 3], rng=0), *data.blobs(30, rng=0)).accuracy <= 1
    True
    """
    return _evaluate(model, finite("X", X), finite("y", y), loss, batch_size)


def require_kinds(optimizer: Any, loss: Any) -> None:
    """Raise a TypeError if optimizer is neither an `Optimizer` nor None, or if loss cannot be called."""
    if not isinstance(optimizer, (Optimizer, type(None))):
        raise TypeError(f"optimizer is one such as tg.Adam(model), got {optimizer!r}")
    if not callable(loss):
        raise TypeError(f"loss is a function such as tg.cross_entropy, got {loss!r}")


def warn_if_untrained(optimizer: Optimizer, model: Layer) -> None:
    """Warn of parameters of model that optimizer does not have; a ValueError if it has none of them."""
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


def _checked(
    X: Any, y: Any, validation: tuple[Any, Any] | None, epochs: int, batch_size: int | None, callback: Any
) -> tuple[Array, Array, tuple[Array, Array] | None]:
    """Return the data as arrays, or raise what is wrong with them, before anything is trained."""
    X, y = finite("X", X), finite("y", y)
    if callback is not None:
        function("callback", callback)
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise TypeError(
                f"validation is two arrays, (X, y), got {type(validation).__name__}; "
                "X, y, X_val, y_val = tg.data.split(X, y, 0.2) holds some back: validation=(X_val, y_val)"
            )
        validation = finite("validation X", validation[0]), finite("validation y", validation[1])
    if not is_whole(epochs) or epochs < 0:
        raise ValueError(f"epochs = {epochs}, but it has to be a whole number, at least 0")
    in_order(X, y, batch_size, shuffle=False)
    if validation is not None:
        in_order(*validation, None, shuffle=False)
    return X, y, validation


# --- an epoch ---------------------------------------------------------------------------------------------------------


def _eager(
    model: Layer,
    X: Array,
    y: Array,
    loss: Loss,
    optimizer: Optimizer,
    interrupted: list[bool],
    order: Array,
    size: int,
) -> Sums:
    """Train on the rows of order, ``size`` of them at a time."""
    total, right, seen, labelled = 0.0, 0, 0, False
    dtype = input_dtype(model, X)
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        xb, yb = X[rows].astype(dtype, copy=False), y[rows]
        optimizer.zero_grad()
        output = model(xb)
        cost = _cost(loss, output, yb, y)
        value = cost.item()
        if not isfinite(value) and optimizer.nonfinite == "raise":
            raise NoLoss(f"loss became {value}")
        cost.backward()
        optimizer.step()

        if isfinite(value) or optimizer.nonfinite == "propagate":  # else the batch was skipped
            total += value * len(xb)
            right += _right(output, yb)
            seen += len(xb)
        labelled = _labelled(output, y)
        del output, cost  # their graph goes before the next one grows
        if interrupted:
            break
    return total, right if labelled else None, seen


def _compiled(
    model: Layer, X: Array, y: Array, loss: Loss, optimizer: Optimizer, batch_size: int | None, quiet: bool
) -> Callable[[Array, int], Sums]:
    """Return a function that does what `_eager` does, of the same order and size, in machine code."""
    from ..compile.step import CompiledStep

    model.train()
    step = CompiledStep(model, loss, optimizer, X[:batch_size], y[:batch_size], quiet, "epoch")
    return partial(step.epoch, X, y)


def _evaluate(model: Layer, X: Array, y: Array, loss: Loss, batch_size: int = 1024) -> Evaluation:
    """`evaluate` for data that have been checked."""
    total, right, seen = 0.0, 0, 0
    dtype = input_dtype(model, X)
    with model.evaluating():
        for xb, yb in batches(X, y, batch_size, shuffle=False):
            output = model(xb.astype(dtype, copy=False))
            total += _cost(loss, output, yb, y).item() * len(xb)
            right += _right(output, yb)
            seen += len(xb)
    return Evaluation(total / seen, right / seen if _labelled(output, y) else None)


def _cost(loss: Loss, output: Any, yb: Array, y: Array) -> Tensor:
    """Return the loss of a batch, a Tensor with one number; what the loss refuses is said of y as a whole."""
    try:
        cost = loss(output, yb)
    except (TypeError, ValueError) as error:
        about_fit(error, output, y)
        raise
    require_loss(cost)
    return cost


def _row(epoch: int, sums: Sums, held_out: Evaluation | None) -> Row:
    """Return the epoch's row for the history, without lr and seconds."""
    total, right, seen = sums
    means = {"loss": total / seen if seen else nan}
    if right is not None:
        means["accuracy"] = right / seen if seen else nan
    if held_out is not None:
        means["validation_loss"] = held_out.loss
        if held_out.accuracy is not None:
            means["validation_accuracy"] = held_out.accuracy
    return {"epoch": epoch, **means}


def _labelled(output: Any, y: Array) -> bool:
    """Return whether y holds class numbers, and output a score for each class; no of several outputs."""
    return (
        isinstance(output, Tensor) and output.ndim == 2 and output.shape[1] > 1 and y.ndim == 1 and y.dtype.kind in "iu"
    )


def _right(output: Any, y: Array) -> int:
    return int((unwrap(output).argmax(axis=1) == y).sum()) if _labelled(output, y) else 0


# --- the end of it ----------------------------------------------------------------------------------------------------


@contextmanager
def _left_in_evaluation(model: Layer) -> Iterator[None]:
    try:
        yield
    finally:
        model.eval()


@contextmanager
def _ctrl_c() -> Iterator[list[bool]]:
    """Yield a list that Ctrl-C adds to, in place of interrupting. A second Ctrl-C interrupts at once, as usual."""
    pressed: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield pressed  # only the main thread may set a handler, and a handler of the user's stays
        return

    def note(*_: Any) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
