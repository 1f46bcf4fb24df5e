"""The checkpoint of `fit`: one file, written after each epoch, from which the same call goes on."""

from __future__ import annotations

import re
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..guards.kinds import path as a_path
from .callbacks import Run, Told
from .saved import Parts, load, save
from .scores import Loss


class Resumable:
    """A file that keeps what a run needs to go on.

    Parameters
    ----------
    path : of the file; it is read, if it is there. With None nothing is kept
    call : what has to be the same in a call that goes on, by the words for it

    Attributes
    ----------
    epoch : the number of the last epoch in the file; 0 if there is no file
    rows : the rows to train on and those held out, if `fit` has drawn them
    rules : the optimizer's hyper-parameters at the beginning, and those that it came to have: each is of this call

    Raises
    ------
    ValueError : the file is no checkpoint, or that of another call
    """

    def __init__(self, path: Any, call: dict[str, Any]) -> None:
        self.path: Path | None = None
        self.epoch, self.rows, self.rules = 0, list[Array](), list[Any]()
        if path is None:
            return
        a_path("checkpoint", path)
        self.path, self.call = Path(path), {name: fingerprint(value) for name, value in call.items()}
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return
        parts = load(self.path)
        theirs, epoch, rows, rules = (parts.get(name) for name in ("call", "epoch", "rows", "rules"))
        if not isinstance(theirs, dict) or not isinstance(epoch, int) or not isinstance(rows, list) or not rules:
            raise ValueError(f"checkpoint: {path} is a file of another kind; give another path")
        for name in [*self.call, *theirs]:
            if theirs.get(name) != self.call.get(name):
                raise self.refusal(f"{name} is {theirs.get(name)!r} there and {self.call.get(name)!r} here")
        self.epoch, self.rows, self.rules = epoch, rows, rules

    def refusal(self, reason: str) -> ValueError:
        """Return the error for a file that is not of this call."""
        said = f"checkpoint: {self.path} is of another call of fit, as {reason}"
        return ValueError(f"{said}; give another path, or delete the file")

    def resume(self, run: Run, told: Told, rng: np.random.Generator) -> None:
        """Put what the file has into model, optimizer, history, callbacks and generator."""
        here = rule_of(run.optimizer)
        if self.path is None or not self.epoch:
            self.rules = [here]
            return
        if here not in self.rules:
            raise self.refusal(f"it has another optimizer: {self.rules[0]} there and {here} here")
        try:
            load(self.path, **self._parts(run, told, rng))
        except ValueError as error:
            reason = str(error)
            raise self.refusal(reason.partition(" does not fit: ")[2] or reason) from None

    def save(self, run: Run, told: Told, rng: np.random.Generator) -> None:
        """Write the file anew: whatever happens, the old one is there or the new one."""
        if self.path is None:
            return
        self.rules += [here] if (here := rule_of(run.optimizer)) not in self.rules else []
        more = {"epoch": run.epoch, "rows": self.rows, "rules": self.rules, "call": self.call}
        save(self.path, **self._parts(run, told, rng), **more)

    def _parts(self, run: Run, told: Told, rng: np.random.Generator) -> Parts:
        given = {"model": run.model, "optimizer": run.optimizer, "history": run.history, "rng": rng}
        return Parts(given | told.remembering())


def fingerprint(value: Any) -> Any:
    """Return what stands for a value in the file: of arrays the dtype, shape and a sum over their bytes."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(name): fingerprint(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [fingerprint(one) for one in value]
    a = np.ascontiguousarray(value)
    return f"{a.dtype} {a.shape}, sum {zlib.crc32(a.view(np.uint8).data) if a.size else 0:08x}"


def rule_of(optimizer: Optimizer) -> str:
    """Return the rule and the hyper-parameters of all groups as text."""
    groups = "; ".join(", ".join(f"{name}={value!r}" for name, value in group.items()) for group in optimizer.groups)
    return re.sub(" at 0x[0-9a-f]+", "", f"{type(optimizer).__name__}({groups})")


def name_of(loss: Loss) -> str:
    """Return the name of a loss, of a partial one with its options."""
    if isinstance(loss, partial):
        return f"{name_of(loss.func)} {loss.args} {loss.keywords}"
    return getattr(loss, "__qualname__", type(loss).__qualname__)
