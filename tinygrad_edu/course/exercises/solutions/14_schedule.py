import numpy as np


def rate(t, lr, warmup, steps):
    e = t - 1
    return lr * min(e / warmup, 1) * (1 + np.cos(np.pi * min(e / steps, 1))) / 2
