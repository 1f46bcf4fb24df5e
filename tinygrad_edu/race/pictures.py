"""Pictures of a race: the paths from above, the losses, and an animation. `training.pictures` has the others."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extras.colours import COLOURS, ink, tone
from ..extras.optimizers import RULES
from ..training.pictures import MARKERS, figure, film, in_few_colours, save
from .standings import standings as standings

if TYPE_CHECKING:
    from .on_data import DataRace
    from .on_surfaces import Race

# a rule looks the same in all pictures: its place in this list decides how. The first eight differ in colour
FIRST = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adadelta", "lion"]
RUNNERS = [*FIRST, *(rule for rule in RULES if rule not in FIRST)]
RUNNER_COLOURS = [*COLOURS[:5], "#000000", COLOURS[5], "#882255"]
RUNNER_MARKERS = [*MARKERS, *"X*<>phd8H"]  # 15 and 8 colours: 120 pairs
RUNNER_DASHES: list[Any] = ["-", *((0, dash) for dash in ((5, 1.2), (5, 1.2, 1.2, 1.2), (1, 1), (3, 3), (8, 3)))]
RUNNER_DASHES += [(0, dash) for dash in ((8, 2, 1, 2, 1, 2), (2, 1, 2, 4), (12, 2))]  # with 8 colours 72 pairs
SMALL_MARKS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]  # the steps that are marked on a path
FLOOR = 1e-12  # of the losses that are drawn
KNOT, CLOSE = 3, 0.06  # so many ends so near to one minimum are drawn again from nearby; in widths of the picture
INSET = 0.34  # width and height of that, in those of the picture
PLACES = [(x, y) for y in (0.08, 0.63) for x in (0.09, 0.22, 0.35, 0.48, 0.63)]  # of its lower left corner


def contours(race: Race, path: Any = None) -> Any:
    """Draw the surface of a race from above, with labelled levels and its minima, and the paths of all runs.

    A list at the side has each run's marker, name, learning rate and fate; a thin line leads to the end of its path.
    Small markers on a path are steps 10, 20, 50, 100 and so on, as far as there is room. A hollow triangle at the edge
    is where a path leaves the picture; if it ends outside, its marker at the edge is hollow, too. Where three runs or
    more end close to one minimum, a corner shows its neighbourhood. Returns the path of the picture: a PNG, or the kind
    that its suffix says (.pdf, .svg); without a path the figure. Raises ImportError without matplotlib.
    """
    page, panels = _landscape(race)
    for advance, _ in _runners(panels, race):
        advance(len(race.runs[0].path) - 1)
    return _save(page, path, race.runs)


def race_losses(race: Race, path: Any = None) -> Any:
    """Draw each run's loss above the minimum, after each step, on a logarithmic axis.

    Losses that are closer to the minimum than 1e-12 are drawn at 1e-12, on a line that says so. Returns the path of the
    picture or the figure, as `contours`. Raises ImportError without matplotlib.
    """
    height = max(4.6, 0.17 * len(race.runs) + 1)
    page, (ax,) = figure(1, f"{race.surface.title}\n{_conditions(race)}", size=(9, height))
    lowest, ends, steps = race.surface.lowest, [], len(race.runs[0].path) - 1
    for run in race.runs:
        colour, marker, dash = runner_style(run.rule)
        above = np.maximum(run.losses - lowest, FLOOR)
        ax.plot(above, color=colour, linestyle=dash, linewidth=1.5)
        tip = {"marker": marker, "markersize": 8, "markeredgecolor": ink(0), "clip_on": False}
        ax.plot(run.last, above[run.last], color=colour, **tip)
        ends.append((run.last, above[run.last]))
    if any((run.losses - lowest <= FLOOR).any() for run in race.runs):
        ax.axhline(FLOOR, color=ink(0.6), linestyle=":", linewidth=1)
        ax.text(0.01, FLOOR * 1.5, f"{FLOOR:g} or less", transform=ax.get_yaxis_transform(), fontsize=8, color=ink(0.7))
    ax.set(xlabel="step", ylabel="loss, above its minimum", yscale="log", xlim=(0, steps))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.25)
    to_axes = ax.transData + ax.transAxes.inverted()
    for run, slot, end in zip(race.runs, _side_list(ax, race, [y for _, y in ends]), to_axes.transform(ends)):
        _leader(ax, run, end, slot)
    return _save(page, path, race.runs)


def animation(race: Race, path: Any, frames: int = 80, seconds: float = 8.0) -> Path:
    """Draw the paths of `contours` as they grow, as a GIF. Early steps are slow, later ones go by faster.

    Returns the path of the GIF. Raises ImportError without matplotlib, which brings Pillow.
    """
    page, panels = _landscape(race)
    runners = _runners(panels, race, animated=True)
    ax = panels[0]
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
                artist.axes.draw_artist(artist)
        ax.draw_artist(clock)
        pictures.append(np.array(canvas.buffer_rgba())[..., :3])
    return film(pictures, path, [runner_style(run.rule)[0] for run in race.runs], seconds)


def _save(page: Any, path: Any, runs: Any) -> Any:
    """Save the figure as `save`, a PNG in fewer colours, a third of the space: those of the runs stay as they are."""
    path = save(page, path)
    if getattr(path, "suffix", "") == ".png":
        from PIL import Image

        with Image.open(path) as picture:
            fewer = in_few_colours(np.array(picture.convert("RGB")), [runner_style(run.rule)[0] for run in runs])
        fewer.save(path, optimize=True)
    return path


def loss_bands(found: DataRace, path: Any = None) -> Any:
    """Draw each rule's training loss by epoch on real data, on a logarithmic axis.

    Each rule has a panel, the smallest final loss first, with learning rate and test accuracy. The line is the
    median over seeds, the band the range, and grey lines are the medians of the other rules. Returns the path of the
    PNG, or the figure. Raises ImportError without matplotlib.
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
            ax.plot(np.median(other.losses, axis=0), color=ink(0.2), linewidth=0.6)
        ax.fill_between(epochs, low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(middle, color=colour, linewidth=1.8)
        tip = {"marker": marker, "markersize": 8, "markeredgecolor": ink(0), "markeredgewidth": 0.5}
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
    return _save(page, path, runs)


def runner_style(rule: str) -> tuple[str, str, Any]:
    """Return the colour, marker and line style of an update rule, on the paper of matplotlib's style."""
    k = RUNNERS.index(rule)
    colour = RUNNER_COLOURS[k % len(RUNNER_COLOURS)]
    marker, dash = RUNNER_MARKERS[k % len(RUNNER_MARKERS)], RUNNER_DASHES[k % 3 + k // 24 * 3]
    return ink() if colour == "#000000" else tone(colour), marker, dash


def _conditions(race: Race) -> str:
    (x, y), steps = race.surface.start, len(race.runs[0].path) - 1
    return fill(f"{steps} steps from ({x:g}, {y:g}); learning rates {race.rates}", 70)


# --- the surface ------------------------------------------------------------------------------------------------------


def _landscape(race: Race) -> tuple[Any, list[Any]]:
    """Draw the surface from above. Return the figure and its panels: the whole and, of a knot, a close-up."""
    surface = race.surface
    left, right, bottom, top = surface.box
    shape = (right - left) / (top - bottom)
    even = 0.8 <= shape <= 2  # other boxes are not drawn to scale
    high = max(4.2, 0.17 * len(race.runs))
    inches = (3.4 + high * (shape if even else 1.6), high + 1)
    page, (ax,) = figure(1, f"{surface.title}\n{_conditions(race)}", size=inches)
    shown = (np.array([surface.start, *surface.minima]) - (left, bottom)) / surface.size
    drawn, near = np.concatenate([_points(race), shown]), _close_up(race)
    corner = _emptiest(drawn, shown)
    _ground(ax, surface, surface.box, drawn, None if near is None else corner)
    ax.plot(*surface.start, "o", color=ink(0), markeredgecolor=ink(), markersize=9)
    ax.set(xlabel=surface.axes[0], ylabel=surface.axes[1])
    ax.set_aspect("equal" if even else "auto")
    put = {"transform": ax.transAxes, "clip_on": False, "color": ink(0), "markeredgecolor": ink()}
    for i, (marker, size, text) in enumerate((("*", 12, "minimum"), ("o", 8, "start"))):
        ax.plot(1.06, 0.03 + 0.05 * i, marker, markersize=size, **put)
        ax.text(1.12, 0.03 + 0.05 * i, text, transform=ax.transAxes, va="center", fontsize=9)
    if near is None:
        return page, [ax]
    inset = ax.inset_axes((*corner, INSET, INSET))
    _ground(inset, surface, near)
    inset.tick_params(labelsize=6, length=2, pad=1)
    inset.locator_params(nbins=3)
    for label in (*inset.get_xticklabels(), *inset.get_yticklabels()):
        label.set_bbox({"facecolor": ink(0), "edgecolor": "none", "alpha": 0.7, "pad": 0.4})
    ax.indicate_inset_zoom(inset, edgecolor=ink(0.6))
    return page, [ax, inset]


def _points(race: Race) -> Any:
    """Return points along all paths, in widths of the box from its lower left corner."""
    left, _, bottom, _ = race.surface.box
    paths = [(run.path[: run.last + 1] - (left, bottom)) / race.surface.size for run in race.runs]
    along = np.linspace(0, 1, 100)[:, None]
    return np.concatenate([*paths, *(a + (b - a) * along for path in paths for a, b in pairwise(path[:40]))])


def _close_up(race: Race) -> Any:
    """Return the box around the minimum at which most runs end close together, or None if fewer than `KNOT` do."""
    if not race.surface.minima:
        return None
    ends = np.array([run.path[run.last] for run in race.runs])
    apart = (abs(ends - np.array(race.surface.minima)[:, None]) / race.surface.size).max(axis=-1)
    close = apart < CLOSE
    best = close.sum(axis=1).argmax()
    if close[best].sum() < KNOT:
        return None
    (x, y), (dx, dy) = race.surface.minima[best], max(1.3 * apart[best][close[best]].max(), 0.01) * race.surface.size
    return x - dx, x + dx, y - dy, y + dy


def _emptiest(drawn: Any, shown: Any) -> tuple[float, float]:
    """Return the one of `PLACES` that hides the fewest spots with something drawn, and nothing that has to be shown."""
    spots = np.concatenate([np.unique(np.floor(60 * drawn), axis=0) / 60, np.repeat(shown, 1000, axis=0)])
    hidden = [((spots > place) & (spots < np.add(place, INSET))).all(axis=1).sum() for place in PLACES]
    return PLACES[int(np.argmin(hidden))]


def _ground(ax: Any, surface: Any, box: Any, drawn: Any = None, corner: Any = None) -> None:
    """Draw a box of the surface: shaded, with levels and minima. Labels keep away from what will be drawn."""
    left, right, bottom, top = box
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    lowest = surface.lowest
    above = np.maximum(surface.values(np.stack([x, y], axis=-1)) - lowest, 0)
    above[~np.isfinite(above)] = np.nan  # there is nothing to draw
    levels = _levels(above, lowest)
    edges = [0, *(levels - lowest), max(np.nanmax(above), levels[-1] - lowest) + 1]
    shades = [ink(shade) for shade in np.linspace(0, 0.13, len(edges) - 1)]
    ax.contourf(x, y, above, levels=edges, colors=shades)
    lines = ax.contour(x, y, above + lowest, levels=levels, colors=ink(0.45), linewidths=0.7, linestyles="solid")
    if drawn is not None:
        ax.clabel(lines, fmt=_short, fontsize=7, colors=ink(0.7), manual=_one_each(lines, box, drawn, corner))
    size = 10 if drawn is None else 17
    ax.plot(*np.reshape(surface.minima, (-1, 2)).T, "*", color="none", markeredgecolor=ink(), markersize=size, zorder=4)
    ax.set(xlim=(left, right), ylim=(bottom, top))


def _short(z: float) -> str:
    return f"{z:.0f}" if abs(z) >= 100 else f"{round(z, 9) + 0:.6g}"


def _one_each(lines: Any, box: Any, drawn: Any, corner: Any) -> list[Any]:
    """Return a place for the label of each level: away from the edge, from all that is drawn, and from other labels.

    Rings too small to hold a label have none.
    """
    left, right, bottom, top = box
    low, size = np.array([left, bottom]), np.array([right - left, top - bottom])
    taken, places = drawn[((drawn > -0.1) & (drawn < 1.1)).all(axis=1)], []
    for path in lines.get_paths():
        longest = max(path.to_polygons(closed_only=False), key=len, default=np.empty((0, 2)))
        spots = (longest - low) / size
        inside = ((spots > 0.05) & (spots < 0.95)).all(axis=1)
        if corner is not None:
            inside &= ~((spots > np.subtract(corner, 0.05)) & (spots < np.add(corner, INSET + 0.05))).all(axis=1)
        spots = spots[inside]
        if len(spots) and np.ptp(spots, axis=0).max() > 0.03:
            spots = spots[:: -(-len(spots) // 60)]
            room = np.hypot(*(spots[:, None] - taken).T).min(axis=0, initial=1)
            if room.max() < 0.01:
                continue
            best = spots[room.argmax()]
            places.append(best * size + low)
            taken = np.concatenate([taken, best + np.linspace(-0.04, 0.04, 5)[:, None] * (1, 0)])
    return places


def _levels(above: Any, lowest: float) -> Any:
    """Return levels at round heights above the lowest: 1, 2 and 5 in each decade; 1 and 3, or 1, if these are too many.

    The level itself is rounded to the decade of its height: 5 above -5.03 is 0. A surface may be flat at its lowest, or
    have no value in places: what is not above 0 does not count.
    """
    higher = above[above > 0] if (above > 0).any() else np.ones(1)
    low, high = np.quantile(higher, 0.003), higher.max()
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for series in ([1, 2, 5], [1, 3], [1]):
        heights = np.outer(decades, series).ravel()
        heights = heights[(heights >= low) & (heights <= high)]
        if len(heights) <= 13:
            break
    levels = np.unique([round(lowest + height, -int(np.floor(np.log10(height) + 1e-9))) for height in heights])
    return levels[np.append(True, np.diff(levels) > 0.3 * (levels[:-1] - lowest))]  # 0.9 and 1 above 0.37 are too near


# --- the runs ---------------------------------------------------------------------------------------------------------


def _runners(panels: list[Any], race: Race, animated: bool = False) -> list[tuple[Any, list[Any]]]:
    """Return for each run in each panel a function that draws its path up to a step, and the artists that it moves."""
    ax, found = panels[0], []
    slots = _side_list(ax, race, [run.path[run.last][1] for run in race.runs])
    for panel in panels:
        (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
        for run, slot in zip(race.runs, slots):
            found.append(_runner(panel, run, slot if panel is ax else None, ((left, bottom), (right, top)), animated))
    return found


def _runner(ax: Any, run: Any, slot: float | None, box: Any, animated: bool) -> tuple[Any, list[Any]]:
    from matplotlib.patheffects import withStroke

    (low, high), (colour, marker, dash) = box, runner_style(run.rule)
    tint = {"color": colour, "markeredgecolor": ink(0), "markeredgewidth": 0.6, "animated": animated}
    (line,) = ax.plot([], [], marker=marker, linestyle=dash, linewidth=1.6, markersize=5, markevery=[], **tint)
    line.set_path_effects([withStroke(linewidth=2.6, foreground=ink(0), alpha=0.4)])
    (tip,) = ax.plot([], [], marker=marker, markersize=9, **tint)
    leader = [] if slot is None else [_leader(ax, run, (0, 0), slot, animated)]
    marks, leaving = _marks(run, box), [] if slot is None else _exits(run, box)
    hollow = {"color": ink(0), "markeredgecolor": colour, "clip_on": False, "animated": animated, "zorder": 5}
    exits = [(t, ax.plot(*place, sign, markersize=7, **hollow)[0]) for t, place, sign in leaving]

    def advance(t: int) -> None:
        t = min(t, run.last)
        line.set_data(*run.path[: t + 1].T)
        line.set_markevery([k for k in marks if k <= t])
        point = run.path[t]
        end = np.clip(point, low, high)  # at the edge if the point is outside
        outside = bool((end != point).any())
        tip.set_data(*(np.empty((2, 0)) if outside and slot is None else end[:, None]))
        tip.set(markerfacecolor=ink(0) if outside else colour, markeredgecolor=colour if outside else ink(0))
        for step, sign in exits:
            sign.set_visible(step <= t)
        if slot is not None:
            x, y = (end - low) / np.subtract(high, low)
            leader[0].set_data([x, 1.02], [y, slot])

    return advance, [*leader, line, *(sign for _, sign in exits), tip]


def _marks(run: Any, box: Any) -> list[int]:
    """Return the steps to mark on a path: those of `SMALL_MARKS` that lie apart from each other and from its end."""
    where = run.path / np.subtract(box[1], box[0])
    kept, taken = [], [where[run.last]]
    for k in SMALL_MARKS:
        if k < run.last and min(np.hypot(*(where[k] - place)) for place in taken) > 0.025:
            kept.append(k)
            taken.append(where[k])
    return kept


def _exits(run: Any, box: Any) -> list[tuple[int, Any, str]]:
    """Return the step, the place at the edge and a triangle that points out, whenever a path leaves the box."""
    low, high = map(np.array, box)
    path = run.path[: run.last + 1]
    inside, found = ((path >= low) & (path <= high)).all(axis=1), []
    for t in np.flatnonzero(inside[:-1] & ~inside[1:]):
        way = path[t + 1] - path[t]
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(way > 0, (high - path[t]) / way, (low - path[t]) / way)
        axis = int(np.nanargmin(np.where(way == 0, np.inf, shares)))
        found.append((int(t) + 1, path[t] + shares[axis] * way, "<>v^"[2 * axis + int(way[axis] > 0)]))
    return found


def _slots(n: int, heights: Any) -> Any:
    """Return the height of each run in the list at the side, 0 to 1: sorted by those of their ends."""
    slots = np.empty(n)
    slots[np.argsort(heights, kind="stable")[::-1]] = 1 - min(0.88 / n, 0.11) * (np.arange(n) + 0.5)
    return slots


def _side_list(ax: Any, race: Race, heights: Any) -> Any:
    """Write each run's marker, name, rate and fate at the right, and return the height of each, from 0 to 1.

    The runs are sorted by the heights of their ends, so that the lines to them rarely cross.
    """
    n = len(race.runs)
    slots = _slots(n, heights)
    for run, slot in zip(race.runs, slots):
        colour, marker, dash = runner_style(run.rule)
        put = {"transform": ax.transAxes, "clip_on": False, "color": colour}
        ax.plot([1.02, 1.1], [slot, slot], linestyle=dash, linewidth=1.6, **put)
        ax.plot(1.06, slot, marker=marker, markersize=9, markeredgecolor=ink(0), markeredgewidth=0.6, **put)
        text = f"{run.rule}  lr {run.lr:.3g}" + (f"\n{run.fate}" if run.fate and n < 12 else "")
        ax.text(1.12, slot, text, transform=ax.transAxes, va="center", fontsize=9 if n < 12 else 8, linespacing=1.1)
    return slots


def _leader(ax: Any, run: Any, end: Any, slot: float, animated: bool = False) -> Any:
    """Draw a thin line from a point of the picture to the side list."""
    thin = {"color": runner_style(run.rule)[0], "linewidth": 0.6, "transform": ax.transAxes, "clip_on": False}
    (line,) = ax.plot([end[0], 1.02], [end[1], slot], animated=animated, **thin)
    return line
