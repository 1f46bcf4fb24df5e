"""The table of all update rules, and how the tests run them: ours, and the same with torch.optim."""

import naive
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.learning_optimizers import Learning
from tinygrad_edu.extras.whole_optimizers import Whole

adam, rms = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}, {"rho": 0.95, "eps": 1e-6}
betas = {"betas": (0.8, 0.95), "eps": 1e-6}
decay = {"weight_decay": 0.1}
decoupled = {**decay, "decoupled_weight_decay": True}
# class, reference, hyper-parameters, the same for torch.optim: (class, arguments)
ROWS = [
    (tg.SGD, naive.sgd, {}, ("SGD", {})),
    (tg.Momentum, naive.momentum, {"beta": 0.8, "bias_correction": False}, None),
    (tg.Momentum, naive.momentum, {"beta": 0.8, "bias_correction": True}, None),
    (tg.HeavyBall, naive.heavy_ball, {"momentum": 0.8}, ("SGD", {"momentum": 0.8})),
    (
        tg.HeavyBall,
        naive.heavy_ball,
        {"momentum": 0.8, "dampening": 0.3},
        ("SGD", {"momentum": 0.8, "dampening": 0.3}),
    ),
    (tg.Nesterov, naive.nesterov, {"momentum": 0.8}, ("SGD", {"momentum": 0.8, "nesterov": True})),
    (tg.Adagrad, naive.adagrad, {"lr_decay": 0.01, "eps": 1e-6}, ("Adagrad", {"lr_decay": 0.01, "eps": 1e-6})),
    (
        tg.Adagrad,
        naive.adagrad,
        {"lr_decay": 0.01, "eps": 1e-6, "initial": 0.1},
        ("Adagrad", {"lr_decay": 0.01, "eps": 1e-6, "initial_accumulator_value": 0.1}),
    ),
    (tg.Adadelta, naive.adadelta, {"rho": 0.8, "eps": 1e-5}, ("Adadelta", {"rho": 0.8, "eps": 1e-5})),
    (tg.RMSprop, naive.rmsprop, rms, ("RMSprop", {"alpha": 0.95, "eps": 1e-6})),
    *(
        (tg.RMSprop, naive.rmsprop, {**rms, **variant}, ("RMSprop", {"alpha": 0.95, "eps": 1e-6, **variant}))
        for variant in ({"centered": True}, {"momentum": 0.8}, {"momentum": 0.8, "centered": True})
    ),
    (tg.Adam, naive.adam, adam, ("Adam", betas)),
    (tg.AdamW, naive.adam, {**adam, "weight_decay": 0.1}, ("AdamW", {**betas, "weight_decay": 0.1})),
    (tg.AMSGrad, naive.amsgrad, adam, ("Adam", {**betas, "amsgrad": True})),
    (tg.AMSGrad, naive.amsgrad, {**adam, **decay}, ("Adam", {**betas, **decoupled, "amsgrad": True})),
    (tg.Adamax, naive.adamax, adam, ("Adamax", betas)),
    (tg.Adamax, naive.adamax, {**adam, **decay}, None),
    (tg.NAdam, naive.nadam, {**adam, "momentum_decay": 0.02}, ("NAdam", {**betas, "momentum_decay": 0.02})),
    (
        tg.NAdam,
        naive.nadam,
        {**adam, "momentum_decay": 0.02, **decay},
        ("NAdam", {**betas, "momentum_decay": 0.02, **decoupled}),
    ),
    (tg.RAdam, naive.radam, adam, ("RAdam", betas)),
    (tg.RAdam, naive.radam, {**adam, **decay}, ("RAdam", {**betas, **decoupled})),
    (
        tg.Rprop,
        naive.rprop,
        {"down": 0.6, "up": 1.3, "least": 1e-3, "most": 0.02},
        ("Rprop", {"etas": (0.6, 1.3), "step_sizes": (1e-3, 0.02)}),
    ),
    (
        tg.ASGD,
        naive.asgd,
        {"lambd": 0.1, "alpha": 0.6, "t0": 50},
        ("ASGD", {"lambd": 0.1, "alpha": 0.6, "t0": 50}),
    ),
    (tg.SignSGD, naive.signsgd, {}, None),
    (tg.Signum, naive.signum, {"beta": 0.8}, None),
    (tg.Signum, naive.signum, {"beta": 0.8, **decay}, None),
    (tg.Lion, naive.lion, {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1}, None),
    (tg.OptimisticGradient, naive.optimistic_gradient, {"optimism": 0.7}, None),
    (tg.OptimisticAdam, naive.optimistic_adam, {**adam, "optimism": 0.7}, None),
    (tg.COCOB, naive.cocob, {"alpha": 2.0, "eps": 0.5}, None),
    (tg.Yogi, naive.yogi, {**adam, "eps": 1e-3}, None),
    (tg.QHM, naive.qhm, {"beta": 0.95, "nu": 0.6}, None),
    (tg.QHAdam, naive.qhadam, {**adam, "nu1": 0.6, "nu2": 0.9}, None),
    (tg.AdaBound, naive.ada_bound, {**adam, "final": 3.0, "gamma": 0.05}, None),
    (tg.AdaBelief, naive.ada_belief, {**adam, "eps": 1e-8}, None),
    (tg.Adan, naive.adan, {"beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "eps": 1e-6, **decay}, None),
    (tg.ADOPT, naive.adopt, {**adam, "eps": 0.05}, None),
    (tg.AdEMAMix, naive.ademamix, {**adam, "beta3": 0.99, "alpha": 3.0, **decay}, None),
    (tg.ScheduleFree, naive.schedule_free, {"beta": 0.8}, None),
    (tg.ScheduleFreeAdamW, naive.schedule_free_adamw, {**adam, **decay}, None),
    (tg.LARS, naive.lars, {"momentum": 0.8, "trust": 0.02, **decay}, None),
    (tg.LAMB, naive.lamb, {**adam, **decay}, None),
    (tg.NovoGrad, naive.novo_grad, {**adam, **decay}, None),
    (tg.Fromage, naive.fromage, {}, None),
    (tg.CautiousAdamW, naive.cautious_adamw, {**adam, **decay}, None),
    (tg.CautiousLion, naive.cautious_lion, {"beta1": 0.8, "beta2": 0.95, **decay}, None),
    (tg.MARS, naive.mars, {**adam, "gamma": 0.05, **decay}, None),
    (tg.Adafactor, naive.adafactor, {"power": 0.7, "eps": 0.05, "least": 0.9, "most": 0.7, **decay}, None),
    (tg.SM3, naive.sm3, {"momentum": 0.8, "eps": 1e-3}, None),
    (tg.DoG, naive.dog, {"eps": 1e-3, "distance": 0.01}, None),
    (tg.DAdaptAdam, naive.dadapt_adam, {**adam, **decay, "d": 0.05}, None),
    (tg.Prodigy, naive.prodigy, {**adam, **decay, "d": 0.05}, None),
    (tg.Muon, naive.muon, {"momentum": 0.8, **decay, **adam}, None),
    (tg.Shampoo, naive.shampoo, {"eps": 1e-3}, None),
    (tg.SOAP, naive.soap, {**adam, **decay, "every": 3}, None),
]
IDS = [f"{row[0].__name__}{i}" for i, row in enumerate(ROWS)]
CLASSES = list(dict.fromkeys(row[0] for row in ROWS))
every_row = pytest.mark.parametrize(("cls", "reference", "hyper", "torch_row"), ROWS, ids=IDS)
every_row_of_torch = pytest.mark.parametrize(
    ("cls", "reference", "hyper", "torch_row"),
    [row for row in ROWS if row[3]],
    ids=lambda x: getattr(x, "__name__", ""),
)
ELEMENTWISE = [cls for cls in CLASSES if not issubclass(cls, Whole)]
every_elementwise_row = pytest.mark.parametrize(
    ("cls", "reference", "hyper", "torch_row"),
    [row for row in ROWS if row[0] in ELEMENTWISE],
    ids=[name for row, name in zip(ROWS, IDS) if row[0] in ELEMENTWISE],
)
SEPARATE = [cls for cls in CLASSES if not issubclass(cls, Learning)]  # a parameter does not know of the others
every_separate_row = pytest.mark.parametrize(
    ("cls", "reference", "hyper", "torch_row"),
    [row for row in ROWS if row[0] in SEPARATE],
    ids=[name for row, name in zip(ROWS, IDS) if row[0] in SEPARATE],
)
every_elementwise_class = pytest.mark.parametrize("cls", ELEMENTWISE, ids=lambda cls: cls.__name__)
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def problem(steps=200, size=7):
    """First parameters, random gradients with zeros between them, and learning rates that change."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((steps, size)) * rng.choice([1e-3, 1, 30], (steps, 1))
    gradients[20:25] = 0
    gradients[:, 3] = 0
    rates = np.where(np.arange(steps) < 100, 0.01, 0.002)
    return rng.standard_normal(size), gradients, rates


def run(optimizer, p, gradients, rates):
    trajectory = []
    for g, lr in zip(gradients, rates):
        p.grad = g.astype(p.dtype)
        optimizer.lr = float(lr)
        optimizer.step()
        trajectory.append(p.numpy())
    return trajectory


def path(cls, gradients, start=0.0, dtype=np.float64, **hyper):
    """The parameters after each step."""
    p = tg.Tensor(np.full(np.shape(gradients)[1:], start, dtype), requires_grad=True)
    optimizer, points = cls([p], **hyper), []
    for g in gradients:
        p.grad = np.array(g, dtype)
        optimizer.step()
        points.append(p.numpy())
    return np.array(points)


def two():
    return [tg.Tensor([1.0, 2.0], requires_grad=True, name="a"), tg.Tensor([3.0], requires_grad=True, name="b")]


def torchs(torch_row, p0, gradients, rates, l2=0.0):
    """The trajectory of torch.optim, and the optimizer. weight_decay is what l2 is outside AdamW."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # in which NAdam and ASGD keep their numbers
    name, arguments = torch_row
    if name == "ASGD":  # computes the rate of a step at the end of the one before
        rates = [*rates[1:], rates[-1]]
    p, trajectory = torch.tensor(p0, requires_grad=True), []
    optimizer = getattr(torch.optim, name)([p], **{"lr": 0.01, **arguments, **({"weight_decay": l2} if l2 else {})})
    for g, lr in zip(gradients, rates):
        p.grad = torch.tensor(g)
        optimizer.param_groups[0]["lr"] = float(lr)
        optimizer.step()
        trajectory.append(p.detach().numpy().copy())
    torch.set_default_dtype(before)
    return trajectory, optimizer
