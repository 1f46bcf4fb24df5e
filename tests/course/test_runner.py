"""Files, folders and commands: stubs that are handed out, files that are checked, folders that are graded."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from exercise_solutions import NAMES, solution

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.course import folders, grading, runner
from tinygrad_edu.course.table import COURSE


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((f"{name}.py", number) for number, name in enumerate(NAMES, 1)),
        ("linear_layer.py", 3), ("ada_3_linear_layer.py", 3), ("ada-3.py", 3), ("Exercise 8.py", 8),
        ("20240311.py", None), ("3_or_4.py", None), ("helper.py", None), ("9.py", 9), ("s123_7.py", 7),
        ("ADAM.py", 8), ("3_adam.py", 8),
    ],
)  # fmt: skip
def test_a_files_name_says_which_exercise_it_is(name, number):
    found = folders.which(Path(name))
    assert (found.number if found else None) == number


def test_start_copies_stubs_and_overwrites_nothing(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["exercise", "start", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.py" for name in NAMES)
    printed = capsys.readouterr().out
    assert printed.count("wrote ") == 16
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
        (["start", "17", "x"], "there is no exercise 17; they are 1 to 16"),
        (["check", "nowhere"], "there is no nowhere"),
        (["check", "."], "holds no exercise"),
        (["grade", "nowhere"], "there is no folder nowhere"),
        (["grade", "."], "holds no submissions"),
        (["grade", ".", "--out", "here"], "holds no submissions"),
        (["check", ".", "--timeout", "0"], "above 0"),
        (["check", ".", "--seed", "-1"], "at least 0"),
        ([], "required: list|start|check|hint|solution|grade"),
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
    *lines, empty, hint = capsys.readouterr().out.splitlines()
    assert len(lines) == 16
    assert (empty, "exercise start DIR" in hint) == ("", True)
    for line, exercise in zip(lines, COURSE.exercises, strict=True):
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
    folders.start(tmp_path)
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
        ("st3", "3", "0", "notebook"),
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
        "right", "x", "took longer than 2 s", "there is no .py file in it", "it is no notebook, or a damaged one"
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


@pytest.mark.parametrize(
    ("name", "text", "status", "said"),
    [
        ("1_chain_rule.py", "right", 0, "1 of 1 right; --seed 5"),
        ("1_chain_rule.py", "wrong", 1, "0 of 1 right; --seed 5"),
        ("nowhere.py", None, 2, "there is no "),
    ],
)
def test_check_ends_python_with_its_status(tmp_path, capsys, name, text, status, said):
    if text is not None:
        (tmp_path / name).write_text(solution(1).replace("2 * u", "2 * u" if text == "right" else "u"))
    with pytest.raises(SystemExit) as end:
        runner.check(tmp_path / name, seed=5)
    assert end.value.code == status
    assert said in "".join(capsys.readouterr())


def test_ctrl_c_ends_a_check_with_its_own_status(monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "check_exercises", pressed)
    with pytest.raises(SystemExit) as end:
        runner.check("anything.py")
    assert end.value.code == 130
