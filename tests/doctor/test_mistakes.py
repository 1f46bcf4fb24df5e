"""Each mistake is planted in random networks (planted_mistakes.py), and has to be called by its name."""

import numpy as np
import planted_mistakes
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.mistakes import MISTAKES, _choices


@pytest.mark.sample(4)
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
    assert (found.mistake, found.text) == (
        "path",
        "only one of the 2 paths through x is there, the one by `x * np.exp(x)`",
    )
    (found,) = tg.diagnose(f, {"x": x}, {"x": x * np.exp(x)}).findings
    assert (found.mistake, found.text) == ("path", "only one of the 2 paths through x is there, the one by `np.exp(x)`")
    f = lambda x: (x * x * x + np.exp(x)).sum()
    (found,) = tg.diagnose(f, {"x": x}, {"x": 3 * x * x}).findings
    assert (found.mistake, found.text) == ("path", "one of the 3 paths through x is lost, the one by `np.exp(x)`")


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
        "this is the gradient of `x @ W`, one of the values on the way",
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


# --- what the graph shows, and no more -------------------------------------------------------------------------------


def assignment():
    """deeplearning.ai's gradient checking: one hidden layer, samples in columns, m = 3 of them, 4 features."""
    rng = np.random.default_rng(1)
    m, X, Y = 3, rng.standard_normal((4, 3)), np.array([[1.0, 1.0, 0.0]])
    shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (1, 5), "b2": (1, 1)}
    P = {name: rng.standard_normal(shape) for name, shape in shapes.items()}

    def hidden(W1, b1):
        return np.maximum(np.dot(W1, X) + b1, 0)

    def cost(W1, b1, W2, b2):
        A2 = 1 / (1 + np.exp(-(np.dot(W2, hidden(W1, b1)) + b2)))
        return np.sum(-np.log(A2) * Y - np.log(1 - A2) * (1 - Y)) / m

    A1 = hidden(P["W1"], P["b1"])
    d2 = 1 / (1 + np.exp(-(P["W2"] @ A1 + P["b2"]))) - Y
    d1 = P["W2"].T @ d2 * (A1 > 0)
    total = {"W1": d1 @ X.T, "b1": d1.sum(axis=1, keepdims=True), "W2": d2 @ A1.T, "b2": d2.sum(keepdims=True)}
    return cost, P, {name: g / m for name, g in total.items()}


@pytest.mark.parametrize("times", [4, 5, 20, 0.5, 0.25])
def test_a_mean_or_a_square_that_the_graph_does_not_have_is_not_blamed(times):
    cost, P, right = assignment()
    texts = {f.name: f.text for f in tg.diagnose(cost, P, {**right, "b1": times * right["b1"]}).findings}
    assert "forgotten" not in texts["b1"]
    assert "mean" not in texts["b1"]
    assert [texts[name] for name in ("W1", "W2", "b2")] == ["", "", ""]


def test_a_mean_that_the_graph_has_is_blamed_however_it_is_written():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, 3)), rng.standard_normal(3)
    for f in (
        lambda w: np.mean(np.exp(x @ w)),
        lambda w: np.sum(np.exp(x @ w)) / 7,
        lambda w: (1 / 7) * np.sum(np.exp(x @ w)),
        lambda w: np.sum(np.exp(x @ w) / len(x)),
    ):
        (found,) = tg.diagnose(f, {"w": w}, {"w": x.T @ np.exp(x @ w)}).findings
        assert found.text == "7 times too large: the 1/N of the mean was forgotten (N = 7)"
    half = lambda w: 1 / 14 * np.sum((x @ w) ** 2)
    (found,) = tg.diagnose(half, {"w": w}, {"w": x.T @ (x @ w)}).findings
    assert found.text == "7 times too large: the 1/N of the mean was forgotten (N = 7)"


PENALTIES = {  # of (data, W, reg, N): the key, words of the sentence
    "reg * W": (lambda data, W, reg, N: data + reg * W, "factor", "half of what it should be"),
    "3 * reg * W": (lambda data, W, reg, N: data + 3 * reg * W, "factor", "3/2 times the right one"),
    "2 * W": (lambda data, W, reg, N: data + 2 * W, "factor", "3.33333 times too large: the factor 0.3 was forgotten"),
    "2 * reg * W / N": (lambda data, W, reg, N: data + 2 * reg * W / N, "factor", "6 times too small"),
    "- 2 * reg * W": (lambda data, W, reg, N: data - 2 * reg * W, "sign", "the sign is turned round"),
}


@pytest.mark.parametrize("reg", [0.3, 1e-3, 1e-5])  # a small penalty changes the last digits alone
@pytest.mark.parametrize(("given", "key", "words"), PENALTIES.values(), ids=PENALTIES)
def test_a_wrong_constant_in_one_term_of_a_sum_accuses_that_term(given, key, words, reg):
    rng = np.random.default_rng(0)
    N, X, y, W = 6, rng.standard_normal((6, 3)), rng.integers(0, 4, 6), rng.standard_normal((3, 4))
    words = words.replace("3.33333 times too large: the factor 0.3", f"{1 / reg:g} times too large: the factor {reg:g}")

    def loss(W):
        s = X @ W
        p = np.exp(s) / np.sum(np.exp(s), axis=1, keepdims=True)
        return -np.sum(np.log(p[np.arange(N), y])) / N + reg * np.sum(W * W)

    p = np.exp(X @ W) / np.exp(X @ W).sum(axis=1, keepdims=True)
    p[np.arange(N), y] -= 1
    data = X.T @ p / N
    assert tg.diagnose(loss, {"W": W}, {"W": data + 2 * reg * W}).right
    (found,) = tg.diagnose(loss, {"W": W}, {"W": given(data, W, reg, N)}).findings
    assert found.mistake == key
    assert found.text.startswith(words)
    assert found.text.endswith("in `reg * np.sum(W * W)`, one term of the sum")
    (found,) = tg.diagnose(loss, {"W": W}, {"W": N * data + 2 * reg * W}).findings
    assert found.text.startswith("6 times too large: the 1/N of the mean was forgotten (N = 6), in `-np.sum(np.log(p[")
    (found,) = tg.diagnose(loss, {"W": W}, {"W": data}).findings
    assert found.mistake == "path"


def columns(slope, exchanged=False, activation=np.tanh):
    """The findings of a network with samples in columns, whose backward pass has this derivative of the activation."""
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((2, 5)), np.array([[1.0, 0.0, 0.0, 1.0, 1.0]])
    W1, W2 = rng.standard_normal((4, 2)), rng.standard_normal((1, 4))

    def cost(W1, W2):
        A2 = 1 / (1 + np.exp(-np.dot(W2, activation(np.dot(W1, X)))))
        return -np.sum(np.log(A2) * Y + np.log(1 - A2) * (1 - Y)) / 5

    A1 = activation(W1 @ X)
    d2 = 1 / (1 + np.exp(-W2 @ A1)) - Y
    dW2 = d2 @ A1.T / 5
    d1 = slope((dW2 if exchanged else W2).T @ d2, A1)
    first, second = tg.diagnose(cost, {"W1": W1, "W2": W2}, {"W1": d1 @ X.T / 5, "W2": dW2}).findings
    assert second.mistake is None
    return first


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize(
    ("slope", "activation", "key", "words"),
    [
        (lambda g, a: g * (1 - a), np.tanh, "formula", "is 1 - a**2 with a = tanh(z), not 1 - a"),
        (lambda g, a: g * (1 - 2 * a), np.tanh, "formula", "not 1 - 2 * a"),
        (lambda g, a: g * (1 + a**2), np.tanh, "formula", "not 1 + a**2"),
        (lambda g, a: g * (1 - a), sigmoid, "formula", "is a * (1 - a) with a = sigmoid(z), not 1 - a"),
        (lambda g, a: g * a * (1 + a), sigmoid, "formula", "not a * (1 + a)"),
        (
            lambda g, a: g @ (1 - a.T @ a),
            np.tanh,
            "dot",
            "a matrix product takes the place of * at the derivative of tanh",
        ),
        (lambda g, a: g @ (a.T @ (1 - a)), sigmoid, "dot", "at the derivative of sigmoid"),
        (lambda g, a: (1 - a @ a.T) @ g, np.tanh, "dot", "at the derivative of tanh"),
    ],
)
def test_a_wrong_formula_and_a_product_of_matrices_are_named(slope, activation, key, words):
    found = columns(slope, activation=activation)
    assert found.mistake == key
    assert found.text.removesuffix(" (the first of 3)").endswith(words)


def test_weights_exchanged_for_their_gradient_are_named():
    found = columns(lambda g, a: g * (1 - a * a), exchanged=True)
    assert (found.mistake, found.text) == ("swapped", "the gradient of W2 stands where W2 belongs")


@pytest.mark.parametrize("consistent", [False, True])
def test_a_softmax_over_the_wrong_axis_is_named(consistent):
    rng = np.random.default_rng(0)
    x, W, y = rng.standard_normal((6, 3)), rng.standard_normal((3, 4)), rng.integers(0, 4, 6)
    e, hot = np.exp(x @ W), np.eye(4)[y]
    q = e / e.sum(axis=0)
    dz = (q * hot.sum(axis=0) if consistent else q) - hot

    def loss(W):
        e = np.exp(x @ W)
        return -np.mean(np.sum(hot * np.log(e / np.sum(e, axis=1, keepdims=True)), axis=1))

    (found,) = tg.diagnose(loss, {"W": W}, {"W": x.T @ dz / 6}).findings
    assert (found.mistake, found.text) == ("softmax", "the softmax is taken over axis 0, not over axis 1")
    (found,) = tg.diagnose(lambda W: tg.cross_entropy(tg.Tensor(x) @ W, y), {"W": W}, {"W": x.T @ dz / 6}).findings
    assert found.mistake == "softmax"


def test_one_slip_is_said_of_all_that_it_explains():
    """The gradient of b alone is half of what it should be; what explains that of w as well is one slip, not two."""
    x, z = np.array([1.0, 2.0, -3.0]), np.array([0.2, 1.1, 1.7])  # of mean 1
    inputs, given = {"w": (z - 0.25) / x, "b": np.array(0.25)}, {"w": x, "b": np.array(3.0)}
    w, b = tg.diagnose(lambda w, b: np.sum((w * x + b) ** 2), inputs, given).findings
    assert w.text == b.text == "the derivative of the square is missing"
    (b,) = tg.diagnose(lambda b: np.sum((inputs["w"] * x + b) ** 2), {"b": 0.25}, {"b": 3.0}).findings
    assert b.text.startswith("half of what it should be")


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_placeholder_has_no_name(value):
    x = np.array([1.0, 2.0, 3.0])
    for w in (0.5, 2.0, -1.0, 3.0):
        for f, a in [(lambda a, w=w: a * w, 1.0), (lambda a, w=w: np.mean(a * x * w), np.ones(3))]:
            (found,) = tg.diagnose(f, {"a": a}, {"a": np.full(np.shape(a), value)}).findings
            assert found.mistake == ("unknown" if value == 1 else "nan")


def test_a_gradient_that_is_not_multiplied_by_g_is_told_so_in_words_of_the_task():
    """An exercise weighs what a student's function returns by g; there is no op that the student knows as mul."""
    rng = np.random.default_rng(0)
    a, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    (found,) = tg.diagnose(lambda a: (np.maximum(a, 0) * g).sum(), {"a": a}, {"a": (a > 0) * 1.0}).findings
    assert (found.mistake, found.text) == ("missing", "the other factor of a product is missing")


def test_only_the_source_of_the_function_itself_is_quoted():
    from tinygrad_edu.doctor.case import Case

    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    ours = Case(tg.mlp([2, 3, 1], rng=0), [x], np.random.default_rng(0))  # no line of a user's is in it
    assert ours.graph.quotes == {}
    theirs = Case(lambda x: (x * x).sum() + x.sum(), [x], np.random.default_rng(0))
    assert set(theirs.graph.quotes.values()) == {"`x * x`", "`(x * x).sum()`", "`x.sum()`", "`(x * x).sum() + x.sum()`"}


def test_a_long_expression_is_quoted_by_its_beginning():
    from tinygrad_edu.doctor.case import Case

    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    f = lambda x: (np.exp(x) * np.exp(x) + np.exp(x) * np.exp(x) + np.exp(x) * np.exp(x)).sum() + (
        x.sum()
    )  # fmt: skip
    *_, summed, added = Case(f, [x], np.random.default_rng(0)).graph.quotes.values()
    assert added == "`(np.exp(x) * np.exp(x) + np.exp(x) * np.exp(x) + np.exp( ...`"
    assert summed == "`x.sum()`"


def test_no_warning_leaks():  # in these tests a warning is an error
    x = np.array([1.0, -1.0, 1e4])
    f = lambda w: np.sum(np.where(x > 0, np.log(np.abs(x)), np.log(x * x)) * w) + np.sum(1 / (1 + np.exp(x)))
    assert tg.diagnose(f, {"w": np.ones(3)}, {"w": np.log(np.abs(x))}).right
    rule = lambda p, g, state, t, lr: p - lr * g / np.float64(t - 1)
    assert not tg.diagnose_optimizer(rule, "SGD").right
    assert not tg.diagnose_op(lambda a: (np.sqrt(a), lambda g: g / np.sqrt(0 * a)), [1.0, 4.0]).right
