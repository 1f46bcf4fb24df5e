"""A training that was made elsewhere, on the page: its epochs, to scrub through."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.optimizer import Optimizer
from ..training.callbacks import Run
from ..training.data import Split
from .own import built, classes_of, facts_of
from .page import page

FRAMES = 50  # epochs on the page, beside the first weights


class Watch:
    """A callback of `tg.fit`, which keeps the parameters after each epoch; `save` writes the playground of the run.

    Parameters
    ----------
    model, data, optimizer : what will be trained, before the first step, as `notebook.lab` has them
    batch, seed : of the batches with which the playground goes on

    Raises
    ------
    ValueError : a model, data or a rule that the playground does not have
    """

    def __init__(self, model: Layer, data: Split, optimizer: Optimizer, batch: int = 32, seed: int = 0) -> None:
        classes_of(data.X_train, data.y_train, built(model)[0])
        self.facts = facts_of(model, data, optimizer, seed, batch)
        self.kept = [frame(model, 0, 0)]

    def __call__(self, row: dict[str, Any], run: Run) -> None:
        """Keep the parameters of an epoch."""
        if len(self.kept) == 1 and row["epoch"] > 1:  # a run that goes on
            self.kept.clear()
            self.facts |= {"params": [p.numpy().tolist() for p in run.model.parameters()], "losses": []}
        self.kept.append(frame(run.model, row["epoch"], run.optimizer.t) | {"loss": row["validation_loss"]})

    def save(self, path: Path, command: str) -> Path:
        """Write the page, which says that this command made the run. Return the path."""
        places = np.unique(np.linspace(0, len(self.kept) - 1, FRAMES + 1).round().astype(int))
        epochs = [self.kept[i] for i in places]
        path.write_text(page(0, own=self.facts | {"epochs": epochs, "command": command}), encoding="utf-8")
        return path


def frame(model: Layer, epoch: int, t: int) -> dict[str, Any]:
    """Return the parameters after an epoch and t steps, in one text: float64, little-endian, base64."""
    flat = np.concatenate([p.array.ravel() for p in model.parameters()]).astype("<f8")
    return {"epoch": epoch, "t": t, "params": b64encode(flat.tobytes()).decode()}
