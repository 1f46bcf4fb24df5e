"""The race on real data: the same network, the same first weights and the same batches for every update rule.

Each rule gets the best learning rate of one grid, and runs with several seeds, because a difference smaller than
the spread over seeds says nothing. The trainings are those of a sweep: side by side, and kept in a file if one is
named. `pictures.loss_bands` draws the race, and `standings.standings` that of many rules.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.layers import mlp
from ..core.losses import cross_entropy
from ..core.ops import Array
from ..explain.notebook import displayed
from ..explain.tables import Table
from ..extras.optimizers import RULES, rule_names
from ..guards.kinds import whole
from ..training.data import batches
from ..training.fit import evaluate
from ..training.sweeps import sweep

GRID = 10.0 ** (np.arange(-8, 5) / 2)  # the learning rates to choose from: 1e-4 to 100, two a decade
TUNING = 5  # seeds on which a rate is judged, other than those of the race
FEW = 64  # samples to evaluate at a time: BLAS shares larger products among threads, which costs more here


class Trial(NamedTuple):
    """The runs of one rule.

    Attributes
    ----------
    rule : the kernel's name
    lr : the learning rate
    losses : loss over all training data, before the first epoch and after each, (seeds, epochs + 1); infinite after
        a run has diverged
    accuracies : on the test data at the end, (seeds,)
    seconds : of training, without compiling or evaluating, (seeds,)
    test_losses : loss on the test data at the end, (seeds,); infinite after a run has diverged
    """

    rule: str
    lr: float
    losses: Array
    accuracies: Array
    seconds: Array
    test_losses: Array

    @property
    def fate(self) -> str:
        """Return the result in a few words."""
        return f"test accuracy {np.median(self.accuracies):.1%}"


class DataRace(NamedTuple):
    """The result of `race_on_data`: title, conditions, the grid of learning rates, and a `Trial` for each rule.

    It prints as a table, and is one in a notebook, the smallest training loss first; its repr is short.
    """

    title: str
    conditions: str
    grid: Array
    runs: list[Trial]

    def __repr__(self) -> str:
        return f"DataRace({self.title!r}: {', '.join(run.rule for run in self.runs)}; print it for the table)"

    def figures(self) -> dict[str, Any]:
        """Return for each rule: lr; medians and ranges over seeds of training loss (None if it diverged), test
        accuracy and `ranks`; medians of test loss and seconds."""
        ranks = self.ranks()
        return {
            run.rule: {
                "lr": run.lr,
                "loss": _finite(np.median(run.losses[:, -1])),
                "loss_range": [_finite(run.losses[:, -1].min()), _finite(run.losses[:, -1].max())],
                "test_loss": _finite(np.median(run.test_losses)),
                "accuracy": float(np.median(run.accuracies)),
                "accuracy_range": [float(run.accuracies.min()), float(run.accuracies.max())],
                "rank": float(np.median(ranks[run.rule])),
                "rank_range": [float(ranks[run.rule].min()), float(ranks[run.rule].max())],
                "seconds": float(np.median(run.seconds)),
            }
            for run in self.runs
        }

    def ranks(self) -> dict[str, Array]:
        """Return the ranks of each rule, one for each seed: 1 has the smallest test loss; equal ones share theirs.

        All rules of a seed have the same start and the same batches, so they are compared within it.
        """
        losses = np.array([run.test_losses for run in self.runs])
        lower, equal = ((less(losses[None], losses[:, None])).sum(axis=1) for less in (np.less, np.equal))
        return {run.rule: 1 + a + (b - 1) / 2 for run, a, b in zip(self.runs, lower, equal, strict=True)}

    def table(self) -> Table:
        """Return the table: for each rule lr, training loss, its range, test accuracy, its range, rank by the
        test loss, its range, seconds."""
        rows, ranks = [], self.ranks()
        for run in sorted(self.runs, key=lambda run: np.median(run.losses[:, -1])):
            edge = "*" if run.lr in (self.grid[0], self.grid[-1]) else " "
            ends, right = run.losses[:, -1], run.accuracies
            loss, losses = f"{np.median(ends):.3g}", f"{ends.min():.3g} to {ends.max():.3g}"
            accuracy, accuracies = f"{np.median(right):.1%}", f"{right.min():.1%} to {right.max():.1%}"
            mine, seconds = ranks[run.rule], f"{np.median(run.seconds):.2f}"
            rank, places = f"{np.median(mine):g}", f"{mine.min():g} to {mine.max():g}"
            rows.append((run.rule, f"{run.lr:.2g}{edge}", loss, losses, accuracy, accuracies, rank, places, seconds))
        columns = ("rule", "lr", "training loss", "range", "test accuracy", "range", "rank", "range", "seconds")
        return Table("\n".join([self.title, self.conditions, *self._note()]), columns, rows)

    def _note(self) -> list[str]:
        edges = any(run.lr in (self.grid[0], self.grid[-1]) for run in self.runs)
        return ["* at the edge of the grid: a rate beyond it may be better"] * edges

    def __str__(self) -> str:
        width = max(12, *(len(run.rule) for run in self.runs))
        form = f"{{:<{width}}} {{:>8}} {{:>9}}  {{:<20}} {{:>7}}  {{:<16}} {{:>4}}  {{:<10}} {{:>7}}"
        rows = [form.format(*cells) for cells in self.table().rows]
        head = f"{'rule':<{width}} {'lr':>7}  {'training loss: median, range':<31} {'test accuracy':<25} "
        head += f"{'rank by its loss':<17} seconds"
        return "\n".join([self.title, self.conditions, head, *rows, *self._note()])

    def _repr_html_(self) -> str:
        return displayed(self.table())


def race_on_data(
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    optimizers: str | Sequence[str] | None = None,
    seeds: int = 5,
    epochs: int = 20,
    hidden: Sequence[int] = (32,),
    batch_size: int | None = 32,
    grid: Sequence[float] | Array = GRID,
    rng: Rng = 0,
    report: Callable[[Trial], Any] | None = None,
    n_jobs: int = 1,
    resume: Any = None,
) -> DataRace:
    """Train one network with each rule, several times, and compare.

    A seed decides the first weights and the order of the samples: the same for all rules. A rule's learning rate is
    chosen from the grid on five seeds that are not in the race: for each rate and seed, the mean of the training loss
    after each epoch of the second half; a rate is as good as its worst seed; the smallest wins, among equals the
    smaller rate. So a rate that happens to end low, between two spikes, does not win, and one that diverged cannot. The
    test data choose nothing.

    Parameters
    ----------
    X, y : samples (N, D) and labels 0 to C - 1 to learn from
    X_test, y_test : test samples and labels
    optimizers : names in `optimizers.RULES`, None or "classic" for `optimizers.CLASSIC`, or "all" of them. All numbers
        but lr are the defaults
    seeds : runs of each rule, at least 1
    epochs : passes over the data, at least 1
    hidden : sizes of the hidden layers of the ReLU network
    batch_size : samples for each update, None for all
    grid : the learning rates to choose from, increasing
    rng : generator or seed from which all seeds are drawn
    report : called with each finished `Trial`
    n_jobs : trainings at a time, -1 for as many as there are cores (with joblib, see `sweep`). The losses are the same;
        the seconds are those of runs that share the machine
    resume : a file of JSON lines, as "race.jsonl", for the trainings as they end: the same call after a crash goes on,
        and one with more rules or rates trains what is new. A line names rule, rate, seed, network, epochs and a sum
        over all data, so others do not get in the way; delete it if the package has changed

    Returns
    -------
    DataRace : with a `Trial` for each rule, in the order given

    Raises
    ------
    TypeError : seeds or epochs is no whole number
    ValueError : an unknown rule; seeds or epochs below 1; an empty grid; y without labels, or a label in y_test that y
        does not have; data that `fit` refuses

    Examples
    --------
    >>> from tinygrad_edu.training import data
    >>> X_train, y_train, X_test, y_test = data.split(*data.blobs(120, rng=0), rng=0)
    >>> found = race_on_data(X_train, y_train, X_test, y_test, ["sgd", "adam"], seeds=2, epochs=3)
    >>> [run.rule for run in found.runs], found.runs[0].losses.shape
    (['sgd', 'adam'], (2, 4))
    """
    rules = rule_names("classic" if optimizers is None else optimizers)
    grid = np.array(grid, float)
    X, y = np.asarray(X), np.asarray(y)
    _check(X, y, y_test, {"seeds": seeds, "epochs": epochs, "the number of rates in the grid": grid.size})
    sizes = [X.shape[1], *hidden, int(y.max()) + 1]
    drawn = np.random.default_rng(rng).choice(2**32, size=seeds + TUNING, replace=False).tolist()

    network, batch = "-".join(map(str, sizes)), "all" if batch_size is None else batch_size
    sums = [zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in (X, y, X_test, y_test)]
    about = f"{network}, {epochs} epochs, batches of {batch}, data {zlib.crc32(repr(sums).encode()):08x}"
    train = partial(_train, sizes=sizes, epochs=epochs, batch_size=batch_size, data=(X, y, X_test, y_test))
    trials = partial(_trials, train, about, n_jobs, resume)
    found = []
    for rule in rules:
        tuning = [trial.losses for trial in trials(rule, grid, drawn[seeds:])]
        found += trials(rule, [float(grid[best_rate(np.array(tuning))])], drawn[:seeds])
        if report is not None:
            report(found[-1])
    title = f"{network} ReLU network, {len(X):,} samples, {len(X_test):,} held out"
    conditions = (
        f"{epochs} epochs, batches of {batch}, {seeds} seeds; constant learning "
        f"rates, of {len(grid)} from {grid[0]:g} to {grid[-1]:g} by the training loss on {TUNING} other seeds"
    )
    return DataRace(title, conditions, grid, found)


def _trials(
    train: Callable[..., Any], about: str, n_jobs: int, resume: Any, rule: str, rates: Any, seeds: list[int]
) -> list[Trial]:
    """Train with each rate and seed, by a sweep, and return a trial for each rate."""
    points, runs = [{"rule": rule, "lr": float(lr), "about": about} for lr in rates], []
    found = sweep(train, points, seeds, n_jobs, resume, progress=False)
    for row in found.failed:
        raise ValueError(f"{rule} at lr {row['lr']:g} ended with {row['error']}")
    for row in found.rows:
        losses = [loss for name, loss in row.items() if name.startswith("loss ")]
        runs.append((losses, row["accuracy"], row["trained"], row["test"]))
    each = [runs[i : i + len(seeds)] for i in range(0, len(runs), len(seeds))]
    return [Trial(rule, lr, *map(np.array, zip(*of_rate))) for lr, of_rate in zip(rates, each)]


def _check(X: Array, y: Array, y_test: Any, counts: dict[str, int]) -> None:
    """Refuse a count that is no whole number of at least 1, and data without labels."""
    for name, n in counts.items():
        whole(name, n, 1)
    if X.ndim != 2 or y.ndim != 1 or y.dtype.kind not in "iu" or not len(y):
        raise ValueError(
            f"X is (N, D) and y holds N labels, N at least 1; got shapes {X.shape} and {y.shape}, y of {y.dtype}"
        )
    if np.max(y_test) > y.max():
        raise ValueError(f"y_test has the label {np.max(y_test)}, y only 0 to {y.max()}")


def _finite(loss: Any) -> float | None:
    return float(loss) if np.isfinite(loss) else None


def best_rate(losses: Array) -> int:
    """Return the number of the learning rate to take, by losses of shape (rates, seeds, epochs + 1)."""
    epochs = losses.shape[2] - 1
    return int(losses[:, :, epochs // 2 + 1 :].mean(axis=2).max(axis=1).argmin())


def _train(
    rule: str,
    lr: float,
    about: str,
    seed: int,
    sizes: list[int],
    epochs: int,
    batch_size: int | None,
    data: tuple[Array, Array, Any, Any],
) -> dict[str, float]:
    """Train once. Return the losses by epoch, those and the accuracy on the test data, and the seconds."""
    X, y, X_test, y_test = data
    model, make = mlp(sizes, dtype=X.dtype if X.dtype.kind == "f" else float, rng=seed), RULES[rule]
    optimizer = make(model, lr=lr, nonfinite="propagate")
    optimizer.compile()
    order = np.random.default_rng([seed, 1])
    losses, seconds = np.full(epochs + 1, np.inf), 0.0
    judged = partial(_judged, model, optimizer)
    with np.errstate(all="ignore"):  # of a run that diverges
        losses[0] = judged(X, y).loss
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            for xb, yb in batches(X, y, batch_size, rng=order):
                optimizer.zero_grad()
                cross_entropy(model(xb), yb).backward()
                optimizer.step()
            seconds += time.perf_counter() - start
            loss = judged(X, y).loss
            if not np.isfinite(loss):
                break
            losses[epoch] = loss
        tested = judged(X_test, y_test)
    each = {f"loss {epoch}": float(loss) for epoch, loss in enumerate(losses)}
    finite = np.isfinite(losses[-1]) and np.isfinite(tested.loss)  # NaN has no rank
    return {
        **each,
        "test": float(tested.loss) if finite else np.inf,
        "accuracy": tested.accuracy or 0.0,
        "trained": seconds,
    }


def _judged(model: Any, optimizer: Any, X: Any, y: Any) -> Any:
    """Return what `evaluate` says of the rule's answer: the parameters, or the mean of points that the rule keeps."""
    data, answer = optimizer.buffer.data, getattr(optimizer, "mean_of_points", None)
    kept = data.copy()
    data[:] = optimizer.averages[answer] if answer else kept
    found = evaluate(model, X, y, batch_size=FEW)
    data[:] = kept
    return found
