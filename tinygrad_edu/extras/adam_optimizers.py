"""Adam's relatives in torch.optim as classes, in the form of `core.optimizers`."""

from __future__ import annotations

from array import array
from functools import lru_cache
from math import sqrt

from ..core.optimizer import Numbers, Optimizer
from ..core.optimizers import AdamW
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels


class AMSGrad(AdamW):
    """Adam that never forgets a large gradient: x, the largest v so far, takes the place of v. Rule: `kernels.amsgrad`.

    As torch.optim.Adam(amsgrad=True), or AdamW with weight_decay: the largest raw v, then debiased. So x never falls,
    but c2 · x does, early on.
    The paper has no bias correction; optax takes the largest debiased v.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    weight_decay : decoupled, as in `AdamW`, at least 0

    References
    ----------
    Reddi, Kale & Kumar 2018, "On the convergence of Adam and beyond", algorithm 2.

    Examples
    --------
    >>> p = Tensor([0.0], requires_grad=True)
    >>> optimizer = AMSGrad([p], beta1=0.0, beta2=0.5)
    >>> for g in (4.0, 1.0):
    ...     optimizer.zero_grad()
    ...     (g * p).sum().backward()
    ...     optimizer.step()
    >>> optimizer.v, optimizer.x
    (array([4.5]), array([8.]))
    """

    kernel, state = staticmethod(kernels.amsgrad), ("m", "v", "x")  # type: ignore[assignment]
    hyper = {**AdamW.hyper, "weight_decay": 0.0}


class Adamax(Optimizer):
    """Adam with the largest |g|, slowly forgotten, in place of the root of v. Rule: `kernels.adamax`.

    As torch.optim.Adamax, and optax.adamaxw with weight_decay. The paper has no eps, and divides 0 by 0 where a
    gradient was always 0.

    Parameters
    ----------
    params, lr, beta1, beta2, l2, nonfinite : see `Adam`
    eps : added to |g|
    weight_decay : decoupled, as in `AdamW`, at least 0

    References
    ----------
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adamax([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.adamax), ("m", "u")
    hyper = {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 / (1 - beta1**t), eps, 1 - lr * weight_decay


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead. Rule: `kernels.nadam`.

    As torch.optim.NAdam. The momentum mu_t = beta1 · (1 - 0.96^(t · momentum_decay) / 2) grows from beta1 / 2 to beta1.
    Other libraries have momentum_decay = 1, or no such growth: three different rules under one name.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    momentum_decay : how fast the momentum grows, at least 0
    weight_decay : decoupled, as in `AdamW`, at least 0; torch calls it decoupled_weight_decay

    References
    ----------
    Dozat 2016, "Incorporating Nesterov momentum into Adam", ICLR workshop.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = NAdam([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{(1 - p.item()) / 0.25:.4f}")
    1.0565
    """

    kernel, state = staticmethod(kernels.nadam), ("m", "v")
    hyper = {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "momentum_decay": 4e-3, "weight_decay": 0.0}

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, eps: float, momentum_decay: float, weight_decay: float
    ) -> Numbers:
        mu, following = (beta1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
        product = _product(beta1, momentum_decay, t)
        cg, cm = (1 - mu) / (1 - product), following / (1 - product * following)
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, cg, cm, 1 / (1 - beta2**t), eps, 1 - lr * weight_decay


def _product(beta1: float, momentum_decay: float, t: int) -> float:
    """mu_1 ··· mu_t of NAdam. A function of t, so that no state has to be saved; the products are remembered."""
    products = _products(beta1, momentum_decay)
    while len(products) <= t:
        products.append(products[-1] * beta1 * (1 - 0.96 ** (len(products) * momentum_decay) / 2))
    return products[t]


@lru_cache(maxsize=64)
def _products(beta1: float, momentum_decay: float) -> array[float]:
    return array("d", [1.0])


class RAdam(AdamW):
    """Adam that does not trust v before it has seen enough. Rule: `kernels.radam`.

    As torch.optim.RAdam: with beta2 = 0.999 the first five steps are descent along the debiased average alone, as long
    as the gradient is large; from t = 6 on v is used and its variance made up for. eps is added to √v before the bias
    correction.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    weight_decay : decoupled, as in `AdamW`, at least 0; torch calls it decoupled_weight_decay

    References
    ----------
    Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2, which goes over at t = 5.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = RAdam([p], lr=0.25)
    >>> (2 * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Tensor([0.5], requires_grad=True)
    """

    kernel = staticmethod(kernels.radam)
    hyper = {**AdamW.hyper, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        n = 2 / (1 - beta2) - 1
        k = n - 2 * t * beta2**t / (1 - beta2**t)
        r, plain = 0.0, 1.0
        if k > 5:
            r, plain = sqrt((1 - beta2**t) * (k - 4) * (k - 2) * n / ((n - 4) * (n - 2) * k)), 0.0
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 / (1 - beta1**t), eps, r, plain, 1 - lr * weight_decay
