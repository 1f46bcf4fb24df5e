"""Exercise 9: a slope, and the way down.

The slope of J at w can be measured. Move a little to both sides:

    slope = (J(w + h) - J(w - h)) / (2 h)

Write it for J(w) = a w³ + b w. Then go down J(w) = (w - a)², whose slope is 2 (w - a): so many times

    w <- w - lr · slope, with the slope at the w of this moment

By hand: a = 1, b = 0, w = 2, h = 1: J(3) = 27, J(1) = 1, and the slope that is measured is 26 / 2 = 13. (The derivative
is 12: h = 1 is coarse.) And from w = 5 with a = 3, lr = 0.25: the slope is 4, w becomes 4; then 2, and w becomes 3.5.
"""

import numpy as np


def slope(a, b, w, h):
    """Return the slope of a w³ + b w at w, measured with h to both sides."""
    raise NotImplementedError


def descend(a, w, lr, steps):
    """Return w after so many steps of descent on (w - a)²; steps is a whole number."""
    raise NotImplementedError


if __name__ == "__main__":  # python 9_slope.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
