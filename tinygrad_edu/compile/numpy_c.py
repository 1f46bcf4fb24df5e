"""The C functions that a compiled step calls: BLAS for matrix products, and the inner loops of exp, tanh and others, in
NumPy's own libraries.

Machine code calls them without Python between, in 0.1 microseconds a call, and gets NumPy's bits. Their addresses
differ from process to process: machine code knows a function by a name, and the name is given its address here, so that
code from the disk finds it again. Each is tried once before: it has to be NumPy's, and to agree with NumPy. The name of
one that does not is given to a function of Python that calls NumPy.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np
from llvmlite import binding

from ..core.kernels import sgd
from ..core.tensor import next_stamp
from ..extras.one_thread import SMALL, blas_threads, cuts, grid, libraries, one_thread, own_library
from ..extras.threads import shared
from ..guards.frames import warn
from . import intrinsics, plainly, products
from .templates import CALLED

NAMES = (  # of BLAS's products, as the builders of NumPy call them; the first three take whole numbers of 64 bits
    "scipy_cblas_{}gemm64_",
    "cblas_{}gemm64_",
    "cblas_{}gemm$NEWLAPACK$ILP64",
    "scipy_cblas_{}gemm",
    "cblas_{}gemm$NEWLAPACK",
    "cblas_{}gemm",
)
WIDE = 3
SIMPLE: dict[str, np.dtype[Any]] = {"s": np.dtype(np.float32), "f": np.dtype(np.float32), "d": np.dtype(np.float64)}
PLAIN = not hasattr(sgd, "py_func")  # NUMBA_DISABLE_JIT=1: NumPy takes the place of machine code


@lru_cache
def blas() -> tuple[str, int] | None:
    """Return the library that NumPy multiplies matrices with, and the bits of its whole numbers; None if not found."""
    for path, (i, name) in itertools.product(libraries(), enumerate(NAMES)):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(path)
            found = {letter: _address(getattr(library, name.format(letter))) for letter in "sd"}
            # the low half of a small number is the number: so 64 bits are right for either, MKL's two modes, say
            bits = 64 if i < WIDE or sys.byteorder == "little" else 32
            if all(_multiplies(address, letter, bits) for letter, address in found.items()):
                for letter, address in found.items():
                    binding.add_symbol(f"tinygrad_edu_{letter}gemm", address)
                return Path(library_of(found["d"]) or path).name, bits
    return None


@lru_cache
def inner_loop(name: str, letter: str) -> bool | None:
    """Name NumPy's inner loop of a function for a dtype ("f" or "d"). Return whether the loop takes extra data; None if
    it is not found, or does not agree with NumPy.

    The loops are listed in the object behind np.exp; its layout is part of NumPy's C interface (ufuncobject.h).
    """
    ufunc = getattr(np, name)
    start = id(ufunc) + object.__basicsize__
    numbers = [ctypes.c_int.from_address(start + at).value for at in (0, 4, 8, 32)]
    if numbers != [ufunc.nin, ufunc.nout, ufunc.nargs, len(ufunc.types)]:
        return None  # another layout
    i = ufunc.types.index(f"{letter * ufunc.nin}->{letter}")
    lists = [ctypes.cast(start + 16 + 8 * k, ctypes.POINTER(ctypes.c_void_p))[0] for k in range(2)]
    address, extra = (ctypes.cast(addresses, ctypes.POINTER(ctypes.c_void_p))[i] for addresses in lists)
    if not address or library_of(address) not in ("", os.path.realpath(own_library())):
        return None  # somebody has put a loop of his own there
    if not _agrees(ufunc, SIMPLE[letter], address, extra):
        return None
    binding.add_symbol(f"tinygrad_edu_{name}_{letter}", address)
    if extra:
        binding.add_symbol(f"tinygrad_edu_{name}_{letter}_data", extra)
    return bool(extra)


class _Found(ctypes.Structure):
    """The record that dladdr fills in."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("at", ctypes.c_void_p),
    )


def library_of(address: int) -> str:
    """Return the path of the library that has a function at this address; "" if the system does not say."""
    try:
        dladdr = ctypes.CDLL(None).dladdr
    except (OSError, TypeError, AttributeError):  # Windows
        return ""
    found = _Found()
    known = dladdr(ctypes.c_void_p(address), ctypes.byref(found))
    return _real_path(found.file) if known and found.file else "unknown"


@lru_cache
def _real_path(name: bytes) -> str:
    return os.path.realpath(name.decode(errors="replace"))


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _product_type(letter: str, bits: int) -> Any:
    """Return the type of BLAS's product, as C has it."""
    flag, n, at = ctypes.c_int, ctypes.c_int64 if bits == 64 else ctypes.c_int32, ctypes.c_void_p
    real = ctypes.c_float if letter == "s" else ctypes.c_double
    return ctypes.CFUNCTYPE(None, flag, flag, flag, n, n, n, real, at, n, at, n, real, at, n)


LOOP = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)  # the type of an inner loop: arrays, length, steps, extra data


def _multiplies(address: int, letter: str, bits: int) -> bool:
    """Return whether BLAS's product gives two small products, one of them of transposed matrices, as NumPy does."""
    multiply, dtype = _product_type(letter, bits)(address), SIMPLE[letter]
    a, b = np.arange(1, 7, dtype=dtype).reshape(2, 3), np.arange(-5, 7, dtype=dtype).reshape(3, 4)
    for left, right, turned in ((a, b, 111), (np.ascontiguousarray(a.T), np.ascontiguousarray(b.T), 112)):
        out = np.ones((2, 4), dtype)
        places = left.ctypes.data, left.shape[1], right.ctypes.data, right.shape[1]
        multiply(101, turned, turned, 2, 4, 3, 1, *places, 1, out.ctypes.data, 4)
        if not np.array_equal(out, a @ b + 1):
            return False
    return True


def _agrees(ufunc: Any, dtype: np.dtype[Any], address: int, extra: int | None) -> bool:
    """Return whether an inner loop gives NumPy's bits for a few numbers."""
    given = [np.array([0.5, 1.5, -0.25], dtype), np.array([2, 0.75, 3], dtype)][: ufunc.nin]
    out, n = np.zeros(3, dtype), ctypes.c_ssize_t(3)
    pointers = (ctypes.c_void_p * ufunc.nargs)(*[a.ctypes.data for a in (*given, out)])
    steps = (ctypes.c_ssize_t * ufunc.nargs)(*[dtype.itemsize] * ufunc.nargs)
    with np.errstate(all="ignore"):
        LOOP(address)(ctypes.addressof(pointers), ctypes.addressof(n), ctypes.addressof(steps), extra)
        return np.array_equal(out, ufunc(*given), equal_nan=True)


def ready(text: str | None = None) -> str:
    """Name the functions that a module's text calls, or all. Return a text that says which they are: a part of the
    machine code's key in the `cache`."""
    return "plain" if PLAIN else _named(_called_in(text))


@lru_cache(64)
def _called_in(text: str | None) -> tuple[str, ...]:
    return tuple(name for name in CALLED if text is None or f"_{name}(" in text)


_said = set[str]()  # the functions that a warning has named


@lru_cache
def _named(names: tuple[str, ...]) -> str:
    """Do it once, before machine code that calls them is loaded: LLVM takes what has no name yet to be at address 0."""
    product, apart = blas(), list[str]()
    if product is None:
        apart.append("products")
        for letter in "sd":
            _call_python(f"tinygrad_edu_{letter}gemm", _product_type(letter, 64), partial(_multiply, SIMPLE[letter]))
    loops = {f"{name}{letter}": inner_loop(name, letter) for name in names for letter in "fd"}
    for which in [which for which, extra in loops.items() if extra is None]:
        name, letter = which[:-1], which[-1]
        _call_python(f"tinygrad_edu_{name}_{letter}", LOOP, partial(_run_loop, getattr(np, name), SIMPLE[letter]))
        apart.append(f"{name} in {SIMPLE[letter]}")
    if new := [each for each in apart if each not in _said]:
        _said.update(new)
        why = "its own function was not found, or does not agree with it"
        warn(f"compiled steps call NumPy through Python, which is slower, for {', '.join(new)}: {why}")
    entries = " ".join(f"{which}{extra or 0:d}" for which, extra in loops.items())
    return f"{product} {in_pieces() and SMALL} {sys.byteorder} {entries}"


# --- functions of Python that machine code calls ----------------------------------------------------------------------

_late: list[BaseException] = []  # errors in them, Ctrl-C for one: C passes none on


def to_the_end(function: Any) -> Any:
    """Return function for a caller in C: its errors are kept, and after Ctrl-C it is called again, as the step goes on
    with its result."""

    def call(*given: Any) -> None:
        for _ in range(100):
            try:
                function(*given)
                return
            except KeyboardInterrupt as error:
                _late.append(error)
            except BaseException as error:
                return _late.append(error)

    return call


# --- large products, in pieces ----------------------------------------------------------------------------------------


_piecewise: list[Any] = []  # functions that machine code may call


def in_pieces() -> bool:
    """Return whether a step computes large products in pieces, and holds BLAS at one thread."""
    return not PLAIN and _pieces_named()


@lru_cache
def _pieces_named() -> bool:
    """Name the functions that compute large products; return False if BLAS is not OpenBLAS."""
    if (found := blas()) is None or blas_threads() is None:
        return False
    for letter in "sd":
        name, kind = f"tinygrad_edu_{letter}gemm", _product_type(letter, found[1])
        multiply = kind(binding.address_of_symbol(name))
        _piecewise.append(kind(to_the_end(partial(_in_pieces, multiply, SIMPLE[letter].itemsize))))
        binding.add_symbol(name + products.PIECES, _address(_piecewise[-1]))
    _piecewise.append(PIECE(to_the_end(_share)))
    binding.add_symbol(products.SHARE, _address(_piecewise[-1]))
    return True


def _in_pieces(multiply: Any, item: int, *given: Any) -> None:
    """Compute a product as BLAS does, in pieces that threads share. None is computed twice, as it may be a sum's."""
    to_the_end(shared)(multiply, iter(_pieces(item, *given)), one_thread.users)


PIECE = ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * 5)  # machine code that computes one: (given, rows, columns)


def _share(piece: int, given: int, n: int, m: int, k: int) -> None:
    """Compute a product by machine code for its pieces, which threads share. A second time gives the same."""
    shared(PIECE(piece), [(given, *sides) for sides in grid(n, m, k)], one_thread.users)


def _pieces(item: int, *given: Any) -> list[tuple[Any, ...]]:
    """Return what BLAS is given for each piece of a product; numbers have so many bytes."""
    order, turned, turned_b, n, m, k, alpha, a, width, b, width_b, beta, out, wide = given
    row = item if turned == products.TRANSPOSED else item * width  # bytes from one to the next
    column = item * width_b if turned_b == products.TRANSPOSED else item

    def piece(rows: slice, columns: slice) -> tuple[Any, ...]:
        first, second = a + rows.start * row, b + columns.start * column
        to = out + (rows.start * wide + columns.start) * item
        sizes = rows.stop - rows.start, columns.stop - columns.start, k
        return order, turned, turned_b, *sizes, alpha, first, width, second, width_b, beta, to, wide

    return [piece(rows, columns) for rows, columns in cuts(n, m, k)]


# --- NumPy through Python, where its own function was not found -------------------------------------------------------

_alive: list[Any] = []  # functions that machine code may call


def _call_python(name: str, kind: Any, function: Any) -> None:
    """Give a name to a function of Python."""
    _alive.append(kind(to_the_end(function)))
    binding.add_symbol(name, _address(_alive[-1]))


def _multiply(dtype: Any, *given: Any) -> None:
    _, turned, turned_b, n, m, k, _, a, _, b, _, add, out, _ = given
    row = out if add else 0  # every row of out is that one
    plainly.matmul(dtype, a, turned == products.TRANSPOSED, b, turned_b == products.TRANSPOSED, out, n, m, k, row)


def _run_loop(ufunc: Any, dtype: Any, pointers: int, length: int, steps: int, _: Any) -> None:
    n = ctypes.c_ssize_t.from_address(length).value
    at = (ctypes.c_void_p * ufunc.nargs).from_address(pointers)
    moves = (ctypes.c_ssize_t * ufunc.nargs).from_address(steps)
    *given, out = [plainly.array(a, 0, (n if move else 1,), dtype) for a, move in zip(at, moves)]
    with np.errstate(all="ignore"):
        ufunc(*given, out=out)


def interruptible(code: Any) -> Any:
    """Return machine code that raises what was raised in a function of Python that it called."""
    return partial(interrupted_late, code) if _alive else code


def interrupted_late(code: Any, *given: Any) -> Any:
    """Call machine code; raise what was raised in a function of Python that it called. Ctrl-C waits for the end."""
    with _ctrl_c_waits():
        status = code(*given)
    if _late:
        error = _late[-1]
        _late.clear()
        raise error
    return status


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Have Ctrl-C wait for the end of the block. It is noticed where a function begins, before its first line: in one
    that C called no ``try`` would see it, and the function would not be run."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or current_thread() is not main_thread():  # which alone is told of signals
        yield
        return
    pressed = list[tuple[Any, ...]]()
    signal.signal(signal.SIGINT, lambda *given: pressed.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for given in pressed[:1]:
            before(*given)


def functions(dtype: Any) -> dict[str, Any]:
    """Return the functions that a step's loops call, by name; dtype is that of the parameters."""
    ready("")
    return plainly.plain(np.dtype(dtype)) if PLAIN else _native("s" if dtype == np.float32 else "d")


asleep = [True]  # empty once BLAS has started its threads; a fork ends them


def wake_blas() -> None:
    """Have BLAS start its threads now. Threads that it starts within a step would take over the mode of the step's
    processor (`intrinsics.flush`), and keep it."""
    a = np.ones((256, 256), np.float32)  # large enough for threads
    np.dot(a, a)
    asleep.clear()


def _forked() -> None:
    asleep[:] = [True]
    next_stamp()  # time moves on: a compiled step then looks at what has changed


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_forked, after_in_child=_forked)


@lru_cache
def _native(letter: str) -> dict[str, Any]:
    names = "array", "address", "passes", "numbers_of", "repeat", "random", "flush"
    own = {f"_{name}": getattr(intrinsics, name) for name in names}
    bits = (blas() or ("", 64))[1]
    called = {f"_{name}": intrinsics.called(name, inner_loop) for name in CALLED}
    return called | own | {"_matmul": products.matmul(letter, bits, in_pieces())}
