"""What a notebook shows says the same as what ``print`` shows, and all of it is escaped."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.explain.notebook import MOST


def cells(thing, table=-1):
    """The texts of the cells of each row of a table of what a notebook shows, which has to be well-formed."""
    tables = list(ElementTree.fromstring(thing._repr_html_()).iter("table"))
    return [[cell.text for cell in row] for row in tables[table].iter("tr")]


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[+-]\d+)?", text)]


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 1)])
def test_a_tensor_is_a_table_of_the_numbers_that_its_repr_has(shape):
    x = tg.Tensor(np.random.default_rng(0).normal(size=shape))
    head, *rows = cells(x)
    assert head == [str(j) for j in range(shape[-1] if shape else 1)]
    assert [float(cell) for row in rows for cell in row] == pytest.approx(numbers(repr(x)), abs=1e-5)


def test_long_axes_are_shown_by_their_ends_and_other_shapes_as_numpy_does():
    head, *rows = cells(tg.Tensor(np.arange(3000.0).reshape(30, 100)))
    assert head == [*map(str, range(MOST)), "...", *map(str, range(100 - MOST, 100))]
    assert len(rows) == 2 * MOST + 1
    assert (rows[0][0], rows[-1][-1]) == ("0", "2999")
    assert cells(tg.Tensor(np.ones((2, 2, 2))))[1] == [np.array2string(np.ones((2, 2, 2)), separator=", ")]
    assert cells(tg.Tensor(np.ones((0, 3))))[1] == ["[]"]


def test_a_tensor_says_its_name_and_shows_its_gradient():
    x = tg.Tensor([2.0, -3.0], requires_grad=True, name="<script>&")
    y = x * x
    y.sum().backward()
    titles = [title.text for title in ElementTree.fromstring(x._repr_html_()).iter("caption")]
    assert titles == ["Tensor: <script>&, shape (2,), float64, requires_grad=True", "grad"]
    assert cells(x) == [["0", "1"], ["4", "-6"]]
    assert "op=mul" in y._repr_html_()
    assert "grad</caption>" not in y._repr_html_()  # and no error: a computed tensor keeps none


def test_programs_steps_and_reasons_are_shown_as_they_are_printed():
    x = tg.Tensor(2.0, requires_grad=True, name="x")
    model = tg.Linear(2, 1, rng=0)
    optimizer = tg.SGD(model, lr=0.1)
    model(np.ones((1, 2))).sum().backward()
    optimizer.step()
    program = tg.trace((x * x).exp())
    assert ElementTree.fromstring(program._repr_html_()).text == program.source
    for thing in (next((x * x).steps()), optimizer.why("b", 0)):
        assert ElementTree.fromstring(thing._repr_html_()).findtext("pre") == str(thing)


def test_a_race_is_a_table_in_a_notebook_and_short_at_a_prompt():
    found = tg.race("valley", ["sgd", "adam"], steps=20)
    head, *rows = cells(found)
    assert head == ["rule", "lr", "final loss", "steps", "closest"]
    assert rows == [line.split() for line in str(found).splitlines()[3:]]
    assert repr(found) == "Race('narrow valley', 20 steps: sgd, adam; print it for the table)"


def test_a_race_on_data_is_a_table_in_a_notebook_and_short_at_a_prompt():
    X, y = tg.data.moons(30, rng=0)
    found = tg.race_on_data(X, y, X, y, ["sgd", "adam"], seeds=2, epochs=1, grid=[0.1, 0.2])
    assert [" ".join(row).split() for row in cells(found)[1:]] == [x.split() for x in str(found).splitlines()[3:-1]]
    assert "at the edge of the grid" in found._repr_html_()
    assert repr(found).startswith("DataRace('2-32-2 ReLU network, 30 samples, 30 held out': sgd, adam;")


def test_a_sweep_is_the_table_that_it_prints():
    found = tg.sweep(lambda a, seed: {"y": a / seed}, {"a": [1, 2]}, seeds=2, n_jobs=1, progress=False)
    shown = [" ".join(filter(None, row)).split() for row in cells(found)]
    assert shown == [line.split() for line in repr(found).splitlines()[:-1]]
    assert "4 runs, 2 failed" in found._repr_html_()


def test_a_long_history_is_shown_by_its_ends():
    history = tg.History()
    history.rows = [{"epoch": k, "loss": 1 / k} for k in range(1, 101)]
    assert [row[0] for row in cells(history)[1:]] == [*map(str, range(1, MOST + 1)), "...", *map(str, range(95, 101))]
