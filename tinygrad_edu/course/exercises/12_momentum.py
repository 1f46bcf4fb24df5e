"""Exercise 12: momentum.

One step along the moving average of the slopes, without a correction:

    v <- beta · v + (1 - beta) · g
    p <- p - lr · v

By hand: p = [1], g = [10], v = [2], lr = 0.1, beta = 0.5: v = [6], p = [0.4].
"""

import numpy as np


def momentum(p, g, v, lr, beta):
    """Return the new p and v. p, g and v are arrays of one shape."""
    raise NotImplementedError


if __name__ == "__main__":  # python 12_momentum.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
