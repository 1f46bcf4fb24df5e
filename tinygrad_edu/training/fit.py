"""Training: the loop of every textbook. Its record is in `history`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from math import isfinite, nan
from typing import Any, TypeAlias

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.losses import NoLoss, binary_cross_entropy_with_logits, cross_entropy, mse_loss
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.optimizers import Adam
from ..core.tensor import Tensor, unwrap
from ..guards.frames import warn
from ..guards.kinds import function, generator, is_whole, yes_or_no
from ..guards.loss_hints import about_fit, require_loss
from ..guards.names import helped
from ..guards.ranges import NotFinite
from ..guards.samples import input_dtype, warn_of_scale
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
        ``nonfinite`` says otherwise: then the model and the optimizer's averages are as after the last epoch whose
        loss was finite. If compiled, also the errors of `compile_step`

    Warns
    -----
    UserWarning : the optimizer was not given all parameters; nothing was learned, in five epochs or more; or the loss
        of the last epoch is not finite, as ``nonfinite`` allows: then the model is put back, too

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> from tinygrad_edu.training import data
    >>> X, y = data.blobs(90, rng=0)
    >>> history = fit(mlp([2, 8, 3], rng=0), X, y, epochs=20, rng=0, progress=False)
    >>> history["loss"][-1] < history["loss"][0]
    True
    """
    require_kinds(model, loss, optimizer)
    X, y, validation = _checked(X, y, validation, epochs, batch_size, callback)
    warn_of_scale(model, X, y)
    generator("rng", rng)
    for name, value in (("progress", progress), ("drop_last", drop_last), ("compiled", compiled)):
        yes_or_no(name, value)
    optimizer = Adam(model) if optimizer is None else optimizer
    warn_if_untrained(optimizer, model)
    history, rng, finite_until = History(), np.random.default_rng(rng), _Numbers(model, optimizer)
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
                back = finite_until.put_back()
                raise ValueError(f"the {error} in epoch {epoch}; a smaller learning rate may help. {back}") from None
            except NotFinite as error:
                error.args = (f"{error}. {finite_until.put_back()}",)
                raise
            model.eval()
            held_out = None if validation is None else _evaluate(model, *validation, loss)
            row = _row(epoch, sums, held_out) | {"lr": lr, "seconds": time.perf_counter() - start}
            history.rows.append(row)
            show(row)
            if isfinite(row["loss"]):
                finite_until.keep(epoch)
            if interrupted or (callback is not None and callback(row)):
                history.stopped = "interrupted" if interrupted else "callback"
                break
    if history and not isfinite(history.rows[-1]["loss"]):  # the optimizer skipped batches, or let NaN through
        warn(f"the loss of the last epoch is {history.rows[-1]['loss']}. {finite_until.put_back()}")
    warn_if_nothing_learned(history, y, loss)
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
    require_kinds(model, loss)
    return _evaluate(model, finite("X", X), finite("y", y), loss, batch_size)


def require_kinds(model: Any, loss: Any, optimizer: Any = None) -> None:
    """Raise a TypeError unless model is a `Layer`, loss a function, and optimizer an `Optimizer` or None."""
    for name, value, right, example in (
        ("model", model, isinstance(model, Layer), "a layer, such as tg.mlp([2, 16, 2])"),
        ("loss", loss, callable(loss), "a function, such as tg.cross_entropy"),
        ("optimizer", optimizer, isinstance(optimizer, (Optimizer, type(None))), "one such as tg.Adam(model)"),
    ):
        if not right:
            got = f"the class {value.__name__}" if isinstance(value, type) else f"{type(value).__name__} {value!r:.40}"
            raise TypeError(f"{name} is {example}, got {got}")


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


def warn_if_nothing_learned(history: History, y: Array, loss: Loss) -> None:
    """Warn if the last of at least five epochs was no better than a model that ignores X."""
    least = next((least for known, least in CONSTANT if known is loss), None)
    if len(history) < 5 or least is None:
        return
    last, constant = history.rows[-1], least(y)
    chance = np.unique(y, return_counts=True)[1].max() / len(y)
    if last["loss"] >= 0.99 * constant > 0 and last.get("accuracy", 0.0) <= chance + 1 / np.sqrt(len(y)):
        warn(
            f"nothing was learned: the loss is {last['loss']:.4g} after {len(history)} epochs, and {constant:.4g} for "
            "a model that ignores X; try another learning rate, more epochs, or features of mean 0 and deviation 1"
        )


def _entropy(shares: list[Any]) -> float:
    """Return -sum(p ln p), the least cross-entropy that one answer for all samples can have."""
    return -float(sum(p * np.log(p) for p in shares if p > 0))


CONSTANT: list[tuple[Loss, Callable[[Array], float]]] = [  # the least loss of a model that ignores X
    (cross_entropy, lambda y: _entropy([np.mean(y == label) for label in np.unique(y)])),
    (binary_cross_entropy_with_logits, lambda y: float(np.mean([_entropy([p, 1 - p]) for p in y.mean(axis=0).flat]))),
    (mse_loss, lambda y: float(y.var(axis=0).mean())),
]


class _Numbers:
    """Numbers and averages that training changes, as they were after the last epoch whose loss was finite."""

    def __init__(self, model: Layer, optimizer: Optimizer) -> None:
        self.tensors, self.averages = list(model.named_tensors().values()), optimizer.averages
        self.keep(0)

    def keep(self, epoch: int) -> None:
        """Note the numbers of now, those after this epoch."""
        self.epoch, self.numbers = epoch, [t.numpy() for t in self.tensors]
        self.then = {name: average.copy() for name, average in self.averages.items()}

    def put_back(self) -> str:
        """Put the numbers back that were noted, and return a sentence that says which these are."""
        for t, numbers in zip(self.tensors, self.numbers):
            t.data = numbers
        for name, average in self.then.items():
            self.averages[name][...] = average
        return f"The model is again as it was {f'after epoch {self.epoch}' if self.epoch else 'before fit()'}"


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

    def of_all(function: Callable[..., Any], *args: Any) -> Any:
        """Return function of the arguments; what the loss refuses is said of y as a whole."""
        try:
            return function(*args)
        except (TypeError, ValueError) as error:
            with model.evaluating(), suppress(Exception):
                about_fit(error, model(X[:1]), y)
            raise

    model.train()
    step = of_all(CompiledStep, model, loss, optimizer, X[:batch_size], y[:batch_size], quiet, "epoch")
    return partial(of_all, step.epoch, X, y)


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
