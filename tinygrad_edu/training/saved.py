"""Saving to a file and resuming: `save` takes models, optimizers, generators and all that goes with them; `load`.

The file is one that np.load reads, and unzip unpacks: an array each under its name, as "model/layers.0.W", and
header.json, which says what each part is and has its numbers and words. See `npz`.
"""

from __future__ import annotations

import copy
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..guards.kinds import path as checked_path, shown, yes_or_no
from ..guards.names import PACKAGE
from . import npz
from .history import History
from .states import Assign, fitting, generator_state, plan_layer, plan_optimizer

FORMAT = 1
ARRAY = "array of this file"  # the key that stands for an array in the header
DEPTH = 30  # of lists and dicts in each other
BITS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class Parts(dict[str, Any]):
    """The parts of a file by their names: a state, array, number, `History` or generator each.

    Attributes
    ----------
    left : the reason by name, of all that did not fit what was given to `load`, which strict=False allows
    """

    left: dict[str, str]


# --- saving -----------------------------------------------------------------------------------------------------------


def save(path: Any, *, model: Any = None, optimizer: Any = None, **more: Any) -> None:
    """Write a model, an optimizer, and all else that a run needs, to one file.

    The file is written beside its place, which it takes when it is whole: whatever happens, the old file is there or
    the new one. Nothing in it is a pickle.

    Parameters
    ----------
    path : of the file, as "run.npz"; its folder is made if there is none
    model, optimizer : or None
    more : other parts by names of your own: layers, optimizers, generators, a `History`, what has ``state_dict()``,
        arrays, numbers, words, None, and lists and dicts of these

    Raises
    ------
    TypeError : a part that is nothing of this
    ValueError : nothing to save
    OSError : the file cannot be written; path is a folder

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_edu as tg
    >>> model = tg.mlp([2, 8, 3], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tg.save(f"{folder}/run.npz", model=model, epoch=3)
    ...     tg.load(f"{folder}/run.npz")["epoch"]
    3
    """
    checked_path("path", path)
    parts = {name: part for name, part in {"model": model, "optimizer": optimizer}.items() if part is not None} | more
    if not parts:
        raise ValueError("save has nothing to write; give it parts by their names, as model=model")
    arrays: dict[str, Array] = {}
    described = {name: _described(name, part, arrays) for name, part in parts.items()}
    npz.write(Path(path), {"format": FORMAT, "versions": versions(), "parts": described}, arrays)


def versions() -> dict[str, str]:
    """Return the versions of this package and of what its numbers depend on."""
    ours: str = vars(sys.modules[PACKAGE])["__version__"]
    return {"python": platform.python_version(), "numpy": np.__version__, PACKAGE: ours}


def _described(name: str, part: Any, arrays: dict[str, Array]) -> dict[str, Any]:
    """Return what the header has of a part; put the arrays of the part into arrays."""
    if "/" in name or name in ("path", "strict"):
        raise ValueError(f"a part cannot have the name {name!r}; take another word")
    kind, value = "value", part
    if isinstance(part, np.random.Generator):
        kind, value = "generator", part.bit_generator.state
    elif hasattr(part, "state_dict") and not isinstance(part, type):
        kind, value = "history" if isinstance(part, History) else "state", part.state_dict()
    return {"kind": kind, "class": type(part).__name__, "value": _flat(name, value, arrays)}


def _flat(path: str, value: Any, arrays: dict[str, Array], depth: int = 0) -> Any:
    """Return value as JSON can say it; its arrays go into arrays, under paths that begin with path."""
    value = value.numpy() if isinstance(value, Tensor) else value
    if isinstance(value, np.generic) and value.dtype.kind in "biufSU" and value.dtype != np.longdouble:
        value = value.item()
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.ma.MaskedArray):
        value = np.asarray(value)
        if value.dtype.kind in npz.KINDS:
            while path in arrays:
                path += "_"
            arrays[path] = value
            return {ARRAY: path}
    if depth < DEPTH:
        if isinstance(value, dict) and ARRAY not in value and all(isinstance(key, str) for key in value):
            return {key: _flat(f"{path}/{key}", each, arrays, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [_flat(f"{path}/{i}", each, arrays, depth + 1) for i, each in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{path} cannot be saved, it is {shown(value)}; a file takes arrays, numbers, words, lists, dicts with words "
        "as keys, generators, and what has state_dict()"
    )


# --- loading ----------------------------------------------------------------------------------------------------------


def load(path: Any, *, model: Any = None, optimizer: Any = None, strict: bool = True, **more: Any) -> Parts:
    """Return the parts of a file that `save` wrote, and put those that are asked for into model, optimizer and others.

    All is checked before anything is assigned. Without a model or other objects the file is only read:
    ``tg.load(path)["model"]`` is what ``model.state_dict()`` was.

    Parameters
    ----------
    path : of the file. A file of np.savez, or of safetensors, has a single part: what it has by name
    model, optimizer : take over the parts of these names
    strict : refuse all if anything does not fit; otherwise take what fits, and tell the rest in ``left``
    more : other objects by the names of their parts: generators, arrays, and what has ``load_state_dict()``

    Raises
    ------
    OSError : the file cannot be read
    ImportError : a file of safetensors, and its package is not installed
    ValueError : a file of another kind, a damaged one, or one that does not fit. All reasons are said at once, and
        nothing is changed then
    TypeError : an object that cannot take anything over

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_edu as tg
    >>> model, other = tg.mlp([2, 8, 3], rng=0), tg.mlp([2, 8, 3], rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tg.save(f"{folder}/run.npz", model=model)
    ...     _ = tg.load(f"{folder}/run.npz", model=other)
    >>> bool((other[0].W.data == model[0].W.data).all())
    True
    """
    checked_path("path", path)
    yes_or_no("strict", strict)
    targets = {name: to for name, to in {"model": model, "optimizer": optimizer}.items() if to is not None} | more
    plans = {name: _plan(name, to) for name, to in targets.items()}
    parts, left, assign, undo = _parts(Path(path), list(targets)), dict[str, str](), list[Assign](), list[Assign]()
    for name, plan in plans.items():
        if name not in parts:
            left[name] = f"the file has no {name}, only {', '.join(parts) or 'nothing'}"
            continue
        try:
            reasons, do = plan(_state(parts[name]), undo)
        except Exception as error:  # anybody may have written the state
            left[name] = f"{name}: {error}"
        else:
            left |= {f"{name}/{key}": f"{name}: {reason}" for key, reason in reasons.items()}
            assign.append(do)
    if left and strict:
        for put_back in undo:
            put_back()
        raise ValueError(f"{path} does not fit: {'; '.join(left.values())}")
    for do in assign:
        do()
    parts.left = left
    return parts


def _parts(path: Path, names: list[str]) -> Parts:
    """Return what is in a file."""
    header, arrays = npz.read(path)
    if header is None:  # of another program: one state
        return Parts({names[0]: arrays} if len(names) == 1 and names[0] not in arrays else arrays)
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {header.get('format')}, this version reads {FORMAT}; take a newer one")
    try:
        return Parts(
            {name: _revived(part["kind"], _grown(part["value"], arrays)) for name, part in header["parts"].items()}
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = error if type(error) is ValueError else "it is not as save writes it"
        raise ValueError(f"{path} cannot be loaded: its header is wrong: {why}") from None


def _grown(value: Any, arrays: dict[str, Array]) -> Any:
    """Return what `_flat` was given."""
    if isinstance(value, dict):
        return arrays[value[ARRAY]] if ARRAY in value else {key: _grown(each, arrays) for key, each in value.items()}
    return [_grown(each, arrays) for each in value] if isinstance(value, list) else value


def _revived(kind: str, value: Any) -> Any:
    """Return a History or a generator from its state; any other value as it is."""
    if kind == "history":
        history = History()
        history.load_state_dict(value)
        return history
    if kind == "generator" and value["bit_generator"] in BITS:
        rng = np.random.Generator(getattr(np.random, value["bit_generator"])())
        rng.bit_generator.state = generator_state("its generator", value, rng)
        return rng
    return value


def _state(part: Any) -> Any:
    """Return the state of a part that is a generator or a History again."""
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    return part.state_dict() if isinstance(part, History) else part


Plan = Callable[[Any, list[Assign]], tuple[dict[str, str], Assign]]


def _plan(name: str, to: Any) -> Plan:
    """Return a function of a state and a list of what undoes things. It gives what does not fit, and what assigns the
    rest."""
    if isinstance(to, Layer):
        return lambda state, _: plan_layer(to, state)
    if isinstance(to, Optimizer):
        return lambda state, _: ({}, plan_optimizer(to, state))
    if isinstance(to, np.random.Generator):
        return lambda state, _: ({}, partial(setattr, to.bit_generator, "state", generator_state(name, state, to)))
    if isinstance(to, Tensor):
        return lambda state, _: ({}, partial(setattr, to, "data", fitting(name, state, to)))
    if isinstance(to, np.ndarray):
        return lambda state, _: ({}, partial(np.copyto, to, fitting(name, state, to)))
    if not hasattr(to, "load_state_dict") or isinstance(to, type):
        raise TypeError(f"{name} takes nothing over, it is {shown(to)}; load(path)[{name!r}] is what the file has")
    return lambda state, undo: _tried(to, state, undo)


def _tried(to: Any, state: Any, undo: list[Assign]) -> tuple[dict[str, str], Assign]:
    """Load the state of an object that cannot tell beforehand whether it fits; undo gets what puts the old one back."""
    before = copy.deepcopy(to.state_dict())
    try:
        to.load_state_dict(state)
    except Exception as error:
        to.load_state_dict(before)
        raise ValueError(str(error)) from None
    undo.append(lambda: to.load_state_dict(before))
    return {}, lambda: None
