"""The exercises: every solution passes, every stub fails with a sentence, and planted mistakes are named."""

import ast
import re

import numpy as np
import pytest
from exercise_solutions import NAMES, SOLUTIONS, solution, verdict_on

from tinygrad_edu.course import checks, grading
from tinygrad_edu.course.submission import Failed, Submission
from tinygrad_edu.course.table import COURSE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_every_solution_passes(name, seed):
    verdict = grading.judge(SOLUTIONS / f"{name}.py", seed)
    assert verdict.right, verdict
    assert verdict.mistakes == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_stub_says_that_it_is_not_written(name):
    verdict = grading.judge(COURSE.folder / f"{name}.py", 0)
    assert not verdict.right
    assert verdict.mistakes == "not written"
    assert verdict.note.endswith("is not written yet")
    assert "\n" not in verdict.note


@pytest.mark.parametrize("name", NAMES)
def test_every_solution_gives_the_numbers_that_the_task_works_out_by_hand(name):
    """The examples in the stubs' texts, typed in once more."""
    if not BY_HAND[name]:
        return
    with Submission(SOLUTIONS / f"{name}.py") as running:
        for function, args, expected in BY_HAND[name]:
            got = running.ask(function, *args, returns=len(expected))
            for one, right in zip(got, expected, strict=True):
                np.testing.assert_allclose(one, right, rtol=1e-4, atol=1e-12)
                assert one.shape == np.shape(right)


A = np.array
BY_HAND = {
    "1_chain_rule": [("gradient", (3.0, 2.0, -1.0), (20, 30, 10))],
    "2_shared_variable": [("gradient", (2.0, 3.0), (21, 16))],
    "3_linear_layer": [
        ("backward", (A([[1.0, 2.0]]), A([[3.0], [4.0]]), A([[10.0]])), ([[30, 40]], [[10], [20]], [10]))
    ],
    "4_activations": [
        ("sigmoid_backward", (A([0.0]), A([8.0])), ([2],)),
        ("tanh_backward", (A([0.0]), A([8.0])), ([8],)),
        ("relu_backward", (A([-1.0]), A([8.0])), ([0],)),
    ],
    "5_broadcasting": [
        ("unbroadcast", (A([[1.0, 2, 3], [4, 5, 6]]), shape), (right,))
        for shape, right in [((3,), [5, 7, 9]), ((2, 1), [[6], [15]]), ((1, 1), [[21]]), ((), 21)]
    ],
    "6_cross_entropy": [("cross_entropy", (A([[0.0, 0.0]]), A([1])), (0.6931, [[0.5, -0.5]]))],
    "7_network": [
        (
            "gradients",
            (A([[1.0]]), A([0]), A([[2.0]]), A([0.0]), A([[1.0, 1.0]]), A([0.0, 0.0])),
            ([[0]], [0], [[-1, 1]], [-0.5, 0.5]),
        )
    ],
    "9_slope": [("slope", (1.0, 0.0, 2.0, 1.0), (13,)), ("descend", (3.0, 5.0, 0.25, 2), (3.5,))],
    "10_cost": [("cost", (1.0, 0.0, A([1.0, 2.0]), A([1.0, 4.0])), (2, -4, -2))],
    "11_averages": [("averages", (A([10.0, 20.0]), 0.5), ([10, 50 / 3],))],
    "12_momentum": [("momentum", (A([1.0]), A([10.0]), A([2.0]), 0.1, 0.5), ([0.4], [6]))],
    "13_rmsprop": [("rmsprop", (A([1.0]), A([10.0]), A([0.0]), 0.1, 0.99, 0.0), ([1e-12], [1]))],
    "14_schedule": [
        ("rate", (t, 0.1, 2, 4), (right,))
        for t, right in [(1, 0), (2, 0.1 * 0.5 * 0.853553), (3, 0.05), (5, 0), (6, 0)]
    ],
    "15_initialisation": [],  # its numbers are random
    "16_value": [],  # it has no function
    "8_adam": [("adam", (A([1.0]), A([100.0]), A([0.0]), A([0.0]), 1, 0.1, 0.9, 0.999, 1e-8), ([0.9], [10], [10]))],
}

PLANTED = [  # exercise, what is written, what is written wrongly instead, what is said
    (1, "2 * u", "u", "w: factor, x: factor, b: factor"),
    (1, "du * x, du * w, du", "du * w, du * x, du", "w: swapped, x: swapped"),
    (1, "return du * x", "return -du * x", "w: sign"),
    (1, "du * w, du", "du * w, 1", "b: missing"),
    (2, "dx += dc", "dx = dx", "x: path"),
    (2, "dw += dc", "dw = dc", "w: path"),
    (3, "x.T @ g", "g.T @ x", "W: transposed"),
    (3, "g.sum(axis=0)", "g", "b: unsummed"),
    (3, "g.sum(axis=0)", "g.mean(axis=0)", "b: factor"),
    (3, "g @ W.T", "-g @ W.T", "x: sign"),
    (4, "g * (a > 0)", "(a > 0)", "relu: missing"),
    (4, "y * (1 - y)", "y", "sigmoid: value"),
    (4, "1 - np.tanh(a) ** 2", "1 - a ** 2", "tanh: unactivated"),
    (5, "g.sum(axis=0)", "g.mean(axis=0)", "(m, k): factor"),
    (6, "dz / len(z)", "dz", "z: factor"),
    (6, ".mean()", ".sum()", "L: factor"),
    (6, "-logs[rows, labels].mean()", "logs[rows, labels].mean()", "L: sign"),
    (6, "-logs[rows, labels].mean()", "-logs[rows, labels].min()", "L: unknown"),
    (6, "-logs[rows, labels].mean()", "-logs[rows, labels]", "L: shape"),
    (6, "-= 1", "-= 0", "z: softmax"),
    (6, "z - z.max(axis=1, keepdims=True)", "z", "L: nan"),
    (7, " * (a > 0)", "", "W1: missing, b1: missing"),
    (7, " / len(x)", "", "W1: factor, b1: factor, W2: factor, b2: factor"),
    (7, "da = dz @ W2.T", "da = -dz @ W2.T", "W1: sign, b1: sign"),
    (8, "m / (1 - beta1**t), v / (1 - beta2**t)", "m, v", "step: uncorrected"),
    (8, "beta1**t", "beta1**2", "step: beta squared"),
    (8, "np.sqrt(v_hat) + eps", "np.sqrt(v_hat + eps)", "step: eps inside"),
    (8, "eps), m, v", "eps), m_hat, v_hat", "step: written back"),
    (8, "p - lr", "p + lr", "step: sign"),
    (8, "* g**2", "* g", "step: g for g²"),
    (9, "(J(w + h) - J(w - h)) / (2 * h)", "(J(w + h) - J(w)) / h", "slope: one side"),
    (9, "/ (2 * h)", "/ h", "slope: factor"),
    (9, "w - lr * 2", "w + lr * 2", "descend: sign"),
    (9, "for _ in range(steps)", "for _ in range(1)", "descend: one step"),
    (10, "(error**2).mean()", "(error**2).sum()", "J: factor"),
    (10, "(error**2).mean()", "error.mean() ** 2", "J: order"),
    (10, "(2 * error * x).mean()", "(2 * error * x).sum()", "w: factor"),
    (11, "V / (1 - beta**t)", "V", "averages: uncorrected"),
    (11, "V / (1 - beta**t)", "V * (1 - beta**t)", "averages: multiplied"),
    (11, "beta * V + (1 - beta) * x", "beta * V + x", "averages: sum for average"),
    (11, "found.append(V / (1 - beta**t))", "V = V / (1 - beta**t); found.append(V)", "averages: written back"),
    (12, "(1 - beta) * g", "g", "step: sum for average"),
    (12, "p - lr", "p + lr", "step: sign"),
    (13, "np.sqrt(v)", "v", "step: root forgotten"),
    (13, "g**2", "g", "step: g for g²"),
    (14, "e = t - 1", "e = t", "rate: t late"),
    (14, "np.pi * min(e / steps, 1)", "np.pi * e / steps", "rate: rises again"),
    (14, "return lr * ", "return ", "rate: lr unused"),
    (15, "np.sqrt(2 / n_in)", "np.sqrt(1 / n_in)", "W: gain"),
    (15, "np.sqrt(2 / n_in)", "2 / n_in", "W: root"),
    (15, "rng.standard_normal", "np.ones", "W: symmetric"),
    (15, "default_rng(seed)", "default_rng(0)", "W: fixed"),
    (15, "default_rng(seed)", "default_rng()", "W: random"),
    (16, "grads[parent] += ", "grads[parent] = ", "x * x: overwritten"),
    (16, "other * -1.0", "other", "x - y * x: value"),
]


@pytest.mark.parametrize(("number", "right", "wrong", "said"), PLANTED)
def test_a_planted_mistake_is_named(tmp_path, number, right, wrong, said):
    assert right in solution(number)
    for seed in range(2):
        verdict = verdict_on(tmp_path, number, solution(number).replace(right, wrong, 1), seed)
        assert not verdict.right
        assert verdict.mistakes.startswith(said)
        assert "WRONG" in verdict.note
        assert "Hint" in verdict.note


@pytest.mark.parametrize("exercise", COURSE.exercises[:7], ids=NAMES[:7])
@pytest.mark.parametrize("turn", range(3))
def test_the_note_holds_all_numbers_that_the_functions_are_given(exercise, turn):
    """To the last digit, and in a form that can be typed in: whoever reads it can work it out by hand."""
    given = []

    def ask(name, *args, returns=1):
        if (name == "unbroadcast" and given) or name in ("sigmoid_backward", "tanh_backward"):
            raise Failed("error", "the part before it is shown")
        given.extend(args)
        return [np.full(7, 1.5)] * returns

    text = str(exercise.check(ask, np.random.default_rng(turn), turn)).split("\nThe right numbers")[0]
    assert "\n\n" not in text
    assert re.search(r"^L = .+\n(.+\n)?Here L = \S+, with\n", text, re.M)
    shown = [np.array(ast.literal_eval(part.split(" = ")[1])) for part in re.split(r"\n  (?=\w)", text)[1:]]
    for one in given:
        if isinstance(one, list):
            assert f"unbroadcast(g, {tuple(one)})" in text
        else:
            assert any(np.array_equal(one, other) for other in shown), (one, text)


def test_no_random_number_is_at_the_kink_of_relu():
    """Of 10,000 normal numbers with two decimals some 40 are 0."""
    numbers = checks.normal(np.random.default_rng(0), 100, 100)
    assert numbers.all()
    np.testing.assert_array_equal(numbers, numbers.round(2))


def test_a_square_matrix_hides_no_transpose(tmp_path):
    """g @ W runs where W is square, and is wrong; elsewhere it is an error that says the shapes."""
    said = {verdict_on(tmp_path, 3, solution(3).replace("W.T", "W"), seed).mistakes for seed in range(10)}
    assert said == {"x: transposed", "error"}
    only_there = solution(3).replace("W.T", "(W if len(W) == len(W.T) else W.T)")
    for seed in range(6):
        assert verdict_on(tmp_path, 3, only_there, seed).mistakes == "x: transposed"


def test_an_error_says_what_the_function_was_given(tmp_path):
    note = verdict_on(tmp_path, 3, "def backward(x, W, g): raise ValueError('no')").note
    assert re.fullmatch(
        r"line 1: ValueError: no, when backward was given an array \(\d, \d\), an array \(\d, \d\), .*", note
    )
    note = verdict_on(tmp_path, 1, "def gradient(w, x, b): return w / 0").note
    assert re.fullmatch(r"line 1: ZeroDivisionError: .*, when gradient was given -?\d\.\d+, .*", note)


def test_an_answer_by_heart_does_not_pass(tmp_path):
    """The numbers are new each time: what was right for one set is wrong for the next."""
    for seed in range(3):
        assert not verdict_on(tmp_path, 1, "def gradient(w, x, b): return 20, 30, 10", seed).right


def test_numbers_that_the_doctor_cannot_read_get_a_sentence(tmp_path):
    verdict = verdict_on(tmp_path, 8, "def adam(p, g, m, v, *_): return p[:2], m, v")
    assert (verdict.right, verdict.mistakes) == (False, "shape")
    assert "returned shape (2,)" in verdict.note


def test_the_same_seed_brings_the_same_numbers(tmp_path):
    wrong = solution(1).replace("2 * u", "u")
    first, again, other = (verdict_on(tmp_path, 1, wrong, seed).note for seed in (1, 1, 2))
    assert first == again
    assert first != other
