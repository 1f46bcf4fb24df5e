"""The graph: a Tensor remembers how it was computed, and `Tensor.backward` runs the chain rule over that record.

Look first at `apply`, the only place where a node is made, and at `backward_pass`, the only place where the chain rule
is run. `accumulate` adds what comes out of it to ``grad`` of the leaves: the Tensors that were made by hand, such as
parameters. The derivative of each function is in `ops`.

Time is counted in stamps. A Tensor takes the next one when it is made, and again when its data is changed. So a result
is younger than its arguments, which gives the order of the backward pass; an argument that is younger than a result was
changed after it, which `toposort` refuses.

Every loop over ``thread`` tells an `Observer` of an event; ``unusual`` says whether there may be one. In a first
reading, pass over both.

The file is longer than the others, as a Tensor, `apply`, the two functions of the backward pass and the stamps explain
each other: half of it is docstrings, and in parts each would send its reader to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator
from functools import lru_cache, wraps
from inspect import Parameter, Signature, signature
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np

from . import ops
from .methods import TensorMethods
from .ops import VJP, Array, Result

Share = tuple["Tensor", Array, "Tensor", Array, Array]  # see `backward_pass`

next_stamp, stamp_of = count(1).__next__, attrgetter("stamp")
EVENTS = ("op", "constant", "read", "write", "backward", "step", "stepped")


class _Thread(threading.local):
    """State of one thread: whether graphs are recorded, now and before each `no_grad` that it is in; and which methods
    of observers to call at each event."""

    recording, before = True, list[bool]()
    op = constant = read = write = backward = step = stepped = tuple[Any, ...]()


thread = _Thread()
unusual = list[Any]()  # each `no_grad` and each observer of ops or steps at work, in any thread. Without them `apply`
# saves a look at ``thread``, which is slow: Python has to find the values of the thread at hand


class no_grad(ContextDecorator):
    """Switch recording off in this thread: ``with no_grad(): ...``, or as a decorator of a function.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __enter__(self) -> None:
        thread.before, thread.recording = [*thread.before, thread.recording], False
        unusual.append(self)

    def __exit__(self, *_: object) -> None:
        *thread.before, thread.recording = thread.before  # of the thread: a decorated function has one no_grad for all
        unusual.remove(self)


def apply(op: Callable[..., Result], *args: Any, **kwargs: Any) -> Tensor:
    """Return op of the arguments as a Tensor, recorded as a node of the graph if one of them requires a gradient.

    Parameters
    ----------
    op : a function of `ops`, or one of yours of the same form: arrays in, (value, VJP, ...) out
    args : Tensors, arrays or numbers; op has one VJP for each. A number takes the dtype of the Tensor beside it, be it
        Python's or, beside a Tensor of floats, NumPy's, as np.sqrt(16)
    kwargs : what op does not differentiate

    Raises
    ------
    TypeError : op does not return a value and one VJP for each argument, or an argument or the result of keywords holds
        no real numbers
    ValueError : op refused the shapes; a note names op and them

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
            if a.checksum is not None:
                a.notice_change()
            wanted = wanted or a._requires_grad
            arrays.append(a.array)
        elif isinstance(a, np.generic) and a.nbytes <= 8 and (plain := with_python_numbers(args)):
            return apply(op, *plain, **kwargs)
        else:  # a Python number beside another argument stays one: NumPy then keeps the other's dtype
            arrays.append(a if isinstance(a, (int, float)) and len(args) > 1 else real(a))
    if kwargs and unusual:  # an observer may have made a Tensor of a constant, such as a mask
        kwargs = {name: unwrap(value) for name, value in kwargs.items()}
    try:
        result = op(*arrays, **kwargs)
    except (ValueError, TypeError, IndexError) as error:
        error.add_note(f"{op.__name__} was given shapes {' and '.join(str(np.shape(a)) for a in arrays)}")
        raise
    if not isinstance(result, tuple):
        raise TypeError(f"{op.__name__} has to return (value, VJP, ...), got {type(result).__name__}")
    y, *vjps = result
    if len(vjps) != len(args):
        message = f"{op.__name__} took {len(args)} arguments and returned {len(vjps)} VJPs; it needs one for each"
        raise TypeError(message)
    y = y if isinstance(y, np.ndarray) else np.array(y)  # of a number three times as quick as np.asarray
    recorded = wanted and (not unusual or thread.recording)
    if kwargs and y.dtype.kind == "c":  # one of them was complex
        real(y)
    if recorded:
        y = y.view()  # op may have returned an argument, which has to stay writable, when y is made read-only below
    elif y.base is not None or id(y) in map(id, arrays):
        y = y.copy()  # y may share memory with an argument: a change of that would change y, and no record would tell
    # not writeable, as a VJP may read y later; said by position, which is three times as quick
    y.setflags(False)  # type: ignore[call-arg]
    out = object.__new__(Tensor)  # without __init__, which copies
    out.array, out.op, out.stamp = y, op, next_stamp()
    out._requires_grad, out.retains_grad = recorded, False
    out.name = out.grad_view = out.checksum = None
    out.parents, out.kwargs, out.vjps = (args, kwargs, vjps) if recorded else ((), {}, ())
    if unusual:
        for observe in thread.op:
            observe(out, args, kwargs)
    return out


def backward_pass(root: Tensor, g: Array) -> Iterator[Share]:
    """Run the chain rule from root, whose gradient is g, back to the leaves; yield each share as it is passed on.

    A share is what one node contributes to the gradient of one argument. A node's turn comes after that of every node
    that was computed from it. By then its own gradient is complete: the sum of the shares that it was given, over
    all paths. It is dropped when it has been passed on.

    Yields
    ------
    (node, g, parent, share, whole) : node, whose gradient is g, gives share to parent, one of its arguments. whole is
        what the VJP returned; share is whole after `unbroadcast`, in the shape of parent. Shares of computed tensors
        are summed here, those of leaves are left to the caller. A node that keeps its gradient (`Tensor.retain_grad`,
        or a leaf that is the root) is first yielded as (node, g, node, g, g)
    """
    grads, nodes = {root: g}, toposort(root)[::-1]
    while nodes:
        g = grads.pop(node := nodes.pop())
        if node.retains_grad:
            yield node, g, node, g, g
        for parent, vjp in zip(node.parents, node.vjps):
            if isinstance(parent, Tensor) and parent._requires_grad:
                whole = share = vjp(g)
                try:
                    if whole.shape != parent.array.shape:
                        share = unbroadcast(whole, parent.array.shape, node)
                except AttributeError:
                    raise TypeError(f"a VJP of {node.label()} returned {type(whole).__name__}, not an array") from None
                if parent.parents:
                    grads[parent] = grads[parent] + share if parent in grads else share
                yield node, g, parent, share, whole


def accumulate(shares: Iterator[Share]) -> None:
    """Add the shares of leaves, and of nodes that keep their gradient, to ``grad`` in place.

    The first share overwrites what an optimizer's flat buffer holds. A gradient that is all 0, as after
    ``p.grad.fill(0)``, holds no share: the next one is its oldest.
    """
    stamp = next_stamp()
    for node, _, p, share, _ in shares:
        if not p.parents or p is node:
            if p.stored_grad is not None:
                if p.grad_stamp != stamp and not p.stored_grad.any():
                    p.grad_from = stamp
                p.stored_grad += share
            elif p.grad_view is not None:
                p.grad_view[...] = share
                p.stored_grad, p.grad_from = p.grad_view, stamp
            else:
                p.stored_grad, p.grad_from = np.array(share, dtype=p.dtype), stamp
            p.grad_stamp = stamp


def toposort(root: Tensor) -> list[Tensor]:
    """Return root and every computed tensor that it hands a gradient to, directly or through others, youngest first.

    A result is made after its arguments, so sorting by age is a topological sort, without recursion.

    Raises
    ------
    RuntimeError : a tensor was changed after something was computed from it
    """
    nodes, seen = [root], {root}
    for node in nodes:  # the list grows inside the loop, which visits what was added too
        for parent in node.parents:
            if isinstance(parent, Tensor):
                if parent.checksum is not None:
                    parent.notice_change()
                if parent.stamp > node.stamp:
                    changed = f"{parent.label()} was changed after {node.label()} was computed from it"
                    fix = "run the forward pass again, then backward()"
                    raise RuntimeError(f"{changed}, so the gradient would be that of another function; {fix}")
                if parent.parents and parent._requires_grad and parent not in seen:
                    seen.add(parent)
                    nodes.append(parent)
    nodes.sort(key=stamp_of, reverse=True)
    return nodes


def seed(root: Tensor, grad: Any) -> Array:
    """Return the gradient that the chain rule starts from: grad, or 1 if root is a single number and grad is None."""
    if not root._requires_grad:
        message = "nothing here requires the gradient of this tensor: was it computed under no_grad(), or from tensors "
        raise RuntimeError(f"{message}without requires_grad=True?")
    shape, dtype = root.array.shape, root.array.dtype
    if grad is None and root.array.size != 1:
        message = f"the chain rule starts from a single number, this tensor has shape {shape}: reduce it, as in "
        raise ValueError(f"{message}.sum().backward(), or pass grad of shape {shape}")
    g = np.array(unwrap(grad), dtype) if grad is not None else ones(shape, dtype.char)[()]  # a scalar
    if g.shape != shape:
        raise ValueError(f"grad has shape {g.shape}, the tensor has {shape}")
    return g


def unbroadcast(g: Array, shape: tuple[int, ...], node: Tensor | None = None) -> Array:
    """Undo a broadcast: sum g over the axes that were added to shape, or stretched from 1, until it has that shape.

    If y = a + b repeats b in each row, all rows of y depend on the same b: their gradients add up.

    Raises
    ------
    RuntimeError : shape does not broadcast to the shape of g, so a VJP of node is wrong

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
    if g.ndim == 2 and shape == g.shape[1:]:  # a bias: its sum over the batch is 1 @ g, and BLAS is quicker at that
        return ones(len(g), g.dtype.char).dot(g)
    out = np.add.reduce(g, axis=tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    stretched = tuple([i for i, n in enumerate(shape[-out.ndim :]) if n == 1])
    out = np.add.reduce(out, axis=stretched, keepdims=True) if stretched else out
    if out.shape != shape:
        of = f" of {node.label()}" if node is not None else ""
        raise RuntimeError(f"a VJP{of} returned a gradient of shape {g.shape} for an argument of shape {shape}")
    return out


@lru_cache(maxsize=64)
def ones(shape: int | tuple[int, ...], dtype: str) -> Array:
    """Return ones, for reading only: every call with this shape and dtype returns the same array."""
    return np.ones(shape, dtype)


def as_tensor(x: Any) -> Tensor:
    """Return x if it is a Tensor, else a constant Tensor of it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def unwrap(x: Any) -> Any:
    """Return the array of a Tensor, a tuple with its Tensors unwrapped, anything else as it is."""
    if isinstance(x, Tensor):
        return x.array
    return tuple(map(unwrap, x)) if type(x) is tuple else x


def with_python_numbers(args: tuple[Any, ...]) -> list[Any]:
    """Return args with Python's numbers for NumPy's if a Tensor of floats is among them; else nothing.

    np.sqrt(16) is a float64, and makes float64 of float32 beside it; Python's 4.0 does not. A long double, of more than
    8 bytes, stays: Python has none.
    """
    floats = any(isinstance(x, Tensor) and x.dtype.kind == "f" for x in args)
    return [x.item() if isinstance(x, np.generic) and x.nbytes <= 8 else x for x in args] if floats else []


def real(x: Any, dtype: Any = None) -> Array:
    """Return x as an array. Raise TypeError unless it holds real numbers, and none of them behind a mask."""
    array = np.asarray(x, dtype)
    if (masked := isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x)) or array.dtype.kind not in "fiub":
        fix = " with numbers behind its mask: choose them, x.filled(value)" if masked else ""
        raise TypeError(f"expected real numbers, got {type(x).__name__} of dtype {array.dtype}{fix}")
    return array


def checksum(array: Array) -> int:
    """Return a number that differs, in all likelihood, once an element of the array has changed."""
    return hash(array.tobytes())


def method(op: Callable[..., Result], reverse: bool = False) -> Callable[..., Tensor]:
    """Return op as a method of Tensor, which is a function of arrays as well; reverse is for ``2 - x``: sub(2, x).

    What is keyword-only in op may be given by position too, as in NumPy: ``x.sum(0)``.
    """
    parameters = signature(op).parameters.values()
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    n = len(parameters) - len(named)
    shown = Signature([p.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for p in parameters])

    @wraps(op)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        if len(args) > n:
            bound = shown.bind(*args, **kwargs).arguments  # a TypeError if there are too many
            args, kwargs = args[:n], {name: bound[name] for name in named if name in bound}
        return apply(op, *(args[::-1] if reverse else args), **kwargs)

    call.__signature__ = shown  # type: ignore[attr-defined]
    return call


def comparison(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return ufunc as a method that gives a plain boolean array: a comparison has no gradient."""
    return lambda *args: constant(ufunc, *args)


def constant(function: Callable[..., Any], *args: Any) -> Any:
    """Return function of the arguments' arrays, for what has no gradient, as a comparison. An observer may answer."""
    for observe in thread.constant:
        if (answer := observe(function, args)) is not None:
            return answer
    return function(*map(unwrap, args))


class GradNotRetained(RuntimeError, AttributeError):
    """``grad`` of a computed tensor was asked for. It is an AttributeError, so that hasattr() answers False."""


class Tensor(TensorMethods):
    """An array that can remember how it was computed.

    Parameters
    ----------
    data : anything that NumPy turns into real numbers; copied. A list of floats becomes float64, as in NumPy
    requires_grad : whether `backward` stores the gradient with respect to this tensor in ``grad``
    name : what messages and pictures call it
    dtype : of the numbers; None keeps that of data

    Attributes
    ----------
    grad : array of the data's shape and dtype, or None before the first `backward`
    op, parents, kwargs, vjps : the record: the function of `ops` that made this tensor, its arguments and keyword
        arguments, and the VJP of each argument. A leaf, which was made by hand, has no op and no parents
    array : the numbers, for code that only reads. ``data`` is the same array, watched for changes from then on

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

    __slots__ = ("_requires_grad", "array", "checksum", "grad_from", "grad_stamp", "grad_view", "kwargs", "name", "op",
                 "parents", "retains_grad", "stamp", "stored_grad", "vjps", "__weakref__")  # fmt: skip
    op: Callable[..., Result] | None
    parents: tuple[Any, ...]
    kwargs: dict[str, Any]
    vjps: Sequence[VJP]
    grad_view: Array | None  # of a parameter: its part of the gradients in its `FlatBuffer`
    checksum: int | None  # of the array, while it is watched: from `data` to an optimizer's step

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None, dtype: Any = None) -> None:
        array = real(unwrap(data))
        self.array: Array = array.copy() if dtype is None else real(array, dtype).copy()
        self.stored_grad: Array | None = None
        self.op, self.parents, self.kwargs, self.vjps, self.name = None, (), {}, (), name
        self.stamp, self.checksum, self.grad_view = next_stamp(), None, None
        self.grad_from = self.grad_stamp = 0  # the stamps of the oldest and the newest share in the gradient
        self.requires_grad = requires_grad

    # --- the numbers

    @property
    def data(self) -> Array:
        """The array itself. Assign to it, or write into it, to change a leaf; a computed tensor's is read-only."""
        if self.checksum is None and self.array.flags.writeable:
            self.checksum, _ = checksum(self.array), next_stamp()  # as in `requires_grad`
        return self.array

    @data.setter
    def data(self, value: Any) -> None:
        if not self.array.flags.writeable:
            raise RuntimeError(f"{self.label()} is computed, so its data cannot be replaced; use detach() for a copy")
        if any(observe(self, value) for observe in thread.write):
            return
        value = real(unwrap(value))
        if value.shape != self.shape:
            raise ValueError(f"{self.label()} has shape {self.shape}, the new data has {value.shape}")
        if not np.can_cast(value.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{self.label()} holds {self.dtype}, the new data {value.dtype}; a new Tensor can hold it")
        self.array[...] = value  # in place: a parameter stays in its flat buffer
        self.stamp = next_stamp()
        if self.checksum is not None:
            self.checksum = checksum(self.array)

    def notice_change(self) -> None:
        """Take a new stamp if somebody has written into the array that ``data`` returned."""
        if (now := checksum(self.array)) != self.checksum:
            self.checksum, self.stamp = now, next_stamp()

    shape: tuple[int, ...]
    shape, ndim, size, dtype = (property(attrgetter(f"array.{name}")) for name in ("shape", "ndim", "size", "dtype"))  # type: ignore[assignment]

    def read(self, how: str) -> Array:
        """Return the array to Python code that may branch on its numbers, as an ``if`` does; how names it: "item()"."""
        for observe in thread.read:
            observe(self, how)
        return self.array

    def item(self) -> Any:
        """Return the single number in it. Raises ValueError if there are more."""
        return self.read("item()").item()

    def numpy(self) -> Array:
        """Return a copy of the numbers, outside any graph."""
        return self.array.copy()

    def label(self) -> str:
        """Return what messages call this tensor: its name or what computed it, and its shape."""
        op = self.kwargs.get("function", self.op)  # function: of a comparison that a trace has recorded
        return f"{self.name or ('a tensor' if op is None else f'the result of {op.__name__}')} {self.shape}"

    def __repr__(self) -> str:
        text = np.array2string(self.array, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        origin = f", op={self.op.__name__}" if self.vjps and self.op else ", requires_grad=True" * self.requires_grad
        return f"Tensor({text}{dtype}{origin})"

    def __bool__(self) -> bool:
        return bool(self.read("the truth"))

    # --- gradients

    @property
    def requires_grad(self) -> bool:
        """True if `backward` stores a gradient here, or, for a computed tensor, passes one on. Assign to a leaf's."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.op is not None:
            message = f"{self.label()} is computed, which decides whether it requires a gradient; see detach()"
            raise RuntimeError(message)
        if value and self.dtype not in (np.float32, np.float64):
            message = f"only float32 and float64 can require a gradient, got {self.dtype}; write the numbers as floats"
            raise TypeError(f"{message} (1.0, not 1) or use .astype(float)")
        self._requires_grad = self.retains_grad = bool(value)
        self.stored_grad = self.stored_grad if value else None  # which a step would still use
        next_stamp()  # time moves on: a compiled step then looks at what has changed

    @property
    def grad(self) -> Array | None:
        """The gradient; None before the first `backward`. A computed tensor has one only after `retain_grad`."""
        if self.op is None or self.retains_grad:
            return self.stored_grad
        if self.requires_grad:
            message = f"backward() keeps no gradient of {self.label()}, because it is computed; before backward(), "
            raise GradNotRetained(message + "call retain_grad() on it")
        return None

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = np.asarray(unwrap(value))
            if value.shape != self.shape or value.dtype.kind not in "fiub":
                raise ValueError(f"{self.label()} was given a gradient of shape {value.shape} and dtype {value.dtype}")
            value = value.astype(self.dtype, copy=value is not self.stored_grad)  # backward() will add to it in place
        self.stored_grad, self.grad_from = value, next_stamp()
        self.grad_stamp = self.grad_from

    def retain_grad(self) -> Tensor:
        """Have `backward` keep the gradient of this computed tensor as well. Returns the tensor."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad() on a tensor that requires no gradient")
        if not self.retains_grad:
            self.retains_grad, self.stored_grad = True, None
        return self

    def backward(self, grad: Any = None) -> None:
        """Compute the gradients of this tensor, usually a loss, and add them to ``grad`` of the leaves it came from.

        Parameters
        ----------
        grad : the gradient of the loss with respect to this tensor, of its shape. None if this tensor is the loss, a
            single number: then it is 1

        Raises
        ------
        RuntimeError : nothing here requires a gradient; or data that the graph needs was changed since
        ValueError : this tensor is not a single number and grad is missing, or grad has another shape
        """
        shares = backward_pass(self, seed(self, grad))
        for observe in thread.backward:
            shares = observe(self, shares)
        accumulate(shares)

    # --- ops: here are Python's operators; below, each function of `ops` becomes a method. Then the face, which is
    # --- tinygrad_edu/__init__.py, replaces a few, such as linear and reshape, by those of `extras.numpy_functions`,
    # --- which take arguments in more forms

    __add__, __radd__ = method(ops.add), method(ops.add, reverse=True)
    __sub__, __rsub__ = method(ops.sub), method(ops.sub, reverse=True)
    __mul__, __rmul__ = method(ops.mul), method(ops.mul, reverse=True)
    __truediv__, __rtruediv__ = method(ops.div), method(ops.div, reverse=True)
    __pow__, __rpow__ = method(ops.pow), method(ops.pow, reverse=True)
    __matmul__, __rmatmul__ = method(ops.matmul), method(ops.matmul, reverse=True)
    __neg__, __abs__ = method(ops.neg), method(ops.abs)
    __eq__, __ne__ = comparison(np.equal), comparison(np.not_equal)
    __lt__, __le__ = comparison(np.less), comparison(np.less_equal)
    __gt__, __ge__ = comparison(np.greater), comparison(np.greater_equal)
    __hash__ = object.__hash__
    __array_ufunc__: Any = None  # an array on the left leaves the operation to the Tensor

    def __getitem__(self, index: Any) -> Tensor:
        return apply(ops.getitem, self, index=unwrap(index))


for _op in ops.defined_in(ops):
    if not hasattr(Tensor, _op.__name__):
        setattr(Tensor, _op.__name__, method(_op))


class Observer:
    """The base of tools that watch what happens in a thread: each event, inside ``with observer:``, calls its method.

    Traces, ``debug()`` and `guards.steps` are observers; the core knows none of them. A subclass writes the
    methods of the events that it wants; the others cost nothing.
    """

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A result was computed, recorded or not."""

    def constant(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Something without a gradient is about to be computed (`constant`). Return a value for it, or None."""

    def read(self, tensor: Tensor, how: str) -> None:
        """Python is about to read a number, as float() does (`Tensor.read`)."""

    def write(self, leaf: Tensor, value: Any) -> Any:
        """``leaf.data = value`` is about to be run. Return True to prevent it."""

    def backward(self, root: Tensor, shares: Iterator[Share]) -> Iterator[Share]:
        """A backward pass begins. Return its shares, these or others in the form that `backward_pass` yields.

        Each is good until the next one is asked for: that may be written to the same place, if it is of the same leaf.
        """
        return shares

    def step(self, optimizer: Any) -> None:
        """An optimizer is about to update its parameters, unless a gradient is not finite."""

    def stepped(self, optimizer: Any) -> None:
        """An optimizer has updated its parameters."""

    def __enter__(self) -> Any:
        self.attach(thread)
        return self

    def __exit__(self, *_: object) -> None:
        if self in unusual:
            unusual.remove(self)
        for event in EVENTS:
            setattr(thread, event, tuple(m for m in getattr(thread, event) if m.__self__ is not self))

    def attach(self, to: Any) -> None:
        """Have the methods of this subclass called: in this thread, if to is `thread`; in every one, if its class."""
        for event in EVENTS:
            if getattr(type(self), event) is not getattr(Observer, event):
                setattr(to, event, (*getattr(to, event), getattr(self, event)))
                if event == "op" or (event == "stepped" and type(self).op is Observer.op):  # once
                    unusual.append(self)
