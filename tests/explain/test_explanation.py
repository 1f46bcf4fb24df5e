"""The tables of explain(): every value and every gradient is in them, of a large graph a summary."""

import gc
import html.parser
import re
import weakref

import numpy as np
import pytest
from small_graphs import leaf, network

import tinygrad_edu as tg
from tinygrad_edu import explain as explain_function
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.explain.explanation import Explanation
from tinygrad_edu.program.names import Names


def test_the_forward_pass_has_a_row_for_every_value():
    loss, _ = network()
    first = next(tg.explain(loss).tables())
    assert [row[:2] for row in first.rows] == [
        ("X", "given"),
        ("W1", "layers.0.W"),
        ("b1", "layers.0.b"),
        ("z1", "X.dot(W1) + b1"),
        ("h1", "np.tanh(z1)"),
        ("W2", "layers.2.W"),
        ("b2", "layers.2.b"),
        ("z2", "h1.dot(W2) + b2"),
        ("labels", "given"),
        ("loss", "cross_entropy(z2, labels=labels)"),
    ]
    assert first.rows[-1][2] == f"{loss.item():.6g}"


def test_every_table_is_in_the_markdown_and_in_the_html():
    loss, model = network()
    found = tg.explain(loss)
    page = found.markdown()
    for name, p in model.named_parameters().items():
        assert name in page
        assert f"norm {np.linalg.norm(found.gradients[found.called[id(p)]]):.4g}" in page
    assert "d_h1 * (1 - h1 * h1)" in page
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert {cells(line) for line in page.splitlines() if line.startswith("|")} == {3, 7, 2}
    assert found.html() in found._repr_html_()
    assert page.count("\n| ") == found.html().count("<tr>")


def cells(line):
    """The number of cells in a row of a Markdown table."""
    return len(re.split(r"(?<!\\)\|", line)) - 2


def test_names_are_escaped():
    x = leaf([1.0, 2.0], 'a<b>|`&"\n')
    found = tg.explain((x * 2).sum())

    class Tags(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.seen, self.text = set(), ""

        def handle_starttag(self, tag, attrs):
            self.seen.add(tag)

        def handle_data(self, data):
            self.text += data

    parser = Tags()
    parser.feed(found.html())
    assert parser.seen == {"table", "caption", "tr", "th", "td"}
    assert 'a<b>|`&"\n' in parser.text
    rows = [line for line in found.markdown().splitlines() if "a<b>" in line]
    assert [cells(row) for row in rows] == [3]
    assert '`` a<b>\\|`&" ``' in rows[0]


def test_a_large_graph_is_summed_up_by_layer_or_op():
    model = tg.mlp([2] + [4] * 60 + [1], "tanh", rng=0)
    model.named_parameters()
    loss = tg.mse_loss(model(np.ones((3, 2))), np.ones((3, 1)))
    found = tg.explain(loss)
    assert found.steps == []
    summary, gradients = found.tables()
    rows = {row[0]: row[1:] for row in summary.rows}
    assert rows["layers.0"][:2] == ("1", "linear")
    assert rows["tanh"][:2] == ("60", "tanh")
    assert sum(int(row[1]) for row in summary.rows) == 60 + 61 + 3
    norms = [np.linalg.norm(step.g) for step in loss.steps() if step.op == "tanh"]
    assert rows["tanh"][2] == f"{min(norms):.4g} to {max(norms):.4g}"
    assert len(gradients.rows) == 101
    assert gradients.rows[-1] == ("...", "and 22 more")
    assert len(found.gradients) == 122
    loss.backward()
    assert all(np.array_equal(p.grad, found.gradients[found.called[id(p)]]) for p in model.parameters())
    assert str(found).count("\n") < 200


def test_forty_thousand_nodes():
    x = leaf(1.0, "x")
    y = x
    for _ in range(20_000):
        y = y * 1.0 + 0.0
    found = tg.explain(y)
    assert found.gradients == {"x": 1}
    assert len(str(found)) < 1000
    first = next(y.steps())
    assert (first.number, first.op) == (1, "add")


@pytest.mark.parametrize(
    "look", [lambda t: next(t.steps()), lambda t: [*map(str, t.steps())], tg.explain, tg.Tensor.graph]
)
def test_a_graph_that_was_looked_at_is_freed_at_once(look):
    gc.disable()
    try:
        x = leaf([1.0, 2.0], "x")
        loss = (x * x).sum()
        alive = weakref.ref(loss)
        look(loss)
        del loss
        assert alive() is None
    finally:
        gc.enable()


def test_the_names_of_a_graph_are_collected_once_for_all_steps(monkeypatch):
    walked = []
    monkeypatch.setattr(Names, "values", lambda self: walked.append(1) or dict.values(self))
    y = leaf(2.0, "x")
    for _ in range(20):
        y = y.sigmoid() * 2.0
    assert sum(len(str(step)) for step in y.steps()) > 1000
    assert len(walked) == 1


def test_no_line_is_wider_than_a_terminal():
    loss, _ = network()
    a, b = leaf(np.ones((2, 3)), "a"), leaf(np.ones(3), "b")
    for root in (loss, tg.concatenate([a, a * b])[0:3, [0, 0, 2]].max(axis=1).logsumexp()):
        for step in root.steps():
            for line in str(step).splitlines():
                assert len(line) <= 100


def test_the_function_is_not_hidden_by_the_module():
    assert tg.explain is explain_function
    assert callable(tg.explain)
    assert isinstance(tg.explain(leaf(1.0) * 2), Explanation)
    assert isinstance(leaf(1.0), Tensor)
