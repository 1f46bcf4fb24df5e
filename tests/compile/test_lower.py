"""Loops compute what the lines of a program compute. They are run as plain Python, whether Numba compiles or not."""

import math
import re

import by_machine
import numpy as np
import pytest
import random_graphs

import tinygrad_edu as tg
from tinygrad_edu.compile import numpy_c, plainly
from tinygrad_edu.compile.loops import nested
from tinygrad_edu.compile.lower import BATCHES, lower
from tinygrad_edu.compile.memory import Memory
from tinygrad_edu.compile.templates import DTYPES
from tinygrad_edu.compile.values import CannotCompile, Elements, Length, tuple_text

MODULE = {name: getattr(math, name) for name in ("erf", "erfc", "inf", "sqrt")}
MODULE |= {str(dtype): dtype.type for dtype in DTYPES}


class Place(np.ndarray):
    """An array of which one number is an index too: it counts through all elements."""

    def __getitem__(self, i):
        return super().__getitem__(np.unravel_index(i, self.shape) if isinstance(i, int) else i)

    def __setitem__(self, i, value):
        super().__setitem__(np.unravel_index(i, self.shape) if isinstance(i, int) else i, value)


def run(program, lowered, inputs, n):
    """The loss, the gradients and the inputs, after the loops ran on inputs of n samples."""
    dtype = program.inputs[program.gradients[0]].dtype
    space = MODULE | plainly.plain(dtype) | {"_N": n, "_array": lambda *given: plainly.array(*given).view(Place)}
    results = set(program.results.values())
    space |= {name: np.array(value).view(Place) for name, value in inputs.items()}
    padded = -(-n // 16) * 16
    work = np.full(lowered.size.a * padded + lowered.size.b, np.nan, dtype).view(Place)
    for name in {*lowered.places, *results} - {*inputs}:
        shape = [a * n + b for a, b in lowered.shapes[name]]
        start = lowered.places[name][0] if name in lowered.places else None
        first = start.a * padded + start.b if start else 0
        whole = work if start else np.full(math.prod(shape), np.nan, dtype).view(Place)
        space[name] = whole[first : first + math.prod(shape)].reshape(shape)
    for name, bound in lowered.checks:
        assert ((space[name] >= 0) & (space[name] < eval(bound, {"_N": n}))).all()
    with np.errstate(all="ignore"):
        exec("\n".join(lowered.lines).replace("return 2", "raise IndexError"), space)  # an index that does not fit
    gradients = {name: np.asarray(space[result]) for name, result in program.results.items()}
    return np.asarray(space[program.loss]), gradients, {name: np.asarray(space[name]) for name in inputs}


def agree(program, lowered, inputs, n, tight=1e-12):
    expected_inputs = {name: np.array(value) for name, value in inputs.items()}
    with np.errstate(all="ignore"):
        expected, expected_gradients = program(**expected_inputs)
    loss, gradients, left = run(program, lowered, inputs, n)
    pairs = [(loss.reshape(np.shape(expected)), expected)]
    pairs += [(gradients[name], expected_gradients[name]) for name in gradients]
    pairs += [(left[name], expected_inputs[name]) for name in inputs]
    for got, wanted in pairs:
        assert got.dtype == wanted.dtype
        largest = np.nanmax(np.abs(np.where(np.isfinite(wanted), wanted, 0)), initial=0) if got.dtype.kind == "f" else 0
        np.testing.assert_allclose(got, wanted, rtol=tight, atol=tight * max(1e-3, largest), equal_nan=True)


def fixed(program):
    return {*program.inputs, *program.results.values()}


def check(program, flat=True, tight=1e-12):
    """On the inputs that it was traced with, for this number of samples alone."""
    agree(program, lower(program, [program.inputs], fixed(program), [1], flat), program.inputs, 1, tight)


def check_batches(f, X, y, *params, tight=1e-12, sizes=((True, 1), (True, 2), (True, 9), (False, 4))):
    """f(X, y, *params) for any number of samples."""
    params = [tg.Tensor(p, True, f"p{i}") for i, p in enumerate(params)]
    with np.errstate(all="ignore"):
        program = tg.trace(lambda X, y: f(X, y, *params), np.asarray(X), np.asarray(y))

    def batch(n):
        rows = np.arange(n) % len(X)
        return {**program.inputs, **{name: program.inputs[name][rows] for name in ("X", "y") if name in program.inputs}}

    lowered = {flat: lower(program, [batch(n) for n in BATCHES], fixed(program), flat=flat) for flat, _ in sizes}
    for flat, n in sizes:
        agree(program, lowered[flat], batch(n), n, tight)
    return lowered[True]


# --- every op ---------------------------------------------------------------------------------------------------------

REFUSED = {  # op: what is said of the arguments for which it has no loops
    "einsum": r"einsum_share",  # a letter twice in one array, or a sum of one array alone
    "getitem": r"a mask decides how many elements there are|an index counts from the end",
    "pad": r"no array",  # a single number
    "sort": r"argsort",
    "cumprod": r"cumprod",
    **dict.fromkeys(["inv", "solve", "det", "log_abs_det", "cholesky"], r"np\.linalg\."),
}


def draws(name, count):
    """A loss of one op of the table, for arguments that fit."""
    random = np.random.default_rng(3)
    while count:
        shape = random_graphs.random_shape(random)
        drawn = random_graphs.ROWS[name].fits(random, shape)
        if drawn is None:
            continue
        leaves = [tg.Tensor(a, True, f"x{i}") for i, a in enumerate(random_graphs.numbers(random, shape, *drawn[0]))]
        y = random_graphs.result(name, leaves, drawn[1], "ours")
        if y.size:
            yield (y * random.uniform(0.5, 1.5, y.shape)).sum()
            count -= 1


@pytest.mark.sample(5)
@pytest.mark.parametrize("name", [name for name, row in random_graphs.ROWS.items() if row.torch])
def test_every_op_has_loops_or_is_refused_with_a_sentence(name):
    said = set()
    for loss in draws(name, 12 if name in REFUSED else 4):
        program = tg.trace(loss)
        for flat in (True, False):
            try:
                check(program, flat)
            except CannotCompile as error:
                said.add(str(error))
    assert all(re.fullmatch(r"`.+` has no compiled form \(.*\); train without compiled=True", line) for line in said)
    assert any(re.search(REFUSED[name], line) for line in said) if name in REFUSED else not said


@pytest.mark.parametrize("seed", range(16))
def test_random_graphs_of_all_ops(seed):
    graph = random_graphs.random_graph(
        np.random.default_rng(seed), without=REFUSED.keys() - {"einsum", "getitem", "pad"}
    )
    leaves = [tg.Tensor(a, True, f"x{i}") for i, a in enumerate(graph.leaves)]
    program, said = tg.trace(graph.loss(leaves, "ours")), ""
    try:
        check(program, flat=bool(seed % 2), tight=1e-9)
    except CannotCompile as error:
        said = str(error)
    assert not said or any(re.search(sentence, said) for sentence in REFUSED.values())


# --- any number of samples --------------------------------------------------------------------------------------------

random = np.random.default_rng(0)
X, T, LABELS = random.standard_normal((6, 3)), random.standard_normal((6, 2)), random.integers(0, 4, 6)
W, V, B, TABLE = (random.standard_normal(shape) for shape in ((3, 4), (4, 2), 4, (4, 3)))


def halved(a, *, parts=2):
    """y = a / parts, and what has no use"""
    n, _ = len(a), a * 2
    N, D = a.shape
    y, _z = a / parts, abs(a) * n
    last = y if a.ndim > 1 and D == 4 else a
    return last + _z * 0 + (n - N) + np.arange(4.0) * 0 + [0, 1, 0, 0] * np.array(0), lambda g: g / parts


def scaled(a):
    """y = sum of a / N, by a fraction that is known for each N"""
    share = 1 / (2 * len(a))
    return np.tan(a) * share, lambda g: g * share / np.cos(a) ** 2


def turned(a):
    """y = the columns in another order, times numbers of their own"""
    return a[:, [2, 0, 1]] * np.array([1.0, 2.0, 0.5]), lambda g: (g * np.array([1.0, 2.0, 0.5]))[:, [1, 2, 0]]


def weighted(a):
    """y = the columns, each with a power and a weight that are written down"""
    return a ** np.array([1.0, 2.0, 3.0, 2.0]) * np.array(
        [1.0, 2.0, 0.5, np.inf]
    ), lambda g: g * np.array([2, np.nan] * 2)


def times(a, *, by=3.0, more=0.5):
    """a · by + more"""
    return a * by + more


def helped(a, X):
    """y = a · 3 + 0.5, by a function"""
    return times(a), lambda g: times(g, by=3.0, more=0.0), lambda g: np.zeros_like(X)


def blended(p, W, X):
    """y = p W + X, where p W is a single row"""
    return (
        p @ W + X,
        lambda g: g.sum(axis=0, keepdims=True) @ W.T,
        lambda g: p.T @ g.sum(axis=0, keepdims=True),
        lambda g: g,
    )


def conditions(a):
    """y = a within (0, 1) or below -1, and a tenth of it elsewhere"""
    inside = (a > 0) * (a < 1)
    kept = inside + (a < -1) & ~(a == 2)
    return np.where(kept, a, a / 10), lambda g: np.where(kept, g, g / 10)


def own(op):
    return lambda X, y, W: tg.apply(op, X @ W).sum()


FUNCTIONS = {
    "a network": lambda X, y, W, B, V: tg.mse_loss((X @ W + B).relu() @ V, y),
    "classes": lambda X, y, W: tg.cross_entropy(X @ W, y),
    "labels in a column": lambda X, y, W: tg.cross_entropy(X @ W, y.reshape(-1)),
    "an embedding": lambda X, y, W: (W[y] * X).sum(axis=1).exp().mean(),
    "two tables": lambda X, y, W, V: tg.cross_entropy(W[y] @ V, y),
    "the last column": lambda X, y, W: (X @ W)[:, -1].sum() + (X @ W)[..., 1:3].flip().sum(),
    "backwards inside of a part": lambda X, y, W: ((X @ W).flip(1)[:, 1:].flip(1)[:, 1:] ** 2 * y).sum(),
    "a vector": lambda X, y, w: tg.mse_loss(X @ w, y),
    "squeezed": lambda X, y, W: tg.mse_loss((X @ W).reshape(-1), y),
    "columns beside each other": lambda X, y, W: (tg.concatenate([X @ W, X, X @ W], axis=1) ** 2).mean(),
    "samples after each other": lambda X, y, W: (tg.concatenate([X @ W, X @ W * 2]) ** 3).mean(),
    "stacked": lambda X, y, W: (tg.stack([X @ W, (X @ W).tanh()], axis=1).max(axis=1) ** 2).sum(),
    "padded": lambda X, y, W: ((X @ W).pad(((0, 0), (1, 2)), constant_values=0.5) ** 2).sum(),
    "over the samples": lambda X, y, W: (X @ W).std(axis=0).sum() + (X @ W).max(axis=0).sum(),
    "over the features": lambda X, y, W: (X @ W).var(axis=1, ddof=1).sum() + (X @ W).min(axis=1).sum(),
    "over all": lambda X, y, W: (X @ W).norm() * (X @ W).mean() + (X @ W).sum(keepdims=True).sum().exp() * 1e-9,
    "a product over the features": lambda X, y, W: (X @ W).prod(axis=1).sum(),
    "running sums": lambda X, y, W: ((X @ W).cumsum(axis=0) * 0.5).sum() + ((X @ W).cumsum() ** 2).mean(),
    "a batch of matrices": lambda X, y, W: ((X.reshape(-1, 3, 1) @ W.reshape(1, 1, -1)) ** 2).mean(),
    "convolved": lambda X, y, W: (
        tg.conv2d((X @ W).reshape(-1, 1, 2, 2), W.reshape(2, 1, 2, 3), padding=(1, 2), stride=(1, 2)) ** 2
    ).sum(),
    "convolved twice, with gaps": lambda X, y, W: (
        tg.conv2d(
            tg.conv2d(X.reshape(-1, 1, 1, 3), W.reshape(3, 1, 2, 2), padding=2), W.reshape(1, 3, 2, 2), dilation=2
        )
        ** 2
    ).mean(),
    "the largest of windows": lambda X, y, W: (tg.max_pool2d((X @ W).reshape(-1, 1, 2, 2), 2, 1, 1) ** 2).sum(),
    "the means of windows": lambda X, y, W: (tg.avg_pool2d((X @ W).reshape(-1, 2, 2), (1, 2), 1, (0, 1)) ** 2).sum(),
    "einsum": lambda X, y, W: (tg.einsum("nd,dc,nd->nc", X, W, X) ** 2).sum(),
    "transposed": lambda X, y, W: ((X @ W).T @ X).sum() + ((W.T @ X.T) ** 2).mean(),
    "functions of a transpose": lambda X, y, W: (X @ W).T.tanh().sum() + (W.T @ X.T).T.reshape(-1).exp().mean(),
    "a number for each sample": lambda X, y, W: ((X @ W).T * y + y).sum(),
    "weights for the columns": own(weighted),
    "conditions": own(conditions),
    "axes in another order": lambda X, y, W: (
        (X.reshape(-1, 3, 1) * W).transpose(2, 0, 1).transpose(2, 1, 0).reshape(-1) ** 2
    )[::2].sum(),
    "transposed three times": lambda X, y, W: ((X @ W).T.T.T @ X).sum(),
    "a function beside": lambda X, y, W: tg.apply(helped, X @ W, X @ W).sum(),
    "a single row": lambda X, y, W, p: (tg.apply(blended, p, W, X @ W) ** 2).mean(),
    "every fourth number": lambda X, y, W: (X @ W).reshape(-1)[::4].sum(),
    "powers": lambda X, y, W: sum(((X @ W) ** 2 + 1).__pow__(k).sum() ** 0.5 for k in (-1.5, -1, 0.5, 1, 1.5)),
    "2 ** x": lambda X, y, W: (2.0 ** (X @ W)).mean() + ((-2.0) ** 2 * (X @ W)).mean(),
    "where": lambda X, y, W: tg.where(y > 0.5, X @ W, -1.5 * (X @ W)).sum(),
    "a condition": lambda X, y, W: tg.where((y > 0) & ~(y > 1), X @ W, 0.0).sum(),
    "whole numbers": lambda X, y, W: ((X @ W) * y + y / 2 - y**2).mean(),
    "a whole number beside a fraction": lambda X, y, W: tg.where(y < 0.5, X @ W, 0.0).sum(),
    "a number for each N": own(scaled),
    "an op of one's own": own(halved),
    "columns in another order": own(turned),
    "gelu": lambda X, y, W: (X @ W).gelu().mean() + (X @ W).erf().mean(),
    "one sample's mean": lambda X, y, W: (X @ W - (X @ W).mean()).abs().mean(),
}
GIVEN = {  # y, and the parameters; else LABELS and W
    "a network": (T, W, B, V),
    "labels in a column": (LABELS[:, None], W),
    "an embedding": (LABELS, TABLE),
    "two tables": (LABELS % 2, TABLE, random.standard_normal((3, 2))),
    "backwards inside of a part": (T, W),
    "a number for each sample": (T[:, 0], W),
    "a vector": (T[:, 0], W[:, 0]),
    "squeezed": (T[:, 0], W[:, :1]),
    "where": (random.standard_normal((6, 4)), W),
    "a condition": (random.integers(0, 3, (6, 1)), W),
    "whole numbers": (random.integers(-3, 3, (6, 1)), W),
    "a single row": (LABELS, W, random.standard_normal((1, 3))),
    "columns in another order": (T, W[:, :3]),
    "a whole number beside a fraction": (random.integers(0, 2, (6, 1)), W),
}


@pytest.mark.sample(5)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_number_of_samples(name):
    y, *params = GIVEN.get(name, (LABELS, W))
    check_batches(FUNCTIONS[name], X, y, *params)


@pytest.mark.parametrize("name", ["a network", "classes", "over all", "gelu", "whole numbers", "running sums"])
def test_in_float32(name):
    y, *params = GIVEN.get(name, (LABELS, W))
    y = y if y.dtype.kind == "i" else y.astype(np.float32)
    check_batches(FUNCTIONS[name], X.astype(np.float32), y, *[p.astype(np.float32) for p in params], tight=3e-6)


def test_other_dtypes_among_float32():
    def f(X, y, W):
        z = X @ W
        wide = z.astype(np.float64)
        both = (wide.tanh().sum(axis=1) ** 2).mean() + (wide.T @ wide).mean() + tg.einsum("nc,nc->", wide, wide)
        return both.astype(np.float32) + (z * (z > 0)).sum() + z.prod(axis=1).sum()

    lowered = check_batches(f, X.astype(np.float32), LABELS, W.astype(np.float32), tight=3e-6)
    text = "\n".join(lowered.lines)
    assert "float64, " in text
    assert "int64, " in text  # prod counts zeros


def test_numbers_that_are_none():
    strange = np.array([[np.nan, -0.0, 0.0], [np.inf, -np.inf, np.nan], [1.0, np.nan, -1.0], [-0.0, 0.0, 2.0]])

    def f(X, y, p):
        z = X * p
        parts = [z.relu(), z.maximum(0.5), (0.5 - z).minimum(z), z.abs(), z.leaky_relu(), z.clip(-1.0, 1.0), z.elu()]
        return sum(part.sum(axis=1).max() for part in parts) + z.max(axis=1).min() + z.min(axis=0).sum()

    check_batches(f, strange, LABELS[:4], np.ones(3))
    check_batches(f, strange[2:, :1], LABELS[:2], np.ones(1))
    nothing = np.array([[-np.inf, -np.inf], [-np.inf, 0.5], [1.0, 2.0]])
    check_batches(lambda X, y, p: (X + p).logsumexp(axis=1).exp().sum(), nothing, LABELS[:3], np.zeros(1))


def upside_down(a):
    """y = 1 / sign(a)"""
    return 1 / np.sign(a), lambda g: g * 0


@pytest.mark.parametrize("x", [-0.0, 0.0, np.nan, -3.0, np.inf])
def test_signs_are_those_of_numpy(x):
    check_batches(lambda X, y, p: tg.apply(upside_down, X * p).max(), np.array([[x], [x]]), LABELS[:2], [1.0])


def test_a_sum_over_all_is_made_in_float64():
    numbers = np.full((20_000, 1), 0.1, np.float32)
    program = tg.trace(lambda X, p: (X * p).sum() + (X * p).mean(), numbers, tg.Tensor(np.ones(1, np.float32), True))
    loss = run(program, lower(program, [program.inputs], fixed(program), [1]), program.inputs, 1)[0]
    assert loss == pytest.approx(float(np.float32(0.1)) * 20_001, rel=2e-7)


def turned_towards(memory, x):
    """y = memory from its end, and x"""
    return np.flip(memory) + x, lambda g: np.flip(g), lambda g: g


def test_what_a_layer_keeps():
    memory, seen = tg.Tensor(np.arange(3.0), name="memory"), tg.Tensor(np.zeros((2, 3)), name="seen")

    def f(X, y, W):
        with tg.no_grad():
            memory.data = tg.apply(turned_towards, memory, X.mean(axis=0))
            seen.data = tg.concatenate([seen[1:], X[:1]])
        return (X @ W).sum()

    check_batches(f, X, LABELS, W)

    def late(X, y, W):
        before = memory > 0.5
        with tg.no_grad():
            memory.data = memory + 1
        return (tg.where(before, X, 0.0) @ W).sum()

    assert refusal(late).endswith("was made of what it changes")


def test_what_shares_memory_says_so_and_has_its_own_name():
    program = tg.trace(lambda X, W: ((X @ W).reshape(-1) * 1.0).sum(), X, tg.Tensor(W, True))
    lowered = lower(program, [program.inputs], fixed(program), [6])
    assert [name for name, n in lowered.numbers.items() if n == lowered.numbers["z"]] == ["z", "v1", "v2"]
    assert not {"v1", "v2"} & {*lowered.places}
    assert len({*lowered.numbers.values()}) == len({*lowered.places, *fixed(program)})


def test_neighbours_share_a_loop_and_short_rows_are_repeated():
    params = [tg.Tensor(p, True) for p in (W, B, B)]
    program = tg.trace(lambda X, W, b, s: (tg.Tensor.linear(X, W, b) * s).relu().mean(axis=0).sum(), X, *params)
    lowered = lower(program, [program.inputs | {"X": X[:n]} for n in (3, 6)], fixed(program), (3, 6))
    lines = [line for line in lowered.lines if not re.fullmatch(r"\w+ = \w+", line)]  # names of shared memory
    assert lines[:11] == [
        "_matmul(_address(X), False, _address(W), False, _address(z), _N, 4, 3, _address(b))",
        "_repeat(_address(s), _address(_rows_1), _N, 32)",
        "for _0 in range((4 * _N)):",
        "    v[_0] = (z[_0] * _rows_1[_0])",
        "    h[_0] = (v[_0] if v[_0] >= float64(0) or v[_0] != v[_0] else float64(0))",
        "for _1 in range(4):",
        "    mean[_1] = float64(0)",
        "for _0 in range(_N):",
        "    for _1 in range(4):",
        "        mean[_1] = mean[_1] + h[_0, _1]",
        "for _1 in range(4):",
    ]


# --- machine code -----------------------------------------------------------------------------------------------------


def run_by_machine(program, lowered, inputs, n):
    """As `run`, but compiled."""
    dtype = program.inputs[program.gradients[0]].dtype
    arrays = {name: np.array(value) for name, value in inputs.items()}
    for name in {*lowered.places, *program.results.values()} - {*inputs}:
        arrays[name] = np.full([a * n + b for a, b in lowered.shapes[name]], np.nan, dtype)
    many, loss = len(set(lowered.numbers.values())), program.loss
    shapes = {name: tuple_text(shape) for name, shape in lowered.shapes.items()}
    places = [
        f"{name} = _array(_at[{i}], 0, ({shapes[name]}), {a.dtype}, {lowered.numbers[name]}, {many})"
        for i, (name, a) in enumerate(arrays.items())
    ]
    last = f"return {loss}[()]" if loss in lowered.shapes else f"return {loss}"
    table = f"_at = _array(_table, 0, ({len(arrays)},), int64)"
    text = "\n    ".join(["def f(_N, _table):", table, *places, *lowered.lines, last])
    at = np.array([a.ctypes.data for a in arrays.values()], np.int64)
    got = by_machine.compiled(text, **MODULE | numpy_c.functions(dtype))(n, at.ctypes.data)
    results = {name: arrays[result] for name, result in program.results.items()}
    return np.asarray(got, dtype), results, {name: arrays[name] for name in inputs}


@pytest.mark.slow
@pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")
def test_machine_code_of_many_functions_at_once(monkeypatch):
    together = ["the last column", "stacked", "padded", "over the samples", "running sums", "a batch of matrices"]
    together += ["einsum", "2 ** x", "a product over the features", "every fourth number", "functions of a transpose"]
    monkeypatch.setitem(globals(), "run", run_by_machine)

    def f(X, y, W):
        return sum(FUNCTIONS[name](X, y, W) for name in together)

    check_batches(f, X, LABELS, W, sizes=[(True, 4)])


# --- what is refused --------------------------------------------------------------------------------------------------


def refusal(f, y=LABELS, *params):
    with pytest.raises(CannotCompile) as caught:
        check_batches(f, X, y, *(params or [W]))
    return str(caught.value).partition("` has no compiled form (")[2].rpartition(")")[0] or str(caught.value)


def rolled(a, *, by=1):
    """y = a, rolled"""
    return np.roll(a, by), lambda g: np.roll(g, -by)


def branching(a):
    """y = 2 a of more than three samples"""
    return a * 2 if len(a) > 3 else a, lambda g: g * 2 if len(a) > 3 else g


def gamma(a):
    """y = Γ(a), as it is not"""
    return np.fromiter(map(math.gamma, a.flat), a.dtype, a.size).reshape(a.shape), lambda g: g


def half(a):
    """y = the first half of the samples"""
    return a[: (len(a) + 1) // 2], lambda g: np.concatenate((g, g))[: len(a)]


def total(*arrays):
    return arrays[0]


def deciding(a):
    if a.ndim > 1:
        return a
    return a * 2


def decided(a):
    """y = a, by a function that decides"""
    return deciding(a), lambda g: g


def squeezed(a):
    """y = a without its axes of length 1"""
    return a[:, :1].squeeze(), lambda g: g[:, None] * np.array([1.0, 0, 0, 0])


def countless(a):
    """y = a times many numbers"""
    return (a[:, :1] * np.linspace(0, 1, 100)).sum(axis=1), lambda g: g[:, None] * np.array([50.0, 0, 0, 0])


def starred(a):
    """y = a, by a function that takes any number of arrays"""
    return total(a, a) * 2, lambda g: g * 2


def partly(a):
    """y = some of a"""
    return a.sum(axis=1, where=np.array([True, False, True, True])), lambda g: g[:, None] + np.zeros_like(a)


def from_one(a):
    hot = np.arange(1, len(a) + 1)[:, None] % a.shape[1] == np.arange(1, a.shape[1] + 1)
    return a[hot].sum(), lambda g: g * hot


def test_what_has_no_loops_says_why():
    assert refusal(lambda X, y, W: W[y].sum(), LABELS % 3 - 1) == "an index counts from the end"
    assert refusal(own(rolled)) == "roll"
    assert refusal(own(branching)) == "len(z) > 3 depends on the batch"
    assert refusal(own(gamma)) == "gamma"
    assert refusal(own(half)) == "a length in it is not proportional to the number of samples"
    assert refusal(lambda X, y, W: (X @ W)[X @ W > 0].sum()) == "a mask decides how many elements there are"
    assert refusal(own(decided)) == "if a.ndim > 1:"
    assert refusal(own(squeezed)) == "its number of axes depends on the batch"
    assert refusal(own(countless)).endswith("among numbers")
    assert refusal(lambda X, y, W: ((X @ W) * y**3).sum(), LABELS[:, None]) == "np.power in int64"
    assert refusal(own(starred)) == "total"
    assert refusal(own(partly)) == "sum(axis, where)"
    assert refusal(lambda X, y, W: (X @ W).astype(np.float16).sum()) == "float16 among float64"
    assert refusal(lambda X, y, W: ((X @ W) @ (X @ W).T).sum()) == "it would take memory for the square of the batch"
    assert refusal(lambda X, y, W: (X @ W)[1].sum()).startswith("index 1 is out of bounds")
    assert refusal(lambda X, y, W: (X @ W)[:2].sum()).startswith("a length in it")
    assert refusal(lambda X, y, W: (X @ W)[2:].sum()).startswith("a length in it")
    slices = (np.s_[:6], np.s_[-6:], np.s_[3:6], np.s_[::5], np.s_[::-2], np.s_[7:])
    for part in slices:
        why = refusal(lambda X, y, W, part=part: (X @ W)[part].sum())
        assert why.startswith(("a slice that takes another part of each batch", "a length in it is not"))
    assert refusal(own(from_one)) == "a mask decides how many elements there are"
    assert refusal(lambda X, y, W: (X @ W).reshape(-1, 2, 2)[[0], 0:1, [1]].sum()).startswith("a slice between")


def test_what_is_looked_at_before_each_step():
    lowered = check_batches(FUNCTIONS["two tables"], X, *GIVEN["two tables"])
    assert lowered.checks == [("y", "4"), ("y", "2")]
    program = tg.trace(lambda y, W: W[y].sum(), LABELS, tg.Tensor(TABLE, True))
    with pytest.raises(CannotCompile, match="y is int64 among float64"):  # it would have no place
        lower(program, [program.inputs], fixed(program) - {"y"}, [6])


@pytest.mark.parametrize("name", ["inf", "range", "float32", "uint8", "bool", "erfc", "_N", "_0", "_t_1"])
def test_names_that_the_module_needs_itself(name):
    tensor = tg.Tensor([1.0, 2.0], True, name)
    program = tg.trace((tensor * 2).sum())
    if name in program.inputs:
        with pytest.raises(CannotCompile, match=f"the name {name} means something else"):
            check(program)


@pytest.mark.parametrize(
    "name", ["sqrt", "erf", "step", "loss", "z1", "int", "len", "abs", "float64_", "X", "gradients"]
)
def test_names_that_do_no_harm(name):
    tensor = tg.Tensor([1.0, 2.0], True, name)
    check(tg.trace(((tensor * 2).sqrt().abs().erf() * tg.Tensor([3.0, 4.0], True, f"d_{name}")).sum()))


def test_arrays_that_are_done_with_lend_their_memory():
    """In a network of three layers: the backward pass writes where the forward pass has been."""
    model = tg.mlp([3, 8, 8, 8, 2], rng=0)
    X, y = np.random.default_rng(0).random((5, 3)), np.arange(5) % 2
    lines = [
        "a[...] = X",
        "for _0 in range(3):",
        "    b[_0] = a[_0]",
        "    f[_0] = b[_0]",
        "c[...] = b",
        "d[...] = c",
        "e[...] = d + b",
    ]
    memory = Memory(Elements((2, 3)), np.dtype(float), {"X"})
    for name in "Xabcdef":
        memory.array([np.ones((n, 4)) for n in (2, 3)], name)
    memory.share(lines, {"X"}, {"e"})
    # b is written where a is read for the last time; c begins when f is done with, e when c is
    assert memory.lent == {"b": "a", "c": "f", "e": "f"}
    assert memory.views() == ["b = a", "c = f", "e = f"]
    places, size = memory.places()
    assert [*places] == ["a", "d", "f"]
    assert size == Length(3 * 4, 0)
    numbers = memory.numbers()
    assert numbers["b"] == numbers["a"] != numbers["c"]
    assert len(set(numbers.values())) == 4
    if not numpy_c.PLAIN:
        step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, y, quiet=True)
        cost = tg.cross_entropy(model(X), y)
        assert abs(step(X, y) - cost.item()) < 1e-12


@pytest.mark.parametrize(
    ("body", "in_place"),
    [
        (["b[_0, _1] = a[_0, _1] * 2 + a[_0, _1] * c[_0, 0]"], True),
        (["c[_0, _1] = a[_0, _1]", "b[_0, _1] = a[_0, _1]"], True),
        (["b[_0, _1] = a[_0, 0]"], False),
        (["b[_0, _1] = a[_0, _1] + a[0, _1]"], False),
        (["b[_0, _1] = a[_0, _1]", "c[_0, _1] = a[_0, _1]"], False),
        (["b[_0, 0] = b[_0, 0] + a[_0, _1]"], False),
        (["b[_0, _1] += a[_0, _1]"], False),
        (["b[_0, _1] = a[_0, _1] + aa[_0, _1] - view[0]"], False),
    ],
)
def test_each_element_is_written_where_another_was_read_for_the_last_time(body, in_place):
    memory = Memory(Elements((2, 3)), np.dtype(float), {"X", "c", "aa"})
    for name in ("X", "a", "b", "c", "aa"):
        memory.array([np.ones((n, 4)) for n in (2, 3)], name)
    memory.array([np.ones(n * 4) for n in (2, 3)], "view", "a")
    memory.share(["a[...] = X", *nested(zip(("_0", "_1"), (3, 4)), body)], {"X"}, {"b"})
    assert memory.lent == ({"b": "a"} if in_place else {})
