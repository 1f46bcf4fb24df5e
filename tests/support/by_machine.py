"""A function of numbers as machine code, apart from a step."""

import itertools
import sys
from types import ModuleType

from tinygrad_edu.compile import library
from tinygrad_edu.compile.machine import SOURCE

numbers = itertools.count()


def compiled(text, **names):
    """The function f of a text, for whole numbers; names are those that the text reads."""
    return library.function_of(made(text, **names))


def made(text, **names):
    """Its machine code."""
    name = f"tinygrad_edu_test_{next(numbers)}"
    module = sys.modules[name] = ModuleType(name)
    vars(module).update(names, **{SOURCE: text})
    exec(text, vars(module))
    return library.made(module.f, [int] * module.f.__code__.co_argcount, name)
