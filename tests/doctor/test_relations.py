"""A wrong constant is called by what it is: the N of the mean, the 2 of the square, a turned sign."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.recorded import RecordedGraph
from tinygrad_edu.doctor.relations import factors


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (12, "12 times too large: the 1/N of the mean was forgotten (N = 12, of (4, 3))"),
        (1 / 12, "12 times too small: divided by N once too often"),
        (2, "twice too large"),
        (0.5, "half of what it should be: the 2 of a square's derivative was forgotten"),
        (3, "12 / 4 of what it should be: divided by 4, the length of axis 0, instead of by N = 12"),
        (5, "5 times too large"),
        (4 / 3, "4/3 times the right one"),
        (12 / 2, "12 / 2 times too large: the mean's 1/N was forgotten (N = 12, of (4, 3)), and the square's 2"),
        (12 / 4 / 2, "3/2 times the right one"),
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
    assert known[5] == "5 times too large"  # nothing here is a mean over 5
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


def stable(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


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
