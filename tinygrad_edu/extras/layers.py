"""More layers: four activations, the two normalisations, softmax, flatten, embedding. Each is built from ops. Those for
pictures are in `pictures`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.layers import Activation, Layer
from ..core.tensor import Tensor, apply, as_tensor, no_grad, unwrap
from . import ops


class LeakyReLU(Activation):
    """y = x where x > 0, slope · x elsewhere, so that no neuron loses its gradient (`ops.leaky_relu`)."""

    op = staticmethod(ops.leaky_relu)

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Any) -> Tensor:
        return apply(ops.leaky_relu, x, slope=self.slope)


class ELU(Activation):
    """y = x where x > 0, alpha · (e^x - 1) elsewhere: smooth, and down to -alpha (`ops.elu`)."""

    op = staticmethod(ops.elu)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return apply(ops.elu, x, alpha=self.alpha)


class SiLU(Activation):
    """y = x · σ(x), also called swish (`ops.silu`)."""

    op = staticmethod(ops.silu)


class GELU(Activation):
    """y = x · Φ(x), with the distribution function Φ of the normal distribution (`ops.gelu`)."""

    op = staticmethod(ops.gelu)


class Norm(Layer):
    """The base of both normalisations: scale gamma and shift beta of each feature.

    Parameters
    ----------
    features : D, the length of the last axis
    eps : added to the variance, so that a constant feature does not divide by 0
    dtype : np.float64 or np.float32, of the parameters

    Raises
    ------
    ValueError : features is not a whole number of at least 1, or eps is below 0
    """

    def __init__(self, features: int, eps: float = 1e-5, dtype: Any = np.float64) -> None:
        if not isinstance(features, (int, np.integer)) or features < 1 or not eps >= 0:
            raise ValueError(f"features is a whole number, at least 1, and eps at least 0, got {features} and {eps}")
        self.in_features, self.eps = features, eps
        self.gamma = Tensor(np.ones(features, dtype), requires_grad=True, name="gamma")
        self.beta = Tensor(np.zeros(features, dtype), requires_grad=True, name="beta")

    def normal(self, d: Tensor, variance: Tensor) -> Tensor:
        """y = gamma · d / √(variance + eps) + beta"""
        return d / (variance + self.eps).sqrt() * self.gamma + self.beta

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_features})"


class LayerNorm(Norm):
    """y = gamma · (x - mean) / √(variance + eps) + beta, with mean and variance of each sample over its last axis.

    Samples do not depend on each other, so training and evaluation compute the same.

    Parameters
    ----------
    features : D, the length of the last axis of x (..., D); gamma and beta are (D,)
    eps : added to the variance, at least 0
    dtype : np.float64 or np.float32; inputs must have it

    Raises
    ------
    ValueError : features or eps out of range; an x whose last axis is not D long
    TypeError : x has the other float dtype

    References
    ----------
    Ba, Kiros & Hinton 2016, Layer normalization

    Examples
    --------
    >>> LayerNorm(2)([[1.0, 3.0]]).numpy().round(2)
    array([[-1.,  1.]])
    """

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(self.matched(x, self.gamma))
        d = x - x.mean(axis=-1, keepdims=True)
        return self.normal(d, (d * d).mean(axis=-1, keepdims=True))


class BatchNorm1d(Norm):
    """y = gamma · (x - mean) / √(variance + eps) + beta, with mean and variance of each feature over the batch.

    Training uses the batch's own mean and variance, and keeps running averages of them (of the unbiased variance, as
    in PyTorch). Evaluation uses the running averages, so that samples do not depend on each other.

    Parameters
    ----------
    features : D of inputs (N, D); gamma, beta and the running averages are (D,)
    eps : added to the variance, at least 0
    momentum : weight of the newest batch in the running averages, in [0, 1]
    dtype : np.float64 or np.float32; inputs must have it

    Raises
    ------
    ValueError : features, eps or momentum out of range; an x that is not (N, D); in training a batch of one sample,
        which has no variance
    TypeError : x has the other float dtype

    References
    ----------
    Ioffe & Szegedy 2015, Batch normalization

    Examples
    --------
    >>> layer = BatchNorm1d(1)
    >>> layer([[1.0], [3.0]]).numpy().round(2)
    array([[-1.],
           [ 1.]])
    >>> layer.running_mean  # 0 + 0.1 · (2 - 0)
    Tensor([0.2])
    """

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float64) -> None:
        super().__init__(features, eps, dtype)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum = {momentum}, but the weight of the newest batch is from 0 to 1")
        self.momentum = momentum
        self.running_mean = Tensor(np.zeros(features, dtype), name="running_mean")
        self.running_var = Tensor(np.ones(features, dtype), name="running_var")

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(self.matched(x, self.gamma))
        if x.ndim != 2:
            raise ValueError(f"{self!r} takes inputs of shape (N, {self.in_features}), got {x.shape}")
        if not self.training:
            return self.normal(x - self.running_mean, self.running_var)
        if len(x) < 2:
            raise ValueError(f"{self!r} needs at least 2 samples in training; use drop_last=True, or eval()")
        mean = x.mean(axis=0)
        d = x - mean
        variance = (d * d).mean(axis=0)
        with no_grad():
            self.running_mean.data = apply(moving_average, self.running_mean, mean, momentum=self.momentum)
            unbiased = apply(unbiased_variance, variance, d)
            self.running_var.data = apply(moving_average, self.running_var, unbiased, momentum=self.momentum)
        return self.normal(d, variance)


def moving_average(running: ops.Array, new: ops.Array, *, momentum: float) -> ops.Result:
    """y = running + momentum · (new - running)"""
    return running + momentum * (new - running), lambda g: g - momentum * g, lambda g: momentum * g


def unbiased_variance(variance: ops.Array, d: ops.Array) -> ops.Result:
    """y = variance · N / (N - 1), for the N rows of d"""
    return variance * len(d) / (len(d) - 1), lambda g: g * len(d) / (len(d) - 1), lambda g: np.zeros_like(d)


class Softmax(Layer):
    """y = e^x / Σ e^x over the last axis (`ops.softmax`). Not before `losses.cross_entropy`, which has it inside.

    Examples
    --------
    >>> Softmax()([[0.0, np.log(3.0)]])
    Tensor([[0.25, 0.75]])
    """

    def forward(self, x: Any) -> Tensor:
        return apply(ops.softmax, x)


class Flatten(Layer):
    """y = x of shape (N, ...) as (N, D): each sample becomes one row.

    Examples
    --------
    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        return x.reshape(len(x), int(np.prod(x.shape[1:])))


class Embedding(Layer):
    """y = W[x]: a row of numbers for each of count words, learned; x holds the words' numbers.

    Its gradient reaches the rows that x names, as often as it names them. The other rows get 0, so plain rules leave
    them alone, and those with averages or weight decay do not.

    Parameters
    ----------
    count : number of rows of W; the numbers in x are 0 to count - 1
    size : D, the length of a row
    dtype : np.float64 or np.float32, of W
    rng : generator or seed for W, from a normal distribution of deviation 1, as in PyTorch

    Shapes: x (...), of whole numbers; W (count, D); y (..., D).

    Raises
    ------
    ValueError : count or size is not a whole number of at least 1
    IndexError : x does not hold whole numbers from 0 to count - 1

    Examples
    --------
    >>> layer = Embedding(3, 2, rng=0)
    >>> layer.W.data = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    >>> layer(np.array([2, 0, 2]))
    Tensor([[4., 5.],
            [0., 1.],
            [4., 5.]], op=getitem)
    """

    def __init__(self, count: int, size: int, dtype: Any = np.float64, rng: Rng = None) -> None:
        numbers = np.random.default_rng(rng).standard_normal((count, size))
        self.count, self.size = int(count), int(size)
        self.W = Tensor(numbers.astype(dtype), requires_grad=True, name="W")

    def forward(self, x: Any) -> Tensor:
        rows = np.asarray(unwrap(x))
        if rows.dtype.kind not in "iu":
            raise IndexError(f"{self!r} takes whole numbers, got {rows.dtype}; say x.astype(int)")
        if rows.size and not (rows.min() >= 0 and rows.max() < self.count):
            outside = rows.min() if rows.min() < 0 else rows.max()
            raise IndexError(f"{self!r} takes numbers from 0 to {self.count - 1}, got {outside}")
        return self.W[x]

    def __repr__(self) -> str:
        return f"Embedding({self.count}, {self.size})"
