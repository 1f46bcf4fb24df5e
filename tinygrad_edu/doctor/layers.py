"""A diagnosis of ops and layers: the doctor of gradients, run on those that a student has written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.ops import Array, Result
from ..core.tensor import Tensor, unbroadcast, unwrap
from ..extras import ops
from .case import Case, real_numbers
from .judge import judge
from .recorded import RecordedGraph
from .report import Finding, Report, few, quiet, wrong
from .slopes import restored

OURS = ("tinygrad_edu.core.", "tinygrad_edu.extras.")  # the modules whose ops need no check


@quiet()
def diagnose_op(
    op: Callable[..., Result], *args: Any, raise_on_error: bool = False, rng: Rng = 0, **kwargs: Any
) -> Report:
    """Check an op of your own, a function that returns (value, VJP, ...): its value, and each VJP for a random g.

    There has to be one VJP for each argument. A VJP uses g, is linear in g and does not write into it, and returns g
    times the local derivative, as central differences of the value see it. An op that has the name of one in `ops` has
    to have the values of that op.

    Parameters
    ----------
    op : arrays in, (value, VJP, ...) out
    args, kwargs : its arguments; without args, random arrays of a shape that it takes: (3, 4), (3, 4) and (4, 3), or
        (3, 3)
    raise_on_error, rng : as in `diagnose`

    Returns
    -------
    Report : a finding "value", and, if the value is right, one for each argument

    Raises
    ------
    AssertionError : raise_on_error is set, and something is wrong

    Examples
    --------
    >>> def cube(a):
    ...     return a**3, lambda g: 3 * a**2
    >>> diagnose_op(cube, [1.0, 2.0]).findings[1].text
    'its VJP does not use g'
    """
    rng = np.random.default_rng(rng)
    title, signature = getattr(op, "__name__", "the op"), inspect.signature(op).parameters.values()
    names = [p.name for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    arrays = [np.array(unwrap(a), float) for a in args] or _some_inputs(op, len(names), kwargs, rng)
    names = names if len(names) == len(arrays) else [f"argument {i}" for i in range(len(arrays))]
    subject = f"The op {title} at" + "".join(f"\n  {n} {few(a)}" for n, a in zip(names, arrays))
    given = [a.copy() for a in arrays]
    try:
        with np.errstate(all="ignore"):
            result: Any = op(*given, **kwargs)
            value = np.asarray(result[0], float)
    except Exception as error:
        problem = f"{title} with these arguments raised {type(error).__name__}: {error}"
        return Report(subject, [wrong("value", "raises", problem)], raise_on_error)
    vjps = [vjp for vjp in result[1:] if callable(vjp)] if isinstance(result, tuple) else []
    if not len(vjps) == len(arrays) == len(result) - 1:
        problem = f"{len(arrays)} arguments, and {len(vjps)} VJPs"
        if not isinstance(result, tuple):
            problem = f"{title} returned {type(result).__name__}, not a tuple (value, VJP, ...)"
        return Report(subject, [wrong("value", "count", problem)], raise_on_error)
    findings = [_check_value(op, value, arrays, given, kwargs)]
    if findings[0].mistake is None:
        g = rng.standard_normal(value.shape)
        tensors = [Tensor(a, requires_grad=True, name=n) for n, a in zip(names, arrays)]
        half = [_reads_half(op, arrays, i, value, kwargs) for i in range(len(arrays))]
        case = Case(
            lambda *inputs: (op(*[_mirror(x) if h else x for x, h in zip(inputs, half)], **kwargs)[0] * g).sum(),
            tensors,
            rng,
            weighted=True,
        )
        shares = [_share(vjp, g, a, given) for vjp, a in zip(vjps, given)]
        judged = judge(case, [_fold(share) if h else share for (share, _), h in zip(shares, half, strict=True)])
        for found, (_, told) in zip(judged, shares):
            findings.append(wrong(found.name, *told, found.said, found.expected) if told else found)
        subject += f"\nEach VJP is given the same random g {few(g)}\n{case.witness}"
    return Report(subject, findings, raise_on_error)


def _some_inputs(op: Callable[..., Result], count: int, kwargs: Any, rng: np.random.Generator) -> list[Array]:
    """Return random arguments that op takes, by trying: of both signs if possible, else of a matrix product's shapes,
    else square matrices, the lower half of which is that of a positive definite one."""
    tried: list[Array] = []
    same, product, square = [(3, 4)] * count, [(3, 4), (4, 3)][:count], [(3, 3)] * count
    for shapes, shift in [(same, 0), (same, 3), (product, 0), (product, 3), (square, 3 * np.eye(3))]:
        tried = [np.tanh(rng.standard_normal(shape)) + shift for shape in shapes]
        try:
            with np.errstate(all="ignore"):
                if np.isfinite(op(*[a.copy() for a in tried], **kwargs)[0]).all():
                    return tried
        except Exception:
            continue
    return tried


def _reads_half(op: Callable[..., Result], arrays: list[Array], i: int, value: Array, kwargs: Any) -> bool:
    """Return True if op reads the lower half of a matrix alone, as np.linalg.cholesky does."""
    a = arrays[i]
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or np.array_equal(a, np.tril(a)):
        return False
    try:
        with np.errstate(all="ignore"):
            return np.array_equal(value, op(*arrays[:i], np.tril(a), *arrays[i + 1 :], **kwargs)[0])
    except Exception:
        return False


def _mirror(a: Any) -> Any:
    """Return the symmetric matrix with the lower half of a."""
    return np.tril(a) + np.tril(a, -1).mT


def _fold(share: Array) -> Array:
    """Return the gradient of a from that of its `_mirror`. A VJP may give both halves a part, or the lower half all."""
    return np.tril(share) + np.triu(share, 1).mT


def _check_value(
    op: Callable[..., Result], value: Array, arrays: list[Array], given: list[Array], kwargs: Any
) -> Finding:
    """Check the value: finite, the same each time, that of our op of the same name; and the arguments as before."""
    name = getattr(op, "__name__", "")
    if not np.isfinite(value).all():
        return wrong("value", "nan", "", value, value)
    if any(not np.array_equal(a, b) for a, b in zip(arrays, given, strict=True)):
        return wrong("value", "writes", f"{name} changed its arguments")
    again = np.asarray(op(*[a.copy() for a in arrays], **kwargs)[0], float)
    if not np.array_equal(value, again):
        return wrong("value", "random", "", value, again)
    try:
        ours = np.asarray(getattr(ops, name)(*arrays, **kwargs)[0], float)
    except Exception:  # there is none of this name, or it takes something else
        return Finding("value", None, "", "", value, value)
    if ours.shape == value.shape and np.allclose(value, ours, rtol=1e-7, atol=1e-9):
        return Finding("value", None, f"that of ops.{name}", "", value, ours)
    return wrong("value", "wrong value", f"ops.{name} has another value", value, ours)


def _share(vjp: Callable[[Array], Any], g: Array, a: Array, given: list[Array]) -> tuple[Array, tuple[str, str] | None]:
    """Run a VJP on g.

    Returns
    -------
    share, told : its result; and (key, sentence) if it misbehaves, whatever the numbers, or None
    """
    sent, before = g.copy(), [x.copy() for x in given]
    try:
        share, double = (real_numbers(vjp(x), "what it returns").astype(float) for x in (sent, 2 * g))
    except Exception as error:
        return np.full(a.shape, np.nan), ("raises", f"its VJP raised {type(error).__name__}: {error}")
    told = None
    if not np.array_equal(sent, g):
        told = "writes", "its VJP writes into g"
    elif any(not np.array_equal(x, y) for x, y in zip(before, given, strict=True)):
        told = "writes", "its VJP writes into an argument"
    elif share.any() and double.shape == share.shape and np.allclose(double, share):
        told = "ignored", "its VJP does not use g"
    elif double.shape != share.shape or not np.allclose(double, 2 * share, equal_nan=True):
        told = "nonlinear", "its VJP is not linear in g: for 2 g it does not return twice as much"
    try:
        return unbroadcast(share, a.shape), told
    except RuntimeError:
        return share, told


@quiet()
def diagnose_layer(layer: Layer, x: Any, *, raise_on_error: bool = False, rng: Rng = 0) -> Report:
    """Check a layer of your own: the gradient of every parameter and of the input, and parameters that are left out.

    The output is weighted by random numbers and summed. The right gradients are central differences; the engine's are
    judged. A wrong gradient comes from an op of your own, which is then checked by itself, or from a way that was cut
    by ``.numpy()`` or the like. A Tensor without requires_grad that forward uses while training counts as a forgotten
    parameter.

    Parameters
    ----------
    layer : of float64
    x : an input for it; its gradient is checked if it is of floats
    raise_on_error, rng : as in `diagnose`

    Returns
    -------
    Report : a finding for each parameter, for the input, and for each Tensor that training would not change

    Raises
    ------
    AssertionError : raise_on_error is set, and something is wrong
    TypeError : the layer is not float64

    Examples
    --------
    >>> class Scale(Layer):
    ...     def __init__(self):
    ...         self.factor = Tensor([2.0, 3.0], requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return x * self.factor.numpy()
    >>> print(diagnose_layer(Scale(), [[1.0, 2.0]]))
    The layer Scale() for an input (1, 2): 1, 2
    The right numbers are central differences; yours are the engine's.
    <BLANKLINE>
    factor  WRONG: the way from the output back to it is cut
         at  yours     right  yours / right
        [0]      0   0.12573              0
        [1]      0  -0.26421              0
        Hint: Look for .numpy(), .data, .detach(), float(...) or no_grad() in forward.
    input   right
    """
    rng = np.random.default_rng(rng)
    parameters = layer.named_parameters()
    for t in parameters.values():
        if t.dtype != np.float64:
            raise TypeError(f"{t.label()} is {t.dtype}, too coarse for central differences; build the layer in float64")
    x = np.asarray(unwrap(x))
    given: Any = Tensor(x.astype(float), requires_grad=True, name="input") if x.dtype.kind == "f" else x
    tensors = [*parameters.values(), *([given] if isinstance(given, Tensor) else [])]
    subject = f"The layer {layer!r} for an input {few(x)}"
    with restored([t for t in layer.named_tensors().values() if not t.requires_grad]):  # running averages and the like
        try:
            findings = _check_layer(layer, given, tensors, rng)
        except Exception as error:
            findings = [wrong("forward", "raises", f"{type(error).__name__}: {error}")]
    subject += "\nThe right numbers are central differences; yours are the engine's."
    return Report(subject, findings, raise_on_error)


def _check_layer(layer: Layer, given: Any, tensors: list[Tensor], rng: np.random.Generator) -> list[Finding]:
    """Check the gradients of the tensors, the tensors that are left out, and the ops of the user's own."""
    y, again = layer(given), layer(given)
    if not isinstance(y, Tensor):
        raise TypeError(f"forward has to return a Tensor, got {type(y).__name__}")
    if not np.array_equal(y.numpy(), again.numpy()):
        return [wrong("forward", "random")]
    weights = rng.standard_normal(y.shape)
    graph = RecordedGraph((y * weights).sum(), tensors)
    case = Case(lambda *_: (layer(given) * weights).sum(), tensors, rng, engine=False)
    findings = []
    for found, t in zip(judge(case, graph.right), tensors, strict=True):
        if not graph.wholes[t]:  # nothing arrives there
            cut = found.mistake is not None
            found = wrong(found.name, "detached" if cut else "unused", "", found.said, found.expected)
        findings.append(found)
    findings += _left_out(layer, graph, case)
    for op, node in {node.op: node for node in graph.nodes if node.op is not None}.items():
        if not getattr(op, "__module__", "").startswith(OURS):
            report = diagnose_op(op, *node.parents, rng=rng, **node.kwargs)
            name = getattr(op, "__name__", "its op")
            findings += [f._replace(name=f"{name}: {f.name}") for f in report.findings if f.mistake is not None]
    return findings


def _left_out(layer: Layer, graph: RecordedGraph, case: Case) -> list[Finding]:
    """Return a finding for each tensor that forward uses and training would not change."""
    findings, known = [], {id(t) for t in case.tensors}
    for _, _, t in graph.edges():
        if not t.parents and id(t) not in known:
            known.add(id(t))
            findings.append(wrong(t.name or f"a tensor {t.shape}", "unregistered"))
    for path, t in layer.named_tensors().items():
        if not t.requires_grad and t.dtype.kind == "f" and layer.training:
            with restored([t]):
                t.data = t.numpy() * 1.1 + 0.1
                if case.value() != case.here:
                    text = "used by forward, but without requires_grad=True: it would never be trained"
                    findings.append(wrong(path, "unregistered", text))
    return findings
