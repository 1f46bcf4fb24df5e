"""The checkpoint of `fit`: one file, written after each epoch, from which the same call goes on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from inspect import signature, unwrap
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..extras.files import place
from ..guards.kinds import is_whole, path as a_path
from ..guards.names import is_ours
from .callbacks import Run, Told
from .epochs import Task
from .history import History
from .ranks import Ranks
from .saved import Parts, load, save
from .scores import Loss
from .states import first_misfit, text_of


class Resumable:
    """A file that keeps what a run needs to go on.

    Parameters
    ----------
    path : of the file; it is read, if it is there. With None nothing is kept
    call : what has to be the same in a call that goes on, by the words for it
    ranks : those of a distributed optimizer, or None. Rank 0 writes the file, all read it, and its data stand for all

    Attributes
    ----------
    epoch : the number of the last epoch in the file; 0 if there is no file
    rows : the rows to train on and those held out, if `fit` has drawn them; each rank has its own, and every_rows are
        those of all
    rules : the optimizer's hyper-parameters at the beginning, and those that it came to have: each is of this call
    models : the same of the model, the lines that `lines_of` returns
    compiled : whether the epochs in the file were machine code; None without a file

    Raises
    ------
    ValueError : the file is no checkpoint, or that of another call
    """

    def __init__(self, path: Any, call: dict[str, Any], ranks: Ranks | None = None) -> None:
        self.path: Path | None = None
        self.epoch, self.rows, self.ranks = 0, list[Array](), ranks
        self.rules, self.models, self.every_rows = list[Any](), list[list[str]](), list[Any]()
        self.compiled: bool | None = None
        if path is None:
            return
        a_path("checkpoint", path)
        self.path, self.call = Path(path), {name: fingerprint(value) for name, value in call.items()}
        if ranks is not None:
            self.call = ranks.comm.bcast(self.call | {"ranks": int(ranks.comm.size)})
        if self.path.exists():
            self._read(self.path)
        else:
            place(self.path)
        if ranks is not None and len(epochs := set(ranks.comm.allgather(self.epoch))) > 1:
            raise ValueError(
                f"checkpoint: the ranks see {path} after the epochs {epochs}; have it where all of them see it"
            )

    def _read(self, path: Path) -> None:
        parts: Any = load(path)
        names = ("call", "epoch", "rows", "rules", "models", "history")
        theirs, epoch, rows, rules, models, history = [parts.get(name) for name in names]
        lists = all(isinstance(value, list) and value for value in (rules, models)) and isinstance(rows, list)
        right = lists and isinstance(theirs, dict) and isinstance(history, History) and is_whole(epoch)
        if not right or not all(map(are_texts, (rules, *models))) or not is_of(history, epoch):
            raise ValueError(f"checkpoint: {path} is a file of another kind; give another path")
        compiled = parts.get("compiled", theirs.get("compiled"))
        if self.call["compiled"] == "auto":  # which goes on as it began
            theirs = theirs | {"compiled": "auto"}
        for name in [*self.call, *theirs]:
            if theirs.get(name) != self.call.get(name):
                raise self.refusal(f"{name} is {theirs.get(name)!r} there and {self.call.get(name)!r} here")
        self.epoch, self.every_rows, self.rules, self.models = epoch, rows, rules, models
        self.compiled = None if compiled is None else bool(compiled)
        if self.ranks is not None and len(rows) != self.ranks.comm.size:
            raise self.refusal(f"it has the rows of {len(rows)} ranks")
        self.rows = rows if self.ranks is None else rows[self.ranks.comm.rank]

    def refusal(self, reason: str) -> ValueError:
        """Return the error for a file that is not of this call."""
        said = f"checkpoint: {self.path} is of another call of fit, as {reason}"
        return ValueError(f"{said}; give another path, or delete the file")

    def resume(self, run: Run, told: Told, rng: np.random.Generator) -> None:
        """Put what the file has into model, optimizer, history, callbacks and generator."""
        if self.path is None:
            return
        here, model = rule_of(run.optimizer), lines_of(run.model)
        if not self.epoch:
            self.rules, self.models = [here], [model]
            self.every_rows = self.rows if self.ranks is None else self.ranks.comm.allgather(self.rows)
            return
        if here not in self.rules:
            raise self.refusal(f"it has another optimizer: {self.rules[0]} there and {here} here")
        if model not in self.models:
            ours, theirs = first_misfit(model, self.models[0])
            raise self.refusal(f"it has another model: {theirs} there and {ours} here")
        try:
            load(self.path, **self._parts(run, told, rng))
        except ValueError as error:
            reason = str(error)
            raise self.refusal(reason.partition(" does not fit: ")[2] or reason) from None

    def save(self, run: Run, told: Told, rng: np.random.Generator, task: Task) -> None:
        """Write the file anew: whatever happens, the old one is there or the new one."""
        if self.path is None or (self.ranks is not None and self.ranks.comm.rank):
            return
        self.rules += [here] if (here := rule_of(run.optimizer)) not in self.rules else []
        self.models += [model] if (model := lines_of(run.model)) not in self.models else []
        more = {"epoch": run.epoch, "rows": self.every_rows, "rules": self.rules, "models": self.models}
        more["compiled"] = task.goes_on()
        save(self.path, **self._parts(run, told, rng), call=self.call, **more)

    def _parts(self, run: Run, told: Told, rng: np.random.Generator) -> Parts:
        given = {"model": run.model, "optimizer": run.optimizer, "history": run.history, "rng": rng}
        return Parts(given | told.remembering())


def are_texts(value: Any) -> bool:
    """Return whether value is a list of words."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_of(history: History, epoch: int) -> bool:
    """Return whether a history has a row with a loss for each epoch from 1 to this one."""
    known = [row.get("epoch") == n and isinstance(row.get("loss"), float) for n, row in enumerate(history.rows, 1)]
    return epoch == len(known) > 0 and all(known)


def require_parts(rows: Any, n: int) -> None:
    """Raise a ValueError unless these are two parts of the rows from 0 to n, out of a checkpoint."""
    parts = [part for part in rows if getattr(part, "size", 0) and part.dtype.kind in "iu" and part.ndim == 1]
    if not len(parts) == len(rows) == 2 or not np.array_equal(np.sort(np.concatenate(parts)), np.arange(n)):
        raise ValueError(f"checkpoint: it is damaged: what it held out are no rows of these {n}; delete the file")


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
    """Return the rule, the hyper-parameters of all groups, and the names of frozen parameters as text."""
    groups = (", ".join(f"{name}={text_of(value)}" for name, value in group.items()) for group in optimizer.groups)
    frozen = ", ".join(optimizer.names[i] for i in sorted(optimizer.frozen))
    return f"{type(optimizer).__name__}({'; '.join(groups)}){f', frozen: {frozen}' * bool(frozen)}"


def lines_of(model: Layer) -> list[str]:
    """Return a line for each layer: its path, its class, its arguments, and the code of a class of the user's."""
    return [
        f"{path or 'model'} {type(layer).__name__}({', '.join(_about(layer))})" for path, layer in model.named_layers()
    ]


def _about(layer: Layer) -> Iterator[str]:
    """Yield the attributes that have the name of an argument, if they are numbers, words or functions, and the code."""
    kind: Any = type(layer)
    for name in signature(kind.__init__).parameters:
        value = vars(layer).get(name, layer)
        if is_plain(value):
            yield f"{name}={value!r}"
        elif callable(value) and not isinstance(value, Layer):
            yield f"{name}={name_of(value)} {code_of(value)}".strip()
    for method in ("__init__", "forward"):
        if code := code_of(getattr(kind, method)):
            yield f"{method} {code}"


def is_plain(value: Any) -> bool:
    """Return whether value is a number, a word, None, or a list, tuple or dict of such."""
    if isinstance(value, (list, tuple, dict)):
        return all(map(is_plain, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (bool, int, float, str, np.number, np.bool_))


def code_of(function: Any) -> str:
    """Return a sum over the code of the user's function or object; "" if it is of this package or not in Python."""
    function = unwrap(getattr(function, "func", function))
    call = function if hasattr(function, "__code__") else type(function).__call__
    code = getattr(call, "__code__", None)
    if code is None or is_ours(call):
        return ""
    return f"{zlib.crc32(repr(_said(code)).encode()):08x}"


def _said(value: Any) -> Any:
    """Return what code does: its instructions, the names and constants in it, and no lines or addresses."""
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_freevars, [_said(constant) for constant in value.co_consts]
    if isinstance(value, tuple):
        return [_said(one) for one in value]
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


def name_of(loss: Loss) -> str:
    """Return the name of a loss, of a partial one with its options."""
    if isinstance(loss, partial):
        return f"{name_of(loss.func)} {text_of(loss.args)} {text_of(loss.keywords)}"
    return getattr(loss, "__qualname__", type(loss).__qualname__)
