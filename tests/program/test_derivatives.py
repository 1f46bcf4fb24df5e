"""Gradients of gradients: against closed forms, and against differences of the engine's gradient."""

import math

import numpy as np
import pytest
from ops_table import ROWS

import tinygrad_edu as tg
from tinygrad_edu import grad, hessian, hvp
from tinygrad_edu.core.layers import ACTIVATIONS
from tinygrad_edu.core.tensor import unwrap
from tinygrad_edu.extras.ops import map_elements

POINTS = np.array([0.3, -1.7, 0.9, 2.1])


def gradient_by_the_engine(f, x):
    t = tg.Tensor(x, requires_grad=True)
    f(t).backward()
    return np.zeros_like(x) if t.grad is None else t.grad


def by_differences(f, x, h=1e-5):
    """Return the Hessian of f at x from central differences of the engine's gradient, as a matrix."""
    columns = []
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = h
        step = step.reshape(x.shape)
        columns.append((gradient_by_the_engine(f, x + step) - gradient_by_the_engine(f, x - step)).ravel() / (2 * h))
    return np.array(columns).T


def assert_second_order(f, x, tolerance=1e-8):
    """Compare hessian, hvp and grad(grad) of f at x with differences."""
    expected, x = by_differences(f, x), np.asarray(x)
    scale = max(np.abs(expected).max(), 1.0)
    n = x.size
    v = np.random.default_rng(0).standard_normal(x.shape)
    np.testing.assert_allclose(hessian(f)(x).reshape(n, n), expected, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(hvp(f)(x, v).ravel(), expected @ v.ravel(), rtol=0, atol=10 * tolerance * scale)
    twice = grad(lambda t: (grad(f)(t) * v).sum())(x)
    np.testing.assert_allclose(unwrap(twice).ravel(), expected @ v.ravel(), rtol=0, atol=10 * tolerance * scale)


# --- every op --------------------------------------------------------------------------------------------------------

# op: f'' of one number, where f' is not 0 all around
CLOSED_FORMS = {
    "neg": lambda x: 0 * x,
    "exp": np.exp,
    "expm1": np.exp,
    "log": lambda x: -1 / x**2,
    "log1p": lambda x: -1 / (1 + x) ** 2,
    "sin": lambda x: -np.sin(x),
    "cos": lambda x: -np.cos(x),
    "erf": lambda x: -4 * x * np.exp(-x * x) / np.sqrt(np.pi),
    "sqrt": lambda x: -0.25 * x**-1.5,
    "abs": lambda x: 0 * x,
    "tanh": lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
    "sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x)),
    "relu": lambda x: 0 * x,
    "leaky_relu": lambda x: 0 * x,
    "elu": lambda x: np.where(x > 0, 0, np.exp(x)),
    "silu": lambda x: sigmoid(x) * (1 - sigmoid(x)) * (2 + x * (1 - 2 * sigmoid(x))),
    "gelu": lambda x: (2 - x * x) * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    "softplus": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "tan": lambda x: 2 * np.tan(x) / np.cos(x) ** 2,
    "arcsin": lambda x: x / (1 - x * x) ** 1.5,
    "arccos": lambda x: -x / (1 - x * x) ** 1.5,
    "arctan": lambda x: -2 * x / (1 + x * x) ** 2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "arcsinh": lambda x: -x / (1 + x * x) ** 1.5,
    "arccosh": lambda x: -x / (x * x - 1) ** 1.5,
    "arctanh": lambda x: 2 * x / (1 - x * x) ** 2,
    "exp2": lambda x: 2**x * np.log(2) ** 2,
    "log2": lambda x: -1 / (x * x * np.log(2)),
    "log10": lambda x: -1 / (x * x * np.log(10)),
    "cbrt": lambda x: -2 / 9 * np.cbrt(x) / x**2,
    **dict.fromkeys(["floor", "ceil", "trunc", "rint"], lambda x: 0 * x),
}
DOMAINS = {  # op: points, where it is not defined everywhere
    **dict.fromkeys(["log", "log1p", "sqrt", "log2", "log10"], np.abs(POINTS)),
    **dict.fromkeys(["arcsin", "arccos", "arctanh"], POINTS / 3),
    "arccosh": np.abs(POINTS) + 1.2,
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_second_derivative_of_each_function_of_one_number(name):
    op = getattr(tg, name)
    for x in DOMAINS.get(name, POINTS):
        np.testing.assert_allclose(grad(grad(op))(x), CLOSED_FORMS[name](x), rtol=1e-12, atol=1e-15)


def test_the_list_has_every_function_of_one_number():
    assert set(CLOSED_FORMS) == {name for name, row in ROWS.items() if row.fits.__name__ == "alone"}


COLUMN, MATRIX = np.array([[0.4], [1.2]]), np.array([[0.5, -1.5, 2.5], [1.1, 3.0, -0.7]])
# op: the functions whose curvature is compared; x is (2, 3), without ties
CURVED = {
    "add": [lambda x: ((x + x[0]) ** 3).sum()],
    "sub": [lambda x: ((x - x[:, :1]) ** 3).sum()],
    "mul": [lambda x: (x * x[0] * x).sum()],
    "div": [lambda x: (x / (x[1] ** 2 + 1)).sum()],
    "pow": [lambda x: (x**3).sum(), lambda x: ((x * x) ** 1.7).sum(), lambda x: ((x * x + 1) ** x).sum()],
    "matmul": [lambda x: (x @ x.T @ x).sum(), lambda x: (x.reshape(1, 3, 2) @ x).exp().sum()],
    "linear": [lambda x: tg.linear(x, x.T, x[:, 0]).tanh().sum()],
    "einsum": [lambda x: tg.einsum("ij,ij,kj->", x, x, x), lambda x: (tg.einsum("ii->i", x @ x.T) ** 2).sum()],
    "conv2d": [
        lambda x: (tg.conv2d(x.reshape(1, 1, 2, 3), x.reshape(2, 1, 1, 3), padding=1, stride=(1, 2)) ** 3).sum()
    ],
    "max_pool2d": [lambda x: (tg.max_pool2d(x * x, (1, 2), 1, (0, 1)) ** 3).sum()],
    "avg_pool2d": [lambda x: (tg.avg_pool2d(x * x, 2, 1, 1) ** 3).sum()],
    "arctan2": [lambda x: (np.arctan2(x, x[0] + 7) ** 2).sum()],
    "hypot": [lambda x: (np.hypot(x, x[:, :1]) ** 3).sum()],
    "logaddexp": [lambda x: (np.logaddexp(x, x[:1]) ** 2).sum(), lambda x: np.logaddexp(x, MATRIX).sum()],
    "round": [lambda x: ((x + 0.13).round() * x * x).sum()],
    "floor_divide": [lambda x: (x // 0.9 * x * x).sum()],
    "mod": [lambda x: (x % 0.9 * x * x).sum(), lambda x: ((x * x) % (x[0] * x[0] + 1) * x).sum()],
    "fmod": [lambda x: (np.fmod(x, 0.9) ** 3).sum()],
    "inv": [lambda x: (tg.inv(x @ x.T + np.eye(2)) ** 2).sum()],
    "solve": [
        lambda x: (np.linalg.solve(x @ x.T + np.eye(2), x) ** 2).sum(),
        lambda x: (np.linalg.solve(x.T @ x + np.eye(3), x[0]) ** 2).sum(),
    ],
    "det": [lambda x: tg.det(x @ x.T + np.eye(2)), lambda x: tg.det(x[:, :2]) ** 3],
    "log_abs_det": [lambda x: np.linalg.slogdet(x @ x.T + np.eye(2))[1]],
    "cholesky": [lambda x: (np.linalg.cholesky(x @ x.T + np.eye(2)) ** 3).sum()],
    "maximum": [lambda x: (x.maximum(x * x) ** 2).sum()],
    "minimum": [lambda x: (x.minimum(0.8) ** 3).sum()],
    "where": [lambda x: tg.where(MATRIX > 0, x**3, x**2).sum(), lambda x: tg.where(x > 0, x**3, x**2).sum()],
    "clip": [lambda x: (x.clip(-1, 2) ** 3).sum()],
    "sum": [lambda x: (x.sum(axis=0) ** 3).sum()],
    "mean": [lambda x: (x.mean(axis=1, keepdims=True) * x * x).sum()],
    "var": [lambda x: (x.var(axis=0) ** 2).sum()],
    "std": [lambda x: (x.std(axis=1) * x[:, 0]).sum()],
    "norm": [lambda x: x.norm(), lambda x: (x.norm(axis=0) ** 3).sum()],
    "prod": [lambda x: x.prod(), lambda x: (x.prod(axis=0) * x).sum()],
    "cumsum": [lambda x: (x.cumsum(1) ** 3).sum(), lambda x: (x.cumsum() ** 3).sum()],
    "cumprod": [
        *[lambda x: (x.cumprod(1) ** 3).sum(), lambda x: (x.cumprod() * x.reshape(-1)).sum()],
        lambda x: ((x - MATRIX[:, :1]).cumprod(1) * x[0]).sum(),
    ],
    "sort": [lambda x: (x.sort() ** 3 * x).sum(), lambda x: (np.sort(x, None)[::2] ** 3).sum()],
    "max": [lambda x: (x.max(axis=1) ** 3).sum()],
    "min": [lambda x: x.min() ** 3],
    "logsumexp": [lambda x: x.logsumexp(), lambda x: (x.logsumexp(axis=1) ** 2).sum()],
    "softmax": [lambda x: (x.softmax() * MATRIX).sum(), lambda x: (x.softmax(axis=0) ** 2).sum()],
    "log_softmax": [lambda x: (x.log_softmax() ** 2).sum()],
    "cross_entropy": [lambda x: tg.cross_entropy(x * x, np.array([2, 0]))],
    "reshape": [lambda x: (x.reshape(3, 2) ** 3).sum()],
    "transpose": [lambda x: (x.transpose(-1, 0) ** 3 @ x).sum(), lambda x: (x.T**3).sum()],
    "squeeze": [lambda x: (x[:, :1].squeeze() ** 3).sum()],
    "expand_dims": [lambda x: (x.expand_dims(1) * x**2).sum()],
    "broadcast_to": [lambda x: (x.broadcast_to((4, 2, 3)) ** 3).sum()],
    "flip": [lambda x: (x.flip(0) * x * x).sum()],
    "pad": [lambda x: (x.pad(((1, 0), (0, 2)), constant_values=2.0) ** 3).sum()],
    "take_along_axis": [lambda x: (x.take_along_axis(np.array([[1, 1], [0, 2]]), 1) ** 3).sum()],
    "astype": [lambda x: (x.astype(np.float64) ** 3).sum()],
    "getitem": [lambda x: (x[1, ::2] ** 3).sum(), lambda x: (x[[0, 1, 1]] ** 3).sum(), lambda x: (x[x > 1] ** 3).sum()],
    "concatenate": [lambda x: (tg.concatenate([x, x * x], axis=1) ** 2).sum()],
    "stack": [lambda x: (tg.stack([x, x * x], axis=1) ** 2).sum()],
}


@pytest.mark.sample(8)
@pytest.mark.parametrize(("name", "f"), [(name, f) for name, all_f in CURVED.items() for f in all_f])
def test_the_curvature_of_each_op_is_that_of_the_engines_gradient(name, f):
    assert_second_order(f, MATRIX)


def test_the_lists_have_every_op_so_every_gradients_program_can_be_traced_again():
    assert {*CLOSED_FORMS, *CURVED} == {name for name, row in ROWS.items() if row.torch}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_gradient_goes_through_an_activation_of_an_array(activation):
    op = getattr(tg, activation)
    assert_second_order(lambda x: (op(x) ** 3).sum(), MATRIX)


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_the_hessian_of_a_quadratic_is_its_matrix():
    A = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -1.0], [0.0, -1.0, 5.0]])

    def f(x):
        return x @ A @ x / 2

    H = hessian(f)([1.0, -2.0, 0.5])
    np.testing.assert_allclose(H, A, rtol=1e-14)
    np.testing.assert_allclose(hvp(f)([1.0, -2.0, 0.5], [1.0, 2.0, 3.0]), A @ [1.0, 2.0, 3.0], rtol=1e-14)


def test_rosenbrocks_valley():
    def f(p):
        return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2

    x, y = -1.2, 1.0
    np.testing.assert_allclose(grad(f)([x, y]), [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)], rtol=1e-13)
    np.testing.assert_allclose(hessian(f)([x, y]), [[2 - 400 * (y - 3 * x * x), -400 * x], [-400 * x, 200]], rtol=1e-13)


def test_higher_derivatives_of_a_power():
    f = lambda x: x**5
    for expected in (5 * 16, 20 * 8, 60 * 4):  # a fourth takes several times as long as these together
        f = grad(f)
        np.testing.assert_allclose(f(2.0), expected, rtol=1e-14)
    f = tg.sin
    for expected in (np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)):
        f = grad(f)
        np.testing.assert_allclose(f(0.7), expected(0.7), rtol=1e-14)


def test_the_hessian_of_an_array_has_its_axes_twice():
    f = lambda W: (W @ W.T).sum()
    H = hessian(f)(MATRIX)
    assert H.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(H.reshape(6, 6), by_differences(f, MATRIX), atol=1e-8)
    np.testing.assert_array_equal(H.reshape(6, 6), H.reshape(6, 6).T)


def test_a_hessian_has_the_dtype_of_its_point():
    x = np.array([1.0, 2.0], np.float32)
    assert hessian(lambda x: (x**3).sum())(x).dtype == np.float32
    assert hvp(lambda x: (x**3).sum())(x, [1.0, 0.0]).dtype == np.float32
    assert grad(lambda x: (x**3).sum())(x).dtype == np.float32


def test_of_what_is_straight_or_constant_the_curvature_is_0():
    np.testing.assert_array_equal(hessian(lambda x: 3 * x.sum())([1.0, 2.0]), np.zeros((2, 2)))
    np.testing.assert_array_equal(hvp(lambda x: x[0])([1.0, 2.0], [1.0, 1.0]), [0.0, 0.0])
    assert grad(grad(lambda x: 3 * x))(2.0) == 0.0
    assert grad(grad(grad(lambda x: x * x)))(2.0) == 0.0
    assert grad(lambda x: 4.0)(2.0) == 0.0
    assert grad(lambda x: tg.Tensor(4.0) * 2)(2.0) == 0.0


# --- networks --------------------------------------------------------------------------------------------------------


def small_network(activation, loss):
    """Return the loss of a network 2-3-2 as a function of one vector of all weights, and such a vector."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((5, 2)), np.array([0, 1, 1, 0, 1])

    def f(w):
        h = activation(X @ w[:6].reshape(2, 3) + w[6:9])
        return loss(h @ w[9:15].reshape(3, 2) + w[15:17], labels)

    return f, 0.7 * rng.standard_normal(17)


LOSSES = {
    "cross_entropy": tg.cross_entropy,
    "mse": lambda z, y: tg.mse_loss(z[:, 0], y),
    "huber": lambda z, y: tg.huber_loss(z[:, 0], y),
    "bce": lambda z, y: tg.binary_cross_entropy_with_logits(z[:, 0], y),
    "hinge": lambda z, y: tg.hinge_loss(z[:, 0], 2 * np.asarray(y) - 1),
}


# each loss and each activation quickly; all pairs are slow, and meet by nothing but the chain rule
quick = [*[("tanh", loss) for loss in LOSSES], ("relu", "cross_entropy"), ("gelu", "cross_entropy")]
pairs = [(activation, loss) for activation in ("tanh", "relu", "gelu") for loss in LOSSES]


@pytest.mark.parametrize(
    ("activation", "loss"), [pair if pair in quick else pytest.param(*pair, marks=pytest.mark.slow) for pair in pairs]
)
def test_the_curvature_of_a_network(activation, loss):
    f, w = small_network(getattr(tg, activation), LOSSES[loss])
    assert_second_order(f, w, tolerance=1e-7)


@pytest.mark.parametrize("layer", [lambda: tg.LayerNorm(2), lambda: tg.BatchNorm1d(2)])
def test_the_curvature_through_a_norm_and_it_keeps_what_it_had(layer):
    norm = layer()
    before = norm.state_dict()
    assert_second_order(lambda x: (norm(x.reshape(3, 2)) ** 3).sum(), np.array([1.0, -0.5, 0.3, 2.0, -1.2, 0.1]))
    if isinstance(norm, tg.LayerNorm):
        return
    state = norm.state_dict()
    hessian(lambda x: (norm(x.reshape(3, 2)) ** 3).sum())(np.arange(6.0))
    for name, value in norm.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    assert (state["running_mean"] != before["running_mean"]).all()  # the engine's gradients had moved it


def test_a_gradient_inside_of_a_traced_function_is_traced_alone():
    """The running means that the inner function writes are no lines of the outer program."""
    norm = tg.BatchNorm1d(2)
    f = lambda x: (grad(lambda x: norm(x).tanh().sum())(x) ** 2).sum()
    program = tg.trace(f, np.random.default_rng(0).standard_normal((4, 2)))
    assert "running_mean" not in program.source
    np.testing.assert_array_equal(norm.running_mean, [0.0, 0.0])


def test_parameters_that_are_closed_over_are_constants_here():
    model = tg.mlp([2, 3, 1], "tanh", rng=0)
    f = lambda x: model(x.reshape(1, 2)).sum()
    assert_second_order(f, np.array([0.3, -0.8]))
    assert all(p.grad is None or p.grad.any() for p in model.parameters())
    for p in model.parameters():
        p.grad = None
    hessian(f)([0.3, -0.8])
    assert all(p.grad is None for p in model.parameters())


# --- as functions ----------------------------------------------------------------------------------------------------


def test_a_gradient_inside_of_a_function_is_that_of_its_own_argument():
    """Siskind & Pearlmutter's perturbation confusion: what the inner function closes over is constant to it alone."""
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * x * y * y)(x))(2.0) == 4 * 2 * 2**3  # x · 2 x² x = 2 x⁴
    assert grad(lambda x: grad(lambda y: (x * y).sin())(2.0) * x)(0.5) == pytest.approx(
        2 * 0.5 * np.cos(1.0) - 2 * 0.5**2 * np.sin(1.0)
    )


def test_argnums_says_by_which_arguments():
    f = lambda x, y, z: x * y**2 * z
    assert grad(f)(2.0, 3.0, 5.0) == 45.0
    assert grad(f, 1)(2.0, 3.0, 5.0) == 60.0
    assert grad(f, -1)(2.0, 3.0, 5.0) == 18.0
    assert grad(f, (2, 0))(2.0, 3.0, 5.0) == (18.0, 45.0)
    assert grad(grad(f, 1), 0)(2.0, 3.0, 5.0) == 30.0
    assert grad(grad(f, 1), (0, 1))(2.0, 3.0, 5.0) == (30.0, 20.0)


def test_an_argument_that_is_not_used_has_a_gradient_of_zeros():
    np.testing.assert_array_equal(grad(lambda x, y: (x * x).sum(), 1)([1.0], [[2.0, 3.0]]), [[0.0, 0.0]])
    assert [g.tolist() for g in grad(lambda x, y: (x * x).sum(), (0, 1))([1.0], [2.0])] == [[2.0], [0.0]]


def test_other_arguments_may_be_whole_numbers():
    f = lambda z, labels: tg.cross_entropy(z, labels)
    z, labels = MATRIX, np.array([1, 0])
    np.testing.assert_allclose(grad(f)(z, labels), gradient_by_the_engine(lambda t: f(t, labels), z), rtol=1e-14)


@pytest.mark.parametrize("x", [2, [1, 2], True])
def test_by_whole_numbers_nothing_is_differentiated(x):
    with pytest.raises(TypeError, match="only float32 and float64 can require a gradient"):
        grad(lambda x: (x * x).sum())(x)


def test_a_tensor_in_gives_a_tensor_out_that_is_recorded():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    g = grad(lambda x: (x**3).sum())(x)
    assert isinstance(g, tg.Tensor)
    (g * g).sum().backward()
    np.testing.assert_allclose(x.grad, 2 * 3 * x.numpy() ** 2 * 6 * x.numpy())
    assert isinstance(grad(lambda x: 3 * x[0])(x), tg.Tensor)
    assert isinstance(grad(lambda x: (x**3).sum())([1.0, 2.0]), np.ndarray)


def test_what_has_gradients_already_keeps_them():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    grad(lambda x: (x**3).sum())(x)
    hessian(lambda x: (x**3).sum())(x)
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_a_second_derivative_can_be_read():
    source = tg.trace(grad(lambda x: (x.tanh() * x.tanh()).sum()), 0.5).source
    assert "import numpy as np\n\n\ndef backprop(x):\n" in source
    program = tg.trace(grad(lambda x: x.sigmoid()), 0.5)
    assert "tinygrad" not in program.source
    value, gradients = program(-1.5)
    np.testing.assert_allclose(value, sigmoid(-1.5) * (1 - sigmoid(-1.5)), rtol=1e-14)
    np.testing.assert_allclose(gradients["x"], CLOSED_FORMS["sigmoid"](-1.5), rtol=1e-13)
    assert ">= 0" in program.source


def test_tensors_through_a_program_are_recorded():
    program = tg.trace(lambda x, y: (x**3 * y).sum(), [1.0, 2.0], [3.0, 4.0])
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    loss, gradients = program(x)
    loss.backward()
    np.testing.assert_allclose(x.grad, 3 * x.numpy() ** 2 * [3.0, 4.0])
    x.grad = None
    gradients["x"].sum().backward()
    np.testing.assert_allclose(x.grad, 6 * x.numpy() * [3.0, 4.0])


def test_a_helper_of_ones_own_may_be_called_put():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    f = lambda x: tg.apply(uses_put, x).sum()
    np.testing.assert_allclose(grad(lambda x: grad(f)(x).sum())(x).numpy(), [6.0, 6.0])


def scatter_add(g, a, index):
    """The path that is there, and more."""
    return g * a * index


def uses_put(a):
    return scatter_add(a, a, 3), lambda g: g * scatter_add(a, 2, 3)


@pytest.mark.parametrize(
    ("f", "kind", "message"),
    [
        (lambda x: x * 2, ValueError, "starts from a single number"),
        (lambda x: x.sum() if x.sum() > 0 else -x.sum(), TypeError, "while a program is traced"),
        (lambda x: (x * (x.numpy() > 0)).sum(), ValueError, "outside of the ops"),
        (lambda x: "no", TypeError, "expected real numbers"),
        (lambda x: (x.numpy() ** 2).sum(), TypeError, r"got float64; t.numpy\(\) leaves the graph$"),
    ],
)
def test_what_cannot_be_traced_is_refused(f, kind, message):
    for made in (grad(f), hessian(f), lambda x: hvp(f)(x, x)):
        with pytest.raises(kind, match=message):
            made([1.0, 2.0])


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (tg.softplus, 0.25),
        (tg.silu, 0.5),
        (lambda x: x * tg.sigmoid(x), 0.5),
        (lambda x: tg.sigmoid(x) ** 2, 0.125),
        (lambda x: tg.binary_cross_entropy_with_logits(x, np.ones(1)), 0.25),
        (lambda x: tg.binary_cross_entropy_with_logits(x, np.zeros(1)), 0.25),
    ],
    ids=["softplus", "silu", "x sigmoid", "square", "bce of 1", "bce of 0"],
)
def test_smooth_functions_have_their_second_derivative_at_0(f, expected):
    assert hessian(lambda x: f(x).sum())(np.zeros(1)).item() == pytest.approx(expected, rel=1e-14)


def test_the_curvature_of_logistic_regression_where_it_starts():
    X, y = np.random.default_rng(0).standard_normal((40, 2)), np.arange(40) % 2
    H = hessian(lambda w: tg.binary_cross_entropy_with_logits(tg.Tensor(X) @ w, y * 1.0))(np.zeros(2))
    np.testing.assert_allclose(H, X.T @ X / 160, rtol=1e-12)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (2, 1)])
def test_products_with_zeros(axis):
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 2)).astype(float)
    assert (x == 0).sum() > 2
    assert_second_order(lambda t: (t.prod(axis=axis) * 1.5).sum(), x, 1e-8)


def test_a_product_of_three_numbers_one_of_them_0():
    np.testing.assert_array_equal(hessian(lambda x: x.prod())([3.0, 4.0, 0.0]), [[0, 0, 4], [0, 0, 3], [4, 3, 0]])


def uses_lgamma(a):
    return map_elements(math.lgamma, a), lambda g: g * map_elements(math.exp, a)


def test_a_function_of_math_that_is_no_op_is_refused():
    f = lambda x: tg.apply(uses_lgamma, x).sum()
    with pytest.raises(ValueError, match=r"^map_elements\(lgamma, a\) is no op"):
        hessian(f)([1.5, 2.0])


def test_inner_gradients_that_are_an_argument():
    assert grad(grad(lambda x, y: x * y, 0), 1)(2.0, 3.0) == 1.0
    assert grad(lambda y: grad(lambda x: x * y)(2.0))(3.0) == 1.0
    assert hessian(lambda x: x)(3.0) == 0.0


def test_what_is_given_by_keyword_is_a_constant():
    f = lambda x, k=2: x**k
    assert grad(f)(2.0, k=3) == 12.0
    assert grad(grad(f))(2.0, k=3) == 12.0
    with pytest.raises(ValueError, match="the number of arguments is 0"):
        grad(f)(x=2.0)


def test_what_is_returned_as_it_came():
    assert grad(lambda x: x)(2.0) == 1.0
    assert grad(grad(lambda x: x))(2.0) == 0.0
    assert [float(d) for d in grad(lambda x, y: y, (0, 1))(2.0, 3.0)] == [0.0, 1.0]
    assert grad(lambda x: 3)(2.0) == 0.0


def test_a_vector_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"^the vector has shape \(3,\), x has \(2,\)$"):
        hvp(lambda x: (x * x).sum())([1.0, 2.0], [1.0, 2.0, 3.0])


# --- Jacobians, and arguments that are dicts and lists ----------------------------------------------------------------


def test_a_jacobian_has_a_row_for_each_element_of_the_result():
    J = tg.jacobian(lambda x: (x @ x.T).tanh())(MATRIX)
    assert J.shape == (2, 2, 2, 3)
    measured = np.empty(J.shape)
    for i in np.ndindex(2, 3):
        step = np.zeros((2, 3))
        step[i] = 1e-6
        high, low = MATRIX + step, MATRIX - step
        measured[(..., *i)] = (np.tanh(high @ high.T) - np.tanh(low @ low.T)) / 2e-6
    np.testing.assert_allclose(J, measured, atol=1e-8)
    np.testing.assert_array_equal(tg.jacobian(lambda a, x: a * x, 1)(2.0, [1.0, 3.0]), 2 * np.eye(2))
    np.testing.assert_array_equal(tg.jacobian(lambda x: x.sum())([1.0, 3.0]), [1, 1])
    assert tg.jacobian(lambda x: x[:0])([1.0, 3.0]).shape == (0, 2)


def test_jacobians_of_gradients_and_of_jacobians():
    f = lambda x: (x**3).sum() * x[0]
    np.testing.assert_allclose(tg.jacobian(grad(f))([1.0, 2.0]), hessian(f)([1.0, 2.0]))
    twice = tg.jacobian(tg.jacobian(lambda x: x**3))([1.0, 2.0])
    np.testing.assert_allclose(twice, [[[6, 0], [0, 0]], [[0, 0], [0, 12]]])


def test_a_jvp_is_the_jacobian_times_the_vector():
    f = lambda x: (x @ x.T).tanh().sort(axis=1)
    v = np.random.default_rng(0).standard_normal(MATRIX.shape)
    np.testing.assert_allclose(tg.jvp(f)(MATRIX, v), np.tensordot(tg.jacobian(f)(MATRIX), v, 2), rtol=1e-12)
    assert tg.jvp(lambda x: x.sum())([1.0, 2.0], [3.0, 5.0]) == 8
    np.testing.assert_array_equal(tg.jvp(lambda x: tg.Tensor([1.0, 2.0]) * 1)([1.0], [3.0]), [0, 0])


def test_what_a_jacobian_refuses():
    with pytest.raises(ValueError, match=r"the vector has shape \(1,\), x has \(2,\)"):
        tg.jvp(lambda x: x)([1.0, 2.0], [1.0])
    for function in (lambda: tg.jacobian(lambda x: x.numpy())([1.0]), lambda: tg.jvp(lambda x: 1.0)([1.0], [1.0])):
        with pytest.raises(TypeError, match="the function has to return a Tensor"):
            function()
    with pytest.raises(ValueError, match="argnum = 1, but the number of arguments is 1"):
        tg.jacobian(lambda x: x, 1)([1.0])


def test_the_gradient_by_a_dict_or_a_list_has_its_form():
    params = {"W": MATRIX, "layers": [np.ones(2), (np.array(0.5), 2.0)], "name": "net", "depth": 3}
    x = np.array([1.0, -2.0, 0.5])

    def loss(p, x):
        assert p["name"] == "net"
        h = (p["W"] @ x).tanh() * p["layers"][0]
        return (h * p["layers"][1][0]).sum() ** p["depth"] + p["layers"][1][1]

    by_p, by_x = grad(loss, (0, 1))(params, x)
    W, b, s = tg.Tensor(MATRIX, True), tg.Tensor(np.ones(2), True), tg.Tensor(0.5, True)
    t = tg.Tensor(x, True)
    loss({"W": W, "layers": [b, (s, 2.0)], "name": "net", "depth": 3}, t).backward()
    np.testing.assert_allclose(by_p["W"], W.grad)
    np.testing.assert_allclose(by_p["layers"][0], b.grad)
    np.testing.assert_allclose(by_p["layers"][1], [s.grad, 1.0])
    assert isinstance(by_p["layers"][1], tuple)
    assert by_p["name"] is by_p["depth"] is None
    np.testing.assert_allclose(by_x, t.grad)
    np.testing.assert_allclose(grad(lambda x, p: loss(p, x))(x, params), t.grad)
    np.testing.assert_array_equal(grad(lambda x: (x * x).sum())([1.0, 2.0]), [2, 4])  # a list of numbers is an array


@pytest.mark.parametrize("name", ["std", "sum", "exp", "inv", "g", "np", "len", "d_x", "loss", "x"])
def test_an_argument_may_have_any_name(name):
    assert grad(eval(f"lambda {name}: {name} * {name}"))(3.0) == 6
    assert tg.jvp(eval(f"lambda {name}: {name} * {name}"))(3.0, 2.0) == 12


def test_the_curvature_of_a_product_of_nothing():
    x = np.zeros((0, 1))
    assert hvp(lambda x: x.prod(axis=-1).sum())(x, x).shape == (0, 1)
    assert hvp(lambda x: x.prod(axis=0).sum())(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0, 2)
    assert hvp(lambda x: x.prod())(np.zeros(0), np.zeros(0)).shape == (0,)
    assert hvp(lambda x: x.prod(axis=0))(3.0, 1.0) == 0


@pytest.mark.parametrize(
    "f", [lambda x: x > 1, lambda x: (x > 1).all(), lambda x: np.allclose(x, 2 * x), lambda x: True]
)
def test_a_truth_value_has_no_gradient(f):
    with pytest.raises(TypeError, match="returns a truth value, which has no gradient"):
        grad(f)(2.0)
