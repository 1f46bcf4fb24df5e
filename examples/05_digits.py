"""Real handwritten digits, with a training loop of your own.

1,797 digits of 8 x 8 pixels, written by people. You will see the loop that all training is: forward, loss, backward,
step. Then the network is judged on digits that it has not seen: how many it reads rightly, which digits it takes for
which others most often, and what two of the misread ones look like.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures (this script has none)")
args = parser.parse_args()

# Four in ten are held out: more than usual, so that there are mistakes enough to look at.
X_train, y_train, X_test, y_test = tg.data.digits(rng=0, test_share=0.4)
model = tg.mlp([64, 16, 10] if args.quick else [64, 32, 10], rng=0)
optimizer = tg.Adam(model, lr=0.003)
rng = np.random.default_rng(0)  # the order of the samples
epochs = 5 if args.quick else 30

print(f"{len(X_train)} digits to learn from, {len(X_test)} held out. Loss and accuracy:\n")
print("  epoch  training loss  test accuracy")
for epoch in range(1, epochs + 1):
    total = 0.0
    for x, labels in tg.batches(X_train, y_train, batch_size=32, rng=rng):
        optimizer.zero_grad()  # forget the last batch's gradient
        logits = model(x)  # forward: ten scores for each image
        loss = tg.cross_entropy(logits, labels)  # one number: how wrong
        loss.backward()  # the gradient of that number, for every weight
        optimizer.step()  # move every weight a little against it
        total += loss.item() * len(x)
    if epoch == 1 or epoch % 5 == 0:
        with tg.no_grad():  # no gradient is wanted here, so nothing need be recorded
            accuracy = np.mean(model(X_test).numpy().argmax(axis=1) == y_test)
        print(f"  {epoch:5}  {total / len(X_train):13.4f}  {accuracy:13.3f}")

with tg.no_grad():
    probabilities = tg.softmax(model(X_test)).numpy()
read = probabilities.argmax(axis=1)
wrong = np.flatnonzero(read != y_test)
print(f"\n{len(y_test) - len(wrong)} of {len(y_test)} held-out digits are read rightly, {len(wrong)} wrongly.")

# Count every (written, read) pair, and show the most frequent mistakes, if they happened more than once.
counts = np.zeros((10, 10), int)
np.add.at(counts, (y_test, read), 1)
mistakes = counts - np.diag(np.diag(counts))
print("\nThe most frequent mistakes:\n\n  written  read as  times  of")
for pair in np.argsort(-mistakes, axis=None, kind="stable")[:5]:
    written, taken_for = divmod(int(pair), 10)
    if mistakes[written, taken_for] > 1:
        print(f"  {written:7}  {taken_for:7}  {mistakes[written, taken_for]:5}  {counts[written].sum():2}")
        mistakes[written, taken_for] = 0
print(f"  other pairs       {mistakes.sum():5}")

# Draw the misread digits of which the network was most certain. More ink gets a heavier character.
most_certain = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:2]
for i in most_certain:
    print(f"\nWritten {y_test[i]}, read as {read[i]} with probability {probabilities[i, read[i]]:.2f}", end="")
    print(f" (and {y_test[i]} with {probabilities[i, y_test[i]]:.2f}):\n")
    for row in X_test[i].reshape(8, 8):
        print("    " + "".join(" .:+#@"[int(5 * pixel + 0.5)] * 2 for pixel in row).rstrip())
