"""``tinygrad-edu train``: train a small network, show how it went, check its gradient, write pictures."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.layers import ACTIVATIONS, Layer
from ..extras.files import UNFINISHED
from ..extras.optimizers import RULES
from ..training.data import TOY_SETS, Split
from .arguments import (
    Parser,
    activation,
    add_dark,
    add_json,
    add_seed,
    add_table,
    batch,
    is_table,
    load,
    load_table,
    print_json,
    real,
    rule,
    share,
    sizes,
    source,
    whole,
)
from .runs import (
    ABOUT,
    MODEL,
    about,
    arguments,
    as_words,
    describe,
    digest,
    encoder_of,
    epochs_of,
    errors_of,
    new_folder,
    refuse_other_data,
    refuse_run,
    save_encoder,
)
from .train_lines import describe_data, describe_epochs, describe_files, describe_result, describe_rule

if TYPE_CHECKING:
    from ..training.data import Encoder
    from ..training.history import History

HELP = "train a small network and show how it went"
DESCRIPTION = "Train a multi-layer perceptron; by default on 1,437 real handwritten digits, to read 360 others."
# fmt: off
RATES = {  # what suits these small networks, if it is not the rule's own default; of rprop with --batch-size all
    "sgd": 0.1, "momentum": 0.5, "heavy_ball": 0.05, "nesterov": 0.05, "adagrad": 0.05, "adadelta": 2.0,
    "rmsprop": 0.001, "adam": 0.002, "adamw": 0.002, "amsgrad": 0.002, "adamax": 0.005, "nadam": 0.002, "radam": 0.005,
    "rprop": 0.001, "asgd": 0.1, "signsgd": 0.0003, "signum": 0.0003, "lion": 0.0003,
}
# fmt: on


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options, one after the other."""
    add = command.add_argument
    sets = ", ".join(TOY_SETS)
    add(
        "--data",
        type=source,
        default="digits",
        help=f"digits, {sets}, mnist:FOLDER with MNIST's four files, or a table, as my.csv (default: digits)",
    )
    add_table(command)
    text = 'hidden sizes, as 64,32, or "none" (default: 128,128, toy sets and tables 32,32)'
    add("--hidden", type=sizes, metavar="N,N", help=text)
    text = f"after each hidden layer: {', '.join(ACTIVATIONS)} (default: relu)"
    add("--activation", type=activation, default="relu", metavar="NAME", help=text)
    text = "share of hidden values to drop in training (default: 0.25, toy sets and tables 0)"
    add("--dropout", type=share, metavar="P", help=text)
    text = "make machine code of the whole step: the same numbers to rounding, sooner (default: where that pays)"
    add("--compiled", action=argparse.BooleanOptionalAction, help=text)
    text = f"the update rule: {', '.join(RULES)} (default: adam)"
    add("--optimizer", type=rule, default="adam", metavar="NAME", help=text)
    add("--lr", type=real, help="learning rate (default: one that suits the rule)")
    text = 'samples for each update, or "all" (default: 32)'
    add("--batch-size", type=batch, default=32, metavar="N", help=text)
    text = "passes over the data (default: 50, toy sets and tables 100, MNIST 5)"
    add("--epochs", type=whole("epochs", 1), metavar="N", help=text)
    add(
        "--dtype",
        type=str.lower,
        default="float64",
        choices=["float32", "float64"],
        help="of data and parameters (default: float64)",
    )
    add_seed(command, "of data, weights and batches")
    text = "a new folder for model, figures and pictures (default: runs/DATA, or runs/DATA-2, ... as is free)"
    add("--out", type=Path, metavar="DIR", help=text)
    add("--gif", action="store_true", help="draw the decision boundary as it is learned (two features and labels)")
    add_dark(command)
    text = "go on with the run of this folder, with its options; --epochs may name more than it had"
    add("--resume", type=Path, metavar="DIR", help=text)
    text = "write watch.html, too: the lab's playground of this run, with its epochs to scrub through"
    add("--watch", action="store_true", help=text)
    add("--quick", action="store_true", help="3 epochs, unless --epochs says otherwise")
    add_json(command)


def run(options: argparse.Namespace) -> int:
    """Train, show how it went, check the gradient, write pictures: the whole command, a line for each of its parts.

    Return the exit status: 1 for a wrong gradient.
    """
    import numpy as np

    import tinygrad_edu as tg

    done = epochs_of(options.resume) if options.resume else 0
    if options.resume:
        asked, options = options.epochs, resumed(options)
        if asked and asked <= done:
            return leave_as_it_is(options, done)
    elif options.out:
        refuse_run(options.out)
    settle(options)
    out = sys.stderr if options.json else sys.stdout
    say = partial(print, file=out, flush=True)
    data, encoder, columns = data_of(options, rng := np.random.default_rng(options.seed))
    film = film_of(options, data)
    labels = data.y_train.dtype.kind in "iu"
    shape = [data.X_train.shape[1], *options.hidden, outputs_of(data, encoder)]
    if options.watch:
        refuse_unseen(data, shape, options.dtype)
    known = prepare(options, data, encoder)
    describe_data(options.data, data, shape, labels, columns, say)
    describe_epochs(options, done, say)

    model = tg.mlp(shape, options.activation, options.dropout, options.dtype, rng)
    model.summary(file=out)
    optimizer: Any = RULES[options.optimizer](model, lr=options.lr)
    describe_rule(optimizer, options, say)
    loss = tg.cross_entropy if labels else tg.mse_loss
    watch = watcher(model, data, optimizer, options)
    history = learn(model, data, loss, optimizer, options, rng, [film, watch])
    errors = {} if labels else errors_of(model.predict(data.X_test), data.y_test, encoder)
    describe_result(history, done, optimizer.t, len(data.X_test), errors, say)

    error = check(model, shape, loss, data, options, rng, say)
    written = save(options, history, model, data if labels and options.data in TOY_SETS else None, film)
    if watch:
        command = shlex.join(["tinygrad-edu", "train", *arguments(known["options"])])
        written.append(watch.save(options.out / "watch.html", command))
    found = figures(options, shape, optimizer.t, history, errors, error, written)
    describe(options.out, **known, figures=found)
    describe_files(written, say)
    if options.json:
        print_json(found)
    return 0 if error is not None else 1


def leave_as_it_is(options: argparse.Namespace, done: int) -> int:
    """Say that a run has had the epochs that are asked for, and leave its files alone. Return the exit status."""
    run, wanted = options.resume, options_of(options.resume).epochs
    of = f" of {wanted}" if wanted and wanted > done else ""
    said = f"nothing to do: {run} has had {done} epochs{of} already; --epochs {done + 1}, or more, goes on"
    print(said, file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print_json(about(run).get("figures", {}))
    return 0


def resumed(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of the run that shall go on, with as many epochs as are asked for now."""
    plain = vars(parsed([])) | {name: vars(options)[name] for name in ("epochs", "json", "dark", "resume")}
    for name in plain:
        if vars(options)[name] != plain[name]:
            option = name.replace("_", "-")
            raise ValueError(f"--resume has the options of its run, but for --epochs: leave out --{option}")
    found = options_of(options.resume)
    found.out, found.json, found.resume = options.resume, options.json, options.resume
    found.epochs = options.epochs or found.epochs
    return found


def options_of(folder: Path) -> argparse.Namespace:
    """Return the options of a run."""
    return parsed(arguments(about(folder)["options"]), f"tinygrad-edu: {folder / ABOUT}")


def parsed(arguments: list[str], program: str = "") -> argparse.Namespace:
    """Return the options that these arguments mean."""
    parser = Parser(prog=program)
    add_options(parser)
    return parser.parse_args(arguments)


def settle(options: argparse.Namespace) -> None:
    """Give the options that were left out the values that suit the data and the rule."""
    toy, files = options.data in TOY_SETS or is_table(options.data), options.data.startswith("mnist:")
    if options.hidden is None:
        options.hidden = [32, 32] if toy else [128, 128]
    if options.dropout is None:
        options.dropout = 0.0 if toy else 0.25
    if options.lr is None:
        options.lr = RATES.get(options.optimizer, RULES[options.optimizer].hyper["lr"])
    if options.lr == 0:
        warnings.warn("--lr 0: no step changes anything, so nothing is learned", stacklevel=2)
    options.epochs = options.epochs or (3 if options.quick else 100 if toy else 5 if files else 50)


def data_of(options: argparse.Namespace, rng: Any) -> tuple[Split, Encoder | None, str]:
    """Return the data in the dtype that was asked for; and of a table how they were made, and what was found in it."""
    data, encoder, columns = (
        load_table(options.data, rng, options)
        if is_table(options.data)
        else (load(options.data, rng, options), None, "")
    )
    return Split(*(a if a.dtype.kind in "iu" else a.astype(options.dtype) for a in data)), encoder, columns


def prepare(options: argparse.Namespace, data: Split, encoder: Encoder | None) -> dict[str, Any]:
    """Make the folder of a new run, or look at the data of an earlier one; return what run.json says of it."""
    kind = "classes" if data.y_train.dtype.kind in "iu" else "numbers"
    known = {"options": as_words(options), "data": digest(data), "answers": kind}
    if options.resume:
        encoder_of(options.resume, options)
        refuse_other_data(options.resume, options.data, data, ": train anew")
        for half in options.out.glob(f"{UNFINISHED}*"):  # of a process that was killed while it wrote
            half.unlink(missing_ok=True)
    else:
        options.out = new_folder(options.out, Path(options.data.partition(":")[0]).stem)
        if encoder is not None:
            save_encoder(options.out, encoder)
    (options.out / "history.csv").touch()  # what cannot be written is said now, not after the training
    describe(options.out, **known)
    return known


def outputs_of(data: Split, encoder: Encoder | None) -> int:
    """Return the number of classes, of a table also those that no row to learn from has; or of targets."""
    if data.y_train.dtype.kind not in "iu":
        return int(data.y_train.shape[1])
    return int(data.y_train.max()) + 1 if encoder is None or encoder.target is None else len(encoder.target.words)


def film_of(options: argparse.Namespace, data: Split) -> Any:
    """Return the callback that draws the decision boundary, if it is asked for and matplotlib is there, else None."""
    from ..training.pictures import BoundaryFilm

    if not options.gif:
        return None
    if data.X_train.shape[1] != 2 or data.y_train.dtype.kind not in "iu":
        raise ValueError(
            f"--gif draws two features of samples with labels, as --data spirals; {options.data} has others"
        )
    if find_spec("matplotlib") is None:
        return None
    return BoundaryFilm(data.X_test, data.y_test, options.epochs, f"{options.data}: held-out samples")


def refuse_unseen(data: Split, shape: list[int], dtype: str) -> None:
    """Refuse what the page of --watch cannot show, before anything is made."""
    from ..lab.own import classes_of

    if dtype != "float64":
        raise ValueError("--watch shows numbers of float64, those of a browser")
    classes_of(data.X_train, data.y_train, shape)


def watcher(model: Layer, data: Split, optimizer: Any, options: argparse.Namespace) -> Any:
    """Return the callback that keeps the epochs for a page, if that was asked for; refuse what the page has not."""
    if not options.watch:
        return None
    from ..lab.watch import Watch

    return Watch(model, data, optimizer, options.batch_size or 0, options.seed or 0)


def learn(
    model: Layer, data: Split, loss: Any, optimizer: Any, options: argparse.Namespace, rng: Any, callbacks: list[Any]
) -> History:
    """Train. After Ctrl-C within an epoch, model, optimizer and history are those of the last one that is saved."""
    import tinygrad_edu as tg

    folder, test = options.out, (data.X_test, data.y_test)
    how: dict[str, Any] = {"epochs": options.epochs, "batch_size": options.batch_size}
    how["compiled"] = "auto" if options.compiled is None else options.compiled
    how |= {"validation": test, "rng": rng, "checkpoint": folder / MODEL, "callback": [one for one in callbacks if one]}
    history = tg.fit(model, data.X_train, data.y_train, loss, optimizer, **how)
    if history.stopped != "interrupted":
        return history
    if not (folder / MODEL).exists():
        raise KeyboardInterrupt(f" before the end of the first epoch; train --resume {folder} begins it again")
    history = tg.load(folder / MODEL, model=model, optimizer=optimizer)["history"]
    history.stopped = "interrupted"
    return history


def check(
    model: Layer,
    shape: list[int],
    loss: Any,
    data: Split,
    options: argparse.Namespace,
    rng: Any,
    say: Callable[..., Any],
) -> float | None:
    """Compare the loss's gradient with slopes, print what came out, and return the largest error; None if it failed."""
    import tinygrad_edu as tg

    from ..doctor.gradcheck import gradcheck

    copy = tg.mlp(shape, options.activation, options.dropout, rng=0).eval()  # in float64
    copy.load_state_dict(model.state_dict())
    few = data.X_test[:8].astype(float)  # with targets drawn at random: those it has learned leave hardly any gradient
    labels = data.y_train.dtype.kind in "iu"
    drawn = rng.integers(0, shape[-1], len(few)) if labels else rng.standard_normal((len(few), shape[-1]))
    try:
        found = gradcheck(lambda *_: loss(copy(few), drawn), *copy.parameters(), elements=20, rng=0)
    except (AssertionError, ValueError) as error:
        say(f"check   of the trained model's gradient failed: {error}")
        return None
    say(f"check   of the trained model's gradient, by central differences:\n        {found}")
    return found.error


def save(options: argparse.Namespace, history: History, model: Layer, data: Split | None, film: Any) -> list[Path]:
    """Write history.csv and, with matplotlib, loss.png and, if there are data, boundary.png and .gif. Return paths."""
    from ..training import pictures

    out, name = options.out, options.data
    written = [path for path in (out / MODEL, out / ABOUT) if path.exists()]
    written.append(out / "history.csv")
    history.to_csv(written[-1])
    try:
        written.append(pictures.loss_curve(history, out / "loss.png", f"Training on {name}"))
        if data is not None:
            title = f"{name}: held-out samples"
            written.append(pictures.decision_boundary(model, data.X_test, data.y_test, out / "boundary.png", title))
        if film is not None and film.pictures:
            written.append(film.save(out / "boundary.gif"))
    except ImportError:
        pass
    return written


def figures(
    options: argparse.Namespace,
    shape: list[int],
    updates: int,
    history: History,
    errors: dict[str, float],
    error: Any,
    written: list[Path],
) -> dict[str, Any]:
    """Return the result for --json."""
    result = history.rows[-1]
    return {
        **{name: getattr(options, name) for name in ("data", "optimizer", "lr", "seed", "dtype")},
        "sizes": shape,
        "epochs": len(history),
        "updates": updates,
        "stopped": history.stopped,
        "train_loss": result["loss"],
        "validation_loss": result["validation_loss"],
        "validation_accuracy": result.get("validation_accuracy"),
        **{f"validation_{name}": value for name, value in errors.items()},
        "gradcheck_error": error,
        "seconds": sum(history["seconds"]),
        "files": [str(path) for path in written],
    }
