"""The functions that a compiled step calls give NumPy's bits, and so does the plain Python in their place."""

import ctypes
import itertools
from pathlib import Path

import by_machine
import numpy as np
import pytest
from rules_table import every_dtype

from tinygrad_edu.compile import intrinsics, library, numpy_c, plainly
from tinygrad_edu.compile.templates import CALLED
from tinygrad_edu.extras.one_thread import ALONE, SMALL

needs_numba = pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")
rng = np.random.default_rng(0)
SIZES = [(1, 1, 1), (1, 5, 3), (7, 1, 2), (3, 4, 1), (17, 33, 9), (64, 64, 64), (5, 130, 257)]


def compiled(f, dtype):
    """f as machine code, with what a step has around it."""
    return by_machine.compiled(f, dtype=dtype, **numpy_c._native("s" if dtype is np.float32 else "d"))


def unaligned(array):
    """The same numbers, one byte behind where they should start."""
    buffer = np.empty(array.nbytes + 9, np.uint8)
    start = -buffer.ctypes.data % 8 + 1
    place = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    place[...] = array
    assert not place.flags.aligned
    return place


# --- products ---------------------------------------------------------------------------------------------------------

PRODUCT = (
    "def f(a, turned_a, b, turned_b, out, n, m, k, row):\n    _matmul(a, turned_a, b, turned_b, out, n, m, k, row)"
)


def products(matmul, dtype, exact):
    for (n, m, k), turned_a, turned_b, place in itertools.product(SIZES, *[(False, True)] * 2, (np.array, unaligned)):
        a = rng.standard_normal((k, n) if turned_a else (n, k)).astype(dtype)
        b = rng.standard_normal((m, k) if turned_b else (k, m)).astype(dtype)
        left, right = (a.T if turned_a else a), (b.T if turned_b else b)
        expected = left @ right
        room = (k + 2) * np.finfo(dtype).eps * (np.abs(left) @ np.abs(right))  # in whatever order k numbers are added
        a, b, out = place(a), place(b), place(np.full((n, m), np.nan, dtype))
        given = [a.ctypes.data, turned_a, b.ctypes.data, turned_b, out.ctypes.data, n, m, k]
        matmul(*given, 0)
        if exact and min(n, m, k) > 1 and place is np.array:  # else NumPy takes another function of BLAS, or copies
            np.testing.assert_array_equal(out, expected)
        assert np.all(np.abs(out - expected) <= room)
        row = place(rng.standard_normal(m).astype(dtype))
        matmul(*given, row.ctypes.data)
        assert np.all(np.abs(out - expected - row) <= 2 * room + 2 * np.finfo(dtype).eps * np.abs(row))


@every_dtype
def test_products_in_plain_python(dtype):
    products(plainly.plain(np.dtype(dtype))["_matmul"], dtype, exact=True)


@needs_numba
@every_dtype
def test_products_are_those_of_numpys_blas(dtype):
    assert numpy_c.blas()
    products(compiled(PRODUCT, dtype), dtype, exact=True)


@needs_numba
@every_dtype
@pytest.mark.parametrize("m", [1, 3, 16, 31, 100])
def test_products_of_known_width_are_right_in_every_order(dtype, m):
    """By loops: of every number of rows and columns that a tile may have left over, in several blocks of rows of b."""
    matmul = compiled(PRODUCT.replace("n, m, k, row):", "n, k, row):").replace(" m,", f" {m},"), dtype)
    for n, k in [(1, 1), (5, 1), (6, 7), (7, 33), (8, 2), (21, 400), (21, 401), (64, 64), (700, 30)]:
        a, b = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
        expected, room = a @ b, (k + 2) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
        for turned_a, turned_b in itertools.product((False, True), repeat=2):
            left, right = (unaligned(x.T if turned else x) for x, turned in ((a, turned_a), (b, turned_b)))
            whole = np.full((n + 1, m), 9, dtype)
            out = whole[:n]
            out[...] = np.nan
            for row in (None, unaligned(rng.standard_normal(m).astype(dtype))):
                start = 0 if row is None else row.ctypes.data
                matmul(left.ctypes.data, turned_a, right.ctypes.data, turned_b, out.ctypes.data, n, k, start)
                whole_row = 0 if row is None else row
                assert np.all(np.abs(out - expected - whole_row) <= 2 * room + np.finfo(dtype).eps * np.abs(whole_row))
            assert np.all(whole[n] == 9)


@needs_numba
@every_dtype
@pytest.mark.parametrize("m", [256, 300])
def test_large_products_of_known_width_are_right_in_every_order(dtype, m, monkeypatch):
    """By loops: in pieces of rows, of columns and of both, in several blocks, with what is left over."""
    matmul = compiled(PRODUCT.replace("n, m, k, row):", "n, k, row):").replace(" m,", f" {m},"), dtype)
    real, cut_up = numpy_c.grid, []
    monkeypatch.setattr(numpy_c, "grid", lambda *sizes: cut_up.append(sizes) or real(*sizes))
    monkeypatch.setattr(numpy_c.one_thread, "users", 2)
    for n, k in [(33, 1001), (130, 601), (601, 130), (1201, 37)]:
        a, b = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
        expected = a.astype(np.longdouble) @ b
        room = (k + 2) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
        for turned_a, turned_b, added in itertools.product((False, True), repeat=3):
            left, right = (unaligned(x.T if turned else x) for x, turned in ((a, turned_a), (b, turned_b)))
            whole = np.full((n + 1, m), 9, dtype)
            whole[:n] = np.nan
            row = unaligned(rng.standard_normal(m).astype(dtype))
            sides = left.ctypes.data, turned_a, right.ctypes.data, turned_b
            matmul(*sides, whole.ctypes.data, n, k, added and row.ctypes.data)
            assert np.all(np.abs(whole[:n] - expected - added * row) <= 2 * room + np.finfo(dtype).eps * np.abs(row))
            assert np.all(whole[n] == 9)
        assert n * m * k > SMALL
        assert len(cut_up) == 8 * (numpy_c.products.LIMIT == SMALL)
        cut_up.clear()


@pytest.mark.parametrize(
    ("has", "most"),
    [("avx2 fma", SMALL), ("avx2 fma avx512f", ALONE), ("avx2", ALONE), ("", ALONE), (None, ALONE)],
)
def test_how_large_a_product_by_loops_may_be(has, most, monkeypatch):
    def features():
        if has is None:
            raise RuntimeError
        return dict.fromkeys(has.split(), True)

    monkeypatch.setattr(numpy_c.products.binding, "get_host_cpu_features", features)
    assert numpy_c.products.limit() == most


@needs_numba
@every_dtype
def test_products_without_blas_are_numpys(dtype, through_python):
    products(compiled(PRODUCT, dtype), dtype, exact=True)


@needs_numba
def test_functions_are_named_also_if_there_was_no_machine_code_before(monkeypatch):
    """Else machine code from disk, which nothing compiled here, would call address 0."""
    names = numpy_c.ready()
    numpy_c._named.cache_clear()
    with monkeypatch.context() as without:
        without.setattr(numpy_c, "PLAIN", True)
        assert numpy_c.ready() == "plain"
    assert numpy_c.ready() == names


@pytest.fixture
def through_python(monkeypatch):
    """No function of NumPy's is found; afterwards all names have the addresses again that they had."""
    numpy_c.ready()
    monkeypatch.setattr(numpy_c, "blas", lambda: None)
    monkeypatch.setattr(numpy_c, "inner_loop", lambda name, letter: None)
    numpy_c._named.cache_clear()
    numpy_c._native.cache_clear()
    numpy_c._said.clear()
    with pytest.warns(UserWarning, match=r"^compiled steps call NumPy through Python, .*products, .*exp in float32, "):
        numpy_c.ready()
    numpy_c.ready()  # said once
    yield
    monkeypatch.undo()
    for cached in (numpy_c.blas, numpy_c.inner_loop, numpy_c._named, numpy_c._native):
        cached.cache_clear()
    numpy_c.ready()
    numpy_c._alive.clear()


def test_another_library_with_products_is_not_asked(tmp_path, monkeypatch):
    """Only what NumPy was linked with; and what is there has to multiply."""
    numpy_c.blas.__wrapped__()
    asked = []
    load = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda path, *more: asked.append(path) or load(path, *more))
    found = numpy_c.blas.__wrapped__()
    assert found is not None
    assert {Path(path).parent.name for path in asked if path} <= {"_core", "numpy.libs"}
    monkeypatch.setattr(numpy_c, "_multiplies", lambda *given: False)
    assert numpy_c.blas.__wrapped__() is None


def test_a_product_that_multiplies_otherwise_is_seen():
    for letter in "sd":
        for factor, right in ((1, True), (2, False)):

            def multiply(*given, dtype=numpy_c.SIMPLE[letter], factor=factor):
                numpy_c._multiply(dtype, *given)
                plainly.array(given[12], 0, (2, 4), dtype)[...] *= factor

            made = numpy_c._product_type(letter, 64)(multiply)
            assert numpy_c._multiplies(numpy_c._address(made), letter, 64) is right


@needs_numba
def test_a_loop_that_is_not_numpys_or_computes_otherwise_is_seen(monkeypatch):
    assert numpy_c.inner_loop.__wrapped__("exp", "d") is False
    with monkeypatch.context() as patch:
        patch.setattr(numpy_c, "library_of", lambda address: "/somewhere/else.so")
        assert numpy_c.inner_loop.__wrapped__("exp", "d") is None
    with monkeypatch.context() as patch:
        patch.setattr(numpy_c, "_agrees", lambda *given: False)
        assert numpy_c.inner_loop.__wrapped__("exp", "d") is None
    with monkeypatch.context() as patch:
        patch.setattr(np, "exp", np.tanh)  # of the same layout: its own numbers, so right
        assert numpy_c.inner_loop.__wrapped__("exp", "d") is False
    loop = numpy_c.LOOP(lambda *given: numpy_c._run_loop(np.tanh, np.dtype(float), *given))
    assert numpy_c._agrees(np.tanh, np.dtype(float), numpy_c._address(loop), None)
    assert not numpy_c._agrees(np.exp, np.dtype(float), numpy_c._address(loop), None)
    numpy_c._named.cache_clear()
    numpy_c.inner_loop.cache_clear()
    numpy_c.ready()


@needs_numba
def test_ctrl_c_in_numpy_through_python_is_raised_when_the_step_is_done(through_python, monkeypatch):
    times, multiply = [], plainly.matmul

    def interrupted(*given):
        times.append(1)
        if len(times) == 1:
            raise KeyboardInterrupt
        multiply(*given)

    monkeypatch.setattr(plainly, "matmul", interrupted)
    a, b, out = np.ones((2, 3)), np.ones((3, 4)), np.zeros((2, 4))
    run = numpy_c.interruptible(compiled(PRODUCT, np.float64))
    with pytest.raises(KeyboardInterrupt):
        run(a.ctypes.data, False, b.ctypes.data, False, out.ctypes.data, 2, 4, 3, 0)
    assert np.all(out == 3)
    run(a.ctypes.data, False, b.ctypes.data, False, out.ctypes.data, 2, 4, 3, 0)


# --- NumPy's functions ------------------------------------------------------------------------------------------------

X = np.concatenate([rng.standard_normal(37), [0.0, -0.0, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-3]])
Y = rng.standard_normal(X.size) ** 2


def same_bits(got, expected):
    np.testing.assert_array_equal(got, expected)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))


@needs_numba
def test_functions_through_python_have_numpys_bits_too(through_python):
    test_every_function_has_numpys_bits(np.float64)


@needs_numba
@every_dtype
def test_every_function_has_numpys_bits(dtype):
    """Over arrays; over one element; and beside a single number."""
    x, y, lines = X.astype(dtype), Y.astype(dtype), []
    for i, name in enumerate(CALLED):
        ways = [("x, 1", "y, 1"), ("x, 1", "y, 0"), ("x, 0", "y, 1")] if getattr(np, name).nin == 2 else [("x, 1",)]
        for j, given in enumerate(ways):
            out = f"_array(out, {(3 * i + j) * x.size}, (n,), dtype)"
            lines.append(f"    _{name}({', '.join(given)}, {out}, n)")
    arrays = [f"    {name} = _array(_{name}, 0, (n,), dtype)" for name in "xy"]
    run = compiled("\n".join(["def f(_x, _y, out, n):", *arrays, *lines]), dtype)
    for n in (x.size, 1):
        out = np.full((len(CALLED), 3, x.size), 7, dtype)
        run(x.ctypes.data, y.ctypes.data, out.ctypes.data, n)
        assert np.all(out[:, :, n:] == 7)
        for name, (got, number_right, number_left) in zip(CALLED, out):
            f = getattr(np, name)
            with np.errstate(all="ignore"):
                if f.nin == 1:
                    same_bits(got[:n], f(x[:n]))
                else:
                    same_bits(got[:n], f(x[:n], y[:n]))
                    same_bits(number_right[:n], f(x[:n], y[0]))
                    same_bits(number_left[:n], f(x[0], y[:n]))


@every_dtype
def test_the_same_in_plain_python(dtype):
    x, y = X.astype(dtype), Y.astype(dtype)
    functions = plainly.plain(np.dtype(dtype))
    with np.errstate(all="ignore"):
        for name in CALLED:
            out = np.full((5, 9), 7, dtype)
            given = [x, 1] if getattr(np, name).nin == 1 else [x, 1, y, 0]
            functions[f"_{name}"](*given, out, 40)
            arrays = [x[:40]] if len(given) == 2 else [x[:40], y[0]]
            same_bits(out.reshape(-1)[:40], getattr(np, name)(*arrays))
            assert np.all(out.reshape(-1)[40:] == 7)


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["plain", pytest.param("machine", marks=needs_numba)])
def test_rows_are_repeated_as_often_as_is_said(way):
    plain = plainly.plain(np.dtype(float))["_repeat"]
    repeat = (
        plain if way == "plain" else compiled("def f(row, to, n, size):\n    _repeat(row, to, n, size)", np.float64)
    )
    row = rng.integers(0, 255, 37).astype(np.uint8)
    for n in (1, 2, 3, 7, 8, 100):
        out = np.full((n + 1, 37), 9, np.uint8)
        repeat(row.ctypes.data, out.ctypes.data, n, 37)
        assert np.all(out[:n] == row)
        assert np.all(out[n] == 9)


IN_PLACE = """
def f(a, n):
    x = _array(a, 0, (n,), dtype, 0, 1)
    for i in range(n):
        x[i] = x[i] if x[i] >= 0 or x[i] != x[i] else dtype(0)
"""


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_vectors_are_stored_where_some_elements_change(dtype):
    """Stores of parts of vectors are slow on AMD."""
    x = rng.standard_normal(203).astype(dtype)
    expected, code = np.maximum(x, 0), by_machine.made(IN_PLACE, dtype=dtype, _array=intrinsics.array)
    library.function_of(code)(x.ctypes.data, len(x))
    np.testing.assert_array_equal(x, expected)
    assert "vmaskmov" not in code.get_asm_str()


@needs_numba
@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int32, np.uint64, np.float32, np.float64])
def test_places_hold_every_dtype(dtype):
    """Copied by a place of two axes, by one number, and as an array."""
    text = """def f(a, b, n):
    x = _array(a, 2, (n, 3), dtype, 0, 2)
    y = _array(b, 0, (n, 3), dtype, 1, 2)
    for i in range(n):
        for j in range(3):
            y[i, j] = x[i, j]
    y[3 * n - 1] = x[0]
    last = _array(b, 3 * n, (1, 2), dtype)
    last[0, 1] = x[1, 0]
    zero = _array(b, 3 * n, (), dtype, 1, 2)
    zero[()] = x[0, 1]
    """
    a, b = rng.integers(0, 2, 14).astype(dtype), np.zeros(14, dtype)
    compiled(text, dtype)(a.ctypes.data, b.ctypes.data, 4)
    np.testing.assert_array_equal(b[:11], a[2:13])
    assert (b[11], b[12], b[13]) == (a[2], a[3], a[5])


def test_arrays_by_address_in_plain_python():
    a = np.arange(12.0)
    place = plainly.array(np.int64(a.ctypes.data), np.int64(2), (2, 5), np.float64)
    np.testing.assert_array_equal(place, a[2:].reshape(2, 5))
    place[0, 0] = 7
    assert a[2] == 7
    assert plainly.array(a.ctypes.data, 3, (), np.float64) == 3


# --- the processor's mode ---------------------------------------------------------------------------------------------


@needs_numba
def test_small_numbers_are_0_inside_and_the_mode_is_restored():
    text = """def f(_x, _out):
    x, out = _array(_x, 0, (2,), dtype), _array(_out, 0, (4,), dtype)
    out[0] = before = _flush(0)
    out[1] = x[0] * x[1]
    _flush(before)
    out[2], out[3] = x[0] * x[1], _flush(before)
    """
    tiny, out = np.array([np.finfo(np.float32).tiny, 0.5], np.float32), np.zeros(4, np.float32)
    compiled(text, np.float32)(tiny.ctypes.data, out.ctypes.data)
    before, inside, after, again = out
    assert inside == 0
    assert after == tiny[0] * np.float32(0.5) > 0
    assert again == before


def test_plain_python_warns_of_nothing_and_then_again():
    flush = plainly.plain(np.dtype(float))["_flush"]
    before = flush(0)
    assert np.float64(1) / np.float64(0) == np.inf
    flush(before)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.float64(1) / np.float64(0)
    assert np.geterr() == before


# --- their names ------------------------------------------------------------------------------------------------------


def test_the_inner_loops_are_where_numpy_has_them():
    """Called by their address, as C does."""
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
    x, out = np.array([0.5, 1.0]), np.zeros(2)
    for name in ("exp", "log", "tanh"):
        table = {}
        add, numpy_c.binding.add_symbol = numpy_c.binding.add_symbol, table.__setitem__
        try:
            extra = numpy_c.inner_loop.__wrapped__(name, "d")
        finally:
            numpy_c.binding.add_symbol = add
        pointers = (ctypes.c_void_p * 2)(x.ctypes.data, out.ctypes.data)
        n, steps = ctypes.c_ssize_t(2), (ctypes.c_ssize_t * 2)(8, 8)
        loop = signature(table[f"tinygrad_edu_{name}_d"])
        loop(pointers, ctypes.byref(n), steps, table[f"tinygrad_edu_{name}_d_data"] if extra else None)
        np.testing.assert_array_equal(out, getattr(np, name)(x))


def test_what_is_called_is_a_part_of_the_key():
    assert numpy_c.ready() == "plain" if numpy_c.PLAIN else "gemm" not in numpy_c.ready()
    if not numpy_c.PLAIN:
        assert str(numpy_c.blas()) in numpy_c.ready()
        assert "expf" in numpy_c.ready()
        assert "expf" in numpy_c.ready("_exp(z, 1, e, 3)")
        assert "logf" not in numpy_c.ready("_exp(z, 1, e, 3)")
