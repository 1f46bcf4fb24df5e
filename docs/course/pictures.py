"""Draw the pictures of the chapters: `python docs/course/pictures.py` writes 01.png, 02.png ... beside the chapters.

Each chapter has one function here, `chapter_01` and so on, which returns a figure. `--out FOLDER` writes elsewhere.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

BLUE, RED, GREEN, PINK, YELLOW, SKY = tg.plots.COLOURS


def page(columns, title, size=(4.6, 3.4)):
    """Return a figure and its panels in the style of all chapters."""
    figure, panels = tg.plots.figure(columns, title, size=size)
    for ax in panels:
        ax.grid(alpha=0.25)
    return figure, panels


def descent(slope, w, lr, steps):
    """Return the points of w <- w - lr · slope(w)."""
    points = [w]
    for _ in range(steps):
        points.append(points[-1] - lr * slope(points[-1]))
    return np.array(points)


def save(figure, path):
    """Write a figure as a small PNG, of 128 colours."""
    from PIL import Image

    tg.plots.save(figure, path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    return path


def chapter_01():
    """(w - 3)² from the left and from the right, and five step sizes."""
    figure, (left, right) = page(2, "J(w) = (w - 3)², whose slope is 2 (w - 3)")
    w = np.linspace(-0.5, 6.5, 200)
    left.plot(w, (w - 3) ** 2, color="0.6")
    for start, colour, label in ((0.5, BLUE, "start left: slope below 0"), (5.8, RED, "start right: slope above 0")):
        path = descent(lambda w: 2 * (w - 3), start, 0.15, 6)
        left.plot(path, (path - 3) ** 2, "o-", color=colour, markersize=5, label=label)
        reach = np.array([-0.9, 0.9])
        left.plot(start + reach, (start - 3) ** 2 + 2 * (start - 3) * reach, "--", color=colour, linewidth=1)
    left.set(xlabel="w", ylabel="J", ylim=(-1, 13), title="lr = 0.15: both run down to w = 3")
    styles = zip((0.1, 0.5, 0.9, 1.0, 1.05), (BLUE, GREEN, YELLOW, PINK, RED), "os^Dv")
    for lr, colour, marker in styles:
        path = descent(lambda w: 2 * (w - 3), 1.0, lr, 12)
        right.plot(path, marker=marker, color=colour, markersize=4, label=f"lr = {lr}: times {1 - 2 * lr:.1f}")
    right.set(xlabel="step", ylabel="w", ylim=(-5, 14), title="each step multiplies w - 3 by 1 - 2 lr")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=8, loc="upper center", ncols=1 if ax is left else 2)
    return figure


def main(names):
    """Draw the picture of each chapter among the names into the folder of this file, or into another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=Path(__file__).parent, type=Path, help="folder for the pictures")
    parser.add_argument("--only", metavar="NN", help="one chapter, as 03")
    args = parser.parse_args()
    for name, draw in names.copy().items():
        if name.startswith("chapter_") and name.removeprefix("chapter_") in (args.only or name):
            print(save(draw(), args.out / f"{name.removeprefix('chapter_')}.png"))


if __name__ == "__main__":
    main(globals())
