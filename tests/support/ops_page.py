"""docs/ops.md, written from the source of the ops: ``PYTHONPATH=. python tests/support/ops_page.py > docs/ops.md``."""

import ast
import inspect
import re

from tinygrad_edu.core import ops as core
from tinygrad_edu.extras import elementwise, linalg, ops, windows
from tinygrad_edu.program.names import read

HEAD = """\
# Every op

What [core/ops.py](../tinygrad_edu/core/ops.py), [extras/ops.py](../tinygrad_edu/extras/ops.py), and `elementwise.py`,
`linalg.py` and `windows.py` beside it say, as a table: this page is made from their source by
`tests/support/ops_page.py`, and a test compares them. `g` is the gradient of the loss with respect to `y`; the third
column has the gradient with respect to each argument, as it is run, before the engine
undoes broadcasting. Ops take arrays; Tensors have them as functions and methods, `tg.tanh(t)` and `t.tanh()`, with
NumPy's names for the other arguments.
"""


def page():
    text = HEAD
    parts = [
        *sections(core),
        *sections(ops, "rarer: "),
        *sections(elementwise, "rarer: "),
        *sections(linalg, "rarer: "),
        *sections(windows, "rarer: "),
    ]
    for title, code in parts:
        functions = [getattr(ops, name) for name in re.findall(r"^def (\w+)", code, re.M)]
        helpers = "helpers" in title
        rows = [helper_row(f) if helpers else op_row(f) for f in functions]
        header = ("helper", "what it returns") if helpers else ("op", "y", "gradient", "remarks")
        text += f"\n## {title[0].upper() + title[1:]}\n\n" + "".join(map(line, [header, ["---"] * len(header), *rows]))
    return text


def sections(module, prefix=""):
    """(title, source) of each part of a module."""
    parts = re.split(r"^# --- (.+?) -+$", inspect.getsource(module), flags=re.M)
    return [(prefix + title, code) for title, code in zip(parts[1::2], parts[2::2])]


def op_row(op):
    formula, _, remarks = doc(op).removeprefix("y = ").partition("; ")
    recipe = read(op)
    names = ("first",) if recipe.starred else recipe.args
    derivatives = [ast.unparse(recipe.vjp(i)) for i in range(len(names))]
    used, before = " ".join(derivatives), []
    for assignment in recipe.lines[::-1]:
        target = ast.unparse(assignment.targets[0])
        if target != "y" and re.search(rf"\b{target}\b", used):
            before.insert(0, code(ast.unparse(assignment)))
            used += before[0]
    labels = [f"{name}: " for name in names] if names != ("a",) else [""]
    shown = [label + code(d) for label, d in zip(labels, derivatives)]
    return code(signature(op)), formula, "<br>".join(before + shown), remarks


def helper_row(f):
    return code(signature(f)), doc(f)


def signature(f):
    full = inspect.signature(f)
    bare = [p.replace(annotation=p.empty) for p in full.parameters.values()]
    return f.__name__ + str(full.replace(parameters=bare, return_annotation=full.empty))


def doc(f):
    """The docstring's first paragraph, in one line."""
    return " ".join(f.__doc__.partition("\n\n")[0].split())


def code(text):
    return f"`{text}`"


def line(cells):
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(page(), end="")
