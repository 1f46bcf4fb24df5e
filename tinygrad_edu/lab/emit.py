"""Update rules and surfaces as JavaScript, each from the source that runs here. `programs` has the networks."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from ..core import kernels
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..extras.optimizers import CLASSIC
from ..program.javascript import Numbers, functions, name_of
from ..program.trace import trace
from ..race.surfaces import Surface
from .mathml import equations, letter


def rules(made: Mapping[str, Optimizer] | None = None) -> str:
    """Return update rules as ``const rules``: an object for each, with which ``training.js`` steps.

    Parameters
    ----------
    made : optimizers by the names that the rules get; default: one of each rule in `CLASSIC`, with its defaults

    Raises
    ------
    ValueError : a statement that cannot be written in JavaScript; an average that begins neither at 0 nor p nor lr;
        two classes, or two variants of one, whose functions have the same name

    Examples
    --------
    >>> rules().splitlines()[0]
    'function sgd(p, g, lr) {'
    """
    made = {name: cls([Tensor([1.0], requires_grad=True)]) for name, cls in CLASSIC.items()} if made is None else made
    own: list[Any] = [f for optimizer in made.values() for f in (optimizer.kernel, optimizer.scalars)]
    rows = [f"  {name}: {rule(optimizer)}," for name, optimizer in made.items()]
    told = {name_of(optimizer.kernel): telling(optimizer.kernel) for optimizer in made.values()}
    return "\n".join([functions(*own, kernels.add_l2), *told.values(), "", "const rules = {", *rows, "};"])


def rule(optimizer: Optimizer) -> str:
    """Return the object of one rule: its functions, the names of its state and where that begins, its equations."""
    hyper = {name: value for name, value in optimizer.groups[0].items() if name != "l2"}
    facts = {
        "name": type(optimizer).__name__,
        "state": optimizer.state,
        "start": starts(optimizer),
        "hyper": hyper,
        "equations": equations(optimizer.kernel),
        **words(optimizer),
    }
    name = name_of(optimizer.kernel)
    called = f"kernel: {name}, telling: {name}_telling, scalars: {name_of(optimizer.scalars)}"
    return f"{{{called}, {json.dumps(facts, ensure_ascii=False)[1:]}"


def words(optimizer: Optimizer) -> dict[str, Any]:
    """Return the words of a rule: its source, the names of its arguments, what each line sets, its notes.

    Examples
    --------
    >>> found = words(CLASSIC["momentum"]([Tensor([1.0], requires_grad=True)]))
    >>> found["sets"], found["letters"]["β"], found["corrected"]
    (['v', 'p'], 'beta', [['c', 'v']])
    """
    lines = [line.strip() for line in (optimizer.kernel.__doc__ or "").splitlines() if line.strip()]
    arguments = [*inspect.signature(inspect.unwrap(optimizer.kernel)).parameters]
    sets = [line.partition(" <- ")[0] for line in lines if " <- " in line]
    known = {re.sub("<.*?>", "", letter(name)): name for name in {**optimizer.hyper, **dict.fromkeys(arguments + sets)}}
    used = {pair for line in lines if " <- " in line for pair in re.findall(r"\b(c\d?) · (\w+)", line)}
    return {
        "about": lines[0],
        "arguments": arguments,
        "sets": sets,
        "letters": known,
        "corrected": [list(pair) for pair in sorted(used) if pair[1] in optimizer.state],
        "where": [part for line in lines for part in wheres(line)],
        "note": " ".join(line.removeprefix("note: ") for line in lines if line.startswith("note: ")),
    }


def wheres(line: str) -> list[str]:
    """Return what a line of a docstring says about numbers, but of those that the equations write out.

    >>> wheres("where one_minus_beta = 1 - beta; c = 1, or 1 / (1 - beta^t) with bias correction")
    ['c = 1, or 1 / (1 - beta^t) with bias correction']
    """
    parts = line.removeprefix("where ").split("; ") if line.startswith("where ") else []
    return [part for part in parts if not part.startswith("one_minus_")]


def telling(kernel: Any) -> str:
    """Return a kernel as JavaScript that also appends to ``seen`` each number that it sets, statement by statement.

    Examples
    --------
    >>> print(telling(kernels.sgd))
    function sgd_telling(p, g, lr, seen) {
      for (let i = 0; i < p.length; i++) {
        p[i] -= lr * g[i];
        seen.push(p[i]);
      }
    }
    """
    plain = inspect.unwrap(kernel)
    tree: Any = ast.parse(textwrap.dedent(inspect.getsource(plain))).body[0]
    tree.args.args.append(ast.arg("seen"))
    loop = tree.body[-1]
    targets = [getattr(line, "target", None) or line.targets[0] for line in loop.body]
    told = [ast.parse(f"seen.append({ast.unparse(target)})").body[0] for target in targets]
    loop.body = [line for pair in zip(loop.body, told, strict=True) for line in pair]
    return Numbers({**vars(builtins), **plain.__globals__}).function(tree, f"{name_of(kernel)}_telling")


def starts(optimizer: Optimizer) -> list[str]:
    """Return "0", "p", "lr" or "initial" for each running average of a rule: its first value, as ``start`` sets it.

    Raises
    ------
    ValueError : an average begins at something else

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> [starts(CLASSIC[name]([p])) for name in ("adam", "rprop", "asgd")]
    [['0', '0'], ['lr', '0'], ['p']]
    """
    hyper = [name for name in ("lr", "initial") if name in optimizer.hyper]
    found: list[set[str]] = [{"0", "p", *hyper} for _ in optimizer.state]
    for k, p in ((0.25, 3.0), (0.5, 5.0)):
        numbers: dict[str, Any] = {name: k + i for i, name in enumerate(hyper)}
        again = type(optimizer)([Tensor([p], requires_grad=True)], **numbers)
        known: dict[str, float] = {"0": 0.0, "p": p, **numbers}
        for name, words in zip(optimizer.state, found):
            words -= {word for word in words if name in again.averages and again.averages[name] != known[word]}
    if not all(found):
        raise ValueError(
            f"an average of {name_of(optimizer.kernel)} begins neither at 0 nor at p nor at one of its numbers"
        )
    return [min(words) for words in found]


def surface(place: Surface, *more: float) -> str:
    """Return ``{backprop, data}`` of a surface: [loss, {x, y}] at a point, and the arrays that the loss needs; more
    arguments of it are such data too."""
    traced = trace(place.f, *[Tensor(value, requires_grad=True) for value in map(float, place.start)], *more)
    data = {name: array.tolist() for name, array in list(traced.inputs.items())[2:]}
    results = f"backprop, gradients: {json.dumps(traced.gradients)}, data: {json.dumps(data)}"
    return wrapped(traced.javascript(), results)


def wrapped(text: str, results: str) -> str:
    """Return definitions as an expression of their results, so that their names stay apart."""
    return "(() => {\n" + text + f"\nreturn {{{results}}};\n}})()"
