"""Machine code that outlives the process: `Kept` takes the place of Numba's cache, for kernels.

Numba's own cache trusts what it finds: a damaged index is an error in every later process, a flipped bit is run. Here
there is no index. A file's name is a hash of all that its machine code depends on, and `store` looks before it reads;
what cannot be read is compiled, and written again.
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, NullCache
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

from . import store

FORM: Any = CompileResultCacheImpl  # turns what Numba compiled into parts that can be pickled, and back


class Kept(NullCache):
    """The machine code of one function on disk."""

    def __init__(self, rule: Callable[..., Any], source: str, options: Any) -> None:
        code = rule.__code__
        known = [value for value in code.co_consts if not hasattr(value, "co_code")]
        self.rule = rule
        self.about = [numba.__version__, llvmlite.__version__, sys.version, repr(options), source, rule.__qualname__]
        self.about += [code.co_code.hex(), repr(known), repr(code.co_names), repr(rule.__defaults__)]

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(store.code_folder())

    def path(self, types: Any, machine: Any) -> Path:
        """Return the file for arguments of these types on a machine, as Numba's code generator describes it."""
        key = hashlib.sha256("\0".join([*self.about, repr(types), repr(machine)]).encode()).hexdigest()[:32]
        name = "".join(c if c.isalnum() or c in "._" else "" for c in self.rule.__qualname__)
        return store.code_folder() / f"{self.rule.__module__}.{name}-{key}.nbc"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return machine code for a signature, or None: Numba then compiles it. There is no error."""
        with suppress(Exception):
            rtsys.initialize(target_context)  # what code calls; Numba would load all that it can compile, and SciPy
            path = self.path(sig, target_context.codegen().magic_tuple())
            data = store.read(path) if store.trusted(path.parent) else None
            if data is not None:
                return FORM.rebuild(None, target_context, pickle.loads(data))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write machine code, if it can be kept and there is a folder for it. There is no error."""
        if data.lifted or data.library.has_dynamic_globals:
            return
        with suppress(Exception):
            path = self.path(sig, data.codegen.magic_tuple())
            if store.write(path, dumps(FORM.reduce(None, data))):
                store.trim(path)


def keep(kernel: Any, function: Any) -> Any:
    """Return Numba's function of a kernel, and have it keep its machine code on disk.

    A function that was made within another, or whose source is in no file, as in a notebook, is compiled anew in each
    process: nothing tells what it depends on.
    """
    rule = kernel.py_func
    if rule.__closure__ is None:
        with suppress(OSError, TypeError, KeyError):
            kept = Kept(rule, sources(rule), function.targetoptions)
            vars(function).update(_cache=kept)
    return function


def sources(rule: Callable[..., Any]) -> str:
    """Return the texts of the modules of a function and of all kernels below it, and the numbers that these read."""
    rules, texts = [rule], dict[str, None]()
    for each in rules:  # which grows
        module, used = sys.modules[each.__module__], [each.__globals__.get(name) for name in each.__code__.co_names]
        texts[inspect.getsource(module)] = None
        texts[repr([value for value in used if isinstance(value, (int, float, str, tuple))])] = None
        rules += [f for f in (getattr(value, "py_func", None) for value in used) if f and f not in rules]
    return "\0".join(texts)
