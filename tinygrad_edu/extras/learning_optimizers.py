"""Rules that find out their own rate, from all parameters together. Their kernels are in `whole_kernels`.

A kernel sees one parameter. So each keeps sums at the place of each element, and between two steps `Learning.learn`
adds them up over all parameters.
"""

from __future__ import annotations

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Numbers, Update
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels
from .whole_optimizers import Whole


def norm_of(arrays: list[Array]) -> float:
    """Return the length of several arrays together, its squares summed in float64."""
    return float(sum(np.square(a, dtype=np.float64).sum() for a in arrays)) ** 0.5


class Learning(Whole):
    """The base of rules that find out their own rate: one number about all parameters, a hyper-parameter that they set.

    So it is saved and resumed with the others, and printed.
    """

    apart = True
    learned = "d"  # the name of that hyper-parameter

    def learn(self) -> float:
        """Return the number after a step. It never falls."""
        raise NotImplementedError

    def finish(self, updates: list[Update], times: int = 1) -> None:
        super().finish(updates, times)
        found = self.learn()
        for group in self.groups:
            group[self.learned] = max(group[self.learned], found)  # and NaN is not learned

    def total(self, name: str) -> float:
        """Return the sum over an average of all parameters."""
        return float(self.averages[name].sum(dtype=np.float64))


class DoG(Learning):
    """Descent at a measured rate: the distance from the start over the root of all squares. Rule: `kernels.dog`.

    As optax.contrib.dog. The authors advise to take an average of the points as the answer (`WeightAverage`). The start
    ``o`` is taken when the optimizer is made, so load weights first.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`
    lr : 1, or a factor
    eps : added inside the root
    distance : the largest distance so far, of all parameters together; 0 is taken for 1e-6 · (1 + |p|)

    References
    ----------
    Ivgi, Hinder & Carmon 2023, "DoG is SGD's best friend: a parameter-free dynamic step size schedule", equation 1.

    Examples
    --------
    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> optimizer = DoG([p], distance=0.5)
    >>> (10 * p[0]).sum().backward()
    >>> optimizer.step()  # 0.5 / 10 · 10
    >>> p.data.round(6), optimizer.groups[0]["distance"]
    (array([2.5, 4. ]), 0.5)
    """

    kernel, state = staticmethod(kernels.dog), ("o", "s")
    hyper = {"lr": 1.0, "eps": 1e-8, "distance": 0.0}
    learned = "distance"
    squares = 0.0  # of all gradients, with those of this step

    def start(self) -> None:
        super().start()
        self.averages["o"][:] = self.buffer.data
        for group in self.groups:
            group["distance"] = group["distance"] or self.guess()

    def guess(self) -> float:
        """Return the distance to begin with."""
        return 1e-6 * (1 + float(np.linalg.norm(self.buffer.data)))

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        self.squares = self.measure(
            [u.arrays[1] + u.arrays[1].dtype.type(u.group["l2"]) * u.arrays[0] for u in updates]
        )
        super().begin(updates, ahead)

    def measure(self, gradients: list[Array]) -> float:
        """Return the sum of the squares of all gradients, with these, which are those of this step."""
        return self.total("s") + norm_of(gradients) ** 2

    def scalars(self, t: int, lr: float, eps: float, distance: float) -> Numbers:
        return (lr * distance / (self.squares + eps) ** 0.5,)

    def learn(self) -> float:
        return float(np.linalg.norm(self.buffer.data - self.averages["o"]))


class DAdaptAdam(Learning):
    """Adam whose rate d grows towards the distance to the solution. Rule: `kernels.dadapt_adam`.

    As optax.contrib.dadapt_adamw. With a schedule lr is 1 at its largest.

    Parameters
    ----------
    params, beta1, beta2, eps, l2, nonfinite : see `Adam`
    lr : 1, or a factor
    weight_decay : decoupled, as in `AdamW`, at least 0; the rate is d · lr
    d : the estimate of the distance, too small at first

    References
    ----------
    Defazio & Mishchenko 2023, "Learning-rate-free learning by D-adaptation", algorithm 5.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = DAdaptAdam([p], d=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is d · lr
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.dadapt_adam), ("m", "v", "s", "r")
    hyper = {"lr": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "d": 1e-6}

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, d: float
    ) -> Numbers:
        rate, root = d * lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t), beta2**0.5
        keep, weight = 1 - rate * weight_decay, rate * (1 - root)
        return 1.0, beta1, beta2, rate * (1 - beta1), 1 - beta2, root, eps, keep, weight

    def learn(self) -> float:
        whole = float(np.abs(self.averages["s"]).sum(dtype=np.float64)) * (1 - self.groups[0]["beta2"] ** 0.5)
        return self.total("r") / whole if whole else 0.0


class Prodigy(DAdaptAdam):
    """D-adaptation that gets there sooner: Adam whose rate d follows the way from the start. Rule: `kernels.prodigy`.

    As optax.contrib.prodigy, but that eps is times the d of before the step, as in the paper. The start ``o`` is taken
    when the optimizer is made, so load weights first. With a schedule lr is 1 at its largest.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, weight_decay, d, l2, nonfinite : see `DAdaptAdam`

    References
    ----------
    Mishchenko & Defazio 2023, "Prodigy: an expeditiously adaptive parameter-free learner", algorithm 4.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Prodigy([p], d=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is d · lr
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.prodigy), ("o", "m", "v", "s", "r")  # type: ignore[assignment]

    def start(self) -> None:
        super().start()
        self.averages["o"][:] = self.buffer.data

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, d: float
    ) -> Numbers:
        rate, root = d * lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t), beta2**0.5
        keep, new1, new2 = 1 - rate * weight_decay, d * (1 - beta1), d * d * (1 - beta2)
        tiny = float(np.finfo(self.buffer.data.dtype).tiny)
        return rate, beta1, beta2, new1, new2, root, d * rate, max(d * eps, tiny), keep

    def learn(self) -> float:
        whole = float(np.abs(self.averages["s"]).sum(dtype=np.float64))
        return self.total("r") / whole if whole else 0.0
