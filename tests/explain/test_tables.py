"""Numbers and tables for people."""

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.explain.tables import WIDTH, Table, brief, norm, sized


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (1 / 3, "0.333333"),
        (np.float32(0.1), "0.1"),
        (-0.0, "0"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
        (True, "1"),
        (Tensor(2.5), "2.5"),
        ([2.0], "(1,) [2]"),
        ([[[7.0]]], "(1, 1, 1) [[[7]]]"),
        ([3, 4], "(2,) [3, 4], norm 5"),
        ([True, False], "(2,) [1, 0], norm 1"),
        ([-0.0, 0.0], "(2,) [0, 0], norm 0"),
        (np.zeros((2, 0)), "(2, 0), empty"),
        (np.arange(9.0), "(9,) [0, 1, 2, 3, ...], norm 14.28"),
        (np.arange(4.0).reshape(2, 2), "(2, 2) [[0, 1], [2, 3]], norm 3.742"),
        ([1e-9 / 3] * 6, "(6,) [3.333e-10, 3.333e-10, 3.333e-10, 3.333e-10, ...], norm 8.165e-10"),
        (np.ones((1000, 1000)), "(1000, 1000) [1, 1, 1, 1, ...], norm 1000"),
        ([np.nan, 1.0], "(2,) [nan, 1], norm nan"),
        ([np.inf, 1.0], "(2,) [inf, 1], norm inf"),
        ([np.inf, np.nan], "(2,) [inf, nan], norm nan"),
    ],
)
def test_a_value_in_brief(x, text):
    assert brief(x) == text


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_a_norm_neither_overflows_nor_vanishes(scale):
    assert norm(np.array([[3.0], [4.0]]) * scale) == pytest.approx(5 * scale, rel=1e-15)
    assert norm(np.array([3e30, 4e30], np.float32)) == pytest.approx(5e30, rel=1e-6)
    assert norm(np.zeros((0, 2))) == norm(np.zeros(3)) == 0


def test_the_size_of_one_number_is_the_number():
    assert sized(np.array([-2.0])) == "-2"
    assert sized(np.array([3.0, -4.0])) == "5"


def test_a_table_is_never_wider_than_its_cells_allow():
    wide = Table("t", ("a", "b"), [("x", "word " * 40)])
    assert all(len(line) <= WIDTH for line in str(wide).splitlines())
    assert str(wide).endswith("word ...")
    assert "word " * 39 in wide.markdown()
    assert "word " * 40 in wide.html()


@pytest.mark.parametrize(
    ("cell", "markdown"),
    [
        ("", ""),
        ("two words", "two words"),
        ("a|b", "`a\\|b`"),
        ("x * y", "`x * y`"),
        ("a`b", "`` a`b ``"),
        ("a\nb*", "`a b*`"),
        ("<script>", "`<script>`"),
    ],
)
def test_a_cell_shows_in_markdown_as_it_is(cell, markdown):
    assert Table("t", ("a",), [(cell,)]).markdown().splitlines()[-1] == f"| {markdown} |"


def test_a_cell_shows_in_html_as_it_is():
    page = Table("<t>", ("&",), [('<script>"',)]).html()
    assert "<caption>&lt;t&gt;</caption>" in page
    assert "<th>&amp;</th>" in page
    assert "<td>&lt;script&gt;&quot;</td>" in page
