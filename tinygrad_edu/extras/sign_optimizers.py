"""Rules that need the sign of a gradient alone, in the form of `core.optimizers`."""

from __future__ import annotations

from ..core.optimizer import Numbers, Optimizer
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels


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
