"""A surface out of a formula of x and y, as "x**2 + 10*y**2"."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..explain.formula import evaluate
from ..extras.evaluating import LBFGS
from ..program.expressions import parsed
from .surfaces import Surface

BOX = (-5.0, 5.0, -4.0, 4.0)  # of the picture of a formula
STARTS = ((-4.0, 3.0), (4.0, 3.0), (2.0, 1.5), (0.5, 0.5), (0.9, 0.3))  # of its paths: the first where it has a value
FINE = 161  # points of the picture in each direction, among which the lowest is looked for


def own(text: str) -> Surface:
    """Return a formula of x and y as a surface. It has no minima: see `with_its_minimum`.

    Raises
    ------
    ValueError : no formula that `explain.formula` can read; one without x or y, or with another name; no value at any
        of the points from which paths may start

    Examples
    --------
    >>> own("x**2 + 10*y**2").start
    (-4.0, 3.0)
    """

    def f(x: Tensor, y: Tensor) -> Tensor:
        return evaluate(text, {"x": x, "y": y})

    refusal: ValueError | None = None
    for start in STARTS:
        try:
            slopes(f, start)
        except ValueError as error:
            refusal = refusal or error
            continue
        used = {part.id for part in ast.walk(parsed(text.strip())) if isinstance(part, ast.Name)}
        if not {"x", "y"} <= used:
            raise ValueError(f"a surface is a formula of x and y, as x**2 + 10*y**2; got {text!r}")
        return Surface(text, f, start, (), BOX, 100)
    raise ValueError(str(refusal).partition(". Give it one")[0])


def slopes(f: Callable[..., Tensor], point: Any, *more: float) -> list[float]:
    """Return the value of a function of x and y at a point, and its slopes."""
    leaves = [Tensor(float(a), requires_grad=True) for a in point]
    with np.errstate(all="ignore"):
        value = f(*leaves, *more)
        value.backward()
    return [value.item(), *(0.0 if leaf.grad is None else leaf.grad.item() for leaf in leaves)]


def with_its_minimum(place: Surface) -> Surface:
    """Return a surface with the minimum that is in its picture: none if the loss is lowest at the edge or nowhere.

    The lowest of a grid of points is taken, and `LBFGS` goes on from there.

    Examples
    --------
    >>> np.round(with_its_minimum(own("(x - 1)**2 + 10*(y + 2)**2")).minima, 6).tolist()
    [[1.0, -2.0]]
    >>> with_its_minimum(own("x*y")).minima
    ()
    """
    left, right, bottom, top = place.box
    points = np.stack(np.meshgrid(np.linspace(left, right, FINE), np.linspace(bottom, top, FINE)), axis=-1)
    losses = place.values(points)
    losses[~np.isfinite(losses)] = np.inf
    inside = losses[1:-1, 1:-1]
    i, j = np.unravel_index(inside.argmin(), inside.shape)
    if not inside[i, j] < min(losses[0].min(), losses[-1].min(), losses[:, 0].min(), losses[:, -1].min()):
        return place
    p = Tensor(points[1 + i, 1 + j], requires_grad=True)
    optimizer = LBFGS([p], nonfinite="skip")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = place.f(p[:1], p[1:]).sum()
        loss.backward()
        return loss

    with np.errstate(all="ignore"):
        for _ in range(40):
            optimizer.step(closure)
    x, y = p.numpy().tolist()
    found = (x, y) if place.values((x, y)) <= inside[i, j] else tuple(points[1 + i, 1 + j].tolist())
    return place._replace(minima=(found,))
