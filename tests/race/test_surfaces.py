"""The surfaces are what books say, with the gradients that are taken by hand."""

import math

import numpy as np
import pytest
from surfaces_by_hand import BY_HAND, digits

import tinygrad_edu as tg
from tinygrad_edu.race.surfaces import SURFACES


def gradient(surface, x, y):
    point = [tg.Tensor(float(z), requires_grad=True) for z in (x, y)]
    surface.f(*point).backward()
    return [float(p.grad) for p in point]


def test_every_surface_is_checked_here():
    assert list(BY_HAND) == list(SURFACES)


@pytest.mark.parametrize("name", SURFACES)
def test_a_surfaces_gradient_is_the_one_by_hand(name):
    surface, by_hand = SURFACES[name], BY_HAND[name][0]
    left, right, bottom, top = surface.box
    for x, y in np.random.default_rng(1).uniform((left, bottom), (right, top), (5, 2)):
        assert gradient(surface, x, y) == pytest.approx(by_hand(x, y), rel=1e-9)


@pytest.mark.parametrize("name", SURFACES)
def test_a_surfaces_gradient_agrees_with_its_slopes(name):
    surface = SURFACES[name]
    left, right, bottom, top = surface.box
    x, y = np.random.default_rng(2).uniform((left, bottom), (right, top), (4, 2)).T
    assert tg.gradcheck(surface.f, x, y).checked > 8


@pytest.mark.parametrize("name", SURFACES)
def test_values_at_the_start_and_at_the_minima(name):
    surface, (_, at_start, lowest) = SURFACES[name], BY_HAND[name]
    if at_start is not None:
        assert surface.values(surface.start) == pytest.approx(at_start)
    for minimum in surface.minima:
        assert surface.values(minimum) == pytest.approx(lowest, abs=5e-4 if name == "neuron" else 1e-9)
        assert gradient(surface, *minimum) == pytest.approx([0, 0], abs=1e-5)


@pytest.mark.parametrize("name", SURFACES)
def test_nothing_in_the_picture_is_lower_than_the_minima(name):
    surface = SURFACES[name]
    left, right, bottom, top = surface.box
    x, y = np.meshgrid(np.linspace(left, right, 201), np.linspace(bottom, top, 201))
    grid = np.stack([x, y], axis=-1)
    values = surface.values(grid)
    assert values.min() >= surface.values(surface.minima).min() - 1e-12
    spacing = np.hypot((right - left) / 200, (top - bottom) / 200)
    assert surface.distances(grid[np.unravel_index(values.argmin(), values.shape)]) < 2.5 * spacing
    for px, py in (surface.start, *surface.minima):
        assert left < px < right
        assert bottom < py < top


def test_beale_from_3_4_is_as_steep_as_is_known():
    assert SURFACES["beale"].values((3, 4)) == pytest.approx(3.9e4, rel=0.02)
    assert np.hypot(*gradient(SURFACES["beale"], 3, 4)) == pytest.approx(6.3e4, rel=0.02)


def test_the_neurons_minimum_is_the_one_of_logistic_regression():
    linear_model = pytest.importorskip("sklearn.linear_model")
    images, labels = digits()
    chosen = (labels == 3) | (labels == 8)
    model = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(images[chosen][:, 5, 2:3], labels[chosen] == 8)
    assert SURFACES["neuron"].minima[0] == pytest.approx([model.coef_[0, 0], model.intercept_[0]], abs=1e-4)


def test_the_neurons_mini_batches_are_unbiased_and_noisy():
    surface, rng = SURFACES["neuron"], np.random.default_rng(0)
    w, b = tg.Tensor(1.0), tg.Tensor(-1.0)
    drawn = [surface.sample(rng)(w, b).item() for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(surface.f(w, b).item(), abs=4 * np.std(drawn) / 2000**0.5)
    assert np.std(drawn) > 0.05


def test_distances_are_to_the_nearest_minimum():
    surface = SURFACES["himmelblau"]
    assert surface.distances(np.array([[3, 2], [3, 3], [-3, -3]])) == pytest.approx(
        [0, 1, math.hypot(0.77931025, 0.28318599)]
    )
