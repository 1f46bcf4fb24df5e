"""Machine code on disk: the next process finds it, and what cannot be read or written is no error."""

import inspect
import os
import pickle
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.compile import cache, intrinsics, kinds, large, library, machine, numpy_c, products, store
from tinygrad_edu.extras import matrix_kernels, whole_kernels

needs_numba = pytest.mark.skipif(numpy_c.PLAIN, reason="there is no machine code without Numba")

PROCESS = """
import sys
import numpy as np, tinygrad_edu as tg
X, y = tg.data.moons(16, rng=0)
model = tg.mlp([2, 3, 2], rng=0)
step = tg.compile_step(model, tg.cross_entropy, tg.SGD(model, lr=0.1), X, y)
print(step.cached, f"{[step(X, y) for _ in range(3)][-1]:.12f}")
"""


def start(cache, seed):
    environment = os.environ | {"TINYGRAD_EDU_CACHE": str(cache), "PYTHONHASHSEED": str(seed)}
    environment["PYTHONPATH"] = str(Path(tg.__file__).parent.parent)
    environment.pop("NUMBA_CACHE_DIR", None)  # would have Numba keep its half elsewhere
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(process):
    out, said = process.communicate()
    assert process.returncode == 0, said
    return *out.split(), said


@needs_numba
def test_machine_code_is_found_by_the_next_process_and_what_is_damaged_is_made_again(tmp_path):
    together = [start(tmp_path, seed) for seed in (1, 2)]  # neither disturbs the other
    (cached, value, said), (_, other, _) = map(finish, together)
    assert other == value
    assert cached == "True" or said.startswith("compiling the training step ... ")
    assert finish(start(tmp_path, 3)) == ("True", value, "")
    made = {path.name.partition("-")[0].rpartition(".")[2] for path in (tmp_path / "__pycache__").glob("*.nbc")}
    assert made == {"step", "sgd", "not_finite_in_quarters"}  # and none of the functions that the step alone calls
    for path in (tmp_path / "__pycache__").glob("*.nb*"):
        path.write_bytes(b"damaged")
    assert finish(start(tmp_path, 4))[1] == value
    (file,) = tmp_path.glob("*.py")
    file.write_text("damaged")
    assert finish(start(tmp_path, 5))[1] == value
    assert file.read_text() != "damaged"


@needs_numba
def test_where_nothing_can_be_written_it_is_compiled_in_each_process(tmp_path):
    wall = tmp_path / "a file"
    wall.write_text("no folder can be made below it")
    cached, _, _ = finish(start(wall / "below", 1))
    assert cached == "False"


def test_the_folder_is_the_users_unless_he_names_one(monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", "somewhere")
    assert cache.folder() == Path("somewhere")
    monkeypatch.delenv("TINYGRAD_EDU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == Path("cache/tinygrad_edu")


def test_the_key_changes_with_the_text_and_the_versions(monkeypatch):
    first = cache.key("a")
    assert cache.key("b") != first
    monkeypatch.setattr(np, "__version__", "0")
    assert cache.key("a") != first


@needs_numba
def test_the_key_changes_with_the_functions_that_the_rule_calls_and_with_the_compiler(monkeypatch):
    text = "from tinygrad_edu.extras.matrix_kernels import adafactor as _rule"
    first, getsource = cache.key(text), inspect.getsource
    for module in (matrix_kernels, whole_kernels, machine, kinds, intrinsics, products, large, library):
        with monkeypatch.context() as patch:
            patch.setattr(inspect, "getsource", lambda f, module=module: getsource(f) + "#" * (f is module))
            assert cache.key(text) != first
    assert cache.key(text) == first


# --- damage -----------------------------------------------------------------------------------------------------------

SMALL = """
import sys
import tinygrad_edu as tg
p = tg.Tensor([1.0, 2.0], requires_grad=True)
(p * p).sum().backward()
o = getattr(tg, sys.argv[1])([p], lr=0.25)
o.step()
print(*p.data, o.kernel.stats.cache_hits.total())
"""


READ_ONLY = """
import os, sys

def refuse(event, given):
    if event in ("os.mkdir", "os.utime", "os.rename") or event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR):
        raise OSError("as for a user who may not write")

sys.addaudithook(refuse)
"""


def small(cache, code=SMALL, rule="SGD", **more):
    """A process that takes a step: the numbers after it, the kernels found on disk, and what was said."""
    environment = os.environ | {"TINYGRAD_EDU_CACHE": str(cache), "PYTHONPATH": str(Path(tg.__file__).parent.parent)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", code, rule],
        capture_output=True,
        text=True,
        env=environment | {k: str(v) for k, v in more.items()},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@needs_numba
def test_kernels_are_kept_too_and_damaged_or_exchanged_files_are_made_again(tmp_path):
    assert small(tmp_path) == ("0.5 1.0 0", "")
    assert small(tmp_path) == ("0.5 1.0 1", "")
    paths = list((tmp_path / "__pycache__").glob("*.nbc"))
    whole = [path.read_bytes() for path in paths]
    assert len(whole) == 2  # sgd and not_finite
    for damage in (lambda a: b"", lambda a: a[: len(a) // 2], lambda a: a + b"more", lambda a: whole[a is whole[0]]):
        for path, a in zip(paths, whole):
            path.write_bytes(damage(a))
        assert small(tmp_path) == ("0.5 1.0 0", "")
    assert small(tmp_path) == ("0.5 1.0 1", "")


@needs_numba
def test_a_file_under_the_name_of_another_is_not_run(tmp_path):
    """sgd and signsgd take the same: only the name tells one's machine code from the other's."""
    for rule in ("SGD", "SignSGD"):
        small(tmp_path, rule=rule)
    (sgd,), (other,) = [(tmp_path / "__pycache__").glob(f"*.{name}-*.nbc") for name in ("sgd", "signsgd")]
    sgd.write_bytes(other.read_bytes())
    assert small(tmp_path) == ("0.5 1.0 0", "")


OWN = """
import os
from tinygrad_edu.core.jit import kernel
FACTOR = float(os.environ["FACTOR"])
@kernel
def inner(x):
    return x * FACTOR
@kernel
def middle(x):
    return inner(x)
@kernel
def outer(x):
    return middle(x) + 1
"""


@needs_numba
def test_a_number_that_a_kernel_below_reads_is_a_part_of_the_name(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "from own import outer; print(outer(2.0), outer.stats.cache_hits.total())"
    run = lambda factor: small(tmp_path / "cache", code, FACTOR=factor)
    assert [run(factor) for factor in (3, 3, 5)] == [("7.0 0", ""), ("7.0 1", ""), ("11.0 0", "")]


@needs_numba
def test_the_bound_holds_when_machine_code_is_written(tmp_path):
    small(tmp_path, TINYGRAD_EDU_CACHE_MB=0)
    assert len(list((tmp_path / "__pycache__").iterdir())) == 1  # the latest


@needs_numba
def test_numbas_folder_is_used_where_it_is_named(tmp_path):
    assert small(tmp_path / "ours", NUMBA_CACHE_DIR=tmp_path / "numba")[0] == "0.5 1.0 0"
    assert len(list((tmp_path / "numba").rglob("*.nbc"))) == 2
    assert not (tmp_path / "ours").exists()
    assert small(tmp_path / "ours", NUMBA_CACHE_DIR=tmp_path / "numba")[0] == "0.5 1.0 1"


def sealed(path):
    assert store.write(path, b"machine code " * 20)
    return path


def test_every_flipped_bit_is_noticed(tmp_path):
    path = sealed(tmp_path / "file")
    whole = path.read_bytes()
    for i in range(8 * len(whole)):
        bits = bytearray(whole)
        bits[i // 8] ^= 1 << i % 8
        path.write_bytes(bits)
        assert store.read(path) is None
    path.write_bytes(whole)
    assert store.read(path) == b"machine code " * 20
    os.replace(path, tmp_path / "other")
    assert store.read(tmp_path / "other") is None


# --- whom we trust ----------------------------------------------------------------------------------------------------

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no modes here")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of a cache that is there."""
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(store, "_said", set())
    store.code_folder().mkdir(parents=True, mode=0o700)
    for folder in (store.folder(), store.code_folder()):
        folder.chmod(0o700)
    return store.code_folder()


@posix
def test_what_is_made_is_ours_alone(tmp_path):
    before = os.umask(0)
    try:
        path = sealed(tmp_path / "a" / "b" / "file")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path.parent.parent, path.parent, path)]
    assert modes == [0o700, 0o700, 0o600]


@posix
@pytest.mark.parametrize("which", ["cache", "__pycache__"])
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_is_not_used_and_that_is_said_once(place, which, mode):
    (place if which == "__pycache__" else place.parent).chmod(mode)
    with pytest.warns(
        UserWarning, match=rf"^machine code is not kept: .*{which} can be written by others.* chmod go-w"
    ):
        assert not store.write(place / "file", b"")
    assert not store.trusted(place)  # no second warning, which would be an error here
    assert not (place / "file").exists()


@posix
def test_what_belongs_to_others_is_not_used(place, monkeypatch):
    path = sealed(place / "file")
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    if me:
        assert store.read(path) is None
        assert "belongs to somebody else" in store.objection(place)
    else:  # what is root's is as safe as the machine
        assert store.read(path) is not None
        os.chown(path, 65534, 65534)
        assert store.read(path) is None


@posix
def test_files_that_are_none_of_ours_are_not_opened_and_not_written_through(place):
    target = sealed(place / "elsewhere" / "file")  # sealed for this name
    path = place / "file"
    path.symlink_to(target)
    assert store.read(path) is None
    assert store.write(path, b"new")
    assert not path.is_symlink()
    assert store.read(target) == b"machine code " * 20
    path.chmod(0o622)
    assert store.read(path) is None
    sealed(path)
    whole = path.read_bytes()
    path.unlink()
    os.mkfifo(path, 0o600)
    assert store.read(path) is None  # and nobody waits for a writer
    with open(os.open(path, os.O_RDWR), "wb", buffering=0) as writer:
        writer.write(whole)
        assert store.read(path) is None


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, path = [], tmp_path / "file"
    for name in ("fsync", "replace"):
        do = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, name=name, do=do: (done.append((name, path.exists())), do(*given)))
    sealed(path)
    assert done == [("fsync", False), ("replace", False)]


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*given):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    assert not store.write(tmp_path / "file", b"")
    assert list(tmp_path.iterdir()) == []


@needs_numba
@posix
def test_a_folder_that_is_handed_out_is_used_though_nothing_can_be_written_there(tmp_path):
    small(tmp_path)
    found = [tmp_path, *tmp_path.rglob("*")]
    for path in found:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert small(tmp_path, READ_ONLY + SMALL) == ("0.5 1.0 1", "")
        assert small(tmp_path, READ_ONLY + SMALL, rule="SignSGD") == ("0.75 1.75 0", "")  # is compiled, and not kept
        assert [tmp_path, *tmp_path.rglob("*")] == found
    finally:
        for path in found:
            path.chmod(0o700)


@needs_numba
@posix
def test_planted_code_is_not_run(tmp_path):
    (tmp_path / "cache" / "__pycache__").mkdir(parents=True)
    small(tmp_path / "cache")

    class Planted:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "planted"),)

    for path in (tmp_path / "cache" / "__pycache__").glob("*.nbc"):
        store.write(path, pickle.dumps(Planted()))  # sealed, as somebody would who has read this
    small(tmp_path / "cache")
    assert (tmp_path / "planted").exists()  # a folder that is trusted is code
    (tmp_path / "planted").rmdir()
    for path in (tmp_path / "cache" / "__pycache__").glob("*.nbc"):
        path.unlink()
        path.parent.chmod(0o700)
        store.write(path, pickle.dumps(Planted()))
    (tmp_path / "cache").chmod(0o777)
    printed, said = small(tmp_path / "cache")
    assert printed == "0.5 1.0 0"
    assert said.count("machine code is not kept") == 1
    assert not (tmp_path / "planted").exists()


# --- how much ---------------------------------------------------------------------------------------------------------


def kept_files(place, ages):
    """Files of 300 kB, used so many seconds ago."""
    found = []
    for i, age in enumerate(ages):
        path = place / f"m.f-{i:032x}.nbc"
        path.write_bytes(bytes(300_000))
        os.utime(path, (1e9 - age,) * 2)
        found.append(path)
    return found


def test_what_was_used_least_recently_goes(place, monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_CACHE_MB", "1")
    files = kept_files(place, [30, 10, 20, 40])
    (place / "of-another.nbc").write_bytes(bytes(2_000_000))
    store.trim()
    assert [path.exists() for path in files] == [True, True, True, False]
    late = place / f"m.f-{9:032x}.nbc"
    late.write_bytes(bytes(500_000))
    os.utime(late, (1, 1))  # the oldest, but just written
    store.trim(keep=late)
    assert [path.exists() for path in [*files, late]] == [False, True, False, False, True]
    assert (place / "of-another.nbc").exists()


def test_what_a_process_that_died_has_left_goes_after_an_hour(place):
    old, new = [place / f"{store.UNFINISHED}{name}" for name in ("old", "new")]
    for path, age in ((old, 3700), (new, 3500)):
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    store.trim()
    assert [old.exists(), new.exists()] == [False, True]


def test_what_is_read_counts_as_used(place):
    path = sealed(place / "file")
    os.utime(path, (1, 1))
    store.read(path)
    assert path.stat().st_mtime > 1
