"""A step of the LeNet of example 18, eagerly and compiled, beside PyTorch's: from the same weights, on the same digits.

    python tests/benchmarks/lenet.py [--threads 1] [--rounds 5] [--batch 64] [--steps 20]

Each framework has a process of its own, and they take turns. A step is zero_grad, forward pass, cross-entropy, backward
pass and Adam in float32. Given are the medians of the fastest steps of the rounds, the losses at the end, and ratios.
With one thread the time is the processor's, which other work on the machine lengthens least.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time

CHANNELS, HIDDEN = (1, 16, 32), 64
SHAPES = [(16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (128, HIDDEN), (HIDDEN,), (HIDDEN, 10), (10,)]


def weights():
    """The parameters of the network in our shapes."""
    import numpy as np

    rng = np.random.default_rng(1)
    fans = [9, 1, 144, 1, 128, 1, HIDDEN, 1]
    return [(rng.standard_normal(s) * (2 / n) ** 0.5 * (len(s) > 1)).astype(np.float32) for s, n in zip(SHAPES, fans)]


def digits(batch):
    """A batch of digits as pictures, and their labels."""
    import numpy as np

    import tinygrad_edu as tg

    X, y = tg.data.digits(rng=0)[:2]
    return X[:batch].reshape(-1, 1, 8, 8).astype(np.float32), y[:batch]


def ours(batch, threads, compiled):
    """Return our step."""
    import numpy as np

    import tinygrad_edu as tg

    tg.set_num_threads(threads)
    X, y = digits(batch)
    d = {"dtype": np.float32}
    layers = [tg.Conv2d(1, 16, 3, padding=1, **d), tg.ReLU(), tg.MaxPool2d(2)]
    layers += [tg.Conv2d(16, 32, 3, padding=1, **d), tg.ReLU(), tg.MaxPool2d(2), tg.Flatten()]
    model = tg.Sequential(*layers, tg.Linear(128, HIDDEN, **d), tg.ReLU(), tg.Linear(HIDDEN, 10, **d))
    model.load_state_dict(dict(zip(model.state_dict(), weights(), strict=True)))
    optimizer = tg.Adam(model, lr=1e-3)
    if compiled:
        machine = tg.compile_step(model, tg.cross_entropy, optimizer, X, y, quiet=True)
        return lambda: float(machine(X, y))

    def step():
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def theirs(batch, threads):
    """Return PyTorch's step."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    X, y = map(torch.tensor, digits(batch))
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(128, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    with torch.no_grad():
        for p, a in zip(model.parameters(), weights(), strict=True):
            p.copy_(torch.tensor(a.T if a.ndim == 2 else a))
    optimizer, loss_of = torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(X), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


MAKERS = {
    "eager": lambda *given: ours(*given, False),
    "compiled": lambda *given: ours(*given, True),
    "torch": theirs,
}


def serve(name, batch, threads, steps):
    """Answer each line of the input with the seconds of the fastest step of some, and the loss."""
    step = MAKERS[name](batch, threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    print("ready", flush=True)
    for _ in sys.stdin:
        times = []
        for _ in range(steps):
            start = clock()
            loss = step()
            times.append(clock() - start)
        print(json.dumps([min(times), loss]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20, help="of a round")
    parser.add_argument("--serve", choices=MAKERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.batch, args.threads, args.steps)
    found = [name for name in ("numpy", "numba", "torch") if _version(name)]
    print(f"{platform.platform()}, {os.cpu_count()} cores, {args.threads} threads, batch {args.batch}, float32")
    print(", ".join(f"{name} {_version(name)}" for name in found))
    names = [name for name in MAKERS if name != "torch" or _version("torch")]
    command = [sys.executable, __file__, "--threads", str(args.threads)]
    command += ["--batch", str(args.batch), "--steps", str(args.steps)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    runs = {name: subprocess.Popen([*command, "--serve", name], **pipes) for name in names}
    for run in runs.values():
        assert run.stdout.readline() == "ready\n"
    results = {name: [] for name in names}
    for _ in range(args.rounds):
        for name, run in runs.items():
            run.stdin.write("go\n")
            run.stdin.flush()
            results[name].append(json.loads(run.stdout.readline()))
    for run in runs.values():
        run.stdin.close()
        run.wait()
    medians = {name: statistics.median(seconds for seconds, _ in every) for name, every in results.items()}
    last = medians.get("torch")
    for name, seconds in medians.items():
        ratio = f", {last / seconds:.2f} times as quick as torch" if last and name != "torch" else ""
        print(f"{name:<9} {1e3 * seconds:7.3f} ms a step, loss {results[name][-1][1]:.6f}{ratio}")


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
