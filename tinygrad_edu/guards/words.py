"""Errors in Python's or NumPy's own words, such as "'str' object cannot be interpreted as an integer", said in ours.

`worded` puts a function behind a ``try``; all else is done after an error: which argument is of another kind than its
name says, or at least what the function was given. The face has it for the public functions, `methods` for Tensor's.
"""

from __future__ import annotations

import linecache
import os
import sys
from functools import wraps
from inspect import Signature, isfunction, signature
from types import ModuleType
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, real, unwrap
from ..extras.misfit import reworded
from .frames import PACKAGE
from .kinds import Check, function, generator, path, shown, stream, whole, whole_numbers, yes_or_no
from .names import F, arguments_fit

ERRORS = (TypeError, ValueError, IndexError, AttributeError, KeyError, OverflowError)
NUMPY, PYTHON = os.path.dirname(np.__file__), os.path.dirname(os.__file__)  # an error there is that of its caller
KINDS: dict[str, Check] = {  # by the name that an argument has everywhere
    **dict.fromkeys(["keepdims", "shuffle", "drop_last", "quiet", "progress", "raise_on_error"], yes_or_no),
    **dict.fromkeys(
        ["decimals", "offset", "axis1", "axis2", "n"], lambda name, value: whole(name, value, -sys.maxsize)
    ),
    **dict.fromkeys(["shape", "axes", "pad_width", "argnums", "input_shape"], whole_numbers),
    **dict.fromkeys(["path", "folder"], path),
    **dict.fromkeys(["f", "function"], function),
    "rng": generator,
    "file": stream,
}


def worded(call: F, name: str = "") -> F:
    """Return a function whose errors are ours: a call that succeeds costs one ``try``."""
    name = name or call.__name__

    @wraps(call)
    def worded_call(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except ERRORS as error:
            if error.args and isinstance(error, ValueError):  # of shapes that do not fit, in a VJP of the user's too
                error.args = (reworded(str(error)), *error.args[1:])
            if not raised_here(error):
                say(name, signature(call), args, kwargs, error)
            raise

    return worded_call  # type: ignore[return-value]


def numbers(x: Any, dtype: Any = None) -> Array:
    """Do `core.tensor.real`; what NumPy cannot put into an array is refused in our words."""
    if dtype is not None:
        try:
            dtype = np.dtype(dtype)
        except TypeError:
            raise TypeError(f"dtype is a kind of numbers, as float or np.float32, got {shown(dtype)}") from None
    try:
        return real(x, dtype)
    except ValueError as error:
        raise ValueError(f"{shown(x)} is no array: its rows have different lengths ({error})") from None


def at_the_door(value: Any) -> Any:
    """Return what the face gives out: a function worded, also in its module; a class or module with all of its own."""
    if isfunction(value):
        worded_one = worded(value)
        setattr(sys.modules[value.__module__], value.__name__, worded_one)  # a pickle looks there
        return worded_one
    if isinstance(value, (type, ModuleType)):
        home = value.__module__ if isinstance(value, type) else value.__name__
        for name, own in list(vars(value).items()):
            if isfunction(own) and own.__module__ == home and (name[0] != "_" or name == "__init__"):
                setattr(value, name, worded(own, value.__name__ if name == "__init__" else name))
    return value


def raised_here(error: BaseException) -> bool:
    """Return whether a line of this package, or of the user, raised an error on purpose."""
    tb, where, line = error.__traceback__, "", 0
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        library = name.endswith(".pyx") or (name.startswith(PYTHON) and "site-packages" not in name)
        if not library and not name.startswith(NUMPY):
            where, line = name, tb.tb_lineno
        tb = tb.tb_next
    return not where.startswith(PACKAGE) or linecache.getline(where, line).lstrip().startswith("raise ")


def say(name: str, shape: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> None:
    """Raise a sentence on the argument that is of another kind, or add a note: what the function was given."""
    arguments_fit(name, shape, args, kwargs)
    given = shape.bind(*args, **kwargs).arguments
    if "axis" in given:
        refuse_axis(name, given["axis"], next(iter(given.values())), error)
    for argument, value in given.items():
        if argument in KINDS and (value is not None or argument in ("path", "folder")):
            KINDS[argument](argument, value)
    if not hasattr(error, "__notes__"):
        error.add_note(
            f"{name} was given {', '.join(f'{argument}: {shown(value)}' for argument, value in given.items())}"
        )


def refuse_axis(name: str, axis: Any, of: Any, error: Exception) -> None:
    """Raise if axis is no whole number, or none of the axes of a tensor or an array."""
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    if axis is None:
        return
    if not all(isinstance(i, (int, np.integer)) for i in axes):
        raise TypeError(f"{name}: axis is a whole number or a tuple of them, got {axis!r}") from None
    ndim = np.ndim(unwrap(of)) if isinstance(of, (Tensor, np.ndarray)) else 0
    if ndim and not all(-ndim <= i < ndim for i in axes):
        kind = type(error) if isinstance(error, np.exceptions.AxisError) else ValueError
        ends = f"from {-ndim} to {ndim - 1}"
        raise kind(f"{name}: axis = {axis}, but a tensor with {ndim} axes has those {ends}") from None
