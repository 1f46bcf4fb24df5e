"""The base of all optimizers: groups of parameters, flat arrays for the running averages, and the step.

Look first at `Optimizer.step`. It asks `updates` which parameters have a gradient, has `begin` compute the numbers of
this step (see ``scalars`` in `optimizers`; Adam's contain c1 and c2), and calls the kernel once for each `Update`.
Usually there is one `Update`: all parameters, which lie side by side in the flat buffer. There are more if there are
several groups, or if some parameters have no gradient, are frozen, or have had fewer updates than others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from inspect import Parameter, Signature, signature
from itertools import groupby
from typing import Any, cast

import numpy as np

from . import kernels
from .buffers import FlatBuffer, aligned
from .jit import bound
from .methods import OptimizerMethods
from .ops import Array
from .tensor import Tensor, next_stamp, thread

LearningRate = float | Callable[[int], float]
Numbers = tuple[float, ...]


class Optimizer(OptimizerMethods):
    """The base of all optimizers.

    A subclass sets ``kernel``, the names of the kernel's running averages (``state``), and the hyper-parameters with
    their defaults (``hyper``). If the kernel takes other numbers than these, the subclass writes `scalars`.

    Parameters
    ----------
    params : a `Layer`, or what its ``parameters()`` or ``named_parameters()`` return, or a list of Tensors, or a list
        of groups: dicts with ``params`` and the hyper-parameters that differ for them
    lr : the learning rate, a number or a function of the step number t = 1, 2, ... that returns one
    l2 : at least 0; l2 · p, the gradient of l2 / 2 · |p|², is added to each gradient before the rule sees it. torch
        calls this weight_decay, but for AdamW. ``weight_decay`` here, where a rule has it, shrinks p apart from g
    nonfinite : what `step` does when a gradient holds NaN or infinity: "raise" an error; "skip" the whole update, and
        count it in ``skipped``; or "propagate": do not look, and update

    Attributes
    ----------
    t : how many steps were made; one that was refused or skipped does not count
    groups : the hyper-parameters of each group, a dict each: ``groups[0]["lr"] = 0.1`` changes one
    params, names : the parameters, and what messages call each; their index here is that in the next three
    steps : how many updates each parameter has had. Call `write_back_steps` before you read or change it, or change
        ``frozen``
    members : the indices of each group's parameters, a range
    frozen : the indices of the parameters that `step` leaves alone
    buffer : the `FlatBuffer` of all parameters
    averages : the running averages by name, flat arrays to read or write into; each is an attribute too, as ``adam.m``
    cached_updates, seen : what `updates` returned, and the arrays for which that holds
    last : the updates that the last `step` made; empty after a step that was refused or skipped
    assigned : whether a gradient was ever assigned by hand: then nobody knows which gradients are new
    cleared : whether `zero_grad` was called after the last step: then all gradients are new

    Raises
    ------
    ValueError : a hyper-parameter out of range, a group that names an unknown one, or parameters as in `FlatBuffer`
    TypeError : a hyper-parameter that is not a number
    """

    kernel: Any
    state: tuple[str, ...] = ()
    hyper: dict[str, Any] = {}
    ranks: Any = None  # what averages the gradients of several processes: `training.ranks.distribute` sets it

    def __init_subclass__(cls) -> None:
        """Make the running averages read-only attributes, and have help(cls) show the hyper-parameters."""
        for name in cls.state:
            setattr(cls, name, property(partial(average, name), doc="a running average, flat"))
        own = cls.__init__ is not Optimizer.__init__
        cls.__signature__ = signature(partial(cls.__init__, None)) if own else signature_of(cls.hyper)  # type: ignore

    def __init__(self, params: Any, *given: Any, l2: float = 0.0, nonfinite: str = "raise", **named: Any) -> None:
        hyper = self.hyper | signature_of(self.hyper).bind(params, *given, **named).arguments
        del hyper["params"]
        self.nonfinite, self.skipped, self.t, self.assigned, self.cleared = nonfinite, 0, 0, False, False
        self.hyper = {"lr": hyper["lr"], "l2": l2, **hyper}
        groups, names = parameter_groups(params), list[str]()
        self.params, self.members = list[Tensor](), list[range]()
        for group in groups:
            mine = named_tensors(group.pop("params"), first=len(self.params))
            self.members.append(range(len(self.params), len(self.params) + len(mine)))
            names += [name for name, _ in mine]
            self.params += [p for _, p in mine]
        self.names = unique_names(names, self.members)
        self.buffer = FlatBuffer(self.params)
        self.averages = {name: aligned(self.buffer.data.size, self.buffer.data.dtype) for name in self.state}
        self.groups = tuple([self.grouped({**self.hyper, **group}) for group in groups])
        self.steps, self.frozen, self.last = [0] * len(self.params), set[int](), list[Update]()
        self.cached_updates, self.seen = list[Update](), list[Any]()
        self.start()

    def start(self) -> None:
        """Give the averages their first values. A rule overrides this if they are not 0."""

    def scalars(self, t: int, *hyper: Any) -> Numbers:
        """Return the numbers that the kernel takes after its arrays, computed in float64.

        Arguments are t = 1, 2, ..., the count of the parameters' updates with this one, and the hyper-parameters, in
        their order. Here these are returned as they are; many rules compute others, as Adam 1 - beta1^t.
        """
        return hyper

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a hyper-parameter. The face puts `guards.ranges.check_hyper` here, which checks it."""
        return value

    def grouped(self, hyper: dict[str, Any]) -> Group:
        """Return the dict of a group. The face puts `guards.ranges.grouped` here: a dict that checks assignments."""
        return Group(hyper)

    # --- the step -----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Update every parameter that has a gradient and is not frozen, in place.

        Raises
        ------
        RuntimeError : no parameter has a gradient, or all are frozen; or one lies in another optimizer's buffer now
        ValueError : a gradient holds NaN or infinity and ``nonfinite`` is "raise"; a schedule returned a learning rate
            out of range. No parameter and no average has been changed then
        """
        updates = self.updates()
        self.begin(updates)
        for observe in thread.step:
            observe(self)
        if wrong := updates[0].apply(self, updates):
            if self.nonfinite == "raise":
                raise self.refusal(wrong)
            self.skipped += 1
            return
        self.finish(updates)

    def updates(self) -> list[Update]:
        """Return an `Update` for each run of neighbouring parameters that one call of the kernel can update.

        They have gradients, are of one group and have had equally many updates. The list is kept for as long as the
        same parameters have gradients.
        """
        for p, data, g in self.seen:
            if p.stored_grad is not g or p.array is not data:
                self.write_back_steps()
        if not self.cached_updates:
            self.cached_updates = self.new_updates()
        return self.cached_updates

    def new_updates(self) -> list[Update]:
        """Bring assigned gradients into the buffer; of neighbours in one group, with as many updates, make one Update.

        Raises
        ------
        RuntimeError : no parameter has a gradient, or one lies in another optimizer's buffer
        """
        awake = {i: views for i, views in enumerate(self.buffer.views) if i not in self.frozen}
        ready = {i: views for i, views in awake.items() if views[0].stored_grad is not None}
        if not ready:
            message = "found no gradient: call loss.backward() first, after zero_grad()"
            raise RuntimeError(message if awake else "all parameters are frozen; unfreeze() some, or do not step")
        for p, data, _ in ready.values():
            if p.array is not data:
                raise RuntimeError(f"{p.label()} now lies in another optimizer's buffer; give both the same parameters")
        assigned = [(p, view, np.array(p.stored_grad)) for p, _, view in ready.values() if p.stored_grad is not view]
        for p, view, g in assigned:  # g is a copy, made before any view changes: it may have been another's view
            view[...] = g
            p.stored_grad = view
        self.assigned |= bool(assigned)
        self.seen = [(p, data, p.stored_grad) for p, data, _ in awake.values()]
        kinds = {i: (k, self.steps[i]) for k, members in enumerate(self.members) for i in members if i in ready}
        runs = [(kind, list(run)) for kind, run in groupby(range(len(self.params)), kinds.get)]  # None: not ready
        return [Update(self, self.groups[kind[0]], run[0], run[-1] + 1) for kind, run in runs if kind]

    def write_back_steps(self) -> None:
        """Bring ``steps`` up to date, as each `Update` counts for itself, and have `updates` make new ones."""
        for update in self.cached_updates:
            self.steps[update.first : update.last] = [update.t] * (update.last - update.first)
        self.cached_updates = []

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        """Compute ``l2`` and ``numbers`` of each update, for the next step or the one that comes ahead steps later."""
        self.last, group = [], None  # empty for now: a refused step leaves nothing to ask about
        for update in updates:
            if update.group is not group:  # so that a schedule is asked once for a group
                group = update.group
                lr, l2, rest = group["lr"], group["l2"], group.rest
                lr = self.check("lr", lr(self.t + 1 + ahead)) if callable(lr) else lr
            update.l2, update.numbers = l2, self.scalars(update.t + 1 + ahead, lr, *rest)

    def finish(self, updates: list[Update], times: int = 1) -> None:
        """Note that the updates were made, as often as times says, and tell the observers."""
        stamp = next_stamp()
        for update in updates:
            update.stamp, update.t = stamp, update.t + times
            for p in update.params:
                p.stamp, p.checksum = stamp, None  # changed; the watch ends, until ``data`` is asked for again
        self.t, self.last, self.cleared = self.t + times, updates, False
        for observe in thread.stepped:
            observe(self)

    def refusal(self, update: Update) -> Exception:
        """Return the error for a gradient that is not finite. The face puts `guards.ranges.not_finite` here."""
        return ValueError("a gradient holds NaN or infinity")

    def zero_grad(self) -> None:
        """Forget the gradients: the next `backward` overwrites them. ``param.grad`` is None until then."""
        next_stamp()  # time moves on, as in `Tensor.requires_grad`
        self.cleared = True
        for p in self.params:
            p.stored_grad = None

    # --- what can be read and set -------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate that the next `step` uses (of the first group). Assign to change it for all groups."""
        lr = self.groups[0]["lr"]
        return self.check("lr", lr(self.t + 1)) if callable(lr) else lr

    @lr.setter
    def lr(self, value: LearningRate) -> None:
        for group in self.groups:
            group["lr"] = value

    @cached_property
    def regularised(self) -> Array:
        """A flat array for gradients to which l2 · p was added."""
        return aligned(self.buffer.grad.size, self.buffer.grad.dtype)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.groups[0].items() if name != "l2" or value)
        return f"{type(self).__name__}({len(self.params)} parameters, {values})"


class Update:
    """One call of the kernel: for neighbouring parameters of one group that have had equally many updates.

    Attributes
    ----------
    params : these parameters, ``optimizer.params[first:last]``
    first, last : the index of the first of them, and the index behind the last
    group : the dict of their group
    t, stamp : how many updates they have had, and the stamp of the latest
    span, arrays : their slice of the flat arrays, and these slices: p, g and the averages
    rule, not_finite : functions, bound to the arrays: the kernel, to be called with ``*numbers``; and `not_finite`
    numbers, l2 : what the kernel takes after its arrays at the next step, and l2 (see `Optimizer.begin`)
    """

    def __init__(self, optimizer: Optimizer, group: Group, first: int, last: int) -> None:
        self.first, self.last, self.group, self.t, self.stamp = first, last, group, optimizer.steps[first], -1
        self.params, buffer = optimizer.params[first:last], optimizer.buffer
        self.span = slice(buffer.spans[first][0], buffer.spans[last - 1][1])
        self.arrays = [a[self.span] for a in (buffer.data, buffer.grad, *optimizer.averages.values())]
        self.rule = self.bind(optimizer.kernel, self.arrays)
        self.not_finite = self.bind(kernels.not_finite, self.arrays[1:2])
        self.numbers, self.l2 = cast(Numbers, ()), 0.0

    def bind(self, rule: Any, arrays: list[Array]) -> Any:
        """Return a kernel on these arrays, as a function of its numbers. The face puts `extras.threads.bind` here."""
        return bound(rule, arrays)

    def apply(self, optimizer: Optimizer, updates: list[Update]) -> Update | None:
        """Run the rule for each of these, unless a gradient is not finite: return its Update then, and change nothing.

        Of a large one, `extras.threads.bind` puts `extras.threads.apply` here.
        """
        for update in () if optimizer.nonfinite == "propagate" else updates:
            if update.not_finite():
                return update
        for update in updates:
            (update.with_l2(optimizer) if update.l2 else update.rule)(*update.numbers)
        return None

    def with_l2(self, optimizer: Optimizer) -> Any:
        """Compute h = g + l2 · p, and return the rule, bound to h in the place of g."""
        p, g, *averages = self.arrays
        h = optimizer.regularised[self.span]
        self.bind(kernels.add_l2, [h, g, p])(self.l2)
        return self.bind(optimizer.kernel, [p, h, *averages])


class Group(dict[str, Any]):
    """The hyper-parameters of a group by their names: lr, l2, and the rest."""

    rest: Any = property(lambda self: tuple(self.values())[2:], doc="The values behind lr and l2.")


def signature_of(hyper: dict[str, Any]) -> Signature:
    """Return the signature of an optimizer with these hyper-parameters."""
    params = Parameter("params", Parameter.POSITIONAL_OR_KEYWORD)
    numbers = [params.replace(name=name, default=value) for name, value in hyper.items()]
    common = {"l2": 0.0, "nonfinite": "raise"}.items()
    return Signature([params, *numbers, *(Parameter(name, Parameter.KEYWORD_ONLY, default=x) for name, x in common)])


def parameter_groups(params: Any) -> list[dict[str, Any]]:
    """Return params as a list of groups, dicts with "params" and the hyper-parameters that differ."""
    grouped = isinstance(params, Sequence) and params and isinstance(params[0], dict)
    if grouped and not all(isinstance(group, dict) and "params" in group for group in params):
        raise ValueError('a parameter group is a dict with "params" and the values that differ')
    return [dict(group) for group in params] if grouped else [{"params": params}]


def named_tensors(params: Any, first: int) -> list[tuple[str, Tensor]]:
    """Return (name, parameter) of each. One without a name is called by its index, where first is that of the first."""
    params = params.named_parameters() if hasattr(params, "named_parameters") else params
    if isinstance(params, dict):
        return list(params.items())
    tensors = [params] if isinstance(params, Tensor) else list(params)
    return [(getattr(p, "name", None) or f"parameter{i}", p) for i, p in enumerate(tensors, first)]


def unique_names(names: list[str], members: list[range]) -> list[str]:
    """Return the names; if two are equal, put the group's index before each, and if need be their own behind."""
    if len(set(names)) < len(names):
        names = [f"group{k}.{names[i]}" for k, group in enumerate(members) for i in group]
    return names if len(set(names)) == len(names) else [f"{name}.{i}" for i, name in enumerate(names)]


def average(name: str, optimizer: Optimizer) -> Array:
    """Return a running average by its name."""
    if name not in optimizer.averages:
        raise AttributeError(f"this {optimizer.kernel.__name__} has no {name}")
    return optimizer.averages[name]
