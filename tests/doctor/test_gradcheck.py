"""The checker can fail: planted errors down to 0.1 % are found, right gradients are not accused."""

import numpy as np
import pytest

import tinygrad_edu as tg


def planted(factor):
    return lambda a: (np.sin(a), lambda g: factor * g * np.cos(a))


@pytest.mark.parametrize("factor", [1.001, 0.999, -1, 0, 2, 1.0001])
def test_a_wrong_vjp_is_found_and_reported_with_both_numbers(factor):
    with pytest.raises(AssertionError, match=r"input 0 along .*the gradient says .*, the slope is"):
        tg.gradcheck(lambda x: tg.apply(planted(factor), x), np.array([0.3, -1.2]))


def test_one_wrong_element_of_a_large_input_is_found():
    def op(a):
        def vjp(g):
            share = 2 * g * a
            share[17, 3] *= 1.001
            return share

        return a * a, vjp

    x = np.random.default_rng(0).standard_normal((30, 20))
    with pytest.raises(AssertionError, match="a random direction"):
        tg.gradcheck(lambda x: tg.apply(op, x), x, elements=0, tolerance=1e-7)
    with pytest.raises(AssertionError, match=r"\[17, 3\]"):
        tg.gradcheck(lambda x: tg.apply(op, x), x, elements=600)


def test_a_right_gradient_is_not_accused_on_a_thousand_random_networks():
    rng = np.random.default_rng(0)
    for _ in range(1000 // 20):
        sizes = [int(n) for n in rng.integers(1, 5, size=rng.integers(2, 5))]
        model = tg.mlp(
            sizes, activation=str(rng.choice(["relu", "tanh", "sigmoid", "softplus", "leaky_relu"])), rng=rng
        )
        for _ in range(20):
            X = rng.standard_normal((4, sizes[0]))
            y = rng.integers(0, sizes[-1], 4)
            tg.gradcheck(
                lambda *_, X=X, y=y, m=model: tg.cross_entropy(m(X), y), *model.parameters(), elements=2, directions=1
            )


@pytest.mark.parametrize("distance", [0, 1e-12, 3e-6, 1e-4])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_kink_on_the_spot_is_reported_and_one_nearby_is_stepped_around(distance, side):
    found = tg.gradcheck(tg.relu, np.array([1.0, side * distance]))
    if distance <= 1e-12:
        assert found.kinks == [("input 0", (1,))]
        assert "passed over at kinks, the first at input 0[1]" in repr(found)
    else:
        assert found.kinks == []
    with pytest.raises(AssertionError):
        tg.gradcheck(
            lambda x: tg.apply(lambda a: (np.maximum(a, 0), lambda g: g * (a > 0) * 1.01), x), np.array([1.0, 0.0])
        )


def test_a_small_kink_in_a_large_slope_is_no_reason_to_accuse():
    x = np.array([1.0, 2e-6])
    tg.gradcheck(lambda x: 1000 * x[0] + tg.relu(x[1]) + tg.exp(x[0]), x, directions=20)


def test_parameters_are_moved_themselves_and_put_back():
    model = tg.mlp([2, 3, 1], activation="tanh", rng=0)
    optimizer = tg.SGD(model, lr=0.1)
    before = optimizer.buffer.data.copy()
    model.parameters()[0].grad = np.full((2, 3), 7.0)
    found = tg.gradcheck(lambda *_: model(np.ones((4, 2))), *model.parameters())
    assert found.checked == 13 + 3 * 4 + 0
    np.testing.assert_array_equal(optimizer.buffer.data, before)
    assert model.parameters()[0].grad.tolist() == [[7, 7, 7]] * 2
    assert model.parameters()[1].grad is None


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ValueError, match="at least one input"):
        tg.gradcheck(lambda: tg.Tensor(1.0))
    with pytest.raises(TypeError, match="has to return a Tensor, got float"):
        tg.gradcheck(lambda x: 1.0, 2.0)
    with pytest.raises(TypeError, match="gradcheck works in float64"):
        tg.gradcheck(tg.exp, tg.Tensor(np.float32(1), requires_grad=True))
    with pytest.raises(ValueError, match="different values for the same input"):
        tg.gradcheck(tg.Dropout(0.5, rng=0), np.ones(20))
    with pytest.raises(ValueError, match="NaN or infinity"):
        tg.gradcheck(tg.log, -1.0)
    with pytest.raises(ValueError, match="nothing could be checked: 5 kinks"):
        tg.gradcheck(tg.abs, np.zeros(5))
    with pytest.raises(ValueError, match="tolerance = -1"):
        tg.gradcheck(tg.exp, 1.0, tolerance=-1)
    with pytest.raises(RuntimeError, match="under no_grad"), tg.no_grad():
        tg.gradcheck(tg.exp, 1.0)


def test_the_edge_of_the_domain_and_steep_slopes_are_no_reason_to_refuse():
    for f, x in [(tg.sqrt, 1e-8), (tg.log, 1e-6), (lambda x: (x * 1e5).softplus(), 1e-6), (lambda x: 1 / x, 1e-4)]:
        assert tg.gradcheck(f, x).checked == 1


@pytest.mark.parametrize("scale", [1e-9, 1, 1e9])
def test_an_error_of_a_tenth_of_a_percent_shows_at_any_scale(scale):
    with pytest.raises(AssertionError):
        tg.gradcheck(lambda x: tg.apply(lambda a: (scale * a * a, lambda g: 2.002 * scale * g * a), x), np.ones(3))


def test_slopes_that_rounding_hides_do_not_count_as_agreement():
    found = tg.gradcheck(lambda x, y: (1e7 + x * x).sum() + 1e6 * y, np.full(3, 1e-3), 1.0)
    assert found.faint > 0
    assert "too small to judge" in repr(found)


def test_a_right_relu_network_is_not_accused_where_all_its_units_are_at_their_kink():
    for seed in range(100):
        model = tg.mlp([3, 8, 2], rng=seed)
        X = np.random.default_rng(seed).integers(0, 2, (4, 3)) * float(seed % 2)
        tg.gradcheck(lambda *_, X=X, m=model: tg.cross_entropy(m(X), [0, 1, 0, 1]), *model.parameters(), rng=seed)


def test_a_constant_function_has_gradient_zero():
    assert tg.gradcheck(lambda x: tg.Tensor(3.0), [1.0, 2.0]).error == 0


def test_an_infinite_gradient_is_wrong():
    def steep(a):
        return a * a, lambda g: np.full_like(a, np.inf)

    with pytest.raises(AssertionError, match=r"input 0 along \[\]: the gradient says inf, the slope is 2"):
        tg.gradcheck(lambda a: tg.apply(steep, a), 1.0)


def test_a_single_slope_agrees():
    assert repr(tg.gradcheck(lambda a: a * a, 1.0)).startswith("1 slope agrees with the gradient, largest")
