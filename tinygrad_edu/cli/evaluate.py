"""``tinygrad-edu evaluate``: the loss and the accuracy of a run's model, on its held-out samples or on other data."""

from __future__ import annotations

import argparse
from contextlib import suppress
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
    name, what, learned, encoder = options.data or trained.data, "held out", None, None
    if options.data is None:
        runs.encoder_of(options.run, trained)
        data, encoder, _ = data_of(trained, np.random.default_rng(trained.seed))
        more = f", so that it may have learned from what would be held out now; --data {name} takes all rows"
        runs.refuse_other_data(options.run, name, data, more if is_table(name) else "")
        X, y = data.X_test, data.y_test
    elif is_table(name):
        X, y, encoder = table(options.run, trained, name)
        what, learned = "in all", learned_from(options.run, trained, name, X, y)
    else:
        data = load(name, np.random.default_rng(trained.seed))
        X, y = data.X_test, data.y_test
    model, labels = runs.model_of(options.run, trained), y.dtype.kind in "iu"
    X, y = X.astype(trained.dtype), y if labels else y.astype(trained.dtype)
    loss: Any = tg.cross_entropy if labels else tg.mse_loss
    found = tg.evaluate(model, X, y, loss)
    errors = {} if labels else runs.errors_of(model.predict(X), y, encoder)
    if options.json:
        counted = {} if learned is None else {"learned_from": learned}
        print_json({"data": str(name), "samples": len(X), **found._asdict(), **errors, **counted})
        return 0
    print(f"data    {name}: {len(X):,} samples {what}{f', and it learned from {learned:,} of them' if learned else ''}")
    if found.accuracy is None:
        print(f"result  {f'{runs.in_words(errors)}, ' if errors else ''}loss {found.loss:.4f}")
    else:
        right = round(found.accuracy * len(X))
        print(f"result  loss {found.loss:.4f}, accuracy {found.accuracy:.4f}: {right:,} of {len(X):,} are right")
    if learned and (validation := runs.validation_of(options.run)):
        print(f"        {validation} on the samples that were held out: that is how good it is on new ones")
    return 0


def learned_from(folder: Path, trained: argparse.Namespace, path: str, X: Any, y: Any) -> int | None:
    """Return how many samples of a table are among those that the run learned from; None if that is not known.

    The run's data are drawn again, from this table or from its own, whichever is as it was then.
    """
    import numpy as np

    for file in (path, trained.data):
        options = argparse.Namespace(**vars(trained) | {"data": file})
        with suppress(OSError, ValueError):
            data = data_of(options, np.random.default_rng(trained.seed))[0]
            if runs.digest(data) == runs.about(folder)["data"]:
                seen = set(rows(data.X_train, data.y_train))
                return sum(row in seen for row in rows(X.astype(trained.dtype), y.astype(data.y_train.dtype)))
    return None


def rows(X: Any, y: Any) -> list[bytes]:
    """Return each sample, with its target, as bytes that can be compared."""
    return [x.tobytes() + target.tobytes() for x, target in zip(X, y, strict=True)]


def table(folder: Path, trained: argparse.Namespace, path: str) -> tuple[Any, Any, Any]:
    """Return X and y of a table with the columns of the run's own, and how they were made."""
    encoder = runs.encoder_of(folder, trained)
    if encoder is None:
        raise ValueError(f"{folder} was not trained on a table, so {path} has other columns than its data")
    found = encoder.encode(path)
    if found.y is None:
        raise ValueError(f"{path} has no column to compare with; predict {folder} {path} says what the model answers")
    return found.X, found.y, encoder
