"""Losses of a first assignment as students write them, looped and vectorised, in plain NumPy.

A right gradient is accused in none of them, and the mistakes that students make in them have their names. The gradients
are computed by hand here, once for each kind of model.
"""

import numpy as np
import pytest

import tinygrad_edu as tg

rng = np.random.default_rng(3)
N, D, H, C, reg = 6, 4, 5, 3, 0.05
X, y = rng.standard_normal((N, D)), np.array([0, 2, 1, 1, 0, 2])
LINEAR = {"W": rng.standard_normal((D, C)) / 2}
NET = {
    "W1": rng.standard_normal((D, H)),
    "b1": rng.standard_normal(H) / 10,
    "W2": rng.standard_normal((H, C)),
    "b2": rng.standard_normal(C) / 10,
}


# --- a linear classifier: softmax


def softmax_looped(W):
    loss = 0.0
    for i in range(N):
        scores = X[i].dot(W)
        scores -= np.max(scores)
        p = np.exp(scores) / np.sum(np.exp(scores))
        loss += -np.log(p[y[i]])
    loss /= N
    loss += reg * np.sum(W * W)
    return loss


def softmax_vectorised(W):
    scores = X.dot(W)
    scores -= np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    return np.sum(-np.log(probs[np.arange(N), y])) / N + reg * np.sum(W * W)


def softmax_by_logsumexp(W):
    f = X @ W
    f = f - np.amax(f, axis=1).reshape(-1, 1)
    correct = f[range(len(X)), y]
    return (-correct + np.log(np.exp(f).sum(axis=1))).mean() + reg * (W**2).sum()


def softmax_with_copies(W):
    W = W.copy()
    scores = np.dot(X, W).astype(np.float64, copy=False)
    scores -= scores.max(axis=1)[:, np.newaxis]
    e = np.exp(scores)
    norm = e / e.sum(axis=1)[:, None]
    total = -np.sum(np.log(norm[np.arange(len(y)), y]))
    return total / len(y) + reg * np.sum(np.square(W))


def softmax_by_quotients(W):
    scores = X.dot(W)
    shifted = scores - np.max(scores, axis=1)[:, None]
    losses = -np.log(np.exp(shifted[np.arange(N), y]) / np.sum(np.exp(shifted), axis=1))
    return np.mean(losses) + reg * np.sum(W * W)


# --- a linear classifier: the hinge loss


def svm_looped(W):
    loss = 0.0
    for i in range(X.shape[0]):
        scores = X[i].dot(W)
        correct = scores[y[i]]
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - correct + 1
            if margin > 0:
                loss += margin
    loss /= X.shape[0]
    loss += reg * np.sum(W * W)
    return loss


def svm_vectorised(W):
    scores = X.dot(W)
    correct = scores[np.arange(N), y]
    margins = np.maximum(0, scores - correct[:, np.newaxis] + 1)
    margins[np.arange(N), y] = 0
    return np.sum(margins) / N + reg * np.sum(W * W)


def svm_with_masks(W):
    scores = np.dot(X, W)
    margin = scores - scores[np.arange(N), y].reshape(N, 1) + 1.0
    margin[range(N), y] = 0
    margin[margin < 0] = 0
    loss = margin.sum() / N
    loss += reg * np.sum(W**2)
    return loss


# --- a net of two layers


def net_vectorised(W1, b1, W2, b2):
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    scores = scores - np.max(scores, axis=1, keepdims=True)
    probs = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
    data_loss = np.sum(-np.log(probs[range(N), y])) / N
    return data_loss + reg * np.sum(W1 * W1) + reg * np.sum(W2 * W2)


def net_with_a_mask(W1, b1, W2, b2):
    h = X.dot(W1) + b1
    h[h < 0] = 0
    scores = h.dot(W2) + b2
    loss = -np.log(np.exp(scores[np.arange(N), y]) / np.exp(scores).sum(axis=1)).mean()
    loss += reg * (np.sum(W1**2) + np.sum(W2**2))
    return loss


def affine(x, w, b):
    return x.reshape(x.shape[0], -1).dot(w) + b, (x, w, b)


def cross_entropy(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.sum(log_probs[np.arange(x.shape[0]), y]) / x.shape[0]


def net_of_functions(W1, b1, W2, b2):
    a, _ = affine(X, W1, b1)
    scores, _ = affine(np.maximum(0, a), W2, b2)
    loss = cross_entropy(scores, y)
    for w in (W1, W2):
        loss += reg * np.sum(w * w)
    return loss


class Net:
    def __init__(self):
        self.params, self.reg = {}, reg

    def net_of_a_class(self, W1, b1, W2, b2):
        self.params["W1"], self.params["W2"] = W1, W2
        z1 = X.dot(self.params["W1"]) + b1
        a1 = z1 * (z1 > 0)
        scores = a1.dot(self.params["W2"]) + b2
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = np.sum(-np.log(p[np.arange(N), y]))
        loss /= N
        loss += self.reg * np.sum(self.params["W1"] ** 2)
        loss += self.reg * np.sum(self.params["W2"] ** 2)
        return loss


def net_with_a_list(W1, b1, W2, b2):
    losses = []
    for i in range(N):
        s = np.maximum(X[i].dot(W1) + b1, 0).dot(W2) + b2
        p = np.exp(s) / np.sum(np.exp(s))
        losses.append(-np.log(p[y[i]]))
    return np.mean(losses) + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))


def net_filled_by_rows(W1, b1, W2, b2):
    scores = np.empty((N, C))
    for i in range(N):
        hidden = X[i] @ W1 + b1
        scores[i, :] = np.where(hidden > 0, hidden, 0) @ W2 + b2
    logp = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(logp[np.arange(N), y]) + reg * np.sum(W1**2) + reg * np.sum(W2**2)


def net_of_tanh(W1, b1, W2, b2):
    A1 = np.tanh(np.dot(X, W1) + b1)
    Z2 = A1.dot(W2) + b2
    E = np.exp(Z2 - np.amax(Z2, axis=1, keepdims=True))
    A2 = E / E.sum(axis=1, keepdims=True)
    cost = 0.0
    for i in range(N):
        cost -= np.log(A2[i, y[i]]) / N
    return cost + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def net_of_sigmoids(W1, b1, W2, b2):
    h = sigmoid(X.dot(W1) + b1)
    f = h.dot(W2) + b2
    f -= np.max(f, axis=1).reshape((N, 1))
    loss = -f[np.arange(N), y].sum() + np.log(np.exp(f).sum(axis=1)).sum()
    return loss / N + reg * np.sum(W1 * W1) + reg * np.sum(W2 * W2)


# --- their gradients by hand; each argument is a place for a mistake


def softmax(scores, axis=1):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_gradient(penalty=2 * reg, n=N, axis=1, one_hot=1, sign=1):
    p = softmax(X @ LINEAR["W"], axis)
    p[np.arange(N), y] -= one_hot
    return {"W": sign * (X.T @ p / n + penalty * LINEAR["W"])}


def svm_gradient(penalty=2 * reg, n=N, correct=True):
    s = X @ LINEAR["W"]
    m = (s - s[np.arange(N), y][:, None] + 1 > 0) * 1.0
    m[np.arange(N), y] = 0
    m[np.arange(N), y] = -m.sum(axis=1) * correct
    return {"W": X.T @ m / n + penalty * LINEAR["W"]}


relu = lambda z: np.maximum(z, 0)
ACTIVATIONS = {
    relu: lambda g, a: g * (a > 0),
    np.tanh: lambda g, a: g * (1 - a**2),
    sigmoid: lambda g, a: g * a * (1 - a),
}


def net_gradient(activation=relu, slope=None, penalty=2 * reg, n=N, axis=1, exchanged=False):
    a = activation(X @ NET["W1"] + NET["b1"])
    d = softmax(a @ NET["W2"] + NET["b2"], axis)
    d[np.arange(N), y] -= 1
    d /= n
    dW2 = a.T @ d + penalty * NET["W2"]
    back = (slope or ACTIVATIONS[activation])(d @ (dW2 if exchanged else NET["W2"]).T, a)
    return {"W1": X.T @ back + penalty * NET["W1"], "b1": back.sum(axis=0), "W2": dW2, "b2": d.sum(axis=0)}


# the arguments with the mistake in them, the name of the mistake, and words that the sentence has
PENALTY = [
    ({"penalty": reg}, "factor", "half of what it should be: the 2 of a square's derivative was forgotten, in `"),
    ({"penalty": 4 * reg}, "factor", "twice too large: a 2 too many, or one path counted twice, in `"),
    ({"penalty": 0}, "path", ""),
]
MEAN = [({"n": 1}, "factor", "6 times too large: the 1/N of the mean was forgotten (N = 6)")]
AXIS = [({"axis": 0}, "softmax", "the softmax is taken over axis 0, not over axis 1")]
WEIGHTS = [({"exchanged": True}, "swapped", "the gradient of W2 stands where W2 belongs")]
SLOPES = {
    relu: [({"slope": lambda g, a: g}, "missing", "the derivative of relu is missing")],
    np.tanh: [
        ({"slope": lambda g, a: g}, "missing", "the derivative of tanh is missing"),
        ({"slope": lambda g, a: g * (1 - a)}, "formula", "is 1 - a**2 with a = tanh(z), not 1 - a"),
        ({"slope": lambda g, a: g @ (1 - a.T @ a)}, "dot", "a matrix product takes the place of *"),
    ],
    sigmoid: [
        ({"slope": lambda g, a: g}, "missing", "the derivative of sigmoid is missing"),
        ({"slope": lambda g, a: g * (1 - a)}, "formula", "a * (1 - a) with a = sigmoid(z), not 1 - a"),
        ({"slope": lambda g, a: g @ (a.T @ (1 - a))}, "dot", "a matrix product takes the place of *"),
    ],
}  # fmt: skip
HOT = ({"one_hot": 0}, "softmax", "the one-hot of the labels is not subtracted from p")
LOST = ({"one_hot": 0}, "path", "")  # where the formula has no p
TURNED = ({"sign": -1}, "sign", "the sign is turned round")
CORRECT = ({"correct": False}, "path", "")

CASES = [
    (softmax_looped, LINEAR, softmax_gradient, [*PENALTY, *MEAN, HOT, TURNED]),
    (softmax_vectorised, LINEAR, softmax_gradient, [*PENALTY, *MEAN, *AXIS, HOT, TURNED]),
    (softmax_by_logsumexp, LINEAR, softmax_gradient, [*PENALTY, *MEAN, *AXIS, LOST, TURNED]),
    (softmax_with_copies, LINEAR, softmax_gradient, [*PENALTY, *MEAN, *AXIS, HOT, TURNED]),
    (softmax_by_quotients, LINEAR, softmax_gradient, [*PENALTY, *MEAN, *AXIS, LOST, TURNED]),
    (svm_looped, LINEAR, svm_gradient, [*PENALTY, *MEAN, CORRECT]),
    (svm_vectorised, LINEAR, svm_gradient, [*PENALTY, *MEAN, CORRECT]),
    (svm_with_masks, LINEAR, svm_gradient, [*PENALTY, *MEAN, CORRECT]),
]
for f, activation in {
    net_vectorised: relu,
    net_with_a_mask: relu,
    net_of_functions: relu,
    Net().net_of_a_class: relu,
    net_with_a_list: relu,
    net_filled_by_rows: relu,
    net_of_tanh: np.tanh,
    net_of_sigmoids: sigmoid,
}.items():
    gradient = lambda activation=activation, **mistake: net_gradient(activation, **mistake)
    axis = AXIS if f is not net_with_a_list else []  # it has no axis to choose
    CASES.append((f, NET, gradient, [*PENALTY, *MEAN, *axis, *WEIGHTS, *SLOPES[activation]]))

PLANTED = [
    pytest.param(f, inputs, gradient(**mistake), key, words, id=f"{f.__name__}-{next(iter(mistake))}-{key}")
    for f, inputs, gradient, mistakes in CASES
    for mistake, key, words in mistakes
]


@pytest.mark.parametrize(
    ("f", "inputs", "gradient"), [case[:3] for case in CASES], ids=lambda x: getattr(x, "__name__", "")
)
def test_a_right_gradient_is_not_accused_and_the_graph_is_there(f, inputs, gradient):
    report = tg.diagnose(f, inputs, gradient())
    assert report.right
    assert "The right numbers are the engine's" in str(report)


@pytest.mark.sample(6)
@pytest.mark.parametrize(("f", "inputs", "given", "key", "words"), PLANTED)
def test_the_mistake_has_its_name(f, inputs, given, key, words):
    findings = tg.diagnose(f, inputs, given).findings
    assert any(found.mistake is not None for found in findings)
    for found in findings:
        if np.allclose(found.said, found.expected):
            assert found.mistake is None
        else:
            assert (found.mistake, words in found.text) == (key, True)
            assert not any(word in found.text for word in ("getitem", "matmul", "by mul", "by sub", "the result of"))
