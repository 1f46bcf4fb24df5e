"""The update rules of a course as classes, in the order of `kernels`: what each remembers, and the numbers it takes.

Look first at `SGD`, then at `Adam`. An optimizer is a kernel, the names of its running averages (``state``), its
hyper-parameters with their defaults (``hyper``), and ``scalars``: the numbers that the kernel takes after its arrays,
computed in float64 from t and the hyper-parameters. Everything else is in `optimizer.Optimizer`. All other rules are in
`extras.optimizers`. Defaults are torch's where torch.optim has a class of that name.
"""

from __future__ import annotations

from . import kernels
from .optimizer import Numbers, Optimizer
from .tensor import Tensor  # noqa: F401, for the examples


class SGD(Optimizer):
    """Gradient descent, p <- p - lr · g. Rule: `kernels.sgd`. As torch.optim.SGD without momentum.

    Batch, mini-batch and stochastic gradient descent are this one rule. They differ in how many samples g is the mean
    over: ``batch_size`` of `training.data.batches`.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`

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
    hyper = {"lr": 1e-3}


class Momentum(Optimizer):
    """Momentum as courses teach it: step along a moving average of the gradients. Rule: `kernels.momentum`.

    ``Momentum(lr=a)`` takes the steps of ``HeavyBall(lr=a * (1 - beta))``. The average starts at 0, so the first steps
    are short; bias_correction divides it by 1 - beta^t, which makes the first step lr · g.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta : how much of the average is kept at each step, in [0, 1)
    bias_correction : whether the average is divided by 1 - beta^t

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
    hyper = {"lr": 1e-2, "beta": 0.9, "bias_correction": False}

    def scalars(self, t: int, lr: float, beta: float, bias_correction: bool) -> Numbers:
        return lr, beta, 1 - beta, 1 / (1 - beta**t) if bias_correction else 1.0


class HeavyBall(Optimizer):
    """Polyak's momentum: gradients add up to a velocity, which decays. Rule: `kernels.heavy_ball`.

    As torch.optim.SGD(momentum=...), with lr outside the velocity: a new lr acts on the whole step at once.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1e-3, "momentum": 0.9}


class Nesterov(HeavyBall):
    """Momentum that looks ahead. Rule: `kernels.nesterov`. As torch.optim.SGD(momentum=..., nesterov=True).

    The parameters that are stored are the look-ahead point, so the gradient is taken where Nesterov's method takes it.

    Parameters
    ----------
    params, lr, momentum, l2, nonfinite : see `HeavyBall`

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


class Adagrad(Optimizer):
    """A falling rate for each number: lr over the root of its gradients' sum of squares. Rule: `kernels.adagrad`.

    As torch.optim.Adagrad. For a constant gradient step t has length lr / √t.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1e-2, "lr_decay": 0.0, "eps": 1e-10}

    def scalars(self, t: int, lr: float, lr_decay: float, eps: float) -> Numbers:
        return lr / (1 + (t - 1) * lr_decay), eps


class Adadelta(Optimizer):
    """g times the size of past steps over that of past gradients, so in the unit of p. Rule: `kernels.adadelta`.

    As torch.optim.Adadelta; the paper has rho = 0.95 and no lr. Both averages start at 0, so eps sets the first step,
    √(eps / (1 - rho)), and all steps grow slowly from there.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1.0, "rho": 0.9, "eps": 1e-6}

    def scalars(self, t: int, lr: float, rho: float, eps: float) -> Numbers:
        return lr, rho, 1 - rho, eps


class RMSprop(Optimizer):
    """Adagrad that forgets: lr over the root of a moving average of squares. Rule: `kernels.rmsprop`.

    As torch.optim.RMSprop, where rho is called alpha. The lecture has rho = 0.9. There is no bias correction, so the
    first step is lr / √(1 - rho): ten times lr. `extras.optimizers` adds momentum and centering.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    rho : how much of the average is kept at each step, in [0, 1)
    eps : added outside the root

    References
    ----------
    Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6.5.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([p], lr=0.05)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.5000
    """

    kernel, state = staticmethod(kernels.rmsprop), ("v",)
    hyper = {"lr": 1e-2, "rho": 0.99, "eps": 1e-8}

    def scalars(self, t: int, lr: float, rho: float, eps: float) -> Numbers:
        return lr, rho, 1 - rho, eps


class Adam(Optimizer):
    """Adaptive moment estimation: Momentum's average over RMSprop's root, both debiased. Rule: `kernels.adam`.

    As algorithm 1 of the paper and torch.optim.Adam: eps outside the root, t counting updates from 1. The factors c1
    and c2 make up for the zeros that m and v start from; m and v themselves are stored without them.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 / (1 - beta1**t), 1 / (1 - beta2**t), eps


class AdamW(Optimizer):
    """Adam with decoupled weight decay: the weights shrink apart from the gradient. Rule: `kernels.adamw`.

    As torch.optim.AdamW: before Adam's step each weight is multiplied by 1 - lr · weight_decay. l2 instead is a term of
    the loss: its gradient would enter m and v, and be divided by √v with the rest.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
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

    kernel, state = staticmethod(kernels.adamw), Adam.state
    hyper = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 1e-2}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        return *Adam.scalars(self, t, lr, beta1, beta2, eps), 1 - lr * weight_decay  # type: ignore[arg-type]
