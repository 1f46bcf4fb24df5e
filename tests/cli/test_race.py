"""``race``: tables, pictures and JSON of a race on surfaces and on data."""

import json
import sys

import pytest
from command_line import status, without_matplotlib

import tinygrad_edu as tg
from tinygrad_edu.extras.optimizers import CLASSIC
from tinygrad_edu.race import on_data as trials
from tinygrad_edu.race.surfaces import SURFACES


def race(*arguments):
    return status("race", *arguments)


# --- on surfaces ------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_writes_pictures(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert race("--steps", "20", "--gif") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert str(tg.race("beale", steps=20)) in printed.out
    assert "steps: after which a path stays" in printed.out
    files = ["beale-loss.png", "beale.gif", "beale.png"]
    assert sorted(path.name for path in (tmp_path / "runs" / "race").iterdir()) == files
    assert all(
        f"wrote   {tmp_path.joinpath('runs', 'race', name).relative_to(tmp_path)}" in printed.out for name in files
    )


def test_all_surfaces_and_all_rules_as_json(tmp_path, monkeypatch, capsys):
    without_matplotlib(monkeypatch)
    command = ["--surface", "all", "--optimizers", "classic", "--steps", "2", "--lr", "same", "--json"]
    assert race(*command, "--out", str(tmp_path)) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    found = json.loads(printed.out)
    assert list(found["races"]) == list(SURFACES)
    assert list(found["races"]["booth"]) == list(CLASSIC)
    run = tg.race("booth", ["adam"], 2, "same").runs[0]
    assert found["races"]["booth"]["adam"] == {
        "lr": 0.01,
        "loss": run.losses[-1],
        "arrived": None,
        "closest": run.distances.min(),
        "diverged": None,
    }
    assert SURFACES["booth"].title in printed.err
    assert found["files"] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--lr", "0.125"], {"lr": 0.125}),
        (["--lr", "same"], {"lr": 0.01}),
        (["--lr", "tuned"], {"lr": tg.race("valley", ["adam"], 9, "tuned").runs[0].lr}),
        (["--lr", "1000"], {"diverged": 1}),
        (["--lr", "1e300"], {"diverged": 1, "loss": None}),
        (["--surface", "neuron", "--seed", "5"], {"loss": tg.race("neuron", ["adam"], 9, rng=5).runs[0].losses[-1]}),
    ],
)
def test_an_option_does_what_it_says(tmp_path, capsys, options, expected):
    command = ["--surface", "valley", "--optimizers", "sgd", "--optimizers", "adam", "--steps", "9", "--json", *options]
    assert race(*command, "--out", str(tmp_path)) == 0
    (found,) = json.loads(capsys.readouterr().out)["races"].values()
    assert list(found) == ["sgd", "adam"]
    assert {name: found["adam"][name] for name in expected} == expected


def test_a_formula_is_a_surface(tmp_path, capsys):
    """The path is that of steps by hand, the minimum is found, and the pictures are drawn."""
    pytest.importorskip("matplotlib")
    command = ["--surface", (text := "x**2 + 10*(y - 1.03)**2"), "--optimizers", "sgd", "--steps", "40", "--json"]
    assert race(*command, "--lr", "0.04", "--out", str(tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    x, y = -4 * 0.92**40, 1.03 + 1.97 * 0.2**40
    assert found["races"][text]["sgd"]["loss"] == pytest.approx(x**2 + 10 * (y - 1.03) ** 2, rel=1e-9)
    assert found["races"][text]["sgd"]["closest"] == pytest.approx(-x, abs=1e-7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["formula-loss.png", "formula.png"]
    assert race(*command, "--steps", "100", "--out", str(tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lr"] == "tuned"
    assert found["races"][text]["sgd"]["arrived"] is not None
    for text in ("x*y", "x - y"):
        assert race("--surface", text, "--out", str(tmp_path)) == 2
        assert f"no minimum of {text} is in the picture" in capsys.readouterr().err
    assert race("--surface", "x*y", "--lr", "0.1", "--steps", "9", "--json", "--out", str(tmp_path)) == 0
    assert json.loads(capsys.readouterr().out)["races"]["x*y"]["sgd"]["closest"] is None


def test_it_races_without_matplotlib_and_says_so(tmp_path, monkeypatch, capsys):
    without_matplotlib(monkeypatch)
    assert race("--steps", "2", "--gif", "--out", str(tmp_path)) == 0
    assert "no pictures: they need matplotlib" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--surface", "bealle"], ["'bealle'", "beale", "all"]),
        (["--surface", "x**2 +"], ["is not a formula that can be read"]),
        (["--surface", "x**2"], ["a formula of x and y"]),
        (["--surface", "x**2 + z"], ["z has no value"]),
        (["--surface", "open('a') + x*y"], ["there is no function open"]),
        (["--optimizers", "sgd,adamm"], ["'adamm'", "adam", "all"]),
        (["--optimizers", ""], ["''", "adam"]),
        (["--steps", "0"], ["'0'", "at least 1"]),
        (["--lr", "best"], ["'best'", "tuned", "finite number"]),
        (["--lr", "-1"], ["'-1'", "at least 0"]),
        (["--seed", "x"], ["'x'", "at least 0"]),
    ],
)
def test_a_mistake_gets_one_sentence_and_status_2(tmp_path, capsys, wrong, said):
    assert race("--out", str(tmp_path / "out"), *wrong) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    for part in said:
        assert part in printed.err
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert race("--out", str(tmp_path / "out")) == 2
    assert f"{tmp_path / 'out'} is a file; it has to be a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


# --- on data ----------------------------------------------------------------------------------------------------------


def test_the_command_trains_prints_the_table_and_draws(tmp_path, capsys):
    command = ["--data", "blobs", "--optimizers", "sgd,adam", "--seeds", "2", "--epochs", "2", "--seed", "3"]
    assert race(*command, "--out", str(tmp_path)) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["1/2  sgd", "2/2  adam"]
    found = tg.race_on_data(*tg.data.split(*tg.data.blobs(rng=0), rng=0), ["sgd", "adam"], seeds=2, epochs=2, rng=3)
    for line, mine in zip(str(found).splitlines()[2:], printed.out.splitlines()[2:], strict=False):
        assert line.rpartition(" ")[0].strip() == mine.rpartition(" ")[0].strip()  # all but the seconds
    if "matplotlib" in sys.modules:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs-ranks.png", "blobs.png"]
        assert f"wrote   {tmp_path / 'blobs.png'}" in printed.out


def test_quick_and_json(tmp_path, capsys):
    assert race("--data", "blobs", "--optimizers", "adam", "--quick", "--json", "--out", str(tmp_path)) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert list(found["rules"]) == ["adam"]
    assert found["rules"]["adam"]["lr"] in trials.GRID[::2]
    assert len(found["rules"]["adam"]["loss_range"]) == 2
    assert "3 epochs, batches of 32, 2 seeds; constant learning rates, of 7 from 0.0001 to 100 by" in printed.err


def test_it_races_on_data_without_matplotlib_and_says_so(tmp_path, monkeypatch, capsys):
    without_matplotlib(monkeypatch)
    assert race("--data", "blobs", "--optimizers", "sgd", "--quick", "--out", str(tmp_path)) == 0
    assert "no picture: it needs matplotlib" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--data", "digitz"], "there is no data 'digitz'"),
        (["--data", "regression"], "y holds N labels"),
        (["--data", "blobs", "--steps", "3"], "--steps does not go with --data"),
        (["--data", "blobs", "--surface", "beale"], "--surface does not go with --data"),
        (["--data", "blobs", "--lr", "0"], "--lr does not go with --data, but for --lr tuned"),
        (["--resume"], "--resume needs --data"),
        (["--data", "blobs", "--gif"], "--gif does not go with --data"),
        (["--seeds", "3"], "--seeds needs --data"),
        (["--epochs", "3"], "--epochs needs --data"),
        (["--quick"], "--quick needs --data"),
        (["--drop", "a"], "--drop needs --data"),
        (["--kind", "a=words"], "--kind needs --data"),
        (["--data", "blobs", "--seeds", "0"], "at least 1"),
    ],
)
def test_a_mistake_with_data_gets_one_sentence_and_status_2(tmp_path, capsys, wrong, said):
    assert race("--out", str(tmp_path / "out"), *wrong) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert said in printed.err


def test_dark_draws_on_black_and_leaves_matplotlib_as_it_was(tmp_path):
    image = pytest.importorskip("matplotlib.image")
    for dark in ([], ["--dark"], []):
        assert race("--steps", "3", "--optimizers", "sgd", "--out", str(tmp_path), *dark) == 0
        for name in ("beale.png", "beale-loss.png"):
            assert (image.imread(tmp_path / name)[0, 0, :3] == (0 if dark else 1)).all()
