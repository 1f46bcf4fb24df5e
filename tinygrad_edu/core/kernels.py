"""Every update rule as one Numba kernel: one equation a line, one statement a line, one pass over the flat buffer.

The docstring of a kernel is its rule. It has as many lines with ``<-`` as the loop has statements, in the same order
and with the same letters; a test holds that. What depends on the step count alone (``c1 = 1 / (1 - beta1^t)``) is
computed once by `optimizers`, in float64, and arrives as a number of the buffer's dtype: one float64 number, or a
literal as in ``1 - beta1``, would turn float32 arithmetic into float64.

Letters: p parameters, g gradient, m and v running averages (v is a velocity in the momentum rules), s a sum.
sqrt, sign, maximum and minimum let a NaN through, as Python's max would not.
Kernels check nothing; `step.Optimizer` does, once. They use no fastmath, so the compiled kernel and the plain
Python function (``kernel.py_func``) agree bit for bit in float64.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache, partial
from math import sqrt
from typing import Any

from numba import from_dtype, njit
from numpy import float64, integer, maximum, minimum, sign

compiled = partial(njit, nogil=True, error_model="numpy")  # the only place where flags are written


def kernel(rule):
    """Compile rule at its first use. The machine code is cached on disk where the install allows that."""
    try:
        return compiled(cache=True)(rule)
    except RuntimeError:  # nowhere to write the cache: a read-only install without a home folder
        return compiled()(rule)


def numbers_of(rule: Any, arrays: int) -> tuple[str, ...]:
    """The names of the numbers that a rule takes behind so many arrays."""
    code = getattr(rule, "py_func", rule).__code__
    return code.co_varnames[arrays : code.co_argcount]


@lru_cache
def machine_code(rule: Any, arrays: int, dtype: Any) -> Any:
    """A rule for so many contiguous arrays of dtype, ready to be called: compiled, or from Numba's cache, now.

    Calling it goes past Numba's look at the type of every argument, half of the time of a small step. So nothing looks:
    arrays have to be of that dtype and contiguous. Python numbers are rounded to dtype.
    """
    if not hasattr(rule, "py_func"):  # NUMBA_DISABLE_JIT=1
        return rule
    element = from_dtype(dtype)
    signature = (element[::1],) * arrays + (element,) * len(numbers_of(rule, arrays))
    rule.compile(signature)
    return rule.overloads[signature].entry_point


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
    note: v is a sum, the first gradient at t = 1, and lr is outside it
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
    """Zeiler 2012. d has the unit of p; s is the average from before this step.
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


@kernel
def amsgrad(p, g, m, v, x, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps):
    """Reddi, Kale & Kumar 2018: divide by the largest v so far, which never falls.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    x <- maximum(x, v)
    p <- p - lr · (c1 · m) / (sqrt(c2 · x) + eps)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: x is the largest v before debiasing, and eps is outside the root
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        x[i] = maximum(x[i], v[i])
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * x[i]) + eps)


@kernel
def adamax(p, g, m, u, lr, beta1, beta2, one_minus_beta1, c1, eps):
    """Kingma & Ba 2015, algorithm 2: the largest |g|, slowly forgotten, in place of a mean square.
    m <- beta1 · m + one_minus_beta1 · g
    u <- maximum(beta2 · u, abs(g) + eps)
    p <- p - lr · (c1 · m) / u
    where one_minus_beta1 = 1 - beta1; c1 = 1 / (1 - beta1^t)
    note: eps is inside the maximum, and only m is debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        u[i] = maximum(beta2 * u[i], abs(g[i]) + eps)
        p[i] -= lr * (c1 * m[i]) / u[i]


@kernel
def nadam(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, cg, cm, c2, eps):
    """Dozat 2016: Adam that looks ahead, with a momentum that grows to beta1.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- p - lr · (cg · g + cm · m) / (sqrt(c2 · v) + eps)
    where mu_t = beta1 · (1 - 0.96^(t · momentum_decay) / 2); cg = (1 - mu_t) / (1 - mu_1 ··· mu_t)
    where cm = mu_(t+1) / (1 - mu_1 ··· mu_(t+1))
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c2 = 1 / (1 - beta2^t)
    note: eps is outside the root, and the momentum grows towards beta1
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= lr * (cg * g[i] + cm * m[i]) / (sqrt(c2 * v[i]) + eps)


@kernel
def radam(p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, eps, r, plain):
    """Liu et al. 2020: while v rests on too few gradients, step without it.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- p - lr · (c1 · m) · (r / (sqrt(v) + eps) + plain)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t)
    where n = 2 / (1 - beta2) - 1; k = n - 2 · t · beta2^t / (1 - beta2^t)
    where k > 5: r^2 = (1 - beta2^t) · (k - 4) · (k - 2) · n / ((n - 4) · (n - 2) · k), plain = 0; else r = 0, plain = 1
    note: eps is added to the root before v is debiased, and v is used where k > 5
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= lr * (c1 * m[i]) * (r / (sqrt(v[i]) + eps) + plain)


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
def signum(p, g, m, lr, beta, one_minus_beta):
    """Bernstein et al. 2018: the sign of a moving average.
    m <- beta · m + one_minus_beta · g
    p <- p - lr · sign(m)
    where one_minus_beta = 1 - beta
    note: sign(0) = 0, and the average is not debiased, which its sign does not show
    """
    for i in range(p.size):
        m[i] = beta * m[i] + one_minus_beta * g[i]
        p[i] -= lr * sign(m[i])


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


# --- passes over the gradient before a rule ------------------------------------------------------------------------


@kernel
def add_l2(h, g, p, l2):
    """The gradient of loss + l2 / 2 · |p|^2.
    h <- g + l2 · p
    """
    for i in range(g.size):
        h[i] = g[i] + l2 * p[i]


@kernel
def not_finite(g):
    """Whether g holds NaN or infinity: g - g is 0 for all others, and NaN is not equal to itself."""
    found = False
    for i in range(g.size):
        found |= g[i] - g[i] != g[i] - g[i]
    return found


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


# --- large buffers: the same kernel on disjoint slices, in threads ------------------------------------------------

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORTH_A_THREAD = 18_000_000  # bytes of all arrays; below, waking a thread costs more than it saves
GRAIN = 16  # elements: slices start where a line of the processor's cache does
_threads = CORES


def set_num_threads(n: int) -> None:
    """How many threads share the work on large buffers; the bits of the result do not depend on it.

    At the start it is the environment variable TINYGRAD_EDU_THREADS, or the number of cores. Where a rule's arrays
    together have less than WORTH_A_THREAD = 18 MB, as Adam's below 1,125,000 parameters in float32, one does the work.

    Raises
    ------
    ValueError : n is not a whole number, at least 1
    """
    global _threads
    if not isinstance(n, (int, integer)) or n < 1:
        raise ValueError(f"the number of threads is a whole number, at least 1; got {n!r}")
    _threads = int(n)


@lru_cache
def _pool():
    return ThreadPoolExecutor(64, thread_name_prefix="tinygrad_edu")  # they are started as they are needed


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
if "TINYGRAD_EDU_THREADS" in os.environ:
    try:
        set_num_threads(int(os.environ["TINYGRAD_EDU_THREADS"]))
    except ValueError:
        _text = os.environ["TINYGRAD_EDU_THREADS"]
        raise ValueError(f"TINYGRAD_EDU_THREADS is a whole number, at least 1; got {_text!r}") from None


def bound(rule: Any, arrays: list[Any]) -> Any:
    """Machine code as a function of its numbers alone: run on arrays of one size, large ones in slices, in threads."""
    small = arrays[0].nbytes * len(arrays) < WORTH_A_THREAD
    return partial(rule, *arrays) if small else partial(_in_threads, rule, arrays)


def _in_threads(rule, arrays, *numbers):
    """Whether any slice returned something true. Rules are elementwise: the bits do not depend on how they are cut."""

    def piece(k: int, n: int) -> Any:
        a, b = (arrays[0].size * i // n // GRAIN * GRAIN if i < n else arrays[0].size for i in (k, k + 1))
        return rule(*[array[a:b] for array in arrays], *numbers)

    return in_threads(piece)


def in_threads(job: Callable[[int, int], Any]) -> bool:
    """Call job(k, n) for each k < n, the number of threads, side by side; whether any returned something true."""
    if _threads == 1:
        return bool(job(0, 1))
    others = [_pool().submit(job, k, _threads) for k in range(1, _threads)]
    try:
        mine = job(0, _threads)
    finally:  # an interrupt waits for all
        wait(others)
    return any([mine, *[other.result() for other in others]])
