"""Sweeps: the rows are those of loops, in any number of processes; a failure is a row; what has been run is not run
again."""

import importlib
import json
import math
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.one_thread import blas_threads
from tinygrad_edu.training import data
from tinygrad_edu.training.sweeps import sweep

GRID = {"lr": [0.1, 0.01], "rule": [tg.SGD, tg.Adam]}


@pytest.fixture(scope="module")
def workers():
    """Two processes that wait for the runs of all tests."""
    joblib = pytest.importorskip("joblib")
    joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(i) for i in range(4))
    yield
    importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown(wait=True)


def train(lr, rule, seed):
    """A short training."""
    X, y = data.blobs(60, rng=seed)
    model = tg.mlp([2, 4, 3], rng=seed)
    return tg.fit(model, X, y, optimizer=rule(model, lr=lr), epochs=2, rng=seed, progress=False)


def looped():
    """The rows without seconds, by loops."""
    rows = []
    for lr in GRID["lr"]:
        for rule in GRID["rule"]:
            for seed in (0, 1):
                last = train(lr, rule, seed).rows[-1]
                rows.append(
                    {"lr": lr, "rule": rule.__name__, "seed": seed}
                    | {c: last[c] for c in ("epoch", "loss", "accuracy")}
                )
    return rows


def rows_of(found):
    """The rows without seconds and error, which is None in each."""
    assert all(row["seconds"] > 0 and row["error"] is None for row in found.rows)
    return [{name: value for name, value in row.items() if name not in ("seconds", "error")} for row in found.rows]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("workers")
def test_the_rows_are_those_of_loops(n_jobs):
    assert rows_of(sweep(train, GRID, seeds=2, n_jobs=n_jobs, progress=False)) == looped()


def test_points_can_be_given_one_by_one_and_seeds_by_number():
    found = sweep(lambda x, seed: x + seed, [{"x": 1}, {"x": 5}], seeds=[7, 9], n_jobs=1, progress=False)
    assert found["result"] == [8, 10, 12, 14]
    found = sweep(lambda x: np.float64(x), [{"x": np.float32(0.5)}], seeds=None, n_jobs=1, progress=False)
    assert found.rows[0]["result"] == 0.5
    assert "seed" not in found.columns
    assert json.dumps(found.rows)


def fails(x, seed):
    """A run of which one fails, one gives NaN, and one prints no number."""
    if x == 2:
        raise RuntimeError(f"no luck with {seed}")
    return {1: x, 3: math.nan, 4: [1, 2], 5: {"seed": 3}, 6: tg.Tensor(2.0)}[x]


def test_failures_are_rows_and_lose_nothing():
    found = sweep(fails, {"x": [1, 2, 3, 4, 5, 6]}, n_jobs=1, progress=False)
    assert [row["error"] for row in found.rows] == [
        None,
        "RuntimeError: no luck with 0",
        None,
        "TypeError: a result is a number, a word or a dict of these, but result is list [1, 2]",
        "ValueError: the function returned 'seed', which is a column already",
        None,
    ]
    assert found["x"] == [1, 2, 3, 4, 5, 6]
    assert found["result"][5] == 2
    assert len(found.failed) == 3
    assert "3 of 6 runs failed" in repr(found)
    assert found.to_csv().splitlines()[2].startswith("2,0,,")
    assert found.best("result") == {"x": 1, "result": 1}
    assert found.best("result", largest=True) == {"x": 6, "result": 2}


def test_a_sweep_goes_on_where_it_was(tmp_path):
    path, calls = tmp_path / "sweep.jsonl", []

    def run(x, seed):
        calls.append((x, seed))
        if len(calls) in (3, 5):
            raise OSError("the disk is full")
        return x / 3

    first = sweep(run, {"x": [1, 2, 3]}, seeds=2, n_jobs=1, progress=False, resume=path)
    assert len(first.failed) == 2
    text = path.read_text()
    path.write_text(text + text.splitlines()[0][:20])  # a line that a crash cut off
    again = sweep(run, {"x": [1, 2, 3, 4]}, seeds=2, n_jobs=1, progress=False, resume=path)
    assert calls[6:] == [(2, 0), (3, 0), (4, 0), (4, 1)]
    assert not again.failed
    assert again["result"] == [x / 3 for x in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert sweep(run, {"x": [1, 2, 3, 4]}, seeds=2, n_jobs=1, resume=path).rows == again.rows
    assert len(calls) == 10


@pytest.mark.parametrize("text", ["lr,loss\n0.1,2\n", '{"x": 1}\n', "[1, 2]\n", "3", '"{'])
def test_a_file_that_is_no_sweep_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="line 1, is no row of a sweep; resume="):
        sweep(fails, {"x": [1]}, n_jobs=1, resume=path)
    assert path.read_text() == text


@pytest.mark.slow
def test_a_process_that_dies_loses_no_row_that_has_ended(tmp_path):
    pytest.importorskip("joblib")
    script = """
        import os, sys
        import tinygrad_edu as tg
        def run(x, seed):
            if x == 5 and not os.path.exists(sys.argv[1] + ".again"):
                open(sys.argv[1] + ".again", "w").close()
                os._exit(3)
            return tg.Tensor(x)
        found = tg.sweep(run, {"x": list(range(8))}, n_jobs=2, progress=False, resume=sys.argv[1])
        print(found["result"])
    """  # the function refers to the package, as those of scripts and notebooks do
    path = str(tmp_path / "sweep.jsonl")
    command = [sys.executable, "-c", textwrap.dedent(script), path]
    first = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert first.returncode != 0
    assert "worker" in first.stderr
    second = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert second.stdout == "[0, 1, 2, 3, 4, 5, 6, 7]\n", second.stderr


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("workers")
def test_each_run_has_one_thread_of_blas(n_jobs):
    if blas_threads() is None:
        pytest.skip("NumPy has another BLAS")
    before = blas_threads().get()
    blas_threads().set(2)
    try:
        found = sweep(lambda seed: blas_threads().get(), [{}], seeds=2, n_jobs=n_jobs, progress=False)
        assert found["result"] == [1, 1]
        assert blas_threads().get() == 2
    finally:
        blas_threads().set(before)


def test_without_joblib_one_sentence_says_how(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(ImportError, match=r"need joblib \(pip install joblib\); n_jobs=1 does without"):
        sweep(fails, {"x": [1]})
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install pandas"):
        sweep(fails, {"x": [1]}, n_jobs=1, progress=False).to_frame()


def test_a_sweep_is_a_frame_and_a_file(tmp_path):
    found = sweep(lambda x, seed: {"y": x, "word": "a,b"}, {"x": [1, 2]}, n_jobs=1, progress=False)
    found.to_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().splitlines()[1].startswith('1,0,1,"a,b",')
    frame = pytest.importorskip("pandas").read_csv(tmp_path / "table.csv")
    assert frame.columns.tolist() == found.to_frame().columns.tolist() == ["x", "seed", "y", "word", "seconds", "error"]
    assert found.to_frame()["y"].tolist() == [1, 2]


def test_progress_is_a_line_for_each_run(capsys):
    sweep(lambda x, seed: {"y": x / 7}, {"x": [1, 2]}, n_jobs=1)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[1].startswith("run 2/2  x 2  seed 0  y 0.2857  seconds ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((3, {"x": [1]}), "function is a function"),
        ((fails, {"x": "abc"}), "grid has a list of values for each parameter"),
        ((fails, 3), "grid is a dict of lists"),
        ((fails, [3]), "a point of the grid is a dict"),
        ((fails, [{"x": 1}, {"y": 1}]), "all points of the grid have the same parameters"),
        ((fails, {"x": []}), "the grid is empty"),
        ((fails, {"seed": [1]}), "a parameter cannot be called seed; say seeds="),
        ((fails, {"x": [1, 1]}), r"two runs of the grid are called {'x': 1, 'seed': 0}"),
        ((fails, {"x": [1]}, 0), "seeds = 0"),
        ((fails, {"x": [1]}, 1.5), "seeds is how many"),
        ((fails, {"x": [1]}, [-1]), "a seed = -1"),
        ((fails, {"x": [1]}, 1, 0), "n_jobs = 0"),
        ((fails, {"x": [1]}, 1, 1, 7), "resume is a path"),
    ],
)
def test_what_is_no_sweep_is_refused(arguments, said):
    with pytest.raises((TypeError, ValueError), match=said):
        sweep(*arguments)


@pytest.mark.usefixtures("workers")
def test_a_race_in_two_processes_has_the_numbers_of_one():
    parts = tg.data.split(*tg.data.blobs(60, rng=0), rng=0)
    one, two = (tg.race_on_data(*parts, ["sgd", "adam"], seeds=2, epochs=2, grid=[0.01, 0.1], n_jobs=n) for n in (1, 2))
    for a, b in zip(one.runs, two.runs, strict=True):
        assert (a.rule, a.lr) == (b.rule, b.lr)
        assert np.array_equal(a.losses, b.losses)
        assert np.array_equal(a.accuracies, b.accuracies)
