"""``tinygrad-edu cache``: list the machine code that is kept on disk, or clear it."""

from __future__ import annotations

import argparse
import time

HELP = "the machine code on disk: list it, or clear it"
DESCRIPTION = """List the machine code that compiled steps and update rules keep on disk, the latest used first, or
remove it. What is removed is compiled again when it is needed."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its two parts."""
    command.add_argument("part", nargs="?", choices=["list", "clear"], default="list", help="(default: list)")


def run(options: argparse.Namespace) -> int:
    """List or clear. Return the exit status."""
    from ..compile import store

    found = sorted(store.files(), key=lambda pair: pair[1].st_mtime, reverse=True)
    size = sum(state.st_size for _, state in found) / 1e6
    if options.part == "clear":
        print(f"removed {store.clear()} files, {size:.1f} MB")
        return 0
    for path, state in found:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(state.st_mtime))
        print(f"{used}  {state.st_size / 1e3:8.1f} kB  {path.name}")
    print(f"{len(found)} files, {size:.1f} MB of at most {store.bound() / 1e6:.0f} MB, in {store.code_folder()}")
    if why := store.objection(store.code_folder()):
        print(f"not used: {why}")
    return 0
