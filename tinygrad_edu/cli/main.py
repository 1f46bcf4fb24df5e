"""The command line: one parser, and a file for each command that it leads to. Also ``python -m tinygrad_edu``.

Nothing slow (Numba, matplotlib) is imported before the arguments are read, so that --help and --version answer at once.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import warnings
from typing import Any

from .. import __version__
from . import build, cache, course, evaluate, exercise, explain, lab, predict, race, train
from .arguments import Parser, in_options, paper

COMMANDS = {
    **{"train": train, "evaluate": evaluate, "predict": predict, "race": race, "explain": explain},
    **{"lab": lab, "course": course, "build": build, "exercise": exercise, "cache": cache},
}
FORMULA = r"^-(?!h$|-|[\d.]*$)"  # as in -x*x: with a space before it argparse does not take it for an option


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    The status is 0; 1 for a wrong gradient; 2 for input that cannot be used; 130 after Ctrl-C outside the training
    loop.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args([re.sub(FORMULA, " -", text) for text in given])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ·
    try:
        with warnings.catch_warnings(), paper("dark" in options and options.dark):
            warnings.showwarning = say_warning
            return COMMANDS[options.command].run(options)
    except BrokenPipeError:  # the reader has read enough, as in "| head"
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for what is flushed at the end
        return 0
    except KeyboardInterrupt as error:
        print(f"tinygrad-edu {options.command}: interrupted{error}", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, MemoryError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{error.strerror}: {error.filename}"
        print(f"tinygrad-edu {options.command}: {in_options(text)}", file=sys.stderr)
        return 2


def say_warning(message: Warning | str, category: Any, filename: str, *_: Any, **__: Any) -> None:
    """Print a warning as one sentence, without the file and the line, which are ours."""
    print(f"tinygrad-edu: warning: {in_options(str(message))}", file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and options."""
    top = Parser(prog="tinygrad-edu", description="Backpropagation and optimizers, from scratch and to be read.")
    top.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for name, command in COMMANDS.items():
        command.add_options(commands.add_parser(name, help=command.HELP, description=command.DESCRIPTION))
    return top
