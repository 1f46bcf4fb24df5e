"""``explain``: a formula or a network, step by step, with a check that finds a wrong derivative."""

import json
import re

import numpy as np
import pytest
from command_line import one_line, run, status, without_matplotlib

from tinygrad_edu.cli.main import main

FORMULA = ["explain", "(x*y + x).tanh()", "--at", "x=2,y=-3"]


def test_explain_goes_through_a_formula_and_checks_it(capsys):
    assert main(FORMULA) == 0
    text = capsys.readouterr().out
    for line in (
        "  f     np.tanh(v2)  -0.999329",
        "     d_v2 = d_f * (1 - f * f) = 1 * (1 - (-0.9993293) * (-0.9993293)) = 0.00134095",
        "            use 2 of 2: 0.00134095 += -0.00402285 gives -0.0026819",
    ):
        assert line in text.splitlines()
    gradients, check = text.split("The gradients")[1].split("\nCheck: ")
    slope = 1 - np.tanh(-4) ** 2
    assert re.findall(r"d_(\w)   (\S+)", gradients) == [("x", f"{-2 * slope:.6g}"), ("y", f"{2 * slope:.6g}")]
    words = r"2 slopes agree with the gradient, by central differences; largest relative difference (\S+)\."
    assert float(re.fullmatch(words, " ".join(check.split()))[1]) < 1e-6
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("form", "begins", "has"),
    [
        ("markdown", "**The forward pass**", "| 1 | `f = np.tanh(v2)` | 1 | v2 | `d_f * (1 - f * f)` |"),
        ("html", "<table>", "<td>d_f * (1 - f * f)</td>"),
        ("mermaid", "flowchart LR", "f = np.tanh(v2)<br/>-0.9993<br/>d_f = 1"),
        ("dot", "digraph {", "n3 -> n4"),
    ],
)
def test_explain_prints_other_forms_alone(capsys, form, begins, has):
    assert main([*FORMULA, "--format", form]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(begins)
    assert has in printed.out
    assert "Check" not in printed.out
    assert "Check: 2 slopes agree" in printed.err


@pytest.mark.parametrize(("sizes", "loss"), [("2,3,1", "v2.mean()"), ("3,4,4,2", "cross_entropy(z3, labels=labels)")])
def test_explain_goes_through_a_network(capsys, sizes, loss):
    assert main(["explain", "--mlp", sizes]) == 0
    text = capsys.readouterr().out
    assert loss in text
    assert "d_h1 * (1 - h1 * h1)" in text
    assert re.search(r"Check: \d+ slopes agree", text)
    assert main(["explain", "--mlp", sizes, "--seed", "1"]) == 0
    assert capsys.readouterr().out != text


def test_the_check_of_a_network_takes_few_of_its_parameters(capsys):
    assert main(["explain", "--mlp", "100,300,2"]) == 0
    slopes = int(re.search(r"Check: (\d+) slopes agree", capsys.readouterr().out)[1])
    assert 0 < slopes <= 4 * (20 + 4)


def test_explain_gives_json(capsys):
    assert main([*FORMULA, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    slope = 1 - np.tanh(-4) ** 2
    assert found["value"] == pytest.approx(np.tanh(-4))
    assert found["gradients"] == pytest.approx({"x": -2 * slope, "y": 2 * slope}, rel=1e-9)
    assert found["right"] is True


def test_a_gradient_that_json_cannot_hold_is_null(capsys):
    assert main(["explain", "1/x", "--at", "x=1e-200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # is called for -Infinity
    assert found == {"value": 1e200, "gradients": {"x": None}, "right": None}


def test_explain_draws_the_graph(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "new" / "graph.svg"
    assert main([*FORMULA, "--svg", str(path)]) == 0
    assert f"wrote   {path}" in capsys.readouterr().err
    assert "<svg" in path.read_text(encoding="utf-8")


def test_explain_says_that_a_picture_needs_matplotlib(tmp_path, monkeypatch, capsys):
    without_matplotlib(monkeypatch)
    assert status(*FORMULA, "--svg", str(tmp_path / "graph.svg")) == 2
    assert capsys.readouterr().err == ("tinygrad-edu explain: --svg needs matplotlib (pip install matplotlib)\n")


def test_explain_finds_a_wrong_derivative(monkeypatch, capsys):
    from tinygrad_edu.explain import formula as expression
    from tinygrad_edu.extras import ops

    def tanh(a):
        return np.tanh(a), lambda g: g * 2

    monkeypatch.setitem(expression.FUNCTIONS, "tanh", (tanh, 1))
    assert tanh is not ops.tanh
    assert main(["explain", "tanh(x)", "--at", "x=1"]) == 1
    assert "Check: WRONG: x: the gradient says 2, the slope is 0.419974" in capsys.readouterr().out


UNKNOWN = "the slope cannot be measured here: it depends on the side or the length of the step, rounding hides it"


@pytest.mark.parametrize(
    ("formula", "at"), [("relu(x)", "x=0"), ("sin(x)", "x=1e6"), ("sin(x)", "x=1e17"), ("x**3", "x=0")]
)
def test_explain_says_where_nothing_can_be_checked(capsys, formula, at):
    assert main(["explain", formula, "--at", at, "--json"]) == 0
    printed = capsys.readouterr()
    assert f" Check: {UNKNOWN}" in " ".join(printed.err.split())
    assert json.loads(printed.out)["right"] is None


@pytest.mark.parametrize(
    ("formula", "at", "said"),
    [
        ("log(x)", "x=1e-8", ["1 slope agrees"]),
        ("x**3 + y", "x=0,y=2", ["1 slope agrees", "By x the slope cannot be measured here"]),
        ("x**y", "x=-2,y=2", ["d_y nan", "1 slope agrees", "By y the slope cannot be measured here"]),
        ("-x*x", "x=2", ["d_x -4", "1 slope agrees"]),
        ("-2*x", "x=2", ["d_x -2", "1 slope agrees"]),
    ],
)
def test_explain_checks_what_can_be_checked_and_warns_of_nothing(capsys, formula, at, said):
    assert main(["explain", formula, "--at", at]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert all(words in " ".join(printed.out.split()) for words in said)
    assert printed.out.count("slope") == sum("slope" in words for words in said)


def test_a_wrong_derivative_is_not_excused_where_the_function_is_tame(monkeypatch, capsys):
    from tinygrad_edu.explain import formula as expression

    monkeypatch.setitem(expression.FUNCTIONS, "sin", (lambda a: (np.sin(a), lambda g: g * np.sin(a)), 1))
    for at in ("x=1", "x=1e-9", "x=300"):
        assert main(["explain", "sin(x)", "--at", at]) == 1
        assert "Check: WRONG: x: the gradient says" in capsys.readouterr().out


def test_explain_keeps_the_names_that_it_was_given(capsys):
    assert main(["explain", "h = (v + 1)*2; f = h*h; f*f", "--at", "v=5"]) == 0
    text = capsys.readouterr().out
    for line in ("v given 5", "v1 v + 1 6", "h v1 * 2 12", "f h * h 144", "loss f * f 20736"):
        assert f" {line} " in f" {' '.join(text.split())} "


@pytest.mark.parametrize("path", ["", ".", "graph", "graph.bmp", "graph.svg/"])
def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_printed(tmp_path, monkeypatch, capsys, path):
    monkeypatch.chdir(tmp_path)
    if path.endswith("/"):
        (tmp_path / path).mkdir()
    before = list(tmp_path.rglob("*"))
    assert status(*FORMULA, "--svg", path) == 2
    one_line(capsys, f"got {path!r}", ".svg or .png")
    assert list(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], ["give a formula", "--mlp 2,3,1"]),
        (["x", "--at", "x=1", "--mlp", "2,1"], ["give a formula", "or else"]),
        (["--mlp", "2"], ["at least two sizes"]),
        (["--mlp", "none"], ["at least two sizes"]),
        (["--mlp", "2,0"], ["'0'", "at least 1"]),
        (["--mlp", "2,3,1", "--at", "x=1"], ["--at", "formula"]),
        (["x*z", "--at", "x=1"], ["z has no value", "--at z=2"]),
        (["x", "--at", "x=1,y=2"], ["y", "does not use"]),
        (["x", "--at", "x"], ["'x'", "finite numbers, as x=2,y=-3"]),
        (["x", "--at", "x=one"], ["'x=one'"]),
        (["x", "--at", "x=nan"], ["'x=nan'"]),
        (["x", "--at", "x=1,x=2"], ["x has two values in 'x=1,x=2'"]),
        (["x*y", "--at", "x=2", "y=3"], ["y=3", "one --at, with commas", "--at x=2,y=3"]),
        (["--mlp", "1000,1000,1000,2"], ["2,004,002 parameters, 100,000 are the limit"]),
        (["--mlp", "2,1000000000"], ["3,000,000,000 parameters"]),
        (["x", "--at", "2=1"], ["'2=1'"]),
        (["x", "--at", "if=1"], ["'if=1'", "if is a word of Python"]),
        (["__import__('os')", "--at", "x=1"], ["no function __import__", "tanh"]),
        (["9**9**9**9", "--at", "x=1"], ["too large"]),
        (["x", "--at", "x=1", "--format", "pdf"], ["'pdf'", "mermaid"]),
    ],
)
def test_a_mistake_in_explain_gets_one_sentence_and_status_2(capsys, wrong, said):
    assert status("explain", *wrong) == 2
    one_line(capsys, *said)


def test_explain_needs_no_numba_and_no_matplotlib():
    code = f"""
import sys
from tinygrad_edu.cli.main import main
main({FORMULA})
print(sorted({{"numba", "matplotlib", "tqdm"}} & set(sys.modules)))
"""
    assert run("-c", code).stdout.splitlines()[-1] == "[]"
