"""What Python holds for a compiled step is watched: after a change of it the step is that of an eager one again.

The steps run as plain Python, as most in test_step: nothing has to be compiled.
"""

import copy
import pickle
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import module_text, numpy_c  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit

pytestmark = pytest.mark.filterwarnings("ignore:no gradient came to")  # `Net.spare` is not used
X, Y = tg.data.moons(6, rng=0)
WEIGHT, UNUSED = 1.0, 1.0


@pytest.fixture(autouse=True)
def _plainly(monkeypatch):
    monkeypatch.setattr(numpy_c, "PLAIN", True)
    monkeypatch.setattr(jit, "kernel", lambda rule: rule)


@dataclass
class Config:
    temperature: float = 1.0


class Weighted:
    weight = 1.0

    def __call__(self, output, y):
        return tg.cross_entropy(output, y) * self.weight

    def method(self, output, y):
        return tg.cross_entropy(output, y) * self.weight


class Net(tg.Layer):
    power = 1.0

    def __init__(self):
        self.inner, self.outer, self.act = tg.Linear(2, 6, rng=0), tg.Linear(6, 2, rng=1), tg.LeakyReLU(0.1)
        self.drop, self.norm = tg.Dropout(0.25, rng=3), tg.BatchNorm1d(6)
        self.temperature, self.config, self.table, self.steps = 1.0, Config(), {"a": [1.0]}, [tg.Tanh()]
        self.spare = (tg.Linear(6, 2, rng=7), tg.Sigmoid())

    def forward(self, x):
        self.kept = self.norm(self.inner(x) / self.temperature)  # computed: no change of the model
        x = self.drop(self.act(self.steps[0](self.kept * self.config.temperature) * self.table["a"][0]))
        return self.outer(x * self.power)


def own_loss(output, y):
    return tg.cross_entropy(output, y) * WEIGHT


def calling(output, y):
    return own_loss(output, y)


class Factor:
    value = 1.0

    @staticmethod
    def times(loss):
        return loss * Factor.value


def of_a_class(output, y):
    return Factor.times(tg.cross_entropy(output, y))


def set_factor(value):
    Factor.value = value


settings = ModuleType("settings")  # as another file of the user's
settings.FACTOR = 1.0


def of_a_module(output, y):
    return tg.cross_entropy(output, y) * settings.FACTOR


def closed(beta):
    return lambda output, y: tg.cross_entropy(output, y) * beta[0]


def rebound():
    beta = 1.0

    def loss(output, y):
        return tg.cross_entropy(output, y) * beta

    def change():
        nonlocal beta
        beta = 0.5

    loss.change = change
    return loss


def scaled(output, y, factor):
    return tg.cross_entropy(output, y) * factor[0]


def set_weight(value):
    globals()["WEIGHT"] = value


def set_power(value):
    Net.power = value


LISTS = [[1.0], [1.0]]
CHANGES = {
    "an attribute": (lambda: tg.cross_entropy, lambda model, loss: setattr(model, "temperature", 0.5)),
    "of a class": (lambda: tg.cross_entropy, lambda model, loss: set_power(0.5)),
    "of an object": (lambda: tg.cross_entropy, lambda model, loss: setattr(model.config, "temperature", 0.5)),
    "in a list in a dict": (lambda: tg.cross_entropy, lambda model, loss: model.table["a"].__setitem__(0, 0.5)),
    "slope": (lambda: tg.cross_entropy, lambda model, loss: setattr(model.act, "slope", 0.9)),
    "dropout's p": (lambda: tg.cross_entropy, lambda model, loss: setattr(model.drop, "p", 0.75)),
    "dropout's generator": (
        lambda: tg.cross_entropy,
        lambda model, loss: setattr(model.drop, "rng", np.random.default_rng(9)),
    ),
    "batch norm's momentum": (lambda: tg.cross_entropy, lambda model, loss: setattr(model.norm, "momentum", 0.5)),
    "a running mean": (
        lambda: tg.cross_entropy,
        lambda model, loss: setattr(model.norm, "running_mean", tg.Tensor(np.ones(6))),
    ),
    "a layer without parameters": (
        lambda: tg.cross_entropy,
        lambda model, loss: model.steps.__setitem__(0, model.spare[1]),
    ),
    "a global": (lambda: own_loss, lambda model, loss: set_weight(0.5)),
    "a global of a function that the loss calls": (lambda: calling, lambda model, loss: set_weight(0.5)),
    "of a class by its name": (lambda: of_a_class, lambda model, loss: set_factor(0.5)),
    "of a module": (lambda: of_a_module, lambda model, loss: setattr(settings, "FACTOR", 0.5)),
    "a list in a closure": (
        lambda: closed([1.0]),
        lambda model, loss: loss.__closure__[0].cell_contents.__setitem__(0, 0.5),
    ),
    "a name in a closure": (rebound, lambda model, loss: loss.change()),
    "an argument of partial": (
        lambda: partial(scaled, factor=[1.0]),
        lambda model, loss: loss.keywords["factor"].__setitem__(0, 0.5),
    ),
    "a loss that is an object": (Weighted, lambda model, loss: setattr(loss, "weight", 0.5)),
    "a method": (lambda: Weighted().method, lambda model, loss: setattr(loss.__self__, "weight", 0.5)),
}


@pytest.fixture(autouse=True)
def _afterwards():
    yield
    back()


def back():
    """Give the numbers outside of the functions their first values."""
    set_weight(1.0)
    set_power(1.0)
    set_factor(1.0)
    settings.FACTOR = 1.0


def run(what, way):
    """Train, change, train: by hand, in steps or in epochs. Return the weights and running means."""
    make_loss, change = CHANGES[what]
    model, loss = Net(), make_loss()
    optimizer = tg.SGD(model, lr=0.1)
    if way == "fit":
        options = {"epochs": 2, "batch_size": 3, "progress": False, "callback": lambda row: change(model, loss)}
        tg.fit(model, X, Y, loss, optimizer, rng=0, compiled=True, **options)
    elif way == "eager fit":
        options = {"epochs": 2, "batch_size": 3, "progress": False, "callback": lambda row: change(model, loss)}
        tg.fit(model, X, Y, loss, optimizer, rng=0, **options)
    else:
        step = tg.compile_step(model, loss, optimizer, X, Y, quiet=True) if way == "compiled" else None
        for k in range(4):
            if step:
                step(X, Y)
            else:
                optimizer.zero_grad()
                loss(model(X), Y).backward()
                optimizer.step()
            if k == 1:
                change(model, loss)
    back()
    return {name: value for name, value in model.state_dict().items() if not name.endswith("rng")}


@pytest.mark.sample(6)
@pytest.mark.parametrize("ways", [("compiled", "eager"), ("fit", "eager fit")], ids=["steps", "epochs"])
@pytest.mark.parametrize("what", CHANGES)
def test_after_a_change_the_step_is_the_eager_one(what, ways):
    ours, expected = (run(what, way) for way in ways)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("what", ["layer", "layer in a list", "parameter"])
def test_a_parameter_that_was_replaced_is_said_and_the_new_one_is_used(what):
    model = tg.Sequential(tg.Linear(2, 6, rng=0), tg.Tanh(), tg.Linear(6, 2, rng=1))
    model.alone = spare = tg.Linear(6, 2, rng=7)
    model.alone = None
    optimizer = tg.SGD(model, lr=0.1)
    step = tg.compile_step(model, tg.cross_entropy, optimizer, X, Y, quiet=True)
    step(X, Y)
    if what == "parameter":
        model[2].W = tg.Tensor(np.ones((6, 2)), requires_grad=True)
    else:
        model.layers[2] = spare
    with pytest.warns(UserWarning, match=r"layers\.2\.W.* the optimizer does not have them"):
        loss = step(X, Y)
    before = model.state_dict()
    assert step(X, Y) == pytest.approx(tg.cross_entropy(model(X), Y).item(), rel=0.1)
    assert loss != pytest.approx(step(X, Y), abs=1e-9)  # the first layer goes on to learn
    np.testing.assert_array_equal(model[2].W.numpy(), before["layers.2.W"])


def test_what_does_not_matter_is_not_compiled_again():
    model = Net()
    step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, Y, quiet=True)
    step(X, Y)
    plans = dict(step._plans)
    model.eval()
    model(X)  # keeps a computed Tensor
    model.train()
    model.temperature = 1.0  # the same number
    tg.Linear(2, 2, rng=0)
    globals()["UNUSED"] = 2.0
    step(X, Y)
    assert step._plans == plans


def test_a_change_that_cannot_be_compiled_is_refused_at_every_call():
    model = Net()
    step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, Y, quiet=True)
    step(X, Y)
    model.table["a"][0] = "a word"
    for _ in range(2):
        with pytest.raises(TypeError):
            step(X, Y)
    model.table["a"][0] = 1.0
    step(X, Y)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copied_step_goes_on_with_the_same_numbers(how):
    model = tg.Sequential(tg.Linear(2, 6, rng=0), tg.BatchNorm1d(6), tg.Dropout(0.2, rng=1), tg.Linear(6, 2, rng=1))
    optimizer = tg.Adam(model, lr=0.1)
    model[1].eval()  # a mode that is fixed when the step is compiled
    step = tg.compile_step(model, tg.cross_entropy, optimizer, X, Y, quiet=True)
    step(X, Y)
    model.eval()
    model_, optimizer_, step_ = how((model, optimizer, step))
    assert step_.model is model_
    assert step_.optimizer is optimizer_
    assert [step_(X, Y) for _ in range(3)] == [step(X, Y) for _ in range(3)]
    np.testing.assert_array_equal(optimizer_.buffer.data, optimizer.buffer.data)
    np.testing.assert_array_equal(model_[1].running_mean.numpy(), model[1].running_mean.numpy())
    assert not model_.training


def test_masked_batches_are_refused():
    model = Net()
    step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, Y, quiet=True)
    for given in ((np.ma.array(X, mask=X > 1), Y), (X, np.ma.array(Y, mask=Y > 0))):
        with pytest.raises(TypeError, match="is a masked array"):
            step(*given)
