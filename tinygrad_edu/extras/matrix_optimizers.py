"""Rules that see the rows and columns of a matrix, or multiply it. Their kernels are in `matrix_kernels`."""

from __future__ import annotations

import numpy as np

from ..core.optimizer import Numbers
from ..core.optimizers import Adam
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels
from .whole_optimizers import Whole

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
