"""Pictures. matplotlib is imported inside the functions: nothing else here needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.layers import Layer
from ..core.tensor import unwrap

if TYPE_CHECKING:
    from .fit import History
    from .lr_find import RangeTest

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]  # Okabe & Ito: told apart by everyone
MARKERS = ["o", "s", "^", "D", "v", "P"]


def loss_curve(history: History, path: Any, title: str = "Training") -> Path:
    """Draw loss, and accuracy where there is one, against the epoch; training solid, held-out dashed.

    Returns the path of the PNG. Raises ImportError without matplotlib, ValueError without epochs.
    """
    if not history.rows:
        raise ValueError("there is no epoch to draw")
    panels = [what for what in ("loss", "accuracy") if what in history.rows[0]]
    figure, axes = _figure(len(panels), title)
    for ax, what in zip(axes, panels, strict=True):
        for key, label, colour, style in (
            (what, "training", COLOURS[0], "-"),
            (f"validation_{what}", "held-out", COLOURS[1], "--"),
        ):
            if key in history.rows[0]:
                ax.plot(
                    history["epoch"],
                    history[key],
                    style,
                    color=colour,
                    label=label,
                    marker="." if len(history) < 3 else "",
                )
        ax.set(xlabel="epoch", ylabel=what)
        ax.legend(frameon=False)
        ax.grid(alpha=0.25)
    if "loss" in panels and min(history["loss"]) > 0:
        axes[0].set_yscale("log")
    return _save(figure, path)


def lr_curve(found: RangeTest, path: Any, title: str = "Learning-rate range test") -> Path:
    """Draw what `lr_find` found: each batch's loss and the smoothed loss against the rate, and the suggestion.

    The scale of the losses is a log one if all are above 0. Returns the path of the PNG. Raises ImportError without
    matplotlib.
    """
    figure, (ax,) = _figure(1, title)
    ax.plot(found.rates, found.losses, ".", color=COLOURS[5], markersize=4, label="loss of each batch")
    ax.plot(found.rates, found.smoothed, color=COLOURS[0], label="smoothed")
    if found.suggestion is not None:
        text = f"suggestion {found.suggestion:.1e}"
        ax.axvline(found.suggestion, color=COLOURS[1], linestyle="--", label=text)
    ax.set(xlabel="learning rate", ylabel="loss", xscale="log")
    if min(found.losses) > 0:
        ax.set_yscale("log")
    ax.legend(frameon=False)
    ax.grid(alpha=0.25)
    return _save(figure, path)


def schedules(chosen: Sequence[Callable[[int], float]], steps: int, path: Any, title: str = "Learning rates") -> Path:
    """Draw each schedule, or other function of t, over t = 1 ... steps, in a panel of its own.

    Returns the path of the PNG. Raises ImportError without matplotlib, ValueError without schedules.
    """
    if not chosen:
        raise ValueError("there is no schedule to draw")
    columns = min(3, len(chosen))
    figure, axes = _figure(columns, title, rows=-(-len(chosen) // columns), size=(3.4, 1.7))
    times = range(1, steps + 1)
    for i, (ax, lr) in enumerate(zip(axes, chosen)):
        ax.plot(times, [lr(t) for t in times], color=COLOURS[i % 6])
        ax.set_title(fill(getattr(lr, "__name__", repr(lr)), 48), fontsize=7, family="monospace")
        ax.set_ylim(bottom=0)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    for ax in axes[len(chosen) :]:
        ax.set_axis_off()
    figure.supxlabel("t", fontsize=8)
    return _save(figure, path)


def decision_boundary(model: Layer, X: Any, y: Any, path: Any, title: str = "Decision boundary") -> Path:
    """Draw which class a model with two input features chooses where, and the samples.

    Returns the path of the PNG. Raises ImportError without matplotlib, ValueError if X is not (N, 2).
    """
    X, y = np.asarray(unwrap(X)), np.asarray(unwrap(y))
    if X.ndim != 2 or X.shape[1] != 2:
        raise ValueError(f"a boundary is drawn over two features, X has shape {X.shape}")
    if y.shape != X.shape[:1]:
        raise ValueError(f"each sample has one label, X has shape {X.shape} and y {y.shape}")
    X = X if X.dtype.kind == "f" else X.astype(float)
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.1 * (high - low)
    across, up = (np.linspace(low[i] - margin[i], high[i] + margin[i], 200, dtype=X.dtype) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    with model.evaluating():
        scores = unwrap(model(grid.reshape(-1, 2)))
    if scores.shape[1] == 1:  # one score: its sign chooses
        scores = np.concatenate([-scores, scores], axis=1)
    chosen = scores.argmax(axis=1).reshape(200, 200)
    from matplotlib.colors import ListedColormap

    figure, (ax,) = _figure(1, title)
    colours = [COLOURS[k % 6] for k in range(scores.shape[1])]
    last = scores.shape[1] - 0.5
    ax.pcolormesh(across, up, chosen, cmap=ListedColormap(colours), vmin=-0.5, vmax=last, alpha=0.25, rasterized=True)
    for k in range(scores.shape[1]):
        if 0 < (chosen == k).sum() < chosen.size:
            ax.contour(across, up, chosen == k, levels=[0.5], colors="black", linewidths=0.8)
        kind = {"color": colours[k], "marker": MARKERS[k % 6], "s": 16, "edgecolors": "white", "linewidths": 0.4}
        ax.scatter(*X[y == k].T, label=f"class {k}", **kind)
    ax.set(xlabel="feature 0", ylabel="feature 1", aspect="equal")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return _save(figure, path)


def _figure(columns: int, title: str, rows: int = 1, size: tuple[float, float] = (5.2, 4)) -> tuple[Any, Any]:
    """A figure and its panels, row by row; size is that of a panel, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure, figure.subplots(rows, columns, squeeze=False).ravel()


def _save(figure: Any, path: Any) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


figure, save = _figure, _save
