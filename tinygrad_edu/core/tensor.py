"""The graph: a Tensor remembers how it was computed, and `backward` walks that record in reverse.

`apply` is the only place where a node is made and `backward_pass` the only place where the chain rule is run.
Everything that is specific to one function lives in `ops`.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator
from functools import lru_cache
from inspect import signature
from itertools import count
from operator import attrgetter
from types import FrameType
from typing import Any

import numpy as np

from . import ops
from .ops import VJP, Array, Axis, Result

next_stamp = count(
    1
).__next__  # stamps every Tensor: a node is younger than its parents, unless a parent was changed since
_age = attrgetter("stamp")
_new = object.__new__
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # the package


def checksum(array: Array) -> int:
    """Return a number that changes when the array does."""
    return hash(array.tobytes())


class Observer:
    """Told of what optimizers do."""

    def step(self, optimizer: Any) -> None:
        """An optimizer is about to update."""

    def stepped(self, optimizer: Any) -> None:
        """It has updated."""


class _Mode(threading.local):
    recording = True
    tracing: list[Any] | None = None  # while `program.trace` runs a function: what it has to know beside the graph


_mode = _Mode()  # each thread has its own
moves = [0]  # how often a leaf was given other memory, or began or ceased to require a gradient
always: list[Observer] = []  # told of steps in every thread: the guards
watchers: list[Any] = []  # each `debug` that is active, to be shown every op, backward pass and step


class no_grad(ContextDecorator):
    """Record nothing inside, in this thread: ``with no_grad(): ...``, or as a decorator.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __enter__(self) -> None:
        self._before = [*getattr(self, "_before", []), _mode.recording]
        _mode.recording = False

    def __exit__(self, *_: object) -> None:
        _mode.recording = self._before.pop()


class GradNotRetained(RuntimeError, AttributeError):
    """``grad`` of a computed tensor was asked for. An AttributeError too, for hasattr and inspect."""


def apply(op: Callable[..., Result], *args: Any, **kwargs: Any) -> Tensor:
    """Run op on the data of its arguments, and record the node if any of them requires a gradient.

    Parameters
    ----------
    op : a function of `ops`, or one of yours with the same shape: arrays in, (value, VJP, ...) out
    args : Tensors, arrays or numbers; one VJP each. A Python number beside a Tensor keeps the Tensor's dtype
    kwargs : what op does not differentiate

    Examples
    --------
    >>> def cube(a):
    ...     return a**3, lambda g: g * 3 * a**2
    >>> x = Tensor(2.0, requires_grad=True)
    >>> apply(cube, x).backward()
    >>> float(x.grad)
    12.0
    """
    arrays: list[Any] = []
    wanted = False
    for a in args:
        if isinstance(a, Tensor):
            if a.checksum is not None and _mode.recording:
                a.look()
            if a._requires_grad:
                wanted = True
            arrays.append(a.array)
        elif isinstance(a, (int, float)) and len(args) > 1:
            arrays.append(a)
        else:
            arrays.append(_numbers(a))
    if kwargs and _mode.tracing is not None:  # a comparison is a Tensor then, and may be a mask
        kwargs = {key: unwrap(value) for key, value in kwargs.items()}
    try:
        result = op(*arrays, **kwargs)
    except ValueError as error:
        error.add_note(f"{_name(op)} was given shapes {' and '.join(str(np.shape(a)) for a in arrays)}")
        raise
    if not isinstance(result, tuple):
        raise TypeError(f"{_name(op)} has to return (value, VJP, ...), got {type(result).__name__}")
    y, *vjps = result
    if not isinstance(y, np.ndarray):
        y = np.asarray(y)
    recorded = wanted and _mode.recording
    if recorded:
        y = y.view()  # a view, because it may be an argument itself, which has to stay as it is
    elif y.base is not None or any(y is a for a in arrays):
        y = y.copy()  # without a record nobody would notice that what this is a view of was changed
    y.setflags(False)  # a VJP may still read the result: NumPy refuses to write into it

    out = _new(Tensor)
    out.array, out.op, out.stamp = y, op, next_stamp()
    out.name = out.grad_view = out.checksum = None  # and _grad stays empty: see grad
    out.retains_grad = False
    if recorded:
        if len(vjps) != len(args):
            raise TypeError(
                f"{_name(op)} took {len(args)} arguments and returned {len(vjps)} VJPs; it needs one for each"
            )
        out._requires_grad, out.parents, out.kwargs, out.vjps = True, args, kwargs, vjps
    else:
        out._requires_grad, out.parents, out.kwargs, out.vjps = False, (), {}, ()
        if _mode.tracing is not None:  # a program computes these too
            out.parents, out.kwargs = args, kwargs
            _mode.tracing.append(out)
    if watchers:
        for watcher in watchers:
            watcher.op(out, args, kwargs)
    return out


def backward_pass(root: Tensor, grad: Array) -> Iterator[tuple[Tensor, Array, Tensor, Array, Array]]:
    """The backward pass: the chain rule from root down, yielding every share of the gradient as it is passed on.

    A node's turn comes only after everything that was computed from it, so its gradient g is complete by then: the sum
    over all paths. It is dropped as soon as it has been passed on.

    Yields
    ------
    (node, g, parent, share, whole) : node passes share on to parent, one of the arguments that it was computed from, in
        their order. share has the parent's shape; whole is what the VJP returned, before `unbroadcast`. The shares of
        computed tensors are added up here, those of leaves are for the caller to add. A node that keeps its gradient
        (`Tensor.retain_grad`; a leaf that is the root) comes as (node, g, node, g, g) before it passes anything on
    """
    grads = {root: grad}
    for node in toposort(root):
        g = grads.pop(node)
        if node.retains_grad:
            yield node, g, node, g, g
        for parent, vjp in zip(node.parents, node.vjps):
            if isinstance(parent, Tensor) and parent._requires_grad:
                whole = share = vjp(g)
                try:
                    if share.shape != parent.array.shape:
                        share = unbroadcast(share, parent.array.shape, node)
                except AttributeError:
                    raise TypeError(f"a VJP of {node.label()} returned {type(share).__name__}, not an array") from None
                if parent.parents:
                    grads[parent] = grads[parent] + share if parent in grads else share
                yield node, g, parent, share, whole


def seed(root: Tensor, grad: Any) -> Array:
    """What `backward_pass` starts from: grad, or 1 for a single number. Raises what `Tensor.backward` says."""
    if not root.requires_grad:
        raise RuntimeError(
            "nothing here requires the gradient of this tensor: was it computed under no_grad(), or from tensors "
            "without requires_grad=True?"
        )
    if grad is None:
        if root.array.ndim == 0:
            return root.array.dtype.type(1)
        if root.size == 1:
            return np.ones(root.shape, root.dtype)
        raise ValueError(
            f"the chain rule starts from a single number, this tensor has shape {root.shape}: reduce it, as in "
            f".sum().backward(), or pass grad of shape {root.shape}"
        )
    seed = np.array(unwrap(grad), root.dtype)
    if seed.shape != root.shape:
        raise ValueError(f"grad has shape {seed.shape}, the tensor has {root.shape}")
    return seed


def toposort(root: Tensor) -> list[Tensor]:
    """The computed tensors that root depends on, in an order in which the chain rule may visit them.

    A result is made after its arguments, so sorting by age is a topological sort. It needs no recursion.
    """
    nodes, seen = [root], {root}
    for node in nodes:  # the list grows while it is read
        for parent in node.parents:
            if isinstance(parent, Tensor):
                if parent.checksum is not None:
                    parent.look()
                if parent.stamp > node.stamp:
                    raise RuntimeError(
                        f"{parent.label()} was changed after {node.label()} was computed from it, so the gradient "
                        "would be that of another function; run the forward pass again, then backward()"
                    )
                if parent.parents and parent._requires_grad and parent not in seen:
                    seen.add(parent)
                    nodes.append(parent)
    nodes.sort(key=_age, reverse=True)
    return nodes


def unbroadcast(g: Array, shape: tuple[int, ...], node: Tensor | None = None) -> Array:
    """Sum g over the axes that broadcasting added or stretched, so that it has this shape again.

    If y = a + b stretched b over the rows of a, each row of y depends on the same b: their gradients add up.

    Raises
    ------
    RuntimeError : g does not have a shape that this one broadcasts to: the VJP of node's op is wrong

    Examples
    --------
    >>> unbroadcast(np.ones((4, 3)), (3,))
    array([4., 4., 4.])
    >>> unbroadcast(np.ones((4, 3)), (4, 1))
    array([[3.],
           [3.],
           [3.],
           [3.]])
    """
    if g.ndim == 2 and shape == g.shape[1:]:  # a bias: the sum over the batch as a product, BLAS is quicker at it
        return _ones(len(g), g.dtype.char).dot(g)
    out = g
    if out.ndim > len(shape):
        out = np.add.reduce(out, axis=tuple(range(out.ndim - len(shape))))
    stretched = tuple([i for i, n in enumerate(shape[-out.ndim :]) if n == 1])
    if stretched:
        out = np.add.reduce(out, axis=stretched, keepdims=True)
    if out.shape != shape:
        of = f"the VJP of {node.label()}" if node is not None else "a VJP"
        raise RuntimeError(f"{of} returned a gradient of shape {g.shape} for an argument of shape {shape}")
    return out


@lru_cache(maxsize=64)
def _ones(n: int, dtype: str) -> Array:
    return np.ones(n, dtype)


def assign(target: Tensor, value: Tensor) -> None:
    """Give the leaf target the numbers of value, as a layer that keeps a running mean does: a trace notes it as a part
    of the program."""
    if _mode.tracing is None:
        target.data = value.array
    else:
        _mode.tracing.append((target, value))


def as_tensor(x: Any) -> Tensor:
    """x if it is a Tensor, else a constant Tensor of it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def unwrap(x: Any) -> Any:
    """The array of a Tensor; anything else as it is. For code that only reads."""
    return x.array if isinstance(x, Tensor) else x


def plain_index(index: Any) -> Any:
    """The index with arrays for the Tensors in it."""
    return tuple(unwrap(i) for i in index) if isinstance(index, tuple) else unwrap(index)


def outside(frame: FrameType | None) -> FrameType | None:
    """The nearest frame, from this one outwards, that is not of this package: the user's line."""
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame


def warn(message: str) -> None:
    """Warn, pointing at the user's line; Python shows a warning once for each line."""
    level, frame, end = 1, sys._getframe(), outside(sys._getframe())
    while frame is not end:
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(message, stacklevel=level)


def _numbers(x: Any) -> Array:
    """x as an array of real numbers, or a TypeError that says what it holds."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected real numbers, got {type(x).__name__} of dtype {array.dtype}")
    return array


def _name(op: Callable[..., Any] | None) -> str:
    return getattr(op, "__name__", "an op")


def _np_name(func: Any) -> str:
    return f"{func.__module__}.{func.__name__}".replace("numpy", "np")


def _method(op: Callable[..., Result], reverse: bool = False) -> Callable[..., Tensor]:
    """op as a method of Tensor, and, because apply takes anything, as a function too."""

    def method(*args: Any, **kwargs: Any) -> Tensor:
        return apply(op, *(args[::-1] if reverse else args), **kwargs)

    method.__name__ = method.__qualname__ = op.__name__
    method.__doc__ = op.__doc__
    return method


def _reduction(op: Callable[..., Result]) -> Callable[..., Tensor]:
    """op over an axis, several, or all (None), as a method of Tensor and as a function."""

    def method(self: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(op, self, axis=axis, keepdims=keepdims)

    method.__name__ = method.__qualname__ = op.__name__
    method.__doc__ = op.__doc__
    return method


def _in_place(op: Callable[..., Result], sign: str) -> Callable[..., Tensor]:
    """``w -= step`` makes a new tensor and calls it w: right for a sum, never what is meant for a parameter."""

    def update(self: Tensor, other: Any) -> Tensor:
        if self.op is None and self._requires_grad:
            raise RuntimeError(
                f"{self.label()} {sign} ... would replace this leaf by a computed tensor; to change its numbers write "
                f"{self.name or 'w'}.data {sign} ..., or use an optimizer"
            )
        return apply(op, self, other)

    return update


def _without_gradient(*arrays: Array, function: Callable[..., Array]) -> Result:
    """y = function(arrays), which is flat wherever it has a slope: a comparison, a sign"""
    return function(*arrays), *[lambda g, a=a: np.zeros_like(a) for a in arrays]


def _plain(function: Callable[..., Any], *args: Any) -> Any:
    """A plain array, as it has no gradient. While a program is traced a Tensor, so that the program computes it too."""
    if _mode.tracing is None:
        return function(*[unwrap(x) for x in args])
    with no_grad():
        return apply(_without_gradient, *args, function=function)


def _comparison(ufunc: np.ufunc) -> Callable[..., Any]:
    def compare(*args: Any) -> Any:
        return _plain(ufunc, *args)

    return compare


class Tensor:
    """An array that can remember how it was computed.

    Parameters
    ----------
    data : anything that NumPy turns into real numbers; copied. Lists and floats become float64, as in NumPy
    requires_grad : whether `backward` shall store the gradient with respect to this tensor in ``grad``
    name : what messages and pictures call it

    Attributes
    ----------
    grad : array of the data's shape and dtype, or None before the first `backward`
    op, parents, kwargs, vjps : the record: the function of `ops` that made it, what it was called with, and the
        vector-Jacobian product of each argument. A leaf has no parents

    Raises
    ------
    TypeError : data that is not real numbers; requires_grad of anything but float32 or float64

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> loss = (x * x).sum()
    >>> loss.backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = (
        "array",
        "stored_grad",
        "_requires_grad",
        "name",
        "op",
        "parents",
        "kwargs",
        "vjps",
        "stamp",
        "retains_grad",
        "grad_view",
        "checksum",
        "grad_from",
        "grad_stamp",
        "__weakref__",
    )
    op: Callable[..., Result] | None
    parents: tuple[Any, ...]
    kwargs: dict[str, Any]
    vjps: Sequence[VJP]
    grad_view: Array | None  # where a parameter's gradient lives: a view of its FlatBuffer
    checksum: int | None  # once the user has held .data: a checksum, so that a change through it is noticed
    grad_from: int  # the stamp of the oldest share in stored_grad
    grad_stamp: int  # the stamp of the newest share, or of the assignment

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        self.array: Array = _numbers(unwrap(data)).copy()
        self.stored_grad: Array | None = None
        self.name = name
        self.op = None
        self.requires_grad = requires_grad
        self.op, self.parents, self.kwargs, self.vjps = None, (), {}, ()
        self.stamp = next_stamp()
        self.grad_view = self.checksum = None
        self.grad_from = self.grad_stamp = 0

    # --- the numbers --------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The array itself. Assign to it, or write into it, to change a leaf; a computed tensor's is read-only."""
        if self.checksum is None and self.array.flags.writeable:
            self.checksum = checksum(self.array)
        return self.array

    @data.setter
    def data(self, value: Any) -> None:
        if not self.array.flags.writeable:
            raise RuntimeError(f"{self.label()} is computed, so its data cannot be replaced; use detach() for a copy")
        if value is not self.array:
            value = np.asarray(unwrap(value))
            if value.shape != self.array.shape:
                raise ValueError(f"{self.label()} has shape {self.array.shape}, the new data has {value.shape}")
            self.array[...] = value  # in place: a parameter stays in its flat buffer
        self.stamp = next_stamp()
        if self.checksum is not None:
            self.checksum = checksum(self.array)

    def look(self) -> None:
        """Notice a change that was made through ``data``, which we lent."""
        now = checksum(self.array)
        if now != self.checksum:
            self.checksum, self.stamp = now, next_stamp()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def item(self) -> Any:
        """The single number in it. Raises ValueError if there are more."""
        return self._value("item()").item()

    def _value(self, what: str) -> Array:
        """The data, for Python to decide by; a program that is being traced has to do the same for all numbers."""
        if _mode.tracing is not None:
            raise TypeError(
                f"{what} of {self.label()} was asked for while a program is traced: the program would be right for "
                "these numbers alone. Write np.where(condition, a, b), maximum or relu instead of an if, and np.exp(x) "
                "instead of math.exp(x)"
            )
        return self.array

    def numpy(self) -> Array:
        """A copy of the numbers, outside any graph."""
        return self.array.copy()

    def detach(self) -> Tensor:
        """A constant copy: the same numbers, no history."""
        return Tensor(self.array, name=self.name) if _mode.tracing is None else _plain(np.copy, self)

    def label(self) -> str:
        """What messages call it: its name, else its op and shape."""
        op = self.kwargs.get("function", self.op)
        what = self.name or ("a tensor" if op is None else f"the result of {_name(op)}")
        return f"{what} {self.shape}"

    def __repr__(self) -> str:
        text = np.array2string(self.array, separator=", ", prefix="Tensor(")
        dtype = "" if self.array.dtype == np.float64 else f", dtype={self.array.dtype}"
        grad = f", op={_name(self.op)}" if self.vjps and self.op else ", requires_grad=True" * self.requires_grad
        return f"Tensor({text}{dtype}{grad})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __float__(self) -> float:
        return float(self._value("float()").item())

    def __int__(self) -> int:
        return int(self._value("int()").item())

    def __bool__(self) -> bool:
        return bool(self._value("the truth"))

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # --- gradients ----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` stores a gradient here, or, for a computed tensor, passes one on. Assign to a leaf's."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.op is not None:
            raise RuntimeError(
                f"{self.label()} is computed, which decides whether it requires a gradient; see detach()"
            )
        if value and self.array.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"only float32 and float64 can require a gradient, got {self.array.dtype}; "
                "write the numbers as floats (1.0, not 1) or use .astype(float)"
            )
        self._requires_grad = self.retains_grad = bool(value)
        moves[0] += 1

    @property
    def grad(self) -> Array | None:
        """The gradient, None before the first `backward`. Of a computed tensor only if `retain_grad` asked for it."""
        if self.op is None or self.retains_grad:
            return self.stored_grad
        if self.requires_grad:
            raise GradNotRetained(
                f"backward() keeps no gradient of {self.label()}, because it is computed; before backward(), call "
                "retain_grad() on it"
            )
        return None

    @grad.setter
    def grad(self, value: Array | None) -> None:
        if value is not None:
            value = np.asarray(unwrap(value))
            if value.shape != self.shape or value.dtype.kind not in "fiub":
                raise ValueError(f"{self.label()} was given a gradient of shape {value.shape} and dtype {value.dtype}")
            value = value.astype(self.dtype, copy=False)
        self.stored_grad = value
        self.grad_from = self.grad_stamp = next_stamp()

    def backward(self, grad: Any = None) -> None:
        """Add the gradient of this tensor to ``grad`` of every leaf that it was computed from.

        Parameters
        ----------
        grad : the gradient of the final loss with respect to this tensor, of its shape; 1 for a single number

        Raises
        ------
        RuntimeError : nothing here requires a gradient; or data that the graph needs was changed since
        ValueError : this tensor is not a single number and grad is missing, or grad has another shape
        """
        shares = backward_pass(self, seed(self, grad))
        for watcher in watchers:
            shares = watcher.backward(self, shares)
        for node, _, parent, share, _ in shares:
            if not parent.parents or parent is node:  # a leaf, or asked for
                parent.accumulate(share)

    def accumulate(self, share: Array) -> None:
        """Add a share to the gradient, in place, so that it lands in the flat buffer; the first share overwrites."""
        self.grad_stamp = next_stamp()
        if self.stored_grad is not None:
            self.stored_grad += share
            return
        self.grad_from = self.grad_stamp
        if self.grad_view is not None:
            self.grad_view[...] = share
            self.stored_grad = self.grad_view
        else:
            self.stored_grad = np.array(share, dtype=self.dtype)

    def retain_grad(self) -> Tensor:
        """Have `backward` keep the gradient of this computed tensor as well. Returns the tensor."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad() on a tensor that requires no gradient")
        if not self.retains_grad:
            self.retains_grad, self.stored_grad = True, None
        return self

    # --- ops as methods, and as functions: tg.exp is Tensor.exp ---------------------------------------------------

    add = __add__ = _method(ops.add)
    sub = __sub__ = _method(ops.sub)
    mul = __mul__ = _method(ops.mul)
    div = __truediv__ = _method(ops.div)
    neg = __neg__ = _method(ops.neg)
    pow = __pow__ = _method(ops.pow)
    __radd__ = _method(ops.add, reverse=True)
    __rsub__ = _method(ops.sub, reverse=True)
    __rmul__ = _method(ops.mul, reverse=True)
    __rtruediv__ = _method(ops.div, reverse=True)
    __rpow__ = _method(ops.pow, reverse=True)
    __iadd__, __isub__ = _in_place(ops.add, "+="), _in_place(ops.sub, "-=")
    __imul__, __itruediv__ = _in_place(ops.mul, "*="), _in_place(ops.div, "/=")
    exp = _method(ops.exp)
    expm1 = _method(ops.expm1)
    log = _method(ops.log)
    log1p = _method(ops.log1p)
    sin = _method(ops.sin)
    cos = _method(ops.cos)
    erf = _method(ops.erf)
    sqrt = _method(ops.sqrt)
    abs = __abs__ = _method(ops.abs)
    tanh = _method(ops.tanh)
    sigmoid = _method(ops.sigmoid)
    relu = _method(ops.relu)
    silu = _method(ops.silu)
    gelu = _method(ops.gelu)
    softplus = _method(ops.softplus)
    maximum = _method(ops.maximum)
    minimum = _method(ops.minimum)
    sum = _reduction(ops.sum)
    mean = _reduction(ops.mean)
    norm = _reduction(ops.norm)
    prod = _reduction(ops.prod)
    max = _reduction(ops.max)
    min = _reduction(ops.min)
    logsumexp = _reduction(ops.logsumexp)

    def linear(self, W: Any, b: Any) -> Tensor:
        """y = x W + b: `ops.linear` for a batch x (N, D), `ops.matmul` and `ops.add` for other shapes"""
        if getattr(self, "ndim", 0) == 2:
            return apply(ops.linear, self, W, b)
        return Tensor.matmul(self, W) + b

    def leaky_relu(self, slope: float = 0.01) -> Tensor:
        """y = a where a > 0, slope · a elsewhere (`ops.leaky_relu`)"""
        return apply(ops.leaky_relu, self, slope=slope)

    def elu(self, alpha: float = 1.0) -> Tensor:
        """y = a where a > 0, alpha · (e^a - 1) elsewhere (`ops.elu`)"""
        return apply(ops.elu, self, alpha=alpha)

    def clip(self, low: Any = None, high: Any = None) -> Tensor:
        """y = a held within [low, high], two numbers, None for no bound (`ops.clip`)"""
        if isinstance(low, Tensor) or isinstance(high, Tensor):
            raise TypeError("clip takes numbers; bounds that are Tensors need maximum() and minimum()")
        return apply(ops.clip, self, low=-np.inf if low is None else low, high=np.inf if high is None else high)

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """y = the variance of a over axis: divided by n - ddof, as in NumPy (`ops.var`)"""
        return apply(ops.var, self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """y = the standard deviation of a over axis, the root of `var` (`ops.std`)"""
        return apply(ops.std, self, axis=axis, ddof=ddof, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """y = the sums of a up to each element along axis (`ops.cumsum`)"""
        return apply(ops.cumsum, self, axis=axis)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Where the largest element is along axis, the first of several: plain integers, which have no gradient"""
        return np.argmax(unwrap(self), axis=axis, keepdims=keepdims)

    def softmax(self, axis: int = -1) -> Tensor:
        """y = e^a / Σ e^a over axis, without overflow (`ops.softmax`)"""
        return apply(ops.softmax, self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """y = a - ln Σ e^a over axis (`ops.log_softmax`)"""
        return apply(ops.log_softmax, self, axis=axis)

    def matmul(self, other: Any) -> Tensor:
        """y = a @ b (`ops.matmul`), and vectors as NumPy has them: on the left one row, on the right one column"""
        a, b = as_tensor(self), as_tensor(other)
        if not (a.ndim and b.ndim):
            raise ValueError(
                f"matmul takes vectors and matrices, got shapes {a.shape} and {b.shape}; use * for numbers"
            )
        if a.ndim > 1 and b.ndim > 1:
            return apply(ops.matmul, a, b)
        y = apply(
            ops.matmul,
            a if a.ndim > 1 else a.reshape(1, -1),
            b if b.ndim > 1 else b.reshape(-1, 1),
        )
        return y.reshape(y.shape[:-2] + y.shape[-2:-1] * (a.ndim > 1) + y.shape[-1:] * (b.ndim > 1))

    __matmul__ = matmul

    def __rmatmul__(self, other: Any) -> Tensor:
        return Tensor.matmul(other, self)

    def reshape(self, *shape: Any) -> Tensor:
        """y = the elements in another shape (`ops.reshape`): ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``"""
        return apply(ops.reshape, self, shape=shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """y = the axes in the given order, reversed when none is given (`ops.transpose`)"""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return apply(ops.transpose, self, axes=tuple(order) if order else None)

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return apply(ops.transpose, self)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes swapped: each matrix of a stack transposed."""
        if self.ndim < 2:
            raise AttributeError(f"{self.label()} has no mT: a matrix has at least two axes")
        return apply(ops.transpose, self, axes=(*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

    def squeeze(self, axis: Axis = None) -> Tensor:
        """y = a without its axes of length 1, or without those named (`ops.reshape`)"""
        return apply(ops.reshape, self, shape=np.squeeze(unwrap(self), axis).shape)

    def expand_dims(self, axis: int | tuple[int, ...]) -> Tensor:
        """y = a with an axis of length 1 at each place named (`ops.reshape`)"""
        return apply(ops.reshape, self, shape=np.expand_dims(unwrap(self), axis).shape)

    def broadcast_to(self, shape: int | tuple[int, ...]) -> Tensor:
        """y = a repeated to this shape, by the rules of broadcasting (`ops.broadcast_to`)"""
        return apply(ops.broadcast_to, self, shape=shape)

    def flip(self, axis: Axis = None) -> Tensor:
        """y = a in reverse order along axis, along all when none is given (`ops.flip`)"""
        return apply(ops.flip, self, axis=axis)

    def pad(self, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Tensor:
        """y = a with a border: one width, (before, after), or such a pair for each axis (`ops.pad`)"""
        if mode != "constant":
            raise ValueError(f'pad has mode="constant" alone, got {mode!r}; flip, concatenate and slices make others')
        if isinstance(pad_width, dict):
            raise TypeError("pad takes a width, (before, after), or such a pair for each axis, got a dict")
        return apply(ops.pad, self, pad_width=pad_width, constant_values=constant_values)

    def take_along_axis(self, indices: Any, axis: int | None = -1) -> Tensor:
        """y = the elements along axis at integer indices, which have as many axes as a: ``t.argmax(1, keepdims=True)``
        does. None counts through all elements (`ops.reshape`, `ops.getitem`)"""
        a = as_tensor(self)
        places = np.take_along_axis(np.arange(a.size).reshape(a.shape), np.asarray(unwrap(indices)), axis)
        return a.reshape(-1)[places]

    def astype(self, dtype: Any) -> Tensor:
        """y = a in another float dtype (`ops.astype`)"""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"astype({np.dtype(dtype)}) would lose the gradient; take t.numpy().astype(...)")
        return apply(ops.astype, self, dtype=dtype)

    def __getitem__(self, index: Any) -> Tensor:
        return apply(ops.getitem, self, index=plain_index(index))

    # --- comparisons give plain boolean arrays: they have no gradient -----------------------------------------------

    __eq__ = _comparison(np.equal)
    __ne__ = _comparison(np.not_equal)
    __lt__ = _comparison(np.less)
    __le__ = _comparison(np.less_equal)
    __gt__ = _comparison(np.greater)
    __ge__ = _comparison(np.greater_equal)
    __and__, __or__ = _comparison(np.bitwise_and), _comparison(np.bitwise_or)
    __invert__ = _comparison(np.invert)
    __hash__ = object.__hash__

    # --- NumPy on the left, and NumPy's functions ------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            if ufunc in _UFUNCS:
                return apply(_UFUNCS[ufunc], *inputs)
            if ufunc in _COMPOSED:
                return _COMPOSED[ufunc](*inputs)
            if ufunc in _PLAIN:
                return _plain(ufunc, *inputs)
        raise TypeError(
            f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} does not work on a Tensor"
            f"{' with ' + ', '.join(kwargs) if kwargs else ''}; use t.numpy() where no gradient is needed"
        )

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in _FUNCTIONS:
            raise TypeError(f"{_np_name(func)} does not work on a Tensor; use t.numpy() where no gradient is needed")
        ours = _FUNCTIONS[func]
        try:
            return ours(*args, **kwargs)
        except TypeError:
            try:
                signature(ours).bind(*args, **kwargs)
            except TypeError as error:
                takes = ", ".join(signature(ours).parameters)
                raise TypeError(
                    f"{_np_name(func)} of a Tensor takes ({takes}): {error}; use t.numpy() where no gradient is needed"
                ) from None
            raise

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise TypeError("an array of a Tensor that requires a gradient would lose it; say t.numpy()")
        return self.array.astype(dtype or self.dtype)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """`ops.where`: a where the condition holds, b elsewhere.

    Examples
    --------
    >>> where(np.array([True, False]), Tensor([1.0, 2.0]), 0.0)
    Tensor([1., 0.])
    """
    return apply(ops.where, a, b, condition=_numbers(unwrap(condition)))


def concatenate(tensors: Any, axis: int = 0) -> Tensor:
    """`ops.concatenate`: the tensors one after the other along an axis that they have."""
    return apply(ops.concatenate, *tensors, axis=axis)


def stack(tensors: Any, axis: int = 0) -> Tensor:
    """`ops.stack`: the tensors side by side along a new axis."""
    return apply(ops.stack, *tensors, axis=axis)


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """`ops.einsum`: the sum of products that the letters say, any number of operands.

    Examples
    --------
    >>> a = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> einsum("ij,ij->i", a, a)
    Tensor([ 5., 25.])
    >>> einsum("ii", a)
    Tensor(5.)
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f'einsum begins with its letters, as einsum("ij,jk->ik", a, b), got {type(subscripts).__name__}'
        )
    return apply(ops.einsum, *operands, subscripts=subscripts)


def _dot(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    if b.ndim > 2:
        raise ValueError(f"np.dot of a Tensor takes up to two axes on the right, got {b.shape}; say which with einsum")
    return a @ b if a.ndim and b.ndim else a * b


_UFUNCS: dict[np.ufunc, Callable[..., Result]] = {
    np.add: ops.add,
    np.subtract: ops.sub,
    np.multiply: ops.mul,
    np.divide: ops.div,
    np.negative: ops.neg,
    np.power: ops.pow,
    np.exp: ops.exp,
    np.expm1: ops.expm1,
    np.log: ops.log,
    np.log1p: ops.log1p,
    np.sin: ops.sin,
    np.cos: ops.cos,
    np.sqrt: ops.sqrt,
    np.absolute: ops.abs,
    np.tanh: ops.tanh,
    np.maximum: ops.maximum,
    np.minimum: ops.minimum,
}
_COMPOSED: dict[np.ufunc, Callable[..., Tensor]] = {
    np.matmul: Tensor.matmul,
    np.square: lambda a: a * a,
    np.reciprocal: lambda a: 1 / a,
    np.logaddexp: lambda a, b: Tensor.softplus(b) if isinstance(a, int) and a == 0 else a + Tensor.softplus(b - a),
}
_PLAIN = {
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.isfinite,
    np.isnan,
    np.isinf,
    np.sign,
    np.bitwise_and,
    np.bitwise_or,
}
_FUNCTIONS: dict[
    Any, Callable[..., Any]
] = {  # in NumPy's order; after axis by name, because NumPy has dtype and out there
    np.sum: lambda a, axis=None, *, keepdims=False: Tensor.sum(a, axis, keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: Tensor.mean(a, axis, keepdims),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: Tensor.var(a, axis, ddof, keepdims),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: Tensor.std(a, axis, ddof, keepdims),
    np.linalg.norm: lambda x, *, axis=None, keepdims=False: Tensor.norm(x, axis, keepdims),
    np.prod: lambda a, axis=None, *, keepdims=False: Tensor.prod(a, axis, keepdims),
    np.cumsum: lambda a, axis=None: Tensor.cumsum(a, axis),
    np.max: lambda a, axis=None, *, keepdims=False: Tensor.max(a, axis, keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: Tensor.min(a, axis, keepdims),
    np.argmax: lambda a, axis=None, *, keepdims=False: Tensor.argmax(a, axis, keepdims),
    np.clip: lambda a, a_min, a_max: Tensor.clip(a, a_min, a_max),
    np.reshape: lambda a, shape: Tensor.reshape(a, shape),
    np.transpose: lambda a, axes=None: Tensor.transpose(a, axes),
    np.squeeze: lambda a, axis=None: Tensor.squeeze(a, axis),
    np.expand_dims: lambda a, axis: Tensor.expand_dims(a, axis),
    np.broadcast_to: lambda array, shape: Tensor.broadcast_to(array, shape),
    np.flip: lambda m, axis=None: Tensor.flip(m, axis),
    np.pad: lambda array, pad_width, mode="constant", *, constant_values=0.0: Tensor.pad(
        array, pad_width, mode, constant_values
    ),
    np.take_along_axis: lambda arr, indices, axis=-1: Tensor.take_along_axis(arr, indices, axis),
    np.where: where,
    np.concatenate: concatenate,
    np.stack: stack,
    np.vstack: lambda tup: concatenate([t if np.ndim(unwrap(t)) > 1 else Tensor.reshape(t, 1, -1) for t in tup]),
    np.hstack: lambda tup: concatenate(tup, axis=min(np.ndim(unwrap(tup[0])), 2) - 1),
    np.dot: _dot,
    np.outer: lambda a, b: Tensor.reshape(a, -1, 1) * Tensor.reshape(b, 1, -1),
    np.einsum: einsum,
    np.take: lambda a, indices, axis=0: a[(slice(None),) * (axis % a.ndim) + (indices,)],
    np.ones_like: lambda a: _plain(np.ones_like, a),
    np.zeros_like: lambda a: _plain(np.zeros_like, a),
    np.full_like: lambda a, fill_value: _plain(np.full_like, a, fill_value),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
}
