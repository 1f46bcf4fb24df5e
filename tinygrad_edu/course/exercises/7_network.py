"""Exercise 7: a whole network.

    a = x @ W1 + b1       (N, H)
    h = max(a, 0)         (N, H)
    z = h @ W2 + b2       (N, C), the logits
    L = mean of -ln softmax(z) at the right classes

Put exercises 3, 4 and 6 together: compute forward and keep a and h, then go back from L to z, h, a. On the way collect
the gradients of W2 and b2, then those of W1 and b1.

By hand: x = [[1]], labels = [0], W1 = [[2]], b1 = [0], W2 = [[1, 1]], b2 = [0, 0]. Then h = [[2]], z = [[2, 2]],
p = [[0.5, 0.5]] and dL/dz = [[-0.5, 0.5]], so dL/dW2 = [[-1, 1]], dL/db2 = [-0.5, 0.5], and dL/dh = [[0]]: nothing is
left for W1 and b1.
"""

import numpy as np


def gradients(x, labels, W1, b1, W2, b2):
    """Return dL/dW1, dL/db1, dL/dW2 and dL/db2."""
    raise NotImplementedError


if __name__ == "__main__":  # python 7_network.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
