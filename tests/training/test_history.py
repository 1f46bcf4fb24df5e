"""The record of a training: rows that go through CSV unchanged, a table in a notebook, the progress on a terminal."""

import csv
import sys
from xml.etree import ElementTree

import pytest

import tinygrad_edu as tg

X, Y = tg.data.blobs(50, rng=0)  # three classes


def fit(model, epochs=2, **options):
    return tg.fit(model, X, Y, epochs=epochs, rng=0, **{"progress": False} | options)


def small():
    return tg.mlp([2, 4, 3], rng=0)


# --- the history ------------------------------------------------------------------------------------------------------


def test_a_history_goes_through_csv_unchanged(tmp_path):
    history = fit(small(), epochs=3, validation=(X, Y))
    text = history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        read = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert read == history.rows
    assert (tmp_path / "history.csv").read_text() == text + "\n"


def test_a_history_without_rows_can_be_shown_and_saved():
    empty = tg.History()
    assert repr(empty) == "History(0 epochs)"
    assert empty.to_csv() == ""
    assert ElementTree.fromstring(empty._repr_html_()).findtext("pre") == "no epochs"


def test_a_history_is_a_table_in_a_notebook():
    history = fit(small(), epochs=3)
    table = [[cell.text for cell in row] for row in ElementTree.fromstring(history._repr_html_()).iter("tr")]
    assert table[0] == ["epoch", "loss", "accuracy", "lr", "seconds"]
    assert [row[0] for row in table[1:]] == ["1", "2", "3"]
    assert [float(row[1]) for row in table[1:]] == pytest.approx(history["loss"], abs=1e-4)


def test_repr_says_how_many_epochs_why_it_ended_and_how_it_stands():
    history = tg.History()
    history.rows = [{"epoch": 1, "loss": 0.5, "lr": 1e-5}]
    history.stopped = "callback"
    assert repr(history) == "History(1 epoch, callback, epoch 1  loss 0.5000  lr 1.00e-05)"


def test_a_history_is_a_table_of_pandas(monkeypatch):
    pandas = pytest.importorskip("pandas")
    history = fit(small(), epochs=3)
    frame = history.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(history.rows[0])
    assert frame.to_dict("records") == history.rows
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        history.to_frame()


def test_a_history_draws_itself(tmp_path):
    pytest.importorskip("matplotlib")
    history = fit(small(), epochs=3, validation=(X, Y), metrics={"right": lambda y, p: (y == p).mean()})
    assert history.plot(tmp_path / "run.png").read_bytes()[:4] == b"\x89PNG"
    panels = history.plot().axes
    assert [ax.get_ylabel() for ax in panels] == ["loss", "accuracy", "right"]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[0].lines}
    assert drawn == {"training": history["loss"], "validation": history["validation_loss"]}
    assert [list(line.get_ydata()) for line in panels[2].lines] == [history["validation_right"]]
    with pytest.raises(ValueError, match="no epoch to draw"):
        tg.History().plot()


# --- progress ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:nothing was learned")  # so soon
def test_there_is_one_line_an_epoch_on_standard_error(capsys):
    history = fit(small(), epochs=10, progress=True)
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert [line.partition("  loss")[0] for line in lines] == [f"epoch {k:>2}/10" for k in range(1, 11)]
    assert f"loss {history['loss'][-1]:.4f}" in lines[-1]
    assert f"accuracy {history['accuracy'][-1]:.4f}" in lines[-1]


def test_there_is_nothing_where_no_progress_is_wanted(capsys):
    fit(small(), progress=False)
    assert capsys.readouterr() == ("", "")


def test_there_is_a_bar_on_a_terminal(capsys, monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)  # no thread of tqdm's that outlives the bar
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    history = fit(small(), epochs=2, progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "2/2" in printed.err
    assert f"loss {history['loss'][-1]:.4f}" in printed.err
    assert "epoch 1/2" not in printed.err


def test_there_are_lines_on_a_terminal_without_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fit(small(), epochs=2, progress=True)
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    history = tg.History()
    assert history["validation_loss"] == []
    history.rows += [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "more": 1}]
    for column in ("validation_loss", "more"):
        with pytest.raises(KeyError, match=f"the history has no column '{column}'; it has epoch, loss\""):
            history[column]


class Notebook:
    """As much of a notebook's kernel as is looked at."""

    kernel = None

    @staticmethod
    def get_ipython():
        return Notebook()


@pytest.mark.parametrize("bar", [True, False])
def test_progress_in_a_notebook_is_not_on_standard_error_which_is_red_there(capsys, monkeypatch, bar):
    tqdm = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    if not bar:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setitem(sys.modules, "IPython", Notebook)
    history = fit(small(), epochs=2, progress=True)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"loss {history['loss'][-1]:.4f}" in printed.out
    assert ("2/2 [" in printed.out) == bar
