"""The running average that momentum, RMSprop and Adam are made of, on a noisy signal.

V ← beta · V + (1 - beta) · x, from V = 0. You will see what beta does (a steadier average that comes later), what the
bias correction does (it undoes the start from 0), and what 1 / (1 - beta) is: a time constant, not a number of values.
At the end the same average over a model's weights: SGD with a constant learning rate jitters around the minimum.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
args = parser.parse_args()

rng = np.random.default_rng(0)
days = np.arange(365)
season = 15 - 8 * np.cos(2 * np.pi * days / 365)  # a year of temperatures, made up
measured = season + 2.5 * rng.standard_normal(365)
betas = (0.5, 0.9, 0.98)

print("A year of noisy temperatures (made up: a cosine and noise), averaged. What the average says on three days:\n")
print(f"  day                     {1:8} {10:8} {100:8}")
print(f"  measured                {measured[0]:8.2f} {measured[9]:8.2f} {measured[99]:8.2f}")
print(f"  without the noise       {season[0]:8.2f} {season[9]:8.2f} {season[99]:8.2f}")
curves = {}
for beta in betas:
    for corrected in (False, True):
        V = curves[beta, corrected] = list(tg.MovingAverage(beta, corrected).over(measured))
        kind = f"beta {beta:<4}, " + ("corrected" if corrected else "V itself")
        print(f"  {kind:<22}  {V[0]:8.2f} {V[9]:8.2f} {V[99]:8.2f}")

print("\nV starts from 0, so it is too small by the factor 1 - beta^t: its weights add up to no more than that. After")
print("some times 1 / (1 - beta) values the factor is 1, and the two averages are one.\n")
print("  beta    1/(1-beta)   the last 1/(1-beta) values hold   a mean of n values is as steady for n =")
for beta in (*betas, 0.999):
    weights = tg.MovingAverage(beta, bias_correction=False).weights(100_000)
    n = round(1 / (1 - beta))
    print(f"  {beta:<5}  {n:11}   {weights[:n].sum():26.1%} of all   {1 / np.sum(weights**2):39.0f}")
print("\nThe last column is 1 / (the sum of the squared weights), for a plain mean that is n.")
print("Here it is (1 + beta) / (1 - beta), about twice the time constant.")

# The average of weights: minimise (w - 3)²/2 with gradients that carry noise, many times, from w = 0.
steps, runs = 300 if args.quick else 1000, 2000
w = tg.Tensor(np.zeros(runs), requires_grad=True)
optimizer = tg.SGD(w, lr=0.2)
averages = {"exponential, decay 0.99": tg.WeightAverage(optimizer, decay=0.99)}
averages["mean over all steps"] = tg.WeightAverage(optimizer, decay=None)
for _ in range(steps):
    optimizer.zero_grad()
    w.grad = w.numpy() - 3 + rng.standard_normal(runs)
    optimizer.step()
    for average in averages.values():
        average.update()


print(
    f"\nSGD with lr = {optimizer.lr} and noisy gradients, {steps} steps, {runs} runs. Root of the mean squared distance"
)
print(f"to the minimum at the end:\n\n  {'the last weight':<24}  {np.linalg.norm(w.numpy() - 3) / runs**0.5:.4f}")
for name, average in averages.items():
    with average:  # the averages take the weights' place, for as long as the block runs
        print(f"  {name:<24}  {np.linalg.norm(w.numpy() - 3) / runs**0.5:.4f}")

try:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    for ax, last in ((left, 365), (right, 60)):
        ax.plot(days[:last], measured[:last], ".", color="0.75", markersize=4, label="measured")
        ax.plot(days[:last], season[:last], color="black", linewidth=1, label="without the noise")
        for beta, colour in zip(betas, tg.plots.COLOURS):
            ax.plot(days[:last], curves[beta, True][:last], color=colour, label=f"beta = {beta}, corrected")
            ax.plot(days[:last], curves[beta, False][:last], "--", color=colour, label=f"beta = {beta}, V itself")
        ax.set(xlabel="day", ylabel="temperature", ylim=(0, None))
    left.set_title("The larger beta, the steadier and the later")
    right.set_title("The first 60 days: V starts from 0")
    left.legend(frameon=False, fontsize=8, loc="lower center", ncols=2)
    path = Path(args.out) / "moving_averages.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nThe picture is in {path}")
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
