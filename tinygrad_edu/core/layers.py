"""Layers: Tensors that are learned, and how they are used. A layer of layers is a layer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import FrameType
from typing import Any

import numpy as np

from ..guards.frames import outside
from . import init, ops
from .init import Initializer, Rng
from .tensor import Tensor, apply, as_tensor, no_grad, unwrap


class Layer:
    """What all layers share. A subclass sets Tensors and Layers as attributes, and writes ``forward``.

    Parameters and sub-layers are found by walking the attributes (and lists, tuples and dicts in them) in the order in
    which they were set: that order is the layout of the flat buffer. A Tensor that requires a gradient is a parameter;
    one that does not (a running mean) is saved and loaded with them, but not trained.

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
        """What the layer computes. Called as ``layer(x)``."""
        raise TypeError(f"{type(self).__name__} has no forward(self, x): a layer has to define it")

    def __call__(self, x: Any) -> Tensor:
        try:
            return self.forward(x)
        except (TypeError, ValueError) as error:
            caller: FrameType | None = sys._getframe(1)
            while caller is not None and caller.f_code is not Layer.__call__.__code__:
                caller = caller.f_back
            if caller is None:  # the outermost layer knows the whole path
                self._explain(error, x)
            raise

    def _explain(self, error: Exception, x: Any) -> None:
        """Say in which layer the error arose, and which shapes the layers before it gave; what the user's own code
        raised stays as it is."""
        frames, tb = list[FrameType](), error.__traceback__
        while tb is not None:
            frames.append(tb.tb_frame)
            tb = tb.tb_next
        at, where = 0, self
        for i, frame in enumerate(frames[1:], 1):  # not ours: it holds the error, and a frame keeps what it has shown
            if isinstance(frame.f_locals.get("self"), Layer):
                at, where = i, frame.f_locals["self"]
        refused = vars(error).get("refused")
        if refused is None and all(outside(frame) is frame for frame in frames[at:]):
            return
        path = next((path for path, layer in self.named_layers() if layer is where), "")
        what = f"{path} ({where!r})" if path else repr(where)
        if refused is None:
            error.add_note(f"in {what}")
        else:
            error.args = (f"{what} {refused}",)
        if path:
            layers, before = dict(self.named_layers()), []
            for earlier, (_, shape) in self._trial(x).items():
                if earlier == path:
                    break
                if not any(isinstance(value, Layer) for _, value in _contents(layers[earlier])):
                    before.append(f"{earlier} {layers[earlier]!r} gave {shape}")
            shapes = [f"the input {np.shape(unwrap(x))}", *["..."] * (len(before) > 6), *before[-6:]]
            error.add_note(f"shapes before it: {', '.join(shapes)}")

    def refuse(self, kind: type[Exception], problem: str) -> Exception:
        """The error to raise for an input that does not fit; the message will begin with the layer's path."""
        error = kind(f"{self!r} {problem}")
        vars(error)["refused"] = problem
        return error

    # --- what is in it ----------------------------------------------------------------------------------------------

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """This layer and all below it, each with its path, as ("layers.0", layer); its own path is ""."""
        yield prefix, self
        for name, value in _contents(self):
            if isinstance(value, Layer):
                yield from value.named_layers(f"{prefix}.{name}" if prefix else name)

    def _named_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for name, value in _contents(self):
            if isinstance(value, Tensor):
                if value.op is None:  # not an activation that forward() kept
                    yield prefix + name, value
            else:
                yield from value._named_tensors(f"{prefix}{name}.")

    def _tensors(self) -> dict[str, Tensor]:
        """Path to Tensor, in definition order; one that is used twice is listed once, where it comes first."""
        first: dict[int, tuple[str, Tensor]] = {}
        for path, t in self._named_tensors():
            first.setdefault(id(t), (path, t))
        return dict(first.values())

    named_tensors = _tensors

    def named_parameters(self) -> dict[str, Tensor]:
        """Path to parameter, as "layers.0.W", in definition order. The path becomes the parameter's name as well."""
        named = {path: t for path, t in self._tensors().items() if t.requires_grad}
        for path, parameter in named.items():
            parameter.name = path
        return named

    def parameters(self) -> list[Tensor]:
        """The parameters in definition order."""
        return list(self.named_parameters().values())

    def state_dict(self) -> dict[str, ops.Array]:
        """Path to a copy of the numbers, of everything that is learned or kept. Ready for np.savez."""
        return {path: t.numpy() for path, t in self._tensors().items()}

    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned.

        Raises
        ------
        ValueError : a name is missing or unknown, or a shape differs; nothing is changed then
        """
        ours = self._tensors()
        if set(state) != set(ours):
            missing, unknown = sorted(set(ours) - set(state)), sorted(set(state) - set(ours))
            raise ValueError(f"the state does not fit this model: missing {missing}, unknown {unknown}")
        for path, t in ours.items():
            if np.shape(state[path]) != t.shape:
                raise ValueError(f"{path} has shape {t.shape}, the state has {np.shape(state[path])}")
        for path, t in ours.items():
            t.data = state[path]

    # --- modes ------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Layer:
        """Set this layer and all below it to training (dropout drops, batch norm learns its statistics)."""
        for _, layer in self.named_layers():
            layer.training = mode
        return self

    def eval(self) -> Layer:
        """Set this layer and all below it to evaluation."""
        return self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode and no recording inside; after that every layer has the mode back that it had.

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

    # --- what it looks like ------------------------------------------------------------------------------------------

    def summary(self, input_shape: tuple[int, ...] | None = None, file: Any = None) -> None:
        """Print a table: each layer's path, shape in, shape out, number of parameters.

        Parameters
        ----------
        input_shape : of one sample; may be left out if the first layer says what it takes
        file : where to print, as for `print`

        Raises
        ------
        ValueError : input_shape is needed

        Examples
        --------
        >>> mlp([2, 3, 1]).summary()
        layer     kind        in  ->     out  parameters
        layers.0  Linear  (N, 2)  ->  (N, 3)           9
        layers.1  ReLU    (N, 3)  ->  (N, 3)           0
        layers.2  Linear  (N, 3)  ->  (N, 1)           4
        total                                         13
        """
        rows = [("layer", "kind", "in", "->", "out", "parameters")]
        shapes, counted = self._shapes(input_shape), set[int]()
        for path, layer in self.named_layers():
            own = [t for _, t in _contents(layer) if isinstance(t, Tensor) and t.requires_grad and id(t) not in counted]
            counted |= {id(t) for t in own}
            if own or not any(isinstance(value, Layer) for _, value in _contents(layer)):
                size = sum(t.size for t in own)
                rows.append((path or "-", type(layer).__name__, *shapes.get(path, ("?", "->", "?")), f"{size:,}"))
        rows.append(("total", "", "", "", "", f"{sum(p.size for p in self.parameters()):,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        for row in rows:
            aligned = [
                f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ]
            print("  ".join(aligned), file=file)

    def _shapes(self, input_shape: tuple[int, ...] | None) -> dict[str, tuple[str, str, str]]:
        """Path of each layer to its shapes in and out, seen by sending one sample of zeros through."""
        layers = list(self.named_layers())
        if input_shape is None:
            features = next((layer.in_features for _, layer in layers if hasattr(layer, "in_features")), None)
            if features is None:
                raise ValueError(
                    "no layer says what input it takes: call summary(input_shape=(...)), without the batch"
                )
            input_shape = (features,)
        dtype = next((p.dtype for p in self._tensors().values()), np.dtype(float))
        seen = self._trial(np.zeros((1, *input_shape), dtype), strict=True)
        return {path: (_batch_shape(given), "->", _batch_shape(got)) for path, (given, got) in seen.items()}

    def _trial(self, x: Any, strict: bool = False) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
        """Path of each layer to its shapes in and out, seen by sending x through once more, in evaluation mode; as far
        as that goes, unless strict."""
        layers = list(self.named_layers())
        seen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        try:
            for path, layer in layers:
                vars(layer)["forward"] = _watched(layer.forward, path, seen)
            with self.evaluating(), suppress(*[] if strict else [Exception]):
                (self if strict else self.forward)(x)
        finally:
            for _, layer in layers:
                vars(layer).pop("forward", None)
        return seen

    def __repr__(self) -> str:
        inside = ", ".join(repr(value) for _, value in _contents(self) if isinstance(value, Layer))
        return f"{type(self).__name__}({inside})"


def _contents(layer: Layer) -> Iterator[tuple[str, Any]]:
    """(name, value) of each attribute, and of each element of the lists, tuples and dicts among them."""
    todo = list(vars(layer).items())[::-1]
    while todo:
        name, value = todo.pop()
        if isinstance(value, (Tensor, Layer)):
            yield name, value
        elif isinstance(value, dict):
            todo += [(f"{name}.{key}", inner) for key, inner in value.items()][::-1]
        elif isinstance(value, (list, tuple)):
            todo += [(f"{name}.{i}", inner) for i, inner in enumerate(value)][::-1]


def _watched(
    forward: Callable[[Any], Tensor], path: str, seen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
) -> Callable[[Any], Tensor]:
    def watching(x: Any) -> Tensor:
        y = forward(x)
        seen[path] = np.shape(unwrap(x)), y.shape
        return y

    return watching


def _batch_shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['N', *map(str, shape[1:])])})" if len(shape) > 1 else "(N,)"


def _floats(layer: Layer, x: Any, like: Tensor) -> Any:
    """x, checked to have the layer's dtype; whole numbers take it. Not converted silently: half of a model in another
    precision is slow and hard to find."""
    if not isinstance(x, (Tensor, np.ndarray)):
        x = as_tensor(x)
    if x.dtype == like.dtype:
        return x
    if x.dtype.kind in "iub":
        return unwrap(x).astype(like.dtype)
    if x.dtype.kind != "f":
        raise TypeError(f"expected real numbers, got {x.dtype}")
    other = f", or build the layer with dtype=np.{x.dtype}" if x.dtype in (np.float32, np.float64) else ""
    raise layer.refuse(TypeError, f"is {like.dtype} and got {x.dtype}; say x.astype(np.{like.dtype}){other}")


class Linear(Layer):
    """y = x @ W + b: every output is a weighted sum of all inputs.

    Parameters
    ----------
    in_features, out_features : D and C
    bias : whether there is a b; it starts at 0
    init : a function of `init` for W
    dtype : np.float64 or np.float32; inputs must have it
    rng : generator or seed for W

    Shapes: x (..., D), W (D, C), b (C,), y (..., C).

    Raises
    ------
    ValueError : sizes that are not whole numbers of at least 1; an x whose last axis is not in_features long
    TypeError : x has the other float dtype

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
        for size in (in_features, out_features):
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(
                    f"a Linear layer's sizes are whole numbers, at least 1, got {in_features} and {out_features}"
                )
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.W = Tensor(init((in_features, out_features), rng, dtype), requires_grad=True, name="W")
        self.b = Tensor(np.zeros(out_features, dtype), requires_grad=True, name="b") if bias else None

    def forward(self, x: Any) -> Tensor:
        if getattr(x, "dtype", None) is not self.W.array.dtype:
            x = _floats(self, x, self.W)
        try:
            return Tensor.matmul(x, self.W) if self.b is None else Tensor.linear(x, self.W, self.b)
        except ValueError:
            if x.shape[-1:] == (self.in_features,):
                raise
            raise self.refuse(ValueError, f"takes inputs of shape (N, {self.in_features}), got {x.shape}") from None

    def __repr__(self) -> str:
        return f"Linear({self.in_features}, {self.out_features}{'' if self.b is not None else ', bias=False'})"


class ReLU(Layer):
    """`ops.relu` as a layer."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.relu, x)


class LeakyReLU(Layer):
    """`ops.leaky_relu` as a layer; slope is the derivative below 0."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Any) -> Tensor:
        return apply(ops.leaky_relu, x, slope=self.slope)


class ELU(Layer):
    """`ops.elu` as a layer; alpha is how far below 0 it goes."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return apply(ops.elu, x, alpha=self.alpha)


class SiLU(Layer):
    """`ops.silu` as a layer."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.silu, x)


class GELU(Layer):
    """`ops.gelu` as a layer."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.gelu, x)


class Tanh(Layer):
    """`ops.tanh` as a layer."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.tanh, x)


class Sigmoid(Layer):
    """`ops.sigmoid` as a layer."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.sigmoid, x)


class Softplus(Layer):
    """`ops.softplus` as a layer."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.softplus, x)


class Softmax(Layer):
    """`ops.softmax` over the last axis, as a layer. Not before `losses.cross_entropy`, which has it inside."""

    def forward(self, x: Any) -> Tensor:
        return apply(ops.softmax, x)


class Flatten(Layer):
    """(N, ...) to (N, D): each sample becomes one row."""

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        return x.reshape(len(x), int(np.prod(x.shape[1:])))


class Dropout(Layer):
    """In training each element is set to 0 with probability p and the others are divided by 1 - p, so that the
    expectation stays; in evaluation nothing happens (Srivastava et al. 2014, in the inverted form).

    Parameters
    ----------
    p : in [0, 1)
    rng : generator or seed for what is dropped

    Examples
    --------
    >>> Dropout(0.5, rng=0).eval()(Tensor([1.0, 2.0]))
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
        kept = self.rng.random(x.shape) >= self.p
        mask = Tensor(kept.astype(x.dtype) / (1 - self.p), name="mask")
        mask.kwargs = {"rng": self.rng, "p": self.p}  # how it was drawn: a compiled step draws its own
        return apply(ops.mul, x, mask)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"


class _Norm(Layer):
    """What the two normalisations share: their numbers, and the scale and shift that come last."""

    def __init__(self, features: int, eps: float, dtype: Any) -> None:
        if not isinstance(features, (int, np.integer)) or features < 1 or not eps >= 0:
            raise ValueError(f"features is a whole number, at least 1, and eps at least 0, got {features} and {eps}")
        self.in_features, self.eps = features, eps
        self.gamma = Tensor(np.ones(features, dtype), requires_grad=True, name="gamma")
        self.beta = Tensor(np.zeros(features, dtype), requires_grad=True, name="beta")

    def take(self, x: Any) -> Tensor:
        """x as a Tensor, checked to be of the layer's dtype and features."""
        x = as_tensor(_floats(self, x, self.gamma))
        if x.shape[-1:] != (self.in_features,):
            raise self.refuse(ValueError, f"takes inputs of shape (N, {self.in_features}), got {x.shape}")
        return x

    def normal(self, d: Tensor, variance: Tensor) -> Tensor:
        """gamma · d / √(variance + eps) + beta"""
        return d / (variance + self.eps).sqrt() * self.gamma + self.beta

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_features})"


def _towards(running: ops.Array, new: ops.Array, *, momentum: float) -> ops.Result:
    """y = running + momentum · (new - running); a moving average"""
    return running + momentum * (new - running), lambda g: g - momentum * g, lambda g: momentum * g


def _unbiased(variance: ops.Array, d: ops.Array) -> ops.Result:
    """y = variance · N / (N - 1); for the N rows of d"""
    return variance * len(d) / (len(d) - 1), lambda g: g * len(d) / (len(d) - 1), lambda g: np.zeros_like(d)


class LayerNorm(_Norm):
    """Each sample to mean 0 and variance 1 over its last axis, then gamma · x + beta (Ba, Kiros & Hinton 2016).

    Parameters
    ----------
    features : D, the length of the last axis
    eps : added to the variance

    Examples
    --------
    >>> LayerNorm(2)([[1.0, 3.0]]).numpy().round(2)
    array([[-1.,  1.]])
    """

    def __init__(self, features: int, eps: float = 1e-5, dtype: Any = np.float64) -> None:
        super().__init__(features, eps, dtype)

    def forward(self, x: Any) -> Tensor:
        x = self.take(x)
        d = x - x.mean(axis=-1, keepdims=True)
        return self.normal(d, (d * d).mean(axis=-1, keepdims=True))


class BatchNorm1d(_Norm):
    """Each feature to mean 0 and variance 1 over the batch, then gamma · x + beta (Ioffe & Szegedy 2015).

    In training the batch's own mean and variance are used, and running averages of them are kept (of the unbiased
    variance, as in PyTorch); in evaluation the running averages are used, so that samples do not depend on each other.

    Parameters
    ----------
    features : D of inputs (N, D)
    eps : added to the variance
    momentum : weight of the newest batch in the running averages, in [0, 1]

    Raises
    ------
    ValueError : a batch of one sample in training: it has no variance

    Examples
    --------
    >>> BatchNorm1d(1)([[1.0], [3.0]]).numpy().round(2)
    array([[-1.],
           [ 1.]])
    """

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float64) -> None:
        super().__init__(features, eps, dtype)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum = {momentum}, but the weight of the newest batch is from 0 to 1")
        self.momentum = momentum
        self.running_mean = Tensor(np.zeros(features, dtype), name="running_mean")
        self.running_var = Tensor(np.ones(features, dtype), name="running_var")

    def forward(self, x: Any) -> Tensor:
        x = self.take(x)
        if x.ndim != 2:
            raise self.refuse(ValueError, f"takes inputs of shape (N, {self.in_features}), got {x.shape}")
        if not self.training:
            return self.normal(x - self.running_mean, self.running_var)
        if len(x) < 2:
            raise self.refuse(ValueError, "needs at least 2 samples in training; use drop_last=True, or eval()")
        mean = x.mean(axis=0)
        d = x - mean
        variance = (d * d).mean(axis=0)
        with no_grad():
            self.running_mean.data = apply(_towards, self.running_mean, mean, momentum=self.momentum)
            unbiased = apply(_unbiased, variance, d)
            self.running_var.data = apply(_towards, self.running_var, unbiased, momentum=self.momentum)
        return self.normal(d, variance)


class Sequential(Layer):
    """Layers one after the other.

    Examples
    --------
    >>> Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    """

    def __init__(self, *layers: Layer) -> None:
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential takes layers, got {type(layer).__name__}")
        self.layers = list(layers)

    def forward(self, x: Any) -> Tensor:
        for layer in self.layers:
            x = layer.forward(x)
        return as_tensor(x)

    def __getitem__(self, i: int) -> Layer:
        return self.layers[i]

    def __len__(self) -> int:
        return len(self.layers)


ACTIVATIONS: dict[str, tuple[type[Layer], Initializer]] = {  # and the initial weights that suit each
    "relu": (ReLU, init.he_normal),
    "leaky_relu": (LeakyReLU, init.he_normal),
    "elu": (ELU, init.he_normal),
    "silu": (SiLU, init.he_normal),
    "gelu": (GELU, init.he_normal),
    "tanh": (Tanh, init.glorot_uniform),
    "sigmoid": (Sigmoid, init.glorot_uniform),
    "softplus": (Softplus, init.he_normal),
}


def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    dropout: float = 0.0,
    dtype: Any = np.float64,
    rng: Rng = None,
) -> Sequential:
    """A multi-layer perceptron: Linear, activation (and dropout) in turn, ending with a Linear of plain scores.

    Parameters
    ----------
    sizes : features in, hidden sizes, features out, as [64, 32, 10]
    activation : one of `ACTIVATIONS`; it chooses the initial weights too
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
    rng = np.random.default_rng(rng)
    kind, hidden = ACTIVATIONS[activation]
    layers: list[Layer] = []
    for features, out in pairwise(sizes[:-1]):
        layers += [Linear(features, out, init=hidden, dtype=dtype, rng=rng), kind()]
        if dropout:
            layers.append(Dropout(dropout, rng))
    return Sequential(*layers, Linear(sizes[-2], sizes[-1], dtype=dtype, rng=rng))
