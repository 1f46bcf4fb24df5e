"""Trainings that the library makes and the page does again: one for each rule, and some that differ in all else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import sign

from ..core.layers import Layer
from ..core.ops import Array
from ..extras.optimizers import RULES
from ..training import schedules
from ..training.data import TOY_SETS, batches, digits, split
from .programs import LOSSES, perceptron
from .settings import DIGITS

USUAL: dict[str, Any] = {"data": "moons", "n": 200, "noise": 0.1, "layers": [8], "activation": "tanh", "batch": 0}
USUAL |= {
    "loss": "cross_entropy",
    "rule": "adam",
    "hyper": {},
    "dropout": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "seed": 0,
    "start": 0,
}
RUNS: dict[str, dict[str, Any]] = {
    "no hidden layer": {"data": "circles", "layers": [], "rule": "sgd", "hyper": {"lr": 0.3}, "batch": 16},
    "1 of relu, squared error": {"data": "blobs", "layers": [5], "activation": "relu", "loss": "mse_loss", "batch": 16},
    "2 of tanh, dropout": {"layers": [4, 4], "dropout": 0.5, "rule": "adamw", "hyper": {"lr": 0.01}, "batch": 16},
    "2 of gelu": {"data": "spirals", "noise": 0.02, "layers": [8, 8], "activation": "gelu", "batch": 16},
    "2 of elu": {
        "data": "regression",
        "layers": [6, 4],
        "activation": "elu",
        "loss": "mse_loss",
        "rule": "rmsprop",
        "hyper": {"lr": 0.001},
    },
    "3 of sigmoid": {"layers": [4, 3, 2], "activation": "sigmoid", "rule": "rprop"},
    "3 of leaky_relu, l2": {"layers": [4, 4, 4], "activation": "leaky_relu", "l2": 0.01, "batch": 7},
    "l1": {"layers": [6], "l1": 0.01, "batch": 16},
    "4 of softplus": {"layers": [3, 3, 3, 3], "activation": "softplus", "rule": "momentum", "hyper": {"lr": 0.1}},
    "5 of silu, one by one": {"data": "xor", "layers": [4, 4, 4, 4, 4], "activation": "silu", "batch": 1, "seed": 7},
    "6 of tanh": {"layers": [3, 3, 3, 3, 3, 3], "rule": "lion", "hyper": {"lr": 0.01}, "batch": 16},
    "2 of no activation": {"data": "spirals", "layers": [4, 3], "activation": "linear", "dropout": 0.25, "batch": 16},
    "digits, dropout": {"data": "digits", "layers": [16], "activation": "relu", "dropout": 0.25, "batch": 32},
    "a schedule": {"rule": "heavy_ball", "hyper": {"lr": 0.3}, "schedule": "cosine", "numbers": {"steps": 60}},
}


def add_l1(g: Array, p: Array, l1: float) -> None:
    """Add the slope of l1 · |p| to a gradient, as the page does."""
    for i in range(p.size):
        g[i] += l1 * sign(p[i])


def losses(given: dict[str, Any], steps: int) -> list[float]:
    """Return the losses of a run: data, weights and order as the page makes them of the same settings."""
    s = {**USUAL, **given}
    if s["data"] == "digits":
        X, y = (part[: DIGITS[0]] for part in digits()[:2])
    else:
        X, y, *_ = split(*TOY_SETS[s["data"]](s["n"], noise=s["noise"], rng=s["seed"]), rng=s["seed"])
    outputs = int(y.max()) + 1 if y.ndim == 1 else 1
    if s["loss"] == "mse_loss" and y.ndim == 1:
        y = np.eye(outputs)[y]
    model = perceptron([X.shape[1], *s["layers"], outputs], s["activation"], s["dropout"], rng=s["start"])
    return followed(model, X, y, s, steps)


def followed(model: Layer, X: Array, y: Array, s: dict[str, Any], steps: int) -> list[float]:
    """Return the losses of a network in so many steps on these data, with the rule and the order that settings say."""
    hyper = {**RULES[s["rule"]].hyper, **s["hyper"]}
    if s.get("schedule"):
        hyper["lr"] = getattr(schedules, s["schedule"])(hyper["lr"], **s["numbers"])
    optimizer, found = RULES[s["rule"]](model, **hyper, l2=s["l2"]), list[float]()
    loader = batches(X, y, batch_size=s["batch"] or None, rng=s["start"])
    while len(found) < steps:
        for X_batch, y_batch in loader:
            optimizer.zero_grad()
            loss = LOSSES[s["loss"]](model(X_batch), y_batch)
            loss.backward()
            if s.get("l1"):
                add_l1(optimizer.buffer.grad, optimizer.buffer.data, s["l1"])
            optimizer.step()
            found.append(loss.item())
    return found[:steps]
