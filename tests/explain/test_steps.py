"""The steps of the backward pass: what they add up to is what backward() gives, bit for bit, and every formula that is
shown evaluates to the numbers beside it."""

import functools
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from ops_table import every_case
from small_graphs import leaf, random_graph

import tinygrad_edu as tg
from tinygrad_edu.explain.graph import Graph
from tinygrad_edu.explain.steps import steps

# --- the numbers ------------------------------------------------------------------------------------------------------


def test_the_steps_of_a_formula_are_those_done_by_hand():
    x, y = leaf(2.0, "x"), leaf(-3.0, "y")
    f = (x * y + x).tanh()
    f.name = "f"
    slope = 1 - np.tanh(-4) ** 2
    found = [
        (step.number, step.name, step.op, step.expression, share.to, share.formula, share.use, share.uses, share.value)
        for step in f.steps()
        for share in step.shares
    ]
    assert [row[:-1] for row in found] == [
        (1, "f", "tanh", "np.tanh(v2)", "v2", "d_f * (1 - f * f)", 1, 1),
        (2, "v2", "add", "v1 + x", "v1", "d_v2", 1, 1),
        (2, "v2", "add", "v1 + x", "x", "d_v2", 1, 2),
        (3, "v1", "mul", "x * y", "x", "d_v1 * y", 2, 2),
        (3, "v1", "mul", "x * y", "y", "d_v1 * x", 1, 1),
    ]
    np.testing.assert_allclose([row[-1] for row in found], [slope, slope, slope, -3 * slope, 2 * slope], rtol=1e-9)
    *_, last = f.steps()
    assert last.shares[0].before == pytest.approx(slope, rel=1e-9)
    assert last.shares[0].after == pytest.approx(-2 * slope, rel=1e-9)
    assert last.shares[1].before is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(seed=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_what_the_steps_add_up_to_is_what_backward_gives_bit_for_bit(dtype, seed):
    loss, leaves = random_graph(np.random.default_rng(seed), dtype)
    before = [p.grad for p in leaves]
    totals, kept = {}, {}
    for step in loss.steps():
        assert np.array_equal(totals.get(step.node, step.g), step.g)  # complete when its turn comes
        if step.kept:
            kept[step.node] = step.g
        for share in step.shares:
            assert share.before is totals.get(share.parent)
            totals[share.parent] = share.after
    assert [p.grad for p in leaves] == before == [None] * 3  # a dry run
    found = tg.explain(loss).gradients
    loss.backward()
    for p in leaves:
        assert (p.grad is None) == (p not in totals)
        if p.grad is not None:
            assert p.grad.dtype == totals[p].dtype == found[p.name].dtype
            assert p.grad.tobytes() == totals[p].tobytes() == found[p.name].tobytes()
    for node, g in kept.items():
        assert node.grad.tobytes() == g.tobytes()


@every_case
def test_every_formula_evaluates_to_what_is_passed_on(name, f, reference, args):
    y = f(*[leaf(a) for a in args])
    for step in steps(y, np.random.default_rng(0).standard_normal(y.shape)):
        for share in step.shares:
            scope = values_of(step)
            for line in share.where:
                exec(line, scope)
            np.testing.assert_array_equal(eval(share.formula, scope), share.whole)
            assert step.note == ""
            if share.numbers:
                assert f"{eval(share.numbers, vars(tg.ops) | step.node.kwargs):.6g}" == f"{share.value:.6g}"


def values_of(step):
    node = step.node
    values = {step.called[id(p)]: getattr(p, "array", p) for p in node.parents if id(p) in step.called}
    values |= {step.called[id(p)]: p for p in node.kwargs.values() if id(p) in step.called}
    return {**vars(tg.ops), **node.kwargs, **values, step.name: node.array, f"d_{step.name}": step.g}


@given(x=st.floats(-30, 30), y=st.floats(-30, 30))
@settings(max_examples=100, deadline=None)
def test_a_calculator_finds_the_number_that_is_shown(x, y):
    a, b = leaf(x, "a"), leaf(y, "b")
    for step in ((a * b).tanh() * a / (b * b + 0.5) + (a - b).sigmoid() ** 3).steps():
        for share in step.shares:
            shown = f"{share.value + 0.0:.6g}"  # 0 for -0.0
            if share.numbers:
                text = " ".join(str(share).split())
                assert f"= {share.numbers} = {shown}" in text or share.numbers == shown
                assert f"{eval(share.numbers) + 0.0:.6g}" == shown
                assert not set(re.findall(r"[a-z]\w*", share.numbers)) - {"e"}
            else:
                assert re.fullmatch(r"d_\w+", share.formula)


def test_where_a_formula_has_own_values_of_the_op_only_those_needed_are_explained():
    (step,) = tg.cross_entropy(leaf([[1.0, 2.0], [3.0, 4.0]], "z"), np.array([0, 1])).steps()
    (share,) = step.shares
    assert share.formula == "(e / total - one_hot) * (d_loss / len(z))"
    assert share.where == [
        "one_hot = labels[:, None] == np.arange(z.shape[1])",
        "s = z - z.max(axis=1, keepdims=True)",
        "e = np.exp(s)",
        "total = e.sum(axis=1, keepdims=True)",
    ]
    (step,) = leaf(1.0, "z").sigmoid().steps()
    assert (step.shares[0].formula, step.shares[0].where) == ("d_loss * loss * (1 - loss)", [])


def test_a_tensor_that_is_called_like_an_own_value_of_the_op_is_not_mistaken_for_it():
    total = leaf([[1.0, 2.0]], "total")
    (step,) = tg.cross_entropy(total, np.array([0])).steps()
    scope = values_of(step)
    for line in step.shares[0].where:
        exec(line, scope)
    np.testing.assert_array_equal(eval(step.shares[0].formula, scope), step.shares[0].value)
    assert np.array_equal(scope["total"], [[1.0, 2.0]])


def test_the_functions_that_a_formula_calls_are_explained_in_their_own_words():
    (step,) = leaf([1.0, 2.0], "x").sum().steps()
    (words,) = step.shares[0].helpers
    assert words.startswith("expand_back(g, a, axis, keepdims): g in the shape of a: ")
    assert words.split(": ", 1)[1] == tg.ops.expand_back.__doc__
    (step,) = leaf(1.0, "x").exp().steps()
    assert step.shares[0].helpers == []


@pytest.mark.parametrize(
    ("shape", "summed"), [((3,), (0,)), ((2, 1), (1,)), ((1, 3), (0,)), ((), (0, 1)), ((1, 1), (0, 1)), ((2, 3), ())]
)
def test_the_axes_that_broadcasting_stretched_are_named(shape, summed):
    b = leaf(np.ones(shape), "b")
    (step,) = (leaf(np.ones((2, 3)), "a") + b).steps(np.ones((2, 3)))
    share = step.shares[1]
    assert share.summed == summed
    assert share.whole.sum(axis=summed).size == share.value.size
    assert ("was broadcast to (2, 3)" in str(share)) == bool(summed)
    if summed:
        axes = "axis" if len(summed) == 1 else "axes"
        assert f"summed over {axes} {', '.join(map(str, summed))}: b {shape} was broadcast to (2, 3)" in str(share)


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_uses_of_a_shared_tensor_are_counted_with_the_value_before_and_after():
    x = leaf(3.0, "x")
    text = "\n".join(map(str, (x * x + x).steps()))
    assert [line.strip() for line in text.splitlines() if "use " in line] == [
        "use 1 of 3: 0 += 1 gives 1",
        "use 2 of 3: 1 += 3 gives 4",
        "use 3 of 3: 4 += 3 gives 7",
    ]
    w = leaf([3.0, 4.0], "w")
    text = "\n".join(map(str, (w + w).sum().steps()))
    assert "use 2 of 2, as norms: 1.414 += 1.414 gives 2.828" in text


def test_an_axis_that_was_added_is_named_even_where_there_is_nothing_to_sum():
    (step,) = (leaf(np.ones((1, 3)), "a") + leaf(np.ones(3), "b")).steps(np.ones((1, 3)))
    assert [share.summed for share in step.shares] == [(), (0,)]


def test_a_step_over_arrays_in_full():
    x, b = leaf([[1.0, 2.0], [3.0, 4.0]], "x"), leaf([5.0, 6.0], "b")
    first, second = (x * b).max().steps()
    assert str(first).splitlines()[:2] == [
        "1. loss = v.max()   [max]   loss = 24   d_loss = 1",
        "     d_v = expand_back(d_loss, v, None, False) * equal_shares(v == expand_back(loss, v, None,",
    ]  # and the rest on the next line
    assert "           expand_back(g, a, axis, keepdims): g in the shape of a: " in str(first)
    assert str(first).splitlines()[-1] == "         = (2, 2) [[0, 0], [0, 1]], norm 1"
    assert str(second).splitlines() == [
        "2. v = x * b   [mul]",
        "     v = (2, 2) [[5, 12], [15, 24]], norm 31.14",
        "     d_v = (2, 2) [[0, 0], [0, 1]], norm 1",
        "     d_x = d_v * b",
        "         = (2, 2) [[0, 0], [0, 6]], norm 6",
        "     d_b = d_v * x",
        "           summed over axis 0: b (2,) was broadcast to (2, 2)",
        "         = (2,) [0, 4], norm 4",
    ]
    (step,) = tg.cross_entropy(x, np.array([0, 1])).steps()
    assert [line.split("=")[0].strip() for line in str(step).splitlines()[2:6]] == [
        "where one_hot",
        "and s",
        "and e",
        "and total",
    ]


def test_the_markdown_has_the_sum_where_there_are_several_uses():
    x = leaf(3.0, "x")
    rows = tg.explain(x * x + x * 2).markdown().splitlines()
    assert "|  |  |  | x | `d_v1 * x` | `1 * 3 = 3` | 8 |" in rows
    assert "| 1 | `loss = v1 + v2` | 1 | v1 | `d_loss` | 1 |  |" in rows


def test_an_array_of_one_element_is_no_number():
    a, b = leaf(2.0, "a"), leaf([3.0], "b")
    (step,) = tg.einsum(",i->", a, b).steps()
    assert [share.numbers for share in step.shares] == [None, None]
    assert "d_a = einsum_share(d_loss, 0, (a, b), ',i->')" in str(step)


def test_an_op_from_a_prompt_is_shown_by_numbers_and_a_sentence():
    scope = {}
    exec("def cube(a):\n    return a**3, lambda g: g * 3 * a**2", scope)
    (step,) = tg.apply(scope["cube"], leaf(2.0, "x")).steps()
    assert step.expression == "cube(x)"
    assert (step.shares[0].formula, step.shares[0].numbers, step.shares[0].value) == (None, None, 12)
    assert "Numbers only: the source of cube cannot be read; define it in a file." in str(step)
    assert "d_x = 12" in str(step)


def branching(a):
    if a.ndim == 0:
        return a * 2, lambda g: g * 2
    return a, lambda g: g


def overwriting(a):
    a = a * 2
    return a * a, lambda g: 4 * g * a


def doubled(op):
    @functools.wraps(op)
    def run(a):
        return op(a)[0] * 2, lambda g: g * 2

    return run


@doubled
def decorated(a):
    return a, lambda g: g


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (branching, "branching is not straight-line"),
        (overwriting, "overwriting assigns to its argument a"),
        (decorated, "is not straight-line"),
        (lambda a: (a * 2, lambda g: g * 2), "is not straight-line"),
    ],
)
def test_an_op_that_cannot_be_written_down_is_shown_by_numbers_and_a_sentence(op, said):
    x = leaf(3.0, "x")
    y = tg.apply(op, x)
    found = tg.explain(y)
    assert said in str(found)
    assert said in found.markdown()
    assert found.steps[0].shares[0].formula is None
    y.backward()
    assert found.gradients["x"] == x.grad


def scaling(factor):
    def scale(a):
        return a * factor, lambda g: g * factor

    return scale


def test_an_op_that_was_made_by_a_function_is_shown_with_its_numbers():
    (step,) = tg.apply(scaling(5.0), leaf(2.0, "x")).steps()
    assert str(step).endswith("d_x = d_loss * factor = 1 * factor = 5")


def test_a_root_that_is_a_leaf_passes_nothing_on_and_keeps_its_gradient():
    x = leaf(2.0, "x")
    (step,) = x.steps()
    assert (step.op, step.kept, step.shares) == ("", True, [])
    found = tg.explain(x)
    assert found.gradients == {"x": 1}
    assert "x, a leaf" in str(found)
    assert "| x |" in found.markdown()


def test_a_retained_gradient_is_shown_as_kept():
    x = leaf(2.0, "x")
    h = (x * 3).retain_grad()
    found = tg.explain(h * h)
    assert "backward() keeps d_v in .grad" in str(found)
    assert found.gradients == {"x": 36, "v": 12}
    assert list(found.gradients) == ["v", "x"]
    assert str(found).endswith("d_x   36\n  d_v   12")  # as in the forward pass


@pytest.mark.parametrize("ask", [lambda t, *g: t.steps(*g), lambda t, *g: tg.explain(t, *g)])
def test_what_backward_refuses_is_refused_at_once(ask):
    x = leaf([1.0, 2.0], "x")
    with pytest.raises(ValueError, match=r"starts from a single number, this tensor has shape \(2,\)"):
        ask(x * 2)
    with pytest.raises(ValueError, match="grad has shape"):
        ask(x * 2, [1.0])
    with pytest.raises(RuntimeError, match="nothing here requires the gradient"):
        ask(tg.Tensor(1.0) * 2)
    y = (x * 2).sum()
    x.data[0] = 5.0
    with pytest.raises(RuntimeError, match="was changed after"):
        ask(y)
    ask(x * 2, [1.0, 1.0])


@pytest.mark.parametrize("ask", [tg.explain, steps, Graph])
@pytest.mark.parametrize("given", [3, tg.Linear(1, 1)])
def test_what_is_no_tensor_is_refused_with_a_sentence(ask, given):
    with pytest.raises(TypeError, match=f"got {type(given).__name__}, but only a Tensor has a graph: give the loss"):
        ask(given)


def test_a_helper_is_explained_where_it_is_used_first():
    a, b = leaf([1.0, 2.0], "a"), leaf([3.0, 4.0], "b")
    root = a.sum() * b.sum()
    text = str(tg.explain(root))
    assert text.count("expand_back(d_v") == 2
    assert text.count("expand_back(g, a, axis, keepdims): ") == 1
    assert str(tg.explain(root)) == text
    assert [str(step).count("expand_back(g, a") for step in root.steps()] == [0, 1, 1]


def test_nothing_is_computed_before_it_is_asked_for():
    called = []

    def counted(a):
        return a * 1, lambda g: called.append(1) or g * 1

    found = tg.apply(counted, tg.apply(counted, leaf(1.0))).steps()
    assert called == []
    next(found)
    assert called == [1]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_arrays_without_numbers(shape):
    x = leaf(np.zeros(shape), "x")
    found = tg.explain((x * 2).sum())
    assert found.gradients["x"].shape == shape
    assert f"d_x   {shape}, empty" in str(found)


def test_nan_and_infinity_are_shown_as_they_are():
    x = leaf([np.nan, np.inf, 1.0], "x")
    found = tg.explain((x * 2).sum())
    assert "(3,) [nan, inf, 1], norm nan" in str(found)
    y = leaf(np.nan, "y")
    assert "d_y   nan" in str(tg.explain(y * y))


def test_float32_stays_float32():
    x = leaf([1.0, 2.0], "x", np.float32)
    found = tg.explain((x * x).sum())
    assert found.gradients["x"].dtype == np.float32
    assert found.steps[0].g.dtype == np.float32
