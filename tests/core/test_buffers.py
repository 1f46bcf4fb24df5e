"""Flat buffers: parameters become views, stay views, and several optimizers may share them."""

import numpy as np
import pytest

import tinygrad_edu as tg


def leaf(data, **kwargs):
    return tg.Tensor(data, requires_grad=True, **kwargs)


def test_data_and_gradients_are_views_of_two_flat_arrays_in_order():
    W, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([5.0])
    buffer = tg.FlatBuffer([W, b])
    assert buffer.data.tolist() == [1, 2, 3, 4, 5]
    (W.sum() * 2 + b * 3).sum().backward()
    assert buffer.grad.tolist() == [2, 2, 2, 2, 3]
    buffer.data[4] = 9
    assert b.numpy().tolist() == [9]
    W.data = [[0.0, 0.0], [0.0, 7.0]]
    assert buffer.data.tolist() == [0, 0, 0, 7, 9]
    assert (buffer.spans, buffer.data.flags.c_contiguous) == ([(0, 4), (4, 5)], True)


def test_a_gradient_that_was_there_comes_along():
    W = leaf([1.0, 2.0])
    (W * 3).sum().backward()
    buffer = tg.FlatBuffer([W])
    assert buffer.grad.tolist() == [3, 3]
    (W * 3).sum().backward()
    assert buffer.grad.tolist() == [6, 6]


def test_a_second_buffer_over_the_same_or_neighbouring_parameters_shares_the_memory():
    params = [leaf(np.full(n, float(n))) for n in (2, 3, 4)]
    whole = tg.FlatBuffer(params)
    for part, span in [(params, slice(0, 9)), (params[1:], slice(2, 9)), (params[:1], slice(0, 2))]:
        again = tg.FlatBuffer(part)
        assert again.data.tolist() == whole.data[span].tolist()
        assert np.shares_memory(again.data, whole.data)
        assert np.shares_memory(again.grad, whole.grad)
        again.data[0] += 1
        assert part[0].numpy()[0] == again.data[0]


def test_parameters_that_are_not_neighbours_move_together():
    a, b, c = (leaf(np.full(2, float(n))) for n in (1, 2, 3))
    whole = tg.FlatBuffer([a, b, c])
    apart = tg.FlatBuffer([c, a])
    assert apart.data.tolist() == [3, 3, 1, 1]
    apart.data[0] = 9
    assert c.numpy()[0] == 9
    assert whole.data[4] == 3
    mixed = tg.FlatBuffer([a, b])
    assert mixed.data.tolist() == [1, 1, 2, 2]
    mixed.data[:] = 5
    assert (a.numpy() == 5).all()
    assert (b.numpy() == 5).all()


def test_an_old_optimizer_says_that_its_parameters_were_moved():
    a, b = leaf([1.0], name="a"), leaf([2.0], name="b")
    old = tg.SGD([a, b], lr=0.1)
    new = tg.SGD([b, a], lr=0.1)
    (a * b).sum().backward()
    new.step()
    with pytest.raises(RuntimeError, match=r"a \(1,\) now lies in another optimizer's buffer"):
        old.step()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "no parameters"),
        ([np.ones(2)], TypeError, "parameters are Tensors, got ndarray"),
        ([tg.Tensor([1.0])], ValueError, "not a leaf that requires a gradient"),
        ([leaf([1.0]) * 2], ValueError, "the result of mul"),
        ([leaf([1.0]), leaf(np.ones(1, np.float32))], TypeError, "one buffer has one dtype"),
        ([leaf([1.0])] * 2, ValueError, "given twice"),
    ],
)
def test_what_cannot_be_a_parameter_is_refused(params, error, message):
    with pytest.raises(error, match=message):
        tg.FlatBuffer(params)


def test_an_iterator_works_and_scalars_and_empty_parameters_have_a_place():
    params = [leaf(1.0), leaf(np.ones((0, 3))), leaf([2.0])]
    buffer = tg.FlatBuffer(iter(params))
    assert buffer.data.tolist() == [1, 2]
    assert params[0].shape == ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_arrays_start_where_a_line_of_the_cache_does(dtype):
    for size in (1, 7, 1000, 100_000):
        optimizer = tg.Adam(tg.Tensor(np.ones(size, dtype), requires_grad=True))
        for array in (optimizer.buffer.data, optimizer.buffer.grad, optimizer.m, optimizer.v):
            assert array.ctypes.data % 64 == 0
            assert (array.size, array.dtype) == (size, dtype)
            assert array.flags.c_contiguous
