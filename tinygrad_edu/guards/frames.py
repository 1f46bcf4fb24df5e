"""The user's line: where a warning points, and where an error was made."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from types import FrameType

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
INSIDE = (PACKAGE, functools.__file__)  # a cached_property calls from there


def outside(frame: FrameType | None) -> FrameType | None:
    """Return the nearest frame, from this one outwards, that is not of this package: the user's line."""
    while frame is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
    return frame


def warn(message: str) -> None:
    """Warn, pointing at the user's line; Python shows a warning once for each line."""
    level, frame, end = 1, sys._getframe(), outside(sys._getframe())
    while frame is not end:
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(message, stacklevel=level)
