"""Exercise 8: Adam.

One step of adaptive moment estimation (Kingma & Ba 2015) for the parameters p with gradient g:

    m <- beta1 · m + (1 - beta1) · g          the average of the gradients
    v <- beta2 · v + (1 - beta2) · g²         the average of their squares
    m_hat = m / (1 - beta1^t)                 both start at 0, which makes them too small at first:
    v_hat = v / (1 - beta2^t)                 the division makes up for it
    p <- p - lr · m_hat / (√v_hat + eps)

t is 1 in the first step, 2 in the second. m and v are kept for the next step as they are, without the correction.

By hand: p = [1], g = [100], m = v = [0], t = 1, lr = 0.1, beta1 = 0.9, beta2 = 0.999, eps = 1e-8. Then m = [10],
v = [10], m_hat = [100], v_hat = [10000], and p = [0.9]: the first step has the length lr, however large g is.
"""

import numpy as np


def adam(p, g, m, v, t, lr, beta1, beta2, eps):
    """Return the new p, m and v. p, g, m and v are arrays of one shape."""
    raise NotImplementedError


if __name__ == "__main__":  # python 8_adam.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
