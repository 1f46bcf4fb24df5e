"""The microscope: why one weight moved as it did in the last step of an optimizer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Why(NamedTuple):
    """What `Optimizer.why` found. It prints as a paragraph."""

    parameter: str
    update: str
    before: float
    after: float
    change: float  # after - before = from_gradient + from_momentum + from_decay
    numbers: dict[str, float]  # g, running averages and numbers of the rule, under its letters
    rate: float  # the effective learning rate
    direction: float
    from_gradient: float  # what this gradient alone would have done
    from_momentum: float  # what earlier gradients added to it
    from_decay: float
    parts: tuple[str, str, str]

    def __repr__(self) -> str:
        rate, direction, memory = self.parts
        lines = [
            f"{self.parameter} went from {self.before:.6g} to {self.after:.6g} in {self.update}: {self.change:+.4g}",
            "  " + ", ".join(f"{name} = {value:.6g}" for name, value in self.numbers.items()),
            f"  change = - rate · direction{' - decay' * (self.from_decay != 0)}",
            f"  rate = {rate} = {self.rate:.4g}",
            f"  direction = {direction} = {self.direction:.4g}",
        ]
        sources = [f"{self.from_gradient:+.4g} from this gradient"]
        if memory != "0":
            share = f" ({self.from_momentum / self.change:.0%})" if self.change else ""
            sources.append(f"{self.from_momentum:+.4g} from earlier ones, which is momentum{share}")
        if self.from_decay:
            sources.append(f"{self.from_decay:+.4g} from weight decay")
        return "\n".join([*lines, f"  {', '.join(sources)}"])


def _value(formula: str, numbers: dict[str, float]) -> float:
    """A formula of ours, such as "c1 · m", with these numbers in it; NaN where it cannot be known."""
    known: dict[str, Any] = {name: np.float64(value) for name, value in numbers.items()}
    known |= {"sqrt": np.sqrt, "sign": np.sign, "maximum": np.maximum}
    with np.errstate(all="ignore"):
        return float(eval(formula.replace("·", "*"), {"__builtins__": {}}, known))


def why(self: Any, name: str, index: Any = ()) -> Why:
    """Why one weight moved as it did in the last step: the microscope. Call it before the next backward().

    Parameters
    ----------
    name, index : one of ``names``, and the place in that parameter

    Returns
    -------
    Why : the numbers; printed, a paragraph. g is with l2 · p where there is l2, ``rate`` the effective learning rate.
        ``change`` is the sum of ``from_gradient`` (what this gradient would have done had the rule no memory of
        the direction), ``from_momentum`` (what earlier gradients add to that) and ``from_decay``

    Raises
    ------
    ValueError : no such parameter, or it had no part in the last step
    IndexError : no such place in it
    RuntimeError : the parameter was changed, or a new gradient has arrived, since the last step

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> p = tg.Tensor([1.0, 2.0], requires_grad=True, name="p")
    >>> optimizer = tg.HeavyBall([p], lr=0.5, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> why = optimizer.why("p", 1)
    >>> why.change, why.from_gradient, why.from_momentum
    (-0.75, -0.5, -0.25)
    >>> print(why)
    p[1] went from 1.5 to 0.75 in update 2 of HeavyBall: -0.75
      g = 1, v = 1.5, lr = 0.5, momentum = 0.5
      change = - rate · direction
      rate = lr = 0.5
      direction = v = 1.5
      -0.5 from this gradient, -0.25 from earlier ones, which is momentum (33%)
    """
    if name not in self.names:
        raise ValueError(f"no parameter is called {name!r}; there are {', '.join(self.names)}")
    i = self.names.index(name)
    p = self.params[i]
    run = next((run for run in self._last if run.first <= i < run.last), None)
    if run is None:
        raise ValueError(f"{name} had no part in the last step: there was none, or it had no gradient or is frozen")
    if p.stamp != self._stamp:
        raise RuntimeError(f"{name} has been changed since the last step")
    if abs(p._spent) != self._stamp or not (p.grad is None or p.grad is p.grad_view):
        raise RuntimeError(f"a new gradient of {name} has arrived since the last step; ask before backward()")
    grad = self.buffer.grad if not run.l2 else self._regularised
    arrays = [self.buffer.data, grad, *self._averages.values()]
    span = slice(*self.buffer.spans[i])
    here = [a[span].reshape(p.shape)[index] for a in arrays]
    if np.ndim(here[0]):
        raise IndexError(f"{name} has shape {p.shape}, so {index} is not one number of it")
    after, *values = (float(x) for x in here)
    numbers = {**dict(zip(["g", *self.state], values, strict=True)), **self._numbers(run.numbers)}
    rate, direction, memory = (_value(part, numbers) for part in self.parts)
    keep = numbers.get("keep", 1.0) or float("nan")  # a decay to 0 leaves no trace of what was there
    before = (after + rate * direction) / keep
    return Why(
        f"{name}[{', '.join(map(str, np.atleast_1d(index)))}]" if p.ndim else name,
        f"update {run.t} of {type(self).__name__}",
        before,
        after,
        after - before,
        numbers,
        rate,
        direction,
        -rate * (direction - memory),
        -rate * memory,
        (keep - 1) * before,
        self.parts,
    )
