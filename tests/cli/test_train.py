"""``train``: every kind of data and every rule, the same numbers for the same seed, one sentence for a mistake."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import mnist_folder, one_line, result, run, status, without_matplotlib, without_seconds

import tinygrad_edu as tg
from tinygrad_edu.cli import runs
from tinygrad_edu.cli.main import main
from tinygrad_edu.cli.train import RATES
from tinygrad_edu.core.layers import ACTIVATIONS
from tinygrad_edu.extras.optimizers import RULES
from tinygrad_edu.training.data import TOY_SETS

FAST = ["train", "--quick", "--hidden", "4"]

# --- what it says ----------------------------------------------------------------------------------------------------


def test_help_names_every_option_and_every_choice(capsys):
    assert status("train", "--help") == 0
    text = capsys.readouterr().out
    options = ["--data", "--hidden", "--activation", "--dropout", "--optimizer", "--lr", "--batch-size", "--epochs"]
    options += ["--dtype", "--seed", "--out", "--gif", "--quick", "--json", "mnist:FOLDER", "digits"]
    for word in [*options, *RULES, *TOY_SETS, *ACTIVATIONS]:
        assert word in text


def test_it_trains_on_the_digits_and_writes_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--quick", "--hidden", "16"]) == 0
    printed = capsys.readouterr()
    accuracy, right, held_out = re.search(r"validation accuracy (\S+): (\d+) of (\d+)", printed.out).groups()
    assert held_out == "360"
    assert float(accuracy) == pytest.approx(int(right) / 360, abs=1e-4)
    assert float(accuracy) > 0.5
    assert "digits: 1,437 samples to learn from, 360 held out" in printed.out
    assert re.search(r"layers.0 +Linear +\(N, 64\) +-> +\(N, 16\) +1,040", printed.out)
    assert "m <- beta1 · m + one_minus_beta1 · g" in printed.out
    assert re.search(r"check   of the trained model's gradient, .*\n        \d+ slopes agree with", printed.out)
    assert len(printed.err.splitlines()) == 3  # one line an epoch
    names = ["history.csv", "loss.png", "model.npz", "run.json"]
    for name in names:
        assert f"wrote   {Path('runs/digits', name)}" in printed.out
        assert (tmp_path / "runs" / "digits" / name).stat().st_size > 0
    assert sorted(path.name for path in (tmp_path / "runs" / "digits").iterdir()) == names


def test_a_gif_shows_the_boundary_of_each_epoch_and_the_last_picture_is_that_of_the_model(tmp_path, capsys):
    Image = pytest.importorskip("PIL.Image")
    out = tmp_path / "run"
    found = result(capsys, *FAST, "--data", "moons", "--gif", "--out", str(out))
    assert str(out / "boundary.gif") in found["files"]
    with Image.open(out / "boundary.gif") as gif, Image.open(out / "boundary.png") as png:
        assert gif.n_frames == 3
        gif.seek(2)
        scale = png.width / gif.width
        last, still = (np.asarray(picture.convert("RGB").resize((300, 230)), float) for picture in (gif, png))
    assert scale == pytest.approx(1.2, abs=0.01)  # 120 and 100 dots an inch
    assert abs(last[40:, :200] - still[40:, :200]).mean() < 6  # below the title, beside the legend


def test_a_gif_of_other_data_is_refused(tmp_path, capsys):
    assert status("train", "--gif", "--out", str(tmp_path / "run")) == 2
    one_line(capsys, "--gif draws two features of samples with labels, as --data spirals; digits has others")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="30 epochs of kernels as plain Python")
def test_the_defaults_read_97_of_100_digits(tmp_path, capsys):
    assert result(capsys, "train", "--out", str(tmp_path))["validation_accuracy"] >= 0.97


def test_json_is_one_object_on_standard_output(tmp_path, capsys):
    assert main([*FAST, "--data", "moons", "--json", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    found = json.loads(printed.out)
    assert "validation accuracy" in printed.err
    assert found["validation_accuracy"] == pytest.approx(
        float(re.search(r"accuracy ([\d.]+): ", printed.err)[1]), abs=1e-4
    )
    assert found["sizes"] == [2, 4, 2]
    assert found["epochs"] == 3
    assert found["updates"] == 3 * 10  # 320 samples in batches of 32
    assert found["gradcheck_error"] < 1e-6
    names = ("boundary.png", "history.csv", "loss.png", "model.npz", "run.json")
    assert sorted(found["files"]) == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize("data", TOY_SETS)
def test_it_trains_on_every_toy_set(tmp_path, capsys, data):
    found = result(capsys, *FAST, "--data", data, "--out", str(tmp_path))
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + 3
    assert np.isfinite(found["validation_loss"])
    assert (found["validation_accuracy"] is None) == (data == "regression")
    assert (tmp_path / "boundary.png").exists() == (data != "regression")


@pytest.mark.sample(12)
@pytest.mark.filterwarnings("ignore:nothing was learned")  # so soon
@pytest.mark.parametrize("name", RULES)
def test_it_trains_with_every_rule(tmp_path, capsys, name):
    assert main([*FAST, "--data", "blobs", "--optimizer", name, "--epochs", "5", "--out", str(tmp_path)]) == 0
    kind, lr = RULES[name].__name__, RATES.get(name, RULES[name].hyper["lr"])
    printed = capsys.readouterr().out
    assert f"rule    {kind}, float64" in printed
    assert f"lr = {lr:g}" in printed
    losses = [float(row.split(",")[1]) for row in (tmp_path / "history.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--hidden", "none"], {"sizes": [2, 2]}),
        (["--hidden", "5,3"], {"sizes": [2, 5, 3, 2]}),
        (["--batch-size", "all"], {"updates": 3}),
        (["--batch-size", "100"], {"updates": 12}),
        (["--epochs", "1"], {"epochs": 1}),
        (["--dtype", "float32"], {"dtype": "float32"}),
        (["--lr", "0.125", "--optimizer", "sgd"], {"lr": 0.125, "optimizer": "sgd"}),
        (["--seed", "7"], {"seed": 7}),
        (["--activation", "tanh", "--dropout", "0.5"], {"stopped": "all epochs"}),
        (
            ["--optimizer", "Heavy-Ball", "--activation", "TanH", "--data", "Blobs", "--dtype", "Float32"],
            {"optimizer": "heavy_ball", "data": "blobs", "dtype": "float32"},
        ),
    ],
)
def test_an_option_does_what_it_says(tmp_path, capsys, options, expected):
    found = result(capsys, *FAST, "--data", "moons", "--out", str(tmp_path), *options)
    assert {name: found[name] for name in expected} == expected


def test_it_trains_on_the_mnist_files_of_a_folder(tmp_path, capsys):
    folder = mnist_folder(tmp_path)
    found = result(capsys, *FAST, "--data", f"mnist:{folder}", "--out", str(tmp_path / "out"))
    assert found["sizes"] == [20, 4, 3]
    assert 0 <= found["validation_accuracy"] <= 1


def test_it_trains_without_matplotlib_and_says_so(tmp_path, monkeypatch, capsys):
    without_matplotlib(monkeypatch)
    assert main([*FAST, "--data", "moons", "--out", str(tmp_path)]) == 0
    assert "no pictures: they need matplotlib" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "model.npz", "run.json"]


# --- the same seed, the same numbers ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers(tmp_path, capsys):
    command = [*FAST, "--data", "moons", "--dropout", "0.2"]
    first, again, other = (
        result(capsys, *command, "--seed", seed, "--out", str(tmp_path / str(i))) for i, seed in enumerate("334")
    )
    assert [first.pop("files") != again.pop("files"), first] == [True, again]
    assert first["validation_loss"] != other["validation_loss"]


def test_the_numbers_are_the_same_in_every_process_and_for_every_hash_seed(tmp_path):
    command = ["-m", "tinygrad_edu", *FAST, "--data", "moons", "--seed", "3", "--json"]
    results = [
        without_seconds(run(*command, "--out", "run", PYTHONHASHSEED=seed, cwd=made).stdout)
        for seed in ("0", "1")
        for made in [tmp_path / seed]
        if made.mkdir() is None
    ]
    assert results[0] == results[1]


def test_a_learning_rate_of_0_is_warned_of_in_one_line(tmp_path):
    done = run("-m", "tinygrad_edu", *FAST, "--data", "moons", "--lr", "0", "--out", str(tmp_path))
    said = [line for line in done.stderr.splitlines() if "warning" in line]
    assert said == ["tinygrad-edu: warning: --lr 0: no step changes anything, so nothing is learned"]


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--optimizer", "adamm"], ["'adamm'", "sgd", "adamw"]),
        (["--data", "moon"], ["'moon'", "digits", "moons", "mnist:FOLDER"]),
        (["--data", "mnist:no/such/folder"], ["no/such/folder", "train-images-idx3-ubyte"]),
        (["--activation", "swish"], ["'swish'", "relu"]),
        (["--lr", "-1"], ["'-1'", "at least 0"]),
        (["--lr", "nan"], ["'nan'", "finite"]),
        (["--lr", "inf"], ["'inf'", "finite"]),
        (["--lr", "fast"], ["'fast'", "finite number"]),
        (["--batch-size", "0"], ["'0'", "at least 1", '"all"']),
        (["--batch-size", "some"], ["'some'", "whole number"]),
        (["--hidden", "0"], ["'0'", "at least 1"]),
        (["--hidden", "x"], ["'x'", "whole number"]),
        (["--hidden", "8,"], ["''", "whole number"]),
        (["--dtype", "float16"], ["'float16'", "float32", "float64"]),
        (["--epochs", "0"], ["'0'", "at least 1"]),
        (["--epochs", "2.5"], ["'2.5'", "whole number"]),
        (["--dropout", "1"], ["'1'", "below 1"]),
        (["--seed", "-1"], ["'-1'", "at least 0"]),
        (["--colour"], ["--colour"]),
    ],
)
def test_a_mistake_gets_one_sentence_and_status_2(tmp_path, capsys, wrong, said):
    assert status(*FAST, "--data", "moons", "--out", str(tmp_path / "out"), *wrong) == 2
    one_line(capsys, *said)
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_refused_before_anything_is_trained(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert status(*FAST, "--data", "moons", "--out", str(tmp_path / "out")) == 2
    one_line(capsys, str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t10k-images-idx3-ubyte", b"", "not an IDX file"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0", "header is cut off"),
        ("train-images-idx3-ubyte", b"\x1f\x8bnonsense", "gzip data is damaged"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\1\0", "labels of shape (1,)"),
    ],
)
def test_a_folder_with_a_broken_file_gets_one_sentence(tmp_path, capsys, name, content, said):
    folder = mnist_folder(tmp_path)
    (folder / name).write_bytes(content)
    assert status(*FAST, "--data", f"mnist:{folder}", "--out", str(tmp_path / "out")) == 2
    one_line(capsys, str(folder), said)


def test_a_held_out_label_that_was_never_trained_gets_a_sentence(tmp_path, capsys):
    folder = mnist_folder(tmp_path, held_out=[0, 1, 2, 9])
    assert status(*FAST, "--data", f"mnist:{folder}", "--out", str(tmp_path / "out")) == 2
    assert "label 9" in capsys.readouterr().err.splitlines()[-1]


def test_a_learning_rate_that_is_far_too_large_gets_a_sentence(tmp_path, capsys):
    command = ["train", "--data", "regression", "--optimizer", "sgd", "--lr", "1e6", "--epochs", "50"]
    assert status(*command, "--out", str(tmp_path)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert re.search(r"the loss became (nan|inf) in epoch \d+; a smaller learning rate may help", lines[-1])
    assert all(line.startswith("epoch ") for line in lines[:-1])  # no warnings of NumPy in between


def test_a_model_with_huge_weights_gets_no_traceback_from_its_gradient_check(tmp_path, capsys):
    assert status("train", "--data", "moons", "--quick", "--lr", "10", "--out", str(tmp_path)) in (0, 1)
    assert "\ncheck " in capsys.readouterr().out


# --- tables -----------------------------------------------------------------------------------------------------------

TABLE = "size,colour,name,price\n" + "".join(
    f"{i},{'red' if i % 3 else 'blue'},n{i},{3 * i + 0.5}\n" for i in range(40)
)


def test_a_table_is_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my.csv").write_text(TABLE)
    found = result(capsys, *FAST, "--data", "my.csv", "--target", "price", "--drop", "name")
    assert found["sizes"] == [3, 4, 1]  # size, two colours
    assert found["validation_accuracy"] is None
    found = result(capsys, *FAST, "--data", "my.csv", "--target", "colour", "--drop", "name,price", "--out", "classes")
    assert found["sizes"] == [1, 4, 2]
    assert json.loads(Path("classes/run.json").read_text())["options"]["drop"] == ["name,price"]


def test_a_table_that_cannot_be_trained_on_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my.csv").write_text(TABLE.replace("5,red", ",red"))
    for options, said in (
        ([], "--data my.csv needs --target, the column to predict, of size, colour, name, price"),
        (["--target", "colour", "--drop", "name"], "my.csv, line 7, column 'size' is empty; mend the file"),
        (
            ["--target", "colour", "--drop", "name"],
            "train with --missing mean or median, which fill empty cells, or drop, which leaves the rows out\n",
        ),
        (["--target", "colour", "--missing", "mean"], "column 'name' holds 40 different words in 40 rows"),
        (["--target", "colour", "--missing", "mean"], "leave it out with --drop 'name'\n"),
        (["--target", "name", "--missing", "mean"], "too many to learn from; choose another target\n"),
        (["--target", "colour", "--drop", "colour,name"], "so that --drop 'colour' leaves nothing to predict\n"),
        (["--target", "colour", "--drop", "size", "of it"], "my.csv has no column 'of it'; it has 'size', 'colour'"),
        (["--target", "colour", "--kind", "size"], "got 'size', but it has to be a column and its kind, as zip=words"),
        (["--target", "colour", "--kind", "size=int"], "no kind of column 'int'; choose from number, words, yes/no"),
        (["--target", "colour", "--kind", "age=number"], "my.csv has no column 'age'"),
        (["--target", "weight"], "my.csv has no column 'weight'; it has 'size', 'colour', 'name', 'price'"),
    ):
        assert status(*FAST, "--data", "my.csv", *options) == 2
        one_line(capsys, said)
    assert list(tmp_path.iterdir()) == [tmp_path / "my.csv"]
    Path("my.csv").write_text("1,2\n3,4\n")
    assert status(*FAST, "--data", "my.csv", "--target", "y") == 2
    one_line(capsys, "header=['column1', 'column2'] (header= is for tg.data.csv, in Python)")


def test_the_options_of_a_table_are_refused_for_other_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for option in (["--target", "y"], ["--missing", "mean"], ["--drop", "x"], ["--kind", "x=words"]):
        for command in ("train", "race"):
            assert status(command, "--data", "moons", *option) == 2
            one_line(capsys, f"{option[0]} is for a table, and --data moons is none")
    assert not Path("runs/moons").exists()


@pytest.mark.parametrize(
    ("options", "features"),
    [
        (["--drop", "id", "--drop", "visited on", "--drop", "size, cm"], ["a", "b"]),
        (["--drop", "id", "visited on", "size, cm"], ["a", "b"]),
        (["--drop", "id,visited on", "--drop", "a, b"], ["size, cm"]),
        (["--drop=id,a", "--drop=b,visited on"], ["size, cm"]),
    ],
)
def test_every_column_that_is_to_be_dropped_is(options, features, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},{i % 4},{i % 3},{i % 5},{i % 7},{'uv'[i % 2]}\n" for i in range(40))
    Path("my.csv").write_text(f'id,visited on,"size, cm",a,b,y\n{rows}')
    found = result(capsys, *FAST, "--data", "my.csv", "--target", "y", *options)
    assert found["sizes"] == [len(features), 4, 2]
    assert main(["train", "--resume", "runs/my", "--epochs", "4"]) == 0  # drops them again
    assert "going on after epoch 3, until 4" in (said := capsys.readouterr().out)
    assert re.search(r"trained 1 epoch more, 4 in all, \d+ updates", said)
    for name in features:
        assert re.search(rf"^        {name} +numbers from 0 to", said, re.MULTILINE)
    about = json.loads(Path("runs/my/run.json").read_text())
    about["options"]["drop"] = ",".join({"id", "visited on", "a", "b"} - set(features))  # as 0.1 kept it
    Path("runs/my/run.json").write_text(json.dumps(about))
    assert (status("evaluate", "runs/my") == 0) == ("size, cm" in features)


def test_what_was_found_in_a_table_is_printed_and_whole_numbers_may_be_a_regression(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},{'' if i == 5 else i % 4},{'ny'[i % 2]},{1 + i % 3}\n" for i in range(45))
    Path("my.csv").write_text(f"id,a,on,stars\n{rows}")
    command = [*FAST, "--data", "my.csv", "--target", "stars", "--missing", "mean", "--drop", "id"]
    assert main(command) == 0
    said = capsys.readouterr().out
    for line in (
        "my.csv: 36 samples to learn from, 9 held out,",
        "2 features, 3 classes",
        "a   numbers from 0 to 3",
        "on  y in 49% of the rows",
        "target stars: 3 classes: 1 15, 2 15, 3 15; --kind 'stars=number' makes a regression of it",
        "left out: id",
        "empty cells: 1, filled with the mean",
    ):
        assert f"{line}\n" in said
    found = result(capsys, *command, "--kind", "stars=number", "a=words", "--out", "again")
    assert found["sizes"] == [5, 4, 1]
    assert main(["train", "--resume", "again", "--epochs", "4"]) == 0
    assert "target stars: a number, so this is a regression" in capsys.readouterr().out


def test_a_regression_is_measured_in_the_unit_of_its_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200)
    mass = 4000 + 800 * x + 100 * rng.standard_normal(200)
    Path("my.csv").write_text("x,mass\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), mass.tolist())))
    found = result(capsys, "train", "--data", "my.csv", "--target", "mass", "--epochs", "20", "--out", "a")
    assert main(["predict", "a", "my.csv"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "prediction"
    assert all(len(line.replace(".", "").strip("0")) <= 6 for line in lines)
    wrong = np.array(lines, float) - mass
    assert main(["evaluate", "a", "--data", "my.csv", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rmse"] == pytest.approx(np.sqrt((wrong**2).mean()), rel=1e-5)
    assert said["r2"] == pytest.approx(1 - (wrong**2).sum() / ((mass - mass.mean()) ** 2).sum(), rel=1e-5)
    assert said["learned_from"] == 160
    assert main(["evaluate", "a"]) == 0
    assert f"RMSE {found['validation_rmse']:.6g}, R^2 {found['validation_r2']:.4f}, loss" in capsys.readouterr().out
    assert main([*FAST, "--data", "my.csv", "--target", "mass"]) == 0
    assert re.search(r"result  validation RMSE [\d.]+, R\^2 -?[\d.]+, loss", capsys.readouterr().out)


def test_an_output_of_nan_is_not_predicted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*FAST, "--data", "moons", "--out", "a"]) == 0
    model = tg.mlp([2, 2], rng=0)
    model[0].W.data[0] = np.nan  # which fit refuses to save
    monkeypatch.setattr(runs, "model_of", lambda *_: model)
    Path("two.csv").write_text("1,2\n")
    capsys.readouterr()
    assert status("predict", "a", "two.csv") == 2
    one_line(capsys, "the model's output holds nan")


def test_a_class_that_no_row_to_learn_from_has_is_a_class(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text("a,b,y\n1,2,u\n2,3,v\n3,4,u\n")
    for seed in range(6):  # in some of these "v" is held out, the only one
        found = result(capsys, *FAST, "--data", "few.csv", "--target", "y", "--seed", str(seed), "--out", f"{seed}")
        assert found["sizes"] == [2, 4, 2]
        assert main(["predict", f"{seed}", "few.csv"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 4
