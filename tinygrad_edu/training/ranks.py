"""Data-parallel training with MPI: processes, the ranks, that learn from a part of the data each, with one model."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Any
from zlib import crc32

import numpy as np

from ..core.ops import Array
from ..core.optimizer import Optimizer
from ..guards.kinds import shown
from ..guards.names import helped
from ..guards.samples import table
from .splits import require_rows
from .states import first_misfit, layout

SIGNS = 4096  # of the parameters that have gradients; a whole number in float32 too, summed over 4,096 ranks


@helped
def distribute(optimizer: Optimizer, comm: Any) -> Optimizer:
    """Have each step of an optimizer average the gradients of all ranks first; return the optimizer.

    Parameters and the optimizer's averages become those of rank 0, now. A step then sums the flat gradient over the
    ranks in one Allreduce, and all ranks make the same update: their parameters keep the same bits. `clip_norm` and
    `clip_value` clip the average. With ``compiled=True`` gradient and update are machine code, with the Allreduce in
    between.

    The loss is a mean over a batch, so give each rank batches of one size (see `rank_rows`): then the average is the
    gradient of the mean over all of them. Each rank takes as many steps, and uses the same parameters in them.

    An exception that a rank does not catch ends all ranks (``comm.Abort``), and so does Ctrl-C: the others would wait.
    Files that `save` or ``fit(checkpoint=...)`` has written are whole.

    Parameters
    ----------
    optimizer : any, over the same parameters in each rank
    comm : ``MPI.COMM_WORLD`` of mpi4py, or a part of it

    Raises
    ------
    TypeError : not an optimizer, not a communicator
    ValueError : the ranks have optimizers of different kinds, or over other parameters

    Notes
    -----
    The running means of BatchNorm1d are those of each rank's batches; the columns of the history are means over the
    ranks, so that callbacks stop all ranks or none. With ``fit(checkpoint=...)`` rank 0 writes the
    file, and all ranks go on from it; draw the batches of all ranks with one seed.

    Examples
    --------
    In a script that ``mpiexec -n 4 python train.py`` runs::

        from mpi4py import MPI

        model = tg.mlp([64, 128, 10], rng=0)
        optimizer = tg.distribute(tg.Adam(model, lr=0.01), MPI.COMM_WORLD)
        X, y = tg.rank_rows(X_train, y_train, MPI.COMM_WORLD)
        tg.fit(model, X, y, optimizer=optimizer, batch_size=8, rng=0)  # 32 samples an update
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is one such as tg.Adam(model), got {shown(optimizer)}")
    _communicator(comm)
    if optimizer.ranks is not None:
        raise ValueError("this optimizer is distributed already")
    ours = layout(optimizer)
    for rank, theirs in enumerate(comm.allgather(ours)):
        if theirs != ours:
            here, there = first_misfit(ours, theirs)
            raise ValueError(f"rank {rank} has another optimizer or model: {there} where rank {comm.rank} has {here}")
    comm.Bcast(optimizer.buffer.data)
    optimizer.load_state_dict(comm.bcast(optimizer.state_dict()))
    vars(optimizer).update(ranks=(ranks := Ranks(optimizer, comm)), step=ranks.step)
    vars(optimizer).update(clip_norm=ranks.clip_norm, clip_value=ranks.clip_value)
    if comm.size > 1:
        _end_together(comm)
    return optimizer


@helped
def rank_rows(X: Any, y: Any, comm: Any) -> tuple[Array, Array]:
    """Return the rows of X and y that this rank learns from: each rank has as many, and no row twice.

    They are every n-th row of n ranks; up to n - 1 rows at the end belong to nobody. With batches of B / n rows in each
    of n ranks an update learns from B.

    Raises
    ------
    ValueError : fewer rows than ranks; ranks that hold different data, as after a split without a seed
    """
    _communicator(comm)
    X, y = table("X", X), table("y", y)
    require_rows(X, y)
    found = comm.allgather((X.shape, y.shape, crc32(np.ascontiguousarray(X).data), crc32(np.ascontiguousarray(y).data)))
    if other := next((rank for rank, theirs in enumerate(found) if theirs != found[0]), 0):
        raise ValueError(f"rank {other} holds other data than rank 0; give what draws or splits them the same seed")
    n = len(X) // comm.size
    if not n:
        raise ValueError(f"{len(X)} rows are too few for {comm.size} ranks")
    mine = slice(comm.rank, n * comm.size, comm.size)
    return X[mine].copy(), y[mine].copy()


class Ranks:
    """The methods that a distributed optimizer has in the place of its own: they average the gradients first.

    Attributes
    ----------
    mine, sums : the flat gradient with a sign behind it, of which parameters have gradients: of this rank, and of all
    stamps : of the gradients that were averaged
    """

    def __init__(self, optimizer: Optimizer, comm: Any) -> None:
        self.optimizer, self.comm = optimizer, comm
        grad = optimizer.buffer.grad
        self.mine, self.sums = (np.zeros(grad.size + 1, grad.dtype) for _ in range(2))
        self.updates, self.sign = list[Any](), 0
        self.stamps = list[int]()

    def step(self) -> None:
        """Average the gradients, unless clipping did, and do `Optimizer.step`."""
        self.average_if_new()
        type(self.optimizer).step(self.optimizer)

    def clip_norm(self, most: float) -> float:
        """Average the gradients, and do the optimizer's clip_norm."""
        self.average_if_new()
        return type(self.optimizer).clip_norm(self.optimizer, most)

    def clip_value(self, most: float) -> None:
        """Average the gradients, and do the optimizer's clip_value."""
        self.average_if_new()
        type(self.optimizer).clip_value(self.optimizer, most)

    def average_if_new(self) -> None:
        """Average the gradients, unless that was done since they were computed."""
        if [p.grad_stamp for p in self.optimizer.params] != self.stamps:
            self.average()

    def average(self) -> None:
        """Put the mean over the ranks in the place of the flat gradient."""
        updates, grad = self.optimizer.updates(), self.optimizer.buffer.grad
        if updates is not self.updates:
            self.updates, self.sign = updates, crc32(repr([(u.first, u.last) for u in updates]).encode()) % SIGNS
        self.mine[:-1], self.mine[-1] = grad, self.sign
        self.comm.Allreduce(self.mine, self.sums)
        if self.sums[-1] != self.comm.size * self.sign:
            raise RuntimeError(
                "the ranks have gradients of different parameters; have the loss depend on the same ones in each, or "
                "freeze() the others"
            )
        np.divide(self.sums[:-1], self.comm.size, out=grad)
        self.stamps = [p.grad_stamp for p in self.optimizer.params]

    def means(self, columns: dict[str, float]) -> dict[str, float]:
        """Return the means over the ranks, so that callbacks decide the same in each."""
        found = self.comm.allgather(columns)
        return {name: float(np.mean([theirs[name] for theirs in found])) for name in columns}

    def __reduce__(self) -> Any:
        raise TypeError("a distributed optimizer cannot be copied or pickled; tg.save keeps its state")


def _communicator(comm: Any) -> None:
    """Raise a TypeError unless comm is a communicator."""
    if not all(hasattr(comm, name) for name in ("Allreduce", "allgather", "rank", "size")):
        raise TypeError(f"comm is a communicator of mpi4py, as MPI.COMM_WORLD, got {shown(comm)}")


def _end_together(comm: Any) -> None:
    """Have an exception that nobody catches, and Ctrl-C, end all ranks."""
    before = sys.excepthook

    def end(*error: Any) -> None:
        before(*error)
        sys.stderr.flush()
        time.sleep(0.5)  # mpiexec passes on what it has read by then, and no more
        comm.Abort(1)

    sys.excepthook = end
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
