"""Curvature: how steep a valley is across it and along it, and why momentum helps where the two differ.

The loss has two parameters, so its second derivatives are four numbers: the Hessian, tg.hessian(loss). You will see its
eigenvalues say how large a learning rate may be and how many steps gradient descent takes, alone and with momentum:
predicted first, then measured. Last, curvature where a Hessian would be too large to write down, by tg.hvp.
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
area = rng.uniform(0.4, 1.6, 50)  # of 50 flats, in 100 m², made up
price = 3.0 * area + 0.5 + 0.1 * rng.standard_normal(50)


def loss_of(x):
    """The mean squared error of price = slope · x + offset, as a function of p = (slope, offset)."""
    return lambda p: ((p[0] * x + p[1] - price) ** 2).mean()


H = tg.hessian(loss_of(area))([0.0, 0.0])
by_hand = 2 * np.array([[np.mean(area**2), np.mean(area)], [np.mean(area), 1]])
print(f"The Hessian by tg.hessian\n{H}\nand by hand, 2 · [[mean x², mean x], [mean x, 1]]\n{by_hand}\n")
assert np.allclose(H, by_hand, rtol=1e-12)
(mu, L), directions = np.linalg.eigh(H)
k = L / mu
print(f"Its eigenvalues: L = {L:.4f} across the valley, along {directions[:, 1].round(3)},")
print(f"and mu = {mu:.4f} along it, along {directions[:, 0].round(3)}. The condition number is k = L / mu = {k:.1f}.\n")

# --- A step of gradient descent multiplies the distance along a direction by 1 - lr · its eigenvalue. lr has to be
# below 2 / L, or the steep direction explodes; the flat one then shrinks slowly. The best lr shrinks both alike. With
# momentum the same holds for the roots of a quadratic (Polyak 1964).
r, heavy_lr = np.sqrt(k), 4 / (np.sqrt(L) + np.sqrt(mu)) ** 2
rules = {
    "SGD": (tg.SGD, {"lr": 2 / (L + mu)}, (k - 1) / (k + 1)),
    "HeavyBall": (tg.HeavyBall, {"lr": heavy_lr, "momentum": ((r - 1) / (r + 1)) ** 2}, (r - 1) / (r + 1)),
    "SGD, lr > 2 / L": (tg.SGD, {"lr": 2.02 / L}, 1.02),
}
lowest = np.linalg.lstsq(np.stack([area, np.ones(50)], 1), price, rcond=None)[0]
paths, distances = {}, {}
print("  rule               lr    a step makes of the distance 1   measured    after 30   steps to a millionth")
for name, (rule, numbers, rate) in rules.items():
    p = tg.Tensor([0.0, 0.0], requires_grad=True)
    optimizer, path = rule([p], **numbers), [p.numpy()]
    for _ in range(300):
        optimizer.zero_grad()
        loss_of(area)(p).backward()
        optimizer.step()
        path.append(p.numpy())
    distance = np.linalg.norm(path - lowest, axis=1)
    paths[name], distances[name] = np.array(path), distance
    measured = (distance[60] / distance[30]) ** (1 / 30)
    there = int(np.argmax(distance < 1e-6 * distance[0])) or "never"
    print(f"  {name:<16} {optimizer.lr:.3f} {rate:30.4f} {measured:10.4f} {distance[30]:11.2g} {there:>15}")
    assert abs(measured - rate) < 0.03
print("\nThe rate of SGD is (k - 1) / (k + 1), that of HeavyBall (√k - 1) / (√k + 1), but for a factor t: t · rate^t.")
print("Momentum remembers: across the valley its steps change sign and cancel, along it they add up.\n")

# --- The other cure is a better valley.
better = np.linalg.cond(tg.hessian(loss_of((area - area.mean()) / area.std()))([0.0, 0.0]))
print(f"With standardised areas k is {better:.1f}: one reason for standardised inputs, for LayerNorm and BatchNorm.\n")

# --- 640 parameters: a Hessian of 409,600 numbers. A product with it costs about two gradients (Pearlmutter 1994).
X, y, _, _ = tg.data.digits()
product = tg.hvp(lambda W: tg.cross_entropy(X @ W, y))
v = rng.standard_normal((64, 10))
for _ in range(5 if args.quick else 30):  # power iteration: what is steepest wins
    v = product(np.zeros((64, 10)), v / np.linalg.norm(v))
print(f"Softmax regression on digits: the steepest curvature at W = 0 is {np.linalg.norm(v):.3f}.")

try:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    a, b = np.meshgrid(np.linspace(-3, 7.5, 150), np.linspace(-3, 6, 150))
    left.contour(a, b, ((a[..., None] * area + b[..., None] - price) ** 2).mean(-1) ** 0.5, 20, colors="0.85")
    for name, colour in zip(("SGD", "HeavyBall"), tg.plots.COLOURS):
        left.plot(*paths[name][:40].T, ".-", color=colour, linewidth=1, markersize=4, label=name)
        predicted = distances[name][0] * rules[name][2] ** np.arange(120)
        right.semilogy(distances[name][:120], color=colour, label=name)
        right.semilogy(predicted, "--", color=colour, label="the slope predicted")
    left.plot(*lowest, "k*", markersize=10)
    left.set(xlabel="slope", ylabel="offset", title=f"40 steps in a valley with k = {k:.0f}", aspect="equal")
    right.set(xlabel="step", ylabel="distance to the minimum", ylim=(1e-8, 30), title="√k in place of k")
    right.legend(frameon=False)
    path = Path(args.out) / "curvature.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nThe picture is in {path}")
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
