"""The experiments of the Adam paper (Kingma & Ba 2015, figures 1 to 4), small enough for a few minutes.

You will see Adam beside its rivals on logistic regression, dense and sparse, on a network with dropout and on one with
convolutions, and what its bias correction is good for. The paper has MNIST, IMDB's reviews, CIFAR-10, layers of 1000,
and a variational autoencoder for figure 4; here are 1,437 digits, generated texts, layers of 64 and an autoencoder. It
says that learning rates were searched over a dense grid, not which, nor how strong L2 and dropout were: those here are
printed. So compare what comes out with the paper's captions, not with its numbers. --data, --imdb and --cifar10 name
folders with the paper's data, and take its sizes: nearer to the paper, one seed, and many hours.
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
parser.add_argument("--imdb", help="the folder aclImdb")
parser.add_argument("--cifar10", help="folder with CIFAR-10's six binary files")
args = parser.parse_args()

X, y = (tg.data.mnist(args.data) if args.data else tg.data.digits(rng=0))[:2]
X, y = (X[:300], y[:300]) if args.quick else (X, y)
D, wide, seeds = X.shape[1], 1000 if args.data else 64, range(1 if args.quick or args.data else 3)
grid = np.array([0.001, 0.1]) if args.quick else 10.0 ** np.arange(-3, 2.1, 0.5)
short, long = (1, 3) if args.quick else (10, 100)
epochs = 3 if args.quick else 30


def mlp(*sizes, activation="relu", dropout=0.0):
    return lambda rng: tg.mlp(sizes, activation, dropout, rng=rng)


def train(build, rule, epochs, loss=tg.cross_entropy, data=None, seed=0):
    """The training loss of each epoch, the mean over its batches of 128; infinite if it becomes no number."""
    model = build(np.random.default_rng(seed))
    try:
        return tg.fit(model, *(data or (X, y)), loss, rule(model), epochs, 128, rng=seed, progress=False)["loss"]
    except ValueError:
        return [np.inf] * epochs


def compare(names, build, rate, data=None, epochs=epochs, grid=grid, seeds=seeds, **hyper):
    """Each rule with the a whose loss is the smallest over all epochs; the medians over seeds, the best rule first."""
    print("  rule        a        training loss at the end: median, range over seeds")
    found = {}
    for name in names:
        makes = [partial(getattr(tg, name), lr=partial(rate, a), **hyper) for a in grid]
        runs = np.array([[train(build, make, epochs, data=data, seed=s) for s in seeds] for make in makes])
        best = np.median(runs.mean(axis=2), axis=1).argmin()
        found[name], end = np.median(runs[best], axis=0), runs[best][:, -1]
        print(f"  {name:<10}  {grid[best]:<7.2g}  {np.median(end):.4f}, {end.min():.4f} to {end.max():.4f}")
    return dict(sorted(found.items(), key=lambda item: item[1][-1]))


print(f"{len(X):,} images in batches of 128, {len(seeds)} seeds; a is one of", *[f"{a:.3g}" for a in grid])
print(f"\nFigure 1. Logistic regression, L2 of 1e-4, learning rate a/√t, {epochs} epochs:\n")
one = compare(["Adagrad", "Nesterov", "Adam"], mlp(D, 10), lambda a, t: a / t**0.5, l2=1e-4)
adam = one["Adam"][-1]
print("\nThe paper: Adam converges like Nesterov, both faster than AdaGrad. Here Adam's loss at the end is")
print(f"{adam / one['Nesterov'][-1]:.2f} of Nesterov's and {adam / one['Adagrad'][-1]:.2f} of AdaGrad's.")

# --- Figure 1, right: words that are rare have rare gradients, and large steps are right for them.
if args.imdb:
    sparse = tg.data.imdb(args.imdb)[:2]
else:  # word k is drawn in proportion to 1 / k (Zipf's law), and more or less often in texts of the other kind
    rng, many, words = np.random.default_rng(0), 300 if args.quick else 1000, 1000
    mood = np.arange(many) % 2
    share = np.exp(0.5 * np.outer([-1, 1], rng.standard_normal(words))) / np.arange(1, words + 1)
    texts = [rng.multinomial(rng.integers(20, 200), share[k] / share[k].sum()) for k in mood]
    sparse = np.minimum(texts, 255).astype(np.uint8), mood
words, length = sparse[0].shape[1], 3 if args.quick else 15
filled = f"{100 * (sparse[0][:500] > 0).mean():.1f} %"
about = f"{len(sparse[0]):,} bags of {words:,} words, of which {filled} are not 0,"
print(f"\nFigure 1, right. Logistic regression on {about}")
print(f"and half of these are dropped as noise. Learning rate a/√t, {length} epochs:\n")
noisy = lambda rng: tg.Sequential(tg.Dropout(0.5, rng=rng), tg.Linear(words, 2, rng=rng))
bags = compare(["Adagrad", "RMSprop", "Nesterov", "Adam"], noisy, lambda a, t: a / t**0.5, sparse, length)
print("\nThe paper: AdaGrad is ahead of Nesterov by far, and Adam converges as fast as AdaGrad. Here AdaGrad's loss is")
ratio = {name: curve[-1] / bags["Adagrad"][-1] for name, curve in bags.items()}
print(f"{1 / ratio['Nesterov']:.2f} of Nesterov's, and Adam's {ratio['Adam']:.2f} of AdaGrad's.")

print(f"\nFigure 2. {D}-{wide}-{wide}-10 with dropout 0.5, constant learning rate a, {epochs} epochs:\n")
deep = mlp(D, wide, wide, 10, dropout=0.5)
two = compare(["Adagrad", "RMSprop", "Nesterov", "Adadelta", "Adam"], deep, lambda a, t: a)
others = min(curve[-1] for name, curve in two.items() if name != "Adam")
print(f"\nThe paper: Adam is best. Here it is number {[*two].index('Adam') + 1}, with", end=" ")
print(f"{two['Adam'][-1] / others:.2f} times the loss of the best other rule.")

# --- Figure 3: a network of convolutions, with and without dropout of its input and of its last hidden layer.
if args.cifar10:
    pictures = tg.data.cifar10(args.cifar10)[:2]
    channels, dense, passes = (64, 64, 128), 1000, 2 if args.quick else 45
else:
    images, labels, *_ = tg.data.digits(rng=0)
    pictures = images[: len(X)].reshape(-1, 1, 8, 8), labels[: len(X)]
    channels, dense, passes = (8, 16), 32, 2 if args.quick else 15


def convolutions(dropout):
    def build(rng):
        _, before, size, _ = pictures[0].shape
        layers = [tg.Dropout(dropout / 2, rng=rng)]
        for after in channels:
            layers += [tg.Conv2d(before, after, 3, padding=1, rng=rng), tg.ReLU(), tg.MaxPool2d(2)]
            before, size = after, size // 2
        layers += [tg.Flatten(), tg.Linear(before * size * size, dense, init=tg.init.he_normal, rng=rng), tg.ReLU()]
        return tg.Sequential(*layers, tg.Dropout(dropout, rng=rng), tg.Linear(dense, 10, rng=rng))

    return build


three, few = {}, grid if args.quick else 10.0 ** np.arange(-3, 0.1, 0.5)
kernels = " and ".join(map(str, channels))
for dropout, said in ((0.0, "without"), (0.5, "with")):
    print(f"\nFigure 3. Convolutions of {kernels} kernels, {said} dropout, constant a, {passes} epochs, 1 seed:\n")
    found = compare(["Adagrad", "Nesterov", "Adam"], convolutions(dropout), lambda a, t: a, pictures, passes, few, [0])
    three |= {f"{name}, {said} dropout": curve for name, curve in found.items()}
    early = sorted(found, key=lambda name: found[name][min(2, passes - 1)])
    print(f"\nAfter {min(3, passes)} epochs the order is {', '.join(early)}, at the end {', '.join(found)}.")
print("\nThe paper: Adam and AdaGrad are quick at first; at the end Adam and Nesterov are well ahead of AdaGrad.")


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
        runs = [train(mlp(D, 32, 8, 32, D, activation="softplus"), make, long, tg.mse_loss, (X, X)) for make in makes]
        sweep[beta1, beta2, rule] = np.array(runs)[:, [short - 1, long - 1]].T
    line = f"  beta1 = {beta1:g}, beta2 = {beta2:g}"
    for k, (f, g) in enumerate(zip(sweep[beta1, beta2, tg.Adam], sweep[beta1, beta2, Uncorrected])):
        worse[k] += g.min() > f.min()
        line = f"{line:<30} {f.min():.4f} at {rates[f.argmin()]:<7.2g}| {g.min():.4f} at {rates[g.argmin()]:.2g}"
        line = f"{line:<70}" if not k else line
    print(line)
print("\nThe paper: without correction beta2 near 1 makes training unstable, most of all early. Here, each at its")
print(f"best rate, it is worse without in {worse[0]} of 6 cases after {short} epochs and in {worse[1]} after {long}.")

rules = ["Adagrad", "Nesterov", "Adam", "RMSprop", "Adadelta"]  # a colour and a marker each, the same in all panels


def draw(ax, curves, title, **where):
    """Draw losses over epochs; dotted where dropout is one of two cases."""
    for name, curve in curves.items():
        k, dotted = rules.index(name.partition(",")[0]), name.endswith("with dropout")
        look = {"color": tg.plots.COLOURS[k], "marker": tg.plots.MARKERS[k], "linestyle": ":" if dotted else "-"}
        ax.semilogy(range(1, len(curve) + 1), curve, **look, markevery=[-1], label=name)
    ax.set(title=title, xlabel="epoch", ylabel="training loss")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, **where)


try:
    from matplotlib.figure import Figure
except ImportError:
    print("\nNo pictures: matplotlib is not installed.")
    raise SystemExit from None

figure = Figure(figsize=(14, 6), layout="constrained")
panels = figure.subplots(2, 4)
draw(panels[0, 0], one, "Logistic regression")
draw(panels[1, 0], two, "Network with dropout")
for (beta1, beta2, rule), losses in sweep.items():
    for ax, f, after in zip(panels[:, 1 + [0.99, 0.999, 0.9999].index(beta2)], losses, (short, long)):
        colour, name = (tg.plots.COLOURS[0], "") if rule is tg.Adam else (tg.plots.COLOURS[1], "not ")
        label = f"beta1 = {beta1:g}, {name}corrected"
        ax.loglog(rates, np.minimum(f, 3), "-" if beta1 else ":", color=colour, label=label)
        ax.set(title=f"beta2 = {beta2}, {after} epochs", xlabel="learning rate", ylabel="loss", ylim=(0.01, 4))
figure.legend(*panels[0, 1].get_legend_handles_labels(), loc="outside lower right", ncols=4, frameon=False)
second = Figure(figsize=(13, 4), layout="constrained")
for ax, curves, title in zip(
    second.subplots(1, 2), (bags, three), ("Sparse features, half of them dropped", "Convolutions")
):
    draw(ax, curves, title, loc="upper left", bbox_to_anchor=(1, 1))
out = Path(args.out)
out.mkdir(parents=True, exist_ok=True)
for name, made in (("adam_paper.png", figure), ("adam_paper_2.png", second)):
    made.savefig(out / name, dpi=100)
print(f"\nThe pictures are in {out}: adam_paper.png, adam_paper_2.png")
