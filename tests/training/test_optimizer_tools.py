"""Everything between backward() and the rule: l2, clipping, freezing, missing gradients, threads."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rules_table import every_dtype, every_row, every_row_of_torch, every_separate_row, problem, run, torchs, two

import tinygrad_edu as tg
from tinygrad_edu.extras import threads

few = settings(derandomize=True, deadline=None, max_examples=3 if "NUMBA_DISABLE_JIT" in os.environ else 12)


def some(sizes, dtype=np.float64):
    return [tg.Tensor(np.ones(size, dtype), requires_grad=True, name=f"p{i}") for i, size in enumerate(sizes)]


# --- l2 ------------------------------------------------------------------------------------------------------------


@every_dtype
@every_row
def test_l2_is_a_term_of_the_gradient(cls, reference, hyper, torch_row, dtype):
    p0, gradients, rates = problem(60)
    p, q = (tg.Tensor(p0.astype(dtype), requires_grad=True) for _ in "pq")
    got = run(cls([p], l2=0.3, **hyper), p, gradients, rates)
    optimizer = cls([q], **hyper)
    for g, lr, expected in zip(gradients.astype(dtype), rates, got):
        q.grad = g + dtype(0.3) * q.numpy()
        optimizer.lr = float(lr)
        optimizer.step()
        np.testing.assert_array_equal(q.numpy(), expected)


@pytest.mark.oracle
@every_row_of_torch
def test_l2_is_torchs_weight_decay(cls, reference, hyper, torch_row):
    pytest.importorskip("torch")
    if torch_row[0] == "Rprop" or "weight_decay" in torch_row[1]:
        pytest.skip("torch's has no such thing")
    p0, gradients, rates = problem()
    p = tg.Tensor(p0, requires_grad=True)
    got = run(cls([p], l2=0.03, **hyper), p, gradients, rates)
    np.testing.assert_allclose(got, torchs(torch_row, p0, gradients, rates, l2=0.03)[0], rtol=1e-9, atol=1e-11)


@every_separate_row
def test_each_group_has_its_own_l2_and_decay(cls, reference, hyper, torch_row):
    gradients = problem(30, size=4)[1]
    for name in {"l2", "weight_decay"} & {*hyper, "l2"}:
        params, alone = some([2, 2]), some([2, 2])
        together = cls([{"params": params[:1], name: 0.2}, {"params": params[1:], name: 0.0}], **hyper)
        apart = [cls([p], **{**hyper, name: value}) for p, value in zip(alone, (0.2, 0.0))]
        for g in gradients:
            params[0].grad, params[1].grad = g[:2], g[2:]
            together.step()
            for p, optimizer, part in zip(alone, apart, (g[:2], g[2:])):
                p.grad = part
                optimizer.step()
        for p, q in zip(params, alone):
            np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert not np.array_equal(params[0].numpy(), params[1].numpy())


# --- clipping ------------------------------------------------------------------------------------------------------

gradient = st.lists(st.floats(-1e3, 1e3), min_size=7, max_size=7).map(np.array)


def with_gradients(g, dtype=np.float64, groups=False):
    a, b, c = some([(2, 2), 1, 2], dtype)
    optimizer = tg.SGD([{"params": [a, b]}, {"params": [c], "lr": 0.5}] if groups else [a, b, c], lr=1.0)
    g = g.astype(dtype)
    a.grad, b.grad, c.grad = g[:4].reshape(2, 2), g[4:5], g[5:]
    return optimizer


@every_dtype
@settings(derandomize=True, deadline=None, max_examples=50)
@given(g=gradient, most=st.floats(1e-3, 1e4), groups=st.booleans())
def test_clip_norm_returns_the_norm_and_shortens_all_gradients_together(dtype, g, most, groups):
    g = g.astype(dtype)
    optimizer = with_gradients(g, dtype, groups)
    norm = math.sqrt(math.fsum(float(x) ** 2 for x in g))
    got = optimizer.clip_norm(most)
    assert got == pytest.approx(norm, rel=1e-15, abs=0)
    factor = min(1, most / (norm + 1e-6))
    after = optimizer.buffer.grad
    np.testing.assert_allclose(after, g * factor, rtol=4 * np.finfo(dtype).eps)
    if factor == 1:
        np.testing.assert_array_equal(after, g)
    optimizer.step()
    np.testing.assert_allclose(optimizer.buffer.data[:5], (1 - after)[:5])


@pytest.mark.oracle
@settings(derandomize=True, deadline=None, max_examples=50)
@given(g=gradient, most=st.floats(1e-3, 1e4))
def test_clip_norm_and_clip_value_are_torchs(g, most):
    torch = pytest.importorskip("torch")
    theirs = [torch.zeros(n, dtype=torch.float64) for n in (4, 1, 2)]
    for ours, function in (
        (tg.Optimizer.clip_norm, torch.nn.utils.clip_grad_norm_),
        (tg.Optimizer.clip_value, torch.nn.utils.clip_grad_value_),
    ):
        for p, part in zip(theirs, (g[:4], g[4:5], g[5:])):
            p.grad = torch.tensor(part)
        optimizer = with_gradients(g)
        got, expected = ours(optimizer, most), function(theirs, most)
        assert got is None or got == pytest.approx(expected.item(), rel=1e-14, abs=0)
        np.testing.assert_allclose(optimizer.buffer.grad, np.concatenate([p.grad for p in theirs]), rtol=1e-14)


def test_clip_norm_has_the_same_bits_however_the_parameters_came():
    g = np.random.default_rng(0).standard_normal(7)
    straight = with_gradients(g).clip_norm(1.0)
    assert with_gradients(g, groups=True).clip_norm(1.0) == straight
    late = with_gradients(g)
    p = late.params[1]
    for _ in range(2):
        late.zero_grad()
        late.params[0].grad = np.ones((2, 2))
        late.step()  # from now on the parameters have different step counts: three calls of the kernel
    late.params[0].grad, p.grad, late.params[2].grad = g[:4].reshape(2, 2), g[4:5], g[5:]
    assert late.clip_norm(1.0) == straight


def test_only_gradients_that_will_be_used_count_and_are_clipped():
    optimizer = with_gradients(np.array([3.0, 0, 0, 0, 100, 4, 0]))
    optimizer.freeze("p1")
    assert optimizer.clip_norm(2.5) == 5
    np.testing.assert_allclose(optimizer.buffer.grad, [1.5, 0, 0, 0, 0, 2, 0], rtol=1e-6)
    optimizer.clip_value(1.25)
    np.testing.assert_allclose(optimizer.buffer.grad, [1.25, 0, 0, 0, 0, 1.25, 0], rtol=1e-6)
    assert optimizer.params[1].grad.tolist() == [100]  # frozen: left as the user set it
    optimizer.zero_grad()
    optimizer.params[2].grad = np.array([-0.5, 7.0])
    assert optimizer.clip_norm(100) == np.sqrt(49.25)
    optimizer.clip_value(1.0)
    assert optimizer.params[2].grad.tolist() == [-0.5, 1]
    assert optimizer.params[0].grad is None


@pytest.mark.parametrize(("bad", "norm"), [(np.nan, np.nan), (np.inf, np.inf), (-np.inf, np.inf)])
def test_a_norm_that_is_not_finite_changes_nothing_and_the_step_refuses(bad, norm):
    g = np.array([3.0, 0, 0, 0, bad, 4, 0])
    optimizer = with_gradients(g)
    np.testing.assert_equal(optimizer.clip_norm(1.0), norm)
    np.testing.assert_array_equal(optimizer.buffer.grad, g)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="gradient of p1 holds"):
        optimizer.step()


@pytest.mark.parametrize("clip", [tg.Optimizer.clip_norm, tg.Optimizer.clip_value])
def test_clipping_checks_its_limit_and_needs_gradients(clip):
    optimizer = with_gradients(np.ones(7))
    for most in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"most = {most}, but it has to be a finite number above 0"):
            clip(optimizer, most)
    with pytest.raises(TypeError, match="most is a number, got str"):
        clip(optimizer, "1")
    optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="found no gradient"):
        clip(optimizer, 1.0)


def test_float32_gradients_are_squared_in_float64():
    for size in (1e25, 1e-25):
        g = np.array([3.0, 0, 0, 0, 4, 0, 0]) * size
        assert with_gradients(g, np.float32).clip_norm(1e30) == pytest.approx(5 * size, rel=1e-6, abs=0)


# --- freezing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "frozen"),
    [
        ("layers.0.W", {"layers.0.W"}),
        ("layers.0", {"layers.0.W", "layers.0.b"}),
        ("layers", {"layers.0.W", "layers.0.b", "layers.2.W", "layers.2.b"}),
        ("*.b", {"layers.0.b", "layers.2.b"}),
        ("layers.[0-1].*", {"layers.0.W", "layers.0.b"}),
        ("*", {"layers.0.W", "layers.0.b", "layers.2.W", "layers.2.b"}),
    ],
)
def test_freezing_by_name_beginning_or_pattern(pattern, frozen):
    model = tg.mlp([2, 3, 1], rng=0)
    optimizer = tg.SGD(model, lr=0.5)
    before = {name: p.numpy() for name, p in model.named_parameters().items()}

    def step():
        optimizer.zero_grad()
        (sum((p * p).sum() for p in model.parameters()) + sum(p.sum() for p in model.parameters())).backward()
        optimizer.step()

    optimizer.freeze(pattern)
    if len(frozen) == 4:
        with pytest.raises(RuntimeError, match="all parameters are frozen"):
            step()
        optimizer.unfreeze(pattern)
        frozen = set()
    step()
    moved = {name for name, p in model.named_parameters().items() if not np.array_equal(p.numpy(), before[name])}
    assert moved == set(before) - frozen
    optimizer.unfreeze()
    step()
    assert all(not np.array_equal(p.numpy(), before[name]) for name, p in model.named_parameters().items())


def test_a_beginning_ends_at_a_dot_and_an_unknown_name_is_refused():
    names = ["layers.1.W", "layers.10.W", "layers.1"]
    optimizer = tg.SGD({name: tg.Tensor([1.0], requires_grad=True) for name in names}, lr=0.5)
    optimizer.freeze("layers.1")
    assert optimizer.state_dict()["frozen"].tolist() == [True, False, True]
    for call in (optimizer.freeze, optimizer.unfreeze):
        with pytest.raises(ValueError, match=r"no parameter is called 'layers.2'; there are layers.1.W, layers.10.W"):
            call("layers.2")
    assert optimizer.state_dict()["frozen"].tolist() == [True, False, True]


def test_what_was_frozen_goes_on_where_it_stood_also_after_loading():
    def optimize(resume):
        a, b = two()
        optimizer = tg.Adam([a, b], lr=0.1)
        for t in range(12):
            if t == 3:
                optimizer.freeze("b")
            if t == 5 and resume:
                state = optimizer.state_dict()
                optimizer = tg.Adam([a, b], lr=1.0)
                optimizer.load_state_dict(state)
            if t == 8:
                optimizer.unfreeze("b")
            optimizer.zero_grad()
            ((a * a).sum() + (b * b * (t + 1)).sum()).backward()
            optimizer.step()
        assert optimizer.t == 12
        assert optimizer.state_dict()["steps"].tolist() == [12, 7]
        return a.numpy(), b.numpy()

    straight, resumed = optimize(False), optimize(True)
    np.testing.assert_array_equal(np.concatenate(straight), np.concatenate(resumed))
    b = tg.Tensor([3.0], requires_grad=True)
    alone = tg.Adam([b], lr=0.1)
    for t in (0, 1, 2, 8, 9, 10, 11):
        alone.zero_grad()
        (b * b * (t + 1)).sum().backward()
        alone.step()
    np.testing.assert_array_equal(b.numpy(), straight[1])


SIZES = [2, (1, 3), 1, 2]
patterns = st.lists(st.lists(st.sampled_from("gg.f"), min_size=4, max_size=4), min_size=30, max_size=30)


@pytest.mark.sample(3)
@every_separate_row
def test_any_pattern_of_missing_gradients_and_freezes_is_as_one_optimizer_for_each_parameter(
    cls, reference, hyper, torch_row
):
    """g: has a gradient; f: has one but is frozen; .: has none. Saved and loaded in the middle."""

    @few
    @given(patterns, st.integers(1, 3), st.integers(0, 29))
    def check(plan, cut, saved):
        rng = np.random.default_rng(0)
        params, alone = some(SIZES), some(SIZES)
        own = {"lr": 0.02, "l2": 0.1}

        def build():
            return cls([{"params": params[:cut]}, {"params": params[cut:], **own}], lr=0.01, **hyper)

        together, t = build(), 0
        apart = [cls([p], **{"lr": 0.01, **hyper, **(own if i >= cut else {})}) for i, p in enumerate(alone)]
        for k, line in enumerate(plan):
            together.unfreeze()
            for i, (p, what) in enumerate(zip(params, line)):
                p.grad = g = None if what == "." else rng.standard_normal(p.shape)
                if what == "f":
                    together.freeze(f"p{i}")
                if what == "g":
                    alone[i].grad = g
                    apart[i].step()
            if "g" in line:
                together.step()
                t += 1
            if k == saved:
                state, together = together.state_dict(), build()
                together.load_state_dict(state)
        for p, q in zip(params, alone):
            np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert together.t == t
        assert together.state_dict()["steps"].tolist() == [optimizer.t for optimizer in apart]

    check()


# --- threads ---------------------------------------------------------------------------------------------------------


def test_the_number_of_threads_is_checked():
    for wrong in (0, -1, 1.5, "2", None):
        with pytest.raises(ValueError, match=f"a whole number, at least 1; got {wrong!r}"):
            tg.set_num_threads(wrong)
    assert threads.threads == int(os.environ.get("TINYGRAD_EDU_THREADS", threads.CORES))
    try:
        tg.set_num_threads(np.int64(3))
        assert threads.threads == 3
    finally:
        tg.set_num_threads(threads.CORES)


@pytest.mark.parametrize("place", [0, 3, 4, 5, 9])
def test_every_threads_slice_is_looked_at(place, monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(threads, "threads", 3)
    (p,) = some([10])
    optimizer = tg.SGD([p])
    p.grad = np.where(np.arange(10) == place, np.nan, 1.0)
    with pytest.raises(ValueError, match=rf"gradient of p0 holds nan at \[{place}\], 1 of its 10"):
        optimizer.step()
    p.grad = np.ones(10)
    optimizer.step()


def test_the_environment_can_set_the_number_of_threads():
    code = """
import os, sys
for text, number in (("3", 3), ("1", 1), ("0", None), ("two", None), ("-1", None), ("1.5", None), ("", None)):
    os.environ["TINYGRAD_EDU_THREADS"] = text
    sys.modules.pop("tinygrad_edu.extras.threads", None)
    try:
        import tinygrad_edu.extras.threads
        got = sys.modules["tinygrad_edu.extras.threads"].threads
    except ValueError as error:
        got = None
        assert str(error) == f"TINYGRAD_EDU_THREADS is a whole number, at least 1; got {text!r}", error
    assert got == number, (text, got)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
