"""The public names, each with the place where it lives: `__init__.py` reads this table, and so do type checkers."""

from .compile.step import CompiledStep as CompiledStep, compile_step as compile_step
from .compile.values import CannotCompile as CannotCompile
from .core import buffers as buffers, init as init, losses as losses
from .core.buffers import FlatBuffer as FlatBuffer
from .core.layers import (
    Dropout as Dropout,
    Layer as Layer,
    Linear as Linear,
    ReLU as ReLU,
    Sequential as Sequential,
    Sigmoid as Sigmoid,
    Softplus as Softplus,
    Tanh as Tanh,
    mlp as mlp,
)
from .core.losses import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    cross_entropy as cross_entropy,
    hinge_loss as hinge_loss,
    huber_loss as huber_loss,
    l1_loss as l1_loss,
    mse_loss as mse_loss,
)
from .core.optimizer import Optimizer as Optimizer
from .core.optimizers import (
    SGD as SGD,
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Adam as Adam,
    AdamW as AdamW,
    HeavyBall as HeavyBall,
    Momentum as Momentum,
    Nesterov as Nesterov,
)
from .core.tensor import Tensor as Tensor, apply as apply, no_grad as no_grad
from .doctor.debug import debug as debug
from .doctor.gradcheck import gradcheck as gradcheck
from .doctor.gradients import diagnose as diagnose
from .doctor.layers import diagnose_layer as diagnose_layer, diagnose_op as diagnose_op
from .doctor.report import Finding as Finding, Report as Report
from .doctor.rules import diagnose_optimizer as diagnose_optimizer
from .explain.explanation import explain as explain
from .extras import kernels as kernels, ops as ops, optimizers as optimizers
from .extras.layers import (
    ELU as ELU,
    GELU as GELU,
    BatchNorm1d as BatchNorm1d,
    Flatten as Flatten,
    LayerNorm as LayerNorm,
    LeakyReLU as LeakyReLU,
    SiLU as SiLU,
    Softmax as Softmax,
)
from .extras.numpy_functions import concatenate as concatenate, einsum as einsum, stack as stack, where as where
from .extras.optimizers import (
    ASGD as ASGD,
    Adamax as Adamax,
    AMSGrad as AMSGrad,
    Lion as Lion,
    NAdam as NAdam,
    RAdam as RAdam,
    RMSprop as RMSprop,
    Rprop as Rprop,
    SignSGD as SignSGD,
    Signum as Signum,
)
from .extras.threads import set_num_threads as set_num_threads
from .program.derivatives import grad as grad, hessian as hessian, hvp as hvp
from .program.program import Program as Program
from .program.trace import trace as trace
from .race import pictures as raceplots, surfaces as surfaces
from .race.on_data import DataRace as DataRace, race_on_data as race_on_data
from .race.on_surfaces import Race as Race, race as race
from .training import averages as averages, data as data, pictures as plots, schedules as schedules
from .training.averages import MovingAverage as MovingAverage, WeightAverage as WeightAverage
from .training.data import batches as batches
from .training.fit import evaluate as evaluate, fit as fit
from .training.history import Evaluation as Evaluation, History as History
from .training.lr_find import lr_find as lr_find
from .training.plateau import ReduceOnPlateau as ReduceOnPlateau

__version__: str
# each op that is a method of Tensor is a function too: tg.exp(x) is x.exp(); written by tests/support/face.py
add = Tensor.add
sub = Tensor.sub
mul = Tensor.mul
div = Tensor.div
neg = Tensor.neg
pow = Tensor.pow
matmul = Tensor.matmul
linear = Tensor.linear
exp = Tensor.exp
log = Tensor.log
sqrt = Tensor.sqrt
abs = Tensor.abs
tanh = Tensor.tanh
sigmoid = Tensor.sigmoid
relu = Tensor.relu
softplus = Tensor.softplus
maximum = Tensor.maximum
minimum = Tensor.minimum
clip = Tensor.clip
sum = Tensor.sum
mean = Tensor.mean
max = Tensor.max
min = Tensor.min
softmax = Tensor.softmax
log_softmax = Tensor.log_softmax
reshape = Tensor.reshape
transpose = Tensor.transpose
broadcast_to = Tensor.broadcast_to
sin = Tensor.sin
cos = Tensor.cos
leaky_relu = Tensor.leaky_relu
expm1 = Tensor.expm1
log1p = Tensor.log1p
erf = Tensor.erf
elu = Tensor.elu
silu = Tensor.silu
gelu = Tensor.gelu
var = Tensor.var
logsumexp = Tensor.logsumexp
std = Tensor.std
norm = Tensor.norm
prod = Tensor.prod
cumsum = Tensor.cumsum
flip = Tensor.flip
pad = Tensor.pad
squeeze = Tensor.squeeze
expand_dims = Tensor.expand_dims
take_along_axis = Tensor.take_along_axis
argmax = Tensor.argmax
