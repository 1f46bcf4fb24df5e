"""Rules that are not elementwise: they look at a whole parameter, or at its rows and columns.

`Whole` is the one door for them, and for those of `learning_optimizers`. Their kernels are in `whole_kernels`. Defaults
are the authors', or torch's where torch.optim has the class; where there are neither, optax's.
"""

from __future__ import annotations

from typing import Any

from ..core.jit import bound
from ..core.ops import Array
from ..core.optimizer import Numbers, Optimizer, Update
from ..core.optimizers import Adam, AdamW
from ..core.tensor import Tensor
from . import gate, kernels
from .one_thread import ALONE, one_thread


class Whole(Optimizer):
    """The base of rules that are not elementwise: each parameter is an `Update` of its own, and is never cut.

    So the kernel of a subclass may take a norm of what it is given. If it takes rows or columns, ``scalars`` returns
    ``self.rows`` and ``self.columns``: the shape of the parameter at hand as a matrix. A vector is one row; of more
    than two axes all but the last are one.

    Attributes
    ----------
    rows, columns : the matrix of the parameter whose numbers are computed now
    apart : whether a compiled step has to leave the update to NumPy and single kernels: the rule is no kernel, or its
        numbers come from the gradient or from the step before, so that no step can be numbered ahead
    """

    rows, columns, apart = 1, 1, False

    def start(self) -> None:
        self.rows, self.columns = matrix(self.params[0])

    def new_updates(self) -> list[Update]:
        runs = super().new_updates()
        return [Uncut(self, run.group, i, i + 1) for run in runs for i in range(run.first, run.last)]

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        for update in updates:
            self.rows, self.columns = matrix(update.params[0])
            super().begin([update], ahead)


class Uncut(Update):
    """One call of a kernel that has to see a whole parameter: threads do not share it."""

    def bind(self, rule: Any, arrays: list[Array]) -> Any:
        if hasattr(rule, "py_func"):  # machine code, which looks at nothing itself
            gate.kept(rule.__name__, arrays, arrays[0].size, arrays[0].dtype)
        run, (rows, columns) = bound(rule, arrays), matrix(self.params[0])
        if hasattr(rule, "py_func") or rows == 1 or rows * columns * max(rows, columns) <= ALONE:
            return run

        def of_products(*numbers: float) -> Any:
            with one_thread:
                return run(*numbers)

        return of_products


def is_apart(optimizer: Optimizer) -> bool:
    """Return whether a compiled step has to leave the update of this rule to `Whole.apply`."""
    return isinstance(optimizer, Whole) and optimizer.apart


def matrix(p: Tensor) -> tuple[int, int]:
    """Return the numbers of rows and columns of a parameter as a matrix."""
    return (p.size // max(p.shape[-1], 1), p.shape[-1]) if p.ndim > 1 else (1, p.size)


# --- norms ----------------------------------------------------------------------------------------------------------


class LARS(Whole):
    """Momentum whose steps are, for each layer, a share of the layer's own length. Rule: `kernels.lars`.

    As optax.lars. The paper divides by |g| + weight_decay · |p|, which without decay is the same.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    momentum : how much of the velocity is kept at each step, in [0, 1); lr is inside it
    weight_decay : weight_decay · p is added to the gradient, and so is in its norm, at least 0
    trust : the share, at least 0

    References
    ----------
    You, Gitman & Ginsburg 2017, "Large batch training of convolutional networks", equation 6.

    Examples
    --------
    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> optimizer = LARS([p], lr=1.0, trust=0.1)
    >>> (100 * p[0]).sum().backward()
    >>> optimizer.step()  # 0.1 · 5 along (1, 0)
    >>> p
    Tensor([2.5, 4. ], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.lars), ("v",)
    hyper = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "trust": 1e-3}


class LAMB(Whole):
    """AdamW's direction, for each layer as long as the layer. Rule: `kernels.lamb`.

    As optax.lamb, and the authors' second version, which debiases.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    weight_decay : weight_decay · p is added to Adam's direction, before its length is taken, at least 0

    References
    ----------
    You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", algorithm 2.

    Examples
    --------
    >>> p = Tensor([2.0], requires_grad=True)
    >>> optimizer = LAMB([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # lr · |p|, whatever the size of the gradient
    >>> print(f"{p.item():.4f}")
    1.5000
    """

    kernel, state = staticmethod(kernels.lamb), ("m", "v")
    hyper = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-6, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        return *Adam.scalars(self, t, lr, beta1, beta2, eps), weight_decay


class NovoGrad(Whole):
    """Momentum of gradients that are divided by the size of their layer's. Rule: `kernels.novo_grad`.

    As optax.novograd, with the paper's betas.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta1, beta2 : how much of the sum m and of the average of |g|² is kept at each step, in [0, 1)
    eps : added outside the root
    weight_decay : weight_decay · p is added to the divided gradient, at least 0

    References
    ----------
    Ginsburg et al. 2019, "Stochastic gradient methods with layer-wise adaptive moments", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = NovoGrad([p], lr=0.5)
    >>> (p * [3.0, 4.0]).sum().backward()
    >>> optimizer.step()  # along g / 5
    >>> print(p.data.round(4))
    [0.7 0.6]
    """

    kernel, state = staticmethod(kernels.novo_grad), ("m", "v")
    hyper = {"lr": 1e-2, "beta1": 0.95, "beta2": 0.98, "eps": 1e-8, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        old = beta2 if t > 1 else 0.0
        return lr, beta1, old, 1 - old, eps, weight_decay


class Fromage(Whole):
    """Each layer moves by the share lr of its own length, and is shrunk back. Rule: `kernels.fromage`.

    As optax.fromage. An lr of 0.01 suits most networks, so the authors say; a layer that is 0 moves by lr · g.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`
    lr : the share

    References
    ----------
    Bernstein, Vahdat, Yue & Liu 2020, "On the distance between two neural networks and the stability of learning",
    algorithm 1.

    Examples
    --------
    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> optimizer = Fromage([p], lr=0.75)
    >>> (p * [-4.0, 3.0]).sum().backward()
    >>> optimizer.step()  # (3 + 3, 4 - 2.25) / 1.25
    >>> p
    Tensor([4.8, 1.4], requires_grad=True)
    """

    kernel = staticmethod(kernels.fromage)
    hyper = {"lr": 1e-2}

    def scalars(self, t: int, lr: float) -> Numbers:
        return lr, 1 / (1 + lr * lr) ** 0.5


# --- the share of elements that agree ---------------------------------------------------------------------------------


class CautiousAdamW(Whole):
    """AdamW that leaves alone what it would move against the gradient of now. Rule: `kernels.cautious_adamw`.

    As the authors' package, but that the decay comes before the step, as in `AdamW`.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, weight_decay, l2, nonfinite : see `AdamW`

    References
    ----------
    Liang, Chen, Liu & Liu 2024, "Cautious optimizers: improving training with one line of code", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = CautiousAdamW([p], lr=0.25, weight_decay=0.0)
    >>> (p * [8.0, 0.0]).sum().backward()
    >>> optimizer.step()  # half of the elements move, twice as far
    >>> print(p.data.round(4))
    [0.5 1. ]
    """

    kernel, state = staticmethod(kernels.cautious_adamw), ("m", "v")
    hyper = AdamW.hyper

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Numbers:
        return *AdamW.scalars(self, t, lr, beta1, beta2, eps, weight_decay), 1e-3


class CautiousLion(Whole):
    """Lion that leaves alone what it would move against the gradient of now. Rule: `kernels.cautious_lion`.

    Parameters
    ----------
    params, lr, beta1, beta2, weight_decay, l2, nonfinite : see `Lion`

    References
    ----------
    Liang, Chen, Liu & Liu 2024, as `CautiousAdamW`.

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = CautiousLion([p], lr=0.25)
    >>> (p * [8.0, 0.0]).sum().backward()
    >>> optimizer.step()
    >>> p
    Tensor([0.5, 1. ], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.cautious_lion), ("m",)
    hyper = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, weight_decay: float) -> Numbers:
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 - lr * weight_decay, 1e-3


class MARS(Whole):
    """AdamW on gradients whose noise is reduced by what has changed since the last. Rule: `kernels.mars`.

    As MARS-AdamW in the authors' package, with the last batch's gradient (MARS-approx), for parameters of any shape.

    Parameters
    ----------
    params, lr, beta1, beta2, eps, l2, nonfinite : see `Adam`
    gamma : how much of the change is added, in units of beta1 / (1 - beta1), above 0
    weight_decay : decoupled, as in `AdamW`, at least 0

    References
    ----------
    Yuan, Liu, Wu, Zhou & Gu 2024, "MARS: unleashing the power of variance reduction for training large models",
    algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = MARS([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.mars), ("m", "v", "q")
    hyper = {"lr": 3e-3, "beta1": 0.95, "beta2": 0.99, "eps": 1e-8, "gamma": 0.025, "weight_decay": 0.0}

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, eps: float, gamma: float, weight_decay: float
    ) -> Numbers:
        change = gamma * beta1 / (1 - beta1) if t > 1 else 0.0
        return *AdamW.scalars(self, t, lr, beta1, beta2, eps, weight_decay), change, 1.0
