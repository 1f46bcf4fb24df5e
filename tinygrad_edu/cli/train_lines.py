"""Lines that ``tinygrad-edu train`` prints: the data before, the rule, and how it ended."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.data import Split
from .arguments import NEEDS_MATPLOTLIB
from .runs import in_words

if TYPE_CHECKING:
    from ..training.history import History


def describe_data(
    name: str, data: Split, shape: list[int], labels: bool, columns: str, say: Callable[..., Any]
) -> None:
    """Print the number of samples, the sizes of input and output, and the columns of a table."""
    say(f"data    {name}: {len(data.X_train):,} samples to learn from, {len(data.X_test):,} held out,")
    kinds = f"{shape[-1]} classes" if labels else f"{shape[-1]} target to hit"
    lines = [f"        {shape[0]} feature{'s' * (shape[0] > 1)}, {kinds}"]
    say("\n".join([*lines, *(f"      {line}" for line in columns.splitlines()[1:])]), end="\n\n")


def describe_epochs(options: argparse.Namespace, done: int, say: Callable[..., Any]) -> None:
    """Print where a run that is resumed goes on."""
    if done >= options.epochs:
        say(f"nothing to do: {options.resume} has {done} epochs; --epochs {done + 1}, or more, goes on\n")
    elif done:
        say(f"going on after epoch {done}, until {options.epochs}\n")


def describe_rule(optimizer: Any, options: argparse.Namespace, say: Callable[..., Any]) -> None:
    """Print the rule, and get its kernel ready."""
    say(f"\nrule    {type(optimizer).__name__}, {options.dtype}")
    for line in optimizer.equation().splitlines():
        say(f"        {line}")
    if not options.compiled:
        say("kernel  getting it ready: compiled at the first use, from disk after that ...")
        say(f"        ready after {optimizer.compile():.2f} s")
    say()


def describe_files(written: list[Path], say: Callable[..., Any]) -> None:
    """Print which files were written."""
    say("\n".join(f"wrote   {path}" for path in written))
    if not any(path.suffix == ".png" for path in written):
        say(f"        no pictures: they need {NEEDS_MATPLOTLIB}")


def describe_result(
    history: History, done: int, updates: int, held_out: int, errors: dict[str, float], say: Callable[..., Any]
) -> None:
    """Print how the training ended. done : the epochs of earlier calls; errors : those of a regression"""
    ended = ", then stopped by Ctrl-C" if history.stopped == "interrupted" else ""
    epochs = f"{len(history) - done} epoch{'s' * (len(history) - done != 1)}"
    epochs += f" more, {len(history)} in all" * (done > 0)
    say(f"\ntrained {epochs}, {updates:,} updates in {sum(history['seconds']):.2f} s{ended}")
    result = history.rows[-1]
    if (accuracy := result.get("validation_accuracy")) is None:
        measured = f"{in_words(errors)}, " if errors else ""
        say(f"result  validation {measured}loss {result['validation_loss']:.4f}")
    else:
        right = round(accuracy * held_out)
        say(f"result  validation accuracy {accuracy:.4f}: {right} of {held_out:,} that it had not seen")
