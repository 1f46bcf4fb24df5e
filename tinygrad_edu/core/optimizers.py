"""Every update rule as a class, in the order of `kernels`: what it remembers, and which numbers its kernel takes.

An optimizer is a kernel, the names of its running averages (``state``), its hyper-parameters with their defaults, and
``scalars``: the numbers that the kernel takes after its arrays, computed in float64 from t and the hyper-parameters.
``parts`` says how its step is made: a rate, a direction, and what earlier gradients left in that; `Optimizer.why` reads
it. Everything else is in `step.Optimizer`, also what ``**common`` stands for: l2 and nonfinite.

Batch, mini-batch and stochastic gradient descent are one rule, `SGD`; they differ in how many samples
``batch_size`` takes for one gradient (see `data.batches`). Defaults are those of torch.optim.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from math import sqrt
from typing import Any

from . import kernels
from .ops import Array
from .optimizer import LearningRate, Optimizer, parameter_groups
from .tensor import Tensor  # noqa: F401, for the examples

Numbers = tuple[float, ...]


class SGD(Optimizer):
    """Gradient descent, p <- p - lr · g. Rule: `kernels.sgd`. As torch.optim.SGD without momentum.

    Whether it is batch, mini-batch or stochastic gradient descent is not the rule's business: it is how many samples
    g is the mean over.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`

    References
    ----------
    Cauchy 1847; Robbins & Monro 1951, "A stochastic approximation method".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.25)
    >>> (p * p).sum().backward()  # the gradient is 2
    >>> optimizer.step()
    >>> p
    Tensor([0.5], requires_grad=True)
    """

    kernel = staticmethod(kernels.sgd)

    def __init__(self, params: Any, lr: LearningRate = 1e-3, **common: Any) -> None:
        super().__init__(params, {"lr": lr}, **common)


class Momentum(Optimizer):
    """Momentum as courses teach it: step along a moving average of the gradients. Rule: `kernels.momentum`.

    ``Momentum(lr=a)`` takes the steps of ``HeavyBall(lr=a * (1 - beta))``. The average starts at 0, so the first steps
    are short; bias_correction divides by 1 - beta^t and makes the first step lr · g.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    beta : how much of the average is kept at each step, in [0, 1)
    bias_correction : whether the average is debiased

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Momentum([p], lr=0.5, beta=0.5)
    >>> (2 * p).sum().backward()  # the gradient is 2, the average becomes 1
    >>> optimizer.step()
    >>> p
    Tensor([0.5], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.momentum), ("v",)
    parts = "lr · c", "v", "v - one_minus_beta · g"

    def __init__(
        self, params: Any, lr: LearningRate = 1e-2, beta: float = 0.9, bias_correction: bool = False, **common: Any
    ) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "bias_correction": bias_correction}, **common)

    def scalars(self, t: int, lr: float, beta: float, bias_correction: bool) -> Numbers:
        return lr, beta, 1 - beta, 1 / (1 - beta**t) if bias_correction else 1.0


class HeavyBall(Optimizer):
    """Momentum after Polyak: gradients push a velocity. Rule: `kernels.heavy_ball`.

    As torch.optim.SGD(momentum=...), with lr outside the velocity: a new lr acts on the whole step at once.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    momentum : how much of the velocity is kept at each step, in [0, 1)

    References
    ----------
    Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = HeavyBall([p], lr=0.1, momentum=0.5)
    >>> for _ in range(2):  # velocities 1 and 1.5
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> print(f"{p.item():.2f}")
    0.75
    """

    kernel, state = staticmethod(kernels.heavy_ball), ("v",)
    parts = "lr", "v", "v - g"

    def __init__(self, params: Any, lr: LearningRate = 1e-3, momentum: float = 0.9, **common: Any) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum}, **common)


class Nesterov(HeavyBall):
    """Momentum that looks ahead. Rule: `kernels.nesterov`. As torch.optim.SGD(momentum=..., nesterov=True).

    The parameters that are stored are the look-ahead point, so the gradient is taken where Nesterov's method takes it.

    Parameters
    ----------
    params, lr, momentum, **common : see `HeavyBall`

    References
    ----------
    Nesterov 1983; Sutskever, Martens, Dahl & Hinton 2013, "On the importance of initialization and momentum".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Nesterov([p], lr=0.1, momentum=0.5)
    >>> p.sum().backward()  # velocity 1, step 0.1 · (1 + 0.5 · 1)
    >>> optimizer.step()
    >>> print(f"{p.item():.2f}")
    0.85
    """

    kernel = staticmethod(kernels.nesterov)
    parts = "lr", "g + momentum · v", "momentum · (v - g)"


class Adagrad(Optimizer):
    """A rate for each parameter, ever falling: divide by the root of the sum of squares. Rule: `kernels.adagrad`.

    As torch.optim.Adagrad. For a constant gradient step t has length lr / √t.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    lr_decay : the rate at update t is lr / (1 + (t - 1) · lr_decay)
    eps : added outside the root

    References
    ----------
    Duchi, Hazan & Singer 2011, "Adaptive subgradient methods", JMLR 12.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is lr, whatever the size of the gradient
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.adagrad), ("s",)
    parts = "lr / (sqrt(s) + eps)", "g", "0"

    def __init__(
        self, params: Any, lr: LearningRate = 1e-2, lr_decay: float = 0.0, eps: float = 1e-10, **common: Any
    ) -> None:
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "eps": eps}, **common)

    def scalars(self, t: int, lr: float, lr_decay: float, eps: float) -> Numbers:
        return lr / (1 + (t - 1) * lr_decay), eps


class Adadelta(Optimizer):
    """Steps in the unit of the parameter: the size of past steps over that of past gradients. Rule: `kernels.adadelta`.

    As torch.optim.Adadelta; the paper has rho = 0.95 and no lr. Both averages start at 0, so eps sets the first step,
    √(eps / (1 - rho)), and all steps grow slowly from there.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    rho : how much of both averages is kept at each step, in [0, 1)
    eps : added inside both roots

    References
    ----------
    Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adadelta([p])
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # √(1e-6 / 0.1)
    >>> print(f"{p.item():.6f}")
    0.996838
    """

    kernel, state = staticmethod(kernels.adadelta), ("v", "s")
    # s has moved on since: what it was follows from s <- rho · s + one_minus_rho · (s + eps) / (v + eps) · g · g
    parts = "lr · sqrt((s + rho · eps) / (rho + one_minus_rho · g · g / (v + eps)) / (v + eps))", "g", "0"

    def __init__(self, params: Any, lr: LearningRate = 1.0, rho: float = 0.9, eps: float = 1e-6, **common: Any) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps}, **common)

    def scalars(self, t: int, lr: float, rho: float, eps: float) -> Numbers:
        return lr, rho, 1 - rho, eps


class RMSprop(Optimizer):
    """Adagrad that forgets: divide by the root of a moving average of squares. Rule: `kernels.rmsprop`.

    As torch.optim.RMSprop, where rho is called alpha. The lecture has rho = 0.9. There is no bias correction, so the
    first step is lr / √(1 - rho): ten times lr. Centered divides by the standard deviation; where a gradient hardly
    changes that goes to 0, and the steps grow towards lr · g / eps. Each variant is a kernel of its own:
    rmsprop_centered, rmsprop_momentum, rmsprop_centered_momentum.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    rho : how much of the average is kept at each step, in [0, 1)
    eps : added outside the root
    momentum : how much of the velocity of scaled gradients is kept, in [0, 1); lr is outside it
    centered : whether the mean is taken away from the mean square

    References
    ----------
    Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6.5. Graves 2013, "Generating sequences with
    recurrent neural networks", which is centered, with momentum, and eps inside the root.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([p], lr=0.05)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.5000
    """

    kernel = staticmethod(kernels.rmsprop)
    state: tuple[str, ...] = ("v", "m", "b")  # what of it a variant has, __init__ says

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-2,
        rho: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        **common: Any,
    ) -> None:
        moving = momentum or any(group.get("momentum") for group in parameter_groups(params))
        root = "(sqrt(v) + eps)"
        self.kernel, self.state = kernels.rmsprop_momentum if moving else kernels.rmsprop, ("v",)
        if centered:
            self.kernel = kernels.rmsprop_centered_momentum if moving else kernels.rmsprop_centered
            self.state, root = ("v", "m"), "(sqrt(maximum(v, m · m) - m · m) + eps)"
        self.parts = (f"lr / {root}", "g", "0")
        if moving:
            self.state, self.parts = (*self.state, "b"), ("lr", "b", f"b - g / {root}")
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "momentum": momentum}, **common)

    def scalars(self, t: int, lr: float, rho: float, eps: float, momentum: float) -> Numbers:
        if momentum and "b" not in self.state:
            raise ValueError(f"momentum = {momentum}, but this RMSprop was made without; give it when you make it")
        averages = (1 - rho,) if "m" in self.state else (rho, 1 - rho)
        return (lr, *averages, eps, momentum) if "b" in self.state else (lr, *averages, eps)


class Adam(Optimizer):
    """Adaptive moment estimation: momentum over RMSprop, both debiased. Rule: `kernels.adam`.

    As algorithm 1 of the paper and torch.optim.Adam: eps outside the root, t counting updates from 1. The corrections
    c1 and c2 undo the zeros that m and v start from; the averages themselves stay as they are.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    beta1, beta2 : how much of the averages of g and of g² is kept at each step, in [0, 1)
    eps : added outside the root

    References
    ----------
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is lr · g / (|g| + eps)
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.adam), ("m", "v")
    parts = "lr / (sqrt(c2 · v) + eps)", "c1 · m", "c1 · (m - one_minus_beta1 · g)"

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}, **common)

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 / (1 - beta1**t), 1 / (1 - beta2**t), eps


class AdamW(Optimizer):
    """Adam with decoupled weight decay: the weights shrink by themselves. Rule: `kernels.adamw`.

    As torch.optim.AdamW: before Adam's step each weight is multiplied by 1 - lr · weight_decay. An L2 term in the loss,
    which is what l2 stands for, would instead enter m and v, and be divided by √v with the rest of the gradient.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, **common : see `Adam`
    weight_decay : at least 0; the paper's λ is lr · weight_decay

    References
    ----------
    Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([p], lr=0.25, weight_decay=0.4)
    >>> (0 * p).sum().backward()  # no gradient: what is left is the decay, 1 - 0.25 · 0.4
    >>> optimizer.step()
    >>> p
    Tensor([0.9], requires_grad=True)
    """

    kernel, state, parts = staticmethod(kernels.adamw), Adam.state, Adam.parts

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        **common: Any,
    ) -> None:
        hyper = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, hyper, **common)

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        return *Adam.scalars(self, t, lr, beta1, beta2, eps), 1 - lr * weight_decay  # type: ignore[arg-type]


class AMSGrad(Adam):
    """Adam that never forgets a large gradient: x, the largest v so far, takes the place of v. Rule: `kernels.amsgrad`.

    As torch.optim.Adam(amsgrad=True): the largest raw v, then debiased. So x never falls, but c2 · x does, early on.
    The paper has no bias correction; optax takes the largest debiased v.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, **common : see `Adam`

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
    parts = "lr / (sqrt(c2 · x) + eps)", "c1 · m", "c1 · (m - one_minus_beta1 · g)"


class Adamax(Optimizer):
    """Adam with the largest |g|, slowly forgotten, in place of the root of v. Rule: `kernels.adamax`.

    As torch.optim.Adamax. The paper has no eps, and divides 0 by 0 where a gradient was always 0.

    Parameters
    ----------
    params, lr, beta1, beta2, **common : see `Adam`
    eps : added to |g|

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
    parts = "lr / u", "c1 · m", "c1 · (m - one_minus_beta1 · g)"

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}, **common)

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 / (1 - beta1**t), eps


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead. Rule: `kernels.nadam`.

    As torch.optim.NAdam. The momentum mu_t = beta1 · (1 - 0.96^(t · momentum_decay) / 2) grows from beta1 / 2 to beta1.
    Other libraries have momentum_decay = 1, or no such growth: three different rules under one name.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, **common : see `Adam`
    momentum_decay : how fast the momentum grows, at least 0

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
    parts = "lr / (sqrt(c2 · v) + eps)", "cg · g + cm · m", "cm · (m - one_minus_beta1 · g)"

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
        **common: Any,
    ) -> None:
        hyper = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "momentum_decay": momentum_decay}
        super().__init__(params, hyper, **common)

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, momentum_decay: float) -> Numbers:
        mu, following = (beta1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
        product = _product(beta1, momentum_decay, t)
        cg, cm = (1 - mu) / (1 - product), following / (1 - product * following)
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, cg, cm, 1 / (1 - beta2**t), eps


def _product(beta1: float, momentum_decay: float, t: int) -> float:
    """mu_1 ··· mu_t of NAdam. A function of t, so that no state has to be saved; the products are remembered."""
    products = _products(beta1, momentum_decay)
    while len(products) <= t:
        products.append(products[-1] * beta1 * (1 - 0.96 ** (len(products) * momentum_decay) / 2))
    return products[t]


@lru_cache(maxsize=64)
def _products(beta1: float, momentum_decay: float) -> array[float]:
    return array("d", [1.0])


class RAdam(Adam):
    """Adam that does not trust v before it has seen enough. Rule: `kernels.radam`.

    As torch.optim.RAdam: with beta2 = 0.999 the first five steps are descent along the debiased average alone, as long
    as the gradient is large; from t = 6 on v is used and its variance made up for. eps is added to √v before the bias
    correction.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, **common : see `Adam`

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
    parts = "lr · (r / (sqrt(v) + eps) + plain)", "c1 · m", "c1 · (m - one_minus_beta1 · g)"

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Numbers:
        n = 2 / (1 - beta2) - 1
        k = n - 2 * t * beta2**t / (1 - beta2**t)
        r, plain = 0.0, 1.0
        if k > 5:
            r, plain = sqrt((1 - beta2**t) * (k - 4) * (k - 2) * n / ((n - 4) * (n - 2) * k)), 0.0
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 / (1 - beta1**t), eps, r, plain


class Rprop(Optimizer):
    """A step of its own for each parameter, longer while the slope keeps its sign, shorter when it turns.

    Rule: `kernels.rprop`. As torch.optim.Rprop: after a turn the parameter waits for one step. Only for full batches:
    a noisy gradient turns all the time. The size of the gradient does not matter.

    Parameters
    ----------
    params, **common : see `Optimizer`
    lr : the first step of each parameter. A change of it later has no effect; the paper has 0.1
    down, up : factors of the step, in (0, 1) and above 1
    least, most : between these the step stays

    References
    ----------
    Riedmiller & Braun 1993, "A direct adaptive method for faster backpropagation learning"; Igel & Hüsken 2000.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Rprop([p], lr=0.25)
    >>> for _ in range(2):  # steps 0.25 and 0.25 · 1.2
    ...     optimizer.zero_grad()
    ...     (100 * p).sum().backward()
    ...     optimizer.step()
    >>> print(f"{p.item():.2f}")
    0.45
    """

    kernel, state = staticmethod(kernels.rprop), ("d", "q")
    parts = "d", "sign(q)", "0"
    d: Array

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-2,
        down: float = 0.5,
        up: float = 1.2,
        least: float = 1e-6,
        most: float = 50.0,
        **common: Any,
    ) -> None:
        super().__init__(params, {"lr": lr, "down": down, "up": up, "least": least, "most": most}, **common)
        for group, members in zip(self.groups, self._members):
            if group["least"] > group["most"]:
                raise ValueError(f"least = {group['least']} is above most = {group['most']}")
            for i in members:
                self.d[slice(*self.buffer.spans[i])] = self._rate(group["lr"], 1)

    def scalars(self, t: int, lr: float, down: float, up: float, least: float, most: float) -> Numbers:
        return up, down, least, most


class ASGD(Optimizer):
    """Descent with a falling rate, and beside it the mean of all points: ``a``. Rule: `kernels.asgd`.

    As torch.optim.ASGD, with the rate of this step from this step's lr. The mean starts after update t0 + 1; until then
    a is p. Read the answer from the flat array ``optimizer.a``, or see `WeightAverage`.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    lambd : decay of p at each step, times the rate, at least 0
    alpha : the rate at update t is lr / (1 + lambd · lr · (t - 1))^alpha
    t0 : the update after which the mean starts

    References
    ----------
    Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; Bottou 2010.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = ASGD([p], lr=0.25, lambd=0.0, t0=0)
    >>> for _ in range(3):  # 0.75, 0.5, 0.25
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> p.data, optimizer.a
    (array([0.25]), array([0.375]))
    """

    kernel, state = staticmethod(kernels.asgd), ("a",)
    a: Array

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        **common: Any,
    ) -> None:
        super().__init__(params, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0}, **common)
        self.a[:] = self.buffer.data

    def scalars(self, t: int, lr: float, lambd: float, alpha: float, t0: float) -> Numbers:
        rate = lr / (1 + lambd * lr * (t - 1)) ** alpha
        return rate, 1 - lambd * rate, 1 - 1 / max(1, t - 1 - t0)


class SignSGD(Optimizer):
    """Every parameter moves by lr, down its slope, however steep. Rule: `kernels.signsgd`.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`

    References
    ----------
    Bernstein, Wang, Azizzadenesheli & Anandkumar 2018, "signSGD: compressed optimisation for non-convex problems".

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = SignSGD([p], lr=0.25)
    >>> (p * [100.0, -0.01]).sum().backward()
    >>> optimizer.step()
    >>> p
    Tensor([0.75, 1.25], requires_grad=True)
    """

    kernel = staticmethod(kernels.signsgd)
    parts = "lr", "sign(g)", "0"

    def __init__(self, params: Any, lr: LearningRate = 1e-3, **common: Any) -> None:
        super().__init__(params, {"lr": lr}, **common)


class Signum(Optimizer):
    """SignSGD along a moving average: a vote of the latest gradients. Rule: `kernels.signum`.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    beta : how much of the average is kept at each step, in [0, 1)

    References
    ----------
    Bernstein et al. 2018, as `SignSGD`, algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Signum([p], lr=0.25, beta=0.5)
    >>> for g in (10.0, -1.0):  # averages 5 and 2: the second step goes on
    ...     optimizer.zero_grad()
    ...     (g * p).sum().backward()
    ...     optimizer.step()
    >>> p
    Tensor([0.5], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.signum), ("m",)
    parts = "lr", "sign(m)", "sign(m) - sign(g)"

    def __init__(self, params: Any, lr: LearningRate = 1e-3, beta: float = 0.9, **common: Any) -> None:
        super().__init__(params, {"lr": lr, "beta": beta}, **common)

    def scalars(self, t: int, lr: float, beta: float) -> Numbers:
        return lr, beta, 1 - beta


class Lion(Optimizer):
    """The sign of one moving average, while another is kept. Rule: `kernels.lion`.

    Its steps are as long as `SignSGD`'s: take an lr three to ten times smaller than for `AdamW`, and a weight_decay as
    many times larger.

    Parameters
    ----------
    params, lr, **common : see `Optimizer`
    beta1, beta2 : of the average that is stepped along, and of the one that is kept, in [0, 1)
    weight_decay : decoupled, as in `AdamW`, at least 0

    References
    ----------
    Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Lion([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Tensor([0.75], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.lion), ("m",)
    # m has moved on since: beta2 · m of then is m - one_minus_beta2 · g
    parts = (
        "lr",
        "sign(beta1 · (m - one_minus_beta2 · g) / beta2 + one_minus_beta1 · g)",
        "sign(beta1 · (m - one_minus_beta2 · g) / beta2 + one_minus_beta1 · g) - sign(g)",
    )

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}, **common)

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, weight_decay: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 - lr * weight_decay


# fmt: off
RULES: dict[str, type[Optimizer]] = {
    rule.__name__: cls
    for cls in (
        SGD, Momentum, HeavyBall, Nesterov, Adagrad, Adadelta, RMSprop, Adam, AdamW, AMSGrad, Adamax, NAdam, RAdam,
        Rprop, ASGD, SignSGD, Signum, Lion,
    )
    for rule in [cls.kernel]
}
# fmt: on


def rule_names(wanted: str | Iterable[str]) -> list[str]:
    """The names in wanted, which is one, several, or "all". ValueError if there are none, or one is not in RULES."""
    names = list(RULES if wanted == "all" else [wanted] if isinstance(wanted, str) else wanted)
    if not names:
        raise ValueError(f"there is no rule to race; choose from {', '.join(RULES)}")
    for name in names:
        if name not in RULES:
            raise ValueError(f"there is no rule {name!r}; choose from {', '.join(RULES)}")
    return names
