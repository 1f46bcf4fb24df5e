"""Exercise 15: the first weights.

A layer x @ W + b with relu behind it, n_in inputs and n_out units. Draw W of shape (n_in, n_out) from the normal
distribution with mean 0 and variance 2 / n_in, with np.random.default_rng(seed): the same seed, the same numbers. b is
n_out zeros.

Why 2 / n_in? A unit adds up n_in products. If the inputs have the mean square 1, the sum has the variance n_in times
that of a weight; relu throws one half of it away. So 2 / n_in keeps the mean square at 1, layer after layer.

By hand: n_in = 200 gives the variance 0.01, and the deviation 0.1.
"""

import numpy as np


def weights(n_in, n_out, seed):
    """Return W and b; n_in, n_out and seed are whole numbers."""
    raise NotImplementedError


if __name__ == "__main__":  # python 15_initialisation.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
