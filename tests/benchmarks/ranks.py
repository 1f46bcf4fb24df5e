"""How data-parallel training and sweeps scale: measured to two processes on this machine, modelled beyond.

    pip install mpi4py mpich joblib
    python tests/benchmarks/ranks.py            # a minute

A step is zero_grad, forward, cross-entropy, backward, the Allreduce of `distribute`, and Adam, in float64, with 256
samples in each rank; each rank has one thread of BLAS. Medians over blocks of steps. Two ranks do twice the work of
one, so an efficiency of 1 is a step of the same time. The model: a ring passes 2 (n - 1) / n of the gradient's bytes
through each link, in 2 log2 n messages at least.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from math import log2
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

NETWORKS = {"2-32-2": [2, 32, 2], "64-128-128-10": [64, 128, 128, 10], "784-512-256-10": [784, 512, 256, 10]}
BATCH, BLOCKS, SECONDS = 256, 9, 0.2
LINKS = {"10 Gbit Ethernet": (1.25e9, 30e-6), "100 Gbit InfiniBand": (12.5e9, 2e-6)}  # bytes a second, a message


def median_time(f, comm=None):
    """The median time of a call of f, over blocks of as many calls; of rank 0, whose clock decides for all."""
    f()
    start = time.perf_counter()
    f()
    calls = max(3, int(SECONDS / (time.perf_counter() - start)))
    calls = calls if comm is None else comm.bcast(calls)
    times = []
    for _ in range(BLOCKS):
        if comm is not None:
            comm.Barrier()
        start = time.perf_counter()
        for _ in range(calls):
            f()
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times)


def step_of(sizes, comm=None):
    """A training step, and its optimizer."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((BATCH, sizes[0])), rng.integers(0, sizes[-1], BATCH)
    model = tg.mlp(sizes, rng=0)
    optimizer = tg.Adam(model, lr=1e-4)
    if comm is not None:
        tg.distribute(optimizer, comm)

    def step():
        optimizer.zero_grad()
        tg.cross_entropy(model(X), y).backward()
        optimizer.step()

    return step, optimizer


def in_ranks():
    """Print, in rank 0, the seconds of a step and of its Allreduce for each network."""
    from mpi4py import MPI

    comm, found = MPI.COMM_WORLD, {}
    for name, sizes in NETWORKS.items():
        step, optimizer = step_of(sizes, comm)
        seconds = median_time(step, comm)
        found[name] = seconds, median_time(optimizer.ranks.average, comm)
    if comm.rank == 0:
        print(json.dumps(found))


def run(lr, seed):
    """One of the runs of the sweep."""
    X, y = tg.data.moons(1000, rng=seed)
    model = tg.mlp([2, 32, 32, 2], rng=seed)
    return tg.fit(model, X, y, optimizer=tg.Adam(model, lr=lr), epochs=15, rng=seed, progress=False)


def main():
    """Measure, and print two tables."""
    launcher = str(Path(sys.executable).with_name("mpiexec"))
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ",
        end="",
    )
    print(f"NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}\n")
    alone = {name: median_time(step_of(sizes)[0]) for name, sizes in NETWORKS.items()}
    ranks = {
        n: json.loads(subprocess.run([launcher, "-n", str(n), sys.executable, __file__, "rank"], check=True,
                                     stdout=subprocess.PIPE).stdout)
        for n in (1, 2)
    }  # fmt: skip
    heads = f"{'network':<16} {'bytes':>10}  {'not distributed':>15}"
    print(f"{heads}  {'1 rank':>9}  {'2 ranks':>9}  {'Allreduce':>9}  efficiency")
    sizes = {name: step_of(layers)[1].buffer.grad.nbytes for name, layers in NETWORKS.items()}
    for name in NETWORKS:
        (one, _), (two, reduce) = ranks[1][name], ranks[2][name]
        print(
            f"{name:<16} {sizes[name]:>10,}  {us(alone[name]):>15}  {us(one):>9}  {us(two):>9}  {us(reduce):>9}  "
            f"{one / two:>10.2f}"
        )
    print("\nmodelled from the step of one rank: efficiency with n ranks, each on a machine of its own")
    for link, (bandwidth, latency) in LINKS.items():
        print(f"{link:<22}" + "".join(f"{n:>8}" for n in (2, 4, 16, 64)))
        for name in NETWORKS:
            step = ranks[1][name][0]
            shares = [
                step / (step + 2 * (n - 1) / n * sizes[name] / bandwidth + 2 * log2(n) * latency)
                for n in (2, 4, 16, 64)
            ]
            print(f"  {name:<20}" + "".join(f"{share:>8.2f}" for share in shares))
    grid = {"lr": [0.001, 0.003, 0.01, 0.03]}
    seconds = {}
    for n in (1, 2, 1, 2):  # the first round starts the workers
        start = time.perf_counter()
        tg.sweep(run, grid, seeds=4, n_jobs=n, progress=False)
        seconds[n] = time.perf_counter() - start
    said = f"{seconds[1]:.2f} s with one worker, {seconds[2]:.2f} s with two"
    print(f"\na sweep of 16 runs: {said}, {seconds[1] / seconds[2]:.2f} times as quick")


def us(seconds):
    """Seconds as microseconds."""
    return f"{1e6 * seconds:,.0f} us"


if __name__ == "__main__":
    in_ranks() if sys.argv[1:] else main()
