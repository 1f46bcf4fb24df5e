"""The way on from an exercise: hints, a solution, the next one, partial credit; and a teacher's own folder."""

import csv
from pathlib import Path

import pytest
from exercise_solutions import solution, verdict_on

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.course import records
from tinygrad_edu.course.table import COURSE, collection


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A user's cache of its own, in which no hint was given yet."""
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def said(capsys, *words):
    """The status and the output of ``tinygrad-edu exercise``."""
    status = main(["exercise", *map(str, words)])
    return status, capsys.readouterr().out


def test_every_exercise_has_three_hints_that_are_not_the_solution():
    for exercise in COURSE.exercises:
        assert len(exercise.hints) == 3
        results = [
            line.strip() for line in solution(exercise.number).splitlines() if "return" in line and len(line) > 16
        ]
        assert not any(line.removeprefix("return ") in hint for line in results for hint in exercise.hints)


def test_a_hint_more_each_time_then_the_solution(capsys, cache):
    hints = COURSE.numbered(3).hints
    for n in (1, 2, 3):
        shown = said(capsys, "hint", 3)[1]
        assert [line in shown for line in hints] == [True] * n + [False] * (3 - n)
    assert "no more hints" in said(capsys, "hint", 3)[1]
    assert "Hint 1 of 3" in said(capsys, "hint", 4)[1]
    assert "Hint 2" not in said(capsys, "hint", 5)[1]
    assert said(capsys, "solution", 3) == (0, solution(3))
    for text in ("damaged", "[]", '{"3_linear_layer": null}', '{"3_linear_layer": -2}'):
        (cache / "hints.json").write_text(text)
        assert said(capsys, "hint", 3)[1].startswith("Hint 1 of 3")
    assert main(["exercise", "hint", "17"]) == 2
    assert "there is no exercise 17" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_costs_the_count_alone(capsys, cache):
    cache.write_text("a file in its place")
    for _ in range(2):
        assert said(capsys, "hint", 3)[1].startswith("Hint 1 of 3")


def test_a_user_without_a_home_gets_the_first_hint(capsys, monkeypatch):
    monkeypatch.delenv("TINYGRAD_EDU_CACHE")
    monkeypatch.setattr(Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    assert said(capsys, "hint", 3)[1].startswith("Hint 1 of 3")


def test_the_notebook_counts_the_same_hints(capsys):
    tg.hint(3)
    assert "Hint 2 of 3" in said(capsys, "hint", 3)[1]
    tg.hint(3)
    assert "Hint 3 of 3" in capsys.readouterr().out
    tg.hint(3, solution=True)
    assert capsys.readouterr().out == solution(3)
    with pytest.raises(ValueError, match="there is no exercise 99"):
        tg.hint(99)
    with pytest.raises(TypeError, match="whole number"):
        tg.hint("3")


def test_a_check_says_how_to_go_on(tmp_path, capsys):
    main(["exercise", "start", str(tmp_path)])
    mine = tmp_path / "3_linear_layer.py"
    status, shown = said(capsys, "check", mine)
    assert (status, "Stuck? A hint, and one more each time: tinygrad-edu exercise hint 3\n" in shown) == (1, True)
    mine.write_text(solution(3).replace("g.sum(axis=0)", "g"))
    assert "not yet, but 67% of it is right" in said(capsys, "check", mine)[1]
    mine.write_text(solution(3))
    status, shown = said(capsys, "check", mine)
    assert status == 0
    assert "A solution to compare with: tinygrad-edu exercise solution 3\n" in shown
    after = tmp_path / "4_activations.py"
    assert shown.endswith(f"Next: 4, {COURSE.numbered(4).title}: tinygrad-edu exercise check {after}\n")
    after.unlink()
    assert f"exercise start 4 {tmp_path}\n" in said(capsys, "check", mine)[1]
    last = tmp_path / "16_value.py"
    last.write_text(solution(16))
    assert said(capsys, "check", last)[1].endswith("That was the last one.\n")


@pytest.mark.parametrize(
    ("number", "right", "wrong", "credit"),
    [
        (1, "du * w, du", "du * w, 1", 2 / 3),
        (3, "return", "return -", 2 / 3),
        (4, "return g * (a > 0)", "raise NotImplementedError", 2 / 3),  # one of three is not written
        (4, "return g * (a > 0)", "return 1 / 0", 2 / 3),
        (4, "def relu_backward", "def relu", 2 / 3),
        (5, "g.sum(axis=0)", "g.mean(axis=0)", None),  # those of seven shapes that have all axes
        (6, "-logs[rows, labels].mean()", "1.0", 1 / 2),
        (7, "da = dz @ W2.T", "da = -dz @ W2.T", 1 / 2),
        (8, "p - lr", "p + lr", 0),
        (9, "w - lr * 2", "w + lr * 2", 1 / 2),
        (10, "(error**2).mean()", "0.0", 2 / 3),
        (15, "np.zeros(n_out)", "np.ones(n_out)", 1 / 2),
        (16, "other * -1.0", "other", 4 / 5),
        (1, "return", "while True: pass\n    return", 0),
    ],
)
def test_what_is_right_counts(tmp_path, number, right, wrong, credit):
    assert right in solution(number)
    verdict = verdict_on(tmp_path, number, solution(number).replace(right, wrong, 1), seconds=2)
    assert not verdict.right
    if credit is None:
        assert 0 < verdict.credit < 1
    else:
        assert verdict.credit == pytest.approx(credit, abs=1e-3)


def test_only_what_is_right_altogether_has_full_credit(tmp_path):
    assert verdict_on(tmp_path, 3, solution(3)).credit == 1
    assert verdict_on(tmp_path, 3, (COURSE.folder / "3_linear_layer.py").read_text()).credit == 0


def test_the_notebook_counts_the_same_parts():
    def relu_backward(a, g):
        return g * (a > 0)

    def sigmoid_backward(a, g):
        raise NotImplementedError

    report = tg.check(4, relu_backward, sigmoid_backward, rng=0)
    assert report.mistakes == {"relu": None, "sigmoid": "not written", "tanh": "missing"}
    assert repr(report).endswith("1 of 3 parts are right. A hint, and one more each time: tg.hint(4)")
    with pytest.raises(NotImplementedError, match="gradient is not written yet"):
        tg.check(1, lambda *_: sigmoid_backward(0, 0))
    shown = repr(tg.check(3, lambda x, W, g: (g @ W.T, x.T @ g, g.sum(axis=0))))
    assert "tg.hint(3, solution=True)\nNext: 4, backward through" in shown


# --- a teacher's own folder -------------------------------------------------------------------------------------------

SOFTPLUS = '''
import numpy as np


def softplus_backward(a, g):
    """Return dL/da for y = log(1 + e^a) and g = dL/dy."""
    raise NotImplementedError
'''
MEDIAN = "def middle(values):\n    raise NotImplementedError\n"
RIGHT = SOFTPLUS.replace("raise NotImplementedError", "return g / (1 + np.exp(-a))")
OURS = """
import numpy as np

from tinygrad_edu.course.checks import Exercise, compared, judged, normal
from tinygrad_edu.doctor.report import Report


def softplus(ask, rng, turn):
    a, g = normal(rng, 5), normal(rng, 5)
    said = ask("softplus_backward", a, g)[0]

    def L(a):  # of Tensors: the doctor needs the loss, and finds the gradient by itself
        return ((1 + a.exp()).log() * g).sum()

    return judged("L = sum(g * log(1 + e^a))", L, {"a": a}, {"a": said}, rng, g=g)


def median(ask, rng, turn):
    values = normal(rng, 5 + 2 * turn)
    said = ask("middle", values)[0]
    wrong = {values.mean(): ("mean", "it is the mean", "Sort them, and take the one in the middle.")}
    return Report(f"middle({values})", [compared("middle", said, np.median(values), wrong)])


EXERCISES = [
    Exercise(1, "softplus", "backward through softplus", softplus, hints=("What is the slope of log(1 + e^a)?",)),
    Exercise(2, "median", "the number in the middle", median),
]
"""


@pytest.fixture
def teacher(tmp_path):
    folder = tmp_path / "my own"
    (folder / "solutions").mkdir(parents=True)
    (folder / "exercises.py").write_text(OURS)
    (folder / "1_softplus.py").write_text(SOFTPLUS)
    (folder / "2_median.py").write_text(MEDIAN)
    (folder / "solutions" / "1_softplus.py").write_text(RIGHT)
    return folder


def test_a_teachers_exercises_are_handed_out_without_solutions(tmp_path, capsys, teacher):
    assert "2  median " in said(capsys, "list", "--from", teacher)[1]
    work = tmp_path / "work"
    status, shown = said(capsys, "start", work, "--from", teacher)
    assert (status, f'exercise check {work / "1_softplus.py"} --from "{teacher}"' in shown) == (0, True)
    assert sorted(path.name for path in work.rglob("*")) == ["1_softplus.py", "2_median.py"]
    assert "slope of log" in said(capsys, "hint", 1, "--from", teacher)[1]
    assert said(capsys, "solution", 1, "--from", teacher)[1].strip() == RIGHT.strip()
    assert main(["exercise", "solution", "2", "--from", str(teacher)]) == 2
    assert "ask your teacher" in capsys.readouterr().err
    assert "Hint 1 of 3" in said(capsys, "hint", 1)[1]  # ours are counted apart


def test_a_teachers_exercises_are_checked_and_marked(tmp_path, capsys, teacher):
    work = tmp_path / "work"
    for name, text in {
        "ada/1_softplus.py": RIGHT,
        "ada/2_median.py": "import numpy as np\nmiddle = np.median",
        "ben/2_median.py": "def middle(values): return values.mean()",
    }.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    status, shown = said(capsys, "check", work / "ada" / "1_softplus.py", "--from", teacher)
    assert status == 0
    assert f'exercise solution 1 --from "{teacher}"\nNext: 2, the number in the middle' in shown
    status, shown = said(capsys, "check", work / "ben", "--from", teacher)
    assert (status, "it is the mean" in shown, "exercise hint" in shown) == (1, True, False)
    assert said(capsys, "grade", work, "--from", teacher, "--out", tmp_path / "out")[0] == 0
    with (tmp_path / "out" / "students.csv").open(newline="") as file:
        assert [*csv.reader(file)] == [["student", "1", "2", "total"], ["ada", "1", "1", "2"], ["ben", "0", "0", "0"]]
    ben = (tmp_path / "out" / "feedback" / "ben.txt").read_text()
    assert ben.startswith("ben: 0 of 2")
    assert "--- 2 median" in ben
    place = {}
    exec(RIGHT, place)
    report = tg.check(1, place["softplus_backward"], folder=teacher)
    assert repr(report).endswith(f"folder={str(teacher)!r})\nNext: 2, the number in the middle")


def test_verdicts_of_other_exercises_are_not_kept(tmp_path, teacher):
    found = records.Run(tmp_path, 7, 10.0, 2, [], collection(teacher))
    found.save([])
    assert records.kept(tmp_path, None, collection(teacher)) == (7, {})
    assert records.kept(tmp_path, None) is None
    (teacher / "exercises.py").write_text(f"{OURS}# another check")
    assert records.kept(tmp_path, None, collection(teacher)) is None


def test_a_file_of_another_exercise_is_not_taken_for_one_of_ours(tmp_path, capsys, teacher):
    (tmp_path / "3_linear_layer.py").write_text("")
    status, shown = said(capsys, "check", tmp_path / "3_linear_layer.py", "--from", teacher)
    assert status == 1
    assert "which exercise is this?" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "holds no exercises.py"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("raise SystemExit(3)", "cannot be run: SystemExit: 3"),
        ("EXERCISES = 3", "has to set EXERCISES"),
        (OURS.replace('"median"', '"mode"'), "holds no 2_mode.py"),
        (OURS.replace("Exercise(2, ", "Exercise(1, ").replace('"median"', '"softplus"'), "two exercises one number"),
    ],
)
def test_a_folder_that_is_no_collection_gets_a_sentence(capsys, teacher, text, said):
    (teacher / "exercises.py").unlink()
    if text is not None:
        (teacher / "exercises.py").write_text(text)
    assert main(["exercise", "list", "--from", str(teacher)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_the_page_for_teachers_shows_the_same_file():
    page = (COURSE.folder.parents[2] / "docs" / "exercises.md").read_text(encoding="utf-8")
    assert f"```python{OURS}```" in page
    assert f"```python{RIGHT.lstrip()}```" in page.replace("```python\n", "```python")
