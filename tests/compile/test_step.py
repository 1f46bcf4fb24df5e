"""A compiled step is the eager one: the same parameters, gradients, averages, counters and errors.

Most tests run the text of the step as plain Python: what is in it is the same, and nothing has to be compiled. Those
that say `by_machine` compile, one model with much in it each.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import rules_table

import tinygrad_edu as tg
from tinygrad_edu.compile import cache, module_text, numpy_c, plan, rules  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.compile.inputs import freeze_indices
from tinygrad_edu.compile.step import CompiledStep
from tinygrad_edu.compile.values import CannotCompile
from tinygrad_edu.core import jit
from tinygrad_edu.core.layers import ACTIVATIONS
from tinygrad_edu.core.tensor import unwrap
from tinygrad_edu.explain.why import parts_of
from tinygrad_edu.extras import threads

rng = np.random.default_rng(0)
X, LABELS, TARGETS = rng.standard_normal((12, 3)), rng.integers(0, 2, 12), rng.standard_normal((12, 2))
TIGHT = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 5e-5}
WITHOUT_NUMBA = numpy_c.PLAIN
by_machine = pytest.mark.usefixtures("compiling")
needs_numba = pytest.mark.skipif(WITHOUT_NUMBA, reason="there is no machine code without Numba")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """Machine code of these tests is neither the user's nor left to him."""
    before = os.environ.get("TINYGRAD_EDU_CACHE")
    os.environ["TINYGRAD_EDU_CACHE"] = str(tmp_path_factory.mktemp("machine_code"))
    yield
    if before is None:
        del os.environ["TINYGRAD_EDU_CACHE"]
    else:
        os.environ["TINYGRAD_EDU_CACHE"] = before


@pytest.fixture
def compiling():
    pass


@pytest.fixture(autouse=True)
def _plainly(request, monkeypatch):
    """Steps are made as they are without Numba, where a test does not say that it compiles."""
    both = getattr(request.node, "callspec", None)
    if both and both.params.get("by") == "machine" and WITHOUT_NUMBA:
        pytest.skip("there is no machine code without Numba")
    if "compiling" not in request.fixturenames and not (both and both.params.get("by") == "machine"):
        monkeypatch.setattr(numpy_c, "PLAIN", True)
        monkeypatch.setattr(jit, "kernel", lambda rule: rule)


class Pair:
    """Two equal models with equal optimizers: one takes compiled steps, the other eager ones."""

    def __init__(self, build, rule=lambda m: tg.Adam(m, lr=0.01), loss=tg.cross_entropy, X=X, y=LABELS):
        self.models = [build(), build()]
        self.optimizers = [rule(model) for model in self.models]
        self.loss = loss
        self.step = tg.compile_step(self.models[0], loss, self.optimizers[0], X, y, quiet=True)

    def eager(self, which, X, y):
        optimizer = self.optimizers[which]
        optimizer.zero_grad()
        loss = self.loss(self.models[which](X), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    def both(self, X, y, times=1):
        """A compiled step here, an eager one there; the losses are equal."""
        for _ in range(times):
            value, expected = self.step(X, y), self.eager(1, X, y)
            assert type(value) is float
            assert value == pytest.approx(expected, rel=TIGHT[self.optimizers[0].buffer.data.dtype] * (1 + times))

    def same(self, tight=None):
        """Parameters, gradients, averages and counters agree."""
        ours, theirs = self.optimizers
        tight = tight or TIGHT[ours.buffer.data.dtype]
        a, b = (model.state_dict() for model in self.models)
        assert all(close(a[name], b[name], tight) for name in a), [
            name for name in a if not close(a[name], b[name], tight)
        ]
        for name, p, q in zip(ours.names, ours.params, theirs.params):
            assert (p.grad is None) == (q.grad is None), name
            assert p.grad is None or close(p.grad, q.grad, tight), name
        a, b = ours.state_dict(), theirs.state_dict()
        assert list(a) == list(b)
        assert all(np.array_equal(a[key], b[key]) or close(a[key], b[key], tight) for key in a)
        assert (ours.t, ours.skipped, ours.lr) == (theirs.t, theirs.skipped, theirs.lr)


def close(a, b, tight):
    """To rounding, as large as the largest of them has it. What is smaller than the smallest normal number is 0."""
    return np.allclose(a, b, rtol=0, atol=tight * max(1e-3, np.abs(b).max(initial=0)))


def network(dtype=np.float64, sizes=(3, 5, 4, 2), **more):
    return lambda: tg.mlp(sizes, dtype=dtype, rng=1, **more)


# --- the same training ------------------------------------------------------------------------------------------------


def grouped(cls, hyper):
    """A rule with groups that have numbers of their own, and a schedule where it may have one."""

    def rule(model):
        groups = [
            {"params": model[0].named_parameters(), "l2": 0.1},
            {"params": model[2].W, "lr": 0.05 if cls is tg.Rprop else lambda t: 0.03 / t},
            {"params": model[2].b, "l2": 0.02},
        ]
        return cls(groups, **{"lr": 0.02, **hyper})

    return rule


def ways_of_one_rule(pair, dtype):
    """Steps between which everything is changed that may be."""
    batch = X.astype(dtype)
    for k, n in enumerate((12, 5, 1, 8, 12, 3)):  # samples
        for optimizer in pair.optimizers:
            if k == 2:
                optimizer.freeze(optimizer.names[2])
            elif k == 3:
                optimizer.unfreeze()
                optimizer.groups[0]["lr"], optimizer.groups[2]["l2"] = 0.07, 0.0
            elif k == 4:
                optimizer.lr = 0.004
                optimizer.load_state_dict({name: np.array(value) for name, value in optimizer.state_dict().items()})
        pair.both(batch[:n], LABELS[:n])
        pair.same()
        if k != 2 and parts_of(pair.optimizers[0]):
            why, expected = (optimizer.why(optimizer.names[2], (1, 1)) for optimizer in pair.optimizers)
            assert why.update == expected.update
            for a, b in zip(why[2:5] + why[6:11], expected[2:5] + expected[6:11]):
                assert close(a, b, 1e-2 if dtype is np.float32 else 1e-9)


@pytest.mark.sample(9)
@rules_table.every_dtype
@rules_table.every_row
def test_every_rule(cls, reference, hyper, torch_row, dtype):
    if cls is not tg.SOAP:  # see below
        ways_of_one_rule(Pair(network(dtype, (3, 4, 2)), grouped(cls, hyper), X=X.astype(dtype)), dtype)


@rules_table.every_dtype
def test_soap_has_the_gradients_of_a_compiled_step_and_an_update_of_its_own(dtype):
    """Its basis has directions that no gradient had yet. A last bit of a gradient turns those, so the gradients are
    those of the compiled step."""
    model, twin = (network(dtype, (3, 4, 2))() for _ in "mt")
    rule = grouped(tg.SOAP, {"every": 3})
    optimizer, other = rule(model), rule(twin)
    step = tg.compile_step(model, tg.cross_entropy, optimizer, X.astype(dtype), LABELS, quiet=True)
    for n in (12, 5, 1, 8, 12, 3, 12):
        before = model.state_dict()
        step(X[:n].astype(dtype), LABELS[:n])
        for p, q in zip(optimizer.params, other.params, strict=True):
            q.grad = p.grad.copy()
        other.step()
        assert any(not np.array_equal(before[name], value) for name, value in model.state_dict().items())
        for (name, ours), theirs in zip(optimizer.state_dict().items(), other.state_dict().values(), strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
        for p, q in zip(optimizer.params, other.params, strict=True):
            np.testing.assert_array_equal(p.numpy(), q.numpy())


@needs_numba
@by_machine
@pytest.mark.parametrize(
    ("cls", "hyper", "dtype"),
    [
        (tg.SGD, {}, np.float32),
        (tg.RMSprop, {"centered": True, "momentum": 0.8}, np.float64),
    ],
)
def test_rules_with_no_and_three_averages_by_machine(cls, hyper, dtype):
    ways_of_one_rule(Pair(network(dtype, (3, 4, 2)), grouped(cls, hyper), X=X.astype(dtype)), dtype)


@by_machine
def test_a_thousand_steps():
    """In float64: there a last bit is still small after so many."""
    samples, labels = tg.data.spirals(32, rng=0)
    pair = Pair(network(sizes=(2, 16, 16, 2)), X=samples, y=labels)
    times = 20 if numpy_c.PLAIN else 1000
    for _ in range(times):
        value, expected = pair.step(samples, labels), pair.eager(1, samples, labels)
    assert value == pytest.approx(expected, rel=1e-10)
    pair.same(1e-10)
    assert pair.optimizers[0].t == times


@by_machine
def test_a_thousand_steps_in_float32_each_from_equal_states():
    """A thousand steps of float32 make a hundredth of a last bit, and another one on each processor: so the eager model
    starts each step where the compiled one is. Labels that nothing explains keep the gradients large, and tanh has no
    kink: beside the kink of ReLU, and where a softmax is nearly 1, one rounding is much of a gradient."""
    some = np.random.default_rng(0)
    samples, labels = some.standard_normal((256, 2)).astype(np.float32), some.integers(0, 2, 256)
    pair = Pair(network(np.float32, (2, 16, 16, 2), activation="tanh"), X=samples[:8], y=labels[:8])
    times = 20 if numpy_c.PLAIN else 1000
    ours, theirs = pair.optimizers
    for k in range(times):
        for mine, others in zip((ours.buffer.data, ours.m, ours.v), (theirs.buffer.data, theirs.m, theirs.v)):
            others[:] = mine  # not by state_dict(), after which a step is prepared anew
        batch = slice(8 * k % 256, 8 * k % 256 + 8)
        pair.both(samples[batch], labels[batch])
        assert close(ours.buffer.data, theirs.buffer.data, 1e-6)  # a few last bits: a step is a hundredth
        for mine, others in ((ours.buffer.grad, theirs.buffer.grad), (ours.m, theirs.m), (ours.v, theirs.v)):
            assert close(mine, others, TIGHT[ours.m.dtype])
    pair.same()
    assert ours.t == times


def test_compiled_and_eager_steps_take_turns(tmp_path):
    pair = Pair(network(), lambda m: tg.Adam(m, lr=tg.schedules.cosine(0.02, 12)))
    ours = pair.optimizers[0]
    for k in range(12):
        if k in (4, 9):  # saved by one, loaded by another
            np.savez(tmp_path / "state.npz", **ours.state_dict())
            np.savez(tmp_path / "weights.npz", **pair.models[0].state_dict())
            for p in ours.params:
                p.data = np.zeros(p.shape)
            ours.m[:], ours.t = 7.0, 99
            with np.load(tmp_path / "state.npz") as state, np.load(tmp_path / "weights.npz") as weights:
                ours.load_state_dict(state)
                pair.models[0].load_state_dict(weights)
        if k % 3:
            pair.step(X, LABELS)
        else:
            pair.eager(0, X, LABELS)
        pair.eager(1, X, LABELS)
        pair.same()
    assert ours.why("layers.0.W", (0, 0)).after == pytest.approx(pair.models[1][0].W.data[0, 0])


def test_why_with_l2():
    pair = Pair(network(), lambda m: tg.HeavyBall(m, lr=0.1, l2=0.3))
    pair.both(X, LABELS, 2)
    why, expected = (optimizer.why("layers.2.W", (1, 0)) for optimizer in pair.optimizers)
    assert why.numbers["g"] == pytest.approx(expected.numbers["g"])


def test_a_graph_from_before_a_skipped_step_is_still_right():
    pair = Pair(network(), lambda m: tg.Adam(m, lr=0.01, nonfinite="skip"))
    graphs = [tg.cross_entropy(model(X), LABELS) for model in pair.models]
    assert np.isnan(pair.step(X * np.nan, LABELS))
    pair.eager(1, X * np.nan, LABELS)
    for graph, optimizer in zip(graphs, pair.optimizers):
        optimizer.zero_grad()
        graph.backward()
    pair.same()
    graph = tg.cross_entropy(pair.models[0](X), LABELS)
    pair.both(X, LABELS)
    with pytest.raises(RuntimeError, match="was changed after"):
        graph.backward()


def test_what_was_written_through_data_is_noticed_after_a_refused_step():
    pair = Pair(network(), lambda m: tg.SGD(m, lr=lambda t: -1.0))
    for step in (pair.step, lambda X, y: pair.eager(0, X, y)):
        values = pair.models[0][0].W.data
        graph = tg.cross_entropy(pair.models[0](X), LABELS)
        values += 1
        with pytest.raises(ValueError, match="lr = -1"):
            step(X, LABELS)
        with pytest.raises(RuntimeError, match="was changed after"):
            graph.backward()


def test_a_schedule_that_fails_later_leaves_nothing_to_ask_about():
    pair = Pair(network(), lambda m: tg.SGD(m, lr=lambda t: 0.1 if t < 3 else -1.0))
    pair.both(X, LABELS, 2)
    for step in (pair.step, lambda X, y: pair.eager(1, X, y)):
        with pytest.raises(ValueError, match="lr = -1"):
            step(X, LABELS)
    for optimizer in pair.optimizers:
        with pytest.raises(ValueError, match="had no part in the last step"):
            optimizer.why("layers.0.W", (0, 0))


@pytest.mark.parametrize("good", [0, 2])
def test_a_refused_schedule_leaves_no_gradient_that_was_never_computed(good):
    pair = Pair(network(), lambda m: tg.SGD(m, lr=lambda t: 0.1 if t <= good else -1.0))
    for _ in range(good):
        pair.step(X, LABELS)
    with pytest.raises(ValueError, match="lr = -1"):
        pair.step(X, LABELS)
    with pytest.raises(RuntimeError, match="found no gradient"):
        pair.optimizers[0].step()
    with pytest.raises(ValueError, match="lr = -1"):
        pair.step.epoch(X, LABELS, np.arange(12), 4)
    pair.optimizers[0].lr = 0.1
    with pytest.raises(RuntimeError, match="found no gradient"):
        pair.optimizers[0].step()


def test_a_parameter_that_never_required_a_gradient():
    def rule(model):
        optimizer = tg.SGD(model, lr=0.1)
        model[0].b.requires_grad = False
        return optimizer

    pair = Pair(network(), rule)
    pair.both(X, LABELS, 3)
    pair.same()


def test_what_is_not_made_is_not_counted(monkeypatch):
    """A batch of another size has a program of its own here, which has to be compiled: that fails."""
    pair = Pair(network(), lambda m: tg.SGD(m, lr=0.1), lambda z, t: (z * z).sum() / len(z))
    pair.both(X, LABELS)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "load", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pair.step(X[:5], LABELS[:5])
    assert pair.optimizers[0].t == 1
    pair.both(X[:5], LABELS[:5])
    pair.same()


def test_gradients_of_a_skipped_batch_are_not_used_yet():
    spoiled = X.copy()
    spoiled[-1] = np.nan
    pair = Pair(network(), lambda m: tg.SGD(m, lr=0.1, nonfinite="skip"), X=X[:4], y=LABELS[:4])
    pair.step.epoch(spoiled, LABELS, np.arange(12), 4)
    optimizer = pair.optimizers[0]
    assert all(p.grad_from > update.stamp for update in optimizer.cached_updates for p in update.params)
    tg.cross_entropy(pair.models[0](X), LABELS).backward()
    optimizer.step()  # a warning would be an error


def test_targets_that_the_compiled_dtype_does_not_hold():
    flags = LABELS.astype(bool)
    pair = Pair(network(), loss=lambda z, t: (z.sum(axis=1) * t).mean(), y=flags)
    pair.both(X, flags)
    with pytest.raises(ValueError, match="cannot use"):
        pair.step(X, np.where(flags, 1, -1))


def test_running_means_count_as_changed():
    model = tg.Sequential(tg.Linear(3, 2, rng=0), tg.BatchNorm1d(2))
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model[0]), X, LABELS, quiet=True)
    mean = model[1].running_mean
    graph = (tg.Tensor([2.0, 3.0], requires_grad=True) * mean).sum()
    step(X, LABELS)
    with pytest.raises(RuntimeError, match="was changed after"):
        graph.backward()


def test_parameters_that_the_loss_does_not_use_have_no_gradient():
    def build():
        model = network()()
        model.spare = tg.Tensor([1.0], requires_grad=True)
        return model

    pair = Pair(build, tg.Adam)
    for optimizer in pair.optimizers:
        optimizer.freeze("spare")
    for _ in range(2):
        for model in pair.models:
            model.spare.grad = np.ones(1)
        pair.both(X, LABELS)
    pair.same()


def test_gradients_that_the_user_assigned_quiet_the_warnings_of_both():
    pair = Pair(network())
    for optimizer in pair.optimizers:
        for p in optimizer.params:
            p.grad = np.ones(p.shape)
        optimizer.step()
    pair.both(X, LABELS)
    for model in pair.models:
        tg.cross_entropy(model(X), LABELS).backward()  # a warning would be an error
    pair.same()


def test_l2_that_is_set_later():
    pair = Pair(network(), lambda m: tg.HeavyBall(m, lr=0.1))
    pair.both(X, LABELS, 2)
    for optimizer in pair.optimizers:
        optimizer.groups[0]["l2"] = 0.3
    pair.both(X, LABELS, 2)
    pair.same()


def test_an_optimizer_with_a_step_of_its_own_is_refused():
    class Own(tg.SGD):
        def step(self):
            super().step()

    model = network()()
    with pytest.raises(CannotCompile, match=r"^Own has a step\(\) of its own"):
        tg.compile_step(model, tg.cross_entropy, Own(model, lr=0.1), X, LABELS)


def test_two_optimizers_share_a_model():
    models = [network()(), network()()]
    firsts, lasts = ([tg.Adam(model[i]) for model in models] for i in (0, 4))
    steps = [tg.compile_step(models[0], tg.cross_entropy, o, X, LABELS, quiet=True) for o in (firsts[0], lasts[0])]
    for k in range(4):
        steps[k % 2](X, LABELS)
        (firsts, lasts)[k % 2][1].zero_grad()
        models[1].zero_grad() if hasattr(models[1], "zero_grad") else [
            setattr(p, "grad", None) for p in models[1].parameters()
        ]
        tg.cross_entropy(models[1](X), LABELS).backward()
        (firsts, lasts)[k % 2][1].step()
    for a, b in zip(*(model.state_dict().values() for model in models)):
        assert close(a, b, 1e-12)
    assert models[0][2].W.grad is None  # that of no optimizer


def test_an_average_of_the_weights():
    pair = Pair(network())
    averages = [tg.WeightAverage(optimizer, decay=0.9) for optimizer in pair.optimizers]
    for _ in range(4):
        pair.both(X, LABELS)
        for average in averages:
            average.update()
    with averages[0], averages[1]:
        pair.same()
    with pytest.raises(RuntimeError, match="the optimizer stepped inside the with block"), averages[0]:
        pair.step(X, LABELS)
    with pytest.raises(RuntimeError, match="the optimizer stepped inside the with block"), averages[1]:
        pair.eager(1, X, LABELS)
    pair.both(X, LABELS)
    pair.same()


def test_updates_that_are_large_enough_for_threads(monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 64)
    monkeypatch.setattr(threads, "CORES", 3)
    pair = Pair(network(), lambda m: tg.AdamW(m, l2=0.1))
    for n in (12, 5, 12):
        pair.both(X[:n], LABELS[:n])
        pair.same()
    assert pair.optimizers[0].why("layers.0.W", (0, 0)).change != 0


def test_an_epoch_of_such_updates_takes_no_machine_code_of_its_own(monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 64)
    model = network()()
    step = CompiledStep(model, tg.cross_entropy, tg.Adam(model), X, LABELS, True, "epoch")
    step.epoch(X, LABELS, np.arange(12), 12)
    (made,) = step._plans.values()
    assert vars(made).keys() & {"step", "piece", "epoch"} == {"step", "piece"}


def test_the_program_of_a_step_has_the_numbers_of_now():
    """Its inputs are the parameters and running means themselves, not copies from the time of the trace."""
    model = tg.Sequential(tg.Linear(3, 4, rng=0), tg.BatchNorm1d(4), tg.Linear(4, 2, rng=1))
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model, lr=0.1), X, LABELS, quiet=True)
    for _ in range(3):
        step(X, LABELS)
    inputs, tensors = step.program.inputs, model.named_tensors()
    own = [t for t in tensors.values() if any(np.shares_memory(a, t.array) for a in inputs.values())]
    assert len(own) == len(tensors)
    before = model.state_dict()
    loss, gradients = step.program(X=X, y=LABELS)
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())  # it wrote a copy
    step.optimizer.zero_grad()
    expected = tg.cross_entropy(model(X), LABELS)
    expected.backward()
    assert close(loss, expected.item(), 1e-12)
    assert close(gradients["W1"], model[0].W.grad, 1e-12)


# --- layers, losses and models ----------------------------------------------------------------------------------------


def everything(dtype=np.float64):
    """Every layer of the package in a row. What a normalisation is given has no b: its gradient would be rounding."""
    d = {"dtype": dtype}
    layers = [
        tg.Linear(3, 4, rng=1, **d),
        tg.LayerNorm(4, **d),
        tg.ReLU(),
        tg.LeakyReLU(),
        tg.Linear(4, 4, False, rng=2, **d),
    ]
    layers += [tg.BatchNorm1d(4, **d), tg.ELU(), tg.SiLU(), tg.GELU(), tg.Dropout(0.2, rng=3), tg.Flatten()]
    layers += [tg.Linear(4, 4, False, rng=4, **d), tg.Tanh(), tg.Sigmoid(), tg.Softplus(), tg.Dropout(0.4, rng=5)]
    return tg.Sequential(*layers, tg.Softmax(), tg.Linear(4, 2, rng=6, **d))


def test_every_layer_is_in_it():
    kinds = {
        value
        for value in [getattr(tg, name) for name in dir(tg)]
        if isinstance(value, type) and issubclass(value, tg.Layer)
    }
    takes_indices = tg.Embedding  # compiled in tests/training/test_models.py
    take_pictures = {tg.Conv2d, tg.MaxPool2d, tg.AvgPool2d}  # compiled in tests/extras/test_pictures.py
    assert kinds - {tg.Layer, tg.Sequential, takes_indices} - take_pictures == {
        type(layer) for layer in everything().layers
    }


def some_layers(dtype):
    d = {"dtype": dtype}
    layers = [tg.Linear(3, 4, False, rng=1, **d), tg.BatchNorm1d(4, **d), tg.GELU(), tg.Dropout(0.2, rng=3)]
    return tg.Sequential(
        *layers, tg.LayerNorm(4, **d), tg.Softplus(), tg.Dropout(0.4, rng=5), tg.Linear(4, 2, rng=6, **d)
    )


@needs_numba
@by_machine
def test_layers_by_machine():
    pair = Pair(lambda: some_layers(np.float32), X=X.astype(np.float32))
    for n in (12, 12, 7, 12):
        pair.both(X[:n].astype(np.float32), LABELS[:n])
        pair.same(2e-4)
    assert np.abs(pair.models[0][1].running_mean.data).max() > 0
    assert pair.models[0][3].rng.bit_generator.state == pair.models[1][3].rng.bit_generator.state


@rules_table.every_dtype
def test_every_layer_with_its_random_numbers_and_running_means(dtype):
    pair = Pair(lambda: everything(dtype), X=X.astype(dtype))
    for n in (12, 12, 7, 12):
        pair.both(X[:n].astype(dtype), LABELS[:n])
        pair.same(1e-12 if dtype is np.float64 else 2e-4)
    ours, theirs = pair.models
    assert np.abs(ours[5].running_mean.data).max() > 0
    for i in (9, 15):
        assert ours[i].rng.bit_generator.state == theirs[i].rng.bit_generator.state


@pytest.mark.parametrize("activation", ACTIVATIONS)
@rules_table.every_dtype
def test_every_activation(activation, dtype):
    pair = Pair(network(dtype, activation=activation), X=X.astype(dtype))
    for n in (12, 1, 6):
        pair.both(X[:n].astype(dtype) * 3, LABELS[:n])
        pair.same()


def test_layers_that_share_a_generator():
    pair = Pair(network(dropout=0.3))
    for n in (12, 5, 12):
        pair.both(X[:n], LABELS[:n])
        pair.same()


def test_layers_that_evaluate_stay_so():
    def build():
        model = everything()
        model.eval()
        model[9].train()
        return model

    pair = Pair(build)
    for model in pair.models:
        model.train()  # afterwards: that is not looked at
    before = pair.models[0][5].running_mean.numpy()
    pair.step(X, LABELS)
    assert np.array_equal(pair.models[0][5].running_mean.data, before)


LOSSES = [
    (tg.mse_loss, TARGETS),
    (tg.l1_loss, TARGETS.astype(np.float32)),
    (tg.huber_loss, np.round(TARGETS).astype(int)),
    (tg.binary_cross_entropy_with_logits, (TARGETS > 0).astype(float)),
    (tg.hinge_loss, np.sign(TARGETS)),
]


@rules_table.every_dtype
@pytest.mark.parametrize(("loss", "targets"), LOSSES, ids=lambda x: getattr(x, "__name__", ""))
def test_every_loss(loss, targets, dtype):
    pair = Pair(network(dtype, sizes=(3, 70, 2)), tg.SGD, loss, X.astype(dtype), targets)
    for n in (12, 5, 1):
        pair.both(X[:n].astype(dtype), targets[:n])
        pair.same()


def test_every_loss_is_in_it():
    kinds = {name for name in dir(tg) if "loss" in name or "entropy" in name} - {"losses"}
    assert kinds == {loss.__name__ for loss, _ in LOSSES} | {"cross_entropy", "nll_loss"}  # see test_losses


@needs_numba
@by_machine
def test_losses_by_machine():
    def loss(output, y):
        return sum(f(output, y) for f, _ in LOSSES)

    pair = Pair(network(np.float32, sizes=(3, 70, 2)), loss=loss, X=X.astype(np.float32), y=np.sign(TARGETS) ** 2)
    for n in (12, 5):
        pair.both(X[:n].astype(np.float32), np.sign(TARGETS[:n]) ** 2, 3)
        pair.same()


class Own(tg.Layer):
    """A residual connection, a weight that is used twice, one that is not used, numbers that are not in arrays, and
    constants."""

    def __init__(self):
        self.first, self.last = tg.Linear(3, 3, rng=0), tg.Linear(3, 2, rng=1)
        self.unused, self.scale = tg.Tensor([1.0], requires_grad=True), tg.Tensor(2.0, requires_grad=True)
        self.weights, self.some = np.array([0.5, 1.0, 2.0]), np.array([True, False, True])

    def forward(self, x):
        h = self.first(x).tanh() + x
        h = self.first(h * self.weights).relu() * self.scale + h
        return self.last(tg.where(h > 0, h, 0.1 * tg.where(self.some, h, self.scale)))


@pytest.mark.filterwarnings("ignore:no gradient came to unused")
@pytest.mark.parametrize("by", ["plain", "machine"])
def test_a_model_of_the_users_own(by):
    pair = Pair(Own)
    for n in (12, 1, 12):
        pair.both(X[:n], LABELS[:n])
        pair.same()
    for model in pair.models:
        model.weights[1] = 3.0  # seen, as it is the same array
    pair.both(X, LABELS)
    pair.same()


def test_one_output():
    pair = Pair(network(sizes=(3, 4, 1)), loss=tg.mse_loss, y=TARGETS[:, :1])
    for n in (12, 1, 5):
        pair.both(X[:n], TARGETS[:n, :1])
        pair.same()
    pair = Pair(network(sizes=(3, 1)), y=LABELS * 0)
    pair.both(X, LABELS * 0)
    pair.same()


def test_samples_of_several_axes():
    images = rng.standard_normal((6, 2, 3))
    build = lambda: tg.Sequential(tg.Linear(3, 2, rng=0), tg.Tanh(), tg.Flatten(), tg.Linear(4, 2, rng=1))
    pair = Pair(build, X=images, y=LABELS[:6])
    for n in (6, 2, 1):
        pair.both(images[:n], LABELS[:n])
        pair.same()


def test_two_bounds_for_one_label():
    class Embedding(tg.Layer):
        def __init__(self):
            self.table, self.last = tg.Tensor(rng.standard_normal((4, 3)), True), tg.Linear(3, 2, rng=0)

    model, labels = Embedding(), LABELS.copy()
    model.forward = lambda x: model.last(x)

    def loss(output, y):
        return tg.cross_entropy(output, y) + (model.table[y] ** 2).mean()

    step = tg.compile_step(model, loss, tg.SGD(model), X, labels, quiet=True)
    step(X, labels)
    labels[3] = 3  # in the table, and no class
    with pytest.raises(ValueError, match="label 3, but with 2 logits"):
        step(X, labels)


def test_a_loss_of_several_targets():
    labels = np.stack([LABELS, 1 - LABELS], axis=1)

    def loss(output, y):
        return tg.cross_entropy(output, y[:, 0]) if y.shape[1] == 1 else (output * y).mean().exp()

    for y in (labels, labels[:, :1]):
        pair = Pair(network(), loss=loss, y=y)
        pair.both(X, y)
        pair.same()


def test_a_program_that_depends_on_the_number_of_samples_is_compiled_for_each():
    class Weighted(tg.Layer):
        def __init__(self):
            self.inner = tg.Linear(3, 2, rng=0)

        def forward(self, x):
            return self.inner(x) * (len(x) / 10)

    pair = Pair(Weighted)
    for n in (12, 5, 12, 1):
        pair.both(X[:n], LABELS[:n])
        pair.same()


def test_a_deep_network():
    pair = Pair(network(sizes=(3, *[4] * 32, 2)), tg.SGD)
    pair.both(X, LABELS, 2)
    pair.same()


@pytest.mark.parametrize(
    "part",
    [
        lambda z: z[:6],
        lambda z: z[-6:],
        lambda z: z[::5],
        lambda z: z[2:6],
        lambda z: z[np.arange(0, len(z), 2)],
        lambda z: z * np.array(1.0 / len(z)),
        lambda z: z.reshape(len(z) // 2, 2, -1).mean(axis=1),
    ],
    ids=["first", "last", "stride", "middle", "arange", "array of the length", "pairs"],
)
def test_what_depends_on_the_number_of_samples_as_no_line_does(part):
    pair = Pair(network(), lambda m: tg.SGD(m, lr=0.1), lambda z, t: (part(z) ** 2).mean())
    many, labels = np.concatenate([X, X, X]), np.concatenate([LABELS] * 3)
    for n in (12, 4, 34, 8):
        pair.both(many[:n], labels[:n])
    pair.same()


@pytest.mark.parametrize(
    "weight",
    [lambda y: 1.0 / (1 + np.bincount(y)[y]), lambda y: np.std(y) * np.ones(1)],
    ids=["how often", "deviation"],
)
def test_what_python_computes_from_all_rows_is_not_frozen(weight):
    with pytest.raises(CannotCompile, match=r"outside of the ops .* or train without compiled=True$"):
        Pair(network(), loss=lambda z, t: (z.sum(axis=1) * weight(unwrap(t))).mean(), y=np.arange(12) % 5)


@by_machine
@pytest.mark.parametrize("dtype", [pytest.param(np.uint8, marks=pytest.mark.slow), np.int8])
def test_small_whole_numbers_wrap_as_numpys_do(dtype):
    y = np.array([0, 1, 2, 3, 100, 127, 0, 1, 2, 3, 4, 5], dtype)
    loss = lambda z, t: (z.sum(axis=1) * (t - dtype(1)) + z[:, 0] * (t * dtype(100) + t * dtype(100)) * -t).mean()
    with np.errstate(over="ignore"):
        Pair(network(), lambda m: tg.SGD(m, lr=0.0), loss, y=y).both(X, y)


def test_a_constant_is_followed_where_it_lies_and_refused_where_a_copy_would_be():
    table = np.ones((12, 2))
    pair = Pair(network(), loss=lambda z, t: (z * z * table).mean())
    pair.both(X, LABELS)
    table *= 2
    pair.both(X, LABELS)
    pair.same()
    with pytest.raises(CannotCompile, match=r"\(12,\) is a part that does not lie in one piece"):
        Pair(network(), loss=lambda z, t: (z.sum(axis=1) * table[:, 0]).mean())


def test_numbers_of_another_byte_order():
    pair = Pair(network(), y=LABELS.astype(">i8"))
    pair.both(X, LABELS.astype(">i8"))
    pair.both(X, LABELS)
    pair.same()


class Embedding(tg.Layer):
    """Rows of a table; what it is given is an index."""

    def __init__(self):
        super().__init__()
        self.table = tg.Tensor(np.random.default_rng(1).standard_normal((7, 2)), requires_grad=True)

    def forward(self, x):
        return self.table[x]


def test_whole_numbers_that_are_an_index_stay_whole():
    index = np.arange(12) % 7
    pair = Pair(Embedding, X=index)
    for n in (12, 3, 5):
        pair.both(index[:n], LABELS[:n])
    pair.same()
    for step in (pair.step, lambda X, y: pair.eager(1, X, y)):
        with pytest.raises(IndexError, match="index 9 is out of bounds for axis 0 with size 7"):
            step(np.where(index == 2, 9, index), LABELS)
    pair.same()


def test_an_empty_batch_is_called_that():
    with pytest.raises(ValueError, match=r"^an empty batch: X has shape \(0, 3\)$"):
        Pair(network()).step(X[:0], LABELS[:0])


def test_what_a_batch_may_be():
    pair = Pair(network())
    shifted = np.frombuffer(bytes(1) + X.tobytes(), np.float64, X.size, 1).reshape(X.shape)
    assert not shifted.flags.aligned
    for batch, labels in [
        (X.tolist(), LABELS.tolist()),
        (np.asfortranarray(X), LABELS.astype(np.uint8)),
        (tg.Tensor(X), tg.Tensor(LABELS)),
        (np.repeat(X, 2, axis=0)[::2], LABELS[::-1]),
        (np.sign(X).astype(int), LABELS.astype(np.int32)),
        (X > 0, LABELS.astype(bool).astype(np.int8)),
        (shifted, LABELS),
    ]:
        pair.step(batch, labels)
        pair.eager(1, np.asarray(unwrap(batch)), np.asarray(unwrap(labels)))
        pair.same()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_labels_of_every_kind_of_integer(dtype):
    pair = Pair(network(), y=LABELS.astype(dtype))
    pair.both(X, LABELS.astype(dtype))
    pair.same()
    with pytest.raises(ValueError, match="label 3, but with 2 logits the labels are 0 to 1"):
        pair.step(X, (LABELS + 2 * (LABELS == 1)).astype(dtype))


@by_machine
def test_the_loops_that_the_docs_show():
    if numpy_c.PLAIN:
        pytest.skip("plain Python has other loops")
    page = (Path(__file__).parents[2] / "docs" / "program.md").read_text(encoding="utf-8")
    block = page.partition("what was made of it:\n\n```\n")[2].partition("```")[0]
    step = Pair(network(sizes=(2, 16, 16, 2)), X=X[:, :2]).step
    assert len(block.splitlines()) == 4
    assert block in step.source


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    return Pair(network())


@by_machine
@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        (X, np.where(LABELS == 0, 2, 1), ValueError, "label 2, but with 2 logits the labels are 0 to 1"),
        (X, -LABELS - 1, ValueError, "label -"),
        (X, LABELS[:5], ValueError, "one row for each sample"),
        (X[:0], LABELS[:0], ValueError, "an empty batch: X has shape"),
        (X[:, :2], LABELS, ValueError, r"X has shape \(12, 2\), the step was compiled for \(N, 3\)"),
        (X, TARGETS, ValueError, r"y has shape \(12, 2\), the step was compiled for \(N,\)"),
        (X.astype(np.float32), LABELS, TypeError, r"X is float32.* say X.astype\(np.float64\)"),
        (X, LABELS + 0.5, TypeError, "y is float64, the step was compiled for int64"),
        (X * np.nan, LABELS, ValueError, "the gradient of layers.0.W holds nan"),
        (np.array([["a"] * 3] * 12), LABELS, TypeError, "X holds str 'a' at row 0, column 0"),
    ],
)
def test_what_is_refused_changes_nothing(pair, X, y, kind, message):
    model, optimizer = pair.models[0], pair.optimizers[0]
    before, state = model.state_dict(), optimizer.state_dict()
    with pytest.raises(kind, match=message):
        pair.step(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), model.state_dict().values()))
    after = optimizer.state_dict()
    assert all(np.array_equal(state[key], after[key]) for key in state)
    with pytest.raises(ValueError, match="had no part in the last step"):
        optimizer.why("layers.0.W", (0, 0))


@by_machine
def test_gradients_that_are_not_finite_are_skipped_or_let_through(pair):
    optimizer, bad = pair.optimizers[0], X.copy()
    bad[3, 1] = np.inf
    before = pair.models[0].state_dict()
    optimizer.nonfinite = "skip"
    pair.step(bad, LABELS)
    assert optimizer.skipped == 1
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), pair.models[0].state_dict().values()))
    optimizer.nonfinite = "propagate"
    pair.step(bad, LABELS)
    assert np.isnan(pair.models[0][0].W.data).any()
    optimizer.nonfinite = "raise"
    pair.models[0].load_state_dict(before)


@pytest.mark.parametrize("policy", ["skip", "propagate"])
def test_what_is_not_finite_is_treated_as_it_is_eagerly(policy):
    pair = Pair(network(), lambda m: tg.HeavyBall(m, lr=0.1, nonfinite=policy))
    bad = X.copy()
    bad[3, 1] = np.nan
    for batch in (X, bad, X):
        with np.errstate(invalid="ignore"):
            pair.step(batch, LABELS), pair.eager(1, batch, LABELS)
        for a, b in zip(*(model.state_dict().values() for model in pair.models)):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
        assert [o.t for o in pair.optimizers] == [pair.optimizers[1].t] * 2
        assert [o.skipped for o in pair.optimizers] == [pair.optimizers[1].skipped] * 2


@pytest.mark.parametrize(("loss", "wrong"), [(tg.hinge_loss, 0.5), (tg.binary_cross_entropy_with_logits, 1.5)])
def test_targets_that_the_loss_refuses(loss, wrong):
    targets = np.ones((12, 2))
    step = Pair(network(sizes=(3, 2)), loss=loss, y=targets).step
    targets[4, 1] = wrong
    with pytest.raises(ValueError, match=r"targets are .*1\.5|targets are -1 or 1"):
        step(X, targets)


def test_a_schedule_out_of_range_and_all_frozen_change_nothing():
    pair = Pair(network(), lambda m: tg.SGD(m, lr=lambda t: 0.1 if t < 2 else -1.0))
    pair.both(X, LABELS)
    before = pair.models[0].state_dict()
    with pytest.raises(ValueError, match="lr = -1"):
        pair.step(X, LABELS)
    pair.optimizers[0].freeze("*")
    with pytest.raises(RuntimeError, match="all parameters are frozen"):
        pair.step(X, LABELS)
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), pair.models[0].state_dict().values()))
    assert pair.optimizers[0].t == 1


def test_what_has_no_loops_is_refused_with_its_line():
    model, some = network()(), np.array([[True, False]] * 12)
    with pytest.raises(tg.CannotCompile, match=r"`.*index.*train without compiled=True"):
        tg.compile_step(model, lambda output, y: output[some].sum(), tg.SGD(model), X, LABELS)


def test_what_is_not_a_model_a_loss_or_their_optimizer():
    model = network()()
    other = tg.SGD(network()())
    with pytest.raises(TypeError, match="compile_step takes a Layer"):
        tg.compile_step(lambda x: x, tg.cross_entropy, other, X, LABELS)
    with pytest.raises(RuntimeError, match="does not depend on any parameter of this optimizer"):
        tg.compile_step(model, tg.cross_entropy, other, X, LABELS)


def test_parameters_that_moved_to_another_buffer():
    pair = Pair(network())
    pair.both(X, LABELS, 2)
    tg.SGD(pair.models[0].parameters()[::-1])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="was moved to another buffer since the step was compiled"):
            pair.step(X, LABELS)


def test_making_a_step_changes_nothing():
    model = everything()
    optimizer = tg.Adam(model)
    model[4].eval()
    before, modes = model.state_dict(), [layer.training for _, layer in model.named_layers()]
    generator = model[9].rng.bit_generator.state
    tg.compile_step(model, tg.cross_entropy, optimizer, X, LABELS, quiet=True)
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), model.state_dict().values()))
    assert modes == [layer.training for _, layer in model.named_layers()]
    assert model[9].rng.bit_generator.state == generator
    assert optimizer.t == 0
    assert all(p.grad is None for p in optimizer.params)


@needs_numba
@by_machine
def test_numbers_below_the_smallest_normal_one_are_0_and_the_processor_is_left_as_it_was():
    samples, labels = tg.data.spirals(32, rng=0)
    samples = samples.astype(np.float32)
    pair = Pair(network(np.float32, (2, 16, 16, 2)), X=samples, y=labels)
    pair.optimizers[0].m[:] = 1e-39
    pair.step(samples * 0, labels)
    least = np.finfo(np.float32).tiny
    m = np.abs(pair.optimizers[0].m)
    assert np.all((m == 0) | (m >= least))
    assert np.float32(1e-39) * np.float32(0.5) > 0


def test_a_normalisation_of_one_sample_is_refused():
    pair = Pair(lambda: tg.Sequential(tg.Linear(3, 4, False, rng=0), tg.BatchNorm1d(4), tg.Linear(4, 2, rng=1)))
    with pytest.raises(ValueError, match="needs at least 2 samples"):
        pair.step(X[:1], LABELS[:1])
    assert np.isfinite(pair.models[0][1].running_var.data).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_labels_that_do_not_fit_are_refused_and_not_wrapped(dtype):
    pair = Pair(network(), y=LABELS.astype(dtype))
    with pytest.raises(ValueError, match=f"label {2**32}, but with 2 logits the labels are 0 to 1"):
        pair.step(X, LABELS * 0 + 2**32)


@pytest.mark.parametrize("before", [True, False])
def test_a_parameter_that_requires_no_gradient_any_more_or_one_now(before):
    def made():
        model = network()()
        model[0].W.requires_grad = before
        return model

    pair = Pair(made)
    pair.models[0][0].W.requires_grad = not before
    with pytest.raises(RuntimeError, match="a gradient now and did not, or the other way round; compile"):
        pair.step(X, LABELS)


def test_a_single_sample_that_loses_its_axis_is_refused():
    pair = Pair(network(sizes=(3, 1)), loss=lambda p, t: tg.mse_loss(p.squeeze(), t), y=TARGETS[:, 0])
    with pytest.raises(ValueError, match=r"predictions have shape \(\) and targets \(1,\)"):
        pair.step(X[:1], TARGETS[:1, 0])


# --- fit --------------------------------------------------------------------------------------------------------------


def falling(model):
    return tg.Adam(model, lr=tg.schedules.cosine(0.01, 10))


def fits(compiled, build=None, rule=falling, y=LABELS, **options):
    model = (build or network(dropout=0.2))()
    optimizer = rule(model)
    settings = {"optimizer": optimizer, "epochs": 3, "rng": 0, "progress": False, "compiled": compiled, **options}
    history = tg.fit(model, X, y, **settings)
    assert not model.training
    return model, optimizer, history


def same_fit(**options):
    (model, optimizer, expected), (ours, theirs, history) = fits(False, **options), fits(True, **options)
    assert history.stopped == expected.stopped
    assert list(history.rows[0]) == list(expected.rows[0])
    for column in history.rows[0]:
        if column != "seconds":
            np.testing.assert_allclose(history[column], expected[column], rtol=1e-12)
    for a, b in zip(model.state_dict().values(), ours.state_dict().values()):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    a, b = optimizer.state_dict(), theirs.state_dict()
    assert all(np.array_equal(a[key], b[key]) or close(a[key], b[key], 1e-12) for key in a)
    assert (optimizer.t, optimizer.skipped, optimizer.lr) == (theirs.t, theirs.skipped, theirs.lr)
    for p, q in zip(optimizer.params, theirs.params):
        assert close(q.grad, p.grad, 1e-12)


OPTIONS = [
    {"batch_size": 5, "validation": (X, LABELS)},
    {"batch_size": 5, "drop_last": True, "callback": lambda row: row["epoch"] == 2},
    {"batch_size": None},
    {"batch_size": 1},
    {"batch_size": 4},
    {"batch_size": 100},
    {"epochs": 0},
    {"batch_size": 5, "loss": tg.mse_loss, "y": TARGETS, "validation": (X[:4], TARGETS[:4])},
    {"batch_size": 7, "build": lambda: everything()},
    {
        "batch_size": 5,
        "rule": lambda m: tg.HeavyBall([{"params": m[0], "l2": 0.1}, {"params": m[3], "lr": 0.1}, {"params": m[6]}]),
    },
]


@pytest.mark.parametrize("options", [option for option in OPTIONS if option.get("epochs", 1)], ids=" ".join)
def test_fit_is_the_same_fit(options):
    same_fit(**options)


def epoch(size, *, rule, build=None, loss=tg.cross_entropy, X=X, y=LABELS):
    """An epoch in order, compiled; what it raised; and the model and optimizer of eager batches beside it."""
    pair = Pair(build or network(), rule, loss, X[:size], y[:size])
    raised = []
    for run in (
        lambda: pair.step.epoch(X, y, np.arange(len(X)), size),
        lambda: [pair.eager(1, X[k : k + size], y[k : k + size]) for k in range(0, len(X), size)],
    ):
        try:
            run()
        except ValueError as error:
            raised.append(str(error))
    return pair, raised


@pytest.mark.parametrize("name", tg.optimizers.RULES)
def test_an_epoch_has_the_numbers_of_its_steps(name):
    """Of groups, whose rates do not change. The numbers of the last update stay, which `why` reads."""

    def rule(model):
        first, *rest = model.parameters()
        return tg.optimizers.RULES[name]([{"params": first, "l2": 0.1}, {"params": rest, "lr": 0.05}], lr=0.02)

    at_once, one_by_one = Pair(network(), rule), Pair(network(), rule)
    order = np.random.default_rng(0).permutation(12)
    for _ in range(2):
        at_once.step.epoch(X, LABELS, order, 3)
        for first in range(0, 12, 3):
            one_by_one.step(X[order[first : first + 3]], LABELS[order[first : first + 3]])
    one, other = at_once.optimizers[0], one_by_one.optimizers[0]
    assert [(u.t, u.l2, *u.numbers) for u in one.last] == [(u.t, u.l2, *u.numbers) for u in other.last]
    a, b = one.state_dict(), other.state_dict()
    assert all(np.array_equal(a[key], b[key]) for key in a)
    np.testing.assert_array_equal(one.buffer.data, other.buffer.data)


@pytest.mark.parametrize("agree", [True, False])
def test_numbers_of_steps_to_come_have_pythons_bits(monkeypatch, agree):
    """NumPy has other powers than Python where the processor has AVX-512."""
    assert not rules.powers_agree(lambda b, t: np.nextafter(np.power(b, t), 1))
    if agree:
        if not rules.powers_agree():
            pytest.skip("they do not here")
    else:
        monkeypatch.setattr(rules, "powers_agree", lambda: False)
    given = []

    class Seen(tg.Adam):
        def scalars(self, t, *rest):
            given.append(t)
            return super().scalars(t, *rest)

    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = Seen([p])
    p.sum().backward()
    (update,) = optimizer.updates()
    found = rules.constant_rate(optimizer, update, 300)
    every = [t for t in given if isinstance(t, np.ndarray)]
    assert [t.dtype for t in every] == [np.dtype(int if agree else object)]
    rest = optimizer.lr, *update.group.rest
    np.testing.assert_array_equal(found, [(0.0, *tg.Adam.scalars(optimizer, t, *rest)) for t in range(1, 301)])


def test_what_an_epoch_leaves_after_skipped_batches():
    spoiled = X.copy()
    spoiled[4] = np.nan
    pair, _ = epoch(4, rule=lambda m: tg.SGD(m, lr=0.1, nonfinite="skip"), X=spoiled)
    pair.same()
    ours, theirs = (optimizer.why("layers.0.W", (0, 0)) for optimizer in pair.optimizers)
    assert ours.change == pytest.approx(theirs.change)
    spoiled = np.roll(spoiled, 7, axis=0)  # in the last batch
    pair, _ = epoch(4, rule=lambda m: tg.SGD(m, lr=0.1, nonfinite="skip"), X=spoiled)
    for optimizer in pair.optimizers:
        with pytest.raises(ValueError, match="had no part in the last step"):
            optimizer.why("layers.0.W", (0, 0))


def test_a_refused_label_in_an_epoch_leaves_running_means_as_eager_batches_do():
    wrong = np.where(np.arange(12) == 9, 7, LABELS)
    normal = lambda: tg.Sequential(tg.Linear(3, 2, rng=0), tg.BatchNorm1d(2))
    pair = Pair(normal, lambda m: tg.SGD(m, lr=0.1))
    for run in (
        lambda: pair.step.epoch(X, wrong, np.arange(12), 4),
        lambda: [pair.eager(1, X[k : k + 4], wrong[k : k + 4]) for k in (0, 4, 8)],
    ):
        with pytest.raises(ValueError, match=r"label 7"):
            run()
    pair.same()


@pytest.mark.parametrize("size", [4, 5])
def test_an_infinite_loss_in_an_epoch_comes_before_the_update(size):
    pair = Pair(network(), lambda m: tg.SGD(m, lr=0.1), lambda z, t: (z * 1e-9).mean() + (t * t).sum(), y=TARGETS)
    before = pair.optimizers[0].buffer.data.copy()
    with pytest.raises(tg.losses.NoLoss, match=r"^loss became inf$"), np.errstate(over="ignore"):
        pair.step.epoch(X, TARGETS * 1e200, np.arange(12), size)
    np.testing.assert_array_equal(pair.optimizers[0].buffer.data, before)
    assert pair.optimizers[0].t == 0


def test_rows_that_are_not_there():
    pair = Pair(network())
    for order in (np.arange(10) + 10**9, np.arange(12) - 1):
        with pytest.raises(IndexError, match=r"^order names rows from"):
            pair.step.epoch(X, LABELS, order, 4)


ROWS = [
    (np.full(8, np.nan), TypeError, r"^order is float64 \(8,\); it takes one axis of whole numbers"),
    (np.zeros(8), TypeError, "float64"),
    (np.zeros(8, bool), TypeError, "bool"),
    (np.zeros(8, object), TypeError, "object"),
    (np.zeros(8, complex), TypeError, "complex128"),
    (np.zeros((8, 1), int), TypeError, r"int64 \(8, 1\)"),
    (np.zeros((8,) + (1,) * 20, int), TypeError, "one axis"),
    (np.int64(3), TypeError, "one axis"),
    (["0", "1"], TypeError, "<U1"),
    ([], ValueError, "order names no rows"),
    (np.full(8, 2**63, np.uint64), IndexError, r"^order names rows from 9223372036854775807 to"),
    (np.full(8, 2**64 - 1, np.uint64), IndexError, "there are 12"),
    ([-1, 0], IndexError, "from -1 to 0"),
]


@pytest.mark.parametrize(("order", "error", "message"), ROWS, ids=lambda x: getattr(x, "__name__", None))
def test_an_order_that_names_no_rows_is_refused(order, error, message):
    pair = Pair(network())
    pair.step(X, LABELS)
    before = pair.optimizers[0].buffer.data.copy()
    with pytest.raises(error, match=message):
        pair.step.epoch(X, LABELS, order, 4)
    assert np.array_equal(pair.optimizers[0].buffer.data, before)


@pytest.mark.parametrize(
    ("size", "error"), [(0, ValueError), (-4, ValueError), (2.5, TypeError), (np.nan, TypeError), (True, TypeError)]
)
def test_the_size_of_a_batch_is_a_whole_number(size, error):
    with pytest.raises(error, match=r"^size is the number of rows in a batch"):
        Pair(network()).step.epoch(X, LABELS, np.arange(12), size)


@pytest.mark.parametrize("order", [list(range(12)), np.arange(12, dtype=np.uint8), np.arange(24)[::2] // 2])
def test_every_order_of_rows_is_the_same_order(order):
    one, other = Pair(network()), Pair(network())
    assert one.step.epoch(X, LABELS, np.arange(12), 5) == other.step.epoch(X, LABELS, order, 5)
    assert one.step.epoch(X, LABELS, np.arange(12), 12) == other.step.epoch(X, LABELS, order, 10**12)


@needs_numba
@by_machine
def test_labels_that_are_changed_meanwhile_are_never_used_as_an_index():
    """A loader that refills its arrays: each step is taken or refused."""
    n = 20_000
    x, y = np.zeros((n, 3)), np.zeros(n, int)
    model = network()()
    step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), x, y, quiet=True)
    done = threading.Event()

    def refill():
        while not done.is_set():
            y[:] = 2**50
            y[:] = 0

    loader = threading.Thread(target=refill)
    loader.start()
    taken = refused = 0
    try:
        for _ in range(30):
            try:
                step(x, y)
                taken += 1
            except (ValueError, IndexError):
                refused += 1
            finally:
                y[:] = 0
    finally:
        done.set()
        loader.join()
    assert taken + refused == 30


@pytest.mark.parametrize("index", ["X", "y"])
def test_indices_are_copied_before_the_look_at_them(index):
    model, x = (network()(), X) if index == "y" else (Embedding(), np.arange(12) % 7)
    step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), x, LABELS, quiet=True)
    for name in {index, "y"}:
        lines = [line.strip() for line in step.source.splitlines()]
        (copy,) = [
            i for i, line in enumerate(lines) if line.startswith(f"_repeat(_address(_{name}), _at[") and "_N *" in line
        ]
        own = lines[copy].split(", ")[1]
        assert any(line.startswith(f"{name} = _array({own}, 0,") for line in lines[copy:])
        assert not any(line.startswith(f"{name} = _array(_address(_{name})") for line in lines)


def test_an_index_outside_the_batch_is_copied_before_the_look_at_it():
    class Refilled(np.ndarray):
        """As if a thread wrote into it at the moment of the copy."""

        def copy(self, *given):
            return np.full(self.shape, 99)

    kept = {"rows": np.array([0, 1]).view(Refilled)}
    with pytest.raises(CannotCompile, match=r"^rows is an index that does not fit every batch"):
        freeze_indices([("rows", "3")], kept)


def test_batches_that_are_read_only_unaligned_or_have_gaps():
    room = bytearray(X.nbytes + 1)
    unaligned = np.frombuffer(room, np.float64, X.size, offset=1).reshape(X.shape)
    unaligned[...] = X
    wide = np.zeros((12, 6))
    wide[:, ::2] = X
    fixed = X.copy()
    fixed.flags.writeable = False
    for batch in (unaligned, wide[:, ::2], fixed, np.asfortranarray(X), X.view(type("Own", (np.ndarray,), {}))):
        pair = Pair(network())
        pair.both(batch, LABELS, times=2)
        pair.same()


@pytest.mark.parametrize(
    "average", [np.zeros(3), np.zeros(100), np.zeros(46, np.float32), [0.0] * 46, np.zeros((46, 1))]
)
def test_averages_that_do_not_fit_are_refused_before_machine_code(average):
    model = network()()
    optimizer = tg.Adam(model)
    optimizer.averages["m"] = average
    with pytest.raises(ValueError, match=r"^array \d of adam is .* machine code takes"):
        tg.compile_step(model, tg.cross_entropy, optimizer, X, LABELS, quiet=True)


def test_an_interrupt_finds_steps_counted(monkeypatch):
    """A signal that arrives in machine code is raised when that returns."""
    pair = Pair(network())
    pair.both(X, LABELS)
    for name, call in (
        ("step", lambda: pair.step(X, LABELS)),
        ("epoch", lambda: pair.step.epoch(X, LABELS, np.arange(12), 4)),
    ):
        ready = next(iter(pair.step._plans.values()))
        code = getattr(ready, name)

        def interrupted(*args, code=code):
            code(*args)
            raise KeyboardInterrupt

        monkeypatch.setattr(ready, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            call()
        monkeypatch.setattr(ready, name, code)
    pair.eager(1, X, LABELS)
    for k in (0, 4, 8):
        pair.eager(1, X[k : k + 4], LABELS[k : k + 4])
    pair.same()
    assert pair.optimizers[0].why("layers.0.W", (0, 0)).change != 0


def test_a_refused_fit_leaves_the_model_in_evaluation_mode():
    model = tg.Sequential(tg.Linear(3, 2, rng=0), tg.BatchNorm1d(2))
    with pytest.raises(ValueError, match="BatchNorm1d"):
        tg.fit(model, X, LABELS, batch_size=1, compiled=True, progress=False)
    assert not model.training


@needs_numba
@by_machine
def test_threads_take_turns():
    """One step in threads: batches of many sizes have it make room again and again, and epochs too."""
    most = 200
    pair = Pair(network(), lambda m: tg.SGD(m, lr=0.0))
    many, labels, wrong = np.concatenate([X] * 50), np.concatenate([LABELS] * 50), []

    def work(sizes):
        for n in sizes:
            value = pair.step(many[:n], labels[:n])
            wrong.extend([n] * (abs(value - losses[n]) > 1e-12))

    losses = {n: tg.cross_entropy(pair.models[1](many[:n]), labels[:n]).item() for n in range(1, most)}
    threads = [threading.Thread(target=work, args=(range(k, most, 2),)) for k in (1, 2)]
    threads += [
        threading.Thread(target=lambda: [pair.step.epoch(many, labels, np.arange(n), n) for n in range(1, most, 9)])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pair.optimizers[0].t == most - 1 + len(range(1, most, 9))


@needs_numba
@by_machine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_what_blas_starts_after_a_fork_flushes_nothing(tmp_path):
    """Large products of NumPy's own keep subnormal numbers, although a compiled step starts BLAS's threads again. In a
    process of its own, which has two of them however many there are here."""
    code = """
import os, numpy as np, tinygrad_edu as tg
X, y = np.random.default_rng(0).standard_normal((240, 90)), np.arange(240) % 2
model = tg.mlp([90, 300, 300, 2], rng=0)
step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X, y, quiet=True)
step(X, y)
child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
step(X, y)
tiny = np.full((512, 512), 1e-310)
np.testing.assert_array_equal(np.eye(512) @ tiny, tiny)
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(Path(tg.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@by_machine
@pytest.mark.parametrize(
    "options", [OPTIONS[0], *(pytest.param(o, marks=pytest.mark.slow) for o in OPTIONS[1:4])], ids=" ".join
)
def test_fit_by_machine(options):
    same_fit(**options)


def test_no_epochs():
    assert len(fits(True, epochs=0)[2]) == 0


def test_what_a_callback_changes_is_seen():
    def run(compiled):
        model = network()()
        optimizer = tg.Adam(model)

        def change(row):
            optimizer.lr = 0.1 / row["epoch"]
            optimizer.freeze("layers.0") if row["epoch"] == 2 else optimizer.unfreeze()

        options = {"epochs": 4, "batch_size": 5, "rng": 0, "progress": False, "compiled": compiled, "callback": change}
        return tg.fit(model, X, LABELS, optimizer=optimizer, **options), model

    (expected, model), (history, ours) = run(False), run(True)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-12)
    assert history["lr"] == expected["lr"]
    for a, b in zip(model.state_dict().values(), ours.state_dict().values()):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_fit_says_in_which_epoch_the_loss_was_lost():
    for compiled in (False, True):
        model = network()()
        optimizer = tg.SGD(model, lr=lambda t: 0.01 if t <= 3 else 1e200)
        options = {"epochs": 5, "batch_size": 5, "rng": 0, "progress": False, "compiled": compiled}
        with pytest.raises(ValueError, match=r"the loss became (nan|inf) in epoch 2; a smaller learning rate may help"):
            tg.fit(model, X, TARGETS, tg.mse_loss, optimizer, **options)


def test_fit_refuses_labels_and_skips_what_is_not_finite():
    model = network()()
    with pytest.raises(ValueError, match="label 7, but with 2 logits"):
        tg.fit(model, X, np.where(LABELS == 0, 7, 1), epochs=1, progress=False, compiled=True)
    inputs = -np.abs(X) * 1e200  # -inf in all units, or inf: a row of both signs is inf or nan, as FMA goes
    inputs[5] *= -1
    found = []
    for compiled in (False, True):
        model = network()()
        model[0].W.data = np.full((3, 5), 1e200)
        optimizer = tg.Adam(model, nonfinite="skip")
        fit = {"epochs": 2, "batch_size": 4, "rng": 0, "progress": False, "compiled": compiled}
        with np.errstate(all="ignore"):
            history = tg.fit(model, inputs, TARGETS, tg.mse_loss, optimizer, **fit)
        found.append((optimizer.skipped, optimizer.t, np.isfinite(history["loss"]).all()))
    assert found == [(2, 4, True)] * 2  # one batch of three in each epoch, and its loss is left out of the mean
