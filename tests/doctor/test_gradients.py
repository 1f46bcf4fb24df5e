"""`diagnose`: its inputs in every form, and what it refuses. What it judges and names is tested with the judge and the
mistakes."""

import numpy as np
import pytest

import tinygrad_edu as tg


def square(x):
    return (x * x).sum()


@pytest.mark.parametrize(
    ("inputs", "gradients", "names"),
    [
        ({"w": 2.0}, {"w": 4.0}, ["w"]),
        ([2.0], [4.0], ["input 0"]),
        ((2.0,), [np.float32(4)], ["input 0"]),
        (2, 4, ["input 0"]),
        (np.array([[1, 2]]), [[2, 4]], ["input 0"]),
        (np.zeros((0, 3)), np.zeros((0, 3)), ["input 0"]),
        (tg.Tensor([1.0, 3.0]), tg.Tensor([2.0, 6.0]), ["input 0"]),
    ],
)
def test_inputs_are_a_dict_a_sequence_or_one_array(inputs, gradients, names):
    report = tg.diagnose(square, inputs, gradients)
    assert report.right
    assert list(report.mistakes) == names


def test_a_gradient_that_is_missing_or_not_a_number():
    x = np.ones(3)
    assert tg.diagnose(square, {"x": x}, {"x": None}).mistakes == {"x": "missing gradient"}
    assert tg.diagnose(square, {"x": x}, {}).mistakes == {"x": "missing gradient"}
    assert tg.diagnose(square, {"x": x}, {"x": [2, np.nan, 2]}).mistakes == {"x": "nan"}
    assert tg.diagnose(square, {"x": x}, {"x": [2, np.inf, 2]}).mistakes == {"x": "nan"}


@pytest.mark.parametrize(
    ("f", "inputs", "gradients", "error", "message"),
    [
        (square, {"x": 1.0}, {"y": 1.0}, ValueError, r"gradients of \['y'\], but the inputs are \['x'\]"),
        (square, {"x": 1.0}, [1.0], ValueError, "inputs is a dict, so gradients has to be one, got list"),
        (square, [1.0], [1.0, 2.0], ValueError, "1 inputs need a list of 1 gradients, got 2"),
        (square, [1.0], np.ones(1), ValueError, "got ndarray"),
        (square, {"x": 1.0}, {"x": "one"}, TypeError, "the gradient of x has to be real numbers, got str"),
        (square, 1j, 1.0, TypeError, "input 0 has to be real numbers, got complex"),
        (lambda x: (x, x), 1.0, 1.0, TypeError, "f has to return a number or an array, got tuple"),
        (lambda x: x * np.random.default_rng().random(), 1.0, 1.0, ValueError, "different values for the same input"),
        (np.log, -1.0, 1.0, ValueError, "NaN or infinity for this input: it has no gradient there"),
        (lambda x: x.tahn(), 1.0, 1.0, AttributeError, "'Tensor' object has no attribute 'tahn'"),
        (lambda x: np.sinh(x) @ np.ones(3), np.ones(2), np.ones(2), ValueError, "left @ right"),
    ],
)
def test_what_cannot_be_judged_is_refused(f, inputs, gradients, error, message):
    with pytest.raises(error, match=message):
        tg.diagnose(f, inputs, gradients)


def test_the_tolerance_is_above_0():
    with pytest.raises(ValueError, match="tolerance = 0 has to be above 0"):
        tg.diagnose(square, 1.0, 2.0, tolerance=0)


def test_one_line_grades_an_exercise():
    assert tg.diagnose(square, 3.0, 6.0, raise_on_error=True).right
    with pytest.raises(AssertionError, match=r"WRONG: half of what it should be[^$]*Hint"):
        tg.diagnose(square, 3.0, 3.0, raise_on_error=True)
