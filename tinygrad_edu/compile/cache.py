"""Machine code of a module's text, kept on disk: the next process finds it and need not compile."""

from __future__ import annotations

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

from ..core import jit, kernels
from ..extras import kernels as more_kernels
from . import intrinsics, numpy_c as native


def folder() -> Path:
    """Where machine code is kept: TINYGRAD_EDU_CACHE, or a folder of ours in the user's cache."""
    given = os.environ.get("TINYGRAD_EDU_CACHE")
    if given:
        return Path(given)
    caches = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    base = caches.get(sys.platform, os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(base).expanduser() / "tinygrad_edu"


def key(text: str) -> str:
    """What machine code depends on: the text, what it calls, and the versions of all that make it."""
    versions = [sys.version, numba.__version__, llvmlite.__version__, np.__version__, native.ready()]
    sources = [inspect.getsource(module) for module in (jit, kernels, more_kernels, native, intrinsics)]
    return hashlib.sha256("\0".join([text, *versions, *sources]).encode()).hexdigest()[:32]


def load(text: str, name: str, types: Sequence[Any], quiet: bool) -> tuple[Any, bool]:
    """A function out of a module's text as machine code for arguments of these types; and whether it was on disk.

    A folder that cannot be written, and files in it that are damaged, cost the time to compile, and are no error.
    """
    module = f"tinygrad_edu_step_{key(text)}"
    if native.PLAIN:
        return getattr(_run(module, text, None), name), False
    path = _written(f"{module}.py", text)
    kept = path.parent / "__pycache__" if path is not None else Path()
    there = path is not None and any(kept.glob(f"{module}.{name}-*.nbi"))
    start = time.perf_counter()
    code, found = None, False
    if there:
        with suppress(Exception):
            code, found = _compiled(getattr(_run(module, text, path), name), types)
        if code is None:  # what is there is damaged
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
    """The file in our folder, with this text in it; None if that cannot be. No other process sees half of it."""
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
    """The text as a module; from its file, beside which Numba keeps what it makes of it."""
    module = sys.modules[name] = ModuleType(name)  # Numba looks here when it finds its machine code
    exec(compile(text, str(path or f"<{name}>"), "exec"), vars(module))
    return module


def _compiled(function: Any, types: Sequence[Any]) -> tuple[Any, bool]:
    """Machine code for these types, called past Numba's look at every argument; and whether it was on disk."""
    signature = tuple(types)
    function.compile(signature)
    return function.overloads[signature].entry_point, bool(function.stats.cache_hits)
