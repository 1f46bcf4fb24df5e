"""The rules of ``learning_optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate
from .whole_optimizers import Whole

def norm_of(arrays: list[Array]) -> float: ...

class Learning(Whole):
    learned: str
    def learn(self) -> float: ...
    def total(self, name: str) -> float: ...

# below this line all is written by tests/support/face.py

class DoG(Learning):
    @property
    def o(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1.0,
        eps: float = 1e-08,
        distance: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class DAdaptAdam(Learning):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    @property
    def r(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        d: float = 1e-06,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Prodigy(DAdaptAdam):
    @property
    def o(self) -> Array: ...
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    @property
    def r(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        d: float = 1e-06,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
