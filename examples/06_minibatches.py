"""Batch, mini-batch and stochastic gradient descent: one rule, three batch sizes.

All three are p ← p - lr · g. They differ only in how many samples g is the mean over: all, a few, or one. You will see
what that choice costs and buys on the real digits: how many updates an epoch (one pass over the data) gives, how long
it takes, and how low the loss is after the same number of epochs. Then the noise: how far the gradient of a batch lies
from the gradient of all samples, measured, beside the law that it falls as 1/√batch_size.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
args = parser.parse_args()

X, y, _, _ = tg.data.digits(rng=0)
if args.quick:
    X, y = X[:300], y[:300]
N, lr, epochs, draws = len(X), 0.05, 4 if args.quick else 15, 100 if args.quick else 500

print(f"SGD with lr = {lr}, {epochs} epochs of {N} digits, from the same first weights:\n")
print("  batch size         updates an epoch   ms an update   ms an epoch   loss of all samples at the end")
curves, times = {}, []
for name, batch_size in {f"batch (all {N})": None, "mini-batch (32)": 32, "stochastic (1)": 1}.items():
    model = tg.mlp([64, 16, 10], rng=0)
    optimizer = tg.SGD(model, lr=lr)
    optimizer.compile()  # so that the seconds are those of training
    rng = np.random.default_rng(0)
    losses, seconds = [tg.evaluate(model, X, y).loss], 0.0
    for _ in range(epochs):
        start = time.perf_counter()
        for x, labels in tg.batches(X, y, batch_size, rng=rng):
            optimizer.zero_grad()
            tg.cross_entropy(model(x), labels).backward()
            optimizer.step()
        seconds += time.perf_counter() - start
        losses.append(tg.evaluate(model, X, y).loss)
    curves[name] = losses
    times.append((1000 * seconds / optimizer.t, 1000 * seconds / epochs))
    print(f"  {name:<16}  {optimizer.t // epochs:17}  {times[-1][0]:13.3f}  {times[-1][1]:12.2f}  {losses[-1]:31.4f}")
print(
    f"\nAn update from 1 sample takes {times[2][0] / times[0][0]:.2f} of the time of an update from all {N},", end=" "
)
print(f"an epoch {times[2][1] / times[0][1]:.0f} times as long.")

# The noise, at the first weights. A batch gradient g_b is random, and its mean is the full gradient g. Its standard
# deviation here is the root of the mean of |g_b - g|², where |g_b - g| is a length over all weights at once.
model = tg.mlp([64, 16, 10], rng=0)
optimizer = tg.SGD(model, lr=lr)


def gradient(rows):
    optimizer.zero_grad()
    tg.cross_entropy(model(X[rows]), y[rows]).backward()
    return optimizer.buffer.grad.copy()  # the gradients of all weights as one flat array


g = gradient(slice(None))
sigma = np.sqrt(np.mean([np.sum((gradient([i]) - g) ** 2) for i in range(N)]))  # exact: all N batches of one sample
print(f"\nThe full gradient at the first weights has length {np.linalg.norm(g):.3f}. Those of single samples have")
print(f"standard deviation σ = {sigma:.3f} around it. For other batch sizes, measured on {draws} batches of each:\n")
print("  batch size   measured   σ/√batch_size   times √((N - batch_size) / (N - 1)): no sample twice")
sizes = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, N])
law = sigma / np.sqrt(sizes)
finite = law * np.sqrt((N - sizes) / (N - 1))  # a batch takes no sample twice, so a batch of all has no noise
rng, measured = np.random.default_rng(0), []
for size, with_repeats, without in zip(sizes, law, finite, strict=True):
    drawn = [gradient(rng.choice(N, size, replace=False)) for _ in range(draws)]
    measured.append(np.sqrt(np.mean([np.sum((g_b - g) ** 2) for g_b in drawn])))
    print(f"  {size:10}  {measured[-1]:9.4f}  {with_repeats:14.4f}  {without:32.4f}")

try:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, losses), colour, style in zip(curves.items(), tg.plots.COLOURS, ["-", "--", "-."]):
        left.plot(losses, style, color=colour, label=name)
    left.set(title=f"SGD, lr = {lr}", xlabel="epoch", ylabel="loss of all samples", yscale="log")
    left.set_ylim(bottom=min(losses) / 5)  # room for the legend
    right.loglog(sizes, law, "-", color=tg.plots.COLOURS[0], label="σ / √batch_size")
    right.loglog(sizes[:-1], finite[:-1], "--", color=tg.plots.COLOURS[2], label="the same, no sample twice")
    right.loglog(sizes[:-1], measured[:-1], "o", color=tg.plots.COLOURS[1], label="measured")
    right.set(title="Noise of the gradient", xlabel="batch size", ylabel="standard deviation")
    left.legend(frameon=False, loc="lower left")
    right.legend(frameon=False, loc="lower left")
    path = Path(args.out) / "minibatches.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nThe picture is in {path}")
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
