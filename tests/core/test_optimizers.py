"""The update rules: trajectories against naive.py and torch, jitted against plain Python, the kernels' form."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import threading

import golden
import numpy as np
import pytest
from rules_table import (
    IDS,
    ROWS,
    every_class,
    every_dtype,
    every_elementwise_class,
    every_elementwise_row,
    every_row,
    every_row_of_torch,
    problem,
    run,
    torchs,
    two,
)

import tinygrad_edu as tg
from tinygrad_edu.core import jit
from tinygrad_edu.extras import kernels, threads as shared
from tinygrad_edu.extras.optimizers import RULES
from tinygrad_edu.extras.whole_optimizers import Whole


@every_dtype
@every_row
def test_a_200_step_trajectory_equals_the_reference(cls, reference, hyper, torch_row, dtype):
    p0, gradients, rates = problem()
    p = tg.Tensor(p0.astype(dtype), requires_grad=True)
    got = run(cls([p], **hyper), p, gradients, rates)
    expected = reference(p0, list(gradients), rates, **hyper)
    tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(got, np.array(expected), **tolerance)


@pytest.mark.oracle
@every_row_of_torch
def test_a_200_step_trajectory_equals_torchs(cls, reference, hyper, torch_row):
    pytest.importorskip("torch")
    p0, gradients, rates = problem()
    p = tg.Tensor(p0, requires_grad=True)
    got = run(cls([p], **hyper), p, gradients, rates)
    np.testing.assert_allclose(got, torchs(torch_row, p0, gradients, rates)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("make", "name", "more"),
    [
        (lambda p: tg.HeavyBall([p], momentum=0.8, dampening=0.3, l2=0.1), "SGD", {"momentum": 0.8, "dampening": 0.3}),
        (lambda p: tg.Adam([p], l2=0.1), "Adam", {}),
        (lambda p: tg.AdamW([p], weight_decay=0.1), "AdamW", {}),
    ],
)
def test_to_minimise_the_loss_with_a_minus_is_torchs_maximize(make, name, more):
    """Also with l2 and decay, whose sign torch leaves as it is."""
    pytest.importorskip("torch")
    p0, gradients, rates = problem()
    p = tg.Tensor(p0, requires_grad=True)
    optimizer, got = make(p), []
    for g, lr in zip(gradients, rates):
        optimizer.lr = float(lr)
        optimizer.zero_grad()
        score = (p * g).sum()
        (-score).backward()
        optimizer.step()
        got.append(p.numpy())
    expected = torchs((name, {**more, "maximize": True, "weight_decay": 0.1}), p0, gradients, rates)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.oracle
def test_where_torchs_sparse_adam_and_ours_part():
    """A row without a gradient: SparseAdam leaves it and its averages, Adam moves it on; with it frozen all are one."""
    torch = pytest.importorskip("torch")
    E0, seen = np.arange(6.0).reshape(3, 2), ([0, 1], [1], [0, 1], [1], [0])
    theirs = torch.tensor(E0, requires_grad=True)
    sparse = torch.optim.SparseAdam([theirs], lr=0.1)
    rows, whole = ([tg.Tensor(row, requires_grad=True, name=f"row{i}") for i, row in enumerate(E0)] for _ in "ab")
    lazy, dense = tg.Adam(rows, lr=0.1), tg.Adam(whole, lr=0.1)
    for t, some in enumerate(seen):
        G = np.random.default_rng(t).standard_normal((3, 2)) * np.isin(np.arange(3), some)[:, None]
        theirs.grad = torch.tensor(G).to_sparse(1)
        sparse.step()
        for i, (row, other) in enumerate(zip(rows, whole, strict=True)):
            row.grad, other.grad = (G[i] if i in some else None), G[i]
        lazy.step()
        dense.step()
    ours, theirs = np.array([row.numpy() for row in rows]), theirs.detach().numpy()
    np.testing.assert_array_equal(theirs[2], E0[2])
    np.testing.assert_array_equal(ours[2], E0[2])
    assert abs(ours[:2] - theirs[:2]).max() > 1e-3  # a row's own t, where SparseAdam has one t for all
    assert abs(np.array([row.numpy() for row in whole])[:2] - theirs[:2]).max() > 1e-3


@pytest.mark.oracle
def test_asgds_mean_is_torchs():
    pytest.importorskip("torch")
    p0, gradients, rates = problem(60)
    p = tg.Tensor(p0, requires_grad=True)
    optimizer = tg.ASGD([p], lambd=0.1, alpha=0.6, t0=7)
    run(optimizer, p, gradients, rates)
    _, theirs = torchs(("ASGD", {"lambd": 0.1, "alpha": 0.6, "t0": 7}), p0, gradients, rates)
    (state,) = theirs.state.values()
    np.testing.assert_allclose(optimizer.a, state["ax"].numpy(), rtol=1e-12)


GOLDEN = json.loads(golden.FILE.read_text(encoding="utf-8"))
every_golden = pytest.mark.parametrize(("name", "row"), list(zip(IDS, ROWS)), ids=IDS)


@every_golden
def test_trajectories_are_those_on_file_to_1e_12(name, row):
    """The file is torch's and the papers' word where torch is not installed."""
    known = GOLDEN[name]
    assert known["rule"] == row[0].__name__
    assert known["hyper"].keys() == {*row[2], "l2"}  # else run tests/support/golden.py
    p = tg.Tensor(GOLDEN["start"], requires_grad=True)
    rates = GOLDEN["rates"]
    got = run(row[0]([p], lr=rates[0], **known["hyper"]), p, np.array(GOLDEN["gradients"]), rates)
    np.testing.assert_allclose(got, known["points"], rtol=1e-12, atol=1e-13)


@pytest.mark.oracle
@every_golden
def test_the_file_is_what_torch_and_the_papers_say_now(name, row):
    pytest.importorskip("torch")
    start, gradients, rates = (np.array(GOLDEN[key]) for key in ("start", "gradients", "rates"))
    assert GOLDEN[name]["hyper"] == {**row[2], "l2": golden.l2_of(row)}
    expected = golden.trajectory(row, start, gradients, rates)
    np.testing.assert_allclose(GOLDEN[name]["points"], expected, rtol=1e-13, atol=1e-15)


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
    theirs["initial"] = theirs.get("initial_accumulator_value")
    if torch_row[0] == "RMSprop":
        theirs["rho"] = theirs["alpha"]
    for name, parameter in inspect.signature(cls).parameters.items():
        if name not in ("params", "common", "l2", "nonfinite") and (name, torch_row[0]) != ("momentum", "SGD"):
            assert parameter.default == theirs[name], name


@every_row
def test_the_jitted_kernel_equals_the_plain_function_bit_for_bit(cls, reference, hyper, torch_row):
    p0, gradients, rates = problem(50)
    p, q = (tg.Tensor(p0, requires_grad=True) for _ in "pq")
    slow = cls([q], **hyper)
    slow.kernel = getattr(slow.kernel, "py_func", slow.kernel)
    np.testing.assert_array_equal(run(cls([p], **hyper), p, gradients, rates), run(slow, q, gradients, rates))


@every_row
def test_every_hyper_parameter_matters(cls, reference, hyper, torch_row):
    p0, gradients, rates = problem(60)
    gradients[:3] *= 1e-3  # so small that each eps is seen

    def end(**changed):
        p = tg.Tensor(p0, requires_grad=True)
        optimizer = cls([p], **{**hyper, **changed})
        return [*run(optimizer, p, gradients, rates), *([optimizer.a] if cls is tg.ASGD else [])]

    for name, value in hyper.items():
        other = (not value) if isinstance(value, bool) else value * 0.95 if value != 0 else 0.1
        if (cls, name) not in ((tg.Muon, "momentum"), (tg.SOAP, "every")):  # which are of matrices
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
    tg.OptimisticGradient: (0.37, 37),
    tg.OptimisticAdam: (1, 1),
    tg.COCOB: (0.01, 0.01),  # 1 / alpha
    tg.Yogi: (2.9135, 3.1596),  # 0.1 g / (sqrt(0.001) g + 0.001)
    tg.QHM: (0.3 * 0.37 + 0.7 * 0.001 * 0.37, 0.3 * 37 + 0.7 * 0.001 * 37),
    tg.QHAdam: (1, 1),
    tg.AdaBound: (1, 1),  # between the first bounds, 0.1 lr / g and 100,100 lr / g
    tg.AdaBelief: (1 / 0.9, 1 / 0.9),
    tg.Adan: (1, 1),
    tg.ADOPT: (0, 0),
    tg.AdEMAMix: (1.0005, 1.0005),
    tg.ScheduleFree: (0.37, 37),
    tg.ScheduleFreeAdamW: (1, 1),
    tg.LARS: (0.001, 0.001),  # trust · |p|
    tg.LAMB: (1, 1),  # |p|
    tg.NovoGrad: (1, 1),
    tg.Fromage: (1 + 0.0005, 1 + 0.0005),  # and p shrinks by lr² / 2
    tg.CautiousAdamW: (1.01, 1.01),
    tg.CautiousLion: (1, 1),
    tg.MARS: (1, 1),
    tg.Adafactor: (1, 1),
    tg.SM3: (0.1, 0.1),
    tg.DoG: (2e-6, 2e-6),  # 1e-6 · (1 + |p|)
    tg.DAdaptAdam: (1e-6, 1e-6),
    tg.Prodigy: (1e-6, 1e-6),
    tg.Muon: (1.1, 1.1),  # of a vector AdamW, with a decay of 0.1
    tg.Shampoo: (0.37 / 0.3701, 37 / 37.0001),  # of a vector Adagrad, with an eps of 1e-4
    tg.SOAP: (1.01, 1.01),  # of a vector AdamW
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
    files = {cls.kernel.__module__: sys.modules[cls.kernel.__module__] for cls in RULES.values()}
    functions = [f for module in files.values() for f in ast.parse(inspect.getsource(module)).body]
    return [f for f in functions if isinstance(f, ast.FunctionDef) and "<-" in (ast.get_docstring(f) or "")]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_kernel_has_one_equation_for_each_statement_in_the_same_order_and_letters(rule):
    docstring, *body = rule.body
    assert len(body) == 1 or issubclass(RULES[rule.name], Whole)
    statements = [line for part in body for line in (part.body if isinstance(part, ast.For) else [part])]
    # what makes room, and sends vectors elsewhere, is no equation
    statements = [x for x in statements if "empty_like" not in ast.unparse(x) and not isinstance(x, ast.If)]
    equations = re.findall(r"^\s*(\w+) <- (.*)$", docstring.value.value, re.M)
    assert len(equations) == len(statements)
    for (target, right), statement in zip(equations, statements):
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
def test_any_number_for_lr_uses_the_one_compiled_version(cls, dtype):
    if not hasattr(cls.kernel, "signatures"):
        return  # products are NumPy's
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
    """True if the float32 version of a rule computes anything in float64."""
    fresh = jit.compiled()(rule)
    jit.machine_code(fresh, 2 + len(optimizer.state), np.dtype(np.float32))
    return "fpext float" in "".join(fresh.inspect_llvm().values())


@pytest.mark.sample(3)
@jitted
@every_elementwise_row
def test_float32_arithmetic_stays_float32(cls, reference, hyper, torch_row):
    optimizer = cls(two(), **hyper)
    assert not widens(optimizer.kernel.py_func, optimizer)


@jitted
def test_a_literal_that_widens_would_be_seen():
    def careless(p, g, v, lr, momentum):
        for i in range(p.size):
            v[i] = momentum * v[i] + (1 - momentum) * g[i]
            p[i] -= lr * v[i]

    assert widens(careless, tg.HeavyBall(two()))


@jitted
@every_dtype
@every_elementwise_row
def test_machine_code_does_what_numbas_dispatcher_does(cls, reference, hyper, torch_row, dtype):
    p0, gradients, rates = problem(30)
    p = tg.Tensor(p0.astype(dtype), requires_grad=True)
    optimizer = cls([p], **hyper)
    arrays = [p.numpy(), None, *[getattr(optimizer, name).copy() for name in optimizer.state]]
    _, _, *values = optimizer.groups[0].values()
    for t, (g, lr) in enumerate(zip(gradients.astype(dtype), rates), start=1):
        arrays[1] = g
        optimizer.kernel(*arrays, *[dtype(number) for number in optimizer.scalars(t, float(lr), *values)])
        run(optimizer, p, [g], [lr])
        for name, array in zip(["p", *optimizer.state], [arrays[0], *arrays[2:]]):
            np.testing.assert_array_equal(p.numpy() if name == "p" else getattr(optimizer, name), array)


def test_the_table_of_rules_has_every_exported_optimizer_under_its_kernels_name():
    exported = [getattr(tg, name) for name in tg.__all__]
    classes = {x for x in exported if isinstance(x, type) and issubclass(x, tg.Optimizer)} - {tg.Optimizer}
    classes -= {tg.LBFGS, tg.PolyakSGD, tg.Momo, tg.Sophia}  # whose step is given the loss
    assert set(RULES.values()) == classes == {row[0] for row in ROWS}
    assert {name: getattr(kernels, name) for name in RULES} == {name: cls.kernel for name, cls in RULES.items()}


@pytest.fixture
def threads_as_before():
    yield
    tg.set_num_threads(shared.CORES)


@pytest.mark.usefixtures("threads_as_before")
@pytest.mark.parametrize("threads", [2, 3])
@every_elementwise_class
def test_slices_in_threads_give_the_same_bits(cls, threads, monkeypatch):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(1001), rng.standard_normal((3, 1001))

    def end():
        p = tg.Tensor(start, requires_grad=True)
        return run(cls([p]), p, gradients, [0.1] * 3)[-1]

    tg.set_num_threads(1)
    alone = end()
    monkeypatch.setattr(shared, "WORTH_A_THREAD", 1)
    tg.set_num_threads(threads)
    np.testing.assert_array_equal(end(), alone)
    assert any(thread.name == "tinygrad_edu" for thread in threading.enumerate())  # they were started


def large(monkeypatch, threads=2, **options):
    """Adam with two groups, both large enough for threads; a step of it; and the calls of the threads."""
    calls, together = [], shared.together
    monkeypatch.setattr(shared, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(shared, "threads", threads)
    monkeypatch.setattr(shared, "together", lambda work, n, *before: calls.append(n) or together(work, n, *before))
    params = [tg.Tensor(np.ones(n), requires_grad=True) for n in (200, 301)]
    optimizer = tg.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.1}], **options)

    def step(place=0, value=1.0):
        optimizer.zero_grad()
        sum(p.sum() for p in params).backward()
        optimizer.buffer.grad[place] = value
        optimizer.step()

    return optimizer, step, calls


def test_look_and_change_of_large_updates_are_one_call_of_the_threads(monkeypatch):
    optimizer, step, calls = large(monkeypatch)
    step()
    assert calls == [2]
    optimizer.nonfinite = "propagate"
    step()  # no look; one call for each group
    assert calls == [2] * 3


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("place", [0, 199, 200, 500])
def test_a_large_update_that_is_refused_changes_nothing(threads, place, monkeypatch):
    optimizer, step, _ = large(monkeypatch, threads, nonfinite="skip")
    step()
    flat = [optimizer.buffer.data, *optimizer.averages.values()]
    before = [a.copy() for a in flat]
    step(place, np.nan)
    assert (optimizer.skipped, optimizer.t, optimizer.last) == (1, 1, [])
    optimizer.nonfinite = "raise"
    with pytest.raises(ValueError, match=f"parameter{int(place >= 200)} holds nan"):
        step(place, np.nan)
    for a, was in zip(flat, before):
        np.testing.assert_array_equal(a, was)
    step()
    assert optimizer.t == 2


def test_large_updates_in_several_threads_at_once(monkeypatch):
    monkeypatch.setattr(shared, "WORTH_A_THREAD", 1)
    gradients = np.random.default_rng(0).standard_normal((30, 1001))

    def end():
        p = tg.Tensor(np.ones(1001), requires_grad=True)
        return run(tg.Adam([p]), p, gradients, [0.1] * 30)[-1]

    alone, ends = end(), []
    at_once = [threading.Thread(target=lambda: ends.append(end())) for _ in range(4)]
    for thread in at_once:
        thread.start()
    for n in (3, 1, 2) * 5:  # changed between
        monkeypatch.setattr(shared, "threads", n)
    for thread in at_once:
        thread.join(60)
    assert len(ends) == 4
    for got in ends:
        np.testing.assert_array_equal(got, alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_look_in_quarters_finds_what_is_not_finite_anywhere(dtype):
    for size in [*range(1, 23), 64, 1001]:
        g = np.full(size, np.finfo(dtype).max, dtype)
        assert not shared.not_finite_in_quarters(g)
        for i in range(size):
            for bad in (np.nan, np.inf, -np.inf):
                g[i] = bad
                assert shared.not_finite_in_quarters(g)
            g[i] = -np.finfo(dtype).max


def test_a_gradient_is_looked_at_in_quarters(monkeypatch):
    looks = []
    monkeypatch.setattr(shared, "not_finite_in_quarters", lambda g: looks.append(g.size) or not np.isfinite(g).all())
    p = tg.Tensor(np.ones(101), requires_grad=True)
    optimizer = tg.SGD([p], lr=0.1)
    p.grad = np.ones(101)
    optimizer.step()
    p.grad[100] = np.inf
    with pytest.raises(ValueError, match="inf"):
        optimizer.step()
    assert looks == [101, 101]


def test_after_a_fork_the_child_has_threads_of_its_own():
    code = """
import os, numpy as np, tinygrad_edu as tg
from tinygrad_edu.extras import threads
tg.set_num_threads(2)
threads.WORTH_A_THREAD = 1
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


def test_kernels_are_not_compiled_before_the_first_step():
    code = "import tinygrad_edu as tg; o = tg.Adam(tg.mlp([2, 1])); print(len(getattr(o.kernel, 'signatures', [])))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"0\n"
