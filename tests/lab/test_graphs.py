"""The graphs of the Backprop tab: the emitted numbers, the picture, the paths, the script, what the page says."""

import contextlib
import io
from functools import cache

import numpy as np
import pytest
from node import LAB, needs_node, node
from ops_table import ROWS

import tinygrad_edu as tg
from tinygrad_edu.lab.examples import EXAMPLES
from tinygrad_edu.lab.graphs import explorer
from tinygrad_edu.program.names import names

PAGE = "\n".join((LAB / f"backprop_{part}.js").read_text("utf-8") for part in ("picture", "words", "saved"))
FLAT = 'const flat = (x) => (typeof x === "number" ? [x] : [...x.data]);'
RUN = """
const run = (graph, inputs) => graph.backprop(...Object.values(inputs).map(np.array));
const plain = (numbers) => Object.fromEntries(Object.entries(numbers).map(([name, x]) => [name, np.tolist(x)]));
"""


def softmax_loss(X, labels, W, b):
    z = X @ W + b
    return -np.log(np.exp(z)[0, int(labels[0])] / np.exp(z).sum())


LOSSES = {  # the losses again, by hand
    "product": lambda a, b, c: a * b + c,
    "meeting": lambda a, b: (a * b) ** 2 + a * b,
    "neuron": lambda x1, x2, w1, w2, b: np.tanh(w1 * x1 + w2 * x2 + b),
    "softmax": softmax_loss,
    "mlp": lambda X, target, W1, b1, W2, b2: ((np.tanh(X @ W1 + b1) @ W2 + b2 - target) ** 2).mean(),
    "doubling": lambda x: 32 * x,
}


@cache
def examples():
    """The examples as JavaScript, by name."""
    return {name: explorer(graph.loss(), *graph.words()) for name, graph in EXAMPLES.items()}


def emitted(**losses):
    """The script that defines graphs, for these losses or for all examples."""
    texts = {name: explorer(loss, "a graph") for name, loss in losses.items()} or examples()
    rows = ",\n".join(f"{name}: {text}" for name, text in texts.items())
    return f"const graphs = {{{rows}}};"


def facts(folder, **losses):
    """What the page knows of graphs, without their functions."""
    return node(folder, emitted(**losses), "answer(graphs);")


def changed(graph, rng):
    """Other inputs for a graph."""
    values = {name: np.array(known["value"], float) for name, known in graph["inputs"].items()}
    noise = {name: 0 if graph["inputs"][name]["whole"] else rng.standard_normal(x.shape) for name, x in values.items()}
    return {name: np.array(x + 0.3 * noise[name]) for name, x in values.items()}


def slopes(f, inputs, name, h=1e-6):
    """The gradient of f at one of its inputs, by central differences."""
    found = np.zeros_like(inputs[name])
    for i in np.ndindex(found.shape):
        ends = []
        for step in (h, -h):
            x = inputs[name].copy()
            x[i] += step
            ends.append(f(**{**inputs, name: x}))
        found[i] = (ends[0] - ends[1]) / (2 * h)
    return found


@needs_node
def test_what_the_page_computes_for_other_inputs_is_the_loss_and_its_slopes(tmp_path):
    known, rng = facts(tmp_path), np.random.default_rng(1)
    assert known.keys() == LOSSES.keys()
    inputs = {name: changed(graph, rng) for name, graph in known.items()}
    given = {name: {key: x.tolist() for key, x in values.items()} for name, values in inputs.items()}
    ask = "answer(Object.keys(graphs).map((name) => plain(run(graphs[name], D.given[name])[1])));"
    for (name, graph), numbers in zip(known.items(), node(tmp_path, emitted(), RUN, ask, given=given), strict=True):
        assert numbers["loss"] == pytest.approx(LOSSES[name](**inputs[name]), rel=1e-12)
        for leaf in (row["name"] for row in graph["nodes"] if row["kind"] == "leaf"):
            assert np.array(numbers[f"d_{leaf}"]) == pytest.approx(slopes(LOSSES[name], inputs[name], leaf), abs=1e-7)


def naive(node, g, found, visits):
    """Plain recursion: each share is sent on at once. found : name of a leaf to what arrived, path by path."""
    visits[node.name] = visits.get(node.name, 0) + 1
    if not node.parents:
        found.setdefault(node.name, []).append(float(g))
    for parent, vjp in zip(node.parents, node.vjps):
        if isinstance(parent, tg.Tensor) and parent.requires_grad:
            naive(parent, vjp(g), found, visits)


@needs_node
def test_paths_visits_shares_and_sums_are_those_of_plain_recursion_and_of_the_engine(tmp_path):
    known = facts(tmp_path)
    given = {name: {key: one["value"] for key, one in graph["inputs"].items()} for name, graph in known.items()}
    ask = "answer(Object.keys(graphs).map((name) => plain(run(graphs[name], D.given[name])[1])));"
    for (name, graph), numbers in zip(known.items(), node(tmp_path, emitted(), RUN, ask, given=given), strict=True):
        loss, scalar = EXAMPLES[name].loss(), name not in ("softmax", "mlp")
        called = names(loss)
        inner = {share["node"]: share for share in graph["shares"]}
        for tensor in [t for t in tensors(loss) if t.parents]:
            tensor.name = called[id(tensor)]
            tensor.retain_grad()
        loss.backward()
        for tensor in tensors(loss):
            if tensor.requires_grad:
                assert np.array(numbers[f"d_{tensor.name}"]) == pytest.approx(tensor.grad)
        order = list(dict.fromkeys(share["node"] for share in graph["shares"]))
        stamps = {tensor.name: tensor.stamp for tensor in tensors(loss)}
        assert order == sorted(inner, key=stamps.get, reverse=True)  # youngest first
        if scalar:
            found, visits = {}, {}
            naive(loss, np.ones(()), found, visits)
            assert {row["name"]: row["paths"] for row in graph["nodes"] if row["paths"]} == visits
            for leaf, shares in found.items():
                paths = [numbers[path["name"]] for path in graph["paths"] if path["to"] == leaf]
                assert paths == pytest.approx(shares)
                assert sum(paths) == pytest.approx(numbers[f"d_{leaf}"])


def tensors(root):
    """All Tensors below root."""
    found, todo = {}, [root]
    for tensor in todo:
        if isinstance(tensor, tg.Tensor) and id(tensor) not in found:
            found[id(tensor)] = tensor
            todo += tensor.parents
    return list(found.values())


def test_a_sum_grows_share_by_share():
    x = tg.Tensor(3.0, requires_grad=True, name="x")
    text = explorer(x * x + x, "")
    for line in ("d_x_by_v = d_v * x", "d_x_2 = d_x_by_loss + d_x_by_v", "dv_2_dx = x", "d_x = d_x_2 + d_x_by_v_2"):
        assert f'"{line}"' in text


@needs_node
def test_the_boxes_have_room_and_the_places_are_those_of_the_picture_of_the_library(tmp_path):
    for graph in facts(tmp_path).values():
        boxes = np.array([row["box"] for row in graph["nodes"]])
        assert (boxes[:, 2] >= [len(row["title"]) + 2 for row in graph["nodes"]]).all()
        for edge in graph["edges"]:
            a, b = boxes[edge["from"]], boxes[edge["to"]]
            assert a[0] + a[2] / 2 < b[0] - b[2] / 2  # from left to right
        for i, (x, y, w, h) in enumerate(boxes):
            for u, v, p, q in boxes[:i]:
                assert abs(x - u) >= (w + p) / 2 - 0.02 or abs(y - v) >= (h + q) / 2 - 0.02  # no box lies on another


@needs_node
@pytest.mark.parametrize("own", [False, True], ids=["example", "own graph"])
def test_the_script_of_python_prints_the_numbers_of_the_page(tmp_path, own):
    losses = {}
    if own:
        model = tg.mlp([2, 3, 2], rng=0)
        losses["net"] = tg.cross_entropy(model([[1.0, 2.0], [3.0, -1.0]]), [0, 1])
    rng = np.random.default_rng(2)
    known = facts(tmp_path, **losses)
    given = {name: {key: x.tolist() for key, x in changed(graph, rng).items()} for name, graph in known.items()}
    for name, values in given.items():
        for key, what in known[name]["inputs"].items():
            values[key] = [int(x) for x in values[key]] if what["whole"] else values[key]
    run = """answer(Object.entries(graphs).map(([name, g]) => {
      const [loss, numbers] = run(g, D.given[name]), leaves = g.nodes.filter((row) => row.kind === "leaf");
      return [python_of(g, D.given[name]), loss, leaves.map((row) => [row.name, np.tolist(numbers[`d_${row.name}`])])];
    }));"""
    for text, loss, leaves in node(tmp_path, emitted(**losses), FLAT, PAGE, RUN, run, given=given):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(text, {})
        first, *rest = said.getvalue().splitlines()
        assert float(first.removeprefix("loss = ")) == pytest.approx(loss, rel=1e-12)
        assert len(rest) == len(leaves)
        printed = dict(line.split(" = ") for line in rest)
        for name, gradient in leaves:
            assert np.array(eval(printed[f"d_{name}"])) == pytest.approx(np.array(gradient), rel=1e-12)


@needs_node
def test_the_page_says_of_every_node_whether_it_may_send_and_who_keeps_it_waiting(tmp_path):
    run = """answer(Object.values(graphs).map((g) => Array.from({ length: g.shares.length + 1 }, (_, at) =>
      g.nodes.map(({ name }) => words.waits(g, name, at)))));"""
    for graph, said in zip(facts(tmp_path).values(), node(tmp_path, emitted(), FLAT, PAGE, run), strict=True):
        shares = graph["shares"]
        for at, rows in enumerate(said):
            for row, words in zip(graph["nodes"], rows, strict=True):
                users = {share["node"] for share in shares[at:] if share["to"] == row["name"]}
                left = [share for share in shares[at:] if share["node"] == row["name"]]
                assert (words == "") == (not users and bool(left))
                assert all(user in words for user in users)


def test_what_cannot_be_shown_is_refused():
    x = tg.Tensor(np.ones((100, 100)), requires_grad=True)
    with pytest.raises(ValueError, match="a page shows 5,000"):
        explorer((x * x).sum(), "")
    with pytest.raises(ValueError, match="cannot be written in JavaScript"):
        explorer(tg.einsum("i,i->", tg.Tensor([1.0], requires_grad=True), [2.0]), "")
    y = tg.Tensor(1.0, requires_grad=True)
    for _ in range(201):
        y = y + 1
    with pytest.raises(ValueError, match="nobody could read a picture"):
        explorer(y, "")


def of_each_op():
    """A graph around each op of the table, for each of its first cases; the sum of the result with other weights."""
    for name, row in ROWS.items():
        for k, (args, kwargs) in enumerate(row.cases[:1]):
            out = row.ours(*[tg.Tensor(a, requires_grad=True) for a in args], **kwargs)
            if isinstance(out, tg.Tensor):  # argmax has no gradient
                with contextlib.suppress(ValueError):  # no JavaScript, which test_javascript.py looks at
                    loss = (out * np.random.default_rng(0).standard_normal(out.shape)).sum()
                    yield f"{name}_{k}", explorer(loss, name)


@needs_node
def test_every_op_sends_the_shares_that_the_engine_sends(tmp_path):
    texts = dict(of_each_op())
    rows = ",\n".join(f"{name}: {text}" for name, text in texts.items())
    ask = """answer(Object.values(graphs).map((graph) => graph.checks.map(({ inputs, numbers }) =>
      [recomputed(graph, inputs), numbers])));"""
    proof = "const recomputed = (g, inputs) => Object.values(g.backprop(...inputs.map(np.array))[1]).flatMap(flat);"
    got = node(tmp_path, f"const graphs = {{{rows}}};", FLAT, proof, ask)
    for name, checks in zip(texts, got, strict=True):
        assert checks or name.startswith(("power", "log")), name
        for ours, theirs in checks:
            np.testing.assert_allclose(np.array(ours, float), theirs, 1e-9, 1e-9, err_msg=name)
    assert len({name.rpartition("_")[0] for name in texts}) > 70
