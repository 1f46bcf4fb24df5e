"""Exercise 2: a variable that is used twice.

    a = x · w
    c = x + w
    L = a · c

x acts on L along two paths, through a and through c. Each path gives a share of the gradient, and the shares are
added: that is why every engine writes += and not =. The same holds for w.

Along the first path: dL/da · da/dx = c · w. Along the second: dL/dc · dc/dx = a · 1.

By hand: x = 2, w = 3. Then a = 6, c = 5, L = 30. dL/dx = 5 · 3 + 6 = 21 and dL/dw = 5 · 2 + 6 = 16.
"""


def gradient(x, w):
    """Return dL/dx and dL/dw."""
    raise NotImplementedError


if __name__ == "__main__":  # python 2_shared_variable.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
