"""The pictures of chapters 9 to 16; `python docs/course/pictures.py` draws them with the others."""

import numpy as np
from pictures import BLUE, GREEN, PINK, RED, SKY, YELLOW, page

import tinygrad_edu as tg


def steps(rule, slopes, **numbers):
    """Return the steps of a rule along these slopes, in units of its rate."""
    w, path = tg.Tensor(0.0, requires_grad=True), [0.0]
    optimizer = rule([w], lr=1.0, **numbers)
    for g in slopes:
        w.grad = np.array(float(g))
        optimizer.step()
        path.append(w.item())
    return -np.diff(path)


def chapter_09():
    """Where a slope counts as small; steady slopes; a slope that becomes a tenth."""
    figure, (small, steady, falling) = page(3, "A slope, divided by its usual size", size=(4, 3.4))
    g = np.geomspace(1e-11, 1, 200)
    small.loglog(g, g / (g + 1e-8), color=BLUE, label="eps outside: g / (√v + eps)")
    small.loglog(g, g / np.sqrt(g**2 + 1e-8), "--", color=RED, label="eps inside: g / √(v + eps)")
    small.set(xlabel="size of a steady slope", ylabel="step / lr", ylim=(1e-4, 20), title="eps = 1e-8")
    t = np.arange(1, 401)
    slopes = np.where(t <= 100, 1.0, 0.1)
    for ax, given, title in ((steady, t**0.0, "a steady slope"), (falling, slopes, "from step 101 on a tenth")):
        ax.semilogy(t, steps(tg.Adagrad, given), color=GREEN, label="AdaGrad")
        ax.semilogy(t, steps(tg.RMSprop, given), color=RED, label="RMSProp, rho = 0.99")
        ax.set(xlabel="step", ylim=(3e-3, 20), title=title)
    for ax in (small, steady, falling):
        ax.legend(frameon=False, fontsize=8, loc="upper left" if ax is small else "upper right")
    return figure


def first_steps(t, m_corrected, v_corrected):
    """Return the steps of Adam for a steady slope, in units of lr."""
    m = 1.0 if m_corrected else 1 - 0.9**t
    v = 1.0 if v_corrected else 1 - 0.999**t
    return m / np.sqrt(v) + 0 * t


def game(rule, turns):
    """Return the path of the example of Reddi et al.: a slope of 4, then twice -1, between -1 and 1."""
    w, path = tg.Tensor(0.0, requires_grad=True), [0.0]
    optimizer = rule([w], lr=lambda t: 0.5 / t**0.5, beta1=0.0, beta2=1 / 17)
    for t in range(turns):
        w.grad = np.array(4.0 if t % 3 == 0 else -1.0)
        optimizer.step()
        w.data = np.clip(w.numpy(), -1, 1)
        path.append(w.item())
    return np.array(path)


def chapter_10():
    """The correction, the agreement of slopes, and Reddi's example."""
    figure, (start, agreement, failing) = page(3, "Adam: m / √v, both corrected", size=(4, 3.4))
    t = np.arange(1, 101)
    for m, v, colour, style, label in (
        (True, True, BLUE, "-", "both corrected"),
        (False, False, RED, "--", "none"),
        (True, False, YELLOW, ":", "only m"),
        (False, True, PINK, "-.", "only v"),
    ):
        start.loglog(t, first_steps(t, m, v), style, color=colour, label=label)
    start.set(xlabel="step", ylabel="step / lr", title="a steady slope", ylim=(0.05, 60))
    rng, noises = np.random.default_rng(0), np.array([0.1, 0.2, 0.5, 1, 2, 5, 10])
    sizes = [np.abs(steps(tg.Adam, 1 + noise * rng.standard_normal(3000))[500:]).mean() for noise in noises]
    agreement.semilogx(noises, sizes, "o-", color=GREEN, label="mean length of a step / lr")
    agreement.set(xlabel="noise of a slope whose mean is 1", ylim=(0, 1.1), title="slopes that disagree")
    for rule, colour in ((tg.Adam, RED), (tg.AMSGrad, BLUE)):
        failing.plot(game(rule, 900), color=colour, label=rule.__name__)
    failing.set(xlabel="step", ylabel="w", ylim=(-1.1, 1.1), title="Reddi: w should go to -1")
    for ax, place in ((start, "upper right"), (agreement, "lower left"), (failing, "center right")):
        ax.legend(frameon=False, fontsize=8, loc=place)
    return figure


def arrivals(rule, rates, steps=250):
    """Return for each rate the step from which on a path stays at the minimum of the narrow valley, or NaN."""
    found = []
    for lr in rates:
        (run,) = tg.race("valley", [rule], steps=steps, lr=float(lr)).runs
        found.append(np.nan if run.arrived is None else run.arrived)
    return np.array(found, float)


def chapter_11():
    """Paths and losses at stated rates, and what they hide: the steps to the minimum against the rate."""
    figure, (paths, losses, windows) = page(3, "One picture, and what it hides", size=(4.2, 3.6))
    rules = ("sgd", "momentum", "rmsprop", "adam")
    race, colours, marks = tg.race("beale", rules), (BLUE, GREEN, PINK, RED), "o^sD"
    left, right, bottom, top = race.surface.box
    x, y = np.meshgrid(np.linspace(left, right, 150), np.linspace(bottom, top, 150))
    values = race.surface.values(np.stack([x, y], -1))
    paths.contour(x, y, values, np.geomspace(0.05, 200, 14), colors="0.85", linewidths=0.8)
    for run, colour, mark in zip(race.runs, colours, marks):
        paths.plot(*run.path.T, color=colour, linewidth=1.3, marker=mark, markevery=[0, -1], markersize=5)
        losses.semilogy(run.losses, color=colour, label=f"{run.rule}, lr = {run.lr:g}")
    paths.plot(*np.array(race.surface.minima).T, "k*", markersize=9)
    paths.set(xlim=(left, right), ylim=(bottom, top), title="Beale, stated rates")
    losses.set(xlabel="step", title="the losses of these paths", ylim=(1e-9, None))
    rates = np.geomspace(0.01, 100, 17)
    for rule, colour, mark in zip(rules, colours, marks):
        windows.loglog(rates, arrivals(rule, rates), color=colour, marker=mark, markersize=3, label=rule)
    windows.set(xlabel="learning rate", title="narrow valley: steps to the minimum", ylim=(20, 300))
    losses.legend(frameon=False, fontsize=8, loc="lower left")
    windows.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


class Uncorrected(tg.Adam):
    """Adam without bias correction: the same kernel, with c1 = c2 = 1."""

    def scalars(self, t, *hyper):
        lr, beta1, beta2, one_minus_beta1, one_minus_beta2, _, _, eps = super().scalars(t, *hyper)
        return lr, beta1, beta2, one_minus_beta1, one_minus_beta2, 1, 1, eps


def after_one_pass(rule, lr, beta2):
    """Return the loss of an autoencoder of digits after a pass."""
    X = tg.data.digits(rng=0).X_train
    model = tg.mlp([64, 16, 64], activation="softplus", rng=0)
    optimizer = rule(model, lr=float(lr), beta2=beta2)
    tg.fit(model, X, X, tg.mse_loss, optimizer, epochs=1, batch_size=32, rng=0, progress=False)
    return tg.mse_loss(model(X), X).item()


def chapter_12():
    """The factor of steps without correction, and the loss against the rate with and without."""
    figure, (law, measured) = page(2, "What the correction is for")
    t = np.arange(1, 20001)
    for beta2, colour in ((0.99, GREEN), (0.999, BLUE), (0.9999, RED)):
        for beta1, style in ((0.0, "-"), (0.9, "--")):
            factor = (1 - beta1**t) / np.sqrt(1 - beta2**t)
            law.loglog(t, factor, style, color=colour, label=f"beta1 = {beta1:g}, beta2 = {beta2:g}")
    law.set(xlabel="update", ylabel="times too long", title="steps without correction")
    rates = np.geomspace(1e-4, 0.3, 12)
    for rule, style in ((tg.Adam, "o-"), (Uncorrected, "s--")):
        for beta2, colour in ((0.99, GREEN), (0.9999, RED)):
            losses = [after_one_pass(rule, lr, beta2) for lr in rates]
            measured.loglog(
                rates, losses, style, color=colour, markersize=4, label=f"{rule.__name__}, beta2 = {beta2:g}"
            )
    measured.set(xlabel="learning rate", ylabel="loss after a pass", title="an autoencoder of digits", ylim=(0.05, 1))
    law.legend(frameon=False, fontsize=8)
    measured.legend(frameon=False, fontsize=8)
    return figure


def decaying(rule, updates=500, runs=300, **numbers):
    """Return the means of two weights, of large and of small slopes without a direction, over the updates."""
    w, rng, path = tg.Tensor(np.ones((runs, 2)), requires_grad=True), np.random.default_rng(0), []
    optimizer = rule([w], lr=0.01, **numbers)
    for _ in range(updates):
        path.append(w.numpy().mean(axis=0))
        w.grad = rng.standard_normal((runs, 2)) * [10, 0.1]
        optimizer.step()
    return np.array(path)


def jitter(lr, updates=400, runs=2000, mean=False):
    """Return the mean square of a weight that begins at 3 and has noisy slopes; or of the mean of its second half."""
    w, rng, path = tg.Tensor(np.full(runs, 3.0), requires_grad=True), np.random.default_rng(0), []
    optimizer = tg.SGD([w], lr=lr)
    for _ in range(updates):
        path.append(w.numpy())
        w.grad = w.numpy() + rng.standard_normal(runs)
        optimizer.step()
    if mean:
        half = np.array(path[updates // 2 :])
        path = np.cumsum(half, axis=0) / np.arange(1, len(half) + 1)[:, None]
    return (np.array(path) ** 2).mean(axis=1)


def chapter_13():
    """Decay in two ways; jitter, schedules and averages; and the rate of a usual training."""
    figure, (decay, noise, rate) = page(3, "Around Adam", size=(4, 3.4))
    for rule, numbers, colour in ((tg.Adam, {"l2": 0.1}, RED), (tg.AdamW, {"weight_decay": 0.1}, BLUE)):
        name = "L2 in Adam" if rule is tg.Adam else "AdamW"
        for column, style, slopes in ((0, "-", "large"), (1, "--", "small")):
            path = decaying(rule, **numbers)[:, column]
            decay.plot(path, style, color=colour, label=f"{name}, {slopes} slopes")
    decay.set(xlabel="update", title="the mean of a weight", ylim=(-0.05, 1.75))
    cosine = tg.schedules.cosine(0.1, 400)
    for lr, colour, name in ((0.1, RED, "lr = 0.1"), (0.01, GREEN, "lr = 0.01"), (cosine, BLUE, "cosine from 0.1")):
        noise.semilogy(jitter(lr), color=colour, label=name)
    noise.semilogy(np.arange(200, 400), jitter(0.1, mean=True), "--", color=PINK, label="lr = 0.1, mean of the way")
    noise.set(xlabel="update", title="mean square distance", ylim=(1e-4, 300))
    steps = np.arange(1, 1001)
    usual = tg.schedules.linear_warmup(tg.schedules.cosine(0.01, 1000), steps=100)
    rate.plot(steps, [usual(int(t)) for t in steps], color=SKY, label="warm-up, then cosine")
    rate.set(xlabel="update", title="the rate of a training", ylim=(0, 0.013))
    for ax in (decay, noise, rate):
        ax.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def chapter_14():
    """The error of a slope that is measured, against h."""
    figure, panels = page(2, "The slope of sin at 1, measured: the error against h")
    for ax, dtype, hs in (
        (panels[0], np.float64, np.geomspace(1e-15, 1, 400)),
        (panels[1], np.float32, np.geomspace(1e-7, 1, 300)),
    ):
        h, x = hs.astype(dtype), dtype(1)
        one = (np.sin(x + h) - np.sin(x)) / h
        two = (np.sin(x + h) - np.sin(x - h)) / (2 * h)
        for found, colour, label in ((one, RED, "one side"), (two, BLUE, "both sides")):
            error = np.maximum(np.abs(found.astype(float) - np.cos(1.0)), 1e-16)
            ax.loglog(hs, error, ".", color=colour, markersize=3, label=label)
        ax.set(xlabel="h", ylabel="error", title=dtype.__name__, ylim=(1e-13, 10))
        ax.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def steepest(optimizer, loss, rounds=20, h=1e-4):
    """Return the largest curvature at the weights, by products with the Hessian: differences of gradients."""

    def gradient(point):
        optimizer.buffer.data[:] = point
        optimizer.zero_grad()
        loss().backward()
        return optimizer.buffer.grad.copy()

    here = optimizer.buffer.data.copy()
    v = np.random.default_rng(0).standard_normal(here.shape)
    for _ in range(rounds):
        v /= np.linalg.norm(v)
        v = (gradient(here + h * v) - gradient(here - h * v)) / (2 * h)
    gradient(here)
    return np.linalg.norm(v)


def chapter_15():
    """The wall at 2 / L, and the largest curvature while a network learns."""
    figure, (wall, edge) = page(2, "Curvature, from the gradient's own program")
    rng = np.random.default_rng(0)
    area = rng.uniform(0.4, 1.6, 50)
    A = np.stack([area, np.ones(50)], 1)
    H = 2 * A.T @ A / 50
    shares = np.linspace(0.7, 1.06, 80)
    losses = []
    for share in shares:
        p, lr = np.array([-3.0, -0.5]), share * 2 / np.linalg.eigvalsh(H)[-1]
        for _ in range(200):
            p = p - lr * H @ p
        losses.append(p @ H @ p / 2)
    wall.semilogy(shares, losses, color=BLUE)
    wall.axvline(1, color="0.5", linestyle=":")
    wall.set(xlabel="rate / (2 / L)", ylabel="loss after 200 steps", title="a line through 50 points")
    X, y = (part[:200] for part in tg.data.digits(rng=0)[:2])
    for lr, colour, mark in ((0.5, GREEN, "o"), (1.0, RED, "s")):
        model, found = tg.mlp([64, 16, 10], activation="tanh", rng=0), []
        optimizer = tg.SGD(model, lr=lr)

        def loss(model=model):
            return tg.cross_entropy(model(X), y)

        for t in range(301):
            if t % 10 == 0:
                found.append(steepest(optimizer, loss))
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        edge.plot(np.arange(len(found)) * 10, found, color=colour, marker=mark, markersize=3, label=f"lr = {lr:g}")
        edge.axhline(2 / lr, color=colour, linestyle=":", label=f"2 / {lr:g}")
    edge.set(
        xlabel="update, all 200 samples each", ylabel="largest curvature", title="200 digits, 64-16-10", ylim=(0, None)
    )
    edge.legend(frameon=False, fontsize=8)
    return figure


class Overwritten(tg.Adam):
    """Adam whose corrected averages are written back, as much popular code has it."""

    def step(self):
        super().step()
        t = self.t
        self.buffer_of("m")[...] /= 1 - 0.9**t
        self.buffer_of("v")[...] /= 1 - 0.999**t

    def buffer_of(self, name):
        return getattr(self, name)


def losses_of(model, optimizer, X, y, updates=180):
    """Return the loss of each batch of a training."""
    found, rng = [], np.random.default_rng(0)
    while len(found) < updates:
        for xb, yb in tg.batches(X, y, 64, rng=rng):
            optimizer.zero_grad()
            loss = tg.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return np.array(found[:updates])


def chapter_16():
    """Six trainings, five of them broken; and the curve of lr_find."""
    figure, (curves, near, finder) = page(3, "Which of these is sound?", size=(4.2, 3.6))
    X, y = tg.data.digits(rng=0)[:2]
    order = np.random.default_rng(0).permutation(len(y))

    def network(activation="relu", bias=0.0):
        model = tg.mlp([64, 32, 10], activation=activation, rng=0)
        model[0].b.data = model[0].b.numpy() + bias
        return model

    rows = [
        ("sound", network(), tg.Adam, 0.01, X, y, BLUE),
        ("1: the rate", network(), tg.Adam, 1e-5, X, y, GREEN),
        ("2: dead units", network(bias=-1.5), tg.Adam, 0.003, X, y, PINK),
        ("3: the scale", network("tanh"), tg.Adam, 0.01, 1000 * X, y, YELLOW),
        ("4: the rule", network(), Overwritten, 0.01, X, y, RED),
        ("5: the labels", network(), tg.Adam, 0.01, X, y[order], SKY),
    ]
    for name, model, rule, lr, data, labels, colour in rows:
        found = losses_of(model, rule(model, lr=lr), data, labels)
        smooth = np.convolve(np.pad(found, 5, mode="edge"), np.ones(11) / 11, "valid")
        for ax in (curves, near):
            ax.plot(smooth, color=colour, label=name)
    curves.set(xlabel="update", ylabel="loss, smoothed", yscale="log", ylim=(0.05, 60), title="digits, 64-32-10")
    near.set(xlabel="update", ylim=(1.95, 2.45), title="the same, near ln 10 = 2.3")
    model = network()
    found = tg.lr_find(model, X, y, optimizer=tg.Adam(model), rng=0)
    finder.semilogx(found.rates, found.smoothed, color=BLUE)
    finder.axvline(found.suggestion, color="0.5", linestyle=":")
    finder.set(xlabel="learning rate", ylabel="loss, smoothed", title="lr_find")
    curves.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    return figure
