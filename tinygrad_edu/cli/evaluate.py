"""``tinygrad-edu evaluate``: the loss and the accuracy of a run's model, on its held-out samples or on other data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from . import runs
from .arguments import add_json, is_table, load, print_json, source
from .train import data_of, options_of

HELP = "the loss and accuracy of a model that train has saved"
DESCRIPTION = """Load the model of a run and evaluate it on the samples that the run held out; or, with --data, on the
rows of another table with the same columns, or on the held-out samples of another data set."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("run", type=Path, metavar="DIR", help="the folder of the run, as runs/digits")
    text = "other data, as my.csv, all rows of it (default: what the run held out)"
    command.add_argument("--data", type=source, help=text)
    add_json(command)


def run(options: argparse.Namespace) -> int:
    """Evaluate, and print what came out. Return the exit status."""
    import numpy as np

    import tinygrad_edu as tg

    trained = options_of(options.run)
    name, what = options.data or trained.data, "held out"
    if options.data is None:
        runs.encoder_of(options.run, trained)
        data = data_of(trained, np.random.default_rng(trained.seed))[0]
        more = f", so that it may have learned from what would be held out now; --data {name} takes all rows"
        runs.refuse_other_data(options.run, name, data, more if is_table(name) else "")
        X, y = data.X_test, data.y_test
    elif is_table(name):
        X, y, what = *table(options.run, trained, name), "in all"
    else:
        data = load(name, np.random.default_rng(trained.seed))
        X, y = data.X_test, data.y_test
    model = runs.model_of(options.run, trained)
    loss: Any = tg.cross_entropy if y.dtype.kind in "iu" else tg.mse_loss
    found = tg.evaluate(model, X.astype(trained.dtype), y if y.dtype.kind in "iu" else y.astype(trained.dtype), loss)
    if options.json:
        print_json({"data": str(name), "samples": len(X), **found._asdict()})
        return 0
    print(f"data    {name}: {len(X):,} samples {what}")
    if found.accuracy is None:
        print(f"result  loss {found.loss:.4f}")
    else:
        right = round(found.accuracy * len(X))
        print(f"result  loss {found.loss:.4f}, accuracy {found.accuracy:.4f}: {right:,} of {len(X):,} are right")
    return 0


def table(folder: Path, trained: argparse.Namespace, path: str) -> tuple[Any, Any]:
    """Return X and y of a table with the columns of the run's own."""
    encoder = runs.encoder_of(folder, trained)
    if encoder is None:
        raise ValueError(f"{folder} was not trained on a table, so {path} has other columns than its data")
    found = encoder.encode(path)
    if found.y is None:
        raise ValueError(f"{path} has no column to compare with; predict {folder} {path} says what the model answers")
    return found.X, found.y
