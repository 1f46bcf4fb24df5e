"""Data: the digits are scikit-learn's, toy sets lie where their formulas say, IDX files that are damaged are refused by
name, and one pass of batches brings every sample exactly once."""

import gzip
import os
import struct

import numpy as np
import pytest

from tinygrad_edu.training import data
from tinygrad_edu.training.data import batches

# --- digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    X_train, y_train, X_test, y_test = data.digits()
    ours = rows(16 * np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test]))
    assert np.array_equal(ours, rows(theirs.data, theirs.target))


def test_digits_are_scaled_and_labelled():
    X_train, y_train, X_test, y_test = data.digits()
    assert X_train.shape == (1437, 64)
    assert X_test.shape == (360, 64)
    assert X_train.min() == X_test.min() == 0
    assert X_train.max() == X_test.max() == 1
    assert y_train.dtype == y_test.dtype == np.int64
    assert set(y_train) == set(y_test) == set(range(10))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_digits_are_split_with_the_same_share_of_every_digit(share):
    _, y_train, _, y_test = data.digits(test_share=share)
    held_out, all_of_them = np.bincount(y_test), np.bincount(np.concatenate([y_train, y_test]))
    assert np.abs(held_out - share * all_of_them).max() < 2


def test_the_same_seed_gives_the_same_split():
    first, again, other = data.digits(rng=3), data.digits(rng=3), data.digits(rng=4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first.X_test, other.X_test)


# --- split ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [int, float, bool, str, object, "column of floats"])
def test_split_keeps_the_share_of_each_class_of_any_labels(kind):
    y = np.repeat([0, 1], [90, 10])
    labels = y[:, None].astype(float) if kind == "column of floats" else y.astype(str if kind is object else kind)
    _, y_train, _, y_test = data.split(
        np.arange(100)[:, None], labels.astype(kind) if kind is object else labels, 0.2, rng=0
    )
    rare = labels[-1]
    assert ((y_test == rare).sum(), (y_train == rare).sum()) == (2, 8)
    targets = y + np.linspace(0, 0.1, 100)  # these are drawn
    shares = {(data.split(y[:, None], targets, 0.2, rng=seed).X_test == 1).sum() for seed in range(20)}
    assert len(shares) > 1


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize(("n", "share", "tests"), [(10, 0.2, 2), (10, 0.21, 3), (7, 0.5, 4), (2, 0.5, 1)])
def test_split_brings_every_sample_once_with_its_label(n, share, tests, kind):
    X = np.arange(n)[:, None]
    X_train, y_train, X_test, y_test = data.split(X, (X[:, 0] % 2).astype(kind), share, rng=0)
    assert len(X_test) == len(y_test) == tests
    assert sorted([*X_train[:, 0], *X_test[:, 0]]) == list(range(n))
    assert np.array_equal(y_train, X_train[:, 0] % 2)
    assert np.array_equal(y_test, X_test[:, 0] % 2)


def test_split_keeps_the_share_of_a_rare_class():
    y = np.repeat([0, 1], [90, 10])
    _, _, _, y_test = data.split(np.zeros((100, 1)), y, 0.2, rng=0)
    assert np.bincount(y_test).tolist() == [18, 2]


def test_split_mixes_the_samples():
    X_train, *_ = data.split(np.arange(50)[:, None], np.zeros(50), rng=0)
    assert np.any(np.diff(X_train[:, 0]) < 0)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, np.nan])
def test_split_refuses_a_share_that_is_not_between_0_and_1(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        data.split(np.zeros((4, 1)), np.zeros(4), share)


@pytest.mark.parametrize("n", [0, 1])
def test_split_refuses_to_leave_one_side_empty(n):
    with pytest.raises(ValueError, match="cannot be split"):
        data.split(np.zeros((n, 1)), np.zeros(n))


@pytest.mark.parametrize("labels", [8, 12])
def test_split_refuses_lengths_that_differ(labels):
    with pytest.raises(ValueError, match="one row for each sample"):
        data.split(np.zeros((10, 1)), np.zeros(labels, int))


# --- toy sets ---------------------------------------------------------------------------------------------------------

TOYS = [  # generator, number of classes, smallest n
    (data.moons, 2, 2),
    (data.circles, 2, 2),
    (data.spirals, 2, 2),
    (lambda *args, **kw: data.spirals(*args, arms=3, **kw), 3, 3),
    (data.blobs, 3, 3),
    (lambda *args, **kw: data.blobs(*args, classes=5, **kw), 5, 5),
    (data.xor, 2, 4),
]
NAMES = ["moons", "circles", "spirals", "3 spirals", "blobs", "5 blobs", "xor"]
toys = pytest.mark.parametrize(("make", "classes", "least"), TOYS, ids=NAMES)


@toys
def test_a_toy_set_has_two_features_and_balanced_mixed_labels(make, classes, least):
    X, y = make(42, 0.1, 0)
    assert X.shape == (42, 2)
    assert y.dtype.kind == "i"
    assert set(y) == set(range(classes))
    assert np.ptp(np.bincount(y)) <= 1
    assert np.any(np.diff(y) < 0)


@toys
def test_a_toy_set_is_reproducible(make, classes, least):
    (X, y), (X_again, y_again), (X_other, _) = make(rng=7), make(rng=7), make(rng=8)
    assert np.array_equal(X, X_again)
    assert np.array_equal(y, y_again)
    assert not np.array_equal(X, X_other)


@toys
def test_a_toy_set_can_be_as_small_as_its_classes(make, classes, least):
    assert len(make(least, 0.0, 0)[0]) == least
    with pytest.raises(ValueError, match=f"at least {least}"):
        make(least - 1)


@toys
def test_noise_is_the_standard_deviation_around_the_noiseless_set(make, classes, least):
    moved = make(4000, 0.3, 0)[0] - make(4000, 0.0, 0)[0]
    assert moved.mean() == pytest.approx(0, abs=0.02)
    assert moved.std() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("make", [data.moons, data.circles, data.spirals, data.blobs, data.xor, data.regression])
@pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf])
def test_a_noise_that_is_no_standard_deviation_is_refused(make, noise):
    with pytest.raises(ValueError, match="noise"):
        make(10, noise)


def test_moons_lie_on_two_half_circles():
    X, y = data.moons(200, 0, 0)
    upper, lower = X[y == 0], X[y == 1]
    assert np.allclose((upper**2).sum(axis=1), 1)
    assert np.allclose(((lower - [1, 0.5]) ** 2).sum(axis=1), 1)
    assert upper[:, 1].min() >= 0
    assert lower[:, 1].max() <= 0.5


def test_circles_have_radius_1_outside_and_one_half_inside():
    X, y = data.circles(200, 0, 0)
    assert np.allclose(np.hypot(*X.T), np.where(y == 0, 1, 0.5))
    assert set(np.sign(X[y == 1]).astype(int).ravel()) == {-1, 1}  # all the way around


@pytest.mark.parametrize(("arms", "turns"), [(1, 1.5), (2, 0.75), (5, 3)])
def test_the_angle_of_a_spiral_grows_with_its_radius(arms, turns):
    X, y = data.spirals(200, 0, 0, arms=arms, turns=turns)
    radius = np.hypot(*X.T)
    whole_turns = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi) - turns * radius - y / arms
    assert np.allclose(whole_turns, np.round(whole_turns))
    assert 0.1 <= radius.min() < radius.max() <= 1


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_blobs_lie_around_the_corners_of_a_polygon(classes):
    X, y = data.blobs(60, 0, 0, classes=classes)
    assert np.allclose(X[:, 0] + 1j * X[:, 1], 2 * np.exp(2j * np.pi * y / classes))


def test_xor_is_true_where_one_coordinate_is_1():
    X, y = data.xor(40, 0, 0)
    assert {(a, b, label) for (a, b), label in zip(X, y)} == {(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)}


def test_regression_is_a_sine():
    X, y = data.regression(50, 0, 0)
    assert X.shape == y.shape == (50, 1)
    assert np.array_equal(y, np.sin(3 * X))
    assert -1 <= X.min() < -0.5 < 0.5 < X.max() <= 1


def test_regression_has_noise_in_y_alone():
    (X, y), (X_noiseless, _) = data.regression(4000, 0.3, 0), data.regression(4000, 0, 0)
    assert np.array_equal(X, X_noiseless)
    assert (y - np.sin(3 * X)).std() == pytest.approx(0.3, rel=0.05)


def test_regression_refuses_no_samples():
    with pytest.raises(ValueError, match="at least 1"):
        data.regression(0)


# --- IDX files --------------------------------------------------------------------------------------------------------

TYPES = [  # code, struct letter, values
    (0x08, "B", [0, 1, 2, 127, 128, 255]),
    (0x09, "b", [-128, -1, 0, 1, 2, 127]),
    (0x0B, "h", [-(2**15), -1, 0, 1, 258, 2**15 - 1]),
    (0x0C, "i", [-(2**31), -1, 0, 1, 16909060, 2**31 - 1]),
    (0x0D, "f", [-1.5, 0.0, 0.25, 1.0, 2.0**-20, 2.0**100]),
    (0x0E, "d", [-1.5, 0.0, 0.1, 1.0, 2.0**-500, 1e300]),
]
GOOD = b"\0\0\x08\x02" + struct.pack(">2I", 2, 3) + bytes(range(6))


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(("code", "letter", "values"), TYPES)
def test_idx_reads_every_type(tmp_path, code, letter, values, compress):
    path = idx_file(tmp_path / "numbers", (2, 3), values, code, letter, compress)
    read = data.idx(path)
    assert read.dtype == np.dtype(letter)
    assert read.dtype.isnative
    assert read.tolist() == [values[:3], values[3:]]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (6,), (3, 2), (1, 2, 3), (2, 1, 1, 3)])
def test_idx_reads_any_number_of_axes(tmp_path, shape):
    values = list(range(np.prod(shape, dtype=int)))
    read = data.idx(idx_file(tmp_path / "numbers", shape, values))
    assert read.shape == shape
    assert read.ravel().tolist() == values


def test_idx_takes_a_string_and_returns_an_array_of_its_own(tmp_path):
    read = data.idx(str(idx_file(tmp_path / "numbers", (3,), [1, 2, 3])))
    read += 1
    assert read.tolist() == [2, 3, 4]


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_an_idx_file_cut_off_anywhere_is_refused(tmp_path, length):
    refuses(tmp_path, GOOD[:length], "not an IDX file|header is cut off|takes 6 bytes")


@pytest.mark.parametrize("length", range(2, len(gzip.compress(GOOD))))
def test_a_compressed_idx_file_cut_off_anywhere_is_refused(tmp_path, length):
    refuses(tmp_path, gzip.compress(GOOD)[:length], "damaged or cut off")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + b"\0", "takes 6 bytes, the file has 7"),
        (gzip.compress(GOOD + b"\0"), "takes 6 bytes, the file has 7"),
        (b"\0\1" + GOOD[2:], "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file"),
        (b"<html>no such page</html>", "not an IDX file"),
        (b"\0\0\x0a" + GOOD[3:], "unknown IDX type 0x0a; known are 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e"),
        (b"\0\0\x0d" + GOOD[3:], "takes 24 bytes, the file has 6"),
        (b"\0\0\x08\x03" + struct.pack(">3I", *[2**32 - 1] * 3), "takes 79,228,162,458,924,105,385,300,197,375 bytes"),
        (gzip.compress(GOOD)[:-8] + b"\0" * 8, "damaged"),  # the checksum
        (gzip.compress(GOOD)[:10] + b"\xff" * 20, "damaged"),  # the deflate stream
        (gzip.compress(GOOD) + b"and more", "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_an_idx_file_that_is_damaged_is_refused(tmp_path, content, message):
    refuses(tmp_path, content, message)


def test_an_idx_file_is_read_no_further_than_its_header_promises(tmp_path, monkeypatch):
    """A bomb: 1.5 MB of gzip were 1.5 GB of zeros. Five bytes are promised, six are read, and 16 of header."""
    taken = []

    class Counting(gzip.GzipFile):
        def read(self, size=-1):
            taken.append(size)
            return super().read(size)

    monkeypatch.setattr(data.gzip, "open", lambda file: Counting(fileobj=file))
    bomb = b"\0\0\x08\x01" + struct.pack(">I", 5) + bytes(10_000_000)
    refuses(tmp_path, gzip.compress(bomb), "takes 5 bytes, the file has 6 or more")
    assert taken == [4, 4, 6]


@pytest.mark.parametrize("shape", [[1] * 255, [0, 2**32 - 1, 2**32 - 1, 2**32 - 1]])
def test_an_idx_header_of_a_shape_that_numpy_has_not(tmp_path, shape):
    refuses(
        tmp_path,
        struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape) + b"x" * all(shape),
        "no array has the shape",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_an_idx_file_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ValueError, match="is no file"):
            data.idx(path)


def test_idx_says_which_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.idx(tmp_path / "nowhere")


# --- MNIST ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [(), ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte")], ids=["plain", "mixed"])
def test_mnist_reads_the_four_files(tmp_path, zipped):
    files = mnist_files()
    write(tmp_path, files, zipped)
    X_train, y_train, X_test, y_test = data.mnist(tmp_path)
    for X, part in ((X_train, "train"), (X_test, "t10k")):
        images = files[f"{part}-images-idx3-ubyte"]
        assert X.shape == (len(images), 20)
        assert np.array_equal((255 * X).round().reshape(images.shape), images)
        assert 0 <= X.min() < X.max() <= 1
    assert y_train.dtype == np.int64
    assert y_train.tolist() == files["train-labels-idx1-ubyte"].tolist()
    assert y_test.tolist() == files["t10k-labels-idx1-ubyte"].tolist()


def test_mnist_knows_the_spelling_with_a_dot(tmp_path):
    write(tmp_path, {name.replace("-idx", ".idx"): values for name, values in mnist_files().items()})
    assert len(data.mnist(str(tmp_path)).X_train) == 6


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_mnist_names_the_file_that_is_missing(tmp_path, name):
    write(tmp_path, {other: values for other, values in mnist_files().items() if other != name})
    with pytest.raises(FileNotFoundError, match=f"no {name}"):
        data.mnist(tmp_path)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("train-labels-idx1-ubyte", (5,)),
        ("t10k-labels-idx1-ubyte", (5,)),
        ("train-labels-idx1-ubyte", (6, 1)),
        ("train-images-idx3-ubyte", (6, 20)),
        ("t10k-images-idx3-ubyte", (4, 3, 5)),  # as many samples, but fewer pixels than in training
    ],
)
def test_mnist_refuses_files_that_do_not_belong_together(tmp_path, name, shape):
    write(tmp_path, mnist_files() | {name: np.zeros(shape, np.uint8)})
    with pytest.raises(ValueError, match="shape"):
        data.mnist(tmp_path)


def test_mnist_names_the_file_that_is_damaged(tmp_path):
    write(tmp_path, mnist_files())
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(GOOD[:-1])
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte: shape"):
        data.mnist(tmp_path)


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "lengths"),
    [
        (None, False, [10]),
        (1, False, [1] * 10),
        (4, False, [4, 4, 2]),
        (4, True, [4, 4]),
        (5, True, [5, 5]),
        (10, False, [10]),
        (99, False, [10]),
        (99, True, [10]),
        (np.int64(6), False, [6, 4]),
    ],
)
def test_a_batch_has_the_size_that_was_asked_for(batch_size, drop_last, lengths):
    X, y = numbered(10)
    assert [len(xb) for xb, _ in batches(X, y, batch_size, drop_last=drop_last)] == lengths


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [None, 1, 3, 7])
def test_every_sample_comes_once_and_with_its_label(batch_size, shuffle):
    X, y = numbered(20)
    seen = list(batches(X, y, batch_size, shuffle, rng=0))
    assert sorted(label for _, yb in seen for label in yb) == list(range(20))
    assert all(np.array_equal(xb, np.stack([yb, -yb], axis=1)) for xb, yb in seen)


def test_shuffling_changes_the_order_and_not_shuffling_keeps_it():
    assert order_of(20, shuffle=False) == list(range(20))
    assert order_of(20, rng=0) != list(range(20))


def test_a_seed_repeats_its_order():
    assert order_of(20, rng=1) == order_of(20, rng=1)
    assert order_of(20, rng=1) != order_of(20, rng=2)


def test_a_generator_goes_on_from_epoch_to_epoch():
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    epochs, again = [order_of(20, rng=first) for _ in range(3)], [order_of(20, rng=second) for _ in range(3)]
    assert epochs == again
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] == order_of(20, rng=1)


def test_batches_take_lists_and_leave_the_data_as_they_are():
    X, y = numbered(6)
    for xb, yb in batches(X, y, 2, shuffle=False):
        xb += 100
        yb += 100
    assert np.array_equal(X[:, 0], y)
    assert y.tolist() == list(range(6))
    assert [yb.tolist() for _, yb in batches([[0], [1], [2]], [5, 6, 7], 2, shuffle=False)] == [[5, 6], [7]]


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8"])
def test_batches_refuse_a_size_that_is_no_whole_number_above_0(batch_size):
    with pytest.raises(ValueError, match=r"batch_size = .*at least 1, or None"):
        batches(*numbered(4), batch_size)  # at once, not when the first batch is taken


@pytest.mark.parametrize(("X", "y"), [(3, 4), (4, 3), (0, 1)])
def test_batches_refuse_lengths_that_differ(X, y):
    with pytest.raises(ValueError, match="one row for each sample"):
        batches(np.zeros((X, 2)), np.zeros(y))


def test_batches_refuse_no_samples():
    with pytest.raises(ValueError, match="no samples"):
        batches(np.zeros((0, 2)), np.zeros(0))


# --- helpers ----------------------------------------------------------------------------------------------------------


def rows(X, y):
    """Samples with their labels, in an order that depends on nothing but them."""
    table = np.column_stack([X, y])
    return table[np.lexsort(table.T)]


def numbered(n):
    """Samples (i, -i) with label i."""
    y = np.arange(n)
    return np.stack([y, -y], axis=1), y


def order_of(n, **options):
    return [int(label) for _, yb in batches(*numbered(n), 3, **options) for label in yb]


def idx_file(path, shape, values, code=0x08, letter="B", compress=bytes):
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)
    path.write_bytes(compress(header + struct.pack(f">{len(values)}{letter}", *values)))
    return path


def refuses(folder, content, message):
    path = folder / "broken-file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        data.idx(path)
    assert "broken-file" in str(refused.value)


def mnist_files():
    """Six training images and four test images of 4 x 5 pixels, with labels."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (6, 4, 5)),
        "train-labels-idx1-ubyte": np.array([0, 1, 2, 9, 1, 0]),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (4, 4, 5)),
        "t10k-labels-idx1-ubyte": np.array([3, 9, 0, 1]),
    }


def write(folder, files, zipped=()):
    for name, values in files.items():
        gz = name in zipped
        path = folder / (f"{name}.gz" if gz else name)
        idx_file(path, values.shape, values.ravel().tolist(), compress=gzip.compress if gz else bytes)
