"""A small LeNet on the handwritten digits: convolution, pooling, and what the kernels see.

A Linear layer has a weight for each pixel: a digit that is moved by one pixel is another one for it. A convolution has
one small kernel, which is moved over the picture: a stroke is found wherever it is. You will see that a convolution is
one product of two matrices, a network of two convolutions that reads 98.5 % of the digits that it has not seen, and,
where matplotlib is installed, its kernels, what they find in a digit, and what a window sees on its way.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import tinygrad_edu as tg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true", help="a smaller run")
parser.add_argument("--out", default="runs/" + Path(__file__).stem, help="folder for pictures")
parser.add_argument("--compiled", action="store_true", help="train in machine code, which is made first")
args = parser.parse_args()

X, y, X_test, y_test = tg.data.digits(rng=0)
X, X_test = (a.reshape(-1, 1, 8, 8).astype(np.float32) for a in (X, X_test))  # (N, C, H, W): one channel, 8 x 8 pixels
if args.quick:
    X, y = X[:300], y[:300]

# --- One product: the windows as the columns of a matrix, the kernels as the rows of another.
picture, kernel = X[:1], np.array([[[[-1, 0, 1]] * 3]], np.float32)  # how much brighter is the right side?
windows = np.lib.stride_tricks.sliding_window_view(picture[0, 0], (3, 3))  # (6, 6, 3, 3), a view: nothing is copied
columns = windows.reshape(36, 9).T
by_product = (kernel.reshape(1, 9) @ columns).reshape(6, 6)
difference = np.abs(by_product - tg.conv2d(picture, kernel).numpy()[0, 0]).max()
print(f"36 windows of 9 pixels: a matrix {columns.shape}. A row of 9 weights times that is the feature map;")
print(f"the largest difference from tg.conv2d is {difference:.1g}.\n")

# --- The network.
rng = np.random.default_rng(0)
made = {"dtype": np.float32, "rng": rng}
model = tg.Sequential(
    tg.Conv2d(1, 16, 3, padding=1, **made),
    tg.ReLU(),
    tg.MaxPool2d(2),  # 8 x 8 becomes 4 x 4
    tg.Conv2d(16, 32, 3, padding=1, **made),
    tg.ReLU(),
    tg.MaxPool2d(2),
    tg.Flatten(),
    tg.Dropout(0.3, rng=rng),
    tg.Linear(128, 64, init=tg.init.he_normal, **made),
    tg.ReLU(),
    tg.Linear(64, 10, **made),
)
model.summary(input_shape=(1, 8, 8))
epochs, batch = (2, 64) if args.quick else (40, 64)
optimizer = tg.Adam(model, lr=tg.schedules.cosine(0.004, epochs * -(-len(X) // batch)))
start = time.perf_counter()
history = tg.fit(model, X, y, tg.cross_entropy, optimizer, epochs, batch, rng=0, progress=False, compiled=args.compiled)
seconds = time.perf_counter() - start
print(f"\n{epochs} epochs of {len(X):,} digits in {seconds:.1f} s, {'compiled' if args.compiled else 'eagerly'}")
found = tg.evaluate(model, X_test, y_test, tg.cross_entropy)
print(f"{found.accuracy:.4f} of {len(X_test)} digits that it has not seen are read rightly")

try:
    from matplotlib.figure import Figure
except ImportError:
    print("\nNo picture: matplotlib is not installed.")
    raise SystemExit from None

# --- What the kernels see: a digit, one window on its way over it, and the feature map of each kernel.
digit, first = X_test[0, 0], model[0]
maps = first(X_test[:1]).relu()
pooled = model[2](maps).numpy()[0]
shown = np.argsort(-pooled.sum(axis=(1, 2)))[:6]  # the kernels that find most in this digit
figure = Figure(figsize=(11, 6.4), layout="constrained")
panels = figure.subplots(4, 7)


def draw(ax, numbers, title="", colours="Greys", limit=None):
    ax.imshow(numbers, colours, vmin=-limit if limit else 0, vmax=limit or max(numbers.max(), 1e-9))
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)


for ax in panels.flat:
    ax.axis("off")
for ax in panels[:, 1:].flat:
    ax.axis("on")
panels[0, 0].axis("on")
draw(panels[0, 0], digit, f"a digit: {y_test[0]}")
seen = np.lib.stride_tricks.sliding_window_view(np.pad(digit, 1), (3, 3))
limit = float(np.abs(first.W.numpy()).max())
rows = ["kernel", "feature map,\nReLU", "max pool", "at a window"]
best = np.unravel_index(maps.numpy()[0, shown[0]].argmax(), (8, 8))  # where the first of them fits best
for k, which in enumerate(shown, 1):
    draw(panels[0, k], first.W.numpy()[which, 0], f"kernel {which}", "RdBu_r", limit)
    draw(panels[1, k], maps.numpy()[0, which], "feature map")
    draw(panels[2, k], pooled[which], "max pool")
    product = seen[best] * first.W.numpy()[which, 0]
    total = product.sum() + first.b.numpy()[which]
    draw(panels[3, k], product, f"sum {total:.2f}", "RdBu_r", float(np.abs(product).max()))
panels[3, 0].axis("on")
draw(panels[3, 0], seen[best], "one window")
x, at = best[1], best[0]
panels[0, 0].plot(
    [x - 1.5, x + 1.5, x + 1.5, x - 1.5, x - 1.5], [at - 1.5, at - 1.5, at + 1.5, at + 1.5, at - 1.5], "r"
)
panels[0, 0].set(xlim=(-1.6, 8.6), ylim=(8.6, -1.6))
figure.suptitle(
    "Six of the 16 kernels: what each finds in the digit; below, one window (red) times each kernel, summed"
)
path = Path(args.out) / "lenet.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=100)
print(f"\nThe picture is in {path}")
