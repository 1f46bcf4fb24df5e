"""The rules of ``optimizers_of_papers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate, Optimizer
from ..core.optimizers import Adam

# below this line all is written by tests/support/face.py

class OptimisticGradient(Optimizer):
    @property
    def q(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        optimism: float = 1.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class OptimisticAdam(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    @property
    def q(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        optimism: float = 1.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class COCOB(Optimizer):
    @property
    def o(self) -> Array: ...
    @property
    def u(self) -> Array: ...
    @property
    def n(self) -> Array: ...
    @property
    def r(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 1.0,
        alpha: float = 100.0,
        eps: float = 1e-08,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Yogi(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 0.001,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class QHM(Optimizer):
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        beta: float = 0.999,
        nu: float = 0.7,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class QHAdam(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.995,
        beta2: float = 0.999,
        eps: float = 1e-08,
        nu1: float = 0.7,
        nu2: float = 1.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class AdaBound(Optimizer):
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
        final: float = 100.0,
        gamma: float = 0.001,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class AdaBelief(Adam):
    @property
    def m(self) -> Array: ...
    @property
    def s(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-16,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Adan(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def d(self) -> Array: ...
    @property
    def n(self) -> Array: ...
    @property
    def q(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.98,
        beta2: float = 0.92,
        beta3: float = 0.99,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class ADOPT(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.9999,
        eps: float = 1e-06,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class AdEMAMix(Optimizer):
    @property
    def m(self) -> Array: ...
    @property
    def n(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        beta3: float = 0.9999,
        alpha: float = 5.0,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
