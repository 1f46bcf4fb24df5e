"""A network and data of one's own, as the playground takes them: see `notebook.lab`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from ..core.layers import ACTIVATIONS, Activation, Dropout, Layer, Linear, contents
from ..core.optimizer import Optimizer
from ..extras.optimizers import RULES
from ..guards import kinds
from ..training.data import Split, split
from .page import EVERY, STEPS
from .programs import DEEPEST, LINEAR, perceptron
from .runs import followed

WIDEST, MANY, COLOURS = 32, 2000, 3  # units in a layer, samples and classes on the page


def own(model: Layer, X: Any, y: Any, optimizer: Optimizer | None = None, seed: int = 0) -> dict[str, Any]:
    """Return a network, data and a rule as facts of the page: settings, numbers, and the losses of a training.

    Parameters
    ----------
    model : as `mlp` builds them, or without activations; its weights are the first ones on the page
    X, y : points of two numbers, with labels of up to 3 classes or with one number each; or points of one number with
        one number each. A fifth of them is held out
    optimizer : its class, numbers and l2 are those on the page, its averages begin anew; None for Adam
    seed : of the split and of the order of the batches

    Raises
    ------
    ValueError : a model, data or rule that the playground does not have
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if not classes_of(X, y, built(model)[0]):
        y = y.astype(float).reshape(-1, 1)
    return facts_of(model, split(X, y, rng=seed), optimizer, seed)


def facts_of(
    model: Layer, data: Split, optimizer: Optimizer | None = None, seed: int = 0, batch: int = 32
) -> dict[str, Any]:
    """Return the facts of data that are split already, with another size of the batches."""
    (_, *hidden, _), activation, dropout = built(model)
    rule, hyper, l2 = rule_of(optimizer)
    classes = int(model.parameters()[-1].size) if data.y_train.dtype.kind in "iu" else 0
    settings = {
        **{"data": "own", "layers": hidden, "activation": activation, "dropout": dropout, "batch": batch},
        **{"loss": "cross_entropy" if classes else "mse_loss", "rule": rule, "hyper": hyper, "l2": l2},
        **{"schedule": "", "numbers": {}, "seed": seed, "start": seed},
    }
    losses = followed(deepcopy(model), data.X_train, data.y_train, settings, STEPS)
    lists = [np.asarray(part).tolist() for part in data]
    return {
        **{"data": dict(zip(("X", "y", "X_test", "y_test"), lists)), "classes": classes, "settings": settings},
        "params": [p.numpy().tolist() for p in model.parameters()],
        "losses": [] if dropout else losses[EVERY - 1 :: EVERY],  # the page draws other masks
    }


def built(model: Layer) -> tuple[list[int], str, float]:
    """Return the sizes, the activation and the dropout with which `mlp` builds such a network."""
    layers = [layer for _, layer in contents(model)]
    linear = [layer for layer in layers if isinstance(layer, Linear)]
    sizes = [*(layer.in_features for layer in linear), *(layer.out_features for layer in linear[-1:])]
    usual = LINEAR if len(linear) > 1 else "relu"
    activation = next((type(layer).op.__name__ for layer in layers if isinstance(layer, Activation)), usual)
    dropout = next((layer.p for layer in layers if isinstance(layer, Dropout)), 0.0)
    known = len(sizes) > 1 and activation in [*ACTIVATIONS, LINEAR]
    if not known or repr(model) != repr(perceptron(sizes, activation, dropout, rng=0)):
        raise ValueError(f"the playground has networks as tg.mlp builds them, and this is {model!r}"[:300])
    if any(p.dtype != np.float64 for p in model.parameters()):
        raise ValueError("the numbers of the page are float64, and this network is float32")
    return sizes, activation, dropout


def classes_of(X: Any, y: Any, sizes: list[int]) -> int:
    """Return the number of classes, 0 for numbers; refuse sizes and data that the page cannot draw, or do not fit."""
    if len(sizes) - 2 > DEEPEST or max(sizes[1:]) > WIDEST:
        raise ValueError(f"the playground has {DEEPEST} hidden layers of {WIDEST} units at most, and this is {sizes}")
    classes = sizes[-1] if y.dtype.kind in "iu" else 0
    fits = X.ndim == 2 and X.shape[1] == sizes[0] and len(y) == len(X)
    fits = fits and (y.ndim == 1 and set(y.tolist()) <= {*range(classes)} if classes else y.size == len(X) * sizes[-1])
    if not fits:
        raise ValueError(f"X has shape {X.shape} and y {y.shape}, the network {sizes[0]} inputs, {sizes[-1]} outputs")
    if not (X.shape[1] == 2 and 1 < classes <= COLOURS if classes else X.shape[1] in (1, 2) and sizes[-1] == 1):
        kinds = (
            "points of two numbers in up to 3 classes or with one number to hit, and those of one number with another"
        )
        raise ValueError(f"the playground draws {kinds}; X has {X.shape[1]} columns, the network {sizes[-1]} outputs")
    if not 10 <= len(X) <= MANY:
        raise ValueError(f"the playground takes from 10 to {MANY:,} samples, and these are {len(X):,}")
    return classes


def rule_of(optimizer: Optimizer | None) -> tuple[str, dict[str, Any], float]:
    """Return the name of a rule in `RULES`, its numbers and its l2."""
    if optimizer is None:
        return "adam", dict(RULES["adam"].hyper), 0.0
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is one that was made, as tg.Adam(model); got {kinds.shown(optimizer)}")
    name = next((name for name, cls in RULES.items() if type(optimizer) is cls), "")
    group = dict(optimizer.groups[0])
    l2 = float(group.pop("l2", 0.0))
    if not name or len(optimizer.groups) > 1:
        raise ValueError(
            f"the playground has the rules of this library, with one group of numbers; this is {optimizer!r}"
        )
    if "m" in optimizer.state and name == "rmsprop":
        group["centered"] = True
    if callable(group["lr"]):
        raise ValueError("the playground begins with a constant learning rate; choose the schedule on the page")
    return name, group, l2
