"""Draw the pictures of chapters 9 to 16, as pictures.py does those before: `python docs/course/pictures_2.py`."""

import numpy as np
from pictures import BLUE, GREEN, PINK, RED, SKY, YELLOW, main, page

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


if __name__ == "__main__":
    main(globals())
