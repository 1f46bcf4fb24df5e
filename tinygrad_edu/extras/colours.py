"""The colours of every picture, on the paper and in the ink of matplotlib's style.

``matplotlib.style.use("dark_background")`` makes all pictures dark. matplotlib is imported inside the functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]  # Okabe & Ito: told apart by everyone


def ink(share: float = 1.0) -> str:
    """Return the colour of text; with a share below 1 it is mixed with that of the paper, which is ink(0)."""
    from matplotlib import rcParams

    return mixed(rcParams["text.color"], rcParams["figure.facecolor"], share)


def tone(colour: int | str) -> str:
    """Return a colour, or that of `COLOURS` with a number. On dark paper it is lighter, to be seen as well."""
    colour = COLOURS[colour % len(COLOURS)] if isinstance(colour, int) else colour
    return mixed(colour, "white", 0.65) if ink() > "#8" else colour


def mixed(colour: Any, other: Any, share: float) -> str:
    """Return a share of one colour with the rest of another, as "#rrggbb"."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = share * np.array(to_rgb(colour)) + (1 - share) * np.array(to_rgb(other))
    return to_hex((red, green, blue))
