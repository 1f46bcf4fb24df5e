"""Exercise 13: RMSProp.

One step, divided by the usual size of the slope, for each number by itself:

    v <- rho · v + (1 - rho) · g²
    p <- p - lr · g / (√v + eps)

By hand: p = [1], g = [10], v = [0], lr = 0.1, rho = 0.99, eps = 0: v = [1], and p = 1 - 0.1 · 10 / 1 = [0].
"""

import numpy as np


def rmsprop(p, g, v, lr, rho, eps):
    """Return the new p and v. p, g and v are arrays of one shape."""
    raise NotImplementedError


if __name__ == "__main__":  # python 13_rmsprop.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
