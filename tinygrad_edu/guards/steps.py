"""Warnings of steps that are not what was meant: a gradient is missing, lost, used twice, or added to a used one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from ..core.optimizer import Optimizer
from ..core.tensor import Observer, Share, Tensor
from .frames import warn
from .lost import LOST, fresh, lost, noted, reached

AGAIN = (
    "step() used the gradient of {} a second time: there was no backward() since the step before; call zero_grad() "
    "and backward() before each step()"
)
ADDED = (
    "backward() added to the gradient of {}, which step() has used already: call zero_grad() between step() and the "
    "next backward()"
)
MISSED = (
    "no gradient came to {}, so step() changes nothing there: is it used in the loss? If that is meant, freeze() it"
)


class StepGuard(Observer):
    """Look at each step of each optimizer. Each kind of warning comes once for an optimizer.

    A gradient that has a share from before the latest update of its parameter was used by that update. It is new again
    after zero_grad(), and after ``p.grad.fill(0)`` (see `core.tensor.accumulate`). Gradients that were assigned by hand
    are left alone. backward() never warns: sums of old and new gradients that no step uses are right, as those that a
    generator's loss leaves in a discriminator.
    """

    def __init__(self) -> None:
        self.told: WeakKeyDictionary[Optimizer, set[str]] = WeakKeyDictionary()

    def backward(self, root: Tensor, shares: Iterator[Share]) -> Iterator[Share]:
        """Watch for lost leaves before each first step."""
        return noted(shares) if fresh.data else shares  # type: ignore[attr-defined]  # quicker than len

    def step(self, optimizer: Any) -> None:
        updates, used = optimizer.cached_updates, None
        if optimizer.cleared and updates[0].stamp >= 0:  # new gradients, for the same parameters as before
            return
        if not (optimizer.cleared or optimizer.assigned):
            told = self.told.get(optimizer, ())
            for update in updates:
                stamp = update.stamp
                for p in update.params:
                    if p.grad_from < stamp:
                        message = AGAIN if p.grad_stamp < stamp else ADDED
                        if message not in told and p.stored_grad.any():  # an old share of nothing but 0 adds nothing
                            used = message, p
            if used is not None:
                self.say(optimizer, *used)
        if updates[0].stamp < 0:  # new ones
            if optimizer.buffer in fresh:
                fresh.discard(optimizer.buffer)
                if names := lost(optimizer, reached.values()):
                    self.say(optimizer, LOST, ", ".join(names))
                reached.clear()
            missed = [
                name
                for i, (name, p) in enumerate(zip(optimizer.names, optimizer.params))
                if p.stored_grad is None and p.requires_grad and i not in optimizer.frozen
            ]
            if missed:
                self.say(optimizer, MISSED, ", ".join(missed))

    def say(self, optimizer: Optimizer, message: str, what: Tensor | str) -> None:
        """Warn, unless that was said before, or gradients were assigned by hand."""
        told = self.told.setdefault(optimizer, set())
        if message not in told and not optimizer.assigned:
            told.add(message)
            warn(message.format(what.label() if isinstance(what, Tensor) else what))
