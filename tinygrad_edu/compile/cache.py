"""Machine code of a module's text, kept on disk: the next process loads it and compiles nothing."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import time
from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np

from ..core.jit import Kernel
from ..extras.known import Known
from ..program.expressions import parsed
from . import intrinsics, large, numpy_c, products, store
from .inner import inner
from .kept import SOURCE
from .store import folder


def key(text: str) -> str:
    """Return a hash of all that machine code depends on: the text, the sources of this package that it has functions
    from, the C functions that it calls, and the versions of the tools that make it."""
    versions = [sys.version, numba.__version__, llvmlite.__version__, np.__version__, numpy_c.ready()]
    imported = {line.module for line in parsed(text).body if isinstance(line, ast.ImportFrom)}
    ours = sorted(str(name) for name in imported if str(name).partition(".")[0] == __name__.partition(".")[0])
    modules = (*(sys.modules[name] for name in ours), intrinsics, large, products)
    sources = [inspect.getsource(module) for module in modules]
    return hashlib.sha256("\0".join([text, *versions, *sources]).encode()).hexdigest()[:32]


known = Known[tuple[Any, bool]](64)


def load(text: str, name: str, types: Sequence[Any], quiet: bool) -> tuple[Any, bool]:
    """Return a function of a module's text as machine code for arguments of these types; and whether it was there
    before: on disk, or in this process.

    A folder that cannot be written or is not trusted, or a damaged file in it, costs the time to compile, and is no
    error.
    """
    if numpy_c.PLAIN:
        return getattr(_run(f"tinygrad_edu_step_{key(text)}", text, ""), name), False
    signature = tuple(types)
    about = text, name, signature, numpy_c.ready()
    again = about in known.results
    entry, on_disk = known.of(about, partial(_load, text, name, signature, quiet))
    return entry, again or on_disk


def _load(text: str, name: str, signature: tuple[Any, ...], quiet: bool) -> tuple[Any, bool]:
    """Return what `load` does, from disk, or from the compiler."""
    title = f"tinygrad_edu_step_{key(text)}"
    module = _run(title, text, _readable(f"{title}.py", text))
    function, start = getattr(module, name), 0.0

    def missed() -> None:
        nonlocal start
        if not quiet:
            start = time.perf_counter()
            print("compiling the training step ... ", end="", file=sys.stderr, flush=True)
        _turn_inwards(vars(module))

    function.kept.missed = missed
    function.compile(signature)
    if start:
        print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    return function.overloads[signature].entry_point, bool(function.stats.cache_hits)


def _turn_inwards(space: dict[str, Any]) -> None:
    """Have the functions of a module that others of it call made machine code with these."""
    functions = {name: value for name, value in space.items() if isinstance(value, Kernel)}
    called = {name for f in functions.values() for name in f.py_func.__code__.co_names}
    space.update({name: inner(f.py_func) for name, f in functions.items() if name in called})


def _readable(name: str, text: str) -> str:
    """Return the path of a file with this text, for people: nothing loads it. If it cannot be written, it is not."""
    try:
        path = folder() / name
    except RuntimeError:  # nobody knows where the user's home is
        return ""
    if store.contents(path) != text.encode():
        store.write(path, text.encode(), sealed=False)
    return str(path)


def _run(name: str, text: str, path: str) -> ModuleType:
    """Run the text as a module, which knows its own text; or return the one that was made of it before."""
    if name in sys.modules:
        return sys.modules[name]
    module = sys.modules[name] = ModuleType(name)  # Numba looks here when it loads machine code
    vars(module)[SOURCE] = text
    exec(compile(text, path or f"<{name}>", "exec"), vars(module))
    return module
