"""Machine code of a module's text, kept on disk: the next process loads it and compiles nothing."""

from __future__ import annotations

import ast
import hashlib
import inspect
import pickle
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np

from ..extras.known import Known
from ..guards.names import is_ours
from ..program.expressions import parsed
from . import intrinsics, kinds, large, library, machine, numpy_c, products, store
from .kept import sources
from .machine import SOURCE
from .store import folder


def key(text: str) -> str:
    """Return a hash of all that machine code depends on: the text, the sources of this package that it has functions
    from, the C functions that it calls, and the versions of the tools that make it."""
    versions = [sys.version, numba.__version__, llvmlite.__version__, np.__version__]
    versions += [numpy_c.ready(text), str(products.LIMIT)]
    head = text.partition("\n@")[0]  # what stands above the first function
    lines = [line for line in parsed(head).body if isinstance(line, ast.ImportFrom)]
    imported = [getattr(sys.modules[str(line.module)], each.name) for line in lines for each in line.names]
    texts = [sources(getattr(f, "py_func", f)) for f in imported if is_ours(f)]
    texts += map(inspect.getsource, (intrinsics, products, large, kinds, machine, library))
    return hashlib.sha256("\0".join([text, *versions, *texts]).encode()).hexdigest()[:32]


known = Known[tuple[Any, bool]](64)


def load(text: str, name: str, given: Sequence[type], quiet: bool) -> tuple[Any, bool]:
    """Return a function of a module's text as machine code, for arguments that are whole numbers (int) or any object;
    and whether it was there before: on disk, or in this process.

    A folder that cannot be written or is not trusted, or a damaged file in it, costs the time to compile, and is no
    error.
    """
    if numpy_c.PLAIN:
        return getattr(_run(f"tinygrad_edu_step_{key(text)}", text, ""), name), False
    about = text, name, numpy_c.ready(text)
    again = about in known.results
    entry, on_disk = known.of(about, partial(_load, text, name, given, quiet))
    return entry, again or on_disk


def _load(text: str, name: str, given: Sequence[type], quiet: bool) -> tuple[Any, bool]:
    """Return what `load` does, from disk, or from the compiler."""
    title = f"tinygrad_edu_step_{key(text)}"
    machine = hashlib.sha256(repr(library.codegen().magic_tuple()).encode()).hexdigest()[:32]
    path, readable = store.code_folder() / f"{title}.{name}-{machine}.nbc", _readable(f"{title}.py", text)
    with suppress(Exception):
        data = store.read(path) if store.trusted(path.parent) else None
        if data is not None:
            return library.function_of(library.found(pickle.loads(data))), True
    start = time.perf_counter()
    if not quiet:
        print("compiling the training step ... ", end="", file=sys.stderr, flush=True)
    module = _run(title, text, readable)
    made = library.made(getattr(module, name).py_func, given, f"{title}.{name}")
    if store.write(path, pickle.dumps(library.kept(made))):
        store.trim(path)
    if not quiet:
        print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    return library.function_of(made), False


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
    module = sys.modules[name] = ModuleType(name)  # `machine` looks here for the source of a function
    vars(module)[SOURCE] = text
    exec(compile(text, path or f"<{name}>", "exec"), vars(module))
    return module
