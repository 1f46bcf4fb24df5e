"""Beginners' mistakes, refused or warned of with a sentence that says what to do.

The core knows none of this. The face calls `install` once, before any other room is loaded.
"""

from ..core import losses
from ..core.layers import Layer
from ..core.tensor import Tensor, thread
from . import in_place
from .error_path import called, refuse
from .loss_hints import GUARDED
from .model_summary import summary
from .steps import StepGuard


def install() -> None:
    """Put the guards in the place of ``Layer.__call__`` and of the losses, bind their methods, observe all steps."""
    for name, method in {"__call__": called, "refuse": refuse, "summary": summary}.items():
        setattr(Layer, name, method)
    for name, method in in_place.METHODS.items():
        setattr(Tensor, name, method)
    vars(losses).update(GUARDED)
    StepGuard().attach(type(thread))  # in every thread
