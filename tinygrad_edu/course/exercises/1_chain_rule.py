"""Exercise 1: the chain rule.

A loss with one number for each letter:

    u = w · x + b
    L = u²

How much does L change when w, x or b changes a little? Go backwards, one step at a time. L depends on u, with
dL/du = 2 · u. u depends on w, x and b, with du/dw = x, du/dx = w and du/db = 1. The chain rule multiplies:
dL/dw = dL/du · du/dw, and so on.

By hand: w = 3, x = 2, b = -1. Then u = 5 and L = 25. dL/du = 10, so dL/dw = 10 · 2 = 20, dL/dx = 10 · 3 = 30 and
dL/db = 10.
"""


def gradient(w, x, b):
    """Return dL/dw, dL/dx and dL/db."""
    raise NotImplementedError


if __name__ == "__main__":  # python 1_chain_rule.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
