"""The small compiler beside Python and NumPy: numbers of every dtype, what is chosen, loops, arrays, functions."""

import itertools
import math
import operator

import numpy as np
import pytest

from tinygrad_edu.compile import numpy_c, plainly
from tinygrad_edu.compile.values import CannotCompile

if numpy_c.PLAIN:
    pytest.skip("there is no machine code without Numba", allow_module_level=True)

import by_machine

DTYPES = [np.bool_, np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64]
NAMES = {np.dtype(dtype).name: dtype for dtype in DTYPES}
WHOLE = [0, 1, 2, 3, 5, 7, 100, -1, -2, -3, -7, -100]
FLOATS = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 0.75, -0.3, 7.0, 1e30, math.inf, -math.inf, math.nan]
BELOW = float.fromhex("0x1.4a8d7ep+7"), float.fromhex("0x1.de98fp-1")  # in float32 (a - a % b) / b is just below 176
STEP = numpy_c._native("d")


def pairs(dtype):
    floats = np.dtype(dtype).kind == "f"
    with np.errstate(all="ignore"):
        return np.array([*itertools.product(FLOATS if floats else WHOLE, repeat=2), *[BELOW] * floats]).astype(dtype)


def each(expression, given, out, **names):
    """The expression in a and b for each row of given, in an array of dtype out."""
    result = np.zeros(len(given), out)
    text = f"""def f(_given, _out, n):
    given, out = _array(_given, 0, (n, 2), {given.dtype}), _array(_out, 0, (n,), {result.dtype})
    for i in range(n):
        a, b = given[i, 0], given[i, 1]
        out[i] = {expression}
    """
    by_machine.compiled(text, **STEP, **NAMES, **names)(given.ctypes.data, result.ctypes.data, len(given))
    return result


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "//", "%"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float32, np.float64])
def test_operators_are_numpys(sign, dtype):
    given = pairs(dtype)
    if np.dtype(dtype).kind in "iu":
        given = given[given[:, 1] != 0]
    operate = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.mod}
    with np.errstate(all="ignore"):
        expected = operate[sign](given[:, 0], given[:, 1])
    got = each(f"a {sign} b", given, expected.dtype)
    np.testing.assert_array_equal(got, expected)
    if expected.dtype.kind == "f":
        some = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[some]), np.signbit(expected[some]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_comparisons_and_what_is_chosen_are_pythons(dtype):
    given = pairs(dtype)
    signs = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt}
    for sign, compare in {**signs, ">=": operator.ge}.items():
        expected = [compare(a, b) for a, b in given.tolist()]
        assert each(f"a {sign} b", given, bool).tolist() == expected
        assert each(f"not a {sign} b", given, bool).tolist() == [not each for each in expected]
    expected = [float(1 < a <= b or (a == b and not a > 3)) for a, b in given.tolist()]
    assert each("1 if 1 < a <= b or (a == b and not a > 3) else 0.0", given, float).tolist() == expected


@pytest.mark.parametrize(("old", "new"), list(itertools.product(DTYPES, repeat=2)))
def test_dtypes_are_changed_as_numpy_changes_them(old, new):
    given = pairs(old)
    if np.dtype(old).kind == "f" and np.dtype(new).kind in "iu":  # what does not fit is left to the processor
        given = given[np.all((given >= 0) & (given < 100), axis=1)]
    with np.errstate(all="ignore"):
        expected = given[:, 0].astype(new)
    np.testing.assert_array_equal(each(f"{np.dtype(new)}(a)", given, new), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_kernels_call_is_numpys(dtype):
    given, names = pairs(dtype), {"maximum": np.maximum, "minimum": np.minimum, "sign": np.sign}
    names |= {"sqrt": math.sqrt, "erf": math.erf, "isfinite": math.isfinite}
    a, b = given.T
    with np.errstate(all="ignore"):
        wanted = {"maximum(a, b)": np.maximum(a, b), "minimum(a, b)": np.minimum(a, b), "sign(a)": np.sign(a)}
        wanted |= {"sqrt(abs(a))": np.sqrt(np.abs(a)), "isfinite(a)": np.isfinite(a), "-a": -a}
        wanted["erf(float64(a))"] = np.array([math.erf(x) for x in a.tolist()])
    for expression, expected in wanted.items():
        np.testing.assert_array_equal(each(expression, given, expected.dtype, **names), expected)


TEXT = """
from numpy import empty_like, zeros


def halves(x, factor=2.0):
    found = empty_like(x)
    for i in range(x.size):
        found[i] = x[i] / factor
    return found


def ends(x, k):
    if k > x.size:
        return x[0], x.size
    return x[k - 1], k


def f(_x, n):
    x, total = _array(_x, 0, (n,), float32), 0.0
    y, z, left = halves(x), halves(x, 4.0), zeros(n)
    for i in range(1, n, 2):
        left[i] += x[i]
        if i > 5:
            left[i] -= 1
    x[:] = y
    last, k = ends(z[2:], n)
    first, _ = ends(z[1:3], 1)
    for i in range(n):
        total += left[i] + (1, 20, 300)[i % 3]
    return total + 1000 * last + 10000 * first + k
"""


def test_functions_arrays_and_loops_do_what_python_does():
    x = np.arange(9, dtype=np.float32)
    space = {**NAMES, "_array": plainly.array}
    exec(TEXT, space)
    plain = x.copy()
    expected = space["f"](plain.ctypes.data, 9)
    got = by_machine.compiled(TEXT, **STEP, **NAMES)(x.ctypes.data, 9)
    assert got == expected
    np.testing.assert_array_equal(x, plain)
    assert x[8] == 4


def test_a_variable_keeps_its_kind():
    with pytest.raises(CannotCompile, match=r"^no machine code for `k = 0.5 \* n`: k is int64, and then float64$"):
        by_machine.compiled("def f(n):\n    k = n\n    k = 0.5 * n\n    return k")
    assert by_machine.compiled("def f(n):\n    k = 0.5\n    k += n\n    return k")(3) == 3.5


OTHERWISE = {  # than Python: what would be another number, and with which words it is refused
    "return ~n": "there is none for ~n",
    "return n ** 2": "Pow",
    "return g(n, b=3)": "there is none for g(n, b=3)",
    "return g(n + 18446744073709551616)": "is no number of at most 64 bits",
    "return nowhere": "has no attribute 'nowhere'",
    "return x[-1]": "it counts from the end",
    "return x[::2].size": "a slice with a step",
    "return x.ndim": "ndim is no attribute",
    "x = zeros(n, dtype=float32)": "there is none for zeros",
    "while n:": "there is none for such a line",
    "for i in g(n):": "there is none for such a line",
    "for i in range(n, 0, -1):": "it counts down",
    "if n:\n        return n\n    return 0.5": "the result is int64, and then float64",
    "if n:\n        y = zeros(n)": "an array is made within a loop or a branch",
    "for i in range(n):\n        y = g(n) + zeros(n)[0]": "an array is made within a loop or a branch",
}


@pytest.mark.parametrize("line", OTHERWISE)
def test_what_would_be_another_number_than_pythons_is_refused(line):
    lines = f"    {line}\n" + "        n += 1\n" * line.endswith(":")
    text = f"def g(a, b=2):\n    return a * b\n\n\ndef f(n):\n    x = zeros(n)\n{lines}    return n"
    with pytest.raises(CannotCompile) as caught:
        by_machine.compiled(text, zeros=np.zeros, float32=np.float32)
    start = f"no machine code for `{line.splitlines()[-1].strip()}`: "
    assert str(caught.value).startswith(start)
    assert OTHERWISE[line] in str(caught.value)[len(start) :]


def test_a_list_has_the_dtype_of_all_its_numbers():
    compiled = by_machine.compiled("def f(n):\n    return 2 * (1, 2.5, -0.25)[n]")
    assert [compiled(n) for n in range(3)] == [2, 5, -0.5]
