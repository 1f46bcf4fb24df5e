"""Writes the functions that are ops into tinygrad_edu/__init__.pyi: ``PYTHONPATH=. python tests/support/face.py``.

The other names in that file are written by hand, each in the line of the module that has it. At run time the ops need
no list: every method of Tensor that is one is a function of the package.
"""

import inspect
from pathlib import Path

import tinygrad_edu as tg

FILE = Path(__file__).parents[2] / "tinygrad_edu" / "__init__.pyi"
CLASSES = ("Tensor", "apply", "no_grad")
HEAD = (
    "# each op that is a method of Tensor is a function too: tg.exp(x) is x.exp(); written by tests/support/face.py\n"
)


def stub():
    """The text that the file should have."""
    above = FILE.read_text(encoding="utf-8").partition(HEAD)[0]
    functions = [name for name, (module, _) in tg._TABLE.items() if module == "core.tensor" and name not in CLASSES]
    return above + HEAD + "".join(function(name) for name in functions)


def function(name):
    """The line for one function, with the parameters of the method."""
    parameters = inspect.signature(getattr(tg.Tensor, name)).parameters.values()
    shown = [f"*{p.name}: Any" if p.kind is p.VAR_POSITIONAL else parameter(p) for p in parameters]
    return f"def {name}({', '.join(shown)}) -> {'Any' if name in ('argmax', 'argmin') else 'Tensor'}: ...\n"


def parameter(p):
    return f"{p.name}: Any" + " = ..." * (p.default is not p.empty)


if __name__ == "__main__":
    FILE.write_text(stub(), encoding="utf-8")
