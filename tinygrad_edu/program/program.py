"""Backprop as a program: a recorded graph, written down as the straight-line NumPy that a person would have written.

`trace` runs a function once and writes down its forward and backward pass, one assignment a line, out of the ops'
own sources: the formula of a derivative in the program is the text that the engine runs. The program needs NumPy alone.
It is ordinary array code, so Tensors can go through it as well: the gradient of a gradient is one more trace
(`derivatives`), and the engine stays first order. `compile` makes machine code of the same text.
"""

from __future__ import annotations

import base64
import linecache
import zlib
from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..core.ops import Array
from ..core.tensor import Tensor, unwrap
from . import javascript_arrays
from .on_tensors import run_on_tensors
from .writer import Line


class Program:
    """Forward and backward pass of one function, as NumPy source that runs without this package. Made by `trace`.

    Attributes
    ----------
    source : the text
    inputs : name to array, in the order of the arguments; copies from the time of the trace
    leaves : name to the Tensor or array that an input is a copy of
    gradients : names of the inputs that get a gradient
    results : name of an input to the name of its gradient in the text
    forward, backward : lines of the two passes
    helpers : text above them: imports, and the functions that the lines call
    own : names of helpers to the names of the functions of this package that they are copies of
    loss : name of the loss
    any_size : False if a length that Python asked for (``len(x)``) is a number in the text, as far as `trace` can tell

    Examples
    --------
    >>> from tinygrad_edu import trace
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
        leaves: Mapping[str, Any],
        forward: list[Line],
        backward: list[Line],
        loss: str,
        gradients: list[str],
        helpers: str,
        own: Mapping[str, str],
    ) -> None:
        self.leaves = dict(leaves)
        self.inputs = {name: np.array(unwrap(value)) for name, value in leaves.items()}
        self.forward, self.backward, self.helpers, self.own = forward, backward, helpers, dict(own)
        self.loss, self.gradients, self.any_size = loss, gradients, True
        self.results = {name: f"d_{name}" for name in gradients}
        self.source = self.text()

    def text(self, shapes: bool = False) -> str:
        """Return the source; with shapes=True, the shape of each value stands behind its line."""
        values = self.values() if shapes else {}
        column = max(len(str(line)) for line in self.forward + self.backward) + 6

        def shown(line: Line) -> str:
            known = [str(np.shape(values[name])) for name in sorted(line.binds) if name in values]
            return f"{f'    {line}':<{column}}# {', '.join(known)}" if known else f"    {line}"

        results = ", ".join(f'"{name}": {result}' for name, result in self.results.items())
        head = [f"def backprop({', '.join(self.inputs)}):", "    # forward", *map(shown, self.forward)]
        tail = ["", "    # backward", *map(shown, self.backward), f"    return {self.loss}, {{{results}}}"]
        return "\n".join([self.helpers, "", "", *head, *tail, ""])

    def __call__(self, *inputs: Any, **named: Any) -> tuple[Any, dict[str, Any]]:
        """Run the program.

        Parameters
        ----------
        inputs, named : values in the order or by the names of ``inputs``; the others are those of the trace. An array
            that the program writes into (a running mean) is changed. With a Tensor among them the program runs on
            Tensors, so the gradients can be differentiated again

        Returns
        -------
        (loss, gradients) : gradients is a dict, name to array

        Raises
        ------
        TypeError : a name that is no input; too many values; a value that is not numbers
        ValueError : a shape that does not fit the program
        """
        values = self._arguments(inputs, named)
        if any(isinstance(value, Tensor) for value in values.values()):
            return self.on_tensors(values)
        loss, gradients = self._namespace["backprop"](**values)
        return loss, {name: np.array(gradient) for name, gradient in gradients.items()}

    def on_tensors(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Run the program on Tensors; values has all inputs. Return (loss, gradients), which have a graph."""
        found = run_on_tensors(self.helpers, self.own, self.forward + self.backward, values)
        return found[self.loss], {name: found[result] for name, result in self.results.items()}

    def _arguments(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return all inputs by name. A given array is handed on, not copied, if its dtype can stay."""
        if len(inputs) > len(self.inputs):
            raise TypeError(f"the program takes {', '.join(self.inputs)}; {len(inputs)} values were given")
        given = dict(zip(self.inputs, inputs))
        for name in named:
            if name not in self.inputs or name in given:
                problem = "was given twice" if name in given else "is not an input"
                raise TypeError(f"{name} {problem}; the program takes {', '.join(self.inputs)}")
        values: dict[str, Any] = {name: array.copy() for name, array in self.inputs.items()}
        return values | {name: self._fitting(name, value) for name, value in {**given, **named}.items()}

    def _fitting(self, name: str, value: Any) -> Any:
        """Return a given value as a Tensor or array of numbers, if it fits the input of this name."""
        traced = self.inputs[name]
        value = value if isinstance(value, Tensor) else np.asarray(value)
        if value.dtype.kind in "iub" and traced.dtype.kind == "f":
            value = value.astype(traced.dtype)
        if value.dtype.kind not in "fiub":
            raise TypeError(f"{name} is {value.dtype}; a program takes numbers, and no complex ones")
        if value.ndim != traced.ndim:
            raise ValueError(
                f"{name} has shape {value.shape}; a program keeps the number of axes that it had, {traced.shape}"
            )
        if any(n != m and (n == 1 or not self.any_size) for n, m in zip(traced.shape, value.shape)):
            raise ValueError(
                f"{name} has shape {value.shape}, but its shape when the program was traced, {traced.shape}, is in "
                "the text: there was one sample only, or Python asked how many there are, as by len(x). Trace it again"
            )
        return value

    @cached_property
    def _namespace(self) -> dict[str, Any]:
        """The names that the source defines. A traceback shows the lines of the source."""
        file = f"<backprop {zlib.crc32(self.source.encode())}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        namespace: dict[str, Any] = {}
        exec(compile(self.source, file, "exec"), namespace)
        return namespace

    def values(self, *inputs: Any, **named: Any) -> dict[str, Any]:
        """Run the program line by line, and return all inputs and computed values by name.

        Parameters
        ----------
        inputs, named : as for a call
        """
        helpers: dict[str, Any] = {}
        exec(self.helpers, helpers)
        namespace = helpers | self._arguments(inputs, named)
        for line in self.forward + self.backward:
            exec(str(line), namespace)
        return {name: value for name, value in namespace.items() if name not in helpers}

    def save(self, path: Any) -> None:
        """Write a file that runs by itself, with the inputs of the trace in it.

        ``python FILE`` shows the loss and the norm of each gradient.
        """
        arrays = "\n".join(f"        {name}={_embedded(value)}," for name, value in self.inputs.items())
        text = self.source
        if "unpacked(" in arrays:
            text = f"import base64\nimport zlib\n{text}{_UNPACKED}"
        Path(path).write_text(text + _MAIN.format(arrays), encoding="utf-8")

    def javascript(self) -> str:
        """Return the program as JavaScript, line by line, on the arrays of `javascript_arrays.runtime`.

        Every size that fits the program fits it, too (see ``any_size``). Numbers are float64.

        Raises
        ------
        ValueError : an input is float32; a line has something that cannot be written in JavaScript, as np.einsum

        Examples
        --------
        >>> from tinygrad_edu import trace
        >>> print(trace(lambda x: (x * x).sum(), [1.0, 2.0]).javascript())
        function backprop(x) {
          const v = np.multiply(x, x);
          const loss = np.sum(v);
          const d_v = np.ones_like(v);
          const d_x = np.multiply(2, np.multiply(d_v, x));
          return [loss, {'x': d_x}];
        }
        """
        for name, array in self.inputs.items():
            if array.dtype.kind == "f" and array.dtype != np.float64:
                raise ValueError(f"{name} is {array.dtype}, and JavaScript's numbers are float64")
        return javascript_arrays.program(self.source)

    def __repr__(self) -> str:
        results, lines = ", ".join(self.results.values()), self.forward + self.backward
        return f"Program({', '.join(self.inputs)} -> {self.loss}, {results}; {len(lines)} lines)"

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{escape(self.source)}</pre>'


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
    """Return an array as Python source; a large one compressed."""
    if value.size <= 64 and np.isfinite(value).all():
        return f'np.array({value.tolist()}, "{value.dtype}")'
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(value).tobytes())).decode()
    return f'unpacked(\n            {packed!r},\n            "{value.dtype}",\n            {value.shape},\n        )'
