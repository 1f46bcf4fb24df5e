"""One training step of an MLP in each framework, all from the same weights on the same data: step.py measures them.

A maker takes a case, (sizes, batch), and returns a step: a function that does zero_grad, forward pass, cross-entropy,
backward pass and Adam (lr 1e-3) in float32, and returns the loss. Each is written as the framework's own documentation
advises for speed. Where a framework is not installed its maker raises ImportError; where it cannot be waited for, it
returns None. Frameworks are imported in the makers, for each has a process of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from itertools import pairwise

THREADS = int(os.environ.get("STEP_THREADS", 2))  # set by step.py --threads, for the processes that it starts
MODELS = {  # sizes, batch, steps in a block
    "2-16-16-2": ((2, 16, 16, 2), 32, 2000),
    "64-64-32-10": ((64, 64, 32, 10), 64, 2000),
    "784-128-10": ((784, 128, 10), 64, 1200),
    "784-1000-1000-10": ((784, 1000, 1000, 10), 128, 50),
}


def data(sizes, batch):
    """Centred, so that the first losses are the same everywhere: from 784 positive features rounding grows to 1 %."""
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.random((batch, sizes[0]), dtype=np.float32) - np.float32(0.5), rng.integers(0, sizes[-1], batch)


def batches(case):
    """The number of batches in an epoch: a tenth of the steps in a block, 50 for a case that is not one of MODELS."""
    return next((steps // 10 for *model, steps in MODELS.values() if tuple(model) == case), 50)


def samples(case):
    """The data of an epoch, and the order of its rows."""
    import numpy as np

    sizes, batch = case
    X, y = data(sizes, batch * batches(case))
    return X, y, np.random.default_rng(2).permutation(len(X))


def weights(sizes):
    """[(W, b) of each layer], W of shape (in, out) as He et al. draw it."""
    import numpy as np

    rng = np.random.default_rng(1)
    draw = lambda i, o: (rng.standard_normal((i, o)) * (2 / i) ** 0.5).astype(np.float32)
    return [(draw(i, o), np.zeros(o, np.float32)) for i, o in pairwise(sizes)]


# --- ours -------------------------------------------------------------------------------------------------------------


def network(sizes):
    import numpy as np

    import tinygrad_edu as tg

    tg.set_num_threads(THREADS)
    model = tg.mlp(sizes, dtype=np.float32)
    model.load_state_dict(dict(zip(model.state_dict(), sum(weights(sizes), ()))))
    return model


def ours(case):
    import tinygrad_edu as tg

    X, y = data(*case)
    model = network(case[0])
    optimizer = tg.Adam(model)

    def step():
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def compiled(case):
    import tinygrad_edu as tg

    X, y = data(*case)
    model = network(case[0])
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X, y)
    return lambda: step(X, y)


def epoch(case):
    """A whole epoch as one call."""
    import tinygrad_edu as tg

    (X, y, order), batch = samples(case), case[1]
    model = network(case[0])
    step = tg.compile_step(model, tg.cross_entropy, tg.Adam(model), X[:batch], y[:batch])
    return lambda: step.epoch(X, y, order, batch)[0] / len(X)


def update(case):
    """optimizer.step() alone, with gradients that are assigned once."""
    import tinygrad_edu as tg

    X, y = data(*case)
    model = network(case[0])
    optimizer = tg.Adam(model)
    tg.cross_entropy(model(X), y).backward()
    for p in model.parameters():
        p.grad = p.grad.copy()
    return optimizer.step


def unchecked(case):
    """Ours, where nothing looks at dtypes, shapes, labels, or for NaN in the gradients."""
    import tinygrad_edu as tg

    class Trusting(tg.Linear):
        def forward(self, x):
            return tg.Tensor.linear(x, self.W, self.b)

    X, y = data(*case)
    model = network(case[0])
    for layer in model.layers:
        layer.__class__ = Trusting if isinstance(layer, tg.Linear) else type(layer)
    optimizer = tg.Adam(model, nonfinite="propagate")

    def step():
        optimizer.zero_grad()
        loss = tg.apply(tg.ops.cross_entropy, model(X), labels=y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def debugged(case):
    import tinygrad_edu as tg

    return tg.debug(show=False)(ours(case))


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def torch_network(case):
    import torch

    torch.set_num_threads(THREADS)
    layers = []
    for W, b in weights(case[0]):
        layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
        layers[-2].load_state_dict({"weight": torch.from_numpy(W.T), "bias": torch.from_numpy(b)})
    return torch.nn.Sequential(*layers[:-1]), *map(torch.from_numpy, data(*case))


def torch_eager(case, **adam):
    import torch

    model, X, y = torch_network(case)
    optimizer = torch.optim.Adam(model.parameters(), **adam)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch_compiled(case, flat=False):
    """The whole step in one graph, by torch.func: several times quicker on small networks than a compiled model whose
    backward pass and optimizer are called from Python. flat: all parameters in one array, as we have them."""
    import torch

    model, X, y = torch_network(case)
    update = torch_update(case, flat)
    params = [p.detach() for p in model.parameters()]
    if flat:
        params = [torch.cat([p.ravel() for p in params])]
    m, v = ([torch.zeros_like(p) for p in params] for _ in "mv")
    t = torch.zeros(())
    return lambda: update(params, m, v, t, X, y)


@cache
def torch_update(case, flat):
    import torch

    torch.compiler.reset()
    model, _, _ = torch_network(case)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]

    def loss(params, X, y):
        if flat:
            params = [part.view(shape) for part, shape in zip(params[0].split(sizes), shapes.values())]
        logits = torch.func.functional_call(model, dict(zip(shapes, params)), X)
        return torch.nn.functional.cross_entropy(logits, y)

    def update(params, m, v, t, X, y):
        grads, value = torch.func.grad_and_value(loss)(params, X, y)
        t += 1
        for p, g, a, b in zip(params, grads, m, v):
            a.lerp_(g, 0.1)
            b.mul_(0.999).addcmul_(g, g, value=0.001)
            p -= 1e-3 * (a / (1 - 0.9**t)) / ((b / (1 - 0.999**t)).sqrt() + 1e-8)
        return value

    return torch.compile(update, fullgraph=True, dynamic=False, options={"cpp_wrapper": True})


# --- JAX --------------------------------------------------------------------------------------------------------------


def jax_jit(case, flat=False):
    """flat: all parameters in one array, which helps small networks and hurts large ones."""
    import jax
    import optax
    from jax.flatten_util import ravel_pytree

    X, y, params = jax.tree.map(jax.numpy.asarray, (*data(*case), weights(case[0])))
    if flat:
        params, _ = ravel_pytree(params)
    state = optax.adam(1e-3).init(params)
    update = jax_update(case, flat)

    def step():
        nonlocal params, state
        params, state, loss = update(params, state, X, y)
        return loss.block_until_ready()  # all that one call returns is ready at once

    return step


def jax_scan(case, flat=False):
    """An epoch in lax.scan, which gathers each batch: one call, as ours."""
    import jax
    import optax
    from jax.flatten_util import ravel_pytree

    X, y, order, params = jax.tree.map(jax.numpy.asarray, (*samples(case), weights(case[0])))
    if flat:
        params, _ = ravel_pytree(params)
    state, order = optax.adam(1e-3).init(params), order.reshape(-1, case[1])
    epoch = jax_epoch(case, flat)

    def run():
        nonlocal params, state
        params, state, loss = epoch(params, state, order, X, y)
        return loss.block_until_ready()

    return run


@cache
def jax_epoch(case, flat):
    import jax

    update = jax_one_update(case, flat)

    def epoch(params, state, order, X, y):
        def body(carry, rows):
            *carry, loss = update(*carry, X[rows], y[rows])
            return carry, loss

        (params, state), losses = jax.lax.scan(body, [params, state], order)
        return params, state, losses.mean()

    return jax.jit(epoch, donate_argnums=(0, 1))


@cache
def jax_update(case, flat):
    import jax

    return jax.jit(jax_one_update(case, flat), donate_argnums=(0, 1))


def jax_one_update(case, flat):
    import jax
    import optax
    from jax.flatten_util import ravel_pytree

    _, tree = ravel_pytree(weights(case[0]))

    def loss(params, X, y):
        *hidden, (W, b) = tree(params) if flat else params
        for V, c in hidden:
            X = jax.nn.relu(X @ V + c)
        return optax.losses.softmax_cross_entropy_with_integer_labels(X @ W + b, y).mean()

    def update(params, state, X, y):
        value, grads = jax.value_and_grad(loss)(params, X, y)
        changes, state = optax.adam(1e-3).update(grads, state)
        return optax.apply_updates(params, changes), state, value

    return update


# --- on NumPy, and by hand --------------------------------------------------------------------------------------------


def numpy_adam(arrays):
    """Views of one flat array of parameters, and Adam as a function of their gradients, without temporary arrays."""
    import numpy as np

    p = np.concatenate([a.ravel() for a in arrays])
    m, v, a, b = (np.zeros_like(p) for _ in range(4))
    ends = np.cumsum([a.size for a in arrays])
    t = 0

    def update(grads):
        nonlocal t
        t += 1
        g = np.concatenate([g.ravel() for g in grads])
        np.multiply(m, 0.9, out=m)
        np.add(m, np.multiply(g, 0.1, out=a), out=m)
        np.multiply(v, 0.999, out=v)
        np.add(v, np.multiply(np.multiply(g, g, out=g), 0.001, out=g), out=v)
        np.add(np.sqrt(np.divide(v, 1 - 0.999**t, out=a), out=a), 1e-8, out=a)
        np.subtract(p, np.divide(np.multiply(m, 1e-3 / (1 - 0.9**t), out=b), a, out=b), out=p)

    return [view.reshape(array.shape) for view, array in zip(np.split(p, ends[:-1]), arrays)], update


def autograd(case):
    import autograd.numpy as np
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    X, y = data(*case)
    rows = np.arange(len(y))
    params, update = numpy_adam(sum(weights(case[0]), ()))

    def loss(params):
        x = X
        for i in range(0, len(params), 2):
            x = np.dot(np.maximum(x, 0) if i else x, params[i]) + params[i + 1]
        return np.mean(logsumexp(x, axis=1) - x[rows, y])

    gradient = value_and_grad(loss)

    def step():
        value, grads = gradient(params)
        update(grads)
        return value

    return step


def mygrad(case):
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    mg.turn_memory_guarding_off()
    X, y = data(*case)
    arrays, update = numpy_adam(sum(weights(case[0]), ()))
    params = [mg.tensor(a, copy=False) for a in arrays]

    def step():
        x = X
        for i in range(0, len(params), 2):
            x = (relu(x) if i else x) @ params[i] + params[i + 1]
        loss = softmax_crossentropy(x, y)
        loss.backward()
        update([p.grad for p in params])
        return loss

    return step


def micrograd(case):
    """Scalars, in Python's floats. It has no exp, so that softmax and cross-entropy are one Value, for its good."""
    from math import exp, log, sqrt

    from micrograd.engine import Value
    from micrograd.nn import MLP

    sizes, batch = case
    if batch * sum(i * o for i, o in pairwise(sizes)) > 20_000:
        return None
    X, y = (a.tolist() for a in data(*case))
    model = MLP(sizes[0], list(sizes[1:]))
    for layer, (W, b) in zip(model.layers, weights(sizes)):
        for neuron, column, bias in zip(layer.neurons, W.T.tolist(), b.tolist()):
            neuron.b.data = bias
            for w, number in zip(neuron.w, column):
                w.data = number
    params = model.parameters()
    m, v = [0.0] * len(params), [0.0] * len(params)
    t = 0

    def cross_entropy(rows):
        powers = [[exp(value.data) for value in row] for row in rows]
        value = sum(log(sum(e)) - row[label].data for e, row, label in zip(powers, rows, y)) / batch
        out = Value(value, [value for row in rows for value in row])

        def backward():
            for e, row, label in zip(powers, rows, y):
                scale = out.grad / sum(e) / batch
                for power, value in zip(e, row):
                    value.grad += power * scale
                row[label].grad -= out.grad / batch

        out._backward = backward
        return out

    def step():
        nonlocal t
        t += 1
        model.zero_grad()
        loss = cross_entropy([model(x) for x in X])
        loss.backward()
        rate, c = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        for i, p in enumerate(params):
            m[i] = 0.9 * m[i] + 0.1 * p.grad
            v[i] = 0.999 * v[i] + 0.001 * p.grad * p.grad
            p.data -= rate * m[i] / (sqrt(c * v[i]) + 1e-8)
        return loss.data

    return step


# --- tinygrad ---------------------------------------------------------------------------------------------------------


@cache  # what is captured belongs to its arrays, so that later rounds go on with the first model
def tinygrad(case):
    """With its search for fast kernels: minutes at the first run, then kept in the folder of temporary files."""
    if not shutil.which(os.environ.get("CC", "clang")):
        raise ImportError("tinygrad needs clang, or another compiler's name in CC")
    found = f"{tempfile.gettempdir()}/tinygrad-{THREADS}.db"  # apart: what was found for two threads fails with one
    os.environ.update({"DEV": "CPU", "TRAINING": "1", "FUSE_OPTIM": "1", "BEAM": "2", "CACHEDB": found})
    from tinygrad import Device, Tensor, TinyJit, nn

    X, y = data(*case)
    X, y = Tensor(X).realize(), Tensor(y.astype("int32")).realize()
    layers = [nn.Linear(*W.shape) for W, _ in weights(case[0])]
    for layer, (W, b) in zip(layers, weights(case[0])):
        layer.weight.assign(Tensor(W.T.copy())).realize()
        layer.bias.assign(Tensor(b)).realize()
    optimizer = nn.optim.Adam(nn.state.get_parameters(layers), lr=1e-3)

    @TinyJit
    def update():
        optimizer.zero_grad()
        x = X
        for layer in layers[:-1]:
            x = layer(x).relu()
        loss = layers[-1](x).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*optimizer.schedule_step())

    def step():
        loss = update()
        Device[Device.DEFAULT].synchronize()
        return loss

    return step
