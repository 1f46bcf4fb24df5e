"""The update rules: trajectories against tests/naive.py, jitted against plain Python, and all that is around them."""

import ast
import inspect
import os
import re
import subprocess
import sys

import naive
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import kernels

adam, rms = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}, {"rho": 0.95, "eps": 1e-6}
betas = {"betas": (0.8, 0.95), "eps": 1e-6}
# class, reference, hyper-parameters, the same for torch.optim: (class, arguments)
ROWS = [
    (tg.SGD, naive.sgd, {}, ("SGD", {})),
    (tg.Momentum, naive.momentum, {"beta": 0.8, "bias_correction": False}, None),
    (tg.Momentum, naive.momentum, {"beta": 0.8, "bias_correction": True}, None),
    (tg.HeavyBall, naive.heavy_ball, {"momentum": 0.8}, ("SGD", {"momentum": 0.8})),
    (tg.Nesterov, naive.nesterov, {"momentum": 0.8}, ("SGD", {"momentum": 0.8, "nesterov": True})),
    (tg.Adagrad, naive.adagrad, {"lr_decay": 0.01, "eps": 1e-6}, ("Adagrad", {"lr_decay": 0.01, "eps": 1e-6})),
    (tg.Adadelta, naive.adadelta, {"rho": 0.8, "eps": 1e-5}, ("Adadelta", {"rho": 0.8, "eps": 1e-5})),
    (tg.RMSprop, naive.rmsprop, rms, ("RMSprop", {"alpha": 0.95, "eps": 1e-6})),
    *(
        (tg.RMSprop, naive.rmsprop, {**rms, **variant}, ("RMSprop", {"alpha": 0.95, "eps": 1e-6, **variant}))
        for variant in ({"centered": True}, {"momentum": 0.8}, {"momentum": 0.8, "centered": True})
    ),
    (tg.Adam, naive.adam, adam, ("Adam", betas)),
    (tg.AdamW, naive.adam, {**adam, "weight_decay": 0.1}, ("AdamW", {**betas, "weight_decay": 0.1})),
    (tg.AMSGrad, naive.amsgrad, adam, ("Adam", {**betas, "amsgrad": True})),
    (tg.Adamax, naive.adamax, adam, ("Adamax", betas)),
    (tg.NAdam, naive.nadam, {**adam, "momentum_decay": 0.02}, ("NAdam", {**betas, "momentum_decay": 0.02})),
    (tg.RAdam, naive.radam, adam, ("RAdam", betas)),
    (
        tg.Rprop,
        naive.rprop,
        {"down": 0.6, "up": 1.3, "least": 1e-3, "most": 0.02},
        ("Rprop", {"etas": (0.6, 1.3), "step_sizes": (1e-3, 0.02)}),
    ),
    (
        tg.ASGD,
        naive.asgd,
        {"lambd": 0.1, "alpha": 0.6, "t0": 50},
        ("ASGD", {"lambd": 0.1, "alpha": 0.6, "t0": 50}),
    ),
    (tg.SignSGD, naive.signsgd, {}, None),
    (tg.Signum, naive.signum, {"beta": 0.8}, None),
    (tg.Lion, naive.lion, {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1}, None),
]
IDS = [f"{row[0].__name__}{i}" for i, row in enumerate(ROWS)]
CLASSES = list(dict.fromkeys(row[0] for row in ROWS))
every_row = pytest.mark.parametrize(("cls", "reference", "hyper", "torch_row"), ROWS, ids=IDS)
every_row_of_torch = pytest.mark.parametrize(
    ("cls", "reference", "hyper", "torch_row"),
    [row for row in ROWS if row[3]],
    ids=lambda x: getattr(x, "__name__", ""),
)
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def problem(steps=200, size=7):
    """First parameters, random gradients with zeros between them, and learning rates that change."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((steps, size)) * rng.choice([1e-3, 1, 30], (steps, 1))
    gradients[20:25] = 0
    gradients[:, 3] = 0
    rates = np.where(np.arange(steps) < 100, 0.01, 0.002)
    return rng.standard_normal(size), gradients, rates


def run(optimizer, p, gradients, rates):
    trajectory = []
    for g, lr in zip(gradients, rates):
        p.grad = g.astype(p.dtype)
        optimizer.lr = float(lr)
        optimizer.step()
        trajectory.append(p.numpy())
    return trajectory


@every_dtype
@every_row
def test_trap_07_a_200_step_trajectory_equals_the_reference(cls, reference, hyper, torch_row, dtype):
    p0, gradients, rates = problem()
    p = tg.Tensor(p0.astype(dtype), requires_grad=True)
    got = run(cls([p], **hyper), p, gradients, rates)
    expected = reference(p0, list(gradients), rates, **hyper)
    tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(got, np.array(expected), **tolerance)


@pytest.fixture
def torch_in_float64():
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # in which NAdam and ASGD keep their numbers
    yield
    torch.set_default_dtype(before)


def torchs(torch, torch_row, p0, gradients, rates):
    """The trajectory of an optimizer of torch."""
    theirs = torch.tensor(p0, requires_grad=True)
    name, arguments = torch_row
    if name == "ASGD":  # torch computes the rate at the end of the step before
        rates = [*rates[1:], rates[-1]]
    optimizer, expected = getattr(torch.optim, name)([theirs], lr=0.01, **arguments), []
    for g, lr in zip(gradients, rates):
        theirs.grad = torch.tensor(g)
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        expected.append(theirs.detach().numpy().copy())
    return expected


@pytest.mark.oracle
@pytest.mark.usefixtures("torch_in_float64")
@every_row_of_torch
def test_a_200_step_trajectory_equals_torchs(cls, reference, hyper, torch_row):
    torch = pytest.importorskip("torch")
    p0, gradients, rates = problem()
    p = tg.Tensor(p0, requires_grad=True)
    got = run(cls([p], **hyper), p, gradients, rates)
    expected = torchs(torch, torch_row, p0, gradients, rates)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.oracle
@every_row_of_torch
def test_defaults_are_torchs(cls, reference, hyper, torch_row):
    torch = pytest.importorskip("torch")
    theirs = {
        name: parameter.default
        for name, parameter in inspect.signature(getattr(torch.optim, torch_row[0]).__init__).parameters.items()
    }
    for pair, names in {"betas": ("beta1", "beta2"), "etas": ("down", "up"), "step_sizes": ("least", "most")}.items():
        theirs |= dict(zip(names, theirs.get(pair, ())))
    if torch_row[0] == "RMSprop":
        theirs["rho"] = theirs["alpha"]
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name not in ("self", "params", "common") and (name, torch_row[0]) != ("momentum", "SGD"):
            assert parameter.default == theirs[name], name


@every_row
def test_the_jitted_kernel_equals_the_plain_function_bit_for_bit(cls, reference, hyper, torch_row):
    p0, gradients, rates = problem(50)
    p, q = (tg.Tensor(p0, requires_grad=True) for _ in "pq")
    slow = cls([q], **hyper)
    slow.kernel = getattr(slow.kernel, "py_func", slow.kernel)
    np.testing.assert_array_equal(run(cls([p], **hyper), p, gradients, rates), run(slow, q, gradients, rates))


@every_row
def test_trap_07_every_hyper_parameter_matters(cls, reference, hyper, torch_row):
    p0, gradients, rates = problem(60)

    def end(**changed):
        p = tg.Tensor(p0, requires_grad=True)
        optimizer = cls([p], **{**hyper, **changed})
        return [run(optimizer, p, gradients, rates)[-1], *([optimizer.a] if cls is tg.ASGD else [])]

    for name, value in hyper.items():
        other = (not value) if isinstance(value, bool) else value * 1.05 if value != 0 else 0.1
        assert not np.array_equal(end(), end(**{name: other})), name


FIRST_STEP = {  # |change| / lr of the first step, at gradients 0.37 and 37, with the defaults
    tg.SGD: (0.37, 37),
    tg.Momentum: (0.037, 3.7),
    tg.HeavyBall: (0.37, 37),
    tg.Nesterov: (0.703, 70.3),
    tg.Adagrad: (1, 1),
    tg.Adadelta: (np.sqrt(1e-6 / 0.1),) * 2,
    tg.RMSprop: (10, 10),  # 1 / sqrt(0.01)
    tg.Adam: (1, 1),
    tg.AdamW: (1.01, 1.01),  # the decay adds weight_decay · p
    tg.AMSGrad: (1, 1),
    tg.Adamax: (1, 1),
    tg.NAdam: (1.0565, 1.0565),
    tg.RAdam: (0.37, 37),
    tg.Rprop: (1, 1),
    tg.ASGD: (0.37 + 1e-4, 37 + 1e-4),  # and lambd · p
    tg.SignSGD: (1, 1),
    tg.Signum: (1, 1),
    tg.Lion: (1, 1),
}


@every_class
def test_the_first_step_is_the_fingerprint_of_the_rule(cls):
    for gradient, expected in zip((0.37, 37.0), FIRST_STEP[cls]):
        p = tg.Tensor([1.0], requires_grad=True)
        optimizer = cls([p], lr=1e-3)
        p.grad = np.array([gradient])
        optimizer.step()
        np.testing.assert_allclose((1 - p.item()) / 1e-3, expected, rtol=1e-4)


# --- the kernels' form ---------------------------------------------------------------------------------------------


def rules():
    tree = ast.parse(inspect.getsource(kernels))
    return [f for f in tree.body if isinstance(f, ast.FunctionDef) and "<-" in (ast.get_docstring(f) or "")]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_kernel_has_one_equation_for_each_statement_in_the_same_order_and_letters(rule):
    docstring, loop = rule.body
    assert isinstance(loop, ast.For)
    equations = re.findall(r"^\s*(\w+) <- (.*)$", docstring.value.value, re.M)
    assert len(equations) == len(loop.body)
    for (target, right), statement in zip(equations, loop.body):
        statement = WithoutIndex().visit(statement)
        if isinstance(statement, ast.AugAssign):
            left = statement.target
            value = ast.BinOp(ast.Name(left.id), statement.op, statement.value)
        else:
            (left,), value = statement.targets, statement.value
        assert target == left.id
        assert ast.unparse(ast.parse(right.replace("·", "*"))) == ast.unparse(value)


class WithoutIndex(ast.NodeTransformer):
    """m[i] as m."""

    def visit_Subscript(self, node):
        return ast.Name(node.value.id)


@every_class
def test_the_kernel_is_named_after_its_class_and_the_equation_is_its_docstring(cls):
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
    assert cls.kernel is getattr(kernels, name)
    text = cls([tg.Tensor([1.0], requires_grad=True)], lr=0.25).equation()
    assert "p <- " in text
    assert "lr = 0.25" in text
    assert [line for line in text.splitlines() if "<-" in line] == [
        line.strip() for line in cls.kernel.__doc__.splitlines() if "<-" in line
    ]


jitted = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")


@jitted
@every_dtype
@every_class
def test_trap_23_any_number_for_lr_uses_the_one_compiled_version(cls, dtype):
    p = tg.Tensor(np.ones(3, dtype), requires_grad=True)
    optimizer = cls([p], lr=1)  # a whole number
    optimizer.compile()
    p.grad = np.ones(3, dtype)
    before = len(cls.kernel.signatures)
    for lr in (1, 0.5, np.float32(0.1), lambda t: 1 / t):
        optimizer.lr = lr
        optimizer.step()
    assert len(cls.kernel.signatures) == before


def widens(rule, optimizer):
    """Whether the float32 version of a rule computes anything in float64."""
    fresh = kernels.compiled()(rule)
    kernels.machine_code(fresh, 2 + len(optimizer.state), np.dtype(np.float32))
    return "fpext float" in "".join(fresh.inspect_llvm().values())


@jitted
@every_row
def test_trap_23_float32_arithmetic_stays_float32(cls, reference, hyper, torch_row):
    optimizer = cls(two(), **hyper)
    assert not widens(optimizer.kernel.py_func, optimizer)


@jitted
def test_trap_23_a_literal_that_widens_would_be_seen():
    def careless(p, g, v, lr, momentum):
        for i in range(p.size):
            v[i] = momentum * v[i] + (1 - momentum) * g[i]
            p[i] -= lr * v[i]

    assert widens(careless, tg.HeavyBall(two()))


@pytest.fixture
def threads_as_before():
    yield
    tg.set_num_threads(kernels.CORES)


@pytest.mark.usefixtures("threads_as_before")
@pytest.mark.parametrize("threads", [2, 3])
@every_class
def test_slices_in_threads_give_the_same_bits(cls, threads, monkeypatch):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(1001), rng.standard_normal((3, 1001))

    def end():
        p = tg.Tensor(start, requires_grad=True)
        return run(cls([p]), p, gradients, [0.1] * 3)[-1]

    tg.set_num_threads(1)
    alone = end()
    monkeypatch.setattr(kernels, "WORTH_A_THREAD", 1)
    tg.set_num_threads(threads)
    np.testing.assert_array_equal(end(), alone)
    assert kernels._pool(threads - 1)._threads  # they were started


def test_after_a_fork_the_child_has_threads_of_its_own():
    code = """
import os, numpy as np, tinygrad_edu as tg
from tinygrad_edu import kernels
tg.set_num_threads(2)
kernels.WORTH_A_THREAD = 1
p = tg.Tensor(np.ones(8), requires_grad=True)
o = tg.SGD([p], lr=0.5)
def step():
    p.grad = np.ones(8)
    o.step()
step()
child = os.fork()
step()
if not child:
    os._exit(0 if p.numpy().tolist() == [0] * 8 else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


# --- steps, groups, schedules ----------------------------------------------------------------------------------------


def two():
    return [tg.Tensor([1.0, 2.0], requires_grad=True, name="a"), tg.Tensor([3.0], requires_grad=True, name="b")]


@every_class
def test_a_parameter_without_a_gradient_stays_and_starts_at_its_own_first_step(cls):
    """As in torch: the late parameter's first step is that of a new optimizer."""
    a, b = two()
    optimizer = cls([a, b], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (a * a).sum().backward()
        optimizer.step()
    assert b.item() == 3
    assert optimizer.t == 5
    fresh = tg.Tensor([3.0], requires_grad=True)
    new = cls([fresh], lr=0.1)
    for factor in (2, -3, 1):
        optimizer.zero_grad()
        (a.sum() + b * factor).sum().backward()
        optimizer.step()
        fresh.grad = np.array([float(factor)])
        new.step()
        assert b.item() == fresh.item()


def test_the_steps_of_each_parameter_are_saved_and_a_schedule_counts_the_optimizers():
    def run(resume):
        a, b = two()
        rates = []
        optimizer = tg.Adam([a, b], lr=lambda t: rates.append(t) or 0.1 / t)
        for t in range(1, 6):
            if resume and t == 4:
                state = optimizer.state_dict()
                optimizer = tg.Adam([a, b], lr=optimizer.groups[0]["lr"])
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (a.sum() + b.sum() * t if t > 2 else a.sum()).backward()
            optimizer.step()
        return a.numpy(), b.numpy(), rates

    straight, resumed = run(False), run(True)
    np.testing.assert_array_equal(straight[0], resumed[0])
    np.testing.assert_array_equal(straight[1], resumed[1])
    assert straight[2] == [1, 2, 3, 4, 5]


def test_a_schedule_out_of_range_stops_the_step_before_anything_moves():
    a, b = two()
    optimizer = tg.SGD([{"params": [a]}, {"params": [b], "lr": lambda t: -1.0}], lr=0.5)
    (a.sum() + b).sum().backward()
    with pytest.raises(ValueError, match="lr = -1"):
        optimizer.step()
    assert a.numpy().tolist() == [1, 2]
    assert optimizer.t == 0


def test_a_gradient_of_another_shape_is_refused():
    a, b = two()
    optimizer = tg.SGD([a, b])
    a.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"a \(2,\) was given a gradient of shape \(3,\)"):
        optimizer.step()


def test_loading_keeps_numbers_as_they_are_and_refuses_bad_ones_before_changing_anything():
    a, b = two()
    state = tg.HeavyBall([a, b], lr=0.25, momentum=0.9).state_dict()
    other = tg.HeavyBall([a, b], lr=1, momentum=0)
    other.load_state_dict(state)
    assert other.groups == [{"lr": 0.25, "l2": 0.0, "momentum": 0.9}]
    schedule = tg.HeavyBall([a, b], lr=lambda t: 1.0)
    schedule.load_state_dict(state)
    assert schedule.lr == 1
    for broken, message in [
        ({**state, "group0.lr": -5.0}, "lr = -5"),
        ({k: v for k, v in state.items() if k != "v"}, "has no v"),
        ({}, "of another optimizer or model"),
    ]:
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(broken)
    assert other.lr == 0.25


def test_a_parameter_in_the_middle_may_be_missing():
    a, b, c = (tg.Tensor([1.0], requires_grad=True) for _ in "abc")
    optimizer = tg.Adam([a, b, c], lr=0.1)
    (a + c).sum().backward()
    optimizer.step()
    assert [round(x.item(), 6) for x in (a, b, c)] == [0.9, 1, 0.9]


def test_step_without_any_gradient_is_refused():
    a, b = two()
    optimizer = tg.SGD([a, b])
    with pytest.raises(RuntimeError, match=r"found no gradient: call loss\.backward"):
        optimizer.step()
    (a.sum() + b).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    assert a.grad is None
    with pytest.raises(RuntimeError, match="found no gradient"):
        optimizer.step()
    assert optimizer.t == 1


def test_zero_grad_starts_afresh_and_without_it_gradients_add_up():
    a, b = two()
    optimizer = tg.SGD([a, b])
    (a * 2).sum().backward()
    (a * 2).sum().backward()
    assert a.grad.tolist() == [4, 4]
    optimizer.zero_grad()
    (a * 3).sum().backward()
    assert a.grad.tolist() == [3, 3]
    assert optimizer.buffer.grad[:2].tolist() == [3, 3]


def test_a_gradient_that_the_user_sets_is_used_and_not_written_into():
    a, b = two()
    optimizer = tg.SGD([a, b], lr=0.5)
    mine = np.array([2.0, 4.0])
    a.grad, b.grad = mine, np.array([1.0])
    optimizer.step()
    assert a.numpy().tolist() == [0, 0]
    a.sum().backward()
    assert mine.tolist() == [2, 4]


def test_groups_have_their_own_numbers():
    a, b = two()
    optimizer = tg.AdamW([{"params": [a]}, {"params": [b], "lr": 0.5, "weight_decay": 0.0}], lr=0.1, weight_decay=0.5)
    (a.sum() * 0 + b * 0).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(a.numpy(), [0.95, 1.9], rtol=1e-15)
    assert b.item() == 3
    optimizer.zero_grad()
    b.backward()
    optimizer.step()
    np.testing.assert_allclose(b.item(), 3 - 0.5 * 0.1 / (1 - 0.9**2) / np.sqrt(0.001 / (1 - 0.999**2)), rtol=1e-6)
    with pytest.raises(ValueError, match="SGD has no 'rho'; it has lr"):
        tg.SGD([{"params": [a], "rho": 1}])
    with pytest.raises(ValueError, match='a dict with "params"'):
        tg.SGD([{"lr": 1}])


def test_lr_may_be_a_function_of_t():
    seen = []

    def schedule(t):
        seen.append(t)
        return 1 / t

    p = tg.Tensor([0.0], requires_grad=True)
    optimizer = tg.SGD([p], lr=schedule)
    for _ in range(3):
        p.grad = np.array([1.0])
        optimizer.step()
    np.testing.assert_allclose(p.item(), -(1 + 1 / 2 + 1 / 3), rtol=1e-15)
    assert seen == [1, 2, 3]
    assert optimizer.lr == 1 / 4
    assert "lr = a function of t" in optimizer.equation()
    optimizer.lr = lambda t: -1
    with pytest.raises(ValueError, match="lr = -1"):
        optimizer.step()


def test_lr_can_be_read_and_set_for_all_groups():
    a, b = two()
    optimizer = tg.SGD([{"params": [a], "lr": 1.0}, {"params": [b]}], lr=2.0)
    assert optimizer.lr == 1
    optimizer.lr = 0.25
    assert [group["lr"] for group in optimizer.groups] == [0.25, 0.25]


@pytest.mark.parametrize(
    ("cls", "hyper", "error", "message"),
    [
        (tg.SGD, {"lr": -1}, ValueError, "lr = -1, but it has to be a finite number, at least 0"),
        (tg.SGD, {"lr": float("nan")}, ValueError, "lr = nan"),
        (tg.SGD, {"lr": float("inf")}, ValueError, "lr = inf"),
        (tg.SGD, {"lr": "fast"}, TypeError, "lr is a number, got str"),
        (tg.HeavyBall, {"momentum": 1}, ValueError, "momentum = 1, but it has to be at least 0 and below 1"),
        (tg.Momentum, {"beta": -0.1}, ValueError, "beta = -0.1"),
        (tg.Momentum, {"bias_correction": 3}, ValueError, "True or False"),
        (tg.Adam, {"beta2": 1.5}, ValueError, "beta2 = 1.5"),
        (tg.Adam, {"eps": 0}, ValueError, "eps = 0"),
        (tg.RMSprop, {"rho": 1.0}, ValueError, "rho = 1.0"),
        (tg.Adagrad, {"lr_decay": -1}, ValueError, "lr_decay = -1"),
        (tg.AdamW, {"weight_decay": -1}, ValueError, "weight_decay = -1"),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(cls, hyper, error, message):
    with pytest.raises(error, match=message):
        cls(two(), **hyper)


def test_an_eps_that_vanishes_in_float32_is_refused():
    with pytest.raises(ValueError, match="also in the parameters' dtype"):
        tg.Adam([tg.Tensor(np.ones(1, np.float32), requires_grad=True)], eps=1e-60)


def test_parameters_may_be_given_in_every_usual_way():
    ways = (lambda m: m, tg.Layer.parameters, tg.Layer.named_parameters, lambda m: iter(m.parameters()))
    for give in ways:
        assert tg.SGD(give(tg.mlp([2, 3, 1], rng=0))).names == ["layers.0.W", "layers.0.b", "layers.2.W", "layers.2.b"]
    assert tg.SGD([tg.Tensor([1.0], requires_grad=True), *two()]).names == ["parameter0", "a", "b"]
    assert tg.SGD(tg.Tensor([1.0], requires_grad=True)).names == ["parameter0"]


def test_trap_24_a_nan_stays_in_its_place():
    for cls in CLASSES:
        p = tg.Tensor([1.0, 1.0, 1.0], requires_grad=True)
        optimizer = cls([p], lr=0.1, nonfinite="propagate")
        p.grad = np.array([1.0, np.nan, 1.0])
        optimizer.step()
        assert np.isnan(p.numpy()).tolist() == [False, True, False]


# --- saving --------------------------------------------------------------------------------------------------------


@every_row
def test_trap_25_a_resumed_run_is_bit_identical(cls, reference, hyper, torch_row, tmp_path):
    p0, gradients, rates = problem(40)
    p = tg.Tensor(p0, requires_grad=True, name="p")
    straight = run(cls([p], **hyper), p, gradients, rates)

    p = tg.Tensor(p0, requires_grad=True, name="p")
    first = cls([p], **hyper)
    run(first, p, gradients[:17], rates[:17])
    np.savez(tmp_path / "state.npz", p=p.numpy(), **first.state_dict())
    with np.load(tmp_path / "state.npz") as saved:
        q = tg.Tensor(saved["p"], requires_grad=True, name="p")
        variant = {name: hyper[name] for name in ("centered", "momentum") if name in hyper}
        second = cls([q], **variant)  # else the defaults: the saved numbers replace them
        second.load_state_dict(saved)
    assert second.t == 17
    np.testing.assert_array_equal(run(second, q, gradients[17:], rates[17:]), straight[17:])


def test_trap_19_the_state_is_arrays_and_numbers_and_names_what_does_not_fit():
    model = tg.mlp([2, 3, 1], rng=0)
    state = tg.Adam(model).state_dict()
    assert all(isinstance(value, (np.ndarray, int, float)) for value in state.values())
    for other, here, there in [
        (tg.AdamW(model), "adamw in float64", "adam in float64"),
        (tg.Adam(tg.mlp([2, 4, 1], rng=0)), r"layers.0.W \(2, 4\)", r"layers.0.W \(2, 3\)"),
        (tg.Adam(model.parameters()[:2]), "groups of 2", "layers.2.W"),
        (tg.Adam([{"params": model.parameters()[:2]}, {"params": model.parameters()[2:]}]), "of 2, 2", "groups of 4"),
        (tg.Adam(tg.mlp([2, 3, 1], dtype=np.float32, rng=0)), "adam in float32", "adam in float64"),
    ]:
        with pytest.raises(ValueError, match=f"it has .*{there}.* where this one has .*{here}"):
            other.load_state_dict(state)


def test_an_optimizer_is_not_copied_by_accident():
    import copy

    with pytest.raises(TypeError, match="use state_dict"):
        copy.deepcopy(tg.SGD(two()))


def test_repr_is_short():
    assert repr(tg.SGD(two(), lr=0.5)) == "SGD(2 parameters, lr=0.5)"


def test_kernels_are_not_compiled_before_the_first_step():
    code = "import tinygrad_edu as tg; o = tg.Adam(tg.mlp([2, 1])); print(len(getattr(o.kernel, 'signatures', [])))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"0\n"
