"""A function at a point: its value, its right gradients, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, no_grad, unwrap
from .recorded import KINKED, Quotes, RecordedGraph
from .rewritten import rewritten
from .slopes import STEP, TOLERANCE, Probe, both_ways, differences, restored, rounding_error, slope, unit

AGREE = "The right numbers are the engine's; central differences agree with them."
BESIDE = "The right numbers are the engine's; f has a kink here, a little away central differences agree."
HIDDEN = "The right numbers are the engine's; rounding hides the slopes of f."
MEASURED = (
    "The right numbers are central differences: {problem}.\n"
    "So only mistakes that show in the numbers alone have names here."
)


def real_numbers(x: Any, what: str) -> Array:
    """Return x as an array of real numbers, or raise a TypeError that says what it holds."""
    array = np.asarray(unwrap(x))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} has to be real numbers, got {type(x).__name__} of dtype {array.dtype}")
    return array


class Case:
    """A function at a point, with its right gradients.

    Parameters
    ----------
    f : takes Tensors, or arrays, and returns a number or several, which are summed
    tensors : the inputs, float64 leaves
    rng : draws the directions in which the engine is checked
    engine : False takes central differences for the right gradients, and checks nothing
    shapes : the shapes whose lengths may be the N of a mean
    weighted : whether f multiplies a student's result by weights and sums it

    Attributes
    ----------
    here : the value of f, or the sum of its values
    summed : words for the report, if f returns several values
    graph : the record of f; None if there is none, or central differences do not agree with it
    right : the gradient of each tensor
    noise : for each gradient, a bound of the error of central differences; 0 for the engine's
    hidden : for each gradient, True at the numbers that a kink hides, so that nothing can be said
    witness : a sentence: where the right gradients come from
    """

    def __init__(
        self,
        f: Callable[..., Any],
        tensors: list[Tensor],
        rng: np.random.Generator,
        engine: bool = True,
        shapes: Sequence[tuple[int, ...]] = (),
        weighted: bool = False,
    ) -> None:
        self.f, self.plain, self.tensors, self.rng, self.shapes = f, f, tensors, rng, shapes
        with np.errstate(all="ignore"):
            y, problem = self._first()
            self.summed = f" (the sum of {np.size(unwrap(y))} values)" if np.size(unwrap(y)) != 1 else ""
            self.here = self.value()
            if not np.isfinite(self.here):
                raise ValueError("f returned NaN or infinity for this input: it has no gradient there")
            if self.value() != self.here:
                raise ValueError("f returned different values for the same input; switch dropout off, or fix its seed")
            self.right = [np.zeros(t.shape) for t in tensors]
            self.noise = [np.zeros(t.shape) for t in tensors]
            self.hidden = [np.zeros(t.shape, bool) for t in tensors]
            self.graph: RecordedGraph | None = None
            self.witness = MEASURED.format(problem=problem)
            self._believe(y, weighted) if engine else self._measure()
            if engine and self.graph is None:
                anew = rewritten(f)
                y = self._run_rewritten(anew) if anew is not None else None
                if y is not None:
                    self._believe(y, weighted)
                if self.graph is None:
                    self.f = f
                    self._measure()

    def _believe(self, y: Any, weighted: bool) -> None:
        """Take the engine's gradients for the right ones if there are any, and central differences agree."""
        if isinstance(y, Tensor):
            with restored(self.tensors):
                graph = RecordedGraph(y, self.tensors, self.quoted.texts, weighted)
                agreed = self._agreement(graph, self.here) or self._agreement_beside()
                if agreed:
                    self.graph, self.right, self.witness = graph, graph.right, agreed

    def _run_rewritten(self, anew: Callable[..., Any]) -> Any:
        """Run f, rewritten from its source, on Tensors; return its result, or None if it fails or has another value."""
        self.f, self.quoted = anew, Quotes()
        try:
            with self.quoted:
                y = anew(*self.tensors)
        except Exception:  # whatever a student's f may raise
            return None
        same = isinstance(y, Tensor) and np.allclose(float(np.sum(y.array)), self.here, rtol=1e-9, atol=1e-12)
        return y if same else None

    def _first(self) -> tuple[Any, str]:
        """Run f on Tensors and on arrays. Return a result, and a sentence in case the engine is of no use."""
        problem = "those of the engine do not agree with them: f leaves it, by .numpy(), .data or the like"
        outcomes: list[Any] = []
        for inputs in (self.tensors, [t.numpy() for t in self.tensors]):
            self.quoted = Quotes() if inputs is self.tensors else self.quoted
            try:
                with self.quoted:
                    outcomes.append(self.f(*inputs))
            except Exception as error:  # whatever a student's f may raise
                outcomes.append(error)
        y, array = outcomes
        if isinstance(y, Exception):
            if isinstance(array, Exception):
                raise y if isinstance(array, AttributeError) else array
            problem, y = f"f does not run on Tensors ({type(y).__name__}: {y})", array
        elif not isinstance(y, Tensor) or not y.requires_grad:
            problem = "what f makes of Tensors remembers nothing of them"
        if isinstance(y, (tuple, list)):
            raise TypeError(f"f has to return a number or an array, got {type(y).__name__}")
        self.on_arrays = not isinstance(array, Exception)  # they are quicker to move
        return y, problem

    def value(self) -> float:
        """Return the value of f for the numbers that the tensors hold now, summed."""
        with no_grad():
            return float(np.sum(unwrap(self.plain(*[t.numpy() if self.on_arrays else t for t in self.tensors]))))

    # --- the right gradients: the engine's, if central differences agree --------------------------------------------

    def _agreement(self, graph: RecordedGraph, here: float) -> str:
        """Compare the slope along a random direction of each tensor with the graph's gradients.

        One of three steps has to see the same slope, but for a kink. Rounding may make a staircase of f, as of
        ln(1 - p) with p near 1: then there is no slope to see, and the graph is believed.

        Returns
        -------
        str : the sentence for ``witness``; empty if a slope differs
        """
        witness = AGREE
        for t, gradient in zip(self.tensors, graph.right, strict=True):
            direction = np.asarray(self.rng.standard_normal(t.shape))
            share = gradient * direction
            allowed, stair = 1e-4 * np.abs(share).sum(), 0.0
            for h in (1e-5, 1e-4, 1e-6):
                ahead, behind = both_ways(self.value, t, h * direction)
                kink = abs(ahead - 2 * here + behind) / h
                if abs((ahead - behind) / (2 * h) - share.sum()) <= allowed + kink + stair / h:
                    break
                if not stair:
                    values = np.array([graph.rebuilt(shaken=self.rng).root.array.sum() for _ in range(2)])
                    stair = 10 * float(np.nan_to_num(np.abs(values - here), nan=np.inf).max())
                    if stair > 1e-3 * h:
                        witness = HIDDEN
            else:
                return ""
        return witness

    def _agreement_beside(self) -> str:
        """Compare a little away from here, where f may have a kink that hides its slopes. Return as `_agreement`."""
        with restored(self.tensors):
            for t in self.tensors:
                t.data = t.numpy() + 1e-3 * self.rng.standard_normal(t.shape)
            y, there = self.f(*self.tensors), self.value()
            if not (isinstance(y, Tensor) and y.requires_grad and np.isfinite(there)):
                return ""
            return BESIDE if self._agreement(RecordedGraph(y, self.tensors), there) else ""

    def _measure(self) -> None:
        """Take every slope by moving one number. A step ten times as wide has to see the same slope."""
        with restored(self.tensors):
            self._measure_slopes()

    def _measure_slopes(self) -> None:
        rounding = rounding_error(self.value, self.here, self.tensors, self.rng)
        probe = Probe(self.value, self.here, rounding, TOLERANCE)
        for t, right, noise, hidden in zip(self.tensors, self.right, self.noise, self.hidden, strict=True):
            for index in np.ndindex(t.shape):
                direction = unit(t.shape, index)
                right[index], noise[index], hidden[index] = slope(probe, t, direction)
                h = 10 * STEP * max(1.0, abs(float(t.numpy()[index])))
                ahead, behind = both_ways(self.value, t, h * direction)
                noise[index] += 10 * abs(np.nan_to_num((ahead - behind) / (2 * h) - right[index], posinf=0, neginf=0))

    # --- kinks: more than one gradient is right ---------------------------------------------------------------------

    def kinks(self, i: int, allowed: Array) -> tuple[Array, Array, Array]:
        """Find the room that the kinks of f leave to gradient i.

        The ops that have a kink are taken from both sides. A kink made by a mask, np.where or an if shows when f is
        run again a little beside its inputs: the gradients there differ, and differ as much when a hundred times
        closer. Where the choice goes through one op alone, all that is right lies between the two sides. Behind
        several kinks it need not, so numbers outside count as open.

        Parameters
        ----------
        i : the number of the gradient
        allowed : how far each of its numbers may be off

        Returns
        -------
        least, greatest, open : arrays: the bounds of each number, and True where a number outside may be right
        """
        sides = [self.right[i]]
        if self.graph is not None:
            with np.errstate(all="ignore"):
                sides += [self.graph.nudged(side)[i] for side in (1, -1)]
        low, high = np.min(sides, axis=0), np.max(sides, axis=0)
        far, near = (np.array([gradients[i] for gradients in some]) for some in self._beside)
        if not len(near):
            return low, high, np.zeros(low.shape, bool)
        gap = np.ptp(near, axis=0)
        kinked = (gap > 2 * allowed) & (gap > 0.5 * np.ptp(far, axis=0))
        lower = np.where(kinked, np.minimum(low, near.min(axis=0)), low)
        upper = np.where(kinked, np.maximum(high, near.max(axis=0)), high)
        nodes = self.graph.nodes if self.graph is not None else []
        known = sum(node.op in KINKED for node in nodes) == 1
        return lower, upper, kinked & ~(known & (lower >= low - allowed) & (upper <= high + allowed))

    @cached_property
    def _beside(self) -> list[list[list[Array]]]:
        """The gradients at a few points beside the inputs, and at as many a hundred times closer."""
        with np.errstate(all="ignore"):
            return [self._gradients_beside(step) for step in (1e-7, 1e-9)]

    def _gradients_beside(self, step: float) -> list[list[Array]]:
        """Return the gradients at points up to a relative step away: the engine's, or else central differences.

        Where central differences have seen no kink, there is nothing to look for: the list is empty.
        """
        if self.graph is None and not any(hidden.any() for hidden in self.hidden):
            return []
        homes, rng, found = [t.numpy() for t in self.tensors], np.random.default_rng(0), []
        step *= 1 if self.graph is not None else 1e4
        with restored(self.tensors):
            for _ in range(24):
                for t, home in zip(self.tensors, homes, strict=True):
                    size = np.where(home == 0, np.abs(home).max(initial=0) or 1, np.abs(home))
                    far = step * 10 ** rng.uniform(-2, 0)  # each input is at times the one that goes farthest
                    t.data = home + far * size * rng.uniform(-1, 1, t.shape)
                if self.graph is None:
                    found.append([differences(self.value, t, step / 100) for t in self.tensors])
                else:
                    found.append(RecordedGraph(self.f(*self.tensors), self.tensors).right)
        return [gradients for gradients in found if all(np.isfinite(g).all() for g in gradients)]
