"""Students: random networks in plain NumPy, their backpropagation written by hand, and one mistake planted in it.

Nothing of ours is used but `tg.diagnose`, in `confusion`, which counts what the doctor says to whom.
"""

from collections import Counter
from itertools import pairwise

import numpy as np

import tinygrad_edu as tg


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


ACTIVATE = {"sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
SLOPE = {  # as functions of z and of a
    "sigmoid": lambda z, a: a * (1 - a),
    "tanh": lambda z, a: 1 - a * a,
    "relu": lambda z, a: (z > 0) * 1.0,
}


class Network:
    """A random network of two or three layers, with a batch X and targets Y.

    Parameters
    ----------
    loss : "cross-entropy" after softmax, "binary" cross-entropy after a sigmoid, or the mean squared error: "squares"
        of linear outputs, or of "sigmoids"
    square : whether all layers and the batch have one width
    tied : whether the first two layers share their weights, which need to be square
    skip : whether the second layer's input is added to its output
    """

    def __init__(self, rng, loss=None, activation=None, square=False, tied=False, skip=False, depth=None):
        self.loss = loss or str(rng.choice(["cross-entropy", "binary", "squares", "sigmoids"]))
        self.activation = activation or str(rng.choice(list(ACTIVATE)))
        depth = depth or (3 if tied or skip else int(rng.integers(2, 4)))
        widths = [int(n) for n in rng.integers(2, 6, size=depth + 1)]
        if square or tied or skip:
            widths = [widths[0]] * depth + [widths[0] if square else widths[-1]]
        self.tied, self.skip = tied, skip
        N = widths[0] if square else int(rng.integers(2, 8))
        self.X = rng.standard_normal((N, widths[0]))
        C = widths[-1]
        self.Y = rng.standard_normal((N, C)) if self.loss == "squares" else 1.0 * rng.integers(0, 2, (N, C))
        if self.loss == "cross-entropy":
            self.Y = np.eye(C)[rng.integers(0, C, N)]
        self.inputs = {}
        for k, (n, m) in enumerate(pairwise(widths), 1):
            if not (tied and k == 2):
                self.inputs[f"W{k}"] = rng.standard_normal((n, m))
            self.inputs[f"b{k}"] = 0.5 * rng.standard_normal(m)
        self.depth = depth

    def layers(self, values):
        p = dict(zip(self.inputs, values))
        return [(p["W1" if self.tied and k == 2 else f"W{k}"], p[f"b{k}"]) for k in range(1, self.depth + 1)]

    def forward(self, *values):
        """(the input of each activation, the input of each layer) and then what is compared with Y."""
        a, zs, inputs = self.X, [], []
        for k, (W, b) in enumerate(self.layers(values), 1):
            inputs.append(a)
            zs.append(a @ W + b)
            if k < self.depth:
                before, a = a, ACTIVATE[self.activation](zs[-1])
                a = a + before if self.skip and k == 2 else a
        last = {"cross-entropy": softmax, "squares": lambda z: z}.get(self.loss, sigmoid)(zs[-1])
        return zs, inputs, last

    def __call__(self, *values):
        p = self.forward(*values)[-1]
        if self.loss == "cross-entropy":
            return -np.mean(np.sum(self.Y * np.log(p), axis=1))
        if self.loss == "binary":
            return -np.mean(self.Y * np.log(p) + (1 - self.Y) * np.log(1 - p))
        return np.mean((p - self.Y) ** 2)

    def gradients(self, plant="", dtype=float, lr=0.1):
        """The gradients of a student who computes in this dtype, and makes this mistake (a key of PLANTS)."""
        values = [x.astype(dtype) for x in self.inputs.values()]
        X, Y = self.X, self.Y
        self.X, self.Y = X.astype(dtype), Y.astype(dtype)
        try:
            zs, inputs, p = self.forward(*values)
            return self.backward(plant, self.layers(values), zs, inputs, p, lr)
        finally:
            self.X, self.Y = X, Y

    def backward(self, plant, layers, zs, inputs, p, lr):
        Y, N = self.Y, len(self.Y)
        if self.loss == "cross-entropy":
            dz = (p - Y) / N
            dz = {
                "diagonal of softmax": -Y / p / N * p * (1 - p),
                "softmax twice": dz * p * (1 - p),
                "one-hot forgotten": p / N,
                "softmax missing": -Y / p / N,
            }.get(plant, dz)
            count = N
        elif self.loss == "binary":
            dz, count = (p - Y) / Y.size, Y.size
            if plant == "last derivative twice":
                dz = dz * p * (1 - p)
        else:
            dp, count = 2 * (p - Y) / Y.size, Y.size
            if plant == "2 forgotten":
                dp = dp / 2
            dz = dp * p * (1 - p) if self.loss == "sigmoids" and plant != "A - Y with MSE" else dp
        if plant == "mean forgotten":
            dz = dz * count
        if plant == "divided twice":
            dz = dz / count
        if plant == "target - prediction":
            dz = -dz
        slope, act = SLOPE[self.activation], ACTIVATE[self.activation]
        found, behind = {}, None
        for k in range(self.depth, 0, -1):
            (W, _), a = layers[k - 1], inputs[k - 1]
            dW, db = a.T @ dz, dz.sum(axis=0)
            if plant == "W.T":
                dW = dW.T
            if plant == "bias not summed":
                db = dz
            if plant == "bias: wrong axis":
                db = dz.sum(axis=1)
            if plant == "bias: all axes":
                db = dz.sum()
            name = "W1" if self.tied and k == 2 else f"W{k}"
            found[name] = found[name] + dW if name in found and plant != "overwritten" else dW
            found[f"b{k}"] = db
            if k == 1:
                break
            back = W if plant == "W for W.T" else W.T
            if plant == "updated too early":
                back = (W - lr * dW).T
            da = dz @ back
            if self.skip and k == 2 and plant != "skip lost":
                da = da + behind
            behind = da
            z = zs[k - 2]
            h = act(z)
            local = {
                "derivative missing": np.ones_like(z),
                "derivative twice": slope(z, h) ** 2,
                "derivative of the activation again": slope(h, act(h)),
                "z for a": slope(z, z),
                "value for derivative": h,
                "wrong side": 1 - slope(z, h),
                "another activation's": SLOPE[OTHER[self.activation]](z, ACTIVATE[OTHER[self.activation]](z)),
            }.get(plant, slope(z, h))
            dz = da * local
        if plant == "swapped":
            found["W1"], found["W2"] = found["W2"], found["W1"]
        if plant == "zeros":
            found["W1"] = np.zeros_like(found["W1"])
        if plant == "one number":
            found["W2"].flat[-1] += 1
        return {name: found[name] for name in self.inputs}


OTHER = {"sigmoid": "tanh", "tanh": "sigmoid", "relu": "tanh"}
CURVED = "sigmoid tanh"

# planted mistake: (the key that names it, what the network has to be like)
PLANTS = {
    "target - prediction": ("sign", {}),
    "mean forgotten": ("factor", {}),
    "divided twice": ("factor", {}),
    "2 forgotten": ("factor", {"loss": "squares"}),
    "W.T": ("transposed", {}),
    "W.T ": ("transposed", {"square": True}),
    "W for W.T": ("transposed", {"square": True}),
    "bias not summed": ("unsummed", {}),
    "bias: wrong axis": ("axis", {}),
    "bias: all axes": ("axis", {}),
    "overwritten": ("path", {"tied": True}),
    "skip lost": ("path", {"skip": True}),
    "derivative missing": ("missing", {}),
    "A - Y with MSE": ("missing", {"loss": "sigmoids"}),
    "softmax missing": ("missing", {"loss": "cross-entropy"}),
    "derivative twice": ("doubled", {"activation": CURVED}),
    "last derivative twice": ("doubled", {"loss": "binary"}),
    "derivative of the activation again": ("activated", {"activation": CURVED}),
    "z for a": ("unactivated", {"activation": CURVED}),
    "value for derivative": ("value", {}),
    "wrong side": ("side", {"activation": "relu"}),
    "another activation's": ("other", {}),
    "diagonal of softmax": ("softmax", {"loss": "cross-entropy"}),
    "softmax twice": ("softmax", {"loss": "cross-entropy"}),
    "one-hot forgotten": ("softmax", {"loss": "cross-entropy"}),
    "updated too early": ("updated", {}),
    "swapped": ("swapped", {"square": True}),
    "zeros": ("zero", {}),
    "one number": ("unknown", {}),
}


def network(rng, plant=""):
    asked = dict(PLANTS[plant][1]) if plant else {k: bool(rng.integers(2)) for k in ("square", "tied", "skip")}
    if "activation" in asked:
        asked["activation"] = str(rng.choice(asked["activation"].split()))
    return Network(rng, **asked)


def confusion(plant, count, seed=0):
    """The doctor's verdicts on the wrong gradients of count networks, and the number of right ones that it accuses."""
    rng = np.random.default_rng([seed, *plant.encode()])
    said, accused = Counter(), 0
    for _ in range(count):
        net = network(rng, plant)
        right, given = net.gradients(), net.gradients(plant.strip())
        for name, key in tg.diagnose(net, net.inputs, given).mistakes.items():
            a, b = right[name], given[name]
            if a.shape != b.shape or not np.allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(a).max()):
                said[key] += 1
            else:
                accused += key is not None
    return said, accused


def right_case(rng):
    """A random network and its right gradients, as somebody else's computer may round them: in float32 or float64, with
    the batch in another order, and often where it is hard: saturated, nearly linear, or with relu at its kink. None
    where the loss or the gradients overflow."""
    net = network(rng)
    if rng.random() < 0.3:
        net.inputs = {name: x * 10.0 ** rng.uniform(-3, 1) for name, x in net.inputs.items()}
    if rng.random() < 0.3:
        net.X = np.round(net.X)
        net.inputs = {name: 0 * x if name[0] == "b" else x for name, x in net.inputs.items()}
    order, dtype = rng.permutation(len(net.X)), rng.choice([np.float64, np.float32])
    with np.errstate(all="ignore"):
        loss = net(*net.inputs.values())
        X, Y = net.X, net.Y
        net.X, net.Y = X[order], Y[order]
        given = net.gradients(dtype=dtype)
        net.X, net.Y = X, Y
    fine = np.isfinite(loss) and all(np.isfinite(g).all() for g in given.values())
    return (net, given) if fine else None
