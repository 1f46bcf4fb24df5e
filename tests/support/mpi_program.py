"""A program for test_ranks.py: ``mpiexec -n 2 python mpi_program.py WHAT FOLDER``; each rank writes a file."""

import os
import signal
import sys

import numpy as np

import tinygrad_edu as tg


def main(what, folder, comm):
    """Train in ranks, to the end or until rank 1 dies."""
    X, y = tg.data.blobs(120, rng=0)
    model = tg.mlp([2, 16, 3], rng=comm.rank)
    optimizer = tg.distribute(tg.Adam(model, lr=0.01), comm)
    X, y = tg.rank_rows(X, y, comm)

    def die(row):
        """In the third epoch rank 1 dies, in one of two ways."""
        if row["epoch"] == 3 and comm.rank == 1:
            if what == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "raises":
                raise RuntimeError("rank 1 is out of memory")

    how = {"epochs": 5, "batch_size": 15, "compiled": what == "compiled", "callback": die, "progress": False}
    tg.fit(model, X, y, optimizer=optimizer, rng=0, checkpoint=f"{folder}/run.npz", **how)
    np.savez(f"{folder}/{comm.rank}.npz", flat=optimizer.buffer.data, size=comm.size)


if __name__ == "__main__":
    from mpi4py import MPI

    main(*sys.argv[1:], MPI.COMM_WORLD)
