"""The preamble of a program: the imports, constants and functions that its lines use, as text."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from itertools import count
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from .expressions import Rewriter, literal, loaded, parsed, renamed, stored, unparsed
from .names import Recipe, read

PACKAGE = __name__.partition(".")[0]


class Helpers:
    """The global names that the sources of ops use, each with a name in the program and a text that defines it.

    Parameters
    ----------
    used : names that are taken

    Attributes
    ----------
    used : names that are taken, with those of the helpers
    scope : name to value, as the texts define it; the lines of the program run in it
    objects : name to the object that the op uses
    texts : name to the text that defines it
    calls : name of a function to the names that it uses
    """

    def __init__(self, used: Iterable[str]) -> None:
        self.used = {*used, *dir(builtins), "np"}
        self.scope: dict[str, Any] = {"np": np}
        self.objects: dict[str, Any] = {"np": np}
        self.texts: dict[str, str] = {"np": "import numpy as np"}
        self.calls: dict[str, set[str]] = {}

    def of(self, f: Callable[..., Any], names: Iterable[str]) -> dict[str, ast.expr]:
        """Return the names in the program for the global names that the source of f uses, and add their texts."""
        where = {**f.__globals__, **inspect.getclosurevars(f).nonlocals}
        return {name: ast.Name(self.add(name, where[name])) for name in sorted(names) if name in where}

    def new_name(self, name: str) -> str:
        """Return a name that nothing has yet, and take it: that of a helper, or of a value of an op's own."""
        name = free(name, self.used)
        self.used.add(name)
        return name

    def add(self, name: str, value: Any) -> str:
        """Return the name of a value in the program. A new value gets a name and a text, if it can be written down."""
        for known, other in self.objects.items():
            if other is value:
                return known
        name = self.new_name(name)
        self.objects[name] = self.scope[name] = value
        module = getattr(value, "__module__", None) or ("numpy" if isinstance(value, np.ufunc) else "")  # NumPy 2.0
        called = getattr(value, "__name__", "")
        number = literal(value, {})
        if isinstance(value, ModuleType):
            self.texts[name] = f"import {called}" + f" as {name}" * (name != called)
        elif getattr(sys.modules.get(module), called, None) is value and importable_anywhere(module):
            self.texts[name] = f"from {module} import {called}" + f" as {name}" * (name != called)
        elif isinstance(value, FunctionType):
            self.texts[name] = self._function(name, value)
            exec(self.texts[name], self.scope)
        elif number is not None:
            self.texts[name] = f"{name} = {unparsed(number)}"
        return name

    def _function(self, name: str, f: FunctionType) -> str:
        """Return the source of f without types; of an op, the part that computes the value.

        Raises
        ------
        ValueError : the source cannot be read
        """
        try:
            tree = parsed(textwrap.dedent(inspect.getsource(f))).body[0]
        except (OSError, SyntaxError):
            tree = ast.Pass()
        if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
            raise ValueError(f"the source of {f.__name__} cannot be read: define it with def, undecorated, in a file")
        tree.name, tree.returns = name, None
        arguments = [arg for arg in ast.walk(tree.args) if isinstance(arg, ast.arg)]
        for arg in arguments:
            arg.annotation = None
        recipe = recipe_of(f)
        if recipe:
            documented = [tree.body[0]] if ast.get_docstring(tree) else []
            lines, value = list(recipe.lines), recipe.value
            if lines and ast.unparse(lines[-1].targets[0]) == ast.unparse(value):
                value = lines.pop().value
            tree.body = [*documented, *lines, ast.Return(value)]
        own = {arg.arg for arg in arguments} | stored(tree)
        calls = self.of(f, unbound(tree) - own)
        self.calls[name] = {part.id for part in calls.values() if isinstance(part, ast.Name)}
        return ast.unparse(ast.fix_missing_locations(_ValueOnly(self).visit(renamed(tree, calls))))

    def value_only(self, node: ast.Subscript) -> ast.expr:
        """Return ``sigmoid(a)`` for ``sigmoid(a)[0]`` if sigmoid is an op: its helper returns the value alone."""
        call, first = node.value, isinstance(node.slice, ast.Constant) and node.slice.value == 0
        if first and isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            return call if recipe_of(self.objects.get(call.func.id)) else node
        return node

    def text(self, names: set[str]) -> str:
        """Return the text that defines these names: imports, constants, functions.

        Raises
        ------
        ValueError : a name stands for a value that has no text
        """
        todo = sorted(names & set(self.objects) | {"np"})
        for name in todo:  # the list grows while it is read
            if name not in self.texts:
                kind = type(self.objects[name]).__name__
                raise ValueError(
                    f"{name} cannot be written down, it is of type {kind}: let it be an argument of the op"
                )
            todo += sorted(self.calls.get(name, set()) - set(todo))
        texts = [self.texts[name] for name in todo]
        imports = sorted((t for t in texts if t.startswith(("import ", "from "))), key=lambda t: (t[0] == "f", t))
        constants = [text for text in texts if text not in imports and not text.startswith("def ")]
        functions = [text for text in texts if text.startswith("def ")]
        return "\n\n\n".join(["\n".join(imports), *["\n".join(constants)] * bool(constants), *functions])

    def of_package(self) -> dict[str, str]:
        """Return name here -> name there of the functions of this package."""
        return {name: there for name, f in self.objects.items() if (there := name_in_package(f))}


class _ValueOnly(Rewriter):
    """Apply `Helpers.value_only` to a whole tree."""

    def __init__(self, helpers: Helpers) -> None:
        self.helpers = helpers

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node = self.generic_visit(node)
        return self.helpers.value_only(node)


@cache
def global_names(op: Callable[..., Any]) -> frozenset[str]:
    """Return the global names in the source of an op."""
    recipe = read(op)
    trees = [*recipe.lines, recipe.value, *recipe.vjps]
    return frozenset().union(*map(unbound, trees)) - {*op.__code__.co_varnames, *op.__code__.co_cellvars}


def recipe_of(f: Any) -> Recipe | None:
    """Return the source of an op taken apart; None for any other object."""
    try:
        return read(f) if isinstance(f, FunctionType) else None
    except ValueError:
        return None


def name_in_package(f: Any) -> str:
    """Return the name of a function of this package; "" for any other object."""
    ours = isinstance(f, FunctionType) and f.__module__.partition(".")[0] == PACKAGE
    return f.__name__ if ours else ""


def unbound(tree: ast.AST) -> set[str]:
    """Return the names in a tree, except those that a comprehension or a lambda in it binds."""
    own: set[str] = set()
    for part in ast.walk(tree):
        if isinstance(part, ast.comprehension):
            own |= loaded(part.target)
        elif isinstance(part, ast.Lambda):
            own |= {arg.arg for arg in part.args.args}
    return loaded(tree) - own


def importable_anywhere(module: str) -> bool:
    """Tell if a module comes with Python or NumPy."""
    return module.partition(".")[0] in {*sys.stdlib_module_names, "numpy"}


def free(name: str, taken: Iterable[str]) -> str:
    """Return the name, or the name with the first number, from 2, that makes it new."""
    return name if name not in taken else next(n for k in count(2) if (n := f"{name}{k}") not in taken)
