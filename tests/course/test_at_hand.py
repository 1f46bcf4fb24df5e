"""tg.check, in a notebook: the verdicts of the files, on functions that are at hand."""

import numpy as np
import pytest
from exercise_solutions import NAMES, solution

import tinygrad_edu as tg


def functions(number, text=None):
    """The functions, or for exercise 16 the class, of a solution."""
    place = {"__name__": "mine"}
    exec(solution(number) if text is None else text, place)
    own = [x for x in place.values() if callable(x) and getattr(x, "__module__", "") == "mine"]
    return own[:1] if number == 16 else own


@pytest.mark.parametrize("number", range(1, len(NAMES) + 1))
def test_every_solution_is_right(number):
    report = tg.check(number, *functions(number), rng=0)
    assert report.right, report
    assert report.findings


@pytest.mark.parametrize(
    ("number", "right", "wrong", "said"),
    [
        (3, "x.T @ g", "g.T @ x", {"W": "transposed"}),
        (11, "V / (1 - beta**t)", "V", {"averages": "uncorrected"}),
        (16, "other * -1.0", "other", {"x - y * x": "value"}),
    ],
)
def test_a_mistake_is_named(number, right, wrong, said):
    report = tg.check(number, *functions(number, solution(number).replace(right, wrong)), rng=2)
    assert {name: key for name, key in report.mistakes.items() if key} == said
    assert "Hint" in repr(report)


def test_a_single_function_may_have_any_name_and_several_are_found_by_theirs():
    ours = functions(4)
    assert tg.check(4, *ours[::-1], rng=0).right
    (adam,) = functions(8)
    assert tg.check(8, lambda *args: adam(*args), rng=0).right


def test_nothing_that_the_function_does_to_its_arrays_reaches_the_check():
    def backward(x, W, g):
        results = g @ W.T, x.T @ g, g.sum(axis=0)
        x[:], W[:], g[:] = 0, 0, 0
        return results

    assert tg.check(3, backward, rng=0).right


def test_without_a_seed_the_numbers_are_new_ones():
    seen = [str(tg.check(1, lambda w, x, b: (0, 0, 0))) for _ in range(2)]
    assert seen[0] != seen[1]


def test_refusals_are_sentences():
    for number, given, said in [
        (17, [], "there is no exercise 17; they are 1 to 16"),
        (4, [], "asks for a function relu_backward"),
        (8, [], "asks for a function adam"),
        (1, [lambda w, x, b: (1, 2)], "has to return 3 things"),
        (1, [lambda w, x, b: None], "returned None"),
    ]:
        with pytest.raises(ValueError, match=said):
            tg.check(number, *given)
    with pytest.raises(TypeError, match="exercise is a whole number"):
        tg.check("1")
    with pytest.raises(ZeroDivisionError):
        tg.check(1, lambda w, x, b: 1 / 0)
    np.testing.assert_equal(np.geterr()["divide"], "warn")
