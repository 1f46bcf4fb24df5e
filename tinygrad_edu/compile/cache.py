"""Machine code of a module's text, kept on disk: the next process loads it and compiles nothing."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np

from . import intrinsics, numpy_c


def folder() -> Path:
    """Return the folder of the machine code: TINYGRAD_EDU_CACHE, or one of ours in the user's cache."""
    given = os.environ.get("TINYGRAD_EDU_CACHE")
    if given:
        return Path(given)
    caches = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    base = caches.get(sys.platform, os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(base).expanduser() / "tinygrad_edu"


def key(text: str) -> str:
    """Return a hash of all that machine code depends on: the text, the sources of this package that it has functions
    from, the C functions that it calls, and the versions of the tools that make it."""
    versions = [sys.version, numba.__version__, llvmlite.__version__, np.__version__, numpy_c.ready()]
    imported = {line.module for line in ast.parse(text).body if isinstance(line, ast.ImportFrom)}
    ours = sorted(str(name) for name in imported if str(name).partition(".")[0] == __name__.partition(".")[0])
    sources = [inspect.getsource(module) for module in (*(sys.modules[name] for name in ours), intrinsics)]
    return hashlib.sha256("\0".join([text, *versions, *sources]).encode()).hexdigest()[:32]


def load(text: str, name: str, types: Sequence[Any], quiet: bool) -> tuple[Any, bool]:
    """Return a function of a module's text as machine code for arguments of these types; and whether it was on disk.

    A folder that cannot be written, or a damaged file in it, costs the time to compile, and is no error.
    """
    module = f"tinygrad_edu_step_{key(text)}"
    if numpy_c.PLAIN:
        return getattr(_run(module, text, None), name), False
    path = _written(f"{module}.py", text)
    kept = path.parent / "__pycache__" if path is not None else Path()
    there = path is not None and any(kept.glob(f"{module}.{name}-*.nbi"))
    start = time.perf_counter()
    code, found = None, False
    if there:
        with suppress(Exception):
            code, found = _compiled(getattr(_run(module, text, path), name), types)
        if code is None:  # the files are damaged
            there = False
            for file in kept.glob(f"{module}.*"):
                file.unlink(missing_ok=True)
    if code is None:
        if not quiet:
            print("compiling the training step ... ", end="", file=sys.stderr, flush=True)
        try:
            code, found = _compiled(getattr(_run(module, text, path), name), types)
        except Exception:
            if path is None:
                raise
            code, found = _compiled(getattr(_run(module, text, None), name), types)
    if not there and not quiet:
        print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    return code, found


def _written(name: str, text: str) -> Path | None:
    """Return a file in our folder with this text; None if it cannot be written. No other process sees half of it."""
    try:
        path = folder() / name
        with suppress(OSError, UnicodeDecodeError):
            if path.read_text(encoding="utf-8") == text:
                return path
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows where the user's home is
        return None
    return path


def _run(name: str, text: str, path: Path | None) -> ModuleType:
    """Run the text as a module; from its file, beside which Numba keeps the machine code."""
    module = sys.modules[name] = ModuleType(name)  # Numba looks here when it loads machine code
    exec(compile(text, str(path or f"<{name}>"), "exec"), vars(module))
    return module


def _compiled(function: Any, types: Sequence[Any]) -> tuple[Any, bool]:
    """Return machine code for these types, called past Numba's look at every argument; and whether it was on disk."""
    signature = tuple(types)
    function.compile(signature)
    return function.overloads[signature].entry_point, bool(function.stats.cache_hits)
