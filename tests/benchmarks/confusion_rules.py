"""The table of docs/rule_doctor.md: mistakes planted in update rules, and the names that the doctor gives them.

    python tests/benchmarks/confusion_rules.py

Every mistake of tests/support/planted_rules.py is planted in rules written apart from the package, with random
hyper-parameters and gradients; right rules, from tests/support/naive.py, are judged too.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
import planted_rules
import rules_table

import tinygrad_edu as tg

RUNS, RIGHT = 50, 1000


def main():
    warnings.simplefilter("ignore")  # the roots and divisions that planted mistakes make
    named: dict[tuple[str, str], Counter[str]] = {}
    for k, (reference, key, _) in enumerate(planted_rules.PLANTED):
        rng, runs = np.random.default_rng(k), RUNS if "+" not in key else RUNS // 10
        for seed in range(runs):
            hyper = planted_rules.plain_variant(reference, planted_rules.draw(getattr(tg, reference), rng))
            report = tg.diagnose_optimizer(planted_rules.planted(k)[2], reference, rng=seed, **hyper)
            named.setdefault((key, reference), Counter())[str(report.mistakes["step"])] += 1
    print("| planted | in | named so | called something else |")
    print("|---|---|---:|---|")
    for (key, reference), found in sorted(named.items()):
        others = ", ".join(f"{name}: {count}" for name, count in found.items() if name != key)
        print(f"| {key} | {reference} | {found[key]} of {found.total()} | {others or '-'} |")
    planted = sum(found.total() for found in named.values())
    print(f"\nNamed so: {sum(found[key] for (key, _), found in named.items()):,} of {planted:,}.")
    for dtype in (np.float64, np.float32):
        rng, accused = np.random.default_rng(0), 0
        for seed in range(RIGHT):
            kind = rules_table.CLASSES[seed % len(rules_table.CLASSES)]
            hyper = planted_rules.draw(kind, rng)
            if dtype == np.float32:
                hyper["lr"] = rng.uniform(0.01, 0.1)
            accused += not tg.diagnose_optimizer(planted_rules.from_naive(kind, dtype), kind, rng=seed, **hyper).right
        print(f"Right rules in {dtype.__name__}, all {len(rules_table.CLASSES)} kinds: {accused} of {RIGHT:,} accused.")


if __name__ == "__main__":
    main()
