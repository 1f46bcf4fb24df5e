"""The report shows both numbers, the worst first, and each hint once."""

import numpy as np

import tinygrad_edu as tg


def square(x):
    return (x * x).sum()


def test_the_note_has_both_numbers_the_worst_first_and_each_hint_once():
    w = np.arange(1.0, 7.0).reshape(2, 3)
    report = tg.diagnose(lambda a, b: square(a) + square(b), {"a": w, "b": w}, {"a": -2 * w, "b": -2 * w})
    note = str(report)
    lines = note.splitlines()
    assert lines[0] == "The gradient of f = 182 with respect to"
    assert lines[1] == "  a (2, 3): 1, 2, 3, 4, ..."
    assert "a  WRONG: the sign is turned round" in lines
    assert "    [1, 2]    -12     12             -1" in lines
    assert "    [0, 0]     -2      2             -1" not in lines
    assert note.count("and 2 more") == 2
    assert note.count("Hint:") == 1
    found = report.findings[0]
    assert found.said.tolist() == (-2 * w).tolist()
    np.testing.assert_allclose(found.expected, 2 * w)
    assert repr(report) == note
