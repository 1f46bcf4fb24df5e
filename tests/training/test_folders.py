"""CIFAR-10 and IMDB from files that are written here: what they hold is read, and anything else is refused by name."""

import os
import tracemalloc
from collections import Counter

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import folders

NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def pictures(folder, n=3):
    """Six files of n pictures; the (labels, numbers) of each."""
    rng, written = np.random.default_rng(0), []
    for name in NAMES:
        labels, numbers = rng.integers(0, 10, n), rng.integers(0, 256, (n, 3072))
        (folder / name).write_bytes(b"".join(bytes([k, *row]) for k, row in zip(labels.tolist(), numbers.tolist())))
        written.append((labels, numbers))
    return written


def test_cifar10_is_read_channel_by_channel_and_row_by_row(tmp_path):
    written = pictures(tmp_path)
    X, y, X_test, y_test = tg.data.cifar10(tmp_path)
    assert X.shape == (15, 3, 32, 32)
    assert X.dtype == np.float64
    assert y.tolist() == [k for labels, _ in written[:5] for k in labels]
    assert y_test.tolist() == written[5][0].tolist()
    assert X_test[2, 1, 5, 7] == written[5][1][2, 1024 + 5 * 32 + 7] / 255
    assert X[4, 2, 31, 0] == written[1][1][1, 2 * 1024 + 31 * 32] / 255
    half = tg.data.cifar10(str(tmp_path), dtype=np.float32)
    assert half.X_train.dtype == np.float32
    np.testing.assert_allclose(half.X_train, X, rtol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(tmp_path, name):
    pictures(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {name}"):
        tg.data.cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes, which is no number of records"),
        (bytes(3072), "3,072 bytes, which is no number of records of 3,073"),
        (bytes(3073 * 2 + 1), "6,147 bytes"),
        (bytes([10]) + bytes(3072), "a label is 10"),
    ],
)
def test_a_damaged_file_of_cifar10_is_refused(tmp_path, content, said):
    pictures(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(ValueError, match=f"data_batch_3.bin.*{said}"):
        tg.data.cifar10(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    pictures(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    os.mkfifo(tmp_path / "test_batch.bin")
    with pytest.raises(ValueError, match=r"test_batch\.bin is no file"):
        tg.data.cifar10(tmp_path)
    reviews(tmp_path)
    os.mkfifo(tmp_path / "train" / "pos" / "9_9.txt")
    with pytest.raises(ValueError, match=r"9_9\.txt is no file"):
        tg.data.imdb(tmp_path)


def test_a_file_that_only_looks_large_is_refused_without_memory_for_it(tmp_path):
    pictures(tmp_path)
    with open(tmp_path / "data_batch_1.bin", "wb") as file:
        file.truncate(3073 * 10)
    reviews(tmp_path)
    with open(tmp_path / "test" / "neg" / "0_1.txt", "wb") as file:
        file.truncate(1 << 33)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="8,589,934,592 bytes, and more than 1,048,576 are not read"):
            tg.data.imdb(tmp_path, 5)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


TEXTS = {
    "train/pos/0_9.txt": "A good film.<br /><br />GOOD, good fun!",
    "train/pos/1_8.txt": "It isn't bad: a Caf\u00e9 of 1999",
    "train/neg/0_1.txt": "bad bad bad film",
    "test/pos/0_9.txt": "good good unseen",
    "test/neg/0_1.txt": "bad " * 300,
    "test/neg/1_2.txt": "",
}


def reviews(folder):
    for name, text in TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_imdb_is_a_bag_of_the_most_frequent_words_of_the_training_set(tmp_path):
    reviews(tmp_path)
    X, y, X_test, y_test = tg.data.imdb(tmp_path, 6)
    # bad 4, good 3, then a and film twice, and of the words that come once the first two in the alphabet
    assert X.tolist() == [[3, 0, 0, 1, 0, 0], [0, 3, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0]]
    assert y.tolist() == [0, 1, 1]
    assert X_test.tolist() == [[255, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0]]
    assert y_test.tolist() == [0, 0, 1]
    assert X.dtype == np.uint8
    assert tg.data.imdb(tmp_path).X_train.shape == (3, 10_000)


def test_the_words_of_a_text(tmp_path):
    reviews(tmp_path)
    assert folders._words(tmp_path / "train/pos/1_8.txt") == Counter(["it", "isn't", "bad", "a", "caf\u00e9", "of"])


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda at: (at / "train/pos/1_8.txt").write_bytes(b"caf\xe9"), ValueError, "1_8.txt is no text in UTF-8"),
        (lambda at: (at / "train/neg/0_1.txt").unlink(), ValueError, "neg has 0 reviews"),
        (lambda at: (at / "train").rename(at / "trains"), FileNotFoundError, "the folder to name is aclImdb"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_is_refused(tmp_path, change, error, said):
    reviews(tmp_path)
    change(tmp_path)
    with pytest.raises(error, match=said):
        tg.data.imdb(tmp_path)


def test_too_many_reviews_are_refused_before_one_is_read(tmp_path, monkeypatch):
    reviews(tmp_path)
    monkeypatch.setattr(folders, "REVIEWS", 2)
    with pytest.raises(ValueError, match="pos has 2 reviews, and it is read with 1 to 1"):
        tg.data.imdb(tmp_path)


def test_the_wrong_kinds_of_arguments_are_refused(tmp_path):
    for call, said in [
        (lambda: tg.data.cifar10(3), "folder is a path"),
        (lambda: tg.data.cifar10(tmp_path, np.int8), "dtype is np.float64 or np.float32"),
        (lambda: tg.data.imdb(tmp_path, 0), "words = 0"),
    ]:
        with pytest.raises((TypeError, ValueError), match=said):
            call()
