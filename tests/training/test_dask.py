"""The sweep on a cluster of Dask, on loopback: the rows of one process; and a search of scikit-learn's on it."""

import os

import numpy as np
import pytest

import tinygrad_edu as tg

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]  # Dask's own warnings are its own


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process with one thread, as the backend of joblib."""
    distributed, joblib = pytest.importorskip("distributed"), pytest.importorskip("joblib")
    how = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(**how) as workers, distributed.Client(workers):
        with joblib.parallel_config(backend="dask"):
            joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(i) for i in range(4))  # starts its threads
        yield lambda: joblib.parallel_config(backend="dask")


def train(lr, rule, seed):
    """A short training, and the process that it ran in."""
    if lr == 3:
        raise ValueError("too much")
    X, y = tg.data.blobs(60, rng=seed)
    model = tg.mlp([2, 4, 3], rng=seed)
    history = tg.fit(model, X, y, optimizer=rule(model, lr=lr), epochs=2, rng=seed, progress=False)
    return {"loss": history["loss"][-1], "process": os.getpid()}


def test_the_same_call_gives_the_same_rows_on_a_cluster(cluster, tmp_path):
    call = {"grid": {"lr": [0.1, 0.01, 3], "rule": [tg.SGD, tg.Adam]}, "seeds": 2, "progress": False}
    here = tg.sweep(train, **call, n_jobs=1)
    with cluster():
        there = tg.sweep(train, **call, n_jobs=-1, resume=tmp_path / "sweep.jsonl")
    assert there["loss"] == here["loss"]
    assert there["error"] == here["error"] == [None] * 8 + ["ValueError: too much"] * 4
    processes = set(there["process"]) - {None}
    assert len(processes) == 2
    assert os.getpid() not in processes
    again = tg.sweep(train, **call, n_jobs=1, resume=tmp_path / "sweep.jsonl")
    assert again["process"][:8] == there["process"][:8]  # as they were run there


def test_a_grid_search_of_scikit_learn_runs_on_it(cluster):
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    X, y = tg.data.moons(200, rng=0)
    grid, model = {"hidden": [(4,), (16,)]}, tg.MLPClassifier(lr=0.03, epochs=10, random_state=0)
    here = search(model, grid, cv=2).fit(X, y)
    with cluster():
        there = search(model, grid, cv=2, n_jobs=2).fit(X, y)
    assert there.best_params_ == here.best_params_
    assert np.array_equal(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
    assert there.best_score_ > 0.8
