"""Write an optimizer: the rule as a kernel, checked by the doctor, and put to work.

The rule is AdaBelief (Zhuang et al. 2020), Adam with one change: s averages (g - m)², how far the gradient is from what
was expected, in place of g². Where gradients keep coming as expected, steps are long.

It is written twice. First in plain NumPy, as a student does it. Then as a kernel: a loop over a flat buffer that Numba
compiles, with the equations as its docstring. The doctor runs one beside the other.
"""

import argparse
from math import sqrt
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()


# --- The kernel: as many equations as statements, the same letters. What depends on t alone arrives as a number.
@tg.kernels.kernel
def adabelief(p, g, m, s, lr, beta1, beta2, one_minus_beta1, one_minus_beta2, c1, c2, eps):
    """Zhuang et al. 2020, algorithm 2.
    m <- beta1 · m + one_minus_beta1 · g
    s <- beta2 · s + one_minus_beta2 · (g - m) · (g - m) + eps
    p <- p - lr · (c1 · m) / (sqrt(c2 · s) + eps)
    where one_minus_beta1 = 1 - beta1; one_minus_beta2 = 1 - beta2; c1 = 1 / (1 - beta1^t); c2 = 1 / (1 - beta2^t)
    """
    for i in range(p.size):
        m[i] = beta1 * m[i] + one_minus_beta1 * g[i]
        s[i] = beta2 * s[i] + one_minus_beta2 * (g[i] - m[i]) * (g[i] - m[i]) + eps
        p[i] -= lr * (c1 * m[i]) / (sqrt(c2 * s[i]) + eps)


# --- The optimizer: the kernel, the names of its averages, its numbers, and how they follow from t.
class AdaBelief(tg.Optimizer):
    kernel, state = staticmethod(adabelief), ("m", "s")
    hyper = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-16}  # the defaults

    def scalars(self, t, lr, beta1, beta2, eps):
        return lr, beta1, beta2, 1 - beta1, 1 - beta2, 1 / (1 - beta1**t), 1 / (1 - beta2**t), eps


# --- The same in plain NumPy: p, its gradient, a dict to keep things in, the number of the step, the rule's numbers.
def in_numpy(p, g, state, t, lr, beta1, beta2, eps):
    m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    s = state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * (g - m) ** 2 + eps
    return p - lr * m / (1 - beta1**t) / (np.sqrt(s / (1 - beta2**t)) + eps)


def with_a_mistake(p, g, state, t, lr, beta1, beta2, eps):
    m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    s = state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * (g - m) ** 2 + eps
    return p - lr * m / (1 - beta1**2) / (np.sqrt(s / (1 - beta2**2)) + eps)  # copied from a worked example of step 2


print(f"{tg.diagnose_optimizer(in_numpy, AdaBelief, raise_on_error=True)}\n")
print(f"{tg.diagnose_optimizer(with_a_mistake, AdaBelief)}\n")
assert tg.diagnose_optimizer(with_a_mistake, AdaBelief).mistakes == {"step": "beta squared"}

# --- At work: schedules, groups, clipping, saving, and the equation below came with tg.Optimizer.
X_train, y_train, X_test, y_test = tg.data.digits(rng=0)
for kind in (tg.Adam, AdaBelief):
    model = tg.mlp([64, 32, 10], rng=0)
    optimizer = kind(model, lr=tg.schedules.cosine(0.005, 15 * 45))
    tg.fit(model, X_train, y_train, optimizer=optimizer, epochs=2 if args.quick else 15, rng=0, progress=False)
    print(f"{kind.__name__:9} reads {tg.evaluate(model, X_test, y_test).accuracy:.1%} of the digits it has not seen")
print(f"\n{optimizer.equation()}")
