"""Pictures of a training. `figure` and `save` serve every picture of the package, as do `extras.colours`.

matplotlib is imported inside the functions: nothing else in this file needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from ..core.layers import Layer
from ..core.ops import Array
from ..core.tensor import unwrap
from ..extras.colours import COLOURS as COLOURS, ink, mixed, tone
from ..extras.files import place

MARKERS = ["o", "s", "^", "D", "v", "P"]
NO_PANEL = ("epoch", "lr", "seconds")  # columns of a history that `loss_curve` does not draw


def loss_curve(history: Any, path: Any = None, title: str = "Training") -> Any:
    """Draw the loss, and accuracy and metrics if there are any, against the epoch; training solid, validation dashed.

    Returns the path of the PNG; without one the figure, which a notebook shows. So do the other functions here.
    Raises ImportError without matplotlib, ValueError without epochs.
    """
    if not history.rows:
        raise ValueError("there is no epoch to draw")
    row = history.rows[0]
    panels = list(dict.fromkeys(name.removeprefix("validation_") for name in row if name not in NO_PANEL))
    page, axes = figure(len(panels), title)
    marker = "." if len(history) < 3 else ""
    for ax, what in zip(axes, panels, strict=True):
        lines = ((what, "training", tone(0), "-"), (f"validation_{what}", "validation", tone(1), "--"))
        for key, label, colour, style in lines:
            if key in row:
                ax.plot(history["epoch"], history[key], style, color=colour, label=label, marker=marker)
        ax.set(xlabel="epoch", ylabel=what.replace("_", " "))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.25)
    if "loss" in panels and min(history["loss"]) > 0:
        axes[panels.index("loss")].set_yscale("log")
    legend(page, axes[0])
    return save(page, path)


def lr_curve(found: Any, path: Any = None, title: str = "Learning-rate range test") -> Any:
    """Draw what `lr_find` found: each batch's loss and the smoothed loss against the rate, and the suggestion.

    The axis of the losses is logarithmic if all losses are above 0. Raises ImportError without matplotlib.
    """
    page, (ax,) = figure(1, title)
    ax.plot(found.rates, found.losses, ".", color=tone(5), markersize=4, label="loss of each batch")
    ax.plot(found.rates, found.smoothed, color=tone(0), label="smoothed")
    if found.suggestion is not None:
        text = f"suggestion {found.suggestion:.1e}"
        ax.axvline(found.suggestion, color=tone(1), linestyle="--", label=text)
    ax.set(xlabel="learning rate", ylabel="loss", xscale="log")
    if min(found.losses) > 0:
        ax.set_yscale("log")
    ax.legend(frameon=False)
    ax.grid(alpha=0.25)
    return save(page, path)


def schedules(
    chosen: Sequence[Callable[[int], float]], steps: int, path: Any = None, title: str = "Learning rates"
) -> Any:
    """Draw each schedule, or other function of t, over t = 1 ... steps, in a panel of its own.

    Raises ImportError without matplotlib, ValueError without schedules.
    """
    if not chosen:
        raise ValueError("there is no schedule to draw")
    columns = min(3, len(chosen))
    page, axes = figure(columns, title, rows=-(-len(chosen) // columns), size=(3.4, 1.7))
    times = range(1, steps + 1)
    for i, (ax, lr) in enumerate(zip(axes, chosen)):
        ax.plot(times, [lr(t) for t in times], color=tone(i))
        ax.set_title(fill(getattr(lr, "__name__", repr(lr)), 48), fontsize=7, family="monospace")
        ax.set_ylim(bottom=0)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    for ax in axes[len(chosen) :]:
        ax.set_axis_off()
    page.supxlabel("t", fontsize=8)
    return save(page, path)


def decision_boundary(model: Layer, X: Any, y: Any, path: Any = None, title: str = "Decision boundary") -> Any:
    """Draw the class that a model with two input features chooses at each point, and the samples.

    Raises ImportError without matplotlib, ValueError if X is not (N, 2), y not (N,), or what the model returns not
    (N, C), a score for each sample and class.
    """
    X, y = np.asarray(unwrap(X)), np.asarray(unwrap(y))
    if X.ndim != 2 or X.shape[1] != 2 or not len(X):
        raise ValueError(f"a boundary is drawn over two features of some samples, X has shape {X.shape}")
    if y.shape != X.shape[:1]:
        raise ValueError(f"each sample has one label, X has shape {X.shape} and y {y.shape}")
    X = X if X.dtype.kind == "f" else X.astype(float)
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.1 * (high - low)
    across, up = (np.linspace(low[i] - margin[i], high[i] + margin[i], 200, dtype=X.dtype) for i in (0, 1))
    scores = _scores(model, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2))
    classes = scores.shape[1]
    chosen = scores.argmax(axis=1).reshape(200, 200)
    from matplotlib.colors import ListedColormap

    page, (ax,) = figure(1, title)
    colours = [tone(k) for k in range(classes)]
    shades = {"cmap": ListedColormap(colours), "vmin": -0.5, "vmax": classes - 0.5, "alpha": 0.25}
    ax.pcolormesh(across, up, chosen, rasterized=True, **shades)
    for k in range(classes):
        if 0 < (chosen == k).sum() < chosen.size:
            ax.contour(across, up, chosen == k, levels=[0.5], colors=ink(), linewidths=0.8)
        kind = {"color": colours[k], "marker": MARKERS[k % 6], "s": 16, "edgecolors": ink(0), "linewidths": 0.4}
        ax.scatter(*X[y == k].T, label=f"class {k}", **kind)
    ax.set(xlabel="feature 0", ylabel="feature 1", aspect="equal")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return save(page, path)


class BoundaryFilm:
    """A callback of `fit` that draws the decision boundary as it is learned; `save` makes a GIF of the pictures.

    There are at most about 40: early epochs are drawn one by one, later ones go by faster.

    Parameters
    ----------
    X, y, title : as for `decision_boundary`
    epochs : how many the training will have
    """

    def __init__(self, X: Any, y: Any, epochs: int, title: str = "Decision boundary") -> None:
        self.X, self.y, self.title, self.pictures = X, y, title, list[Array]()
        self.drawn = {*np.geomspace(1, epochs, 40).round().astype(int).tolist()}

    def __call__(self, row: Any, run: Any) -> None:
        if row["epoch"] in self.drawn:
            page = decision_boundary(run.model, self.X, self.y, title=f"{self.title}, epoch {row['epoch']}")
            page.canvas.draw()
            self.pictures.append(np.array(page.canvas.buffer_rgba())[..., :3])

    def save(self, path: Any, seconds: float = 6.0) -> Path:
        """Write the GIF, which rests at its end. Returns its path. Raises ValueError before the first epoch."""
        if not self.pictures:
            raise ValueError("there is no epoch to draw")
        return film(self.pictures, path, [tone(k) for k in range(len(COLOURS))], seconds)


def _scores(model: Layer, X: Array) -> Array:
    """Return a score for each sample and class; a model with one output is positive for class 1."""
    with model.evaluating():
        scores: Array = unwrap(model(X))
    if scores.ndim != 2:
        raise ValueError(f"the model returns a score for each sample and class, (N, C); got {scores.shape}")
    return np.concatenate([-scores, scores], axis=1) if scores.shape[1] == 1 else scores


def figure(columns: int, title: str, rows: int = 1, size: tuple[float, float] = (5.2, 4)) -> tuple[Any, Any]:
    """Return a matplotlib figure and its panels, row by row; size is that of a panel, in inches.

    No pyplot: no window opens, and no other program's settings change. A notebook shows the figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    page: Any = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(page)
    page.suptitle(title)
    vars(page)["_repr_png_"] = partial(_png, page)
    return page, page.subplots(rows, columns, squeeze=False).ravel()


def _png(page: Any) -> bytes:
    page.savefig(file := BytesIO(), format="png", dpi=96)
    return file.getvalue()


def legend(page: Any, ax: Any) -> None:
    """Write one legend for all panels below them: that of the lines of one panel, if there are two or more."""
    lines, words = ax.get_legend_handles_labels()
    if len(words) > 1:
        page.legend(lines, words, loc="outside lower center", ncols=len(words), frameon=False)


def save(page: Any, path: Any) -> Any:
    """Write a figure to path, and make its folder if there is none. Its ending names the format: .png, .svg, .pdf.

    Returns the path; without one the figure.
    """
    if path is None:
        return page
    path = place(path)
    page.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def film(pictures: Sequence[Array], path: Any, colours: Sequence[str], seconds: float) -> Path:
    """Write pictures (height, width, 3) as a GIF that lasts so many seconds and rests at its end. Return its path."""
    first, *others = [in_few_colours(picture, colours, 64) for picture in pictures]
    path, durations = place(path), [int(1000 * seconds / len(pictures))] * len(others) + [3000]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return path


def in_few_colours(picture: Array, colours: Sequence[str], most: int = 256) -> Any:
    """Return a picture (height, width, 3) for Pillow in few colours: these, in shades down to the paper, and greys."""
    from PIL import Image

    paper, each = ink(0), list(dict.fromkeys(colours))
    greys = [mixed(ink(), paper, share) for share in np.linspace(0, 1, most // 4)]
    shares = np.linspace(1, 0, 3 * most // 4 // len(each), endpoint=False)
    tints = [mixed(colour, paper, share) for colour in each for share in shares]
    palette = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in greys + tints])
    seen, places = np.unique(picture.astype(int) @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    rgb = seen[:, None] >> np.array([16, 8, 0]) & 255
    nearest = ((palette**2).sum(axis=1) - 2 * rgb @ palette.T).argmin(axis=1)
    few = Image.fromarray(nearest.astype(np.uint8)[places].reshape(picture.shape[:2]))
    few.putpalette(palette.ravel().tolist())
    return few
