"""A user's script, as mypy --strict sees it: ``tests/dist.py`` checks it against the wheel and the editable install.

``assert_type`` fails where a type is Any, as it is if the package cannot be found. A ``type: ignore`` fails where there
is no error of its kind.
"""

from typing import TYPE_CHECKING, Any, assert_type

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
assert_type(model.load_state_dict(model.state_dict(), strict=False), dict[str, str])
if TYPE_CHECKING:
    assert_type(tg.load("run.npz", model=model).left, dict[str, str])
    tg.save(model=model)  # type: ignore[call-arg]

# a chain of methods keeps its type, a misspelt one is an error
x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
W = tg.Tensor(np.ones((3, 2)), requires_grad=True)
assert_type((x @ W).tanh().sum(axis=0).mean(), tg.Tensor)
assert_type((2 - x).T.reshape(2, 3)[0] % 2, tg.Tensor)
assert_type(x.softmax().numpy(), np.ndarray[Any, np.dtype[Any]])
assert_type(len(x), int)
for step in x.sum().steps():
    assert_type(step.op, str)
if TYPE_CHECKING:
    x.tnah()  # type: ignore[attr-defined]
    x.view(6)  # type: ignore[attr-defined]
    x.sum(dim=0)  # type: ignore[call-arg]

# so do a rule's arguments, its averages, and the methods of all rules
rule = tg.RMSprop([x], tg.schedules.cosine(0.1, 10), rho=0.9, momentum=0.5, l2=0.1, nonfinite="skip")
assert_type(rule.v, np.ndarray[Any, np.dtype[Any]])
assert_type(rule.equation(), str)
rule.freeze("parameter0")
if TYPE_CHECKING:
    tg.Adam([x], learning_rate=3)  # type: ignore[call-arg]
    tg.optimizers.Lion([x], lr=0.1, beta=0.9)  # type: ignore[call-arg]
    tg.SGD([x], lr="0.1")  # type: ignore[arg-type]
    print(tg.SGD([x]).m)  # type: ignore[attr-defined]
    rule.learning_rate = 0.1  # type: ignore[attr-defined]
    rule.unfreze()  # type: ignore[attr-defined]
