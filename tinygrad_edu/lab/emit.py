"""Update rules, networks and surfaces as JavaScript, each from the source that runs here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..core import kernels
from ..core.layers import Layer
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..extras.optimizers import RULES
from ..program.javascript import functions, name_of
from ..program.javascript_arrays import program
from ..program.trace import trace
from ..program.writer import needed
from ..race.surfaces import Surface
from .mathml import equations


def rules(made: Mapping[str, Optimizer] | None = None) -> str:
    """Return update rules as ``const rules``: an object for each, with which ``training.js`` steps.

    Parameters
    ----------
    made : optimizers by the names that the rules get; default: one of each rule in `RULES`, with its defaults

    Raises
    ------
    ValueError : a statement that cannot be written in JavaScript; an average that begins neither at 0 nor at lr nor p;
        two classes, or two variants of one, whose functions have the same name

    Examples
    --------
    >>> rules().splitlines()[0]
    'function sgd(p, g, lr) {'
    """
    made = {name: cls([Tensor([1.0], requires_grad=True)]) for name, cls in RULES.items()} if made is None else made
    own: list[Any] = [f for optimizer in made.values() for f in (optimizer.kernel, optimizer.scalars)]
    rows = [f"  {name}: {rule(optimizer)}," for name, optimizer in made.items()]
    return "\n".join([functions(*own, kernels.add_l2), "", "const rules = {", *rows, "};"])


def rule(optimizer: Optimizer) -> str:
    """Return the object of one rule: its functions, the names of its state and where that begins, its equations."""
    hyper = {name: value for name, value in optimizer.groups[0].items() if name != "l2"}
    facts = {
        "name": type(optimizer).__name__,
        "state": optimizer.state,
        "start": starts(optimizer),
        "hyper": hyper,
        "equations": equations(optimizer.kernel),
    }
    called = f"kernel: {name_of(optimizer.kernel)}, scalars: {name_of(optimizer.scalars)}"
    return f"{{{called}, {json.dumps(facts, ensure_ascii=False)[1:]}"


def starts(optimizer: Optimizer) -> list[str]:
    """Return "0", "lr" or "p" for each running average of a rule: its first value, as ``start`` sets it.

    Raises
    ------
    ValueError : an average begins at something else

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> [starts(RULES[name]([p])) for name in ("adam", "rprop", "asgd")]
    [['0', '0'], ['lr', '0'], ['p']]
    """
    found: list[set[str]] = [{"0", "lr", "p"} for _ in optimizer.state]
    for lr, p in ((0.25, 3.0), (0.5, 5.0)):
        again = type(optimizer)([Tensor([p], requires_grad=True)], lr=lr)
        known = {"0": 0.0, "lr": lr, "p": p}
        for name, words in zip(optimizer.state, found):
            words -= {word for word in words if name in again.averages and again.averages[name] != known[word]}
    if not all(found):
        raise ValueError(f"an average of {name_of(optimizer.kernel)} begins neither at 0 nor at lr nor at p")
    return [min(words) for words in found]


def network(model: Layer, loss: Callable[..., Tensor], X: Any, y: Any) -> str:
    """Return ``{backprop, predict, inputs, source}`` of a network with a loss, for every width and batch size.

    Parameters
    ----------
    model, loss : as for `tg.fit`
    X, y : a batch to trace with, of at least two samples

    Raises
    ------
    ValueError : a line that cannot be written in JavaScript; a program that fits this batch alone
    """

    def compute(X: Tensor, y: Tensor) -> Tensor:
        outputs = model(X)
        outputs.name = "outputs"
        return loss(outputs, y)

    traced = trace(compute, X, y)
    if not traced.any_size:
        raise ValueError("this program fits batches of one size alone")
    lines = needed(traced.forward, ["outputs"])
    names = [name for name in traced.inputs if name != "y"]
    body = "\n".join([f"def predict({', '.join(names)}):", *[f"    {line}" for line in lines], "    return outputs"])
    backprop, predict = traced.javascript(), program(f"{traced.helpers}\n\n{body}\n")
    facts = f"inputs: {json.dumps([*traced.inputs])}, source: {json.dumps(traced.source)}"
    return wrapped(f"{backprop}\n{predict}", f"backprop, predict, {facts}")


def surface(place: Surface) -> str:
    """Return ``{backprop, data}`` of a surface: [loss, {x, y}] at a point, and the arrays that the loss needs."""
    traced = trace(place.f, *[Tensor(value, requires_grad=True) for value in map(float, place.start)])
    data = {name: array.tolist() for name, array in list(traced.inputs.items())[2:]}
    results = f"backprop, gradients: {json.dumps(traced.gradients)}, data: {json.dumps(data)}"
    return wrapped(traced.javascript(), results)


def wrapped(text: str, results: str) -> str:
    """Return definitions as an expression of their results, so that their names stay apart."""
    return "(() => {\n" + text + f"\nreturn {{{results}}};\n}})()"
