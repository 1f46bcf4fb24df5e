"""The kinds of arguments, a function each: a number, a whole number, a generator, a function, sizes, a shape.

Each takes the argument's name and its value, and raises if the value is of another kind or out of range. `CLASSES` and
`FUNCTIONS` say which argument of the core is of which kind; the face puts the checks before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from math import inf, isfinite
from os import PathLike
from typing import Any

import numpy as np

Check = Callable[[str, Any], None]
TRUE_OR_FALSE = (bool, np.bool_)


def real(name: str, value: Any) -> None:
    """Raise unless value is a number; its range is checked elsewhere."""
    if isinstance(value, TRUE_OR_FALSE) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} is a number, got {shown(value)}")


def number(name: str, value: Any, least: float = -inf, most: float = inf, open_end: bool = False) -> None:
    """Raise unless value is a finite number from least to most; without most itself if the end is open."""
    real(name, value)
    if not (isfinite(value) and least <= value <= most) or (open_end and value == most):
        ends = [f"at least {least:g}"] * (least > -inf) + [f"{'below' if open_end else 'at most'} {most:g}"] * (
            most < inf
        )
        raise ValueError(f"{name} = {value}, but it has to be {' and '.join(ends) or 'a finite number'}")


def is_whole(value: Any) -> bool:
    """Return whether value is a whole number of Python or NumPy; True is none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, TRUE_OR_FALSE)


def whole(name: str, value: Any, least: int = 0) -> None:
    """Raise unless value is a whole number, at least least."""
    if not is_whole(value):
        raise TypeError(f"{name} is a whole number{f', at least {least}' * (least >= 0)}, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name} = {value}, but it has to be a whole number, at least {least}")


def pair(name: str, value: Any, least: int = 1, none: bool = False) -> None:
    """Raise unless value is a whole number, at least least, or two, for height and width; or None if that may be."""
    numbers = value if isinstance(value, (tuple, list)) else (value,)
    if len(numbers) not in (1, 2):
        raise TypeError(f"{name} is a whole number or two, (height, width), got {shown(value)}")
    for n in () if value is None and none else numbers:
        whole(name, n, least)


def yes_or_no(name: str, value: Any) -> None:
    """Raise unless value is True or False."""
    if not isinstance(value, TRUE_OR_FALSE) and not (isinstance(value, (int, np.integer)) and value in (0, 1)):
        raise TypeError(f"{name} is True or False, got {shown(value)}")


def generator(name: str, value: Any) -> None:
    """Raise unless value is a generator, a seed, or None."""
    if value is None or isinstance(value, (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)):
        return
    several = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim)
    whole_numbers = value if several else [value]
    if not all(is_whole(n) and n >= 0 for n in whole_numbers):
        raise TypeError(
            f"{name} is a seed, a whole number of at least 0, or np.random.default_rng(seed), got {shown(value)}"
        )


def function(name: str, value: Any) -> None:
    """Raise unless value can be called."""
    if not callable(value):
        raise TypeError(f"{name} is a function, got {shown(value)}")


def dtype(name: str, value: Any) -> None:
    """Raise unless value is float64 or float32, or a name of one."""
    try:
        kind = np.dtype(value)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.float64, np.float32):
        raise TypeError(f"{name} is np.float64 or np.float32, got {shown(value)}")


def sizes(name: str, value: Any) -> None:
    """Raise unless value is a list; the layers look at the sizes in it."""
    if isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is one list, as mlp([2, 16, 2]), got {shown(value)}")
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is a list, as mlp([2, 16, 2]), got {shown(value)}")


def weights(name: str, value: Any) -> None:
    """Raise unless value is the shape (fan_in, fan_out) of a matrix of weights."""
    two = isinstance(value, (tuple, list)) and len(value) == 2
    if not two:
        raise TypeError(f"{name} is (fan_in, fan_out), the shape of W in x @ W, got {shown(value)}")
    for size in value:
        whole("a size", size, 1)


def shape(name: str, value: Any) -> None:
    """Raise unless value is the shape of an array: a whole number, or a tuple of them, each at least 0."""
    whole_numbers(name, value)
    for n in np.ravel(value).tolist():
        whole("a size", int(n))


def whole_numbers(name: str, value: Any) -> None:
    """Raise unless value is a whole number, or a list of them, or of lists."""
    if isinstance(value, (tuple, list)):
        for one in value:
            whole_numbers(name, one)
    elif isinstance(value, TRUE_OR_FALSE) or np.asarray(value).dtype.kind not in "iu":
        raise TypeError(f"{name} is a whole number or a tuple of them, got {shown(value)}")


def path(name: str, value: Any) -> None:
    """Raise unless value is a path, a text or a Path."""
    if not isinstance(value, (str, PathLike)):
        raise TypeError(f"{name} is a path, as 'folder/file', got {shown(value)}")


def stream(name: str, value: Any) -> None:
    """Raise unless print can write into value."""
    if not hasattr(value, "write"):
        raise TypeError(f"{name} is an open file, as open('table.txt', 'w'), got {shown(value)}")


def word(name: str, value: Any) -> None:
    """Raise unless value is a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a name, as 'relu', got {shown(value)}")


def parameters(name: str, value: Any) -> None:
    """Raise unless value can hold parameters; `ranges.check_parameters` looks at each."""
    none = isinstance(value, (str, bytes, np.ndarray))
    if none or not (hasattr(value, "named_parameters") or isinstance(value, Iterable)):
        raise TypeError(f"{name} is the model, or a list of Tensors or of groups, got {shown(value)}")


def shown(value: Any) -> str:
    """Return a value as a message shows it: short ones with their kind, arrays with their shape, classes by name."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(shape := getattr(value, "shape", None), tuple):
        return f"{type(value).__name__} {shape}" if shape else f"{type(value).__name__} {value}"
    text = ""
    with suppress(Exception):  # of an object that is not whole yet
        text = "" if callable(value) or value is None else repr(value)
    return f"{type(value).__name__}{f' {text}' if 0 < len(text) < 40 else ''}"


at_least_0 = partial(number, least=0)
size = partial(whole, least=1)
share = partial(number, least=0, most=1, open_end=True)
LAYER = {"dtype": dtype, "rng": generator}
WINDOW: dict[str, Check] = {"kernel_size": pair, "stride": pair, "padding": partial(pair, least=0), "dilation": pair}
POOL: dict[str, Check] = {**WINDOW, "stride": partial(pair, none=True)}
CLASSES: dict[str, dict[str, Check]] = {  # of `core.layers`, `extras.layers`, `extras.pictures`
    "Linear": {"in_features": size, "out_features": size, "bias": yes_or_no, "init": function, **LAYER},
    "Dropout": {"p": share, "rng": generator},
    "LeakyReLU": {"slope": number},
    "ELU": {"alpha": number},
    "LayerNorm": {"eps": at_least_0, "dtype": dtype},
    "BatchNorm1d": {"eps": at_least_0, "momentum": partial(number, least=0, most=1), "dtype": dtype},
    "Embedding": {"count": size, "size": size, **LAYER},
    "Conv2d": {"in_channels": size, "out_channels": size, **WINDOW, "bias": yes_or_no, "init": function, **LAYER},
    **dict.fromkeys(["MaxPool2d", "AvgPool2d"], POOL),
}
INITIALISERS: dict[str, Check] = {"shape": weights, "rng": generator, "dtype": dtype}
FUNCTIONS: dict[str, dict[str, Check]] = {  # module.function of the core
    "layers.mlp": {"sizes": sizes, "activation": word, "dropout": share, **LAYER},
    "init.zeros": {**INITIALISERS, "shape": shape},
    "init.he_normal": INITIALISERS,
    "init.he_uniform": INITIALISERS,
    "init.glorot_normal": INITIALISERS,
    "init.glorot_uniform": INITIALISERS,
}


def checked(kinds: dict[str, Check]) -> Callable[..., None]:
    """Return a function that checks the arguments, given by their names, that are of these kinds."""

    def check(**arguments: Any) -> None:
        for name, value in arguments.items():
            if name in kinds:
                kinds[name](name, value)

    return check
