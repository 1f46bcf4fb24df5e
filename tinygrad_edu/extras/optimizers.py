"""The rules of torch.optim that are no Adam as classes, in the form of `core.optimizers`, and the tables of all rules.

RULES is made from the classes: of `core.optimizers`, of this file and of those that it imports below. All of them can
be had from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core import optimizers as course
from ..core.optimizer import LearningRate, Numbers, Optimizer, parameter_groups
from ..core.optimizers import *  # noqa: F403
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels
from .adam_optimizers import *  # noqa: F403


class HeavyBall(course.HeavyBall):  # type: ignore[no-redef]
    """Polyak's momentum: gradients add up to a velocity, which decays. Rule: `kernels.heavy_ball`.

    As torch.optim.SGD(momentum=...), with lr outside the velocity: a new lr acts on the whole step at once. dampening
    is torch's: of each gradient but the first, 1 - dampening comes into the velocity. ``v`` then is torch's buffer over
    1 - dampening, so that the equation stays as it is and lr shrinks by that.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    momentum : how much of the velocity is kept at each step, in [0, 1)
    dampening : in [0, 1). With momentum in its place the steps are those of `Momentum`, but for the first gradient

    References
    ----------
    Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = HeavyBall([p], lr=0.1, momentum=0.5, dampening=0.5)
    >>> for _ in range(2):  # velocities 1, and 0.5 · 1 + 0.5 · 1
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> print(f"{p.item():.2f}")
    0.80
    """

    hyper = {**course.HeavyBall.hyper, "dampening": 0.0}

    def scalars(self, t: int, lr: float, momentum: float, dampening: float) -> Numbers:
        share = 1 - dampening
        return (lr * share if t > 1 else lr), (momentum / share if t == 2 else momentum)


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


def _by_kernel(module: dict[str, Any]) -> dict[str, type[Optimizer]]:
    classes = [cls for cls in module.values() if isinstance(cls, type) and issubclass(cls, Optimizer)]
    return {cls.kernel.__name__: cls for cls in classes if hasattr(cls, "kernel")}


from .sign_optimizers import *  # noqa: E402, F403

CLASSIC: dict[str, type[Optimizer]] = _by_kernel(globals())  # what courses compare: those that stand above
from .learning_optimizers import *  # noqa: E402, F403
from .matrix_optimizers import *  # noqa: E402, F403
from .optimizers_of_papers import *  # noqa: E402, F403, behind them in every list
from .schedule_free import *  # noqa: E402, F403
from .whole_optimizers import *  # noqa: E402, F403

RULES: dict[str, type[Optimizer]] = _by_kernel(globals())  # all, by the names of the kernels


def rule_names(wanted: str | Iterable[str]) -> list[str]:
    """Return the names in wanted: one, several, "all" of RULES, or the "classic" ones of CLASSIC.

    ValueError if there are none, or one is not in RULES.
    """
    many = {"classic": CLASSIC, "all": RULES}
    names = list(many.get(wanted, [wanted]) if isinstance(wanted, str) else wanted)
    if not names:
        raise ValueError(f"there is no rule to race; choose from {', '.join(RULES)}")
    for name in names:
        if name not in RULES:
            raise ValueError(f"there is no rule {name!r}; choose from {', '.join(RULES)}")
    return names
