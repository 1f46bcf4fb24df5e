"""Rules that are not elementwise, as kernels: each is called with one whole parameter, never with a slice of one.

A **reduction** makes one number of a parameter: a norm, a mean. What sees rows and columns, or multiplies matrices, is
in `matrix_kernels`. No kernel looks at all parameters: such numbers are taken between the steps, by
`learning_optimizers.Learning`.

The form is that of `core.kernels`, an equation a line for a statement a line. But statements may stand before the loop,
between two loops and behind: they are about a whole array. Sums are taken in float64, one element after the other, and
rounded once.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy import empty_like, maximum, sign

from ..core.jit import kernel

# --- the reductions -------------------------------------------------------------------------------------------------


@kernel
def mean_square(x):
    """The mean of the squares, in float64."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(x[i])
    return total / x.size


@kernel
def mean(x):
    """The mean."""
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return x.dtype.type(total / x.size)


@kernel
def rms(x):
    """The root of the mean square."""
    return x.dtype.type(sqrt(mean_square(x)))


@kernel
def norm(x):
    """The length |x|."""
    return x.dtype.type(sqrt(mean_square(x) * x.size))


@kernel
def ratio(x, y, factor=1.0):
    """factor · |x| / |y|, or 1 where one of them is 0: a trust ratio."""
    a, b = mean_square(x), mean_square(y)
    return x.dtype.type(factor * sqrt(a / b) if a > 0 and b > 0 else 1.0)


# --- rules with a norm ----------------------------------------------------------------------------------------------


@kernel
def lars(p, g, v, lr, momentum, weight_decay, trust):
    """You, Gitman & Ginsburg 2017: each layer moves by a share of its own length.
    u <- g + weight_decay · p
    q <- ratio(p, u, trust)
    v <- momentum · v + lr · q · u
    p <- p - v
    note: lr is inside v, and q is 1 where p or u is 0
    """
    u = empty_like(p)
    for i in range(p.size):
        u[i] = g[i] + weight_decay * p[i]
    q = ratio(p, u, trust)
    for i in range(p.size):
        v[i] = momentum * v[i] + lr * q * u[i]
        p[i] -= v[i]


@kernel
def lamb(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, weight_decay):
    """You et al. 2020, algorithm 2: AdamW's direction u, for each layer as long as the layer.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    u <- (c1 · m) / (sqrt(c2 · v) + eps) + weight_decay · p
    q <- ratio(p, u)
    p <- p - lr · q · u
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: eps is outside the root, both averages are debiased, and q is 1 where p or u is 0
    """
    u = empty_like(p)
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        u[i] = (c1 * m[i]) / (sqrt(c2 * v[i]) + eps) + weight_decay * p[i]
    q = ratio(p, u)
    for i in range(p.size):
        p[i] -= lr * q * u[i]


@kernel
def novo_grad(p, g, m, v, lr, beta1, old, share, eps, weight_decay):
    """Ginsburg et al. 2019, algorithm 1: one second moment for each layer, that of its norm.
    a <- norm(g)
    v <- old · v + share · a · a
    m <- beta1 · m + (g / (sqrt(v) + eps) + weight_decay · p)
    p <- p - lr · m
    where old = beta2; share = 1 - beta2; in the first update old = 0 and share = 1
    note: v is the same number for the whole parameter, eps is outside the root, and m is a sum
    """
    a = norm(g)
    for i in range(p.size):
        v[i] = old * v[i] + share * a * a
        m[i] = beta1 * m[i] + (g[i] / (sqrt(v[i]) + eps) + weight_decay * p[i])
        p[i] -= lr * m[i]


@kernel
def fromage(p, g, lr, shrink):
    """Bernstein et al. 2020, algorithm 1: each layer moves by the share lr of its own length.
    q <- ratio(p, g)
    p <- shrink · (p - lr · q · g)
    where shrink = 1 / sqrt(1 + lr^2)
    note: q is 1 where p or g is 0
    """
    q = ratio(p, g)
    for i in range(p.size):
        p[i] = shrink * (p[i] - lr * q * g[i])


@kernel
def cautious_adamw(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, keep, least):
    """Liang et al. 2024, algorithm 2: AdamW, but only where its direction u agrees with the gradient.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    u <- (c1 · m) / (sqrt(c2 · v) + eps)
    w <- maximum(sign(u · g), g - g)
    q <- maximum(mean(w), least)
    p <- keep · p - lr · u · w / q
    where keep = 1 - lr · weight_decay; least = 0.001
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: w is 1 or 0, what is left of u grows by as much as was taken, and the decay comes before the step
    """
    u, w = empty_like(p), empty_like(p)
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        u[i] = (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)
        w[i] = maximum(sign(u[i] * g[i]), g[i] - g[i])
    q = maximum(mean(w), least)
    for i in range(p.size):
        p[i] = keep * p[i] - lr * u[i] * w[i] / q


@kernel
def cautious_lion(p, g, m, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, keep, least):
    """Liang et al. 2024: Lion, but only where its direction u agrees with the gradient.
    u <- sign(beta1 · m + one_minus_beta1 · g)
    w <- maximum(sign(u · g), g - g)
    m <- beta2 · m + one_minus_beta2 · g
    q <- maximum(mean(w), least)
    p <- keep · p - lr · u · w / q
    where keep = 1 - lr · weight_decay; least = 0.001; one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2
    note: w is 1 or 0, what is left of u grows by as much as was taken, and the decay comes before the step
    """
    u, w = empty_like(p), empty_like(p)
    for i in range(p.size):
        u[i] = sign(beta1 * m[i] + one_minus_beta1 * g[i])
        w[i] = maximum(sign(u[i] * g[i]), g[i] - g[i])
        m[i] = beta2 * m[i] + one_minus_beta2 * g[i]
    q = maximum(mean(w), least)
    for i in range(p.size):
        p[i] = keep * p[i] - lr * u[i] * w[i] / q


@kernel
def mars(p, g, m, v, q, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, keep, change, one):
    """Yuan et al. 2024, algorithm 2: AdamW on gradients whose noise is reduced by the last one, q.
    u <- g + change · (g - q)
    k <- maximum(norm(u), one)
    m <- beta1 · m + one_minus_beta1 · (u / k)
    v <- beta2 · v + one_minus_beta2 · (u / k) · (u / k)
    p <- keep · p - lr · (c1 · m) / (sqrt(c2 · v) + eps)
    q <- g
    where keep = 1 - lr · weight_decay; change = gamma · beta1 / (1 - beta1), in the first update 0; one = 1
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: the last gradient is that of the last batch (MARS-approx), and u is at most 1 long
    """
    u = empty_like(p)
    for i in range(p.size):
        u[i] = g[i] + change * (g[i] - q[i])
    k = maximum(norm(u), one)
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * (u[i] / k)
        v[i] = beta2 * v[i] + one_minus_beta2 * (u[i] / k) * (u[i] / k)
        p[i] = keep * p[i] - lr * (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)
        q[i] = g[i]


# --- rules whose numbers come from all parameters, see `learning_optimizers.Learning` -------------------------------


@kernel
def dog(p, g, o, s, lr):
    """Ivgi, Hinder & Carmon 2023, equation 1: descent; its rate is the distance over the gradients, of all parameters.
    s <- s + g · g
    p <- p - lr · g
    where lr = lr_0 · distance / sqrt(sum(s) + eps), with s after this gradient
    note: o is where p was at the start, the sum is over all parameters, and distance the largest so far
    """
    for i in range(p.size):
        s[i] += g[i] * g[i]
        p[i] -= lr * g[i]


@kernel
def dadapt_adam(p, g, m, v, s, r, lr, beta1, beta2, new, one_minus_beta2, root, eps, keep, weight):
    """Defazio & Mishchenko 2023, algorithm 5: Adam whose rate is d, which grows towards the distance to the solution.
    r <- root · r + weight · g · s / (sqrt(v) + eps)
    m <- beta1 · m + new · g
    v <- beta2 · v + one_minus_beta2 · g · g
    s <- root · s + weight · g
    p <- keep · p - lr · m / (sqrt(v) + eps)
    where rate = d · lr_0 · sqrt(1 - beta2^t) / (1 - beta1^t); new = rate · (1 - beta1); root = sqrt(beta2)
    where weight = rate · (1 - root); one_minus_beta2 = 1 - beta2; keep = 1 - rate · weight_decay; lr = 1
    where after the step: d = max(d, sum(r) / ((1 - root) · sum(|s|))), over all parameters
    note: the rate is in m, and eps is outside the root
    """
    for i in range(p.size):
        r[i] = root * r[i] + weight * g[i] * s[i] / (sqrt(v[i]) + eps)
        m[i] = beta1 * m[i] + new * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        s[i] = root * s[i] + weight * g[i]
        p[i] = keep * p[i] - lr * m[i] / (sqrt(v[i]) + eps)


@kernel
def prodigy(p, g, o, m, v, s, r, lr, beta1, beta2, new1, new2, root, weight, eps, keep):
    """Mishchenko & Defazio 2023, algorithm 4: Adam whose rate is d, which grows with the way that it has come.
    r <- root · r + weight · g · (o - p)
    s <- root · s + weight · g
    m <- beta1 · m + new1 · g
    v <- beta2 · v + new2 · g · g
    p <- keep · p - lr · m / (sqrt(v) + eps)
    where lr = d · lr_0 · sqrt(1 - beta2^t) / (1 - beta1^t); new1 = d · (1 - beta1); new2 = d^2 · (1 - beta2)
    where root = sqrt(beta2); weight = d · lr; eps = d · eps_0; keep = 1 - lr · weight_decay
    where after the step: d = max(d, sum(r) / sum(|s|)), over all parameters
    note: o is where p was at the start, both averages are debiased in lr, and eps is outside the root
    """
    for i in range(p.size):
        r[i] = root * r[i] + weight * g[i] * (o[i] - p[i])
        s[i] = root * s[i] + weight * g[i]
        m[i] = beta1 * m[i] + new1 * g[i]
        v[i] = beta2 * v[i] + new2 * g[i] * g[i]
        p[i] = keep * p[i] - lr * m[i] / (sqrt(v[i]) + eps)


# --- a rule of NumPy ------------------------------------------------------------------------------------------------


def lbfgs(p, g, *averages):
    """Liu & Nocedal 1989: Newton's direction out of the last steps and changes of the gradient (`evaluating.LBFGS`).
    where p moves by length · direction; direction = - H · g, by the two loops of Nocedal & Wright, algorithm 7.4
    note: it is no pass over arrays, so the class does it
    """
