"""Spirals, learned with tg.fit.

Three spiral arms wind around each other, each a class of its own. You will see what a linear classifier makes of them
and what a network with two hidden layers does, judged on points that neither has seen in training. tg.fit runs the
training loop, and its History keeps what happened in each epoch. The picture shows which class the network chooses
where.
"""

import argparse
from pathlib import Path

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
args = parser.parse_args()

# A quarter of the points is held out: the accuracy on them says whether the shape was learned or the points.
X, y = tg.data.spirals(900, noise=0.03, arms=3, turns=1, rng=0)
X_train, y_train, X_test, y_test = tg.data.split(X, y, test_share=0.25, rng=0)
epochs = 30 if args.quick else 100

linear = tg.mlp([2, 3], rng=0)
model = tg.mlp([2, 32, 32, 3], rng=0)
print("The network:\n")
model.summary()

tg.fit(linear, X_train, y_train, optimizer=tg.Adam(linear, lr=0.01), epochs=epochs, rng=0, progress=False)
history = tg.fit(
    model,
    X_train,
    y_train,
    loss=tg.cross_entropy,
    optimizer=tg.Adam(model, lr=0.01),
    epochs=epochs,
    batch_size=32,
    validation=(X_test, y_test),  # looked at after each epoch, never learned from
    rng=0,
    progress=False,  # the table below shows it instead
)

print(f"\n{len(X_train)} points to learn from, {len(X_test)} held out. The network while it learns:\n")
print("  epoch  training loss  validation loss  validation accuracy")
for row in history.rows:
    if row["epoch"] == 1 or row["epoch"] % (epochs // 5) == 0:
        print(
            f"  {row['epoch']:5}  {row['loss']:13.4f}  {row['validation_loss']:15.4f}"
            f"  {row['validation_accuracy']:19.3f}"
        )
print("\nValidation accuracy (guessing gives 1/3):")
print(f"  linear layer  {tg.evaluate(linear, X_test, y_test).accuracy:.3f}")
print(f"  network       {tg.evaluate(model, X_test, y_test).accuracy:.3f}")

try:
    title = "The network's choice, and the held-out points"
    path = tg.plots.decision_boundary(model, X_test, y_test, Path(args.out) / "spirals.png", title)
    print(f"\nThe picture is in {path}")
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
