"""Arrays and a header in one file, as np.savez lays it out; and the reading of files that anybody may have written.

``header.json`` in the file is the header, with a SHA-256 of all. It shows damage; it does not show who wrote the file.
Nothing in a file is run. Reading one takes memory for a few times its size: no part of it may be compressed, and no
array is larger than its bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..core.ops import Array
from ..extras.files import place, replacing

HEADER = "header.json"
KINDS = "biufcSU"  # of the arrays that a file can have: numbers, truths and words
READERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Refused(ValueError):
    """A refusal in words, of a file that is not as it should be."""


def write(path: Path, header: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write a file, whole or not at all. The same arrays give the same bytes."""
    digest = hashlib.sha256()
    with replacing(place(path)) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            if name == HEADER or zipfile.ZipInfo(name).filename != name:  # which ends the name at a zero
                raise ValueError(f"an array in a file cannot have the name {name!r}; take another word")
            digest.update(f"{name}\0".encode())
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(_Both(member, digest), array, allow_pickle=False)
        digest.update(canonical(header))
        archive.writestr(zipfile.ZipInfo(HEADER), json.dumps({**header, "sha256": digest.hexdigest()}))


class _Both:
    """A file that keeps the digest of what is written to it."""

    def __init__(self, file: Any, digest: Any) -> None:
        self.file, self.digest = file, digest

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return int(self.file.write(data))


def canonical(header: dict[str, Any]) -> bytes:
    """Return the text of a header that its digest is of."""
    return json.dumps(header, sort_keys=True).encode()


def read(path: Path) -> tuple[dict[str, Any] | None, dict[str, Array]]:
    """Return the header of a file, and its arrays by name. The header is None if the file is of another program.

    Raises
    ------
    OSError : the file cannot be read
    ValueError : it is no file of arrays, damaged, compressed, or has arrays of Python objects
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path} is no file")
    data = path.read_bytes()
    try:
        return _unsealed(data) if data[:2] == b"PK" else (None, _safetensors(data))
    except ImportError:
        raise
    except Exception as error:  # zipfile and NumPy have a dozen kinds, in words of their own
        why = error if isinstance(error, Refused) else "it is damaged, or cut off"
        raise ValueError(f"{path} cannot be loaded: {why}") from None


def _unsealed(data: bytes) -> tuple[dict[str, Any] | None, dict[str, Array]]:
    """Return the header and the arrays out of the bytes of a file."""
    header, arrays, digest = None, dict[str, Array](), hashlib.sha256()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise Refused("it is compressed; np.load reads it, if you trust that it is no bomb")
        if sum(entry.file_size for entry in entries) > len(data):
            raise Refused("its parts are larger than the file")
        for entry in entries:
            name, content = entry.filename.removesuffix(".npy"), archive.read(entry)
            if name in arrays or (name == HEADER and header is not None):
                raise Refused(f"{name} is in it twice")
            if entry.filename == HEADER:
                header = _header(content)
                continue
            if name == entry.filename:
                torch = "; torch.load(path, weights_only=True) reads a file of torch.save" * name.endswith("data.pkl")
                raise Refused(f"{name} in it is no array{torch}")
            arrays[name] = _array(name, content)
            digest.update(f"{name}\0".encode() + content)
    if header is None and HEADER.encode() in data:
        raise Refused("it is damaged: its list of parts has no header")
    if header is not None:
        told = header.pop("sha256")
        digest.update(canonical(header))
        if digest.hexdigest() != told:
            raise Refused("it is damaged: its SHA-256 is another")
    return header, arrays


def _header(content: bytes) -> dict[str, Any]:
    """Return the header in the bytes of its file."""
    try:
        header = json.loads(content)
    except (ValueError, RecursionError):
        raise Refused("it is damaged: its header is no JSON") from None
    if not isinstance(header, dict) or not isinstance(header.get("sha256"), str):
        raise Refused("it is damaged: its header has no SHA-256")
    return header


def _array(name: str, content: bytes) -> Array:
    """Return the array in the bytes of a .npy file."""
    file = BytesIO(content)
    shape, columns_first, dtype = READERS[np.lib.format.read_magic(file)](file)
    if dtype.kind not in KINDS or not dtype.itemsize:
        raise Refused(f"{name} holds {dtype}, and no numbers or words")
    start = file.tell()
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(content) - start:
        raise Refused(f"{name} has {len(content) - start} bytes for the shape {shape} of {dtype}")
    view = np.ndarray(shape, dtype, content, start, order="F" if columns_first else "C")
    return np.array(view, dtype.newbyteorder("="))


def _safetensors(data: bytes) -> dict[str, Array]:
    """Return the arrays out of the bytes of a file of safetensors."""
    if data[8:9] != b"{":
        raise Refused("it is no file of tinygrad_edu.save, np.savez or safetensors")
    try:
        from safetensors.numpy import load
    except ImportError:
        raise ImportError("a file of safetensors needs its package: pip install safetensors") from None
    return {name: np.array(array) for name, array in load(data).items()}
