"""Sweeps: the rows are those of loops, in any number of processes; a failure is a row; what has been run is not run
again."""

import json
import math
import os
import signal
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
    assert found.best("result", largest=False) == {"x": 1, "result": 1}
    assert found.best("result", largest=True) == {"x": 6, "result": 2}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("workers")
def test_a_run_that_ends_the_process_is_a_failed_row(n_jobs):
    found = sweep(lambda x, seed: sys.exit("no more") if x == 2 else x, {"x": [1, 2, 3]}, n_jobs=n_jobs, progress=False)
    assert found["result"] == [1, None, 3]
    assert found["error"] == [None, "SystemExit: no more", None]


def test_a_run_that_returns_nothing_is_a_failed_row():
    found = sweep(lambda x, seed: None, {"x": [1, 2]}, n_jobs=1, progress=False)
    assert (
        found["error"]
        == ["TypeError: the function returned None; have it return a number, a dict of these, or the history of fit"]
        * 2
    )
    with pytest.raises(
        ValueError, match="best: all 2 runs failed, the first with TypeError: the function returned None"
    ):
        found.best("loss")


@pytest.mark.parametrize(("bad", "failed"), [(math.nan, 0), (math.inf, 0), (-math.inf, 0), (None, 0), ("error", 4)])
def test_there_is_no_best_where_no_point_has_results(bad, failed):
    def run(x, seed):
        if seed and bad == "error":
            raise RuntimeError
        return {"loss": bad if seed else 0.5}

    found = sweep(run, {"x": [1, 2]}, seeds=3, n_jobs=1, progress=False)
    for largest in (False, True):
        with pytest.raises(
            ValueError, match=f"no point has results: none has a finite loss.* {failed} of 6 runs failed"
        ):
            found.best("loss", largest)
    some = sweep(lambda x, seed: run(x, seed and x == 1), {"x": [1, 2]}, seeds=3, n_jobs=1, progress=False)
    assert some.best("loss") == {"x": 2, "loss": 0.5}  # by hand: of point 2 every seed has a number


def test_an_error_of_many_lines_is_one_line_in_the_table_and_whole_in_the_file(tmp_path, capsys):
    words = "\n".join(["it went wrong:", *("a line of details" for _ in range(20))])

    def run(x, seed):
        raise RuntimeError(words)

    found = sweep(run, {"x": [1, 2]}, n_jobs=1, resume=tmp_path / "a.jsonl")
    printed, said = repr(found).splitlines(), capsys.readouterr().err.splitlines()
    assert (len(printed), len(said)) == (4, 2)  # the names, two runs, and that these failed
    assert printed[1].endswith("RuntimeError: it went wrong: a line of details a line of details a line of de...")
    assert said[0].endswith("...")
    assert found.rows[0]["error"] == f"RuntimeError: {words}"
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["error"] == f"RuntimeError: {words}"


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


def test_a_last_row_without_the_end_of_its_line_is_a_row(tmp_path):
    path, calls = tmp_path / "sweep.jsonl", []
    for n in (2, 3, 3):
        found = sweep(lambda x, seed: calls.append(x) or x, {"x": [*range(n)]}, n_jobs=1, progress=False, resume=path)
        assert found["result"] == [*range(n)]
        path.write_text(path.read_text().rstrip("\n"))
    assert calls == [0, 1, 2]


@pytest.mark.parametrize("text", ["lr,loss\n0.1,2\n", '{"x": 1}\n', "[1, 2]\n", "3", '"{', '{"x": 1}'])
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
        import os, sys, time
        import tinygrad_edu as tg
        def run(x, seed):
            time.sleep(0.3)
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
    assert first.returncode == 0, first.stderr
    rows = [json.loads(line) for line in (tmp_path / "sweep.jsonl").read_text().splitlines()]
    assert [row["x"] for row in rows if row["x"] == 5 and "worker's process died (EXIT(3))" in row["error"]] == [5]
    assert sorted(row["x"] for row in rows) == [*range(8)]  # each once, with its number or an error
    ended = [row.get("result") for row in sorted(rows, key=lambda row: row["x"])]
    assert first.stdout == f"{ended}\n"
    assert ended[:4] == [0, 1, 2, 3]  # at most two run at a time
    second = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert second.stdout == "[0, 1, 2, 3, 4, 5, 6, 7]\n", second.stderr


def interrupted(x, seed):
    """A training of which the second is interrupted."""
    epochs = []
    model = tg.mlp([2, 3], rng=0)
    stop = lambda row: x == 2 and not epochs.append(row) and len(epochs) == 2 and signal.raise_signal(signal.SIGINT)
    tg.fit(model, *data.blobs(60, rng=0), epochs=4, progress=False, callback=stop)
    return tg.evaluate(model, *data.blobs(60, rng=0))


def reports_an_interrupt(x, seed):
    """A training somewhere else, which says that it was interrupted."""
    history = tg.fit(tg.mlp([2, 3], rng=0), *data.blobs(60, rng=0), epochs=1, progress=False)
    history.stopped = "interrupted" if x == 2 else "all epochs"
    return history


@pytest.mark.parametrize("run", [interrupted, reports_an_interrupt])
def test_ctrl_c_ends_a_sweep_and_half_a_training_is_no_row(tmp_path, run):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep(run, {"x": [1, 2, 3]}, n_jobs=1, progress=False, resume=tmp_path / "a.jsonl")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert [json.loads(line)["x"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [1]


@pytest.mark.slow
def test_ctrl_c_in_a_worker_ends_the_sweep():
    pytest.importorskip("joblib")
    script = """
        import signal
        import tinygrad_edu as tg
        def run(x, seed):
            stop = lambda row: x == 2 and row["epoch"] == 2 and signal.raise_signal(signal.SIGINT)
            X, y = tg.data.blobs(60, rng=0)
            tg.fit(model := tg.mlp([2, 3], rng=0), X, y, epochs=4, progress=False, callback=stop)
            return tg.evaluate(model, X, y)
        try:
            print(tg.sweep(run, {"x": [1, 2, 3]}, n_jobs=2, progress=False))
        except KeyboardInterrupt:
            print("interrupted")
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert found.stdout == "interrupted\n", found.stderr


def test_the_best_is_the_least_loss_or_the_largest_accuracy():
    def run(x, seed):
        return {"loss": 3 - x, "validation_accuracy": x / 9, "f1": x}

    found = sweep(run, {"x": [1, 2]}, n_jobs=1, progress=False)
    assert found.best("loss") == {"x": 2, "loss": 1}
    assert found.best("validation_accuracy") == {"x": 2, "validation_accuracy": 2 / 9}
    assert found.best("validation_accuracy", largest=False)["x"] == 1
    assert [found.best("f1", largest)["x"] for largest in (False, True)] == [1, 2]
    with pytest.raises(ValueError, match="is a small f1 better or a large one"):
        found.best("f1")


def test_a_function_that_takes_other_arguments_is_refused_before_the_first_run():
    calls = []

    def run(lr, hidden=3):
        calls.append(lr)

    for grid, seeds, said in (
        ({"lr": [1], "hiden": [2]}, None, "unexpected keyword argument 'hiden'; is it hidden"),
        ({"lr": [1]}, 2, "unexpected keyword argument 'seed'.*; seeds=None calls it without a seed"),
        ({"hidden": [1]}, None, "missing a required argument: 'lr'"),
    ):
        with pytest.raises(TypeError, match=said):
            sweep(run, grid, seeds, n_jobs=1, progress=False)
    assert calls == []
    assert sweep(lambda **given: len(given), {"x": [1]}, n_jobs=1, progress=False)["result"] == [2]


def test_the_folders_of_its_files_are_made(tmp_path):
    found = sweep(lambda x, seed: x, {"x": [1]}, n_jobs=1, progress=False, resume=tmp_path / "a" / "b.jsonl")
    found.to_csv(tmp_path / "c" / "d.csv")
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("a/b.jsonl", "c/d.csv")] == [1, 2]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("workers")
def test_each_run_has_one_thread_of_blas(n_jobs):
    if blas_threads() is None:
        pytest.skip("NumPy has another BLAS")
    before = blas_threads().get()
    blas_threads().set(2)
    try:

        def run(seed):
            tg.Tensor(np.ones((100, 100))) @ np.ones((100, 100))  # which has one thread, and ends it
            return blas_threads().get()

        found = sweep(run, [{}], seeds=2, n_jobs=n_jobs, progress=False)
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
        ((fails, {"x": [1]}, [3, np.int64(3)]), "seeds has 3 twice"),
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


def test_what_a_sweep_has_not_is_said():
    found = sweep(lambda x, seed: {"y": "b"}, {"x": [1, 2]}, n_jobs=1, progress=False)
    assert len(found) == 2
    with pytest.raises(KeyError, match="has no column 'z'; it has x, seed, y, seconds, error"):
        found["z"]
    with pytest.raises(TypeError, match="best compares numbers, but y holds 'b'"):
        found.best("y")


def test_a_bar_counts_the_runs_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(pytest.importorskip("tqdm").tqdm, "monitor_interval", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    sweep(lambda x, seed: (x,).__len__(), {"x": [1, 2]}, n_jobs=1)
    assert "2/2" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    sweep(lambda x, seed: x, {"x": [1, [2, 3]]}, n_jobs=1)
    assert "run 2/2  x [2, 3]  seed 0  " in capsys.readouterr().err


def test_a_backend_without_generators_gives_the_rows_at_the_end(monkeypatch):
    joblib = pytest.importorskip("joblib")

    class Parallel(joblib.Parallel):
        def __init__(self, n_jobs, batch_size="auto", return_as="list"):
            if return_as != "list":
                raise ValueError("no generators")
            super().__init__(n_jobs=1)

    monkeypatch.setattr(joblib, "Parallel", Parallel)
    assert rows_of(sweep(train, GRID, seeds=2, n_jobs=2, progress=False)) == looped()
