"""Freezing, clipping and reading an optimizer. The face makes these functions its methods."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from math import sqrt
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.jit import machine_code, numbers_of
from ..core.kernels import not_finite
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor  # noqa: F401, for the examples
from ..extras import gate
from ..extras.kernels import sum_of_squares
from ..guards.ranges import in_range

# --- the gradients, between backward() and step() ---------------------------------------------------------------------


def clip_value(optimizer: Optimizer, most: float) -> None:
    """Bring every number of the gradients into [-most, most]. Call it between backward() and step()."""
    in_range("most", most)
    for update in optimizer.updates():
        np.clip(update.arrays[1], -most, most, out=update.arrays[1])


def clip_norm(optimizer: Optimizer, most: float) -> float:
    """Shorten the gradient of all parameters together to the length most, if it is longer.

    As torch.nn.utils.clip_grad_norm_: times min(1, most / (norm + 1e-6)), the norm in float64. A norm that is not
    finite changes nothing: `step` then does what ``nonfinite`` says. (In float64 numbers above 1e154 have such a
    norm although they are finite.) Call it between backward() and step().

    Returns
    -------
    float : the norm before

    References
    ----------
    Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks".

    Examples
    --------
    >>> from tinygrad_edu import SGD
    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=1.0)
    >>> (p * p / 2).sum().backward()
    >>> optimizer.clip_norm(0.5)
    5.0
    >>> p.grad.round(3)
    array([0.3, 0.4])
    """
    in_range("most", most)
    updates, grad = optimizer.updates(), optimizer.buffer.grad
    spans = [optimizer.buffer.spans[i] for update in updates for i in range(update.first, update.last)]
    squares = machine_code(sum_of_squares, 1, grad.dtype)
    gate.kept(sum_of_squares.__name__, [grad], grad.size, grad.dtype)
    norm = sqrt(sum(squares(grad[a:b]) for a, b in spans))
    if most / (norm + 1e-6) < 1 and norm < float("inf"):
        for update in updates:
            update.arrays[1] *= grad.dtype.type(most / (norm + 1e-6))
    return norm


def centralize(optimizer: Optimizer) -> None:
    """Take its mean away from the gradient of each output's weights. Call it between backward() and step().

    Of a matrix W as in x @ W that is the mean over a column; of more axes, over all but the last. Vectors stay.

    References
    ----------
    Yong, Huang, Hua & Zhang 2020, "Gradient centralization: a new optimization technique for deep neural networks".

    Examples
    --------
    >>> from tinygrad_edu import SGD
    >>> p = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> optimizer = SGD([p], lr=1.0)
    >>> (p * p / 2).sum().backward()
    >>> optimizer.centralize()
    >>> p.grad
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    for g in _gradients(optimizer):
        if g.ndim > 1:
            g -= g.mean(axis=tuple(range(g.ndim - 1)), keepdims=True)


def add_noise(optimizer: Optimizer, eta: float = 0.01, gamma: float = 0.55, rng: Rng = None) -> None:
    """Add noise to the gradient that fades: of variance eta / t^gamma. Call it between backward() and step().

    With `SGD` that is optax.noisy_sgd, with its numbers; any rule may have it.

    Parameters
    ----------
    eta, gamma : at least 0; t = 1 before the first step
    rng : generator or seed. A seed gives the same noise at each call: give a generator

    References
    ----------
    Neelakantan et al. 2015, "Adding gradient noise improves learning for very deep networks".
    """
    in_range("alpha", eta)
    in_range("alpha", gamma)
    rng, spread = np.random.default_rng(rng), sqrt(eta / (optimizer.t + 1) ** gamma)
    for g in _gradients(optimizer):
        g += (spread * rng.standard_normal(g.shape)).astype(g.dtype)


def _gradients(optimizer: Optimizer) -> list[Any]:
    """Return the gradients that the next step uses, as views."""
    indices = [i for update in optimizer.updates() for i in range(update.first, update.last)]
    return [optimizer.buffer.views[i][2] for i in indices]


# --- which parameters are updated -------------------------------------------------------------------------------------


def freeze(optimizer: Optimizer, pattern: str) -> None:
    """Leave the parameters of that name as they are, whatever their gradients, until `unfreeze`.

    pattern : a name as in ``names``, the beginning of some up to a dot ("layers.0"), or a pattern ("*.b")
    """
    optimizer.write_back_steps()
    optimizer.frozen |= matching(optimizer, pattern)


def unfreeze(optimizer: Optimizer, pattern: str = "*") -> None:
    """Update the parameters of that name again; their step counts go on where they stood."""
    optimizer.write_back_steps()
    optimizer.frozen -= matching(optimizer, pattern)


def matching(optimizer: Optimizer, pattern: str) -> set[int]:
    """Return the numbers of the parameters of that name. ValueError if there are none."""
    found = {
        i
        for i, name in enumerate(optimizer.names)
        if name == pattern or fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")
    }
    if not found:
        raise ValueError(f"no parameter is called {pattern!r}; there are {', '.join(optimizer.names)}")
    return found


# --- reading, and compiling now ---------------------------------------------------------------------------------------


def equation(optimizer: Optimizer) -> str:
    """Return the rule as the kernel runs it, the conventions chosen, and the numbers in it now."""
    lines = [line.strip() for line in optimizer.kernel.__doc__.splitlines()]
    text = ["g <- g + l2 · p"] * any(group["l2"] for group in optimizer.groups)
    text += [line for line in lines if "<-" in line or line.startswith(("where", "note:"))]
    t = optimizer.t + 1
    for k, group in enumerate(optimizer.groups):
        shown = [f"{name} = {_shown(value)}" for name, value in group.items() if name != "l2" or value]
        text.append(f"group {k}: " * (len(optimizer.groups) > 1) + ", ".join(shown))
        lr, _, *hyper = group.values()
        scalars = optimizer.scalars(t, optimizer.check("lr", lr(t)) if callable(lr) else lr, *hyper)
        numbers = zip(numbers_of(optimizer.kernel, 2 + len(optimizer.state)), scalars, strict=True)
        computed = [f"{name} = {value:.6g}" for name, value in numbers if value != group.get(name)]
        text += [f"at update {t}: {', '.join(computed)}"] * bool(computed)
    return "\n".join(text)


def _shown(value: Any) -> str:
    if not callable(value):
        return f"{value:g}"
    return "a function of t" if repr(value).startswith("<") else repr(value)


def compile(optimizer: Optimizer) -> float:
    """Have what `step` runs compiled, or loaded from disk, now. Return the seconds that it took."""
    start = time.perf_counter()
    machine_code(optimizer.kernel, 2 + len(optimizer.state), optimizer.buffer.data.dtype)
    machine_code(not_finite, 1, optimizer.buffer.data.dtype)
    return time.perf_counter() - start
