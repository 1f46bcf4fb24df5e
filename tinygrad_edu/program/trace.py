"""Tracing: a function is run once on Tensors, and the graph of that run becomes a program.

The graph holds the ops that a gradient needs. A `Recorder` notes the rest of the run: results without a gradient,
comparisons, and the running means that layers write.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import ops
from ..core.layers import Layer
from ..core.ops import Array, Result
from ..core.tensor import Observer, Tensor, apply, next_stamp, no_grad, seed, thread
from .by_label import node as new_node, read_by, row_column, row_numbers, table_of, with_arrays
from .lines import Named, lines_of
from .names import TAKEN, Names, names
from .preamble import global_names
from .program import Program
from .writer import Writer, takes_gradient


def trace(f: Any, *inputs: Any) -> Program:
    """Return the program that computes f and its gradients.

    The program has a gradient for every Tensor that requires one, among the inputs or not; if none does, for all inputs
    that hold floats. It takes other inputs of the same number of axes, as far as f does: a batch of another size, if
    there were at least two samples. Of a loss that was computed before, values in between (a mask, say) are inputs.

    A function is run again with other numbers, to see that the program freezes nothing that Python computed by itself,
    and with more samples, to see whether a length is frozen. Layers keep what they had (running means); generators of
    random numbers move on. Dropout's mask is an input of the program.

    Parameters
    ----------
    f : a function of Tensors that returns a Tensor with a single number; or a loss that has been computed already
    inputs : arrays, numbers or Tensors to call f with. They become the first arguments of the program, under the names
        that f has for them. Other leaves of the graph, such as a model's parameters, follow

    Raises
    ------
    TypeError : f decides by the value of a Tensor (an ``if``, ``float(t)``), or does not return a Tensor
    ValueError : an array was computed from the inputs outside of the ops, or is random; the result is not a single
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
        return Trace(f).program()
    if not callable(f):
        raise TypeError(f"trace takes a loss, or a function and what to call it with; got {type(f).__name__}")
    given = parameter_names(f, len(inputs))
    leaves = [as_input(name, value) for name, value in zip(given, inputs)]
    traced = Trace.of(f, leaves, given)
    if not traced.root.requires_grad:
        if inputs and all(t.dtype.kind in "iub" for t in leaves):
            raise TypeError("gradients are those of floats, and all inputs hold whole numbers: write 1.0 for 1")
        leaves = [Tensor(t, t.dtype in (np.float32, np.float64), t.name) for t in leaves]
        traced = Trace.of(f, leaves, given)
    return traced.checked_program(f)


def as_input(name: str, value: Any) -> Tensor:
    """Return a new leaf of this name. It requires a gradient if value is a Tensor that does."""
    return Tensor(value, isinstance(value, Tensor) and value.requires_grad, name)


def parameter_names(f: Callable[..., Any], n: int) -> list[str]:
    """Return the names that f, or a layer's forward, has for its first n arguments; x0, x1 ... where it has none."""
    try:
        kinds = list(inspect.signature(f.forward if isinstance(f, Layer) else f).parameters.values())
    except (TypeError, ValueError):
        kinds = []
    known = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return known[:n] + [f"x{i}" for i in range(len(known), n)]


class ValueRead(TypeError):
    """The value of a Tensor was asked for while a program is traced."""


class Recorder(Observer):
    """Note everything that a program needs and no graph holds, inside ``with recorder:``.

    A recorder inside of another one, as of `grad` in a function that is traced, is the only one at work.

    Attributes
    ----------
    constants : results that require no gradient; their parents and kwargs are recorded too
    writes : (leaf, value) for each ``leaf.data = value`` with a Tensor as the value. The leaf keeps its numbers
    since : a stamp; tensors that were made before have a smaller one
    """

    def __init__(self) -> None:
        self.constants: list[Tensor] = []
        self.writes: list[tuple[Tensor, Tensor]] = []
        self.since = next_stamp()
        next_stamp()  # of what is found beside the ops, see `Trace.found`

    def __enter__(self) -> Any:
        self._recording, thread.recording = thread.recording, True
        self._outer = [told.__self__ for told in thread.op if isinstance(told.__self__, Recorder)]
        for recorder in self._outer:
            Observer.__exit__(recorder)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        thread.recording = self._recording
        for recorder in self._outer:
            recorder.attach(thread)

    def op(self, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not out.requires_grad:
            out.parents, out.kwargs = args, kwargs
            self.constants.append(out)

    def constant(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Tensor:
        """Return a comparison as a Tensor, so the program computes it."""
        keywords = getattr(function, "keywords", {})  # of a partial
        with no_grad():
            return apply(without_gradient, *args, function=getattr(function, "func", function), keywords=keywords)

    def read(self, tensor: Tensor, how: str) -> None:
        raise ValueRead(
            f"{how} of {tensor.label()} was asked for while a program is traced: the program would be right for "
            "these numbers alone. Write np.where(condition, a, b), maximum or relu instead of an if, and np.exp(x) "
            "instead of math.exp(x)"
        )

    def write(self, leaf: Tensor, value: Any) -> bool:
        if isinstance(value, Tensor):
            self.writes.append((leaf, value))
        return isinstance(value, Tensor)


def without_gradient(*arrays: Array, function: Callable[..., Array], keywords: dict[str, Any]) -> Result:
    """y = function(arrays), which is flat wherever it has a slope: a comparison, a sign"""
    return function(*arrays, **keywords), *[lambda g, a=a: np.zeros_like(a) for a in arrays]


class Trace:
    """The graph of a function's run, on its way to a program.

    Parameters
    ----------
    root : the loss
    inputs, given : Tensors that the function was called with, and their names
    recorder : notes of the run; None for a loss that was computed before
    tables : what is known of plain arrays in the graph: number to a table that is read by the labels

    Attributes
    ----------
    nodes : computed tensors that root and the writes depend on, arguments before results
    writes : see `Recorder`
    called : the names of the graph, once there is a program
    writer : what wrote its lines, if that is of a class of its own
    rows : the number of samples
    numbered : plain arrays in the graph: id to a number, which is the same in every run
    """

    called: Names
    writer: Writer | None
    nodes: list[Tensor]
    numbered: dict[int, int]

    def __init__(
        self,
        root: Tensor,
        inputs: Sequence[Tensor] = (),
        given: Sequence[str] = (),
        recorder: Recorder | None = None,
        tables: dict[int, Array] | None = None,
    ) -> None:
        self.root, self.inputs, self.given = root, inputs, given
        self.tables: dict[int, Array] = {} if tables is None else tables
        self.rows = next((len(t) for t in inputs if t.ndim), 0)
        self.labels = next((t for t in inputs if t.ndim == 1 and t.dtype.kind in "iu"), None)
        self.writes = recorder.writes if recorder else []
        self.since = recorder.since if recorder else 0
        # an array in the graph may be the data of a Tensor, as a mask is that of a comparison
        self.same = {id(t.array): t for t in (*inputs, *(recorder.constants if recorder else ()))}
        self.numbered = {}
        self._collect()

    def _collect(self) -> None:
        """Find the nodes."""
        nodes = list(dict.fromkeys([self.root, *(value for _, value in self.writes)]))
        seen = set(nodes)
        for node in nodes:  # the list grows while it is read
            if node.op is ops.getitem:
                node.kwargs = {"index": with_arrays(node.kwargs["index"])}
            for value in used_by(node):
                value = self.same.get(id(value), value)
                value = self.found(node, value) if isinstance(value, np.ndarray) and self.since else value
                if isinstance(value, Tensor) and value.parents and value.stamp > self.since and value not in seen:
                    seen.add(value)
                    nodes.append(value)
        self.nodes = sorted((node for node in nodes if node.parents), key=lambda node: node.stamp)

    def found(self, node: Tensor, array: Array) -> Any:
        """Return a plain array of a node as a Tensor, if it is known how it depends on the inputs."""
        number, made = self.numbered.setdefault(id(array), len(self.numbered)), None
        samples = next((t for t in self.inputs[::-1] if t.ndim), None)
        if samples is None or array.shape[:1] != samples.shape[:1]:
            return array
        if node.op is ops.getitem and array.ndim < 3 and np.array_equal(array.ravel(), np.arange(len(samples))):
            made = new_node(self.since + 1, row_numbers if array.ndim == 1 else row_column, samples)
        elif self.labels is not None and (table := self.tables.get(number)) is not None and len(array) == len(samples):
            read = read_by(self.labels, table, self.since + 1)
            made = read if np.array_equal(read.array, array, equal_nan=array.dtype.kind == "f") else None
        if made is None:
            return array
        self.same[id(array)] = made
        return made

    def learned(self, f: Callable[..., Any], program: Program, name: str) -> bool:
        """Return whether an input of the program, an array that differs for other labels, is a table of them; then it
        is one from now on."""
        number = self.numbered.get(id(program.leaves[name]))
        if number is None or self.labels is None:
            return False

        def ask(labels: Array) -> Array | None:
            numbers = [
                labels if t is self.labels else np.resize(t.array, (len(labels), *t.shape[1:])) for t in self.inputs
            ]
            other = self.again(f, numbers, program.gradients)
            return None if other is None else other.inputs.get(name)

        table = table_of(self.labels.array, program.inputs[name], ask)
        if table is not None:
            self.tables[number] = table
            self._collect()
        return table is not None

    @classmethod
    def of(
        cls,
        f: Callable[..., Any],
        inputs: Sequence[Tensor],
        given: Sequence[str],
        tables: dict[int, Array] | None = None,
    ) -> Trace:
        """Call f with these Tensors, and return the trace of the run.

        Raises
        ------
        TypeError : f reads the value of a Tensor, or does not return a Tensor
        """
        with Recorder() as recorder:
            root = f(*inputs)
        if not isinstance(root, Tensor):
            got = type(root).__name__ + "; t.numpy() leaves the graph" * isinstance(root, (np.ndarray, np.generic))
            raise TypeError(f"the function has to return a Tensor with a single number, got {got}")
        return cls(root, inputs, given, recorder, tables)

    def program(self, wanted: list[str] | None = None, by: type[Writer] = Writer) -> Program:
        """Write the program.

        Parameters
        ----------
        wanted : names of the inputs that get a gradient; default: all that require one
        by : the class that writes the lines
        """
        called, targets = self.name(), [target for target, _ in self.writes]
        computed = {called[id(node)] for node in self.nodes}
        uses = [value for node in self.nodes for value in used_by(node) if id(value) in called] + targets
        leaves: dict[str, Any] = {called[id(t)]: t for t in self.inputs}
        for value in sorted(uses, key=takes_gradient):  # data first, then parameters
            if called[id(value)] not in computed:
                leaves.setdefault(called[id(value)], value)
        # a name may mean something else in a program
        here = dict(zip(self.given, (called[id(t)] for t in self.inputs)))
        wanted = [here.get(name, name) for name in wanted or [key for key, t in leaves.items() if takes_gradient(t)]]
        lines = lines_of(Named(self.root, self.nodes, self.writes, called, leaves, wanted, self.rows), by)
        self.writer = lines.writer
        used = lines.names | {called[id(t)] for t in self.inputs}
        leaves = {name: value for name, value in leaves.items() if name in used}
        return Program(leaves, lines.forward, lines.backward, called[id(self.root)], wanted, lines.helpers, lines.own)

    def name(self) -> Names:
        """Return the names of the graph, which are ``called`` from then on."""
        self._check()
        reserved = TAKEN.union(*{global_names(node.op) for node in self.nodes if node.op})
        targets, inputs = [target for target, _ in self.writes], dict(zip(self.given, self.inputs))
        self.called = names(self.root, self.nodes, inputs, self.same, reserved, targets)
        return self.called

    def _check(self) -> None:
        """Refuse a root that `Tensor.backward` would refuse, and one that was not computed."""
        if self.root.size != 1:
            shape = self.root.shape
            raise ValueError(
                f"the chain rule starts from a single number, this tensor has shape {shape}: take its .sum()"
            )
        seed(self.root, None)
        if not self.nodes:
            raise RuntimeError("nothing was computed, so there is nothing to trace")

    def checked_program(self, f: Callable[..., Any], wanted: list[str] | None = None) -> Program:
        """Write the program of f, and check that it is the same for other numbers and for more samples.

        More samples decide `Program.any_size`.

        Raises
        ------
        ValueError : the program is another one for other numbers
        """
        program = self.program(wanted)
        for second in self.others(f, program.gradients):
            name = self.difference(program, second) if second.source == program.source else None
            if name is not None and self.learned(f, program, name):
                return self.checked_program(f, wanted)
            self.refuse_if_different(program, second)
        for rows in (self.rows + 1, 2 * self.rows):  # f may not take an odd number of samples
            grows = [t.shape[:1] == (self.rows,) for t in self.inputs]
            more = [np.resize(t.array, (rows, *t.shape[1:])) if g else t.array for g, t in zip(grows, self.inputs)]
            larger = self.again(f, more, program.gradients)
            if larger is not None and (larger.source != program.source or self.difference(program, larger) is not None):
                program.any_size = False
        return program

    def others(self, f: Callable[..., Any], wanted: list[str]) -> Iterator[Program]:
        """Yield the programs of f for other numbers, as far as f takes them: in another order, with the other sign and
        with other labels, at once if it can be; and for rows that come twice."""
        reverse = [t.array.ravel()[::-1].reshape(t.shape) for t in self.inputs]
        negative = [-a if a.dtype.kind == "f" else a for a in reverse]
        labels, both = (
            [np.where(a > 0, a - 1, a + 1).astype(a.dtype) if a.dtype.kind in "iu" else a for a in given]
            for given in (reverse, negative)
        )
        at_once = self.again(f, both, wanted)
        twice = [t.array[np.arange(len(t)) // 2] if t.ndim else t.array for t in self.inputs]
        each = [twice] if at_once else [reverse, negative, labels, twice]
        found = [at_once] + [self.again(f, numbers, wanted) for numbers in each]
        yield from (program for program in found if program is not None)

    def again(self, f: Callable[..., Any], numbers: Sequence[Array], wanted: list[str]) -> Program | None:
        """Return the program of f for other numbers; None if f does not take them."""
        others = [Tensor(a, t.requires_grad, t.name) for a, t in zip(numbers, self.inputs)]
        try:
            with np.errstate(all="ignore"):
                return Trace.of(f, others, self.given, self.tables).program(wanted)
        except Exception:
            return None

    def refuse_if_different(self, program: Program, other: Program) -> None:
        """Raise ValueError if the program of f for other numbers has another text or other constants."""
        if other.source != program.source:
            raise ValueError(
                "the function computes something else for other numbers, or uses random numbers; a program has no "
                "branches. Write np.where(condition, a, b), and give the function what is random as an input"
            )
        if (name := self.difference(program, other)) is not None:
            raise ValueError(
                f"an array {program.inputs[name].shape} in this graph was computed from the inputs outside of the "
                "ops (t.numpy(), NumPy on a plain array), or is random, so the program would be right for these "
                "numbers alone. Compute it with Tensors, or give it to the function as an input"
            )

    def difference(self, program: Program, other: Program) -> str | None:
        """Return the name of a constant that differs between two programs of f; masks of dropout may differ."""
        for name in program.inputs.keys() - {self.called[id(t)] for t in self.inputs}:
            a, b = program.inputs[name], other.inputs[name]
            drawn = "rng" in getattr(program.leaves[name], "kwargs", ())
            if not drawn and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                return name
        return None


def used_by(node: Tensor) -> Iterator[Any]:
    """Yield all that a node was computed from: arguments, keywords, and the values in tuples among them."""
    todo = [*node.parents, *node.kwargs.values()]
    for value in todo:  # the list grows while it is read
        if isinstance(value, tuple):
            todo += value
        yield value
