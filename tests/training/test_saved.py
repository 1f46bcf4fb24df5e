"""Saving to a file and loading: what goes in comes out, and what does not fit changes nothing."""

import numpy as np
import pytest

import tinygrad_edu as tg

X, Y = tg.data.moons(48, rng=0)


def made(seed=0, out=2, bits=np.random.PCG64, **hyper):
    model = tg.Sequential(
        tg.Linear(2, 6, rng=seed), tg.BatchNorm1d(6), tg.Dropout(0.3, rng=seed), tg.Linear(6, out, rng=seed)
    )
    return model, tg.Adam(model, **{"lr": 0.01, **hyper}), np.random.Generator(bits(seed))


def train(model, optimizer, rng, epochs=2):
    return tg.fit(model, X, Y, optimizer=optimizer, epochs=epochs, rng=rng, progress=False)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_run_goes_on_from_its_file_with_the_same_bits(tmp_path, bits, compiled):
    if compiled and bits is not np.random.PCG64:
        pytest.skip("one kind is enough")
    how = {"epochs": 2, "progress": False, "compiled": compiled}
    schedule = tg.schedules.cosine(0.1, steps=20)
    model, optimizer, rng = made(1, lr=schedule, bits=bits)
    for _ in range(2):
        tg.fit(model, X, Y, optimizer=optimizer, rng=rng, **how)
    first, first_optimizer, rng = made(1, lr=schedule, bits=bits)
    tg.fit(first, X, Y, optimizer=first_optimizer, rng=rng, **how)
    tg.save(tmp_path / "run.npz", model=first, optimizer=first_optimizer, rng=rng)
    second, second_optimizer, rng = made(7, lr=schedule, bits=bits)
    tg.load(tmp_path / "run.npz", model=second, optimizer=second_optimizer, rng=rng)
    tg.fit(second, X, Y, optimizer=second_optimizer, rng=rng, **how)
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[key], value, err_msg=key)
