"""The programs of many networks in a small space: each line stands on the page once, as Python and as a function.

A program there is a list of the numbers of its lines. So the page can run a program as a whole or one line at a time,
and every value in it has a name to be looked up by.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.layers import ACTIVATIONS, Sequential, Tanh, mlp
from ..core.losses import cross_entropy, mse_loss
from ..core.ops import Array
from ..core.tensor import Tensor
from ..program.expressions import loaded
from ..program.javascript import RESERVED
from ..program.javascript_arrays import Arrays
from ..program.program import Program
from ..program.trace import Trace
from ..program.writer import Line
from .emit import compact, wrapped

DEEPEST = 6
LINEAR = "linear"  # on the page: no activation between the layers
LOSSES = {"cross_entropy": cross_entropy, "mse_loss": mse_loss}


class Book:
    """Programs whose lines are written once each.

    Attributes
    ----------
    lines : text of a line to its number
    written : the lines as JavaScript: [target, function of an object that has the values by name]
    functions : by name, what these call
    runs : lists of numbers of lines, which several programs share, as JSON
    helpers : texts of helpers, which several programs share, as JSON
    heads : inputs and the number of the helpers of programs, as JSON
    """

    def __init__(self) -> None:
        self.lines, self.runs, self.heads = dict[str, int](), dict[str, int](), dict[str, int]()
        self.helpers, self.written, self.functions = dict[str, int](), list[str](), dict[str, str]()

    def enter(self, program: Program) -> list[int]:
        """Write a program down. Return the numbers of its head and of its four runs of lines.

        The forward pass is cut behind the outputs, and the backward pass before the gradient of the last weights: so a
        network has two runs that serve it with every loss.
        """
        first = 1 + [line.target for line in program.forward].index("outputs")
        last = [line.target.startswith("d_W") for line in program.backward].index(True)
        runs = [program.forward[:first], program.forward[first:], program.backward[:last], program.backward[last:]]
        numbers = [compact([self.number(line, program.helpers) for line in run]) for run in runs]
        helpers = self.helpers.setdefault(compact(program.helpers), len(self.helpers))
        assert program.gradients == [name for name in program.inputs if name[0] in "Wb"]  # as programs.js has it
        head = compact([[*program.inputs], helpers])
        return [self.heads.setdefault(head, len(self.heads))] + [
            self.runs.setdefault(run, len(self.runs)) for run in numbers
        ]

    def number(self, line: Line, helpers: str) -> int:
        """Return the number of a line. A new one is written as JavaScript."""
        text = str(line)
        if text not in self.lines:
            self.written.append(self.function(text, helpers))
        return self.lines.setdefault(text, len(self.lines))

    def function(self, text: str, helpers: str) -> str:
        """Return a line as JavaScript, and keep the functions that it calls.

        Raises
        ------
        ValueError : it has something that cannot be written in JavaScript
        """
        scope: dict[str, Any] = {}
        exec(helpers, scope)
        (line,), own = ast.parse(text).body, {f.name: f for f in ast.parse(helpers).body if hasattr(f, "name")}
        writer = Arrays({**vars(builtins), **scope})
        names = sorted(loaded(line) - {*writer.scope})
        writer.where, writer.bound = text, {*names}
        match line:
            case ast.Assign([ast.Name(target)], value) if not RESERVED & {*names}:
                names.remove(target)
                made = f'["{target}", ({{{", ".join(names)}}}) => {writer(value)}]'
            case _:
                writer.refuse(line)
        for f in writer.called:
            self.functions[f.__name__] = Arrays(writer.scope).function(own[f.__name__], f.__name__)
        return made

    def javascript(self, programs: Iterable[str]) -> str:
        """Return the book as an expression; programs are the entries of an object, by name what `enter` returned."""
        parts = {"lines": self.written, "runs": self.runs, "helpers": self.helpers, "heads": self.heads}
        lists = [f"const {name} = [\n{', '.join(part)}\n];".replace("], [", "],\n[") for name, part in parts.items()]
        lists += [f"const texts = {compact([*self.lines])};"]
        rows = ",\n".join(programs)
        return wrapped(
            "\n".join([*self.functions.values(), *lists]), f"lines, texts, runs, helpers, heads, programs: {{{rows}}}"
        )


def networks() -> Iterator[tuple[str, Program]]:
    """Yield the programs of the playground by name: depth, activation, loss, and whether there is dropout."""
    for loss in LOSSES:
        yield f"0 - {loss}", network(0, "tanh", loss)
    for depth in range(1, DEEPEST + 1):
        for activation in [*ACTIVATIONS, LINEAR]:
            for loss in LOSSES:
                for dropout in (0.0, 0.5):
                    yield (
                        f"{depth} {activation} {loss}{' dropout' * bool(dropout)}",
                        network(depth, activation, loss, dropout),
                    )


def network(depth: int, activation: str, loss: str, dropout: float = 0.0) -> Program:
    """Return the program of a network with so many hidden layers and a loss. It serves every width and batch size."""
    model = perceptron([2, *[4] * depth, 3], activation, dropout, rng=0)
    X = np.random.default_rng(0).standard_normal((4, 2))
    y: Array = np.array([0, 1, 2, 0]) if loss == "cross_entropy" else np.linspace(-2, 2, 12).reshape(4, 3)

    def compute(X: Tensor, y: Tensor) -> Tensor:
        outputs = model(X)
        outputs.name = "outputs"
        return LOSSES[loss](outputs, y)

    return Trace.of(compute, [Tensor(X, name="X"), Tensor(y, name="y")], ["X", "y"]).program()


def perceptron(sizes: Sequence[int], activation: str, dropout: float, rng: Rng) -> Sequential:
    """Return a network of `mlp`, or for "linear" one without activations, whose weights begin as those of Linear do."""
    if activation != LINEAR:
        return mlp(sizes, activation, dropout, rng=rng)
    layers = mlp(sizes, "tanh", dropout, rng=rng).layers
    return Sequential(*[layer for layer in layers if not isinstance(layer, Tanh)])


@cache
def book() -> str:
    """Return the programs of the playground as an expression in JavaScript."""
    made = Book()
    rows = [f'"{name}": {compact(made.enter(program))}' for name, program in networks()]
    return made.javascript(rows)
