"""Write golden.json: every rule's trajectory in float64, so that the suite holds PyTorch's without PyTorch.

    PYTHONPATH=. python tests/support/golden.py  # needs torch: pip install -e '.[test,oracle]'

The rules that torch.optim has come from torch, the others from naive.py, the published rules written out. l2 is torch's
weight_decay, and in naive.py a term of the gradient; With
decoupled decay, and for Rprop, torch has no l2, and they get none. The numbers are
written with enough digits to give back every bit.
"""

import json
import platform
from pathlib import Path

import numpy as np
from rules_table import IDS, ROWS, torchs

FILE = Path(__file__).with_name("golden.json")
L2 = 0.03
STEPS, SIZE = 20, 5


def problem():
    """Round numbers, so that they can be read: a start, gradients of all sizes with zeros, three learning rates."""
    rng = np.random.default_rng(0)
    gradients = (rng.standard_normal((STEPS, SIZE)) * rng.choice([0.01, 1, 20], (STEPS, 1))).round(3)
    gradients[7:9] = gradients[:4, 2] = 0
    rates = np.array([0.05] * 8 + [0.02] * 6 + [0.01] * 6)
    return rng.standard_normal(SIZE).round(3), gradients, rates


def l2_of(row):
    return 0.0 if row[3] and (row[3][0] == "Rprop" or "weight_decay" in row[3][1]) else L2


def from_torch(row, start, gradients, rates):
    return torchs(row[3], start, gradients, rates, l2_of(row))[0]


def from_naive(row, start, gradients, rates):
    """Step after step, because with l2 a gradient depends on the parameters before it."""
    _, reference, hyper, _ = row
    points, seen = [start], []
    for t, g in enumerate(gradients):
        seen.append(g + l2_of(row) * points[-1])
        points.append(reference(start, seen, rates[: t + 1], **hyper)[-1])
    return points[1:]


def trajectory(row, *numbers):
    return np.array((from_torch if row[3] else from_naive)(row, *numbers)).tolist()


def main():
    import torch

    start, gradients, rates = problem()
    rules = {
        name: {
            "rule": row[0].__name__,
            "from": f"torch.optim.{row[3][0]}" if row[3] else f"naive.{row[1].__name__}",
            "hyper": {**row[2], "l2": l2_of(row)},
            "points": trajectory(row, start, gradients, rates),
        }
        for name, row in zip(IDS, ROWS, strict=True)
    }
    file = {
        "by": "tests/support/golden.py",
        "with": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
        **{"start": start.tolist(), "gradients": gradients.tolist(), "rates": rates.tolist()},
        **rules,
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in file.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{FILE}: {len(rules)} rules, {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
