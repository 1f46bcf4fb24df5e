"""Build it yourself: the engine of a student passes all twelve steps, and each step refuses what is wrong, by name."""

import re
from pathlib import Path

import pytest

from tinygrad_edu.cli.main import main
from tinygrad_edu.course.build import STEPS, in_words, show
from tinygrad_edu.course.engine_checks import MISTAKES
from tinygrad_edu.course.grading import judge

MINE = (Path(__file__).parents[1] / "support" / "solutions" / "mine.py").read_text()
NUMBERS = range(1, 13)
PAGE = (Path(__file__).parents[2] / "docs" / "course" / "build.md").read_text(encoding="utf-8")


def verdict_on(folder, number, text, seed=0):
    path = folder / "mine.py"
    path.write_text(text)
    return judge(path, seed, 20.0, exercise=STEPS[number - 1].exercise)


def test_there_are_twelve_steps_and_an_engine_is_about_150_lines():
    assert [step.exercise.number for step in STEPS] == [*NUMBERS]
    assert 100 < len(MINE.splitlines()) < 160
    assert "import tinygrad_edu" not in MINE


@pytest.mark.parametrize("number", NUMBERS)
def test_of_an_empty_file_each_step_says_that_something_is_not_there(tmp_path, number):
    verdict = verdict_on(tmp_path, number, "import numpy as np\n")
    assert (verdict.right, verdict.mistakes) == (False, "missing")
    assert verdict.note in [f"there is no {name} in it" for name in ("Tensor", "MLP", "cross_entropy", "Adam")]


MUL = "(lambda g: g * other.data, lambda g: g * self.data)"
RECURSIVE = """def ordered(root):
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
    return order


def unused(root):"""
PLANTED = [  # step, what is written, what is written wrongly instead, what is said
    (1, "dtype=float", "dtype=None", "L: integer"),
    (1, "__radd__, __rmul__ = __add__, __mul__", "__radd__ = __add__", "a number on the left of * asks for"),
    (1, "__radd__, __rmul__ = __add__, __mul__", "__rmul__ = __mul__", "; in L = 1.0 + 2.0 * x with x, y = "),
    (1, "self.data * other.data,", "self.data + other.data,", "L: value"),
    (1, "        other = tensor(other)\n        return Tensor(self.data + ", "        return Tensor(self.data + ",
     "a plain number has no data"),
    (2, MUL, "(lambda g: g * self.data, lambda g: g * other.data)", "x: swapped, y: swapped"),
    (2, MUL, "(lambda g: other.data * 0 + 1, lambda g: g * self.data)", "x: "),
    (2, MUL, "(lambda g: -g * other.data, lambda g: g * self.data)", "x: sign"),
    (2, "node.grad = g if node.grad is None else node.grad + g", "pass", "after backward(), x.grad is None"),
    (2, "data, parents=(), vjps=()):", "data):\n        parents = vjps = ()", "__init__ has to take what"),
    (3, "grads[parent] + share if parent in grads else share", "share", "x: overwritten"),
    (3, "grads[parent] + share if", "grads[parent] - share if", "x: zero"),
    (4, "reversed(ordered(self))", "breadth_first(self)", "x: order"),
    (4, "def ordered(root):", RECURSIVE, "a function that calls itself for each node"),
    (4, "node.grad = g if node.grad is None else node.grad + g", "node.grad = g", "kept once"),
    (4, "grads = {self: np.ones_like(self.data)}",
     "grads = self.__dict__.setdefault('old', Kept({self: 1.0 + 0 * self.data}))",
     "x: leftovers"),
    (4, "reversed(ordered(self))", "depth_first(self, [])", "x: order"),
    (5, "return tensor(other) - self", "return self - tensor(other)", "L: turned round"),
    (5, "return tensor(other) / self", "return self / tensor(other)", "L: turned round"),
    (5, "g * n * self.data ** (n - 1)", "g * self.data ** (n - 1)", "y: sign"),
    (5, "1 - y**2", "1 - self.data**2", "x: unactivated"),
    (5, "g * (self.data > 0)", "(self.data > 0)", "x: "),
    (6, "np.expand_dims(g, axis)", "g[..., None] if g.ndim and g.shape[0] == self.data.shape[0] else g", "x: "),
    (6, "total * (total.data.size / self.data.size)",
     "Tensor(total.data * (total.data.size / self.data.size), (total,), "
     "(lambda g: g,))", "x: factor"),
    (7, "unbroadcast(vjp(g), parent.data.shape)", "vjp(g)", "x: unsummed"),
    (7, "g = g.sum(axis=tuple(range(g.ndim - len(shape))))", "g = g.mean(axis=tuple(range(g.ndim - len(shape))))",
     "x: factor"),
    (7, "return g.sum(axis=stretched, keepdims=True) if stretched else g", "return g", "x: "),
    (8, "lambda g: g @ other.data.T, lambda g: self.data.T @ g", "lambda g: g @ other.data, lambda g: self.data.T @ g",
     "ValueError"),
    (8, "lambda g: self.data.T @ g", "lambda g: (self.data.T @ g).T if len(g) == len(g.T) else self.data.T @ g",
     "y: transposed"),
    (9, "return self.layers[-1](x)", "return self.layers[-1](x).relu()", "output: relu at the end"),
    (9, "x = layer(x).relu()", "x = layer(x)", "output: no relu"),
    (9, "rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in)", "np.ones((n_in, n_out))", "symmetric"),
    (9, " * np.sqrt(2 / n_in)", " * 0.01", "scale"),
    (9, "return [self.W, self.b]", "return [self.b, self.W]", "layout"),
    (10, ".sum(axis=1)).mean()", ".sum(axis=1)).sum()", "L: factor"),
    (10, "logits - logits.data.max(axis=1, keepdims=True)", "logits", "L: nan"),
    (11, "np.sqrt(v_hat) + eps", "np.sqrt(v_hat + eps)", "step: eps inside"),
    (11, "self.m[i] / (1 - beta1**self.t)", "self.m[i]", "step: m uncorrected"),
    (11, "            p.grad = None", "            pass", "step: not cleared"),
    (12, "p.data = p.data - lr", "p.data = p.data - 1.001 * lr", "losses: training"),
    (12, "self.t += 1", "self.t += self.t < 60", "losses: training"),
]  # fmt: skip
BESIDE = """


class Kept(dict):
    pop = dict.__getitem__


def breadth_first(root):
    order, seen = [root], {root}
    for node in order:
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                order.append(parent)
    return order


def depth_first(node, order):
    order.append(node)
    for parent in node.parents:
        if parent not in order:
            depth_first(parent, order)
    return order
"""


@pytest.mark.sample(3)
@pytest.mark.parametrize(("number", "right", "wrong", "said"), PLANTED)
def test_a_planted_mistake_is_refused_in_words(tmp_path, number, right, wrong, said):
    assert right in MINE
    text = MINE.replace(right, wrong, 1) + BESIDE
    verdict = verdict_on(tmp_path, number, text)
    assert not verdict.right
    note = in_words(verdict, STEPS[number - 1])
    assert said in f"{verdict.mistakes} {note}"
    assert "Hint: " in note
    found = re.search(r"(?:WRONG|That is): ([^;:(\n]*[^;:(\n .])", note)
    assert not found or found[1] in PAGE.replace("`", "")


def test_each_step_refuses_two_wrong_versions():
    steps = [number for number, *_ in PLANTED]
    assert all(steps.count(number) >= 2 for number in NUMBERS)


def test_check_goes_up_to_the_first_step_that_is_wrong(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("grads[parent] + share if parent in grads else share", "share"))
    assert main(["build", "check", "5", str(path), "--seed", "1"]) == 1
    printed = capsys.readouterr().out
    assert re.findall(r"(?m)^ (\d)  .* right$", printed) == ["1", "2"]
    assert " 3  used twice: why +=                         not yet\n" in printed
    assert "only the last share of the gradient is there: = where += belongs" in printed
    assert "--seed 1 brings the same random numbers again" in printed


def test_after_a_step_comes_the_next(tmp_path, capsys):
    path = tmp_path / "mine.py"
    assert main(["build", "start", str(path)]) == 0
    assert show(1) in capsys.readouterr().out
    assert main(["build", "start", str(path)]) == 2
    assert "left alone" in capsys.readouterr().err
    path.write_text(MINE)
    assert main(["build", "start", str(path), "--force"]) == 0
    path.write_text(MINE)
    assert main(["build", "check", "1", str(path)]) == 0
    assert show(2) in capsys.readouterr().out
    assert main(["build", "show", "7"]) == 0
    assert "unbroadcast" in capsys.readouterr().out
    assert main(["build", "list"]) == 0
    assert capsys.readouterr().out.count("\n") == 14
    assert main(["build", "check", "1", str(tmp_path / "none.py")]) == 2
    assert "build start" in capsys.readouterr().err


CLOSURES = """
import numpy as np


class Tensor:  # as in micrograd: each operation leaves a function that passes its gradient on
    def __init__(self, data, children=()):
        self.data, self.grad, self.children, self.pass_on = np.array(data, float), None, children, lambda: None

    def _op(self, other, value, da, db):
        out = Tensor(value, (self, other))

        def pass_on():
            self.grad = self.grad + da * out.grad
            other.grad = other.grad + db * out.grad

        out.pass_on = pass_on
        return out

    def __add__(self, other):
        other = other if isinstance(other, Tensor) else Tensor(other)
        return self._op(other, self.data + other.data, 1.0, 1.0)

    def __mul__(self, other):
        other = other if isinstance(other, Tensor) else Tensor(other)
        return self._op(other, self.data * other.data, other.data, self.data)

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        order, seen, stack = [], set(), [(self, 0)]
        while stack:
            node, i = stack.pop()
            if i < len(node.children):
                stack.append((node, i + 1))
                if node.children[i] not in seen:
                    seen.add(node.children[i])
                    stack.append((node.children[i], 0))
            else:
                order.append(node)
        for node in order:
            node.grad = 0.0 if node.children or node.grad is None else node.grad
        self.grad = 1.0
        for node in reversed(order):
            node.pass_on()
"""


@pytest.mark.parametrize("number", range(1, 5))
def test_an_engine_of_closures_passes_as_well(tmp_path, number):
    assert verdict_on(tmp_path, number, CLOSURES).right


def test_a_file_that_asks_for_the_numbers_by_heart_does_not_pass(tmp_path):
    """The losses of one seed are not those of the next; and what the probes are asked is new each time."""
    forged = "class Tensor:\n    def __init__(self, x): self.data = 1.0\n    __add__ = __mul__ = lambda a, b: a\n"
    assert not verdict_on(tmp_path, 1, forged).right


@pytest.mark.parametrize("step", STEPS, ids=map(str, NUMBERS))
def test_the_page_has_the_task_and_the_idea_and_the_hint_of_each_step(step):
    words, title = " ".join(PAGE.split()), step.exercise.title
    assert f"## {step.exercise.number} {title[0].upper()}{title[1:]}" in PAGE
    for text in (step.write, step.idea, step.hint):
        assert text in words


def test_the_page_shows_what_check_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for text, status, command in [
        (MINE.replace("grads[parent] + share if parent in grads else share", "share"), 1, "build check 3 --seed 1"),
        (MINE, 0, "build check 12 --seed 1"),
    ]:
        Path("mine.py").write_text(text)
        assert main(command.split()) == status
        printed = re.sub(r"[-\d.e]+e-1\d|0.0e\+00", "...", capsys.readouterr().out)  # the last bits are the processor's
        shown = PAGE.partition(f"$ tinygrad-edu {command}\n")[2].partition("```")[0].removeprefix(" ...\n")
        assert re.sub(r"[-\d.e]+e-1\d|0.0e\+00", "...", shown) in printed
    assert len(re.findall(r"(?m)^ ?\d+  .* right$", printed)) == 12


def test_the_page_says_why_of_each_mistake_of_an_engine():
    left = {"value", "unsummed"}  # they are said in other words, too
    assert [key for key, (text, _) in MISTAKES.items() if text not in PAGE and key not in left] == []
