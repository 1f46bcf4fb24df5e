"""The command line: ``tinygrad-edu train`` trains a small MLP and shows what it did. Also ``python -m tinygrad_edu``.

Nothing but argparse is imported before the arguments are read, so that --help and --version answer at once.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from . import __version__

TOY_SETS = ("moons", "circles", "spirals", "blobs", "xor", "regression")
OPTIMIZERS = {  # the class, and a learning rate that suits these small networks
    "sgd": ("SGD", 0.1),
    "momentum": ("Momentum", 0.5),
    "heavy_ball": ("HeavyBall", 0.05),
    "nesterov": ("Nesterov", 0.05),
    "adagrad": ("Adagrad", 0.05),
    "rmsprop": ("RMSprop", 0.001),
    "adam": ("Adam", 0.002),
    "adamw": ("AdamW", 0.002),
}


class Parser(argparse.ArgumentParser):
    """argparse, but with one sentence for a mistake."""

    def error(self, message: str) -> NoReturn:
        """One sentence, without the usage text above it."""
        self.exit(2, f"{self.prog}: {message}\n")


def whole(what: str, least: int) -> Any:
    """A reader of whole numbers from least on; what names them in its error."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"got {text!r}, but {what} is a whole number, at least {least}")
        return number

    return read


def share(text: str) -> float:
    """A number from 0 to below 1."""
    number = real(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, but the share to drop is at least 0 and below 1")
    return number


def real(text: str) -> float:
    """A finite number, at least 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be a finite number, at least 0")
    return number


def batch(text: str) -> int | None:
    """A batch size; None for all samples."""
    return None if text == "all" else whole('the batch size is "all" or', 1)(text)


def sizes(text: str) -> list[int]:
    """Hidden sizes, as in "64,32"."""
    return [] if text == "none" else [whole("each hidden layer's size", 1)(part) for part in text.split(",")]


def source(text: str) -> str:
    """The name of a data set, or mnist: and a folder."""
    if text not in ("digits", *TOY_SETS) and not (text.startswith("mnist:") and text != "mnist:"):
        known = ", ".join(("digits", *TOY_SETS))
        raise argparse.ArgumentTypeError(f"there is no data {text!r}; choose from {known}, or mnist:FOLDER")
    return text


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = Parser(prog="tinygrad-edu", description="Backpropagation and optimizers, from scratch and to be read.")
    top.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="train")
    command = commands.add_parser(
        "train",
        help="train a small network and show how it went",
        description="Train a multi-layer perceptron; by default on 1,437 real handwritten digits, to read 360 others.",
    )
    add = command.add_argument
    add(
        "--data",
        type=source,
        default="digits",
        help=f"digits, {', '.join(TOY_SETS)}, or mnist:FOLDER with MNIST's four files (default: digits)",
    )
    add(
        "--hidden",
        type=sizes,
        metavar="N,N",
        help='hidden sizes, as 64,32, or "none" (default: 128,128, toy sets 32,32)',
    )
    add(
        "--activation",
        default="relu",
        choices=["relu", "leaky_relu", "tanh", "sigmoid", "softplus"],
        help="after each hidden layer (default: relu)",
    )
    add(
        "--dropout",
        type=share,
        metavar="P",
        help="share of hidden values to drop in training (default: 0.25, toy sets 0)",
    )
    add("--optimizer", default="adam", choices=list(OPTIMIZERS), help="the update rule (default: adam)")
    add("--lr", type=real, help="learning rate (default: one that suits the rule)")
    add(
        "--batch-size",
        type=batch,
        default=32,
        metavar="N",
        help='samples for each update, or "all" (default: 32)',
    )
    add(
        "--epochs",
        type=whole("epochs", 1),
        metavar="N",
        help="passes over the data (default: 50, toy sets 100, MNIST 5)",
    )
    add("--dtype", default="float64", choices=["float32", "float64"], help="of data and parameters (default: float64)")
    add("--seed", type=whole("the seed", 0), default=0, metavar="N", help="of data, weights and batches (default: 0)")
    add("--out", type=Path, metavar="DIR", help="where pictures and history.csv go (default: runs/DATA)")
    add("--quick", action="store_true", help="3 epochs, unless --epochs says otherwise")
    add("--json", action="store_true", help="print the result as one JSON object; all else goes to standard error")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0; 1 if a gradient is wrong; 2 for input that cannot be used;
    130 after Ctrl-C outside the training loop."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ·
    try:
        return train(options)
    except KeyboardInterrupt:
        print(f"tinygrad-edu {options.command}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, MemoryError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{error.strerror}: {error.filename}"
        print(f"tinygrad-edu {options.command}: {text}", file=sys.stderr)
        return 2


def train(options: argparse.Namespace) -> int:
    """Train, say how it went, check the gradient, write pictures. Returns the exit status."""
    import numpy as np

    import tinygrad_edu as tg

    say = sys.stderr if options.json else sys.stdout
    toy, files = options.data in TOY_SETS, options.data.startswith("mnist:")
    hidden = options.hidden if options.hidden is not None else ([32, 32] if toy else [128, 128])
    dropout = options.dropout if options.dropout is not None else (0.0 if toy else 0.25)
    epochs = options.epochs or (3 if options.quick else 100 if toy else 5 if files else 50)
    rng = np.random.default_rng(options.seed)
    out = options.out or Path("runs") / options.data.partition(":")[0]
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; it has to be a folder, or not there yet")

    data = load(options.data, rng)
    out.mkdir(parents=True, exist_ok=True)
    (out / "history.csv").touch()  # what cannot be written is said now, not after the training
    X_train, X_test = (X.astype(options.dtype) for X in (data.X_train, data.X_test))
    labels = data.y_train.dtype.kind in "iu"
    y_train, y_test = (y if labels else y.astype(options.dtype) for y in (data.y_train, data.y_test))
    outputs = int(y_train.max()) + 1 if labels else y_train.shape[1]
    kinds = f"{outputs} classes" if labels else f"{outputs} target to hit"
    print(f"data    {options.data}: {len(X_train):,} samples to learn from, {len(X_test):,} held out,", file=say)
    print(f"        {X_train.shape[1]} feature{'s' * (X_train.shape[1] > 1)}, {kinds}\n", file=say)

    shape = [X_train.shape[1], *hidden, outputs]
    model = tg.mlp(shape, options.activation, dropout, options.dtype, rng)
    model.summary(file=say)

    name, lr = OPTIMIZERS[options.optimizer]
    lr = lr if options.lr is None else options.lr
    optimizer = getattr(tg, name)(model, lr=lr)
    print(f"\nrule    {name}, {options.dtype}", file=say)
    for line in optimizer.equation().splitlines():
        print(f"        {line}", file=say)
    print(
        "kernel  getting it ready: compiled at the first use, from Numba's cache after that ...", file=say, flush=True
    )
    print(f"        ready after {optimizer.compile():.2f} s\n", file=say, flush=True)

    loss = tg.cross_entropy if labels else tg.mse_loss
    start = time.perf_counter()
    history = tg.fit(
        model, X_train, y_train, loss, optimizer, epochs, options.batch_size, validation=(X_test, y_test), rng=rng
    )
    seconds = time.perf_counter() - start
    result, accuracy = history.rows[-1], history.rows[-1].get("validation_accuracy")

    steps = optimizer.t
    ended = ", then stopped by Ctrl-C" if history.stopped == "interrupted" else ""
    print(f"\ntrained {len(history)} epochs, {steps:,} updates in {seconds:.2f} s{ended}", file=say)
    if accuracy is None:
        print(f"result  held-out loss {result['validation_loss']:.4f}", file=say)
    else:
        right = round(accuracy * len(X_test))
        print(
            f"result  held-out accuracy {accuracy:.4f}: {right} of {len(X_test):,} that it had not seen",
            file=say,
        )

    doubled = tg.mlp(shape, options.activation, dropout, rng=0).eval()
    doubled.load_state_dict(model.state_dict())
    few = X_test[:8].astype(float)  # with targets drawn at random: those it has learned leave hardly any gradient
    drawn = rng.integers(0, outputs, len(few)) if labels else rng.standard_normal((len(few), outputs))
    try:
        check = tg.gradcheck(lambda *_: loss(doubled(few), drawn), *doubled.parameters(), elements=20, rng=0)
        print(
            f"check   {check.checked} slopes of the trained model's loss agree with its gradients, largest relative",
            file=say,
        )
        print(
            f"        difference {check.error:.0e}; too small to judge {check.faint}, at kinks {len(check.kinks)}",
            file=say,
        )
    except (AssertionError, ValueError) as error:
        check = None
        print(f"check   of the trained model's gradient failed: {error}", file=say)

    written = save(out, options.data, history, model, X_test if toy and labels else None, y_test)
    for path in written:
        print(f"wrote   {path}", file=say)
    if len(written) == 1:
        print("        no pictures: they need matplotlib (pip install 'tinygrad-edu[plot]')", file=say)
    if options.json:
        figures = {
            "data": options.data,
            "sizes": shape,
            "optimizer": options.optimizer,
            "lr": lr,
            "epochs": len(history),
            "updates": steps,
            "seed": options.seed,
            "dtype": options.dtype,
            "stopped": history.stopped,
            "train_loss": result["loss"],
            "held_out_loss": result["validation_loss"],
            "held_out_accuracy": accuracy,
            "gradcheck_error": check.error if check else None,
            "seconds": seconds,
            "files": [str(path) for path in written],
        }
        print(json.dumps(figures))
    return 0 if check else 1


def load(name: str, rng: Any) -> Any:
    """The data of that name as a `data.Split`."""
    from . import data

    if name.startswith("mnist:"):
        return data.mnist(name.removeprefix("mnist:"))
    if name == "digits":
        return data.digits(rng)
    X, y = getattr(data, name)(rng=rng)
    return data.split(X, y, rng=rng)


def save(out: Path, name: str, history: Any, model: Any, X: Any, y: Any) -> list[Path]:
    """Write history.csv and, with matplotlib, loss.png and boundary.png (X given). Returns what was written."""
    from . import plots

    written = [out / "history.csv"]
    history.to_csv(written[0])
    try:
        written.append(plots.loss_curve(history, out / "loss.png", f"Training on {name}"))
        if X is not None:
            written.append(plots.decision_boundary(model, X, y, out / "boundary.png", f"{name}: held-out samples"))
    except ImportError:
        pass
    return written


if __name__ == "__main__":
    sys.exit(main())
