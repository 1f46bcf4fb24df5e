"""Learning-rate schedules: the rate of an optimizer as a function of the update number t = 1, 2, 3, ...

>>> lr = linear_warmup(cosine(0.1, steps=1000), steps=50)
>>> lr(1), lr(51) < 0.1, lr(1001)
(0.0, True, 0.0)

Give one to an optimizer, ``Adam(model, lr=cosine(0.001, steps=1000))``, and each `step` asks it for the rate at its t.
A schedule depends on t alone and keeps no state, so a run that is resumed at any t goes on as if it had not stopped. t
counts updates, not epochs: an epoch has ``ceil(N / batch_size)`` updates.

A schedule starts from its ``lr``, or multiplies it. This lr is a number, another schedule, or any function of t; a
function gets the same t as the schedule, and `delayed` starts the clock of a schedule later. PyTorch counts e = t - 1,
the updates that are done: "as X" means that the rate at t is that of PyTorch's scheduler X, with equal arguments, at e.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from inspect import Signature, signature
from math import cos, inf, pi, sqrt
from numbers import Integral, Real
from threading import Lock
from types import FunctionType
from typing import Any, Concatenate, ParamSpec, TypeAlias

from ..guards.kinds import function, is_whole
from ..guards.names import arguments_fit

Rate: TypeAlias = Any  # for a caller float | Callable[[int], float]; inside a rule the number for this t
P = ParamSpec("P")

WHOLE = (lambda x: x >= 1 and is_whole(x), "a whole number, at least 1")
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (
        lambda x: callable(x) or (0 <= x < inf and not isinstance(x, bool)),
        "a finite number, at least 0, or a function of t",
    ),
    "schedule": (callable, "a schedule or another function of t"),
    "schedules": (lambda s: len(s) > 0 and all(map(callable, s)), "a list of schedules or other functions of t"),
    "by": (callable, "a function of t"),
    **dict.fromkeys(["low", "min_lr"], (lambda x: 0 <= x < inf, "a finite number, at least 0")),
    **dict.fromkeys(["steps", "width", "warmup", "growth"], WHOLE),
    "down": (lambda x: x is None or (x >= 1 and is_whole(x)), "a whole number, at least 1, or None"),
    **dict.fromkeys(["linear", "three_phase"], (lambda x: isinstance(x, bool), "True or False")),
    **dict.fromkeys(["patience", "cooldown"], (lambda x: x >= 0 and is_whole(x), "a whole number, at least 0")),
    **dict.fromkeys(["div", "final_div"], (lambda x: 1 <= x < inf, "a finite number, at least 1")),
    "milestones": (lambda m: all(map(WHOLE[0], m)) and list(m) == sorted(set(m)), "rising whole numbers, at least 1"),
    **dict.fromkeys(["factor", "decay"], (lambda x: 0 < x <= 1, "above 0 and at most 1")),
    **dict.fromkeys(["start", "end"], (lambda x: 0 <= x <= 1, "from 0 to 1")),
    "rise": (lambda x: 0 < x < 1, "above 0 and below 1"),
    "power": (lambda x: 0 < x < inf, "a finite number above 0"),
    "threshold": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
}


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """A learning rate as a function of t = 1, 2, 3, ..., which the functions of this module make.

    Its repr is the call that makes it. It can be compared, hashed, copied and pickled, if the functions in it can. It
    raises ValueError for t below 1.

    >>> lr = cosine(0.1, steps=100)
    >>> lr
    cosine(lr=0.1, steps=100, low=0.0)
    """

    make: Callable[..., Schedule]
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, t: int) -> float:
        given: Any = t
        if not (isinstance(given, Real) and float(given) >= 1):
            raise ValueError(f"t = {t!r}, but it counts updates from 1: the first has t = 1")
        values = dict(self.arguments)
        if callable(values.get("lr")):
            values["lr"] = values["lr"](t)
        return float(vars(self.make)["__wrapped__"](t, **values))

    def __repr__(self) -> str:
        shown = [
            (name, value.__name__ if isinstance(value, FunctionType) else repr(value)) for name, value in self.arguments
        ]
        return f"{self.make.__name__}({', '.join(f'{name}={value}' for name, value in shown)})"

    def __reduce__(self) -> Any:
        return partial(self.make, **dict(self.arguments)), ()


def schedule(rule: Callable[Concatenate[int, P], float]) -> Callable[P, Schedule]:
    """Decorate a rule, a formula with t as its first argument: it becomes a function that returns a `Schedule`.

    Arguments with a name in `RANGES` (lr, steps, low, factor, ...) are checked when a schedule is made. If lr is a
    function of t, the rule gets its number for this t.

    >>> @schedule
    ... def inverse_time(t, lr, k):
    ...     return lr / (1 + k * (t - 1))
    >>> inverse_time(0.5, k=1)(2)
    0.25
    """
    function("the rule of a schedule", rule)
    parameters = Signature(list(signature(rule).parameters.values())[1:])

    @wraps(rule)
    def make(*args: P.args, **kwargs: P.kwargs) -> Schedule:
        arguments_fit(rule.__name__, parameters, args, kwargs)
        given = parameters.bind(*args, **kwargs)
        given.apply_defaults()
        values = {name: checked_number(rule.__name__, name, value) for name, value in given.arguments.items()}
        if isinstance(values.get("lr"), Real) and values.get("low", 0) > values["lr"]:
            raise ValueError(f"{rule.__name__}: low = {values['low']} is above lr = {values['lr']}")
        return Schedule(make, tuple(values.items()))

    vars(make)["__signature__"] = parameters
    return make


def checked_number(where: str, name: str, value: Any) -> Any:
    """Return value as plain Python numbers; a ValueError if it is out of the range of its name."""
    within, text = RANGES.get(name, (lambda _: True, ""))
    value = tuple(value) if isinstance(value, Iterator) else value  # an iterator can be read only once
    flag = name in ("linear", "three_phase")
    try:
        right = isinstance(value, bool) == flag and within(value)
    except (TypeError, ValueError):  # no number
        right = False
    if not right:
        raise ValueError(f"{where}: {name} = {value!r}, but it has to be {text}")
    if name in ("milestones", "schedules"):
        return tuple(map(int, value)) if name == "milestones" else tuple(value)
    if flag:
        return value
    return int(value) if isinstance(value, Integral) else float(value) if isinstance(value, Real) else value


def _between(a: float, b: float, x: float) -> float:
    """b + (a - b) · (1 + cos(π x)) / 2: from a at x = 0 to b at x = 1, along half a period of the cosine."""
    share = (1 + cos(pi * x)) / 2
    return a * share + b * (1 - share)


def _along(a: float, b: float, x: float) -> float:
    """From a at x = 0 to b at x = 1, along a line."""
    return a + (b - a) * x


# --- the schedules ----------------------------------------------------------------------------------------------------


@schedule
def constant(t: int, lr: Rate, steps: int = 1, factor: float = 1.0) -> float:
    """lr, always; or lr · factor in the first ``steps`` updates, and lr after them. As torch's ConstantLR.

    >>> constant(0.1)(1000)
    0.1
    >>> lr = constant(0.8, steps=5, factor=0.5)
    >>> lr(5), lr(6)
    (0.4, 0.8)
    """
    return lr * factor if t <= steps else lr


@schedule
def step(t: int, lr: Rate, steps: int, factor: float = 0.1) -> float:
    """lr · factor^⌊(t - 1) / steps⌋: multiplied by factor after every ``steps`` updates. As torch's StepLR.

    >>> lr = step(0.8, steps=10, factor=0.5)
    >>> lr(10), lr(11), lr(21)
    (0.8, 0.4, 0.2)
    """
    return lr * factor ** ((t - 1) // steps)


@schedule
def multistep(t: int, lr: Rate, milestones: tuple[int, ...], factor: float = 0.1) -> float:
    """lr · factor^k, where k milestones are at most t - 1: multiplied by factor after each milestone. As MultiStepLR.

    >>> lr = multistep(0.8, milestones=[10, 15], factor=0.5)
    >>> lr(10), lr(11), lr(16)
    (0.8, 0.4, 0.2)
    """
    return lr * factor ** sum(m <= t - 1 for m in milestones)


@schedule
def exponential(t: int, lr: Rate, factor: float) -> float:
    """lr · factor^(t - 1): multiplied by factor after every update. As ExponentialLR.

    >>> exponential(0.8, factor=0.5)(3)
    0.2
    """
    return lr * factor ** (t - 1)


@schedule
def multiplicative(t: int, lr: Rate, by: Callable[[int], float]) -> float:
    """lr · by(2) · by(3) · ... · by(t): multiplied before every update by a number of its own. As MultiplicativeLR,
    whose function gets t - 1. The products are kept, so that each is computed once.

    >>> lr = multiplicative(0.8, by=lambda t: 1 / t)
    >>> lr(1), lr(2), lr(4)
    (0.8, 0.4, 0.03333333333333333)
    """
    products, lock = _products(by)
    with lock:
        while len(products) < t:
            products.append(products[-1] * by(len(products) + 1))
    return lr * products[int(t) - 1]


@lru_cache(maxsize=64)
def _products(by: Callable[[int], float]) -> tuple[array[float], Lock]:
    """Return the running products of a function, as far as they were asked for."""
    return array("d", [1.0]), Lock()


@schedule
def polynomial(t: int, lr: Rate, steps: int, power: float = 1.0, low: float = 0.0) -> float:
    """low + (lr - low) · (1 - x)^power, x = min((t - 1) / steps, 1): from lr to low, where it stays.

    A line with power = 1. As PolynomialLR, which has no ``low``; optax.polynomial_schedule has.

    >>> lr = polynomial(0.8, steps=4, power=2)
    >>> lr(1), lr(3), lr(5), lr(6)
    (0.8, 0.2, 0.0, 0.0)
    """
    return low + (lr - low) * (1 - min((t - 1) / steps, 1)) ** power


@schedule
def linear_warmup(t: int, lr: Rate, steps: int, start: float = 0.0, end: float = 1.0) -> float:
    """lr · (start + (end - start) · min((t - 1) / steps, 1)): ``steps`` updates below lr, the whole lr after them.

    With start = 0 the first update moves nothing; ``start=1 / (steps + 1)`` wastes none: lr · t / (steps + 1). From
    start = 1 to an end below it is a line down. As LinearLR, whose start is 1/3. Goyal et al. 2017, "Accurate, large
    minibatch SGD", section 2.2.

    >>> lr = linear_warmup(0.8, steps=4)
    >>> lr(1), lr(3), lr(5), lr(6)
    (0.0, 0.4, 0.8, 0.8)
    """
    return lr * _along(start, end, min((t - 1) / steps, 1))


@schedule
def cosine(t: int, lr: Rate, steps: int, low: float = 0.0) -> float:
    """low + (lr - low) · (1 + cos(π x)) / 2, x = min((t - 1) / steps, 1): from lr to low, where it stays.

    CosineAnnealingLR is the same until t = steps + 1; after that it rises again. Loshchilov & Hutter 2017, "SGDR:
    stochastic gradient descent with warm restarts", eq. 5, without the restarts.

    >>> lr = cosine(0.8, steps=4)
    >>> lr(1), lr(3), lr(5), lr(6)
    (0.8, 0.4, 0.0, 0.0)
    """
    return _between(lr, low, min((t - 1) / steps, 1))


@schedule
def cosine_restarts(t: int, lr: Rate, steps: int, growth: int = 1, low: float = 0.0) -> float:
    """`cosine` again and again, in periods of steps, steps · growth, steps · growth², ... updates, from lr towards low.

    low itself is not reached: the next period begins there. As CosineAnnealingWarmRestarts. Loshchilov & Hutter 2017,
    "SGDR: stochastic gradient descent with warm restarts", eq. 5.

    >>> lr = cosine_restarts(0.8, steps=2, growth=2)  # the second period is of 4 updates, from t = 3
    >>> [round(lr(t), 3) for t in range(1, 8)]
    [0.8, 0.4, 0.8, 0.683, 0.4, 0.117, 0.8]
    """
    e = (t - 1) % steps if growth == 1 else t - 1
    while e >= steps:  # about log(t) times, and exact: the numbers are whole
        e, steps = e - steps, steps * growth
    return _between(lr, low, e / steps)


@schedule
def inverse_sqrt(t: int, lr: Rate) -> float:
    """lr / √t: falls without end, but so slowly that the updates can still reach any point.

    Kingma & Ba 2015, "Adam: a method for stochastic optimization", sections 4 (its theorem) and 6.1.

    >>> lr = inverse_sqrt(0.8)
    >>> lr(1), lr(4), lr(16)
    (0.8, 0.4, 0.2)
    """
    return lr / sqrt(t)


@schedule
def noam(t: int, lr: Rate = 1.0, width: int = 512, warmup: int = 4000) -> float:
    """lr · width^(-1/2) · min(t^(-1/2), t · warmup^(-3/2)): a line up to t = warmup, then `inverse_sqrt`.

    The highest rate, at t = warmup, is lr / √(width · warmup): with the defaults 0.0007. width is the length of the
    model's vectors. Vaswani et al. 2017, "Attention is all you need", eq. 3.

    >>> lr = noam(width=4, warmup=4)
    >>> lr(1), lr(4), lr(16)
    (0.0625, 0.25, 0.125)
    """
    return lr * width**-0.5 * min(t**-0.5, t * warmup**-1.5)


@schedule
def one_cycle(
    t: int,
    lr: Rate,
    steps: int,
    rise: float = 0.3,
    div: float = 25.0,
    final_div: float = 1e4,
    linear: bool = False,
    three_phase: bool = False,
) -> float:
    """Half a cosine up from lr / div to lr, at t = rise · steps, and one down to lr / div / final_div, at t = steps.

    There it stays. With three phases it first goes down as it came up, to lr / div, and from there to the end. linear
    is of lines instead of cosines. As OneCycleLR(cycle_momentum=False), which raises an error after that; momentum is
    left alone. optax.cosine_onecycle_schedule counts one update more. Smith & Topin 2018, "Super-convergence: very fast
    training of neural networks using large learning rates".

    >>> lr = one_cycle(0.8, steps=11, rise=5 / 11, div=4, final_div=2)
    >>> [round(lr(t), 3) for t in (1, 3, 5, 8, 11, 12)]
    [0.2, 0.5, 0.8, 0.45, 0.1, 0.1]
    """
    e, top, first, last = min(t, steps) - 1, rise * steps - 1, lr / div, lr / div / final_div
    go = _along if linear else _between
    if three_phase and rise >= 0.5:
        raise ValueError(f"one_cycle: rise = {rise}, but with three phases it has to be below 1/2")
    if e < top:
        return go(first, lr, e / top)
    if not three_phase:
        return go(lr, last, (e - top) / (steps - 1 - top))
    if e < 2 * top:
        return go(lr, first, (e - top) / top)
    return go(first, last, (e - 2 * top) / (steps - 1 - 2 * top))


@schedule
def cyclical(
    t: int, lr: Rate, steps: int, low: float, factor: float = 1.0, down: int | None = None, decay: float = 1.0
) -> float:
    """A line from low up to lr in ``steps`` updates, and a line down in as many, or in ``down``, again and again.

    Above low each cycle is factor times as high as the one before, and each update decay times. As
    CyclicLR(cycle_momentum=False): factor = 1 is its mode "triangular", 1/2 "triangular2", and decay is the gamma of
    "exp_range". Smith 2017, "Cyclical learning rates for training neural networks", section 3.

    >>> lr = cyclical(1.0, steps=2, low=0.5, factor=0.5)
    >>> [lr(t) for t in range(1, 10)]
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.625, 0.75, 0.625, 0.5]
    """
    down = down or steps
    cycle, e = divmod(t - 1, steps + down)
    share = e / steps if e <= steps else (steps + down - e) / down
    return low + (lr - low) * factor**cycle * decay ** (t - 1) * share


@schedule
def delayed(t: int, schedule: Callable[[int], float], steps: int) -> float:
    """schedule(max(t - steps, 1)): a schedule whose clock starts ``steps`` updates later; until then its first rate.

    A warm-up then takes nothing away from the schedule that follows, as with torch's SequentialLR:

    >>> lr = linear_warmup(delayed(cosine(0.8, steps=4), steps=2), steps=2)
    >>> [round(lr(t), 3) for t in range(1, 8)]  # two updates of warm-up, then the cosine from its beginning
    [0.0, 0.4, 0.8, 0.683, 0.4, 0.117, 0.0]
    """
    return schedule(max(t - steps, 1))


@schedule
def sequence(t: int, schedules: tuple[Callable[[int], float], ...], milestones: tuple[int, ...]) -> float:
    """The first schedule, and after each milestone the next, whose clock starts there. As torch's SequentialLR.

    There is one milestone less than schedules. A chain, as torch's ChainedScheduler, is a schedule in another's lr.

    >>> lr = sequence([linear_warmup(0.8, steps=2), cosine(0.8, steps=4)], milestones=[2])
    >>> [round(lr(t), 3) for t in range(1, 8)]  # two updates of warm-up, then the cosine from its beginning
    [0.0, 0.4, 0.8, 0.683, 0.4, 0.117, 0.0]
    """
    if len(schedules) != len(milestones) + 1:
        raise ValueError(f"sequence: {len(milestones)} milestones are between {len(schedules)} schedules")
    i = bisect_right(milestones, t - 1)
    return schedules[i](t - milestones[i - 1] if i else t)
