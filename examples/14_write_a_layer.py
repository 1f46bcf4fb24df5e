"""Write a layer: parameters, a forward pass, checked by the doctor, and put to work.

A layer sets its parameters as attributes and says in forward() what it computes. The gradients, the names of the
parameters, saving and the optimizer's view of them follow from that.

The layer here is a residual block (He et al. 2015), y = x + relu(x W + b): what it is given is always part of what it
returns. Plain layers blur it: after many of them all points come out in nearly one direction, and no loss can tell them
apart. You will see that, and what becomes of it, in a network of 40 layers.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()


class FirstTry(tg.Layer):
    """Two mistakes that give no error: a parameter that will not learn, and a gradient that is cut off."""

    def __init__(self, features, rng=None):
        self.W = tg.Tensor(0.1 * tg.init.he_normal((features, features), rng), requires_grad=True)
        self.b = tg.Tensor(np.zeros(features))

    def forward(self, x):
        return x + tg.Tensor((x @ self.W + self.b).relu().numpy())


class Residual(tg.Layer):
    """y = x + relu(x W + b)"""

    def __init__(self, features, rng=None):
        self.W = tg.Tensor(0.1 * tg.init.he_normal((features, features), rng), requires_grad=True)
        self.b = tg.Tensor(np.zeros(features), requires_grad=True)

    def forward(self, x):
        return x + (x @ self.W + self.b).relu()


x = np.random.default_rng(0).standard_normal((4, 3))
report = tg.diagnose_layer(FirstTry(3, rng=0), x)
print(f"{report}\n")
assert not report.right
print(f"{tg.diagnose_layer(Residual(3, rng=0), x, raise_on_error=True)}\n")


# --- At work: 40 layers of 16 units each, with what came in added to what comes out, and without.
def plain(rng):
    return [tg.Linear(16, 16, init=tg.init.he_normal, rng=rng), tg.ReLU()]


def residual(rng):
    return [Residual(16, rng=rng)]


X, y = tg.data.spirals(400, rng=0)
for name, block in {"plain": plain, "residual": residual}.items():
    rng = np.random.default_rng(0)
    model = tg.Sequential(tg.Linear(2, 16, rng=rng), *[layer for _ in range(40) for layer in block(rng)])
    h = model(X).numpy()
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    print(f"{name}: before training the mean cosine between what comes out for two points is {(h @ h.T).mean():.4f}")
    model = tg.Sequential(model, tg.Linear(16, 2, rng=rng))
    optimizer = tg.Adam(model, lr=0.002)
    history = tg.fit(model, X, y, optimizer=optimizer, epochs=3 if args.quick else 40, rng=0, progress=False)
    print(f"  after {len(history)} epochs it knows {tg.evaluate(model, X, y).accuracy:.0%} of the points")
