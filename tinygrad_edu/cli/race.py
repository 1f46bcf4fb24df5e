"""``tinygrad-edu race``: let the update rules run on a loss surface or on real data, print a table, draw it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from ..extras.optimizers import CLASSIC, RULES
from ..race.surfaces import SURFACES
from .arguments import (
    NEEDS_MATPLOTLIB,
    add_dark,
    add_json,
    add_seed,
    add_table,
    load,
    print_json,
    rates,
    refuse_file,
    rules,
    source,
    surface,
    whole,
)

HELP = "let the update rules run on a loss surface or on real data, and draw it"
DESCRIPTION = """Let the update rules run on a loss surface of two parameters, from one start; draw the paths, the
losses and, if asked, an animation. With --data: train one network with each rule, each at the best learning rate of a
grid and from the same seeds; draw their ranks and, of up to 24 rules, the losses."""


PANELS = 24  # rules that have a panel each with their losses; of more there is the picture of their ranks alone
SURFACE = f"{', '.join(SURFACES)}, all, or a formula as 'x**2 + 10*y**2' (default: beale)"


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    add = command.add_argument
    add("--surface", type=surface, metavar="NAME", help=SURFACE)
    text = f"any of {', '.join(RULES)}, classic for the first {len(CLASSIC)}, or all (default: seven that courses "
    text += "compare; with --data classic)"
    add("--optimizers", type=rules, action="extend", metavar="NAME,NAME", help=text)
    text = "updates of each rule (default: as many as suit the surface)"
    add("--steps", type=whole("steps", 1), metavar="N", help=text)
    add(
        "--lr",
        type=rates,
        metavar="HOW",
        help="learning rates: stated, chosen by hand for each rule and surface; same, 0.01 for all; tuned, the fastest "
        "of a grid from several starts; or a number for all (default: stated, of a formula tuned). With --data: tuned",
    )
    add_seed(command, "of mini-batches and further starts; with --data, what the seeds are drawn from")
    add("--out", type=Path, default=Path("runs/race"), metavar="DIR", help="where pictures go (default: runs/race)")
    add("--gif", action="store_true", help="draw an animation too")
    add_dark(command)
    text = "race on data with labels, named as for train, and not on a surface"
    add("--data", type=source, metavar="NAME", help=text)
    add("--seeds", type=whole("seeds", 1), metavar="N", help="with --data: runs of each rule (default: 5)")
    add("--epochs", type=whole("epochs", 1), metavar="N", help="with --data: passes over it (default: 20)")
    add("--jobs", type=whole("jobs", 1), metavar="N", help="with --data: trainings at a time, with joblib (default: 1)")
    text = "with --data: keep each training in a file in DIR, and go on from there what was interrupted"
    add("--resume", action="store_true", help=text)
    add_table(command)
    add("--quick", action="store_true", help="with --data: 2 seeds, 3 epochs, and every second rate of the grid")
    add_json(command)


def run(options: argparse.Namespace) -> int:
    """Let the rules run, print a table, write pictures. Return the exit status."""
    on_data = options.data is not None
    of_data = ("seeds", "epochs", "quick", "jobs", "resume", "target", "drop", "kind")
    if on_data and options.lr not in (None, "tuned"):
        raise ValueError("--lr does not go with --data, but for --lr tuned: each rule has the best rate of a grid")
    for name in ("surface", "steps", "gif") if on_data else of_data:
        if (given := getattr(options, name)) is not None and given is not False and given != []:
            raise ValueError(f"--{name} {'does not go with' if on_data else 'needs'} --data")
    refuse_file(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=options.out):  # what cannot be written is said now
        pass
    return run_on_data(options) if on_data else run_on_surfaces(options)


def run_on_surfaces(options: argparse.Namespace) -> int:
    """Let the rules run on one surface or on all, print tables, draw paths and losses. Return the exit status."""
    from ..race import pictures
    from ..race.on_surfaces import race

    say = partial(print, file=sys.stderr if options.json else sys.stdout, flush=True)
    chosen = options.surface or "beale"
    lr = options.lr or ("stated" if chosen in (*SURFACES, "all") else "tuned")
    written, figures = [], {}
    for name in SURFACES if chosen == "all" else [chosen]:
        found = race(name, options.optimizers, options.steps, lr, options.seed)
        say(f"{found}\n")
        figures[name], called = found.figures(), name if name in SURFACES else "formula"
        try:
            written.append(pictures.contours(found, options.out / f"{called}.png"))
            written.append(pictures.race_losses(found, options.out / f"{called}-loss.png"))
            if options.gif:
                written.append(pictures.animation(found, options.out / f"{called}.gif"))
        except ImportError:
            pass
    say("steps: after which a path stays within the tolerance of a minimum; closest: how near it ever came\n")
    for path in written:
        say(f"wrote   {path}")
    if not written:
        say(f"no pictures: they need {NEEDS_MATPLOTLIB}")
    if options.json:
        result = {"lr": lr, "seed": options.seed, "races": figures, "files": [str(path) for path in written]}
        print_json(result)
    return 0


def run_on_data(options: argparse.Namespace) -> int:
    """Train with every rule, print a table, draw the losses. Return the exit status."""
    from ..race.on_data import GRID, race_on_data
    from ..race.pictures import loss_bands
    from ..race.standings import standings

    say = partial(print, file=sys.stderr if options.json else sys.stdout)
    names, stem = options.optimizers or rules("classic"), Path(options.data.partition(":")[0]).stem
    finished = iter(range(1, len(names) + 1))
    found = race_on_data(
        *load(options.data, 0, options),
        names,
        seeds=options.seeds or (2 if options.quick else 5),
        epochs=options.epochs or (3 if options.quick else 20),
        grid=GRID[:: 2 if options.quick else 1],
        rng=options.seed,
        n_jobs=options.jobs or 1,
        resume=options.out / f"{stem}.jsonl" if options.resume else None,
        report=lambda run: print(f"{next(finished)}/{len(names)}  {run.rule}", file=sys.stderr, flush=True),
    )
    say(f"{options.data}: {found}\n")
    files = []
    try:
        files.append(standings(found, options.out / f"{stem}-ranks.png"))
        if len(names) <= PANELS:
            files.append(loss_bands(found, options.out / f"{stem}.png"))
        for path in files:
            say(f"wrote   {path}")
    except ImportError:
        say(f"no picture: it needs {NEEDS_MATPLOTLIB}")
    if options.json:
        result = {"data": options.data, "seed": options.seed, "rules": found.figures(), "files": list(map(str, files))}
        print_json(result)
    return 0
