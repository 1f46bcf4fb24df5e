"""Convolution and pooling as layers: against sums by hand and PyTorch, trained, compiled, saved, and refused in words.

The ops are rows of the table of all ops: values, slopes, programs and second derivatives are tested there.
"""

import itertools

import numpy as np
import pytest

import tinygrad_edu as tg

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 1, 6, 6))
Y = np.arange(12) % 3


def network(dtype=np.float64, pool=tg.MaxPool2d):
    layers = [tg.Conv2d(1, 2, 3, padding=1, dtype=dtype, rng=1), tg.ReLU(), pool(2), tg.Flatten()]
    return tg.Sequential(*layers, tg.Linear(18, 3, dtype=dtype, rng=2))


def test_a_kernel_is_found_where_it_is():
    layer = tg.Conv2d(1, 1, (1, 2), bias=False)
    layer.W.data = [[[[-1.0, 1.0]]]]
    picture = np.array([[0, 0, 5.0, 5], [0, 5, 5, 5]])
    assert layer(picture[None, None]).numpy().tolist() == [[[[0, 5, 0], [5, 0, 0]]]]


def test_a_layer_adds_a_bias_for_each_kernel_and_its_gradients_are_finite_differences():
    layer = tg.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1), rng=0)
    layer.b.data = [1.0, 2.0, 3.0]
    x = rng.standard_normal((2, 2, 4, 7))
    alone = tg.conv2d(x, layer.W, stride=(1, 2), padding=(1, 0), dilation=(2, 1)).numpy()
    np.testing.assert_array_equal(layer(x).numpy(), alone + np.array([1, 2, 3])[:, None, None])
    tg.gradcheck(lambda x, *_: layer(x), x, *layer.parameters())
    assert tg.diagnose_layer(layer, x).right
    assert tg.diagnose_op(tg.ops.max_pool2d, x, kernel_size=2, stride=1).right


def test_ties_share_the_gradient():
    x = tg.Tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    tg.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]


def test_padding_is_never_the_largest_and_counts_in_a_mean():
    below_0 = -np.ones((1, 1, 2, 2))
    assert tg.max_pool2d(below_0, 2, padding=1).numpy().tolist() == [[[[-1, -1], [-1, -1]]]]
    assert tg.avg_pool2d(below_0, 2, padding=1).numpy().tolist() == [[[[-0.25, -0.25], [-0.25, -0.25]]]]


def test_a_convolution_is_a_product_of_two_matrices_and_a_window_of_one_pixel_a_linear_layer():
    x, W = rng.standard_normal((3, 4, 5, 5)), rng.standard_normal((2, 4, 1, 1))
    by_hand = np.einsum("nchw,kc->nkhw", x, W[:, :, 0, 0])
    np.testing.assert_allclose(tg.conv2d(x, W).numpy(), by_hand, rtol=1e-13)


def test_pooling_of_whole_pictures_is_the_extreme_and_the_mean_of_each():
    np.testing.assert_array_equal(tg.MaxPool2d(6)(X).numpy()[:, :, 0, 0], X.max(axis=(2, 3)))
    np.testing.assert_allclose(tg.AvgPool2d(6)(X).numpy()[:, :, 0, 0], X.mean(axis=(2, 3)), rtol=1e-13)


@pytest.mark.parametrize("init", [tg.init.he_normal, tg.init.he_uniform])
def test_the_kernels_keep_the_size_of_what_passes(init):
    layer = tg.Conv2d(32, 64, 3, init=init, rng=0)
    assert abs(layer.W.numpy().std() / np.sqrt(2 / (32 * 9)) - 1) < 0.02


def test_a_network_for_pictures_learns_is_saved_and_is_shown(tmp_path, capsys):
    model = network()
    history = tg.fit(model, X, Y, tg.cross_entropy, tg.Adam(model, lr=0.02), 60, 6, rng=0, progress=False)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    tg.save(tmp_path / "model.npz", model=model)
    other = network()
    tg.load(tmp_path / "model.npz", model=other)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert list(model.state_dict()) == ["layers.0.W", "layers.0.b", "layers.4.W", "layers.4.b"]
    model.summary(input_shape=(1, 6, 6))
    assert "layers.0  Conv2d     (N, 1, 6, 6)  ->  (N, 2, 6, 6)          20" in capsys.readouterr().out
    loss = tg.cross_entropy(model(X), Y)
    assert [step.op for step in loss.steps()] == [
        *("cross_entropy", "linear", "reshape", "max_pool2d", "relu", "add", "reshape", "conv2d")
    ]
    loss.backward()
    rule = tg.Adam(model, lr=0.01)
    tg.cross_entropy(model(X), Y).backward()
    rule.step()
    assert "layers.0.W[0, 0, 1, 1] went from" in str(rule.why("layers.0.W", (0, 0, 1, 1)))


def test_a_channel_that_finds_nothing_is_counted_as_one_unit(capsys):
    model = network()
    model[0].b.data = [0.0, -1e3]
    with tg.debug():
        tg.cross_entropy(model(X), Y).backward()
    assert "layers.1                     1 of 2" in capsys.readouterr().out


def test_a_layer_prints_what_it_was_made_with():
    layers = [
        tg.Conv2d(1, 2, 3),
        tg.Conv2d(1, 2, (3, 2), 2, 1, (1, 2), bias=False),
        tg.MaxPool2d(2),
        tg.AvgPool2d(3, 2, 1),
    ]
    assert [repr(layer) for layer in layers] == [
        *("Conv2d(1, 2, 3)", "Conv2d(1, 2, (3, 2), stride=2, padding=1, dilation=(1, 2), bias=False)"),
        *("MaxPool2d(2)", "AvgPool2d(3, stride=2, padding=1)"),
    ]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tg.Conv2d(0, 1, 3), "in_channels = 0"),
        (lambda: tg.Conv2d(1, 1, (3, 0)), "kernel_size = 0"),
        (lambda: tg.Conv2d(1, 1, (1, 2, 3)), "kernel_size is a whole number or two"),
        (lambda: tg.Conv2d(1, 1, 3, padding=-1), "padding = -1"),
        (lambda: tg.MaxPool2d(2, stride=0), "stride = 0"),
        (
            lambda: tg.Conv2d(2, 1, 3)(X),
            r"Conv2d\(2, 1, 3\) takes pictures of shape \(N, 2, H, W\), got \(12, 1, 6, 6\)",
        ),
        (lambda: tg.Conv2d(1, 1, 3)(X[0]), r"takes pictures of shape \(N, 1, H, W\), got \(1, 6, 6\)"),
        (lambda: tg.Conv2d(1, 1, 3)(X.astype(np.float32)), "is float64 and got float32"),
        (lambda: tg.Conv2d(1, 1, 7)(X), "a window of 7 x 7 is larger than the picture, 6 x 6"),
        (lambda: tg.Conv2d(1, 1, 3, dilation=4, padding=1)(X), "a window of 9 x 9 .* 8 x 8 with its padding"),
        (lambda: tg.MaxPool2d(2, padding=2)(X), "padding = .*at most half of kernel_size"),
        (lambda: tg.max_pool2d(np.arange(4.0), 2), r"pictures have the shape \(..., H, W\), got \(4,\)"),
        (lambda: tg.max_pool2d(np.arange(16).reshape(4, 4), 2, padding=1), "say x.astype"),
        (lambda: tg.conv2d(X, np.ones((3, 3))), r"kernels W \(K, C, h, w\), got \(12, 1, 6, 6\) and \(3, 3\)"),
        (lambda: tg.conv2d(X, np.ones((2, 3, 1, 1))), "has 1 channels, and W .* is for 3"),
        (lambda: network().summary(), r"call summary\(input_shape=\(1, H, W\)\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, said):
    with pytest.raises((TypeError, ValueError), match=said):
        call()


def compiled_as_eager(dtype, pool, tight, batches=(12, 12, 7)):
    """Train the same network twice, by the engine and by machine code."""
    models = [network(dtype, pool) for _ in range(2)]
    rules = [tg.Adam(model, lr=0.01) for model in models]
    x = X.astype(dtype)
    step = tg.compile_step(models[1], tg.cross_entropy, rules[1], x, Y, quiet=True)
    for n in batches:
        rules[0].zero_grad()
        loss = tg.cross_entropy(models[0](x[:n]), Y[:n])
        loss.backward()
        rules[0].step()
        np.testing.assert_allclose(float(step(x[:n], Y[:n])), loss.item(), rtol=tight)
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=0, atol=tight)


def test_a_compiled_step_is_the_eager_one():
    compiled_as_eager(np.float64, tg.MaxPool2d, 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "pool", "tight"), [(np.float32, tg.MaxPool2d, 1e-4), (np.float64, tg.AvgPool2d, 1e-12)]
)
def test_a_compiled_step_is_the_eager_one_in_other_dtypes_and_with_other_pools(dtype, pool, tight):
    compiled_as_eager(dtype, pool, tight)


@pytest.mark.oracle
@pytest.mark.parametrize("N", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 3)])
def test_values_and_gradients_are_torchs(N, size):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    x, W = rng.standard_normal((N, 2, 7, 10)), rng.standard_normal((3, 2, *size))
    fits = lambda p: all(2 * a <= n for a, n in zip(p if isinstance(p, tuple) else (p, p), size))
    for stride, padding, dilation in itertools.product([1, 2, (3, 1)], [0, 1, (2, 0)], [1, 2, (1, 2)]):
        how = {"stride": stride, "padding": padding}
        pairs = [(lambda x, w, h: tg.conv2d(x, w, **h), F.conv2d, how | {"dilation": dilation})]
        if fits(padding):
            ours, theirs = lambda x, w, h: tg.max_pool2d(x, size, **h), lambda x, w, **h: F.max_pool2d(x, size, **h)
            pairs.append((ours, theirs, how | {"dilation": dilation}))
            ours, theirs = lambda x, w, h: tg.avg_pool2d(x, size, **h), lambda x, w, **h: F.avg_pool2d(x, size, **h)
            pairs.append((ours, theirs, how))
        for ours, theirs, keywords in pairs:
            a, b = tg.Tensor(x, requires_grad=True), tg.Tensor(W, requires_grad=True)
            c, d = torch.tensor(x, requires_grad=True), torch.tensor(W, requires_grad=True)
            y, z = ours(a, b, keywords), theirs(c, d, **keywords)
            np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-11, atol=1e-12)
            weights = rng.standard_normal(y.shape)
            y.backward(weights)
            z.backward(torch.tensor(weights))
            for p, q in ((a, c), (b, d)):
                if q.grad is not None:
                    np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-11, atol=1e-12)
