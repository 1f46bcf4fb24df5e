"""The distance of every rule from its paper, PyTorch and optax: the tables of docs/optimizers.md.

    python tests/benchmarks/accuracy.py  # the column of torch needs it: pip install -e '.[test,oracle]'

200 updates with random gradients, zeros between them, and changing learning rates, as in tests/support/rules_table.py.
A difference is the largest over all updates and parameters, relative to the parameters' largest absolute value.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
import rules_table

import tinygrad_edu as tg


def main():
    torch = find_spec("torch")
    print("| rule | first step / lr at g = 0.37 and 37 | from naive.py, float64 | float32 | from torch, float64 |")
    print("|---|---:|---:|---:|---:|")
    named = set()
    for cls, reference, hyper, torch_row in rules_table.ROWS:
        p0, gradients, rates = rules_table.problem()
        expected = np.array(reference(p0, list(gradients), rates, **hyper))
        cells = [" ".join([cls.__name__, *(name for name, value in hyper.items() if value is True)])]
        if cls is tg.RMSprop and "momentum" in hyper:
            cells[0] += " momentum"
        cells[0] += "".join(
            f" {name}" for name in ("weight_decay", "initial", "dampening") if cls in named and name in hyper
        )
        named.add(cls)
        cells.append(" ".join(f"{first_step(cls, hyper, g):.4g}" for g in (0.37, 37.0)))
        for dtype in (np.float64, np.float32):
            p = tg.Tensor(p0.astype(dtype), requires_grad=True)
            cells.append(difference(rules_table.run(cls([p], **hyper), p, gradients, rates), expected))
        if torch and torch_row:
            p = tg.Tensor(p0, requires_grad=True)
            got = rules_table.run(cls([p], **hyper), p, gradients, rates)
            cells.append(difference(got, rules_table.torchs(torch_row, p0, gradients, rates)[0]))
        else:
            cells.append("not there" if torch else "")
        print(f"| {' | '.join(cells)} |")
    if find_spec("optax"):
        beside_optax()


def beside_optax():
    """The rules that optax has: the largest difference over several sets of numbers, see tests/extras."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "extras"))
    import test_beside_optax as beside

    print("\n| rule | sets of numbers | from optax, float64 |\n|---|---:|---:|")
    p0, gradients, _ = rules_table.problem()
    for cls, sets, make in beside.ROWS:
        pairs = [
            (beside.ours(cls, p0, gradients, **h), beside.theirs(lambda h=h, make=make: make(h), p0, gradients))
            for h in sets
        ]
        worst = max(float(np.abs(got - expected).max() / np.abs(expected).max()) for got, expected in pairs)
        print(f"| {cls.__name__} | {len(sets)} | {worst:.0e} |")


def first_step(cls, hyper, g):
    """With the defaults, but for what makes the variant."""
    variant = {name: hyper[name] for name in ("centered", "bias_correction") if name in hyper}
    if cls is tg.RMSprop and "momentum" in hyper:
        variant["momentum"] = 0.9
    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = cls([p], lr=1e-3, **variant)
    p.grad = np.array([g])
    optimizer.step()
    return (1 - p.item()) / 1e-3


def difference(got, expected):
    expected = np.array(expected)
    return f"{np.abs(np.array(got) - expected).max() / np.abs(expected).max():.0e}"


if __name__ == "__main__":
    main()
