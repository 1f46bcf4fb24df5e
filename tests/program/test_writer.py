"""The text of a program: lines that a good student would have written."""

import re

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import ops


def leaf(data, name=None):
    return tg.Tensor(data, requires_grad=True, name=name)


def lines(f, *inputs):
    """Return the lines of the program of f, or of a loss, without the frame around them."""
    _, _, body = tg.trace(f, *inputs).source.partition("    # forward\n")
    return [line.strip() for line in body.splitlines() if line.strip() and "return loss" not in line]


MLP = """\
import numpy as np


def backprop(X, labels, W1, b1, W2, b2, W3, b3):
    # forward
    z1 = X @ W1 + b1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ W2 + b2
    h2 = np.maximum(z2, 0)
    z3 = h2 @ W3 + b3
    one_hot = labels[:, None] == np.arange(z3.shape[1])
    s = z3 - z3.max(axis=1, keepdims=True)
    e = np.exp(s)
    total = e.sum(axis=1, keepdims=True)
    loss = (np.log(total)[:, 0] - s[one_hot]).sum() / len(z3)

    # backward
    d_z3 = (e / total - one_hot) / len(z3)
    d_W3 = h2.T @ d_z3
    d_b3 = d_z3.sum(axis=0)
    d_h2 = d_z3 @ W3.T
    d_z2 = d_h2 * np.sign(h2)
    d_W2 = h1.T @ d_z2
    d_b2 = d_z2.sum(axis=0)
    d_h1 = d_z2 @ W2.T
    d_z1 = d_h1 * np.sign(h1)
    d_W1 = X.T @ d_z1
    d_b1 = d_z1.sum(axis=0)
    return loss, {"W1": d_W1, "b1": d_b1, "W2": d_W2, "b2": d_b2, "W3": d_W3, "b3": d_b3}
"""


def mlp(*sizes, n=32):
    model = tg.mlp(list(sizes), rng=0)
    model.named_parameters()
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, sizes[0])), rng.integers(0, sizes[-1], n)
    return tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), X, y)


def test_the_source_of_a_network_is_that_of_a_textbook():
    assert mlp(2, 16, 16, 2).source == MLP


def test_shapes_stand_behind_the_lines_on_request():
    program = mlp(2, 16, 3, n=5)
    assert "#" not in program.source.replace("# forward", "").replace("# backward", "")
    shown = [line.split("# ") for line in program.text(shapes=True).splitlines() if line.startswith("    ")]
    shapes = {line.split("=")[0].strip(): shape for line, *shape in shown if "=" in line}
    assert shapes["z1"] == shapes["d_z1"] == ["(5, 16)"]
    assert shapes["total"] == ["(5, 1)"]
    assert shapes["loss"] == ["()"]
    assert shapes["d_W2"] == ["(16, 3)"]
    columns = {line.index("# (") for line in program.text(shapes=True).splitlines() if "# (" in line}
    assert len(columns) == 1
    assert re.sub(r" *# \(.*\)$", "", program.text(shapes=True), flags=re.M) == program.source


# --- the backward pass -----------------------------------------------------------------------------------------------


def test_what_is_used_twice_gets_the_sum():
    x, y = leaf(2.0, "x"), leaf(3.0, "y")
    assert lines(x * y + x) == [
        "v = x * y",
        "loss = v + x",
        "# backward",
        "d_v = np.ones_like(v)",
        "d_x = 1 + d_v * y",
        "d_y = d_v * x",
    ]
    assert lines((x * y).tanh() * x)[-3:] == ["d_v = x * (1 - h * h)", "d_x = h + d_v * y", "d_y = d_v * x"]


def test_the_same_share_twice_is_two_of_it_and_a_negative_one_is_taken_away():
    assert lines(lambda x: (x * x).sum(), [1.0, 2.0])[-1] == "d_x = 2 * (d_v * x)"
    assert lines(lambda x: (x.exp() - x).sum(), [1.0, 2.0])[-1] == "d_x = d_v2 * v1 - d_v2"
    assert lines(lambda x: (2 - x + x.exp()).sum(), [1.0, 2.0])[-1] == "d_x = d_v3 * v2 - d_v3"


def test_many_shares_are_added_up_in_several_lines():
    x = leaf([1.0, 2.0], "x")
    total = sum((x * k for k in range(2, 22)), x)
    found = [line for line in lines(total.sum()) if line.startswith("d_x =")]
    assert len(found) == 3
    assert all(line.startswith("d_x = d_x + ") for line in found[1:])
    np.testing.assert_allclose(tg.trace(total.sum())()[1]["x"], [231.0, 231.0])


@pytest.mark.parametrize(
    ("f", "first"),
    [
        (lambda x: x.sum(), "d_x = np.ones_like(x)"),
        (lambda x: x.mean(), "d_x = np.full_like(x, 1 / x.size)"),
        (lambda x: x.max(), "d_x = equal_shares(x == loss, x, None)"),
        (lambda x: x.var(), "d_x = 2 / n * d"),
        (lambda x: x.norm(), "d_x = 1 / np.where(loss == 0, np.inf, loss) * x"),
        (lambda x: x.logsumexp(), "d_x = np.exp(x - whole)"),
        (lambda x: (-x).sum(), "d_v = np.ones_like(v)"),
        (lambda x: x.sum().tanh(), "d_v = 1 - loss * loss"),
        (lambda x: -(x.sum()), "d_v = np.full_like(v, -1)"),
        (lambda x: x.sum() / 3, "d_v = np.full_like(v, 1 / 3)"),
        (lambda x: x.sum() ** 2, "d_v = 2 * v"),
        (lambda x: x.sum().leaky_relu(0.25), "d_v = np.where(v > 0, 1, 0.25)"),
    ],
)
def test_the_one_that_a_loss_starts_from_is_not_written(f, first):
    found = lines(f, [[1.0, 2.0], [3.0, 4.0]])
    after = next(i for i, line in enumerate(found) if line == "# backward")
    assert first in found[after + 1 :]


def test_where_a_bias_was_repeated_its_gradient_is_summed():
    a, b, c = leaf(np.ones((4, 3)), "a"), leaf(np.ones(3), "b"), leaf(np.ones((4, 1)), "c")
    found = lines((a * b * c + leaf(1.0, "d")).sum())
    assert "d_b = (d_v1 * a).sum(axis=0)" in found
    assert "d_c = (d_v3 * v1).sum(axis=1, keepdims=True)" in found
    assert "d_d = d_v3.sum(axis=(0, 1))" in found


def wasteful(a, b):
    waste = np.exp(a)
    more = waste * 2
    y = a * b
    return y, lambda g: g * b, lambda g: g * a * more / more


def test_only_what_is_needed_is_written():
    W, X = leaf(np.ones((2, 2)), "W"), np.ones((3, 2))
    found = lines(lambda X: (X @ W).relu().sum(), X)
    assert not [line for line in found if line.startswith("d_X")]  # the data needs no gradient
    a, b = leaf(2.0, "a"), leaf(3.0, "b")
    assert lines(tg.apply(wasteful, a, 3.0) * 2)[:2] == ["v = a * 3.0", "loss = v * 2"]
    assert lines(tg.apply(wasteful, a, b))[:4] == [
        "loss = a * b",
        "# backward",
        "waste = np.exp(a)",
        "more = waste * 2",
    ]
    assert [line for line in lines(tg.apply(wasteful, a, 3.0)) if "waste" in line] == []


def test_what_only_a_derivative_needs_is_written_before_it():
    assert lines(lambda x: (x**0.5).sum(), [1.0, 2.0]) == [
        "v = x ** 0.5",
        "loss = v.sum()",
        "# backward",
        "d_v = np.ones_like(v)",
        "base = np.where(x == 0, np.inf, x)",
        "d_x = d_v * 0.5 * base ** (-0.5)",
    ]


# --- NumPy as it is written by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "line"),
    [
        (lambda x: x.T.sum(), "v = x.T"),
        (lambda x: x.transpose(1, 0).sum(), "d_x = d_v.transpose((1, 0))"),
        (lambda x: x.transpose(-1, 0).sum(), "d_x = d_v.transpose((1, 0))"),
        (lambda x: np.flip(x).sum(), "v = np.flip(x)"),
        (lambda x: np.flip(x, 1).sum(), "d_x = np.flip(d_v, 1)"),
        (lambda x: x.sum(axis=0).sum(), "d_x = np.broadcast_to(d_v, x.shape)"),
        (lambda x: x.sum(axis=1).sum(), "d_x = np.broadcast_to(np.expand_dims(d_v, 1), x.shape)"),
        (lambda x: x.sum(axis=1, keepdims=True).sum(), "d_x = np.broadcast_to(d_v, x.shape)"),
        (lambda x: (x - x.mean(axis=0)).exp().sum(), "d_mean = -d_v1.sum(axis=0)"),
        (lambda x: (x - x.mean(axis=0)).exp().sum(), "d_x = d_v1 + d_mean / len(x)"),
        (lambda x: x.mean(axis=-1).sum(), "d_x = np.broadcast_to(np.expand_dims(d_mean / x.shape[1], -1), x.shape)"),
        (
            lambda x: x.mean(axis=(0, 1), keepdims=True).sum(),
            "d_x = np.broadcast_to(d_mean / (x.size // mean.size), x.shape)",
        ),
        (lambda x: x.max(axis=0).sum(), "d_x = d_v * equal_shares(x == v, x, 0)"),
        (lambda x: x.var(axis=0).sum(), "d_x = d_v * 2 / n * d"),
        (lambda x: x.elu().sum(), "d_x = d_h * np.where(x > 0, 1, np.exp(low))"),
        (lambda x: (x @ x.T).sum(), "z = x @ v"),
        (lambda x: tg.matmul(x.reshape(1, 2, 2), x).sum(), "z = v @ x"),
        (lambda x: tg.einsum("ij,jk", x, x).sum(), "v = np.einsum('ij,jk', x, x)"),
        (
            lambda x: tg.einsum("ij,kj->ik", x, x).sum(),
            "d_x = np.einsum('kj,ik->ij', x, d_v) + np.einsum('ij,ik->kj', x, d_v)",
        ),
        (lambda x: tg.einsum("ij->j", x).sum(), "d_x = einsum_share(d_v, 0, (x,), 'ij->j')"),
        (lambda x: tg.concatenate([x, x], axis=1).sum(), "v = np.concatenate((x, x), axis=1)"),
        (lambda x: x[0, ::-1].sum(), "d_x = scatter_add(d_v, x, np.s_[0, ::-1])"),
        (lambda x: x[None, 1:].sum(), "v = x[None, 1:]"),
        (lambda x: x[0].sum(), "v = x[0]"),
        (lambda x: x.softplus().sum(), "d_x = d_h * sigmoid(x)"),
        (lambda x: x.silu().sum(), "s = sigmoid(x)"),
        (lambda x: x.clip(-1, None).sum(), "v = np.clip(x, -1, np.inf)"),
        (lambda x: (x * 1.0).sum(), "v = x"),
        (lambda x: (x * [1.0, 2.0]).sum(), "v = x * x1"),
        (lambda x: (x * (1.0, 2.0)).sum(), "v = x * x1"),
        (lambda x: x.astype(np.float32).sum(), "v = x.astype(np.float32)"),
        (lambda x: x.astype(float).sum(), "v = x.astype(np.float64)"),
        (lambda x: (x == 1).sum() * x.sum(), "v1 = x == 1"),
    ],
)
def test_a_line_is_what_a_person_would_write(f, line):
    assert line in lines(f, [[1.0, 2.0], [3.0, 4.0]])


def test_a_norm_in_the_middle_of_a_network_is_written_line_by_line():
    norm = tg.LayerNorm(2)
    assert lines(lambda x: norm(x).exp().mean(), [[1.0, 2.0], [3.0, 5.0]])[:8] == [
        "mean1 = x.mean(axis=-1, keepdims=True)",
        "v1 = x - mean1",
        "v2 = v1 * v1",
        "mean2 = v2.mean(axis=-1, keepdims=True)",
        "v3 = mean2 + 1e-05",
        "v4 = np.sqrt(v3)",
        "v5 = v1 / v4",
        "v6 = v5 * gamma",
    ]


def test_a_batch_norm_writes_its_averages_into_its_inputs():
    norm = tg.BatchNorm1d(2)
    found = lines(lambda x: norm(x).exp().sum(), [[1.0, 2.0], [3.0, 5.0]])
    assert found[4] == "running_mean[...] = running_mean + 0.1 * (mean1 - running_mean)"
    assert found[6] == "running_var[...] = running_var + 0.1 * (v4 - running_var)"


def test_the_lines_of_a_regression():
    model = tg.Linear(2, 1, rng=0)
    assert lines(lambda X, y: tg.mse_loss(model(X), y), np.ones((3, 2)), np.ones((3, 1))) == [
        "z = X @ W + b",
        "v1 = z - y",
        "v2 = v1 * v1",
        "loss = v2.mean()",
        "# backward",
        "d_v2 = np.full_like(v2, 1 / v2.size)",
        "d_v1 = 2 * (d_v2 * v1)",
        "d_W = X.T @ d_v1",
        "d_b = d_v1.sum(axis=0)",
    ]


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["lambda", "np", "d_x", "loss", "x y", "2", "len", "backprop", "v1", "equal_shares", "s", "e"]
)
def test_a_parameter_may_have_any_name(name):
    odd, x = leaf([1.5, 2.5], name), leaf([1.0, 2.0], "x")
    loss = (odd.sigmoid() * x.softmax()).max() * odd[0]
    program = tg.trace(loss)
    loss.backward()
    _, gradients = program()
    called = {id(value): name for name, value in program.leaves.items()}
    np.testing.assert_allclose(gradients[called[id(odd)]], odd.grad, rtol=1e-12)
    np.testing.assert_allclose(gradients[called[id(x)]], x.grad, rtol=1e-12)


def test_two_parameters_of_one_name_get_numbers():
    x, y = leaf([1.0], "w"), leaf([2.0], "w")
    assert list(tg.trace((x * y).sum()).inputs) == ["w1", "w2"]


def test_an_argument_keeps_its_name_whatever_the_tensor_is_called():
    program = tg.trace(lambda a, lambda_: (a * lambda_).sum(), leaf([1.0], "weights"), leaf([2.0], "a"))
    assert list(program.inputs) == ["a", "lambda_"]


def test_a_function_of_any_number_of_arguments_has_numbered_ones():
    assert list(tg.trace(lambda *args: (args[0] * args[1]).sum(), [1.0], [2.0]).inputs) == ["x0", "x1"]
    assert list(tg.trace(tg.Tensor.sum, [1.0, 2.0]).inputs) == ["a"]
    assert list(tg.trace(max, [3.0]).inputs) == ["x0"]  # Python does not say what it calls it


# --- what stands above -----------------------------------------------------------------------------------------------


def test_helpers_stand_above_without_their_types():
    source = tg.trace(lambda x: x.softplus().max(), [1.0, 2.0]).source
    assert source.startswith(
        '''import numpy as np


def equal_shares(hit, a, axis):
    """One part in as many as there are hits along axis, where hit; 0 elsewhere. In a's dtype."""
    hits = hit.astype(a.dtype)
    return hits / hits.sum(axis=axis, keepdims=True)


def sigmoid(a):
    """y = 1 / (1 + e^(-a)); computed from e^(-|a|), which cannot overflow"""
    e = np.exp(np.where(a >= 0, -a, a))
    return np.where(a >= 0, 1, e) / (1 + e)


def backprop(x):
'''
    )


def test_a_helper_brings_what_it_calls_itself():
    source = tg.trace(lambda x: tg.einsum("ii->", x), np.ones((2, 2))).source
    assert [line for line in source.splitlines() if line.startswith("def ")] == [
        "def einsum_share(g, i, arrays, subscripts):",
        "def einsum_letters(subscripts, arrays):",
        "def scatter_add(g, a, index):",
        "def backprop(x):",
    ]
    assert f"ascii_letters = {ops.ascii_letters!r}" in source.splitlines()


def test_modules_are_imported_once():
    source = tg.trace(lambda x: (x.erf() * x.gelu()).sum(), [1.0, 2.0]).source
    assert source.startswith("import math\nimport numpy as np\n\n\ndef map_elements(f, a):")
    assert source.count("import") == 2
