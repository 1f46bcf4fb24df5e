"""Exercise 6: softmax and cross-entropy.

A network returns a score z[n, c], a logit, for each sample n and class c. Softmax makes probabilities of the scores,
the loss is the mean of -ln of the probability of the right class:

    p[n, c] = e^z[n, c] / (e^z[n, 0] + e^z[n, 1] + ...)
    L = -(1/N) · (ln p[0, labels[0]] + ln p[1, labels[1]] + ...)

Taken together their gradient is short: dL/dz = (p - onehot) / N, where onehot[n, c] is 1 for the right class of sample
n and 0 elsewhere. Scores may be as large as 1000, and e^1000 overflows: first subtract the largest score of each row
from that row, which changes no probability.

By hand: z = [[0, 0]], labels = [1]. Then p = [[0.5, 0.5]], L = ln 2 = 0.6931 and dL/dz = [[0.5, -0.5]].
"""

import numpy as np


def cross_entropy(z, labels):
    """Return L and dL/dz. z is an array (N, C); labels, (N,), holds the number of the right class for each sample."""
    raise NotImplementedError


if __name__ == "__main__":  # python 6_cross_entropy.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
