"""The gradient doctor.

Example 02 computed the gradients of a small network by hand. Here a student does the same and makes a mistake, each
time another one. You will see what the doctor says: one report in full, the others in a line each. It does not only
find that a gradient is wrong. It makes every mistake it knows on the recorded graph, and tells which one leads to the
student's numbers. Last it looks at an op and at a layer that are not right either.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run (this script is always small)")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()

# N = 5 samples with D = 3 features, H = 3 hidden units: W1 is square, so that no shape gives a mistake away. C = 2.
rng = np.random.default_rng(0)
N, x, Y = 5, rng.standard_normal((5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]
weights = {
    "W1": rng.standard_normal((3, 3)),
    "b1": rng.standard_normal(3),
    "W2": rng.standard_normal((3, 2)),
    "b2": rng.standard_normal(2),
}


def loss(W1, b1, W2, b2):
    """Plain NumPy. The doctor calls it with Tensors, and so gets the graph."""
    z = np.tanh(x @ W1 + b1) @ W2 + b2
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return -np.mean(np.sum(Y * np.log(p), axis=1))


def by_hand(W1, b1, W2, b2, slip=""):
    """The four gradients. A slip of the pen changes one line."""
    a = x @ W1 + b1
    h = np.tanh(a)
    e = np.exp(h @ W2 + b2)
    p = e / e.sum(axis=1, keepdims=True)
    dz = {"mean": p - Y, "p": p / N, "again": (p - Y) / N * p * (1 - p)}.get(slip, (p - Y) / N)
    dW2, db2 = h.T @ dz, dz.sum(axis=0)
    if slip == "early":
        W2 = W2 - 0.5 * dW2  # the update, one line too early
    da = dz @ W2.T * {"tanh": 1, "input": 1 - a**2, "twice": 1 - np.tanh(h) ** 2}.get(slip, 1 - h**2)
    dW1, db1 = x.T @ da, da.sum(axis=0)
    if slip == "turned":
        dW1 = da.T @ x
    if slip == "batch":
        db1 = da
    if slip == "typo":
        dW1[1, 2] *= 1.01
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


right = tg.diagnose(loss, weights, by_hand(**weights), raise_on_error=True)  # one line grades an exercise
print("The four gradients by hand are right. Now tanh's derivative is taken of its input instead of its value.\n")
print(tg.diagnose(loss, weights, by_hand(**weights, slip="input")))

print("\nThe same with other slips, in one line each:\n")
for slip in ("mean", "p", "again", "early", "tanh", "twice", "turned", "batch", "typo"):
    report = tg.diagnose(loss, weights, by_hand(**weights, slip=slip))
    wrong = [found for found in report.findings if found.mistake]
    print(f"  {slip:<7}{' '.join(found.name for found in wrong):<12}{wrong[0].text}")
    assert wrong


def cube(a):
    return a**3, lambda g: 3 * a**2  # where is g?


class Scale(tg.Layer):
    """y = c · x, with a c that never learns."""

    def __init__(self):
        self.c = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def forward(self, x):
        return x * self.c.numpy()


print(f"\nAn op is looked at in the same way.\n\n{tg.diagnose_op(cube)}")
print(f"\nAnd a layer.\n\n{tg.diagnose_layer(Scale(), x)}")
