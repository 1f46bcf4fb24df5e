"""Kernels of rules that see the rows and columns of a matrix, or multiply it, in the form of `whole_kernels`.

A **row's and a column's** number is at the place of each element, ``r`` and ``c``, so that the loop is elementwise. A
**product** multiplies matrices; it is NumPy's, so the rule is a plain function.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy import empty_like, maximum, minimum

from ..core.jit import kernel
from ..core.kernels import adagrad as diagonal, adamw
from .one_thread import SMALL, pieces_of
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
    """At the place of each element the mean square of its column. The rows are read one after the other."""
    found, n = empty_like(x), int(columns)
    totals = np.zeros(n)
    for start in range(0, x.size, n):
        for i in range(n):
            totals[i] += np.float64(x[start + i]) * np.float64(x[start + i])
    for start in range(0, x.size, n):
        for i in range(n):
            found[start + i] = totals[i] * n / x.size
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
    """At the place of each element the largest of its column. The rows are read one after the other."""
    found, n = empty_like(x), int(columns)
    for i in range(n):
        found[i] = x[i]
    for start in range(0, x.size, n):
        for i in range(n):
            found[i] = maximum(found[i], x[start + i])
    for start in range(n, x.size, n):
        for i in range(n):
            found[start + i] = found[i]
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


def in_pieces(x):
    """Return a matrix as one whose products with itself, or with a square one, are computed in pieces if large."""
    return pieces_of(x) if x.size * max(x.shape) > SMALL else x


def orthogonal(u, columns):
    """Return a flat matrix with its singular values brought near 1, by five steps of Newton and Schulz (Jordan 2024).

    Each step is a polynomial of the matrix, three products by NumPy's BLAS. Its coefficients leave the values
    between 0.68 and 1.14, which is as good as 1 and sooner there.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = in_pieces(u.reshape(-1, int(columns)))
    x = x / max(np.sqrt(np.square(x).sum()), 1e-7)
    x = x.T if x.shape[0] > x.shape[1] else x
    for _ in range(5):
        square = in_pieces(x @ x.T)
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


# --- rules of two square matrices, one as wide as the rows, one as the columns --------------------------------------


def by_rows(x, columns):
    """Return the products of the rows of a flat matrix with each other, X Xᵀ, flat."""
    x = in_pieces(x.reshape(-1, int(columns)))
    return (x @ x.T).ravel()


def by_columns(x, columns):
    """Return the products of its columns with each other, Xᵀ X, flat."""
    x = in_pieces(x.reshape(-1, int(columns)))
    return (x.T @ x).ravel()


def square(a):
    """Return a flat square matrix in its shape."""
    return a.reshape(round(a.size**0.5), -1)


def turned(x, a, b):
    """Return Aᵀ X B, flat: a matrix in the basis of the columns of A and of B."""
    b = square(b)
    return (in_pieces(square(a).T @ in_pieces(x.reshape(-1, len(b)))) @ b).ravel()


def turned_back(x, a, b):
    """Return A X Bᵀ, flat: out of that basis."""
    b = square(b)
    return (in_pieces(square(a) @ in_pieces(x.reshape(-1, len(b)))) @ b.T).ravel()


def power(a, exponent, eps):
    """Return (A + eps · I)^exponent of a flat symmetric matrix without negative eigenvalues. NaN gives NaN."""
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    values, basis = np.linalg.eigh(square(a))
    scaled = basis * (maximum(values, 0) + a.dtype.type(eps)) ** a.dtype.type(exponent)
    return (in_pieces(scaled) @ basis.T).ravel()


def eigenvectors(a, q, renew):
    """Return q; or if it is to be renewed the eigenvectors of A, flat: at first these, later one step towards them.

    The step is a power iteration, A Q, whose columns are made orthogonal by QR. Where A has NaN, all is NaN.
    """
    if not renew:
        return q
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    return (np.linalg.qr(in_pieces(square(a)) @ square(q))[0] if q.any() else first_basis(square(a))).ravel()


def first_basis(a):
    """Return the eigenvectors of a symmetric matrix without negative eigenvalues, the largest first.

    Where A is 0, all directions are eigenvectors, and a last bit would choose some. Here diag(1, 2, ...) chooses: its
    eigenvectors in that space, which stand last.
    """
    values, basis = np.linalg.eigh(a)
    largest = maximum(values[-1], np.finfo(a.dtype).tiny)
    free = basis * (values <= 1000 * np.finfo(a.dtype).eps * largest)
    inside = in_pieces(free) @ free.T  # the projection into that space
    return np.linalg.eigh((inside * (np.arange(len(a)) + 1)) @ inside - a / largest)[1]


def shampoo(p, g, s, a, b, lr, eps, columns, vector):
    """Gupta, Koren & Singer 2018, algorithm 1: Adagrad, with matrices of products where that has squares.
    a <- a + by_rows(g, columns)
    b <- b + by_columns(g, columns)
    p <- p - lr · turned(g, power(a, -0.25, eps), power(b, -0.25, eps))
    note: eps is added to each eigenvalue, and vectors go by Adagrad
    """
    if vector:
        return diagonal(p, g, s, lr, eps)
    a += by_rows(g, columns)
    b += by_columns(g, columns)
    p -= lr * turned(g, power(a, -0.25, eps), power(b, -0.25, eps))


def soap(
    p, g, m, v, a, b, c, d, rate, new1, new2, keep, columns, renew, vector,
    lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps,
):  # fmt: skip
    """Vyas et al. 2024, algorithm 3: Adam in the basis of the eigenvectors that Shampoo has. Vectors go by AdamW.
    m <- beta1 · m + new1 · g
    u <- turned(g, c, d)
    v <- beta2 · v + new2 · u · u
    p <- keep · (p - rate · turned_back(turned(m, c, d) / (v**0.5 + eps), c, d))
    a <- beta2 · a + one_minus_beta2 · by_rows(g, columns)
    b <- beta2 · b + one_minus_beta2 · by_columns(g, columns)
    c <- eigenvectors(a, c, renew)
    d <- eigenvectors(b, d, renew)
    where rate = lr · sqrt(1 - beta2^(t - 1)) / (1 - beta1^(t - 1)); keep = 1 - lr · weight_decay
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: new1 = 1 - beta1 and new2 = 1 - beta2, but the first update finds the basis alone: both and rate are 0
    """
    if vector:
        return adamw(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps, keep)
    m[:] = beta1 * m + new1 * g
    u = turned(g, c, d)
    v[:] = beta2 * v + new2 * u * u
    p[:] = keep * (p - rate * turned_back(turned(m, c, d) / (v**0.5 + eps), c, d))
    a[:] = beta2 * a + one_minus_beta2 * by_rows(g, columns)
    b[:] = beta2 * b + one_minus_beta2 * by_columns(g, columns)
    c[:] = eigenvectors(a, c, renew)
    d[:] = eigenvectors(b, d, renew)
