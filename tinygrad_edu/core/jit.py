"""Machine code for kernels, by Numba. The rules can be read without this file.

`kernel` decorates a rule, `bound` gives an optimizer what it calls; `machine_code` is the step between.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, lru_cache, partial, update_wrapper
from typing import Any

from .ops import Array


def compiled(**options: Any) -> Any:
    """Return Numba's decorator with the flags of this package, which stand here and nowhere else."""
    from numba import njit  # here, not above: Numba takes longer to load than all the rest

    return njit(nogil=True, error_model="numpy", **options)


class Kernel:
    """A function that Numba compiles at its first use; ``py_func`` is the plain function.

    All other attributes are those of Numba's function. So other kernels may call this one: to compile the call, Numba
    asks for ``_numba_type_``.
    """

    def __init__(self, rule: Callable[..., Any]) -> None:
        update_wrapper(self, rule)
        self.py_func = rule

    @cached_property
    def dispatcher(self) -> Any:
        """Numba's function, which compiles for each new list of types. It keeps machine code on disk if it can."""
        try:
            return compiled(cache=True)(self.py_func)
        except RuntimeError:  # nowhere to write: a read-only install without a home folder
            return compiled()(self.py_func)

    def __call__(self, *args: Any) -> Any:
        return self.dispatcher(*args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy, inspect and others try such names; Numba need not load for them
            raise AttributeError(name)
        return getattr(self.dispatcher, name)


def kernel(rule: Any) -> Any:
    """Return a `Kernel` of a rule. With NUMBA_DISABLE_JIT=1 in the environment the rule stays a plain function."""
    return rule if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0") else Kernel(rule)


def numbers_of(rule: Any, arrays: int) -> tuple[str, ...]:
    """Return the names of the numbers that a rule takes; arrays says how many arrays stand before them."""
    code = getattr(rule, "py_func", rule).__code__
    return code.co_varnames[arrays : code.co_argcount]


@lru_cache
def machine_code(rule: Any, arrays: int, dtype: Any) -> Any:
    """Return a rule for contiguous arrays of dtype, as many as arrays says: compiled now or loaded from Numba's cache.

    A call of it skips Numba's look at the type of each argument, which is half of the time of a small step. So nothing
    notices an array of another dtype or one with gaps. Python numbers are rounded to dtype.
    """
    if not hasattr(rule, "py_func"):  # a plain function, as with NUMBA_DISABLE_JIT=1
        return rule
    from numba import from_dtype

    element = from_dtype(dtype)
    signature = (element[::1],) * arrays + (element,) * len(numbers_of(rule, arrays))  # [::1]: Numba for contiguous
    rule.compile(signature)
    return rule.overloads[signature].entry_point


def bound(rule: Any, arrays: list[Array]) -> Any:
    """Return the rule on these arrays, as a function of its numbers alone."""
    return partial(machine_code(rule, len(arrays), arrays[0].dtype), *arrays)
