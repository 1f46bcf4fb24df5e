"""Microseconds of one whole training step, ours beside other frameworks', measured in one run.

    python tests/benchmarks/step.py             # all of peers.py that is installed; six minutes, ten at first
    python tests/benchmarks/step.py --threads 1 # on one core, where the smallest networks are quickest
    python tests/benchmarks/step.py --epoch     # an epoch in one call, beside JAX's in lax.scan, each step of it
    python tests/benchmarks/step.py --threads 1 --processor    # the processor's time: for a machine that is busy
    python tests/benchmarks/step.py --growth    # against depth, width and batch; --picture FILE.png draws it
    python tests/benchmarks/step.py --share     # how much of a compiled step is matrix products; needs no peers
    python tests/benchmarks/step.py --call      # how much of one call of a compiled step is Python; needs no peers
    python tests/benchmarks/step.py --checks    # what the checks cost, and debug(); needs no peers
    python tests/benchmarks/step.py --busy      # alone, and beside twice as many busy processes as there are cores
    python tests/benchmarks/step.py --against ../before    # beside the package of another checkout; needs no peers

    pip install torch==2.13.0 jax optax autograd mygrad micrograd tinygrad   # torch.compile needs g++, tinygrad clang

A step is zero_grad, forward, cross-entropy, backward and Adam, in float32, from the same weights on the same data.
Every framework runs in a process of its own, so that their thread pools do not disturb each other, and waits while the
others are measured. First, untimed, each takes 20 steps (or 3 epochs), and the run ends with an error if a loss on the
way differs from ours. Then they take turns: a round is one fresh model, a warm-up, and a block of steps for each. A
block ends after half a second, or after three steps where those take longer. A figure is the median over the rounds of
the median step in each block; a ratio is the median of the ratios round by round.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import timeit
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import peers
from peers import MODELS, data, weights

clock = time.process_time if "STEP_PROCESSOR" in os.environ else time.perf_counter  # set by --processor
FRAMEWORKS = {
    "ours": peers.ours,
    "ours compiled": peers.compiled,
    "torch fused": partial(peers.torch_eager, fused=True),
    "torch foreach": partial(peers.torch_eager, foreach=True),
    "torch single": partial(peers.torch_eager, foreach=False, fused=False),
    "torch.compile": peers.torch_compiled,
    "torch.compile flat": partial(peers.torch_compiled, flat=True),
    "JAX jit": peers.jax_jit,
    "JAX jit flat": partial(peers.jax_jit, flat=True),
    "MyGrad": peers.mygrad,
    "HIPS autograd": peers.autograd,
    "tinygrad": peers.tinygrad,
    "micrograd": peers.micrograd,
}
EPOCHS = {
    "ours, epoch": peers.epoch,
    "JAX lax.scan": peers.jax_scan,
    "JAX lax.scan flat": partial(peers.jax_scan, flat=True),
}
RATIOS = (
    *(("torch ", "ours"), ("torch ", "ours compiled"), ("torch.compile", "ours compiled")),
    *(("JAX", "ours compiled"), ("JAX", "ours, epoch")),
)
PACKAGES = ("numpy", "numba", "torch", "jax", "optax", "mygrad", "autograd", "tinygrad", "micrograd")
CASES = {(sizes, batch): steps for sizes, batch, steps in MODELS.values()}
GROWTH = {  # what is along the axis: {its value: (sizes, batch)}
    "hidden layers of width 32, batch 32": {n: ((32, *[32] * n, 10), 32) for n in (1, 2, 4, 8, 16, 32)},
    "width of two hidden layers, batch 64": {n: ((64, n, n, 10), 64) for n in (8, 16, 32, 64, 128, 256, 512, 1024)},
    "batch of 64-64-32-10": {n: ((64, 64, 32, 10), n) for n in (1, 4, 16, 64, 256, 1024, 4096)},
}
BUSY = {"784-128-10, 32": ((784, 128, 10), 32), **{f"{name}, {m[1]}": m[:2] for name, m in MODELS.items()}}
GROWING = {  # the first letters of a row, of several the fastest: its line in the picture
    "ours": "ours, eager",
    "ours compiled": "ours, compiled",
    "ours, epoch": "ours, a whole epoch in one call",
    "torch ": "PyTorch, eager",
    "JAX jit": "JAX, jit",
    "JAX lax.scan": "JAX, an epoch in lax.scan",
}
GROWTH_RATIOS = ("torch ", "ours compiled"), ("JAX jit", "ours compiled"), ("JAX lax.scan", "ours, epoch")


def take_turns(makers, cases, rounds, seconds=0.5, measured=None, first=20):
    """Yields each case with {name: medians in microseconds, one a round}; without those that are not installed.

    makers is {name: case -> step}, cases {case: steps in a block}. Each of makers has a process of its own, where it
    waits while the others are measured. A block ends after so many seconds. measured is given a function that measures
    a block, and returns what is kept of a round.
    """
    measured = measured or (lambda block: block(seconds=seconds))
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, make in makers.items():
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=worker, args=(make, theirs), daemon=True))
        processes[-1].start()
    for case, steps in cases.items():

        def ask(name, case=case, steps=steps, **how):
            pipes[name].send((case, steps, how))
            return pipes[name].recv()

        losses = {name: ask(name, first=first) for name in pipes}
        blocks = {name: [] for name, values in losses.items() if values is not None}
        agree({name: losses[name] for name in blocks}, case)
        for _ in range(rounds):
            for name, block in blocks.items():
                block.append(measured(partial(ask, name)))
        yield case, blocks
    for pipe, process in zip(pipes.values(), processes):
        pipe.send(None)
        process.join(timeout=10)


def asked(pipe):
    """Return the next request; None when the other side is done."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def worker(make, pipe):
    """Measure a block of steps for each request, or return the first losses: None if there is no such framework."""
    while request := asked(pipe):
        case, steps, how = request
        try:
            step = make(case)
        except ImportError as error:
            print(error, file=sys.stderr)
            make = lambda case: None  # and say it once
            step = make(case)
        if step is None:
            pipe.send(None)
        elif "first" in how:
            pipe.send([number(step()) for _ in range(how["first"])])
        else:
            microseconds(step, steps // 10, how["seconds"] / 10)
            pipe.send(microseconds(step, steps, how["seconds"], how.get("of", statistics.median)))


def number(loss):
    return loss.item() if hasattr(loss, "item") else loss


def agree(losses, case):
    """Everyone computes the same, or nothing is measured: losses may differ by a thousandth of what they fell by, or
    of the loss if there is one of each."""
    (first, expected), *others = losses.items()
    if not others or expected[0] is None:
        return
    apart = {name: max(abs(a - b) for a, b in zip(expected, found)) for name, found in others}
    who = max(apart, key=apart.get)
    worst = apart[who] / (abs(expected[0] - expected[-1]) or expected[0])
    if not worst < 1e-3:
        raise RuntimeError(f"{case}: the losses of {who} are {losses[who]}, those of {first} {expected}")
    sizes, batch = case
    print(f"{'-'.join(map(str, sizes))}, batch {batch}: the first losses agree to {worst:.0e}", file=sys.stderr)


def ratio(blocks, ours, theirs):
    """The median of the ratios, round by round."""
    return statistics.median(b / a for a, b in zip(blocks[ours], blocks[theirs]))


def fastest(blocks, start):
    return min((name for name in blocks if name.startswith(start)), key=lambda name: statistics.median(blocks[name]))


def compare(makers, rounds, each=None, first=20):
    """each: case -> the number of steps that one call takes; 1 if None."""
    found = []
    for case, blocks in take_turns(makers, CASES, rounds, first=first):
        steps = each[case] if each else 1
        found.append({name: [us / steps for us in block] for name, block in blocks.items()})
    line("microseconds", MODELS)
    line("batch", (batch for _, batch, _ in MODELS.values()))
    for name in makers:
        line(name, (f"{statistics.median(blocks[name]):,.1f}" if name in blocks else "-" for blocks in found))
    for start, us in RATIOS:
        if us in makers and any(name.startswith(start) for name in found[0]):
            them = start.strip()
            line(f"{them} / {us}", (f"{ratio(blocks, us, fastest(blocks, start)):.2f}" for blocks in found))


def line(name, cells):
    print(f"{name:<30}" + "".join(f"{cell:>18}" for cell in cells))


def growth(rounds, picture):
    cases = {case: 1000 for axis in GROWTH.values() for case in axis.values()}
    epochs = {case: peers.batches(case) for case in cases}
    makers = {name: make for name, make in FRAMEWORKS.items() if name.startswith(tuple(GROWING))}
    found = dict(take_turns(makers, cases, rounds, seconds=0.1))
    for case, blocks in take_turns(EPOCHS, epochs, rounds, seconds=0.1, first=1):  # after 100 steps deep ones differ
        found[case] |= {name: [us / epochs[case] for us in block] for name, block in blocks.items()}
    present = lambda start: any(name.startswith(start) for name in next(iter(found.values())))
    names, pairs = list(filter(present, GROWING)), [pair for pair in GROWTH_RATIOS if present(pair[0])]
    panels = {}
    for axis, of in GROWTH.items():
        heads = [axis, *map(str.strip, names), *(f"{them.strip()} / {us}" for them, us in pairs)]
        print(f"\n| {' | '.join(heads)} |\n|{'---:|' * len(heads)}")
        panels[axis] = {name: [] for name in names}
        for n, case in of.items():
            best = {name: name if name.startswith("ours") else fastest(found[case], name) for name in names}
            took = {start: statistics.median(found[case][name]) for start, name in best.items()}
            ratios = [ratio(found[case], us, best[them]) for them, us in pairs]
            cells = [f"{n:,}", *(f"{us:,.1f}" for us in took.values()), *(f"{r:.2f}" for r in ratios)]
            print(f"| {' | '.join(cells)} |")
            for start, us in took.items():
                panels[axis][start].append(us)
    if picture:
        draw(panels, picture)


def busy(makers, rounds):
    """Each framework alone, then beside busy processes: means, for the steps that have to wait are few and long."""

    def alone_and_beside(block):
        alone = block(seconds=1, of=statistics.fmean)
        with crowd():
            return alone, block(seconds=3, of=statistics.fmean)

    makers = {name: make for name, make in makers.items() if name.startswith(("ours", "torch", "JAX"))}
    cases = dict.fromkeys(BUSY.values(), 10**6)  # a block ends by its seconds
    cores = available_cores()
    share = cores / (2 * cores + 1)
    print(f"beside {2 * cores} busy processes on {cores} cores a process has {share:.2f} of a core\n")
    print(f"| alone, µs; beside, times as long | {' | '.join(makers)} |\n|---|{'---:|' * len(makers)}", flush=True)
    for name, (_, blocks) in zip(BUSY, take_turns(makers, cases, rounds, measured=alone_and_beside)):
        cells = ["-"] * len(makers)
        for k, maker in enumerate(makers):
            if pairs := blocks.get(maker):
                alone, times = (statistics.median(found) for found in zip(*((a, b / a) for a, b in pairs)))
                cells[k] = f"{alone:,.0f}; {times:,.1f}"
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


@contextmanager
def crowd():
    """Keep all cores busy with other processes, two for each."""
    code = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**6))"  # and if it is killed
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command) for _ in range(2 * available_cores())]
    try:
        time.sleep(0.3)  # they start
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def available_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def draw(panels, path):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from tinygrad_edu.training.pictures import COLOURS, MARKERS

    figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True, layout="constrained")
    for ax, (axis, lines) in zip(axes, panels.items()):
        for (name, us), colour, marker in zip(lines.items(), COLOURS, MARKERS):
            ax.loglog(list(GROWTH[axis]), us, marker=marker, color=colour, label=GROWING[name])
        ax.set(xlabel=axis, xticks=list(GROWTH[axis]), xticklabels=list(GROWTH[axis]))
        ax.minorticks_off()
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("one training step")
    axes[0].yaxis.set_major_formatter(lambda us, _: f"{us:g} µs" if us < 1000 else f"{us / 1000:g} ms")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def share(rounds):
    """The matrix products of a step alone, by NumPy into arrays that are there, beside the compiled step."""
    import numpy as np

    print(f"{'MLP':<18}{'batch':>6}{'products us':>14}{'step us':>14}{'share':>8}")
    for label, (sizes, batch, steps) in MODELS.items():
        step = peers.compiled((sizes, batch))
        inputs = [data(sizes, batch)[0], *(np.ones((batch, n), np.float32) for n in sizes[1:])]
        products = []
        for i, (W, _) in enumerate(weights(sizes)):
            x, g = inputs[i], inputs[i + 1]
            products += [(x, W), (x.T, g)] + [(g, W.T)] * (i > 0)  # no gradient for the data
        products = [(a, b, np.empty((a.shape[0], b.shape[1]), np.float32)) for a, b in products]

        def multiply(products=products):
            for a, b, out in products:
                np.dot(a, b, out)

        blocks = {"step": [], "products": []}
        for _ in range(rounds):
            for name, f in (("step", step), ("products", multiply)):
                microseconds(f, steps // 10, 0.05)
                blocks[name].append(microseconds(f, steps, 0.5))
        alone, whole = (statistics.median(blocks[name]) for name in ("products", "step"))
        print(f"{label:<18}{batch:>6}{alone:>14,.1f}{whole:>14,.1f}{ratio(blocks, 'step', 'products'):>8.0%}")


def call(rounds):
    """A call of a compiled step, and its machine code called directly, with numbers for as many updates: what is
    between the two is Python's. Least times of blocks of calls, as other work only adds."""
    import numpy as np

    import tinygrad_edu as tg

    print(f"{'MLP':<18}{'batch':>6}{'one call us':>14}{'machine code us':>18}{'Python us':>12}")
    for label, (sizes, batch, steps) in list(MODELS.items())[:2]:
        (X, y), model = data(sizes, batch), peers.network(sizes)
        optimizer = tg.Adam(model)
        step = tg.compile_step(model, tg.cross_entropy, optimizer, X, y)
        step(X, y)
        (update,), plan = optimizer.last, next(iter(step._plans.values()))
        rows, took = np.tile([update.l2, *update.numbers], (steps, 1)), {"step": [], "code": []}
        for _ in range(rounds):
            for name, block in took.items():
                warm = min(steps // 2, 1000)
                for _ in range(warm):
                    step(X, y)
                if name == "code":
                    plan.table.put(rows=rows, left=steps)
                names = {"step": step, "code": plan.step, "X": X, "y": y}
                block.append(timeit.timeit(f"{name}(X, y)", globals=names, number=steps) / steps * 1e6)
        whole, alone = map(min, took.values())
        print(f"{label:<18}{batch:>6}{whole:>14,.2f}{alone:>18,.2f}{whole - alone:>12,.2f}")


def checks(rounds):
    makers = {"as it is": peers.ours, "unchecked": peers.unchecked, "debug()": peers.debugged}
    print(f"\n{'MLP':<18}{'batch':>6}" + "".join(f"{name + ' us':>16}" for name in makers) + f"{'checks cost':>14}")
    for label, (_, blocks) in zip(MODELS, take_turns(makers, CASES, rounds)):
        print(
            f"{label:<18}{MODELS[label][1]:>6}"
            + "".join(f"{statistics.median(took):>16,.1f}" for took in blocks.values())
            + f"{1 - ratio(blocks, 'as it is', 'unchecked'):>14.1%}"
        )


def against(folder, rounds):
    """The package of this checkout beside that of another one: the same steps, each package in its own processes."""
    folders = {"here": Path(__file__).parents[2], "there": Path(folder).resolve()}
    print(f"there: {folders['there']}\n")
    line("microseconds", MODELS)
    rows = {}
    for title, make in {"eager": peers.ours, "compiled": peers.compiled, "optimizer.step()": peers.update}.items():
        makers = {name: partial(package_of, place, make) for name, place in folders.items()}
        found = [blocks for _, blocks in take_turns(makers, CASES, rounds)]
        for name in folders:
            line(f"{title}, {name}", (f"{statistics.median(blocks[name]):,.1f}" for blocks in found))
        rows[title] = [f"{ratio(blocks, 'there', 'here'):.3f}" for blocks in found]
    line("\nhere / there", MODELS)
    for title, ratios in rows.items():
        line(title, ratios)
    for title, before in {"import tinygrad_edu": "", "the same, NumPy being there": "import numpy; "}.items():
        took = {name: [] for name in folders}
        for i in range(rounds + 1):
            for name, place in folders.items():
                seconds = seconds_of_import(place, before)
                if i:  # the first one compiles to byte code
                    took[name].append(seconds)
        here, there = (statistics.median(times) * 1e3 for times in took.values())
        print(f"{title:<30}{ratio(took, 'there', 'here'):>18.3f}    {here:.0f} ms / {there:.0f} ms")


def package_of(folder, make, case):
    """The step of a maker with the package of a folder. It has to be the first that this process imports."""
    if sys.path[0] != str(folder):
        sys.path.insert(0, str(folder))
    import tinygrad_edu

    if not Path(tinygrad_edu.__file__).is_relative_to(folder):
        raise RuntimeError(f"{tinygrad_edu.__file__} was loaded, which is not in {folder}")
    return make(case)


def seconds_of_import(folder, before):
    code = f"{before}import time; start = time.perf_counter(); import tinygrad_edu; print(time.perf_counter() - start)"
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code]  # which looks in cwd first
    return float(subprocess.run(command, capture_output=True, check=True, cwd=folder, env=environment).stdout)


def microseconds(f, steps, seconds=math.inf, of=statistics.median):
    """The median, or mean, of so many steps, or of as many as there is time for, and three at least."""
    f()
    times = []
    end = clock() + seconds
    while len(times) < 3 or (len(times) < steps and clock() < end):
        start = clock()
        f()
        times.append(clock() - start)
    return of(times) * 1e6


def machine(packages=("numpy", "numba", "torch")):
    with open("/proc/cpuinfo") if os.path.exists("/proc/cpuinfo") else open(os.devnull) as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    cpu = names[0] if names else platform.processor()
    print(f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}; {', '.join(versions)}")
    if hasattr(os, "getloadavg"):
        print(f"other work: {os.getloadavg()[0]:.1f} (with two threads, a core that is busy can cost a hundredfold)")
    print("OPENBLAS_CORETYPE:", os.environ.get("OPENBLAS_CORETYPE", "not set (OpenBLAS chooses)"))


def compilers():
    """The compilers that torch.compile and tinygrad call."""
    found = []
    for name in (os.environ.get("CXX", "g++"), os.environ.get("CC", "clang")):
        if shutil.which(name):
            version = subprocess.run([name, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True)
            found.append(f"{name} {version.stdout.strip()}")
    print(f"compilers: {', '.join(found) or 'none'}; threads: {peers.THREADS}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=peers.THREADS, help="and cores that may be used")
    parser.add_argument("--only", nargs="+", choices=FRAMEWORKS, metavar="NAME", help=", ".join(FRAMEWORKS))
    parser.add_argument("--picture", metavar="FILE.png", help="where --growth draws")
    parser.add_argument("--processor", action="store_true", help="the time of its processor, not the clock's")
    parser.add_argument("--against", metavar="FOLDER", help="another checkout of this repository")
    for name in ("epoch", "growth", "share", "call", "checks", "busy"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    peers.THREADS, os.environ["STEP_THREADS"] = options.threads, str(options.threads)
    if options.processor:
        os.environ["STEP_PROCESSOR"] = "1"  # for the processes
    if hasattr(os, "sched_setaffinity"):  # that nobody takes more: not all have a setting, and all look at this
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    alone = options.share or options.call or options.checks or options.against
    machine(PACKAGES[:2] if alone else PACKAGES)
    if options.checks:
        checks(options.rounds)
    elif options.against:
        against(options.against, options.rounds)
    elif options.share:
        share(options.rounds)
    elif options.call:
        call(options.rounds)
    else:
        compilers()
        if options.growth:
            growth(options.rounds, options.picture)
        elif options.epoch:
            compare(EPOCHS, options.rounds, {case: peers.batches(case) for case in CASES}, 3)
        else:
            chosen = options.only or FRAMEWORKS
            measure = busy if options.busy else compare
            measure({name: make for name, make in FRAMEWORKS.items() if name in chosen}, options.rounds)
