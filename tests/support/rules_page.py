"""docs/rules.md, made from the classes: ``PYTHONPATH=. python tests/support/rules_page.py > docs/rules.md``."""

import inspect
import re

from tinygrad_edu.core.jit import numbers_of
from tinygrad_edu.extras.learning_optimizers import Learning
from tinygrad_edu.extras.matrix_optimizers import Squares
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
- Not here, as a step of theirs is more than one gradient: `PolyakSGD` and `Momo`, which are given the loss, `LBFGS` and
  `Sophia`, and the wrappers `SAM` and `Lookahead`. `optimizer.centralize()` and `add_noise()` change the gradient for
  any rule.
"""
NAMES = {  # what torch.optim, optax and papers call a rule: what it is here
    "torch.optim.SGD, optax.sgd": "`SGD`; with momentum `HeavyBall`, with nesterov `Nesterov`",
    "SGD's dampening": "`HeavyBall(dampening=...)`",
    "momentum of courses, an average": "`Momentum`, with `bias_correction` or without",
    "maximize=True": "a minus: `(-score).backward()`, with the same steps, l2 and decay included",
    "torch.optim.Adagrad, initial_accumulator_value": "`Adagrad(initial=...)`",
    "Adadelta, ASGD, Rprop": "`Adadelta`, `ASGD`, `Rprop`",
    "RMSprop, centered, with momentum": "`RMSprop`",
    "Adam, AdamW, AdaMax": "`Adam`, `AdamW`, `Adamax`",
    "Adam and AdamW with amsgrad=True, optax.amsgrad": "`AMSGrad`, with `weight_decay` or without",
    "AdaMaxW": "`Adamax(weight_decay=...)`",
    "NAdam, NAdamW, decoupled_weight_decay": "`NAdam`, with `weight_decay` or without",
    "RAdam, decoupled_weight_decay": "`RAdam`, with `weight_decay` or without",
    "torch.optim.LBFGS, strong Wolfe": "`LBFGS`",
    "torch.optim.SparseAdam": "not here, see below",
    "torch.optim.Adafactor": "`Adafactor`",
    "torch.optim.Muon": "`Muon`",
    "AdaBelief, AdaBound, Adan, ADOPT, AdEMAMix, Yogi": "`AdaBelief`, `AdaBound`, `Adan`, `ADOPT`, `AdEMAMix`, `Yogi`",
    "COCOB": "`COCOB`",
    "D-Adaptation, dadapt_adamw": "`DAdaptAdam`",
    "DoG, Prodigy": "`DoG`, `Prodigy`",
    "Fromage, LAMB, LARS, NovoGrad, SM3": "`Fromage`, `LAMB`, `LARS`, `NovoGrad`, `SM3`",
    "Lion, sign_sgd, signum": "`Lion`, `SignSGD`, `Signum`",
    "Tiger": "`Signum(beta=0.965, weight_decay=0.01)`, without rates by kind of parameter",
    "noisy_sgd": "`SGD`, and `Optimizer.add_noise` before each step",
    "optimistic_gradient_descent, optimistic_adam": "`OptimisticGradient`, `OptimisticAdam`",
    "polyak_sgd": "`PolyakSGD`",
    "MoMo": "`Momo`",
    "Schedule-Free SGD and AdamW": "`ScheduleFree`, `ScheduleFreeAdamW`; their warm-up is a schedule of lr",
    "SAM": "`SAM`, around any rule",
    "Lookahead": "`Lookahead`, around any rule",
    "Sophia-H": "`Sophia`, out of `Optimizer.hvp`",
    "QHM, QHAdam": "`QHM`, `QHAdam`",
    "Cautious AdamW, Cautious Lion": "`CautiousAdamW`, `CautiousLion`",
    "MARS": "`MARS`",
    "gradient centralization": "`Optimizer.centralize` before each step",
    "Shampoo, SOAP": "`Shampoo`, `SOAP`, for small matrices",
}
TAIL = """
**SparseAdam.** Of an embedding most rows have a gradient of 0 in a step. torch's SparseAdam leaves such a row as it is:
neither the row nor its averages change, while the t of the bias correction counts every step. `Adam` moves the row
on along its old averages, and these fade. Gradients here are dense, so there is no such rule. Where rare rows have to
stay, take `Adagrad`, which was made for rare features, or `SGD` or `SignSGD`: they move nothing whose gradient is 0,
and what they remember of a row does not fade.

**Not done, by name.** `SparseAdam`, as said. Sophia's other form, Gauss-Newton-Bartlett, which draws labels from the
model. Full-matrix Shampoo for vectors, blocks for large matrices, and SOAP's order of columns by their eigenvalues. Of
D-Adaptation the SGD and AdaGrad forms, and of MARS those on Lion and Shampoo. optax's other contributions (acprop,
dowg, galore, madgrad, mechanic, momo_adam, dpsgd, simplified_ademamix).
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
    squares = cls.squares if issubclass(cls, Squares) else {}
    flat = [name for name in cls.state if name not in squares]
    state = f"{', '.join(flat) or 'nothing'}: {4 * len(flat)} B"
    for axis, side in enumerate(("rows", "columns")):
        found = [name for name, on in squares.items() if on == axis]
        state += f"; {', '.join(found)}: {4 * len(found)} B · {side}²" if found else ""
    return f"`{cls.__name__}`", idea, state, needs(cls), ", ".join(shown), paper


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
    text += "\n## Names, and where they are\n\nWhat torch.optim, optax and papers call a rule, and what it is here.\n\n"
    return text + "".join(map(line, [("name", "here"), ["---"] * 2, *NAMES.items()])) + TAIL


def line(cells):
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(page(), end="")
