"""Graphs that are small enough to be shown: a leaf, a random graph, a network."""

import numpy as np

import tinygrad_edu as tg


def leaf(data, name=None, dtype=float):
    return tg.Tensor(np.array(data, dtype), requires_grad=True, name=name)


MAKE = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - 2 * b,
    lambda a, b: a.tanh(),
    lambda a, b: (a * a + 1).log(),
    lambda a, b: a.sigmoid() / (b * b + 1),
    lambda a, b: tg.maximum(a, b),
    lambda a, b: a.sum(axis=-1, keepdims=True) if a.ndim else a.exp() / 9,
    lambda a, b: tg.concatenate([a.reshape(-1), b.reshape(-1)]).mean(),
]


def random_graph(rng, dtype):
    """A loss over leaves that are broadcast, used several times, and retained now and then; and the leaves."""
    shapes = [(), (1,), (3,), (2, 1), (2, 3), (1, 3)]
    leaves = [leaf(rng.standard_normal(shapes[rng.integers(6)]), f"t{i}", dtype) for i in range(3)]
    made = list(leaves)
    for _ in range(rng.integers(1, 15)):
        a, b = (made[rng.integers(len(made))] for _ in range(2))
        made.append(MAKE[rng.integers(len(MAKE))](a, b))
        if rng.integers(4) == 0:
            made[-1].retain_grad()
    return made[-1].sum() + (made[-2] * made[-2]).mean() if rng.integers(2) else made[-1].sum(), leaves


def network():
    model = tg.mlp([2, 3, 2], "tanh", rng=0)
    model.named_parameters()
    X = np.random.default_rng(0).standard_normal((4, 2))
    return tg.cross_entropy(model(X), np.array([0, 1, 1, 0])), model
