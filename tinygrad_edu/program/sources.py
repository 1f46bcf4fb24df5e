"""Functions of Python as their sources: for texts in another language that are made of them."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from typing import Any


def tree_of(f: Any) -> ast.stmt:
    """Return the source of a function as Python's parser reads it."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(f)))).body[0]
    except (OSError, SyntaxError):
        raise ValueError(f"the source of {name_of(f)} cannot be read") from None


def is_kernel(tree: ast.stmt) -> bool:
    """Tell if a function is decorated as a kernel: its arrays are read and written number by number."""
    return "kernel" in [ast.unparse(part) for part in getattr(tree, "decorator_list", [])]


def scope_of(f: Any) -> dict[str, Any]:
    """Return the values of the names that a function does not define."""
    return {**vars(builtins), **inspect.unwrap(f).__globals__, "self": getattr(f, "__self__", None)}


def name_of(f: Any) -> str:
    """Return the name of a function in JavaScript: ``Adam_scalars`` of a method."""
    return str(inspect.unwrap(f).__qualname__).rpartition("<locals>.")[2].replace(".", "_")
