"""A compiled step is the eager one: the same parameters, gradients, averages, counters and errors."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rows

import tinygrad_edu as tg
from tinygrad_edu import machine, native

rng = np.random.default_rng(0)
X, LABELS, TARGETS = rng.standard_normal((12, 3)), rng.integers(0, 2, 12), rng.standard_normal((12, 2))


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
        for _ in range(times):
            value, expected = self.step(X, y), self.eager(1, X, y)
        return value, expected

    def same(self, tight=1e-12):
        """Parameters, gradients, averages and counters agree."""
        ours, theirs = self.optimizers
        for (name, a), b in zip(self.models[0].state_dict().items(), self.models[1].state_dict().values()):
            assert close(a, b, tight), name
        for name, p, q in zip(ours.names, ours.params, theirs.params):
            assert (p.grad is None) == (q.grad is None), name
            assert p.grad is None or close(p.grad, q.grad, tight), name
        a, b = ours.state_dict(), theirs.state_dict()
        assert list(a) == list(b)
        for key in a:
            assert np.array_equal(a[key], b[key]) or close(a[key], b[key], tight), key


def close(a, b, tight):
    """To rounding, as large as the largest of them has it."""
    return np.allclose(a, b, rtol=0, atol=tight * max(1e-3, np.abs(b).max(initial=0)))


def network(dtype=np.float64, sizes=(3, 5, 4, 2), **more):
    return lambda: tg.mlp(sizes, dtype=dtype, rng=1, **more)


# --- the same training ------------------------------------------------------------------------------------------------


@rows.every_row
def test_every_rule(cls, reference, hyper, torch_row):
    pair = Pair(network(), lambda m: cls(m, **{"lr": 0.01, **hyper}))
    for n in (12, 5, 12, 1, 8, 12):  # samples
        value, expected = pair.both(X[:n], LABELS[:n])
        assert abs(value - expected) <= 1e-12 * abs(expected)
        pair.same()


@pytest.mark.parametrize(("dtype", "times", "tight"), [(np.float64, 1000, 1e-10), (np.float32, 100, 1e-4)])
def test_many_steps(dtype, times, tight):
    pair = Pair(network(dtype), X=X.astype(dtype))
    times = 20 if native.PLAIN else times
    pair.both(X.astype(dtype), LABELS, times)
    pair.same(tight)
    assert pair.optimizers[0].t == times


def test_compiled_and_eager_steps_take_turns():
    pair = Pair(network())
    for k in range(12):
        if k % 3:
            pair.step(X, LABELS)
        else:
            pair.eager(0, X, LABELS)
        pair.eager(1, X, LABELS)
        pair.same()
    assert pair.optimizers[0].why("layers.0.W", (0, 0)).after == pytest.approx(pair.models[1][0].W.data[0, 0])


def test_groups_l2_schedules_freezing_and_numbers_that_change():
    def rule(model):
        groups = [{"params": model[0].parameters(), "lr": 0.1, "l2": 0.3}, {"params": model[2].parameters()}]
        return tg.RMSprop([*groups, {"params": model[4].parameters(), "l2": 0.1}], lr=lambda t: 0.02 / t)

    pair = Pair(network(), rule)
    pair.both(X, LABELS, 2)
    pair.same()
    for optimizer in pair.optimizers:
        optimizer.freeze(optimizer.names[2])
    pair.both(X, LABELS, 2)
    pair.same()
    for optimizer in pair.optimizers:
        optimizer.unfreeze()
        optimizer.groups[1]["lr"] = 0.5
        optimizer.groups[0]["l2"] = 0.0
    pair.both(X[:7], LABELS[:7], 2)
    pair.same()
    state, weights = pair.optimizers[1].state_dict(), pair.models[1].state_dict()
    pair.both(X, LABELS, 3)
    pair.optimizers[0].load_state_dict(state)
    pair.models[0].load_state_dict(weights)
    for _ in range(3):
        pair.step(X, LABELS)
    pair.same()


def everything():
    """Every activation and layer of the package in a row."""
    layers = [tg.Linear(3, 4, rng=1), tg.LayerNorm(4), tg.ReLU(), tg.LeakyReLU(), tg.Linear(4, 4, rng=2), tg.ELU()]
    layers += [tg.BatchNorm1d(4), tg.SiLU(), tg.GELU(), tg.Dropout(0.2, rng=3), tg.Linear(4, 4, False, rng=4)]
    layers += [tg.Tanh(), tg.Sigmoid(), tg.Softplus(), tg.Dropout(0.4, rng=5), tg.Softmax(), tg.Linear(4, 2, rng=6)]
    return tg.Sequential(*layers)


def test_every_layer_with_its_random_numbers_and_running_means():
    pair = Pair(everything)
    for n in (12, 12, 7, 12):
        value, expected = pair.both(X[:n], LABELS[:n])
        assert abs(value - expected) <= 1e-12 * abs(expected)
        pair.same()
    assert np.abs(pair.models[0][6].running_mean.data).max() > 0


def test_layers_that_share_a_generator():
    pair = Pair(network(dropout=0.3))
    pair.both(X, LABELS, 3)
    pair.same()


LOSSES = [
    (tg.mse_loss, TARGETS),
    (tg.l1_loss, TARGETS.astype(np.float32)),
    (tg.huber_loss, np.round(TARGETS).astype(int)),
    (tg.binary_cross_entropy_with_logits, (TARGETS > 0).astype(float)),
    (tg.hinge_loss, np.sign(TARGETS)),
]


@pytest.mark.parametrize(("loss", "targets"), LOSSES, ids=lambda x: getattr(x, "__name__", ""))
def test_every_loss(loss, targets):
    pair = Pair(network(sizes=(3, 70, 2)), lambda m: tg.HeavyBall(m, lr=0.05), loss, y=targets)
    for n in (12, 5):
        value, expected = pair.both(X[:n], targets[:n], 3)
        assert abs(value - expected) <= 1e-12 * abs(expected)
        pair.same()


class Own(tg.Layer):
    """A residual connection, a weight that is used twice, one that is not used, and a constant."""

    def __init__(self):
        self.first, self.last = tg.Linear(3, 3, rng=0), tg.Linear(3, 2, rng=1)
        self.unused = tg.Tensor([1.0], requires_grad=True)
        self.weights = np.array([0.5, 1.0, 2.0])

    def forward(self, x):
        h = self.first(x).tanh() + x
        h = self.first(h * self.weights).relu() + h
        return self.last(tg.where(h > 0, h, 0.1 * h))


@pytest.mark.filterwarnings("ignore:no gradient came to unused")
def test_a_model_of_the_users_own():
    pair = Pair(Own)
    pair.both(X, LABELS, 3)
    pair.same()


def test_a_program_that_depends_on_the_number_of_samples_is_compiled_for_each():
    class Weighted(tg.Layer):
        def __init__(self):
            self.inner = tg.Linear(3, 2, rng=0)

        def forward(self, x):
            return self.inner(x) * (len(x) / 10)

    pair = Pair(Weighted)
    for n in (12, 5, 12):
        pair.both(X[:n], LABELS[:n])
        pair.same()


def test_what_a_batch_may_be():
    pair = Pair(network())
    column = np.asfortranarray(X)
    for batch, labels in [
        (X.tolist(), LABELS.tolist()),
        (column, LABELS.astype(np.uint8)),
        (tg.Tensor(X), tg.Tensor(LABELS)),
        (np.repeat(X, 2, axis=0)[::2], LABELS[::-1]),
        (np.sign(X).astype(int), LABELS.astype(np.int32)),
    ]:
        pair.step(batch, labels)
        pair.eager(1, np.asarray(tg.tensor.raw(batch)), np.asarray(tg.tensor.raw(labels)))
        pair.same()


@pytest.mark.skipif(native.PLAIN, reason="plain Python has other loops")
def test_the_loops_that_the_docs_show():
    page = (Path(__file__).parent.parent / "docs" / "program.md").read_text(encoding="utf-8")
    block = page.partition("what was made of it:\n\n```\n")[2].partition("```")[0]
    step = Pair(network(sizes=(2, 16, 16, 2)), X=X[:, :2]).step
    assert len(block.splitlines()) == 4
    assert block in step.source


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    return Pair(network())


@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        (X, np.where(LABELS == 0, 2, 1), ValueError, "label 2, but with 2 logits the labels are 0 to 1"),
        (X, -LABELS - 1, ValueError, "label -"),
        (X, LABELS[:5], ValueError, "one row for each sample"),
        (X[:0], LABELS[:0], ValueError, "one row for each sample"),
        (X[:, :2], LABELS, ValueError, r"X has shape \(12, 2\), the step was compiled for \(N, 3\)"),
        (X, TARGETS, ValueError, r"y has shape \(12, 2\), the step was compiled for \(N,\)"),
        (X.astype(np.float32), LABELS, TypeError, r"X is float32.* say X.astype\(np.float64\)"),
        (X, LABELS + 0.5, TypeError, "y is float64, the step was compiled for int64"),
        (X * np.nan, LABELS, ValueError, "the gradient of layers.0.W holds nan"),
        (np.array([["a"] * 3] * 12), LABELS, TypeError, "X is <U1"),
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


@pytest.mark.parametrize(("loss", "wrong"), [(tg.hinge_loss, 0.5), (tg.binary_cross_entropy_with_logits, 1.5)])
def test_targets_that_the_loss_refuses(loss, wrong):
    targets = np.ones((12, 2))
    step = Pair(network(sizes=(3, 2)), loss=loss, y=targets).step
    targets[4, 1] = wrong
    with pytest.raises(ValueError, match=r"targets are .*1\.5|targets are -1 or 1"):
        step(X, targets)


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
    tg.SGD(pair.models[0].parameters()[::-1])
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


def test_numbers_below_the_smallest_normal_one_are_0_and_the_processor_is_left_as_it_was():
    if native.PLAIN:
        pytest.skip("plain Python does not flush")
    pair = Pair(network(np.float32), X=X.astype(np.float32))
    pair.optimizers[0].m[:] = 1e-39
    pair.step(X.astype(np.float32) * 0, LABELS)
    least = np.finfo(np.float32).tiny
    m = np.abs(pair.optimizers[0].m)
    assert np.all((m == 0) | (m >= least))
    assert np.float32(1e-39) * np.float32(0.5) > 0


# --- fit --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5, "validation": (X, LABELS)},
        {"batch_size": 5, "drop_last": True, "callback": lambda row: row["epoch"] == 2},
        {"batch_size": None},
        {"batch_size": 1},
    ],
)
def test_fit_is_the_same_fit(options):
    histories, models = [], []
    for compiled in (False, True):
        model = network(dropout=0.2)()
        optimizer = tg.Adam(model, lr=tg.schedules.cosine(0.01, 10))
        histories.append(
            tg.fit(model, X, LABELS, optimizer=optimizer, epochs=3, rng=0, progress=False, compiled=compiled, **options)
        )
        models.append(model)
        assert not model.training
    eager, ours = histories
    assert ours.stopped == eager.stopped
    assert list(ours.rows[0]) == list(eager.rows[0])
    for column in ours.rows[0]:
        if column != "seconds":
            np.testing.assert_allclose(ours[column], eager[column], rtol=1e-12)
    for a, b in zip(models[0].state_dict().values(), models[1].state_dict().values()):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_fit_says_in_which_epoch_the_loss_was_lost():
    model = network()()
    with pytest.raises(ValueError, match=r"the loss became (nan|inf) in epoch 2; a smaller learning rate may help"):
        tg.fit(
            model,
            X,
            TARGETS,
            tg.mse_loss,
            tg.SGD(model, lr=lambda t: 0.01 if t <= 3 else 1e200),
            epochs=5,
            batch_size=5,
            progress=False,
            compiled=True,
        )


def test_fit_refuses_labels_and_skips_what_is_not_finite():
    model = network()()
    with pytest.raises(ValueError, match="label 7, but with 2 logits"):
        tg.fit(model, X, np.where(LABELS == 0, 7, 1), epochs=1, progress=False, compiled=True)
    skipped = []
    for compiled in (False, True):
        model = network()()
        model[0].W.data = np.full((3, 5), 1e200)
        optimizer = tg.Adam(model, nonfinite="skip")
        fit = {"epochs": 2, "batch_size": 4, "rng": 0, "progress": False, "compiled": compiled}
        with np.errstate(all="ignore"):
            history = tg.fit(model, X * 1e200, TARGETS, tg.mse_loss, optimizer, **fit)
        skipped.append((optimizer.skipped, optimizer.t, np.isnan(history["loss"]).all()))
    assert skipped[0] == skipped[1]
    assert skipped[0][0] == 5


# --- on disk ----------------------------------------------------------------------------------------------------------

PROCESS = """
import sys
import numpy as np, tinygrad_edu as tg
X, y = tg.data.moons(16, rng=0)
model = tg.mlp([2, 3, 2], rng=0)
step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, y)
print(step.cached, f"{[step(X, y) for _ in range(3)][-1]:.12f}")
"""


def process(cache, seed):
    environment = os.environ | {"TINYGRAD_EDU_CACHE": str(cache), "PYTHONHASHSEED": str(seed)}
    environment["PYTHONPATH"] = str(Path(tg.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return *done.stdout.split(), done.stderr


@pytest.mark.skipif(native.PLAIN, reason="there is no machine code without Numba")
def test_machine_code_is_found_by_the_next_process_and_what_is_damaged_is_made_again(tmp_path):
    cached, value, said = process(tmp_path, 1)
    assert cached == "False"
    assert said.startswith("compiling the training step ... ")
    assert process(tmp_path, 2) == ("True", value, "")
    for path in (tmp_path / "__pycache__").glob("*.nb*"):
        path.write_bytes(b"damaged")
    assert process(tmp_path, 3)[1] == value
    (file,) = tmp_path.glob("*.py")
    file.write_text("damaged")
    assert process(tmp_path, 4)[1] == value
    assert file.read_text() != "damaged"


@pytest.mark.skipif(native.PLAIN, reason="there is no machine code without Numba")
def test_where_nothing_can_be_written_it_is_compiled_in_each_process(tmp_path):
    wall = tmp_path / "a file"
    wall.write_text("no folder can be made below it")
    cached, _, _ = process(wall / "below", 1)
    assert cached == "False"


def test_the_folder_is_the_users_unless_he_names_one(monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", "somewhere")
    assert machine.folder() == Path("somewhere")
    monkeypatch.delenv("TINYGRAD_EDU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setattr(sys, "platform", "linux")
    assert machine.folder() == Path("cache/tinygrad_edu")


def test_the_key_changes_with_the_text_and_the_versions(monkeypatch):
    first = machine.key("a")
    assert machine.key("b") != first
    monkeypatch.setattr(np, "__version__", "0")
    assert machine.key("a") != first
