"""The gate of machine code: an array of another dtype or size, with gaps or read-only does not pass."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import gate, threads

FLOAT = np.dtype(float)


def read_only():
    a = np.zeros(4)
    a.flags.writeable = False
    return a


OTHERS = {
    "size": np.zeros(3),
    "dtype": np.zeros(4, np.float32),
    "bytes": np.zeros(4, ">f8"),
    "whole": np.zeros(4, np.int64),
    "axes": np.zeros((4, 1)),
    "gaps": np.zeros(8)[::2],
    "backwards": np.zeros(4)[::-1],
    "unaligned": np.frombuffer(bytearray(33), np.float64, 4, offset=1),
    "read-only": read_only(),
    "list": [0.0] * 4,
    "masked": np.ma.zeros(4),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_kernel_is_given_arrays_that_it_can_take(other):
    with pytest.raises(ValueError, match=r"^array 1 of sgd is .*; machine code takes float64 \(4,\) without gaps"):
        threads.bound(tg.kernels.sgd, [np.zeros(4), other])


@pytest.mark.parametrize(
    "other", [other for name, other in OTHERS.items() if name not in ("read-only", "list", "masked")]
)
def test_what_does_not_pass_is_copied_to_be_read(other):
    got = gate.taken(other, FLOAT)
    assert gate.passes(got, FLOAT, other.shape)
    np.testing.assert_array_equal(got, other)


def test_an_average_that_was_replaced_by_a_shorter_one():
    p = tg.Tensor(np.ones(8), requires_grad=True)
    optimizer = tg.Adam([p])
    optimizer.averages["v"] = np.zeros(2)
    (p * p).sum().backward()
    with pytest.raises(ValueError, match=r"^array 3 of adam is float64 \(2,\)"):
        optimizer.step()
    assert np.all(p.data == 1)
