"""The race: the update rules run on loss surfaces of two parameters, from one start.

`surfaces` has the surfaces and the learning rates, `pictures` draws the race.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..core.tensor import Tensor
from ..explain.notebook import displayed
from ..explain.tables import Table
from ..extras.numpy_functions import stack
from ..extras.optimizers import RULES, rule_names
from ..extras.whole_optimizers import Whole
from ..guards.kinds import at_least_0, whole
from .formulas import own, with_its_minimum
from .surfaces import SURFACES, Surface, stated

FIELD = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")  # the rules that race by default
FAR = 10  # times the size of the picture: a path that gets so far away from the middle has diverged
SAME = 0.01  # the learning rate for all with lr="same"
GRID = 10.0 ** (np.arange(-16, 13) / 4)  # the learning rates that lr="tuned" tries: 1e-4 to 1e3, four a decade
STARTS = 5  # of lr="tuned": the surface's own start, and others near it


class Run(NamedTuple):
    """The run of one rule.

    Attributes
    ----------
    rule : the kernel's name
    lr : the learning rate
    path : the point before each step and after the last, (steps + 1, 2). NaN from where a path that diverged ends
    losses : the loss at these points, (steps + 1,); of a noisy surface the loss on all data
    distances : to the nearest minimum, (steps + 1,)
    arrived : the step after which the path stays within the tolerance of a minimum; None if there is none
    diverged : the step that led FAR from the picture and ended the path; None if there is none
    """

    rule: str
    lr: float
    path: Array
    losses: Array
    distances: Array
    arrived: int | None
    diverged: int | None

    @property
    def last(self) -> int:
        """Return the number of the path's last point."""
        return int(np.isfinite(self.path).all(axis=1).sum()) - 1

    @property
    def fate(self) -> str:
        """Return the end of the run in a few words."""
        if self.diverged is not None:
            return f"diverged at {self.diverged}"
        if self.arrived == len(self.path) - 1:
            return "there at the last step"
        return "" if self.arrived is None else f"there at {self.arrived}"


class Race(NamedTuple):
    """The result of `race`: the surface, a phrase on the learning rates, and a `Run` for each rule.

    It prints as a table, and is one in a notebook; its repr is short.
    """

    surface: Surface
    rates: str
    runs: list[Run]

    def __repr__(self) -> str:
        name, steps = self.surface.title.partition(":")[0], len(self.runs[0].path) - 1
        return f"Race({name!r}, {steps} steps: {', '.join(run.rule for run in self.runs)}; print it for the table)"

    def figures(self) -> dict[str, Any]:
        """Return for each rule: lr, final loss (None if it is no number), the step of arrival, the closest distance to
        a minimum (None if there is none) and the step of divergence."""
        return {
            run.rule: {
                "lr": run.lr,
                "loss": _finite(run.losses[run.last]),
                "arrived": run.arrived,
                "closest": _finite(np.nanmin(run.distances)),
                "diverged": run.diverged,
            }
            for run in self.runs
        }

    def table(self) -> Table:
        """Return the table: for each rule lr, final loss, step of arrival and closest distance to a minimum."""
        rows = [
            (
                run.rule,
                f"{run.lr:.3g}",
                f"{run.losses[run.last]:.4g}",
                "diverged" if run.diverged is not None else "-" if run.arrived is None else str(run.arrived),
                f"{np.nanmin(run.distances):.2g}" if self.surface.minima else "-",
            )
            for run in self.runs
        ]
        x, y = self.surface.start
        steps = len(self.runs[0].path) - 1
        about = f"{self.surface.title}\n{steps} steps from ({x:g}, {y:g}); learning rates {self.rates}"
        return Table(about, ("rule", "lr", "final loss", "steps", "closest"), rows)

    def __str__(self) -> str:
        about, columns, rows = self.table()
        return "\n".join([about, *("{:<12} {:<9} {:<12} {:<9} {}".format(*cells) for cells in (columns, *rows))])

    def _repr_html_(self) -> str:
        return displayed(self.table())


def _finite(x: Any) -> float | None:
    return float(x) if np.isfinite(x) else None


def race(
    surface: str | Surface = "beale",
    optimizers: str | Sequence[str] | None = None,
    steps: int | None = None,
    lr: str | float | None = None,
    rng: Rng = 0,
) -> Race:
    """Let the rules run on a surface, from one start, and keep their paths.

    Parameters
    ----------
    surface : a name in `surfaces.SURFACES`; a formula of x and y, as "x**2 + 10*y**2", which is drawn from -5 to 5 and
        -4 to 4, and whose minimum is looked for there; or a `surfaces.Surface` of your own
    optimizers : names in `optimizers.RULES`, "all" of them, the "classic" ones of `optimizers.CLASSIC`, or None for
        `FIELD`, seven that courses compare
    steps : at least 1; None for the number that suits the surface
    lr : a number, for all rules; or one of these words. None is "stated", or "tuned" on a surface without a table
        "same": 0.01 for all rules;
        "stated": from a table, chosen by hand by looking at the pictures; not for a surface of your own;
        "tuned": for each rule the best of 29 rates, 1e-4 to 1e3 and four a decade, each run from 5 starts (the
        surface's own and 4 drawn near it) for the same number of steps. The best rate has the smallest median of the
        steps after which a run stays within the tolerance; a run that never does, or diverges, counts as infinite.
        If all medians are infinite, the best rate has the smallest median of the largest distance over the last tenth
        of the steps, because the last distance alone may be luck. Among equals the smaller rate is the best
    rng : generator or seed for the mini-batches, which are the same for all rules, and for the starts of "tuned"

    Returns
    -------
    Race : with a `Run` for each rule, in the order given

    Raises
    ------
    TypeError : surface is neither a name nor a Surface; steps is no whole number, or lr no number and no word
    ValueError : an unknown surface or rule, or no formula that can be read; steps below 1; lr that is no word above and
        no finite number of at least 0, or "tuned" where there is no minimum to arrive at

    Examples
    --------
    >>> found = race("valley", ["sgd", "adam"], steps=2)
    >>> found.runs[0].path
    array([[-7.      ,  2.      ],
           [-6.335   , -1.8     ],
           [-5.733175,  1.62    ]])
    """
    place = _surface(surface)
    stating = isinstance(surface, str) and surface in SURFACES
    rules = rule_names(FIELD if optimizers is None else optimizers)
    steps = place.steps if steps is None else steps
    whole("steps", steps, 1)
    seed = int(np.random.default_rng(rng).integers(2**32))
    lr = ("stated" if stating else "tuned") if lr is None else lr
    if lr == "tuned":
        if not place.minima:
            raise ValueError(f"no minimum of {place.title} is in the picture, so no rate is the best; lr is a number")
        near = np.random.default_rng([seed, 1]).standard_normal((STARTS - 1, 2)) * place.size / 50
        starts = np.concatenate([[place.start], place.start + near])
        rates = [_best(place, rule, starts, steps, [seed, 2]) for rule in rules]
        how = (
            f"tuned, best of {len(GRID)} from {GRID[0]:g} to {GRID[-1]:g} by the median number of steps, from "
            f"{STARTS} starts, to stay within {place.tolerance:g}"
        )
    elif lr == "stated":
        if not stating:
            raise ValueError('no rates are stated for a surface of your own; lr is "same", "tuned" or a number')
        by_hand = stated()[str(surface)]
        rates = [by_hand.get(rule, RULES[rule].hyper["lr"]) for rule in rules]
        how = "stated, chosen by hand"
    elif isinstance(lr, str) and lr != "same":
        raise ValueError(f'lr is "same", "stated", "tuned" or a number, got {lr!r}')
    else:
        if lr != "same":
            at_least_0("lr", lr)
        rates, how = [SAME if lr == "same" else float(lr)] * len(rules), "the same for all"
    return Race(place, how, [_run(place, rule, rate, steps, seed) for rule, rate in zip(rules, rates)])


def _surface(surface: str | Surface) -> Surface:
    """Return the surface of that name, or of that formula, or the surface itself."""
    if isinstance(surface, Surface):
        return surface
    if not isinstance(surface, str):
        raise TypeError(
            f"surface is a name such as 'beale', a formula such as 'x**2 + y**2', or a tg.surfaces.Surface, made of a "
            f"title, your function, a start, the minima and a box; got {type(surface).__name__}"
        )
    if surface in SURFACES:
        return SURFACES[surface]
    if surface.isidentifier():
        raise ValueError(f"there is no surface {surface!r}; choose from {', '.join(SURFACES)}, or write a formula")
    return with_its_minimum(own(surface))


def paths(surface: Surface, rule: str, rates: Any, starts: Any, steps: int, seed: Any) -> Array:
    """Return the points (steps + 1, rates, starts, 2) of the paths with all rates and from all starts.

    Of an elementwise rule one parameter holds all starts, and each rate has a group of parameters of its own.
    A path that went FAR from the picture ends there and is NaN from there on: its gradients could overflow.
    """
    if issubclass(RULES[rule], Whole) and len(starts) > 1:
        return np.concatenate([paths(surface, rule, rates, [start], steps, seed) for start in starts], axis=2)
    rng = np.random.default_rng(seed)
    points = [Tensor(np.array(starts, float).T, requires_grad=True) for _ in rates]
    make: Any = RULES[rule]
    optimizer = make([{"params": [p], "lr": rate} for p, rate in zip(points, rates)], nonfinite="propagate")
    now, slope = (array.reshape(len(rates), 2, len(starts)) for array in (optimizer.buffer.data, optimizer.buffer.grad))
    middle, size = surface.middle[:, None], surface.size[:, None]
    found = np.full((steps + 1, *now.shape), np.nan)
    going = np.ones((len(rates), 1, len(starts)), bool)
    for t in range(steps + 1):
        found[t] = np.where(going & np.isfinite(now).all(axis=1, keepdims=True), now, np.nan)
        with np.errstate(all="ignore"):
            going &= (abs(now - middle) < FAR * size).all(axis=1, keepdims=True)
            if t == steps or not going.any():
                break
            f = surface.sample(rng) if surface.sample else surface.f
            x_and_y = stack(points)
            optimizer.zero_grad()
            f(x_and_y[:, 0], x_and_y[:, 1]).sum().backward()
            slope[...] = np.where(going, slope, 0)
            optimizer.step()
    return np.moveaxis(found, 2, 3)


def arrivals(distances: Array, tolerance: float) -> Array:
    """Return the step after which each of the distances (steps + 1, ...) stays within the tolerance, or infinity."""
    outside = ~(distances <= tolerance)  # NaN is outside
    last = len(outside) - 1 - outside[::-1].argmax(axis=0)  # the last point outside
    first = np.where(outside.any(axis=0), last + 1.0, 0)
    return np.where(first < len(outside), first, np.inf)


def _best(surface: Surface, rule: str, starts: Array, steps: int, seed: Any) -> float:
    """Return the rate of `GRID` that "tuned" calls the best."""
    distances = surface.distances(paths(surface, rule, GRID, starts, steps, seed))
    steps_needed = np.median(arrivals(distances, surface.tolerance), axis=1)
    late = np.where(np.isnan(distances), np.inf, distances)[9 * steps // 10 :].max(axis=0)
    miss = np.where(np.isfinite(steps_needed), 0, np.median(late, axis=1))
    return float(GRID[np.lexsort([GRID, miss, steps_needed])[0]])


def _run(surface: Surface, rule: str, rate: float, steps: int, seed: Any) -> Run:
    """Let one rule run from the surface's start."""
    path = paths(surface, rule, [rate], [surface.start], steps, seed)[:, 0, 0]
    distances = surface.distances(path)
    arrived = arrivals(distances, surface.tolerance)
    lost = (abs(path - surface.middle) >= FAR * surface.size).any(axis=1) | np.isnan(path).any(axis=1)
    return Run(
        rule,
        rate,
        path,
        surface.values(path),
        distances,
        int(arrived) if np.isfinite(arrived) else None,
        int(lost.argmax()) if lost.any() else None,
    )
