"""Averages over time: `MovingAverage` of any signal, and `WeightAverage` of a model's weights, to evaluate with.

The exponential moving average is V <- beta · V + (1 - beta) · x from V = 0. Written out, V is the sum of
(1 - beta) · beta^k · x over the t values seen, each k steps ago. These weights add up to 1 - beta^t, not to 1, so V is
too small by that factor. Dividing by it is the bias correction. Correct the value that is read, never V itself: a
corrected V that is stored would be corrected again at each update.

1 / (1 - beta) is a time constant and not a number of values: the last 1 / (1 - beta) values hold 63 to 65 % of the
weight (for beta from 0.9 on), the values before them the rest. A plain mean with the same variance (for independent
values) needs (1 + beta) / (1 - beta) values: 19 for beta = 0.9, 199 for 0.99.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..core.buffers import aligned
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import next_stamp
from ..extras import kernels
from ..extras.threads import bound
from ..guards.kinds import share, whole as whole_number, yes_or_no
from ..guards.samples import numbers
from .states import fitting, layout, loads, require, same_layout, whole


class MovingAverage:
    """The exponential moving average of numbers, or of arrays of one shape.

    The rule is V <- beta · V + (1 - beta) · x, from V = 0. ``value`` is V / (1 - beta^t) with bias correction, so that
    the average of a constant is that constant from the first value on, and V without.

    Parameters
    ----------
    beta : share of V that each update keeps, in [0, 1)
    bias_correction : correct ``value`` for the zero that V starts from

    Attributes
    ----------
    V : the running average as the rule has it, never corrected
    t : number of values so far
    value : the average of the values so far

    Raises
    ------
    ValueError : beta out of range, a value of another shape than those before, or ``value`` before the first update

    References
    ----------
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", section 3.

    Examples
    --------
    >>> average = MovingAverage(beta=0.5)
    >>> [average.update(x) for x in (8.0, 8.0, 2.0)]  # V is 4, 6, 4; divided by 1/2, 3/4, 7/8
    [8.0, 8.0, 4.571428571428571]
    >>> list(MovingAverage(beta=0.5, bias_correction=False).over([8.0, 8.0, 2.0]))
    [4.0, 6.0, 4.0]
    """

    def __init__(self, beta: float = 0.9, bias_correction: bool = True) -> None:
        share("beta", beta)
        yes_or_no("bias_correction", bias_correction)
        self.beta, self.bias_correction = float(beta), bool(bias_correction)
        self.V: Any = 0.0
        self.t = 0

    def update(self, x: Any) -> Any:
        """Take in the next value, and return the average."""
        x = x if isinstance(x, (int, float)) else numbers("x", x)
        if self.t and np.shape(x) != np.shape(self.V):
            raise ValueError(f"the values so far have shape {np.shape(self.V)}, this one has {np.shape(x)}")
        self.V = self.beta * self.V + (1 - self.beta) * x
        self.t += 1
        return self.value

    @property
    def value(self) -> Any:
        if not self.t:
            raise ValueError("there is no average yet: update(x) takes in the first value")
        return self.V / (1 - self.beta**self.t if self.bias_correction else 1)

    def over(self, signal: Iterable[Any]) -> Iterator[Any]:
        """Yield the average after each value of the signal."""
        return map(self.update, signal)

    def weights(self, n: int) -> Array:
        """Return the weight of each value after n updates, the newest first: (1 - beta) · beta^k, or its share of their
        sum with bias correction.

        >>> MovingAverage(beta=0.5, bias_correction=False).weights(3)
        array([0.5  , 0.25 , 0.125])
        """
        whole_number("n", n)
        weights = (1 - self.beta) * self.beta ** np.arange(n)
        return weights / (1 - self.beta**n) if self.bias_correction else weights

    def __repr__(self) -> str:
        return f"MovingAverage(beta={self.beta:g}, bias_correction={self.bias_correction}, t={self.t})"


guests: WeakKeyDictionary[Optimizer, WeightAverage] = WeakKeyDictionary()  # whose averages stand in for the weights


class WeightAverage:
    """An average of the weights over the steps, to evaluate with. Rule: `kernels.average`.

    SGD with a constant learning rate does not come to rest but jitters around the minimum, and the average of its
    weights lies nearer to it. Training goes on from the weights themselves, evaluation uses the average::

        average = tg.WeightAverage(optimizer)
        ...
        optimizer.step()
        average.update()
        ...
        with average:
            tg.evaluate(model, X_test, y_test)

    The rule is a <- a + weight · (p - a), and the weight decides which average of p_1 to p_t it is:

    - decay and debias: (1 - decay) / (1 - decay^t). The exponential average from 0, corrected as in the Adam paper;
    - decay without debias: 1 at the first update, then 1 - decay. PyTorch's. p_1 keeps the weight decay^(t - 1), so
      the average is of little use before several times 1 / (1 - decay) updates;
    - no decay: 1 / t, the mean of p_1 to p_t, after Polyak. Begin to update when training has settled.

    Running statistics (`BatchNorm1d`) are no parameters: they are not averaged, and stay those of the last weights.

    Parameters
    ----------
    optimizer : all of its parameters are averaged
    decay : share of the average that each update keeps, in [0, 1); None for the mean
    debias : correct an average with decay for its start at 0

    Attributes
    ----------
    average : flat array, laid out as ``optimizer.buffer.data``
    t : number of calls of `update`

    Raises
    ------
    TypeError : optimizer is not an `Optimizer`
    ValueError : decay out of range; the callback of a `fit` with another optimizer
    RuntimeError : an update after the parameters moved into another optimizer's buffer; a block entered before the
        first update, or inside itself; an update, or a step of the optimizer, inside the block

    References
    ----------
    Kingma & Ba 2015, section 7.2; Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging";
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization" (the mean, called SWA).

    Examples
    --------
    >>> from tinygrad_edu import SGD, Tensor
    >>> p = Tensor([0.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=1.0)
    >>> mean = WeightAverage(optimizer, decay=None)
    >>> for gradient in (-1.0, 2.0, -4.0):  # p becomes 1, -1, 3
    ...     p.grad = np.array([gradient])
    ...     optimizer.step()
    ...     mean.update()
    >>> with mean:
    ...     print(p.item())
    1.0
    >>> p.item()
    3.0
    """

    def __init__(self, optimizer: Optimizer, decay: float | None = 0.999, debias: bool = True) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"the weights are those of an optimizer such as tg.Adam, got {type(optimizer).__name__}")
        if decay is not None:
            share("decay", decay)
        yes_or_no("debias", debias)
        self.optimizer, self.decay, self.debias = optimizer, None if decay is None else float(decay), bool(debias)
        self.average = aligned(optimizer.buffer.data.size, optimizer.buffer.data.dtype)
        self.t = 0
        self._own: tuple[Array, int, Any] | None = None  # inside the block: the weights, the optimizer's t and guest

    @property
    def about(self) -> str:
        """The arguments as text, which a checkpoint of `fit` compares."""
        return f"{type(self).__name__}(decay={self.decay}, debias={self.debias})"

    def start(self, run: Any) -> None:
        """Raise ValueError if the run has another optimizer."""
        run.require(self, self.optimizer)

    def __call__(self, row: Any) -> None:
        """Take in the weights at the end of an epoch: ``fit(callback=average)``."""
        self.update()

    def update(self) -> None:
        """Take in the weights as they are now. Call it after each ``optimizer.step()``."""
        if self.optimizer in guests:
            raise RuntimeError("averages are in the parameters' place: update() belongs after the with block")
        self._look()
        self.t += 1
        self._rule(self._weight(self.t))

    @cached_property
    def _rule(self) -> Any:
        return bound(kernels.average, [self.average, self.optimizer.buffer.data])

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle takes along: all but the machine code, which is bound to arrays of this process."""
        return {name: value for name, value in vars(self).items() if name != "_rule"}

    def _weight(self, t: int) -> float:
        """Return the weight of the rule at update t, in float64."""
        if self.decay is None:
            return 1 / t
        if self.debias:
            return (1 - self.decay) / (1 - self.decay**t)
        return 1.0 if t == 1 else 1 - self.decay

    def _look(self) -> None:
        """Raise a RuntimeError unless the parameters still lie in the optimizer's buffer."""
        for p, data, _ in self.optimizer.buffer.views:
            if p.array is not data:
                raise RuntimeError(f"{p.label()} now lies in another optimizer's buffer; average over that optimizer")

    def __enter__(self) -> WeightAverage:
        if self._own is not None:
            raise RuntimeError("the averages are in the parameters' place already; leave that with block first")
        self._look()
        if not self.t:
            raise RuntimeError("there is no average yet: call update() after optimizer.step()")
        self._own = self.optimizer.buffer.data.copy(), self.optimizer.t, guests.get(self.optimizer)
        guests[self.optimizer] = self
        self._put(self.average)
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        assert self._own is not None
        (weights, t, before), self._own = self._own, None
        if before is None:
            del guests[self.optimizer]
        else:
            guests[self.optimizer] = before
        self._put(weights)
        if kind is None and self.optimizer.t != t:
            raise RuntimeError(
                "the optimizer stepped inside the with block, from the averages; that is lost, and the weights of "
                "before are back. Train outside of the block"
            )

    def _put(self, values: Array) -> None:
        """Write into the parameters, so that a graph recorded with other values notices."""
        self.optimizer.buffer.data[...] = values
        changed = next_stamp()
        for p in self.optimizer.params:
            p.stamp, p.checksum = changed, None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on bit for bit, as arrays and numbers, ready for np.savez."""
        return {"layout": np.array(self._layout()), "t": self.t, "average": self.average.copy()}

    @loads
    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned, for the same kind of average over the same parameters.

        Raises
        ------
        ValueError : another decay, debias, dtype, or list of parameters and shapes; something is missing, or holds
            no numbers; nothing is changed then
        """
        require(("layout", "t", "average"), state)
        same_layout("average", self._layout(), state)
        average, t = fitting("the average", state["average"], self.average), whole("t", state["t"])
        self.average[...], self.t = average, t

    def _layout(self) -> list[str]:
        return [f"{self!r} in {self.average.dtype}", *layout(self.optimizer)[1:-1]]

    def __repr__(self) -> str:
        return f"WeightAverage(decay={self.decay}, debias={self.debias})"
