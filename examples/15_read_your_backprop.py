"""The gradient of the README's network as a program, line by line beside the rule of calculus that gives each line.

A gradient is a program, like the network itself. tg.trace runs the network once and writes both down: plain NumPy, in
the words of the ops' own sources. You will read it, check it against the engine and against differences, and save it
as a file that needs NumPy alone.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for the saved program")
args = parser.parse_args()

X, y = tg.data.spirals(400, rng=0)
model = tg.mlp([2, 32, 32, 2], rng=0)
model.named_parameters()  # gives the parameters their names
xb, yb = next(tg.batches(X, y, batch_size=32, rng=0))
program = tg.trace(lambda X, labels: tg.cross_entropy(model(X), labels), xb, yb)

# --- The derivation. Every line of the backward pass is one of these.
print("""d_x is the derivative of the loss by x. The chain rule goes from the loss back, and meets five things:

  1  the loss     L = -1/N Σn ln p[n, label], p = softmax(z)   d_z = (p - one_hot) / N
  2  weights      z[n,c] = Σk h[n,k] W[k,c] + b[c]             d_W[k,c] = Σn h[n,k] d_z[n,c]     h.T @ d_z
  3  a bias       it was added in each row n                   d_b[c] = Σn d_z[n,c]              d_z.sum(axis=0)
  4  the input    h[n,k] is in z[n,c] with weight W[k,c]       d_h[n,k] = Σc d_z[n,c] W[k,c]     d_z @ W.T
  5  a relu       the slope is 1 where h > 0, else 0           d_z = d_h · sign(h)
""")
BECAUSE = {
    "z": "a weighted sum of all inputs, for each output",
    "h": "relu: what is below 0 becomes 0",
    "one_hot": "1 in the column of the right class",
    "s": "a shift that softmax does not notice",
    "e": "now no power overflows",
    "total": "so that p is e / total",
    "loss": "-ln p[label] is ln total - s[label]",
    "d_z3": "1: the loss",
    "d_W": "2: weights",
    "d_b": "3: a bias",
    "d_h": "4: the input of a layer",
    "d_z": "5: a relu",
}
print(f"def backprop({', '.join(program.inputs)}):")
for title, lines in {"forward": program.forward, "backward": program.backward}.items():
    print(f"    # {title}")
    for line in map(str, lines):
        name = line.split(" = ")[0]
        print(f"    {line:<65} # {BECAUSE.get(name) or BECAUSE[name.rstrip('0123456789')]}")

# --- Does it give what the engine gives?
loss = tg.cross_entropy(model(xb), yb)
loss.backward()
value, gradients = program()
print(f"\nloss by the engine {loss.item():.15f}, by the program {value:.15f}")
print("\n  gradient of   shape        norm      largest difference to the engine")
for (name, d), p in zip(gradients.items(), model.parameters(), strict=True):
    print(f"  {name:<11} {d.shape!s:>8} {np.linalg.norm(d):11.6f} {np.abs(d - p.grad).max():12.1e}")
    assert np.allclose(d, p.grad, rtol=1e-12, atol=1e-15)

# --- And does the engine? A small step along the steepest weight, with the program as the function.
h, d = 1e-6, gradients["W2"]
at = np.unravel_index(np.abs(d).argmax(), d.shape)
up, down = program.inputs["W2"].copy(), program.inputs["W2"].copy()
up[at] += h
down[at] -= h
slope = (program(W2=up)[0] - program(W2=down)[0]) / (2 * h)
print(f"\nThe largest element of d_W2 is {d[at]:.9f}. Moving that weight by ±{h}, the loss changes by {slope:.9f}")
print("times as much.")

# --- Gradient descent without this package: the program is all it takes. It fits a batch of any size.
weights = {name: program.inputs[name].copy() for name in gradients}
for _ in range(100 if args.quick else 1000):
    value, gradients = program(X, y, **weights)
    for name, d in gradients.items():
        weights[name] -= 0.5 * d
print(f"\nall 400 points, 0.5 · gradient {'100' if args.quick else '1000'} times: the loss falls to {value:.4f}")

path = Path(args.out) / "backprop.py"
path.parent.mkdir(parents=True, exist_ok=True)
program.save(path)
print(f"\n{path} needs NumPy alone. It says:\n")
print(subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout)
