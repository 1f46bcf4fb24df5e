"""Steps between which nothing else happens: machine code takes them on its own, and nobody can tell.

A twin takes the same steps with the engine's clock moved on before each: then everything is looked at each time, which
`test_step` compares with eager steps.
"""

import threading

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import intrinsics, module_text, numpy_c, plainly, plan  # noqa: F401, loaded before jit.kernel is replaced
from tinygrad_edu.core import jit
from tinygrad_edu.core.tensor import Observer, next_stamp

rng = np.random.default_rng(0)
X, LABELS = rng.standard_normal((12, 3)), rng.integers(0, 2, 12)
LATER = {"momentum": 0.5, "beta1": 0.7, "beta2": 0.9, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.2}
needs_numba = pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")


@pytest.fixture(autouse=True)
def _plainly(request, monkeypatch, tmp_path):
    """Most tests run the text of a step as plain Python."""
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", str(tmp_path))
    if "by_machine" not in request.node.name:
        monkeypatch.setattr(numpy_c, "PLAIN", True)
        monkeypatch.setattr(jit, "kernel", lambda rule: rule)


@pytest.fixture
def looks(monkeypatch):
    """How many steps were taken with a look at everything."""
    count, run = [0], plan.Plan.run

    def counted(self, *given):
        count[0] += 1
        return run(self, *given)

    monkeypatch.setattr(plan.Plan, "run", counted)
    return count


def network(dtype=np.float64):
    return tg.mlp((3, 5, 4, 2), dtype=dtype, rng=1)


def adam(model):
    return tg.Adam(model, lr=0.02)


class Twin:
    """A model, its optimizer and its steps."""

    def __init__(self, rule=adam, disturbed=False, build=network, X=X, loss=tg.cross_entropy):
        self.model, self.disturbed, self.X = build(), disturbed, X
        self.optimizer = rule(self.model)
        self.step = tg.compile_step(self.model, loss, self.optimizer, X, LABELS, quiet=True)

    def take(self, times):
        """Take so many steps. Return of each the loss, t, and what the kernels were given."""
        return [(self.call(), self.optimizer.t, self.numbers()) for _ in range(times)]

    def call(self):
        if self.disturbed:
            next_stamp()
        return self.step(self.X, LABELS)

    def numbers(self):
        return [(update.t, update.l2, *update.numbers) for update in self.optimizer.last]

    def found(self):
        """Return all that a step leaves."""
        optimizer = self.optimizer
        state = {name: np.asarray(value).tolist() for name, value in optimizer.state_dict().items()}
        grads = [None if p.grad is None else p.grad.tolist() for p in optimizer.params]
        return state, optimizer.buffer.data.tolist(), grads, optimizer.t, optimizer.skipped, optimizer.cleared


def alike(*parts, rule=adam, **more):
    """Have two twins do these parts, of which whole numbers are steps. Return the undisturbed one, and what it saw."""
    twins, seen = (Twin(rule, **more), Twin(rule, disturbed=True, **more)), ([], [])
    for twin, into in zip(twins, seen):
        for part in parts:
            into += twin.take(part) if isinstance(part, int) else [part(twin)]
    assert repr(seen[0]) == repr(seen[1])
    assert repr(twins[0].found()) == repr(twins[1].found())
    return twins[0], seen[0]


# --- every rule -------------------------------------------------------------------------------------------------------


def change(optimizer, k):
    """Change what may be changed between two steps."""
    if k == 1:
        optimizer.lr = 0.03
    for name in LATER.keys() & optimizer.groups[1].keys() if k == 2 else ():
        optimizer.groups[1][name] = LATER[name] if optimizer.groups[1][name] else 0.0
    optimizer.groups[0]["l2"] = 0.1 * k


def fifty_steps(name, dtype, looks):
    """Counters, numbers and results are the same; the numbers those of the rule's ``scalars``, bit for bit."""

    def rule(model):
        first, *rest = model.parameters()
        return tg.optimizers.RULES[name]([{"params": first}, {"params": rest, "lr": 0.01}], lr=0.02)

    changes = [lambda twin, k=k: change(twin.optimizer, k) for k in (1, 2)]
    twin, seen = alike(20, changes[0], 20, changes[1], 10, rule=rule, build=lambda: network(dtype), X=X.astype(dtype))
    if twin.step._plan.apart:  # the numbers come from the gradient
        return
    assert looks[0] == 50 + 5 + 5 + 4  # the other has all looked at; of this 1, 2, 4, 8, 16 steps need one, each time
    fresh, steps = rule(network(dtype)), [numbers for part in seen if part for numbers in part[2:]]
    for t, numbers in enumerate(steps, 1):
        expected = [(t, g["l2"], *fresh.scalars(t, g["lr"], *g.rest)) for g in fresh.groups]
        assert len(numbers) > 2 or numbers == expected  # more: a rule of whole parameters, which has their shapes too
        if t in (20, 40):
            change(fresh, t // 20)


@pytest.mark.parametrize("name", tg.optimizers.RULES)
def test_fifty_steps_of_each_rule(name, looks):
    fifty_steps(name, np.float64, looks)


@needs_numba
@pytest.mark.parametrize(
    ("name", "dtype"), [("adam", np.float64), pytest.param("nadam", np.float32, marks=pytest.mark.slow)]
)
def test_fifty_steps_by_machine(name, dtype, looks):
    fifty_steps(name, dtype, looks)


# --- what happens between two steps -----------------------------------------------------------------------------------


def other_zero_grad(twin):
    tg.SGD(twin.model[2].parameters()).zero_grad()
    return [p.grad is None for p in twin.optimizer.params]


def replaced(twin):
    twin.model.layers[1] = tg.Tanh()


def refused(twin):
    with pytest.raises((ValueError, IndexError), match="label"):
        twin.step(X, LABELS + 2)


def loaded(twin):
    state = {name: np.array(value) for name, value in twin.optimizer.state_dict().items()}
    twin.call()
    twin.optimizer.load_state_dict(state)


def observed(twin):
    class Seen(Observer):
        def stepped(self, optimizer):
            times.append(optimizer.t)

    times = []
    with Seen():
        twin.take(2)
    return times


BETWEEN = {
    "lr": lambda twin: setattr(twin.optimizer, "lr", 0.1),
    "a group's lr": lambda twin: twin.optimizer.groups[0].update(lr=0.1),
    "a group's by |=": lambda twin: twin.optimizer.groups[0].__ior__({"lr": 0.1, "beta1": 0.5}),
    "l2": lambda twin: twin.optimizer.groups[0].__setitem__("l2", 0.3),
    "a schedule": lambda twin: setattr(twin.optimizer, "lr", lambda t: 0.1 / t),
    "frozen": lambda twin: twin.optimizer.freeze("layers.0.W"),
    "data": lambda twin: setattr(twin.model[0].W, "data", np.ones((3, 5))),
    "data, in place": lambda twin: twin.model[0].W.data.fill(0.5),
    "grad": lambda twin: setattr(twin.model[2].W, "grad", None),
    "zero_grad": lambda twin: twin.optimizer.zero_grad(),
    "another optimizer's zero_grad": other_zero_grad,
    "state": loaded,
    "a layer": replaced,
    "a slope": lambda twin: setattr(twin.model.layers[1], "op", tg.ops.tanh),
    "a refused batch": refused,
    "an observer": observed,
    "another size": lambda twin: (twin.step(X[:5], LABELS[:5]), twin.step(X[:7], LABELS[:7])),
    "an epoch": lambda twin: twin.step.epoch(X, LABELS, np.arange(12), 4),
    "a graph": lambda twin: tg.cross_entropy(twin.model(X), LABELS).backward(),
    "an average": lambda twin: twin.optimizer.m.fill(0.1),
}
WITHOUT_EFFECT = {"grad", "zero_grad", "another optimizer's zero_grad", "a refused batch", "a graph"}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_happens_between_two_steps_is_seen(what):
    nothing, _ = alike(9, 5)
    something, _ = alike(9, BETWEEN[what], 5)
    assert (nothing.found()[0] == something.found()[0]) == (what in WITHOUT_EFFECT)
    assert all(p.grad is not None for p in something.optimizer.params) or what == "frozen"


def test_a_parameter_that_requires_no_gradient_any_more():
    twin = Twin()
    twin.take(9)
    twin.model[0].W.requires_grad = False
    with pytest.raises(RuntimeError, match="compile the step again"):
        twin.call()


@pytest.mark.parametrize("nonfinite", ["raise", "skip", "propagate"])
def test_what_is_not_finite(nonfinite):
    def spoiled(twin):
        twin.optimizer.nonfinite = nonfinite
        twin.take(5)
        try:
            return twin.step(X * np.nan, LABELS), twin.optimizer.last == []
        except ValueError as error:
            return str(error), twin.optimizer.last

    _, seen = alike(9, spoiled, 5)
    assert "not finite" in str(seen[9]) if nonfinite == "raise" else "nan" in str(seen[9])


def test_a_loss_that_is_no_number_is_no_second_step():
    without = np.full(1, np.nan)

    def loss(output, y):
        return tg.cross_entropy(output, y) + without.sum()

    twin, seen = alike(9, loss=loss)
    assert all(np.isnan(value) for value, *_ in seen)
    assert np.isfinite(twin.optimizer.buffer.data).all()


def test_a_schedule_is_asked_when_its_step_comes():
    rate, asked = [0.1], []

    def schedule(t):
        asked.append(t)
        return rate[0]

    twin = Twin(lambda model: tg.SGD(model, lr=schedule))
    twin.take(5)
    rate[0] = 0.3
    assert [numbers[0][2] for *_, numbers in twin.take(3)] == [0.3] * 3
    assert asked == list(range(1, 9))


def test_scalars_of_the_users_are_asked_at_each_step():
    class Halved(tg.SGD):
        share = 1.0

        def scalars(self, t, lr):
            return (lr * self.share,)

    def halve(twin):
        twin.optimizer.share = 0.5

    _, seen = alike(5, halve, 3, rule=lambda model: Halved(model, lr=0.1))
    assert [part[2][0][2] for part in seen if part] == [0.1] * 5 + [0.05] * 3


# --- the batch --------------------------------------------------------------------------------------------------------


class Own(np.ndarray):
    pass


def batches():
    """Yield the same batch in all forms, and so that an address alone would not tell."""
    wide = np.zeros((12, 6))
    wide[:, ::2] = X
    room = np.zeros(X.nbytes + 8, np.uint8)
    unaligned = room[1 : 1 + X.nbytes].view(np.float64).reshape(X.shape)
    unaligned[...] = X
    still = X.copy()
    still.flags.writeable = False
    yield from (X.copy(), wide[:, ::2], np.asfortranarray(X), unaligned, still, X.view(Own), X.tolist())
    yield from (tg.Tensor(X), np.ma.array(X), X.astype(np.float64, copy=True))


@pytest.mark.parametrize("by", ["plainly", pytest.param("by_machine", marks=needs_numba)])
def test_each_batch_is_looked_at(by):
    def all_forms(twin):
        forms = [(batch, LABELS) for batch in batches()] + [(X, LABELS.astype(np.int32)), (X, LABELS.tolist())]
        return [(twin.take(2), twin.step(*form)) for form in forms]

    alike(5, all_forms, 3)
    twin = Twin()
    twin.take(5)
    masked = np.ma.array(X, mask=X > 1)
    swapped = X.astype(X.dtype.newbyteorder())
    for wrong in (
        X.astype(np.float32),
        swapped,
        X[:, :2],
        X[:, :, None],
        X[0],
        X.ravel(),
        masked,
        None,
        3,
        "x",
        object(),
        (),
    ):
        twin.take(2)
        before = twin.optimizer.t, twin.optimizer.buffer.data.tolist()
        with pytest.raises((TypeError, ValueError)):
            twin.step(wrong, LABELS)
        assert before == (twin.optimizer.t, twin.optimizer.buffer.data.tolist())
    for wrong in (LABELS[:5], LABELS[:, None], LABELS.astype(float) / 2, None):
        twin.take(2)
        with pytest.raises((TypeError, ValueError)):
            twin.step(X, wrong)


def test_the_header_of_an_array_is_as_machine_code_reads_it():
    head = intrinsics.HEAD // 8
    for a in (np.zeros((3, 4)), np.zeros(5, np.int32), np.zeros((2, 3, 4), np.float32)):
        words = plainly.array(id(a), 0, (head + 7,), np.int64)
        assert words[head - 1] == id(np.ndarray)
        assert words[head] == a.ctypes.data
        assert plainly.array(words[head + 2], 0, (a.ndim,), np.int64).tolist() == list(a.shape)
        assert words[head + 5] == id(a.dtype)
        halves = plainly.array(id(a), 0, (2 * head + 14,), np.int32)[2 * head :]
        assert halves[2] == a.ndim
        assert halves[12] == a.flags.num


# --- what a step leaves -----------------------------------------------------------------------------------------------


def test_why_reads_the_numbers_of_the_latest_step():
    def asked(twin):
        why = twin.optimizer.why("layers.0.W", (1, 1))
        return repr((why.numbers, why.change, why.update))

    def read_before(twin):
        twin.model[0].W.data  # noqa: B018, the engine watches it from now on
        twin.call()
        twin.model(X)
        return asked(twin)

    alike(9, asked, 5, read_before, lambda twin: setattr(twin.optimizer, "lr", 0.1), asked, 1, asked)


def test_a_graph_of_before_the_steps_is_refused():
    twin = Twin()
    twin.take(5)
    loss = tg.cross_entropy(twin.model(X), LABELS)
    twin.take(5)
    with pytest.raises(RuntimeError, match="was changed after"):
        loss.backward()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_finds_the_step_counted_or_not_taken(when):
    twin, expected = Twin(), Twin(disturbed=True)
    twin.take(9)
    code = twin.step._code

    def interrupted(*given):
        if when == "after":
            code(*given)
        raise KeyboardInterrupt

    twin.step._code = interrupted
    with pytest.raises(KeyboardInterrupt):
        twin.call()
    twin.step._code = code
    expected.take(9 + (when == "after"))
    assert twin.found() == expected.found()
    assert twin.take(5) == expected.take(5)
    assert twin.found() == expected.found()


@needs_numba
def test_threads_count_each_step_by_machine():
    """Those of several threads; in between one looks at everything."""
    twin, wrong = Twin(lambda model: tg.Adam(model, lr=0.0)), []
    expected = twin.call()

    def work(k):
        for i in range(400):
            wrong.extend([i] * (twin.step(X, LABELS) != expected))
            if k == 0 and i % 50 == 0:
                twin.step.epoch(X, LABELS, np.arange(12), 12)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert twin.optimizer.t == 1 + 3 * 400 + 8
    twin.optimizer.write_back_steps()
    assert twin.optimizer.steps == [twin.optimizer.t] * 6
