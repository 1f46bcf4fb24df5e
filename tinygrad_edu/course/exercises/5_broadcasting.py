"""Exercise 5: undoing broadcasting.

In y = a + b NumPy stretches the smaller array: a bias b of shape (3,) beside a of shape (4, 3) is used in all 4 rows.
Every row of y depends on the same b, so the gradient of b is the sum over the rows of g = dL/dy. In general:

- axes that b does not have (NumPy puts them in front) are summed away;
- axes where b has length 1 and g is longer are summed, and stay, with length 1.

By hand: g = [[1, 2, 3], [4, 5, 6]]. For shape (3,) the answer is [5, 7, 9]. For (2, 1) it is [[6], [15]]. For (1, 1) it
is [[21]], for () it is 21, and for (2, 3) it is g itself.
"""


def unbroadcast(g, shape):
    """Sum g so that it has this shape, a tuple that NumPy could broadcast to the shape of g."""
    raise NotImplementedError


if __name__ == "__main__":  # python 5_broadcasting.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
