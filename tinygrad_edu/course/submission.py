"""A student's file in a process of its own, which answers one question: what does f return for these arrays?

The file cannot forge a verdict: numbers go in, numbers come out, and the judge is the process that asks. Endless loops,
crashes, sys.exit() and floods of output end the process, or its answer, and nothing else. This is no sandbox: the file
may read and write whatever its user may. The process runs this file as a script, so it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

LONGEST = 10_000_000  # characters of one answer
SHOWN = 2_000  # characters of the output that are kept
FLOOD = 50_000_000  # bytes of output that end the process
WAITS = 5  # times as long as a file may compute may it take by the clock: a busy machine is not its fault
FORGED = "it wrote into the channel that its answers take"
MEMORY = 2_000_000_000  # bytes that the process may ask for
KINDS = ("float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool")  # of the numbers in an answer
REASONS = (  # why there is no answer; what else the process sends as a reason is none
    "missing", "nothing", "number of results", "no numbers", "not written", "memory", "ended", "error", "notebook"
)  # fmt: skip


class Failed(Exception):
    """The file gave no answer. ``key`` names the reason, like the mistake of a `Finding`; ``text`` is a sentence."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key, self.text = key, text


# --- the side that asks ----------------------------------------------------------------------------------------------


class Submission:
    """The functions of a file, called in another process. Use it in a ``with`` statement.

    Parameters
    ----------
    path : of the file
    seconds : of the processor's time, the limit for all answers together, starting Python included; rounded up to whole
        seconds. By the clock it may take `WAITS` times as long, which is the only limit where the system has no other
    memory : bytes that the process may ask for, if the system can limit them

    Attributes
    ----------
    probes : a file of ours whose functions are called in place of the student's, as `probes`; None for the student's

    Raises
    ------
    Failed : the file cannot be run; also from `ask`
    """

    def __init__(self, path: str | Path, seconds: float = 10.0, memory: int = MEMORY) -> None:
        self.path, self.seconds, self.left = Path(path), seconds, WAITS * seconds
        self.printed, self.bytes = "", 0  # the beginning of the output, and its length
        self.process: subprocess.Popen[bytes] | None = None
        self.memory = memory
        self.probes: Path | None = None
        self.answered = 0  # how many questions got an answer in numbers

    def __enter__(self) -> Submission:
        self.folder = tempfile.TemporaryDirectory(prefix="exercise-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder.name,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self.answers: queue.Queue[bytes] = queue.Queue()
        self.readers = [
            threading.Thread(target=read, args=(self.process,), daemon=True) for read in (self._listen, self._watch)
        ]
        for reader in self.readers:
            reader.start()
        try:
            task = {"path": str(self.path.resolve()), "memory": self.memory, "seconds": self.seconds}
            if self._exchange({**task, "probes": str(self.probes or "")}):
                raise Failed("no answer", FORGED)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if hasattr(os, "killpg"):  # and the processes that it has started
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(timeout=1)  # longer only if a process that left the group holds the pipe
        if not any(reader.is_alive() for reader in self.readers):
            with contextlib.suppress(OSError), self.process:  # closes the pipes
                pass
        self.folder.cleanup()

    def ask(self, name: str, *args: Any, returns: int = 1) -> list[Array]:
        """Return the results of the function of that name for these arrays and numbers, ``returns`` arrays."""
        try:
            reply = self._exchange({"name": name, "args": [_packed(a) for a in args], "returns": returns})
        except Failed as problem:
            shown = ", ".join(_shown(a) for a in args if not isinstance(a, list))
            given = f", when {name} was given {shown}" if problem.key == "error" else ""
            raise Failed(problem.key, problem.text + given) from None
        values = reply.get("values")
        if set(reply) != {"values"} or not isinstance(values, list) or len(values) != returns:
            raise Failed("no answer", FORGED)
        try:
            found = [_answer(value) for value in values]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Failed("no answer", FORGED) from None
        self.answered += 1
        return found

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and wait for the reply."""
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # the process has ended: then no reply comes either
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        begin = time.monotonic()
        try:
            line = self.answers.get(timeout=max(0.0, self.left))
            self.left -= time.monotonic() - begin  # time that passes between two questions is not the student's
        except queue.Empty:
            limit = WAITS * self.seconds
            raise Failed("time", f"took longer than {limit:g} s by the clock: does it wait for something?") from None
        if not line:
            status = self.process.wait(timeout=5)
            if self.bytes > FLOOD:
                raise Failed("time", f"printed too much, {FLOOD / 1e6:.0f} MB: a loop without end")
            if status == -getattr(signal, "SIGXCPU", status + 1):
                raise Failed("time", f"took longer than {self.seconds:g} s: a loop without end, or too slow")
            raise Failed("ended", _ending(status))
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise Failed("no answer", FORGED)
        if set(reply) == {"problem", "text"} and isinstance(reply["text"], str) and reply["problem"] in REASONS:
            raise Failed(reply["problem"], _plain(reply["text"])[:1000])
        return reply

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Put every line of the answers into the queue, and an empty one at the end."""
        stream = process.stdout
        assert stream is not None
        while line := stream.readline(LONGEST):
            if self.answers.qsize() < 100:  # one is expected, the others are the file's
                self.answers.put(line)
        self.answers.put(b"")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Read everything that the file prints, and keep the beginning."""
        stream = process.stderr
        assert stream is not None
        kept = b""
        while some := stream.read1(1 << 16):  # type: ignore[attr-defined]
            kept, self.bytes = (kept + some)[: 4 * SHOWN], self.bytes + len(some)
            shown = _plain(kept.decode("utf-8", "replace"), keep="\n\t")[:SHOWN]
            more = self.bytes - len(shown.encode())
            self.printed = shown + f"\n... and {more:,} more bytes" * (len(shown) == SHOWN and more > 0)
            if self.bytes > FLOOD:
                process.kill()


def _shown(a: Any) -> str:
    return a if isinstance(a, str) else f"an array {a.shape}" if np.ndim(a) else f"{a:.6g}"


def _ending(status: int) -> str:
    if status >= 0:
        return f"it ended Python by itself, with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return f"Python was ended by signal {name}"


def _plain(text: str, keep: str = "") -> str:
    """Return the text with a space for each character that could disturb a terminal or a table."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)


def _packed(value: Any) -> Any:
    """Return an array in a form that JSON takes and that keeps each float to the last bit; anything else as it is."""
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": value.shape, "data": value.ravel().tolist()}
    return value


def _unpacked(value: Any) -> Any:
    """Return what `_packed` was given; a list becomes a tuple."""
    if not isinstance(value, dict):
        return tuple(value) if isinstance(value, list) else value
    return np.array(value["data"], value["dtype"]).reshape(value["shape"])


def _answer(value: Any) -> Array:
    """Return the array that came back; a ValueError unless it is in the form of `_packed`, to the last number."""
    fine = isinstance(value, dict) and set(value) == {"dtype", "shape", "data"} and value["dtype"] in KINDS
    if not fine or not all(isinstance(value[key], list) for key in ("shape", "data")) or len(value["shape"]) > 32:
        raise ValueError(FORGED)
    if not all(type(n) is int and n >= 0 for n in value["shape"]) or math.prod(value["shape"]) != len(value["data"]):
        raise ValueError(FORGED)
    if not all(type(x) in (bool, int, float) for x in value["data"]):  # float("3") would be one
        raise ValueError(FORGED)
    array: Array = _unpacked(value)
    return array


# --- the side that answers: a process that runs this file ------------------------------------------------------------


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Run the file that the first message names, then answer each question with one line."""
    process = os.getpid()

    def reply(message: dict[str, Any]) -> None:
        if os.getpid() != process:  # the file called os.fork: one of the two answers
            os._exit(0)
        with contextlib.suppress(Exception):  # the file may have closed or replaced it
            sys.stdout.flush()  # the output so far is seen even if this process is killed
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    task = json.loads(questions.readline())
    path = Path(task["path"])
    limit(task["memory"], task["seconds"])
    namespace: dict[str, Any] = {"__name__": "submission", "__file__": str(path)}
    probes: dict[str, Any] = {}
    parts: dict[str, str] = {}  # the name under which each part of the file is compiled, and words for it
    sys.path.append(str(path.parent))  # last, so that a random.py of the student's hides nobody's random

    def attempt(action: Callable[[], dict[str, Any]]) -> None:
        try:
            message = action()
        except BaseException as error:  # also SystemExit and KeyboardInterrupt
            message = {"problem": _key(error), "text": _sentence(error, parts)}
        reply(message)

    def load() -> dict[str, Any]:
        _run(path, namespace, parts)
        if task.get("probes"):
            exec(compile(Path(task["probes"]).read_bytes(), task["probes"], "exec"), probes)
        return {}

    def call(name: str, args: Sequence[Any], returns: int) -> dict[str, Any]:
        if not callable((probes or namespace).get(name)):
            raise Failed("missing", f"there is no function {name}")
        given = [_unpacked(a) for a in args]
        value = probes[name](Names(namespace), *given) if probes else namespace[name](*given)
        return {"values": [_packed(array) for array in arrays(name, value, returns)]}

    attempt(load)
    for line in questions:
        question = json.loads(line)
        attempt(lambda: call(**question))  # noqa: B023, it is called at once


def _run(path: Path, namespace: dict[str, Any], parts: dict[str, str]) -> None:
    """Run a file, a notebook cell by cell, and enter under which name each part of it is compiled."""
    for where, source in _cells(path) if path.suffix.lower() == ".ipynb" else [("", path.read_bytes())]:
        name = f"{path}{': ' * bool(where)}{where}"
        parts[name] = f"{where}, " if where else ""
        exec(compile(source, name, "exec"), namespace)


class Names:
    """The names of a student's file as attributes."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            raise Failed("missing", f"there is no {name} in it")
        return self.names[name]

    def missing(self, text: str) -> NoReturn:
        """Say in a sentence that something is not there."""
        raise Failed("missing", text)


def arrays(name: str, value: Any, returns: int) -> list[Array]:
    """Return the results of the function as arrays; raise Failed if they are something else."""
    if value is None:
        raise Failed("nothing", f"{name} returned None: is there a return at its end?")
    if returns > 1 and (not isinstance(value, (tuple, list)) or len(value) != returns):
        what = f"{len(value)} of them" if isinstance(value, (tuple, list)) else f"one {type(value).__name__}"
        raise Failed("number of results", f"{name} has to return {returns} things, separated by commas, not {what}")
    found = []
    for one in value if returns > 1 else [value]:
        array = np.asarray(one)
        if array.dtype.name not in KINDS:
            raise Failed("no numbers", f"{name} has to return arrays of real numbers, not {type(one).__name__}")
        if array.size > LONGEST // 100:
            raise Failed("no numbers", f"{name} returned an array of {array.size:,} numbers")
        found.append(array)
    return found


def _cells(notebook: Path) -> list[tuple[str, bytes]]:
    """Return the code cells of a notebook, each as ("cell 3", text); lines for IPython, as %matplotlib, do nothing."""
    try:
        cells = json.loads(notebook.read_bytes())["cells"]
        code = [(f"cell {n}", "".join(c["source"])) for n, c in enumerate(cells, 1) if c["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Failed("notebook", "it is no notebook, or a damaged one: save it again in Jupyter") from None
    code = [(where, text) for where, text in code if not text.lstrip().startswith("%%")]
    return [
        (where, re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1pass", text).encode("utf-8", "replace")) for where, text in code
    ]


def _key(error: BaseException) -> str:
    kinds = {NotImplementedError: "not written", MemoryError: "memory", SystemExit: "ended"}
    return error.key if isinstance(error, Failed) else kinds.get(type(error), "error")


def _sentence(error: BaseException, parts: dict[str, str]) -> str:
    """Return a sentence on the error, with its line in the file, or its cell and line in a notebook."""
    if isinstance(error, Failed):
        return error.text
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in parts]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    name = error.filename if isinstance(error, SyntaxError) else frames[-1].filename if frames else ""
    where = f"{parts.get(name or '', '')}line {line}: " if line else ""
    if isinstance(error, NotImplementedError) and frames:
        return f"{frames[-1].name} is not written yet"
    if isinstance(error, SystemExit):
        return f"{where}it called sys.exit"
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException:  # a __str__ of the student's own
        text = ""
    return f"{where}{type(error).__name__}{': ' * bool(text)}{text}"[:300]


def limit(memory: int, seconds: float) -> None:
    """Have the system end this process if it asks for too much (Linux, in part macOS)."""
    try:
        import resource
    except ImportError:
        return
    whole = math.ceil(seconds)
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_CPU: whole, resource.RLIMIT_FSIZE: LONGEST}
    for kind, most in {**limits, resource.RLIMIT_CORE: 0}.items():
        with contextlib.suppress(ValueError, OSError):  # SIGXCPU comes at the first, SIGKILL at the second
            resource.setrlimit(kind, (most, most + (kind == resource.RLIMIT_CPU)))


def main() -> NoReturn:
    """Answer questions through the pipes; the file's own output goes to standard error, and its input is empty."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    serve(questions, answers)
    os._exit(0)


if __name__ == "__main__":
    main()
