"""The functions of `intrinsics` and `products` in plain Python, for a step where Numba is switched off."""

from __future__ import annotations

import ctypes
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ..core.ops import Array
from ..extras import gate
from .templates import CALLED

NEXT = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p)  # the type of a generator's function


@lru_cache
def plain(dtype: Any) -> dict[str, Any]:
    """Return the functions that a step's loops call, by name."""
    return {f"_{name}": _called(name) for name in CALLED} | {
        "_array": array,
        "_address": lambda a: a.ctypes.data,
        "_passes": _passes,
        "_numbers_of": lambda a: a.ctypes.data,
        "_matmul": partial(matmul, dtype),
        "_repeat": _repeat,
        "_random": lambda state, function: NEXT(int(function))(int(state)),
        "_flush": lambda mode: np.seterr(**(mode or {"all": "ignore"})),  # machine code warns of nothing
    }


def array(address: int, offset: int, shape: tuple[int, ...], dtype: Any, *_: int) -> Array:
    """Return the array at an address."""
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    place = (ctypes.c_byte * (size * item)).from_address(int(address + offset * item))
    return np.frombuffer(place, dtype).reshape(shape)


def matmul(
    dtype: Any, a: int, a_flipped: bool, b: int, b_flipped: bool, out: int, n: int, m: int, k: int, row: int
) -> None:
    """Write a product to an address, by NumPy."""
    left = array(a, 0, (k, n) if a_flipped else (n, k), dtype)
    right = array(b, 0, (m, k) if b_flipped else (k, m), dtype)
    product = (left.T if a_flipped else left) @ (right.T if b_flipped else right)
    array(out, 0, (n, m), dtype)[...] = product + array(row, 0, (m,), dtype) if row else product


def _passes(a: Any, kind: int, dtype: int, shape: tuple[int, ...]) -> bool:
    return id(type(a)) == kind and id(a.dtype) == dtype and gate.passes(a, a.dtype, shape)


def _repeat(row: int, to: int, n: int, size: int) -> None:
    for i in range(n):
        ctypes.memmove(int(to + i * size), int(row), int(size))


def _called(name: str) -> Any:
    def call(*given: Any) -> None:
        *pairs, out, n = given
        inputs = [a.reshape(-1)[:n] if step else a.reshape(-1)[0] for a, step in zip(pairs[::2], pairs[1::2])]
        getattr(np, name)(*inputs, out=out.reshape(-1)[:n])

    return call
