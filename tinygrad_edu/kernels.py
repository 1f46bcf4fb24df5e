"""Every update rule as one Numba kernel: one equation a line, one statement a line, one pass over the flat buffer.

The docstring of a kernel is its rule. It has as many lines with ``<-`` as the loop has statements, in the same order
and with the same letters; a test holds that. What depends on the step count alone (``c1 = 1 / (1 - beta1^t)``) is
computed once by `optimizers`, in float64, and arrives as a number of the buffer's dtype: one float64 number, or a
literal as in ``1 - beta1``, would turn float32 arithmetic into float64.

Letters: p parameters, g gradient, m and v running averages (v is a velocity in the momentum rules), s a sum.
Kernels check nothing; `optimizers.Optimizer` does, once. They use no fastmath, so the compiled kernel and the plain
Python function (``kernel.py_func``) agree bit for bit in float64.
"""

from __future__ import annotations

from functools import partial
from math import sqrt

from numba import njit

compiled = partial(njit, nogil=True, error_model="numpy")  # the only place where flags are written


def kernel(rule):
    """Compile rule at its first call. The machine code is cached on disk where the install allows that."""
    try:
        return compiled(cache=True)(rule)
    except RuntimeError:  # nowhere to write the cache: a read-only install without a home folder
        return compiled()(rule)


@kernel
def sgd(p, g, lr):
    """Gradient descent (Cauchy 1847; stochastic: Robbins & Monro 1951).
    p <- p - lr · g
    """
    for i in range(p.size):
        p[i] -= lr * g[i]


@kernel
def momentum(p, g, v, lr, beta, rest, c):
    """Momentum as a moving average of gradients.
    v <- beta · v + rest · g
    p <- p - lr · c · v
    where rest = 1 - beta; c = 1, or 1 / (1 - beta^t) with bias correction
    """
    for i in range(p.size):
        v[i] = beta * v[i] + rest * g[i]
        p[i] -= lr * c * v[i]


@kernel
def heavy_ball(p, g, v, lr, momentum):
    """Polyak 1964.
    v <- momentum · v + g
    p <- p - lr · v
    """
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        p[i] -= lr * v[i]


@kernel
def nesterov(p, g, v, lr, momentum):
    """Nesterov 1983, with p stored at the look-ahead point (Sutskever et al. 2013; Bengio et al. 2012).
    v <- momentum · v + g
    p <- p - lr · (g + momentum · v)
    """
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        p[i] -= lr * (g[i] + momentum * v[i])


@kernel
def adagrad(p, g, s, lr, eps):
    """Duchi, Hazan & Singer 2011.
    s <- s + g · g
    p <- p - lr · g / (sqrt(s) + eps)
    """
    for i in range(p.size):
        s[i] += g[i] * g[i]
        p[i] -= lr * g[i] / (sqrt(s[i]) + eps)


@kernel
def rmsprop(p, g, v, lr, rho, rest, eps):
    """Tieleman & Hinton 2012, lecture 6.5.
    v <- rho · v + rest · g · g
    p <- p - lr · g / (sqrt(v) + eps)
    where rest = 1 - rho
    """
    for i in range(p.size):
        v[i] = rho * v[i] + rest * g[i] * g[i]
        p[i] -= lr * g[i] / (sqrt(v[i]) + eps)


@kernel
def adam(p, g, m, v, lr, beta1, beta2, rest1, rest2, c1, c2, eps):
    """Kingma & Ba 2015, algorithm 1.
    m <- beta1 · m + rest1 · g
    v <- beta2 · v + rest2 · g · g
    p <- p - lr · (c1 · m) / (sqrt(c2 · v) + eps)
    where rest1 = 1 - beta1; rest2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)


@kernel
def adamw(p, g, m, v, lr, beta1, beta2, rest1, rest2, c1, c2, eps, keep):
    """Loshchilov & Hutter 2019, algorithm 2: the decay acts on p alone and never enters m and v.
    p <- p · keep
    m <- beta1 · m + rest1 · g
    v <- beta2 · v + rest2 · g · g
    p <- p - lr · (c1 · m) / (sqrt(c2 · v) + eps)
    where keep = 1 - lr · weight_decay; rest1, rest2, c1 and c2 as in Adam
    """
    for i in range(p.size):
        p[i] *= keep
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)
