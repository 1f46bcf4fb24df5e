"""The rules of ``matrix_optimizers.py`` with their hyper-parameters as arguments; at run time ``hyper`` has them."""

from typing import Any

from ..core.ops import Array
from ..core.optimizer import LearningRate
from .whole_optimizers import Whole

class Squares(Whole):
    squares: dict[str, int]
    def ends(self, axis: int) -> list[int]: ...

# below this line all is written by tests/support/face.py

class Adafactor(Whole):
    @property
    def r(self) -> Array: ...
    @property
    def c(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        power: float = 0.8,
        eps: float = 1e-07,
        least: float = 0.001,
        most: float = 1.0,
        weight_decay: float = 0.0,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class SM3(Whole):
    @property
    def r(self) -> Array: ...
    @property
    def c(self) -> Array: ...
    @property
    def m(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.01,
        momentum: float = 0.9,
        eps: float = 1e-08,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Muon(Whole):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.001,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-08,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class Shampoo(Squares):
    @property
    def s(self) -> Array: ...
    @property
    def a(self) -> Array: ...
    @property
    def b(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.1,
        eps: float = 0.0001,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...

class SOAP(Squares):
    @property
    def m(self) -> Array: ...
    @property
    def v(self) -> Array: ...
    @property
    def a(self) -> Array: ...
    @property
    def b(self) -> Array: ...
    @property
    def c(self) -> Array: ...
    @property
    def d(self) -> Array: ...
    def __init__(
        self,
        params: Any,
        lr: LearningRate = 0.003,
        beta1: float = 0.95,
        beta2: float = 0.95,
        eps: float = 1e-08,
        weight_decay: float = 0.01,
        every: int = 10,
        *,
        l2: float = 0.0,
        nonfinite: str = "raise",
    ) -> None: ...
