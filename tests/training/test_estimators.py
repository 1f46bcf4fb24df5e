"""The estimators pass scikit-learn's own checks, learn what its networks learn from the same weights, and work in its
pipelines and searches."""

import copy
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets, neural_network
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import tinygrad_edu as tg
from tinygrad_edu.compile import step

# enough for scikit-learn's checks, which fit some hundred times
SMALL = {"hidden": 4, "epochs": 12, "lr": 0.05, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, -1.0]
Y = np.array(["low", "mid", "top"])[np.digitize(X[:, 0] + X[:, 1] / 10, [0.0, 1.0])]
T = np.stack([X[:, 0] * 100 + 7, X[:, 1] - X[:, 2]], axis=1)
BOTH = pytest.mark.parametrize(("kind", "y"), [(tg.MLPClassifier, Y), (tg.MLPRegressor, T)])
jitted = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")


def answers(estimator, X=X):
    """What is compared bit by bit: probabilities of a classifier, predictions of a regressor."""
    return getattr(estimator, "predict_proba", estimator.predict)(X)


# --- scikit-learn's checks --------------------------------------------------------------------------------------------

SKIPPED = {  # by scikit-learn: without a variable of the environment, and without a decision_function
    "check_array_api_input",
    "check_classifiers_multilabel_output_format_decision_function",
}


@pytest.mark.parametrize("kind", [tg.MLPClassifier, tg.MLPRegressor])
def test_every_check_of_scikit_learn_passes(kind):
    done = estimator_checks.check_estimator(kind(**SMALL), on_skip=None)
    assert len(done) > 50
    assert {check["check_name"] for check in done if check["status"] != "passed"} <= SKIPPED
    of_several = {tg.MLPClassifier: "check_classifiers_multilabel_output_format_predict"}
    assert of_several.get(kind, "check_regressor_multioutput") in {check["check_name"] for check in done}


@jitted
@pytest.mark.slow  # each compiles a step for each of its shapes
@pytest.mark.parametrize("check", ["check_dict_unchanged", "check_fit_idempotent", "check_estimators_pickle"])
@pytest.mark.parametrize("kind", [tg.MLPClassifier, tg.MLPRegressor])
def test_checks_pass_compiled(kind, check):
    vars(estimator_checks)[check](kind.__name__, kind(**SMALL, compiled=True))


# --- what is learned, against scikit-learn's networks -----------------------------------------------------------------


def theirs(network, estimator, y, updates, weight=None):
    """Train scikit-learn's network by gradient descent on all samples, from the weights that ours starts from."""
    start = clone(estimator).set_params(epochs=0).fit(X, y)
    scaled = StandardScaler().fit_transform(X, sample_weight=weight)
    network.set_params(
        hidden_layer_sizes=estimator.hidden, activation="tanh", solver="sgd", momentum=0, alpha=0, batch_size=len(X)
    )
    given = {} if weight is None else {"sample_weight": weight}
    network.partial_fit(scaled, y, **given, **({"classes": start.classes_} if hasattr(start, "classes_") else {}))
    layers = [layer for layer in start.model_ if isinstance(layer, tg.Linear)]
    for W, b, layer in zip(network.coefs_, network.intercepts_, layers):
        W[...], b[...] = layer.W.numpy(), layer.b.numpy()
    for _ in range(updates):
        network.partial_fit(scaled, y, **given)
    return network, StandardScaler().fit(X, sample_weight=weight).transform


@pytest.mark.parametrize("weight", [None, RNG.uniform(0.1, 3, len(X))], ids=["plain", "weighted"])
def test_a_classifier_learns_what_scikit_learns_does(weight):
    ours = tg.MLPClassifier(
        (5, 4), "tanh", "sgd", lr=0.3, l2=0, batch_size=None, epochs=30, random_state=1, standardize=True
    )
    network, scale = theirs(neural_network.MLPClassifier(learning_rate_init=0.3), ours, Y, 30, weight)
    ours.fit(X, Y, weight)
    np.testing.assert_allclose(ours.predict_proba(X), network.predict_proba(scale(X)), rtol=1e-9)
    assert ours.loss_curve_ == pytest.approx(network.loss_curve_[1:], rel=1e-9)
    assert ours.loss_curve_[-1] < 0.7 * ours.loss_curve_[0]
    assert (ours.predict(X) == network.predict(scale(X))).all()
    assert ours.classes_.tolist() == ["low", "mid", "top"]


def test_a_regressor_learns_what_scikit_learns_does_of_targets_at_mean_0_and_deviation_1():
    y = T[:, 0]
    ours = tg.MLPRegressor((5,), "tanh", "sgd", lr=0.05, l2=0, batch_size=None, epochs=30, random_state=1)
    scaled = (y - y.mean()) / y.std()
    network, scale = theirs(neural_network.MLPRegressor(learning_rate_init=0.1), ours, scaled, 30)  # of half the loss
    predicted = ours.fit(X, y).predict(X)
    np.testing.assert_allclose(predicted, network.predict(scale(X)) * y.std() + y.mean(), rtol=1e-9)
    assert ours.loss_curve_ == pytest.approx(2 * np.array(network.loss_curve_[1:]), rel=1e-9)
    assert ours.score(X, y) == pytest.approx(1 - ((predicted - y) ** 2).mean() / y.var(), rel=1e-12)


def test_labels_are_learned_as_scikit_learn_does():
    labels = np.stack([X[:, 0] > 0, X[:, 1] > 5, X[:, 0] + X[:, 1] / 10 > 1], axis=1).astype(int)
    ours = tg.MLPClassifier((5,), "tanh", "sgd", lr=0.9, l2=0, batch_size=None, epochs=30, random_state=1)
    network, scale = theirs(neural_network.MLPClassifier(learning_rate_init=0.3), ours, labels, 30)  # of a sum of three
    shares = ours.fit(X, labels).predict_proba(X)
    np.testing.assert_allclose(shares, network.predict_proba(scale(X)), rtol=1e-9)
    assert (ours.predict(X) == (shares > 0.5)).all()
    assert ours.classes_.tolist() == [0, 1, 2]
    assert ours.score(X, labels) == (ours.predict(X) == labels).all(axis=1).mean() > 0.4


def test_several_targets_are_predicted_in_their_units():
    model = tg.MLPRegressor(hidden=16, lr=0.02, random_state=0).fit(X, T)
    predicted = model.predict(X)
    assert predicted.shape == T.shape
    assert (r2_score(T, predicted, multioutput="raw_values") > 0.9).all()
    assert tg.MLPRegressor(**SMALL).fit(X, T[:, 0]).predict(X).shape == (len(X),)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_class_weight_is_a_weight_for_each_sample_of_the_class():
    counts = {name: np.sum(name == Y) for name in np.unique(Y)}
    by_hand = {
        "balanced": np.array([len(Y) / (3 * counts[name]) for name in Y]),
        "dict": np.array([{"low": 2.0, "mid": 0.5, "top": 1.0}[name] for name in Y]),
    }
    make = partial(tg.MLPClassifier, **SMALL, standardize=False)
    for given, key in (("balanced", "balanced"), ({"low": 2, "mid": 0.5}, "dict")):
        ours = make(class_weight=given).fit(X, Y)
        np.testing.assert_allclose(answers(ours), answers(make().fit(X, Y, by_hand[key])), rtol=1e-9)
        assert not np.allclose(answers(ours), answers(make().fit(X, Y)), rtol=1e-3)
    ours.set_params(class_weight=None).fit(X, Y)
    assert (answers(ours) == answers(make().fit(X, Y))).all()  # no weight of before is left


def test_labels_have_no_class_weight():
    with pytest.raises(ValueError, match="class_weight is a weight for each class, and these are labels"):
        tg.MLPClassifier(class_weight="balanced").fit(X, np.stack([X[:, 0] > 0, X[:, 1] > 5], axis=1).astype(int))


@BOTH
def test_a_weight_of_0_leaves_a_sample_out(kind, y):
    weight = np.where(np.arange(len(X)) % 3, 1.0, 0.0)
    some = weight > 0
    ours, alone = kind(**SMALL).fit(X, y, weight), kind(**SMALL).fit(X[some], y[some])
    np.testing.assert_allclose(answers(ours), answers(alone), rtol=1e-8)


# --- runs -------------------------------------------------------------------------------------------------------------

RICH = {**SMALL, "hidden": 16, "dropout": 0.1, "schedule": "cosine", "batch_size": 20, "epochs": 6}


@BOTH
def test_a_seed_gives_the_same_bits_and_another_seed_others(kind, y):
    first, second = (kind(**RICH).fit(X, y) for _ in range(2))
    assert (answers(first) == answers(second)).all()
    assert first.loss_curve_ == second.loss_curve_
    for other in ({"random_state": 1}, {"dropout": 0}):
        assert (answers(first) != answers(kind(**{**RICH, **other}).fit(X, y))).any()


def test_without_a_seed_numpys_global_one_decides():
    runs = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        runs.append(answers(tg.MLPClassifier(**{**SMALL, "random_state": None}).fit(X, Y)))
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()
    state = np.random.RandomState(0)
    one, other = (answers(tg.MLPClassifier(**{**SMALL, "random_state": state}).fit(X, Y)) for _ in "12")
    assert (one != other).any()


@BOTH
def test_a_second_fit_forgets_the_first(kind, y):
    twice = kind(**RICH).fit(X[:20, :2], y[:20]).fit(X, y)
    assert (answers(twice) == answers(kind(**RICH).fit(X, y))).all()
    assert len(twice.loss_curve_) == RICH["epochs"]
    assert twice.n_features_in_ == 3


@BOTH
def test_partial_fit_takes_the_epochs_of_fit(kind, y):
    whole, parts = kind(**RICH), kind(**RICH)
    for epoch in range(1, RICH["epochs"] + 1):
        parts.partial_fit(X, y)
        assert [row["epoch"] for row in parts.history_.rows] == list(range(1, epoch + 1))
    assert (answers(parts) == answers(whole.fit(X, y))).all()
    assert parts.loss_curve_ == whole.loss_curve_
    whole.set_params(schedule=None).fit(X, y)
    before = answers(whole)
    assert (answers(whole.partial_fit(X, y)) != before).any()  # and on behind fit
    assert len(whole.loss_curve_) == RICH["epochs"] + 1


def test_partial_fit_is_told_of_classes_that_come_later():
    model = tg.MLPClassifier(**SMALL).partial_fit(X[Y != "top"], Y[Y != "top"], ["top", "low", "mid"])
    assert model.classes_.tolist() == ["low", "mid", "top"]
    for _ in range(60):
        model.partial_fit(X, Y)
    assert model.score(X, Y) > 0.8
    epochs = len(model.loss_curve_)
    for other in (["low", "top"], ["low", "mid", "top", "up"], [0, 1, 2]):
        with pytest.raises(ValueError, match=r"has learned \['low', 'mid', 'top'\], those of the first call"):
            model.partial_fit(X, Y, other)
    assert len(model.partial_fit(X, Y, ["top", "mid", "low", "low"]).loss_curve_) == epochs + 1
    model = tg.MLPClassifier(**SMALL).partial_fit(X[Y != "top"], Y[Y != "top"])
    with pytest.raises(ValueError, match=r"y holds 'top', which is none of the classes \['low', 'mid'\]; give all"):
        model.partial_fit(X, Y)


@BOTH
@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_trained_copy_predicts_and_trains_on_with_the_same_bits(kind, y, copied):
    model = kind(**RICH).partial_fit(X, y).partial_fit(X, y)
    twin = copied(model)
    before = answers(model)
    assert (answers(twin) == before).all()
    assert (answers(twin.partial_fit(X, y)) != before).any()
    assert (answers(model) == before).all()
    assert (answers(twin) == answers(model.partial_fit(X, y))).all()


def test_the_schedule_ends_with_the_last_epoch():
    model = tg.MLPClassifier(**SMALL, batch_size=16, schedule="cosine").fit(X, Y)
    e = np.arange(12) * 4  # 60 samples are 4 batches of 16
    np.testing.assert_allclose(model.history_["lr"], 0.05 * (1 + np.cos(np.pi * e / 48)) / 2, rtol=1e-12)
    assert model.optimizer_.lr == 0
    model = tg.MLPClassifier(**SMALL, schedule=lambda lr, steps: tg.schedules.step(lr, steps // 2, 0.1)).fit(X, Y)
    assert model.history_["lr"] == pytest.approx([0.05] * 6 + [0.005] * 6)


def test_the_schedule_ends_with_the_last_epoch_where_samples_are_held_out():
    model = tg.MLPClassifier(**SMALL | {"epochs": 5}, batch_size=18, schedule="cosine", early_stopping=5)
    model.fit(X[:41], Y[:41])  # 36 of 41 to learn from: 2 batches, where nine tenths would be 3
    assert (model.optimizer_.t, model.optimizer_.lr) == (10, 0)


@pytest.mark.parametrize("rule", [tg.HeavyBall, partial(tg.HeavyBall, momentum=0.9), "heavy_ball"])
def test_an_optimizer_is_a_name_a_class_or_a_function(rule):
    model = tg.MLPRegressor(**SMALL, optimizer=rule).fit(X, T)
    assert isinstance(model.optimizer_, tg.HeavyBall)
    assert model.optimizer_.groups[0] == {"lr": 0.05, "l2": 0.001, "momentum": 0.9, "dampening": 0.0}


@pytest.mark.parametrize(("given", "patience"), [(True, 10), (4, 4)])
def test_early_stopping_keeps_the_weights_of_the_best_epoch(given, patience):
    rng = np.random.default_rng(1)
    noise, labels = rng.standard_normal((200, 5)), rng.integers(0, 2, 200)  # nothing to learn but by heart
    model = tg.MLPClassifier(hidden=32, lr=0.02, epochs=200, early_stopping=given, random_state=0).fit(noise, labels)
    held_out = model.history_["validation_loss"]
    assert len(held_out) == np.argmin(held_out) + 1 + patience < 200
    assert model.history_.stopped.startswith("early stopping")
    again = clone(model).set_params(epochs=int(np.argmin(held_out)) + 1)
    assert (answers(again.fit(noise, labels), noise) == answers(model, noise)).all()
    with pytest.raises(ValueError, match="partial_fit is one epoch, and early_stopping looks at several"):
        model.partial_fit(noise, labels)


@jitted
@pytest.mark.sample(2)
@BOTH
def test_compiled_learns_the_same(kind, y):
    plain, compiled = (kind(**RICH, compiled=on).fit(X, y) for on in (False, True))
    np.testing.assert_allclose(answers(compiled), answers(plain), rtol=1e-9)


def test_compiled_is_compiled(monkeypatch):
    monkeypatch.setattr(step, "CompiledStep", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tg.MLPClassifier(**SMALL, compiled=True).fit(X, Y)


# --- in scikit-learn's tools ------------------------------------------------------------------------------------------


@BOTH
def test_standardize_is_a_scaler_in_front(kind, y):
    inside = kind(**SMALL).fit(X, y)
    raw = kind(**SMALL, standardize=False)
    scaled = (y - y.mean(axis=0)) / y.std(axis=0) if y is T else y
    outside = answers(make_pipeline(StandardScaler(), raw).fit(X, scaled))
    expected = outside * T.std(axis=0) + T.mean(axis=0) if y is T else outside
    np.testing.assert_allclose(answers(inside), expected, rtol=1e-9)


def test_a_grid_search_finds_the_better_of_two_rates():
    pipeline = make_pipeline(StandardScaler(), tg.MLPClassifier(**SMALL))
    grid = {"mlpclassifier__lr": [1e-3, 0.2], "mlpclassifier__hidden": [(), 8]}
    with pytest.warns(UserWarning, match="nothing was learned"):
        search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_["mlpclassifier__lr"] == 0.2
    assert search.best_score_ == cross_val_score(search.best_estimator_, X, Y, cv=3).mean() > 0.8
    assert search.cv_results_["mean_test_score"].shape == (4,)


def test_without_standardize_the_network_gets_the_data_as_they_are():
    model = tg.MLPClassifier(hidden=(), epochs=0, standardize=False).fit(X, Y)
    e = np.exp(X @ model.model_[0].W.numpy())
    np.testing.assert_allclose(answers(model), e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    model = tg.MLPRegressor(hidden=(), epochs=0, standardize=False).fit(X, T)
    np.testing.assert_allclose(answers(model), X @ model.model_[0].W.numpy(), rtol=1e-12)


@BOTH
def test_parameters_can_be_read_set_and_cloned(kind, y):
    model = kind(**RICH)
    assert model.get_params() == {**kind().get_params(), **RICH}
    assert model.set_params(lr=0.5).lr == 0.5
    model.fit(X, y)
    again = clone(model)
    assert again.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        again.predict(X)
    with pytest.raises(ValueError, match="Invalid parameter 'rate'"):
        model.set_params(rate=1)


@BOTH
def test_a_column_is_taken_as_labels_with_a_warning(kind, y):
    flat = y if y is Y else y[:, 0]
    column = kind(**SMALL)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        column.fit(X, flat[:, None])
    assert (answers(column) == answers(kind(**SMALL).fit(X, flat))).all()


def test_a_data_frame_has_names():
    pandas = pytest.importorskip("pandas")
    frame, species = pandas.DataFrame(X, columns=["a", "b", "c"]), pandas.Series(Y, dtype="category")
    model = tg.MLPClassifier(**SMALL).fit(frame, species)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert (answers(model, frame) == answers(tg.MLPClassifier(**SMALL).fit(X, Y))).all()
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c"]])
    targets = pandas.DataFrame(T, columns=["d", "e"])
    assert tg.MLPRegressor(**SMALL).fit(frame, targets).predict(frame).shape == T.shape


@pytest.mark.parametrize("y", [Y == "low", np.where(Y == "low", -1, 1), Y.astype(object)])
def test_labels_may_be_of_any_kind(y):
    model = tg.MLPClassifier(**SMALL).fit(X, y)
    assert model.predict(X).dtype == y.dtype
    assert (model.classes_ == np.unique(y)).all()
    assert log_loss(y, model.predict_proba(X)) < np.log(len(model.classes_))


def test_float32_stays_float32():
    model = tg.MLPRegressor(**SMALL).fit(X.astype(np.float32), T)
    assert model.predict(X).dtype == model.model_[0].W.dtype == np.float32
    assert tg.MLPRegressor(**SMALL).fit(X, T).predict(X.astype(np.float32)).dtype == np.float64


@jitted
def test_the_first_fit_of_a_newcomer_is_good():
    for load, least in ((datasets.load_wine, 0.94), (datasets.load_breast_cancer, 0.95), (datasets.load_iris, 0.92)):
        table, labels = load(return_X_y=True)  # columns of any scale
        order = np.random.default_rng(0).permutation(len(table))
        learn, ask = np.split(order, [len(order) // 2])
        assert tg.MLPClassifier(random_state=0).fit(table[learn], labels[learn]).score(table[ask], labels[ask]) > least
    table, numbers = datasets.load_diabetes(return_X_y=True)
    assert tg.MLPRegressor(random_state=0).fit(table[:300], numbers[:300]).score(table[300:], numbers[300:]) > 0.3


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"optimizer": "adamm"}, r"there is no optimizer 'adamm'; is it 'adam'\? choose from .*adamw"),
        ({"schedule": "step"}, "there is no schedule 'step'; choose from cosine, one_cycle, polynomial"),
        ({"optimizer": 3}, "optimizer is a name, as 'sgd', or a function that makes it, got int 3"),
        ({"schedule": ()}, r"schedule is a name, as 'cosine', or a function that makes it, got tuple \(\)"),
        ({"optimizer": lambda model, lr, l2: None}, "optimizer is a function that returns one, .* got NoneType"),
        ({"hidden": 0}, "hidden = 0, but it has to be a whole number, at least 1"),
        ({"hidden": "64"}, "hidden is a whole number, at least 1, got str '64'"),
        ({"hidden": (4, 2.5)}, "hidden is a whole number, at least 1, got float 2.5"),
        ({"activation": "rellu"}, "no activation 'rellu'; there are .*relu"),
        ({"epochs": -1}, "epochs = -1, but it has to be a whole number, at least 0"),
        ({"batch_size": 0}, "batch_size = 0, but it has to be a whole number, at least 1"),
        ({"dropout": 1}, "dropout = 1, but it has to be at least 0 and below 1"),
        ({"lr": -1.0}, "lr = -1.0"),
        ({"early_stopping": -1}, "early_stopping = -1, but it has to be a whole number, at least 1"),
        ({"standardize": 3}, "standardize is True or False, got int 3"),
        ({"verbose": "yes"}, "verbose is True or False, got str"),
    ],
)
@BOTH
def test_arguments_are_refused_when_fit_needs_them(kind, y, given, said):
    with pytest.raises((ValueError, TypeError), match=said):
        kind(**given).fit(X, y)


@pytest.mark.parametrize(
    ("theirs", "advice"),
    [("warm_start", r"partial_fit\(X, y\) goes on"), ("momentum", "HeavyBall"), ("weight_decay", "l2=, not")],
)
def test_what_has_no_argument_of_its_own_is_answered_with_another_way(theirs, advice):
    with pytest.raises(TypeError, match=f"'{theirs}'; .*{advice}"):
        tg.MLPClassifier(**{theirs: 1})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("hidden_layer_sizes", "hidden"),
        ("learning_rate_init", "lr"),
        ("max_iter", "epochs"),
        ("alpha", "l2"),
        ("seed", "random_state"),
    ],
)
def test_the_names_of_scikit_learns_networks_are_answered_with_ours(theirs, ours):
    with pytest.raises(TypeError, match=f"'{theirs}'; {ours}=, not {theirs}=; .* has hidden, activation"):
        tg.MLPClassifier(**{theirs: 1})


def python(code, **variables):
    environment = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parent.parent), **variables}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scikit_learn_is_loaded_with_the_first_use_of_an_estimator():
    loaded = "print('sklearn' in sys.modules)"
    use = f"from tinygrad_edu import *; tg.fit; {loaded}; tg.MLPClassifier; {loaded}"
    assert python(f"import sys, tinygrad_edu as tg; {use}") == "False\nTrue\n"


def test_without_scikit_learn_all_else_works():
    try_it = "try:\n    tg.MLPRegressor\nexcept ImportError as error:\n    print(error)"
    code = f"import sys\nsys.modules['sklearn'] = None\nfrom tinygrad_edu import *\nimport tinygrad_edu as tg\n{try_it}"
    said = "tg.MLPClassifier and tg.MLPRegressor need scikit-learn, 1.6 or newer: pip install -U scikit-learn\n"
    assert python(code) == said


def test_a_network_at_chance_level_is_not_told_to_standardize_again():
    with pytest.warns(UserWarning, match="nothing was learned") as told:
        tg.MLPClassifier(**SMALL | {"lr": 1e-12, "epochs": 5}).fit(X, Y)
    assert "deviation 1" not in str(told[0].message)


@BOTH
def test_numbers_that_cannot_be_scaled_are_refused_by_column(kind, y):
    with pytest.raises(ValueError, match="column 1 is too large to scale"):
        kind(**SMALL).fit(X * [1, 1e200, 1], y)


@BOTH
def test_a_network_of_nan_has_no_answers(kind, y):
    network = kind(**SMALL | {"epochs": 1}).fit(X, y)
    network.model_[0].W.data[0] = np.nan
    with pytest.raises(ValueError, match="the network's output holds nan"):
        network.predict(X)


def test_a_weight_of_a_class_is_named_by_its_word():
    with pytest.raises(ValueError, match=r"class_weight\['mid'\]"):
        tg.MLPClassifier(**SMALL, class_weight={"low": 1, "mid": -1, "top": 1}).fit(X, Y)
