"""NumPy's functions on Tensors: what ``np.exp(t)``, ``np.where(mask, t, 0)`` and the like do.

Two tables say it, one for ufuncs and one for other functions; `array_ufunc` and `array_function` look there. What is
made of others is in the tables of `composed`. The methods that a Tensor has as an array has them, beside one for each
op, are here too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import signature
from operator import attrgetter
from typing import Any

import numpy as np

from ..core.ops import Axis, Result
from ..core.tensor import Tensor, apply, as_tensor, constant, method, real, unwrap
from . import composed, ops, products, statistics
from .in_place import in_place
from .misfit import of_shapes, reworded
from .one_thread import ALONE, SUMMED, product
from .spellings import TORCHS_METHODS, Elsewhere, python_number


def linear(x: Any, W: Any, b: Any) -> Tensor:
    """y = x W + b: `ops.linear` for a batch x (N, D), `ops.matmul` and `ops.add` for other shapes"""
    try:
        n, d = x.array.shape if isinstance(x, Tensor) else x.shape
        size = n * W.array.size
    except (AttributeError, ValueError):  # a list, other than two axes, or weights that are no Tensor
        if getattr(unwrap(x), "ndim", 0) != 2:
            return matmul(x, W) + b
        n, d = unwrap(x).shape
        size = n * as_tensor(W).array.size
    large = size > ALONE or size > SUMMED * d  # or the sum over the batch, which is the gradient of b
    try:
        return in_place(product(size, ops.linear, x, W, b), x, W) if large else apply(ops.linear, x, W, b)
    except ValueError as error:
        error.args = (reworded(str(error)),)
        raise


@wraps(method(ops.conv2d))
def conv2d(*args: Any, **kwargs: Any) -> Tensor:
    given = of_conv2d.bind(*args, **kwargs).arguments
    x, W = given.pop("x"), given.pop("W")
    size = np.size(unwrap(W)) * np.size(unwrap(x)) // max(np.shape(unwrap(x))[1], 1)  # with a window at each place
    return product(size, ops.conv2d, x, W, **given) if size > ALONE else apply(ops.conv2d, x, W, **given)


of_conv2d = signature(conv2d)


def matmul(a: Any, b: Any) -> Tensor:
    """y = a @ b (`ops.matmul`), and vectors as NumPy has them: on the left one row, on the right one column"""
    a, b = as_tensor(a), as_tensor(b)
    if not (a.ndim and b.ndim):
        raise ValueError(f"matmul takes vectors and matrices, got shapes {a.shape} and {b.shape}; use * for numbers")
    try:
        left, right = a if a.ndim > 1 else reshape(a, 1, -1), b if b.ndim > 1 else reshape(b, -1, 1)
        size = left.shape[-2] * left.shape[-1] * right.shape[-1]
        y = product(size, ops.matmul, left, right) if size > ALONE else apply(ops.matmul, left, right)
    except ValueError as error:
        if said := of_shapes(a.shape, b.shape):
            error.args = (said,)
        raise
    if left is a and right is b:
        return y
    return reshape(y, y.shape[:-2] + y.shape[-2:-1] * (a.ndim > 1) + y.shape[-1:] * (b.ndim > 1))


def reshape(t: Any, *shape: Any, order: str = "C") -> Tensor:
    """y = the elements in another shape (`ops.reshape`): ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``. In order "F",
    Fortran's, the first axis is the quickest"""
    new = shape[0] if len(shape) == 1 else shape
    if order == "F":
        return reshape(transpose(t), np.atleast_1d(new).tolist()[::-1]).T
    if order != "C":
        raise ValueError(f'the order of elements is "C" or "F", got {order!r}')
    return apply(ops.reshape, t, shape=new)


def transpose(t: Any, *axes: Any) -> Tensor:
    """y = the axes in the given order, reversed when none is given (`ops.transpose`)"""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    return apply(ops.transpose, t, axes=tuple(order) if order else None)


def clip(t: Any, low: Any = None, high: Any = None) -> Tensor:
    """y = a held within [low, high], numbers or arrays, None for no bound (`ops.clip`). A bound that is a Tensor gets a
    gradient too (`ops.maximum`, `ops.minimum`)"""
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        t = t if low is None else apply(ops.maximum, t, low)
        return as_tensor(t if high is None else apply(ops.minimum, t, high))
    low, high = -np.inf if low is None else python_number(low), np.inf if high is None else python_number(high)
    return apply(ops.clip, t, low=low, high=high)


def pad(t: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Tensor:
    """y = a with a border: one width, (before, after), or such a pair for each axis (`ops.pad`). Of the modes of
    NumPy, those that repeat elements are here too: "edge", "reflect", "symmetric" and "wrap" """
    if isinstance(pad_width, dict):
        raise TypeError("pad takes a width, (before, after), or such a pair for each axis, got a dict")
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        return composed.moved(np.pad)(t, pad_width, mode)
    if mode != "constant":
        raise ValueError(f'the modes of pad are "constant", "edge", "reflect", "symmetric" and "wrap", got {mode!r}')
    return apply(ops.pad, t, pad_width=pad_width, constant_values=constant_values)


def astype(t: Any, dtype: Any, copy: bool = True) -> Tensor:
    """y = a in another float dtype (`ops.astype`); it is a new Tensor, copy or not. Labels may become other integers"""
    if np.dtype(dtype).kind in "iu" and t.dtype.kind in "iu":
        return t if t.dtype == dtype else Tensor(t.array.astype(dtype))
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"astype({np.dtype(dtype)}) would lose the gradient; take t.numpy().astype(...)")
    return apply(ops.astype, t, dtype=dtype)


def squeeze(t: Any, axis: Axis = None) -> Tensor:
    """y = a without its axes of length 1, or without those named (`ops.reshape`)"""
    return apply(ops.reshape, t, shape=np.squeeze(unwrap(t), axis).shape)


def expand_dims(t: Any, axis: int | tuple[int, ...]) -> Tensor:
    """y = a with an axis of length 1 at each place named (`ops.reshape`)"""
    return apply(ops.reshape, t, shape=np.expand_dims(unwrap(t), axis).shape)


def take_along_axis(t: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """y = the elements along axis at integer indices, which have as many axes as a: ``t.argmax(1, keepdims=True)``
    does. None counts through all elements (`ops.reshape`, `ops.getitem`)"""
    a, i = as_tensor(t), np.asarray(unwrap(indices))
    a, axis = (a.reshape(-1), 0) if axis is None else (a, range(a.ndim)[axis])
    np.take_along_axis(a.array, i, axis)  # refuses what does not fit
    places: list[Any] = list(np.ix_(*map(range, a.shape)))
    places[axis] = np.where(i < 0, i + a.shape[axis], i) if i.size and i.min() < 0 else i
    return a[tuple(places)]


def argmax(t: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the place of the largest element along axis, the first of several: plain integers, without a gradient"""
    return np.argmax(unwrap(t), axis=axis, keepdims=keepdims)


def argmin(t: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the place of the smallest element along axis, the first of several: plain integers, without a gradient"""
    return np.argmin(unwrap(t), axis=axis, keepdims=keepdims)


def array_ufunc(t: Any, ufunc: np.ufunc, how: str, *inputs: Any, **kwargs: Any) -> Any:
    """Do ``Tensor.__array_ufunc__``: NumPy calls it for a ufunc of which an argument is a Tensor.

    ``array += t`` is here too, and ``array @= t``, for which NumPy names the axes. It gives the name of the array to a
    new Tensor; the array keeps its numbers.
    """
    updated = kwargs.get("out", (None,))
    if how == "__call__" and (not kwargs or (kwargs.keys() <= {"out", "axes"} and updated[0] is inputs[0])):
        if ufunc in COMPOSED:
            return COMPOSED[ufunc](*inputs)
        if ufunc in UFUNCS:
            return apply(UFUNCS[ufunc], *inputs)
        if ufunc in PLAIN:
            return constant(ufunc, *inputs)
    raise TypeError(
        f"np.{ufunc.__name__}{'' if how == '__call__' else '.' + how} does not work on a Tensor"
        f"{' with ' + ', '.join(kwargs) if kwargs else ''}; use t.numpy() where no gradient is needed"
    )


def array_function(t: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Do ``Tensor.__array_function__``: NumPy calls it for its other functions."""
    name = f"{func.__module__}.{func.__name__}".replace("numpy", "np")
    if func not in NUMPYS_FUNCTIONS:
        raise TypeError(f"{name} does not work on a Tensor; use t.numpy() where no gradient is needed")
    ours = NUMPYS_FUNCTIONS[func]
    try:
        return ours(*args, **kwargs)
    except TypeError:
        if (error := objection(ours, args, kwargs)) is None:
            raise
    asked = without_defaults(func, args, kwargs)
    if objection(ours, (), asked) is None:
        return ours(**asked)
    takes = ", ".join(signature(ours).parameters)
    raise TypeError(f"{name} of a Tensor takes ({takes}): {error}; use t.numpy() where no gradient is needed") from None


def objection(function: Any, args: Any, kwargs: Any) -> Exception | None:
    """Return the error of a function that does not take these arguments, None if it does."""
    try:
        signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:  # ValueError: it has no signature
        return error
    return None


def without_defaults(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a function of NumPy's by name, without those that have its default, as out=None."""
    if objection(func, args, kwargs):
        return dict(kwargs)
    shown = signature(func)
    given = shown.bind(*args, **kwargs).arguments.items()
    return {name: x for name, x in given if isinstance(x, (Tensor, np.ndarray)) or x != shown.parameters[name].default}


def detach(t: Any) -> Tensor:
    """Return a constant copy: the same numbers, no history."""
    copy = constant(np.copy, t)
    return copy if isinstance(copy, Tensor) else Tensor(copy, name=t.name)


def one_number(t: Tensor, how: str) -> Any:
    """Return the single number in a Tensor to Python code; how names what asks. ValueError if there are more, or none.

    >>> one_number(Tensor([[2.5]]), "item()")
    2.5
    """
    array = t.read(how)
    if array.size != 1:
        many = "; any() or all() makes one of many" if how == "the truth" else "; reduce it, or take numpy()"
        raise ValueError(f"{how} is of a single number, and this tensor has shape {t.shape}{many}")
    return array.item()


def plain_array(t: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    """Do ``Tensor.__array__``: an array of a constant; TypeError where a gradient would be lost."""
    if t.requires_grad:
        raise TypeError(
            "an array of a Tensor that requires a gradient would lose it: write X @ t for X.dot(t), t.exp() for a "
            "function of NumPy's, tg.stack([t, t]) for several; t.numpy() is for numbers that need no gradient"
        )
    return t.numpy().astype(dtype or t.dtype)


def where(condition: Any, *values: Any) -> Any:
    """`ops.where`: where(condition, a, b) is a where the condition holds, b elsewhere.

    where(condition) alone is its np.nonzero: the places where it holds, as plain arrays.

    Examples
    --------
    >>> where(np.array([True, False]), Tensor([1.0, 2.0]), 0.0)
    Tensor([1., 0.])
    """
    if not values:
        return as_tensor(condition).nonzero()
    if len(values) != 2:
        raise TypeError(f"where takes (condition) or (condition, a, b), got {1 + len(values)} arguments")
    return apply(ops.where, *values, condition=real(unwrap(condition)))


def concatenate(tensors: Any, axis: int | None = 0) -> Tensor:
    """`ops.concatenate`: the tensors one after the other along an axis that they have; None: all elements in a row."""
    if axis is None:
        tensors, axis = [reshape(t, -1) for t in tensors], 0
    return apply(ops.concatenate, *tensors, axis=axis)


def stack(tensors: Any, axis: int = 0) -> Tensor:
    """`ops.stack`: the tensors side by side along a new axis."""
    return apply(ops.stack, *tensors, axis=axis)


def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Tensor:
    """`ops.einsum`: the sum of products that the letters say, any number of operands.

    NumPy's other form is taken too: each operand, then a list of the numbers of its axes. optimize changes nothing.

    Examples
    --------
    >>> a = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> einsum("ij,ij->i", a, a)
    Tensor([ 5., 25.])
    >>> einsum("ii", a)
    Tensor(5.)
    """
    if operands and isinstance(operands[0], (list, tuple)) and not isinstance(subscripts, str):
        subscripts, *operands = products.interleaved(subscripts, *operands)  # type: ignore[assignment]
    if not isinstance(subscripts, str):
        raise TypeError(
            f'einsum begins with its letters, as einsum("ij,jk->ik", a, b), got {type(subscripts).__name__}'
        )
    return apply(ops.einsum, *operands, subscripts=subscripts)


softplus = method(ops.softplus)


def reduced(op: Any, a: Any, axis: Axis, keepdims: bool, **kwargs: Any) -> Tensor:
    """Run a reduction over axis."""
    return apply(op, a, axis=axis, keepdims=keepdims, **kwargs)


UFUNCS: dict[np.ufunc, Callable[..., Result]] = {
    **{np.subtract: ops.sub, np.multiply: ops.mul, np.divide: ops.div, np.negative: ops.neg},
    **{  # the others have the same name here and there
        getattr(np, op.__name__): op
        for op in ops.defined_in(ops)
        if isinstance(getattr(np, op.__name__, None), np.ufunc)
    },
}
COMPOSED: dict[np.ufunc, Callable[..., Tensor]] = {
    np.matmul: matmul,
    np.logaddexp: lambda a, b: softplus(b) if isinstance(a, int) and a == 0 else apply(ops.logaddexp, a, b),
    **{getattr(np, name): ours for name, ours in composed.UFUNCS.items() if hasattr(np, name)},
}
# fmt: off
PLAIN = {  # their results have no gradient
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.isfinite, np.isnan, np.isinf, np.sign, np.signbit, np.heaviside,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
}
# fmt: on
# in NumPy's order; after axis by name, because NumPy has dtype and out there
NUMPYS_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: lambda a, axis=None, *, keepdims=False: reduced(ops.sum, a, axis, keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: reduced(ops.mean, a, axis, keepdims),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: reduced(ops.var, a, axis, keepdims, ddof=ddof),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: reduced(ops.std, a, axis, keepdims, ddof=ddof),
    np.prod: lambda a, axis=None, *, keepdims=False: reduced(ops.prod, a, axis, keepdims),
    np.cumsum: lambda a, axis=None: apply(ops.cumsum, a, axis=axis),
    np.max: lambda a, axis=None, *, keepdims=False: reduced(ops.max, a, axis, keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: reduced(ops.min, a, axis, keepdims),
    np.argmax: lambda a, axis=None, *, keepdims=False: argmax(a, axis, keepdims),
    np.clip: lambda a, a_min=None, a_max=None, *, min=None, max=None: clip(
        a, min if a_min is None else a_min, max if a_max is None else a_max
    ),
    np.reshape: lambda a, shape, order="C": reshape(a, shape, order=order),
    np.transpose: lambda a, axes=None: transpose(a, axes),
    np.squeeze: lambda a, axis=None: squeeze(a, axis),
    np.expand_dims: lambda a, axis: expand_dims(a, axis),
    np.broadcast_to: lambda array, shape: apply(ops.broadcast_to, array, shape=shape),
    np.flip: lambda m, axis=None: apply(ops.flip, m, axis=axis),
    np.pad: lambda array, pad_width, mode="constant", *, constant_values=0.0: pad(
        array, pad_width, mode, constant_values
    ),
    np.take_along_axis: lambda arr, indices, axis=-1: take_along_axis(arr, indices, axis),
    np.where: where,
    np.concatenate: concatenate,
    np.stack: stack,
    np.vstack: lambda tup: concatenate([t if np.ndim(unwrap(t)) > 1 else reshape(t, 1, -1) for t in tup]),
    np.hstack: lambda tup: concatenate(
        [np.atleast_1d(as_tensor(t)) for t in tup], axis=int(np.ndim(unwrap(tup[0])) > 1)
    ),
    np.dot: products.dot,
    np.outer: lambda a, b: reshape(a, -1, 1) * reshape(b, 1, -1),
    np.einsum: einsum,
    np.ones_like: composed.plain(np.ones_like),
    np.zeros_like: composed.plain(np.zeros_like),
    np.full_like: lambda a, fill_value, **kwargs: composed.plain(np.full_like)(
        a, np.asarray(fill_value) if getattr(fill_value, "requires_grad", False) else fill_value, **kwargs
    ),  # which refuses a number whose gradient would be lost
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
}
for _name, _ours in composed.TABLE.items():
    with suppress(AttributeError):  # an older NumPy has fewer
        NUMPYS_FUNCTIONS[attrgetter(_name)(np)] = _ours

solve, sort = products.solve, statistics.sort

FUNCTIONS = {
    f.__name__: f
    for f in (
        *(linear, matmul, reshape, transpose, clip, pad, astype, squeeze, expand_dims, take_along_axis, argmax, argmin),
        *(solve, sort),
    )
}
METHODS: dict[str, Any] = {  # the face binds them to Tensor
    **composed.METHODS,
    **FUNCTIONS,
    "dot": products.dot,
    "conv2d": conv2d,
    **{name: property(attrgetter(f"array.{name}")) for name in ("nbytes", "itemsize")},
    "T": property(lambda t: apply(ops.transpose, t), doc="The tensor with its axes reversed."),
    "mT": property(products.matrix_transpose),
    "detach": detach,
    "__matmul__": matmul,
    "__rmatmul__": lambda b, a: matmul(a, b),
    "__len__": lambda t: len(t.array),
    "item": lambda t: one_number(t, "item()"),
    "__float__": lambda t: float(one_number(t, "float()")),
    "__int__": lambda t: int(one_number(t, "int()")),
    "__bool__": lambda t: bool(one_number(t, "the truth")),
    "__format__": lambda t, spec: format(t.item(), spec) if spec else str(t),
    "__contains__": statistics.contains,
    "__iter__": lambda t: (t[i] for i in range(len(t))),
    "__array__": plain_array,
    "__array_ufunc__": array_ufunc,
    "__array_function__": array_function,
    **dict.fromkeys(["__and__", "__rand__"], lambda *masks: constant(np.bitwise_and, *masks)),
    **dict.fromkeys(["__or__", "__ror__"], lambda *masks: constant(np.bitwise_or, *masks)),
    "__invert__": lambda mask: constant(np.invert, mask),
}
METHODS |= {name: Elsewhere(name, ours) for name, ours in TORCHS_METHODS.items()}
