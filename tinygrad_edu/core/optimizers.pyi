"""The rules of ``optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from .ops import Array
from .optimizer import LearningRate, Optimizer

# below this line all is written by tests/support/face.py

class SGD(Optimizer):
    def __init__(self, params: Any, lr: LearningRate = 0.001, *, l2: float = 0.0, nonfinite: str = "raise") -> None: ...

class Momentum(Optimizer):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        beta: float = 0.9,
        bias_correction: bool = False,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class HeavyBall(Optimizer):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        momentum: float = 0.9,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Nesterov(HeavyBall):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        momentum: float = 0.9,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Adagrad(Optimizer):
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        lr_decay: float = 0.0,
        eps: float = 1e-10,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Adadelta(Optimizer):
    @property
    def v(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-06,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class RMSprop(Optimizer):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        rho: float = 0.99,
        eps: float = 1e-08,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Adam(Optimizer):
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
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class AdamW(Optimizer):
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
