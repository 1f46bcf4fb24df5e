"""Linear algebra in the form of `core.ops`, of a matrix or a stack of them: (..., n, n). `extras.ops` has them all."""

from __future__ import annotations

import numpy as np

from ..core.ops import Array, Result

# --- linear algebra ---------------------------------------------------------------------------------------------------


def inv(a: Array) -> Result:
    """y = a⁻¹, of each matrix in a (..., n, n); to solve a x = b, `solve` is quicker and has more digits"""
    y = np.linalg.inv(a)
    return y, lambda g: -(y.mT @ g @ y.mT)


def solve(a: Array, b: Array) -> Result:
    """y = a⁻¹ b; for matrices (..., n, n) and right sides (..., n, k)"""
    y = np.linalg.solve(a, b)
    return y, lambda g: -(np.linalg.solve(a.mT, g) @ y.mT), lambda g: np.linalg.solve(a.mT, g)


def det(a: Array) -> Result:
    """y = det a, of each matrix in a (..., n, n); the slope by an element is its cofactor, also where y = 0"""
    return np.linalg.det(a), lambda g: np.expand_dims(g, (-2, -1)) * cofactors(a)


def cholesky(a: Array) -> Result:
    """y = L, lower triangular, with L Lᵀ = a; a (..., n, n) is symmetric, of which NumPy reads the lower half. The
    gradient is symmetric too: it is that of a change of a_ij and a_ji by half each"""
    y = np.linalg.cholesky(a)
    return y, lambda g: cholesky_share(g, y)


def log_abs_det(a: Array) -> Result:
    """y = ln |det a|, of each matrix in a (..., n, n); without the overflow of det. np.linalg.slogdet has the sign
    too"""
    return np.linalg.slogdet(a)[1], lambda g: np.expand_dims(g, (-2, -1)) * np.linalg.inv(a).mT


# --- helpers of linear algebra ----------------------------------------------------------------------------------------


def cofactors(a: Array) -> Array:
    """The slopes of det a: det(a) a⁻ᵀ, from the singular value decomposition, in which no division by det is needed."""
    u, s, vt = np.linalg.svd(a)
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return (u * (sign[..., None] * others)[..., None, :]) @ vt


def cholesky_share(g: Array, y: Array) -> Array:
    """The gradient of a from that of its Cholesky factor y (Murray 2016): L⁻ᵀ P L⁻¹, symmetric, where P is the lower
    half of Lᵀ g with half of its diagonal."""
    n = y.shape[-1]
    p = y.mT @ g * np.where(np.eye(n, dtype=bool), 0.5, np.tri(n)).astype(y.dtype)
    s = np.linalg.solve(y.mT, np.linalg.solve(y.mT, p.mT).mT)
    return (s + s.mT) / 2
