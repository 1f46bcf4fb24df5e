"""The folder of a run: never over another one, resumed with the same bits, and read by ``evaluate`` and ``predict``."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import one_line, result, status, without_matplotlib

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.training import npz
from tinygrad_edu.training.epochs import Task

FAST = ["train", "--data", "moons", "--hidden", "6", "--dropout", "0.3"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    without_matplotlib(monkeypatch)  # pictures take more time than the training


def numbers(folder):
    """All numbers that a run has kept, by name, but for its seconds."""
    with np.load(Path(folder, "model.npz")) as file:
        return {name: file[name] for name in file.files if name not in ("header.json", "history/columns/seconds")}


def same(folder, other):
    a, b = numbers(folder), numbers(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_each_run_has_a_folder_of_its_own(capsys):
    for _ in range(3):
        result(capsys, *FAST, "--epochs", "1")
    assert sorted(os.listdir("runs")) == ["moons", "moons-2", "moons-3"]
    assert same("runs/moons", "runs/moons-3")
    before = numbers("runs/moons")
    assert status(*FAST, "--out", "runs/moons") == 2
    one_line(capsys, "--out runs/moons holds a run already", "--resume runs/moons")
    assert all(np.array_equal(before[name], a) for name, a in numbers("runs/moons").items())


def test_run_json_says_how_the_run_was_made_and_how_it_ended(capsys):
    found = result(capsys, *FAST, "--epochs", "2", "--batch-size", "all")
    about = json.loads(Path("runs/moons/run.json").read_text())
    assert about["options"]["batch-size"] == "all"
    assert about["versions"]["numpy"] == np.__version__
    assert about["figures"].pop("seconds") > 0
    assert about["figures"] == found


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:nothing was learned")
@pytest.mark.parametrize("how", [[], ["--compiled", "--dtype", "float32", "--batch-size", "all", "--hidden", "none"]])
def test_a_run_that_goes_on_ends_with_the_bits_of_one_that_did_not_stop(capsys, how):
    whole = result(capsys, *FAST, *how, "--epochs", "5", "--out", "whole")
    result(capsys, *FAST, *how, "--epochs", "2", "--out", "parts")
    parts = result(capsys, "train", "--resume", "parts", "--epochs", "5")
    assert same("whole", "parts")
    assert {**parts, "files": 0} == {**whole, "files": 0}
    whole_rows, rows = (
        [row.rpartition(",")[0] for row in Path(folder, "history.csv").read_text().splitlines()]
        for folder in ("whole", "parts")
    )
    assert rows == whole_rows  # but for the seconds
    again = result(capsys, "train", "--resume", "parts")  # there is nothing left to do
    assert {**again, "files": 0} == {**whole, "files": 0}


def generator(folder):
    with np.load(Path(folder, "model.npz")) as file:
        return json.loads(file["header.json"])["parts"]["rng"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize(("times", "epochs"), [(2, 100), pytest.param(40, 400, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(capsys, times, epochs):
    more = [*FAST, "--batch-size", "all", "--epochs", str(epochs)]
    whole = result(capsys, *more, "--out", "whole")
    home, chance, going = str(Path(tg.__file__).parents[1]), np.random.default_rng(times), 0
    command = [sys.executable, "-m", "tinygrad_edu", *more, "--out", "killed"]
    for _ in range(times):
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": home}, stderr=subprocess.PIPE) as process:
            process.stderr.readline()  # an epoch
            time.sleep(chance.uniform(0, 0.02))
            going += process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
        command = [sys.executable, "-m", "tinygrad_edu", "train", "--resume", "killed"]
    Path("killed", ".unfinished-x").touch()
    assert going == times  # none of them had ended
    found = result(capsys, "train", "--resume", "killed")
    assert {**found, "files": 0} == {**whole, "files": 0}
    assert same("whole", "killed")
    assert generator("whole") == generator("killed")
    assert sorted(os.listdir("killed")) == sorted(os.listdir("whole"))


def without_files(figures):
    return {name: value for name, value in figures.items() if name not in ("files", "seconds")}


def test_ctrl_c_before_the_first_epoch_has_ended_leaves_a_run_that_begins_again(capsys, monkeypatch):
    step, steps = Task._step, []

    def step_and_interrupt(task, rows):
        steps.append(rows)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return step(task, rows)

    monkeypatch.setattr(Task, "_step", step_and_interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert status(*FAST, "--epochs", "2", "--out", "a", "--json") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        "interrupted before the end of the first epoch; train --resume a begins it again" in said.err.splitlines()[-1]
    )
    parts, whole = result(capsys, "train", "--resume", "a"), result(capsys, *FAST, "--epochs", "2", "--out", "b")
    assert without_files(parts) == without_files(whole)


def test_fewer_epochs_than_there_are_leave_a_run_as_it_is(capsys):
    whole = result(capsys, *FAST, "--epochs", "3", "--out", "a")
    before = Path("a/model.npz").read_bytes(), json.loads(Path("a/run.json").read_text())
    assert main(["train", "--resume", "a", "--epochs", "2"]) == 0
    said = "nothing to do: a has had 3 epochs already; --epochs 4, or more, goes on"
    assert said in capsys.readouterr().out
    after = Path("a/model.npz").read_bytes(), json.loads(Path("a/run.json").read_text())
    assert after == before
    about = {**before[1], "options": {**before[1]["options"], "epochs": "30000"}}  # as after Ctrl-C
    Path("a/run.json").write_text(json.dumps(about))
    for asked in ("2", "3"):
        assert main(["train", "--resume", "a", "--epochs", asked, "--json"]) == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out) == about["figures"]
        assert "a has had 3 epochs of 30000 already" in printed.err
        assert json.loads(Path("a/run.json").read_text()) == about
    Path("a/run.json").write_text(json.dumps(before[1]))
    assert main(["train", "--resume", "a"]) == 0
    assert "nothing to do: a has 3 epochs; --epochs 4, or more, goes on" in capsys.readouterr().out
    assert main(["train", "--resume", "a", "--epochs", "4"]) == 0
    assert "nothing to do" not in capsys.readouterr().out
    assert whole["epochs"] == before[1]["figures"]["epochs"] == 3


def test_a_run_that_ctrl_c_has_ended_goes_on_after_its_last_whole_epoch(capsys, monkeypatch):
    whole, write, written = result(capsys, *FAST, "--epochs", "6", "--out", "whole"), npz.write, []

    def write_and_interrupt(path, *given):
        write(path, *given)
        written.append(path)
        if len(written) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(npz, "write", write_and_interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = result(capsys, *FAST, "--epochs", "6", "--out", "parts")
    finally:
        signal.signal(signal.SIGINT, before)
    assert [found["stopped"], found["epochs"], found["updates"]] == ["interrupted", 3, 3 * 10]  # of 320 samples
    assert without_files(json.loads(Path("parts/run.json").read_text())["figures"]) == without_files(found)
    assert len(Path("parts/history.csv").read_text().splitlines()) == 1 + 3
    assert main(["evaluate", "parts", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["loss"], said["accuracy"]) == (found["validation_loss"], found["validation_accuracy"])
    parts = result(capsys, "train", "--resume", "parts")
    assert {**parts, "files": 0} == {**whole, "files": 0}
    assert same("whole", "parts")


def test_a_run_without_a_whole_epoch_begins_from_its_seed(capsys):
    result(capsys, *FAST, "--epochs", "2", "--out", "a")
    result(capsys, *FAST, "--epochs", "2", "--out", "b")
    os.unlink("b/model.npz")
    assert status("evaluate", "b") == 2
    one_line(capsys, "b has no model.npz", "--resume b")
    result(capsys, "train", "--resume", "b")
    assert same("a", "b")


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "no/run.json; train writes one"),
        ("", "run.json is damaged"),
        ("[" * 10**5, "run.json is damaged"),
        ('{"options": [], "data": ""}', "run.json is damaged"),
        ('{"options": {"lr": "fast"}, "data": "", "answers": ""}', "finite number"),
        ('{"options": {"sizes": true}, "data": "", "answers": ""}', "--sizes"),
    ],
)
@pytest.mark.parametrize("command", [["train", "--resume", "no"], ["evaluate", "no"], ["predict", "no", "x.csv"]])
def test_what_is_no_run_gets_one_sentence(capsys, command, change, said):
    Path("no").mkdir()
    if change is not None:
        Path("no/run.json").write_text(change)
    assert status(*command) == 2
    one_line(capsys, said)


def test_what_does_not_go_with_a_run_gets_one_sentence(capsys):
    result(capsys, *FAST, "--epochs", "1", "--out", "a")
    for option in (["--lr", "3"], ["--quick"], ["--out", "b"], ["--batch-size", "3"]):
        assert status("train", "--resume", "a", *option) == 2
        one_line(capsys, f"leave out {option[0]}")
    about = json.loads(Path("a/run.json").read_text())
    Path("a/run.json").write_text(json.dumps({**about, "data": "0" * 64}))
    assert status("train", "--resume", "a") == 2
    one_line(capsys, "moons is not what it was when a was trained")
    Path("a/run.json").write_text(json.dumps({**about, "options": {**about["options"], "optimizer": "sgd"}}))
    assert status("train", "--resume", "a") == 2
    assert "another optimizer" in capsys.readouterr().err
    Path("a/model.npz").write_bytes(Path("a/model.npz").read_bytes()[:-100])
    assert status("evaluate", "a") == 2
    one_line(capsys, "model.npz cannot be loaded")


# --- evaluate and predict ---------------------------------------------------------------------------------------------


def test_evaluate_gives_the_figures_of_the_training(capsys):
    for data in ("moons", "regression"):
        found = result(capsys, *FAST, "--data", data, "--epochs", "2", "--out", data)
        assert main(["evaluate", data, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["loss"] == found["validation_loss"]
        assert said["accuracy"] == found["validation_accuracy"]
        assert main(["evaluate", data]) == 0
        assert "samples held out" in capsys.readouterr().out
    assert status("evaluate", "moons", "--data", "digits") == 2
    one_line(capsys, "64")


def iris_file(path="iris.csv", columns=("a", "b", "c", "d", "species")):
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    table = dict(zip("abcd", X.T.astype(str), strict=True)) | {"species": words}
    rows = zip(*(table[name] for name in columns), strict=True)
    Path(path).write_text("\n".join(",".join(row) for row in [columns, *rows]) + "\n")
    return words


def test_a_table_is_trained_evaluated_and_predicted_in_words(capsys):
    words = iris_file()
    found = result(capsys, "train", "--data", "iris.csv", "--target", "species", "--epochs", "30", "--dtype", "float32")
    assert found["validation_accuracy"] > 0.8
    assert sorted(os.listdir("runs/iris")) == ["encoder.npz", "history.csv", "model.npz", "run.json"]
    assert main(["evaluate", "runs/iris", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == found["validation_accuracy"]
    assert main(["evaluate", "runs/iris", "--data", "iris.csv", "--json"]) == 0
    of_all = json.loads(capsys.readouterr().out)
    iris_file("some.csv", ("d", "c", "b", "a"))
    assert main(["predict", "runs/iris", "some.csv"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "prediction,probability"
    answers = np.array([row.split(",")[0] for row in rows])
    assert (answers == words).mean() == pytest.approx(of_all["accuracy"])
    assert main(["predict", "runs/iris", "some.csv", "--out", "answers.csv"]) == 0
    assert Path("answers.csv").read_text().splitlines() == [head, *rows]
    capsys.readouterr()
    assert status("evaluate", "runs/iris", "--data", "some.csv") == 2
    one_line(capsys, "no column to compare with")
    Path("iris.csv").write_text(Path("iris.csv").read_text().replace("5.1", "5.2"))
    assert status("train", "--resume", "runs/iris") == 2
    one_line(capsys, "iris.csv is not what it was")


def test_samples_that_the_model_has_learned_from_are_counted(capsys):
    iris_file()
    found = result(capsys, "train", "--data", "iris.csv", "--target", "species", "--epochs", "9", "--out", "a")
    rows = Path("iris.csv").read_text().splitlines()
    Path("copy.csv").write_text("\n".join(rows) + "\n")
    Path("more.csv").write_text("\n".join([*rows, "9,9,9,9,setosa"]) + "\n")
    Path("other.csv").write_text("\n".join([rows[0], "9,9,9,9,setosa", "8,9,9,9,setosa"]) + "\n")
    held_out = f"validation accuracy {found['validation_accuracy']:.4f} on the samples that were held out"
    counts = []
    for name in ("iris", "copy", "more", "other"):
        assert main(["evaluate", "a", "--data", f"{name}.csv"]) == 0
        said = capsys.readouterr().out
        counts += [int(n) for n in re.findall(r"and it learned from (\d+) of them", said)]
        assert (held_out in said) == (name != "other")
    assert len(counts) == 3
    assert len(set(counts)) == 1
    assert 120 <= counts[0] < 125  # iris has a few flowers twice
    about = json.loads(Path("a/run.json").read_text())
    about["figures"]["held_out_accuracy"] = about["figures"].pop("validation_accuracy")  # as 0.1 called it
    Path("a/run.json").write_text(json.dumps(about))
    Path("iris.csv").write_text("gone")
    assert main(["evaluate", "a", "--data", "copy.csv"]) == 0
    assert held_out in capsys.readouterr().out
    assert main(["evaluate", "a", "--data", "other.csv"]) == 0
    assert "learned from" not in capsys.readouterr().out


def test_a_run_on_a_table_without_its_encoder_is_refused_by_name(capsys):
    iris_file()
    result(capsys, "train", "--data", "iris.csv", "--target", "species", "--epochs", "1", "--out", "a")
    Path("numbers.csv").write_text("1,2,3,4\n")
    os.unlink("a/encoder.npz")
    for command in (
        ["predict", "a", "numbers.csv"],
        ["predict", "a", "iris.csv"],
        ["evaluate", "a"],
        ["evaluate", "a", "--data", "iris.csv"],
        ["train", "--resume", "a", "--epochs", "2"],
    ):
        assert status(*command) == 2
        one_line(capsys, "a has no encoder.npz, which says what the columns of its table", "iris.csv")


def test_the_held_out_rows_of_a_table_that_has_changed_are_refused(capsys):
    iris_file()
    result(capsys, "train", "--data", "iris.csv", "--target", "species", "--epochs", "1", "--out", "a")
    head, *rows = Path("iris.csv").read_text().splitlines()
    Path("iris.csv").write_text("\n".join([head, *rows[50:], *rows[:50]]) + "\n")  # all that was there, elsewhere
    assert status("evaluate", "a") == 2
    one_line(capsys, "iris.csv is not what it was when a was trained, so that it may have learned from", "--data ")
    assert main(["evaluate", "a", "--data", "iris.csv"]) == 0
    capsys.readouterr()
    result(capsys, *FAST, "--epochs", "1", "--out", "m")
    about = json.loads(Path("m/run.json").read_text())
    Path("m/run.json").write_text(json.dumps({**about, "data": "0" * 64}))  # as of another version of the set
    assert status("evaluate", "m") == 2
    one_line(capsys, "moons is not what it was when m was trained")


def test_predict_replaces_no_file_of_the_data_or_of_the_run(capsys):
    iris_file()
    iris_file("new.csv", ("a", "b", "c", "d"))
    result(capsys, "train", "--data", "iris.csv", "--target", "species", "--epochs", "1", "--out", "a")
    os.link("new.csv", "same.csv")
    before = {path: path.read_bytes() for path in [*Path().glob("*.csv"), *Path("a").iterdir()]}
    others = ("new.csv", "./new.csv", "same.csv", "iris.csv", "a/../a/model.npz", "a/loss.png")
    for out in (*others, *map(str, Path("a").iterdir())):
        assert status("predict", "a", "new.csv", "--out", out) == 2
        one_line(capsys, f"--out {Path(out)} would replace ")
    assert {path: path.read_bytes() for path in before} == before
    assert status("predict", "a", "new.csv", "--out", "a") == 2
    one_line(capsys, "a folder, and no file")
    result(capsys, *FAST, "--epochs", "1", "--out", "m")
    Path("two.csv").write_text("1,2\n")
    assert status("predict", "m", "two.csv", "--out", "moons") == 0  # a name of data, but of no file
    for out in ("a/answers.csv", "more/answers.csv", "a/answers.csv"):
        assert status("predict", "a", "new.csv", "--out", out) == 0
        assert len(Path(out).read_text().splitlines()) == 151


def test_predict_takes_plain_numbers_with_names_or_without(capsys):
    result(capsys, *FAST, "--epochs", "2", "--out", "a")
    model = tg.mlp([2, 6, 2], dropout=0.3, rng=0)
    tg.load("a/model.npz", model=model)
    with model.evaluating():
        scores = model(np.array([[0.5, 0.25], [1.0, -1.0]])).numpy()
    for head in ("", "x,y\n", "\ufeff", "\ufeffx,y\n"):  # the third is Excel's, of UTF-8
        Path("x.csv").write_text(f"{head}0.5,0.25\n1.0,-1.0\n")
        assert main(["predict", "a", "x.csv"]) == 0
        rows = [row.split(",") for row in capsys.readouterr().out.splitlines()]
        assert [int(row[0]) for row in rows[1:]] == list(scores.argmax(axis=1))
    for content, said in (
        ("1,2,3\n", "3 columns, the model takes 2"),
        ("1,2\na,b\n", "other things than numbers"),
        ("1,nan\n", "nan"),
    ):
        Path("x.csv").write_text(content)
        assert status("predict", "a", "x.csv") == 2
        one_line(capsys, said)
    assert status("predict", "a", "none.csv") == 2
    one_line(capsys, "none.csv")
    result(capsys, *FAST, "--data", "regression", "--epochs", "2", "--out", "r")
    Path("x.csv").write_text("0.5\n-0.5\n")
    assert main(["predict", "r", "x.csv"]) == 0
    head, *rows = capsys.readouterr().out.split()
    assert head == "prediction"
    assert len([float(row) for row in rows]) == 2
