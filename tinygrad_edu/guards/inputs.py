"""One rule for what a model receives from `fit`, `evaluate` and a compiled step: floats, or indices as they are."""

from __future__ import annotations

from typing import Any

from ..core.layers import Layer
from ..core.ops import Array


def input_dtype(model: Layer, X: Array) -> Any:
    """Return the dtype in which the model receives X.

    Whole numbers and booleans become the floats of the model's parameters: in uint8 200 + 100 would be 44. They stay as
    they are if the model uses them as indices, as an embedding does, which one sample in evaluation mode shows.
    """
    dtype = next((p.dtype for p in model.parameters()), X.dtype)
    if X.dtype.kind not in "iub" or not len(X):
        return X.dtype
    try:
        with model.evaluating():
            model(X[:1].astype(dtype))
    except IndexError:
        return X.dtype
    except Exception:  # which comes again, of the batch
        return dtype
    return dtype
