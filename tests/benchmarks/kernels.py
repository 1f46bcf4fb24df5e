"""The update rules: our step() beside torch.optim's, and beside what the memory of this machine can do, in one run.

    python tests/benchmarks/kernels.py            # needs torch: pip install -e '.[oracle]'
    python tests/benchmarks/kernels.py --rules    # every kernel beside the triad; needs no torch
    python tests/benchmarks/kernels.py --alone    # the same in one thread, by its processor time: on a busy machine
    python tests/benchmarks/kernels.py --threads  # where a second thread begins to pay
    python tests/benchmarks/kernels.py --first    # the first step: compiled, and from disk

float32, two threads. step() is all that a user calls: it looks for NaN and infinity in the gradient, which reads it
once more, finds what there is to update, and runs the kernel. Everyone has a process of its own and they take turns, as
in step.py. Triad is STREAM's, a[i] = b[i] + s * c[i], 12 bytes an element, run as the kernels are. Share is the bytes
that a rule has to move (its arrays read, and all but the gradient written) in each second, over the triad's. Rules that
look at a whole parameter have one thread there, and a matrix of 1,000 columns; those of products are left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise

from step import MODELS, fastest, machine, microseconds, ratio, take_turns

SIZES = {"1e3": 2000, "1e4": 2000, "1e5": 1000, "1e6": 100, "1e7": 15}  # parameters: steps in a block
CASES = {**SIZES, **{label: steps for label, (_, _, steps) in MODELS.items()}}


def shapes(case):
    if case in SIZES:
        return [(int(float(case)),)]
    sizes = MODELS[case][0]
    return [shape for i, o in pairwise(sizes) for shape in ((i, o), (o,))]


def arrays(case):
    """A parameter and a gradient for each shape."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [[rng.standard_normal(shape, np.float32) for _ in "pg"] for shape in shapes(case)]


def ours(case, rule):
    import tinygrad_edu as tg

    tg.set_num_threads(2)
    params = []
    for p, g in arrays(case):
        params.append(tg.Tensor(p, requires_grad=True))
        params[-1].grad = g
    optimizer = getattr(tg, rule)(params)
    return optimizer.step


def torchs(case, rule, **options):
    import torch

    torch.set_num_threads(2)
    params = []
    for p, g in arrays(case):
        params.append(torch.tensor(p, requires_grad=True))
        params[-1].grad = torch.tensor(g)
    optimizer = getattr(torch.optim, rule)(params, **options)
    return optimizer.step


KINDS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "single": {"fused": False, "foreach": False}}
RULES = {  # ours, torch's
    "Adam": (partial(ours, rule="Adam"), partial(torchs, rule="Adam")),
    "SGD with momentum": (partial(ours, rule="HeavyBall"), partial(torchs, rule="SGD", lr=1e-3, momentum=0.9)),
}


def compare(rounds):
    for rule, (we, they) in RULES.items():
        makers = {"ours": we, **{f"torch {kind}": partial(they, **options) for kind, options in KINDS.items()}}
        print(f"\n{rule:<18}{'parameters':>12}" + "".join(f"{name + ' us':>18}" for name in makers), end="")
        print(f"{'fused / ours':>14}{'best / ours':>14}")
        for case, blocks in take_turns(makers, CASES, rounds):
            count = sum(p.size for p, _ in arrays(case)) if case in MODELS else int(float(case))
            print(f"{case if case in MODELS else 'one array':<18}{count:>12,}", end="")
            print("".join(f"{statistics.median(took):>18,.1f}" for took in blocks.values()), end="")
            ratios = (ratio(blocks, "ours", theirs) for theirs in ("torch fused", fastest(blocks, "torch")))
            print("".join(f"{r:>14.2f}" for r in ratios))


def alone(rounds):
    rules(rounds, alone=True)


def processor(call, times):
    """Microseconds of processor time of a call."""
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times * 1e6


def rules(rounds, alone=False):
    import numpy as np

    import tinygrad_edu as tg
    from tinygrad_edu.core import jit
    from tinygrad_edu.extras import threads
    from tinygrad_edu.extras.whole_optimizers import Whole

    tg.set_num_threads(2)

    @jit.compiled()
    def triad(a, b, c, s):
        for i in range(a.size):
            a[i] = b[i] + s * c[i]

    optimizers = [(name, cls, {}) for name, cls in tg.optimizers.RULES.items() if hasattr(cls.kernel, "py_func")]
    for variant in ({"centered": True}, {"momentum": 0.9}, {"centered": True, "momentum": 0.9}):
        optimizers.append((f"rmsprop {' '.join(variant)}", tg.RMSprop, variant))
    table = {}
    for size in ("1e5", "1e7"):
        n = int(float(size))
        rng = np.random.default_rng(0)
        space = [tg.buffers.aligned(n, np.float32) for _ in range(7)]
        for array in space:
            array[:] = rng.random(n, np.float32)
        run = {"triad": ((jit.bound if alone else threads.bound)(triad, space[:3]), (0.5,), 12)}
        for name, cls, variant in optimizers:
            optimizer = cls(tg.Tensor(np.ones(2, np.float32), requires_grad=True), **variant)
            lr, _, *hyper = optimizer.groups[0].values()
            count, bound = 2 + len(optimizer.state), jit.bound if alone else threads.bound
            if isinstance(optimizer, Whole):
                optimizer.rows, optimizer.columns, bound = n // 1000, 1000, jit.bound
            run[name] = (
                bound(optimizer.kernel, space[:count]),
                optimizer.scalars(10, lr, *hyper),
                4 * (2 * count - 1),
            )
        if not alone:
            one = tg.Tensor(space[0], requires_grad=True)
            one.grad = space[1]
            run["adam, step()"] = tg.Adam(one).step, (), 28
        took = {name: [] for name in run}
        for i in range(rounds + 1):
            for name, (call, numbers, _) in run.items():
                us = (processor if alone else microseconds)(
                    partial(call, *numbers), 100 if n < 10**6 else 5 - 4 * alone
                )
                if i:
                    took[name].append(us)
        for name, (_, _, moved) in run.items():
            share = statistics.median(moved / us / (12 / t) for us, t in zip(took[name], took["triad"]))
            table.setdefault(name, []).append((statistics.median(took[name]) * 1e3 / n, moved, share))
    print(f"\n{'kernel':<28}{'bytes':>6}{'1e5: ns':>10}{'1e7: ns':>10}{'GB/s':>8}{'share of triad':>16}")
    for name, ((small, _, _), (large, moved, share)) in table.items():
        print(f"{name:<28}{moved:>6}{small:>10.3f}{large:>10.3f}{moved / large:>8.1f}{share:>16.2f}")


def threads(rounds):
    """Print the size from which a second thread pays: microseconds of one kernel, with one thread and with two."""
    import numpy as np

    import tinygrad_edu as tg
    from tinygrad_edu.extras import kernels, threads

    threads.WORTH_A_THREAD = 0
    print(f"\n{'kernel':<14}{'parameters':>12}{'MB':>8}{'one us':>10}{'two us':>10}{'one / two':>12}")
    for rule in (kernels.adam, kernels.heavy_ball, kernels.sgd, kernels.not_finite):
        count = {"adam": 4, "heavy_ball": 3, "sgd": 2, "not_finite": 1}[rule.__name__]
        numbers = [0.5] * (rule.py_func.__code__.co_argcount - count)
        for mb in (2, 4, 6, 8, 12, 16, 24):
            n = mb * 250_000 // count
            space = [tg.buffers.aligned(n, np.float32) for _ in range(count)]
            for array in space:
                array[:] = 0.5
            run = partial(threads.bound(rule, space), *numbers)
            took = {1: [], 2: []}
            for _ in range(rounds):
                for k in took:
                    tg.set_num_threads(k)
                    took[k].append(microseconds(run, 50))
            one, two = (statistics.median(t) for t in took.values())
            print(f"{rule.__name__:<14}{n:>12,}{mb:>8}{one:>10.1f}{two:>10.1f}{one / two:>12.2f}")


FIRST = """
import time
start = time.perf_counter()
import tinygrad_edu as tg, numpy as np
p = tg.Tensor(np.ones(10, np.float32), requires_grad=True)
p.grad = np.ones(10, np.float32)
imported = time.perf_counter()
optimizer = tg.Adam(p)  # brings numba
built = time.perf_counter()
optimizer.step()
print(imported - start, built - imported, time.perf_counter() - built)
"""


def first(rounds):
    cold, warm = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for times in (cold, warm):
                environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
                out = subprocess.run(
                    [sys.executable, "-c", FIRST], env=environment, capture_output=True, text=True, check=True
                ).stdout
                times.append([float(x) for x in out.split()])
    print(f"\n{'seconds':<22}{'import tinygrad_edu':>22}{'import numba':>16}{'first step':>14}")
    for name, times in (("compiled", cold), ("from disk", warm)):
        a, b, c = (statistics.median(column) for column in zip(*times))
        print(f"{name:<22}{a:>22.3f}{b:>16.3f}{c:>14.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    for name in ("rules", "alone", "first", "threads"):
        parser.add_argument(f"--{name}", action="store_true", help="this table only")
    options = parser.parse_args()
    machine()
    started = time.perf_counter()
    only = [table for table in (rules, alone, threads, first) if getattr(options, table.__name__)]
    for table in only or (rules, threads, first, compare):
        table(options.rounds)
    print(f"\n{time.perf_counter() - started:.0f} s")
