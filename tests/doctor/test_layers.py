"""Ops and layers with one mistake each, and right ones: those of the package among them."""

import inspect

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import ops

# --- ops -------------------------------------------------------------------------------------------------------------

WITHOUT_KEYWORDS = [
    op
    for op in ops.defined_in(ops)
    if not any(p.default is p.empty for p in inspect.signature(op).parameters.values() if p.kind == p.KEYWORD_ONLY)
    and not any(p.kind == p.VAR_POSITIONAL for p in inspect.signature(op).parameters.values())
    and op not in (ops.linear, ops.conv2d)
]


@pytest.mark.parametrize("op", WITHOUT_KEYWORDS, ids=lambda op: op.__name__)
def test_our_own_ops_are_right_for_arguments_of_its_own_choice(op):
    report = tg.diagnose_op(op)
    assert report.right, report
    assert len(report.findings) == 1 + sum(
        p.kind == p.POSITIONAL_OR_KEYWORD for p in inspect.signature(op).parameters.values()
    )


@pytest.mark.parametrize("chosen", [True, False])
def test_a_matrix_of_which_the_lower_half_is_read_is_taken_as_symmetric(chosen):
    """Both are right: each half gets a part, as in `ops.cholesky`, or the lower half gets all."""

    def factor(share):
        return lambda a: (np.linalg.cholesky(a), lambda g: share(ops.cholesky(a)[1](g)))

    args = [] if chosen else [np.array([[4.0, 1.0], [1.0, 3.0]])]
    for share in (lambda s: s, lambda s: np.tril(s) + np.triu(s, 1).T):
        assert tg.diagnose_op(factor(share), *args).right
    assert tg.diagnose_op(factor(lambda s: -s), *args).mistakes["a"] == "sign"
    assert not tg.diagnose_op(factor(np.tril), *args).right
    x = np.arange(9.0).reshape(3, 3)
    assert tg.diagnose_op(lambda a: (np.tril(a), np.tril), x).right
    assert not tg.diagnose_op(lambda a: (np.tril(a), lambda g: g), x).right


def test_ops_with_more_to_say():
    x = np.random.default_rng(0).standard_normal((4, 3))
    tg.diagnose_op(ops.linear, x, x.T, np.ones(4), raise_on_error=True)
    tg.diagnose_op(ops.concatenate, x, x[:2], axis=0, raise_on_error=True)
    tg.diagnose_op(ops.cross_entropy, x, labels=np.array([0, 1, 2, 0]), raise_on_error=True)
    tg.diagnose_op(ops.mul, x, np.ones(3), raise_on_error=True)  # whose second gradient is undone by the engine
    tg.diagnose_op(ops.sum, tg.Tensor(x), axis=1, raise_on_error=True)
    tg.diagnose_op(ops.sqrt, 4.0, raise_on_error=True)


def op(value, *vjps, name="op"):
    def made(a):
        return value(a), *[lambda g, vjp=vjp: vjp(g, a) for vjp in vjps]

    made.__name__ = name
    return made


def writes_into_g(g, a):
    g *= 2 * a
    return g


def writes_into_a(g, a):
    a *= 2
    return g * a


@pytest.mark.parametrize(
    ("wrong", "key", "text"),
    [
        (op(np.square, lambda g, a: -2 * g * a), "sign", "the sign is turned round"),
        (op(np.square, lambda g, a: g * a), "factor", "half of what it should be"),
        (op(lambda a: a**3, lambda g, a: g * a**2), "factor", "1/3 times the right one"),
        (op(np.square, lambda g, a: 2 * a), "ignored", "does not use g"),
        (op(np.square, lambda g, a: 2 * a * g * g), "nonlinear", "not linear in g"),
        (op(np.square, lambda g, a: 2 * a + g), "nonlinear", "not linear in g"),
        (op(np.square, writes_into_g), "writes", "its VJP writes into g"),
        (op(np.square, writes_into_a), "writes", "its VJP writes into an argument"),
        (op(np.square, lambda g, a: (2 * g * a).T), "transposed", "transposed"),
        (op(np.square, lambda g, a: (2 * g * a)[0]), "shape", "its shape is (4,), that of a is (3, 4)"),
        (op(np.square, lambda g, a: g @ a), "raises", "its VJP raised ValueError"),
        (op(np.square, lambda g, a: None), "raises", "its VJP raised TypeError"),
        (op(np.tanh, lambda g, a: g * (1 - a * a)), "unactivated", "is given z instead of a"),
        (op(np.tanh, lambda g, a: g), "missing", "the derivative of tanh is missing"),
        (op(lambda a: 1 / (1 + np.exp(-a)), lambda g, a: g / (1 + np.exp(-a))), "value", "not by its derivative"),
        (op(np.sinh, lambda g, a: -g * np.cosh(a)), "sign", "the sign is turned round"),
        (op(np.square, lambda g, a: g * np.nan), "nan", "NaN"),
    ],
)
def test_a_wrong_vjp_is_named(wrong, key, text):
    report = tg.diagnose_op(wrong)
    assert report.mistakes == {"value": None, "a": key}, report
    assert text in report.findings[1].text
    with pytest.raises(AssertionError, match="WRONG"):
        tg.diagnose_op(wrong, raise_on_error=True)


def test_derivatives_of_two_arguments_that_changed_places():
    def mul(a, b):
        return a * b, lambda g: g * a, lambda g: g * b

    report = tg.diagnose_op(mul)
    assert report.mistakes == {"value": None, "a": "swapped", "b": "swapped"}
    assert report.findings[1].text == "this is the gradient of b"


def test_a_square_matrix_does_not_hide_that_it_is_not_transposed():
    def matmul(a, b):
        return a @ b, lambda g: g @ b, lambda g: a.T @ g

    rng = np.random.default_rng(0)
    report = tg.diagnose_op(matmul, rng.standard_normal((3, 3)), rng.standard_normal((3, 3)))
    assert report.mistakes == {"value": None, "a": "transposed", "b": None}
    assert tg.diagnose_op(matmul).mistakes == {"value": None, "a": "raises", "b": None}


def loops(a):  # not straight-line, which is a rule for ours alone
    y = np.zeros_like(a)
    for i in range(len(a)):
        y[i] = a[i] ** 2
    return y, lambda g: 2 * g * a


def test_an_op_need_not_be_straight_line():
    assert tg.diagnose_op(loops, [1.0, 2.0]).right


def changes(a):
    a += 1
    return a * a, lambda g: 2 * g * a


@pytest.mark.parametrize(
    ("wrong", "key", "text"),
    [
        (lambda a: a * a, "count", "returned ndarray, not a tuple (value, VJP, ...)"),
        (lambda a: (a * a,), "count", "1 arguments, and 0 VJPs"),
        (lambda a: (a * a, lambda g: g, lambda g: g), "count", "1 arguments, and 2 VJPs"),
        (lambda a: (a * a, 2 * a), "count", "1 arguments, and 0 VJPs"),
        (lambda a: (a @ np.ones(7), lambda g: g), "raises", "raised ValueError"),
        (lambda a: (np.log(-np.abs(a)), lambda g: g / a), "nan", "NaN"),
        (changes, "writes", "changed its arguments"),
        (lambda a: (a * np.random.default_rng().random(), lambda g: g), "random", "different values"),
        (op(np.log10, lambda g, a: g / a / np.log(10), name="log"), "wrong value", "ops.log has another value"),
        (op(lambda a: a.sum(), lambda g, a: g * np.ones_like(a), name="tanh"), "wrong value", "another value"),
    ],
)
def test_a_wrong_value_is_named_before_any_vjp_is_looked_at(wrong, key, text):
    report = tg.diagnose_op(wrong)
    assert report.mistakes == {"value": key}, report
    assert text in report.findings[0].text
    with pytest.raises(AssertionError, match="WRONG"):
        tg.diagnose_op(wrong, raise_on_error=True)


def test_the_arguments_stay_as_they_are():
    x = np.arange(3.0)
    tg.diagnose_op(op(np.square, writes_into_a), x)
    tg.diagnose_op(changes, x)
    assert x.tolist() == [0, 1, 2]


# --- layers ----------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).standard_normal((4, 3))


@pytest.mark.parametrize(
    "layer",
    [
        tg.mlp([3, 4, 2], rng=0),
        tg.mlp([3, 4, 2], activation="tanh", dropout=0.5, rng=0).eval(),
        tg.Sequential(tg.Linear(3, 4, rng=0), tg.BatchNorm1d(4), tg.Sigmoid(), tg.LayerNorm(4), tg.Softmax()),
        tg.Sequential(tg.Linear(3, 4, rng=0), tg.BatchNorm1d(4)).eval(),
    ],
)
def test_our_own_layers_are_right(layer):
    before = layer.state_dict()
    report = tg.diagnose_layer(layer, X)
    assert report.right, report
    assert list(report.mistakes) == [*layer.named_parameters(), "input"]
    assert all(np.array_equal(value, before[name]) for name, value in layer.state_dict().items())


class Scale(tg.Layer):
    """y = a · x + b, with something wrong in forward."""

    def __init__(self, wrong=None):
        self.a, self.b = (tg.Tensor(value, requires_grad=True) for value in ([2.0, 3.0, 4.0], [0.1, 0.2, 0.3]))
        self.wrong = wrong

    def forward(self, x):
        return self.wrong(self, x) if self.wrong else x * self.a + self.b


def half(a, b):
    return a * b, lambda g: g * b, lambda g: g * a / 2


@pytest.mark.parametrize(
    ("wrong", "mistakes"),
    [
        (None, {}),
        (lambda self, x: x * self.a.numpy() + self.b, {"a": "detached"}),
        (lambda self, x: x.detach() * self.a + self.b, {"input": "detached"}),
        (lambda self, x: x * self.a, {"b": "unused"}),
        (lambda self, x: tg.apply(half, x, self.a) + self.b, {"a": "factor", "half: b": "factor"}),
        (lambda self, x: x * self.a * self.a.detach() + self.b, {"a": "factor"}),
        (lambda self, x: (x * self.a + self.b).numpy(), {"forward": "raises"}),
        (lambda self, x: x @ self.a.reshape(1, 3), {"forward": "raises"}),
        (lambda self, x: x * np.random.default_rng().random(), {"forward": "random"}),
    ],
)
def test_a_wrong_layer_is_named(wrong, mistakes):
    report = tg.diagnose_layer(Scale(wrong), X)
    assert {name: key for name, key in report.mistakes.items() if key} == mistakes, report
    if mistakes:
        with pytest.raises(AssertionError, match="WRONG"):
            tg.diagnose_layer(Scale(wrong), X, raise_on_error=True)


def test_a_layer_that_forgets_what_it_learns_with():
    layer = Scale()
    layer.b = tg.Tensor(np.ones(3))
    assert tg.diagnose_layer(layer, X).mistakes == {"a": None, "input": None, "b": "unregistered"}
    hidden = tg.Tensor(2.0, requires_grad=True, name="hidden")
    layer = Scale(lambda self, x: x * self.a + self.b * hidden)
    assert tg.diagnose_layer(layer, X).mistakes == {"a": None, "b": None, "input": None, "hidden": "unregistered"}
    layer = Scale()
    layer.constant = tg.Tensor(np.ones(3))  # which forward does not use
    assert tg.diagnose_layer(layer, X).right


def test_dropout_that_is_on_is_said():
    report = tg.diagnose_layer(tg.mlp([3, 4, 2], dropout=0.5, rng=0), X)
    assert report.mistakes == {"forward": "random"}
    assert "layer.eval()" in str(report)


def test_an_input_that_does_not_fit_is_said():
    report = tg.diagnose_layer(tg.mlp([2, 4, 2], rng=0), X)
    assert report.mistakes == {"forward": "raises"}
    assert "layers.0 (Linear(2, 4)) takes inputs of shape (N, 2), got (4, 3)" in str(report)


def test_whole_numbers_as_input_are_not_moved():
    class Table(tg.Layer):
        def __init__(self):
            self.rows = tg.Tensor(X, requires_grad=True)

        def forward(self, x):
            return self.rows[x]

    assert tg.diagnose_layer(Table(), np.array([0, 2, 2])).mistakes == {"rows": None}


def test_float32_is_too_coarse():
    with pytest.raises(TypeError, match=r"W \(3, 2\) is float32, too coarse for central differences"):
        tg.diagnose_layer(tg.Linear(3, 2, dtype=np.float32, rng=0), X)
