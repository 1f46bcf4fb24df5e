"""The suggestions of `lr_find` beside the best rates: five problems, four rules, six seeds.

The best constant rate of a grid is the one with the lowest loss after 8 epochs. The other usual suggestion is measured
too: the rate at which the smoothed loss falls most steeply on the log axis.

    python tests/benchmarks/lr_find.py  # some seconds
"""

import platform
import time

import numpy as np

import tinygrad_edu as tg

SEEDS, EPOCHS = range(6), 8
GRID = 10.0 ** np.arange(-4.5, 1.6, 0.5)
RULES = (tg.SGD, tg.HeavyBall, tg.RMSprop, tg.Adam)


def digits(seed):
    X, y, _, _ = tg.data.digits(rng=seed)
    return tg.mlp([64, 32, 10], rng=seed), X, y, tg.cross_entropy


def toy(make, sizes, activation="relu", loss=tg.cross_entropy):
    return lambda seed: (tg.mlp(sizes, activation, rng=seed), *make(rng=seed), loss)


PROBLEMS = {
    "digits": digits,
    "spirals": toy(tg.data.spirals, [2, 32, 32, 3]),
    "moons": toy(tg.data.moons, [2, 32, 2]),
    "blobs": toy(tg.data.blobs, [2, 3]),
    "regression": toy(tg.data.regression, [1, 32, 1], "tanh", tg.mse_loss),
}


def final_loss(problem, rule, lr, seed=0):
    model, X, y, loss = problem(seed)
    try:
        tg.fit(model, X, y, loss, rule(model, lr=lr), EPOCHS, rng=seed, progress=False)
        return tg.evaluate(model, X, y, loss).loss
    except ValueError:
        return np.inf


def search(problem, rule, seed):
    model, X, y, loss = problem(seed)
    found = tg.lr_find(model, X, y, loss, rule(model), rng=seed)
    least = 9 + found.smoothed[9:].argmin()  # both without the first tenth, and the steepest fall before the minimum
    steepest = 9 + np.gradient(found.smoothed)[9 : least + 1].argmin()
    return found.suggestion or np.nan, found.rates[steepest]


print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}\n")
print("problem     rule        best of grid   suggestions of seeds 0 to 5                     steepest fall")
start, ratios = time.perf_counter(), []
for name, problem in PROBLEMS.items():
    for rule in RULES:
        with np.errstate(all="ignore"):
            best = GRID[np.nanargmin([final_loss(problem, rule, lr) for lr in GRID])]
        found = np.array([search(problem, rule, seed) for seed in SEEDS]).T
        ratios.append(found / best)
        texts = ["  ".join(f"{lr:.0e}" for lr in row) for row in found]
        print(f"{name:10}  {rule.__name__:10}  {best:12.0e}   {texts[0]}      {texts[1]}")
print(f"\nshare of the best rate (quantiles 0, 1/4, 1/2, 3/4, 1), {time.perf_counter() - start:.0f} s")
for label, values in zip(("suggestion", "steepest fall"), np.concatenate(ratios, axis=1)):
    quantiles = "  ".join(f"{q:.3f}" for q in np.nanquantile(values, [0, 0.25, 0.5, 0.75, 1]))
    print(f"{label:13}  {quantiles}  none: {np.isnan(values).sum()}")
