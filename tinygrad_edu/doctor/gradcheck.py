"""Is this gradient right? Compare it with the slope that one sees by moving the input a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..core.tensor import Tensor, backward_pass, no_grad, thread

STEP = 1e-5  # times max(1, |x|): near the best for central differences in float64
TOLERANCE = 1e-6


class Gradcheck:
    """What `gradcheck` found.

    Attributes
    ----------
    error : the largest relative difference between the gradient and the slope
    checked : how many elements and directions were compared
    faint : how many more had slopes so small that rounding hides them: no disagreement, and no proof
    kinks : where the function has a corner, so that there is no one slope to compare with: (input, index) pairs
    """

    def __init__(self) -> None:
        self.error, self.checked, self.faint = 0.0, 0, 0
        self.kinks: list[tuple[str, tuple[int, ...]]] = []

    def __repr__(self) -> str:
        one = self.checked == 1
        text = f"{self.checked} slope{'' if one else 's'} agree{'s' * one} with the gradient"
        text += f", largest relative difference {self.error:.1e}"
        if self.faint:
            text += f"; {self.faint} too small to judge"
        if self.kinks:
            name, index = self.kinks[0]
            text += f"; {len(self.kinks)} passed over at kinks, the first at {name}{list(index) if index else ''}"
        return text


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    tolerance: float = TOLERANCE,
    directions: int = 4,
    elements: int = 64,
    rng: Rng = 0,
) -> Gradcheck:
    """Compare the gradient of f with central differences, (f(x + h) - f(x - h)) / 2h, in float64.

    An output that is not a single number is weighted by random numbers and summed, so that a mistake in any element
    shows. Each input is moved along several random directions, and along each of its elements (a random choice of
    them if it is large). Where the slopes to the left and to the right differ, the step is made smaller; if they go on
    differing there is a corner (relu at 0), which is reported and not judged.

    Parameters
    ----------
    f : takes the inputs as Tensors and returns a Tensor. It has to return the same for the same input, so no dropout
    inputs : arrays or numbers, which are copied as float64; or float64 Tensors that require a gradient, such as the
        parameters of a model that f uses: these are moved themselves, and put back
    tolerance : the largest relative difference allowed
    directions : random directions for each input
    elements : how many elements of each input to check one by one
    rng : generator or seed

    Returns
    -------
    Gradcheck : how large the differences were and where there were kinks

    Raises
    ------
    AssertionError : a gradient is wrong: which input, which element, both numbers
    TypeError : a Tensor that is not float64; an f that does not return a Tensor
    ValueError : no inputs, or numbers out of range; f returned NaN or infinity, or different values for the same
        input; or nothing could be checked, because all is kinks or too small

    Examples
    --------
    >>> gradcheck(lambda x: x * x * x, [1.0, 2.0]).checked
    6
    >>> from tinygrad_edu.core.tensor import apply
    >>> def square(a):  # a wrong derivative: a instead of 2a
    ...     return a * a, lambda g: g * a
    >>> gradcheck(lambda x: apply(square, x), [3.0])
    Traceback (most recent call last):
        ...
    AssertionError: input 0 along [0]: the gradient says 3, the slope is 6 (ratio 0.5)
    """
    if not (tolerance > 0 and directions >= 0 and elements >= 0):
        raise ValueError(
            f"tolerance = {tolerance} has to be above 0, directions = {directions} and elements = {elements} at least 0"
        )
    if not inputs:
        raise ValueError("gradcheck needs at least one input to move")
    if not thread.recording:
        raise RuntimeError("gradcheck cannot see a gradient under no_grad()")
    rng = np.random.default_rng(rng)
    tensors = [_movable(x) for x in inputs]
    with _put_back(tensors), np.errstate(all="ignore"):
        return _check(f, tensors, tolerance, directions, elements, rng)


def _check(
    f: Callable[..., Any],
    tensors: list[Tensor],
    tolerance: float,
    directions: int,
    elements: int,
    rng: np.random.Generator,
) -> Gradcheck:
    with no_grad():
        y = _output(f, tensors)
    weights = np.ones(y.shape)
    if y.size != 1:
        weights = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1, 1], y.shape)

    def loss() -> float:
        with no_grad():
            return float((_output(f, tensors).array * weights).sum())

    here = loss()
    if not np.isfinite(here):
        raise ValueError("f returned NaN or infinity for this input: there is no slope to compare with")
    if loss() != here:
        raise ValueError("f returned different values for the same input; switch dropout off (eval())")
    gradients = {t: np.zeros(t.shape) for t in tensors}
    root = _output(f, tensors)
    if root.requires_grad:
        for _, _, leaf, share, _ in backward_pass(root, weights):
            if leaf in gradients:
                gradients[leaf] += share

    found = Gradcheck()
    probe = _Probe(loss, here, _rounding(loss, here, tensors, rng), tolerance, found)
    for i, t in enumerate(tensors):
        name = t.name or f"input {i}"
        chosen = np.arange(t.size) if t.size <= elements else rng.choice(t.size, elements, replace=False)
        for flat in chosen:
            index = tuple(int(k) for k in np.unravel_index(flat, t.shape))
            direction = np.zeros(t.shape)
            direction[index] = 1
            _compare(probe, t, gradients[t], direction, name, index)
        at_kinks = any(kink[0] == name for kink in found.kinks)  # then every direction is at one
        for _ in range(directions if t.size > 1 and not at_kinks else 0):
            _compare(probe, t, gradients[t], np.asarray(rng.standard_normal(t.shape)), name, None)
    if not found.checked and any(t.size for t in tensors):
        raise ValueError(f"nothing could be checked: {len(found.kinks)} kinks, {found.faint} slopes too small to judge")
    return found


class _Probe(NamedTuple):
    """What every slope is measured with: the loss and its value here, how far rounding can throw it, and the record."""

    loss: Callable[[], float]
    here: float
    rounding: float
    tolerance: float
    found: Gradcheck


def _compare(
    probe: _Probe, t: Tensor, gradient: Array, direction: Array, name: str, index: tuple[int, ...] | None
) -> None:
    """Check one slope. index is the element that is moved, None for a random direction."""
    found = probe.found
    slope, noise, kink = _slope(probe, t, direction)
    if kink:
        if index is not None:  # a direction that crosses a corner says nothing: the elements are checked one by one
            found.kinks.append((name, index))
        return
    said = float((gradient * direction).sum())
    gap, scale = abs(said - slope), max(abs(said), abs(slope))
    if not (np.isfinite(said) and gap <= probe.tolerance * scale + noise):
        where = "a random direction" if index is None else str(list(index))
        ratio = f" (ratio {said / slope:.6g})" if slope else ""
        raise AssertionError(f"{name} along {where}: the gradient says {said:.6g}, the slope is {slope:.6g}{ratio}")
    if noise > 1e-4 * scale > 0:  # an error of 0.1 % would still show above this
        found.faint += 1
    else:
        found.checked += 1
        found.error = max(found.error, gap / scale if scale else 0.0)


def _slope(probe: _Probe, t: Tensor, direction: Array) -> tuple[float, float, bool]:
    """(central difference, how far off it may be, whether there is a kink here).

    Where the function is smooth, a step ten times smaller leaves the slope as it is and shrinks the gap between the
    slopes to the right and to the left tenfold. If not, there is a corner or the edge of the domain within the step:
    take a smaller one, as long as rounding leaves something to see.
    """
    loss, here, rounding, tolerance, _ = probe
    home = t.array.copy()
    step = STEP * max(1.0, float(np.abs(home[direction != 0]).max(initial=0)))
    before = None
    for level in range(8):
        h = step / 10**level
        t.data = home + h * direction
        ahead = loss()
        t.data = home - h * direction
        behind = loss()
        t.data = home
        if not np.isfinite(ahead - behind):
            continue
        slope, gap, noise = (ahead - behind) / (2 * h), abs(ahead - 2 * here + behind) / h, 2 * rounding / h
        if before is not None:
            drift = abs(slope - before[0])
            shrinking = gap <= 0.2 * before[1]
            hidden = gap <= 0.2 * before[1] + noise and (level == 1 or noise <= 1e-3 * max(abs(slope), gap))
            if drift <= tolerance / 4 * max(abs(slope), abs(before[0])) + noise and (shrinking or hidden):
                return before[0], before[2] + 2 * drift + (0 if shrinking else before[1] / 2), False
        before = slope, gap, noise
    return 0.0, 0.0, True


def _rounding(loss: Callable[[], float], here: float, tensors: list[Tensor], rng: np.random.Generator) -> float:
    """How far rounding can throw the loss, measured: steps so small that slope and curvature vanish from the second
    difference leave nothing else in it. The size of the loss alone would not say: it may be a small difference of
    large numbers."""
    homes, seen = [t.array.copy() for t in tensors], []
    for _ in range(8):
        away = [1e-13 * np.maximum(1, np.abs(x)) * rng.standard_normal(x.shape) for x in homes]
        ends = []
        for sign in (1, -1):
            for t, x, d in zip(tensors, homes, away, strict=True):
                t.data = x + sign * d
            ends.append(loss())
        seen.append(abs(ends[0] - 2 * here + ends[1]))
    for t, x in zip(tensors, homes, strict=True):
        t.data = x
    return 10 * max(seen) + 10 * np.finfo(float).eps * abs(here)


@contextmanager
def _put_back(tensors: list[Tensor]) -> Iterator[None]:
    """Whatever happens inside, the tensors have their numbers back, and count as unchanged."""
    before = [(t, t.array.copy(), t.stamp) for t in tensors]
    try:
        yield
    finally:
        for t, data, stamp in before:
            t.array[...], t.stamp = data, stamp


def _movable(x: Any) -> Tensor:
    """x as a float64 leaf: a parameter itself, a copy of anything else."""
    if isinstance(x, Tensor) and x.requires_grad and not x.parents:
        if x.dtype != np.float64:
            raise TypeError(f"gradcheck works in float64, {x.label()} is {x.dtype}; check a float64 copy")
        return x
    return Tensor(np.asarray(x.numpy() if isinstance(x, Tensor) else x, np.float64), requires_grad=True)


def _output(f: Callable[..., Any], tensors: list[Tensor]) -> Tensor:
    y = f(*tensors)
    if not isinstance(y, Tensor):
        raise TypeError(f"f has to return a Tensor, got {type(y).__name__}")
    return y
