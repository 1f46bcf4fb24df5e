"""The update rules on quadratics, and on problems that defeat them: published rates, limits and counterexamples."""

import os

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rules_table import path

import tinygrad_edu as tg

many = settings(derandomize=True, deadline=None, max_examples=20 if "NUMBA_DISABLE_JIT" in os.environ else 100)
sizes = st.floats(1e-3, 1e3).flatmap(lambda x: st.sampled_from([x, -x]))

# --- quadratics: f(p) = curvature · p² / 2 --------------------------------------------------------------------------


def matrix(cls, curvature, **hyper):
    """A step of (p, v) as a matrix: both unit vectors at once, as two parameters."""
    p = tg.Tensor([1.0, 0.0], requires_grad=True)
    optimizer = cls([p], **hyper)
    if not optimizer.state:
        p.grad = curvature * p.numpy()
        optimizer.step()
        return np.diag(p.numpy())
    optimizer.v[:] = 0, 1
    p.grad = curvature * p.numpy()
    optimizer.step()
    return np.array([p.numpy(), optimizer.v])


def rate(cls, curvatures, **hyper):
    """The factor by which the distance shrinks with each late step: the largest eigenvalue over these curvatures."""
    return max(np.abs(np.linalg.eigvals(matrix(cls, curvature, **hyper))).max() for curvature in curvatures)


@pytest.mark.parametrize(
    ("cls", "hyper", "limit"),
    [  # the largest lr · curvature that converges
        (tg.SGD, lambda m: {}, lambda m: 2),
        (tg.HeavyBall, lambda m: {"momentum": m}, lambda m: 2 * (1 + m)),
        (tg.Nesterov, lambda m: {"momentum": m}, lambda m: 2 * (1 + m) / (1 + 2 * m)),
        (tg.Momentum, lambda m: {"beta": m}, lambda m: 2 * (1 + m) / (1 - m)),
    ],
)
@many
@given(m=st.floats(0, 0.95), inside=st.floats(0.01, 1 - 1e-6), outside=st.floats(1 + 1e-6, 3))
def test_up_to_which_lr_a_quadratic_converges(cls, hyper, limit, m, inside, outside):
    assert rate(cls, [4.0], lr=inside * limit(m) / 4, **hyper(m)) < 1
    assert rate(cls, [4.0], lr=outside * limit(m) / 4, **hyper(m)) > 1


@pytest.mark.parametrize(
    ("cls", "lr", "momentum", "expected"),
    [  # curvatures from 1 to 100: the best of each kind (Polyak 1964; Lessard, Recht & Packard 2016)
        (tg.SGD, 2 / 101, {}, 99 / 101),
        (tg.HeavyBall, 4 / (10 + 1) ** 2, {"momentum": (9 / 11) ** 2}, 9 / 11),
        (tg.Nesterov, 1 / 100, {"momentum": 9 / 11}, 1 - 1 / 10),
        (tg.Nesterov, 4 / 301, {"momentum": (301**0.5 - 2) / (301**0.5 + 2)}, 1 - 2 / 301**0.5),
    ],
)
def test_the_published_rates_at_condition_number_100(cls, lr, momentum, expected):
    found = rate(cls, np.linspace(1, 100, 100), lr=lr, **momentum)
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # at a double eigenvalue half of the digits are lost


@many
@given(momentum=st.floats(0.05, 0.95), position=st.floats(0.05, 0.95), start=sizes)
def test_heavy_ball_on_a_quadratic_is_a_damped_oscillation(momentum, position, start):
    low, high = (1 - momentum**0.5) ** 2, (1 + momentum**0.5) ** 2
    lr, curvature = 0.5, 2 * (low + position * (high - low))  # (1 + momentum - lr · curvature)² < 4 · momentum
    p = tg.Tensor([start], requires_grad=True)
    optimizer, got = tg.HeavyBall([p], lr=lr, momentum=momentum), []
    for _ in range(60):
        p.grad = curvature * p.numpy()
        optimizer.step()
        got.append(p.item())
    r = np.sqrt(momentum)
    angle = np.arccos((1 + momentum - lr * curvature) / (2 * r))
    A = start
    B = ((1 - lr * curvature) * start / r - A * np.cos(angle)) / np.sin(angle)
    t = np.arange(1, 61)
    expected = r**t * (A * np.cos(angle * t) + B * np.sin(angle * t))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * abs(start))


@many
@given(momentum=st.floats(0, 0.99), g=sizes)
def test_heavy_ball_down_a_slope_gathers_speed(momentum, g):
    t = np.arange(1, 61)
    expected = 3 - 0.01 * g * (t - momentum * (1 - momentum**t) / (1 - momentum)) / (1 - momentum)
    np.testing.assert_allclose(path(tg.HeavyBall, [[g]] * 60, 3.0, lr=0.01, momentum=momentum).ravel(), expected, 1e-11)


# --- counterexamples -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "hyper", "end"),
    [
        (tg.Adam, {"beta1": 0.0, "beta2": 1 / 17}, 1),
        (tg.RMSprop, {"rho": 1 / 17}, 1),  # Adam without debiasing, as the paper has it
        (tg.AMSGrad, {"beta1": 0.0, "beta2": 1 / 17}, -1),
        (tg.SGD, {}, -1),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_adam_walks_to_the_worst_point_of_reddis_problem_and_amsgrad_to_the_best(cls, hyper, end):
    """Reddi, Kale & Kumar 2018, theorem 1: 4p once, then -p twice, on [-1, 1]; the mean slope is 2 / 3."""
    p = tg.Tensor([0.5], requires_grad=True)
    optimizer = cls([p], lr=lambda t: 0.5 / np.sqrt(t), **hyper)
    for t in range(1, 3001):
        p.grad = np.array([4.0 if t % 3 == 1 else -1.0])
        optimizer.step()
        np.clip(optimizer.buffer.data, -1, 1, out=optimizer.buffer.data)
    np.testing.assert_allclose(p.item(), end, atol=0.02)


def wilson(labels, slots):
    """Samples of Wilson et al. 2017, section 3.3: the label, two ones, five private slots of which 1 or 5 are ones."""
    X = np.zeros((len(labels), 3 + 5 * slots))
    X[:, 0], X[:, 1:3] = labels, 1
    for i, label in enumerate(labels[:slots]):
        X[i, 3 + 5 * i : 3 + 5 * i + (1 if label > 0 else 5)] = 1
    return X


@pytest.mark.parametrize("cls", [tg.Adagrad, tg.RMSprop, tg.Adam, tg.AMSGrad, tg.Adamax, tg.NAdam, tg.SGD])
def test_adaptive_rules_fit_wilsons_data_without_learning_anything(cls):
    train = np.array([1, 1, -1, 1, 1, -1, 1, 1, 1, -1, 1, -1.0])
    X, direction = wilson(train, 12), np.sign(wilson(train, 12).T @ train)
    np.testing.assert_array_equal(X @ direction, 4 * train)  # so all that is on this ray stays on it
    p = tg.Tensor(np.zeros(X.shape[1]), requires_grad=True)
    adaptive = cls is not tg.SGD
    optimizer = cls([p], **({"lr": lambda t: 0.1 * 0.97**t, "eps": 1e-300} if adaptive else {"lr": 0.5}))
    for _ in range(300):
        p.grad = X.T @ (X @ p.numpy() - train) / len(train)
        optimizer.step()
    p = p.numpy()
    np.testing.assert_array_equal(np.sign(X @ p), train)  # no error on what was seen
    new = np.array([1.0, -1.0])
    said = np.sign(wilson(new, 0) @ p[:3])  # private slots of new samples were never seen: 0
    assert said.tolist() == ([1, 1] if adaptive else [1, -1])
    if adaptive:
        np.testing.assert_allclose(p, abs(p[0]) * direction, rtol=1e-12)
