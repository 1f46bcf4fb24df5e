"""The options of the command line, and what each may be."""

from __future__ import annotations

import argparse
import math
import re
from keyword import iskeyword
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..core.layers import ACTIVATIONS
from ..race.surfaces import SURFACES

TOY_SETS = ("moons", "circles", "spirals", "blobs", "xor", "regression")
OPTIMIZERS = {  # the class, and a learning rate that suits these small networks
    "sgd": ("SGD", 0.1),
    "momentum": ("Momentum", 0.5),
    "heavy_ball": ("HeavyBall", 0.05),
    "nesterov": ("Nesterov", 0.05),
    "adagrad": ("Adagrad", 0.05),
    "adadelta": ("Adadelta", 2.0),
    "rmsprop": ("RMSprop", 0.001),
    "adam": ("Adam", 0.002),
    "adamw": ("AdamW", 0.002),
    "amsgrad": ("AMSGrad", 0.002),
    "adamax": ("Adamax", 0.005),
    "nadam": ("NAdam", 0.002),
    "radam": ("RAdam", 0.005),
    "rprop": ("Rprop", 0.001),  # for --batch-size all
    "asgd": ("ASGD", 0.1),
    "signsgd": ("SignSGD", 0.0003),
    "signum": ("Signum", 0.0003),
    "lion": ("Lion", 0.0003),
}


class Parser(argparse.ArgumentParser):
    """argparse, but with one sentence for a mistake."""

    def error(self, message: str) -> NoReturn:
        """One sentence, without the usage text above it."""
        if message.startswith("unrecognized arguments:") and re.search(r" [^-\s]\w*=", message):
            message += "; values go behind one --at, with commas and no spaces, as --at x=2,y=3"
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


def above_0(text: str) -> float:
    """A finite number above 0."""
    number = real(text)
    if not number:
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be above 0")
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


def surface(text: str) -> str:
    """The name of a surface, or all."""
    if text not in (*SURFACES, "all"):
        raise argparse.ArgumentTypeError(f"there is no surface {text!r}; choose from {', '.join(SURFACES)}, or all")
    return text


def rules(text: str) -> list[str] | None:
    """The names of update rules, as in "sgd,adam"; or all."""
    names = list(OPTIMIZERS) if text == "all" else text.split(",")
    for name in names:
        if name not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise argparse.ArgumentTypeError(f"there is no rule {name!r}; choose from {known}, or all")
    return names


def rates(text: str) -> str | float:
    """How learning rates are chosen, or one for all."""
    try:
        return text if text in ("stated", "same", "tuned") else real(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, but it has to be stated, same, tuned, or a finite number, at least 0"
        ) from None


def point(text: str) -> dict[str, float]:
    """Where a formula is worked out, as in "x=2,y=-3"."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if name in found:
            raise argparse.ArgumentTypeError(f"{name} has two values in {text!r}; give it one, as x=2,y=-3")
        if iskeyword(name):
            raise argparse.ArgumentTypeError(f"got {part!r}, but {name} is a word of Python; choose another name")
        if not name.isidentifier() or not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"got {part!r}, but it has to be names with finite numbers, as x=2,y=-3")
        found[name] = value
    return found


def picture(text: str) -> Path:
    """The path of a picture that can be drawn."""
    path = Path(text)
    if path.suffix not in (".svg", ".png") or path.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be a file that ends in .svg or .png")
    return path


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = Parser(prog="tinygrad-edu", description="Backpropagation and optimizers, from scratch and to be read.")
    top.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="train|race|explain|exercise")
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
        choices=list(ACTIVATIONS),
        help="after each hidden layer (default: relu)",
    )
    add(
        "--dropout",
        type=share,
        metavar="P",
        help="share of hidden values to drop in training (default: 0.25, toy sets 0)",
    )
    add(
        "--compiled",
        action="store_true",
        help="make machine code of the whole step and run each epoch in one call: the same numbers, sooner",
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

    command = commands.add_parser(
        "race",
        help="let the update rules run on a loss surface or on real data, and draw it",
        description="Let the update rules run on a loss surface of two parameters, from one start; draw the paths, the "
        "losses and, if asked, an animation. With --data: train one network with each rule, each at the best learning "
        "rate of a grid and from the same seeds; draw the losses.",
    )
    add = command.add_argument
    add(
        "--surface",
        type=surface,
        metavar="NAME",
        help=f"{', '.join(SURFACES)}, or all (default: beale)",
    )
    add(
        "--optimizers",
        type=rules,
        metavar="NAME,NAME",
        help=f"any of {', '.join(OPTIMIZERS)}, or all (default: those that courses compare; with --data all)",
    )
    add(
        "--steps",
        type=whole("steps", 1),
        metavar="N",
        help="updates of each rule (default: as many as suit the surface)",
    )
    add(
        "--lr",
        type=rates,
        metavar="HOW",
        help="learning rates: stated, chosen by hand for each rule and surface; same, 0.01 for all; tuned, the fastest "
        "of a grid from several starts; or a number for all (default: stated)",
    )
    add(
        "--seed",
        type=whole("the seed", 0),
        default=0,
        metavar="N",
        help="of mini-batches and further starts; with --data, what the seeds are drawn from (default: 0)",
    )
    add("--out", type=Path, default=Path("runs/race"), metavar="DIR", help="where pictures go (default: runs/race)")
    add("--gif", action="store_true", help="draw an animation too")
    add(
        "--data", type=source, metavar="NAME", help="race on data with labels, named as for train, and not on a surface"
    )
    add("--seeds", type=whole("seeds", 1), metavar="N", help="with --data: runs of each rule (default: 5)")
    add("--epochs", type=whole("epochs", 1), metavar="N", help="with --data: passes over it (default: 20)")
    add("--quick", action="store_true", help="with --data: 2 seeds, 3 epochs, and every second rate of the grid")
    add("--json", action="store_true", help="print the result as one JSON object; all else goes to standard error")

    command = commands.add_parser(
        "explain",
        help="show the backward pass of a formula or of a small network, step by step",
        description="Work out a formula and its gradient step by step: each local derivative as a formula and with "
        "numbers, what is added to what, and a check by central differences.",
    )
    add = command.add_argument
    add(
        "formula",
        nargs="?",
        metavar="FORMULA",
        help='as "(x*y + x).tanh()" or "h = x*y; h*h + h"',
    )
    add("--at", type=point, default={}, metavar="x=2,y=-3", help="the values of the variables")
    add("--mlp", type=sizes, metavar="N,N,N", help="a random network of these sizes instead, as 2,3,1, and 4 samples")
    add(
        "--seed", type=whole("the seed", 0), default=0, metavar="N", help="with --mlp: of weights and data (default: 0)"
    )
    add(
        "--format",
        default="text",
        choices=["text", "markdown", "html", "mermaid", "dot"],
        help="tables as text, in Markdown or HTML; or the graph, in Mermaid or DOT (default: text)",
    )
    add("--svg", type=picture, metavar="PATH", help="draw the graph into this file")
    add("--json", action="store_true", help="print the result as one JSON object; all else goes to standard error")

    command = commands.add_parser(
        "exercise",
        help="eight exercises from the chain rule to Adam, checked by the doctor",
        description="Eight exercises from the chain rule to Adam. Start on them, write the functions, check them: the "
        "doctor names what is wrong.",
    )
    parts = command.add_subparsers(dest="part", required=True, metavar="list|start|check|grade")
    parts.add_parser("list", help="the exercises, a line each")
    part = parts.add_parser("start", help="copy the exercises into a folder, to be filled in")
    part.add_argument("number", nargs="?", type=int, choices=range(1, 9), metavar="N", help="only this one (1 to 8)")
    part.add_argument("folder", type=Path, metavar="DIR", help="where they go")
    part.add_argument("--force", action="store_true", help="begin again: overwrite what is there")
    check = parts.add_parser("check", help="check a file, or all exercises in a folder")
    check.add_argument("target", type=Path, metavar="FILE|DIR", help="what you wrote")
    grade = parts.add_parser("grade", help="check the submissions in a folder, write a table")
    grade.add_argument("folder", type=Path, metavar="DIR", help="holds a folder, or a file, for each student")
    grade.add_argument("--out", type=Path, metavar="DIR", help="for grades.csv and grades.json (default: the same DIR)")
    for part in (check, grade):
        part.add_argument("--seed", type=whole("the seed", 0), metavar="N", help="of the random numbers (default: new)")
        part.add_argument("--timeout", type=above_0, default=10.0, metavar="S", help="seconds for a file (default: 10)")
    return top
