"""docs/rules.md, made from the classes: ``PYTHONPATH=. python tests/support/rules_page.py > docs/rules.md``."""

import inspect
import re

from tinygrad_edu.core.jit import numbers_of
from tinygrad_edu.extras.learning_optimizers import Learning
from tinygrad_edu.extras.optimizers import CLASSIC, RULES
from tinygrad_edu.extras.whole_optimizers import Whole

HEAD = """\
# Every rule

The {count} update rules as a table, made from the classes by `tests/support/rules_page.py`; a test compares them.
The equations of a rule are its kernel's docstring, and `optimizer.equation()` prints them.
[Optimizers](optimizers.md) has the course's in order.

- **state**: the flat arrays that a rule remembers beside p and g, and the bytes an element they take in float32.
- **looks at**: an *element* rule is one pass, a number at a time, and its pass can be cut for threads. A rule that
  looks at a *parameter* takes a norm or a mean of it first; at *rows and columns*, a number of each; at *all
  parameters*, sums between two steps, out of which it finds its own rate; at a *product*, matrix products by NumPy.
- All are compiled in `compile_step`. Of the last two kinds the gradient is; the update is then a call of its own.
- Not here, as a step of theirs is more than one gradient: `PolyakSGD` and `Momo`, which are given the loss, `LBFGS`,
  and the wrappers `SAM` and `Lookahead`. `optimizer.centralize()` and `add_noise()` change the gradient for any rule.
"""


def needs(cls):
    if issubclass(cls, Learning):
        return "all parameters"
    if not issubclass(cls, Whole):
        return "element"
    names = numbers_of(cls.kernel, 2 + len(cls.state))
    return "product" if cls.apart else "rows and columns" if "columns" in names else "parameter"


def row(cls):
    doc = inspect.getdoc(cls)
    idea = re.split(r"\.? Rule:|\n\n", doc)[0].replace("\n", " ").rstrip(".")
    paper = re.search(r"References\n-+\n(.*?)(\n\n|$)", doc, re.S)
    paper = " ".join(paper[1].split()) if paper else "courses"
    given = [p for p in inspect.signature(cls).parameters.values() if p.default is not p.empty]
    shown = [f"{p.name} {shown_number(p.default)}" for p in given if p.name not in ("l2", "nonfinite")]
    state = ", ".join(cls.state) or "nothing"
    return f"`{cls.__name__}`", idea, f"{state}: {4 * len(cls.state)} B", needs(cls), ", ".join(shown), paper


def shown_number(x):
    return str(x) if isinstance(x, bool) else f"{x:g}"


def page():
    groups = {
        "Of courses, torch.optim and signs": CLASSIC.values(),
        "Of papers": [cls for cls in RULES.values() if cls not in CLASSIC.values() and needs(cls) == "element"],
        "More than an element": [cls for cls in RULES.values() if issubclass(cls, Whole)],
    }
    text = HEAD.format(count=len(RULES))
    for title, classes in groups.items():
        header = ("rule", "the idea in a line", "state", "looks at", "numbers and their defaults", "paper")
        text += f"\n## {title}\n\n" + "".join(map(line, [header, ["---"] * len(header), *map(row, classes)]))
    return text


def line(cells):
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(page(), end="")
