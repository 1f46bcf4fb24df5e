"""A right gradient is never accused, a wrong one always is, and the report says what cannot be judged."""

import numpy as np
import planted_mistakes
import pytest

import tinygrad_edu as tg


def square(x):
    return (x * x).sum()


def test_a_thousand_random_right_cases_and_none_is_accused():
    rng, judged = np.random.default_rng(0), 0
    while judged < 1000:
        case = planted_mistakes.right_case(rng)
        if case is not None:
            report = tg.diagnose(case[0], case[0].inputs, case[1])
            assert report.right, report
            judged += 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_number_that_is_wrong_by_a_tenth_of_a_percent_is_found(dtype):
    rng = np.random.default_rng(1)
    for _ in range(15):
        net = planted_mistakes.network(rng)
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
    rough = lambda z: staircase(z) + 0 * np.ldexp(z, 0).sum()  # which Tensors do not have
    for low, proved in [(14, True), (30, False)]:
        report = tg.diagnose(rough, np.linspace(low, low + 1, 20), np.full(20, 1 / 20))
        assert report.right
        assert ("not proved wrong: rounding hides the slopes" in str(report)) != proved
    assert not tg.diagnose(rough, np.linspace(14, 15, 20), np.full(20, 1 / 10)).right


def test_the_digits_that_p_minus_one_hot_loses_are_not_asked_for():
    z = np.array([[20.0, 0.0, -5.0]])
    p = planted_mistakes.softmax(z.astype(np.float32))
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
