import numpy as np


def relu_backward(a, g):
    return g * (a > 0)


def sigmoid_backward(a, g):
    y = 1 / (1 + np.exp(-a))
    return g * y * (1 - y)


def tanh_backward(a, g):
    return g * (1 - np.tanh(a) ** 2)
