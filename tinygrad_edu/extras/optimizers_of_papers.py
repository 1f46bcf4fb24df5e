"""Elementwise rules that papers are cited for and torch.optim does not have, in the form of `core.optimizers`.

Defaults are the authors'; where they give none, optax's.
"""

from __future__ import annotations

from math import sqrt

from ..core.optimizer import Numbers, Optimizer
from ..core.optimizers import Adam
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels


class OptimisticGradient(Optimizer):
    """Descent that counts on the slope to go on changing, as in games it does. Rule: `kernels.optimistic_gradient`.

    As optax.optimistic_gradient_descent with alpha = 1. In a game that turns in circles, such as the saddle x · y,
    descent runs away and this rule arrives.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    optimism : how much of the last change of the gradient is added, at least 0; the papers have 1

    References
    ----------
    Popov 1980, "A modification of the Arrow-Hurwicz method for search of saddle points"; Daskalakis, Ilyas, Syrgkanis &
    Zeng 2018, "Training GANs with optimism".

    Examples
    --------
    >>> p = Tensor([0.0], requires_grad=True)
    >>> optimizer = OptimisticGradient([p], lr=0.5)
    >>> for g in (1.0, 2.0):  # steps along 1, and along 2 + (2 - 1)
    ...     optimizer.zero_grad()
    ...     (g * p).sum().backward()
    ...     optimizer.step()
    >>> p
    Tensor([-2.], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.optimistic_gradient), ("q",)
    hyper = {"lr": 1e-2, "optimism": 1.0}

    def scalars(self, t: int, lr: float, optimism: float) -> Numbers:
        optimism = optimism if t > 1 else 0.0
        return lr, 1 + optimism, optimism


class OptimisticAdam(Optimizer):
    """Adam, and as much again as its direction has changed. Rule: `kernels.optimistic_adam`.

    As optax.optimistic_adam_v2 without its Nesterov form. The paper takes the direction before the first to be 0.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    optimism : how much of the last change of the direction is added, at least 0

    References
    ----------
    Daskalakis, Ilyas, Syrgkanis & Zeng 2018, "Training GANs with optimism", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = OptimisticAdam([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is Adam's
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.optimistic_adam), ("m", "v", "q")
    hyper = {**Adam.hyper, "optimism": 1.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, optimism: float) -> Numbers:
        optimism = optimism if t > 1 else 0.0
        lr, *numbers = Adam.scalars(self, t, lr, beta1, beta2, eps)  # type: ignore[arg-type]
        return lr, 1 + optimism, optimism, *numbers


class COCOB(Optimizer):
    """A gambler in the place of a learning rate: the better the bets, the longer the steps. Rule: `kernels.cocob`.

    As optax.contrib.cocob. p is not moved on: it is put at a distance from its start ``o``, which is taken when the
    optimizer is made, so load weights first.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`
    lr : 1, or a factor of the distance from the start
    alpha : the larger, the shorter the first steps, at least 0
    eps : the largest |g| before the first gradient

    References
    ----------
    Orabona & Tommasi 2017, "Training deep networks without learning rates through coin betting", algorithm 2.

    Examples
    --------
    >>> p = Tensor([0.0], requires_grad=True)
    >>> optimizer = COCOB([p], alpha=4.0)
    >>> (8 * p).sum().backward()
    >>> optimizer.step()  # -8 / 8 / (4 · 8) · 8
    >>> p
    Tensor([-0.25], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.cocob), ("o", "u", "n", "r", "s")
    hyper = {"lr": 1.0, "alpha": 100.0, "eps": 1e-8}

    def start(self) -> None:
        self.averages["o"][:] = self.buffer.data
        for group, members in zip(self.groups, self.members, strict=True):
            for i in members:
                self.averages["u"][slice(*self.buffer.spans[i])] = group["eps"]

    def scalars(self, t: int, lr: float, alpha: float, eps: float) -> Numbers:
        return lr, alpha


class Yogi(Optimizer):
    """Adam whose v falls slowly, so the steps do not leap up after a large gradient. Rule: `kernels.yogi`.

    As the paper. optax starts both averages at 1e-6, and debiases them.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta1 : how much of m is kept at each step, in [0, 1)
    beta2 : v changes by (1 - beta2) · g², in [0, 1)
    eps : added outside the root

    References
    ----------
    Zaheer, Reddi, Sachan, Kale & Kumar 2018, "Adaptive methods for nonconvex optimization", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Yogi([p], lr=0.25, beta1=0.5, beta2=0.75, eps=1e-9)
    >>> (8 * p).sum().backward()
    >>> optimizer.step()  # m = 4, v = 16
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.yogi), ("m", "v")
    hyper = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-3}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Numbers:
        return lr, beta1, 1 - beta1, 1 - beta2, eps


class QHM(Optimizer):
    """Quasi-hyperbolic momentum: some of the slope of now, some of the average. Rule: `kernels.qhm`.

    nu = 0 is `SGD`, nu = 1 is `Momentum`, nu = beta is `Nesterov` with lr · (1 - beta) in the place of lr.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta : how much of the average is kept at each step, in [0, 1)
    nu : the share of the average in a step, from 0 to 1

    References
    ----------
    Ma & Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", section 3; beta and nu are those that it
    recommends, and it gives no lr.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = QHM([p], lr=0.5, beta=0.5, nu=0.5)
    >>> (2 * p).sum().backward()  # half of 2, and half of the average, 1
    >>> optimizer.step()
    >>> p
    Tensor([0.25], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.qhm), ("v",)
    hyper = {"lr": 1e-2, "beta": 0.999, "nu": 0.7}

    def scalars(self, t: int, lr: float, beta: float, nu: float) -> Numbers:
        return lr, beta, 1 - beta, nu, 1 - nu


class QHAdam(Optimizer):
    """Adam with both moments between now and their averages. Rule: `kernels.qhadam`.

    nu1 = nu2 = 1 is `Adam`. The authors' package has 1 for both as defaults, and recommends those here.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    nu1, nu2 : the shares of the averages of g and of g², from 0 to 1

    References
    ----------
    Ma & Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", section 4.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = QHAdam([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.qhadam), ("m", "v")
    hyper = {"lr": 1e-3, "beta1": 0.995, "beta2": 0.999, "eps": 1e-8, "nu1": 0.7, "nu2": 1.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, nu1: float, nu2: float) -> Numbers:
        *numbers, eps = Adam.scalars(self, t, lr, beta1, beta2, eps)  # type: ignore[arg-type]
        return *numbers, nu1, nu2, 1 - nu1, 1 - nu2, eps


class AdaBound(Optimizer):
    """Adam at first, SGD in the end: its rates are held between bounds that close. Rule: `kernels.ada_bound`.

    As the authors' package, where the final rate is 0.1 beside an lr of 0.001, and follows a schedule of lr as here.
    The paper divides the rate by √t too.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    final : the rate that the bounds close on, in units of lr, at least 0
    gamma : how fast they close, above 0

    References
    ----------
    Luo, Xiong, Liu & Sun 2019, "Adaptive gradient methods with dynamic bound of learning rate", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdaBound([p], lr=0.25, gamma=1.0, final=2.0)
    >>> p.sum().backward()
    >>> optimizer.step()  # Adam's rate 0.25 · √0.001 / 0.1 / √0.001 is 2.5, the upper bound 1, m is 0.1
    >>> print(f"{p.item():.4f}")
    0.9000
    """

    kernel, state = staticmethod(kernels.ada_bound), ("m", "v")
    hyper = {**Adam.hyper, "final": 100.0, "gamma": 1e-3}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, final: float, gamma: float) -> Numbers:
        rate, low = lr * sqrt(1 - beta2**t) / (1 - beta1**t), lr * final * (1 - 1 / (gamma * t + 1))
        return beta1, beta2, 1 - beta1, 1 - beta2, rate, eps, low, lr * final * (1 + min(1 / (gamma * t), 1e30))


class AdaBelief(Adam):
    """Adam that trusts what it expected: divided by the distance of g from its average. Rule: `kernels.ada_belief`.

    As optax.adabelief. The authors' package has RAdam's rectification and AdamW's decay on top by default.

    Parameters
    ----------
    params, lr, beta1, beta2, l2, nonfinite : see `Adam`
    eps : added to s at each step, and outside the root

    References
    ----------
    Zhuang et al. 2020, "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdaBelief([p], lr=0.25, beta1=0.5)
    >>> (8 * p).sum().backward()
    >>> optimizer.step()  # along 8, which is 4 away from its average
    >>> print(f"{p.item():.4f}")
    0.5000
    """

    kernel, state = staticmethod(kernels.ada_belief), ("m", "s")
    hyper = {**Adam.hyper, "eps": 1e-16}


class Adan(Optimizer):
    """Nesterov's look ahead, out of the changes of the gradient, in Adam's scale. Rule: `kernels.adan`.

    As the authors' package. Its betas are 1 minus those of the paper. optax 0.2.8 has 1 - beta2 where beta2 belongs.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta1, beta2, beta3 : how much of the averages of g, of its changes, and of the squares is kept, in [0, 1)
    eps : added outside the root
    weight_decay : decoupled, and implicit: p is divided by 1 + lr · weight_decay after the step

    References
    ----------
    Xie, Zhou, Li, Lin & Yan 2022, "Adan: adaptive Nesterov momentum algorithm", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adan([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.adan), ("m", "d", "n", "q")
    hyper = {"lr": 1e-3, "beta1": 0.98, "beta2": 0.92, "beta3": 0.99, "eps": 1e-8, "weight_decay": 0.0}

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, beta3: float, eps: float, weight_decay: float
    ) -> Numbers:
        keep = 1 / (1 + lr * weight_decay)
        c1, c2, c3 = 1 / (1 - beta1**t), beta2 / (1 - beta2**t), 1 / (1 - beta3**t)
        return keep * lr, beta1, beta2, beta3, 1 - beta1, 1 - beta2, 1 - beta3, c1, c2, c3, eps, keep, float(t > 1)


class ADOPT(Optimizer):
    """Adam in another order: scale by what was known before, then average. Rule: `kernels.adopt`.

    As optax.contrib.adopt, with the clipping of the authors' second version. The first update moves v alone.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta1, beta2 : how much of the averages of scaled gradients and of g² is kept at each step, in [0, 1)
    eps : the least that a gradient is divided by

    References
    ----------
    Taniguchi et al. 2024, "ADOPT: modified Adam can converge with any β2 with the optimal rate", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = ADOPT([p], lr=0.5, beta1=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (8 * p).sum().backward()
    ...     optimizer.step()
    >>> p  # no step, and one of 0.5 · 0.5 · 8 / √64
    Tensor([0.75], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.adopt), ("m", "v")
    hyper = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.9999, "eps": 1e-6}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Numbers:
        old = beta2 if t > 1 else 0.0
        return lr, beta1, 1 - beta1, 1 - old, old, eps, max(t - 1, 0) ** 0.25


class AdEMAMix(Optimizer):
    """AdamW with a second, much longer average, for the gradients of long ago. Rule: `kernels.ademamix`.

    As optax.contrib.ademamix, whose alpha this is. The paper lets alpha and beta3 grow at first.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    beta3 : how much of the long average is kept at each step, in [0, 1)
    alpha : the weight of the long average, at least 0
    weight_decay : decoupled, as in `AdamW`, at least 0

    References
    ----------
    Pagliardini, Ablin & Grangier 2024, "The AdEMAMix optimizer: better, faster, older", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdEMAMix([p], lr=0.25, beta3=0.9)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # Adam's 1, and 5 · 0.1
    >>> print(f"{p.item():.4f}")
    0.6250
    """

    kernel, state = staticmethod(kernels.ademamix), ("m", "n", "v")
    hyper = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "beta3": 0.9999, "alpha": 5.0, "eps": 1e-8, "weight_decay": 0.0}

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, beta3: float, alpha: float, eps: float, weight_decay: float
    ) -> Numbers:
        c1, c2, keep = 1 / (1 - beta1**t), 1 / (1 - beta2**t), 1 - lr * weight_decay
        return lr, beta1, beta2, beta3, 1 - beta1, 1 - beta2, 1 - beta3, c1, c2, alpha, eps, keep
