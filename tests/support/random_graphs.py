"""Random numbers, shapes and graphs, out of the table of ops."""

import zlib
from typing import NamedTuple

import numpy as np
from ops_table import ROWS, pick, torch

GRAPHS = 200  # how many random graphs the laws try

# --- numbers and graphs ----------------------------------------------------------------------------------------------


def numbers(rng, *shapes):
    """Arrays of these shapes without a tie among all their elements, none of them at 0: far from every kink."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    count = sum(sizes)
    grid = (rng.permutation(2 * count) - count + 0.5) * (4 / max(count, 20))
    return [part.reshape(shape) for part, shape in zip(np.split(grid[:count], np.cumsum(sizes)[:-1]), shapes)]


def random_shape(rng, most=3):
    return tuple(
        pick(rng, (0, 1, 2, 3)) if rng.random() < 0.3 else int(rng.integers(1, 4))
        for _ in range(rng.integers(most + 1))
    )


class Graph(NamedTuple):
    """A random graph: values are steps, counted from 0, and leaves, counted down from -1.

    A step is (op, its arguments, keywords, a factor that keeps the numbers small). The loss is the sum of all that no
    step uses, times weights.
    """

    leaves: list
    steps: list
    weights: dict

    def loss(self, leaves, column):
        """The loss of these leaves, computed with a column of the table: "ours", "numpy" or "torch"."""
        done = []
        for name, arguments, keywords, factor in self.steps:
            values = [leaves[~i] if i < 0 else done[i] for i in arguments]
            done.append(result(name, values, keywords, column) * factor)
        return sum((done[i] * (torch.tensor(w) if column == "torch" else w)).sum() for i, w in self.weights.items())


def cases(name, count):
    """(number, arrays, keywords): arguments that fit, the same in every run."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    found = 0
    while found < count:
        shape = random_shape(rng)
        drawn = ROWS[name].fits(rng, shape)
        if drawn is not None:
            found += 1
            shapes, keywords = drawn
            arrays = numbers(rng, shape, *shapes)
            yield f"{name}, case {found}: {[a.shape for a in arrays]} {keywords}", arrays, keywords, rng


def result(name, values, keywords, column):
    row = ROWS[name]
    guarded = [row.guard(v) for v in values]
    return getattr(row, column)(*(map(np.asarray, guarded) if column == "numpy" else guarded), **keywords)


def random_graph(rng, without=()):
    """3 to 30 ops out of the whole table but for some; most values are used more than once."""
    names, count = [name for name, row in ROWS.items() if row.torch and name not in without], rng.integers(3, 31)
    leaves, done, steps = [rng.standard_normal(shape) for shape in ((2, 3), (3,), (2, 2))], [], []
    while len(steps) < count:
        name, first = pick(rng, names), int(rng.integers(-len(leaves), len(done)))
        values = {**{~i: leaf for i, leaf in enumerate(leaves)}, **dict(enumerate(done))}
        drawn = ROWS[name].fits(rng, values[first].shape)
        if drawn is None:
            continue
        (shapes, keywords), arguments, more = drawn, [first], []
        for shape in shapes:
            there = [i for i, value in values.items() if value.shape == shape]
            if there and rng.random() < 0.8:
                arguments.append(pick(rng, there))
            else:
                more.append(rng.standard_normal(shape))
                arguments.append(~(len(leaves) + len(more) - 1))
        values |= {~(len(leaves) + i): leaf for i, leaf in enumerate(more)}
        y = np.asarray(result(name, [values[i] for i in arguments], keywords, "numpy"))
        near_a_corner = name in ("std", "norm") and ((y > 0) & (y < 0.01)).any()
        if 0 < y.size <= 60 and not near_a_corner:
            leaves += more
            most = 4 - len(steps) / 100  # another one in each step: the largest numbers of two are no tie
            factor = min(1.0, most / max(np.abs(y).max(), 1e-300))
            steps.append((name, arguments, keywords, factor))
            done.append(y * factor)
    used = {i for _, arguments, *_ in steps for i in arguments}
    weights = {i: rng.uniform(0.5, 1.5, y.shape) for i, y in enumerate(done) if i not in used}
    return Graph(leaves, steps, weights)
