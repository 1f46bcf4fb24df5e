"""What went wrong in training: where the first NaN was made, which ReLUs are dead, how far each step moves a layer."""

from __future__ import annotations

import linecache
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import ContextDecorator
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..core import ops
from ..core.layers import Layer
from ..core.ops import Array
from ..core.tensor import Observer, Tensor, toposort, unwrap
from ..guards.frames import outside

FIXES = {
    "log": "log wants numbers above 0; cross_entropy and log_softmax take the logits and need no log of yours",
    "log1p": "log1p wants numbers above -1",
    "exp": "e^x overflows above 709 (88 in float32); softmax, logsumexp and softplus do not",
    "div": "a divisor is 0 or nearly so; add a small number to it",
    "sqrt": "a root wants numbers of at least 0; add a small number, or look where the negative ones come from",
    "pow": "a power of 0 or of a negative number; keep the base above 0",
}
FIX = "a smaller learning rate or smaller initial weights may help"

Passes = Iterator[tuple[Tensor, Array, Tensor, Array, Array]]


class Site(NamedTuple):
    """Where an op was called."""

    layers: list[Layer]  # that were at work, the innermost first
    line: str
    arrays: list[tuple[str, Array, int]]  # plain arrays that it was given: what each was, and its checksum

    def __str__(self) -> str:
        return f"{f' in {self.layer()}' if self.layers else ''} at {self.line}"

    def layer(self) -> str:
        """The innermost layer, with its path from the outermost that has it."""
        inner = self.layers[0]
        for outer in self.layers[::-1]:
            for path, layer in outer.named_layers():
                if layer is inner and path:
                    return f"{path} ({inner!r})"
        return repr(inner)


class debug(Observer, ContextDecorator):
    """Watch everything that is computed inside, in this thread: ``with debug(): ...``, or as a decorator.

    - The first NaN or infinity raises: the op that made it, the layer, your line, forward or backward. An infinity that
      you put in yourself, such as a mask of -inf, is let through; NumPy's own warnings are silent.
    - Plain arrays that a recorded graph needs are watched, as Tensors always are: one that was changed before backward
      raises.
    - The report says, for each layer, how far the steps moved it relative to its size, and which units of a ReLU were 0
      for every sample: such a unit gets no gradient and never learns.

    It costs time: each op's result is read once more, each plain array twice.

    Parameters
    ----------
    show : whether to print the report at the end of the block

    Attributes
    ----------
    ratios : layer to |update| / |weight| of each step, Euclidean norms over all its parameters. 1e-3 is usual
    dead : layer to an array of its ReLU's units, True where one was 0 for every sample so far

    Raises
    ------
    RuntimeError : a number that is not finite was made; or a plain array was changed between forward and backward

    Examples
    --------
    >>> x = Tensor([4.0, 0.0], requires_grad=True)
    >>> with debug():  # doctest: +ELLIPSIS
    ...     y = x.log()
    Traceback (most recent call last):
        ...
    RuntimeError: forward: log made -inf at [1] (1 of 2 numbers), from numbers of 0 to 4, at ...:2, `y = x.log()`;
    log wants numbers above 0; cross_entropy and log_softmax take the logits and need no log of yours
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show
        self.ratios: dict[str, list[float]] = {}
        self.dead: dict[str, Array] = {}
        self._samples: dict[str, int] = {}
        self._sites: dict[int, Site] = {}  # by the stamp of what was computed there
        self._steps = self._depth = 0

    def _recreate_cm(self) -> debug:  # a decorated function is watched anew at each call
        return debug(self.show)

    def __enter__(self) -> debug:
        self._depth += 1
        if self._depth == 1:
            self._thread = threading.get_ident()
            self._silence = np.errstate(all="ignore")
            self._silence.__enter__()
            super().__enter__()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            super().__exit__()
            self._silence.__exit__(None, None, None)
            if self.show and kind is None and (self.ratios or self.dead):
                print(self.report())

    # --- what the engine shows ---------------------------------------------------------------------------------------

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """An op was run: out is its result."""
        if threading.get_ident() != self._thread:
            return
        site = _site(args, kwargs)
        if not np.isfinite(out.array).all():
            self._forward_made(out, args, kwargs, site)
        if out.op is ops.relu and out.ndim:
            self._seen_dead(out.array, site)
        if out.requires_grad:
            self._sites[out.stamp] = site
            weakref.finalize(out, self._sites.pop, out.stamp, None).atexit = False

    def backward(self, root: Tensor, passes: Passes) -> Passes:
        """A backward pass is about to begin: passes is what `tensor.backward_pass` yields."""
        return self._watched(root, passes) if threading.get_ident() == self._thread else passes

    def step(self, optimizer: Any) -> None:
        """Keep what the parameters are before an update."""
        self._before = optimizer.buffer.data.copy()

    def stepped(self, optimizer: Any) -> None:
        """Compare what they are after it."""
        before = self._before
        if threading.get_ident() != self._thread:
            return
        squares: dict[str, list[float]] = {}
        for name, span in zip(optimizer.names, optimizer.buffer.spans):
            old, new = (a[slice(*span)].astype(float) for a in (before, optimizer.buffer.data))
            sums = squares.setdefault(name.rpartition(".")[0] or name, [0.0, 0.0])
            sums[0] += float(((new - old) ** 2).sum())
            sums[1] += float((old**2).sum())
        self._steps += 1
        for layer, (change, weight) in squares.items():
            if weight:  # there is no ratio to weights that are all 0
                self.ratios.setdefault(layer, []).append(float(np.sqrt(change / weight)))

    # --- what it says ------------------------------------------------------------------------------------------------

    def report(self) -> str:
        """The update-to-weight ratios and the dead ReLUs so far, as a table.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> model = tg.Sequential(tg.Linear(2, 2, rng=0), tg.ReLU())
        >>> model[0].W.data, model[0].b.data = [[3.0, 0.0], [0.0, 4.0]], [0.0, -9.0]  # length 10.3
        >>> with debug(show=False) as watch:
        ...     model([[1.0, 1.0], [2.0, 2.0]]).sum().backward()  # by W 3 and 3 in the first column, by b 2
        ...     tg.SGD(model, lr=0.001).step()
        >>> print(watch.report())
        layer     update / weight  always 0
        layers.0          0.00046
        layers.1                     1 of 2
        1 step, 2 samples. An update of about 0.001 of the weight is usual; a unit that is always 0 does not learn
        """
        rows = [("layer", "update / weight", "always 0")]
        for layer in sorted({*self.ratios, *self.dead}, key=_in_order):
            ratio = f"{np.median(self.ratios[layer]):.2g}" if layer in self.ratios else ""
            dead = f"{self.dead[layer].sum()} of {self.dead[layer].size}" if layer in self.dead else ""
            rows.append((layer, ratio, dead))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [
            f"{name:<{widths[0]}}  {ratio:>{widths[1]}}  {dead:>{widths[2]}}".rstrip() for name, ratio, dead in rows
        ]
        steps, samples = self._steps, max(self._samples.values(), default=0)
        counts = f"{steps} step{'s' * (steps != 1)}"
        if samples:
            counts += f", {samples} sample{'s' * (samples != 1)}"
        return "\n".join(
            [
                *lines,
                f"{counts}{' (medians)' * (steps > 1)}. An update of about 0.001 of the weight is usual; a unit that "
                "is always 0 does not learn",
            ]
        )

    def _seen_dead(self, y: Array, site: Site) -> None:
        name = site.layer().partition(" (")[0] if site.layers else site.line.partition(", `")[0]
        zero = (y == 0).reshape(-1 if y.ndim > 1 else 1, y.shape[-1]).all(axis=0)
        before = self.dead.get(name)
        self.dead[name] = zero if before is None or before.shape != zero.shape else before & zero
        self._samples[name] = self._samples.get(name, 0) + (len(y) if y.ndim > 1 else 1)

    def _forward_made(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> None:
        inputs = [np.asarray(unwrap(a)) for a in args]
        for i, (a, x) in enumerate(zip(args, inputs)):
            if np.isnan(x).any():
                what = a.label() if isinstance(a, Tensor) else f"argument {i}, an array {x.shape}"
                raise RuntimeError(
                    f"forward: {getattr(out.op, '__name__', 'an op')} was given {_first(x, np.isnan(x))} of {what},{site}; look at "
                    f"the data, or {FIX}"
                )
        numbers = [np.asarray(value) for value in kwargs.values() if isinstance(value, float)]
        given = all(np.isfinite(x).all() for x in [*inputs, *numbers])
        wrong = ~np.isfinite(out.array) if given else np.isnan(out.array)
        if wrong.any():
            every = np.concatenate([x.reshape(-1) for x in inputs])
            known = f"from numbers of {every.min():.6g} to {every.max():.6g}" if every.size else "from nothing"
            name = _called(out.op)
            raise RuntimeError(
                f"forward: {name} made {_first(out.array, wrong)}, {known},{site}; {FIXES.get(name, FIX)}"
            )

    def _watched(self, root: Tensor, passes: Passes) -> Passes:
        for node in toposort(root):
            for what, array, before in self._sites[node.stamp].arrays if node.stamp in self._sites else []:
                if _checksum(array) != before:
                    raise RuntimeError(
                        f"{what} of {getattr(node.op, '__name__', 'an op')}, an array {array.shape}, was changed since the forward pass,"
                        f"{self._sites[node.stamp]}; the gradient would be that of another function, so pass a copy"
                    )
        for node, g, parent, share, whole in passes:
            wrong = ~np.isfinite(share)
            if wrong.any():
                site = self._sites.get(node.stamp, " called before debug()")
                name = _called(node.op)
                if not np.isfinite(g).all():
                    told = (
                        f"the gradient that came to {name} holds {_first(g, ~np.isfinite(g))}: shares that add up, or "
                    )
                    raise RuntimeError(f"backward: {told}what backward() was given;{site}")
                i = next(i for i, p in enumerate(node.parents) if p is parent)
                raise RuntimeError(
                    f"backward: the derivative of {name} by argument {i} made {_first(share, wrong)},{site}; "
                    f"{FIXES.get(name, FIX)}"
                )
            yield node, g, parent, share, whole


def _site(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Site:
    frame: FrameType | None = sys._getframe(3)  # what called apply
    user, layers = outside(frame), list[Layer]()
    while frame is not None:
        code = frame.f_code
        if code.co_name == "forward" and code.co_argcount:  # Python keeps what a frame has shown: read no others
            owner = frame.f_locals[code.co_varnames[0]]
            layers += [owner] * isinstance(owner, Layer)
        frame = frame.f_back
    line = "an unknown line"
    if user is not None:
        source = linecache.getline(user.f_code.co_filename, user.f_lineno).strip()
        line = f"{user.f_code.co_filename}:{user.f_lineno}{f', `{source}`' if source else ''}"
    given = {f"argument {i}": a for i, a in enumerate(args)}
    for name, value in kwargs.items():
        given |= {name: value} if not isinstance(value, tuple) else {f"{name}[{i}]": a for i, a in enumerate(value)}
    return Site(layers, line, [(what, a, _checksum(a)) for what, a in given.items() if isinstance(a, np.ndarray)])


def _called(op: Any) -> str:
    return getattr(op, "__name__", "an op")


def _checksum(array: Array) -> int:
    return hash(array.tobytes())


def _first(x: Array, wrong: Array) -> str:
    """The first wrong number of x, where it is, and how many there are."""
    index = np.argwhere(wrong)[0]
    where = f" at {index.tolist()} ({wrong.sum()} of {x.size} numbers)" if x.ndim else ""
    return f"{x[tuple(index)]}{where}"


def _in_order(path: str) -> list[tuple[bool, int, str]]:
    """Sorts layers.10 after layers.2."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in path.split(".")]
