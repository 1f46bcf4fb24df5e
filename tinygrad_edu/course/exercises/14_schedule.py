"""Exercise 14: a schedule.

The rate of update t = 1, 2, 3, ... With e = t - 1, the updates that are done:

    up = min(e / warmup, 1)                                   from 0 to 1
    wave = (1 + cos(pi · min(e / steps, 1))) / 2              from 1 to 0, and 0 behind the end
    rate = lr · up · wave

By hand: lr = 0.1, warmup = 2, steps = 4. At t = 1 the rate is 0; at t = 2 it is 0.1 · 0.5 · 0.8536 = 0.0427; at t = 3,
0.1 · 1 · 0.5 = 0.05; from t = 5 on it is 0.
"""

import numpy as np


def rate(t, lr, warmup, steps):
    """Return the rate of update t, a number; t, warmup and steps are whole numbers."""
    raise NotImplementedError


if __name__ == "__main__":  # python 14_schedule.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
