"""The command line: it trains on every kind of data with every rule, says the same numbers for the same seed, and
answers a mistake with one sentence and exit status 2."""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.cli.train import RATES
from tinygrad_edu.core.layers import ACTIVATIONS
from tinygrad_edu.core.optimizers import RULES
from tinygrad_edu.training.data import TOY_SETS

FAST = ["train", "--quick", "--hidden", "4"]

# --- what it says ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [["--version"], ["--help"], ["train", "--help"]])
def test_it_answers_questions_without_numba(question):
    code = f"""
import sys
from tinygrad_edu.cli.main import main
try:
    main({question})
except SystemExit as end:
    print("exit", end.code, sorted({{"numba", "matplotlib", "tqdm"}} & set(sys.modules)))
"""
    answer = run("-c", code)
    assert answer.stderr == ""
    assert answer.stdout.splitlines()[-1] == "exit 0 []"
    assert (tg.__version__ if question == ["--version"] else "usage: tinygrad-edu") in answer.stdout


def test_help_names_every_option_and_every_choice(capsys):
    assert status("train", "--help") == 0
    text = capsys.readouterr().out
    options = ["--data", "--hidden", "--activation", "--dropout", "--optimizer", "--lr", "--batch-size", "--epochs"]
    options += ["--dtype", "--seed", "--out", "--quick", "--json", "mnist:FOLDER", "digits"]
    for word in [*options, *RULES, *TOY_SETS, *ACTIVATIONS]:
        assert word in text


def test_it_trains_on_the_digits_and_writes_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--quick", "--hidden", "16"]) == 0
    printed = capsys.readouterr()
    accuracy, right, held_out = re.search(r"held-out accuracy (\S+): (\d+) of (\d+)", printed.out).groups()
    assert held_out == "360"
    assert float(accuracy) == pytest.approx(int(right) / 360, abs=1e-4)
    assert float(accuracy) > 0.5
    assert "digits: 1,437 samples to learn from, 360 held out" in printed.out
    assert re.search(r"layers.0 +Linear +\(N, 64\) +-> +\(N, 16\) +1,040", printed.out)
    assert "m <- beta1 · m + one_minus_beta1 · g" in printed.out
    assert re.search(r"\d+ slopes of the trained model's loss agree", printed.out)
    assert len(printed.err.splitlines()) == 3  # one line an epoch
    for name in ("history.csv", "loss.png"):
        assert f"wrote   {Path('runs/digits', name)}" in printed.out
        assert (tmp_path / "runs" / "digits" / name).stat().st_size > 0
    assert sorted(path.name for path in (tmp_path / "runs" / "digits").iterdir()) == ["history.csv", "loss.png"]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="30 epochs of kernels as plain Python")
def test_the_defaults_read_97_of_100_digits(tmp_path, capsys):
    assert result(capsys, "train", "--out", str(tmp_path))["held_out_accuracy"] >= 0.97


def test_json_is_one_object_on_standard_output(tmp_path, capsys):
    assert main([*FAST, "--data", "moons", "--json", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    found = json.loads(printed.out)
    assert "held-out accuracy" in printed.err
    assert found["held_out_accuracy"] == pytest.approx(
        float(re.search(r"accuracy ([\d.]+): ", printed.err)[1]), abs=1e-4
    )
    assert found["sizes"] == [2, 4, 2]
    assert found["epochs"] == 3
    assert found["updates"] == 3 * 10  # 320 samples in batches of 32
    assert found["gradcheck_error"] < 1e-6
    assert sorted(found["files"]) == [str(tmp_path / name) for name in ("boundary.png", "history.csv", "loss.png")]


@pytest.mark.parametrize("data", TOY_SETS)
def test_it_trains_on_every_toy_set(tmp_path, capsys, data):
    found = result(capsys, *FAST, "--data", data, "--out", str(tmp_path))
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + 3
    assert np.isfinite(found["held_out_loss"])
    assert (found["held_out_accuracy"] is None) == (data == "regression")
    assert (tmp_path / "boundary.png").exists() == (data != "regression")


@pytest.mark.parametrize("name", RULES)
def test_it_trains_with_every_rule(tmp_path, capsys, name):
    assert main([*FAST, "--data", "blobs", "--optimizer", name, "--epochs", "5", "--out", str(tmp_path)]) == 0
    kind, lr = RULES[name].__name__, RATES[name]
    printed = capsys.readouterr().out
    assert f"rule    {kind}, float64" in printed
    assert f"lr = {lr:g}" in printed
    losses = [float(row.split(",")[1]) for row in (tmp_path / "history.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--hidden", "none"], {"sizes": [2, 2]}),
        (["--hidden", "5,3"], {"sizes": [2, 5, 3, 2]}),
        (["--batch-size", "all"], {"updates": 3}),
        (["--batch-size", "100"], {"updates": 12}),
        (["--epochs", "1"], {"epochs": 1}),
        (["--dtype", "float32"], {"dtype": "float32"}),
        (["--lr", "0.125", "--optimizer", "sgd"], {"lr": 0.125, "optimizer": "sgd"}),
        (["--seed", "7"], {"seed": 7}),
        (["--activation", "tanh", "--dropout", "0.5"], {"stopped": "all epochs"}),
    ],
)
def test_an_option_does_what_it_says(tmp_path, capsys, options, expected):
    found = result(capsys, *FAST, "--data", "moons", "--out", str(tmp_path), *options)
    assert {name: found[name] for name in expected} == expected


def test_it_trains_on_the_mnist_files_of_a_folder(tmp_path, capsys):
    folder = mnist_folder(tmp_path)
    found = result(capsys, *FAST, "--data", f"mnist:{folder}", "--out", str(tmp_path / "out"))
    assert found["sizes"] == [20, 4, 3]
    assert 0 <= found["held_out_accuracy"] <= 1


def test_it_trains_without_matplotlib_and_says_so(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert main([*FAST, "--data", "moons", "--out", str(tmp_path)]) == 0
    assert "no pictures: they need matplotlib" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


# --- the same seed, the same numbers ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers(tmp_path, capsys):
    command = [*FAST, "--data", "moons", "--dropout", "0.2", "--out", str(tmp_path)]
    first, again, other = (result(capsys, *command, "--seed", seed) for seed in "334")
    assert first == again
    assert first["held_out_loss"] != other["held_out_loss"]


def test_trap_13_the_numbers_are_the_same_in_every_process_and_for_every_hash_seed(tmp_path):
    command = ["-m", "tinygrad_edu", *FAST, "--data", "moons", "--seed", "3", "--json", "--out", str(tmp_path)]
    results = [without_seconds(run(*command, PYTHONHASHSEED=seed).stdout) for seed in ("0", "1")]
    assert results[0] == results[1]


# --- explain ---------------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize(
    ("sizes", "loss"), [("2,3,1", "square.mean()"), ("3,4,4,2", "cross_entropy(z3, labels=labels)")]
)
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


def test_explain_draws_the_graph(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "new" / "graph.svg"
    assert main([*FORMULA, "--svg", str(path)]) == 0
    assert f"wrote   {path}" in capsys.readouterr().err
    assert "<svg" in path.read_text(encoding="utf-8")


def test_explain_says_that_a_picture_needs_matplotlib(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert status(*FORMULA, "--svg", str(tmp_path / "graph.svg")) == 2
    assert capsys.readouterr().err == (
        "tinygrad-edu explain: --svg needs matplotlib (pip install 'tinygrad-edu[plot]')\n"
    )


def test_explain_finds_a_wrong_derivative(monkeypatch, capsys):
    from tinygrad_edu.core import ops
    from tinygrad_edu.explain import formula as expression

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


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--optimizer", "adamm"], ["'adamm'", "sgd", "adamw"]),
        (["--data", "moon"], ["'moon'", "digits", "moons", "mnist:FOLDER"]),
        (["--data", "mnist:no/such/folder"], ["no/such/folder", "train-images-idx3-ubyte"]),
        (["--activation", "swish"], ["'swish'", "relu"]),
        (["--lr", "-1"], ["'-1'", "at least 0"]),
        (["--lr", "nan"], ["'nan'", "finite"]),
        (["--lr", "inf"], ["'inf'", "finite"]),
        (["--lr", "fast"], ["'fast'", "finite number"]),
        (["--batch-size", "0"], ["'0'", "at least 1", '"all"']),
        (["--batch-size", "some"], ["'some'", "whole number"]),
        (["--hidden", "0"], ["'0'", "at least 1"]),
        (["--hidden", "x"], ["'x'", "whole number"]),
        (["--hidden", "8,"], ["''", "whole number"]),
        (["--dtype", "float16"], ["'float16'", "float32", "float64"]),
        (["--epochs", "0"], ["'0'", "at least 1"]),
        (["--epochs", "2.5"], ["'2.5'", "whole number"]),
        (["--dropout", "1"], ["'1'", "below 1"]),
        (["--seed", "-1"], ["'-1'", "at least 0"]),
        (["--colour"], ["--colour"]),
    ],
)
def test_a_mistake_gets_one_sentence_and_status_2(tmp_path, capsys, wrong, said):
    assert status(*FAST, "--data", "moons", "--out", str(tmp_path / "out"), *wrong) == 2
    one_line(capsys, *said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [[], ["trian"]])
def test_a_command_is_needed(capsys, command):
    assert status(*command) == 2
    one_line(capsys, "required: train" if not command else "trian")


def test_out_that_is_a_file_is_refused_before_anything_is_trained(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert status(*FAST, "--data", "moons", "--out", str(tmp_path / "out")) == 2
    one_line(capsys, str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t10k-images-idx3-ubyte", b"", "not an IDX file"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0", "header is cut off"),
        ("train-images-idx3-ubyte", b"\x1f\x8bnonsense", "gzip data is damaged"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\1\0", "labels of shape (1,)"),
    ],
)
def test_a_folder_with_a_broken_file_gets_one_sentence(tmp_path, capsys, name, content, said):
    folder = mnist_folder(tmp_path)
    (folder / name).write_bytes(content)
    assert status(*FAST, "--data", f"mnist:{folder}", "--out", str(tmp_path / "out")) == 2
    one_line(capsys, str(folder), said)


def test_a_held_out_label_that_was_never_trained_gets_a_sentence(tmp_path, capsys):
    folder = mnist_folder(tmp_path, held_out=[0, 1, 2, 9])
    assert status(*FAST, "--data", f"mnist:{folder}", "--out", str(tmp_path / "out")) == 2
    assert "label 9" in capsys.readouterr().err.splitlines()[-1]


def test_a_learning_rate_that_is_far_too_large_gets_a_sentence(tmp_path, capsys):
    command = ["train", "--data", "regression", "--optimizer", "sgd", "--lr", "1e6", "--epochs", "50"]
    assert status(*command, "--out", str(tmp_path)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert re.search(r"the loss became (nan|inf) in epoch \d+; a smaller learning rate may help", lines[-1])
    assert all(line.startswith("epoch ") for line in lines[:-1])  # no warnings of NumPy in between


def test_a_model_with_huge_weights_gets_no_traceback_from_its_gradient_check(tmp_path, capsys):
    assert status("train", "--data", "moons", "--quick", "--lr", "10", "--out", str(tmp_path)) in (0, 1)
    assert "\ncheck " in capsys.readouterr().out


def test_a_mistake_shows_no_traceback_to_the_shell(tmp_path):
    wrong = run("-m", "tinygrad_edu", "train", "--data", "mnist:nowhere", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr == "tinygrad-edu train: nowhere has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz\n"


# --- helpers ---------------------------------------------------------------------------------------------------------


def run(*arguments, cwd=None, **variables):
    """A new Python that finds the package which this one found."""
    home = Path(tg.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(home), "PYTHONIOENCODING": "utf-8"} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd or home, env=environment)


def status(*arguments):
    """The exit status, whether it is returned or raised (by argparse)."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return end.code


def result(capsys, *arguments):
    """What --json prints, without the seconds."""
    assert main([*arguments, "--json"]) == 0
    return without_seconds(capsys.readouterr().out)


def without_seconds(text):
    found = json.loads(text)
    assert found.pop("seconds") > 0
    return found


def one_line(capsys, *said):
    """Nothing but one line on standard error was printed, and it says all of this."""
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("tinygrad-edu")
    for words in said:
        assert words in printed.err


def mnist_folder(folder, held_out=(0, 1, 2, 1)):
    """MNIST's four files with images of 4 x 5 pixels, some compressed; eight to learn from, four held out."""
    folder = folder / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, labels in (("train", [0, 1, 2, 0, 1, 2, 0, 1]), ("t10k", held_out)):
        images = struct.pack(">4B3I", 0, 0, 8, 3, len(labels), 4, 5) + rng.bytes(20 * len(labels))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + bytes(labels))
    return folder
