"""Training: the loop of every textbook. Its record is in `history`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import ceil, floor, isfinite
from typing import Any, Literal

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.losses import NoLoss, cross_entropy
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.optimizers import Adam
from ..guards.frames import warn
from ..guards.kinds import generator, is_whole, real, whole, yes_or_no
from ..guards.names import helped
from ..guards.ranges import NotFinite
from ..guards.samples import Data, each, is_several, parts_of, rows_of, warn_of_scale
from .callbacks import Callback, Run, Told
from .data import finite, in_order, split
from .epochs import Task, Train
from .evaluation import evaluation
from .history import Evaluation, History, Progress, Row
from .outcome import Numbers, warn_if_nothing_learned, warn_if_untrained
from .resume import Resumable, code_of, name_of, require_parts
from .scores import Loss, checked_metrics, columns_of, measured, reader
from .splits import require_rows
from .weights import checked_weights, class_table, counts_of, require_counts, take_weights


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
    validation: tuple[Any, Any] | float | None = None,
    rng: Rng = None,
    progress: bool = True,
    callback: Callback | Sequence[Callback] | None = None,
    compiled: bool | Literal["auto"] = "auto",
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    metrics: Mapping[str, Callable[..., Any]] | None = None,
    checkpoint: Any = None,
) -> History:
    """Train model on X and y.

    Parameters
    ----------
    model : the model to train; it is left in evaluation mode
    X, y : arrays of the same length: samples, and their labels or targets as the loss takes them. The model receives
        whole numbers in X, as the uint8 of an image, as floats, unless it uses them as indices. A model with several
        inputs takes a tuple of arrays, ``model(*X)``, or a dict, ``model(**X)``; a tuple or dict of targets reaches the
        loss as it is
    loss : called with the model's output and y; its value is a mean over the batch
    optimizer : over the model's parameters; `Adam` with its defaults if None
    epochs : passes over the data, at least 0
    batch_size, drop_last : samples for each update; None for all, 1 for stochastic descent (see `batches`)
    validation : (X, y) to evaluate after each epoch; the model does not learn from them. A share, as 0.2, holds so many
        of the samples back, as `data.split` does with this rng: the same share of every class
    rng : generator or seed for the order of the samples
    progress : show a bar (with tqdm, on a terminal or in a notebook) or a line for each epoch; on standard error, but
        in a notebook, which would show that in red, on standard output
    callback : called with each epoch's row, or with the row and the `Run`; or a list of such. Training stops when one
        returns something true (see `callbacks`)
    compiled : run each epoch as one call of machine code (see `compile_step`): the same numbers to rounding, much
        sooner. "auto" does so if 5,000 updates or more are ahead, and layers, loss, rule and rate are of this package;
        else, and where a step cannot be compiled or debug() looks on, it trains without. Where so many are ahead, a
        line before the progress says which
    sample_weight : at least 0, one for each sample; the loss gets those of the batch as its keyword sample_weight.
        Accuracy and validation are not weighted. Batches whose weights are all 0, or whose labels are all ignored by
        the loss, are skipped
    class_weight : "balanced", which is N / (C · count) as in scikit-learn; or a dict or an array of the weight of each
        class. It multiplies into sample_weight
    clip_norm, clip_value : what the gradients of each update are clipped to, the values first (see
        `Optimizer.clip_norm` and `Optimizer.clip_value`)
    accumulate : number of batches whose mean gradient makes one update: to rounding that of one batch of so many more
        samples, in the memory of one. The last group may be shorter
    metrics : functions by name, as {"f1": sklearn.metrics.f1_score}, called with y and the answers where there is an
        accuracy, else with y and the outputs. They see the validation data after each epoch, and make a column
        validation_f1; without validation data the training data, and the column is f1
    checkpoint : path of a file that keeps, after each epoch, what is needed to go on: model, optimizer, generators,
        history, and the callbacks that have a ``state_dict``. The same call goes on from there after a crash, and ends
        with the same bits as if there had been none; more epochs go on, too, compiled or not as the run began. One that
        is finished, or that a callback has stopped, returns its history at once. Build model and optimizer as before,
        and do not load them yourself

    Returns
    -------
    History : one row for each epoch. There is an accuracy if y holds class numbers and the model gives a score for each
        class, or if y holds 0 and 1 and the loss is `binary_cross_entropy_with_logits`: then a logit above 0 is a 1,
        and with several for each sample it is the share of right ones among all. Ctrl-C ends training after the
        current batch, or, if compiled, after some tenths of a second, or when the machine code is made; the rows so far
        are returned

    Raises
    ------
    ValueError : NaN or infinity in the data; lengths that differ; epochs or batch_size out of range; labels that the
        loss refuses; an optimizer over another model; a loss that became NaN or infinite, unless the optimizer's
        ``nonfinite`` says otherwise: then the model and the optimizer's averages are as after the last epoch whose
        loss was finite (copies of 8 MB or more lie in a temporary file); no sample that counts; a checkpoint of another
        call. With compiled=True, also the errors of `compile_step`
    CannotCompile : compiled=True, with several inputs or targets, accumulate, or sample_weight

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
    for name, value in (("progress", progress), ("drop_last", drop_last)):
        yes_or_no(name, value)
    if compiled != "auto":
        yes_or_no("compiled is 'auto', or it", compiled)
    X, y, validation = each("X", finite, X), each("y", finite, y), _checked_validation(validation, loss)
    _check(X, y, epochs, batch_size, rng, accumulate)
    told, clip, metrics = Told(callback), _bounds(clip_value=clip_value, clip_norm=clip_norm), checked_metrics(metrics)
    weights, seed, rng = checked_weights(sample_weight, len(parts_of(X)[0])), rng, np.random.default_rng(rng)
    call = {"X": X, "y": y, "loss": name_of(loss), "batch_size": batch_size, "drop_last": drop_last, "clip": clip}
    call |= {"code of the loss": code_of(loss), "validation": validation, "rng": seed if is_whole(seed) else None}
    call |= {"callback": told.names, "compiled": compiled, "sample_weight": weights, "class_weight": class_weight}
    call |= {"accumulate": accumulate, "metrics": list(metrics)}
    told.expect(columns_of(validation is not None, metrics))
    kept = Resumable(checkpoint, call, None if optimizer is None else optimizer.ranks)
    X, y, weights, validation = _held_out(X, y, weights, validation, rng, kept.rows)
    if not is_several(X) and not is_several(y):
        warn_of_scale(model, X, y)
    optimizer = Adam(model) if optimizer is None else optimizer
    warn_if_untrained(optimizer, model)
    task = Task(model, X, y, loss, optimizer, *_weights(weights, class_weight, y, loss), accumulate, clip)
    run = Run(model, optimizer, kept.epoch, History())
    told.say("start", run)
    kept.resume(run, told, rng)
    with _left_in_evaluation(model):
        if run.history.stopped == "all epochs" and run.epoch < epochs:
            task.is_free = compiled == "auto"
            task.is_compiled = kept.compiled if task.is_free else bool(compiled)  # None: a choice is to be made
            steps = _updates(len(parts_of(X)[0]), batch_size, drop_last, accumulate)
            begin = partial(task.begin, epochs * steps, batch_size, not progress)
            draw = partial(in_order, parts_of(X)[0], parts_of(y)[0], batch_size, rng=rng, drop_last=drop_last)
            measure, save = partial(_measured, task, validation, metrics), partial(kept.save, run, told, rng, task)
            _train(run, begin, draw, measure, told, save, epochs, progress, steps == 1)
            if task.weights is None and not is_several(y):
                warn_if_nothing_learned(run.history, X, y, loss)
    told.say("finish", run)
    return run.history


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
    X, y = each("X", finite, X), each("y", finite, y)
    _of_one_length(X, y, batch_size)
    return evaluation(model, X, y, loss, batch_size)[0]


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


# --- what is given ----------------------------------------------------------------------------------------------------


def _check(X: Data, y: Data, epochs: Any, batch_size: Any, rng: Any, accumulate: Any) -> None:
    """Raise what is wrong with the data and the counts, before anything is trained."""
    generator("rng", rng)
    if not is_whole(epochs) or epochs < 0:
        raise ValueError(f"epochs = {epochs!r}, but it has to be a whole number, at least 0")
    _of_one_length(X, y, batch_size)
    whole("accumulate", accumulate, 1)


def _of_one_length(X: Data, y: Data, batch_size: Any = None, both: str = "X and y") -> None:
    """Raise ValueError unless all arrays have one row for each sample, and batch_size is a size."""
    for part in parts_of(X):
        for targets in parts_of(y):
            require_rows(part, targets, both)
            in_order(part, targets, batch_size, shuffle=False)


def _bounds(**given: Any) -> dict[str, float]:
    """Return the bounds for gradients that are not None, by name."""
    for name, most in given.items():
        if most is not None:
            real(name, most)
            if not most > 0:
                raise ValueError(f"{name} = {most}, but it has to be above 0")
    return {name: float(most) for name, most in given.items() if most is not None}


def _checked_validation(validation: Any, loss: Loss) -> Any:
    """Return what to validate on: a share, two arrays, or None."""
    if isinstance(validation, (tuple, list)) and len(validation) == 2:
        X, y = each("validation X", finite, validation[0]), each("validation y", finite, validation[1])
        _of_one_length(X, y, both="X and y of validation")
        require_counts("validation y", counts_of(loss, y))
        return X, y
    if validation is None:
        return None
    if isinstance(validation, bool) or not isinstance(validation, (float, np.floating)):
        several = f" of {len(validation)}" if isinstance(validation, (tuple, list)) else ""
        raise TypeError(
            f"validation is two arrays, (X, y), or a share, as 0.2, got {type(validation).__name__}{several}; "
            "X, y, X_val, y_val = tg.data.split(X, y, 0.2) holds some back: validation=(X_val, y_val)"
        )
    if not 0 < validation < 1:
        raise ValueError(f"validation = {validation}, but a share is between 0 and 1")
    return float(validation)


def _held_out(
    X: Data, y: Data, weights: Array | None, validation: Any, rng: np.random.Generator, rows: list[Array]
) -> tuple[Data, Data, Array | None, Any]:
    """Return X, y and weights to train on, and the data to validate on. rows : gets, or has, the rows of both parts."""
    if not isinstance(validation, float):
        return X, y, weights, validation
    if not rows:
        n = len(parts_of(X)[0])
        train, _, rest, _ = split(np.arange(n), np.zeros(n) if is_several(y) else y, validation, rng)
        rows += [train, rest]
    require_parts(rows, len(parts_of(X)[0]))
    train, rest = rows
    ours = rows_of(X, train), rows_of(y, train), None if weights is None else weights[train]
    return *ours, (rows_of(X, rest), rows_of(y, rest))


def _weights(weights: Array | None, class_weight: Any, y: Data, loss: Loss) -> tuple[Array | None, Array | None]:
    """Return the weight of each sample, and that of each class if there are no others."""
    table = class_table(class_weight, y)
    if table is None and weights is None:
        return None, None
    take_weights(loss)
    if table is None:
        return weights, None
    of_class = table[y.astype(int).reshape(len(y))]
    return (of_class, table) if weights is None else (weights * of_class, None)


# --- an epoch ---------------------------------------------------------------------------------------------------------


def _updates(samples: int, batch_size: int | None, drop_last: bool, accumulate: int) -> int:
    """Return how many updates an epoch has."""
    batches = samples / min(batch_size or samples, samples)
    return ceil((floor(batches) if drop_last else ceil(batches)) / accumulate)


def _train(
    run: Run,
    begin: Callable[[list[bool]], Train],
    draw: Callable[[], tuple[Array, int]],
    measure: Callable[[], Row],
    told: Told,
    save: Callable[[], None],
    epochs: int,
    progress: bool,
    once: bool,
) -> None:
    """Train until ``epochs`` are done or somebody stops it; after each epoch measure, tell the callbacks, and save.
    once : whether an epoch is one update"""
    history, quiet = run.history, np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite is refused
    with _ctrl_c() as interrupted, Progress(progress, epochs, run.epoch) as show, quiet:
        train = begin(interrupted)
        finite_until = Numbers(run.model, run.optimizer, run.epoch, once)
        for epoch in range(run.epoch + 1, epochs + 1):
            run.epoch = epoch
            row = _epoch(run, train, draw, measure, finite_until)
            history.rows.append(row)
            show(row)
            reason = "interrupted" if interrupted else told(row, run)
            history.stopped = reason or "all epochs"
            if isfinite(row["loss"]):
                finite_until.keep(epoch)
                if not interrupted:
                    save()
            if reason:
                break
    if not isfinite(history.rows[-1]["loss"]):  # the optimizer skipped batches, or let NaN through
        warn(f"the loss of the last epoch is {history.rows[-1]['loss']}. {finite_until.put_back()}")


def _epoch(
    run: Run, train: Train, draw: Callable[[], tuple[Array, int]], measure: Callable[[], Row], finite_until: Numbers
) -> Row:
    """Train for an epoch, and return its row."""
    start, lr = time.perf_counter(), run.optimizer.lr
    try:
        means = train(*draw())
    except NoLoss as error:
        back = finite_until.put_back()
        raise ValueError(f"the {error} in epoch {run.epoch}; a smaller learning rate may help. {back}") from None
    except NotFinite as error:
        error.args = (f"{error}. {finite_until.put_back()}",)
        raise
    if (ranks := run.optimizer.ranks) is not None:
        ranks.share_statistics(run.model)
    columns = _columns(means) | measure()
    if ranks is not None:
        columns = ranks.means(columns)
    return {"epoch": run.epoch} | columns | {"lr": lr, "seconds": time.perf_counter() - start}


def _columns(means: Evaluation, prefix: str = "") -> Row:
    """Return loss, and accuracy if there is one, as columns of a row."""
    return {f"{prefix}{name}": value for name, value in means._asdict().items() if value is not None}


def _measured(task: Task, validation: Any, metrics: Mapping[str, Any]) -> Row:
    """Return the columns of the validation data; without these the metrics on the training data."""
    if validation is None and not metrics:
        return {}
    X, y = (task.X, task.y) if validation is None else validation
    means, outputs = evaluation(task.model, X, y, task.loss, keep=bool(metrics))
    prefix = "" if validation is None else "validation_"
    columns = {} if validation is None else _columns(means, prefix)
    scores = measured(metrics, reader(task.loss, y), y, outputs) if metrics else {}
    return columns | {f"{prefix}{name}": value for name, value in scores.items()}


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
