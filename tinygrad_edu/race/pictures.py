"""Pictures of a race: the paths from above, the losses, and an animation. `training.pictures` has the others."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extras.optimizers import RULES
from ..training.pictures import COLOURS, MARKERS, figure, save

if TYPE_CHECKING:
    from .on_data import DataRace
    from .on_surfaces import Race

# a rule looks the same in all pictures: its place in this list decides how. The first eight differ in colour
FIRST = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adadelta", "lion"]
RUNNERS = [*FIRST, *(rule for rule in RULES if rule not in FIRST)]
RUNNER_COLOURS = [*COLOURS[:5], "#000000", COLOURS[5], "#882255"]
SIGNS = "Z+=AKNTUYBCDEFGHIJLMPQRSVWX0123456789abdefghkmnqrtuwy"
RUNNER_MARKERS = [*MARKERS, *"X*<>phd8H", *(f"${sign}$" for sign in SIGNS)]
RUNNER_DASHES: list[Any] = ["-", *((0, dash) for dash in ((5, 1.2), (5, 1.2, 1.2, 1.2), (1, 1), (3, 3), (8, 3)))]
RUNNER_DASHES += [(0, dash) for dash in ((8, 2, 1, 2, 1, 2), (2, 1, 2, 4), (12, 2))]  # with 8 colours 72 pairs
SMALL_MARKS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]  # the steps that are marked on a path
FLOOR = 1e-12  # of the losses that are drawn


def contours(race: Race, path: Any) -> Path:
    """Draw the surface of a race from above, with labelled levels and its minima, and the paths of all runs.

    A list at the side has each run's marker, name, learning rate and fate; a thin line leads to the end of its path.
    Small markers on a path are steps 10, 20, 50, 100 and so on. The end of a path that leaves the picture is drawn at
    the edge. Returns the path of the picture: a PNG, or the kind that its suffix says (.pdf, .svg). Raises ImportError
    without matplotlib.
    """
    page, ax = _landscape(race)
    for advance, _ in _runners(ax, race):
        advance(len(race.runs[0].path) - 1)
    return _fewer_colours(save(page, path))


def race_losses(race: Race, path: Any) -> Path:
    """Draw each run's loss above the minimum, after each step, on a logarithmic axis.

    Losses that are closer to the minimum than 1e-12 are drawn at 1e-12. Returns the path of the picture, as `contours`.
    Raises ImportError without matplotlib.
    """
    page, (ax,) = figure(1, f"{race.surface.title}\n{_conditions(race)}", size=(9, 4.6))
    lowest, ends = race.surface.lowest, []
    for run in race.runs:
        colour, marker, dash = runner_style(run.rule)
        above = np.maximum(run.losses - lowest, FLOOR)
        ax.plot(above, color=colour, linestyle=dash, linewidth=1.5)
        ax.plot(
            run.last, above[run.last], marker=marker, color=colour, markersize=8, markeredgecolor="white", clip_on=False
        )
        ends.append((run.last, above[run.last]))
    ax.set(xlabel="step", ylabel="loss, above its minimum", yscale="log", xlim=(0, len(race.runs[0].path) - 1))
    ax.grid(alpha=0.25)
    to_axes = ax.transData + ax.transAxes.inverted()
    for run, slot, end in zip(race.runs, _side_list(ax, race, [y for _, y in ends]), to_axes.transform(ends)):
        _leader(ax, run, end, slot)
    return _fewer_colours(save(page, path))


def animation(race: Race, path: Any, frames: int = 80, seconds: float = 8.0) -> Path:
    """Draw the paths of `contours` as they grow, as a GIF. Early steps are slow, later ones go by faster.

    Returns the path of the GIF. Raises ImportError without matplotlib, which brings Pillow.
    """
    from PIL import Image

    page, ax = _landscape(race)
    runners = _runners(ax, race, animated=True)
    clock = ax.text(0.02, 0.97, "", transform=ax.transAxes, va="top", fontsize=13, animated=True)
    canvas, steps = page.canvas, len(race.runs[0].path) - 1
    canvas.draw()  # once, with all that does not move
    still = canvas.copy_from_bbox(page.bbox)
    pictures = []
    for t in np.unique(np.geomspace(1, steps + 1, frames).round().astype(int)) - 1:
        canvas.restore_region(still)
        clock.set_text(f"step {t}")
        for advance, artists in runners:
            advance(t)
            for artist in artists:
                ax.draw_artist(artist)
        ax.draw_artist(clock)
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    palette = Image.new("P", (1, 1))
    palette.putpalette(_shades([runner_style(run.rule)[0] for run in race.runs]))
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    durations = [int(1000 * seconds / len(pictures))] * len(others) + [3000]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return path


def _fewer_colours(path: Path) -> Path:
    """Reduce a PNG to 128 colours: enough for these pictures, in a third of the space."""
    from PIL import Image

    if path.suffix != ".png":
        return path
    with Image.open(path) as picture:
        fewer = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    fewer.save(path, optimize=True)
    return path


def _shades(colours: list[str]) -> list[int]:
    """Return a palette for a GIF: greys, and each colour in four shades down to white."""
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in dict.fromkeys(colours)])
    tints = [255 - (255 - rgb) * strength for strength in (1, 0.75, 0.5, 0.25)]
    greys = np.linspace(0, 255, 32)[:, None] * np.ones(3)
    return [int(x) for x in np.concatenate([greys, *tints]).ravel()]


def loss_bands(found: DataRace, path: Any) -> Path:
    """Draw each rule's training loss by epoch on real data, on a logarithmic axis.

    Each rule has a panel, the smallest final loss first, with learning rate and held-out accuracy. The line is the
    median over seeds, the band the range, and grey lines are the medians of the other rules. Returns the path of the
    PNG. Raises ImportError without matplotlib.
    """
    runs = sorted(found.runs, key=lambda run: np.median(run.losses[:, -1]))
    columns = min(len(runs), 6)
    rows, width = -(-len(runs) // columns), max(2.1 * columns, 5)
    title = "\n".join(fill(line, int(13 * width)) for line in (found.title, found.conditions))
    page, panels = figure(columns, "", rows, size=(width / columns, (2.2 * rows + 1.2) / rows))
    page.suptitle(title, fontsize=9)
    for ax in panels[1:]:
        ax.sharex(panels[0])
        ax.sharey(panels[0])
    for ax, run in zip(panels, runs):
        colour, marker, _ = runner_style(run.rule)
        low, middle, high = (f(run.losses, axis=0) for f in (np.min, np.median, np.max))
        epochs = np.arange(len(middle))
        for other in runs:
            ax.plot(np.median(other.losses, axis=0), color="0.8", linewidth=0.6)
        ax.fill_between(epochs, low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(middle, color=colour, linewidth=1.8)
        tip = {"marker": marker, "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.5}
        ax.plot(epochs[-1], middle[-1], color=colour, **tip)
        ax.set_title(f"{run.rule}  lr {run.lr:.2g}\n{run.fate}", fontsize=8, color=colour)
        ax.set_yscale("log")
        ax.label_outer()
        ax.grid(alpha=0.25)
    for ax in panels[len(runs) :]:
        ax.set_axis_off()
    panels[0].xaxis.get_major_locator().set_params(integer=True)
    page.supxlabel("epoch", fontsize=9)
    page.supylabel("training loss: median, range", fontsize=9)
    return _fewer_colours(save(page, path))


def runner_style(rule: str) -> tuple[str, str, Any]:
    """Return the colour, marker and line style of an update rule."""
    k = RUNNERS.index(rule)
    return RUNNER_COLOURS[k % 8], RUNNER_MARKERS[k % len(RUNNER_MARKERS)], RUNNER_DASHES[k % 3 + k // 24 * 3]


def _conditions(race: Race) -> str:
    (x, y), steps = race.surface.start, len(race.runs[0].path) - 1
    return fill(f"{steps} steps from ({x:g}, {y:g}); learning rates {race.rates}", 70)


def _landscape(race: Race) -> tuple[Any, Any]:
    """Draw the surface from above: shaded, with labelled levels, its minima and the start."""
    surface = race.surface
    left, right, bottom, top = surface.box
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    lowest = surface.lowest
    above = np.maximum(surface.values(np.stack([x, y], axis=-1)) - lowest, 0)
    above[~np.isfinite(above)] = np.nan  # there is nothing to draw
    levels = _levels(above)
    shape = (right - left) / (top - bottom)
    even = 0.8 <= shape <= 2  # other boxes are not drawn to scale
    page, (ax,) = figure(1, f"{surface.title}\n{_conditions(race)}", size=(3.4 + 4.2 * (shape if even else 1.6), 5.2))
    edges = [0, *levels, max(np.nanmax(above), levels[-1]) + 1]
    shades = [str(shade) for shade in np.linspace(1, 0.87, len(edges) - 1)]
    ax.contourf(x, y, above, levels=edges, colors=shades)
    lines = ax.contour(x, y, above + lowest, levels=levels + lowest, colors="0.55", linewidths=0.7, linestyles="solid")
    ax.clabel(lines, fmt=_short, fontsize=7, colors="0.3", manual=_one_each(lines, surface.box))
    ax.plot(*surface.start, "o", color="white", markeredgecolor="black", markersize=9)
    ax.plot(*np.transpose(surface.minima), "*", color="none", markeredgecolor="black", markersize=17, zorder=4)
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel=surface.axes[0], ylabel=surface.axes[1])
    ax.set_aspect("equal" if even else "auto")
    for i, (marker, size, text) in enumerate((("*", 12, "minimum"), ("o", 8, "start"))):
        put = {"transform": ax.transAxes, "clip_on": False}
        ax.plot(1.06, 0.03 + 0.05 * i, marker, color="white", markeredgecolor="black", markersize=size, **put)
        ax.text(1.12, 0.03 + 0.05 * i, text, transform=ax.transAxes, va="center", fontsize=9)
    return page, ax


def _short(z: float) -> str:
    return f"{z:.0f}" if abs(z) >= 100 else f"{round(z, 9) + 0:.3g}"


def _one_each(lines: Any, box: Any) -> list[Any]:
    """Return a place for the label of each level: on its longest line, away from the edge, spread over the picture."""
    left, right, bottom, top = box
    places = []
    for k, path in enumerate(lines.get_paths()):
        longest = max(path.to_polygons(closed_only=False), key=len, default=np.empty((0, 2)))
        x, y = ((longest - (left, bottom)) / (right - left, top - bottom)).T
        inside = longest[(x > 0.05) & (x < 0.95) & (y > 0.05) & (y < 0.95)]
        if len(inside):
            places.append(inside[int(len(inside) * (0.15 + 0.618 * k)) % len(inside)])
    return places


def _levels(above: Any) -> Any:
    """Return round numbers for contours: 1, 2 and 5 in each decade; 1 and 3, or 1, if these are too many.

    A surface may be flat at its lowest, or have no value in places: what is not above 0 does not count.
    """
    higher = above[above > 0] if (above > 0).any() else np.ones(1)
    low, high = np.quantile(higher, 0.003), higher.max()
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for series in ([1, 2, 5], [1, 3], [1]):
        levels = np.outer(decades, series).ravel()
        levels = levels[(levels >= low) & (levels <= high)]
        if len(levels) <= 13:
            break
    return levels


def _runners(ax: Any, race: Race, animated: bool = False) -> list[tuple[Any, list[Any]]]:
    """Return for each run a function that draws its path up to a step, and the artists that it moves."""
    left, right, bottom, top = race.surface.box
    slots = _side_list(ax, race, [run.path[run.last][1] for run in race.runs])
    return [_runner(ax, run, slot, (left, bottom), (right, top), animated) for run, slot in zip(race.runs, slots)]


def _runner(ax: Any, run: Any, slot: float, low: Any, high: Any, animated: bool) -> tuple[Any, list[Any]]:
    from matplotlib.patheffects import withStroke

    colour, marker, dash = runner_style(run.rule)
    tint = {"color": colour, "markeredgecolor": "white", "markeredgewidth": 0.6, "animated": animated}
    (line,) = ax.plot([], [], marker=marker, linestyle=dash, linewidth=1.6, markersize=5, markevery=[], **tint)
    line.set_path_effects([withStroke(linewidth=2.6, foreground="white", alpha=0.4)])
    (tip,) = ax.plot([], [], marker=marker, markersize=9, **tint)
    leader = _leader(ax, run, (0, 0), slot, animated)

    def advance(t: int) -> None:
        t = min(t, run.last)
        line.set_data(*run.path[: t + 1].T)
        line.set_markevery([k for k in SMALL_MARKS if k <= t])
        end = np.clip(run.path[t], low, high)  # at the edge if the point is outside
        tip.set_data(*end[:, None])
        x, y = (end - low) / np.subtract(high, low)
        leader.set_data([x, 1.02], [y, slot])

    return advance, [leader, line, tip]


def _side_list(ax: Any, race: Race, heights: Any) -> Any:
    """Write each run's marker, name, rate and fate at the right, and return the height of each, from 0 to 1.

    The runs are sorted by the heights of their ends, so that the lines to them rarely cross.
    """
    n = len(race.runs)
    gap = min(0.88 / n, 0.11)
    slots = np.empty(n)
    slots[np.argsort(heights, kind="stable")[::-1]] = 1 - gap * (np.arange(n) + 0.5)
    for run, slot in zip(race.runs, slots):
        colour, marker, dash = runner_style(run.rule)
        put = {"transform": ax.transAxes, "clip_on": False, "color": colour}
        ax.plot([1.02, 1.1], [slot, slot], linestyle=dash, linewidth=1.6, **put)
        ax.plot(1.06, slot, marker=marker, markersize=9, markeredgecolor="white", markeredgewidth=0.6, **put)
        text = f"{run.rule}  lr {run.lr:.3g}" + (f"\n{run.fate}" if run.fate and n < 12 else "")
        ax.text(1.12, slot, text, transform=ax.transAxes, va="center", fontsize=9 if n < 12 else 8, linespacing=1.1)
    return slots


def _leader(ax: Any, run: Any, end: Any, slot: float, animated: bool = False) -> Any:
    """Draw a thin line from a point of the picture to the side list."""
    (line,) = ax.plot(
        [end[0], 1.02],
        [end[1], slot],
        color=runner_style(run.rule)[0],
        linewidth=0.6,
        transform=ax.transAxes,
        clip_on=False,
        animated=animated,
    )
    return line
