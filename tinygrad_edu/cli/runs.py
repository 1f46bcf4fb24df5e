"""The folder of a run: model.npz after each epoch, run.json with options and figures, encoder.npz of a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import count
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..extras.files import replacing
from ..training.saved import load, save, versions
from .arguments import is_table, refuse_file

if TYPE_CHECKING:
    from ..core.layers import Layer
    from ..training.data import Encoder

MODEL, ABOUT, ENCODER = "model.npz", "run.json", "encoder.npz"
FILES = (MODEL, ABOUT, ENCODER, "history.csv", "loss.png", "boundary.png")
KEPT = (  # the options of train that say how a run goes
    *("data", "target", "missing", "drop", "kind", "hidden", "activation", "dropout", "compiled", "optimizer", "lr"),
    *("batch_size", "epochs", "dtype", "seed", "gif", "watch"),
)


def refuse_run(out: Path) -> None:
    """Raise a ValueError if out is a file, or the folder of a run."""
    refuse_file(out)
    if any((out / file).exists() for file in (MODEL, ABOUT, "history.csv")):
        raise ValueError(f"--out {out} holds a run already; --resume {out} goes on with it, another name begins anew")


def new_folder(out: Path | None, name: str) -> Path:
    """Make the folder of a new run: out, or else the first of runs/NAME, runs/NAME-2, ... that is not there yet."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        return out
    for i in count(1):
        folder = Path("runs", name if i == 1 else f"{name}-{i}")
        with suppress(FileExistsError):  # or another process is quicker
            folder.mkdir(parents=True)
            break
    return folder


def as_words(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options as they can be typed: a word for each, several, or True."""
    words: dict[str, Any] = {}
    for name in KEPT:
        value = getattr(options, name)
        if name == "data":
            value = from_anywhere(value)
        if name == "batch_size" and value is None:
            value = "all"
        if name == "hidden":
            value = ",".join(map(str, value)) or "none"
        if value is not None and value is not False and value != []:
            words[name.replace("_", "-")] = value if value is True or isinstance(value, list) else str(value)
    return words


def from_anywhere(data: str) -> str:
    """Return the name of data with an absolute path, if it has one."""
    path = Path(data.removeprefix("mnist:")).resolve()
    return f"mnist:{path}" if data.startswith("mnist:") else str(path) if is_table(data) else data


def files_of(data: str) -> list[Path]:
    """Return the files of data that have some."""
    if data.startswith("mnist:"):
        return list(Path(data.removeprefix("mnist:")).glob("*"))
    return [Path(data)] if is_table(data) else []


def arguments(words: dict[str, Any]) -> list[str]:
    """Return what to type for the options that `as_words` returned."""
    several = [(name, one) for name, value in words.items() for one in (value if isinstance(value, list) else [value])]
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in several]


def digest(arrays: Sequence[Any]) -> str:
    """Return the SHA-256 of data, to notice that a file has changed since."""
    found = sha256()
    for a in arrays:
        found.update(f"{a.dtype}{a.shape}".encode() + a.tobytes())
    return found.hexdigest()


def refuse_other_data(folder: Path, name: str, arrays: Sequence[Any], more: str) -> None:
    """Raise a ValueError if the data are not those that the run was trained on; more says what helps."""
    if about(folder)["data"] != digest(arrays):
        raise ValueError(f"{name} is not what it was when {folder} was trained{more}")


def describe(folder: Path, **what: Any) -> Path:
    """Write run.json."""
    path = folder / ABOUT
    with replacing(path) as file:
        file.write((json.dumps({**what, "versions": versions()}, indent=1) + "\n").encode())
    return path


def about(folder: Path) -> dict[str, Any]:
    """Return what run.json says. Raises ValueError if the folder holds no run, or a damaged one."""
    path = folder / ABOUT
    if not path.is_file():
        raise ValueError(f"{folder} holds no run: there is no {path}; train writes one")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        right = isinstance(found["options"], dict) and {"data", "answers"} <= found.keys()
    except (ValueError, KeyError, TypeError, RecursionError):
        right = False
    if not right:
        raise ValueError(f"{path} is damaged, or of another program")
    return dict(found)


def save_encoder(folder: Path, encoder: Encoder) -> None:
    """Write the way from a table's columns to arrays."""
    save(folder / ENCODER, encoder=encoder)


def encoder_of(folder: Path, options: argparse.Namespace) -> Encoder | None:
    """Return the way from a table's columns to arrays; None of a run on other data. options are those of the run."""
    from ..training.data import Encoder

    if not is_table(options.data):
        return None
    if not (folder / ENCODER).exists():
        raise ValueError(
            f"{folder} has no {ENCODER}, which says what the columns of its table {options.data} are; put it back, or "
            "train anew"
        )
    load(folder / ENCODER, encoder=(encoder := Encoder()))
    return encoder


def errors_of(output: Any, y: Any, encoder: Encoder | None) -> dict[str, float]:
    """Return what a regression misses its targets by: the root of the mean square, in the file's unit, and R²."""
    wrong, around = (float((values.astype(float) ** 2).sum()) for values in (output - y, y - y.mean(axis=0)))
    unit = 1.0 if encoder is None or encoder.unit is None else float(encoder.unit.deviation[0]) or 1.0
    return {"rmse": (wrong / y.size) ** 0.5 * unit, "r2": 1 - wrong / around if around else nan}


def validation_of(folder: Path) -> str:
    """Return the figure of a run on the samples that it held out, as it is printed; "" of a run that has not ended."""
    found = about(folder).get("figures", {})
    if "validation_rmse" in found:
        return f"validation {in_words({'rmse': found['validation_rmse'], 'r2': found['validation_r2']})}"
    accuracy = found.get("validation_accuracy", found.get("held_out_accuracy"))  # as version 0.1 called it
    return "" if accuracy is None else f"validation accuracy {accuracy:.4f}"


def in_words(errors: dict[str, float]) -> str:
    """Return the errors of a regression as they are printed."""
    return f"RMSE {errors['rmse']:.6g}, R^2 {errors['r2']:.4f}"


def epochs_of(folder: Path) -> int:
    """Return how many epochs the run has kept."""
    epoch = load(folder / MODEL).get("epoch") if (folder / MODEL).exists() else 0
    return epoch if isinstance(epoch, int) else 0


def model_of(folder: Path, options: argparse.Namespace) -> Layer:
    """Return the model as it was after the last whole epoch, in evaluation mode; options are those of the run."""
    from ..core.layers import mlp

    path = folder / MODEL
    if not path.exists():
        raise ValueError(f"{folder} has no {MODEL}: no epoch of this run has ended; --resume {folder} goes on with it")
    state = load(path).get("model")
    weights = [a for name, a in state.items() if name.endswith(".W") and a.ndim == 2] if isinstance(state, dict) else []
    if not weights:
        raise ValueError(f"{path} has no model of this command")
    sizes = [len(weights[0]), *(W.shape[1] for W in weights)]
    model = mlp(sizes, options.activation, options.dropout, options.dtype, 0)
    load(path, model=model)
    return model.eval()
