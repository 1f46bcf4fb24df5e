"""A test that leaves something behind fails: seen here with tests that do."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("leak", "named"),
    [
        ("tensor.no_grad().__enter__()", "grad mode"),
        ("class Ear(tensor.Observer):\n        def op(self, *_): pass\n    Ear().__enter__()", "observers of op"),
        ("threading.Thread(target=threading.Event().wait, args=(3,)).start()", "threads"),
        ("open('litter.txt', 'w').close()", "files"),
        ("pass", None),
    ],
)
def test_what_a_test_leaves_behind_is_named(pytester, leak, named):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"import threading\nfrom tinygrad_edu.core import tensor\n\n\ndef test_it():\n    {leak}\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=int(named is not None))
    if named is not None:
        result.stdout.fnmatch_lines([f"*left something behind: {{*'{named}':*"])
