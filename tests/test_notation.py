"""How a graph is written down: the names of its values, and the formulas out of the ops' sources."""

import ast
import keyword

import numpy as np
import pytest
from test_ops import IDS, ROWS

import tinygrad_edu as tg
from tinygrad_edu import notation, ops
from tinygrad_edu.tensor import Tensor


def leaf(data, name=None):
    return tg.Tensor(data, requires_grad=True, name=name)


# --- the formulas -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "f", "reference", "args"), ROWS, ids=IDS)
def test_the_formulas_of_an_op_evaluate_to_what_the_op_returns(name, f, reference, args):
    y = f(*[leaf(a) for a in args])
    for node in notation.forward_order(y):
        recipe = notation.read(node.op)
        values = [p._data if isinstance(p, Tensor) else p for p in node.parents]
        scope = {**vars(ops), **recipe.defaults, **node.kwargs}
        scope |= {recipe.args[0]: values} if recipe.starred else dict(zip(recipe.args, values, strict=True))
        for line in recipe.lines:
            exec(ast.unparse(line), scope)
        np.testing.assert_array_equal(eval(ast.unparse(recipe.value), scope), node._data)
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
        notation.read(op)


def test_an_op_without_a_source_is_refused_by_name():
    scope = {}
    exec("def typed(a): return a, lambda g: g", scope)
    with pytest.raises(ValueError, match="the source of typed cannot be read"):
        notation.read(scope["typed"])


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
    assert ast.unparse(notation.renamed(before, names)) == expected
    assert ast.unparse(before) == text


# --- the names --------------------------------------------------------------------------------------------------------


def named(root):
    return list(notation.names(root).values())


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


def test_a_leaf_alone_has_its_name():
    assert named(leaf(1.0, "x")) == ["x"]


def test_the_order_is_that_of_the_computation():
    x = leaf(2.0)
    a = x * 3
    b = a + x
    assert notation.forward_order(b) == [a, b]
