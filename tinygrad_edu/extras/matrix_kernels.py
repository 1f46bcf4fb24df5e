"""Kernels of rules that see the rows and columns of a matrix, or multiply it, in the form of `whole_kernels`.

A **row's and a column's** number is at the place of each element, ``r`` and ``c``, so that the loop is elementwise. A
**product** multiplies matrices; it is NumPy's, so the rule is a plain function.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy import empty_like, maximum, minimum

from ..core.jit import kernel
from ..core.kernels import adamw
from .whole_kernels import mean, rms

# --- rows and columns -----------------------------------------------------------------------------------------------


@kernel
def row_squares(x, columns):
    """At the place of each element the mean square of its row."""
    found, n = empty_like(x), int(columns)
    for start in range(0, x.size, n):
        total = 0.0
        for i in range(start, start + n):
            total += np.float64(x[i]) * np.float64(x[i])
        for i in range(start, start + n):
            found[i] = total / n
    return found


@kernel
def column_squares(x, columns):
    """At the place of each element the mean square of its column."""
    found, n = empty_like(x), int(columns)
    for start in range(n):
        total = 0.0
        for i in range(start, x.size, n):
            total += np.float64(x[i]) * np.float64(x[i])
        for i in range(start, x.size, n):
            found[i] = total * n / x.size
    return found


@kernel
def row_largest(x, columns):
    """At the place of each element the largest of its row."""
    found, n = empty_like(x), int(columns)
    for start in range(0, x.size, n):
        most = x[start]
        for i in range(start, start + n):
            most = maximum(most, x[i])
        for i in range(start, start + n):
            found[i] = most
    return found


@kernel
def column_largest(x, columns):
    """At the place of each element the largest of its column."""
    found, n = empty_like(x), int(columns)
    for start in range(n):
        most = x[start]
        for i in range(start, x.size, n):
            most = maximum(most, x[i])
        for i in range(start, x.size, n):
            found[i] = most
    return found


# --- rules with rows and columns ------------------------------------------------------------------------------------


@kernel
def adafactor(p, g, r, c, lr, share, keep, square, floor, least, most, columns):
    """Shazeer & Stern 2018, algorithms 4 and 5: v as the product of its rows' and its columns' means.
    q <- maximum(rms(p), least)
    a <- row_squares(g, columns)
    b <- column_squares(g, columns)
    r <- r + share · (a - r)
    c <- c + share · (b - c)
    e <- maximum(mean(r), floor)
    u <- g / sqrt(maximum(r / e · c, square))
    k <- maximum(rms(u), most) / most
    p <- keep · p - lr · q / k · u
    where lr = min(lr_0, 1 / sqrt(t)); share = t^-power; keep = 1 - lr_0 · weight_decay
    where square = eps^2; floor = eps, but of vectors the smallest number
    note: steps are relative to the size of p, and those longer than most are shortened to it
    """
    q = maximum(rms(p), least)
    a = row_squares(g, columns)
    b = column_squares(g, columns)
    for i in range(p.size):
        r[i] += share * (a[i] - r[i])
        c[i] += share * (b[i] - c[i])
    e = maximum(mean(r), floor)
    u = empty_like(p)
    for i in range(p.size):
        u[i] = g[i] / sqrt(maximum(r[i] / e * c[i], square))
    k = maximum(rms(u), most) / most
    for i in range(p.size):
        p[i] = keep * p[i] - lr * q / k * u[i]


@kernel
def sm3(p, g, r, c, m, lr, momentum, one_minus_momentum, eps, columns):
    """Anil, Gupta, Koren & Singer 2019, algorithm SM3-II: Adagrad's sum, as the smaller of a row's and a column's.
    u <- minimum(r, c) + g · g
    m <- momentum · m + one_minus_momentum · g / sqrt(u + eps)
    p <- p - lr · m
    r <- row_largest(u, columns)
    c <- column_largest(u, columns)
    where one_minus_momentum = 1 - momentum
    note: eps is inside the root, and m is an average that starts at 0, not debiased
    """
    u = empty_like(p)
    for i in range(p.size):
        u[i] = minimum(r[i], c[i]) + g[i] * g[i]
        m[i] = momentum * m[i] + one_minus_momentum * g[i] / sqrt(u[i] + eps)
        p[i] -= lr * m[i]
    r[:] = row_largest(u, columns)
    c[:] = column_largest(u, columns)


# --- a rule of products ---------------------------------------------------------------------------------------------


def orthogonal(u, columns):
    """Return a flat matrix with its singular values brought near 1, by five steps of Newton and Schulz (Jordan 2024).

    Each step is a polynomial of the matrix, three products by NumPy's BLAS. Its coefficients leave the values
    between 0.68 and 1.14, which is as good as 1 and sooner there.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = u.reshape(-1, int(columns))
    x = x / max(np.sqrt(np.square(x).sum()), 1e-7)
    x = x.T if x.shape[0] > x.shape[1] else x
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return (x if u.size // int(columns) == len(x) else x.T).ravel()


def muon(
    p, g, m, v, lr, momentum, one_minus_momentum, keep, stretch, columns, vector,
    beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps,
):  # fmt: skip
    """Jordan et al. 2024: the step of a matrix is its momentum with all singular values made 1. Vectors go by AdamW.
    m <- m + one_minus_momentum · (g - m)
    u <- g + momentum · (m - g)
    p <- keep · p - stretch · orthogonal(u, columns)
    where keep = 1 - lr · weight_decay; stretch = lr · sqrt(max(1, rows / columns)); one_minus_momentum = 1 - momentum
    note: the momentum is Nesterov's, and of vectors the rule is that of AdamW with beta1, beta2 and eps
    """
    if vector:
        return adamw(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, keep)
    m += one_minus_momentum * (g - m)
    u = g + momentum * (m - g)
    p[:] = keep * p - stretch * orthogonal(u, columns)
