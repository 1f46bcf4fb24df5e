"""What all optimizers share: groups of parameters, flat state, the step, the checks before it, saving and loading."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, partial
from math import sqrt
from typing import Any

import numpy as np

from ..explain.why import why
from ..guards.frames import warn
from . import kernels
from .buffers import FlatBuffer, aligned
from .ops import Array
from .tensor import Tensor, next_stamp, thread

LearningRate = float | Callable[[int], float]

AT_LEAST_0 = (lambda x: 0 <= x < float("inf"), "a finite number, at least 0")
ABOVE_0 = (lambda x: 0 < x < float("inf"), "a finite number above 0")
FINITE = (lambda x: abs(x) < float("inf"), "a finite number")  # what is asked of a number that only your rule has
BELOW_1 = (lambda x: 0 <= x < 1, "at least 0 and below 1")
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    **dict.fromkeys(["lr", "l2", "lr_decay", "weight_decay", "momentum_decay", "lambd", "alpha", "t0"], AT_LEAST_0),
    **dict.fromkeys(["momentum", "beta", "beta1", "beta2", "rho"], BELOW_1),
    **dict.fromkeys(["least", "most"], ABOVE_0),
    "eps": (ABOVE_0[0], "a finite number above 0, also in the parameters' dtype"),
    "down": (lambda x: 0 < x < 1, "above 0 and below 1"),
    "up": (lambda x: 1 < x < float("inf"), "a finite number above 1"),
    "bias_correction": (lambda x: x in (False, True), "True or False"),
}


class Optimizer:
    """What all optimizers share: groups, flat state, the step, saving and loading.

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
    buffer : the `FlatBuffer` of all parameters. Each running average in ``state`` is an attribute, a flat array to read
        or write into

    Raises
    ------
    ValueError : a hyper-parameter out of range, a group that names an unknown one, or parameters as in `FlatBuffer`
    TypeError : a hyper-parameter that is not a number
    """

    kernel: Any
    state: tuple[str, ...] = ()
    parts: Any = ("lr", "g", "0")  # rate, direction, and what earlier gradients left in it

    def __init__(self, params: Any, hyper: dict[str, Any], l2: float = 0.0, nonfinite: str = "raise") -> None:
        self.nonfinite, self.skipped, self.t = nonfinite, 0, 0
        hyper = {"lr": hyper["lr"], "l2": l2, **hyper}
        self.names: list[str] = []
        self.params: list[Tensor] = []
        groups: list[_Group] = []
        self._members: list[range] = []  # which parameters are in each
        for group in parameter_groups(params):
            named = _named(group["params"], first=len(self.params))
            self._members.append(range(len(self.params), len(self.params) + len(named)))
            self.names += [name for name, _ in named]
            self.params += [p for _, p in named]
            groups.append(_Group({**hyper, **{name: value for name, value in group.items() if name != "params"}}))
        self.names = unique_names(self.names, self._members)
        self.buffer = FlatBuffer(self.params)
        self._dtype = self.buffer.data.dtype.type
        self.groups = tuple(groups)
        for group in self.groups:
            for name, value in group.items():
                dict.__setitem__(group, name, self._check(name, value, hyper))
            group.check = self._check
            group.sort_out()
        self._homes = [(p, p.array, p.grad_view) for p in self.params]
        self._steps = [0] * len(self.params)  # updates of each parameter, up to what _whole has not written back
        self._frozen: set[int] = set()
        self._awake = self._homes  # those that are not frozen
        self._whole: list[_Run] | None = None  # the runs of a step in which all of these have a gradient
        self._last: list[_Run] = []  # the runs of the last step
        self._stamp = -1  # and when it changed them
        self._guest: Any = None  # a WeightAverage whose averages stand in the parameters' place
        self._quiet = False  # the user assigns gradients himself: nobody knows which of them are new
        self._told: set[str] = set()  # what was warned of
        self._averages = {name: aligned(self.buffer.data.size, self._dtype) for name in self.state}

    def __init_subclass__(cls) -> None:
        for name in cls.state:
            setattr(cls, name, property(partial(_average, name), doc="a running average, flat"))

    def scalars(self, t: int, *hyper: Any) -> tuple[float, ...]:
        """The numbers that the kernel takes after its arrays, from t, which counts these parameters' updates, and the
        hyper-parameters in their order, in float64. Here just the hyper-parameters; some rules compute others."""
        return hyper

    # --- the step -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Update every parameter that has a gradient and is not frozen, in place.

        Raises
        ------
        RuntimeError : no parameter has a gradient; or one was moved into the buffer of another optimizer
        ValueError : a gradient holds NaN or infinity and ``nonfinite`` is "raise"; a schedule returned a learning rate
            out of range. Nothing has been changed then
        """
        runs = self._ready()
        if self.nonfinite != "propagate":
            for run in runs:
                if run.not_finite():
                    if self.nonfinite == "raise":
                        raise ValueError(self._not_finite_where(run))
                    self.skipped += 1
                    return
        for told in thread.step:
            told(self)
        for run in runs:
            if run.l2:
                self._bound(self.kernel, self._with_l2(run))(*run.numbers)
            else:
                run.update(*run.numbers)
        self._done(runs)

    def _ready(self) -> list[_Run]:
        """What there is to update, with the numbers of this update."""
        runs = self._runs()
        self._last = []  # a step that is refused leaves nothing to ask about
        self._prepare(runs)
        return runs

    def _prepare(self, runs: list[_Run], ahead: int = 0) -> None:
        """Have the runs hold the numbers of the update that comes so many after the next."""
        group = None
        for run in runs:
            if run.group is not group:  # the runs of a group are neighbours, and a schedule is asked once a step
                group, lr = run.group, run.group.lr
                if callable(lr):
                    lr = self._rate(lr, self.t + 1 + ahead)
            run.l2 = group.l2
            run.numbers = self.scalars(run.t + 1 + ahead, lr, *group.rest)

    def _done(self, runs: list[_Run]) -> None:
        """Note that the parameters of these runs were updated, and that their gradients are used."""
        again, changed = None, next_stamp()
        spent = -changed if self._quiet else changed
        for run in runs:
            for p in run.params:
                if p._spent == self._stamp:
                    again = p
                p.stamp, p._spent = changed, spent
                p.checksum = None  # what the user looked at is no longer what is there
        self._count(runs, changed)
        for told in thread.stepped:
            told(self)
        if again is not None:
            self._warn_once(
                "again",
                f"step() used the gradient of {again.label()} a second time: there was no backward() since the step "
                "before; call zero_grad() and backward() before each step()",
            )

    def _count(self, runs: list[_Run], changed: int, times: int = 1) -> None:
        """Count updates that these runs have had; changed is the stamp of the last."""
        for run in runs:
            run.t += times
        self.t, self._last, self._stamp = self.t + times, runs, changed
        if runs is not self._whole:
            self._settle(runs)

    def _warn_once(self, what: str, message: str) -> None:
        if what not in self._told and not self._quiet:
            self._told.add(what)
            warn(message)

    def _runs(self) -> list[_Run]:
        """What there is to update: parameters with a gradient, as few runs of neighbours with one t as possible."""
        for p, data, home in self._awake:
            if p.stored_grad is not home or p.array is not data:
                break
        else:
            if self._whole is not None:
                return self._whole
        given = []
        for p, data, home in self._awake:
            if p.grad is None:
                continue
            if p.array is not data:
                raise RuntimeError(
                    f"{p.label()} now lies in another optimizer's buffer; give both optimizers the same parameters in "
                    "the same order, or none in common"
                )
            if p.grad is not home:  # the user assigned one
                given.append((p, home, np.array(p.grad)))  # a copy: it may be another parameter's
        self._quiet |= bool(given)
        for p, home, g in given:
            home[...] = g  # type: ignore[index]
            p.grad = home
        self._settle(self._whole or [])
        runs: list[_Run] = []
        for group, members in zip(self.groups, self._members):
            for i in members:
                if self.params[i].grad is None or i in self._frozen:
                    continue
                if runs and runs[-1].last == i and runs[-1].t == self._steps[i] and runs[-1].group is group:
                    runs[-1].last = i + 1
                else:
                    runs.append(_Run(i, i + 1, self._steps[i], group))
        if not runs and not self._awake:
            raise RuntimeError("all parameters are frozen; unfreeze() some, or do not step")
        if not runs:
            raise RuntimeError("found no gradient: call loss.backward() first, after zero_grad()")
        missed = [
            name
            for i, (name, p) in enumerate(zip(self.names, self.params))
            if p.grad is None and p.requires_grad and i not in self._frozen
        ]
        if missed:
            self._warn_once(
                "missed",
                f"no gradient came to {', '.join(missed)}, so step() changes nothing there: is it used in the loss? If "
                "that is meant, freeze() it",
            )
        for run in runs:
            run.params = self.params[run.first : run.last]
            run.arrays = self._cut(run, [self.buffer.data, self.buffer.grad, *self._averages.values()])
            run.update = self._bound(self.kernel, run.arrays)
            run.not_finite = self._bound(kernels.not_finite, run.arrays[1:2])
        if sum(len(run.params) for run in runs) == len(self._awake):
            self._whole = runs
        return runs

    def _cut(self, run: _Run, arrays: list[Array]) -> list[Array]:
        span = slice(self.buffer.spans[run.first][0], self.buffer.spans[run.last - 1][1])
        return [a[span] for a in arrays]

    def _settle(self, runs: list[_Run]) -> None:
        """Write back how many updates the parameters of these runs have had; new runs will be made from that."""
        for run in runs:
            self._steps[run.first : run.last] = [run.t] * (run.last - run.first)
        self._whole = None

    @cached_property
    def _regularised(self) -> Array:
        """Room for the gradients with l2 · p added."""
        return aligned(self.buffer.grad.size, self._dtype)

    def _with_l2(self, run: _Run) -> list[Array]:
        data, grad, *state = run.arrays
        (g,) = self._cut(run, [self._regularised])
        self._bound(kernels.add_l2, [g, grad, data])(run.l2)
        return [data, g, *state]

    def _not_finite_where(self, run: _Run) -> str:
        for i in range(run.first, run.last):
            g = self.buffer.grad[slice(*self.buffer.spans[i])].reshape(self.params[i].shape)
            wrong = np.argwhere(~np.isfinite(g)).tolist()
            if wrong:
                break
        return (
            f"the gradient of {self.names[i]} holds {g[tuple(wrong[0])]} at {wrong[0]}, {len(wrong)} of its {g.size} "
            'numbers are not finite; a smaller learning rate or clip_norm() may help, or nonfinite="skip"'
        )

    def _bound(self, kernel: Any, arrays: list[Array]) -> Any:
        return kernels.bound(kernels.machine_code(kernel, len(arrays), self.buffer.data.dtype), arrays)

    def compile(self) -> float:
        """Have what `step` runs compiled, or loaded from Numba's cache, now. Returns the seconds that it took."""
        start = time.perf_counter()
        kernels.machine_code(self.kernel, 2 + len(self.state), self.buffer.data.dtype)
        kernels.machine_code(kernels.not_finite, 1, self.buffer.data.dtype)
        return time.perf_counter() - start

    def zero_grad(self) -> None:
        """Forget the gradients: the next `backward` overwrites them. ``param.grad`` is None until then."""
        for p in self.params:
            p.stored_grad = None

    def clip_value(self, most: float) -> None:
        """Bring every number of the gradients into [-most, most]. Call it between backward() and step()."""
        self._check("most", most, {"most"})
        for run in self._runs():
            np.clip(run.arrays[1], -most, most, out=run.arrays[1])

    def clip_norm(self, most: float) -> float:
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
        self._check("most", most, {"most"})
        runs = self._runs()
        spans = [self.buffer.spans[i] for run in runs for i in range(run.first, run.last)]
        squares = kernels.machine_code(kernels.sum_of_squares, 1, self.buffer.grad.dtype)
        norm = sqrt(sum(squares(self.buffer.grad[a:b]) for a, b in spans))
        if most / (norm + 1e-6) < 1 and norm < float("inf"):
            for run in runs:
                run.arrays[1] *= self._dtype(most / (norm + 1e-6))
        return norm

    def freeze(self, pattern: str) -> None:
        """Leave the parameters of that name as they are, whatever their gradients, until `unfreeze`.

        pattern : a name as in ``names``, the beginning of some up to a dot ("layers.0"), or a pattern ("*.b")
        """
        self._frozen |= self._named(pattern)
        self._wake()

    def unfreeze(self, pattern: str = "*") -> None:
        """Update the parameters of that name again; their step counts go on where they stood."""
        self._frozen -= self._named(pattern)
        self._wake()

    def _wake(self) -> None:
        self._settle(self._whole or [])
        self._awake = [home for i, home in enumerate(self._homes) if i not in self._frozen]

    def _named(self, pattern: str) -> set[int]:
        found = {
            i
            for i, name in enumerate(self.names)
            if name == pattern or fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")
        }
        if not found:
            raise ValueError(f"no parameter is called {pattern!r}; there are {', '.join(self.names)}")
        return found

    @property
    def nonfinite(self) -> str:
        """What `step` does when a gradient holds NaN or infinity: "raise", "skip" or "propagate"."""
        return self._nonfinite

    @nonfinite.setter
    def nonfinite(self, value: str) -> None:
        if value not in ("raise", "skip", "propagate"):
            raise ValueError(f'nonfinite = {value!r}, but it has to be "raise", "skip" or "propagate"')
        self._nonfinite = value

    # --- hyper-parameters -------------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate that the next `step` uses (of the first group). Assign to change it for all groups."""
        return self._rate(self.groups[0]["lr"], self.t + 1)

    @lr.setter
    def lr(self, value: LearningRate) -> None:
        for group in self.groups:
            group["lr"] = value

    def _rate(self, lr: LearningRate, t: int) -> float:
        return self._check("lr", lr(t), {"lr"}) if callable(lr) else lr

    def _check(self, name: str, value: Any, allowed: Iterable[str]) -> Any:
        """value as a Python number, if it is one in the range that belongs to the name."""
        if name not in allowed:
            raise ValueError(f"{type(self).__name__} has no {name!r}; it has {', '.join(allowed)}")
        if name == "lr" and callable(value):
            return value
        within, text = RANGES.get(name, FINITE)
        if not isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
            raise TypeError(f"{name} is a number, got {type(value).__name__}")
        with np.errstate(over="ignore"):
            rounded = float(self._dtype(value)) if name in ("eps", "lr") else float(value)
        if not within(float(value)) or not within(rounded):
            raise ValueError(f"{name} = {value}, but it has to be {text}")
        return value if isinstance(value, (int, float)) else value.item()

    def equation(self) -> str:
        """The rule as the kernel runs it, the conventions chosen, and the numbers in it now."""
        lines = [line.strip() for line in self.kernel.__doc__.splitlines()]
        text = ["g <- g + l2 · p"] * any(group["l2"] for group in self.groups)
        text += [line for line in lines if "<-" in line or line.startswith(("where", "note:"))]
        for k, group in enumerate(self.groups):
            shown = [f"{name} = {_number(value)}" for name, value in group.items() if name != "l2" or value]
            text.append(f"group {k}: " * (len(self.groups) > 1) + ", ".join(shown))
            numbers = self._numbers(self.scalars(self.t + 1, self._rate(group.lr, self.t + 1), *group.rest))
            computed = [f"{name} = {value:.6g}" for name, value in numbers.items() if value != group.get(name)]
            text += [f"at update {self.t + 1}: {', '.join(computed)}"] * bool(computed)
        return "\n".join(text)

    def _numbers(self, scalars: Iterable[float]) -> dict[str, float]:
        """The kernel's numbers by name."""
        return dict(zip(kernels.numbers_of(self.kernel, 2 + len(self.state)), scalars, strict=True))

    why = why

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.groups[0].items() if name != "l2" or value)
        return f"{type(self).__name__}({len(self.params)} parameters, {values})"

    # --- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on bit for bit, as arrays and numbers, ready for np.savez.

        A learning rate that is a function is not in it: build the optimizer with the same function.
        """
        self._settle(self._whole or [])
        return {
            "layout": np.array(self._layout()),
            "t": self.t,
            "steps": np.array(self._steps),
            "frozen": np.array([i in self._frozen for i in range(len(self.params))]),
            **{name: average.copy() for name, average in self._averages.items()},
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
        for key, value in expected.items():
            if np.shape(state[key]) != np.shape(value):
                raise ValueError(f"{key} has shape {np.shape(state[key])} in this state, here {np.shape(value)}")
        numbers = {key: float(state[key]) for key in expected if key.startswith("group")}
        for key, value in numbers.items():
            self._check(key.partition(".")[2], value, self.groups[0])
        for name, average in self._averages.items():
            average[...] = state[name]
        self.t, self._steps = int(state["t"]), [int(t) for t in state["steps"]]
        self._frozen, self._last, self._whole = set(np.flatnonzero(state["frozen"]).tolist()), [], None
        self._wake()
        for key, value in numbers.items():
            group, _, name = key.removeprefix("group").partition(".")
            self.groups[int(group)][name] = value

    def _layout(self) -> list[str]:
        rule = f"{self.kernel.__name__} in {self.buffer.data.dtype}"
        params = [f"{name} {p.shape}" for name, p in zip(self.names, self.params, strict=True)]
        groups = ", ".join(str(len(members)) for members in self._members)
        return [rule, *params, f"groups of {groups}"]

    def __reduce__(self) -> Any:
        raise TypeError("an optimizer cannot be copied, its parameters lie in its buffer; use state_dict()")


class _Group(dict[str, Any]):
    """The hyper-parameters of a group. What is assigned is checked. lr, l2 and the rest are kept ready for the step."""

    check: Callable[[str, Any, Iterable[str]], Any]
    lr: LearningRate
    l2: float
    rest: tuple[Any, ...]

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, self.check(name, value, list(self)))
        self.sort_out()

    def sort_out(self) -> None:
        """Take apart what there is: lr and l2 come first."""
        self.lr, self.l2, *rest = self.values()
        self.rest = tuple(rest)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value


def _average(name: str, optimizer: Optimizer) -> Array:
    if name not in optimizer._averages:
        raise AttributeError(f"this {optimizer.kernel.__name__} has no {name}")
    return optimizer._averages[name]


def unique_names(names: list[str], members: list[range]) -> list[str]:
    """The names, with their group's number, and then their own, before those that several have."""
    if len(set(names)) < len(names):
        names = [f"group{k}.{names[i]}" for k, group in enumerate(members) for i in group]
    return names if len(set(names)) == len(names) else [f"{name}.{i}" for i, name in enumerate(names)]


class _Run:
    """Neighbouring parameters of one group that are updated by one call, t updates old."""

    __slots__ = ("arrays", "first", "group", "l2", "last", "not_finite", "numbers", "params", "t", "update")

    def __init__(self, first: int, last: int, t: int, group: _Group) -> None:
        self.first, self.last, self.t, self.group = first, last, t, group
        self.params: list[Tensor] = []
        self.arrays: list[Array] = []  # their stretches of data, grad and state
        self.update: Any = None  # the rule on these, as a function of its numbers
        self.not_finite: Any = None  # whether its gradient holds NaN or infinity
        self.numbers: tuple[float, ...] = ()
        self.l2 = 0.0


def _number(value: Any) -> str:
    if not callable(value):
        return f"{value:g}"
    return "a function of t" if repr(value).startswith("<") else repr(value)


def parameter_groups(params: Any) -> list[dict[str, Any]]:
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
