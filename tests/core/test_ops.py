"""Every op: its value against NumPy, its VJPs against central differences, its dtype, its shape, its rules."""

import ast
import inspect
import warnings

import numpy as np
import pytest
from ops_table import CASES, every_case, exported

import tinygrad_edu as tg
from tinygrad_edu.core.tensor import backward_pass
from tinygrad_edu.extras import numpy_functions, ops


@every_case
def test_value_is_numpys(name, f, reference, args):
    got = f(*[tg.Tensor(a) for a in args])
    assert isinstance(got, tg.Tensor)
    np.testing.assert_allclose(got.numpy(), reference(*args), rtol=1e-13, atol=1e-15, strict=True)


@every_case
def test_every_vjp_agrees_with_central_differences(name, f, reference, args):
    found = tg.gradcheck(f, *args)
    assert found.checked > 0 or np.size(f(*map(tg.Tensor, args)).numpy()) == 0


@every_case
def test_float32_stays_float32_and_gradients_have_the_arguments_shape(name, f, reference, args):
    args = [tg.Tensor(np.asarray(a, np.float32), requires_grad=True) for a in args]
    y = f(*args)
    assert y.dtype == (np.float64 if name == "astype" else np.float32)
    for _, _, parent, share, _ in backward_pass(y, np.ones(y.shape, y.dtype)):
        assert share.dtype == parent.dtype
        assert share.shape == parent.shape


def test_every_op_has_a_row_and_every_row_an_op():
    ours, rows = {node.name for node in exported()}, {name for name, *_ in CASES}
    assert ours <= rows
    assert rows - ours <= {name for name, method in numpy_functions.METHODS.items() if "ops." in (method.__doc__ or "")}


@pytest.mark.parametrize("node", exported(), ids=lambda node: node.name)
def test_an_op_is_straight_line_and_returns_one_vjp_for_each_argument(node):
    docstring, *body, last = node.body
    assert isinstance(docstring.value, ast.Constant)
    assert docstring.value.value.startswith("y = ")
    assert all(isinstance(line, ast.Assign | ast.AugAssign) for line in body)
    assert isinstance(last, ast.Return)
    assert isinstance(last.value, ast.Tuple)
    _, *vjps = last.value.elts
    if node.args.vararg is None:
        assert len(vjps) == len(node.args.args)
        assert all(isinstance(vjp, ast.Lambda) for vjp in vjps)
    else:
        assert isinstance(vjps[0].value, ast.ListComp)


@pytest.mark.parametrize("node", exported(), ids=lambda node: node.name)
def test_the_defaults_of_an_op_are_those_of_its_method(node):
    defaults = getattr(ops, node.name).__kwdefaults__ or {}
    method = getattr(tg.Tensor, node.name, None) or getattr(tg, node.name, None)
    if defaults and node.name != "transpose":  # which takes t.transpose(1, 0) as well
        parameters = inspect.signature(method).parameters
        assert defaults == {name: parameters[name].default for name in defaults}


@every_case
def test_no_vjp_writes_into_g(name, f, reference, args):
    y = f(*[tg.Tensor(a, requires_grad=True) for a in args])
    g = np.ones(y.shape)
    g.setflags(write=False)
    for _, _, parent, share, _ in backward_pass(y, g):
        assert share.shape == parent.shape


# --- corners: what is stated in the docstrings -------------------------------------------------------------------


def gradient(f, *args):
    tensors = [tg.Tensor(a, requires_grad=True) for a in args]
    f(*tensors).sum().backward()
    return [t.grad.tolist() for t in tensors]


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (tg.relu, [[-1.0, 0.0, 2.0]], [[0, 0, 1]]),
        (tg.abs, [[-1.0, 0.0, 2.0]], [[-1, 0, 1]]),
        (tg.leaky_relu, [[-1.0, 0.0, 2.0]], [[0.01, 0.01, 1]]),
        (lambda a: tg.clip(a, 0, 1), [[-1.0, 0.0, 1.0, 2.0]], [[0, 1, 1, 0]]),
        (tg.maximum, [[1.0, 2.0], [1.0, 3.0]], [[0.5, 0], [0.5, 1]]),
        (tg.minimum, [[1.0, 2.0], [1.0, 3.0]], [[0.5, 1], [0.5, 0]]),
        (lambda a: tg.elu(a, 0.5), [[-np.inf, 0.0, 2.0]], [[0, 0.5, 1]]),
        (lambda a: tg.prod(a), [[0.0, 2.0, 3.0]], [[6, 0, 0]]),
        (lambda a: tg.prod(a), [[0.0, 2.0, 0.0]], [[0, 0, 0]]),
        (lambda a: tg.prod(a, axis=1), [[[0.0, 2.0], [3.0, 5.0], [0.0, 0.0]]], [[[2, 0], [5, 3], [0, 0]]]),
        (lambda a: tg.std(a, axis=1), [[[2.0, 2.0], [1.0, 3.0]]], [[[0, 0], [-0.5, 0.5]]]),
        (lambda a: tg.std(a), [3.0], [0]),
        (lambda a: tg.norm(a, axis=1), [[[0.0, 0.0], [0.0, -2.0]]], [[[0, 0], [0, -1]]]),
        (lambda a: tg.norm(a), [0.0], [0]),
        (lambda a: tg.einsum("ii", a), [[[1.0, 2.0], [3.0, 4.0]]], [[[1, 0], [0, 1]]]),
        (lambda a: tg.take_along_axis(a, [0, 0], 0), [[1.0, 2.0]], [[2, 0]]),
    ],
)
def test_kinks_are_as_documented(f, args, expected):
    assert gradient(f, *args) == expected


def test_sum_over_each_axis_of_a_square_matrix_is_not_transposed():
    for axis, expected in [(0, [[1, 2, 3]] * 3), (1, [[1] * 3, [2] * 3, [3] * 3])]:
        x = tg.Tensor(np.zeros((3, 3)), requires_grad=True)
        x.sum(axis=axis).backward([1.0, 2.0, 3.0])
        assert x.grad.tolist() == expected


def test_ties_of_max_and_min_share_equally():
    x = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    assert gradient(lambda a: a.max(axis=1), x) == [[[0, 0.5, 0.5], [1 / 3] * 3]]
    assert gradient(lambda a: a.min(), x) == [[[1, 0, 0], [0, 0, 0]]]


def test_a_slice_backward_has_the_whole_shape_and_repeated_indices_accumulate():
    assert gradient(lambda a: a[1:2], [1.0, 2.0, 3.0]) == [[0, 1, 0]]
    assert gradient(lambda a: a[[0, 2, 2, 2]], [1.0, 2.0, 3.0]) == [[1, 0, 3]]


BIG = np.array([-1e4, -100.0, 0.0, 100.0, 1e4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (tg.sigmoid, [0, 3.720075976020836e-44, 0.5, 1, 1]),
        (tg.tanh, [-1, -1, 0, 1, 1]),
        (tg.softplus, [0, 3.720075976020836e-44, np.log(2), 100, 1e4]),
        (tg.softmax, [0, 0, 0, 0, 1]),
        (tg.log_softmax, [-2e4, -10100, -1e4, -9900, 0]),
        (lambda a: a.logsumexp() + 0 * a, [1e4] * 5),
        (tg.erf, [-1, -1, 0, 1, 1]),
        (tg.gelu, [0, 0, 0, 100, 1e4]),
        (tg.silu, [0, -3.720075976020836e-42, 0, 100, 1e4]),
        (tg.elu, [-1, -1, 0, 100, 1e4]),
        (lambda a: (-a.abs()).expm1(), [-1, -1, 0, -1, -1]),
        (lambda a: a.abs().log1p(), [np.log(10001), np.log(101), 0, np.log(101), np.log(10001)]),
    ],
)
def test_saturated_inputs_give_numbers_without_a_warning(f, expected, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = tg.Tensor(BIG.astype(dtype), requires_grad=True)
        y = f(x)
        y.backward(np.ones(5))
    np.testing.assert_allclose(
        y.numpy(), np.array(expected, dtype), rtol=1e-6, atol=1e-43 if dtype == np.float64 else 1e-37
    )
    assert np.isfinite(x.grad).all()


def test_logsumexp_of_minus_infinity_is_minus_infinity_and_keeps_the_other_rows():
    with np.errstate(divide="ignore"):
        y = tg.logsumexp(tg.Tensor([[-np.inf, -np.inf], [0.0, -np.inf]]), axis=1)
    assert y.numpy().tolist() == [-np.inf, 0.0]


def test_sqrt_and_norm_at_zero_have_the_stated_gradient():
    assert gradient(tg.sqrt, [0.0, 4.0]) == [[0, 0.25]]
    assert gradient(lambda x: (x * x).sum().sqrt(), [0.0, 0.0]) == [[0, 0]]
    assert gradient(lambda x: (x * x).sum() ** 0.5, [0.0, 0.0]) == [[0, 0]]


def test_pow_at_zero_has_the_stated_gradients():
    assert gradient(lambda a: a**0.0, [0.0, 2.0]) == [[0, 0]]
    assert gradient(lambda a: a**1.0, [0.0, 2.0]) == [[1, 1]]
    assert gradient(lambda a: a**2.0, [0.0, 2.0]) == [[0, 4]]
    assert gradient(lambda b: tg.pow(tg.Tensor([0.0, 1.0]), b), [2.0, 2.0]) == [[0, 0]]


def test_pow_has_an_infinite_slope_at_a_pole():
    with np.errstate(divide="ignore"):
        assert gradient(lambda a: a**-1.0, [0.0, 2.0]) == gradient(lambda a: 1 / a, [0.0, 2.0]) == [[-np.inf, -0.25]]


def test_nan_in_is_nan_out_at_that_place_only():
    one = (tg.relu, tg.elu, tg.silu, tg.gelu, tg.erf, tg.expm1, tg.log1p, tg.sin, tg.cos, tg.cumsum, tg.flip, tg.pad)
    for f in (*one, tg.maximum, tg.minimum):
        args = [[1.0, np.nan]] if f in one else [[1.0, np.nan], [0.5, 0.5]]
        y = f(*map(tg.Tensor, args), *[1] * (f is tg.pad)).numpy()
        assert np.isnan(y).sum() == 1
        assert np.isnan(y[{tg.flip: 0, tg.pad: 2}.get(f, 1)])


def test_small_numbers_keep_their_digits():
    tiny = tg.Tensor([1e-20, -1e-20])
    assert tg.log1p(tiny).numpy().tolist() == tg.expm1(tiny).numpy().tolist() == tiny.numpy().tolist()
    x = tg.Tensor([-10.0, -30.0], requires_grad=True)
    np.testing.assert_allclose(tg.gelu(x).numpy(), [-7.619853024160527e-23, -30 * 4.906713927148187e-198], rtol=1e-12)
    x.expm1().sum().backward()
    np.testing.assert_allclose(x.grad, np.exp([-10, -30]), rtol=1e-15)


def test_whole_numbers_become_float64_and_what_is_no_number_is_refused():
    for f in (tg.erf, tg.gelu, tg.elu, tg.silu, tg.sin, tg.expm1, tg.var, tg.norm):
        y = f(tg.Tensor([1, 2]))
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y.numpy(), f(tg.Tensor([1.0, 2.0])).numpy())
        with pytest.raises(TypeError, match="real numbers"):
            f([1j])


def test_argmax_is_plain_integers():
    x = tg.Tensor([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]], requires_grad=True)
    assert x.argmax() == 1
    assert tg.argmax(x, axis=1).tolist() == [1, 0]
    assert x.argmax(1, keepdims=True).tolist() == [[1], [0]]
    assert not isinstance(x.argmax(1), tg.Tensor)
    assert x.take_along_axis(x.argmax(1, keepdims=True)).numpy().tolist() == [[3], [2]]


@pytest.mark.parametrize(
    ("f", "error", "said"),
    [
        (lambda x: tg.einsum(x, x), TypeError, "begins with its letters"),
        (lambda x: tg.einsum("ij,jk", x, np.ones((3, 2))), ValueError, "could not be broadcast|match"),
        (lambda x: x.pad(1, mode="linear_ramp"), ValueError, "constant"),
        (lambda x: x.take_along_axis([[0.0]], 1), IndexError, "integer"),
        (lambda x: np.dot(x, np.ones((2, 9, 2))), ValueError, "axes of the same lengths, got .* \\(2, 9, 2\\)"),
        (lambda x: x.squeeze(0), ValueError, "not equal to one"),
        (lambda x: x.broadcast_to((2, 3)), ValueError, "broadcast"),
    ],
)
def test_what_does_not_fit_is_refused(f, error, said):
    with pytest.raises(error, match=said):
        f(tg.Tensor(np.ones((2, 4)), requires_grad=True))


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (1,), (1, 1)])
def test_odd_shapes_go_through_forward_and_backward(shape):
    x = tg.Tensor(np.ones(shape), requires_grad=True)
    y = ((x * 2 + x.exp()).relu() - x / 2).reshape(-1).sum()
    y.backward()
    np.testing.assert_allclose(x.grad, np.full(shape, 2 + np.e - 0.5))


# --- where NumPy has an answer, so has an op --------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "norm", "logsumexp", "cumsum", "cumprod", "softmax"])
def test_a_number_has_an_axis_0_as_in_numpy(name, axis):
    x = tg.Tensor(3.0, requires_grad=True)
    y = getattr(x, name)(axis=axis)
    y.backward(np.ones(y.shape))
    assert x.grad == (0 if name == "softmax" else 1)
    np.testing.assert_array_equal(tg.trace(lambda x: getattr(x, name)(axis=axis).sum(), 3.0)()[1]["x"], x.grad)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((3, 0), 1), ((0, 3), 0), ((0, 3), 1)])
def test_a_softmax_of_nothing_is_nothing(name, shape, axis):
    x = tg.Tensor(np.zeros(shape), requires_grad=True)
    y = getattr(tg, name)(x, axis=axis)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    assert tg.trace(lambda x: getattr(tg, name)(x, axis=axis).sum(), x)()[1]["x"].shape == shape


def test_logsumexp_of_nothing_is_minus_infinity():
    with np.errstate(divide="ignore"):
        assert tg.logsumexp(tg.Tensor(np.zeros((2, 0))), axis=1).numpy().tolist() == [-np.inf, -np.inf]


def test_a_list_of_axes_is_as_good_as_a_tuple():
    x = tg.Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    for name in ("sum", "mean", "max", "var", "norm", "logsumexp", "flip"):
        got, expected = getattr(x, name)(axis=[0, 2]), getattr(x, name)(axis=(0, 2))
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
    assert x.sum([0, 1]).shape == (4,)
    assert tg.trace(lambda x: x.sum(axis=[0, 1])[0], x)()[0] == x.numpy()[:, :, 0].sum()


def test_zero_to_the_x_falls_without_end_at_a_pole():
    with np.errstate(divide="ignore"):
        assert gradient(lambda b: 0.0**b, [-2.0, -1.0, 0.0, 1.0]) == [[-np.inf, -np.inf, 0, 0]]


@pytest.mark.parametrize(
    ("a", "b", "slopes"),
    [
        (-np.inf, 1.0, (0, 1)),
        (1.0, -np.inf, (1, 0)),
        (np.inf, 1.0, (1, 0)),
        (np.inf, np.inf, (0.5, 0.5)),
        (-np.inf, -np.inf, (0.5, 0.5)),
        (-np.inf, np.inf, (0, 1)),
        (2.0, 2.0, (0.5, 0.5)),
        (-50.0, 0.0, (1.9287498479639178e-22, 1)),
        (1e4, -1e4, (1, 0)),
    ],
)
def test_logaddexp_is_numpys_at_infinities_too(a, b, slopes):
    x, y = tg.Tensor(a, requires_grad=True), tg.Tensor(b, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z = np.logaddexp(x, y)
        z.backward()
    assert z.item() == np.logaddexp(a, b)
    np.testing.assert_allclose([x.grad, y.grad], slopes, rtol=1e-13)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tg.leaky_relu(x, 1j),
        lambda x: tg.elu(x, 1j),
        lambda x: tg.elu(x, np.complex64(1)),
        lambda x: tg.clip(x, 0, 1j),
        lambda x: tg.leaky_relu(x, np.array(1j)),
        lambda x: x**1j,
        lambda x: x * np.complex64(1),
    ],
)
def test_complex_numbers_are_refused_also_as_keywords(f):
    x = tg.Tensor([1.0, -2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TypeError, match=r"got .*complex"):
            f(x)


def test_numbers_cannot_be_put_one_after_the_other_but_side_by_side():
    x = tg.Tensor(3.0, requires_grad=True)
    with pytest.raises(ValueError, match="zero-dimensional"):
        tg.concatenate([x, x])
    y = tg.concatenate([x, np.ones((2, 2))], axis=None)
    y.sum().backward()
    assert y.numpy().tolist() == [3, 1, 1, 1, 1]
    assert x.grad == 1


def test_the_slopes_of_inverse_functions_at_their_ends():
    with np.errstate(divide="ignore"):
        assert gradient(tg.arcsin, [-1.0, 1.0]) == [[np.inf, np.inf]]
        assert gradient(tg.arccos, [-1.0, 1.0]) == [[-np.inf, -np.inf]]
        assert gradient(tg.arccosh, [1.0]) == [[np.inf]]
    assert gradient(tg.cbrt, [0.0, -8.0]) == [[0, 1 / 12]]
    assert gradient(tg.hypot, [0.0], [0.0]) == gradient(tg.arctan2, [0.0], [0.0]) == [[0], [0]]
    assert gradient(tg.mod, [6.0], [2.0]) == gradient(tg.fmod, [6.0], [2.0]) == [[1], [-3]]
    assert gradient(tg.mod, [-5.0], [2.0]) == [[1], [3]]
    assert gradient(tg.fmod, [-5.0], [2.0]) == [[1], [2]]
    for f in (tg.floor, tg.ceil, tg.trunc, tg.rint, tg.round):
        assert gradient(f, [0.3, 1.0, -2.5]) == [[0, 0, 0]]


def test_inverse_functions_keep_their_digits_where_squares_would_lose_them():
    near = 1 - 1e-12
    x = tg.Tensor([near], requires_grad=True)
    tg.arcsin(x).sum().backward()
    np.testing.assert_allclose(x.grad, 1 / np.sqrt((1 - near) * (1 + near)), rtol=1e-15)
    big = tg.Tensor(np.array([1e25], np.float32), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (tg.arcsinh(big) + tg.hypot(big, big)).sum().backward()
    np.testing.assert_allclose(big.grad, [1e-25 + 2**0.5], rtol=1e-6)


def test_the_gradient_of_a_determinant_that_is_0_is_its_cofactors():
    np.testing.assert_allclose(gradient(tg.det, [[1.0, 2.0], [2.0, 4.0]]), [[[4, -2], [-2, 1]]], atol=1e-14)
    np.testing.assert_allclose(gradient(tg.det, np.diag([0.0, 0.0, 3.0])), np.zeros((1, 3, 3)), atol=1e-14)


def test_the_gradient_of_running_products_goes_around_zeros():
    assert gradient(lambda a: tg.cumprod(a), [2.0, 0.0, 3.0, 0.0, 5.0]) == [[1, 2 + 6, 0, 0, 0]]


def test_equal_elements_are_sorted_in_their_order():
    x = tg.Tensor([2.0, 1.0, 2.0, 1.0], requires_grad=True)
    tg.sort(x).backward([1.0, 2.0, 3.0, 4.0])
    assert x.grad.tolist() == [3, 1, 4, 2]
