"""Backprop as a program: a recorded graph, written down as the straight-line NumPy that a person would have written.

`trace` runs a function once and emits its forward and backward pass, one assignment a line, out of the ops' own sources:
the formula of a derivative in the program is the text that the engine runs. The program needs NumPy alone, and because it
is ordinary array code, Tensors can go through it as well: so the gradient of a gradient is one more trace, and the engine
stays first order. `compiled` makes machine code of the same text.
"""

from __future__ import annotations

import ast
import base64
import builtins
import inspect
import linecache
import math
import textwrap
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .notation import Names, loaded, names, read, renamed, unparsed, written
from .ops import Array
from .tensor import Tensor, _mode, apply, first_gradient, raw, tick, walk

WIDTH = 100  # columns of a line that carries a comment


class Line(NamedTuple):
    """One assignment of a program."""

    target: str
    value: ast.expr

    def __str__(self) -> str:
        return f"{self.target} = {unparsed(self.value)}"

    @property
    def binds(self) -> set[str]:
        """The names that it assigns."""
        return {part.strip() for part in self.target.strip("()").split(",")}


class Program:
    """Forward and backward pass of one function, as NumPy source that runs without this package. Made by `trace`.

    Attributes
    ----------
    source : the text
    inputs : name to value, in the order of the arguments, as they were when the program was traced
    gradients : the names of the inputs that it gives a gradient of

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
        inputs: dict[str, Any],
        forward: list[Line],
        backward: list[Line],
        loss: str,
        gradients: dict[str, str],
        helpers: str,
    ) -> None:
        self._given = inputs  # Tensors, if they are computed by an outer trace
        self.forward, self.backward, self.loss, self._results = forward, backward, loss, gradients
        self.helpers = helpers

    @property
    def inputs(self) -> dict[str, Array]:
        return {name: np.array(raw(value)) for name, value in self._given.items()}

    @property
    def gradients(self) -> list[str]:
        return list(self._results)

    @cached_property
    def source(self) -> str:
        return self.text()

    def text(self, shapes: bool = False) -> str:
        """The source; with the shape of each value behind its line, if you like."""
        values = self.values() if shapes else {}

        def shown(line: Line) -> str:
            text = f"    {line}"
            known = [str(np.shape(values[name])) for name in line.target.strip("()").split(", ") if name in values]
            return f"{text:<{min(WIDTH, self._widest + 6)}}# {', '.join(known)}" if known else text

        results = ", ".join(f'"{name}": {result}' for name, result in self._results.items())
        body = [
            f"def backprop({', '.join(self._given)}):",
            "    # forward",
            *map(shown, self.forward),
            "",
            "    # backward",
            *map(shown, self.backward),
            f"    return {self.loss}, {{{results}}}",
        ]
        return f"{self.helpers}\n\n\n" + "\n".join(body) + "\n"

    @property
    def _widest(self) -> int:
        return max(len(str(line)) for line in self.forward + self.backward)

    def __call__(self, *inputs: Any, **named: Any) -> tuple[Any, dict[str, Any]]:
        """Run the program.

        Parameters
        ----------
        inputs, named : in the order or by the names of ``inputs``; what is left out is as it was when it was traced.
            Tensors are recorded, so that the gradients can be differentiated again

        Returns
        -------
        (loss, gradients) : gradients is a dict, name to array
        """
        values = self._arguments(inputs, named)
        tensors = any(isinstance(value, Tensor) for value in values.values())
        result: tuple[Any, dict[str, Any]] = (self._on_tensors if tensors else self._on_arrays)["backprop"](**values)
        return result

    def _arguments(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        if len(inputs) > len(self._given):
            raise TypeError(f"the program takes {', '.join(self._given)}; {len(inputs)} values were given")
        given = dict(zip(self._given, inputs))
        for name in named:
            if name not in self._given or name in given:
                problem = "was given twice" if name in given else "is not an input"
                raise TypeError(f"{name} {problem}; the program takes {', '.join(self._given)}")
        merged = {**self._given, **given, **named}
        explicit = [*given.values(), *named.values()]
        live = _mode.tracing is not None or any(isinstance(v, Tensor) for v in explicit)
        live = live or any(isinstance(v, Tensor) and v.parents for v in merged.values())
        return {name: v if live and isinstance(v, Tensor) else np.array(raw(v)) for name, v in merged.items()}

    @cached_property
    def _on_arrays(self) -> dict[str, Any]:
        """What the source defines."""
        file = f"<backprop {tick()}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        namespace: dict[str, Any] = {}
        exec(compile(self.source, file, "exec"), namespace)
        return namespace

    @cached_property
    def _on_tensors(self) -> dict[str, Any]:
        """The same with the helpers that take arrays alone replaced by ops."""
        namespace: dict[str, Any] = {}
        exec(self.source, namespace)
        namespace |= {name: f for name, f in _FOR_TENSORS.items() if name in namespace}
        return namespace

    def values(self, *inputs: Any, **named: Any) -> dict[str, Any]:
        """Run the program line by line, and return everything that it computes, by name."""
        namespace: dict[str, Any] = {}
        exec(self.helpers, namespace)
        given = self._arguments(inputs, named)
        namespace |= given
        before = set(namespace) - set(given)
        for line in self.forward + self.backward:
            exec(str(line), namespace)
        return {name: value for name, value in namespace.items() if name not in before}

    def save(self, path: Any) -> None:
        """Write a file that runs by itself: ``python FILE`` shows the loss and the norm of each gradient, on the inputs
        that the program was traced with. They are in the file."""
        arrays = [f"        {name}={_embedded(value)}," for name, value in self.inputs.items()]
        packed = any("unpacked(" in line for line in arrays)
        text = self.source.replace("import numpy as np\n", "import base64\nimport zlib\n\nimport numpy as np\n", packed)
        if packed:
            text += _UNPACKED
        Path(path).write_text(text + _MAIN.format("\n".join(arrays)), encoding="utf-8")

    def __repr__(self) -> str:
        lines = len(self.forward) + len(self.backward)
        return f"Program({', '.join(self._given)} -> {self.loss}, {', '.join(self._results.values())}; {lines} lines)"


_UNPACKED = '''

def unpacked(text, dtype, shape):
    """An array out of its bytes, compressed and written as text."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype).reshape(shape)
'''
_MAIN = '''

if __name__ == "__main__":
    inputs = dict(
{}
    )
    loss, gradients = backprop(**inputs)
    print(f"loss = {{loss:.6g}}")
    for name, d in gradients.items():
        print(f"|d_{{name}}| = {{np.sqrt((d * d).sum()):.6g}}")
'''


def _embedded(value: Array) -> str:
    """An array as Python source; a large one compressed."""
    if value.size <= 64:
        return f'np.array({value.tolist()}, "{value.dtype}")'.replace("nan", "np.nan").replace("inf", "np.inf")
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(value).tobytes())).decode()
    return f'unpacked(\n            {packed!r},\n            "{value.dtype}",\n            {value.shape},\n        )'


# --- from a graph to lines ----------------------------------------------------------------------------------------------


def trace(f: Any, *inputs: Any) -> Program:
    """The program that computes f and its gradients.

    Parameters
    ----------
    f : a function of Tensors that returns one with a single number; or a loss that has been computed already
    inputs : what to call f with: arrays, numbers, Tensors. They become the first arguments of the program, by f's names
        for them. Other leaves of the graph, such as a model's parameters, follow

    The program has a gradient for every Tensor that requires one, among the inputs or not; if none does, for all inputs
    that hold floats. It fits other inputs of the same number of axes, as far as f does: a batch of another size, but not
    another number of layers. What a loss that was computed before used in between (a mask, say) is an input of its program.

    A function is run twice, the second time with the numbers of its inputs shuffled, to see that nothing that Python
    computed by itself would be frozen into the program. Layers keep what they had (running means); generators of random
    numbers move on. Dropout's mask is an input of the program.

    Raises
    ------
    TypeError : f decides by the value of a Tensor (an ``if``, ``float(t)``), or does not return a Tensor
    ValueError : an array was computed outside of the ops from what went in; the result is not a single number; the source
        of an op cannot be read
    RuntimeError : nothing requires a gradient

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
    given = [as_input(name, value) for name, value in zip(_parameters(f, len(inputs)), inputs)]
    recorded = _Trace.of(f, given)
    if not recorded.root.requires_grad:
        given = [
            Tensor(t, requires_grad=t.dtype in (np.float32, np.float64), name=t.name) if t.op is None else t
            for t in given
        ]
        recorded = _Trace.of(f, given)
    recorded.compare(f, given)
    return recorded.program()


def as_input(name: str, value: Any) -> Tensor:
    """A Tensor that a program can call by this name."""
    if isinstance(value, Tensor):
        return value
    return Tensor(value, name=name)


def _parameters(f: Callable[..., Any], n: int) -> list[str]:
    """What f calls its first n arguments."""
    try:
        kinds = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        kinds = ()  # type: ignore[assignment]
    known = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return known[:n] + [f"x{i}" for i in range(len(known), n)]


@contextmanager
def _tracing(notes: list[Any]) -> Iterator[None]:
    before, _mode.tracing = _mode.tracing, notes
    recording, _mode.recording = _mode.recording, True
    try:
        yield
    finally:
        _mode.tracing, _mode.recording = before, recording


class _Trace:
    """A recorded graph on its way to a program.

    nodes are the computed tensors, arguments before results; leaves what they are computed from, which become inputs.
    keeps are (target, value): what `tensor.assign` was asked for.
    """

    def __init__(
        self, root: Tensor, inputs: Iterable[Tensor] = (), keeps: Iterable[tuple[Tensor, Tensor]] = (), since: int = 0
    ) -> None:
        self.root, self.inputs, self.keeps, self.since = root, list(inputs), list(keeps), since
        arrays = {id(t._data): t for t in self.inputs}
        self.nodes = [root] * bool(root.parents)
        seen = {root}
        for node in [*self.nodes, *[value for _, value in self.keeps]]:
            if node not in seen:
                seen.add(node)
                self.nodes.append(node)
        self.parents: dict[Tensor, tuple[Any, ...]] = {}
        for node in self.nodes:  # the list grows while it is read
            own = tuple(_leaf(arrays.get(id(p), p)) for p in node.parents)
            if since:  # this graph was recorded for us alone
                node.parents = own
                node.kwargs = {key: _known(value, arrays) for key, value in node.kwargs.items()}
            for parent in node.parents:
                if isinstance(parent, Tensor) and parent.parents and parent.stamp > since and parent not in seen:
                    seen.add(parent)
                    self.nodes.append(parent)
        self.nodes.sort(key=lambda node: node.stamp)
        if not self.nodes:
            raise RuntimeError("nothing was computed, so there is nothing to trace")

    @classmethod
    def of(cls, f: Callable[..., Any], inputs: list[Tensor]) -> _Trace:
        """What f(*inputs) computes."""
        keeps: list[Any] = []
        since = tick()
        with _tracing(keeps):
            root = f(*inputs)
        if not isinstance(root, Tensor):
            raise TypeError(f"the function has to return a Tensor with a single number, got {type(root).__name__}")
        return cls(root, inputs, keeps, since)

    def constants(self) -> list[Array]:
        """The arrays in the graph that were made while it was recorded, by the function or out of the inputs."""
        found: dict[int, Any] = {}
        for node in self.nodes:
            for value in (*node.parents, *_flat(node.kwargs.values())):
                drawn = isinstance(value, Tensor) and "rng" in value.kwargs
                mine = isinstance(value, np.ndarray) or (
                    isinstance(value, Tensor) and not value.parents and value.stamp > self.since
                )
                if mine and not drawn and all(value is not t for t in self.inputs):
                    found[id(value)] = value
        return [raw(value) for value in found.values()]

    def compare(self, f: Callable[..., Any], inputs: list[Tensor]) -> None:
        """Refuse what would be another program for other numbers."""
        rng = np.random.default_rng(0)
        others = []
        for t in inputs:
            other = Tensor(rng.permutation(t._data.ravel()).reshape(t.shape), name=t.name)
            other._requires_grad = t._requires_grad
            others.append(other)
        with np.errstate(all="ignore"):
            try:
                second = _Trace.of(f, others)
            except (ValueError, ArithmeticError):  # these numbers do not fit f
                return
        mine, theirs = self.constants(), second.constants()
        for a, b in zip(mine, theirs):
            if a.shape == b.shape and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                raise ValueError(
                    f"an array {a.shape} in this graph was computed from the inputs outside of the ops (a comparison, "
                    "t.numpy(), NumPy on a plain array), or is random, so the program would be right for these numbers "
                    "alone. Use relu, maximum, clip, or give the array to the function as an input"
                )
        if [n.op for n in self.nodes] != [n.op for n in second.nodes] or len(mine) != len(theirs):
            raise ValueError("the function computed something else for other numbers; a program has no branches")

    # --- names ----------------------------------------------------------------------------------------------------------

    def program(self) -> Program:
        """Emit it."""
        first_gradient(self.root, None)  # raises what backward() would
        self.called = called = names(self.root, self.nodes)
        for t in self.inputs:
            if id(t) not in called:
                called[id(t)] = _free(t.name or "x", called.taken)
                vars(called).pop("taken")
        self.used = {*called.values(), *(f"d_{name}" for name in called.values()), *dir(builtins), "np", "backprop"}
        self.shapes = {called[id(v)]: np.shape(raw(v)) for v in self._named()}
        self.globals: dict[str, Any] = {}
        for node in self.nodes:
            self.globals |= _globals(node.op)
        self.own: dict[Tensor, dict[str, str]] = {node: {} for node in self.nodes}
        self.done: set[tuple[Tensor, str]] = set()
        forward = [line for node in self.nodes for line in self._forward(node)]
        for target, value in self.keeps:
            forward.append(Line(f"{called[id(target)]}[...]", ast.Name(called[id(value)])))
        backward, results = self._backward()
        loss = called[id(self.root)]
        lines = needed(forward + backward, {loss, *results.values()})
        kept = [line for line in forward if any(line is other for other in lines)]
        back = [line for line in backward if any(line is other for other in lines)]
        kept = _merged(kept, back)
        inputs = self._inputs(kept + back)
        return Program(inputs, kept, back, loss, results, self._helpers(kept + back, set(inputs)))

    def _named(self) -> Iterator[Any]:
        """Everything that has a name: inputs, leaves, results."""
        yield from self.inputs
        for node in self.nodes:
            for value in (*node.parents, *_flat(node.kwargs.values()), node):
                if id(value) in self.called:
                    yield value

    def _inputs(self, lines: list[Line]) -> dict[str, Any]:
        """The inputs: what the function was called with, then the data that the lines need, then the parameters."""
        wanted = set().union(*(loaded(line.value) | line.binds for line in lines))
        computed = {id(node) for node in self.nodes}
        found = {self.called[id(t)]: t for t in self.inputs}
        for value in sorted(self._named(), key=_passes_to):
            name = self.called[id(value)]
            if id(value) not in computed and (name in wanted or f"{name}[...]" in wanted):
                found.setdefault(name, value)
        return found

    def _rename(self, node: Tensor) -> Callable[[str], str]:
        """Names for the values that the op of node has for itself; no two nodes share one."""
        own = self.own[node]

        def rename(name: str) -> str:
            if name not in own:
                own[name] = _free(name, self.used | set(self.globals))
                self.used.add(own[name])
            return own[name]

        return rename

    def _write(self, node: Tensor, expression: ast.expr) -> tuple[list[Line], ast.expr]:
        """An expression of the node's op in the names of the program, and the lines that it needs first."""
        formula = written(node, expression, self.called, self._rename(node), sizes=False)
        lines = []
        for target, value in formula.where:
            line = Line(target, self._plain(value))
            if (node, str(line)) not in self.done:
                self.done.add((node, str(line)))
                lines.append(line)
        return lines, self._plain(formula.tree)

    def _plain(self, tree: ast.expr) -> ast.expr:
        result = _Plain(self.shapes).visit(tree)
        assert isinstance(result, ast.expr)
        return result

    def _forward(self, node: Tensor) -> list[Line]:
        assert node.op is not None
        recipe = read(node.op)
        makes = [line.value for line in recipe.lines if ast.unparse(line.targets[0]) == ast.unparse(recipe.value)]
        lines, tree = self._write(node, makes[0] if len(makes) == 1 else recipe.value)
        return [*lines, Line(self.called[id(node)], tree)]

    # --- the backward pass ----------------------------------------------------------------------------------------------

    def _backward(self) -> tuple[list[Line], dict[str, str]]:
        """The chain rule as lines; and the name of the gradient of each input that has one.

        A gradient is written down once it is complete: the sum of the shares of all that was computed from it.
        """
        called, mine = self.called, set(self.nodes)
        shapes: dict[Tensor, list[Array]] = {}  # of the shares that each node passes on, before broadcasting is undone
        for node, _, parent, _, whole in walk(self.root, first_gradient(self.root, None)):
            if node in mine and parent is not node:
                shapes.setdefault(node, []).append(whole)
        uses = Counter(p for node in shapes for p in node.parents if _passes_to(p))
        lines: list[Line] = []
        shares: dict[Tensor, list[ast.expr]] = {}
        same: dict[str, ast.expr] = {}  # gradients that are just another one: d_a = d_y, where y = a + b
        results: dict[str, str] = {}
        start = Line(f"d_{called[id(self.root)]}", _call("np.ones_like", called[id(self.root)]))
        for node in reversed(self.nodes):
            if node not in shapes:
                continue
            if node is not self.root:
                line = Line(f"d_{called[id(node)]}", _sum(shares.pop(node)))
                if isinstance(line.value, ast.Name):
                    same[line.target] = line.value
                else:
                    lines.append(line)
            for i, whole in zip([i for i, p in enumerate(node.parents) if _passes_to(p)], shapes[node]):
                parent, name = node.parents[i], called[id(node.parents[i])]
                assert node.op is not None
                before, tree = self._write(node, read(node.op).vjp(i))
                lines += before
                tree = renamed(tree, same)
                if node is self.root:
                    tree = _without_one(tree, start.target, name)
                    if start.target in loaded(tree) and start not in lines:
                        lines.insert(0, start)
                tree = _summed_to(tree, whole.shape, parent.shape)
                if whole.dtype != parent.dtype and parent not in mine:
                    tree = _call(ast.Attribute(tree, "astype"), f"np.{parent.dtype}")
                shares.setdefault(parent, []).append(tree)
                uses[parent] -= 1
                if parent not in mine and not uses[parent]:
                    results[name] = f"d_{name}"
                    lines.append(Line(f"d_{name}", _sum(shares.pop(parent))))
        for t in self.inputs:
            if t.requires_grad and (name := called[id(t)]) not in results:
                results[name] = f"d_{name}"
                lines.append(Line(f"d_{name}", _call("np.zeros_like", name)))
        order = [called[id(v)] for v in self._named()]
        return lines, {name: results[name] for name in sorted(results, key=order.index)}

    # --- what the lines call ----------------------------------------------------------------------------------------------

    def _helpers(self, lines: list[Line], given: set[str]) -> str:
        """The imports and functions that stand above the program."""
        bound = set().union(*(line.binds for line in lines))
        free = set().union(*(_unbound(line.value) for line in lines)) - bound - given
        imports, functions = {"import numpy as np"}, dict[str, str]()
        todo = sorted(free)
        for name in todo:  # the list grows while it is read
            if name in functions or name == "np" or (name not in self.globals and name in dir(builtins)):
                continue
            if name not in self.globals:
                raise ValueError(f"{name} cannot be written down: it is neither an array nor a simple value")
            value = self.globals[name]
            if isinstance(value, ModuleType):
                imports.add(f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else ""))
            elif isinstance(value, FunctionType):
                tree = _helper(value)
                functions[name] = ast.unparse(tree)
                local = {arg.arg for arg in ast.walk(tree) if isinstance(arg, ast.arg)}
                local |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                self.globals = value.__globals__ | self.globals
                todo += sorted(_unbound(tree) - local - set(todo))
            elif isinstance(value, (int, float, str)):
                functions[name] = f"{name} = {value!r}"
            else:
                raise ValueError(f"{name} cannot be written down: it is a {type(value).__name__}")
        texts = [functions[name] for name in sorted(functions, key=lambda name: functions[name].startswith("def"))]
        return "\n\n\n".join(["\n".join(sorted(imports)), *texts])


def _helper(f: FunctionType) -> ast.FunctionDef:
    """A function's source without the types; of an op, what gives its value."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise ValueError(f"the source of {f.__name__} cannot be written down")
    tree.returns = None
    for arg in ast.walk(tree.args):
        if isinstance(arg, ast.arg):
            arg.annotation = None
    try:
        recipe = read(f)
    except ValueError:
        pass
    else:
        lines, value = list(recipe.lines), recipe.value
        if lines and ast.unparse(lines[-1].targets[0]) == ast.unparse(value):
            value = lines.pop().value
        documented = [tree.body[0]] if ast.get_docstring(tree) else []
        tree.body = [*documented, *lines, ast.Return(value)]
    return _Plain({}).visit(tree)


def _unbound(tree: ast.AST) -> set[str]:
    """The names in a tree, but for those that a comprehension or a lambda in it binds."""
    own: set[str] = set()
    for part in ast.walk(tree):
        if isinstance(part, ast.comprehension):
            own |= loaded(part.target)
        elif isinstance(part, ast.Lambda):
            own |= {arg.arg for arg in part.args.args}
    return loaded(tree) - own


def _globals(op: Any) -> dict[str, Any]:
    """What the names in an op's source mean, that are not its own."""
    try:
        closed = inspect.getclosurevars(op)
    except TypeError:
        return {}
    return op.__globals__ | closed.nonlocals


def _leaf(value: Any) -> Any:
    """A NumPy number keeps its dtype, as an array."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def _known(value: Any, arrays: Mapping[int, Tensor]) -> Any:
    """A keyword's value in which lists are arrays, and an input's array is the input."""
    if isinstance(value, tuple):
        return tuple(_known(part, arrays) for part in value)
    if isinstance(value, list):
        value = np.array(value)
    return arrays.get(id(value), value)


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from _flat(value) if isinstance(value, tuple) else (value,)


def _passes_to(parent: Any) -> bool:
    return isinstance(parent, Tensor) and parent.requires_grad


def _free(name: str, taken: Iterable[str]) -> str:
    """name, or with the first number that makes it a new one."""
    return name if name not in taken else next(n for k in count(2) if (n := f"{name}{k}") not in taken)


def needed(lines: list[Line], wanted: set[str]) -> list[Line]:
    """The lines that the wanted names depend on, and those that write into an input."""
    kept, wanted = [], set(wanted)
    for line in reversed(lines):
        if line.binds & wanted or line.target.endswith("]"):
            kept.append(line)
            wanted |= loaded(line.value)
    return kept[::-1]


def _merged(forward: list[Line], backward: list[Line]) -> list[Line]:
    """``v = f(x); mean[...] = v`` as one line, where v is used for nothing else."""
    uses = Counter(name for line in forward + backward for name in loaded(line.value))
    into = {
        line.value.id: line
        for line in forward
        if line.target.endswith("]") and isinstance(line.value, ast.Name) and uses[line.value.id] == 1
    }
    return [
        Line(into[line.target].target, line.value) if line.target in into else line
        for line in forward
        if not any(line is other for other in into.values())
    ]


# --- expressions as a person would write them ---------------------------------------------------------------------------


def _call(f: str | ast.expr, *args: str | ast.expr) -> ast.Call:
    f, *given = (ast.parse(part, mode="eval").body if isinstance(part, str) else part for part in (f, *args))
    return ast.Call(f, given, [])


def _sum(shares: list[ast.expr]) -> ast.expr:
    """The shares added up, in the order in which they came; a + a is 2 * a."""
    times = Counter(map(ast.unparse, shares))
    different = {ast.unparse(share): share for share in shares}
    parts = [
        share if times[text] == 1 else ast.BinOp(ast.Constant(times[text]), ast.Mult(), share)
        for text, share in different.items()
    ]
    total = parts[0]
    for part in parts[1:]:
        total = ast.BinOp(total, ast.Add(), part)
    return total


def _summed_to(tree: ast.expr, shape: tuple[int, ...], wanted: tuple[int, ...]) -> ast.expr:
    """What undoes broadcasting, as `tensor.unbroadcast` does."""
    extra = len(shape) - len(wanted)
    steps = [(tuple(range(extra)), False)] if extra > 0 else []
    stretched = tuple(i for i, n in enumerate(wanted) if n == 1 and shape[i + extra] != 1)
    steps += [(stretched, True)] if stretched else []
    for axes, keepdims in steps:
        keywords = [ast.keyword("axis", ast.Constant(axes[0] if len(axes) == 1 else axes))]
        keywords += [ast.keyword("keepdims", ast.Constant(True))] if keepdims else []
        tree = ast.Call(ast.Attribute(tree, "sum"), [], keywords)
    return tree


class _Plain(ast.NodeTransformer):
    """Puts NumPy where an op has what only it needs: ``a @ b`` for ``a.dot(b)``, ``sigmoid(a)`` for ``sigmoid(a)[0]``."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes

    def _shape(self, node: ast.expr) -> tuple[int, ...] | None:
        return self.shapes.get(node.id) if isinstance(node, ast.Name) else None

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        shape = self._shape(node.value)
        if node.attr == "size" and shape == ():
            return ast.Constant(1)
        if node.attr == "mT" and shape is not None and len(shape) == 2:
            node.attr = "T"
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        first = node.values[0]
        if isinstance(node.op, ast.Or) and isinstance(first, ast.Attribute) and first.attr == "size":
            return first if math.prod(self._shape(first.value) or (0,)) else node
        return first if isinstance(first, ast.Constant) and isinstance(node.op, ast.Or) and first.value else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.FloorDiv):
            return self._count(node)
        if isinstance(node.op, (ast.Mult, ast.Div)):
            node.left = self._unspread(node.left, node.right)
            node.right = self._unspread(node.right, node.left)
        return node

    def _count(self, node: ast.BinOp) -> ast.expr:
        """a.size // y.size is the length of the axis that y has not."""
        if isinstance(node.right, ast.Constant) and node.right.value == 1:
            return node.left
        parts = [part.value for part in (node.left, node.right) if isinstance(part, ast.Attribute) and part.attr == "size"]
        if len(parts) < 2:
            return node
        a, y = map(self._shape, parts)
        if a is None or y is None:
            return node
        for axis, n in enumerate(a):
            if y in (a[:axis] + a[axis + 1 :], (*a[:axis], 1, *a[axis + 1 :])) and a.count(n) == 1:
                return _call("len", parts[0]) if axis == 0 else ast.parse(f"{unparsed(parts[0])}.shape[{axis}]", mode="eval").body
        return node

    def _unspread(self, spread: ast.expr, other: ast.expr) -> ast.expr:
        """Beside an array of the full shape NumPy broadcasts by itself."""
        if isinstance(spread, ast.Call) and ast.unparse(spread.func) == "np.broadcast_to":
            full = spread.args[1]
            if isinstance(full, ast.Attribute) and self._shape(full.value) is not None and isinstance(full.value, ast.Name):
                if self._shape(other) == self._shape(full.value):
                    return spread.args[0]
        return spread

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        f = node.func
        if isinstance(f, ast.Attribute) and f.attr == "dot" and len(node.args) == 1:
            return ast.BinOp(f.value, ast.MatMult(), node.args[0])
        if isinstance(f, ast.Name) and f.id == "spread" and all(isinstance(arg, (ast.Constant, ast.Tuple)) or _minus(arg) for arg in node.args[2:]):
            g, a, axis, keepdims = node.args
            whole = isinstance(axis, ast.Constant) and axis.value is None
            if not (whole or (isinstance(keepdims, ast.Constant) and keepdims.value)):
                g = _call("np.expand_dims", g, axis)
            return _call("np.broadcast_to", g, ast.Attribute(a, "shape"))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and ast.unparse(node.slice) == "0":
            f = getattr(ops, call.func.id, None)
            if f is not None and f.__annotations__.get("return") == "Result":
                return call
        return node


def _minus(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)


class _One(ast.NodeTransformer):
    """Works out products with a name that stands for 1."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _is(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self.name

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if self._is(one):
                    return other
                if isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub) and self._is(one.operand):
                    return ast.UnaryOp(ast.USub(), other)
                if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div) and self._is(one.left):
                    return ast.BinOp(other, ast.Div(), one.right)
        return node


def _without_one(tree: ast.expr, one: str, parent: str) -> ast.expr:
    """The gradient that a loss passes on, where its own, which is 1, need not be written. What is then a plain number, or
    is repeated, becomes an array like the parent."""
    tree = _One(one).visit(tree)
    if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "np.broadcast_to":
        full = tree.args[1]
        if isinstance(full, ast.Attribute) and ast.unparse(full) == f"{parent}.shape":
            tree = tree.args[0]
    if isinstance(tree, ast.Name) and tree.id == one:
        return _call("np.ones_like", parent)
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div) and isinstance(tree.left, ast.Name) and tree.left.id == one:
        tree.left = ast.Constant(1)
    names_ = {ast.unparse(part) for part in ast.walk(tree) if isinstance(part, ast.Name)}
    if one not in names_ and not (names_ - _measured(tree)):
        return _call("np.full_like", parent, tree)
    return tree


def _measured(tree: ast.expr) -> set[str]:
    """Names of which an expression takes the size alone."""
    found = {"len"}
    for part in ast.walk(tree):
        if isinstance(part, ast.Attribute) and part.attr in ("size", "shape") and isinstance(part.value, ast.Name):
            found.add(part.value.id)
        if isinstance(part, ast.Call) and ast.unparse(part.func) == "len" and isinstance(part.args[0], ast.Name):
            found.add(part.args[0].id)
    return found


# --- the gradient of a gradient -----------------------------------------------------------------------------------------


def _put(g: Array, a: Array, *, index: Any) -> ops.Result:
    """y = zeros like a, with g added at index; its derivative is getitem"""
    return ops.put(g, a, index), lambda d: d[index], lambda d: np.zeros_like(a)


def _each(f: Callable[[float], float], a: Any) -> Any:
    """`ops.each` of Tensors: of the functions that have a derivative here."""
    if f is math.erf:
        return Tensor.erf(a)
    if f is math.erfc:
        return 1 - Tensor.erf(a)
    return ops.each(f, raw(a))


def _einsum_share(g: Any, i: int, arrays: tuple[Any, ...], subscripts: str) -> Any:
    terms, out = ops.einsum_letters(subscripts, tuple(raw(a) for a in arrays))
    if len(set(terms[i])) < len(terms[i]):
        raise ValueError(f'einsum "{subscripts}" takes a diagonal; its second derivative is not written down')
    ones = np.ones_like(raw(arrays[i]))
    text = ",".join([*terms, out]) + "->" + terms[i]
    return apply(ops.einsum, *arrays[:i], ones, *arrays[i + 1 :], g, subscripts=text)


_FOR_TENSORS: dict[str, Any] = {
    "each": _each,
    "put": lambda g, a, index: apply(_put, g, raw(a), index=index),
    "einsum_share": _einsum_share,
}


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The gradient of f as a function of the same arguments.

    Parameters
    ----------
    f : a function of Tensors that returns one with a single number
    argnums : the number of the argument to differentiate by, or several; the result is then a tuple

    The result can be differentiated again: each time the program of the gradient is recorded. Called with a Tensor it
    returns one.

    Raises
    ------
    What `trace` raises; TypeError for an argument that does not hold floats

    Examples
    --------
    >>> f = lambda x: x**3
    >>> float(grad(f)(2.0)), float(grad(grad(f))(2.0)), float(grad(grad(grad(f)))(2.0))
    (12.0, 12.0, 6.0)
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def gradient(*args: Any) -> Any:
        given = []
        for i, (name, value) in enumerate(zip(_parameters(f, len(args)), args)):
            wanted = i in numbers or i - len(args) in numbers
            t = Tensor(value, requires_grad=wanted, name=name) if wanted else as_input(name, raw(value))
            given.append(t)
        program = trace(f, *given)
        tensors = [a if isinstance(a, Tensor) else t._data for a, t in zip(args, given)]
        _, gradients = program(*tensors)
        found = list(program.inputs)
        results = tuple(gradients[found[i]] for i in numbers)
        return results[0] if isinstance(argnums, int) else results

    return gradient


def hessian(f: Callable[..., Any]) -> Callable[[Any], Array]:
    """The matrix of second derivatives of f, a function of one array, as a function: H[i, j] = d²f / dx_i dx_j.

    Returns
    -------
    function of x : an array of shape x.shape + x.shape. It takes one backward pass through the gradient's program for each
        element of x

    Examples
    --------
    >>> hessian(lambda x: (x * x).sum() + x[0] * x[1])([1.0, 2.0])
    array([[2., 1.],
           [1., 2.]])
    """

    def matrix(x: Any) -> Array:
        x, g = _differentiable(f, x)
        basis = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
        return np.array([_pull_back(g, row, x) for row in basis]).reshape(x.shape + x.shape)

    return matrix


def hvp(f: Callable[..., Any]) -> Callable[[Any, Any], Array]:
    """Products of the Hessian of f with a vector, as a function: (x, v) -> H v. One backward pass; H is never built.

    References
    ----------
    Pearlmutter 1994, "Fast exact multiplication by the Hessian".

    Examples
    --------
    >>> hvp(lambda x: (x * x).sum() + x[0] * x[1])([1.0, 2.0], [1.0, 0.0])
    array([2., 1.])
    """

    def product(x: Any, v: Any) -> Array:
        x, g = _differentiable(f, x)
        v = np.asarray(raw(v), x.dtype)
        if v.shape != x.shape:
            raise ValueError(f"the vector has shape {v.shape}, x has {x.shape}")
        return _pull_back(g, v, x)

    return product


def _differentiable(f: Callable[..., Any], x: Any) -> tuple[Tensor, Any]:
    """x as a Tensor, and the gradient of f there, recorded."""
    t = Tensor(x, requires_grad=True, name="x")
    return t, grad(f)(t)


def _pull_back(g: Any, v: Array, x: Tensor) -> Array:
    """The gradient of g · v with respect to x."""
    total = np.zeros(x.shape, x.dtype)
    if isinstance(g, Tensor) and g.requires_grad:
        for _, _, parent, share, _ in walk(g, v):
            if parent is x:
                total += share
    return total
