"""The rules of ``sign_optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer

# below this line all is written by tests/support/face.py

class SignSGD(Optimizer):
    def __init__(self, params: Any, lr: LearningRate = 0.001, *, l2: float = 0.0, nonfinite: str = "raise") -> None: ...

class Signum(Optimizer):
    @property
    def m(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta: float = 0.9,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Lion(Optimizer):
    @property
    def m(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.0001,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
