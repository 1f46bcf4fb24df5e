"""The layer's path in an error."""

import numpy as np
import pytest

import tinygrad_edu as tg

X = np.random.default_rng(0).standard_normal((6, 4))


def test_an_input_of_the_wrong_shape_is_refused_with_the_layers_path():
    inner = tg.Sequential(tg.Linear(4, 3), tg.ReLU(), tg.Linear(5, 2))
    with pytest.raises(
        ValueError, match=r"^layers.1.layers.2 \(Linear\(5, 2\)\) takes inputs of shape \(N, 5\), got \(6, 3\)\n"
    ):
        tg.Sequential(tg.ReLU(), inner)(X)
    with pytest.raises(ValueError, match=r"^Linear\(4, 3\) takes inputs of shape \(N, 4\), got \(6, 2\)$"):
        tg.Linear(4, 3)(X[:, :2])
    with pytest.raises(ValueError, match=r"^layers.0 \(BatchNorm1d\(4\)\) needs at least 2 samples"):
        tg.Sequential(tg.BatchNorm1d(4))(X[:1])
    for norm in (tg.BatchNorm1d(3), tg.LayerNorm(3)):
        with pytest.raises(ValueError, match=r"takes inputs of shape \(N, 3\), got \(6, 4\)"):
            norm(X)
