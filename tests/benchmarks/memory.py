"""Megabytes that training takes, ours beside PyTorch's.

    python tests/benchmarks/memory.py  # Linux; needs torch: pip install -e '.[oracle]'
    python tests/benchmarks/memory.py fit fit-two compiled compiled-fit compiled-fit-two  # at the largest batch

Each row of each library is a process of its own. It loads everything by training a tiny network, then has the kernel
forget the peak of its resident memory, builds the model and Adam, and makes five steps: zero_grad, forward,
cross-entropy, backward, step, in float32. The figures are resident memory above what there was before the model, as
/proc/self/status has it: at rest after the steps, and at the peak. So they hold whatever a library allocates. Arrays
of 64 kB and more get pages of their own (MALLOC_MMAP_THRESHOLD_), so that what is freed counts as freed.

"least" is computed: parameters, gradients and two averages, and what the backward pass of any library has to have when
the forward pass ends: the output of each ReLU, and the logits. With --keep each step still holds the graph of the one
before while it runs forward, as in a loop that assigns to one variable `loss` without `del loss`.

"fit" is a call of it in which an epoch is one batch, and "fit-two" one of two batches an epoch; "compiled" is a step of
`compile_step`, "compiled-fit" and "compiled-fit-two" are the calls with compiled=True. Machine code is on disk from the
first of five processes on: the figures, medians, are those of training and not of Numba.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
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


def fitted(batches=1, compiled=False):
    import numpy as np

    import tinygrad_edu as tg

    def train(sizes, X, y, steps):
        model = tg.mlp(sizes, dtype=np.float32, rng=0)
        given = {"batch_size": len(X) // batches, "compiled": compiled, "progress": False, "rng": 0}
        tg.fit(model, X, y, optimizer=tg.Adam(model), epochs=min(steps, 4), **given)  # it judges what five have learned
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


LIBRARIES = {
    "ours": ours,
    "fit": fitted,
    "fit-two": partial(fitted, 2),
    "compiled": stepped,
    "compiled-fit": partial(fitted, 1, True),
    "compiled-fit-two": partial(fitted, 2, True),
    "torch": torchs,
}


def resident(field):
    """VmRSS: the memory that this process has now; VmHWM: the most that it has had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def measure(library, sizes, batch):
    """Print megabytes at rest and at the peak, above what there was before."""
    import numpy as np

    rng = np.random.default_rng(0)
    train, as_theirs = LIBRARIES[library]()
    batches = 2 if library.endswith("two") else 1
    for n, widths, steps in [(8, [4, 4, 2], 5), (batch, sizes, 0), (batch, sizes, 5)]:
        X = as_theirs(rng.random((batches * n, widths[0]), dtype=np.float32))
        y = as_theirs(rng.integers(0, widths[-1], batches * n))
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak
        if steps:
            rest = train(widths, X, y, steps)
    print(rest - before, resident("VmHWM") - before)


def least(sizes, batch):
    parameters = sum(i * o + o for i, o in pairwise(sizes))
    return 4 * (4 * parameters + batch * sum(sizes[1:])) / MB


def megabytes(library, label, batch):
    """Return the medians of five processes: at rest, and at the peak."""
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(64 * 1024)}
    command = [sys.executable, __file__, library, label, str(batch), *sys.argv[1:]]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, env=environment) for _ in range(5)]
    return [sorted(column)[2] for column in zip(*(map(float, run.stdout.split()) for run in runs))]


def main():
    from step import machine

    machine()
    kinds = [name for name in sys.argv[1:] if name in LIBRARIES] or ["ours"]
    columns = f"{'at rest':>9}{'peak':>9}"
    print(f"\n{'':<36}{'':>6}{'':>8}{'ours':>18}{'torch':>18}{'peak':>16}")
    print(f"{'MLP, megabytes':<36}{'batch':>6}{'least':>8}{columns}{columns}{'torch / ours':>16}")
    for sizes, batch in CASES if kinds == ["ours"] else CASES[-1:]:
        label = "-".join(map(str, sizes))
        theirs = megabytes("torch", label, batch)
        for kind in kinds:
            figures = megabytes(kind, label, batch) + theirs
            print(
                f"{label + f', {kind}' * (kind != 'ours'):<36}{batch:>6}{least(sizes, batch):>8.1f}"
                + "".join(f"{figure:>9.1f}" for figure in figures)
                + f"{figures[3] / figures[1]:>16.2f}"
            )


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[3].isdigit():
        measure(sys.argv[1], [int(size) for size in sys.argv[2].split("-")], int(sys.argv[3]))
    else:
        main()
