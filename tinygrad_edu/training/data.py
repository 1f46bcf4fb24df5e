"""Data: mini-batches, toy sets that are drawn, real digits that come with the package, and your own files of MNIST,
CIFAR-10 and IMDB.

Every function that draws takes ``rng``, a generator or a seed; the same seed gives the same data.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..core.init import Rng
from ..core.ops import Array
from ..guards.kinds import at_least_0, generator, is_whole, number, whole, yes_or_no
from ..guards.samples import finite as finite, table
from .folders import cifar10 as cifar10, imdb as imdb
from .splits import Split as Split, Standardize as Standardize, require_rows, split as split
from .tables import Encoder as Encoder, Table as Table, csv as csv


class Batches:
    """The data in batches, as `batches` makes it: each ``for`` loop over it is an epoch, in an order of its own.

    ``len`` is the number of batches. ``next`` takes the batches of one epoch one by one.
    """

    def __init__(self, X: Array, y: Array, batch_size: int | None, shuffle: bool, rng: Rng, drop_last: bool) -> None:
        order, size = in_order(X, y, batch_size, False, rng, drop_last)
        self.X, self.y, self.n = X, y, -(-len(order) // size)
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.rng = np.random.default_rng(rng) if shuffle else None
        self.epoch: Iterator[tuple[Array, Array]] | None = None  # what `next` goes on with

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        order, size = in_order(self.X, self.y, self.batch_size, self.shuffle, self.rng, self.drop_last)
        for i in range(0, len(order), size):
            rows = order[i : i + size]
            yield self.X[rows], self.y[rows]

    def __next__(self) -> tuple[Array, Array]:
        self.epoch = self.epoch or iter(self)
        return next(self.epoch)


def batches(
    X: Any, y: Any, batch_size: int | None = 32, shuffle: bool = True, rng: Rng = None, drop_last: bool = False
) -> Batches:
    """Return the data as batches (X, y); one update learns from each. Each loop over them is one epoch.

    ``batch_size`` is the number of samples that one gradient is the mean over:

    - None, all of them: batch gradient descent, one exact and expensive update an epoch;
    - 1: stochastic gradient descent, N cheap and noisy updates an epoch;
    - in between: mini-batch gradient descent, ceil(N / batch_size) updates an epoch.

    Parameters
    ----------
    X, y : arrays of the same length N
    batch_size : 1 or more; more than N is as N
    shuffle : draw a new order in each epoch
    rng : generator or seed for the orders. The first epoch of ``batches(..., rng=0)`` has always the same order; make
        it once, before the loop over epochs, and each epoch has another, or give it one generator each time
    drop_last : leave out a last batch that is shorter than the others

    Returns
    -------
    Batches : to be looped over, as often as there are epochs; ``len`` is the number of batches

    Raises
    ------
    TypeError : masked arrays, sparse matrices
    ValueError : lengths that differ, no samples, a batch_size below 1

    Examples
    --------
    >>> loader = batches(np.zeros((10, 2)), np.zeros(10), batch_size=4)
    >>> for epoch in range(2):
    ...     print([len(xb) for xb, yb in loader])
    [4, 4, 2]
    [4, 4, 2]
    >>> len(loader)
    3
    """
    for name, value in (("shuffle", shuffle), ("drop_last", drop_last)):
        yes_or_no(name, value)
    return Batches(table("X", X), table("y", y), batch_size, shuffle, rng, drop_last)


def in_order(
    X: Array, y: Array, batch_size: int | None, shuffle: bool = True, rng: Rng = None, drop_last: bool = False
) -> tuple[Array, int]:
    """Return the rows of X and y in the order of `batches`, without those that it drops, and the size of a batch.

    Arguments and errors as in `batches`.
    """
    require_rows(X, y)
    N = len(X)
    if N == 0:
        raise ValueError("there are no samples")
    if batch_size is not None and (not is_whole(batch_size) or batch_size < 1):
        raise ValueError(f"batch_size = {batch_size}, but it has to be a whole number, at least 1, or None for all")
    generator("rng", rng)
    size = N if batch_size is None else min(int(batch_size), N)
    stop = N - N % size if drop_last else N
    order = np.random.default_rng(rng).permutation(N) if shuffle else np.arange(N)
    return order[:stop], size


# --- toy sets: two features, so that the boundary can be drawn --------------------------------------------------------


def moons(n: int = 400, noise: float = 0.1, rng: Rng = None) -> tuple[Array, Array]:
    """Two half circles that reach into each other. X (n, 2), labels 0 and 1; noise is a standard deviation."""
    rng, half = _start(n, 2, noise, rng)
    a, b = rng.uniform(0, np.pi, half), rng.uniform(0, np.pi, n - half)
    X = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1), np.stack([1 - np.cos(b), 0.5 - np.sin(b)], 1)])
    return _finish(X, [half, n - half], noise, rng)


def circles(n: int = 400, noise: float = 0.05, rng: Rng = None) -> tuple[Array, Array]:
    """A circle of radius 1/2 inside one of radius 1. X (n, 2), labels 0 (outer) and 1."""
    rng, half = _start(n, 2, noise, rng)
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = np.repeat([1.0, 0.5], [half, n - half])
    return _finish(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), [half, n - half], noise, rng)


def spirals(
    n: int = 400, noise: float = 0.02, rng: Rng = None, arms: int = 2, turns: float = 1.5
) -> tuple[Array, Array]:
    """Spiral arms that wind around the origin, turns times each. X (n, 2), labels 0 to arms - 1."""
    whole("arms", arms, 1)
    number("turns", turns)
    rng, _ = _start(n, arms, noise, rng)
    counts = [len(part) for part in np.array_split(np.arange(n), arms)]
    t = np.sqrt(rng.uniform(0.01, 1, n))  # evenly along the arm, not crowded in the middle
    angle = 2 * np.pi * (turns * t + np.repeat(np.arange(arms) / arms, counts))
    return _finish(np.stack([t * np.cos(angle), t * np.sin(angle)], 1), counts, noise, rng)


def blobs(n: int = 400, noise: float = 0.5, rng: Rng = None, classes: int = 3) -> tuple[Array, Array]:
    """Round clouds on a circle of radius 2. X (n, 2), labels 0 to classes - 1."""
    whole("classes", classes, 1)
    rng, _ = _start(n, classes, noise, rng)
    counts = [len(part) for part in np.array_split(np.arange(n), classes)]
    angle = np.repeat(2 * np.pi * np.arange(classes) / classes, counts)
    return _finish(2 * np.stack([np.cos(angle), np.sin(angle)], 1), counts, noise, rng)


def xor(n: int = 400, noise: float = 0.1, rng: Rng = None) -> tuple[Array, Array]:
    """Clouds at the corners of the unit square. X (n, 2), label 1 if exactly one coordinate is 1, else 0."""
    rng, _ = _start(n, 4, noise, rng)
    corner = np.arange(n) % 4
    X = np.stack([corner // 2, corner % 2], 1).astype(float)
    order = rng.permutation(n)
    return (X + noise * rng.standard_normal(X.shape))[order], ((corner // 2) ^ (corner % 2))[order]


def regression(n: int = 200, noise: float = 0.1, rng: Rng = None) -> tuple[Array, Array]:
    """A noisy sine, y = sin(3 x) + noise for x in [-1, 1]. X (n, 1), y (n, 1)."""
    rng, _ = _start(n, 1, noise, rng)
    X = rng.uniform(-1, 1, (n, 1))
    return X, np.sin(3 * X) + noise * rng.standard_normal((n, 1))


TOY_SETS = {make.__name__: make for make in (moons, circles, spirals, blobs, xor, regression)}


def _start(n: int, at_least: int, noise: float, rng: Rng) -> tuple[np.random.Generator, int]:
    whole("n", n, at_least)
    at_least_0("noise", noise)
    generator("rng", rng)
    return np.random.default_rng(rng), n // 2


def _finish(X: Array, counts: list[int], noise: float, rng: np.random.Generator) -> tuple[Array, Array]:
    labels, order = np.repeat(np.arange(len(counts)), counts), rng.permutation(len(X))
    return (X + noise * rng.standard_normal(X.shape))[order], labels[order]


# --- real data ------------------------------------------------------------------------------------------------------


def digits(rng: Rng = 0, test_share: float = 0.2) -> Split:
    """1,797 handwritten digits of 8 x 8 pixels: X (N, 64) from 0 to 1, labels 0 to 9.

    The source is the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin & C. Kaynak 1998, UCI Machine
    Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0), as scikit-learn ships it; here it is split again.

    Parameters
    ----------
    rng : generator or seed for the split, which keeps the share of every digit
    test_share : share of the samples that are held out, between 0 and 1

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = digits()
    >>> X_train.shape, X_test.shape, float(X_train.max())
    ((1437, 64), (360, 64), 1.0)
    """
    with np.load(Path(__file__).with_name("digits.npz")) as file:
        return split(file["images"] / 16.0, file["labels"].astype(np.int64), test_share, rng)


IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx(path: Any) -> Array:
    """Read an IDX file, the format of MNIST: two zero bytes, a type, the number of axes, their sizes, the numbers.

    Parameters
    ----------
    path : a file, plain or compressed with gzip

    Raises
    ------
    FileNotFoundError : there is no such file
    ValueError : not an IDX file, an unknown type, or not as many bytes as the header says

    References
    ----------
    LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "The IDX file format".
    """
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is no file")
    with open(path, "rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        with gzip.open(plain) if compressed else plain as stream:
            try:
                return _numbers(path, stream)
            except (OSError, EOFError, zlib.error) as error:
                if not compressed:
                    raise
                raise ValueError(f"{path}: the gzip data is damaged or cut off ({error})") from None


def _numbers(path: Any, stream: Any) -> Array:
    """Return the numbers of an open IDX file. The header is read first, then no more than it promises, and one byte."""
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise ValueError(f"{path} is not an IDX file: it does not begin with two zero bytes and a type")
    kind, ndim = head[2], head[3]
    if kind not in IDX_TYPES:
        raise ValueError(
            f"{path}: unknown IDX type 0x{kind:02x}; known are {', '.join(f'0x{k:02x}' for k in IDX_TYPES)}"
        )
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(f"{path}: the header is cut off")
    shape, dtype = struct.unpack(f">{ndim}I", sizes), np.dtype(IDX_TYPES[kind])
    expected, content = dtype.itemsize * prod(shape), bytearray()
    while len(content) <= expected and (some := stream.read(min(expected + 1 - len(content), 1 << 20))):
        content += some  # piece by piece: the header may promise more than there is
    if len(content) != expected:
        has = f"{len(content):,}" + " or more" * (len(content) > expected)
        raise ValueError(f"{path}: shape {shape} takes {expected:,} bytes, the file has {has}")
    try:
        return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError:  # more axes than NumPy has, or one of length 0 beside lengths without bound
        raise ValueError(f"{path}: no array has the shape {shape}") from None


def mnist(folder: Any) -> Split:
    """Read MNIST or Fashion-MNIST from its four files: X (N, 784) from 0 to 1, labels 0 to 9.

    Parameters
    ----------
    folder : the folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte, each plain or with .gz

    Raises
    ------
    FileNotFoundError : a file is missing
    ValueError : a damaged file, or images and labels that do not belong together
    """
    found = []
    for part in ("train", "t10k"):
        images, labels = (idx(_find(Path(folder), f"{part}-{kind}-ubyte")) for kind in ("images-idx3", "labels-idx1"))
        if images.ndim != 3 or not len(images) or labels.shape != images.shape[:1]:
            raise ValueError(f"{folder}: {part} images of shape {images.shape} with labels of shape {labels.shape}")
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 255:
            raise ValueError(
                f"{folder}: {part} labels are not class numbers: {labels.dtype}, {labels.min()} to {labels.max()}"
            )
        found += [images.reshape(len(images), -1) / 255.0, labels.astype(np.int64)]
    if found[0].shape[1] != found[2].shape[1]:
        raise ValueError(f"{folder}: images of different sizes, shapes {found[0].shape} and {found[2].shape}")
    return Split(*found)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz", folder / name.replace("-idx", ".idx")):
        if path.exists():
            return path
    raise FileNotFoundError(f"{folder} has no {name} or {name}.gz")
