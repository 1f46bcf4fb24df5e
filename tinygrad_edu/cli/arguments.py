"""The kinds of arguments: each function here reads one from the command line, or refuses it in one sentence.

Nothing slow is imported before an argument needs it, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Any, NoReturn

from ..core.layers import ACTIVATIONS
from ..extras.optimizers import RULES, rule_names
from ..race.surfaces import SURFACES
from ..training.cells import columns_of
from ..training.columns import KINDS
from ..training.data import TOY_SETS, Encoder, Split, csv, digits, mnist, split

SETS = ("digits", *TOY_SETS)
PYTHON = (  # an argument of a function in a message, and the option that it is here
    (r'\bsay missing="(\w+)"', r"train with --missing \1"),
    (r'\bmissing="(\w+)"', r"--missing \1"),
    (r"\bdrop=\[(['\"])(.*?)\1\]", r"--drop '\2'"),
    (r"\bkinds=\{(['\"])(.*?)\1: \"(.*?)\"\}", r"--kind '\2=\3'"),
    (r'\bor "(median|drop)"', r"or \1"),
    (r"\bn_jobs=(\d+)", r"--jobs \1"),
)
NEEDS_MATPLOTLIB = "matplotlib (pip install matplotlib)"


class Parser(argparse.ArgumentParser):
    """argparse, but with one sentence for a mistake."""

    def error(self, message: str) -> NoReturn:
        """Print one sentence, without the usage text above it, and end with status 2."""
        if message.startswith("unrecognized arguments:") and re.search(r" [^-\s]\w*=", message):
            message += "; values go behind one --at, with commas and no spaces, as --at x=2,y=3"
        self.exit(2, f"{self.prog}: {message}\n")


def add_seed(command: argparse.ArgumentParser, what: str) -> None:
    """Give a command its option --seed; what says in the help what is drawn from it."""
    command.add_argument("--seed", type=whole("the seed", 0), default=0, metavar="N", help=f"{what} (default: 0)")


def add_json(command: argparse.ArgumentParser) -> None:
    """Give a command its option --json."""
    text = "print the result as one JSON object; all else goes to standard error"
    command.add_argument("--json", action="store_true", help=text)


def add_dark(command: argparse.ArgumentParser) -> None:
    """Give a command that draws its option --dark."""
    command.add_argument("--dark", action="store_true", help="draw on dark paper")


@contextmanager
def paper(dark: bool) -> Iterator[None]:
    """Draw on dark paper meanwhile, if that is asked for and there is matplotlib to draw."""
    if not dark or find_spec("matplotlib") is None:
        yield
        return
    from matplotlib import style

    with style.context("dark_background"):
        yield


def print_json(result: dict[str, Any]) -> None:
    """Print a result as one JSON object. NaN and infinity are null: JSON has no words for them."""
    print(json.dumps(json.loads(json.dumps(result), parse_constant=lambda _: None)))


def whole(what: str, least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from least on; what names the number in an error."""

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
    """Read a number from 0 to below 1."""
    number = real(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, but the share to drop is at least 0 and below 1")
    return number


def real(text: str) -> float:
    """Read a finite number, at least 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be a finite number, at least 0")
    return number


def above_0(text: str) -> float:
    """Read a finite number above 0."""
    number = real(text)
    if not number:
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be above 0")
    return number


def batch(text: str) -> int | None:
    """Read a batch size; None for all samples."""
    return None if text == "all" else whole('the batch size is "all" or', 1)(text)


def sizes(text: str) -> list[int]:
    """Read sizes of layers, as in "64,32"; or none."""
    return [] if text == "none" else [whole("each layer's size", 1)(part) for part in text.split(",")]


def choice(what: str, text: str, known: Iterable[str], more: str = "") -> str:
    """Return the known name of what that text is, in any spelling of case: Adam, HeavyBall or heavy-ball.

    more : what else there is, for the error
    """
    spelled = {plain(name): name for name in known}
    if plain(text) not in spelled:
        names = ", ".join(spelled.values())
        raise argparse.ArgumentTypeError(f"there is no {what} {text!r}; choose from {names}{more}")
    return spelled[plain(text)]


def plain(text: str) -> str:
    """Return a name as it is compared."""
    return re.sub(r"[-_ ]", "", text).lower()


def source(text: str) -> str:
    """Read the name of a data set, mnist: and a folder, or a file, which is one with a point in its name."""
    folder = text.startswith("mnist:") and text != "mnist:"
    return text if folder or is_table(text) else choice("data", text, SETS, ", mnist:FOLDER, or a file, as my.csv")


def is_table(text: str) -> bool:
    """Return whether the data are a table of the user's."""
    return not text.startswith("mnist:") and bool(Path(text).suffix)


def add_table(command: argparse.ArgumentParser) -> None:
    """Give a command the options that say how a table is read."""
    add = command.add_argument
    add("--target", metavar="NAME", help="of a table: the column to predict, words or numbers")
    text = "of a table: what to do about empty cells, refuse, drop, mean or median (default: refuse)"
    add("--missing", choices=["refuse", "drop", "mean", "median"], default="refuse", metavar="WAY", help=text)
    text = "of a table: columns to leave out; a,b are two, unless a column is called so"
    add("--drop", nargs="+", action="extend", default=[], metavar="NAME", help=text)
    text = f"of a table: what a column is if it looks like something else, as zip=words: {', '.join(KINDS)}"
    add("--kind", nargs="+", action="extend", type=kind, default=[], metavar="NAME=KIND", help=text)


def kind(text: str) -> str:
    """Read a column and its kind, as "zip=words"."""
    name, _, what = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be a column and its kind, as zip=words")
    return f"{name}={choice('kind of column', what, KINDS)}"


def in_options(text: str) -> str:
    """Return a message of the package with the options of the command line in it, in place of Python's arguments."""
    for python, option in PYTHON:
        text = re.sub(python, option, text)
    only = [f"{name}=" for name in ("header", "encoding") if re.search(rf"\b{name}=[\[{{'\"]", text)]
    return f"{text} ({only[0]} is for tg.data.csv, in Python)" if only else text


def load(name: str, rng: Any, options: argparse.Namespace | None = None) -> Split:
    """Return the data of that name, as `source` has read it; of a table with the options of `add_table`."""
    if is_table(name) and options is not None:
        return load_table(name, rng, options)[0]
    given = {} if options is None else vars(options)
    for option, absent in (("target", None), ("missing", "refuse"), ("drop", []), ("kind", [])):
        if given.get(option, absent) != absent:
            raise ValueError(f"--{option} is for a table, and --data {name} is none; leave it out")
    if name.startswith("mnist:"):
        return mnist(name.removeprefix("mnist:"))
    return digits(rng) if name == "digits" else split(*TOY_SETS[name](rng=rng), rng=rng)


def load_table(path: str, rng: Any, options: argparse.Namespace) -> tuple[Split, Encoder, str]:
    """Return a table's training and test data, standardised; what encodes other files so; and what was found in it."""
    names = columns_of(path)
    if options.target is None:
        raise ValueError(f"--data {path} needs --target, the column to predict, of {', '.join(names)}")
    drop = [one.strip() for given in options.drop for one in ([given] if given in names else given.split(","))]
    kinds = dict(one.rpartition("=")[::2] for one in options.kind)
    table = csv(path, options.target, options.missing, drop, kinds)
    train, test = table.split(rng=rng)
    return Split(train.X, train.y, test.X, test.y), train.encoder, in_options(repr(table))


def surface(text: str) -> str:
    """Read the name of a surface, or all, or a formula of x and y: what is more than words, or "x - y"."""
    words = re.split(r"[-_ ]+", text.strip())
    if all(map(str.isalpha, words)) and not {"x", "y"}.issuperset(words):
        return (
            "all" if plain(text) == "all" else choice("surface", text, SURFACES, ', all, or a formula as "x**2 + y**2"')
        )
    return formula(text)


def formula(text: str) -> str:
    """Read a formula of x and y, as "x**2 + 10*y**2"."""
    from ..race.formulas import own

    try:
        return own(text).title
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def activation(text: str) -> str:
    """Read the name of an activation."""
    return choice("activation", text, ACTIVATIONS)


def rule(text: str) -> str:
    """Read the name of an update rule."""
    return choice("rule", text, RULES)


def rules(text: str) -> list[str]:
    """Read the names of update rules, as in "sgd,adam"; or all, or the classic ones."""
    if plain(text) in ("all", "classic"):
        return rule_names(plain(text))
    return [choice("rule", name, RULES, ", all or classic") for name in text.split(",")]


def rates(text: str) -> str | float:
    """Read the way in which learning rates are chosen, or one rate for all."""
    try:
        return text if text in ("stated", "same", "tuned") else real(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, but it has to be stated, same, tuned, or a finite number, at least 0"
        ) from None


def point(text: str) -> dict[str, float]:
    """Read the values of variables, as in "x=2,y=-3"."""
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
    """Read the path of a picture, an SVG or a PNG."""
    path = Path(text)
    if path.suffix not in (".svg", ".png") or path.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, but it has to be a file that ends in .svg or .png")
    return path


def refuse_file(out: Path) -> None:
    """Raise a ValueError if there is a file where the folder out shall be."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; it has to be a folder, or not there yet")
