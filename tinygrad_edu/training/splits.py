"""Training and test data: `split` parts them, and `Standardize` learns a scale from the training part alone."""

from __future__ import annotations

from math import ceil
from typing import Any, NamedTuple

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..guards.kinds import generator, real
from ..guards.names import helped
from ..guards.samples import numbers, table
from .states import fitting, loads, require

FEW = 20  # as many values of whole numbers, also as floats, are taken for labels


class Split(NamedTuple):
    """Training and test data: X has one sample a row, y one label or target."""

    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array


@helped
def split(X: Any, y: Any, test_share: float = 0.2, rng: Rng = None) -> Split:
    """Split X and y into training and test data. If y holds labels, both get the same share of every class.

    Labels are whole numbers, booleans or words, one for each sample; and floats, if they are whole and of at most 20
    values. Other floats are targets: their rows are drawn.

    Raises
    ------
    TypeError : masked arrays, sparse matrices
    ValueError : test_share is not between 0 and 1, or leaves one side empty

    Examples
    --------
    >>> y = np.array(["rare"] * 10 + ["common"] * 90)
    >>> split(np.zeros((100, 2)), y, test_share=0.2, rng=0).y_test.tolist().count("rare")
    2
    """
    X, y = table("X", X), table("y", y)
    require_rows(X, y)
    real("test_share", test_share)
    generator("rng", rng)
    if not 0 < test_share < 1:
        raise ValueError(f"test_share = {test_share}, but it has to be between 0 and 1")
    rng = np.random.default_rng(rng)
    order = rng.permutation(len(X))
    kinds = _classes(y)
    if kinds is not None:
        rank = np.empty(len(X))  # of a sample within its class, from 0 to 1: the lowest ranks go to the test data
        for kind in range(kinds.max(initial=-1) + 1):
            mine = order[kinds[order] == kind]
            rank[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
        order = order[np.argsort(rank[order], kind="stable")]
    cut = ceil(test_share * len(X))
    if not 0 < cut < len(X):
        raise ValueError(f"{len(X)} samples cannot be split with test_share = {test_share}")
    test, train = rng.permutation(order[:cut]), rng.permutation(order[cut:])
    return Split(X[train], y[train], X[test], y[test])


def require_rows(X: Array, y: Array, both: str = "X and y") -> None:
    """Raise unless X and y have equally many rows. both : their names in the error."""
    if X.shape[:1] != y.shape[:1] or not X.ndim:
        several = "; samples are rows, and several inputs are a tuple, as (a, b)" * (X.shape[1:2] == y.shape[:1])
        raise ValueError(f"{both} need one row for each sample, got shapes {X.shape} and {y.shape}{several}")


def _classes(y: Array) -> Array | None:
    """Return the class of each sample, from 0; None if y holds targets."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind == "f" else y
    if y.ndim != 1:
        return None
    words = y.dtype.kind == "O" and all(isinstance(label, (str, bool)) for label in y.flat)
    if words or y.dtype.kind in "iubUST":
        return np.unique(y.astype(str) if words else y, return_inverse=True)[1]
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.rint(y)).all():
        values, kinds = np.unique(y, return_inverse=True)
        return kinds if len(values) <= FEW else None
    return None


class Standardize:
    """Columns of mean 0 and deviation 1, which is what networks learn best from. The numbers are those of the training
    data alone: those of the test data would tell what is in them.

    A constant column only loses its mean. ``scale.constant`` says which these are.

    Parameters
    ----------
    X : the training data, (N, D), or targets (N, 1); None for a scale that `load_state_dict` fills

    Raises
    ------
    ValueError : no samples; NaN or infinity; a column whose deviation, or what scaling makes of it, is beyond a float

    Examples
    --------
    >>> scale = Standardize([[1.0, 300.0], [3.0, 500.0]])
    >>> scale
    Standardize(2 columns, means 2 to 400, deviations 1 to 100)
    >>> scale([[2.0, 600.0]]), scale.back([[0.0, 2.0]])
    (array([[0., 2.]]), array([[  2., 600.]]))

    ``tg.save("model.npz", model=model, scale=scale)`` keeps it beside the model.
    """

    def __init__(self, X: Any = None) -> None:
        self.mean, self.deviation = np.zeros(0), np.zeros(0)
        if X is not None:
            X = _columns("X", X)
            if not len(X):
                raise ValueError("Standardize: there are no samples")
            with np.errstate(over="ignore", invalid="ignore"):
                self.mean, self.deviation = X.mean(axis=0, dtype=float), X.std(axis=0, dtype=float)
            require_scale("Standardize", self.deviation)
            self.deviation[self.deviation <= 1e-12 * np.abs(self.mean)] = 0  # what rounding makes of a constant

    @property
    def constant(self) -> list[int]:
        """The columns that hold one number only."""
        return np.flatnonzero(self.deviation == 0).tolist()

    def __call__(self, X: Any) -> Array:
        """Return X, (N, D), in deviations from the mean. float32 stays float32."""
        X = self._fitting(X)
        with np.errstate(over="ignore"):
            return require_scale("X", ((X - self.mean) / self._divisor()).astype(X.dtype))

    def back(self, X: Any) -> Array:
        """Return the numbers that became X: of predictions, in the units of the targets."""
        X = self._fitting(X)
        with np.errstate(over="ignore"):
            return require_scale("X", (X * self._divisor() + self.mean).astype(X.dtype))

    def _divisor(self) -> Array:
        return np.where(self.deviation == 0, 1.0, self.deviation)

    def _fitting(self, X: Any) -> Array:
        X = _columns("X", X)
        if X.shape[1] != len(self.mean):
            raise ValueError(f"X has {X.shape[1]} columns, but the scale was learned from {len(self.mean)}")
        return X

    def __repr__(self) -> str:
        if not len(self.mean):
            return "Standardize()"
        means, deviations = (f"{a.min():.4g} to {a.max():.4g}" for a in (self.mean, self.deviation))
        constant = f", constant: {', '.join(map(str, self.constant))}" if self.constant else ""
        return f"Standardize({len(self.mean)} columns, means {means}, deviations {deviations}{constant})"

    def state_dict(self) -> dict[str, Array]:
        """Return means and deviations."""
        return {"mean": self.mean.copy(), "deviation": self.deviation.copy()}

    @loads
    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned."""
        require(self.state_dict(), state)
        like = self.mean if len(self.mean) else np.zeros(np.size(state["mean"]))
        mean, deviation = (fitting(name, state[name], like) for name in ("mean", "deviation"))
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and (deviation >= 0).all()):
            raise ValueError("a mean or a deviation in this state is not finite, or a deviation is below 0")
        self.mean, self.deviation = mean, deviation


def require_scale(name: str, scaled: Array) -> Array:
    """Return what scaling has made; raise ValueError where it is beyond what a float can hold."""
    if not (right := np.isfinite(scaled)).all():
        raise ValueError(f"{name}: column {np.argwhere(~right)[0][-1]} is too large to scale; divide it by a number")
    return scaled


def _columns(name: str, X: Any) -> Array:
    """Return X as floats with samples in rows."""
    X = numbers(name, X)
    if X.ndim != 2:
        raise ValueError(f"Standardize takes a table (N, D), got the shape {X.shape}; y[:, None] makes one of targets")
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        raise ValueError(f"{name} holds {X[row, column]} at row {row}, column {column}; every number has to be finite")
    return X if X.dtype.kind == "f" else X.astype(float)
