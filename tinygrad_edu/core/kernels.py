"""The update rules of a course, each as one kernel: one equation a line, one statement a line, one pass over arrays.

Look first at `sgd`, `momentum` and `adam`. Letters: p parameters, g gradient, m and v running averages (in the momentum
rules v is a velocity), s a sum or a second average. All other rules, in the same form, are in `extras.kernels`.

The docstring of a kernel is its rule. It has as many lines with ``<-`` as the loop has statements, in the same order
and with the same letters; a test holds that. ``where`` says what the numbers are, ``note`` which convention was chosen
where textbooks differ.

A kernel takes arrays, then numbers. What is the same for all elements, such as ``c1 = 1 / (1 - beta1^t)``, is computed
once in float64 by ``scalars`` in `optimizers`, and rounded to the dtype of the arrays. So ``1 - beta1`` is an argument
too: written in the loop, its literal would turn float32 arithmetic into float64.

Kernels check nothing; `optimizer.Optimizer` does, once a step. `jit` compiles them without Numba's fastmath: in float64
the machine code and the plain function, ``kernel.py_func``, agree bit for bit.
"""

from __future__ import annotations

from math import inf, sqrt

from .jit import kernel


@kernel
def sgd(p, g, lr):
    """Gradient descent (Cauchy 1847; stochastic: Robbins & Monro 1951).
    p <- p - lr · g
    """
    for i in range(p.size):
        p[i] -= lr * g[i]


@kernel
def momentum(p, g, v, lr, beta, one_minus_beta, c):
    """Momentum as a moving average of gradients.
    v <- beta · v + one_minus_beta · g
    p <- p - lr · c · v
    where one_minus_beta = 1 - beta; c = 1, or 1 / (1 - beta^t) with bias correction
    note: v is an average that starts at 0, and lr is outside it
    """
    for i in range(p.size):
        v[i] = beta * v[i] + one_minus_beta * g[i]
        p[i] -= lr * c * v[i]


@kernel
def heavy_ball(p, g, v, lr, momentum):
    """Polyak 1964.
    v <- momentum · v + g
    p <- p - lr · v
    note: v is a sum that begins as the first gradient, and lr is outside it
    """
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        p[i] -= lr * v[i]


@kernel
def nesterov(p, g, v, lr, momentum):
    """Nesterov 1983, with p stored at the look-ahead point (Sutskever et al. 2013; Bengio et al. 2012).
    v <- momentum · v + g
    p <- p - lr · (g + momentum · v)
    note: lr is outside v, and p is the look-ahead point
    """
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        p[i] -= lr * (g[i] + momentum * v[i])


@kernel
def adagrad(p, g, s, lr, eps):
    """Duchi, Hazan & Singer 2011.
    s <- s + g · g
    p <- p - lr · g / (sqrt(s) + eps)
    note: eps is outside the root, and s starts at 0
    """
    for i in range(p.size):
        s[i] += g[i] * g[i]
        p[i] -= lr * g[i] / (sqrt(s[i]) + eps)


@kernel
def adadelta(p, g, v, s, lr, rho, one_minus_rho, eps):
    """Zeiler 2012. d has the unit of p, as the s in it is still the average from before this step.
    v <- rho · v + one_minus_rho · g · g
    d <- sqrt(s + eps) / sqrt(v + eps) · g
    s <- rho · s + one_minus_rho · d · d
    p <- p - lr · d
    where one_minus_rho = 1 - rho
    note: eps is inside both roots, and both averages start at 0, not debiased
    """
    for i in range(p.size):
        v[i] = rho * v[i] + one_minus_rho * g[i] * g[i]
        d = sqrt(s[i] + eps) / sqrt(v[i] + eps) * g[i]
        s[i] = rho * s[i] + one_minus_rho * d * d
        p[i] -= lr * d


@kernel
def rmsprop(p, g, v, lr, rho, one_minus_rho, eps):
    """Tieleman & Hinton 2012, lecture 6.5.
    v <- rho · v + one_minus_rho · g · g
    p <- p - lr · g / (sqrt(v) + eps)
    where one_minus_rho = 1 - rho
    note: eps is outside the root, and v starts at 0, not debiased
    """
    for i in range(p.size):
        v[i] = rho * v[i] + one_minus_rho * g[i] * g[i]
        p[i] -= lr * g[i] / (sqrt(v[i]) + eps)


@kernel
def adam(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps):
    """Kingma & Ba 2015, algorithm 1.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- p - lr · (c1 · m) / (sqrt(c2 · v) + eps)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: eps is outside the root, both averages are debiased, and t counts updates from 1
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)


@kernel
def adamw(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, keep):
    """Loshchilov & Hutter 2019, algorithm 2: the decay acts on p alone and never enters m and v.
    p <- p · keep
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- p - lr · (c1 · m) / (sqrt(c2 · v) + eps)
    where keep = 1 - lr · weight_decay
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: the decay is decoupled and times lr, eps is outside the root, both averages are debiased
    """
    for i in range(p.size):
        p[i] *= keep
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)


# --- passes over the gradient before a rule ------------------------------------------------------------------------


@kernel
def add_l2(h, g, p, l2):
    """The gradient h of loss + l2 / 2 · |p|^2, where g is that of the loss.
    h <- g + l2 · p
    """
    for i in range(g.size):
        h[i] = g[i] + l2 * p[i]


@kernel
def not_finite(g):
    """True if g holds NaN or infinity: neither is smaller than infinity."""
    found = False
    for i in range(g.size):
        found |= not abs(g[i]) < inf
    return found
