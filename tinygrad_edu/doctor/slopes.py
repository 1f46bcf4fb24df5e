"""Slopes of a function, measured by moving its inputs, and the error that rounding leaves in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array
from ..core.tensor import Observer, Tensor

STEP = 1e-5  # times max(1, |x|): near the best for central differences in float64
TOLERANCE = 1e-6  # relative


class Probe(NamedTuple):
    """A function of some tensors, ready to be measured.

    Attributes
    ----------
    loss : computes the function from the numbers that the tensors hold
    here : its value before any tensor is moved
    rounding : the error of that value, as `rounding_error` measures it
    tolerance : the relative error that a slope may have
    """

    loss: Callable[[], float]
    here: float
    rounding: float
    tolerance: float


class Slope(NamedTuple):
    """A central difference, a bound of its error, and True for kink if the function has no slope there."""

    value: float
    noise: float
    kink: bool


def slope(probe: Probe, t: Tensor, direction: Array) -> Slope:
    """Measure the slope along a direction of t.

    Where the function is smooth, a step ten times smaller leaves the slope as it is and shrinks the gap between the
    slopes to the right and to the left tenfold. Anything else is a corner, or the edge of the domain, within the
    step: smaller steps follow, as long as rounding leaves something to see.
    """
    step = STEP * max(1.0, float(np.abs(t.array[direction != 0]).max(initial=0)))
    before: tuple[float, float, float] | None = None
    for level in range(8):
        h = step / 10**level
        ahead, behind = both_ways(probe.loss, t, h * direction)
        if not np.isfinite(ahead - behind):
            continue
        found, gap = (ahead - behind) / (2 * h), abs(ahead - 2 * probe.here + behind) / h
        noise = 2 * probe.rounding / h
        if before is not None:
            wide, wide_gap, wide_noise = before
            drift = abs(found - wide)
            shrinking = gap <= 0.2 * wide_gap
            visible = level == 1 or noise <= 1e-3 * max(abs(found), gap)
            hidden = gap <= 0.2 * wide_gap + noise and visible  # rounding hides whether the gap shrinks
            steady = drift <= probe.tolerance / 4 * max(abs(found), abs(wide)) + noise
            if steady and (shrinking or hidden):
                return Slope(wide, wide_noise + 2 * drift + (0 if shrinking else wide_gap / 2), False)
        before = found, gap, noise
    return Slope(0.0, 0.0, True)


def both_ways(loss: Callable[[], float], t: Tensor, move: Array) -> tuple[float, float]:
    """Return the loss with t moved by ``move``, and by the opposite of it. t has its numbers back afterwards."""
    home = t.numpy()
    t.data = home + move
    ahead = loss()
    t.data = home - move
    behind = loss()
    t.data = home
    return ahead, behind


def differences(loss: Callable[[], float], t: Tensor, h: float) -> Array:
    """Return the gradient of t by central differences, each element moved by h."""
    found = np.zeros(t.shape)
    for index in np.ndindex(t.shape):
        ahead, behind = both_ways(loss, t, h * unit(t.shape, index))
        found[index] = (ahead - behind) / (2 * h)
    return found


def unit(shape: tuple[int, ...], index: tuple[int, ...]) -> Array:
    """Return the direction that moves one element alone."""
    direction = np.zeros(shape)
    direction[index] = 1
    return direction


def rounding_error(
    loss: Callable[[], float], here: float, tensors: Sequence[Tensor], rng: np.random.Generator
) -> float:
    """Measure the error of the loss that rounding causes.

    Steps of 1e-13 leave no slope and no curvature in the second difference: the rest is rounding. The size of the
    loss would not tell, because a loss may be a small difference of large numbers.
    """
    homes, seen = [t.numpy() for t in tensors], []
    with restored(tensors):
        for _ in range(8):
            away = [1e-13 * np.maximum(1, np.abs(x)) * rng.standard_normal(x.shape) for x in homes]
            ends = []
            for sign in (1, -1):
                for t, x, d in zip(tensors, homes, away, strict=True):
                    t.data = x + sign * d
                ends.append(loss())
            seen.append(abs(ends[0] - 2 * here + ends[1]))
    return 10 * max(seen) + 10 * np.finfo(float).eps * abs(here)


class restored(Observer):
    """Give the tensors their numbers back at the end of the block, and let them count as unchanged.

    So it does with every leaf whose ``data`` is assigned to inside, as batch norm does with its running means.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.before = dict[Tensor, tuple[Array, int, int | None]]()
        for t in tensors:
            self.write(t, None)

    def write(self, leaf: Tensor, value: Any) -> None:
        """Note what leaf holds before it is assigned to for the first time."""
        if leaf not in self.before:
            self.before[leaf] = leaf.numpy(), leaf.stamp, leaf.checksum

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for t, (data, stamp, checksum) in self.before.items():
            t.array[...], t.stamp, t.checksum = data, stamp, checksum
