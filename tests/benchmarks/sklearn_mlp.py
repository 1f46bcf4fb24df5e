"""Seconds and accuracy of a whole fit: our MLPClassifier beside scikit-learn's own, measured in one run.

    python tests/benchmarks/sklearn_mlp.py             # some minutes
    python tests/benchmarks/sklearn_mlp.py --rounds 3 --epochs 20
    python tests/benchmarks/sklearn_mlp.py --sweep     # a grid search with one worker and with two, of both
    python tests/benchmarks/sklearn_mlp.py --defaults  # scores of both with the arguments that they have by themselves

    pip install scikit-learn

Both learn the same samples, scaled beforehand, with the same network, batches, epochs and Adam, from random weights and
in an order of their own, without l2, and neither stops early. Each has a process of its own with one thread of BLAS,
where it waits while the others are measured. First each trains once, untimed, which brings our compiled step into its
cache. Then they take turns, and a round is one fit of each with the round's seed. Seconds are medians over the rounds,
a ratio is the median of the ratios round by round, and the accuracy is the mean on samples that were held out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy; the processes inherit it

import step

CASES = {  # data: hidden layers, batch, epochs
    "moons, batch 32": ("moons", (16, 16), 32, 100),
    "digits, two layers": ("digits", (64, 32), 32, 50),
    "digits, batch 32": ("digits", (100,), 32, 50),
    "digits, batch 200": ("digits", (100,), 200, 100),  # the sizes that scikit-learn's network has by default
}


def samples(name):
    """X_train, X_test, y_train, y_test; each feature of the training part has mean 0 and deviation 1."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    made = name == "moons"
    X, y = datasets.make_moons(1000, noise=0.2, random_state=0) if made else datasets.load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def theirs(hidden, batch, epochs, seed):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        hidden,
        alpha=0,
        batch_size=batch,
        learning_rate_init=0.001,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs + 1,  # which does not come
        random_state=seed,
    )


def ours(hidden, batch, epochs, seed, compiled=False):
    import tinygrad_edu as tg

    return tg.MLPClassifier(
        hidden, lr=0.001, l2=0, batch_size=batch, epochs=epochs, standardize=False, random_state=seed, compiled=compiled
    )


def compiled(*sizes):
    return ours(*sizes, compiled=True)


MAKERS = {"scikit-learn": theirs, "ours, eager": ours, "ours, compiled": compiled}


def worker(make, pipe):
    """Train and test for each request."""
    warnings.simplefilter("ignore")  # scikit-learn's about max_iter
    while request := pipe.recv():
        name, hidden, batch, epochs, seed = request
        X_train, X_test, y_train, y_test = samples(name)
        model = make(hidden, batch, epochs, seed)
        start = step.clock()
        model.fit(X_train, y_train)
        seconds = step.clock() - start
        if len(model.loss_curve_) != epochs:
            raise RuntimeError(f"{model} stopped after {len(model.loss_curve_)} of {epochs} epochs")
        pipe.send((seconds, model.score(X_test, y_test)))


def main(rounds, epochs):
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name, make in MAKERS.items():
        pipes[name], end = context.Pipe()
        context.Process(target=worker, args=(make, end), daemon=True).start()

    def ask(name, *request):
        pipes[name].send(request)
        return pipes[name].recv()

    print(f"| seconds of a fit; accuracy | {' | '.join(MAKERS)} | scikit-learn / eager | scikit-learn / compiled |")
    print(f"|---|{'---:|' * (len(MAKERS) + 2)}", flush=True)
    for label, (data, hidden, batch, usual) in CASES.items():
        count = epochs or usual
        for name in MAKERS:
            ask(name, data, hidden, batch, count, 0)
        found = {name: [] for name in MAKERS}
        for seed in range(rounds):
            for name, fits in found.items():
                fits.append(ask(name, data, hidden, batch, count, seed))
        took = {name: [seconds for seconds, _ in fits] for name, fits in found.items()}
        cells = [
            f"{statistics.median(took[name]):.3f}; {statistics.fmean(right for _, right in fits):.3f}"
            for name, fits in found.items()
        ]
        cells += [f"{step.ratio(took, name, 'scikit-learn'):.2f}" for name in list(MAKERS)[1:]]
        print(f"| {label}, hidden {hidden}, {count} epochs | {' | '.join(cells)} |", flush=True)
    for pipe in pipes.values():
        pipe.send(None)


def sweep(rounds, epochs):
    """Seconds of a grid search with one worker and with two: four learning rates, four folds of digits, two layers."""
    from sklearn.model_selection import GridSearchCV

    name, hidden, batch, usual = CASES["digits, two layers"]
    X, _, y, _ = samples(name)
    rates = [0.0003, 0.001, 0.003, 0.01]
    found = {(name, workers): [] for name in MAKERS for workers in (1, 2)}
    for seed in range(rounds + 1):  # the first is not counted: workers start, and compile
        for (name, workers), took in found.items():
            grid = {"learning_rate_init" if name == "scikit-learn" else "lr": rates}
            model = MAKERS[name](hidden, batch, epochs or usual, seed)
            search = GridSearchCV(model, grid, cv=4, n_jobs=workers, refit=False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                start = time.perf_counter()
                search.fit(X, y)
            took.append(time.perf_counter() - start)
    found = {key: took[1:] for key, took in found.items()}
    print(
        "| a sweep of 16 fits, seconds | one worker | two | one / two | scikit-learn / it, two |\n|---|" + "---:|" * 4
    )
    for name in MAKERS:
        one, two = (statistics.median(found[name, workers]) for workers in (1, 2))
        cells = f"{one:.2f}", f"{two:.2f}"
        cells += (
            f"{step.ratio(found, (name, 2), (name, 1)):.2f}",
            f"{step.ratio(found, (name, 2), ('scikit-learn', 2)):.2f}",
        )
        print(f"| {name} | {' | '.join(cells)} |")


def defaults():
    """Cross-validated scores, in four parts for each of two seeds: accuracy, and R² of the regression."""
    import numpy as np
    from sklearn import datasets, model_selection, neural_network
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import tinygrad_edu as tg

    warnings.simplefilter("ignore")  # that scikit-learn's have not converged
    scaled = lambda kind: lambda **seed: make_pipeline(StandardScaler(), kind(**seed))
    classifier, regressor = neural_network.MLPClassifier, neural_network.MLPRegressor
    makers = {
        "scikit-learn": (classifier, regressor),
        "scikit-learn behind StandardScaler": (scaled(classifier), scaled(regressor)),
        "ours": (tg.MLPClassifier, tg.MLPRegressor),
    }
    loaders = {
        "digits": datasets.load_digits,
        "moons (200)": lambda return_X_y: datasets.make_moons(200, noise=0.2, random_state=0),
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
        "Friedman's first (300)": lambda return_X_y: datasets.make_friedman1(300, noise=1.0, random_state=0),
    }
    print(f"| data | {' | '.join(makers)} |\n|---|{'---:|' * len(makers)}", flush=True)
    for name, load in loaders.items():
        X, y = load(return_X_y=True)
        regression = y.dtype.kind == "f"
        parts = model_selection.KFold if regression else model_selection.StratifiedKFold
        cells = []
        for pair in makers.values():
            scores = [
                model_selection.cross_val_score(
                    pair[regression](random_state=seed), X, y, cv=parts(4, shuffle=True, random_state=seed)
                )
                for seed in range(2)
            ]
            cells.append(f"{np.mean(scores):.3f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, help="another number than the table's")
    parser.add_argument("--sweep", action="store_true", help="a grid search in place of single fits")
    parser.add_argument("--defaults", action="store_true", help="compare scores, with the arguments by default")
    parser.add_argument("--processor", action="store_true", help="the time of its processor, not the clock's")
    given = parser.parse_args()
    if given.processor:
        os.environ["STEP_PROCESSOR"] = "1"  # for the processes
    step.machine(("numpy", "numba", "scikit-learn"))
    if given.defaults:
        defaults()
    else:
        (sweep if given.sweep else main)(given.rounds, given.epochs)
