"""PyTorch's names for what a Tensor has under NumPy's: refused, with the name here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.ops import Result


def python_number(x: Any) -> Any:
    """Return a number of NumPy's as Python's, anything else as it is."""
    return x.item() if isinstance(x, np.floating) else x


def as_tuple(x: Any) -> Any:
    """Return a list as a tuple, anything else as it is."""
    return tuple(x) if type(x) is list else x


class Elsewhere:
    """An attribute that another library's class has. Who asks for it is told its name here."""

    def __init__(self, name: str, ours: str, what: str = "a Tensor", whose: str = "PyTorch's") -> None:
        self.name, self.ours, self.what, self.whose = name, ours, what, whose

    def __get__(self, t: Any, owner: type) -> Any:
        raise AttributeError(f"{self.what} has no {self.name}, which is {self.whose}: {self.ours}")


TORCHS_METHODS = {
    "view": "t.reshape(shape) is the same here",
    "permute": "t.transpose(axes) is the same here",
    "clamp": "t.clip(low, high) is the same here",
    "gather": "t.take_along_axis(indices, axis) is the same here",
    "unsqueeze": "t.expand_dims(axis) is the same here",
    "expand": "t.broadcast_to(shape) is the same here",
    "index_select": "t.take(indices, axis) is the same here",
    "masked_fill": "tg.where(mask, value, t) is the same here",
    "numel": "t.size is the number of elements",
    "dim": "t.ndim is the number of axes",
    "mm": "t @ other is the same here",
    "bmm": "t @ other is the same here",
    "clone": "t.copy() is the same here",
    "double": "t.astype(np.float64) is the same here",
    "to": "t.astype(dtype) is another dtype, and everything is on the processor",
    "cpu": "everything is on the processor here",
    "cuda": "everything is on the processor here",
    "requires_grad_": "t.requires_grad = True is the same here",
    "zero_": "t.data[...] = 0 changes a leaf",
}

THEIR_LAYERS = {  # the attribute: whose it is, and what is here
    "weight": ("PyTorch's", "layer.W has shape (in_features, out_features), its transpose; a Conv2d's is PyTorch's"),
    "bias": ("PyTorch's", "layer.b is the same here"),
    "zero_grad": ("PyTorch's", "optimizer.zero_grad() is the same here"),
    **dict.fromkeys(
        ["to", "cpu", "cuda"], ("PyTorch's", "everything is on the processor, in the dtype of mlp(dtype=)")
    ),
    "append": ("PyTorch's", "tg.Sequential(*model.layers, layer) is a longer model"),
    "fit": ("Keras's", "tg.fit(model, X, y, loss, optimizer) trains"),
    "evaluate": ("Keras's", "tg.evaluate(model, X, y, loss) has loss and accuracy"),
    "compile": ("Keras's", "tg.fit takes loss and optimizer; compiled=True trains in machine code"),
    "save": ("Keras's", "tg.save(path, model=model) writes a file, tg.load(path, model=model) reads it"),
    "predict_proba": ("scikit-learn's", "tg.softmax(model.predict(X), axis=1).numpy() of one score for each class"),
    "add": ("Keras's", "tg.Sequential(*model.layers, layer) is a longer model"),
    "kernel": ("Keras's", "layer.W is the same here"),
    "get_weights": ("Keras's", "model.state_dict() has the numbers by name"),
    "set_weights": ("Keras's", "model.load_state_dict(state) takes them"),
}


def spelled(op: Callable[..., Result], call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method of an op. A list of axes becomes a tuple; and a number of NumPy's becomes Python's, so that
    the Tensor keeps its dtype."""
    defaults = (op.__kwdefaults__ or {}).values()
    if not defaults:
        return call
    numbers = any(isinstance(default, float) for default in defaults)

    @wraps(call)
    def method(*args: Any, **kwargs: Any) -> Any:
        if numbers:
            args, kwargs = (*args[:1], *map(python_number, args[1:])), {k: python_number(v) for k, v in kwargs.items()}
        try:
            return call(*args, **kwargs)
        except TypeError:
            if not any(type(value) is list for value in (*args[1:], *kwargs.values())):
                raise
            return call(args[0], *map(as_tuple, args[1:]), **{name: as_tuple(value) for name, value in kwargs.items()})

    return method
