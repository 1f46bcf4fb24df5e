"""Slow, obvious references, written from the papers. They import nothing of the package that they judge.

An update rule takes the first parameters, one gradient and one learning rate for each step, and its hyper-parameters,
and returns the parameters after each step.
"""

import numpy as np


def sgd(p, gradients, rates):
    trajectory = []
    for g, lr in zip(gradients, rates):
        p = p - lr * g
        trajectory.append(p)
    return trajectory


def momentum(p, gradients, rates, beta, bias_correction):
    """V = beta V + (1 - beta) g, from V = 0; the corrected average is V / (1 - beta^t)."""
    V, trajectory = np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        V = beta * V + (1 - beta) * g
        V_corrected = V / (1 - beta**t) if bias_correction else V
        p = p - lr * V_corrected
        trajectory.append(p)
    return trajectory


def heavy_ball(p, gradients, rates, momentum):
    """Polyak 1964, with the first velocity equal to the first gradient."""
    velocity, trajectory = None, []
    for g, lr in zip(gradients, rates):
        velocity = g if velocity is None else momentum * velocity + g
        p = p - lr * velocity
        trajectory.append(p)
    return trajectory


def nesterov(p, gradients, rates, momentum):
    """Sutskever et al. 2013 as torch.optim.SGD has it: step along g + momentum · (new velocity)."""
    velocity, trajectory = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        velocity = momentum * velocity + g
        p = p - lr * (g + momentum * velocity)
        trajectory.append(p)
    return trajectory


def adagrad(p, gradients, rates, lr_decay, eps):
    """Duchi, Hazan & Singer 2011: divide by the root of the sum of all squares so far."""
    trajectory = []
    for t, lr in enumerate(rates, start=1):
        G = np.sum([g**2 for g in gradients[:t]], axis=0)
        p = p - lr / (1 + (t - 1) * lr_decay) * gradients[t - 1] / (np.sqrt(G) + eps)
        trajectory.append(p)
    return trajectory


def rmsprop(p, gradients, rates, rho, eps):
    """Tieleman & Hinton 2012. The moving average is written out as the weighted sum that it is."""
    trajectory = []
    for t, lr in enumerate(rates, start=1):
        weights = [(1 - rho) * rho ** (t - k) for k in range(1, t + 1)]
        mean_square = np.sum([w * g**2 for w, g in zip(weights, gradients)], axis=0)
        p = p - lr * gradients[t - 1] / (np.sqrt(mean_square) + eps)
        trajectory.append(p)
    return trajectory


def adam(p, gradients, rates, beta1, beta2, eps, weight_decay=0.0):
    """Kingma & Ba 2015, algorithm 1; with weight_decay Loshchilov & Hutter 2019, algorithm 2, decay scaled by lr."""
    m, v, trajectory = np.zeros_like(p), np.zeros_like(p), []
    for t, (g, lr) in enumerate(zip(gradients, rates), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p = p - lr * weight_decay * p - lr * m_hat / (np.sqrt(v_hat) + eps)
        trajectory.append(p)
    return trajectory


def mlp_gradients(X, labels, weights, biases):
    """Loss and gradients of a ReLU network with softmax cross-entropy, by hand: (loss, [dW], [db])."""
    h, inputs = X, []
    for k, (W, b) in enumerate(zip(weights, biases)):
        inputs.append(h)
        z = h @ W + b
        h = np.where(z > 0, z, 0) if k < len(weights) - 1 else z
    probabilities = np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)
    rows = np.arange(len(X))
    loss = -np.log(probabilities[rows, labels]).mean()
    d = probabilities.copy()
    d[rows, labels] -= 1
    d /= len(X)
    dW, db = [], []
    for k in reversed(range(len(weights))):
        dW.insert(0, inputs[k].T @ d)
        db.insert(0, d.sum(axis=0))
        d = (d @ weights[k].T) * (inputs[k] > 0)
    return loss, dW, db
