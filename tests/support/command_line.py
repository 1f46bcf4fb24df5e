"""The command line as a test runs it: status, printed lines, JSON, a Python of its own."""

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main


def run(*arguments, cwd=None, **variables):
    """A new Python that finds the package which this one found."""
    home = Path(tg.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(home), "PYTHONIOENCODING": "utf-8"} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd or home, env=environment)


def status(*arguments):
    """The exit status, whether it is returned or raised (by argparse)."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return end.code


def result(capsys, *arguments):
    """The result that --json prints, without the seconds."""
    assert main([*arguments, "--json"]) == 0
    return without_seconds(capsys.readouterr().out)


def without_seconds(text):
    found = json.loads(text)
    assert found.pop("seconds") > 0
    return found


def one_line(capsys, *said):
    """Nothing but one line on standard error was printed, and it says all of this."""
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("tinygrad-edu")
    for words in said:
        assert words in printed.err


def mnist_folder(folder, held_out=(0, 1, 2, 1)):
    """MNIST's four files with images of 4 x 5 pixels, some compressed; eight to learn from, four held out."""
    folder = folder / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, labels in (("train", [0, 1, 2, 0, 1, 2, 0, 1]), ("t10k", held_out)):
        images = struct.pack(">4B3I", 0, 0, 8, 3, len(labels), 4, 5) + rng.bytes(20 * len(labels))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + bytes(labels))
    return folder


def without_matplotlib(monkeypatch):
    """Make every import of matplotlib fail."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
