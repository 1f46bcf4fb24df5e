"""Grading a class: marks for evidence only, and whatever one file does or is called, the others get their verdicts."""

import csv
import json
import os
import sys
import warnings
import zipfile

import numpy as np
import pytest
from exercise_solutions import solution, verdict_on

from tinygrad_edu.cli.main import main
from tinygrad_edu.course import folders, grading, records, runner, submission
from tinygrad_edu.course.archives import take_out
from tinygrad_edu.course.grading import Verdict
from tinygrad_edu.course.records import Run, feedback, file_name, kept, table
from tinygrad_edu.course.table import COURSE
from tinygrad_edu.doctor.report import Finding, Report

# --- full marks by evidence only --------------------------------------------------------------------------------------

WRITES = "import os\nfor fd in range(3, 20):\n  try: os.write(fd, b'%s\\n')\n  except OSError: pass\n"
FORGED = [  # the text of exercise 1, which never answers
    'import sys\nraise sys.modules["__main__"].Failed("", "right, with 3 sets of random numbers")',
    'import __main__\n__main__._key = lambda e: ""\nraise SystemExit(0)',
    'import __main__\ndef gradient(*a): raise __main__.Failed("", "right")',
    'import __main__\ndef gradient(*a): raise __main__.Failed("w: right", "right")',
    "import __main__\n__main__.arrays = lambda *a: []\ndef gradient(*a): return 1",
    WRITES % '{"problem": "", "text": "right"}',
    WRITES % '{"problem": [], "text": "right"}',
    WRITES % '{"problem": "=HYPERLINK(1)", "text": "x"}',
    WRITES % '{"problem": "error", "text": 3}',
    WRITES % '{"values": [], "right": true}',
    WRITES % "{}" + WRITES % '{"values": []}',
]


@pytest.mark.parametrize("text", FORGED, ids=range(len(FORGED)))
def test_no_string_that_the_process_sends_is_a_mark(tmp_path, text):
    verdict = verdict_on(tmp_path, 1, text, seconds=60.0)
    assert (verdict.right, verdict.mistakes) == (False, "no answer"), verdict


def test_a_check_that_judged_nothing_gives_no_mark(tmp_path, monkeypatch):
    """No finding, no answer that was asked for, or fewer turns: none of these is evidence."""
    right = Report("s", [Finding("w", None, "", "", np.ones(1), np.ones(1))])
    for check in (
        lambda ask, rng, turn: Report("s", []),
        lambda ask, rng, turn: right,
        lambda ask, rng, turn: right if not turn else (_ for _ in ()).throw(OverflowError("one turn")),
    ):
        first = COURSE.exercises[0]._replace(check=check)
        monkeypatch.setattr(grading, "which", lambda path, first=first: first)
        verdict = verdict_on(tmp_path, 1, "", seconds=60.0)
        assert not verdict.right
        assert verdict.mistakes


@pytest.mark.parametrize(("turns", "findings"), [(1, 1), (3, 0), (3, 1)])
def test_answers_alone_give_no_mark(tmp_path, monkeypatch, turns, findings):
    """Three turns, each with a finding, and three answers are right; fewer turns or no findings are not."""

    def reports(running, exercise, rng):
        for _ in range(3):
            running.ask("f")
        yield from [Report("s", [Finding("w", None, "", "", np.ones(1), np.ones(1))] * findings)] * turns

    monkeypatch.setattr(grading, "_reports", reports)
    verdict = verdict_on(tmp_path, 1, "def f(): return 1", seconds=60.0)
    assert verdict.right == (turns * findings == 3)
    assert (verdict.mistakes == "") == verdict.right


@pytest.mark.parametrize(
    "value",
    [
        3,
        {"dtype": "float64", "shape": [2], "data": [1]},
        {"dtype": "float64", "shape": [-1], "data": [1]},
        {"dtype": "float64", "shape": [1.0], "data": [1]},
        {"dtype": "float64", "shape": [1], "data": ["1"]},
        {"dtype": "float64", "shape": [1], "data": [None]},
        {"dtype": "float64", "shape": [1], "data": [[1]]},
        {"dtype": "float64", "shape": [], "data": 1},
        {"dtype": "object", "shape": [1], "data": [1]},
        {"dtype": "float64", "shape": [1] * 40, "data": [1]},
        {"dtype": "float64", "shape": [1], "data": [1], "more": 1},
        {"dtype": "float64", "shape": [1]},
    ],
)
def test_an_answer_is_an_array_in_one_form(value):
    with pytest.raises(ValueError, match="channel"):
        submission._answer(value)


# --- one file costs the others nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize("big", ["1e308", "-1e308", "10**308"])
def test_huge_numbers_are_wrong_numbers(tmp_path, big):
    text = f"B = {big}\ndef backward(x, W, g): return B + x * 0, B + W * 0, B + g.sum(0) * 0"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = verdict_on(tmp_path, 3, text, seconds=60.0)
    assert (verdict.right, verdict.mistakes) == (False, "x: unknown, W: unknown, b: unknown")


@pytest.mark.parametrize(
    "error", [OverflowError("x"), RecursionError(), MemoryError(), OSError(24, "too many"), KeyError()]
)
def test_any_exception_is_the_verdict_of_its_file(tmp_path, monkeypatch, error):
    def enter(self):
        raise error

    monkeypatch.setattr(submission.Submission, "__enter__", enter)
    verdict = verdict_on(tmp_path, 1, solution(1))
    assert (verdict.right, verdict.mistakes) == (False, "check")
    assert "look at this file yourself" in verdict.note


def test_names_that_are_no_utf8_and_names_that_move_the_cursor(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "judge_work", judged)
    for name in (b"b\xffn", b"eve\x1b[2J", b"new\nline"):
        os.makedirs(os.fsencode(tmp_path) + b"/" + name)
        with open(os.fsencode(tmp_path) + b"/" + name + b"/1_chain_rule.py", "w") as file:
            file.write("")
    assert main(["exercise", "grade", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    for shown in (r"b\xffn", r"eve\x1b[2J", r"new\nline"):
        assert any(line.startswith(shown) for line in printed.splitlines())
        assert shown in [row["student"] for row in read(tmp_path / "students.csv")]
    assert len(list((tmp_path / "feedback").iterdir())) == 3


def test_a_file_whose_name_is_no_utf8_is_run(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff-1_chain_rule.py"
    with open(path, "w") as file:
        file.write(solution(1))
    verdict = grading.judge(folders.Path(os.fsdecode(path)), 0, 60.0)
    assert verdict.right, verdict
    json.dumps(verdict).encode()
    verdict.file.encode()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    for student in ("ada", "ben", "cid"):
        (tmp_path / "all" / student).mkdir(parents=True)
    own = tmp_path / "all" / "ada" / "1_chain_rule.py"
    own.write_text(solution(1))
    (tmp_path / "all" / "ada" / "linear_layer.py").symlink_to(own)  # inside of it
    (tmp_path / "all" / "ben" / "1_chain_rule.py").symlink_to(own)
    (tmp_path / "all" / "cid" / "1_chain_rule.py").symlink_to("/etc/passwd")
    (tmp_path / "all" / "dan").symlink_to(tmp_path / "all" / "ada")
    (tmp_path / "all" / "eve_1.py").symlink_to(own)
    works, _ = folders.submissions(tmp_path / "all", tmp_path / "ada")
    problems = [(work.student, work.problem[:1]) for work in works]
    assert problems == [("ada", ()), ("ada", ()), *((name, ("link",)) for name in ("ben", "cid", "dan", "eve_1"))]
    verdict = grading.judge_work(works[2], 0)
    assert (verdict.right, verdict.mistakes, verdict.exercise) == (False, "link", 1)


def test_an_odd_folder_costs_the_others_nothing(tmp_path, monkeypatch):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ben_1.py").write_text("")
    monkeypatch.setattr(folders, "scripts", lambda *_: 1 / 0)
    works, _ = folders.submissions(tmp_path, tmp_path / "scratch")
    assert [(w.student, w.problem[:1]) for w in works] == [("ada", ("file",)), ("ben_1", ())]


def test_cells_that_a_spreadsheet_would_run_are_text():
    cells = ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\uff1d1", "ada", "1-2", "a=b", -1]
    (row,) = csv.reader(table([cells]).splitlines())
    assert row == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "' =1", "'\uff1d1", "ada", "1-2", "a=b", "-1"]


# --- notebooks and archives -------------------------------------------------------------------------------------------


def notebook(*cells):
    code = [{"cell_type": "code", "source": text.splitlines(keepends=True)} for text in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# My work"}, *code]})


def judged_notebook(folder, text):
    path = folder / "1_chain_rule.ipynb"
    path.write_text(text)
    return grading.judge(path, 0, 60.0)


def test_a_notebook_is_run_without_the_lines_for_ipython(tmp_path):
    cells = ["%matplotlib inline\n!pip install numpy\nif 1:\n    %time 3", "%%bash\nrm -r x", solution(1)]
    verdict = judged_notebook(tmp_path, notebook(*cells))
    assert verdict.right, verdict


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (notebook("x = 1", "\n1 / 0"), "error", "cell 3, line 2: ZeroDivisionError"),
        (notebook("x = 1", "def gradient(*a):\n  return y"), "error", "cell 3, line 2: NameError"),
        (notebook("x = ("), "error", "cell 2, line 1: SyntaxError"),
        (notebook("x = 1"), "missing", "no function gradient"),
        ("{}", "notebook", "it is no notebook"),
        ("[" * 10**5, "notebook", "it is no notebook"),
        ('{"cells": [3]}', "notebook", "it is no notebook"),
        ("def gradient(): pass", "notebook", "it is no notebook"),
    ],
)
def test_a_notebook_that_does_not_work_says_where(tmp_path, text, key, said):
    verdict = judged_notebook(tmp_path, text)
    assert (verdict.right, verdict.mistakes, said in verdict.note) == (False, key, True), verdict


def archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return path


def test_an_archive_is_taken_apart_and_leads_nowhere_else(tmp_path):
    out = tmp_path / "deep" / "out"
    files = dict.fromkeys(
        ["1_a.py", "../../2_b.py", "/3_c.py", "C:\\4_d.py", "w/venv/5.py", "w/venv/pyvenv.cfg", "x.txt"], ""
    )
    assert take_out(archive(tmp_path / "a.zip", files), out, (".py",)) == ""
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.py")) == [
        f"deep/out/{name}.py" for name in ("1_a", "2_b", "3_c", "4_d", "w/venv/5")
    ]


def test_a_bomb_and_a_damaged_archive_are_named(tmp_path, monkeypatch):
    bomb = archive(tmp_path / "bomb.zip", {"1.py": bytes(3_000_000)})
    monkeypatch.setattr("tinygrad_edu.course.archives.LARGEST", 1_000_000)
    assert "unpacks to more than 1 MB" in take_out(bomb, tmp_path / "out", (".py",))
    assert not list(tmp_path.rglob("*.py"))
    many = archive(tmp_path / "many.zip", {f"{i}.txt": "" for i in range(1001)})
    assert "more than 1,000 files" in take_out(many, tmp_path / "out", (".py",))
    good = archive(tmp_path / "good.zip", {"1.py": os.urandom(100)}).read_bytes()
    for content in (b"", b"PK", good[:-5], good[:40] + b"\0" * 8 + good[48:], good.replace(b"1.py", b"\xff.py")):
        (tmp_path / "bad.zip").write_bytes(content)
        said = take_out(tmp_path / "bad.zip", tmp_path / "out", (".py",))
        assert said == "" or "cannot be unpacked" in said
    (tmp_path / "big.zip").write_bytes(bytes(1_000_001))
    assert "larger than 1 MB" in take_out(tmp_path / "big.zip", tmp_path / "out", (".py",))


def test_archives_in_a_class(tmp_path):
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    (work / "ada").mkdir(parents=True)
    scratch.mkdir()
    archive(
        work / "ada" / "all.zip", {"mine/1_chain_rule.py": "", "__MACOSX/._1_chain_rule.py": "", "mine/helper.py": ""}
    )
    archive(work / "ben.zip", {"notes.txt": ""})
    (work / "cid.zip").write_bytes(b"rar")
    works, skipped = folders.submissions(work, scratch)
    assert [(w.student, w.shown, w.problem[:1]) for w in works] == [
        ("ada", str(work / "ada" / "all.zip" / "mine" / "1_chain_rule.py"), ()),
        ("ben", str(work / "ben.zip"), ("zip",)),
        ("cid", str(work / "cid.zip"), ("zip",)),
    ]
    assert skipped == [str(work / "ada" / "all.zip" / "mine" / "helper.py")]
    assert grading.judge(work / "cid.zip", 0).note == "it is an archive: unpack it, and check what is in it"


# --- a row for each student -------------------------------------------------------------------------------------------


def judged(work, seed, seconds=10.0):
    """A verdict without a process: right is the text of a right file."""
    if work.problem:
        return Verdict(work.student, work.shown, 0, False, work.problem[0], work.problem[1], 0.0)
    number = getattr(folders.which(work.path), "number", 0)
    text = work.path.read_text()
    right = text.startswith("right")
    return Verdict(work.student, work.shown, number, right, "" if right else "error", f"is {text}", 0.0, "",
                   grading.digest_of(work.path), float(right) or 0.5 * (text == "in part"))  # fmt: skip


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def written(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_row_and_a_text_for_each_student(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "judge_work", judged)
    folder = written(
        tmp_path / "all",
        {
            "ada/1_chain_rule.py": "wrong",
            "ada/v2/1_chain_rule.py": "right",
            "ada/3_linear_layer.py": "in part",
            "ada/v2/3_linear_layer.py": "wrong",
            "ada/8_adam.py": "right",
            "Ben B_17_assignsubmission_file_/2_shared_variable.py": "right",
            "Ben B_17_assignsubmission_onlinetext_/onlinetext.html": "hello",
            "Ben B_18_assignsubmission_file/1_chain_rule.py": "right",
            "Cid_3_assignsubmission_file_5.py": "right",
            "Cid_3_assignsubmission_file_6_cross_entropy.py": "right",
            "dan/essay.docx": "",
        },
    )
    assert main(["exercise", "grade", str(folder)]) == 0
    rows = {row["student"]: row for row in read(folder / "students.csv")}
    assert {name: row["total"] for name, row in rows.items()} == {
        "ada": "2.5", "Ben B (17)": "1", "Ben B (18)": "1", "Cid": "2", "dan": "0"
    }  # fmt: skip
    assert [rows["ada"][str(n)] for n in range(1, 17)] == ["1", "0", "0.5", *"0000", "1", *"00000000"]
    text = (folder / "feedback" / "ada.txt").read_text()
    assert text.startswith("ada: 2.5 of 16")
    assert "is right" in text
    assert "is wrong" in text  # exercise 3
    assert text.count("1_chain_rule.py") == 1  # the best of two
    assert text.count("nothing was handed in") == 13
    assert "essay.docx" in (folder / "feedback" / "dan.txt").read_text()
    capsys.readouterr()
    assert main(["exercise", "grade", str(folder)]) == 0  # feedback/ is no student
    assert len(read(folder / "students.csv")) == 5


def test_names_of_feedback_files_differ():
    taken = set()
    for student in ("Ada", "ada", "a/b", "a\\b", "x" * 300, "x" * 301, ".", "\\xff"):
        name = file_name(student, taken)
        assert name.casefold() not in taken
        assert len(name) < 80
        assert not set(name) & set('/\\:*?"<>|')
        taken.add(name.casefold())
    assert "Ada.txt" in {file_name("Ada", set())}
    assert feedback("x", [], [0] * 16).count("nothing was handed in") == 16


# --- an interrupted run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys, jobs):
    folder = written(tmp_path / "all", {f"s{i}_1.py": f"right {i}" for i in range(6)})
    asked, seeds = [], set()

    def interrupted(work, seed, seconds):
        asked.append(work.student)
        seeds.add(seed)
        if work.student == "s3_1":
            raise KeyboardInterrupt
        return judged(work, seed)

    monkeypatch.setattr(runner, "judge_work", interrupted)
    assert main(["exercise", "grade", str(folder), "--jobs", jobs]) == 130
    assert "goes on with the rest" in capsys.readouterr().err
    first = json.loads((folder / "grades.json").read_text())
    assert first["finished"] is False
    assert len(read(folder / "grades.csv")) == len(first["verdicts"])
    done = {v["student"] for v in first["verdicts"]}
    assert "s3_1" not in done
    assert jobs == "3" or done == {"s0_1", "s1_1", "s2_1"}
    if "s1_1" in done:
        (folder / "s1_1.py").write_text("right, and handed in again")
    asked.clear()
    monkeypatch.setattr(runner, "judge_work", lambda *args: asked.append(args[0].student) or judged(*args))
    assert main(["exercise", "grade", str(folder)]) == 0
    assert sorted(asked) == sorted({f"s{i}_1" for i in range(6)} - done | ({"s1_1"} & done))
    whole = json.loads((folder / "grades.json").read_text())
    assert whole["finished"] is True
    assert whole["seed"] in seeds
    assert [v["student"] for v in whole["verdicts"]] == [f"s{i}_1" for i in range(6)]
    asked.clear()
    assert main(["exercise", "grade", str(folder)]) == 0  # a finished run begins anew
    assert len(asked) == 6


def test_a_table_that_is_damaged_or_another_runs_is_not_gone_on_with(tmp_path):
    verdicts = [
        Verdict("ada", "a.py", 1, True, "", "right", 0.0, "", "d1", 1.0),
        Verdict("ben", "b.py", 1, False, grading.OURS, "", 1.0, "", "d2"),  # broke off by itself: is run again
        Verdict("cid", "c.py", 1, False, "file", "", 1.0),  # was not read
    ]
    run = Run(tmp_path, 7, 10.0, 4, [])
    run.save(verdicts)
    assert kept(tmp_path, None) == (7, {("ada", "a.py", "d1"): verdicts[0]})
    assert kept(tmp_path, 7) is not None
    assert kept(tmp_path, 8) is None
    good = json.loads((tmp_path / "grades.json").read_text())
    row = good["verdicts"][0]
    for bad in (
        good | {"finished": True}, good | {"finished": 0}, good | {"turns": 1}, good | {"seed": "7"},
        good | {"verdicts": 3},
        good | {"verdicts": [row | {"mistakes": "x"}]}, good | {"verdicts": [row | {"right": 1}]}, [], {},
        good | {"verdicts": [row | {"more": 1}]}, good | {"verdicts": [[]]},
        good | {"verdicts": [row | {"credit": 0.5}]},
    ):  # fmt: skip
        (tmp_path / "grades.json").write_text(json.dumps(bad))
        assert kept(tmp_path, None) is None
    for text in ("", "[" * 10**5, json.dumps(good)[:-9], "\xff"):
        (tmp_path / "grades.json").write_text(text, encoding="latin-1")
        assert kept(tmp_path, None) is None


def test_a_file_is_whole_or_the_old_one(tmp_path, monkeypatch):
    path = records.replace(tmp_path / "grades.csv", "old")
    assert path.read_text() == "old"
    before = path.stat().st_mode
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
            with pytest.raises(OSError, match="no space"):
                records.replace(path, "new")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]
    records.replace(path, "new \udcff")
    assert path.read_text() == "new \\udcff"
    assert path.stat().st_mode == before
    if sys.platform == "linux":
        assert before & 0o077  # as any other file: a teacher's colleague may read it


MEETS = """
import pathlib, time

def gradient(w, x, b):
    pathlib.Path({mine!r}).touch()
    while not pathlib.Path({other!r}).exists():
        time.sleep(0.01)
    u = w * x + b
    return 2 * u * x, 2 * u * w, 2 * u
"""


def test_jobs_run_at_the_same_time(tmp_path):
    """Each of two files waits, inside its function, until the other has been called."""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    files = {"a_1.py": MEETS.format(mine=a, other=b), "b_1.py": MEETS.format(mine=b, other=a)}
    folder = written(tmp_path / "all", files)
    assert main(["exercise", "grade", str(folder), "--seed", "1", "--jobs", "2", "--timeout", "4"]) == 0
    verdicts = json.loads((folder / "grades.json").read_text())["verdicts"]
    assert [v["note"] for v in verdicts] == ["right, with 3 sets of random numbers"] * 2


def test_jobs_give_the_same_verdicts(tmp_path):
    folder = written(
        tmp_path / "all",
        {
            "a_1.py": solution(1),
            "b_2.py": solution(2).replace("return dx", "return -dx"),
            "c_1.py": "x",
            "d_3.py": solution(3),
        },
    )
    found = []
    for jobs in ("1", "3"):
        out = tmp_path / jobs
        assert (
            main(
                ["exercise", "grade", str(folder), "--out", str(out), "--seed", "1", "--jobs", jobs, "--timeout", "60"]
            )
            == 0
        )
        verdicts = json.loads((out / "grades.json").read_text())["verdicts"]
        found.append([{**v, "seconds": 0} for v in verdicts])
    assert found[0] == found[1]
    assert [v["mistakes"] for v in found[0]] == ["", "x: sign", "error", ""]
