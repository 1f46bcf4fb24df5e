"""Backpropagation by hand.

A network with two layers and a softmax cross-entropy loss. You will see its gradients three times. First by hand:
the chain rule, one line of NumPy for each step, from the loss back to the input. Then by the engine: one call of
backward(). The two print side by side and agree to rounding. Last, gradcheck moves each number a little and looks at
how much the loss changes. It knows nothing of the chain rule, so it is an independent witness.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run (this script is always small)")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()

# N = 4 samples with D = 2 features, H = 3 hidden units, C = 2 classes.
rng = np.random.default_rng(0)
x, labels = rng.standard_normal((4, 2)), np.array([0, 1, 1, 0])
W1, b1 = rng.standard_normal((2, 3)), rng.standard_normal(3)
W2, b2 = rng.standard_normal((3, 2)), rng.standard_normal(2)

# --- By hand. Forward, keeping every value that the way back will need.
N = len(x)
a = x @ W1 + b1  # (N, H)
h = np.tanh(a)  # (N, H)
z = h @ W2 + b2  # (N, C), the logits
p = np.exp(z - z.max(axis=1, keepdims=True))  # softmax; taking out the largest logit changes nothing but overflow
p = p / p.sum(axis=1, keepdims=True)  # (N, C), each row sums to 1
loss = -np.mean(np.log(p[np.arange(N), labels]))

# Backward. d_v stands for dloss/dv and has the shape of v. Each line is: what came from above · the local derivative.
onehot = np.eye(2)[labels]
d_z = (p - onehot) / N  # softmax and logarithm together: dloss/dz = p - onehot for one sample; the mean divides by N
d_W2 = h.T @ d_z  # z = h @ W2: W2[j, k] acts on z[n, k] with factor h[n, j], so sum over the samples n
d_b2 = d_z.sum(axis=0)  # b2 is added to every row, so its gradient is the sum over the rows
d_h = d_z @ W2.T  # h[n, j] acts on every z[n, k] with factor W2[j, k], so sum over the classes k
d_a = d_h * (1 - h**2)  # tanh'(a) = 1 - tanh(a)², element by element
d_W1 = x.T @ d_a  # as for W2
d_b1 = d_a.sum(axis=0)  # as for b2
d_x = d_a @ W1.T  # as for h; no update needs it, but the first step of a longer network would

# --- By the engine. From here the same letters are Tensors. The same forward pass, and one call.
x, W1, b1, W2, b2 = (tg.Tensor(array, requires_grad=True) for array in (x, W1, b1, W2, b2))
a = (x @ W1 + b1).retain_grad()  # retain_grad(): backward() keeps the gradient of this inner value as well
h = a.tanh().retain_grad()
z = (h @ W2 + b2).retain_grad()
engine_loss = tg.cross_entropy(z, labels)
engine_loss.backward()

print(f"loss by hand {loss:.15f}, by the engine {engine_loss:.15f}")
assert abs(loss - engine_loss.item()) < 1e-14
names = ["z", "W2", "b2", "h", "a", "W1", "b1", "x"]  # in the order in which the chain rule reaches them
by_hand = [d_z, d_W2, d_b2, d_h, d_a, d_W1, d_b1, d_x]
by_engine = [tensor.grad for tensor in (z, W2, b2, h, a, W1, b1, x)]
largest = 0.0
for name, hand, engine in zip(names, by_hand, by_engine, strict=True):
    difference = np.abs(hand - engine).max()
    largest = max(largest, difference)
    print(f"\nd_{name:2}  {'by hand':<32}{'by the engine':<32}largest difference {difference:.1e}")
    for row_hand, row_engine in zip(np.atleast_2d(hand), np.atleast_2d(engine), strict=True):
        left, right = (" ".join(f"{value:9.6f}" for value in row) for row in (row_hand, row_engine))
        print(f"      {left:<32}{right}")
    assert hand.shape == engine.shape
    assert difference < 1e-14, f"d_{name} differs by more than rounding"
print(f"\nAll {len(names)} gradients agree. The largest difference of all is {largest:.1e}.")

# --- The third witness: slopes measured by moving a number v by a small s, (loss(v + s) - loss(v - s)) / 2s.
found = tg.gradcheck(
    lambda x, W1, b1, W2, b2: tg.cross_entropy((x @ W1 + b1).tanh() @ W2 + b2, labels), x, W1, b1, W2, b2
)
print(f"gradcheck: {found}.")
