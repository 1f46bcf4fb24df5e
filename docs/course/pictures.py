"""Draw the pictures of the chapters: `python docs/course/pictures.py` writes 01.png, 02.png ... beside the chapters.

Each chapter has one function here, `chapter_01` and so on, which returns a figure. `--out FOLDER` writes elsewhere.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

BLUE, RED, GREEN, PINK, YELLOW, SKY = tg.plots.COLOURS


def page(columns, title, size=(4.6, 3.4)):
    """Return a figure and its panels in the style of all chapters."""
    figure, panels = tg.plots.figure(columns, title, size=size)
    for ax in panels:
        ax.grid(alpha=0.25)
    return figure, panels


def descent(slope, w, lr, steps):
    """Return the points of w <- w - lr · slope(w)."""
    points = [w]
    for _ in range(steps):
        points.append(points[-1] - lr * slope(points[-1]))
    return np.array(points)


def save(figure, path):
    """Write a figure as a small PNG, of 128 colours; a graph as SVG. Return the path."""
    if hasattr(figure, "svg"):
        figure.svg(path.with_suffix(".svg"))
        return path.with_suffix(".svg")
    from PIL import Image

    tg.plots.save(figure, path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    return path


def chapter_01():
    """(w - 3)² from the left and from the right, and five step sizes."""
    figure, (left, right) = page(2, "J(w) = (w - 3)², whose slope is 2 (w - 3)")
    w = np.linspace(-0.5, 6.5, 200)
    left.plot(w, (w - 3) ** 2, color="0.6")
    for start, colour, label in ((0.5, BLUE, "start left: slope below 0"), (5.8, RED, "start right: slope above 0")):
        path = descent(lambda w: 2 * (w - 3), start, 0.15, 6)
        left.plot(path, (path - 3) ** 2, "o-", color=colour, markersize=5, label=label)
        reach = np.array([-0.9, 0.9])
        left.plot(start + reach, (start - 3) ** 2 + 2 * (start - 3) * reach, "--", color=colour, linewidth=1)
    left.set(xlabel="w", ylabel="J", ylim=(-1, 13), title="lr = 0.15: both run down to w = 3")
    styles = zip((0.1, 0.5, 0.9, 1.0, 1.05), (BLUE, GREEN, YELLOW, PINK, RED), "os^Dv")
    for lr, colour, marker in styles:
        path = descent(lambda w: 2 * (w - 3), 1.0, lr, 12)
        right.plot(path, marker=marker, color=colour, markersize=4, label=f"lr = {lr}: times {1 - 2 * lr:.1f}")
    right.set(xlabel="step", ylabel="w", ylim=(-5, 14), title="each step multiplies w - 3 by 1 - 2 lr")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=8, loc="upper center", ncols=1 if ax is left else 2)
    return figure


def chapter_02():
    """The cost over the steps for five rates around 2/L, and a cost with two floors."""
    figure, (left, right) = page(2, "A rate below 2/L goes down, to the floor below the start")
    for times, colour, marker in zip((0.1, 1.0, 1.8, 2.0, 2.05), (BLUE, GREEN, YELLOW, PINK, RED), "os^Dv"):
        w = descent(lambda w: 5 * (w - 1.6), 0.0, times / 5, 40)
        above = np.maximum(2.5 * (w - 1.6) ** 2, 1e-16)
        left.semilogy(above, marker=marker, markevery=5, markersize=5, color=colour, label=f"lr = {times} / L")
    left.set(xlabel="step", ylabel="J above its floor", ylim=(1e-9, 1e6), title="J = mean (w x - y)², L = 5")
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
    w = np.linspace(-1.7, 1.7, 300)
    right.plot(w, (w * w - 1) ** 2 + 0.3 * w, color="0.6")
    for start, colour, marker in ((-1.55, BLUE, "o"), (-0.1, SKY, "s"), (0.3, YELLOW, "^"), (1.55, RED, "v")):
        path = descent(lambda w: 4 * w**3 - 4 * w + 0.3, start, 0.03, 60)
        right.plot(path, (path**2 - 1) ** 2 + 0.3 * path, f"{marker}-", color=colour, ms=5, label=f"from {start}")
    right.set(xlabel="w", ylabel="J", title="two floors, lr = 0.03", ylim=(-0.6, 3))
    right.legend(frameon=False, fontsize=8, loc="upper center")
    return figure


def chapter_03():
    """The graph of (x + y) · x, whose x is used twice."""
    x, y = (tg.Tensor(value, requires_grad=True, name=name) for value, name in ((2.0, "x"), (3.0, "y")))
    return ((x + y) * x).graph()


def chapter_04():
    """Three Jacobians, which no VJP ever builds: of tanh, of a bias, of a product by its weights."""
    figure, panels = page(
        3, "Jacobians: a row for each element of the result, a column for each of the argument", (3.2, 3.4)
    )
    rng = np.random.default_rng(0)
    X, A = rng.standard_normal((4, 2)), rng.standard_normal((4, 3))
    cases = {
        "tanh(a), 12 elements": (lambda a: a.tanh(), A),
        "A + b by b: (4, 3) + (3,)": (lambda b: A + b, np.zeros(3)),
        "X @ W by W: (4, 2) @ (2, 3)": (lambda W: X @ W, np.zeros((2, 3))),
    }
    for ax, (title, (f, a)) in zip(panels, cases.items()):
        table = tg.jacobian(f)(a).reshape(12, -1)
        ax.imshow(table, cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="equal")
        ax.set(title=title, xlabel="element of the argument", ylabel="element of the result")
        ax.set_xticks(np.arange(table.shape[1] + 1) - 0.5, labels=[])
        ax.set_yticks(np.arange(13) - 0.5, labels=[])
    return figure


def chapter_05():
    """Three activations with their slopes, and the size of signals through 30 layers for four scales of weights."""
    figure, (bends, slopes, signals) = page(
        3, "What bends, how it passes gradients back, and from where to start", (3.8, 3.4)
    )
    z = tg.Tensor(np.linspace(-4, 4, 401), requires_grad=True)
    for (name, op), colour, style in zip(
        {"sigmoid": tg.sigmoid, "tanh": tg.tanh, "ReLU": tg.relu}.items(), (BLUE, GREEN, RED), ("-", "--", "-.")
    ):
        z.grad = None
        h = op(z)
        h.sum().backward()
        bends.plot(z.numpy(), h.numpy(), style, color=colour, label=name)
        slopes.plot(z.numpy(), z.grad, style, color=colour, label=name)
    bends.set(title="activation", xlabel="z", ylim=(-1.3, 2.5))
    slopes.set(title="its slope", xlabel="z", ylim=(-0.1, 1.35))
    rng = np.random.default_rng(0)
    scales = {"2 √(2/D)": 2.0, "√(2/D): He": 1.0, "√(1/D)": 0.5**0.5, "√(2/D) / 2": 0.5}
    for (label, scale), colour, marker in zip(scales.items(), (RED, GREEN, YELLOW, BLUE), "vso^"):
        h, sizes = rng.standard_normal((500, 100)), [1.0]
        for _ in range(30):
            h = np.maximum(h @ (scale * tg.init.he_normal((100, 100), rng)), 0)
            sizes.append(np.sqrt(np.mean(h**2)))
        signals.semilogy(sizes, color=colour, marker=marker, markevery=5, markersize=5, label=label)
    signals.set(title="signals, D = 100, ReLU", xlabel="layer", ylabel="root of the mean square", ylim=(1e-10, 1e17))
    bends.legend(frameon=False, fontsize=8, loc="upper left")
    slopes.legend(frameon=False, fontsize=8, loc="upper left")
    signals.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def chapter_07():
    """The weights of an average beside those of plain means; a noisy signal; the start."""
    figure, (weights, signal, start) = page(3, "V <- beta V + (1 - beta) x", (4.1, 3.4))
    ages = np.arange(40)
    average = tg.MovingAverage(0.9, bias_correction=False)
    weights.bar(ages, average.weights(40), color=BLUE, alpha=0.5, label="beta = 0.9")
    for n, colour, style in ((10, YELLOW, "--"), (19, RED, "-")):
        weights.step(
            [-0.5, *(ages + 0.5)], [1 / n, *np.where(ages < n, 1 / n, 0)], style, color=colour, label=f"mean of {n}"
        )
    weights.set(title="weight of a value", xlabel="its age", ylim=(0, 0.13))
    rng, t = np.random.default_rng(1), np.arange(1, 201)
    true = np.where(t < 100, 1.0, 2.0)
    x = true + 0.5 * rng.standard_normal(200)
    signal.plot(t, x, ".", color="0.75", markersize=4)
    signal.plot(t, true, color="black", linewidth=1)
    for beta, colour, style in ((0.8, SKY, "-"), (0.9, BLUE, "-"), (0.97, RED, "-")):
        signal.plot(t, list(tg.MovingAverage(beta).over(x)), style, color=colour, label=f"beta = {beta}")
        for corrected in (True, False):
            values = list(tg.MovingAverage(beta, corrected).over(x[:40]))
            label = f"beta = {beta}, corrected" if corrected else None
            start.plot(t[:40], values, "-" if corrected else "--", color=colour, label=label)
    signal.set(title="steady or quick", xlabel="t", ylim=(-0.5, 4))
    start.plot(t[:40], true[:40], color="black", linewidth=1)
    start.set(title="the start (dashed: V itself)", xlabel="t", ylim=(0, 2.1))
    for ax, place in zip((weights, signal, start), ("upper right", "upper left", "upper right")):
        ax.legend(frameon=False, fontsize=8, loc=place)
    return figure


def main():
    """Draw each chapter's picture into the folder of this file, or into another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=Path(__file__).parent, type=Path, help="folder for the pictures")
    parser.add_argument("--only", metavar="NN", help="one chapter, as 03")
    args = parser.parse_args()
    for name, draw in globals().copy().items():
        if name.startswith("chapter_") and name.removeprefix("chapter_") in (args.only or name):
            print(save(draw(), args.out / f"{name.removeprefix('chapter_')}.png"))


if __name__ == "__main__":
    main()
