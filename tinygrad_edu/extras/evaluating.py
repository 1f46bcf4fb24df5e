"""Rules that need the loss itself, or evaluate it again: their ``step`` takes it, or a closure that computes it.

They stand apart from `optimizers.RULES`, whose step is one evaluation of a gradient. `tinygrad_edu.fit` and
`compile_step` take none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Numbers, Optimizer, Update
from ..core.tensor import Tensor, next_stamp  # noqa: F401, Tensor for the examples
from . import kernels
from .learning_optimizers import norm_of
from .whole_optimizers import Whole

Closure = Callable[[], Any]
NEEDS = (
    "{} evaluates the loss again: step(closure), with a function that calls zero_grad() and backward(), and returns it"
)


class PolyakSGD(Whole):
    """Descent with the step that would end at the minimum if the loss were a cone. Rule: `kernels.sgd`.

    As optax.polyak_sgd: the rate is min((loss - least_loss) / |g|², lr), and ``step(loss)`` is given the loss.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`; |g|² is without l2
    lr : the largest rate
    least_loss : the loss at the minimum; 0 for a network that can learn its data by heart

    References
    ----------
    Polyak 1969, "Minimization of unsmooth functionals"; Loizou, Vaswani, Laradji & Lacoste-Julien 2021, "Stochastic
    Polyak step-size for SGD".

    Examples
    --------
    >>> p = Tensor([3.0], requires_grad=True)
    >>> optimizer = PolyakSGD([p])
    >>> loss = (p * p).sum()
    >>> loss.backward()
    >>> optimizer.step(loss)  # 9 / 36 · 6
    >>> p
    Tensor([1.5], requires_grad=True)
    """

    kernel = staticmethod(kernels.sgd)
    hyper = {"lr": 1.0, "least_loss": 0.0}
    apart, gap, slope = True, 0.0, 0.0

    def step(self, loss: Any = None) -> None:
        if loss is None:
            raise TypeError(f"{type(self).__name__} needs the loss of this step: step(loss)")
        self.gap = float(loss)
        super().step()

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        self.slope = norm_of([update.arrays[1] for update in updates]) ** 2
        super().begin(updates, ahead)

    def scalars(self, t: int, lr: float, least_loss: float) -> Numbers:
        return (min((self.gap - least_loss) / self.slope, lr) if self.slope else 0.0,)


class Momo(PolyakSGD):
    """Momentum with Polyak's step for the average of all lines that were seen. Rule: `kernels.momentum`.

    As optax.contrib.momo, without its decay. ``step(loss)`` is given the loss.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`; the rate is measured without l2
    lr : the largest rate
    beta : how much of the averages is kept at each step, in [0, 1); they begin as the first values
    least_loss : the loss at the minimum
    loss, dot : the averages of the loss and of ⟨g, p⟩, which it keeps here

    References
    ----------
    Schaipp, Ohana, Eickenberg, Defazio & Gower 2023, "MoMo: momentum models for adaptive learning rates", algorithm 1.

    Examples
    --------
    >>> p = Tensor([3.0], requires_grad=True)
    >>> optimizer = Momo([p])
    >>> loss = (p * p).sum()
    >>> loss.backward()
    >>> optimizer.step(loss)  # 9 / 36 · 6: the first step is Polyak's
    >>> p
    Tensor([1.5], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.momentum), ("v",)
    hyper = {"lr": 1.0, "beta": 0.9, "least_loss": 0.0, "loss": 0.0, "dot": 0.0}

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        group = self.groups[0]
        old = group["beta"] if self.t else 0.0
        arrays = [[np.asarray(a, np.float64) for a in update.arrays] for update in updates]
        self.loss = old * group["loss"] + (1 - old) * self.gap
        self.dot = old * group["dot"] + (1 - old) * sum(float(g @ p) for p, g, _ in arrays)
        new = [(old * v + (1 - old) * g, p) for p, g, v in arrays]
        self.slope = norm_of([v for v, _ in new]) ** 2
        self.gained = self.loss - self.dot + sum(float(v @ p) for v, p in new)
        Whole.begin(self, updates, ahead)

    def scalars(self, t: int, lr: float, beta: float, least_loss: float, *kept: float) -> Numbers:  # type: ignore[override]
        old, gained = beta if t > 1 else 0.0, getattr(self, "gained", 0.0) - least_loss
        rate = max(gained, 0.0) / self.slope if self.slope > np.finfo(float).eps else 0.0
        return min(rate, lr), old, 1 - old, 1.0

    def finish(self, updates: list[Update], times: int = 1) -> None:
        super().finish(updates, times)
        for group in self.groups:
            group["loss"], group["dot"] = self.loss, self.dot


class Sophia(Optimizer):
    """Momentum over an estimate of the curvature of each number, with steps of at most lr. Rule: `kernels.sophia`.

    Sophia-H: every k-th ``step(closure)`` first evaluates once more, takes the product of the Hessian with a vector u
    of random signs (`Optimizer.hvp`, about as long as two gradients), and averages u · (H u), whose mean is the
    Hessian's diagonal. It returns the loss before the step. The paper draws u from a normal distribution; signs, as
    optax has them, scatter less, and not at all where the Hessian is diagonal. optax debiases m; its h is a step late.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`; the curvature is without l2
    lr : the longest step of a number; the authors advise 0.8 of AdamW's
    beta1, beta2 : how much of m is kept at each step, and of h at each estimate, in [0, 1)
    gamma : the larger, the fewer steps are cut: above 0; 0.01 is the paper's for this estimate
    eps : the least that gamma · h counts
    weight_decay : decoupled, as in `AdamW`, at least 0
    every : k, the steps from one estimate to the next, at least 1
    seed : the signs of update t are drawn from this and t, so that a resumed run has the same

    References
    ----------
    Liu, Li, Hall, Liang & Ma 2023, "Sophia: a scalable stochastic second-order optimizer for language model
    pre-training", algorithms 1 and 3; Hutchinson 1989.

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = Sophia([p], lr=0.5, beta1=0.0, beta2=0.0, gamma=1.0)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (p * p * [1.0, 100.0]).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure), p  # half of Newton's step in both
    (101.0, Tensor([0.5, 0.5], requires_grad=True))
    """

    kernel, state = staticmethod(kernels.sophia), ("m", "h")
    hyper = {
        **{"lr": 1e-3, "beta1": 0.96, "beta2": 0.99, "gamma": 0.01, "eps": 1e-12, "weight_decay": 0.0},
        **{"every": 10, "seed": 0},
    }

    def scalars(
        self,
        t: int,
        lr: float,
        beta1: float,
        beta2: float,
        gamma: float,
        eps: float,
        weight_decay: float,
        every: int,
        seed: int,
    ) -> Numbers:
        return lr, beta1, 1 - beta1, gamma, eps, 1 - lr * weight_decay, 1.0

    def step(self, closure: Closure | None = None) -> float:  # type: ignore[override]
        if closure is None:
            raise TypeError(NEEDS.format("Sophia"))
        if self.t % int(self.groups[0]["every"]) == 0:
            self.estimate(closure)
        loss = float(closure())
        super().step()
        return loss

    def estimate(self, closure: Closure) -> None:
        """Take an estimate of the Hessian's diagonal into the average ``h``; one that is not finite is left out."""
        signs = np.random.default_rng([int(self.groups[0]["seed"]), self.t]).integers(0, 2, self.buffer.data.size)
        u = (2 * signs - 1).astype(self.buffer.data.dtype)
        found, h = u * self.hvp(closure, u), self.averages["h"]
        for update in self.updates() if np.isfinite(found).all() else ():
            beta2 = h.dtype.type(update.group["beta2"])
            h[update.span] = beta2 * h[update.span] + (1 - beta2) * found[update.span]


class LBFGS(Optimizer):
    """Newton's direction out of the last few steps and changes of the gradient, and a search along it.

    One ``step(closure)`` is one iteration, as torch.optim.LBFGS with max_iter = 1. Only for full batches. It returns
    the loss before the step. A pair of step and change is kept if their product is above 1e-10.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`; one group
    lr : the length of a step, in units of the direction; of the first, the length is min(1, 1 / |g|₁) · lr
    history : how many pairs are kept
    search : whether lr is only where the search begins, for a length that has Wolfe's two strong conditions
    decrease, curvature : the conditions' c1 and c2: the loss falls by c1 of what the slope promised, and the slope is
        at most c2 of what it was

    References
    ----------
    Liu & Nocedal 1989, "On the limited memory BFGS method"; Nocedal & Wright 2006, "Numerical optimization", algorithms
    7.4, 3.5 and 3.6.

    Examples
    --------
    >>> p = Tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([p])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (p * p * [1.0, 10.0]).sum()
    ...     loss.backward()
    ...     return loss
    >>> losses = [optimizer.step(closure) for _ in range(8)]
    >>> bool(losses[-1] < 1e-9)
    True
    """

    kernel = staticmethod(kernels.lbfgs)
    hyper = {"lr": 1.0, "history": 10, "search": True, "decrease": 1e-4, "curvature": 0.9}

    def start(self) -> None:
        if len(self.groups) > 1:
            raise ValueError("LBFGS has one direction for all parameters, so it takes one group")
        names = ["q", "w", *(f"{letter}{i}" for i in range(int(self.groups[0]["history"])) for letter in "sy")]
        for name in names:  # the last gradient and step, and the pairs, the youngest first
            self.averages[name] = np.zeros_like(self.buffer.data)

    def scalars(self, t: int, *hyper: Any) -> Numbers:
        return ()

    def step(self, closure: Closure | None = None) -> float:  # type: ignore[override]
        if closure is None:
            raise TypeError(NEEDS.format("LBFGS"))
        loss, g = self.evaluate(closure)
        updates, group, data = self.updates(), self.groups[0], self.buffer.data
        self.begin(updates)
        if self.nonfinite != "propagate" and not np.isfinite(g).all():
            if self.nonfinite == "raise":
                raise self.refusal(next(update for update in updates if update.not_finite()))
            self.skipped += 1
            return loss
        self.remember(g)
        direction, first = self.direction(g), data.copy()
        slope = float(direction @ g)
        length = self.lr * (1.0 if self.pairs() else min(1.0, 1 / max(float(np.abs(g).sum()), 1e-300)))

        def move(a: float) -> None:
            data[:] = first + data.dtype.type(a) * direction
            for p in self.params:
                p.stamp, p.checksum = next_stamp(), None

        def along(a: float) -> tuple[float, float]:
            move(a)
            value, slope = self.evaluate(closure)
            return value, float(slope @ direction)

        if group["search"] and slope < 0:
            length = wolfe(along, loss, slope, length, group["decrease"], group["curvature"])
        move(length if slope < 0 else 0.0)
        self.averages["w"][:] = data - first
        self.finish(updates)
        return loss

    def evaluate(self, closure: Closure) -> tuple[float, Array]:
        """Return the loss and the flat gradient, with l2; 0 for parameters that are not updated."""
        loss, g = float(closure()), np.zeros_like(self.buffer.grad)
        for update in self.updates():
            g[update.span] = self.buffer.grad[update.span]
        if l2 := self.groups[0]["l2"]:
            moved = np.where(g != 0, self.buffer.data, 0)
            loss, g = loss + l2 / 2 * float(moved @ moved), g + g.dtype.type(l2) * moved
        return loss, g

    def remember(self, g: Array) -> None:
        """Keep the last step and what it changed in the gradient, if the loss is curved there."""
        s, y = self.averages["w"], g - self.averages["q"]
        if float(s @ y) > 1e-10:
            for i in range(int(self.groups[0]["history"]) - 1, 0, -1):
                for letter in "sy":
                    self.averages[f"{letter}{i}"][:] = self.averages[f"{letter}{i - 1}"]
            self.averages["s0"][:], self.averages["y0"][:] = s, y
        self.averages["q"][:] = g

    def pairs(self) -> list[tuple[Array, Array]]:
        """Return (step, change) of the pairs, the youngest first."""
        all_ = [(self.averages[f"s{i}"], self.averages[f"y{i}"]) for i in range(int(self.groups[0]["history"]))]
        return [(s, y) for s, y in all_ if s.any()]

    def direction(self, g: Array) -> Array:
        """Return - H · g, by the two loops of algorithm 7.4."""
        q, pairs, shares = g.copy(), self.pairs(), []
        for s, y in pairs:
            shares.append(float(s @ q) / float(s @ y))
            q -= q.dtype.type(shares[-1]) * y
        if pairs:
            s, y = pairs[0]
            q *= q.dtype.type(float(s @ y) / float(y @ y))
        for (s, y), share in zip(reversed(pairs), reversed(shares), strict=True):
            q += q.dtype.type(share - float(y @ q) / float(s @ y)) * s
        return np.asarray(-q)


Point = tuple[float, float, float]  # a length, the loss there, and the slope


def wolfe(
    along: Callable[[float], tuple[float, float]], loss: float, slope: float, a: float, c1: float, c2: float
) -> float:
    """Return a length with the strong Wolfe conditions: Nocedal & Wright 2006, algorithms 3.5 and 3.6.

    along(a) returns the loss and its slope at length a; at 0 they are loss and slope.
    """
    last: Point = (0.0, loss, slope)
    for k in range(25):
        here: Point = (a, *along(a))
        if not isfinite(here[1]) or here[1] > loss + c1 * a * slope or (k and here[1] >= last[1]):
            return _zoom(along, loss, slope, last, here, c1, c2)
        if abs(here[2]) <= -c2 * slope:
            return a
        if here[2] >= 0:
            return _zoom(along, loss, slope, here, last, c1, c2)
        last, a = here, 2 * a
    return last[0]


def _zoom(
    along: Callable[[float], tuple[float, float]],
    loss: float,
    slope: float,
    low: Point,
    high: Point,
    c1: float,
    c2: float,
) -> float:
    """Search between two lengths, of which the first has the lower loss."""
    for _ in range(25):
        a = _between(low, high)
        here: Point = (a, *along(a))
        if not isfinite(here[1]) or here[1] > loss + c1 * a * slope or here[1] >= low[1]:
            high = here
        else:
            if abs(here[2]) <= -c2 * slope:
                return a
            if here[2] * (high[0] - low[0]) >= 0:
                high = low
            low = here
    return low[0]


def _between(low: Point, high: Point) -> float:
    """Return the minimum of the cubic through both points, or the middle where it is too close to an end."""
    (a, f, g), (b, h, k) = low, high
    middle = (a + b) / 2
    if not (isfinite(h) and isfinite(k)):
        return a + 0.1 * (b - a)
    d = g + k - 3 * (f - h) / (a - b)
    root = d * d - g * k
    if root < 0:
        return middle
    e = sqrt(root) * (1 if b > a else -1)
    found = b - (b - a) * (k + e - d) / (k - g + 2 * e) if k - g + 2 * e else middle
    inside = min(a, b) + 1e-3 * abs(b - a) <= found <= max(a, b) - 1e-3 * abs(b - a)
    return found if inside else middle
