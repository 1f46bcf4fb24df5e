"""The experiments of the Adam paper (Kingma & Ba 2015, figures 1, 2 and 4), small enough for two minutes.

You will see Adam beside its rivals on logistic regression and on a network with dropout, and what its bias correction
is good for. The paper has MNIST, two layers of 1000, and a variational autoencoder for figure 4; here are 1,437 digits,
two layers of 64 and a plain autoencoder. It says that learning rates were searched over a dense grid, not which, nor
how strong L2 and dropout were: those here are printed. So compare what comes out with the paper's captions, not with
its numbers. --data FOLDER takes MNIST's files and layers of 1000: nearer to the paper, one seed, and many hours.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
parser.add_argument("--data", help="folder with MNIST's four files")
args = parser.parse_args()

X, y = (tg.data.mnist(args.data) if args.data else tg.data.digits(rng=0))[:2]
X, y = (X[:300], y[:300]) if args.quick else (X, y)
D, wide, seeds = X.shape[1], 1000 if args.data else 64, range(1 if args.quick or args.data else 3)
grid = np.array([0.001, 0.1]) if args.quick else 10.0 ** np.arange(-3, 2.1, 0.5)
short, long = (1, 3) if args.quick else (10, 100)
epochs = 3 if args.quick else 30


def train(sizes, rule, epochs, loss=tg.cross_entropy, targets=y, activation="relu", dropout=0.0, seed=0):
    """The training loss of each epoch, the mean over its batches of 128; infinite if it becomes no number."""
    model = tg.mlp(sizes, activation, dropout, rng=seed)
    try:
        return tg.fit(model, X, targets, loss, rule(model), epochs, 128, rng=seed, progress=False)["loss"]
    except ValueError:
        return [np.inf] * epochs


def compare(names, sizes, rate, dropout=0.0, **hyper):
    """Each rule with the a whose loss is the smallest over all epochs; the medians over seeds, the best rule first."""
    print("  rule        a        training loss at the end: median, range over seeds")
    found = {}
    for name in names:
        makes = [partial(getattr(tg, name), lr=partial(rate, a), **hyper) for a in grid]
        runs = np.array([[train(sizes, make, epochs, dropout=dropout, seed=s) for s in seeds] for make in makes])
        best = np.median(runs.mean(axis=2), axis=1).argmin()
        found[name], end = np.median(runs[best], axis=0), runs[best][:, -1]
        print(f"  {name:<10}  {grid[best]:<7.2g}  {np.median(end):.4f}, {end.min():.4f} to {end.max():.4f}")
    return dict(sorted(found.items(), key=lambda item: item[1][-1]))


print(f"{len(X):,} images in batches of 128, {len(seeds)} seeds; a is one of", *[f"{a:.3g}" for a in grid])
print(f"\nFigure 1. Logistic regression, L2 of 1e-4, learning rate a/√t, {epochs} epochs:\n")
one = compare(["Adagrad", "Nesterov", "Adam"], [D, 10], lambda a, t: a / t**0.5, l2=1e-4)
adam = one["Adam"][-1]
print("\nThe paper: Adam converges like Nesterov, both faster than AdaGrad. Here Adam's loss at the end is")
print(f"{adam / one['Nesterov'][-1]:.2f} of Nesterov's and {adam / one['Adagrad'][-1]:.2f} of AdaGrad's.")

print(f"\nFigure 2. {D}-{wide}-{wide}-10 with dropout 0.5, constant learning rate a, {epochs} epochs:\n")
layers = [D, wide, wide, 10]
two = compare(["Adagrad", "RMSprop", "Nesterov", "Adadelta", "Adam"], layers, lambda a, t: a, dropout=0.5)
others = min(curve[-1] for name, curve in two.items() if name != "Adam")
print(f"\nThe paper: Adam is best. Here it is number {[*two].index('Adam') + 1}, with", end=" ")
print(f"{two['Adam'][-1] / others:.2f} times the loss of the best other rule.")


class Uncorrected(tg.Adam):
    """Adam without bias correction: the same kernel, with c1 = c2 = 1."""

    def scalars(self, t, *hyper):
        lr, beta1, beta2, one_minus_beta1, one_minus_beta2, _, _, eps = super().scalars(t, *hyper)
        return lr, beta1, beta2, one_minus_beta1, one_minus_beta2, 1, 1, eps


print(
    f"\nFigure 4. Autoencoder {D}-32-8-32-{D} with softplus, mean squared error, 1 seed. The best loss of the learning"
)
print(f"rates 1e-5 to 0.1, and that rate, with bias correction | without, after {short} and after {long} epochs:\n")
rates = 10.0 ** (np.arange(-5, 0, 2) if args.quick else np.arange(-5, -0.9, 0.5))
sweep, worse = {}, [0, 0]
for beta1, beta2 in [(beta1, beta2) for beta1 in (0.0, 0.9) for beta2 in (0.99, 0.999, 0.9999)]:
    for rule in (tg.Adam, Uncorrected):
        makes = [partial(rule, lr=lr, beta1=beta1, beta2=beta2) for lr in rates]
        runs = [train([D, 32, 8, 32, D], make, long, tg.mse_loss, X, "softplus") for make in makes]
        sweep[beta1, beta2, rule] = np.array(runs)[:, [short - 1, long - 1]].T
    line = f"  beta1 = {beta1:g}, beta2 = {beta2:g}"
    for k, (f, g) in enumerate(zip(sweep[beta1, beta2, tg.Adam], sweep[beta1, beta2, Uncorrected])):
        worse[k] += g.min() > f.min()
        line = f"{line:<30} {f.min():.4f} at {rates[f.argmin()]:<7.2g}| {g.min():.4f} at {rates[g.argmin()]:.2g}"
        line = f"{line:<70}" if not k else line
    print(line)
print("\nThe paper: without correction beta2 near 1 makes training unstable, most of all early. Here, each at its")
print(f"best rate, it is worse without in {worse[0]} of 6 cases after {short} epochs and in {worse[1]} after {long}.")

try:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6), layout="constrained")
    panels = figure.subplots(2, 4)
    for ax, curves, title in zip(panels[:, 0], (one, two), ("Logistic regression", "Network with dropout")):
        for (name, curve), colour, marker in zip(curves.items(), tg.plots.COLOURS, tg.plots.MARKERS):
            ax.semilogy(range(1, epochs + 1), curve, color=colour, marker=marker, markevery=[-1], label=name)
        ax.set(title=title, xlabel="epoch", ylabel="training loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False)
    for (beta1, beta2, rule), losses in sweep.items():
        for ax, f, after in zip(panels[:, 1 + [0.99, 0.999, 0.9999].index(beta2)], losses, (short, long)):
            colour, name = (tg.plots.COLOURS[0], "") if rule is tg.Adam else (tg.plots.COLOURS[1], "not ")
            label = f"beta1 = {beta1:g}, {name}corrected"
            ax.loglog(rates, np.minimum(f, 3), "-" if beta1 else ":", color=colour, label=label)
            ax.set(title=f"beta2 = {beta2}, {after} epochs", xlabel="learning rate", ylabel="loss", ylim=(0.01, 4))
    figure.legend(*panels[0, 1].get_legend_handles_labels(), loc="outside lower right", ncols=4, frameon=False)
    path = Path(args.out) / "adam_paper.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    print(f"\nThe picture is in {path}")
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
