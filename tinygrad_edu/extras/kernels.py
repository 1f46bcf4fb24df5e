"""Every other rule of torch.optim as a kernel, in the form of `core.kernels`, and those that need a sign alone.

The rules of `core.kernels`, `kernels_of_papers`, `whole_kernels` and `matrix_kernels` can be had from here too.

sign, maximum and minimum are NumPy's: they let a NaN through, as Python's max would not.
"""

from __future__ import annotations

from math import sqrt

from numpy import float64, maximum, minimum, sign

from ..core.jit import kernel as kernel
from ..core.kernels import *  # noqa: F403
from .kernels_of_papers import *  # noqa: F403
from .matrix_kernels import *  # noqa: F403
from .whole_kernels import *  # noqa: F403


@kernel
def rmsprop_centered(p, g, v, m, lr, one_minus_rho, eps):
    """Graves 2013: divide by the standard deviation. maximum keeps v - m · m from falling below 0 by rounding.
    v <- v + one_minus_rho · (g · g - v)
    m <- m + one_minus_rho · (g - m)
    p <- p - lr · g / (sqrt(maximum(v, m · m) - m · m) + eps)
    where one_minus_rho = 1 - rho
    note: eps is outside the root, and both averages start at 0, not debiased
    """
    for i in range(p.size):
        v[i] += one_minus_rho * (g[i] * g[i] - v[i])
        m[i] += one_minus_rho * (g[i] - m[i])
        p[i] -= lr * g[i] / (sqrt(maximum(v[i], m[i] * m[i]) - m[i] * m[i]) + eps)


@kernel
def rmsprop_momentum(p, g, v, b, lr, rho, one_minus_rho, eps, momentum):
    """RMSprop with a velocity b of scaled gradients.
    v <- rho · v + one_minus_rho · g · g
    b <- momentum · b + g / (sqrt(v) + eps)
    p <- p - lr · b
    where one_minus_rho = 1 - rho
    note: lr and eps are outside b and the root, and v starts at 0, not debiased
    """
    for i in range(p.size):
        v[i] = rho * v[i] + one_minus_rho * g[i] * g[i]
        b[i] = momentum * b[i] + g[i] / (sqrt(v[i]) + eps)
        p[i] -= lr * b[i]


@kernel
def rmsprop_centered_momentum(p, g, v, m, b, lr, one_minus_rho, eps, momentum):
    """Graves 2013, both.
    v <- v + one_minus_rho · (g · g - v)
    m <- m + one_minus_rho · (g - m)
    b <- momentum · b + g / (sqrt(maximum(v, m · m) - m · m) + eps)
    p <- p - lr · b
    where one_minus_rho = 1 - rho
    note: lr and eps are outside b and the root, and both averages start at 0, not debiased
    """
    for i in range(p.size):
        v[i] += one_minus_rho * (g[i] * g[i] - v[i])
        m[i] += one_minus_rho * (g[i] - m[i])
        b[i] = momentum * b[i] + g[i] / (sqrt(maximum(v[i], m[i] * m[i]) - m[i] * m[i]) + eps)
        p[i] -= lr * b[i]


@kernel
def amsgrad(p, g, m, v, x, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, keep):
    """Reddi, Kale & Kumar 2018: divide by the largest v so far, which never falls.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    x <- maximum(x, v)
    p <- keep · p - lr · (c1 · m) / (sqrt(c2 · x) + eps)
    where keep = 1 - lr · weight_decay
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: x is the largest v before debiasing, and eps is outside the root
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        x[i] = maximum(x[i], v[i])
        p[i] = keep * p[i] - lr * (c1 * m[i]) / (sqrt(c2 * x[i]) + eps)


@kernel
def adamax(p, g, m, u, lr, beta1, beta2, one_minus_beta1, c1, eps, keep):
    """Kingma & Ba 2015, algorithm 2: the largest |g|, slowly forgotten, in place of a mean square.
    m <- beta1 · m + one_minus_beta1 · g
    u <- maximum(beta2 · u, abs(g) + eps)
    p <- keep · p - lr · (c1 · m) / u
    where one_minus_beta1 = 1 - beta1; c1 = 1 / (1 - beta1^t); keep = 1 - lr · weight_decay
    note: eps is inside the maximum, and only m is debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        u[i] = maximum(beta2 * u[i], abs(g[i]) + eps)
        p[i] = keep * p[i] - lr * (c1 * m[i]) / u[i]


@kernel
def nadam(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, cg, cm, c2, eps, keep):
    """Dozat 2016: Adam that looks ahead, with a momentum that grows to beta1.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- keep · p - lr · (cg · g + cm · m) / (sqrt(c2 · v) + eps)
    where mu_t = beta1 · (1 - 0.96^(t · momentum_decay) / 2); cg = (1 - mu_t) / (1 - mu_1 ··· mu_t)
    where cm = mu_(t+1) / (1 - mu_1 ··· mu_(t+1)); keep = 1 - lr · weight_decay
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c2 = 1 / (1 - beta2^t)
    note: eps is outside the root, and the momentum grows towards beta1
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] = keep * p[i] - lr * (cg * g[i] + cm * m[i]) / (sqrt(c2 * v[i]) + eps)


@kernel
def radam(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, eps, r, plain, keep):
    """Liu et al. 2020: while v rests on too few gradients, step without it.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- keep · p - lr · (c1 · m) · (r / (sqrt(v) + eps) + plain)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); keep = 1 - lr · weight_decay
    where n = 2 / (1 - beta2) - 1; k = n - 2 · t · beta2^t / (1 - beta2^t)
    where k > 5: r^2 = (1 - beta2^t) · (k - 4) · (k - 2) · n / ((n - 4) · (n - 2) · k), plain = 0; else r = 0, plain = 1
    note: eps is added to the root before v is debiased, and v is used where k > 5
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] = keep * p[i] - lr * (c1 * m[i]) * (r / (sqrt(v[i]) + eps) + plain)


@kernel
def rprop(p, g, d, q, up, down, least, most):
    """Riedmiller & Braun 1993, as iRprop- (Igel & Hüsken 2000). q is the last gradient, d the step of each parameter.
    s <- sign(g) · sign(q)
    d <- minimum(maximum(d · up if s > 0 else d · down if s < 0 else d, least), most)
    q <- g - g if s < 0 else g
    p <- p - sign(q) · d
    note: after a turn the parameter waits (iRprop-), and d starts at lr
    """
    for i in range(p.size):
        s = sign(g[i]) * sign(q[i])
        d[i] = minimum(maximum(d[i] * up if s > 0 else d[i] * down if s < 0 else d[i], least), most)
        q[i] = g[i] - g[i] if s < 0 else g[i]
        p[i] -= sign(q[i]) * d[i]


@kernel
def asgd(p, g, a, lr, keep, share):
    """Polyak & Juditsky 1992; Bottou 2010: descent with a falling rate, and the mean of the way as the answer.
    p <- keep · p - lr · g
    a <- p + share · (a - p)
    where lr = lr_0 / (1 + lambd · lr_0 · (t - 1))^alpha; keep = 1 - lambd · lr; share = 1 - 1 / max(1, t - 1 - t0)
    note: lr falls with t, and a is p until t0 is over
    """
    for i in range(p.size):
        p[i] = keep * p[i] - lr * g[i]
        a[i] = p[i] + share * (a[i] - p[i])


@kernel
def signsgd(p, g, lr):
    """Bernstein et al. 2018: only the direction of each slope counts.
    p <- p - lr · sign(g)
    note: sign(0) = 0
    """
    for i in range(p.size):
        p[i] -= lr * sign(g[i])


@kernel
def signum(p, g, m, lr, beta, one_minus_beta, keep):
    """Bernstein et al. 2018: the sign of a moving average.
    m <- beta · m + one_minus_beta · g
    p <- keep · p - lr · sign(m)
    where one_minus_beta = 1 - beta; keep = 1 - lr · weight_decay
    note: sign(0) = 0, and the average is not debiased, which its sign does not show
    """
    for i in range(p.size):
        m[i] = beta * m[i] + one_minus_beta * g[i]
        p[i] = keep * p[i] - lr * sign(m[i])


@kernel
def lion(p, g, m, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, keep):
    """Chen et al. 2023: one average to step along, another to remember; decay as in AdamW.
    p <- keep · p - lr · sign(beta1 · m + one_minus_beta1 · g)
    m <- beta2 · m + one_minus_beta2 · g
    where keep = 1 - lr · weight_decay; one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2
    note: the decay is decoupled and times lr
    """
    for i in range(p.size):
        p[i] = keep * p[i] - lr * sign(beta1 * m[i] + one_minus_beta1 * g[i])
        m[i] = beta2 * m[i] + one_minus_beta2 * g[i]


@kernel
def average(a, p, weight):
    """An average of p over the steps; which one is the weight's business (see `averages`).
    a <- a + weight · (p - a)
    """
    for i in range(a.size):
        a[i] += weight * (p[i] - a[i])


@kernel
def sum_of_squares(g):
    """In float64 whatever g is, in four sums side by side; always in the same order."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = g.size - g.size % 4
    for i in range(0, whole, 4):
        a += float64(g[i]) * float64(g[i])
        b += float64(g[i + 1]) * float64(g[i + 1])
        c += float64(g[i + 2]) * float64(g[i + 2])
        d += float64(g[i + 3]) * float64(g[i + 3])
    for i in range(whole, g.size):
        a += float64(g[i]) * float64(g[i])
    return (a + b) + (c + d)
