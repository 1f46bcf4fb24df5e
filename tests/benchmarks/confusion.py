"""The table of docs/doctor.md: mistakes planted in random networks (tests/support/planted_mistakes.py), the names that
the doctor gives them, and the number of right gradients that it accuses.

    python tests/benchmarks/confusion.py 100  # networks for each mistake; some minutes
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from planted_mistakes import PLANTS, confusion, right_case

count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
print("| planted | wrong gradients | named so | named otherwise | right ones accused |\n|---|---|---|---|---|")
for plant, (key, asked) in PLANTS.items():
    said, accused = confusion(plant, count)
    others = ", ".join(f"{n} {name}" for name, n in said.most_common() if name != key)
    where = " (square)" if "square" in asked else ""
    print(f"| {plant.strip()}{where} | {said.total()} | {said[key]} **{key}** | {others} | {accused} |", flush=True)

rng, judged, accused = np.random.default_rng(1), 0, 0
while judged < 10 * count:
    case = right_case(rng)
    if case is not None:
        judged += 1
        accused += not tg.diagnose(case[0], case[0].inputs, case[1]).right
print(f"\nOf {judged} random networks with right gradients {accused} were accused.")
