"""Ranks: an update is that of one process with the whole batch, and all ranks have the same bits; with real MPI too."""

import copy
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg

X, Y = tg.data.blobs(120, rng=0)
PROGRAM = Path(__file__).parents[1] / "support" / "mpi_program.py"


class Comm:
    """A communicator among threads."""

    def __init__(self, rank, size, slots, barrier):
        self.rank, self.size, self.slots, self.barrier, self.aborted = rank, size, slots, barrier, []

    def allgather(self, value):
        self.slots[self.rank] = copy.deepcopy(value)
        self.barrier.wait(200)
        found = list(self.slots)
        self.barrier.wait(200)
        return found

    def bcast(self, value):
        return self.allgather(value)[0]

    def Bcast(self, array):
        array[...] = self.allgather(array)[0]

    def Allreduce(self, mine, sums):
        sums[...] = sum(self.allgather(mine))

    def Abort(self, status):
        self.aborted.append(status)


@pytest.fixture(autouse=True)
def hook(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def in_ranks(job, size=2):
    """Return what job returns in each rank, or the exception that it raises there."""
    slots, barrier, found = [None] * size, threading.Barrier(size), [None] * size

    def run(rank):
        try:
            found[rank] = job(Comm(rank, size, slots, barrier))
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def alone(size, epochs, batch_size, clip=None, dtype=float):
    """The parameters after the same training in one process: each batch is those of all ranks, one after the other."""
    model = tg.mlp([2, 16, 3], rng=0, dtype=dtype)
    optimizer, order = tg.Adam(model, lr=0.01), np.random.default_rng(0)
    n = len(X) // size
    for _ in range(epochs):
        mine = order.permutation(n)
        for first in range(0, n, batch_size):
            rows = np.concatenate([size * mine[first : first + batch_size] + rank for rank in range(size)])
            optimizer.zero_grad()
            tg.cross_entropy(model(X[rows].astype(dtype)), Y[rows]).backward()
            if clip is not None:
                optimizer.clip_norm(clip)
            optimizer.step()
    return optimizer.buffer.data


@pytest.mark.parametrize(
    ("size", "compiled", "dtype"),
    [(1, False, float), (2, False, float), (3, False, float), (2, False, np.float32), (2, True, float)],
)
def test_ranks_do_what_one_process_does_with_the_whole_batch(size, compiled, dtype):
    def job(comm):
        model = tg.mlp([2, 16, 3], rng=comm.rank, dtype=dtype)  # other weights, until they are distributed
        optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
        mine = tg.rank_rows(X.astype(dtype), Y, comm)
        tg.fit(model, *mine, optimizer=optimizer, epochs=3, batch_size=15, rng=0, progress=False, compiled=compiled)
        return optimizer.buffer.data

    found = in_ranks(job, size)
    assert not [error for error in found if isinstance(error, Exception)]
    assert all(np.array_equal(found[0], other) for other in found)
    assert found[0].dtype == dtype
    rtol = 1e-9 if dtype is float else 1e-3
    assert np.allclose(found[0], alone(size, 3, 15, dtype=dtype), rtol=rtol, atol=rtol / 1000)


@pytest.mark.parametrize("validation", [None, 0.25])  # of a share each rank has rows of its own
def test_a_checkpoint_is_that_of_all_ranks(tmp_path, validation):
    def job(comm, epochs=6, stop=None):
        model = tg.mlp([2, 16, 3], rng=comm.rank)
        optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
        how = {"epochs": epochs, "batch_size": 15, "rng": 0, "progress": False, "validation": validation}
        if stop is not None:
            how["checkpoint"] = tmp_path / "run.npz"
        tg.fit(model, *tg.rank_rows(X, Y, comm), optimizer=optimizer, **how)
        return optimizer.buffer.data

    expected = in_ranks(job)[0]
    in_ranks(partial(job, epochs=2, stop=True))
    for flat in in_ranks(partial(job, stop=True)):
        assert np.array_equal(flat, expected)

    def elsewhere(comm):
        model = tg.mlp([2, 16, 3], rng=0)
        optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
        path = tmp_path / ("run.npz" if comm.rank else "other.npz")
        how = {"batch_size": 15, "rng": 0, "validation": validation, "checkpoint": path}
        tg.fit(model, *tg.rank_rows(X, Y, comm), optimizer=optimizer, **how)

    for error in in_ranks(elsewhere):
        assert "have it where all of them see it" in str(error)


def test_clipping_clips_the_average():
    def job(comm):
        model = tg.mlp([2, 16, 3], rng=0)
        optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
        mine, order = tg.rank_rows(X, Y, comm), np.random.default_rng(0)
        for _ in range(2):
            for xb, yb in tg.batches(*mine, 15, rng=order):
                optimizer.zero_grad()
                tg.cross_entropy(model(xb), yb).backward()
                optimizer.clip_norm(0.05)
                optimizer.clip_value(1.0)
                optimizer.step()
        return optimizer.buffer.data

    found = in_ranks(job)
    assert np.array_equal(*found)
    assert np.allclose(found[0], alone(2, 2, 15, clip=0.05), rtol=1e-9, atol=1e-12)


def test_callbacks_see_the_means_over_the_ranks_and_decide_the_same_in_each():
    def job(comm):
        model = tg.mlp([2, 16, 3], rng=0)
        optimizer = tg.distribute(tg.SGD(model, lr=0.5), comm)
        plateau = tg.ReduceOnPlateau(optimizer, patience=0, threshold=0.2)
        how = {"epochs": 8, "batch_size": 15, "rng": 0, "validation": 0.25, "progress": False}
        mine, stop = tg.rank_rows(X + Y[:, None] * 0.1, Y, comm), tg.EarlyStopping(patience=2, min_delta=0.2)
        history = tg.fit(model, *mine, optimizer=optimizer, callback=[stop, plateau], **how)
        last = tg.evaluate(model, *mine).loss
        return [{**row, "seconds": 0} for row in history.rows], history.stopped, optimizer.lr, stop.best, last

    (*one, first), (*other, second) = in_ranks(job)
    assert one == other
    assert first != second


def test_a_batch_without_weight_is_refused_as_the_other_ranks_would_wait():
    def job(comm):
        model = tg.mlp([2, 3], rng=0)
        optimizer, weights = tg.distribute(tg.SGD(model), comm), np.ones(60)
        weights[np.random.default_rng(0).permutation(60)[:15]] = 0
        tg.fit(model, *tg.rank_rows(X, Y, comm), optimizer=optimizer, batch_size=15, rng=0, sample_weight=weights)

    for error in in_ranks(job):
        assert "and the other ranks would wait for its gradient" in str(error)


def test_a_sum_is_refused_as_the_ranks_average():
    def job(comm):
        model = tg.mlp([2, 3], rng=0)
        optimizer = tg.distribute(tg.SGD(model), comm)
        tg.fit(model, *tg.rank_rows(X, Y, comm), partial(tg.cross_entropy, reduction="sum"), optimizer, batch_size=15)

    for error in in_ranks(job):
        assert "the loss has to be a mean" in str(error)


@pytest.mark.parametrize("compiled", [False, True])
def test_samples_of_all_ranks_count_by_their_weights(compiled):
    loss = partial(tg.cross_entropy, weight=[1.0, 4.0, 20.0], ignore_index=0)

    def job(comm):
        model = tg.mlp([2, 16, 3], rng=0)
        optimizer = tg.distribute(tg.SGD(model, lr=0.1), comm)
        rows = [np.r_[Y == 1], np.r_[Y == 2]][comm.rank]  # with the sums 4 · 30 and 20 · 30
        rows = np.r_[np.flatnonzero(rows)[:30], np.flatnonzero(Y == 0)[: 10 * comm.rank]][:30]
        for _ in range(3):
            tg.fit(model, X[rows], Y[rows], loss, optimizer, 1, None, rng=0, progress=False, compiled=compiled)
        return optimizer.buffer.data, rows

    (first, some), (second, others) = in_ranks(job)
    assert np.array_equal(first, second)
    model, rows = tg.mlp([2, 16, 3], rng=0), np.r_[some, others]
    optimizer = tg.SGD(model, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss(model(X[rows]), Y[rows]).backward()
        optimizer.step()
    assert np.allclose(first, optimizer.buffer.data, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_running_means_become_those_of_all_ranks(compiled):
    def job(comm):
        model = tg.Sequential(tg.BatchNorm1d(2, momentum=1.0), tg.Linear(2, 3, rng=0))
        optimizer, mine = tg.distribute(tg.SGD(model), comm), tg.rank_rows(X, Y, comm)
        tg.fit(model, *mine, optimizer=optimizer, epochs=1, batch_size=None, progress=False, compiled=compiled)
        return model[0].running_mean.numpy(), model[0].running_var.numpy()

    found = in_ranks(job)
    for mean, var in found:
        assert mean == pytest.approx(X.mean(axis=0), rel=1e-12)
        assert var == pytest.approx((X[::2].var(axis=0, ddof=1) + X[1::2].var(axis=0, ddof=1)) / 2, rel=1e-12)


def test_rank_0_writes_the_files_of_callbacks(tmp_path):
    def job(comm):
        model = tg.mlp([2, 3], rng=0)
        optimizer, folder = tg.distribute(tg.SGD(model), comm), tmp_path / str(comm.rank)
        callbacks = [tg.Log(folder / "log.csv"), tg.Checkpoint(folder / "{epoch}.npz")]
        tg.fit(model, *tg.rank_rows(X, Y, comm), optimizer=optimizer, epochs=2, rng=0, callback=callbacks)

    assert in_ranks(job) == [None, None]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "0/1.npz",
        "0/2.npz",
        "0/log.csv",
    ]


@pytest.mark.parametrize("compiled", [False, True])
def test_fit_clips_the_average(compiled):
    def job(comm):
        model = tg.mlp([2, 16, 3], rng=0)
        optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
        how = {"epochs": 2, "batch_size": 15, "rng": 0, "clip_norm": 0.05, "compiled": compiled, "progress": False}
        tg.fit(model, *tg.rank_rows(X, Y, comm), optimizer=optimizer, **how)
        return optimizer.buffer.data

    found = in_ranks(job)
    assert np.array_equal(*found)
    assert np.allclose(found[0], alone(2, 2, 15, clip=0.05), rtol=1e-9, atol=1e-12)


def test_gradients_are_averaged_once_however_they_come_about():
    def job(comm):
        w = tg.Tensor([1.0, 2.0], requires_grad=True)
        optimizer = tg.distribute(tg.SGD([w], lr=1.0), comm)
        steps = []
        for of in ("two backward passes", "clipped between", "assigned"):
            optimizer.zero_grad()
            if of == "assigned":
                w.grad = np.array([0.0, comm.rank])
            else:
                (w * (1 + comm.rank)).sum().backward()
                if of == "clipped between":
                    optimizer.clip_norm(100)
                (w * 2.0).sum().backward()
            before = w.numpy()
            optimizer.step()
            steps.append((before - w.numpy()).tolist())
        return steps

    for steps in in_ranks(job):
        assert steps == [[3.5, 3.5], [3.5, 3.5], [0.0, 0.5]]


def test_averages_and_counts_are_those_of_rank_0():
    def job(comm):
        model = tg.mlp([2, 4, 3], rng=0)
        optimizer = tg.Adam(model)
        if comm.rank == 0:  # as after a checkpoint that rank 0 alone has loaded
            tg.fit(model, X, Y, optimizer=optimizer, epochs=1, rng=0, progress=False)
        tg.distribute(optimizer, comm)
        return optimizer.t, optimizer.m.copy(), optimizer.buffer.data.copy()

    for a, b in zip(*in_ranks(job)):
        assert np.array_equal(a, b)


def test_a_gradient_that_is_not_finite_is_refused_by_all():
    def job(comm):
        w = tg.Tensor([1.0, 2.0], requires_grad=True)
        optimizer = tg.distribute(tg.SGD([w], lr=1.0), comm)
        (w * (np.nan if comm.rank else 1.0)).sum().backward()
        optimizer.step()

    for error in in_ranks(job):
        assert isinstance(error, ValueError)
        assert "holds nan at [0]" in str(error)


def test_ranks_that_do_not_belong_together_are_refused():
    def other_model(comm):
        tg.distribute(tg.SGD(tg.mlp([2, 3 + comm.rank, 2], rng=0)), comm)

    def other_rule(comm):
        tg.distribute([tg.SGD, tg.Adam][comm.rank](tg.mlp([2, 3, 2], rng=0)), comm)

    def other_parameters(comm):
        a, b = (tg.Tensor([1.0], requires_grad=True) for _ in range(2))
        optimizer = tg.distribute(tg.SGD([a, b], lr=1.0), comm)
        (a * [a, b][comm.rank]).sum().backward()
        optimizer.step()

    def other_data(comm):
        tg.rank_rows(X + comm.rank, Y, comm)

    def too_few(comm):
        tg.rank_rows(X[:1], Y[:1], comm)

    for job, kind, said in (
        (other_model, ValueError, "has another optimizer or model"),
        (other_rule, ValueError, "has another optimizer or model"),
        (other_parameters, RuntimeError, "the ranks have gradients of different parameters"),
        (other_data, ValueError, "rank 1 holds other data than rank 0"),
        (too_few, ValueError, "1 rows are too few for 2 ranks"),
    ):
        for error in in_ranks(job):
            assert isinstance(error, kind), error
            assert said in str(error)


def test_each_rank_has_as_many_rows_and_no_row_twice():
    data = np.arange(11)[:, None], np.arange(11)
    parts = in_ranks(lambda comm: tg.rank_rows(*data, comm), 3)
    assert [len(x) for x, _ in parts] == [3, 3, 3]
    assert sorted(np.concatenate([y for _, y in parts]).tolist()) == list(range(9))
    assert all(np.array_equal(x[:, 0], y) for x, y in parts)


def test_what_cannot_be_distributed_says_so():
    comm = Comm(0, 1, [None], threading.Barrier(1))
    model = tg.mlp([2, 3, 3], rng=0)
    for optimizer, with_, said in (
        (model, comm, "optimizer is one such as"),
        (tg.SGD(model), None, "comm is a communicator of mpi4py, as MPI.COMM_WORLD, got NoneType"),
    ):
        with pytest.raises(TypeError, match=said):
            tg.distribute(optimizer, with_)
    with pytest.raises(TypeError, match="comm is a communicator"):
        tg.rank_rows(X, Y, 3)
    optimizer = tg.Adam(model)
    tg.distribute(optimizer, comm)
    with pytest.raises(ValueError, match="distributed already"):
        tg.distribute(optimizer, comm)
    for use in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"cannot be copied or pickled; tg.save keeps its state"):
            use(optimizer)


def test_a_step_that_was_compiled_before_is_compiled_again():
    model = tg.mlp([2, 16, 3], rng=0)
    optimizer = tg.Adam(model)
    step = tg.compile_step(model, tg.cross_entropy, optimizer, X, Y, quiet=True)
    step(X, Y)
    tg.distribute(optimizer, Comm(0, 1, [None], threading.Barrier(1)))
    with pytest.raises(tg.CannotCompile, match=r"compiled before distribute\(optimizer, comm\); compile it afterwards"):
        step(X, Y)


def test_an_exception_in_one_rank_ends_all(capsys):
    comms = in_ranks(lambda comm: (tg.distribute(tg.SGD(tg.mlp([2, 2], rng=0)), comm), comm)[1])
    sys.excepthook(ValueError, ValueError("out of memory"), None)
    assert [comm.aborted for comm in comms].count([1]) >= 1
    assert "ValueError: out of memory" in capsys.readouterr().err


# --- with MPI ---------------------------------------------------------------------------------------------------------


def mpiexec(*command):
    """Run a script in two processes."""
    pytest.importorskip("mpi4py")
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("there is no mpiexec")
    command = [launcher, "-n", "2", sys.executable, *command]
    path = str(PROGRAM.parents[2])
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": path})


@pytest.mark.cluster
@pytest.mark.parametrize("what", ["eager", "compiled"])
def test_two_processes_do_what_one_does_with_the_whole_batch(what, tmp_path):
    done = mpiexec(str(PROGRAM), what, str(tmp_path))
    assert done.returncode == 0, done.stderr
    one, two = (np.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    assert one["size"] == two["size"] == 2
    assert np.array_equal(one["flat"], two["flat"])
    assert np.allclose(one["flat"], alone(2, 5, 15), rtol=1e-9, atol=1e-12)


@pytest.mark.cluster
def test_the_script_of_the_page_trains(tmp_path, monkeypatch):
    page = (PROGRAM.parents[2] / "docs" / "many_cores.md").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(re.search(r"```python\n(# train.py\n.*?)```", page, re.S).group(1))
    monkeypatch.chdir(tmp_path)
    done = mpiexec(str(tmp_path / "train.py"))
    assert done.returncode == 0, done.stderr
    (accuracy,) = re.findall(r"^Evaluation\(loss=.*, accuracy=(.*)\)$", done.stdout, re.M)
    assert float(accuracy) > 0.95


@pytest.mark.cluster
@pytest.mark.parametrize("what", ["raises", "killed"])
def test_a_rank_that_dies_ends_the_run_and_all_go_on_from_the_checkpoint(what, tmp_path):
    done = mpiexec(str(PROGRAM), what, str(tmp_path))
    assert done.returncode != 0
    assert not list(tmp_path.glob("[01].npz"))
    assert tg.load(tmp_path / "run.npz")["epoch"] in (2, 3)  # of rank 0, which may be a little ahead
    if what == "raises":
        assert "RuntimeError: rank 1 is out of memory" in done.stderr
        return
    assert mpiexec(str(PROGRAM), "goes on", str(tmp_path)).returncode == 0
    one, two = (np.load(tmp_path / f"{rank}.npz")["flat"] for rank in (0, 1))
    assert np.array_equal(one, two)
    assert np.allclose(one, alone(2, 5, 15), rtol=1e-9, atol=1e-12)
