"""Averages against the sums that they are, written out; against PyTorch's; and what the with block puts back."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import kernels, threads

every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every_decay = pytest.mark.parametrize(("decay", "debias"), [(0.9, True), (0.9, False), (None, True), (0.0, True)])

# --- the moving average of a signal ----------------------------------------------------------------------------------


def weighted_sum(signal, beta):
    """V after the last value: each value times (1 - beta) beta^(steps ago)."""
    return sum((1 - beta) * beta**k * x for k, x in enumerate(reversed(signal)))


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_a_moving_average_is_the_weighted_sum_of_all_values(beta, shape):
    signal = list(np.random.default_rng(0).standard_normal((50, *shape)))
    plain, corrected = tg.MovingAverage(beta, bias_correction=False), tg.MovingAverage(beta)
    for t in range(1, 51):
        V = weighted_sum(signal[:t], beta)
        np.testing.assert_allclose(plain.update(signal[t - 1]), V, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(corrected.update(signal[t - 1]), V / (1 - beta**t), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(corrected.V, V, rtol=1e-12, atol=1e-15)  # what is corrected is never stored
    assert corrected.t == 50
    np.testing.assert_array_equal(corrected.value, corrected.value)  # reading changes nothing


def test_the_average_of_a_constant_is_the_constant_and_without_correction_it_starts_near_0():
    np.testing.assert_allclose(list(tg.MovingAverage(0.99).over([5.0] * 100)), 5, rtol=1e-12)
    without = list(tg.MovingAverage(0.99, bias_correction=False).over([5.0] * 100))
    np.testing.assert_allclose(without, [5 * (1 - 0.99**t) for t in range(1, 101)], rtol=1e-12)


def test_the_weights_are_those_of_the_values_newest_first():
    signal = list(np.random.default_rng(1).standard_normal(20))
    for correction in (False, True):
        average = tg.MovingAverage(0.8, correction)
        *_, last = average.over(signal)
        np.testing.assert_allclose(average.weights(20) @ signal[::-1], last, rtol=1e-12)
    np.testing.assert_allclose(tg.MovingAverage(0.8).weights(7).sum(), 1, rtol=1e-15)


@pytest.mark.parametrize("beta", [0.9, 0.98, 0.99, 0.999])
def test_one_over_one_minus_beta_is_a_time_constant_and_not_a_number_of_values(beta):
    weights = tg.MovingAverage(beta, bias_correction=False).weights(100_000)
    n = round(1 / (1 - beta))
    assert 0.632 < weights[:n].sum() < 0.652  # and not 1
    as_steady = 1 / (weights**2).sum()  # independent values: variance times the sum of squares, 1/n for a plain mean
    np.testing.assert_allclose(as_steady, (1 + beta) / (1 - beta), rtol=1e-9)


def test_an_average_of_arrays_keeps_their_dtype_and_nothing_of_theirs():
    x = np.ones(3, np.float32)
    average = tg.MovingAverage(0.5, bias_correction=False)
    first = average.update(x)
    assert first.dtype == np.float32
    x[:] = 7
    first[:] = 9
    np.testing.assert_array_equal(average.value, [0.5] * 3)
    assert average.update(tg.Tensor([1, 1, 1])).tolist() == [0.75] * 3


def test_mistakes_with_a_moving_average_are_named():
    average = tg.MovingAverage()
    with pytest.raises(ValueError, match="no average yet"):
        _ = average.value
    average.update([1.0, 2.0])
    with pytest.raises(ValueError, match=r"so far have shape \(2,\), this one has \(3,\)"):
        average.update([1.0, 2.0, 3.0])
    for wrong in ("x", None, 1j, ["x", "y"]):
        with pytest.raises(TypeError, match=r"^x (is|holds) "):
            average.update(wrong)
    assert average.t == 1
    assert repr(average) == "MovingAverage(beta=0.9, bias_correction=True, t=1)"
    for beta, error in [(1, ValueError), (-0.1, ValueError), (float("nan"), ValueError), ("0.9", TypeError)]:
        with pytest.raises(error, match="beta"):
            tg.MovingAverage(beta)


# --- the average of weights ------------------------------------------------------------------------------------------


def backward_pass(steps, dtype=np.float64, cls=tg.SGD, **hyper):
    """Two parameters that an optimizer moves at random, and one step at a time where they are."""
    rng = np.random.default_rng(0)
    a = tg.Tensor(rng.standard_normal((2, 3)).astype(dtype), requires_grad=True, name="a")
    b = tg.Tensor(rng.standard_normal(2).astype(dtype), requires_grad=True, name="b")
    optimizer = cls([a, b], lr=0.1, **hyper)

    def step():
        for p in (a, b):
            p.grad = rng.standard_normal(p.shape).astype(dtype)
        optimizer.step()
        return np.concatenate([a.numpy().ravel(), b.numpy()]).astype(float)

    return optimizer, (step() for _ in range(steps))


def expected(points, decay, debias):
    """From the definitions: a mean, a debiased average that starts at 0, or one that starts at the first point."""
    if decay is None:
        return np.mean(points, axis=0)
    if debias:
        e = np.zeros_like(points[0])
        for point in points:
            e = decay * e + (1 - decay) * point
        return e / (1 - decay ** len(points))
    e = points[0]
    for point in points[1:]:
        e = decay * e + (1 - decay) * point
    return e


@every_dtype
@every_decay
def test_the_average_of_the_weights_is_that_of_the_definition(decay, debias, dtype):
    optimizer, steps = backward_pass(200, dtype)
    average, points = tg.WeightAverage(optimizer, decay, debias), []
    for point in steps:
        average.update()
        points.append(point)
        tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose(average.average, expected(points, decay, debias), **tolerance)
    assert average.average.dtype == dtype
    assert average.t == 200


@pytest.mark.oracle
@pytest.mark.parametrize("decay", [0.999, 0.9, None])
def test_the_average_equals_torchs(decay):
    torch = pytest.importorskip("torch")
    swa_utils = torch.optim.swa_utils
    optimizer, steps = backward_pass(60)
    average = tg.WeightAverage(optimizer, decay, debias=False)
    theirs = torch.nn.Linear(4, 2, dtype=torch.float64)  # 8 weights, as ours
    theirs.bias = None
    how = {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(decay)} if decay else {}
    model = swa_utils.AveragedModel(theirs, **how)
    for point in steps:
        with torch.no_grad():
            theirs.weight.copy_(torch.tensor(point.reshape(2, 4)))
        model.update_parameters(theirs)
        average.update()
        np.testing.assert_allclose(average.average, model.module.weight.detach().numpy().ravel(), rtol=1e-12)


@pytest.mark.parametrize("decay", [0.99, None])
def test_sgd_jitters_around_the_minimum_and_the_average_lies_nearer(decay):
    """Gradients of (p - 3)²/2 with noise of variance 1: p keeps the variance lr / (2 - lr), which AR(1) gives."""
    rng = np.random.default_rng(0)
    p = tg.Tensor(np.full(500, 3.0), requires_grad=True)  # 500 runs side by side, from the minimum
    optimizer = tg.SGD([p], lr=0.5)
    average = tg.WeightAverage(optimizer, decay)
    for _ in range(400):
        p.grad = p.numpy() - 3 + rng.standard_normal(500)
        optimizer.step()
        average.update()
    last = np.mean((p.numpy() - 3) ** 2)
    with average:
        averaged = np.mean((p.numpy() - 3) ** 2)
    np.testing.assert_allclose(last, 0.5 / 1.5, rtol=0.2)
    assert averaged < last / 20


@pytest.fixture
def threads_as_before():
    yield
    tg.set_num_threads(threads.CORES)


@pytest.mark.usefixtures("threads_as_before")
@every_decay
def test_threads_give_the_same_bits(decay, debias, monkeypatch):
    real, sizes = threads.machine_code, []

    def counted(rule, arrays, dtype):
        code = real(rule, arrays, dtype)
        return (lambda a, p, weight: sizes.append(a.size) or code(a, p, weight)) if rule is kernels.average else code

    def end():
        sizes.clear()
        optimizer, steps = backward_pass(5)
        average = tg.WeightAverage(optimizer, decay, debias)
        for _ in steps:
            average.update()
        return average.average

    monkeypatch.setattr(threads, "machine_code", counted)
    tg.set_num_threads(1)
    alone = end()
    assert sizes == [8] * 5
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(threads, "GRAIN", 1)
    monkeypatch.setattr(threads, "EACH", 1)
    tg.set_num_threads(3)
    shared = end()
    assert sorted(sizes) == [2] * 5 + [3] * 10
    np.testing.assert_array_equal(shared, alone)


# --- in the parameters' place ----------------------------------------------------------------------------------------


def averaged():
    optimizer, steps = backward_pass(3)
    average = tg.WeightAverage(optimizer, decay=None)
    for _ in steps:
        average.update()
    return optimizer, average, optimizer.buffer.data.copy()


def test_inside_the_block_the_parameters_are_the_averages_and_then_themselves_again():
    optimizer, average, own = averaged()
    a, b = optimizer.params
    with average as entered:
        assert entered is average
        np.testing.assert_array_equal(np.concatenate([a.numpy().ravel(), b.numpy()]), average.average)
        assert not np.array_equal(average.average, own)
    np.testing.assert_array_equal(optimizer.buffer.data, own)

    def inside():
        with average:
            raise KeyError("something went wrong")

    with pytest.raises(KeyError):
        inside()
    np.testing.assert_array_equal(optimizer.buffer.data, own)
    with average:  # and it can be entered again
        np.testing.assert_array_equal(optimizer.buffer.data, average.average)


def test_two_averages_of_one_optimizer_can_be_nested():
    optimizer, average, own = averaged()
    other = tg.WeightAverage(optimizer, decay=0.5)
    other.update()
    with average:
        with other:
            np.testing.assert_array_equal(optimizer.buffer.data, own)
        np.testing.assert_array_equal(optimizer.buffer.data, average.average)
    np.testing.assert_array_equal(optimizer.buffer.data, own)


@pytest.mark.parametrize("held", [False, True])
def test_a_graph_recorded_with_other_values_is_refused(held):
    optimizer, average, _ = averaged()
    a, _ = optimizer.params
    if held:
        _ = a.data  # from now on changes through this array are watched
    outside = (a * a).sum()
    with average:
        with pytest.raises(RuntimeError, match=r"a \(2, 3\) was changed after"):
            outside.backward()
        inside = (a * a).sum()
    with pytest.raises(RuntimeError, match=r"a \(2, 3\) was changed after"):
        inside.backward()
    (a * a).sum().backward()


def nest(average):
    with average, average:
        pass


def update_inside(average):
    with average:
        average.update()


def step_inside(average):
    with average:
        average.optimizer.step()


def move_away(average):
    a, b = average.optimizer.params
    tg.SGD([b, a])
    average.update()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (nest, "in the parameters' place already"),
        (update_inside, "update.. belongs after the with block"),
        (step_inside, "stepped inside the with block, from the averages"),
        (move_away, "now lies in another optimizer's buffer"),
    ],
)
def test_a_wrong_use_is_refused_and_the_weights_are_kept(use, message):
    optimizer, average, own = averaged()
    before = average.average.copy()
    with pytest.raises(RuntimeError, match=message):
        use(average)
    np.testing.assert_array_equal(optimizer.buffer.data, own)
    np.testing.assert_array_equal(average.average, before)
    assert average.t == 3


def test_what_cannot_be_averaged_is_refused():
    optimizer, _, _ = averaged()
    with pytest.raises(TypeError, match=r"an optimizer such as tg\.Adam, got Sequential"):
        tg.WeightAverage(tg.mlp([2, 1]))
    with pytest.raises(ValueError, match="decay = 1, but it has to be at least 0 and below 1"):
        tg.WeightAverage(optimizer, decay=1)
    with pytest.raises(RuntimeError, match=r"no average yet: call update\(\)"), tg.WeightAverage(optimizer):
        pass


def test_running_statistics_are_not_averaged():
    model = tg.Sequential(tg.Linear(2, 3, rng=0), tg.BatchNorm1d(3))
    optimizer = tg.SGD(model, lr=0.1)
    average = tg.WeightAverage(optimizer, decay=None)
    for _ in range(3):
        optimizer.zero_grad()
        (model(np.random.default_rng(0).standard_normal((8, 2))) ** 2).sum().backward()
        optimizer.step()
        average.update()
    names = set(optimizer.names)
    own = {name: np.copy(value) for name, value in model.state_dict().items()}
    with average:
        inside = {name: np.copy(value) for name, value in model.state_dict().items()}
    same = {name for name in own if np.array_equal(own[name], inside[name])}
    assert same >= set(own) - names != set()
    assert "layers.0.W" not in same


# --- saving ----------------------------------------------------------------------------------------------------------


@every_decay
def test_a_resumed_average_is_bit_identical(decay, debias, tmp_path):
    optimizer, steps = backward_pass(40)
    straight, first = (tg.WeightAverage(optimizer, decay, debias) for _ in "ab")
    for t, _ in enumerate(steps, start=1):
        straight.update()
        first.update()
        if t == 17:
            np.savez(tmp_path / "average.npz", **first.state_dict())
            first = tg.WeightAverage(optimizer, decay, debias)
            with np.load(tmp_path / "average.npz") as state:
                first.load_state_dict(state)
    assert first.t == 40
    np.testing.assert_array_equal(first.average, straight.average)


def test_a_state_that_does_not_fit_is_refused_and_says_why():
    optimizer, average, _ = averaged()
    state = average.state_dict()
    for other, here, there in [
        (tg.WeightAverage(optimizer, decay=0.9), "decay=0.9", "decay=None"),
        (tg.WeightAverage(backward_pass(0, np.float32)[0], decay=None), "in float32", "in float64"),
        (tg.WeightAverage(tg.SGD(optimizer.params[:1]), decay=None), "nothing", r"b \(2,\)"),
    ]:
        with pytest.raises(ValueError, match=f"it has .*{there}.* where this one has .*{here}"):
            other.load_state_dict(state)
    with pytest.raises(ValueError, match=r"it has no t$"):
        average.load_state_dict({key: value for key, value in state.items() if key != "t"})
    tg.WeightAverage(backward_pass(0, cls=tg.Adam)[0], decay=None).load_state_dict(state)  # the rule does not matter


def test_parameters_that_moved_are_refused_before_the_block():
    p, q = (tg.Tensor([1.0], requires_grad=True) for _ in "pq")
    average = tg.WeightAverage(tg.SGD([p, q]))
    average.update()
    tg.SGD([q, p])
    with pytest.raises(RuntimeError, match="another optimizer's buffer"), average:
        pass


def test_no_average_takes_in_another():
    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = tg.SGD([p], lr=1.0)
    one, other = tg.WeightAverage(optimizer), tg.WeightAverage(optimizer)
    one.update()
    with one, pytest.raises(RuntimeError, match="belongs after the with block"):
        other.update()
    other.update()
    state = {**other.state_dict(), "average": np.zeros(2)}
    with pytest.raises(ValueError, match="the average has shape"):
        one.load_state_dict(state)
