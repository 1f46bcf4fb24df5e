"""The surfaces of the race: gradients by hand, and values at the start and at a minimum."""

import math

import numpy as np

import tinygrad_edu as tg


def beale(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return (
        2 * (a * (y - 1) + b * (y * y - 1) + c * (y**3 - 1)),
        2 * (a * x + b * 2 * x * y + c * 3 * x * y * y),
    )


def two_holes(x, y):
    near, far = (math.exp(-5 * ((x - c) ** 2 + y * y)) for c in (1, -1))
    return 2 * x + 20 * (x - 1) * near + 60 * (x + 1) * far, 2 * y + 20 * y * near + 60 * y * far


def neuron(w, b):
    """Sample by sample: the derivative of -log p by the logit is p - 1 for an 8, p for a 3."""
    images, labels = digits()
    slopes = []
    for image, label in zip(images, labels):
        if label in (3, 8):
            pixel = image[5][2]
            error = 1 / (1 + math.exp(-w * pixel - b)) - (label == 8)
            slopes.append((error * pixel, error))
    return tuple(np.mean(slopes, axis=0))


def digits():
    split = tg.data.digits(0)
    images = np.concatenate([split.X_train, split.X_test]).reshape(-1, 8, 8)
    return images, np.concatenate([split.y_train, split.y_test])


# name: (the gradient by hand, the value at the start, the value at a minimum)
BY_HAND = {
    "valley": (lambda x, y: (x / 10, 2 * y), 49 / 20 + 4, 0),
    "ellipse": (lambda x, y: (0.2 * x, 4 * y), 2.5 + 8, 0),
    "booth": (lambda x, y: (10 * x + 8 * y - 34, 8 * x + 10 * y - 38), 1 + 169, 0),
    "beale": (beale, 2**2 + 3.5**2 + 5**2, 0),
    "rosenbrock": (lambda x, y: (2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)), 2.2**2 + 100 * 0.44**2, 0),
    "himmelblau": (
        lambda x, y: (4 * x * (x * x + y - 11) + 2 * (x + y * y - 7), 2 * (x * x + y - 11) + 4 * y * (x + y * y - 7)),
        121 + 49,
        0,
    ),
    "rastrigin": (
        lambda x, y: tuple(2 * z + 20 * math.pi * math.sin(2 * math.pi * z) for z in (x, y)),
        20 + 4 - 10 + 12.25 + 10,
        0,
    ),
    "saddle": (lambda x, y: (2 * x, -2 * y + y**3), 2.25 - 1e-6 + 1e-12 / 4, -1),
    "long_valley": (lambda x, y: (x, 100 * y), 5000 + 50, 0),
    "two_holes": (two_holes, 1.44 + 1.96 - 2 * math.exp(-10) - 6 * math.exp(-34), -5.0323399685),
    "neuron": (neuron, None, 0.37),
}
