"""Draw the pictures of the chapters: `python docs/course/pictures.py` writes 01.png, 02.png ... beside the chapters.

Each chapter has a function, `chapter_01` and so on, which returns a figure: the first eight here, the others in
`pictures_2`. `--out FOLDER` writes elsewhere, `--only 03` one of them.
"""

import argparse
from pathlib import Path
from time import perf_counter

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


def digits_with(batch_size, epochs):
    """Return the losses over all digits after each epoch of descent, and the shortest time of an update in it."""
    X, y, _, _ = tg.data.digits(rng=0)
    model, rng = tg.mlp([64, 32, 10], rng=0), np.random.default_rng(0)
    optimizer = tg.SGD(model, lr=0.1)
    optimizer.compile()
    losses, times = [tg.evaluate(model, X, y).loss], []
    for _ in range(epochs):
        for xb, yb in tg.batches(X, y, batch_size, rng=rng):
            start = perf_counter()
            optimizer.zero_grad()
            tg.cross_entropy(model(xb), yb).backward()
            optimizer.step()
            times.append(perf_counter() - start)
        losses.append(tg.evaluate(model, X, y).loss)
    return losses, np.median(times)


def draw_noise(ax):
    """Draw how far a batch's gradient lies from that of all digits, measured and by the law. Return their number."""
    X, y, _, _ = tg.data.digits(rng=0)
    model, rng, N = tg.mlp([64, 32, 10], rng=0), np.random.default_rng(0), len(X)
    optimizer, each = tg.SGD(model), []
    for i in range(N):
        optimizer.zero_grad()
        tg.cross_entropy(model(X[i : i + 1]), y[i : i + 1]).backward()
        each.append(optimizer.buffer.grad.copy())
    errors = np.array(each) - np.mean(each, axis=0)
    sizes = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    law = np.sqrt(np.mean(np.sum(errors**2, axis=1)) / sizes)
    measured = [
        np.sqrt(np.mean([np.sum(errors[rng.choice(N, size, False)].mean(axis=0) ** 2) for _ in range(100)]))
        for size in sizes
    ]
    ax.loglog(sizes, law, color=BLUE, label="σ / √B")
    ax.loglog(sizes, law * np.sqrt((N - sizes) / (N - 1)), "--", color=GREEN, label="no sample twice")
    ax.loglog(sizes, measured, "o", color=RED, markersize=5, label="measured")
    ax.axhline(np.linalg.norm(np.mean(each, axis=0)), color="0.5", linestyle=":", label="length of the gradient")
    ax.set(title="noise of a batch's gradient", xlabel="batch size B")
    return N


def chapter_06():
    """The loss over epochs for three batch sizes, the noise of a batch's gradient, the time of an update."""
    figure, (loss, noise, time) = page(3, "Digits, 64-32-10, lr = 0.1: how many samples for a step?", (4.1, 3.4))
    for size, colour, style in ((None, BLUE, "-"), (32, RED, "--"), (1, GREEN, "-.")):
        losses, _ = digits_with(size, 10)
        loss.semilogy(losses, style, color=colour, label=f"batch size {size or 'all'}")
    loss.set(title="loss over all samples", xlabel="epoch", ylim=(1e-3, 20))
    N = draw_noise(noise)
    sizes = np.array([1, 4, 16, 32, 60, 64, 68, 100, 128, 130, 256, 500, 512, 1437])
    times = 1e6 * np.array([digits_with(size, 2 + size // 16)[1] for size in sizes])
    for size, microseconds in zip(sizes, times):
        print(f"B = {size:4}: {microseconds:6.0f} µs an update, {microseconds * -(-N // size) / 1000:6.1f} ms an epoch")
    time.loglog(sizes, times, "o-", color=BLUE, markersize=4, label="an update, in µs")
    time.loglog(sizes, times * np.ceil(N / sizes) / 1000, "s--", color=RED, markersize=4, label="an epoch, in ms")
    time.set(title="time", xlabel="batch size B", ylim=(0.8, 1e4))
    for ax in (loss, noise, time):
        ax.legend(
            frameon=False, fontsize=8, loc="upper right" if ax is loss else "lower left" if ax is noise else "best"
        )
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


def rolled(curvatures, start, a, beta, steps):
    """Return the points of heavy ball on a sum of parabolas, from rest; beta = 0 is plain descent."""
    points, velocity = [np.array(start, float)], 0.0
    for _ in range(steps):
        velocity = beta * velocity + curvatures * points[-1]
        points.append(points[-1] - a * velocity)
    return np.array(points)


def best(curvatures, beta):
    """Return the rate of heavy ball with the smallest factor of a step, and that factor, by trying 1,000 rates."""
    rates = np.linspace(0, 2 * (1 + beta) / max(curvatures), 1002)[1:-1]
    half = (1 + beta - np.outer(rates, curvatures)) / 2
    roots = [half + sign * np.sqrt(half**2 - beta + 0j) for sign in (1, -1)]
    factors = np.abs(roots).max(axis=(0, 2))
    return rates[factors.argmin()], factors.min()


def chapter_08():
    """A ravine with and without momentum; the distance for some beta; the factor of a step against beta."""
    figure, (ravine, distance, factor) = page(3, "Momentum in a ravine", (4.3, 3.4))
    curvatures = np.array([1.0, 20.0])
    x, y = np.meshgrid(np.linspace(-1, 11, 100), np.linspace(-2.3, 2.3, 100))
    ravine.contour(x, y, (x**2 + 20 * y**2) / 2, levels=[1, 5, 15, 30, 50], colors="0.8")
    for b, lr, colour, marker, label in (
        (0.0, 1.9, RED, "v", "lr = 1.9 / L"),
        (0.6, 6, BLUE, "o", "lr = 6 / L, beta = 0.6"),
    ):
        path = rolled(curvatures, (10, 2), (1 - b) * lr / 20, b, 25)
        ravine.plot(*path.T, marker=marker, markersize=4, linewidth=1, color=colour, label=label)
    ravine.set(title="condition 20, 25 steps", xlabel="along", ylabel="across", ylim=(-3.2, 3.4))
    curvatures = np.array([1.0, 100.0])
    for b, colour, style in zip(
        (0, 0.4, 0.669, 0.9, 0.97), (RED, YELLOW, BLUE, GREEN, PINK), ("-", "--", "-", "-.", ":")
    ):
        path = rolled(curvatures, (1, 1), best(curvatures, b)[0], b, 150)
        distance.semilogy(np.linalg.norm(path, axis=1), style, color=colour, label=f"beta = {b}")
    distance.set(title="condition 100: distance", xlabel="step", ylim=(1e-8, 1e5))
    betas = np.linspace(0, 0.99, 100)
    for condition, colour, style in ((100, BLUE, "-"), (10, GREEN, "--")):
        each = [best(np.array([1.0, condition]), b)[1] for b in betas]
        factor.plot(betas, each, style, color=colour, label=f"condition {condition}")
    factor.plot(betas, np.sqrt(betas), ":", color="0.5", label="√beta")
    factor.set(title="factor of a step, best rate", xlabel="beta", ylim=(0, 1.05))
    for ax, place in zip((ravine, distance, factor), ("upper right", "upper right", "lower right")):
        ax.legend(frameon=False, fontsize=8, loc=place)
    return figure


def main(names):
    """Draw the picture of each chapter among the names into the folder of this file, or into another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=Path(__file__).parent, type=Path, help="folder for the pictures")
    parser.add_argument("--only", metavar="NN", help="one chapter, as 03")
    args = parser.parse_args()
    for name, draw in names.copy().items():
        if name.startswith("chapter_") and name.removeprefix("chapter_") in (args.only or name):
            print(save(draw(), args.out / f"{name.removeprefix('chapter_')}.png"))


if __name__ == "__main__":
    import pictures_2

    main({**globals(), **vars(pictures_2)})
