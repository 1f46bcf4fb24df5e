"""Rules that are not elementwise: they look at a whole parameter, or at its rows and columns.

`Whole` is the one door for them, and for those of `learning_optimizers`. Their kernels are in `whole_kernels`. Defaults
are the authors', or torch's where torch.optim has the class; where there are neither, optax's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.jit import bound
from ..core.ops import Array
from ..core.optimizer import Numbers, Optimizer, Update
from ..core.optimizers import Adam, AdamW
from ..core.tensor import Tensor
from . import gate, kernels


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

    def apply(self, updates: list[Update]) -> None:
        """Run the rule, as `Optimizer.step` does, for a compiled step that leaves it to this."""
        for update in updates:
            (update.with_l2(self) if update.l2 else update.rule)(*update.numbers)

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        for update in updates:
            self.rows, self.columns = matrix(update.params[0])
            super().begin([update], ahead)


class Uncut(Update):
    """One call of a kernel that has to see a whole parameter: threads do not share it."""

    def bind(self, rule: Any, arrays: list[Array]) -> Any:
        gate.kept(getattr(rule, "__name__", "a rule"), arrays, arrays[0].size, arrays[0].dtype)
        return bound(rule, arrays)


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


# --- rows and columns -------------------------------------------------------------------------------------------------


class Adafactor(Whole):
    """Adam's v out of the means of its rows and columns, steps relative to the size of p. Rule: `kernels.adafactor`.

    As torch.optim.Adafactor. torch's default of eps is the dtype's own; a parameter with more than two axes has there
    many matrices, here one. The row's and the column's number is written to the place of each element, so that the
    equations say what happens; the memory that the authors wanted to save is not saved.

    Parameters
    ----------
    params, l2, nonfinite : see `Optimizer`
    lr : the rate at update t is min(lr, 1 / √t), in units of the root mean square of p
    power : at update t, t^-power of the new mean comes into the average, at least 0; torch calls it -beta2_decay
    eps : what r · c is divided by at least; and its root at least
    least : the smallest root mean square of p that a step is relative to, above 0
    most : the largest root mean square of a step, above 0
    weight_decay : decoupled, as in `AdamW`, at least 0

    References
    ----------
    Shazeer & Stern 2018, "Adafactor: adaptive learning rates with sublinear memory cost", algorithms 4 and 5.

    Examples
    --------
    >>> p = Tensor([[2.0, -2.0]], requires_grad=True)
    >>> optimizer = Adafactor([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # 0.25 · 2 along 1
    >>> print(p.data.round(4))
    [[ 1.5 -2.5]]
    """

    kernel, state = staticmethod(kernels.adafactor), ("r", "c")
    hyper = {"lr": 1e-2, "power": 0.8, "eps": 1e-7, "least": 1e-3, "most": 1.0, "weight_decay": 0.0}

    def scalars(
        self, t: int, lr: float, power: float, eps: float, least: float, most: float, weight_decay: float
    ) -> Numbers:
        tiny, keep = float(np.finfo(self.buffer.data.dtype).tiny), 1 - lr * weight_decay
        square, floor = max(eps * eps, tiny), eps if self.rows > 1 else tiny
        return (
            min(lr, max(t, 1) ** -0.5),
            float(max(t, 1)) ** -power,
            keep,
            square,
            floor,
            least,
            most,
            float(self.columns),
        )


class SM3(Whole):
    """Adagrad whose sum is known for rows and for columns alone: the smaller of the two. Rule: `kernels.sm3`.

    As optax.sm3. Of vectors it is Adagrad. As in `Adafactor` the numbers of rows and columns are written to each place.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    momentum : how much of the average of steps is kept, in [0, 1)
    eps : added inside the root

    References
    ----------
    Anil, Gupta, Koren & Singer 2019, "Memory-efficient adaptive optimization", algorithm SM3-II.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = SM3([p], lr=0.5, momentum=0.5)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.sm3), ("r", "c", "m")
    hyper = {"lr": 1e-2, "momentum": 0.9, "eps": 1e-8}

    def scalars(self, t: int, lr: float, momentum: float, eps: float) -> Numbers:
        return lr, momentum, 1 - momentum, eps, float(self.columns)


# --- products -------------------------------------------------------------------------------------------------------


class Muon(Whole):
    """Momentum whose step is, of each matrix, a rotation: all singular values are 1. Rule: `kernels.muon`.

    As torch.optim.Muon for matrices, in the dtype of the parameters where torch takes bfloat16. Vectors are moved as by
    `AdamW`, with the same lr and weight_decay. All products are NumPy's, so `compile_step` compiles the gradient and
    leaves the update to them.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    momentum : how much of the average of gradients is kept at each step, in [0, 1)
    weight_decay : decoupled, as in `AdamW`, at least 0
    beta1, beta2, eps : of vectors, see `Adam`

    References
    ----------
    Jordan, Jin, Boza, You, Cesista, Newhouse & Bernstein 2024, "Muon: an optimizer for hidden layers in neural
    networks"; Liu et al. 2025, "Muon is scalable for LLM training", for the decay.

    Examples
    --------
    >>> p = Tensor([[3.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> optimizer = Muon([p], lr=1.0, weight_decay=0.0)
    >>> (p * [[5.0, 0.0], [0.0, 1.0]]).sum().backward()
    >>> optimizer.step()  # by about 1, for a gradient of 5 and for one of 1
    >>> print(p.data.round(1))
    [[2.3 0. ]
     [0.  3.2]]
    """

    kernel, state = staticmethod(kernels.muon), ("m", "v")
    apart = True
    hyper = {
        "lr": 1e-3, "momentum": 0.95, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8
    }  # fmt: skip

    def scalars(
        self, t: int, lr: float, momentum: float, weight_decay: float, beta1: float, beta2: float, eps: float
    ) -> Numbers:
        stretch = lr * max(1.0, self.rows / max(self.columns, 1)) ** 0.5
        matrices = (
            lr,
            momentum,
            1 - momentum,
            1 - lr * weight_decay,
            stretch,
            float(self.columns),
            float(self.rows == 1),
        )
        return *matrices, *Adam.scalars(self, t, lr, beta1, beta2, eps)[1:]
