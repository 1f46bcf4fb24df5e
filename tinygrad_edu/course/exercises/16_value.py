"""Exercise 16: a class that finds gradients by itself.

A Value holds one number, data, and after backward() the gradient grad, None before. x + y, x - y and x * y are new
Values; a plain number may stand on either side. y.backward() leaves dy/dx in x.grad, for every Value x in y.

Let each result remember its parents, and for each of them the derivative: of x * y, by x it is y. In backward() begin
with 1 and go back; a Value that is used twice gets the sum of its shares, and passes it on when all have come.

By hand: x = 3, y = 2, L = x * y + x = 9. dL/dx = y + 1 = 3 by two ways, dL/dy = 3.

`tinygrad-edu build` takes this further, step by step, to a network that reads digits.
"""

import numpy as np


class Value:
    """A number that remembers where it came from, and gets its gradient from backward()."""

    def __init__(self, data):
        raise NotImplementedError


Tensor = Value  # the name that the check asks for


if __name__ == "__main__":  # python 16_value.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
