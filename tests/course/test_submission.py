"""A file in a process of its own: nothing that it does, short of being right, makes it pass or stops the grading."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from exercise_solutions import solution, verdict_on

from tinygrad_edu.course import grading, submission
from tinygrad_edu.course.submission import Failed, Submission

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
    ("import numpy as np\ndef gradient(w, x, b): return np.nan, np.inf, 1", "w: nan, x: nan, b: unknown", "WRONG"),
    ("import numpy as np\ndef gradient(*_): return np.ones((2, 3)) @ np.ones((2, 3))", "error",
     "line 2: ValueError: left @ right: the left factor has 3 columns, the right 2 rows"),
    ("import sys\nsys.exit(0)", "ended", "line 2: it called sys.exit"),
    ("import sys\ndef gradient(*_): sys.exit(0)", "ended", "line 2: it called sys.exit"),
    ("import os\nos._exit(0)", "ended", "it ended Python by itself, with status 0"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended", "ended by signal SIGSEGV"),
    ("exit()", "ended", "line 1: it called sys.exit"),
    ("raise KeyboardInterrupt", "error", "line 1: KeyboardInterrupt"),
    ("def gradient(*a): return gradient(*a)", "error", "RecursionError"),
    ("while True: pass", "time", "took longer than 1 s: a loop without end, or too slow"),
    ("def gradient(*_):\n  while True: pass", "time", "took longer than 1 s"),
    ("import time\ntime.sleep(60)", "time", "took longer than 5 s by the clock: does it wait for something?"),
    ("while True: print('x' * 1000)", "time", "printed too much, 50 MB: a loop without end"),
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
    verdict = verdict_on(tmp_path, 1, text, seconds=1.0 if "longer than" in sentence else 20.0)  # 50 MB need a second
    assert not verdict.right
    assert (verdict.mistakes, sentence in verdict.note) == (key, True), verdict
    assert "Traceback" not in verdict.note
    assert verdict.seconds < 30  # and nobody waits for the minute that it would sleep
    assert len(verdict.note) < 2000
    json.dumps(verdict).encode()


def test_a_busy_machine_fails_nobody(tmp_path):
    """The limit is of the processor's time: a file that is kept waiting for longer is judged as any other."""
    verdict = verdict_on(tmp_path, 1, f"import time\ntime.sleep(2.5)\n{solution(1)}", seconds=2.0)
    assert verdict.right
    assert verdict.seconds > 2.5


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
    assert "  | u is " in grading.student_note(verdict)
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
        np.array(5e-324),
        np.array(0.1 + 0.2),
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
