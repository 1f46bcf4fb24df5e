"""debug(): the first NaN is found where it was made, dead units and ratios are counted, and outside nothing is left."""

import gc
import inspect
import threading
import weakref

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core.tensor import thread

X = np.random.default_rng(0).standard_normal((6, 4))
LABELS = np.array([0, 1, 1, 0, 1, 0])


def leaf(data, **kwargs):
    return tg.Tensor(data, requires_grad=True, **kwargs)


def here(lines=0):
    """file:line of the caller, so many lines further down."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + lines}, "


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert thread.op == ()


class Log(tg.Layer):
    where = here(+3)

    def forward(self, x):
        return tg.log(x)


# --- forward ----------------------------------------------------------------------------------------------------------


def test_the_first_infinity_is_named_with_its_op_layer_and_line():
    model = tg.Sequential(tg.Linear(2, 2), tg.Sequential(tg.ReLU(), Log()), tg.Tanh())
    model[0].W.data = np.eye(2)
    with pytest.raises(RuntimeError) as caught, tg.debug():
        model([[1.0, 3.0], [2.0, -1.0]])
    assert str(caught.value) == (
        "forward: log made -inf at [1, 1] (1 of 4 numbers), from numbers of 0 to 3, in layers.1.layers.1 (Log()) at "
        f"{Log.where}`return tg.log(x)`; log wants numbers above 0; cross_entropy and log_softmax take the logits and "
        "need no log of yours"
    )


def test_a_layer_that_is_used_alone_has_no_path():
    with pytest.raises(RuntimeError, match=r"log made -inf, from numbers of 0 to 0, in Log\(\) at "), tg.debug():
        Log()(leaf(0.0))


def test_outside_a_layer_the_line_alone_is_named_also_where_nothing_is_recorded():
    where = here(+2)
    with pytest.raises(RuntimeError) as caught, tg.debug(), tg.no_grad():
        tg.exp(leaf(1000.0))
    assert str(caught.value) == (
        f"forward: exp made inf, from numbers of 1000 to 1000, at {where}`tg.exp(leaf(1000.0))`; e^x overflows above "
        "709 (88 in float32); softmax, logsumexp and softplus do not"
    )


def test_a_nan_that_was_there_before_is_named_as_what_holds_it():
    model, data = tg.mlp([4, 3, 2], rng=0), X.copy()
    data[2, 1] = np.nan
    with (
        pytest.raises(
            RuntimeError, match=r"linear was given nan at \[2, 1\] \(1 of 24 .* argument 0, an array \(6, 4\)"
        ),
        tg.debug(),
    ):
        model(data)
    model.named_parameters()["layers.2.b"].data = [0.0, np.nan]
    with (
        pytest.raises(RuntimeError, match=r"was given nan at \[1\] .* of layers\.2\.b \(2,\), in layers\.2 \(Linear"),
        tg.debug(),
    ):
        model(X)


def test_an_infinity_of_the_users_own_is_let_through_and_the_nan_made_of_it_is_not():
    z = leaf([1.0, 2.0, 3.0])
    with tg.debug():
        masked = tg.where(np.array([True, False, True]), z, -np.inf)
        p = masked.softmax()
        (p * p).sum().backward()
    q = np.exp([1, 3]) / np.exp([1, 3]).sum()
    np.testing.assert_allclose(p.numpy(), [q[0], 0, q[1]], rtol=1e-12)
    assert np.isfinite(z.grad).all()
    with (
        pytest.raises(RuntimeError, match=r"sub made nan at \[1\] \(1 of 3 numbers\), from numbers of -inf to 3"),
        tg.debug(),
    ):
        masked - masked


# --- backward ---------------------------------------------------------------------------------------------------------


def half(a):
    """A derivative that is wrong where a is 0."""
    return a / 2, lambda g: g * a / (2 * a)


def test_a_nan_in_backward_is_named_with_the_line_of_the_forward_pass():
    x = leaf([1.0, 0.0])
    with tg.debug():
        where = here(+1)
        y = tg.apply(half, x)
        with pytest.raises(RuntimeError) as caught:
            (y * y).sum().backward()
    assert str(caught.value).startswith(
        f"backward: the derivative of half by argument 0 made nan at [1] (1 of 2 numbers), at {where}`y = tg.apply("
    )
    assert x.grad is None


def test_in_backward_the_right_argument_is_named():
    a, b = leaf([4.0]), leaf([1e-200])
    with pytest.raises(RuntimeError, match=r"of div by argument 1 made -inf .* a divisor is 0"), tg.debug():
        (a / b).backward()


def test_what_backward_was_given_and_what_adds_up_is_not_blamed_on_an_op():
    x = leaf([1.0])
    with (
        pytest.raises(RuntimeError, match=r"the gradient that came to mul holds nan .* or what backward\(\) was given"),
        tg.debug(),
    ):
        (x * 2).backward([np.nan])
    steep = lambda a: (a * 1, lambda g: g * 1e308)
    with tg.debug():
        y = x * 2
        with pytest.raises(RuntimeError, match=r"the gradient that came to mul holds inf .*: shares that add up"):
            (tg.apply(steep, y) + tg.apply(steep, y)).backward()


def test_a_graph_from_before_is_watched_as_far_as_it_can_be():
    y = tg.apply(half, leaf([0.0]))
    with (
        pytest.raises(RuntimeError, match=r"of half by argument 0 made nan at \[0\] .*, called before debug\(\);"),
        tg.debug(),
    ):
        (y * 2).sum().backward()


# --- plain arrays -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "what"),
    [
        (lambda x, a: x * a, r"argument 1 of mul, an array \(3,\)"),
        (lambda x, a: a - x, r"argument 0 of sub, an array \(3,\)"),
        (lambda x, a: tg.where(a > 0, x, a), r"argument 1 of where, an array \(3,\)"),
        (lambda x, a: x[a.astype(int)] * a, r"argument 1 of mul, an array \(3,\)"),
    ],
)
def test_a_plain_array_that_changed_between_forward_and_backward_is_refused(use, what):
    x, a = leaf([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0])
    with tg.debug():
        loss = use(x, a).sum()
        loss.backward()
        a[0] = 2
        with pytest.raises(RuntimeError, match=f"^{what}, was changed since the forward pass, at ") as caught:
            loss.backward()
    assert f"at {__file__}:{use.__code__.co_firstlineno}, " in str(caught.value)


@pytest.mark.parametrize("index", [lambda i: i, lambda i: (slice(None), i)])
def test_also_labels_and_indices(index):
    i, labels = np.array([0, 1]), LABELS.copy()
    with tg.debug():
        taken = leaf(X)[index(i)].sum()
        loss = tg.cross_entropy(leaf(X), labels)
        i[0] = labels[0] = 3
        with pytest.raises(RuntimeError, match=r"^index(\[1\])? of getitem, an array \(2,\)"):
            taken.backward()
        with pytest.raises(RuntimeError, match=r"^labels of cross_entropy, an array \(6,\)"):
            loss.backward()


# --- dead units and ratios --------------------------------------------------------------------------------------------


def test_units_are_dead_that_were_0_for_every_sample_of_every_batch():
    model = tg.Sequential(tg.Linear(4, 8, rng=3), tg.ReLU(), tg.Linear(8, 5, rng=4), tg.ReLU())
    model[0].b.data = [-9.0, -1, 0, 0, -1, 0, -9, 0]
    batches = [X, 3 * X[:2], -X]
    with tg.debug(show=False) as watch, tg.no_grad():
        for batch in batches:
            model(batch)
    x = np.concatenate(batches)
    hidden = np.maximum(x @ model[0].W.numpy() + model[0].b.numpy(), 0)
    last = np.maximum(hidden @ model[2].W.numpy() + model[2].b.numpy(), 0)
    assert watch.dead["layers.1"].tolist() == (hidden == 0).all(axis=0).tolist()
    assert watch.dead["layers.3"].tolist() == (last == 0).all(axis=0).tolist()
    assert 2 <= watch.dead["layers.1"].sum() < 8
    assert "14 samples" in watch.report()


def test_one_sample_and_more_axes_count_as_samples():
    with tg.debug(show=False) as watch:
        where = here(+1).removesuffix(", ")
        tg.relu(leaf([[[1.0, -1, -1], [-1, -1, -1]], [[-1, -1, 1], [1, -1, -1]]]))
        single = here(+1).removesuffix(", ")
        tg.relu(leaf([1.0, -1.0]))
    found = {name.partition(", ")[0]: dead.tolist() for name, dead in watch.dead.items()}
    assert found == {where: [False, True, False], single: [False, True]}


def test_the_ratio_is_the_length_of_the_step_over_that_of_the_weights():
    model = tg.mlp([4, 3, 2], rng=0)
    optimizer = tg.Adam(model, lr=0.05)
    optimizer.freeze("layers.2.b")
    expected = {"layers.0": [], "layers.2": []}
    with tg.debug(show=False) as watch:
        for _ in range(3):
            optimizer.zero_grad()
            tg.cross_entropy(model(X), LABELS).backward()
            before = model.state_dict()
            optimizer.step()
            for layer, ratios in expected.items():
                old = np.concatenate([before[f"{layer}.{name}"].ravel() for name in "Wb"])
                new = np.concatenate([model.state_dict()[f"{layer}.{name}"].ravel() for name in "Wb"])
                ratios.append(np.linalg.norm(new - old) / np.linalg.norm(old))
    assert watch.ratios == {layer: pytest.approx(ratios, rel=1e-12) for layer, ratios in expected.items()}
    rows = [line.split() for line in watch.report().splitlines()]
    assert rows[1] == ["layers.0", f"{np.median(expected['layers.0']):.2g}"]
    assert rows[2] == ["layers.1", "0", "of", "3"]
    assert rows[4][:2] == ["3", "steps,"]


def test_the_report_is_printed_at_the_end_if_there_is_one(capsys):
    with tg.debug() as watch:
        tg.relu(leaf([[1.0, -1.0]]))
        assert capsys.readouterr().out == ""
    assert capsys.readouterr().out == watch.report() + "\n"
    with tg.debug(show=False):
        tg.relu(leaf([1.0]))
    with tg.debug():
        leaf([1.0]) * 2
    with pytest.raises(RuntimeError, match="log made"), tg.debug():
        tg.log(tg.relu(leaf([0.0])))
    assert capsys.readouterr().out == ""


def test_layers_come_in_their_order():
    model = tg.Sequential(*[tg.ReLU() for _ in range(12)])
    with tg.debug(show=False) as watch:
        model(X)
    assert [line.split()[0] for line in watch.report().splitlines()[1:-1]] == [f"layers.{i}" for i in range(12)]


def test_weights_that_are_all_0_have_no_ratio():
    p = leaf([0.0], name="p")
    optimizer = tg.SGD([p], lr=0.5)
    with tg.debug(show=False) as watch:
        for _ in range(2):
            optimizer.zero_grad()
            p.sum().backward()
            optimizer.step()
    assert watch.ratios["p"] == [1]
    assert watch.report().splitlines()[1].split() == ["p", "1"]
    assert watch.report().splitlines()[2].startswith("2 steps (medians).")  # and no samples: there is no ReLU


def test_a_border_of_infinities_is_let_through():
    with tg.debug():
        assert leaf([1.0]).pad(1, constant_values=-np.inf).max().item() == 1


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_a_nan_out_of_nothing_is_named():
    with tg.debug(), pytest.raises(RuntimeError, match=r"forward: mean made nan at .0. .3 of 3 numbers., from nothing"):
        leaf(np.zeros((0, 3))).mean(axis=0)


# --- where it holds ---------------------------------------------------------------------------------------------------


def test_it_nests_survives_errors_and_decorates(capsys):
    watch = tg.debug(show=False)
    with watch, watch, tg.debug(show=False) as inner:
        tg.relu(leaf([1.0]))
    with watch:
        tg.relu(leaf([[1.0]]))
    assert [len(w.dead) for w in (watch, inner)] == [2, 1]

    @tg.debug()
    def f(x):
        return tg.relu(x).log()

    f(leaf([1.0, 2.0]))
    with pytest.raises(RuntimeError, match="log made -inf"):
        f(leaf([-1.0]))
    f(leaf([1.0, 2.0]))
    assert capsys.readouterr().out.count("1 sample.") == 2  # each call by itself


def test_it_holds_in_its_own_thread_only():
    seen = []

    def other():
        x = leaf([0.0, 1.0])
        p = leaf([1.0])
        with np.errstate(all="ignore"):
            tg.relu(x).log().backward(np.ones(2))
        optimizer = tg.SGD([p])
        p.sum().backward()
        optimizer.step()
        seen.append(True)

    with tg.debug(show=False) as watch:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [True]
    assert (watch.dead, watch.ratios) == ({}, {})


def test_numpys_warnings_are_silent_inside_only():
    with pytest.raises(RuntimeError, match="log made"), tg.debug():
        tg.log(leaf(0.0))
    with pytest.raises(RuntimeWarning, match="divide by zero"):  # as an error, which it is in these tests
        tg.log(leaf(0.0))


def test_watching_changes_no_bit():
    def weights():
        model = tg.mlp([4, 8, 2], dropout=0.2, rng=0)
        tg.fit(model, X, LABELS, epochs=3, batch_size=2, rng=0, progress=False)
        return model.state_dict()

    plain = weights()
    with tg.debug(show=False) as watch:
        watched = weights()
    assert len(watch.ratios["layers.0"]) == 9
    for name, value in plain.items():
        np.testing.assert_array_equal(watched[name], value)


def test_after_it_the_graph_goes_as_soon_as_the_loss():
    def learn(model):
        with tg.debug(show=False) as watch:
            hidden = model[0](X)
            loss = tg.cross_entropy(model[2](hidden), LABELS)
            loss.backward()
        seen = weakref.ref(hidden), weakref.ref(loss)
        del hidden, loss
        assert [ref() for ref in seen] == [None, None]
        assert watch._sites == {}

    gc.collect()
    gc.disable()
    try:
        learn(tg.mlp([4, 3, 2], rng=0))
    finally:
        gc.enable()
