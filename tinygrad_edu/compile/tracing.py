"""The program of a training step: model and loss are traced as they are in training, and left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from operator import is_
from types import CellType, FunctionType
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..guards.loss_hints import require_loss
from ..program.program import Program
from ..program.trace import Trace, as_input
from .values import CannotCompile


class StepTracer:
    """Model, loss and optimizer, with the mode that each layer has now: training or evaluation."""

    def __init__(
        self,
        model: Layer,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        modes: list[bool] | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        layers = [layer for _, layer in model.named_layers()]
        self._tables = dict[int, Array]()  # what NumPy computes from the labels, see `Trace`
        self._modes = list(zip(layers, modes or [layer.training for layer in layers], strict=True))

    def modes(self, model: Layer) -> list[bool]:
        """Return the mode of each layer that model has now; a new one has the mode of the model."""
        known = {id(layer): mode for layer, mode in self._modes}
        return [known.get(id(layer), known[id(model)]) for _, layer in model.named_layers()]

    def source(self, X: Array, y: Array, gradients: list[str]) -> str:
        """Return the text of the program for a batch."""
        with self._as_in_training() as (f, _):
            inputs = [as_input("X", X), as_input("y", y)]
            return Trace.of(f, inputs, ["X", "y"], self._tables).program(gradients).source

    def program(self, X: Array, y: Array) -> tuple[Program, str]:
        """Return the program of the optimizer's gradients for a batch, and the name of the model's output in it.

        Where NumPy reads the labels beside the ops, as in W[y], the loss is traced once more with its arrays, W, as
        Tensors: then nothing is beside the ops.
        """
        found, problem = None, None
        try:
            found = self._program(X, y)
        except (TypeError, ValueError) as error:
            problem = error
        loss, tables = self.loss, self._tables
        if (problem or tables) and (other := on_tensors(loss)) is not None:
            self.loss, self._tables = other, {}
            with suppress(Exception):
                return self._program(X, y)
            self.loss, self._tables = loss, tables
        if found is None:
            assert problem is not None
            raise problem
        return found

    def _program(self, X: Array, y: Array) -> tuple[Program, str]:
        inputs = [as_input("X", X), as_input("y", y)]
        with self._as_in_training() as (f, outputs):
            recorded = Trace.of(f, inputs, ["X", "y"], self._tables)
            recorded.program()
            params = [p for p in self.optimizer.params if p.requires_grad and id(p) in recorded.called]
            trained = [recorded.called[id(p)] for p in params]
            if not trained:
                raise RuntimeError("the loss does not depend on any parameter of this optimizer")
            try:
                return recorded.checked_program(f, trained), recorded.called[id(outputs[0])]
            except ValueError as error:
                raise CannotCompile(f"{error}; or train without compiled=True") from error

    @contextmanager
    def _as_in_training(self) -> Iterator[tuple[Callable[[Tensor, Tensor], Tensor], list[Tensor]]]:
        """Give the loss as a function of a batch, and a list of what the model returned in it. Inside, layers have the
        modes of the beginning; afterwards modes and generators are as before."""
        outputs: list[Tensor] = []

        def f(X: Tensor, y: Tensor) -> Tensor:
            outputs.append(self.model(X))
            cost = self.loss(outputs[-1], y)
            require_loss(cost)
            return cost

        inside = [value for layer, _ in self._modes for value in vars(layer).values()]
        states = {id(g): (g, g.bit_generator.state) for g in inside if isinstance(g, np.random.Generator)}
        modes = [(layer, layer.training) for layer, _ in self._modes]
        self.model.named_parameters()  # their paths become their names
        try:
            for layer, mode in self._modes:
                layer.training = mode
            yield f, outputs
        finally:
            for layer, mode in modes:
                layer.training = mode
            for g, state in states.values():
                g.bit_generator.state = state


def on_tensors(loss: Any) -> Any:
    """Return a function with Tensors for the arrays that it reads from outside, over the same numbers; None if there
    are none."""
    if isinstance(loss, partial):
        function, keywords = on_tensors(loss.func), {name: constant(value) for name, value in loss.keywords.items()}
        same = function is None and all(keywords[name] is value for name, value in loss.keywords.items())
        return None if same else partial(function or loss.func, *loss.args, **keywords)
    if not isinstance(loss, FunctionType):
        return None
    read = {name: loss.__globals__[name] for name in loss.__code__.co_names if name in loss.__globals__}
    space = {name: made for name, value in read.items() if (made := constant(value)) is not value}
    before = [cell.cell_contents for cell in loss.__closure__ or ()]
    cells = [constant(value) for value in before]
    if not space and all(map(is_, before, cells)):
        return None
    made = FunctionType(
        loss.__code__, loss.__globals__ | space, loss.__name__, loss.__defaults__, tuple(map(CellType, cells))
    )
    made.__kwdefaults__ = loss.__kwdefaults__
    return made


def constant(value: Any) -> Any:
    """Return an array of numbers as a Tensor of the same memory, which follows its changes; all else as it is."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or not value.ndim:
        return value
    made = Tensor(value)
    made.array = value
    return made


def set_modes(model: Layer, modes: list[bool]) -> None:
    """Give each layer a mode, in the order of `Layer.named_layers`."""
    for (_, layer), mode in zip(model.named_layers(), modes, strict=True):
        layer.training = mode
