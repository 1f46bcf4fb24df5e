"""The first cases of `tests/support/fuzz.py`, which `tox -e fuzz` runs for a minute with another seed each time."""

import sys

import fuzz
import numpy as np
import pytest

CASES = {"idx": 100, "states": 20, "saved": 6, "api": 10}


@pytest.mark.parametrize(
    "name", [name if name in CASES else pytest.param(name, marks=pytest.mark.slow) for name in fuzz.FUZZERS]
)
def test_the_first_cases(name):
    for case in range(CASES.get(name, 1)):
        fuzz.run(name, 0, case)


def test_words_of_python_and_of_numpy_are_told_from_ours():
    def raised(call):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        return caught.value

    t = fuzz.tg.Tensor([1.0, 2.0])
    assert not fuzz.ours(raised(lambda: float("x")))
    assert not fuzz.ours(raised(lambda: np.ones(2).reshape(3)))
    assert fuzz.ours(raised(lambda: t.sum(axis=5)))
    assert fuzz.ours(raised(lambda: t + np.ones(3)))  # NumPy's sentence, and a note on what `add` was given


def test_the_first_failure_ends_the_run_with_a_line_that_brings_it_again(monkeypatch, capsys):
    def third(rng):
        assert len(seen) < 3, "the third"
        seen.append(rng.integers(1000))

    seen = []
    monkeypatch.setattr(fuzz, "FUZZERS", {"third": third})
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--seed", "7"])
    with pytest.raises(SystemExit, match=r"third, after 3 that were right.*\n.*--seed 7 --only third --case 3$"):
        fuzz.main()
    assert "the third" in capsys.readouterr().err
    again, seen[:] = seen[2], []
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--seed", "7", "--case", "2", "--only", "third"])
    fuzz.main()
    assert seen == [again]
    assert capsys.readouterr().out == "seed 7\nthird 1\n"
