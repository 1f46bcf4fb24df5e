"""Assignments to attributes of layers are counted, so that a compiled step knows when to look whether one matters."""

from __future__ import annotations

from typing import Any

assigned = [0]  # how many were made


def assign(layer: Any, name: str, value: Any) -> None:
    """Assign, and count it. The mode, which `Layer.train` assigns, is no matter of a compiled step."""
    object.__setattr__(layer, name, value)
    if name != "training":
        assigned[0] += 1
