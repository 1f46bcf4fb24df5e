"""What tests/training/test_ranks.py has mpiexec run: ``mpi_program.py WHAT FOLDER``. Each rank writes a file."""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import tinygrad_edu as tg

what, folder = sys.argv[1:]
comm = MPI.COMM_WORLD
X, y = tg.data.blobs(120, rng=0)


def callback(row):
    """The end of a rank in the third epoch, in one of two ways."""
    if row["epoch"] == 3 and comm.rank == 1:
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("rank 1 is out of memory")


model = tg.mlp([2, 16, 3], rng=comm.rank, dtype=np.float32 if what == "float32" else np.float64)
optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
X, y = tg.rank_rows(X.astype(model[0].W.dtype), y, comm)
if what in ("raises", "killed"):
    history = []

    def save_and(row):
        """A checkpoint after each epoch."""
        history.append(row)
        with open(f"{folder}/checkpoint.{comm.rank}.new", "wb") as file:
            np.savez(file, epoch=row["epoch"], **model.state_dict())
        os.replace(file.name, f"{folder}/checkpoint.{comm.rank}.npz")
        callback(row)

    tg.fit(model, X, y, optimizer=optimizer, epochs=1000, batch_size=10, rng=0, progress=False, callback=save_and)
else:
    compiled = what == "compiled"
    tg.fit(model, X, y, optimizer=optimizer, epochs=5, batch_size=15, rng=0, progress=False, compiled=compiled)
np.savez(f"{folder}/{comm.rank}.npz", flat=optimizer.buffer.data, size=comm.size)
