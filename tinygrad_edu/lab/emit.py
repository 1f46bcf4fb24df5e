"""Update rules and surfaces as JavaScript, each from the source that runs here. `programs` has the networks."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np

from ..core.kernels import add_l2
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..extras.learning_optimizers import Learning
from ..extras.matrix_kernels import in_pieces
from ..extras.matrix_optimizers import Squares
from ..extras.optimizers import RULES
from ..extras.whole_optimizers import Whole
from ..program.javascript import Numbers, functions
from ..program.javascript_arrays import Arrays
from ..program.sources import is_kernel, name_of, scope_of, tree_of
from ..program.trace import trace
from ..race.surfaces import Surface
from .mathml import equations, letter, short


def rules(made: Mapping[str, Optimizer] | None = None) -> str:
    """Return update rules as ``const rules``: an object for each, with which ``training.js`` steps.

    Parameters
    ----------
    made : optimizers by the names that the rules get; default: one of each rule of the library, with its defaults

    Raises
    ------
    ValueError : a statement that cannot be written in JavaScript; an average that begins neither at 0 nor p nor a
        number of the rule; two classes, or two variants of one, whose functions have the same name

    Examples
    --------
    >>> rules().splitlines()[0]
    'function sgd(p, g, lr) {'
    """
    made = {name: cls([Tensor([1.0], requires_grad=True)]) for name, cls in RULES.items()} if made is None else made
    kernels = [kernel for optimizer in made.values() for kernel in kernels_of(optimizer)]
    products = [f for f in kernels if not is_kernel(tree_of(f))]
    own: list[Any] = [f for optimizer in made.values() for f in (optimizer.kernel, optimizer.scalars)]
    learned = [method for optimizer in made.values() for method in between_steps(optimizer).values()]
    lines = {line: k for k, line in enumerate(dict.fromkeys(line for o in made.values() for line in lines_of(o)))}
    math = ["const math = [", *[f"  {compact(short(line))}," for line in lines], "].map(spelled);"]
    rows = [f"  {name}: {rule(optimizer, lines)}," for name, optimizer in made.items()]
    told = {name_of(kernel): telling(kernel) for kernel in kernels}
    numbers = [f for f in own if f not in products]
    text = functions(*numbers, add_l2, arrays=[*products, *learned], writer=OfRules)
    return "\n".join([text, *told.values(), "", *math, "const rules = {", *rows, "};"])


class OfRules(Arrays):
    """Write what rules do with whole arrays."""

    known = {**Arrays.known, in_pieces: "np.array"}  # a product is the same number by number, in pieces or not


def kernels_of(optimizer: Optimizer) -> list[Any]:
    """Return the kernel of a rule, and behind it that for vectors if it has another one for these."""
    return [optimizer.kernel, *filter(None, [of_vectors(optimizer.kernel)])]


def of_vectors(kernel: Any) -> Any:
    """Return the kernel that a kernel of matrices leaves vectors to, None if there is none."""
    for line in getattr(tree_of(kernel), "body", []):
        match line:
            case ast.If(ast.Name("vector"), [ast.Return(ast.Call(ast.Name(name)))]):
                return scope_of(kernel)[name]
    return None


def between_steps(optimizer: Optimizer) -> dict[str, Any]:
    """Return the methods of a rule that look at all parameters: before the first step, before each, behind each."""
    if not isinstance(optimizer, Learning):
        return {}
    return {name: getattr(optimizer, name) for name in ("guess", "measure", "learn") if hasattr(optimizer, name)}


def lines_of(optimizer: Optimizer) -> list[str]:
    """Return the equations of a rule as MathML, line by line: several rules share a line."""
    return equations(optimizer.kernel).split("\n")


def rule(optimizer: Optimizer, lines: Mapping[str, int]) -> str:
    """Return the object of one rule: its functions, the names of its state and where that begins, its equations by the
    numbers of their lines."""
    hyper = {name: value for name, value in optimizer.hyper.items() if name != "l2"}
    vectors = of_vectors(optimizer.kernel)
    facts = {
        "name": type(optimizer).__name__,
        "state": optimizer.state,
        "start": starts(optimizer),
        "hyper": hyper,
        **({"whole": True} if isinstance(optimizer, Whole) else {}),
        **({"squares": optimizer.squares} if isinstance(optimizer, Squares) else {}),
        **({"learned": optimizer.learned} if isinstance(optimizer, Learning) else {}),
        **({"vectors": next(name for name, cls in RULES.items() if cls.kernel is vectors)} if vectors else {}),
        **words(optimizer),
    }
    name, methods = name_of(optimizer.kernel), between_steps(optimizer)
    called = f"kernel: {name}, telling: {name}_telling, scalars: {name_of(optimizer.scalars)}"
    called += "".join(f", {word}: {name_of(method)}" for word, method in methods.items())
    called += f", equations: [{', '.join(f'math[{lines[line]}]' for line in lines_of(optimizer))}]"
    return f"{{{called}, {compact(facts)[1:]}"


def words(optimizer: Optimizer) -> dict[str, Any]:
    """Return the words of a rule: its source, what each line sets, the letters of names that are written in another
    way, its notes.

    Examples
    --------
    >>> found = words(RULES["momentum"]([Tensor([1.0], requires_grad=True)]))
    >>> found["sets"], found["letters"]["β"], found["corrected"]
    (['v', 'p'], 'beta', [['c', 'v']])
    """
    lines = [line.strip() for line in (optimizer.kernel.__doc__ or "").splitlines() if line.strip()]
    arguments = [*inspect.signature(inspect.unwrap(optimizer.kernel)).parameters]
    sets = [line.partition(" <- ")[0] for line in lines if " <- " in line]
    known = {re.sub("<.*?>", "", letter(name)): name for name in {**optimizer.hyper, **dict.fromkeys(arguments + sets)}}
    known = {text: name for text, name in known.items() if text != name}
    used = {pair for line in lines if " <- " in line for pair in re.findall(r"\b(c\d?) · (\w+)", line)}
    return {
        "about": lines[0],
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
    """Return a kernel as JavaScript that also notes in ``seen`` what each statement sets: the numbers of all elements,
    or outside of a loop the one number or the array.

    Examples
    --------
    >>> from tinygrad_edu.core.kernels import sgd
    >>> print(telling(sgd))
    function sgd_telling(p, g, lr, seen) {
      for (let i = 0; i < p.length; i++) {
        p[i] -= lr * g[i];
        seen[0].push(p[i]);
      }
    }
    """
    tree: Any = tree_of(kernel)
    kind, vectors = Numbers if is_kernel(tree) else OfRules, of_vectors(kernel)
    tree.args.args.append(ast.arg("seen"))
    number = count()
    tree.body = [part for line in tree.body for part in noted(line, number)]
    writer = kind(scope_of(kernel))
    if vectors:
        writer.known = {**writer.known, vectors: f"{name_of(vectors)}_telling"}
    return writer.function(tree, f"{name_of(kernel)}_telling")


def noted(line: Any, number: Iterator[int], note: str = "seen[{}] = {}") -> list[ast.stmt]:
    """Return a statement of a kernel and what notes its result in ``seen``; of a loop, for each statement in it."""
    if isinstance(line, ast.For):
        line.body = [part for inner in line.body for part in noted(inner, number, "seen[{}].append({})")]
        return [line]
    if isinstance(line, ast.If):  # vectors, which another kernel does, and tells
        returned: Any = line.body[0]
        returned.value.args.append(ast.Name("seen", ast.Load()))
        return [line]
    target: Any = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
    if target is None or "empty_like" in ast.unparse(line):  # a docstring, or room for an array
        return [line]
    whole = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)  # x[:] = ...
    return [line, *ast.parse(note.format(next(number), ast.unparse(target.value if whole else target))).body]


def starts(optimizer: Optimizer) -> list[str]:
    """Return "0", "p" or a number's name for each running average of a rule: its first value, as ``start`` sets it.

    Raises
    ------
    ValueError : an average begins at something else

    Examples
    --------
    >>> p = Tensor([1.0], requires_grad=True)
    >>> [starts(RULES[name]([p])) for name in ("adam", "rprop", "cocob")]
    [['0', '0'], ['lr', '0'], ['p', 'eps', '0', '0', '0']]
    """
    hyper = [name for name in ("lr", "initial", "eps") if name in optimizer.hyper]
    found: list[set[str]] = [{"0", "p", *hyper} for _ in optimizer.state]
    for k, p in ((0.25, 3.0), (0.5, 5.0)):
        numbers: dict[str, Any] = {name: k + i for i, name in enumerate(hyper)}
        again = type(optimizer)([Tensor([p], requires_grad=True)], **numbers)
        known: dict[str, float] = {"0": 0.0, "p": p, **numbers}
        for name, words in zip(optimizer.state, found):
            average = again.averages.get(name, np.empty(0))  # of the squares of a vector, which are none
            words -= {word for word in words if (average != known[word]).any()}
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
    results = f"backprop, gradients: {compact(traced.gradients)}, data: {compact(data)}"
    return wrapped(traced.javascript(), results)


def compact(value: Any) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def wrapped(text: str, results: str) -> str:
    """Return definitions as an expression of their results, so that their names stay apart."""
    return "(() => {\n" + text + f"\nreturn {{{results}}};\n}})()"
