"""Build it yourself: from an empty file to a Tensor, layers and Adam of one's own, in twelve steps that are checked.

A step is an exercise whose file holds classes: `engine_checks` judges it, `grading` runs it, as the other exercises.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from ..explain.tables import WIDTH
from . import checks, engine_checks
from .checks import Exercise
from .engine_checks import PROBES, Expression, expressions
from .grading import Verdict, judge
from .runner import new_seed


class Step(NamedTuple):
    """One step: the exercise, the thing to write, the idea behind it, and a hint."""

    exercise: Exercise
    write: str
    idea: str
    hint: str


E = Expression
ONE, ARRAYS = {"x": ()}, {"x": (3, 4), "y": (3, 4)}
STEPS: list[Step] = []


def _step(title: str, check: checks.Check, write: str, idea: str, hint: str) -> None:
    number = len(STEPS) + 1
    STEPS.append(Step(Exercise(number, f"step {number}", title, check, PROBES), write, idea, hint))


_step(
    "a number that can be added and multiplied",
    expressions(E("x + y", kind="value"), E("x * y", kind="value"), E("x + 3", kind="value"),
                E("1.0 + 2.0 * x", kind="value"), E("Tensor(3) * x", ONE, kind="value"),
                E("Tensor(3)", ONE, kind="value")),
    "class Tensor, made by Tensor(3.0). It keeps data, a NumPy array of float64, and grad, None at first. x + y and "
    "x * y are new Tensors, and a plain number may stand on either side.",
    "A gradient needs to know how a number came about. So numbers get a class of their own, whose operators compute "
    "as before, and can take notes later.",
    "np.asarray(data, dtype=float). In __add__(self, other), make a Tensor of other unless it is one. __radd__ is "
    "called for 2.0 + x: let it be __add__.",
)  # fmt: skip
_step(
    "back through one operation",
    expressions(E("x * y"), E("x + y")),
    "y.backward(), which leaves in x.grad the derivative of y by x, an array of x's shape. One operation is enough.",
    "An operation knows its own derivatives: d(x · y)/dx = y. Let the result remember the Tensors that it came from, "
    "its parents, and for each of them how a gradient of the result becomes one of the parent: a function g -> g · y.",
    "Let __init__ take two more arguments, parents=() and vjps=(), and keep them. Then in __mul__: "
    "Tensor(self.data * other.data, (self, other), (lambda g: g * other.data, lambda g: g * self.data)). "
    "backward() begins with g = 1 and goes through zip(self.parents, self.vjps): each parent gets vjp(g) as its grad.",
)
_step(
    "used twice: why +=",
    expressions(E("x * x", ONE, {"x": "overwritten"}), E("x + x", ONE, {"1.0 + 0 * x": "overwritten"}),
                E("x * y + x", wrong={"1.0 + 0 * x": "overwritten", "y": "overwritten"})),
    "backward() for x * x and x * y + x: several operations, and a Tensor that is used more than once.",
    "If x is used twice, a small change of x moves the result along both ways, and the two effects add up. "
    "So each share is added to what is there. A parent that has parents passes its gradient on.",
    "Let backward take g, 1 at first: self.grad = g if self.grad is None else self.grad + g, then "
    "parent.backward(vjp(g)) for each parent. (Step 4 will do better than that.)",
)  # fmt: skip
_step(
    "in the right order, once",
    expressions(E("(a := x * x) * a + a", ONE, otherwise="order"),
                E("(a := x * y) * (b := a + x) + a * b * b + a", otherwise="order"),
                E("repeat(lambda t: t + t, x, 40)", ONE, otherwise="order"),
                E("repeat(lambda t: t + x, x, 5000)", ONE, otherwise="order"),
                E("(a := x * y) * a + x", otherwise="leftovers", kind="twice")),
    "backward() through any graph: each node once, when all its shares have arrived; through 5,000 operations; and "
    "right when it is called a second time, which adds the same gradient once more to the leaves' grad.",
    "A node may pass its gradient on only when it is whole. So sort the nodes, each after its parents, and go through "
    "them backwards. Following every path by itself takes 2^40 visits for t = t + t, forty times.",
    "Number the Tensors as they are made: a result is younger than its parents. Collect the nodes with a loop and a "
    "list as a stack, for Python's recursion ends at 1,000; sort them, the youngest first. Keep the gradients of this "
    "pass in a dict, and add to grad only of Tensors without parents.",
)  # fmt: skip
_step(
    "the rest of arithmetic",
    expressions(E("x - y"), E("3.0 - x", ONE, {"x - 3.0": "turned round"}), E("-x", ONE), E("x / y"),
                E("2.0 / x", ONE, {"x / 2.0": "turned round"}), E("x ** 3", ONE), E("x.exp()", ONE),
                E("x.log()", ONE, kind="positive"), E("(x * 0.3).tanh()", ONE), E("x.relu() * y + x")),
    "x - y, -x, x / y, x ** 3 for a plain exponent, with plain numbers on either side; x.exp(), x.log(), x.tanh(), "
    "x.relu().",
    "Each new operation is its value and its own derivative, one line. The chain rule is written already: backward() "
    "does not change. And x - y is x + y * -1, x / y is x * y ** -1: these need no derivative of their own.",
    "tanh' = 1 - tanh², exp' = exp, log' = 1 / x, (x^n)' = n x^(n-1), relu' = 1 where x > 0, else 0. "
    "2.0 / x calls x.__rtruediv__(2.0).",
)  # fmt: skip
_step(
    "sum and mean",
    expressions(E("(x * y).sum()", ARRAYS), E("(x.sum(axis=0) * y).sum()", {"x": (4, 4), "y": (4,)}),
                E("(x.sum(axis=1) * y).sum()", {"x": (4, 4), "y": (4,)}), E("(x * x * x).mean()", {"x": (3, 4)}),
                E("(x.mean(axis=0) * y).sum()", {"x": (3, 4), "y": (4,)})),
    "x.sum() and x.mean() over all, and over axis=0 or axis=1, for arrays. From here on data are arrays.",
    "A sum passes its gradient on to everything that went into it. So the gradient is stretched back to x's shape; "
    "for a mean, divided by how many there were.",
    "np.broadcast_to(g, x.data.shape) for a sum over all. Over one axis, give g that axis back first: "
    "np.expand_dims(g, axis).",
)  # fmt: skip
_step(
    "broadcasting, undone",
    expressions(E("((x + y) * z).sum()", {"x": (4,), "y": (3, 4), "z": (3, 4)}),
                E("((x * y) * z).sum()", {"x": (3, 1), "y": (3, 4), "z": (3, 4)}),
                E("(x * y).sum()", {"x": (), "y": (3, 4)}), E("(2.0 * x * x + 1.0).mean()", {"x": (2, 3)}),
                E("(x + y * y).sum()", {"x": (2, 3, 4), "y": (1, 4)})),
    "Operations on arrays of different shapes, as x + b with x of shape (3, 4) and b of shape (4,): "
    "b.grad has b's shape.",
    "NumPy uses b in each row. What is used three times gets the sum of three gradients: += again. So the gradient is "
    "summed over every axis that broadcasting added or stretched.",
    "Write unbroadcast(g, shape): sum over the first g.ndim - len(shape) axes, then with keepdims=True over those of "
    "size 1 in shape. Call it in backward(), once, for every operation.",
)  # fmt: skip
_step(
    "the matrix product",
    expressions(E("(x @ y * z).sum()", {"x": (2, 3), "y": (3, 4), "z": (2, 4)}),
                E("(x @ y * z).sum()", {"x": (3, 3), "y": (3, 3), "z": (3, 3)})),
    "x @ y for two matrices.",
    "With L a number and G = dL/d(x @ y): dL/dx = G @ y.T and dL/dy = x.T @ G. Element by element: x[i, k] is in row i "
    "of the product, multiplied by y[k, j], so its gradient is the sum over j of G[i, j] y[k, j].",
    "__matmul__, two lambdas. The shapes help, but not where all are square.",
)  # fmt: skip
_step(
    "layers",
    engine_checks.parameters,
    "class Linear(n_in, n_out, rng), with W of shape (n_in, n_out) drawn from the generator rng and b of zeros; "
    "class MLP(sizes, rng), layers with relu between them, none behind the last. A model is called as model(x), and "
    "model.parameters() is the list [W, b, W, b, ...].",
    "A layer is a function that remembers its parameters. Equal weights stay equal: hence random ones. Numbers of "
    "variance 2 / n_in keep the size of what passes through relu.",
    "__call__(self, x): return x @ self.W + self.b. "
    "W = Tensor(rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in)).",
)
_step(
    "the loss of a classifier",
    checks.cross_entropy,
    "cross_entropy(logits, labels): the mean over the rows of -log softmax(logits) at each row's label, a Tensor. "
    "logits is (N, C), labels an array of N whole numbers.",
    "-log softmax(z)[k] = log(sum of e^z) - z[k]. To subtract the largest z of each row changes nothing, and keeps "
    "e^1000 away.",
    "z = logits - logits.data.max(axis=1, keepdims=True). To pick z at the labels with what you have, multiply by a "
    "one-hot array and sum: labels[:, None] == np.arange(C).",
)
_step(
    "Adam",
    engine_checks.adam,
    "class Adam(params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8) with step(), which changes each p.data, and "
    "zero_grad().",
    "m and v are moving averages of g and g². They start at 0, which makes them too small by 1 - beta^t: divide by it, "
    "where they are used. The step is lr · m_hat / (√v_hat + eps).",
    "A list of m and one of v, an array for each parameter; t counts calls of step(), from 1. Never write m_hat back "
    "into m. zero_grad() sets each p.grad to None.",
)
_step(
    "your engine reads digits",
    engine_checks.training,
    "Nothing new. The check trains your MLP of 64, 16 and 10 units on 1,437 digits with your Adam, and ours beside it.",
    "Same weights, same batches, same rule: the losses have to be the same, update for update, to 1e-9.",
    "If the first loss differs, look at the loss; if the second does, at the gradients of a whole network, or at Adam.",
)

WORDS = [  # of an error, and what they mean here
    (r"unsupported operand type\(s\) for (\S+): '(?:int|float|ndarray)' and 'Tensor'",
     r"a number on the left of \1 asks for the method with r in its name, as __radd__"),
    (r"unsupported operand type\(s\) for (\S+): 'Tensor'", r"\1 calls a method of Tensor that is not there yet"),
    (r"bad operand type for unary -", "-x calls __neg__"),
    (r"__init__\(\) (?:takes|got an unexpected)", "__init__ has to take what the operators hand to it, with "
     "defaults for a Tensor that is made by hand, as parents=()"),
    (r"'(?:int|float|numpy.ndarray)' object has no attribute '(data|grad|parents)'",
     r"a plain number has no \1: make a Tensor of it first"),
    (r"'Tensor' object has no attribute '(\w+)'", r"Tensor has no \1 yet"),
    (r"RecursionError", "a function that calls itself for each node: take a loop, with a list as its stack"),
    (r"non-broadcastable output operand|Cannot cast ufunc", "+= on an array writes into it, and cannot grow it: "
     "grad = grad + g makes a new one"),
    (r"took longer than", "does it go along every path, in place of every node once?"),
]  # fmt: skip


def start(file: Path, force: bool = False) -> int:
    """Write a file that is empty but for the first task, and print how to go on; return 0.

    Raises
    ------
    ValueError : it exists and force is not set
    OSError : it cannot be written
    """
    if file.exists() and not force:
        raise ValueError(f"{file} is there already, and left alone; --force overwrites what you wrote")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('"""My engine, from nothing."""\n\nimport numpy as np\n', encoding="utf-8")
    print(f"wrote   {file}\n\n{show(1)}\n\nThen say\n  tinygrad-edu build check 1 {file}")
    return 0


def show(number: int) -> str:
    """Return the text of a step: the thing to write, the idea, the hint."""
    step = STEPS[number - 1]
    parts = {"Write": step.write, "Idea": step.idea, "Hint": step.hint}
    texts = [fill(f"{name:<8}{text}", WIDTH, subsequent_indent=" " * 8) for name, text in parts.items()]
    return "\n\n".join([f"Step {number} of {len(STEPS)}: {step.exercise.title}", *texts])


def list_steps() -> int:
    """Print a line for each step, and how to begin; return 0."""
    for step in STEPS:
        print(f"{step.exercise.number:>2}  {step.exercise.title}")
    print("\nTo begin, say tinygrad-edu build start: it writes mine.py. Then build show 1, and build check 1.")
    return 0


def check(number: int, file: Path, seed: int | None = None, seconds: float = 10.0) -> int:
    """Check the steps up to this one, print a line for each and a note on the first that is wrong; return 0 or 1.

    Parameters
    ----------
    number : the last step to check
    file : the student's
    seed : for the random numbers; by default a new one, which is printed
    seconds : limit for each step, of the processor (`submission.Submission`)

    Raises
    ------
    ValueError : there is no such file
    """
    if not file.is_file():
        raise ValueError(f"there is no {file}; tinygrad-edu build start {file} writes it")
    seed = new_seed() if seed is None else seed
    for step in STEPS[:number]:
        verdict = judge(file, seed, seconds, exercise=step.exercise)
        line = f"{step.exercise.number:>2}  {step.exercise.title:<42}"
        if not verdict.right:
            print(f"{line} not yet\n\n{in_words(verdict, step)}\n\n--seed {seed} brings the same random numbers again")
            return 1
        print(f"{line} right", flush=True)
    print("\n" + _after(verdict, number, file))
    return 0


def in_words(verdict: Verdict, step: Step) -> str:
    """Return what is wrong, in words, with the output of the file."""
    meaning = next(
        (re.sub(f".*(?:{p}).*", w, verdict.note, flags=re.S) for p, w in WORDS if re.search(p, verdict.note)), ""
    )
    asked = (
        r", when (?:value|gradients) was given (.+?), ([a-z](?: [a-z])*)(?:, [12](?=,))?, ([^,].*)"  # of an expression
    )
    note = re.sub(asked, lambda m: f"; in L = {m[1]} with {m[2].replace(' ', ', ')} = {m[3]}", verdict.note)
    note += f"\nThat is: {meaning}{'' if meaning.endswith('?') else '.'}" * bool(meaning)
    if "Hint:" not in note:
        note += f"\nHint: {step.hint}"
    printed = "".join(f"\n  | {line}" for line in verdict.printed.splitlines())
    return note + (f"\nIt printed:{printed}" if printed else "")


def _after(verdict: Verdict, number: int, file: Path) -> str:
    """Return the words behind the last step that is right."""
    more = verdict.note.partition("\n")[2]
    if number == len(STEPS):
        lines = sum(bool(line.strip()) for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
        return f"{more}\n\nAn engine, layers and Adam of your own, in {lines} lines."
    return f"{show(number + 1)}\n\nThen say\n  tinygrad-edu build check {number + 1} {file}"
