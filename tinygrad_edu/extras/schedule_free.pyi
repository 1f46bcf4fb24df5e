"""The rules of ``schedule_free.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer

# below this line all is written by tests/support/face.py

class ScheduleFree(Optimizer):
    @property
    def x(self) -> Array: ...
    @property
    def z(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1.0,
        beta: float = 0.9,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class ScheduleFreeAdamW(Optimizer):
    @property
    def x(self) -> Array: ...
    @property
    def z(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.0025,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
