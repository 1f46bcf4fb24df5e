"""A training that was made elsewhere, on the page: `tinygrad-edu train --watch`."""

import base64
import json

import numpy as np
import pytest
from chromium import opened
from node import LAB, needs_node, node

import tinygrad_edu as tg
from tinygrad_edu.cli.main import main
from tinygrad_edu.lab import emit, programs, settings, watch as watch_room
from tinygrad_edu.lab.watch import FRAMES, Watch

TAKE = """
const run = new Run();
answer(facts.own.epochs.map((frame) => (run.take(frame), [run.t, run.measures().test.loss, [...run.optimizer.data]])));
"""


@needs_node
def test_each_epoch_on_the_page_has_the_parameters_and_the_loss_that_it_had(tmp_path):
    data = tg.data.split(*tg.data.circles(60, rng=0), rng=0)
    model = tg.mlp([2, 4, 2], activation="tanh", dropout=0.2, rng=0)
    optimizer, seen = tg.AdamW(model, lr=0.05), []
    seen.append((0, tg.evaluate(model, data.X_test, data.y_test).loss, optimizer.buffer.data.copy()))
    watch = Watch(model, data, optimizer, batch=8)

    def note(row, run):
        seen.append((run.optimizer.t, row["validation_loss"], run.optimizer.buffer.data.copy()))

    how = {"epochs": 4, "batch_size": 8, "validation": (data.X_test, data.y_test), "rng": 0, "progress": False}
    tg.fit(model, data.X_train, data.y_train, tg.cross_entropy, optimizer, callback=[watch, note], **how)
    own = watch.facts | {"epochs": watch.kept}
    facts = f"const facts = {json.dumps({'seed': 0, **settings.settings(), 'own': own})};"
    texts = [(LAB / f"{name}.js").read_text("utf-8") for name in ("random", "samples", "programs", "run")]
    made = [emit.rules(), f"const book = {programs.book()};", settings.rates(), settings.variants(), facts]
    got = node(tmp_path, *made, *texts, TAKE)
    assert len(got) == len(seen) == 5
    for (t, loss, numbers), (steps, measured, parameters) in zip(got, seen, strict=True):
        assert t == steps
        assert loss == pytest.approx(measured, rel=1e-12)
        assert numbers == parameters.tolist()


def test_of_many_epochs_the_page_has_some_with_the_first_and_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(watch_room, "page", lambda seed, own: json.dumps(own))
    data = tg.data.split(*tg.data.moons(40, rng=0), rng=0)
    model = tg.mlp([2, 2], rng=0)
    optimizer = tg.SGD(model, lr=0.1)
    watch = Watch(model, data, optimizer)
    how = {"epochs": 120, "validation": (data.X_test, data.y_test), "rng": 0, "progress": False}
    tg.fit(model, data.X_train, data.y_train, tg.cross_entropy, optimizer, callback=watch, **how)
    found = json.loads(watch.save(tmp_path / "watch.html", "the command").read_text("utf-8"))
    epochs = [frame["epoch"] for frame in found["epochs"]]
    assert (epochs[0], epochs[-1], len(epochs)) == (0, 120, FRAMES + 1)
    assert set(np.diff(epochs)) <= {2, 3}
    last = np.frombuffer(base64.b64decode(found["epochs"][-1]["params"]), "<f8")
    np.testing.assert_array_equal(last, optimizer.buffer.data)


def test_what_the_page_does_not_have_is_said_before_the_training(tmp_path, capsys):
    assert main(["train", "--data", "digits", "--watch", "--out", str(tmp_path / "run")]) == 2
    assert "the playground has 6 hidden layers of 32 units at most" in capsys.readouterr().err
    assert main(["train", "--data", "moons", "--dtype", "float32", "--watch", "--out", str(tmp_path / "run")]) == 2
    assert "float64" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_command_writes_a_page_that_goes_through_the_epochs(browser, tmp_path, capsys):
    options = ["train", "--data", "moons", "--hidden", "5", "--epochs", "3", "--out", str(tmp_path / "run"), "--watch"]
    assert main(options) == 0
    assert f"wrote   {tmp_path / 'run' / 'watch.html'}" in capsys.readouterr().out
    page, _, messages = opened(browser, tmp_path, (tmp_path / "run" / "watch.html").read_text("utf-8"))
    assert page.inner_text("#verdict").startswith("✓")
    page.focus("#pg-epoch")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#pg-epoch-is") == "3 of 3"
    assert "train --data=moons" in page.inner_text("#pg-python")
    assert "--watch\n# here: epoch 3 of it" in page.inner_text("#pg-python")
    last = (tmp_path / "run" / "history.csv").read_text("utf-8").splitlines()
    loss = float(dict(zip(last[0].split(","), last[-1].split(","), strict=True))["validation_loss"])
    assert f"{loss:.5f}" in page.inner_text("#pg-now")
    page.click("#step")
    assert "and 1 steps on the page" in page.inner_text("#pg-python")
    assert messages == []
