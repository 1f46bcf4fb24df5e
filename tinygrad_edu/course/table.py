"""The exercises, in their order; `checks` has the first eight, `more_checks` the others."""

from __future__ import annotations

from . import checks, engine_checks, more_checks
from .checks import Exercise

EXERCISES = [
    Exercise(1, "chain_rule", "the chain rule, by hand", checks.chain_rule),
    Exercise(2, "shared_variable", "a variable that is used twice: why +=", checks.shared_variable),
    Exercise(3, "linear_layer", "backward through x @ W + b", checks.linear_layer),
    Exercise(4, "activations", "backward through relu, sigmoid and tanh", checks.activations),
    Exercise(5, "broadcasting", "undoing broadcasting", checks.broadcasting),
    Exercise(6, "cross_entropy", "softmax and cross-entropy", checks.cross_entropy),
    Exercise(7, "network", "a whole network of two layers", checks.network),
    Exercise(8, "adam", "one step of Adam", checks.adam),
    Exercise(9, "slope", "a slope that is measured, and descent along it", more_checks.slope),
    Exercise(10, "cost", "the mean squared error of a line, and its gradient", more_checks.cost),
    Exercise(11, "averages", "a moving average, corrected for its start", more_checks.averages),
    Exercise(12, "momentum", "one step along an average of slopes", more_checks.momentum),
    Exercise(13, "rmsprop", "one step of RMSProp", more_checks.rmsprop),
    Exercise(14, "schedule", "a rate that warms up, then falls as a cosine", more_checks.schedule),
    Exercise(15, "initialisation", "the first weights of a layer", more_checks.initialisation),
    Exercise(16, "value", "a class that finds gradients by itself", more_checks.value, engine_checks.PROBES),
]
