"""A user's script, as mypy --strict sees it: ``tests/dist.py`` checks it against the wheel and the editable install.

``assert_type`` fails where a type is Any, as it is if the package cannot be found.
"""

from typing import assert_type

import numpy as np

import tinygrad_edu as tg

model = tg.mlp([2, 8, 3], "tanh", rng=0)
assert_type(model, tg.Sequential)
optimizer = tg.Adam(model, lr=0.01)
assert_type(optimizer, tg.Adam)
X, y = tg.data.spirals(30, rng=0)
loss = tg.cross_entropy(model(X), y)
assert_type(loss, tg.Tensor)
loss.backward()
optimizer.step()
history = tg.fit(model, X, y, tg.cross_entropy, optimizer, epochs=1, progress=False)
assert_type(history, tg.History)
assert_type(tg.evaluate(model, X, y, tg.cross_entropy).loss, float)
assert_type(tg.exp(np.ones(3)), tg.Tensor)
