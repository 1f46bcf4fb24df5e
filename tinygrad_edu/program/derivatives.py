"""Derivatives of any order: Tensors go through the program of a gradient, so the gradient has a graph of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, apply, as_tensor, backward_pass, unwrap
from ..extras import ops
from .trace import Trace, parameter_names


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the gradient of f, as a function of the same arguments.

    The gradient can be differentiated again, because each call records the program of the gradient.

    Parameters
    ----------
    f : a function of Tensors that returns one with a single number
    argnums : the number of the argument to differentiate by, or several

    Returns
    -------
    function of the arguments : returns an array; a Tensor if an argument is one, or if f uses other Tensors that
        require a gradient; a tuple for several argnums. Keyword arguments are constants. The gradient by a dict, list
        or tuple of arrays is one of the same form, with None for what is neither an array nor a float

    Raises
    ------
    TypeError : an argument to differentiate by does not hold floats; f is no function; f returns a truth value. Also
        as for `trace.trace`
    ValueError : there is no argument of this number. Also as for `trace.trace`

    Examples
    --------
    >>> f = lambda x: x**3
    >>> float(grad(f)(2.0)), float(grad(grad(f))(2.0)), float(grad(grad(grad(f)))(2.0))
    (12.0, 12.0, 6.0)
    >>> grad(lambda p, x: (p["w"] * x).sum() + p["b"])({"w": np.array([1.0, 2.0]), "b": 0.5}, [3.0, 4.0])
    {'w': array([3., 4.]), 'b': array(1.)}
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not callable(f) or not all(isinstance(i, int) for i in numbers):
        raise TypeError(
            "grad takes a function and the numbers of the arguments to differentiate by, as grad(f, (0, 1))"
        )

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        if not all(-len(args) <= i < len(args) for i in numbers):
            raise ValueError(f"argnums = {argnums}, but the number of arguments is {len(args)}")
        places = [i % len(args) for i in numbers]
        leaves = [list(leaves_of(value)) for value in args]
        flat = [leaf for part in leaves for leaf in part]
        given = [Tensor(leaf, i in places) for i, part in enumerate(leaves) for leaf in part]
        called = [
            f"{name}_{k}" if is_container(value) else name
            for name, value, part in zip(parameter_names(f, len(args)), args, leaves)
            for k in range(len(part))
        ]
        function = lambda *tensors: _computed(f(*rebuilt_each(args, tensors), **kwargs))
        traced = Trace.of(function, given, called)
        found = [np.zeros_like(t.array) for t in given]
        if traced.root.requires_grad:
            program = traced.checked_program(function, [name for name, t in zip(called, given) if t.requires_grad])
            there = [traced.called[id(t)] for t in given]
            gradients = program.on_tensors(program.leaves | dict(zip(there, flat)))[1]
            found = [gradients.get(name, zeros) for name, zeros in zip(there, found)]
        keeps_graph = any(isinstance(leaf, Tensor) for leaf in flat)
        made = rebuilt_each(args, [as_tensor(d) if keeps_graph else _array(d) for d in found], gradients=True)
        return made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)

    return gradient


def is_container(value: Any) -> bool:
    """Tell if value is a dict, or a list or tuple with arrays, Tensors or containers in it. Numbers are an array."""
    parts = value if isinstance(value, (list, tuple)) else ()
    return isinstance(value, dict) or any(
        isinstance(part, (Tensor, np.ndarray)) or is_container(part) for part in parts
    )


def is_leaf(part: Any) -> bool:
    """Tell if a part of a container is differentiated: not a name, a whole number, None or the like."""
    return isinstance(part, (Tensor, np.ndarray, np.floating, float, list, tuple))


def leaves_of(value: Any) -> Iterator[Any]:
    """Yield the arrays in a container, or value if it is none."""
    if not is_container(value):
        yield value
        return
    for part in value.values() if isinstance(value, dict) else value:
        if is_container(part) or is_leaf(part):
            yield from leaves_of(part)


def rebuilt(value: Any, leaves: Iterator[Any], gradients: bool = False) -> Any:
    """Return the container with these leaves in the place of its own. Others stay; among gradients they are None."""
    if not is_container(value):
        return next(leaves)

    def part_of(part: Any) -> Any:
        taken = is_container(part) or is_leaf(part)
        return rebuilt(part, leaves, gradients) if taken else None if gradients else part

    if isinstance(value, dict):
        return {key: part_of(part) for key, part in value.items()}
    parts = [part_of(part) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def rebuilt_each(values: Iterable[Any], leaves: Iterable[Any], gradients: bool = False) -> list[Any]:
    """Return each of the values `rebuilt`, with leaves from one row."""
    row = iter(leaves)
    return [rebuilt(value, row, gradients) for value in values]


def _computed(result: Any) -> Any:
    """Return the result of f as a computed Tensor: f may return an argument or a plain number.

    An array stays an array, and is refused later: f left the graph. Raises TypeError for a truth, as of a comparison.
    """
    if isinstance(result, bool) or getattr(result, "dtype", np.dtype(float)).kind == "b":
        raise TypeError(
            "the function returns a truth value, which has no gradient; return a number, as of tg.where(c, a, b)"
        )
    if isinstance(result, (np.ndarray, np.generic)) or (isinstance(result, Tensor) and result.parents):
        return result
    return as_tensor(result) + 0


def _array(d: Any) -> Any:
    """Return the array of a Tensor that has no graph; a Tensor with a graph as it is."""
    return d if isinstance(d, Tensor) and (d.requires_grad or d.parents) else np.asarray(unwrap(d))


def hessian(f: Callable[..., Any]) -> Callable[[Any], Array]:
    """Return the matrix of second derivatives of f, as a function: H[i, j] = d²f / dx_i dx_j.

    Each element of x costs one backward pass through the program of the gradient.

    Parameters
    ----------
    f : a function of one Tensor that returns one with a single number

    Returns
    -------
    function of x : returns an array of shape x.shape + x.shape

    Examples
    --------
    >>> hessian(lambda x: (x * x).sum() + x[0] * x[1])([1.0, 2.0])
    array([[2., 1.],
           [1., 2.]])
    """

    def matrix(x: Any) -> Array:
        x = Tensor(x, requires_grad=True)
        g = grad(f)(x)
        basis = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
        return np.array([pull_back(g, row, x) for row in basis]).reshape(x.shape + x.shape)

    return matrix


def hvp(f: Callable[..., Any]) -> Callable[[Any, Any], Array]:
    """Return the product of the Hessian of f with a vector, as a function: (x, v) -> H v.

    It costs one backward pass; H is never built.

    Parameters
    ----------
    f : a function of one Tensor that returns one with a single number

    Raises
    ------
    ValueError : v does not have the shape of x, when the product is called

    References
    ----------
    Pearlmutter 1994, "Fast exact multiplication by the Hessian".

    Examples
    --------
    >>> hvp(lambda x: (x * x).sum() + x[0] * x[1])([1.0, 2.0], [1.0, 0.0])
    array([2., 1.])
    """

    def product(x: Any, v: Any) -> Array:
        x, v = point_and_direction(x, v)
        return pull_back(grad(f)(x), v, x)

    return product


def optimizers_hvp(optimizer: Optimizer, closure: Callable[[], Any], v: Any) -> Array:
    """Return the product of a loss's Hessian with a vector, both by all parameters of an optimizer, flat.

    The loss is evaluated and differentiated once more by this, on the way to a program; layers keep their means.

    Parameters
    ----------
    closure : a function that computes the loss anew, as for `SAM`, and returns it as a Tensor
    v : numbers in the order of ``optimizer.buffer``, all parameters one after the other

    Raises
    ------
    ValueError : v has another length; also as for `trace.trace`
    TypeError : closure returns no Tensor, or reads the value of one

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> tg.SGD([p]).hvp(lambda: (p * p).sum() + p[0] * p[1], [1.0, 0.0])
    array([2., 1.])
    """
    params, spans = optimizer.params, [slice(*span) for span in optimizer.buffer.spans]
    v = np.asarray(unwrap(v), optimizer.buffer.data.dtype)
    if v.shape != optimizer.buffer.data.shape:
        raise ValueError(f"the vector has shape {v.shape}, the parameters are {optimizer.buffer.data.size} numbers")
    names = [f"p{i}" for i in range(len(params))]
    traced = Trace.of(lambda *_: closure(), params, names)
    program, place = traced.program(names), {id(p): span for p, span in zip(params, spans, strict=True)}
    there = {traced.called[id(p)]: p for p in params}
    gradients, product = program.on_tensors(program.leaves | there)[1], np.zeros_like(v)
    for name, p in there.items():
        if (g := as_tensor(gradients.get(name, 0.0))).requires_grad:
            for _, _, parent, share, _ in backward_pass(g, v[place[id(p)]].reshape(p.shape)):
                if id(parent) in place:
                    product[place[id(parent)]] += share.ravel()
    return product


def jacobian(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Return the matrix of derivatives of f, as a function of the same arguments: J[i, j] = dy_i / dx_j.

    Each element of y costs one backward pass.

    Parameters
    ----------
    f : a function of Tensors that returns one of any shape
    argnum : the number of the argument to differentiate by

    Returns
    -------
    function of the arguments : returns an array of shape y.shape + x.shape; a Tensor if an argument is one, which can
        be differentiated again. Keyword arguments are constants

    Raises
    ------
    TypeError : f does not return a Tensor; the argument does not hold floats
    ValueError : there is no argument of this number

    Examples
    --------
    >>> jacobian(lambda x: x * x + x[0])([1.0, 2.0])
    array([[3., 0.],
           [1., 4.]])
    """

    def matrix(*args: Any, **kwargs: Any) -> Any:
        if not -len(args) <= argnum < len(args):
            raise ValueError(f"argnum = {argnum}, but the number of arguments is {len(args)}")
        given = [Tensor(value, i == argnum % len(args)) for i, value in enumerate(args)]
        x, y = given[argnum], as_tensor_of(f, given, kwargs)
        basis = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        if not any(isinstance(value, Tensor) for value in args):
            return np.array([pull_back(y, row, x) for row in basis]).reshape(y.shape + x.shape)
        rows = [grad(lambda *same, row=row: (f(*same, **kwargs) * row).sum(), argnum)(*args) for row in basis]
        return apply(ops.stack, *rows).reshape(y.shape + x.shape) if rows else Tensor(np.zeros(y.shape + x.shape))

    return matrix


def jvp(f: Callable[..., Any]) -> Callable[[Any, Any], Array]:
    """Return the product of the Jacobian of f with a vector, as a function: (x, v) -> J v, the slope of f along v.

    It costs two backward passes, however long x and y are. The gradient of Σ y · u by x is Jᵀ u, which is linear in u;
    its gradient along v, by u, is J v.

    Parameters
    ----------
    f : a function of one Tensor that returns one of any shape

    Raises
    ------
    TypeError : f does not return a Tensor, when the product is called
    ValueError : v does not have the shape of x, when the product is called

    References
    ----------
    Townsend 2017, "A new trick for calculating Jacobian vector products".

    Examples
    --------
    >>> jvp(lambda x: x * x + x[0])([1.0, 2.0], [1.0, 10.0])
    array([ 3., 41.])
    """

    def product(x: Any, v: Any) -> Array:
        x, v = point_and_direction(x, v)
        y = as_tensor_of(f, [x], {})
        u = Tensor(np.zeros(y.shape, y.dtype), requires_grad=True)
        return pull_back(grad(lambda x, u: (f(x) * u).sum())(x, u), v, u)

    return product


def point_and_direction(x: Any, v: Any) -> tuple[Tensor, Array]:
    """Return x as a Tensor that requires a gradient, and v in its dtype. Raises ValueError if their shapes differ."""
    x = Tensor(x, requires_grad=True)
    v = np.asarray(unwrap(v), x.dtype)
    if v.shape != x.shape:
        raise ValueError(f"the vector has shape {v.shape}, x has {x.shape}")
    return x, v


def as_tensor_of(f: Callable[..., Any], args: Sequence[Tensor], kwargs: Mapping[str, Any]) -> Tensor:
    """Return the result of f. Raises TypeError if it is no Tensor."""
    y = f(*args, **kwargs)
    if not isinstance(y, Tensor):
        raise TypeError(f"the function has to return a Tensor, got {type(y).__name__}")
    return y


def pull_back(g: Tensor, v: Array, x: Tensor) -> Array:
    """Return the gradient of Σ g · v with respect to x."""
    total = np.zeros(x.shape, x.dtype)
    if g.requires_grad:
        for _, _, parent, share, _ in backward_pass(g, v):
            if parent is x:
                total += share
    return total
