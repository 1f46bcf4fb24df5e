"""The C functions that a compiled step calls: BLAS for matrix products, and the inner loops of exp, tanh and others, in
NumPy's own libraries.

Machine code calls them without Python between, in 0.1 microseconds a call, and gets NumPy's bits. Their addresses
differ from process to process: machine code knows a function by a name, and the name is given its address here, so that
code from the disk finds it again. Where NumPy's BLAS is not found, products are loops.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from ..core.kernels import sgd
from ..core.ops import Array
from . import intrinsics
from .templates import CALLED

NAMES = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "scipy_cblas_{}gemm", "cblas_{}gemm")  # the first two: 64 bits
PLAIN = not hasattr(sgd, "py_func")  # NUMBA_DISABLE_JIT=1: NumPy takes the place of machine code


@lru_cache
def blas() -> tuple[str, int] | None:
    """Return the library that NumPy multiplies matrices with, and the bits of its whole numbers; None if not found."""
    folder = Path(np.__file__).parent
    found = [
        *folder.parent.glob("numpy.libs/*blas*"),
        *folder.glob(".dylibs/*blas*"),
        *folder.parent.glob("numpy.libs/*mkl_rt*"),
    ]
    maps = Path("/proc/self/maps")
    if maps.exists():
        loaded = {line.split()[-1] for line in maps.read_text().splitlines() if "/" in line}
        found += [Path(name) for name in sorted(loaded) if "blas" in Path(name).name or "mkl_rt" in name]
    for path in found:
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for i, name in enumerate(NAMES):
            if all(hasattr(library, name.format(letter)) for letter in "sd"):
                for letter in "sd":
                    address = ctypes.cast(getattr(library, name.format(letter)), ctypes.c_void_p).value
                    binding.add_symbol(f"tinygrad_edu_{letter}gemm", address)
                return path.name, 64 if i < 2 else 32
    return None


@lru_cache
def inner_loop(name: str, letter: str) -> bool:
    """Name NumPy's inner loop of a function for a dtype ("f" or "d"). Return whether the loop takes extra data.

    The loops are listed in the object behind np.exp; its layout is part of NumPy's C interface (ufuncobject.h).
    """
    ufunc = getattr(np, name)
    i = ufunc.types.index(f"{letter * ufunc.nin}->{letter}")
    lists = [
        ctypes.cast(id(ufunc) + object.__basicsize__ + 16 + 8 * k, ctypes.POINTER(ctypes.c_void_p))[0] for k in range(2)
    ]
    address, extra = (ctypes.cast(addresses, ctypes.POINTER(ctypes.c_void_p))[i] for addresses in lists)
    binding.add_symbol(f"tinygrad_edu_{name}_{letter}", address)
    if extra:
        binding.add_symbol(f"tinygrad_edu_{name}_{letter}_data", extra)
    return bool(extra)


def ready() -> str:
    """Name all functions. Return a text that says which they are: a part of the machine code's key in the `cache`."""
    if PLAIN:
        return "plain"
    loops = [f"{name}{letter}{inner_loop(name, letter):d}" for name in CALLED for letter in "fd"]
    return f"{blas()} {sys.byteorder} {' '.join(loops)}"


def functions(dtype: Any) -> dict[str, Any]:
    """Return the functions that a step's loops call, by name; dtype is that of the parameters."""
    ready()
    return _plain(np.dtype(dtype)) if PLAIN else _native("s" if dtype == np.float32 else "d")


asleep = [True]  # empty once BLAS has started its threads; a fork ends them


def wake_blas() -> None:
    """Have BLAS start its threads now. Threads that it starts within a step would take over the mode of the step's
    processor (`intrinsics.flush`), and keep it."""
    a = np.ones((256, 256), np.float32)  # large enough for threads
    np.dot(a, a)
    asleep.clear()


def _forked() -> None:
    asleep[:] = [True]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_forked, after_in_child=_forked)


@lru_cache
def _native(letter: str) -> dict[str, Any]:
    own = {f"_{name}": getattr(intrinsics, name) for name in ("place", "array", "address", "repeat", "flush")}
    bits = (blas() or ("", 0))[1]
    called = {f"_{name}": intrinsics.called(name, inner_loop) for name in CALLED}
    return called | own | {"_matmul": intrinsics.matmul(letter, bits)}


# --- the same in plain Python ----------------------------------------------------------------------------------------


@lru_cache
def _plain(dtype: Any) -> dict[str, Any]:
    return {f"_{name}": _called_plainly(name) for name in CALLED} | {
        "_place": _array_plainly,
        "_array": _array_plainly,
        "_address": lambda a: a.ctypes.data,
        "_matmul": partial(_matmul_plainly, dtype),
        "_repeat": _repeat_plainly,
        "_flush": lambda mode: np.seterr(**(mode or {"all": "ignore"})),  # machine code warns of nothing
    }


def _array_plainly(address: int, offset: int, shape: tuple[int, ...], dtype: Any, *_: int) -> Array:
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    place = (ctypes.c_byte * (size * item)).from_address(int(address + offset * item))
    return np.frombuffer(place, dtype).reshape(shape)


def _matmul_plainly(
    dtype: Any, a: int, a_flipped: bool, b: int, b_flipped: bool, out: int, n: int, m: int, k: int, add: bool
) -> None:
    left = _array_plainly(a, 0, (k, n) if a_flipped else (n, k), dtype)
    right = _array_plainly(b, 0, (m, k) if b_flipped else (k, m), dtype)
    product = (left.T if a_flipped else left) @ (right.T if b_flipped else right)
    total = _array_plainly(out, 0, (n, m), dtype)
    total[...] = product + total if add else product


def _repeat_plainly(row: int, to: int, n: int, size: int) -> None:
    for i in range(n):
        ctypes.memmove(int(to + i * size), int(row), int(size))


def _called_plainly(name: str) -> Any:
    def call(*given: Any) -> None:
        *pairs, out, n = given
        inputs = [a.reshape(-1)[:n] if step else a.reshape(-1)[0] for a, step in zip(pairs[::2], pairs[1::2])]
        getattr(np, name)(*inputs, out=out.reshape(-1)[:n])

    return call
