"""The base of all optimizers: groups of parameters, flat state, and the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from inspect import Parameter, Signature, signature
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from . import kernels
from .buffers import FlatBuffer, aligned
from .jit import bound
from .ops import Array
from .tensor import Tensor, next_stamp, thread

LearningRate = float | Callable[[int], float]
Numbers = tuple[float, ...]


class Optimizer:
    """A kernel, the names of its running averages (``state``), and its hyper-parameters' defaults (``hyper``).

    Parameters
    ----------
    params : a `Layer`, or what its ``parameters()`` or ``named_parameters()`` return, or a list of Tensors, or a list
        of groups: dicts with ``params`` and any hyper-parameter that shall differ for them
    lr : the learning rate, a number or a function of the step number t = 1, 2, ... that returns one
    l2 : at least 0; l2 · p is added to each gradient before the rule sees it, as torch's weight_decay does outside
        AdamW. It is the gradient of l2 / 2 · |p|². ``weight_decay``, where a rule has it, shrinks p by itself
    nonfinite : what `step` does when a gradient holds NaN or infinity: "raise"; "skip" the whole update, and count it
        in ``skipped``; or "propagate", look at nothing and update

    Attributes
    ----------
    t : how many updates there were
    groups : the hyper-parameters of each group, a dict each: ``groups[0]["lr"] = 0.1`` changes one
    params, names, steps : the parameters, what messages call each, and how many updates each has had (see
        `write_back_steps`, which also belongs before a change of ``frozen`` or ``steps``)
    members : which of these are in each group, a range for each
    frozen : the numbers of those that `step` leaves alone
    buffer : the `FlatBuffer` of all parameters
    averages : each running average by its name, a flat array to read or write into; also an attribute
    cached_updates : what `updates` returned
    last : the updates that the last `step` made; empty after one that was refused
    assigned : whether gradients were assigned by hand: then nobody knows which of them are new
    cleared : whether `zero_grad` was called after the last step: then all gradients are new

    Raises
    ------
    ValueError : a hyper-parameter out of range, a group that names an unknown one, or parameters as in `FlatBuffer`
    TypeError : a hyper-parameter that is not a number
    """

    kernel: Any
    state: tuple[str, ...] = ()
    hyper: dict[str, Any] = {}

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The running averages, and what upper rooms bind: freeze, clip_norm, state_dict, equation, why ..."""

    def __init_subclass__(cls) -> None:
        """Show the hyper-parameters in help(cls), and the running averages as attributes that nobody can replace."""
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
        self.cached_updates, self._seen = list[Update](), list[Any]()
        self.start()

    def start(self) -> None:
        """Give the averages their first values, in a rule where these are not 0."""

    def scalars(self, t: int, *hyper: Any) -> Numbers:
        """Return the numbers that the kernel takes after its arrays, computed in float64.

        They follow from t, which counts these parameters' updates, and the hyper-parameters in their order. Here they
        are just the hyper-parameters; some rules compute others.
        """
        return hyper

    def check(self, name: str, value: Any) -> Any:
        """Return value, if a number of that name may have it: here, always. `guards.ranges` takes this place."""
        return value

    def grouped(self, hyper: dict[str, Any]) -> Group:
        """Return the hyper-parameters of a group. `guards.ranges` takes this place, and checks what is assigned."""
        return Group(hyper)

    # --- the step -----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Update every parameter that has a gradient and is not frozen, in place.

        Raises
        ------
        RuntimeError : no parameter has a gradient; or one was moved into the buffer of another optimizer
        ValueError : a gradient holds NaN or infinity and ``nonfinite`` is "raise"; a schedule returned a learning rate
            out of range. Nothing has been changed then
        """
        updates = self.updates()
        self.begin(updates)
        if self.nonfinite != "propagate":
            for update in updates:
                if update.not_finite():
                    if self.nonfinite == "raise":
                        raise self.refusal(update)
                    self.skipped += 1
                    return
        self.last = updates
        for told in thread.step:
            told(self)
        for update in updates:
            if update.l2:
                p, g, *averages = update.arrays
                h = self.regularised[update.span]
                update.bind(kernels.add_l2, [h, g, p])(update.l2)
                update.bind(self.kernel, [p, h, *averages])(*update.numbers)
            else:
                update.rule(*update.numbers)
        self.finish(updates)

    def updates(self) -> list[Update]:
        """Return a call of the kernel for each run of neighbours of one group that have a gradient and one step count.

        They are kept for as long as the same parameters have gradients.
        """
        for p, data, g in self._seen:
            if p.stored_grad is not g or p.array is not data:
                self.write_back_steps()
        if self.cached_updates:
            return self.cached_updates
        awake = [(i, *views) for i, views in enumerate(self.buffer.views) if i not in self.frozen]
        given = {i: (p, data, view) for i, p, data, view in awake if p.stored_grad is not None}
        if not given:
            how = "found no gradient: call loss.backward() first, after zero_grad()"
            raise RuntimeError(how if awake else "all parameters are frozen; unfreeze() some, or do not step")
        for p, data, _ in given.values():
            if p.array is not data:
                raise RuntimeError(f"{p.label()} now lies in another optimizer's buffer; give both the same parameters")
        assigned = [(p, view, np.array(p.stored_grad)) for p, _, view in given.values() if p.stored_grad is not view]
        for p, view, g in assigned:  # copies, as a gradient may be another parameter's
            view[...] = g
            p.stored_grad = view
        self.assigned |= bool(assigned)
        kinds = [(i in given, k, self.steps[i]) for k, members in enumerate(self.members) for i in members]
        for (updated, k, _), run in groupby(range(len(kinds)), kinds.__getitem__):
            first, *others = run
            if updated:
                self.cached_updates.append(Update(self, self.groups[k], first, first + 1 + len(others)))
        self._seen = [(p, data, p.stored_grad) for _, p, data, _ in awake]
        return self.cached_updates

    def write_back_steps(self) -> None:
        """Bring ``steps`` up to date and forget the cached updates: `updates` will make new ones."""
        for update in self.cached_updates:
            self.steps[update.first : update.last] = [update.t] * (update.last - update.first)
        self.cached_updates = []

    def begin(self, updates: list[Update], ahead: int = 0) -> None:
        """Give the updates the numbers of the step that comes so many after the next."""
        self.last, group = [], None  # a step that is refused leaves nothing to ask about
        for update in updates:
            if update.group is not group:  # a schedule is asked once a step
                group = update.group
                lr, l2, rest = group["lr"], group["l2"], group.rest
                if callable(lr):
                    lr = self.check("lr", lr(self.t + 1 + ahead))
            update.l2, update.numbers = l2, self.scalars(update.t + 1 + ahead, lr, *rest)

    def finish(self, updates: list[Update], times: int = 1) -> None:
        """Note that the updates were made, so many times; the parameters have changed."""
        stamp = next_stamp()
        for update in updates:
            update.stamp, update.t = stamp, update.t + times
            for p in update.params:
                p.stamp, p.checksum = stamp, None  # what the user looked at is no longer what is there
        self.t, self.last, self.cleared = self.t + times, updates, False
        for told in thread.stepped:
            told(self)

    def refusal(self, update: Update) -> Exception:
        """Return what `step` raises if a gradient is not finite. `guards.ranges` takes this place, and says where."""
        return ValueError("a gradient holds NaN or infinity")

    def zero_grad(self) -> None:
        """Forget the gradients: the next `backward` overwrites them. ``param.grad`` is None until then."""
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
        """Room for the gradients with l2 · p added, flat."""
        return aligned(self.buffer.grad.size, self.buffer.grad.dtype)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.groups[0].items() if name != "l2" or value)
        return f"{type(self).__name__}({len(self.params)} parameters, {values})"


class Update:
    """The rule, bound to neighbouring parameters of one group that have had equally many updates.

    Attributes
    ----------
    params, first, last : the parameters, and their numbers: from first, before last
    group, t, stamp : their group; how many updates they have had, and when the latest was
    span, arrays : where they lie in the buffer; the stretches of p, g and the averages
    rule, not_finite : the kernel on these, called with its numbers; whether g holds NaN or infinity
    numbers, l2 : those of the next step (see `Optimizer.begin`)
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
        """Return a rule on these arrays, as a function of its numbers. `extras.threads` takes this place."""
        return bound(rule, arrays)


class Group(dict[str, Any]):
    """The hyper-parameters of a group by their names: lr, l2, and the rest."""

    rest: Any = property(lambda self: tuple(self.values())[2:], doc="The values behind lr and l2.")


def signature_of(hyper: dict[str, Any]) -> Signature:
    """Return the signature of a rule with these hyper-parameters."""
    params = Parameter("params", Parameter.POSITIONAL_OR_KEYWORD)
    numbers = [params.replace(name=name, default=value) for name, value in hyper.items()]
    common = {"l2": 0.0, "nonfinite": "raise"}.items()
    return Signature([params, *numbers, *(Parameter(name, Parameter.KEYWORD_ONLY, default=x) for name, x in common)])


def parameter_groups(params: Any) -> list[dict[str, Any]]:
    """Return params as a list of groups: {"params": ..., hyper-parameters that differ}."""
    grouped = isinstance(params, Sequence) and params and isinstance(params[0], dict)
    if grouped and not all(isinstance(group, dict) and "params" in group for group in params):
        raise ValueError('a parameter group is a dict with "params" and the values that differ')
    return [dict(group) for group in params] if grouped else [{"params": params}]


def named_tensors(params: Any, first: int) -> list[tuple[str, Tensor]]:
    """Return every parameter with its name; one without a name is numbered, from first."""
    params = params.named_parameters() if hasattr(params, "named_parameters") else params
    if isinstance(params, dict):
        return list(params.items())
    tensors = [params] if isinstance(params, Tensor) else list(params)
    return [(getattr(p, "name", None) or f"parameter{i}", p) for i, p in enumerate(tensors, first)]


def unique_names(names: list[str], members: list[range]) -> list[str]:
    """Return the names; where two are equal, all get their group's number, and if need be their own."""
    if len(set(names)) < len(names):
        names = [f"group{k}.{names[i]}" for k, group in enumerate(members) for i in group]
    return names if len(set(names)) == len(names) else [f"{name}.{i}" for i, name in enumerate(names)]


def average(name: str, optimizer: Optimizer) -> Array:
    """Return a running average by its name."""
    if name not in optimizer.averages:
        raise AttributeError(f"this {optimizer.kernel.__name__} has no {name}")
    return optimizer.averages[name]
