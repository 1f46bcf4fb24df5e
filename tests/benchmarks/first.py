"""Seconds until a compiled epoch is ready: by the compiler, from disk, and for a further model of one process; and from
how many updates on that pays in `fit`.

    python tests/benchmarks/first.py            # 2-16-16-2, half a minute
    python tests/benchmarks/first.py 64 64 32 10
    python tests/benchmarks/first.py --others   # import and first step of each framework; five minutes

Each line is a process of its own. The first finds an empty cache, the others what the first has left there. "eager" and
"compiled" are microseconds of an update in `fit`, of one thread; "pays from" is how many updates save what it took to
get ready. --others: seconds of an import in a new process, and from there to the loss of the first training step of
2-16-16-2 (see peers.py), with empty caches and then with what the process before has left; medians of three.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 20  # further models
IMPORTS = {  # a row of step.FRAMEWORKS, or nothing: what is imported for it
    "numpy": "numpy",
    "scikit-learn": "sklearn.neural_network",
    "ours": "tinygrad_edu",
    "ours compiled": "tinygrad_edu",
    "torch fused": "torch",
    "torch.compile": "torch",
    "JAX jit": "jax, optax",
    "HIPS autograd": "autograd.numpy",
    "MyGrad": "mygrad",
    "tinygrad": "tinygrad",
}


def measure(sizes):
    start = time.perf_counter()
    import numba  # noqa: F401
    import numpy as np

    import tinygrad_edu as tg
    from tinygrad_edu.compile.step import CompiledStep

    loaded, rng = time.perf_counter() - start, np.random.default_rng(0)
    X, y = rng.normal(size=(1024, sizes[0])), rng.integers(0, sizes[-1], 1024)

    def ready(seed):
        model = tg.mlp(sizes, rng=seed)
        optimizer = tg.Adam(model)
        return CompiledStep(model, tg.cross_entropy, optimizer, X[:32], y[:32], True, "epoch").seconds

    def trained(epochs, compiled):
        model, start = tg.mlp(sizes, rng=0), time.perf_counter()
        tg.fit(model, X, y, epochs=epochs, rng=0, progress=False, compiled=compiled)
        return time.perf_counter() - start

    first, again = ready(0), statistics.median(ready(seed) for seed in range(ROUNDS))
    trained(1, True), trained(1, False)  # which bring kernels from disk
    eager, compiled = trained(30, False) / 30 / 32, (trained(201, True) - trained(1, True)) / 200 / 32
    pays = first / (eager - compiled)
    print(
        f"{loaded:7.2f} {first:7.2f} {1e3 * again:7.1f} {1e6 * eager:8.0f} {1e6 * compiled:9.1f} {pays:10,.0f}",
        flush=True,
    )


def first_step(name):
    """Print the seconds of an import, and those from there to the first loss."""
    start = time.perf_counter()
    exec(f"import {IMPORTS[name]}", {})
    loaded = time.perf_counter() - start
    import step

    start = time.perf_counter()
    if maker := step.FRAMEWORKS.get(name):
        step.number(maker(((2, 16, 16, 2), 32))())
    print(loaded, time.perf_counter() - start)


def others(rounds=3):
    """Compare the frameworks: a process for each line, caches in folders of their own."""
    print("| seconds | import | the first step then | with caches |\n|---|---:|---:|---:|", flush=True)
    for name in IMPORTS:
        empty, full = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                caches = ("TINYGRAD_EDU_CACHE", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TMPDIR")
                more = dict.fromkeys(caches, folder) | {"OPENBLAS_NUM_THREADS": "1"}
                command = [sys.executable, __file__, "--step", name]
                for found in (empty, full):
                    run = subprocess.run(command, env=os.environ | more, check=True, stdout=subprocess.PIPE, text=True)
                    found.append([float(word) for word in run.stdout.split()[-2:]])
        (loaded, first), (_, again) = ([statistics.median(column) for column in zip(*rows)] for rows in (empty, full))
        print(f"| {name} | {loaded:.2f} | {first:.2f} | {again:.2f} |", flush=True)


if __name__ == "__main__":
    if "--inside" in sys.argv:
        measure([int(size) for size in sys.argv[2:]])
    elif "--step" in sys.argv:
        first_step(sys.argv[2])
    elif "--others" in sys.argv:
        others()
    else:
        print("imports, s  ready, s  further, ms  eager  compiled  pays from", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            more = {"TINYGRAD_EDU_CACHE": folder, "NUMBA_CACHE_DIR": folder, "OPENBLAS_NUM_THREADS": "1"}
            for _ in range(3):
                command = [sys.executable, __file__, "--inside", *(sys.argv[1:] or ["2", "16", "16", "2"])]
                subprocess.run(command, env=os.environ | more, check=True)
