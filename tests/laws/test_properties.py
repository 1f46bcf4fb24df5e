"""Every exported op on random shapes (0-d, size 0 and size 1 too), broadcasts, axes and dtypes, and random graphs of
them, against NumPy and central differences of NumPy."""

import numpy as np
import pytest
from numpy_table import calls
from ops_table import ROWS, exported, pick
from random_graphs import GRAPHS, cases, random_graph, result

import tinygrad_edu as tg
from tinygrad_edu.extras import numpy_functions

PLAIN = ("argmax", "argmin")  # integers, without a gradient
every_op = pytest.mark.parametrize("name", ROWS)


def gradients(name, arrays, keywords, weights):
    """Ours, of the sum of the result times weights."""
    tensors = [tg.Tensor(a, requires_grad=True) for a in arrays]
    result(name, tensors, keywords, "ours").backward(weights)
    return [t.grad for t in tensors]


def slopes(name, arrays, keywords, weights, h=1e-6):
    """Central differences of the same, of NumPy's function, element by element."""
    found = []

    def f():
        return (result(name, arrays, keywords, "numpy") * weights).sum()

    for a in arrays:
        d = np.empty(a.shape)
        for i in np.ndindex(a.shape):
            here = a[i]
            a[i] = here + h
            ahead = f()
            a[i] = here - h
            d[i] = (ahead - f()) / (2 * h)
            a[i] = here
        found.append(d)
    return found


def test_every_exported_op_is_in_the_table():
    functions = {
        name for name in tg.__all__ if getattr(getattr(tg, name), "__module__", "") == numpy_functions.__name__
    }
    assert {"argmax", "squeeze"} <= functions
    assert functions | {node.name for node in exported()} == set(ROWS)


def test_the_cases_have_all_kinds_of_shapes():
    shapes = {a.shape for name in ROWS for _, arrays, _, _ in cases(name, 40) for a in arrays}
    assert {(), (0,), (1,), (1, 1), (0, 3), (3, 1, 2)} <= shapes


@every_op
def test_the_value_is_numpys(name):
    for case, arrays, keywords, _ in cases(name, 40):
        got = result(name, map(tg.Tensor, arrays), keywords, "ours")
        expected = result(name, arrays, keywords, "numpy")
        if name in PLAIN:  # it has no gradient, and says so by being no Tensor
            assert not isinstance(got, tg.Tensor)
            np.testing.assert_array_equal(got, expected, err_msg=case, strict=True)
        else:
            np.testing.assert_allclose(
                got.numpy(), np.asarray(expected), rtol=1e-12, atol=1e-13, err_msg=case, strict=True
            )


@every_op
def test_gradients_are_central_differences_of_numpys_function(name):
    for case, arrays, keywords, rng in cases(name, 40):
        weights = rng.uniform(0.5, 1.5, np.shape(result(name, arrays, keywords, "numpy")))
        if name not in PLAIN:
            got = gradients(name, arrays, keywords, weights)
            for a, b in zip(got, slopes(name, arrays, keywords, weights), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7 * max(1, np.abs(b).max(initial=0)), err_msg=case)


@every_op
def test_each_gradient_has_the_shape_and_dtype_of_its_argument(name):
    for case, arrays, keywords, rng in cases(name, 20):
        types = [np.float32 if rng.random() < 0.7 else np.float64 for _ in arrays]
        tensors = [tg.Tensor(a.astype(t), requires_grad=True) for a, t in zip(arrays, types)]
        y = result(name, tensors, keywords, "ours")
        if name in PLAIN:
            continue
        assert y.dtype == keywords.get("dtype", np.result_type(*types)), case
        weights = rng.uniform(0.5, 1.5, y.shape)
        y.backward(weights)
        for t, double in zip(tensors, gradients(name, arrays, keywords, weights), strict=True):
            assert t.grad.dtype == t.dtype, case
            np.testing.assert_allclose(
                t.grad, double, rtol=1e-4, atol=1e-5 * max(1, np.abs(double).max(initial=0)), err_msg=case
            )


# --- graphs ---------------------------------------------------------------------------------------------------------


def graphs():
    return [random_graph(np.random.default_rng(seed)) for seed in range(GRAPHS)]


def test_the_graphs_have_every_op_many_lengths_and_shared_nodes():
    made = graphs()
    steps = [step for graph in made for step in graph.steps]
    assert {name for name, *_ in steps} == {name for name, row in ROWS.items() if row.torch}
    lengths = [len(graph.steps) for graph in made]
    assert min(lengths) == 3
    assert max(lengths) == 30
    uses = [[i for _, arguments, *_ in graph.steps for i in arguments] for graph in made]
    shared = [max(used.count(i) for i in used) > 1 for used in uses]
    assert sum(shared) > 0.95 * GRAPHS


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_the_gradient_of_a_random_graph_is_numpys_slope(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    tensors = [tg.Tensor(leaf, requires_grad=True) for leaf in graph.leaves]
    loss = graph.loss(tensors, "ours")
    loss.backward()
    here = graph.loss(graph.leaves, "numpy")
    np.testing.assert_allclose(loss.item(), here, rtol=1e-12, atol=1e-12)
    for i, t in enumerate(tensors):
        direction, h = rng.standard_normal(t.shape), 1e-6
        ends = []
        for sign in (1, -1):
            moved = list(graph.leaves)
            moved[i] = moved[i] + sign * h * direction
            ends.append(graph.loss(moved, "numpy"))
        slope = (ends[0] - ends[1]) / (2 * h)
        said = 0 if t.grad is None else (t.grad * direction).sum()
        assert said == pytest.approx(slope, rel=1e-5, abs=1e-7 * max(1, abs(here)))


# --- NumPy's functions, one of another -------------------------------------------------------------------------------

CALLS = [(name, call, x) for name, call, x in calls() if call(tg.Tensor(x, requires_grad=True)).requires_grad]
COMPOSITIONS = 100


def composition(seed):
    """A function of an array (2, 3), made of NumPy's functions: 2 to 4 of them, each of the ones before.

    Each is called near the array that the table has for it, moved by what came before, which is brought to that shape.
    """
    rng = np.random.default_rng(seed)
    chosen, so_far = [], [rng.standard_normal((2, 3))]
    x = so_far[0]

    def moved(home, a, b, factor):
        return home + 0.1 * np.tanh(factor * (np.resize(a, home.shape) + np.resize(b, home.shape)))

    while len(chosen) < rng.integers(2, 5):
        name, call, home = pick(rng, CALLS)
        i, j = len(so_far) - 1, int(rng.integers(len(so_far)))
        factor = 1 / max(1, np.abs(so_far[i]).max(), np.abs(so_far[j]).max())
        y = np.asarray(call(moved(home, so_far[i], so_far[j], factor)))
        if y.size and np.isfinite(y).all():
            chosen.append((name, call, home, i, j, factor))
            so_far.append(y)
    weights = rng.uniform(0.5, 1.5, so_far[-1].shape) / max(1, np.abs(so_far[-1]).max())

    def f(x):
        values = [x]
        for _, call, home, i, j, factor in chosen:
            values.append(call(moved(home, values[i], values[j], factor)))
        return (values[-1] * weights).sum()

    return f, x, [name for name, *_ in chosen], rng.standard_normal(x.shape)


def test_the_compositions_have_most_functions():
    used = {name for seed in range(COMPOSITIONS) for name in composition(seed)[2]}
    assert len(used) > 0.5 * len({name for name, *_ in CALLS})


def gradient(f, x):
    t = tg.Tensor(x, requires_grad=True)
    f(t).backward()
    return t.grad


@pytest.mark.parametrize("seed", range(COMPOSITIONS))
def test_the_gradient_of_a_composition_is_numpys_slope(seed):
    f, x, names, _ = composition(seed)
    h = 1e-5
    expected = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[i] = h
        expected[i] = (f(x + step) - f(x - step)) / (2 * h)
    tolerance = 1e-5 * np.abs(expected).max() + 1e-10
    np.testing.assert_allclose(gradient(f, x), expected, rtol=1e-5, atol=tolerance, err_msg=f"{names}")


@pytest.mark.parametrize("seed", range(1000, 1008))
def test_a_composition_as_a_program_and_its_second_derivatives(seed):
    f, x, names, v = composition(seed)
    value, gradients = tg.trace(f, x)(x)
    np.testing.assert_allclose(value, f(x), rtol=1e-12, atol=1e-14, err_msg=f"{names}")
    np.testing.assert_allclose(gradients["x"], gradient(f, x), rtol=1e-10, atol=1e-14, err_msg=f"{names}")
    h = 1e-5
    slope = (gradient(f, x + h * v) - gradient(f, x - h * v)) / (2 * h)
    tolerance = 1e-4 * np.abs(slope).max() + 1e-9
    np.testing.assert_allclose(tg.hvp(f)(x, v), slope, rtol=1e-4, atol=tolerance, err_msg=f"{names}")
