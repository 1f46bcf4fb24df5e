"""Slopes are measured as far as rounding lets them, kinks are seen, and what was moved is put back."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.doctor.slopes import Probe, both_ways, differences, restored, rounding_error, slope, unit


def probed(f, x):
    t = tg.Tensor(x, requires_grad=True)
    loss = lambda: float(f(t.array))
    return t, Probe(loss, loss(), rounding_error(loss, loss(), [t], np.random.default_rng(0)), 1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1, 1e9])
def test_the_error_of_a_slope_is_within_its_bound(scale):
    t, probe = probed(lambda x: scale * np.sin(x).sum(), [0.3, -1.2])
    for i, right in enumerate(scale * np.cos(t.array)):
        value, noise, kink = slope(probe, t, unit(t.shape, (i,)))
        assert not kink
        assert abs(value - right) <= noise < 1e-4 * abs(right)


def test_a_kink_has_no_slope_and_one_beside_is_stepped_around():
    assert slope(*probed(abs, 0.0)[::-1], np.ones(())).kink
    t, probe = probed(abs, 1e-6)
    assert slope(probe, t, np.ones(())).value == pytest.approx(1, rel=1e-6)


def test_rounding_is_that_of_the_numbers_that_were_added():
    assert probed(lambda x: 1e8 * x - 1e8, 1.0)[1].rounding > 1e-9
    assert probed(lambda x: x, 1.0)[1].rounding < 1e-13


def test_differences_are_taken_element_by_element_and_leave_the_numbers_as_they_were():
    t, probe = probed(lambda x: (x**3).sum(), [[1.0, 2.0]])
    np.testing.assert_allclose(differences(probe.loss, t, 1e-4), [[3, 12]], rtol=1e-6)
    assert both_ways(probe.loss, t, unit((1, 2), (0, 1))) == (1 + 27, 1 + 1)
    assert t.numpy().tolist() == [[1, 2]]


def test_after_an_error_too_the_numbers_are_back_and_a_graph_of_them_is_still_good():
    t = tg.Tensor([1.0, 2.0], requires_grad=True)
    t.data  # noqa: B018  (the user holds it, so changes are looked for)
    y = (t * t).sum()

    def spoil():
        t.data = [5.0, 6.0]
        t.data = [1.0, 2.0, 3.0]

    with pytest.raises(ValueError, match="has shape"), restored([t]):
        spoil()
    y.backward()
    assert t.numpy().tolist() == [1, 2]
    assert t.grad.tolist() == [2, 4]
