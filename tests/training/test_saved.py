"""Saving to a file and loading: what goes in comes out, what does not fit changes nothing, and a kill loses no file."""

import hashlib
import io
import json
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import fuzz
import numpy as np
import pytest
from rules_table import ROWS

import tinygrad_edu as tg

X, Y = tg.data.moons(48, rng=0)


def made(seed=0, out=2, bits=np.random.PCG64, **hyper):
    model = tg.Sequential(
        tg.Linear(2, 6, rng=seed), tg.BatchNorm1d(6), tg.Dropout(0.3, rng=seed), tg.Linear(6, out, rng=seed)
    )
    return model, tg.Adam(model, **{"lr": 0.01, **hyper}), np.random.Generator(bits(seed))


def train(model, optimizer, rng, **how):
    return tg.fit(model, X, Y, optimizer=optimizer, epochs=2, rng=rng, progress=False, **how)


def same(a, b):
    """Equal in kind, shape and bits, all the way down."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


# --- what goes in comes out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "compiled"),
    [
        *((bits, False) for bits in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64)),
        pytest.param(np.random.PCG64, True, marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_from_its_file_with_the_same_bits(tmp_path, bits, compiled):
    schedule = tg.schedules.cosine(0.1, steps=20)
    whole = made(1, lr=schedule, bits=bits)
    for _ in range(2):
        train(*whole, compiled=compiled)
    first, optimizer, rng = made(1, lr=schedule, bits=bits)
    train(first, optimizer, rng, compiled=compiled)
    tg.save(tmp_path / "run.npz", model=first, optimizer=optimizer, rng=rng)
    second, optimizer, rng = made(7, lr=schedule, bits=bits)
    tg.load(tmp_path / "run.npz", model=second, optimizer=optimizer, rng=rng)
    train(second, optimizer, rng, compiled=compiled)
    assert same(second.state_dict(), whole[0].state_dict())
    assert rng.bit_generator.state["state"] is not None
    assert str(rng.bit_generator.state) == str(whole[2].bit_generator.state)


def test_every_kind_of_part_comes_back(tmp_path):
    model, optimizer, rng = made()
    average, plateau = tg.WeightAverage(optimizer), tg.ReduceOnPlateau(optimizer)
    history = train(model, optimizer, rng, callback=plateau)
    average.update()
    history.stopped = "interrupted"
    values = {"epoch": 3, "lr": 0.1, "none": None, "truth": True, "word": "é\ud800", "inf": -np.inf, "large": 2**200}
    values |= {"words": np.array(["a", "bc"]), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    values |= {"big": np.arange(3, dtype=">f4").astype("f4"), "empty": np.ones((0, 3)), "0d": np.array(2)}
    values |= {"nested": {"a": [1, {"b": np.ones(2)}], "a/1/b": np.zeros(2)}}
    path = tmp_path / "run.npz"
    tg.save(
        path, model=model, optimizer=optimizer, average=average, plateau=plateau, history=history, rng=rng, **values
    )
    found = tg.load(path)
    assert same({key: found[key] for key in values}, values)
    assert same(found["model"], model.state_dict())
    assert found["history"].rows == history.rows
    assert found["history"].stopped == "interrupted"
    assert found["rng"].random() == rng.random()
    other, other_optimizer, _ = made(5)
    targets = {"average": tg.WeightAverage(other_optimizer), "plateau": tg.ReduceOnPlateau(other_optimizer)}
    targets |= {"history": tg.History(), "empty": np.ones((0, 3)), "nothing": None}
    del targets["nothing"]
    assert tg.load(path, model=other, optimizer=other_optimizer, **targets).left == {}
    assert same(targets["average"].state_dict(), average.state_dict())
    assert targets["plateau"].state_dict() == plateau.state_dict()
    assert targets["history"].rows == history.rows
    for name, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(other_optimizer.state_dict()[name], value, err_msg=name)


@pytest.mark.parametrize(
    "rows",
    [
        [{"epoch": 1, "loss": 0.5, "f1": None}, {"epoch": 2, "loss": np.inf, "f1": 2**70}],
        [{"epoch": 1, "loss": 0.1}, {"epoch": 2.5, "loss": 3}, {"epoch": 3, "loss": 4.0}],
        [{"epoch": 1}, {"epoch": 2, "loss": 0.5}],
        [],
    ],
)
def test_the_rows_of_a_history_come_back_in_kind_and_number(tmp_path, rows):
    history = tg.History()
    history.rows += rows
    tg.save(tmp_path / "a.npz", history=history)
    assert same(tg.load(tmp_path / "a.npz")["history"].rows, rows)


def test_the_state_of_every_rule_comes_back(tmp_path):
    for cls, hyper in [(row[0], row[2]) for row in ROWS]:
        optimizers = []
        for seed in (0, 1):
            model = tg.Linear(2, 2, rng=seed)
            optimizers.append((model, cls([{"params": [model.W]}, {"params": [model.b], "lr": 0.125}], **hyper)))
        model, optimizer = optimizers[0]
        for _ in range(3):
            optimizer.zero_grad()
            tg.cross_entropy(model(X), Y).backward()
            optimizer.step()
        tg.save(tmp_path / "a.npz", optimizer=optimizer)
        tg.load(tmp_path / "a.npz", optimizer=optimizers[1][1])
        for name, value in optimizer.state_dict().items():
            np.testing.assert_array_equal(optimizers[1][1].state_dict()[name], value, err_msg=f"{cls.__name__} {name}")


def test_numpy_and_unzip_read_the_file_and_the_digest_is_that_of_its_description(tmp_path):
    model, optimizer, rng = made()
    for name in ("a.npz", "b.npz"):
        tg.save(tmp_path / name, model=model, optimizer=optimizer, rng=rng)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()  # the same numbers, the same bytes
    with np.load(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(file["model/layers.0.W"], model[0].W.data)
        np.testing.assert_array_equal(file["optimizer/m"], optimizer.m)
        header = json.loads(file["header.json"])
    digest = hashlib.sha256()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        for name in archive.namelist():
            if name != "header.json":
                digest.update(name.removesuffix(".npy").encode() + b"\0" + archive.read(name))
    told = header.pop("sha256")
    digest.update(json.dumps(header, sort_keys=True).encode())
    assert digest.hexdigest() == told
    assert header["versions"]["tinygrad_edu"] == tg.__version__
    assert {name: part["class"] for name, part in header["parts"].items()} == {
        "model": "Sequential",
        "optimizer": "Adam",
        "rng": "Generator",
    }


# --- what does not fit ------------------------------------------------------------------------------------------------


class Counter:
    """An object of somebody else, which breaks in the middle of a loading."""

    def __init__(self):
        self.a, self.b = 0, 0

    def state_dict(self):
        return {"a": self.a, "b": self.b}

    def load_state_dict(self, state):
        self.a = state["a"]
        self.b = state["b"] + 0


def test_all_that_does_not_fit_is_said_at_once_and_nothing_is_changed(tmp_path):
    path, counter = tmp_path / "run.npz", Counter()
    model, optimizer, _ = made()
    tg.save(path, model=model, optimizer=optimizer, rng=np.random.default_rng(1), fine=counter, counter={"a": 9})
    other = tg.Sequential(
        tg.Linear(2, 6, rng=3), tg.Dropout(0.5, rng=4), tg.Linear(6, 3, rng=4), tg.ELU(), tg.Linear(3, 2)
    )
    rng, second, fine = np.random.default_rng(7), Counter(), Counter()
    fine.a = 5
    everything = {"optimizer": tg.Adam(other), "rng": rng, "counter": second, "more": Counter(), "fine": fine}
    before = [other.state_dict(), everything["optimizer"].state_dict(), str(rng.bit_generator.state)]
    with pytest.raises(ValueError, match=r"run\.npz does not fit: ") as caught:
        tg.load(path, model=other, **everything)
    said = str(caught.value)
    for words in (
        "layers.4.W is missing",
        "layers.4.b is missing",
        "layers.1.gamma is unknown",
        "layers.3.W is unknown",
        "layers.2.W",
        "optimizer: this state is of another optimizer or model",
        "counter: 'b'",
        "the file has no more, only model, optimizer, rng, fine, counter",
    ):
        assert words in said
    assert same([other.state_dict(), everything["optimizer"].state_dict(), str(rng.bit_generator.state)], before)
    assert [fine.a, second.a] == [5, 0]


def test_strict_false_takes_what_fits_and_tells_the_rest(tmp_path):
    path = tmp_path / "run.npz"
    model, optimizer, rng = made(1)
    tg.save(path, model=model, optimizer=optimizer, rng=rng)
    other, other_optimizer, _ = made(2, out=3)
    before, other_rng = other.state_dict(), np.random.default_rng(8)
    found = tg.load(path, model=other, optimizer=other_optimizer, rng=other_rng, strict=False)
    assert list(found.left) == ["model/layers.3.W", "model/layers.3.b", "optimizer"]
    assert "layers.3.W has shape (6, 3), the state has (6, 2)" in found.left["model/layers.3.W"]
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[key], before[key] if key.startswith("layers.3") else value)
    assert other_rng.random() == rng.random()
    state = {key: value for key, value in model.state_dict().items() if key != "layers.0.b"} | {"head": np.ones(2)}
    assert made(3)[0].load_state_dict(state, strict=False) == {
        "layers.0.b": "layers.0.b is missing",
        "head": "head is unknown",
    }
    assert made(3)[0].load_state_dict(model.state_dict()) == {}
    with pytest.raises(ValueError, match=r"layers\.0\.b is missing; head is unknown"):
        made(3)[0].load_state_dict(state)


def test_a_schedule_is_compared_by_the_call_that_makes_it():
    def state(lr):
        return made(lr=lr)[1].state_dict()

    cosine, step = tg.schedules.cosine(0.1, steps=20), tg.schedules.step(0.1, steps=20)
    made(lr=cosine)[1].load_state_dict(state(tg.schedules.cosine(0.1, steps=20)))
    with pytest.raises(ValueError, match=r"group0\.lr is cosine\(lr=0\.1, steps=20, low=0\.0\) .* but step\("):
        made(lr=step)[1].load_state_dict(state(cosine))
    with pytest.raises(ValueError, match=r"group0\.lr is cosine\(.* but 0\.5 here"):
        made(lr=0.5)[1].load_state_dict(state(cosine))
    own = [tg.schedules.delayed(lambda t: 1 / t, steps=3) for _ in range(2)]  # two functions at two addresses
    made(lr=own[0])[1].load_state_dict(state(own[1]))
    made(lr=cosine)[1].load_state_dict(state(lambda t: 1 / t))  # which has no text to compare
    old = {key: value for key, value in state(cosine).items() if key != "group0.lr"}  # of version 0.1.0
    made(lr=cosine)[1].load_state_dict(old)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda path: tg.save(path), ValueError, "nothing to write"),
        (lambda path: tg.save(3, model=made()[0]), TypeError, "path is a path"),
        (lambda path: tg.save(path, f=lambda x: x), TypeError, "f cannot be saved, it is function"),
        (lambda path: tg.save(path, a={"b": [object()]}), TypeError, "a/b/0 cannot be saved"),
        (lambda path: tg.save(path, a={1: 2}), TypeError, "words as keys"),
        (lambda path: tg.save(path, a=np.array([None])), TypeError, "a cannot be saved"),
        (lambda path: tg.save(path, a=np.ma.ones(2)), TypeError, "a cannot be saved"),
        (lambda path: tg.save(path, a=tg.Linear), TypeError, "it is Linear"),
        (lambda path: tg.save(path, strict=1), ValueError, "'strict'"),
        (lambda path: tg.save(path, **{"header.json": np.ones(2)}), ValueError, "cannot have the name 'header.json'"),
        (lambda path: tg.save(path, a={"b\0c": np.ones(2)}), ValueError, r"cannot have the name 'a/b\\x00c'"),
        (lambda path: tg.load(path, epoch=3), TypeError, r"epoch takes nothing over, it is int 3"),
        (lambda path: tg.load(path), FileNotFoundError, "run.npz"),
        (lambda path: tg.save(path.parent, a=1), IsADirectoryError, r"a folder, and no file; .*\d'$"),
        (lambda path: tg.save(Path(__file__, "run.npz"), a=1), NotADirectoryError, r"a file in the place .*run\.npz"),
        (lambda path: tg.save(Path(__file__, "no", "a.npz"), a=1), NotADirectoryError, r"a file in the place .*a\.npz"),
        (lambda path: tg.load(path.parent), ValueError, "is no file"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path, call, error, said):
    with pytest.raises(error, match=said):
        call(tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_every_file_is_made(tmp_path):
    history = tg.History()
    history.rows.append({"epoch": 1, "loss": 0.5})
    tg.save(tmp_path / "a" / "b" / "run.npz", history=history)
    history.to_csv(tmp_path / "c" / "run.csv")
    tg.Log(tmp_path / "d" / "run.csv")({"epoch": 1, "loss": 0.5})
    assert tg.load(tmp_path / "a" / "b" / "run.npz")["history"].rows == history.rows
    assert {(tmp_path / name / "run.csv").read_text() for name in "cd"} == {"epoch,loss\n1,0.5\n"}
    for write in (history.to_csv, lambda path: tg.Log(path)({"epoch": 1, "loss": 0.5})):
        (tmp_path / "e.csv").mkdir(exist_ok=True)
        with pytest.raises(IsADirectoryError, match="a folder, and no file"):
            write(tmp_path / "e.csv")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"{", "its header is no JSON"),
        (b"\xff", "its header is no JSON"),
        (b"[" * 10**5, "its header is no JSON"),
        (b"[]", "its header has no SHA-256"),
        (b"NaN", "its header has no SHA-256"),
        (b'{"format": 1, "parts": {}}', "its header has no SHA-256"),
        (b'{"format": 1, "parts": {}, "sha256": 3}', "its header has no SHA-256"),
    ],
)
def test_a_broken_header_is_said_in_words(tmp_path, header, said):
    (tmp_path / "a.npz").write_bytes(archived(("header.json", header)))
    with pytest.raises(ValueError, match=f"a.npz cannot be loaded: it is damaged: {said}$"):
        tg.load(tmp_path / "a.npz")


def test_damage_is_called_damage(tmp_path):
    path = tmp_path / "a.npz"
    tg.save(path, a=np.arange(100.0))
    content = path.read_bytes()
    for wrong in (content[:-30], content[1:], content[42:], content[:200] + b"x" + content[201:], b"PK"):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"a\.npz cannot be loaded: it is (damaged|no file of tinygrad_edu\.save)"):
            tg.load(path)


def test_a_state_of_another_kind_changes_nothing_of_what_was_loaded_before_it(tmp_path):
    path, counter, model = tmp_path / "a.npz", Counter(), tg.mlp([2, 3], rng=0)
    tg.save(path, counter={"a": 3, "b": 4}, model=[5])
    with pytest.raises(ValueError, match="does not fit: model: "):
        tg.load(path, counter=counter, model=model)
    assert (counter.a, counter.b) == (0, 0)


def test_a_list_that_contains_itself_is_refused(tmp_path):
    a = []
    a.append(a)
    with pytest.raises(TypeError, match="cannot be saved"):
        tg.save(tmp_path / "run.npz", a=a)


# --- files of others --------------------------------------------------------------------------------------------------


def test_a_file_of_np_savez_or_safetensors_or_torch_with_the_same_names_loads(tmp_path):
    model, _, _ = made(1)
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("rng")}
    np.savez(tmp_path / "a.npz", **state)
    other = made(2)[0]
    tg.load(tmp_path / "a.npz", model=other)
    assert same({key: other.state_dict()[key] for key in state}, state)
    assert same(dict(tg.load(tmp_path / "a.npz")), state)
    np.savez_compressed(tmp_path / "c.npz", **state)
    with pytest.raises(ValueError, match=r"it is compressed; np\.load reads it"):
        tg.load(tmp_path / "c.npz")


def test_a_file_of_safetensors_loads(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    state = {key: value for key, value in made(1)[0].state_dict().items() if not key.endswith("rng")}
    numpy.save_file(state, tmp_path / "a.safetensors")
    other = made(2)[0]
    tg.load(tmp_path / "a.safetensors", model=other)
    assert same({key: other.state_dict()[key] for key in state}, state)
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-1])
    with pytest.raises(ValueError, match="cannot be loaded"):
        tg.load(tmp_path / "b.safetensors")


def test_without_the_package_of_safetensors_its_file_is_refused_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    (tmp_path / "a.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    with pytest.raises(ImportError, match="pip install safetensors"):
        tg.load(tmp_path / "a.safetensors")


@pytest.mark.oracle
def test_a_file_of_torch_loads(tmp_path):
    torch = pytest.importorskip("torch")
    state = {key: value for key, value in made(1)[0].state_dict().items() if not key.endswith("rng")}
    torch.save({key: torch.from_numpy(value) for key, value in state.items()}, tmp_path / "a.pt")
    other = made(2)[0]
    other.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    assert same({key: other.state_dict()[key] for key in state}, state)
    with pytest.raises(ValueError, match=r"torch\.load"):
        tg.load(tmp_path / "a.pt")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def npy(array=None, head=None, tail=b"", **pickled):
    """The bytes of a .npy file, or one with this header."""
    file = io.BytesIO()
    if head is None:
        np.save(file, array, **pickled)
        return file.getvalue()
    head = head.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + tail


def header(shape, descr="<f8"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"


def archived(*members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def overlapping():
    """Fifty names for one megabyte."""
    data = bytearray(archived(("a.npy", npy(np.zeros(2**17)))))
    end = data.rindex(b"PK\5\6")
    start = data.rindex(b"PK\1\2")
    entries = b"".join(bytes(data[start:end]) for _ in range(50))
    last = bytearray(data[end:])
    last[8:10] = last[10:12] = (50).to_bytes(2, "little")
    last[12:16] = len(entries).to_bytes(4, "little")
    return bytes(data[:start]) + entries + bytes(last)


def nested(depth=60, size=2**19):
    """Arrays each of which is in the one before, with right sizes and sums: 30 MB in a file of half of one."""
    data, heads, entries = bytes(size), [], []
    for i in reversed(range(depth)):
        name = f"{i:03}.npy".encode()
        content = npy(head=header((len(data),), "|u1"), tail=data)
        numbers = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, zlib.crc32(content), len(content), len(content), 7, 0)
        data = b"PK\3\4" + numbers + name + content
        heads.append((numbers, name, len(data)))
    for numbers, name, length in heads:
        entries.append(b"PK\1\2\x14\0" + numbers + bytes(10) + struct.pack("<I", len(data) - length) + name)
    table = b"".join(entries)
    return data + table + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, depth, depth, len(table), len(data), 0)


BOMBS = {
    "nothing": b"",
    "words": b"hello",
    "a pickle": pickle.dumps(Evil()),
    "an array of objects": archived(("a.npy", npy(np.array([Evil()]), allow_pickle=True))),
    "an array that is a pickle": archived(("a.npy", pickle.dumps(Evil()))),
    "zeros, compressed": archived(("a.npy", npy(np.zeros(10**7))), method=zipfile.ZIP_DEFLATED),
    "zeros, compressed by lzma": archived(("a.npy", npy(np.zeros(10**7))), method=zipfile.ZIP_LZMA),
    "a header that promises much": archived(("a.npy", npy(head=header((10**12,))))),
    "a header that promises more": archived(("a.npy", npy(head=header((2**70, 2**70))))),
    "a header of many words": archived(("a.npy", npy(head=header((10**9,), "<U0")))),
    "one long word": archived(("a.npy", npy(head=header((1,), "<U1000000000")))),
    "sizes below 0": archived(("a.npy", npy(head=header((-1, -2)), tail=bytes(16)))),
    "structured": archived(("a.npy", npy(head=header((1,), [("a", "<f8")]), tail=bytes(8)))),
    "code for a header": archived(("a.npy", npy(head="__import__('os').mkdir('evil')"))),
    "brackets without end": archived(("a.npy", npy(head="(" * 5000))),
    "a name twice": overlapping(),
    "arrays in each other": nested(),
    "two arrays of one name": archived(("a.npy", npy(np.ones(1))), ("a.npy", npy(np.zeros(1)))),
    "bytes behind an array": archived(("a.npy", npy(head=header((1,)), tail=bytes(9)))),
    "a header of brackets": archived(("header.json", "[" * 10**5)),
    "a header that is a list": archived(("header.json", "[]")),
    "a header without digest": archived(("header.json", "{}")),
    "../ and no array": archived(("../evil", b"x")),
    "many axes": archived(("a.npy", npy(head=header((1,) * 30 + (1,) * 40), tail=bytes(8)))),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_hostile_file_is_refused_runs_nothing_and_takes_no_memory(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    Path("a.npz").write_bytes(BOMBS[what])
    tg.load  # noqa: B018, its file is loaded now
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a\.npz cannot be loaded: "):
            tg.load("a.npz")
        assert tracemalloc.get_traced_memory()[1] < 4 * len(BOMBS[what]) + 2**21  # Python's parser and messages
    finally:
        tracemalloc.stop()
    assert os.listdir() == ["a.npz"]


def test_a_name_with_dots_is_a_name_and_no_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.npz").write_bytes(archived(("../evil.npy", npy(np.ones(2))), ("/evil.npy", npy(np.ones(3)))))
    assert list(tg.load("a.npz")) == ["../evil", "/evil"]
    assert os.listdir() == ["a.npz"]
    assert not (tmp_path.parent / "evil.npy").exists()


@pytest.mark.parametrize("what", ["array", "name", "header", "one more"])
def test_a_file_that_was_changed_with_a_tool_for_archives_is_refused(tmp_path, what):
    tg.save(tmp_path / "a.npz", a=np.ones(2), epoch=3)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    a, text = members.values()
    change = {
        "array": {"a.npy": npy(np.zeros(2)), "header.json": text},
        "name": {"b.npy": a, "header.json": text},
        "header": {"a.npy": a, "header.json": text.replace(b'"value": 3', b'"value": 4')},
        "one more": {"a.npy": a, "b.npy": a, "header.json": text},
    }
    (tmp_path / "a.npz").write_bytes(archived(*members.items()))
    assert tg.load(tmp_path / "a.npz")["epoch"] == 3
    (tmp_path / "a.npz").write_bytes(archived(*change[what].items()))
    with pytest.raises(ValueError, match="its SHA-256 is another"):
        tg.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format 2, this version reads 1"),
        ({"parts": []}, "header is wrong: it is not as save writes it$"),
        ({"parts": {"a": {"kind": "history", "value": {"rows": 3}}}}, "header is wrong"),
        (
            {"parts": {"a": {"kind": "history", "value": {"columns": {"a": [1], "b": []}, "stopped": ""}}}},
            "header is wrong",
        ),
        ({"parts": {"a": {"kind": "value", "value": {"array of this file": "b"}}}}, "it is not as save writes it$"),
        ({"parts": {"a": {"kind": "value", "value": {"array of this file": []}}}}, "header is wrong"),
        ({"parts": {"a": {"kind": "generator", "value": {"bit_generator": "PCG64"}}}}, "header is wrong"),
    ],
)
def test_a_well_sealed_header_that_is_wrong_is_refused(tmp_path, change, said):
    content = {"format": 1, "parts": {}, **change}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (tmp_path / "a.npz").write_bytes(archived(("header.json", json.dumps({**content, "sha256": digest}))))
    with pytest.raises(ValueError, match=said):
        tg.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("bits", "index", "wrong"),
    [
        (np.random.MT19937, "pos", 625),
        (np.random.MT19937, "pos", -1),
        (np.random.Philox, "buffer_pos", 5),
        (np.random.Philox, "buffer_pos", -(2**20)),
    ],
)
def test_a_generator_that_would_read_beyond_its_numbers_is_refused(bits, index, wrong):
    rng, state = np.random.Generator(bits(1)), bits(1).state
    (state if index in state else state["state"])[index] = wrong
    with pytest.raises(ValueError, match=f"{index} is not from 0 to"):
        tg.training.states.generator_state("rng", state, rng)


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_refused_or_right():
    for case in range(200):
        fuzz.run("saved", 2, case)


# --- killed while it writes -------------------------------------------------------------------------------------------

WRITES = """
import sys
import numpy as np, tinygrad_edu as tg
path, i = sys.argv[1], 0
while True:
    tg.save(path, number=i, numbers=np.full(200_000, float(i)), more=np.full(50_000, i))
    print(i, flush=True)
    i += 1
"""


def killed(path, seconds):
    """Have a process write file after file, kill it after so many seconds; return the number it said last."""
    variables = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parents[1])}
    command = [sys.executable, "-c", WRITES, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
        process.stdout.readline()  # the first file is there
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        return int(("0\n" + process.stdout.read()).split()[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("times", [3, pytest.param(197, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path, times):
    path, chance, halves = tmp_path / "run.npz", random.Random(times), 0
    for _ in range(times):
        said = killed(path, chance.uniform(0, 0.05))
        found = tg.load(path)
        assert found["number"] in (said, said + 1)
        assert (found["numbers"] == found["number"]).all()
        assert (found["more"] == found["number"]).all()
        halves += sum(each.name != "run.npz" for each in tmp_path.iterdir())
        for each in tmp_path.iterdir():
            each.unlink()
    assert halves or times < 20  # some were killed in the middle
