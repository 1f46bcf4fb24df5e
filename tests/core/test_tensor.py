"""The engine: the graph, the order of the backward pass, what is kept, what is refused."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core.tensor import Observer, backward_pass, unbroadcast


def leaf(data, **kwargs):
    return tg.Tensor(data, requires_grad=True, **kwargs)


# --- the order, and sums over paths ------------------------------------------------------------------------------


def test_a_shared_node_is_visited_once():
    calls = []

    def twice(a):
        def vjp(g):
            calls.append(1)
            return 2 * g

        return a + a, vjp

    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = tg.apply(twice, y)
        y = y + y
    y.backward()
    assert len(calls) == 60
    assert x.grad == 4.0**60


def test_a_graph_100000_deep_goes_backward_and_away():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1
    del y


def test_backward_starts_from_1_for_any_shape_of_a_single_number():
    for shape in ((), (1,), (1, 1)):
        x = leaf(np.full(shape, 2.0))
        (x * 3).backward()
        np.testing.assert_array_equal(x.grad, np.full(shape, 3.0), strict=True)


def test_a_second_backward_adds_exactly_the_same_again():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    loss = ((x * w).tanh() * x).sum()
    loss.backward()
    once = x.grad.copy(), w.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * once[0])
    np.testing.assert_array_equal(w.grad, 2 * once[1])


def test_all_paths_through_a_diamond_add_up():
    x = leaf(3.0)
    a, b = x * 2, x * x
    (a * b + a).backward()  # 2 x³ + 2 x
    assert x.grad == 6 * 9 + 2


def test_a_leaf_that_is_its_own_root_gets_its_gradient():
    x = leaf([1.0, 2.0])
    x.backward([5.0, 7.0])
    assert x.grad.tolist() == [5, 7]


def test_gradients_land_in_place():
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    memory = x.grad
    (x * 4).sum().backward()
    assert x.grad is memory
    assert x.grad.tolist() == [7, 7]


RULES = [lambda a, b: a + b, lambda a, b: (a * b).tanh(), lambda a, b: a.sigmoid() - b, lambda a, b: a.sum() * b]


def test_random_graphs_with_shared_nodes_agree_with_differences():
    rng = np.random.default_rng(1)
    for _ in range(20):
        plan = [(rng.integers(4), rng.integers(100, size=2)) for _ in range(rng.integers(3, 20))]

        def f(x, y, plan=plan):
            nodes = [x, y, x * y]
            for op, (i, j) in plan:
                a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
                nodes.append(RULES[op](a, b))
            return nodes[-1].sum() + nodes[-2].mean()

        assert tg.gradcheck(f, rng.standard_normal((2, 3)) / 2, rng.standard_normal(3) / 2).error < 1e-6


def test_walk_yields_every_use_of_a_leaf_and_the_shares_add_up():
    x, y = leaf(2.0), leaf(3.0)
    product = (x * y).retain_grad()
    shares = [
        (node.op.__name__, parent, float(g)) for node, _, parent, g, _ in backward_pass(product + x, np.float64(1))
    ]
    assert shares == [("add", product, 1), ("add", x, 1), ("mul", product, 1), ("mul", x, 3), ("mul", y, 2)]


def test_walk_tells_what_a_vjp_returned_before_broadcasting_was_undone():
    b = leaf([1.0, 2.0])
    ((node, g, parent, share, whole),) = backward_pass(np.ones((3, 2)) * b, np.ones((3, 2)))
    assert (node.op.__name__, parent, share.tolist(), whole.shape, g.shape) == ("mul", b, [3, 3], (3, 2), (3, 2))


# --- what is kept -------------------------------------------------------------------------------------------------


def test_nothing_is_recorded_unless_something_requires_a_gradient():
    y = tg.Tensor([1.0]) * 2 + 3
    assert y.parents == ()
    assert not y.requires_grad
    with tg.no_grad():
        z = leaf([1.0]) * 2
    assert z.parents == ()
    assert (leaf([1.0]) * 2).requires_grad


def test_no_grad_nests_survives_errors_and_decorates():
    @tg.no_grad()
    def double(x):
        with tg.no_grad():
            pass
        return x * 2

    assert not double(leaf(1.0)).requires_grad
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert (leaf(1.0) * 2).requires_grad


class Everything(tg.Layer):
    """Every layer and activation, and forward() keeps what it computed."""

    def __init__(self):
        kinds = (tg.ReLU, tg.LeakyReLU, tg.Tanh, tg.Sigmoid, tg.Softplus, tg.Softmax, tg.Flatten)
        self.all = tg.Sequential(
            *(kind() for kind in kinds),
            tg.Linear(3, 4, rng=0),
            tg.Dropout(0.5, rng=0),
            tg.LayerNorm(4),
            tg.BatchNorm1d(4),
        )

    def forward(self, x):
        return self.all(x)


def cube(a):
    return a**3, lambda g: g * 3 * a**2


def broken(a):
    return a * 1, lambda g: g[:, :1, None]


def learn(x):
    loss = tg.mse_loss(Everything()(x), np.ones((5, 4)))
    loss.backward()
    return loss


def learn_with_retain_grad(x):
    h = (x * 2).retain_grad()
    (h * h).sum().backward()
    assert h.grad.shape == h.shape
    return h


def learn_with_an_op_of_ones_own(x):
    h = tg.apply(cube, x)
    h.sum().backward()
    return h


def learn_under_debug(x):
    with tg.debug(show=False):
        return learn(x)


def learn_twice(x):
    loss = learn(x)
    loss.backward()
    return loss


def fail_in_backward(x):
    h = tg.apply(broken, x)
    try:
        h.sum().backward()
    except RuntimeError as error:
        return h if "returned a gradient of shape" in str(error) else None


def fail_in_a_layer(x):
    h = x * 2
    try:
        tg.Sequential(tg.Tanh(), Everything(), tg.Linear(3, 2))(h)
    except ValueError as error:
        return h if "layers.2" in str(error) else None


def ask_for_grad(x):
    h = x * 2
    try:
        h.grad  # noqa: B018
    except RuntimeError as error:
        return h if "retain_grad" in str(error) else None


@pytest.mark.parametrize(
    "use",
    [
        learn,
        learn_twice,
        learn_with_retain_grad,
        learn_with_an_op_of_ones_own,
        learn_under_debug,
        fail_in_backward,
        fail_in_a_layer,
        ask_for_grad,
    ],
)
def test_dropping_the_loss_frees_everything_at_once(use):
    """Every Tensor that was made on the way, and the arrays that the VJPs hold."""
    use(leaf(np.ones((5, 3))))  # what is loaded and compiled at the first time
    gc.collect()
    gc.disable()
    try:
        before = {id(t) for t in gc.get_objects() if type(t) is tg.Tensor}
        x = leaf(np.ones((5, 3)))
        last = weakref.ref(use(x).sum())
        kept = [t for t in gc.get_objects() if type(t) is tg.Tensor and id(t) not in before and t is not x]
        assert len(kept) == 0
        assert last() is None
    finally:
        gc.enable()


def test_retain_grad_keeps_the_whole_gradient_of_a_computed_tensor():
    x = leaf(3.0)
    h = (x * 2).retain_grad()
    (h * h + h).backward()
    assert h.grad == 2 * 6 + 1
    assert x.grad == 26
    with pytest.raises(RuntimeError, match="requires no gradient"):
        tg.Tensor(1.0).retain_grad()


def test_detach_is_a_constant_copy():
    x = leaf([1.0, 2.0])
    d = (x * 2).detach()
    (d * x).sum().backward()
    assert x.grad.tolist() == [2, 4]
    d.data[0] = 9
    assert x.data[0] == 1


def test_numpy_is_a_copy_and_a_tensor_owns_its_data():
    array = np.array([1.0, 2.0])
    x = tg.Tensor(array)
    array[0] = 9
    x.numpy()[1] = 9
    assert x.data.tolist() == [1, 2]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.data.__setitem__(slice(None), 10 * x.data),
        lambda x: x.data.__imul__(10),
        lambda x: setattr(x, "data", [10.0, 20.0, 30.0]),
        lambda x: x.data[1:].fill(0),
    ],
)
def test_data_that_a_graph_needs_was_changed_is_refused_by_name(change):
    x = leaf([1.0, 2.0, 3.0], name="weights")
    loss = (x * x).sum()
    change(x)
    with pytest.raises(RuntimeError, match=r"weights \(3,\) was changed after the result of mul"):
        loss.backward()


def test_a_changed_constant_and_a_changed_view_are_refused():
    x, c = leaf([1.0, 2.0]), tg.Tensor([3.0, 4.0], name="c")
    loss = (x * c).sum()
    c.data[0] = 5
    with pytest.raises(RuntimeError, match=r"c .* was changed"):
        loss.backward()

    view = x.data[:1]
    loss = (x * x).sum()
    view[0] = 7
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()


def test_an_optimizer_step_between_forward_and_backward_is_refused():
    x = leaf([1.0, 2.0])
    optimizer = tg.SGD([x], lr=0.1)
    first, second = (x * x).sum(), (x * x).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="was changed"):
        second.backward()


def test_reading_data_or_changing_it_before_the_graph_is_fine():
    x = leaf([1.0, 2.0])
    x.data[0] = 3
    loss = (x * x).sum()
    assert x.data.sum() == 5
    loss.backward()
    assert x.grad.tolist() == [6, 4]
    x.data -= 0.5 * x.grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 4]


def test_a_result_cannot_be_written_into():
    y = leaf([1.0, 2.0]).sigmoid()
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5
    with pytest.raises(RuntimeError, match="is computed"):
        y.data = [1.0, 2.0]


def test_a_view_that_was_kept_is_watched_also_after_new_data():
    x = leaf([1.0, 2.0])
    view = x.data
    x.data = [3.0, 4.0]
    loss = (x * x).sum()
    view[0] = 100
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()


def test_without_a_record_a_result_is_no_view():
    c, w = tg.Tensor([1.0, 2.0]), leaf([1.0, 2.0])
    d = c.reshape(2, 1)
    with tg.no_grad():
        old = w[:1]
    c.data, w.data = [7.0, 7.0], [7.0, 7.0]
    assert d.numpy().tolist() == [[1], [2]]
    assert old.numpy().tolist() == [1]


def test_gradcheck_between_forward_and_backward_changes_nothing():
    w = leaf([1.0, 2.0])
    loss = (w * w).sum()
    tg.gradcheck(lambda w: w.exp(), w)
    loss.backward()
    assert w.grad.tolist() == [2, 4]


def test_two_leaves_do_not_share_one_gradient_array():
    a, b = leaf([1.0]), leaf([2.0])
    for _ in range(2):
        (a + b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([2], [2])


def test_no_grad_holds_in_its_own_thread_only():
    inside, leave, seen = threading.Event(), threading.Event(), []

    def other():
        with tg.no_grad():
            inside.set()
            leave.wait(10)
            seen.append((leaf(1.0) * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert (leaf(1.0) * 2).requires_grad
    leave.set()
    thread.join()
    assert seen == [False]


def test_threads_may_share_a_function_without_recording():
    here, there, left, seen = threading.Event(), threading.Event(), threading.Event(), {}

    @tg.no_grad()
    def meet(mine, others):
        mine.set()
        assert others.wait(10)

    def records():
        meet(here, there)
        seen["one that records"] = (leaf(1.0) * 2).requires_grad
        left.set()

    def records_nothing():
        with tg.no_grad():
            assert here.wait(10)
            meet(there, left)
            seen["one that does not"] = (leaf(1.0) * 2).requires_grad

    threads = [threading.Thread(target=function) for function in (records, records_nothing)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"one that records": True, "one that does not": False}


def test_an_observer_of_ops_is_told_in_a_thread_while_another_has_left_it():
    told = []

    class Names(Observer):
        def op(self, out, args, kwargs):
            told.append(out.op.__name__)

    def other():
        with names:
            leaf(1.0).exp()

    with (names := Names()):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        leaf(1.0).tanh()
    leaf(1.0).log()
    assert told == ["exp", "tanh"]


def test_parameters_that_are_given_one_array_do_not_share_it_as_their_gradient():
    a, b, given = leaf([1.0]), leaf([1.0]), np.zeros(1)
    a.grad = b.grad = given
    (a + b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist(), given.tolist()) == ([1], [1], [0])
    a.grad = np.broadcast_to(2.0, 1)  # which cannot be written into
    a.sum().backward()
    assert a.grad.tolist() == [3]
    held = a.grad
    a.grad *= 2
    assert a.grad is held


def test_an_op_that_returns_its_second_argument_leaves_it_writable():
    array = np.array([1.0, 2.0])
    tg.apply(lambda a, b: (b, lambda g: 0 * g, lambda g: g), leaf([1.0, 1.0]), array)
    array[0] = 5
    assert array.flags.writeable


def test_an_op_that_is_not_one_is_refused_by_name():
    def forgetful(a):
        return a * 2

    def loose(a):
        return a * 2, lambda g: 2.0

    with pytest.raises(TypeError, match=r"forgetful has to return \(value, VJP, ...\), got ndarray"):
        tg.apply(forgetful, leaf([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"a VJP of the result of loose \(1,\) returned float, not an array"):
        tg.apply(loose, leaf([1.0])).backward()


def test_a_tensor_is_made_in_the_dtype_that_is_asked_for():
    for dtype in (np.float32, "float64", np.int8, bool):
        np.testing.assert_array_equal(tg.Tensor([0.0, 1.0], dtype=dtype).numpy(), np.array([0, 1], dtype), strict=True)
    ours = np.ones(2, np.float32)
    x = tg.Tensor(ours, requires_grad=True, dtype=np.float32)
    x.data[0] = 5
    assert ours[0] == 1  # copied all the same
    with pytest.raises(TypeError, match="only float32 and float64 can require a gradient"):
        tg.Tensor([1.0], requires_grad=True, dtype=int)
    with pytest.raises(TypeError, match="expected real numbers, got ndarray of dtype complex128"):
        tg.Tensor([1.0], dtype=complex)


def test_methods_refuse_what_would_lose_a_gradient_or_has_no_meaning():
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match="would lose the gradient"):
        x.astype(int)
    with pytest.raises(ValueError, match="matmul takes vectors and matrices"):
        x @ tg.Tensor(2.0)


def test_linear_takes_a_batch_of_any_number_of_axes():
    rng = np.random.default_rng(0)
    for shape in [(3,), (3, 3), (3, 3, 3)]:
        tg.gradcheck(tg.linear, rng.standard_normal(shape), rng.standard_normal((3, 2)), rng.standard_normal(2))


def test_an_op_that_returns_its_argument_leaves_the_leaf_writable():
    x = leaf([1.0, 2.0])
    tg.apply(lambda a: (a, lambda g: -g), x).sum().backward()
    x.data[0] = 5
    assert x.grad.tolist() == [-1, -1]


def test_backward_refuses_what_it_cannot_start_from():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"has shape \(2,\): reduce it"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"grad has shape \(3,\), the tensor has \(2,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="no_grad"):
        tg.Tensor(1.0).backward()
    tg.Tensor([[3.0]], requires_grad=True).sum(axis=0).backward()  # one number, whatever its shape


def test_a_misspelt_attribute_raises():
    x = leaf(1.0)
    with pytest.raises(AttributeError):
        x.gard  # noqa: B018
    with pytest.raises(AttributeError):
        x.require_grad = True


@pytest.mark.parametrize("data", [[1, 2], np.arange(3), True, np.float16(1)])
def test_only_floats_can_require_a_gradient(data):
    with pytest.raises(TypeError, match="only float32 and float64"):
        leaf(data)
    assert tg.Tensor(data).numpy().tolist() == np.asarray(data).tolist()


@pytest.mark.parametrize("data", ["abc", [None], [1j], {"a": 1}])
def test_what_is_not_real_numbers_is_refused(data):
    with pytest.raises(TypeError, match="expected real numbers"):
        tg.Tensor(data)
    with pytest.raises(TypeError, match="expected real numbers"):
        tg.Tensor(1.0) + data


def test_an_op_with_too_few_vjps_or_a_wrong_shape_is_named():
    def lazy(a, b):
        return a * b, lambda g: g * b

    def crooked(a):
        return a * 1, lambda g: np.ones(7)

    with pytest.raises(TypeError, match="lazy took 2 arguments and returned 1 VJPs"):
        tg.apply(lazy, leaf(1.0), leaf(2.0))
    with pytest.raises(RuntimeError, match=r"crooked \(3,\) returned a gradient of shape \(7,\).*shape \(3,\)"):
        tg.apply(crooked, leaf(np.ones(3))).sum().backward()


def test_new_data_that_the_dtype_cannot_hold_are_refused_and_nothing_is_cut_off():
    whole = tg.Tensor([1, 2])
    with pytest.raises(TypeError, match=r"holds int64, the new data float64"):
        whole.data = [1.5, 2.0]
    assert whole.numpy().tolist() == [1, 2]
    single = tg.Tensor(np.float32([1, 2]))
    single.data = [1, 2.5]
    assert single.dtype == np.float32
    assert single.numpy().tolist() == [1, 2.5]


def test_new_data_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"w \(2,\) has shape \(2,\), the new data has \(3,\)"):
        leaf([1.0, 2.0], name="w").data = np.ones(3)


@pytest.mark.parametrize(("shape", "small"), [((4, 3), (3,)), ((2, 4, 3), (4, 1)), ((5,), ()), ((2, 1, 3), (1, 1, 1))])
def test_unbroadcast_sums_what_broadcasting_copied(shape, small):
    g = np.random.default_rng(0).standard_normal(shape)
    expected = np.zeros(small)
    for index in np.ndindex(shape):  # every element of g came from one element of the small array
        source = tuple(i if n > 1 else 0 for i, n in zip(index[len(shape) - len(small) :], small))
        expected[source] += g[index]
    np.testing.assert_allclose(unbroadcast(g, small), expected, rtol=1e-14, atol=1e-15, strict=True)


@pytest.mark.parametrize(("shape", "small"), [((3,), (4,)), ((3,), (2, 3)), ((4, 3), (2, 3))])
def test_unbroadcast_refuses_what_broadcasting_cannot_have_made(shape, small):
    with pytest.raises(RuntimeError, match="returned a gradient of shape"):
        unbroadcast(np.ones(shape), small)


# --- NumPy and Python around it --------------------------------------------------------------------------------------


def test_numbers_and_arrays_work_from_the_left():
    t, a = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    for got, expected in [
        (2 + t, [3, 4]),
        (2 - t, [1, 0]),
        (2 * t, [2, 4]),
        (2 / t, [2, 1]),
        (2**t, [2, 4]),
        (a + t, [4, 6]),
        (a - t, [2, 2]),
        (a * t, [3, 8]),
        (a / t, [3, 2]),
        (a**t, [3, 16]),
        (a @ t, 11),
        (np.float64(3) * t, [3, 6]),
        (t.__radd__([1.0, 1.0]), [2, 3]),
    ]:
        assert isinstance(got, tg.Tensor)
        assert got.requires_grad
        assert got.numpy().tolist() == expected


def test_numpys_functions_give_tensors_or_refuse_by_name():
    t = leaf([[1.0, 4.0]])
    for got, expected in [
        (np.exp(t), np.exp([[1, 4]])),
        (np.sqrt(t), [[1, 2]]),
        (np.maximum(t, 2), [[2, 4]]),
        (np.sum(t, axis=1), [5]),
        (np.mean(t), 2.5),
        (np.clip(t, 2, 3), [[2, 3]]),
        (np.where(t > 2, t, 0.0), [[0, 4]]),
        (np.concatenate([t, t]), [[1, 4], [1, 4]]),
        (np.stack([t, t]).reshape(-1), [1, 4, 1, 4]),
        (np.transpose(t), [[1], [4]]),
        (np.matmul(t, np.ones((2, 1))), [[5]]),
    ]:
        assert isinstance(got, tg.Tensor)
        assert got.requires_grad
        np.testing.assert_array_equal(got.numpy(), expected)
        assert got.shape == np.shape(expected)
    assert np.argmax(t) == 1
    assert np.ndim(t) == 2
    assert np.shape(t) == (1, 2)
    assert np.isfinite(t).all()
    for call, name in [
        (lambda: np.spacing(t), "np.spacing"),
        (lambda: np.add.reduce(t), "np.add.reduce"),
        (lambda: np.linalg.eigh(t), r"np\.linalg\.eigh"),
        (lambda: np.sort(t, order="x"), r"np\.sort of a Tensor takes \(a, axis, kind, stable\).*'order'"),
        (lambda: np.sum(t, dtype=np.float32), r"np\.sum of a Tensor takes \(a, axis, keepdims\).*'dtype'"),
        (
            lambda: np.var(t, 0, np.float32),
            r"np\.var of a Tensor takes \(a, axis, ddof, keepdims\): too many positional",
        ),
        (lambda: np.einsum("ij->ji", t, casting="safe"), r"np\.einsum.*'casting'"),
        (lambda: np.mean(t, out=np.zeros(())), r"np\.mean.*'out'; use t\.numpy\(\)"),
        (lambda: np.where(t, 1.0), r"where takes \(condition\) or \(condition, a, b\), got 2"),
        (lambda: np.exp(t, out=np.zeros((1, 2))), "np.exp"),
    ]:
        with pytest.raises(TypeError, match=name):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.expm1(x),
        lambda x: np.log1p(x),
        lambda x: np.sin(x),
        lambda x: np.cos(x),
        lambda x: np.square(x),
        lambda x: np.reciprocal(x),
        *[
            lambda x, f=f, k=keywords: f(x, **k)
            for f in (np.sum, np.mean, np.var, np.std, np.prod, np.max, np.min, np.linalg.norm)
            for keywords in ({}, {"axis": 0}, {"axis": (0, 1), "keepdims": True})
        ],
        lambda x: np.sum(x, 1),
        lambda x: np.var(x, 1, ddof=1),
        lambda x: np.std(x, 1, ddof=1),
        lambda x: np.cumsum(x),
        lambda x: np.cumsum(x, axis=1),
        lambda x: np.clip(x, 1.5, 3),
        lambda x: np.clip(x, None, 3),
        lambda x: np.reshape(x, (3, 2)),
        lambda x: np.reshape(x, -1),
        lambda x: np.transpose(x),
        lambda x: np.transpose(x[None], axes=(1, 0, 2)),
        lambda x: np.squeeze(x[:1]),
        lambda x: np.squeeze(x[None, :1], axis=0),
        lambda x: np.expand_dims(x, 1),
        lambda x: np.broadcast_to(x, (2, 2, 3)),
        lambda x: np.flip(x),
        lambda x: np.flip(x, axis=1),
        lambda x: np.pad(x, 1),
        lambda x: np.pad(x, ((0, 0), (1, 2)), "constant", constant_values=7),
        lambda x: np.take_along_axis(x, np.array([[1], [2]]), axis=1),
        lambda x: np.take_along_axis(x, np.array([5, 0]), None),
        *[lambda x: np.take_along_axis(x, np.array([[1], [2]]))] * (np.lib.NumpyVersion(np.__version__) >= "2.3.0"),
        lambda x: np.einsum("ij,ij->", x, x),
        lambda x: np.einsum("ij,j", np.ones((2, 3)), x[0]),
        lambda x: np.dot(x, np.ones((3, 2))),
        lambda x: np.dot(x[0], x[0]),
        lambda x: np.dot(np.ones((2, 2, 2)), x),
        lambda x: np.dot(2.0, x),
        lambda x: np.dot(x, 2.0),
        lambda x: np.outer(np.ones((2, 1)), x),
        lambda x: np.vstack([x, np.zeros(3), np.zeros((2, 3))]),
        lambda x: np.hstack([x, np.zeros((2, 1))]),
        lambda x: np.hstack([x[0], np.zeros(1)]),
        lambda x: np.hstack([x[None], np.zeros((1, 1, 3))]),
        lambda x: np.concatenate([x, x], axis=1),
        lambda x: np.stack([x, x], axis=1),
    ],
)
def test_a_function_of_numpy_gives_the_same_of_a_tensor(call):
    x = np.array([[1.0, 4.0, 2.0], [3.0, 0.5, 5.0]])
    got = call(leaf(x))
    assert isinstance(got, tg.Tensor)
    assert got.requires_grad
    np.testing.assert_allclose(got.numpy(), np.asarray(call(x)), rtol=1e-14, strict=True)
    for keywords in ({}, {"axis": 0}, {"axis": 1, "keepdims": True}):
        np.testing.assert_array_equal(np.argmax(leaf(x), **keywords), np.argmax(x, **keywords), strict=True)


def test_an_array_of_a_tensor_that_requires_a_gradient_is_refused():
    with pytest.raises(TypeError, match=r"t\.numpy\(\)"):
        np.asarray(leaf([1.0]))
    for join in (np.array, tg.Tensor):
        with pytest.raises(TypeError, match=r"tg\.stack\(\[t, t\]\) for several"):
            join([leaf(1.0), leaf(2.0)])
    assert np.asarray(tg.Tensor([1.0])).tolist() == [1]
    assert np.asarray(tg.Tensor([1.0]), dtype=np.float32).dtype == np.float32


def test_dtypes_follow_numpy():
    single, double = tg.Tensor(np.ones(2, np.float32)), tg.Tensor([1.0, 2.0])
    assert double.dtype == np.float64
    assert (single * 2.5 + 1).dtype == np.float32
    for number in (np.sqrt(16), np.float64(2), np.int64(2), np.prod(single.shape), np.float16(2)):
        assert (single / number).dtype == (number * single).dtype == (single**number).dtype == np.float32
        assert np.maximum(single, number).dtype == np.float32
    for third in (tg.leaky_relu, tg.elu):
        assert third(single, np.float64(0.5)).dtype == np.float32
    assert single.clip(np.float64(0), np.float64(1)).dtype == np.float32
    assert single.pad(1, constant_values=np.float64(1)).dtype == np.float32
    assert (single * np.ones(2)).dtype == np.float64  # an array has a dtype of its own
    assert (1 / single).dtype == np.float32
    assert (single * double).dtype == np.float64
    assert tg.Tensor([1, 2]).dtype == np.int64
    x = leaf(np.ones(2, np.float32))
    (x * double).sum().backward()
    assert x.grad.dtype == np.float32


def test_masks_are_joined_and_turned_as_in_numpy():
    x, y = tg.Tensor([True, False, True]), tg.Tensor([True, True, False])
    for made, expected in [
        (x & y, [1, 0, 0]),
        (x | y, [1, 1, 1]),
        (~x, [0, 1, 0]),
        (np.array([True] * 3) & x, [1, 0, 1]),
    ]:
        assert type(made) is np.ndarray
        assert made.tolist() == expected


def test_a_vector_has_no_matrix_to_transpose():
    with pytest.raises(AttributeError, match=r"^x \(3,\) has no mT: a matrix has at least two axes$"):
        leaf([1.0, 2.0, 3.0], name="x").mT  # noqa: B018


def test_comparisons_are_plain_arrays_and_tensors_can_be_keys():
    a, b = tg.Tensor([1.0, 2.0]), tg.Tensor([2.0, 2.0])
    assert (a == b).tolist() == [False, True]
    assert (a < b).tolist() == [True, False]
    assert (a >= 2).tolist() == [False, True]
    assert (np.array([1.0, 3.0]) == a).tolist() == [True, False]
    assert len({a: 1, b: 2}) == 2


def test_it_behaves_like_numbers_where_it_is_one():
    t = leaf(2.5)
    assert float(t) == 2.5
    assert int(t) == 2
    assert f"{t:.2f}" == "2.50"
    assert t.item() == 2.5
    assert bool(t)
    rows = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert len(rows) == 2
    assert [row.numpy().tolist() for row in rows] == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match=r"of a single number, and this tensor has shape \(2, 2\)"):
        rows.item()


def test_repr_says_what_it_is():
    assert repr(tg.Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(leaf(np.float32(1))) == "Tensor(1., dtype=float32, requires_grad=True)"
    assert repr(leaf(1.0) * 2) == "Tensor(2., op=mul)"


def test_a_border_given_as_a_dict_is_refused_before_anything_is_recorded():
    with pytest.raises(TypeError, match=r"pad takes a width, .* got a dict"):
        np.pad(leaf([1.0]), {0: (1, 1)})
