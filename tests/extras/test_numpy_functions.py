"""NumPy's functions and an array's methods on Tensors: the same values, with gradients; what is refused, with words."""

import numpy as np
import pytest
from numpy_table import CALLS, MASK, PLAIN, REFUSED, ROW, SQUARE, SYMMETRIC, X, calls, exists

import tinygrad_edu as tg


def leaf(data):
    return tg.Tensor(data, requires_grad=True)


every = [pytest.param(*row, id=f"{row[0]}{i}") for i, row in enumerate(calls())]
every_call = pytest.mark.parametrize(("name", "call", "x"), every)


@every_call
def test_a_function_of_a_tensor_is_numpys_and_its_gradient_that_of_central_differences(name, call, x):
    t = leaf(x)
    got, expected = call(t), np.asarray(call(x))
    assert isinstance(got, tg.Tensor)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-13, atol=1e-14, strict=True)
    if got.requires_grad:
        weights = np.random.default_rng(0).uniform(0.5, 1.5, expected.shape)
        got.backward(weights)
        measured = np.empty(x.shape)
        for i in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[i] = 1e-6
            measured[i] = ((call(x + step) * weights).sum() - (call(x - step) * weights).sum()) / 2e-6
        np.testing.assert_allclose(t.grad, measured, rtol=1e-6, atol=1e-7 * max(1, np.abs(measured).max()))


@every_call
def test_a_function_of_a_float32_tensor_is_float32(name, call, x):
    if "linalg" not in name or "solve" not in name:
        got = call(leaf(x.astype(np.float32)))
        beside = {np.float64: np.float64} if has_doubles(call, x) else {}
        assert got.dtype in (np.float32, *beside)


def has_doubles(call, x):
    """True if NumPy's own result is float64, because of an array beside the one that is given."""
    return np.asarray(call(x.astype(np.float32))).dtype == np.float64


@pytest.mark.sample(8)
@every_call
def test_a_function_of_a_tensor_can_be_traced(name, call, x):
    weights = np.random.default_rng(0).standard_normal(np.shape(call(x)))

    def loss(x):
        return (call(x) * weights).sum()

    t = leaf(x)
    here = loss(t)
    if not here.requires_grad or not weights.size:
        return
    here.backward()
    value, gradients = tg.trace(lambda x: loss(x), x)(x)
    np.testing.assert_allclose(value, here.numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradients["x"], t.grad, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "call"),
    [pytest.param(name, call, id=f"{name}{i}") for name, calls in PLAIN.items() for i, call in enumerate(calls)],
)
def test_what_has_no_gradient_is_plain(name, call):
    got, expected = call(leaf(X)), call(X)
    assert not isinstance(got, tg.Tensor)
    assert type(got) is type(expected)
    for a, b in zip(*[(v if isinstance(v, tuple) else (v,)) for v in (got, expected)]):
        np.testing.assert_array_equal(a, b)


def test_how_many_functions_of_numpy_work():
    """Of those that are about numbers in arrays. The issue that asked for them had tried 179, of which 47 worked."""
    works = {name for name in {*CALLS, *PLAIN} if exists(name)}
    refused = {name for name in REFUSED if "." in name or hasattr(np, name)}
    print(f"{len(works)} of {len(works | refused)}")
    assert not works & refused
    assert len(works) >= 200


# --- an array's operators, PyTorch's names ----------------------------------------------------------------------------


def test_an_array_that_a_tensor_is_added_to_becomes_a_tensor():
    x = leaf(ROW)
    array = total = np.ones(3)
    total += x
    total *= 2
    total -= x
    total.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
    assert array.tolist() == [1, 1, 1]  # the array itself stays as it was
    square = SQUARE.copy()
    square @= leaf(SYMMETRIC)
    np.testing.assert_allclose(square.numpy(), SQUARE @ SYMMETRIC)
    for operator, expected in (
        ("-=", 1 - ROW),
        ("*=", ROW),
        ("/=", 1 / ROW),
        ("**=", 1 + 0 * ROW),
        ("%=", 1 % ROW),
        ("//=", 1 // ROW),
    ):
        names = {"a": np.ones(3), "x": leaf(ROW)}
        exec(f"a {operator} x", names)
        np.testing.assert_allclose(names["a"].numpy(), expected)
    with pytest.raises(TypeError, match=r"np\.add does not work on a Tensor with out"):
        np.add(x, x, out=np.ones(3))


def test_the_operators_of_an_array():
    x = leaf(X)
    for got, expected in (
        (+x, X),
        (x % 2, X % 2),
        (5 % x, 5 % X),
        (x // 2, X // 2),
        (5 // x, 5 // X),
        (round(x, 1), X.round(1)),
    ):
        np.testing.assert_array_equal(got.numpy(), expected)
    for got, expected in zip(divmod(x, 2), divmod(X, 2)):
        np.testing.assert_array_equal(got.numpy(), expected)
    assert ((x > 1) ^ (x > 2)).tolist() == ((X > 1) ^ (X > 2)).tolist()
    mask = tg.Tensor([True, False])  # with one of Python's on its left
    assert (True & mask).tolist() == (False | mask).tolist() == (False ^ mask).tolist() == [True, False]


def test_a_quantile_has_a_gradient_by_its_share():
    rows, shares = np.sort(X, axis=1), np.array([0.2, 0.77])
    q, percents = leaf(shares), leaf(100 * shares)
    np.quantile(X, q, axis=1).sum().backward()
    np.percentile(leaf(X), percents, axis=1).sum().backward()
    slopes = 2 * np.diff(rows, axis=1).sum(axis=0)  # of three elements: two steps from the first to the last
    np.testing.assert_allclose(q.grad, slopes)
    np.testing.assert_allclose(percents.grad, slopes / 100)


@pytest.mark.parametrize("call", [lambda t: np.gradient(t, t[0, 0], axis=0), lambda t: np.full_like(t, t[0, 0])])
def test_a_gradient_that_is_not_there_is_not_lost_in_silence(call):
    with pytest.raises(TypeError, match="requires a gradient would lose it"):
        call(leaf(X))


def test_a_norm_of_negative_order_has_slope_0_where_an_element_is_0():
    x = leaf([0.0, 3.0, 4.0])
    with np.errstate(all="ignore"):
        y = np.linalg.norm(x, -2)
        y.backward()
    assert y.item() == 0
    assert x.grad.tolist() == [0, 0, 0]


def test_in_and_bincount_read_the_numbers():
    x = tg.Tensor([[3, 1], [2, 2]])
    assert [v in x for v in (2, 5, [3, 1])] == [True, False, True]
    assert np.bincount(tg.Tensor([0, 2, 2]), minlength=4).tolist() == [1, 0, 2, 0]
    with pytest.raises(TypeError, match=r"in of x .* was asked for while a program is traced"):
        tg.trace(lambda x: x.sum() * (2.0 in x), X)


def test_a_triangle_keeps_the_dtype_and_a_float_power_has_its_own():
    assert np.float_power(tg.Tensor(X, dtype=np.float32), 3).dtype == np.float64  # which is what it is for
    for dtype in (bool, np.int8, np.float32):
        np.testing.assert_array_equal(np.tril(tg.Tensor(MASK.astype(dtype))), np.tril(MASK.astype(dtype)), strict=True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda t: t.view(3, 2), r"no view, which is PyTorch's: t\.reshape\(shape\)"),
        (lambda t: t.permute(1, 0), r"t\.transpose\(axes\)"),
        (lambda t: t.clamp(0, 1), r"t\.clip\(low, high\)"),
        (lambda t: t.gather(1, [[0]]), r"t\.take_along_axis\(indices, axis\)"),
        (lambda t: t.unsqueeze(0), r"t\.expand_dims\(axis\)"),
        (lambda t: t.sum(dim=1), "keyword argument 'dim'; axis=, not dim=; sum has a, axis, keepdims"),
        (lambda t: t.mean(dim=1, keepdim=True), "axis=, not dim= and keepdims=, not keepdim="),
        (lambda t: tg.softmax(t, dim=1), "axis=, not dim="),
        (lambda t: t.max(dim=1), "axis=, not dim="),
        (lambda t: tg.leaky_relu(t, negative_slope=0.1), "slope=, not negative_slope="),
    ],
)
def test_pytorchs_spellings_are_answered_with_ours(call, said):
    with pytest.raises((AttributeError, TypeError), match=said):
        call(leaf(X))
    assert not hasattr(leaf(X), "view")


def test_an_argument_that_has_numpys_default_is_as_if_it_were_left_out():
    for call in (
        lambda x: np.sum(x, 0, None, None, True),
        lambda x: np.mean(x, axis=1, dtype=None, out=None),
        lambda x: np.max(x, 1, None, True),
        lambda x: np.take(x, [1, 0], axis=1, mode="raise"),
        lambda x: np.pad(x, 1, "constant"),
    ):
        np.testing.assert_array_equal(call(leaf(X)).numpy(), call(X), strict=True)
    for call, said in (
        (lambda x: np.sum(x, where=MASK), r"np\.sum of a Tensor takes \(a, axis, keepdims\): .* 'where'"),
        (lambda x: np.sum(x, 0, None, np.ones(3)), r"too many positional arguments"),
        (lambda x: np.take(x, [9], mode="wrap"), r"an unexpected keyword argument 'mode'"),
        (lambda x: np.concatenate([x, x], dtype=float), r"an unexpected keyword argument 'dtype'"),
    ):
        with pytest.raises(TypeError, match=said):
            call(leaf(X))
    with pytest.raises(ValueError, match='the order of elements is "C" or "F", got \'A\''):
        leaf(X).reshape(-1, order="A")


def test_what_norm_cannot_do_is_said():
    for call in (
        lambda x: np.linalg.norm(x, 2),
        lambda x: np.linalg.norm(x, "nuc"),
        lambda x: np.linalg.norm(x[0], "fro"),
    ):
        with pytest.raises(ValueError, match=r"norm of a Tensor over [12] axes has no ord="):
            call(leaf(X))


def test_a_truth_that_is_asked_for_within_a_trace_is_refused():
    with pytest.raises(TypeError, match=r"the truth of .* was asked for while a program is traced"):
        tg.trace(lambda x: x.sum() if (x > 0).any() else -x.sum(), X)
    program = tg.trace(lambda x: (x * np.any(x > 2, axis=0, keepdims=True)).sum(), X)
    assert "np.any(" in program.source
    assert program(X - 9.0)[0] == 0


def test_a_copy_stays_when_the_parameter_is_changed():
    for call in (np.copy, tg.Tensor.copy, tg.Tensor.flatten):
        for requires_grad in (True, False):
            x = tg.Tensor([1.0, 2.0], requires_grad)
            y = call(x)
            x.data[...] = 7.0
            assert y.numpy().tolist() == [1, 2]
            assert y.requires_grad is requires_grad
    mask = tg.Tensor([True, False])
    assert mask.copy().dtype == bool
