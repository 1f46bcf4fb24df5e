"""Beginners' mistakes, refused or warned of with a sentence that says what to do.

The core knows none of this. The face calls `install` once, before any other room is loaded.
"""

from operator import attrgetter
from typing import Any

from ..core import losses, tensor
from ..core.buffers import FlatBuffer
from ..core.layers import Layer
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, thread
from ..extras import losses as losses_with_options
from ..extras.spellings import THEIR_LAYERS, Elsewhere
from . import construction, methods, names as names, words as words
from .assignments import IN_PLACE, assign, assign_grad, assign_requires_grad, elsewhere
from .error_path import called, matched, refuse
from .loss_hints import GUARDED
from .model_summary import summary
from .ranges import set_nonfinite
from .steps import StepGuard


def install() -> None:
    """Put the guards in the place of ``Layer.__call__`` and of the losses, bind their methods, observe all steps."""
    bound: dict[str, Any] = {
        "__call__": called,
        "refuse": refuse,
        "matched": matched,
        "summary": words.worded(summary),
        "__setattr__": assign,
    }
    for name, method in bound.items():
        setattr(Layer, name, method)
    for name, (whose, ours) in THEIR_LAYERS.items():
        setattr(Layer, name, Elsewhere(name, ours, "a layer", whose))
    for name, method in IN_PLACE.items():
        setattr(Tensor, name, method)
    for module in (losses, losses_with_options):
        vars(module).update({name: loss for name, loss in GUARDED.items() if name in vars(module)})
    construction.install()
    methods.install()
    Tensor.grad = Tensor.grad.setter(assign_grad)  # type: ignore[attr-defined, method-assign]
    Tensor.requires_grad = Tensor.requires_grad.setter(assign_requires_grad)  # type: ignore[attr-defined, method-assign]
    tensor.real = words.numbers
    FlatBuffer.__init__ = words.worded(FlatBuffer.__init__, "FlatBuffer")  # type: ignore[method-assign]
    for theirs, here in {"learning_rate": "lr", "param_groups": "groups"}.items():
        setattr(Optimizer, theirs, elsewhere(theirs, here))
    about = 'The answer of `step` to a gradient that holds NaN or infinity: "raise", "skip" or "propagate".'
    Optimizer.nonfinite = property(attrgetter("answer"), set_nonfinite, doc=about)  # type: ignore[assignment]
    StepGuard().attach(type(thread))  # in every thread
