"""Beginners' mistakes, refused or warned of with a sentence that says what to do.

The core knows none of this. `install` puts the guards where the core's own functions are, and the face calls it once,
before any other room is loaded.
"""


def install() -> None:
    """Switch the guards on: put them in the place of ``Layer.__call__`` and of the losses."""
    from ..core import losses
    from ..core.layers import Layer
    from .layers import called, refuse
    from .losses import GUARDED
    from .summary import summary

    Layer.__call__ = called  # type: ignore[method-assign]
    Layer.refuse, Layer.summary = refuse, summary  # type: ignore[assignment]
    vars(losses).update(GUARDED)
