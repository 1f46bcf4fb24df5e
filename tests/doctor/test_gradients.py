"""Who is right is never accused, who is wrong always is, and what cannot be judged is said. What a mistake is called is
tested with the mistakes."""

import numpy as np
import planted_mistakes as students
import pytest

import tinygrad_edu as tg


def square(x):
    return (x * x).sum()


def sinh(x):
    return np.sinh(x).sum()  # which Tensors do not have


# --- who is right ----------------------------------------------------------------------------------------------------


def test_a_thousand_random_right_cases_and_none_is_accused():
    rng, judged = np.random.default_rng(0), 0
    while judged < 1000:
        case = students.right_case(rng)
        if case is not None:
            report = tg.diagnose(case[0], case[0].inputs, case[1])
            assert report.right, report
            judged += 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_number_that_is_wrong_by_a_tenth_of_a_percent_is_found(dtype):
    rng = np.random.default_rng(1)
    for _ in range(15):
        net = students.network(rng)
        given = net.gradients(dtype=dtype)
        name = str(rng.choice(list(given)))
        largest = np.unravel_index(np.abs(given[name]).argmax(), given[name].shape)
        if abs(given[name][largest]) > 1e-3:
            given[name][largest] *= 1.001
            report = tg.diagnose(net, net.inputs, given)
            assert [key for key, mistake in report.mistakes.items() if mistake] == [name], report


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_the_size_of_the_numbers_does_not_matter(scale):
    x = np.array([1.0, -2.0, 0.5])
    assert tg.diagnose(lambda x: scale * square(x), x, 2 * scale * x).right
    assert tg.diagnose(lambda x: scale * square(x), x, -2 * scale * x).mistakes == {"input 0": "sign"}


def test_a_gradient_that_is_nothing_but_rounding_is_right():
    x = np.random.default_rng(0).standard_normal((4, 3))
    shift = lambda b: tg.softmax(x + b.reshape(1, 1)).sum() if isinstance(b, tg.Tensor) else 4.0
    assert tg.diagnose(shift, 0.3, 1e-17).right
    assert not tg.diagnose(shift, 0.3, 1e-3).right


def staircase(z):
    return -np.mean(np.log(1 - 1 / (1 + np.exp(-z))))  # where z is large, 1 - p has hardly a digit left


@pytest.mark.parametrize("z", [33.0, 34.5, 36.0])
def test_where_the_loss_is_a_staircase_the_engine_is_believed(z):
    report = tg.diagnose(staircase, z, 1.0, tolerance=0.3)
    assert report.right
    assert "rounding hides the slopes of f" in str(report)


def test_where_the_loss_is_a_staircase_differences_accuse_nobody_and_say_so():
    rough = lambda z: staircase(z) + 0 * np.sinh(z).sum()
    for low, proved in [(14, True), (30, False)]:
        report = tg.diagnose(rough, np.linspace(low, low + 1, 20), np.full(20, 1 / 20))
        assert report.right
        assert ("not proved wrong: rounding hides the slopes" in str(report)) != proved
    assert not tg.diagnose(rough, np.linspace(14, 15, 20), np.full(20, 1 / 10)).right


def test_the_digits_that_p_minus_one_hot_loses_are_not_asked_for():
    z = np.array([[20.0, 0.0, -5.0]])
    p = students.softmax(z.astype(np.float32))
    said = p - np.float32([[1, 0, 0]])  # 0, and it should be -2e-9
    assert said[0, 0] == 0
    assert tg.diagnose(lambda z: tg.cross_entropy(z, [0]), {"z": z}, {"z": said}).right
    assert not tg.diagnose(lambda z: tg.cross_entropy(z, [0]), {"z": z}, {"z": said + np.float32(1e-4)}).right


def test_float32_is_given_more_room_than_float64():
    x = np.random.default_rng(0).standard_normal(100)
    near = 2 * x * (1 + 5e-6)
    assert tg.diagnose(square, x, near.astype(np.float32)).right
    assert not tg.diagnose(square, x, near).right
    assert tg.diagnose(square, x, near, tolerance=1e-5).right


@pytest.mark.parametrize("n", [20, 200, 5000])
def test_float32_numbers_far_from_0_have_lost_digits(n):
    x = (np.random.default_rng(0).standard_normal((n, 3)) + 1000).astype(np.float32)
    f = lambda x: np.mean((x - x.mean(axis=0)) ** 2)
    right = 2 * (x - x.mean(axis=0)) / np.float32(x.size)
    assert right.dtype == np.float32
    assert tg.diagnose(f, x, right).right
    assert not tg.diagnose(f, x, right * np.float32(1.01)).right
    assert not tg.diagnose(f, x.astype(float), right).findings[0].text.startswith("the sign")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize(("x", "w"), [([[25.0, 0], [0, 26]], 1.0), ([[40.0, 50], [45, 60]], 0.5)])
def test_a_formula_in_the_activation_is_right_where_units_are_saturated(x, w):
    x, y, w = np.array(x), np.array([0.0, 1.0]), np.array([w, w])
    a = sigmoid(x @ w)
    given = x.T @ (2 * (a - y) / 2 * a * (1 - a))
    assert tg.diagnose(lambda w: np.mean((sigmoid(x @ w) - y) ** 2), w, given).right


def test_where_all_units_are_saturated_there_is_nothing_to_judge():
    x, y = np.array([40.0, 50.0]), np.array([0.0, 1.0])
    f = lambda w: np.mean((sigmoid(x * w) - y) ** 2)
    assert "saturated: nothing to judge; try smaller inputs" in str(tg.diagnose(f, 1.0, 0.0))
    assert not tg.diagnose(f, 1.0, 1e-3).right
    assert "saturated" not in str(tg.diagnose(f, 0.1, 0.0))
    assert not tg.diagnose(f, 0.1, 0.0).right


@pytest.mark.parametrize("size", [10, 25, 34, 38, 60, 200])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_textbook_formulas_are_right_however_large_the_inputs_are(size, dtype):
    rng = np.random.default_rng(size)
    for _ in range(4):
        n, d = rng.integers(1, 4, 2)
        x, y = rng.standard_normal((n, d)) * size, rng.integers(0, 2, n)
        w, v = rng.standard_normal(d), rng.standard_normal((d, 3))
        a, t = sigmoid((x @ w).astype(dtype)), np.tanh((x @ w).astype(dtype))
        hot, e = np.eye(3)[y], np.exp(x @ v - (x @ v).max(axis=1, keepdims=True))
        p = (e / e.sum(axis=1, keepdims=True)).astype(dtype)

        def softmax_loss(v, x=x, hot=hot):
            e = np.exp(x @ v)
            return -np.sum(hot * np.log(e / e.sum(axis=1, keepdims=True))) / len(x)

        def log_loss(w, x=x, y=y):
            a = sigmoid(x @ w)
            return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

        for f, at, dz in [
            (lambda w, x=x, y=y: np.mean((sigmoid(x @ w) - y) ** 2), w, 2 * (a - y) / n * (a * (1 - a))),
            (lambda w, x=x, y=y: np.mean((np.tanh(x @ w) - y) ** 2), w, 2 * (t - y) / n * (1 - t * t)),
            (log_loss, w, (a - y) / n),
            (softmax_loss, v, (p - hot) / n),
        ]:
            if np.isfinite(f(at)):
                report = tg.diagnose(f, at, (x.T @ dz).astype(dtype))
                assert report.right, report


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
    f = lambda x: np.sinh(np.fmax(x, 0)).sum()
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
    assert "central differences: f does not run on Tensors (TypeError: np.sinh" in str(report)
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


# --- how it is asked -------------------------------------------------------------------------------------------------


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
        (lambda x: np.sinh(x) @ np.ones(3), np.ones(2), np.ones(2), ValueError, "matmul"),
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


# --- the note --------------------------------------------------------------------------------------------------------


def test_the_note_has_both_numbers_the_worst_first_and_each_hint_once():
    w = np.arange(1.0, 7.0).reshape(2, 3)
    report = tg.diagnose(lambda a, b: square(a) + square(b), {"a": w, "b": w}, {"a": -2 * w, "b": -2 * w})
    note = str(report)
    lines = note.splitlines()
    assert lines[0] == "The gradient of f = 182 with respect to"
    assert lines[1] == "  a (2, 3): 1, 2, 3, 4, ..."
    assert "a  WRONG: the sign is turned round" in lines
    assert "    [1, 2]    -12     12             -1" in lines
    assert "    [0, 0]     -2      2             -1" not in lines
    assert note.count("and 2 more") == 2
    assert note.count("Hint:") == 1
    found = report.findings[0]
    assert found.said.tolist() == (-2 * w).tolist()
    np.testing.assert_allclose(found.expected, 2 * w)
    assert repr(report) == note
