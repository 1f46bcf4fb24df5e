import numpy as np


def averages(values, beta):
    V, found = 0.0, []
    for t, x in enumerate(values, start=1):
        V = beta * V + (1 - beta) * x
        found.append(V / (1 - beta**t))
    return np.array(found)
