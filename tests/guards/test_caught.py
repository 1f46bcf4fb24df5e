"""The mistakes that beginners make: each is stopped, or warned of, by a sentence that names it and says what to do."""

import copy
import inspect
import warnings

import numpy as np
import pytest

import tinygrad_edu as tg

X = np.random.default_rng(0).standard_normal((6, 4))
LABELS = np.array([0, 1, 1, 0, 1, 0])


def leaf(data, **kwargs):
    return tg.Tensor(data, requires_grad=True, **kwargs)


def network(**kwargs):
    return tg.Sequential(tg.Linear(4, 3, rng=0, **kwargs), tg.ReLU(), tg.Linear(3, 2, rng=1, **kwargs))


def trained(model=None, **kwargs):
    model = network() if model is None else model
    optimizer = tg.SGD(model, lr=0.1, **kwargs)
    tg.cross_entropy(model(X), LABELS).backward()
    optimizer.step()
    return model, optimizer


class Product(tg.Layer):
    """A layer as a student writes it, with W the wrong way round."""

    def __init__(self, n, m):
        self.W = leaf(np.ones((m, n)))

    def forward(self, x):
        return x @ self.W


class Branches(tg.Layer):
    """Has a layer that forward() forgets."""

    def __init__(self):
        self.used, self.forgotten = tg.Linear(4, 2, rng=0), tg.Linear(4, 2, rng=0)

    def forward(self, x):
        return self.used(x)


def changed_between(change, value=2.0):
    w = leaf([1.0, value], name="w")
    loss = (w * w).sum()
    change(w)
    loss.backward()


def step_without_backward():
    _, optimizer = trained()
    optimizer.zero_grad()
    optimizer.step()


def a_second_backward_without_zero_grad():
    model, optimizer = trained()
    tg.cross_entropy(model(X), LABELS).backward()
    optimizer.step()


def step_twice():
    trained()[1].step()


def a_parameter_that_was_replaced():
    model = network()
    optimizer = tg.SGD(model, lr=0.1)
    model[0].W = leaf(np.ones((4, 3)))
    tg.cross_entropy(model(X), LABELS).backward()
    optimizer.step()


def fit_with(optimizer_of, model):
    tg.fit(model, X, LABELS, optimizer=tg.SGD(optimizer_of, lr=0.1), epochs=1, progress=False)


def labels_changed_under_debug():
    labels = LABELS.copy()
    with tg.debug():
        loss = tg.cross_entropy(network()(X), labels)
        labels[0] = 1
        loss.backward()


def minus_equals():
    w = leaf([1.0, 2.0], name="w")
    (w * w).sum().backward()
    w -= 0.1 * w.grad


def requires_grad_afterwards(data):
    tg.Tensor(data).requires_grad = True


# what is done, what comes of it, how that reads
TABLE = {
    "w -= of a leaf": (minus_equals, RuntimeError, r"^w \(2,\) -= .* computed tensor; .* write w\.data -= \.\.\., or"),
    "integers that shall require a gradient later": (
        lambda: requires_grad_afterwards([1, 2]),
        TypeError,
        "only float32 and float64 can require a gradient, got int64",
    ),
    "requires_grad of a result": (
        lambda: setattr(tg.Tensor([1.0]) * 2, "requires_grad", True),
        RuntimeError,
        "is computed, which decides whether it requires a gradient",
    ),
    "unequal shapes": (
        lambda: tg.mse_loss(np.zeros((3, 1)), np.ones(3)),
        ValueError,
        r"^predictions have shape \(3, 1\) and targets \(3,\); say targets\.reshape\(3, 1\)$",
    ),
    "unequal numbers": (
        lambda: tg.l1_loss(np.zeros(3), np.ones(4)),
        ValueError,
        r"\(3,\) and targets \(4,\); they have",
    ),
    "softmax twice": (
        lambda: tg.cross_entropy(network()(X).softmax(), LABELS),
        ValueError,
        "got the result of softmax; it applies softmax itself: pass the logits",
    ),
    "sigmoid twice": (
        lambda: tg.binary_cross_entropy_with_logits(leaf(X).sigmoid(), np.ones((6, 4))),
        ValueError,
        "got the result of sigmoid; it applies it itself: pass the logits",
    ),
    "labels from 1": (
        lambda: tg.cross_entropy(network()(X), LABELS + 1),
        ValueError,
        "^label 2, but with 2 logits the labels are 0 to 1; the last layer gives one for each class$",
    ),
    "labels below 0": (lambda: tg.cross_entropy(network()(X), LABELS - 1), ValueError, "^label -1, but with 2 logits"),
    "one-hot labels": (
        lambda: tg.nll_loss(network()(X).log_softmax(), np.eye(2)[LABELS]),
        ValueError,
        r"not one-hot rows: take labels\.argmax\(axis=1\)$",
    ),
    "a column of labels": (
        lambda: tg.cross_entropy(network()(X), LABELS[:, None]),
        ValueError,
        r"got \(6, 2\) and \(6, 1\); take labels\.ravel\(\)$",
    ),
    "labels that are floats": (
        lambda: tg.cross_entropy(network()(X), LABELS * 1.0),
        TypeError,
        r"labels are integers, got float64; say labels\.astype\(int\)",
    ),
    "backward from many numbers": (
        lambda: (leaf([1.0, 2.0]) * 2).backward(),
        ValueError,
        r"this tensor has shape \(2,\): reduce it, as in \.sum\(\)\.backward\(\), or pass grad of shape \(2,\)",
    ),
    "backward on nothing": (
        lambda: (tg.Tensor([1.0]) * 2).sum().backward(),
        RuntimeError,
        r"computed under no_grad\(\), or from tensors without requires_grad=True\?",
    ),
    "step without backward": (
        step_without_backward,
        RuntimeError,
        r"found no gradient: call loss\.backward\(\) first, after zero_grad\(\)",
    ),
    "backward without zero_grad": (
        a_second_backward_without_zero_grad,
        UserWarning,
        r"^backward\(\) added to the gradient of layers\.\d\.\w \(.*\), which step\(\) has used already: call zero",
    ),
    "step twice": (
        step_twice,
        UserWarning,
        r"^step\(\) used the gradient of layers\.2\.b \(2,\) a second time: .* call zero_grad\(\) and backward\(\)",
    ),
    "a layer that forward forgets": (
        lambda: trained(Branches()),
        UserWarning,
        r"^no gradient came to forgotten\.W, forgotten\.b, so step\(\) changes nothing there: .* freeze\(\) it$",
    ),
    "a parameter that the optimizer does not have": (
        a_parameter_that_was_replaced,
        UserWarning,
        r"^no gradient came to layers\.0\.W, so",
    ),
    "fit with half of the model": (
        lambda: fit_with((model := network())[0], model),
        UserWarning,
        r"^the optimizer was not given layers\.2\.W, layers\.2\.b, so fit\(\) does not train it; build it",
    ),
    "fit with the optimizer of another model": (
        lambda: fit_with(network(), network()),
        ValueError,
        "has none of this model's parameters; build it from this model",
    ),
    "a parameter changed in place": (
        lambda: changed_between(lambda w: w.data.__imul__(2)),
        RuntimeError,
        r"^w \(2,\) was changed after the result of mul \(2,\) was computed from it, .* run the forward pass again",
    ),
    "a parameter assigned": (
        lambda: changed_between(lambda w: setattr(w, "data", [5.0, 6.0])),
        RuntimeError,
        r"^w \(2,\) was changed after",
    ),
    "labels changed in place": (
        labels_changed_under_debug,
        RuntimeError,
        r"^labels of cross_entropy, an array \(6,\), was changed since the forward pass, at .*, `loss = .* pass a copy",
    ),
    "integers": (
        lambda: leaf([1, 2]),
        TypeError,
        r"only float32 and float64 .* got int64; write the numbers as floats",
    ),
    "a shape inside a model": (
        lambda: tg.Sequential(tg.Linear(4, 3), tg.ReLU(), tg.Sequential(tg.Linear(5, 2)))(X),
        ValueError,
        r"(?s)^layers\.2\.layers\.0 \(Linear\(5, 2\)\) takes inputs of shape \(N, 5\), got \(6, 3\)\n"
        r"shapes before it: the input \(6, 4\), layers\.0 Linear\(4, 3\) gave \(6, 3\), layers\.1 ReLU\(\) gave \(6",
    ),
    "a shape inside a layer of the user's": (
        lambda: tg.Sequential(tg.Linear(4, 3), Product(3, 2))(X),
        ValueError,
        r"(?s)matmul was given shapes \(6, 3\) and \(2, 3\)\nin layers\.1 \(Product\(\)\)\n"
        r"shapes before it: the input \(6, 4\), layers\.0 Linear\(4, 3\) gave \(6, 3\)$",
    ),
    "a shape outside layers": (
        lambda: leaf(X) @ X,
        ValueError,
        r"\nmatmul was given shapes \(6, 4\) and \(6, 4\)$",
    ),
    "float64 into float32": (
        lambda: network(dtype=np.float32)(X),
        TypeError,
        r"^layers\.0 \(Linear\(4, 3\)\) is float32 and got float64; say x\.astype\(np\.float32\), or build",
    ),
    "two precisions in one optimizer": (
        lambda: tg.SGD([leaf([1.0], name="a"), leaf(np.ones(1, np.float32), name="b")]),
        TypeError,
        r"one dtype, but a \(1,\) is float64 and b \(1,\) is float32",
    ),
    "grad of a computed tensor": (
        lambda: (leaf([1.0, 2.0]) * 2).grad,
        RuntimeError,
        r"^backward\(\) keeps no gradient of the result of mul \(2,\), .* call retain_grad\(\) on it$",
    ),
    "clip_norm without backward": (
        lambda: tg.SGD(network()).clip_norm(1.0),
        RuntimeError,
        r"call loss\.backward\(\) first",
    ),
    "NaN in the data": (
        lambda: tg.fit(network(), np.where(X.max() == X, np.nan, X), LABELS, progress=False),
        ValueError,
        r"^X holds nan at \[\d, \d\]; every number has to be finite",
    ),
}


@pytest.mark.parametrize(("mistake", "kind", "sentence"), TABLE.values(), ids=TABLE)
def test_a_mistake_is_stopped_by_a_sentence(mistake, kind, sentence):
    if issubclass(kind, Warning):
        with pytest.warns(kind, match=sentence) as caught:
            mistake()
        assert len(caught) == 1
        assert caught[0].filename == __file__  # the line is the user's, not ours
    else:
        with pytest.raises(kind, match=sentence):
            mistake()


# --- what is no mistake: no warning, and in these tests a warning is an error ----------------------------------------


def test_gradients_may_be_accumulated_before_a_step():
    model, optimizer = trained()
    for _ in range(3):
        optimizer.zero_grad()
        for _ in range(2):
            tg.cross_entropy(model(X), LABELS).backward()
        optimizer.step()
    assert optimizer.t == 4


def test_gradients_may_be_cleared_by_hand():
    model, optimizer = trained()
    for p in optimizer.params:
        p.grad = None
    tg.cross_entropy(model(X), LABELS).backward()
    optimizer.step()


def test_who_assigns_gradients_may_step_as_often_as_he_likes():
    w = leaf([1.0, 2.0])
    optimizer = tg.SGD([w], lr=0.5)
    w.grad = np.ones(2)
    optimizer.step()
    optimizer.step()
    w.sum().backward()
    optimizer.step()
    assert w.numpy().tolist() == [-1, 0]
    model, optimizer = trained()
    for p in optimizer.params:
        p.grad = np.zeros(p.shape)
    tg.cross_entropy(model(X), LABELS).backward()  # adds to these
    optimizer.step()


def test_a_backward_that_no_step_follows_may_add_to_used_gradients():
    """Saliency after training; the generator's loss, which goes through a discriminator that has just stepped."""
    model, optimizer = trained()
    x = leaf(X)
    tg.cross_entropy(model(x), LABELS).backward()
    assert x.grad is not None
    optimizer.zero_grad()
    tg.cross_entropy(model(X), LABELS).backward()
    optimizer.step()


@pytest.mark.parametrize("detached", [True, False])
def test_a_generator_and_its_discriminator_may_leave_gradients_in_each_other(detached):
    rng, bce = np.random.default_rng(0), tg.binary_cross_entropy_with_logits
    G, D = tg.mlp([2, 8, 2], rng=0), tg.mlp([2, 8, 1], rng=1)
    g, d = tg.Adam(G), tg.Adam(D)
    for _ in range(3):
        z = rng.standard_normal((8, 2))
        d.zero_grad()
        fake = G(z).detach() if detached else G(z)
        (bce(D(z + 3), np.ones((8, 1))) + bce(D(fake), np.zeros((8, 1)))).backward()
        d.step()
        g.zero_grad()
        bce(D(G(z)), np.ones((8, 1))).backward()
        g.step()


def test_an_attack_with_the_gradient_of_the_input_may_follow_training():
    """FGSM, several times: the parameters' gradients grow, and nobody steps along them."""
    model = network()
    tg.fit(model, X, LABELS, epochs=2, progress=False)
    x = leaf(X)
    for _ in range(3):
        x.grad = None
        tg.cross_entropy(model(x), LABELS).backward()
        x.data = x.numpy() + 0.1 * np.sign(x.grad)


def test_two_optimizers_may_train_their_halves_in_turns():
    model = network()
    first, second = tg.SGD(model[0], lr=0.1), tg.SGD(model[2], lr=0.1)
    for _ in range(3):
        for optimizer in (first, second):
            optimizer.zero_grad()
            tg.cross_entropy(model(X), LABELS).backward()
            optimizer.step()


ZEROED = {
    "fill": lambda optimizer, views: [p.grad.fill(0) for p in optimizer.params],
    "slice": lambda optimizer, views: [p.grad.__setitem__(..., 0) for p in optimizer.params],
    "times 0": lambda optimizer, views: [p.grad.__imul__(0) for p in optimizer.params],
    "copyto": lambda optimizer, views: [np.copyto(p.grad, 0) for p in optimizer.params],
    "views taken before": lambda optimizer, views: [g.fill(0) for g in views],
    "the flat buffer": lambda optimizer, views: optimizer.buffer.grad.fill(0),
}


@pytest.mark.parametrize("zeroed", ZEROED.values(), ids=ZEROED)
def test_gradients_may_be_set_to_0_in_place(zeroed):
    model, optimizer = trained()
    views = [p.grad for p in optimizer.params]
    for _ in range(3):
        zeroed(optimizer, views)
        tg.cross_entropy(model(X), LABELS).backward()
        optimizer.step()


def test_a_gradient_that_is_left_out_when_others_are_set_to_0_is_named():
    model, optimizer = trained()
    for p in optimizer.params[:-1]:
        p.grad.fill(0)
    tg.cross_entropy(model(X), LABELS).backward()
    with pytest.warns(UserWarning, match=r"^backward\(\) added to the gradient of layers\.2\.b "):
        optimizer.step()


def test_two_optimizers_may_step_on_one_gradient():
    model = network()
    first, second = tg.SGD(model, lr=0.1), tg.SGD(model, lr=0.1)
    for _ in range(2):
        first.zero_grad()
        tg.cross_entropy(model(X), LABELS).backward()
        first.step()
        second.step()


def test_a_frozen_parameter_needs_no_gradient():
    model = Branches()
    optimizer = tg.SGD(model, lr=0.1)
    optimizer.freeze("forgotten")
    tg.cross_entropy(model(X), LABELS).backward()
    optimizer.step()
    other = Branches()
    optimizer = tg.SGD(other, lr=0.1)
    other.forgotten.W.requires_grad = other.forgotten.b.requires_grad = False
    tg.cross_entropy(other(X), LABELS).backward()
    optimizer.step()


def test_a_range_test_between_backward_and_step_does_not_count():
    model = network()
    optimizer = tg.SGD(model, lr=0.1)
    tg.cross_entropy(model(X), LABELS).backward()
    tg.lr_find(model, X, LABELS, optimizer=optimizer, steps=10)
    optimizer.step()


def test_each_warning_comes_once():
    model, optimizer = trained()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # what Python does unless it is told otherwise
        for _ in range(3):
            tg.cross_entropy(model(X), LABELS).backward()
            optimizer.step()
        for _ in range(3):
            optimizer.step()
    assert [str(w.message).partition("(")[0] for w in caught] == ["backward", "step"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, optimizer = trained(Branches())
        for _ in range(3):
            optimizer.zero_grad()
            tg.cross_entropy(model(X), LABELS).backward()
            optimizer.step()
    assert len(caught) == 1


# --- grad of a computed tensor ---------------------------------------------------------------------------------------


def test_grad_of_a_computed_tensor_is_there_when_it_was_asked_for_and_none_where_there_is_none():
    x = leaf([1.0, 2.0])
    h = (x * 2).retain_grad()
    assert h.grad is None
    (h * h).sum().backward()
    assert h.grad.tolist() == [4, 8]
    assert h.retain_grad().grad.tolist() == [4, 8]  # a second call forgets nothing
    with tg.no_grad():
        assert (x * 2).grad is None
    assert (tg.Tensor([1.0]) * 2).grad is None


def test_a_computed_tensor_can_be_copied_and_looked_into():
    h = leaf([1.0, 2.0]) * 2
    assert not hasattr(h, "grad")
    assert getattr(h, "grad", None) is None
    assert dict(inspect.getmembers(h))["shape"] == (2,)
    for other in (copy.copy(h), copy.deepcopy(h)):
        assert other.numpy().tolist() == [2, 4]
        with pytest.raises(RuntimeError, match="retain_grad"):
            other.grad  # noqa: B018


# --- what stands in an error -----------------------------------------------------------------------------------------


class Picky(tg.Layer):
    def forward(self, x):
        raise self.refuse(ValueError, "takes nothing") if len(x) == 6 else ValueError("my own words")


def test_what_a_layer_of_the_users_raises_stays_as_it_is_and_what_it_refuses_gets_its_path():
    model = tg.Sequential(tg.Linear(4, 3), Picky())
    with pytest.raises(ValueError, match=r"^my own words$"):
        model(X[:5])
    with pytest.raises(
        ValueError, match=r"^layers\.1 \(Picky\(\)\) takes nothing\nshapes before it: the input \(6, 4\), "
    ):
        model(X)


class Wrapped(tg.Layer):
    def __init__(self, *layers):
        self.inner = tg.Sequential(*layers)

    def forward(self, x):
        return self.inner(x)


def test_of_layers_within_layers_the_outermost_speaks_once_and_leaves_no_trace():
    norm = tg.BatchNorm1d(3)
    model = Wrapped(tg.Linear(4, 3, rng=0), norm, tg.Dropout(0.5, rng=0), Wrapped(tg.Linear(2, 2)))
    state, draws = model.state_dict(), model.inner[2].rng.bit_generator.state
    with pytest.raises(ValueError, match=r"inner\.layers\.3\.inner\.layers\.0") as caught:
        model(X)
    assert len(caught.value.__notes__) == 1
    assert (
        "inner.layers.1 BatchNorm1d(3) gave (6, 3), inner.layers.2 Dropout(0.5) gave (6, 3)"
        in caught.value.__notes__[0]
    )
    assert model.inner[2].training
    assert "forward" not in vars(model.inner[0])
    once = np.random.default_rng(0)
    once.random((6, 3))
    assert model.inner[2].rng.bit_generator.state == once.bit_generator.state != draws  # drawn from by the call alone
    new = 0.9 * state["inner.layers.1.running_mean"] + 0.1 * model.inner[0](X).numpy().mean(axis=0)
    np.testing.assert_allclose(norm.running_mean.numpy(), new, rtol=1e-12)


def test_only_what_came_before_is_named_and_no_container():
    model = tg.Sequential(tg.Sequential(tg.Linear(4, 3)), tg.BatchNorm1d(3), tg.Tanh())
    with pytest.raises(ValueError, match="needs at least 2 samples") as caught:
        model(X[:1])  # in evaluation mode, in which the shapes are looked up, it goes through
    assert caught.value.__notes__ == ["shapes before it: the input (1, 4), layers.0.layers.0 Linear(4, 3) gave (1, 3)"]


def test_a_summary_of_layers_that_do_not_fit_says_where():
    with pytest.raises(
        ValueError, match=r"^layers\.1 \(Linear\(5, 2\)\) takes inputs .*\nshapes before it: .* gave \(1, 3\)$"
    ):
        tg.Sequential(tg.Linear(4, 3), tg.Linear(5, 2)).summary()


def test_of_many_layers_the_last_six_are_named():
    with pytest.raises(ValueError, match=r"the input \(6, 4\), \.\.\., layers\.4 Tanh") as caught:
        tg.Sequential(*[tg.Tanh() for _ in range(10)], tg.Linear(3, 2))(X)
    assert caught.value.__notes__[0].count("gave") == 6
