"""The public names, each with the place where it lives: `__init__.py` reads this table, and so do type checkers."""

from .compile.step import CannotCompile as CannotCompile
from .compile.step import CompiledStep as CompiledStep
from .compile.step import compile_step as compile_step
from .core import (
    buffers as buffers,
)
from .core import (
    init as init,
)
from .core import (
    kernels as kernels,
)
from .core import (
    losses as losses,
)
from .core import (
    ops as ops,
)
from .core import (
    optimizers as optimizers,
)
from .core.buffers import FlatBuffer as FlatBuffer
from .core.kernels import set_num_threads as set_num_threads
from .core.layers import (
    ELU as ELU,
)
from .core.layers import (
    GELU as GELU,
)
from .core.layers import (
    BatchNorm1d as BatchNorm1d,
)
from .core.layers import (
    Dropout as Dropout,
)
from .core.layers import (
    Flatten as Flatten,
)
from .core.layers import (
    Layer as Layer,
)
from .core.layers import (
    LayerNorm as LayerNorm,
)
from .core.layers import (
    LeakyReLU as LeakyReLU,
)
from .core.layers import (
    Linear as Linear,
)
from .core.layers import (
    ReLU as ReLU,
)
from .core.layers import (
    Sequential as Sequential,
)
from .core.layers import (
    Sigmoid as Sigmoid,
)
from .core.layers import (
    SiLU as SiLU,
)
from .core.layers import (
    Softmax as Softmax,
)
from .core.layers import (
    Softplus as Softplus,
)
from .core.layers import (
    Tanh as Tanh,
)
from .core.layers import (
    mlp as mlp,
)
from .core.losses import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from .core.losses import (
    cross_entropy as cross_entropy,
)
from .core.losses import (
    hinge_loss as hinge_loss,
)
from .core.losses import (
    huber_loss as huber_loss,
)
from .core.losses import (
    l1_loss as l1_loss,
)
from .core.losses import (
    mse_loss as mse_loss,
)
from .core.optimizer import Optimizer as Optimizer
from .core.optimizers import (
    ASGD as ASGD,
)
from .core.optimizers import (
    SGD as SGD,
)
from .core.optimizers import (
    Adadelta as Adadelta,
)
from .core.optimizers import (
    Adagrad as Adagrad,
)
from .core.optimizers import (
    Adam as Adam,
)
from .core.optimizers import (
    Adamax as Adamax,
)
from .core.optimizers import (
    AdamW as AdamW,
)
from .core.optimizers import (
    AMSGrad as AMSGrad,
)
from .core.optimizers import (
    HeavyBall as HeavyBall,
)
from .core.optimizers import (
    Lion as Lion,
)
from .core.optimizers import (
    Momentum as Momentum,
)
from .core.optimizers import (
    NAdam as NAdam,
)
from .core.optimizers import (
    Nesterov as Nesterov,
)
from .core.optimizers import (
    RAdam as RAdam,
)
from .core.optimizers import (
    RMSprop as RMSprop,
)
from .core.optimizers import (
    Rprop as Rprop,
)
from .core.optimizers import (
    SignSGD as SignSGD,
)
from .core.optimizers import (
    Signum as Signum,
)
from .core.tensor import (
    Tensor as Tensor,
)
from .core.tensor import (
    apply as apply,
)
from .core.tensor import (
    concatenate as concatenate,
)
from .core.tensor import (
    einsum as einsum,
)
from .core.tensor import (
    no_grad as no_grad,
)
from .core.tensor import (
    stack as stack,
)
from .core.tensor import (
    where as where,
)
from .doctor.debug import debug as debug
from .doctor.gradcheck import gradcheck as gradcheck
from .doctor.gradients import Finding as Finding
from .doctor.gradients import Report as Report
from .doctor.gradients import diagnose as diagnose
from .doctor.layers import diagnose_layer as diagnose_layer
from .doctor.layers import diagnose_op as diagnose_op
from .doctor.rules import diagnose_optimizer as diagnose_optimizer
from .explain.steps import explain as explain
from .program.derivatives import grad as grad
from .program.derivatives import hessian as hessian
from .program.derivatives import hvp as hvp
from .program.program import Program as Program
from .program.program import trace as trace
from .race import surfaces as surfaces
from .race.on_data import DataRace as DataRace
from .race.on_data import race_on_data as race_on_data
from .race.on_surfaces import Race as Race
from .race.on_surfaces import race as race
from .training import (
    averages as averages,
)
from .training import (
    data as data,
)
from .training import (
    schedules as schedules,
)
from .training.averages import MovingAverage as MovingAverage
from .training.averages import WeightAverage as WeightAverage
from .training.data import batches as batches
from .training.fit import evaluate as evaluate
from .training.fit import fit as fit
from .training.history import Evaluation as Evaluation
from .training.history import History as History
from .training.lr_find import lr_find as lr_find
from .training.plateau import ReduceOnPlateau as ReduceOnPlateau

__version__: str

# each op that is a method of Tensor is a function too: tg.exp(x) is x.exp()
add = Tensor.add
sub = Tensor.sub
mul = Tensor.mul
div = Tensor.div
neg = Tensor.neg
pow = Tensor.pow
matmul = Tensor.matmul
linear = Tensor.linear
exp = Tensor.exp
expm1 = Tensor.expm1
log = Tensor.log
log1p = Tensor.log1p
sin = Tensor.sin
cos = Tensor.cos
erf = Tensor.erf
sqrt = Tensor.sqrt
abs = Tensor.abs
tanh = Tensor.tanh
sigmoid = Tensor.sigmoid
relu = Tensor.relu
leaky_relu = Tensor.leaky_relu
elu = Tensor.elu
silu = Tensor.silu
gelu = Tensor.gelu
softplus = Tensor.softplus
maximum = Tensor.maximum
minimum = Tensor.minimum
clip = Tensor.clip
sum = Tensor.sum
mean = Tensor.mean
var = Tensor.var
std = Tensor.std
norm = Tensor.norm
prod = Tensor.prod
cumsum = Tensor.cumsum
max = Tensor.max
min = Tensor.min
argmax = Tensor.argmax
logsumexp = Tensor.logsumexp
softmax = Tensor.softmax
log_softmax = Tensor.log_softmax
reshape = Tensor.reshape
transpose = Tensor.transpose
squeeze = Tensor.squeeze
expand_dims = Tensor.expand_dims
broadcast_to = Tensor.broadcast_to
flip = Tensor.flip
pad = Tensor.pad
take_along_axis = Tensor.take_along_axis
