"""The picture of a graph: boxes that do not overlap, edges that go to the right, every text as it is."""

import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from small_graphs import leaf, random_graph

import tinygrad_edu as tg
from tinygrad_edu.explain.draw import layout
from tinygrad_edu.extras.colours import COLOURS

image = pytest.importorskip("matplotlib.image")

# --- the places -------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_boxes_do_not_overlap_and_edges_go_to_the_right(seed):
    loss, _ = random_graph(np.random.default_rng(seed), float)
    graph = loss.graph()
    placed = layout(graph.nodes)
    x, y, w, h = placed.boxes.T
    for i in range(len(x)):
        for j in range(i):
            assert abs(x[i] - x[j]) >= (w[i] + w[j]) / 2 or abs(y[i] - y[j]) >= (h[i] + h[j]) / 2
    for (a, b), points in zip(graph.edges(), placed.lines, strict=True):
        np.testing.assert_allclose(points[[0, -1], 0], [x[a] + w[a] / 2, x[b] - w[b] / 2])
        assert (abs(points[[0, -1], 1] - y[[a, b]]) < h[[a, b]] / 2).all()
        if graph.edges().count((a, b)) == 1:
            np.testing.assert_allclose(points[[0, -1], 1], y[[a, b]])
        assert (np.diff(points[:, 0]) > 0).all()
        for px, py in points[1:-1]:  # where an edge passes a column it passes beside the boxes
            assert all(abs(px - x) >= w / 2 for x, w, y, h in zip(x, w, y, h) if abs(py - y) < h / 2)


def test_a_pictures_columns_follow_the_computation():
    x, y = leaf(2.0, "x"), leaf(-3.0, "y")
    late = leaf(1.0, "late")
    placed = layout(((x * y).tanh() + late).exp().graph().nodes)
    at = dict(zip(["x", "y", "v1", "h", "late", "v2", "loss"], placed.boxes[:, 0], strict=True))
    assert at["x"] == at["y"] < at["v1"] < at["h"] < at["v2"] < at["loss"]
    assert at["late"] == at["h"]  # beside where it is used, not at the far left


def test_a_value_that_an_op_takes_twice_has_two_arrows_apart(tmp_path):
    h = leaf(3.0, "h")
    graph = (h * h).graph()
    assert graph.edges() == [(0, 1), (0, 1)]
    assert graph.mermaid().count("n0 --> n1") == graph.dot().count("n0 -> n1") == 2
    first, second = layout(graph.nodes).lines
    assert abs(first[0, 1] - second[0, 1]) == abs(first[-1, 1] - second[-1, 1]) > 0.5  # half a line of text
    parts = xml.etree.ElementTree.parse(graph.svg(tmp_path / "graph.svg")).iter("{http://www.w3.org/2000/svg}g")
    assert sum(part.get("id", "").startswith("patch") for part in parts) == 5  # the paper, two boxes, two arrows


# --- the picture ------------------------------------------------------------------------------------------------------


def test_a_graph_is_drawn_with_its_values_and_gradients(tmp_path):
    x, y = (tg.Tensor(value, True, name) for value, name in ((2.0, "x"), (-3.0, "y<&>")))
    graph = (x * y + x).tanh().graph()
    picture = xml.etree.ElementTree.parse(graph.svg(tmp_path / "new" / "graph.svg"))
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [line for node in graph.nodes for line in node.lines()]
    assert "y___ (y<&>)" in texts
    assert (tmp_path / "new" / "graph.svg").stat().st_size < 20_000


def test_the_same_graph_gives_the_same_file(tmp_path):
    def draw(name):
        x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
        return (x * x).sum().graph().svg(tmp_path / name).read_bytes()

    assert draw("one.svg") == draw("two.svg")


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    for name in ("$x_1$", "$"):
        x = tg.Tensor(2.0, requires_grad=True, name=name)
        graph = (x * x).graph()
        picture = xml.etree.ElementTree.parse(graph.svg(tmp_path / "graph.svg"))
        texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert graph.nodes[0].lines()[0] in texts
        assert name in graph.nodes[0].lines()[0]


def test_a_notebook_shows_a_graph_as_a_picture_where_there_is_matplotlib(monkeypatch):
    graph = tg.Tensor(2.0, requires_grad=True, name="x").graph()
    assert "<svg" in graph._repr_svg_()
    assert ">d_x = 1</text>" in graph._repr_svg_()
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert graph._repr_svg_() is None


def test_values_are_blue_gradients_orange_and_no_box_is_cut_off(tmp_path):
    x = tg.Tensor(2.0, requires_grad=True)
    with_gradients = read((x.tanh() + x).graph().svg(tmp_path / "a.png"))
    values = read(tg.Tensor([1.0, 2.0]).graph().svg(tmp_path / "b.png"))
    blue, orange = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in COLOURS[:2])
    assert share_of(with_gradients, blue) > 0
    assert share_of(with_gradients, orange) > 0
    assert share_of(values, blue) > 0
    assert share_of(values, orange) == 0
    y, other = x, tg.Tensor(3.0, requires_grad=True)
    for _ in range(4):
        y = y * x + other / y  # edges past several columns, above and below all boxes
    for picture in (with_gradients, values, read(y.graph().svg(tmp_path / "c.png"))):
        assert (picture[[0, -1], :, :3] == 1).all()
        assert (picture[:, [0, -1], :3] == 1).all()


# --- helpers ---------------------------------------------------------------------------------------------------------


def read(path):
    """The pixels (height, width, 3) of a file that begins as a PNG does."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return image.imread(path)[..., :3]


def share_of(picture, colour):
    """The share of the pixels that have this colour."""
    return np.mean(np.abs(picture - colour).max(axis=-1) < 0.01)
