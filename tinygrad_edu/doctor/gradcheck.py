"""A check of gradients: each is compared with slopes that are measured by moving the inputs a little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..core.tensor import Tensor, backward_pass, no_grad, thread
from .slopes import TOLERANCE, Probe, Slope, restored, rounding_error, slope, unit


class Gradcheck:
    """The findings of `gradcheck`.

    Attributes
    ----------
    error : the largest relative difference between the gradient and the slope
    checked : the number of slopes that were compared, along elements and along random directions
    faint : the number of slopes that rounding hides, because they are so small: they prove nothing
    kinks : (input, index) of each element at a corner of the function, which has no slope there
    """

    def __init__(self) -> None:
        self.error, self.checked, self.faint = 0.0, 0, 0
        self.kinks: list[tuple[str, tuple[int, ...]]] = []

    def _add(self, name: str, index: tuple[int, ...] | None, said: float, measured: Slope, tolerance: float) -> None:
        """Compare the slope that the gradient says with the measured one.

        Parameters
        ----------
        name : the input
        index : the element that was moved, None for a random direction
        said, measured : the two slopes
        tolerance : the relative difference allowed
        """
        slope, noise, kink = measured
        if kink:
            if index is not None:  # a direction that crosses a corner says nothing: the elements are checked one by one
                self.kinks.append((name, index))
            return
        gap, scale = abs(said - slope), max(abs(said), abs(slope))
        if not (np.isfinite(said) and gap <= tolerance * scale + noise):
            where = "a random direction" if index is None else str(list(index))
            ratio = f" (ratio {said / slope:.6g})" if slope else ""
            raise AssertionError(f"{name} along {where}: the gradient says {said:.6g}, the slope is {slope:.6g}{ratio}")
        if noise > 1e-4 * scale > 0:  # an error of 0.1 % would still show above this
            self.faint += 1
        else:
            self.checked += 1
            self.error = max(self.error, gap / scale if scale else 0.0)

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

    An output of several numbers is weighted by random numbers and summed, so that a mistake in any element shows. Each
    input is moved along several random directions and along each of its elements (of a large input, along a random
    choice of them). Where the slopes to the left and to the right differ, the step is made smaller. If the slopes
    still differ, the function has a corner there (as relu at 0): it is reported, and not judged.

    Parameters
    ----------
    f : takes the inputs as Tensors and returns a Tensor, always the same for the same input: no dropout
    inputs : arrays or numbers, which are copied as float64; or float64 Tensors that require a gradient, such as the
        parameters of a model that f uses: these are moved themselves, and put back, as are running means of layers
    tolerance : the largest relative difference allowed, above 0
    directions : the number of random directions for each input
    elements : the number of elements of each input that are checked one by one
    rng : generator or seed

    Returns
    -------
    Gradcheck : the largest difference, and the kinks

    Raises
    ------
    AssertionError : a gradient is wrong. The message names the input and the element, and has both numbers
    RuntimeError : called under no_grad()
    TypeError : an input is a Tensor that is not float64; f does not return a Tensor
    ValueError : no inputs, or numbers out of range; f returned NaN or infinity, or different values for the same
        input; or nothing could be checked, because every slope is at a kink or too small

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
    with restored(tensors), np.errstate(all="ignore"):
        return _check(f, tensors, tolerance, directions, elements, rng)


def _check(
    f: Callable[..., Any],
    tensors: Sequence[Tensor],
    tolerance: float,
    directions: int,
    elements: int,
    rng: np.random.Generator,
) -> Gradcheck:
    weights = _weights(f, tensors, rng)

    def loss() -> float:
        with no_grad():
            return float((_output(f, tensors).array * weights).sum())

    here = loss()
    if not np.isfinite(here):
        raise ValueError("f returned NaN or infinity for this input: there is no slope to compare with")
    if loss() != here:
        raise ValueError("f returned different values for the same input; switch dropout off (eval())")
    gradients = _gradients(_output(f, tensors), weights, tensors)
    probe = Probe(loss, here, rounding_error(loss, here, tensors, rng), tolerance)
    found = Gradcheck()

    def compare(t: Tensor, name: str, index: tuple[int, ...] | None, direction: Array) -> None:
        said = float((gradients[t] * direction).sum())
        found._add(name, index, said, slope(probe, t, direction), tolerance)

    for i, t in enumerate(tensors):
        name = t.name or f"input {i}"
        chosen = np.arange(t.size) if t.size <= elements else rng.choice(t.size, elements, replace=False)
        for flat in chosen:
            index = tuple(int(k) for k in np.unravel_index(flat, t.shape))
            compare(t, name, index, unit(t.shape, index))
        at_kinks = any(kink[0] == name for kink in found.kinks)  # then every direction crosses one
        for _ in range(directions if t.size > 1 and not at_kinks else 0):
            compare(t, name, None, np.asarray(rng.standard_normal(t.shape)))
    if not found.checked and any(t.size for t in tensors):
        raise ValueError(f"nothing could be checked: {len(found.kinks)} kinks, {found.faint} slopes too small to judge")
    return found


def _weights(f: Callable[..., Any], tensors: Sequence[Tensor], rng: np.random.Generator) -> Array:
    """Return the weights that make one number of the output: random ones, of both signs."""
    with no_grad():
        y = _output(f, tensors)
    if y.size == 1:
        return np.ones(y.shape)
    return np.asarray(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1, 1], y.shape))


def _gradients(root: Tensor, weights: Array, tensors: Sequence[Tensor]) -> dict[Tensor, Array]:
    """Return the engine's gradient of each tensor. The tensors' own ``grad`` stays as it is."""
    gradients = {t: np.zeros(t.shape) for t in tensors}
    if root.requires_grad:
        for _, _, leaf, share, _ in backward_pass(root, weights):
            if leaf in gradients:
                gradients[leaf] += share
    return gradients


def _movable(x: Any) -> Tensor:
    """Return x as a float64 leaf: a parameter itself, a copy of anything else."""
    if isinstance(x, Tensor) and x.requires_grad and not x.parents:
        if x.dtype != np.float64:
            raise TypeError(f"gradcheck works in float64, {x.label()} is {x.dtype}; check a float64 copy")
        return x
    return Tensor(np.asarray(x.numpy() if isinstance(x, Tensor) else x, np.float64), requires_grad=True)


def _output(f: Callable[..., Any], tensors: Sequence[Tensor]) -> Tensor:
    y = f(*tensors)
    if not isinstance(y, Tensor):
        raise TypeError(f"f has to return a Tensor, got {type(y).__name__}")
    return y
