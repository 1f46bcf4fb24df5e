"""A student's plain NumPy function, rewritten from its source so that it runs on Tensors.

Most of NumPy reaches a Tensor by itself. Some things do not, because an array stands on the left: ``X.dot(W)``,
``m[rows, y] = value`` and ``array += tensor``; nor does ``np.mean(losses)`` of a list. In the rewritten function each
is a call of a function below, which does as NumPy does, and where a Tensor takes part computes a new Tensor, which
takes the name. The functions of the student's that it calls are rewritten too.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import operator
import os
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from ..core.tensor import Tensor, apply, as_tensor, unwrap
from ..extras import ops
from ..guards.frames import PACKAGE
from ..program.expressions import parsed

LIBRARIES = tuple(os.path.realpath(sysconfig.get_paths()[name]) + os.sep for name in ("stdlib", "purelib", "platlib"))


def rewritten(f: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return f so that it runs on Tensors; None if it is no function of the user's, or its source is not there."""
    return _Rewriter().function(f)


def is_users(code: CodeType) -> bool:
    """Return whether the code is neither of this package nor of Python or an installed library."""
    path = os.path.realpath(code.co_filename)
    return not path.startswith((PACKAGE, *LIBRARIES))


class _Rewriter:
    """Rewrites functions, each once."""

    def __init__(self) -> None:
        self.known: dict[Any, Callable[..., Any] | None] = {}

    def function(self, f: Any) -> Callable[..., Any] | None:
        """Return a function or a method of the user's rewritten, or None."""
        if isinstance(f, MethodType):
            function = self.function(f.__func__)
            return None if function is None else MethodType(function, f.__self__)
        if not isinstance(f, FunctionType) or not is_users(f.__code__):
            return None
        if f not in self.known:
            self.known[f] = None
            with suppress(SyntaxError, TypeError, ValueError, OSError):  # then it stays as it is
                self.known[f] = self.built(f)
        return self.known[f]

    def built(self, f: FunctionType) -> Callable[..., Any] | None:
        """Return f compiled anew, with its own globals, defaults, and the variables that it takes from outside."""
        node = _definition(f)
        if node is None:
            return None
        node = _Changes().visit(node)
        outer = parsed(f"def _outer({', '.join(f.__code__.co_freevars)}): pass")
        maker = outer.body[0]
        assert isinstance(maker, ast.FunctionDef)
        if isinstance(node, ast.Lambda):
            maker.body = [ast.Return(node)]
        else:
            node.decorator_list = []
            maker.body = [node, ast.Return(ast.Name(node.name, ast.Load()))]
        ast.fix_missing_locations(outer)
        helpers = {
            "_called": self.called,
            "_dotted": dotted,
            "_copied": copied,
            "_assigned": assigned,
            "_updated": updated,
        }
        names = {**f.__globals__, **{f"_doctor{name}": helper for name, helper in helpers.items()}}
        exec(compile(outer, f.__code__.co_filename, "exec"), names)
        cells = [cell.cell_contents for cell in f.__closure__ or ()]
        new: FunctionType = names["_outer"](*cells)
        new.__defaults__, new.__kwdefaults__ = f.__defaults__, f.__kwdefaults__
        return new

    def called(self, f: Any, *args: Any, **kwargs: Any) -> Any:
        """Call f, rewritten if it is the user's. NumPy sees no Tensor in a list: it becomes one Tensor, a stack."""
        if getattr(f, "__module__", None) == "numpy" and f not in LISTS:
            args = tuple([stacked(a) if isinstance(a, (list, tuple)) else a for a in args])
            if f in (np.array, np.asarray) and isinstance(args[0], Tensor):
                return args[0]
        return (self.function(f) or f)(*args, **kwargs)


def _definition(f: FunctionType) -> Any:
    """Return the node of the source that defines f; None unless there is exactly one."""
    code = f.__code__
    source = "".join(linecache.getlines(code.co_filename, f.__globals__)) or inspect.getsource(f)
    found = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = code.co_argcount + code.co_kwonlyargcount
            named = getattr(node, "name", "<lambda>") == code.co_name
            if named and first == code.co_firstlineno and arguments == list(code.co_varnames[:count]):
                found.append(node)
    return found[0] if len(found) == 1 else None


class _Changes(ast.NodeTransformer):
    """Put our functions where NumPy would not ask a Tensor."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "dot" and len(node.args) == 1:
            return _call("_doctor_dotted", node, node.func.value, node.args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("copy", "astype"):
            name = ast.Constant(node.func.attr)
            new = ast.Call(ast.Name("_doctor_copied", ast.Load()), [name, node.func.value, *node.args], node.keywords)
            return ast.copy_location(new, node)
        if isinstance(node.func, ast.Name) and node.func.id in ("super", "locals", "vars", "globals", "eval", "exec"):
            return node
        new = ast.Call(ast.Name("_doctor_called", ast.Load()), [node.func, *node.args], node.keywords)
        return ast.copy_location(new, node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            base = target.value.id
            new = _call("_doctor_assigned", node, ast.Name(base, ast.Load()), _index(target.slice), node.value)
            return ast.copy_location(ast.Assign([ast.Name(base, ast.Store())], new), node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        sign, target = ast.Constant(type(node.op).__name__), node.target
        if isinstance(target, ast.Name):
            value = _call("_doctor_updated", node, sign, ast.Name(target.id, ast.Load()), node.value)
            return ast.copy_location(ast.Assign([ast.Name(target.id, ast.Store())], value), node)
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            base, index = target.value.id, _index(target.slice)
            value = _call("_doctor_updated", node, sign, ast.Name(base, ast.Load()), node.value, index)
            return ast.copy_location(ast.Assign([ast.Name(base, ast.Store())], value), node)
        return node


def _call(name: str, at: Any, *args: ast.expr) -> ast.Call:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(args), []), at)


def _index(node: ast.expr) -> ast.expr:
    """Return what stands between brackets as an expression: 1:3 as slice(1, 3, None)."""
    if isinstance(node, ast.Tuple):
        return ast.copy_location(ast.Tuple([_index(e) for e in node.elts], ast.Load()), node)
    if isinstance(node, ast.Slice):
        ends = [end or ast.Constant(None) for end in (node.lower, node.upper, node.step)]
        return _call("slice", node, *ends)
    return node


# --- what the rewritten function calls --------------------------------------------------------------------------------

LISTS = (np.stack, np.concatenate, np.vstack, np.hstack, np.column_stack)  # ask the Tensors in a list themselves


def stacked(items: Any) -> Any:
    """Return a list as a Tensor if there are Tensors in it, in lists of it too; else the list as it is."""
    if not isinstance(items, (list, tuple)):
        return items
    inner = [stacked(x) for x in items]
    return apply(ops.stack, *inner) if any(isinstance(x, Tensor) for x in inner) else items


def dotted(a: Any, b: Any) -> Any:
    """Do ``a.dot(b)``."""
    return np.dot(a, b) if isinstance(a, (Tensor, np.ndarray)) and isinstance(b, Tensor) else a.dot(b)


def copied(method: str, a: Any, *args: Any, **kwargs: Any) -> Any:
    """Do ``a.copy()`` or ``a.astype(dtype, copy=False)``. A Tensor is never changed here, so it is its own copy."""
    if isinstance(a, Tensor) and (method == "copy" or np.dtype((*args, *kwargs.values())[0]).kind == "f"):
        return a
    return getattr(a, method)(*args, **kwargs)


def assigned(a: Any, index: Any, value: Any) -> Any:
    """Do ``a[index] = value``, and return a; if a Tensor takes part, a new Tensor."""
    if not isinstance(a, Tensor) and not (isinstance(a, np.ndarray) and isinstance(value, Tensor)):
        a[index] = value
        return a
    index, a, value = unwrap(index), as_tensor(a), as_tensor(value)
    mask, places = np.zeros(a.shape, bool), np.zeros(a.shape, int)
    mask[index] = True
    chosen = mask[index].shape
    places[index] = np.arange(int(np.prod(chosen))).reshape(chosen)  # of an element that occurs twice the last counts
    if value.ndim > len(chosen):
        value = value.reshape(value.shape[value.ndim - len(chosen) :])
    spread = apply(ops.broadcast_to, value, shape=chosen).reshape(-1)[places] if value.size and mask.any() else a
    return apply(ops.where, spread, a, condition=mask)


def updated(sign: str, a: Any, value: Any, *index: Any) -> Any:
    """Do ``a += value`` or ``a[index] += value``, or with another sign, and return a; a new Tensor as in `assigned`."""
    if index:
        if isinstance(a, Tensor) or isinstance(value, Tensor):
            return assigned(a, index[0], BINARY[sign](a[index[0]], value))
        a[index[0]] = IN_PLACE[sign](a[index[0]], value)
        return a
    if isinstance(a, Tensor) or (isinstance(value, Tensor) and isinstance(a, np.ndarray)):
        return BINARY[sign](a, value)
    return IN_PLACE[sign](a, value)


SIGNS = {"Add": "add", "Sub": "sub", "Mult": "mul", "Div": "truediv", "Pow": "pow", "MatMult": "matmul",
         "FloorDiv": "floordiv", "Mod": "mod", "BitAnd": "and_", "BitOr": "or_", "BitXor": "xor",
         "LShift": "lshift", "RShift": "rshift"}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {sign: getattr(operator, name) for sign, name in SIGNS.items()}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    sign: getattr(operator, f"i{name.rstrip('_')}") for sign, name in SIGNS.items()
}
