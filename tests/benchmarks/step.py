"""Microseconds of one whole training step, ours beside PyTorch's, measured in one run.

    python tests/benchmarks/step.py            # needs torch: pip install -e '.[oracle]'
    python tests/benchmarks/step.py --profile  # where our time goes, op by op; needs no torch
    python tests/benchmarks/step.py --checks   # what the checks cost, and debug(); needs no torch

A step is zero_grad, forward, cross-entropy, backward and Adam, in float32, on the same data. Every framework runs in a
process of its own, so that their thread pools do not disturb each other, and waits while the others are measured. They
take turns: a round is one fresh model, a warm-up, and a block of steps for each. A figure is the median over the
rounds of the median step in each block; a ratio is the median of the ratios round by round.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import inspect
import multiprocessing
import os
import platform
import statistics
import time
from functools import partial
from itertools import pairwise

MODELS = {  # sizes, batch, steps in a block
    "2-16-16-2": ([2, 16, 16, 2], 32, 2000),
    "64-64-32-10": ([64, 64, 32, 10], 64, 2000),
    "784-128-10": ([784, 128, 10], 64, 1200),
    "784-1000-1000-10": ([784, 1000, 1000, 10], 128, 50),
}


def data(sizes, batch):
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.random((batch, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], batch)


def ours(label):
    import numpy as np

    import tinygrad_edu as tg

    sizes, batch, _ = MODELS[label]
    X, y = data(sizes, batch)
    model = tg.mlp(sizes, dtype=np.float32, rng=0)
    optimizer = tg.Adam(model)

    def step():
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()

    return step


def unchecked(label):
    """The same step, in which nothing looks at dtypes, shapes, labels, or for NaN in the gradients."""
    import numpy as np

    import tinygrad_edu as tg

    class Trusting(tg.Linear):
        def forward(self, x):
            return tg.Tensor.linear(x, self.W, self.b)

    sizes, batch, _ = MODELS[label]
    X, y = data(sizes, batch)
    model = tg.mlp(sizes, dtype=np.float32, rng=0)
    for layer in model.layers:
        layer.__class__ = Trusting if isinstance(layer, tg.Linear) else type(layer)
    optimizer = tg.Adam(model, nonfinite="propagate")

    def step():
        optimizer.zero_grad()
        loss = tg.apply(tg.ops.cross_entropy, model(X), labels=y)
        loss.backward()
        optimizer.step()

    return step


def debugged(label):
    import tinygrad_edu as tg

    return tg.debug(show=False)(ours(label))


def torchs(label, **adam):
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    sizes, batch, _ = MODELS[label]
    X, y = map(torch.from_numpy, data(sizes, batch))
    layers = []
    for i, o in pairwise(sizes):
        layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), **adam)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()

    return step


FRAMEWORKS = {
    "ours": ours,
    "torch fused": partial(torchs, fused=True),
    "torch foreach": partial(torchs, foreach=True),
    "torch single": partial(torchs, foreach=False, fused=False),
}


def take_turns(makers, cases, rounds):
    """Yields each case with {name: medians in microseconds, one a round}.

    makers is {name: case -> step}, cases {case: steps in a block}. Each of makers has a process of its own, where it
    waits while the others are measured.
    """
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name, make in makers.items():
        pipes[name], theirs = context.Pipe()
        context.Process(target=worker, args=(make, theirs), daemon=True).start()
    for case, steps in cases.items():
        blocks = {name: [] for name in makers}
        for i in range(rounds + 1):
            for name, pipe in pipes.items():
                pipe.send((case, steps))
                took = pipe.recv()
                if i:  # the first round warms up
                    blocks[name].append(took)
        yield case, blocks
    for pipe in pipes.values():
        pipe.send(None)


def worker(make, pipe):
    """Measure a block of steps for each (case, steps) that arrives."""
    while request := pipe.recv():
        case, steps = request
        step = make(case)
        for _ in range(max(3, steps // 10)):
            step()
        pipe.send(microseconds(step, steps))


def ratio(blocks, ours, theirs):
    """The median of the ratios, round by round."""
    return statistics.median(b / a for a, b in zip(blocks[ours], blocks[theirs]))


def fastest(blocks, start):
    return min((name for name in blocks if name.startswith(start)), key=lambda name: statistics.median(blocks[name]))


def compare(rounds):
    print(
        f"\n{'MLP':<18}{'batch':>6}" + "".join(f"{name + ' us':>18}" for name in FRAMEWORKS) + f"{'torch / ours':>16}"
    )
    for label, blocks in take_turns(FRAMEWORKS, {label: steps for label, (_, _, steps) in MODELS.items()}, rounds):
        print(
            f"{label:<18}{MODELS[label][1]:>6}"
            + "".join(f"{statistics.median(took):>18,.1f}" for took in blocks.values())
            + f"{ratio(blocks, 'ours', fastest(blocks, 'torch')):>16.2f}"
        )


def checks(rounds):
    makers = {"as it is": ours, "unchecked": unchecked, "debug()": debugged}
    print(f"\n{'MLP':<18}{'batch':>6}" + "".join(f"{name + ' us':>16}" for name in makers) + f"{'checks cost':>14}")
    for label, blocks in take_turns(makers, {label: steps for label, (_, _, steps) in MODELS.items()}, rounds):
        print(
            f"{label:<18}{MODELS[label][1]:>6}"
            + "".join(f"{statistics.median(took):>16,.1f}" for took in blocks.values())
            + f"{1 - ratio(blocks, 'as it is', 'unchecked'):>14.1%}"
        )


def profile():
    """Each node of one step: what NumPy takes in it, and what is left is the engine's bookkeeping."""
    import numpy as np

    import tinygrad_edu as tg

    for label, (sizes, batch, steps) in MODELS.items():
        X, y = data(sizes, batch)
        model = tg.mlp(sizes, dtype=np.float32, rng=0)
        optimizer = tg.Adam(model)
        output = model(X)
        loss = tg.cross_entropy(output, y)
        loss.backward()
        phases = {
            "zero_grad": optimizer.zero_grad,
            "forward": partial(model, X),
            "loss": partial(tg.cross_entropy, output, y),
            "backward": loss.backward,
            "step": optimizer.step,
        }
        print(f"\n{label}, batch {batch}: microseconds, and array operations as the source of the op has them")
        print(f"{'node':<34}{'forward':>9}{'calls':>6}{'backward':>10}{'calls':>6}")
        sums = [0.0, 0, 0.0, 0]
        for node, g in incoming(loss):
            arrays = [tg.tensor.raw(a) for a in node.parents]
            vjps = [f for f, a in zip(node.vjps, node.parents) if isinstance(a, tg.Tensor)]
            forward, backward = calls(node.op)
            row = [
                microseconds(partial(node.op, *arrays, **node.kwargs), steps),
                forward,
                sum(microseconds(partial(f, g), steps) for f in vjps),
                sum(backward[-len(vjps) :]),
            ]
            sums = [a + b for a, b in zip(sums, row)]
            shapes = " ".join("x".join(map(str, a.shape)) for a in arrays)
            print(f"{node.op.__name__ + ' ' + shapes:<34}{row[0]:>9.1f}{row[1]:>6}{row[2]:>10.1f}{row[3]:>6}")
        print(f"{'all ops':<34}{sums[0]:>9.1f}{sums[1]:>6}{sums[2]:>10.1f}{sums[3]:>6}")
        took = {name: microseconds(f, steps) for name, f in phases.items()}
        total = sum(took.values())
        print("   ".join(f"{name} {us:.1f} ({us / total:.0%})" for name, us in took.items()) + f"   sum {total:.1f}")
        print(f"arithmetic in ops {(sums[0] + sums[2]) / total:.0%}, the rest is graph, checks, copies and Adam")


def incoming(loss):
    """Every computed tensor with its gradient."""
    import tinygrad_edu as tg

    for node in tg.tensor._youngest_first(loss):
        node.retain_grad()
    loss.backward()
    return [(node, node.grad) for node in tg.tensor._youngest_first(loss)]


def calls(op):
    """Array operations in the body of an op and in each of its VJPs, counted in its source."""
    *_, body = ast.parse(inspect.getsource(op)).body
    count = lambda tree: sum(
        isinstance(n, ast.BinOp | ast.UnaryOp | ast.Compare | ast.AugAssign)
        or (isinstance(n, ast.Call) and ast.unparse(n.func) != "len")
        for n in ast.walk(tree)
    )
    value, *vjps = body.body[-1].value.elts
    return sum(map(count, body.body[1:-1])) + count(value), [count(vjp) for vjp in vjps]


def microseconds(f, steps):
    f()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def machine():
    with open("/proc/cpuinfo") if os.path.exists("/proc/cpuinfo") else open(os.devnull) as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    versions = []
    for name in ("numpy", "numba", "torch"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    cpu = names[0] if names else platform.processor()
    print(f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}; {', '.join(versions)}")
    print("OPENBLAS_CORETYPE:", os.environ.get("OPENBLAS_CORETYPE", "not set (OpenBLAS chooses)"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--checks", action="store_true")
    options = parser.parse_args()
    machine()
    if options.profile:
        profile()
    else:
        (checks if options.checks else compare)(options.rounds)
