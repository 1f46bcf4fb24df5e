"""Lines that are kept: a graph that differs in its numbers alone has those of an earlier one, any other has its own."""

import gc

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.program import lines

X, Y = tg.data.blobs(12, rng=0)


@pytest.fixture(autouse=True)
def nothing_is_known():
    lines.known.results.clear()


def source(model, loss=tg.cross_entropy, X=X, y=Y):
    return tg.trace(lambda X, y: loss(model(X), y), X, y).source


def graphs():
    """Ways in which a graph can differ: of each, two functions of a Tensor x of the shape (4, 3)."""
    k, other = np.arange(4.0), np.arange(8.0)[::2]
    wide, narrow, single = np.ones((4, 3)), np.ones(3), np.ones(3, np.float32)
    return {
        "op": (lambda x: x.sin(), lambda x: x.cos()),
        "number": (lambda x: x * 2.0, lambda x: x * 3.0),
        "kind of number": (lambda x: x * 2, lambda x: x * 2.0),
        "axis": (lambda x: x.sum(axis=0), lambda x: x.sum(axis=1)),
        "keepdims": (lambda x: x - x.mean(axis=1, keepdims=True), lambda x: x - x.mean()),
        "start": (lambda x: x[0:2:2], lambda x: x[1:2:2]),
        "stop": (lambda x: x[0:1:2], lambda x: x[0:2:2]),
        "step": (lambda x: x[0:2:2], lambda x: x[0:2:3]),
        "index": (lambda x: x[[0, 2]], lambda x: x[[0, 3]]),
        "shape": (lambda x: x * tg.Tensor(narrow, True, "w"), lambda x: x * tg.Tensor(wide, True, "w")),
        "dtype": (lambda x: x * tg.Tensor(narrow, True, "w"), lambda x: x * tg.Tensor(single, True, "w")),
        "argument": (lambda x: x.exp() - x.tanh(), lambda x: x.tanh() - x.exp()),
        "one value twice": (lambda x: (y := x.exp()) * y, lambda x: x.exp() * x.exp()),
        "function": (lambda x: np.where(x > 0, x, -x), lambda x: np.where(x < 0, x, -x)),
        "of two arrays": (lambda x: x.T * k + x.T * k, lambda x: x.T * k + x.T * other),
        "name": (lambda x: tg.Tensor(narrow, name="w") * x, lambda x: tg.Tensor(narrow, name="v") * x),
    }


@pytest.mark.parametrize("what", graphs())
def test_a_graph_that_differs_has_lines_of_its_own(what):
    one, two = ((lambda x, f=f: f(x).sum()) for f in graphs()[what])
    x = tg.Tensor(np.linspace(0.1, 1, 12).reshape(4, 3), requires_grad=True)
    alone = []
    for f in (one, two):
        lines.known.results.clear()
        alone.append(tg.trace(f, x).source)
    lines.known.results.clear()
    assert [tg.trace(f, x).source for f in (one, two)] == alone
    assert alone[0] != alone[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: tg.mlp([2, 5, 3], rng=seed),
        lambda seed: tg.mlp([2, 5, 5, 3], "gelu", rng=seed),
        lambda seed: tg.Sequential(
            tg.Linear(2, 4, rng=seed), tg.BatchNorm1d(4), tg.Dropout(0.3, rng=seed), tg.Linear(4, 3)
        ),
    ],
)
def test_a_second_model_has_the_lines_of_the_first_one_and_numbers_of_its_own(make):
    loss = lambda model: lambda X, y: tg.cross_entropy(model(X), y)
    first, second = make(0), make(1)
    for model in (first, second):
        model.eval()
        model.named_parameters()
    text = source(first)
    before = len(lines.known.results)
    program = tg.trace(loss(second), X, Y)
    assert (program.source, len(lines.known.results)) == (text, before)
    value, gradients = program()
    cost = tg.cross_entropy(second(X), Y)
    cost.backward()
    assert value == pytest.approx(cost.item(), rel=1e-12)
    for name, leaf in program.leaves.items():
        if name in gradients:
            assert np.allclose(gradients[name], leaf.grad, rtol=1e-9, atol=1e-12)


def test_an_array_in_a_tensor_is_not_the_tensor():
    x, y = tg.Tensor([1.0, 2.0], True), tg.Tensor([3.0, 4.0], True)
    for f, slope in ((lambda x, y: (x * y.array).sum(), [0, 0]), (lambda x, y: (x * y).sum(), [1, 2])):
        assert tg.trace(f, x, y)()[1]["y"].tolist() == slope


def test_an_op_of_somebody_else_is_read_anew():
    factor = 2.0

    def scaled(a):
        return a * factor, lambda g: g * factor

    f = lambda x: tg.apply(scaled, x).sum()
    assert "factor = 2.0" in tg.trace(f, [1.0]).source
    factor = 3.0
    assert "factor = 3.0" in tg.trace(f, [1.0]).source


def test_the_lines_of_few_graphs_are_kept(monkeypatch):
    monkeypatch.setattr(lines.known, "most", 3)
    for n in range(1, 9):
        tg.trace(lambda x: (x * x).sum(), np.ones((2, n)))
        assert len(lines.known.results) <= 3


def written(monkeypatch):
    """Return a list that grows by one number of samples with each writing of lines."""
    rows, write = [], lines.write
    monkeypatch.setattr(lines, "write", lambda graph, *by: rows.append(graph.rows) or write(graph, *by))
    return rows


def test_lines_are_written_once_for_batches_of_every_size(monkeypatch):
    rows, model = written(monkeypatch), tg.mlp([2, 5, 3], rng=0)
    sources = {source(model, X=X[:n], y=Y[:n]) for n in (12, 9, 7)}
    assert (rows, len(sources)) == ([12], 1)


@pytest.mark.parametrize(("n", "wide"), [(12, 12), (12, 13), (12, 24), (1, 5)])
def test_lines_are_written_for_each_size_if_another_length_is_the_same_by_chance(monkeypatch, n, wide):
    rows = written(monkeypatch)
    program = tg.trace(lambda x: (x * x.sum(axis=1, keepdims=True)).sum(), np.ones((n, wide)))
    assert len(rows) > 1
    assert program.any_size


FUNCTIONS = {
    "mean of rows": lambda x: (x.mean(axis=1) ** 2).sum(),
    "mean of columns": lambda x: (x.mean(axis=0) ** 2).sum(),
    "variance": lambda x: ((x - x.mean(axis=0)) / x.std(axis=0)).sum() + x.var(),
    "softmax": lambda x: (x.softmax(axis=1) * x).sum(),
    "extremes": lambda x: x.max(axis=1).sum() + x.min(),
    "shape": lambda x: (x.reshape((-1, 1)) * 2.0).sum() + (x.reshape((len(x), -1)) ** 2).sum(),
    "a length": lambda x: x.sum() / len(x),
    "part": lambda x: (x[1:] * x[:-1]).sum() + x[:, 0].sum(),
    "products": lambda x: (x.T @ x).sum() + (x @ x.T).mean(),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x).sum(),
    "joined": lambda x: np.concatenate([x, x], axis=0).sum() + np.stack([x, x]).mean(axis=1).sum(),
    "sums": lambda x: x.cumsum(axis=0).sum() + np.sort(x, axis=0).sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lines_that_are_known_are_those_that_would_be_written(monkeypatch, name):
    numbers, shapes = np.random.default_rng(0), [(n, m) for n in (2, 3, 4, 6, 8) for m in (1, 2, 3, 4, 6)]
    inputs = [numbers.normal(size=shape) for shape in shapes]
    known = [(program.source, program.any_size) for program in (tg.trace(FUNCTIONS[name], x) for x in inputs)]
    monkeypatch.setattr(lines.known, "of", lambda key, make: make())
    assert known == [(program.source, program.any_size) for program in (tg.trace(FUNCTIONS[name], x) for x in inputs)]


COLUMNS = np.array([0, 2, 2])


@pytest.mark.parametrize("f", [lambda x: (x * x).sum(), lambda x: x.max(axis=0).sum(), lambda x: x[:, COLUMNS].std()])
def test_a_trace_leaves_no_array_to_the_cyclic_collector(f):
    gc.collect()
    gc.disable()
    try:
        program = tg.trace(f, np.arange(12.0).reshape(3, 4))
        gc.set_debug(gc.DEBUG_SAVEALL)  # what it finds is kept in gc.garbage
        gc.collect()
        gc.set_debug(0)
        left = [type(value).__name__ for value in gc.garbage if is_large(value)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert (left, program.any_size) == ([], True)


def is_large(value):
    """Return whether this is an array, a Tensor, or names of such, as the globals of lines are."""
    values = value.values() if isinstance(value, dict) else [value]
    return any(isinstance(each, (np.ndarray, tg.Tensor)) for each in values)
