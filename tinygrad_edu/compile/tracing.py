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
from .watch import is_theirs

FEW = 64  # samples


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
        if len(X) >= 2 * FEW and (small := self._of_few(X[:FEW], y[:FEW])) is not None:
            return small
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

    def _of_few(self, X: Array, y: Array) -> tuple[Program, str] | None:
        """Return the program for a part of the batch, whose seven runs take little memory; None if it may not be that
        of the whole."""
        try:
            program, output = self._program(X, y)
        except Exception:
            self._tables = {}
            return None
        drawn = any("rng" in getattr(leaf, "kwargs", ()) for leaf in program.leaves.values())
        if program.any_size and not drawn and not self._tables:
            return program, output
        self._tables = {}
        return None

    def _program(self, X: Array, y: Array) -> tuple[Program, str]:
        inputs = [as_input("X", X), as_input("y", y)]
        with self._as_in_training() as (f, outputs):
            recorded = Trace.of(f, inputs, ["X", "y"], self._tables)
            recorded.name()
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
        """Give the loss as a function of a batch, and a list of what the model returned at first.

        Inside, layers have the modes of the beginning; afterwards modes and generators are as before.
        """
        outputs: list[Tensor] = []

        def f(X: Tensor, y: Tensor) -> Tensor:
            output = self.model(X)
            cost = self.loss(output, y)
            require_loss(cost)
            if not outputs:  # the graphs of further runs go when they have been compared
                outputs.append(output)
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


def on_tensors(loss: Any, within: tuple[Any, ...] = ()) -> Any:
    """Return a function with Tensors for the arrays that it, and the functions of the user's in it, read from outside,
    over the same numbers; None if there are none. within are the functions that it is in."""

    def made(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim:
            tensor = Tensor(value)
            tensor.array = value  # not a copy: its changes are followed
            return tensor
        return on_tensors(value, (*within, loss)) or value

    if isinstance(loss, partial):
        function, keywords = made(loss.func), {name: made(value) for name, value in loss.keywords.items()}
        same = function is loss.func and all(map(is_, keywords.values(), loss.keywords.values()))
        return None if same else partial(function, *loss.args, **keywords)
    if not isinstance(loss, FunctionType) or loss in within or not is_theirs(loss):
        return None
    names = [name for name in loss.__code__.co_names if name in loss.__globals__]
    space = {name: value for name in names if (value := made(loss.__globals__[name])) is not loss.__globals__[name]}
    before = [cell.cell_contents for cell in loss.__closure__ or ()]
    cells = list(map(made, before))
    if not space and all(map(is_, before, cells)):
        return None
    closure = tuple(map(CellType, cells)) if cells else None
    new = FunctionType(loss.__code__, loss.__globals__ | space, loss.__name__, loss.__defaults__, closure)
    new.__kwdefaults__ = loss.__kwdefaults__
    return new


def set_modes(model: Layer, modes: list[bool]) -> None:
    """Give each layer a mode, in the order of `Layer.named_layers`."""
    for (_, layer), mode in zip(model.named_layers(), modes, strict=True):
        layer.training = mode
