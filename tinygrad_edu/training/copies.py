"""Pickles and deep copies of Tensors, optimizers and update rules. The face makes these functions methods."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..core.buffers import FlatBuffer, aligned
from ..core.jit import Kernel
from ..core.ops import Array, Result
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor


def copied(a: Array) -> Result:
    """y = a, whose history was left behind"""
    return a, lambda g: g


def tensor_to_pickle(t: Tensor) -> Any:
    """Return what a pickle or a copy takes along: numbers, name and gradient, but no graph and no place in a buffer.

    Stamps stay behind, as they count the time of one process. A computed tensor becomes a computed one that requires
    no gradient: its record holds functions that cannot be pickled.
    """
    leaf = t.op is None
    grad = t.stored_grad if leaf or t.retains_grad else None
    state = {"array": t.array, "requires_grad": leaf and t.requires_grad, "name": t.name, "leaf": leaf, "grad": grad}
    return getattr(t, "__dict__", None), state  # the first is of a subclass


def tensor_from_pickle(t: Tensor, state: Any) -> None:
    """Fill a new Tensor with what `tensor_to_pickle` returned."""
    more, given = state
    Tensor.__init__(t, given["array"], given["requires_grad"], given["name"])
    if given["grad"] is not None:
        t.stored_grad = given["grad"].copy()
    if not given["leaf"]:
        t.op, t.retains_grad = copied, given["grad"] is not None
        t.array.setflags(write=False)
    vars(t).update(more) if more else None


def copy_tensor(t: Tensor, memo: dict[int, Any] | None = None) -> Tensor:
    """Return a Tensor with numbers of its own. Unlike a pickle it keeps the graph: that of t, or, with the memo of
    copy.deepcopy, a copy of it."""
    other = object.__new__(type(t))
    more, state = tensor_to_pickle(t)
    parents = t.parents
    if memo is not None:
        memo[id(t)] = other
        more, parents = copy.deepcopy((more, parents), memo)
    tensor_from_pickle(other, (more, state | {"requires_grad": t.requires_grad}))
    if t.op is not None:
        other.op, other.parents, other.kwargs, other.vjps = t.op, parents, t.kwargs, t.vjps
        other.retains_grad = t.retains_grad
    return other


MADE_ANEW = ("buffer", "cached_updates", "seen", "last", "regularised")


def optimizer_to_pickle(optimizer: Optimizer) -> dict[str, Any]:
    """Return what a pickle or a deep copy takes along: parameters, averages, counts and hyper-parameters.

    Copy or pickle model and optimizer together, as in ``copy.deepcopy((model, optimizer))``: then the copy trains the
    copied model. Optimizers that share parameters share them afterwards too, if they are copied together.

    Raises
    ------
    RuntimeError : a parameter lies in another optimizer's buffer now
    """
    for p, data, _ in optimizer.buffer.views:
        if p.array is not data:
            raise RuntimeError(f"{p.label()} now lies in another optimizer's buffer; copy or pickle that optimizer")
    optimizer.write_back_steps()
    memory = []  # the whole arrays, which optimizers share that have the same parameters, and where this one begins
    for part in (optimizer.buffer.data, optimizer.buffer.grad):
        memory.append((part.base, (part.ctypes.data - part.base.ctypes.data) // part.itemsize))
    kept = {name: value for name, value in vars(optimizer).items() if name not in MADE_ANEW}
    return kept | {"groups": [dict(group) for group in optimizer.groups], "memory": memory}


def optimizer_from_pickle(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Fill a new optimizer with what `optimizer_to_pickle` returned, and move the parameters into its buffer."""
    state = dict(state)
    memory, groups = state.pop("memory"), state.pop("groups")
    memory = [
        (whole if whole.flags.writeable else np.array(whole), start) for whole, start in memory
    ]  # joblib's memmap
    vars(optimizer).update(state)
    stopped, at = [p for p in optimizer.params if not p.requires_grad], 0
    for p in optimizer.params:
        data, grad = (whole[start + at : start + at + p.size].reshape(p.shape) for whole, start in memory)
        at += p.size
        if p.grad_view is None or p.array.ctypes.data != data.ctypes.data:  # else another optimizer has put it there
            p.array, p.grad_view = data, grad
        if p.stored_grad is not None:
            p.grad_view[...] = p.stored_grad
            p.stored_grad = p.grad_view
    for p in stopped:  # a buffer takes only what requires a gradient
        p.requires_grad = True
    optimizer.buffer = FlatBuffer(optimizer.params)
    for p in stopped:
        p.requires_grad = False
    optimizer.averages = {name: aligned(a.size, a.dtype) for name, a in state["averages"].items()}
    for name, a in state["averages"].items():
        optimizer.averages[name][...] = a
    optimizer.groups = tuple(optimizer.grouped(group) for group in groups)
    optimizer.cached_updates, optimizer.seen, optimizer.last = [], [], []


def no_shallow_copy(optimizer: Optimizer) -> Any:
    """Refuse copy.copy(): two optimizers would move the same parameters with the same averages."""
    raise TypeError("copy.copy() of an optimizer shares its parameters; use copy.deepcopy((model, optimizer))")


def by_name(kernel: Kernel) -> str:
    """Return the name by which a rule is pickled, as functions are."""
    return kernel.__qualname__
