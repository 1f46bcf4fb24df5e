"""Silent faults, mended: each of these was accepted without a word, or gave other numbers than were meant."""

import numpy as np
import pytest

import tinygrad_edu as tg


class Heads(tg.Layer):
    def __init__(self, heads):
        self.heads = heads


def leaf(value=1.0):
    return tg.Tensor([value], requires_grad=True)


# --- one walk of a model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heads", "path"),
    [
        ({1: leaf(), "1": leaf()}, r"heads\.1"),
        ({"a.b": leaf(), "a": {"b": leaf()}}, r"heads\.a\.b"),
        ({"a.0": leaf(), "a": [leaf()]}, r"heads\.a\.0"),
        ({1: tg.Linear(2, 2, rng=0), "1": tg.Linear(2, 2, rng=1)}, r"heads\.1\.W"),
        ({True: leaf(), "True": tg.Tensor([1.0])}, r"heads\.True"),
    ],
)
def test_two_tensors_of_one_path_are_refused_by_name(heads, path):
    for use in (Heads.parameters, Heads.state_dict, tg.SGD):
        with pytest.raises(ValueError, match=f"Heads has two Tensors with the path {path}; rename a key"):
            use(Heads(heads))


def test_one_tensor_of_two_paths_is_one_parameter():
    shared = leaf()
    assert list(Heads({1: shared, "1": shared, "b": [shared]}).named_parameters()) == ["heads.1"]


def test_what_contains_itself_is_walked_once():
    class Net(tg.Layer):
        def __init__(self):
            self.a, self.b = tg.Sequential(tg.Linear(3, 2, rng=0)), tg.Linear(2, 2, rng=1)

        def forward(self, x):
            return self.b(self.a(x))

    net = Net()
    expected = ["a.layers.0.W", "a.layers.0.b", "b.W", "b.b"]
    net.a.parent, net.b.parents = net, {"all": [net, net.a]}
    net.log = []
    net.log += [net.log, {"self": net.log}]
    net.itself = net
    assert list(net.named_parameters()) == expected
    assert list(net.state_dict()) == expected
    assert {layer for _, layer in net.named_layers()} == {net, net.a, net.a[0], net.b}
    net.eval()
    assert not net.a[0].training
    assert "..." in repr(net)
    net.load_state_dict(net.state_dict())
    net.summary(input_shape=(3,))
    with pytest.raises(ValueError, match="takes inputs of shape"):
        net(np.ones((2, 5)))


def test_layers_that_share_layers_are_walked_in_no_time():
    layer = tg.Linear(2, 2, rng=0)
    for _ in range(60):  # 2 ** 60 paths
        layer = Heads([layer, layer])
    assert len(layer.parameters()) == 2


# --- numbers ----------------------------------------------------------------------------------------------------------

SCALARS = [np.sqrt(16), np.float64(2), np.float32(2), np.float16(2), np.int64(2), np.uint8(2)]


@pytest.mark.parametrize("number", SCALARS, ids=lambda x: type(x).__name__)
def test_a_number_of_numpy_is_as_pythons_beside_floats(number):
    for dtype in (np.float32, np.float64):
        x = tg.Tensor(np.array([1.0, 3.0], dtype), requires_grad=True)
        results = [x / number, number / x, x * number, number - x, x**number, tg.maximum(x, number)]
        plain = [x / number.item(), number.item() / x, x * number.item(), number.item() - x, x ** number.item()]
        assert {y.dtype for y in results} == {np.dtype(dtype)}
        for ours, theirs in zip(results, plain):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        sum(y.sum() for y in results).backward()
        assert x.grad.dtype == dtype
        program = tg.trace(lambda x: (x * number).sum(), x)
        assert program(x.numpy())[1]["x"].dtype == dtype


def test_numpys_rule_holds_where_no_tensor_has_floats():
    assert (tg.Tensor(np.array([200], np.uint8)) + np.int64(300)).dtype == np.int64
    assert (tg.Tensor([1, 2]) * np.float32(0.5)).dtype == (np.array([1, 2]) * np.float32(0.5)).dtype
    x = tg.Tensor([1.0]) * np.longdouble(2)
    assert x.dtype == np.longdouble
    for wrong in (np.complex64(1), np.complex128(1), np.str_("a")):
        with pytest.raises(TypeError, match="real numbers"):
            tg.Tensor([1.0]) * wrong


# --- masked arrays ----------------------------------------------------------------------------------------------------

X = np.ma.array(np.ones((6, 2)), mask=[[False, True]] * 6)
Y = np.ma.array([0, 1] * 3, mask=[False, True] * 3)
CLEAN = np.ones((6, 2)), np.array([0, 1] * 3)


def model():
    return tg.mlp([2, 2], rng=0)


ENTRANCES = {
    "Tensor": lambda: tg.Tensor(X),
    "an op": lambda: tg.exp(X),
    "beside a Tensor": lambda: tg.Tensor(CLEAN[0]) * X,
    "a layer": lambda: model()(X),
    "data": lambda: setattr(tg.Tensor(CLEAN[0]), "data", X),
    "fit X": lambda: tg.fit(model(), X, CLEAN[1], progress=False),
    "fit y": lambda: tg.fit(model(), CLEAN[0], Y, progress=False),
    "validation": lambda: tg.fit(model(), *CLEAN, validation=(X, CLEAN[1]), progress=False),
    "evaluate": lambda: tg.evaluate(model(), CLEAN[0], Y),
    "lr_find": lambda: tg.lr_find(model(), X, CLEAN[1]),
    "batches": lambda: tg.batches(X, CLEAN[1]),
    "batches y": lambda: tg.batches(CLEAN[0], Y),
    "split": lambda: tg.data.split(X, CLEAN[1]),
    "a loss": lambda: tg.cross_entropy(model()(CLEAN[0]), Y),
    "another loss": lambda: tg.mse_loss(model()(CLEAN[0]), X),
}


@pytest.mark.parametrize("where", ENTRANCES)
def test_a_masked_array_is_refused(where):
    with pytest.raises(TypeError, match="mask"):
        ENTRANCES[where]()


def test_a_masked_array_that_hides_nothing_is_as_any_other():
    clean = np.ma.array(np.ones((6, 2)), mask=np.zeros((6, 2), bool))
    assert tg.Tensor(clean).shape == (6, 2)
    tg.fit(model(), clean, np.ma.array(CLEAN[1]), epochs=1, progress=False)


# --- parameters, and who holds them -----------------------------------------------------------------------------------


def test_an_array_held_since_before_the_optimizer_cannot_be_written_into_in_vain():
    layer = tg.Linear(3, 2, rng=0)
    w, before = layer.W.data, layer.W.numpy()
    optimizer = tg.SGD(layer, lr=0.1)
    with pytest.raises(ValueError, match="read-only"):
        w[...] = 0
    np.testing.assert_array_equal(layer.W.numpy(), before)
    layer.W.data[...] = 0
    assert not optimizer.buffer.data[:6].any()
    again = layer.W.data
    tg.Adam(layer)  # the same parameters in the same order: they stay where they are
    again[...] = 1
    assert (layer.W.numpy() == 1).all()


def test_a_parameter_that_requires_no_gradient_any_more_is_left_alone():
    a, b = (tg.Tensor([1.0], requires_grad=True, name=name) for name in "ab")
    optimizer = tg.SGD([a, b], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (a * b).sum().backward()
        a.requires_grad = False
        optimizer.step()
    assert a.item() == 1.0
    assert a.grad is None
    assert b.item() == 0.0


# --- data -------------------------------------------------------------------------------------------------------------


def test_batches_can_be_used_in_each_epoch():
    numbers = np.arange(10)
    loader = tg.batches(numbers[:, None], numbers, 4, rng=0)
    epochs = [np.concatenate([yb for _, yb in loader]).tolist() for _ in range(3)]
    assert len(loader) == 3
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    rng = np.random.default_rng(0)
    assert epochs == [
        np.concatenate([yb for _, yb in tg.batches(numbers, numbers, 4, rng=rng)]).tolist() for _ in "123"
    ]
    assert len(tg.batches(numbers, numbers, 4, drop_last=True)) == 2
    one = next(tg.batches(numbers, numbers, 4, shuffle=False))
    assert one[1].tolist() == [0, 1, 2, 3]
    loader = tg.batches(numbers, numbers, 4, shuffle=False)
    assert [next(loader)[1][0], next(loader)[1][0], next(loader)[1][0]] == [0, 4, 8]
    with pytest.raises(StopIteration):
        next(loader)
    assert [len(a[1]) for a, _ in zip(loader, loader, strict=True)] == [4, 4, 2]  # two loops at a time


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: y,
        lambda y: y == 1,
        lambda y: np.where(y, "rare", "common"),
        lambda y: np.where(y, b"rare", b"common"),
        lambda y: np.where(y, "rare", "common").astype(object),
        lambda y: (y == 1).astype(object),
        lambda y: y.astype(np.uint8),
    ],
)
def test_a_split_keeps_the_share_of_every_class_of_any_kind(labels):
    y = labels(np.array([0] * 90 + [1] * 10))
    rare = y[-1]
    for seed in range(6):
        split = tg.data.split(np.arange(100)[:, None], y, rng=seed)
        assert (split.y_test == rare).sum() == 2
        assert split.y_test.dtype == y.dtype
        assert (y[split.X_test[:, 0]] == split.y_test).all()


# --- checks leave what they check -------------------------------------------------------------------------------------


def test_gradcheck_leaves_running_means_as_they_were():
    rng = np.random.default_rng(0)
    inputs, y = rng.standard_normal((6, 3)), rng.integers(0, 2, 6)
    net = tg.Sequential(tg.Linear(3, 2, rng=0), tg.BatchNorm1d(2), tg.Linear(2, 2, rng=1))
    before, stamp = net.state_dict(), net[1].running_mean.stamp
    tg.gradcheck(lambda *_: tg.cross_entropy(net(inputs), y), *net.parameters(), directions=1)
    assert all(np.array_equal(value, before[name]) for name, value in net.state_dict().items())
    assert net[1].running_mean.stamp == stamp
    with pytest.raises(AssertionError):
        tg.gradcheck(lambda *_: tg.cross_entropy(net(inputs).detach() + net(inputs), y), net[0].W, directions=1)
    assert all(np.array_equal(value, before[name]) for name, value in net.state_dict().items())
