"""tinygrad_edu: reverse-mode automatic differentiation and the optimizers of every course, to be read and to be used.

>>> import tinygrad_edu as tg
>>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
array([2., 4., 6.])

Read `core` first: `ops`, `tensor`, `losses`, `init`, `layers`, `buffers`, `kernels`, `optimizer`, `optimizers`. Every
other folder is a room of its own that stands on it. This file is the face: ``__init__.pyi`` is the table of public
names, and each is loaded when it is first used. The package imports NumPy alone; Numba arrives with the first
step, matplotlib with the first picture.
"""

import ast
import builtins
import sys
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any

from . import guards
from .core.tensor import Tensor, method
from .extras import layers as _layers, numpy_functions, ops  # noqa: F401, four activations enter themselves
from .extras.spellings import spelled
from .guards.names import no_attribute

__version__ = "0.2.0"

_METHODS = {op.__name__: method(op) for op in ops.defined_in(ops) if not hasattr(Tensor, op.__name__)}
for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)
_METHODS = {op.__name__: spelled(op, getattr(Tensor, op.__name__)) for op in ops.defined_in(ops)}
for _name, _method in {**_METHODS, **numpy_functions.METHODS}.items():
    setattr(Tensor, _name, _method)
guards.install()  # before any other room takes a loss from the core


def _table() -> dict[str, tuple[str, str]]:
    """Return name -> (module, name there) of the public names: those of the stub beside this file, and every op."""
    named = [*(op.__name__ for op in ops.defined_in(ops)), *numpy_functions.FUNCTIONS]  # tg.exp(x) is x.exp()
    table = {name: ("core.tensor", f"Tensor.{name}") for name in named if name not in ("astype", "getitem")}
    with open(f"{__file__.removesuffix('.py')}.pyi", encoding="utf-8") as stub:
        parts = ast.parse(stub.read()).body
    for part in parts:
        if isinstance(part, ast.ImportFrom) and part.level:
            table |= {alias.asname: (part.module, alias.name) for alias in part.names}
    return table


_TABLE = _table()
_ON_SCIKIT_LEARN = "training.estimators"
__all__ = [  # a star import hides no abs, sum, max, min, pow, and needs no other package
    name for name, (module, _) in _TABLE.items() if not hasattr(builtins, name) and module != _ON_SCIKIT_LEARN
]


class _Face(ModuleType):
    """The package's module: a room that is imported does not take the place of the function of its name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and value.__name__ == f"{__name__}.{name}" and name in _TABLE):
            super().__setattr__(name, value)

    def __reduce__(self) -> Any:
        return import_module, (__name__,)  # for functions that go to other processes with what they refer to


sys.modules[__name__].__class__ = _Face


# --- what upper rooms add to classes of the core, and the checks that take the place of methods that check nothing ----
_TOOLS = dict.fromkeys(
    [
        "freeze",
        "unfreeze",
        "clip_value",
        "clip_norm",
        "centralize",
        "add_noise",
        "equation",
        "compile",
    ],
    "training.optimizer_tools",
)
_BOUND = {
    "core.tensor.Tensor": {
        "steps": "explain.steps.steps",
        "graph": "explain.graph.graph",
        "_repr_html_": "explain.notebook.tensor_shown",
        "__getstate__": "training.copies.tensor_to_pickle",
        "__setstate__": "training.copies.tensor_from_pickle",
        "__copy__": "training.copies.copy_tensor",
        "__deepcopy__": "training.copies.copy_tensor",
    },
    "core.layers.Layer": {
        "state_dict": "training.states.layer_state",
        "load_state_dict": "training.states.load_layer_state",
        "predict": "training.evaluation.predict",
    },
    "core.buffers.FlatBuffer": {"check": "guards.ranges.check_parameters"},
    "core.jit.Kernel": {"keep": "compile.kept.keep", "__reduce__": "training.copies.by_name"},
    "core.optimizer.Update": {"bind": "extras.threads.bind"},
    "core.optimizer.Optimizer": {
        "check": "guards.ranges.check_hyper",
        "grouped": "guards.ranges.grouped",
        "refusal": "guards.ranges.not_finite",
        "why": "explain.why.why",
        "hvp": "program.derivatives.optimizers_hvp",
        "state_dict": "training.states.optimizer_state",
        "load_state_dict": "training.states.load_optimizer_state",
        "__getstate__": "training.copies.optimizer_to_pickle",
        "__setstate__": "training.copies.optimizer_from_pickle",
        "__copy__": "training.copies.no_shallow_copy",
        **{name: f"{room}.{name}" for name, room in _TOOLS.items()},
    },
}


_AS_THEY_ARE = {  # modules of which one is a table of ops, and others make what is pickled by its function's name
    *("extras.kernels", "extras.ops", "extras.optimizers", "training.schedules", "race.surfaces")
}


class _Bound:
    """A function of an upper room as a method. Its file is loaded at the first use; then it takes this place."""

    def __init__(self, cls: type, name: str, path: str) -> None:
        self.cls, self.name, self.path = cls, name, path

    def __get__(self, instance: Any, owner: type) -> Any:
        path, _, there = self.path.rpartition(".")
        method = getattr(import_module(f".{path}", __name__), there)
        theirs = self.name[0] != "_" and path.startswith(("training", "explain"))
        setattr(self.cls, self.name, guards.words.worded(method, self.name) if theirs else method)
        return getattr(owner if instance is None else instance, self.name)


for _place, _methods in _BOUND.items():
    _path, _, _class = _place.rpartition(".")
    for _name, _function in _methods.items():
        _cls = getattr(import_module(f".{_path}", __name__), _class)
        setattr(_cls, _name, _Bound(_cls, _name, _function))


def __getattr__(name: str) -> Any:
    if name not in _TABLE:
        raise AttributeError(no_attribute(name))
    path, there = _TABLE[name]
    try:
        value = attrgetter(there)(import_module(f".{path}", __name__))
    except AttributeError:
        value = import_module(f".{path}.{there}", __name__)
    if not path.startswith(("core", "extras.losses")) and f"{path}.{there}" not in _AS_THEY_ARE:
        value = guards.words.at_the_door(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({"__version__", "__all__", "__doc__", *_TABLE})
