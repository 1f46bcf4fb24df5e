"""Rules that look at matrices, layers and all parameters: references on matrices, laws, groups and threads."""

import naive
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras import kernels, threads as shared
from tinygrad_edu.extras.whole_optimizers import Whole

adam = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1}
RULES = [cls for cls in tg.optimizers.RULES.values() if issubclass(cls, Whole)]
every_rule = pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)
LEARNING = {tg.DoG: {"distance": 0.05}, tg.DAdaptAdam: {"d": 0.05}, tg.Prodigy: {"d": 0.05}}


def problem(shape, steps=40, seed=0):
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((steps, *shape)) * rng.choice([1e-2, 1, 30], (steps, 1, 1))
    gradients[5:8] = 0
    return rng.standard_normal(shape), gradients, np.where(np.arange(steps) < 20, 0.05, 0.01)


def trajectory(params, optimizer, gradients, rates):
    points = []
    for gs, lr in zip(gradients, rates):
        for p, g in zip(params, gs):
            p.grad = np.array(g)
        optimizer.lr = float(lr)
        optimizer.step()
        points.append([p.numpy() for p in params])
    return points


@pytest.mark.parametrize("shape", [(6, 4), (3, 7), (1, 5), (5, 1)])
@pytest.mark.parametrize(
    ("cls", "reference", "hyper"),
    [
        (tg.Adafactor, naive.adafactor, {"power": 0.7, "eps": 1e-3, "least": 0.5, "most": 0.8, "weight_decay": 0.1}),
        (tg.SM3, naive.sm3, {"momentum": 0.8, "eps": 1e-4}),
        (tg.Muon, naive.muon, {"momentum": 0.8, **adam}),
        (tg.Shampoo, naive.shampoo, {"eps": 0.1}),
        (tg.SOAP, naive.soap, {**adam, "every": 4}),
    ],
)
def test_a_matrix_beside_a_vector_takes_the_steps_of_the_paper(cls, reference, hyper, shape):
    W0, gradients, rates = problem(shape)
    if cls is tg.Muon:
        gradients[5:8] = 0.1 * W0  # of a direction of length 0 the singular vectors are arbitrary
    W, b = tg.Tensor(W0, requires_grad=True, name="W"), tg.Tensor(W0[0], requires_grad=True, name="b")
    got = trajectory([W, b], cls([W, b], **hyper), [(g, g[0]) for g in gradients], rates)
    if 1 not in shape or cls in (tg.Adafactor, tg.SM3):  # else it is a vector in our eyes
        np.testing.assert_allclose([a for a, _ in got], reference(W0, gradients, rates, **hyper), rtol=1e-9, atol=1e-10)
    vectors = [g[0] for g in gradients]
    np.testing.assert_allclose([c for _, c in got], reference(W0[0], vectors, rates, **hyper), rtol=1e-10, atol=1e-12)


# --- laws of each kind ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "hyper"), [(tg.LAMB, {"eps": 1e-300}), (tg.LARS, {}), (tg.Fromage, {})])
def test_a_layer_twice_as_large_takes_steps_twice_as_long(cls, hyper):
    """The relative change of a layer does not depend on the size of its gradients: bit for bit, by powers of 2."""
    W0, gradients, rates = problem((3, 4))
    ends = []
    for size, slope in ((1, 1), (8, 1), (1, 0.25)):
        W = tg.Tensor(size * W0, requires_grad=True)
        (end,) = trajectory([W], cls([W], **hyper), slope * gradients[:, None], rates)[-1]
        ends.append(end / size)
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])


@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (9, 9)])
def test_muons_step_has_singular_values_near_1_and_the_gradients_directions(shape):
    u = np.random.default_rng(0).standard_normal(shape)
    step = kernels.orthogonal(u.ravel(), shape[1]).reshape(shape)
    values = np.linalg.svd(step, compute_uv=False)
    assert 0.6 < values.min() <= values.max() < 1.25
    U, _, Vt = np.linalg.svd(u, full_matrices=False)
    rotated = U.T @ step @ Vt.T
    np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=1e-12)


def test_the_three_points_of_schedule_free():
    """x is the mean of all z, p between the two; with beta = 0, z takes the steps of SGD."""
    rng = np.random.default_rng(0)
    p, q = (tg.Tensor(np.ones(3), requires_grad=True) for _ in "pq")
    ours, plain, points = tg.ScheduleFree([p], lr=0.1, beta=0.7), tg.SGD([q], lr=0.1), []
    for g in rng.standard_normal((50, 3)):
        p.grad = q.grad = g
        ours.step()
        plain.step()
        points.append(q.numpy())
        np.testing.assert_allclose(ours.z, points[-1], rtol=1e-12)
        np.testing.assert_allclose(ours.x, np.mean(points, axis=0), rtol=1e-12)
        np.testing.assert_allclose(p.numpy(), 0.7 * ours.x + 0.3 * ours.z, rtol=1e-12)


@pytest.mark.parametrize(("cls", "beta"), [(tg.ScheduleFree, "beta"), (tg.ScheduleFreeAdamW, "beta1")])
def test_in_a_warm_up_from_0_the_points_of_schedule_free_weigh_the_square_of_their_rates(cls, beta):
    rates, points = [0.0, 0.0, 0.01, 0.02, 0.05, 0.05, 0.01], []
    p = tg.Tensor(np.ones(3), requires_grad=True)
    optimizer = cls([p], lr=lambda t: rates[t - 1], **{beta: 0.7})
    for t, g in enumerate(np.random.default_rng(0).standard_normal((7, 3)), start=1):
        p.grad = g
        optimizer.step()
        points.append(optimizer.z.copy())
        weights = np.square(rates[:t])
        expected = np.average(points, axis=0, weights=weights) if weights.any() else np.ones(3)
        np.testing.assert_allclose(optimizer.x, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_shampoos_and_soaps_matrices_are_those_of_the_gradients(shape):
    """Sums and averages of products. Gradients that have a pair of bases in common give SOAP these as its bases."""
    random = np.random.default_rng(0)
    U, V = (np.linalg.qr(random.standard_normal((n, n)))[0] for n in shape)
    S = np.zeros(shape)
    np.fill_diagonal(S, [5.0, 2.0, 1.0])
    gradients = [U @ (S * size) @ V.T for size in (1.0, -3.0, 0.5, 2.0)]
    for cls in (tg.Shampoo, tg.SOAP):
        p = tg.Tensor(random.standard_normal(shape), requires_grad=True)
        optimizer = cls([p])
        before = p.numpy()
        for g in gradients:
            p.grad = g
            optimizer.step()
        share = [1.0] * 4 if cls is tg.Shampoo else [0.05 * 0.95**k for k in (3, 2, 1, 0)]
        for average, products in (("a", [g @ g.T for g in gradients]), ("b", [g.T @ g for g in gradients])):
            expected = sum(k * product for k, product in zip(share, products, strict=True))
            np.testing.assert_allclose(getattr(optimizer, average).reshape(expected.shape), expected, atol=1e-12)
        step = U.T @ (before - p.numpy()) @ V  # turned into the gradients' own directions it is diagonal
        if cls is tg.Shampoo:
            np.testing.assert_allclose(step - np.where(S > 0, step, 0), 0, atol=1e-12)
            continue
        for name, basis in (("c", U), ("d", V)):
            found = getattr(optimizer, name).reshape(basis.shape)
            np.testing.assert_allclose(found.T @ found, np.eye(len(basis)), atol=1e-12)
            np.testing.assert_allclose(abs(found.T @ basis)[:3, :3], np.eye(3), atol=1e-7)


def test_cautious_rules_never_move_against_the_gradient():
    W0, gradients, rates = problem((3, 4))
    for cls in (tg.CautiousAdamW, tg.CautiousLion):
        W = tg.Tensor(W0, requires_grad=True)
        points = [W0, *(a for (a,) in trajectory([W], cls([W], weight_decay=0.0), gradients[:, None], rates))]
        assert all(np.all((after - before) * g <= 0) for before, after, g in zip(points, points[1:], gradients))


def test_the_estimates_never_fall_and_reach_the_order_of_the_distance():
    for cls in (tg.DAdaptAdam, tg.Prodigy):
        p = tg.Tensor(np.full(4, 5.0), requires_grad=True)
        optimizer, seen = cls([p]), [1e-6]
        for _ in range(400):
            optimizer.zero_grad()
            ((p - 1) * (p - 1)).sum().backward()
            optimizer.step()
            seen.append(optimizer.groups[0]["d"])
        assert np.all(np.diff(seen) >= 0)
        assert 0.4 < seen[-1] < 5  # each number is 4 from the solution


@pytest.mark.parametrize(("cls", "reference"), [(tg.DAdaptAdam, naive.dadapt_adam), (tg.Prodigy, naive.prodigy)])
def test_while_all_gradients_agree_the_estimate_grows_as_in_the_paper(cls, reference):
    rng = np.random.default_rng(0)
    p0, gradients = rng.standard_normal(5), np.abs(rng.standard_normal((60, 5)))
    hyper = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.01, "d": 1e-3}
    p = tg.Tensor(p0, requires_grad=True)
    optimizer = cls([p], **hyper)
    got = trajectory([p], optimizer, gradients[:, None], [1.0] * 60)
    expected = reference(p0, gradients, [1.0] * 60, **hyper)
    np.testing.assert_allclose([a for (a,) in got], expected, rtol=1e-10, atol=1e-12)
    assert optimizer.groups[0]["d"] > 1e-2


# --- groups, frozen parameters, threads -----------------------------------------------------------------------------


@every_rule
def test_groups_and_neighbours_do_not_matter(cls):
    """One group or two, one buffer or a frozen parameter between: the steps are the same bits."""
    W0, gradients, rates = problem((3, 4), 12)
    hyper, ends = LEARNING.get(cls, {}), []
    for way in ("one", "groups", "frozen"):
        W, b = tg.Tensor(W0, requires_grad=True, name="W"), tg.Tensor(W0[0], requires_grad=True, name="b")
        c = tg.Tensor(np.ones(2), requires_grad=True, name="c")
        params = [{"params": [W]}, {"params": [b]}] if way == "groups" else [W, c, b] if way == "frozen" else [W, b]
        optimizer = cls(params, **hyper)
        if way == "frozen":
            optimizer.freeze("c")
            c.grad = np.ones(2)
        ends.append(trajectory([W, b], optimizer, [(g, g[0]) for g in gradients], rates)[-1])
    for other in ends[1:]:
        for one, end in zip(ends[0], other):
            if cls is tg.DoG:  # its first distance is of all parameters, frozen ones too; given here, and sums differ
                np.testing.assert_allclose(end, one, rtol=1e-12)
            else:
                np.testing.assert_array_equal(end, one)


@every_rule
def test_no_thread_gets_a_slice(cls, monkeypatch):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((40, 25)), rng.standard_normal((2, 40, 25))

    def end():
        p = tg.Tensor(start, requires_grad=True)
        return trajectory([p], cls([p]), gradients[:, None], [0.1] * 2)[-1]

    alone = end()
    monkeypatch.setattr(shared, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(shared, "threads", 3)
    np.testing.assert_array_equal(end(), alone)


@every_rule
def test_in_float32_all_stays_float32(cls):
    W = tg.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    optimizer = cls([W])
    W.grad = np.full((2, 3), 0.5, np.float32)
    optimizer.step()
    assert {a.dtype for a in (optimizer.buffer.data, *optimizer.averages.values())} == {np.dtype(np.float32)}
    assert np.isfinite(optimizer.buffer.data).all()


@pytest.mark.parametrize("name", ["shampoo", "soap", "muon"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_go_on_as_nan(name, bad):
    """NumPy's eigenvalues of such a matrix are an error, and "propagate" asks for none."""
    p = tg.Tensor(np.ones((3, 2)), requires_grad=True)
    optimizer = tg.optimizers.RULES[name]([p], lr=0.1, nonfinite="propagate")
    with np.errstate(all="ignore"):
        for _ in range(12):
            optimizer.zero_grad()
            (p * [1.0, bad]).sum().backward()
            optimizer.step()
    assert np.isnan(p.data).all()
