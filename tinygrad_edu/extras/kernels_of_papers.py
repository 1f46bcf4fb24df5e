"""Elementwise rules that papers are cited for and torch.optim does not have, in the form of `core.kernels`."""

from __future__ import annotations

from math import sqrt

from numpy import maximum, minimum, sign

from ..core.jit import kernel


@kernel
def optimistic_gradient(p, g, q, lr, one_plus_optimism, optimism):
    """Popov 1980; Daskalakis et al. 2018: step as if the slope went on changing. q is the last gradient.
    p <- p - lr · (one_plus_optimism · g - optimism · q)
    q <- g
    where one_plus_optimism = 1 + optimism; in the first update optimism = 0
    note: before the first step q is taken to be g
    """
    for i in range(p.size):
        p[i] -= lr * (one_plus_optimism * g[i] - optimism * q[i])
        q[i] = g[i]


@kernel
def optimistic_adam(
    p, g, m, v, q, lr, one_plus_optimism, optimism, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps
):
    """Daskalakis et al. 2018, algorithm 1: Adam's direction u, and as much again as it has changed. q is the last u.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    u <- (c1 · m) / (sqrt(c2 · v) + eps)
    p <- p - lr · (one_plus_optimism · u - optimism · q)
    q <- u
    where one_plus_optimism = 1 + optimism; in the first update optimism = 0
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: before the first step q is taken to be u, eps is outside the root, both averages are debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        u = (c1 * m[i]) / (sqrt(c2 * v[i]) + eps)
        p[i] -= lr * (one_plus_optimism * u - optimism * q[i])
        q[i] = u


@kernel
def cocob(p, g, o, u, n, r, s, lr, alpha):
    """Orabona & Tommasi 2017, algorithm 2: bet on the sign of the next slope a share of what was won so far.
    u <- maximum(u, abs(g))
    n <- n + abs(g)
    r <- maximum(r - g · (p - o), g - g)
    s <- s - g
    p <- o + lr · (s / u / maximum(n + u, alpha · u)) · (u + r)
    note: o is where p was at the start, r what was won, s the bet's side; lr is 1, or the length of all ways
    """
    for i in range(p.size):
        u[i] = maximum(u[i], abs(g[i]))
        n[i] += abs(g[i])
        r[i] = maximum(r[i] - g[i] * (p[i] - o[i]), g[i] - g[i])
        s[i] -= g[i]
        p[i] = o[i] + lr * (s[i] / u[i] / maximum(n[i] + u[i], alpha * u[i])) * (u[i] + r[i])


@kernel
def yogi(p, g, m, v, lr, beta1, one_minus_beta1, one_minus_beta2, eps):
    """Zaheer et al. 2018, algorithm 2: v moves towards g · g by no more than a share of g · g.
    m <- beta1 · m + one_minus_beta1 · g
    v <- v - one_minus_beta2 · sign(v - g · g) · g · g
    p <- p - lr · m / (sqrt(v) + eps)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2
    note: eps is outside the root, and both averages start at 0, not debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] -= one_minus_beta2 * sign(v[i] - g[i] * g[i]) * g[i] * g[i]
        p[i] -= lr * m[i] / (sqrt(v[i]) + eps)


@kernel
def qhm(p, g, v, lr, beta, one_minus_beta, nu, one_minus_nu):
    """Ma & Yarats 2019, section 3: between the slope of now and the average of all, in the ratio of nu.
    v <- beta · v + one_minus_beta · g
    p <- p - lr · (one_minus_nu · g + nu · v)
    where one_minus_beta = 1 - beta; one_minus_nu = 1 - nu
    note: v is an average that starts at 0, not debiased
    """
    for i in range(p.size):
        v[i] = beta * v[i] + one_minus_beta * g[i]
        p[i] -= lr * (one_minus_nu * g[i] + nu * v[i])


@kernel
def qhadam(
    p, g, m, v, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, nu1, nu2, one_minus_nu1, one_minus_nu2, eps
):
    """Ma & Yarats 2019, section 4: both moments of Adam, each between now and the average.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- p - lr · (one_minus_nu1 · g + nu1 · (c1 · m)) / (sqrt(one_minus_nu2 · g · g + nu2 · (c2 · v)) + eps)
    where one_minus_nu1 = 1 - nu1; one_minus_nu2 = 1 - nu2
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: eps is outside the root, and both averages are debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= (
            lr
            * (one_minus_nu1 * g[i] + nu1 * (c1 * m[i]))
            / (sqrt(one_minus_nu2 * g[i] * g[i] + nu2 * (c2 * v[i])) + eps)
        )


@kernel
def ada_bound(p, g, m, v, beta1, beta2, one_minus_beta1, one_minus_beta2, rate, eps, low, high):
    """Luo et al. 2019, algorithm 1: Adam whose rates are held between bounds, which close to the one of SGD.
    m <- beta1 · m + one_minus_beta1 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- p - minimum(maximum(rate / (sqrt(v) + eps), low), high) · m
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; rate = lr · sqrt(1 - beta2^t) / (1 - beta1^t)
    where low = lr · final · (1 - 1 / (gamma · t + 1)); high = lr · final · (1 + 1 / (gamma · t))
    note: the averages are debiased in the rate, before it is held, and eps is added to the root before that
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= minimum(maximum(rate / (sqrt(v[i]) + eps), low), high) * m[i]


@kernel
def ada_belief(p, g, m, s, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps):
    """Zhuang et al. 2020, algorithm 2: the distance of g from its average takes the place of its size.
    m <- beta1 · m + one_minus_beta1 · g
    s <- beta2 · s + one_minus_beta2 · (g - m) · (g - m) + eps
    p <- p - lr · (c1 · m) / (sqrt(c2 · s) + eps)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    note: eps is added to s at each step, and again outside the root; both averages are debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        s[i] = beta2 * s[i] + one_minus_beta2 * (g[i] - m[i]) * (g[i] - m[i]) + eps
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * s[i]) + eps)


@kernel
def adan(
    p, g, m, d, n, q, lr, beta1, beta2, beta3, one_minus_beta1, one_minus_beta2, one_minus_beta3, c1, c2, c3, eps,
    keep, known,
):  # fmt: skip
    """Xie et al. 2022, algorithm 1: Nesterov's look ahead out of the changes e of the gradient. q is the last one.
    e <- known · (g - q)
    m <- beta1 · m + one_minus_beta1 · g
    d <- beta2 · d + one_minus_beta2 · e
    n <- beta3 · n + one_minus_beta3 · (g + beta2 · e) · (g + beta2 · e)
    p <- keep · p - lr · (c1 · m + c2 · d) / (sqrt(c3 · n) + eps)
    q <- g
    where keep = 1 / (1 + lr_0 · weight_decay); lr = keep · lr_0; known = 1, in the first update 0
    where c1 = 1 / (1 - beta1^t); c2 = beta2 / (1 - beta2^t); c3 = 1 / (1 - beta3^t); one_minus_beta1 = 1 - beta1, ...
    note: the betas are 1 minus those of the paper, eps is outside the root, all averages are debiased
    """
    for i in range(p.size):
        e = known * (g[i] - q[i])
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        d[i] = beta2 * d[i] + one_minus_beta2 * e
        n[i] = beta3 * n[i] + one_minus_beta3 * (g[i] + beta2 * e) * (g[i] + beta2 * e)
        p[i] = keep * p[i] - lr * (c1 * m[i] + c2 * d[i]) / (sqrt(c3 * n[i]) + eps)
        q[i] = g[i]


@kernel
def adopt(p, g, m, v, lr, beta1, one_minus_beta1, one_minus_beta2, old, eps, most):
    """Taniguchi et al. 2024, algorithm 2: divide by the v from before this gradient, and then average.
    m <- beta1 · m + one_minus_beta1 · minimum(maximum(g / maximum(sqrt(v), eps), -most), most)
    v <- old · v + one_minus_beta2 · g · g
    p <- p - lr · m
    where one_minus_beta1 = 1 - beta1; most = (t - 1)^(1/4), so the first update moves v alone
    where old = beta2; one_minus_beta2 = 1 - beta2; in the first update old = 0 and one_minus_beta2 = 1
    note: eps is the least that is divided by, and v begins as the first square, so nothing is debiased
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * minimum(maximum(g[i] / maximum(sqrt(v[i]), eps), -most), most)
        v[i] = old * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] -= lr * m[i]


@kernel
def ademamix(
    p, g, m, n, v, lr, beta1, beta2, beta3, one_minus_beta1, one_minus_beta2, one_minus_beta3, c1, c2, alpha, eps, keep
):
    """Pagliardini, Ablin & Grangier 2024, algorithm 1: Adam with a second, very long average n.
    m <- beta1 · m + one_minus_beta1 · g
    n <- beta3 · n + one_minus_beta3 · g
    v <- beta2 · v + one_minus_beta2 · g · g
    p <- keep · p - lr · (c1 · m + alpha · n) / (sqrt(c2 · v) + eps)
    where keep = 1 - lr · weight_decay; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t); one_minus_beta1 = 1 - beta1, ...
    note: m and v are debiased, n is not, and eps is outside the root
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        n[i] = beta3 * n[i] + one_minus_beta3 * g[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        p[i] = keep * p[i] - lr * (c1 * m[i] + alpha * n[i]) / (sqrt(c2 * v[i]) + eps)


@kernel
def sophia(p, g, m, h, lr, beta1, one_minus_beta1, gamma, eps, keep, one):
    """Liu et al. 2023, algorithm 3: the average of gradients over the curvature, but no step is longer than lr.
    m <- beta1 · m + one_minus_beta1 · g
    p <- keep · p - lr · minimum(maximum(m / maximum(gamma · h, eps), -one), one)
    where one_minus_beta1 = 1 - beta1; keep = 1 - lr · weight_decay; one = 1
    where every k-th update begins with: h = beta2 · h + (1 - beta2) · u · (H u), with u of random signs
    note: neither average is debiased, and where the curvature is below eps / gamma, or negative, a sign is left of m
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        p[i] = keep * p[i] - lr * minimum(maximum(m[i] / maximum(gamma * h[i], eps), -one), one)


@kernel
def schedule_free(p, g, x, z, s, lr, weight, one_minus_beta, tiny):
    """Defazio et al. 2024, equations 3 to 5: descent z, its mean x as the answer, and the slope taken between, at p.
    z <- z - lr · g
    s <- s + weight
    x <- x + weight / maximum(s, tiny) · (z - x)
    p <- x + one_minus_beta · (z - x)
    where weight = lr^2; one_minus_beta = 1 - beta
    note: each point of z has the weight of its lr^2, s is the sum of these, and tiny is there for an lr of 0
    """
    for i in range(p.size):
        z[i] -= lr * g[i]
        s[i] += weight
        x[i] += weight / maximum(s[i], tiny) * (z[i] - x[i])
        p[i] = x[i] + one_minus_beta * (z[i] - x[i])


@kernel
def schedule_free_adamw(
    p, g, x, z, s, v, lr, weight, one_minus_beta1, beta2, one_minus_beta2, c2, eps, weight_decay, tiny
):
    """Defazio et al. 2024, algorithm 1: the same three points, with Adam's scale.
    v <- beta2 · v + one_minus_beta2 · g · g
    z <- z - lr · (g / (sqrt(c2 · v) + eps) + weight_decay · p)
    s <- s + weight
    x <- x + weight / maximum(s, tiny) · (z - x)
    p <- x + one_minus_beta1 · (z - x)
    where weight = lr^2; c2 = 1 / (1 - beta2^t); one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2
    note: points of z weigh lr^2, tiny is for an lr of 0, eps is outside the root, v debiased, and the decay that of p
    """
    for i in range(p.size):
        v[i] = beta2 * v[i] + one_minus_beta2 * g[i] * g[i]
        z[i] -= lr * (g[i] / (sqrt(c2 * v[i]) + eps) + weight_decay * p[i])
        s[i] += weight
        x[i] += weight / maximum(s[i], tiny) * (z[i] - x[i])
        p[i] = x[i] + one_minus_beta1 * (z[i] - x[i])
