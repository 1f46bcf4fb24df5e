"""Folders that people have: CIFAR-10's pictures and the IMDB reviews.

Nothing is taken on trust: a size is read before a file is, only regular files are opened, and what is kept in memory is
in proportion to what was read.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..core.ops import Array
from ..guards.kinds import dtype as float_dtype, path as path_like, whole
from .splits import Split

RECORD = 1 + 3 * 32 * 32  # bytes of a picture in CIFAR-10: its label, then red, green and blue
REVIEW, REVIEWS = 1 << 20, 50_000  # the most bytes of a review, and the most reviews of a part; IMDB has 25,000


def cifar10(folder: Any, dtype: Any = np.float64) -> Split:
    """Read CIFAR-10 from its binary files: X (N, 3, 32, 32) from 0 to 1, labels 0 to 9.

    Parameters
    ----------
    folder : the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin, as its binary version has it
    dtype : of X; np.float64 takes 1.5 GB, np.float32 half of it

    Raises
    ------
    FileNotFoundError : a file is missing
    ValueError : a file that is no regular file, or not made of records of 3,073 bytes, or with a label above 9

    References
    ----------
    Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """
    path_like("folder", folder)
    float_dtype("dtype", dtype)
    found = list[Array]()
    for names in ([f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]):
        records = np.concatenate([_records(Path(folder) / name) for name in names])
        pictures = np.empty((len(records), 3, 32, 32), dtype)
        np.divide(records[:, 1:].reshape(pictures.shape), 255, out=pictures, casting="same_kind")
        found += [pictures, records[:, 0].astype(np.int64)]
    return Split(*found)


def _records(path: Path) -> Array:
    """Return the records of a file of CIFAR-10, one in a row."""
    content = contents(path)
    if not content or len(content) % RECORD:
        raise ValueError(f"{path} has {len(content):,} bytes, which is no number of records of {RECORD:,} bytes each")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    if (most := records[:, 0].max()) > 9:
        raise ValueError(f"{path}: a label is {most}, and CIFAR-10's are 0 to 9; is it CIFAR-100's file?")
    return records


def imdb(folder: Any, words: int = 10_000) -> Split:
    """Read the IMDB reviews as bags of words: X (N, words) of counts, y 1 where the review is positive, else 0.

    The words are the most frequent of the training set, the first of them the most frequent; of equally frequent ones
    in alphabetical order. Where a word stands in a review is lost: that is the bag. Kingma & Ba 2015 take the 10,000
    most frequent.

    Parameters
    ----------
    folder : the folder aclImdb, with train/pos, train/neg, test/pos and test/neg, and a text file for each review
    words : how many words, which is the number of columns; columns of words that there are not stay 0

    Returns
    -------
    Split : X is of np.uint8, one byte a count and 250 MB for 25,000 reviews; counts end at 255. A Linear layer takes
        them as they are

    Raises
    ------
    FileNotFoundError : a folder is missing
    ValueError : a folder without reviews, or with more than 50,000; a file that is no regular file, no text in UTF-8,
        or larger than 1 MB

    References
    ----------
    Maas et al. 2011, "Learning word vectors for sentiment analysis".
    """
    path_like("folder", folder)
    whole("words", words, 1)
    parts = [[_reviews(Path(folder) / part / kind) for kind in ("neg", "pos")] for part in ("train", "test")]
    total = Counter[str]()
    for path in [path for kind in parts[0] for path in kind]:
        total.update(_words(path))
    ranked = sorted(total, key=lambda word: (-total[word], word))[:words]
    column, found = {word: i for i, word in enumerate(ranked)}, list[Array]()
    for negative, positive in parts:
        counts = np.zeros((len(negative) + len(positive), words), np.uint8)
        for row, path in zip(counts, [*negative, *positive]):
            for word, n in _words(path).items():
                if word in column:
                    row[column[word]] = min(n, 255)
        found += [counts, np.repeat([0, 1], [len(negative), len(positive)])]
    return Split(*found)


def _reviews(folder: Path) -> list[Path]:
    """Return the text files of a folder, in the order of their names."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; the folder to name is aclImdb")
    files = sorted(folder.glob("*.txt"))
    if not 0 < 2 * len(files) <= REVIEWS:
        raise ValueError(f"{folder} has {len(files):,} reviews, and it is read with 1 to {REVIEWS // 2:,}")
    return files


def _words(path: Path) -> Counter[str]:
    """Return the words of a text, in small letters and without marks of HTML, with their counts."""
    try:
        text = contents(path, REVIEW).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start})") from None
    return Counter(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", re.sub(r"<[^<>]*>", " ", text.lower())))


def contents(path: Path, most: int | None = None) -> bytes:
    """Return the bytes of a regular file, as many as its size says; most: a larger one is refused.

    Raises
    ------
    FileNotFoundError : there is no such file
    ValueError : it is a folder, a pipe or a device; it is too large; it changed while it was read
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is no file")
    if not path.exists():
        raise FileNotFoundError(f"{path.parent} has no {path.name}")
    size = path.stat().st_size
    if most is not None and size > most:
        raise ValueError(f"{path} has {size:,} bytes, and more than {most:,} are not read")
    with open(path, "rb") as file:
        content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{path} changed while it was read")
    return content
