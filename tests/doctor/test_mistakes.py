"""Each mistake is planted in random networks by somebody else (students.py) and has to be called by its name."""

import numpy as np
import planted_mistakes as students
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.mistakes import MISTAKES, _choices, wrong_vjps
from tinygrad_edu.doctor.recorded import RecordedGraph
from tinygrad_edu.doctor.relations import factors


@pytest.mark.parametrize("plant", students.PLANTS)
def test_a_planted_mistake_is_named_and_no_right_gradient_is_accused(plant):
    said, accused = students.confusion(plant, 8)
    key = students.PLANTS[plant][0]
    assert accused == 0
    assert set(said) <= {key, "zero"}, said  # a unit of relu that is off, a row of p - one_hot: the sum is 0 either way
    assert said[key] > 0.8 * said.total()


def test_every_key_is_explained():
    assert {key for key, _ in students.PLANTS.values()} <= set(MISTAKES)
    assert all(what and (hint or key == "unknown") for key, (what, hint) in MISTAKES.items())


# --- constants -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (12, "12 times too large: the 1/N of the mean was forgotten (N = 12, of (4, 3))"),
        (1 / 12, "12 times too small: divided by N once too often"),
        (2, "twice too large"),
        (0.5, "half of what it should be: the 2 of a square's derivative was forgotten"),
        (3, "12 / 4 of what it should be: divided by 4, the length of axis 0, instead of by N = 12"),
        (5, "5 times too large: the 1/N of the mean was forgotten (5, the length of axis 0)"),
        (12 / 2, "12 / 2 times too large: the mean's 1/N was forgotten (N = 12, of (4, 3)), and the square's 2"),
        (12 / 4 / 2, "3 / 2 times too large"),
        (12 / 5, "12 / 5 of what it should be: divided by 5, the length of axis 0, instead of by N = 12"),
        (-12, "the sign is turned round; and 12 times too large"),
        (0.7, "7/10 times the right one"),
        (np.pi, "3.14159 times the right one"),
    ],
)
def test_a_constant_is_said_as_what_it_is(times, words):
    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal((4, 5)), rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    right = 2 * x.T @ (x @ w - y) / 12
    (found,) = tg.diagnose(lambda w: ((x @ w - y) ** 2).mean(), {"w": w}, {"w": times * right}).findings
    assert found.mistake == "factor"
    assert found.text.startswith(words)


def test_the_batch_and_the_classes_are_known_by_their_lengths():
    x, w, labels = np.ones((7, 3)), np.ones((3, 5)), np.zeros(7, int)
    t = tg.Tensor(w, requires_grad=True)
    loss = tg.cross_entropy(tg.Tensor(x) @ t, labels)
    known = dict(factors(RecordedGraph(loss, [t]), [(3, 5)]))
    assert known[7] == "7 times too large: the 1/N of the mean was forgotten (N = 7)"
    assert known[5] == "5 times too large: the 1/N of the mean was forgotten (5, the length of axis 1)"
    assert 1 not in known
    assert known[7 / 5].endswith("divided by 5, the length of axis 1, instead of by N = 7")


def test_of_a_batch_of_two_nobody_can_tell():
    x = np.array([1.0, 3.0])
    (found,) = tg.diagnose(lambda w: ((w * x) ** 2).mean(), {"w": [1.0, 2.0]}, {"w": 2 * x * x * [1.0, 2.0]}).findings
    assert found.text == (
        "twice too large: a 2 too many, or one path counted twice; "
        "or 2 times too large: the 1/N of the mean was forgotten (N = 2)"
    )


def test_a_sum_divided_by_a_number_is_a_mean():
    x = np.array([1.0, 3.0, -2.0])
    (found,) = tg.diagnose(lambda w: ((w * x) ** 2).sum() / 7, {"w": x}, {"w": 2 * x**3}).findings
    assert found.text == "7 times too large: the 1/N of the mean was forgotten (N = 7)"


def test_a_constant_of_a_single_number_needs_a_name():
    (found,) = tg.diagnose(lambda x: x * x * x, {"x": 2.0}, {"x": 12 * 0.77}).findings
    assert found.mistake == "unknown"


# --- the same thing written in several ways --------------------------------------------------------------------------


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


# --- particulars -----------------------------------------------------------------------------------------------------


def test_it_is_said_which_layer_and_at_which_rate():
    rng = np.random.default_rng(5)
    net = students.Network(rng, loss="squares", activation="sigmoid", depth=3)
    texts = {f.name: f.text for f in tg.diagnose(net, net.inputs, net.gradients("derivative missing")).findings}
    assert texts["W2"] == "the derivative of sigmoid is missing (the second of 2)"
    assert texts["W1"] == "the derivative of sigmoid is missing, everywhere"
    texts = {f.name: f.text for f in tg.diagnose(net, net.inputs, net.gradients("updated too early", lr=0.03)).findings}
    assert texts["W2"].endswith("updated already, with a learning rate of 0.03")
    assert texts["W1"].endswith("updated already, with a learning rate of 0.03")


def test_weights_that_are_used_transposed_may_be_updated_too_early_as_well():
    rng = np.random.default_rng(0)
    x, V, W = rng.standard_normal((5, 3)), rng.standard_normal((4, 3)), rng.standard_normal((2, 4))
    h = np.tanh(x @ V.T)
    dz = 2 * (h @ W.T) / 10
    dW = dz.T @ h
    dV = (dz @ (W - 0.2 * dW) * (1 - h * h)).T @ x
    report = tg.diagnose(lambda V, W: ((np.tanh(x @ V.T) @ W.T) ** 2).mean(), {"V": V, "W": W}, {"V": dV, "W": dW})
    assert report.mistakes == {"V": "updated", "W": None}


def test_of_many_places_not_every_choice_is_tried():
    assert [list(_choices(n)) for n in (1, 3)] == [
        [(0,)],
        [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)],
    ]
    assert len(list(_choices(12))) == 13
    assert list(_choices(40)) == [tuple(range(40))]


def test_a_mask_of_the_gradient_and_a_formula_of_another_activation():
    rng = np.random.default_rng(0)
    x, c = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    t = np.tanh(x)
    (found,) = tg.diagnose(lambda x: (tg.relu(x) * c).sum(), {"x": x}, {"x": c * (c > 0)}).findings
    assert found.text == "the derivative of relu looks at the sign of the gradient, not of z"
    (found,) = tg.diagnose(lambda x: (np.tanh(x) * c).sum(), {"x": x}, {"x": c * t * (1 - t)}).findings
    assert found.text == "the derivative of sigmoid, a formula in its value, is used where tanh was"


def test_a_missing_derivative_and_a_constant_may_come_together():
    rng = np.random.default_rng(0)
    x, W, Y = rng.standard_normal((7, 3)), rng.standard_normal((3, 2)), 1.0 * rng.integers(0, 2, (7, 2))
    wrong = x.T @ (Y - stable(x @ W))  # for 2 / 14 · (p - Y) · p (1 - p)
    (found,) = tg.diagnose(lambda W: np.mean((stable(x @ W) - Y) ** 2), {"W": W}, {"W": wrong}).findings
    assert found.mistake == "missing"
    assert found.text == (
        "the derivative of sigmoid is missing; and the sign is turned round; and 14 / 2 times too large: "
        "the mean's 1/N was forgotten (N = 14, of (7, 2)), and the square's 2"
    )


def test_a_path_that_is_lost_is_named():
    x = np.array([0.3, -0.7, 1.1])
    f = lambda x: (x * np.exp(x)).sum()
    (found,) = tg.diagnose(f, {"x": x}, {"x": np.exp(x)}).findings
    assert (found.mistake, found.text) == ("path", "only one of the 2 paths through x is there, the one by mul")
    (found,) = tg.diagnose(f, {"x": x}, {"x": x * np.exp(x)}).findings
    assert (found.mistake, found.text) == ("path", "only one of the 2 paths through x is there, the one by exp")
    f = lambda x: (x * x * x + np.exp(x)).sum()
    (found,) = tg.diagnose(f, {"x": x}, {"x": 3 * x * x}).findings
    assert (found.mistake, found.text) == ("path", "one of the 3 paths through x is lost, the one by exp")


def test_a_scale_that_is_shared_by_rows_has_to_be_summed():
    rng = np.random.default_rng(0)
    x, s = rng.standard_normal((4, 3)), rng.standard_normal((4, 1))
    f = lambda s: (x * s * x).sum()
    for given, mistake in [
        ((x * x).sum(axis=1, keepdims=True), None),
        ((x * x).sum(axis=1), "shape"),
        (x * x, "unsummed"),
        ((x * x).sum(axis=0), "axis"),
        ((x * x).sum(), "axis"),
        ((x * x).sum(axis=1, keepdims=True).T, "transposed"),
        (np.ones((2, 2)), "shape"),
    ]:
        assert tg.diagnose(f, {"s": s}, {"s": given}).mistakes == {"s": mistake}, given


def test_the_gradient_of_a_value_on_the_way_is_not_that_of_the_input():
    x = np.array([[0.3, -0.7, 0.1], [1.1, 0.2, 0.5]])
    W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    y = np.exp(x @ W)
    (found,) = tg.diagnose(lambda x: (np.exp(x @ W) ** 2).sum(), {"x": x}, {"x": 2 * y * y}).findings
    assert (found.mistake, found.text) == (
        "swapped",
        "this is the gradient of the result of matmul, one of the values on the way",
    )


def test_some_of_the_numbers():
    x = np.arange(1.0, 7.0)
    given = 2 * x
    given[4] = 0.5
    (found,) = tg.diagnose(lambda x: (x * x).sum(), {"x": x}, {"x": given}).findings
    assert found.mistake == "unknown"
    assert found.text.endswith("1 of 6 is wrong, the first at [4]")


def test_the_engine_is_as_it_was_after_a_wrong_run():
    t = tg.Tensor([0.3, -0.2], requires_grad=True)
    graph = RecordedGraph((tg.tanh(t) * t).sum(), [t])
    for node, i, _ in graph.edges():
        for key, _, vjp in wrong_vjps(node, i):
            before = [list(n.vjps) for n in graph.nodes]
            graph.gradients({(node, i): vjp})
            assert [list(n.vjps) for n in graph.nodes] == before, key
    np.testing.assert_array_equal(graph.gradients()[0], graph.right[0])


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


def test_a_long_graph_is_not_searched_for_ever():
    rng = np.random.default_rng(0)
    x, c = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))

    def f(W):
        h, hs = x, []
        for _ in range(40):
            hs.append(h)
            h = np.tanh(h @ W)
        return (h * c).sum(), hs, h

    W = rng.standard_normal((3, 3))
    _, hs, h = f(W)
    right, wrong, g, bad = np.zeros((3, 3)), np.zeros((3, 3)), c, c
    for k in range(39, -1, -1):
        after = hs[k + 1] if k < 39 else h
        right, g = right + hs[k].T @ (g * (1 - after**2)), g * (1 - after**2) @ W.T
        wrong, bad = wrong + hs[k].T @ bad, bad @ W.T
    assert tg.diagnose(lambda W: f(W)[0], {"W": W}, {"W": right}).right
    (found,) = tg.diagnose(lambda W: f(W)[0], {"W": W}, {"W": wrong}).findings
    assert found.text == "the derivative of tanh is missing, everywhere"


def test_a_graph_that_cannot_be_put_in_plain_terms_is_kept():
    t = tg.Tensor(np.linspace(-1, 1, 6), requires_grad=True)
    y = t
    for _ in range(400):
        y = y + 1
    graph = RecordedGraph(y.sum(), [t])
    assert graph.in_plain_terms() is graph


def test_an_op_of_ones_own_is_part_of_the_graph():
    def cube(a):
        return a**3, lambda g: 3 * g * a**2

    x = np.array([0.5, 1.5])
    f = lambda x: (tg.apply(cube, x) * 2.0).sum()
    assert tg.diagnose(f, {"x": x}, {"x": 6 * x**2}).right
    (found,) = tg.diagnose(f, {"x": x}, {"x": 2 * np.ones(2)}).findings
    assert found.text == "the derivative of cube is missing"
