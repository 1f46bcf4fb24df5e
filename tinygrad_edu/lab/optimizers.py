"""The places of the optimizers tab: the surfaces of the race, a ravine of any condition, and a formula of one's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.ops import Array
from ..race.formulas import own, slopes
from ..race.surfaces import SURFACES, Surface

CONDITION = 20.0  # of the ravine, until its slider moves
RAVINE = Surface(
    "ravine: (x² + k y²)/2",
    lambda x, y, k=CONDITION: (x**2 + k * y**2) / 2,  # type: ignore[misc]
    (-5, 1.5),
    ((0, 0),),
    (-6, 4, -3, 3),
    60,
)
CHECKED = 60  # points at which the page computes value and slopes of such a surface again


def ravine_facts(k: float, momentum: float) -> tuple[float, ...]:
    """Return what is known of steps on (x² + k y²)/2, whose curvatures are 1 and L = k.

    Gradient descent: the limit of a stable rate 2/L, the best rate 2/(1 + L), what is left of the distance after each
    step with that. Heavy ball: the limit with this momentum 2 (1 + momentum)/L; the best momentum
    ((√k - 1)/(√k + 1))², the rate that goes with it, and what is left of the distance.

    References
    ----------
    Polyak 1964; Goh 2017, "Why momentum really works", Distill.

    Examples
    --------
    >>> ravine_facts(9.0, 0.5)
    (0.2222222222222222, 0.2, 0.8, 0.3333333333333333, 0.25, 0.25, 0.5)
    """
    root = math.sqrt(k)
    beta = ((root - 1) / (root + 1)) * ((root - 1) / (root + 1))
    rate = 2 / (root + 1) * (2 / (root + 1))
    return 2 / k, 2 / (1 + k), (k - 1) / (k + 1), 2 * (1 + momentum) / k, beta, rate, (root - 1) / (root + 1)


def memory(beta: float) -> tuple[float, float]:
    """Return the memory of a moving average: the steps after which a value's weight has fallen to 1/e of what it was,
    and the number of values whose plain mean is as steady, (1 + beta)/(1 - beta).

    >>> memory(0.5)
    (1.4426950408889634, 3.0)
    """
    return -1 / math.log(beta), (1 + beta) / (1 - beta)


def checks(place: Surface, *more: float) -> list[list[float]]:
    """Return points of the picture, with more arguments of the surface, and the value and slopes there."""
    left, right, bottom, top = place.box
    points = np.random.default_rng(0).uniform((left, bottom), (right, top), (CHECKED, 2))
    found = []
    for point in points:
        try:
            numbers = slopes(place.f, point, *more)
        except ValueError:  # a formula that has no value there
            continue
        if np.isfinite(numbers).all():
            found.append([*point.tolist(), *more, *numbers])
    return found


def places(formula: str | None = None) -> dict[str, tuple[Any, ...]]:
    """Return the surfaces of the tab by name, each with the further arguments that it is traced with."""
    mine = {} if formula is None else {"own": (own(formula),)}
    return {**mine, "ravine": (RAVINE, CONDITION), **{name: (place,) for name, place in SURFACES.items()}}


def facts(formula: str | None = None) -> dict[str, Any]:
    """Return what the page knows of the surfaces, and of those outside the race numbers to check."""
    known, found = {}, places(formula)
    for name, (place, *_) in found.items():
        known[name] = {part: getattr(place, part) for part in ("title", "start", "minima", "box", "axes", "steps")}
        known[name]["lowest"] = place.lowest if place.minima else None
    slopes = {name: checks(*given) for name, given in found.items() if name not in SURFACES}
    return {"places": known, "slopes": slopes, "year": noisy_year().tolist()}


def noisy_year() -> Array:
    """Return a year of temperatures, made up: the signal of the moving averages. It begins far from 0."""
    days = np.arange(120)
    noise = 2.5 * np.random.default_rng(0).standard_normal(len(days))
    return np.round(15 - 8 * np.cos(2 * np.pi * (days + 60) / 240) + noise, 2)
