"""The engine against PyTorch, in float64: losses, layers, and the gradients of whole networks."""

import numpy as np
import pytest
from ops_table import ROWS
from random_graphs import GRAPHS, cases, random_graph, result

import tinygrad_edu as tg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
F = torch.nn.functional if torch else None
rng = np.random.default_rng(0)
X, LABELS = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
P, T = rng.standard_normal((8, 3)), rng.standard_normal((8, 3))


@pytest.mark.parametrize(
    ("ours", "theirs", "targets"),
    [
        (tg.mse_loss, F.mse_loss, T),
        (tg.l1_loss, F.l1_loss, T),
        (tg.huber_loss, F.huber_loss, T),
        (tg.cross_entropy, F.cross_entropy, LABELS),
        (tg.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits, (T > 0) * 1.0),
        (tg.hinge_loss, lambda p, t: F.relu(1 - p * t).mean(), np.sign(T)),
    ],
)
def test_losses_and_their_gradients(ours, theirs, targets):
    p, q = tg.Tensor(P, requires_grad=True), torch.tensor(P, requires_grad=True)
    a, b = ours(p, targets), theirs(q, torch.tensor(targets))
    a.backward()
    b.backward()
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-13)
    np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-12, atol=1e-16)


ACTIVATIONS = {
    "relu": torch.nn.ReLU(),
    "leaky_relu": torch.nn.LeakyReLU(),
    "elu": torch.nn.ELU(),
    "silu": torch.nn.SiLU(),
    "gelu": torch.nn.GELU(),
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
    "softplus": torch.nn.Softplus(),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_trains_along_the_same_numbers(activation):
    first, middle, last = tg.Linear(5, 6, rng=0), tg.mlp([6, 7, 6], activation, rng=1), tg.Linear(6, 3, rng=2)
    model = tg.Sequential(first, tg.BatchNorm1d(6), middle, tg.LayerNorm(6), last)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 7), ACTIVATIONS[activation],
        torch.nn.Linear(7, 6), torch.nn.LayerNorm(6), torch.nn.Linear(6, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        for p, q in zip(model.parameters(), theirs.parameters(), strict=True):
            q.copy_(torch.tensor(p.numpy().T if p.ndim == 2 else p.numpy()))
    optimizer, other = tg.Adam(model, lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        other.zero_grad()
        a, b = tg.cross_entropy(model(X), LABELS), F.cross_entropy(theirs(torch.tensor(X)), torch.tensor(LABELS))
        a.backward()
        b.backward()
        np.testing.assert_allclose(a.item(), b.item(), rtol=1e-9)
        optimizer.step()
        other.step()
    for p, q in zip(model.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            p.numpy(), q.detach().numpy().T if p.ndim == 2 else q.detach().numpy(), rtol=1e-7, atol=1e-9
        )
    theirs.eval()
    np.testing.assert_allclose(model.eval()(X).numpy(), theirs(torch.tensor(X)).detach().numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.torch])
def test_every_op_on_random_arguments(name):
    for case, arrays, keywords, rng in cases(name, 40):
        ours = [tg.Tensor(a, requires_grad=True) for a in arrays]
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        y = result(name, ours, keywords, "ours")
        if y.size == 0:  # torch.var would warn that it has nothing to do
            continue
        z = result(name, theirs, keywords, "torch")
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-13, err_msg=case, strict=True)
        weights = rng.standard_normal(y.shape)
        y.backward(weights)
        z.backward(torch.tensor(weights))
        compare([t.grad for t in ours], theirs, case)


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_random_graphs(seed):
    graph = random_graph(np.random.default_rng(seed))
    ours = [tg.Tensor(leaf, requires_grad=True) for leaf in graph.leaves]
    theirs = [torch.tensor(leaf, requires_grad=True) for leaf in graph.leaves]
    a, b = graph.loss(ours, "ours"), graph.loss(theirs, "torch")
    a.backward()
    b.backward()
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-10)
    compare([t.grad for t in ours], theirs, f"graph {seed}")


def compare(gradients, theirs, case):
    """Equal to 1e-10 of the largest number among them; a leaf without an influence may have None or zeros."""
    expected = np.concatenate([(torch.zeros_like(t) if t.grad is None else t.grad).ravel() for t in theirs])
    got = np.concatenate(
        [np.zeros(t.numel()) if g is None else g.ravel() for g, t in zip(gradients, theirs, strict=True)]
    )
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max(initial=0), err_msg=case)
