"""The facts from which the playground makes data, first weights and rates as the library does."""

from __future__ import annotations

import re
from inspect import signature, unwrap
from typing import Any

import numpy as np

from ..core.layers import ACTIVATIONS
from ..core.ops import Array
from ..core.tensor import Tensor
from ..extras.optimizers import RULES, RMSprop
from ..guards.ranges import in_range
from ..program.javascript import functions
from ..training import schedules
from ..training.data import digits
from .emit import rules, wrapped
from .programs import LINEAR

RATES: dict[str, dict[str, float]] = {  # schedules of the playground, and the numbers that they begin with there
    "step": {"steps": 200, "factor": 0.5},
    "exponential": {"factor": 0.995},
    "linear_warmup": {"steps": 50},
    "cosine": {"steps": 1000},
    "cosine_restarts": {"steps": 200, "growth": 2},
    "polynomial": {"steps": 1000, "power": 2},
    "inverse_sqrt": {},
}
DIGITS = 400, 100  # of the training and of the test data that are on the page
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645  # of PCG64


def rates() -> str:
    """Return the schedules as an object of functions (t, lr, ...numbers)."""
    made = [getattr(schedules, name) for name in RATES]
    for f, numbers in zip(made, RATES.values()):  # they are called with these, in this order
        assert [*signature(unwrap(f)).parameters][2 : 2 + len(numbers)] == [*numbers]
    return f"const schedules = {wrapped(functions(*made), ', '.join(RATES))};"


def variants() -> str:
    """Return the rules that a choice makes of RMSprop, by name: with momentum, centered, or both."""
    p = [Tensor([1.0], requires_grad=True)]
    made = {
        "momentum": RMSprop(p, momentum=0.9),
        "centered": RMSprop(p, centered=True),
        "both": RMSprop(p, momentum=0.9, centered=True),
    }
    return f"const variants = {wrapped(rules(made), '...rules')};"


def settings() -> dict[str, Any]:
    """Return what is a number or a name, for the page's ``facts``."""
    return {
        "schedules": RATES,
        "activations": {name: kind.weights.__name__ for name, kind in ACTIVATIONS.items()} | {LINEAR: "glorot_uniform"},
        "names": {name: kind.__name__ for name, kind in ACTIVATIONS.items()} | {LINEAR: ""},
        "digits": pictures(),
        "ranges": ranges(),
        "widths": widths(),
    }


def ranges() -> dict[str, list[str]]:
    """Return which of -1, 0, 0.5, 1 and 2 a hyper-parameter may be, a sign for each, and the range in words.

    >>> ranges()["beta1"]
    ['01100', 'at least 0 and below 1']
    """

    def words(name: str, value: float) -> str:
        try:
            in_range(name, value)
        except ValueError as error:
            return str(error).partition("it has to be ")[2]
        return ""

    found = {}
    for name in sorted({name for rule in RULES.values() for name in rule.hyper} - {"bias_correction"}):
        refused = [words(name, value) for value in (-1.0, 0.0, 0.5, 1.0, 2.0)]
        found[name] = ["".join(str(int(not text)) for text in refused), max(refused)]
    return found


def pictures() -> list[str]:
    """Return the first digits of the training data, their labels, and as much of the test data.

    A pixel, 0 to 16, is one sign, and a picture is 64 of them; but two to twenty pixels of 0 are one sign of h to z.
    """
    X_train, y_train, X_test, y_test = digits()

    def signs(pixels: Array) -> str:
        text = "".join("0123456789abcdefg"[int(16 * value)] for value in pixels.ravel())
        return re.sub("0{2,20}", lambda zeros: chr(ord("h") + len(zeros[0]) - 2), text)

    n, m = DIGITS
    labels = ["".join(map(str, y)) for y in (y_train[:n], y_test[:m])]
    return [signs(X_train[:n]), labels[0], signs(X_test[:m]), labels[1]]


def widths() -> list[float]:
    """Return the widths of the 256 layers in which NumPy draws normal numbers, each over 2**52.

    They are read from NumPy: each is the normal number that it draws from bits that say "the first place in this
    layer". PCG64 is set to the state before these bits.
    """
    pcg, found = np.random.PCG64(0), list[float]()
    rng, inverse = np.random.Generator(pcg), pow(MULTIPLIER, -1, 2**128)
    for layer in range(256):
        state: Any = pcg.state
        state["state"]["state"] = (((1 << 9) | layer) - state["state"]["inc"]) * inverse % 2**128
        pcg.state = state
        found.append(float(rng.standard_normal()))
    return found
