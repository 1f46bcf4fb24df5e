"""Backprop as a program: a recorded graph, written down as the straight-line NumPy that a person would have written.

`trace` runs a function once and writes down its forward and backward pass, one assignment a line, out of the ops' own
sources: the formula of a derivative in the program is the text that the engine runs. The program needs NumPy alone. And
because it is ordinary array code, Tensors can go through it as well: the gradient of a gradient is one more trace
(`curvature`), and the engine stays first order. `compiled` makes machine code of the same text.
"""

from __future__ import annotations

import base64
import inspect
import linecache
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Observer, Tensor, apply, next_stamp, no_grad, seed, thread, unwrap
from .names import TAKEN, loaded, names
from .preamble import global_names, unbound
from .writer import Line, Writer, passes


class Program:
    """Forward and backward pass of one function, as NumPy source that runs without this package. Made by `trace`.

    Attributes
    ----------
    source : the text
    inputs : name to array, in the order of the arguments, as they were when the program was traced
    gradients : the names of the inputs that it gives a gradient of
    forward, backward : its lines
    helpers : what stands above them: imports, and the functions that they call
    loss : the name of the result
    any_size : False if a length that Python asked for (``len(x)``) is a number in the text, as far as `trace` can tell

    Examples
    --------
    >>> x, y = Tensor(2.0, True, "x"), Tensor(-3.0, True, "y")
    >>> program = trace((x * y + x).tanh())
    >>> print(program.source)
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def backprop(x, y):
        # forward
        v1 = x * y
        v2 = v1 + x
        loss = np.tanh(v2)
    <BLANKLINE>
        # backward
        d_v2 = 1 - loss * loss
        d_x = d_v2 + d_v2 * y
        d_y = d_v2 * x
        return loss, {"x": d_x, "y": d_y}
    <BLANKLINE>
    >>> loss, grads = program(0.0, 1.0)
    >>> float(loss), float(grads["x"]), float(grads["y"])
    (0.0, 2.0, 0.0)
    """

    def __init__(
        self,
        inputs: Mapping[str, Any],
        forward: list[Line],
        backward: list[Line],
        loss: str,
        results: dict[str, str],
        helpers: str,
    ) -> None:
        self._given = dict(inputs)  # the Tensors and arrays that are copied here
        self.inputs = {name: np.array(unwrap(value)) for name, value in inputs.items()}
        self.forward, self.backward = forward, backward
        self.loss, self._results, self.helpers = loss, results, helpers
        self.gradients, self.any_size, self.source = list(results), True, self.text()

    def text(self, shapes: bool = False) -> str:
        """The source; with the shape of each value behind its line, if you like."""
        values = self.values() if shapes else {}
        column = max(len(str(line)) for line in self.forward + self.backward) + 6

        def shown(line: Line) -> str:
            known = [str(np.shape(values[name])) for name in sorted(line.binds) if name in values]
            return f"{f'    {line}':<{column}}# {', '.join(known)}" if known else f"    {line}"

        results = ", ".join(f'"{name}": {result}' for name, result in self._results.items())
        head = [f"def backprop({', '.join(self.inputs)}):", "    # forward", *map(shown, self.forward)]
        tail = ["", "    # backward", *map(shown, self.backward), f"    return {self.loss}, {{{results}}}"]
        return "\n".join([self.helpers, "", "", *head, *tail, ""])

    def __call__(self, *inputs: Any, **named: Any) -> tuple[Any, dict[str, Any]]:
        """Run the program.

        Parameters
        ----------
        inputs, named : in the order or by the names of ``inputs``; what is left out is as it was when it was traced. An
            array that the program writes into (a running mean) is changed. With Tensors it is run on Tensors, so that
            the gradients can be differentiated again

        Returns
        -------
        (loss, gradients) : gradients is a dict, name to array

        Raises
        ------
        TypeError : a name that is no input; too many values; something that holds no numbers
        ValueError : a shape that the program does not fit
        """
        values = self._arguments(inputs, named)
        if any(isinstance(value, Tensor) for value in values.values()):
            from .derivatives import on_tensors  # which imports this module

            return on_tensors(self, values)
        loss, gradients = self._defined["backprop"](**values)
        return loss, {name: np.array(gradient) for name, gradient in gradients.items()}

    def _arguments(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """Name to value of all inputs; an array that was given is handed on, not copied."""
        if len(inputs) > len(self.inputs):
            raise TypeError(f"the program takes {', '.join(self.inputs)}; {len(inputs)} values were given")
        given = dict(zip(self.inputs, inputs))
        for name in named:
            if name not in self.inputs or name in given:
                problem = "was given twice" if name in given else "is not an input"
                raise TypeError(f"{name} {problem}; the program takes {', '.join(self.inputs)}")
        values: dict[str, Any] = {name: array.copy() for name, array in self.inputs.items()}
        for name, value in (given | named).items():
            values[name] = value if isinstance(value, Tensor) else np.asarray(value)
            if values[name].dtype.kind in "iub" and self.inputs[name].dtype.kind == "f":
                values[name] = values[name].astype(self.inputs[name].dtype)
            if values[name].dtype.kind not in "fiub":
                raise TypeError(f"{name} is {values[name].dtype}; a program takes numbers, and no complex ones")
            traced, shape = self.inputs[name].shape, values[name].shape
            if len(shape) != len(traced):
                raise ValueError(f"{name} has shape {shape}; a program keeps the number of axes that it had, {traced}")
            if any(n != m and (n == 1 or not self.any_size) for n, m in zip(traced, shape)):
                raise ValueError(
                    f"{name} has shape {shape}, but its shape when the program was traced, {traced}, is in the text: "
                    "there was one sample only, or Python asked how many there are, as by len(x). Trace it again"
                )
        return values

    @cached_property
    def _defined(self) -> dict[str, Any]:
        """What the source defines. A traceback shows its lines."""
        file = f"<backprop {zlib.crc32(self.source.encode())}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        namespace: dict[str, Any] = {}
        exec(compile(self.source, file, "exec"), namespace)
        return namespace

    def values(self, *inputs: Any, **named: Any) -> dict[str, Any]:
        """Run the program line by line, and return everything that it computes, by name."""
        helpers: dict[str, Any] = {}
        exec(self.helpers, helpers)
        namespace = helpers | self._arguments(inputs, named)
        for line in self.forward + self.backward:
            exec(str(line), namespace)
        return {name: value for name, value in namespace.items() if name not in helpers}

    def save(self, path: Any) -> None:
        """Write a file that runs by itself: ``python FILE`` shows the loss and the norm of each gradient, on the inputs
        that the program was traced with. They are in the file."""
        arrays = "\n".join(f"        {name}={_embedded(value)}," for name, value in self.inputs.items())
        text = self.source
        if "unpacked(" in arrays:
            text = f"import base64\nimport zlib\n{text}{_UNPACKED}"
        Path(path).write_text(text + _MAIN.format(arrays), encoding="utf-8")

    def __repr__(self) -> str:
        results, lines = ", ".join(self._results.values()), self.forward + self.backward
        return f"Program({', '.join(self.inputs)} -> {self.loss}, {results}; {len(lines)} lines)"


_UNPACKED = '''

def unpacked(text, dtype, shape):
    """An array out of its bytes, compressed and written as text."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype).reshape(shape).copy()
'''
_MAIN = """

if __name__ == "__main__":
    inputs = dict(
{}
    )
    loss, gradients = backprop(**inputs)
    print(f"loss = {{loss.item():.6g}}")
    for name, d in gradients.items():
        print(f"|d_{{name}}| = {{np.sqrt((d * d).sum()):.6g}}")
"""


def _embedded(value: Array) -> str:
    """An array as Python source; a large one compressed."""
    if value.size <= 64 and np.isfinite(value).all():
        return f'np.array({value.tolist()}, "{value.dtype}")'
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(value).tobytes())).decode()
    return f'unpacked(\n            {packed!r},\n            "{value.dtype}",\n            {value.shape},\n        )'


# --- from a graph to a program ---------------------------------------------------------------------------------------


def trace(f: Any, *inputs: Any) -> Program:
    """The program that computes f and its gradients.

    Parameters
    ----------
    f : a function of Tensors that returns one with a single number; or a loss that has been computed already
    inputs : what to call f with: arrays, numbers, Tensors. They become the first arguments of the program, by f's names
        for them. Other leaves of the graph, such as a model's parameters, follow

    The program has a gradient for every Tensor that requires one, among the inputs or not; if none does, for all inputs
    that hold floats. It fits other inputs of the same number of axes, as far as f does: a batch of another size, if
    there were at least two samples. What a loss that was computed before used in between (a mask, say) is an input.

    A function is run again with other numbers, to see that nothing that Python computed by itself would be frozen into
    the program, and with more samples, to see whether a length is. Layers keep what they had (running means);
    generators of random numbers move on. Dropout's mask is an input of the program.

    Raises
    ------
    TypeError : f decides by the value of a Tensor (an ``if``, ``float(t)``), or does not return a Tensor
    ValueError : an array was computed outside of the ops from what went in, or is random; the result is not a single
        number; the source of an op cannot be read
    RuntimeError : nothing requires a gradient; data that the graph needs was changed

    Examples
    --------
    >>> program = trace(lambda x: (x * x).sum(), [1.0, 2.0])
    >>> print(program.source)
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def backprop(x):
        # forward
        v = x * x
        loss = v.sum()
    <BLANKLINE>
        # backward
        d_v = np.ones_like(v)
        d_x = 2 * (d_v * x)
        return loss, {"x": d_x}
    <BLANKLINE>
    """
    if isinstance(f, Tensor) and not inputs:
        return _Trace(f).program()
    if not callable(f):
        raise TypeError(f"trace takes a loss, or a function and what to call it with; got {type(f).__name__}")
    called = parameter_names(f, len(inputs))
    given = [as_input(name, value) for name, value in zip(called, inputs)]
    recorded = _Trace.of(f, given, called)
    if not recorded.root.requires_grad:
        if inputs and all(t.dtype.kind in "iub" for t in given):
            raise TypeError("gradients are those of floats, and all inputs hold whole numbers: write 1.0 for 1")
        given = [Tensor(t, t.dtype in (np.float32, np.float64), t.name) for t in given]
        recorded = _Trace.of(f, given, called)
    return recorded.compare(f, given)


def as_input(name: str, value: Any) -> Tensor:
    """A leaf of this name, for a function that is traced."""
    return Tensor(value, isinstance(value, Tensor) and value.requires_grad, name)


def parameter_names(f: Callable[..., Any], n: int) -> list[str]:
    """What f calls its first n arguments."""
    try:
        kinds = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        kinds = []
    known = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return known[:n] + [f"x{i}" for i in range(len(known), n)]


class _Trace:
    """A recorded graph on its way to a program.

    Attributes
    ----------
    root, nodes : the result, and all tensors that were computed for it, arguments before results
    inputs, given : what the function was called with, and the names for it
    keeps : (target, value): what a leaf was given
    called : what everything is called, by ``id``, once there is a `program`
    """

    def __init__(
        self,
        root: Tensor,
        inputs: Sequence[Tensor] = (),
        given: Sequence[str] = (),
        notes: Sequence[Any] = (),
        since: int = 0,
    ) -> None:
        self.root, self.inputs, self.given = root, inputs, given
        self.keeps = [note for note in notes if isinstance(note, tuple)]
        made = [*self.inputs, *[note for note in notes if isinstance(note, Tensor)]]
        self.same = {id(t.array): t for t in made}  # an array in the graph may be the data of a Tensor
        self.nodes = list(dict.fromkeys([root, *[value for _, value in self.keeps]]))
        seen = set(self.nodes)
        for node in self.nodes:  # the list grows while it is read
            for value in used_by(node):
                value = self.same.get(id(value), value)
                if isinstance(value, Tensor) and value.parents and value.stamp > since and value not in seen:
                    seen.add(value)
                    self.nodes.append(value)
        self.nodes = sorted((node for node in self.nodes if node.parents), key=lambda node: node.stamp)

    @classmethod
    def of(cls, f: Callable[..., Any], inputs: Sequence[Tensor], given: Sequence[str]) -> _Trace:
        """What f(*inputs) computes."""
        notes: list[Any] = []
        since = next_stamp()
        with Tracing(notes):
            root = f(*inputs)
        if not isinstance(root, Tensor):
            got = type(root).__name__ + "; t.numpy() leaves the graph" * isinstance(root, (np.ndarray, np.generic))
            raise TypeError(f"the function has to return a Tensor with a single number, got {got}")
        return cls(root, inputs, given, notes, since)

    def program(self, wanted: list[str] | None = None) -> Program:
        """Write it. wanted are the names of the inputs to give a gradient of, if not all that require one."""
        if self.root.size != 1:
            shape = self.root.shape
            raise ValueError(
                f"the chain rule starts from a single number, this tensor has shape {shape}: take its .sum()"
            )
        seed(self.root, None)  # raises what backward() would
        if not self.nodes:
            raise RuntimeError("nothing was computed, so there is nothing to trace")
        reserved = TAKEN.union(*{global_names(node.op) for node in self.nodes if node.op})
        inputs, kept = dict(zip(self.given, self.inputs)), [target for target, _ in self.keeps]
        called = self.called = names(self.root, self.nodes, inputs, self.same, reserved, kept)
        computed = {called[id(node)] for node in self.nodes}
        every = [value for node in self.nodes for value in used_by(node) if id(value) in called] + kept
        leaves: dict[str, Any] = {called[id(t)]: t for t in self.inputs}
        for value in sorted(every, key=passes):  # data first, then parameters
            if called[id(value)] not in computed:
                leaves.setdefault(called[id(value)], value)
        wanted = wanted or [name for name, t in leaves.items() if passes(t)]
        writer = Writer(self.root, called, {name: np.array(unwrap(value)) for name, value in leaves.items()})
        forward, backward, results = writer.write(self.nodes, self.keeps, wanted)
        lines = forward + backward
        used = {called[id(t)] for t in self.inputs}.union(*(loaded(line.value) for line in lines))
        used |= {line.target.removesuffix("[...]") for line in lines}
        needed = {name: value for name, value in leaves.items() if name in used}
        calls = set().union(*(unbound(line.value) for line in lines))
        helpers = writer.helpers.text(calls - leaves.keys() - computed)
        return Program(needed, forward, backward, called[id(self.root)], results, helpers)

    def again(self, f: Callable[..., Any], numbers: Sequence[Array], wanted: list[str]) -> Program | None:
        """The program for other numbers; None if they do not fit f."""
        others = [Tensor(a, t.requires_grad, t.name) for a, t in zip(numbers, self.inputs)]
        try:
            with np.errstate(all="ignore"):
                return _Trace.of(f, others, self.given).program(wanted)
        except Exception:
            return None

    def compare(self, f: Callable[..., Any], inputs: Sequence[Tensor], wanted: list[str] | None = None) -> Program:
        """Write the program, and refuse it if it would be another one for other numbers: in another order, with the
        other sign, and with rows that come twice. Whether it is the same for more samples is noted in it."""
        program = self.program(wanted)
        turned = [t.array.ravel()[::-1].reshape(t.shape) for t in inputs]
        negative = [-a if a.dtype.kind == "f" else a for a in turned]
        twice = [t.array[np.arange(len(t)) // 2] if t.ndim else t.array for t in inputs]
        for numbers in (turned, negative, twice):
            second = self.again(f, numbers, program.gradients)
            if second is None:
                continue
            if second.source != program.source:
                raise ValueError(
                    "the function computes something else for other numbers, or uses random numbers; a program has no "
                    "branches. Write np.where(condition, a, b), and give the function what is random as an input"
                )
            if (name := self.differs(program, second)) is not None:
                raise ValueError(
                    f"an array {program.inputs[name].shape} in this graph was computed from the inputs outside of the "
                    "ops (t.numpy(), NumPy on a plain array), or is random, so the program would be right for these "
                    "numbers alone. Compute it with Tensors, or give it to the function as an input"
                )
        n = next((len(t) for t in inputs if t.ndim), 0)
        for rows in (n + 1, 2 * n):  # not every function takes an odd number
            many = [np.resize(t.array, (rows, *t.shape[1:])) if t.ndim and len(t) == n else t.array for t in inputs]
            more = self.again(f, many, program.gradients)
            same = more is None or (more.source == program.source and self.differs(program, more) is None)
            program.any_size = program.any_size and same
        return program

    def differs(self, program: Program, other: Program) -> str | None:
        """What the two have as constants, and not the same; masks of dropout may differ."""
        for name in program.inputs.keys() - {self.called[id(t)] for t in self.inputs}:
            a, b = program.inputs[name], other.inputs[name]
            drawn = "rng" in getattr(program._given[name], "kwargs", ())
            if not drawn and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                return name
        return None


class Tracing(Observer):
    """Notes what a program has to know beside the graph: results that are not recorded, and what leaves are given."""

    def __init__(self, notes: list[Any]) -> None:
        self.notes = notes

    def __enter__(self) -> None:
        super().__enter__()
        self.recording, thread.recording = thread.recording, True

    def __exit__(self, *_: object) -> None:
        thread.recording = self.recording
        super().__exit__()

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep the record of a result that requires no gradient: a program computes it too."""
        if not out.requires_grad:
            out.parents, out.kwargs = args, kwargs
            self.notes.append(out)

    def constant(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Tensor:
        """Have a comparison give a Tensor, so that the program computes it."""
        with no_grad():
            return apply(without_gradient, *args, function=function)

    def read(self, tensor: Tensor, how: str) -> None:
        """Refuse to read numbers that a program has to do without."""
        raise TypeError(
            f"{how} of {tensor.label()} was asked for while a program is traced: the program would be right for "
            "these numbers alone. Write np.where(condition, a, b), maximum or relu instead of an if, and np.exp(x) "
            "instead of math.exp(x)"
        )

    def write(self, leaf: Tensor, value: Any) -> bool:
        """Note what a leaf is given, as a running mean is: a part of the program."""
        if isinstance(value, Tensor):
            self.notes.append((leaf, value))
        return isinstance(value, Tensor)


def without_gradient(*arrays: Array, function: Callable[..., Array]) -> Any:
    """y = function(arrays), which is flat wherever it has a slope: a comparison, a sign"""
    return function(*arrays), *[lambda g, a=a: np.zeros_like(a) for a in arrays]


def used_by(node: Tensor) -> Iterator[Any]:
    """What a node was computed from: its arguments, keywords, and what is inside of tuples among them."""
    todo = [*node.parents, *node.kwargs.values()]
    for value in todo:  # the list grows while it is read
        if isinstance(value, tuple):
            todo += value
        yield value
