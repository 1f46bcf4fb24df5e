"""A diagnosis of gradients that were computed by hand: not only that one is wrong, but the mistake by name, and a hint.

The student's numbers are compared with the right ones, then with those that each mistake in `mistakes` leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..core.tensor import Tensor
from .case import Case, real_numbers
from .judge import EPS, judge
from .report import Report, few, quiet
from .slopes import TOLERANCE


@quiet()
def diagnose(
    f: Callable[..., Any],
    inputs: Any,
    gradients: Any,
    *,
    raise_on_error: bool = False,
    tolerance: float = TOLERANCE,
    rng: Rng = 0,
) -> Report:
    """Compare gradients that were computed by hand with the right ones, and name the mistake in each that is wrong.

    If f runs on Tensors, as plain NumPy code often does, the right gradients are the engine's, and central differences
    have to agree with them. Otherwise the right gradients are central differences, and only mistakes that show in the
    numbers alone have names (sign, constant factor, transposed, swapped), not those inside the chain rule.

    Parameters
    ----------
    f : takes the inputs and returns a number; of several numbers the sum counts
    inputs : a dict of name to array, in the order in which f takes them; or a sequence of arrays; or one array
    gradients : the same with the gradients, None for one that is missing
    raise_on_error : raise an AssertionError that holds the report if anything is wrong
    tolerance : how far off a gradient may be, relative to its largest number; float32 gradients get more room
    rng : generator or seed, for the directions in which the engine is checked

    Returns
    -------
    Report : print it, or ask it for ``right`` and ``mistakes``

    Raises
    ------
    AssertionError : raise_on_error is set, and a gradient is wrong
    TypeError : an input or a gradient is not made of real numbers; f returned a tuple or a list
    ValueError : the names or the number of the gradients do not fit the inputs; tolerance is not above 0; f returned
        NaN or infinity, or different values for the same input

    Examples
    --------
    >>> x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0])
    >>> loss = lambda w: ((w * x - y) ** 2).mean()
    >>> diagnose(loss, {"w": 1.0}, {"w": 2 * ((x - y) * x).mean()}).right
    True
    >>> print(diagnose(loss, {"w": 1.0}, {"w": 2 * ((x - y) * x).sum()}))
    The gradient of f = 1.66667 with respect to
      w (): 1
    The right numbers are the engine's; central differences agree with them.
    <BLANKLINE>
    w  WRONG: 3 times too large: the 1/N of the mean was forgotten (N = 3)
        at  yours     right  yours / right
              -14  -4.66667              3
        Hint: Follow each constant of the formula: the 1/N of a mean, the 2 of a square, the n of a**n.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance = {tolerance} has to be above 0")
    named, answers = _by_name(inputs, gradients)
    tensors = [Tensor(x.astype(float), requires_grad=True, name=name) for name, x in named.items()]
    case = Case(f, tensors, np.random.default_rng(rng), shapes=[x.shape for x in named.values()])
    floats = [a.dtype for a in (*named.values(), *answers) if a is not None and a.dtype.kind == "f"]
    eps = max([EPS, *(float(np.finfo(dtype).eps) for dtype in floats)])
    findings = judge(case, answers, tolerance, eps)
    what = getattr(f, "__name__", "f").replace("<lambda>", "f")
    given = "".join(f"\n  {name} {few(x)}" for name, x in named.items())
    subject = f"The gradient of {what} = {case.here:.6g}{case.summed} with respect to{given}\n{case.witness}"
    return Report(subject, findings, raise_on_error)


def _by_name(inputs: Any, gradients: Any) -> tuple[dict[str, Array], list[Array | None]]:
    """Return the inputs by name, and the gradients in their order."""
    if isinstance(inputs, Mapping):
        if not isinstance(gradients, Mapping):
            raise ValueError(f"inputs is a dict, so gradients has to be one, got {type(gradients).__name__}")
        unknown = [name for name in gradients if name not in inputs]
        if unknown:
            raise ValueError(f"gradients of {unknown}, but the inputs are {list(inputs)}")
        return (
            {str(name): real_numbers(x, f"input {name}") for name, x in inputs.items()},
            [_answer(gradients.get(name), str(name)) for name in inputs],
        )
    if not isinstance(inputs, (list, tuple)):
        inputs, gradients = [inputs], [gradients]
    elif not isinstance(gradients, (list, tuple)) or len(gradients) != len(inputs):
        count = len(gradients) if isinstance(gradients, (list, tuple)) else type(gradients).__name__
        raise ValueError(f"{len(inputs)} inputs need a list of {len(inputs)} gradients, got {count}")
    names = [f"input {i}" for i in range(len(inputs))]
    return (
        {name: real_numbers(x, name) for name, x in zip(names, inputs)},
        [_answer(g, name) for name, g in zip(names, gradients)],
    )


def _answer(g: Any, name: str) -> Array | None:
    return None if g is None else real_numbers(g, f"the gradient of {name}")
