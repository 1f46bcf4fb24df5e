"""Exercise 11: a moving average.

    V <- beta · V + (1 - beta) · x         from V = 0
    corrected = V / (1 - beta^t)           t = 1 for the first value

V starts at 0, which nobody has measured: it is too small by 1 - beta^t. V itself stays as it is.

By hand: values = [10, 20], beta = 0.5. V is 5, then 12.5. The corrected ones are 5 / 0.5 = 10 and 12.5 / 0.75 = 16.67.
"""

import numpy as np


def averages(values, beta):
    """Return an array: the corrected average after each of the values."""
    raise NotImplementedError


if __name__ == "__main__":  # python 11_averages.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
