"""``tinygrad-edu predict``: what a run's model answers for each row of a CSV file."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import Any

from ..extras.files import place, replacing
from ..training.data import finite
from . import runs
from .train import options_of

HELP = "what a model that train has saved answers for the rows of a CSV file"
DESCRIPTION = """Load the model of a run and print, as CSV, its answer for each row of a file: the class and its
probability, or the number. The file has the columns of the table that the run was trained on, in any order; of other
data, the features as numbers."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("run", type=Path, metavar="DIR", help="the folder of the run, as runs/digits")
    command.add_argument("file", metavar="FILE.csv", help="the rows to predict; it needs no target column")
    command.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: standard output)")


def run(options: argparse.Namespace) -> int:
    """Predict, and print the answers. Return the exit status."""
    trained = options_of(options.run)
    if options.out is not None:
        ours = [*runs.files_of(trained.data), *(options.run / name for name in runs.FILES)]
        refuse_to_replace(options.out, [Path(options.file), *ours])
    encoder = runs.encoder_of(options.run, trained)
    X = numbers(options.file) if encoder is None else encoder.encode(options.file).X
    model: Any = runs.model_of(options.run, trained)
    features = model.parameters()[0].shape[0]
    if X.shape[1] != features:
        raise ValueError(f"{options.file} has {X.shape[1]} columns, the model takes {features}")
    with model.evaluating():
        output = model(X.astype(trained.dtype))
    finite("the model's output", output)
    answers = output.numpy() if encoder is None else encoder.decode(output)
    if runs.about(options.run)["answers"] == "numbers":
        rows: list[list[Any]] = [["prediction"], *([float(f"{answer:.6g}")] for answer in answers.ravel())]
    else:
        answers = answers.argmax(axis=1) if encoder is None else answers
        sure = output.softmax().numpy().max(axis=1)
        rows = [["prediction", "probability"], *([a, f"{p:.4f}"] for a, p in zip(answers, sure, strict=True))]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if options.out is None:
        print(text.getvalue(), end="")
        return 0
    with replacing(place(options.out)) as file:
        file.write(text.getvalue().encode())
    print(f"wrote   {options.out}")
    return 0


def refuse_to_replace(out: Path, files: list[Path]) -> None:
    """Raise a ValueError if out is one of the files of data and run."""
    for file in files:
        if out.resolve() == file.resolve() or (out.exists() and file.exists() and out.samefile(file)):
            raise ValueError(f"--out {out} would replace {file}, of the data or of the run; give another name")


def numbers(path: str) -> Any:
    """Return the numbers of a CSV file, without its first line if that has names."""
    import numpy as np

    with open(path, encoding="utf-8-sig") as file:
        first = file.readline().split(",")
    try:
        named = not [float(cell) for cell in first]
    except ValueError:
        named = True
    try:
        found = np.loadtxt(path, delimiter=",", skiprows=int(named), ndmin=2, encoding="utf-8-sig")
    except ValueError as error:
        raise ValueError(f"{path} holds other things than numbers: {error}") from None
    return finite(path, found)
