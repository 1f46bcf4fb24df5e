import numpy as np


def rmsprop(p, g, v, lr, rho, eps):
    v = rho * v + (1 - rho) * g**2
    return p - lr * g / (np.sqrt(v) + eps), v
