"""Slides of a backward pass: each shows one number more, in the order in which a person works them out."""

import re
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.explain import slides


def formula():
    x, w = (tg.Tensor(value, requires_grad=True, name=name) for name, value in (("x", 2.0), ("w", 3.0)))
    return (x * w) * (x + w)


def test_the_numbers_come_one_by_one_as_on_the_board():
    """By hand: v1 = 6, v2 = 5, loss = 30; then d_v1 = 5, d_v2 = 6; x gets 6 and 15, w gets 6 and 10."""
    found = slides.pictures(formula())
    new = [
        {k: b[k] for k in b if b[k] != a.get(k)}
        for before, after in pairwise(found)
        for a, b in ((before.values, after.values), (before.gradients, after.gradients))
    ]
    assert [part for part in new if part] == [
        {"v1": "6"}, {"v2": "5"}, {"loss": "30"}, {"loss": "1"}, {"v1": "5"}, {"v2": "6"},
        {"x": "6"}, {"w": "6"}, {"x": "21"}, {"w": "16"},
    ]  # fmt: skip
    assert found[9].caption == ["d_x += d_v1 * w = 5 * 3 = 15", "use 2 of 2: 6 += 15 gives 21"]
    assert found[-1].caption == ["The gradients: d_x = 21, d_w = 16"]


def test_of_a_product_with_itself_each_factor_has_its_own_arrow():
    h = tg.Tensor(3.0, requires_grad=True, name="h")
    assert [one.lines for one in slides.pictures(h * h)][-3:] == [{0}, {1}, set()]


def test_what_is_to_come_is_a_question_mark_and_all_pictures_are_of_one_size(tmp_path):
    pytest.importorskip("matplotlib")
    *pages, index = tg.explain(formula()).slides(tmp_path / "new")
    texts = [page.read_text(encoding="utf-8") for page in pages]
    assert [page.name for page in pages] == [f"{n:02}.svg" for n in range(1, 13)]
    assert len({re.search(r"viewBox=\S+ \S+ \S+ \S+", text)[0] for text in texts}) == 1
    assert "d_x = ?" in texts[6]
    assert "d_x = 6" in texts[7]
    assert "d_x = 21" in texts[-1]
    assert [text.count("?<") for text in texts[:5]] == [9, 7, 6, 5, 4]  # the first asks "What is loss?"
    page = index.read_text(encoding="utf-8")
    assert re.findall(r'src="(\S+)"', page) == [path.name for path in pages]
    assert "//" not in page.replace("</", "")


def test_a_network_has_slides_too():
    model = tg.mlp([2, 3, 2], rng=0)
    found = slides.pictures(tg.cross_entropy(model(np.ones((4, 2))), [0, 1, 0, 1]))
    assert "layers.0.W" in str(found[-1].caption) or "W1" in str(found[-1].caption)
    assert max(len(line) for one in found for line in one.caption) <= slides.CAPTION


def test_the_command_writes_them(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "slides"
    assert main(["explain", "x*x", "--at", "x=3", "--slides", str(folder)]) == 0
    printed = capsys.readouterr()
    assert f"wrote   {folder / 'index.html'}, 6 slides" in printed.err
    assert "The forward pass" in printed.out
    monkeypatch.setattr(slides, "picture", lambda *_: (_ for _ in ()).throw(ImportError("matplotlib")))
    assert main(["explain", "x*x", "--at", "x=3", "--slides", str(folder)]) == 2
    assert "--slides needs matplotlib" in capsys.readouterr().err
