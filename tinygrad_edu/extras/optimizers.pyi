"""The rules of ``optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from collections.abc import Iterable
from typing import Any

from ..core import optimizers as course
from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer
from ..core.optimizers import (
    SGD as SGD,
    Adadelta as Adadelta,
    Adam as Adam,
    AdamW as AdamW,
    Momentum as Momentum,
    Nesterov as Nesterov,
)
from .adam_optimizers import (
    Adamax as Adamax,
    AMSGrad as AMSGrad,
    NAdam as NAdam,
    RAdam as RAdam,
)
from .learning_optimizers import (
    DAdaptAdam as DAdaptAdam,
    DoG as DoG,
    Prodigy as Prodigy,
)
from .matrix_optimizers import (
    SM3 as SM3,
    SOAP as SOAP,
    Adafactor as Adafactor,
    Muon as Muon,
    Shampoo as Shampoo,
)
from .optimizers_of_papers import (
    ADOPT as ADOPT,
    COCOB as COCOB,
    QHM as QHM,
    AdaBelief as AdaBelief,
    AdaBound as AdaBound,
    Adan as Adan,
    AdEMAMix as AdEMAMix,
    OptimisticAdam as OptimisticAdam,
    OptimisticGradient as OptimisticGradient,
    QHAdam as QHAdam,
    Yogi as Yogi,
)
from .schedule_free import (
    ScheduleFree as ScheduleFree,
    ScheduleFreeAdamW as ScheduleFreeAdamW,
)
from .sign_optimizers import (
    Lion as Lion,
    SignSGD as SignSGD,
    Signum as Signum,
)
from .whole_optimizers import (
    LAMB as LAMB,
    LARS as LARS,
    MARS as MARS,
    CautiousAdamW as CautiousAdamW,
    CautiousLion as CautiousLion,
    Fromage as Fromage,
    NovoGrad as NovoGrad,
)

VARIANTS: dict[tuple[bool, bool], tuple[Any, tuple[str, ...]]]
RULES: dict[str, type[Optimizer]]
CLASSIC: dict[str, type[Optimizer]]

def rule_names(wanted: str | Iterable[str]) -> list[str]: ...

# below this line all is written by tests/support/face.py

class HeavyBall(course.HeavyBall):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        momentum: float = 0.9,
        dampening: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Adagrad(course.Adagrad):
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        lr_decay: float = 0.0,
        eps: float = 1e-10,
        initial: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class RMSprop(course.RMSprop):
    @property
    def v(self) -> Array: ...
    @property
    def m(self) -> Array: ...
    @property
    def b(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        rho: float = 0.99,
        eps: float = 1e-08,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Rprop(Optimizer):
    @property
    def d(self) -> Array: ...
    @property
    def q(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        down: float = 0.5,
        up: float = 1.2,
        least: float = 1e-06,
        most: float = 50.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class ASGD(Optimizer):
    @property
    def a(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        lambd: float = 0.0001,
        alpha: float = 0.75,
        t0: float = 1000000.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
