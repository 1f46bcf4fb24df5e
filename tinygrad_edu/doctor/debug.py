"""A watch over training: the op that made the first NaN, the ReLUs that are dead, the length of each layer's steps."""

from __future__ import annotations

import linecache
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.tensor import Observer, Share, Tensor, checksum, toposort, unwrap
from ..extras import ops
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


class Site(NamedTuple):
    """The place where an op was called.

    Attributes
    ----------
    layers : the layers at work, the innermost first
    line : the user's line: file, number and text
    arrays : each plain array that the op was given: its name, the array, and its checksum
    """

    layers: list[Layer]
    line: str
    arrays: list[tuple[str, Array, int]]

    @classmethod
    def of(cls, frame: FrameType | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Site:
        """Return the site of a call of `apply`. frame is that of its caller."""
        user, layers, line = outside(frame), list[Layer](), "an unknown line"
        while frame is not None:
            code = frame.f_code
            if (
                code.co_name == "forward" and code.co_argcount
            ):  # reading keeps a frame's variables alive: read no others
                owner = frame.f_locals[code.co_varnames[0]]
                layers += [owner] * isinstance(owner, Layer)
            frame = frame.f_back
        if user is not None:
            source = linecache.getline(user.f_code.co_filename, user.f_lineno).strip()
            line = f"{user.f_code.co_filename}:{user.f_lineno}{f', `{source}`' if source else ''}"
        given = {f"argument {i}": a for i, a in enumerate(args)}
        for name, value in kwargs.items():
            given |= {name: value} if not isinstance(value, tuple) else {f"{name}[{i}]": a for i, a in enumerate(value)}
        return cls(layers, line, [(name, a, checksum(a)) for name, a in given.items() if isinstance(a, np.ndarray)])

    def __str__(self) -> str:
        return f"{f' in {self.layer()}' if self.layers else ''} at {self.line}"

    def layer(self) -> str:
        """Return the innermost layer, with its path in the outermost layer that has it."""
        inner = self.layers[0]
        for outer in self.layers[::-1]:
            for path, layer in outer.named_layers():
                if layer is inner and path:
                    return f"{path} ({inner!r})"
        return repr(inner)


class debug(Observer, ContextDecorator):
    """Watch everything that is computed inside, in this thread: ``with debug(): ...``, or as a decorator.

    - The first NaN or infinity raises an error that names the op, the layer and your line, in forward and in backward.
      An infinity that you put in yourself, such as a mask of -inf, is let through. NumPy's own warnings are silent.
    - Plain arrays that a recorded graph needs are watched, as Tensors always are: a change of one before backward()
      raises an error.
    - The report says, for each layer, how far the steps moved it relative to its size, and which units of a ReLU were 0
      for every sample: such a unit gets no gradient and never learns.

    It costs time: the result of each op is read once more, each plain array twice.

    Parameters
    ----------
    show : print the report at the end of the block

    Attributes
    ----------
    ratios : layer -> |update| / |weight| of each step, Euclidean norms over all its parameters. 1e-3 is usual
    dead : layer -> an array of its ReLU's units, True for a unit that was 0 for every sample so far

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
        self._sites: dict[int, Site] = {}  # by the stamp of the result
        self._steps = self._depth = 0

    def _recreate_cm(self) -> debug:  # a decorated function is watched anew at each call
        return debug(self.show)

    def __enter__(self) -> debug:
        self._depth += 1
        if self._depth == 1:
            self._silence = np.errstate(all="ignore")
            self._silence.__enter__()
            super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            super().__exit__()
            self._silence.__exit__(None, None, None)
            if self.show and error[0] is None and (self.ratios or self.dead):
                print(self.report())

    # --- events ------------------------------------------------------------------------------------------------------

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check the result of an op, and note where the op was called."""
        site = Site.of(sys._getframe(2), args, kwargs)  # 0 is this frame, 1 that of apply
        if not np.isfinite(out.array).all():
            _refuse_forward(out, args, kwargs, site)
        if out.op is ops.relu and out.ndim:
            self._count_zeros(out.array, site)
        if out.requires_grad:
            self._sites[out.stamp] = site
            weakref.finalize(out, self._sites.pop, out.stamp, None).atexit = False

    def backward(self, root: Tensor, shares: Iterator[Share]) -> Iterator[Share]:
        """Check the plain arrays of the graph, then every share that is passed back."""
        for node in toposort(root):
            site = self._sites.get(node.stamp)
            for what, array, before in site.arrays if site else ():
                if checksum(array) != before:
                    raise RuntimeError(
                        f"{what} of {_called(node.op)}, an array {array.shape}, was changed since the forward pass,"
                        f"{site}; the gradient would be that of another function, so pass a copy"
                    )
        for node, g, parent, share, whole in shares:
            if not np.isfinite(share).all():
                _refuse_backward(node, g, parent, share, self._sites.get(node.stamp))
            yield node, g, parent, share, whole

    def step(self, optimizer: Any) -> None:
        """Keep the parameters as they are before an update."""
        self._before = optimizer.buffer.data.astype(float)

    def stepped(self, optimizer: Any) -> None:
        """Compare the parameters of each layer with those before the update."""
        squares: dict[str, list[float]] = {}
        for name, span in zip(optimizer.names, optimizer.buffer.spans):
            old, new = self._before[slice(*span)], optimizer.buffer.data[slice(*span)].astype(float)
            sums = squares.setdefault(name.rpartition(".")[0] or name, [0.0, 0.0])
            sums[0] += float(((new - old) ** 2).sum())
            sums[1] += float((old**2).sum())
        self._steps += 1
        for layer, (change, weight) in squares.items():
            if weight:  # there is no ratio to weights that are all 0
                self.ratios.setdefault(layer, []).append(float(np.sqrt(change / weight)))

    def _count_zeros(self, y: Array, site: Site) -> None:
        """Note the units of a ReLU that are 0 for every sample of this batch."""
        name = site.layer().partition(" (")[0] if site.layers else site.line.partition(", `")[0]
        y = np.moveaxis(y, 1, -1) if y.ndim == 4 else y  # of pictures (N, C, H, W) the units are the channels
        zero = (y == 0).reshape(-1 if y.ndim > 1 else 1, y.shape[-1]).all(axis=0)
        before = self.dead.get(name)
        self.dead[name] = zero if before is None or before.shape != zero.shape else before & zero
        self._samples[name] = self._samples.get(name, 0) + (len(y) if y.ndim > 1 else 1)

    # --- the report --------------------------------------------------------------------------------------------------

    def report(self) -> str:
        """Return a table of the update-to-weight ratios and the dead ReLUs so far.

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
        a, b, c = (max(map(len, column)) for column in zip(*rows))
        lines = [f"{layer:<{a}}  {ratio:>{b}}  {dead:>{c}}".rstrip() for layer, ratio, dead in rows]
        steps, samples = self._steps, max(self._samples.values(), default=0)
        counts = f"{steps} step{'s' * (steps != 1)}"
        if samples:
            counts += f", {samples} sample{'s' * (samples != 1)}"
        lines.append(
            f"{counts}{' (medians)' * (steps > 1)}. An update of about 0.001 of the weight is usual; a unit that is "
            "always 0 does not learn"
        )
        return "\n".join(lines)


def _refuse_forward(out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site) -> None:
    """Raise an error if an op was given NaN, or made NaN, or made an infinity of finite numbers."""
    name, inputs = _called(out.op), [np.asarray(unwrap(a)) for a in args]
    for i, (a, x) in enumerate(zip(args, inputs)):
        if np.isnan(x).any():
            what = a.label() if isinstance(a, Tensor) else f"argument {i}, an array {x.shape}"
            raise RuntimeError(
                f"forward: {name} was given {_first(x, np.isnan(x))} of {what},{site}; look at the data, or {FIX}"
            )
    numbers = [np.asarray(value) for value in kwargs.values() if isinstance(value, float)]
    finite = all(np.isfinite(x).all() for x in [*inputs, *numbers])
    wrong = ~np.isfinite(out.array) if finite else np.isnan(out.array)
    if wrong.any():
        every = np.concatenate([x.reshape(-1) for x in inputs])
        known = f"from numbers of {every.min():.6g} to {every.max():.6g}" if every.size else "from nothing"
        raise RuntimeError(f"forward: {name} made {_first(out.array, wrong)}, {known},{site}; {FIXES.get(name, FIX)}")


def _refuse_backward(node: Tensor, g: Array, parent: Tensor, share: Array, site: Site | None) -> None:
    """Raise an error about a share that is not finite: its node's derivative made it, or the node's gradient is."""
    name, where = _called(node.op), site or " called before debug()"
    if not np.isfinite(g).all():
        raise RuntimeError(
            f"backward: the gradient that came to {name} holds {_first(g, ~np.isfinite(g))}: shares that add up, or "
            f"what backward() was given;{where}"
        )
    i = next(i for i, p in enumerate(node.parents) if p is parent)
    raise RuntimeError(
        f"backward: the derivative of {name} by argument {i} made {_first(share, ~np.isfinite(share))},{where}; "
        f"{FIXES.get(name, FIX)}"
    )


def _called(op: Callable[..., Any] | None) -> str:
    return getattr(op, "__name__", "an op")


def _first(x: Array, wrong: Array) -> str:
    """Return the first wrong number of x, its index, and the count of wrong numbers, as text."""
    index = np.argwhere(wrong)[0]
    where = f" at {index.tolist()} ({wrong.sum()} of {x.size} numbers)" if x.ndim else ""
    return f"{x[tuple(index)]}{where}"


def _in_order(path: str) -> list[tuple[bool, int, str]]:
    """Return a sort key that puts layers.10 after layers.2."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in path.split(".")]
