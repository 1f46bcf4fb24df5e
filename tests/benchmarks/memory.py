"""Megabytes that training takes, ours beside PyTorch's.

    python tests/benchmarks/memory.py  # Linux; needs torch: pip install -e '.[oracle]'

Each row of each library is a process of its own. It loads everything by training a tiny network, then has the kernel
forget the peak of its resident memory, builds the model and Adam, and makes five steps: zero_grad, forward,
cross-entropy, backward, step, in float32. The figures are resident memory above what there was before the model, as
/proc/self/status has it: at rest after the steps, and at the peak. So they hold whatever a library allocates. Arrays
of 64 kB and more get pages of their own (MALLOC_MMAP_THRESHOLD_), so that what is freed counts as freed.

"least" is computed: parameters, gradients and two averages, and what the backward pass of any library has to have when
the forward pass ends: the output of each ReLU, and the logits. With --keep each step still holds the graph of the one
before while it runs forward, as in a loop that assigns to one variable `loss` without `del loss`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

CASES = [([64, 64, 32, 10], 64), ([784, 128, 10], 64), ([784, 1000, 1000, 10], 128), ([784, 1000, 1000, 10], 4096)]
KEEP = "--keep" in sys.argv
MB = 2**20


def ours():
    import numpy as np

    import tinygrad_edu as tg

    def train(sizes, X, y, steps):
        model = tg.mlp(sizes, dtype=np.float32, rng=0)
        optimizer = tg.Adam(model)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = tg.cross_entropy(model(X), y)
            loss.backward()
            optimizer.step()
            if not KEEP:
                del loss
        return resident("VmRSS")

    return train, lambda array: array


def torchs():
    import torch

    torch.set_num_threads(2)

    def train(sizes, X, y, steps):
        layers = []
        for i, o in pairwise(sizes):
            layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1])
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(X), y)
            loss.backward()
            optimizer.step()
            if not KEEP:
                del loss
        return resident("VmRSS")

    return train, torch.from_numpy


def fitted(compiled=False):
    import numpy as np

    import tinygrad_edu as tg

    def train(sizes, X, y, steps):
        model = tg.mlp(sizes, dtype=np.float32, rng=0)
        given = {"batch_size": len(X), "compiled": compiled, "progress": False, "rng": 0}
        tg.fit(model, X, y, optimizer=tg.Adam(model), epochs=steps, **given)
        return resident("VmRSS")

    return train, lambda array: array


def stepped():
    import numpy as np

    import tinygrad_edu as tg

    def train(sizes, X, y, steps):
        model = tg.mlp(sizes, dtype=np.float32, rng=0)
        step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X, y, quiet=True)
        for _ in range(steps):
            step(X, y)
        return resident("VmRSS")

    return train, lambda array: array


LIBRARIES = {"ours": ours, "fit": fitted, "compiled": stepped, "torch": torchs}


def resident(field):
    """VmRSS: the memory that this process has now; VmHWM: the most that it has had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def measure(library, sizes, batch):
    """Print megabytes at rest and at the peak, above what there was before."""
    import numpy as np

    rng = np.random.default_rng(0)
    train, as_theirs = LIBRARIES[library]()
    for n, widths, steps in [(8, [4, 4, 2], 5), (batch, sizes, 0), (batch, sizes, 5)]:
        X = as_theirs(rng.random((n, widths[0]), dtype=np.float32))
        y = as_theirs(rng.integers(0, widths[-1], n))
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak
        if steps:
            rest = train(widths, X, y, steps)
    print(rest - before, resident("VmHWM") - before)


def least(sizes, batch):
    parameters = sum(i * o + o for i, o in pairwise(sizes))
    return 4 * (4 * parameters + batch * sum(sizes[1:])) / MB


def main():
    from step import machine

    machine()
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(64 * 1024)}
    print(f"\n{'':<32}{''.join(f'{library:>18}' for library in LIBRARIES)}{'peak':>16}")
    columns = f"{'at rest':>9}{'peak':>9}" * len(LIBRARIES)
    print(f"{'MLP, megabytes':<18}{'batch':>6}{'least':>8}{columns}{'torch / ours':>16}")
    for sizes, batch in CASES:
        label, figures = "-".join(map(str, sizes)), []
        for library in LIBRARIES:
            command = [sys.executable, __file__, library, label, str(batch), *sys.argv[1:]]
            runs = [
                subprocess.run(command, capture_output=True, text=True, check=True, env=environment) for _ in range(5)
            ]
            both = zip(*(map(float, run.stdout.split()) for run in runs))
            figures += [sorted(column)[2] for column in both]  # the median
        print(
            f"{label:<18}{batch:>6}{least(sizes, batch):>8.1f}"
            + "".join(f"{figure:>9.1f}" for figure in figures)
            + f"{figures[-1] / figures[1]:>16.2f}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 3:
        measure(sys.argv[1], [int(size) for size in sys.argv[2].split("-")], int(sys.argv[3]))
    else:
        main()
