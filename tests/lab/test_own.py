"""A network and data of one's own in the playground: the page trains it as the library does."""

import json
import re
from copy import deepcopy

import numpy as np
import pytest
from node import LAB, needs_node, node

import tinygrad_edu as tg
from tinygrad_edu.lab import emit, programs, settings
from tinygrad_edu.lab.own import own

RUN = """
const run = new Run();
for (let t = 0; t < 60; t++) run.step();
answer({ losses: run.losses, data: [...run.optimizer.data], script: script(run), test: run.measures().test });
"""


def on_the_page(folder, found):
    """The run that the page begins with."""
    facts = f"const facts = {json.dumps({'seed': 0, **settings.settings(), 'own': found})};"
    texts = [(LAB / f"{name}.js").read_text("utf-8") for name in ("random", "samples", "programs", "run", "python")]
    made = [emit.rules(), f"const book = {programs.book()};", settings.rates(), settings.variants(), facts]
    return node(folder, *made, *texts, RUN)


def classes(rng):
    X, y = tg.data.blobs(90, rng=rng)
    return tg.mlp([2, 5, 4, 3], activation="gelu", rng=rng), X, y


def numbers(rng):
    X = rng.uniform(-1, 1, (40, 1))
    return tg.mlp([1, 6, 1], activation="tanh", rng=rng), X, np.sin(3 * X[:, 0])


CASES = [
    (classes, lambda model: tg.RMSprop(model, lr=0.02, momentum=0.5, centered=True, l2=0.01)),
    (classes, lambda model: tg.Nesterov(model, lr=0.05)),
    (numbers, lambda model: tg.AdamW(model, lr=0.02, weight_decay=0.1)),
]


@needs_node
@pytest.mark.parametrize(("make", "rule"), CASES, ids=["rmsprop", "nesterov", "adamw"])
def test_the_page_trains_my_network_on_my_data_with_my_rule(tmp_path, make, rule):
    model, X, y = make(np.random.default_rng(3))
    before = model.state_dict()
    made = on_the_page(tmp_path, own(model, X, y, rule(deepcopy(model)), seed=5))
    assert all((before[name] == value).all() for name, value in model.state_dict().items())  # nothing has changed here
    loss_of = tg.cross_entropy if make is classes else tg.mse_loss
    y = y if make is classes else y[:, None]
    X_train, y_train, X_test, y_test = tg.data.split(X, y, rng=5)
    copy, losses = deepcopy(model), []
    optimizer, batches = rule(copy), tg.batches(X_train, y_train, batch_size=32, rng=5)
    while len(losses) < 60:
        for X_batch, y_batch in batches:
            optimizer.zero_grad()
            loss = loss_of(copy(X_batch), y_batch)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert made["losses"] == pytest.approx(losses[:60], rel=1e-9)
    known = {"X": X, "y": y, "model": model}
    exec(made["script"], known)  # which takes X, y and model as tg.lab was given them
    assert made["losses"] == pytest.approx(known["losses"], rel=1e-9)
    assert made["test"]["loss"] == pytest.approx(loss_of(known["model"](X_test), y_test).item(), rel=1e-9)


def refused(said, model, X, y, rule=None):
    with pytest.raises(ValueError, match=re.escape(said)):
        own(model, X, y, rule and rule(model))


def test_what_the_playground_does_not_have_is_refused_by_name():
    X, y = tg.data.moons(40, rng=0)
    sequential = tg.Sequential(tg.Linear(2, 3), tg.ReLU(), tg.Linear(3, 3), tg.Tanh(), tg.Linear(3, 2))
    refused("networks as tg.mlp builds them", sequential, X, y)
    refused("networks as tg.mlp builds them", tg.Sequential(tg.Linear(2, 2, bias=False)), X, y)
    refused("networks as tg.mlp builds them", tg.ReLU(), X, y)
    refused("32 units at most", tg.mlp([2, 64, 2]), X, y)
    refused("float32", tg.mlp([2, 4, 2], dtype=np.float32), X, y)
    refused("the network 3 inputs", tg.mlp([3, 4, 2]), X, y)
    refused("y (39,)", tg.mlp([2, 4, 2]), X, y[:-1])
    refused("y (40,)", tg.mlp([2, 4, 2]), X, y + 1)  # labels 1 and 2 of classes 0 and 1
    refused("in up to 3 classes", tg.mlp([2, 4, 4]), X, y)
    refused("X has 3 columns", tg.mlp([3, 4, 2]), np.ones((40, 3)), y)
    refused("from 10 to 2,000 samples", tg.mlp([2, 4, 2]), X[:9], y[:9])
    model = tg.mlp([2, 4, 2])
    refused("constant learning rate", model, X, y, lambda m: tg.SGD(m, lr=tg.schedules.cosine(0.1, steps=9)))

    class Mine(tg.SGD):
        pass

    refused("rules of this library", model, X, y, Mine)
    with pytest.raises(TypeError, match="got str 'adam'"):
        own(model, X, y, "adam")
