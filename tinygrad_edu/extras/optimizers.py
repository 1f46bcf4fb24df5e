"""Every other rule of torch.optim as a class, in the form of `core.optimizers`, and those that need a sign alone.

RULES is the table of all rules, made from the classes: also of `core.optimizers`, `optimizers_of_papers`,
`whole_optimizers` and `learning_optimizers`, which can be had from here too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from math import sqrt
from typing import Any

from ..core import optimizers as course
from ..core.optimizer import LearningRate, Numbers, Optimizer, parameter_groups
from ..core.optimizers import *  # noqa: F403
from ..core.optimizers import AdamW
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels


class Adagrad(course.Adagrad):  # type: ignore[no-redef]
    """A falling rate for each number: lr over the root of its gradients' sum of squares. Rule: `kernels.adagrad`.

    As torch.optim.Adagrad. For a constant gradient step t has length lr / √t, if the sum starts at 0. TensorFlow, Keras
    and optax start it at 0.1, so that the first steps are short.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    lr_decay : the rate at update t is lr / (1 + (t - 1) · lr_decay)
    eps : added outside the root
    initial : the sum before the first gradient, at least 0; torch calls it initial_accumulator_value

    References
    ----------
    Duchi, Hazan & Singer 2011, "Adaptive subgradient methods", JMLR 12.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=0.25, initial=9.0)
    >>> (4 * p).sum().backward()
    >>> optimizer.step()  # 0.25 · 4 / √(9 + 16)
    >>> print(f"{p.item():.4f}")
    0.8000
    """

    hyper = {**course.Adagrad.hyper, "initial": 0.0}

    def start(self) -> None:
        for group, members in zip(self.groups, self.members, strict=True):
            for i in members:
                self.averages["s"][slice(*self.buffer.spans[i])] = group["initial"]

    def scalars(self, t: int, lr: float, lr_decay: float, eps: float, initial: float) -> Numbers:  # type: ignore[override]
        return lr / (1 + (t - 1) * lr_decay), eps


class RMSprop(course.RMSprop):  # type: ignore[no-redef]
    """Adagrad that forgets: divide by the root of a moving average of squares. Rule: `kernels.rmsprop`.

    As torch.optim.RMSprop, where rho is called alpha. The lecture has rho = 0.9. There is no bias correction, so the
    first step is lr / √(1 - rho): ten times lr. Centered divides by the standard deviation; where a gradient hardly
    changes that goes to 0, and the steps grow towards lr · g / eps. Each variant is a kernel of its own:
    rmsprop_centered, rmsprop_momentum, rmsprop_centered_momentum.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    state: tuple[str, ...] = ("v", "m", "b")  # type: ignore[assignment]  # __init__ leaves those of the variant
    hyper = {**course.RMSprop.hyper, "momentum": 0.0}

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
        moving = bool(momentum or any(group.get("momentum") for group in parameter_groups(params)))
        self.kernel, self.state = VARIANTS[bool(centered), moving]
        super().__init__(params, lr, rho, eps, momentum, **common)

    def scalars(self, t: int, lr: float, rho: float, eps: float, momentum: float) -> Numbers:  # type: ignore[override]
        if momentum and "b" not in self.state:
            raise ValueError(f"momentum = {momentum}, but this RMSprop was made without; give it when you make it")
        averages = (1 - rho,) if "m" in self.state else (rho, 1 - rho)
        return (lr, *averages, eps, momentum) if "b" in self.state else (lr, *averages, eps)


VARIANTS: dict[tuple[bool, bool], tuple[Any, tuple[str, ...]]] = {  # by (centered, with momentum)
    (False, False): (kernels.rmsprop, ("v",)),
    (False, True): (kernels.rmsprop_momentum, ("v", "b")),
    (True, False): (kernels.rmsprop_centered, ("v", "m")),
    (True, True): (kernels.rmsprop_centered_momentum, ("v", "m", "b")),
}


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


class Rprop(Optimizer):
    """A step of its own for each parameter, longer while the slope keeps its sign, shorter when it turns.

    Rule: `kernels.rprop`. As torch.optim.Rprop: after a turn the parameter waits for one step. Only for full batches:
    a noisy gradient turns all the time. The size of the gradient does not matter.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1e-2, "down": 0.5, "up": 1.2, "least": 1e-6, "most": 50.0}

    def start(self) -> None:
        for group, members in zip(self.groups, self.members):
            if group["least"] > group["most"]:
                raise ValueError(f"least = {group['least']} is above most = {group['most']}")
            lr = group["lr"]
            for i in members:
                self.averages["d"][slice(*self.buffer.spans[i])] = self.check("lr", lr(1)) if callable(lr) else lr

    def scalars(self, t: int, lr: float, down: float, up: float, least: float, most: float) -> Numbers:
        return up, down, least, most


class ASGD(Optimizer):
    """Descent with a falling rate, and beside it the mean of all points: ``a``. Rule: `kernels.asgd`.

    As torch.optim.ASGD, with the rate of this step from this step's lr. The mean starts after update t0 + 1; until then
    a is p. Read the answer from the flat array ``optimizer.a``, or see `WeightAverage`.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1e-2, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6}

    def start(self) -> None:
        self.averages["a"][:] = self.buffer.data

    def scalars(self, t: int, lr: float, lambd: float, alpha: float, t0: float) -> Numbers:
        rate = lr / (1 + lambd * lr * (t - 1)) ** alpha
        return rate, 1 - lambd * rate, 1 - 1 / max(1, t - 1 - t0)


class SignSGD(Optimizer):
    """Every parameter moves by lr, down its slope, however steep. Rule: `kernels.signsgd`.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`

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
    hyper = {"lr": 1e-3}


class Signum(Optimizer):
    """SignSGD along a moving average: a vote of the latest gradients. Rule: `kernels.signum`.

    With beta = 0.965 and weight_decay = 0.01 it is Tiger (Su 2023), but for its rates by kind of parameter.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta : how much of the average is kept at each step, in [0, 1)
    weight_decay : decoupled, as in `AdamW`, at least 0

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
    hyper = {"lr": 1e-3, "beta": 0.9, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta: float, weight_decay: float) -> Numbers:
        return lr, beta, 1 - beta, 1 - lr * weight_decay


class Lion(Optimizer):
    """The sign of one moving average, while another is kept. Rule: `kernels.lion`.

    Its steps are as long as `SignSGD`'s: take an lr three to ten times smaller than for `AdamW`, and a weight_decay as
    many times larger.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
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
    hyper = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, weight_decay: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 - lr * weight_decay


def _by_kernel(module: dict[str, Any]) -> dict[str, type[Optimizer]]:
    classes = [cls for cls in module.values() if isinstance(cls, type) and issubclass(cls, Optimizer)]
    return {cls.kernel.__name__: cls for cls in classes if hasattr(cls, "kernel")}


CLASSIC: dict[str, type[Optimizer]] = _by_kernel(globals())  # what courses compare: those that stand above
from .learning_optimizers import *  # noqa: E402, F403
from .optimizers_of_papers import *  # noqa: E402, F403, behind them in every list
from .whole_optimizers import *  # noqa: E402, F403

RULES: dict[str, type[Optimizer]] = _by_kernel(globals())  # all, by the names of the kernels


def rule_names(wanted: str | Iterable[str]) -> list[str]:
    """Return the names in wanted: one, several, "all" of CLASSIC, or "every" one.

    ValueError if there are none, or one is not in RULES.
    """
    many = {"all": CLASSIC, "every": RULES}
    names = list(many.get(wanted, [wanted]) if isinstance(wanted, str) else wanted)
    if not names:
        raise ValueError(f"there is no rule to race; choose from {', '.join(RULES)}")
    for name in names:
        if name not in RULES:
            raise ValueError(f"there is no rule {name!r}; choose from {', '.join(RULES)}")
    return names
