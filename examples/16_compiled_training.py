"""Compiled training: the gradient as a program, and the program as machine code.

The training step of a network is always the same: forward, loss, backward, update. Written in Python on small arrays,
nearly all of its time goes into calling things. tg.compile_step traces the step once, writes it down as NumPy
(example 15), turns each line into a loop, and has Numba compile the loops together with the update rule's own kernel.
You will see each of these texts, that the numbers stay the same, and what it does to the time.
"""

import argparse
import statistics
import time

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", help="not used: this script draws nothing")
args = parser.parse_args()

X, y = tg.data.spirals(320, rng=0)
X = X.astype(np.float32)
batch = X[:32], y[:32]


def network():
    model = tg.mlp([2, 16, 16, 2], dtype=np.float32, rng=0)
    return model, tg.Adam(model, lr=0.01)


# --- One step, both ways, from the same weights.
model, adam = network()
step = tg.compile_step(model, tg.cross_entropy, adam, *batch)
print(f"ready after {step.seconds:.1f} s{', found on disk' if step.cached else ''}\n")

twin, twin_adam = network()


def eager(X, y):
    twin_adam.zero_grad()
    loss = tg.cross_entropy(twin(X), y)
    loss.backward()
    twin_adam.step()
    return loss.item()


# --- Three texts of one thing: the line of the program, its loops, and the kernel of the rule.
line = next(line for line in step.program.source.splitlines() if "d_z2 =" in line)
loops = step.source.splitlines()
at = next(i for i, text in enumerate(loops) if "d_z2[" in text)
print("a line of the program:", line, "the loop that it became:", *loops[at - 1 : at + 1], sep="\n")
print("the rule, as the kernel has it:", *adam.equation().splitlines()[:3], sep="\n    ")

# --- The same numbers: the compiled steps of one network beside the eager steps of its twin.
worst = 0.0
for k in range(100 if args.quick else 1000):
    rows = slice(32 * (k % 10), 32 * (k % 10) + 32)
    a, b = step(X[rows], y[rows]), eager(X[rows], y[rows])
    worst = max(worst, abs(a - b) / b)
print(f"\nlargest relative difference of the loss in {adam.t} steps: {worst:.0e}")
for name, value in model.state_dict().items():
    assert np.allclose(value, twin.state_dict()[name], rtol=1e-3, atol=1e-4), name


# --- What it costs.
def microseconds(f):
    times = []
    for _ in range(200 if args.quick else 2000):
        start = time.perf_counter()
        f(*batch)
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


slow, fast = microseconds(eager), microseconds(step)
print(f"a step: {slow:.0f} µs eager, {fast:.1f} µs compiled, {slow / fast:.0f} times as quick")

# --- A whole epoch is one call: the same fit, number by number, with its shuffling, its record, its callbacks.
for compiled in (False, True):
    model, adam = network()
    history = tg.fit(
        model, X, y, optimizer=adam, epochs=5 if args.quick else 60, rng=0, progress=False, compiled=compiled
    )
    seconds = statistics.median(history["seconds"])
    how = "compiled" if compiled else "eager"
    last = history.rows[-1]
    print(f"fit, {how:8}: {1e3 * seconds:.2f} ms an epoch, loss {last['loss']:.6f}, accuracy {last['accuracy']:.1%}")
