"""XOR: why a network needs a hidden layer.

XOR says whether exactly one of two inputs is 1. You will see that a single linear layer cannot learn these four
cases: the best it can do is to answer 1/2 to all of them. With two hidden units between, it can. The second table
shows how: the hidden units move the four points to places that one straight line can divide.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
wanted = np.array([[0.0], [1.0], [1.0], [0.0]])
steps = 300 if args.quick else 1000


# The output is one logit. Its sigmoid is the probability of a 1, and the loss is the cross-entropy of two classes.
def train(model):
    optimizer = tg.Adam(model, lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = tg.binary_cross_entropy_with_logits(model(X), wanted)
        loss.backward()
        optimizer.step()
    return tg.binary_cross_entropy_with_logits(model(X), wanted).item()


linear = tg.mlp([2, 1], rng=0)
hidden = tg.mlp([2, 2, 1], activation="tanh", rng=0)
loss_linear, loss_hidden = train(linear), train(hidden)
p_linear = tg.sigmoid(linear(X)).numpy()
p_hidden = tg.sigmoid(hidden(X)).numpy()

print(f"Probability of a 1, after {steps} steps:\n")
print("  x1  x2  wanted   linear layer   with two hidden units")
for (x1, x2), [t], [p], [q] in zip(X, wanted, p_linear, p_hidden, strict=True):
    print(f"  {x1:2.0f}  {x2:2.0f}  {t:6.0f}  {p:13.4f}  {q:22.4f}")
print(f"  loss            {loss_linear:13.4f}  {loss_hidden:22.4f}   (ln 2 = {np.log(2):.4f}: knowing nothing)")

# Why the linear layer fails: its logit is z = w1 · x1 + w2 · x2 + b. Then z(0,0) + z(1,1) = z(0,1) + z(1,0), for
# any weights. XOR wants both logits on the left to be negative and both on the right to be positive.
z = tg.Linear(2, 1, rng=1)(X).numpy()[:, 0]
print(
    f"\nA linear layer with random weights: z(0,0) + z(1,1) = {z[0] + z[3]:.4f}, z(0,1) + z(1,0) = {z[1] + z[2]:.4f}."
)
print("The two sums are equal for any weights, but XOR wants the first negative and the second positive.")

# The hidden features: what the last layer gets to see.
h = hidden[1](hidden[0](X)).numpy()  # layer 0 is Linear(2, 2), layer 1 is Tanh
(v1,), (v2,) = hidden[2].W.numpy()
(c,) = hidden[2].b.numpy()
print("\nThe same four points as the hidden units see them, and the last layer's logit:\n")
print("  x1  x2  wanted       h1       h2   logit")
for (x1, x2), [t], (h1, h2) in zip(X, wanted, h, strict=True):
    print(f"  {x1:2.0f}  {x2:2.0f}  {t:6.0f}  {h1:7.3f}  {h2:7.3f}  {v1 * h1 + v2 * h2 + c:6.2f}")
print(f"\nlogit = {v1:.2f} · h1 + {v2:.2f} · h2 + {c:.2f}: it is 0 on a straight line, and that line divides them.")

# Two units are just enough, and whether descent finds them depends on the first weights. More units make it easy.
starts = 5 if args.quick else 20
print(f"\nStarts that learn all four cases, out of {starts}:")
for units in (2, 4, 8):
    learned = 0
    for seed in range(starts):
        model = tg.mlp([2, units, 1], activation="tanh", rng=seed)
        train(model)
        learned += np.array_equal(model(X).numpy() > 0, wanted == 1)
    print(f"  {units} hidden units: {learned:2}")
