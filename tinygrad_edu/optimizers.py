"""The optimizers: what each remembers, which numbers its rule takes, and the checks before a kernel runs.

An optimizer is a kernel's name, the names of its running averages (``state``), and ``scalars``: the numbers that the
kernel takes after its arrays, in order. Everything else is `Optimizer`. The rules themselves are in `kernels`.

Batch, mini-batch and stochastic gradient descent are one rule, `SGD`; they differ in how many samples
``batch_size`` takes for one gradient (see `data.batches`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from . import kernels
from .buffers import FlatBuffer
from .ops import Array
from .tensor import Tensor, tick

LearningRate = float | Callable[[int], float]

AT_LEAST_0 = (lambda x: 0 <= x < float("inf"), "a finite number, at least 0")
BELOW_1 = (lambda x: 0 <= x < 1, "at least 0 and below 1")
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "lr": AT_LEAST_0,
    "lr_decay": AT_LEAST_0,
    "weight_decay": AT_LEAST_0,
    "momentum": BELOW_1,
    "beta": BELOW_1,
    "beta1": BELOW_1,
    "beta2": BELOW_1,
    "rho": BELOW_1,
    "eps": (lambda x: 0 < x < float("inf"), "a finite number above 0, also in the parameters' dtype"),
    "bias_correction": (lambda x: x in (False, True), "True or False"),
}


class Optimizer:
    """What all optimizers share: groups, flat state, the step, saving and loading.

    Parameters
    ----------
    params : a `Layer`, or what its ``parameters()`` or ``named_parameters()`` return, or a list of Tensors, or a list
        of groups: dicts with ``params`` and any hyper-parameter that shall differ for them
    lr : the learning rate, a number or a function of the step number t = 1, 2, ... that returns one

    Attributes
    ----------
    t : how often `step` was called
    buffer : the `FlatBuffer` of all parameters. Each running average in ``state`` is an attribute, a flat array

    Raises
    ------
    ValueError : a hyper-parameter out of range, a group that names an unknown one, or parameters as in `FlatBuffer`
    TypeError : a hyper-parameter that is not a number
    """

    kernel: ClassVar[Any]
    state: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Any, **hyper: Any) -> None:
        self.names: list[str] = []
        self.params: list[Tensor] = []
        self.groups: list[dict[str, Any]] = []  # the hyper-parameters of each group
        self._members: list[range] = []  # and which parameters are in it
        for group in _groups(params):
            named = _named(group["params"], first=len(self.params))
            self._members.append(range(len(self.params), len(self.params) + len(named)))
            self.names += [name for name, _ in named]
            self.params += [p for _, p in named]
            self.groups.append({**hyper, **{name: value for name, value in group.items() if name != "params"}})
        self.buffer = FlatBuffer(self.params)
        self._dtype = self.buffer.data.dtype.type
        for group in self.groups:
            for name, value in group.items():
                self._check(name, value, hyper)
        self.t = 0
        self._steps = [0] * len(self.params)  # updates of each parameter: one without a gradient is passed over
        self._homes = [(p._data, p._home) for p in self.params]
        self._cuts: dict[tuple[int, int], list[Array]] = {}
        for name in self.state:
            setattr(self, name, np.zeros_like(self.buffer.data))

    def scalars(self, *t: Any, **hyper: Any) -> tuple[float, ...]:
        """The numbers that the kernel takes after its arrays, from t, which counts these parameters' updates, and the
        hyper-parameters; in float64. Here just the hyper-parameters; a rule that needs more computes it."""
        return tuple(hyper.values())

    # --- the step -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Update every parameter that has a gradient, in place.

        Raises
        ------
        RuntimeError : no parameter has a gradient; or one was moved into the buffer of another optimizer
        ValueError : a schedule returned a learning rate out of range, or a gradient was set that has another shape
        """
        work = []
        for group, members in zip(self.groups, self._members):
            runs = self._runs(members)
            if runs:
                lr = self._rate(group["lr"], self.t + 1)  # may raise: nothing has been changed yet
                work += [(run, {**group, "lr": lr}) for run in runs]
        if not work:
            raise RuntimeError("step() found no gradient: call loss.backward() first, after zero_grad()")
        self.t += 1
        changed = tick()
        for (first, last, t), hyper in work:
            scalars = self.scalars(t, **hyper)
            _launch(self.kernel, self._arrays(first, last), np.array(scalars, self._dtype))
            for i in range(first, last):
                self._steps[i] = t
                self.params[i].stamp = changed
                self.params[i]._lent = None  # what the user looked at is no longer what is there

    def _runs(self, members: range) -> list[list[int]]:
        """The parameters that have a gradient, as few runs of neighbours with one t as possible: [first, last, t]."""
        runs: list[list[int]] = []
        for i in members:
            p, (data, home) = self.params[i], self._homes[i]
            if p.grad is None:
                continue
            if p._data is not data:
                raise RuntimeError(
                    f"{p.label()} now lies in another optimizer's buffer; give both optimizers the same parameters in "
                    "the same order, or none in common"
                )
            if p.grad is not home:  # the user assigned one
                if np.shape(p.grad) != p.shape:
                    raise ValueError(f"{p.label()} was given a gradient of shape {np.shape(p.grad)}")
                home[...] = p.grad  # type: ignore[index]
                p.grad = home
            t = self._steps[i] + 1
            if runs and runs[-1][1:] == [i, t]:
                runs[-1][1] = i + 1
            else:
                runs.append([i, i + 1, t])
        return runs

    def _arrays(self, first: int, last: int) -> list[Array]:
        """data, grad and state of the parameters first to last - 1: contiguous slices."""
        if (first, last) not in self._cuts:
            span = slice(self.buffer.spans[first][0], self.buffer.spans[last - 1][1])
            whole = [self.buffer.data, self.buffer.grad, *[getattr(self, name) for name in self.state]]
            self._cuts[first, last] = [array[span] for array in whole]
        return self._cuts[first, last]

    def zero_grad(self) -> None:
        """Forget the gradients: the next `backward` overwrites them. ``param.grad`` is None until then."""
        for p in self.params:
            p.grad = None

    def compile(self) -> float:
        """Have the kernel compiled, or loaded from Numba's cache, now. Returns the seconds that it took."""
        start = time.perf_counter()
        none = np.empty(0, self._dtype)
        numbers = self.scalars(1, **{**self.groups[0], "lr": 0.0})
        self.kernel(*[none] * (2 + len(self.state)), *[self._dtype(x) for x in numbers])
        return time.perf_counter() - start

    # --- hyper-parameters -------------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate that the next `step` uses (of the first group). Assign to change it for all groups."""
        return self._rate(self.groups[0]["lr"], self.t + 1)

    @lr.setter
    def lr(self, value: LearningRate) -> None:
        self._check("lr", value, {"lr"})
        for group in self.groups:
            group["lr"] = value

    def _rate(self, lr: LearningRate, t: int) -> float:
        if not callable(lr):
            return lr
        value = lr(t)
        self._check("lr", value, {"lr"})
        return value

    def _check(self, name: str, value: Any, allowed: Iterable[str]) -> None:
        if name not in allowed:
            raise ValueError(f"{type(self).__name__} has no {name!r}; it has {', '.join(allowed)}")
        if name == "lr" and callable(value):
            return
        within, text = RANGES[name]
        if not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{name} is a number, got {type(value).__name__}")
        if not within(float(value)) or (name == "eps" and not within(float(self._dtype(value)))):
            raise ValueError(f"{name} = {value}, but it has to be {text}")

    def equation(self) -> str:
        """The rule as the kernel runs it, with the values of the numbers in it."""
        lines = [line.strip() for line in self.kernel.__doc__.splitlines()]
        rule = [line for line in lines if "<-" in line or line.startswith("where")]
        values = ", ".join(
            f"{name} = a function of t" if callable(value) else f"{name} = {value:g}"
            for name, value in self.groups[0].items()
        )
        return "\n".join([*rule, values])

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.groups[0].items())
        return f"{type(self).__name__}({len(self.params)} parameters, {values})"

    # --- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on bit for bit, as arrays and numbers, ready for np.savez.

        A learning rate that is a function is not in it: build the optimizer with the same function.
        """
        return {
            "layout": np.array(self._layout()),
            "t": self.t,
            "steps": np.array(self._steps),
            **{name: getattr(self, name).copy() for name in self.state},
            **{
                f"group{i}.{name}": float(value)
                for i, group in enumerate(self.groups)
                for name, value in group.items()
                if not callable(value)
            },
        }

    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` returned, for the same kind of optimizer over the same parameters.

        Raises
        ------
        ValueError : another rule, dtype, list of groups, or list of parameters and shapes; something is missing
        """
        expected = self.state_dict()
        theirs, ours = [str(line) for line in state["layout"]] if "layout" in state else [], self._layout()
        if theirs != ours:
            here, there = next((a, b) for a, b in zip([*ours, "nothing"], [*theirs, "nothing"]) if a != b)
            raise ValueError(f"this state is of another optimizer or model: it has {there} where this one has {here}")
        missing = [key for key in expected if key not in state]
        if missing:
            raise ValueError(f"this state is not whole: it has no {', '.join(missing)}")
        numbers = {key: float(state[key]) for key in expected if key.startswith("group")}
        for key, value in numbers.items():
            self._check(key.partition(".")[2], value, self.groups[0])
        for name in self.state:
            getattr(self, name)[...] = state[name]
        self.t, self._steps = int(state["t"]), [int(t) for t in state["steps"]]
        for key, value in numbers.items():
            group, _, name = key.removeprefix("group").partition(".")
            self.groups[int(group)][name] = value

    def _layout(self) -> list[str]:
        rule = f"{type(self).__name__} in {self.buffer.data.dtype}"
        params = [f"{name} {p.shape}" for name, p in zip(self.names, self.params, strict=True)]
        groups = ", ".join(str(len(members)) for members in self._members)
        return [rule, *params, f"groups of {groups}"]

    def __reduce__(self) -> Any:
        raise TypeError("an optimizer cannot be copied, its parameters lie in its buffer; use state_dict()")


def _groups(params: Any) -> list[dict[str, Any]]:
    """params as a list of groups: {"params": ..., hyper-parameters that differ}."""
    if isinstance(params, Sequence) and params and isinstance(params[0], dict):
        for group in params:
            if not isinstance(group, dict) or "params" not in group:
                raise ValueError('a parameter group is a dict with "params" and the values that differ')
        return list(params)
    return [{"params": params}]


def _named(params: Any, first: int) -> list[tuple[str, Tensor]]:
    """Every parameter with its name; what has none is numbered."""
    if hasattr(params, "named_parameters"):
        params = params.named_parameters()
    if isinstance(params, dict):
        return list(params.items())
    tensors = [params] if isinstance(params, Tensor) else list(params)
    return [(getattr(p, "name", None) or f"parameter{i}", p) for i, p in enumerate(tensors, first)]


# --- large buffers: the same kernel on disjoint slices, in threads ------------------------------------------------

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORTH_A_THREAD = 300_000  # elements; below, handing over a slice costs more than it saves


@lru_cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS - 1, thread_name_prefix="tinygrad_edu")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


def _launch(kernel: Any, arrays: list[Array], scalars: Array) -> None:
    """Run the kernel. The rules are elementwise, so the bits do not depend on how many threads share the work."""
    size = arrays[0].size
    if THREADS == 1 or size < WORTH_A_THREAD:
        kernel(*arrays, *scalars)
        return
    cuts = [size * i // THREADS for i in range(THREADS + 1)]
    parts = [[array[a:b] for array in arrays] for a, b in pairwise(cuts)]
    others = [_pool().submit(kernel, *part, *scalars) for part in parts[1:]]
    kernel(*parts[0], *scalars)
    for other in others:
        other.result()


# --- the rules, in the order of kernels.py -------------------------------------------------------------------------


class SGD(Optimizer):
    """Gradient descent, p <- p - lr · g. Rule: `kernels.sgd`. As torch.optim.SGD without momentum.

    Whether it is batch, mini-batch or stochastic gradient descent is not the rule's business: it is how many samples
    g is the mean over.

    Parameters
    ----------
    params, lr : see `Optimizer`

    References
    ----------
    Cauchy 1847; Robbins & Monro 1951, "A stochastic approximation method".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.25)
    >>> (p * p).sum().backward()  # the gradient is 2
    >>> optimizer.step()
    >>> p
    Tensor([0.5], requires_grad=True)
    """

    kernel = staticmethod(kernels.sgd)

    def __init__(self, params: Any, lr: LearningRate = 1e-3) -> None:
        super().__init__(params, lr=lr)


class Momentum(Optimizer):
    """Momentum as courses teach it: step along a moving average of the gradients. Rule: `kernels.momentum`.

    ``Momentum(lr=a)`` takes the steps of ``HeavyBall(lr=a * (1 - beta))``. The average starts at 0, so the first steps
    are short; bias_correction divides by 1 - beta^t and makes the first step lr · g.

    Parameters
    ----------
    params, lr : see `Optimizer`
    beta : how much of the average is kept at each step, in [0, 1)
    bias_correction : whether the average is debiased

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Momentum([p], lr=0.5, beta=0.5)
    >>> (2 * p).sum().backward()  # the gradient is 2, the average becomes 1
    >>> optimizer.step()
    >>> p
    Tensor([0.5], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.momentum), ("v",)

    def __init__(self, params: Any, lr: LearningRate = 1e-2, beta: float = 0.9, bias_correction: bool = False) -> None:
        super().__init__(params, lr=lr, beta=beta, bias_correction=bias_correction)

    def scalars(self, t: int, lr: float, beta: float, bias_correction: bool) -> tuple[float, ...]:
        return lr, beta, 1 - beta, 1 / (1 - beta**t) if bias_correction else 1


class HeavyBall(Optimizer):
    """Momentum after Polyak: gradients push a velocity. Rule: `kernels.heavy_ball`.

    As torch.optim.SGD(momentum=...), with lr outside the velocity: a new lr acts on the whole step at once.

    Parameters
    ----------
    params, lr : see `Optimizer`
    momentum : how much of the velocity is kept at each step, in [0, 1)

    References
    ----------
    Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = HeavyBall([p], lr=0.1, momentum=0.5)
    >>> for _ in range(2):  # velocities 1 and 1.5
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    >>> print(f"{p.item():.2f}")
    0.75
    """

    kernel, state = staticmethod(kernels.heavy_ball), ("v",)

    def __init__(self, params: Any, lr: LearningRate = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(params, lr=lr, momentum=momentum)


class Nesterov(HeavyBall):
    """Momentum that looks ahead. Rule: `kernels.nesterov`. As torch.optim.SGD(momentum=..., nesterov=True).

    The parameters that are stored are the look-ahead point, so the gradient is taken where Nesterov's method takes it.

    Parameters
    ----------
    params, lr, momentum : see `HeavyBall`

    References
    ----------
    Nesterov 1983; Sutskever, Martens, Dahl & Hinton 2013, "On the importance of initialization and momentum".

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Nesterov([p], lr=0.1, momentum=0.5)
    >>> p.sum().backward()  # velocity 1, step 0.1 · (1 + 0.5 · 1)
    >>> optimizer.step()
    >>> print(f"{p.item():.2f}")
    0.85
    """

    kernel = staticmethod(kernels.nesterov)


class Adagrad(Optimizer):
    """A rate for each parameter, ever falling: divide by the root of the sum of squares. Rule: `kernels.adagrad`.

    As torch.optim.Adagrad. For a constant gradient step t has length lr / √t.

    Parameters
    ----------
    params, lr : see `Optimizer`
    lr_decay : the rate at update t is lr / (1 + (t - 1) · lr_decay)
    eps : added outside the root

    References
    ----------
    Duchi, Hazan & Singer 2011, "Adaptive subgradient methods", JMLR 12.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is lr, whatever the size of the gradient
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.adagrad), ("s",)

    def __init__(self, params: Any, lr: LearningRate = 1e-2, lr_decay: float = 0.0, eps: float = 1e-10) -> None:
        super().__init__(params, lr=lr, lr_decay=lr_decay, eps=eps)

    def scalars(self, t: int, lr: float, lr_decay: float, eps: float) -> tuple[float, ...]:
        return lr / (1 + (t - 1) * lr_decay), eps


class RMSprop(Optimizer):
    """Adagrad that forgets: divide by the root of a moving average of squares. Rule: `kernels.rmsprop`.

    As torch.optim.RMSprop, where rho is called alpha. The lecture has rho = 0.9. There is no bias correction, so the
    first step is lr / √(1 - rho): ten times lr.

    Parameters
    ----------
    params, lr : see `Optimizer`
    rho : how much of the average is kept at each step, in [0, 1)
    eps : added outside the root

    References
    ----------
    Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6.5.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([p], lr=0.05)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()
    >>> print(f"{p.item():.4f}")
    0.5000
    """

    kernel, state = staticmethod(kernels.rmsprop), ("v",)

    def __init__(self, params: Any, lr: LearningRate = 1e-2, rho: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps)

    def scalars(self, t: int, lr: float, rho: float, eps: float) -> tuple[float, ...]:
        return lr, rho, 1 - rho, eps


def _adam_numbers(t: int, lr: float, beta1: float, beta2: float, eps: float) -> tuple[float, ...]:
    return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 / (1 - beta1**t), 1 / (1 - beta2**t), eps


class Adam(Optimizer):
    """Adaptive moment estimation: momentum over RMSprop, both debiased. Rule: `kernels.adam`.

    As algorithm 1 of the paper and torch.optim.Adam: eps outside the root, t counting updates from 1. The corrections
    c1 and c2 undo the zeros that m and v start from; the averages themselves stay as they are.

    Parameters
    ----------
    params, lr : see `Optimizer`
    beta1, beta2 : how much of the averages of g and of g² is kept at each step, in [0, 1)
    eps : added outside the root

    References
    ----------
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.25)
    >>> (100 * p).sum().backward()
    >>> optimizer.step()  # the first step is lr · g / (|g| + eps)
    >>> print(f"{p.item():.4f}")
    0.7500
    """

    kernel, state = staticmethod(kernels.adam), ("m", "v")

    def __init__(
        self, params: Any, lr: LearningRate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(params, lr=lr, beta1=beta1, beta2=beta2, eps=eps)

    def scalars(self, t: int, lr: float, beta1: float, beta2: float, eps: float) -> tuple[float, ...]:
        return _adam_numbers(t, lr, beta1, beta2, eps)


class AdamW(Optimizer):
    """Adam with decoupled weight decay: the weights shrink by themselves. Rule: `kernels.adamw`.

    As torch.optim.AdamW: before Adam's step each weight is multiplied by 1 - lr · weight_decay. An L2 term in the loss
    would instead enter m and v, and be divided by √v with the rest of the gradient.

    Parameters
    ----------
    params, lr, beta1, beta2, eps : see `Adam`
    weight_decay : at least 0; the paper's λ is lr · weight_decay

    References
    ----------
    Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([p], lr=0.25, weight_decay=0.4)
    >>> (0 * p).sum().backward()  # no gradient: what is left is the decay, 1 - 0.25 · 0.4
    >>> optimizer.step()
    >>> p
    Tensor([0.9], requires_grad=True)
    """

    kernel, state = staticmethod(kernels.adamw), ("m", "v")

    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)

    def scalars(
        self, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
    ) -> tuple[float, ...]:
        return *_adam_numbers(t, lr, beta1, beta2, eps), 1 - lr * weight_decay


RULES: dict[str, type[Optimizer]] = {
    rule.kernel.__name__: rule for rule in (SGD, Momentum, HeavyBall, Nesterov, Adagrad, RMSprop, Adam, AdamW)
}
