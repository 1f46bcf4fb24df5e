"""Networks as scikit-learn's estimators: `mlp` and `fit` behind fit, predict and score, for pipelines and searches.

Look first at `Network._learn`. The rest is scikit-learn's protocol: arguments that ``__init__`` only keeps, attributes
that end in ``_`` after fit, and data that scikit-learn's own functions check. This file is loaded when one of its two
estimators is used, and scikit-learn with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from math import ceil
from typing import Any, Literal, TypeVar

import numpy as np

from ..core.layers import mlp
from ..core.losses import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer
from ..core.tensor import Tensor, no_grad
from ..extras.optimizers import RULES
from ..guards.kinds import number, shown, whole, yes_or_no
from ..guards.samples import finite
from .callbacks import EarlyStopping
from .fit import fit
from .history import History
from .schedules import cosine, one_cycle, polynomial
from .scores import Loss
from .splits import require_scale
from .weights import checked_weights

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError:
    raise ImportError(
        "tg.MLPClassifier and tg.MLPRegressor need scikit-learn, 1.6 or newer: pip install -U scikit-learn"
    ) from None

Same = TypeVar("Same", bound="Network")
FALLING = {make.__name__: make for make in (cosine, one_cycle, polynomial)}  # of a rate and the number of all updates
FLOATS = (np.float64, np.float32)  # what is neither becomes the first
HELD_OUT, PATIENCE = 0.1, 10  # of early stopping: the share of the samples, and the number of epochs


def chosen(name: str, value: Any, table: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """Return the function that a table has under this value, or value itself, if it is a function."""
    if isinstance(value, str):
        if value not in table:
            near = "".join(f"is it {one!r}? " for one in get_close_matches(value, table, 1))
            raise ValueError(f"there is no {name} {value!r}; {near}choose from {', '.join(table)}")
        return table[value]
    if not callable(value):
        raise TypeError(f"{name} is a name, as {next(iter(table))!r}, or a function that makes it, got {shown(value)}")
    return value


class Network(BaseEstimator):
    """The base of both estimators: fit makes a network, an optimizer and a generator, and partial_fit trains them on.

    A subclass says what is learned: `_loss`, `_checked`, `_outputs` and `_targets`.
    """

    _class_weight: Array | None = None  # by the class's number
    _numeric = False

    def __init__(
        self,
        hidden: int | Sequence[int] = (100,),
        activation: str = "relu",
        optimizer: str | Callable[..., Optimizer] = "adam",
        lr: LearningRate = 0.005,
        schedule: str | Callable[..., Any] | None = None,
        l2: float = 0.001,
        dropout: float = 0.0,
        batch_size: int | None = 32,
        epochs: int = 100,
        early_stopping: bool | int = False,
        standardize: bool = True,
        random_state: Any = None,
        compiled: bool | Literal["auto"] = "auto",
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.optimizer = optimizer
        self.lr = lr
        self.schedule = schedule
        self.l2 = l2
        self.dropout = dropout
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.standardize = standardize
        self.random_state = random_state
        self.compiled = compiled
        self.verbose = verbose

    def fit(self: Same, X: Any, y: Any, sample_weight: Any = None) -> Same:
        """Train a new network on X and y, for all epochs. A sample of weight 2 counts as two, one of 0 is left out."""
        return self._learn(X, y, sample_weight, self.epochs, new=True)

    @property
    def loss_curve_(self) -> list[float]:
        """The mean loss of each epoch. That of a regressor is of its targets at mean 0 and deviation 1."""
        return self.history_["loss"]

    # --- training -----------------------------------------------------------------------------------------------------

    def _learn(self: Same, X: Any, y: Any, sample_weight: Any, epochs: int, new: bool, classes: Any = None) -> Same:
        """Train a new network, or the one that is there, for some epochs."""
        X, y = validate_data(self, X, y, reset=new, dtype=FLOATS, order="C", multi_output=True, y_numeric=self._numeric)
        y, weight = self._checked(y), checked_weights(sample_weight, len(X))
        if weight is not None:
            X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
        if new:
            self._begin(X, y, weight, classes)
        stop = self.early_stopping
        history = fit(
            self.model_,
            self._inputs(X),
            self._targets(y),
            self._loss(),
            self.optimizer_,
            epochs,
            self.batch_size,
            validation=HELD_OUT if stop else None,
            rng=self._rng,
            progress=self.verbose,
            callback=EarlyStopping(patience=PATIENCE if stop is True else stop) if stop else None,
            compiled=self.compiled,
            sample_weight=weight,
            class_weight=self._class_weight,
        )
        first = len(self.history_) + 1
        self.history_.rows += [row | {"epoch": epoch} for epoch, row in enumerate(history.rows, first)]
        self.history_.stopped = history.stopped
        return self

    def _go_on(self: Same, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Same:
        """Train for one epoch more."""
        if self.early_stopping:
            raise ValueError("partial_fit is one epoch, and early_stopping looks at several; use fit, or leave it out")
        return self._learn(X, y, sample_weight, 1, new=not hasattr(self, "model_"), classes=classes)

    def _begin(self, X: Array, y: Array, weight: Array | None, classes: Any) -> None:
        """Make what training changes: the network, its optimizer, the generator and the history."""
        hidden: list[Any] = list(self.hidden) if isinstance(self.hidden, (list, tuple)) else [self.hidden]
        size = len(X) if self.batch_size is None else self.batch_size
        for name, value, least in [("epochs", self.epochs, 0), ("batch_size", size, 1)]:
            whole(name, value, least)
        for width in hidden:
            whole("hidden", width, 1)
        if self.early_stopping is not True and self.early_stopping is not False:
            whole("early_stopping", self.early_stopping, 1)
        yes_or_no("verbose", self.verbose)
        self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        self.scaler_ = self._scaler(X, weight)
        sizes = [X.shape[1], *hidden, self._outputs(y, weight, classes)]
        self.model_ = mlp(sizes, self.activation, self.dropout, X.dtype, self._rng)
        learned = len(X) - (ceil(HELD_OUT * len(X)) if self.early_stopping else 0)  # as `split` parts them
        self.optimizer_ = self._rule(max(1, self.epochs * ceil(learned / size)))
        self.history_ = History()

    def _scaler(self, columns: Array, weight: Array | None) -> Any:
        """Return what brings columns to mean 0 and deviation 1, or, if not wanted, leaves them as they are."""
        yes_or_no("standardize", self.standardize)
        scaler = StandardScaler(with_mean=self.standardize, with_std=self.standardize)
        with np.errstate(over="ignore", invalid="ignore"):
            scaler.fit(columns, sample_weight=weight)
        if self.standardize:
            require_scale("standardize", scaler.scale_[None])
        return scaler

    def _rule(self, updates: int) -> Optimizer:
        """Return the optimizer, for a training of so many updates."""
        lr = self.lr if self.schedule is None else chosen("schedule", self.schedule, FALLING)(self.lr, updates)
        optimizer = chosen("optimizer", self.optimizer, RULES)(self.model_, lr=lr, l2=self.l2)
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"optimizer is a function that returns one, such as tg.Adam, got {shown(optimizer)} from it"
            )
        return optimizer

    def _inputs(self, X: Array) -> Array:
        """Return X as the network takes it."""
        return self.scaler_.transform(X).astype(self.model_.parameters()[0].dtype, copy=False)

    def _scores(self, X: Any) -> Array:
        """Return the network's output for X."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=FLOATS, order="C")
        return finite("the network's output", self.model_.predict(self._inputs(X)))


class MLPClassifier(ClassifierMixin, Network):
    """A network that learns classes, or several labels at once, as one of scikit-learn's classifiers.

    Of classes it learns the `cross_entropy`, of labels (an array (N, L) of 0 and 1) the
    `binary_cross_entropy_with_logits`. Needs scikit-learn.

    Parameters
    ----------
    hidden : sizes of the hidden layers, a number or several; with () the model is linear
    activation : after each hidden layer, see `mlp`
    optimizer : the name of a rule in ``tg.optimizers.RULES``, or a function that makes an optimizer of a model, lr and
        l2, as a class does
    lr : the learning rate, a number or a function of the update
    schedule : "cosine", "one_cycle" or "polynomial", by which lr falls until the last epoch, or a function that makes
        a schedule of lr and the number of all updates
    l2 : see `Optimizer`
    dropout : probability to drop after each hidden activation
    batch_size : samples for each update, None for all
    epochs : passes over the data
    early_stopping : hold a tenth of the samples back, the same share of each class, and stop when their loss has not
        fallen for 10 epochs, or for so many; the weights of the best epoch are kept
    class_weight : None, "balanced" (N / (C · count) for each class) or a dict from classes to weights
    standardize : learn the mean and deviation of each feature, of the training data alone, and bring features to mean
        0 and deviation 1 before the network, in fit as in predict
    random_state : a seed; None, or a RandomState, for another run each time
    compiled : train in machine code: the same numbers to rounding, sooner if there are many updates; "auto" where that
        pays (see `fit`)
    verbose : show progress

    Attributes
    ----------
    classes_ : the classes, sorted: columns of `predict_proba`
    model_, optimizer_, scaler_ : the network, its optimizer, and the StandardScaler before the network
    history_ : the `History`, with a row for each epoch
    loss_curve_ : the loss of each epoch
    n_features_in_, feature_names_in_ : the number of features, and their names if X was a DataFrame

    Examples
    --------
    >>> from tinygrad_edu.training import data
    >>> X, y = data.moons(200, rng=0)
    >>> MLPClassifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        hidden: int | Sequence[int] = (100,),
        activation: str = "relu",
        optimizer: str | Callable[..., Optimizer] = "adam",
        lr: LearningRate = 0.005,
        schedule: str | Callable[..., Any] | None = None,
        l2: float = 0.001,
        dropout: float = 0.0,
        batch_size: int | None = 32,
        epochs: int = 100,
        early_stopping: bool | int = False,
        class_weight: Any = None,
        standardize: bool = True,
        random_state: Any = None,
        compiled: bool | Literal["auto"] = "auto",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden=hidden,
            activation=activation,
            optimizer=optimizer,
            lr=lr,
            schedule=schedule,
            l2=l2,
            dropout=dropout,
            batch_size=batch_size,
            epochs=epochs,
            early_stopping=early_stopping,
            standardize=standardize,
            random_state=random_state,
            compiled=compiled,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MLPClassifier:
        """Train for one epoch more; the first call makes the network.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
        classes : all classes, in the first call; None if y holds all of them. Later calls have the same ones, or None
        """
        if classes is not None and hasattr(self, "model_") and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes = {np.unique(classes).tolist()}, but the network has learned {self.classes_.tolist()}, those "
                "of the first call; fit begins anew"
            )
        return self._go_on(X, y, sample_weight, classes)

    def predict(self, X: Any) -> Array:
        """Return the class of each sample; of labels, 1 for those that are more likely than not."""
        shares = self.predict_proba(X)
        return (shares > 0.5).astype(int) if self._several else self.classes_[shares.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class (N, C), or of each label (N, L)."""
        scores = self._scores(X)
        with no_grad():
            return Tensor(scores).sigmoid().numpy() if self._several else Tensor(scores).softmax().numpy()

    def _loss(self) -> Loss:
        return binary_cross_entropy_with_logits if self._several else cross_entropy

    def _checked(self, y: Array) -> Array:
        """Return y as classes (N,), or as labels (N, L)."""
        check_classification_targets(y)
        return y if type_of_target(y) == "multilabel-indicator" else column_or_1d(y, warn=True)

    def _outputs(self, y: Array, weight: Array | None, classes: Any) -> int:
        """Note the classes, and return their number."""
        self._several = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if self._several else np.unique(y if classes is None else classes)
        self._class_weight = None
        if self.class_weight is not None:
            if self._several:
                raise ValueError("class_weight is a weight for each class, and these are labels, several for a sample")
            if isinstance(self.class_weight, Mapping):
                for kind, share in self.class_weight.items():
                    number(f"class_weight[{kind!r}]", share, 0)
            self._class_weight = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return len(self.classes_)

    def _targets(self, y: Array) -> Array:
        """Return y as the loss takes it."""
        if self._several:
            return y.astype(float)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y holds {unknown.tolist()[0]!r}, which is none of the classes {self.classes_.tolist()}; give all "
                "classes to the first call: partial_fit(X, y, classes=[...])"
            )
        return np.searchsorted(self.classes_, y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, Network):
    """A network that learns numbers, as one of scikit-learn's regressors. Needs scikit-learn.

    It learns the mean squared error, of y (N,) or of several targets (N, K). Parameters and attributes are those of
    `MLPClassifier`, without ``class_weight`` and ``classes_``. ``standardize`` brings the targets to mean 0 and
    deviation 1, too; predictions are in the units of y.

    Examples
    --------
    >>> from tinygrad_edu.training import data
    >>> X, y = data.regression(200, rng=0)
    >>> MLPRegressor(random_state=0).fit(X, y.ravel()).score(X, y) > 0.9
    True
    """

    _numeric = True

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch more; the first call makes the network, and learns the scales."""
        return self._go_on(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the number, or the numbers, of each sample."""
        scores = self._scores(X)
        numbers = self.target_scaler_.inverse_transform(scores)
        return numbers.ravel() if self._one else numbers

    def _loss(self) -> Loss:
        return mse_loss

    def _checked(self, y: Array) -> Array:
        """Return y as numbers, (N,) or (N, K)."""
        return column_or_1d(y, warn=True) if y.shape[1:] == (1,) else y

    def _outputs(self, y: Array, weight: Array | None, classes: Any) -> int:
        """Learn the scales of y, and return the number of targets."""
        self._one, table = y.ndim == 1, y.reshape(len(y), -1)
        self.target_scaler_ = self._scaler(table, weight)
        return table.shape[1]

    def _targets(self, y: Array) -> Array:
        """Return y as the loss takes it, (N, K)."""
        return self.target_scaler_.transform(y.reshape(len(y), -1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
