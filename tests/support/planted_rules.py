"""Update rules as a student writes them, apart from the package; `PLANTED` has them with mistakes, by name."""

import inspect

import naive
import numpy as np


def adam(
    m_in=lambda m, g, b: b * m + (1 - b) * g,
    v_in=lambda v, g, b, m: b * v + (1 - b) * g**2,
    m_hat=lambda m, t, b1, b2: m / (1 - b1**t),
    v_hat=lambda v, t, b1, b2: v / (1 - b2**t),
    step=lambda lr, m, v, eps, g: lr * m / (np.sqrt(v) + eps),
    largest=lambda x, v, t, b2: v,
    decay=lambda p, lr, wd: p * (1 - lr * wd),
    coupled=lambda g, p, wd: g,
    time=lambda t: t,
    swap=False,
    write_back="",
):
    """Adam, AdamW (with weight_decay) or AMSGrad (with largest), with any piece of it replaced."""

    def rule(p, g, state, t, lr, beta1, beta2, eps, weight_decay=0.0):
        t = time(t)
        if swap:
            beta1, beta2 = beta2, beta1
        g = coupled(g, p, weight_decay)
        m = state["m"] = m_in(state.get("m", np.zeros_like(p)), g, beta1)
        v = state["v"] = v_in(state.get("v", np.zeros_like(p)), g, beta2, m)
        x = state["x"] = largest(state.get("x", np.zeros_like(p)), v, t, beta2)
        m, x = m_hat(m, t, beta1, beta2), v_hat(x, t, beta1, beta2)
        state.update({"m": m} if "m" in write_back else {}, **({"v": x} if "v" in write_back else {}))
        return decay(p, lr, weight_decay) - step(lr, m, x, eps, g)

    return rule


def amsgrad(**pieces):
    return adam(**{"largest": lambda x, v, t, b2: np.maximum(x, v), **pieces})


def momentum(p, g, state, t, lr, beta, bias_correction=False):
    v = state["v"] = beta * state.get("v", 0) + (1 - beta) * g
    return p - lr * (v / (1 - beta**t) if bias_correction else v)


def rmsprop(v_in=lambda v, g, r: r * v + (1 - r) * g**2, step=lambda lr, g, v, eps: lr * g / (np.sqrt(v) + eps)):
    def rule(p, g, state, t, lr, rho, eps):
        v = state["v"] = v_in(state.get("v", np.zeros_like(p)), g, rho)
        return p - step(lr, g, v, eps)

    return rule


def adagrad(s_in=lambda s, g: s + g**2, step=lambda lr, g, s, eps: lr * g / (np.sqrt(s) + eps), late=0):
    def rule(p, g, state, t, lr, lr_decay, eps):
        s = state["s"] = s_in(state.get("s", np.zeros_like(p)), g)
        return p - step(lr / (1 + (t - 1 + late) * lr_decay), g, s, eps)

    return rule


def velocity(v_in=lambda v, g, mu: mu * v + g, step=lambda v, g, mu: v):
    def rule(p, g, state, t, lr, momentum):
        v = state["v"] = v_in(state.get("v", np.zeros_like(p)), g, momentum)
        return p - lr * step(v, g, momentum)

    return rule


def average(v_in):
    inner = velocity(v_in)
    return lambda p, g, state, t, lr, beta: inner(p, g, state, t, lr, beta)


def adadelta(root=lambda x, eps: np.sqrt(x + eps)):
    def rule(p, g, state, t, lr, rho, eps):
        v = state["v"] = rho * state.get("v", 0 * p) + (1 - rho) * g**2
        d = root(state.get("s", 0 * p), eps) / root(v, eps) * g
        state["s"] = rho * state.get("s", 0 * p) + (1 - rho) * d**2
        return p - lr * d

    return rule


def adamax(size=lambda g, eps: abs(g) + eps, correct=lambda b, t: 1 / (1 - b**t), below=lambda u, eps: u):
    def rule(p, g, state, t, lr, beta1, beta2, eps):
        m = state["m"] = beta1 * state.get("m", 0 * p) + (1 - beta1) * g
        u = state["u"] = np.maximum(beta2 * state.get("u", 0 * p), size(g, eps))
        return p - lr * correct(beta1, t) * m / below(u, eps)

    return rule


def shared():
    """Adam whose averages are in the function, not in the parameter's state."""
    everything = {}
    inner = adam()
    return lambda p, g, state, t, lr, beta1, beta2, eps: inner(p, g, everything, t, lr, beta1, beta2, eps)


class Crossed:
    """Adam or Momentum for W and b, whose average of the gradients of W is made with the average, or gradient, of b."""

    average, gradient = "W", "b"

    def __init__(self, params, lr, beta1=0.0, beta2=None, eps=0.0, beta=0.0):
        self.params, self.lr, self.eps, self.t = dict(zip("Wb", params)), lr, eps, 0
        self.beta1, self.beta2 = beta1 or beta, beta2
        self.m, self.v = {"W": 0.0, "b": 0.0}, {"W": 0.0, "b": 0.0}

    def step(self):
        self.t += 1
        g = {name: p.grad.copy() for name, p in self.params.items()}
        self.m["W"] = self.beta1 * self.m[self.average] + (1 - self.beta1) * g[self.gradient]
        self.m["b"] = self.beta1 * self.m["b"] + (1 - self.beta1) * g["b"]
        for name, p in self.params.items():
            if self.beta2 is None:
                p.data = p.data - self.lr * self.m[name]
                continue
            self.v[name] = self.beta2 * self.v[name] + (1 - self.beta2) * g[name] ** 2
            m_hat, v_hat = self.m[name] / (1 - self.beta1**self.t), self.v[name] / (1 - self.beta2**self.t)
            p.data = p.data - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class CrossedAverage(Crossed):
    average, gradient = "b", "W"


def counting(first):
    """Adam that counts its own steps, in one counter for all parameters."""
    inner, t = adam(), first - 1

    def rule(p, g, state, _, lr, beta1, beta2, eps):
        nonlocal t
        t += 1
        return inner(p, g, state, t, lr, beta1, beta2, eps)

    return rule


def late(p, g, state, t, lr, beta1, beta2, eps):
    m, v = state.get("m", 0 * p), state.get("v", 0 * p)
    state["m"], state["v"] = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


def forgetful(p, g, state, t, lr, beta1, beta2, eps):
    return adam()(p, g, {}, t, lr, beta1, beta2, eps)


def old(state, name, new, p):
    """The value remembered under that name, while new takes its place."""
    before = state.get(name, np.zeros_like(p))
    state[name] = new
    return before


plain = {"m_hat": lambda m, t, b1, b2: m, "v_hat": lambda v, t, b1, b2: v}
hatted = {"m_hat": lambda m, t, a, b: m * np.sqrt(1 - b**t) / (1 - a**t), "v_hat": plain["v_hat"]}


def torch_sgd(p, g, state, t, lr, momentum):
    """As torch.optim.SGD has it: the first gradient is not damped."""
    state["v"] = momentum * state["v"] + (1 - 0.4) * g if "v" in state else g
    return p - lr * state["v"]


# reference, words that say which published variant it is, the rule
VARIANTS = [
    ("Adam", "Kingma & Ba 2015, end of section 2", adam(**hatted)),
    ("AdamW", "eps-hat", adam(**hatted)),
    ("AMSGrad", "eps-hat", amsgrad(**hatted)),
    ("RMSprop", "as in TensorFlow and Keras", rmsprop(step=lambda lr, g, v, eps: lr * g / np.sqrt(v + eps))),
    ("Adagrad", "inside the root, as in Keras", adagrad(step=lambda lr, g, s, eps: lr * g / np.sqrt(s + eps))),
    ("Adamax", "as in Keras", adamax(size=lambda g, eps: abs(g), below=lambda u, eps: u + eps)),
    ("HeavyBall", "dampening is 0.4", torch_sgd),
]
# reference, the mistake's key, a rule that makes it
PLANTED = [
    ("Adam", "uncorrected", adam(**plain)),
    ("Adam", "m uncorrected", adam(m_hat=plain["m_hat"])),
    ("Adam", "v uncorrected", adam(v_hat=plain["v_hat"])),
    ("Adam", "multiplied", adam(m_hat=lambda m, t, a, b: m * (1 - a**t), v_hat=lambda v, t, a, b: v * (1 - b**t))),
    ("Adam", "multiplied", adam(m_hat=lambda m, t, a, b: m * (1 - a**t))),
    ("Adam", "multiplied", adam(v_hat=lambda v, t, a, b: v * (1 - b**t))),
    ("Adam", "beta squared", adam(m_hat=lambda m, t, a, b: m / (1 - a**2), v_hat=lambda v, t, a, b: v / (1 - b**2))),
    ("Adam", "beta squared", adam(v_hat=lambda v, t, a, b: v / (1 - b**2))),
    ("Adam", "power forgotten", adam(m_hat=lambda m, t, a, b: m / (1 - a), v_hat=lambda v, t, a, b: v / (1 - b))),
    ("Adam", "beta times t", adam(m_hat=lambda m, t, a, b: m / (1 - a * t), v_hat=lambda v, t, a, b: v / (1 - b * t))),
    ("Adam", "other beta", adam(m_hat=lambda m, t, a, b: m / (1 - b**t), v_hat=lambda v, t, a, b: v / (1 - a**t))),
    ("Adam", "other beta", adam(v_hat=lambda v, t, a, b: v / (1 - a**t))),
    ("Adam", "t from 0", adam(time=lambda t: t - 1)),
    ("Adam", "t late", adam(time=lambda t: t + 1)),
    ("Adam", "t per parameter", counting),
    ("Adam", "written back", adam(write_back="mv")),
    ("Adam", "written back", adam(write_back="m")),
    ("Adam", "written back", adam(write_back="v")),
    ("Adam", "eps inside", adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v + eps))),
    ("Adam", "eps forgotten", adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v))),
    ("Adam", "eps forgotten", adam(step=lambda lr, m, v, eps, g: lr * (m / np.sqrt(v) + eps))),
    ("Adam", "m and v swapped", adam(step=lambda lr, m, v, eps, g: lr * v / (np.sqrt(m) + eps))),
    ("Adam", "betas swapped", adam(swap=True)),
    ("Adam", "weights swapped", adam(m_in=lambda m, g, b: (1 - b) * m + b * g)),
    (
        "Adam",
        "weights swapped",
        adam(m_in=lambda m, g, b: (1 - b) * m + b * g, v_in=lambda v, g, b, m: (1 - b) * v + b * g**2),
    ),
    ("Adam", "sum for average", adam(m_in=lambda m, g, b: b * m + g)),
    ("Adam", "sum for average", adam(v_in=lambda v, g, b, m: b * v + g**2)),
    ("Adam", "g for g²", adam(v_in=lambda v, g, b, m: b * v + (1 - b) * g)),
    ("Adam", "g for g²", adam(v_in=lambda v, g, b, m: b * v + (1 - b) * abs(g))),
    ("Adam", "m² for g²", adam(v_in=lambda v, g, b, m: b * v + (1 - b) * m**2)),
    ("Adam", "root forgotten", adam(step=lambda lr, m, v, eps, g: lr * m / (v + eps))),
    ("Adam", "average unused", adam(step=lambda lr, m, v, eps, g: lr * g / (np.sqrt(v) + eps))),
    ("Adam", "scale unused", adam(step=lambda lr, m, v, eps, g: lr * m)),
    ("Adam", "sign", adam(step=lambda lr, m, v, eps, g: -lr * m / (np.sqrt(v) + eps))),
    ("Adam", "lr unused", adam(step=lambda lr, m, v, eps, g: m / (np.sqrt(v) + eps))),
    ("Adam", "lr squared", adam(step=lambda lr, m, v, eps, g: lr**2 * m / (np.sqrt(v) + eps))),
    ("Adam", "factor", adam(step=lambda lr, m, v, eps, g: lr / 3 * m / (np.sqrt(v) + eps))),
    ("Adam", "late", late),
    ("Adam", "shared memory", shared),
    ("Adam", "crossed", Crossed),
    ("Adam", "crossed", CrossedAverage),
    ("Adam", "upside down", adam(m_hat=lambda m, t, a, b: (1 - a**t) / m, v_hat=lambda v, t, a, b: (1 - b**t) / v)),
    ("Adam", "upside down", adam(m_hat=lambda m, t, a, b: (1 - a**t) / m)),
    ("Adam", "no memory", forgetful),
    (
        "Adam",
        "eps inside + sign",
        adam(step=lambda lr, m, v, eps, g: -lr * m / np.sqrt(v + eps)),
    ),
    ("AdamW", "coupled decay", adam(coupled=lambda g, p, wd: g + wd * p, decay=lambda p, lr, wd: p)),
    ("AdamW", "decay forgotten", adam(decay=lambda p, lr, wd: p)),
    ("AdamW", "decay without lr", adam(decay=lambda p, lr, wd: p * (1 - wd))),
    ("AdamW", "decay grows", adam(decay=lambda p, lr, wd: p * (1 + lr * wd))),
    ("AdamW", "eps inside", adam(step=lambda lr, m, v, eps, g: lr * m / np.sqrt(v + eps))),
    ("AdamW", "lr unused", adam(step=lambda lr, m, v, eps, g: m / (np.sqrt(v) + eps))),
    ("AMSGrad", "largest forgotten", adam()),
    (
        "AMSGrad",
        "largest late",
        amsgrad(largest=lambda x, v, t, b: np.maximum(x, v / (1 - b**t)), v_hat=plain["v_hat"]),
    ),
    ("AMSGrad", "uncorrected", amsgrad(**plain)),
    ("Momentum", "sum for average", average(lambda v, g, beta: beta * v + g)),
    ("Momentum", "weights swapped", average(lambda v, g, beta: (1 - beta) * v + beta * g)),
    ("Momentum", "crossed", Crossed),
    ("Momentum", "crossed", CrossedAverage),
    ("Momentum", "corrected", lambda p, g, state, t, lr, beta: momentum(p, g, state, t, lr, beta, True)),
    ("HeavyBall", "average for sum", velocity(v_in=lambda v, g, mu: mu * v + (1 - mu) * g)),
    ("HeavyBall", "average unused", velocity(step=lambda v, g, mu: g)),
    ("HeavyBall", "is Nesterov", velocity(step=lambda v, g, mu: g + mu * v)),
    ("HeavyBall", "sign", velocity(step=lambda v, g, mu: -v)),
    ("Nesterov", "is HeavyBall", velocity()),
    ("Nesterov", "new velocity for old", velocity(step=lambda v, g, mu: (1 + mu) * g + mu**2 * v)),
    ("RMSprop", "root forgotten", rmsprop(step=lambda lr, g, v, eps: lr * g / (v + eps))),
    ("RMSprop", "g for g²", rmsprop(v_in=lambda v, g, r: r * v + (1 - r) * g)),
    ("RMSprop", "weights swapped", rmsprop(v_in=lambda v, g, r: (1 - r) * v + r * g**2)),
    ("RMSprop", "sum for average", rmsprop(v_in=lambda v, g, r: r * v + g**2)),
    ("Adagrad", "g for g²", adagrad(s_in=lambda s, g: s + abs(g))),
    ("Adagrad", "no memory", adagrad(s_in=lambda s, g: g**2)),
    ("Adagrad", "t late", adagrad(late=1)),
    ("Adadelta", "eps outside", adadelta(root=lambda x, eps: np.sqrt(x) + eps)),
    ("Adadelta", "root forgotten", adadelta(root=lambda x, eps: x + eps)),
    ("Adamax", "m uncorrected", adamax(correct=lambda b, t: 1)),
    ("Adamax", "abs forgotten", adamax(size=lambda g, eps: g + eps)),
    ("Adamax", "eps forgotten", adamax(size=lambda g, eps: abs(g))),
    ("SGD", "sign", lambda p, g, state, t, lr: p + lr * g),
    ("SGD", "lr unused", lambda p, g, state, t, lr: p - g),
]
RANGES = {  # of random hyper-parameters, as powers of ten or as they are
    "lr": (-3, -0.5), "eps": (-10, -4), "weight_decay": (-2, -0.5), "lr_decay": (-2, -0.5), "lambd": (-3, -1),
    "least": (-5, -4), "most": (0, 1), "momentum_decay": (-3, -1),
    "beta1": (0.5, 0.95), "beta2": (0.9, 0.9999), "beta": (0.5, 0.95), "momentum": (0.3, 0.95), "rho": (0.5, 0.99),
    "down": (0.3, 0.8), "up": (1.1, 2.0), "alpha": (0.5, 1.0), "t0": (1, 30),
    "beta3": (0.9, 0.999), "optimism": (0.3, 1), "nu": (0.3, 0.9), "nu1": (0.3, 0.9), "nu2": (0.3, 0.9),
    "final": (1, 100), "gamma": (-3, 0), "trust": (0.01, 0.1), "power": (0.5, 1),
    "distance": (-3, 0), "initial": (-3, -1), "d": (-3, 0), "dampening": (0, 0.8), "every": (1, 9),
}  # fmt: skip
POWERS = [
    "lr",
    "eps",
    "weight_decay",
    "lr_decay",
    "lambd",
    "least",
    "most",
    "momentum_decay",
    "gamma",
    "distance",
    "d",
    "initial",
]


def draw(kind, rng):
    """Random numbers for every hyper-parameter of a class."""
    hyper = {}
    _, *parameters = inspect.signature(kind).parameters.values()
    for name in [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]:  # without l2, nonfinite
        if name in ("centered", "bias_correction"):
            hyper[name] = bool(rng.integers(2))
        else:
            drawn = rng.uniform(*RANGES[name])
            hyper[name] = int(drawn) if name == "every" else float(10**drawn if name in POWERS else drawn)
    return hyper


def from_naive(kind, dtype=np.float64):
    """The reference of tests/support/naive.py as a rule: it goes through all gradients so far."""
    reference = naive.adam if kind.__name__ == "AdamW" else getattr(naive, kind.kernel.__name__)

    def rule(p, g, state, t, **hyper):
        lr = hyper.pop("lr")
        state.setdefault("p", p.astype(dtype))
        state.setdefault("g", []).append(g.astype(dtype))
        return reference(state["p"], state["g"], [lr] * t, **hyper)[-1]

    return rule


def planted(k):
    """The rule of that row; those with a memory of their own are made anew."""
    reference, key, rule = PLANTED[k]
    return reference, key, rule() if rule is shared else rule(1) if rule is counting else rule


def plain_variant(reference, hyper):
    """Without the options that make other rules of Momentum and RMSprop, and decay alone of those made for it."""
    options = {"bias_correction": False, "centered": False}
    options |= {} if reference in ("AdamW", "Lion") else {"weight_decay": 0.0, "initial": 0.0, "dampening": 0.0}
    return {name: options.get(name, x) for name, x in hyper.items() if name != "momentum" or "rho" not in hyper}
