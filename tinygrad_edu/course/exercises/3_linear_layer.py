"""Exercise 3: backward through a linear layer.

    y = x @ W + b

x is a batch of N samples with D features, shape (N, D); W is (D, C), b is (C,), so y is (N, C). From y the rest of the
network computes a loss L, and from there comes g = dL/dy, of the shape of y. The answers are dL/dx, dL/dW and dL/db,
of the shapes of x, W and b.

x[n, d] acts on y[n, c] with the factor W[d, c], for every c: its gradient is the sum over c of g[n, c] · W[d, c].
W[d, c] acts on y[n, c] with the factor x[n, d], for every n: sum over n. b[c] is added to every row: sum over n.
A sum over the inner index is a matrix product; find out which matrix has to be transposed, and on which side it is.
The shapes tell.

By hand: x = [[1, 2]], W = [[3], [4]], b = [5], g = [[10]]. Then dL/dx = [[30, 40]], dL/dW = [[10], [20]],
dL/db = [10].
"""


def backward(x, W, g):
    """Return dL/dx, dL/dW and dL/db for g = dL/dy. All are NumPy arrays."""
    raise NotImplementedError


if __name__ == "__main__":  # python 3_linear_layer.py checks what you wrote
    from tinygrad_edu.course.runner import check

    check(__file__)
