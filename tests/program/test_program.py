"""Backprop as a program: it gives what the engine gives, runs without this package, and refuses what it cannot be."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ops_table import ROWS
from random_graphs import numbers, random_graph, random_shape

import tinygrad_edu as tg
from tinygrad_edu.core.layers import ACTIVATIONS
from tinygrad_edu.core.tensor import unwrap
from tinygrad_edu.program.program import Program


def leaf(data, name=None):
    return tg.Tensor(data, requires_grad=True, name=name)


def network(*layers, dtype=np.float64):
    """Return a classifier of 2 numbers as 3 classes, with these layers (of 4 features) in the middle."""
    model = tg.Sequential(tg.Linear(2, 4, dtype=dtype, rng=0), *layers, tg.Linear(4, 3, dtype=dtype, rng=1))
    model.named_parameters()
    return model


def data(n=5, dtype=np.float64):
    rng = np.random.default_rng(n)
    return rng.standard_normal((n, 2)).astype(dtype), rng.integers(0, 3, n)


def by_the_engine(loss, leaves):
    """Return the gradients that backward() computes, and take them off the leaves."""
    loss.backward()
    found = {name: t.grad for name, t in leaves.items()}
    for t in leaves.values():
        t.grad = None
    return found


def assert_equal(program, loss, leaves, rtol=1e-12):
    """Compare the program with the engine; leaves is name to Tensor."""
    expected = by_the_engine(loss, leaves)
    value, gradients = program()
    np.testing.assert_allclose(value, loss.item(), rtol=rtol)
    assert list(gradients) == [name for name in program.inputs if name in gradients]
    assert set(gradients) == {name for name, d in expected.items() if d is not None}
    for name, d in gradients.items():
        assert (d.shape, d.dtype) == (expected[name].shape, expected[name].dtype)
        scale = np.abs(expected[name]).max(initial=1e-300)
        np.testing.assert_allclose(d, expected[name], rtol=0, atol=rtol * scale, err_msg=f"{name}\n{program.source}")


# --- equal to the engine ---------------------------------------------------------------------------------------------


@pytest.mark.sample(5)
@pytest.mark.parametrize("seed", range(40))
def test_the_programs_of_random_graphs_of_every_op_give_what_the_engine_gives(seed):
    graph = random_graph(np.random.default_rng(1000 + seed))
    leaves = {f"leaf_{i}": leaf(values, f"leaf_{i}") for i, values in enumerate(graph.leaves)}
    loss = graph.loss(list(leaves.values()), "ours")
    if not (isinstance(loss, tg.Tensor) and loss.requires_grad):
        pytest.skip("nothing is left of this graph")
    assert_equal(tg.trace(loss), loss, leaves)


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.torch])
def test_the_program_of_each_op_gives_what_the_engine_gives(name):
    rng, row, done = np.random.default_rng(sum(map(ord, name))), ROWS[name], 0
    while done < 12:
        shape = random_shape(rng)
        fitting = row.fits(rng, shape)
        if fitting is None or 0 in shape:
            continue
        shapes, keywords = fitting
        arrays = [np.asarray(row.guard(a)) for a in numbers(rng, shape, *shapes)]
        leaves = {f"leaf_{i}": leaf(a, f"leaf_{i}") for i, a in enumerate(arrays)}
        y = row.ours(*leaves.values(), **keywords)
        loss = (y * rng.standard_normal(y.shape)).sum() if y.ndim or rng.random() < 0.5 else y
        if y.size:
            assert_equal(tg.trace(loss), loss, leaves)
            done += 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_are_equal_bit_for_bit_but_for_sums_over_the_batch(activation, dtype):
    """The engine sums biases with BLAS, in an order that the processor chooses: n numbers in two orders differ by no
    more than n eps times the sum of their sizes, which may be much of a sum that cancels. With 32 samples a division by
    N and a product with 1/N are the same."""
    model = tg.mlp([2, 5, 5, 3], activation, dtype=dtype, rng=0)
    X, y = data(32, dtype)
    loss = tg.cross_entropy(model(X), y)
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)
    loss.backward()
    value, gradients = program()
    assert value.dtype == dtype
    np.testing.assert_array_equal(value, loss.numpy())
    of_each = [program(X=X[[i]], labels=y[[i]])[1] for i in range(32)]
    for p, (name, d) in zip(model.parameters(), gradients.items(), strict=True):
        assert d.dtype == dtype
        if p.ndim == 2:
            np.testing.assert_array_equal(d, p.grad)
        else:
            sizes = sum(np.abs(one[name]) for one in of_each) / 32
            assert np.all(np.abs(d - p.grad) <= 32 * np.finfo(dtype).eps * sizes)


LOSSES = {
    "mse_loss": lambda z, y: tg.mse_loss(z[:, 0], y * 0.7),
    "l1_loss": lambda z, y: tg.l1_loss(z[:, 0], y * 0.7),
    "huber_loss": lambda z, y: tg.huber_loss(z[:, 0], y * 0.7, delta=0.3),
    "cross_entropy": tg.cross_entropy,
    "bce": lambda z, y: tg.binary_cross_entropy_with_logits(z[:, 0], y / 2),
    "hinge_loss": lambda z, y: tg.hinge_loss(z[:, 0], np.sign(y - 0.5)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_program_of_each_loss_gives_what_the_engine_gives(name):
    model, (X, y) = network(tg.Tanh()), data()
    loss = LOSSES[name](model(X), y)
    called = {"W1": model[0].W, "b1": model[0].b, "W2": model[2].W, "b2": model[2].b}
    assert_equal(tg.trace(loss), loss, called)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "layers",
    [
        lambda dtype: [tg.LayerNorm(4, dtype=dtype)],
        lambda dtype: [tg.BatchNorm1d(4, dtype=dtype)],
        lambda dtype: [tg.BatchNorm1d(4, dtype=dtype).eval()],
        lambda dtype: [tg.Dropout(0.5, rng=0)],
        lambda dtype: [tg.Softmax()],
        lambda dtype: [tg.Linear(4, 4, bias=False, dtype=dtype, rng=2), tg.GELU()],
    ],
    ids=["LayerNorm", "BatchNorm1d", "BatchNorm1d.eval", "Dropout", "Softmax", "no bias"],
)
def test_the_program_of_each_layer_gives_what_the_engine_gives(layers, dtype):
    model, (X, y) = network(*layers(dtype), dtype=dtype), data(dtype=dtype)
    loss = tg.cross_entropy(model(X), y)
    value, gradients = tg.trace(loss)()
    loss.backward()
    np.testing.assert_array_equal(value, loss.numpy())
    for p, d in zip(model.parameters(), gradients.values(), strict=True):
        assert d.dtype == dtype
        np.testing.assert_allclose(d, p.grad, rtol=0, atol=30 * np.finfo(dtype).eps * max(np.abs(p.grad).max(), 0.1))


def test_a_program_of_two_dtypes_gives_each_gradient_in_its_own():
    W = leaf(np.ones((2, 1), np.float32), "W")
    X = leaf([[0.1, 0.2], [0.3, 0.4]], "X")
    loss = ((X @ W).tanh() * np.float64(0.3) + W.astype(np.float64).sum() * np.float32(0.1)).mean()
    assert_equal(tg.trace(loss), loss, {"W": W, "X": X})


def test_a_numpy_number_beside_a_tensor_is_as_pythons():
    x = leaf(np.array([1.0, 2.0], np.float32), "x")
    program = tg.trace((x * np.float64(0.1) / np.sqrt(16)).sum())
    assert "x * 0.1" in program.source
    assert program()[0].dtype == np.float32
    assert program()[1]["x"].dtype == np.float32


def test_what_is_used_more_often_than_a_line_can_hold_is_added_up_in_several():
    x = leaf(0.5, "x")
    total = x
    for _ in range(300):
        total = total * 0.5 + x.sin()
    assert_equal(tg.trace(total), total, {"x": x}, rtol=1e-11)


def test_a_loss_of_one_number_may_have_axes():
    x, W = leaf([[0.5, 2.0]], "x"), leaf([[1.0], [3.0]], "W")
    for loss in (x @ W, (x @ W).tanh(), x.max(keepdims=True), tg.einsum("ij,jk", x, W)):
        leaves = {"x": x, "W": W}
        assert_equal(tg.trace(loss), loss, leaves)
        assert tg.trace(loss)()[0].shape == loss.shape


# --- called with other numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("middle", [tg.ReLU, lambda: tg.LayerNorm(4), lambda: tg.BatchNorm1d(4), tg.Softmax])
def test_a_batch_of_another_size_goes_through_the_same_program(middle):
    model = network(middle())
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), *data(5))
    for n in (2, 4, 11):
        X, y = data(n)
        loss = tg.cross_entropy(model(X), y)
        value, gradients = program(X, y)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        np.testing.assert_allclose(value, loss.numpy(), rtol=1e-12)
        for p, d in zip(model.parameters(), gradients.values(), strict=True):
            np.testing.assert_allclose(d, p.grad, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda X: (X @ np.array([1.0, 2.0, 3.0])).exp().sum(),
        lambda X: tg.Flatten()(X.expand_dims(1) * X.expand_dims(2)).exp().mean(),
        lambda X: X[:, :1].squeeze(1).exp().mean(),
        lambda X: (X.reshape(-1) ** 2).sum(),
        lambda X: (X.reshape(len(X), 3, 1).reshape(len(X), 3) ** 2).sum(),
    ],
    ids=["vector", "Flatten", "squeeze", "flat", "there and back"],
)
def test_what_is_reshaped_keeps_its_samples(f):
    rng = np.random.default_rng(0)
    program = tg.trace(f, rng.standard_normal((4, 3)))
    assert program.any_size
    X = leaf(rng.standard_normal((6, 3)))
    f(X).backward()
    np.testing.assert_allclose(program(X.numpy())[1]["X"], X.grad, rtol=1e-12)


@pytest.mark.sample(5)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("name", ["mean", "var", "std", "sum", "max", "norm"])
def test_a_reduction_of_a_square_fits_every_other_shape(name, axis, keepdims):
    def f(x):
        y = getattr(x, name)(axis=axis, keepdims=keepdims)
        return (y * y).sum()

    rng = np.random.default_rng(0)
    program = tg.trace(f, rng.standard_normal((3, 3)))
    for shape in ((4, 2), (2, 5)):
        x = leaf(rng.standard_normal(shape))
        f(x).backward()
        np.testing.assert_allclose(program(x.numpy())[1]["x"], x.grad, rtol=1e-12)


def test_a_call_changes_nothing_and_gives_the_same_again():
    X, y = data()
    model = network(tg.ReLU())
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)
    before = {name: value.copy() for name, value in program.inputs.items()}
    (first, d1), (second, d2) = program(), program()
    assert first == second
    for name, d in d1.items():
        np.testing.assert_array_equal(d, d2[name])
        d += 1  # it belongs to the caller
    for name, value in program.inputs.items():
        np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(program()[1]["b2"], d2["b2"])


def test_the_inputs_are_those_of_the_time_of_the_trace():
    x = leaf([1.0, 2.0], "x")
    program = tg.trace((x * x).sum())
    x.data = [3.0, 4.0]
    np.testing.assert_array_equal(program.inputs["x"], [1.0, 2.0])
    assert program()[0] == 5.0


def test_inputs_are_given_by_place_or_by_name():
    program = tg.trace(lambda a, b: (a / b).sum(), [1.0, 2.0], [4.0, 8.0])
    assert list(program.inputs) == program.gradients == ["a", "b"]
    for value, _ in (program([2.0, 2.0], [1.0, 1.0]), program([2.0, 2.0], b=[1.0, 1.0]), program(b=[1, 1], a=[2, 2])):
        assert value == 4.0
    assert program(b=[1.0, 1.0])[0] == 3.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p(1, 2, 3, 4), "the program takes x, labels, W; 4 values were given"),
        (lambda p: p(y=1), "y is not an input; the program takes x, labels, W"),
        (lambda p: p([[1.0]], x=[[1.0]]), "x was given twice; the program takes x, labels, W"),
    ],
)
def test_wrong_inputs_are_refused_by_name(call, message):
    W = leaf(np.ones((1, 2)), "W")
    program = tg.trace(lambda x, labels: tg.cross_entropy(x @ W, labels), [[1.0], [2.0]], [0, 1])
    with pytest.raises(TypeError, match=f"^{message}$"):
        call(program)


def test_shapes_that_the_text_is_not_right_for_are_refused():
    b = leaf([1.0, 2.0], "b")
    program = tg.trace(lambda x: (x * b).sum(), np.ones((1, 2)))
    assert program(np.ones((1, 2)))[0] == 3.0
    with pytest.raises(ValueError, match=r"^x has shape \(3, 2\), but its shape when .*, \(1, 2\), is in the text"):
        program(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"^x has shape \(2,\); a program keeps the number of axes .*, \(1, 2\)$"):
        program(np.ones(2))


def test_whole_numbers_are_floats_where_it_was_traced_with_floats():
    program = tg.trace(lambda x: (x * x).mean(), [1.0, 2.0])
    np.testing.assert_array_equal(program([3, 4])[1]["x"], [3.0, 4.0])


def test_whole_numbers_alone_have_no_gradient():
    with pytest.raises(TypeError, match=r"all inputs hold whole numbers: write 1\.0 for 1$"):
        tg.trace(lambda x: (x * x).sum(), [1, 2])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x.reshape(len(x) // 2, 2, -1).mean(axis=1) ** 2).sum(),
        lambda x: (x[np.arange(0, len(x), 2)] ** 2).sum(),
        lambda x: (x * np.array([1 / len(x)])).sum(),
        lambda x: -x.log_softmax(axis=1)[np.arange(len(x)), np.zeros(len(x), int)].mean(),
    ],
    ids=["pairs", "every second", "array", "arange"],
)
def test_what_was_made_of_the_length_fits_no_other(f):
    program = tg.trace(f, np.random.default_rng(0).standard_normal((6, 6)))
    assert not program.any_size
    for n in (4, 8, 12):
        with pytest.raises(ValueError, match=r"^x has shape"):
            program(np.ones((n, 6)))


@pytest.mark.parametrize("f", [np.std, lambda y: np.bincount(y)[y], lambda y: y.max() - y.min()])
def test_what_is_the_same_in_any_order_is_no_constant(f):
    loss = lambda x, y: (x * np.asarray(f(unwrap(y)), float)).sum()
    with pytest.raises(ValueError, match="outside of the ops"):
        tg.trace(loss, np.ones(6), [0, 0, 1, 2, 4, 4])


def test_a_saved_program_shows_a_loss_with_axes(tmp_path):
    tg.trace(lambda x: (x * x).sum(keepdims=True), [1.0, 2.0]).save(tmp_path / "backprop.py")
    run = subprocess.run([sys.executable, tmp_path / "backprop.py"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("loss = 5\n")


def test_what_holds_no_real_numbers_is_refused():
    program = tg.trace(lambda x: (x * x).sum(), [1.0, 2.0])
    for x, kind in (([1j, 2], "complex128"), (["a", "b"], "<U1")):
        with pytest.raises(TypeError, match=f"^x is {kind}; a program takes numbers, and no complex ones$"):
            program(x)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.sum() / len(x),
        lambda x: (x * np.float64(x.size)).sum(),
        lambda x: tg.grad(lambda x: (x * x).mean())(x).sum(),
    ],
    ids=["len", "size", "grad"],
)
def test_a_length_that_python_asked_for_is_in_the_text_and_another_is_refused(f):
    program = tg.trace(f, np.ones((3, 2)))
    assert not program.any_size
    np.testing.assert_allclose(program(np.full((3, 2), 2.0))[0], 2 * program()[0], rtol=1e-15)
    with pytest.raises(ValueError, match=r"or Python asked how many there are, as by len\(x\)\. Trace it again$"):
        program(np.ones((4, 2)))


def test_a_function_that_takes_so_many_only_is_not_refused_for_it():
    X, y = data(5)
    program = tg.trace(lambda W: tg.cross_entropy(X @ W, y), np.ones((2, 3)))
    assert program.any_size
    with pytest.raises(ValueError, match="matmul"):
        program(np.ones((3, 3)))


def test_a_traceback_shows_the_line_of_the_program():
    program = tg.trace(lambda a, b: (a @ b).sum(), np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="matmul") as error:
        program(np.ones((2, 5)))
    assert str(error.traceback[-1].statement).strip() == "z = a @ b"


def test_values_are_all_that_a_program_computes():
    program = tg.trace(lambda x: (x.exp() * 2).sum(), [0.0, 0.0])
    values = program.values([0.0, 1.0])
    assert list(values) == ["x", "v1", "v2", "loss", "d_v2", "d_v1", "d_x"]
    np.testing.assert_allclose(values["v1"], [1.0, np.e])
    np.testing.assert_allclose(values["d_x"], [2.0, 2 * np.e])


def test_it_says_what_it_is():
    program = tg.trace(lambda x, n: (x * n).sum(), [1.0, 2.0], 3)
    assert repr(program) == "Program(x, n -> loss, d_x; 4 lines)"
    assert isinstance(program, Program)


# --- what is an input, and what gets a gradient ----------------------------------------------------------------------


def test_inputs_are_what_the_function_takes_then_data_then_parameters():
    W, scale = leaf([[1.0], [2.0]], "W"), np.array([2.0, 3.0])
    program = tg.trace(lambda X, unused: (X * scale @ W).sum(), np.ones((3, 2)), 0)
    assert list(program.inputs) == ["X", "unused", "x", "W"]
    assert program.gradients == ["W"]


def test_without_parameters_every_float_that_goes_in_gets_a_gradient():
    program = tg.trace(lambda a, b, n: (a * b * n).sum(), [1.0, 2.0], 3.0, 2)
    assert program.gradients == ["a", "b"]


def test_an_input_that_is_not_used_has_a_gradient_of_zeros():
    program = tg.trace(lambda a, b: (a * a).sum(), leaf([1.0, 2.0]), leaf([[3.0]]))
    np.testing.assert_array_equal(program()[1]["b"], [[0.0]])


def test_a_tensor_that_is_two_arguments_has_two_gradients():
    x = leaf([1.0, 2.0])
    program = tg.trace(lambda a, b: (a * a * b).sum(), x, x)
    assert list(program.inputs) == ["a", "b"]
    np.testing.assert_array_equal(program([1.0, 2.0], [3.0, 4.0])[1]["a"], [6.0, 16.0])
    np.testing.assert_array_equal(program([1.0, 2.0], [3.0, 4.0])[1]["b"], [1.0, 4.0])


def test_what_was_computed_before_is_an_input_of_a_program_of_what_came_after():
    x = leaf([1.0, 2.0], "x")
    h = x.exp()
    program = tg.trace(lambda h: (h * h).sum(), h)
    assert list(program.inputs) == ["h"]
    np.testing.assert_allclose(program()[1]["h"], 2 * h.numpy())


def test_the_data_of_an_input_is_the_input_but_passes_no_gradient_on():
    program = tg.trace(lambda x, y: (x * y.data).sum(), leaf([1.0, 2.0]), leaf([3.0, 4.0]))
    value, gradients = program([1.0, 1.0], [5.0, 6.0])
    assert value == 11.0
    np.testing.assert_array_equal(gradients["x"], [5.0, 6.0])
    np.testing.assert_array_equal(gradients["y"], [0.0, 0.0])


def test_what_is_detached_is_computed_and_passes_no_gradient_on():
    program = tg.trace(lambda x: (x * (x * 3).detach()).sum(), leaf([1.0, 2.0]))
    np.testing.assert_array_equal(program([4.0, 5.0])[1]["x"], [12.0, 15.0])


def test_what_no_grad_computes_is_computed():
    def f(x):
        with tg.no_grad():
            scale = x.max()
        return (x / scale).sum()

    value, gradients = tg.trace(f, [1.0, 4.0])([2.0, 8.0])
    assert value == 1.25
    np.testing.assert_array_equal(gradients["x"], [0.125, 0.125])


def test_a_mask_made_by_comparing_tensors_is_computed():
    def f(x):
        return (x * (x > 0)).sum() + (x * ((x < -1) | ~(x != 3) & (x <= 3))).sum() + np.sign(x).sum()

    program = tg.trace(f, [1.0, -2.0, 0.5])
    for values in ([1.0, -2.0, 0.5], [3.0, -3.0, -0.5]):
        x = leaf(values)
        f(x).backward()
        value, gradients = program(values)
        assert value == f(x).item()
        np.testing.assert_array_equal(gradients["x"], x.grad)
    assert "v1 = x > 0" in program.source


def test_a_mask_may_be_an_index_or_a_condition():
    def f(x):
        return x[x > 0].sum() + np.where(x > 1, x * x, 3 * x).sum()

    program = tg.trace(f, [1.5, -2.0, 0.5])
    np.testing.assert_array_equal(program([-1.0, 2.0, 1.0])[1]["x"], [3.0, 5.0, 4.0])


def test_a_mask_may_be_a_keyword_of_an_op_of_ones_own():
    program = tg.trace(lambda x: tg.apply(masked, x, mask=x > 0).sum(), [1.5, -2.0])
    np.testing.assert_array_equal(program([-1.0, 2.0])[1]["x"], [0.0, 1.0])


def masked(a, *, mask):
    y = a * mask
    return y, lambda g: g * mask


# --- layers that are not the same each time --------------------------------------------------------------------------


def test_dropouts_mask_is_an_input():
    model, (X, y) = network(tg.Dropout(0.5, rng=0)), data()
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)
    assert list(program.inputs)[:3] == ["X", "labels", "mask"]
    assert set(program.inputs["mask"].ravel()) == {0.0, 2.0}
    loss = tg.cross_entropy(model[2](model[0](X) * 0.5), y)
    np.testing.assert_allclose(program(mask=np.full((5, 4), 0.5))[0], loss.numpy(), rtol=1e-12)


def test_batch_norm_keeps_its_averages_in_the_arrays_that_it_is_given():
    model, (X, y) = network(tg.BatchNorm1d(4)), data()
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)
    kept = {name: program.inputs[name].copy() for name in ("running_mean", "running_var")}
    for _ in range(2):
        model(X)
        program(**kept)
    np.testing.assert_allclose(kept["running_mean"], model[1].running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(kept["running_var"], model[1].running_var.numpy(), rtol=1e-12)
    np.testing.assert_array_equal(program.inputs["running_mean"], np.zeros(4))


def test_what_is_kept_and_used_is_computed_once():
    class Running(tg.Layer):
        def __init__(self):
            self.mean = tg.Tensor([0.0, 0.0], name="running")

        def forward(self, x):
            with tg.no_grad():
                new = self.mean * 0.9 + x.mean(axis=0) * 0.1
                self.mean.data = new
            return (x * x - new).sum()

    layer = Running()
    program = tg.trace(layer, np.ones((3, 2)))
    running = np.zeros(2)
    value, _ = program(np.ones((3, 2)), running=running)
    np.testing.assert_allclose(running, [0.1, 0.1])
    np.testing.assert_allclose(value, 6 - 0.6)


def test_inputs_of_a_layer_have_the_names_of_its_forward():
    class Scaled(tg.Layer):
        def forward(self, x, factor):
            return (x * factor).sum()

    assert list(tg.trace(Scaled(), np.ones(2), np.ones(2)).inputs) == ["x", "factor"]


def test_what_is_kept_but_never_read_is_an_input_to_write_into():
    class Last(tg.Layer):
        def __init__(self):
            self.last = tg.Tensor(0.0, name="last")

        def forward(self, x):
            with tg.no_grad():
                self.last.data = x.max()
            return (x * x).sum()

    program = tg.trace(Last(), np.ones(2))
    last = np.zeros(())
    program([3.0, 4.0], last=last)
    assert list(program.inputs) == ["x", "last"]
    assert last == 4.0


def test_tracing_changes_neither_parameters_nor_gradients_nor_what_layers_keep():
    model, (X, y) = network(tg.BatchNorm1d(4), tg.ReLU()), data()
    tg.cross_entropy(model(X), y).backward()
    before = model.state_dict()
    gradients = [p.grad.copy() for p in model.parameters()]
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)
    program()
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    for p, d in zip(model.parameters(), gradients):
        np.testing.assert_array_equal(p.grad, d)
    model(X)
    assert (model[1].running_mean.numpy() != before["layers.1.running_mean"]).all()


# --- what cannot be a program ----------------------------------------------------------------------------------------


def branch(x):
    return x.sum() if x.sum() > 0 else (x * x).sum()


def frozen_branch(x):
    return x.sum() if x.numpy().sum() > 0 else (x * x).sum()


@pytest.mark.parametrize(
    ("f", "kind", "message"),
    [
        (branch, TypeError, r"the truth of .* Write np\.where\(condition, a, b\), maximum or relu instead of an if,"),
        (lambda x: x.sum() * float(x[0]), TypeError, r"float\(\) of .* was asked for while a program is traced"),
        (lambda x: x.sum() * int(x[0]), TypeError, r"int\(\) of .* was asked for while a program is traced"),
        (lambda x: x.sum() * x.max().item(), TypeError, r"item\(\) of .* was asked for while a program is traced"),
        (frozen_branch, ValueError, r"computes something else for other numbers.*np\.where\(condition, a, b\)"),
        (lambda x: (x * (x.numpy() > 0)).sum(), ValueError, r"an array \(3,\) .* outside of the ops \(t\.numpy\(\)"),
        (lambda x: (x * np.exp(x.numpy())).sum(), ValueError, "Compute it with Tensors, or give it to the function"),
        (lambda x: (x * np.random.random(3)).sum(), ValueError, "or is random"),
        (lambda x: x.sum() * np.random.random(), ValueError, "give the function what is random as an input"),
        (lambda x: x[: int(x.numpy()[0])].sum(), ValueError, "computes something else for other numbers"),
        (lambda x: x * 2, ValueError, "starts from a single number, this tensor has shape"),
        (lambda x: 3.0, TypeError, "has to return a Tensor with a single number, got float"),
        (lambda x: x, RuntimeError, "nothing was computed, so there is nothing to trace"),
        (lambda x: tg.Tensor(1.0) * 2, RuntimeError, "nothing here requires the gradient of"),
    ],
)
def test_what_cannot_be_a_program_is_refused_with_what_to_do(f, kind, message):
    with pytest.raises(kind, match=message):
        tg.trace(f, 1.0 if message.startswith("not") else [1.0, 2.0, 3.0])


def test_a_mask_of_a_single_number_is_refused_too():
    with pytest.raises(ValueError, match="computes something else for other numbers"):
        tg.trace(lambda x: x * (x.numpy() > 0), 2.0)


def test_a_function_that_takes_only_these_numbers_is_not_refused_for_it():
    def f(x):
        if not (x.numpy() == [1.0, 2.0]).all():
            raise ValueError("only 1 and 2")
        return (x * x).sum()

    assert tg.trace(f, [1.0, 2.0])()[0] == 5.0


@pytest.mark.parametrize("f", [3, "loss", None])
def test_only_a_loss_or_a_function_can_be_traced(f):
    with pytest.raises(TypeError, match=r"^trace takes a loss, or a function and what to call it with; got"):
        tg.trace(f)


def test_data_that_was_changed_since_is_refused_as_by_the_engine():
    x = leaf([1.0, 2.0], "x")
    loss = (x * x).sum()
    x.data = [3.0, 4.0]
    with pytest.raises(RuntimeError, match="was changed after"):
        tg.trace(loss)


def test_a_plain_array_that_was_changed_since_is_refused():
    scale = np.array([1.0, 2.0])
    loss = (leaf([1.0, 2.0], "x") * scale).sum()
    scale[0] = 7.0
    with pytest.raises(ValueError, match=r"the source of mul does not give what it gave .* that it used changed"):
        tg.trace(loss)


def test_after_a_refusal_everything_works_as_before():
    with pytest.raises(TypeError):
        tg.trace(branch, [1.0, 2.0])
    assert float(branch(leaf([1.0, 2.0]))) == 3.0
    with tg.no_grad():
        tg.trace(lambda x: (x * x).sum(), [1.0, 2.0])
        assert not (leaf(1.0) * 2).requires_grad


# --- saved -----------------------------------------------------------------------------------------------------------

ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tinygrad_edu", "numba"):
            raise ImportError(f"{name} is not needed")

sys.meta_path.insert(0, Blocked())
import runpy
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("middle", [tg.Tanh, tg.GELU, lambda: tg.BatchNorm1d(4), lambda: tg.Dropout(0.5, rng=0)])
@pytest.mark.parametrize("n", [5, 50], ids=["small", "packed"])
def test_a_saved_program_runs_with_numpy_alone_and_says_what_the_engine_says(middle, n, tmp_path):
    model, (X, y) = network(middle()), data(n)
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)
    program.save(tmp_path / "backprop.py")
    text = (tmp_path / "backprop.py").read_text()
    assert "tinygrad" not in text
    assert ("def unpacked(" in text) == (n == 50)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ALONE, str(tmp_path / "backprop.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stderr == ""
    value, gradients = program()
    norms = [f"|d_{name}| = {np.linalg.norm(d):.6g}\n" for name, d in gradients.items()]
    assert done.stdout == f"loss = {value:.6g}\n" + "".join(norms)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3, 2), (40, 3)])
def test_what_is_in_a_saved_file_is_what_was_traced(dtype, shape, tmp_path):
    rng = np.random.default_rng(0)
    x, index = rng.standard_normal(shape).astype(dtype), np.array([True, False])
    program = tg.trace(lambda x, flags: (x * x).sum() * flags.sum(), x, index)
    program.save(tmp_path / "backprop.py")
    text = (tmp_path / "backprop.py").read_text()
    scope = {"__name__": "imported"}
    exec(text, scope)
    exec(text[text.index("    inputs = dict(") :].partition("    loss,")[0].replace("    inputs", "inputs", 1), scope)
    for name, value in program.inputs.items():
        assert scope["inputs"][name].dtype == value.dtype
        np.testing.assert_array_equal(scope["inputs"][name], value)


def test_numbers_that_are_not_finite_are_saved_too(tmp_path):
    program = tg.trace(lambda x, y: (x * y).sum(), [np.inf, np.nan, 1.0], [1.0, 2.0, 3.0])
    program.save(tmp_path / "backprop.py")
    done = subprocess.run([sys.executable, tmp_path / "backprop.py"], capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "loss = nan"
