"""The outcome of a training: the numbers of the last good epoch, and warnings of what was in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import prod
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize

import numpy as np

from ..core.layers import Layer
from ..core.losses import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..guards.frames import warn
from ..guards.samples import Data, is_several
from .history import History
from .scores import Loss

LARGE = 2**23  # bytes, in all


class Copies:
    """Copies of arrays that hardly anybody will ask for. Large ones lie in a temporary file without a name, as they
    would take memory beside each step; in memory where no file can be written."""

    def __init__(self) -> None:
        self.file: Any = None  # which has arrays of these kinds
        self.kinds, self.arrays = list[tuple[tuple[int, ...], Any]](), list[Array]()

    def take(self, arrays: list[Array]) -> None:
        """Copy these arrays, in the place of those before."""
        self.kinds, self.arrays = [], []  # the older ones go first
        if sum([a.nbytes for a in arrays]) >= LARGE:
            with suppress(OSError):  # the disk is full, or all of it is read-only
                self._write(arrays)
                return
        if self.file is not None:
            with suppress(OSError):
                self.file.truncate(0)  # others want the room
        self.arrays = [a.copy() for a in arrays]

    def _write(self, arrays: list[Array]) -> None:
        """Write the arrays into the file."""
        if self.file is None:
            self.file = TemporaryFile(buffering=0)  # noqa: SIM115, closed with these copies
            finalize(self, self.file.close)
        self.file.seek(0)
        for a in arrays:  # not by tofile(), which does not tell of a last piece that found no room
            left = np.ascontiguousarray(a).reshape(-1).view(np.uint8)
            while left.size:
                left = left[self.file.write(left) :]
        self.kinds = [(a.shape, a.dtype) for a in arrays]

    def __iter__(self) -> Iterator[Array]:
        """Yield the copies; from a file one at a time."""
        yield from self.arrays
        if self.kinds:
            self.file.seek(0)
        for shape, dtype in self.kinds:
            yield np.fromfile(self.file, dtype, prod(shape)).reshape(shape)


class Numbers:
    """Numbers and averages that training changes, as they were after the last epoch whose loss was finite.

    once : whether an epoch is one update. One that is refused changes neither parameters nor averages, so that nothing
        has to be noted of these
    """

    def __init__(self, model: Layer, optimizer: Optimizer, epoch: int = 0, once: bool = False) -> None:
        self.tensors, self.optimizer, self.once = list(model.named_tensors().values()), optimizer, once
        self.copies = Copies()
        self.keep(epoch)

    def keep(self, epoch: int) -> None:
        """Note the numbers of now, those after this epoch."""
        refused = self.once and self.optimizer.nonfinite == "raise"
        safe = set(map(id, self.optimizer.params)) if refused else ()
        self.epoch, self.changing = epoch, [t for t in self.tensors if id(t) not in safe]
        self.averages = [] if refused else [*self.optimizer.averages]
        self.copies.take([t.array for t in self.changing] + [self.optimizer.averages[name] for name in self.averages])

    def put_back(self) -> str:
        """Put the numbers back that were noted, and return a sentence that says which these are."""
        numbers = iter(self.copies)
        for t in self.changing:
            t.data = next(numbers)
        for name in self.averages:
            self.optimizer.averages[name][...] = next(numbers)
        return f"The model is again as it was {f'after epoch {self.epoch}' if self.epoch else 'before fit()'}"


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


def warn_if_nothing_learned(history: History, X: Data, y: Array, loss: Loss) -> None:
    """Warn if the last of at least five epochs was no better than a model that ignores X."""
    least = next((least for known, least in CONSTANT if known is loss), None)
    if len(history) < 5 or least is None:
        return
    last, constant = history.rows[-1], least(y)
    chance = np.unique(y, return_counts=True)[1].max() / y.size
    if last["loss"] >= 0.99 * constant > 0 and last.get("accuracy", 0.0) <= chance + 1 / np.sqrt(len(y)):
        warn(
            f"nothing was learned: the loss is {last['loss']:.4g} after {len(history)} epochs, and {constant:.4g} for "
            "a model that ignores X; try another learning rate, more epochs"
            f"{'' if _scaled(X) else ', or features of mean 0 and deviation 1'}"
        )


def _scaled(X: Data) -> bool:
    """Return whether X is a table whose columns all have about mean 0 and deviation 1, or hold one number near 0."""
    if is_several(X) or X.ndim != 2:
        return False
    mean, deviation = X.mean(axis=0, dtype=float), X.std(axis=0, dtype=float)
    return bool(((np.abs(mean) < 1) & ((deviation < 1e-9) | (np.abs(np.log(np.maximum(deviation, 1e-9))) < 1))).all())


def _entropy(shares: list[Any]) -> float:
    """Return -sum(p ln p), the least cross-entropy that one answer for all samples can have."""
    return -float(sum(p * np.log(p) for p in shares if p > 0))


CONSTANT: list[tuple[Loss, Callable[[Array], float]]] = [  # the least loss of a model that ignores X
    (cross_entropy, lambda y: _entropy([*y.mean(axis=0)] if y.ndim > 1 else [np.mean(y == k) for k in np.unique(y)])),
    (binary_cross_entropy_with_logits, lambda y: float(np.mean([_entropy([p, 1 - p]) for p in y.mean(axis=0).flat]))),
    (mse_loss, lambda y: float(y.var(axis=0).mean())),
]
