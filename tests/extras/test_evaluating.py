"""Rules that evaluate again: L-BFGS, Polyak's step, SAM, Lookahead, each beside a loop by hand."""

import copy

import naive
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.evaluating import wolfe

rng = np.random.default_rng(0)
ROOT = rng.standard_normal((6, 6))
A, B = ROOT @ ROOT.T + np.eye(6), rng.standard_normal(6)


def quadratic(p):
    return ((p @ A) * p).sum() / 2 - (p * B).sum()


def banana(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def closing(optimizer, p, f):
    def closure():
        optimizer.zero_grad()
        loss = f(p)
        loss.backward()
        return loss

    return closure


def test_lbfgs_ends_on_a_quadratic_after_as_many_steps_as_there_are_numbers():
    """With an exact search its directions are conjugate."""
    p = tg.Tensor(np.ones(6), requires_grad=True)
    optimizer = tg.LBFGS([p], curvature=1e-12)
    closure = closing(optimizer, p, quadratic)
    for _ in range(6):
        assert not np.allclose(p.numpy(), np.linalg.solve(A, B), atol=1e-6)
        optimizer.step(closure)
    np.testing.assert_allclose(p.numpy(), np.linalg.solve(A, B), atol=1e-10)


def test_lbfgs_finds_the_end_of_the_banana():
    p = tg.Tensor([-1.2, 1.0], requires_grad=True)
    optimizer = tg.LBFGS([p])
    losses = [optimizer.step(closing(optimizer, p, banana)) for _ in range(45)]
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < 1e-20


def test_the_length_has_wolfes_conditions():
    """For loss functions of one length, among them one whose first length is far too short or too long."""
    for f, df in (
        (lambda a: (a - 3) ** 4, lambda a: 4 * (a - 3) ** 3),
        (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
        (lambda a: np.exp(a) - 5 * a, lambda a: np.exp(a) - 5),
        (lambda a: np.cos(3 * a) + a * a / 2 - a, lambda a: -3 * np.sin(3 * a) + a - 1),
    ):
        for first in (1e-3, 1.0, 50.0):
            for curvature in (0.9, 0.1, 1e-3):
                with np.errstate(over="ignore"):
                    a = wolfe(lambda a: (f(a), df(a)), f(0.0), df(0.0), first, 1e-4, curvature)  # noqa: B023
                assert f(a) <= f(0.0) + 1e-4 * a * df(0.0)
                assert abs(df(a)) <= curvature * abs(df(0.0))


@pytest.mark.oracle
def test_lbfgs_without_a_search_takes_torchs_steps():
    torch = pytest.importorskip("torch")
    f = lambda p: quadratic(p) + (p**4).sum() / 10
    p, q = tg.Tensor(np.ones(6), requires_grad=True), torch.ones(6, dtype=torch.float64, requires_grad=True)
    ours = tg.LBFGS([p], lr=0.3, history=5, search=False)
    theirs = torch.optim.LBFGS([q], lr=0.3, max_iter=1, history_size=5, tolerance_grad=0, tolerance_change=0)

    def closure():
        theirs.zero_grad()
        loss = q @ torch.tensor(A) @ q / 2 - q @ torch.tensor(B) + (q**4).sum() / 10
        loss.backward()
        return loss

    for _ in range(40):
        np.testing.assert_allclose(ours.step(closing(ours, p, f)), theirs.step(closure).item(), rtol=1e-10)
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_a_resumed_lbfgs_goes_on_bit_for_bit_and_leaves_frozen_parameters():
    def run(steps, p, optimizer):
        for _ in range(steps):
            optimizer.step(closing(optimizer, p, banana))
        return p.numpy()

    p = tg.Tensor([-1.2, 1.0], requires_grad=True, name="p")
    first = tg.LBFGS([p], history=3)
    run(5, p, first)
    q = tg.Tensor(p.numpy(), requires_grad=True, name="p")
    second = tg.LBFGS([q], history=3)
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(run(5, p, first), run(5, q, second))

    a, b = (tg.Tensor([2.0], requires_grad=True, name=name) for name in "ab")
    optimizer = tg.LBFGS([a, b])
    optimizer.freeze("b")
    for _ in range(5):
        optimizer.step(closing(optimizer, a, lambda a: (a * a * (b + 1)).sum()))
    assert b.item() == 2
    assert abs(a.item()) < 1e-6


def test_lbfgs_with_l2_has_the_minimum_of_the_regularised_loss():
    p = tg.Tensor(np.ones(6), requires_grad=True)
    optimizer = tg.LBFGS([p], l2=0.5)
    for _ in range(25):
        optimizer.step(closing(optimizer, p, quadratic))
    np.testing.assert_allclose(p.numpy(), np.linalg.solve(A + 0.5 * np.eye(6), B), atol=1e-7)


def test_a_gradient_that_is_not_finite_is_refused_and_moves_nothing():
    p = tg.Tensor([1.0, 2.0], requires_grad=True, name="p")
    optimizer = tg.LBFGS([p])

    def closure():
        p.grad = np.array([1.0, np.nan])
        return 1.0

    with pytest.raises(ValueError, match="the gradient of p holds nan"):
        optimizer.step(closure)
    assert p.numpy().tolist() == [1, 2]


def test_polyaks_step_on_a_cone_is_exact_and_no_longer_than_lr():
    p = tg.Tensor([3.0, 4.0], requires_grad=True)
    optimizer = tg.PolyakSGD([p], lr=1e9)
    loss = (p * p).sum() ** 0.5
    loss.backward()
    optimizer.step(loss)
    np.testing.assert_allclose(p.numpy(), 0, atol=1e-12)
    p = tg.Tensor([3.0], requires_grad=True)
    for lr, least, expected in ((0.1, 0.0, 3 - 0.1 * 6), (1.0, 8.0, 3 - 1 / 36 * 6)):
        p.data = [3.0]
        p.grad = np.array([6.0])
        tg.PolyakSGD([p], lr=lr, least_loss=least).step(9.0)
        np.testing.assert_allclose(p.item(), expected)


def test_momo_is_polyak_with_averages_and_can_be_resumed():
    """Schaipp et al. 2023, algorithm 1, by hand."""
    p = tg.Tensor(np.ones(6), requires_grad=True, name="p")
    optimizer, w, v, loss, dot = tg.Momo([p], beta=0.8, least_loss=-20.0, lr=0.27), np.ones(6), 0, 0, 0
    rates = []
    for k in range(30):
        value, g = w @ A @ w / 2 - w @ B, A @ w - B
        old = 0.8 if k else 0.0
        v, loss, dot = old * v + (1 - old) * g, old * loss + (1 - old) * value, old * dot + (1 - old) * g @ w
        rates.append(max(loss + 20 - dot + v @ w, 0) / (v @ v))
        w = w - min(0.27, rates[-1]) * v
        optimizer.step(closing(optimizer, p, quadratic)())
        np.testing.assert_allclose(p.numpy(), w, rtol=1e-9)
        if k == 11:
            state = optimizer.state_dict()
            optimizer = tg.Momo([p])
            optimizer.load_state_dict(state)
    assert min(rates) < 0.27 < max(rates)


@pytest.mark.parametrize("make", [lambda ps: tg.Adam(ps, lr=0.1), lambda ps: tg.HeavyBall(ps, lr=0.01)])
def test_sam_is_a_step_with_the_gradient_of_the_worse_point(make):
    start = np.array([0.5, -1.0, 2.0])
    gradient = lambda w: 4 * w**3 + w
    p, q = (tg.Tensor(start, requires_grad=True) for _ in "pq")
    ours, plain = tg.SAM(make([p]), rho=0.2), make([q])
    for _ in range(20):
        ours.step(closing(ours, p, lambda p: (p**4 + p * p / 2).sum()))
        g = gradient(q.numpy())
        q.grad = gradient(q.numpy() + 0.2 * g / np.sqrt((g**2).sum()))
        plain.step()
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-12)
    assert ours.lr == plain.lr  # all else is the optimizer's


def test_after_an_error_at_the_worse_point_the_parameters_are_back():
    p = tg.Tensor([1.0], requires_grad=True)
    optimizer, calls = tg.SAM(tg.SGD([p], lr=0.1)), []

    def closure():
        calls.append(p.item())
        if len(calls) > 1:
            raise KeyboardInterrupt
        p.grad = np.ones(1)
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert calls == [1, 1.05]
    assert p.item() == 1


def test_lookahead_is_the_loop_of_the_paper_and_can_be_resumed():
    def run(optimizer, p, gradients):
        for g in gradients:
            p.grad = np.array(g)
            optimizer.step()
        return p.numpy()

    gradients = rng.standard_normal((23, 3))
    p = tg.Tensor(np.ones(3), requires_grad=True)
    optimizer = tg.Lookahead(tg.SGD([p], lr=0.1), every=4, alpha=0.3)
    slow = fast = np.ones(3)
    for k, g in enumerate(gradients, start=1):
        fast = fast - 0.1 * g
        if k % 4 == 0:
            slow = fast = slow + 0.3 * (fast - slow)
        np.testing.assert_allclose(run(optimizer, p, [g]), fast, rtol=1e-12)
        if k == 10:
            q = tg.Tensor(p.numpy(), requires_grad=True)
            resumed = tg.Lookahead(tg.SGD([q]), every=4, alpha=0.3)
            resumed.load_state_dict(optimizer.state_dict())
    np.testing.assert_array_equal(run(resumed, q, gradients[10:]), p.numpy())
    np.testing.assert_array_equal(copy.deepcopy(optimizer).slow, optimizer.slow)


def test_centralized_gradients_have_a_mean_of_0_for_each_output():
    W, b = (
        tg.Tensor(np.ones((4, 3), np.float32), requires_grad=True),
        tg.Tensor(np.ones(3, np.float32), requires_grad=True),
    )
    optimizer, g = tg.SGD([W, b], lr=1.0), rng.standard_normal((4, 3)).astype(np.float32)
    W.grad, b.grad = g, g[0]
    optimizer.centralize()
    np.testing.assert_allclose(W.grad, g - g.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(b.grad, g[0])


def test_noise_is_of_the_stated_variance_and_fades():
    p = tg.Tensor(np.zeros(20_000), requires_grad=True)
    optimizer, noise = tg.SGD([p], lr=0.0), np.random.default_rng(0)
    for t in (1, 2, 3):
        p.grad = np.full(20_000, 5.0)
        optimizer.add_noise(eta=0.3, gamma=2.0, rng=noise)
        np.testing.assert_allclose(p.grad.mean(), 5, atol=0.02)
        np.testing.assert_allclose(p.grad.var(), 0.3 / t**2, rtol=0.03)
        optimizer.step()


SIZES = np.array([100.0, 3.0, 0.01, -4.0])  # the curvatures of `bowl` at its middle


def bowl(p):
    return (p * p * SIZES).sum() / 2 + (p**4).sum() / 4


def test_sophia_is_the_paper_with_exact_curvatures_and_can_be_resumed():
    """Where the Hessian is diagonal, u · (H u) is its diagonal, whatever the signs of u."""
    hyper = {"beta1": 0.8, "beta2": 0.7, "gamma": 0.5, "eps": 1e-3, "weight_decay": 0.1, "every": 4}
    p = tg.Tensor(np.full(4, 2.0), requires_grad=True, name="p")
    optimizer, w, gradients, curvatures = tg.Sophia([p], lr=0.05, **hyper), np.full(4, 2.0), [], []
    for k in range(30):
        gradients.append(SIZES * w + w**3)
        curvatures += [SIZES + 3 * w**2] * (k % 4 == 0)
        w = naive.sophia(np.full(4, 2.0), gradients, [0.05] * 30, curvatures, **hyper)[-1]
        optimizer.step(closing(optimizer, p, bowl))
        np.testing.assert_allclose(p.numpy(), w, rtol=1e-12)
        if k == 10:
            state = optimizer.state_dict()
            q = tg.Tensor(p.numpy(), requires_grad=True, name="p")
            resumed = tg.Sophia([q])
            resumed.load_state_dict(state)
    for _ in range(19):
        resumed.step(closing(resumed, q, bowl))
    np.testing.assert_array_equal(q.numpy(), p.numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_of_sophias_estimates_is_the_diagonal_of_the_hessian(dtype):
    """Of a matrix with numbers beside the diagonal an estimate scatters, with a known deviation."""
    H, found = (A + A.T).astype(dtype), []
    p = tg.Tensor(np.ones(6, dtype), requires_grad=True, name="p")
    for seed in range(400):
        optimizer = tg.Sophia([p], beta2=0.0, seed=seed)
        optimizer.estimate(closing(optimizer, p, lambda p: ((p @ H) * p).sum() / 2))
        found.append(optimizer.h.copy())
    assert found[0].dtype == dtype
    beside = H - np.diag(np.diag(H))
    np.testing.assert_allclose(np.std(found, axis=0), np.sqrt((beside**2).sum(axis=1)), rtol=0.2)
    np.testing.assert_array_less(abs(np.mean(found, axis=0) - np.diag(H)), np.std(found, axis=0) / 4)


def test_the_optimizers_hvp_is_the_slope_of_its_gradient():
    """By central differences, over a network with running means, which it leaves alone."""
    X, y = tg.data.moons(32, rng=0)
    model = tg.Sequential(tg.Linear(2, 5, rng=0), tg.BatchNorm1d(5), tg.mlp([5, 4, 2], "tanh", rng=1))
    optimizer = tg.SGD(model)
    closure = closing(optimizer, model, lambda model: tg.cross_entropy(model(X), y))
    w, v, means = optimizer.buffer.data.copy(), rng.standard_normal(optimizer.buffer.data.size), model[1].running_mean
    before, gradients = means.numpy(), []
    product = optimizer.hvp(closure, v)
    np.testing.assert_array_equal(means.numpy(), before)
    for way in (1e-5, -1e-5):
        optimizer.buffer.data[:] = w + way * v
        closure()
        gradients.append(optimizer.buffer.grad.copy())
    np.testing.assert_allclose(product, (gradients[0] - gradients[1]) / 2e-5, atol=1e-7)
    with pytest.raises(ValueError, match=r"the vector has shape \(3,\)"):
        optimizer.hvp(closure, np.ones(3))


def test_a_frozen_parameter_and_one_without_a_gradient_stay_as_they_are():
    a, b, c = (tg.Tensor([2.0], requires_grad=True, name=name) for name in "abc")
    optimizer = tg.Sophia([{"params": [a, b]}, {"params": [c], "beta2": 0.5}])
    optimizer.freeze("b")
    with pytest.warns(UserWarning, match="no gradient came to c"):
        optimizer.step(closing(optimizer, a, lambda a: (a * a * b).sum()))
    assert (b.item(), c.item(), optimizer.h[1:].tolist()) == (2, 2, [0, 0])
    assert a.item() < 2


def test_what_is_missing_is_said():
    p = tg.Tensor([1.0], requires_grad=True)
    for optimizer in (tg.LBFGS([p]), tg.SAM(tg.SGD([p])), tg.Sophia([p])):
        with pytest.raises(TypeError, match="evaluates the loss again: step\\(closure\\)"):
            optimizer.step()
    with pytest.raises(TypeError, match="needs the loss of this step"):
        tg.PolyakSGD([p]).step()
    with pytest.raises(ValueError, match="takes one group"):
        tg.LBFGS([{"params": [p]}, {"params": [tg.Tensor([1.0], requires_grad=True)]}])
    with pytest.raises(ValueError, match="rho = -1"):
        tg.SAM(tg.SGD([p]), rho=-1)
    with pytest.raises(ValueError, match="every is at least 1"):
        tg.Lookahead(tg.SGD([p]), every=0)


def test_compile_step_refuses_them_by_name():
    X, y = tg.data.moons(16, rng=0)
    model = tg.mlp([2, 3, 2], rng=0)
    for cls in (tg.LBFGS, tg.PolyakSGD, tg.Momo, tg.Sophia):
        with pytest.raises(tg.CannotCompile, match=f"{cls.__name__} has a step\\(\\) of its own"):
            tg.compile_step(model, tg.cross_entropy, cls(model), X, y, quiet=True)
