"""A seeded fuzz: what comes from outside is refused with a sentence or taken as it is, whatever it is.

    python tests/support/fuzz.py [--seconds 60] [--seed N] [--only NAME] [--case N]

Each of `FUZZERS` is called in turn, with random numbers of its own for each case, for an equal share of the time. The
first case that is not as it should be ends the run, and its last line runs that case again.
"""

import argparse
import ast
import faulthandler
import gzip
import inspect
import io
import itertools
import json
import operator
import os
import secrets
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from zlib import crc32

import numpy as np
from exercise_solutions import NAMES, solution
from rules_table import CLASSES

import tinygrad_edu as tg
from tinygrad_edu.compile import numpy_c, store
from tinygrad_edu.course import runner
from tinygrad_edu.doctor.report import Report

OURS = Path(tg.__file__).parent
MALFORMED = (ValueError, TypeError)


def pick(rng, choices):
    """One of the choices, as it is."""
    return choices[rng.integers(len(choices))]


def damaged(rng, content):
    """The bytes with a few bits flipped, cut off, longer, or others altogether."""
    bits = bytearray(content)
    for at in rng.integers(8 * len(bits), size=rng.integers(1, 4)) if bits else ():
        bits[at // 8] ^= 1 << at % 8
    cut = rng.integers(len(content) + 1)
    junk = rng.bytes(rng.integers(200))
    return pick(rng, [bytes(bits), bytes(bits), content[:cut], content + junk, content[:cut] + junk, junk, b""])


# --- the cache --------------------------------------------------------------------------------------------------------

LOADS = """
import os, shutil, sys
import numpy as np, tinygrad_edu as tg
from tinygrad_edu.core.jit import Kernel
for folder in sys.argv[1:]:
    os.environ["TINYGRAD_EDU_CACHE"] = folder
    rule, p = Kernel(tg.kernels.sgd.py_func), np.array([1.0, 2.0])
    print("begins", os.path.basename(folder), flush=True)
    rule(p, np.array([2.0, 4.0]), 0.25)
    print(*p, rule.stats.cache_hits.total(), flush=True)
"""


def loads(*folders):
    """What a process that takes one step of SGD from each folder prints."""
    variables = {**os.environ, "PYTHONPATH": str(OURS.parent), "PYTHONWARNINGS": "error"}
    variables.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", LOADS, *folders], capture_output=True, text=True, env=variables)
    printed = [line for line in done.stdout.splitlines() if not line.startswith("begins")]
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]}: status {done.returncode}, {done.stderr}"
    return printed


@cache
def good_cache():
    """A folder with the machine code of a step."""
    folder = tempfile.TemporaryDirectory(prefix="fuzz-")
    loads(os.path.join(folder.name, "cache"))
    return folder  # which is removed when Python ends


def the_cache(rng):
    """A file that was damaged, or changed its name, is as good as none: nothing of it is run."""
    whole = Path(good_cache().name, "cache", "__pycache__")
    files = {path.name: path.read_bytes() for path in sorted(whole.glob("*.nbc"))}
    with tempfile.TemporaryDirectory() as place:
        for i in range(100):
            name, path = pick(rng, list(files)), Path(place, pick(rng, list(files)))
            content = pick(rng, [damaged(rng, files[name]), damaged(rng, files[name]), files[name]])
            path.write_bytes(content)
            expected = content[store.SEAL :] if content == files[path.name] else None
            assert store.read(path) == expected, f"file {i}, {path.name}: {len(content)} bytes"
        folders = [f"{place}/{i}" for i in range(3)]
        for folder in folders:  # and nobody crashes who loads what is there
            shutil.copytree(whole.parent, folder)
            path = Path(folder, "__pycache__", pick(rng, list(files)))
            path.write_bytes(damaged(rng, pick(rng, list(files.values()))))
            Path(folder, "__pycache__", pick(rng, ["foreign.nbc", "x", f"sgd-{'0' * 32}.nbc"])).write_bytes(
                rng.bytes(9)
            )
        for line in loads(*folders):
            assert line.startswith("0.5 1.0 "), line
    return 100 + len(folders)


# --- IDX files --------------------------------------------------------------------------------------------------------

CODES = {8: "B", 9: "b", 11: "h", 12: "i", 13: "f", 14: "d"}


def idx_by_hand(content):
    """The shape and the numbers of an IDX file; None if it is none."""
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        zero, code, ndim = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{ndim}I", content, 4)
        numbers = list(struct.iter_unpack(">" + CODES[code], content[4 + 4 * ndim :]))
    except Exception:
        return None
    right = not zero and len(numbers) == int(np.prod(shape, dtype=object)) and ndim <= 64
    return (shape, [n for (n,) in numbers]) if right else None


def idx(rng):
    """A file is read as its bytes say, or refused by its name; and nothing is made as large as a header promises."""
    code, shape = pick(rng, list(CODES)), rng.integers(0, 5, rng.integers(0, 4))
    if rng.random() < 0.1:
        shape = [2 ** int(rng.integers(32)) for _ in shape]
    size = min(int(np.prod(shape, dtype=object)), 200)
    numbers = rng.integers(0, 100, size).astype(f">{CODES[code]}").tobytes()
    content = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + numbers
    for damage in rng.permutation(["damaged", "damaged", "packed", "whole"])[:2]:
        content = {"damaged": damaged(rng, content), "packed": gzip.compress(content), "whole": content}[damage]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "numbers.idx")
        path.write_bytes(content)
        expected = idx_by_hand(content)
        got, refused = None, ""
        try:
            got = tg.data.idx(path)
        except ValueError as error:
            refused = str(error)
        if refused or expected is None:
            assert str(path) in refused, f"{content[:40]}: {refused or 'taken'}"
            assert expected is None or 0 in expected[0], f"{expected} was refused: {refused}"
        else:
            assert got.shape == expected[0]
            np.testing.assert_array_equal(got.ravel(), expected[1])


# --- the grader -------------------------------------------------------------------------------------------------------

STATEMENTS = [
    "import sys; sys.exit(0)",
    "import os; os._exit(0)",
    "import os; os.kill(os.getpid(), 9)",
    "import os; os.close(1)",
    *(
        f"import os\nfor fd in range(20):\n  try: os.write(fd, b'{text}\\n')\n  except OSError: pass"
        for text in ("{}", '{"values": [], "right": true}', '{"problem": "", "text": "right"}')
    ),
    "import os\nfor fd in range(20):\n  try: os.close(fd)\n  except OSError: pass",
    "import os; os.fork()",
    "import sys; sys.setrecursionlimit(10**8)\ndef f(): f()\nf()",
    "import __main__; raise __main__.Failed('', 'right')",
    "import __main__; __main__._arrays = lambda *a: []",
    "import json; json.dumps = lambda *a, **k: '{\"values\": []}'",
    "import builtins; builtins.print = builtins.len = builtins.isinstance = None",
    "import numpy; numpy.asarray = lambda x, *a: x",
    "print('x' * 3_000_000)",
    "print('\\x1b[2J\\0\\r', flush=True)",
    "class E(Exception):\n  def __str__(self): raise self\nraise E",
    "raise BaseException",
    "x = bytearray(10**11)",
    "import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()",
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])",
    "import atexit, os; atexit.register(os.abort)",
    "import sys; sys.stdout = sys.stderr = sys.stdin = None",
    "(" * 300,
    "\t x = \0",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
]
ANSWERS = [  # none of them has a right number for random arguments
    "None", "()", "'right'", "float('nan')", "float('inf')", "10**400", "1e308", "[[], [1]]", "object()", "a",
    "a[::-1]", "{'values': 1}", "1j", "numpy.zeros(0)", "numpy.ones((3, 1, 2))", "numpy.ma.masked", "(x for x in a)",
    "lambda: 0", "gradient", "numpy.zeros(10**6)", "numpy.array([None])", "type('A', (), {'__array__': 3})()",
]  # fmt: skip


def grader(rng):
    """One folder of hostile files and an honest one: no mark without an answer, and the honest one has its mark."""
    with tempfile.TemporaryDirectory() as place:
        folder, honest = Path(place, "class"), int(rng.integers(1, len(NAMES) + 1))
        for i in range(5):
            name = NAMES[rng.integers(len(NAMES))]
            function = next(part.name for part in ast.parse(solution(int(name[0]))).body if hasattr(part, "args"))
            parts = [*rng.choice(STATEMENTS, rng.integers(3), replace=False)]
            parts += [f"import numpy\ndef {function}(*a):\n  return {pick(rng, ANSWERS)}", "gradient = 3"]
            text = "\n".join(str(part) for part in rng.permutation(parts)).encode()
            suffix = pick(rng, [".py"] * 4 + [".ipynb", ".zip", ".PY"])
            student = folder / f"{pick(rng, ['eve', '=1+1', 'e' + chr(27) + '[2J', 'a,b', 'ü' * 40, '-x', '%s'])} {i}"
            student.mkdir(parents=True)
            (student / f"{name}{suffix}").write_bytes(damaged(rng, text) if rng.random() < 0.2 else text)
        (folder / "zoe").mkdir()
        (folder / "zoe" / f"{NAMES[honest - 1]}.py").write_text(solution(honest))
        with redirect_stdout(io.StringIO()) as printed, redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("error")
            status = runner.grade_submissions(folder, Path(place, "out"), seed=1, seconds=20.0, jobs=2)
        verdicts = json.loads(Path(place, "out", "grades.json").read_text())["verdicts"]
        right = [verdict["student"] for verdict in verdicts if verdict["right"]]
        assert status == 0, printed.getvalue()
        assert len(verdicts) == 6, printed.getvalue()
        assert right == ["zoe"], printed.getvalue()
        assert "\x1b" not in printed.getvalue()
    return 6


# --- states -----------------------------------------------------------------------------------------------------------

MUTATIONS = [  # of one entry of a state: what is right stays so with the first few
    lambda rng, v: v * 1,
    lambda rng, v: v.tolist(),
    lambda rng, v: tg.Tensor(v),
    lambda rng, v: v.astype(np.float32),
    lambda rng, v: rng.permutation(v.ravel()).reshape(v.shape),
    lambda rng, v: v * 0 + 3,
    lambda rng, v: v + 0.5,
    lambda rng, v: -1 - v,
    lambda rng, v: v * np.nan,
    lambda rng, v: v + np.inf,
    lambda rng, v: v * 1e300 * 1e10,
    lambda rng, v: v + 1j,
    lambda rng, v: v.astype(str),
    lambda rng, v: v.astype(object),
    lambda rng, v: np.ma.array(v, mask=True),
    lambda rng, v: v.ravel()[1:],
    lambda rng, v: v[None],
    lambda rng, v: v > 0,
    lambda rng, v: rng.bytes(5),
    lambda rng, v: pick(rng, [None, "abc", [], [[1], [1, 2]], {}, object(), np.nan, -1, 2**70, 1e999, True]),
]


def network(rng, seed, dtype=np.float64):
    """A random model for inputs of 3 columns; the same one for the same seed."""
    random, seed = np.random.default_rng(seed), int(seed)
    width, layers = 3, []
    for _ in range(random.integers(1, 4)):
        after = int(random.integers(1, 6))
        layers.append(tg.Linear(width, after, bias=bool(random.integers(2)), rng=seed, dtype=dtype))
        width = after
        made = [
            *(tg.ReLU, tg.Tanh, tg.Sigmoid, tg.Softplus, tg.SiLU, tg.GELU, tg.Softmax),
            partial(tg.LeakyReLU, float(random.normal())),
            partial(tg.ELU, float(random.normal())),
            partial(tg.LayerNorm, width, dtype=dtype),
            partial(tg.BatchNorm1d, width, dtype=dtype),
            partial(tg.Dropout, float(random.random()), rng=seed),
        ]
        layers += [pick(random, made)() for _ in range(random.integers(3))]
    return tg.Sequential(*layers, tg.Linear(width, 2, rng=seed, dtype=dtype))


def batch(rng, loss, dtype=np.float64):
    """Inputs, and targets that suit the loss."""
    X = rng.standard_normal((int(rng.integers(2, 10)), 3)).astype(dtype)
    targets = rng.standard_normal((len(X), 2)).astype(dtype)
    if loss is tg.cross_entropy:
        return X, rng.integers(0, 2, len(X))
    if loss is tg.binary_cross_entropy_with_logits:
        return X, (targets > 0).astype(dtype)
    return X, np.sign(targets) if loss is tg.hinge_loss else targets


def same(a, b):
    """Whether two entries of a state are the same numbers, words or bytes."""
    a, b = np.asarray(a), np.asarray(b.numpy() if isinstance(b, tg.Tensor) else b)
    if a.dtype.kind in "US" or a.dtype == np.uint8:  # a generator's bytes may have other spaces
        return bytes(a.astype("S").tobytes()).split() == bytes(b.astype("S").tobytes()).split()
    return np.array_equal(a, b.astype(a.dtype), equal_nan=True)


def states(rng):
    """A state that is refused has changed nothing; one that is taken is there, entry by entry."""
    model = network(rng, rng.integers(1 << 30))
    optimizer = pick(rng, CLASSES)(model, lr=0.01)
    weights = tg.WeightAverage(optimizer, pick(rng, [None, 0.9]))
    plateau = tg.ReduceOnPlateau(optimizer, mode=pick(rng, ["min", "max"]))
    for _ in range(rng.integers(1, 4)):
        X, y = batch(rng, tg.mse_loss)
        optimizer.zero_grad()
        loss = tg.mse_loss(model(X), y)
        loss.backward()
        optimizer.step()
        weights.update()
        plateau.step(loss.item())
    owner = pick(rng, [model, optimizer, optimizer, weights, plateau])
    before = owner.state_dict()
    given = dict(before)
    for key in rng.choice(list(given), rng.integers(1, 4)):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                given[key] = pick(rng, MUTATIONS)(rng, np.asarray(before[key]))
            except (*MALFORMED, OverflowError):  # no arithmetic with words
                given.pop(key, None)
    refused = None
    try:
        owner.load_state_dict(given)
    except MALFORMED as error:
        refused = error
    assert refused is None or ours(refused), explained(refused)
    expected, what = (given, "taken, and is not") if refused is None else (before, f"refused ({refused}), and changed")
    after = owner.state_dict()
    for key in expected:
        assert same(after[key], expected[key]), f"{type(owner).__name__}: {key} was {what}: {given[key]!r}"


# --- saved files ------------------------------------------------------------------------------------------------------


@cache
def good_file():
    """A file of `save`, and the text of what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.npz")
        model = tg.mlp([2, 3, 2], dropout=0.5, rng=0)
        rng = np.random.Generator(np.random.MT19937(0))
        tg.save(path, model=model, optimizer=tg.Adam(model), rng=rng, history=tg.History(), epoch=3, words=["a", None])
        return path.read_bytes(), content_of(tg.load(path))


def content_of(parts):
    """All that is in a file, to the last bit, as a text."""
    if isinstance(parts, np.ndarray):
        return f"{parts.dtype}{parts.shape}{parts.tobytes().hex()}"
    if isinstance(parts, np.random.Generator):
        return content_of(parts.bit_generator.state)
    if isinstance(parts, tg.History):
        return content_of(parts.state_dict())
    return str({key: content_of(value) for key, value in parts.items()}) if isinstance(parts, dict) else repr(parts)


def mixed(rng, content):
    """The bytes damaged, or with a piece of them somewhere else, twice, or of one value; or numbers exchanged."""
    a, b, c = sorted(int(i) for i in rng.integers(len(content) + 1, size=3))
    small = min(c, b + 50)
    flipped = bytearray(content)
    for _ in range(rng.integers(1, 4)):  # in the zip's own tables, which are few bytes of many
        at = content.rindex(b"PK\1\2", 0, int(rng.integers(content.index(b"PK\1\2") + 4, len(content))) + 1)
        flipped[min(at + int(rng.integers(46)), len(content) - 1)] = int(rng.integers(256))
    pieces = [content[:a] + content[b:c] + content[a:b] + content[c:], content[:b] + content[a:]]
    pieces += [content[:a] + content[b:], content[:b] + bytes([rng.integers(256)]) * (small - b) + content[small:]]
    return pick(rng, [damaged(rng, content), damaged(rng, content), bytes(flipped), bytes(flipped), *pieces])


def saved(rng):
    """A file that was damaged is refused, or has what it had; it takes no memory that its size does not explain."""
    content, right = good_file()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        path = Path("run.npz")
        for i in range(50):
            wrong = mixed(rng, content)
            path.write_bytes(wrong)
            model, before = None, None
            if i % 10 == 0:
                model = tg.mlp([2, 3, 2], dropout=0.5, rng=1)
                before = content_of(model.state_dict())
            tracemalloc.start()
            try:
                found = tg.load(path, **({"model": model} if model else {}))
            except (ValueError, ImportError):
                assert model is None or content_of(model.state_dict()) == before
            else:
                assert content_of(found) == right, f"file {i}"
            finally:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            assert peak < 8 * len(wrong) + 2**21, f"file {i}: {peak} bytes"
            assert os.listdir() == ["run.npz"]
    return 50


# --- compiled steps ---------------------------------------------------------------------------------------------------

LOSSES = [tg.mse_loss, tg.l1_loss, tg.huber_loss, tg.hinge_loss, tg.cross_entropy, tg.binary_cross_entropy_with_logits]


def compiled(rng):
    """A compiled step has the loss and the gradients of the eager one, and moves the parameters by its rule."""
    seed, dtype, loss = rng.integers(1 << 30), pick(rng, [np.float64, np.float64, np.float32]), pick(rng, LOSSES)
    rule = partial(pick(rng, CLASSES), lr=0.05, l2=pick(rng, [0.0, 0.1]))
    eager, model = (network(rng, seed, dtype) for _ in range(2))
    by_hand, optimizer = rule(eager), rule(model)
    step = tg.compile_step(model, loss, optimizer, *batch(rng, loss, dtype), quiet=True)
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-4}
    for _ in range(3):
        X, y = batch(rng, loss, dtype)
        by_hand.zero_grad()
        expected = loss(eager(X), y)
        expected.backward()
        np.testing.assert_allclose(step(X, y), expected.item(), **close, err_msg=f"{model} {loss} {rule}")
        for name, p in eager.named_parameters().items():
            theirs = model.named_parameters()[name]
            np.testing.assert_allclose(theirs.grad, p.grad, **close, err_msg=f"gradient of {name}, {model} {loss}")
            p.grad = theirs.grad  # some rules divide by the gradient: from here on the same rounding
        by_hand.step()
        for name, expected in eager.state_dict().items():
            got = model.state_dict()[name]
            np.testing.assert_allclose(got, expected, **close, err_msg=f"{name}, {model} {loss} {rule}")


# --- the public API ---------------------------------------------------------------------------------------------------

SKIPPED = {  # what is for arrays alone, pictures, and functions of `operator` that are no operators
    "apply", "kernels", "ops", "optimizers", "buffers", "surfaces", "plots", "raceplots", "set_num_threads",
    "attrgetter", "itemgetter", "methodcaller", "call", "setitem", "delitem", "length_hint", "concat", "iconcat",
}  # fmt: skip
ENGINE = {  # methods that rules and layers have for the engine
    "accumulate", "begin", "check", "checked_number", "finish", "grouped", "kernel", "keep", "matched", "notice_change",
    "on_tensors", "read", "refusal", "refuse", "scalars", "updates",
}  # fmt: skip
BESIDE = {"data.csv", "data.split", "data.Standardize", "data.Encoder"}  # whose files are others of the room
X, Y = tg.data.moons(8, rng=0)
POINT = np.array([1.0, 2.0])


def trained():
    """A model with gradients, and its optimizer."""
    model = tg.mlp([2, 3, 2], rng=0)
    optimizer = tg.Adam(model)
    tg.cross_entropy(model(X), Y).backward()
    return model, optimizer


def square(x):
    """A function of a user."""
    return (x * x).sum()


OBJECTS = {  # how one of each class is made, whose methods are called
    "Tensor": lambda: tg.Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True),
    "Linear": lambda: tg.Linear(2, 3, rng=0),
    "Sequential": lambda: trained()[0],
    "Adam": lambda: trained()[1],
    "Program": lambda: tg.trace(square(tg.Tensor(POINT, requires_grad=True))),
    "MovingAverage": lambda: tg.MovingAverage(0.9),
    "WeightAverage": lambda: tg.WeightAverage(trained()[1]),
    "ReduceOnPlateau": lambda: tg.ReduceOnPlateau(trained()[1]),
    "EarlyStopping": lambda: tg.EarlyStopping("loss"),
    "Embedding": lambda: tg.Embedding(3, 2, rng=0),
    "Batches": lambda: tg.batches(X, Y, 3, rng=0),
    "History": lambda: tg.fit(trained()[0], X, Y, tg.cross_entropy, epochs=1, progress=False),
    "Evaluation": lambda: tg.evaluate(trained()[0], X, Y, tg.cross_entropy),
    "Schedule": lambda: tg.schedules.cosine(0.1, steps=10),
    "Report": lambda: Report("it", []),
}
PLAUSIBLE = {  # by the name of an argument
    **dict.fromkeys(("a", "b", "t", "x", "tensors"), OBJECTS["Tensor"]),
    **dict.fromkeys(("X", "inputs", "logits", "predictions"), lambda: X),
    **dict.fromkeys(("y", "labels"), lambda: Y),
    **dict.fromkeys(("model", "layer", "params"), lambda: trained()[0]),
    **dict.fromkeys(("f", "function"), lambda: square),
    **dict.fromkeys(("epochs", "steps"), lambda: 2),
    "optimizer": OBJECTS["Adam"],
    "loss": lambda: tg.cross_entropy,
    "lr": lambda: 0.1,
    "sizes": lambda: [2, 3, 2],
    "axis": lambda: 0,
    "shape": lambda: (2, 2),
    "progress": lambda: False,
    "state": lambda: trained()[1].state_dict(),
    "validation": lambda: (X, Y),
    "condition": lambda: np.array([True, False]),
    "subscripts": lambda: "ij,jk->ik",
    "rng": lambda: 0,
}
JUNK = [
    None, True, "x", "", b"x", -1, 0, 1, 3, 2.5, -0.5, np.nan, np.inf, 1e300, 1j, (), [], {}, {"x": 1}, [1, 2], ["a"],
    object, object(), len, lambda *a, **k: 0.0, lambda x: x, slice(3), ..., np.float32(1.5), np.int8(3), range(2),
    np.zeros(0), np.ones(2), np.eye(2), np.ones((2, 3, 2), np.float32), np.array(["a"]), np.array([None]), np.array(1),
    np.array([1, 2]), np.array([True, False]), np.ma.array([1.0, 2.0], mask=[0, 1]), [[1.0], [1.0, 2.0]], Path("x"),
    lambda: tg.Tensor(POINT), lambda: trained()[0], lambda: trained()[1], lambda: [tg.Tensor(POINT)],
]  # fmt: skip
MADE = JUNK[-4:]  # anew for each call


@cache
def callables():
    """(name, what is called for an object or None, a function that returns the object)."""
    found = []
    for name in sorted(set(dir(tg)) - SKIPPED):
        value = getattr(tg, name)
        if name[0] != "_" and inspect.ismodule(value):
            for inner, f in vars(value).items():
                if (
                    callable(f)
                    and inner[0] != "_"
                    and inner not in ENGINE
                    and (getattr(f, "__module__", "") == value.__name__ or f"{name}.{inner}" in BESIDE)
                ):
                    found.append((f"{name}.{inner}", f, None))
        elif name[0] != "_" and callable(value):
            found.append((name, value, None))
    for name, make in OBJECTS.items():
        cls = type(make())
        for inner in sorted({*dir(cls)} - {*dir(object)}):
            f = inspect.getattr_static(cls, inner)
            if isinstance(f, property) and f.fset:
                found.append((f"{name}.{inner} = ", lambda t, value, inner=inner: setattr(t, inner, value), make))
            elif callable(getattr(cls, inner, None)) and inner[0] != "_" and inner not in ENGINE:
                found.append((f"{name}.{inner}", getattr(cls, inner), make))
    for f in [vars(operator)[name] for name in operator.__all__ if name[0] != "_" and name not in SKIPPED]:
        found.append((f"Tensor {f.__name__}", f, OBJECTS["Tensor"]))
    return found


def arguments(rng, f, first):
    """Random arguments as many as the signature wants, after those that are there."""
    args, kwargs = list(first), {}
    try:
        parameters = list(inspect.signature(f).parameters.values())[len(first) :]
    except (TypeError, ValueError):
        return args, kwargs

    def value(name):
        junk = pick(rng, JUNK)
        return (
            PLAUSIBLE[name]()
            if name in PLAUSIBLE and rng.random() < 0.6
            else junk()
            if any(junk is f for f in MADE)
            else junk
        )

    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            args += [value(p.name) for _ in range(rng.integers(3))]
        elif p.kind is p.VAR_KEYWORD:
            kwargs |= {name: value(name) for name in ("lr", "nonfinite", "wrong") if rng.random() < 0.1}
        elif p.default is p.empty and p.kind is not p.KEYWORD_ONLY:
            args.append(value(p.name))
        elif p.default is p.empty or rng.random() < 0.4:
            kwargs[p.name] = value(p.name)
    return args, kwargs


@cache
def raising(path):
    """The lines of a file that belong to a raise statement with an error of its own."""
    nodes = ast.walk(ast.parse(Path(path).read_text()))
    spans = [range(n.lineno, n.end_lineno + 1) for n in nodes if isinstance(n, ast.Raise) and n.exc]
    return set(itertools.chain(*spans))


def ours(error):
    """Whether a line of ours raised an error, or gave it a note; or the system or the code of a user raised it."""
    tb = error.__traceback__
    while tb.tb_next:
        tb = tb.tb_next
    path = tb.tb_frame.f_code.co_filename
    raised = Path(path).is_relative_to(OURS) and tb.tb_lineno in raising(path)
    honest = isinstance(error, (OSError, MemoryError, StopIteration, np.linalg.LinAlgError))
    users = path == __file__ or "<lambda>" in str(error) or "square()" in str(error)
    return raised or honest or users or bool(getattr(error, "__notes__", ()))


def explained(error):
    """The kind, the words and the place of an error."""
    tb = error.__traceback__
    while tb.tb_next:
        tb = tb.tb_next
    return f"{type(error).__name__}: {error} (at {tb.tb_frame.f_code.co_filename}:{tb.tb_lineno})"


def called(rng):
    """Call something with junk. Return its name, the arguments and the error, or None."""
    name, f, make = pick(rng, callables())
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        args, kwargs = arguments(rng, f, [make()] if make else [])
        try:
            f(*args, **kwargs)
        except Exception as error:
            return name, (args, kwargs), error
    return name, (args, kwargs), None


def api(rng):
    """Every refusal of a public name is one of ours: raised by a line of this package, with its own sentence."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for _ in range(50):
            name, given, error = called(rng)
            assert error is None or ours(error), f"tg.{name} of {given}: {explained(error)}"
    return 50


# --- all of them ------------------------------------------------------------------------------------------------------

FUZZERS = {
    "cache": the_cache,
    "idx": idx,
    "grader": grader,
    "states": states,
    "saved": saved,
    "api": api,
    "compiled": compiled,
}
if numpy_c.PLAIN:  # there is no machine code
    del FUZZERS["cache"]


def run(name, seed, case):
    """Run one case; return how many tries were in it."""
    return FUZZERS[name](np.random.default_rng([seed, crc32(name.encode()), case])) or 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--only", choices=FUZZERS, action="append")
    parser.add_argument("--case", type=int, help="this one alone")
    given = parser.parse_args()
    spent, tries, cases = (dict.fromkeys(given.only or FUZZERS, 0) for _ in range(3))
    print(f"seed {given.seed}", flush=True)
    while sum(spent.values()) < given.seconds:
        name = min(spent, key=spent.get)
        case, begin = cases[name] if given.case is None else given.case, time.monotonic()
        faulthandler.dump_traceback_later(600, exit=True, file=sys.__stderr__)  # it hangs
        try:
            tries[name] += run(name, given.seed, case)
        except Exception:
            faulthandler.cancel_dump_traceback_later()
            traceback.print_exc()
            again = f"python tests/support/fuzz.py --seed {given.seed} --only {name} --case {case}"
            sys.exit(f"{name}, after {tries[name]:,} that were right; again:\n  {again}")
        cases[name] += 1
        spent[name] += time.monotonic() - begin
        if given.case is not None:
            break
    faulthandler.cancel_dump_traceback_later()
    print(", ".join(f"{name} {count:,}" for name, count in tries.items()))


if __name__ == "__main__":
    main()
