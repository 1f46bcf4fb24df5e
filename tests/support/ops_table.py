"""The table of all ops: ours, the same in NumPy and in torch, arguments to try, and which others fit."""

import ast
import inspect
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import ops

try:
    import torch
except ImportError:
    torch = None


class Row(NamedTuple):
    """One op. The three functions take the same arrays and keywords.

    fits(rng, shape) draws what may go with a first argument of this shape: the shapes of the other arguments and the
    keywords; or None if nothing does. guard is arithmetic that brings any number into the domain of the op. cases are
    (arguments, keywords) that are tried in every run.
    """

    fits: Callable
    ours: Callable
    numpy: Callable
    torch: Callable | None
    guard: Callable = lambda a: a
    cases: tuple = ()


def positive(a):
    return a * a + 0.5


def above_1(a):
    return a * a + 1.2


def within_1(a):
    return a / (1 + a * a)


def off_the_steps(a):
    return a + 0.37


def uneven(a):
    """Positive numbers, none of them a multiple of another one unless the two are the same."""
    return 3.0517 + 0.7 * a


def invertible(a):
    """A matrix that is far from singular, and not symmetric."""
    return spd(a) + turn(a)


def spd(a):
    """A matrix that is symmetric and positive definite, as a Cholesky factor needs."""
    return a @ a.mT + (np.eye(a.shape[-1], dtype=a.dtype) if not is_torch(a) else torch.eye(a.shape[-1]))


def turn(a):
    lower = np.tri(a.shape[-1], dtype=np.float32) / 2
    return torch.tensor(lower - lower.T) if is_torch(a) else (lower - lower.T).astype(a.dtype)


def is_torch(a):
    return torch is not None and isinstance(a, torch.Tensor)


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
    """Arguments from draw, but with at least one element along the axis."""

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


def square(rng, shape):
    return ([], {}) if len(shape) > 1 and shape[-1] == shape[-2] > 0 else None


def equations(rng, shape):
    return ([(*shape[:-1], int(rng.integers(1, 4)))], {}) if square(rng, shape) else None


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


def steps(rng, sizes, padded):
    """Stride, padding and dilation for a window of these sizes on padded lengths, if it is not larger; else None."""
    keywords = {
        "stride": pick(rng, [1, 2, (1, 2), (3, 1)]),
        "padding": pick(rng, [0, 1, (1, 0)]),
        "dilation": pick(rng, [1, 1, 2, (2, 1)]),
    }
    p, d = both(keywords["padding"]), both(keywords["dilation"])
    return keywords if all(d[i] * (sizes[i] - 1) < padded[i] + 2 * p[i] for i in (0, 1)) else None


def kernels(rng, shape):
    if len(shape) != 3 or 0 in shape:
        return None
    sizes = tuple(int(n) for n in rng.integers(1, 4, 2))
    keywords = steps(rng, sizes, shape[1:])
    return keywords and ([(int(rng.integers(1, 4)), shape[0], *sizes)], keywords)


def pools(dilated):
    def drawn(rng, shape):
        if len(shape) < 2 or 0 in shape:
            return None
        sizes = tuple(int(n) for n in rng.integers(1, 4, 2))
        keywords = steps(rng, sizes, shape[-2:])
        alone = keywords and both(keywords["padding"]) != (0, 0) and both(keywords["dilation"]) != (1, 1)
        if not keywords or alone or any(2 * p > n for p, n in zip(both(keywords["padding"]), sizes)):
            return None
        if rng.random() < 0.3:
            keywords["stride"] = None
        if not dilated and both(keywords.pop("dilation")) != (1, 1):
            return None
        return [], {"kernel_size": sizes, **keywords}

    return drawn


def both(pair):
    return pair if isinstance(pair, tuple) else (pair, pair)


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


def torch_max_pool(a, kernel_size, stride=None, padding=0, dilation=1):
    return in_4_axes(a, lambda a: F.max_pool2d(a, kernel_size, stride, padding, dilation))


def torch_avg_pool(a, kernel_size, stride=None, padding=0):
    return in_4_axes(a, lambda a: F.avg_pool2d(a, kernel_size, stride, padding))


def in_4_axes(a, f):
    """f of an array of pictures in its last two axes, whatever is before these."""
    y = f(a.reshape((1, -1, *a.shape[-2:])))
    return y.reshape((*a.shape[:-2], *y.shape[-2:]))


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


def window_of(a, i, j, sizes, stride, padding, dilation, fill=0.0):
    """What the window at (i, j) sees of the last two axes of a, element by element."""
    rows, columns = (
        [i * s + k * d - p for k in range(n)]
        for i, s, d, p, n in zip((i, j), *map(both, (stride, dilation, padding)), sizes)
    )
    inside = lambda r, c: 0 <= r < a.shape[-2] and 0 <= c < a.shape[-1]
    seen = [[a[..., r, c] if inside(r, c) else np.full(a.shape[:-2], fill) for c in columns] for r in rows]
    return np.moveaxis(np.array(seen), (0, 1), (-2, -1))


def windows_along(a, sizes, stride, padding, dilation):
    """Height and width of what a window of these sizes gives."""
    numbers = zip(a.shape[-2:], sizes, *map(both, (stride, padding, dilation)))
    return [(n + 2 * p - d * (m - 1) - 1) // s + 1 for n, m, s, p, d in numbers]


def over_windows(f, a, sizes, stride, padding, dilation, fill=0.0):
    """f of what each window sees, in the place of its last two axes."""
    H, W = windows_along(a, sizes, stride, padding, dilation)
    y = [[f(window_of(a, i, j, sizes, stride, padding, dilation, fill)) for j in range(W)] for i in range(H)]
    return np.moveaxis(np.array(y), (0, 1), (-2, -1))


def convolve(x, W, stride=1, padding=0, dilation=1):
    f = lambda seen: (seen[:, None] * W).sum(axis=(2, 3, 4))
    return over_windows(f, x if x.ndim == 4 else x[None], W.shape[2:], stride, padding, dilation)


def pool(f, fill):
    return lambda a, kernel_size, stride=None, padding=0, dilation=1: over_windows(
        lambda seen: f(seen, axis=(-2, -1)),
        a,
        both(kernel_size),
        kernel_size if stride is None else stride,
        padding,
        dilation,
        fill,
    )


# --- what is tried in every run ---------------------------------------------------------------------------------------

draws = np.random.default_rng(0)


def normal(*shape):
    return draws.standard_normal(shape)


def above_0(*shape):
    return draws.uniform(0.5, 2, shape)


def plain(*arguments):
    """Arguments without keywords."""
    return [(args, {}) for args in arguments]


A = normal(3, 4)
SQUARE = normal(3, 3)
LABELS = np.array([2, 0, 3])
BROADCASTS = [
    (normal(3, 4), normal(3, 4)),
    (normal(3, 4), normal(4)),
    (normal(3, 1), normal(1, 4)),
    (normal(2, 3, 4), normal(3, 1)),
    (normal(), normal(3, 4)),
    (normal(1, 1), normal(4)),
    (normal(3, 4), 2.5),
    (-1.5, normal(3, 4)),
]
PRODUCTS = [
    ((3, 4), (4, 2)),
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((4,), (4, 2)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((5, 1, 3, 4), (2, 4, 2)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 3)),
    ((1, 1), (1, 1)),
]
OVER = [
    ((a,), kwargs)
    for a in [A, SQUARE, normal(2, 3, 4)]
    for kwargs in [
        {},
        {"keepdims": True},
        {"axis": 0},
        {"axis": 1},
        {"axis": -1, "keepdims": True},
        {"axis": (0, 1)},
        {"axis": (0, -1), "keepdims": True},
    ]
]
SUBSCRIPTS = [
    ("ij,jk->ik", (3, 4), (4, 2)),
    ("kj, ij", (2, 4), (3, 4)),
    ("i,i", (4,), (4,)),
    ("ij->", (3, 4)),
    ("ba", (3, 4)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij,j->i", (3, 3, 4), (4,)),
    ("iii", (2, 2, 2)),
    ("i,ij,j->", (3,), (3, 4), (4,)),
    ("ij,ij->i", (3, 1), (3, 4)),
    ("...ij,...jk->...ik", (5, 1, 3, 4), (2, 4, 2)),
    ("...i,i", (2, 3, 4), (4,)),
    ("...ii->...i", (2, 1, 3, 3)),
    ("...i,...i->i...", (4,), (2, 3, 4)),
    (",i", (), (3,)),
]
BORDERS = [(0, 0.0), (1, 0.0), ((0, 2), 7.0), (((1, 2), (0, 3)), -1.0)]
INDICES = [
    0,
    -1,
    slice(1, 3),
    (slice(None), 2),
    (slice(None, None, -2), slice(1, None)),
    (..., 0),
    None,
    (2, 3),
    [0, 2, 2, 2],
    np.array([[0, 1], [1, 1]]),
    (np.array([0, 1, 1]), np.array([3, 3, 3])),
    SQUARE[0, 0] > 9,
    np.arange(16).reshape(4, 4) % 3 == 0,
    (np.array([True, False, True, True]), 1),
]
PLACES = [
    (np.array([[0], [2], [1]]), 1),
    (np.array([[2, 2, -3]]), 0),
    (np.array([[0, 1, 1], [1, 2, 2]]), -2),
    (np.array([8, 0, 8]), None),
]

CONVOLVED = [
    ((2, 3, 5, 6), (4, 3, 3, 3), {}),
    ((1, 1, 4, 4), (1, 1, 1, 1), {"stride": 2}),
    ((3, 2, 7, 5), (2, 2, 3, 2), {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}),
    ((1, 2, 3, 3), (2, 2, 3, 3), {"padding": 1, "dilation": 2}),
]
POOLED = [
    ((2, 3, 4, 6), {"kernel_size": 2}),
    ((1, 2, 5, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((5, 7), {"kernel_size": (2, 3), "stride": (1, 2)}),
]


F = torch.nn.functional if torch else None
ROWS = {
    "add": Row(beside, tg.add, np.add, lambda a, b: a + b, cases=plain(*BROADCASTS)),
    "sub": Row(beside, tg.sub, np.subtract, lambda a, b: a - b, cases=plain(*BROADCASTS)),
    "mul": Row(beside, tg.mul, np.multiply, lambda a, b: a * b, cases=plain(*BROADCASTS)),
    "div": Row(
        beside,
        tg.div,
        np.divide,
        lambda a, b: a / b,
        positive,
        cases=plain(*[(np.sign(a) + a, np.sign(b) + b) for a, b in BROADCASTS]),
    ),
    "neg": Row(alone, tg.neg, np.negative, lambda a: -a, cases=plain((A,))),
    "pow": Row(
        beside,
        tg.pow,
        np.power,
        lambda a, b: a**b,
        positive,
        cases=plain(*[(np.abs(a) + 0.1, b) for a, b in BROADCASTS]),
    ),
    "matmul": Row(
        product, tg.matmul, np.matmul, lambda a, b: a @ b, cases=plain(*[(normal(*i), normal(*j)) for i, j in PRODUCTS])
    ),
    "linear": Row(
        layer,
        tg.linear,
        lambda x, W, b: x @ W + b,
        lambda x, W, b: x @ W + b,
        cases=plain((normal(5, 3), normal(3, 4), normal(4)), (normal(1, 3), normal(3, 1), normal(1))),
    ),
    "einsum": Row(
        letters,
        lambda *a, subscripts: tg.einsum(subscripts, *a),
        lambda *a, subscripts: np.einsum(subscripts, *a),
        lambda *a, subscripts: torch.einsum(subscripts, *a),
        cases=[([normal(*shape) for shape in shapes], {"subscripts": s}) for s, *shapes in SUBSCRIPTS],
    ),
    "conv2d": Row(
        kernels,
        lambda x, W, **k: tg.conv2d(x if np.ndim(x) == 4 else x.expand_dims(0), W, **k),
        convolve,
        lambda x, W, **k: F.conv2d(x[None], W, **k),
        cases=[((normal(*x), normal(*W)), k) for x, W, k in CONVOLVED],
    ),
    "max_pool2d": Row(
        pools(True), tg.max_pool2d, pool(np.max, -np.inf), torch_max_pool, cases=[((normal(*a),), k) for a, k in POOLED]
    ),
    "avg_pool2d": Row(
        pools(False), tg.avg_pool2d, pool(np.mean, 0.0), torch_avg_pool, cases=[((normal(*a),), k) for a, k in POOLED]
    ),
    "exp": Row(alone, tg.exp, np.exp, lambda a: a.exp(), cases=plain((A,))),
    "expm1": Row(alone, tg.expm1, np.expm1, lambda a: a.expm1(), cases=plain((A,))),
    "log": Row(alone, tg.log, np.log, lambda a: a.log(), positive, cases=plain((above_0(3, 4),))),
    "log1p": Row(alone, tg.log1p, np.log1p, lambda a: a.log1p(), positive, cases=plain((above_0(3, 4) - 1.4,))),
    "sin": Row(alone, tg.sin, np.sin, lambda a: a.sin(), cases=plain((3 * A,))),
    "cos": Row(alone, tg.cos, np.cos, lambda a: a.cos(), cases=plain((3 * A,))),
    "tan": Row(alone, tg.tan, np.tan, lambda a: a.tan(), within_1, cases=plain((A / 2,))),
    "arcsin": Row(alone, tg.arcsin, np.arcsin, lambda a: a.arcsin(), within_1, cases=plain((within_1(A),))),
    "arccos": Row(alone, tg.arccos, np.arccos, lambda a: a.arccos(), within_1, cases=plain((within_1(A),))),
    "arctan": Row(alone, tg.arctan, np.arctan, lambda a: a.arctan(), cases=plain((3 * A,))),
    "arctan2": Row(
        beside, tg.arctan2, np.arctan2, lambda a, b: torch.arctan2(a, b), positive, cases=plain(*BROADCASTS)
    ),
    "hypot": Row(beside, tg.hypot, np.hypot, lambda a, b: torch.hypot(a, b), positive, cases=plain(*BROADCASTS)),
    "sinh": Row(alone, tg.sinh, np.sinh, lambda a: a.sinh(), cases=plain((A,))),
    "cosh": Row(alone, tg.cosh, np.cosh, lambda a: a.cosh(), cases=plain((A,))),
    "arcsinh": Row(alone, tg.arcsinh, np.arcsinh, lambda a: a.arcsinh(), cases=plain((3 * A,))),
    "arccosh": Row(alone, tg.arccosh, np.arccosh, lambda a: a.arccosh(), above_1, cases=plain((above_0(3, 4) + 0.6,))),
    "arctanh": Row(alone, tg.arctanh, np.arctanh, lambda a: a.arctanh(), within_1, cases=plain((within_1(A),))),
    "exp2": Row(alone, tg.exp2, np.exp2, lambda a: a.exp2(), cases=plain((A,))),
    "log2": Row(alone, tg.log2, np.log2, lambda a: a.log2(), positive, cases=plain((above_0(3, 4),))),
    "log10": Row(alone, tg.log10, np.log10, lambda a: a.log10(), positive, cases=plain((above_0(3, 4),))),
    "logaddexp": Row(beside, tg.logaddexp, np.logaddexp, lambda a, b: torch.logaddexp(a, b), cases=plain(*BROADCASTS)),
    "cbrt": Row(alone, tg.cbrt, np.cbrt, lambda a: a ** (1 / 3), positive, cases=plain((A,))),
    "floor": Row(alone, tg.floor, np.floor, lambda a: a.floor(), off_the_steps, cases=plain((3 * A,))),
    "ceil": Row(alone, tg.ceil, np.ceil, lambda a: a.ceil(), off_the_steps, cases=plain((3 * A,))),
    "trunc": Row(alone, tg.trunc, np.trunc, lambda a: a.trunc(), off_the_steps, cases=plain((3 * A,))),
    "rint": Row(alone, tg.rint, np.rint, lambda a: a.round(), off_the_steps, cases=plain((3 * A,))),
    "round": Row(
        lambda rng, shape: ([], {"decimals": int(rng.integers(-1, 2))}),
        tg.round,
        np.round,
        lambda a, decimals: a.round(decimals=decimals),
        off_the_steps,
        cases=[((30 * A,), {"decimals": i}) for i in (0, 1, -1)],
    ),
    "floor_divide": Row(  # the divisor is 0.61 b: beside the same number it is at no step
        beside,
        lambda a, b: tg.floor_divide(a, 0.61 * b),
        lambda a, b: np.floor_divide(a, 0.61 * b),
        lambda a, b: (a / (0.61 * b)).floor(),
        uneven,
        cases=plain(*BROADCASTS),
    ),
    "mod": Row(
        beside,
        lambda a, b: tg.mod(a, 0.61 * b),
        lambda a, b: np.mod(a, 0.61 * b),
        lambda a, b: torch.remainder(a, 0.61 * b),
        uneven,
        cases=plain(*BROADCASTS),
    ),
    "fmod": Row(
        beside,
        lambda a, b: tg.fmod(a, 0.61 * b),
        lambda a, b: np.fmod(a, 0.61 * b),
        lambda a, b: torch.fmod(a, 0.61 * b),
        uneven,
        cases=plain(*BROADCASTS),
    ),
    "inv": Row(
        square,
        lambda a: tg.inv(invertible(a)),
        lambda a: np.linalg.inv(invertible(a)),
        lambda a: torch.linalg.inv(invertible(a)),
        cases=plain((SQUARE,), (normal(2, 3, 3),)),
    ),
    "solve": Row(
        equations,
        lambda a, b: tg.solve(invertible(a), b),
        lambda a, b: np.linalg.solve(invertible(a), b),
        lambda a, b: torch.linalg.solve(invertible(a), b),
        cases=plain((SQUARE, normal(3, 2)), (normal(2, 3, 3), normal(3, 1)), (SQUARE, normal(2, 3, 2))),
    ),
    "det": Row(
        square,
        lambda a: tg.det(invertible(a)),
        lambda a: np.linalg.det(invertible(a)),
        lambda a: torch.linalg.det(invertible(a)),
        cases=plain((SQUARE,), (normal(2, 3, 3),)),
    ),
    "log_abs_det": Row(
        square,
        lambda a: tg.log_abs_det(invertible(a)),
        lambda a: np.linalg.slogdet(invertible(a))[1],
        lambda a: torch.linalg.slogdet(invertible(a))[1],
        cases=plain((SQUARE,), (normal(2, 3, 3),)),
    ),
    "cholesky": Row(
        square,
        lambda a: tg.cholesky(spd(a)),
        lambda a: np.linalg.cholesky(spd(a)),
        lambda a: torch.linalg.cholesky(spd(a)),
        cases=plain((SQUARE,), (normal(2, 3, 3),)),
    ),
    "erf": Row(alone, tg.erf, erf, lambda a: a.erf(), cases=plain((2 * A,))),
    "sqrt": Row(alone, tg.sqrt, np.sqrt, lambda a: a.sqrt(), positive, cases=plain((above_0(3, 4),))),
    "abs": Row(alone, tg.abs, np.abs, lambda a: a.abs(), cases=plain((A,))),
    "tanh": Row(alone, tg.tanh, np.tanh, lambda a: a.tanh(), cases=plain((A,))),
    "sigmoid": Row(alone, tg.sigmoid, lambda a: 1 / (1 + np.exp(-a)), lambda a: a.sigmoid(), cases=plain((3 * A,))),
    "relu": Row(alone, tg.relu, lambda a: a * (a > 0), lambda a: a.relu(), cases=plain((A,))),
    "leaky_relu": Row(
        alone,
        tg.leaky_relu,
        lambda a, slope=0.01: np.where(a > 0, a, slope * a),
        lambda a: F.leaky_relu(a),
        cases=[((A,), {}), ((A,), {"slope": 0.3})],
    ),
    "elu": Row(
        alone,
        tg.elu,
        lambda a, alpha=1.0: np.where(a > 0, a, alpha * (np.exp(a) - 1)),
        lambda a: F.elu(a),
        cases=[((A,), {}), ((A,), {"alpha": 0.3})],
    ),
    "silu": Row(alone, tg.silu, lambda a: a / (1 + np.exp(-a)), lambda a: F.silu(a), cases=plain((3 * A,))),
    "gelu": Row(alone, tg.gelu, lambda a: a * (1 + erf(a / np.sqrt(2))) / 2, lambda a: F.gelu(a), cases=plain((A,))),
    "softplus": Row(alone, tg.softplus, lambda a: np.log(1 + np.exp(a)), lambda a: F.softplus(a), cases=plain((A,))),
    "maximum": Row(beside, tg.maximum, np.maximum, lambda a, b: torch.maximum(a, b), cases=plain(*BROADCASTS)),
    "minimum": Row(beside, tg.minimum, np.minimum, lambda a, b: torch.minimum(a, b), cases=plain(*BROADCASTS)),
    "where": Row(
        choice,
        lambda a, b, condition: tg.where(condition, a, b),
        lambda a, b, condition: np.where(condition, a, b),
        lambda a, b, condition: torch.where(torch.tensor(condition), a, b),
        cases=[(args, {"condition": A > 0}) for args in [(A, -A), (A, normal(4)), (normal(3, 1), 0.5)]],
    ),
    "clip": Row(
        lambda rng, shape: ([], pick(rng, [{"low": -0.77, "high": 0.53}, {"high": 0.13}, {"low": None, "high": 1.01}])),
        tg.clip,
        lambda a, low=None, high=None: np.clip(a, low, high),
        lambda a, low=None, high=None: torch.clip(a, low, high),
        cases=[((A,), {"low": -0.5, "high": 0.7}), ((A,), {"low": 0.1})],
    ),
    "sum": Row(over, tg.sum, np.sum, over_dims(lambda a, **k: a.sum(**k)), cases=OVER),
    "mean": Row(over_some, tg.mean, np.mean, over_dims(lambda a, **k: a.mean(**k)), cases=OVER),
    "var": Row(
        spread_over,
        tg.var,
        np.var,
        over_dims(lambda a, ddof, **k: a.var(correction=ddof, **k)),
        cases=[*OVER, ((A,), {"axis": 1, "ddof": 1})],
    ),
    "std": Row(
        spread_over,
        tg.std,
        np.std,
        over_dims(lambda a, ddof, **k: a.std(correction=ddof, **k)),
        cases=[*OVER, ((normal(2, 3, 4),), {"axis": (0, 2), "ddof": 2})],
    ),
    "norm": Row(
        over,
        tg.norm,
        lambda a, **k: np.sqrt(np.sum(a**2, **k)),
        over_dims(lambda a, **k: torch.linalg.vector_norm(a, **k)),
        cases=OVER,
    ),
    "prod": Row(
        over,
        tg.prod,
        np.prod,
        torch_prod,
        cases=[*OVER, ((np.array([[0.0, 2, 3], [4, 0, 0], [1, 2, 3]]),), {"axis": 1})],
    ),
    "cumsum": Row(
        along,
        tg.cumsum,
        np.cumsum,
        flat_if_none(lambda a, i: a.cumsum(i)),
        cases=[((normal(2, 3, 4),), {"axis": i}) for i in (None, 0, 1, -1)],
    ),
    "cumprod": Row(
        along,
        tg.cumprod,
        np.cumprod,
        flat_if_none(lambda a, i: a.cumprod(i)),
        cases=[
            *[((normal(2, 3, 4),), {"axis": i}) for i in (None, 0, 1, -1)],
            ((np.array([[0.0, 2, 3], [4, 0, 5], [1, 2, 3], [4, 0, 0]]),), {"axis": 1}),
        ],
    ),
    "sort": Row(
        along,
        tg.sort,
        np.sort,
        flat_if_none(lambda a, i: a.sort(dim=i, stable=True).values),
        cases=[((normal(2, 3, 4),), {"axis": i}) for i in (None, 0, 1, -1)],
    ),
    "max": Row(over_some, tg.max, np.max, over_dims(lambda a, **k: a.amax(**k)), cases=OVER),
    "min": Row(over_some, tg.min, np.min, over_dims(lambda a, **k: a.amin(**k)), cases=OVER),
    "argmax": Row(some_of(along), tg.argmax, np.argmax, None, cases=[]),
    "argmin": Row(some_of(along), tg.argmin, np.argmin, None, cases=[]),
    "logsumexp": Row(
        over_some,
        tg.logsumexp,
        lambda a, **k: np.log(np.exp(a).sum(**k)),
        over_dims(lambda a, **k: a.logsumexp(**k)),
        cases=OVER,
    ),
    "softmax": Row(
        along_one,
        tg.softmax,
        softmax,
        lambda a, axis: a.softmax(axis),
        cases=[((a,), {"axis": i}) for a in (A, SQUARE) for i in (0, 1, -1)],
    ),
    "log_softmax": Row(
        along_one,
        tg.log_softmax,
        lambda a, axis: np.log(softmax(a, axis)),
        lambda a, axis: a.log_softmax(axis),
        cases=[((a,), {"axis": i}) for a in (A, SQUARE) for i in (0, -1)],
    ),
    "cross_entropy": Row(
        labels,
        tg.cross_entropy,
        nll,
        lambda z, labels: F.cross_entropy(z, torch.tensor(labels)),
        cases=[((A,), {"labels": LABELS})],
    ),
    "reshape": Row(
        another_shape,
        lambda a, shape: tg.reshape(a, shape),
        lambda a, shape: np.reshape(a, shape),  # in NumPy 2.0 it has another name
        lambda a, shape: a.reshape(shape),
        cases=[((A,), {"shape": (2, 6)}), ((A,), {"shape": (-1,)})],
    ),
    "transpose": Row(
        order,
        lambda a, axes: tg.transpose(a, axes),
        np.transpose,
        lambda a, axes: a.permute(axes or tuple(range(a.ndim))[::-1]),
        cases=[((normal(2, 3, 4),), {"axes": axes}) for axes in (None, (2, 0, 1), (-1, 0, 1))],
    ),
    "squeeze": Row(
        ones_away,
        tg.squeeze,
        np.squeeze,
        lambda a, axis: a.squeeze() if axis is None else a.squeeze(axis),
        cases=[((normal(1, 3, 1),), {"axis": i}) for i in (None, 0, -1)],
    ),
    "expand_dims": Row(
        new_axes,
        tg.expand_dims,
        np.expand_dims,
        torch_expand_dims,
        cases=[((normal(2, 3),), {"axis": i}) for i in (0, -1, (0, 2))],
    ),
    "broadcast_to": Row(
        larger,
        tg.broadcast_to,
        np.broadcast_to,
        lambda a, shape: a.broadcast_to(shape),
        cases=[((normal(3, 1),), {"shape": s}) for s in [(3, 1), (3, 4), (2, 3, 4)]],
    ),
    "flip": Row(
        lambda rng, shape: ([], {"axis": some_axes(rng, shape)}),
        tg.flip,
        np.flip,
        lambda a, axis: a.flip(dims(a.shape, axis)),
        cases=[((A,), {"axis": i}) for i in (None, 0, -1, (0, 1))],
    ),
    "pad": Row(
        border, tg.pad, np.pad, torch_pad, cases=[((A,), {"pad_width": w, "constant_values": v}) for w, v in BORDERS]
    ),
    "take_along_axis": Row(
        places,
        tg.take_along_axis,
        np.take_along_axis,
        torch_take,
        cases=[((normal(3, 3),), {"indices": i, "axis": k}) for i, k in PLACES],
    ),
    "astype": Row(
        lambda rng, shape: ([], {"dtype": np.float64}),
        lambda a, dtype: tg.Tensor.astype(a, dtype),
        lambda a, dtype: a.astype(dtype),
        lambda a, dtype: a.double(),
        cases=[((A,), {"dtype": np.float64})],
    ),
    "getitem": Row(
        index,
        lambda a, index: a[index],
        lambda a, index: a[index],
        lambda a, index: a[torch.tensor(index) if isinstance(index, np.ndarray) else index],
        cases=[((normal(4, 4),), {"index": i}) for i in INDICES],
    ),
    "concatenate": Row(
        in_a_row,
        lambda *a, axis: tg.concatenate(a, axis),
        lambda *a, axis: np.concatenate(a, axis),
        lambda *a, axis: torch.cat(a, axis),
        cases=[((A, normal(*s)), {"axis": i}) for i, s in [(0, (2, 4)), (1, (3, 1)), (-1, (3, 5))]],
    ),
    "stack": Row(
        side_by_side,
        lambda *a, axis: tg.stack(a, axis),
        lambda *a, axis: np.stack(a, axis),
        lambda *a, axis: torch.stack(a, axis),
        cases=[((A, 2 * A, -A), {"axis": i}) for i in (0, 1, -1)],
    ),
}

# --- every case as a row of its own -----------------------------------------------------------------------------------

# other spellings: op, what is differentiated, the same in NumPy, the arguments
SPELLINGS = [
    ("add", lambda a, b: a + b, np.add, BROADCASTS[1]),
    ("sub", lambda a, b: a - b, np.subtract, BROADCASTS[1]),
    ("mul", lambda a, b: a * b, np.multiply, BROADCASTS[1]),
    ("div", lambda a, b: a / b, np.divide, (2.5 + A, np.array(1.5))),
    ("neg", lambda a: -a, np.negative, (A,)),
    ("matmul", lambda a, b: a @ b, np.matmul, (A, A.T)),
    ("pow", lambda a: a**3, lambda a: a * a * a, (A,)),
    ("pow", lambda a: a**0, np.ones_like, (np.array([0.0, 2.0]),)),
    ("leaky_relu", lambda a: tg.leaky_relu(a, 0.3), lambda a: np.where(a > 0, a, 0.3 * a), (A,)),
    ("reshape", lambda a: a.reshape(2, 6), lambda a: a.reshape(2, 6), (A,)),
    ("transpose", lambda a: a.T, np.transpose, (normal(2, 3, 4),)),
    ("transpose", lambda a: a.mT, lambda a: a.mT, (normal(2, 3, 4),)),
    ("transpose", lambda a: a.transpose(2, 0, 1), lambda a: a.transpose(2, 0, 1), (normal(2, 3, 4),)),
    ("sum", lambda a: a.sum(1, True), lambda a: a.sum(1, keepdims=True), (A,)),
    ("softmax", lambda a: a.softmax(0), lambda a: np.exp(a) / np.exp(a).sum(0), (A,)),
    ("softplus", lambda a: np.logaddexp(0, a), lambda a: np.logaddexp(0, a), (800 * normal(3),)),
    ("softplus", lambda a, b: np.logaddexp(a, b), np.logaddexp, (normal(2, 3), normal(3))),
]
CASES = [
    *[
        (name, partial(row.ours, **keywords), partial(row.numpy, **keywords), args)
        for name, row in ROWS.items()
        for args, keywords in row.cases
    ],
    *SPELLINGS,
]
CASE_IDS = [f"{name}{i}" for i, (name, *_) in enumerate(CASES)]
every_case = pytest.mark.parametrize(("name", "f", "reference", "args"), CASES, ids=CASE_IDS)


def exported():
    """The source of every op."""
    return [ast.parse(inspect.getsource(op)).body[0] for op in ops.defined_in(ops)]
