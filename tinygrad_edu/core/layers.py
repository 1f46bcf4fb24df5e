"""Layers: Tensors that are learned, and what is computed with them. A layer may be made of layers.

Look first at `Linear`, which makes two parameters and applies one op, and at `Sequential`. `Layer`, their base, finds
the parameters of any layer, and saves and loads them. `mlp` builds a whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from reprlib import recursive_repr
from typing import Any

import numpy as np

from . import init, ops
from .init import Initializer, Rng
from .methods import LayerMethods
from .tensor import Tensor, apply, as_tensor, no_grad, unwrap


class Layer(LayerMethods):
    """The base of all layers. A subclass sets Tensors and Layers as attributes, and writes ``forward``.

    Parameters and sub-layers are found by walking the attributes, and lists, tuples and dicts in them, in the order in
    which they were set. In that order the parameters lie in an optimizer's flat buffer. A Tensor that requires a
    gradient is a parameter; one that requires none, as a running mean, is saved and loaded but not trained.

    Examples
    --------
    >>> class Scale(Layer):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0, requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(Tensor([1.0, 2.0]))
    Tensor([2., 4.], op=mul)
    """

    training = True

    def forward(self, x: Any) -> Tensor:
        """Compute the output of the layer. Called as ``layer(x)``."""
        raise TypeError(f"{type(self).__name__} has no forward(self, x): a layer has to define it")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.forward(*inputs, **named)

    def matched(self, x: Any, like: Tensor) -> Any:
        """Return x in the dtype of like, a parameter. `guards.install` puts a version here that refuses a misfit."""
        return x if unwrap(x).dtype == like.dtype else unwrap(x).astype(like.dtype)

    # --- its parts --------------------------------------------------------------------------------------------------

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Yield (path, layer) of this layer, whose path is "", and of all below it, as ("layers.0", layer)."""
        yield "", self
        yield from ((path, value) for path, value in contents(self, below=True) if isinstance(value, Layer))

    def named_tensors(self) -> dict[str, Tensor]:
        """Return the Tensors that are saved, parameters and others, by path, in the order of their definition.

        A Tensor that is found twice is listed once, under its first path.

        Raises
        ------
        ValueError : two Tensors have one path, as those of the keys 1 and "1" of a dict: one of them would be lost
        """
        found = dict[str, Tensor]()
        for path, t in contents(self, below=True):
            if isinstance(t, Tensor) and t.op is None and found.setdefault(path, t) is not t:  # forward() keeps others
                raise ValueError(f"{type(self).__name__} has two Tensors with the path {path}; rename a key")
        first = {t: path for path, t in reversed(found.items())}
        return {first[t]: t for t in found.values()}

    def named_parameters(self) -> dict[str, Tensor]:
        """Return the parameters by path, as "layers.0.W", in the order of definition. The path becomes the name."""
        named = {path: t for path, t in self.named_tensors().items() if t.requires_grad}
        for path, parameter in named.items():
            parameter.name = path
        return named

    def parameters(self) -> list[Tensor]:
        """Return the parameters in the order of their definition."""
        return list(self.named_parameters().values())

    # --- training and evaluation ------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Layer:
        """Set this layer and all below it to training, where dropout drops and batch norm learns its statistics."""
        for _, layer in self.named_layers():
            layer.training = mode
        return self

    def eval(self) -> Layer:
        """Set this layer and all below it to evaluation."""
        return self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Set all to evaluation and record no graph, inside ``with``; then give every layer its former mode back.

        Examples
        --------
        >>> drop = Dropout(0.5, rng=0)
        >>> with drop.evaluating():
        ...     drop([1.0, 2.0])
        Tensor([1., 2.])
        >>> drop.training
        True
        """
        modes = [(layer, layer.training) for _, layer in self.named_layers()]
        try:
            self.eval()
            with no_grad():
                yield
        finally:
            for layer, mode in modes:
                layer.training = mode

    @recursive_repr("...")
    def __repr__(self) -> str:
        inside = ", ".join(repr(value) for _, value in contents(self) if isinstance(value, Layer))
        return f"{type(self).__name__}({inside})"


def contents(layer: Layer, below: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of each Tensor and Layer among the attributes, and in the lists, tuples and dicts there.

    below : walk into these layers too. Each layer and container is walked once, even if it contains itself.
    """
    todo, walked = [("", layer)], set[int]()
    while todo:
        path, value = todo.pop()  # the last one: what a value holds, put there in reverse, comes before what follows it
        if path and isinstance(value, (Tensor, Layer)):
            yield path, value
        if id(value) not in walked and (below or value is layer or not isinstance(value, Layer)):
            walked.add(id(value))
            todo += [(f"{path}.{name}" if path else str(name), x) for name, x in held(value)][::-1]


def held(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return what a layer, a list, a tuple or a dict holds: (attribute, index or key, value) of each; else nothing."""
    inside = vars(value) if isinstance(value, Layer) else value
    return (
        inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, (list, tuple)) else ()
    )


class Linear(Layer):
    """y = x @ W + b: every output is a weighted sum of all inputs.

    Parameters
    ----------
    in_features, out_features : D and C
    bias : whether b is added; it starts at 0
    init : a function of `init` for W
    dtype : of the parameters, np.float64 or np.float32. Inputs must have it too; whole numbers are converted
    rng : generator or seed for W

    Shapes: x (..., D), W (D, C), b (C,), y (..., C).

    Raises
    ------
    ValueError : a size is not a whole number, at least 1; or the last axis of x is not in_features long
    TypeError : x has the other float dtype (raised by `guards.error_path.matched`)

    Examples
    --------
    >>> layer = Linear(2, 1, rng=0)
    >>> layer.W.data = [[1.0], [2.0]]
    >>> layer([[3.0, 4.0]])
    Tensor([[11.]], op=linear)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        init: Initializer = init.glorot_uniform,
        dtype: Any = np.float64,
        rng: Rng = None,
    ) -> None:
        sizes = in_features, out_features
        if not all(isinstance(size, (int, np.integer)) and size >= 1 for size in sizes):
            raise ValueError(f"a Linear layer's sizes are whole numbers, at least 1, got {sizes[0]} and {sizes[1]}")
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.W = Tensor(init(sizes, rng, dtype), requires_grad=True, name="W")
        self.b = Tensor(np.zeros(out_features, dtype), requires_grad=True, name="b") if bias else None

    def forward(self, x: Any) -> Tensor:
        x = self.matched(x, self.W)
        # apply(ops.linear, ...), but for other shapes of x than (N, D): see `extras.numpy_functions.linear`
        return Tensor.linear(x, self.W, self.b) if self.b is not None else Tensor.matmul(x, self.W)

    def __repr__(self) -> str:
        return f"Linear({self.in_features}, {self.out_features}{'' if self.b is not None else ', bias=False'})"


# --- activations: what bends the straight lines between two Linear layers ---------------------------------------------


ACTIVATIONS: dict[str, type[Activation]] = {}  # by the name of the op; a subclass of Activation enters itself


class Activation(Layer):
    """A function without parameters, mostly of each element. A subclass names its op and the weights that suit it.

    Attributes
    ----------
    op : the function of `ops`
    weights : the function of `init` for the Linear layer before this one

    Examples
    --------
    >>> Sigmoid()([0.0, np.log(3.0)])
    Tensor([0.5 , 0.75])
    """

    op: Callable[..., ops.Result]
    weights: Initializer = staticmethod(init.he_normal)

    def __init_subclass__(cls) -> None:
        ACTIVATIONS[cls.op.__name__] = cls

    def forward(self, x: Any) -> Tensor:
        return apply(self.op, x)


class ReLU(Activation):
    """y = max(0, x): the usual choice. Its gradient does not shrink, however deep the network (`ops.relu`)."""

    op = staticmethod(ops.relu)


class Tanh(Activation):
    """y = tanh(x): from -1 to 1, and flat at both ends (`ops.tanh`)."""

    op = staticmethod(ops.tanh)
    weights = staticmethod(init.glorot_uniform)


class Sigmoid(Activation):
    """y = 1 / (1 + e^-x): from 0 to 1, and flat at both ends (`ops.sigmoid`)."""

    op = staticmethod(ops.sigmoid)
    weights = staticmethod(init.glorot_uniform)


class Softplus(Activation):
    """y = ln(1 + e^x): a ReLU without the kink (`ops.softplus`)."""

    op = staticmethod(ops.softplus)


# --- layers around others ---------------------------------------------------------------------------------------------


def dropout_mask(*, shape: tuple[int, ...], dtype: Any, p: float, rng: np.random.Generator) -> ops.Result:
    """y = 0 with probability p, else 1 / (1 - p); an op, so that a program knows how to draw another mask"""
    return ((rng.random(shape) >= p).astype(dtype) / (1 - p),)


class Dropout(Layer):
    """y = x · mask: in training each element is set to 0 with probability p, the others are divided by 1 - p.

    The division keeps the expectation of y, so evaluation needs no factor: there y = x. In training no neuron can rely
    on a single other one, which counters overfitting.

    Parameters
    ----------
    p : probability to drop, in [0, 1)
    rng : generator or seed for the masks

    Raises
    ------
    ValueError : p is outside [0, 1)

    References
    ----------
    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting; here in the inverted form

    Examples
    --------
    >>> Dropout(0.5, rng=0)([1.0, 1.0, 1.0, 1.0])
    Tensor([2., 0., 0., 0.])
    >>> Dropout(0.5, rng=0).eval()([1.0, 2.0])
    Tensor([1., 2.])
    """

    def __init__(self, p: float = 0.5, rng: Rng = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"p = {p}, but the probability to drop is at least 0 and below 1")
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if not self.training or self.p == 0:
            return x
        mask = apply(dropout_mask, shape=x.shape, dtype=x.dtype, p=self.p, rng=self.rng)
        mask.name = "mask"
        return x * mask

    def __repr__(self) -> str:
        return f"Dropout({self.p})"


class Sequential(Layer):
    """y = f_n(... f_2(f_1(x))): layers one after the other.

    Parameters
    ----------
    layers : f_1, f_2, ..., in the order in which x passes through them

    Raises
    ------
    TypeError : something that is no layer

    Examples
    --------
    >>> model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    >>> model
    Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    >>> model[1], len(model)
    (ReLU(), 3)
    """

    def __init__(self, *layers: Layer) -> None:
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential takes layers, such as ReLU(), got {layer!r:.60}")
        self.layers = list(layers)

    def forward(self, x: Any) -> Tensor:
        for layer in self.layers:
            x = layer.forward(x)  # layer(x) would only guard again what the call of this layer guards
        return x if isinstance(x, (Tensor, tuple, dict)) else as_tensor(x)  # type: ignore[return-value]  # several outputs

    def __getitem__(self, i: int | slice) -> Layer:
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]

    def __len__(self) -> int:
        return len(self.layers)


def mlp(
    sizes: Sequence[int], activation: str = "relu", dropout: float = 0.0, dtype: Any = np.float64, rng: Rng = None
) -> Sequential:
    """Build a multi-layer perceptron: Linear, activation (and dropout) in turn, then a Linear that gives plain scores.

    Parameters
    ----------
    sizes : features in, hidden sizes, features out, as [64, 32, 10]
    activation : one of `ACTIVATIONS`; it decides the initial weights too
    dropout : probability to drop after each hidden activation
    dtype : of the parameters, np.float64 or np.float32
    rng : generator or seed for weights and dropout

    Raises
    ------
    ValueError : fewer than two sizes, or an activation that does not exist

    Examples
    --------
    >>> mlp([2, 16, 2], activation="tanh", rng=0)
    Sequential(Linear(2, 16), Tanh(), Linear(16, 2))
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp needs at least the features in and the features out, got sizes {list(sizes)}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"no activation {activation!r}; there are {', '.join(ACTIVATIONS)}")
    rng, kind = np.random.default_rng(rng), ACTIVATIONS[activation]
    layers: list[Layer] = []
    for features, out in pairwise(sizes[:-1]):
        layers += [Linear(features, out, init=kind.weights, dtype=dtype, rng=rng), kind()]
        if dropout:
            layers.append(Dropout(dropout, rng))
    return Sequential(*layers, Linear(sizes[-2], sizes[-1], dtype=dtype, rng=rng))
