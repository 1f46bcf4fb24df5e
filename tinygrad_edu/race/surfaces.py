"""Loss surfaces of two parameters, on which courses compare update rules, and learning rates for each rule.

A surface is a function of two Tensors, written with Tensor operations: `backward` gives its gradient, and the same
function of a grid of points draws its contours. `on_surfaces` has the race.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array, Result
from ..core.tensor import Tensor, apply, no_grad
from ..training import data

Function = Callable[[Tensor, Tensor], Tensor]


class Surface(NamedTuple):
    """A loss of two parameters, with the start of the race and the frame of the picture.

    Attributes
    ----------
    title : name and formula
    f : the loss of Tensors x and y of one shape, element by element: of a point, of a grid, of many runners
    start : the first point of every path
    minima : the points to reach. Of several the nearest counts; there may be none
    box : left, right, bottom and top of the picture
    steps : the default number of steps
    tolerance : a point is at a minimum when it is at most this far from it
    sample : draws the loss on one mini-batch, for surfaces with noise: a generator in, a function like f out
    axes : names of the two parameters
    """

    title: str
    f: Function
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    box: tuple[float, float, float, float]
    steps: int
    tolerance: float = 0.01
    sample: Callable[[np.random.Generator], Function] | None = None
    axes: tuple[str, str] = ("x", "y")

    @property
    def middle(self) -> Array:
        """Return the middle of the picture."""
        left, right, bottom, top = self.box
        return np.array([left + right, bottom + top]) / 2

    @property
    def size(self) -> Array:
        """Return the width and height of the picture."""
        left, right, bottom, top = self.box
        return np.array([right - left, top - bottom], float)

    def values(self, points: Any) -> Array:
        """Return the loss at points (..., 2)."""
        points = np.asarray(points, float)
        with np.errstate(all="ignore"), no_grad():
            return self.f(Tensor(points[..., 0]), Tensor(points[..., 1])).numpy()

    @property
    def lowest(self) -> float:
        """Return the loss at the best of the minima; without one, the lowest of a grid of points of the picture."""
        left, right, bottom, top = self.box
        grid = np.stack(np.meshgrid(np.linspace(left, right), np.linspace(bottom, top)), axis=-1)
        losses = self.values(self.minima or grid)
        return float(losses[np.isfinite(losses)].min(initial=np.inf))

    def distances(self, points: Array) -> Array:
        """Return the distances of points (..., 2) from the nearest minimum; infinite if there is none."""
        if not self.minima:
            return np.full(points.shape[:-1], np.inf)
        to_each = points[..., None, :] - np.array(self.minima)
        return np.hypot(to_each[..., 0], to_each[..., 1]).min(axis=-1)


# --- the surfaces -----------------------------------------------------------------------------------------------------


def cos(a: Array) -> Result:
    """y = cos(a): an op made for this file, see `tensor.apply`"""
    return np.cos(a), lambda g: -g * np.sin(a)


def hole(x: Tensor, y: Tensor, centre: float) -> Tensor:
    """Return a Gaussian of width √0.1 around (centre, 0)."""
    return (-((x - centre) ** 2 + y**2) / 0.2).exp()


@lru_cache
def _threes_and_eights() -> tuple[Array, Array]:
    """Return one pixel of each 3 and 8 among the digits, and 1 for an 8, 0 for a 3. Only an 8 has ink at this pixel."""
    parts = data.digits(0)
    X, y = np.concatenate([parts.X_train, parts.X_test]), np.concatenate([parts.y_train, parts.y_test])
    mine = (y == 3) | (y == 8)
    return X[mine, 8 * 5 + 2], (y[mine] == 8).astype(float)


def neuron(w: Tensor, b: Tensor, rows: Any = ...) -> Tensor:
    """Return the cross-entropy of one neuron, sigmoid(w · pixel + b), that tells 3 from 8, over rows of the data."""
    pixel, eight = (column[rows] for column in _threes_and_eights())
    logit = w.reshape(*w.shape, 1) * pixel + b.reshape(*b.shape, 1)
    return (logit.softplus() - eight * logit).mean(axis=-1)


def sixteen_of_them(rng: np.random.Generator) -> Function:
    """Return `neuron` on a mini-batch of 16 digits."""
    rows = rng.choice(len(_threes_and_eights()[0]), 16, replace=False)
    return lambda w, b: neuron(w, b, rows)


SURFACES = {
    "valley": Surface(
        "narrow valley: x²/20 + y²", lambda x, y: x**2 / 20 + y**2, (-7, 2), ((0, 0),), (-8, 4, -3, 3), 30
    ),
    "ellipse": Surface(
        "ellipse: 0.1 x² + 2 y²", lambda x, y: 0.1 * x**2 + 2 * y**2, (-5, -2), ((0, 0),), (-6, 3, -3, 3), 40
    ),
    "booth": Surface(
        "Booth: (x + 2y - 7)² + (2x + y - 5)²",
        lambda x, y: (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2,
        (-8, 8),  # from (-8, -6), which others take, the gradient points straight at the minimum
        ((1, 3),),
        (-10, 6, 0, 12),
        100,
    ),
    "beale": Surface(
        "Beale: (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²",
        lambda x, y: (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2,
        (1, 1.5),
        ((3, 0.5),),
        (-0.5, 4.5, -2, 2),
        300,
    ),
    "rosenbrock": Surface(
        "Rosenbrock: (1 - x)² + 100 (y - x²)²",
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        (-1.2, 1),
        ((1, 1),),
        (-1.6, 1.6, -0.5, 1.7),
        1000,
    ),
    "himmelblau": Surface(
        "Himmelblau: (x² + y - 11)² + (x + y² - 7)²",
        lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        (0, 0),
        ((3, 2), (-2.80511809, 3.13131252), (-3.77931025, -3.28318599), (3.58442834, -1.84812653)),
        (-5, 5, -5, 5),
        100,
    ),
    "rastrigin": Surface(
        "Rastrigin: 20 + x² - 10 cos 2πx + y² - 10 cos 2πy",
        lambda x, y: 20 + x**2 + y**2 - 10 * (apply(cos, 2 * np.pi * x) + apply(cos, 2 * np.pi * y)),
        (-2, 3.5),
        ((0, 0),),
        (-4.5, 4.5, -4.5, 4.5),
        200,
    ),
    "saddle": Surface(
        "saddle: x² - y² + y⁴/4",
        lambda x, y: x**2 - y**2 + y**4 / 4,
        (-1.5, 0.001),
        ((0, 2**0.5), (0, -(2**0.5))),
        (-2, 2, -2, 2),
        100,
    ),
    "long_valley": Surface(
        "long valley: (x² + 100 y²)/2",
        lambda x, y: (x**2 + 100 * y**2) / 2,
        (100, 1),
        ((0, 0),),
        (-20, 110, -2, 2),
        300,
    ),
    "two_holes": Surface(
        "two holes: x² + y² - 2 exp(-((x - 1)² + y²)/0.2) - 6 exp(-((x + 1)² + y²)/0.2)",
        lambda x, y: x**2 + y**2 - 2 * hole(x, y, 1) - 6 * hole(x, y, -1),
        (1.2, 1.4),
        ((-0.96757745, 0),),
        (-2, 2, -1.6, 1.8),
        100,
    ),
    "neuron": Surface(
        "one neuron on real digits: is it a 3 or an 8? (mini-batches of 16)",
        neuron,
        (-3, 3),
        ((5.64754683, -1.91440847),),
        (-6, 12, -6, 5),
        300,
        1,
        sixteen_of_them,
        ("weight", "bias"),
    ),
}

# learning rates chosen by hand, by looking at the pictures. Those of the valley for sgd, heavy_ball (momentum has ten
# times as much), adagrad and adam are those of "Deep Learning from Scratch" (Saito 2016, section 6.1)
STATED = """
             valley ellipse booth beale rosenbrock himmelblau rastrigin saddle long_valley two_holes neuron
sgd          0.95   0.4     0.05  0.03  0.002      0.01       0.002     0.1    0.018       0.05      1
momentum     1      0.5     0.05  0.03  0.01       0.02       0.02      0.3    0.05        0.1       2
heavy_ball   0.1    0.05    0.005 0.003 0.001      0.002      0.002     0.03   0.005       0.01      0.2
nesterov     0.1    0.05    0.005 0.003 0.001      0.002      0.002     0.03   0.005       0.01      0.2
adagrad      1.5    1.5     3     1     0.5        1          0.5       0.3    20          0.3       1
adadelta     100    50      30    10    2          10         10        10     10          30        30
rmsprop      0.1    0.1     0.2   0.05  0.01       0.03       0.1       0.03   0.3         0.03      0.1
adam         0.3    0.3     0.5   0.3   0.2        0.3        0.5       0.1    3           0.1       0.3
adamw        0.3    0.3     0.5   0.3   0.2        0.3        0.5       0.1    3           0.1       0.3
amsgrad      0.3    0.3     0.5   0.3   0.2        0.3        0.5       0.1    3           0.1       0.3
adamax       0.5    0.5     1     0.5   0.5        0.5        0.3       0.2    3           0.2       0.3
nadam        0.3    0.3     0.5   0.2   0.05       0.2        0.2       0.1    1           0.1       0.2
radam        1      0.3     0.02  0.003 0.0005     0.01       0.01      0.3    0.02        0.2       1
rprop        0.3    0.3     0.3   0.1   0.05       0.1        0.1       0.1    1           0.1       0.05
asgd         0.95   0.4     0.05  0.03  0.002      0.01       0.002     0.1    0.018       0.05      1
signsgd      0.3    0.15    0.15  0.03  0.003      0.07       0.05      0.05   0.3         0.05      0.05
signum       0.2    0.1     0.15  0.03  0.005      0.03       0.05      0.03   0.3         0.05      0.05
lion         0.2    0.1     0.15  0.03  0.005      0.05       0.05      0.03   0.3         0.05      0.05
"""


def stated() -> dict[str, dict[str, float]]:
    """Return the table `STATED` as rates[surface][rule]."""
    surfaces, *rows = [line.split() for line in STATED.strip().splitlines()]
    return {surface: {rule: float(rates[i]) for rule, *rates in rows} for i, surface in enumerate(surfaces)}
