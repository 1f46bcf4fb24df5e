"""Kill a training again and again, and see that it ends with the bits of one that was let alone.

python tests/support/crash.py FOLDER [--kills 200] [--seed 0] [--compiled]

The training is a child of this process. It is killed at a random moment, and the same call goes on in the next child;
after each kill the checkpoint has to be whole. A child that gets to the end compares all numbers with the right ones.
"""

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

X, Y = tg.data.blobs(90, rng=0)
EPOCHS = 12


def train(checkpoint=None, compiled=False, epochs=EPOCHS, callback=None, **options):
    """Return all numbers after a training with everything that has a memory."""
    model = tg.Sequential(
        tg.Linear(2, 8, rng=0), tg.BatchNorm1d(8), tg.ReLU(), tg.Dropout(0.3, rng=1), tg.Linear(8, 3, rng=2)
    )
    schedule = tg.schedules.cosine(0.05, steps=60)
    optimizer = tg.Adam(model, lr=0.05 if options.pop("plateau", True) else schedule)
    average = tg.WeightAverage(optimizer, decay=0.9)
    callbacks = [average, tg.EarlyStopping(patience=5, min_delta=0.02), callback or (lambda row: None)]
    if not callable(optimizer.groups[0]["lr"]):
        callbacks.append(tg.ReduceOnPlateau(optimizer, factor=0.5, patience=0, threshold=0.2))
    history = tg.fit(
        model,
        X,
        Y,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=16,
        validation=0.2,
        rng=3,
        progress=False,
        callback=callbacks,
        compiled=compiled,
        checkpoint=checkpoint,
        **options,
    )
    rows = [[value for name, value in row.items() if name != "seconds"] for row in history.rows]
    return {
        **model.state_dict(),
        **{f"optimizer {name}": value for name, value in optimizer.state_dict().items()},
        "average": average.average,
        "rows": np.array(rows),
        "stopped": np.array(history.stopped),
    }


def differing(numbers, others):
    """Return the names of what is not the same in both, to the bit."""
    return [name for name in {**numbers, **others} if not np.array_equal(numbers.get(name), others.get(name))]


def stamp(path):
    """Return the time at which a file was written, None if there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def attempt(path, right, compiled, writes, delay):
    """Train in a child, and kill it so many seconds after so many writes of the file. Return its exit code, or None if
    it was killed before its end."""
    child = os.fork()
    if not child:
        code = 2
        try:
            code = int(bool(differing(right, train(path, compiled))))
        finally:
            os._exit(code)
    written, end = stamp(path), None
    while end is None or time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        now = stamp(path)
        writes, written = writes - (now != written), now
        if writes <= 0 and end is None:
            end = time.monotonic() + delay
        time.sleep(0.0002)
    os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if code == -signal.SIGKILL else code


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compiled", action="store_true")
    args = parser.parse_args()
    random.seed(args.seed)
    path = args.folder / "run.npz"
    right = train(None, args.compiled)
    kills, ends, epochs = 0, 0, []
    while kills < args.kills or not ends:
        writes = random.randrange(5) if kills < args.kills else EPOCHS + 1
        code = attempt(path, right, args.compiled, writes, random.uniform(0, 0.02))
        if code:
            sys.exit(f"after {kills} kills the training ended with {code}: 1 is other numbers, 2 an error")
        kills += code is None
        epochs += [len(tg.load(path)["history"]) if path.exists() else 0]
        if code == 0:
            ends += 1
            path.unlink()
    print(f"{kills} kills in {len(set(epochs))} of {EPOCHS + 1} epochs, {ends} trainings ended with the right bits")


if __name__ == "__main__":
    main()
