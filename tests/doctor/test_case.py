"""The right gradients are the engine's or central differences, and at a kink there are several."""

import numpy as np
import pytest

import tinygrad_edu as tg


def square(x):
    return (x * x).sum()


def sinh(x):
    return np.sinh(np.ldexp(x, 0)).sum()  # Tensors have no ldexp


# --- kinks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "right"), [(0, True), (1, True), (0.5, True), (-0.1, False), (7, False)])
def test_at_a_kink_any_slope_between_the_two_sides_is_right(said, right):
    report = tg.diagnose(lambda x: tg.relu(x).sum(), np.array([-1.0, 0.0, 1.0]), np.array([0, said, 1]))
    assert report.right == right
    assert ("a kink" in str(report)) == (right and said != 0)


def test_a_kink_where_all_is_zero():
    assert tg.diagnose(lambda x: tg.relu(x).sum(), np.zeros(2), np.ones(2)).right


@pytest.mark.parametrize("said", [[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
def test_a_tie_may_go_to_any(said):
    assert tg.diagnose(np.max, np.array([2.0, 2.0, 1.0]), np.array(said)).right


def test_without_the_engine_what_is_at_a_kink_is_not_judged():
    x = np.array([-1.0, 0.0, 1.0])
    f = lambda x: np.sinh(np.fmax(np.ldexp(x, 0), 0)).sum()
    report = tg.diagnose(f, x, np.array([0, 77, np.cosh(1)]))
    assert report.right
    assert "right; 1 at a kink was not judged" in str(report)
    assert not tg.diagnose(f, x, np.array([0.1, 77, np.cosh(1)])).right


def loop(x):
    total = 0.0
    for v in x:
        if v > 0:
            total = total + v
    return total


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: np.where(x > 0, x, 0).sum(), 0),
        (lambda x: (x * (x > 0)).sum(), 0),
        (lambda x: (x * (x >= 0)).sum(), 0),
        (lambda x: np.where(x > 0, x, 0.1 * x).sum(), 0.1),
        (loop, 0),
    ],
)
def test_a_kink_made_by_a_mask_is_a_kink(f, left):
    x = np.array([-1.0, 0.0, 2.0])
    for said in (left, 0.5, 1):
        assert tg.diagnose(f, x, np.array([left, said, 1])).right
    assert not tg.diagnose(f, x, np.array([left, 1, 3])).right
    assert not tg.diagnose(f, x, np.array([2, 1, 1])).right
    assert "1 was not judged: f has a kink here" in str(tg.diagnose(f, x, np.array([left, 7, 1])))


@pytest.mark.parametrize("relu", [lambda z: np.where(z > 0, z, 0), lambda z: z * (z >= 0), lambda z: np.maximum(z, 0)])
@pytest.mark.parametrize("choice", [0, 0.5, 1])
def test_a_sample_of_nothing_but_zeros_and_no_bias_is_no_accusation(relu, choice):
    rng = np.random.default_rng(1)
    for _ in range(5):
        x, y = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
        x[1] = 0
        w = [rng.standard_normal(shape) for shape in [(3, 4), (4, 4), (4, 2)]]
        b = [np.zeros(4), np.zeros(4), np.zeros(2)]

        def loss(w0, w1, w2, b0, b1, b2, x=x, y=y):
            return np.mean((relu(relu(x @ w0 + b0) @ w1 + b1) @ w2 + b2 - y) ** 2)

        z0 = x @ w[0]
        z1 = np.maximum(z0, 0) @ w[1]
        d2 = 2 * (np.maximum(z1, 0) @ w[2] - y) / y.size
        d1 = d2 @ w[2].T * np.where(z1 == 0, choice, z1 > 0)
        d0 = d1 @ w[1].T * np.where(z0 == 0, choice, z0 > 0)
        bias = [d.sum(axis=0) for d in (d0, d1, d2)]
        given = [x.T @ d0, np.maximum(z0, 0).T @ d1, np.maximum(z1, 0).T @ d2, *bias]
        report = tg.diagnose(loss, [*w, *b], given)
        assert report.right, report
        given[2] = -given[2]
        assert tg.diagnose(loss, [*w, *b], given).mistakes["input 2"] == ("sign" if given[2].any() else None)


# --- where the right numbers come from -------------------------------------------------------------------------------


def test_a_function_that_tensors_do_not_have_is_judged_by_differences():
    x = np.array([0.5, -1.0])
    report = tg.diagnose(sinh, x, np.cosh(x))
    assert report.right
    assert "central differences: f does not run on Tensors (TypeError: np.ldexp" in str(report)
    assert tg.diagnose(sinh, x, -np.cosh(x)).mistakes == {"input 0": "sign"}
    assert tg.diagnose(sinh, x, 3 * np.cosh(x)).findings[0].text == "3 times the right one"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (tg.Tensor(x.numpy() if isinstance(x, tg.Tensor) else x) * x).sum(),  # half of it is detached
        lambda x: float(tg.Tensor(x).item() ** 2),
    ],
)
def test_a_function_that_leaves_the_engine_is_judged_by_differences(f):
    report = tg.diagnose(f, [3.0], [6.0])
    assert report.right
    assert "The right numbers are central differences" in str(report)
    assert tg.diagnose(f, [3.0], [3.0]).mistakes == {"input 0": "factor"}


def test_of_several_values_the_sum_counts():
    report = tg.diagnose(lambda x: x * x, np.arange(3.0), 2 * np.arange(3.0))
    assert report.right
    assert "(the sum of 3 values)" in str(report)


def test_a_function_of_nothing():
    assert tg.diagnose(lambda x: 3.0, np.ones(2), np.zeros(2)).right
    assert tg.diagnose(lambda x: tg.Tensor(3.0), np.ones(2), np.zeros(2)).right
    assert tg.diagnose(lambda x: tg.Tensor(3.0, requires_grad=True), np.ones(2), np.zeros(2)).right
    assert tg.diagnose(lambda x, y: x * x, [2.0, np.ones(3)], [4.0, np.zeros(3)]).right
    assert not tg.diagnose(lambda x, y: x * x, [2.0, np.ones(3)], [4.0, np.ones(3)]).right
    assert tg.diagnose(lambda x: x, 2.0, 1.0).right


def test_the_inputs_stay_as_they_are():
    x = np.arange(3.0)
    t = tg.Tensor(x, requires_grad=True)

    def f(x):
        y = square(x)
        if isinstance(x, np.ndarray):
            x += 1
        return y

    assert tg.diagnose(f, [x], [2 * x]).right
    assert tg.diagnose(square, [t], [2 * x]).right
    assert x.tolist() == t.numpy().tolist() == [0, 1, 2]
    assert t.grad is None
