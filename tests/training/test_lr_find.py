"""The range test: it takes the steps that a loop written by hand takes, suggests what that loop would, stops where
nothing more can be learned, and leaves no trace in model and optimizer."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import lr_find as rangetest

X, Y = tg.data.blobs(50, rng=0)  # three classes

# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "batch_size"), [(10, 8), (37, 8), (100, None)])
def test_it_takes_the_steps_of_a_loop_written_by_hand(steps, batch_size):
    model = tg.mlp([2, 3], rng=1)
    W, b = model[0].W.numpy(), model[0].b.numpy()
    found = tg.lr_find(
        model, X, Y, optimizer=tg.SGD(model), low=1e-4, high=3.0, steps=steps, batch_size=batch_size, rng=5
    )

    rng, losses = np.random.default_rng(5), []
    ratio = (3.0 / 1e-4) ** (1 / (steps - 1))
    while len(losses) < steps:
        for xb, yb in tg.batches(X, Y, batch_size, rng=rng):
            if len(xb) == (batch_size or 50) and len(losses) < steps:
                scores = np.exp(xb @ W + b)
                p = scores / scores.sum(axis=1, keepdims=True)
                slope = (p - np.eye(3)[yb]) / len(yb)
                lr = 1e-4 * ratio ** len(losses)
                losses.append(-np.log(p[range(len(yb)), yb]).mean())
                W, b = W - lr * xb.T @ slope, b - lr * slope.sum(axis=0)
    weights = (1 - 10 / steps) ** np.arange(steps) if steps > 10 else np.eye(10)[0]  # of the newest, the one before ...
    smoothed = [np.average(losses[k::-1], weights=weights[: k + 1]) for k in range(steps)]

    assert found.rates == pytest.approx(1e-4 * ratio ** np.arange(steps))
    assert found.losses == pytest.approx(losses, rel=1e-9)
    assert found.smoothed == pytest.approx(smoothed, rel=1e-9)
    least = steps // 10 - 1 + np.argmin(smoothed[steps // 10 - 1 :])
    assert found.suggestion == pytest.approx(1e-4 * ratio**least / 10)


@pytest.mark.parametrize("rule", [tg.SGD, tg.HeavyBall, tg.Adam, tg.RMSprop])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_suggestion_trains(rule, seed):
    X, y = tg.data.moons(200, rng=seed)
    model = tg.mlp([2, 16, 2], rng=seed)
    optimizer = rule(model)
    found = tg.lr_find(model, X, y, optimizer=optimizer, rng=seed)
    optimizer.lr = found.suggestion
    before = tg.evaluate(model, X, y).loss
    tg.fit(model, X, y, optimizer=optimizer, epochs=8, rng=seed, progress=False)
    assert tg.evaluate(model, X, y).loss < 0.6 * before


def test_the_optimizer_is_adam_and_the_same_seed_finds_the_same():
    first = tg.lr_find(small(), X, Y, rng=0)
    model = small()
    again = tg.lr_find(model, X, Y, optimizer=tg.Adam(model), rng=0)
    assert np.array_equal(first.losses, again.losses)
    assert not np.array_equal(first.losses, tg.lr_find(small(), X, Y, rng=1).losses)


def test_another_loss_can_be_used():
    X, y = tg.data.regression(60, rng=0)
    found = tg.lr_find(tg.mlp([1, 8, 1], activation="tanh", rng=0), X, y, tg.mse_loss, rng=0)
    assert 1e-4 < found.suggestion < 1


def test_repr_says_what_was_tried_and_found():
    found = tg.lr_find(small(), X, Y, steps=50, rng=0)
    assert repr(found) == f"RangeTest(50 rates from 1.0e-06 to 1.0e+01, suggestion {found.suggestion:.1e})"


# --- where it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("good", [1, 5, 30])
def test_it_ends_before_a_loss_that_is_not_finite(good, bad):
    factors = iter([1.0] * good + [bad] * 99)
    found = tg.lr_find(small(), X, Y, lambda output, y: tg.cross_entropy(output, y) * next(factors), rng=0)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) == good
    assert np.isfinite(found.losses).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_it_ends_before_a_gradient_that_is_not_finite_is_used(bad):
    model, calls = small(), []
    optimizer = tg.SGD(model)
    step = optimizer.step
    vars(optimizer)["step"] = lambda: (calls.append(model[0].W.grad.copy()), step())

    def spoiled(a):
        return a, lambda g: g * (bad if len(calls) == 20 else 1)

    found = tg.lr_find(model, X, Y, lambda o, y: tg.cross_entropy(tg.apply(spoiled, o), y), optimizer, rng=0)
    assert len(found.losses) == 21
    assert len(calls) == 20
    assert np.isfinite(calls).all()


def test_it_ends_when_the_smoothed_loss_explodes():
    X, y = tg.data.regression(60, rng=0)
    found = tg.lr_find(tg.mlp([1, 8, 1], rng=0), X, y, tg.mse_loss, high=1e6, rng=0)
    limit = found.smoothed.min() + 3 * found.smoothed[9]
    assert 50 < len(found.rates) < 100
    assert found.smoothed[-1] > limit
    assert (found.smoothed[:-1] <= limit).all()
    assert found.suggestion < found.rates[-1] / 10


@pytest.mark.parametrize(("level", "seen"), [(1, 55), (100, 55), (-1, 100)])
def test_an_explosion_is_three_times_the_first_smoothed_loss(level, seen):
    count = iter(range(999))  # 8 times the level is added from loss 51 on: 8 · (1 - 0.9^k) > 3 from k = 5 on

    def jumps(output, y):
        return output.sum() * 0 + level * (1 if next(count) < 50 else 9)

    assert len(tg.lr_find(small(), X, Y, jumps, rng=0).losses) == seen


def test_a_first_batch_that_happens_to_be_easy_ends_nothing():
    count = iter(range(999))
    found = tg.lr_find(small(), X, Y, lambda output, y: output.sum() * 0 + (1.0 if next(count) else 1e-3), rng=0)
    assert len(found.losses) == 100


def test_a_loss_may_be_negative():
    found = tg.lr_find(small(), X, Y, lambda output, y: tg.cross_entropy(output, y) - 10, high=1e-2, rng=0)
    assert len(found.losses) == 100
    assert found.suggestion > 1e-4


@pytest.mark.parametrize("loss_now", [lambda k: 1.0, lambda k: 1 + k / 100], ids=["stays", "rises"])
def test_there_is_no_suggestion_if_the_loss_never_falls(loss_now):
    count = iter(range(999))
    found = tg.lr_find(small(), X, Y, lambda output, y: output.sum() * 0 + loss_now(next(count)), rng=0)
    assert found.suggestion is None
    assert repr(found).endswith("no suggestion)")


def test_there_is_no_suggestion_if_it_ends_within_the_first_tenth():
    factors = iter([1.0] * 5 + [np.inf])
    found = tg.lr_find(small(), X, Y, lambda output, y: tg.cross_entropy(output, y) * next(factors), rng=0)
    assert found.suggestion is None


def test_the_first_tenth_does_not_count():
    count = iter(range(999))

    def low_at_first(output, y):
        k = next(count)
        return output.sum() * 0 + (0.001 if k < 5 else 1 - k / 200)

    found = tg.lr_find(small(), X, Y, low_at_first, low=1e-4, high=1.0, rng=0)
    smoothed = found.smoothed[9:]
    assert len(found.losses) == 100
    assert found.smoothed.min() < smoothed.min()
    assert found.suggestion == pytest.approx(found.rates[9 + smoothed.argmin()] / 10)


# --- no trace ---------------------------------------------------------------------------------------------------------

RULES = list(tg.optimizers.RULES.values())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_model_and_optimizer_are_left_exactly_as_they_were(rule, training):
    untouched, searched = used(rule, training), used(rule, training)
    model, optimizer = searched
    before = [(t.array, t.grad, t.grad_view) for t in model.named_tensors().values()]
    tg.lr_find(model, X, Y, optimizer=optimizer, rng=0)
    assert all(a is b for t, old in zip(model.named_tensors().values(), before) for a, b in zip(trace(t), old))
    same(untouched, searched)
    for model, optimizer in (untouched, searched):  # and they go on the same way: masks, averages, t, lr
        tg.fit(model, X, Y, optimizer=optimizer, epochs=2, rng=1, batch_size=24, drop_last=True, progress=False)
    same(untouched, searched)


def test_the_modes_of_single_layers_are_left():
    model, optimizer = used(tg.SGD, True)
    model[2].training = False
    tg.lr_find(model, X, Y, optimizer=optimizer, rng=0)
    assert [layer.training for _, layer in model.named_layers()] == [True, True, True, False, True]


def test_training_is_in_training_mode():
    model, modes = used(tg.SGD, False)[0], []

    def spy(output, y):
        modes.append({layer.training for _, layer in model.named_layers()})
        return tg.cross_entropy(output, y)

    tg.lr_find(model, X, Y, spy, steps=10)
    assert modes == [{True}] * 10


@pytest.mark.parametrize("lr", [tg.schedules.cosine(0.1, 100), 1, 0.1], ids=["schedule", "whole", "float"])
def test_the_rates_of_all_groups_are_left(lr):
    model = small()
    W, *rest = model.parameters()
    optimizer = tg.Momentum([{"params": [W], "lr": 0.5, "beta": 0.8}, {"params": rest}], lr=lr, bias_correction=True)
    before = [dict(group) for group in optimizer.groups]
    tg.lr_find(model, X, Y, optimizer=optimizer, rng=0)
    assert list(optimizer.groups) == before
    assert repr(list(optimizer.groups)) == repr(before)  # 1 is not 1.0, True is not 1.0


def test_all_groups_get_the_rate_that_is_tried():
    model, seen = small(), []
    W, *rest = model.parameters()
    optimizer = tg.SGD([{"params": [W], "lr": 0.5}, {"params": rest}], lr=lambda t: 0.1)
    step = optimizer.step
    vars(optimizer)["step"] = lambda: (seen.append([group["lr"] for group in optimizer.groups]), step())
    found = tg.lr_find(model, X, Y, optimizer=optimizer, rng=0)
    assert seen == [[lr, lr] for lr in found.rates]


def test_another_optimizer_keeps_its_buffer():
    model = small()
    named = model.named_parameters()
    optimizer = tg.SGD([named[name] for name in reversed(named)], lr=0.1)  # another layout than Adam(model) has
    tg.lr_find(model, X, Y, rng=0)
    expected = {name: p.numpy() for name, p in named.items()}
    tg.cross_entropy(model(X), Y).backward()
    assert all(np.shares_memory(p.grad, optimizer.buffer.grad) for p in named.values())
    optimizer.step()
    for name, p in named.items():
        np.testing.assert_array_equal(p.numpy(), expected[name] - 0.1 * p.grad)


def test_a_change_through_data_that_was_lent_is_still_noticed():
    model = small()
    optimizer = tg.SGD(model)
    held = model[0].W.data
    tg.lr_find(model, X, Y, optimizer=optimizer, rng=0)
    loss = tg.cross_entropy(model(X), Y)
    held[0] = 7
    with pytest.raises(RuntimeError, match="was changed after"):
        loss.backward()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_after_an_error_they_are_as_they_were_too(error):
    untouched, searched = used(tg.Adam, True), used(tg.Adam, True)
    count = iter(range(99))

    def breaks(output, y):
        if next(count) == 7:
            raise error
        return tg.cross_entropy(output, y)

    with pytest.raises(error):
        tg.lr_find(searched[0], X, Y, breaks, searched[1], rng=0)
    same(untouched, searched)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.where(np.arange(100).reshape(50, 2) == 7, np.nan, X)}, r"X holds nan at \[3, 1\]"),
        ({"X": X[1:]}, "one row for each sample"),
        ({"X": X[:0], "y": Y[:0]}, "no samples"),
        ({"y": Y + 1}, "label 3"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"steps": 9}, "steps = 9, but it has to be a whole number, at least 10"),
        ({"steps": 20.0}, "steps = 20.0"),
        ({"low": 0.0}, "low = 0.0 and high = 10.0, but they have to be finite, and 0 < low < high"),
        ({"low": 1.0, "high": 1.0}, "low = 1.0 and high = 1.0"),
        ({"high": np.inf}, "high = inf"),
        ({"high": np.nan}, "high = nan"),
        ({"loss": lambda output, y: output.sum() * np.nan}, "the loss is nan before the first update"),
    ],
)
def test_what_cannot_be_searched_is_refused_and_the_model_stays_as_it_is(change, message):
    model = small()
    before = model.state_dict()
    with pytest.raises(ValueError, match=message):
        tg.lr_find(model, **{"X": X, "y": Y} | change)
    assert all(np.array_equal(before[name], values) for name, values in model.state_dict().items())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": tg.Adam}, r"optimizer is one such as tg\.Adam\(model\), got the class Adam"),
        ({"loss": "mse"}, "loss is a function, such as .*, got str 'mse'"),
        ({"low": "a"}, "low is a number, got str 'a'"),
        ({"high": True}, "high is a number, got bool True"),
        ({"model": None}, "model is a layer, such as .*, got NoneType"),
        ({"loss": lambda output, y: 1.0}, "the loss has to return a Tensor with one number, it returned float"),
        ({"loss": lambda output, y: output}, r"it returned a Tensor of shape \(32, 3\): reduce it with \.mean\(\)"),
    ],
)
def test_another_kind_of_argument_is_refused(wrong, message):
    with pytest.raises(TypeError, match=message):
        tg.lr_find(**{"model": small(), "X": X, "y": Y} | wrong)


# --- helpers ----------------------------------------------------------------------------------------------------------


def small():
    return tg.mlp([2, 4, 3], rng=0)


def used(rule, training):
    """A model that drops values and learns statistics, and its optimizer, in the middle of training, some gradients
    there and one not."""
    model = tg.Sequential(tg.Linear(2, 4, rng=0), tg.BatchNorm1d(4), tg.Dropout(0.5, rng=0), tg.Linear(4, 3, rng=0))
    optimizer = rule(model)
    for _ in range(3):
        optimizer.zero_grad()
        tg.cross_entropy(model(X), Y).backward()
        optimizer.step()
    model[0].b.grad = None
    return model.train(training), optimizer


def trace(t):
    return t.array, t.grad, t.grad_view


def same(first, second):
    """Two pairs of model and optimizer are in one state, to the bit."""
    for a, b in zip(first, second):
        assert a.state_dict().keys() == b.state_dict().keys()
        assert all(np.array_equal(a.state_dict()[name], value) for name, value in b.state_dict().items())
    (model, optimizer), (other, other_optimizer) = first, second
    assert [layer.training for _, layer in model.named_layers()] == [
        layer.training for _, layer in other.named_layers()
    ]
    assert all(
        (p.grad is None and q.grad is None) or np.array_equal(p.grad, q.grad)
        for p, q in zip(model.parameters(), other.parameters(), strict=True)
    )
    assert model[2].rng.bit_generator.state == other[2].rng.bit_generator.state
    assert optimizer.groups == other_optimizer.groups


def test_nothing_else_is_public():
    assert tg.lr_find is rangetest.lr_find


# --- several tests ----------------------------------------------------------------------------------------------------


def test_several_tests_have_the_means_of_those_with_their_orders():
    model, orders = small(), [np.random.default_rng(3), *np.random.default_rng(3).spawn(2)]
    runs = [tg.lr_find(model, X, Y, rng=order, steps=30) for order in orders]
    found = tg.lr_find(model, X, Y, rng=3, steps=30, repeats=3)
    n = min(len(run.losses) for run in runs)
    assert np.ptp([run.losses[:n] for run in runs], axis=0).max() > 0.01  # the orders differ
    assert found.losses == pytest.approx(sum(run.losses[:n] for run in runs) / 3, rel=1e-12)
    assert found.smoothed == pytest.approx(sum(run.smoothed[:n] for run in runs) / 3, rel=1e-12)


@pytest.mark.usefixtures("workers")
def test_tests_side_by_side_find_the_same():
    model = small()
    optimizer = tg.HeavyBall(model)
    here, there = (tg.lr_find(model, X, Y, optimizer=optimizer, rng=3, repeats=3, n_jobs=n) for n in (1, 2))
    assert (here.losses.tolist(), here.suggestion) == (there.losses.tolist(), there.suggestion)
