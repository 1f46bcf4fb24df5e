"""How a kernel becomes machine code. A reader of the rules needs none of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, lru_cache, partial, update_wrapper
from typing import Any

from .ops import Array


def compiled(**options: Any) -> Any:
    """Return Numba's decorator with the flags of this package. They are written here and nowhere else."""
    from numba import njit  # not before a kernel is used: it takes longer to load than all the rest

    return njit(nogil=True, error_model="numpy", **options)


class Kernel:
    """A function that Numba compiles at its first call; ``py_func`` is the plain function.

    Other kernels may call it: Numba asks for ``_numba_type_``, and gets that of the compiled function.
    """

    def __init__(self, rule: Callable[..., Any]) -> None:
        update_wrapper(self, rule)
        self.py_func = rule

    @cached_property
    def dispatcher(self) -> Any:
        """The function as Numba has it. Its machine code is kept on disk where the install allows that."""
        try:
            return compiled(cache=True)(self.py_func)
        except RuntimeError:  # nowhere to write: a read-only install without a home folder
            return compiled()(self.py_func)

    def __call__(self, *args: Any) -> Any:
        return self.dispatcher(*args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy, inspect and others try
            raise AttributeError(name)
        return getattr(self.dispatcher, name)


def kernel(rule: Any) -> Any:
    """Compile a rule at its first use. With NUMBA_DISABLE_JIT=1 it stays the plain function."""
    return rule if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0") else Kernel(rule)


def numbers_of(rule: Any, arrays: int) -> tuple[str, ...]:
    """Return the names of the numbers that a rule takes behind so many arrays."""
    code = getattr(rule, "py_func", rule).__code__
    return code.co_varnames[arrays : code.co_argcount]


@lru_cache
def machine_code(rule: Any, arrays: int, dtype: Any) -> Any:
    """Return a rule for so many contiguous arrays of dtype, compiled now, or loaded from Numba's cache.

    A call goes past Numba's look at the type of each argument, half of the time of a small step. So nothing looks:
    arrays have to be of that dtype and contiguous. Python numbers are rounded to dtype.
    """
    if not hasattr(rule, "py_func"):  # a plain function
        return rule
    from numba import from_dtype

    element = from_dtype(dtype)
    signature = (element[::1],) * arrays + (element,) * len(numbers_of(rule, arrays))
    rule.compile(signature)
    return rule.overloads[signature].entry_point


def bound(rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on these arrays, as a function of its numbers alone."""
    return partial(machine_code(rule, len(arrays), arrays[0].dtype), *arrays)
