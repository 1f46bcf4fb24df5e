"""Writes the functions that are ops into tinygrad_edu/__init__.pyi: ``PYTHONPATH=. python tests/support/face.py``.

The other names in that file are written by hand, each in the line of the module that has it. At run time the ops need
no list: every method of Tensor that is one is a function of the package.
"""

from pathlib import Path

from tinygrad_edu.extras import numpy_functions, ops

FILE = Path(__file__).parents[2] / "tinygrad_edu" / "__init__.pyi"
HEAD = (
    "# each op that is a method of Tensor is a function too: tg.exp(x) is x.exp(); written by tests/support/face.py\n"
)


def stub():
    """The text that the file should have."""
    above = FILE.read_text(encoding="utf-8").partition(HEAD)[0]
    taken = {line.split(" as ")[-1].strip(",\n ") for line in above.splitlines() if " as " in line}
    methods = [op.__name__ for op in ops.defined_in(ops)] + [
        name for name in numpy_functions.METHODS if name[0] not in "_m"
    ]
    return above + HEAD + "".join(f"{name} = Tensor.{name}\n" for name in dict.fromkeys(methods) if name not in taken)


if __name__ == "__main__":
    FILE.write_text(stub(), encoding="utf-8")
