"""One neuron learns a line.

A neuron with one input has one weight w and one bias b, and answers w · x + b. You will see the cost that says how
wrong it is, and the gradient of that cost: by the formula and by the engine, equal to rounding. Then gradient descent:
written by hand and by the optimizer SGD, the same numbers. The last table shows what the learning rate may be: the
data set a limit, and beyond it the steps grow instead of shrinking.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()

# The data: 40 points near the line y = 2 · x - 1.
rng = np.random.default_rng(0)
x = rng.uniform(0, 2, 40)
y = 2 * x - 1 + 0.2 * rng.standard_normal(40)

# The cost J(w, b) is the mean of the squared errors. It is one number, and backward() starts from it.
w = tg.Tensor(0.0, requires_grad=True, name="w")
b = tg.Tensor(0.0, requires_grad=True, name="b")
cost = tg.mse_loss(w * x + b, y)
cost.backward()

# The chain rule on mean((w · x + b - y)²): 2 · error for the square, times x for w, times 1 for b.
error = 0 * x + 0 - y  # w and b are still 0
by_formula = {"dJ/dw": np.mean(2 * error * x), "dJ/db": np.mean(2 * error)}
print(f"The cost at w = 0, b = 0 is {cost:.4f}. Its gradient:\n")
print("         by formula    by engine   difference")
for (name, formula), engine in zip(by_formula.items(), [w.grad, b.grad], strict=True):
    print(f"  {name}  {formula:11.6f}  {engine:11.6f}  {abs(formula - engine):11.1e}")

# Gradient descent, w ← w - lr · dJ/dw and b ← b - lr · dJ/db, twice: by hand, and with the optimizer.
lr, steps = 0.2, 20 if args.quick else 100
w2 = tg.Tensor(0.0, requires_grad=True, name="w2")
b2 = tg.Tensor(0.0, requires_grad=True, name="b2")
optimizer = tg.SGD([w2, b2], lr=lr)
print(f"\nGradient descent, lr = {lr}, by hand and with {optimizer}:\n")
print("  step     cost   w by hand    w by SGD   b by hand    b by SGD")
apart = 0.0
for step in range(steps + 1):
    w.grad = b.grad = None  # backward() adds to what is there, so start each step from nothing
    cost = tg.mse_loss(w * x + b, y)
    cost.backward()
    optimizer.zero_grad()
    tg.mse_loss(w2 * x + b2, y).backward()
    if step in (0, 1, 2, 5, 10, 20, 50, 100):
        print(f"  {step:4}  {cost:7.4f}  {w:10.7f}  {w2:10.7f}  {b:10.7f}  {b2:10.7f}")
    apart = max(apart, abs(w.item() - w2.item()), abs(b.item() - b2.item()))
    w.data -= lr * w.grad
    b.data -= lr * b.grad
    optimizer.step()
print(f"\nThe largest difference between the two in {steps} steps is {apart}.")

# The cost is a bowl. Its curvatures are the eigenvalues of the matrix of second derivatives, which has no w and no b
# in it: the data alone decide. Along each of the two directions one step multiplies the distance from the bottom by
# 1 - lr · curvature. This shrinks while lr < 2 / curvature, so the larger curvature sets the limit.
hessian = 2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]])
flat, steep = np.linalg.eigvalsh(hessian)
limit = 2 / steep
best_w, best_b = np.polyfit(x, y, 1)  # the bottom of the bowl, by least squares
lowest = np.mean((best_w * x + best_b - y) ** 2)
print(f"\nThe lowest cost is {lowest:.4f}, at w = {best_w:.4f}, b = {best_b:.4f} (least squares).")
print(f"The curvatures are {flat:.3f} and {steep:.3f}, so the largest stable lr is 2 / {steep:.3f} = {limit:.4f}.")
print(f"\n  lr / limit      lr   factor a step: flat   steep   cost above the lowest, after {steps} steps")
for share in (0.01, 0.1, 0.5, 0.9, 1.0, 1.1):
    optimizer.lr = lr = share * limit
    w2.data, b2.data = 0.0, 0.0
    for _ in range(steps):
        optimizer.zero_grad()
        tg.mse_loss(w2 * x + b2, y).backward()
        optimizer.step()
    above = tg.mse_loss(w2 * x + b2, y).item() - lowest
    print(f"  {share:10.2f}  {lr:6.4f}  {1 - lr * flat:20.3f}  {1 - lr * steep:6.3f}  {above:22.1e}")
print("\nA factor near 1 is slow. A negative factor jumps across the bottom; below -1 the jumps grow.")
