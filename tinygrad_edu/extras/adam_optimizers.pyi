"""The rules of ``adam_optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer
from ..core.optimizers import AdamW

# below this line all is written by tests/support/face.py

class AMSGrad(AdamW):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    @property
    def x(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Adamax(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def u(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class NAdam(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        momentum_decay: float = 0.004,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class RAdam(AdamW):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
