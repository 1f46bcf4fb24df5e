"""The last move of one weight, explained: `Optimizer.why`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.jit import numbers_of
from ..core.optimizer import Optimizer
from ..extras.whole_optimizers import Whole
from .notebook import displayed

ADAM = "c1 · m", "c1 · (m - one_minus_beta1 · g)"
ROOT, CENTERED = "(sqrt(v) + eps)", "(sqrt(maximum(v, m · m) - m · m) + eps)"
LION = "sign(beta1 · (m - one_minus_beta2 · g) / beta2 + one_minus_beta1 · g)"  # with m from before the step
Parts = tuple[str, str, str]
PARTS: dict[str, Parts | None] = {  # by kernel: a rate, a direction, and what earlier gradients left in it
    "momentum": ("lr · c", "v", "v - one_minus_beta · g"),
    "heavy_ball": ("lr", "v", "v - g"),
    "nesterov": ("lr", "g + momentum · v", "momentum · (v - g)"),
    "adagrad": ("lr / (sqrt(s) + eps)", "g", "0"),
    # s from before the step follows from s <- rho · s + one_minus_rho · (s + eps) / (v + eps) · g · g
    "adadelta": (
        "lr · sqrt((s + rho · eps) / (rho + one_minus_rho · g · g / (v + eps)) / (v + eps))",
        "g",
        "0",
    ),
    "rmsprop": (f"lr / {ROOT}", "g", "0"),
    "rmsprop_momentum": ("lr", "b", f"b - g / {ROOT}"),
    "rmsprop_centered": (f"lr / {CENTERED}", "g", "0"),
    "rmsprop_centered_momentum": ("lr", "b", f"b - g / {CENTERED}"),
    "adam": ("lr / (sqrt(c2 · v) + eps)", *ADAM),
    "adamw": ("lr / (sqrt(c2 · v) + eps)", *ADAM),
    "amsgrad": ("lr / (sqrt(c2 · x) + eps)", *ADAM),
    "adamax": ("lr / u", *ADAM),
    "nadam": ("lr / (sqrt(c2 · v) + eps)", "cg · g + cm · m", "cm · (m - one_minus_beta1 · g)"),
    "radam": ("lr · (r / (sqrt(v) + eps) + plain)", *ADAM),
    "rprop": ("d", "sign(q)", "0"),
    "signsgd": ("lr", "sign(g)", "0"),
    "signum": ("lr", "sign(m)", "sign(m) - sign(g)"),
    "lion": ("lr", LION, f"{LION} - sign(g)"),
    # None: the rule remembers neither its last direction nor what that was made of
    **dict.fromkeys(
        ["optimistic_gradient", "optimistic_adam", "cocob", "adopt", "schedule_free", "schedule_free_adamw"]
    ),
    "yogi": ("lr / (sqrt(v) + eps)", "m", "m - one_minus_beta1 · g"),
    "qhm": ("lr", "one_minus_nu · g + nu · v", "nu · (v - one_minus_beta · g)"),
    "qhadam": (
        "lr / (sqrt(one_minus_nu2 · g · g + nu2 · (c2 · v)) + eps)",
        "one_minus_nu1 · g + nu1 · (c1 · m)",
        "nu1 · c1 · (m - one_minus_beta1 · g)",
    ),
    "ada_bound": ("minimum(maximum(rate / (sqrt(v) + eps), low), high)", "m", "m - one_minus_beta1 · g"),
    "ada_belief": ("lr / (sqrt(c2 · s) + eps)", *ADAM),
    "adan": ("lr / (sqrt(c3 · n) + eps)", "c1 · m + c2 · d", "c1 · (m - one_minus_beta1 · g) + c2 · d"),
    "ademamix": (
        "lr / (sqrt(c2 · v) + eps)",
        "c1 · m + alpha · n",
        "c1 · (m - one_minus_beta1 · g) + alpha · (n - one_minus_beta3 · g)",
    ),
}


class Why(NamedTuple):
    """The findings of `Optimizer.why`. They print as a paragraph."""

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
            part = self.from_momentum / self.change if self.change else -1.0
            share = f" ({part:.0%})" if 0 <= part <= 1 else " (against this gradient)"
            sources.append(f"{self.from_momentum:+.4g} from earlier ones, which is momentum{share}")
        if self.from_decay:
            sources.append(f"{self.from_decay:+.4g} from weight decay")
        return "\n".join([*lines, f"  {', '.join(sources)}"])

    def _repr_html_(self) -> str:
        return displayed(self)


def _value(formula: str, numbers: dict[str, float]) -> float:
    """Return the value of a formula such as "c1 · m" at these numbers; NaN where it cannot be known."""
    known: dict[str, Any] = {name: np.float64(value) for name, value in numbers.items()}
    known |= {"sqrt": np.sqrt, "sign": np.sign, "maximum": np.maximum, "minimum": np.minimum}
    with np.errstate(all="ignore"):
        return float(eval(formula.replace("·", "*"), {"__builtins__": {}}, known))


def parts_of(optimizer: Optimizer) -> Parts | None:
    """Return the rate, the direction and the memory in it of a rule, or None if it does not remember what they were."""
    simple = None if isinstance(optimizer, Whole) else ("lr", "g", "0")
    found: Parts | None = getattr(optimizer, "parts", PARTS.get(optimizer.kernel.__name__, simple))
    return found


def why(optimizer: Optimizer, name: str, index: Any = ()) -> Why:
    """Explain why one weight moved as it did in the last step. Call it before the next backward().

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
    RuntimeError : the parameter was changed, or a new gradient has arrived, since the last step; or the rule does not
        remember its last direction

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
    if name not in optimizer.names:
        raise ValueError(f"no parameter is called {name!r}; there are {', '.join(optimizer.names)}")
    i = optimizer.names.index(name)
    p, span = optimizer.params[i], slice(*optimizer.buffer.spans[i])
    update = next((update for update in optimizer.last if update.first <= i < update.last), None)
    if update is None:
        raise ValueError(f"{name} had no part in the last step: there was none, or it had no gradient or is frozen")
    if p.stamp != update.stamp:
        raise RuntimeError(f"{name} has been changed since the last step")
    if p.grad_stamp > update.stamp and p.grad is not None:
        raise RuntimeError(f"a new gradient of {name} has arrived since the last step; ask before backward()")
    grad = optimizer.regularised if update.l2 else optimizer.buffer.grad
    arrays = [optimizer.buffer.data, grad, *optimizer.averages.values()]
    here = [a[span].reshape(p.shape)[index] for a in arrays]
    if np.ndim(here[0]):
        raise IndexError(f"{name} has shape {p.shape}, so {index} is not one number of it")
    after, *values = (float(x) for x in here)
    letters = ["g", *optimizer.state, *numbers_of(optimizer.kernel, len(arrays))]
    numbers = dict(zip(letters, [*values, *update.numbers], strict=True))
    parts = parts_of(optimizer)
    if parts is None:
        raise RuntimeError(f"{type(optimizer).__name__} does not remember its last step, so nobody can take it apart")
    rate, direction, memory = (_value(part, numbers) for part in parts)
    keep = numbers.get("keep", 1.0) or float("nan")  # a decay to 0 leaves no trace of what was there
    before = (after + rate * direction) / keep
    return Why(
        f"{name}[{', '.join(map(str, np.atleast_1d(index)))}]" if p.ndim else name,
        f"update {update.t} of {type(optimizer).__name__}",
        before,
        after,
        after - before,
        numbers,
        rate,
        direction,
        -rate * (direction - memory),
        -rate * memory,
        (keep - 1) * before,
        parts,
    )
