"""The update rules race down a valley: where each goes, how fast, and why the winner depends on the learning rates.

A loss of two parameters can be looked at: the picture shows it from above, with the path of every rule. You will see
plain descent zigzag across the valley, momentum swing past the minimum, and rules that divide by the size of past
gradients set out at 45 degrees, as if the valley were round. Then who is first, for other learning rates. At the end,
how large the rate of plain descent may be.
"""

import argparse
from pathlib import Path

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
args = parser.parse_args()

rules = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]
surface = "valley"
found = tg.race(surface, rules)
print(found)
print("\nsteps: after how many a rule stays at the minimum. closest: how near it ever came.")
y = found.runs[0].path[:, 1]  # a path is an array, one point a row
print(f"The path of {rules[0]} crosses the floor of the valley {sum(y[1:] * y[:-1] < 0)} times in {len(y) - 1} steps.")

print("\nThe same race with other learning rates. Who is first to stay at the minimum?\n")
for lr in ("stated", "same", 0.1, "tuned"):
    race = tg.race(surface, rules, 100 if args.quick else 300, lr)
    there = sorted((run.arrived, run.rule, run.lr) for run in race.runs if run.arrived is not None)
    order = ", ".join(f"{rule} ({lr:.2g}) at {step}" for step, rule, lr in there[:3]) or "nobody"
    print(f"  {lr!s:<7} {order}{', ...' if len(there) > 3 else ''}; {len(there)} of {len(rules)} arrive")
print("\nSo say which learning rates before you say who won: docs/race.md says what each of these words means.")

# x²/20 + y²: the gradient of y is 2y, so a step multiplies y by 1 - 2 · lr. Above lr = 1 that is beyond -1.
print("\nPlain descent on this valley multiplies y by 1 - 2 · lr in each step:")
print("\n     lr   1 - 2 · lr   |y| after 1, 2 and 10 steps")
for lr in (0.1, 0.5, 0.95, 1.0, 1.1):
    y = abs(tg.race(surface, ["sgd"], 10, lr).runs[0].path[:, 1])
    print(f"  {lr:5}   {1 - 2 * lr:10.1f}   {y[1]:8.4f} {y[2]:8.4f} {y[10]:8.4f}")

try:
    out = Path(args.out)
    pictures = [tg.raceplots.contours(found, out / "paths.png"), tg.raceplots.race_losses(found, out / "losses.png")]
    if not args.quick:
        pictures.append(tg.raceplots.animation(found, out / "paths.gif"))
    print("\nThe pictures are", *pictures)
except ImportError:
    print("\nNo pictures: matplotlib is not installed.")
