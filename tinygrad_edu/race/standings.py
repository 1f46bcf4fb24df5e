"""The race of all rules in one picture: a row for each, with ranks and intervals, in families.

A family is what the rule looks at, read from its class and its equations, so that a new rule finds its place.
"""

from __future__ import annotations

import re
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extras.colours import ink, tone
from ..extras.learning_optimizers import Learning
from ..extras.matrix_optimizers import Adafactor, Squares
from ..extras.optimizers import RULES
from ..extras.whole_optimizers import Whole
from ..training.pictures import figure, save

if TYPE_CHECKING:
    from .on_data import DataRace, Trial

FAR = 10  # times the median of all rules: what is farther away would leave no room for the others
FAMILIES = (
    "descent and momentum",
    "signs",
    "a scale for each number",
    "a norm of each layer",
    "rows, columns, products",
    "rates that are found",
)


def family(rule: str) -> str:
    """Return the family of a rule.

    Examples
    --------
    >>> family("nesterov"), family("lion"), family("adam"), family("prodigy")
    ('descent and momentum', 'signs', 'a scale for each number', 'rates that are found')
    """
    cls, text = RULES[rule], "\n".join(re.findall(r"\w+ <- .*", RULES[rule].kernel.__doc__ or ""))
    if issubclass(cls, Learning):
        return FAMILIES[5]
    if issubclass(cls, Squares) or cls.__module__ == Adafactor.__module__:
        return FAMILIES[4]
    if issubclass(cls, Whole):
        return FAMILIES[3]
    if re.search(r"/ \(|sqrt|/ u\b", text):  # a division by what squares, or largest gradients, have left
        return FAMILIES[2]
    return FAMILIES["sign(" in text]


def in_families(found: DataRace) -> list[tuple[str, list[Trial]]]:
    """Return the families and their runs, both in the order of the medians of the test losses."""
    middle = lambda run: np.median(run.test_losses)
    groups: dict[str, list[Trial]] = {}
    for run in sorted(found.runs, key=middle):
        groups.setdefault(family(run.rule), []).append(run)
    return list(groups.items())


def standings(found: DataRace, path: Any = None) -> Any:
    """Draw each rule of a `DataRace` as a row: its median over seeds, and a line from the smallest to the largest.

    Left is the loss on test data, in the middle the accuracy there, right the rank among all rules, seed by seed.
    Rules are in families, the best first; a cross is a rate at the edge of the grid. Losses far from the others, and
    those of runs that diverged, are drawn at the right end. Returns the path of the picture, or the figure. Raises
    ImportError without matplotlib.
    """
    groups, ranks = in_families(found), found.ranks()
    rows = len(found.runs) + len(groups)
    page, panels = figure(3, "", size=(3.6, 0.165 * rows + 1.5))
    page.suptitle("\n".join(fill(line, 120) for line in (found.title, found.conditions)), fontsize=9)
    losses = np.array([run.test_losses for run in found.runs])
    finite, middles = losses[np.isfinite(losses)], np.median(losses, axis=1)
    most = min(2 * finite.max(initial=0.5), FAR * np.median(middles))
    labels: list[tuple[int, str, Any]] = []
    y = 0
    for name, runs in groups:
        labels.append((y, name, None))
        y += 1
        for run in runs:
            colour, edge = tone(FAMILIES.index(name)), run.lr in (found.grid[0], found.grid[-1])
            shown = (np.minimum(run.test_losses, most), 100 * run.accuracies, ranks[run.rule])
            for ax, values in zip(panels, shown, strict=True):
                ax.plot([np.min(values), np.max(values)], [y, y], color=colour, linewidth=2, alpha=0.45)
                ax.plot(np.median(values), y, "X" if edge else "o", color=colour, markersize=5)
            labels.append((y, f"{run.rule}  {run.lr:.2g}", colour))
            y += 1
    _dress(panels, labels, rows)
    return save(page, path)


def _dress(panels: Any, labels: list[tuple[int, str, Any]], rows: int) -> None:
    """Write the names of families and rules, and set the axes."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    titles = ("test loss", "test accuracy, %", "rank in its seed")
    for ax, title in zip(panels, titles, strict=True):
        ax.set(ylim=(rows - 0.3, -0.7), title=title)
        ax.title.set_fontsize(9)
        ax.tick_params(labelsize=7, length=2)
        ax.set_yticks([])
        ax.grid(axis="x", alpha=0.3)
        for y, _, colour in labels:
            ax.axhline(y, color=ink(0.1) if colour else ink(0.35), linewidth=0.5, zorder=0)
    panels[0].set_xscale("log")
    panels[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].xaxis.set_major_formatter(FormatStrFormatter("%g"))
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_yticks([y for y, _, _ in labels], [text for _, text, _ in labels])
    for tick, (_, _, colour) in zip(panels[0].get_yticklabels(), labels, strict=True):
        tick.set(color=colour or ink(), fontweight="normal" if colour else "bold")
