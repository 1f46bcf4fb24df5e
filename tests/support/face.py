"""Writes the functions that are ops into tinygrad_edu/__init__.pyi: ``PYTHONPATH=. python tests/support/face.py``.

The other names in that file are written by hand, each in the line of the module that has it. At run time the ops need
no list: every method of Tensor that is one is a function of the package.
"""

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
    return above + HEAD + "".join(f"{name} = Tensor.{name}\n" for name in functions)


if __name__ == "__main__":
    FILE.write_text(stub(), encoding="utf-8")
