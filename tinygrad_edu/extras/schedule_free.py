"""Schedule-Free: descent whose answer is the mean of its points, in the form of `core.optimizers`."""

from __future__ import annotations

import numpy as np

from ..core.optimizer import Numbers, Optimizer
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels


class ScheduleFree(Optimizer):
    """Descent whose answer ``x`` is the mean of its points, and needs no schedule. Rule: `kernels.schedule_free`.

    As optax.contrib.schedule_free_sgd. The model holds p, where the gradient is taken; the answer is the flat array
    ``optimizer.x``, and ``optimizer.z`` is the descent. Each point of z has the weight of its lr², so a warm-up, as
    ``lr=tg.schedules.warmup(...)``, leaves few traces in the mean; ``s`` is the sum of these weights, one number at the
    place of each element. Where lr falls, optax and the authors' package keep the weight of the largest lr so far.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta : p is beta · x + (1 - beta) · z, in [0, 1); with 0 x is the mean of plain descent

    References
    ----------
    Defazio, Yang, Mehta, Mishchenko, Khaled & Cutkosky 2024, "The road less scheduled", equations 3 to 5.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = ScheduleFree([p], lr=0.25, beta=0.5)
    >>> for _ in range(2):  # z is 0.75, then 0.5
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> optimizer.z, optimizer.x, p.data
    (array([0.5]), array([0.625]), array([0.5625]))
    """

    kernel, state = staticmethod(kernels.schedule_free), ("x", "z", "s")
    mean_of_points = "x"  # where the race evaluates
    hyper = {"lr": 1.0, "beta": 0.9}

    def start(self) -> None:
        self.averages["x"][:] = self.averages["z"][:] = self.buffer.data

    def scalars(self, t: int, lr: float, beta: float) -> Numbers:
        return lr, lr * lr, 1 - beta, float(np.finfo(self.buffer.data.dtype).tiny)


class ScheduleFreeAdamW(Optimizer):
    """The same with Adam's scale: the winner of AlgoPerf 2024's self-tuning track. Rule: `kernels.schedule_free_adamw`.

    As optax.contrib.schedule_free_adamw; its warmup_steps are a schedule of lr here. See `ScheduleFree` for ``x``,
    ``z`` and the weights.

    Parameters
    ----------
    params, lr, beta2, eps, l2, nonfinite : see `Adam`
    beta1 : p is beta1 · x + (1 - beta1) · z, in [0, 1)
    weight_decay : weight_decay · p is added to the step of z, at least 0

    References
    ----------
    Defazio et al. 2024, as `ScheduleFree`, algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = ScheduleFreeAdamW([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.schedule_free_adamw), ("x", "z", "s", "v")
    mean_of_points = "x"
    hyper = {"lr": 2.5e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}

    def start(self) -> None:
        self.averages["x"][:] = self.averages["z"][:] = self.buffer.data

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        tiny = float(np.finfo(self.buffer.data.dtype).tiny)
        return lr, lr * lr, 1 - beta1, beta2, 1 - beta2, 1 / (1 - beta2**t), eps, weight_decay, tiny
