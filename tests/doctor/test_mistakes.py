"""Each mistake is planted in random networks (planted_mistakes.py), and has to be called by its name."""

import numpy as np
import planted_mistakes
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.mistakes import MISTAKES, _choices


@pytest.mark.parametrize("plant", planted_mistakes.PLANTS)
def test_a_planted_mistake_is_named_and_no_right_gradient_is_accused(plant):
    said, accused = planted_mistakes.confusion(plant, 8)
    key = planted_mistakes.PLANTS[plant][0]
    assert accused == 0
    assert set(said) <= {key, "zero"}, said  # a unit of relu that is off, a row of p - one_hot: the sum is 0 either way
    assert said[key] > 0.8 * said.total()


def test_every_key_is_explained():
    assert {key for key, _ in planted_mistakes.PLANTS.values()} <= set(MISTAKES)
    assert all(what and (hint or key == "unknown") for key, (what, hint) in MISTAKES.items())


def test_it_is_said_which_layer_and_at_which_rate():
    rng = np.random.default_rng(5)
    net = planted_mistakes.Network(rng, loss="squares", activation="sigmoid", depth=3)
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


def test_an_op_of_ones_own_is_part_of_the_graph():
    def cube(a):
        return a**3, lambda g: 3 * g * a**2

    x = np.array([0.5, 1.5])
    f = lambda x: (tg.apply(cube, x) * 2.0).sum()
    assert tg.diagnose(f, {"x": x}, {"x": 6 * x**2}).right
    (found,) = tg.diagnose(f, {"x": x}, {"x": 2 * np.ones(2)}).findings
    assert found.text == "the derivative of cube is missing"
