"""tinygrad_edu: reverse-mode automatic differentiation and every update rule, small enough to read in one sitting.

>>> import tinygrad_edu as tg
>>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
array([2., 4., 6.])

Read it in this order: `ops`, `tensor`, `losses`, `init`, `layers`, `buffers`, `kernels`, `optimizers`, `schedules`,
`averages`, `gradcheck`, `debugging`, `data`, `train`, `rangetest`; then `surfaces`, `racing` and `trials`.
The package imports NumPy alone; Numba arrives with the first optimizer, matplotlib with the first picture.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import init, losses, ops
from .explain import explain
from .gradcheck import gradcheck
from .layers import (
    ELU,
    GELU,
    BatchNorm1d,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    mlp,
)
from .losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
)
from .tensor import Tensor, apply, concatenate, einsum, no_grad, stack, where

if TYPE_CHECKING:
    from . import data, plots, raceplots, schedules, surfaces
    from .averages import MovingAverage, WeightAverage
    from .buffers import FlatBuffer
    from .compiled import CannotCompile, CompiledStep, compile_step
    from .curvature import grad, hessian, hvp
    from .data import batches
    from .debugging import debug
    from .doctor import Finding, Report, diagnose
    from .kernels import set_num_threads
    from .layerdoctor import diagnose_layer, diagnose_op
    from .optimizers import (
        ASGD,
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        AMSGrad,
        HeavyBall,
        Lion,
        Momentum,
        NAdam,
        Nesterov,
        RAdam,
        RMSprop,
        Rprop,
        SignSGD,
        Signum,
    )
    from .program import Program, trace
    from .racing import Race, race
    from .rangetest import lr_find
    from .ruledoctor import diagnose_optimizer
    from .schedules import ReduceOnPlateau
    from .step import Optimizer
    from .train import Evaluation, History, evaluate, fit
    from .trials import DataRace, race_on_data

__version__ = "0.1.0"

# every method of Tensor that is an op is also a function: tg.exp(x) is x.exp()
# fmt: off
add, sub, mul, div = Tensor.add, Tensor.sub, Tensor.mul, Tensor.div
neg, pow, matmul, linear = Tensor.neg, Tensor.pow, Tensor.matmul, Tensor.linear
exp, expm1, log, log1p = Tensor.exp, Tensor.expm1, Tensor.log, Tensor.log1p
sin, cos, erf, sqrt, abs = Tensor.sin, Tensor.cos, Tensor.erf, Tensor.sqrt, Tensor.abs
tanh, sigmoid, relu, leaky_relu = Tensor.tanh, Tensor.sigmoid, Tensor.relu, Tensor.leaky_relu
elu, silu, gelu, softplus = Tensor.elu, Tensor.silu, Tensor.gelu, Tensor.softplus
maximum, minimum, clip = Tensor.maximum, Tensor.minimum, Tensor.clip
sum, mean, var, std = Tensor.sum, Tensor.mean, Tensor.var, Tensor.std
norm, prod, cumsum = Tensor.norm, Tensor.prod, Tensor.cumsum
max, min, argmax = Tensor.max, Tensor.min, Tensor.argmax
logsumexp, softmax, log_softmax = Tensor.logsumexp, Tensor.softmax, Tensor.log_softmax
reshape, transpose, squeeze = Tensor.reshape, Tensor.transpose, Tensor.squeeze
expand_dims, broadcast_to = Tensor.expand_dims, Tensor.broadcast_to
flip, pad, take_along_axis = Tensor.flip, Tensor.pad, Tensor.take_along_axis
# fmt: on

_LATER = {  # name: the module that has it. Imported when it is first asked for (PEP 562)
    **dict.fromkeys(["data", "plots", "buffers", "kernels", "step", "optimizers", "train"], ""),
    **dict.fromkeys(
        ["schedules", "averages", "rangetest", "surfaces", "racing", "raceplots", "trials", "debugging"], ""
    ),
    **dict.fromkeys(["doctor", "layerdoctor", "ruledoctor", "mistakes"], ""),
    "FlatBuffer": "buffers",
    "batches": "data",
    "debug": "debugging",
    **dict.fromkeys(
        [
            "SGD",
            "Momentum",
            "HeavyBall",
            "Nesterov",
            "Adagrad",
            "Adadelta",
            "RMSprop",
            "Adam",
            "AdamW",
            "AMSGrad",
            "Adamax",
            "NAdam",
            "RAdam",
            "Rprop",
            "ASGD",
            "SignSGD",
            "Signum",
            "Lion",
        ],
        "optimizers",
    ),
    "Optimizer": "step",
    "set_num_threads": "kernels",
    "ReduceOnPlateau": "schedules",
    **dict.fromkeys(["MovingAverage", "WeightAverage"], "averages"),
    "lr_find": "rangetest",
    **dict.fromkeys(["fit", "evaluate", "History", "Evaluation"], "train"),
    **dict.fromkeys(["diagnose", "Report", "Finding"], "doctor"),
    **dict.fromkeys(["diagnose_op", "diagnose_layer"], "layerdoctor"),
    "diagnose_optimizer": "ruledoctor",
    **dict.fromkeys(["compile_step", "CompiledStep", "CannotCompile"], "compiled"),
    **dict.fromkeys(["trace", "Program"], "program"),
    **dict.fromkeys(["grad", "hessian", "hvp"], "curvature"),
    **dict.fromkeys(["race", "Race"], "racing"),
    **dict.fromkeys(["race_on_data", "DataRace"], "trials"),
}

# what `from tinygrad_edu import *` brings; tg.abs, tg.sum, tg.max, tg.min and tg.pow stay out of it, as in NumPy
# fmt: off
__all__ = [
    "Tensor", "apply", "no_grad", "debug", "gradcheck", "explain", "diagnose", "diagnose_op", "diagnose_layer",
    "diagnose_optimizer", "Report", "Finding", "trace", "Program", "grad", "hessian", "hvp",
    "compile_step", "CompiledStep", "CannotCompile",
    "add", "sub", "mul", "div", "neg", "matmul", "linear", "einsum", "exp", "expm1", "log", "log1p", "sin", "cos",
    "erf", "sqrt", "tanh", "sigmoid", "relu", "leaky_relu", "elu", "silu", "gelu", "softplus", "maximum", "minimum",
    "where", "clip", "mean", "var", "std", "norm", "prod", "cumsum", "argmax", "logsumexp", "softmax", "log_softmax",
    "reshape", "transpose", "squeeze", "expand_dims", "broadcast_to", "flip", "pad", "take_along_axis",
    "concatenate", "stack",
    "mse_loss", "l1_loss", "huber_loss", "cross_entropy", "binary_cross_entropy_with_logits", "hinge_loss",
    "Layer", "Linear", "ReLU", "LeakyReLU", "ELU", "SiLU", "GELU", "Tanh", "Sigmoid", "Softplus", "Softmax", "Flatten",
    "Dropout", "LayerNorm", "BatchNorm1d", "Sequential", "mlp",
    "FlatBuffer", "Optimizer", "SGD", "Momentum", "HeavyBall", "Nesterov", "Adagrad", "Adadelta", "RMSprop", "Adam",
    "AdamW", "AMSGrad", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD", "SignSGD", "Signum", "Lion", "set_num_threads",
    "ReduceOnPlateau", "MovingAverage", "WeightAverage", "batches", "fit", "evaluate", "History", "Evaluation",
    "lr_find", "race", "Race", "race_on_data", "DataRace",
    "ops", "losses", "init", "schedules", "data", "plots", "surfaces", "raceplots",
]
# fmt: on


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'tinygrad_edu' has no attribute {name!r}")
    module = import_module(f".{_LATER[name] or name}", __name__)
    value = getattr(module, name) if _LATER[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    mine = (name for name in globals() if name not in ("Any", "TYPE_CHECKING", "annotations", "import_module"))
    return sorted({*mine, *_LATER})
