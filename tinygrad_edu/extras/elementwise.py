"""Rarer functions of each element by itself, in the form of `core.ops`. `extras.ops` has them all."""

from __future__ import annotations

import math

import numpy as np

from ..core.ops import Array, Result, sigmoid

# --- angles and hyperbolas --------------------------------------------------------------------------------------------


def sin(a: Array) -> Result:
    """y = sin a"""
    return np.sin(a), lambda g: g * np.cos(a)


def cos(a: Array) -> Result:
    """y = cos a"""
    return np.cos(a), lambda g: -g * np.sin(a)


def tan(a: Array) -> Result:
    """y = tan a"""
    y = np.tan(a)
    return y, lambda g: g * (1 + y * y)


def arcsin(a: Array) -> Result:
    """y = the angle whose sine is a, from -π/2 to π/2; the slope at -1 and 1 is infinite. (1 - a) (1 + a) has more
    digits there than 1 - a²"""
    return np.arcsin(a), lambda g: g / np.sqrt((1 - a) * (1 + a))


def arccos(a: Array) -> Result:
    """y = the angle whose cosine is a, from 0 to π; the slope at -1 and 1 is -infinity"""
    return np.arccos(a), lambda g: -g / np.sqrt((1 - a) * (1 + a))


def arctan(a: Array) -> Result:
    """y = the angle whose tangent is a, from -π/2 to π/2"""
    return np.arctan(a), lambda g: g / (1 + a * a)


def arctan2(a: Array, b: Array) -> Result:
    """y = the angle of the point (b, a), from -π to π; the slopes at (0, 0) are 0"""
    r = np.hypot(a, b)
    r = np.where(r == 0, np.inf, r)
    return np.arctan2(a, b), lambda g: g * b / r / r, lambda g: -g * a / r / r


def hypot(a: Array, b: Array) -> Result:
    """y = √(a² + b²); without overflow of the squares. The slopes at (0, 0) are 0"""
    y = np.hypot(a, b)
    r = np.where(y == 0, np.inf, y)
    return y, lambda g: g * a / r, lambda g: g * b / r


def sinh(a: Array) -> Result:
    """y = (e^a - e^(-a)) / 2"""
    return np.sinh(a), lambda g: g * np.cosh(a)


def cosh(a: Array) -> Result:
    """y = (e^a + e^(-a)) / 2"""
    return np.cosh(a), lambda g: g * np.sinh(a)


def arcsinh(a: Array) -> Result:
    """y = the number whose sinh is a; hypot(1, a) is √(1 + a²) without overflow"""
    return np.arcsinh(a), lambda g: g / np.hypot(1, a)


def arccosh(a: Array) -> Result:
    """y = the number, at least 0, whose cosh is a; the slope at 1 is infinite"""
    return np.arccosh(a), lambda g: g / (np.sqrt(a - 1) * np.sqrt(a + 1))


def arctanh(a: Array) -> Result:
    """y = the number whose tanh is a; at -1 and 1 the value and the slope are infinite"""
    return np.arctanh(a), lambda g: g / ((1 - a) * (1 + a))


# --- exponentials, logarithms, roots ----------------------------------------------------------------------------------


def expm1(a: Array) -> Result:
    """y = e^a - 1; near 0 all digits are kept, where the subtraction would cancel them"""
    return np.expm1(a), lambda g: g * np.exp(a)


def log1p(a: Array) -> Result:
    """y = ln(1 + a); near 0 all digits are kept, where the addition would round them away"""
    return np.log1p(a), lambda g: g / (1 + a)


def exp2(a: Array) -> Result:
    """y = 2^a"""
    y = np.exp2(a)
    return y, lambda g: g * y * math.log(2)


def log2(a: Array) -> Result:
    """y = the logarithm of a to base 2"""
    return np.log2(a), lambda g: g / (a * math.log(2))


def log10(a: Array) -> Result:
    """y = the logarithm of a to base 10"""
    return np.log10(a), lambda g: g / (a * math.log(10))


def logaddexp(a: Array, b: Array) -> Result:
    """y = ln(e^a + e^b), which NumPy does without overflow; the slopes are sigmoid(a - b) and sigmoid(b - a), and 1/2
    each where both are the same infinity"""
    y = np.logaddexp(a, b)
    same = (a == b) & np.isinf(a)
    d = (np.where(same, 0, a) - np.where(same, 0, b)).astype(y.dtype)  # a Python number is none of an array's dtype
    return y, lambda g: g * sigmoid(d)[0], lambda g: g * sigmoid(-d)[0]


def cbrt(a: Array) -> Result:
    """y = ∛a, also of negative numbers; the slope at 0 is infinite; 0 is returned there, as in sqrt"""
    y = np.cbrt(a)
    return y, lambda g: g / (3 * np.where(y == 0, np.inf, y * y))


# --- steps and remainders ---------------------------------------------------------------------------------------------


def floor(a: Array) -> Result:
    """y = the largest whole number that is at most a; flat between its steps, so its slope is 0"""
    return np.floor(a), lambda g: np.zeros_like(g)


def ceil(a: Array) -> Result:
    """y = the smallest whole number that is at least a; flat between its steps, so its slope is 0"""
    return np.ceil(a), lambda g: np.zeros_like(g)


def trunc(a: Array) -> Result:
    """y = a without its decimals; flat between its steps, so its slope is 0"""
    return np.trunc(a), lambda g: np.zeros_like(g)


def rint(a: Array) -> Result:
    """y = the whole number next to a, the even one of two; flat between its steps, so its slope is 0"""
    return np.rint(a), lambda g: np.zeros_like(g)


def round(a: Array, *, decimals: int = 0) -> Result:
    """y = a with so many decimals, the even one of two at the same distance; flat between its steps: its slope is 0"""
    return np.round(a, decimals), lambda g: np.zeros_like(g)


def floor_divide(a: Array, b: Array) -> Result:
    """y = a // b, the largest whole number that is at most a / b; flat between its steps, so its slopes are 0"""
    return np.floor_divide(a, b), lambda g: np.zeros_like(g), lambda g: np.zeros_like(g)


def mod(a: Array, b: Array) -> Result:
    """y = a % b, which is a - (a // b) · b; it has the sign of b. Where a is a multiple of b it jumps, and the slopes
    are those of the next numbers"""
    return np.mod(a, b), lambda g: g, lambda g: -g * np.floor_divide(a, b)


def fmod(a: Array, b: Array) -> Result:
    """y = a - trunc(a / b) · b; it has the sign of a"""
    return np.fmod(a, b), lambda g: g, lambda g: -g * np.trunc(a / b)
