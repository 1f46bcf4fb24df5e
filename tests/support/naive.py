"""Slow, obvious references, written from the papers. They import nothing of the package that they judge.

An update rule takes the first parameters, one gradient and one learning rate for each step, and its hyper-parameters,
and returns the parameters after each step.
"""

from itertools import pairwise

import numpy as np


def sgd(p, gradients, rates):
    trajectory = []
    for g, lr in zip(gradients, rates):
        p = p - lr * g
        trajectory.append(p)
    return trajectory


def momentum(p, gradients, rates, beta, bias_correction):
    """V = beta V + (1 - beta) g, from V = 0; the corrected average is V / (1 - beta^t)."""
    V, trajectory = np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        V = beta * V + (1 - beta) * g
        V_corrected = V / (1 - beta**t) if bias_correction else V
        p = p - lr * V_corrected
        trajectory.append(p)
    return trajectory


def heavy_ball(p, gradients, rates, momentum, dampening=0.0):
    """Polyak 1964, with the first velocity equal to the first gradient, and dampening as the pages of torch have it."""
    velocity, trajectory = None, []
    for g, lr in zip(gradients, rates):
        velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
        p = p - lr * velocity
        trajectory.append(p)
    return trajectory


def nesterov(p, gradients, rates, momentum):
    """Sutskever et al. 2013 as torch.optim.SGD has it: step along g + momentum · (new velocity)."""
    velocity, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        velocity = momentum * velocity + g
        p = p - lr * (g + momentum * velocity)
        trajectory.append(p)
    return trajectory


def adagrad(p, gradients, rates, lr_decay, eps, initial=0.0):
    """Duchi, Hazan & Singer 2011: divide by the root of the sum of all squares so far."""
    trajectory = []
    for t, lr in enumerate(rates, start=1):
        G = initial + np.sum([g**2 for g in gradients[:t]], axis=0)
        p = p - lr / (1 + (t - 1) * lr_decay) * gradients[t - 1] / (np.sqrt(G) + eps)
        trajectory.append(p)
    return trajectory


def adadelta(p, gradients, rates, rho, eps):
    """Zeiler 2012, algorithm 1: RMS of the updates before this one over RMS of the gradients with this one."""
    Eg, Ed, trajectory = np.zeros_like(p), np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        Eg = rho * Eg + (1 - rho) * g**2
        update = -np.sqrt(Ed + eps) / np.sqrt(Eg + eps) * g
        Ed = rho * Ed + (1 - rho) * update**2
        p = p + lr * update
        trajectory.append(p)
    return trajectory


def rmsprop(p, gradients, rates, rho, eps, momentum=0.0, centered=False):
    """Tieleman & Hinton 2012; centered after Graves 2013. The averages are written out as the sums that they are."""
    velocity, trajectory = np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        weights = [(1 - rho) * rho ** (t - k) for k in range(1, t + 1)]
        square = np.sum([w * g**2 for w, g in zip(weights, gradients)], axis=0)
        if centered:
            square = square - np.sum([w * g for w, g in zip(weights, gradients)], axis=0) ** 2
        velocity = momentum * velocity + g / (np.sqrt(np.maximum(square, 0)) + eps)
        p = p - lr * velocity
        trajectory.append(p)
    return trajectory


def adam(p, gradients, rates, beta1, beta2, eps, weight_decay=0.0, amsgrad=False):
    """Kingma & Ba 2015, algorithm 1; with weight_decay Loshchilov & Hutter 2019, algorithm 2, decay scaled by lr; with
    amsgrad the largest v so far (Reddi, Kale & Kumar 2018), debiased."""
    m, v, largest, trajectory = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = np.maximum(largest, v)
        m_hat = m / (1 - beta1**t)
        v_hat = (largest if amsgrad else v) / (1 - beta2**t)
        p = p - lr * weight_decay * p - lr * m_hat / (np.sqrt(v_hat) + eps)
        trajectory.append(p)
    return trajectory


def amsgrad(p, gradients, rates, beta1, beta2, eps, weight_decay=0.0):
    return adam(p, gradients, rates, beta1, beta2, eps, weight_decay, amsgrad=True)


def adamax(p, gradients, rates, beta1, beta2, eps, weight_decay=0.0):
    """Kingma & Ba 2015, algorithm 2, with the maximum written out over all gradients so far."""
    m, trajectory = np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        m = beta1 * m + (1 - beta1) * g
        u = np.max([beta2 ** (t - k) * (np.abs(gradients[k - 1]) + eps) for k in range(1, t + 1)], axis=0)
        p = p - lr * weight_decay * p - lr / (1 - beta1**t) * m / u
        trajectory.append(p)
    return trajectory


def nadam(p, gradients, rates, beta1, beta2, eps, momentum_decay, weight_decay=0.0):
    """Dozat 2016, with the paper's schedule of the momentum: mu_t = beta1 (1 - 0.5 · 0.96^(t · momentum_decay))."""
    mu = lambda t: beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    m, v, trajectory = np.zeros_like(p), np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        so_far = np.prod([mu(k) for k in range(1, t + 1)])
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        g_hat = g / (1 - so_far)
        m_hat = m / (1 - so_far * mu(t + 1))
        v_hat = v / (1 - beta2**t)
        p = p - lr * weight_decay * p - lr * ((1 - mu(t)) * g_hat + mu(t + 1) * m_hat) / (np.sqrt(v_hat) + eps)
        trajectory.append(p)
    return trajectory


def radam(p, gradients, rates, beta1, beta2, eps, weight_decay=0.0):
    """Liu et al. 2020, algorithm 2, with torch's threshold of 5; eps is added before the bias correction."""
    m, v, trajectory = np.zeros_like(p), np.zeros_like(p), []
    rho_inf = 2 / (1 - beta2) - 1
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        p = p - lr * weight_decay * p
        if rho > 5:
            length = np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
            r = np.sqrt(((rho - 4) * (rho - 2) * rho_inf) / ((rho_inf - 4) * (rho_inf - 2) * rho))
            p = p - lr * m_hat * r * length
        else:
            p = p - lr * m_hat
        trajectory.append(p)
    return trajectory


def rprop(p, gradients, rates, down, up, least, most):
    """iRprop- (Igel & Hüsken 2000), one parameter after the other. The first rate is the first step."""
    step, last, trajectory = np.full_like(p, rates[0]), np.zeros_like(p), []
    for g in gradients:
        p = p.copy()
        for i in range(len(p)):
            turn, now = last[i] * g[i], g[i]
            if turn > 0:
                step[i] = min(step[i] * up, most)
            elif turn < 0:
                step[i] = max(step[i] * down, least)
                now = 0.0
            p[i] -= np.sign(now) * step[i]
            last[i] = now
        trajectory.append(p)
    return trajectory


def asgd(p, gradients, rates, lambd, alpha, t0):
    """Bottou 2010: a rate that falls with t, and decay. The mean of the points does not act on them."""
    trajectory = []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
        p = p * (1 - lambd * eta) - eta * g
        trajectory.append(p)
    return trajectory


def signsgd(p, gradients, rates):
    """Bernstein et al. 2018, algorithm 1."""
    return sgd(p, [np.sign(g) for g in gradients], rates)


def signum(p, gradients, rates, beta, weight_decay=0.0):
    """Bernstein et al. 2018, algorithm 2; with weight_decay Tiger (Su 2023)."""
    m, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        m = beta * m + (1 - beta) * g
        p = p - lr * (np.sign(m) + weight_decay * p)
        trajectory.append(p)
    return trajectory


def lion(p, gradients, rates, beta1, beta2, weight_decay):
    """Chen et al. 2023, algorithm 2."""
    m, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        c = beta1 * m + (1 - beta1) * g
        p = p - lr * (np.sign(c) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g
        trajectory.append(p)
    return trajectory


# --- rules of papers ----------------------------------------------------------------------------------------------


def averages(values, beta):
    """The moving averages of all values so far, after each of them."""
    average = 0.0
    for x in values:
        average = beta * average + (1 - beta) * x
        yield average


def debiased(values, beta):
    return [m / (1 - beta**t) for t, m in enumerate(averages(values, beta), start=1)]


def adams_directions(gradients, beta1, beta2, eps):
    """Kingma & Ba 2015: the steps of Adam in units of lr."""
    m, v = debiased(gradients, beta1), debiased([g**2 for g in gradients], beta2)
    return [a / (np.sqrt(b) + eps) for a, b in zip(m, v)]


def optimistic_gradient(p, gradients, rates, optimism):
    """Daskalakis et al. 2018, equation 4: w - lr (1 + optimism) g_t + lr optimism g_(t-1), where g_0 = g_1."""
    trajectory = []
    for lr, g, last in zip(rates, gradients, [gradients[0], *gradients]):
        p = p - lr * (g + optimism * (g - last))
        trajectory.append(p)
    return trajectory


def optimistic_adam(p, gradients, rates, beta1, beta2, eps, optimism):
    """Daskalakis et al. 2018, algorithm 1: the same with Adam's directions for gradients."""
    return optimistic_gradient(p, adams_directions(gradients, beta1, beta2, eps), rates, optimism)


def cocob(p, gradients, rates, alpha, eps):
    """Orabona & Tommasi 2017, algorithm 2, which has no rate: here it is a factor of the way from the start."""
    start, reward, trajectory = p, np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        so_far = np.array(gradients[:t])
        L = np.maximum(np.abs(so_far).max(axis=0), eps)
        G = np.abs(so_far).sum(axis=0)
        reward = np.maximum(reward - g * (p - start), 0)
        bet = -so_far.sum(axis=0) / (L * np.maximum(G + L, alpha * L))
        p = start + lr * bet * (L + reward)
        trajectory.append(p)
    return trajectory


def yogi(p, gradients, rates, beta1, beta2, eps):
    """Zaheer et al. 2018, algorithm 2."""
    m, v, trajectory = np.zeros_like(p), np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        m = beta1 * m + (1 - beta1) * g
        v = v - (1 - beta2) * np.sign(v - g**2) * g**2
        p = p - lr * m / (np.sqrt(v) + eps)
        trajectory.append(p)
    return trajectory


def qhm(p, gradients, rates, beta, nu):
    """Ma & Yarats 2019, equations 3 and 4."""
    buffers = list(averages(gradients, beta))
    return sgd(p, [(1 - nu) * g + nu * v for g, v in zip(gradients, buffers)], rates)


def qhadam(p, gradients, rates, beta1, beta2, eps, nu1, nu2):
    """Ma & Yarats 2019, section 4.3."""
    m, v = debiased(gradients, beta1), debiased([g**2 for g in gradients], beta2)
    steps = [
        ((1 - nu1) * g + nu1 * a) / (np.sqrt((1 - nu2) * g**2 + nu2 * b) + eps) for g, a, b in zip(gradients, m, v)
    ]
    return sgd(p, steps, rates)


def ada_bound(p, gradients, rates, beta1, beta2, eps, final, gamma):
    """Luo et al. 2019, algorithm 1 as in the authors' package: the bounds move with lr, and Adam's debiasing."""
    m, v = list(averages(gradients, beta1)), list(averages([g**2 for g in gradients], beta2))
    trajectory = []
    for t, (a, b, lr) in enumerate(zip(m, v, rates), start=1):
        rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) / (np.sqrt(b) + eps)
        final_lr = final * lr
        lower, upper = final_lr * (1 - 1 / (gamma * t + 1)), final_lr * (1 + 1 / (gamma * t))
        p = p - np.clip(rate, lower, upper) * a
        trajectory.append(p)
    return trajectory


def ada_belief(p, gradients, rates, beta1, beta2, eps):
    """Zhuang et al. 2020, algorithm 2."""
    m, s, trajectory = np.zeros_like(p), np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps
        p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + eps)
        trajectory.append(p)
    return trajectory


def adan(p, gradients, rates, beta1, beta2, beta3, eps, weight_decay):
    """Xie et al. 2022, algorithm 1, with 1 - beta for the paper's beta, and averages debiased as in the package."""
    changes = [0 * p, *(b - a for a, b in pairwise(gradients))]
    m, v = debiased(gradients, beta1), debiased(changes, beta2)
    n = debiased([(g + beta2 * d) ** 2 for g, d in zip(gradients, changes)], beta3)
    trajectory = []
    for a, b, c, lr in zip(m, v, n, rates):
        p = (p - lr * (a + beta2 * b) / (np.sqrt(c) + eps)) / (1 + lr * weight_decay)
        trajectory.append(p)
    return trajectory


def adopt(p, gradients, rates, beta1, beta2, eps):
    """Taniguchi et al. 2024, algorithm 2 with clipping: v_0 = g_0², and the first step is with g_1."""
    v, m, trajectory = gradients[0] ** 2, np.zeros_like(p), [p]
    for k, (g, lr) in enumerate(zip(gradients[1:], rates[1:]), start=1):
        m = beta1 * m + (1 - beta1) * np.clip(g / np.maximum(np.sqrt(v), eps), -(k**0.25), k**0.25)
        p = p - lr * m
        v = beta2 * v + (1 - beta2) * g**2
        trajectory.append(p)
    return trajectory


def ademamix(p, gradients, rates, beta1, beta2, beta3, alpha, eps, weight_decay):
    """Pagliardini et al. 2024, algorithm 1 without schedules of alpha and beta3."""
    fast, slow = debiased(gradients, beta1), averages(gradients, beta3)
    v, trajectory = debiased([g**2 for g in gradients], beta2), []
    for a, b, c, lr in zip(fast, slow, v, rates):
        p = p - lr * ((a + alpha * b) / (np.sqrt(c) + eps) + weight_decay * p)
        trajectory.append(p)
    return trajectory


# --- rules that look at the whole parameter, or at its rows and columns -----------------------------------------------


def length(x):
    return float(np.sqrt((x**2).sum()))


def trust_ratio(p, u, factor=1.0):
    """You et al.: the length of p over that of the step, 1 where one is 0."""
    return factor * length(p) / length(u) if length(p) > 0 and length(u) > 0 else 1.0


def lars(p, gradients, rates, momentum, weight_decay, trust):
    """You, Gitman & Ginsburg 2017, algorithm 1, as optax has it: the decay is in the norm of the gradient."""
    v, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        u = g + weight_decay * p
        v = momentum * v + lr * trust_ratio(p, u, trust) * u
        p = p - v
        trajectory.append(p)
    return trajectory


def lamb(p, gradients, rates, beta1, beta2, eps, weight_decay):
    """You et al. 2020, algorithm 2, with phi(z) = z."""
    trajectory = []
    for r, lr in zip(adams_directions(gradients, beta1, beta2, eps), rates):
        u = r + weight_decay * p
        p = p - lr * trust_ratio(p, u) * u
        trajectory.append(p)
    return trajectory


def novo_grad(p, gradients, rates, beta1, beta2, eps, weight_decay):
    """Ginsburg et al. 2019, algorithm 1."""
    v = m = None
    trajectory = []
    for g, lr in zip(gradients, rates):
        v = length(g) ** 2 if v is None else beta2 * v + (1 - beta2) * length(g) ** 2
        step = g / (np.sqrt(v) + eps) + weight_decay * p
        m = step if m is None else beta1 * m + step
        p = p - lr * m
        trajectory.append(p)
    return trajectory


def fromage(p, gradients, rates):
    """Bernstein et al. 2020, algorithm 1."""
    trajectory = []
    for g, lr in zip(gradients, rates):
        p = (p - lr * g * trust_ratio(p, g)) / np.sqrt(1 + lr**2)
        trajectory.append(p)
    return trajectory


def cautious(u, g):
    """Liang et al. 2024: the update where it agrees with the gradient, over the share that does."""
    mask = u * g > 0
    return u * mask / max(mask.mean(), 1e-3)


def cautious_adamw(p, gradients, rates, beta1, beta2, eps, weight_decay):
    trajectory = []
    for u, g, lr in zip(adams_directions(gradients, beta1, beta2, eps), gradients, rates):
        p = p - lr * weight_decay * p - lr * cautious(u, g)
        trajectory.append(p)
    return trajectory


def cautious_lion(p, gradients, rates, beta1, beta2, weight_decay):
    m, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        u = np.sign(beta1 * m + (1 - beta1) * g)
        p = p - lr * (cautious(u, g) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g
        trajectory.append(p)
    return trajectory


def mars(p, gradients, rates, beta1, beta2, eps, gamma, weight_decay):
    """Yuan et al. 2024, algorithm 2 with the approximation of section 3.2: the last gradient is the last batch's."""
    corrected = [g + gamma * beta1 / (1 - beta1) * (g - last) for g, last in zip(gradients, [gradients[0], *gradients])]
    clipped = [c / max(length(c), 1) for c in corrected]
    trajectory = []
    for u, lr in zip(adams_directions(clipped, beta1, beta2, eps), rates):
        p = p - lr * (u + weight_decay * p)
        trajectory.append(p)
    return trajectory


def adafactor(p, gradients, rates, power, eps, least, most, weight_decay):
    """Shazeer & Stern 2018, algorithms 4 (matrices) and 5 (vectors), with torch's places of eps."""
    R = C = V = 0.0
    trajectory = []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        beta2, alpha = 1 - t**-power, max(least, np.sqrt((p**2).mean())) * min(lr, 1 / np.sqrt(t))
        if p.ndim > 1:
            R = beta2 * R + (1 - beta2) * (g**2).mean(axis=1)
            C = beta2 * C + (1 - beta2) * (g**2).mean(axis=0)
            V = np.outer(R, C) / max(R.mean(), eps)
        else:
            V = beta2 * V + (1 - beta2) * g**2
        U = g / np.sqrt(np.maximum(V, eps**2))
        U = U / max(1, np.sqrt((U**2).mean()) / most)
        p = p - lr * weight_decay * p - alpha * U
        trajectory.append(p)
    return trajectory


def sm3(p, gradients, rates, momentum, eps):
    """Anil et al. 2019, algorithm SM3-II, whose sets are the rows and the columns, of a vector its elements."""
    mu = [np.zeros(n) for n in p.shape]
    m, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        nu = g**2 + (np.minimum(mu[0][:, None], mu[1][None, :]) if p.ndim > 1 else mu[0])
        m = momentum * m + (1 - momentum) * g / np.sqrt(nu + eps)
        p = p - lr * m
        mu = [nu.max(axis=1), nu.max(axis=0)] if p.ndim > 1 else [nu]
        trajectory.append(p)
    return trajectory


def schedule_free(p, gradients, rates, beta):
    """Defazio et al. 2024, equations 3 to 5, and equation 23's weights: the points y, at which the gradients are."""
    x = z = p
    trajectory = []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        z = z - lr * g
        c = lr**2 / sum(rate**2 for rate in rates[:t])
        x = (1 - c) * x + c * z
        trajectory.append((1 - beta) * z + beta * x)
    return trajectory


def schedule_free_adamw(p, gradients, rates, beta1, beta2, eps, weight_decay):
    """Defazio et al. 2024, algorithm 1."""
    scales = debiased([g**2 for g in gradients], beta2)
    x = y = z = p
    trajectory = []
    for t, (g, v, lr) in enumerate(zip(gradients, scales, rates), start=1):
        z = z - lr * g / (np.sqrt(v) + eps) - lr * weight_decay * y
        c = lr**2 / sum(rate**2 for rate in rates[:t])
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
        trajectory.append(y)
    return trajectory


def dog(p, gradients, rates, eps, distance):
    """Ivgi et al. 2023, equation 1; distance is r_eps."""
    start, total, trajectory = p, 0.0, []
    for g, lr in zip(gradients, rates):
        distance = max(distance, length(p - start))
        total += length(g) ** 2
        p = p - lr * distance / np.sqrt(total + eps) * g
        trajectory.append(p)
    return trajectory


def dadapt_adam(p, gradients, rates, beta1, beta2, eps, weight_decay, d):
    """Defazio & Mishchenko 2023, algorithm 5 with weight decay."""
    s, m, v, r, trajectory = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p), 0.0, []
    root = np.sqrt(beta2)
    for k, (g, lr) in enumerate(zip(gradients, rates), start=1):
        rate = d * lr * np.sqrt(1 - beta2**k) / (1 - beta1**k)
        r = root * r + (1 - root) * rate * float(g @ (s / (np.sqrt(v) + eps)))
        m = beta1 * m + (1 - beta1) * rate * g
        v = beta2 * v + (1 - beta2) * g**2
        s = root * s + (1 - root) * rate * g
        p = p - rate * weight_decay * p - m / (np.sqrt(v) + eps)
        if s.any():
            d = max(d, r / ((1 - root) * np.abs(s).sum()))
        trajectory.append(p)
    return trajectory


def prodigy(p, gradients, rates, beta1, beta2, eps, weight_decay, d):
    """Mishchenko & Defazio 2023, algorithm 4 with debiasing and weight decay."""
    start, s, m, v, r, trajectory = p, np.zeros_like(p), np.zeros_like(p), np.zeros_like(p), 0.0, []
    for k, (g, lr) in enumerate(zip(gradients, rates), start=1):
        rate = d * lr * np.sqrt(1 - beta2**k) / (1 - beta1**k)
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * (d * g) ** 2
        r = np.sqrt(beta2) * r + d * rate * float(g @ (start - p))
        s = np.sqrt(beta2) * s + d * rate * g
        p = p - rate * weight_decay * p - rate * m / (np.sqrt(v) + d * eps)
        if s.any():
            d = max(d, r / np.abs(s).sum())
        trajectory.append(p)
    return trajectory


def muon(p, gradients, rates, momentum, weight_decay, beta1, beta2, eps):
    """Jordan et al. 2024: of a matrix five Newton-Schulz steps of the Nesterov momentum; of a vector AdamW."""
    if p.ndim < 2:
        return adam(p, gradients, rates, beta1, beta2, eps, weight_decay)
    trajectory = []
    for m, g, lr in zip(averages(gradients, momentum), gradients, rates):
        U, values, Vt = np.linalg.svd(momentum * m + (1 - momentum) * g, full_matrices=False)
        values = values / np.sqrt((values**2).sum())
        for _ in range(5):  # the polynomial acts on the singular values alone
            values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
        p = p - lr * weight_decay * p - lr * np.sqrt(max(1, p.shape[0] / p.shape[1])) * (U * values) @ Vt
        trajectory.append(p)
    return trajectory


def symmetric_power(A, exponent):
    values, vectors = np.linalg.eigh(A)
    return vectors @ np.diag(values**exponent) @ vectors.T


def shampoo(p, gradients, rates, eps):
    """Gupta, Koren & Singer 2018, algorithm 1; a vector by the diagonal one, which is Adagrad."""
    if p.ndim < 2:
        return adagrad(p, gradients, rates, 0.0, eps)
    L, R, trajectory = eps * np.eye(p.shape[0]), eps * np.eye(p.shape[1]), []
    for G, lr in zip(gradients, rates):
        L, R = L + G @ G.T, R + G.T @ G
        p = p - lr * symmetric_power(L, -1 / 4) @ G @ symmetric_power(R, -1 / 4)
        trajectory.append(p)
    return trajectory


def directions(A):
    """Eigenvectors, the largest first; of the null space those that diag(1, 2, ...) has in it."""
    U, rank = np.linalg.svd(A)[0], np.linalg.matrix_rank(A)
    null = U[:, rank:]
    inside = np.linalg.eigh(null.T @ np.diag(np.arange(1.0, len(A) + 1)) @ null)[1]
    return np.hstack([U[:, :rank], null @ inside])


def soap(p, gradients, rates, beta1, beta2, eps, weight_decay, every):
    """Vyas et al. 2024, algorithms 3 and 4, with their package's bias correction, first update and decay."""
    if p.ndim < 2:
        return adam(p, gradients, rates, beta1, beta2, eps, weight_decay)
    first, *others = gradients
    L, R = (1 - beta2) * (first @ first.T), (1 - beta2) * (first.T @ first)
    QL, QR = (directions(A) for A in (L, R))
    M, V, trajectory = np.zeros_like(p), np.zeros_like(p), [p]
    for k, (G, lr) in enumerate(zip(others, rates[1:]), start=1):
        M = beta1 * M + (1 - beta1) * G
        V = beta2 * V + (1 - beta2) * (QL.T @ G @ QR) ** 2
        step = QL @ ((QL.T @ M @ QR) / (np.sqrt(V) + eps)) @ QR.T
        p = p - lr * np.sqrt(1 - beta2**k) / (1 - beta1**k) * step
        p = p - lr * weight_decay * p
        L, R = beta2 * L + (1 - beta2) * (G @ G.T), beta2 * R + (1 - beta2) * (G.T @ G)
        if k % every == 0:
            QL, QR = np.linalg.qr(L @ QL)[0], np.linalg.qr(R @ QR)[0]
        trajectory.append(p)
    return trajectory


def sophia(p, gradients, rates, curvatures, beta1, beta2, gamma, eps, weight_decay, every):
    """Liu et al. 2023, algorithm 3; curvatures are estimates of the Hessian's diagonal, of steps 1, 1 + every, ..."""
    m, h, trajectory = np.zeros_like(p), np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        m = beta1 * m + (1 - beta1) * g
        if t % every == 1 or every == 1:
            h = beta2 * h + (1 - beta2) * curvatures[(t - 1) // every]
        p = p - lr * weight_decay * p
        p = p - lr * np.clip(m / np.maximum(gamma * h, eps), -1, 1)
        trajectory.append(p)
    return trajectory


def mlp_gradients(X, labels, weights, biases):
    """Loss and gradients of a ReLU network with softmax cross-entropy, by hand: (loss, [dW], [db])."""
    h, inputs = X, []
    for k, (W, b) in enumerate(zip(weights, biases)):
        inputs.append(h)
        z = h @ W + b
        h = np.where(z > 0, z, 0) if k < len(weights) - 1 else z
    probabilities = np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)
    rows = np.arange(len(X))
    loss = -np.log(probabilities[rows, labels]).mean()
    d = probabilities.copy()
    d[rows, labels] -= 1
    d /= len(X)
    dW, db = [], []
    for k in reversed(range(len(weights))):
        dW.insert(0, inputs[k].T @ d)
        db.insert(0, d.sum(axis=0))
        d = (d @ weights[k].T) * (inputs[k] > 0)
    return loss, dW, db
