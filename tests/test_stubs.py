"""The stubs, which type checkers and editors read, say what is there at run time. tests/dist.py has mypy read them."""

import ast
from collections.abc import Iterator

import face
import numpy as np
import pytest

import tinygrad_edu as tg

X = np.array([[0.5, 0.125], [0.125, 0.75]])
MASK = np.array([3, 5])
GIVEN = {  # an argument, by its name
    **dict.fromkeys(["a", "b", "other", "W"], X),
    **{
        "axis": 0,
        "condition": [True, False],
        "dtype": "float32",
        "index": 0,
        "indices": [[0], [1]],
        "kernel_size": 2,
        "labels": np.array([0, 1]),
    },
    **{"pad_width": 1, "shape": (3, 2, 2), "subscripts": "ij->ji"},
}
OTHERS = {  # tensor and arguments of a method for which the above will not do
    **{
        "argpartition": (X, 1),
        "conv2d": (X[None, None], X[None, None]),
        "repeat": (X, 2),
        "reshape": (X, 4),
        "searchsorted": (X[0], 0.25),
        "swapaxes": (X, 0, 1),
    },
    **dict.fromkeys([f"__{r}{name}__" for r in ("", "r") for name in ("and", "or", "xor")], (MASK, MASK)),
    "__invert__": (MASK,),
    **dict.fromkeys(["__float__", "__int__", "graph", "steps"], (0.5,)),
}
TYPES = {"tuple[Tensor, Tensor]": "tuple"}


def of_tensor():
    tree = ast.parse((face.PACKAGE / "core" / "methods.pyi").read_text(encoding="utf-8"))
    return next(node for node in tree.body if getattr(node, "name", None) == "TensorMethods").body


def test_the_stubs_are_what_is_there_at_run_time():
    for path, text in face.stubs():
        assert path.read_text(encoding="utf-8") == text, "PYTHONPATH=. python tests/support/face.py"


@pytest.mark.parametrize("method", of_tensor(), ids=lambda node: node.name)
def test_a_method_returns_what_the_stub_says(method):
    arguments = method.args.args[1:]
    needed = [GIVEN[a.arg] for a in arguments[: len(arguments) - len(method.args.defaults)]]
    array, *given = OTHERS.get(method.name, (X, *needed))
    t = tg.Tensor(array, requires_grad=method.name in ("graph", "steps"))
    with np.errstate(all="ignore"):
        value = getattr(t, method.name)
        got = value if method.decorator_list else value(*given)
    said = ast.unparse(method.returns)
    if said == "Any":
        assert not isinstance(got, tg.Tensor)
    elif said.startswith("Iterator"):
        assert isinstance(got, Iterator)
    else:
        assert type(got).__name__ == TYPES.get(said, said)
