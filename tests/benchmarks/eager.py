"""Where the microseconds of an eager step go, and those of `fit` around it, as tables. Needs no peers.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/eager.py          # a step, then a batch and an epoch of fit
    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/eager.py numpy    # each of NumPy's calls, alone

A part of a step is timed among whole steps, which takes its turn with them: in a loop of its own, where the processor's
caches hold nothing else, it takes half as long. Of each the lowest tenth counts, as other work only adds.
"""

from __future__ import annotations

import statistics
import sys
import time
import timeit
from collections import defaultdict
from math import isfinite

import step
from peers import MODELS, data, network

# of larger networks the products differ by more than all the rest, from one run to the next
CASES = {name: MODELS[name] for name in ("2-16-16-2", "64-64-32-10")}


class Clock:
    """Times of the parts of a step, by name; `step` begins another one."""

    def __init__(self):
        self.samples, self.idle = [], 0.0

    def step(self):
        self.samples.append(defaultdict(float))
        self("idle", bool)

    def __call__(self, name, f, *args, **kwargs):
        """Return f(...), and add its time to that of the part."""
        start = time.perf_counter()
        out = f(*args, **kwargs)
        self.samples[-1][name] += time.perf_counter() - start - self.idle
        return out

    def warm(self):
        """Forget all but how long a look at the clock takes."""
        self.idle, self.samples = statistics.median(sample["idle"] for sample in self.samples), []

    def microseconds(self):
        lower = lambda name: sorted(sample[name] for sample in self.samples)[len(self.samples) // 10] * 1e6
        return defaultdict(float, {name: lower(name) for name in self.samples[0]})


def table(head, rows):
    """Print rows of {name: one figure for each of CASES}."""
    print(f"\n| {head} | {' | '.join(f'{name}, {batch}' for name, (_, batch, _) in CASES.items())} |")
    print(f"|---|{'---:|' * len(CASES)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(f'{us:,.1f}' for us in cells)} |")


def side_by_side(columns):
    return {name: [column[name] for column in columns] for name in columns[0]}


# --- a step -----------------------------------------------------------------------------------------------------------


def parts_of_a_step(sizes, batch, steps):
    import tinygrad_edu as tg
    from tinygrad_edu.core import tensor

    X, y = data(sizes, batch)
    model, clock = network(sizes), Clock()
    optimizer = tg.Adam(model)

    def forward(run):
        h = X
        for layer in model.layers:
            h = run(tg.ops.linear, h, layer.W, layer.b) if isinstance(layer, tg.Linear) else run(layer.op, h)
        return run(tg.ops.cross_entropy, h, labels=y)

    def op(op, *args, **labels):
        return clock(f"op {op.__name__}", op, *map(tensor.unwrap, args), **labels)[0]

    def node(op, *args, **labels):
        return clock(f"apply {op.__name__}", tensor.apply, op, *args, **labels)

    def one():
        clock.step()
        clock("zero_grad", optimizer.zero_grad)
        loss = clock("loss", tg.cross_entropy, clock("model", model, X), y)
        clock("backward", loss.backward)
        clock("step", optimizer.step)
        updates = clock("updates", optimizer.updates)
        clock("begin", optimizer.begin, updates)
        clock("finish", optimizer.finish, updates)
        clock("not_finite", updates[0].not_finite)
        clock("kernel", updates[0].rule, *updates[0].numbers)
        forward(op)
        loss = forward(node)
        clock("seed", tensor.seed, loss, None)
        clock("toposort", tensor.toposort, loss)
        for at, g, parent, share, whole in clock("pass", list, tensor.backward_pass(loss, tensor.seed(loss, None))):
            clock(f"vjp {at.op.__name__}", next(v for a, v in zip(at.parents, at.vjps) if a is parent), g)
            if whole.shape != parent.shape:
                clock("bias", tensor.unbroadcast, whole, parent.shape, at)
            if parent.grad_view is not None:
                clock("copy", parent.grad_view.__setitem__, ..., share)

    for _ in range(100):
        one()
    clock.warm()
    for _ in range(steps):
        one()
    return clock.microseconds()


def rows_of_a_step(us):
    kinds = ("linear", "relu", "cross_entropy")
    ops, nodes, vjps = (sum(us[f"{what} {kind}"] for kind in kinds) for what in ("op", "apply", "vjp"))
    step = sum(us[name] for name in ("zero_grad", "model", "loss", "backward", "step"))
    rest = us["step"] - sum(us[name] for name in ("updates", "begin", "finish", "not_finite", "kernel"))
    return {
        "NumPy: three times x W + b": us["op linear"],
        "NumPy: ReLU, twice": us["op relu"],
        "NumPy: cross-entropy": us["op cross_entropy"],
        "NumPy: the VJPs of x W + b": us["vjp linear"],
        "NumPy: those of ReLU": us["vjp relu"],
        "NumPy: that of cross-entropy": us["vjp cross_entropy"],
        "NumPy: sums over the batch, for biases": us["bias"],
        "NumPy: gradients into the flat buffer": us["copy"],
        "six nodes of the graph: the rest of `apply`": nodes - ops,
        "layers, which check their inputs": us["model"] - us["apply linear"] - us["apply relu"],
        "the loss, which checks its labels": us["loss"] - us["apply cross_entropy"],
        "the order of the nodes, and a look for changes: `toposort`": us["toposort"],
        "eleven shares: the rest of `backward_pass`": us["pass"] - us["toposort"] - vjps - us["bias"],
        "`accumulate` without the copies, `seed`, observers": us["backward"] - us["pass"] - us["copy"],
        "Adam's kernel": us["kernel"],
        "the look for NaN": us["not_finite"],
        "which parameters have gradients: `updates`": us["updates"],
        "the numbers of this update: `begin`": us["begin"],
        "six parameters are changed: `finish`": us["finish"],
        "`zero_grad`, and the rest of `step`": us["zero_grad"] + rest,
        "**a step**": step,
        "**of it NumPy and the kernel**": ops + vjps + us["bias"] + us["copy"] + us["kernel"] + us["not_finite"],
    }


# --- fit --------------------------------------------------------------------------------------------------------------


def parts_of_fit(sizes, batch, steps):
    """What `fit` does beside the steps: with each batch, with each epoch, and once."""
    import numpy as np

    import tinygrad_edu as tg
    from tinygrad_edu.training.data import in_order
    from tinygrad_edu.training.epochs import Task
    from tinygrad_edu.training.evaluation import cost_of
    from tinygrad_edu.training.outcome import Numbers
    from tinygrad_edu.training.weights import counts_of

    X, y = data(sizes, batch * 20)
    model, clock, rng = network(sizes), Clock(), np.random.default_rng(0)
    optimizer = tg.Adam(model)
    task = Task(model, X, y, tg.cross_entropy, optimizer)
    train = task.begin(1, batch, True, [])
    kept = Numbers(model, optimizer)

    def twenty_steps(xb, yb):
        for _ in range(20):
            optimizer.zero_grad()
            tg.cross_entropy(model(xb), yb).backward()
            optimizer.step()

    def one():
        clock.step()
        order, size = clock("order", in_order, X, y, batch, rng=rng)
        rows = order[:batch]
        clock("modes", lambda: (model.train(), model.eval()))
        clock("counts", counts_of, task.loss, y)
        clock("keep", kept.keep, 1)
        xb = clock("take", task.take, rows)
        yb = clock("targets", task.targets, rows)
        clock("20 steps", twenty_steps, xb, yb)
        output = model(xb)
        clock("right", task.read.right, output, yb)
        loss = tg.cross_entropy(output, yb)
        clock("loss", task.loss, output, yb)
        clock("cost", cost_of, task.loss, output, yb, y)
        clock("finite", lambda: isfinite(loss.array.item()))
        clock("all batches", train, order, size)
        clock("an epoch", tg.fit, model, X, y, optimizer=optimizer, epochs=1, batch_size=batch, progress=False)
        clock("no epoch", tg.fit, model, X, y, optimizer=optimizer, epochs=0, batch_size=batch, progress=False)

    for _ in range(10):
        one()
    clock.warm()
    for _ in range(steps // 5):
        one()
    return clock.microseconds()


def rows_of_fit(us):
    found = {
        "a step, with one batch again and again": us["20 steps"] / 20,
        "the rows of the batch": us["take"],
        "and their labels": us["targets"],
        "right answers": us["right"],
        "the loss as a number, and a look whether it is finite": us["finite"],
        "a look whether the loss is one number": us["cost"] - us["loss"],
    }
    batch = (us["all batches"] - us["modes"] - us["counts"]) / 20
    return {
        **found,
        "the loop, and that each batch is new to the caches": batch - sum(found.values()),
        "**a batch**": batch,
        "the order of the samples": us["order"],
        "the layers' modes, to training and back": us["modes"],
        "how much each sample counts": us["counts"],
        "a copy of all numbers, to go back to": us["keep"],
        "**once for each call of `fit`**": us["no epoch"],
        "once more, if there is an epoch: the row, the callbacks": us["an epoch"]
        - sum(us[name] for name in ("no epoch", "all batches", "order", "keep")),
    }


# --- NumPy's calls ----------------------------------------------------------------------------------------------------

CALLS = {
    "x W + b": ("x.dot(W)", "y + b"),
    "its VJPs": ("g.dot(W.T)", "x.T.dot(g)", "ones.dot(g)"),
    "ReLU": ("np.maximum(x, 0)",),
    "its VJP": ("np.sign(y)", "g * y"),
    "cross-entropy": (
        "labels[:, None]",
        "np.arange(C)",
        "labels[:, None] == classes",
        "z.max(axis=1, keepdims=True)",
        "z - total",
        "np.exp(s)",
        "e.sum(axis=1, keepdims=True)",
        "np.log(total)",
        "total[:, 0]",
        "s[one_hot]",
        "some - some",
        "some.sum()",
    ),
    "that of cross-entropy": ("e / total", "e - one_hot", "e * half"),
    "beside them, for each node": ("y.view()", "y.setflags(False)"),
    "for each parameter": ("grad[...] = W",),
}


def calls():
    """Microseconds of each of NumPy's calls alone, on the hidden layer and the logits of each case."""
    import numpy as np

    columns = []
    for sizes, batch, _ in CASES.values():
        draw, C = lambda *shape: np.random.default_rng(0).random(shape, dtype=np.float32), sizes[-1]
        labels, z = np.arange(batch) % C, draw(batch, C)
        names = {"x": draw(batch, sizes[1]), "W": draw(*sizes[1:3]), "b": draw(sizes[2]), "y": draw(batch, sizes[2])}
        names |= {"g": draw(batch, sizes[2]), "ones": np.ones(batch, np.float32), "labels": labels, "C": C, "z": z}
        names |= {"s": z - 1, "e": z + 1, "total": draw(batch, 1), "one_hot": labels[:, None] == np.arange(C), "np": np}
        names |= {"some": draw(batch), "half": np.float32(0.5), "classes": np.arange(C), "grad": draw(*sizes[1:3])}
        found = {}
        for of, texts in CALLS.items():
            for text in texts:
                took = timeit.repeat(text, globals=names, number=2000, repeat=7)
                found[f"{of}: `{text}`"] = min(took) / 2000 * 1e6
        columns.append(found)
    table("microseconds of one call, alone", side_by_side(columns))


if __name__ == "__main__":
    step.machine(("numpy", "numba"))
    if sys.argv[1:] == ["numpy"]:
        calls()
    else:
        for head, parts, rows in (
            ("microseconds of a step", parts_of_a_step, rows_of_a_step),
            ("microseconds of `fit`", parts_of_fit, rows_of_fit),
        ):
            columns = [rows(parts(sizes, batch, min(steps, 1000))) for sizes, batch, steps in CASES.values()]
            table(head, side_by_side(columns))
