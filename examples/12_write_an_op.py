"""Write an op: a function and its derivative, checked by the doctor, and put to work.

An op returns its value and, for each argument, one function: the vector-Jacobian product (VJP). It is given g, the
gradient of the loss by the op's result, and returns the gradient by the argument. The engine does the rest.

The op here is a bump, y = e^(-a²): 1 at a = 0, and nothing far away. ReLU cuts space in halves; a hidden unit with a
bump marks a strip. You will see how few of them it takes to tell an inner circle from the ring around it.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
args = parser.parse_args()


# --- A first try. By the chain rule dy/da = e^(-a²) · (-2a). Somebody forgot the 2.
def first_try(a):
    y = np.exp(-a * a)
    return y, lambda g: g * y * -a


report = tg.diagnose_op(first_try)
print(f"{report}\n")
assert not report.right


# --- A second try, with the 2, and now without g: right only as long as nothing comes after the op.
def second_try(a):
    y = np.exp(-a * a)
    return y, lambda g: y * -2 * a


report = tg.diagnose_op(second_try)
print(f"{report}\n")
assert not report.right


# --- And right. raise_on_error makes an assertion of the check: one line for a test of your own.
def bump(a):
    """y = e^(-a²)"""
    y = np.exp(-a * a)
    return y, lambda g: g * y * -2 * a


print(f"{tg.diagnose_op(bump, raise_on_error=True)}\n")


# --- At work: tg.apply runs an op on Tensors and records it. A layer of it is three lines.
class Bump(tg.Layer):
    def forward(self, x):
        return tg.apply(bump, x)


X, y = tg.data.circles(400, rng=0)
models = {}
for name, activation in {"ReLU": tg.ReLU, "bump": Bump}.items():
    model = models[name] = tg.Sequential(tg.Linear(2, 2, rng=0), activation(), tg.Linear(2, 2, rng=1))
    tg.fit(model, X, y, optimizer=tg.Adam(model, lr=0.05), epochs=10 if args.quick else 60, rng=0, progress=False)
    print(f"two hidden units with {name:4}: {tg.evaluate(model, X, y).accuracy:.0%} of the points told apart")

try:
    path = tg.plots.decision_boundary(
        models["bump"], X, y, Path(args.out) / "bump.png", "two bumps: inside or outside?"
    )
    print(f"\nThe picture is in {path}")
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
