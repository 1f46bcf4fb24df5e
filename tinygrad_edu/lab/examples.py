"""The graphs of the Backprop tab: lines of Python, run here and shown there, and the numbers that they begin with."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from ..core.losses import cross_entropy
from ..core.tensor import Tensor


class Example(NamedTuple):
    """A graph for the page.

    Attributes
    ----------
    title, about : what a choice of graphs says, and what to look at
    code : lines of Python that compute ``loss``
    leaves, data : numbers by name: those that get a gradient, and the others
    most : the largest whole number in an array of data, by its name
    """

    title: str
    about: str
    code: str
    leaves: Mapping[str, Any]
    data: Mapping[str, Any] = {}
    most: Mapping[str, int] = {}

    def words(self) -> tuple[str, str, str, Mapping[str, int]]:
        """Return what `graphs.explorer` is told beside the loss."""
        return self.title, self.about, self.code, self.most

    def loss(self) -> Tensor:
        """Run the code. Its names become names of the Tensors."""
        known: dict[str, Any] = {"tg": SimpleNamespace(cross_entropy=cross_entropy, linear=Tensor.linear)}
        known |= {name: Tensor(value, requires_grad=True, name=name) for name, value in self.leaves.items()}
        known |= {name: Tensor(value, name=name) for name, value in self.data.items()}
        exec(self.code, known)
        for name, value in known.items():
            if isinstance(value, Tensor):
                value.name = name
        loss = known["loss"]
        assert isinstance(loss, Tensor)
        return loss


DOUBLINGS = "\n".join(["y1 = x + x", *(f"y{k} = y{k - 1} + y{k - 1}" for k in range(2, 5)), "loss = y4 + y4"])
EXAMPLES = {
    "product": Example(
        "a product and a sum",
        "A sum hands its gradient on as it is. A product hands it to each factor, times the other one.",
        "loss = a * b + c",
        {"a": 2.0, "b": -3.0, "c": 10.0},
    ),
    "meeting": Example(
        "paths that meet",
        "h is used three times. Its gradient is the sum of three shares, and only when the last one has arrived may h "
        "pass it on.",
        "h = a * b\nloss = h * h + h",
        {"a": 2.0, "b": -1.5},
    ),
    "neuron": Example(
        "a neuron",
        "tanh lets little through where it is flat: make b large, and watch the gradient vanish.",
        "z = w1 * x1 + w2 * x2 + b\nloss = z.tanh()",
        {"w1": -0.8, "w2": 0.6, "b": 0.9},
        {"x1": 1.5, "x2": -0.5},
    ),
    "softmax": Example(
        "softmax and cross-entropy",
        "Softmax and loss are one node, whose gradient is the probabilities minus 1 at the label.",
        "z = X @ W + b\nloss = tg.cross_entropy(z, labels)",
        {"W": [[0.5, -0.3, 0.1], [-0.2, 0.4, 0.7]], "b": [0.1, 0.0, -0.1]},
        {"X": [[1.0, 2.0]], "labels": [0]},
        {"labels": 2},
    ),
    "mlp": Example(
        "a network of 2, 2 and 1 units",
        "Two samples at once: arrays for numbers. A bias was added to both rows, so its gradient is summed over them.",
        "z = tg.linear(X, W1, b1)\nh = z.tanh()\ny = tg.linear(h, W2, b2)\nloss = ((y - target) ** 2).mean()",
        {"W1": [[0.6, -0.4], [0.3, 0.8]], "b1": [0.0, 0.1], "W2": [[1.1], [-0.7]], "b2": [0.2]},
        {"X": [[1.0, -1.0], [0.5, 2.0]], "target": [[1.0], [0.0]]},
    ),
    "doubling": Example(
        "five doublings",
        "Each line uses the last one twice, which doubles the number of paths. Backprop visits each node once; plain "
        "recursion, at 60 such lines, would take 10¹⁸ visits.",
        DOUBLINGS,
        {"x": 0.5},
    ),
}
