"""Arguments of another name or kind than those that are taken: each is refused with the name or kind it has here."""

import copy
import inspect
import io
import pickle
import re

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.guards import kinds, names, samples
from tinygrad_edu.training import data

rng = np.random.default_rng(0)
X, y = rng.standard_normal((40, 3)), rng.integers(0, 2, 40)


def net(out=2):
    return tg.mlp([3, 4, out], rng=0)


def fit(X=X, y=y, loss=tg.cross_entropy, model=None, **named):
    return tg.fit(net() if model is None else model, X, y, loss, epochs=1, progress=False, **named)


T, averages = tg.Tensor(np.ones((2, 3))), tg.WeightAverage(tg.SGD(net()))
REFUSED = {  # what is called: the call, the error, a part of the sentence
    "SGD momentum": (lambda: tg.SGD(net(), momentum=0.9), TypeError, "HeavyBall is SGD with torch's momentum"),
    "SGD weight_decay": (lambda: tg.SGD(net(), weight_decay=0.1), TypeError, "l2=, not weight_decay="),
    "SGD nesterov": (lambda: tg.SGD(net(), nesterov=True), TypeError, "Nesterov is the rule"),
    "Adam betas": (lambda: tg.Adam(net(), betas=(0.9, 0.99)), TypeError, "they are beta1 and beta2"),
    "Adam amsgrad": (lambda: tg.Adam(net(), amsgrad=True), TypeError, "AMSGrad is the rule"),
    "Adam learning_rate": (lambda: tg.Adam(net(), learning_rate=1), TypeError, "lr=, not learning_rate=;"),
    "Adam beta_1": (lambda: tg.Adam(net(), beta_1=0.9), TypeError, "beta1=, not beta_1=;"),
    "RMSprop alpha": (lambda: tg.RMSprop(net(), alpha=0.9), TypeError, "rho=, not alpha=;"),
    "SGD alpha": (lambda: tg.SGD(net(), alpha=0.9), TypeError, "'alpha'; SGD has params, lr, l2, nonfinite"),
    "misspelt": (lambda: tg.HeavyBall(net(), momentun=0.9), TypeError, "is it momentum?"),
    "of None": (lambda: tg.Adam(None), TypeError, "params is the model, or a list of Tensors"),
    "of a number": (lambda: tg.SGD(3), TypeError, "got int 3"),
    "of a word": (lambda: tg.SGD("params"), TypeError, "got str 'params'"),
    "lr=True": (lambda: tg.SGD(net(), lr=True), TypeError, "lr is a number, got bool"),
    "lr = True": (lambda: setattr(tg.SGD(net()), "lr", True), TypeError, "lr is a number, got bool"),
    "Dropout of a word": (lambda: tg.Dropout("x"), TypeError, "p is a number, got str 'x'"),
    "Dropout of None": (lambda: tg.Dropout(None), TypeError, "p is a number, got NoneType"),
    "Dropout of True": (lambda: tg.Dropout(True), TypeError, "p is a number, got bool True"),
    "Dropout of NaN": (lambda: tg.Dropout(float("nan")), ValueError, "p = nan, but it has to be at least 0"),
    "Dropout rate": (lambda: tg.Dropout(rate=0.5), TypeError, "p=, not rate=, the probability"),
    "Dropout rng": (lambda: tg.Dropout(0.5, "x"), TypeError, "rng is a seed"),
    "LeakyReLU of None": (lambda: tg.LeakyReLU(None), TypeError, "slope is a number, got NoneType"),
    "LeakyReLU alpha": (lambda: tg.LeakyReLU(alpha=0.1), TypeError, "slope=, not alpha="),
    "ELU of infinity": (lambda: tg.ELU(np.inf), ValueError, "alpha = inf, but it has to be a finite number"),
    "LayerNorm eps": (lambda: tg.LayerNorm(3, "x"), TypeError, "eps is a number"),
    "Linear rng": (lambda: tg.Linear(2, 3, rng="x"), TypeError, "rng is a seed"),
    "Linear init": (lambda: tg.Linear(2, 3, init="he"), TypeError, "init is a function, got str 'he'"),
    "Linear dtype": (lambda: tg.Linear(2, 3, dtype=int), TypeError, "dtype is np.float64 or np.float32, got int"),
    "Linear use_bias": (lambda: tg.Linear(2, 3, use_bias=False), TypeError, "bias=, not use_bias="),
    "mlp(4, 8, 2)": (lambda: tg.mlp(4, 8, 2), TypeError, "sizes is one list, as mlp([2, 16, 2]), got int 4"),
    "mlp None": (lambda: tg.mlp(None), TypeError, "sizes is a list"),
    "mlp dropout": (lambda: tg.mlp([2, 3], dropout="x"), TypeError, "dropout is a number"),
    "mlp activations": (lambda: tg.mlp([2, 3], activations="relu"), TypeError, "is it activation?"),
    "init of ()": (lambda: tg.init.he_normal(()), TypeError, "shape is (fan_in, fan_out)"),
    "init of 3": (lambda: tg.init.glorot_uniform(3), TypeError, "shape is (fan_in, fan_out)"),
    "init of 0": (lambda: tg.init.he_uniform((0, 3)), ValueError, "a size = 0"),
    "init of words": (lambda: tg.init.glorot_normal(("a", 3)), TypeError, "a size is a whole number"),
    "moons of a word": (lambda: data.moons("x"), TypeError, "n is a whole number, at least 2, got str 'x'"),
    "moons of 2.5": (lambda: data.moons(2.5), TypeError, "n is a whole number"),
    "moons noise": (lambda: data.moons(9, None), TypeError, "noise is a number, got NoneType"),
    "moons rng": (lambda: data.moons(9, rng="x"), TypeError, "rng is a seed"),
    "spirals arms": (lambda: data.spirals(9, arms="x"), TypeError, "arms is a whole number"),
    "split share": (lambda: data.split(X, y, "x"), TypeError, "test_share is a number"),
    "batches rng": (lambda: list(data.batches(X, y, rng=-1)), TypeError, "rng is a seed"),
    "sum axis": (lambda: T.sum(axis=5), ValueError, "sum: axis = 5, but a tensor with 2 axes has those from -2 to 1"),
    "mean axis": (lambda: T.mean((0, 7)), ValueError, "mean: axis = (0, 7), but"),
    "tg.max axis": (lambda: tg.max(T, axis=-3), ValueError, "max: axis = -3"),
    "softmax axis": (lambda: T.softmax(2), ValueError, "softmax: axis = 2"),
    "var axis": (lambda: T.var(axis=4), ValueError, "var: axis = 4"),
    "axis of a word": (lambda: T.sum(axis="x"), TypeError, "sum: axis is a whole number or a tuple of them, got 'x'"),
    "sum dim": (lambda: T.sum(dim=0), TypeError, "axis=, not dim=; sum has a, axis, keepdims"),
    "backward retain_graph": (lambda: T.sum().backward(retain_graph=True), TypeError, "leave it out, a second"),
    "clip the wrong way round": (lambda: T.clip(2, 1), ValueError, "low = 2 is above high = 1"),
    "clip NaN": (lambda: T.clip(float("nan")), ValueError, "low is NaN"),
    "clip a word": (lambda: T.clip("x"), TypeError, "low is a number or None, got str"),
    "var ddof": (lambda: T.var(ddof=6), ValueError, "ddof = 6, but it has to be below the 6 numbers"),
    "std ddof": (lambda: T.std(axis=0, ddof=2), ValueError, "below the 2 numbers"),
    "ddof of a word": (lambda: T.var(ddof="x"), TypeError, "ddof is a number"),
    "grad = 0.0": (lambda: setattr(net()[0].W, "grad", 0.0), ValueError, "to clear it, say zero_grad() or assign None"),
    "validation": (lambda: fit(validation=X), TypeError, "a share, as 0.2, got ndarray; X, y, X_val"),
    "validation_split": (lambda: fit(validation_split=0.2), TypeError, "validation=, not validation_split=, a share"),
    "callback list": (lambda: fit(callback=[print, 1]), TypeError, "callback is a function, got int 1"),
    "callbacks": (lambda: fit(callbacks=[print]), TypeError, "callback=, not callbacks=, one or a list of them"),
    "fit max_iter": (lambda: fit(max_iter=3), TypeError, "epochs=, not max_iter=;"),
    "fit patience": (lambda: fit(patience=3), TypeError, "callback=tg.EarlyStopping(patience=10) stops early"),
    "fit weight_decay": (lambda: fit(weight_decay=0.1), TypeError, "tg.AdamW(model, weight_decay=0.01)"),
    "fit max_norm": (lambda: fit(max_norm=1), TypeError, "clip_norm=, not max_norm=;"),
    "fit shuffle": (lambda: fit(shuffle=False), TypeError, "each epoch has a new order"),
    "fit epochs": (lambda: tg.fit(net(), X, y, epochs="3"), ValueError, "epochs = '3', but it has to be a whole"),
    "save_best_only": (lambda: tg.Checkpoint("x", save_best_only=True), TypeError, "best=, not save_best_only=, a c"),
    "split": (lambda: data.split(X, y, test_size=0.1), TypeError, "test_share=, not test_size=;"),
    "save in torch's order": (lambda: tg.save(net(), "x"), TypeError, "optimizer=None, **more): too many"),
    "load by place": (lambda: tg.load("x", net()), TypeError, "too many positional arguments; give by name: model="),
    "model.save": (lambda: net().save("x"), AttributeError, "tg.save(path, model=model) writes a file"),
    "predict_proba": (lambda: net().predict_proba(X), AttributeError, "tg.softmax(model.predict(X), axis=1)"),
    "callback of three": (lambda: fit(callback=lambda a, b, c: 0), TypeError, "'c'; write def callback(row, run)"),
    "callback of Keras": (
        lambda: fit(callback=type("Mine", (), {"on_epoch_end": print})()), TypeError, "has on_epoch_end: name it"
    ),
    "callback of none": (lambda: fit(callback=lambda: 0), TypeError, "takes (), but is called with the row of"),
    "weights for a lambda": (
        lambda: fit(loss=lambda p, t: 0, sample_weight=np.ones(40)),
        TypeError,
        "which <lambda> does not take; tg.cross_entropy does, or write def loss(output, y, sample_weight)",
    ),
    "a list of unlike inputs": (lambda: fit(X=[X, X[:, 0]]), ValueError, "several arrays are a tuple, as (a, b)"),
    "a list of inputs": (lambda: fit(X=[X, X]), ValueError, "several inputs are a tuple, as (a, b)"),
    "fit lr": (lambda: fit(lr=0.1), TypeError, "optimizer=tg.Adam(model, lr=0.01)"),
    "fit clip_norm": (lambda: fit(clip_norm=0.0), ValueError, "clip_norm = 0.0, but it has to be above 0"),
    "fit rng": (lambda: fit(rng="x"), TypeError, "rng is a seed"),
    "fit without y": (lambda: tg.fit(net(), X), TypeError, "missing a required argument: 'y'"),
    "fit None": (lambda: fit(X=None), TypeError, "X is None"),
    "loss float": (lambda: fit(loss=lambda p, t: p.mean().item()), TypeError, "loss has to return a Tensor"),
    "loss array": (lambda: fit(loss=lambda p, t: p.numpy().mean()), TypeError, "no float(), item() or numpy() in it"),
    "loss vector": (lambda: fit(loss=lambda p, t: p), TypeError, "shape (32, 2): reduce it with .mean()"),
    "loss None": (lambda: fit(loss=lambda p, t: None), TypeError, "None: is there a return at its end?"),
    "evaluate loss": (lambda: tg.evaluate(net(), X, y, lambda p, t: None), TypeError, "the loss has to return"),
    "mse_loss weight": (lambda: tg.mse_loss(X, X, weight=X[:, 0]), TypeError, "sample_weight=, not weight=, a weight"),
    "class_weight": (lambda: tg.cross_entropy(X, y, class_weight=[1, 2]), TypeError, "weight=, not class_weight=, one"),
    "bce smoothing": (
        lambda: tg.binary_cross_entropy_with_logits(X, X, label_smoothing=0.1),
        TypeError,
        "cross_entropy has it; elsewhere the targets can be smooth",
    ),
    "log_target": (lambda: tg.kl_div(X, X, log_target=True), TypeError, "give targets.exp()"),
    "size_average": (lambda: tg.mse_loss(X, X, size_average=False), TypeError, 'reduction="sum" is the sum'),
    "soft labels": (lambda: tg.cross_entropy(X, X), ValueError, "probabilities are at least 0, and 1 in each row"),
    "y as a row": (lambda: fit(y=X[:, 0], loss=tg.mse_loss, model=net(1)), ValueError, "say y.reshape(-1, 1)"),
    "labels from 1": (lambda: fit(y=y + 1), ValueError, "y has 1 to 2: say y - 1"),
    "y of both classes": (lambda: fit(y=np.ones((len(y), 2))), ValueError, "binary_cross_entropy_with_logits"),
    "y as a column": (lambda: fit(y=y[:, None]), ValueError, "take y.ravel()"),
    "words": (lambda: fit(y=np.array(["cat", "dog"])[y]), TypeError, "y = np.unique(y, return_inverse=True)"),
    "words as objects": (lambda: fit(y=np.array(["a", "b"], object)[y]), TypeError, "y = np.unique(y, "),
    "words, evaluate": (lambda: tg.evaluate(net(), X, list("ab" * 20)), TypeError, "np.unique(y"),
    "race of a function": (lambda: tg.race(lambda x, y: x * y), TypeError, "or a tg.surfaces.Surface, made of"),
    "Linear of True": (lambda: tg.Linear(True, 3), TypeError, "in_features is a whole number, at least 1, got bool"),
    "mlp of True": (lambda: tg.mlp([2, True, 2]), TypeError, "features is a whole number, at least 1, got bool"),
    "mlp activation": (lambda: tg.mlp([2, 3, 2], activation=[]), TypeError, "activation is a name, as 'relu', got"),
    "Softmax axis": (lambda: tg.Softmax(1.5), TypeError, "Softmax() takes no arguments, got float 1.5"),
    "ReLU inplace": (lambda: tg.ReLU(inplace=True), TypeError, "ReLU() takes no arguments, got inplace=True"),
    "init.zeros": (lambda: tg.init.zeros("x"), TypeError, "shape is a whole number or a tuple of them, got str 'x'"),
    "init.zeros of -1": (lambda: tg.init.zeros([2, -1]), ValueError, "a size = -1, but it has to be a whole number"),
    "Optimizer": (lambda: tg.Optimizer([T]), TypeError, "take one, as tg.Adam, or write a subclass"),
    "SGD of an array": (lambda: tg.SGD(np.array(1)), TypeError, "params is the model, or a list of Tensors"),
    "nonfinite": (lambda: tg.SGD(net(), nonfinite=np.ones(2)), ValueError, 'it has to be "raise", "skip" or'),
    "FlatBuffer": (lambda: tg.FlatBuffer(3), TypeError, "FlatBuffer was given self: FlatBuffer, params: int 3"),
    "requires_grad": (lambda: tg.Tensor([1.0], requires_grad="no"), TypeError, "requires_grad is True or False, got"),
    "Tensor": (lambda: tg.Tensor([[1.0], [1.0, 2.0]]), ValueError, "rows have different lengths"),
    "exp": (lambda: tg.exp([[1.0], [1.0, 2.0]]), ValueError, "rows have different lengths"),
    "grad of lists": (lambda: setattr(net()[0].W, "grad", [[1.0], [1.0, 2.0]]), ValueError, "rows have different"),
    "item": (lambda: T.item(), ValueError, "item() is of a single number, and this tensor has shape (2, 3); reduce it"),
    "truth": (lambda: bool(T > 0) or bool(T), ValueError, "truth"),
    "keepdims": (lambda: T.sum(keepdims="x"), TypeError, "keepdims is True or False, got str 'x'"),
    "decimals": (lambda: T.round(1.5), TypeError, "decimals is a whole number, got float 1.5"),
    "reshape": (lambda: T.reshape("x"), TypeError, "shape is a whole number or a tuple of them, got str 'x'"),
    "mask": (lambda: ~T, TypeError, "__invert__ was given mask: Tensor (2, 3)"),
    "backward": (lambda: T.backward("x"), RuntimeError, "nothing here requires the gradient"),
    "huber delta": (lambda: tg.huber_loss(X, X, delta="x"), TypeError, "delta is a number, got str 'x'"),
    "losses of lists": (lambda: tg.hinge_loss(X, [[1.0], [1.0, 2.0]]), ValueError, "rows have different lengths"),
    "epochs": (lambda: tg.fit(net(), X, y, tg.cross_entropy, epochs=True), ValueError, "epochs = True, but it has"),
    "progress": (lambda: tg.fit(net(), X, y, tg.cross_entropy, progress="no"), TypeError, "progress is True or False"),
    "batch_size": (lambda: tg.batches(X, y, True), ValueError, "batch_size = True, but it has to be a whole number"),
    "shuffle": (lambda: tg.batches(X, y, shuffle="no"), TypeError, "shuffle is True or False, got str 'no'"),
    "idx": (lambda: tg.data.idx(3), TypeError, "path is a path, as 'folder/file', got int 3"),
    "cosine": (lambda: tg.schedules.cosine(True, 5), ValueError, "lr = True, but it has to be"),
    "cosine steps": (lambda: tg.schedules.cosine(0.1, True), ValueError, "steps = True, but it has to be a whole"),
    "schedule": (lambda: tg.schedules.schedule({}), TypeError, "the rule of a schedule is a function, got dict {}"),
    "patience": (lambda: tg.ReduceOnPlateau(tg.SGD(net()), patience=True), ValueError, "patience = True, but it has"),
    "bias_correction": (lambda: tg.MovingAverage(0.9, "no"), TypeError, "bias_correction is True or False, got str"),
    "debias": (lambda: tg.WeightAverage(tg.SGD(net()), 0.9, "no"), TypeError, "debias is True or False, got str 'no'"),
    "weights": (lambda: tg.MovingAverage().weights(2.5), TypeError, "n is a whole number, at least 0, got float 2.5"),
    "threads": (lambda: tg.set_num_threads(True), ValueError, "the number of threads is a whole number"),
    "race steps": (lambda: tg.race("booth", steps=True), TypeError, "steps is a whole number, at least 1, got bool"),
    "layout": (lambda: averages.load_state_dict({"layout": 1.0, "t": 1, "average": 1}), ValueError, "of another"),
    "freeze": (lambda: tg.SGD(net()).freeze(None), TypeError, "freeze was given optimizer: SGD"),
    "state": (lambda: net().load_state_dict(None), TypeError, "state is what state_dict() returned, or np.load"),
    "gradcheck": (lambda: tg.gradcheck(tg.exp, X, tolerance="x"), TypeError, "gradcheck was given f: function, inputs"),
    "summary": (lambda: net().summary(file=()), TypeError, "file is an open file, as open('table.txt', 'w')"),
    "rows of different lengths": (lambda: fit(X=[[1.0], [1.0, 2.0]]), ValueError, "rows have different lengths"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "sentence"), REFUSED.values(), ids=REFUSED)
def test_an_argument_that_is_not_taken_is_refused_by_a_sentence_of_ours(call, kind, sentence):
    with pytest.raises(kind) as caught:
        call()
    said = [str(caught.value), *getattr(caught.value, "__notes__", ())]
    assert any(sentence in line for line in said), said
    assert "\n" not in str(caught.value)


PRODUCTS = [  # shapes, and what would fit
    (
        (5, 4),
        (3, 4),
        r"the left factor \(5, 4\) has 4 columns, the right \(3, 4\) has 3 rows; left @ right\.T would fit",
    ),
    ((5, 3), (5, 4), r"has 3 columns, the right \(5, 4\) has 5 rows; left\.T @ right would fit, as in dW = x\.T @ g"),
    ((3, 4), (5, 3), "right @ left would fit"),
    ((3, 4), (5, 6), "these have to be equal"),
    ((3, 4), (5,), r"has 4 columns, the right \(5,\) has 5 numbers"),
]


@pytest.mark.parametrize("product", [lambda a, b: a @ b, np.matmul, lambda a, b: a.numpy() @ b, tg.matmul])
@pytest.mark.parametrize(("left", "right", "said"), PRODUCTS)
def test_a_product_of_shapes_that_do_not_fit_names_the_factors(product, left, right, said):
    with pytest.raises(ValueError, match=said):
        product(tg.Tensor(np.ones(left), requires_grad=True), tg.Tensor(np.ones(right)))


@pytest.mark.parametrize(
    ("vjp", "said"),
    [
        (lambda g, b: g @ b, "the left factor has 4 columns, the right 3 rows, .*: dx = g @ W.T, dW = x.T @ g$"),
        (
            lambda g, b: np.dot(g, b),
            r"\(5, 4\) has 4 columns, the right \(3, 4\) has 3 rows; left @ right\.T would fit",
        ),
        (
            lambda g, b: g + np.ones((2, 2)),
            r"^operands could not be broadcast together with shapes \(5,4\) \(2,2\)",
        ),  # others stay as they are
    ],
)
def test_a_vjp_that_wants_a_transpose_is_told(vjp, said):
    def product(a, b):
        return a @ b, lambda g: vjp(g, b), lambda g: a.T @ g

    x, W = (tg.Tensor(np.ones(shape), requires_grad=True) for shape in ((5, 3), (3, 4)))
    with pytest.raises(ValueError, match=said):
        tg.apply(product, x, W).sum().backward()


def test_a_parameter_is_not_replaced_by_something_that_no_step_moves():
    encoder, decoder = tg.mlp([4, 2], rng=0), tg.mlp([2, 4], rng=0)
    before = decoder[0].W
    with pytest.raises(TypeError, match=r"W of Linear\(2, 4\) .* the result of transpose \(2, 4\).* in forward\(\)"):
        decoder[0].W = encoder[0].W.T
    for numbers in (np.ones((2, 4)), 1.0, [[1.0]]):
        with pytest.raises(TypeError, match=r"W of Linear\(2, 4\) is a parameter.*write W\.data = \.\.\."):
            decoder[0].W = numbers
    assert decoder[0].W is before
    decoder[0].W = encoder[0].b  # a leaf, which is shared from now on
    decoder[0].b = None
    decoder[0].kept = decoder[0].W * 2  # forward() may keep what it computed
    decoder[0].kept = decoder[0].W * 3


@pytest.mark.parametrize("owner", [lambda m: m, tg.SGD, tg.WeightAverage], ids=["layer", "optimizer", "average"])
def test_what_is_no_state_is_refused_in_words(owner):
    model = tg.mlp([2, 2], rng=0)
    if owner is tg.WeightAverage:
        model = tg.SGD(model)
    loads = owner(model).load_state_dict
    for wrong in (None, [1], "state.npz"):
        with pytest.raises(TypeError, match=r"state is what state_dict\(\) returned, or np\.load of its file, got "):
            loads(wrong)


def test_a_part_of_a_sequential_is_one():
    model = tg.mlp([2, 4, 3], rng=0)
    part = model[:2]
    assert part(np.ones((5, 2))).shape == (5, 4)
    assert part[0] is model[0]
    assert [len(model[s]) for s in (slice(None), slice(1, 1), slice(-1, None))] == [3, 0, 1]


@pytest.mark.parametrize("data", [tg.data.batches, tg.data.split, tg.fit, tg.evaluate, tg.lr_find, tg.compile_step])
def test_sparse_matrices_are_refused_everywhere(data):
    class Sparse:  # what SciPy's have
        shape = (3, 2)

        def toarray(self):
            return np.ones((3, 2))

    model = tg.mlp([2, 2], rng=0)
    first = {tg.fit: [model], tg.evaluate: [model], tg.lr_find: [model]}.get(data, [])
    first = [model, tg.cross_entropy, tg.SGD(model)] if data is tg.compile_step else first
    with pytest.raises(TypeError, match=r"X is a sparse matrix \(3, 2\); say X\.toarray\(\)"):
        data(*first, Sparse(), np.zeros(3, int))


def test_words_as_labels_of_a_loss_get_the_line_that_makes_numbers_of_them():
    with pytest.raises(TypeError, match=r"names, labels = np\.unique\(labels, return_inverse=True\)"):
        tg.cross_entropy(np.ones((2, 2)), np.array(["a", "b"]))


@pytest.mark.parametrize("name", ["learningRate", "LearningRate", "learning_rate"])
def test_names_are_known_in_any_spelling(name):
    with pytest.raises(TypeError, match=f"lr=, not {name}=; SGD has params, lr"):
        tg.SGD(tg.mlp([2, 2], rng=0), **{name: 0.1})


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (lambda cost: 1.0, "float, of which nothing"),
        (lambda cost: None, "None: is there a return at its end"),
        (lambda cost: cost * np.ones(3), r"a Tensor of shape \(3,\): reduce it with \.mean\(\)"),
    ],
)
def test_a_compiled_loss_that_is_no_tensor_is_refused_as_an_eager_one(result, said):
    model, X, y = tg.mlp([2, 2], rng=0), np.ones((3, 2)), np.zeros(3, int)
    with pytest.raises(TypeError, match=f"the loss has to return a Tensor with one number, it returned {said}"):
        tg.compile_step(model, lambda z, t: result(tg.cross_entropy(z, t)), tg.SGD(model), X, y, quiet=True)


def test_names_of_other_frameworks_are_told_what_is_here():
    assert not hasattr(tg, "nothing")
    for theirs, ours in {
        "CSVLogger": "tg.Log",
        "nn": "tg.Linear",
        "manual_seed": "rng",
        "MSELoss": "mse_loss",
    }.items():
        with pytest.raises(AttributeError, match=f"has no attribute '{theirs}'; .*{ours}"):
            getattr(tg, theirs)
    optimizer = tg.SGD(tg.mlp([2, 2], rng=0), lr=0.5)
    with pytest.raises(AttributeError, match="an optimizer has no learning_rate; it is lr"):
        optimizer.learning_rate = 0.1
    with pytest.raises(AttributeError, match="an optimizer has no param_groups; it is groups"):
        optimizer.param_groups[0]["lr"]
    assert optimizer.lr == 0.5


def test_every_name_that_a_hint_says_is_there():
    for text in names.ELSEWHERE.values():
        for name in re.findall(r"tg\.(\w+)", text):
            assert hasattr(tg, name)


def test_a_masked_gradient_is_refused():
    p = tg.Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(TypeError, match="the gradient is a masked array, and 1 of its 2 numbers are hidden"):
        p.grad = np.ma.array([1.0, 2.0], mask=[0, 1])
    assert p.grad is None


def test_a_table_of_objects_says_which_cell_it_is():
    table = np.array([[1, 2.5], [True, "red"], [np.float32(2), 3]], dtype=object)
    with pytest.raises(
        TypeError, match=r"^X holds str 'red' at row 1, column 1, but .*, one column for each of its words"
    ):
        samples.numbers("X", table)
    table[1, 1] = None
    with pytest.raises(TypeError, match=r"^X holds None at row 1, column 1"):
        samples.numbers("X", table)
    table[1, 1] = np.bool_(True)
    np.testing.assert_array_equal(samples.numbers("X", table), [[1, 2.5], [1, 1], [2, 3]])
    labels = samples.numbers("y", np.array([0, 1, 2], dtype=object))
    assert labels.dtype == np.int64  # class numbers from a table stay class numbers
    assert samples.numbers("X", tg.Tensor([1.0])).tolist() == [1]
    with pytest.raises(TypeError, match="X holds complex128 1j at row 0"):
        samples.numbers("X", [1j])


def test_a_sparse_matrix_is_refused_with_what_to_say():
    class Sparse:
        shape, ndim = (40, 2), 2

        def toarray(self):
            raise AssertionError("it may be larger than memory")

    for call in (lambda: fit(X=Sparse()), lambda: fit(validation=(Sparse(), y))):
        with pytest.raises(TypeError, match=r"X is a sparse matrix \(40, 2\); say X.toarray\(\)"):
            call()


class Cell(tg.Layer):
    def __init__(self):
        self.x, self.h = tg.Linear(3, 4, rng=0), tg.Linear(4, 4, rng=1)

    def forward(self, x, h, scale=1.0):
        return (self.x(x) + self.h(h)).tanh() * scale


def test_a_layer_is_called_with_all_that_its_forward_takes():
    cell, h = Cell(), np.zeros((40, 4))
    expected = cell.forward(X, h, scale=2.0).numpy()
    for got in (cell(X, h, scale=2.0), cell(X, h=h, scale=2.0), cell(x=X, h=h, scale=2.0), cell(X, h, 2.0)):
        np.testing.assert_array_equal(got.numpy(), expected)
    for wrong in (lambda: cell(X), lambda: cell(X, h, 1, 2), lambda: cell(), lambda: tg.Linear(2, 3)(X, X)):
        with pytest.raises(TypeError, match=r"^(Cell|Linear)\.forward\(x.*\): (missing|too many)"):
            wrong()
    with pytest.raises(TypeError, match=r"Cell.forward got an unexpected keyword argument 'scales'; is it scale\?"):
        cell(X, h, scales=1)
    with pytest.raises(
        ValueError, match=r"^h \(Linear\(4, 4\)\) takes inputs of shape \(N, 4\), got \(40, 3\)"
    ) as caught:
        cell(X, X)
    assert "the input (40, 3), (40, 3)" in str(caught.value) + "".join(caught.value.__notes__)


def test_a_forward_without_return_is_named():
    class Silent(tg.Layer):
        def forward(self, x):
            x * 2

    class Outer(tg.Layer):
        def __init__(self, inner):
            self.inner = inner

        def forward(self, x):
            return self.inner(x) * 2

    said = r"Silent\(\)\)? returned None: is there a return at the end of its forward\?"
    for model, path in [
        (Silent(), "^"),
        (tg.Sequential(tg.ReLU(), Silent()), r"^layers.1 \("),
        (tg.Sequential(Silent(), tg.Linear(3, 2)), r"^layers.0 \("),
        (Outer(Silent()), "^"),
    ]:
        with pytest.raises(TypeError, match=path + said):
            model(X)


class Two(tg.Layer):
    def __init__(self):
        self.body, self.value, self.policy = tg.Linear(3, 4, rng=0), tg.Linear(4, 1, rng=1), tg.Linear(4, 2, rng=2)

    def forward(self, x):
        h = self.body(x).relu()
        return self.value(h), self.policy(h)


def both(outputs, labels):
    return tg.mse_loss(outputs[0], np.zeros((len(labels), 1))) + tg.cross_entropy(outputs[1], labels)


def test_a_model_with_two_outputs_trains_and_is_shown():
    model = Two()
    history = tg.fit(model, X, y, both, epochs=5, progress=False, optimizer=tg.SGD(model, lr=0.1))
    assert history["loss"][-1] < history["loss"][0]
    assert "accuracy" not in history.rows[0]
    assert tg.evaluate(model, X, y, both).accuracy is None
    model.summary(file=(text := io.StringIO()))
    assert "value   Linear  (N, 4)  ->  (N, 1)" in text.getvalue()
    tg.Sequential(model).summary(file=io.StringIO())


def test_checks_leave_alone_what_is_right():
    assert str(inspect.signature(tg.Dropout)) == "(p: 'float' = 0.5, rng: 'Rng' = None) -> 'None'"
    assert inspect.signature(tg.fit).parameters["epochs"].default == 10
    for layer in (
        tg.Dropout(0.5, rng=np.int64(3)),
        tg.LeakyReLU(np.float32(0.1)),
        tg.Linear(2, 3, bias=False, rng=[1, 2]),
    ):
        assert repr(copy.deepcopy(layer)) == repr(pickle.loads(pickle.dumps(layer))) == repr(layer)
    assert T.clip(1, 1).numpy().tolist() == [[1] * 3] * 2
    assert T.var(ddof=5).item() == 0
    assert T.sum(axis=(0, -1)).item() == 6
    net()[0].W.grad = None

    class Own(tg.Adam):
        def __init__(self, params, **anything):
            super().__init__(params)

    assert Own(net(), momentum=0.9).lr == tg.Adam(net()).lr

    class MyDropout(tg.Dropout):  # a layer of the user's with other arguments
        def __init__(self, rate):
            super().__init__(rate)

    assert MyDropout(rate=0.25).p == 0.25


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (kinds.whole, [0, np.uint8(3)], [-1, 1.0, True, "1", None]),
        (kinds.number, [1, -1.5, np.float32(2)], [True, "1", None, 1j, float("nan"), float("inf"), [1]]),
        (kinds.at_least_0, [0, 5e-324], [-1, -0.5]),
        (kinds.share, [0, 0.99], [1, -0.1]),
        (kinds.generator, [None, 0, [1, 2], np.random.default_rng(0)], [-1, 1.5, True, "x", [-1], ["x"]]),
        (kinds.yes_or_no, [True, np.bool_(0), 0, 1], [2, None, "yes", 1.5]),
        (kinds.dtype, [np.float32, "float64", float], [int, "x", 3, np.float16]),
        (kinds.weights, [(2, 3), [1, 1]], [(), (2,), (0, 1), (2.5, 1), 3, "ab"]),
    ],
)
def test_each_kind(check, right, wrong):
    for value in right:
        check("it", value)
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=r"^(it|a size) "):
            check("it", value)


def test_what_layers_of_other_libraries_have_is_said_by_its_name_here():
    model = net()
    with pytest.raises(AttributeError, match=r"a layer has no weight, which is PyTorch's: layer\.W "):
        model.layers[0].weight  # noqa: B018
    with pytest.raises(AttributeError, match=r"a layer has no fit, which is Keras's: tg\.fit\(model"):
        model.fit(X, y)
    assert not hasattr(model, "compile")


def test_a_layer_of_ones_own_may_have_these_names():
    class Scale(tg.Layer):
        def __init__(self):
            self.weight = tg.Tensor(2.0, requires_grad=True)

        def fit(self):
            return self.weight.item()

    assert Scale().fit() == 2.0
    assert list(Scale().named_parameters()) == ["weight"]


@pytest.mark.parametrize("dtype", ["x", np.array(1), ..., 3.5, [1]])
def test_a_dtype_that_is_none_is_refused(dtype):
    with pytest.raises(TypeError, match="dtype is a kind of numbers"):
        tg.Tensor([1.0], dtype=dtype)


def test_a_tensor_of_a_dtype_owns_its_numbers():
    given = np.array([1.5, 2.5])
    t = tg.Tensor(given, dtype=np.float64)
    t.data[0] = 9
    assert given[0] == 1.5
    assert tg.Tensor(given, dtype=np.float32).dtype == np.float32
