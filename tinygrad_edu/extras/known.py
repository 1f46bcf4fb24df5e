"""Results that need not be computed again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Known(Generic[T]):
    """Results by all that they depend on, the newest ones.

    Examples
    --------
    >>> squares = Known[int](most=100)
    >>> [squares.of(x, lambda: x * x) for x in (2, 3, 2)], len(squares.results)
    ([4, 9, 4], 2)
    """

    def __init__(self, most: int) -> None:
        self.most, self.results = most, dict[Hashable, T]()

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result for a key: the known one, or what make returns."""
        try:
            return self.results[key]
        except KeyError:
            made = make()
        if len(self.results) >= self.most:
            self.results.clear()
        self.results[key] = made
        return made
