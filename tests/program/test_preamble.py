"""Ops of one's own in a program: what they call stands above it, under names that clash with nothing."""

import math
from math import erf as error_function

import numpy as np
import numpy.linalg as la
import pytest
from numpy import tanh

import tinygrad_edu as tg

SCALE = 2.5
WIDE = (2, 3)
TABLE = np.array([1.0, 2.0])
v1, loss, d_x, W1 = 3.0, 0.25, 2.0, 5.0  # constants with names that a program gives to its values


def leaf(data, name=None):
    return tg.Tensor(data, requires_grad=True, name=name)


def check(op, *arrays, calls=(), **keywords):
    """The program of an op of one's own against the engine. calls are lines that have to stand above it."""
    inputs = [leaf(a, name) for a, name in zip(arrays, "xy")]
    weights = np.arange(1.0, 1.0 + inputs[0].size).reshape(inputs[0].shape)
    total = (tg.apply(op, *inputs, **keywords).exp() * weights).sum()
    total.backward()
    program = tg.trace(total)
    value, gradients = program()
    np.testing.assert_allclose(value, total.item(), rtol=1e-14)
    for t in inputs:
        np.testing.assert_allclose(gradients[t.name], t.grad, rtol=1e-14)
    head = program.source.partition("def backprop")[0].splitlines()
    for line in calls:
        assert line in head, program.source
    scope = {}
    exec(program.source, scope)
    assert "tinygrad" not in program.source
    return program


X, Y = [0.5, -1.0, 2.0], [1.0, 0.25, -0.5]


def softened(a, b):
    """y = a tanh b"""
    t = np.tanh(b)
    y = a * t
    return y, lambda g: g * t, lambda g: g * a * (1 - t * t)


def test_a_straight_line_function_of_ones_own_is_written_like_the_others():
    program = check(softened, X, Y)
    assert [str(line) for line in program.forward[:2]] == ["t = np.tanh(y)", "v1 = x * t"]
    assert str(program.backward[-1]) == "d_y = d_v1 * x * (1 - t * t)"


def slope(a: float, at: float = SCALE) -> float:
    """The slope there."""
    return twice(at) * a


def twice(a):
    return 2 * a


def scaled(a):
    return slope(a), lambda g: slope(g)


def test_the_functions_and_constants_that_it_calls_stand_above():
    program = check(scaled, X, calls=["SCALE = 2.5", "def twice(a):", "def slope(a, at=SCALE):"])
    assert "v1 = slope(x)" in program.source
    assert '    """The slope there."""' in program.source


def mixed(a):
    y = a * (v1 + loss + d_x + W1)
    return y, lambda g: g * (v1 + loss + d_x + W1)


def test_constants_with_the_names_of_values_get_others():
    program = check(mixed, X)
    head = program.source.partition("def backprop")[0]
    assert {line for line in head.splitlines() if "=" in line} == {
        "v12 = 3.0",
        "loss2 = 0.25",
        "d_x2 = 2.0",
        "W1 = 5.0",
    }


def shaped(a):
    y = a * math.sqrt(WIDE[1]) * la.norm(np.ones(WIDE)) * error_function(1.0) * tanh(1.0) * math.inf**0
    return y, lambda g: g * math.sqrt(WIDE[1]) * la.norm(np.ones(WIDE)) * error_function(1.0) * tanh(1.0)


def test_what_comes_with_python_or_numpy_is_imported():
    check(
        shaped,
        X,
        calls=[
            "import math",
            "import numpy as np",
            "import numpy.linalg as la",
            "from math import erf as error_function",
            "from numpy import tanh",
            "WIDE = (2, 3)",
        ],
    )


def made(k):
    shift = k / 2

    def power(a):
        return a * k + shift, lambda g: g * k

    return power


def test_what_a_closure_holds_is_a_constant_and_two_closures_hold_their_own():
    x = leaf(X, "x")
    total = (tg.apply(made(3.0), x) * tg.apply(made(4.0), x)).sum()
    total.backward()
    program = tg.trace(total)
    head = program.source.partition("def backprop")[0].splitlines()
    assert [line for line in head if "=" in line] == ["k = 3.0", "k2 = 4.0", "shift = 1.5", "shift2 = 2.0"]
    np.testing.assert_allclose(program()[1]["x"], x.grad, rtol=1e-14)


def through_ops(a):
    s = tg.ops.sigmoid(a)[0]
    return a * s, lambda g: g * (s + a * s * (1 - s))


def own_silu(a):
    s = own_sigmoid(a)[0]
    return a * s, lambda g: g * (s + a * s * (1 - s))


def own_sigmoid(a):
    y = 1 / (1 + np.exp(-a))
    return y, lambda g: g * y * (1 - y)


def test_of_an_op_that_it_calls_the_value_alone_is_written():
    program = check(own_silu, X, calls=["def own_sigmoid(a):", "    return 1 / (1 + np.exp(-a))"])
    assert "s = own_sigmoid(x)" in program.source


def test_an_op_that_reaches_into_this_package_imports_it():
    x = leaf(X, "x")
    source = tg.trace(tg.apply(through_ops, x).sum()).source
    assert source.startswith("import numpy as np\nimport tinygrad_edu as tg\n")


def with_keywords(a, *, rate, table, mode="fast", names=None):
    y = a * rate * table.sum() * len(mode)
    return y, lambda g: g * rate * table.sum() * len(mode)


def test_arrays_among_keywords_are_inputs_and_numbers_are_written():
    program = check(with_keywords, X, rate=0.5, table=TABLE)
    assert list(program.inputs) == ["table", "x1", "x"]
    assert "len('fast')" in program.source


def by_size(a, *, twice=True):
    factor = (2.0 if twice else 1.0) * (1.0 if a.sum() > 0 else -1.0)
    return a * factor, lambda g: g * factor


def test_a_choice_that_is_known_is_made_and_another_is_written():
    program = check(by_size, X)
    assert str(program.forward[0]) == "factor = 2.0 * (1.0 if x.sum() > 0 else -1.0)"


def with_flags(a, *, n=5, flag=False, axes=(1, 0), none=None, ratio=1e308):
    odd = (n & 1) + (n & 3) * 2
    k = ends(a, flag=flag) * np.linspace(0, 1, 3, endpoint=flag)[1] * (2 if axes is not None else 3)
    big = np.minimum(ratio / 1e-10, 2.0) + (3 if none is not None else 4)
    y = a * (k * odd * big)
    return (
        y,
        lambda g: g * (ends(a, flag=flag) * np.linspace(0, 1, 3, endpoint=flag)[1] * (n & 1) * k * odd * big) / k * 3,
    )


def ends(a, flag=True):
    return 1.0 if flag else 2.0


def test_what_is_said_by_a_keyword_stays_said():
    """flag=False is the default of nothing here; 5 & 1 is a number, not a truth."""
    program = check(with_flags, X)
    assert "ends(x, flag=False)" in program.source
    assert "endpoint=False" in program.source


def calls_of_all_kinds(a, *, n=5):
    m = a.reshape((3, 1), order="F").transpose().transpose() * np.array([[1.0, 2.0]])
    odd = np.mod(n, 2) + a.dot(2.0)[0] + np.ones((2, 2, 3)).dot(a)[1, 1] + np.flip(m=a)[0]
    where = np.greater(a, 0.0, where=np.array([True, False, True]), out=np.zeros(3, bool)) * 2.0
    y = m.sum(axis=1) * odd + where
    return y, lambda g: g * 3.0 * np.mod(n, 3)


def test_calls_that_only_look_like_those_that_are_written_shorter_stay_as_they_are():
    program = check(calls_of_all_kinds, X)
    for text in ('order="F")', "x.dot(2.0)", "3)).dot(x)", "np.flip(m=x)", "np.mod(5, 2)", "np.greater(x, 0.0, where="):
        assert text in program.source.replace("'", '"')


def recursive(a, n):
    return a if n == 0 else recursive(a * 0.5, n - 1)


def halved(a):
    y = recursive(a, 3)
    return y, lambda g: recursive(g, 3)


def test_a_helper_may_call_itself():
    check(halved, X, calls=["def recursive(a, n):", "    return a if n == 0 else recursive(a * 0.5, n - 1)"])


# --- what cannot be written down -------------------------------------------------------------------------------------


def from_a_table(a):
    y = a * TABLE[0]
    return y, lambda g: g * TABLE[0]


def with_an_object(a, *, thing):
    y = a * thing.n
    return y, lambda g: g * thing.n


class Thing:
    n = 2.0


def shadowing(a, g):
    return a * g, lambda d: d * g, lambda d: d * a


def two_steps(a):
    if a.size > 1:
        a = a * 2
    return a, lambda g: g


def overwrites(a):
    a = a * 2
    return a, lambda g: 2 * g


def random_op(a):
    y = a * np.random.random()
    return y, lambda g: g


def cached(f):
    return f


@cached
def decorated(a):
    return 2 * a


def calls_decorated(a):
    return decorated(a), lambda g: decorated(g)


@pytest.mark.parametrize(
    ("op", "keywords", "message"),
    [
        (from_a_table, {}, "^TABLE cannot be written down, it is of type ndarray: let it be an argument of the op$"),
        (with_an_object, {"thing": Thing()}, "^thing of with_an_object cannot be written down: it is no simple value$"),
        (two_steps, {}, "^two_steps is not straight-line"),
        (overwrites, {}, "^overwrites assigns to its argument a$"),
        (random_op, {}, "^the source of random_op does not give what it gave when it ran: is it random"),
        (calls_decorated, {}, "^the source of decorated cannot be read: define it with def, undecorated, in a file$"),
    ],
)
def test_what_cannot_be_written_down_is_refused_by_name(op, keywords, message):
    with pytest.raises(ValueError, match=message):
        tg.trace(tg.apply(op, leaf(X, "x"), **keywords).sum())


def test_an_op_that_calls_something_else_g_is_refused():
    with pytest.raises(
        ValueError, match=r"^shadowing has a g of its own, and that is what its gradient is called here$"
    ):
        tg.trace(tg.apply(shadowing, leaf(X), leaf(Y)).sum())


def test_an_op_without_a_source_is_refused():
    scope = {}
    exec("def typed(a): return a, lambda g: g", scope)
    with pytest.raises(ValueError, match=r"^the source of typed cannot be read; define it in a file$"):
        tg.trace(tg.apply(scope["typed"], leaf(X)).sum())


def test_a_helper_without_a_source_is_refused():
    scope = {"np": np}
    exec("def typed(a): return 2 * a", scope)
    global typed
    typed = scope["typed"]
    with pytest.raises(ValueError, match=r"^the source of typed cannot be read: define it with def"):
        tg.trace(tg.apply(calls_typed, leaf(X)).sum())


def calls_typed(a):
    return typed(a), lambda g: typed(g)


def scatter_add(a):
    return a * 2


def with_a_namesake(a):
    return scatter_add(a), lambda g: scatter_add(g)


def test_a_function_that_has_the_name_of_one_of_ours_keeps_both_right():
    f = lambda x: (tg.apply(with_a_namesake, x)[:1] ** 3).sum()
    np.testing.assert_allclose(tg.grad(f)([1.0, 2.0]), [24.0, 0.0])
    np.testing.assert_allclose(tg.hessian(f)([1.0, 2.0]), [[48.0, 0.0], [0.0, 0.0]])
