"""The table of all ops: ours, the same in NumPy and in torch, and which arguments fit; and random graphs out of it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import tinygrad_edu as tg

try:
    import torch
except ImportError:
    torch = None


class Row(NamedTuple):
    """One op. The three functions take the same arrays and keywords.

    fits(rng, shape) draws what may go with a first argument of this shape: the shapes of the other arguments and the
    keywords; or None if nothing does. guard is arithmetic that brings any number into the domain of the op.
    """

    fits: Callable
    ours: Callable
    numpy: Callable
    torch: Callable | None
    guard: Callable = lambda a: a


def positive(a):
    return a * a + 0.5


# --- what fits -------------------------------------------------------------------------------------------------------


def pick(rng, choices):
    return choices[rng.integers(len(choices))]


def alone(rng, shape):
    return [], {}


def beside(rng, shape):
    """Another array that broadcasts with the first: the same shape, stretched, shorter or longer."""
    other = [pick(rng, (1, n, n)) if n != 1 else pick(rng, (1, 1, 3)) for n in shape]
    other = other[rng.integers(len(other) + 1) * rng.integers(2) :]
    if len(other) == len(shape) and len(shape) < 3 and rng.random() < 0.2:
        other = [pick(rng, (1, 2)), *other]
    return [tuple(other)], {}


def one_axis(rng, shape, none=True):
    choices = [*range(-len(shape), len(shape)), *[None] * none]
    return pick(rng, choices) if choices else None


def some_axes(rng, shape):
    if len(shape) < 2 or rng.random() < 0.6:
        return one_axis(rng, shape)
    axes = rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)]
    return tuple(int(i) - len(shape) * int(rng.integers(2)) for i in axes)


def over(rng, shape):
    return [], {"axis": some_axes(rng, shape), "keepdims": bool(rng.integers(2))}


def some_of(draw):
    """What draw gives, if there is at least one element along its axis."""

    def drawn(rng, shape):
        shapes, keywords = draw(rng, shape)
        return (shapes, keywords) if taken_in(shape, keywords["axis"]) else None

    return drawn


def taken_in(shape, axis):
    return np.prod([shape[i] for i in dims(shape, axis)], dtype=int)


over_some = some_of(over)


def spread_over(rng, shape):
    _, keywords = over(rng, shape)
    n = taken_in(shape, keywords["axis"])
    return ([], {**keywords, "ddof": int(rng.integers(2)) if n > 1 else 0}) if n else None


def along(rng, shape):
    return [], {"axis": one_axis(rng, shape)}


def along_one(rng, shape):
    return some_of(lambda *_: ([], {"axis": one_axis(rng, shape, none=False)}))(rng, shape) if shape else None


def product(rng, shape):
    if not shape:
        return None
    m, k = int(rng.integers(1, 4)), shape[-1]
    batch = beside(rng, shape[:-2])[0][0] if len(shape) > 2 else ()
    return [pick(rng, [(k,), (k, m), (*batch, k, m)])], {}


def layer(rng, shape):
    C = int(rng.integers(1, 4))
    return ([(shape[-1], C), (C,)], {}) if shape else None


LETTERS = (
    *(",i->i", "i->", "i,i", "i,j->ji", "i,i,i->i", "ij->ji", "ij->j", "ij,jk", "ij,jk->ki", "ij,jk,kl->il", "ij,j,i"),
    *("ij,k->ik", "ij,ij->i", "ii", "ii->i", "ii,i->i", "iij->j", "ijj,j->ij", "ijk->kj"),
    *("bij,bjk->bik", "bij,kj->bik", "...,...", "...i,i", "...i,ij->...j", "i...->...", "...ij,...jk", "...ii->...i"),
)


def letters(rng, shape):
    subscripts = pick(rng, LETTERS)
    first, *rest = subscripts.partition("->")[0].split(",")
    named = first.replace("...", "")
    at = len(shape) - len(named) if first.startswith("...") else 0
    mine = shape[at : at + len(named)]
    size = dict(zip(named, mine))
    if len(mine) < len(named) or any(size[c] != n for c, n in zip(named, mine)):
        return None
    if "..." not in first and len(shape) != len(named):
        return None
    dots = beside(rng, tuple(n for i, n in enumerate(shape) if not at <= i < at + len(named)))[0][0]
    shapes = []
    for term in rest:
        own = tuple(size.setdefault(c, int(rng.integers(1, 4))) for c in term.replace("...", ""))
        shapes.append((*dots, *own) if "..." in term else own)
    return shapes, {"subscripts": subscripts}


def choice(rng, shape):
    (other,), _ = beside(rng, shape)
    both = np.broadcast_shapes(shape, other)
    return [other], {"condition": rng.random(both[int(rng.integers(2)) if both else 0 :]) < 0.5}


def index(rng, shape):
    kind, n = pick(rng, ["basic", "basic", "list", "mask", "new"]), shape[0] if shape else 0
    if kind == "list" and n:
        return [], {"index": rng.integers(-n, n, pick(rng, [(4,), (2, 2), (0,)]))}
    if kind == "mask":
        return [], {"index": np.asarray(rng.random(shape) < 0.5)}
    if kind == "new":
        return [], {"index": pick(rng, [None, (..., None)])}
    return [], {"index": tuple(pick(rng, [slice(None), slice(1, None), -1 if n else slice(0, 0)]) for n in shape)}


def another_shape(rng, shape):
    size = int(np.prod(shape))
    halves = (2, size // 2) if size % 2 == 0 else (size, 1)
    return [], {"shape": pick(rng, [(size,), shape[::-1], (*shape, 1), (1, *shape), halves])}


def order(rng, shape):
    axes = [int(i) - len(shape) * int(rng.integers(2)) for i in rng.permutation(len(shape))]
    return [], {"axes": pick(rng, [None, tuple(axes)])}


def in_a_row(rng, shape):
    if not shape:
        return None
    axis = one_axis(rng, shape, none=False)
    others = []
    for _ in range(rng.integers(3)):
        other = list(shape)
        other[axis] = int(rng.integers(4))
        others.append(tuple(other))
    return others, {"axis": axis}


def side_by_side(rng, shape):
    return [shape] * int(rng.integers(3)), {"axis": int(rng.integers(-len(shape) - 1, len(shape) + 1))}


def labels(rng, shape):
    return ([], {"labels": rng.integers(0, shape[1], shape[0])}) if len(shape) == 2 and 0 not in shape else None


def ones_away(rng, shape):
    ones = [i for i, n in enumerate(shape) if n == 1]
    return [], {"axis": pick(rng, [None, *ones, *[i - len(shape) for i in ones], tuple(ones)])}


def new_axes(rng, shape):
    n = len(shape) + 1
    return [], {"axis": pick(rng, [int(rng.integers(-n, n)), (0, -1)])}


def larger(rng, shape):
    stretched = tuple(int(rng.integers(4)) if n == 1 else n for n in shape)
    return [], {"shape": (*[2] * int(rng.integers(2)), *stretched)}


def border(rng, shape):
    each = tuple(tuple(int(n) for n in rng.integers(0, 3, 2)) for _ in shape)
    return [], {"pad_width": pick(rng, [1, (0, 2), each or 0]), "constant_values": pick(rng, [0.0, -1.5])}


def places(rng, shape):
    if not shape or 0 in shape:
        return None
    axis = one_axis(rng, shape)
    n = int(np.prod(shape)) if axis is None else shape[axis]
    where = [4] if axis is None else list(shape)
    where[0 if axis is None else axis] = int(rng.integers(4))
    return [], {"indices": rng.integers(-n, n, where), "axis": axis}


# --- the same in torch -----------------------------------------------------------------------------------------------


def dims(shape, axis):
    """axis as a tuple of numbers from 0."""
    return tuple(i % len(shape) for i in (range(len(shape)) if axis is None else np.atleast_1d(axis)))


def over_dims(f):
    return lambda a, axis, keepdims, **keywords: f(a, dim=dims(a.shape, axis), keepdim=keepdims, **keywords)


def torch_prod(a, axis, keepdims):
    for i in sorted(dims(a.shape, axis), reverse=True):
        a = a.prod(i, keepdim=keepdims)
    return a


def torch_pad(a, pad_width, constant_values):
    widths = np.broadcast_to(pad_width, (a.ndim, 2))[::-1].ravel().tolist()
    return torch.nn.functional.pad(a, widths, value=constant_values)


def torch_take(a, indices, axis):
    a, axis = (a.reshape(-1), 0) if axis is None else (a, axis)
    return torch.take_along_dim(a, torch.tensor(indices) % a.shape[axis], axis)


def torch_expand_dims(a, axis):
    return a.reshape(np.expand_dims(np.empty(a.shape), axis).shape)


def flat_if_none(f):
    return lambda a, axis: f(a.reshape(-1), 0) if axis is None else f(a, axis)


# --- the same in NumPy, where it has no function ---------------------------------------------------------------------


def erf(a):
    """The integral, by Gauss and Legendre's rule: exact to rounding for |a| < 6."""
    t, weights = np.polynomial.legendre.leggauss(60)
    a = np.asarray(a)[..., None]
    return (np.exp(-((a * (t + 1) / 2) ** 2)) * weights).sum(-1) * a[..., 0] / np.sqrt(np.pi)


def softmax(a, axis):
    return np.exp(a) / np.exp(a).sum(axis=axis, keepdims=True)


def nll(z, labels):
    return -np.log(softmax(z, 1)[np.arange(len(z)), labels]).mean()


F = torch.nn.functional if torch else None
ROWS = {
    "add": Row(beside, tg.add, np.add, lambda a, b: a + b),
    "sub": Row(beside, tg.sub, np.subtract, lambda a, b: a - b),
    "mul": Row(beside, tg.mul, np.multiply, lambda a, b: a * b),
    "div": Row(beside, tg.div, np.divide, lambda a, b: a / b, positive),
    "neg": Row(alone, tg.neg, np.negative, lambda a: -a),
    "pow": Row(beside, tg.pow, np.power, lambda a, b: a**b, positive),
    "matmul": Row(product, tg.matmul, np.matmul, lambda a, b: a @ b),
    "linear": Row(layer, tg.linear, lambda x, W, b: x @ W + b, lambda x, W, b: x @ W + b),
    "einsum": Row(
        letters,
        lambda *a, subscripts: tg.einsum(subscripts, *a),
        lambda *a, subscripts: np.einsum(subscripts, *a),
        lambda *a, subscripts: torch.einsum(subscripts, *a),
    ),
    "exp": Row(alone, tg.exp, np.exp, lambda a: a.exp()),
    "expm1": Row(alone, tg.expm1, np.expm1, lambda a: a.expm1()),
    "log": Row(alone, tg.log, np.log, lambda a: a.log(), positive),
    "log1p": Row(alone, tg.log1p, np.log1p, lambda a: a.log1p(), positive),
    "sin": Row(alone, tg.sin, np.sin, lambda a: a.sin()),
    "cos": Row(alone, tg.cos, np.cos, lambda a: a.cos()),
    "erf": Row(alone, tg.erf, erf, lambda a: a.erf()),
    "sqrt": Row(alone, tg.sqrt, np.sqrt, lambda a: a.sqrt(), positive),
    "abs": Row(alone, tg.abs, np.abs, lambda a: a.abs()),
    "tanh": Row(alone, tg.tanh, np.tanh, lambda a: a.tanh()),
    "sigmoid": Row(alone, tg.sigmoid, lambda a: 1 / (1 + np.exp(-a)), lambda a: a.sigmoid()),
    "relu": Row(alone, tg.relu, lambda a: a * (a > 0), lambda a: a.relu()),
    "leaky_relu": Row(alone, tg.leaky_relu, lambda a: np.where(a > 0, a, a / 100), lambda a: F.leaky_relu(a)),
    "elu": Row(alone, tg.elu, lambda a: np.where(a > 0, a, np.exp(a) - 1), lambda a: F.elu(a)),
    "silu": Row(alone, tg.silu, lambda a: a / (1 + np.exp(-a)), lambda a: F.silu(a)),
    "gelu": Row(alone, tg.gelu, lambda a: a * (1 + erf(a / np.sqrt(2))) / 2, lambda a: F.gelu(a)),
    "softplus": Row(alone, tg.softplus, lambda a: np.log(1 + np.exp(a)), lambda a: F.softplus(a)),
    "maximum": Row(beside, tg.maximum, np.maximum, lambda a, b: torch.maximum(a, b)),
    "minimum": Row(beside, tg.minimum, np.minimum, lambda a, b: torch.minimum(a, b)),
    "where": Row(
        choice,
        lambda a, b, condition: tg.where(condition, a, b),
        lambda a, b, condition: np.where(condition, a, b),
        lambda a, b, condition: torch.where(torch.tensor(condition), a, b),
    ),
    "clip": Row(
        lambda rng, shape: ([], pick(rng, [{"low": -0.77, "high": 0.53}, {"high": 0.13}, {"low": None, "high": 1.01}])),
        tg.clip,
        lambda a, low=None, high=None: np.clip(a, low, high),
        lambda a, low=None, high=None: torch.clip(a, low, high),
    ),
    "sum": Row(over, tg.sum, np.sum, over_dims(lambda a, **k: a.sum(**k))),
    "mean": Row(over_some, tg.mean, np.mean, over_dims(lambda a, **k: a.mean(**k))),
    "var": Row(spread_over, tg.var, np.var, over_dims(lambda a, ddof, **k: a.var(correction=ddof, **k))),
    "std": Row(spread_over, tg.std, np.std, over_dims(lambda a, ddof, **k: a.std(correction=ddof, **k))),
    "norm": Row(
        over,
        tg.norm,
        lambda a, **k: np.sqrt(np.sum(a**2, **k)),
        over_dims(lambda a, **k: torch.linalg.vector_norm(a, **k)),
    ),
    "prod": Row(over, tg.prod, np.prod, torch_prod),
    "cumsum": Row(along, tg.cumsum, np.cumsum, flat_if_none(lambda a, i: a.cumsum(i))),
    "max": Row(over_some, tg.max, np.max, over_dims(lambda a, **k: a.amax(**k))),
    "min": Row(over_some, tg.min, np.min, over_dims(lambda a, **k: a.amin(**k))),
    "argmax": Row(some_of(along), tg.argmax, np.argmax, None),  # no gradient
    "logsumexp": Row(
        over_some,
        tg.logsumexp,
        lambda a, **k: np.log(np.exp(a).sum(**k)),
        over_dims(lambda a, **k: a.logsumexp(**k)),
    ),
    "softmax": Row(along_one, tg.softmax, softmax, lambda a, axis: a.softmax(axis)),
    "log_softmax": Row(
        along_one, tg.log_softmax, lambda a, axis: np.log(softmax(a, axis)), lambda a, axis: a.log_softmax(axis)
    ),
    "cross_entropy": Row(labels, tg.cross_entropy, nll, lambda z, labels: F.cross_entropy(z, torch.tensor(labels))),
    "reshape": Row(
        another_shape,
        lambda a, shape: tg.reshape(a, shape),
        lambda a, shape: np.reshape(a, shape),  # in NumPy 2.0 it has another name
        lambda a, shape: a.reshape(shape),
    ),
    "transpose": Row(
        order,
        lambda a, axes: tg.transpose(a, axes),
        np.transpose,
        lambda a, axes: a.permute(axes or tuple(range(a.ndim))[::-1]),
    ),
    "squeeze": Row(ones_away, tg.squeeze, np.squeeze, lambda a, axis: a.squeeze() if axis is None else a.squeeze(axis)),
    "expand_dims": Row(new_axes, tg.expand_dims, np.expand_dims, torch_expand_dims),
    "broadcast_to": Row(larger, tg.broadcast_to, np.broadcast_to, lambda a, shape: a.broadcast_to(shape)),
    "flip": Row(
        lambda rng, shape: ([], {"axis": some_axes(rng, shape)}),
        tg.flip,
        np.flip,
        lambda a, axis: a.flip(dims(a.shape, axis)),
    ),
    "pad": Row(border, tg.pad, np.pad, torch_pad),
    "take_along_axis": Row(places, tg.take_along_axis, np.take_along_axis, torch_take),
    "astype": Row(
        lambda rng, shape: ([], {"dtype": np.float64}),
        lambda a, dtype: tg.Tensor.astype(a, dtype),
        lambda a, dtype: a.astype(dtype),
        lambda a, dtype: a.double(),
    ),
    "getitem": Row(
        index,
        lambda a, index: a[index],
        lambda a, index: a[index],
        lambda a, index: a[torch.tensor(index) if isinstance(index, np.ndarray) else index],
    ),
    "concatenate": Row(
        in_a_row,
        lambda *a, axis: tg.concatenate(a, axis),
        lambda *a, axis: np.concatenate(a, axis),
        lambda *a, axis: torch.cat(a, axis),
    ),
    "stack": Row(
        side_by_side,
        lambda *a, axis: tg.stack(a, axis),
        lambda *a, axis: np.stack(a, axis),
        lambda *a, axis: torch.stack(a, axis),
    ),
}


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


def result(name, values, keywords, column):
    row = ROWS[name]
    guarded = [row.guard(v) for v in values]
    return getattr(row, column)(*(map(np.asarray, guarded) if column == "numpy" else guarded), **keywords)


def random_graph(rng):
    """3 to 30 ops out of the whole table; most values are used more than once."""
    names, count = [name for name, row in ROWS.items() if row.torch], rng.integers(3, 31)
    leaves, done, steps = [rng.standard_normal((2, 3)), rng.standard_normal(3)], [], []
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
            factor = min(1.0, 4 / max(np.abs(y).max(), 1e-300))
            steps.append((name, arguments, keywords, factor))
            done.append(y * factor)
    used = {i for _, arguments, *_ in steps for i in arguments}
    weights = {i: rng.uniform(0.5, 1.5, y.shape) for i, y in enumerate(done) if i not in used}
    return Graph(leaves, steps, weights)
