"""The inputs of a step's program beside the batch: parameters, masks of dropout, and arrays that are followed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor, unwrap
from ..extras.known import Known
from ..program.program import Program
from . import numpy_c
from .lower import BATCHES, Lowered, lower
from .values import CannotCompile


class Inputs(NamedTuple):
    """Roles of a program's inputs, by their names.

    Attributes
    ----------
    trained : name to number of the optimizer's parameter
    drawn : name to mask, which each batch draws anew
    rest : name to all other Tensors and arrays: constants, running means, parameters of others
    kept : name to the array of each of the rest
    """

    trained: dict[str, int]
    drawn: dict[str, Tensor]
    rest: dict[str, Any]
    kept: dict[str, Array]


def inputs_of(program: Program, optimizer: Optimizer) -> Inputs:
    """Return the roles of the inputs. CannotCompile if an array would have to be copied: a copy is not followed."""
    given = program.leaves
    trained = {name: i for name in program.gradients for i, p in enumerate(optimizer.params) if p is given[name]}
    drawn = {name: t for name, t in given.items() if "rng" in getattr(t, "kwargs", ())}
    rest = {name: value for name, value in given.items() if name not in {*trained, *drawn, "X", "y"}}
    for name, value in rest.items():
        a = np.asarray(unwrap(value))
        if isinstance(a.base, np.ndarray) and a.base.size > a.size and not a.flags.c_contiguous:
            raise CannotCompile(f"{name} {a.shape} is a part that does not lie in one piece; take a copy() of it")
    return Inputs(trained, drawn, rest, {name: np.ascontiguousarray(unwrap(value)) for name, value in rest.items()})


known = Known[Lowered](64)


def loops_of(program: Program, inputs: Inputs, X: Array, y: Array, output: str) -> tuple[Lowered, bool]:
    """Return the loops, and whether they are for batches of every size: else they are for the size of X alone.

    Loops depend on the program's text, and on shapes and dtypes; an index that counts from the end has none.
    """
    drawn = inputs.drawn
    fixed = {*program.results.values(), *program.inputs} - {*drawn}

    def batch(n: int) -> dict[str, Array]:
        rows = np.arange(n) % len(X)
        masks = {name: np.ones((n if len(t) == len(X) else len(t), *t.shape[1:]), t.dtype) for name, t in drawn.items()}
        return {**program.inputs, "X": X[rows], "y": y[rows], **masks}

    def loops(sizes: Sequence[int]) -> Lowered:
        return lower(program, [batch(n) for n in sizes], fixed, sizes, not numpy_c.PLAIN, output)

    given = [(name, a.shape, a.dtype, a.dtype.kind == "i" and bool((a < 0).any())) for name, a in batch(len(X)).items()]
    for sizes in [BATCHES] * program.any_size + [(len(X),)]:
        key = program.source, frozenset(fixed), sizes, numpy_c.PLAIN, output, len(X), *given
        try:
            lowered = known.of(key, partial(loops, sizes))
            freeze_indices(lowered.checks, inputs.kept)
            return lowered, sizes is BATCHES
        except CannotCompile as error:
            refused = error
    raise refused


def freeze_indices(checks: list[tuple[str, str]], kept: dict[str, Array]) -> None:
    """Replace the indices that are not a part of the batch by copies, which never change, and check these."""
    for name, bound in checks:
        if name in kept:
            kept[name] = kept[name].copy()
            if not (bound.isdigit() and np.all((kept[name] >= 0) & (kept[name] < int(bound)))):
                raise CannotCompile(f"{name} is an index that does not fit every batch; train without compiled=True")
