"""Names for the values of a graph, and the formulas of its ops in these names."""

import ast
import gc
import keyword
import sys
import threading

import numpy as np
import pytest
from ops_table import every_case

import tinygrad_edu as tg
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.extras import ops
from tinygrad_edu.program.expressions import parsed, renamed, unparsed
from tinygrad_edu.program.names import forward_order, names, read
from tinygrad_edu.program.source import computed_as, written


def leaf(data, name=None):
    return tg.Tensor(data, requires_grad=True, name=name)


# --- the formulas -----------------------------------------------------------------------------------------------------


@every_case
def test_the_formulas_of_an_op_evaluate_to_what_the_op_returns(name, f, reference, args):
    y = f(*[leaf(a) for a in args])
    for node in forward_order(y):
        recipe = read(node.op)
        values = [p.array if isinstance(p, Tensor) else p for p in node.parents]
        scope = {**vars(ops), **recipe.defaults, **node.kwargs}
        scope |= {recipe.args[0]: values} if recipe.starred else dict(zip(recipe.args, values, strict=True))
        for line in recipe.lines:
            exec(ast.unparse(line), scope)
        np.testing.assert_array_equal(eval(ast.unparse(recipe.value), scope), node.array)
        scope["g"] = np.random.default_rng(0).standard_normal(node.shape)
        for i in [i for i, p in enumerate(node.parents) if isinstance(p, Tensor)]:
            vjp = node.vjps[i]
            np.testing.assert_array_equal(eval(ast.unparse(recipe.vjp(i)), scope), vjp(scope["g"]))


def two_steps(a):
    y = a * 2
    if True:
        y = y + 1
    return y, lambda g: 2 * g


def named_vjp(a):
    return a * 2, np.negative


def one_too_few(a, b):
    return a * b, lambda g: g * b


def nothing_else(a):
    return a


@pytest.mark.parametrize("op", [two_steps, named_vjp, one_too_few, nothing_else, lambda a: (a, lambda g: g)])
def test_an_op_that_is_not_straight_line_is_refused_by_name(op):
    with pytest.raises(ValueError, match="is not straight-line"):
        read(op)


def test_an_op_without_a_source_is_refused_by_name():
    scope = {}
    exec("def typed(a): return a, lambda g: g", scope)
    with pytest.raises(ValueError, match="the source of typed cannot be read"):
        read(scope["typed"])


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("a + b", {"a": "b", "b": "a"}, "b + a"),
        ("a * 2", {"a": "x + y"}, "(x + y) * 2"),
        ("[a for a in b]", {"a": "x", "b": "c"}, "[a for a in c]"),
        ("(lambda a: a + b)(a)", {"a": "x", "b": "c"}, "(lambda a: a + c)(x)"),
        ("a.a + f(a=a)", {"a": "x"}, "x.a + f(a=x)"),
    ],
)
def test_renaming_is_simultaneous_and_leaves_bound_names(text, names, expected):
    before = ast.parse(text, mode="eval").body
    assert ast.unparse(renamed(before, names)) == expected
    assert ast.unparse(before) == text


# --- the names --------------------------------------------------------------------------------------------------------


def named(root):
    return list(names(root).values())


def model(*sizes, **options):
    made = tg.mlp(list(sizes), rng=0, **options)
    made.named_parameters()
    return made


def test_a_classifier_has_the_names_of_a_textbook():
    loss = tg.cross_entropy(model(2, 3, 2)(np.ones((4, 2))), np.array([0, 1, 1, 0]))
    assert named(loss) == ["X", "W1", "b1", "z1", "h1", "W2", "b2", "z2", "labels", "loss"]


def test_a_single_layer_needs_no_numbers():
    loss = tg.mse_loss(tg.Linear(2, 1)(np.ones((4, 2))), np.ones((4, 1)))
    assert named(loss) == ["X", "W", "b", "z", "targets", "v1", "v2", "loss"]


def test_dropouts_masks_and_a_tensors_own_name_are_shown():
    x, y = leaf(np.ones((4, 2)), "x"), model(2, 3, 1, dropout=0.5)
    middle = y(x)
    middle.name = "score"
    assert named(middle.sum() * 2) == ["x", "W1", "b1", "z1", "h1", "mask", "v1", "W2", "b2", "score", "v2", "loss"]


def test_no_name_is_given_twice_and_every_name_is_python():
    awkward = ["v1", "v", "loss", "d_x", "np", "lambda", "2nd", "a b", "x", "x", "g", "z1"]
    parts = [leaf(1.0, name) for name in awkward]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    found = named(total)
    assert len(set(found)) == len(found) == len(awkward) + len(awkward) - 1
    assert all(name.isidentifier() and not keyword.iskeyword(name) and name not in ("np", "g") for name in found)
    assert not [name for name in found if name.startswith("d_")]


def test_a_name_that_somebody_gave_stays_and_one_that_was_made_gives_way():
    assert named((leaf(1.0, "v") + 1) * 2) == ["v", "v1", "loss"]
    assert named(leaf(1.0, "loss") * 2) == ["loss", "loss1"]
    assert named((leaf(1.0, "x") + leaf(1.0, "x")) * leaf(1.0, "x1")) == ["x2", "x3", "v", "x1", "loss"]
    W = leaf(np.ones((2, 2)), "W")
    assert named(((leaf(np.ones((2, 2)), "X") @ W) @ W).sum()) == ["X", "W", "z1", "z2", "loss"]
    assert named((leaf(np.ones((2, 2)), "X") @ np.ones((2, 2))).sum()) == ["X", "X1", "z", "loss"]


@pytest.mark.parametrize(("name", "called"), [(7, "t_7"), (("a", 1), "__a___1_"), ("", "x"), (None, "x")])
def test_a_name_may_be_anything(name, called):
    x = leaf(1.0, name)
    assert named(x * 2) == [called, "loss"]
    assert f"d_{called}" in str(tg.explain(x * 2))
    assert called in str((x * 2).graph())


def test_a_leaf_alone_has_its_name():
    assert named(leaf(1.0, "x")) == ["x"]


def test_the_order_is_that_of_the_computation():
    x = leaf(2.0)
    a = x * 3
    b = a + x
    assert forward_order(b) == [a, b]


def test_a_hundred_thousand_names():
    x = leaf(1.0, "x")
    y = x
    for _ in range(50_000):
        y = y * 1.0
    assert len(set(named(y))) == 50_001


def test_a_list_has_a_name():
    assert named((leaf([1.0, 2.0], "w") * [3.0, 4.0]).sum()) == ["w", "x", "v", "loss"]


def test_a_name_that_a_formula_calls_is_not_given_to_a_tensor():
    assert named(leaf([1.0], "expand_back") * leaf([1.0], "sigmoid") * leaf([1.0], "len")).count("expand_back_") == 1


# --- formulas in the names of a graph ---------------------------------------------------------------------------------

X = leaf([[1.0, 2.0], [3.0, 4.0]], "x")
S, HALF = leaf(2.0, "s"), leaf(0.5, "half")


def reassigned(a):
    y = np.exp(a)
    s = y * 2
    y = s + 1
    return y, lambda g: g * s


def renamed_twice(a):
    t = a
    u = t * 3
    t = u
    return t * t, lambda g: g * 2 * t * 3


def divided(a, b):
    return a * b, lambda g: g * (1 / b), lambda g: g


def masked(a, *, flag=True):
    y = a * 2
    return y, lambda g: g * 2 * (flag & (a > 0))


@pytest.mark.parametrize(
    ("y", "expression", "formula", "where"),
    [
        (S * 3, "s * 3", "d_loss * 3", []),
        (S**2, "s ** 2", "d_loss * 2 * s", []),
        (S**3, "s ** 3", "d_loss * 3 * s ** 2", []),
        (S**-1, "s ** (-1)", "d_loss * (-1) * s ** (-2)", []),
        (S**0.5, "s ** 0.5", "d_loss * 0.5 * base ** (-0.5)", ["base = np.where(s == 0, np.inf, s)"]),
        (2**S, "2 ** s", "d_loss * loss * np.log(2)", []),
        (0**S, "0 ** s", "d_loss * loss * np.log(np.where(s >= 0, 1, 0))", []),
        (S - -1, "s - (-1)", "d_loss", []),
        (S.clip(-np.inf, 3.0), "np.clip(s, -np.inf, 3.0)", "d_loss * ((s >= -np.inf) & (s <= 3.0))", []),
        (X.sum(), "x.sum()", "expand_back(d_loss, x, None, False)", []),
        (X.sum(axis=0), "x.sum(axis=0)", "expand_back(d_v, x, 0, False)", []),
        (X.sum(axis=(0, 1)), "x.sum(axis=(0, 1))", "expand_back(d_loss, x, (0, 1), False)", []),
        (X.mean(), "x.mean()", "expand_back(d_loss / 4, x, None, False)", []),
        (X.mean(axis=1), "x.mean(axis=1)", "expand_back(d_mean / 2, x, 1, False)", []),
        (X.softmax(), "softmax(x)", "p * (d_p - (d_p * p).sum(axis=-1, keepdims=True))", []),
        (X.softmax(axis=0), "softmax(x, axis=0)", "p * (d_p - (d_p * p).sum(axis=0, keepdims=True))", []),
        (S.leaky_relu(0.3), "np.where(s > 0, s, 0.3 * s)", "np.where(s > 0, d_loss, 0.3 * d_loss)", []),
        (X.T, "x.T", "d_v.T", []),
        (X.transpose(1, 0), "x.transpose((1, 0))", "d_v.transpose((1, 0))", []),
        (X[0:1], "x[0:1]", "scatter_add(d_v, x, np.s_[0:1])", []),
        (X[1, ::2], "x[1, ::2]", "scatter_add(d_loss, x, np.s_[1, ::2])", []),
        (X[[0, 1, 1]], "x[[0, 1, 1]]", "scatter_add(d_v, x, [0, 1, 1])", []),
        (X[..., None], "x[..., None]", "scatter_add(d_v, x, (..., None))", []),
        (X[[0] * 9], "x[index]", "scatter_add(d_v, x, index)", []),
        (X[[0] * 9, 0], "x[index]", "scatter_add(d_v, x, index)", []),
        (tg.apply(reassigned, S), "reassigned(s)", "d_loss * s_", ["y = np.exp(s)", "s_ = y * 2"]),
        (tg.apply(renamed_twice, S), "renamed_twice(s)", "d_loss * 2 * u * 3", ["u = s * 3"]),
        (tg.apply(divided, HALF, 0), "half * 0", "d_loss * (1 / 0)", []),
        (tg.apply(masked, S), "s * 2", "d_loss * 2 * (s > 0)", []),
        (tg.apply(masked, S, flag=False), "s * 2", "d_loss * 2 * False", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_expression_is_short_and_in_the_names_of_the_graph(y, expression, formula, where):
    called = names(y)
    assert computed_as(y, called) == expression
    i = next(i for i, p in enumerate(y.parents) if isinstance(p, Tensor))
    found = written(y, read(y.op).vjp(i), called)
    assert str(found) == formula
    assert [f"{name} = {unparsed(value)}" for name, value in found.where] == where


@pytest.fixture
def many_switches():
    """Threads take turns also while a tree is built, as the garbage collector then runs code of Python."""
    often, threshold, callback = sys.getswitchinterval(), gc.get_threshold(), lambda *_: sum(range(50))
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    gc.callbacks.append(callback)
    yield
    gc.callbacks.remove(callback)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(often)


def test_threads_that_read_source_do_not_count_the_depth_of_each_others_trees(many_switches):
    text = "def f(a, b):\n    return [x + 1 for x in (a, b) if x > 1]\n" * 30
    expected, failed = ast.dump(ast.parse(text)), []

    def run():
        for _ in range(40):
            try:
                assert ast.dump(parsed(text)) == expected
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
