"""The gradient of a gradient: Tensors sent through the program of a gradient, and so recorded once more."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core import ops
from ..core.ops import Array, scatter_add
from ..core.tensor import Tensor, apply, as_tensor, backward_pass, unwrap
from .program import Program, _Trace, parameter_names


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The gradient of f as a function of the same arguments.

    Parameters
    ----------
    f : a function of Tensors that returns one with a single number
    argnums : the number of the argument to differentiate by, or several; the result is then a tuple

    The result can be differentiated again: each time the program of the gradient is recorded. It is an array; a Tensor,
    if it was called with one, or if f uses others that require a gradient. What it is given by keyword is a constant.

    Raises
    ------
    What `program.trace` raises; TypeError for an argument that does not hold floats

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
        recorded = _Trace.of(function, given, called)
        if recorded.root.requires_grad:
            program = recorded.compare(function, given, wanted=[called[i] for i in places])
            gradients = on_tensors(program, program._given | dict(zip(called, args)))[1]
            results = [gradients[called[i]] for i in places]
        else:
            results = [np.zeros_like(given[i].array) for i in places]
        made = [as_tensor(d) if any(isinstance(value, Tensor) for value in args) else _array(d) for d in results]
        return made[0] if isinstance(argnums, int) else tuple(made)

    return gradient


def _computed(result: Any) -> Any:
    """What f returned as a computed Tensor: it may be an argument itself, or a plain number. An array has no graph, so
    it stays what it is, and is refused."""
    if isinstance(result, (np.ndarray, np.generic)) or (isinstance(result, Tensor) and result.parents):
        return result
    return as_tensor(result) + 0


def _array(d: Any) -> Any:
    """The array of a Tensor that remembers nothing."""
    return d if isinstance(d, Tensor) and (d.requires_grad or d.parents) else unwrap(d)


def hessian(f: Callable[..., Any]) -> Callable[[Any], Array]:
    """The matrix of second derivatives of f, a function of one array, as a function: H[i, j] = d²f / dx_i dx_j.

    Returns
    -------
    function of x : an array of shape x.shape + x.shape. It takes one backward pass through the gradient's program for
        each element of x

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
    """Products of the Hessian of f with a vector, as a function: (x, v) -> H v. One backward pass; H is never built.

    Raises
    ------
    ValueError : v does not have the shape of x

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
    """The gradient of the sum of g · v with respect to x."""
    total = np.zeros(x.shape, x.dtype)
    if g.requires_grad:
        for _, _, parent, share, _ in backward_pass(g, v):
            if parent is x:
                total += share
    return total


# --- a program of Tensors --------------------------------------------------------------------------------------------


def on_tensors(program: Program, values: dict[str, Any]) -> Any:
    """Run a program with Tensors among its inputs. Helpers that take arrays alone are replaced by ops."""
    namespace: dict[str, Any] = {}
    exec(program.helpers, namespace)
    for name, f in FOR_TENSORS.items():
        if name in namespace and namespace[name].__doc__ == getattr(ops, name).__doc__:
            namespace[name] = f
    namespace |= {name: value if isinstance(value, Tensor) else np.asarray(value) for name, value in values.items()}
    for line in program.forward + program.backward:
        if not line.target.endswith("]"):  # what layers keep is kept once, not here
            exec(str(line), namespace)
    return namespace[program.loss], {name: namespace[d] for name, d in program._results.items()}


def put_into(b: Array, *, shape: tuple[int, ...], index: Any) -> ops.Result:
    """y = zeros, with b added at index; its derivative is getitem"""
    return scatter_add(b, np.zeros(shape), index), lambda g: g[index]


def each_of(f: Any, a: Tensor) -> Tensor:
    """`ops.map_elements` with the ops that there are."""
    if f not in (math.erf, math.erfc):
        raise ValueError(f"map_elements({f.__name__}, a) is no op, so it cannot be differentiated once more")
    return Tensor.erf(a) if f is math.erf else 1 - Tensor.erf(a)


def others_of(a: Any, axis: Any) -> Any:
    """`ops.product_of_others` without a division: a table of the factors for each element, with 1 in its own place."""
    axes = range(a.ndim) if axis is None else [i % a.ndim for i in np.atleast_1d(axis)]
    order = [i for i in range(a.ndim) if i not in axes] + list(axes)
    last = np.transpose(a, order)
    rows = last.reshape(*last.shape[: a.ndim - len(axes)], 1, -1)
    products = np.where(np.eye(rows.shape[-1], dtype=bool), 1, rows).prod(axis=-1)
    return np.transpose(products.reshape(last.shape), np.argsort(order).tolist())


FOR_TENSORS: dict[str, Any] = {
    "scatter_add": lambda g, a, index: apply(put_into, g, shape=a.shape, index=index),
    "map_elements": each_of,
    "product_of_others": others_of,
}
