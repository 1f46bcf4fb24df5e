"""The learning-rate range test: try all rates in one short run, look at the curve, start with the suggestion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.losses import cross_entropy
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.optimizers import Adam
from ..core.tensor import Tensor
from ..guards.kinds import is_whole, real
from ..guards.loss_hints import require_loss
from ..guards.samples import input_dtype
from .data import batches, finite
from .fit import require_kinds
from .scores import Loss
from .states import generators


class RangeTest(NamedTuple):
    """The result of `lr_find`; `plots.lr_curve` draws it.

    rates, losses : the rate of each update, and the loss of its batch just before it
    smoothed : the moving average of the losses
    suggestion : a learning rate to start with; None if the loss never fell, or exploded within the first tenth
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float | None

    def __repr__(self) -> str:
        found = "no suggestion" if self.suggestion is None else f"suggestion {self.suggestion:.1e}"
        return f"RangeTest({len(self.rates)} rates from {self.rates[0]:.1e} to {self.rates[-1]:.1e}, {found})"


def lr_find(
    model: Layer,
    X: Any,
    y: Any,
    loss: Loss = cross_entropy,
    optimizer: Optimizer | None = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int | None = 32,
    rng: Rng = None,
) -> RangeTest:
    """Train for some batches with a learning rate that grows from low to high by a constant factor; suggest one.

    The losses are smoothed by a moving average over about a tenth of the steps, debiased as in Adam. In the first tenth
    of the steps the average covers only a few batches, so nothing is concluded from it there. The test ends before high
    if a loss or a gradient is not finite, or if the smoothed loss exceeds its least value by three times its first.

    The suggestion is a tenth of the rate at which the smoothed loss is least. At the minimum an update spoils as much
    as it mends, so the rate for a whole training lies well below. (If the loss falls until the end, the suggestion is
    high / 10: look at the curve, and raise high.) The other usual rule, the rate at which the loss falls most steeply,
    compares neighbouring losses, and so depends more on the noise of single batches.

    Parameters
    ----------
    model, X, y, loss, batch_size, rng : as for `fit`, but a last batch that is shorter is left out
    optimizer : over the model's parameters; all groups get the same rate. `Adam` with its defaults if None
    low, high : learning rates, 0 < low < high
    steps : updates to try, at least 10; as many epochs as they take

    Returns
    -------
    RangeTest : rates, losses, smoothed losses and the suggestion. Model and optimizer are left exactly as they were:
        numbers, gradients, statistics, modes, the generators of Dropout, averages, t, lr

    Raises
    ------
    ValueError : as for `fit`; low, high or steps out of range; a first loss that is not finite
    TypeError : as for `fit`

    References
    ----------
    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3.

    Examples
    --------
    >>> from tinygrad_edu import mlp
    >>> from tinygrad_edu.training import data
    >>> model, (X, y) = mlp([2, 8, 3], rng=0), data.blobs(90, rng=0)
    >>> found = lr_find(model, X, y, rng=0)
    >>> 0.01 < found.suggestion < 1
    True
    """
    require_kinds(model, loss, optimizer)
    X, y = finite("X", X), finite("y", y)
    if not is_whole(steps) or steps < 10:
        raise ValueError(f"steps = {steps}, but it has to be a whole number, at least 10")
    real("low", low)
    real("high", high)
    if not 0 < low < high < np.inf:
        raise ValueError(f"low = {low} and high = {high}, but they have to be finite, and 0 < low < high")
    rng = np.random.default_rng(rng)
    epochs = (batches(X, y, batch_size, rng=rng, drop_last=True) for _ in count())
    dtype = input_dtype(model, X)
    rates = np.geomspace(low, high, int(steps))
    losses: list[float] = []
    smoothed: list[float] = []
    beta, average, first = 1 - 10 / steps, 0.0, int(steps) // 10 - 1
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with _left_as_it_was(model, optimizer), quiet:
        optimizer = Adam(model) if optimizer is None else optimizer
        for value in _losses(model, loss, optimizer, rates, chain.from_iterable(epochs), dtype):
            if not np.isfinite(value):
                break
            losses.append(value)
            average = beta * average + (1 - beta) * value
            smoothed.append(average / (1 - beta ** len(losses)))
            if len(losses) > first and smoothed[-1] - min(smoothed[first:]) > 3 * abs(smoothed[first]):
                break
    if not losses:
        raise ValueError(f"the loss is {value} before the first update; no learning rate mends that")
    least = first + int(np.argmin([*smoothed[first:], np.inf]))
    suggestion = float(rates[least]) / 10 if first < least < len(losses) else None
    return RangeTest(rates[: len(losses)], np.array(losses), np.array(smoothed), suggestion)


def _losses(
    model: Layer, loss: Loss, optimizer: Optimizer, rates: Array, samples: Iterator[tuple[Array, Array]], dtype: Any
) -> Iterator[float]:
    """Yield the loss of each batch, then take the step with the next rate; end before a gradient that is not finite."""
    model.train()
    for lr, (xb, yb) in zip(rates, samples):
        optimizer.zero_grad()
        cost = loss(model(xb.astype(dtype, copy=False)), yb)
        require_loss(cost)
        yield float(cost.item())
        cost.backward()
        if not all(np.isfinite(p.grad).all() for p in optimizer.params if p.grad is not None):
            return
        optimizer.lr = float(lr)
        optimizer.step()


# --- no trace ---------------------------------------------------------------------------------------------------------


@contextmanager
def _left_as_it_was(model: Layer, optimizer: Optimizer | None) -> Iterator[None]:
    """Put model and optimizer back as they are now: every number, in the memory where it lies."""
    layers = [layer for _, layer in model.named_layers()]
    modes = [layer.training for layer in layers]
    draws = [(rng, rng.bit_generator.state) for rng in generators(model).values()]
    tensors = {id(t): t for t in [*model.named_tensors().values(), *(optimizer.params if optimizer else [])]}
    put_back = [_tensor_as_it_was(t) for t in tensors.values()]
    if optimizer:
        put_back.append(_optimizer_as_it_was(optimizer))
    try:
        yield
    finally:
        for layer, mode in zip(layers, modes):
            layer.training = mode
        for rng, before in draws:
            rng.bit_generator.state = before
        for function in put_back:
            function()


def _tensor_as_it_was(t: Tensor) -> Callable[[], None]:
    """Return a function that puts t back; its stamp is a new one, so that graphs recorded in between are noticed."""
    slots = {slot: getattr(t, slot) for slot in Tensor.__slots__ if slot not in ("stamp", "__weakref__")}
    values, slopes = t.numpy(), None if t.grad is None else t.grad.copy()

    def put_back() -> None:
        for slot, value in slots.items():
            setattr(t, slot, value)
        t.array.setflags(write=True)  # another buffer may have taken its place
        t.data = values  # in place
        if t.grad is not None:
            t.grad[...] = slopes

    return put_back


def _optimizer_as_it_was(optimizer: Optimizer) -> Callable[[], None]:
    """Return a function that puts the optimizer's state and the numbers of its groups back."""
    state, groups = optimizer.state_dict(), [dict(group) for group in optimizer.groups]

    def put_back_groups() -> None:
        for group, before in zip(optimizer.groups, groups, strict=True):
            group.update(before)

    def put_back() -> None:
        put_back_groups()  # a state has no rates that are functions, and is refused where the groups have numbers
        optimizer.load_state_dict(state)
        put_back_groups()  # a state has floats where the groups have whole numbers

    return put_back
