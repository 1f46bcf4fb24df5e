"""Derivatives of any order: Tensors go through the program of a gradient, so the gradient has a graph of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, as_tensor, backward_pass, unwrap
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
        require a gradient; a tuple for several argnums. Keyword arguments are constants

    Raises
    ------
    TypeError : an argument to differentiate by does not hold floats; f is no function. Also as for `trace.trace`
    ValueError : there is no argument of this number. Also as for `trace.trace`

    Examples
    --------
    >>> f = lambda x: x**3
    >>> float(grad(f)(2.0)), float(grad(grad(f))(2.0)), float(grad(grad(grad(f)))(2.0))
    (12.0, 12.0, 6.0)
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
        given = [Tensor(value, requires_grad=i in places) for i, value in enumerate(args)]
        called = parameter_names(f, len(args))
        function = lambda *args: _computed(f(*args, **kwargs))
        traced = Trace.of(function, given, called)
        if traced.root.requires_grad:
            program = traced.checked_program(function, wanted=[called[i] for i in places])
            gradients = program.on_tensors(program.leaves | dict(zip(called, args)))[1]
            results = [gradients[called[i]] for i in places]
        else:
            results = [np.zeros_like(given[i].array) for i in places]
        made = [as_tensor(d) if any(isinstance(value, Tensor) for value in args) else _array(d) for d in results]
        return made[0] if isinstance(argnums, int) else tuple(made)

    return gradient


def _computed(result: Any) -> Any:
    """Return the result of f as a computed Tensor: f may return an argument or a plain number.

    An array stays an array, and is refused later: f left the graph.
    """
    if isinstance(result, (np.ndarray, np.generic)) or (isinstance(result, Tensor) and result.parents):
        return result
    return as_tensor(result) + 0


def _array(d: Any) -> Any:
    """Return the array of a Tensor that has no graph; a Tensor with a graph as it is."""
    return d if isinstance(d, Tensor) and (d.requires_grad or d.parents) else unwrap(d)


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
        x = Tensor(x, requires_grad=True)
        v = np.asarray(unwrap(v), x.dtype)
        if v.shape != x.shape:
            raise ValueError(f"the vector has shape {v.shape}, x has {x.shape}")
        return pull_back(grad(f)(x), v, x)

    return product


def pull_back(g: Tensor, v: Array, x: Tensor) -> Array:
    """Return the gradient of Σ g · v with respect to x."""
    total = np.zeros(x.shape, x.dtype)
    if g.requires_grad:
        for _, _, parent, share, _ in backward_pass(g, v):
            if parent is x:
                total += share
    return total
