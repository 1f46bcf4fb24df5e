"""The user's tables and labels: what is no array of real numbers is refused with the line that makes it one.

`input_dtype` is the rule for what a model receives of them from `fit`, `evaluate` and a compiled step. A model may
take several arrays: a tuple or a dict of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import combinations, count
from typing import Any, TypeAlias

import numpy as np

from ..core.layers import Layer, Linear
from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from .frames import warn


def refuse_masked(name: str, values: Any) -> None:
    """Raise a TypeError if values is a masked array that hides a number: arithmetic would go on with that number.

    >>> refuse_masked("X", np.ma.array([1.0, 999.0], mask=[False, True]))
    Traceback (most recent call last):
        ...
    TypeError: X is a masked array, and 1 of its 2 numbers are hidden: choose with X.filled(value), or leave rows out
    """
    if isinstance(values, np.ma.MaskedArray) and (hidden := int(np.ma.getmaskarray(values).sum())):
        raise TypeError(
            f"{name} is a masked array, and {hidden} of its {values.size} numbers are hidden: choose with "
            f"{name.split()[-1]}.filled(value), or leave rows out"
        )


def table(name: str, values: Any) -> Array:
    """Return values as an array, of any kind: words may be labels that are not numbers yet.

    Raises
    ------
    TypeError : None, a masked array with a number behind its mask, or a sparse matrix
    ValueError : rows of different lengths
    """
    if hasattr(values, "toarray") and not isinstance(values, (np.ndarray, Tensor)):
        raise TypeError(f"{name} is a sparse matrix {getattr(values, 'shape', '')}; say {name.split()[-1]}.toarray()")
    if values is None:
        raise TypeError(f"{name} is None, but it has to be an array")
    refuse_masked(name, values)
    try:
        return np.asarray(unwrap(values))
    except ValueError as error:
        several = isinstance(values, list) and all(isinstance(part, np.ndarray) for part in values)
        hint = "; several arrays are a tuple, as (a, b)" * several
        raise ValueError(f"{name} is no array: its rows have different lengths ({error}){hint}") from None


def numbers(name: str, values: Any) -> Array:
    """Return values as an array of real numbers. Numbers and truths among objects become floats.

    Parameters
    ----------
    name : of the argument, as "X"; words are labels if it ends in "y"

    Raises
    ------
    TypeError, ValueError : as `table`; and words, or something else that is no number: which row and column, and what
        it is

    Examples
    --------
    >>> numbers("X", np.array([[1, True], [2.5, 3]], dtype=object))
    array([[1. , 1. ],
           [2.5, 3. ]])
    """
    array = table(name, values)
    if array.dtype.kind == "O":
        array = _of_objects(name, array)
    if array.dtype.kind not in "fiub":
        raise TypeError(_not_numbers(name, array, array.flat[0] if array.size else array.dtype))
    return array


def finite(name: str, values: Any) -> Array:
    """Return values as an array; a ValueError says where ``name`` holds NaN or infinity.

    >>> finite("X", [1, 2])
    array([1, 2])
    """
    values = numbers(name, values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        first = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{name} holds {values[tuple(first)]} at {first.tolist()}; every number has to be finite")
    return values


def _of_objects(name: str, array: Array) -> Array:
    """Return an array of objects as floats, or say where the first is that is no number."""
    if array.ndim == 0:
        raise TypeError(f"{name} is {type(array.item()).__name__}, but it has to be an array of numbers")
    for place in np.ndindex(array.shape):
        value: Any = array[place]
        if not isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
            raise TypeError(_not_numbers(name, array, value, place))
    whole = all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in array.flat)
    return array.astype(np.int64 if whole and array.size and max(map(abs, array.flat)) < 2**63 else float)


def _not_numbers(name: str, array: Array, value: Any, place: tuple[int, ...] | None = None) -> str:
    """Return the sentence on a value that is no number."""
    place = (0,) * array.ndim if place is None else place
    axes = ["row", "column"] if array.ndim == 2 else ["row"] if array.ndim == 1 else []
    where = ", ".join(f"{axis} {i}" for axis, i in zip(axes, place)) or f"index {list(place)}"
    shown = repr(value.item() if isinstance(value, np.generic) else value)[:40]
    kind = "" if value is None else f"{type(value).__name__.rstrip('_')} "
    if not array.ndim:
        return f"{name} is {kind}{shown}, but it has to be a number or an array of numbers"
    said = f"{name} holds {kind}{shown} at {where}, but it has to hold numbers"
    words = isinstance(value, str)
    if words and array.ndim == 1:
        y = name.split()[-1]
        return f"{said}; words as labels become numbers so: names, {y} = np.unique({y}, return_inverse=True)"
    if words and array.ndim == 2:
        return f"{said}; leave that column out, or make numbers of it, one column for each of its words"
    return f"{said}; None and dates have no gradient: leave them out, or put numbers in their place"


LARGE = 100  # the size of a column above which outputs of that size are no accident


def warn_of_scale(model: Layer, X: Any, y: Any) -> None:
    """Warn of a column of X that is so large that it drowns the others, and that the loss begins far from its goal.

    It is one of size 100 or more (the root of the mean square), if the model begins with a `Linear` and its outputs are
    ten times as large as the targets, and as 1. Images as uint8 are left alone.
    """
    layers = (layer for _, layer in model.named_layers())
    first = next((layer for layer in layers if any(isinstance(own, Tensor) for own in vars(layer).values())), None)
    if not isinstance(X, np.ndarray) or X.ndim != 2 or not X.size or X.dtype == np.uint8 or type(first) is not Linear:
        return
    some = X[:: len(X) // 1000 + 1].astype(float)
    with np.errstate(over="ignore"):
        sizes = np.sqrt(np.mean(some * some, axis=0))
    worst = int(sizes.argmax())
    if sizes[worst] < LARGE:
        return
    output = 0.0
    with suppress(Exception), model.evaluating(), np.errstate(all="ignore"):  # an error comes again, of a batch
        output = _size(unwrap(model(X[:100].astype(input_dtype(model, X)))))
    if output > 10 * max(1.0, _size(y) if isinstance(y, np.ndarray) and y.dtype.kind == "f" else 1.0):
        column = some[:, worst]
        warn(
            f"column {worst} of X has the mean {column.mean():.4g} and the deviation {column.std():.4g}, so the "
            f"model's first outputs are of size {output:.2g}; networks learn best from columns of mean 0 and deviation "
            "1: scale = tg.data.Standardize(X), then fit on scale(X)"
        )


def _size(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))


def input_dtype(model: Layer, X: Array) -> Any:
    """Return the dtype in which the model receives X.

    Whole numbers and booleans become the floats of the model's parameters: in uint8 200 + 100 would be 44. They stay as
    they are if the model uses them as indices, as an embedding does, which one sample in evaluation mode shows.
    """
    return input_dtypes(model, X)[0]


# --- several inputs, several targets ----------------------------------------------------------------------------------

Data: TypeAlias = Any  # an array, or a tuple or a dict of arrays that have one row for each sample


def is_several(values: Any) -> bool:
    """Return whether values are several arrays: a dict, or a tuple of arrays. Lists of numbers are one array."""
    return isinstance(values, dict) or (
        isinstance(values, tuple) and bool(values) and all(getattr(part, "ndim", 0) for part in values)
    )


def parts_of(values: Data) -> list[Array]:
    """Return the arrays of a tuple or a dict; of one array that one."""
    return list(values.values() if isinstance(values, dict) else values) if is_several(values) else [values]


def like(values: Data, parts: Iterable[Any]) -> Any:
    """Return these parts in a tuple or a dict as values is; one alone if values is one array."""
    if isinstance(values, dict):
        return dict(zip(values, parts))
    if is_several(values):
        return values._make(parts) if hasattr(values, "_make") else tuple(parts)
    return next(iter(parts))


def each(name: str, check: Callable[[str, Any], Any], values: Any) -> Any:
    """Return what check makes of values; of several arrays each, under a name as X[0] or X["left"].

    Raises
    ------
    ValueError : no arrays in a dict; a name in a dict that is no text; and as check

    >>> each("X", numbers, {"left": [1, 2], "right": [3, 4]})
    {'left': array([1, 2]), 'right': array([3, 4])}
    """
    if not is_several(values):
        return check(name, values)
    if not values:
        raise ValueError(f"{name} is an empty dict, but it has to hold arrays")
    if isinstance(values, dict) and not all(isinstance(key, str) for key in values):
        raise TypeError(f"{name} is a dict of arrays by name, got the keys {list(values)}")
    names = [f'{name}["{key}"]' for key in values] if isinstance(values, dict) else map(f"{name}[{{}}]".format, count())
    return like(values, [check(one, part) for one, part in zip(names, parts_of(values))])


def input_dtypes(model: Layer, X: Data) -> list[Any]:
    """Return the dtypes in which the model receives the arrays of X: see `input_dtype`."""
    parts = parts_of(X)
    floats = next((p.dtype for p in model.parameters()), None)
    whole = [i for i, part in enumerate(parts) if part.dtype.kind in "iub" and floats is not None]
    dtypes = [part.dtype for part in parts]
    if not whole or not len(parts[0]):
        return dtypes
    for k in range(len(whole) + 1 if len(whole) < 5 else 1):  # as few indices as the model can do with
        for indices in combinations(whole, k):
            tried = [floats if i in whole and i not in indices else dtype for i, dtype in enumerate(dtypes)]
            try:
                with model.evaluating():
                    called(model, X, like(X, [part[:1].astype(dtype) for part, dtype in zip(parts, tried)]))
            except IndexError:
                continue
            except Exception:  # which comes again, of the batch
                return tried
            return tried
    return dtypes


def called(model: Layer, X: Data, batch: Data) -> Any:
    """Return the model's output for a batch of X: a tuple is its arguments in order, a dict those by name."""
    return model(**batch) if isinstance(X, dict) else model(*batch) if is_several(X) else model(batch)


def rows_of(values: Data, rows: Any) -> Data:
    """Return these rows of one array, or of each of several."""
    return like(values, [part[rows] for part in parts_of(values)]) if is_several(values) else values[rows]


def taker(model: Layer, X: Data) -> Callable[[Any], Data]:
    """Return a function of row numbers: the batch of X, as the model receives it."""
    dtypes = input_dtypes(model, X)
    if not is_several(X):
        if X.flags.c_contiguous and X.dtype == dtypes[0]:
            return lambda rows: X.take(rows, 0)  # the same as X[rows], in a third of the time
        return lambda rows: X[rows].astype(dtypes[0], copy=False)
    parts = parts_of(X)
    return lambda rows: like(X, [part[rows].astype(dtype, copy=False) for part, dtype in zip(parts, dtypes)])


def caller(model: Layer, X: Data) -> Callable[[Data], Any]:
    """Return a function of a batch of X: the model's output."""
    return partial(called, model, X) if is_several(X) else model
