"""The emitted networks, rules and surfaces, run by Node for 300 steps beside the engine."""

from itertools import product

import numpy as np
import pytest
from node import LAB, needs_node, node
from rules_table import ROWS

import tinygrad_edu as tg
from tinygrad_edu.core import kernels
from tinygrad_edu.core.layers import ACTIVATIONS
from tinygrad_edu.extras.optimizers import RULES
from tinygrad_edu.lab import emit
from tinygrad_edu.lab.page import walk_rate
from tinygrad_edu.lab.programs import Book
from tinygrad_edu.program.javascript import functions
from tinygrad_edu.program.trace import Trace
from tinygrad_edu.race.surfaces import SURFACES

STEPS = 300
LOSSES = {
    "cross_entropy": (tg.cross_entropy, lambda rng, n, C: rng.integers(0, C, n)),
    "mse": (tg.mse_loss, lambda rng, n, C: rng.standard_normal((n, C))),
    "l1": (tg.l1_loss, lambda rng, n, C: rng.standard_normal((n, C))),
    "huber": (tg.huber_loss, lambda rng, n, C: 2 * rng.standard_normal((n, C))),
    "binary": (tg.binary_cross_entropy_with_logits, lambda rng, n, C: rng.integers(0, 2, (n, C)).astype(float)),
    "hinge": (tg.hinge_loss, lambda rng, n, C: rng.choice([-1.0, 1.0], (n, C))),
}
TRAIN = """
answer(D.runs.map(({ net, rule, hyper, params, batches }) => {
  const program = new Program(net), start = Object.fromEntries(program.params.map((name, i) => [name, params[i]]));
  const optimizer = new Optimizer(rules[rule], start, hyper), losses = [];
  for (const [X, y] of batches) {
    const given = { X: np.array(X), y: np.array(y), ...optimizer.params }, values = program.values(given, SECTIONS);
    losses.push(values.loss);
    optimizer.step(Object.fromEntries(program.gradients.map((name) => [name, values[`d_${name}`]])));
  }
  const { outputs } = program.values({ X: np.array(batches[0][0]), ...optimizer.params });
  return { losses, data: [...optimizer.data], outputs: np.tolist(outputs) };
}));
"""
WALK = """
answer(D.runs.map(({ surface, rule, lr, start }) => {
  const { backprop, gradients, data } = surfaces[surface], path = [start];
  const optimizer = new Optimizer(rules[rule], { p: start }, { lr });
  for (let t = 0; t < D.steps; t++) {
    const slopes = backprop(...optimizer.data, ...Object.values(data).map(np.array))[1];
    optimizer.step({ p: gradients.map((name) => slopes[name]) });
    path.push([...optimizer.data]);
  }
  return path;
}));
"""


def some_batches(rng, loss, inputs, outputs):
    """Batches of sizes that change."""
    for _ in range(STEPS):
        n = int(rng.integers(1, 9))
        yield rng.standard_normal((n, inputs)), LOSSES[loss][1](rng, n, outputs)


def trained(model, loss, optimizer, batches):
    """What the engine makes of it: the losses, the flat parameters, the last outputs for the first batch."""
    losses = []
    for X, y in batches:
        optimizer.zero_grad()
        value = loss(model(X), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return np.array(losses), optimizer.buffer.data, model(batches[0][0]).numpy()


def as_lists(batches):
    return [[X.tolist(), y.tolist()] for X, y in batches]


def emitted(networks):
    """Networks as the page has them, traced with widths 2, 4 ... 4, 3, and the class that runs them."""
    book, rows = Book(), []
    for i, (depth, activation, loss) in enumerate(networks):
        model, rng = tg.mlp([2, *[4] * depth, 3], activation=activation, rng=0), np.random.default_rng(0)
        inputs = [tg.Tensor(rng.standard_normal((4, 2)), name="X"), tg.Tensor(LOSSES[loss][1](rng, 4, 3), name="y")]

        def compute(X, y, model=model, loss=loss):
            outputs = model(X)
            outputs.name = "outputs"
            return LOSSES[loss][0](outputs, y)

        rows.append(f"{i}: {book.enter(Trace.of(compute, inputs, ['X', 'y']).program())}")
    return [f"const book = {book.javascript(rows)};", (LAB / "programs.js").read_text("utf-8")]


NETWORKS = [
    *((depth, "tanh", "cross_entropy") for depth in range(7)),
    *((2, activation, "cross_entropy") for activation in ACTIVATIONS),
    *((1, "softplus", loss) for loss in LOSSES),
]
EVERY_NETWORK = list(product(range(7), ACTIVATIONS, LOSSES))


@needs_node
@pytest.mark.parametrize("networks", [NETWORKS, pytest.param(EVERY_NETWORK, marks=pytest.mark.slow)])
def test_a_network_emitted_once_trains_at_other_widths_and_batch_sizes_as_the_engine_does(tmp_path, networks):
    rng, runs, expected = np.random.default_rng(1), [], []
    for i, (depth, activation, loss) in enumerate(networks):
        widths = [3, *rng.integers(2, 8, depth).tolist(), 2]
        model = tg.mlp(widths, activation=activation, rng=i)
        batches = list(some_batches(rng, loss, 3, 2))
        params = [p.numpy().tolist() for p in model.parameters()]
        runs.append({"net": i, "rule": "sgd", "hyper": {"lr": 0.03}, "params": params, "batches": as_lists(batches)})
        expected.append(trained(model, LOSSES[loss][0], tg.SGD(model, lr=0.03), batches))
    # by SGD: of a slope that is 0 but for its rounding, 1e-17, Adam makes a step of 1e-9 · lr
    found = node(tmp_path, emit.rules(), *emitted(networks), TRAIN, runs=runs)
    for network, got, (losses, data, outputs) in zip(networks, found, expected, strict=True):
        np.testing.assert_allclose(got["losses"], losses, 1e-12, 1e-14, err_msg=str(network))
        np.testing.assert_allclose(got["data"], data, 1e-12, 1e-12, err_msg=str(network))
        np.testing.assert_allclose(got["outputs"], outputs, 1e-12, 1e-12, err_msg=str(network))


@needs_node
def test_every_rule_trains_as_the_engine_does_with_each_hyper_parameter_and_with_l2(tmp_path):
    rng = np.random.default_rng(2)
    batches = list(some_batches(rng, "cross_entropy", 2, 3))
    every = [(cls, hyper) for cls, _, hyper, _ in ROWS] + [
        (cls, {"l2": 0.01}) for cls in (tg.SGD, tg.AdamW, tg.Rprop, tg.LARS, tg.SM3)
    ]
    texts, runs, expected = [], [], []
    for cls, hyper in every:
        model = tg.mlp([2, 5, 3], activation="tanh", rng=0)
        params = [p.numpy().tolist() for p in model.parameters()]
        optimizer = cls(model, **hyper)
        numbers = {name: value for name, value in hyper.items() if name != "centered"}  # a kernel of its own
        runs.append({"net": 0, "rule": len(runs), "hyper": numbers, "params": params, "batches": as_lists(batches)})
        texts.append(emit.wrapped(emit.rules({"it": optimizer}), "...rules.it"))
        expected.append(trained(model, tg.cross_entropy, optimizer, batches))
    own = [functions(kernels.add_l2), f"const rules = [{chr(44).join(texts)}];"]
    found = node(tmp_path, *own, *emitted([(1, "tanh", "cross_entropy")]), TRAIN, runs=runs)
    for (cls, hyper), got, (losses, data, _) in zip(every, found, expected, strict=True):
        around = 1e-10 if cls is tg.SOAP else 1e-12  # where softmax has no slope, a rounding of 1e-17 is divided by eps
        np.testing.assert_allclose(got["losses"], losses, 1e-12, around, err_msg=f"{cls} {hyper}")
        np.testing.assert_allclose(got["data"], data, 1e-12, around, err_msg=f"{cls} {hyper}")


SIGNS = [  # of rules that look at all parameters, or multiply matrices
    (tg.DoG, "np.subtract(this.buffer.data, this.averages['o'])", "np.add(this.buffer.data, this.averages['o'])"),
    (tg.DoG, "np.add(Learning_total", "np.subtract(Learning_total"),
    (tg.DAdaptAdam, "r[i] = root * r[i] + weight", "r[i] = root * r[i] - weight"),
    (tg.Prodigy, "(o[i] - p[i])", "(o[i] + p[i])"),
    (tg.Muon, "np.subtract(m, g)", "np.add(m, g)"),
    (tg.Muon, "[3.4445, -4.775, 2.0315]", "[3.4445, 4.775, 2.0315]"),
    (tg.Shampoo, "power(b, -0.25, eps)", "power(b, 0.25, eps)"),
    (tg.SOAP, "np.subtract(p, np.multiply(rate", "np.add(p, np.multiply(rate"),
    (tg.SOAP, "np.subtract(np.matmul(np.multiply(inside", "np.add(np.matmul(np.multiply(inside"),
]


@needs_node
def test_a_wrong_sign_in_a_rule_of_all_parameters_or_of_matrices_is_seen(tmp_path):
    batches = list(some_batches(np.random.default_rng(3), "cross_entropy", 2, 3))[:40]
    texts, runs, expected = [], [], []
    for cls, right, wrong in SIGNS:
        model = tg.mlp([2, 5, 3], activation="tanh", rng=0)
        params = [p.numpy().tolist() for p in model.parameters()]
        optimizer = cls(model)
        text = emit.rules({"it": optimizer})
        assert right in text, (cls, right)
        for said in (text, text.replace(right, wrong)):
            runs.append({"net": 0, "rule": len(runs), "params": params, "batches": as_lists(batches)})
            texts.append(emit.wrapped(said, "...rules.it"))
        expected.append(trained(model, tg.cross_entropy, optimizer, batches)[0])
    own = [functions(kernels.add_l2), f"const rules = [{chr(44).join(texts)}];"]
    found = [run["losses"] for run in node(tmp_path, *own, *emitted([(1, "tanh", "cross_entropy")]), TRAIN, runs=runs)]
    for (cls, right, _), good, bad, losses in zip(SIGNS, found[::2], found[1::2], expected, strict=True):
        np.testing.assert_allclose(good, losses, 1e-10, err_msg=str(cls))
        assert not np.allclose(np.array(bad, float), losses, 1e-7), (cls, right)


TOLD = """answer(D.runs.map(({ params, gradients }, i) => {
  const rule = rules[i], optimizer = new Optimizer(rule, params);
  let kept = [];
  for (const each of gradients) {
    kept = optimizer.pieces.map(({ arrays: [p, , ...averages] }) => [p, ...averages].map((array) => array.slice()));
    optimizer.step(each);
  }
  return optimizer.pieces.map(({ arrays, numbers, rows }, k) => {
    const before = [kept[k][0], arrays[1], ...kept[k].slice(1)], of = (x) => told_of(rule, x, [...arrays[0].keys()]);
    return { after: [...arrays[0]], told: of({ arrays: before, numbers, rows }) };
  });
}));"""


@needs_node
def test_what_is_told_of_a_matrix_or_of_a_vector_ends_where_the_step_does(tmp_path):
    rng, classes = np.random.default_rng(0), [tg.Muon, tg.Shampoo, tg.SOAP, tg.DoG, tg.LAMB]
    params = {"W": rng.standard_normal((2, 3)).tolist(), "b": rng.standard_normal(3).tolist()}
    gradients = [{name: rng.standard_normal(np.shape(p)).ravel().tolist() for name, p in params.items()} for _ in "123"]
    made = {f"rule{i}": cls([tg.Tensor([1.0], requires_grad=True)]) for i, cls in enumerate(classes)}
    vectors = {name: cls([tg.Tensor([1.0], requires_grad=True)]) for name, cls in RULES.items()}
    text = emit.rules({**vectors, **made}).replace("const rules", "const all")
    rules = f"{text}\nconst rules = [{', '.join(f'all.{name}' for name in made)}]; Object.assign(rules, all);"
    found = node(tmp_path, rules, TOLD, runs=[{"params": params, "gradients": gradients}] * len(classes))
    for cls, (W, b) in zip(classes, found, strict=True):
        for piece in (W, b):
            last = [[line["value"] for line in lines if line["word"] == "p"][-1] for lines in piece["told"]]
            assert last == piece["after"], cls
    words = [[line["word"] for line in piece["told"][0]] for piece in found[0]]
    assert words == [["m", "u", "p"], ["p", "m", "v", "p"]]  # of Muon, and of AdamW, which does its vectors
    squares = [line.get("value") for line in found[1][0]["told"][0]][:2]
    assert squares == [None, None]  # a square of Shampoo has no number for one weight


def engine_path(surface, rule, lr, start, last_bit=0.0):
    signs = np.random.default_rng(0)
    p = tg.Tensor(np.array(start, float), requires_grad=True)
    optimizer, path = RULES[rule]([p], lr=lr), [p.numpy()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        SURFACES[surface].f(p[0], p[1]).backward()
        optimizer.step()
        if last_bit:
            p.data = p.numpy() * (1 + last_bit * signs.choice([-1, 1], 2))
        path.append(p.numpy())
    return np.array(path)


ON_SURFACES = [*product(SURFACES, ["adam"]), *product(["valley"], RULES)]


@needs_node
@pytest.mark.parametrize("races", [ON_SURFACES, pytest.param([*product(SURFACES, RULES)], marks=pytest.mark.slow)])
def test_a_rule_walks_a_surface_as_the_engine_does(tmp_path, races):
    starts = {name: list(map(float, place.start)) for name, place in SURFACES.items()}
    runs = [{"surface": s, "rule": rule, "lr": walk_rate(s, rule), "start": starts[s]} for s, rule in races]
    surfaces = ", ".join(f"{name}: {emit.surface(place)}" for name, place in SURFACES.items())
    found = node(tmp_path, emit.rules(), f"const surfaces = {{{surfaces}}};", WALK, runs=runs, steps=STEPS)
    for run, got in zip(runs, found, strict=True):
        expected, got = engine_path(**run), np.array(got, float)
        size = np.abs(expected).max()
        np.testing.assert_allclose(got[:100], expected[:100], 0, 1e-11 * size, err_msg=str(run))
        assert np.abs(got - expected).max() <= 1e-12 * size or is_chaotic(run, expected), run


def is_chaotic(run, expected):
    """The engine itself comes to another place if its points are moved in the last bit."""
    twin = engine_path(**run, last_bit=2**-52)
    return np.abs(twin - expected).max() > 1e-10 * np.abs(expected).max()


@needs_node
def test_a_surface_has_the_library_s_values_on_a_grid(tmp_path):
    points = {name: np.random.default_rng(0).uniform(-3, 3, (20, 2)) for name in SURFACES}
    surfaces = ", ".join(f"{name}: {emit.surface(place)}" for name, place in SURFACES.items())
    text = """answer(Object.fromEntries(Object.entries(D.points).map(([name, points]) => [name, points.map(([x, y]) =>
    surfaces[name].backprop(x, y, ...Object.values(surfaces[name].data).map(np.array))[0])])));"""
    lists = {name: place.tolist() for name, place in points.items()}
    found = node(tmp_path, f"const surfaces = {{{surfaces}}};", text, points=lists)
    for name, place in SURFACES.items():
        np.testing.assert_allclose(found[name], place.values(points[name]), 1e-13, 1e-13, err_msg=name)


def test_an_average_that_begins_elsewhere_is_refused():
    class Late(tg.Adagrad):
        def start(self):
            self.averages["s"][:] = 0.1

    with pytest.raises(
        ValueError, match="an average of adagrad begins neither at 0 nor at p nor at one of its numbers"
    ):
        emit.rules({"late": Late([tg.Tensor([1.0], requires_grad=True)])})


def test_a_rule_with_a_statement_that_has_no_javascript_is_refused_by_name():
    class Sorted(tg.Shampoo):
        def scalars(self, t, lr, eps):
            return float(np.sort([lr, eps])[0]), eps, 2.0, 1.0

    with pytest.raises(ValueError, match=r"Sorted_scalars cannot be written in JavaScript: it has 'np.sort'"):
        emit.rules({"sorted": Sorted([tg.Tensor([[1.0, 2.0]], requires_grad=True)])})


@needs_node
def test_the_numbers_of_a_step_that_looks_at_a_whole_parameter(tmp_path):
    """Lamb's as its paper has them: of an element, and one for all."""
    p, g = np.array([3.0, 4.0]), np.array([0.5, -2.0])
    text = """const seen = rules.lamb.sets.map(() => []);
    const arrays = [D.p, D.g, [0, 0], [0, 0]].map((a) => Float64Array.from(a));
    rules.lamb.telling(...arrays, ...rules.lamb.scalars(1, 0.1, 0.9, 0.999, 0, 0.25), seen);
    answer([rules.lamb.sets, seen]);"""
    sets, seen = node(tmp_path, emit.rules(), text, p=p.tolist(), g=g.tolist())
    u = np.sign(g) + 0.25 * p
    q = 5 / np.hypot(*u)
    assert sets == ["m", "v", "u", "q", "p"]
    for got, expected in zip(seen, [0.1 * g, 0.001 * g**2, u, q, p - 0.1 * q * u], strict=True):
        np.testing.assert_allclose(got, expected, 1e-12)
