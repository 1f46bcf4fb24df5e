"""Step through the backward pass, then see why its order matters.

First a formula: every step with its local derivative, the numbers put in, and what is added to what. Then the engine
that most people write first, which passes a gradient on as soon as something arrives, beside the one that waits until
the gradient is complete. Where a value is used twice the first is wrong, and its visits double with every level. Last,
a small network as a table and as a picture.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
args = parser.parse_args()

# --- A formula. x is used twice, so two shares of the gradient come back to it.
x = tg.Tensor(2.0, requires_grad=True, name="x")
y = tg.Tensor(-3.0, requires_grad=True, name="y")
f = (x * y + x).tanh()
f.name = "f"
for step in f.steps():
    print(step)

f.backward()
print(f"\nbackward() says the same: d_x = {x.grad:.6g}, d_y = {y.grad:.6g}")


# --- The engine that most people write first.
def naive_backward(root):
    """Pass on what there is as soon as it arrives. Returns the gradients and the number of visits."""
    gradients, visits = {root: np.ones_like(root.numpy())}, 0

    def visit(node):
        nonlocal visits
        visits += 1
        for parent, vjp in zip(node.parents, node.vjps):
            gradients[parent] = gradients.get(parent, 0) + vjp(gradients[node])
            visit(parent)  # too early: another path may still lead to this parent

    visit(root)
    return gradients, visits


def doubled(levels):
    """x + x, doubled again and again: every value but the last is used twice. The derivative is 2 to the levels."""
    x = y = tg.Tensor(1.0, requires_grad=True)
    for _ in range(levels):
        y = y + y
    return x, y


print("\ny = x + x, z = y + y, and so on: the derivative by x, and how many nodes are visited for it\n")
print("           right answer   in the right order      as soon as something arrives")
print("  levels     2^levels       says     visits           says      visits")
for levels in (1, 2, 3, 4, 6, 8) if args.quick else (1, 2, 3, 4, 6, 8, 16):
    x, y = doubled(levels)
    gradients, visits = naive_backward(y)
    y.backward()
    steps = sum(1 for _ in y.steps()) + 1  # and x itself
    print(f"  {levels:6}   {2**levels:10}   {x.grad:8.0f}   {steps:8}   {gradients[x]:12.6g}   {visits:9}")
    assert x.grad == 2**levels
    assert visits == 2 ** (levels + 1) - 1

print("\nWith 1 level the second engine is right, because x is a leaf and passes nothing on. After that it passes the")
print("same gradient on again with each visit. 60 levels would take it 2,305,843,009,213,693,951 visits;")
x, y = doubled(60)
y.backward()
print(f"in the right order it takes {sum(1 for _ in y.steps()) + 1}: d_x = {x.grad:.0f} = 2^60.\n")

# --- A network. Its parameters get their names from the model.
rng = np.random.default_rng(0)
model = tg.mlp([2, 3, 2], "tanh", rng=rng)
model.named_parameters()
loss = tg.cross_entropy(model(rng.standard_normal((4, 2))), np.array([0, 1, 1, 0]))
print(tg.explain(loss))

try:
    print("\nThe picture is", loss.graph().svg(Path(args.out) / "graph.svg"))
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
