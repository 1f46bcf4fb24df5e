"""Programs and functions in JavaScript: the runtime against NumPy, programs against themselves, and what is refused."""

import ast
import math

import numpy as np
import pytest
from node import needs_node, node
from ops_table import ROWS

import tinygrad_edu as tg
from tinygrad_edu.program.javascript import functions
from tinygrad_edu.program.javascript_arrays import IN_ARRAYS, LINALG, METHODS, NUMPY

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, np.inf, -np.inf, np.nan])
UNARY = """
exp log sqrt abs tanh sin cos tan sinh cosh expm1 log1p cbrt log2 log10 floor ceil trunc exp2 rint sign arcsin arccos
arctan arcsinh arccosh arctanh isinf isfinite negative ones_like zeros_like
""".split()  # noqa: SIM905
BINARY = """
add subtract multiply divide floor_divide mod power equal not_equal less less_equal greater greater_equal arctan2 hypot
fmod maximum minimum logaddexp
""".split()  # noqa: SIM905
OVER = ["sum", "mean", "max", "min", "prod", "any", "all", "var", "std"]


def pairs_of_shapes(rng, n):
    """Shapes that broadcast with each other."""
    for _ in range(n):
        whole = rng.integers(1, 5, rng.integers(0, 4))
        starts = rng.integers(0, len(whole) + 1, 2)
        yield [tuple(int(m) if rng.random() < 0.7 else 1 for m in whole[start:]) for start in starts]


def cases():
    """(name, arguments as the runtime takes them, what NumPy gives), for every function of the runtime."""
    rng = np.random.default_rng(0)
    draw = lambda shape: rng.standard_normal(shape) * rng.choice([0.1, 1, 10])
    for name in UNARY:
        for x in (SPECIAL, draw(()), draw((3, 4)), draw((2, 1, 3)), np.zeros((0, 2))):
            yield name, [x], getattr(np, name)(x)
    for name in BINARY:
        yield name, [SPECIAL[:, None], SPECIAL], getattr(np, name)(SPECIAL[:, None], SPECIAL)
        for shapes in pairs_of_shapes(rng, 12):
            x, y = map(draw, shapes)
            yield name, [x, y], getattr(np, name)(x, y)
    for name in OVER:
        for shape in [(7,), (300,), (3, 4), (2, 3, 4), (40, 1), (1, 1)]:
            x = draw(shape) if name not in ("any", "all") else rng.random(shape) < 0.5
            axes = [None, *range(-len(shape), len(shape)), tuple(range(len(shape)))[:2]]
            for axis in axes:
                for keepdims in (False, True):
                    how = {"axis": axis, "keepdims": keepdims} | ({"ddof": 0} if name in ("var", "std") else {})
                    yield name, [x, how], getattr(np, name)(x, **how)
    yield "max", [SPECIAL], np.max(SPECIAL)
    yield "square", [SPECIAL], np.square(SPECIAL)
    for name, x, y in [("bitwise_and", True, False), ("bitwise_or", True, False)]:
        a, b = rng.random((3, 4)) < 0.5, rng.random(4) < 0.5
        yield name, [a, b], getattr(np, name)(a, b)
        yield name, [x, y], getattr(np, name)(x, y)
    yield "invert", [np.array([True, False])], np.array([False, True])
    vectors, stacks = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2))], [((5, 1, 2, 3), (4, 3, 2)), ((2, 3), (5, 3, 1))]
    for a, b in [*vectors, ((2, 3), (3, 4)), *stacks]:
        x, y = draw(a), draw(b)
        yield "matmul", [x, y], x @ y
    for shape in [(), (4,), (2, 3), (2, 3, 4)]:
        x = draw(shape)
        yield "T", [x], x.T
        yield "transpose", [x], x.T
        yield "shape", [x], np.array(shape)
        yield "size", [x], x.size
        yield "ndim", [x], x.ndim
        yield "reshape", [x, -1], x.reshape(-1)
        yield "flip", [x], np.flip(x)
        yield "full_like", [x, 2.5], np.full_like(x, 2.5)
        yield "astype", [x > 0], (x > 0).astype(float)
        yield "clip", [x, -0.5, 0.7], np.clip(x, -0.5, 0.7)
        yield "broadcast_to", [x, [2, *shape]], np.broadcast_to(x, (2, *shape))
        yield "expand_dims", [x, 0], np.expand_dims(x, 0)
        yield "where", [x > 0, x, 0], np.where(x > 0, x, 0)
        if shape:
            yield "len", [x], len(x)
            yield "expand_dims", [x, [0, -1]], np.expand_dims(x, (0, -1))
            yield "flip", [x, -1], np.flip(x, -1)
            for axis in (None, 0, -1):
                yield "cumsum", [x, axis], np.cumsum(x, axis)
                yield "cumprod", [x, axis], np.cumprod(x, axis)
        yield "ravel", [x], x.ravel()
        yield "norm", [x], np.sqrt(np.sum(x * x))
    x = draw((2, 3, 4))
    yield "mT", [x], x.mT
    yield "squeeze", [x[:, :1], 1], x[:, 0]
    yield "squeeze", [x[:1, :1], [0, -2]], x[0, 0]
    yield "transpose", [x, [1, -1, 0]], x.transpose(1, -1, 0)
    yield "reshape", [x, [4, -1]], x.reshape(4, -1)
    yield "where", [x[0] > 0, x, x[:, :1]], np.where(x[0] > 0, x, x[:, :1])
    yield "arange", [5], np.arange(5)
    for index, ours in [
        (np.s_[1], 1),
        (np.s_[-1, 2], [-1, 2]),
        (np.s_[:, None], [{}, None]),
        (np.s_[..., 0], ["...", 0]),
        (np.s_[:, 1:, ::-2], [{}, {"start": 1}, {"step": -2}]),
        (np.s_[1, -2:, 1:-1], [1, {"start": -2}, {"start": 1, "stop": -1}]),
        (x[..., 0] > 0, x[..., 0] > 0),
        (x > 0, x > 0),
        (np.array([1, 0, -1]), np.array([1.0, 0, -1])),
    ]:
        yield "getitem", [x, ours], x[index]
    a = np.linspace(-6, 6, 101)
    yield "map", ["erf", a], np.array([math.erf(v) for v in a])
    yield "map", ["erfc", a], np.array([math.erfc(v) for v in a])


GIVEN = """
const slices = (x) => (Array.isArray(x) ? x.map(slices) : x?.cut ? np.slice(x.cut.start, x.cut.stop, x.cut.step) : x);
const given = (x) => (x?.array !== undefined ? np.array(x.array) : x?.empty ? np.broadcast_to(0, x.empty) : slices(x));
const told = (x) => (Array.isArray(x) ? x : np.tolist(x));
"""
IN_NODE = (
    GIVEN
    + """
answer(D.cases.map(([name, args]) => {
  const [first, ...rest] = args.map(given);
  return told(np[name](name === "map" ? np[first] : first, ...rest));
}));
"""
)


def to_node(x):
    if isinstance(x, np.ndarray) and x.ndim:
        return {"array": x.tolist()} if x.size else {"empty": list(x.shape)}
    if isinstance(x, (np.ndarray, np.generic)):
        return x.item()
    if isinstance(x, dict) and not x.keys() & {"axis"}:
        return {"cut": x}
    return [to_node(part) for part in x] if isinstance(x, list) else x


@needs_node
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_each_function_of_the_runtime_gives_what_numpys_does(tmp_path):
    every = list(cases())
    got = node(tmp_path, IN_NODE, cases=[[name, [to_node(x) for x in args]] for name, args, _ in every])
    for (name, args, expected), found in zip(every, got, strict=True):
        found = np.array(found, dtype=float) if np.size(expected) else np.empty(np.shape(expected))
        assert found.shape == np.shape(expected), (name, args)
        around = 1e-14 * np.max(np.abs(expected)) if name == "matmul" else 1e-300
        np.testing.assert_allclose(found, expected, 4e-15, around, err_msg=f"{name} {args}")
    tried = {name for name, *_ in every}
    assert {*NUMPY, *METHODS, *IN_ARRAYS.values(), *LINALG} <= {*tried, "eigh", "qr"}  # these two: see below


SQUARES = """answer(D.squares.map((given) => {
  const a = np.array(given);
  return [...np.eigh(a), ...np.qr(a)].map(np.tolist);
}));"""


@needs_node
def test_eigenvectors_and_qr_are_numpys(tmp_path):
    """To 1e-14 of the matrix, as far as LAPACK is from the truth; vectors of equal eigenvalues are any ones."""
    rng, squares = np.random.default_rng(0), []
    for n in (1, 2, 3, 8, 17, 32):
        for scale in (1e-9, 1.0, 1e6):
            x = scale * rng.standard_normal((n, n + 2))
            squares += [x @ x.T, x[:, :n] + x[:, :n].T, x[:, :1] @ x[:, :1].T, np.diag(x[0, :n])]
    squares += [np.zeros((3, 3)), np.eye(4), np.array([[0.0, 1.0], [1.0, 0.0]])]
    for a, found in zip(squares, node(tmp_path, SQUARES, squares=[a.tolist() for a in squares]), strict=True):
        values, vectors, q, r = map(np.array, found)
        around = 1e-14 * max(np.abs(a).sum(), 1e-300)
        expected, basis = np.linalg.eigh(a)
        np.testing.assert_allclose(values, expected, 0, around)
        np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, a, 0, around)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(a)), 0, 1e-13)
        gaps = np.diff(expected).min() if len(a) > 1 else np.inf
        if gaps > 0.01 * np.abs(expected).max() > 0:
            np.testing.assert_allclose(np.abs(np.sum(vectors * basis, axis=0)), 1, 1e-13)
        np.testing.assert_allclose(q @ r, a, 0, around)
        np.testing.assert_allclose(q.T @ q, np.eye(len(a)), 0, 1e-13)
        if np.linalg.matrix_rank(a) == len(a) and np.linalg.cond(a) < 1e6:  # with the signs of LAPACK
            np.testing.assert_allclose(q, np.linalg.qr(a)[0], 0, 1e-8)


@needs_node
def test_sums_products_and_roots_are_numpys_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    every = []
    for shape in [(7,), (9,), (130,), (1000,), (5, 300), (300, 5), (4, 5, 6)]:
        x = rng.standard_normal(shape)
        for axis in [None, *range(len(shape))]:
            every.append(("sum", [x, {"axis": axis}], x.sum(axis=axis)))
            every.append(("mean", [x, {"axis": axis}], x.mean(axis=axis)))
        every += [("sqrt", [abs(x)], np.sqrt(abs(x))), ("power", [x, 2], x**2), ("multiply", [x, x], x * x)]
    got = node(tmp_path, IN_NODE, cases=[[name, [to_node(x) for x in args]] for name, args, _ in every])
    assert all(np.array_equal(found, expected) for (_, _, expected), found in zip(every, got, strict=True))


IN_PROGRAMS = (
    GIVEN
    + """
answer(programs.map((f, i) => {
  const [loss, gradients] = f(...D.inputs[i].map(given));
  return [loss, Object.fromEntries(Object.entries(gradients).map(([name, g]) => [name, np.tolist(g)]))];
}));
"""
)
NOT_EMITTED = {  # ops without JavaScript, each with what is refused in its programs
    "argmax": "",
    "argmin": "",
    "avg_pool2d": "np.pad",
    "cholesky": "np.linalg.cholesky",
    "concatenate": "np.concatenate",
    "conv2d": ".swapaxes",
    "det": "np.linalg.det",
    "einsum": "np.einsum",
    "inv": "np.linalg.inv",
    "log_abs_det": "np.linalg.slogdet",
    "max_pool2d": "np.pad",
    "pad": "np.pad",
    "round": "np.round",
    "solve": "np.linalg.solve",
    "sort": "np.argsort",
    "stack": "np.stack",
    "take_along_axis": "",
}


@needs_node
def test_the_program_of_every_op_gives_the_same_in_javascript_or_is_refused_by_name(tmp_path):
    programs, names, refused = [], [], {}
    for name, row in ROWS.items():
        for args, kwargs in row.cases[:3]:
            tensors = [tg.Tensor(a, requires_grad=True) for a in args]
            out = row.ours(*tensors, **kwargs)
            if not isinstance(out, tg.Tensor):  # argmax has no gradient
                continue
            program = tg.trace((out * np.random.default_rng(0).standard_normal(out.shape)).sum())
            try:
                programs.append((program, program.javascript()))
                names.append(name)
            except ValueError as error:
                refused.setdefault(name, []).append(str(error))
    for name, messages in refused.items():
        assert name == "getitem" or all(NOT_EMITTED[name] in message for message in messages), messages
    assert ROWS.keys() - set(names) == NOT_EMITTED.keys()
    texts = ",\n".join(f"(() => {{\n{text}\nreturn backprop;\n}})()" for _, text in programs)
    inputs = [[to_node(a) for a in program.inputs.values()] for program, _ in programs]
    got = node(tmp_path, f"const programs = [{texts}];", IN_PROGRAMS, inputs=inputs)
    for name, (program, _), (loss, gradients) in zip(names, programs, got, strict=True):
        expected, slopes = program()
        np.testing.assert_allclose(loss, float(expected), 1e-13, 1e-13, err_msg=name)
        for key, slope in slopes.items():
            np.testing.assert_allclose(np.array(gradients[key], float), slope, 1e-13, 1e-13, err_msg=name)


def one(a):
    return two(a) + 1


def two(a):
    b = 2.0
    if a > 3:
        b = a if a < 5 else -a
        c = [b, b * (a - 1) / (a - (a - b))]
        b = c[-1]
    return b**3


@needs_node
def test_a_function_comes_with_what_it_calls_and_brackets_where_they_matter(tmp_path):
    text = functions(one)
    assert text.count("function ") == 2
    got = node(tmp_path, text, "answer(D.a.map(one));", a=[1, 3.5, 4, 6])
    assert got == [one(a) for a in (1, 3.5, 4, 6)]


def by_rows(x, columns):
    """A mean of each row at the place of each element, in the statements that kernels of several loops have."""
    found, n = np.empty_like(x), int(columns)
    for start in range(0, x.size, n):
        total = 0.0
        for i in range(start, start + n):
            total += np.float64(x[i])
        for i in range(start, start + n):
            found[i] = total / n
    x[:] = found
    first, *rest = x[0], x.dtype.type(columns / 2), float(x.size > n), np.finfo(x.dtype).tiny
    *front, first = rest
    return [first, front[0] * 2, front[1]]


@needs_node
def test_a_function_of_several_loops_writes_into_its_arrays(tmp_path):
    text = "const x = Float64Array.from(D.x), rows = by_rows(x, 3.5); answer([[...x], rows]);"
    x = np.array([1.0, 2.0, 6.0, -1.0, 0.5, 4.0])
    made, said = node(tmp_path, functions(by_rows), text, x=x.tolist())
    assert said == by_rows(x, 3.5) == [np.finfo(float).tiny, 3.5, 1.0]
    assert made == x.tolist() == [3.0] * 3 + [3.5 / 3] * 3


def test_words_of_javascript_get_another_name():
    x = tg.Tensor([1.0], requires_grad=True, name="x")
    text = tg.trace(lambda new, typeof: (new * typeof * x).sum(), [1.0], [2.0]).javascript()
    assert "function backprop(new$, typeof$, x)" in text


def comprehension(a):
    return [b + 1 for b in a]


def chained(a):
    return 0 < a < 1


def slices(a):
    return a[:1]


def unknown(a):
    return np.einsum("i->", a)


def keywords(a, *, b):
    return a


def formatted(a):
    return lambda: a


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (comprehension, "[b + 1 for b in a]"),
        (chained, "0 < a < 1"),
        (slices, "a[:1]"),
        (unknown, "np.einsum"),
        (keywords, "a, *, b"),
        (formatted, "lambda: a"),
    ],
)
def test_what_has_no_javascript_is_refused_by_name(f, said):
    with pytest.raises(ValueError, match="cannot be written in JavaScript") as caught:
        functions(f)
    assert str(caught.value) == f"{f.__name__} cannot be written in JavaScript: it has {said!r}"


def test_float32_is_refused():
    with pytest.raises(ValueError, match="x is float32, and JavaScript's numbers are float64"):
        tg.trace(lambda x: (x * x).sum(), np.ones(2, np.float32)).javascript()


def test_each_line_of_a_program_is_a_line_of_javascript():
    model = tg.mlp([2, 4, 3], rng=0)
    program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), np.ones((2, 2)), np.array([0, 1]))
    (function,) = [part for part in ast.parse(program.source).body if isinstance(part, ast.FunctionDef)]
    targets = [line.targets[0].id for line in function.body if isinstance(line, ast.Assign)]
    text = program.javascript().splitlines()
    assert [line.split()[1] for line in text if line.startswith("  const ")] == targets


class Rule:
    def scalars(self, t):
        return t + 1


FIRST = Rule


class Rule(FIRST):
    def scalars(self, t):
        return FIRST.scalars(self, t)


def test_two_methods_of_one_name_are_refused_as_one_would_call_itself():
    with pytest.raises(ValueError, match="two functions with the name Rule_scalars"):
        functions(Rule().scalars)
