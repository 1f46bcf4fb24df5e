"""The rules of ``whole_optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer, Update
from ..core.tensor import Tensor

def is_apart(optimizer: Optimizer) -> bool: ...
def matrix(p: Tensor) -> tuple[int, int]: ...

class Whole(Optimizer):
    rows: int
    columns: int
    apart: bool

class Uncut(Update): ...

# below this line all is written by tests/support/face.py

class LARS(Whole):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class LAMB(Whole):
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
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class NovoGrad(Whole):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        beta1: float = 0.95,
        beta2: float = 0.98,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Fromage(Whole):
    def __init__(self, params: Any, lr: LearningRate = 0.01, *, l2: float = 0.0, nonfinite: str = "raise") -> None: ...

class CautiousAdamW(Whole):
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
        weight_decay: float = 0.01,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class CautiousLion(Whole):
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

class MARS(Whole):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    @property
    def q(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.003,
        beta1: float = 0.95,
        beta2: float = 0.99,
        eps: float = 1e-08,
        gamma: float = 0.025,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
