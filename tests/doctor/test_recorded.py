"""A record in plain terms is the same however a function was written, and a wrong run leaves no trace."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.mistakes import wrong_vjps
from tinygrad_edu.doctor.recorded import RecordedGraph


def stable(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def shifted(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


WRITTEN = {
    "sigmoid": [lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(z) / (1 + np.exp(z)), stable, tg.sigmoid],
    "tanh": [
        np.tanh,
        lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
        lambda z: 2 / (1 + np.exp(-2 * z)) - 1,
    ],
    "relu": [tg.relu, lambda z: np.maximum(z, 0), lambda z: np.maximum(0, z), lambda z: z * (z > 0)],
}


@pytest.mark.parametrize(("name", "write"), [(name, write) for name in WRITTEN for write in WRITTEN[name]])
def test_an_activation_is_recognised_however_it_is_written(name, write):
    rng = np.random.default_rng(0)
    x, w, c = rng.standard_normal((6, 4)), rng.standard_normal((4, 3)), rng.standard_normal((6, 3))
    (found,) = tg.diagnose(lambda w: (write(x @ w) * c).sum(), {"w": w}, {"w": x.T @ c}).findings
    assert (found.mistake, found.text) == ("missing", f"the derivative of {name} is missing")


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, Y: tg.cross_entropy(z, Y.argmax(axis=1)),
        lambda z, Y: -(Y * tg.log_softmax(z)).sum() / len(Y),
        lambda z, Y: -np.mean(np.sum(Y * np.log(shifted(z)), axis=1)),
        lambda z, Y: -np.mean(np.log(tg.softmax(z)[np.arange(len(Y)), Y.argmax(axis=1)])),
    ],
)
def test_softmax_and_cross_entropy_are_taken_apart_however_they_are_written(loss):
    rng = np.random.default_rng(0)
    x, w, Y = rng.standard_normal((6, 4)), rng.standard_normal((4, 3)), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    p = shifted(x @ w)
    right = (p - Y) / 6
    assert tg.diagnose(lambda w: loss(x @ w, Y), {"w": w}, {"w": x.T @ right}).right
    for dz in (p / 6, -Y / 6, right * p * (1 - p), -Y * (1 - p) / 6):
        report = tg.diagnose(lambda w: loss(x @ w, Y), {"w": w}, {"w": x.T @ dz})
        assert report.mistakes == {"w": "softmax"}, report


def test_the_sigmoid_inside_a_loss_is_seen():
    rng = np.random.default_rng(0)
    x, w, t = rng.standard_normal((6, 4)), rng.standard_normal((4, 1)), 1.0 * rng.integers(0, 2, (6, 1))
    p = stable(x @ w)
    report = tg.diagnose(
        lambda w: tg.binary_cross_entropy_with_logits(tg.Tensor(x) @ w, t),
        {"w": w},
        {"w": x.T @ ((p - t) * p * (1 - p)) / 6},
    )
    assert report.mistakes == {"w": "doubled"}
    assert "the derivative of sigmoid is there twice" in str(report)


def test_the_engine_is_as_it_was_after_a_wrong_run():
    t = tg.Tensor([0.3, -0.2], requires_grad=True)
    graph = RecordedGraph((tg.tanh(t) * t).sum(), [t])
    for node, i, _ in graph.edges():
        for key, _, vjp in wrong_vjps(node, i):
            before = [list(n.vjps) for n in graph.nodes]
            graph.gradients({(node, i): vjp})
            assert [list(n.vjps) for n in graph.nodes] == before, key
    np.testing.assert_array_equal(graph.gradients()[0], graph.right[0])


def test_what_is_positive_is_not_taken_for_a_relu():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    graph = RecordedGraph(((x + 0.0) * 3.0).sum(), [x]).in_plain_terms()
    assert [node.op.__name__ for node in graph.nodes[::-1]] == ["add", "mul", "sum"]


def test_equal_numbers_that_are_not_the_same_tensor_do_not_mislead():
    z, other = (tg.Tensor([0.3, -0.7], requires_grad=True) for _ in range(2))
    up, down = np.exp(z), np.exp(-z)
    graph = RecordedGraph(((up - down) / (up + down)).sum() + other.sum(), [z, other])
    assert graph.in_plain_terms() is graph  # tanh(other) would have the same values
    np.testing.assert_allclose(graph.right, [1 - np.tanh(z.numpy()) ** 2, [1, 1]])


def test_a_graph_that_cannot_be_put_in_plain_terms_is_kept():
    t = tg.Tensor(np.linspace(-1, 1, 6), requires_grad=True)
    y = t
    for _ in range(400):
        y = y + 1
    graph = RecordedGraph(y.sum(), [t])
    assert graph.in_plain_terms() is graph


def test_a_bias_of_zeros_is_not_taken_for_no_bias():
    rng = np.random.default_rng(0)
    x, W, Y = rng.standard_normal((6, 4)), rng.standard_normal((4, 3)), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    p = shifted(x @ W)
    report = tg.diagnose(
        lambda W, b: -np.mean(np.sum(Y * np.log(shifted(x @ W + b)), axis=1)),
        {"W": W, "b": np.zeros(3)},
        {"W": x.T @ p / 6, "b": (p / 6).sum(axis=0)},
    )
    assert report.mistakes == {"W": "softmax", "b": "softmax"}
