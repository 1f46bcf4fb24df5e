"""The states of layers and optimizers, for saving and resuming. Files of them are in `saved`.

A state is a dict of arrays and numbers, ready for np.savez. Loading converts and checks all of it first, and assigns
then: a state that is refused has changed nothing. The face makes these functions methods of Layer and Optimizer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import unwrap
from ..guards.kinds import yes_or_no
from ..guards.names import helped
from .schedules import Schedule

Assign = Callable[[], None]  # does the second half of loading, after all has been checked


def loads(load: Any) -> Any:
    """Decorate a ``load_state_dict``: arguments that it does not have, and what is no state, are refused in words."""

    def check(state: Any, **_: Any) -> None:
        if not hasattr(state, "keys"):
            raise TypeError(f"state is what state_dict() returned, or np.load of its file, got {type(state).__name__}")

    return helped(load, check, "load_state_dict")


# --- numbers out of a state -------------------------------------------------------------------------------------------


def fitting(name: str, value: Any, like: Any) -> Array:
    """Return value, which a state has under this name, as a new array of the dtype of like.

    Raises
    ------
    ValueError : it is not like like: no real numbers, masked ones, another shape, or numbers that the dtype cannot hold

    >>> fitting("b", [1, 2], np.zeros(2))
    array([1., 2.])
    """
    try:
        given = np.asarray(unwrap(value))
    except (TypeError, ValueError, RuntimeError) as error:  # the last is torch's, of a parameter
        raise ValueError(f"{name} in this state is no array: {error}") from None
    if given.dtype.kind not in "fiub" or np.ma.is_masked(value):
        kind = "masked numbers" if np.ma.is_masked(value) else f"no real numbers: its dtype is {given.dtype}"
        raise ValueError(f"{name} in this state holds {kind}")
    if given.shape != like.shape:
        raise ValueError(f"{name} has shape {like.shape}, the state has {given.shape}")
    with np.errstate(all="ignore"):
        taken = given.astype(like.dtype)
    exact = like.dtype.kind == "f" or np.array_equal(taken, given)
    if not exact or (np.isfinite(taken) < np.isfinite(given)).any():
        raise ValueError(f"{name} in this state holds numbers that are none of {like.dtype}")
    return taken


def whole(name: str, value: Any) -> int:
    """Return value as an int; a ValueError if it is no whole number, at least 0."""
    count = float(fitting(name, value, np.zeros(())))
    if not (count >= 0 and count.is_integer()):
        raise ValueError(f"{name} = {value} in this state, but it has to be a whole number, at least 0")
    return int(count)


def require(names: Iterable[str], state: Any) -> None:
    """Raise a ValueError unless a state has all that is known by these names."""
    if missing := [name for name in names if name not in state]:
        raise ValueError(f"this state is not whole: it has no {', '.join(missing)}")


def text_of(value: Any) -> str:
    """Return repr(value) without addresses, which are others in each process."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


# --- layers -----------------------------------------------------------------------------------------------------------


def layer_state(layer: Layer) -> dict[str, Array]:
    """Return a copy of the numbers of each Tensor that is saved, by path. np.savez can write it to a file.

    The state of each random generator is in it too, so that training with Dropout goes on with the same masks: the
    text of its ``bit_generator.state``, in JSON, as bytes.
    """
    numbers = {path: t.numpy() for path, t in layer.named_tensors().items()}
    return numbers | {path: packed(rng) for path, rng in generators(layer).items()}


@loads
def load_layer_state(layer: Layer, state: Any, strict: bool = True) -> dict[str, str]:
    """Take over what `state_dict` returned. Generators that the state does not have stay as they are.

    The state may be a file's that is open, ``np.load(path)``, or of another library, with arrays of the same names.
    With ``strict=False`` all that fits is taken over.

    Returns
    -------
    dict : the reason by the path, of all that does not fit; empty if strict

    Raises
    ------
    ValueError : a path is missing or unknown; an array has another shape or holds no real numbers, or numbers that are
        none of the dtype here; a generator of another kind. All of these are said at once, and nothing is changed then

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> model, trained = tg.mlp([2, 3, 5], rng=0), tg.mlp([2, 3, 4], rng=1)
    >>> sorted(model.load_state_dict(trained.state_dict(), strict=False))
    ['layers.2.W', 'layers.2.b']
    """
    yes_or_no("strict", strict)
    left, assign = plan_layer(layer, state)
    if left and strict:
        raise ValueError(f"the state does not fit this model: {'; '.join(left.values())}")
    assign()
    return left


def plan_layer(layer: Layer, state: Any) -> tuple[dict[str, str], Assign]:
    """Return what does not fit, a reason by its path, and a function that takes over the rest. Nothing is changed."""
    ours, drawing = layer.named_tensors(), generators(layer)
    given = {path: state[path] for path in state}
    known = [*ours, *(path for path in drawing if path in given)]
    left, taken = {path: f"{path} is missing" for path in ours if path not in given}, dict[str, Any]()
    for path in known:
        try:
            if path in ours and path in given:
                taken[path] = fitting(path, given[path], ours[path])
            elif path in drawing:
                taken[path] = unpacked(path, given[path], drawing[path])
        except ValueError as error:
            left[path] = str(error)
    left |= {path: f"{path} is unknown" for path in given if path not in known and not is_packed(given[path])}

    def assign() -> None:
        for path, value in taken.items():
            if path in ours:
                ours[path].data = value
            else:
                drawing[path].bit_generator.state = value

    return left, assign


def generators(layer: Layer) -> dict[str, np.random.Generator]:
    """Return the random generators among the attributes of layer and of all below it, by path."""
    return {
        f"{path}.{name}" if path else name: value
        for path, owner in layer.named_layers()
        for name, value in vars(owner).items()
        if isinstance(value, np.random.Generator)
    }


OPENING = b'{"bit_generator"'


def packed(rng: np.random.Generator) -> Array:
    """Return the state of a generator as bytes: JSON, filled with spaces, so that the length seldom changes."""
    text = json.dumps(rng.bit_generator.state, default=lambda array: array.tolist())
    return np.frombuffer(text.ljust(-(-len(text) // 256) * 256).encode(), np.uint8).copy()


def is_packed(value: Any) -> bool:
    """Return whether value is what `packed` returns."""
    with suppress(ValueError, TypeError, RuntimeError):  # of what is no array
        a = np.asarray(value)
        return a.dtype == np.uint8 and a.ndim == 1 and a.tobytes().startswith(OPENING)
    return False


def unpacked(name: str, value: Any, rng: np.random.Generator) -> Any:
    """Return the state out of what `packed` returned. ValueError if it is none, or of another kind of generator."""
    state = None
    with suppress(ValueError, RecursionError):
        state = json.loads(np.asarray(value).tobytes()) if is_packed(value) else None
    return generator_state(name, state, rng)


INDICES = {"pos": 624, "buffer_pos": 4}  # into the numbers of MT19937 and Philox, which NumPy reads unchecked


def generator_state(name: str, state: Any, rng: np.random.Generator) -> Any:
    """Return state if it is one of a generator like rng, else raise a ValueError: anybody may have written it."""
    kind = type(rng.bit_generator)
    try:
        for index, last in INDICES.items():
            if not 0 <= int(state.get(index, state["state"].get(index, 0))) <= last:
                raise ValueError(f"{index} is not from 0 to {last}")
        kind().state = state
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        message = f"{name} in this state is not the state of a {kind.__name__}"
        raise ValueError(f"{message}, as the generator here is: {error}") from None
    return state


# --- optimizers -------------------------------------------------------------------------------------------------------


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return everything that a resumed run needs to go on bit for bit, as arrays and numbers, ready for np.savez.

    Of a learning rate that is a schedule it has the text, and nothing of one that is another function: build the
    optimizer with the same one.
    """
    optimizer.write_back_steps()
    return {
        "layout": np.array(layout(optimizer)),
        "t": optimizer.t,
        "steps": np.array(optimizer.steps),
        "frozen": np.array([i in optimizer.frozen for i in range(len(optimizer.params))]),
        **{name: average.copy() for name, average in optimizer.averages.items()},
        **{
            f"group{i}.{name}": text_of(value) if callable(value) else float(value)
            for i, group in enumerate(optimizer.groups)
            for name, value in group.items()
            if not callable(value) or isinstance(value, Schedule)
        },
    }


@loads
def load_optimizer_state(optimizer: Optimizer, state: Any) -> None:
    """Take over what `state_dict` returned, for the same kind of optimizer over the same parameters.

    Raises
    ------
    ValueError : another rule, dtype, schedule, list of groups, or list of parameters and shapes; something is missing;
        a count that is no whole number, at least 0; averages with NaN (unless ``nonfinite`` is "propagate"), or below 0
        where the rule averages squares; a hyper-parameter out of range. Nothing is changed then
    """
    plan_optimizer(optimizer, state)()


def hyper(optimizer: Optimizer, key: str, value: Any, here: float | str) -> float | None:
    """Return a hyper-parameter out of a state; None of a schedule, which has to be the one that the optimizer has."""
    text = str(value) if np.asarray(value).dtype.kind == "U" else None
    if text != (here if isinstance(here, str) else None) and text is not None:
        raise ValueError(f"{key} is {text} in this state, but {here} here; build the optimizer with the same one")
    if isinstance(here, str):
        return None
    number = float(fitting(key, value, np.zeros(())))
    optimizer.check(key.partition(".")[2], number)
    return number


def same_layout(of: str, ours: list[str], state: Any) -> None:
    """Raise a ValueError unless the state was of the same kind of average or optimizer, over the same parameters."""
    theirs = [str(line) for line in np.ravel(state["layout"])] if "layout" in state else []
    if theirs != ours:
        here, there = first_misfit(ours, theirs)
        raise ValueError(f"this state is of another {of} or model: it has {there} where this one has {here}")


def first_misfit(ours: list[str], theirs: list[str]) -> tuple[str, str]:
    """Return the first lines of two layouts that differ."""
    return next((a, b) for a, b in zip([*ours, "nothing"], [*theirs, "nothing"]) if a != b)


def plan_optimizer(optimizer: Optimizer, state: Any) -> Assign:
    """Return a function that takes the state over; a ValueError if it does not fit. Nothing is changed."""
    expected = optimizer_state(optimizer)
    same_layout("optimizer", layout(optimizer), state)
    require((key for key, value in expected.items() if not isinstance(value, str)), state)
    groups = [key for key in expected if key.startswith("group") and key in state]
    numbers = {key: hyper(optimizer, key, state[key], expected[key]) for key in groups}
    averages = {name: fitting(name, state[name], average) for name, average in optimizer.averages.items()}
    for name, average in averages.items():
        if np.isnan(average).any() and optimizer.nonfinite != "propagate":
            raise ValueError(f"{name} in this state holds NaN: every update would be NaN")
        if never_negative(optimizer, name) and (average < 0).any():
            raise ValueError(f"{name} in this state holds {average.min()}, but it has to be at least 0")
    t = whole("t", state["t"])
    steps = [whole("steps", n) for n in fitting("steps", state["steps"], expected["steps"].astype(float))]
    frozen = set(np.flatnonzero(fitting("frozen", state["frozen"], expected["frozen"])).tolist())

    def assign() -> None:
        optimizer.write_back_steps()
        optimizer.t, optimizer.steps, optimizer.frozen, optimizer.last = t, steps, frozen, []
        for name, average in averages.items():
            optimizer.averages[name][...] = average
        for key, value in numbers.items():
            if value is None:
                continue
            group, _, name = key.removeprefix("group").partition(".")
            optimizer.groups[int(group)][name] = value

    return assign


def never_negative(optimizer: Optimizer, name: str) -> bool:
    """Return whether the rule keeps this average at 0 or above: its equation adds a square, or takes a maximum."""
    square_or_bound = rf"^ *{name} <- ((minimum|maximum)\(|.*\b(\w+) · \3( - {name}\))?$)"
    return bool(re.search(square_or_bound, optimizer.kernel.__doc__ or "", re.M))


def layout(optimizer: Optimizer) -> list[str]:
    """Return the rule, each parameter with its shape, and the sizes of the groups, a line each: what a state is of."""
    rule = f"{optimizer.kernel.__name__} in {optimizer.buffer.data.dtype}"
    params = [f"{name} {p.shape}" for name, p in zip(optimizer.names, optimizer.params, strict=True)]
    groups = ", ".join(str(len(members)) for members in optimizer.members)
    return [rule, *params, f"groups of {groups}"]
