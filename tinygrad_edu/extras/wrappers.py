"""Wrappers of any optimizer: SAM, which evaluates the loss again, and Lookahead."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, next_stamp  # noqa: F401, Tensor for the examples
from .evaluating import NEEDS, Closure
from .learning_optimizers import norm_of


class SAM:
    """Step with the gradient of the worst point nearby, so that the minimum that is found is a flat one.

    A wrapper of any optimizer: ``step(closure)`` climbs by rho along the gradient, evaluates again there, goes back,
    and has the optimizer step. It returns the loss before.

    Parameters
    ----------
    optimizer : the optimizer that steps; all else, as ``lr`` or ``state_dict()``, is its own
    rho : the distance to the worse point, in the length of all parameters together

    References
    ----------
    Foret, Kleiner, Mobahi & Neyshabur 2021, "Sharpness-aware minimization for efficiently improving generalization",
    algorithm 1. rho = 0.05 is its default.

    Examples
    --------
    >>> from tinygrad_edu import SGD
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = SAM(SGD([p], lr=0.25), rho=0.5)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (p * p).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure), p  # the slope at 1.5 is 3
    (1.0, Tensor([0.25], requires_grad=True))
    """

    def __init__(self, optimizer: Optimizer, rho: float = 0.05) -> None:
        if not 0 <= rho < inf:
            raise ValueError(f"rho = {rho}, but it has to be a finite number, at least 0")
        self.optimizer, self.rho = optimizer, rho

    def __getattr__(self, name: str) -> Any:
        if name == "optimizer":  # not there yet, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self.optimizer, name)

    def step(self, closure: Closure | None = None) -> float:
        if closure is None:
            raise TypeError(NEEDS.format("SAM"))
        loss, data = float(closure()), self.optimizer.buffer.data
        updates, before = self.optimizer.updates(), data.copy()
        length = norm_of([update.arrays[1] for update in updates])
        for update in updates if length else []:
            update.arrays[0] += update.arrays[0].dtype.type(self.rho / length) * update.arrays[1]
        self._changed()
        try:
            closure()
        finally:
            data[:] = before
            self._changed()
        self.optimizer.step()
        return loss

    def _changed(self) -> None:
        for p in self.optimizer.params:
            p.stamp, p.checksum = next_stamp(), None


class Lookahead:
    """A slow point that follows the optimizer's, and is where it starts again after every few steps.

    A wrapper of any optimizer: ``step()`` is the optimizer's; after each k-th, the slow point moves by alpha towards
    the parameters, and these are set to it.

    Parameters
    ----------
    optimizer : the optimizer that steps; all else, as ``lr`` or ``zero_grad()``, is its own
    every : k, the steps between two moves of the slow point
    alpha : how much of the way it moves, from 0 to 1

    References
    ----------
    Zhang, Lucas, Ba & Hinton 2019, "Lookahead optimizer: k steps forward, 1 step back", algorithm 1; k = 5 and
    alpha = 0.5 are its defaults.

    Examples
    --------
    >>> from tinygrad_edu import SGD
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Lookahead(SGD([p], lr=0.25), every=2)
    >>> for _ in range(2):  # 0.75 and 0.5, and half of the way back to 1
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> p
    Tensor([0.75], requires_grad=True)
    """

    def __init__(self, optimizer: Optimizer, every: int = 5, alpha: float = 0.5) -> None:
        if every < 1 or not 0 <= alpha <= 1:
            raise ValueError(f"every = {every} and alpha = {alpha}, but every is at least 1, and alpha from 0 to 1")
        self.optimizer, self.every, self.alpha = optimizer, every, alpha
        self.slow = optimizer.buffer.data.copy()

    def __getattr__(self, name: str) -> Any:
        if name == "optimizer":
            raise AttributeError(name)
        return getattr(self.optimizer, name)

    def step(self) -> None:
        self.optimizer.step()
        if self.optimizer.t % self.every == 0:
            data = self.optimizer.buffer.data
            self.slow += data.dtype.type(self.alpha) * (data - self.slow)
            data[:] = self.slow
            for p in self.optimizer.params:
                p.stamp, p.checksum = next_stamp(), None

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state, and the slow point as ``slow``."""
        state: Any = self.optimizer.state_dict()
        return {**state, "slow": self.slow.copy()}

    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned."""
        slow = np.asarray(state["slow"], self.slow.dtype)
        if slow.shape != self.slow.shape:
            raise ValueError(f"slow has shape {self.slow.shape}, the state has {slow.shape}")
        self.optimizer.load_state_dict({key: state[key] for key in state if key != "slow"})
        self.slow[:] = slow
