"""The command line: ``tinygrad-edu train`` trains a small MLP and shows what it did; ``tinygrad-edu race`` lets the
update rules run on loss surfaces; ``tinygrad-edu explain`` goes through a backward pass; ``tinygrad-edu exercise``
hands out exercises and checks them. Also ``python -m tinygrad_edu``. The options are in `arguments`.

Nothing heavy is imported before the arguments are read, so that --help and --version answer at once.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Any

from ..race.surfaces import SURFACES
from .arguments import OPTIMIZERS, TOY_SETS, parser

FORMULA = r"^-(?!h$|-|[\d.]*$)"  # as in -x*x: with a space before it argparse does not take it for an option


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0; 1 if a gradient is wrong; 2 for input that cannot be used;
    130 after Ctrl-C outside the training loop."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args([re.sub(FORMULA, " -", text) for text in given])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ·
    try:
        commands = {"train": train, "race": race, "explain": explain, "exercise": exercise}
        return commands[options.command](options)
    except BrokenPipeError:  # who reads has read enough, as in "| head"
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for what is flushed at the end
        return 0
    except KeyboardInterrupt:
        print(f"tinygrad-edu {options.command}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, MemoryError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{error.strerror}: {error.filename}"
        print(f"tinygrad-edu {options.command}: {text}", file=sys.stderr)
        return 2


def train(options: argparse.Namespace) -> int:
    """Train, say how it went, check the gradient, write pictures. Returns the exit status."""
    import numpy as np

    import tinygrad_edu as tg

    say = sys.stderr if options.json else sys.stdout
    toy, files = options.data in TOY_SETS, options.data.startswith("mnist:")
    hidden = options.hidden if options.hidden is not None else ([32, 32] if toy else [128, 128])
    dropout = options.dropout if options.dropout is not None else (0.0 if toy else 0.25)
    epochs = options.epochs or (3 if options.quick else 100 if toy else 5 if files else 50)
    rng = np.random.default_rng(options.seed)
    out = options.out or Path("runs") / options.data.partition(":")[0]
    refuse_file(out)

    data = load(options.data, rng)
    out.mkdir(parents=True, exist_ok=True)
    (out / "history.csv").touch()  # what cannot be written is said now, not after the training
    X_train, X_test = (X.astype(options.dtype) for X in (data.X_train, data.X_test))
    labels = data.y_train.dtype.kind in "iu"
    y_train, y_test = (y if labels else y.astype(options.dtype) for y in (data.y_train, data.y_test))
    outputs = int(y_train.max()) + 1 if labels else y_train.shape[1]
    kinds = f"{outputs} classes" if labels else f"{outputs} target to hit"
    print(f"data    {options.data}: {len(X_train):,} samples to learn from, {len(X_test):,} held out,", file=say)
    print(f"        {X_train.shape[1]} feature{'s' * (X_train.shape[1] > 1)}, {kinds}\n", file=say)

    shape = [X_train.shape[1], *hidden, outputs]
    model = tg.mlp(shape, options.activation, dropout, options.dtype, rng)
    model.summary(file=say)

    name, lr = OPTIMIZERS[options.optimizer]
    lr = lr if options.lr is None else options.lr
    optimizer = getattr(tg, name)(model, lr=lr)
    print(f"\nrule    {name}, {options.dtype}", file=say)
    for line in optimizer.equation().splitlines():
        print(f"        {line}", file=say)
    if not options.compiled:
        text = "kernel  getting it ready: compiled at the first use, from Numba's cache after that ..."
        print(text, file=say, flush=True)
        print(f"        ready after {optimizer.compile():.2f} s", file=say)
    print(file=say, flush=True)

    loss = tg.cross_entropy if labels else tg.mse_loss
    history = tg.fit(
        model,
        X_train,
        y_train,
        loss,
        optimizer,
        epochs,
        options.batch_size,
        validation=(X_test, y_test),
        rng=rng,
        compiled=options.compiled,
    )
    seconds = sum(history["seconds"])
    result, accuracy = history.rows[-1], history.rows[-1].get("validation_accuracy")

    steps = optimizer.t
    ended = ", then stopped by Ctrl-C" if history.stopped == "interrupted" else ""
    print(f"\ntrained {len(history)} epochs, {steps:,} updates in {seconds:.2f} s{ended}", file=say)
    if accuracy is None:
        print(f"result  held-out loss {result['validation_loss']:.4f}", file=say)
    else:
        right = round(accuracy * len(X_test))
        print(
            f"result  held-out accuracy {accuracy:.4f}: {right} of {len(X_test):,} that it had not seen",
            file=say,
        )

    doubled = tg.mlp(shape, options.activation, dropout, rng=0).eval()
    doubled.load_state_dict(model.state_dict())
    few = X_test[:8].astype(float)  # with targets drawn at random: those it has learned leave hardly any gradient
    drawn = rng.integers(0, outputs, len(few)) if labels else rng.standard_normal((len(few), outputs))
    try:
        check = tg.gradcheck(lambda *_: loss(doubled(few), drawn), *doubled.parameters(), elements=20, rng=0)
        print(
            f"check   {check.checked} slopes of the trained model's loss agree with its gradients, largest relative",
            file=say,
        )
        print(
            f"        difference {check.error:.0e}; too small to judge {check.faint}, at kinks {len(check.kinks)}",
            file=say,
        )
    except (AssertionError, ValueError) as error:
        check = None
        print(f"check   of the trained model's gradient failed: {error}", file=say)

    written = save(out, options.data, history, model, X_test if toy and labels else None, y_test)
    for path in written:
        print(f"wrote   {path}", file=say)
    if len(written) == 1:
        print("        no pictures: they need matplotlib (pip install 'tinygrad-edu[plot]')", file=say)
    if options.json:
        figures = {
            "data": options.data,
            "sizes": shape,
            "optimizer": options.optimizer,
            "lr": lr,
            "epochs": len(history),
            "updates": steps,
            "seed": options.seed,
            "dtype": options.dtype,
            "stopped": history.stopped,
            "train_loss": result["loss"],
            "held_out_loss": result["validation_loss"],
            "held_out_accuracy": accuracy,
            "gradcheck_error": check.error if check else None,
            "seconds": seconds,
            "files": [str(path) for path in written],
        }
        print(json.dumps(figures))
    return 0 if check else 1


def refuse_file(out: Path) -> None:
    """Raise a ValueError if there is a file where the folder out shall be."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; it has to be a folder, or not there yet")


def load(name: str, rng: Any) -> Any:
    """The data of that name as a `data.Split`."""
    from ..training import data

    if name.startswith("mnist:"):
        return data.mnist(name.removeprefix("mnist:"))
    if name == "digits":
        return data.digits(rng)
    X, y = getattr(data, name)(rng=rng)
    return data.split(X, y, rng=rng)


def save(out: Path, name: str, history: Any, model: Any, X: Any, y: Any) -> list[Path]:
    """Write history.csv and, with matplotlib, loss.png and boundary.png (X given). Returns what was written."""
    from ..training import pictures as plots

    written = [out / "history.csv"]
    history.to_csv(written[0])
    try:
        written.append(plots.loss_curve(history, out / "loss.png", f"Training on {name}"))
        if X is not None:
            written.append(plots.decision_boundary(model, X, y, out / "boundary.png", f"{name}: held-out samples"))
    except ImportError:
        pass
    return written


def race(options: argparse.Namespace) -> int:
    """Let the rules run, print a table, write pictures. Returns the exit status."""
    from ..race import on_surfaces as racing, pictures as raceplots

    on_data = options.data is not None
    for name in ("surface", "steps", "lr", "gif") if on_data else ("seeds", "epochs", "quick"):
        if getattr(options, name) is not None and getattr(options, name) is not False:
            raise ValueError(f"--{name} {'does not go with' if on_data else 'needs'} --data")
    refuse_file(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=options.out):  # what cannot be written is said now
        pass
    if on_data:
        return race_on_data(options)
    say = sys.stderr if options.json else sys.stdout
    surface, lr = options.surface or "beale", "stated" if options.lr is None else options.lr
    written, figures = [], {}
    for name in SURFACES if surface == "all" else [surface]:
        found = racing.race(name, options.optimizers, options.steps, lr, options.seed)
        print(f"{found}\n", file=say, flush=True)
        figures[name] = found.figures()
        try:
            written.append(raceplots.contours(found, options.out / f"{name}.png"))
            written.append(raceplots.race_losses(found, options.out / f"{name}-loss.png"))
            if options.gif:
                written.append(raceplots.animation(found, options.out / f"{name}.gif"))
        except ImportError:
            pass
    for path in written:
        print(f"wrote   {path}", file=say)
    if not written:
        print("no pictures: they need matplotlib (pip install 'tinygrad-edu[plot]')", file=say)
    if options.json:
        result = {"lr": lr, "seed": options.seed, "races": figures, "files": [str(path) for path in written]}
        print(json.dumps(result))
    return 0


def race_on_data(options: argparse.Namespace) -> int:
    """Train with every rule, print a table, draw the losses. Returns the exit status."""
    from ..race import on_data as trials, pictures as raceplots

    say = sys.stderr if options.json else sys.stdout
    rules = options.optimizers or list(OPTIMIZERS)
    finished = iter(range(1, len(rules) + 1))
    data = load(options.data, 0)
    found = trials.race_on_data(
        data.X_train,
        data.y_train,
        data.X_test,
        data.y_test,
        rules,
        seeds=options.seeds or (2 if options.quick else 5),
        epochs=options.epochs or (3 if options.quick else 20),
        grid=trials.GRID[:: 2 if options.quick else 1],
        rng=options.seed,
        report=lambda run: print(f"{next(finished)}/{len(rules)}  {run.rule}", file=sys.stderr, flush=True),
    )
    print(f"{options.data}: {found}\n", file=say)
    files = []
    try:
        files.append(raceplots.loss_bands(found, options.out / f"{options.data.partition(':')[0]}.png"))
        print(f"wrote   {files[0]}", file=say)
    except ImportError:
        print("no picture: it needs matplotlib (pip install 'tinygrad-edu[plot]')", file=say)
    if options.json:
        result = {"data": options.data, "seed": options.seed, "rules": found.figures(), "files": list(map(str, files))}
        print(json.dumps(result))
    return 0


def explain(options: argparse.Namespace) -> int:
    """Go through the backward pass of a formula or a small network, and check its gradient. Returns the exit status."""
    import numpy as np

    import tinygrad_edu as tg

    from ..explain.tables import WIDTH

    if (options.formula is None) == (options.mlp is None):
        raise ValueError('give a formula, as in explain "(x*y + x).tanh()" --at x=2,y=-3, or else --mlp 2,3,1')
    if options.mlp and options.at:
        raise ValueError("--at goes with a formula, not with --mlp")
    with np.errstate(all="ignore"):  # NaN and infinity are seen in the tables
        f, leaves = network(options.mlp, options.seed) if options.mlp else formula(options.formula, options.at)
        result = f()
        found = tg.explain(result)
        shown = result.graph() if options.format in ("mermaid", "dot") else found
        written = str(found) if options.format == "text" else getattr(shown, options.format)()
        if options.svg:  # what cannot be drawn is said before anything is printed
            try:
                print(f"wrote   {result.graph().svg(options.svg)}", file=sys.stderr)
            except ImportError:
                raise ValueError("--svg needs matplotlib (pip install 'tinygrad-edu[plot]')") from None
        out = sys.stderr if options.json else sys.stdout
        print(written, file=out, flush=True)
        right, verdict = check(f, leaves)
    print(
        "\n" + fill(f"Check: {verdict}.", WIDTH, subsequent_indent="       "),
        file=out if options.format == "text" else sys.stderr,
    )
    if options.json:
        gradients = {name: g.tolist() for name, g in found.gradients.items()}
        print(json.dumps({"value": result.item(), "gradients": gradients, "right": right}))
    return 1 if right is False else 0


def check(f: Any, leaves: list[Any]) -> tuple[bool | None, str]:
    """Whether the gradient of f is right, None if that cannot be told, and a sentence about it."""
    import tinygrad_edu as tg

    def moved(*_: Any) -> Any:
        try:
            return f()
        except ValueError:  # beside this point the formula has no value
            return tg.Tensor(float("nan"))

    agree, error, unknown = 0, 0.0, []
    for i, x in enumerate(leaves):
        try:
            found = tg.gradcheck(moved, x, elements=20, rng=i)
            agree, error = agree + found.checked, max(error, found.error)
        except ValueError:
            unknown.append(x.name)
        except AssertionError as wrong:
            if x.size > 1 or steady(f, x):
                return False, "WRONG: " + str(wrong).replace(" along []", "")
            unknown.append(x.name)
    why = "it depends on the side or the length of the step, rounding hides it, or there is no value nearby"
    if not agree:
        return None, f"the slope cannot be measured here: {why}"
    verdict = f"{agree} slopes agree" if agree > 1 else "1 slope agrees"
    verdict += f" with the gradient, by central differences; largest relative difference {error:.1e}"
    if unknown:
        verdict += f". By {', '.join(unknown)} the slope cannot be measured here: {why}"
    return True, verdict


def steady(f: Any, x: Any) -> bool:
    """Whether the gradient at the number x is nearly that at its neighbours, so that a slope over them says something:
    sin changes its sign many times between 1e17 and the next number that can be written down."""
    here, seen = x.item(), []
    for step in (0, 1e-12, -1e-12):
        x.data = here + step * max(1, abs(here))
        try:
            seen += [float(share.after) for s in f().steps() for share in s.shares if share.parent is x][-1:]
        except ValueError:
            seen.append(float("nan"))
    x.data = here
    return all(abs(g - seen[0]) <= 0.1 * abs(seen[0]) for g in seen)


def formula(text: str, at: dict[str, float]) -> tuple[Any, list[Any]]:
    """A function that works out the formula, and its variables."""
    from ..core.tensor import Tensor
    from ..explain.formula import evaluate
    from ..program.names import forward_order

    leaves = {name: Tensor(value, requires_grad=True, name=name) for name, value in at.items()}

    def f(*_: Any) -> Tensor:
        result = evaluate(text, leaves)
        if result.parents and result.name is None and not re.search(r"\bf\b", text):
            result.name = "f"
        return result

    used = {id(p) for node in forward_order(f()) for p in (node, *node.parents)}
    unused = ", ".join(name for name, leaf in leaves.items() if id(leaf) not in used)
    if unused:
        raise ValueError(f"--at has a value for {unused}, which the formula does not use")
    return f, list(leaves.values())


def network(sizes: list[int], seed: int) -> tuple[Any, list[Any]]:
    """A function that works out the loss of a random network on 4 random samples, and its parameters."""
    import numpy as np

    import tinygrad_edu as tg

    if len(sizes) < 2:
        raise ValueError("--mlp needs at least two sizes, as 2,1: inputs, hidden layers, outputs")
    count = sum((a + 1) * b for a, b in pairwise(sizes))
    if count > 100_000:
        raise ValueError(f"--mlp {','.join(map(str, sizes))} has {count:,} parameters, 100,000 are the limit here")
    rng = np.random.default_rng(seed)
    model = tg.mlp(sizes, "tanh", rng=rng)
    X = rng.standard_normal((4, sizes[0]))
    if sizes[-1] == 1:
        targets = rng.standard_normal((4, 1))
        return lambda *_: tg.mse_loss(model(X), targets), model.parameters()
    labels = rng.integers(0, sizes[-1], 4)
    return lambda *_: tg.cross_entropy(model(X), labels), model.parameters()


def exercise(options: argparse.Namespace) -> int:
    """List the exercises, hand them out, check or grade what came back. Returns the exit status."""
    from ..course import grading

    return grading.run(options)
