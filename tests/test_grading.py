"""The exercises: every solution passes, every stub fails with a sentence, planted mistakes are named; and nothing that
a submission does, short of being right, makes it pass or stops the grading."""

import ast
import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import checks, grading, submission
from tinygrad_edu.__main__ import main
from tinygrad_edu.checks import EXERCISES
from tinygrad_edu.submission import Failed, Submission

SOLUTIONS = Path(__file__).parent / "solutions"
NAMES = [f"{e.number}_{e.name}" for e in EXERCISES]


def solution(number):
    return (SOLUTIONS / f"{NAMES[number - 1]}.py").read_text()


def verdict_on(folder, number, text, seed=0, seconds=20.0):
    """What is said about a file of that exercise with this text (or these bytes)."""
    path = folder / f"{NAMES[number - 1]}.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return grading.judge(path, seed, seconds)


# --- the exercises ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_every_solution_passes(name, seed):
    verdict = grading.judge(SOLUTIONS / f"{name}.py", seed)
    assert verdict.right, verdict
    assert verdict.mistakes == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_stub_says_that_it_is_not_written(name):
    verdict = grading.judge(grading.STUBS / f"{name}.py", 0)
    assert not verdict.right
    assert verdict.mistakes == "not written"
    assert verdict.note.endswith("is not written yet")
    assert "\n" not in verdict.note


@pytest.mark.parametrize("name", NAMES)
def test_every_solution_gives_the_numbers_that_the_task_works_out_by_hand(name):
    """The examples in the stubs' texts, typed in once more."""
    with Submission(SOLUTIONS / f"{name}.py") as running:
        for function, args, expected in BY_HAND[name]:
            got = running.ask(function, *args, returns=len(expected))
            for one, right in zip(got, expected, strict=True):
                np.testing.assert_allclose(one, right, rtol=1e-4)
                assert one.shape == np.shape(right)


A = np.array
BY_HAND = {
    "1_chain_rule": [("gradient", (3.0, 2.0, -1.0), (20, 30, 10))],
    "2_shared_variable": [("gradient", (2.0, 3.0), (21, 16))],
    "3_linear_layer": [
        ("backward", (A([[1.0, 2.0]]), A([[3.0], [4.0]]), A([[10.0]])), ([[30, 40]], [[10], [20]], [10]))
    ],
    "4_activations": [
        ("sigmoid_backward", (A([0.0]), A([8.0])), ([2],)),
        ("tanh_backward", (A([0.0]), A([8.0])), ([8],)),
        ("relu_backward", (A([-1.0]), A([8.0])), ([0],)),
    ],
    "5_broadcasting": [
        ("unbroadcast", (A([[1.0, 2, 3], [4, 5, 6]]), shape), (right,))
        for shape, right in [((3,), [5, 7, 9]), ((2, 1), [[6], [15]]), ((1, 1), [[21]]), ((), 21)]
    ],
    "6_cross_entropy": [("cross_entropy", (A([[0.0, 0.0]]), A([1])), (0.6931, [[0.5, -0.5]]))],
    "7_network": [
        (
            "gradients",
            (A([[1.0]]), A([0]), A([[2.0]]), A([0.0]), A([[1.0, 1.0]]), A([0.0, 0.0])),
            ([[0]], [0], [[-1, 1]], [-0.5, 0.5]),
        )
    ],
    "8_adam": [("adam", (A([1.0]), A([100.0]), A([0.0]), A([0.0]), 1, 0.1, 0.9, 0.999, 1e-8), ([0.9], [10], [10]))],
}

PLANTED = [  # exercise, what is written, what is written wrongly instead, what is said
    (1, "2 * u", "u", "w: factor, x: factor, b: factor"),
    (1, "du * x, du * w, du", "du * w, du * x, du", "w: swapped, x: swapped"),
    (1, "return du * x", "return -du * x", "w: sign"),
    (1, "du * w, du", "du * w, 1", "b: missing"),
    (2, "dx += dc", "dx = dx", "x: path"),
    (2, "dw += dc", "dw = dc", "w: path"),
    (3, "x.T @ g", "g.T @ x", "W: transposed"),
    (3, "g.sum(axis=0)", "g", "b: unsummed"),
    (3, "g.sum(axis=0)", "g.mean(axis=0)", "b: factor"),
    (3, "g @ W.T", "-g @ W.T", "x: sign"),
    (4, "g * (a > 0)", "(a > 0)", "relu: missing"),
    (4, "y * (1 - y)", "y", "sigmoid: value"),
    (4, "1 - np.tanh(a) ** 2", "1 - a ** 2", "tanh: unactivated"),
    (5, "g.sum(axis=0)", "g.mean(axis=0)", "b: factor"),
    (6, "dz / len(z)", "dz", "z: factor"),
    (6, ".mean()", ".sum()", "L: factor"),
    (6, "-logs[rows, labels].mean()", "logs[rows, labels].mean()", "L: sign"),
    (6, "-logs[rows, labels].mean()", "-logs[rows, labels].min()", "L: unknown"),
    (6, "-logs[rows, labels].mean()", "-logs[rows, labels]", "L: shape"),
    (6, "-= 1", "-= 0", "z: softmax"),
    (6, "z - z.max(axis=1, keepdims=True)", "z", "L: nan"),
    (7, " * (a > 0)", "", "W1: missing, b1: missing"),
    (7, " / len(x)", "", "W1: factor, b1: factor, W2: factor, b2: factor"),
    (7, "da = dz @ W2.T", "da = -dz @ W2.T", "W1: sign, b1: sign"),
    (8, "m / (1 - beta1**t), v / (1 - beta2**t)", "m, v", "step: uncorrected"),
    (8, "beta1**t", "beta1**2", "step: beta squared"),
    (8, "np.sqrt(v_hat) + eps", "np.sqrt(v_hat + eps)", "step: eps inside"),
    (8, "eps), m, v", "eps), m_hat, v_hat", "step: written back"),
    (8, "p - lr", "p + lr", "step: sign"),
    (8, "* g**2", "* g", "step: g for g²"),
]


@pytest.mark.parametrize(("number", "right", "wrong", "said"), PLANTED)
def test_a_planted_mistake_is_named(tmp_path, number, right, wrong, said):
    assert right in solution(number)
    for seed in range(2):
        verdict = verdict_on(tmp_path, number, solution(number).replace(right, wrong, 1), seed)
        assert not verdict.right
        assert verdict.mistakes.startswith(said)
        assert "WRONG" in verdict.note
        assert "Hint" in verdict.note


@pytest.mark.parametrize("exercise", EXERCISES[:7], ids=NAMES[:7])
@pytest.mark.parametrize("turn", range(3))
def test_the_note_holds_all_numbers_that_the_functions_are_given(exercise, turn):
    """To the last digit, and in a form that can be typed in: whoever reads it can work it out by hand."""
    given = []

    def ask(name, *args, returns=1):
        given.extend(args)
        return [np.full(7, 1.5)] * returns

    text = str(exercise.check(ask, np.random.default_rng(turn), turn)).split("\nThe right numbers")[0]
    assert "\n\n" not in text
    assert re.search(r"^L = .+\n(.+\n)?Here L = \S+, with\n", text, re.M)
    shown = [np.array(ast.literal_eval(part.split(" = ")[1])) for part in re.split(r"\n  (?=\w)", text)[1:]]
    for one in given:
        if isinstance(one, list):
            assert f"unbroadcast(g, {tuple(one)})" in text
        else:
            assert any(np.array_equal(one, other) for other in shown), (one, text)


def test_no_random_number_is_at_the_kink_of_relu():
    """Of 10,000 normal numbers with two decimals some 40 are 0."""
    numbers = checks._normal(np.random.default_rng(0), 100, 100)
    assert numbers.all()
    np.testing.assert_array_equal(numbers, numbers.round(2))


def test_a_square_matrix_hides_no_transpose(tmp_path):
    """g @ W runs where W is square, and is wrong; elsewhere it is an error that says the shapes."""
    said = {verdict_on(tmp_path, 3, solution(3).replace("W.T", "W"), seed).mistakes for seed in range(10)}
    assert said == {"x: transposed", "error"}
    only_there = solution(3).replace("W.T", "(W if len(W) == len(W.T) else W.T)")
    for seed in range(6):
        assert verdict_on(tmp_path, 3, only_there, seed).mistakes == "x: transposed"


def test_an_error_says_what_the_function_was_given(tmp_path):
    note = verdict_on(tmp_path, 3, "def backward(x, W, g): raise ValueError('no')").note
    assert re.fullmatch(
        r"line 1: ValueError: no, when backward was given an array \(\d, \d\), an array \(\d, \d\), .*", note
    )
    note = verdict_on(tmp_path, 1, "def gradient(w, x, b): return w / 0").note
    assert re.fullmatch(r"line 1: ZeroDivisionError: .*, when gradient was given -?\d\.\d+, .*", note)


def test_an_answer_by_heart_does_not_pass(tmp_path):
    """The numbers are new each time: what was right for one set is wrong for the next."""
    for seed in range(3):
        assert not verdict_on(tmp_path, 1, "def gradient(w, x, b): return 20, 30, 10", seed).right


def test_numbers_that_the_doctor_cannot_read_get_a_sentence(tmp_path):
    verdict = verdict_on(tmp_path, 8, "def adam(p, g, m, v, *_): return p[:2], m, v")
    assert (verdict.right, verdict.mistakes) == (False, "shape")
    assert "returned shape (2,)" in verdict.note


def test_the_same_seed_brings_the_same_numbers(tmp_path):
    wrong = solution(1).replace("2 * u", "u")
    first, again, other = (verdict_on(tmp_path, 1, wrong, seed).note for seed in (1, 1, 2))
    assert first == again
    assert first != other


# --- submissions that are not even wrong ------------------------------------------------------------------------------

BROKEN = [  # the text of exercise 1, the key, a part of the sentence
    ("def gradient(w, x, b)\n  return 1", "error", "line 1: SyntaxError: expected ':'"),
    ("def gradient(w, x, b):\n  return undefined", "error", "line 2: NameError: name 'undefined' is not defined"),
    ("1 / 0", "error", "line 1: ZeroDivisionError: division by zero"),
    ("", "missing", "there is no function gradient"),
    ("gradient = 3", "missing", "there is no function gradient"),
    ("def gradient(w): return 1, 2, 3", "error", "TypeError: gradient() takes 1 positional argument but 3 were given"),
    ("def gradient(w, x, b): w * x", "nothing", "gradient returned None"),
    ("def gradient(w, x, b): return w", "number of results", "return 3 things, separated by commas, not one float"),
    ("def gradient(w, x, b): return w, x", "number of results", "not 2 of them"),
    ("def gradient(w, x, b): return 'a', 'b', 'c'", "no numbers", "not str"),
    ("def gradient(w, x, b): return 1j, 1j, 1j", "no numbers", "not complex"),
    ("def gradient(w, x, b): return [1, [2]], 1, 1", "error", "ValueError"),
    ("import numpy as np\ndef gradient(w, x, b): return np.zeros(10**6), 1, 1", "no numbers", "1,000,000 numbers"),
    ("import numpy as np\ndef gradient(w, x, b): return np.nan, np.inf, 1", "w: nan, x: nan, b: missing", "WRONG"),
    ("import sys\nsys.exit(0)", "ended", "line 2: it called sys.exit"),
    ("import sys\ndef gradient(*_): sys.exit(0)", "ended", "line 2: it called sys.exit"),
    ("import os\nos._exit(0)", "ended", "it ended Python by itself, with status 0"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended", "ended by signal SIGSEGV"),
    ("exit()", "ended", "line 1: it called sys.exit"),
    ("raise KeyboardInterrupt", "error", "line 1: KeyboardInterrupt"),
    ("def gradient(*a): return gradient(*a)", "error", "RecursionError"),
    ("while True: pass", "time", "took longer than 2 s: a loop without end, or too slow"),
    ("def gradient(*_):\n  while True: pass", "time", "took longer than 2 s"),
    ("import time\ntime.sleep(60)", "time", "took longer than 2 s"),
    ("while True: print('x' * 1000)", "time", "took longer than 2 s, and printed too much: "),
    ("x = input()", "error", "line 1: EOFError"),
    (b"\xff\xfe\x00d", "error", "SyntaxError"),
    ("# coding: klingon\n", "error", "SyntaxError"),
    (b"def gradient(w, x, b):\n  return '\x00'", "error", "source code string cannot contain null bytes"),
    ("raise ValueError('\\x1b[31mred\\nline 2')", "error", "line 1: ValueError:  [31mred line 2"),
    ("raise ValueError('\\ud800')", "error", "line 1: ValueError:"),
    ("class E(Exception):\n  def __str__(self): raise self\nraise E", "error", "line 3: E"),
    ("import os\nos.write(1, b'x')\nos.closerange(0, 99)", "ended", "it ended Python"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "sentence"), BROKEN)
def test_a_broken_submission_gets_a_sentence(tmp_path, text, key, sentence):
    verdict = verdict_on(tmp_path, 1, text, seconds=2.0 if key == "time" else 20.0)  # a busy machine starts slowly
    assert not verdict.right
    assert (verdict.mistakes, sentence in verdict.note) == (key, True), verdict
    assert "Traceback" not in verdict.note
    assert verdict.seconds < 30  # and nobody waits for the minute that it would sleep
    assert len(verdict.note) < 2000
    json.dumps(verdict).encode()


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory needs Linux")
def test_a_memory_hog_is_stopped(tmp_path):
    hog = "def gradient(*_):\n  x = [0] * 10**6\n  while True: x += x"
    verdict = verdict_on(tmp_path, 1, hog)
    assert verdict.mistakes == "memory"
    assert "MemoryError" in verdict.note


WRITES_TO_ALL = """
import os
for fd in range(3, 20):
    try:
        os.write(fd, %r * 50)
    except OSError:
        pass
"""
LINES = [
    b'{"values": [20, 30, 10]}',
    b'{"values": ["20", null, {}]}',
    b'{"values": [{"dtype": "float64", "shape": [], "data": [3]}]}',
    b'{"values": [%s, %s, %s]}' % ((b'{"dtype": "object", "shape": [], "data": [3]}',) * 3),
    b'{"values": 3}',
    b"{}",
    b'{"problem": 0}',
    b"3",
    b"[" * 10**5,
    b"\xff",
]
FORGERIES = [
    "def check(*_): return True\nchain_rule = judge = main = check",
    "import tinygrad_edu.grading\ntinygrad_edu.grading.judge = lambda *_: True\ntinygrad_edu.checks.EXERCISES.clear()",
    "import os\nprint('{\"values\": []}')\nos._exit(0)",
    "import sys, json\nsys.__stdout__.write('{}\\n' * 9)\nsys.exit(0)",
    "import builtins\nbuiltins.isinstance = lambda *_: True\ndef gradient(*_): return 1, 2, 3",
    "class Yes(float):\n  __eq__ = __le__ = lambda *_: True\ndef gradient(*_): return Yes(1), Yes(2), Yes(3)",
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line[:20]))
def test_what_a_submission_writes_into_the_channel_is_no_answer(tmp_path, line):
    """They are read in place of the answers to the first questions: whether it loaded, and what gradient returns."""
    verdict = verdict_on(tmp_path, 1, WRITES_TO_ALL % (line + b"\n"))
    assert (verdict.right, verdict.mistakes) == (False, "no answer")


@pytest.mark.parametrize("text", FORGERIES)
def test_a_submission_cannot_write_its_own_verdict(tmp_path, text):
    assert not verdict_on(tmp_path, 1, text).right


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_that_the_file_forks_does_not_answer(tmp_path):
    """The copy of the process returns from gradient, too, and would answer the next question with its own numbers."""
    forking = "import os, time\n" + solution(1).replace("    du", "    child = os.fork() == 0\n    du", 1)
    late = forking.replace("    return ", "    time.sleep(0.2 * (not child))\n    if child: du = 7\n    return ")
    assert late.count("child") == 3
    verdict = verdict_on(tmp_path, 1, late)
    assert verdict.right, verdict


def test_what_a_file_prints_is_shown_and_cut(tmp_path):
    loud = solution(1).replace("    du", "    print('u is', u)\n    du")
    verdict = verdict_on(tmp_path, 1, loud)
    assert verdict.right
    assert verdict.printed.startswith("u is ")
    assert "  | u is " in grading.told(verdict)
    floods = verdict_on(tmp_path, 1, "print('x' * 10**7)\n" + solution(1))
    assert floods.right
    assert floods.printed == "x" * submission.SHOWN + "\n... and 9,998,001 more bytes"


def test_a_file_runs_away_from_its_folder_and_may_use_its_neighbours(tmp_path):
    """Files that it writes do not land among the submissions; colorsys.py beside it does not hide Python's."""
    (tmp_path / "data.py").write_text("TWO = 2")
    (tmp_path / "colorsys.py").write_text("raise SystemExit('the wrong one')")
    text = "import colorsys, data\nopen('left', 'w').write('x')\n" + solution(1).replace("2 *", "data.TWO *")
    verdict = verdict_on(tmp_path, 1, text)
    assert verdict.right, verdict
    assert not (tmp_path / "left").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which processes there are")
def test_no_process_is_left(tmp_path):
    path = tmp_path / "1_chain_rule.py"
    path.write_text("import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])")

    def alive(group):
        rows = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended since
                rows.append(stat.read_text().rpartition(")")[2].split())  # state, parent, group, ...
        return sum(row[2] == str(group) and row[0] != "Z" for row in rows)

    with Submission(path) as running:
        assert alive(running.process.pid) == 2
    assert alive(running.process.pid) == 0


# --- the channel ------------------------------------------------------------------------------------------------------


def test_numbers_go_through_the_channel_unchanged(tmp_path):
    path = tmp_path / "echo.py"
    path.write_text("def echo(x): return x\ndef kind(x): return int(isinstance(x, tuple))")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in [(), (0,), (3,), (2, 0), (2, 3, 4)]]
    arrays += [
        np.float32([0.1, np.inf, -np.inf, np.nan]),
        np.arange(3),
        np.array([True, False]),
        A(5e-324),
        A(0.1 + 0.2),
    ]
    with Submission(path) as running:
        for array in arrays:
            (back,) = running.ask("echo", array)
            assert back.dtype == array.dtype
            np.testing.assert_array_equal(back, array)
        assert running.ask("kind", [1, 2])[0] == 1
        with pytest.raises(Failed, match="there is no function other"):
            running.ask("other")
        assert running.ask("echo", 1.5)[0] == 1.5  # a mistake does not end the conversation


def test_only_the_time_that_it_takes_itself_counts(tmp_path):
    """The doctor's own work, such as compiling our rule for exercise 8, is not the student's."""
    path = tmp_path / "file.py"
    path.write_text("import time\ndef f(x):\n  time.sleep(x)\n  return 1\ndef g(): return 1")
    with Submission(path, seconds=20.0) as running:
        running.left = 1.5  # what the start took is the machine's
        time.sleep(2)
        running.ask("g")
        with pytest.raises(Failed, match="took longer than"):
            [running.ask("f", 0.3) for _ in range(8)]


def test_the_side_that_answers(tmp_path, monkeypatch):
    """The other side's code in this process, so that its lines are seen to run."""
    import io

    monkeypatch.setattr(submission, "limit", lambda *_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "file.py"
    path.write_text("def f(x): return x + 1\ndef g(x): return x, x\ndef h(x): raise NotImplementedError")
    asked = [
        {"path": str(path), "memory": 1, "seconds": 1},
        {"name": "f", "args": [{"dtype": "float64", "shape": [2], "data": [1.0, 2.0]}], "returns": 1},
        {"name": "g", "args": [3], "returns": 3},
        {"name": "h", "args": [3], "returns": 1},
    ]
    answers = io.StringIO()
    submission.serve(io.StringIO("\n".join(map(json.dumps, asked))), answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [
        {},
        {"values": [{"dtype": "float64", "shape": [2], "data": [2.0, 3.0]}]},
        {"problem": "number of results", "text": "g has to return 3 things, separated by commas, not 2 of them"},
        {"problem": "not written", "text": "h is not written yet"},
    ]


# --- files and folders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((f"{name}.py", number) for number, name in enumerate(NAMES, 1)),
        ("linear_layer.py", 3), ("ada_3_linear_layer.py", 3), ("ada-3.py", 3), ("Exercise 8.py", 8),
        ("20240311.py", None), ("3_or_4.py", None), ("helper.py", None), ("9.py", None), ("s123_7.py", 7),
        ("ADAM.py", 8), ("3_adam.py", 8),
    ],
)  # fmt: skip
def test_a_files_name_says_which_exercise_it_is(name, number):
    found = grading.which(Path(name))
    assert (found.number if found else None) == number


def test_start_copies_stubs_and_overwrites_nothing(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["exercise", "start", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == [f"{name}.py" for name in NAMES]
    printed = capsys.readouterr().out
    assert printed.count("wrote ") == 8
    assert f"tinygrad-edu exercise check {folder / '1_chain_rule.py'}" in printed
    mine = folder / "2_shared_variable.py"
    mine.write_text("my work")
    (folder / "1_chain_rule.py").unlink()
    assert main(["exercise", "start", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "there already" in error
    assert mine.read_text() == "my work"
    assert not (folder / "1_chain_rule.py").exists()
    assert main(["exercise", "start", "1", str(folder)]) == 0
    assert main(["exercise", "start", "2", str(folder), "--force"]) == 0
    assert "def gradient(x, w):" in mine.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["start", "3"], "where to?"),
        (["start", "9", "x"], "invalid choice"),
        (["check", "nowhere"], "there is no nowhere"),
        (["check", "."], "holds no exercise"),
        (["grade", "nowhere"], "there is no folder nowhere"),
        (["grade", "."], "holds no submissions"),
        (["grade", ".", "--out", "here"], "holds no submissions"),
        (["check", ".", "--timeout", "0"], "above 0"),
        (["check", ".", "--seed", "-1"], "at least 0"),
        ([], "required: list|start|check|grade"),
    ],
)
def test_a_mistake_on_the_command_line_gets_a_sentence(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["exercise", *options])
    except SystemExit as end:
        status = end.code
    error = capsys.readouterr().err
    assert status == 2
    assert error.count("\n") == 1
    assert said in error


def test_list_has_a_line_for_each(capsys):
    assert main(["exercise", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    for line, exercise in zip(lines, EXERCISES, strict=True):
        assert line.split()[:2] == [str(exercise.number), exercise.name]


def test_check_prints_notes_and_says_by_its_status_whether_all_is_right(tmp_path, capsys):
    (tmp_path / "1_chain_rule.py").write_text(solution(1))
    assert main(["exercise", "check", str(tmp_path), "--seed", "5"]) == 0
    assert "1 of 1 right; --seed 5 brings the same random numbers again" in capsys.readouterr().out
    (tmp_path / "3_linear_layer.py").write_text(solution(3).replace("g.sum(axis=0)", "g"))
    assert main(["exercise", "check", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "1_chain_rule.py: right, with 3 sets of random numbers" in printed
    assert "3_linear_layer.py: not yet" in printed
    assert "1 of 2 right" in printed
    assert main(["exercise", "check", str(tmp_path / "1_chain_rule.py")]) == 0
    (tmp_path / "solution3_v2.py").write_text(solution(3))
    main(["exercise", "check", str(tmp_path)])
    assert f"skipped {tmp_path / 'solution3_v2.py'}: its name says no exercise" in capsys.readouterr().out


def test_a_stub_can_be_run_as_it_is(tmp_path):
    grading.start(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(Path(tg.__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "5_broadcasting.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "unbroadcast is not written yet" in done.stdout
    assert done.stderr == ""


def test_grade_writes_a_line_for_every_submission(tmp_path, monkeypatch, capsys):
    """Folders and files, empty, broken, right, wrong: one verdict each, and nothing stops the rest."""
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    for student, name, text in [
        ("ada", "1_chain_rule.py", solution(1)),
        ("ada", "sub/2_shared_variable.py", solution(2).replace("return dx", "return -dx")),
        ("ada", "solution3_v2.py", solution(3)),
        ("ben", "1_chain_rule.py", "while True: pass"),
        ("cid", "notes.txt", "I had no time"),
        ("dan", "solution.py", solution(1)),
        ("dan", "solution3_v2.py", solution(3)),
        ("dan", "venv/pyvenv.cfg", ""),
        ("dan", "venv/lib/3_linear_layer.py", solution(3)),
        ("dan", "__MACOSX/3_linear_layer.py", ""),
        ("dan", "._3_linear_layer.py", ""),
        ("st3", "3_linear_layer.ipynb", "{}"),
        (".git", "1_chain_rule.py", ""),
        ("__pycache__", "1_chain_rule.py", ""),
    ]:
        path = work / student / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (work / "eve_1.py").write_text(solution(1))
    (work / "list.txt").write_text("ada, ben")
    (work / "fay_1.py").symlink_to(work / "nowhere")
    assert main(["exercise", "grade", str(work), "--timeout", "2", "--seed", "3", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "no sandbox" in printed
    assert "2 of 9 right; --seed 3" in printed
    with (tmp_path / "out" / "grades.csv").open(newline="") as file:
        rows = [(row["student"], row["exercise"], row["right"], row["mistakes"]) for row in csv.DictReader(file)]
    assert rows == [
        ("ada", "1", "1", ""),
        ("ada", "2", "0", "x: sign"),
        ("ben", "1", "0", "time"),
        ("cid", "0", "0", "name"),
        ("dan", "0", "0", "name"),
        ("dan", "0", "0", "name"),
        ("eve_1", "1", "1", ""),
        ("fay_1", "1", "0", "file"),
        ("st3", "0", "0", "name"),
    ]
    skipped = str(work / "ada" / "solution3_v2.py")
    assert f"skipped {skipped}: its name says no exercise" in printed
    notes = json.loads((tmp_path / "out" / "grades.json").read_text())
    assert [Path(v["file"]).name for v in notes["verdicts"]][3:5] == ["cid", "solution.py"]  # what stands for a folder
    assert notes["seed"] == 3
    assert notes["skipped"] == [skipped]
    assert [v["student"] for v in notes["verdicts"]] == [row[0] for row in rows]
    assert "Hint" in notes["verdicts"][1]["note"]
    lines = [text for text in printed.splitlines() if text.startswith(("ada", "ben", "cid", "st3"))]
    assert [text.split(maxsplit=2)[2].split(":")[0] for text in lines] == [
        "right", "x", "took longer than 2 s", *["there is no .py file in it"] * 2
    ]  # fmt: skip


def test_what_cannot_be_read_is_said(tmp_path, monkeypatch, capsys):
    """The system refuses here as it would: for root it never does."""
    closed = tmp_path / "ben" / "ex1"
    closed.mkdir(parents=True)
    (closed / "1_chain_rule.py").write_text(solution(1))
    (tmp_path / "ada_1.py").write_text(solution(1))

    def refusing(look):
        def refused(path="."):
            if str(path) == str(refuse):
                raise PermissionError(13, "Permission denied", str(path))
            return look(path)

        return refused

    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    monkeypatch.setattr(os, "listdir", refusing(os.listdir))
    refuse = closed
    assert main(["exercise", "grade", str(tmp_path)]) == 0
    assert "ben                  -  it cannot be read: Permission denied" in capsys.readouterr().out
    with (tmp_path / "grades.csv").open(newline="") as file:
        assert [(row["right"], row["mistakes"]) for row in csv.DictReader(file)] == [("1", ""), ("0", "file")]
    assert main(["exercise", "check", str(tmp_path / "ben")]) == 1
    assert f"{closed}: it cannot be read: Permission denied" in capsys.readouterr().out
    refuse = tmp_path
    for command in ("check", "grade"):
        assert main(["exercise", command, str(tmp_path)]) == 2
        assert "ermission denied" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "1_chain_rule.py")
    assert grading.judge(tmp_path / "1_chain_rule.py", 0).note == "it is no file"
