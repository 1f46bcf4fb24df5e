"""Build it yourself: an engine, layers and Adam, as a student may have them after the twelve steps."""

from itertools import pairwise

import numpy as np


class Tensor:
    def __init__(self, data, parents=(), vjps=()):
        self.data = np.asarray(data, dtype=float)
        self.parents, self.vjps = parents, vjps
        self.grad = None

    def backward(self):
        grads = {self: np.ones_like(self.data)}
        for node in reversed(ordered(self)):
            g = grads.pop(node)
            if not node.parents:
                node.grad = g if node.grad is None else node.grad + g
            for parent, vjp in zip(node.parents, node.vjps, strict=True):
                share = unbroadcast(vjp(g), parent.data.shape)
                grads[parent] = grads[parent] + share if parent in grads else share

    def __add__(self, other):
        other = tensor(other)
        return Tensor(self.data + other.data, (self, other), (lambda g: g, lambda g: g))

    def __mul__(self, other):
        other = tensor(other)
        return Tensor(self.data * other.data, (self, other), (lambda g: g * other.data, lambda g: g * self.data))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + tensor(other) * -1.0

    def __rsub__(self, other):
        return tensor(other) - self

    def __truediv__(self, other):
        return self * tensor(other) ** -1.0

    def __rtruediv__(self, other):
        return tensor(other) / self

    def __pow__(self, n):
        return Tensor(self.data**n, (self,), (lambda g: g * n * self.data ** (n - 1),))

    def exp(self):
        y = np.exp(self.data)
        return Tensor(y, (self,), (lambda g: g * y,))

    def log(self):
        return Tensor(np.log(self.data), (self,), (lambda g: g / self.data,))

    def tanh(self):
        y = np.tanh(self.data)
        return Tensor(y, (self,), (lambda g: g * (1 - y**2),))

    def relu(self):
        return Tensor(np.maximum(self.data, 0), (self,), (lambda g: g * (self.data > 0),))

    def sum(self, axis=None):
        def vjp(g):
            return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), self.data.shape)

        return Tensor(self.data.sum(axis=axis), (self,), (vjp,))

    def mean(self, axis=None):
        total = self.sum(axis)
        return total * (total.data.size / self.data.size)

    def __matmul__(self, other):
        other = tensor(other)
        return Tensor(self.data @ other.data, (self, other), (lambda g: g @ other.data.T, lambda g: self.data.T @ g))


def tensor(x):
    return x if isinstance(x, Tensor) else Tensor(x)


def ordered(root):
    """Every node after its parents."""
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order


def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g


class Linear:
    def __init__(self, n_in, n_out, rng):
        self.W = Tensor(rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in))
        self.b = Tensor(np.zeros(n_out))

    def __call__(self, x):
        return x @ self.W + self.b

    def parameters(self):
        return [self.W, self.b]


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [Linear(n_in, n_out, rng) for n_in, n_out in pairwise(sizes)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]


def cross_entropy(logits, labels):
    z = logits - logits.data.max(axis=1, keepdims=True)
    one_hot = labels[:, None] == np.arange(logits.data.shape[1])
    return (z.exp().sum(axis=1).log() - (z * one_hot).sum(axis=1)).mean()


class Adam:
    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.params, self.numbers, self.t = list(params), (lr, beta1, beta2, eps), 0
        self.m = [np.zeros_like(p.data) for p in self.params]
        self.v = [np.zeros_like(p.data) for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        lr, beta1, beta2, eps = self.numbers
        self.t += 1
        for i, p in enumerate(self.params):
            self.m[i] = beta1 * self.m[i] + (1 - beta1) * p.grad
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * p.grad**2
            m_hat = self.m[i] / (1 - beta1**self.t)
            v_hat = self.v[i] / (1 - beta2**self.t)
            p.data = p.data - lr * m_hat / (np.sqrt(v_hat) + eps)
