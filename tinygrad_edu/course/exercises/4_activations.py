"""Exercise 4: backward through activations.

An activation works on each number by itself, y = f(a), so its backward pass does too:

    dL/da = g · f'(a),  with g = dL/dy of the shape of a

    relu     y = max(a, 0)            f'(a) = 1 where a > 0, else 0
    sigmoid  y = 1 / (1 + e^(-a))     f'(a) = y · (1 - y)
    tanh     y = tanh a               f'(a) = 1 - y²

By hand: a = [0], g = [8]. sigmoid: y = 0.5, so dL/da = 8 · 0.5 · 0.5 = 2. tanh: y = 0, so dL/da = 8 · 1 = 8.
a = [-1], g = [8]. relu: dL/da = 0.
"""

import numpy as np


def relu_backward(a, g):
    """Return dL/da for y = relu(a) and g = dL/dy."""
    raise NotImplementedError


def sigmoid_backward(a, g):
    """Return dL/da for y = sigmoid(a) and g = dL/dy."""
    raise NotImplementedError


def tanh_backward(a, g):
    """Return dL/da for y = tanh(a) and g = dL/dy."""
    raise NotImplementedError


if __name__ == "__main__":  # python 4_activations.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
