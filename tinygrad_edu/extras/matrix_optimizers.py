"""Rules that see the rows and columns of a matrix, or multiply it. Their kernels are in `matrix_kernels`."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from ..core.buffers import aligned
from ..core.optimizer import Numbers, Update
from ..core.optimizers import Adam
from ..core.tensor import Tensor  # noqa: F401, for the examples
from . import kernels
from .whole_optimizers import Whole, matrix

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


# --- two square matrices --------------------------------------------------------------------------------------------


class Squares(Whole):
    """The base of rules that keep square matrices for each matrix: as wide as it has rows, or columns.

    They lie flat behind the other averages, one parameter's behind the other's; of a vector there are none.

    Attributes
    ----------
    squares : the names of these averages, each with 0 if it is as wide as the rows, 1 if as the columns
    """

    apart = True
    squares: dict[str, int] = {"a": 0, "b": 1}

    def start(self) -> None:
        super().start()
        for name, axis in self.squares.items():
            self.averages[name] = aligned(self.ends(axis)[-1], self.buffer.data.dtype)

    def ends(self, axis: int) -> list[int]:
        """Return where the squares of each parameter begin, and where the last ends."""
        sides = [matrix(p)[axis] if matrix(p)[0] > 1 else 0 for p in self.params]
        return list(accumulate((side**2 for side in sides), initial=0))

    def new_updates(self) -> list[Update]:
        averages = self.averages
        self.averages = {name: average for name, average in averages.items() if name not in self.squares}
        try:
            updates = super().new_updates()
        finally:
            self.averages = averages
        for update in updates:
            for name, axis in self.squares.items():
                update.arrays.append(averages[name][slice(*self.ends(axis)[update.first :][:2])])
            update.rule = update.bind(self.kernel, update.arrays)
        return updates


class Shampoo(Squares):
    """Adagrad that knows how the rows, and how the columns, of a matrix go together. Rule: `kernels.shampoo`.

    For small matrices: each step takes the roots of two by their eigenvalues, in NumPy, so `compile_step` compiles the
    gradient and leaves the update to that. Vectors are moved as by `Adagrad`, where the paper keeps the full matrix of
    a vector, too. lr and eps are those of the package torch_optimizer, as the paper states none.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    eps : added to each eigenvalue, which is the paper's start of both matrices at eps · I; of vectors, see `Adagrad`

    References
    ----------
    Gupta, Koren & Singer 2018, "Shampoo: preconditioned stochastic tensor optimization", algorithm 1.

    Examples
    --------
    >>> p = Tensor([[3.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> optimizer = Shampoo([p], lr=1.0, eps=1e-12)
    >>> (p * [[5.0, 0.0], [0.0, 0.1]]).sum().backward()
    >>> optimizer.step()  # both by 1: 5 / √√25 / √√25, and 0.1 / √√0.01 / √√0.01
    >>> print(p.data.round(4))
    [[2. 0.]
     [0. 3.]]
    """

    kernel, state = staticmethod(kernels.shampoo), ("s", "a", "b")
    hyper = {"lr": 0.1, "eps": 1e-4}

    def scalars(self, t: int, lr: float, eps: float) -> Numbers:
        return lr, eps, float(self.columns), float(self.rows == 1)


class SOAP(Squares):
    """Adam in the basis in which the rows and columns of a matrix do not go together. Rule: `kernels.soap`.

    As the authors' package, but that columns of the basis stay in their order. The first update of a matrix finds the
    basis and moves nothing; then each ``every``-th update turns it on, by one step of power iteration and a QR. Among
    directions that no gradient had yet a fixed matrix chooses; in that package a last bit does. Vectors are moved as by
    `AdamW`. eps is added before the bias correction, and the decay comes behind the step. All is NumPy's, for small
    matrices: `compile_step` compiles the gradient and leaves the update to that.

    Parameters
    ----------
    params, lr, l2, nonfinite : see `Optimizer`
    beta1, beta2 : how much of m is kept at each step, and of v, a and b, in [0, 1)
    eps : added outside the root
    weight_decay : decoupled, as in `AdamW`, at least 0
    every : the updates between two turns of the basis, at least 1

    References
    ----------
    Vyas et al. 2024, "SOAP: improving and stabilizing Shampoo using Adam", algorithms 3 and 4.

    Examples
    --------
    >>> p = Tensor([[3.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> optimizer = SOAP([p], lr=1.0, weight_decay=0.0)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (p * [[5.0, 0.0], [0.0, 0.1]]).sum().backward()
    ...     optimizer.step()
    >>> print(p.data.round(4))  # no step, and Adam's first
    [[2. 0.]
     [0. 3.]]
    """

    kernel, state = staticmethod(kernels.soap), ("m", "v", "a", "b", "c", "d")
    squares = {"a": 0, "b": 1, "c": 0, "d": 1}
    hyper = {"lr": 3e-3, "beta1": 0.95, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.01, "every": 10}

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, every: int
    ) -> Numbers:
        moves = float(t > 1)
        rate = lr * (1 - beta2 ** (t - 1)) ** 0.5 / (1 - beta1 ** (t - 1)) if moves else 0.0
        keep = 1 - lr * weight_decay if moves or self.rows == 1 else 1.0
        matrices = rate, moves * (1 - beta1), moves * (1 - beta2), keep
        about = float(self.columns), float((t - 1) % every == 0), float(self.rows == 1)
        return *matrices, *about, *Adam.scalars(self, t, lr, beta1, beta2, eps)  # type: ignore[arg-type]
